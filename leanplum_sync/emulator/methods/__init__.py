"""All actions the emulator knows, in one table: what runs them, which keys may, and whom they are about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from leanplum_sync.emulator.methods import devices, messages, tracking, users
from leanplum_sync.emulator.work import Method

if TYPE_CHECKING:
    from collections.abc import Mapping

    from leanplum_sync.emulator.work import KeyClass

# A production action is open to the development key too: that is how SDKs' development mode works.
_PRODUCTION: Final[frozenset[KeyClass]] = frozenset({"production", "development"})
_DEVELOPMENT: Final[frozenset[KeyClass]] = frozenset({"development"})
_EXPORT: Final[frozenset[KeyClass]] = frozenset({"data_export"})
_CONTENT: Final[frozenset[KeyClass]] = frozenset({"content_read_only"})

TABLE: Final[Mapping[str, Method]] = {
    "setUserAttributes": Method(users.set_user_attributes, _PRODUCTION, about="create"),
    "deleteUser": Method(users.delete_user, _DEVELOPMENT, about="never", billed=False),
    "exportUser": Method(users.export_user, _EXPORT, about="read", writes=False),
    "setDeviceAttributes": Method(devices.set_device_attributes, _PRODUCTION, about="create"),
    "track": Method(tracking.track, _PRODUCTION, about="create"),
    "sendMessage": Method(messages.send_message, _PRODUCTION, about="never"),
    "getMessage": Method(messages.get_message, _CONTENT, writes=False),
    "getMessages": Method(messages.get_messages, _CONTENT, writes=False),
}
