"""Collects problems: counts all of them, keeps the first ones, and writes all of them to disk if there are many."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, Self

import orjson

from leanplum_sync.errors import StorageError
from leanplum_sync.problem import SHOWN, Problem, in_file_order

KEPT: Final = 10_000  # for documents that machines read


@dataclass(frozen=True, slots=True)
class ListingFile:
    """
    Where all problems are listed, one JSON object a line, in the order in which they are found.

    One that *is_asked_for* is always written. Else it is there only if there are more problems than a person is shown, and a
    folder that can't be written to is no reason not to check.
    """

    path: Path
    is_asked_for: bool = False


class ProblemList:
    """
    A context, at the end of which the file is whole. Memory doesn't grow with the number of problems.

    Raises:
        StorageError: the file that is asked for can't be written.
    """

    def __init__(self, file: ListingFile | None = None) -> None:
        self.total = 0
        self.listed: Path | None = None
        self._kept: list[Problem] = []
        self._wanted = file
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Self:
        if self._wanted is not None and self._wanted.is_asked_for:
            self._open(self._wanted)
        elif self._wanted is not None:
            with suppress(OSError):  # what an earlier check left there is not true any more
                self._wanted.path.unlink()
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None and self._wanted is not None:
            try:
                self._file.close()
            except OSError as error:
                self._give_up(self._wanted, error)

    def report(self, problem: Problem) -> None:
        self.total += 1
        self._kept.append(problem)
        if self._file is not None:
            self._write([problem])
        elif self._wanted is not None and self.total == SHOWN + 1:
            self._open(self._wanted)
            self._write(self._kept)
        if len(self._kept) >= 2 * KEPT:
            self._kept = list(self.first())

    def first(self) -> tuple[Problem, ...]:
        """Return the first 10,000 in reading order: by file, then by line."""
        return tuple(sorted(self._kept, key=in_file_order)[:KEPT])

    def _open(self, wanted: ListingFile) -> None:
        try:
            wanted.path.parent.mkdir(parents=True, exist_ok=True)
            # Names of files and columns, at least, are nobody else's business.
            self._file = os.fdopen(os.open(wanted.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")
            self.listed = wanted.path
        except OSError as error:
            self._give_up(wanted, error)

    def _write(self, problems: list[Problem]) -> None:
        if self._file is None or self._wanted is None:
            return
        try:
            for problem in problems:
                self._file.write(orjson.dumps(problem.entry(), option=orjson.OPT_APPEND_NEWLINE))
        except OSError as error:
            self._give_up(self._wanted, error)

    def _give_up(self, wanted: ListingFile, error: OSError) -> None:
        if wanted.is_asked_for:
            raise StorageError(
                f"{wanted.path}: the list of problems can't be written: {error.strerror}."
            ) from error
        with suppress(OSError):
            if self._file is not None:
                self._file.close()
            wanted.path.unlink()
        self._file = self._wanted = self.listed = None
