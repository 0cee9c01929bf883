"""How long to wait before a retry."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Protocol

RETRIES: Final = 3
FIRST_SECONDS: Final = 2.0


class Randomness(Protocol):
    """As ``random.Random``, so that tests choose it."""

    def uniform(self, a: float, b: float, /) -> float: ...


def delay_seconds(attempt: int, randomness: Randomness) -> float:
    """
    Return the wait after failed *attempt* 1, 2, 3...: 2±1, 4±2, 8±4 seconds.

    Source: Leanplum docs, responses: the schedule for 429 and 5xx.
    """
    middle = FIRST_SECONDS * 2.0 ** (attempt - 1)
    return middle + randomness.uniform(-1, 1) * middle / 2


def delays_seconds(randomness: Randomness, retries: int = RETRIES) -> Iterator[float]:
    for attempt in range(1, retries + 1):
        yield delay_seconds(attempt, randomness)
