"""
Finds the cells and values of specs to change, so that the specs ask for what is live.

Whether a new cell is right is not computed, but tried: the subject is planned again with it. It is accepted only if the plan no
longer changes the field, and changes nothing that it did not change before.

=================================  ==============================================================================
the spec takes the value from      what is changed
=================================  ==============================================================================
a column                           the cell of the row; emptied if the user has no such value
one value for all rows             that value, if it differs from the live one in every row, and always in one way
a list's ``add`` and ``remove``    the cells, which lose the items that the live list lacks or has
another attribute (``from``)       nothing: what to do is for a person to say
=================================  ==============================================================================
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Final, TypeAlias

from leanplum_sync.address import Subject
from leanplum_sync.clock import Clock
from leanplum_sync.kinds import Resource
from leanplum_sync.kinds.rows.desires import Want
from leanplum_sync.kinds.rows.row import RowError
from leanplum_sync.observed.users import ReadsUsers
from leanplum_sync.operations.adopted_values import (
    Columns,
    FieldKey,
    Member,
    Observation,
    WhyLeft,
    members_of,
    new_cells,
    new_literal,
)
from leanplum_sync.operations.drift import KnowsFootprints, Origin, origin_of
from leanplum_sync.operations.observing import Observed, naming_the_place, observe
from leanplum_sync.planner.change import Change, Effect, effect_of
from leanplum_sync.planner.conflicts import conflicts
from leanplum_sync.planner.known import NOTHING_KNOWN
from leanplum_sync.planner.subject import Context, plan_subject, waves
from leanplum_sync.problem import Place
from leanplum_sync.progress import Progress
from leanplum_sync.sources import rows
from leanplum_sync.specs import Loaded
from leanplum_sync.staging import Met, Staging
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.number import as_cell
from leanplum_sync.wire.profile import read_profile
from leanplum_sync.wire.values import canonical

_SUBJECTS_AT_ONCE: Final = 500
_SAMPLES: Final = 3
RowKey: TypeAlias = tuple[str, int, int, int]  # file, row, line, column: the last two for items of a spec
Cells: TypeAlias = dict[str, Json]  # by column


@dataclass(frozen=True, slots=True)
class Choice:
    """
    What to adopt: values of *users*, None for all. With *everything*, also values that others did not change; with *fill*, also
    values of which the cell is empty.
    """

    users: frozenset[Subject] | None = None
    everything: bool = False
    fill: bool = False


@dataclass(frozen=True, slots=True)
class Adopted:
    """
    A value to write: *after*, the live one, in place of *before*, which the spec asked for.

    It goes to *column* of the row at *place*. If *column* is empty, *place* is the line of the spec with one value for all
    *rows*, and *subject* is empty. *written* is how the value is spelled there.
    """

    resource: str
    subject: str
    field: str
    place: Place
    column: str
    before: Json
    after: Json
    written: Json
    rows: int = 1


@dataclass(frozen=True, slots=True)
class Left:
    """A field of *users* users that differs and can't be adopted; *samples* are a few of them."""

    resource: str
    field: str
    why: WhyLeft
    users: int
    samples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Adoption:
    """
    *pending* counts the differences that others did not make, and that were left out for that.

    *listed* counts the users of the specs, *unreadable* those who could not be read. *unlisted* were asked for, but are in no spec.
    """

    adopted: tuple[Adopted, ...]
    left: tuple[Left, ...]
    pending: int
    listed: int
    unreadable: int
    unlisted: int
    reads: int
    observed: tuple[float | None, float | None]


