"""What changed since the plan that was approved."""

from __future__ import annotations

import json
from pathlib import Path

from sample_plans import write_plan
from shell import Command


def test_plans_are_compared_by_groups_with_hazards_and_cost(command: Command, tmp_path: Path) -> None:
    write_plan(tmp_path / "old", 400).close()
    write_plan(tmp_path / "new", 440, tiers=("bronze", "silver")).close()
    result = command("plan-diff", "old", "new", "--detailed-exitcode", "-o", "text", "-o", "json=diff.json")
    assert result.returncode == 2
    assert "set          tier              +11        0     ~105" in result.stdout
    assert "  3  →    3  sends, over budget         same" in result.stdout
    document = json.loads((tmp_path / "diff.json").read_text())
    assert document["users"] == {"added": 11, "removed": 0, "altered": 105, "same": 0}
    assert document["groups"][0] | {"samples": ...} == {
        "resource": "UserAttributes/loyalty",
        "kind": "set",
        "field": "tier",
        "added": 11,
        "removed": 0,
        "altered": 105,
        "same": 0,
        "samples": ...,
    }


def test_a_plan_and_itself_differ_in_nothing(command: Command, tmp_path: Path) -> None:
    write_plan(tmp_path / "plan", 40).close()
    result = command("plan-diff", "plan", "plan", "--detailed-exitcode", "-o", "markdown")
    assert result.returncode == 0
    assert result.stdout.startswith("<!-- leanplum-sync plan-diff production app_1 -->")
    assert "No difference: 10 users would change as before." in result.stdout


def test_values_are_not_told(command: Command, tmp_path: Path) -> None:
    write_plan(tmp_path / "old", 400).close()
    write_plan(tmp_path / "new", 400, hostile=True).close()
    for form in ("text", "json", "markdown"):
        assert "bronze" not in command("plan-diff", "old", "new", "-o", form).stdout
