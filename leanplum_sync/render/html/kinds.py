"""Families of kinds of change, each with its own color and name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from leanplum_sync.planner.change import ChangeKind
from leanplum_sync.planner.change_facts import Family, facts

FAMILIES: Final[Mapping[str, str]] = {family.value: family.words for family in Family}


def family(kind: ChangeKind) -> str:
    return facts(kind).family.value
