from __future__ import annotations

import math

import pytest

from leanplum_sync.specs.yaml_file import Spot, is_usual_number, read_documents


def only_fault(text: str) -> tuple[str, int, int]:
    _, (fault,) = read_documents(text)
    return fault.message, fault.spot.line, fault.spot.column


def value_of(text: str) -> object:
    (document,), faults = read_documents(text)
    assert faults == []
    return document.value


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("2026-11-30", "2026-11-30"),
        ("12:30", "12:30"),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("", None),
        ("123", 123),
        ("-1.50", -1.5),
        (".inf", math.inf),
        ("1_000", "1_000"),
        ('"5"', "5"),
        ("'true'", "true"),
        ("|\n  two\n  lines\n", "two\nlines\n"),
    ],
)
def test_scalars_are_those_of_yaml_1_2(written: str, value: object) -> None:
    found = value_of(f"a: {written}")
    assert found == {"a": value}
    assert type(found["a"]) is type(value)  # type: ignore[index] # a mapping, as the line above says


@pytest.mark.parametrize("written", ["00123", "01.5", "+49151", "12e4", "-1.5e3", "0o17", "0x1F", ".5", "5."])
def test_the_spelling_of_a_number_is_kept_beside_it(written: str) -> None:
    (document,), _ = read_documents(f"a: [x, {written}, true, '1']\n{written}: b\n")
    assert document.numbers == {("a", 1): written}
    assert not is_usual_number(written)


def test_not_a_number_is_a_number() -> None:
    found = value_of("a: .nan")
    assert math.isnan(found["a"])  # type: ignore[index] # a mapping


def test_keys_are_what_is_written() -> None:
    assert value_of("{1: a, true: b, ~: c, 007: d}") == {"1": "a", "true": "b", "~": "c", "007": "d"}


def test_every_value_has_its_position() -> None:
    (document,), _ = read_documents("a: 1\nb:\n  - x\n  - {c: d}\n")
    assert document.keys["b",] == Spot(2, 1)
    assert document.values["a",] == Spot(1, 4)
    assert document.values["b", 1, "c"] == Spot(4, 9)
    assert document.keys["b", 1] == Spot(4, 5)


def test_several_documents_stand_in_one_file() -> None:
    documents, faults = read_documents("a: 1\n---\na: 2\n...\n---\na: 3\n")
    assert [document.value for document in documents] == [{"a": 1}, {"a": 2}, {"a": 3}]
    assert faults == []


def test_documents_before_a_syntax_error_are_kept() -> None:
    documents, faults = read_documents("a: 1\n---\nb: [\n")
    assert [document.value for document in documents] == [{"a": 1}]
    assert len(faults) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\n\tb: 2\n", ("there is a tab here", 2, 1)),
        ("a: 1\n b: 2\n", ("the indentation is wrong", 2, 2)),
        ("- a\nb: 1\n", ("the indentation is wrong", 2, 1)),
        ("a: [1, 2\nb: 3\n", ("a bracket or brace is opened and not closed, or a comma is missing", 1, 4)),
        ("a: 'x\n", ("a quote is opened and never closed", 1, 4)),
        ("a: 1\nb: 2\na: 3\n", ("the key a appears twice", 3, 1)),
        ("? [x]\n: 1\n", ("a list or mapping can't be a key", 1, 3)),
        ("a: *q\n", ("*q has no anchor: nothing is named &q", 1, 4)),
        ("a: &x {b: *x}\n", ("*x is inside the value that it repeats", 1, 11)),
        ("a: !!python/name:os.system x\n", ("tags have no meaning in a spec", 1, 4)),
        ("<<: {a: 1}\n", ("<< is not part of YAML 1.2", 1, 1)),
        ("a: @x\n", ("unquoted text can't start with this character", 1, 4)),
        ("a: \x07\n", ("this character is not allowed in YAML", 1, 4)),
        ("[" * 400, ("this is nested more than 50 levels deep", 1, 52)),
    ],
)
def test_faults_are_said_in_our_words_at_their_place(text: str, expected: tuple[str, int, int]) -> None:
    assert only_fault(text) == expected


def test_characters_escaped_as_two_halves_are_joined() -> None:
    assert value_of(r'{"\ud83d\ude00": "a\ud83d\ude00b"}') == {"\U0001f600": "a\U0001f600b"}


@pytest.mark.parametrize("half", [r"\ud83d", r"\ude00", r"\ude00\ud83d", r"\ud83d\ud83d\ude00", r"x\ud83dx"])
@pytest.mark.parametrize(("text", "column"), [('a: "HALF"', 4), ('{"HALF": 1}', 2), ('["HALF"]', 2)])
def test_half_of_a_character_is_a_fault_at_its_place(half: str, text: str, column: int) -> None:
    assert only_fault(text.replace("HALF", half)) == (
        "an escape sequence encodes half of a character",
        1,
        column,
    )


def test_a_repeated_key_names_its_first_place() -> None:
    _, (fault,) = read_documents("a: 1\na: 2\n")
    assert fault.also == Spot(1, 1)


def test_anchors_and_aliases_are_followed() -> None:
    assert value_of("a: &list [x, y]\nb: *list\nc: [*list, *list]\n") == {
        "a": ["x", "y"],
        "b": ["x", "y"],
        "c": [["x", "y"], ["x", "y"]],
    }


def test_aliases_that_multiply_are_stopped_early() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]" for level in range(1, 12)]
    message, line, _ = only_fault("\n".join(lines))
    assert message == "aliases repeat more than 20,000 values"
    assert line == 5
