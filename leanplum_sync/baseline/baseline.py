"""The baseline of one environment: what plans may assume, and how reads and runs add to it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final, Protocol

from leanplum_sync.address import Subject
from leanplum_sync.baseline.folder import Folder, Head, Owner, UnusableError, new_key
from leanplum_sync.baseline.merge import Merge, write_ids
from leanplum_sync.baseline.shared import Shared
from leanplum_sync.clock import Clock
from leanplum_sync.errors import StorageError
from leanplum_sync.planner.known import JournalMark, Position
from leanplum_sync.staging import LEAST_MEMORY_MB
from leanplum_sync.staging.prints import Assumptions, storable
from leanplum_sync.staging.scratch import ScratchFolder

MOST_FIELDS: Final = 500  # a file has a column for each
_PAGE: Final = 500  # users


class KnowsWrites(Protocol):
    """The journal, as the baseline sees it."""

    def mark(self) -> JournalMark | None: ...

    def position(self, app: str, read_since: float | None = None) -> Position: ...

    def uid_of(self, run: int) -> str: ...

    def touched_since(self, app: str, since: Position, besides: int = 0) -> Iterator[str]: ...

    def touched_by(self, run: int) -> Iterator[str]: ...


@dataclass(frozen=True, slots=True)
class Read:
    """
    Users who were read into *snapshot*, from *since* on, in epoch seconds. *position* is the journal's at that time, and *unsettled* are
    subjects of requests without a response then. What the snapshot has from before is left out.

    *fields* are to have prints from now on, besides the fields that have them. *names* are attributes that users have.
    """

    snapshot: Path
    since: float
    position: Position
    fields: Collection[str]
    names: Collection[str] = ()
    unsettled: Collection[Subject] = ()


@dataclass(frozen=True, slots=True)
class Baseline:
    """*shared* is the copy in a shared journal, None if there is only the folder."""

    folder: Folder
    owner: Owner
    memory_mb: int = LEAST_MEMORY_MB
    shared: Shared | None = None

    @property
    def exists(self) -> bool:
        return self.folder.exists

    def fetch(self) -> None:
        """
        Bring the folder up to date with the shared copy, if there is one. Call it before anything is assumed.

        Raises:
            UnusableError: the copy can't be used, or there is no room for it.
            JournalError: the shared journal can't be read.
        """
        if self.shared is not None:
            try:
                with self.folder.alone():
                    self.shared.fetch(self.folder)
            except OSError as error:
                raise UnusableError(f"its copy in the journal can't be fetched: {error.strerror}") from error

    def head(self, journal: KnowsWrites) -> Head:
        """
        Return the head, once it has been checked.

        Raises:
            UnusableError: there is no baseline, it is damaged, or it belongs to another app or journal, or to a later state of this one.
        """
        head = self.folder.read()
        if head.owner != self.owner:
            raise UnusableError(
                f"it is about app {head.owner.app} at {head.owner.host}, environment {head.owner.environment}"
            )
        if not head.journal and not head.run:
            return head  # made before there was a journal: all runs in this one are later
        mark = journal.mark()
        if mark is None or mark.id != head.journal:
            raise UnusableError("it belongs to another journal")
        if mark.number < head.mark or (head.run and journal.uid_of(head.run) != head.uid):
            raise UnusableError(
                "the journal is an older copy, or was rebuilt, so it may lack runs that the baseline includes"
            )
        return head

    def assume(
        self, journal: KnowsWrites, into: Path, not_before: float | None = None
    ) -> tuple[Head, Assumptions]:
        """
        Return what a plan may assume. Its files are in the folder *into*, and no later generation changes them.

        Raises:
            UnusableError: as for ``head``, or the folder can't be written.
            StorageError: there is no room in *into*.
        """
        try:
            with self.folder.alone():  # until all three are from the same baseline
                head, key = self.head(journal), self.folder.key()
                prints = self.folder.take(head, into)
        except OSError as error:
            raise UnusableError(f"its folder can't be locked: {error.strerror}") from error
        doubtful = _users(journal.touched_since(self.owner.app, Position(head.run, head.unfinished)))
        try:
            file = write_ids(doubtful, into / "doubtful.ndjson")
        except OSError as error:
            raise StorageError(f"{into}: the baseline can't be prepared: {error.strerror}.") from error
        return head, Assumptions(prints, key, frozenset(head.fields), file, not_before)

    def add_read(self, read: Read, journal: KnowsWrites, clock: Clock) -> Head:
        """
        Add the users in a snapshot, and return the new head.

        Users whom a run touched after reading began are left out, and so are those with an unsettled request at that time.

        Raises:
            StorageError: the next generation can't be made. The one before still counts.
            JournalError: the shared journal can't be read or written.
        """

        def merge(step: _Step) -> int:
            unsure = chain(journal.touched_since(self.owner.app, read.position), map(str, read.unsettled))
            file = write_ids(_users(unsure), step.folder / "unsure.ndjson")
            own_time = read.snapshot.stat().st_mtime
            stale = write_ids(
                _users(journal.touched_since(self.owner.app, step.since)), step.folder / "stale.ndjson"
            )
            return step.merge.read(
                read.snapshot, own_time, stale=stale, unsure=file, into=step.into, since=read.since
            )

        with self._storing(), self.folder.alone():
            before = self._before(journal)
            # Without a baseline to add to, no print is kept, and a key that somebody discarded must not be used again.
            key = new_key() if before is None else self.folder.key()
            return self._next(merge, before, key, journal, clock, fields=read.fields, names=read.names)

    def add_run(
        self,
        run: int,
        done: Callable[[Sequence[str]], Mapping[str, bytes]],
        journal: KnowsWrites,
        clock: Clock,
    ) -> Head | None:
        """
        Add what *run* wrote, and return the new head; None if there is no baseline to add to.

        *done* is called with ids of users, and returns a line, see ``line_of``, for each of whom all was done. All others whom a run
        touched are left out. A run that had begun when the baseline was written adds nothing: its users are read again.

        Raises:
            StorageError: the next generation can't be made. The one before still counts.
            JournalError: the shared journal can't be read or written.
        """

        def merge(step: _Step) -> int:
            others = frozenset(_users(journal.touched_since(self.owner.app, step.since, run)))
            written, stale = step.folder / "written.ndjson", step.folder / "stale.ndjson"

            def not_done() -> Iterator[str]:
                yield from others
                with written.open("wb") as file:
                    for page in _pages(_users(journal.touched_by(run))):
                        lines = done([each for each in page if each not in others])
                        file.writelines(lines.values())
                        yield from (each for each in page if each not in lines)

            write_ids(not_done(), stale)
            return step.merge.write(written, stale=stale, into=step.into)

        with self._storing(), self.folder.alone():
            before = self._before(journal)
            if before is None or run <= before.run:
                return None
            return self._next(merge, before, self.folder.key(), journal, clock)

    def forget(self) -> None:
        """
        Remove the baseline and its key, here and in the shared journal. The next one has a new key.

        Raises:
            StorageError: the folder can't be written.
            JournalError: the shared journal can't be written.
        """
        with self._storing(), self.folder.alone():
            if self.shared is not None:
                self.shared.forget()
            self.folder.forget()

    def _next(
        self,
        merge: Callable[[_Step], int],
        before: Head | None,
        key: str,
        journal: KnowsWrites,
        clock: Clock,
        *,
        fields: Collection[str] = (),
        names: Collection[str] = (),
    ) -> Head:
        # The position comes first: what a run does from now on counts as later.
        position, mark = journal.position(self.owner.app), journal.mark()
        kept = () if before is None else before.fields
        all_fields = storable({*kept, *fields})[:MOST_FIELDS]
        scratch = ScratchFolder(self.folder.path)
        try:
            prints = None if before is None else self.folder.prints(before.generation)
            made = Merge(scratch.path, key, prints, frozenset(kept), all_fields, self.memory_mb)
            since = position if before is None else Position(before.run, before.unfinished)
            aside = scratch.path / "next.parquet"
            users = merge(_Step(scratch.path, made, since, aside))
            head = Head(
                self.owner,
                journal="" if mark is None else mark.id,
                mark=0 if mark is None else mark.number,
                run=position.run,
                uid=journal.uid_of(position.run),
                unfinished=dict(position.unfinished),
                fields=all_fields,
                names=tuple(sorted({*(before.names if before else ()), *names})),
                users=users,
                generation=1 + self.folder.latest_generation(),
                made_at=clock.now(),
            )
            self.folder.publish(head, aside, key)
            if self.shared is not None:
                self.shared.keep(self.folder)
        finally:
            scratch.close()
        return head

    def _before(self, journal: KnowsWrites) -> Head | None:
        """Return the head, None if there is none that can be used."""
        try:
            if self.shared is not None:
                self.shared.fetch(self.folder)
            return self.head(journal)
        except UnusableError:
            return None

    @contextmanager
    def _storing(self) -> Iterator[None]:
        import duckdb  # noqa: PLC0415 - takes longer to import than a small plan takes to make

        try:
            yield
        except (OSError, duckdb.Error, UnicodeDecodeError) as error:
            # DuckDB's message may quote a value.
            reason = (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
            raise StorageError(
                f"{self.folder.path}: the baseline can't be written: {reason}. It stays as it was."
            ) from error


@dataclass(frozen=True, slots=True)
class _Step:
    folder: Path
    merge: Merge
    since: Position
    into: Path


def _users(subjects: Iterable[str]) -> Iterator[str]:
    return (each.removeprefix("user:") for each in subjects if each.startswith("user:"))


def _pages(ids: Iterable[str]) -> Iterator[list[str]]:
    page: list[str] = []
    for each in ids:
        page.append(each)
        if len(page) == _PAGE:
            yield page
            page = []
    if page:
        yield page
