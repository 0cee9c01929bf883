"""The names of deliveries: no two specs use the same one, and a renamed one remembers its former names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol, assert_never

from leanplum_sync.address import ResourceAddress
from leanplum_sync.kinds import Resource
from leanplum_sync.kinds.rows.desires import IncrementAttribute
from leanplum_sync.kinds.rows.erase_part import ErasePart
from leanplum_sync.kinds.rows.parts import Always, CellPart, DevicePart, EventPart, ListPart, SendPart
from leanplum_sync.kinds.rows.subscription_part import SubscriptionPart
from leanplum_sync.problem import Place, Problem
from leanplum_sync.project.moved import Move, former_names
from leanplum_sync.specs.file import OpenDocument


class Reports(Protocol):
    def __call__(self, place: Place, message: str, hint: str = "", *, also: Place | None = None) -> None: ...


def deliveries_of(resource: Resource) -> Iterator[tuple[str, Place]]:
    """Yield the name of each send, import of events, and increment that *resource* asks for, and the line that does."""
    for part in resource.parts:
        match part:
            case SendPart(delivery=name, message=message):
                yield name, message.place
            case EventPart(imported_as=name, event=event):
                yield name, event.asked_at
            case Always(wish=IncrementAttribute() as wish) | CellPart(wish=IncrementAttribute() as wish):
                yield wish.delivery, wish.asked_at
            case Always() | CellPart() | ListPart() | DevicePart() | SubscriptionPart() | ErasePart():
                pass
            case _:
                assert_never(part)


def events_of(resource: Resource) -> Iterator[tuple[str, str]]:
    """Yield the name of each import of *resource*, and of its event, unless the event's name comes from a column."""
    for part in resource.parts:
        if isinstance(part, EventPart) and isinstance(part.event.source, str):
            yield part.imported_as, part.event.source


def check_moved(
    moves: Sequence[Move], deliveries: Mapping[str, tuple[ResourceAddress, Place]], report: Reports
) -> None:
    """
    Report entries that contradict each other or the specs.

    One delivery may be split into several, and several may be merged into one; so a name may occur more
    than once on each side.
    """
    first: dict[tuple[str, str], Place] = {}
    former = former_names(moves)
    for move in moves:
        other = first.setdefault((move.former, move.name), move.place)
        if move.former == move.name:
            report(move.place, f"{move.name} is moved to itself", "Remove this entry.")
        elif other != move.place:
            report(
                move.place,
                f"the move from {move.former} to {move.name} is listed twice",
                "Remove one entry.",
                also=other,
            )
        elif move.name in former.get(move.former, ()):
            report(
                move.place,
                f"the entries form a cycle: {move.former} was moved to {move.name}, and back",
                "Give the delivery a name that it has never had.",
            )
        elif ("/" in move.former) != ("/" in move.name):
            report(
                move.place,
                "one of these names belongs to a send, and the other to an increment",
                "The name of a send or of an import of past events is its `delivery`. The name of an increment is `once/attribute`.",
            )
        elif move.former in deliveries:
            address, place = deliveries[move.former]
            report(
                move.place,
                f"{address} still uses the delivery {move.former}, which was moved to {move.name}",
                "Give one of them another name. A former name is never used again.",
                also=place,
            )


def unused_moves(
    moves: Sequence[Move], deliveries: Mapping[str, tuple[ResourceAddress, Place]], document: OpenDocument
) -> Iterator[Problem]:
    """Yield advice on entries whose new name is in no spec: nothing is wrong unless it is misspelled."""
    formers = {move.former for move in moves}
    for move in moves:
        if move.name not in deliveries and move.name not in formers:
            yield document.file.problem(
                move.place,
                f"no spec has the delivery {move.name}, so this entry has no effect",
                "Check the spelling of the name. If the spec was removed, you can keep this entry.",
                address=document.address,
            )
