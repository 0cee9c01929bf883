"""Carrying out a plan of variables and planning again gives an empty plan, and what no spec names is as it was."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from leanplum_sync.address import ResourceAddress, Subject
from leanplum_sync.kinds.rows.desires import RemoveThing, SetThing, Want
from leanplum_sync.operations.drift import Origin, origin_of
from leanplum_sync.planner.decide import Reason
from leanplum_sync.planner.footprint import footprints
from leanplum_sync.planner.known import NOTHING_KNOWN
from leanplum_sync.planner.standing import Standing, standings
from leanplum_sync.planner.subject import Context, SubjectPlan, plan_subject
from leanplum_sync.problem import Place
from leanplum_sync.wire.action import Action
from leanplum_sync.wire.exact import same_exactly
from leanplum_sync.wire.profile import THINGS, Profile, read_profile
from leanplum_sync.wire.variable import leaves_of, overlaps, parts_of, seen_in, written_by

HERE = Place("specs/v.yaml", 6, 5)
SPEC = ResourceAddress("Variables", "v")
CONTEXT = Context(waves={SPEC: 0}, messages={})

names = st.sampled_from(["a", "a.b", "a.b.c", "d", "d.e", "f\\.g", "h.i\\.j"])
scalars = st.one_of(
    st.booleans(), st.integers(-9, 9), st.floats(-9, 9), st.sampled_from(["", "x", "True", "3", "null"])
)
lists = st.lists(st.one_of(scalars, st.dictionaries(st.sampled_from(["p", "q"]), scalars)), max_size=3)
values = st.one_of(scalars, lists)
groups = st.dictionaries(st.sampled_from(["k", "l.m"]), values, min_size=1)
# A value, a group, or None: the variable is to be absent.
desired = st.dictionaries(names, st.one_of(st.none(), values, groups), max_size=5)
live = st.dictionaries(names, values, max_size=5)


def wants_of(spec: Mapping[str, Any]) -> list[Want]:
    found = []
    for name, value in spec.items():
        for leaf, item in leaves_of(name, value):
            desire = RemoveThing(leaf, HERE) if item is None else SetThing(leaf, item, HERE)
            found.append(Want(SPEC, Subject.variable(leaf), create=False, found_at=HERE, desires=(desire,)))
    return found


def tree_of(variables: Mapping[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, value in variables.items():
        put(tree, name, value)
    return tree


def put(tree: dict[str, Any], name: str, value: Any) -> None:
    *above, last = parts_of(name)
    for part in above:
        tree = tree.setdefault(part, {})
    tree[last] = value


def carried_out(tree: dict[str, Any], action: Action) -> dict[str, Any]:
    """Return what getVars shows after *action*: other variables stay, and groups without any are gone."""
    name, value = written_by(action.name, action.arguments) or ("", None)
    after = copy.deepcopy(tree)
    if value is not None:
        put(after, name, value)
        return after
    remaining = {
        leaf: item for each in after for leaf, item in leaves_of(each.replace(".", "\\."), after[each])
    }
    remaining.pop(name, None)
    return tree_of(remaining)


def profile(tree: dict[str, Any], name: str) -> Profile:
    return read_profile({THINGS: seen_in(tree, name)})


def planned(want: Want, tree: dict[str, Any]) -> SubjectPlan:
    return plan_subject([want], profile(tree, want.subject.id), NOTHING_KNOWN, CONTEXT)


@given(desired, live)
def test_planning_again_after_carrying_out_finds_nothing(
    spec: dict[str, Any], before: dict[str, Any]
) -> None:
    wants = wants_of(spec)
    leaves = [want.subject.id for want in wants]
    assume(len(set(leaves)) == len(leaves))
    assume(not list(overlaps(leaves)))
    assume(not list(overlaps(list(before))))
    tree = tree_of(before)
    for want in wants:
        plan = planned(want, tree)
        actions = [each.action for some in plan.actions.values() for each in some]
        assert len(actions) == len(plan.changes) <= 1
        if not plan.changes:
            continue
        (action,), (change,) = actions, plan.changes
        assert [standing for _, standing in standings(plan.changes, profile(tree, change.field))] == [
            Standing.UNTOUCHED
        ]
        tree = carried_out(tree, action)
        assert [standing for _, standing in standings(plan.changes, profile(tree, change.field))] == [
            Standing.REACHED
        ]
        # What it left is known as ours: only if somebody else changes it, it is drift.
        left = footprints(action)
        assert origin_of(change, left, unchanged=True) is Origin.OTHERS
    again = [planned(want, tree) for want in wants]
    assert not any(plan.changes for plan in again)
    assert {decision.reason for plan in again for decision in plan.decisions} <= {
        Reason.SAME,
        Reason.IN_THE_WAY,
    }
    # What nobody named is as it was, and what is in the way, too.
    named = {want.subject.id for want in wants}
    for name, value in before.items():
        if name not in named:
            assert same_exactly(seen_in(tree, name).get(name), value), name


@given(desired)
def test_from_nothing_the_app_has_exactly_what_the_spec_names(spec: dict[str, Any]) -> None:
    wants = wants_of(spec)
    leaves = [want.subject.id for want in wants]
    assume(len(set(leaves)) == len(leaves))
    assume(not list(overlaps(leaves)))
    tree: dict[str, Any] = {}
    for want in wants:
        for some in planned(want, tree).actions.values():
            for each in some:
                tree = carried_out(tree, each.action)
    expected = {
        want.subject.id: want.desires[0].value for want in wants if isinstance(want.desires[0], SetThing)
    }
    assert tree == tree_of(expected)
