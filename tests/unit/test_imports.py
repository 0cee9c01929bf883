"""Imports form no cycle, whether they stand at the top, in a function or under TYPE_CHECKING."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter

import grimp
import pytest


@pytest.fixture(scope="module")
def graph() -> Mapping[str, Collection[str]]:
    found = grimp.build_graph("leanplum_sync", cache_dir=None)
    return {module: found.find_modules_directly_imported_by(module) for module in found.modules}


def test_no_module_imports_itself_by_way_of_others(graph: Mapping[str, Collection[str]]) -> None:
    assert cycle_in(graph) == []


def test_no_room_imports_itself_by_way_of_others(graph: Mapping[str, Collection[str]]) -> None:
    rooms: dict[str, set[str]] = {}
    for importer, imported in edges(graph):
        if room(importer) != room(imported):
            rooms.setdefault(room(importer), set()).add(room(imported))
    assert cycle_in(rooms) == []


def test_a_cycle_would_be_found() -> None:
    assert set(cycle_in({"a": {"b"}, "b": {"c"}, "c": {"a"}})) == {"a", "b", "c"}


def edges(graph: Mapping[str, Collection[str]]) -> Iterator[tuple[str, str]]:
    return ((importer, imported) for importer, all_of_them in graph.items() for imported in all_of_them)


def room(module: str) -> str:
    """Return such as ``planner`` for ``leanplum_sync.planner.plan``."""
    return module.split(".")[1] if "." in module else module


def cycle_in(graph: Mapping[str, Collection[str]]) -> list[str]:
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        return list(error.args[1])
    return []
