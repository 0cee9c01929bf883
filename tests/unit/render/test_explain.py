"""Why a user stays as it is: line, row, observed and desired values, what they are compared as, and the decision."""

from __future__ import annotations

from dataclasses import replace

import pytest
from document_schemas import check_document
from sample_renderings import REAL

from leanplum_sync.address import ResourceAddress, Subject
from leanplum_sync.kinds.rows.desires import SetAttribute, TakeAttribute, Want
from leanplum_sync.operations.explain import Explained, Explanation, _explanations
from leanplum_sync.planner.change import Change, ChangeKind
from leanplum_sync.planner.decide import Reason
from leanplum_sync.planner.known import NOTHING_KNOWN
from leanplum_sync.planner.subject import Context, plan_subject
from leanplum_sync.problem import Place
from leanplum_sync.render.explain import explained_json, explained_text
from leanplum_sync.render.page import Page
from leanplum_sync.render.values import Mask
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.convert import ValueType
from leanplum_sync.wire.profile import read_profile

LINE, ROW = Place("specs/a.yaml", 9), Place("data/a.csv", 3, row=2)
MASK = Mask(frozenset({"email"}), b"key")


def explained(observed: Json, desired: Json, name: str = "newsletter") -> Explained:
    desire = SetAttribute(name, desired, LINE)
    found = Explanation("UserAttributes/a", LINE, ROW, desire, observed, Reason.SAME, ())
    return Explained(Subject.user("u1"), listed=True, observed=True, changes=(), explanations=(found,))


def test_all_that_led_to_the_decision_is_in_the_document() -> None:
    (decision,) = check_document(explained_json(explained("True", True), REAL, MASK))["decisions"]
    assert decision == {
        "resource": "UserAttributes/a",
        "field": "newsletter",
        "deviceId": None,
        "observed": "True",
        "desired": True,
        "comparedAs": {"observed": ["text", "true"], "desired": ["text", "true"]},
        "reason": "already as desired",
        "askedAt": "specs/a.yaml:9",
        "foundAt": "data/a.csv:3",
        "isChanged": False,
    }


def renamed(source: str = "mail") -> Explained:
    """A rename onto a name with a value, by the planner's own decision."""
    desire = TakeAttribute("contact", source, ValueType.TEXT, LINE)
    want = Want(
        ResourceAddress("UserAttributes", "a"),
        Subject.user("u1"),
        create=False,
        found_at=ROW,
        desires=(desire,),
    )
    profile = read_profile({"userId": "u1", "userAttributes": {"contact": "old", source: 7}})
    decisions = plan_subject([want], profile, NOTHING_KNOWN, Context({want.resource: 0}, {})).decisions
    return Explained(
        Subject.user("u1"),
        listed=True,
        observed=True,
        changes=(),
        explanations=_explanations(decisions, profile, ()),
    )


def test_a_rename_onto_a_name_with_a_value_tells_what_is_there_and_what_it_becomes() -> None:
    (decision,) = check_document(explained_json(renamed(), REAL, MASK))["decisions"]
    assert (decision["field"], decision["observed"], decision["desired"]) == ("contact", "old", "7")


def test_both_values_of_a_rename_from_a_sensitive_name_are_masked() -> None:
    (decision,) = check_document(explained_json(renamed("email"), REAL, MASK))["decisions"]
    assert all("sensitive" in decision[name] for name in ("observed", "desired"))


def test_values_that_look_different_and_are_the_same_are_told_both() -> None:
    text = explained_text(explained("True", True), REAL, MASK, Page(width=110))
    assert "already as desired: the API treats it as equal to true  specs/a.yaml:9" in text
    assert "treats it" not in explained_text(explained(3.0, 3), REAL, MASK, Page())


@pytest.mark.parametrize("value", [[["a"], "b"], {"a": 1}, None, 10**400, [], {"email": "x@example.com"}])
def test_a_value_of_any_form_can_be_explained(value: Json) -> None:
    made = explained_json(explained(value, value), REAL, MASK)
    assert "example.com" not in made
    check_document(made)


def test_sensitive_values_are_masked_also_where_they_are_compared() -> None:
    hidden = explained("a@example.com", "a@example.com", "email")
    made = explained_json(hidden, REAL, MASK) + explained_text(replace(hidden), REAL, MASK, Page())
    assert "example.com" not in made


@pytest.mark.parametrize("width", [60, 80, 200])
def test_a_planned_event_is_shown_whole(width: int) -> None:
    after = {
        "key": "order-1001",
        "time": 1.7e9,
        "value": 12.5,
        "currency": "EUR",
        "parameters": {"sku": "a-long-article"},
    }
    change = Change(
        Subject.user("u1"), "Events/orders", ChangeKind.EVENT, "Purchase", None, after, LINE, ROW, ""
    )
    found = Explained(Subject.user("u1"), listed=True, observed=True, changes=(change,), explanations=())
    text = " ".join(explained_text(found, REAL, MASK, Page(width=width)).split())
    assert "2023-11-14 22:13 UTC, 12.5 EUR, with sku: a-long-article (order-1001) specs/a.yaml:9" in text
