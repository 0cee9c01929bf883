"""The whole client against the emulator over loopback, family by family."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import orjson
import pytest
import requests
from clocks import Clock

from leanplum_sync import emulator
from leanplum_sync.client import api
from leanplum_sync.client.client import Client
from leanplum_sync.client.credentials import EMULATOR_KEYS, Connection, Keys
from leanplum_sync.client.http import HttpTransport
from leanplum_sync.errors import CredentialError, InvalidCallError, RejectedError
from leanplum_sync.wire.catalogue import KeyClass
from leanplum_sync.wire.migration import Migration
from leanplum_sync.wire.outcome import Outcome

SEEDS = [
    {"message": {"id": 4500000000000001, "name": "Order", "active": True, "messageType": "Push Notification"}},
    {"message": {"id": 4500000000000002, "name": "Sleeping", "active": False, "messageType": "Email"}},
    {"abTest": {"id": 5, "name": "Copy", "active": True, "state": "active", "variants": [
        {"id": 6, "name": "B", "percent": 50.0, "variables": [{"name": "title", "value": "Go"}]}]}},
    {"unsubscribeCategory": {"id": 1, "name": "Newsletter", "description": "Weekly"}},
    {"campaign": {"id": 9}},
    {"userId": "00004", "userAttributes": {"vip": True}},
]  # fmt: skip


@dataclass
class Served:
    client: Client
    clock: Clock
    url: str


class SharedClock(Clock):
    """The client's clock and the emulator's."""

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    seed = tmp_path / "seed.ndjson"
    seed.write_bytes(b"\n".join(map(orjson.dumps, SEEDS)))
    clock = SharedClock(time.time())
    switches = emulator.Switches(job_seconds=60)
    with (
        emulator.running(seeds=[seed], clock=clock, switches=switches) as running,
        HttpTransport(is_local=True) as transport,
    ):
        app = (Connection.to_emulator(running.url), Keys.of(EMULATOR_KEYS), transport)
        yield Served(Client(*app, clock), clock, running.url)


@pytest.fixture
def client(served: Served) -> Client:
    return served.client


def user(client: Client, user_id: str) -> api.User:
    found = client.call(api.export_user(user_id))
    assert found is not None
    return found


def test_users_are_written_read_and_deleted(client: Client) -> None:
    client.call(
        api.set_user_attributes("u1", create=True, attributes={"vip": True, "n": 3}, add={"tags": ["a"]})
    )
    client.call(api.set_user_attributes("u1", increment={"n": 2}, unsubscribe_channels=["Email"]))
    read = user(client, "u1")
    assert (read.user_id, read.attributes) == ("u1", {"vip": "True", "n": 5, "tags": ["a"]})
    assert read.unsubscribed_channels == ("Email",)
    assert read.created is not None
    client.call(api.delete_user("u1"))
    assert client.call(api.export_user("u1")) is None


@pytest.mark.claim("subscriptions-read")
def test_what_a_user_left_is_read_back_and_can_be_joined_again(client: Client) -> None:
    client.call(
        api.set_user_attributes(
            "00004", unsubscribe_channels=["Email", "Webhook"], unsubscribe_categories=["1"]
        )
    )
    read = user(client, "00004")
    assert (read.unsubscribed_channels, read.unsubscribed_category_ids) == (("Email", "Webhook"), (1,))
    client.call(
        api.set_user_attributes("00004", resubscribe_channels=["Email"], resubscribe_categories=["1"])
    )
    read = user(client, "00004")
    assert (read.unsubscribed_channels, read.unsubscribed_category_ids) == (("Webhook",), ())


def test_a_mistyped_user_is_not_created_but_refused(client: Client) -> None:
    with pytest.raises(RejectedError, match="User not found"):
        client.call(api.set_user_attributes("nobody", attributes={"a": 1}))
    assert client.call(api.export_user("nobody")) is None


def test_devices_belong_to_their_users(client: Client) -> None:
    client.call(api.set_device_attributes("d1", user_id="00004", create=True, fields={"systemName": "iOS"}))
    assert [device["deviceId"] for device in user(client, "00004").devices] == ["d1"]
    assert client.call(api.register_device("d1", "dev@example.com")) is True
    assert client.call(api.register_device("d1", "dev@example.com")) is False


def test_a_blocked_user_takes_no_writes_until_unblocked(client: Client) -> None:
    client.call(api.block("00004"))
    with pytest.raises(RejectedError) as caught:
        client.call(api.set_user_attributes("00004", attributes={"a": 1}))
    assert caught.value.status == 451
    client.call(api.unblock("00004"))


def test_sessions_states_and_events_are_recorded(client: Client) -> None:
    content = client.call(api.start("00004", device_id="d1", create=True))
    assert isinstance(content.variables, dict)
    assert not client.call(api.track("Purchase", "00004", device_id="d1", value=9.5)).offline
    for made in (
        api.advance("Shop", "00004", device_id="d1"),
        api.pause_state("00004", device_id="d1"),
        api.resume_state("00004", device_id="d1"),
        api.heartbeat("00004", device_id="d1"),
        api.pause_session("00004", device_id="d1"),
        api.resume_session("00004", device_id="d1"),
        api.set_traffic_source_info({"publisherName": "p"}, "00004", device_id="d1"),
        api.stop("00004", device_id="d1"),
    ):
        assert client.call(made) == api.Done()
    read = user(client, "00004")
    assert read.events["Purchase"].count == 1
    assert read.states["Shop"].count == 1
    assert client.call(api.track("Purchase", "00004")).offline


def test_an_event_of_years_ago_is_tracked_with_an_advisory(client: Client, served: Served) -> None:
    (result,) = client.batch([api.track("Old", "00004", time=served.clock.time - 400 * 86400)])
    assert result.outcome.outcome is Outcome.DONE
    assert result.outcome.advisory
    assert result.value is not None
    assert result.value.advisory.startswith("Past event detected")


def test_messages_are_looked_up_and_sent(client: Client) -> None:
    assert client.call(api.get_message(4500000000000001)).name == "Order"
    assert {message.id for message in client.call(api.get_messages(recent=False, include_drafts=True))} == {
        4500000000000001,
        4500000000000002,
    }
    assert client.call(api.send_message(4500000000000001, "00004")).messages_sent == 1
    with pytest.raises(RejectedError, match="No message was sent"):
        client.call(api.send_message(4500000000000002, "00004"))
    with pytest.raises(RejectedError, match="Message not found") as caught:
        client.call(api.get_message(1))
    assert caught.value.status == 404
    assert client.call(api.start_campaign(9, "00004")) == api.Done()
    (category,) = client.call(api.get_unsubscribe_categories())
    assert (category.id, category.name) == (1, "Newsletter")


@pytest.mark.claim("channels-read")
def test_channels_are_made_listed_and_deleted(client: Client) -> None:
    assert client.call(api.add_android_notification_channel("promo", "Promotions")).created
    assert client.call(api.add_android_notification_channel("promo", "Offers")).updated
    client.call(
        api.add_android_notification_channel("quiet", "Quiet", importance=1, settings={"showBadge": False})
    )
    channel, quiet = client.call(api.get_android_notification_channels())
    assert (channel.id, channel.name) == ("promo", "Offers")
    assert (quiet.importance, quiet.fields["showBadge"], quiet.fields["default"]) == (1, False, False)
    client.call(api.delete_android_notification_channel("quiet"))
    assert client.call(api.delete_android_notification_channel("promo"))


def test_tests_and_variants_are_read(client: Client) -> None:
    (listed,) = client.call(api.get_ab_tests(recent=False, include_drafts=True))
    assert client.call(api.get_ab_test(5)).name == listed.name == "Copy"
    assert client.call(api.get_variant(6)).variables == {"title": "Go"}


@pytest.mark.claim("variables-read")
def test_variables_are_set_seen_and_deleted(client: Client) -> None:
    client.call(api.set_vars({"max_items": 20, "paywall": {"title": "Go"}}))
    assert client.call(api.get_vars("00004")).variables["max_items"] == 20
    assert client.call(api.delete_vars(["max_items"])) == ("max_items",)
    assert "max_items" not in client.call(api.get_vars("00004")).variables


@pytest.mark.claim("postbacks-read")
def test_postbacks_are_added_listed_and_deleted(client: Client) -> None:
    postback_id = client.call(api.add_postback("https://hooks.example.com/secret", channels=["Email"]))
    assert postback_id is not None
    (postback,) = client.call(api.list_postbacks())
    assert (postback.id, postback.url) == (postback_id, "https://hooks.example.com/secret")
    assert "secret" not in repr(postback)
    assert "channels" not in client.call(api.action("listPostbacks", {}))["postbacks"][0]
    client.call(api.delete_postback(postback_id))
    assert client.call(api.list_postbacks()) == ()


@pytest.mark.parametrize("count", [1, 3])
def test_files_go_up_and_come_down(client: Client, tmp_path: Path, count: int) -> None:
    files = {f"pictures/{number}.png": bytes(range(256)) * (number + 1) for number in range(count)}
    client.upload_file(files)
    for name, content in files.items():
        assert client.download_file(name, tmp_path / "down" / "file").read_bytes() == content
        (tmp_path / "down" / "file").unlink()
    with pytest.raises(RejectedError) as caught:
        client.download_file("none.png", tmp_path / "none")
    assert caught.value.status == 404


@pytest.mark.parametrize("files", [{}, {f"{number}": b"" for number in range(17)}])
def test_uploads_keep_to_the_limits(client: Client, files: dict[str, bytes]) -> None:
    with pytest.raises(InvalidCallError):
        client.upload_file(files)


def test_an_export_is_waited_for_and_brought_down(client: Client, served: Served, tmp_path: Path) -> None:
    client.call(api.track("Purchase", "00004"))
    today = datetime.fromtimestamp(served.clock.time, timezone(timedelta(hours=-8))).strftime("%Y%m%d")
    began = served.clock.time
    result = client.wait(api.get_export_results(client.call(api.export_data(today))))
    assert result.state is api.JobState.FINISHED
    assert served.clock.time - began >= 120  # pending, then running
    (path,) = client.download(result.files, tmp_path)
    assert path.stat().st_size == result.size_bytes
    assert orjson.loads(path.read_bytes().splitlines()[0])["userId"] == "00004"


def test_exports_of_users_and_reports_are_jobs_too(client: Client, tmp_path: Path) -> None:
    listed = client.wait(api.get_export_results(client.call(api.export_users(attribute="vip"))))
    assert listed.columns == ("userId", "vip")
    (path,) = client.download(listed.files, tmp_path)
    assert path.read_text() == "00004,True\n"
    report = client.call(api.export_report("UserActivity", "20261101", "20261102"))
    assert client.wait(api.get_export_results(report)).data == {}


def test_an_import_is_waited_for_and_its_answers_are_brought_down(
    client: Client, served: Served, tmp_path: Path
) -> None:
    rows = ["userId,userAttributes.tier,createDisposition", *(f"i{n},gold,CreateIfNeeded" for n in range(60))]
    rows += ["nobody,gold,CreateNever", ",gold,CreateIfNeeded"]
    requests.put(
        f"{served.url}/_emulator/buckets/shop/new-users.csv", data="\n".join(rows).encode(), timeout=300
    ).raise_for_status()
    began = served.clock.time
    job_id = client.call(api.import_csv("shop", "new-users.csv", default_action="setUserAttributes"))
    result = client.wait(api.get_multi_results(job_id))
    assert served.clock.time - began >= 120  # pending, then running
    assert (result.state, result.successes, result.failures) == (api.JobState.FINISHED, 61, 1)
    (path,) = client.download(result.files, tmp_path)
    answers = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    assert [answer["success"] for answer in answers] == [True] * 61 + [False]
    assert "warning" in answers[60]
    assert user(client, "i59").attributes == {"tier": "gold"}
    assert client.call(api.export_user("nobody")) is None


def test_an_import_that_fails_says_so(client: Client) -> None:
    job_id = client.call(api.import_csv("bucket", "none.csv", default_action="setUserAttributes"))
    with pytest.raises(RejectedError, match="the job failed"):
        client.wait(api.get_multi_results(job_id))


@pytest.mark.claim("outcome-of-each")
def test_a_batch_says_of_each_call_what_became_of_it(client: Client) -> None:
    calls: list[api.Call[Any]] = [
        api.set_user_attributes("00004", attributes={"tier": "gold"}),
        api.set_user_attributes("nobody", attributes={"tier": "gold"}),
        api.set_user_attributes("00004", events={"e": {"firstTime": "2020-01-01"}}),
        api.send_message(4500000000000001, "00004"),
    ]
    results = client.batch(calls)
    assert [result.outcome.outcome for result in results] == [
        Outcome.DONE,
        Outcome.SKIPPED,
        Outcome.REJECTED,
        Outcome.DONE,
    ]
    assert [result.value is None for result in results] == [False, True, True, False]


def test_reads_travel_in_batches_too(client: Client) -> None:
    found, missing = client.batch([api.export_user("00004"), api.export_user("nobody")])
    assert found.value is not None
    assert found.value.user_id == "00004"
    assert (missing.value, missing.outcome.outcome) == (None, Outcome.SKIPPED)


def test_one_key_may_be_chosen_for_a_batch(client: Client) -> None:
    calls: list[api.Call[Any]] = [api.track("e", "00004"), api.reset_anomalies("00004")]
    with pytest.raises(InvalidCallError, match="split the batch"):
        client.batch(calls)
    results = client.batch(calls, key_class=KeyClass.DEVELOPMENT)
    assert [result.outcome.outcome for result in results] == [Outcome.DONE, Outcome.DONE]


def test_a_key_of_another_class_is_refused_by_name(served: Served) -> None:
    swapped = {**EMULATOR_KEYS, KeyClass.PRODUCTION: EMULATOR_KEYS[KeyClass.DATA_EXPORT]}
    with HttpTransport(is_local=True) as transport:
        client = Client(Connection.to_emulator(served.url), Keys.of(swapped), transport, served.clock)
        with pytest.raises(CredentialError, match="LEANPLUM_PRODUCTION_KEY"):
            client.call(api.heartbeat("00004"))


def test_actions_of_the_sdks_answer_too(client: Client) -> None:
    assert client.call(api.get_newsfeed_messages("00004")) == {}
    for made in (api.restart("00004"), api.log("00004"), api.track_geofence("00004")):
        client.call(made)
    assert client.call(api.get_migrate_state()) is Migration.NONE


def test_answers_out_of_order_are_put_in_order(tmp_path: Path) -> None:
    """The first recordings of the API came back sorted by user; its servers echo what the SDKs send."""
    clock = SharedClock(time.time())
    switches = emulator.Switches(order="user_sorted")
    with (
        emulator.running(switches=switches, clock=clock) as running,
        HttpTransport(is_local=True) as transport,
    ):
        client = Client(Connection.to_emulator(running.url), Keys.of(EMULATOR_KEYS), transport, clock)
        calls = [
            api.track("e", "z", create=True),
            api.track("e", "m"),
            api.track("e", "a", create=True),
        ]
        results = client.batch(calls)
    assert [result.outcome.outcome for result in results] == [Outcome.DONE, Outcome.SKIPPED, Outcome.DONE]


def test_the_raw_element_of_any_action_can_be_had(client: Client) -> None:
    element = client.call(api.action("exportUser", {"userId": "nobody"}))
    assert element == {"success": True, "warning": {"message": "User not found; request skipped."}}
