"""One row of a data file or inline list, and its problems."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from leanplum_sync.errors import SpecError
from leanplum_sync.kinds.rows.absence import id_fault, is_plain_id
from leanplum_sync.problem import Place
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.limits import ID_LENGTH
from leanplum_sync.wire.number import Number


@dataclass(frozen=True, slots=True)
class Row:
    """
    *number* counts data rows from 1. *values* are text in a CSV file, and any JSON in other formats.

    *place* is the row's line in its file; of an inline list, the item's line in the spec.
    """

    number: int
    place: Place
    values: Mapping[str, Json]


class RowError(SpecError):
    """*problems* holds everything that is wrong with one row. None of their sentences contains a value of it."""


class CellError(ValueError):
    """A cell can't be converted to the value that the spec asks for. Neither *message* nor *hint* contains its value."""

    def __init__(self, message: str, hint: str = "") -> None:
        self.message = message
        self.hint = hint
        super().__init__(message)


def checked_key(value: Json, column: str) -> str:
    """
    Return the key of a row as text. Whole numbers are keys, too, as databases often have them.

    Raises:
        CellError: it is missing, has blanks around it, or is of another type.
    """
    match value:
        case None | "":
            raise CellError(
                f"the key in column {column} is missing",
                "Every row needs a key, by which it is sent only once.",
            )
        case str() if value != value.strip() or "\0" in value:
            raise CellError(
                f"the key in column {column} has spaces before or after it, or a NUL character",
                "Remove them.",
            )
        case str():
            return value
        case int() if not isinstance(value, bool):
            return str(value)
        case Number(text=text) if text.removeprefix("-").isdecimal():
            return text
        case _:
            raise CellError(
                f"the key in column {column} is not text or a whole number", "Convert it to text."
            )


def checked_id(value: Json, column: str) -> str:
    """
    Return *value* if it is a userId or deviceId.

    Raises:
        CellError: it is not text, is empty or too long, has blanks around it or invisible characters in it, or shows
            that a program wrote it in place of an id.
    """
    if (
        type(value) is str
        and 0 < len(value) <= ID_LENGTH
        and not (value[0].isspace() or value[-1].isspace() or "\0" in value)
        and value != column
        and (is_plain_id(value) or id_fault(value, column) is None)
    ):
        return value
    match value:
        case None | "":
            raise CellError(f"the id in column {column} is missing", "Every row needs an id.")
        case str() if len(value) > ID_LENGTH:
            raise CellError(
                f"the id in column {column} is longer than {ID_LENGTH} characters", "The API refuses it."
            )
        case str() if "\0" in value:
            raise CellError(
                f"the id in column {column} contains a NUL character",
                "Remove it: a journal on PostgreSQL can't store it.",
            )
        case str() if fault := id_fault(value.strip(), column):
            what, hint = fault
            raise CellError(f"the id in column {column} {what}", hint)
        case str():
            raise CellError(
                f"the id in column {column} has spaces before or after it",
                "They would be part of the id: remove them.",
            )
        case _:
            raise CellError(
                f"the id in column {column} is not text", 'Ids are text: write it in quotes, such as "00123".'
            )
