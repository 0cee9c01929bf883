"""Comparing plans, one subject at a time, finds what comparing all of it at once would."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from leanplum_sync.address import Subject
from leanplum_sync.planner.change import Change, ChangeKind
from leanplum_sync.planner.differences import Difference, differences
from leanplum_sync.problem import Place

subjects = st.builds(Subject.user, st.sampled_from("abcdé")) | st.builds(
    Subject.device, st.sampled_from("ab")
)
lines = st.integers(1, 3).map(lambda line: Place("a.yaml", line))


@st.composite
def plans(draw: st.DrawFn) -> Sequence[Change]:
    keys = st.tuples(
        subjects, st.sampled_from([ChangeKind.SET, ChangeKind.REMOVE]), st.sampled_from(["x", "y"])
    )
    found = draw(st.dictionaries(keys, st.tuples(st.integers(0, 2), st.integers(0, 2), lines), max_size=12))
    changes = [
        Change(subject, "UserAttributes/it", kind, field, before, after, line, line)
        for (subject, kind, field), (before, after, line) in found.items()
    ]
    return sorted(changes, key=lambda change: change.subject)


def by_key(plan: Sequence[Change]) -> dict[tuple[object, ...], tuple[object, object]]:
    return {(each.subject, each.kind, each.field): (each.before, each.after) for each in plan}


@given(plans(), plans())
def test_every_change_of_either_plan_is_counted_once_for_what_it_is(
    old: Sequence[Change], new: Sequence[Change]
) -> None:
    was, now = by_key(old), by_key(new)
    both = was.keys() & now.keys()
    found = differences(old, new)
    assert sum(group.counts[Difference.ADDED] for group in found.groups.values()) == len(
        now.keys() - was.keys()
    )
    assert sum(group.counts[Difference.REMOVED] for group in found.groups.values()) == len(
        was.keys() - now.keys()
    )
    assert sum(group.counts[Difference.ALTERED] for group in found.groups.values()) == sum(
        was[key] != now[key] for key in both
    )
    assert sum(group.same for group in found.groups.values()) == sum(was[key] == now[key] for key in both)
    assert found.same + sum(found.subjects.values()) == len({key[0] for key in (*was, *now)})


@given(plans())
def test_a_plan_does_not_differ_from_itself(plan: Sequence[Change]) -> None:
    assert differences(plan, plan).are_none


@given(plans(), plans())
def test_the_other_way_round_what_was_added_is_removed(old: Sequence[Change], new: Sequence[Change]) -> None:
    there, back = differences(old, new), differences(new, old)
    assert there.subjects.get(Difference.ADDED) == back.subjects.get(Difference.REMOVED)
    assert there.subjects.get(Difference.ALTERED) == back.subjects.get(Difference.ALTERED)
