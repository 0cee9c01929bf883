"""
Searches files for needles: every byte, and what is inside compressed files, Parquet files, databases, plans, and Git.

Nothing that is found is kept: only in which files.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import shutil
import sqlite3
import subprocess
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from leanplum_sync.duck import connect, connect_read_only, failures
from leanplum_sync.errors import LeanplumSyncError, StalePlanError
from leanplum_sync.library.erasing.needles import NOTHING, Hit, Matcher
from leanplum_sync.planfile import open_plan

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_CHUNK: Final = 1 << 20
_SQLITE: Final = b"SQLite format 3\0"
_PARQUET: Final = b"PAR1"
_GZIP, _ZSTD, _ZIP = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PK\x03\x04"
_BZIP2, _XZ = b"BZh", b"\xfd7zXZ\0"
_DUCKDB, _DUCKDB_AT = b"DUCK", 8
# Compressed in ways that nothing here can open: Arrow, ORC, Avro, 7-Zip, LZ4, RAR, Snappy.
_CLOSED: Final = (
    b"ARROW1",
    b"ORC",
    b"Obj\x01",
    b"7z\xbc\xaf",
    b"\x04\x22\x4d\x18",
    b"Rar!",
    b"\xff\x06\0\0sNaPpY",
)
_MEMORY_MB: Final = 256
_GIT: Final = ".git"


@dataclass(frozen=True, slots=True)
class Found:
    """*place* is a file, relative to the project folder, or a table. *ids*: it has ids of erased users; *values*: their values."""

    place: str
    ids: bool
    values: bool


@dataclass(slots=True)
class Search:
    """
    What was searched, so far: *files* and *size* in bytes. *unread* are places that could not be searched, *skipped* places that are not
    to be searched, both with reasons.
    """

    files: int = 0
    size: int = 0
    found: list[Found] = field(default_factory=list)
    unread: list[tuple[str, str]] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)

    def note(self, place: str, hit: Hit) -> None:
        if hit:
            self.found.append(Found(place, hit.ids, hit.values))


class UnknownFormatError(ValueError):
    """A file is compressed in a way that can't be opened, so what is in it isn't known."""


def unreadable() -> tuple[type[Exception], ...]:
    """Return what reading a damaged or locked file raises, besides OSError."""
    from zstandard import ZstdError  # noqa: PLC0415 - few files need it

    # A zip file that needs a password, or is compressed in an unknown way, raises RuntimeError.
    return (
        ValueError,
        EOFError,
        RuntimeError,
        zlib.error,
        lzma.LZMAError,
        zipfile.BadZipFile,
        sqlite3.Error,
        ZstdError,
        *failures(),
    )


def unsearchable() -> tuple[type[Exception], ...]:
    """Return the same, and what keeps a file from being read at all."""
    return OSError, LeanplumSyncError, *unreadable()


def search_folder(
    root: Path,
    matcher: Matcher,
    search: Search,
    skips: Callable[[Path], str | None],
    linked: Collection[Path] = (),
) -> None:
    """
    Search every file below *root*, except files and folders that it *skips*, for the reason that it returns.

    Links are not followed, except to the folders *linked*: what a link points to is searched at its own place, if that is below
    *root*. Otherwise, the link is named as not searched.
    """
    inside = root.resolve()
    links = [path for path in linked if path.is_symlink() and not path.resolve().is_relative_to(inside)]
    for folder in (root, *links):
        _search_below(folder, root, matcher, search, skips, links)
    if (root / _GIT).exists():
        _search_git(root, matcher, search)


def _search_below(  # noqa: PLR0917 - see `search_folder`
    folder: Path,
    root: Path,
    matcher: Matcher,
    search: Search,
    skips: Callable[[Path], str | None],
    links: Collection[Path],
) -> None:
    def note_unlisted(error: OSError) -> None:
        search.unread.append((_relative(Path(error.filename), root), error.strerror or type(error).__name__))

    for here, folders, names in os.walk(folder, onerror=note_unlisted):
        for path in (Path(here, name) for name in sorted(folders)):
            if path not in links and _is_left_out(path, root, search, skips):
                folders.remove(path.name)
        folders.sort()
        for path in (Path(here, name) for name in sorted(names)):
            if (path.is_symlink() or path.is_file()) and not _is_left_out(path, root, search, skips):
                _search_one(path, _relative(path, root), matcher, search)


def _is_left_out(path: Path, root: Path, search: Search, skips: Callable[[Path], str | None]) -> bool:
    """Return whether a file or folder is not searched at *path*, and note why, unless it is searched in another way."""
    if path.is_symlink():
        _note_link(path, root, search)
    elif path.name == _GIT and path.is_dir():
        if path.parent != root:
            search.unread.append((_relative(path, root), "the history of another Git repository"))
    elif reason := skips(path):
        search.skipped.append((_relative(path, root), reason))
    else:
        return False
    return True


def _note_link(path: Path, root: Path, search: Search) -> None:
    """Name the link at *path* as not searched, unless it points below *root*."""
    try:
        target = path.resolve(strict=True)
    except (OSError, RuntimeError):  # a loop of links raises RuntimeError
        search.unread.append((_relative(path, root), "a link that can't be followed"))
        return
    if not target.is_relative_to(root.resolve()):
        search.unread.append((_relative(path, root), "a link to a place outside the project folder"))


def _search_one(path: Path, name: str, matcher: Matcher, search: Search) -> None:
    try:
        search.size += path.stat().st_size
        hit = search_file(path, matcher)
    except FileNotFoundError:
        return  # another process removed it meanwhile
    except unsearchable() as error:
        search.unread.append((name, type(error).__name__))
        return
    search.files += 1
    search.note(name, hit)


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


def files_below(root: Path) -> Iterator[Path]:
    """Yield the files below *root*. Links are not followed."""
    for folder, _, names in os.walk(root):
        for name in sorted(names):
            path = Path(folder, name)
            if not path.is_symlink() and path.is_file():
                yield path


def search_file(path: Path, matcher: Matcher, *, opens_plans: bool = True) -> Hit:
    """
    Return what is in the file at *path*: in its bytes, and in what they mean. The encrypted values of a plan are searched only if it
    *opens_plans*; ids are not encrypted.

    Raises:
        OSError, ValueError, EOFError, zlib.error, sqlite3.Error, LeanplumSyncError, duckdb.Error: a part of it can't be read.
    """
    with path.open("rb") as file:
        start = file.read(len(_SQLITE))
        file.seek(0)
        hit = matcher.find_in(_chunks(file))
    if start == _SQLITE:
        hit |= matcher.find_in(_cells(path))
        return hit | _in_plan(path, matcher) if opens_plans else hit
    if start.startswith(_PARQUET):
        return hit | matcher.find_in(_rows(path))
    if start.startswith(_DUCKDB, _DUCKDB_AT):
        return hit | matcher.find_in(_cells_of_duckdb(path))
    if start.startswith(_CLOSED) and not hit:
        raise UnknownFormatError
    if start.startswith((_GZIP, _ZSTD, _ZIP, _BZIP2, _XZ)):
        with path.open("rb") as file:
            return hit | _inside(file, start, matcher)
    return hit


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK):
        yield chunk


def _inside(file: BinaryIO, start: bytes, matcher: Matcher) -> Hit:
    """Return what is in a compressed file."""
    if start.startswith(_GZIP):
        with gzip.GzipFile(fileobj=file) as content:
            return matcher.find_in(_chunks(content))  # type: ignore[arg-type]  # it reads as a file does
    if start.startswith(_ZSTD):
        import zstandard  # noqa: PLC0415 - few files need it

        with zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True) as content:
            return matcher.find_in(_chunks(content))
    if start.startswith((_BZIP2, _XZ)):
        with bz2.BZ2File(file) if start.startswith(_BZIP2) else lzma.LZMAFile(file) as content:
            return matcher.find_in(_chunks(content))  # type: ignore[arg-type]  # as above
    hit = NOTHING
    with zipfile.ZipFile(file) as archive:
        for member in archive.namelist():
            with archive.open(member) as content:
                hit |= matcher.find_in(_chunks(content))  # type: ignore[arg-type]  # as above
    return hit


def _cells(path: Path) -> Iterator[bytes]:
    """Yield every cell of a database, and what is inside compressed ones."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
        database.text_factory = bytes
        tables = database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
        for (name,) in tables:
            quoted = name.decode().replace('"', '""')
            for row in database.execute(f'SELECT * FROM "{quoted}"'):  # noqa: S608 - a name from the file itself, quoted
                yield b"\0".join([b"", *map(_cell, row), b""])


