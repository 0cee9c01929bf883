"""One journal, several processes, machines and folders: through the installed command, on both backends."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from files import csv_of_ids, write_files
from hello import HELLO, send_hello
from journals import shift_doubts
from shell import TIMEOUT_SECONDS, Process, Serve, Served, Shell, Start
from tiers import TIERS, silver
from waiting import lines_until, wait_for

from leanplum_sync.clock import SystemClock
from leanplum_sync.journal import open_journal
from leanplum_sync.journal.schema import lock_table

pytestmark = pytest.mark.slow

USERS = [f"u{number:03}" for number in range(300)]  # six batches
# With a lease of an hour, no test sees a heartbeat: while a request waits, its process has no transaction open.
PROJECT = """\
apiVersion: leanplum-sync/v1
kind: Project
metadata: {name: shared}
spec:
  journal: {env: LEANPLUM_SYNC_JOURNAL}
  environments: {live: {appId: app_emulator, budget: {sends: 100}}}
  defaultEnvironment: live
  limits: {concurrency: 1, requestsPerSecond: 1000, leaseSeconds: 3600}
"""
SEND = send_hello("{file: ../users.csv, id: id}")


@pytest.fixture
def served(serve: Serve) -> Served:
    return serve(HELLO, *silver(USERS))


@pytest.fixture
def project(tmp_path: Path, served: Served, journal_location: str | Path) -> Callable[..., Shell]:
    """Make a fresh folder with a spec about users, whose journal is the shared one."""

    def make(name: str, spec: str, users: list[str]) -> Shell:
        folder = tmp_path / name
        files = {"leanplum-sync.yaml": PROJECT, "specs/spec.yaml": spec, "users.csv": csv_of_ids(users)}
        write_files(folder, files)
        return Shell(folder, {**served.environ, "LEANPLUM_SYNC_JOURNAL": str(journal_location)})

    return make


def told(process: Process) -> str:
    out, err = process.communicate(timeout=TIMEOUT_SECONDS)
    assert "Traceback" not in out + err
    return out + err


def is_done(shell: Shell) -> bool:
    return shell.json("plan", "--out", "again.lpplan")["actions"] == 0


APPLY = ("apply", "a.lpplan", "--yes", "--recheck", "off", "--verify", "none")


def end_lease(location: str | Path, seconds: float, **values: object) -> None:
    """Have the lease end in *seconds* from now: how long a command takes to start is not what a test is about."""
    with open_journal(location) as journal, journal._writable.writing("") as connection:
        ends = {"until": SystemClock().now() + seconds, "seconds": max(seconds, 1.0)}
        connection.execute(sa.update(lock_table).values(**ends, **values))


def test_of_two_that_apply_a_plan_at_once_one_works_and_when_it_is_killed_the_other_finishes(
    project: Callable[..., Shell], served: Served, start: Start, journal_location: str | Path
) -> None:
    shell = project("one", TIERS, USERS)
    shell.run("plan", "--out", "a.lpplan")
    served.hold("setUserAttributes", after=1)
    both = [start(shell, *APPLY), start(shell, *APPLY)]
    wait_for(lambda: any(process.poll() is not None for process in both))
    working, refused = sorted(both, key=lambda process: process.poll() is not None)
    assert "Another run is working on live: process" in told(refused)
    assert refused.returncode == 8
    wait_for(served.holds)
    assert working.poll() is None
    working.kill()
    told(working)
    served.release()
    shell.run(*APPLY, "--resume")
    assert is_done(shell)
    assert served.counts()["overlaps"]["times"] == 0


def test_the_lock_of_a_machine_that_is_gone_ends_with_its_lease(
    project: Callable[..., Shell], served: Served, start: Start, journal_location: str | Path
) -> None:
    shell = project("one", TIERS, USERS)
    shell.run("plan", "--out", "a.lpplan")
    served.hold("setUserAttributes", after=1)
    working = start(shell, *APPLY)
    wait_for(served.holds)
    working.kill()
    told(working)
    # From another machine nobody sees that the process is gone, and until when the lock holds is all there is.
    end_lease(journal_location, 3600, machine="elsewhere")
    served.release()
    assert "Another run is working on live" in shell.run(*APPLY, "--resume", code=8).stderr
    end_lease(journal_location, 0)
    shell.run(*APPLY, "--resume")
    assert is_done(shell)


def test_a_command_waits_for_the_lock_and_then_starts_from_the_beginning(
    project: Callable[..., Shell], start: Start, journal_location: str | Path
) -> None:
    shell = project("one", TIERS, USERS[:10])
    shell.run("plan", "--out", "a.lpplan")
    waiting = [*APPLY, "--lock-timeout", "1h"]
    data = shell.folder / "users.csv"
    planned = data.read_text()
    with open_journal(journal_location) as journal, journal.acquire("app_emulator", "live"):
        assert "Another run is working on live" in shell.run(*APPLY, "--lock-timeout", "1s", code=8).stderr
        outdated = start(shell, *waiting)
        assert outdated.stderr is not None
        lines_until(outdated.stderr, "Waiting for the lock. Another run is working on live")
        data.write_text(csv_of_ids(USERS[:9]))
    assert "users.csv" in told(outdated)
    assert outdated.returncode == 7
    data.write_text(planned)
    with open_journal(journal_location) as journal, journal.acquire("app_emulator", "live"):
        applying = start(shell, *waiting)
        assert applying.stderr is not None
        lines_until(applying.stderr, "Waiting for the lock.")
    told(applying)
    assert applying.returncode == 0
    assert is_done(shell)


def test_a_plan_made_while_the_requests_of_a_killed_run_may_still_take_effect_says_so(
    project: Callable[..., Shell], served: Served, start: Start, journal_location: str | Path
) -> None:
    shell = project("one", TIERS, USERS[:70])
    shell.run("plan", "--out", "a.lpplan")
    served.hold("setUserAttributes")
    working = start(shell, *APPLY)
    wait_for(served.holds)
    working.kill()
    told(working)
    served.release()
    shift_doubts(journal_location, 3600)  # however slow this machine is, the window is not over
    shell.run("plan", "--out", "b.lpplan")
    (note,) = shell.json("show", "b.lpplan")["notes"]
    assert (note["code"], note["count"]) == ("unsettled", 50)
    assert "plan again after 20" in " ".join(shell.run("show", "b.lpplan").stdout.split())
    shift_doubts(journal_location, -2 * 3600)
    assert shell.json("plan", "--out", "b.lpplan")["notes"] == []


def test_a_run_paused_for_longer_than_its_lease_sends_nothing_more_and_says_so(
    project: Callable[..., Shell], served: Served, start: Start, journal_location: str | Path
) -> None:
    shell = project("one", TIERS, USERS)
    shell.run("plan", "--out", "a.lpplan")
    served.hold("setUserAttributes", after=1)
    paused = start(shell, *APPLY)
    wait_for(served.holds)
    paused.send_signal(signal.SIGSTOP)
    end_lease(journal_location, 3600)
    shell.run(*APPLY, "--resume", code=8)
    end_lease(journal_location, 0)
    served.release()
    shell.run(*APPLY, "--resume")
    written = served.counts()["writes"]
    paused.send_signal(signal.SIGCONT)
    said = told(paused)
    assert paused.returncode == 8
    assert "another run took over" in said.lower() or "was not renewed in time" in said
    assert served.counts()["writes"] == written
    assert served.counts()["overlaps"]["times"] == 0
    assert is_done(shell)


def test_three_fresh_folders_over_one_journal_send_one_message_to_each_and_new_ones_get_theirs(
    project: Callable[..., Shell], served: Served
) -> None:
    shells = [project(name, SEND, USERS[:60]) for name in ("one", "two", "three")]
    # Planned before anything is sent, so that only the journal can know.
    for shell in shells[:2]:
        assert shell.json("plan", "--out", "a.lpplan")["actions"] == 60
    for shell in shells[:2]:
        shell.run("apply", "a.lpplan", "--yes")
    assert served.sends() == dict.fromkeys(USERS[:60], 1)
    assert shells[2].json("plan", "--out", "a.lpplan")["actions"] == 0
    (shells[2].folder / "users.csv").write_text(csv_of_ids(USERS[:65]))
    assert shells[2].json("plan", "--out", "a.lpplan")["actions"] == 5
    shells[2].run("apply", "a.lpplan", "--yes")
    assert served.sends() == dict.fromkeys(USERS[:65], 1)


@pytest.mark.parametrize("backend", ["postgresql"])
def test_a_shared_journal_that_can_not_be_reached_is_told_without_its_password(
    project: Callable[..., Shell], served: Served
) -> None:
    shell = project("one", TIERS, USERS[:3])
    shell.run("plan", "--out", "a.lpplan")
    shell.environ["LEANPLUM_SYNC_JOURNAL"] = "postgresql://us:s3cret@127.0.0.1:1/journal"
    for command in (("apply", "a.lpplan", "--yes"), ("status",), ("plan", "--out", "b.lpplan")):
        failed = shell.run(*command, code=75)
        assert "The shared journal can't be reached" in failed.stderr
        assert "s3cret" not in failed.stdout + failed.stderr
    assert served.counts()["writes"] == 0
