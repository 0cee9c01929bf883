"""The journal is lost, emptied, older, swapped or cut off from its log: each is refused, and nothing is sent twice."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import psycopg
import pytest
from files import csv_of_ids, write_files
from hello import HELLO, send_hello
from postgresql import Server
from shell import Serve, Served, Shell, Start
from tiers import TIERS, silver
from waiting import wait_for

USERS: Final = [f"u{number:03}" for number in range(120)]
PROJECT: Final = """\
apiVersion: leanplum-sync/v1
kind: Project
metadata: {name: lost}
spec:
  journal: {env: LEANPLUM_SYNC_JOURNAL}
  environments: {live: {appId: app_emulator, budget: {sends: 1000}}}
  defaultEnvironment: live
  limits: {concurrency: 1, requestsPerSecond: 1000}
"""
SEND: Final = send_hello("{file: ../users.csv, id: id}")
PLAN: Final = ("plan", "--out", "a.lpplan")
APPLY: Final = ("apply", "a.lpplan", "--yes", "--recheck", "off", "--verify", "none")
FIRST: Final = (*APPLY, "--new-journal")


@pytest.fixture
def served(serve: Serve) -> Served:
    return serve(HELLO, *silver(USERS))


@pytest.fixture
def location(backend: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    if backend == "postgresql":
        server: Server = request.getfixturevalue("postgresql")
        return str(server.new_database())
    return "./journal.db"


@pytest.fixture
def shell(tmp_path: Path, served: Served, location: str) -> Shell:
    return project(tmp_path / "one", served, location)


def project(folder: Path, served: Served, location: str, spec: str = SEND) -> Shell:
    write_files(
        folder, {"leanplum-sync.yaml": PROJECT, "specs/spec.yaml": spec, "users.csv": csv_of_ids(USERS)}
    )
    return Shell(folder, {**served.guarded, "LEANPLUM_SYNC_JOURNAL": location})


def lose(shell: Shell, backend: str) -> None:
    if backend == "sqlite":
        for path in journal_files(shell):
            path.unlink()
    else:
        with psycopg.connect(shell.environ["LEANPLUM_SYNC_JOURNAL"], autocommit=True) as connection:
            connection.execute("DROP SCHEMA leanplum_sync CASCADE")


def journal_files(shell: Shell) -> Iterator[Path]:
    yield from (path for path in shell.folder.glob("journal.db*") if not path.name.endswith(".mark"))


def refused(shell: Shell, *command: str) -> str:
    error = shell.run(*command, code=7).stderr
    assert error.count("\n") == 1
    assert "nothing was sent" in error
    return error


def sent_once(served: Served) -> bool:
    return served.sends() == dict.fromkeys(USERS, 1)


def test_the_first_sends_need_a_yes_and_later_ones_do_not(shell: Shell, served: Served) -> None:
    told = shell.run(*PLAN).stdout
    assert "has no record of any sends, increments, or past events" in " ".join(told.split())
    assert "apply with --new-journal. Otherwise, restore the journal" in refused(shell, *APPLY)
    assert served.sends() == {}
    assert shell.json("journal", "list")["runs"] == []
    shell.run(*FIRST)
    spec = shell.folder / "specs" / "spec.yaml"
    spec.write_text(spec.read_text().replace("hello-2026", "hello-2027"))
    assert shell.json(*PLAN, code=6)["journalDoubt"] == ""
    shell.run(*APPLY, "--ack", f"repeatedSends={len(USERS)}", "--ack", f"suspectedRename={len(USERS)}")
    assert served.sends() == dict.fromkeys(USERS, 2)


def test_attributes_need_no_yes_but_do_not_give_it_either(
    tmp_path: Path, served: Served, location: str
) -> None:
    shell = project(tmp_path / "one", served, location, TIERS)
    shell.run(*PLAN)
    shell.run(*APPLY)
    (shell.folder / "specs" / "spec.yaml").write_text(SEND)
    shell.run(*PLAN)
    assert "has no record of any sends, increments, or past events" in refused(shell, *APPLY)


@pytest.mark.parametrize("when", ["before planning", "after planning"])
def test_a_lost_journal_is_refused_until_a_person_goes_on_without_it(
    shell: Shell, served: Served, backend: str, when: str
) -> None:
    shell.run(*PLAN)
    shell.run(*FIRST)
    lose(shell, backend)
    if when == "before planning":
        assert shell.json(*PLAN)["journalDoubt"]
    error = refused(shell, *APPLY)
    assert "is missing or has no runs" in error
    assert "journal rebuild" in error
    assert sent_once(served)
    shell.run(*FIRST)
    assert served.sends() == dict.fromkeys(USERS, 2)
    assert shell.json(*PLAN)["actions"] == 0
    shell.run(*APPLY)


@pytest.mark.parametrize("backend", ["sqlite"])
def test_an_emptied_journal_is_refused_and_left_alone(shell: Shell, served: Served) -> None:
    shell.run(*PLAN)
    shell.run(*FIRST)
    for path in journal_files(shell):
        path.write_bytes(b"")
    shell.run(*PLAN)
    assert "is missing or has no runs" in refused(shell, *APPLY)
    assert (shell.folder / "journal.db").stat().st_size == 0
    assert sent_once(served)


def told(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("is_emptied", [False, True])
def test_commands_that_only_look_report_a_lost_journal(
    shell: Shell, backend: str, *, is_emptied: bool
) -> None:
    shell.run(*PLAN)
    shell.run(*FIRST)
    assert "is consistent" in shell.run("journal", "verify").stdout
    for looking in (("status",), ("journal", "list"), ("doctor", "--for", "plan")):
        done = shell.run(*looking)
        assert "apply will refuse" not in told(done.stdout + done.stderr)
    files = list(journal_files(shell)) if is_emptied else []
    lose(shell, backend)
    for path in files:
        path.write_bytes(b"")
    fault = "is missing or has no runs"
    assert fault in told(shell.run("journal", "verify", code=7).stdout)
    assert shell.json("journal", "verify", code=7)["isSound"] is False
    assert fault in shell.run("status").stderr
    assert fault in shell.run("journal", "list").stderr
    checks = told(shell.run("doctor", "--for", "plan", code=7).stdout)
    assert fault in checks
    assert "is not in use" not in checks


@pytest.mark.parametrize("backend", ["sqlite"])
@pytest.mark.parametrize("is_lost", [False, True])
def test_what_a_damaged_mark_advises_works(
    shell: Shell, served: Served, backend: str, *, is_lost: bool
) -> None:
    shell.run(*PLAN)
    shell.run(*FIRST)
    mark = shell.folder / "journal.db.mark"
    mark.write_bytes(b"damaged")
    if is_lost:
        lose(shell, backend)
    assert "Delete this file" in shell.run("journal", "verify", code=7).stderr
    mark.unlink()
    shell.run("journal", "verify", code=7 if is_lost else 0)
    shell.run(*PLAN)
    if is_lost:
        assert "is missing or has no runs" in refused(shell, *APPLY)
        assert sent_once(served)
        shell.run(*FIRST)
    else:
        shell.run(*APPLY)
        assert sent_once(served)
    assert mark.exists()


@pytest.mark.parametrize("backend", ["sqlite"])
def test_a_plan_without_changes_tells_too_that_the_journal_is_lost(shell: Shell, backend: str) -> None:
    (shell.folder / "specs" / "spec.yaml").write_text(TIERS)
    assert "Next: leanplum-sync apply" in shell.run(*PLAN).stderr
    shell.run(*APPLY)
    assert "apply will refuse" not in told(shell.run(*PLAN).stdout)
    lose(shell, backend)
    outputs = ("-o", "text", "-o", "markdown=plan.md", "-o", "html=plan.html")
    text = told(shell.run(*PLAN, *outputs).stdout)
    for shown in (text, *((shell.folder / name).read_text() for name in ("plan.md", "plan.html"))):
        assert "No changes" in shown
        assert "is missing or has no runs" in shown


def test_a_plan_that_apply_will_refuse_does_not_end_with_advice_to_apply_it(shell: Shell) -> None:
    planned = shell.run(*PLAN)
    assert "apply will refuse this plan" in told(planned.stdout)
    assert "Written to a.lpplan." in planned.stderr
    assert "Next:" not in planned.stderr


@pytest.mark.parametrize("backend", ["sqlite"])
@pytest.mark.parametrize("keeps_mark", [True, False])
def test_an_older_copy_is_refused(shell: Shell, served: Served, *, keeps_mark: bool) -> None:
    spec = shell.folder / "specs" / "spec.yaml"
    spec.write_text(TIERS)
    shell.run(*PLAN)
    shell.run(*FIRST)
    with closing(sqlite3.connect(shell.folder / "journal.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for path in shell.folder.glob("journal.db*"):
        shutil.copy(path, shell.folder / f"old-{path.name}")
    spec.write_text(SEND)
    shell.run(*PLAN)
    shell.run(*APPLY)
    assert sent_once(served)
    lose(shell, "sqlite")
    for path in shell.folder.glob("old-*"):
        if not keeps_mark or not path.name.endswith(".mark"):
            shutil.copy(path, shell.folder / path.name.removeprefix("old-"))
    assert shell.json(*PLAN)["actions"] == len(USERS)
    assert "is an older copy" in refused(shell, *APPLY)
    assert sent_once(served)


@pytest.mark.parametrize("backend", ["sqlite"])
@pytest.mark.parametrize("again", [[*APPLY, "--resume"], None])
def test_an_older_copy_of_an_interrupted_run_is_refused_although_its_mark_was_copied_too(
    shell: Shell, served: Served, again: list[str] | None
) -> None:
    """Only the run's log shows that the run was resumed after the copy."""
    shell.run(*PLAN)
    shell.run(*FIRST, "--canary", "50")
    copies = {path: path.read_bytes() for path in shell.folder.glob("journal.db*")}
    assert any(path.name.endswith(".mark") for path in copies)
    shell.run(*APPLY, "--resume")
    assert sent_once(served)
    for path in shell.folder.glob("journal.db*"):
        path.unlink()
    for path, content in copies.items():
        path.write_bytes(content)
    if again is None:
        shell.run(*PLAN)
        again = list(APPLY)
    assert "is an older copy: .leanplum-sync/run-1.events.ndjson shows" in refused(shell, *again)
    assert sent_once(served)


