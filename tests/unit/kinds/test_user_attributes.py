from __future__ import annotations

from typing import Any

import pytest

from leanplum_sync.address import Subject
from leanplum_sync.kinds.rows.desires import (
    AlterList,
    IncrementAttribute,
    RemoveAttribute,
    SetAttribute,
    SetProfileField,
    TakeAttribute,
)
from leanplum_sync.problem import Place
from leanplum_sync.wire.convert import ValueType

AT = Place("specs/it.yaml", 6, 16)


def desires(folder: Any, form: str, row: str = "{id: u1}") -> Any:
    """Return what one attribute in this *form* asks for this *row*."""
    folder.spec("UserAttributes", f"users: {{inline: [{row}]}}\nattributes: {{a: {form}}}")
    (want,) = folder.wants()
    return want.desires


@pytest.mark.parametrize(
    ("form", "desire"),
    [
        ("true", SetAttribute("a", value=True, asked_at=AT)),
        ("web", SetAttribute("a", "web", AT)),
        ("2.5", SetAttribute("a", 2.5, AT)),
        ("[x, 1]", SetAttribute("a", ["x", 1], AT)),
        ("2026-11-30", SetAttribute("a", "2026-11-30", AT)),
        ("{value: web, when: absent}", SetAttribute("a", "web", AT, only_if_absent=True)),
        ("{from: old}", TakeAttribute("a", "old", None, AT)),
        ("{from: a, type: integer}", TakeAttribute("a", "a", ValueType.INTEGER, AT)),
        ("{state: absent}", RemoveAttribute("a", AT)),
        ("{add: [x], remove: [y, 2]}", AlterList("a", ("x",), ("y", 2), AT)),
        ("{increment: -2, once: launch}", IncrementAttribute("a", -2, "launch", AT)),
    ],
)
def test_what_is_the_same_for_every_user(folder: Any, form: str, desire: object) -> None:
    assert desires(folder, form) == (desire,)


@pytest.mark.parametrize(
    ("form", "cell", "desire"),
    [
        ("{column: c}", "'3'", SetAttribute("a", "3", AT)),
        ("{column: c}", "3", SetAttribute("a", 3, AT)),
        ("{column: c, type: integer}", "'3'", SetAttribute("a", 3, AT)),
        ("{column: c, type: text}", "3", SetAttribute("a", "3", AT)),
        ("{column: c, type: boolean}", "'yes'", SetAttribute("a", value=True, asked_at=AT)),
        ("{column: c, type: list}", "'[x, 2]'", SetAttribute("a", ["x", 2], AT)),
        ("{column: c, when: absent}", "x", SetAttribute("a", "x", AT, only_if_absent=True)),
        ("{column: c, map: {A: gold}}", "A", SetAttribute("a", "gold", AT)),
        ("{column: c, map: {A: gold}, otherwise: 5}", "B", SetAttribute("a", 5, AT)),
        ("{column: c, map: {1: gold}}", "1", SetAttribute("a", "gold", AT)),
        ("{column: c, map: {'true': gold}}", "true", SetAttribute("a", "gold", AT)),
        ("{column: c, map: {A: '5'}, type: integer}", "A", SetAttribute("a", 5, AT)),
        ("{add: {column: c}, remove: [y]}", "'[x]'", AlterList("a", ("x",), ("y",), AT)),
        ("{add: {column: c}}", "x", AlterList("a", ("x",), (), AT)),
        ("{increment: {column: c}, once: l}", "'4'", IncrementAttribute("a", 4, "l", AT)),
    ],
)  # fmt: skip
def test_what_a_cell_asks_for(folder: Any, form: str, cell: str, desire: object) -> None:
    assert desires(folder, form, f"{{id: u1, c: {cell}}}") == (desire,)


@pytest.mark.parametrize(
    "form",
    [
        "{column: c}",
        "{column: c, type: integer}",
        "{column: c, map: {A: x}, otherwise: y}",
        "{add: {column: c}}",
        "{increment: {column: c}, once: l}",
    ],
)
@pytest.mark.parametrize("row", ["{id: u1, c: ''}", "{id: u1, c: }", "{id: u1}"])
def test_an_empty_cell_asks_for_nothing(folder: Any, form: str, row: str) -> None:
    folder.spec(
        "UserAttributes", f"users: {{inline: [{row}, {{id: u2, c: '1'}}]}}\nattributes: {{a: {form}}}"
    )
    assert folder.wants()[0].desires == ()


def test_an_increment_by_nothing_asks_for_nothing(folder: Any) -> None:
    assert desires(folder, "{increment: {column: c}, once: l}", "{id: u1, c: 0}") == ()


