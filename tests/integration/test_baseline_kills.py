"""A process that is killed while it writes a baseline leaves the old one or the new one, and nothing that hinders the next."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from searching import IS_CAMPAIGN

SUPPORT = Path(__file__).parents[1] / "support"
OLD, NEW = 1, 2


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
