"""What a spec of past events asks for, and what is wrong with it."""

from __future__ import annotations

import datetime as dt
import time
from typing import Any

import pytest

from leanplum_sync.address import Subject
from leanplum_sync.kinds.rows.desires import TrackEvent

SPEC = """
users: {{file: orders.csv, id: user}}
event: Purchase
key: order
time: {{column: at}}
{more}
delivery: orders
"""


def days_ago(days: float) -> str:
    return dt.datetime.fromtimestamp(time.time() - days * 24 * 3600, dt.UTC).isoformat(timespec="seconds")


def seconds(text: str) -> float:
    return dt.datetime.fromisoformat(text).timestamp()


def written(folder: Any, rows: str, more: str = "") -> None:
    folder.write("specs/orders.csv", rows)
    folder.spec("Events", SPEC.format(more=more))


def test_each_row_is_an_event_with_its_value_and_parameters(folder: Any) -> None:
    at = days_ago(3)
    written(
        folder,
        f"user,order,at,total,sku\nu1,1001,{at},12.5,A1\nu1,1002,{at},,\n",
        "value: {column: total, type: number}\ncurrency: EUR\nparameters: {sku: {column: sku}, channel: web}",
    )
    first, second = folder.wants()
    (event,) = first.desires
    assert first.subject == Subject.user("u1")
    assert isinstance(event, TrackEvent)
    assert (event.name, event.key, event.time, event.value) == ("Purchase", "1001", seconds(at), 12.5)
    assert (event.currency, event.parameters) == ("EUR", {"sku": "A1", "channel": "web"})
    assert not event.as_total
    (event,) = second.desires
    assert (event.key, event.value, event.parameters) == ("1002", None, {"channel": "web"})


def test_name_value_and_currency_may_come_from_columns(folder: Any) -> None:
    folder.write("specs/orders.csv", f"user,order,at,what,money,value\nu1,1,{days_ago(3)},b,USD,3\n")
    folder.spec(
        "Events",
        """
        users: {file: orders.csv, id: user}
        event: {column: what, map: {b: Bought}}
        key: order
        time: {column: at}
        value: {column: value, type: number}
        currency: {column: money}
        delivery: orders
        """,
    )
    ((event,),) = (want.desires for want in folder.wants())
    assert (event.name, event.value, event.currency) == ("Bought", 3, "USD")


def test_keys_name_the_event_in_the_journal_without_showing_themselves(folder: Any) -> None:
    written(folder, f"user,order,at\nu1,ann@example.com,{days_ago(3)}\nu1,2,{days_ago(3)}\n")
    one, two = (want.desires[0].delivery for want in folder.wants())
    assert one != two
    assert one.startswith("orders#")
    assert "ann" not in one


def test_a_whole_number_is_a_key_and_the_same_one_as_its_text(folder: Any) -> None:
    folder.write(
        "specs/orders.ndjson",
        "".join(
            f'{{"user": "u1", "order": {key}, "at": "{days_ago(3)}"}}\n'
            for key in ("12345678901234567890", '"1001"', "1001", "1.5", "true")
        ),
    )
    folder.spec("Events", SPEC.format(more="").replace("orders.csv", "orders.ndjson"))
    big, text, number, *bad = folder.wants()
    assert big.desires[0].key == "12345678901234567890"
    assert text.desires[0].delivery == number.desires[0].delivery
    assert [[problem.message for problem in problems] for problems in bad] == [
        ["the key in column order is not text or a whole number"]
    ] * 2


@pytest.mark.parametrize(
    ("totals", "days", "as_total"), [("old", 359.9, False), ("old", 360.1, True), ("all", 3, True)]
)
def test_old_events_or_all_are_added_to_totals(folder: Any, totals: str, days: float, as_total: bool) -> None:
    written(folder, f"user,order,at\nu1,1,{days_ago(days)}\n", f"totals: {totals}")
    ((event,),) = (want.desires for want in folder.wants())
    assert event.as_total is as_total


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("u1,,{now},1", "the key in column order is missing"),
        ("u1, 7,{now},1", "the key in column order has spaces before or after it, or a NUL character"),
        ("u1,7,,1", "the time in column at is missing"),
        (
            "u1,7,yesterday,1",
            "the value in column at is not an ISO 8601 date such as 2026-11-30",
        ),
        ("u1,7,{tomorrow},1", "the time in column at is in the future"),
        ("u1,7,{old},1", "the time in column at is more than 360 days ago"),
        ("u1,7,1999-12-31,1", "the time in column at is from before 2000, so it probably stands for no time"),
        ("u1,7,0001-01-01,1", "the time in column at is from before 2000, so it probably stands for no time"),
        ("u1,7,0,1", "the time in column at is from before 2000, so it probably stands for no time"),
        ("u1,7,{now},much", "the value in column total is not a number"),
        (",7,{now},1", "the id in column user is missing"),
    ],
)
def test_a_bad_row_is_a_problem_with_its_place(folder: Any, row: str, message: str) -> None:
    row = row.format(now=days_ago(1), tomorrow=days_ago(-1), old=days_ago(361))
    written(folder, f"user,order,at,total\n{row}\n", "value: {column: total, type: number}")
    ((problem,),) = folder.wants()
    assert problem.message.startswith(message)
    assert problem.place.row == 1


