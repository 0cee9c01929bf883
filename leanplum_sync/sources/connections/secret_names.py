"""Which options of object stores and parameters of URLs are secrets, by their names."""

from __future__ import annotations

import re
from typing import Final

# Source: libpq, Arrow's JDBC driver, and gosnowflake's DSN.
SECRET_PARAMETERS: Final = frozenset({"password", "sslpassword", "token", "passcode", "privatekey"})
_OPTION: Final = re.compile("secret|token|password|sas|key$", re.IGNORECASE)
_SHOWN: Final = re.compile("(?:key_?id|_file)$", re.IGNORECASE)  # an id of a key, or a path


def is_secret_option(name: str) -> bool:
    """Tell whether an option of obstore that is called *name* holds a secret."""
    return _OPTION.search(name) is not None and not _SHOWN.search(name)
