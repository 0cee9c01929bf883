"""What stands in a comment on a pull request."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sample_renderings import ALL_DONE, EMPTY, REAL, RUN, SOME_DONE, SomePlan, cohort

from leanplum_sync.planner.change import ChangeKind
from leanplum_sync.planner.plan import Hazard, Note
from leanplum_sync.problem import Place, Problem
from leanplum_sync.render.markdown.plan import plan_markdown
from leanplum_sync.render.problems import Checked, problems_markdown
from leanplum_sync.render.receipt import receipt_markdown
from leanplum_sync.render.status import Status, status_markdown

LIMIT = 59_000


def test_the_first_line_marks_whose_comment_it_is() -> None:
    assert plan_markdown(SomePlan(target=REAL), LIMIT).startswith(
        "<!-- leanplum-sync plan production app_1 -->\n"
    )
    assert problems_markdown(Checked([], 0, 1, 1, 1), LIMIT).startswith("<!-- leanplum-sync problems -->\n")


def test_a_plan_that_could_not_be_made_takes_the_place_of_the_plan() -> None:
    problem = Problem(Place("a.yaml", 3), "unknown key `typ`", excerpt="  typ: |x")
    text = problems_markdown(Checked([problem], 1, 0, 0, 0), LIMIT, document="plan", environment="production")
    assert text.startswith("<!-- leanplum-sync plan production -->\n")
    assert "### 1 problem in 1 file.\n\nNo plan was made." in text
    assert "- `a.yaml:3` unknown key &#96;typ&#96;.<br><code>typ&#58; &#124;x</code>" in text


def test_risks_come_first_and_sends_created_users_and_removals_are_always_named() -> None:
    text = plan_markdown(SomePlan(hazards_=(Hazard("sends", 36, 0),)), LIMIT)
    assert text.index("created users") < text.index("removals") < text.index("Applying costs")
    assert "| **36** | **sends** | ❌ **over the budget of 0** |" in text
    assert "apply it with `--ack sends=36`" in text


def test_a_plan_without_changes_is_short() -> None:
    assert "**No changes: 6 listed users match the specs.**" in plan_markdown(
        SomePlan(replace(EMPTY, missing=0)), LIMIT
    )


def test_the_first_groups_are_open_and_the_rest_is_folded() -> None:
    cohorts = tuple(cohort(ChangeKind.SET, f"attribute_{number}", 1, 2) for number in range(40))
    text = plan_markdown(SomePlan(cohorts_=cohorts), LIMIT)
    opened, folded = text.split("<details><summary>28 more groups</summary>")
    assert opened.count("attribute_") == 12
    assert folded.count("attribute_") == 28
    assert folded.rstrip().split("\n\n")[-2] == "</details>"


@pytest.mark.parametrize("count", [0, 1, 40, 5000])
def test_a_plan_of_any_size_fits_a_comment_and_says_how_many_groups_are_left_out(count: int) -> None:
    cohorts = tuple(
        cohort(ChangeKind.SET, f"attribute_{number}", "x" * 100, "é" * 100) for number in range(count)
    )
    text = plan_markdown(SomePlan(cohorts_=cohorts), LIMIT)
    assert len(text.encode()) <= LIMIT
    missing = count - text.count("attribute_")
    assert (f"_{missing:,} groups omitted here: `leanplum-sync show PLAN" in text) == (count == 5000)


def test_what_is_left_alone_names_the_resource_and_some_users() -> None:
    remark = Note("remark", "UserAttributes/loyalty", "odd values in 3 rows.", 3, ("a.csv:2",))
    assert "**Remarks**\n\n- `a.csv:2` odd values in 3 rows." in plan_markdown(
        SomePlan(notes_=(remark,)), LIMIT
    )
    note = Note("missing", "UserAttributes/loyalty", "do not exist", 2, ("user:u1", "device:@all"))
    assert "- `UserAttributes/loyalty`: 2 users do not exist (e.g. `u1`, `device:@all`)" in plan_markdown(
        SomePlan(notes_=(note,)), LIMIT
    )


def test_where_rows_came_from_is_no_remark() -> None:
    remark = Note("remark", "UserAttributes/loyalty", "odd values in 3 rows.", 3, ("a.csv:2",))
    source = Note("source", "UserAttributes/loyalty", "9 rows read from SQLite 3.", 9, ("crm:a.sql",))
    text = plan_markdown(SomePlan(notes_=(source, remark)), LIMIT)
    assert "**Sources**\n\n- `crm:a.sql` 9 rows read from SQLite 3." in text
    assert "9 rows" not in text.partition("**Remarks**")[2].partition("**Sources**")[0]


def test_a_receipt_says_what_became_of_everything_and_what_to_do_next() -> None:
    text = receipt_markdown(SOME_DONE, REAL, None, ["To go on: leanplum-sync apply a.lpplan --resume"], LIMIT)
    assert "### Partially applied to `production`" in text
    assert "| **4** | ❌ rejected by the API |" in text
    assert "leanplum-sync apply a.lpplan --resume" in text
    assert "_28 more are in the journal: `leanplum-sync journal show 7`._" in text
    assert "| **10** | done |" in receipt_markdown(ALL_DONE, REAL, None, [], LIMIT)


def test_the_journal_s_status_shows_its_latest_runs() -> None:
    text = status_markdown(Status("journal.db", 1.8e9, (), (RUN,), ()), LIMIT)
    assert "| 7 | partial | `production` |" in text
    assert "**No actions are held.**" in text
