"""
Plans that read few users, while others change users and whatever the plans rely on is damaged, old, foreign, or odd.

Each run has a seed, and some rounds: the desired values of up to a fifth of the users change, others change up to a fifth of the users,
and a plan is made with a baseline or an export. Its changes must be those of a plan from live state, but for users whom it says it did not
read. Others change a user again, and it is applied: what it writes must be what a plan from live state would write at that moment.
At the end nothing was sent or incremented twice, and a plan from live state finds whatever was hidden.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import requests
from nightly import SPEC, Nightly, changes_of, nightly, row

from leanplum_sync import Plan, Receipt, emulator, verify
from leanplum_sync.baseline import Folder, Head, UnusableError
from leanplum_sync.errors import ExportFailedError
from leanplum_sync.planner.change import Change
from leanplum_sync.project.model import Observe

USERS: Final = 20
MOST_MOVED: Final = USERS // 5
ONCE: Final = """\
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
---
apiVersion: leanplum-sync/v1
kind: UserAttributes
metadata: {name: first}
spec:
  users: {inline: [u000005, u000006, u000007, u000008, u000009]}
  attributes: {plan: {value: free, when: absent}}
"""
WITHOUT_PLAN: Final = ("u000005", "u000006", "u000007", "u000008", "u000009")
# Without numbers and removals, which no export can show.
EXPORTABLE: Final = """\
apiVersion: leanplum-sync/v1
kind: UserAttributes
metadata: {name: loyalty}
spec:
  users: {file: ../users.csv, id: id}
  attributes:
    tier: {column: tier}
    vip: {column: vip, type: boolean}
