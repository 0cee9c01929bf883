"""What a person reads when a line of a spec is wrong: where, what, and what to write instead."""

from __future__ import annotations

from typing import Any

import pytest

ATTRIBUTES = "users: {inline: [{id: u1, n: x}]}\nattributes:\n  "


@pytest.mark.claim("names-checked")
@pytest.mark.parametrize(
    ("line", "column", "message"),
    [
        ("a: {column: n, type: int}", 22, '`type` is "int", but must be text, integer, number, boolean, date, or list. Did you mean integer?'),
        ("a: {colum: n}", 4, "a mapping can't be a value, and none of its keys belongs to a form. Did you mean `column`?"),
        ("a: {b: {c: 1}}", 4, "a mapping can't be a value, and none of its keys belongs to a form. Write a value, or a form such as {column: name}."),
        ("a: {column: nn}", 1, "the inline list has no column nn. Did you mean n?"),
        ("a: {column: n, from: b}", 16, "`from` doesn't go with `column`. `column` can be combined with type, map, otherwise, when."),
        ("a: {state: absent, from: b}", 5, "`state` doesn't go with `from`. `from` can be combined with type."),
        ("a: {state: gone}", 12, '`state` is "gone", but must be absent. Write absent.'),
        ("a: {value: 1}", 1, "`when` is missing. Write it, such as `when: absent`."),
        ("a: {when: absent}", 1, "`value` is missing. Write it, such as `value: web`."),
        ("a: {column: n, map: {x: }}", 22, "the value is missing. Give a value, or leave the line out."),
        ("a: {column: n, map: {}}", 21, "`map` is empty. Remove the line, or give it a value."),
        ("a: {column: n, otherwise: 1}", 4, "`otherwise` is for values that are not in `map`, but there is no `map`."),
        ("a: {column: n, type: integer, map: {x: y}}", 37, "this is not a valid value: expected a whole number."),
        ("a:", 1, "the value is missing. Give a value; to remove the attribute, write {state: absent}."),
        ('a: ""', 4, "an empty string can't be a value. To remove the attribute, write {state: absent}."),
        ("a: []", 4, "an empty list can't be a value. To remove the attribute, write {state: absent}."),
        ("a: [[1]]", 4, "this is not a value: expected a flat list (no lists or mappings inside)."),
        ("a: 01234", 4, "this number looks like a code, and its exact spelling would be lost. If it is a code, put it in quotes. Otherwise write it in plain digits."),
        ("a: [x, 12e4]", 8, "this number looks like a code, and its exact spelling would be lost. If it is a code, put it in quotes. Otherwise write it in plain digits."),
        ("a: .inf", 4, "this is not a value: expected a finite number."),
        ("a: 9007199254740993", 4, "this is not a value: expected a number that the API stores exactly: a whole number up to 2^53, or a decimal with about 15 digits."),
        ("a: {add: x}", 10, "this is not a list. Write it in brackets, such as [running], or take it from a {column: name}."),
        ("a: {add: []}", 10, "an empty list changes nothing. Give it values, or leave the line out."),
        ("a: {add: [x], remove: [x]}", 4, "`add` and `remove` name the same value. Keep it in only one of them."),
        ("a: {increment: 1}", 1, "`once` is missing. Write it, such as `once: launch-2026`."),
        ("a: {increment: 1.5, once: x}", 16, "an increment must be a whole number. Write one, such as 1, or take it from a {column: name}."),
        ("a: {increment: 0, once: x}", 16, "an increment by 0 changes nothing. Write another whole number, or leave the line out."),
        ("a: {increment: 1, once: a b}", 25, "`once` contains invalid characters. Write letters, digits, dots, hyphens, and underscores, such as 2026-11-order-delay."),
        ("a: {from: a}", 1, "a is taken from itself, which changes nothing. Give the `type` to convert it to."),
        ('"12": x', 1, "this is not a valid attribute name: it is a number. Leanplum would refuse it."),
        (".a: x", 1, "this is not a valid attribute name: it starts with .. Leanplum would refuse it."),
        ("a/: x", 1, "this is not a valid attribute name: it ends with /. Leanplum would refuse it."),
        ("a,b: x", 1, "this is not a valid attribute name: it contains a comma. Leanplum would refuse it."),
        (f"{'a' * 140}: x", 1, "this is not a valid attribute name: it has more than 139 characters. Leanplum would refuse it."),
    ],
)  # fmt: skip
def test_an_attribute_that_is_wrong_is_said_so_once(
    folder: Any, line: str, column: int, message: str
) -> None:
    folder.spec("UserAttributes", ATTRIBUTES + line)
    assert folder.complaints() == [f"specs/it.yaml:7:{column + 4}: UserAttributes/it: {message}"]


