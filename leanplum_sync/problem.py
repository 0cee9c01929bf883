"""What is wrong with a spec or a data file, and where: the unit that checking collects and people read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Self

SHOWN: Final = 100  # problems that a person is shown at once; a file has them all
_SHOWN_PLACE: Final = re.compile(r"(.+?):(?:(\d+)(?::(\d+))?|row (\d+))", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Place:
    """
    A position in a file the user wrote. Places sort by file and position; a missing number comes first.

    *file* is relative to the project folder, with forward slashes, so that it reads the same on every machine.
    *line* and *column* count from 1. *row* is the data row of a data file, from 1, its header not counted; it
    stands instead of a line where a file has none (Parquet).
    """

    file: str
    line: int | None = None
    column: int | None = None
    row: int | None = None

    def __lt__(self, other: Place) -> bool:
        return self._order() < other._order()

    def _order(self) -> tuple[str, int, int, int]:
        return self.file, self.line or 0, self.column or 0, self.row or 0

    def __str__(self) -> str:
        position = [str(number) for number in (self.line, self.column) if number is not None]
        if not position and self.row is not None:
            position = [f"row {self.row}"]
        return ":".join([self.file, *position])

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the place that *text*, made by ``str``, shows."""
        match = _SHOWN_PLACE.fullmatch(text)
        if match is None:
            return cls(text)
        line, column, row = (int(number) if number else None for number in match.group(2, 3, 4))
        return cls(match[1], line, column, row)


@dataclass(frozen=True, slots=True)
class Problem:
    """
    One thing to fix, in the words of the person who must fix it.

    *message* says what is wrong, *hint* what to write instead. *address* is the resource's ``kind/name``, where it
    is known. *excerpt* is the source line, shown with a caret under the place's column; rows of data files carry
    none, because their values are other people's secrets. *also* names a second place that takes part.
    """

    place: Place
    message: str
    hint: str = ""
    address: str = ""
    excerpt: str = ""
    also: Place | None = None

    def __str__(self) -> str:
        row = f"row {self.place.row}: " if self.place.row is not None and self.place.line is not None else ""
        address = f"{self.address}: " if self.address else ""
        return f"{self.place}: {address}{row}{self.sentence}"

    @property
    def sentence(self) -> str:
        """What is wrong and what to do, without the place."""
        other = f" (see {self.also})" if self.also else ""
        hint = f" {self.hint}" if self.hint else ""
        return f"{self.message}{other}.{hint}"

    def entry(self) -> ProblemEntry:
        return ProblemEntry(self.place, self.address or None, self.message, self.hint or None, self.also)


def in_file_order(problem: Problem) -> tuple[Place, str]:
    """Return a key that sorts problems by place."""
    return problem.place, problem.message


@dataclass(frozen=True, slots=True)
class ProblemEntry:
    """A problem as JSON has it: its fields are the keys. The excerpt is omitted."""

    place: Place
    resource: str | None
    message: str
    hint: str | None
    also: Place | None


@dataclass(frozen=True, slots=True)
class Remark:
    """
    Something that is allowed and probably not intended: it is shown, and stops nothing.

    *problem* places and describes the first of *count* cases; all of them are in its message.
    """

    problem: Problem
    count: int = 1

    def __str__(self) -> str:
        return str(self.problem)

    def entry(self) -> RemarkEntry:
        told = self.problem.entry()
        return RemarkEntry(told.place, told.resource, told.message, told.hint, told.also, self.count)


@dataclass(frozen=True, slots=True)
class RemarkEntry(ProblemEntry):
    """A remark as JSON has it."""

    count: int
