"""Kinds of change in families, each with a colour and a word of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from leanplum_sync.planner.change import ChangeKind

FAMILIES: Final[Mapping[str, str]] = {
    "sends": "sends",
    "creates": "created users",
    "removes": "removals",
    "renames": "renames",
    "sets": "values set or converted",
    "lists": "lists and numbers",
    "devices": "profile and devices",
}
_FAMILY: Final[Mapping[ChangeKind, str]] = {
    ChangeKind.SEND: "sends",
    ChangeKind.CREATE: "creates",
    ChangeKind.REMOVE: "removes",
    ChangeKind.RENAME: "renames",
    ChangeKind.RENAMED_AWAY: "renames",
    ChangeKind.SET: "sets",
    ChangeKind.CONVERT: "sets",
    ChangeKind.ADD: "lists",
    ChangeKind.TAKE_OUT: "lists",
    ChangeKind.INCREMENT: "lists",
    ChangeKind.PROFILE: "devices",
    ChangeKind.DEVICE: "devices",
    ChangeKind.TOKEN: "devices",
}


def family(kind: ChangeKind) -> str:
    return _FAMILY[kind]
