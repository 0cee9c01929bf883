"""All actions that the emulator knows, in one table: their function, permitted keys, and target."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from leanplum_sync.emulator.methods import (
    channels,
    content,
    devices,
    files,
    jobs,
    messages,
    postbacks,
    tracking,
    users,
)
from leanplum_sync.emulator.work import KeyClass, Method

# The development key also permits production actions: SDKs' development mode relies on that.
_PRODUCTION: Final[frozenset[KeyClass]] = frozenset({"production", "development"})
_DEVELOPMENT: Final[frozenset[KeyClass]] = frozenset({"development"})
_EXPORT: Final[frozenset[KeyClass]] = frozenset({"data_export"})
_CONTENT: Final[frozenset[KeyClass]] = frozenset({"content_read_only"})
_ANY: Final = _PRODUCTION | _CONTENT

TABLE: Final[Mapping[str, Method]] = {
    # Sessions
    "start": Method(tracking.start, _PRODUCTION, about="create"),
    "stop": Method(tracking.stop, _PRODUCTION, about="never"),
    "pauseSession": Method(tracking.pause_session, _PRODUCTION, about="never"),
    "resumeSession": Method(tracking.resume_session, _PRODUCTION, about="never"),
    "heartbeat": Method(tracking.heartbeat, _PRODUCTION, about="never"),
    "advance": Method(tracking.advance, _PRODUCTION, about="never"),
    "pauseState": Method(tracking.pause_state, _PRODUCTION, about="never"),
    "resumeState": Method(tracking.resume_state, _PRODUCTION, about="never"),
    "track": Method(tracking.track, _PRODUCTION, about="create"),
    "setTrafficSourceInfo": Method(tracking.set_traffic_source_info, _PRODUCTION, about="create"),
    # Users and devices
    "setUserAttributes": Method(users.set_user_attributes, _PRODUCTION, about="create"),
    "setDeviceAttributes": Method(devices.set_device_attributes, _PRODUCTION, about="create"),
    "registerDevice": Method(devices.register_device, _DEVELOPMENT),
    "deleteUser": Method(users.delete_user, _DEVELOPMENT, about="never", billed=False),
    # The documents disagree about the key of these two.
    "block": Method(users.block, _PRODUCTION, about="never", takes_blocked=True),
    "unblock": Method(users.unblock, _PRODUCTION, about="never", takes_blocked=True),
    # Messages and campaigns
    "sendMessage": Method(messages.send_message, _PRODUCTION, about="never"),
    "startCampaign": Method(messages.start_campaign, _DEVELOPMENT, about="never"),
    "getMessage": Method(messages.get_message, _CONTENT, writes=False),
    "getMessages": Method(messages.get_messages, _CONTENT, writes=False),
    "getUnsubscribeCategories": Method(channels.get_unsubscribe_categories, _CONTENT, writes=False),
    "addAndroidNotificationChannel": Method(channels.add_android_notification_channel, _DEVELOPMENT),
    "getAndroidNotificationChannels": Method(
        channels.get_android_notification_channels, _PRODUCTION, writes=False
    ),
    "deleteAndroidNotificationChannel": Method(channels.delete_android_notification_channel, _DEVELOPMENT),
    # A/B tests, variables, files
    "getAbTest": Method(content.get_ab_test, _CONTENT, writes=False),
    "getAbTests": Method(content.get_ab_tests, _CONTENT, writes=False),
    "getVariant": Method(content.get_variant, _CONTENT, writes=False),
    "getVars": Method(content.get_vars, _PRODUCTION, about="anybody", writes=False),
    "setVars": Method(content.set_vars, _DEVELOPMENT),
    "deleteVars": Method(content.delete_vars, _DEVELOPMENT),
    "downloadFile": Method(files.download_file, _PRODUCTION, writes=False, alone=True),
    "uploadFile": Method(files.upload_file, _DEVELOPMENT, alone=True),
    # Exports, postbacks, imports
    "addPostback": Method(postbacks.add_postback, _EXPORT),
    "listPostbacks": Method(postbacks.list_postbacks, _EXPORT, writes=False),
    "deletePostback": Method(postbacks.delete_postback, _EXPORT),
    "exportUser": Method(users.export_user, _EXPORT, about="read", writes=False),
    "exportUsers": Method(jobs.export_users, _EXPORT, writes=False),
    "exportData": Method(jobs.export_data, _EXPORT, writes=False),
    "exportReport": Method(jobs.export_report, _EXPORT, writes=False),
    "getExportResults": Method(jobs.get_export_results, _EXPORT, writes=False),
    "multi": Method(jobs.start_import, _DEVELOPMENT, alone=True),
    "getMultiResults": Method(jobs.get_multi_results, _DEVELOPMENT, writes=False),
    # Only SDKs send these
    "getNewsfeedMessages": Method(content.get_newsfeed_messages, _ANY, about="read", writes=False),
    "markNewsfeedMessageAsRead": Method(content.mark_newsfeed_message_as_read, _PRODUCTION),
    "deleteNewsfeedMessage": Method(content.delete_newsfeed_message, _PRODUCTION),
    "restart": Method(content.unlisted, _PRODUCTION, writes=False),
    "log": Method(content.unlisted, _PRODUCTION, writes=False),
    "trackGeofence": Method(content.unlisted, _PRODUCTION, writes=False),
    "getMigrateState": Method(content.get_migrate_state, _PRODUCTION, writes=False),
}
