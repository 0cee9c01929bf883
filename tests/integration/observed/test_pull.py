"""Reading users into a snapshot, against a reader in memory and against the emulator over loopback."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from leanplum_sync import emulator
from leanplum_sync.address import Subject
from leanplum_sync.client.calls import Calls
from leanplum_sync.client.credentials import EMULATOR_KEYS, Connection, Keys
from leanplum_sync.client.http import HttpTransport
from leanplum_sync.client.reader import Reader
from leanplum_sync.client.writer import Writer
from leanplum_sync.clock import SystemClock
from leanplum_sync.errors import CredentialError, NoAnswerError, RejectedError
from leanplum_sync.observed import read
from leanplum_sync.operations.pull import PullReport, pull
from leanplum_sync.progress import SilentProgress
from leanplum_sync.wire.action import Action, Json

NAMES = ["users.ndjson", "users.ndjson.gz", "users.ndjson.zst"]


class Shelf:
    """A reader that answers from memory, counts, and raises what it was told to."""

    def __init__(self, fails: Mapping[str, BaseException] | None = None) -> None:
        self.asked: list[str] = []
        self.fails = dict(fails or {})
        self.overlaps = 0
        self._under_way: set[str] = set()
        self._lock = threading.Lock()

    def export_user(self, subject: Subject, *, on_rate_limit: Any) -> Mapping[str, Json]:
        with self._lock:
            self.overlaps += subject.id in self._under_way
            self._under_way.add(subject.id)
            self.asked.append(subject.id)
            failure = self.fails.get(subject.id)
        try:
            if failure:
                raise failure
            return {"success": True, "userId": subject.id, "userAttributes": {"a": 1}}
        finally:
            with self._lock:
                self._under_way.discard(subject.id)


def pulled(
    reader: Any, users: list[str], into: Path, *, max_age_seconds: float = 3600, concurrency: int = 4
) -> PullReport:
    return pull(
        reader,
        [Subject.user(user) for user in users],
        into,
        concurrency=concurrency,
        requests_per_second=None,
        max_age_seconds=max_age_seconds,
        clock=SystemClock(),
        progress=SilentProgress(),
    )


USERS = [f"u{number:03}" for number in range(100)]


@pytest.mark.parametrize("name", NAMES)
def test_every_user_is_read_once_and_found_in_the_file(tmp_path: Path, name: str) -> None:
    shelf = Shelf()
    report = pulled(shelf, [*USERS, *USERS[:10]], tmp_path / name)
    assert (report.read, report.reused, report.failed) == (100, 0, 0)
    assert sorted(shelf.asked) == USERS
    assert sorted(entry.subject.id for entry in read(tmp_path / name)) == USERS


@pytest.mark.parametrize("name", NAMES)
def test_an_interrupted_pull_keeps_what_it_read_and_goes_on_from_there(tmp_path: Path, name: str) -> None:
    interrupted = Shelf({"u050": KeyboardInterrupt()})
    with pytest.raises(KeyboardInterrupt):
        pulled(interrupted, USERS, tmp_path / name, concurrency=2)
    kept = {entry.subject.id for entry in read(tmp_path / name)}
    assert 40 <= len(kept) < 100
    again = Shelf()
    report = pulled(again, USERS, tmp_path / name)
    assert set(again.asked) == set(USERS) - kept
    assert (report.read, report.reused) == (100 - len(kept), len(kept))
    assert sorted(entry.subject.id for entry in read(tmp_path / name)) == USERS


def test_answers_nobody_looked_at_yet_are_kept_too(tmp_path: Path) -> None:
    """With two threads and all four asked, at least two answers wait; the first one seen interrupts."""
    shelf = Shelf()

    class Interrupts(SilentProgress):
        def track(self, what: str, total: int | None, unit: str) -> Any:
            return nullcontext(self)

        def skip(self, steps: int = 1) -> None:
            pass

        def advance(self, steps: int = 1) -> None:
            while len(shelf.asked) < 4:
                time.sleep(0.001)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pull(
            shelf,
            [Subject.user(user) for user in USERS[:4]],
            tmp_path / "users.ndjson",
            concurrency=2,
            requests_per_second=None,
            max_age_seconds=3600,
            clock=SystemClock(),
            progress=Interrupts(),
        )
    assert len(list(read(tmp_path / "users.ndjson"))) >= 2


def test_entries_that_are_too_old_are_read_again_and_stand_later_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "users.ndjson"
    path.write_text('{"success":true,"userId":"u1","userAttributes":{"a":0},"observedAt":1000}\n')
    report = pulled(Shelf(), ["u1"], path)
    assert (report.read, report.reused) == (1, 0)
    assert [entry.element["userAttributes"] for entry in read(path)] == [{"a": 0}, {"a": 1}]


def test_one_refused_user_does_not_stop_the_others(tmp_path: Path) -> None:
    refused = RejectedError("Leanplum refused the call (HTTP 451).", status=451)
    report = pulled(Shelf({"u007": refused}), USERS, tmp_path / "users.ndjson")
    assert (report.read, report.failed) == (99, 1)
    assert report.failures[0].subject == Subject.user("u007")


def test_refusals_without_end_stop_the_run(tmp_path: Path) -> None:
    users = [f"u{number}" for number in range(2000)]
    shelf = Shelf(dict.fromkeys(users, RejectedError("Refused (HTTP 400).", status=400)))
    with pytest.raises(RejectedError, match="more than 1000 users"):
        pulled(shelf, users, tmp_path / "users.ndjson", concurrency=2)
    assert len(shelf.asked) < 1100


def test_a_refused_key_stops_the_run_at_once(tmp_path: Path) -> None:
    shelf = Shelf(dict.fromkeys(USERS, CredentialError("Leanplum refused the key.")))
    with pytest.raises(CredentialError):
        pulled(shelf, USERS, tmp_path / "users.ndjson", concurrency=2)
    assert len(shelf.asked) <= 2 * 2 + 2


def test_a_lost_api_says_how_to_go_on(tmp_path: Path) -> None:
    with pytest.raises(
        NoAnswerError, match=r"3 users are in the snapshot. Run the same command again to continue"
    ):
        pulled(
            Shelf({"u3": NoAnswerError("No answer.")}),
            ["u0", "u1", "u2", "u3"],
            tmp_path / "users.ndjson",
            concurrency=1,
        )


def test_users_devices_and_missing_users_come_back_from_the_emulator(tmp_path: Path) -> None:
    into = tmp_path / "users.ndjson.zst"
    with emulator.running() as running, HttpTransport(is_local=True) as transport:
        app = (Connection.to_emulator(running.url), Keys.of(EMULATOR_KEYS), transport, SystemClock())
        Writer(Calls(*app)).send(
            [
                Action("setUserAttributes", {"userId": "00004", "userAttributes": {"vip": True}}),
                Action("setDeviceAttributes", {"deviceId": "D1", "systemName": "iOS"}),
            ],
            request_ids=["1", "2"],
            batch_id="b",
        )
        subjects = [Subject.user("00004"), Subject.user("nobody"), Subject.device("D1")]
        report = pull(
            Reader(Calls(*app)),
            subjects,
            into,
            concurrency=2,
            requests_per_second=1000,
            max_age_seconds=60,
            clock=SystemClock(),
            progress=SilentProgress(),
            total=3,
        )
    assert (report.read, report.missing) == (3, 1)
    entries = {entry.subject: entry.element for entry in read(into)}
    assert set(entries) == set(subjects)
    assert entries[Subject.user("00004")]["userAttributes"] == {"vip": "True"}
    assert entries[Subject.user("nobody")]["warning"] == {"message": "User not found; request skipped."}
