"""``docs/kinds.md`` has every action of the API, with the kinds that use it or the reason why none does."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest

from leanplum_sync.kinds.registry import KINDS
from leanplum_sync.wire.catalogue import ACTIONS

DOCS = Path(__file__).parents[2] / "docs"
COVERED = re.compile(r"^\| `(\w+)` \| (.*?) \| (.*?) \|$", re.MULTILINE)
BY_HAND = re.compile(r"^\| (`[^|]+`) \| ([^|]+) \|$", re.MULTILINE)


def test_every_action_is_on_the_page_once_with_its_kinds_or_a_reason() -> None:
    covered, by_hand = (DOCS / "kinds.md").read_text().split("## By hand")
    rows = {name: (writing, reading) for name, writing, reading in COVERED.findall(covered)}
    reasons = [name for names, _ in BY_HAND.findall(by_hand) for name in re.findall(r"\w+", names)]
    assert sorted([*rows, *reasons]) == sorted(ACTIONS)
    for action, cells in rows.items():
        kinds = KINDS.values()
        users = ([k.name for k in kinds if action in k.writes], [k.name for k in kinds if action in k.reads])
        assert tuple(re.findall(r"\w+", cell) for cell in cells) == users


def generator(reasons: dict[str, str]) -> Any:
    made = runpy.run_path(str(DOCS / "generate.py"))
    made["by_hand"].__globals__["BY_HAND"] = reasons
    return made["by_hand"]


@pytest.mark.parametrize(
    "change",
    [{"start": ""}, {"exportUser": "No kind needs it."}, {"makeCoffee": "Nobody asked for it."}],
)
def test_a_page_that_would_be_wrong_is_not_written(change: dict[str, str]) -> None:
    reasons = runpy.run_path(str(DOCS / "by_hand.py"))["BY_HAND"]
    assert generator(reasons)()
    with pytest.raises(ValueError, match=r"by_hand\.py"):
        generator(reasons | change)()
