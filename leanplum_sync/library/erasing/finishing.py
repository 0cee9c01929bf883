"""
Finishes the erasures of a run: proves that the users are gone, deletes the project's own traces of them, searches for what is left,
and writes a receipt for each request.

Every step can be repeated. The plan, its copies, and its snapshot are deleted last, after the receipts and the journal's entry: applying the
plan again continues after an interruption, and the snapshot has the values to search for.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from leanplum_sync.address import Subject
from leanplum_sync.client.throttle import Pace
from leanplum_sync.clock import Clock
from leanplum_sync.errors import CredentialError, JournalError, LeanplumSyncError, StorageError
from leanplum_sync.journal.database import describe, is_address
from leanplum_sync.journal.erasing import ErasureEntry, People
from leanplum_sync.journal.lock import Lease
from leanplum_sync.journal.writer import Journal
from leanplum_sync.library.erasing import cleaning, searching
from leanplum_sync.library.erasing.needles import KnownUsers, Matcher, Needles
from leanplum_sync.observed.snapshot_entries import read
from leanplum_sync.observed.users import Reading, ReadsUsers, Shown, Withheld
from leanplum_sync.planfile import PlanFile
from leanplum_sync.planfile.part import PlanPart
from leanplum_sync.planner.change import Change, ChangeKind, Effect, effect_of
from leanplum_sync.project.model import ProjectFile
from leanplum_sync.project.settings import Settings
from leanplum_sync.wire.erasing import is_blocked
from leanplum_sync.wire.profile import read_profile

if TYPE_CHECKING:
    from leanplum_sync.render.erasure import ErasureReceipt

_AT_ONCE: Final = 500
_LATER: Final = "needed until the erasure is finished"


@dataclass(frozen=True, slots=True)
class Finished:
    """*receipts* are files. *remaining* are users who still exist, or could not be read: nothing about them was deleted."""

    erased: int
    remaining: tuple[Subject, ...]
    cleaned: cleaning.Cleaned
    search: searching.Search
    receipts: tuple[Path, ...]

    @property
    def is_complete(self) -> bool:
        return not self.remaining and not self.cleaned.failed


@dataclass(frozen=True, slots=True)
class Around:
    """What finishing works with."""

    settings: Settings
    project: ProjectFile
    journal: Journal
    lease: Lease
    clock: Clock


@dataclass(frozen=True, slots=True)
class Erasures:
    """The users whom *plan*, or the part of it that is applied, erases, by their changes. *others* are those of its other parts."""

    plan: PlanFile
    changes: Mapping[Subject, Change]
    others: frozenset[Subject]

    @classmethod
    def of(cls, plan: PlanFile, part: PlanPart) -> Erasures | None:
        """Return those of *part*, the part of *plan* that is applied; None if it erases nobody."""
        if not part.summary.count(ChangeKind.ERASE, ChangeKind.BLOCK):
            return None
        found = _erased_by(part)
        others = () if part.part is None else _erased_by(plan).keys() - found.keys()
        return cls(plan, found, frozenset(others))

    def begin(self, journal: Journal, lease: Lease, run: int, now: float) -> None:
        """Record that the users are about to be erased, so that ``status`` shows what was not finished."""
        people, recorded = journal.people(self.plan.header.target.app_id), self._recorded(journal)
        entries = [self._entry(people, each, run, now) for each in self.changes]
        journal.store_erasures(lease, [each for each in entries if (each.person, run) not in recorded])

    def _entry(self, people: People, subject: Subject, run: int, now: float) -> ErasureEntry:
        change, target = self.changes[subject], self.plan.header.target
        return ErasureEntry(
            app=target.app_id,
            person=people(subject)[0],
            environment=target.environment,
            run=run,
            full=change.after["full"] is True,
            block=change.kind is ChangeKind.BLOCK,
            request=str(change.after["request"]),
            planned_at=now,
        )

    def finish(self, around: Around, run: int, known: KnownUsers, reader: ReadsUsers) -> Finished:
        """
        Raises:
            ApiError, CredentialError: the users can't be read. Nothing was deleted.
            JournalError, StorageError: something can't be deleted or written. Apply the plan again to continue.
        """
        settings, journal, lease, clock = around.settings, around.journal, around.lease, around.clock
        gone = _absent(self.changes, reader, settings, clock)
        remaining = tuple(sorted(self.changes.keys() - gone))
        cleaned, search = cleaning.Cleaned(), searching.Search()
        if not gone:
            return Finished(0, remaining, cleaned, search, ())
        _learn(known, settings, gone)
        needles = known.of(gone)
        matcher = Matcher(needles)
        devices = needles.ids - {each.id for each in gone}
        last = cleaning.last_of(self.plan, settings, journal, matcher)
        self._clean(around, matcher, cleaned, last, gone | {Subject.device(each) for each in devices})
        # Otherwise, what is deleted last is needed to continue.
        is_clean = not (remaining or cleaned.failed)
        is_complete = is_clean and not self._others_left(journal)
        _search(around, matcher, search, last.paths, is_complete=is_complete)
        now, people = clock.now(), journal.people(self.plan.header.target.app_id)
        cleaned_at = now if is_clean else None
        done = [
            replace(self._entry(people, each, run, now), erased_at=now, cleaned_at=cleaned_at)
            for each in sorted(gone)
        ]
        recorded = self._recorded(journal)
        if (
            is_complete
            and not cleaned.is_anything
            and all((each.person, each.run) in recorded for each in done)
        ):
            # Only this was left. The earlier receipts also have what values were found, which may not be known any more.
            last.announce(cleaned)
            last.delete(journal, cleaned)
            return Finished(len(gone), remaining, cleaned, search, earlier_receipts(run, settings))
        if is_complete:
            last.announce(cleaned)
        absent = {people(each)[0] for each in gone if self.changes[each].after.get("exists") is False}
        told = partial(_receipts, self.plan, settings, run, done, absent, cleaned, search, needles)
        receipts = write_receipts(told(), settings)
        journal.store_erasures(lease, done)  # until then, `status` shows that they are not finished
        if is_complete:
            last.delete(journal, cleaned)
            if cleaned.failed:
                receipts = write_receipts(told(), settings)
        return Finished(len(gone), remaining, cleaned, search, receipts)

    def _others_left(self, journal: Journal) -> bool:
        """Whether the plan has other parts whose users are not erased, as far as this journal knows."""
        header = self.plan.header
        people = journal.people(header.target.app_id) if self.others else None
        erased = {
            each.person
            for each in journal.erasures(header.target.app_id)
            if each.erased_at is not None and each.planned_at >= header.created_at
        }
        return people is not None and any(erased.isdisjoint(people(each)) for each in self.others)

    def _recorded(self, journal: Journal) -> frozenset[tuple[str, int]]:
        """Return the people, with runs, whose erasures the journal has as finished: they have receipts."""
        return frozenset(
            (each.person, each.run)
            for each in journal.erasures(self.plan.header.target.app_id)
            if each.cleaned_at is not None
        )

    def _clean(
        self,
        around: Around,
        matcher: Matcher,
        cleaned: cleaning.Cleaned,
        last: cleaning.Last,
        everybody: Collection[Subject],
    ) -> None:
        settings, journal = around.settings, around.journal
        app = self.plan.header.target.app_id
        cleaning.discard_baselines(settings, around.project, cleaned)
        cleaning.delete_kept_files(journal, settings, app, matcher, cleaned, besides=last.kept)
        cleaning.delete_files(settings, matcher, cleaned, besides=last.paths)
        try:
            cleaned.rows.update(journal.erase(around.lease, everybody))
        except JournalError as error:
            cleaned.failed.append((describe(settings.journal), str(error)))


def _search(
    around: Around, matcher: Matcher, search: searching.Search, last: Collection[Path], *, is_complete: bool
) -> None:
    """Search the project folder and the journal. *last* are files that will be deleted if the erasure *is_complete*."""
    settings = around.settings

    def why_skipped(path: Path) -> str | None:
        if path.resolve() in last:
            return _LATER
        return cleaning.why_skipped(path, settings)

    searching.search_folder(settings.root, matcher, search, why_skipped, linked=[settings.state_folder])
    if is_complete:
        search.skipped[:] = [each for each in search.skipped if each[1] != _LATER]
    try:
        for table, content in around.journal.texts():
            search.note(f"the journal, table {table}", matcher.find(content))
    except CredentialError:
        search.unread.append(("the journal", "a part of it is encrypted with another key"))


def _erased_by(plan: PlanFile | PlanPart) -> dict[Subject, Change]:
    found: dict[Subject, Change] = {}
    subjects = list(plan.subjects())
    for start in range(0, len(subjects), _AT_ONCE):
        page = subjects[start : start + _AT_ONCE]
        for subject, changes in plan.changes_of(page).items():
            found.update((subject, each) for each in changes if effect_of(each.kind) is Effect.ABSENCE)
    return found


def _absent(
    changes: Mapping[Subject, Change], reader: ReadsUsers, settings: Settings, clock: Clock
) -> frozenset[Subject]:
    """Return which of the users don't exist, or are blocked, by reading each of them now."""
    limits = settings.environment.limits
    pace = Pace(concurrency=1, requests_per_second=limits.requests_per_second, clock=clock)
    found = set()
    for answer in Reading(reader, pace, clock).try_to_read(sorted(changes)):
        if isinstance(answer, Shown):
            is_gone = not read_profile(answer.element).exists
        else:
            is_gone = isinstance(answer, Withheld) and is_blocked(answer.error.reason)
        if is_gone:
            found.add(answer.subject)
    return frozenset(found)


