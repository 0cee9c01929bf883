"""Writing a plan file: row by row while the planner goes through the subjects, then closed under its digest."""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from leanplum_sync.encryption import CIPHER, SALT_BYTES, SealingKeys
from leanplum_sync.errors import StorageError
from leanplum_sync.planfile import schema
from leanplum_sync.planfile.schema import encode
from leanplum_sync.planner.change import Change
from leanplum_sync.planner.known import NO_RUN, JournalMark, Position
from leanplum_sync.planner.packing import into_batches
from leanplum_sync.planner.parts import Part, part_of, shard_of
from leanplum_sync.planner.plan import Hazard, Input, Note, RowsRead, Scope, Summary, Target
from leanplum_sync.planner.subject import SubjectAction, SubjectPlan
from leanplum_sync.problem import Place
from leanplum_sync.wire.limits import BatchLimits

_INSERT_OWNER = "INSERT INTO owner (subject, owner) VALUES (?, ?)"
_INSERT_BUNDLE = "INSERT INTO bundle (wave, class, part, is_thing, first, actions) VALUES (?, ?, ?, ?, ?, ?)"
_INSERT_BATCH = "INSERT INTO batch (wave, class, part, subjects, actions) VALUES (?, ?, ?, ?, ?)"
_INSERT_PLACE = "INSERT INTO place (draft, batch) VALUES (?, ?)"
_FILL_BATCHES = (
    "INSERT INTO action (number, batch, subject, shard, name, arguments, deliveries)"
    " SELECT number, batch, subject, shard, name, arguments, deliveries FROM place JOIN draft ON draft.id = place.draft"
    " ORDER BY number"
)
_ALONE: Final = BatchLimits(users=1, actions=1)
_ROWS_AT_ONCE: Final = 5_000
_NUMBER_OF: Final = {delivery_class: number for number, delivery_class in enumerate(schema.CLASSES)}


@dataclass(frozen=True, slots=True)
class Packed:
    """
    *lookups* are billable: each unique user in each batch. *subjects* is what they would be if classes shared batches,
    *lookups_by_action* if each batch held actions of one kind only. *about_things* counts actions about things of the app, which cost none.
    """

    requests: int
    actions: int
    lookups: int
    subjects: int
    lookups_by_action: int
    about_things: int = 0


