"""What one row asks for, field by field; and the cell, or the value in the spec, that would ask for the live value instead."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias, assert_never

from leanplum_sync.address import Subject
from leanplum_sync.kinds import Resource
from leanplum_sync.kinds.field_values import device_check, profile_check
from leanplum_sync.kinds.rows import desires
from leanplum_sync.kinds.rows.cells import Cell, Check, attribute_value
from leanplum_sync.kinds.rows.desires import Desire, Want
from leanplum_sync.kinds.rows.erase_part import ErasePart
from leanplum_sync.kinds.rows.parts import Always, CellPart, DevicePart, ListPart, OncePart, Part
from leanplum_sync.kinds.rows.row import CellError, Row, checked_id
from leanplum_sync.kinds.rows.source import csv_file_of, files_of
from leanplum_sync.kinds.rows.spelling import spellings
from leanplum_sync.kinds.rows.subscription_part import SubscriptionPart
from leanplum_sync.planner.change import Change
from leanplum_sync.planner.decide import Decision, decide
from leanplum_sync.planner.known import Known
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.convert import ConversionError
from leanplum_sync.wire.number import as_cell
from leanplum_sync.wire.profile import Profile
from leanplum_sync.wire.values import ABSENT, canonical, same

REMOVED: Final[Mapping[str, Json]] = {"state": "absent"}
Column: TypeAlias = tuple[str, str]  # a file and the name of a column
FieldKey: TypeAlias = tuple[str, str]  # "attribute", "profile" or a deviceId; and the field's name


class WhyLeft(StrEnum):
    """Why a value can't be adopted. The words complete "was not adopted, because ..."."""

    MISSING = "the user does not exist in the app"
    SHARED = "the spec has one value for all rows; give it a `column` to adopt a value for each user"
    COLUMN_SHARED = "the same column is used for something else, which would change too"
    IDS = "the column holds the ids of the rows"
    RENAMED = "the spec renames or converts the attribute; apply the spec, or remove the rename or conversion from the spec"
    NOT_MAPPED = "`map` has no key for the live value; add one"
    TYPE = "the live value is a number or a list, but the column contains text; add a `type`"
    NESTED = "the live value is nested, and specs can't contain nested values"
    NOT_SHOWN = "the API does not show the live value"
    UNWRITABLE = "a cell can't hold the live value"
    UNEDITABLE = "the spec repeats the value with an alias, or has a comment inside it; edit it manually"


@dataclass(frozen=True, slots=True)
class Observation:
    """What is known about a subject: its live state, and its records in the journal."""

    subject: Subject
    profile: Profile
    known: Known

    def live(self, key: FieldKey) -> Json:
        """Return the live value of a field, None if there is none."""
        where, name = key
        match where:
            case "attribute":
                value = self.profile.attributes.get(name)
            case "profile":
                value = self.profile.fields.get(name)
            case _:
                value = self.profile.devices.get(where, {}).get(name)
        return None if canonical(value) == ABSENT else value

    def decide(self, resource: Resource, row: Row, desire: Desire) -> Decision:
        want = Want(resource.address, self.subject, resource.create_users, row.place, (desire,))
        return decide(want, desire, self.profile, self.known, None)


