"""Laws of snapshots: what is written comes back; whatever the bytes, entries or a problem come out."""

from __future__ import annotations

import gzip
import tempfile
from pathlib import Path

import zstandard
from hypothesis import given
from hypothesis import strategies as st

from leanplum_sync.address import Subject
from leanplum_sync.errors import SpecError
from leanplum_sync.observed import Entry, SnapshotWriter, read

NAMES = st.sampled_from(["s.ndjson", "s.ndjson.gz", "s.ndjson.zst"])
IDS = st.text(min_size=1, max_size=20)
SUBJECTS = IDS.map(Subject.user) | IDS.map(Subject.device)
ATTRIBUTES = st.dictionaries(
    st.text(max_size=9), st.text() | st.integers(-(2**53), 2**53) | st.lists(st.text())
)
ENTRIES = st.builds(
    Entry,
    SUBJECTS,
    st.fixed_dictionaries({"success": st.just(True), "userAttributes": ATTRIBUTES}),
    st.floats(0, 2e9),
)


@given(NAMES, st.lists(ENTRIES, max_size=5), st.lists(ENTRIES, max_size=5))
def test_what_is_written_comes_back_in_order(name: str, first: list[Entry], second: list[Entry]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        for entries in (first, second):
            with SnapshotWriter(path) as writer:
                for entry in entries:
                    writer.append(entry.subject, entry.element, entry.observed_at)
        back = list(read(path))
    assert [(entry.subject, entry.observed_at) for entry in back] == [
        (entry.subject, entry.observed_at) for entry in first + second
    ]
    assert [entry.element["userAttributes"] for entry in back] == [
        entry.element["userAttributes"] for entry in first + second
    ]


LINES = st.lists(
    st.sampled_from([b'{"userId":"u1"}', b"{}", b"", b"\xff", b'{"userId":["x"]}', b"null"])
).map(b"\n".join)
CONTENTS = st.binary(max_size=60) | LINES | LINES.map(gzip.compress) | LINES.map(zstandard.compress)


@given(NAMES, CONTENTS, st.integers(0, 400))
def test_any_bytes_are_entries_or_a_problem(name: str, content: bytes, cut: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(content[:cut])
        try:
            entries = list(read(path))
        except SpecError:
            return
    assert all(entry.subject.id for entry in entries)
