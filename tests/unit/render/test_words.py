"""Numbers and times in words."""

from __future__ import annotations

import pytest

from leanplum_sync.render.values import amount, duration, listing, moment, timestamp


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "1 s"),
        (42, "42 s"),
        (59.7, "1 min"),
        (185, "3 min 5 s"),
        (7800, "2 h 10 min"),
        (3600 * 76, "3 days 4 h"),
    ],
)
def test_durations_are_said_in_the_two_units_that_matter(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_amounts_agree_with_their_unit() -> None:
    assert [amount(1, "user"), amount(12000, "user"), amount(2, "batch")] == [
        "1 user",
        "12,000 users",
        "2 batches",
    ]


def test_moments_are_in_utc_for_people_and_machines() -> None:
    assert moment(1.8e9) == "2027-01-15 08:00 UTC"
    assert [timestamp(1.8e9), timestamp(None)] == ["2027-01-15T08:00:00Z", None]


def test_lists_end_with_and() -> None:
    assert [listing([]), listing(["a"]), listing(["a", "b", "c"])] == ["", "a", "a, b, and c"]
