"""The names under which sends and increments happen once: no two specs use the same one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from leanplum_sync.kinds import Resource
from leanplum_sync.kinds.rows.desire import IncrementAttribute, increment_delivery
from leanplum_sync.kinds.rows.parts import Always, CellPart, DevicePart, IncrementWish, ListPart, SendPart
from leanplum_sync.problem import Place


def deliveries_of(resource: Resource) -> Iterator[tuple[str, Place]]:
    """Yield the name of each send and increment that *resource* asks for, and the line that does."""
    for part in resource.parts:
        match part:
            case SendPart(delivery=name, message=message):
                yield name, message.place
            case Always(wish=IncrementAttribute(delivery=name, asked_at=place)):
                yield name, place
            case CellPart(wish=IncrementWish(once=once, name=attribute, asked_at=place)):
                yield increment_delivery(once, attribute), place
            case Always() | CellPart() | ListPart() | DevicePart():
                pass
            case _:
                assert_never(part)
