"""Actions that only Leanplum's SDKs are known to use. A server may not support them."""

from __future__ import annotations

from collections.abc import Mapping

from leanplum_sync.client.api.call import Call, Done, call, done, who
from leanplum_sync.client.api.fields import mapping
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.migration import Migration, read_migration


def get_newsfeed_messages(
    user_id: str | None = None, *, device_id: str | None = None
) -> Call[Mapping[str, Json]]:
    """Return the app inbox, keyed ``<messageId>##<n>``."""
    return call(
        "getNewsfeedMessages",
        lambda element: mapping(element, "newsfeedMessages"),
        who(user_id, device_id),
    )


def mark_newsfeed_message_as_read(
    newsfeed_message_id: str, user_id: str | None = None, *, device_id: str | None = None
) -> Call[Done]:
    arguments = {**who(user_id, device_id), "newsfeedMessageId": newsfeed_message_id}
    return done("markNewsfeedMessageAsRead", arguments)


def delete_newsfeed_message(
    newsfeed_message_id: str, user_id: str | None = None, *, device_id: str | None = None
) -> Call[Done]:
    return done(
        "deleteNewsfeedMessage", {**who(user_id, device_id), "newsfeedMessageId": newsfeed_message_id}
    )


def restart(user_id: str | None = None, *, device_id: str | None = None) -> Call[Done]:
    return done("restart", who(user_id, device_id))


def log(user_id: str | None = None, *, device_id: str | None = None) -> Call[Done]:
    return done("log", who(user_id, device_id))


def track_geofence(user_id: str | None = None, *, device_id: str | None = None) -> Call[Done]:
    return done("trackGeofence", who(user_id, device_id))


def get_migrate_state() -> Call[Migration]:
    """Return the state of the app's migration to CleverTap."""
    return call("getMigrateState", read_migration, {})
