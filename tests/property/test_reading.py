"""Many with one request, or each alone: everybody is answered once, with what is theirs, and every lookup is counted."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanplum_sync.address import Subject
from leanplum_sync.client.throttle import Pace
from leanplum_sync.clock import SystemClock
from leanplum_sync.errors import NoAnswerError, NotSentError, RateLimitedError, RejectedError
from leanplum_sync.observed.crew import Crew
from leanplum_sync.observed.users import Reading, Shown, Unread, Withheld
from leanplum_sync.wire.user_batch import UserBatch

SUBJECTS = [Subject.user(f"u{number}") for number in range(20)]
ERRORS = {
    "refused": RejectedError("no", status=451),
    "too many": RateLimitedError("too many", status=429),
    "no answer": NoAnswerError("no answer"),
    "no route": NotSentError("no route"),
}
fates = st.sampled_from(["well", "well", "well", *ERRORS])
# Of an answer about several: who is in it, whether more such are worth it, whether it was billed; or none at all.
answers = st.none() | st.tuples(
    st.lists(st.booleans(), min_size=20, max_size=20), st.booleans(), st.booleans()
)


class Api:
    """Answers as drawn, and counts whom it may bill. *asked* are the sizes of its requests."""

    def __init__(self, alone: Sequence[str], together: Sequence[Any]) -> None:
        self._alone = dict(zip(SUBJECTS, alone, strict=True))
        self._together: Iterator[Any] = iter(together)
        self.billed: Counter[Subject] = Counter()
        self.asked: list[int] = []
        self.works = True

    def export_user(self, subject: Subject, **_: Any) -> Any:
        self.asked.append(1)
        self.billed[subject] += 1
        if error := ERRORS.get(self._alone[subject]):
            raise error
        return {"of": subject.id}

    def export_users(self, subjects: Sequence[Subject], **_: Any) -> UserBatch:
        assert self.works, "it was told that this does not work"
        self.asked.append(len(subjects))
        drawn = next(self._together, ([True] * len(subjects), True, True))
        if drawn is None:
            raise ERRORS["too many"]
        shown, self.works, was_billed = drawn
        elements = tuple(
            {"of": subject.id} if is_shown else None
            for subject, is_shown in zip(subjects, shown, strict=False)
        )
        self.billed.update(
            subject
            for subject, element in zip(subjects, elements, strict=True)
            if was_billed or element is not None
        )
        return UserBatch(elements, self.works, was_billed)


def reading(api: Api, together: int, **given: Any) -> Reading:
    clock = SystemClock()
    pace = Pace(concurrency=1, requests_per_second=None, clock=clock)
    return Reading(api, pace, clock, together=together, **given)


@given(st.lists(fates, min_size=20, max_size=20), st.lists(answers, max_size=4), st.integers(0, 25))
def test_everybody_is_answered_once_and_every_lookup_counted(
    alone: list[str], together: list[Any], size: int
) -> None:
    api = Api(alone, together)
    found = list(reading(api, size).try_to_read(SUBJECTS))
    assert sorted(answer.subject for answer in found) == sorted(SUBJECTS)
    assert max(api.asked) <= max(1, size)
    for answer in found:
        match answer:
            case Shown(subject=subject, element=element):
                assert element == {"of": subject.id}
            case Withheld(error=error):
                assert error is ERRORS["refused"]
            case Unread(error=error):
                assert error is not ERRORS["refused"]
        assert api.billed[answer.subject] in (answer.lookups, 0)


GOOD, BAD, NO = ([True] * 20, True, True), ([False] * 20, True, True), ([False] * 20, False, False)


@pytest.mark.parametrize(
    ("together", "asked"),
    [
        ([BAD] * 9, [4, 1, 1, 1, 1] * 3 + [1] * 8),
        ([BAD, BAD, GOOD, BAD, BAD], [*[4, 1, 1, 1, 1] * 2, 4, *[4, 1, 1, 1, 1] * 2]),
        ([GOOD, NO], [4, 4] + [1] * 16),
    ],
)
def test_a_refusal_or_three_bad_answers_in_a_row_end_asking_for_many(
    together: list[Any], asked: list[int]
) -> None:
    api = Api(["well"] * 20, together)
    assert len(list(reading(api, 4).try_to_read(SUBJECTS))) == 20
    assert api.asked == asked


class Refuses:
    """Refuses every request for many, the first after some time for others to come along, which it counts."""

    def __init__(self, answer: UserBatch | NotSentError) -> None:
        self.answer = answer
        self.asked = 0
        self._comes_another = threading.Event()

    def export_users(self, subjects: Sequence[Subject], **_: Any) -> UserBatch:
        self.asked += 1
        if self.asked > 1:
            self._comes_another.set()
        self._comes_another.wait(0.2)
        if isinstance(self.answer, NotSentError):
            raise self.answer
        return self.answer

    def export_user(self, subject: Subject, **_: Any) -> Any:
        return {}


@pytest.mark.parametrize(
    ("answer", "asked", "shown"),
    [
        (UserBatch((None,) * 5, works=False, was_billed=False), 1, 20),
        (UserBatch((None,) * 5, works=True, was_billed=True), 3, 20),
        (NotSentError("no route"), 4, 0),
    ],
)
def test_until_one_is_answered_well_many_are_asked_for_by_one_at_a_time(
    answer: UserBatch | NotSentError, asked: int, shown: int
) -> None:
    api, clock = Refuses(answer), SystemClock()
    pace = Pace(concurrency=4, requests_per_second=None, clock=clock)
    shared = Reading(api, pace, clock, together=5)
    crew = Crew(shared.try_to_read, 4, threading.Event())
    groups = [SUBJECTS[start : start + 5] for start in range(0, 20, 5)]
    found = list(crew.answers(groups))
    crew.stop()
    assert sorted(each.subject for each in found) == sorted(SUBJECTS)
    assert (api.asked, sum(isinstance(each, Shown) for each in found)) == (asked, shown)


@pytest.mark.parametrize("name", ["too many", "no answer", "no route"])
def test_what_others_may_share_ends_the_reading(name: str) -> None:
    api = Api(["well", "refused", name, *["well"] * 17], [])
    found = reading(api, 1).read(SUBJECTS)
    assert [type(next(found)) for _ in range(2)] == [Shown, Withheld]
    with pytest.raises(type(ERRORS[name])):
        next(found)
    assert api.asked == [1, 1, 1]


@pytest.mark.parametrize(("together", "asked"), [(1, [1]), (5, [5, 1]), (50, [20, 1])])
def test_nobody_more_is_asked_for_once_it_must_end(together: int, asked: list[int]) -> None:
    api = Api(["well"] * 20, [([False] * 20, True, True)])
    found = list(reading(api, together, must_end=lambda: 1 in api.asked).try_to_read(SUBJECTS))
    assert api.asked == asked
    assert len(found) == 1
