"""
Random edits, renames, plans and applies from several checkouts: no older plan undoes a later run unnoticed, no delivery
happens twice.
"""

from __future__ import annotations

import json
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, TypeAlias

import pytest
from files import ndjson, write_files
from hello import HELLO, send_hello
from hypothesis import given, settings
from hypothesis import strategies as st
from postgresql import Server
from searching import examples

from leanplum_sync import HazardNotAllowedError, Plan, Project, StalePlanError, apply, emulator, plan
from leanplum_sync.applier.settings import Recheck

State: TypeAlias = tuple[Any, Any]  # the level and the push token
LEVELS: Final = (12, 20, 30)
PROJECT: Final = """\
apiVersion: leanplum-sync/v1
kind: Project
metadata: {name: shared}
spec:
  journal: {env: LEANPLUM_SYNC_JOURNAL}
  environments:
    live: {appId: app_emulator, budget: {sends: 9}}
    alias: {appId: app_emulator, budget: {sends: 9}}
  limits: {requestsPerSecond: 1000}
  moved: [MOVED]
"""
# The names that the deliveries have had, oldest first. A checkout of a later name lists the renames up to it.
SENDS: Final = ("hello-2026", "greeting", "welcome")
INCREMENTS: Final = ("launch", "start", "opening")
ATTRIBUTES: Final = """\
apiVersion: leanplum-sync/v1
kind: UserAttributes
metadata: {{name: {document}}}
spec:
  users: {{inline: [u1]}}
  attributes: {{level: {level}, visits: {{increment: 1, once: {once}}}}}
"""
TOKENS: Final = ("aa" * 32, "bb" * 32, "cc" * 32)
PUSH_TOKENS: Final = """\
apiVersion: leanplum-sync/v1
kind: PushTokens
metadata: {{name: tokens}}
spec:
  devices: {{inline: [{{id: d1, user: u1, token: {token}}}], id: id, user: user}}
  token: {{ios: {{column: token}}}}
"""


@dataclass(frozen=True, slots=True)
class Make:
    """A checkout sets the level, and perhaps the push token, in its specs and plans. *renames* counts those it has."""

    level: int
    environment: str
    sends: bool
    token: str = ""
    document: str = "hello"
    renames: int = 0


@dataclass(frozen=True, slots=True)
class Apply:
    """One of the plans so far is applied, perhaps not for the first time."""

    which: int
    recheck: Recheck


Step: TypeAlias = Make | Apply
MAKES: Final = st.builds(
    Make,
    st.sampled_from(LEVELS),
    st.sampled_from(["live", "alias"]),
    st.booleans(),
    st.sampled_from(["", *TOKENS]),
    st.sampled_from(["hello", "hello-again"]),
    st.integers(0, len(SENDS) - 1),
)
APPLIES: Final = st.builds(Apply, st.integers(0, 9), st.sampled_from([Recheck.OFF, Recheck.AUTO]))
STEPS: Final = st.lists(st.one_of(MAKES, APPLIES), min_size=4, max_size=9)


@dataclass
class World:
    folder: Path
    url: str
    made: list[tuple[Plan, State, State]] = field(default_factory=list)

    def state(self) -> State:
        """Return the level and the push token: what the emulator has, whatever its API shows."""
        with urllib.request.urlopen(f"{self.url}/_emulator/dump") as answer:
            users = [json.loads(line) for line in answer.read().splitlines()]
        (user,) = (each for each in users if each.get("userId") == "u1")
        (device,) = (each for each in user["devices"] if each["deviceId"] == "d1")
        return user["userAttributes"]["level"], device.get("iosPushToken", "")

    def level(self) -> Any:
        return self.state()[0]

    def visits(self) -> Any:
        return self._attributes().get("visits")

    def sends(self) -> int:
        with urllib.request.urlopen(f"{self.url}/_emulator/counts?detail=1") as answer:
            return sum(count for sent in json.load(answer)["sends"].values() for count in sent.values())

    def _attributes(self) -> Any:
        query = f"action=exportUser&appId=app_emulator&clientKey={emulator.KEYS['data_export']}&apiVersion=1.0.6&userId=u1"
        with urllib.request.urlopen(f"{self.url}/api?{query}") as answer:
            return json.load(answer)["response"][0]["userAttributes"]

    def make(self, step: Make) -> None:
        folder = self.folder / str(len(self.made))
        once = INCREMENTS[step.renames]
        files = {
            "leanplum-sync.yaml": PROJECT.replace("MOVED", moves(step.renames)),
            "specs/levels.yaml": ATTRIBUTES.format(document=step.document, level=step.level, once=once),
        }
        if step.sends:
            files[f"specs/{step.document}.yaml"] = send_hello(
                "{inline: [u1]}", step.document, SENDS[step.renames]
            )
        if step.token:
            files["specs/tokens.yaml"] = PUSH_TOKENS.format(token=step.token)
        write_files(folder, files)
        project = Project.load(folder / "leanplum-sync.yaml", step.environment)
        assumed = self.state()
        wanted = step.level, step.token or None  # None: the plan says nothing about the token
        self.made.append((plan(project, out=folder / "a.lpplan"), assumed, wanted))

    def apply(self, step: Apply) -> None:
        if not self.made:
            return
        made, assumed, wanted = self.made[step.which % len(self.made)]
        before = self.state()
        try:
            receipt = apply(made, recheck=step.recheck, new_journal=True)
        # The hazard is a rename that this checkout does not list.
        except (StalePlanError, HazardNotAllowedError):
            assert self.state() == before
            return
        changes = list(zip(before, self.state(), assumed, wanted, strict=True))
        for was, now, planned_from, planned_to in changes:
            if now != was:
                assert (was, now) == (planned_from, planned_to)
        is_another = any(to not in (None, start) and was not in (start, to) for was, _, start, to in changes)
        if self.state() == before and is_another and not made.is_empty and receipt.sent_now:
            assert not receipt.complete


