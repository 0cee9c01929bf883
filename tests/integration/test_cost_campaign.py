"""A short run of ``make campaign``'s comparison of costs; see ``cost_campaign``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cost_campaign import failures, run_modes


def test_each_cheap_mode_costs_a_fortieth_of_live_and_what_its_plan_forecast(tmp_path: Path) -> None:
    spent = run_modes(tmp_path, 400)
    assert failures(spent) == []
    assert {name: (each.planning, each.applying) for name, each in spent.items()} == {
        "live": (400, 8),
        "snapshot": (0, 8),
        "journal": (4, 4),
        "export": (4, 4),
    }
    dear = spent | {"export": replace(spent["export"], planning=8)}
    assert failures(dear) == ["export: the forecast was wrong", "export: 12 lookups are more than 10"]