def _learn(known: KnownUsers, settings: Settings, subjects: Collection[Subject]) -> None:
    """Learn what the latest snapshot has of *subjects*: after an interruption, nobody can read them any more."""
    for path in (settings.snapshot, settings.unfinished_snapshot):
        try:
            for entry in read(path):
                if entry.subject in subjects:
                    known.add(entry.subject, entry.element)
        except (LeanplumSyncError, OSError, ValueError):
            continue


def _receipts(  # noqa: PLR0917 - all that it tells
    plan: PlanFile,
    settings: Settings,
    run: int,
    done: Sequence[ErasureEntry],
    absent: Collection[str],
    cleaned: cleaning.Cleaned,
    search: searching.Search,
    needles: Needles,
) -> Iterator[ErasureReceipt]:
    """Yield a receipt for each request. Users without a request have one together."""
    from leanplum_sync.render.erasure import ErasureReceipt  # noqa: PLC0415 - as in ``write_receipts``

    by_request: dict[str, list[ErasureEntry]] = defaultdict(list)
    for entry in done:
        by_request[entry.request].append(entry)
    for request, entries in by_request.items():
        yield ErasureReceipt(
            request=request,
            run=run,
            plan_digest=plan.header.digest,
            target=plan.header.target,
            people=tuple(entries),
            absent=absent,
            deleted_files=tuple(cleaned.files),
            deleted_kept_files=tuple(cleaned.kept),
            discarded_baselines=tuple(cleaned.baselines),
            journal_rows=cleaned.rows,
            not_deleted=tuple(cleaned.failed),
            journal=_journal_name(settings),
            searched_files=search.files,
            searched_bytes=search.size,
            not_searched=(*search.unread, *search.skipped),
            found=tuple((each.place, each.ids, each.values) for each in search.found),
            too_common=needles.too_common,
        )


