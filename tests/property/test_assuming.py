"""
Plans with a baseline, while others change users and somebody damages the baseline or puts back an old or a foreign one.

Whatever such a plan would write, a plan from live state would write at that moment; the rest is users whom it assumes. Nothing is sent
or incremented twice. In the end, a plan from live state finds what was hidden, and after it there is nothing to do.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TypeAlias

import pytest
import requests
from nightly import SPEC, Nightly, changes_of, nightly, row, variables
from searching import IS_CAMPAIGN

from leanplum_sync import Plan
from leanplum_sync.planner.change import Change
from leanplum_sync.project.model import Observe

USERS = 10
ROUNDS = 4 if IS_CAMPAIGN else 2
SEEDS = range(300 if IS_CAMPAIGN else 1)
ONCE = """\
apiVersion: leanplum-sync/v1
kind: UserAttributes
metadata: {name: visits}
spec:
  users: {inline: [u000000, u000001, u000002]}
  attributes: {visits: {increment: 1, once: november}}
---
apiVersion: leanplum-sync/v1
kind: MessageSend
metadata: {name: late}
spec: {message: {id: 7}, recipients: {inline: [u000003, u000004]}, delivery: late-orders}
"""
MESSAGE = {"message": {"id": 7, "name": "Late", "active": True, "messageType": "Push Notification"}}
Serve: TypeAlias = Callable[[], AbstractContextManager[Nightly]]
TIERS = ("gold", "silver", "platinum")


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Serve:
    @contextmanager
    def served() -> Iterator[Nightly]:
        rows = {f"u{number:06}": row(number) for number in range(USERS)}
        with nightly(tmp_path, rows, others=[MESSAGE]) as world:
            world.specs = {"loyalty": SPEC, "once": ONCE}
            for name, value in variables(world.url).items():
                monkeypatch.setenv(name, value)
            yield world

    return served


def disturb(world: Nightly, chance: random.Random, saved: list[Path]) -> str:
    """Do something to the baseline. Keep copies in *saved*, to put one back later."""
    folder = world.root / ".leanplum-sync" / "journal.production.baseline"
    if not (folder / "head.json").exists():
        return "none"
    kept = world.root / f"saved-{len(saved)}"
    shutil.copytree(folder, kept)
    saved.append(kept)
    what = chance.choice(["nothing", "nothing", "damaged", "old", "foreign", "gone", "cut off"])
    files = sorted(path for path in folder.iterdir() if path.name != "lock" and path.stat().st_size)
    file = chance.choice(files)
    match what:
        case "damaged":
            content = bytearray(file.read_bytes())
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
            file.write_bytes(content)
        case "cut off":
            file.write_bytes(file.read_bytes()[: chance.randrange(file.stat().st_size)])
        case "gone":
            file.unlink()
        case "old":
            shutil.rmtree(folder)
            shutil.copytree(chance.choice(saved), folder)
        case "foreign":  # that of another environment
            for file in folder.glob("head.json"):
                file.write_bytes(file.read_bytes().replace(b"production", b"production2"))
        case _:
            pass
    return what


def unlearned(world: Nightly) -> Plan:
    """Return a plan from live state that adds nothing to the baseline."""
    folder, kept = world.root / ".leanplum-sync" / "journal.production.baseline", world.root / "kept"
    shutil.copytree(folder, kept)
    made = world.plan(Observe.LIVE)
    shutil.rmtree(folder)
    kept.rename(folder)
    return made


def by_user(changes: list[Change]) -> dict[str, list[tuple[object, ...]]]:
    found: dict[str, list[tuple[object, ...]]] = {}
    for each in changes:
        found.setdefault(each.subject.id, []).append((each.resource, each.field, each.before, each.after))
    return found


@pytest.mark.parametrize("seed", SEEDS)
def test_what_a_plan_with_a_baseline_writes_a_live_plan_would_write(seed: int, serve: Serve) -> None:
    chance = random.Random(seed)
    saved: list[Path] = []
    with serve() as world:
        world.apply(world.plan())
        for _ in range(ROUNDS):
            for user in chance.sample(sorted(world.rows), chance.randrange(USERS // 5 + 1)):
                world.rows[user]["tier"] = chance.choice(TIERS)
            for user in chance.sample(sorted(world.rows), chance.randrange(USERS // 5 + 1)):
                world.set_by_others(user, {"tier": chance.choice(TIERS), "points": chance.randrange(3)})
            disturb(world, chance, saved)
            made = world.plan()
            cheap, live = by_user(changes_of(made)), by_user(changes_of(unlearned(world)))
            assert {user: live.get(user) for user in cheap} == cheap
            assert len(live.keys() - cheap.keys()) <= made.summary.assumed
            if chance.random() < 0.3:
                world.set_by_others(chance.choice(sorted(world.rows)), {"tier": "bronze"})
            world.apply(made)
        world.apply(world.plan(Observe.LIVE))
        assert world.plan(Observe.LIVE).is_empty
        for user, wanted in world.rows.items():
            values = world.values()[user]["userAttributes"]
            assert (values["tier"], values["points"]) == (wanted["tier"], wanted["points"])
        counts = requests.get(f"{world.url}/_emulator/counts?detail=1", timeout=300).json()
        assert counts["sends"] == {"7": {"u000003": 1, "u000004": 1}}
        assert counts["increments"] == {f"u00000{number}": {"visits": 1} for number in range(3)}
