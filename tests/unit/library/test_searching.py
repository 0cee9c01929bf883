"""The search after an erasure opens files, whatever they are packed in, and names those that it can't open."""

from __future__ import annotations

import bz2
import gzip
import lzma
import sqlite3
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa
import pytest
import zstandard
from pyarrow import feather, parquet

from leanplum_sync.library.erasing.needles import Matcher, Needles
from leanplum_sync.library.erasing.searching import Search, search_folder

PLANTED = "leaves-7f3a91"
# Long enough for DuckDB, Parquet and the others to compress.
LINES = [f"stays-{number * 7919 % 100_000:05}" for number in range(20_000)]
LINES[7_000] = PLANTED
TEXT = "\n".join(LINES).encode()
TABLE = pa.table({"user": LINES})


def in_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("users.csv", TEXT)


def in_sqlite(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE users (packed BLOB)")
        database.execute("INSERT INTO users VALUES (?)", [gzip.compress(TEXT)])
        database.commit()


def in_duckdb(path: Path) -> None:
    with duckdb.connect(path) as database:
        database.register("lines", TABLE)
        database.execute("CREATE SCHEMA crm; CREATE TABLE crm.users AS SELECT * FROM lines")


OPENED: dict[str, Callable[[Path], object]] = {
    "users.csv": lambda path: path.write_bytes(TEXT),
    "users.csv.gz": lambda path: path.write_bytes(gzip.compress(TEXT)),
    "users.csv.zst": lambda path: path.write_bytes(zstandard.compress(TEXT)),
    "users.csv.bz2": lambda path: path.write_bytes(bz2.compress(TEXT)),
    "users.csv.xz": lambda path: path.write_bytes(lzma.compress(TEXT)),
    "users.zip": in_zip,
    "users.parquet": lambda path: parquet.write_table(TABLE, path),
    "users.db": in_sqlite,
    "users.duckdb": in_duckdb,
}
NOT_OPENED: dict[str, Callable[[Path], object]] = {
    "users.feather": lambda path: feather.write_feather(TABLE, path, compression="zstd"),
    "users.orc": lambda path: path.write_bytes(b"ORC compressed"),
    "users.avro": lambda path: path.write_bytes(b"Obj\x01 compressed"),
    "users.7z": lambda path: path.write_bytes(b"7z\xbc\xaf\x27\x1c compressed"),
    "users.lz4": lambda path: path.write_bytes(b"\x04\x22\x4d\x18 compressed"),
}
DAMAGED: Final = {
    "users.csv.gz": gzip.compress(TEXT)[:-100],
    "users.csv.zst": b"\x28\xb5\x2f\xfd damaged",
    "users.csv.xz": lzma.compress(TEXT)[:-100],
    "users.zip": b"PK\x03\x04 damaged",
    "users.parquet": b"PAR1 damaged",
    "users.db": b"SQLite format 3\0 damaged",
}


def searched(folder: Path) -> Search:
    search = Search()
    matcher = Matcher(Needles(frozenset({PLANTED})))
    search_folder(folder, matcher, search, lambda _: None, linked=[folder / "state"])
    return search


@pytest.mark.parametrize("name", OPENED)
def test_an_id_is_found_in_files_of_every_format_that_can_be_opened(name: str, tmp_path: Path) -> None:
    OPENED[name](tmp_path / name)
    search = searched(tmp_path)
    assert [each.place for each in search.found] == [name]
    assert not search.unread


@pytest.mark.parametrize("name", NOT_OPENED)
def test_a_file_whose_format_can_not_be_opened_is_named(name: str, tmp_path: Path) -> None:
    NOT_OPENED[name](tmp_path / name)
    search = searched(tmp_path)
    assert [place for place, _ in search.unread] == [name]
    assert search.files == 0


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_named_as_not_searched(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(DAMAGED[name].replace(PLANTED.encode(), b""))
    search = searched(tmp_path)
    assert [place for place, _ in search.unread] == [name]
    assert search.files == 0


def test_a_zip_file_with_a_password_is_named_as_not_searched(tmp_path: Path) -> None:
    in_zip(tmp_path / "users.zip")
    content = bytearray((tmp_path / "users.zip").read_bytes())
    for header, flags_at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(header) + flags_at] |= (
            1  # Source: PKWARE's APPNOTE: bit 0 says that it is encrypted
        )
    (tmp_path / "users.zip").write_bytes(content)
    assert [place for place, _ in searched(tmp_path).unread] == ["users.zip"]


def test_git_histories_that_can_not_be_searched_are_named(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()  # not a repository: git fails
    (tmp_path / "library" / ".git").mkdir(parents=True)
    assert [place for place, _ in searched(tmp_path).unread] == ["library/.git", "the Git history"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a link to each kind of place."""
    project, outside = tmp_path / "project", tmp_path / "outside"
    for folder in (project / "data", outside / "state"):
        folder.mkdir(parents=True)
    for path in (project / "data" / "users.csv", outside / "users.csv", outside / "state" / "users.csv"):
        path.write_text(PLANTED)
    (project / "inside.csv").symlink_to("data/users.csv")
    (project / "inside").symlink_to("data")
    (project / "outside.csv").symlink_to(outside / "users.csv")
    (project / "outside").symlink_to(outside)
    (project / "missing.csv").symlink_to("nothing.csv")
    (project / "loop.csv").symlink_to("loop.csv")
    (project / "state").symlink_to(outside / "state")
    return project


def test_links_out_of_the_project_are_named_and_others_are_searched_at_their_own_place(project: Path) -> None:
    search = searched(project)
    assert [each.place for each in search.found] == ["data/users.csv", "state/users.csv"]
    assert dict(search.unread) == {
        "outside.csv": "a link to a place outside the project folder",
        "outside": "a link to a place outside the project folder",
        "missing.csv": "a link that can't be followed",
        "loop.csv": "a link that can't be followed",
    }
