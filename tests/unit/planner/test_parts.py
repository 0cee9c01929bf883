"""Parts of a plan."""

from __future__ import annotations

import pytest

from leanplum_sync.address import Subject
from leanplum_sync.planner.parts import SHARDS, Part, part_of, shard_of


@pytest.mark.parametrize("of", [1, 2, 3, 4, 7, 1000, 1024])
def test_every_shard_is_in_exactly_one_part(of: int) -> None:
    shards = [shard for number in range(1, of + 1) for shard in Part(number, of).shards]
    assert shards == list(range(SHARDS))
    assert all(shard in Part(part_of(shard, of), of).shards for shard in shards)


def test_parts_of_a_finer_division_lie_within_those_of_a_coarser_one() -> None:
    assert {part_of(shard, 6) for shard in Part(2, 3).shards} == {3, 4}
    assert not Part(2, 3).cuts(6)
    assert Part(2, 3).cuts(4)


def test_the_shard_of_a_subject_never_changes() -> None:
    assert [shard_of(Subject.user(name)) for name in ("u1", "u2", "00123", "ü")] == [431, 74, 686, 650]
    assert shard_of(Subject.device("u1")) == 561


def test_a_part_reads_back_what_it_is_written_as() -> None:
    assert Part.parse("2/4") == Part(2, 4)
    assert str(Part(2, 4)) == "2/4"


@pytest.mark.parametrize("text", ["", "1", "0/4", "5/4", "1/0", "01/4", "1/1025", "-1/4", "1/4 ", "a/b"])
def test_what_is_no_part_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not N/M"):
        Part.parse(text)