def adopt(
    loaded: Loaded,
    staging: Staging,
    observed: Observed,
    choice: Choice,
    *,
    app: str,
    environment: str,
    reader: ReadsUsers,
    journal: KnowsFootprints,
    clock: Clock,
    progress: Progress,
) -> Adoption:
    """
    Return what to write into the specs and data files of *loaded*, whose rows ``check`` staged. It has no sends.

    Raises:
        StalePlanError: the snapshot is too old, or lacks subjects.
        ApiError, CredentialError: live state can't be read.
    """
    reads, unreadable = observe(staging, observed, reader, clock, progress, only=choice.users)
    digests, applied = loaded.digests(), journal.applied_specs(app, environment)
    unchanged = {
        each for each, digest in digests.items() if each in applied and applied[each].digest == digest
    }
    context = Context(
        waves({each.address: each.depends_on for each in loaded.resources if each.kind.has_waves}),
        {},
        former=loaded.former_names,
    )
    found = _Finding(loaded, context, choice, unchanged)
    unlisted = set(choice.users or ())
    with (
        progress.track("Comparing", staging.users.count_passed(), "user") as task,
        naming_the_place(observed),
    ):
        stream = staging.met()
        while page := list(islice(stream, _SUBJECTS_AT_ONCE)):
            subjects = [met.subject for met in page]
            known = journal.known(app, subjects)
            footprints = journal.footprints(app, environment, subjects)
            unlisted.difference_update(subjects)
            for met in page:
                if met.element is not None and (choice.users is None or met.subject in choice.users):
                    left = footprints.get(met.subject, {})
                    of_subject = known.get(met.subject, NOTHING_KNOWN)
                    found.compare(met, Observation(met.subject, read_profile(met.element), of_subject), left)
            task.advance(len(page))
    found.decide_literals()
    return Adoption(
        tuple(found.adopted),
        found.left(),
        found.pending,
        staging.count_subjects(),
        len(unreadable),
        len(unlisted),
        reads,
        staging.users.between(),
    )


def row_key(place: Place) -> RowKey:
    """Return what identifies a row, whichever resource reads it."""
    return (place.file, place.row, 0, 0) if place.row else (place.file, 0, place.line or 0, place.column or 0)


@dataclass(slots=True)
class _Votes:
    """What the rows of one resource say about one value for all of them."""

    member: Member
    rows: int = 0
    subjects: list[str] = field(default_factory=list)
    live: dict[Hashable, Json] = field(default_factory=dict)
    is_shared: bool = False  # another spec gives the same users a value, too


class _Trial:
    """The rows of one subject with new cells, of which it is tried whether they can be accepted."""

    def __init__(self, met: Met, seen: Observation, resources: Sequence[Resource], context: Context) -> None:
        self._met, self._seen, self._resources, self._context = met, seen, resources, context
        self._cells: dict[RowKey, Cells] = {}
        self._before = self._changed(self._cells) or frozenset()

    def adopt(
        self, key: FieldKey, members: Sequence[Member], columns: Columns
    ) -> Sequence[Adopted] | WhyLeft:
        """Change the cells of all *members*, which are about the field *key*, or none; return why not."""
        tried = {row: dict(cells) for row, cells in self._cells.items()}
        adopted = []
        for member in members:
            cells = new_cells(member, self._seen, columns)
            if isinstance(cells, WhyLeft):
                return cells
            of_row = tried.setdefault(row_key(member.row.place), {})
            for column, value in cells.items():
                if column not in of_row:
                    adopted.append(_adopted(member, self._met.subject, column, value))
                elif of_row[column] != value:
                    return WhyLeft.COLUMN_SHARED
                of_row[column] = value
        after = self._changed(tried)
        if after is None or key in after or not after <= self._before:
            return WhyLeft.COLUMN_SHARED
        self._cells = tried
        return adopted

    def _changed(self, cells: Mapping[RowKey, Cells]) -> frozenset[FieldKey] | None:
        """Return the fields that a plan changes if rows have *cells*; None if the rows are invalid then."""
        try:
            wants = list(self._wants(cells))
        except RowError:
            return None
        if any(conflicts(wants)):
            return None
        plan = plan_subject(wants, self._seen.profile, self._seen.known, self._context)
        return frozenset(key for change in plan.changes if (key := _key_of(change)) is not None)

    def _wants(self, cells: Mapping[RowKey, Cells]) -> Iterator[Want]:
        for staged in self._met.rows:
            row = staged.row
            new = {name: as_cell(value) for name, value in cells.get(row_key(row.place), {}).items()}
            yield self._resources[staged.resource].want(
                replace(row, values={**row.values, **new}) if new else row
            )


