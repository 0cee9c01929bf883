"""Kinds of resources, and the resource that a document of a kind is turned into."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar, get_args

from pydantic import BaseModel

from leanplum_sync.address import ResourceAddress, Subject, SubjectKind
from leanplum_sync.kinds.expectation import Expectation
from leanplum_sync.kinds.export_series import ExportSeries
from leanplum_sync.kinds.rows.cells import is_supplied
from leanplum_sync.kinds.rows.desires import TakeAttribute, Want
from leanplum_sync.kinds.rows.document import Document, Listing
from leanplum_sync.kinds.rows.erase_part import ErasePart
from leanplum_sync.kinds.rows.parts import Always, EventPart, MessageReference, Part, Reader, SendPart
from leanplum_sync.kinds.rows.row import CellError, Row, RowError, checked_id
from leanplum_sync.kinds.rows.site import Path, Site
from leanplum_sync.kinds.rows.source import DataSource, NeededColumn
from leanplum_sync.kinds.rows.subscription_part import SubscriptionPart
from leanplum_sync.problem import Place, Problem
from leanplum_sync.wire.action import DeliveryClass, Json
from leanplum_sync.wire.catalogue import KeyClass

D = TypeVar("D", bound=Document)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind(Generic[D]):
    """
    Everything that differs between kinds. Other code asks a kind for it instead of checking which kind it has.

    No member has a default: a kind that lacks one fails when its module is imported.
    """

    name: str  # the document's `kind`
    summary: str  # one sentence for the reference pages and for editors
    document: type[D]
    rows_key: str  # the key of `spec` that says where the rows are; empty for a kind without rows
    rows: Callable[[D], Listing | None]
    subjects: (
        SubjectKind  # what the id in a row identifies; of a kind without rows, the things that it writes
    )
    build: Callable[[D, Site], Resource]
    entries: tuple[
        str, ...
    ]  # mappings in `spec` whose entries are checked one by one, so that a bad one can be left out
    stand_ins: Mapping[
        Path, Json
    ]  # values for required keys, so that a document without them can still be checked
    reads: tuple[str, ...]  # API actions that planning calls
    writes: tuple[str, ...]  # API actions that applying calls
    key: KeyClass | None  # which key its writes need; None for a kind that writes nothing
    delivery: tuple[DeliveryClass, ...]
    hazards: tuple[str, ...]  # names of hazards that only some kinds add to a plan
    tables: Mapping[str, type[BaseModel]]  # tables of keys on the reference pages, by their names there

    def __post_init__(self) -> None:
        literal = get_args(self.document.model_fields["kind"].annotation)
        if literal != (self.name,):
            raise ValueError(f"{self.name}: its document says `kind` is {literal}")
        if not (self.reads and self.tables and self.summary):
            raise ValueError(f"{self.name}: summary, reads, and tables must not be empty")
        if not bool(self.writes) == bool(self.delivery) == (self.key is not None):
            raise ValueError(f"{self.name}: only a kind that writes says with which key and delivery class")
        if self.has_rows and (not self.writes or self.subjects.is_thing):
            raise ValueError(f"{self.name}: a kind with rows writes users or devices")

    @property
    def has_rows(self) -> bool:
        """Whether its documents list users or devices. One without rows is compared with the app as a whole."""
        return bool(self.rows_key)

    @property
    def has_waves(self) -> bool:
        """Whether others may have to wait until what it asks for was written."""
        return bool(self.writes)

    @property
    def creates_users(self) -> bool:
        """Whether its documents have ``createUsers``."""
        return "createdUsers" in self.hazards

    @property
    def drifts(self) -> bool:
        """Whether anything that this kind writes can be read back later, and so differ from what was written."""
        return bool(self.writes) and self.delivery != (DeliveryClass.ONCE,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """
    A document, ready to be asked what each of its rows wants.

    *place* is the document's ``kind`` line. *user_column* holds the userId in rows about devices, if they name one.
    *parts* are the lines of the spec, in order; *expectations* are what the app must have; *wants* are about things of the app, one for each; *exports* are files that the project must have.
    *digest* depends on what the spec says, but not on its layout or its data file.
    """

    kind: Kind[Any]
    address: ResourceAddress
    depends_on: tuple[ResourceAddress, ...]
    place: Place
    source: DataSource
    id_column: NeededColumn
    parts: tuple[Part, ...]
    create_users: bool = False
    user_column: NeededColumn | None = None
    digest: str = ""
    expectations: tuple[Expectation, ...] = ()
    wants: tuple[Want, ...] = ()
    exports: ExportSeries | None = None

    @property
    def id_columns(self) -> tuple[NeededColumn, ...]:
        return (self.id_column, self.user_column) if self.user_column else (self.id_column,)

    @property
    def has_events(self) -> bool:
        """Whether a user may have many rows, each an event of its own."""
        return any(isinstance(part, EventPart) for part in self.parts)

    @property
    def manages_subscriptions(self) -> bool:
        return any(isinstance(part, SubscriptionPart) for part in self.parts)

    @property
    def may_resubscribe(self) -> bool:
        """Whether a row with a consent can re-subscribe its user."""
        return any(isinstance(part, SubscriptionPart) and part.consent is not None for part in self.parts)

    @property
    def erases(self) -> bool:
        """Whether its rows list users to erase."""
        return any(isinstance(part, ErasePart) for part in self.parts)

    @property
    def required_columns(self) -> tuple[NeededColumn, ...]:
        """The columns that no row may leave empty: ids, and the keys and times of events."""
        return (
            *self.id_columns,
            *(column for part in self.parts if isinstance(part, EventPart) for column in part.required),
        )

    @property
    def message(self) -> MessageReference | None:
        """The message that the rows send, if they send one."""
        return next((part.message for part in self.parts if isinstance(part, SendPart)), None)

    def columns_needed(self) -> tuple[NeededColumn, ...]:
        """Return each column that the spec names, once, in the order of the spec."""
        needed = {self.id_column.name: self.id_column}
        for part in self.parts:
            for column in part.columns:
                needed.setdefault(column.name, column)
        for column in self.id_columns:
            needed.setdefault(column.name, column)
        return tuple(needed.values())

    def want(self, row: Row) -> Want:
        """
        Return what *row* asks for its subject.

        Raises:
            RowError: holds every problem of the row.
        """
        values = row.values
        try:
            row_id = checked_id(values.get(self.id_column.name), self.id_column.name)
            subject = Subject(self.kind.subjects, row_id)
            if self.user_column is not None and is_supplied(user_id := values.get(self.user_column.name)):
                subject = Subject.user(checked_id(user_id, self.user_column.name))
            desires = [wish for part in self.parts if (wish := part.desire(values, row_id)) is not None]
        except CellError:
            raise self._row_error(row) from None
        return Want(self.address, subject, self.create_users, row.place, tuple(desires))

    def _row_error(self, row: Row) -> RowError:
        """Collect every problem of a bad row. Good rows never pay for this second pass."""
        faults: list[tuple[CellError, Place | None]] = []
        for asked_at, read in self._readers(row.values):
            try:
                read(row.values)
            except CellError as fault:
                faults.append((fault, asked_at))
        problems = (
            Problem(row.place, fault.message, fault.hint, address=str(self.address), also=asked_at)
            for fault, asked_at in faults
        )
        return RowError(list(dict.fromkeys(problems)))

    def _readers(self, values: Mapping[str, Json]) -> Iterator[tuple[Place | None, Reader]]:
        for column in self.id_columns:
            if column is self.id_column or is_supplied(values.get(column.name)):
                yield None, partial(_read_id, column.name)
        for part in self.parts:
            yield from part.readers()


def _read_id(column: str, values: Mapping[str, Json]) -> str:
    return checked_id(values.get(column), column)


def resource_at(
    site: Site,
    kind: Kind[Any],
    *,
    id_column: NeededColumn,
    parts: tuple[Part, ...],
    create_users: bool = False,
    user_column: NeededColumn | None = None,
    expectations: tuple[Expectation, ...] = (),
    wants: tuple[Want, ...] = (),
    exports: ExportSeries | None = None,
) -> Resource:
    """Return a resource of *kind* for the document at *site*."""
    return Resource(
        kind=kind,
        address=site.address,
        depends_on=site.depends_on,
        place=site.place(("kind",)),
        source=site.source,
        id_column=id_column,
        parts=parts,
        create_users=create_users,
        user_column=user_column,
        expectations=expectations,
        wants=wants,
        exports=exports,
    )


def with_renamed(sensitive: frozenset[str], resources: Iterable[Resource]) -> frozenset[str]:
    """Return *sensitive* and the names that *resources* rename them to or from, however many renames it takes."""
    pairs = [
        {part.wish.name, part.wish.source}
        for resource in resources
        for part in resource.parts
        if isinstance(part, Always) and isinstance(part.wish, TakeAttribute)
    ]
    found = sensitive
    while more := frozenset().union(*(pair for pair in pairs if pair & found)) - found:
        found |= more
    return found
