"""What adopt wrote, no plan changes; what it did not write is as it was, to the byte."""

from __future__ import annotations

import csv as csv_module
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Never

import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st
from random_specs import COLUMNS, NAMES, elements, forms, missing, profiles, scalars, texts, users
from ruamel.yaml import YAML
from searching import examples

from leanplum_sync.clock import SystemClock
from leanplum_sync.journal import read_journal
from leanplum_sync.kinds.rows.source import Compression, DataFormat, FileSource
from leanplum_sync.observed import read
from leanplum_sync.observed.users import ReadsUsers
from leanplum_sync.operations.adopt import Adoption, Choice, adopt
from leanplum_sync.operations.adopted_files import write_adopted
from leanplum_sync.operations.adopted_values import WhyLeft
from leanplum_sync.operations.check import check
from leanplum_sync.operations.observing import Recorded
from leanplum_sync.operations.plan import decide_met
from leanplum_sync.planner.change import Effect, effect_of
from leanplum_sync.planner.known import NOTHING_KNOWN
from leanplum_sync.planner.subject import Context, waves
from leanplum_sync.problem import Place
from leanplum_sync.progress import SilentProgress
from leanplum_sync.sources import RowError, rows
from leanplum_sync.sources.editing import write_edited
from leanplum_sync.specs import Loaded, load
from leanplum_sync.specs.editing import ValueEdit, edited
from leanplum_sync.specs.layout import read_layout
from leanplum_sync.specs.yaml_file import read_documents
from leanplum_sync.staging import Staging

PROJECT = """\
apiVersion: leanplum-sync/v1
kind: Project
metadata: {name: test}
spec: {specs: [specs], environments: {sandbox: {emulator: embedded}}}
"""
cells = st.one_of(
    texts, scalars, st.lists(st.sampled_from(["a", "x", "running", 12]), min_size=1, max_size=2)
)
by_column = st.fixed_dictionaries({"column": st.sampled_from(COLUMNS)})
likely = st.one_of(by_column, by_column, forms)
ids = st.lists(users, min_size=1, max_size=4, unique=True)


class Nobody(ReadsUsers):
    """All users are in the snapshot, so nobody is asked."""

    def __getattribute__(self, name: str) -> Never:
        raise AssertionError(name)


def write_specs(root: Path, specs: Mapping[str, Mapping[str, Any]]) -> Loaded:
    (root / "specs").mkdir(exist_ok=True)
    (root / "leanplum-sync.yaml").write_text(PROJECT)
    for name, spec in specs.items():
        document = {
            "apiVersion": "leanplum-sync/v1",
            "kind": "UserAttributes",
            "metadata": {"name": name},
            "spec": spec,
        }
        with (root / "specs" / f"{name}.yaml").open("w") as file:
            YAML().dump(document, file)
    return load(root / "leanplum-sync.yaml")


def changed(loaded: Loaded, snapshot: Path) -> set[tuple[str, str]]:
    """Return which fields of which users a plan changes."""
    assert not loaded.problems
    context = Context(waves({each.address: () for each in loaded.resources}), {})
    with Staging(sieve=False) as staging:
        check(loaded, staging, SilentProgress()).raise_if_any()
        for entry in read(snapshot):
            staging.users.observe(entry.subject, entry.element, entry.observed_at)
        staging.users.close()
        return {
            (str(met.subject), change.field)
            for met in staging.met()
            for change in decide_met(met, loaded.resources, NOTHING_KNOWN, context).changes
            if effect_of(change.kind) is not Effect.SUM
        }


def adopted(loaded: Loaded, snapshot: Path, choice: Choice) -> Adoption:
    with Staging(sieve=not choice.fill) as staging, read_journal(loaded.root / "journal.db") as journal:
        check(loaded, staging, SilentProgress()).raise_if_any()
        found = adopt(
            loaded,
            staging,
            Recorded(snapshot, None),
            choice,
            app="app",
            environment="sandbox",
            reader=Nobody(),
            journal=journal,
            clock=SystemClock(),
            progress=SilentProgress(),
        )
    return write_adopted(found, loaded, loaded.root, dry_run=False)[0]


