"""One row of a data file or inline list, and its problems."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from leanplum_sync.errors import SpecError
from leanplum_sync.problem import Place
from leanplum_sync.wire.action import Json


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
