"""Writing a plan file: row by row while the planner goes through the subjects, then closed under its digest."""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from leanplum_sync.errors import PlanError
from leanplum_sync.planfile.schema import (
    CLASSES,
    CREATE,
    CREATE_DRAFT,
    CREATE_INDEX,
    INSERT_CHANGE,
    INSERT_DRAFT,
    INSERT_SEALED_CHANGE,
    INSERT_SEALED_DRAFT,
    PURPOSE,
    compute_checksum,
    compute_digest,
    encode,
    kept_mask_key,
    open_values,
    shard_of,
)
from leanplum_sync.planner.change import Change
from leanplum_sync.planner.packing import into_batches
from leanplum_sync.planner.plan import Hazard, Input, Note, Summary, Target
from leanplum_sync.planner.subject import SubjectAction, SubjectPlan
from leanplum_sync.problem import Place
from leanplum_sync.sealing import CIPHER, SALT_BYTES, SealingKeys
from leanplum_sync.wire.limits import BatchLimits

_INSERT_ACTION = (
    "INSERT INTO action (batch, subject, shard, name, arguments, deliveries)"
    " SELECT ?, subject, shard, name, arguments, deliveries FROM draft WHERE id = ?"
)


@dataclass(frozen=True, slots=True)
class Packed:
    """
    *lookups* are billable: each unique subject in each batch. *subjects* is what they would be if classes shared batches,
    *lookups_by_action* if each batch held actions of one kind only.
    """

    requests: int
    actions: int
    lookups: int
    subjects: int
    lookups_by_action: int


