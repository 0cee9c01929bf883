"""The notes of a plan: why users are skipped, as the end of a sentence that starts with "14 users"."""

from __future__ import annotations

from typing import Final

from leanplum_sync.planner.audit import Audit
from leanplum_sync.planner.decide import Reason
from leanplum_sync.planner.triggers import Trigger

_EVENTS_NAMED: Final = 3
_CREATABLE: Final = "; to create {them}, set createUsers: true in the spec"
BLOCKED_WORDS: Final = (
    "is already blocked: Leanplum keeps only the id",
    "are already blocked: Leanplum keeps only their ids",
)
_UNSETTLED: Final = (
    "has a request in doubt, which may still change its live state: plan again after {until}",
    "have requests in doubt, which may still change their live state: plan again after {until}",
)
_ASSUMED: Final = (
    "was not read: according to the baseline, it already matches the specs. Its entry is from {since}",
    "were not read: according to the baseline, they already match the specs. The oldest entry is from {since}",
)
_UNSEEN: Final = (
    "was not read: according to the export started at {since}, it already matches the specs. Leanplum doesn't say how recent an export's data is",
    "were not read: according to the export started at {since}, they already match the specs. Leanplum doesn't say how recent an export's data is",
)
_MOVED_NOBODY: Final = (
    "no user of the baseline had a session after they were last read or written, according to an export of sessions since {since}."
    " It lacks some sessions, so users may have changed nevertheless"
)
_MOVED: Final = (
    "{users} of the baseline may have changed, because they had a session after they were last read or written, according to an export of"
    " sessions since {since}. If a spec lists them, they were read. The export lacks some sessions, so others may have changed, too"
)
_REJECTED_BEFORE: Final = (
    "has a change that the API rejected before, so apply skips it; to send it again: apply --retry-rejected",
    "have changes that the API rejected before, so apply skips them; to send them again: apply --retry-rejected",
)


def sentence(reason: Reason, field: str, count: int, *, creatable: bool = False) -> str:
    """Return the end of the sentence. *creatable*: the kind has `createUsers`, and the spec doesn't set it."""
    one, several = _sentences(reason) or ("", "")
    advice = _CREATABLE if creatable and reason is Reason.MISSING else ""
    return ((one if count == 1 else several) + advice).format(
        field=field, them="it" if count == 1 else "them"
    )


def unsettled_sentence(count: int, until: str) -> str:
    one, several = _UNSETTLED
    return (one if count == 1 else several).format(until=until)


def assumed_sentence(count: int, since: str) -> str:
    return _ASSUMED[count != 1].format(since=since)


def moved_sentence(count: int, since: str) -> str:
    if not count:
        return _MOVED_NOBODY.format(since=since)
    return _MOVED.format(users="1 user" if count == 1 else f"{count:,} users", since=since)


def erased_before_sentence(count: int, run: int) -> str:
    return f"{'was' if count == 1 else 'were'} erased by run {run}: look up why the specs list {'it' if count == 1 else 'them'} again"


def unseen_sentence(count: int, since: str) -> str:
    return _UNSEEN[count != 1].format(since=since)


def audit_sentence(audit: Audit) -> str:
    """Follows the number of audited users."""
    bound = audit.bound
    were = "was read as an audit" if bound.sample == 1 else "were read as an audit"
    found = f"{bound.differing:,} of them did not match" if bound.differing else "all matched"
    claim = (
        f"with {bound.confidence:g} % confidence, at most {bound.most:,} of the {bound.unseen:,} users who were not read"
        f" ({bound.percent} %) do not match"
    )
    if bound.most > audit.allowed:
        claim += f". This is over the project's limit of {audit.goal.share:g} %: plan with --observed live"
    return f"{were}: {found}; {claim}"


def triggers_sentence(trigger: Trigger) -> str:
    """Follows the number of users."""
    if not trigger.is_known:
        return f'may be sent "{trigger.name}" (message {trigger.message}), which is active: getMessages doesn\'t show what triggers it'
    events = ", ".join(trigger.events[:_EVENTS_NAMED])
    more = (
        f" and {len(trigger.events) - _EVENTS_NAMED:,} more events"
        if len(trigger.events) > _EVENTS_NAMED
        else ""
    )
    return f'may be sent "{trigger.name}" (message {trigger.message}), which is active and triggered by {events}{more}'


def rejected_before_sentence(count: int) -> str:
    return _REJECTED_BEFORE[count != 1]


def _sentences(reason: Reason) -> tuple[str, str] | None:  # noqa: C901, PLR0912 - a case for each reason
    """
    Return the sentence for one user, and for several; None if no note says it.

    {field} is an attribute; ``this send`` and so on, with its former name, if delivered; the run if held.
    """
    match reason:
        case (
            Reason.DIFFERS
            | Reason.SAME
            | Reason.HAS_ONE
            | Reason.NO_SOURCE
            | Reason.FINGERPRINT
            | Reason.ABSENT
        ):
            return None
        case Reason.CONSENT_OLDER:
            return (
                "unsubscribed after the consent to {field} in the row, and stays unsubscribed",
                "unsubscribed after the consent to {field} in their rows, and stay unsubscribed",
            )
        case Reason.CONSENT_USED:
            return (
                "was re-subscribed to {field} with this consent before, or may have been, and stays unsubscribed",
                "were re-subscribed to {field} with this consent before, or may have been, and stay unsubscribed",
            )
        case Reason.MISSING:
            return "does not exist", "do not exist"
        case Reason.GONE:
            return (
                "to be erased does not exist: apply only deletes what this project keeps about the user",
                "to be erased do not exist: apply only deletes what this project keeps about them",
            )
        case Reason.DELIVERED | Reason.MOVED:
            same = "already received {field}, or may have"
            return same, same
        case Reason.HELD:
            return (
                "has actions held by run {field}: apply skips them, and can still exit with 0; to decide: leanplum-sync resolve {field}",
                "have actions held by run {field}: apply skips them, and can still exit with 0; to decide: leanplum-sync resolve {field}",
            )
        case Reason.NOT_CONVERTIBLE:
            return (
                "has a value in {field} that can't be converted",
                "have values in {field} that can't be converted",
            )
        case Reason.NOT_A_LIST:
            return (
                "has a single value in {field}, where a list is needed",
                "have single values in {field}, where a list is needed",
            )
        case Reason.NOT_WHOLE:
            return (
                "has a value in {field} that is not a whole number, so the API would not increment it",
                "have values in {field} that are not whole numbers, so the API would not increment them",
            )
        case Reason.NOT_COPYABLE:
            return (
                "has a nested value in {field}, which can't be written back",
                "have nested values in {field}, which can't be written back",
            )
        case Reason.FIXED:
            return (
                "has another value in a fixed field, so it stays as it is: correct the spec, or replace it with `replace: true`",
                "",
            )
        case Reason.IS_DEFAULT:
            return (
                "is the default one, which can't be deleted: first give `default: true` to another one, and apply that",
                "",
            )
        case Reason.SEVERAL:
            return (
                "exists more than once, so all of them stay: list them with `call listPostbacks`, and delete the wrong ones by hand",
                "",
            )
        case Reason.IN_THE_WAY:
            return (
                "is a group of other variables, or would be in a group that is a single variable now, so it stays as it is",
                "",
            )


NOTED: Final = frozenset(reason for reason in Reason if _sentences(reason) is not None)