@pytest.mark.parametrize(
    "line",
    [
        "a: yes",
        "a: 9007199254740992",
        "a: [1, x, true]",
        f"{'a' * 139}: x",
        "a b: x",
        "a: {from: '.old'}",
        '".old": {state: absent}',
        "a: {column: n, type: integer, map: {x: '5'}}",
        "a: {column: n, map: {x: [1, 2]}, when: absent}",
        "a: {add: {column: n}}",
        "a: {increment: -3, once: x}",
        "a: 2026-11-30",
    ],
)
def test_these_attributes_are_fine(folder: Any, line: str) -> None:
    folder.spec("UserAttributes", ATTRIBUTES + line)
    assert folder.complaints() == []


@pytest.mark.parametrize(
    ("spec", "place", "message"),
    [
        ("attributes: {a: 1}", "4:1", "`users` is missing. The users, one per row."),
        ("users: {}\nattributes: {a: 1}", "5:3", "the source of the rows is missing. Write `file: path`, `connection:` with `query:` or `path:`, `audience:`, or `inline:` with a list."),
        ("users: {inline: [u], file: x.csv}\nattributes: {a: 1}", "5:11", "rows come from a file or an inline list, not both. Remove one."),
        ("users: {inline: [u], format: csv}\nattributes: {a: 1}", "5:24", "`format` is for files, but this is an inline list. Remove it."),
        ("users: {file: x.csv, format: delta, id: i}\nattributes: {a: 1}", "5:24", "a table of format delta can't be a file beside a spec. Name a `connection` of the project file, and the table's folder with `path`."),
        ("users: {inline: []}\nattributes: {a: 1}", "5:19", "`inline` is empty. Remove the line, or give it a value."),
        ("users: {inline: [00123]}\nattributes: {a: 1}", "5:20", 'this id is not text. Put it in quotes, such as "00123".'),
        ("users: {inline: [u]}", "4:1", "this spec changes nothing. List the values to set under `attributes`."),
        ("users: [u]\nattributes: {a: 1}", "5:10", "`users` is a list, but must be a mapping. Write keys below it, indented."),
        ("users: {inline: [u]}\nattributes: [a]", "6:15", "`attributes` is a list, but must be a mapping. Write keys below it, indented."),
        ("users: {inline: [u]}\nattributes: {a: 1}\ncreateUsers: no", "7:16", '`createUsers` is "no", but must be true or false. Write false, without quotes.'),
        ("users: {inline: [u]}\natributes: {a: 1}\ncreateUsers: true", "6:3", "unknown key `atributes`. Did you mean attributes?"),
        ("users: {inline: [u]}\nprofile: {county: DE}", "6:13", "the profile has no such field. Did you mean country?"),
        ("users: {inline: [u]}\nprofile: {country: germany}", "6:13", "invalid value for country: expected a country as two capital letters, such as DE."),
        ("users: {inline: [u]}\nprofile: {city: (detect)}", "6:13", "invalid value for city: expected a place; (detect) would use this machine's location."),
        ("users: {inline: [u]}\nprofile: {totalSessions: 1.5}", "6:13", "invalid value for totalSessions: expected a whole number."),
        ("users: {inline: [{id: u, c: x}]}\nprofile: {city: {column: c, type: list}}", "6:31", "a list is not allowed here. Only attributes hold lists."),
    ],
)  # fmt: skip
def test_a_wrong_user_spec_is_said_so_once(folder: Any, spec: str, place: str, message: str) -> None:
    folder.spec("UserAttributes", spec)
    assert folder.complaints() == [f"specs/it.yaml:{place}: UserAttributes/it: {message}"]