class _Finding:
    def __init__(self, loaded: Loaded, context: Context, choice: Choice, unchanged: Collection[str]) -> None:
        self.adopted: list[Adopted] = []
        self.pending = 0
        self._loaded, self._context, self._choice = loaded, context, choice
        self._unchanged = unchanged
        self._columns = Columns(loaded.resources)
        self._left: dict[tuple[str, str, WhyLeft], tuple[int, list[str]]] = {}
        self._votes: dict[Place, _Votes] = {}

    def left(self) -> tuple[Left, ...]:
        return tuple(
            Left(*key, count, tuple(samples)) for key, (count, samples) in sorted(self._left.items())
        )

    def _leave(self, resource: str, name: str, why: WhyLeft, subject: Subject | str) -> None:
        count, samples = self._left.get((resource, name, why), (0, []))
        if len(samples) < _SAMPLES:
            samples.append(str(subject))
        self._left[resource, name, why] = count + 1, samples

    def compare(self, met: Met, seen: Observation, footprints: Mapping[str, str]) -> None:
        groups = self._groups(met, seen)
        if not seen.profile.exists:
            first = next((member for group in groups.values() for member in group), None)
            if first is not None and (footprints or self._choice.everything):
                self._leave(first.resource, "", WhyLeft.MISSING, met.subject)
            return
        trial = _Trial(met, seen, self._loaded.resources, self._context)
        for key, group in groups.items():
            differing = [member for member in group if member.differs]
            if not self._is_chosen(differing, footprints):
                self.pending += 1
            elif any(member.is_literal for member in differing):
                self._vote(group, differing, met.subject)
            else:
                adopted = trial.adopt(key, differing, self._columns)
                if isinstance(adopted, WhyLeft):
                    self._leave(differing[0].resource, differing[0].name, adopted, met.subject)
                else:
                    self.adopted += adopted

    def _groups(self, met: Met, seen: Observation) -> dict[FieldKey, list[Member]]:
        """Return the members of each field that differs, or is to be filled."""
        groups: defaultdict[FieldKey, list[Member]] = defaultdict(list)
        for staged in met.rows:
            resource = self._loaded.resources[staged.resource]
            for member in members_of(resource, staged.row, seen, fill=self._choice.fill):
                groups[member.key].append(member)
        return {key: group for key, group in groups.items() if any(member.differs for member in group)}

    def _is_chosen(self, members: Iterable[Member], footprints: Mapping[str, str]) -> bool:
        if self._choice.everything:
            return True
        return all(
            origin_of(change, footprints, unchanged=member.resource in self._unchanged) is Origin.OTHERS
            for member in members
            for change in member.changes
        )

    def _vote(self, group: Sequence[Member], differing: Sequence[Member], subject: Subject) -> None:
        """Note that a value for all rows differs. If another spec gives the field as well, both would have to change."""
        lines = {member.desire.asked_at for member in group}
        for member in differing:
            if not member.is_literal:
                self._leave(member.resource, member.name, WhyLeft.SHARED, subject)
                continue
            votes = self._votes.setdefault(member.desire.asked_at, _Votes(member))
            votes.rows += 1
            votes.is_shared |= len(lines) > 1
            if len(votes.subjects) < _SAMPLES:
                votes.subjects.append(str(subject))
            if len(votes.live) <= 1:  # more than one is too many already
                votes.live.setdefault(canonical(member.live), member.live)

    def decide_literals(self) -> None:
        for place, votes in self._votes.items():
            member = votes.member
            value = None if votes.is_shared or len(votes.live) > 1 else new_literal(member)
            if value is not None and votes.rows == self._count_rows(member.source_of):
                self.adopted.append(
                    Adopted(
                        member.resource,
                        "",
                        member.name,
                        place,
                        "",
                        member.desired,
                        member.live,
                        value,
                        votes.rows,
                    )
                )
            else:
                key = (member.resource, member.name, WhyLeft.SHARED)
                count, samples = self._left.get(key, (0, []))
                self._left[key] = count + votes.rows, [*samples, *votes.subjects][:_SAMPLES]

    def _count_rows(self, resource: Resource) -> int:
        return sum(1 for _ in rows(resource.source, self._loaded.root, lambda _: None))


def _adopted(member: Member, subject: Subject, column: str, value: Json) -> Adopted:
    return Adopted(
        member.resource,
        str(subject),
        member.shown_name,
        member.row.place,
        column,
        member.desired,
        member.live,
        value,
    )


def _key_of(change: Change) -> FieldKey | None:
    match effect_of(change.kind):
        case Effect.ATTRIBUTE | Effect.ITEMS_ADDED | Effect.ITEMS_REMOVED:
            return "attribute", change.field
        case Effect.PROFILE_FIELD:
            return "profile", change.field
        case Effect.DEVICE_FIELD:
            return change.device_id, change.field
        case (
            Effect.EXISTENCE
            | Effect.ABSENCE
            | Effect.SUM
            | Effect.SUBSCRIPTION
            | Effect.MESSAGE
            | Effect.OCCURRENCE
            | Effect.THING
        ):
            return None
