"""Random plans and applies from several checkouts: no older plan undoes a later run unnoticed, no delivery happens twice."""

from __future__ import annotations

import json
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

import pytest
from files import ndjson, write_files
from hello import HELLO, send_hello
from hypothesis import given, settings
from hypothesis import strategies as st
from searching import examples

from leanplum_sync import Plan, Project, StalePlanError, apply, emulator, plan
from leanplum_sync.applier.settings import Recheck

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
"""
ATTRIBUTES: Final = """\
apiVersion: leanplum-sync/v1
kind: UserAttributes
metadata: {{name: levels}}
spec:
  users: {{inline: [u1]}}
  attributes: {{level: {level}, visits: {{increment: 1, once: launch}}}}
"""


@dataclass(frozen=True, slots=True)
class Make:
    """A checkout sets the level in its specs and plans."""

    level: int
    environment: str
    sends: bool


@dataclass(frozen=True, slots=True)
class Apply:
    """One of the plans so far is applied, perhaps not for the first time."""

    which: int
    recheck: Recheck


Step: TypeAlias = Make | Apply
MAKES: Final = st.builds(Make, st.sampled_from(LEVELS), st.sampled_from(["live", "alias"]), st.booleans())
APPLIES: Final = st.builds(Apply, st.integers(0, 9), st.sampled_from([Recheck.OFF, Recheck.AUTO]))
STEPS: Final = st.lists(st.one_of(MAKES, APPLIES), min_size=4, max_size=9)


@dataclass
class World:
    folder: Path
    url: str
    made: list[tuple[Plan, Any, int]] = field(default_factory=list)

    def level(self) -> Any:
        return self._attributes()["level"]

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
        files = {"leanplum-sync.yaml": PROJECT, "specs/levels.yaml": ATTRIBUTES.format(level=step.level)}
        if step.sends:
            files["specs/hello.yaml"] = send_hello("{inline: [u1]}")
        write_files(folder, files)
        project = Project.load(folder / "leanplum-sync.yaml", step.environment)
        self.made.append((plan(project, out=folder / "a.lpplan"), self.level(), step.level))

    def apply(self, step: Apply) -> None:
        if not self.made:
            return
        made, assumed, wanted = self.made[step.which % len(self.made)]
        before = self.level()
        try:
            receipt = apply(made, recheck=step.recheck, new_journal=True)
        except StalePlanError:
            assert self.level() == before
            return
        if self.level() != before:
            assert (before, self.level()) == (assumed, wanted)
        elif before not in (assumed, wanted) and not made.is_empty and receipt.sent_now:
            assert not receipt.complete


@contextmanager
def world() -> Iterator[World]:
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        folder = Path(name)
        user = {"userId": "u1", "userAttributes": {"level": 12, "visits": 5}, "devices": [{"deviceId": "d1"}]}
        (folder / "seed.ndjson").write_text(ndjson(HELLO, user))
        switches = emulator.Switches(duplicates="carry_out")
        with emulator.running(seeds=[folder / "seed.ndjson"], switches=switches) as running:
            patch.setenv("LEANPLUM_SYNC_JOURNAL", str(folder / "journal.db"))
            patch.setenv("LEANPLUM_API_URL", running.url)
            for key, value in emulator.KEYS.items():
                patch.setenv(f"LEANPLUM_{key.upper()}_KEY", value)
            yield World(folder, running.url)


@given(STEPS)
@settings(max_examples=min(examples(6), 60))
def test_no_older_plan_undoes_a_later_run_and_nothing_is_delivered_twice(steps: list[Step]) -> None:
    with world() as here:
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