@pytest.mark.parametrize(
    ("spec", "place", "message"),
    [
        ("devices: {inline: [d]}", "4:1", "`token` is missing. Specify the token's column: token: {ios: {column: apns_token}}."),
        ("devices: {inline: [d]}\ntoken: {}", "6:3", "no platform is specified. Write ios, android, or web, with the token's column."),
        ("devices: {inline: [d]}\ntoken: {ios: zz}", "6:11", "invalid value for iosPushToken: expected an APNs token: an even number of hexadecimal digits, 64 or more."),
        ("devices: {inline: [d]}\ntoken: {andriod: {column: t}, ios: {column: id}}", "6:11", "unknown key `andriod`. Did you mean android?"),
        ("devices: {inline: [d], users: x}\ntoken: {ios: {column: id}}", "5:26", "unknown key `users`. Did you mean user?"),
        ("devices: {inline: [d]}\ntoken: {ios: {column: id}}\nattributes: {systemVersion: 17.0}", "7:16", "invalid value for systemVersion: expected text; write a version such as 17.0 in quotes."),
        ("devices: {inline: [d]}\ntoken: {ios: {column: id}}\nattributes: {iosPushToken: x}", "7:16", "push tokens don't belong under `attributes`. Write it under `token`, as ios, android, or web."),
        ("devices: {inline: [d]}\ntoken: {ios: {column: id}}\nattributes: {color: x}", "7:16", "a device has no such field. Its fields are appVersion, browserName, browserVersion, deviceModel, deviceName, systemName, systemVersion."),
    ],
)  # fmt: skip
def test_a_wrong_device_spec_is_said_so_once(folder: Any, spec: str, place: str, message: str) -> None:
    folder.spec("PushTokens", spec)
    assert folder.complaints() == [f"specs/it.yaml:{place}: PushTokens/it: {message}"]


@pytest.mark.parametrize(
    ("spec", "place", "message"),
    [
        ("message: {name: a, id: 5}\nrecipients: {inline: [u]}\ndelivery: d", "5:12", "give either the message's name or its id. Write {name: ...} or {id: ...}."),
        ("message: {}\nrecipients: {inline: [u]}\ndelivery: d", "5:12", "give either the message's name or its id. Write {name: ...} or {id: ...}."),
        ("message: {id: abc}\nrecipients: {inline: [u]}\ndelivery: d", "5:17", "a message's id is a whole number. Copy it from the address of the message in the dashboard."),
        ("message: {name: a}\nrecipients: {inline: [u]}", "4:1", "`delivery` is missing. Write it, such as `delivery: 2026-11-order-delay`."),
        ("message: {name: a}\nrecipients: {inline: [u]}\ndelivery: a/b", "7:13", "`delivery` contains invalid characters. Write letters, digits, dots, hyphens, and underscores, such as 2026-11-order-delay."),
        ("message: {name: a}\nrecipients: {inline: [u]}\ndelivery: d\nvalues: {x: [1]}", "8:15", "this is not a single value. Write text, a number, or true or false."),
        ("message: {name: a}\nrecipients: {inline: [u]}\ndelivery: 2026", "7:13", "`delivery` is the number 2026, but must be text. Put it in quotes."),
        ("message: {name: a}\nrecipients: {inline: [u]}\ndelivery: {column: x}", "7:13", "`delivery` is a mapping, but must be text. Write a single value after the colon."),
    ],
)  # fmt: skip
def test_a_wrong_send_is_said_so_once(folder: Any, spec: str, place: str, message: str) -> None:
    folder.spec("MessageSend", spec)
    assert folder.complaints() == [f"specs/it.yaml:{place}: MessageSend/it: {message}"]


def test_two_wrong_deliveries_are_not_the_same_delivery(folder: Any) -> None:
    for name in ("a", "b"):
        folder.spec("MessageSend", "message: {name: a}\nrecipients: {inline: [u]}\ndelivery: a/b", name)
    assert ["invalid characters" in each for each in folder.complaints()] == [True, True]


