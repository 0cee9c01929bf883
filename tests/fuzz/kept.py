"""Fuzzers of what the program wrote itself: plan files and journals, damaged, altered, or altered with their digests."""

from __future__ import annotations

import base64
import json
import random
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

sys.path.append(str(Path(__file__).parents[1] / "support"))  # where `python tests/fuzz` runs

from command import Ended, run
from documents import outputs
from forging import forge
from fuzzing import Fuzzer
from mutations import mutated_bytes, mutated_tree
from shop import ENVIRON, SECRETS, write_shop
from tables import alter, alterations

from leanplum_sync import emulator
from leanplum_sync.encryption import KEY_VARIABLE

PLAN: Final = "a.lpplan"
PLAN_KEY: Final = base64.b64encode(b"kanariPlanKey".ljust(32, b"k")).decode()
JOURNAL: Final = ".leanplum-sync/journal.db"
_OVER: Final = ("--ack", "suspectedRename=5", "--ack", "repeatedSends=2")
_ACKS: Final = ("--yes", "--new-journal", "--verify", "none")
_WORDS: Final = (
    *[
        "user:u1",
        "device:d1",
        "user:",
        "u1",
        "UserAttributes/loyalty",
        "MessageSend/hello",
        "hello-2026",
        "spring/visits",
        "app_emulator",
        "sandbox",
    ],
    *[
        "set",
        "send",
        "remove",
        "increment",
        "create",
        "rename",
        "token",
        "add",
        "sendMessage",
        "setUserAttributes",
        "deleteUser",
        "once",
        "repeatable",
        "checkable",
    ],
    *[
        "done",
        "open",
        "sent",
        "held",
        "in_doubt",
        "skipped",
        "rejected",
        "parked",
        "running",
        "partial",
        "[1]",
        "1,2",
        "1-3",
        "{}",
        "[]",
        "null",
    ],
    *("in doubt", "0" * 64, 0, 1, 2, 99, -1, 1.5),
)


class Plans(Fuzzer):
    name = "plans"
    secrets = (*SECRETS, PLAN_KEY)

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._shops = [
            self._made(folder / "plain", {}),
            self._made(folder / "sealed", {KEY_VARIABLE: PLAN_KEY}),
        ]

    @staticmethod
    def _made(folder: Path, key: dict[str, str]) -> tuple[Path, dict[str, str]]:
        """Return a project with a plan, and the variables that it is made with."""
        environ = {**ENVIRON, **key}
        folder.mkdir()
        write_shop(folder)
        ended = run(folder, "plan", "--out", PLAN, environ=environ)
        assert ended.code == 0, ended.err
        shutil.copy(folder / PLAN, folder / "other.lpplan")
        return folder, environ

    def case(self, draw: random.Random, folder: Path, *, debug: bool) -> Iterator[Ended]:
        shop, environ = draw.choice([self._shops[0], self._shops[0], self._shops[1]])
        shutil.copytree(shop, folder, dirs_exist_ok=True)
        self._spoil(draw, folder / PLAN)
        formats = outputs(draw, ("json", "markdown", "html"))
        commands = [
            ("show", PLAN, *formats),
            ("explain", PLAN, draw.choice(["u1", "u2", "device:d1", "nobody"])),
            ("plan-diff", *draw.choice([(PLAN, "other.lpplan"), ("other.lpplan", PLAN)])),
            (
                "apply",
                PLAN,
                *_ACKS,
                *draw.choice([(), ("--canary", "1"), ("--recheck", "on"), ("--ack", "sends=2")]),
            ),
        ]
        for command in draw.sample(commands, draw.choice([1, 2])):
            yield run(folder, *command, environ=environ, debug=debug)

    def _spoil(self, draw: random.Random, path: Path) -> None:
        match draw.randrange(5):
            case 0:
                path.write_bytes(mutated_bytes(draw, path.read_bytes()))
            case 1:
                alter(path, alterations(draw, path, _WORDS))
            case _:  # nothing but the values themselves can give it away
                for statement in alterations(draw, path, _WORDS):
                    with suppress(sqlite3.Error, TypeError, UnicodeError):  # not for this table
                        forge(path, statement)


