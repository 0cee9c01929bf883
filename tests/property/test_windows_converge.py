"""Laws of exports: whatever goes wrong and wherever the process ends, windows are whole, and no job is paid twice."""

from __future__ import annotations

import datetime as dt
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clocks import Clock
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leanplum_sync.client.api.jobs import ExportResult, JobState
from leanplum_sync.errors import NotSentError
from leanplum_sync.journal.ledger import Ledger, open_ledger
from leanplum_sync.kinds.export_series import Every, ExportSeries, Window
from leanplum_sync.operations.exporting import Owner
from leanplum_sync.operations.kept_windows import Presence, WindowFolder
from leanplum_sync.operations.windows import WindowExporting
from leanplum_sync.problem import Place
from leanplum_sync.progress import SilentProgress

FIRST = dt.date(2026, 11, 1)
NOW = 1_794_600_000.0  # 2026-11-13
FAULTS = st.sampled_from(["start", "killed", "failed", "cut off", "a file less", "a line less"])


class KilledError(BaseException):
    """Ends the process at this point."""


@dataclass
class Leanplum:
    """Exports two files of a session each, but for *faults*: one for each call, until there are no more."""

    faults: list[str]
    jobs: list[str] = field(default_factory=list)

    def _next(self, *wanted: str) -> str:
        return self.faults.pop() if self.faults and self.faults[-1] in wanted else ""

    def start_sessions(self, first_day: str, last_day: str) -> str:
        if self._next("start"):
            raise NotSentError("no route")
        self.jobs.append(f"{first_day}-{last_day}")
        return f"job-{len(self.jobs)}"

    def start_report(self, arguments: Any, first_day: str, last_day: str) -> str:
        raise AssertionError((arguments, first_day, last_day))

    def result(self, job_id: str) -> ExportResult:
        match self._next("killed", "failed", "a file less"):
            case "killed":
                raise KilledError
            case "failed":
                return ExportResult(JobState.FAILED, (), None, None, (), None, {})
            case "a file less":
                return self._finished(job_id, "0")
        return self._finished(job_id, "0", "1")

    def _finished(self, job_id: str, *files: str) -> ExportResult:
        urls = tuple(f"{job_id}/{each}" for each in files)
        return ExportResult(JobState.FINISHED, urls, 20, 2, (), None, {})

    def download(self, _url: str, into: Path) -> None:
        content = {"cut off": b'{"a": 12}', "a line less": b" " * 9 + b"\n"}.get(
            self._next("cut off", "a line less", "killed"), b'{"a": 12}\n'
        )
        into.write_bytes(content)


def _export(leanplum: Leanplum, ledger: Ledger, folders: list[WindowFolder]) -> None:
    clock = Clock(NOW)
    exporting = WindowExporting(leanplum, ledger, Owner("app", "live", "apply"), clock, SilentProgress())
    with suppress(KilledError, NotSentError):
        exporting.export([each for each in folders if each.presence() is not Presence.PRESENT])


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(FAULTS, max_size=8), st.sampled_from(["day", "week"]), st.integers(0, 6))
def test_windows_become_whole_and_then_nothing_is_left_to_do(
    faults: list[str], every: Every, delay: int
) -> None:
    folder = Path(tempfile.mkdtemp())
    try:
        series = ExportSeries("exportData", {}, every, FIRST, None, delay, "out", Place("s.yaml"))
        folders = [WindowFolder(folder, "app", series, window) for window in series.due(NOW)][:3]
        lost = sum(fault in ("failed", "cut off", "a file less", "a line less") for fault in faults)
        leanplum = Leanplum(list(faults))
        with open_ledger(folder / "journal.db", Clock(NOW)) as ledger:
            for _ in range(len(faults) + 1):
                _export(leanplum, ledger, folders)
                for each in folders:
                    assert each.presence() in (Presence.PRESENT, Presence.MISSING)
            assert [each.presence() for each in folders] == [Presence.PRESENT] * len(folders)
            for each in folders:
                files = sorted(each.path.glob("sessions-*"))
                assert [file.read_bytes() for file in files] == [b'{"a": 12}\n'] * 2
            paid = len(leanplum.jobs)
            assert paid <= len(folders) + lost
            _export(leanplum, ledger, folders)
            assert len(leanplum.jobs) == paid
    finally:
        shutil.rmtree(folder)


@given(st.binary(max_size=40), st.integers(0, 30))
def test_a_window_whose_files_changed_in_size_is_never_present(content: bytes, cut: int) -> None:
    folder = Path(tempfile.mkdtemp())
    try:
        series = ExportSeries("exportData", {}, "day", FIRST, None, 0, "out", Place("s.yaml"))
        window = WindowFolder(folder, "app", series, Window(FIRST, FIRST))
        file = window.begin() / "sessions-0.ndjson"
        file.write_bytes(content)
        window.publish([file], {"sessions": 1, "bytes": len(content)})
        assert window.presence() is Presence.PRESENT
        (window.path / file.name).write_bytes(content[:cut])
        assert (window.presence() is Presence.PRESENT) is (cut >= len(content))
    finally:
        shutil.rmtree(folder)
