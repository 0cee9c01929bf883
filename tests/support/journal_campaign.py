"""
Loses journals in every way, and checks against the emulator's counts that nothing is sent or incremented twice.

Each seed is a history: some plans are made and applied; then the journal is lost, emptied, restored from an older copy, separated
from its write-ahead log, swapped for another one, or its database fails over to a replica that was behind. The next ``apply``
must refuse with one sentence that says what to do. Then a person restores the journal, rebuilds it, or goes on without it
by name (``new_journal``). Until then, no send and no increment may have happened twice.

As a script, it prints a line for each failed seed and a summary. ``--seed`` and ``--runs`` select the seeds.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sqlite3
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psycopg
import requests
from files import ndjson
from postgresql import Server, serving

from leanplum_sync import Plan, Project, apply, emulator, plan
from leanplum_sync.applier.settings import Recheck
from leanplum_sync.errors import JournalReplacedError
from leanplum_sync.library.rebuild import rebuild

USERS: Final = [f"u{number:02}" for number in range(12)]
STEPS: Final = 8  # deliveries that a history may make; each has its own message or attribute
MISHAPS: Final[Mapping[str, Sequence[str]]] = {
    "sqlite": (
        "lost",
        "lost with its mark",
        "emptied",
        "older copy",
        "older copy with its mark",
        "separated from its log",
        "swapped",
        "swapped with its mark",
        "fresh checkout",
    ),
    "postgresql": (
        "schema dropped",
        "schema dropped, fresh checkout",
        "replica behind",
        "replica behind, fresh checkout",
        "other database",
    ),
}
REMEDIES: Final = ("restore", "rebuild", "go on")
BACKENDS: Final = tuple(MISHAPS)
_PROJECT: Final = """\
apiVersion: leanplum-sync/v1
kind: Project
metadata: {name: history}
spec:
  journal: {env: LEANPLUM_SYNC_JOURNAL}
  environments: {live: {appId: app_emulator, budget: {sends: 1000, repeatedSends: 1000, suspectedRename: 1000}}}
  defaultEnvironment: live
  limits: {requestsPerSecond: 1000}
"""
_SEND: Final = """\
apiVersion: leanplum-sync/v1
kind: MessageSend
metadata: {name: send-%(step)d}
spec: {message: {name: Message %(step)d}, recipients: {inline: [%(users)s]}, delivery: send-%(step)d}
"""
_INCREMENT: Final = """\
apiVersion: leanplum-sync/v1
kind: UserAttributes
metadata: {name: increment-%(step)d}
spec:
  users: {inline: [%(users)s]}
  attributes: {visits_%(step)d: {increment: 1, once: launch-%(step)d}}
