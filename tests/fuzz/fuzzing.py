"""What a fuzzer is, and how its cases are run: each from a number, so that a finding can be repeated."""

from __future__ import annotations

import gc
import random
import shutil
import tempfile
import traceback
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from command import Ended, breach


@dataclass(frozen=True, slots=True)
class Finding:
    fuzzer: str
    seed: int
    what: str
    details: str

    @property
    def key(self) -> str:
        """What two findings of the same fault have in common."""
        return f"{self.what} {self.details.strip().splitlines()[-1][:150]}"

    def __str__(self) -> str:
        return f"{self.fuzzer}, seed {self.seed}: {self.what}\n{self.details}"


class Fuzzer(ABC):
    """
    A family of inputs, and the commands that read them.

    *name* is unique. *secrets* are texts planted where no output may show them.
    """

    name: str
    secrets: Sequence[str] = ()

    def __init__(self, folder: Path) -> None:
        """*folder* is for what all cases share. It is made once."""
        self.folder = folder

    @abstractmethod
    def case(self, draw: random.Random, folder: Path, *, debug: bool) -> Iterator[Ended]:
        """Write one drawn input into *folder*, which is empty, and yield how each command that reads it ended."""


def attempt(fuzzer: Fuzzer, seed: int, folder: Path, *, debug: bool = False) -> Finding | None:
    """Run the case of *seed* in *folder*, and return what is wrong with it."""
    draw = random.Random(f"{fuzzer.name} {seed}")
    try:
        for ended in fuzzer.case(draw, folder, debug=debug):
            if wrong := breach(ended, fuzzer.secrets, debug=debug):
                shown = (
                    f"$ leanplum-sync {' '.join(ended.arguments)}\n{ended.out[-4000:]}\n{ended.err[-8000:]}"
                )
                return Finding(fuzzer.name, seed, wrong, shown)
    except Exception:  # noqa: BLE001 - whatever gets through is what is searched for
        return Finding(fuzzer.name, seed, "an exception got through", traceback.format_exc())
    return None


def search(fuzzer: Fuzzer, seeds: Iterator[int]) -> Iterator[tuple[int, Finding | None]]:
    """Yield each seed and what its case found."""
    for number, seed in enumerate(seeds):
        if number % 100 == 0:
            _free()
        with _folder(fuzzer) as folder:
            found = attempt(fuzzer, seed, folder)
        if found:
            with _folder(fuzzer) as folder:  # once more, for the traceback
                found = attempt(fuzzer, seed, folder, debug=True) or found
        yield seed, found
    _free()


def _free() -> None:
    """The program freezes what it imports, for a process that runs one command."""
    gc.unfreeze()
    gc.collect()


@contextmanager
def _folder(fuzzer: Fuzzer) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="case-", dir=fuzzer.folder, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def keep(fuzzer: Fuzzer, seed: int, folder: Path) -> Finding | None:
    """Run one case with its files in *folder*, which are kept."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    return attempt(fuzzer, seed, folder, debug=True)
