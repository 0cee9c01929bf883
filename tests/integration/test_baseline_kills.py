"""A process that is killed while it writes a baseline leaves the old one or the new one, and nothing that hinders the next."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from contextlib import suppress
from itertools import count
from pathlib import Path

import baseline_kills
import pytest
from baseline_kills import in_child, killing, learn, world
from nightly import Nightly, changes_of, nightly, row, variables
from searching import IS_CAMPAIGN

from leanplum_sync.baseline import Folder, UnusableError
from leanplum_sync.planfile import open_plan

SUPPORT = Path(__file__).parents[1] / "support"
OLD, NEW = 1, 2
OLD_VALUES, NEW_VALUES = baseline_kills.OLD, baseline_kills.NEW
THREADS = 2
MOMENTS = 60 if IS_CAMPAIGN else 4


def test_a_killed_process_leaves_the_old_baseline_or_the_new_one(tmp_path: Path) -> None:
    arguments = [
        sys.executable,
        str(SUPPORT / "baseline_kills.py"),
        str(tmp_path),
        "100" if IS_CAMPAIGN else "5",
    ]
    ended = subprocess.run(
        arguments, check=True, capture_output=True, text=True, env={"PYTHONPATH": str(SUPPORT)}
    )
    found = json.loads(ended.stdout)
    killed, left = zip(*found["left"], strict=True)
    assert set(killed) == {-9}
    assert list(left) == sorted(left)  # the old one up to a moment, and the new one from then on
    assert set(left) == {OLD, NEW}


def killed_plan(world: Nightly, moment: int) -> subprocess.CompletedProcess[str]:
    """Plan in a process that is killed at *moment*. It reads one user per request, THREADS at a time."""
    world.project()
    project = world.root / "leanplum-sync.yaml"
    project.write_text(project.read_text().replace("readInBatches: true", f"concurrency: {THREADS}"))
    arguments = [
        sys.executable,
        str(SUPPORT / "killed_plan.py"),
        str(project),
        str(world.root / "killed.lpplan"),
    ]
    return subprocess.run(
        [*arguments, str(moment)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(SUPPORT)},
        check=False,
    )


def test_an_audit_that_is_killed_leaves_the_old_baseline_or_the_new_one_and_what_it_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next plan draws the same users as long as the baseline is the old one, and reads only those that were not read."""
    with nightly(tmp_path, {f"u{number:06}": row(number) for number in range(60)}) as world:
        for name, value in variables(world.url).items():
            monkeypatch.setenv(name, value)
        world.settings = "  audit: {share: 10, confidence: 90}\n"
        world.plan()
        world.rows["u000000"]["tier"] = "platinum"
        world.set_by_others("u000001", {"tier": "bronze"})
        state, before = tmp_path / ".leanplum-sync", tmp_path / "before"
        shutil.copytree(state, before)
        old = generation(state)
        whole = killed_plan(world, -1)
        assert not whole.returncode, whole.stderr
        with open_plan(tmp_path / "killed.lpplan") as opened:
            undisturbed = opened.summary.audit, opened.summary.cost.reads
        assert undisturbed[0] is not None
        reads = undisturbed[1]
        moments = int(whole.stdout)
        generations = []
        for moment in range(moments - 1, 0, -max(1, moments // MOMENTS)):
            shutil.rmtree(state)
            shutil.copytree(before, state)
            spent = world.lookups()
            assert killed_plan(world, moment).returncode == -9
            generations.append(generation(state))
            made = world.plan()
            assert made.summary.assumed, "the baseline can be used"
            assert ("u000000", "tier") in {(each.subject.id, each.field) for each in changes_of(made)}
            if generations[-1] == old:
                assert made.summary.audit == undisturbed[0]
                assert world.lookups() - spent <= reads + THREADS
            else:
                assert made.summary.audit is not None
        assert generations == sorted(generations, reverse=True)
        assert set(generations) == {old, old + 1}
        sys.stdout.write(
            f"{len(generations)} of {moments} moments, {generations.count(old)} before the new baseline\n"
        )


def generation(state: Path) -> int:
    """Return which generation the head of the baseline names."""
    head = (state / "journal.production.baseline" / "head.json").read_bytes()
    return int(json.loads(head.partition(b"\n")[2])["generation"])


def test_a_killed_fetch_of_a_shared_copy_leaves_a_whole_baseline_or_is_repeated(tmp_path: Path) -> None:
    """A folder that says which copy it came from has that copy, or the one before; another one is fetched again."""
    for name, values, at in (("old", OLD_VALUES, 1e6), ("new", NEW_VALUES, 2e6)):
        (tmp_path / name).mkdir()
        in_child(lambda name=name, values=values, at=at: learn(world(tmp_path / name, values, at)))  # type: ignore[misc]  # mypy wants no default here
    copy = io.BytesIO()
    Folder(tmp_path / "new" / "baseline").write_to(copy)
    old, new = (Folder(tmp_path / name / "baseline").read() for name in ("old", "new"))
    with Folder(tmp_path / "old" / "baseline").alone():
        Folder(tmp_path / "old" / "baseline").comes_from("old")
    found = []
    for moment in count(1):
        path = tmp_path / str(moment)
        shutil.copytree(tmp_path / "old", path)
        folder = Folder(path / "baseline")
        if in_child(lambda folder=folder, moment=moment: fetch(folder, copy.getvalue(), moment)) == 0:  # type: ignore[misc]  # as above
            break
        if folder.came_from == "new":
            assert folder.read() == new
            found.append(NEW)
        else:
            with suppress(UnusableError):  # without a head, until it is fetched again
                assert folder.read() in (old, new)
            fetch(folder, copy.getvalue(), 0)
            assert folder.read() == new
            found.append(OLD)
    assert found == sorted(found)
    assert set(found) == {OLD, NEW}


def fetch(folder: Folder, content: bytes, moment: int) -> int:
    """Let *folder* receive the copy, in a process that is killed at *moment*; 0 for never."""
    if moment:
        killing(folder.path, moment)
    with folder.alone(), folder.receiving("new") as file:
        file.write(content)
    return 0