class Journals(Fuzzer):
    name = "journals"
    secrets = SECRETS

    _commands = (
        ("status",),
        ("status", "-o", "json"),
        ("status", "-o", "markdown=out.md"),
        ("status", "-o", "html=out.html"),
        ("journal", "list"),
        ("journal", "list", "-o", "json"),
        ("journal", "show", "1"),
        ("journal", "show", "2", "-o", "json"),
        ("journal", "verify"),
        ("journal", "verify", "-o", "json"),
        ("journal", "export"),
        ("journal", "export", "--out", "out.parquet"),
        ("journal", "export", "1", "--out", "out.ndjson"),
        ("journal", "upgrade"),
        ("journal", "prune", "--older-than", "1s"),
        ("journal", "copy", JOURNAL),
        ("drift",),
        ("drift", "-o", "json"),
        ("undo", "1"),
        ("undo", "2"),
        ("resolve", "2", "--done", "--yes"),
        ("resolve", "2", "--again", "--yes", "--user", "u1"),
        ("resolve", "2", "--drop", "--yes", "--batch", "1"),
        ("plan",),
        ("plan",),
        ("apply", PLAN, *_ACKS, *_OVER),
        ("apply", PLAN, *_ACKS, *_OVER, "--resume", "--recheck", "on"),
        ("doctor",),
    )

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._shop = folder / "shop"
        self._shop.mkdir()
        write_shop(self._shop)
        self._run("plan", "--out", PLAN, code=0)
        self._run("apply", PLAN, *_ACKS, "-o", "json=receipt-1.json", code=0)
        self._hold()
        for receipt in self._shop.glob("receipt-*.json"):  # on one line, as its mutations are
            receipt.write_text(json.dumps(json.loads(receipt.read_text())))

    def _run(self, *arguments: str, code: int, **variables: str) -> None:
        ended = run(self._shop, *arguments, environ={**ENVIRON, **variables})
        assert ended.code == code, f"{ended.code} {ended.err}"

    def _hold(self) -> None:
        """Add a run whose answers were lost, with held sends, and move it to the environment of the first."""
        self._rename("hello-2026", "second-2026", "spring", "summer")
        seeds = [self._shop / "seed" / "users.ndjson"]
        with emulator.running(seeds=seeds, faults="cut-after:action=multi,user=u1") as served:
            variables = {"LEANPLUM_API_URL": served.url, "LEANPLUM_APP_ID": emulator.APP_ID}
            variables |= {f"LEANPLUM_{name.upper()}_KEY": key for name, key in emulator.KEYS.items()}
            self._run("plan", "-e", "production", "--out", "held.lpplan", code=6, **variables)
            over = ("sends=2", "suspectedRename=5", "createdUsers=1", "removals=4", "changedShare=100")
            acks = [word for each in over for word in ("--ack", each)]
            self._run("apply", "held.lpplan", *_ACKS, *acks, "-o", "json=receipt-2.json", code=5, **variables)
        with closing(sqlite3.connect(self._shop / JOURNAL)) as connection, connection:
            connection.execute("UPDATE run SET environment = 'sandbox'")
        self._rename("second-2026", "third-2026", "summer", "autumn", "gold", "platinum")
        self._run("plan", "--out", PLAN, code=6)

    def _rename(self, *names: str) -> None:
        specs = self._shop / "specs" / "all.yaml"
        text = specs.read_text()
        for before, after in zip(names[::2], names[1::2], strict=True):
            text = text.replace(before, after)
        specs.write_text(text)

    def case(self, draw: random.Random, folder: Path, *, debug: bool) -> Iterator[Ended]:
        shutil.copytree(self._shop, folder, dirs_exist_ok=True)
        path = folder / JOURNAL
        if draw.random() < 0.25:
            yield from self._rebuilt(draw, folder, debug=debug)
            return
        match draw.randrange(10):
            case 0:
                path.write_bytes(mutated_bytes(draw, path.read_bytes()))
            case 1:  # what lies beside it is evidence
                beside = draw.choice(sorted(each for each in path.parent.rglob("*") if each.is_file()))
                beside.write_bytes(mutated_bytes(draw, beside.read_bytes()))
            case _:
                alter(path, alterations(draw, path, _WORDS))
        for command in draw.sample(self._commands, draw.choice([1, 2, 3])):
            yield run(folder, *command, environ=ENVIRON, debug=debug)

    def _rebuilt(self, draw: random.Random, folder: Path, *, debug: bool) -> Iterator[Ended]:
        """Lose the journal, alter what is left of its runs, and rebuild it from that."""
        path = folder / JOURNAL
        path.unlink()
        if draw.random() < 0.5:
            path.with_name("journal.db.mark").unlink()
        left = [
            *path.parent.glob("*.events.ndjson"),
            *path.parent.glob("applied/*"),
            *folder.glob("receipt*"),
        ]
        for changed in draw.sample(sorted(left), draw.choice([0, 1, 1, 2])):
            content = changed.read_bytes()
            if changed.suffix == ".lpplan" or draw.random() < 0.2:
                changed.write_bytes(mutated_bytes(draw, content))
            else:
                lines = [json.loads(line) for line in content.splitlines()]
                mutated = mutated_tree(draw, lines, _WORDS)
                changed.write_text(
                    "".join(f"{json.dumps(each)}\n" for each in mutated)
                    if isinstance(mutated, list)
                    else "{}"
                )
        receipts = draw.choice([(), ("receipt-1.json",), ("receipt-1.json", "receipt-2.json")])
        yield run(
            folder, "journal", "rebuild", *receipts, *outputs(draw, ("json",)), environ=ENVIRON, debug=debug
        )
        for command in draw.sample(self._commands, draw.choice([1, 2])):
            yield run(folder, *command, environ=ENVIRON, debug=debug)
