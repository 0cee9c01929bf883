"""Plans that compare with an export and read only the users whom it doesn't settle, against the emulator and its own count."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import requests
from nightly import Nightly, changes_of, nightly, row, variables

from leanplum_sync import Recheck, emulator
from leanplum_sync.errors import ExportFailedError
from leanplum_sync.planfile import open_plan
from leanplum_sync.project.model import Observe

USERS = 400
CHANGING = 4  # one in a hundred
SPEC = """\
apiVersion: leanplum-sync/v1
kind: UserAttributes
metadata: {name: loyalty}
spec:
  users: {file: ../users.csv, id: id}
  attributes:
    tier: {column: tier}
    vip: {column: vip, type: boolean}
"""
POINTS = """\
apiVersion: leanplum-sync/v1
kind: UserAttributes
metadata: {name: points}
spec:
  users: {file: ../users.csv, id: id}
  attributes: {points: {column: points, type: integer}}
"""
Served: TypeAlias = Callable[..., Nightly]


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    with ExitStack() as stack:

        def serve(users: int, folder: str = "app", **switches: Any) -> Nightly:
            root = tmp_path / folder
            root.mkdir()
            rows = {f"u{number:06}": row(number) for number in range(users)}
            world = stack.enter_context(nightly(root, rows, switches=emulator.Switches(**switches)))
            world.specs = {"loyalty": SPEC}
            for name, value in variables(world.url).items():
                monkeypatch.setenv(name, value)
            return world

        yield serve


def jobs_of(world: Nightly) -> int:
    actions = requests.get(f"{world.url}/_emulator/counts", timeout=300).json()["actions"]
    return int(actions.get("exportUsers", 0))


def notes_of(path: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    with open_plan(path) as plan:
        for note in plan.notes():
            found.setdefault(note.code, []).append(note.sentence)
    return found


def test_a_nightly_sync_of_which_one_percent_changes_costs_a_fortieth(served: Served) -> None:
    world = served(USERS)
    for number in range(CHANGING):
        world.rows[f"u{number:06}"]["tier"] = "platinum"
    cheap = world.plan(Observe.EXPORT)
    of_cheap = world.lookups()
    assert of_cheap == cheap.summary.cost.reads == CHANGING
    assert (cheap.summary.unseen, cheap.summary.assumed, jobs_of(world)) == (USERS - CHANGING, 0, 2)
    assert {each.name: each.count for each in cheap.hazards}["unseen"] == USERS - CHANGING
    (sentence,) = notes_of(cheap.path)["unseen"]
    assert sentence.startswith("were not read: according to the export started at 2")
    assert not list((world.root / ".leanplum-sync").rglob("*.csv"))
    live = world.plan(Observe.LIVE)
    of_live = world.lookups() - of_cheap
    assert changes_of(cheap) == changes_of(live)
    assert (cheap.digest, cheap.summary.changed) == (live.digest, CHANGING)
    before = world.lookups()
    assert world.apply(cheap, recheck=Recheck.AUTO).complete
    of_cheap += world.lookups() - before
    assert of_cheap == cheap.summary.cost.reads + cheap.summary.cost.writes <= 0.025 * (of_live + CHANGING)


def test_users_to_whom_we_wrote_since_the_export_are_read(served: Served) -> None:
    world = served(3, export_users_stale=True)
    world.plan(Observe.EXPORT)  # from now on, exports show this
    world.rows["u000001"]["tier"] = "platinum"
    assert world.apply(world.plan(Observe.LIVE)).complete
    world.rows["u000001"]["tier"] = "gold"
    made = world.plan(Observe.EXPORT)
    assert [(each.subject.id, each.before, each.after) for each in changes_of(made)] == [
        ("u000001", "platinum", "gold")
    ]


def test_specs_that_no_export_can_settle_are_read_live_and_cost_no_job(served: Served) -> None:
    world = served(3)
    world.specs = {"points": POINTS}
    made = world.plan(Observe.EXPORT)
    assert (made.summary.unseen, made.summary.cost.reads, jobs_of(world)) == (0, 3, 0)
    assert notes_of(made.path)["remark"] == [
        "all its users were read: exports don't show the type of attribute points, such as number or text."
    ]


def test_a_number_that_is_written_as_a_text_is_never_taken_for_it(served: Served) -> None:
    world = served(3)
    for user in world.rows:
        world.rows[user]["tier"] = "25"
    world.set_by_others("u000000", {"tier": 25})
    world.set_by_others("u000001", {"tier": "25"})
    made = world.plan(Observe.EXPORT)
    assert [each.subject.id for each in changes_of(made)] == ["u000000", "u000002"]
    assert made.summary.cost.reads == 3


def test_an_export_that_was_cut_off_makes_no_plan(served: Served) -> None:
    world = served(3, export_users_truncated="in_a_row")
    with pytest.raises(ExportFailedError, match="the file was cut off"):
        world.plan(Observe.EXPORT)
    assert (world.lookups(), list(world.root.glob("*.lpplan"))) == (0, [])