@pytest.mark.parametrize("totals", ["old", "all"])
@pytest.mark.parametrize("at", ["0001-01-01", "1900-01-01", "1970-01-01", "0"])
def test_a_time_that_stands_for_no_time_is_not_added_to_totals(folder: Any, totals: str, at: str) -> None:
    written(folder, f"user,order,at\nu1,1,{at}\n", f"totals: {totals}")
    ((problem,),) = folder.wants()
    assert "from before 2000" in problem.message
    assert "leave the cell empty" not in problem.hint


def test_no_problem_advises_what_would_be_another_problem(folder: Any) -> None:
    folder.write(
        "specs/orders.csv",
        f"user,order,at,what,total\nu1,1,never,Buy,1\nu1,2,{days_ago(3)},{'x' * 200},1\nu1,3,{days_ago(3)},Buy,9007199254740993\n",
    )
    folder.spec(
        "Events",
        SPEC.format(more="value: {column: total, type: number}").replace("Purchase", "{column: what}"),
    )
    hints = [problem.hint for problems in folder.wants() for problem in problems]
    assert len(hints) == 3
    assert not any("leave the cell empty" in hint for hint in hints[:2])
    assert not any("type: text" in hint for hint in hints)
    assert "leave the cell empty" in hints[2]


MISTAKES = {
    "time": ("time: 2026-11-01", "time"),
    "key": ("key: [order]", "key"),
    "event": ('event: "12"', "it is a number"),
    "value": ("value: x", "expected a number"),
    "currency": ("currency: euro", "three capital letters"),
}


@pytest.mark.parametrize("left_out", ["time", "key"])
@pytest.mark.parametrize("is_missing", [True, False])
def test_a_missing_or_wrong_time_or_key_hides_no_other_problem(
    folder: Any, left_out: str, *, is_missing: bool
) -> None:
    right = {
        "users": "users: {file: orders.csv, id: user}",
        "event": "event: Purchase",
        "key": "key: order",
        "time": "time: {column: at}",
        "value": "value: 3",
        "currency": "currency: EUR",
        "delivery": "delivery: orders",
    }
    folder.write(
        "specs/orders.csv", "".join(["user,order,at\n", *(f"u1,{n},{days_ago(3)}\n" for n in range(3))])
    )
    wrong = {each: MISTAKES[each] for each in (left_out, "event", "value", "currency")}
    lines = right | {each: line for each, (line, _) in wrong.items()}
    if is_missing:
        del lines[left_out]
    folder.spec("Events", "\n".join(lines.values()))
    told = folder.complaints()
    assert len(told) == len(wrong), told
    assert all(any(words in each for each in told) for _, words in wrong.values())


def test_ten_mistakes_of_a_spec_are_told_in_one_run(folder: Any) -> None:
    folder.write("specs/orders.csv", f"user,order,at\nu1,1,{days_ago(3)}\n")
    folder.spec(
        "Events",
        """
        users: {file: orders.csv, id: users}
        event: "a,b"
        key: orders
        time: {column: when}
        value: much
        currency: Euro
        parameters: {"x|y": 1, sku: {column: sku}, list: [1], long: {colum: a}}
        totals: some
        delivery: has blanks
        evnt: Purchase
        """,
    )
    told = folder.complaints()
    for line, found in (
        (5, "orders.csv has no column users"),
        (6, "expected a valid name of an event: it contains a comma"),
        (7, "orders.csv has no column orders"),
        (8, "orders.csv has no column when"),
        (9, "expected a number"),
        (10, "expected a currency as three capital letters"),
        (11, "this is not a valid name of a parameter: it contains a vertical bar"),
        (11, "orders.csv has no column sku"),
        (11, "this is not a single value"),
        (11, "Did you mean `column`?"),
        (12, '`totals` is "some", but must be none, old, or all'),
        (13, "`delivery`"),
        (14, "evnt"),
    ):
        assert any(each.startswith(f"specs/it.yaml:{line}:") and found in each for each in told), (
            found,
            told,
        )
    assert len(told) == 13


def test_missing_columns_are_told_once_and_not_for_each_row(folder: Any) -> None:
    rows = "".join(f"u{number},{number},{days_ago(3)}\n" for number in range(20))
    folder.write("specs/orders.csv", "user,order,at\n" + rows)
    folder.spec("Events", SPEC.format(more="").replace("order\n", "nr\n").replace("at}", "when}"))
    assert len(folder.complaints()) == 2
    assert all("has no column" in each for each in folder.complaints())


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("currency: EUR", "there is a currency, but no `value`"),
        ("value: 3\ncurrency: EUR\ntotals: old", "totals have no currency"),
        ("totals: all\nparameters: {a: 1}", "totals have no parameters"),
        ("parameters: {" + ", ".join(f"p{n}: 1" for n in range(51)) + "}", "there are 51 parameters"),
    ],
)
def test_what_contradicts_itself_is_a_problem(folder: Any, more: str, message: str) -> None:
    written(folder, f"user,order,at\nu1,1,{days_ago(3)}\n", more)
    (told,) = folder.complaints()
    assert message in told


def test_two_specs_with_one_delivery_are_a_problem(folder: Any) -> None:
    written(folder, f"user,order,at\nu1,1,{days_ago(3)}\n")
    folder.spec("Events", SPEC.format(more=""), name="again")
    assert any("the delivery orders is also used by" in each for each in folder.complaints())