@pytest.mark.parametrize("backend", ["sqlite"])
def test_a_journal_that_lost_its_log_after_a_kill_is_refused(
    shell: Shell, served: Served, start: Start
) -> None:
    (shell.folder / "specs" / "spec.yaml").write_text(TIERS)
    shell.run(*PLAN)
    shell.run(*FIRST)
    (shell.folder / "specs" / "spec.yaml").write_text(SEND)
    shell.run(*PLAN)
    served.hold("sendMessage", after=1)
    working = start(shell, *APPLY)
    wait_for(served.holds)
    working.kill()
    working.communicate()
    served.release()
    before = served.sends()
    for ending in ("-wal", "-shm"):
        (shell.folder / f"journal.db{ending}").unlink()
    assert "is an older copy" in refused(shell, *APPLY, "--resume")
    assert shell.json(*PLAN)["actions"]
    assert "is an older copy" in refused(shell, *APPLY)
    assert served.sends() == before


def test_the_journal_of_another_project_is_refused(
    shell: Shell,
    served: Served,
    tmp_path: Path,
    backend: str,
    request: pytest.FixtureRequest,
) -> None:
    shell.run(*PLAN)
    shell.run(*FIRST)
    elsewhere = (
        request.getfixturevalue("postgresql").new_database() if backend == "postgresql" else "./other.db"
    )
    other = project(tmp_path / "other", served, str(elsewhere), TIERS)
    other.run(*PLAN)
    other.run(*FIRST)
    if backend == "postgresql":
        shell.environ["LEANPLUM_SYNC_JOURNAL"] = str(elsewhere)
    else:
        for path in other.folder.glob("other.db*"):
            shutil.copy(path, shell.folder / path.name.replace("other", "journal"))
    shell.run(*PLAN)
    assert "is not the journal that" in refused(shell, *APPLY)
    assert sent_once(served)