@dataclass(frozen=True, slots=True)
class Member:
    """
    One field of one row: what the row asks for, and the live value, None if there is none.

    *fills*: the cell is empty, and gets the live value. *desire* then has no value.
    """

    source_of: Resource
    row: Row
    part: Part
    key: FieldKey
    desire: Desire
    live: Json
    changes: tuple[Change, ...]
    fills: bool = False

    @property
    def resource(self) -> str:
        return str(self.source_of.address)

    @property
    def name(self) -> str:
        return self.key[1]

    @property
    def shown_name(self) -> str:
        device = self.key[0]
        return self.name if device in ("attribute", "profile") else f"{device}/{self.name}"

    @property
    def differs(self) -> bool:
        return bool(self.changes) or self.fills

    @property
    def is_literal(self) -> bool:
        """Whether the value is in the spec, for all rows."""
        match self.part:
            case Always(wish=desires.TakeAttribute()):
                return False
            case Always() | DevicePart(source=str()):
                return True
            case ListPart(add=add, remove=remove):
                return (isinstance(add, tuple) and bool(add)) or (isinstance(remove, tuple) and bool(remove))
            case CellPart() | DevicePart() | SubscriptionPart() | OncePart() | ErasePart():
                return False
            case _:
                assert_never(self.part)

    @property
    def desired(self) -> Json:
        """The value that the spec asks for; None for none."""
        if self.fills:
            return None
        match self.desire:
            case (
                desires.SetAttribute(value=value)
                | desires.SetProfileField(value=value)
                | desires.SetDeviceField(value=value)
            ):
                return value
            case desires.AlterList(add=add):
                return list(add)
            case (
                desires.TakeAttribute()
                | desires.RemoveAttribute()
                | desires.IncrementAttribute()
                | desires.SetSubscription()
                | desires.Once()
                | desires.Erase()
                | desires.OfTheApp()
            ):
                return None
            case _:
                assert_never(self.desire)


