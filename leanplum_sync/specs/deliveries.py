"""The names under which sends and increments happen once: no two specs use the same one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from leanplum_sync.kinds import Resource
from leanplum_sync.kinds.rows.desires import IncrementAttribute
from leanplum_sync.kinds.rows.parts import Always, CellPart, DevicePart, ListPart, SendPart
from leanplum_sync.problem import Place


def deliveries_of(resource: Resource) -> Iterator[tuple[str, Place]]:
    """Yield the name of each send and increment that *resource* asks for, and the line that does."""
    for part in resource.parts:
        match part:
            case SendPart(delivery=name, message=message):
                yield name, message.place
            case Always(wish=IncrementAttribute() as wish) | CellPart(wish=IncrementAttribute() as wish):
                yield wish.delivery, wish.asked_at
            case Always() | CellPart() | ListPart() | DevicePart():
                pass
            case _:
                assert_never(part)
