"""Reading a plan file, and refusing one that is damaged, of another format, or no plan at all."""

from __future__ import annotations

import os
import re
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias

import orjson

from leanplum_sync.address import Subject
from leanplum_sync.encryption import KEY_VARIABLE, PLAIN, Codec, SealingKeys
from leanplum_sync.errors import StalePlanError
from leanplum_sync.planfile import schema
from leanplum_sync.planfile.contents import count_contents
from leanplum_sync.planfile.header import (
    read_header,
    read_rows,
    read_summary,
    seconds,
    text,
    text_by_text,
    texts,
)
from leanplum_sync.planfile.private import PrivateCopy
from leanplum_sync.planner.change import Change, ChangeKind, facts
from leanplum_sync.planner.parts import SHARDS, Part
from leanplum_sync.planner.plan import (
    PLAN_FORMAT,
    Cohort,
    Contents,
    Hazard,
    Header,
    Input,
    Note,
    RowsRead,
    Shape,
    Summary,
    ValuePair,
)
from leanplum_sync.problem import Place
from leanplum_sync.wire.action import Action
from leanplum_sync.wire.batch import Batch, DeliveryKey, PlannedAction

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

_Group: TypeAlias = tuple[str, str, str]  # resource, kind, field

PAIRS_SHOWN: Final = 3
SAMPLES_SHOWN: Final = 3
_SUBJECTS_AT_ONCE: Final = 500


_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_SQLITE_HEADER: Final = b"SQLite format 3\0"  # Source: SQLite docs, database file format
_APPLICATION_ID_AT: Final = 68  # Source: as above
_APPLICATION_ID: Final = schema.APPLICATION_ID.to_bytes(4, "big")


def open_plan(path: Path, keys: SealingKeys | None = None) -> PlanFile:
    """
    Return the plan at *path*, after checking every row of it against its digest.

    It is read from a private copy: whatever becomes of the file later, what was checked is what is read. *keys* decrypt its
    values; by default, the keys of the process's environment. With a key, a plan that was made without one is refused.

    Raises:
        CredentialError: its values are encrypted with a key that is not among *keys*.
        StalePlanError: there is no such file, it is no plan, of a newer format, or was altered or made without the key.
        StorageError: there is no room for the copy.
    """
    if path.is_dir():
        raise StalePlanError(
            f"{path} is a folder, not a plan. Make a plan with: leanplum-sync plan --out FILE.lpplan"
        )
    if not path.is_file():
        name = path if path.suffix == ".lpplan" else "FILE.lpplan"
        raise StalePlanError(
            f"{path}: this plan doesn't exist. Make one with: leanplum-sync plan --out {name}"
        )
    plan = PlanFile(path)
    try:
        plan.check(SealingKeys.from_environment(os.environ) if keys is None else keys)
    except (sqlite3.Error, ValueError, KeyError, TypeError, IndexError) as error:
        looks_like_a_plan = plan.has_header
        plan.close()
        if not looks_like_a_plan:
            raise StalePlanError(
                f"{path} is not a plan. Make one with: leanplum-sync plan --out FILE.lpplan"
            ) from error
        raise StalePlanError(f"{path}: this plan is damaged and can't be trusted. Plan again.") from error
    except BaseException:
        plan.close()
        raise
    return plan