def _cells_of_duckdb(path: Path) -> Iterator[bytes]:
    """Yield every cell of a DuckDB file, whose texts are compressed."""
    with closing(connect_read_only(path, memory_limit_mb=_MEMORY_MB)) as database:
        tables = database.execute(
            "SELECT schema_name, table_name FROM duckdb_tables() WHERE NOT internal AND NOT temporary"
        ).fetchall()
        for names in tables:
            table = ".".join('"' + name.replace('"', '""') + '"' for name in names)
            yield from _lines(database.execute(f"SELECT * FROM {table}"))  # noqa: S608 - names from the file itself, quoted


def _cell(value: object) -> bytes:
    if isinstance(value, bytes):
        return value + b"\0" + _unpacked(value)
    return str(value).encode()


def _unpacked(content: bytes) -> bytes:
    try:
        if content.startswith(_GZIP):
            return gzip.decompress(content)
        if content.startswith(_ZSTD):
            import zstandard  # noqa: PLC0415 - as above

            with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(content)) as file:
                return bytes(file.read())
    except (OSError, EOFError, zlib.error):
        pass  # it only looks compressed
    return b""


def _rows(path: Path) -> Iterator[bytes]:
    with closing(connect()) as database:
        yield from _lines(database.execute("SELECT * FROM read_parquet(?)", [str(path)]))


