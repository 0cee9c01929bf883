from __future__ import annotations

from typing import Any

from leanplum_sync.address import Subject
from leanplum_sync.kinds.rows.desires import Send


def test_each_recipient_gets_the_message_with_its_values(folder: Any) -> None:
    folder.write("specs/late.csv", "user_id,first_name,days\nu1,Ann,3\nu2,,4\n")
    folder.spec(
        "MessageSend",
        """
        message: {name: "Order delay"}
        recipients: {file: late.csv, id: user_id}
        values: {first_name: {column: first_name}, days: {column: days, type: integer}, shop: Ours}
        delivery: 2026-11-order-delay
        """,
    )
    resource = folder.resource()
    assert resource.message is not None
    assert (resource.message.name, resource.message.id) == ("Order delay", None)
    place = resource.message.place
    assert str(place) == "specs/it.yaml:5:3"
    first, second = folder.wants()
    assert first.subject == Subject.user("u1")
    assert first.desires == (
        Send(
            "2026-11-order-delay",
            {"first_name": "Ann", "days": 3, "shop": "Ours"},
            force=False,
            asked_at=place,
        ),
    )
    assert second.desires[0].values == {"days": 4, "shop": "Ours"}
    assert not first.create


def test_a_message_may_be_named_by_its_id_as_number_or_text(folder: Any) -> None:
    for written in ("5670583287676928", "'5670583287676928'"):
        folder.spec(
            "MessageSend",
            f"message: {{id: {written}}}\nrecipients: {{inline: [u1]}}\ndelivery: d\nforce: true",
        )
        assert folder.resource().message.id == 5670583287676928
        assert folder.wants()[0].desires[0].force


def test_a_list_is_no_value_of_a_message(folder: Any) -> None:
    folder.spec(
        "MessageSend",
        "message: {id: 5}\nrecipients: {inline: [{id: ' u', v: [secret], w: {x: 1}}]}\ndelivery: d\n"
        "values: {v: {column: v}, w: {column: w}}",
    )
    (problems,) = folder.wants()
    assert [problem.message for problem in problems] == [
        "the id in column id has spaces before or after it",
        "the value in column v is not a single value",
        "the value in column w is not text, a number, true or false, or a list of such values",
    ]
    assert "secret" not in str(problems)


def test_columns_are_checked(folder: Any) -> None:
    folder.write("specs/late.csv", "user_id\nu1\n")
    folder.spec(
        "MessageSend",
        "message: {id: 5}\nrecipients: {file: late.csv, id: userid}\ndelivery: d\nvalues: {v: {column: vv}}",
    )
    assert [problem.message for problem in folder.load().problems] == [
        "specs/late.csv has no column userid",
        "specs/late.csv has no column vv",
    ]