class PlanWriter:
    """
    A plan file in the making: a context that leaves the finished file at *path*, or nothing where it fails.

    Until ``finish``, the rows stand in a file beside it with the ending ``.part``. Both are readable by their owner only.
    Their values are sealed with *keys*, by default those of the process's environment.
    """

    def __init__(self, path: Path, keys: SealingKeys | None = None) -> None:
        keys = SealingKeys.from_environment(os.environ) if keys is None else keys
        self._path = path
        self._salt = secrets.token_bytes(SALT_BYTES)
        self._codec = keys.to_seal(self._salt, PURPOSE)
        self._is_sealed = bool(self._codec.key_id)
        self._part = path.with_name(path.name + ".part")
        self._finished = False
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._part.unlink(missing_ok=True)
            os.close(os.open(self._part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            self._connection = sqlite3.connect(self._part, isolation_level=None)
            # A part file that a crash leaves behind is thrown away: there is nothing to sync before the end.
            self._connection.executescript(
                f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; {CREATE} {CREATE_DRAFT} BEGIN;"
            )
            self._connection.create_function("sealed", -1, self._codec.seal)
        except (OSError, sqlite3.Error) as error:
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
        name, shard = str(plan.subject), shard_of(plan.subject)
        self._connection.executemany(
            INSERT_SEALED_CHANGE if self._is_sealed else INSERT_CHANGE,
            ((name, shard, *_change_columns(change)) for change in plan.changes),
        )
        self._connection.executemany(
            INSERT_SEALED_DRAFT if self._is_sealed else INSERT_DRAFT,
            (
                (wave, CLASSES.index(delivery_class), name, shard, *_action_columns(action))
                for (wave, delivery_class), actions in plan.actions.items()
                for action in actions
            ),
        )

    def pack(self, limits: BatchLimits | None = None) -> Packed:
        """Make batches of the actions of all subjects, phase by phase, and say what they cost."""
        phases = self._connection.execute(
            "SELECT DISTINCT wave, class FROM draft ORDER BY wave, class"
        ).fetchall()
        for wave, class_ in phases:
            for ids in into_batches(self._actions_by_subject(wave, class_), limits):
                self._add_batch(wave, class_, ids)
        lookups, requests, actions = self._one(
            "SELECT coalesce(sum(subjects), 0), count(*), coalesce(sum(actions), 0) FROM batch"
        )
        return Packed(
            requests=requests,
            actions=actions,
            lookups=lookups,
            subjects=self._one("SELECT count(DISTINCT subject) FROM draft")[0],
            lookups_by_action=self._one("SELECT count(*) FROM (SELECT DISTINCT subject, name FROM draft)")[0],
        )

    def _actions_by_subject(self, wave: int, class_: int) -> Iterator[list[int]]:
        rows = self._connection.execute(
            "SELECT subject, id FROM draft WHERE wave = ? AND class = ? ORDER BY id", (wave, class_)
        )
        for _, members in groupby(rows, key=itemgetter(0)):
            yield [row[1] for row in members]

    def _add_batch(self, wave: int, class_: int, ids: Sequence[int]) -> None:
        cursor = self._connection.execute(
            "INSERT INTO batch (wave, class, subjects, actions) VALUES (?, ?, 0, ?)", (wave, class_, len(ids))
        )
        number = cursor.lastrowid
        self._connection.executemany(_INSERT_ACTION, ((number, each) for each in ids))
        last = self._one("SELECT max(number) FROM action")[0]
        self._connection.execute(
            "UPDATE batch SET subjects = (SELECT count(DISTINCT subject) FROM action WHERE number > ?) WHERE number = ?",
            (last - len(ids), number),
        )

    def _one(self, query: str) -> tuple[Any, ...]:
        row: tuple[Any, ...] = self._connection.execute(query).fetchone()
        return row

    def finish(
        self,
        *,
        target: Target,
        created_at: float,
        observed: tuple[float | None, float | None],
        sensitive: Iterable[str],
        inputs: Iterable[Input],
        hazards: Iterable[Hazard],
        notes: Iterable[Note],
        summary: Summary,
    ) -> str:
        """Write what the plan says about itself, and return its digest."""
        run = self._connection
        run.execute(CREATE_INDEX)
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
            target=[target.app_id, target.environment, target.host, target.is_emulator],
            created_at=created_at,
            observed=observed,
            sensitive=sorted(sensitive),
            mask_key=kept_mask_key(secrets.token_hex(16), self._codec),
            summary=_summary(summary),
        )
        if self._is_sealed:
            self._meta(encryption={"cipher": CIPHER, "key": self._codec.key_id, "salt": self._salt.hex()})
        open_values(run, self._codec)
        digest = self._codec.stamp(compute_digest(run))
        self._meta(digest=digest)
        self._meta(checksum=self._codec.stamp(compute_checksum(run)))
        run.execute("COMMIT")
        run.close()
        with self._part.open("rb+") as file:
            os.fsync(file.fileno())
        self._part.replace(self._path)
        self._finished = True
        return digest

    def _meta(self, **values: Any) -> None:
        self._connection.executemany(
            "INSERT INTO meta VALUES (?, ?)", ((key, encode(value)) for key, value in values.items())
        )


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
    )


def _place_columns(place: Place) -> tuple[Any, ...]:
    return place.file, place.line, place.column, place.row


def _action_columns(planned: SubjectAction) -> tuple[str, str, str]:
    deliveries = [[key.resource, key.name] for key in planned.deliveries]
    return planned.action.name, encode(planned.action.arguments), encode(deliveries)


def _summary(summary: Summary) -> dict[str, Any]:
    cost = summary.cost
    return {
        **{
            name: getattr(summary, name)
            for name in ("listed", "changed", "missing", "created", "batches", "actions")
        },
        "changes": {kind.value: count for kind, count in summary.changes.items()},
        "cost": {
            name: getattr(cost, name)
            for name in (
                "reads",
                "writes",
                "recheck",
                "requests",
                "one_by_one",
                "by_action",
                "separation",
                "seconds",
            )
        },
    }


def _cannot_write(path: Path, error: Exception) -> PlanError:
    return PlanError(
        f"{path}: the plan can't be written: {error}. Free some space, or name another file with --out."
    )