class PlanFile:
    """A plan, read as it is needed: nothing here holds all of its rows. ``open_plan`` makes one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._codec: Codec = PLAIN
        self._copy = PrivateCopy(path)
        self._connection = self._copy.connection

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._copy.close()

    @property
    def has_header(self) -> bool:
        """Whether the file starts as a plan does. A journal, or another database, doesn't."""
        return self._copy.starts_with(_SQLITE_HEADER) and self._copy.has_at(
            _APPLICATION_ID_AT, _APPLICATION_ID
        )

    def write_to(self, file: SupportsWrite[bytes]) -> None:
        """Write the bytes of the plan as it was checked, whatever is at its path by now."""
        self._copy.write_to(file)

    def is_at(self, path: Path) -> bool:
        """Whether the file at *path* is this plan, byte for byte."""
        return self._copy.is_at(path)

    def check(self, keys: SealingKeys) -> None:
        if self._pragma("application_id") != schema.APPLICATION_ID:
            raise StalePlanError(
                f"{self.path} is not a plan. Make one with: leanplum-sync plan --out FILE.lpplan"
            )
        if self._pragma("user_version") != PLAN_FORMAT:
            raise StalePlanError(
                f"{self.path}: this plan has format {self._pragma('user_version')}, and this version of leanplum-sync reads"
                f" format {PLAN_FORMAT}. Apply it with the version that made it, or plan again."
            )
        if not schema.has_schema(self._connection):
            raise self._changed()
        self._codec = self._codec_with(keys)
        schema.open_values(self._connection, self._codec)
        found = tuple(
            self._codec.stamp(compute(self._connection))
            for compute in (schema.compute_digest, schema.compute_checksum)
        )
        if found != (self.digest, self._meta("checksum")) or not self._is_sound():
            raise self._changed()
        _ = self.header, self.summary, self.notes(), self.resources(), self.rows()

    def _changed(self) -> StalePlanError:
        return StalePlanError(f"{self.path}: this plan was changed after it was written. Plan again.")

    @contextmanager
    def _decoding(self) -> Iterator[None]:
        """Refuse the plan at a row that no plan of ours has: without a key, anybody can compute a digest over such rows."""
        try:
            yield
        except (sqlite3.Error, ValueError, TypeError, KeyError, IndexError) as error:
            raise self._changed() from error

    def _is_sound(self) -> bool:
        """Look at what no digest covers: the indexes, the types of cells, and the order of rows that are found by number."""
        if self._connection.execute("PRAGMA main.integrity_check(1)").fetchone() != ("ok",):
            return False
        if not schema.has_types(self._connection, self._codec):
            return False
        counted = (
            self._connection.execute(f"SELECT min({key}), max({key}), count(*) FROM main.{table}").fetchone()  # noqa: S608 - ours
            for table, key in (("action", "number"), ("change", "id"))
        )
        return all(count == 0 or (first, last) == (1, count) for first, last, count in counted)

    def _codec_with(self, keys: SealingKeys) -> Codec:
        row = self._connection.execute("SELECT value FROM meta WHERE key = 'encryption'").fetchone()
        if row is None and keys.keys:
            raise StalePlanError(
                f"{self.path}: {KEY_VARIABLE} is set, but this plan was made without a key, so its origin can't be verified. Plan again with the key."
            )
        if row is None:
            return PLAIN
        kept = orjson.loads(row[0])
        return keys.to_open(
            kept["key"], bytes.fromhex(kept["salt"]), schema.PURPOSE, f"{self.path}: this plan is encrypted"
        )

    @cached_property
    def header(self) -> Header:
        return read_header(self._meta, self._codec)

    @cached_property
    def summary(self) -> Summary:
        return read_summary(self._meta("summary"))

    @cached_property
    def contents(self) -> Contents:
        with self._decoding():
            return count_contents(self._connection, self.summary.triggers)

    @cached_property
    def digest(self) -> str:
        return text(self._meta("digest"))

    @property
    def has_owners(self) -> bool:
        (found,) = self._connection.execute("SELECT EXISTS (SELECT 1 FROM owner)").fetchone()
        return bool(found)

    def inputs(self) -> tuple[Input, ...]:
        return tuple(
            Input(*row) for row in self._connection.execute("SELECT path, sha256 FROM input ORDER BY path")
        )

    def resources(self) -> Mapping[str, str]:
        """Return, by ``kind/name``, the digests of the resources that the plan covers: also of those it doesn't change."""
        return text_by_text(self._meta("resources"))

    def rows(self) -> Mapping[str, RowsRead]:
        """Return, by ``kind/name``, the rows that came from connections."""
        if self._connection.execute("SELECT 1 FROM meta WHERE key = 'rows'").fetchone() is None:
            return {}
        return read_rows(self._meta)

    def hazards(self) -> tuple[Hazard, ...]:
        rows = self._connection.execute("SELECT name, count, allowed FROM hazard ORDER BY id")
        return tuple(Hazard(*row) for row in rows)

    def notes(self) -> tuple[Note, ...]:
        rows = self._connection.execute(
            "SELECT code, resource, sentence, count, samples FROM note ORDER BY id"
        )
        return tuple(
            Note(code, resource, sentence, count, texts(orjson.loads(samples)))
            for code, resource, sentence, count, samples in rows
        )

    def changes(self, limit: int | None = None) -> Iterator[Change]:
        """Yield the changes, sorted by subject: all, or the first *limit*."""
        query = f"SELECT {schema.CHANGE_COLUMNS} FROM change ORDER BY id LIMIT ?"  # noqa: S608 - a constant
        with self._decoding():
            yield from map(_change, self._connection.execute(query, (-1 if limit is None else limit,)))

    def changes_of(self, subjects: Collection[Subject]) -> Mapping[Subject, tuple[Change, ...]]:
        """Return the changes of each of *subjects* that has any."""
        found: dict[Subject, list[Change]] = {}
        names = sorted(map(str, subjects))
        for start in range(0, len(names), _SUBJECTS_AT_ONCE):
            part = names[start : start + _SUBJECTS_AT_ONCE]
            marks = ", ".join("?" * len(part))
            query = f"SELECT {schema.CHANGE_COLUMNS} FROM change WHERE subject IN ({marks}) ORDER BY id"  # noqa: S608 - marks
            with self._decoding():
                for change in map(_change, self._connection.execute(query, part)):
                    found.setdefault(change.subject, []).append(change)
        return {subject: tuple(changes) for subject, changes in found.items()}

    def subjects(self, part: Part | None = None) -> Iterator[Subject]:
        """Yield each subject with a change, sorted: all, or those of *part*."""
        rows = self._connection.execute(
            "SELECT subject FROM change WHERE shard BETWEEN ? AND ? ORDER BY id", _shards(part)
        )
        with self._decoding():
            for (name,), _ in groupby(rows):
                yield Subject.parse(name)

    def batches(self, part: Part | None = None) -> Iterator[Batch]:
        """Yield the batches in the order in which they are sent: all, or those of *part*, which must not cross a batch."""
        rows = self._connection.execute(
            "SELECT batch.number, wave, class, action.number, subject, name, arguments, deliveries, owner.owner"
            " FROM action JOIN batch ON batch.number = action.batch LEFT JOIN owner USING (subject)"
            " WHERE action.shard BETWEEN ? AND ?"
            " ORDER BY action.number",
            _shards(part),
        )
        with self._decoding():
            for (number, wave, class_), members in groupby(rows, key=itemgetter(0, 1, 2)):
                yield Batch(
                    number, wave, schema.CLASSES[class_], tuple(_planned(class_, row[3:]) for row in members)
                )

    def summary_of(self, part: Part) -> Summary:
        """Return the plan's summary with the counts of *part* alone; costs stay those of the whole plan."""
        run, shards = self._connection, _shards(part)
        counts = run.execute(
            "SELECT kind, count(*) FROM change WHERE shard BETWEEN ? AND ? GROUP BY kind", shards
        )
        with self._decoding():
            changes = {ChangeKind(kind): count for kind, count in counts}
        of_part = "FROM action WHERE shard BETWEEN ? AND ?"
        batches, actions = run.execute(f"SELECT count(DISTINCT batch), count(*) {of_part}", shards).fetchone()
        return replace(
            self.summary,
            changed=sum(not subject.kind.is_thing for subject in self.subjects(part)),
            changed_things=sum(subject.kind.is_thing for subject in self.subjects(part)),
            created=changes.get(ChangeKind.CREATE, 0),
            changes=changes,
            batches=batches,
            actions=actions,
        )

    def cohorts(self) -> tuple[Cohort, ...]:
        """Return the groups of like changes: what needs most care first, then the largest."""
        with self._decoding():
            return self._cohorts

    @cached_property
    def _cohorts(self) -> tuple[Cohort, ...]:
        """Found once, and for all groups together: that goes through all changes, several times."""
        groups = {
            (resource, kind, field): (subjects, first)
            for resource, kind, field, subjects, first in self._connection.execute(
                "SELECT resource, kind, field, count(DISTINCT subject), min(id) FROM change GROUP BY resource, kind, field"
            )
        }
        pairs = self._most_frequent_pairs()
        samples = self._first_subjects({key: subjects for key, (subjects, _) in groups.items()})
        found = [
            self._cohort(key, subjects, first, pairs[key], samples[key])
            for key, (subjects, first) in groups.items()
        ]
        found.sort(key=lambda each: (facts(each.kind).rank, -each.users, each.resource, each.field))
        return tuple(found)

    def _most_frequent_pairs(self) -> Mapping[_Group, tuple[int, Sequence[ValuePair]]]:
        """Return, for each group, how many different pairs of values it has, and the most frequent of them."""
        group = "resource, kind, field"
        rows = self._connection.execute(
            f"SELECT {group}, pairs, before, after, subjects FROM ("  # noqa: S608 - constants
            f"SELECT {group}, before, after, count(DISTINCT subject) AS subjects,"
            f" count(*) OVER (PARTITION BY {group}) AS pairs, row_number() OVER"
            f" (PARTITION BY {group} ORDER BY count(*) DESC, before, after) AS rank"
            f" FROM change GROUP BY {group}, before, after)"
            f" WHERE rank <= {PAIRS_SHOWN} ORDER BY {group}, rank"
        )
        found: dict[_Group, tuple[int, list[ValuePair]]] = {}
        for resource, kind, field, pairs, before, after, subjects in rows:
            _, some = found.setdefault((resource, kind, field), (pairs, []))
            some.append(ValuePair(orjson.loads(before), orjson.loads(after), subjects))
        return found

    def _first_subjects(self, subjects: Mapping[_Group, int]) -> Mapping[_Group, Sequence[str]]:
        """Return the first few of each group, which has so many *subjects*."""
        found: dict[_Group, list[str]] = {key: [] for key in subjects}
        missing = sum(min(count, SAMPLES_SHOWN) for count in subjects.values())
        rows = self._connection.execute("SELECT resource, kind, field, subject FROM change ORDER BY id")
        for resource, kind, field, subject in rows:
            some = found[resource, kind, field]
            if len(some) < SAMPLES_SHOWN and subject not in some:
                some.append(subject)
                missing -= 1
                if not missing:
                    break
        return found

    def members(self, limit: int) -> Mapping[_Group, Sequence[Change]]:
        """Return the first changes, at most *limit*, of each group of like ones, by resource, kind and field."""
        counts: Counter[_Group] = Counter()
        chosen: list[int] = []
        for number, *group in self._connection.execute(
            "SELECT id, resource, kind, field FROM change ORDER BY id"
        ):
            key = (group[0], group[1], group[2])
            if counts[key] < limit:
                counts[key] += 1
                chosen.append(number)
        found: dict[_Group, list[Change]] = {key: [] for key in counts}
        query = f"SELECT {schema.CHANGE_COLUMNS} FROM change WHERE id = ?"  # noqa: S608 - a constant
        for number in chosen:
            with self._decoding():
                change = _change(self._connection.execute(query, (number,)).fetchone())
            found[change.resource, change.kind.value, change.field].append(change)
        return found

    def _cohort(
        self,
        key: _Group,
        subjects: int,
        first: int,
        pairs: tuple[int, Sequence[ValuePair]],
        samples: Sequence[str],
    ) -> Cohort:
        resource, kind, field = key
        file, line = self._connection.execute(
            "SELECT asked_file, asked_line FROM change WHERE id = ?", (first,)
        ).fetchone()
        return Cohort(
            resource=resource,
            kind=ChangeKind(kind),
            field=field,
            users=subjects,
            distinct=pairs[0],
            values=tuple(pairs[1]),
            samples=tuple(samples),
            asked_at=str(Place(file, line)),
            shapes=self._shapes(key) if kind == ChangeKind.SEND else (),
        )

    def _shapes(self, key: _Group) -> tuple[Shape, ...]:
        names = "SELECT json_group_array(key) FROM (SELECT key FROM json_each(after) WHERE key IS NOT NULL ORDER BY key)"
        rows = self._connection.execute(
            f"SELECT ({names}) AS names, count(DISTINCT subject) FROM change"  # noqa: S608 - a constant
            f" WHERE resource = ? AND kind = ? AND field = ? GROUP BY names ORDER BY 2 DESC, names LIMIT {PAIRS_SHOWN}",
            key,
        )
        return tuple(Shape(tuple(orjson.loads(found)), subjects) for found, subjects in rows)

    def _meta(self, key: str) -> Any:
        row = self._connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return orjson.loads(row[0])

    def _pragma(self, name: str) -> int:
        return int(self._connection.execute(f"PRAGMA {name}").fetchone()[0])


