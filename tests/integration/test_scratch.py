"""What a run needs no longer than it runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from leanplum_sync.staging.scratch import ScratchFolder

HOLDING = """
import sys, time
from pathlib import Path
from leanplum_sync.staging.scratch import ScratchFolder

folder = ScratchFolder(Path(sys.argv[1]))
(folder.path / "rows").write_text("somebody's data")
print(folder.path, flush=True)
time.sleep(60)
"""

CUT_SHORT = """
import os, signal, sys
from pathlib import Path
from leanplum_sync.staging.scratch import ScratchFolder

folder = ScratchFolder(Path(sys.argv[1]))
for name in "abcxyz":
    (folder.path / name).write_text("somebody's data")
(folder.path / "spill").mkdir()
(folder.path / "spill" / "rows").write_text("somebody's data")
left = int(sys.argv[2])

def die(event, _):
    global left
    if event in ("os.remove", "os.rmdir"):
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1

sys.addaudithook(die)
folder.close()
"""


def folders(parent: Path) -> list[Path]:
    return sorted(parent.iterdir())


def test_a_folder_is_its_owners_alone_and_gone_in_the_end(tmp_path: Path) -> None:
    scratch = ScratchFolder(tmp_path / "state")
    assert scratch.path.stat().st_mode & 0o777 == 0o700
    (scratch.path / "rows").write_text("somebody's data")
    scratch.close()
    assert folders(tmp_path / "state") == []


def test_what_a_killed_process_left_goes_with_the_next_one_and_what_a_living_one_has_stays(
    tmp_path: Path,
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDING, tmp_path], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        held = Path(process.stdout.readline().strip())
        living = ScratchFolder(tmp_path)
        assert folders(tmp_path) == sorted([held, living.path])
        living.close()
        assert (held / "rows").exists()
        process.send_signal(signal.SIGKILL)
    assert folders(tmp_path) == [held]
    with_next = ScratchFolder(tmp_path)
    assert folders(tmp_path) == [with_next.path]
    with_next.close()


@pytest.mark.parametrize("removals", range(9))
def test_a_removal_that_was_cut_short_is_taken_up_by_the_next_one(removals: int, tmp_path: Path) -> None:
    cut = subprocess.run([sys.executable, "-c", CUT_SHORT, tmp_path, str(removals)], check=False)
    assert cut.returncode == -signal.SIGKILL
    (held,) = folders(tmp_path)
    assert len(list(held.rglob("*"))) == 9 - removals
    ScratchFolder(tmp_path).close()
    assert folders(tmp_path) == []


def test_what_is_not_surely_abandoned_is_left_alone(tmp_path: Path) -> None:
    just_made = tmp_path / "leanplum-sync-staging-new"
    just_made.mkdir()
    (tmp_path / "leanplum-sync-staging-file").write_text("")
    elsewhere = tmp_path / "mine"
    elsewhere.mkdir()
    (elsewhere / "owner").write_text("")
    (tmp_path / "leanplum-sync-staging-link").symlink_to(elsewhere)
    before = folders(tmp_path)
    ScratchFolder(tmp_path).close()
    assert folders(tmp_path) == before
    assert (elsewhere / "owner").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a folder to somebody else")
def test_what_somebody_else_left_is_theirs(tmp_path: Path) -> None:
    theirs = tmp_path / "leanplum-sync-staging-theirs"
    theirs.mkdir()
    (theirs / "owner").write_text("")
    os.chown(theirs, 12345, 12345)
    ScratchFolder(tmp_path).close()
    assert theirs.exists()
