"""
Plans with a baseline or an export write nothing that a plan from live state would not, whatever others and an adversary do.

``adversaries`` says what a run does; ``make campaign`` runs 200 of them.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from adversaries import adversary, meet
from nightly import variables
from searching import IS_CAMPAIGN

from leanplum_sync.project.model import Observe

SEEDS = range(1000, 1010) if IS_CAMPAIGN else (0,)  # not those of the script


@pytest.mark.parametrize("observe", [Observe.JOURNAL, Observe.EXPORT])
@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_a_plan_assumes_it_writes_what_a_live_plan_would(
    seed: int, observe: Observe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with adversary(tmp_path, seed, observe) as world:
        for name, value in variables(world.url).items():
            monkeypatch.setenv(name, value)
        meet(world, seed, observe, rounds=2)
