"""Compares what specs expect of the app with its messages, unsubscribe categories, and audiences."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

from leanplum_sync.address import ResourceAddress
from leanplum_sync.kinds import Resource
from leanplum_sync.kinds.expectation import (
    AudienceSize,
    Expectation,
    ExpectedAudience,
    ExpectedCategory,
    ExpectedMessage,
)
from leanplum_sync.problem import Problem
from leanplum_sync.wire.message import Message

_RENEW = "Check what has changed. If it is right, update the spec."


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """
    What was asked about the app; None: not asked, so that expectations about it are not compared.

    *messages* also holds drafts and finished messages. *categories* maps ids to names.
    """

    messages: Sequence[Message] | None = None
    categories: Mapping[str, str] | None = None
    sizes: Mapping[ExpectedAudience, AudienceSize] | None = None


def expected_audiences(resources: Iterable[Resource]) -> tuple[ExpectedAudience, ...]:
    return tuple(
        each for resource in resources for each in resource.expectations if isinstance(each, ExpectedAudience)
    )


def unmet(resources: Sequence[Resource], facts: Facts) -> tuple[Problem, ...]:
    """Return a problem for each expectation of *resources* that *facts* contradict."""
    found = []
    for resource in resources:
        stopped = sorted(map(str, _dependents(resource.address, resources)))
        stops = f" This stops {', '.join(stopped)}." if stopped else ""
        for expected in resource.expectations:
            for message, hint in _faults(expected, facts):
                found.append(Problem(expected.place, message, hint + stops, str(resource.address)))
    return tuple(found)


def _faults(expected: Expectation, facts: Facts) -> Iterator[tuple[str, str]]:
    match expected:
        case ExpectedMessage():
            if facts.messages is not None:
                yield from _of_message(expected, facts.messages)
        case ExpectedCategory():
            if facts.categories is not None:
                yield from _of_category(expected, facts.categories)
        case ExpectedAudience():
            if facts.sizes is not None:
                yield from _of_audience(expected, facts.sizes[expected])
        case _:
            assert_never(expected)


def _of_message(expected: ExpectedMessage, messages: Sequence[Message]) -> Iterator[tuple[str, str]]:
    called = f"the message {expected.id}" if expected.id is not None else f'the message "{expected.name}"'
    found = [
        each
        for each in messages
        if (each.id == expected.id if expected.id is not None else each.name == expected.name)
    ]
    match found:
        case []:
            yield f"{called} does not exist in this app", "Create it in the dashboard, or correct its name."
        case [message]:
            if message.active is not expected.active:
                word = "not active" if expected.active else "active"
                yield f"{called} is {word}", "Change it in the dashboard, or update the spec."
            if expected.type is not None and message.type != expected.type:
                yield f'{called} has the type "{message.type}", not "{expected.type}"', _RENEW
            if expected.fingerprint is not None and message.fingerprint != expected.fingerprint:
                yield (
                    f"{called} has the fingerprint {message.fingerprint}, not {expected.fingerprint}",
                    _RENEW,
                )
        case _:
            ids = ", ".join(str(each.id) for each in found)
            yield f'several messages are named "{expected.name}"', f"Use the id instead: one of {ids}."


def _of_category(expected: ExpectedCategory, categories: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    called = f"the unsubscribe category {expected.id}"
    name = categories.get(expected.id)
    if name is None:
        yield f"{called} does not exist in this app", "Create it in the dashboard, or correct its id."
    elif expected.name is not None and name != expected.name:
        yield f'{called} has the name "{name}", not "{expected.name}"', _RENEW


def _of_audience(expected: ExpectedAudience, size: AudienceSize) -> Iterator[tuple[str, str]]:
    perhaps = (
        f", and perhaps {size.perhaps:,} more whose rows can be read in several ways" if size.perhaps else ""
    )
    found = f"the audience of attribute {expected.attribute} has {size.sure:,} users{perhaps}"
    if expected.at_least is not None and size.sure < expected.at_least:
        yield f"{found}, but must have at least {expected.at_least:,}", _RENEW
    if expected.at_most is not None and size.sure + size.perhaps > expected.at_most:
        yield f"{found}, but must have at most {expected.at_most:,}", _RENEW


def _dependents(address: ResourceAddress, resources: Iterable[Resource]) -> set[ResourceAddress]:
    """Return the resources that depend on *address*, directly or through others."""
    found = {address}
    while more := {
        each.address
        for each in resources
        if each.address not in found and not found.isdisjoint(each.depends_on)
    }:
        found |= more
    return found - {address}


def with_expected(
    kept: Sequence[Resource], every: Sequence[Resource], is_excluded: Callable[[str], bool]
) -> tuple[Resource, ...]:
    """Return *kept* and those of *every* with expectations on which any of them depends and that nobody excluded, in order."""
    needed = {each.address for each in kept}
    while more := {
        other for each in every if each.address in needed for other in each.depends_on if other not in needed
    }:
        needed |= more
    chosen = {each.address for each in kept}
    return tuple(
        each
        for each in every
        if each.address in chosen
        or (each.expectations and each.address in needed and not is_excluded(str(each.address)))
    )
