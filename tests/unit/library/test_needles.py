"""What is searched for after an erasure, and in which ways of writing it is found."""

from __future__ import annotations

import csv
import io
import json
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest

from leanplum_sync.address import Subject
from leanplum_sync.library.erasing.needles import Hit, KnownUsers, Matcher, Needles, needles_of

USER = Subject.user("customer-17")
ELEMENT = {
    "userAttributes": {
        "email": "ann@example.com",
        "name": 'Zoë "Q" Ümlaut',
        "phones": ["+44 20 7946 0000"],
        "tier": "platinum",
        "vip": "True",
        "age": 41,
        "loyalty": 1234567,
    },
    "devices": [{"deviceId": "phone-1", "iosPushToken": "ab" * 32}, {"deviceId": None}],
    "country": "DE",
}


def test_ids_and_telling_values_are_searched_for() -> None:
    found = needles_of(USER, ELEMENT)
    assert found.ids == {"customer-17", "phone-1", "ab" * 32}
    assert found.values == {"ann@example.com", 'Zoë "Q" Ümlaut', "+44 20 7946 0000", "1234567"}
    assert found.too_common == 2  # platinum, 41


def _csv(text: str) -> bytes:
    file = io.StringIO()
    csv.writer(file).writerow(["1", text, "x"])
    return file.getvalue().encode()


@pytest.mark.parametrize(
    "written",
    [
        lambda text: text.encode(),
        lambda text: json.dumps({"a": text}).encode(),
        lambda text: orjson.dumps([text]),
        lambda text: urlencode({"q": text}).replace("+", "%20").encode(),
        _csv,
    ],
)
@pytest.mark.parametrize("text", ["ann@example.com", 'Zoë "Q" Ümlaut', "+44 20 7946 0000", "1234567"])
def test_a_value_is_found_however_it_is_written(written: Any, text: str) -> None:
    matcher = Matcher(needles_of(USER, ELEMENT))
    assert matcher.find(written(text)) == Hit(values=True)
    assert not matcher.find(written(text[1:]))


@pytest.mark.parametrize(
    ("content", "is_found"),
    [
        (b"user:17", True),
        (b'{"userId":"17"}', True),
        (b"id,tier\n17,gold\n", True),
        (b'{"count": 17}', False),
        (b'"user:170"', False),
        (b"2017-01-17", False),
    ],
)
def test_a_short_id_is_found_only_as_an_id(content: bytes, *, is_found: bool) -> None:
    assert Matcher(needles_of(Subject.user("17"))).find(content).ids is is_found


def test_a_text_is_found_across_chunks() -> None:
    matcher = Matcher(needles_of(USER))
    content = b"x" * 1000 + b" customer-17 " + b"y" * 1000
    for cut in range(995, 1020):
        assert matcher.find_in([content[:cut], content[cut:]]).ids
    assert not matcher.find_in([b"x customer-1", b"8 y"])


def test_many_needles_are_found_each_and_nothing_else() -> None:
    ids = [f"customer-{number}" for number in range(2000)]
    matcher = Matcher(Needles(frozenset(ids)))
    assert all(matcher.find(f" {each},".encode()).ids for each in ids[::37])
    assert not matcher.find(b"customer-2000 customer- customer-19999 xcustomer-1")


def test_what_is_known_of_a_user_is_kept_for_each() -> None:
    known = KnownUsers()
    known.add(USER, ELEMENT)
    other = Subject.user("other-1")
    assert known.of([other]) == Needles(frozenset({"other-1"}))
    assert known.of([USER, other]).ids == {"customer-17", "phone-1", "ab" * 32, "other-1"}


def test_nothing_is_found_without_needles() -> None:
    assert not Matcher(Needles()).find_in([b"anything"])
