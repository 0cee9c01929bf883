"""Places sort as they are in the files."""

from __future__ import annotations

from leanplum_sync.problem import Place


def test_places_without_a_number_sort_before_places_with_one() -> None:
    """The file may be one of a forged plan, whose places have any numbers."""
    places = [
        Place("a.csv"),
        Place("a.csv", row=2),
        Place("a.csv", 1),
        Place("a.csv", 1, 4),
        Place("a.csv", 2, row=1),
        Place("b.csv"),
    ]
    backwards = places[::-1]
    assert sorted(backwards) == places
