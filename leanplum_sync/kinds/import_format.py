"""
Leanplum's own CSV import format: its headers are the mapping.

Source: Leanplum docs, CSV file reference, and OpenAPI, multi. Every column that is not understood is a
problem: skipping one that has a meaning would import something else than the file says.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator
from typing import Final

from leanplum_sync.kinds.field_values import device_check, profile_check
from leanplum_sync.kinds.names import attribute_fault
from leanplum_sync.kinds.rows.cells import Cell, imported_value
from leanplum_sync.kinds.rows.desires import SetAttribute, SetProfileField
from leanplum_sync.kinds.rows.parts import CellPart, DevicePart, ListPart, Part
from leanplum_sync.kinds.rows.site import Path, Site
from leanplum_sync.wire.convert import ValueType
from leanplum_sync.wire.profile import DEVICE_FIELDS, PROFILE_FIELDS

_SET: Final = "userAttributes."
_ADD: Final = "userAttributeValuesToAdd."
_REMOVE: Final = "userAttributeValuesToRemove."
_INCREMENT: Final = "userAttributeValuesToIncrement."

# Columns that no kind manages, by their prefix, and what to do instead.
_UNMANAGED: Final = {
    "newUserId": "leanplum-sync doesn't rename users: import this column with Leanplum's own upload.",
    "events.": "Write one row per event in a spec of kind Events, with `totals: all`.",
    "states.": "leanplum-sync doesn't manage state counts: import them with Leanplum's own upload.",
    "event": "Write the events in a spec of kind Events.",
    "params.": "Write the events in a spec of kind Events, with `parameters`.",
    "unsubscribe": "Write a spec of kind Subscriptions for it.",
    "createDisposition": "Set `createUsers` in the spec instead, for all rows.",
    "devMode": "leanplum-sync doesn't use development mode: remove the column.",
    "action": "The spec's kind decides the action: remove the column.",
    "defaultAction": "The spec's kind decides the action: remove the column.",
    "fullErasure": "Write a spec of kind Erasure for it.",
    "time": "The time of the run is used: remove the column.",
    "devices": "Write the devices in a spec of kind PushTokens.",
}


def user_columns(site: Site, path: Path, named: Collection[str], managed: Collection[str]) -> Iterator[Part]:
    """
    Yield the parts that the file's own header asks for.

    Columns that the spec names, and attributes and fields that it manages, are skipped: the spec decides about them.
    """
    asked_at = site.place(path)
    lists: dict[str, dict[str, Cell]] = {}
    for column in _unnamed(site, named, ("userId",)):
        name = column.partition(".")[2]
        if column.startswith((_SET, _ADD, _REMOVE)):
            fault = attribute_fault(name)
            if fault:
                site.report(path, f"column {column} names an invalid attribute: its name {fault}")
            elif name in managed:
                continue
            elif column.startswith(_SET):
                yield CellPart(Cell(column, check=imported_value), SetAttribute(name, None, asked_at))
            else:
                lists.setdefault(name, {})[column.partition(".")[0] + "."] = Cell(column, ValueType.LIST)
        elif column in PROFILE_FIELDS:
            if column not in managed:
                cell = Cell(column, check=profile_check(column))
                yield CellPart(cell, SetProfileField(column, None, asked_at))
        elif column.startswith(_INCREMENT):
            site.report(
                path,
                f"column {column} increments, but has no `once` name",
                f"Write attributes: {{{name}: {{increment: {{column: {column}}}, once: some-name}}}}.",
            )
        else:
            _refuse(column, (_SET, _ADD, _REMOVE, *PROFILE_FIELDS), path, site)
    for name, sides in lists.items():
        yield ListPart(name, sides.get(_ADD, ()), sides.get(_REMOVE, ()), asked_at)


def device_columns(
    site: Site, path: Path, named: Collection[str], managed: Collection[str]
) -> Iterator[Part]:
    """Yield the parts that the file's own header asks for, except for the fields that the spec sets."""
    asked_at = site.place(path)
    for column in _unnamed(site, named, ("deviceId", "userId")):
        if column not in DEVICE_FIELDS:
            _refuse(column, DEVICE_FIELDS, path, site)
        elif column not in managed:
            yield DevicePart(column, Cell(column, check=device_check(column)), asked_at)


def _unnamed(site: Site, named: Collection[str], own: tuple[str, ...]) -> Iterator[str]:
    return (column for column in site.header or () if column not in named and column not in own)


def _refuse(column: str, understood: tuple[str, ...], path: Path, site: Site) -> None:
    advice = next((advice for start, advice in _UNMANAGED.items() if _is(column, start)), None)
    if advice is None:
        close = difflib.get_close_matches(column, understood, 1)
        advice = (
            f"Did you mean {close[0]}?"
            if close
            else "Remove it, or name the columns to use in the spec, with `id` for the ids."
        )
    site.report(path, f"a spec of this kind can't use column {column} of this file", advice)


def _is(column: str, start: str) -> bool:
    return column == start or (start.endswith((".", "unsubscribe")) and column.startswith(start))
