"""
Decides for whole columns at once, in DuckDB, which rows are valid and which users are as desired.

Each rule answers "certainly" or "unknown", never "no", and Python decides the unknown cases. So a rule may
be narrow, but it must never be wrong. It refers to the cells of a row (``w.c0``, ``w.c1``, ...) and to a
user's observed values as JSON text (``o.v0``, ...; NULL if there is no value). The rules repeat
``wire/values.py`` and ``wire/convert.py`` for columns. They use ``CASE`` instead of ``OR``, because DuckDB
evaluates every side of an ``OR`` for every row, but only the matching branch of a ``CASE``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, assert_never

from leanplum_sync.address import SubjectKind
from leanplum_sync.kinds import Resource
from leanplum_sync.kinds.rows import desires
from leanplum_sync.kinds.rows.absence import LONGEST_ODD_ID, POINT_ZERO, ROUNDED, WORDS
from leanplum_sync.kinds.rows.cells import Cell, attribute_value
from leanplum_sync.kinds.rows.desires import Desire
from leanplum_sync.kinds.rows.erase_part import ErasePart
from leanplum_sync.kinds.rows.parts import (
    Always,
    CellPart,
    CellWish,
    DevicePart,
    ListPart,
    OncePart,
    Part,
)
from leanplum_sync.kinds.rows.source import FileSource, ReadSource, csv_file_of, read_source_of
from leanplum_sync.kinds.rows.subscription_part import SubscriptionPart
from leanplum_sync.sources.connections.columns import ColumnKind
from leanplum_sync.staging.sql import both, either, has_form_of_day, is_integer, literal, matches
from leanplum_sync.staging.typed_cells import compares_spelling, has_shape, is_sound_by_shape, like_text
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.convert import ValueType
from leanplum_sync.wire.limits import ID_LENGTH
from leanplum_sync.wire.profile import NUMBER_FIELDS, TIME_FIELDS

UNKNOWN: Final = "false"
INTEGER: Final = "[+-]?[0-9]{1,15}"
_NUMBER: Final = "[+-]?([0-9]{1,15}|[0-9]{1,9}[.][0-9]{1,6})"  # 15 digits: every double stores them exactly
_PLAIN: Final = "[!-~]([ -~]*[!-~])?"  # ASCII without blanks around it
_YEAR: Final = "[1-9][0-9][0-9][0-9]"
_DAY: Final = f"{_YEAR}-[0-9]{{2}}-[0-9]{{2}}"
_HOUR: Final = "([01][0-9]|2[0-3]):[0-5][0-9]"
_DATE: Final = f"{_DAY}([T ]{_HOUR}(:[0-5][0-9]([.][0-9]{{3}}([0-9]{{3}})?)?)?(Z|[+-]{_HOUR})?)?"
TRUE: Final = ("true", "yes", "1")
FALSE: Final = ("false", "no", "0")
# Names and texts whose JSON is the same text in quotes, and can't be mistaken for part of another value.
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_ .:/-]+")
_PLAIN_ITEM = re.compile(r"[A-Za-z0-9_ .:/-]*[A-Za-z0-9_][A-Za-z0-9_ .:/-]*")


@dataclass(frozen=True, slots=True)
class Sieve:
    """
    *columns* are the columns that the resource reads, with the ids first: ``c0``, ``c1``, ... in SQL.
    *sound* and *same* are SQL conditions: *sound* is true for rows that certainly have no problem, *same*
    for rows that certainly require no change. *attributes* and *fields* map observed names to the aliases
    that *same* uses.
    """

    columns: tuple[str, ...]
    sound: str
    same: str
    attributes: Mapping[str, str]
    fields: Mapping[str, str]

    @property
    def knows_nothing(self) -> bool:
        return self.same == UNKNOWN


def source_to_load(resource: Resource) -> FileSource | ReadSource | None:
    """Return the source of *resource* if all its rows may be loaded at once; None if they must be read one by one."""
    is_plain = resource.kind.subjects is SubjectKind.USER and all(
        isinstance(part, Always | CellPart | ListPart) for part in resource.parts
    )
    return (csv_file_of(resource.source) or read_source_of(resource.source)) if is_plain else None


def sieve_of(
    resource: Resource, *, has_backslashes: bool = True, kinds: Mapping[str, ColumnKind] | None = None
) -> Sieve:
    """
    Return the sieve for *resource*, whose rows are loaded at once.

    *has_backslashes* says whether any of the cells has one. *kinds* are the kinds of the columns, None if all are text.
    """
    columns = tuple(column.name for column in resource.columns_needed())
    names = _Names(columns, has_backslashes, kinds or {})
    sound = [_sound_id("w.c0", columns[0]), *(_sound(part, names) for part in resource.parts)]
    same = [_same(part, names) for part in resource.parts]
    if UNKNOWN in same or not names.are_plain:
        return Sieve(columns, both(sound), UNKNOWN, {}, {})
    return Sieve(columns, both(sound), both(same), names.attributes, names.fields)


@dataclass(slots=True)
class _Names:
    """The aliases of cells and of observed values."""

    columns: tuple[str, ...]
    has_backslashes: bool
    kinds: Mapping[str, ColumnKind]
    attributes: dict[str, str] = field(default_factory=dict)
    fields: dict[str, str] = field(default_factory=dict)

    def cell(self, cell: Cell) -> str:
        return f"w.c{self.columns.index(cell.column)}"

    def kind(self, cell: Cell) -> ColumnKind:
        return self.kinds.get(cell.column, ColumnKind.TEXT)

    def attribute(self, name: str) -> str:
        return "o." + self.attributes.setdefault(name, f"v{len(self.attributes)}")

    def is_verbatim(self, text: str) -> str:
        """
        A backslash may be a plain character in the cell but an escape in the JSON.

        Quotes are always escaped in JSON.
        """
        return f"NOT contains({text}, '\\')" if self.has_backslashes else "true"

    def profile(self, name: str) -> str:
        return "o." + self.fields.setdefault(name, f"f{len(self.fields)}")

    @property
    def are_plain(self) -> bool:
        """DuckDB treats two names that differ only in case as the same name."""
        is_unique = len({name.lower() for name in self.attributes}) == len(self.attributes)
        return is_unique and all(map(_PLAIN_NAME.fullmatch, self.attributes))


def _sound_id(cell: str, column: str) -> str:
    """Unusual ids are left to Python, which reports problems and remarks about them."""
    words = ", ".join(map(literal, (column, *WORDS)))
    has_digit = f"{cell} BETWEEN '0' AND ':'"  # as its first character, like all odd numbers
    is_number = f"CASE WHEN {has_digit} THEN {matches(cell, f'{ROUNDED}|{POINT_ZERO}')} ELSE false END"
    is_odd = either(f"{cell} IN ({words})", is_number)
    return (
        f"length({cell}) <= {ID_LENGTH} AND {matches(cell, _PLAIN)} AND NOT starts_with({cell}, '=')"
        f" AND CASE WHEN length({cell}) <= {max(LONGEST_ODD_ID, len(column))} THEN NOT ({is_odd}) ELSE true END"
    )


def _sound(part: Part, names: _Names) -> str:
    match part:
        case Always():
            return "true"
        case CellPart(cell=cell, wish=wish):
            return either(f"{names.cell(cell)} IS NULL", _sound_typed(cell, wish, names))
        case ListPart():
            cells = [side for side in (part.add, part.remove) if isinstance(side, Cell)]
            return both([f"{names.cell(cell)} IS NULL" for cell in cells])
        case DevicePart() | SubscriptionPart() | OncePart() | ErasePart():
            return UNKNOWN


def _sound_typed(cell: Cell, wish: CellWish, names: _Names) -> str:
    text, kind = names.cell(cell), names.kind(cell)
    like = like_text(cell, wish, kind)
    if like is None:
        return UNKNOWN
    shape = has_shape(text, kind)
    return shape if is_sound_by_shape(like, wish, kind) else both([shape, _sound_cell(text, like, wish)])


def _sound_cell(text: str, cell: Cell, wish: CellWish) -> str:
    if cell.mapped is not None:
        keys = ", ".join(map(literal, cell.mapped))
        has_no_blanks = matches(text, _PLAIN)
        return f"CASE WHEN {text} IN ({keys}) THEN true ELSE {has_no_blanks if cell.otherwise is not None else UNKNOWN} END"
    match wish:
        case desires.IncrementAttribute():
            return is_integer(text, matches(text, INTEGER))
        case desires.SetProfileField(name=name):
            return _sound_profile(text, name, cell.type)
        case desires.SetAttribute():
            return _sound_attribute(text, cell)


def _sound_attribute(text: str, cell: Cell) -> str:
    match cell.type:
        case None if cell.check is not attribute_value:  # Leanplum's own format: text in brackets is a list
            return f"NOT starts_with({text}, '[')"
        case None | ValueType.TEXT:
            return "true"
        case ValueType.INTEGER:
            return is_integer(text, matches(text, INTEGER))
        case ValueType.NUMBER:
            return matches(text, _NUMBER)
        case ValueType.BOOLEAN:
            return f"lower({text}) IN {TRUE + FALSE}"
        case ValueType.DATE:
            return _is_date(text)
        case ValueType.LIST:
            return UNKNOWN


def _sound_profile(text: str, name: str, type_: ValueType | None) -> str:
    if name in TIME_FIELDS and type_ in (None, ValueType.DATE, ValueType.TEXT):
        return _is_date(text)
    if name in NUMBER_FIELDS and type_ in (None, ValueType.TEXT, ValueType.INTEGER):
        return matches(text, INTEGER)
    if name == "country" and type_ in (None, ValueType.TEXT):
        return matches(text, "[A-Z]{2}")
    if type_ in (None, ValueType.TEXT) and name not in (*TIME_FIELDS, *NUMBER_FIELDS):
        return f"NOT contains({text}, '(')"
    return UNKNOWN


def _same(part: Part, names: _Names) -> str:
    match part:
        case Always(wish=wish):
            return _same_for_all(wish, names)
        case CellPart(cell=cell, wish=desires.SetAttribute(name=name, only_if_absent=only_if_absent) as wish):
            value, text = names.attribute(name), names.cell(cell)
            equal = _equals_typed(value, cell, wish, names)
            has_one = f"NOT {_absent(value)}" if only_if_absent else UNKNOWN
            return either(f"{text} IS NULL", has_one, equal)
        case CellPart(
            cell=cell, wish=desires.SetProfileField(name=name, only_if_absent=only_if_absent) as wish
        ):
            value, text = names.profile(name), names.cell(cell)
            equal = _equals_typed(value, cell, wish, names)
            has_one = _present_field(value) if only_if_absent else UNKNOWN
            return either(f"{text} IS NULL", has_one, equal)
        case CellPart(cell=cell, wish=desires.IncrementAttribute()):
            return f"{names.cell(cell)} IS NULL"
        case ListPart(name=name, add=tuple(add), remove=tuple(remove)):
            return _same_list(names.attribute(name), add, remove)
        case ListPart(add=add, remove=remove):
            cells = [side for side in (add, remove) if isinstance(side, Cell)]
            is_all = len(cells) + [add, remove].count(()) == len((add, remove))
            return both([f"{names.cell(cell)} IS NULL" for cell in cells]) if is_all else UNKNOWN
        case CellPart() | DevicePart() | SubscriptionPart() | OncePart() | ErasePart():
            return UNKNOWN


def _same_for_all(wish: Desire, names: _Names) -> str:
    match wish:
        case desires.SetAttribute(name=name, only_if_absent=True):
            return f"NOT {_absent(names.attribute(name))}"
        case desires.SetAttribute(name=name, value=wanted):
            return _equals(names.attribute(name), wanted)
        case desires.RemoveAttribute(name=name):
            return _absent(names.attribute(name))
        case desires.TakeAttribute(name=name, source=source, type=type_):
            there = names.attribute(source)
            is_so = is_of(there, type_) if source == name and type_ else UNKNOWN
            return either(_absent(there), is_so)
        case desires.AlterList(name=name, add=add, remove=remove):
            return _same_list(names.attribute(name), add, remove)
        case desires.SetProfileField(name=name, only_if_absent=True):
            return _present_field(names.profile(name))
        case desires.SetProfileField(name=name, value=wanted):
            return _equals(names.profile(name), wanted)
        case (
            desires.IncrementAttribute()
            | desires.SetDeviceField()
            | desires.SetSubscription()
            | desires.Once()
            | desires.Erase()
            | desires.OfTheApp()
        ):
            return UNKNOWN


def _equals_typed(
    value: str, cell: Cell, wish: desires.SetAttribute | desires.SetProfileField, names: _Names
) -> str:
    text, kind = names.cell(cell), names.kind(cell)
    like = like_text(cell, wish, kind)
    if like is None:
        return UNKNOWN
    match wish:
        case desires.SetAttribute():
            equal = _equals_cell(value, text, like, names)
        case desires.SetProfileField():
            equal = _equals_profile(value, text, like, wish, names)
        case _:
            assert_never(wish)
    return both([has_shape(text, kind), equal]) if compares_spelling(like, kind) else equal


def _equals_cell(value: str, text: str, cell: Cell, names: _Names) -> str:
    if cell.mapped is not None:
        return _equals_mapped(value, text, cell.mapped, cell.otherwise)
    match cell.type:
        case None if cell.check is not attribute_value:  # text in brackets is a list
            return f"NOT starts_with({text}, '[') AND ({_equals_text(value, text, names)})"
        case None | ValueType.TEXT | ValueType.DATE:
            return _equals_text(value, text, names)
        case ValueType.INTEGER | ValueType.NUMBER:
            return _equals_number(value, text)
        case ValueType.BOOLEAN:
            true, false = ("('\"True\"', '\"true\"', 'true')", "('\"False\"', '\"false\"', 'false')")
            return f"CASE WHEN lower({text}) IN {TRUE} THEN {value} IN {true} WHEN lower({text}) IN {FALSE} THEN {value} IN {false} END"
        case ValueType.LIST:
            return UNKNOWN


def _equals_text(value: str, text: str, names: _Names) -> str:
    word = f"lower({text})"
    return (
        f"CASE WHEN {value} = '\"' || {text} || '\"' THEN {names.is_verbatim(text)}"
        f" ELSE {word} IN ('true', 'false') AND {word} = {_word(value)} END"
    )


def _equals_number(value: str, text: str) -> str:
    return f"CASE WHEN {value} = {text} THEN true ELSE TRY_CAST({text} AS DOUBLE) = TRY_CAST({value} AS DOUBLE) END"


def _equals_profile(value: str, text: str, cell: Cell, wish: desires.SetProfileField, names: _Names) -> str:
    if cell.mapped is not None:
        return UNKNOWN
    if wish.name in TIME_FIELDS:
        return f"{is_day(text)} AND epoch(TRY_CAST({text} AS DATE)) = TRY_CAST({value} AS DOUBLE)"
    if wish.name in NUMBER_FIELDS:
        return f"{matches(text, INTEGER)} AND {_equals_number(value, text)}"
    return _equals_text(value, text, names)


def _equals_mapped(value: str, text: str, mapped: Mapping[str, Json], otherwise: Json) -> str:
    known = [*mapped.values(), *([] if otherwise is None else [otherwise])]
    for is_one, write, read in _COMPARED:
        if all(map(is_one, known)):
            cases = " ".join(f"WHEN {literal(key)} THEN {write(wanted)}" for key, wanted in mapped.items())
            last = f" ELSE {write(otherwise)}" if otherwise is not None else ""
            return (
                f"CASE {text} {cases}{last} END = {read(value)}"
                if cases
                else f"{write(otherwise)} = {read(value)}"
            )
    return UNKNOWN


def _equals(value: str, wanted: Json) -> str:
    for is_one, write, read in _COMPARED:
        if is_one(wanted):
            return f"{write(wanted)} = {read(value)}"
    if isinstance(wanted, list) and all(map(is_text, wanted)):
        return f"{raw(wanted)} = {value}"
    return UNKNOWN


def is_word(wanted: Json) -> bool:
    return isinstance(wanted, bool) or (isinstance(wanted, str) and wanted.lower() in ("true", "false"))


def is_number(wanted: Json) -> bool:
    return isinstance(wanted, int | float) and not isinstance(wanted, bool)


def is_text(wanted: Json) -> bool:
    return isinstance(wanted, str) and not is_word(wanted)


def raw(wanted: Json) -> str:
    return literal(json.dumps(wanted, ensure_ascii=False, separators=(",", ":")))


def _word(value: str) -> str:
    """``true``, ``"True"`` and ``"true"`` count as equal."""
    return f"lower(trim({value}, '\"'))"


def _write_word(wanted: Json) -> str:
    return literal(str(wanted).lower())


def _write_number(wanted: Json) -> str:
    return f"CAST({literal(repr(float(wanted)))} AS DOUBLE)"


def _number(value: str) -> str:
    return f"TRY_CAST({value} AS DOUBLE)"


def _itself(value: str) -> str:
    return value


# The type of a value, its SQL literal, and the part of the observed JSON to compare it with.
_COMPARED: Final[Sequence[tuple[Callable[[Json], bool], Callable[[Json], str], Callable[[str], str]]]] = (
    (is_word, _write_word, _word),
    (is_number, _write_number, _number),
    (is_text, raw, _itself),
)


def _same_list(value: str, add: Sequence[Json], remove: Sequence[Json]) -> str:
    items = [*add, *remove]
    if not all(is_text(item) and _PLAIN_ITEM.fullmatch(item) for item in items):
        return UNKNOWN
    is_flat = both(
        [
            f"starts_with({value}, '[')",
            f"NOT contains({value}, '\\')",
            f"NOT contains({value}, '{{')",
            f"NOT contains(substr({value}, 2), '[')",
        ]
    )
    members = [f"contains({value}, {raw(item)})" for item in add]
    strangers = [f"NOT contains({value}, {raw(item)})" for item in remove]
    settled = both([is_flat, *members, *strangers])
    return settled if add else either(_absent(value), settled)


def is_of(value: str, type_: ValueType) -> str:
    """True if the value certainly has this type and converting would not change it."""
    match type_:
        case ValueType.TEXT:
            return f"starts_with({value}, '\"')"
        case ValueType.INTEGER:
            return matches(value, "-?[0-9]{1,15}([.]0+)?")
        case ValueType.NUMBER:
            return matches(value, "-?[0-9]{1,15}([.][0-9]{1,9})?")
        case ValueType.BOOLEAN:
            return f"lower({value}) IN ('true', 'false', '\"true\"', '\"false\"')"
        case ValueType.DATE:
            inside = f"trim({value}, '\"')"
            return f"starts_with({value}, '\"') AND {_is_date(inside)}"
        case ValueType.LIST:
            return UNKNOWN


def _is_date(text: str) -> str:
    return (
        f"CASE WHEN {has_form_of_day(text, _YEAR)} THEN TRY_CAST({text} AS DATE) IS NOT NULL"
        f" ELSE {matches(text, _DATE)} AND TRY_CAST(left({text}, 10) AS DATE) IS NOT NULL END"
    )


def is_day(text: str) -> str:
    return f"{has_form_of_day(text, _YEAR)} AND TRY_CAST({text} AS DATE) IS NOT NULL"


def _absent(value: str) -> str:
    return f"({value} IS NULL OR {value} IN ('null', '[]'))"


def _present_field(value: str) -> str:
    return f"({value} IS NOT NULL AND {value} <> 'null')"
