"""Counts the billable lookups of the requests that were, or may have been, carried out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias

from leanplum_sync.errors import (
    NoAnswerError,
    RateLimitedError,
    RejectedError,
    UnexpectedResponseError,
)
from leanplum_sync.wire.action import Action
from leanplum_sync.wire.billing import Lookups, lookups_of

OnSpent: TypeAlias = Callable[[Lookups], None]

_MAY_BE_BILLED = (NoAnswerError, RejectedError, UnexpectedResponseError)
_NOT_BILLED = (RateLimitedError,)


def unmetered(spent: Lookups) -> None:
    """Count nothing."""


@dataclass(slots=True)
class Metered:
    """One request. It *is_refused* if the API refused it as a whole, so that nothing was looked up."""

    is_refused: bool = False


@contextmanager
def metering(actions: Sequence[Action], on_spent: OnSpent) -> Iterator[Metered]:
    """
    Pass the cost of the request that is made within the block to *on_spent*, unless it is certain that nothing was looked up: it
    was never sent, or it was refused because of its key or the rate limit.
    """
    request = Metered()
    try:
        yield request
    except _NOT_BILLED:
        raise
    except _MAY_BE_BILLED:
        _tell(actions, on_spent)
        raise
    if not request.is_refused:
        _tell(actions, on_spent)


def _tell(actions: Sequence[Action], on_spent: OnSpent) -> None:
    spent = lookups_of(actions)
    if spent.total:
        on_spent(spent)