@pytest.mark.parametrize(
    ("form", "cell", "message"),
    [
        ("{column: c, type: integer}", "secret", "the value in column c is not a whole number"),
        ("{column: c, type: date}", "secret", "the value in column c is not an ISO 8601 date such as 2026-11-30 or 2026-11-30T08:15:00Z"),
        ("{column: c, map: {A: x}}", "secret", "the value in column c is not in `map`"),
        ("{column: c}", "{secret: 1}", "the value in column c is not text, a number, true or false, or a list of such values"),
        ("{column: c}", "[]", "the value in column c is not a list with at least one value"),
        ("{column: c}", "[[secret]]", "the value in column c is not a flat list (no lists or mappings inside)"),
        ("{column: c}", "9007199254740993", "the value in column c is not a number that the API stores exactly: a whole number up to 2^53, or a decimal with about 15 digits"),
        ("{column: c}", ".inf", "the value in column c is not a finite number"),
        ("{add: {column: c}, remove: [secret]}", "secret", "the same value is both added to and removed from attribute a"),
        ("{increment: {column: c}, once: l}", "'1.5'", "the value in column c is not a whole number"),
    ],
)  # fmt: skip
def test_a_cell_that_is_wrong_is_a_problem_of_its_row(
    folder: Any, form: str, cell: str, message: str
) -> None:
    folder.spec("UserAttributes", f"users: {{inline: [{{id: u1, c: {cell}}}]}}\nattributes: {{a: {form}}}")
    ((problem,),) = folder.wants()
    assert (problem.message, problem.also, problem.address) == (message, AT, "UserAttributes/it")
    assert str(problem.place) == "specs/it.yaml:5:20"
    assert "secret" not in str(problem)


def test_all_problems_of_a_row_are_told_at_once(folder: Any) -> None:
    folder.write("specs/c.csv", "id,x,y\n u1,a,b\nu2,1,2\n")
    form = "{column: x, type: integer}"
    folder.spec(
        "UserAttributes",
        f"users: {{file: c.csv, id: id}}\nattributes: {{a: {form}, b: {form.replace('x', 'y', 1)}}}",
    )
    bad, good = folder.wants()
    assert [problem.message for problem in bad] == [
        "the id in column id has spaces before or after it",
        "the value in column x is not a whole number",
        "the value in column y is not a whole number",
    ]
    assert all(problem.place == Place("specs/c.csv", 2, row=1) for problem in bad)
    assert [desire.value for desire in good.desires] == [1, 2]


def test_a_cell_that_was_wrong_is_wrong_again(folder: Any) -> None:
    folder.write("specs/c.csv", "id,x\nu1,a\nu2,5\nu3,a\nu4,5\n")
    folder.spec("UserAttributes", "users: {file: c.csv, id: id}\nattributes: {a: {column: x, type: integer}}")
    assert [isinstance(found, tuple) for found in folder.wants()] == [True, False, True, False]


@pytest.mark.parametrize(
    ("identity", "message"),
    [
        ("''", "the id in column id is missing"),
        ("'u1 '", "the id in column id has spaces before or after it"),
        ('"u\\0001"', "the id in column id contains a NUL character"),
        ("5", "the id in column id is not text"),
        (f"'{'x' * 401}'", "the id in column id is longer than 400 characters"),
    ],
)
def test_an_id_must_be_one(folder: Any, identity: str, message: str) -> None:
    folder.spec("UserAttributes", f"users: {{inline: [{{id: {identity}}}]}}\nattributes: {{a: 1}}")
    ((problem,),) = folder.wants()
    assert problem.message == message


def test_ids_stay_the_text_they_are(folder: Any) -> None:
    folder.spec("UserAttributes", f"users: {{inline: ['00123', '{'x' * 400}']}}\ncreateUsers: true")
    wants = folder.wants()
    assert [want.subject for want in wants] == [Subject.user("00123"), Subject.user("x" * 400)]
    assert [want.create for want in wants] == [True, True]
    assert wants[0].found_at == Place("specs/it.yaml", 5, 20)


@pytest.mark.parametrize(
    ("form", "row", "desire"),
    [
        ("country: DE", "", ("country", "DE", False)),
        ("city: {value: Berlin, when: absent}", "", ("city", "Berlin", True)),
        ("created: 1970-01-02", "", ("created", 86400.0, False)),
        ("created: {column: c, type: date}", "1970-01-02T00:00:00+01:00", ("created", 82800.0, False)),
        ("lastActive: {column: c}", "'86400'", ("lastActive", 86400.0, False)),
        ("totalSessions: {column: c}", "'3'", ("totalSessions", 3, False)),
        ("timeSpentInApp: {column: c}", "'3.5'", ("timeSpentInApp", 3.5, False)),
        ("timezoneOffsetSeconds: -3600", "", ("timezoneOffsetSeconds", -3600, False)),
        ("country: {column: c, map: {germany: DE}, when: absent}", "germany", ("country", "DE", True)),
    ],
)
def test_profile_fields_become_what_the_api_is_sent(folder: Any, form: str, row: str, desire: Any) -> None:
    folder.spec("UserAttributes", f"users: {{inline: [{{id: u1, c: {row}}}]}}\nprofile: {{{form}}}")
    (want,) = folder.wants()
    (found,) = want.desires
    assert isinstance(found, SetProfileField)
    assert (found.name, found.value, found.only_if_absent) == desire


@pytest.mark.parametrize(
    ("form", "cell"),
    [
        ("country", "de"),
        ("city", "(detect)"),
        ("created", "soon"),
        ("totalSessions", "'1.5'"),
        ("region", "5"),
    ],
)
def test_profile_fields_refuse_what_they_cannot_hold(folder: Any, form: str, cell: str) -> None:
    folder.spec(
        "UserAttributes", f"users: {{inline: [{{id: u1, c: {cell}}}]}}\nprofile: {{{form}: {{column: c}}}}"
    )
    ((problem,),) = folder.wants()
    assert problem.message.startswith("the value in column c is not ")
