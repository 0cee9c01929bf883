"""Which variables of a plan A/B tests of the app give values to, or gave before they ended."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from leanplum_sync.address import SubjectKind
from leanplum_sync.planner.change import Change
from leanplum_sync.planner.plan import ENDED_TEST, IN_TEST, UNKNOWN_TESTS, Note
from leanplum_sync.wire.ab_test import AbTest, ValueInTest
from leanplum_sync.wire.variable import groups_above

_RUNNING: Final = 'is in the running A/B test "{test}" (test {id}), which gives some users another value'
_ENDED: Final = 'gets the value of variant "{variant}" of the A/B test "{test}" (test {id}), which has ended'
_UNKNOWN: Final = "may be in a running A/B test. Tests could not be read: {reason}"


def names_in_tests(names: Iterable[str], tests: Sequence[AbTest]) -> frozenset[str]:
    """Return those of *names* that a running test gives a value to: by themselves, or with their group."""
    running = [test for test in tests if test.is_running]
    return frozenset(name for name in names if any(_values_in(test, name) is not None for test in running))


def notes_on_tests(changes: Sequence[Change], tests: Sequence[AbTest]) -> Iterator[Note]:
    """Yield a note for each variable of *changes* in a running test, and for each that gets a value of a test that has ended."""
    for change in changes:
        for test in tests:
            values = _values_in(test, change.field)
            if values is None:
                continue
            if test.is_running:
                yield _note(IN_TEST, change, _RUNNING.format(test=test.name, id=test.id))
                continue
            for value in values:
                if change.after is not None and value.is_the_same_as(change.after):
                    said = _ENDED.format(variant=value.variant, test=test.name, id=test.id)
                    yield _note(ENDED_TEST, change, said)


def unknown_tests(changes: Sequence[Change], reason: str) -> Note:
    names = tuple(change.field for change in changes)
    return Note(UNKNOWN_TESTS, "", _UNKNOWN.format(reason=reason), len(names), names[:3])


def variables_of(changes: Iterable[Change]) -> list[Change]:
    return [change for change in changes if change.subject.kind is SubjectKind.VARIABLE]


def _values_in(test: AbTest, name: str) -> Sequence[ValueInTest] | None:
    """Return the values that *test* gives to a variable; none if it gives one to its group; None if to neither."""
    if name in test.variables:
        return test.variables[name]
    return () if any(group in test.variables for group in groups_above(name)) else None


def _note(code: str, change: Change, sentence: str) -> Note:
    return Note(code, change.resource, sentence, 1, (change.field,))
