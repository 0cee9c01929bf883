"""Many with one request, or each alone: everybody is answered once, with what is theirs, and every lookup is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanplum_sync.address import Subject
from leanplum_sync.clock import SystemClock
from leanplum_sync.errors import NoAnswerError, NotSentError, RateLimitedError, RejectedError
from leanplum_sync.pace import Pace
from leanplum_sync.reading import Reading, Shown, Unread, Withheld
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
