"""Whether messages that a plan's events may trigger were started after the plan was made."""

from __future__ import annotations

from typing import Final, Protocol

from leanplum_sync.errors import StalePlanError
from leanplum_sync.planner.plan import Contents, Summary
from leanplum_sync.planner.triggers import started_since
from leanplum_sync.wire.message import Message

_NAMED: Final = 3


class ReadsMessages(Protocol):
    def messages(self) -> tuple[Message, ...]: ...


def check_triggers(reader: ReadsMessages, summary: Summary, contents: Contents) -> None:
    """
    Check, before applying, that the events of a plan trigger no message that its hazards don't count.

    Nothing is read for a plan without events that are sent one by one.

    Raises:
        StalePlanError: a message was started, or got another trigger, after planning.
        ApiError, CredentialError: the messages can't be read.
    """
    if not contents.events:
        return
    started = started_since(summary.triggers, contents.events, reader.messages())
    if started:
        names = ", ".join(f'"{message.name}" (message {message.id})' for message in started[:_NAMED])
        more = f" and {len(started) - _NAMED} more" if len(started) > _NAMED else ""
        raise StalePlanError(
            f"Events of this plan may trigger messages that were not active when it was made: {names}{more}."
            " Nothing was sent. Plan again to see how many users they may reach."
        )
