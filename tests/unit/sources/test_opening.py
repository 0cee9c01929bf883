from __future__ import annotations

import gzip
import hashlib
from typing import Any

import pytest
import zstandard

from leanplum_sync.kinds.rows.source import InlineItem, InlineSource
from leanplum_sync.problem import Place
from leanplum_sync.sources import file_digest, rows

ROWS = b"id\n" + b"".join(b"user-%d\n" % number for number in range(50_000))


def zstd(content: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(content)


@pytest.mark.parametrize(("suffix", "compress"), [(".gz", gzip.compress), (".zst", zstd)])
def test_compressed_files_read_like_plain_ones(data: Any, suffix: str, compress: Any) -> None:
    found, problems = data.read(f"x.csv{suffix}", compress(ROWS))
    assert problems == []
    assert found[-1].values == {"id": "user-49999"}
    assert len(found) == 50_000


@pytest.mark.parametrize(("suffix", "compress"), [(".gz", gzip.compress), (".zst", zstd)])
def test_parts_compressed_one_by_one_are_one_file(data: Any, suffix: str, compress: Any) -> None:
    found, problems = data.read(f"x.ndjson{suffix}", compress(b'{"id": "a"}\n') + compress(b'{"id": "b"}\n'))
    assert ([row.values["id"] for row in found], problems) == (["a", "b"], [])


@pytest.mark.parametrize(
    ("suffix", "compress", "name"), [(".gz", gzip.compress, "gzip"), (".zst", zstd, "zstd")]
)
@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
def test_a_file_cut_off_is_never_taken_for_a_short_one(
    data: Any, suffix: str, compress: Any, name: str, share: float
) -> None:
    whole = compress(ROWS)
    found, problems = data.read(f"x.csv{suffix}", whole[: int(len(whole) * share)])
    assert len(found) < 50_000
    assert [problem.message for problem in problems] == [
        f"the file is truncated or damaged: it is not valid {name}"
    ]


@pytest.mark.parametrize(
    ("name", "content"), [("x.csv.gz", b"id\na\n"), ("x.csv.zst", b"id\na\n"), ("x.csv.zst", b"id")]
)
def test_a_file_that_is_not_compressed_is_a_problem(data: Any, name: str, content: bytes) -> None:
    _, problems = data.read(name, content)
    assert ["truncated or damaged" in problem.message for problem in problems] == [True]


def test_a_digest_is_over_the_bytes_of_the_file(data: Any) -> None:
    (data.root / "x").write_bytes(ROWS)
    assert file_digest(data.root / "x") == hashlib.sha256(ROWS).hexdigest()


def test_rows_of_an_inline_list_stand_in_the_spec(data: Any) -> None:
    place = Place("specs/x.yaml", 7, 5)
    (row,) = rows(InlineSource((InlineItem(place, {"id": "u1"}),), place), data.root, pytest.fail)
    assert (row.number, row.place, row.values) == (1, place, {"id": "u1"})
