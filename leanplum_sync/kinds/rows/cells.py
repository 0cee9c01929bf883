"""How a cell becomes a value. Specs are compiled to these once, and run for every row."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from leanplum_sync.kinds.rows.row import CellError
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.convert import ConversionError, InexactError, ValueType, convert, inexact
from leanplum_sync.wire.limits import LARGEST_EXACT_INTEGER
from leanplum_sync.wire.number import Number, double_text

Check: TypeAlias = Callable[[Json], Json]  # returns the value as it is sent, or raises ConversionError


def attribute_value(value: Json) -> Json:
    """
    Return *value* if an attribute can hold it: text, a number, a boolean, or a list of those.

    Raises:
        ConversionError: it is empty, nested, or a number that the API would change.
    """
    match value:
        case bool():
            return value
        case str() if value:
            return value
        case int() | float() | Number():
            return _attribute_number(value)
        case list() | tuple() if value:
            if any(isinstance(item, list | tuple | dict) for item in value):
                raise ConversionError("a flat list (no lists or mappings inside)")
            return [attribute_value(item) for item in value]
        case list() | tuple():
            raise ConversionError("a list with at least one value")
        case _:
            raise ConversionError("text, a number, true or false, or a list of such values")


def _attribute_number(value: float | Number) -> Json:
    number = value.value if isinstance(value, Number) else value
    if number is None or (isinstance(number, int) and abs(number) > LARGEST_EXACT_INTEGER):
        raise inexact()
    if not math.isfinite(number):
        raise ConversionError("a finite number")
    return number


def imported_value(value: Json) -> Json:
    """Return a cell of Leanplum's own CSV format: text, save that ``[a, b]`` is a list."""
    if isinstance(value, str) and value.startswith("[") and value.endswith("]"):
        return convert(value, ValueType.LIST)
    return value


def is_supplied(value: Json) -> bool:
    """Tell a value from an empty cell, a null and a missing key: those ask for nothing."""
    return value is not None and value != ""


@dataclass(frozen=True, slots=True)
class Cell:
    """
    A value taken from *column*: looked up in *mapped* or converted to *type*, and then passed through *check*.

    *otherwise* stands for values that *mapped* doesn't name; None refuses them. *is_required*: no row may leave it empty.
    *is_number*: it can't be text in place of a number. Both matter for what a person is advised to do.
    """

    column: str
    type: ValueType | None = None
    mapped: Mapping[str, Json] | None = None
    otherwise: Json = None
    check: Check = attribute_value
    is_required: bool = False
    is_number: bool = False

    def read(self, values: Mapping[str, Json]) -> Json:
        """
        Return the value for a row, or None where the row supplies none.

        Raises:
            CellError: the cell holds something else than the spec says.
        """
        value = values.get(self.column)
        if not is_supplied(value):
            return None
        try:
            if self.mapped is not None:
                return self._look_up(value, self.mapped)
            return self.check(value if self.type is None else convert(value, self.type))
        except ConversionError as error:
            raise CellError(
                f"the value in column {self.column} is not {error.expected}", self._hint(error)
            ) from None

    def _hint(self, error: ConversionError) -> str:
        if error.hint and not (self.is_number and isinstance(error, InexactError)):
            return error.hint
        return "Correct the data." if self.is_required else "Correct the data, or leave the cell empty."

    def _look_up(self, value: Json, mapped: Mapping[str, Json]) -> Json:
        text = convert(value, ValueType.TEXT)
        if text in mapped:
            return mapped[text]
        if isinstance(value, Number) and (number := value.value) is not None:
            text = double_text(float(number))  # 3.0 and 3 are one number
        elif text.strip() in mapped:
            raise CellError(
                f"the value in column {self.column} is in `map` only without the spaces around it",
                "Remove the spaces, or add the value with its spaces to `map`.",
            )
        value = mapped.get(text, self.otherwise)
        if value is None:
            raise CellError(
                f"the value in column {self.column} is not in `map`",
                "Add it to `map`, or set `otherwise` for all other values.",
            )
        return value