"""
_SET: Final = """\
apiVersion: leanplum-sync/v1
kind: UserAttributes
metadata: {name: set-%(step)d}
spec: {users: {inline: [%(users)s]}, attributes: {tier_%(step)d: gold}}
"""


def seed_lines() -> str:
    messages = (
        {
            "message": {
                "id": 100 + step,
                "name": f"Message {step}",
                "active": True,
                "messageType": "Push Notification",
                "delivery": "manual",
            }
        }
        for step in range(STEPS)
    )
    users = (
        {
            "userId": user,
            "userAttributes": {f"visits_{step}": 0 for step in range(STEPS)},
            "devices": [{"deviceId": f"d-{user}"}],
        }
        for user in USERS
    )
    return ndjson(*messages, *users)


@dataclass
class Verdict:
    """The result of one seed. *problems* is empty if all laws held. *sentences* are those of the refusals."""

    seed: int
    what: str
    refusals: int = 0
    duplicates: int = 0
    sentences: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


class History:
    """One project, its journal, and what becomes of them."""

    def __init__(self, seed: int, server: Server, folder: Path) -> None:
        self.backend = BACKENDS[seed % 2]
        mishaps = MISHAPS[self.backend]
        self.mishap = mishaps[seed // 2 % len(mishaps)]
        self.remedy = REMEDIES[seed // 2 // len(mishaps) % len(REMEDIES)]
        self._chance = random.Random(seed)
        self._is_between = self._chance.random() < 0.5 or "fresh checkout" in self.mishap
        self._server, self._folder = server, folder / "project"
        self._specs: list[str] = []
        self._names = iter(range(1000))
        self._location = server.new_database() if self.backend == "postgresql" else "./journal.db"
        when = "between planning and applying" if self._is_between else "before planning"
        self.verdict = Verdict(seed, f"{self.backend}, {self.mishap}, {when}, {self.remedy}")

    def go(self) -> Verdict:
        self._folder.mkdir()
        (self._folder / "leanplum-sync.yaml").write_text(_PROJECT)
        (self._folder / "specs").mkdir()
        seeds = self._folder.parent / "seed.ndjson"
        seeds.write_text(seed_lines())
        with emulator.running(seeds=[seeds], switches=emulator.Switches(duplicates="carry_out")) as running:
            self._url = running.url
            with self._environment():
                self._live()
        return self.verdict

    def _live(self) -> None:
        for _ in range(self._chance.randint(1, 2)):
            self._add_step()
            self._apply(self._plan(), new_journal=True)
        self._older, self._older_location = self._copied(), self._replica()
        self._add_step(delivers=True)
        with self._log_kept_apart():
            self._apply(self._plan())
        self._judge()
        self._latest, self._latest_location = self._copied(), self._replica()
        if self._is_between or self._chance.random() < 0.7:
            self._add_step()
        if self._is_between:
            made = self._plan()
            made = self._suffer(made)
        else:
            self._suffer(None)
            made = self._plan()
        self._expect_refusal(made)
        self._judge()
        self._help(made)

    def _add_step(self, *, delivers: bool = False) -> None:
        step = len(self._specs)
        kinds = (_SEND, _INCREMENT) if delivers or not step else (_SEND, _INCREMENT, _SET)
        users = self._chance.sample(USERS, k=self._chance.randint(1, len(USERS)))
        self._specs.append(self._chance.choice(kinds) % {"step": step, "users": ", ".join(users)})
        (self._folder / "specs" / "all.yaml").write_text("---\n".join(self._specs))

    def _plan(self) -> Plan:
        return plan(Project.load(self._folder / "leanplum-sync.yaml"), out=self._folder / "a.lpplan")

    def _apply(self, made: Plan, *, new_journal: bool = False) -> None:
        receipt = apply(made, recheck=Recheck.OFF, new_journal=new_journal)
        if not receipt.complete:
            self._problem(f"a run did not complete: {receipt.actions}")

    # What happens to the journal.

    def _suffer(self, made: Plan | None) -> Plan | None:
        if self.backend == "sqlite":
            self._lose_file()
        else:
            self._lose_database()
        return self._checked_out(made) if made and "fresh checkout" in self.mishap else made

    def _lose_file(self) -> None:
        keeps_mark = "with its mark" not in self.mishap
        match self.mishap:
            case "lost" | "lost with its mark":
                self._delete(mark=not keeps_mark)
            case "emptied":
                for path in self._files():
                    path.write_bytes(b"")
            case "older copy" | "older copy with its mark":
                self._put(self._older, mark=not keeps_mark)
            case "separated from its log":
                self._delete()
                shutil.copy(self._apart, self._folder / "journal.db")
            case "swapped" | "swapped with its mark":
                self._put(self._other_journal(), mark=not keeps_mark)
            case "fresh checkout":
                pass
            case _:
                raise AssertionError(self.mishap)

    def _lose_database(self) -> None:
        match self.mishap:
            case "schema dropped" | "schema dropped, fresh checkout":
                with psycopg.connect(self._location, autocommit=True) as connection:
                    connection.execute("DROP SCHEMA leanplum_sync CASCADE")
            case "replica behind" | "replica behind, fresh checkout":
                os.environ["LEANPLUM_SYNC_JOURNAL"] = self._older_location
            case "other database":
                self._other_journal()
            case _:
                raise AssertionError(self.mishap)

    def _checked_out(self, made: Plan) -> Plan:
        """Return *made* in a folder that has what is under version control, and nothing else."""
        fresh = self._folder.with_name("fresh")
        shutil.copytree(self._folder / "specs", fresh / "specs")
        for name in ("leanplum-sync.yaml", "a.lpplan"):
            shutil.copy(self._folder / name, fresh / name)
        self._left, self._folder = self._folder, fresh
        return Plan.open(fresh / made.path.name, Project.load(fresh / "leanplum-sync.yaml"))

    def _files(self) -> Iterator[Path]:
        yield from (path for path in self._folder.glob("journal.db*") if not path.name.endswith(".mark"))

    def _delete(self, *, mark: bool = False) -> None:
        for path in self._files():
            path.unlink()
        if mark:
            (self._folder / "journal.db.mark").unlink(missing_ok=True)

    def _copied(self) -> Path:
        """Return a folder with a copy of the journal, and of the file beside it."""
        folder = self._folder.parent / f"copy-{next(self._names)}"
        folder.mkdir()
        if self.backend == "sqlite":
            with (
                closing(sqlite3.connect(self._folder / "journal.db")) as source,
                closing(sqlite3.connect(folder / "journal.db")) as target,
            ):
                source.backup(target)
            shutil.copy(self._folder / "journal.db.mark", folder)
        return folder

    def _put(self, copied: Path, *, mark: bool = False) -> None:
        self._delete(mark=mark)
        for path in copied.glob("journal.db*"):
            if mark or not path.name.endswith(".mark"):
                shutil.copy(path, self._folder)

    def _replica(self) -> str:
        return self._server.copy_database(self._location) if self.backend == "postgresql" else ""

    @contextmanager
    def _log_kept_apart(self) -> Iterator[None]:
        """Keep a copy of the database file without its log, as if the process had been killed and the log been lost."""
        if self.backend != "sqlite":
            yield
            return
        # While somebody reads, the log is not written back to the file.
        with closing(sqlite3.connect(self._folder / "journal.db")) as reading:
            reading.execute("SELECT count(*) FROM run").fetchone()
            yield
            self._apart = self._folder.parent / "apart.db"
            shutil.copy(self._folder / "journal.db", self._apart)

    def _other_journal(self) -> Path:
        """Use another project's journal for the same app, and return the folder of its files."""
        folder = self._folder.parent / "other"
        shutil.copytree(self._folder, folder, ignore=shutil.ignore_patterns(".leanplum-sync", "journal.db*"))
        (folder / "specs" / "all.yaml").write_text(_SET % {"step": STEPS, "users": USERS[0]})
        if self.backend == "postgresql":
            os.environ["LEANPLUM_SYNC_JOURNAL"] = self._server.new_database()
        made = plan(Project.load(folder / "leanplum-sync.yaml"), out=folder / "b.lpplan")
        apply(made, recheck=Recheck.OFF, new_journal=True)
        return folder

    # What apply says, and what a person does.

    def _expect_refusal(self, made: Plan | None) -> None:
        assert made is not None
        assert not made.is_empty
        try:
            apply(made, recheck=Recheck.OFF, accept=made.over_budget)
        except JournalReplacedError as error:
            self.verdict.refusals += 1
            self.verdict.sentences.append(str(error))
            if "\n" in str(error) or "; nothing was sent. " not in str(error):
                self._problem(f"that is not one sentence and what to do: {error}")
        else:
            self._problem("it was not refused")

    def _help(self, made: Plan | None) -> None:
        assert made is not None
        remedy = "restore" if self.remedy == "rebuild" and not self._can_rebuild() else self.remedy
        match remedy:
            case "restore":
                self._restore()
                again = self._plan()
                apply(again, recheck=Recheck.OFF, accept=again.over_budget)
            case "rebuild":
                self._delete()
                restored = rebuild(Project.load(self._folder / "leanplum-sync.yaml").settings, [])
                again = self._plan()
                apply(
                    again, recheck=Recheck.OFF, accept=again.over_budget, new_journal=bool(restored.unknown)
                )
            case "go on":
                again = self._plan()
                apply(again, recheck=Recheck.OFF, accept=again.over_budget, new_journal=True)
                if not self._plan().is_empty:
                    self._problem("after going on, the plan is not empty")
                return  # said by name: what happened twice was meant to
            case _:
                raise AssertionError(remedy)
        self._judge()
        if not self._plan().is_empty:
            self._problem("after the remedy, the plan is not empty")

    def _can_rebuild(self) -> bool:
        return self.backend == "sqlite" and self.mishap != "fresh checkout"

    def _restore(self) -> None:
        if "fresh checkout" in self.mishap:
            self._folder = self._left
        if self.backend == "sqlite":
            if self.mishap != "fresh checkout":
                self._put(self._latest, mark=True)
            return
        os.environ["LEANPLUM_SYNC_JOURNAL"] = self._latest_location

    def _judge(self) -> None:
        counts = requests.get(f"{self._url}/_emulator/counts", params={"detail": 1}, timeout=300).json()
        happened = (*counts["sends"].values(), *counts["increments"].values())
        duplicates = sum(count - 1 for each in happened for count in each.values())
        self.verdict.duplicates += duplicates
        if duplicates:
            self._problem(f"{duplicates} happened twice, and nobody had said so")

    def _problem(self, text: str) -> None:
        self.verdict.problems.append(text)

    @contextmanager
    def _environment(self) -> Iterator[None]:
        before = dict(os.environ)
        os.environ |= {
            "LEANPLUM_API_URL": self._url,
            "LEANPLUM_APP_ID": emulator.APP_ID,
            "LEANPLUM_SYNC_JOURNAL": self._location,
            **{f"LEANPLUM_{name.upper()}_KEY": key for name, key in emulator.KEYS.items()},
        }
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


