"""From the column form of a spec to the cell that rows are read with."""

from __future__ import annotations

from collections.abc import Iterator

from leanplum_sync.kinds.rows.cells import Cell, Check
from leanplum_sync.kinds.rows.forms import CellForm
from leanplum_sync.kinds.rows.site import Path, Site
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.convert import ConversionError, ValueType, convert


def compiled_cell(form: CellForm, check: Check, path: Path, site: Site, *, lists: bool) -> Iterator[Cell]:
    """
    Yield *form* as a cell; nothing where a value of its ``map`` can't be what it is to become, which is reported.

    Values of ``map`` are converted here, once: a row only looks them up.
    """
    if form.type == "list" and not lists:
        site.report((*path, "type"), "a list is not allowed here", "Only attributes hold lists.")
        return
    to = ValueType(form.type) if form.type else None
    if form.map is None:
        yield Cell(form.column, to, check=check)
        return

    sound = True
    converted: dict[Path, Json] = {}
    entries: dict[Path, Json] = {("map", key): value for key, value in form.map.items()}
    if form.otherwise is not None:
        entries["otherwise",] = form.otherwise
    for where, value in entries.items():
        try:
            converted[where] = check(value if to is None else convert(value, to))
        except ConversionError as error:
            site.report((*path, *where), f"this can't be the value: expected {error.expected}")
            sound = False
    if sound:
        otherwise = converted.pop(("otherwise",), None)
        yield Cell(
            form.column, to, {str(where[-1]): value for where, value in converted.items()}, otherwise, check
        )
