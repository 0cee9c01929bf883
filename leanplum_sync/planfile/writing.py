"""Writing a plan file: row by row while the planner goes through the subjects, then closed under its digest."""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from leanplum_sync.errors import PlanError
from leanplum_sync.planfile.schema import (
    CHANGE_COLUMNS,
    CLASSES,
    CREATE,
    INDEXES,
    compute_digest,
    encode,
    shard_of,
)
from leanplum_sync.planner.change import Change
from leanplum_sync.planner.plan import Hazard, Input, Note, Summary, Target
from leanplum_sync.planner.subject import Phase, SubjectAction
from leanplum_sync.problem import Place

_INSERT_CHANGE = f"INSERT INTO change ({CHANGE_COLUMNS}) VALUES ({', '.join('?' * 16)})"  # noqa: S608 - constants
_INSERT_ACTION = (
    "INSERT INTO action (batch, subject, shard, name, arguments, deliveries) VALUES (?, ?, ?, ?, ?, ?)"
)


class PlanWriter:
    """
    A plan file in the making: a context that leaves the finished file at *path*, or nothing where it fails.

    Until ``finish``, the rows stand in a file beside it with the ending ``.part``. Both are readable by their owner only.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_name(path.name + ".part")
        self._finished = False
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._part.unlink(missing_ok=True)
            os.close(os.open(self._part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            self._connection = sqlite3.connect(self._part, isolation_level=None)
            # A part file that a crash leaves behind is thrown away: there is nothing to sync before the end.
            self._connection.executescript(
                f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; {CREATE} BEGIN;"
            )
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

    def add_changes(self, changes: Iterable[Change]) -> None:
        self._connection.executemany(_INSERT_CHANGE, map(_change_row, changes))

    def add_batch(self, phase: Phase, actions: Sequence[tuple[str, int, SubjectAction]]) -> None:
        """Add one batch: *actions* are (subject as text, its shard, action), in the order in which they are sent."""
        wave, delivery_class = phase
        cursor = self._connection.execute(
            "INSERT INTO batch (wave, class, subjects, actions) VALUES (?, ?, ?, ?)",
            (wave, CLASSES.index(delivery_class), len({subject for subject, _, _ in actions}), len(actions)),
        )
        batch = cursor.lastrowid
        self._connection.executemany(
            _INSERT_ACTION,
            ((batch, subject, shard, *_action_columns(action)) for subject, shard, action in actions),
        )

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
        """Number the batches, write what the plan says about itself, and return its digest."""
        run = self._connection
        run.execute(
            "UPDATE batch SET number = numbered.number, first_action = numbered.before + 1 FROM ("
            " SELECT id, row_number() OVER sent AS number, coalesce(sum(actions) OVER ("
            "  sent ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS before"
            " FROM batch WINDOW sent AS (ORDER BY wave, class, id)) AS numbered WHERE numbered.id = batch.id"
        )
        run.executescript(INDEXES)
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
            mask_key=secrets.token_hex(16),
            summary=_summary(summary),
        )
        digest = compute_digest(run)
        self._meta(digest=digest)
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


def _change_row(change: Change) -> tuple[Any, ...]:
    return (
        str(change.subject),
        shard_of(change.subject),
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
            for name in ("reads", "writes", "recheck", "requests", "one_by_one", "by_action", "seconds")
        },
    }


def _cannot_write(path: Path, error: Exception) -> PlanError:
    return PlanError(
        f"{path}: the plan can't be written: {error}. Free some space, or name another file with --out."
    )