@settings(max_examples=examples(12))
@given(
    of_file=st.dictionaries(st.sampled_from(NAMES), likely, max_size=3),
    of_list=st.dictionaries(st.sampled_from(["b", "d"]), likely, min_size=1, max_size=2),
    profile=profiles,
    listed=st.tuples(ids, ids),
    values=st.lists(st.tuples(cells, cells), min_size=8, max_size=8),
    seen=st.lists(st.one_of(elements, elements, elements, missing), min_size=5, max_size=5),
    is_csv=st.booleans(),
    fill=st.booleans(),
)
def test_a_plan_changes_nothing_that_was_adopted(
    *,
    of_file: dict[str, Any],
    of_list: dict[str, Any],
    profile: dict[str, Any],
    listed: tuple[list[str], list[str]],
    values: list[tuple[Any, Any]],
    seen: list[dict[str, Any]],
    is_csv: bool,
    fill: bool,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    root = tmp_path_factory.mktemp("adopt")
    of_users, inline = [
        [
            {"id": user, **dict(zip(COLUMNS, pair, strict=True))}
            for user, pair in zip(listed_now, pairs, strict=False)
        ]
        for listed_now, pairs in zip(listed, (values[:4], values[4:]), strict=True)
    ]
    name = "users.csv" if is_csv else "users.ndjson"
    specs = {
        "one": {"users": {"file": f"../{name}", "id": "id"}, "attributes": of_file, "profile": profile},
        "two": {"users": {"inline": inline}, "attributes": of_list},
    }
    write_rows(root / name, of_users, is_csv=is_csv)
    loaded = write_specs(root, specs)
    assume(not loaded.problems)
    for resource, rows_of in zip(loaded.resources, (of_users, inline), strict=True):
        for row in rows(resource.source, root, lambda _: None):
            try:
                resource.want(row)
            except RowError:
                rows_of[row.number - 1] |= dict.fromkeys(COLUMNS)
    write_rows(root / name, of_users, is_csv=is_csv)
    loaded = write_specs(root, specs)
    with Staging(only_rows=True) as staging:
        assume(not check(loaded, staging, SilentProgress()).total)
    snapshot = root / "seen.ndjson"
    everybody = sorted({user for users_of in listed for user in users_of})
    snapshot.write_text(
        "".join(
            json.dumps({"userId": user, **element}) + "\n"
            for user, element in zip(everybody, seen, strict=False)
        )
    )
    before = changed(loaded, snapshot)
    found = adopted(loaded, snapshot, Choice(everything=True, fill=fill))
    after = changed(load(root / "leanplum-sync.yaml"), snapshot)
    for each in found.adopted:
        event("a value of all rows" if not each.subject else "filled" if each.before is None else "a cell")
    for left in found.left:
        event(left.why.name)
    assert after <= before
    assert not {(each.subject, each.field) for each in found.adopted} & after
    for_all = {each.field for each in found.adopted if not each.subject}
    assert not {field for _, field in after if field in for_all and field not in of_file | of_list}
    if not any(left.why is not WhyLeft.MISSING for left in found.left):
        gone = {sample for left in found.left for sample in left.samples}
        assert {subject for subject, _ in after} <= gone


def test_the_search_would_find_a_column_that_is_used_twice(tmp_path: Path) -> None:
    """What the search is for: the cell that gives one attribute its live value would change another one."""
    write_rows(tmp_path / "users.csv", [{"id": "u1", "one": "x", "two": "gold"}], is_csv=True)
    attributes = {name: {"column": "one"} for name in ("a", "b")} | {"c": {"column": "two"}}
    loaded = write_specs(
        tmp_path, {"one": {"users": {"file": "../users.csv", "id": "id"}, "attributes": attributes}}
    )
    snapshot = tmp_path / "seen.ndjson"
    live = {"a": "x", "b": "y", "c": "silver"}
    snapshot.write_text(json.dumps({"userId": "u1", "success": True, "userAttributes": live}) + "\n")
    found = adopted(loaded, snapshot, Choice(everything=True))
    assert [each.field for each in found.adopted] == ["c"]
    assert [(left.field, left.why) for left in found.left] == [("b", WhyLeft.COLUMN_SHARED)]
    assert changed(load(tmp_path / "leanplum-sync.yaml"), snapshot) == {("user:u1", "b")}
    assert (tmp_path / "users.csv").read_text() == "id,one,two\nu1,x,silver\n"


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]], *, is_csv: bool) -> None:
    if is_csv:
        with path.open("w", newline="") as file:
            writer = csv_module.writer(file)
            writer.writerow(["id", *COLUMNS])
            writer.writerows([as_text(row[name]) for name in ("id", *COLUMNS)] for row in rows)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def as_text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else json.dumps(value)


pieces = st.sampled_from(["u1", "a", " ", "é", '"', ",", ";", "\n", "\r\n", "", "'"])
table_cells = st.lists(pieces, max_size=4).map("".join)