def test_a_plan_made_with_another_journal_is_refused_whatever_is_accepted(
    shell: Shell, served: Served, tmp_path: Path, location: str, new_location: Callable[[], str]
) -> None:
    shell.run(*PLAN)
    shell.run(*FIRST)
    (shell.folder / "specs" / "spec.yaml").write_text(SEND.replace("hello-2026", "hello-2027"))
    shell.run(*PLAN, code=6)
    other = project(tmp_path / "other", served, new_location(), SEND.replace("hello-2026", "hello-2027"))
    other.run(*PLAN)
    other.run(*FIRST)
    shutil.copy(shell.folder / "a.lpplan", other.folder / "a.lpplan")
    acked = ("--ack", f"repeatedSends={len(USERS)}", "--ack", f"suspectedRename={len(USERS)}")
    assert "the journal that the plan belongs to" in refused(other, *FIRST, *acked)
    assert served.sends() == dict.fromkeys(USERS, 2)


@pytest.fixture
def new_location(backend: str, request: pytest.FixtureRequest) -> Callable[[], str]:
    if backend == "postgresql":
        return lambda: str(request.getfixturevalue("postgresql").new_database())
    return lambda: "./journal.db"


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["postgresql"])
def test_a_database_restored_from_an_older_copy_is_refused(
    shell: Shell, served: Served, postgresql: Server
) -> None:
    spec = shell.folder / "specs" / "spec.yaml"
    spec.write_text(TIERS)
    location = shell.environ["LEANPLUM_SYNC_JOURNAL"]
    shell.run(*PLAN)
    shell.run(*FIRST)
    behind = postgresql.copy_database(location)
    spec.write_text(SEND)
    shell.run(*PLAN)
    shutil.copy(shell.folder / "a.lpplan", shell.folder / "first.lpplan")
    shell.run(*APPLY)
    shell.environ["LEANPLUM_SYNC_JOURNAL"] = behind
    for fresh in (False, True):
        if fresh:  # another machine, with a plan that was made before the failover
            shell.environ["LEANPLUM_SYNC_JOURNAL"] = location
            spec.write_text(SEND.replace("hello-2026", "hello-2027"))
            shell.run(*PLAN, code=6)
            shell.environ["LEANPLUM_SYNC_JOURNAL"] = behind
            shutil.rmtree(shell.folder / ".leanplum-sync")
            acked = ("--ack", f"repeatedSends={len(USERS)}", "--ack", f"suspectedRename={len(USERS)}")
            assert "is an older copy: the plan shows" in refused(shell, *APPLY, *acked)
        else:
            shell.run(*PLAN)
            assert "is an older copy" in refused(shell, *APPLY)
    assert sent_once(served)
