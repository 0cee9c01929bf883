"""The part of a spec that erases the user of each row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from leanplum_sync.kinds.rows.cells import is_supplied
from leanplum_sync.kinds.rows.desires import Erase
from leanplum_sync.kinds.rows.row import CellError
from leanplum_sync.kinds.rows.source import NeededColumn
from leanplum_sync.problem import Place
from leanplum_sync.wire.action import Json

_LONGEST: Final = 100  # characters


@dataclass(frozen=True, slots=True)
class ErasePart:
    """*request* is the column with the ids of requests, None if the spec names none."""

    full: bool
    block: bool
    request: NeededColumn | None
    asked_at: Place

    @property
    def columns(self) -> tuple[NeededColumn, ...]:
        return (self.request,) if self.request else ()

    def desire(self, values: Mapping[str, Json], row_id: str) -> Erase:  # noqa: ARG002 - as every part
        return Erase(self.full, self.block, self._request(values), self.asked_at)

    def readers(self) -> Iterator[tuple[Place, Callable[[Mapping[str, Json]], object]]]:
        if self.request is not None:
            yield self.request.place, self._request

    def _request(self, values: Mapping[str, Json]) -> str:
        if self.request is None:
            return ""
        value, column = values.get(self.request.name), self.request.name
        if not is_supplied(value) or (isinstance(value, str) and not value.strip()):
            raise CellError(
                f"the request in column {column} is missing", "Enter the id of the request, such as a ticket."
            )
        text = str(value)
        if isinstance(value, bool | float | list | dict) or not text.isprintable() or len(text) > _LONGEST:
            raise CellError(
                f"the request in column {column} is not an id",
                f"Enter the id of the request: one line of at most {_LONGEST} characters.",
            )
        return text
