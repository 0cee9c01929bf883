"""The notes of a plan: why users are skipped, as the end of a sentence that starts with "14 users"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from leanplum_sync.planner.decide import Reason

# For one user, and for several. {field} is an attribute; a send or an increment, with its former name, if
# delivered; the run if held.
_SENTENCES: Final[Mapping[Reason, tuple[str, str]]] = {
    Reason.MISSING: ("does not exist", "do not exist"),
    Reason.DELIVERED: (
        "already received this {field}, or may have",
        "already received this {field}, or may have",
    ),
    Reason.MOVED: (
        "already received this {field}, or may have",
        "already received this {field}, or may have",
    ),
    Reason.HELD: (
        "has actions held by run {field}: apply skips them, and can still exit with 0; to decide: leanplum-sync resolve {field}",
        "have actions held by run {field}: apply skips them, and can still exit with 0; to decide: leanplum-sync resolve {field}",
    ),
    Reason.NOT_CONVERTIBLE: (
        "has a value in {field} that can't be converted",
        "have values in {field} that can't be converted",
    ),
    Reason.NOT_A_LIST: (
        "has a single value in {field}, where a list is needed",
        "have single values in {field}, where a list is needed",
    ),
    Reason.NOT_WHOLE: (
        "has a value in {field} that is not a whole number, so the API would not increment it",
        "have values in {field} that are not whole numbers, so the API would not increment them",
    ),
    Reason.NOT_COPYABLE: (
        "has a nested value in {field}, which can't be written back",
        "have nested values in {field}, which can't be written back",
    ),
}
_CREATABLE: Final = "; to create {them}, set createUsers: true in the spec"
_UNSETTLED: Final = (
    "has a request in doubt, which may still change its live state: plan again after {until}",
    "have requests in doubt, which may still change their live state: plan again after {until}",
)
_REJECTED_BEFORE: Final = (
    "has a change that the API rejected before, so apply skips it; to send it again: apply --retry-rejected",
    "have changes that the API rejected before, so apply skips them; to send them again: apply --retry-rejected",
)
NOTED: Final = frozenset(_SENTENCES)


def sentence(reason: Reason, field: str, count: int, *, creatable: bool = False) -> str:
    """Return the end of the sentence. *creatable*: the kind has `createUsers`, and the spec doesn't set it."""
    one, several = _SENTENCES[reason]
    advice = _CREATABLE if creatable and reason is Reason.MISSING else ""
    return ((one if count == 1 else several) + advice).format(
        field=field, them="it" if count == 1 else "them"
    )


def unsettled_sentence(count: int, until: str) -> str:
    one, several = _UNSETTLED
    return (one if count == 1 else several).format(until=until)


def rejected_before_sentence(count: int) -> str:
    return _REJECTED_BEFORE[count != 1]
