"""Checks every row of every resource, offline. Problems are collected, and valid rows are staged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from heapq import nlargest
from pathlib import Path
from typing import Final

from leanplum_sync.bounds import EVENTS_OF_A_USER, ROWS_OF_A_SUBJECT
from leanplum_sync.errors import SpecError
from leanplum_sync.kinds import Resource
from leanplum_sync.kinds.rows.absence import WORDS, id_remark, means_nothing
from leanplum_sync.kinds.rows.desires import Want
from leanplum_sync.kinds.rows.row import Row, RowError
from leanplum_sync.kinds.rows.source import is_readable_now, read_source_of, rows_files_of
from leanplum_sync.operations.problem_list import ListingFile, ProblemList
from leanplum_sync.operations.things import thing_problems
from leanplum_sync.planner.conflicts import conflicts, device_and_token, shared_fields, token_conflict
from leanplum_sync.problem import Place, Problem, Remark
from leanplum_sync.progress import Progress
from leanplum_sync.sources import rows
from leanplum_sync.sources.opening import ExpansionError
from leanplum_sync.specs import Loaded
from leanplum_sync.staging import Met, Staging

# Each file that is loaded at once is a table of its own, and a query over all of them takes memory for each. The rows of
# smaller files share one table: reading them one by one costs little.
_TABLES: Final = 10
_EMPTY_HINT: Final = "If the word means an empty cell, list it under `empty`. Otherwise it is sent as text."


@dataclass(frozen=True, slots=True)
class Findings:
    """
    *problems* are sorted by place, at most 10,000 of *total*; *listed* is the file with all of them, if one was written.
    *unread* are the queries whose rows were not read, so that nothing is known of them.

    *rows* and *subjects* count only valid ones. *remarks* are about specs and data that are valid.
    """

    problems: tuple[Problem, ...]
    total: int
    rows: int
    subjects: int
    listed: Path | None = None
    remarks: tuple[Remark, ...] = ()
    unread: tuple[str, ...] = ()

    def raise_if_any(self) -> None:
        """
        Raises:
            SpecError: there are problems.
        """
        if self.total:
            raise SpecError(self.problems, self.total, self.listed)


def check(
    loaded: Loaded,
    staging: Staging,
    progress: Progress,
    listing: ListingFile | None = None,
    *,
    strict: bool = False,
) -> Findings:
    """
    Read every row of *loaded*'s resources into *staging*, and return every problem of specs and data.

    Rows with problems are left out of *staging*. With *strict*, remarks are problems. Nothing here opens a socket.
    """
    remarks = [Remark(problem) for problem in loaded.remarks]
    with ProblemList(listing) as found:
        for problem in loaded.problems:
            found.report(problem)
        remarks += _stage(loaded, staging, progress, found)
        for problem in _at_odds(staging, loaded.resources):
            found.report(problem)
        for problem in thing_problems(loaded.resources):
            found.report(problem)
        for problem in _shared_folders(loaded.resources):
            found.report(problem)
        if (shared := staging.shared_tokens()) is not None:
            count, one, other = shared
            address = str(loaded.resources[one.resource].address)
            remarks.append(shared_token_remark(address, one.row.place, other.row.place, count))
        if strict:
            for problem in [*loaded.notes, *(remark.problem for remark in remarks)]:
                found.report(problem)
    return Findings(
        found.first(),
        found.total,
        staging.count_rows(),
        staging.count_subjects(),
        found.listed,
        () if strict else tuple(remarks),
        tuple(
            source.name
            for resource in loaded.resources
            if (source := read_source_of(resource.source)) is not None and source.kept is None
        ),
    )


def _shared_folders(resources: Sequence[Resource]) -> Iterator[Problem]:
    """Yield a problem for each document of exports whose folder is that of another one, or inside of it."""
    exporting = [(each.address, each.exports) for each in resources if each.exports is not None]
    for number, (address, series) in enumerate(exporting):
        for other, before in exporting[:number]:
            one, two = f"{series.folder}/", f"{before.folder}/"
            if one.startswith(two) or two.startswith(one):
                yield Problem(
                    series.place,
                    f"the folder {series.folder} is shared with {other}",
                    "Give each export a folder of its own.",
                    str(address),
                    also=before.place,
                )


def _stage(loaded: Loaded, staging: Staging, progress: Progress, found: ProblemList) -> list[Remark]:
    remarks: list[Remark] = []
    largest = _largest(loaded.resources, loaded.root)
    for number, resource in enumerate(loaded.resources):
        if not is_readable_now(resource.source):
            continue
        seen = RowRemarks(resource)
        with progress.track(f"Checking {resource.address}", None, "row") as task:
            try:
                loaded_rows = staging.load(number, resource, loaded.root) if number in largest else None
            except ExpansionError as error:
                for problem in error.problems:
                    found.report(problem)
                continue
            if loaded_rows is not None:
                _drop_bad(number, resource, staging, found, seen)
                task.advance(loaded_rows)
            else:
                for row in rows(resource.source, loaded.root, found.report):
                    task.advance()
                    if (want := _want(resource, row, found)) is not None:
                        staging.add(number, want.subject, row, device_and_token(want))
                        seen.see(row)
        remarks += seen.all()
    staging.close_rows()
    return remarks


def _largest(resources: Sequence[Resource], root: Path) -> frozenset[int]:
    """Return the numbers of the resources with the largest data files, as many as are loaded at once."""
    sizes = []
    for number, resource in enumerate(resources):
        for path in rows_files_of(resource.source):
            with suppress(OSError):  # reported where the file is read
                sizes.append(((root / path).stat().st_size, number))
    return frozenset(number for _, number in nlargest(_TABLES, sizes))


def _drop_bad(
    number: int, resource: Resource, staging: Staging, found: ProblemList, seen: RowRemarks
) -> None:
    def is_bad(row: Row) -> bool:
        if _want(resource, row, found) is None:
            return True
        seen.see_ids(row)
        return False

    staging.drop(number, (row for row in staging.doubtful(number, found.report) if is_bad(row)))
    for place, column in enumerate(staging.columns_loaded(number)):
        if column in seen.values and (told := staging.said(number, place, WORDS)) is not None:
            count, first = told
            seen.see_word(column, first.place, count)


def wants_of(met: Met, resources: Sequence[Resource]) -> list[Want]:
    """Return what all rows of one subject ask for, in the order of resources."""
    return [resources[staged.resource].want(staged.row) for staged in met.rows]


def _at_odds(staging: Staging, resources: Sequence[Resource]) -> Iterator[Problem]:
    """
    Yield conflicts: of lines of specs, one for each pair, because two specs may disagree about a million users in one way; and
    one for each row of data that is at fault.
    """
    events = {number: EVENTS_OF_A_USER.most for number, each in enumerate(resources) if each.has_events}
    for subject, count, first_of_them, second in staging.crowded(events):
        hint = (
            f"There may be at most {EVENTS_OF_A_USER}. Split the spec by time, with a `delivery` for each part."
            if second.resource in events
            else f"Keep one row for each id. There may be at most {ROWS_OF_A_SUBJECT}, one for each device."
        )
        yield Problem(
            second.row.place,
            f"{count:,} rows have the id {subject.id}",
            hint,
            str(resources[second.resource].address),
            also=first_of_them.row.place,
        )
    first: dict[tuple[Place, Place | None], Problem] = {}
    more: Counter[tuple[Place, Place | None]] = Counter()
    for met in staging.repeated(shared_fields(resources)):
        for problem in conflicts(wants_of(met, resources)):
            if problem.place.row is not None:
                yield problem
                continue
            lines = (problem.place, problem.also)
            more[lines] += lines in first
            first.setdefault(lines, problem)
    for first_row, other in staging.contested():
        yield token_conflict(resources[other.resource].address, other.row.place, first_row.row.place)
    for lines, problem in first.items():
        others = f", and the same for {more[lines]} more" if more[lines] else ""
        yield replace(problem, message=problem.message + others)


def _want(resource: Resource, row: Row, found: ProblemList) -> Want | None:
    try:
        return resource.want(row)
    except RowError as error:
        for problem in error.problems:
            found.report(problem)
        return None


@dataclass(slots=True)
class _Seen:
    count: int
    first: Place


class RowRemarks:
    """Remarks on the rows of one resource. *values* are the columns that it takes values from."""

    def __init__(self, resource: Resource) -> None:
        self._address = str(resource.address)
        self._ids = tuple(column.name for column in resource.id_columns)
        needed = (column.name for column in resource.columns_needed())
        self.values = tuple(column for column in needed if column not in self._ids)
        self._odd_ids: dict[str, _Seen] = {}
        self._words: dict[str, _Seen] = {}

    def see(self, row: Row) -> None:
        self.see_ids(row)
        for column in self.values:
            value = row.values.get(column)
            if type(value) is str and means_nothing(value):
                self.see_word(column, row.place)

    def see_ids(self, row: Row) -> None:
        for column in self._ids:
            value = row.values.get(column)
            if isinstance(value, str) and (oddity := id_remark(value)):
                _count(self._odd_ids, f"ids in column {column} {oddity}", row.place)

    def see_word(self, column: str, first: Place, count: int = 1) -> None:
        _count(self._words, column, first, count)

    def all(self) -> Iterator[Remark]:
        for sentence, seen in self._odd_ids.items():
            yield self._remark(seen, f"{seen.count:,} {sentence}", "Compare them with the ids in Leanplum.")
        for column, seen in self._words.items():
            rows = _amount(seen.count, "row")
            message = f"column {column} has a word for a missing value, such as NULL, in {rows}"
            yield self._remark(seen, message, _EMPTY_HINT)

    def _remark(self, seen: _Seen, message: str, hint: str) -> Remark:
        return Remark(Problem(seen.first, message, hint, self._address), seen.count)


def _count(found: dict[str, _Seen], what: str, first: Place, count: int = 1) -> None:
    seen = found.setdefault(what, _Seen(0, first))
    seen.count += count


def _amount(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def shared_token_remark(address: str, first: Place, other: Place, count: int) -> Remark:
    message = (
        f"{_amount(count, 'push token')} belong{'s' if count == 1 else ''} to more than one device or user"
    )
    hint = "All their push messages would go to the same phone: keep the row of its current user."
    return Remark(Problem(first, message, hint, address, also=other), count)