def campaign(seeds: Sequence[int], server: Server) -> Iterator[Verdict]:
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            yield History(seed, server, Path(folder)).go()


def summary(verdicts: Sequence[Verdict]) -> str:
    mishaps: Counter[str] = Counter(", ".join(verdict.what.split(", ")[:2]) for verdict in verdicts)
    failed = sum(bool(verdict.problems) for verdict in verdicts)
    return (
        f"{len(verdicts)} histories, {sum(verdict.refusals for verdict in verdicts)} refusals,"
        f" {sum(verdict.duplicates for verdict in verdicts)} duplicates that nobody asked for; {failed} failed; "
        + "; ".join(f"{count} {mishap}" for mishap, count in sorted(mishaps.items()))
    )


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - what a person who runs it wants to see


def main() -> int:
    parser = argparse.ArgumentParser(description="Lose journals in every way, and count what happens twice.")
    parser.add_argument("--runs", type=int, default=200, help="how many (default: 200)")
    parser.add_argument("--seed", type=int, default=0, help="of the first history (default: 0)")
    asked = parser.parse_args()
    verdicts: list[Verdict] = []
    with serving() as server:
        for verdict in campaign(range(asked.seed, asked.seed + asked.runs), server):
            verdicts.append(verdict)
            if verdict.problems:
                _say(f"FOUND  seed {verdict.seed}, {verdict.what}: {'; '.join(verdict.problems)}")
    _say(summary(verdicts))
    return int(any(verdict.problems for verdict in verdicts))


if __name__ == "__main__":
    sys.exit(main())
