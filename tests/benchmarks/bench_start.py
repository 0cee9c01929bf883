"""How soon `--help` answers: whoever asks for it waits for imports."""

from __future__ import annotations

import sys
from pathlib import Path

from ratios import IS_QUICK, cost_of, report

TARGET = 1.5


def test_help_answers_in_about_the_time_that_click_needs() -> None:
    helping = [Path(sys.executable).with_name("leanplum-sync"), "--help"]
    importing = [sys.executable, "-c", "import click"]
    rounds = 5 if IS_QUICK else 15
    # In turn, and the best of each: what else runs here strikes both alike, and can only slow down.
    times = [(cost_of(helping).seconds, cost_of(importing).seconds) for _ in range(rounds)]
    ours, clicks = (min(each) for each in zip(*times, strict=True))
    ratio = ours / clicks
    report("--help against `import click`", ratio, f"at most {TARGET}", detail=f"{ours * 1000:.0f} ms")
    assert ratio < 2 * TARGET
