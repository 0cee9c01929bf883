"""Problems: one line each for editors, with the source line and a caret for people."""

from __future__ import annotations

import json

from leanplum_sync.problem import Place, Problem, Remark
from leanplum_sync.render.page import Page
from leanplum_sync.render.problems import Checked, checked_json, checked_text, headline, problems_text

IN_A_SPEC = Problem(
    Place("specs/a.yaml", 12, 18),
    'unknown type "integr"',
    "Write integer.",
    "UserAttributes/loyalty",
    "    order_count: {type: integr}",
)
IN_DATA = Problem(
    Place("data/a.csv", 3, row=2), "this id is listed twice", also=Place("data/a.csv", 2, row=1)
)


def test_a_problem_is_one_line_of_file_line_column_address_message_and_hint_then_the_source_with_a_caret() -> (
    None
):
    assert problems_text([IN_A_SPEC], 1, Page()).splitlines() == [
        'specs/a.yaml:12:18: UserAttributes/loyalty: unknown type "integr". Write integer.',
        "  12 |     order_count: {type: integr}",
        "     |                  ^",
        "",
        "1 problem in 1 file.",
    ]


def test_the_sentence_is_never_broken_however_narrow_the_page() -> None:
    assert problems_text([IN_A_SPEC], 1, Page(width=20)).splitlines()[0].endswith("Write integer.")


def test_the_caret_stands_under_its_column_past_wide_and_escaped_characters() -> None:
    problem = Problem(Place("a.yaml", 1, 3), "no", excerpt="北\u202e: x")
    _, source, caret, *_ = problems_text([problem], 1, Page()).splitlines()
    assert source == r"  1 | 北\u202e: x"
    assert caret == "    | " + " " * len(r"**\u202e") + "^"


def test_data_rows_have_no_excerpt() -> None:
    assert "row 2: this id is listed twice (see data/a.csv:2)." in problems_text([IN_DATA], 1, Page())


def test_file_names_and_messages_cant_send_escape_codes_to_a_terminal() -> None:
    problem = Problem(Place("a\x1b[2J.yaml", 1), "found \x1b[31m", excerpt="\x1b[0m")
    assert "\x1b" not in problems_text([problem], 1, Page())


def test_color_adds_escape_codes_and_nothing_else() -> None:
    assert "\x1b[" in problems_text([IN_A_SPEC], 1, Page(color=True))


def test_the_headline_counts_problems_and_files_and_says_what_is_left_out() -> None:
    assert headline([IN_A_SPEC, IN_DATA], 2) == "2 problems in 2 files."
    assert headline([IN_A_SPEC, IN_DATA], 140) == "140 problems; the first 2 are shown."
    assert headline([IN_DATA], 140, "all.ndjson") == (
        "140 problems; the first 1 are shown. all.ndjson lists all of them."
    )


def test_people_are_shown_the_first_hundred_and_machines_all_that_was_kept() -> None:
    problems = [Problem(Place("a.csv", line), "no id") for line in range(1, 151)]
    text = problems_text(problems, 150, Page())
    assert "a.csv:100: no id" in text
    assert "a.csv:101: no id" not in text
    assert text.endswith("150 problems; the first 100 are shown.\n")
    document = json.loads(checked_json(Checked(problems, 150, 1, 0, 0, "all.ndjson")))
    assert [len(document["problems"]), document["listed"]] == [150, "all.ndjson"]


def test_the_document_names_its_format_and_keeps_places_apart() -> None:
    document = json.loads(checked_json(Checked([IN_A_SPEC, IN_DATA], 2, 1, 0, 0)))
    assert [document["format"], document["version"], document["total"]] == ["leanplum-sync/problems", 1, 2]
    assert document["problems"][0]["place"] == {"file": "specs/a.yaml", "line": 12, "column": 18, "row": None}
    assert document["problems"][1]["also"]["line"] == 2


def test_remarks_are_counted_in_the_document_and_leave_it_valid() -> None:
    checked = Checked([], 0, 1, 3, 3, remarks=[Remark(IN_DATA, 3)])
    document = json.loads(checked_json(checked))
    assert (document["total"], document["remarks"][0]["count"]) == (0, 3)
    assert checked_text(checked, Page()).startswith("Valid: ")


def test_a_place_is_read_back_from_its_text() -> None:
    for place in (Place("a:b.csv", 3), Place("a.yaml", 3, 7), Place("a.parquet", row=4), Place("a.csv")):
        assert Place.parse(str(place)) == place


def test_a_check_without_problems_says_what_was_checked() -> None:
    assert checked_text(Checked([], 0, 2, 2400, 2357), Page()) == (
        "Valid: 2 specs, 2,400 rows for 2,357 users. Checked offline.\n"
    )
