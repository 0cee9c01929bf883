"""Laws of reading data files: what was written comes back, any bytes read, and no value is ever told."""

from __future__ import annotations

import csv
import io
import tempfile
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanplum_sync.kinds.rows.source import Compression, DataFormat, FileSource
from leanplum_sync.problem import Place, Problem
from leanplum_sync.sources import Row, SourceError, header, rows

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
MARKER = "s3cr3t"


def read(content: bytes, kind: DataFormat) -> tuple[list[Row], list[Problem]]:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "file").write_bytes(content)
        problems: list[Problem] = []
        source = FileSource("file", kind, Compression.NONE, Place("spec.yaml"))
        try:
            problems += header(source, Path(folder)).problems
        except SourceError as error:
            problems += error.problems
        return list(rows(source, Path(folder), problems.append)), problems


@given(st.lists(st.lists(TEXT, min_size=3, max_size=3)))
def test_what_csv_writes_is_read_back(cells: list[list[str]]) -> None:
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(["a", "b", "c"])
    writer.writerows(cells)
    found, problems = read(file.getvalue().encode(), DataFormat.CSV)
    assert problems == []
    with_text = [(number, row) for number, row in enumerate(cells, start=1) if any(row)]
    assert [(row.number, list(row.values.values())) for row in found] == with_text


@given(
    st.lists(
        st.dictionaries(
            TEXT, st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT | st.lists(TEXT)
        )
    )
)
def test_what_ndjson_says_is_read_back(objects: list[dict[str, object]]) -> None:
    found, problems = read(b"".join(orjson.dumps(each) + b"\n" for each in objects), DataFormat.NDJSON)
    assert [row.values for row in found] == objects
    assert problems == [] or not objects


@pytest.mark.parametrize("kind", [DataFormat.CSV, DataFormat.NDJSON])
@given(content=st.binary(max_size=200) | st.binary(max_size=60).map(lambda data: b"id,n\nu,1\n" + data))
def test_any_bytes_are_rows_or_problems(kind: DataFormat, content: bytes) -> None:
    found, problems = read(content, kind)
    assert all(isinstance(row, Row) for row in found)
    assert all(str(problem) for problem in problems)


@pytest.mark.parametrize("kind", [DataFormat.CSV, DataFormat.NDJSON])
@given(
    lines=st.lists(st.text('s3cr3t",{}:[]\\ ;\t', max_size=30).map(lambda text: text + MARKER), max_size=8)
)
def test_no_value_of_a_row_is_told(kind: DataFormat, lines: list[str]) -> None:
    _, problems = read("\n".join(["id,n", *lines]).encode(), kind)
    assert not any(MARKER in str(problem) or MARKER in problem.excerpt for problem in problems)


@given(st.lists(st.sampled_from(["u,1", "u", "u,1,2", 'u,"x"y', "u,\xff", "", "u,\0"]), max_size=20))
def test_every_row_is_either_read_or_reported(lines: list[str]) -> None:
    content = "\n".join(["id,n", *lines]).encode("latin-1")
    found, problems = read(content, DataFormat.CSV)
    reported = {problem.place.row for problem in problems}
    numbers = {row.number for row in found}
    assert not numbers & reported
    assert numbers | reported == set(range(1, sum(1 for line in lines if line) + 1))
