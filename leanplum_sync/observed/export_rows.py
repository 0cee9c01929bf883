"""
Reads the file of an exportUsers job for one attribute: a CSV without a header, of userId and value.

How the file quotes isn't documented, and neither is much else about it. So each row has a value only if every plausible way of
writing the file gives the same reading, and if the value tells what exportUser would return:

=======================  =========  ====================================================================================
value in the file        reading    because
=======================  =========  ====================================================================================
``gold``, a date         certain    only the text itself is written like this
``True``, ``false``      certain    exportUser returns booleans as text too, and booleans equal their text
``25``, ``1.5E9``        uncertain  a number, or a text that looks like one: exportUser returns ``25`` or ``"25"``
``["a"]``, ``{...}``     uncertain  a list, or a text with brackets
empty, ``null``, ``NaN`` uncertain  no attribute, an empty text, an empty list, or that text
quotes, backslashes,     uncertain  they depend on how the file quotes
line breaks
=======================  =========  ====================================================================================

A user without a row is uncertain too: files may lack rows, so nobody is known not to have the attribute. A user with several rows is
certain only if all of them are, and hold the same value.

Whoever compares with a desired value therefore gets three answers. Equal for sure: the reading is certain and the values are equal.
Different for sure: the reading is certain and they differ. Not known: everything else. Only the first one allows leaving a user
alone; for both others, the user has to be read. All of this is about the moment that the export shows, which may be past. And it
assumes that the API writes characters as they are, and a list with brackets or commas.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Final

from leanplum_sync.bounds import CONTINUED_ROW, LINE
from leanplum_sync.errors import ExportFailedError
from leanplum_sync.wire.exported_text import SPECIAL, is_telling

_BARE: Final = re.compile(rf"([^{SPECIAL}]+),([^{SPECIAL}]*)")
_QUOTED: Final = re.compile(r'"((?:[^"]|"")+)","((?:[^"]|"")*)"', re.DOTALL)
_PLAIN: Final = re.compile(rf"(?:[^{SPECIAL}]|,)*")
_IN_QUOTES: Final = re.compile(r'"(?:[^"]|"")*"')
_INSIDE: Final = re.compile(r'(?:[^"]|"")*')
_TO_COMMA: Final = re.compile(r"(?:\\.|[^,\\])*", re.DOTALL)
_MARK: Final = "\ufeff"


@dataclass(frozen=True, slots=True)
class ExportRow:
    """*text* is the cell with the value. It is what exportUser returns only if *is_certain*."""

    user_id: str
    text: str
    is_certain: bool


def read_rows(path: Path) -> Iterator[ExportRow]:
    """
    Yield the rows of *path*, in the order of the file. Takes little memory, however large the file is.

    Raises:
        ExportFailedError: the file isn't such a CSV, or its last row doesn't end with a line break. The message names the row,
            and shows nothing of it.
    """
    is_quoted: bool | None = None  # whether the file puts all cells in quotes, as its first row does
    for number, record in enumerate(_records(path), start=1):
        if not record:
            continue
        if is_quoted is None:
            is_quoted = _QUOTED.fullmatch(record) is not None
        form = _QUOTED if is_quoted else _BARE
        match = form.fullmatch(record)
        if match is None:
            yield _odd_row(record, number)
            continue
        user_id, text = match.groups()
        is_plain = not is_quoted or (_PLAIN.fullmatch(user_id) and _PLAIN.fullmatch(text))
        yield ExportRow(user_id.replace('""', '"'), text, bool(is_plain) and is_telling(text))


def _odd_row(record: str, number: int) -> ExportRow:
    """Return a row that can be read in several ways: it makes whatever other rows hold about its user uncertain."""
    first = _IN_QUOTES.match(record) or _TO_COMMA.match(record)
    cell = first.group() if first else ""
    rest = record[len(cell) :]
    if not rest.startswith(","):
        raise ExportFailedError(f"Row {number} doesn't consist of a userId and a value.")
    user_id = cell[1:-1].replace('""', '"') if cell.startswith('"') and len(cell) > 1 else cell
    if not user_id:
        raise ExportFailedError(f"Row {number} has no userId.")
    return ExportRow(user_id, rest[1:], is_certain=False)


def _records(path: Path) -> Iterator[str]:
    """Yield rows without their line break. A row continues on the next line within a cell in quotes, and after a backslash."""
    ending = b"\n"
    begun: list[str] = []
    size, state = 0, _State.ENDED
    with path.open("rb") as file:
        number = 0
        while line := file.readline(LINE.most + 1):
            number += 1
            text = _text(line, number)
            if number == 1:
                text = text.removeprefix(_MARK)
                ending = b"\r\n" if line.endswith(b"\r\n") else b"\n"
            if begun and (size := size + len(text)) > CONTINUED_ROW.most:
                raise ExportFailedError(
                    f"The row that continues on line {number} has more than {CONTINUED_ROW}."
                )
            if not line.endswith(b"\n"):
                raise _cut_off()
            content = text[: -len(ending)] if line.endswith(ending) else text
            state = _after(content, state) if line.endswith(ending) else _State.ESCAPED
            begun.append(text if state is not _State.ENDED else content)
            if state is _State.ENDED:
                yield begun[0] if len(begun) == 1 else "".join(begun)
                begun.clear()
                size = 0
    if begun:
        raise _cut_off()


class _State(Enum):
    """What the end of a line is: that of a row, a character in quotes, or escaped by a backslash."""

    ENDED = auto()
    IN_QUOTES = auto()
    ESCAPED = auto()


def _after(line: str, before: _State) -> _State:
    """Return the state at the end of *line*, which begins in the state *before*."""
    if before is _State.ENDED and '"' not in line and not line.endswith("\\"):
        return _State.ENDED
    at, is_inside, is_start = 0, before is _State.IN_QUOTES, before is _State.ENDED
    while True:
        if is_inside or (is_start and line.startswith('"', at)):
            at = _INSIDE.match(line, at if is_inside else at + 1).end()  # type: ignore[union-attr]  # it matches nothing, too
            if at == len(line):
                return _State.IN_QUOTES
            at += 1
        at = _TO_COMMA.match(line, at).end()  # type: ignore[union-attr]  # as above
        if at == len(line):
            return _State.ENDED
        if line[at] == "\\":
            return _State.ESCAPED
        at += 1
        is_inside, is_start = False, True


def _cut_off() -> ExportFailedError:
    return ExportFailedError("Its last row is incomplete: the file was cut off.")


def _text(line: bytes, number: int) -> str:
    if len(line) > LINE.most:
        raise ExportFailedError(f"Line {number} has more than {LINE}.")
    if b"\0" in line:
        raise ExportFailedError(f"Line {number} is not text.")
    try:
        return line.decode()
    except UnicodeDecodeError:
        raise ExportFailedError(f"Line {number} is not UTF-8.") from None
