"""Windows whose files are not what the job said never count, and what is done about each, against the emulator."""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import requests
from clocks import Clock
from files import ndjson

from leanplum_sync import emulator
from leanplum_sync.client.api.jobs import ExportResult, JobState
from leanplum_sync.client.calls import Calls
from leanplum_sync.client.credentials import EMULATOR_KEYS, Connection, Keys
from leanplum_sync.client.exporter import Exporter
from leanplum_sync.client.http import HttpTransport
from leanplum_sync.errors import NoAnswerError
from leanplum_sync.journal.entry import ExportState
from leanplum_sync.journal.ledger import Ledger, open_ledger
from leanplum_sync.kinds.export_series import ExportSeries, Window
from leanplum_sync.operations.exporting import Owner
from leanplum_sync.operations.kept_windows import Presence, WindowFolder
from leanplum_sync.operations.windows import WindowExporting
from leanplum_sync.problem import Place
from leanplum_sync.progress import SilentProgress


@dataclass
class World:
    exporting: WindowExporting
    ledger: Ledger
    folder: WindowFolder

    def failure(self, change: Callable[[ExportResult], ExportResult]) -> str:
        """Return why a window is not exported if its job's result is *change*d; it must not be there."""
        report = replace(self.exporting, exports=Changed(self.exporting.exports, change)).export(
            [self.folder]
        )
        assert (report.exported, self.folder.presence()) == ([], Presence.MISSING)
        return report.failed[self.folder.name]


@dataclass
class Changed:
    """An exporter whose jobs end otherwise."""

    exports: Any
    change: Callable[[ExportResult], ExportResult]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.exports, name)

    def result(self, job_id: str) -> ExportResult:
        found = self.exports.result(job_id)
        return self.change(found) if found.state is JobState.FINISHED else found


@contextmanager
def _world(folder: Path, **switches: Any) -> Iterator[World]:
    clock = Clock(time.time())
    seed = folder / "seed.ndjson"
    seed.write_text(ndjson({"userId": "u1"}))
    with (
        emulator.running(seeds=[seed], clock=clock.now, switches=emulator.Switches(**switches)) as running,
        HttpTransport(is_local=True) as transport,
        open_ledger(folder / "journal.db", clock) as ledger,
    ):
        for action in ("start", "stop"):
            query = {"action": action, "userId": "u1", "apiVersion": "1.0.6", "appId": emulator.APP_ID, "clientKey": emulator.KEYS["production"]}  # fmt: skip
            requests.post(f"{running.url}/api", json=query, timeout=300).raise_for_status()
        calls = Calls(Connection.to_emulator(running.url), Keys.of(EMULATOR_KEYS), transport, clock)
        exporter = Exporter(calls, transport, is_local=True)
        owner = Owner(emulator.APP_ID, "live", "apply")
        today = dt.datetime.fromtimestamp(clock.now(), dt.timezone(dt.timedelta(hours=-8))).date()
        series = ExportSeries("exportData", {}, "day", today, None, 0, "out", Place("s.yaml", 1, 1))
        yield World(
            WindowExporting(exporter, ledger, owner, clock, SilentProgress()),
            ledger,
            WindowFolder(folder, emulator.APP_ID, series, Window(today, today)),
        )


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with _world(tmp_path) as world:
        yield world


def test_files_that_are_not_what_the_job_said_are_no_window(world: World) -> None:
    assert "bytes instead of" in world.failure(lambda each: replace(each, size_bytes=each.size_bytes + 1))
    assert "1 sessions instead of 2" in world.failure(lambda each: replace(each, sessions=2))
    assert "doesn't say how many" in world.failure(lambda each: replace(each, sessions=None))
    assert "doesn't say how many" in world.failure(lambda each: replace(each, size_bytes=None))
    assert "bytes instead of" in world.failure(lambda each: replace(each, files=()))
    assert "404" in world.failure(lambda each: replace(each, files=tuple(f"{url}x" for url in each.files)))
    assert "job failed" in world.failure(lambda each: replace(each, state=JobState.FAILED))
    states = [job.state for job in world.ledger.jobs()]
    assert states == [ExportState.USED] * 6 + [ExportState.FAILED]  # none is taken again
    assert world.exporting.export([world.folder]).exported == [world.folder.name]
    assert world.folder.presence() is Presence.PRESENT


def test_a_window_that_fails_does_not_stop_the_others(world: World) -> None:
    day = world.folder.window.first - dt.timedelta(days=1)
    other = replace(world.folder, window=Window(day, day))
    changed = Changed(world.exporting.exports, lambda each: replace(each, size_bytes=each.size_bytes or 7))
    report = replace(world.exporting, exports=changed).export([other, world.folder])
    assert (list(report.failed), report.exported) == ([other.name], [world.folder.name])
    assert [*report.complaints][-1] == "Run the same command again to export it."


@pytest.mark.parametrize("empty_export", ["job", "not_found"])
def test_a_day_without_sessions_is_a_window_without_sessions(tmp_path: Path, empty_export: str) -> None:
    with _world(tmp_path, empty_export=empty_export) as world:
        day = world.folder.window.first - dt.timedelta(days=1)
        empty = replace(world.folder, window=Window(day, day))
        assert world.exporting.export([empty]).exported == [empty.name]
        assert empty.presence() is Presence.PRESENT
        assert json.loads((empty.path / "manifest.json").read_text())["sessions"] == 0


def test_a_job_that_takes_too_long_is_taken_again_by_the_next_call(tmp_path: Path) -> None:
    with _world(tmp_path, job_seconds=3600.0) as world:
        with pytest.raises(NoAnswerError, match=r"the job is not paid for again"):
            replace(world.exporting, wait_seconds=60.0).export([world.folder])
        assert world.exporting.export([world.folder]).exported == [world.folder.name]
        assert [job.state for job in world.ledger.jobs()] == [ExportState.USED]


def test_quotas_of_actions_are_counted_apart(world: World) -> None:
    world.exporting.export([world.folder])
    assert [world.ledger.quota(emulator.APP_ID, action=action).used for action in ("exportUsers", "exportData", "exportReport")] == [0, 1, 0]  # fmt: skip


def test_what_an_interrupted_export_left_is_replaced_and_other_files_are_kept(world: World) -> None:
    (world.folder.begin() / "half").write_text("x")
    world.folder.path.mkdir()
    (world.folder.path / "mine.txt").write_text("mine")
    assert world.folder.presence() is Presence.DAMAGED
    report = world.exporting.export([world.folder])
    assert world.folder.presence() is Presence.PRESENT
    (aside,) = report.kept_aside
    assert (world.folder.root / aside / "mine.txt").read_text() == "mine"
    assert {path.name for path in world.folder.path.iterdir()} == {"manifest.json", "sessions-0.ndjson"}


@pytest.mark.parametrize("content", ["", "[]", "{", "null", '{"format": 1}', '{"files": 3}'])
def test_any_manifest_is_read_or_counts_as_damaged(world: World, content: str) -> None:
    world.folder.path.mkdir(parents=True)
    (world.folder.path / "manifest.json").write_text(content)
    assert world.folder.presence() in (Presence.DAMAGED, Presence.FOREIGN)