class PlanWriter:
    """
    Writes a plan file: a context manager that leaves the finished file at *path*, or nothing if it fails.

    Until ``finish``, the rows are in a file beside it with the ending ``.part``. Both are readable by their owner only.
    No batch crosses one of *parts*, so that as many processes can apply the plan. *part* says that the plan is for the
    subjects of that part alone; it is up to the caller to add no others. Values are sealed with *keys*, by default those of
    the process's environment.
    """

    def __init__(
        self, path: Path, keys: SealingKeys | None = None, *, parts: int = 1, part: Part | None = None
    ) -> None:
        keys = SealingKeys.from_environment(os.environ) if keys is None else keys
        self._path = path
        self._parts, self._part_of_all = parts, part
        self._salt = secrets.token_bytes(SALT_BYTES)
        self._codec = keys.to_seal(self._salt, schema.PURPOSE)
        self._is_sealed = bool(self._codec.key_id)
        self._target = _replaceable(path)
        self._part = self._target.with_name(self._target.name + ".part")
        self._finished = False
        self.delivers = False  # whether an action so far must happen once
        self._changes = _Rows(schema.INSERT_SEALED_CHANGE if self._is_sealed else schema.INSERT_CHANGE)
        self._drafts = _Rows(schema.INSERT_SEALED_DRAFT if self._is_sealed else schema.INSERT_DRAFT)
        self._bundles, self._owners = _Rows(_INSERT_BUNDLE), _Rows(_INSERT_OWNER)
        self._about_things = self._drafted = self._subjects = self._lookups_by_action = 0
        try:
            self._part.parent.mkdir(parents=True, exist_ok=True)
            self._part.unlink(missing_ok=True)
            os.close(os.open(self._part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            self._connection = sqlite3.connect(self._part, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise _cannot_write(path, error) from error
        try:
            # A part file that a crash leaves behind is thrown away: there is nothing to sync before the end.
            self._connection.executescript(
                f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; {schema.CREATE} {schema.CREATE_DRAFT} BEGIN;"
            )
            self._connection.create_function("sealed", -1, self._codec.seal)
        except sqlite3.Error as error:
            self._connection.close()
            self._part.unlink()
            raise _cannot_write(path, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()
        if not self._finished:
            self._part.unlink(missing_ok=True)
        if isinstance(error, sqlite3.Error):
            raise _cannot_write(self._path, error) from error

    def add(self, plan: SubjectPlan) -> None:
        """Add one subject's changes and actions. Subjects come sorted, each once."""
        owner = plan.owner if plan.actions else None
        name = str(plan.subject)
        # A plan for one part holds the owner of each of its devices, or was refused.
        shard = shard_of(plan.subject if owner is None or self._part_of_all else owner)
        if owner is not None:
            self._owners.rows.append((name, str(owner)))
        for change in plan.changes:
            self._changes.rows.append((name, shard, *_change_columns(change)))
        part = part_of(shard, self._parts)
        is_thing = plan.subject.kind.is_thing
        names = set()
        for (wave, delivery_class), actions in plan.actions.items():
            self._bundles.rows.append(
                (wave, _NUMBER_OF[delivery_class], part, is_thing, self._drafted + 1, len(actions))
            )
            for action in actions:
                self._drafted += 1
                self.delivers |= bool(action.deliveries)
                self._drafts.rows.append((self._drafted, name, shard, *_action_columns(action)))
                names.add(action.action.name)
        if is_thing:  # which nothing is looked up for
            self._about_things += sum(map(len, plan.actions.values()))
        else:
            self._subjects += bool(names - {"deleteUser"})
            self._lookups_by_action += len(names - {"deleteUser"})
        if len(self._changes.rows) >= _ROWS_AT_ONCE or len(self._drafts.rows) >= _ROWS_AT_ONCE:
            self._write_rows()

    def _write_rows(self) -> None:
        for rows in (self._changes, self._drafts, self._bundles, self._owners):
            rows.write(self._connection)

    def pack(self, limits: BatchLimits | None = None) -> Packed:
        """
        Make batches of the actions of all subjects, phase by phase and part by part, and say what they cost.

        Each action about a thing of the app is a batch of its own, see ``Batch``.
        """
        run = self._connection
        self._write_rows()
        batches, places = _Rows(_INSERT_BATCH), _Rows(_INSERT_PLACE)
        run.execute("CREATE INDEX temp.bundle_by_phase ON bundle (wave, class, part, is_thing, first)")
        phases = run.execute(
            "SELECT DISTINCT wave, class, part, is_thing FROM bundle ORDER BY wave, class, part, is_thing"
        ).fetchall()
        number = 0
        for wave, class_, part, is_thing in phases:
            bundles = self._bundles_of(wave, class_, part, is_thing)
            for batch in into_batches(bundles, _ALONE if is_thing else limits):
                number += 1
                subjects = 0 if is_thing else len(batch)
                batches.rows.append((wave, class_, part, subjects, sum(map(len, batch))))
                places.rows.extend((draft, number) for bundle in batch for draft in bundle)
                if len(places.rows) >= _ROWS_AT_ONCE:
                    places.write(run)
                    batches.write(run)
        places.write(run)
        batches.write(run)
        run.execute(_FILL_BATCHES)
        lookups, requests, actions = run.execute(
            "SELECT coalesce(sum(subjects), 0) - (SELECT count(*) FROM action WHERE name = 'deleteUser'), count(*),"
            " coalesce(sum(actions), 0) FROM batch"
        ).fetchone()
        return Packed(
            requests=requests,
            actions=actions,
            lookups=lookups,
            subjects=self._subjects,
            lookups_by_action=self._lookups_by_action,
            about_things=self._about_things,
        )

    def _bundles_of(self, wave: int, class_: int, part: int, is_thing: int) -> Iterator[range]:
        """Yield each subject's drafts, by number."""
        query = (
            "SELECT first, actions FROM bundle WHERE wave = ? AND class = ? AND part = ? AND is_thing = ?"
            " ORDER BY first"
        )
        for first, actions in self._connection.execute(query, (wave, class_, part, is_thing)):
            yield range(first, first + actions)

    def finish(
        self,
        *,
        target: Target,
        created_at: float,
        observed: tuple[float | None, float | None],
        read_after_run: int | None = None,
        position: Position = NO_RUN,
        journal: JournalMark | None = None,
        journal_doubt: str = "",
        scope: Scope | None = None,
        sensitive: Iterable[str],
        inputs: Iterable[Input],
        resources: Mapping[str, str] | None = None,
        rows: Mapping[str, RowsRead] | None = None,
        hazards: Iterable[Hazard],
        notes: Iterable[Note],
        summary: Summary,
    ) -> str:
        """
        Write what the plan says about itself, and return its digest.

        *journal* None means that there was no journal. *resources* are the digests of those it covers, *rows* what some of
        them have from connections.
        """
        run = self._connection
        run.execute(schema.CREATE_INDEX)
        run.executemany("INSERT INTO input VALUES (?, ?)", ((each.path, each.sha256) for each in inputs))
        run.executemany(
            "INSERT INTO hazard (name, count, allowed) VALUES (?, ?, ?)",
            ((each.name, each.count, each.allowed) for each in hazards),
        )
        run.executemany(
            "INSERT INTO note (code, resource, sentence, count, samples) VALUES (?, ?, ?, ?, ?)",
            ((each.code, each.resource, each.sentence, each.count, encode(each.samples)) for each in notes),
        )
        self._meta(
            target=[target.app_id, target.environment, target.host, target.is_emulator, target.writes],
            created_at=created_at,
            observed=observed,
            read_after_run=read_after_run,
            position=[position.run, {str(run): requests for run, requests in position.unfinished.items()}],
            journal=journal and [journal.id, journal.number],
            journal_doubt=journal_doubt,
            scope=scope
            and [[astuple(each) for each in scope.files], scope.specs, scope.select, scope.exclude],
            sensitive=sorted(sensitive),
            resources=dict(resources or {}),
            mask_key=schema.kept_mask_key(secrets.token_hex(16), self._codec),
            parts=[self._parts, self._part_of_all and str(self._part_of_all)],
            summary={
                **asdict(summary),
                "changes": {kind.value: count for kind, count in summary.changes.items()},
                "thing_kinds": sorted(summary.thing_kinds),
            },
        )
        if rows:
            self._meta(**_rows(rows))
        if self._is_sealed:
            self._meta(encryption={"cipher": CIPHER, "key": self._codec.key_id, "salt": self._salt.hex()})
        schema.open_values(run, self._codec)
        digest = self._codec.stamp(schema.compute_digest(run))
        self._meta(digest=digest)
        self._meta(checksum=self._codec.stamp(schema.compute_checksum(run)))
        run.execute("COMMIT")
        run.close()
        try:
            with self._part.open("rb+") as file:
                os.fsync(file.fileno())
            self._part.replace(self._target)
        except OSError as error:
            raise _cannot_write(self._path, error) from error
        self._finished = True
        return digest

    def _meta(self, **values: Any) -> None:
        self._connection.executemany(
            "INSERT INTO meta VALUES (?, ?)", ((key, encode(value)) for key, value in values.items())
        )


class _Rows:
    """Buffers rows for a table, and writes many at a time."""

    def __init__(self, statement: str) -> None:
        self.rows: list[tuple[Any, ...]] = []
        self._statement = statement

    def write(self, connection: sqlite3.Connection) -> None:
        connection.executemany(self._statement, self.rows)
        self.rows.clear()


def _change_columns(change: Change) -> tuple[Any, ...]:
    return (
        change.resource,
        change.kind.value,
        change.field,
        change.device_id,
        encode(change.before),
        encode(change.after),
        *_place_columns(change.asked_at),
        *_place_columns(change.found_at),
        None if change.consented_at is None else encode(change.consented_at),
    )


def _place_columns(place: Place) -> tuple[Any, ...]:
    return place.file, place.line, place.column, place.row


def _action_columns(planned: SubjectAction) -> tuple[str, str, str]:
    deliveries = [[key.resource, key.name, *key.former] for key in planned.deliveries]
    return (
        planned.action.name,
        encode(planned.action.arguments),
        encode(deliveries) if deliveries else "[]",
    )


def _rows(rows: Mapping[str, RowsRead]) -> dict[str, Any]:
    """Return what is part of the plan's digest, and what isn't."""
    return {
        "rows": {
            name: [each.connection, each.query, dict(each.kept.parameters), each.kept.digest, each.kept.count]
            for name, each in rows.items()
        },
        "origins": {
            name: [each.kept.sha256, each.kept.read_at, each.kept.server, dict(each.kept.versions)]
            for name, each in rows.items()
        },
    }


def _replaceable(path: Path) -> Path:
    """Return the file that the plan replaces. If *path* is a link, that is its target, so that the link stays."""
    try:
        target = path.resolve()
        is_something_else = target.exists() and not target.is_file()
    except (OSError, RuntimeError) as error:  # links that lead in a circle
        raise _cannot_write(path, error) from error
    if is_something_else:
        raise StorageError(f"{path} is not a file and can't be replaced by a plan. Choose a file with --out.")
    return target


def _cannot_write(path: Path, error: Exception) -> StorageError:
    return StorageError(
        f"{path}: the plan can't be written: {error}. Free some space, or choose another file with --out."
    )
