"""The specs and rows of Subscriptions: nobody is re-subscribed without a dated consent in the row."""

from __future__ import annotations

from typing import Any

import pytest

CSV = "users: {file: c.csv, id: u}\n"


def row(folder: Any, spec: str, *cells: str, header: str = "u,e,at") -> Any:
    """Return what the only row asks for, as (field, state, consent), or the messages of its problems."""
    folder.write("specs/c.csv", f"{header}\n{','.join(cells)}\n")
    folder.spec("Subscriptions", CSV + spec)
    (found,) = folder.wants()
    if isinstance(found, tuple | list):
        return [problem.message for problem in found]
    return [(each.name, each.state, each.consented_at) for each in found.desires]


EMAIL = "channels: {Email: {column: e}}\n"
CONSENT = "consent: {column: at}"


def test_a_row_says_the_state_of_each_channel_and_category(folder: Any) -> None:
    spec = (
        "channels: {Email: {column: e}, Push Notification: {column: p}, Webhook: unsubscribed}\n"
        'categories: {5: {column: n, map: {"no": unsubscribed}, otherwise: unchanged}, "7": {column: n, map: {"no": unchanged}}}'
    )
    assert row(folder, spec, "u1", "unsubscribed", "", "no", header="u,e,p,n") == [
        ("Email", "unsubscribed", None),
        ("Webhook", "unsubscribed", None),
        ("category 5", "unsubscribed", None),
    ]


@pytest.mark.parametrize(
    ("cell", "seconds"),
    [
        ("2026-03-01", 1772323200.0),
        ("2026-03-01T12:00:00+02:00", 1772359200.0),
        ("2026-03-01T10:00:00Z", 1772359200.0),
        ("2026-03-01 10:00:00", 1772359200.0),
    ],
)
def test_a_consent_is_a_date_or_a_moment(folder: Any, cell: str, seconds: float) -> None:
    assert row(folder, EMAIL + CONSENT, "u1", "subscribed", cell) == [("Email", "subscribed", seconds)]


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("", "the row re-subscribes its user, but has no consent in column at"),
        ("yes", "the consent in column at is not an ISO 8601 date"),
        ("1", "the consent in column at is not an ISO 8601 date"),
        ("1772323200", "the consent in column at is not an ISO 8601 date"),
        ("2999-01-01", "the consent in column at is in the future"),
        ("1970-01-01", "the consent in column at is from before 2000"),
        ("1900-01-01", "the consent in column at is from before 2000"),
    ],
)
def test_a_consent_without_a_credible_date_is_a_problem(folder: Any, cell: str, message: str) -> None:
    (found,) = row(folder, EMAIL + CONSENT, "u1", "subscribed", cell)
    assert found.startswith(message)
    assert not cell or cell == "1" or cell not in found


@pytest.mark.parametrize("cell", [1, True, 1772323200, [], {}])
def test_no_value_of_another_type_is_a_consent(folder: Any, cell: Any) -> None:
    folder.spec(
        "Subscriptions",
        f"users: {{inline: [{{id: u1, e: subscribed, at: {cell}}}]}}\n{EMAIL}{CONSENT}",
    )
    (problems,) = folder.wants()
    assert [
        problem.message.startswith("the consent in column at is not an ISO 8601 date") for problem in problems
    ] == [True]


def test_a_row_that_does_not_re_subscribe_needs_no_consent(folder: Any) -> None:
    assert row(folder, EMAIL + CONSENT, "u1", "unsubscribed", "no date") == [("Email", "unsubscribed", None)]
    assert row(folder, EMAIL + CONSENT, "u1", "unchanged", "") == []
    assert row(folder, EMAIL + CONSENT, "u1", "", "") == []


def test_without_consent_in_the_spec_a_row_can_only_unsubscribe(folder: Any) -> None:
    (message,) = row(folder, EMAIL, "u1", "subscribed", "2026-03-01")
    assert message == "the row re-subscribes its user, but the spec has no `consent`"


def test_a_cell_that_is_no_state_is_a_problem_that_does_not_show_it(folder: Any) -> None:
    (message,) = row(folder, EMAIL, "u1", "secret", "")
    assert message == "the value in column e is not unsubscribed, subscribed, or unchanged"


def test_one_run_reports_all_mistakes_of_a_spec_with_their_places(folder: Any) -> None:
    folder.write("specs/c.csv", "u,e\nu1,unsubscribed\n")
    folder.spec(
        "Subscriptions",
        """
        users: {file: c.csv, id: u}
        channels:
          email: unsubscribed
          App Inbox: unsubscribed
          SMS: unsubscribed
          Email: {column: e, map: {}}
          Push Notification: off
          Webhook: {column: e, type: boolean}
          Newsfeed Message: {colum: e}
        categories:
          news: unsubscribed
          5: {column: e, map: {"no": stop}}
          7: unchanged
        colour: red
        """,
    )
    complaints = folder.complaints()
    for line, words in [
        (7, "Did you mean Email?"),
        (8, "Did you mean Newsfeed Message?"),
        (9, "The channels are Email, Push Notification, Webhook, Newsfeed Message."),
        (10, "map"),
        (11, "this is not a valid state"),
        (12, "a state has no type"),
        (13, "Did you mean `column`?"),
        (15, "the id of a category is a whole number"),
        (16, "this is not a valid value: expected unsubscribed, subscribed, or unchanged"),
        (17, "unchanged for all users changes nothing"),
        (18, "colour"),
    ]:
        assert [each for each in complaints if each.startswith(f"specs/it.yaml:{line}:") and words in each], (
            line,
            complaints,
        )


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("users: {inline: [u1]}", "this spec changes nothing"),
        (
            "users: {inline: [{id: u1, at: x}]}\nchannels: {Email: unsubscribed}\nconsent: {column: at}",
            "needs no consent",
        ),
        ("users: {inline: [u1]}\nchannels: {Email: subscribed}", "the spec has no `consent`"),
        (
            'users: {inline: [u1]}\nchannels: {Email: {column: e, map: {"n": unsubscribed}, otherwise: subscribed}}',
            "the spec has no `consent`",
        ),
    ],
)
def test_a_spec_that_can_not_mean_what_it_says_is_a_problem(folder: Any, spec: str, words: str) -> None:
    folder.spec("Subscriptions", spec)
    (complaint,) = folder.complaints()
    assert words in complaint


def test_a_faulty_line_with_the_consent_is_one_problem(folder: Any) -> None:
    folder.spec(
        "Subscriptions",
        "users: {inline: [{id: u1, e: subscribed}]}\nchannels: {Email: {column: e}, Webhook: subscribed}\nconsent: {colum: at}",
    )
    complaints = folder.complaints()
    assert complaints
    assert all(complaint.startswith("specs/it.yaml:7:") for complaint in complaints)


def test_one_bad_consent_for_several_channels_is_one_problem_at_the_line_of_the_consent(folder: Any) -> None:
    folder.spec(
        "Subscriptions",
        "users: {inline: [{id: u1, e: subscribed, p: subscribed, n: what, at: soon}]}\n"
        "channels: {Email: {column: e}, Push Notification: {column: p}, Webhook: {column: n}}\n"
        "consent: {column: at}",
    )
    ((state, consent),) = [sorted(problems, key=lambda each: -len(each.hint)) for problems in folder.wants()]
    assert {str(state.also), str(consent.also)} == {"specs/it.yaml:6:66", "specs/it.yaml:7:3"}