def test_names_that_differ_only_in_case_are_pointed_out(folder: Any) -> None:
    folder.spec("UserAttributes", ATTRIBUTES + "tier: x\n  Tier: y")
    (complaint,) = folder.complaints()
    assert complaint.startswith(
        "specs/it.yaml:8:5: UserAttributes/it: attributes tier and Tier differ only in case"
    )
    assert "specs/it.yaml:7:5" in complaint
    assert complaint.endswith("Is Tier meant to be tier?")


def test_a_renamed_attribute_cannot_be_managed_too(folder: Any) -> None:
    folder.spec("UserAttributes", ATTRIBUTES + "new: {from: old}\n  old: 5")
    (complaint,) = folder.complaints()
    assert (
        "7:11: UserAttributes/it: old is renamed to new, but is also managed under its old name" in complaint
    )
    assert "specs/it.yaml:8:5" in complaint


def test_an_attribute_is_renamed_once(folder: Any) -> None:
    folder.spec("UserAttributes", ATTRIBUTES + "one: {from: old}\n  two: {from: old}")
    (complaint,) = folder.complaints()
    assert "old is renamed to two and to one" in complaint


def test_one_run_finds_every_problem_of_a_document(folder: Any) -> None:
    folder.write("specs/data.csv", "key,n\nu1,1\n")
    folder.write(
        "specs/it.yaml",
        """\
apiVersion: v2
kind: UserAttributes
metadata: {name: Bad Name, owner: 5, dependsOn: [UserAttributes/nobody]}
spec:
  users: {file: data.csv, id: kee}
  createUsers: maybe
  attributes:
    a: {column: m}
    b: {from: c}
    c: {state: absent}
    d: {type: foo, column: n}
    "5": 5
    e: {increment: 1}
  profile: {country: xx}
  extra: 1
""",
    )
    lines = [int(complaint.split(":")[1]) for complaint in folder.complaints()]
    assert lines == [1, 3, 3, 3, 5, 6, 8, 9, 11, 12, 13, 14, 15]


def test_problems_come_with_the_line_and_stand_in_the_order_of_the_file(folder: Any) -> None:
    folder.spec("UserAttributes", ATTRIBUTES + "b:\n  a: []")
    problems = folder.load().problems
    assert [problem.place.line for problem in problems] == [7, 8]
    assert problems[1].excerpt == "    a: []"
    assert problems[1].place.column == problems[1].excerpt.index("[]") + 1


@pytest.mark.parametrize(
    "secret", ["prod_abc123def456", "exp_ABCdefGHIjklMNOpqrSTUv", "postgresql://me:word@host/db"]
)
def test_what_looks_like_a_secret_is_never_shown(folder: Any, secret: str) -> None:
    folder.write(
        "specs/it.yaml",
        f"apiVersion: {secret}\nkind: {secret}\n{secret}: 1\nmetadata: {{name: {secret}}}\nspec: [\n",
    )
    folder.spec("UserAttributes", f"users: {{inline: [u], x: {secret}}}\ncreateUsers: {secret}", name="two")
    loaded = folder.load()
    assert len(loaded.problems) >= 3
    assert secret not in repr(loaded.problems)


@pytest.mark.parametrize(
    "key", ["column", "value", "add", "remove", "from", "state", "increment", "once", "map", "type"]
)
def test_a_key_of_a_form_at_the_top_of_a_document_is_an_unknown_key(folder: Any, key: str) -> None:
    folder.write(
        "specs/it.yaml",
        "apiVersion: leanplum-sync/v1\nkind: UserAttributes\nmetadata: {name: it}\n"
        f"spec: {{users: {{inline: [u1]}}, attributes: {{a: 1}}}}\n{key}: x\n",
    )
    (complaint,) = folder.complaints()
    assert f"unknown key `{key}`" in complaint


def test_a_file_name_that_is_too_long_is_a_problem_of_the_spec(folder: Any) -> None:
    folder.spec("UserAttributes", f"users: {{file: {'a' * 300}.csv, id: id}}\nattributes: {{a: 1}}")
    (complaint,) = folder.complaints()
    assert "this path can't be opened: file name too long" in complaint
