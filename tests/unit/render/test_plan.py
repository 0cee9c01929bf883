"""A plan on one screen."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from sample_renderings import COST, EMBEDDED, EMPTY, REAL, SUMMARY, SomePlan, cohort

from leanplum_sync.planner.audit import AuditGoal, audited
from leanplum_sync.planner.change import ChangeKind
from leanplum_sync.planner.notes import assumed_sentence, audit_sentence, unseen_sentence
from leanplum_sync.planner.plan import Cohort, Hazard, Note, Target, ValuePair
from leanplum_sync.render.html.plan import plan_html
from leanplum_sync.render.markdown.plan import plan_markdown
from leanplum_sync.render.page import Page
from leanplum_sync.render.plan import plan_json, plan_text
from leanplum_sync.render.plan_words import (
    HAZARD_WORDS,
    change_words,
    consent_options,
    cost_remarks,
    other_ways,
    target_words,
)
from leanplum_sync.wire.action import Json


def lines(plan: SomePlan, page: Page = Page()) -> Sequence[str]:  # noqa: B008 - frozen
    return plan_text(plan, page).splitlines()


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (EMBEDDED, "sandbox (embedded emulator, nothing real is touched)"),
        (replace(EMBEDDED, host="127.0.0.1"), "sandbox (emulator at 127.0.0.1, nothing real is touched)"),
        (REAL, "production (api.leanplum.com, app app_1)"),
    ],
)
def test_the_title_names_environment_and_host_and_an_emulator_cant_be_taken_for_anything_else(
    target: Target, words: str
) -> None:
    assert target_words(target) == words
    assert lines(SomePlan(target=target))[0] == f"Plan for {words}"


def test_sends_created_users_and_removals_are_named_even_when_there_are_none() -> None:
    text = plan_text(SomePlan(), Page())
    assert all(f"0  {words}" in text for words in ("sends", "created users", "attribute removals"))


def test_what_is_over_budget_says_so_and_how_to_consent_to_exactly_that() -> None:
    hazards = (Hazard("sends", 12431, 0), Hazard("removals", 5, 10), Hazard("renames", 7, 6))
    text = plan_text(SomePlan(hazards_=hazards), Page())
    assert "12,431  sends               over the budget of 0" in text
    assert "within the budget of 10" in text
    assert "apply it with:\n  --ack sends=12431 --ack renames=7\n" in text
    assert consent_options(hazards) == "--ack sends=12431 --ack renames=7"


def test_counts_that_stand_elsewhere_are_hazards_only_when_they_are_over() -> None:
    within, over = Hazard("changedUsers", 4, 10), Hazard("changedUsers", 4, 3)
    assert "changed users" not in plan_text(SomePlan(hazards_=(within,)), Page())
    assert "changed users" in plan_text(SomePlan(hazards_=(over,)), Page())


def test_a_plan_without_changes_says_that_there_is_nothing_to_do() -> None:
    assert "No changes: 6 listed users match the specs." in lines(SomePlan(EMPTY))
    missing = replace(EMPTY, missing=2)
    assert "No changes: 4 of 6 listed users match the specs; 2 do not exist." in lines(SomePlan(missing))
    nobody = replace(EMPTY, missing=EMPTY.listed)
    assert "No changes: none of the 6 listed users exists." in lines(SomePlan(nobody))
    one = replace(EMPTY, listed=1, missing=1)
    assert "No changes: the only listed user does not exist." in lines(SomePlan(one))


def test_assumed_users_are_counted_in_each_form_with_the_age_of_the_oldest_entry() -> None:
    summary = replace(SUMMARY, assumed=3, assumed_since=1.8e9)
    note = Note("assumed", "", assumed_sentence(3, "2027-01-15 08:00:00 UTC"), 3, ())
    plan = SomePlan(summary, hazards_=(Hazard("assumed", 3, None),), notes_=(note,))
    words = "users not read, assumed to match the specs"
    age = "The oldest entry is from 2027-01-15 08:00:00 UTC"
    for text in (
        " ".join(plan_text(plan, Page()).split()),
        unescape(plan_markdown(plan, 10_000)),
        plan_html(plan),
    ):
        assert words in text
        assert age in text
    users = json.loads(plan_json(plan))["users"]
    assert (users["assumed"], users["assumedSince"]) == (3, "2027-01-15T08:00:00Z")


def test_users_whom_only_an_export_shows_are_counted_in_each_form() -> None:
    summary = replace(SUMMARY, unseen=3, assumed_since=1.8e9)
    note = Note("unseen", "", unseen_sentence(3, "2027-01-15 08:00:00 UTC"), 3, ())
    plan = SomePlan(summary, hazards_=(Hazard("unseen", 3, None),), notes_=(note,))
    words = "users not read, seen only in an export"
    age = "according to the export started at 2027-01-15 08:00:00 UTC, they already match the specs"
    for text in (
        " ".join(plan_text(plan, Page()).split()),
        unescape(plan_markdown(plan, 10_000)),
        plan_html(plan),
    ):
        assert words in text
        assert age in text
    users = json.loads(plan_json(plan))["users"]
    assert (users["unseen"], users["assumed"], users["assumedSince"]) == (3, 0, "2027-01-15T08:00:00Z")


def test_an_audit_says_in_each_form_how_many_users_may_not_match() -> None:
    audit = audited(1_000_000, 4_605, 1, AuditGoal())
    summary = replace(SUMMARY, assumed=995_395, assumed_since=1.8e9, audit=audit)
    note = Note("audit", "", audit_sentence(audit), 4_605, ())
    plan = SomePlan(summary, hazards_=(Hazard("audit", audit.bound.most, audit.allowed),), notes_=(note,))
    claim = (
        "1 of them did not match; with 99 % confidence, at most 1,436 of the 995,395 users who were not read (0.145 %) do not"
        " match. This is over the project's limit of 0.1 %: plan with --observed live"
    )
    words = "users not read who may not match"
    for text in (
        " ".join(plan_text(plan, Page()).split()),
        unescape(plan_markdown(plan, 10_000)),
        unescape(plan_html(plan)),
    ):
        assert claim in text
        assert words in text
    assert json.loads(plan_json(plan))["audit"] == {
        "sample": 4_605,
        "differing": 1,
        "unseen": 995_395,
        "most": 1_436,
        "share": audit.bound.share,
        "confidence": 99.0,
        "limit": 0.1,
        "isOver": True,
    }


def test_the_headline_of_a_plan_without_changes_has_the_bound_of_the_audit() -> None:
    audit = audited(1_004, 1_000, 0, AuditGoal(share=30))
    found = plan_text(SomePlan(replace(EMPTY, assumed=4, assumed_since=1.8e9, audit=audit)), Page(width=200))
    assert "4 are assumed to match, of whom at most 0 % don't (99 % confidence)." in found


def test_a_plan_without_changes_claims_no_match_for_assumed_users() -> None:
    found = plan_text(SomePlan(replace(EMPTY, assumed=4, assumed_since=1.8e9)), Page(width=200))
    assert (
        "No changes found: 2 of 6 listed users were read and match the specs; 4 are assumed to match."
        in found
    )
    found = plan_text(SomePlan(replace(EMPTY, assumed=6, assumed_since=1.8e9)), Page(width=200))
    assert "No changes found: 6 of 6 listed users are assumed to match." in found


def test_groups_show_what_changes_from_what_to_what_for_how_many() -> None:
    text = lines(SomePlan(cohorts_=(cohort(ChangeKind.SET, "tier", "bronze", "gold"),)))
    row = next(line for line in text if "tier" in line)
    assert row.split() == ["set", "tier", "bronze", "→", "gold", "4", "00004,", "device:D1"]


@pytest.mark.parametrize(
    ("kind", "before", "after", "words"),
    [
        (ChangeKind.SET, None, "gold", "(none) → gold"),
        (ChangeKind.REMOVE, "yes", None, "yes → (none)"),
        (ChangeKind.ADD, ["a"], ["b", "c"], "+ b, c"),
        (ChangeKind.TAKE_OUT, ["a"], ["a"], "- a"),
        (ChangeKind.INCREMENT, 3, 1, "+1"),
        (ChangeKind.INCREMENT, 3, -2, "-2"),
        (ChangeKind.SEND, None, {"name": "Ada"}, "with name: Ada"),
        (ChangeKind.SEND, None, {}, ""),
        (ChangeKind.CREATE, None, None, ""),
    ],
)
def test_each_kind_of_change_has_its_own_words(
    kind: ChangeKind, before: Json, after: Json, words: str
) -> None:
    assert change_words(kind, "x", before, after, 40) == words


def test_times_of_a_profile_are_dates() -> None:
    assert (
        change_words(ChangeKind.PROFILE, "created", 1705276800.5, 857520000, 40) == "2024-01-15 → 1997-03-05"
    )
    assert change_words(ChangeKind.PROFILE, "created", "x", 1e300, 40) == "x → 1e+300"


def test_every_kind_of_change_can_be_shown() -> None:
    text = plan_text(
        SomePlan(cohorts_=tuple(cohort(kind, f"field-{kind.name}") for kind in ChangeKind)), Page(height=60)
    )
    assert all(f"field-{kind.name}" in text for kind in ChangeKind)


@pytest.mark.parametrize("count", [1, 40, 400])
def test_a_plan_fits_its_screen_however_many_groups_there_are(count: int) -> None:
    cohorts = tuple(cohort(ChangeKind.SET, f"attribute_{number}", 1, 2) for number in range(count))
    page = Page(height=32, is_terminal=True)
    text = lines(SomePlan(cohorts_=cohorts), page)
    assert len(text) < page.height
    assert all(len(line) <= page.width for line in text)
    shown = sum("attribute_" in line for line in text)
    assert shown == count or f"  and {count - shown} more groups; show PLAN --all lists them" in text


def test_groups_stand_below_the_name_of_their_spec() -> None:
    send = replace(cohort(ChangeKind.SEND, "delay"), resource="MessageSend/order-delay")
    cohorts = (cohort(ChangeKind.SET, "tier", 1, 2), send, cohort(ChangeKind.SET, "level", 1, 2))
    text = lines(SomePlan(cohorts_=cohorts))
    start = text.index("UserAttributes/loyalty")
    assert [line.split()[:2] for line in text[start : start + 5]] == [
        ["UserAttributes/loyalty"],
        ["set", "tier"],
        ["set", "level"],
        ["MessageSend/order-delay"],
        ["send", "delay"],
    ]


def test_away_from_a_terminal_and_on_request_more_groups_are_shown_than_fit_a_screen() -> None:
    plan = SomePlan(cohorts_=tuple(cohort(ChangeKind.SET, f"attribute_{n}", 1, 2) for n in range(100)))
    terminal = Page(is_terminal=True)
    shown = (plan_text(plan, Page()), plan_text(plan, terminal), plan_text(plan, terminal, all_groups=True))
    assert [text.count("attribute_") for text in shown][::2] == [40, 100]
    assert shown[1].count("attribute_") < 10


@pytest.mark.parametrize("width", [50, 60, 72, 80, 100])
def test_the_words_of_a_hazard_and_its_budget_are_shown_whole_however_long_they_are(width: int) -> None:
    for name, words in HAZARD_WORDS.items():
        plan = SomePlan(hazards_=(Hazard("sends", 12_431, 20_000), Hazard(name, 12_431, 0)))
        text = plan_text(plan, Page(width=width)).partition("Over budget.")[0]
        assert "\N{HORIZONTAL ELLIPSIS}" not in text
        assert "over the budget of 0" in text
        assert set(words.split()) <= set(text.split())


def test_what_a_list_gets_counts_once_whatever_the_list_was() -> None:
    pairs = (ValuePair(["a"], ["b"], 3), ValuePair([], ["b"], 1))
    added = replace(cohort(ChangeKind.ADD, "tags"), distinct=2, values=pairs)
    other = replace(added, values=(pairs[0], ValuePair([], ["c"], 1)))
    for same, plan in ((True, SomePlan(cohorts_=(added,))), (False, SomePlan(cohorts_=(other,)))):
        for text in (plan_text(plan, Page()), plan_markdown(plan, 59_000)):
            assert ("+1 more" in text) != same


def test_a_budget_that_is_not_set_says_so() -> None:
    text = lines(SomePlan(hazards_=(Hazard("removals", 7, None),)))
    assert "  7  attribute removals  no budget set" in text


LONG = replace(
    cohort(ChangeKind.SEND, "Invitation to the summer sale", None, {"first_name": "Ada" * 20}),
    samples=tuple(f"user:reader-{number:06}" for number in range(3)),
    users=2_600_000,
)


@pytest.mark.parametrize("width", [*range(72, 90), 120, 200])
def test_what_is_shown_of_an_id_is_whole_or_marked_as_cut(width: int) -> None:
    row = next(line for line in lines(SomePlan(cohorts_=(LONG,)), Page(width=width)) if "2,600,000" in line)
    shown = row.partition("2,600,000")[2].strip().split(", ")
    assert all(each == f"reader-{number:06}" for number, each in enumerate(shown)) or shown[0].endswith("…")


def test_there_are_up_to_three_samples_where_there_is_room() -> None:
    short = replace(LONG, field="tier", kind=ChangeKind.SET, values=(ValuePair("a", "b", 3),))
    assert "  reader-000000, reader-000001" in plan_text(SomePlan(cohorts_=(short,)), Page(width=80))
    assert "reader-000001, reader-000002" in plan_text(SomePlan(cohorts_=(short,)), Page(width=100))


@pytest.mark.parametrize(
    ("width", "samples"), [(24, "00004"), (40, "00004, device:D1"), (50, "00004, device:D1")]
)
def test_on_a_narrow_page_groups_have_a_line_for_each_thing(width: int, samples: str) -> None:
    found = lines(SomePlan(cohorts_=(cohort(ChangeKind.SET, "tier", "bronze", "gold"),)), Page(width=width))
    start = found.index("  4  set tier")
    assert "Changes, by number of" in "\n".join(found)
    assert found[start : start + 3] == [
        "  4  set tier",
        "     bronze → gold",
        f"     e.g. {samples}",
    ]


CROWDED = SomePlan(
    hazards_=(Hazard("sends", 3, 0), Hazard("removals", 70_000, None), Hazard("renames", 5, 1_000_000)),
    notes_=tuple(
        Note("missing", f"a/{n}", "do not exist, and may not be created", 12, ("u1", "u2")) for n in "bcd"
    ),
)


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("count", [0, 1, 7, 40, 400])
def test_on_a_low_terminal_the_first_line_is_still_there_and_all_that_counts(count: int, width: int) -> None:
    cohorts = tuple(cohort(ChangeKind.SET, f"attribute_{number}", 1, 2) for number in range(count))
    page = Page(width=width, height=24, is_terminal=True)
    text = lines(replace(CROWDED, cohorts_=cohorts), page)
    assert len(text) <= page.height - 2
    assert text[0].startswith("Plan for ")
    words = "\n".join(text)
    for each in (
        "3  sends",
        "0  created users",
        "70,000  attribute removals",
        "--ack sends=3",
        "Skipped",
        "Applying costs 5 bill",
    ):
        assert each in words
    shown = sum("attribute_" in line for line in text)
    assert shown == count or f"  and {count - shown} more groups; show PLAN --all lists them" in text
    assert shown >= min(count, 1)
    tall = lines(replace(CROWDED, cohorts_=cohorts), replace(page, height=70))
    assert "Cost" in tall


SECRETS = (
    cohort(ChangeKind.SET, "email", "old@example.com", "new@example.com"),
    cohort(ChangeKind.TOKEN, "iosPushToken", "old@example.com", "new@example.com"),
    cohort(ChangeKind.SEND, "Order delay", None, {"email": "new@example.com"}),
    # A rename: the new name isn't sensitive, the old one is.
    cohort(ChangeKind.RENAME, "contact", None, "old@example.com", asked_at="a.yaml:12"),
    cohort(ChangeKind.RENAMED_AWAY, "email", "old@example.com", None, asked_at="a.yaml:12"),
)


@pytest.mark.parametrize("secret", [*SECRETS[:3], SECRETS[4]], ids=lambda secret: secret.kind.value)
def test_sensitive_values_are_masked_by_field_in_text_and_document(secret: Cohort) -> None:
    plan = SomePlan(cohorts_=(secret,))
    assert "example.com" not in plan_text(plan, Page()) + plan_json(plan)
    assert "(sensitive" in plan_text(plan, Page(width=110))


def test_the_value_that_a_rename_takes_from_a_sensitive_name_is_masked_under_its_new_name() -> None:
    plan = SomePlan(cohorts_=SECRETS)
    assert "example.com" not in plan_text(plan, Page()) + plan_json(plan)


def test_the_text_is_plain_without_color_and_the_same_with_it() -> None:
    plan = SomePlan(
        cohorts_=(cohort(ChangeKind.SET, "tier\x1b[31m", "a\nb\u202e", "c"),),
        hazards_=(Hazard("sends", 1, 0),),
    )
    assert plan_text(plan, Page()).isprintable() is False  # line ends
    assert "\x1b" not in plan_text(plan, Page())
    assert r"tier\x1b[31m" in plan_text(plan, Page())
    assert "\x1b[" in plan_text(plan, Page(color=True))


def test_the_cost_stands_beside_what_other_ways_would_have_cost() -> None:
    text = lines(SomePlan())
    assert "                 5         2  to apply, about 4 s" in text
    assert "                14        14  with one call per action" in text
    assert "                 9            with actions batched by kind" in text


def test_one_lookup_is_said_as_one() -> None:
    one = replace(COST, one_by_one=1, by_action=1, separation=1)
    assert (
        other_ways(one) == "One call per action would cost 1 lookup; batching by kind of action would cost 1."
    )
    assert next(iter(cost_remarks(one))).startswith("1 of these lookups comes from")
    assert next(iter(cost_remarks(replace(one, separation=2)))).startswith("2 of these lookups come from")


def test_an_empty_plan_does_not_say_that_all_is_well_where_it_is_not() -> None:
    unmet = Note(
        "not_convertible", "UserAttributes/loyalty", "has a value in age that can't be converted", 1, ("u1",)
    )
    empty = replace(SomePlan().summary, actions=0, changed=0)
    assert "No changes: 5 of 6 listed users match the specs; 1 does not exist." in lines(
        SomePlan(summary=empty)
    )
    text = lines(SomePlan(summary=empty, notes_=(unmet,)))
    assert "No changes possible, although not all of the 6 listed users match the specs." in text


def test_what_is_left_alone_is_said_with_a_few_samples() -> None:
    note = Note(
        "missing",
        "UserAttributes/loyalty",
        "do not exist, and may not be created",
        2,
        ("user:u1", "user:u2"),
    )
    assert "  2 users do not exist, and may not be created (e.g. u1, u2)" in lines(SomePlan(notes_=(note,)))


@given(
    st.lists(
        st.builds(
            cohort,
            st.sampled_from(ChangeKind),
            st.text(max_size=60),
            st.text(max_size=80),
            st.text(max_size=80) | st.lists(st.text(max_size=30), max_size=4),
        ),
        max_size=12,
    ),
    st.integers(24, 110),
)
def test_no_row_of_a_plan_is_wider_than_the_page_whatever_its_values(
    cohorts: list[Cohort], width: int
) -> None:
    text = lines(SomePlan(cohorts_=tuple(cohorts)), Page(width=width))
    assert all(cell_len(line) <= width for line in text)


def test_the_document_names_its_format_and_holds_all_groups() -> None:
    cohorts = tuple(cohort(ChangeKind.SET, f"a{number}", 1, 2) for number in range(100))
    document = json.loads(plan_json(SomePlan(cohorts_=cohorts, hazards_=(Hazard("sends", 3, 0),))))
    assert [document["format"], document["version"]] == ["leanplum-sync/plan-summary", 1]
    assert len(document["cohorts"]) == 100
    assert document["hazards"] == [{"name": "sends", "count": 3, "allowed": 0, "isOver": True}]
    assert document["target"]["isEmulator"] is True
    assert document["users"] == {
        "listed": 6,
        "changed": 4,
        "missing": 1,
        "created": 0,
        "assumed": 0,
        "assumedSince": None,
        "unseen": 0,
    }
