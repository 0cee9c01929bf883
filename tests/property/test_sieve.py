"""What the sieve drops, the planner would have dropped; what it takes in whole, a reader of rows would have read the same."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
from exports import QUOTINGS, exported_files
from hypothesis import currently_in_test_context, event, given, settings
from hypothesis import strategies as st
from random_specs import COLUMNS, NAMES, elements, forms, missing, profiles, texts, users
from ruamel.yaml import YAML
from searching import IS_CAMPAIGN, examples

from leanplum_sync.address import Subject
from leanplum_sync.baseline.exported import assume_export
from leanplum_sync.baseline.merge import Merge, write_ids
from leanplum_sync.emulator.user_export import cell_of
from leanplum_sync.errors import ExportFailedError
from leanplum_sync.kinds.rows.desires import Want
from leanplum_sync.kinds.rows.source import ROWS_FOLDER
from leanplum_sync.observed import read
from leanplum_sync.observed.export_snapshot import ExportedFile, merge
from leanplum_sync.operations.check import Findings, check, wants_of
from leanplum_sync.operations.exportable import exportable, managed
from leanplum_sync.operations.plan import decide_met
from leanplum_sync.operations.read_rows import with_rows
from leanplum_sync.planner.known import NOTHING_KNOWN
from leanplum_sync.planner.notes import NOTED
from leanplum_sync.planner.plan import RowsRead
from leanplum_sync.planner.subject import Context, waves
from leanplum_sync.progress import SilentProgress
from leanplum_sync.sources.connections.columns import ColumnKind, QueryColumn, UnreadableCellError, value_of
from leanplum_sync.sources.connections.keeping import keep
from leanplum_sync.sources.connections.reader import batch_of
from leanplum_sync.specs import Loaded, load
from leanplum_sync.staging import LEAST_MEMORY_MB, Met, Staging
from leanplum_sync.staging.assumed import managed_fields
from leanplum_sync.staging.columns import find_columns, write_columns
from leanplum_sync.staging.prints import Assumptions, storable
from leanplum_sync.wire.convert import ValueType

PROJECT = """\
apiVersion: leanplum-sync/v1
kind: Project
metadata: {name: test}
spec: {specs: [specs], connections: {db: {url: "sqlite:///x"}}, environments: {sandbox: {emulator: embedded}}}
"""


# Texts of each kind of column, with some that are none of it, and some that other programs would write in another way.
CELLS: Mapping[ColumnKind, Sequence[str]] = {
    ColumnKind.TEXT: ["", "x", "12", "true", "gold", " 12", "a\nb", "back\\slash", "nan", "it's", "running"],
    ColumnKind.BOOLEAN: ["true", "false", "TRUE", "1"],
    ColumnKind.INTEGER: [
        "0",
        "1",
        "12",
        "-3",
        "012",
        "-0",
        "+12",
        "9007199254740992",
        "9007199254740993",
        "x",
    ],
    ColumnKind.DECIMAL: ["12", "12.0", "12.50", "0.1", "-3", "0.1000000000000000055", "NaN"],
    ColumnKind.DOUBLE: [
        "12",
        "12.0",
        "0.1",
        "1e3",
        "1e400",
        "NaN",
        "inf",
        "0.30000000000000004",
        "1e20",
        "x",
    ],
    ColumnKind.DATE: ["2026-01-31", "2026-02-31", "infinity", "10000-01-01"],
    ColumnKind.TIMESTAMP: ["2026-01-31T08:15:00Z", "2026-01-31T08:15:00.5", "infinity", "2026-01-31"],
    ColumnKind.TEXTS: ['["a"]', "[]", '["running", "golf"]', "x"],
    ColumnKind.NUMBERS: ["[12]", "[1.50]", "[]"],
    ColumnKind.JSON: ['"x"', "12", '["a"]', "{}", "null", '{"a": 1, "a": 2}'],
    ColumnKind.OTHER: ["x", "12"],
}


@dataclass(frozen=True, slots=True)
class KeptTable:
    kinds: tuple[ColumnKind, ColumnKind]
    rows: Sequence[tuple[str | None, ...]]


@st.composite
def kept_tables(draw: st.DrawFn, ids: st.SearchStrategy[str | None]) -> KeptTable:
    kinds = draw(st.tuples(*[st.sampled_from(ColumnKind)] * 2))
    cells = [st.none() | st.sampled_from(CELLS[kind]) for kind in kinds]
    return KeptTable(kinds, draw(st.lists(st.tuples(ids, *cells), min_size=1, max_size=6)))


def with_kept(
    root: Path,
    spec: dict[str, Any],
    table: KeptTable,
    empty: Sequence[str] = (),
    names: Sequence[str] = COLUMNS,
) -> Loaded:
    """Return a project whose spec takes its rows from a connection, with *table* as what the query returned."""
    (root / "one.sql").write_text("SELECT 1")
    source = {"connection": "db", "query": "../one.sql", "id": "id", "empty": list(empty)}
    loaded = project(root, {**spec, "users": source})
    columns = [QueryColumn("id", ColumnKind.TEXT, "text")]
    columns += [QueryColumn(name, kind, str(kind)) for name, kind in zip(names, table.kinds, strict=True)]
    scratch = root / "scratch"
    scratch.mkdir(exist_ok=True)
    kept = keep(
        columns,
        [batch_of(table.rows, columns)],
        root,
        scratch,
        sorted_by="id",
        parameters={},
        read_at=0.0,
        server="a test",
        advance=lambda _: None,
    )
    return with_rows(
        loaded, {str(each.address): RowsRead("db", "one.sql", kept) for each in loaded.resources}
    )


def project(root: Path, spec: dict[str, Any], name: str = "one") -> Loaded:
    (root / "specs").mkdir(exist_ok=True)
    (root / "leanplum-sync.yaml").write_text(PROJECT)
    document = {
        "apiVersion": "leanplum-sync/v1",
        "kind": "UserAttributes",
        "metadata": {"name": name},
        "spec": {"users": {"file": "../users.csv", "id": "id"}, **spec},
    }
    with (root / "specs" / f"{name}.yaml").open("w") as file:
        YAML().dump(document, file)
    return load(root / "leanplum-sync.yaml")


def checked(loaded: Loaded, staging: Staging) -> Findings:
    return check(loaded, staging, SilentProgress())


def met(loaded: Loaded, snapshot: Path, *, sieve: bool) -> dict[Subject, Met]:
    with Staging(sieve=sieve) as staging:
        checked(loaded, staging)
        if not sieve or not staging.users.sift(snapshot, 5.0):
            for entry in read(snapshot):
                staging.users.observe(entry.subject, entry.element, entry.observed_at)
            staging.users.close()
        found = {each.subject: each for each in staging.met()}
        if currently_in_test_context():
            event(f"sieve {sieve}: {len(found)} of {staging.count_subjects()} pass")
        return found


def met_by_prints(loaded: Loaded, snapshot: Path) -> dict[Subject, Met]:
    """As ``met``, where the sieve has only prints of what the snapshot shows."""
    fields = managed_fields(loaded.resources)
    with Staging() as staging:
        checked(loaded, staging)
        nobody, prints = write_ids([], staging.folder / "nobody"), staging.folder / "prints.parquet"
        merge = Merge(staging.folder, "key", None, frozenset(), sorted(fields), LEAST_MEMORY_MB)
        merge.read(snapshot, 5.0, stale=nobody, unsure=nobody, into=prints)
        staging.users.assume(Assumptions(prints, "key", fields), have_one_row_each=staging.has_one_row_each)
        assert staging.users.observe_passed(snapshot, 5.0)
        found = {each.subject: each for each in staging.met()}
        assumed, _ = staging.users.assumed()
        assert assumed == staging.count_subjects() - len(found)
        if currently_in_test_context():
            event(f"prints: {len(found)} of {staging.count_subjects()} pass")
        return found


def met_by_columns(loaded: Loaded, snapshot: Path) -> dict[Subject, Met]:
    """As ``met``, with the columns beside the snapshot."""
    fields = managed_fields(loaded.resources)
    with Staging() as staging:
        checked(loaded, staging)
        has_columns = write_columns(snapshot, fields, least_bytes=0)
        assert has_columns == bool(storable(fields))
        columns = find_columns(snapshot)
        time = snapshot.stat().st_mtime
        if columns is None or not staging.users.sift_columns(columns, snapshot, time):
            assert staging.users.sift(snapshot, time)
            event("without columns")
        elif currently_in_test_context():
            event(f"columns: {staging.users.count_passed()} of {staging.count_subjects()} pass")
        found = {each.subject: each for each in staging.met()}
        between, names = staging.users.between(), staging.users.names_seen()
    with Staging() as staging:
        checked(loaded, staging)
        assert staging.users.sift(snapshot, time)
        assert names == staging.users.names_seen()
        subjects = [entry.subject for entry in read(snapshot)]
        if len(set(subjects)) == len(subjects):
            assert between == staging.users.between()
    return found


def met_by_export(loaded: Loaded, files: Sequence[ExportedFile], snapshot: Path) -> dict[Subject, Met]:
    """As ``met``, where the sieve has what *files* show for certain."""
    with Staging() as staging:
        checked(loaded, staging)
        exported = staging.folder / "exported.ndjson"
        if files:
            merge(files, exported, staging.folder)
        else:
            exported.touch()
        names = [each.attribute for each in files]
        staging.users.assume(assume_export(exported, names, [], staging.folder))
        assert staging.users.observe_passed(snapshot, 5.0)
        found = {each.subject: each for each in staging.met()}
        if currently_in_test_context():
            event(f"export: {len(found)} of {staging.count_subjects()} pass")
        return found


def wanted(staging: Staging, loaded: Loaded) -> list[list[Want]]:
    return [wants_of(each, loaded.resources) for each in staging.met()]


def quote(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if set(cell) & set(',"') else cell


def csv(rows: Sequence[Sequence[str]]) -> str:
    return "".join(",".join(map(quote, row)) + "\n" for row in rows)


@settings(max_examples=examples(15))
@given(
    attributes=st.dictionaries(st.sampled_from(NAMES), forms, max_size=3),
    profile=profiles,
    rows=st.lists(st.tuples(users, texts, texts), min_size=1, max_size=6, unique_by=lambda row: row[0]),
    seen=st.lists(st.tuples(users, st.one_of(elements, elements, elements, missing)), min_size=1, max_size=8),
)
def test_what_the_sieve_drops_the_planner_drops(
    attributes: dict[str, Any],
    profile: dict[str, Any],
    rows: list[tuple[str, str, str]],
    seen: list[tuple[str, dict[str, Any]]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    root = tmp_path_factory.mktemp("sieve")
    (root / "users.csv").write_text(csv([("id", *COLUMNS), *rows]))
    snapshot = root / "seen.ndjson"
    snapshot.write_text("".join(json.dumps({"userId": user, **element}) + "\n" for user, element in seen))
    loaded = project(root, {"attributes": attributes, "profile": profile})
    assert_drops_only_what_the_planner_drops(loaded, snapshot, met(loaded, snapshot, sieve=True))


@settings(max_examples=examples(8))
@given(
    attributes=st.dictionaries(st.sampled_from(NAMES), forms, max_size=3),
    profile=profiles,
    rows=st.lists(st.tuples(users, texts, texts), min_size=1, max_size=6, unique_by=lambda row: row[0]),
    seen=st.dictionaries(users, st.one_of(elements, elements, elements, missing), min_size=1, max_size=8),
)
def test_what_prints_drop_the_planner_drops(
    attributes: dict[str, Any],
    profile: dict[str, Any],
    rows: list[tuple[str, str, str]],
    seen: dict[str, dict[str, Any]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    root = tmp_path_factory.mktemp("prints")
    (root / "users.csv").write_text(csv([("id", *COLUMNS), *rows]))
    snapshot = root / "seen.ndjson"
    snapshot.write_text(
        "".join(json.dumps({"userId": user, **element}) + "\n" for user, element in seen.items())
    )
    loaded = project(root, {"attributes": attributes, "profile": profile})
    assert_drops_only_what_the_planner_drops(loaded, snapshot, met_by_prints(loaded, snapshot))


@settings(max_examples=examples(8))
@given(
    attributes=st.dictionaries(st.sampled_from(NAMES), forms, max_size=3),
    profile=profiles,
    rows=st.lists(st.tuples(users, texts, texts), min_size=1, max_size=6, unique_by=lambda row: row[0]),
    seen=st.lists(
        st.tuples(
            users,
            st.sampled_from([{}, {}, {"deviceId": "d"}, {"deviceId": ""}, {"observedAt": 9.5}]),
            st.one_of(elements, elements, elements, missing),
        ),
        min_size=1,
        max_size=8,
    ),
)
def test_what_the_columns_of_a_snapshot_drop_the_planner_drops(
    attributes: dict[str, Any],
    profile: dict[str, Any],
    rows: list[tuple[str, str, str]],
    seen: list[tuple[str, dict[str, Any], dict[str, Any]]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Several lines may be about one user, or about a device: the last one of a user counts."""
    root = tmp_path_factory.mktemp("columns")
    (root / "users.csv").write_text(csv([("id", *COLUMNS), *rows]))
    snapshot = root / "seen.ndjson"
    snapshot.write_text(
        "".join(json.dumps({"userId": user, **more, **element}) + "\n" for user, more, element in seen)
    )
    loaded = project(root, {"attributes": attributes, "profile": profile})
    assert_drops_only_what_the_planner_drops(loaded, snapshot, met_by_columns(loaded, snapshot))


