"""Fuzzers of what people write: specs and the project file."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path

from command import Ended, run
from fuzzing import Fuzzer
from shop import (
    CELL,
    COLUMNS,
    ENVIRON,
    PEOPLE,
    PROJECT,
    SECRETS,
    SEND,
    SENSITIVE,
    TOKENS,
    WORDS,
    write_shop,
    yaml_file,
)

from leanplum_sync.cli.program import COMMANDS
from leanplum_sync.specs import load

CHECKED: tuple[str, ...] = ("json", "ndjson", "markdown", "html", "sarif", "github", "junit")


def outputs(draw: random.Random, formats: tuple[str, ...] = CHECKED) -> list[str]:
    """Return options for one or two documents in files."""
    return [
        word
        for each in draw.sample(formats, min(len(formats), draw.choice([0, 1, 2])))
        for word in ("-o", f"{each}=out.{each}.txt")
    ]


class Specs(Fuzzer):
    name = "specs"

    def case(self, draw: random.Random, folder: Path, *, debug: bool) -> Iterator[Ended]:
        write_shop(folder, specs=())
        chosen = draw.sample([PEOPLE, TOKENS, SEND], draw.choice([1, 1, 2, 3]))
        content = yaml_file(draw, *chosen)
        # Ids are shown. Where another column gives the ids, its values are.
        ids = {found.decode() for found in re.findall(rb"""\b(?:id|user)\b["']?\s*:\s*["']?(\w+)""", content)}
        self.secrets = SECRETS if ids & (set(COLUMNS) - {"id", "device"}) else (*SECRETS, CELL, SENSITIVE)
        (folder / "specs" / "all.yaml").write_bytes(content)
        # Most cases end here: the rest of the command is the slower part, and the same for all files with problems.
        if load(folder / "leanplum-sync.yaml").problems and draw.random() < 0.7:
            return
        yield run(
            folder,
            "validate",
            *draw.choice([[], [], ["--strict"]]),
            *outputs(draw),
            environ=ENVIRON,
            debug=debug,
        )
        if draw.random() < 0.1:
            yield run(folder, "fmt", "--check", environ=ENVIRON, debug=debug)
            yield run(folder, "fmt", environ=ENVIRON, debug=debug)
            yield run(folder, "fmt", "--check", environ=ENVIRON, debug=debug)


class Project(Fuzzer):
    name = "project"
    secrets = SECRETS

    _words = (
        *WORDS,
        *ENVIRON,
        *PROJECT["spec"],
        *({"env": name} for name in ENVIRON),
        {"env": "UNSET", "otherwise": "kept.db"},
        *(
            "env",
            "otherwise",
            "emulator",
            "embedded",
            "seed",
            "budget",
            "limits",
            "appId",
            "keys",
            "from",
            "to",
        ),
        *("seed/users.ndjson", "specs/all.yaml", "data", ".", "production", "sandbox", "app_emulator"),
        *PROJECT["spec"]["environments"]["production"]["budget"],
        *PROJECT["spec"]["environments"]["production"]["limits"],
    )
    _commands = (
        ("validate",),
        ("validate",),
        ("status",),
        ("journal", "list"),
        ("journal", "verify"),
        ("doctor",),
        ("drift",),
        ("plan", "-e", "sandbox"),
        ("plan",),
        ("plan", "-e", "production"),
        ("pull", "u1", "--out", "seen.ndjson"),
    )

    def case(self, draw: random.Random, folder: Path, *, debug: bool) -> Iterator[Ended]:
        write_shop(folder, project=yaml_file(draw, PROJECT, words=self._words))
        command = draw.choice(self._commands)
        assert command[0] in COMMANDS
        yield run(folder, *command, "--project", "leanplum-sync.yaml", environ=ENVIRON, debug=debug)
