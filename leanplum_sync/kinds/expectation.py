"""What a document of kind Expectations expects of the app, one value for each line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from leanplum_sync.problem import Place


@dataclass(frozen=True, slots=True)
class ExpectedMessage:
    """
    A message, by exactly one of *name* and *id*, that is active or not.

    *type* is its channel, such as ``Email``. *fingerprint* is one of everything that Leanplum shows of it. None: any.
    """

    name: str | None
    id: int | None
    active: bool
    type: str | None
    fingerprint: str | None
    place: Place


@dataclass(frozen=True, slots=True)
class ExpectedCategory:
    """An unsubscribe category. *name* None: any."""

    id: str
    name: str | None
    place: Place


Expectation: TypeAlias = ExpectedMessage | ExpectedCategory
