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


@dataclass(frozen=True, slots=True)
class ExpectedAudience:
    """
    The users who have *attribute* in the app, with one of *values* as an export spells it, or with any value if there are none: from
    *at_least* to *at_most* of them. None: any number.
    """

    attribute: str
    values: tuple[str, ...]
    at_least: int | None
    at_most: int | None
    place: Place


@dataclass(frozen=True, slots=True)
class AudienceSize:
    """How many users belong to an audience for sure, and how many more may, whose rows can be read in several ways."""

    sure: int
    perhaps: int


Expectation: TypeAlias = ExpectedMessage | ExpectedCategory | ExpectedAudience
