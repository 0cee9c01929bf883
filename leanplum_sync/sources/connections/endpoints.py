"""Where an object store is, if not at its usual address."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

_VARIABLES: Final = (
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_ENDPOINT",
    "AZURE_ENDPOINT",
    "AZURE_STORAGE_ENDPOINT",
)


def is_plain(options: Mapping[str, str]) -> bool:
    """Tell whether the store is named with ``http://``, in *options* or in the variables that the libraries read themselves."""
    return any(
        text.startswith("http://") for text in (*options.values(), *map(os.environ.get, _VARIABLES)) if text
    )
