"""
Decides for whole columns at once, in DuckDB, which users are as desired according to prints of their values.

Like ``sieve``, and for the same rows, but ``same`` compares prints (``p.p0``, ...; NULL if unknown) with prints of the cells.
A rule that would need the value itself answers "unknown", and then the user is read.

What a rule needs to know about a row alone (``w.r0``, ...) is computed before rows meet prints: columns with few different values
are still stored as dictionaries then, so each value is hashed once, and fewer bytes have to be joined.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, assert_never

from leanplum_sync.kinds import Resource
from leanplum_sync.kinds.rows import desires
from leanplum_sync.kinds.rows.cells import Cell, attribute_value
from leanplum_sync.kinds.rows.desires import Desire
from leanplum_sync.kinds.rows.erase_part import ErasePart
from leanplum_sync.kinds.rows.parts import Always, CellPart, CellWish, DevicePart, ListPart, OncePart, Part
from leanplum_sync.kinds.rows.subscription_part import SubscriptionPart
from leanplum_sync.sources.connections.columns import ColumnKind
from leanplum_sync.staging import prints
from leanplum_sync.staging.sieve import (
    FALSE,
    INTEGER,
    TRUE,
    UNKNOWN,
    is_day,
    is_number,
    is_text,
    is_word,
    raw,
)
from leanplum_sync.staging.sql import both, either, literal, matches
from leanplum_sync.staging.typed_cells import compares_spelling, has_shape, like_text
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.convert import ValueType
from leanplum_sync.wire.profile import NUMBER_FIELDS, TIME_FIELDS


@dataclass(frozen=True, slots=True)
class PrintSieve:
    """
    *same* is SQL that is true for rows that certainly require no change. *fields* maps fields to the aliases of their prints, and
    *of_rows* maps SQL about the cells of a row to the aliases of its results.
    """

    same: str
    fields: Mapping[str, str]
    of_rows: Mapping[str, str]

    @property
    def knows_nothing(self) -> bool:
        return self.same == UNKNOWN


NO_SIEVE: Final = PrintSieve(UNKNOWN, {}, {})


def print_sieve_of(resource: Resource, *, kinds: Mapping[str, ColumnKind] | None = None) -> PrintSieve:
    """Return the sieve for *resource*. *kinds* are the kinds of the columns, None if all are text."""
    columns = tuple(column.name for column in resource.columns_needed())
    names = _Names(columns, kinds or {})
    same = [_same(part, names) for part in resource.parts]
    if UNKNOWN in same or set(prints.storable(tuple(names.fields))) != names.fields.keys():
        return NO_SIEVE
    return PrintSieve(both(same), names.fields, names.of_rows)


def managed_fields(resources: tuple[Resource, ...]) -> frozenset[str]:
    """Return the fields of users that specs of *resources* compare, as prints name them."""
    found: set[str] = set()
    for resource in resources:
        for part in resource.parts:
            match part:
                case Always(wish=wish) | CellPart(wish=wish):
                    found |= _fields_of(wish)
                case ListPart(name=name):
                    found.add(prints.items(name))
                case DevicePart() | SubscriptionPart() | OncePart() | ErasePart():
                    pass
    return frozenset(prints.storable(tuple(found)))


def _fields_of(wish: Desire) -> set[str]:
    match wish:
        case desires.SetAttribute(name=name) | desires.RemoveAttribute(name=name):
            return {prints.attribute(name)}
        case desires.AlterList(name=name):
            return {prints.items(name)}
        case desires.TakeAttribute(name=name, source=source, type=type_) if name == source and type_:
            return {prints.is_type(name, type_)}
        case desires.TakeAttribute(source=source):
            return {prints.attribute(source)}
        case desires.IncrementAttribute():
            return set()  # the journal knows who received it, not the baseline
        case desires.SetProfileField(name=name):
            return {prints.profile(name)}
        case (
            desires.SetDeviceField()
            | desires.SetSubscription()
            | desires.Once()
            | desires.Erase()
            | desires.OfTheApp()
        ):
            return set()


@dataclass(slots=True)
class _Names:
    columns: tuple[str, ...]
    kinds: Mapping[str, ColumnKind]
    fields: dict[str, str] = field(default_factory=dict)
    of_rows: dict[str, str] = field(default_factory=dict)

    def cell(self, cell: Cell) -> str:
        return f"w.c{self.columns.index(cell.column)}"

    def kind(self, cell: Cell) -> ColumnKind:
        return self.kinds.get(cell.column, ColumnKind.TEXT)

    def known(self, of: str) -> str:
        return "p." + self.fields.setdefault(of, f"p{len(self.fields)}")

    def of_row(self, sql: str) -> str:
        """Return the result of *sql*, which is about the cells of a row."""
        return "w." + self.of_rows.setdefault(sql, f"r{len(self.of_rows)}")

    def is_empty(self, cell: Cell) -> str:
        return self.of_row(f"{self.cell(cell)} IS NULL")

    def equals(self, of: str, text: str) -> str:
        """Return SQL that is true if the field *of* has the print of *text*, a constant."""
        return f"{self.known(of)} = {prints.print_of(of, text)}"

    def equals_row(self, of: str, made: str) -> str:
        """As ``equals``, for the print *made*, which is about the cells of a row."""
        return f"{self.known(of)} = {self.of_row(made)}"

    def is_absent(self, of: str) -> str:
        return self.equals(of, prints.ABSENT)

    def is_present(self, of: str) -> str:
        return f"{self.known(of)} <> {prints.print_of(of, prints.ABSENT)}"


def _same(part: Part, names: _Names) -> str:
    match part:
        case Always(wish=wish):
            return _same_for_all(wish, names)
        case CellPart(cell=cell, wish=desires.IncrementAttribute()):
            return names.is_empty(cell)
        case CellPart(cell=cell, wish=wish):
            return _same_cell(cell, wish, names)
        case ListPart(name=name, add=tuple(add), remove=tuple(remove)):
            return _same_list(name, add, remove, names)
        case ListPart(add=add, remove=remove):
            cells = [side for side in (add, remove) if isinstance(side, Cell)]
            is_all = len(cells) + [add, remove].count(()) == len((add, remove))
            return both(list(map(names.is_empty, cells))) if is_all else UNKNOWN
        case DevicePart() | SubscriptionPart() | OncePart() | ErasePart():
            return UNKNOWN


def _same_for_all(wish: Desire, names: _Names) -> str:
    match wish:
        case desires.SetAttribute(name=name, only_if_absent=True):
            return names.is_present(prints.attribute(name))
        case desires.SetAttribute(name=name, value=wanted):
            return _equals(prints.attribute(name), wanted, names)
        case desires.RemoveAttribute(name=name):
            return names.is_absent(prints.attribute(name))
        case desires.TakeAttribute(name=name, source=source, type=type_) if name == source and type_:
            return names.equals(prints.is_type(name, type_), prints.YES)
        case desires.TakeAttribute(source=source):
            return names.is_absent(prints.attribute(source))
        case desires.AlterList(name=name, add=add, remove=remove):
            return _same_list(name, add, remove, names)
        case desires.SetProfileField(name=name, only_if_absent=True):
            return names.is_present(prints.profile(name))
        case desires.SetProfileField(name=name, value=wanted):
            return _equals(prints.profile(name), wanted, names)
        case (
            desires.IncrementAttribute()
            | desires.SetDeviceField()
            | desires.SetSubscription()
            | desires.Once()
            | desires.Erase()
            | desires.OfTheApp()
        ):
            return UNKNOWN


def _same_list(name: str, add: Sequence[Json], remove: Sequence[Json], names: _Names) -> str:
    of = prints.items(name)
    if not all(_is_simple(item) for item in (*add, *remove)):
        return UNKNOWN
    has = [
        f"list_contains({names.known(of)}, {prints.print_of(of, f'({prints.of_json(raw(item))})')})"
        for item in (*add, *remove)
    ]
    return both(
        [f"{names.known(of)} IS NOT NULL", *has[: len(add)], *(f"NOT {each}" for each in has[len(add) :])]
    )


def _is_simple(value: Json) -> bool:
    return is_word(value) or is_number(value) or is_text(value)


def _equals(of: str, wanted: Json, names: _Names) -> str:
    is_list = isinstance(wanted, list) and bool(wanted) and all(map(is_text, wanted))
    return names.equals(of, f"({prints.of_json(raw(wanted))})") if is_list or _is_simple(wanted) else UNKNOWN


def _same_cell(cell: Cell, wish: CellWish, names: _Names) -> str:
    text, kind = names.cell(cell), names.kind(cell)
    like = like_text(cell, wish, kind)
    if like is None:
        return UNKNOWN
    match wish:
        case desires.SetAttribute(name=name):
            of = prints.attribute(name)
            made = _print_of_cell(of, text, like)
        case desires.SetProfileField(name=name):
            of = prints.profile(name)
            made = _print_of_profile(of, text, like, name)
        case desires.IncrementAttribute():
            return UNKNOWN
        case _:
            assert_never(wish)
    equal = UNKNOWN if made is None else names.equals_row(of, made)
    if equal != UNKNOWN and compares_spelling(like, kind):
        equal = both([names.of_row(has_shape(text, kind)), equal])
    return either(names.is_empty(cell), names.is_present(of) if wish.only_if_absent else UNKNOWN, equal)


def _print_of_cell(of: str, text: str, cell: Cell) -> str | None:
    """
    Return SQL for the print of what *cell* makes of *text*; None where that takes Python. NULL is unknown.

    Where there are few possible values, each branch is a constant print. DuckDB calculates these once, but the print of
    the result of a CASE once for each row.
    """
    if cell.mapped is not None:
        return _print_of_mapped(of, text, cell.mapped, cell.otherwise)
    match cell.type:
        case None if cell.check is not attribute_value:  # text in brackets is a list
            made = prints.print_of(of, f"({prints.of_text(text)})")
            return f"CASE WHEN NOT starts_with({text}, '[') THEN {made} END"
        case None | ValueType.TEXT | ValueType.DATE:
            return prints.print_of(of, f"({prints.of_text(text)})")
        case ValueType.INTEGER | ValueType.NUMBER:
            return prints.print_of(of, f"({prints.of_number(text)})")
        case ValueType.BOOLEAN:
            true, false = (
                prints.print_of(of, f"({prints.of_word(literal(word))})") for word in ("true", "false")
            )
            return f"CASE WHEN lower({text}) IN {TRUE} THEN {true} WHEN lower({text}) IN {FALSE} THEN {false} END"
        case ValueType.LIST:
            return None


def _print_of_profile(of: str, text: str, cell: Cell, name: str) -> str | None:
    if cell.mapped is not None:
        return None
    if name in TIME_FIELDS:
        day = f"CASE WHEN {is_day(text)} THEN epoch(TRY_CAST({text} AS DATE)) END"
        return prints.print_of(of, f"({prints.of_number(day)})")
    if name in NUMBER_FIELDS:
        number = f"CASE WHEN {matches(text, INTEGER)} THEN {text} END"
        return prints.print_of(of, f"({prints.of_number(number)})")
    return prints.print_of(of, f"({prints.of_text(text)})")


def _print_of_mapped(of: str, text: str, mapped: Mapping[str, Json], otherwise: Json) -> str | None:
    known = [*mapped.values(), *([] if otherwise is None else [otherwise])]
    if not all(map(_is_simple, known)):
        return None

    def made(value: Json) -> str:
        return prints.print_of(of, f"({prints.of_json(raw(value))})")

    cases = " ".join(f"WHEN {literal(key)} THEN {made(each)}" for key, each in mapped.items())
    last = made(otherwise) if otherwise is not None else "NULL"
    return f"CASE {text} {cases} ELSE {last} END" if cases else last