"""
MESSAGE: Final = {"message": {"id": 7, "name": "Late", "active": True, "messageType": "Push Notification"}}
SWITCHES: Final[Mapping[str, tuple[Any, ...]]] = {
    "export_users_rows": ("with_attribute", "every_user"),
    "export_users_quoting": ("minimal", "all", "backslash", "none"),
    "export_users_order": ("by_id", "shuffled"),
    "export_users_duplicates": ("none", "same", "contradicting"),
    "export_users_missing": (False, True),
    "export_users_stale": (False, True),
    "export_users_truncated": ("no", "no", "between_rows", "in_a_row"),
}
DAMAGES: Final = ("none", "none", "damaged", "old", "foreign app", "foreign journal", "gone", "cut off")
TIERS: Final = ("gold", "silver", "platinum")
ODD: Final = (*TIERS, 25, "25", "True", True, 'x,"y"', "", "a\\b", ["gold"], 1e9)


@contextmanager
def adversary(root: Path, seed: int, observe: Observe) -> Iterator[Nightly]:
    """Serve an app for one run. The caller sets the ``variables``."""
    draw = random.Random(f"switches {seed}")
    switches = {name: draw.choice(values) for name, values in SWITCHES.items()}
    rows = {f"u{number:06}": row(number) for number in range(USERS)}
    served = emulator.Switches(**switches) if observe is Observe.EXPORT else emulator.Switches()
    with nightly(root, rows, others=[MESSAGE], switches=served) as world:
        spec = EXPORTABLE if observe is Observe.EXPORT else SPEC
        world.specs = {"loyalty": spec, "once": ONCE}
        yield world


def meet(world: Nightly, seed: int, observe: Observe, rounds: int) -> list[str]:
    """Run *rounds* with *seed*, and return what happened in each. A wrong write is an ``AssertionError``."""
    draw = random.Random(seed)
    saved: list[Path] = []
    told = []
    world.apply(world.plan(Observe.LIVE if observe is Observe.EXPORT else observe))
    for _ in range(rounds):
        for user in draw.sample(sorted(world.rows), draw.randrange(MOST_MOVED + 1)):
            world.rows[user]["tier"] = draw.choice(("25", "True", *TIERS))
        for user in draw.sample(sorted(world.rows), draw.randrange(MOST_MOVED + 1)):
            world.set_by_others(user, {"tier": draw.choice(ODD), "points": draw.randrange(3)})
        world.set_by_others(draw.choice(WITHOUT_PLAN), {"plan": draw.choice((None, "paid"))})
        told.append(disturb(world, draw, saved) if observe is Observe.JOURNAL else "export")
        before = world.lookups()
        try:
            made = world.plan(observe, **_options(observe, draw))
        except ExportFailedError:
            told[-1] = "refused export"
            continue
        assert world.lookups() - before == made.summary.cost.reads
        _compare(made, by_user(changes_of(unlearned(world))))
        for user in draw.sample(sorted(world.rows), draw.randrange(MOST_MOVED + 1)):
            world.set_by_others(user, {"tier": draw.choice((world.rows[user]["tier"], *ODD))})
        world.set_by_others(draw.choice(WITHOUT_PLAN), {"plan": draw.choice((None, "paid"))})
        receipt = _apply(world, made)
        if draw.random() < 0.5:
            verify(made, receipt)  # which adds to the baseline
    _end(world)
    return told


def _options(observe: Observe, draw: random.Random) -> Mapping[str, Any]:
    return {"moved_since": "export"} if observe is Observe.JOURNAL and draw.random() < 0.3 else {}


def _compare(made: Plan, live: Mapping[str, list[tuple[object, ...]]]) -> None:
    """Whoever *made* changes is changed in the same way by a plan from live state, and those it misses are those it assumes."""
    cheap = by_user(changes_of(made))
    assert {user: live.get(user) for user in cheap} == cheap
    assert len(live.keys() - cheap.keys()) <= made.summary.assumed + made.summary.unseen


def _apply(world: Nightly, made: Plan) -> Receipt:
    """Apply *made*. Everything that it writes is what a plan from live state would write now."""
    would = {(each.subject.id, each.field): each.after for each in changes_of(unlearned(world)) if each.field}
    before = world.values()
    receipt = world.apply(made)
    for user, now in world.values().items():
        for field, value in _fields(now).items():
            was = _fields(before.get(user, {})).get(field)
            if value != was:
                assert (user, field) in would, f"{field} of {user}"
                assert field == "visits" or value == would[user, field], f"{field} of {user}"
    return receipt


def _fields(user: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**user.get("userAttributes", {}), "country": user.get("country")}


def _end(world: Nightly) -> None:
    world.apply(world.plan(Observe.LIVE))
    assert world.plan(Observe.LIVE).is_empty
    values = world.values()
    for user, wanted in world.rows.items():
        assert values[user]["userAttributes"]["tier"] == wanted["tier"]
    counts = requests.get(f"{world.url}/_emulator/counts?detail=1", timeout=300).json()
    assert counts["sends"] == {"7": {"u000003": 1, "u000004": 1}}
    assert counts["increments"] == {f"u00000{number}": {"visits": 1} for number in range(3)}


def disturb(world: Nightly, draw: random.Random, saved: list[Path]) -> str:
    """Do something to the baseline, and return what. Copies are kept in *saved*, to put one back later."""
    folder = baseline_of(world)
    if not (folder / "head.json").exists():
        return "missing"
    kept = world.root / f"saved-{len(saved)}"
    shutil.copytree(folder, kept)
    saved.append(kept)
    what = draw.choice(DAMAGES)
    files = sorted(path for path in folder.iterdir() if path.name != "lock" and path.stat().st_size)
    file = draw.choice(files)
    match what:
        case "damaged":
            content = bytearray(file.read_bytes())
            content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
            file.write_bytes(content)
        case "cut off":
            file.write_bytes(file.read_bytes()[: draw.randrange(file.stat().st_size)])
        case "gone":
            file.unlink()
        case "old":
            shutil.rmtree(folder)
            shutil.copytree(draw.choice(saved), folder)
        case "foreign app":
            _republish(folder, lambda head: replace(head, owner=replace(head.owner, app="another")))
        case "foreign journal":
            _republish(folder, lambda head: replace(head, journal="another"))
        case _:
            pass
    return what


def _republish(path: Path, changed: Any) -> None:
    """Replace the baseline by one with a valid seal and other contents of its head. One that is damaged already stays."""
    folder = Folder(path)
    try:
        head: Head = folder.read()
    except UnusableError:
        return
    copy = path / "copy.parquet"
    shutil.copyfile(folder.prints(head.generation), copy)
    folder.publish(replace(changed(head), generation=head.generation + 1), copy, folder.key())


def baseline_of(world: Nightly) -> Path:
    return world.root / ".leanplum-sync" / "journal.production.baseline"


def unlearned(world: Nightly) -> Plan:
    """Return a plan from live state that adds nothing to the baseline."""
    folder, kept = baseline_of(world), world.root / "kept"
    if not folder.exists():
        return world.plan(Observe.LIVE)
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