class Columns:
    """Which columns of data files must not change: those with ids, and columns that specs with other ids also read."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        self._ids: set[Column] = set()
        readers: defaultdict[Column, set[tuple[str, ...]]] = defaultdict(set)
        for resource in resources:
            ids = tuple(column.name for column in resource.id_columns)
            for file in files_of(resource.source):
                self._ids |= {(file, name) for name in ids}
                for column in resource.columns_needed():
                    readers[file, column.name].add(ids)
        self._shared = {column for column, ids in readers.items() if len(ids) > 1}

    def fault(self, resource: Resource, column: str) -> WhyLeft | None:
        if column in {each.name for each in resource.id_columns}:
            return WhyLeft.IDS
        for file in files_of(resource.source):
            if (file, column) in self._ids:
                return WhyLeft.IDS
            if (file, column) in self._shared:
                return WhyLeft.COLUMN_SHARED
        return None


def members_of(resource: Resource, row: Row, seen: Observation, *, fill: bool) -> Iterator[Member]:
    """
    Yield what each part of *resource* asks for in *row*, except sends and increments, which are deliveries and no values,
    and subscriptions: a user who has left is never adopted as one to re-subscribe.

    With *fill*, empty cells whose field has a live value are yielded, too.
    """
    row_id = checked_id(row.values.get(resource.id_column.name), resource.id_column.name)
    for part in resource.parts:
        desire = part.desire(row.values, row_id)
        fills = desire is None
        if desire is None:
            desire = _unsaid(part, row_id) if fill else None
        key = None if desire is None else _key(desire)
        if desire is None or key is None or (fills and seen.live(key) is None):
            continue
        changes = () if fills else seen.decide(resource, row, desire).changes
        yield Member(resource, row, part, key, desire, seen.live(key), changes, fills)


def _unsaid(part: Part, row_id: str) -> Desire | None:
    """Return what *part* would ask for if its cell were not empty; the value is not the one."""
    match part:
        case CellPart(wish=desires.SetAttribute() | desires.SetProfileField() as wish):
            return wish
        case DevicePart(source=Cell(), name=name, asked_at=asked_at):
            return desires.SetDeviceField(row_id, name, "", asked_at)
        case (
            Always() | CellPart() | ListPart() | DevicePart() | SubscriptionPart() | OncePart() | ErasePart()
        ):
            return None
        case _:
            assert_never(part)


def _key(desire: Desire) -> FieldKey | None:
    match desire:
        case (
            desires.SetAttribute(name=name)
            | desires.TakeAttribute(name=name)
            | desires.RemoveAttribute(name=name)
            | desires.AlterList(name=name)
        ):
            return "attribute", name
        case desires.SetProfileField(name=name):
            return "profile", name
        case desires.SetDeviceField(device_id=device, name=name):
            return device, name
        case (
            desires.IncrementAttribute()
            | desires.SetSubscription()
            | desires.Once()
            | desires.Erase()
            | desires.OfTheApp()
        ):
            return None
        case _:
            assert_never(desire)


def new_cells(member: Member, seen: Observation, columns: Columns) -> Mapping[str, Json] | WhyLeft:
    """Return the new cells, by column, with which the row of *member* asks for the live value; or why there are none."""
    match member.part:
        case CellPart(cell=cell) | DevicePart(source=Cell() as cell):
            return _new_cell(member, cell, seen, columns)
        case ListPart():
            return _new_sides(member, member.part, columns)
        case Always() | DevicePart() | SubscriptionPart() | OncePart() | ErasePart():
            return WhyLeft.RENAMED
        case _:
            assert_never(member.part)


def _new_cell(
    member: Member, cell: Cell, seen: Observation, columns: Columns
) -> Mapping[str, Json] | WhyLeft:
    if (fault := columns.fault(member.source_of, cell.column)) is not None:
        return fault
    if isinstance(member.part, DevicePart) and member.live is None:
        return WhyLeft.NOT_SHOWN
    old = member.row.values.get(cell.column)
    is_text = csv_file_of(member.source_of.source) is not None
    if cell.mapped is not None and member.live is not None:
        options: Iterable[Json] = [key for key, value in cell.mapped.items() if same(value, member.live)]
    else:
        options = spellings(member.live, old, only_text=is_text)
    for option in options:
        if _gives(member, {cell.column: option}, seen):
            return {cell.column: option}
    if cell.mapped is not None:
        return WhyLeft.NOT_MAPPED
    match member.live:
        case dict():
            return WhyLeft.NESTED
        case list() | int() | float() if cell.type is None and is_text:
            return WhyLeft.TYPE
        case _:
            return WhyLeft.UNWRITABLE


def _gives(member: Member, cells: Mapping[str, Json], seen: Observation) -> bool:
    """Whether the row, with *cells*, asks for the live value, or for nothing if there is none."""
    if any(isinstance(value, str) and value in member.source_of.source.empty for value in cells.values()):
        return False
    values = {**member.row.values, **{column: as_cell(value) for column, value in cells.items()}}
    try:
        row_id = checked_id(values.get(member.source_of.id_column.name), "")
        desire = member.part.desire(values, row_id)
    except CellError:
        return False
    if desire is None:
        return member.live is None
    return not seen.decide(member.source_of, member.row, desire).changes


def _new_sides(member: Member, part: ListPart, columns: Columns) -> Mapping[str, Json] | WhyLeft:
    if not isinstance(member.live, list | None):
        return WhyLeft.UNWRITABLE
    there = {canonical(item) for item in member.live or ()}
    is_text = csv_file_of(member.source_of.source) is not None
    cells: dict[str, Json] = {}
    for side, keeps in ((part.add, True), (part.remove, False)):
        if not isinstance(side, Cell):
            continue
        items = side.read(member.row.values) or ()
        kept = [item for item in items if (canonical(item) in there) is keeps]
        if len(kept) == len(items):
            continue
        if (fault := columns.fault(member.source_of, side.column)) is not None:
            return fault
        old = member.row.values.get(side.column)
        cells[side.column] = next(spellings(kept or None, old, only_text=is_text))
    return cells


def new_literal(member: Member) -> Json:
    """Return the value for all rows with which the spec asks for the live value; None if there is none."""
    check: Check
    match member.desire:
        case desires.SetAttribute(only_if_absent=False) | desires.RemoveAttribute():
            if member.live is None:
                return REMOVED
            check = attribute_value
        case desires.SetProfileField(only_if_absent=False, name=name):
            check = profile_check(name)
        case desires.SetDeviceField(name=name):
            check = device_check(name)
        case (
            desires.SetAttribute()
            | desires.SetProfileField()
            | desires.TakeAttribute()
            | desires.AlterList()
            | desires.IncrementAttribute()
            | desires.SetSubscription()
            | desires.Once()
            | desires.Erase()
            | desires.OfTheApp()
        ):
            return None
        case _:
            assert_never(member.desire)
    for option in spellings(member.live, member.desired, only_text=False):
        try:
            if member.live is not None and same(check(option), member.live):
                return option
        except ConversionError:
            continue
    return None
