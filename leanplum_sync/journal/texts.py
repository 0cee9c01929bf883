"""Messages of the API in the journal. They may quote values, so they are encrypted if there is a key."""

from __future__ import annotations

import base64
import re
from typing import Final

from leanplum_sync.encryption import Codec, SealingKeys
from leanplum_sync.errors import JournalCorruptError

PURPOSE: Final = "journal"
_SEALED: Final = re.compile(r"sealed:([0-9a-f]{8}):([A-Za-z0-9+/]+=*)")


class Texts:
    """*name* begins the sentence of an error. An encrypted text names its key, so that keys can be rotated."""

    def __init__(self, name: str, keys: SealingKeys) -> None:
        self._name, self._keys = name, keys
        self._codec = keys.to_seal(b"", PURPOSE)
        self._codecs: dict[str, Codec] = {self._codec.key_id: self._codec}

    def seal(self, text: str, *place: str | int) -> str:
        """Return *text* as the column of this *place* keeps it."""
        # The API may send any text; PostgreSQL stores every character except NUL.
        text = text.replace("\0", "\N{REPLACEMENT CHARACTER}")
        if not text:
            return text
        kept = self._codec.seal(text, *map(str, place))
        if isinstance(kept, bytes):
            return f"sealed:{self._codec.key_id}:{base64.b64encode(kept).decode()}"
        return f" {kept}" if _SEALED.fullmatch(kept) else kept

    def open(self, kept: str, *place: str | int) -> str:
        """
        Raises:
            CredentialError: it is sealed with a key that isn't here.
            JournalCorruptError: it was not sealed for this *place*.
        """
        match = _SEALED.fullmatch(kept)
        if match is None:
            return kept
        try:
            return self._codec_of(match[1]).open(base64.b64decode(match[2]), *map(str, place))
        except ValueError as error:
            raise self.damaged(place[1]) from error

    def damaged(self, run: str | int) -> JournalCorruptError:
        return JournalCorruptError(
            f"{self._name} is damaged: a value recorded for run {run} was changed after it was written. Restore the journal from a backup."
        )

    def stamp(self, digest: str) -> str:
        return self._codec.stamp(digest) if digest else digest

    def _codec_of(self, key_id: str) -> Codec:
        if key_id not in self._codecs:
            what = f"{self._name}: a value in it is encrypted"
            self._codecs[key_id] = self._keys.to_open(key_id, b"", PURPOSE, what)
        return self._codecs[key_id]