def moves(renames: int) -> str:
    """Return the entries of ``moved`` after so many renames, as YAML."""
    visits = [f"{once}/visits" for once in INCREMENTS]
    pairs = [pair for names in (SENDS, visits) for pair in list(pairwise(names))[:renames]]
    return ", ".join(f"{{from: {former}, to: {name}}}" for former, name in pairs)


@contextmanager
def world(journal: str = "") -> Iterator[World]:
    """Yield an app with one user. *journal* is the address of an empty database; by default, the journal is in a file."""
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        folder = Path(name)
        user = {"userId": "u1", "userAttributes": {"level": 12, "visits": 5}, "devices": [{"deviceId": "d1"}]}
        (folder / "seed.ndjson").write_text(ndjson(HELLO, user))
        switches = emulator.Switches(duplicates="carry_out")
        with emulator.running(seeds=[folder / "seed.ndjson"], switches=switches) as running:
            patch.setenv("LEANPLUM_SYNC_JOURNAL", journal or str(folder / "journal.db"))
            patch.setenv("LEANPLUM_API_URL", running.url)
            for key, value in emulator.KEYS.items():
                patch.setenv(f"LEANPLUM_{key.upper()}_KEY", value)
            yield World(folder, running.url)


@given(STEPS)
@settings(max_examples=min(examples(6), 60))
def test_no_older_plan_undoes_a_later_run_and_nothing_is_delivered_twice(steps: list[Step]) -> None:
    with world() as here:
        follow(steps, here)


@pytest.mark.slow
@given(STEPS)
@settings(max_examples=min(examples(2), 20))
def test_the_same_holds_with_a_shared_journal(postgresql: Server, steps: list[Step]) -> None:
    with world(postgresql.new_database()) as here:
        follow(steps, here)


def follow(steps: list[Step], here: World) -> None:
    for step in steps:
        match step:
            case Make():
                here.make(step)
            case Apply():
                here.apply(step)
        assert here.visits() in (5, 6)
        assert here.sends() <= 1


def test_the_search_would_find_the_older_plan() -> None:
    """The sequence that the search is for: plan twice, apply the newer plan, then the older one."""
    with world() as here:
        here.make(Make(20, "live", sends=True))
        here.make(Make(30, "alias", sends=True))
        here.apply(Apply(1, Recheck.OFF))
        assert here.level() == 30
        here.apply(Apply(0, Recheck.OFF))
        assert (here.level(), here.visits(), here.sends()) == (30, 6, 1)


def test_the_search_would_find_the_older_token() -> None:
    with world() as here:
        here.make(Make(12, "live", sends=False, token=TOKENS[0]))
        here.make(Make(12, "alias", sends=False, token=TOKENS[1]))
        here.apply(Apply(1, Recheck.OFF))
        here.apply(Apply(0, Recheck.OFF))
        assert here.state() == (12, TOKENS[1])


def test_the_search_would_find_the_renamed_delivery() -> None:
    """The journal remembers a rename, so that a checkout from before it repeats nothing."""
    with world() as here:
        here.make(Make(12, "live", sends=True))
        here.make(Make(12, "alias", sends=True, document="hello-again", renames=2))
        for which in (1, 0):
            here.apply(Apply(which, Recheck.OFF))
            assert (here.visits(), here.sends()) == (6, 1)
