"""
A plan that somebody altered is refused, or reads exactly as the untouched one; overwriting its file changes nothing.

A campaign tries 1,000 mutated and 200 forged plans, the suite a slice of the same.
"""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from forging import forge
from sample_plans import write_plan

from leanplum_sync.bounds import PLAN_CELL
from leanplum_sync.encryption import KEY_VARIABLE, new_key
from leanplum_sync.errors import CredentialError, StalePlanError
from leanplum_sync.planfile import PlanFile, open_plan
from leanplum_sync.project.kept_plans import keep

IS_CAMPAIGN = os.environ.get("HYPOTHESIS_PROFILE") == "campaign"
MUTATED, FORGED = (1000, 200) if IS_CAMPAIGN else (80, 20)


@pytest.fixture(scope="module", params=["plain", "encrypted"])
def plan_path(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A plan, and the environment variable that holds its key where it has one."""
    path = tmp_path_factory.mktemp("plan") / "a.lpplan"
    with pytest.MonkeyPatch.context() as environment:
        if request.param == "encrypted":
            environment.setenv(KEY_VARIABLE, new_key())
        write_plan(path, 400).close()
        yield path


def everything(plan: PlanFile) -> object:
    return (
        plan.header,
        plan.summary,
        plan.hazards(),
        plan.notes(),
        plan.inputs(),
        plan.resources(),
        plan.contents,
        list(plan.changes()),
        list(plan.batches()),
        plan.changes_of(list(plan.subjects())),
    )


def flip(content: bytearray, draw: random.Random) -> None:
    for _ in range(draw.choice([1, 1, 8])):
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)


def splice(content: bytearray, draw: random.Random) -> None:
    length = draw.choice([1, 16, 512, 4096])
    to, of = (draw.randrange(len(content) - length) for _ in range(2))
    content[to : to + length] = content[of : of + length]


def cut(content: bytearray, draw: random.Random) -> None:
    del content[draw.randrange(len(content)) :]


def swap_pages(content: bytearray, draw: random.Random) -> None:
    size = 4096
    one, other = (size * draw.randrange(len(content) // size) for _ in range(2))
    first, second = content[one : one + size], content[other : other + size]
    content[one : one + size], content[other : other + size] = second, first


def test_a_mutated_plan_is_refused_or_reads_as_the_untouched_one(plan_path: Path, tmp_path: Path) -> None:
    with open_plan(plan_path) as plan:
        untouched = everything(plan)
    whole, refused = plan_path.read_bytes(), 0
    for seed in range(MUTATED):
        draw, content = random.Random(seed), bytearray(whole)
        draw.choice([flip, flip, splice, cut, swap_pages])(content, draw)
        mutated = tmp_path / "mutated.lpplan"
        mutated.write_bytes(content)
        try:
            with open_plan(mutated) as plan:
                assert everything(plan) == untouched, seed
        except (StalePlanError, CredentialError):
            refused += 1
    assert refused > MUTATED // 4


TABLES = ("meta", "input", "hazard", "note", "change", "batch", "action")


def forgeries(draw: random.Random) -> list[str]:
    """Return statements that change what the plan says or does, and leave it well-formed."""
    number = draw.randrange(1, 100)
    return draw.choice(
        [
            ["DELETE FROM meta WHERE key = 'encryption'"],
            ["UPDATE hazard SET count = 0"],
            ["DELETE FROM hazard"],
            ["UPDATE hazard SET allowed = NULL"],
            [f"UPDATE action SET name = 'deleteUser' WHERE number = {number}"],
            [f"UPDATE action SET subject = 'user:ceo' WHERE number = {number}"],
            [f'UPDATE action SET arguments = \'{{"userId": "ceo"}}\' WHERE number = {number}'],
            [f"UPDATE change SET after = '\"{number}\"' WHERE id = {number}"],
            [f"UPDATE change SET before = after WHERE id = {number}"],
            [f"DELETE FROM change WHERE id = {number}"],
            [f"UPDATE batch SET wave = {number} WHERE number = 1"],
            ["UPDATE input SET sha256 = '" + "1" * 64 + "'"],
            ["DELETE FROM input"],
            ["UPDATE meta SET value = json_set(value, '$[0]', 'app_other') WHERE key = 'target'"],
            [f"UPDATE meta SET value = '{number}' WHERE key = 'created_at'"],
            ["UPDATE meta SET value = '[]' WHERE key = 'sensitive'"],
            [f"UPDATE note SET count = {number}"],
        ]
    )


def test_with_a_key_nobody_forges_a_plan_without_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    made_without_key = tmp_path / "plain.lpplan"
    write_plan(made_without_key, 400).close()
    monkeypatch.setenv(KEY_VARIABLE, new_key())
    made_with_key = tmp_path / "encrypted.lpplan"
    write_plan(made_with_key, 400).close()
    for seed in range(FORGED):
        draw = random.Random(seed)
        forged = tmp_path / "forged.lpplan"
        shutil.copyfile(draw.choice([made_without_key, made_with_key, made_with_key]), forged)
        forge(forged, *forgeries(draw))
        with pytest.raises(StalePlanError):
            open_plan(forged)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE batch SET class = 'x'",
        "UPDATE batch SET class = 99",
        "UPDATE hazard SET allowed = 'x'",
        "UPDATE note SET samples = '[1]'",
        "UPDATE change SET asked_line = 'x'",
        "UPDATE change SET kind = 'x' WHERE id = 1",
        "UPDATE change SET subject = 'u1' WHERE id = 1",
        "UPDATE change SET before = '{' WHERE id = 1",
        "UPDATE action SET name = x'00'",
        "UPDATE action SET arguments = '[]'",
        "UPDATE action SET deliveries = '[[1, 2]]'",
        "UPDATE meta SET value = '1e300' WHERE key = 'created_at'",
        "UPDATE meta SET value = '[[]]' WHERE key = 'sensitive'",
        "UPDATE meta SET value = '{\"a\": 1}' WHERE key = 'resources'",
        "UPDATE meta SET value = '7' WHERE key = 'resources'",
        "UPDATE meta SET value = '[7]' WHERE key = 'summary'",
        "UPDATE meta SET value = '[7, 7]' WHERE key = 'position'",
        "UPDATE meta SET value = json_set(value, '$[0]', 7) WHERE key = 'target'",
        "UPDATE meta SET value = json_set(value, '$.changed', 'x') WHERE key = 'summary'",
        "UPDATE meta SET value = json_set(value, '$.cost.seconds', 'x') WHERE key = 'summary'",
        "UPDATE meta SET value = json_set(value, '$.changes', json('{\"x\": 1}')) WHERE key = 'summary'",
        "DELETE FROM meta WHERE key = 'position'",
    ],
)
def test_rows_that_no_plan_of_ours_has_are_refused(statement: str, tmp_path: Path) -> None:
    """Without a key, anybody can compute a digest over them."""
    path = tmp_path / "a.lpplan"
    write_plan(path, 40).close()
    forge(path, statement)
    with pytest.raises(StalePlanError), open_plan(path) as plan:
        everything(plan)


def test_a_view_in_the_place_of_a_table_is_refused(tmp_path: Path) -> None:
    """It could give the rows that the digest is over when they are checked, and others when they are sent."""
    path = tmp_path / "a.lpplan"
    write_plan(path, 40).close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("ALTER TABLE action RENAME TO kept")
        connection.execute("CREATE VIEW action AS SELECT * FROM kept")
    with pytest.raises(StalePlanError, match="this plan was changed after it was written"):
        open_plan(path)


OVERWRITTEN: dict[str, Callable[[Path, Path], object]] = {
    "by another plan, as cp does": lambda path, other: path.write_bytes(other.read_bytes()),
    "by zeros": lambda path, _: path.write_bytes(bytes(path.stat().st_size)),
    "by nothing": lambda path, _: os.truncate(path, 0),
    "by a new file of its name": lambda path, other: Path(
        shutil.copyfile(other, path.with_name("new"))
    ).replace(path),
    "by no file": lambda path, _: path.unlink(),
}


def test_a_cell_over_the_limit_is_not_read(tmp_path: Path) -> None:
    """Else checking the digest would hold it in memory, whatever somebody wrote into it."""
    path = tmp_path / "a.lpplan"
    write_plan(path, 400).close()
    with closing(sqlite3.connect(path)) as plan, plan:
        plan.execute("UPDATE meta SET value = zeroblob(?) WHERE key = 'target'", (PLAN_CELL.most + 1,))
    with pytest.raises(StalePlanError, match="damaged") as refused:
        open_plan(path)
    assert isinstance(refused.value.__cause__, sqlite3.DataError)  # string or blob too big


@pytest.mark.parametrize("overwrite", OVERWRITTEN.values(), ids=OVERWRITTEN)
def test_overwriting_an_open_plan_changes_nothing(
    overwrite: Callable[[Path, Path], object], tmp_path: Path
) -> None:
    path, other, kept = tmp_path / "a.lpplan", tmp_path / "other.lpplan", tmp_path / "applied" / "kept.lpplan"
    with write_plan(path, 4000) as plan:
        untouched = everything(plan)
    write_plan(other, 4000, tiers=("silver", "platinum")).close()
    with open_plan(path) as plan:
        batches = plan.batches()
        begun = list(islice(batches, 1))
        overwrite(path, other)
        assert everything(plan) == untouched
        assert [*begun, *batches] == list(plan.batches())
        keep(plan.write_to, kept, "it was not kept")
    with open_plan(kept) as plan:
        assert everything(plan) == untouched


def test_a_kept_plan_outlives_the_plan_that_is_overwritten_in_place(tmp_path: Path) -> None:
    path, kept = tmp_path / "a.lpplan", tmp_path / "applied" / "kept.lpplan"
    with write_plan(path, 40) as plan:
        keep(plan.write_to, kept, "it was not kept")
        untouched = everything(plan)
    path.write_bytes(bytes(5000))
    assert not kept.samefile(path)
    assert kept.stat().st_mode & 0o777 == 0o600
    with open_plan(kept) as plan:
        assert everything(plan) == untouched


def test_reading_a_plan_leaves_nothing_behind(tmp_path: Path) -> None:
    write_plan(tmp_path / "a.lpplan", 40).close()
    with open_plan(tmp_path / "a.lpplan"):
        assert [path.name for path in tmp_path.iterdir()] == ["a.lpplan"]


def test_a_plan_in_a_folder_that_can_not_be_written_is_read_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.lpplan"
    write_plan(path, 40).close()
    made = []

    def mkdtemp(prefix: str, dir: Path) -> str:  # noqa: A002 - its name
        if dir == tmp_path:
            raise PermissionError(13, "Permission denied")
        made.append(dir)
        return real(prefix=prefix, dir=dir)

    from leanplum_sync.planfile import private  # noqa: PLC0415 - whose folder is chosen

    real = private.tempfile.mkdtemp
    monkeypatch.setattr(private.tempfile, "mkdtemp", mkdtemp)
    monkeypatch.setattr(private, "_IN_MEMORY_BYTES", 0)  # smaller plans need no file
    with open_plan(path) as plan:
        assert list(plan.batches())
    assert made
