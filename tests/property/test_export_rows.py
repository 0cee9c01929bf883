"""Laws of exportUsers files: whatever their bytes and their dialect, nothing wrong is certain."""

from __future__ import annotations

import csv
import io
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from leanplum_sync.errors import ExportFailedError
from leanplum_sync.observed.export_rows import read_rows
from leanplum_sync.operations.audiences import Belongs, belongs

PIECES = st.sampled_from(
    ["a", "b", "gold", "True", "1", ",", '"', '""', "\\", " ", "\r", "é", "[", ";", "\t"]
)
LINES = st.sampled_from(["\n", "\r\n", "b,gold\n"])
# Without quotes, an id with a quote or a value with a line break looks like other rows. No reader could tell.
PLAIN_IDS = st.lists(st.sampled_from(["a", "b", ",", "\\", " ", "é"]), min_size=1, max_size=4).map("".join)
IDS = st.lists(PIECES, min_size=1, max_size=4).map("".join)
VALUES = st.lists(PIECES | LINES, max_size=5).map("".join)
PLAIN_VALUES = st.lists(PIECES, max_size=5).map("".join)


def _read(content: bytes) -> list[tuple[str, str]] | None:
    """Return the certain values of each user; None if the file is refused."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "users.csv")
        path.write_bytes(content)
        try:
            return [(row.user_id, row.text) for row in read_rows(path) if row.is_certain]
        except ExportFailedError:
            return None


def _written(rows: dict[str, str], ending: str, **form: Any) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator=ending, **form).writerows(rows.items())
    return text.getvalue().encode()


@given(
    st.binary(max_size=60) | st.lists(PIECES | LINES, max_size=20).map(lambda each: "".join(each).encode())
)
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    _read(content)


@given(
    st.dictionaries(IDS, VALUES, max_size=5),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    st.sampled_from(["\n", "\r\n"]),
)
def test_no_value_in_a_quoted_file_is_certain_and_wrong(
    rows: dict[str, str], quoting: Any, ending: str
) -> None:
    assert set(_read(_written(rows, ending, quoting=quoting)) or ()) <= rows.items()


@given(st.dictionaries(PLAIN_IDS, PLAIN_VALUES, max_size=5), st.sampled_from(["\n", "\r\n"]))
def test_no_value_in_a_file_without_quotes_is_certain_and_wrong(rows: dict[str, str], ending: str) -> None:
    bare = "".join(f"{user_id},{value}{ending}" for user_id, value in rows.items())
    for content in (bare.encode(), _written(rows, ending, quoting=csv.QUOTE_NONE, escapechar="\\")):
        assert set(_read(content) or ()) <= rows.items()


@given(st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(["gold", "silver", "True"])), st.data())
def test_a_file_that_was_cut_off_is_refused_or_only_lacks_rows(
    rows: dict[str, str], data: st.DataObject
) -> None:
    content = _written(rows, "\n")
    cut = content[: data.draw(st.integers(0, len(content)))]
    certain = _read(cut)
    assert (certain is None) == (bool(cut) and not cut.endswith(b"\n"))
    assert set(certain or ()) <= rows.items()


def _audience(content: bytes, *values: str) -> set[str]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "users.csv")
        path.write_bytes(content)
        try:
            return {row.user_id for row in read_rows(path) if belongs(row, values) is Belongs.YES}
        except ExportFailedError:
            return set()


@given(
    st.dictionaries(IDS, VALUES, max_size=5),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    st.sampled_from(["\n", "\r\n"]),
)
def test_an_audience_of_a_quoted_file_has_only_users_who_belong(
    rows: dict[str, str], quoting: Any, ending: str
) -> None:
    content = _written(rows, ending, quoting=quoting)
    assert _audience(content, "gold", "True") <= {
        user for user, text in rows.items() if text in ("gold", "True")
    }
    assert _audience(content) <= {user for user, text in rows.items() if text}


@given(st.dictionaries(PLAIN_IDS, PLAIN_VALUES, max_size=5), st.sampled_from(["\n", "\r\n"]))
def test_an_audience_of_a_file_without_quotes_has_only_users_who_belong(
    rows: dict[str, str], ending: str
) -> None:
    bare = "".join(f"{user_id},{value}{ending}" for user_id, value in rows.items())
    for content in (bare.encode(), _written(rows, ending, quoting=csv.QUOTE_NONE, escapechar="\\")):
        assert _audience(content, "gold") <= {user for user, text in rows.items() if text == "gold"}
        assert _audience(content) <= {user for user, text in rows.items() if text}
