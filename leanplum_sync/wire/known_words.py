"""
Decides which words of the API are shown when it refuses to return a user.

Such words may quote any value of that user. The values aren't known, because the user could not be read, so there is nothing to
compare the words with. Only sentences that are known to quote nothing are shown.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

WITHHELD: Final = "The API's message is not shown, because it may quote a value of the user."

# The API's texts change without notice and may continue with details, so only their beginning is compared, in lower case.
# Source: recorded traffic, documentation and Leanplum's SDKs.
_SENTENCES: Final = (
    "'deviceid' must be provided",
    "'userid' must be provided",
    "action not found",
    "app endpoint configuration mismatch",
    "app not found",
    "development mode requested but not permitted",
    "invalid access key",
    "invalid app/user combination",
    "per device rate limit exceeded",
    "request failed due to concurrent requests to the same profile id",
    "the api gave no reason",
    "user not found",
    *(status.phrase.lower() for status in HTTPStatus if status >= HTTPStatus.BAD_REQUEST),
)


def known_words(words: str) -> str:
    """Return the longest known sentence that *words* begin with, as the API wrote it; ``WITHHELD`` if there is none."""
    lowered = words.lower()
    length = max((len(known) for known in _SENTENCES if lowered.startswith(known)), default=0)
    return words[:length] if length else WITHHELD
