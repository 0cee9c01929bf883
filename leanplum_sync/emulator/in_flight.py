"""Tracks which users have a call in flight: a second call about one is queued or refused, and always counted."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from leanplum_sync.emulator.switches import Switches


@dataclass(eq=False, slots=True)
class Flight:
    users: frozenset[str]
    is_multi: bool
    landed: asyncio.Event = field(default_factory=asyncio.Event)


class InFlight:
    """The calls between arrival and answer, oldest first. Belongs to one event loop."""

    def __init__(self) -> None:
        self._flights: dict[Flight, None] = {}

    @contextmanager
    def flight(self, users: frozenset[str], *, is_multi: bool) -> Iterator[tuple[Flight, set[str]]]:
        """Register a call; yields it and those of its users that have another call in flight."""
        flight = Flight(users, is_multi)
        overlapping = {user_id for other in self._flights for user_id in users & other.users}
        self._flights[flight] = None
        try:
            yield flight, overlapping
        finally:
            del self._flights[flight]
            flight.landed.set()

    async def may_start(self, flight: Flight, switches: Switches) -> bool:
        """Wait until the call may be carried out; return False if it must be refused with 429."""
        while (ahead := self._ahead_of(flight)) is not None:
            match switches.concurrent_calls:
                case "allow":
                    return True
                case "refuse":
                    return False
                case "queue_behind_multi" if not ahead.is_multi:
                    return False
                case _:
                    await ahead.landed.wait()
        return True

    def _ahead_of(self, flight: Flight) -> Flight | None:
        """Return the oldest earlier call that shares a user."""
        for other in self._flights:
            if other is flight:
                return None
            if other.users & flight.users:
                return other
        return None