def _lines(rows: DuckDBPyConnection) -> Iterator[bytes]:
    while page := rows.fetchmany(1000):
        for row in page:
            yield b"\0".join([b"", *(str(cell).encode(errors="surrogatepass") for cell in row), b""])


def _in_plan(path: Path, matcher: Matcher) -> Hit:
    """Return what is in the encrypted values of a plan. A plan that can't be opened was searched cell by cell."""
    if path.suffix != ".lpplan":
        return NOTHING
    try:
        opened = open_plan(path)
    except StalePlanError:
        return NOTHING
    with opened as plan:
        texts = (
            str((planned.action.arguments, planned.subject)).encode(errors="surrogatepass")
            for batch in plan.batches()
            for planned in batch.actions
        )
        hit = matcher.find_in(texts)
        subjects = list(plan.subjects())
        changes = plan.changes_of(subjects)
        sides = (
            str((change.before, change.after)).encode(errors="surrogatepass")
            for each in changes.values()
            for change in each
        )
        return hit | matcher.find_in(sides)


def _search_git(root: Path, matcher: Matcher, search: Search) -> None:
    """Search all that Git keeps of this folder's repository: every version of every file, and every message."""
    git = shutil.which("git")
    place = "the Git history"
    if git is None:
        search.unread.append((place, "git is not installed"))
        return
    command: Sequence[str] = (git, "-C", str(root), "cat-file", "--batch-all-objects", "--batch", "--buffer")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:  # noqa: S603 - no user input
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        chunks: Iterable[bytes] = iter(lambda: process.stdout.read(_CHUNK), b"")  # type: ignore[union-attr]  # as above
        hit = matcher.find_in(chunks)
        process.stdout.close()
        if hit:
            process.terminate()  # the rest isn't needed
    if process.returncode and not hit:
        search.unread.append((place, f"git cat-file ended with code {process.returncode}"))
    search.note(place, hit)