def _shards(part: Part | None) -> tuple[int, int]:
    """Return the first and the last."""
    shards = range(SHARDS) if part is None else part.shards
    return shards[0], shards[-1]


def _change(row: tuple[Any, ...]) -> Change:
    subject, _, resource, kind, field, device_id, before, after = row[:8]
    return Change(
        subject=Subject.parse(subject),
        resource=resource,
        kind=ChangeKind(kind),
        field=field,
        before=orjson.loads(before),
        after=orjson.loads(after),
        asked_at=Place(*row[8:12]),
        found_at=Place(*row[12:16]),
        device_id=device_id,
        consented_at=None if row[16] is None else seconds(orjson.loads(row[16])),
    )


def _planned(class_: int, row: tuple[Any, ...]) -> PlannedAction:
    number, name, action, kept_arguments, deliveries, owner = row
    subject, arguments = Subject.parse(name), orjson.loads(kept_arguments)
    if not isinstance(arguments, dict):
        raise TypeError("arguments are not an object")
    return PlannedAction(
        number=number,
        subject=subject,
        delivery_class=schema.CLASSES[class_],
        action=Action(action, arguments),
        deliveries=tuple(
            DeliveryKey(text(delivery), subject, text(resource), texts(former))
            for resource, delivery, *former in orjson.loads(deliveries)
        ),
        owner=None if owner is None else Subject.parse(owner),
    )