# Forms that an export can settle, among others.
told_forms = st.one_of(
    forms,
    st.sampled_from(
        [
            {"column": "one"},
            {"column": "two", "type": "boolean"},
            True,
            "gold",
            {"value": "gold", "when": "absent"},
        ]
    ),
)


@settings(max_examples=examples(8))
@given(
    attributes=st.dictionaries(st.sampled_from(NAMES), told_forms, min_size=1, max_size=3),
    profile=profiles,
    rows=st.lists(st.tuples(users, texts, texts), min_size=1, max_size=6, unique_by=lambda row: row[0]),
    seen=st.dictionaries(users, st.one_of(elements, elements, elements, missing), min_size=1, max_size=8),
    form=st.fixed_dictionaries(
        {
            "quoting": st.sampled_from(QUOTINGS),
            "lists_everyone": st.booleans(),
            "repeats": st.integers(0, 2),
            "lacks": st.integers(0, 2),
        }
    ),
    wanted_only=st.booleans(),
)
def test_what_exports_drop_the_planner_drops(
    attributes: dict[str, Any],
    profile: dict[str, Any],
    rows: list[tuple[str, str, str]],
    seen: dict[str, dict[str, Any]],
    form: dict[str, Any],
    *,
    wanted_only: bool,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    root = tmp_path_factory.mktemp("export")
    (root / "users.csv").write_text(csv([("id", *COLUMNS), *rows]))
    snapshot = root / "seen.ndjson"
    snapshot.write_text(
        "".join(json.dumps({"userId": user, **element}) + "\n" for user, element in seen.items())
    )
    loaded = project(root, {"attributes": attributes, "profile": profile})
    names = exportable(loaded.resources).attributes if wanted_only else managed(loaded.resources)
    try:
        passed = met_by_export(loaded, exported_files(root, seen, names, **form), snapshot)
    except ExportFailedError:
        return  # this file is refused as a whole
    assert_drops_only_what_the_planner_drops(loaded, snapshot, passed)


def assert_drops_only_what_the_planner_drops(
    loaded: Loaded, snapshot: Path, passed: Mapping[Subject, Met]
) -> None:
    everybody = met(loaded, snapshot, sieve=False)
    context = Context(waves({each.address: () for each in loaded.resources}), {})
    for subject, one in everybody.items():
        if subject in passed:
            assert wants_of(passed[subject], loaded.resources) == wants_of(one, loaded.resources)
            assert (passed[subject].element or {}).get("userAttributes") == (one.element or {}).get(
                "userAttributes"
            )
            continue
        assert one.element is not None, "a user who was not observed has to be noticed"
        plan = decide_met(one, loaded.resources, NOTHING_KNOWN, context)
        assert plan.changes == ()
        assert not any(decision.reason in NOTED for decision in plan.decisions)


@settings(max_examples=examples(15))
@given(
    attributes=st.dictionaries(st.sampled_from(NAMES), forms, min_size=1, max_size=3),
    profile=profiles,
    text=st.one_of(
        st.lists(st.tuples(users, texts, texts), max_size=6).map(lambda rows: csv([("id", *COLUMNS), *rows])),
        st.lists(
            st.sampled_from(
                ["u1", "u2", "a", " ", ",", ",", '"', '""', "\n", "\r\n", "\r", "é", "\0", "12", "\\"]
            ),
            max_size=30,
        ).map(lambda pieces: "id,one,two\n" + "".join(pieces)),
    ),
    newline=st.sampled_from(["\n", "\r\n"]),
    data=st.sampled_from([b"", b"\xe9", b"u9,\xff,x\n"]),
)
def test_a_file_taken_in_whole_reads_as_row_by_row(
    attributes: dict[str, Any],
    profile: dict[str, Any],
    text: str,
    newline: str,
    *,
    data: bytes,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    root = tmp_path_factory.mktemp("table")
    (root / "users.csv").write_bytes(text.replace("\n", newline).encode() + data)
    assert_reads_as_row_by_row(project(root, {"attributes": attributes, "profile": profile}))


def assert_reads_as_row_by_row(loaded: Loaded) -> None:
    with Staging(sieve=False) as one_by_one, Staging() as whole:
        expected, found = checked(loaded, one_by_one), checked(loaded, whole)
        assert found == expected
        for staging in (one_by_one, whole):
            staging.users.close()
        assert wanted(whole, loaded) == wanted(one_by_one, loaded)


@settings(max_examples=examples(12))
@given(
    attributes=st.dictionaries(st.sampled_from(NAMES), forms, max_size=3),
    profile=profiles,
    table=kept_tables(users),
    empty=st.lists(st.sampled_from(["x", "nan", "12"]), unique=True),
    seen=st.lists(st.tuples(users, st.one_of(elements, elements, elements, missing)), min_size=1, max_size=8),
)
def test_what_the_sieve_drops_of_kept_rows_the_planner_drops(
    attributes: dict[str, Any],
    profile: dict[str, Any],
    table: KeptTable,
    empty: list[str],
    seen: list[tuple[str, dict[str, Any]]],
    *,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    root = tmp_path_factory.mktemp("sieve")
    snapshot = root / "seen.ndjson"
    snapshot.write_text("".join(json.dumps({"userId": user, **element}) + "\n" for user, element in seen))
    rows = list({row[0]: row for row in table.rows}.values())
    loaded = with_kept(
        root, {"attributes": attributes, "profile": profile}, KeptTable(table.kinds, rows), empty
    )
    assert_drops_only_what_the_planner_drops(loaded, snapshot, met(loaded, snapshot, sieve=True))


@settings(max_examples=examples(12))
@given(
    attributes=st.dictionaries(st.sampled_from(NAMES), forms, min_size=1, max_size=3),
    profile=profiles,
    table=kept_tables(st.sampled_from([None, "", "u1", "u2", "NULL", "id", "é", " u", "1e+20", "3.0"])),
    empty=st.lists(st.sampled_from(["x", "nan", "12", "NULL"]), unique=True),
)
def test_kept_rows_taken_in_whole_read_as_row_by_row(
    attributes: dict[str, Any],
    profile: dict[str, Any],
    table: KeptTable,
    empty: list[str],
    *,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    root = tmp_path_factory.mktemp("table")
    assert_reads_as_row_by_row(with_kept(root, {"attributes": attributes, "profile": profile}, table, empty))


FORMS: Sequence[dict[str, Any]] = [
    {"column": "one"},
    *({"column": "one", "type": each.value} for each in ValueType),
    {"column": "one", "map": {"12": "gold", "x": 12, "true": True}},
    {"column": "one", "map": {"12": "gold"}, "otherwise": "x"},
]
OBSERVED: Sequence[Any] = [
    "x",
    "gold",
    "12",
    "012",
    "true",
    "2026-01-31",
    "0.1",
    "1e3",
    True,
    12,
    1,
    0.1,
    1000,
    ["a"],
]


def is_of(kind: ColumnKind, text: str) -> bool:
    try:
        value_of(text, kind)
    except UnreadableCellError:
        return False
    return True


@pytest.mark.parametrize("kind", ColumnKind)
def test_every_cell_of_a_kind_is_read_and_dropped_as_row_by_row(kind: ColumnKind, tmp_path: Path) -> None:
    """The texts that random search finds too seldom: valid ones in another spelling. Without valid rows no plan is made."""
    pairs = [
        (cell, value) for cell in (*filter(partial(is_of, kind), CELLS[kind]), None) for value in OBSERVED
    ]
    users = {f"u{number}": pair for number, pair in enumerate(pairs)}
    table = KeptTable((kind, ColumnKind.TEXT), [(user, cell, "x") for user, (cell, _) in users.items()])
    faulty = KeptTable(table.kinds, [(f"f{number}", cell, "x") for number, cell in enumerate(CELLS[kind])])
    snapshot = tmp_path / "seen.ndjson"
    lines = [{"userId": user, "userAttributes": {"a": value}} for user, (_, value) in users.items()]
    snapshot.write_text("".join(json.dumps({"success": True, **line}) + "\n" for line in lines))
    forms = FORMS if IS_CAMPAIGN else FORMS[list(ColumnKind).index(kind) % 3 :: 3]  # each form for some kinds
    for form in forms:
        loaded = with_kept(tmp_path, {"attributes": {"a": form}}, table, [])
        assert_reads_as_row_by_row(loaded)
        assert_drops_only_what_the_planner_drops(loaded, snapshot, met(loaded, snapshot, sieve=True))
        if IS_CAMPAIGN:
            assert_drops_only_what_the_planner_drops(loaded, snapshot, met_by_prints(loaded, snapshot))
        loaded = with_kept(tmp_path, {"attributes": {"a": form}}, faulty, [])
        with Staging(sieve=False) as one_by_one, Staging() as whole:
            assert checked(loaded, whole).problems == checked(loaded, one_by_one).problems


EXPORTED: Sequence[Any] = [
    *OBSERVED,
    "gold ",
    "yes",
    'say "hi"',
    "a,b",
    "back\\slash",
    "",
    "None",
    "1.0E3",
    "25.0",
    False,
    "FALSE",
    [],
    '["a"]',
]


@pytest.mark.parametrize("quoting", QUOTINGS if IS_CAMPAIGN else QUOTINGS[:1])
def test_every_value_that_an_export_shows_is_dropped_only_where_it_is_desired(
    quoting: str, tmp_path: Path
) -> None:
    """The pairs that random search finds too seldom: equal values, and values that are written in the same way."""
    cells = [cell_of(value) for value in EXPORTED if cell_of(value)]
    pairs = [(cell, value) for cell in dict.fromkeys(cells) for value in EXPORTED]
    (tmp_path / "users.csv").write_text(
        csv([("id", "one"), *((f"u{number}", cell) for number, (cell, _) in enumerate(pairs))])
    )
    seen = {
        f"u{number}": {"userAttributes": {"a": str(value) if isinstance(value, bool) else value}}
        for number, (_, value) in enumerate(pairs)
    }
    snapshot = tmp_path / "seen.ndjson"
    snapshot.write_text("".join(json.dumps({"userId": user, **each}) + "\n" for user, each in seen.items()))
    files = exported_files(tmp_path, seen, ["a"], quoting=quoting)
    dropped = []
    for form in (
        {"column": "one"},
        {"column": "one", "type": "text"},
        {"value": "gold", "when": "absent"},
        True,
    ):
        loaded = project(tmp_path, {"attributes": {"a": form}})
        passed = met_by_export(loaded, files, snapshot)
        assert_drops_only_what_the_planner_drops(loaded, snapshot, passed)
        dropped.append({pairs[int(user[1:])] for user in seen if Subject.user(user) not in passed})
    by_column, as_text, if_absent, always = dropped
    assert by_column == as_text
    assert {("gold", "gold"), ("2026-01-31", "2026-01-31"), ("True", True), ("true", True)} <= by_column
    assert not [pair for pair in by_column if pair[0] in ("12", "0.1", "1e3", "None", '["a"]')]
    assert {value for _, value in if_absent} >= {"gold", "x", "true", "2026-01-31"}
    assert always >= {(cell, True) for cell in cells}


KEPT: Final = KeptTable((ColumnKind.TEXT, ColumnKind.INTEGER), [("u2", "b", "2"), ("u1", "a", "1")])


def test_kept_rows_that_another_process_removes_meanwhile_are_planned_to_the_end(tmp_path: Path) -> None:
    loaded = with_kept(tmp_path, {"attributes": {"tier": {"column": COLUMNS[0]}}}, KEPT)
    with Staging() as staging:
        checked(loaded, staging)
        for file in (tmp_path / ROWS_FOLDER).iterdir():
            file.unlink()
        assert list(staging.subjects()) == [Subject.user("u1"), Subject.user("u2")]


def test_a_kept_column_may_have_the_name_that_duckdb_gives_to_positions(tmp_path: Path) -> None:
    name = "File_Row_Number"
    spec = {"attributes": {"tier": {"column": name}}}
    loaded = with_kept(tmp_path, spec, KEPT, names=[name, COLUMNS[1]])
    with Staging() as staging:
        assert checked(loaded, staging).rows == len(KEPT.rows)
        staging.users.close()
        rows = [each.rows[0].row for each in staging.met()]
    assert [(row.number, row.values[name]) for row in rows] == [(1, "a"), (2, "b")]
