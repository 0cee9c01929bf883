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
ROW = re.compile(r"\| `(\w+)` \| (.*?) \| (.*?) \| (.*?) \|")


@pytest.fixture(scope="module")
def rows() -> dict[str, tuple[str, ...]]:
    found = ROW.findall((DOCS / "kinds.md").read_text())
    return {name: tuple(cells) for name, *cells in found}


def test_every_action_is_on_the_page_in_the_order_of_the_catalogue(rows: dict[str, Any]) -> None:
    assert list(rows) == list(ACTIONS)


@pytest.mark.parametrize("action", ACTIONS)
def test_an_action_has_its_kinds_or_a_reason(rows: dict[str, tuple[str, ...]], action: str) -> None:
    writing, reading, reason = rows[action]
    assert re.findall(r"\w+", writing) == [kind.name for kind in KINDS.values() if action in kind.writes]
    assert re.findall(r"\w+", reading) == [kind.name for kind in KINDS.values() if action in kind.reads]
    assert bool(reason) is not bool(writing or reading)


def generator(reasons: dict[str, str]) -> Any:
    made = runpy.run_path(str(DOCS / "generate.py"))
    made["coverage"].__globals__["BY_HAND"] = reasons
    return made["coverage"]


@pytest.mark.parametrize(
    "change",
    [{"start": ""}, {"exportUser": "No kind needs it."}, {"makeCoffee": "Nobody asked for it."}],
)
def test_a_page_that_would_be_wrong_is_not_written(change: dict[str, str]) -> None:
    reasons = runpy.run_path(str(DOCS / "by_hand.py"))["BY_HAND"]
    assert generator(reasons)()
    with pytest.raises(ValueError, match=r"by_hand\.py"):
        generator(reasons | change)()
