"""A journal in a file, copied at any moment, as a snapshot of the disk or a power cut would leave it."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from shell import Served
from waiting import wait_for

from leanplum_sync.journal import read_journal
from leanplum_sync.journal.entry import Fate

pytestmark = pytest.mark.slow

Child = Callable[[str, str], "subprocess.Popen[str]"]


def copy_of(journal: Path, folder: Path) -> Path:
    """Copy the file and what is written ahead of it; not what is only in the memory of processes."""
    folder.mkdir()
    for name in (journal.name, f"{journal.name}-wal"):
        if (source := journal.with_name(name)).exists():
            shutil.copy(source, folder / name)
    return folder / journal.name


def stopped(process: subprocess.Popen[str]) -> bool:
    """Stop the process, so that all files are of one moment; False if it is over."""
    process.send_signal(signal.SIGSTOP)
    while process.poll() is None:
        state = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0]
        if state == "T":
            return True
        time.sleep(0.001)
    return False


def test_copies_of_every_moment_open_and_the_run_can_be_finished_from_each(
    run: Any, child: Child, api: Any, journal_path: Path
) -> None:
    served, chance, copies = Served(api.url), random.Random(4), list[Path]()
    served.hold("setUserAttributes")
    process = child("attributes", "no point")

    def copy() -> None:
        if stopped(process):
            copies.append(copy_of(journal_path, journal_path.parent / f"copy-{len(copies)}"))
            os.kill(process.pid, signal.SIGCONT)

    while process.poll() is None:
        wait_for(lambda: served.holds() or process.poll() is not None)
        copy()
        served.hold("setUserAttributes")  # the next ones; those that were held continue
        for _ in range(2):
            time.sleep(chance.random() * 0.02)
            copy()
    assert process.returncode == 0
    served.release()
    begun = set()
    for copy in copies:
        with sqlite3.connect(copy) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        connection.close()
        with read_journal(copy) as journal:
            begun.add(sum(1 for found in journal.runs() for _ in journal.batches(found.number)))
        run.journal_path = copy
        assert run("attributes").go().complete
    assert len(begun) > 2, "the copies are of one moment"
    assert {api.user(user)["userAttributes"]["tier"] for user in run.world.USERS} == {"gold"}


@pytest.mark.parametrize("moment", range(6))
def test_a_run_that_goes_on_with_a_copy_of_its_last_moment_sends_nothing_twice(
    run: Any, child: Child, api: Any, journal_path: Path, moment: int
) -> None:
    api.faults("latency:seconds=0.03")
    process = child("sends", "no point")
    while not api.counts()["requests"]["total"] and process.poll() is None:
        time.sleep(0.001)
    time.sleep(random.Random(moment).random() * 0.15)
    if stopped(process):
        run.journal_path = copy_of(journal_path, journal_path.parent / "copy")
        process.kill()
    process.wait(timeout=300)
    receipt = run("sends").go()
    sends = api.sends()
    assert receipt.actions[Fate.DONE] + receipt.actions[Fate.HELD] == len(run.world.USERS)
    assert set(sends.values()) == {1}
    held = {entry.subject.id for entry in receipt.exceptions}
    assert set(run.world.USERS) - set(sends) <= held
