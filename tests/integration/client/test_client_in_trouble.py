"""What the client does again, and what it never does again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from leanplum_sync.client import api
from leanplum_sync.client.client import Client
from leanplum_sync.client.credentials import Connection, KeyClass, Keys
from leanplum_sync.client.http import HttpTransport
from leanplum_sync.errors import (
    CredentialError,
    InvalidCallError,
    NoAnswerError,
    NotSentError,
    RateLimitedError,
    RejectedError,
    UnexpectedResponseError,
)

OK = (200, b'{"response":[{"success":true}]}')
TWICE_OK = (200, b'{"response":[{"success":true},{"success":true}]}')
BUSY = (429, b'{"response":[{"success":false,"error":{"message":"Too Many Requests."}}]}')
WRONG_KEY = (403, b'{"response":[{"success":false,"error":{"message":"Invalid access key"}}]}')
SET = api.set_user_attributes("u1", attributes={"a": 1})
ADD = api.set_user_attributes("u1", increment={"a": 1})
TRACK = api.track("e", "u1")


@pytest.fixture
def client(app: tuple[Connection, Keys, HttpTransport, Any]) -> Client:
    return Client(*app)


def bodies(misbehaving: Any) -> list[Any]:
    return [orjson.loads(request.partition(b"\r\n\r\n")[2]) for request in misbehaving.requests]


@pytest.mark.claim("retries")
@pytest.mark.parametrize("refusal", [BUSY, (408, BUSY[1])])
@pytest.mark.parametrize("made", [SET, TRACK])
def test_what_was_refused_for_now_is_called_again(
    misbehaving: Any, client: Client, made: Any, refusal: Any
) -> None:
    misbehaving.does(refusal, refusal, refusal, OK)
    client.call(made)
    assert len(misbehaving.requests) == 4


@pytest.mark.claim("retries")
def test_a_host_that_can_not_be_reached_is_tried_four_times(app: Any, watch: Any, free_port: int) -> None:
    _, keys, transport, _ = app
    client = Client(Connection(f"http://127.0.0.1:{free_port}", "app_x"), keys, transport, watch)
    with pytest.raises(NotSentError):
        client.call(TRACK)
    assert len(watch.slept) == 3


def test_a_rate_limit_that_stays_comes_out(misbehaving: Any, client: Client) -> None:
    misbehaving.does(BUSY)
    with pytest.raises(RateLimitedError):
        client.call(TRACK)
    assert len(misbehaving.requests) == 4


@pytest.mark.claim("never-twice")
@pytest.mark.parametrize("trouble", ["hangs up", (503, b""), "cuts off"])
def test_only_what_may_be_done_twice_is_called_again_after_a_lost_answer(
    misbehaving: Any, client: Client, trouble: Any
) -> None:
    misbehaving.does(trouble, OK)
    client.call(SET)
    assert len(misbehaving.requests) == 2
    for made in (TRACK, ADD, api.send_message(5, "u1"), api.add_postback("https://a.example")):
        misbehaving.requests.clear()
        misbehaving.does(trouble, OK)
        with pytest.raises(NoAnswerError):
            client.call(made)
        assert len(misbehaving.requests) == 1


@pytest.mark.claim("batch-ids")
def test_a_batch_is_sent_again_under_the_same_ids(misbehaving: Any, client: Client) -> None:
    misbehaving.does(BUSY, "hangs up", TWICE_OK)
    client.batch([SET, SET])
    sent = bodies(misbehaving)
    assert len(sent) == 3
    assert {body["uuid"] for body in sent} == {sent[0]["uuid"]}
    assert sent[0]["data"] == sent[1]["data"] == sent[2]["data"]


@pytest.mark.claim("never-twice")
@pytest.mark.parametrize("trouble", ["hangs up", (200, b'{"response":[{"success":true}]}'), (500, b"<html>")])
def test_a_batch_with_one_call_that_counts_is_not_sent_again(
    misbehaving: Any, client: Client, trouble: Any
) -> None:
    misbehaving.does(trouble, TWICE_OK)
    with pytest.raises(NoAnswerError):
        client.batch([SET, TRACK])
    assert len(misbehaving.requests) == 1


def test_a_refused_batch_is_an_error_of_the_whole(misbehaving: Any, client: Client) -> None:
    misbehaving.does((403, b'{"response":[{"success":false,"error":{"message":"Too many users."}}]}'))
    with pytest.raises(RejectedError, match="Too many users"):
        client.batch([SET, TRACK])
    misbehaving.does(WRONG_KEY)
    with pytest.raises(CredentialError, match="LEANPLUM_PRODUCTION_KEY"):
        client.batch([SET, TRACK])


def test_block_is_tried_with_the_other_key_where_documents_disagree(misbehaving: Any, app: Any) -> None:
    connection, _, transport, watch = app
    client = Client(
        connection, Keys.of({key_class: str(key_class) for key_class in KeyClass}), transport, watch
    )
    misbehaving.does(WRONG_KEY, OK)
    client.call(api.block("u1"))
    assert [body["clientKey"] for body in bodies(misbehaving)] == ["production", "development"]
    misbehaving.does(WRONG_KEY)
    with pytest.raises(CredentialError, match="LEANPLUM_DEVELOPMENT_KEY"):
        client.call(api.unblock("u1"))


def job(state: str) -> tuple[int, bytes]:
    return 200, orjson.dumps({"response": [{"success": True, "jobId": "j", "state": state}]})


def test_a_job_that_takes_too_long_can_be_waited_for_again(
    misbehaving: Any, client: Client, watch: Any
) -> None:
    misbehaving.does(job("RUNNING"))
    with pytest.raises(NoAnswerError, match="still running"):
        client.wait(api.get_export_results("j"), timeout_seconds=90)
    assert watch.slept == [30, 30, 30]
    misbehaving.does(job("FINISHED"))
    assert client.wait(api.get_export_results("j")).state is api.JobState.FINISHED


def test_a_job_in_a_state_nobody_knows_is_an_unexpected_response(misbehaving: Any, client: Client) -> None:
    misbehaving.does(job("DREAMING"))
    with pytest.raises(UnexpectedResponseError):
        client.wait(api.get_export_results("j"))


def test_a_job_without_an_id_is_an_unexpected_response(misbehaving: Any, client: Client) -> None:
    misbehaving.does(OK)
    with pytest.raises(UnexpectedResponseError):
        client.call(api.export_users())


def down(client: Client, misbehaving: Any, tmp_path: Path, name: str = "part-0") -> bytes:
    (path,) = client.download([f"{misbehaving.url}/{name}"], tmp_path)
    return path.read_bytes()


def partial(content: bytes, start: int, total: int) -> tuple[int, bytes, str]:
    return 206, content, f"Content-Range: bytes {start}-{total - 1}/{total}"


def test_a_broken_download_goes_on_where_it_stopped(misbehaving: Any, client: Client, tmp_path: Path) -> None:
    (tmp_path / "part-0.part").write_bytes(b"abc")
    misbehaving.does("hangs up", (503, b""), partial(b"def", 3, 6))
    assert down(client, misbehaving, tmp_path) == b"abcdef"
    assert all(b"Range: bytes=3-" in request for request in misbehaving.requests)
    assert list(tmp_path.iterdir()) == [tmp_path / "part-0"]


def test_a_connection_cut_in_the_middle_keeps_what_came(
    misbehaving: Any, client: Client, tmp_path: Path
) -> None:
    kept = 2 * 65536
    misbehaving.does("cuts off late", partial(b"y" * (200_000 - kept), kept, 200_000))
    assert down(client, misbehaving, tmp_path) == b"x" * kept + b"y" * (200_000 - kept)


@pytest.mark.parametrize("what", ["drips", "drips chunks"])
def test_a_download_has_a_deadline_however_slowly_it_comes(
    misbehaving: Any, app: tuple[Connection, Keys, HttpTransport, Any], tmp_path: Path, what: str
) -> None:
    misbehaving.does(what)
    connection, keys, _, watch = app
    with (
        HttpTransport(is_local=True, download_timeout_seconds=0.1) as transport,
        pytest.raises(NoAnswerError, match="took too long"),
    ):
        down(Client(connection, keys, transport, watch), misbehaving, tmp_path)
    assert len(misbehaving.requests) == 4
    misbehaving.does((200, b"x"))
    assert down(Client(*app), misbehaving, tmp_path) == b"x"


def test_a_server_that_knows_no_ranges_starts_again(misbehaving: Any, client: Client, tmp_path: Path) -> None:
    (tmp_path / "part-0.part").write_bytes(b"abc")
    misbehaving.does((200, b"ABCDEF"))
    assert down(client, misbehaving, tmp_path) == b"ABCDEF"


def test_a_file_that_was_all_there_is_only_renamed(misbehaving: Any, client: Client, tmp_path: Path) -> None:
    (tmp_path / "part-0.part").write_bytes(b"abc")
    misbehaving.does((416, b"", "Content-Range: bytes */3"))
    assert down(client, misbehaving, tmp_path) == b"abc"


def test_leftovers_of_a_longer_file_are_thrown_away(misbehaving: Any, client: Client, tmp_path: Path) -> None:
    (tmp_path / "part-0.part").write_bytes(b"abcdef")
    misbehaving.does((416, b"", "Content-Range: bytes */3"), (200, b"ABC"))
    assert down(client, misbehaving, tmp_path) == b"ABC"


def test_a_file_that_is_there_is_kept(misbehaving: Any, client: Client, tmp_path: Path) -> None:
    (tmp_path / "part-0").write_bytes(b"abc")
    assert down(client, misbehaving, tmp_path) == b"abc"
    assert misbehaving.requests == []


def test_a_file_that_is_gone_says_so(misbehaving: Any, client: Client, tmp_path: Path) -> None:
    misbehaving.does((404, b""))
    with pytest.raises(RejectedError, match="deleted after 24 hours"):
        down(client, misbehaving, tmp_path)


def test_no_key_travels_with_a_download(misbehaving: Any, client: Client, tmp_path: Path) -> None:
    misbehaving.does((200, b"x"))
    down(client, misbehaving, tmp_path)
    assert b"hunter2" not in misbehaving.requests[0]


def test_names_of_files_do_not_lead_elsewhere(misbehaving: Any, client: Client, tmp_path: Path) -> None:
    misbehaving.does((200, b"x"))
    for name in ("..%2F..%2Fevil", "a/..", "", "%2e%2e"):
        (path,) = client.download([f"{misbehaving.url}/{name}"], tmp_path / "down")
        assert path == tmp_path / "down" / "file-0"


def test_an_unencrypted_address_elsewhere_is_not_followed(client: Client, tmp_path: Path, watch: Any) -> None:
    elsewhere = Client(Connection("https://api.example.invalid", "app_x"), Keys({}), HttpTransport(), watch)
    with elsewhere, pytest.raises(InvalidCallError, match="not https"):
        elsewhere.download(["http://files.example.invalid/x"], tmp_path)
