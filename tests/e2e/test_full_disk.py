"""A disk that is full when the intent is to be written: nothing is sent, and exit code and message say why."""

from __future__ import annotations

import resource
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from files import csv_of_ids, ndjson, write_files
from shell import Serve, Served, Shell
from tiers import TIERS

from leanplum_sync.errors import StorageError
from leanplum_sync.journal import open_journal, read_journal
from leanplum_sync.planfile import PlanWriter

pytestmark = pytest.mark.slow

USERS = [f"u{number:03}" for number in range(50)]  # one batch
PROJECT = """\
apiVersion: leanplum-sync/v1
kind: Project
metadata: {name: full}
spec:
  environments: {live: {appId: app_emulator}}
  journal: journal.db
"""
# SQLite's write-ahead log grows by pages of 4 kB; the intent, with its users, takes more than these.
STEP_BYTES = 3 * 4096
MOST_STEPS = 30


@pytest.fixture
def small_files() -> Iterator[Callable[[int], None]]:
    """
    Let no file of this process, and of those it starts, grow beyond so many bytes.

    Python ignores the signal that goes with it: a write fails as on a full disk.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit(size: int) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))

    yield limit
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def served(serve: Serve) -> Served:
    return serve(*({"userId": user, "userAttributes": {}} for user in USERS))


def project(folder: Path, served: Served, users: list[str]) -> Shell:
    files = {"leanplum-sync.yaml": PROJECT, "specs/spec.yaml": TIERS, "users.csv": csv_of_ids(users)}
    write_files(folder, files)
    # Compiled modules are files too, and half of one is worse than none.
    return Shell(folder, {**served.environ, "PYTHONDONTWRITEBYTECODE": "1"})


def test_planning_that_finds_no_room_says_so_in_a_sentence_and_leaves_no_plan(
    tmp_path: Path, served: Served, small_files: Callable[[int], None]
) -> None:
    users = [f"user{number:09}" for number in range(5_000)]
    shell = project(tmp_path, served, users)
    seen = ndjson(*({"userId": user, "userAttributes": {}} for user in users))
    (shell.folder / "seen.ndjson").write_text(seen)
    small_files(STEP_BYTES)
    process = shell.start("plan", "--observed", "seen.ndjson", "--out", "a.lpplan")
    out, err = process.communicate(timeout=300)
    small_files(resource.RLIM_INFINITY)
    assert process.returncode == 74, out + err
    assert err.startswith("Error: ")
    assert len(err.splitlines()) == 1, err
    assert "Nothing was" in err or "can't be written" in err


def test_a_plan_that_finds_no_room_even_for_its_tables_leaves_no_file(
    tmp_path: Path, small_files: Callable[[int], None]
) -> None:
    small_files(512)
    with pytest.raises(StorageError, match=r"a\.lpplan: the plan can't be written"):
        PlanWriter(tmp_path / "a.lpplan")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("form", ["json", "html"])
def test_a_document_that_finds_no_room_is_named_and_no_half_of_one_is_left(
    form: str, tmp_path: Path, served: Served, small_files: Callable[[int], None]
) -> None:
    shell = project(tmp_path, served, USERS)
    shell.run("plan", "--out", "a.lpplan")
    small_files(1024)
    process = shell.start("show", "a.lpplan", "-o", f"{form}=why/plan.{form}")
    out, err = process.communicate(timeout=300)
    small_files(resource.RLIM_INFINITY)
    assert process.returncode == 74, out + err
    assert err == f"Error: why/plan.{form}: File too large.\n"
    assert list((shell.folder / "why").iterdir()) == []


def test_what_is_no_file_stays_where_a_document_finds_no_room(tmp_path: Path, served: Served) -> None:
    shell = project(tmp_path, served, USERS)
    shell.run("plan", "--out", "a.lpplan")
    (shell.folder / "full").symlink_to("/dev/full")
    for verb, form, name in (
        (("show", "a.lpplan"), "json", "/dev/full"),
        (("show", "a.lpplan"), "json", "full"),
        (("validate",), "ndjson", "full"),
    ):
        process = shell.start(*verb, "-o", f"{form}={name}")
        _, err = process.communicate(timeout=300)
        assert process.returncode == 74
        assert err.splitlines()[-1] == f"Error: {name}: No space left on device."
    assert (shell.folder / "full").is_char_device()


def test_whatever_room_there_is_nothing_is_sent_without_an_intent(
    tmp_path: Path, served: Served, small_files: Callable[[int], None]
) -> None:
    shell = project(tmp_path, served, USERS)
    shell.run("plan", "--out", "a.lpplan")
    journal, new = shell.folder / "journal.db", shell.folder / "new.db"
    with open_journal(new):
        pass

    kept = (
        shell.folder
        / ".leanplum-sync"
        / "applied"
        / f"{shell.json('show', 'a.lpplan')['digest'][:12]}.lpplan"
    )
    kept.parent.mkdir()
    shutil.copy(shell.folder / "a.lpplan", kept)  # it would find no room before an intent does

    begun = False
    for step in range(1, MOST_STEPS):
        for file in shell.folder.glob("journal.db*"):
            file.unlink()
        shutil.copy(new, journal)
        small_files(step * STEP_BYTES)
        process = shell.start("apply", "a.lpplan", "--yes", "--recheck", "off", "--verify", "none")
        out, err = process.communicate(timeout=300)
        small_files(resource.RLIM_INFINITY)
        assert "Traceback" not in out + err
        if served.counts()["writes"]:
            break
        assert process.returncode == 74, err
        assert "disk is full or failing" in err
        assert "nothing was sent" in err or "it was not" in err or "was not begun" in err, err
        with read_journal(journal) as reading:
            runs = reading.runs()
            assert not any(True for run in runs for _ in reading.batches(run.number))
            begun = begun or bool(runs)
    assert begun, "at some size, the run was begun and the intent found no room"
    shell.run("apply", "a.lpplan", "--yes", "--resume")
    assert shell.json("plan", "--out", "b.lpplan")["actions"] == 0
    assert shell.json("journal", "verify")["faults"] == []
