"""Files in Leanplum's own CSV import format need no mapping."""

from __future__ import annotations

from typing import Any

import pytest

from leanplum_sync.address import Subject
from leanplum_sync.kinds.rows.desires import AlterList, SetAttribute, SetProfileField


def user_spec(folder: Any, content: str, more: str = "") -> None:
    folder.write("specs/i.csv", content)
    folder.spec("UserAttributes", f"users: {{file: i.csv}}\n{more}")


def test_headers_are_the_mapping(folder: Any) -> None:
    user_spec(
        folder,
        "userId,userAttributes.Gender,userAttributes.Likes,created,country,userAttributeValuesToAdd.Tags,"
        'userAttributeValuesToRemove.Tags\n00123,f,"[a, 2]",86400,DE,"[x, y]",z\nu2,,,,,,\n',
    )
    first, second = folder.wants()
    assert first.subject == Subject.user("00123")
    at = first.desires[0].asked_at
    assert str(at) == "specs/it.yaml:5:11"
    assert first.desires == (
        SetAttribute("Gender", "f", at),
        SetAttribute("Likes", ["a", 2], at),
        SetProfileField("created", 86400.0, at),
        SetProfileField("country", "DE", at),
        AlterList("Tags", ("x", "y"), ("z",), at),
    )
    assert second.desires == ()


def test_what_the_spec_says_itself_goes_before(folder: Any) -> None:
    user_spec(
        folder,
        "userId,userAttributes.Age,userAttributes.Tier,country,extra\nu1,30,A,DE,e\n",
        "attributes:\n  Age: {column: userAttributes.Age, type: integer}\n  tier: {column: userAttributes.Tier}\n"
        "  more: {column: extra}\nprofile: {country: FR}",
    )
    (want,) = folder.wants()
    assert [(desire.name, desire.value) for desire in want.desires] == [
        ("Age", 30),
        ("tier", "A"),
        ("more", "e"),
        ("country", "FR"),
    ]


def test_an_attribute_that_the_spec_manages_is_not_taken_from_the_file_too(folder: Any) -> None:
    user_spec(folder, "userId,userAttributes.Age\nu1,30\n", "attributes: {Age: 5}")
    (want,) = folder.wants()
    assert [(desire.name, desire.value) for desire in want.desires] == [("Age", 5)]


@pytest.mark.parametrize(
    ("column", "message", "hint"),
    [
        ("newUserId", "a spec of this kind can't use column newUserId of this file", "leanplum-sync doesn't rename users: import this column with Leanplum's own upload."),
        ("events.Purchase.count", "a spec of this kind can't use column events.Purchase.count of this file", "Write one row per event in a spec of kind Events, with `totals: all`."),
        ("unsubscribeChannelsToAdd", "a spec of this kind can't use column unsubscribeChannelsToAdd of this file", "Write a spec of kind Subscriptions for it."),
        ("createDisposition", "a spec of this kind can't use column createDisposition of this file", "Set `createUsers` in the spec instead, for all rows."),
        ("contry", "a spec of this kind can't use column contry of this file", "Did you mean country?"),
        ("zzz", "a spec of this kind can't use column zzz of this file", "Remove it, or name the columns to use in the spec, with `id` for the ids."),
        ("userAttributes.12", "column userAttributes.12 names an invalid attribute: its name is a number", ""),
        ("userAttributeValuesToIncrement.n", "column userAttributeValuesToIncrement.n increments, but has no `once` name", "Write attributes: {n: {increment: {column: userAttributeValuesToIncrement.n}, once: some-name}}."),
    ],
)  # fmt: skip
def test_columns_that_would_be_lost_are_problems(folder: Any, column: str, message: str, hint: str) -> None:
    user_spec(folder, f"userId,country,{column}\nu1,DE,x\n")
    (problem,) = folder.load().problems
    assert (str(problem.place), problem.message, problem.hint) == ("specs/it.yaml:5:11", message, hint)


def test_an_increment_column_works_once_it_has_a_name(folder: Any) -> None:
    column = "userAttributeValuesToIncrement.n"
    user_spec(
        folder,
        f"userId,{column}\nu1,2\n",
        f"attributes: {{n: {{increment: {{column: {column}}}, once: may}}}}",
    )
    (want,) = folder.wants()
    assert (want.desires[0].amount, want.desires[0].once) == (2, "may")


def test_a_file_without_user_ids_needs_to_name_them(folder: Any) -> None:
    user_spec(folder, "customer,country\nu1,DE\n")
    assert [problem.message for problem in folder.load().problems] == ["the id column is not specified"]


def test_device_files_are_understood_too(folder: Any) -> None:
    token = "ab" * 32
    folder.write(
        "specs/i.csv",
        f"deviceId,userId,iosPushToken,systemName,appVersion\nd1,u1,{token},iOS,1.0\nd2,,,,2.0\n",
    )
    folder.spec("PushTokens", "devices: {file: i.csv}\nattributes: {appVersion: '9'}")
    first, second = folder.wants()
    assert (first.subject, second.subject) == (Subject.user("u1"), Subject.device("d2"))
    assert [(desire.name, desire.value) for desire in first.desires] == [
        ("appVersion", "9"),
        ("iosPushToken", token),
        ("systemName", "iOS"),
    ]
    assert [desire.name for desire in second.desires] == ["appVersion"]


def test_a_column_that_no_device_has_is_a_problem(folder: Any) -> None:
    folder.write("specs/i.csv", "deviceId,gcmRegistrationID\nd1,x\n")
    folder.spec("PushTokens", "devices: {file: i.csv}")
    (problem,) = folder.load().problems
    assert problem.hint == "Did you mean gcmRegistrationId?"


def test_recipients_need_only_their_user_id(folder: Any) -> None:
    folder.write("specs/i.csv", "userId,userAttributes.Name\nu1,Ann\n")
    folder.spec("MessageSend", "message: {id: 5}\nrecipients: {file: i.csv}\ndelivery: d")
    (want,) = folder.wants()
    assert want.subject == Subject.user("u1")


def test_a_file_of_another_format_names_its_ids(folder: Any) -> None:
    folder.write("specs/i.ndjson", '{"userId": "u1"}\n')
    folder.spec("UserAttributes", "users: {file: i.ndjson}\nattributes: {a: 1}")
    assert [problem.message for problem in folder.load().problems] == ["the id column is not specified"]
