"""A small world: users whose values only runs change, a journal of these runs, and a baseline that learns of both."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clocks import Clock

from leanplum_sync.address import Subject
from leanplum_sync.baseline import Baseline, Folder, Head, Owner, Read, line_of
from leanplum_sync.duck import connect
from leanplum_sync.planner.change import Change, ChangeKind
from leanplum_sync.planner.known import JournalMark, Position
from leanplum_sync.problem import Place
from leanplum_sync.staging import prints

OWNER = Owner("app", "host", "production")
FIELD = prints.attribute("tier")


@dataclass(slots=True)
class Run:
    number: int
    uid: str
    touched: list[str] = field(default_factory=list)
    done: dict[str, Any] = field(default_factory=dict)
    requests: int = 0
    is_over: bool = False


@dataclass(slots=True)
class Journal:
    """As the baseline sees one."""

    id: str = "journal"
    number: int = 0
    runs: list[Run] = field(default_factory=list)

    def begin(self) -> Run:
        self.number += 1
        run = Run(len(self.runs) + 1, f"{self.id}-{len(self.runs) + 1}")
        self.runs.append(run)
        return run

    def mark(self) -> JournalMark | None:
        return JournalMark(self.id, self.number)

    def position(self, app: str, read_since: float | None = None) -> Position:
        return Position(len(self.runs), {run.number: run.requests for run in self.runs if not run.is_over})

    def uid_of(self, run: int) -> str:
        return next((each.uid for each in self.runs if each.number == run), "")

    def touched_since(self, app: str, since: Position, besides: int = 0) -> Iterator[str]:
        for run in self.runs:
            has_continued = since.unfinished.get(run.number, run.requests) != run.requests
            if run.number != besides and (run.number > since.run or has_continued):
                yield from run.touched

    def touched_by(self, run: int) -> Iterator[str]:
        yield from self.runs[run - 1].touched


@dataclass(slots=True)
class World:
    """*values* are the users' values of one attribute, None for none."""

    folder: Path
    values: dict[str, Any]
    journal: Journal = field(default_factory=Journal)
    clock: Clock = field(default_factory=Clock)

    @property
    def baseline(self) -> Baseline:
        return Baseline(Folder(self.folder / "baseline"), OWNER)

    def read(self, users: Sequence[str]) -> Read:
        """Read users, without telling the baseline."""
        self.clock.time += 1
        snapshot = self.folder / f"seen-{self.clock.time}.ndjson"
        with snapshot.open("w") as file:
            for user in users:
                attributes = {} if self.values[user] is None else {"tier": self.values[user]}
                entry = {"userId": user, "userAttributes": attributes, "observedAt": self.clock.time}
                file.write(json.dumps(entry) + "\n")
        return Read(snapshot, self.clock.time, self.journal.position("app"), [FIELD], ["tier"])

    def learn(self, read: Read) -> Head:
        return self.baseline.add_read(read, self.journal, self.clock)

    def write(self, run: Run, values: Mapping[str, Any], *, failing: Sequence[str] = ()) -> None:
        """Write in one request. Nobody knows whether the values of those who are *failing* were written: they were."""
        self.clock.time += 1
        run.requests += 1
        for user, value in values.items():
            self.values[user] = value
            run.touched.append(f"user:{user}")
            if user not in failing:
                run.done[user] = value

    def learn_run(self, run: Run) -> Head | None:
        def done(users: Sequence[str]) -> Mapping[str, bytes]:
            return {
                user: line_of(user, [change(user, run.done[user])], self.clock.time)
                for user in users
                if user in run.done
            }

        return self.baseline.add_run(run.number, done, self.journal, self.clock)

    def known(self) -> dict[str, int]:
        """Return the print of each user's value, as a plan would assume it."""
        into = self.folder / f"plan-{self.clock.new_id()}"
        into.mkdir()
        _, assumed = self.baseline.assume(self.journal, into)
        with connect() as connection:
            rows = connection.execute(
                'SELECT id, "attribute:tier" FROM read_parquet(?) WHERE id NOT IN'
                " (SELECT id FROM read_json(?, format = 'newline_delimited', columns = {'id': 'VARCHAR'}))"
                ' AND "attribute:tier" IS NOT NULL',
                [str(assumed.path), str(assumed.doubtful)],
            ).fetchall()
        return dict(rows)

    def print_of(self, value: Any) -> int:
        """Return the print of *value*."""
        with connect() as connection:
            connection.execute(prints.with_key(self.baseline.folder.key()))
            text = f"'{json.dumps(value)}'"
            return int(connection.execute(f"SELECT {prints.print_of_json(FIELD, text)}").fetchall()[0][0])


def change(user: str, value: Any) -> Change:
    return Change(
        Subject.user(user), "kind/name", ChangeKind.SET, "tier", None, value, Place("x"), Place("y")
    )
