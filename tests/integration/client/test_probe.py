"""What a key is and how late the clock, from answers that the emulator doesn't give."""

from __future__ import annotations

from email.utils import formatdate
from typing import Any

import pytest

from leanplum_sync.client.probe import probe
from leanplum_sync.errors import (
    ApiError,
    MovedError,
    NoAnswerError,
    RateLimitedError,
    UnexpectedResponseError,
)
from leanplum_sync.wire.catalogue import KeyClass

OPENS = b'{"response":[{"success":true,"postbacks":[]}]}'


@pytest.mark.parametrize("seconds", [0, 90, -90, 100_000])
def test_the_servers_clock_is_compared_with_ours(
    seconds: int, misbehaving: Any, app: Any, watch: Any
) -> None:
    misbehaving.does((200, OPENS, f"Date: {formatdate(watch.now() + seconds, usegmt=True)}"))
    connection, _, transport, clock = app
    probed = probe("exp_hunter2", connection, transport, clock)
    assert (probed.key_class, probed.skew_seconds) == (KeyClass.DATA_EXPORT, seconds)


@pytest.mark.parametrize("header", ["Date: yesterday", "X-Nothing: 1", "Date: "])
def test_a_server_without_a_clock_is_no_trouble(header: str, misbehaving: Any, app: Any) -> None:
    misbehaving.does((200, OPENS, header))
    connection, _, transport, clock = app
    assert probe("exp_hunter2", connection, transport, clock).skew_seconds is None


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((429, b"{}"), RateLimitedError),
        ((503, b"<html>"), NoAnswerError),
        ((200, b"<html>"), UnexpectedResponseError),
        ((200, b'{"response":[]}'), UnexpectedResponseError),
        (
            (
                200,
                b'{"response":[{"success":false,"error":{"message":"App endpoint configuration mismatch."}}]}',
            ),
            MovedError,
        ),
        ("hangs up", NoAnswerError),
    ],
)
def test_an_answer_that_says_nothing_of_the_key_blames_no_key(
    answer: Any, error: type[ApiError], misbehaving: Any, app: Any
) -> None:
    misbehaving.does(answer)
    connection, _, transport, clock = app
    with pytest.raises(error):
        probe("exp_hunter2", connection, transport, clock)