def write_receipts(receipts: Iterable[ErasureReceipt], settings: Settings) -> tuple[Path, ...]:
    """
    Write each of *receipts* as JSON and as Markdown, readable by the owner only, and return the files.

    Raises:
        StorageError: they can't be written.
    """
    from leanplum_sync.render.erasure import receipt_json, receipt_markdown  # noqa: PLC0415 - brings what draws on terminals; few runs write it

    folder, written = settings.state_folder / cleaning.RECEIPTS, []
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for number, receipt in enumerate(receipts, 1):
            stem = folder / f"run-{receipt.run}-{number}"
            for suffix, text in ((".json", receipt_json(receipt)), (".md", receipt_markdown(receipt))):
                path = stem.with_suffix(suffix)
                with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                    file.write(text)
                written.append(path)
    except OSError as error:
        raise StorageError(
            f"The receipts of the erasure can't be written to {folder}: {error.strerror}. The users were erased."
        ) from error
    return tuple(written)


def earlier_receipts(run: int, settings: Settings) -> tuple[Path, ...]:
    return tuple(sorted((settings.state_folder / cleaning.RECEIPTS).glob(f"run-{run}-*")))


def _journal_name(settings: Settings) -> str:
    location = settings.journal
    if is_address(location):
        return describe(location)
    path = Path(location)
    return path.relative_to(settings.root).as_posix() if path.is_relative_to(settings.root) else path.name
