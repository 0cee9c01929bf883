"""What the app lacks of what a spec expects, and which specs that stops."""

from __future__ import annotations

from typing import Any

import pytest

from leanplum_sync.kinds import Resource
from leanplum_sync.planner.expectations import Facts, unmet, with_expected
from leanplum_sync.wire.message import read_message

SPECS = {
    "checks": ("Expectations", "", "messages: [{name: Hi}]\ncategories: [{id: 5}]"),
    "chained": (
        "UserAttributes",
        "Expectations/checks",
        "users: {inline: [u1]}\nattributes: {tier: gold}",
    ),
    "last": ("UserAttributes", "UserAttributes/chained", "users: {inline: [u1]}\nattributes: {vip: true}"),
    "free": ("UserAttributes", "", "users: {inline: [u1]}\nattributes: {plan: a}"),
}
HI = {"id": 1, "name": "Hi", "active": True, "messageType": "Email"}


@pytest.fixture
def resources(folder: Any) -> dict[str, Resource]:
    for name, (kind, needs, spec) in SPECS.items():
        folder.spec(kind, spec, name=name)
        path = folder.root / "specs" / f"{name}.yaml"
        if needs:
            path.write_text(
                path.read_text().replace(f"{{name: {name}}}", f"{{name: {name}, dependsOn: [{needs}]}}")
            )
    loaded = folder.load()
    assert loaded.problems == ()
    return {each.address.name: each for each in loaded.resources}


def test_what_is_met_is_no_problem(resources: dict[str, Resource]) -> None:
    assert unmet(list(resources.values()), Facts(messages=[read_message(HI)], categories={"5": "News"})) == ()


def test_a_problem_names_what_it_stops_directly_and_through_others(resources: dict[str, Resource]) -> None:
    message, category = unmet(list(resources.values()), Facts(messages=[], categories={}))
    assert message.message == 'the message "Hi" does not exist in this app'
    assert category.message == "the unsubscribe category 5 does not exist in this app"
    for problem in (message, category):
        assert problem.hint.endswith("This stops UserAttributes/chained, UserAttributes/last.")
        assert problem.address == "Expectations/checks"


def test_two_messages_of_one_name_are_a_problem(resources: dict[str, Resource]) -> None:
    messages = [read_message(HI), read_message(HI | {"id": 2})]
    (problem,) = unmet(list(resources.values()), Facts(messages=messages, categories={"5": ""}))
    assert problem.message == 'several messages are named "Hi"'


@pytest.mark.parametrize(
    ("kept", "excluded", "found"),
    [
        (["last"], "", ["checks", "last"]),
        (["chained"], "", ["chained", "checks"]),
        (["free"], "", ["free"]),
        (["last"], "Expectations/checks", ["last"]),
    ],
)
def test_a_selection_keeps_what_it_expects(
    resources: dict[str, Resource], kept: list[str], excluded: str, found: list[str]
) -> None:
    selected = with_expected(
        [resources[name] for name in kept], list(resources.values()), lambda address: address == excluded
    )
    assert sorted(each.address.name for each in selected) == found


def test_expectations_take_no_wave_of_their_own(resources: dict[str, Resource]) -> None:
    assert not resources["checks"].kind.has_rows
    assert not resources["checks"].kind.drifts


@pytest.mark.parametrize("change", [{"updated": 2.0}, {"name": "Ho"}, {"active": False}, {"state": "active"}])
def test_a_fingerprint_differs_with_anything_that_is_shown(change: dict[str, Any]) -> None:
    assert read_message(HI).fingerprint == read_message(dict(reversed(HI.items()))).fingerprint
    assert read_message(HI | change).fingerprint != read_message(HI).fingerprint
