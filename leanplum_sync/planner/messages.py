"""Finds the message that a spec refers to, and checks whether it can be sent."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from leanplum_sync.address import ResourceAddress
from leanplum_sync.kinds.rows.parts import MessageReference
from leanplum_sync.planner.decide import SendTarget
from leanplum_sync.planner.triggers import IN_APP
from leanplum_sync.problem import Problem
from leanplum_sync.wire.message import Message


def resolve(
    wanted: MessageReference, resource: ResourceAddress, catalogue: Sequence[Message]
) -> SendTarget | Problem:
    """
    Return the message that *resource* wants, or why it can't be sent.

    *catalogue* also holds drafts and finished messages.
    """

    def problem(message: str, hint: str) -> Problem:
        return Problem(wanted.place, message, hint, str(resource))

    found = [
        each
        for each in catalogue
        if (each.id == wanted.id if wanted.id is not None else each.name == wanted.name)
    ]
    called = f"the message {wanted.id}" if wanted.id is not None else f'the message "{wanted.name}"'
    match found:
        case []:
            near = get_close_matches(wanted.name or "", [each.name for each in catalogue], n=1)
            hint = (
                f'Did you mean "{near[0]}"?'
                if near
                else "Look up its name in the dashboard; names are case-sensitive."
            )
            return problem(f"{called} does not exist in this app", hint)
        case [message] if not message.active:
            state = f" ({message.state})" if message.state else ""
            hint = "Start it in the dashboard, with its delivery set to Manual."
            return problem(f"{called} is not active{state}, so nobody would receive it", hint)
        case [message] if message.type.lower().startswith(IN_APP):
            return problem(
                f"{called} is an in-app message, which the API can't send", "Choose another message."
            )
        case [message]:
            return SendTarget(message.id, message.name)
        case _:
            ids = ", ".join(str(each.id) for each in found)
            return problem(
                f'several messages are named "{wanted.name}"', f"Use the id instead: one of {ids}."
            )
