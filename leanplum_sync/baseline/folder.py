"""
A baseline on disk: a folder with

- ``key``: the secret key of all prints and of the seal, as text;
- ``prints-N.parquet``: the prints of generation N, sorted by shard and id. The generation before stays, for plans that are reading it;
- ``head.json``: which generation counts, what it belongs to, and the seal, a keyed digest of all this and of the prints;
- ``lock``: held by the process that writes the next generation;
- ``shared``: the id of the copy in a shared journal that has this content, see ``shared``.

A generation is written under another name, made durable, and renamed; then the head is. So whoever reads sees the old baseline or
the new one, whatever happens. Any other content is noticed by the seal.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import hmac
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

_FORMAT: Final = 1
_HEAD: Final = "head.json"
_SHARED: Final = "shared"
_PARTS: Final = 3  # lines before the prints in a copy: the key, and the two of the head
_KEY: Final = "key"
_KEY_BYTES: Final = 16
_KEY_TEXT: Final = 22  # characters: with the names of most fields and their values, one block of the hash


def new_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(_KEY_BYTES)).decode().rstrip("=")


class UnusableError(Exception):
    """There is a baseline, and it must not be used. The message is the reason, without a full stop."""


@dataclass(frozen=True, slots=True)
class Owner:
    """What a baseline is about: prints of one app are not those of another."""

    app: str
    host: str
    environment: str


@dataclass(frozen=True, slots=True)
class Head:
    """
    *journal*, *mark*, *run*, *uid* and *unfinished* say which writes of our own runs the prints include: those up to number *run* of
    this journal, whose id is empty if there was none. *uid* is that run's. See ``Position``.

    *fields* are those with prints, *names* the attributes that users were seen to have. *users* counts rows.
    """

    owner: Owner
    journal: str
    mark: int
    run: int
    uid: str
    unfinished: Mapping[int, int]
    fields: tuple[str, ...]
    names: tuple[str, ...]
    users: int = 0
    generation: int = 0
    made_at: float = 0.0
    digest: str = ""
    format: int = field(default=_FORMAT)


@dataclass(frozen=True, slots=True)
class Folder:
    path: Path

    @property
    def exists(self) -> bool:
        return (self.path / _HEAD).exists()

    def prints(self, generation: int) -> Path:
        return self.path / f"prints-{generation}.parquet"

    def key(self) -> str:
        """
        Return the key.

        Raises:
            UnusableError: there is none, or it is damaged.
        """
        try:
            text = (self.path / _KEY).read_text("ascii").strip()
        except (OSError, ValueError) as error:
            raise UnusableError("its key can't be read") from error
        if len(text) != _KEY_TEXT:
            raise UnusableError("its key is damaged")
        return text

    def read(self) -> Head:
        """
        Return the head, once it and the prints have been checked.

        Raises:
            UnusableError: there is none, or anything is damaged or was made with another key.
        """
        key = self.key()
        try:
            content = (self.path / _HEAD).read_bytes()
        except OSError as error:
            raise UnusableError("it can't be read") from error
        seal, _, told = content.partition(b"\n")
        if not hmac.compare_digest(seal, _seal(key, told).encode()):
            raise UnusableError("it is damaged, or was made with another key")
        head = _head(told)
        try:
            digest = _digest(key, self.prints(head.generation))
        except OSError as error:
            raise UnusableError("its prints can't be read") from error
        if not hmac.compare_digest(digest, head.digest):
            raise UnusableError("its prints are damaged")
        return head

    def take(self, head: Head, into: Path) -> Path:
        """
        Return a file in the folder *into* with the prints of *head*, which stays when further generations are written.

        Call it while ``alone``, since *head* was read: a copy that is received may have other prints of the same generation.

        Raises:
            UnusableError: it is gone.
        """
        mine = into / "baseline.parquet"
        try:
            try:
                os.link(self.prints(head.generation), mine)
            except FileNotFoundError:
                raise
            except OSError:  # another file system
                shutil.copyfile(self.prints(head.generation), mine)
        except OSError as error:
            raise UnusableError("its prints can't be read") from error
        return mine

    @contextmanager
    def alone(self) -> Iterator[None]:
        """
        Keep other processes from writing a generation.

        Raises:
            OSError: the folder can't be written.
        """
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
        finally:
            os.close(file)

    def publish(self, head: Head, prints: Path, key: str) -> None:
        """
        Make *prints*, a file in this folder that was made with *key*, the generation of *head*. Call it while ``alone``.

        Raises:
            OSError: there is no room. The generation before still counts.
        """
        prints.chmod(0o600)
        _sync(prints)
        sealed = asdict(head) | {"digest": _digest(key, prints)}
        prints.replace(self.prints(head.generation))
        _sync(self.path)
        self._put(_KEY, f"{key}\n".encode())
        told = orjson.dumps(sealed, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_SORT_KEYS)
        self._put(_HEAD, _seal(key, told).encode() + b"\n" + told)
        self._remove_prints(besides={head.generation, head.generation - 1})

    def forget(self) -> None:
        """Remove everything but the lock. Call it while ``alone``."""
        for name in (_HEAD, _KEY, _SHARED):
            (self.path / name).unlink(missing_ok=True)
            self._aside(name).unlink(missing_ok=True)  # of a process that was killed
        _sync(self.path)
        self._remove_prints(besides=set())

    @property
    def came_from(self) -> str | None:
        """Return the id of the shared copy that the content came from, None if it was never shared."""
        try:
            return (self.path / _SHARED).read_text("ascii")
        except (OSError, ValueError):
            return None

    def comes_from(self, copy: str) -> None:
        self._put(_SHARED, copy.encode())

    def write_to(self, file: SupportsWrite[bytes]) -> None:
        """
        Write everything to *file*, as ``receiving`` reads it. Call it while ``alone``.

        Raises:
            OSError: it can't be read.
            UnusableError: the key is damaged, or the head is of another version.
        """
        head = (self.path / _HEAD).read_bytes()
        file.write(f"{self.key()}\n".encode() + head + b"\n")
        with self.prints(_head(head.partition(b"\n")[2]).generation).open("rb") as prints:
            shutil.copyfileobj(prints, file)

    @contextmanager
    def receiving(self, copy: str) -> Iterator[SupportsWrite[bytes]]:
        """
        Yield a file, and make what was written to it the content, which came from the shared *copy*. Call it while ``alone``.

        Raises:
            OSError: there is no room. The content before stays.
            UnusableError: it is of another version.
        """
        aside = self.path / "received.new"
        aside.unlink(missing_ok=True)
        try:
            with os.fdopen(os.open(aside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
                parting = _Parting(file)
                yield parting
                file.flush()
                os.fsync(file.fileno())
            key, seal, told = parting.lines()
            generation = _head(told).generation
            # Without the head before, nobody takes a mixture for a baseline if this is interrupted.
            (self.path / _HEAD).unlink(missing_ok=True)
            aside.replace(self.prints(generation))
            self._put(_KEY, key + b"\n")
            self._put(_HEAD, seal + b"\n" + told)
            self._put(_SHARED, copy.encode())
            self._remove_prints(besides={generation})
        finally:
            aside.unlink(missing_ok=True)

    def latest_generation(self) -> int:
        """Return the highest number that a file has: a head that can't be read doesn't say it."""
        numbers = [path.stem.removeprefix("prints-") for path in self.path.glob("prints-*.parquet")]
        return max((int(number) for number in numbers if number.isdecimal()), default=0)

    def _remove_prints(self, besides: set[int]) -> None:
        kept = {self.prints(generation) for generation in besides}
        for path in self.path.glob("prints-*.parquet"):
            if path not in kept:
                with suppress(OSError):
                    path.unlink()

    def _aside(self, name: str) -> Path:
        return self.path / f"{name}.new"

    def _put(self, name: str, content: bytes) -> None:
        aside = self._aside(name)
        aside.unlink(missing_ok=True)
        with os.fdopen(os.open(aside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(self.path / name)
        _sync(self.path)


class _Parting:
    """Keeps the first lines of what is written to it, and writes the rest to *file*."""

    def __init__(self, file: SupportsWrite[bytes]) -> None:
        self._file = file
        self._start: bytes | None = b""
        self._lines: list[bytes] = []

    def write(self, data: bytes) -> int:
        if self._start is None:
            self._file.write(data)
            return len(data)
        self._start += data
        *lines, rest = self._start.split(b"\n", _PARTS)
        if len(lines) == _PARTS:
            self._lines, self._start = lines, None
            self._file.write(rest)
        return len(data)

    def lines(self) -> list[bytes]:
        if len(self._lines) != _PARTS:
            raise UnusableError("its copy in the journal is damaged")
        return self._lines


def _head(told: bytes) -> Head:
    """
    Raises:
        UnusableError: it is of another version.
    """
    values: dict[str, Any] = orjson.loads(told)  # the seal has shown that we wrote it
    if values.get("format") != _FORMAT:
        raise UnusableError("it was made by another version of leanplum-sync")
    return Head(
        **values
        | {
            "owner": Owner(**values["owner"]),
            "unfinished": {int(run): sent for run, sent in values["unfinished"].items()},
            "fields": tuple(values["fields"]),
            "names": tuple(values["names"]),
        }
    )


def _seal(key: str, told: bytes) -> str:
    return hashlib.blake2b(told, key=key.encode(), digest_size=16).hexdigest()


def _digest(key: str, prints: Path) -> str:
    with prints.open("rb") as file:
        return hashlib.file_digest(
            file, lambda: hashlib.blake2b(key=key.encode(), digest_size=16)
        ).hexdigest()


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
