"""Which ids the API and the journal can keep."""

from __future__ import annotations

from leanplum_sync.kinds.rows.absence import id_fault, is_plain_id
from leanplum_sync.kinds.rows.row import CellError
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.limits import ID_LENGTH


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
