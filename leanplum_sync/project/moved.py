"""Deliveries that were renamed, as the project file lists them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, StringConstraints

from leanplum_sync.kinds.rows.document import Edge
from leanplum_sync.problem import Place

DeliveryName = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9._-]+(/.+)?$", min_length=1, max_length=1000)
]


class MovedModel(Edge):
    """A send or an increment that has a new name."""

    former: DeliveryName = Field(
        alias="from",
        description="The former name: the `delivery` of a send or of past events, or `once/attribute` of an increment.",
        examples=["2026-11-order-delay", "launch/visits"],
    )
    name: DeliveryName = Field(
        alias="to",
        description="The current name in the specs.",
        examples=["late-orders", "first-launch/visits"],
    )


@dataclass(frozen=True, slots=True)
class Move:
    """A delivery that was called *former* and is called *name* now. *place* is the entry of the project file."""

    former: str
    name: str
    place: Place


def former_names(moves: Iterable[Move]) -> Mapping[str, tuple[str, ...]]:
    """Return, for each delivery that was renamed, all names that it had, however many renames ago; sorted."""
    direct: dict[str, set[str]] = {}
    for move in moves:
        direct.setdefault(move.name, set()).add(move.former)
    found = {}
    for name, formers in direct.items():
        seen: set[str] = set()
        waiting = list(formers)
        while waiting:
            former = waiting.pop()
            if former not in seen:
                seen.add(former)
                waiting += direct.get(former, ())
        found[name] = tuple(sorted(seen))
    return found
