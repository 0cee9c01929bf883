"""docs/emulator.md tells of everything there is to set and to read."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from leanplum_sync import emulator
from leanplum_sync.emulator import Switches
from leanplum_sync.emulator.app import Setup, create
from leanplum_sync.emulator.counts import counted
from leanplum_sync.emulator.dispatcher import App
from leanplum_sync.emulator.faults import KINDS, NO_FAULTS, Fault
from leanplum_sync.emulator.store import Store

PAGE = (Path(__file__).parents[3] / "docs" / "emulator.md").read_text(encoding="utf-8")


def _first_cells(heading: str) -> list[str]:
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]


@pytest.mark.parametrize("switch", dataclasses.fields(Switches), ids=lambda switch: switch.name)
def test_each_switch_is_told_with_its_default(switch: dataclasses.Field[object]) -> None:
    assert f"\n| `{switch.name}` | `{switch.default}` | " in PAGE


def test_no_switch_is_told_that_is_not_there() -> None:
    told = {cell.strip(" `") for cell in _first_cells("Switches")}
    assert told == {switch.name for switch in dataclasses.fields(Switches)}


def test_each_fault_and_option_is_told() -> None:
    told = {re.findall(r"`([^`]+)`", cell)[0] for cell in _first_cells("Faults")}
    assert told == KINDS | {field.name for field in dataclasses.fields(Fault)} - {"kind"}


def test_each_count_is_told() -> None:
    store = Store(None)
    told = {cell.strip(" `") for cell in _first_cells("Counts")}
    assert told == set(counted(store, detail=False))
    store.close()


def test_each_route_is_told() -> None:
    store = Store(None)
    routes = create(Setup(App("a", {}, Switches()), (), NO_FAULTS, lambda: 0.0), store).routes
    store.close()
    own = {re.sub(r"/\{.*", "", route.path) for route in routes if not route.path.startswith("/api")}
    assert all(f"{path}" in PAGE for path in own)
    assert own == {
        re.sub(r"^(/_emulator/\w+).*", r"\1", path) for path in re.findall(r"/_emulator/[\w/]+", PAGE)
    }


def test_the_credentials_are_told() -> None:
    assert all(f"`{value}`" in PAGE for value in (emulator.APP_ID, *emulator.KEYS.values()))