@settings(max_examples=examples(40))
@given(
    rows=st.lists(st.tuples(table_cells, table_cells), min_size=1, max_size=5),
    quoting=st.sampled_from([csv_module.QUOTE_MINIMAL, csv_module.QUOTE_ALL]),
    ends=st.sampled_from(["\n", "\r\n"]),
    blank=st.integers(0, 5),
    start=st.sampled_from(["", "\ufeff", "sep=;\n"]),
    edits=st.dictionaries(
        st.integers(1, 5), st.dictionaries(st.sampled_from(["one", "two"]), table_cells), max_size=3
    ),
    is_whole=st.booleans(),
)
def test_a_csv_file_keeps_every_other_cell_to_the_byte(
    *,
    rows: list[tuple[str, str]],
    quoting: Any,
    ends: str,
    blank: int,
    start: str,
    edits: dict[int, dict[str, str]],
    is_whole: bool,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    delimiter = ";" if start.startswith("sep") else ","
    records = [written(("id", "one", "two"), delimiter, quoting, ends)]
    records += [written((f"u{number}", *row), delimiter, quoting, ends) for number, row in enumerate(rows)]
    if not is_whole:
        records[-1] = records[-1].removesuffix(ends)
    lines = records[: blank + 1] + ([ends] if blank < len(records) - 1 else []) + records[blank + 1 :]
    root = tmp_path_factory.mktemp("csv")
    (root / "a.csv").write_bytes((start + "".join(lines)).encode())
    out = io.StringIO(newline="")
    source = FileSource("a.csv", DataFormat.CSV, Compression.NONE, Place("a.csv"))
    write_edited(source, root, edits, out)
    result = out.getvalue().removeprefix(start)
    position = 0
    for number, line in enumerate(lines):
        index = number - (number > blank)
        cells_of_row = edits.get(index) if line != ends and index else None
        if not cells_of_row:
            assert result.startswith(line, position)
            position += len(line)
            continue
        expected = [
            f"u{index - 1}",
            *(cells_of_row.get(name, old) for name, old in zip(("one", "two"), rows[index - 1], strict=True)),
        ]
        length = next(
            end
            for end in range(position, len(result) + 1)
            if parsed(result[position:end], delimiter) == [expected]
            and (end == len(result) or result[end - 1] == "\n")
        )
        position = length
    assert position == len(result)


def written(row: Sequence[str], delimiter: str, quoting: Any, ends: str) -> str:
    file = io.StringIO(newline="")
    csv_module.writer(file, delimiter=delimiter, quoting=quoting, lineterminator=ends).writerow(row)
    return file.getvalue()


def parsed(text: str, delimiter: str) -> list[list[str]] | None:
    try:
        return list(csv_module.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv_module.Error:
        return None


SPEC = """\
# The spec.
users:   # of them
  inline:
    # the first
    - id: u1   # one
      tier: 'gold'  # hello
      # the end of the first

    - {id: u2, tier: silver}   # two
    - u3
    - "u4"
news: true   # yes
gone: {state: absent}
likes:
  - a
  - b
empty:
# tail
"""
yaml_values = st.one_of(
    scalars,
    st.text(max_size=8),
    st.lists(st.one_of(st.text(max_size=5), st.integers(-9, 9)), min_size=1, max_size=3),
)


@settings(max_examples=examples(40))
@given(
    changes=st.dictionaries(
        st.one_of(
            st.tuples(st.integers(0, 3), st.sampled_from(["tier", "new key"])),
            st.tuples(st.just(-1), st.sampled_from(["news", "gone", "likes", "empty"])),
        ),
        yaml_values,
        min_size=1,
        max_size=4,
    ),
    ends=st.sampled_from(["\n", "\r\n"]),
)
def test_a_spec_keeps_its_comments_and_every_other_line(
    changes: dict[tuple[int, str], Any], ends: str
) -> None:
    text = SPEC.replace("\n", ends)
    edits = {
        number: ValueEdit(0, ("users", "inline", item) if item >= 0 else (), key, value, "id")
        for number, ((item, key), value) in enumerate(changes.items())
        if not (item in (2, 3) and (item, "tier") in changes and key != "tier")  # one new mapping, one edit
    }
    result, failed = edited(text, edits)
    assert not failed
    documents, faults = read_documents(result)
    assert not faults
    value = documents[0].value
    for edit in edits.values():
        holder = value["users"]["inline"][edit.path[-1]] if edit.path else value
        assert holder[edit.key] == edit.value or holder[edit.key] is edit.value
    assert comments(result) == comments(text)
    touched = len(edits)
    assert len(set(text.splitlines()) - set(result.splitlines())) <= touched + 1


def comments(text: str) -> list[str]:
    return [each.text for _, each in sorted(read_layout(text.replace("\r\n", "\n")).comments.items())]
