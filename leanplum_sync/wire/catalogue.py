"""
Every action of the API as data: its arguments, the key that permits it, and whether it may be repeated.

Source, unless a line says otherwise: Leanplum's published OpenAPI description and docs. The arguments every call has
(``appId``, ``clientKey``, ``apiVersion``, ``devMode``, ``time``) are not repeated here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from leanplum_sync.wire.action import Action, DeliveryClass
from leanplum_sync.wire.profile import DEVICE_FIELDS

API_VERSION: Final = "1.0.6"


class KeyClass(StrEnum):
    """Each app has one key of each class; the class decides which actions the API allows."""

    PRODUCTION = "production"
    DEVELOPMENT = "development"
    DATA_EXPORT = "data_export"
    CONTENT_READ_ONLY = "content_read_only"

    @property
    def words(self) -> str:
        """As the dashboard and sentences call it."""
        match self:
            case KeyClass.PRODUCTION | KeyClass.DEVELOPMENT:
                return self.value
            case KeyClass.DATA_EXPORT:
                return "data export"
            case KeyClass.CONTENT_READ_ONLY:
                return "content read-only"

    @property
    def setting(self) -> str:
        """As project files call it."""
        first, *rest = self.value.split("_")
        return first + "".join(map(str.capitalize, rest))

    @classmethod
    def of_setting(cls, setting: str) -> KeyClass:
        return next(each for each in cls if each.setting == setting)


class ArgumentType(StrEnum):
    TEXT = "text"
    NUMBER = "number"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    OBJECT = "object"
    LIST = "list"
    BINARY = "binary"  # a part of a multipart form
    TEXT_OR_LIST = "text or list"


class Target(StrEnum):
    USER = "user"  # userId, deviceId, or both
    DEVICE = "device"  # deviceId; userId may stand beside it
    APP = "app"  # nobody: no lookup


class CreateDisposition(StrEnum):
    IF_NEEDED = "CreateIfNeeded"
    NEVER = "CreateNever"


class InMulti(StrEnum):
    """The evidence that an action works inside ``multi``."""

    RECORDED = "recorded"
    SDK = "sdk"  # Leanplum's own SDKs do it
    DOCUMENTED = "documented"
    LIKELY = "likely"
    UNKNOWN = "unknown"
    NEVER = "never"


class HttpMethod(StrEnum):
    """The documented one; the other works too, save for files."""

    GET = "GET"
    POST = "POST"


@dataclass(frozen=True, slots=True)
class ActionSpec:
    """
    *create_disposition* is the API's default, None where the argument means nothing. *billable*: each distinct user in
    a request is one billable lookup. *answer* names the fields of the element beyond success, warning and error.
    *documented*: in the published description; the others were seen in SDKs or recorded traffic.
    """

    name: str
    method: HttpMethod
    key_class: KeyClass
    target: Target = Target.APP
    required: Mapping[str, ArgumentType] = field(default_factory=dict)
    optional: Mapping[str, ArgumentType] = field(default_factory=dict)
    create_disposition: CreateDisposition | None = None
    in_multi: InMulti = InMulti.UNKNOWN
    delivery_class: DeliveryClass = DeliveryClass.REPEATABLE
    billable: bool = False
    answer: tuple[str, ...] = ()
    documented: bool = True

    @property
    def arguments(self) -> Mapping[str, ArgumentType]:
        """All arguments, including the ones that name the target."""
        identity = {} if self.target is Target.APP else _IDENTITY
        return {**identity, **self.required, **self.optional}

    @property
    def writes(self) -> bool:
        """Whether it changes users or content. Exports don't, though each counts towards a daily quota."""
        return self.method is HttpMethod.POST


_TEXT = ArgumentType.TEXT
_NUMBER = ArgumentType.NUMBER
_INTEGER = ArgumentType.INTEGER
_BOOLEAN = ArgumentType.BOOLEAN
_OBJECT = ArgumentType.OBJECT
_LIST = ArgumentType.LIST
_IF_NEEDED = CreateDisposition.IF_NEEDED
_NEVER = CreateDisposition.NEVER
_PRODUCTION = KeyClass.PRODUCTION
_DEVELOPMENT = KeyClass.DEVELOPMENT
_EXPORT = KeyClass.DATA_EXPORT
_CONTENT = KeyClass.CONTENT_READ_ONLY
_ONCE = DeliveryClass.ONCE

_IDENTITY: Final = {"userId": _TEXT, "deviceId": _TEXT}
_CREATE: Final = {"createDisposition": _TEXT}
_DEVICE: Final = dict.fromkeys((*DEVICE_FIELDS, "huaweiPushRegId"), _TEXT)  # the last: seen in SDKs only
_LOCATION: Final = {
    **dict.fromkeys(
        ("locale", "country", "region", "city", "location", "locationAccuracyType", "timezone"), _TEXT
    ),
    "timezoneOffsetSeconds": _INTEGER,
}
_CONTENT_ANSWER: Final = ("vars", "variants", "messages", "regions", "interfaceRules", "interfaceEvents")
_DRAFTS: Final = {"includeDrafts": _BOOLEAN, "recent": _BOOLEAN}


def _about_user(
    name: str,
    creates: CreateDisposition,
    *,
    key_class: KeyClass = _PRODUCTION,
    target: Target = Target.USER,
    optional: Mapping[str, ArgumentType] | None = None,
    **facts: Any,
) -> ActionSpec:
    """Return a billable action that writes to a user or a device; *creates* is the API's default for missing ones."""
    return ActionSpec(
        name,
        HttpMethod.POST,
        key_class,
        target,
        optional={**_CREATE, **(optional or {})},
        create_disposition=creates,
        billable=True,
        **facts,
    )


_BEHAVIOUR: Final = (
    _about_user(
        "start",
        _IF_NEEDED,
        optional={
            **_DEVICE,
            **_LOCATION,
            "userAttributes": _OBJECT,
            "background": _BOOLEAN,
            "includeDefaults": _BOOLEAN,
        },
        in_multi=InMulti.DOCUMENTED,
        delivery_class=_ONCE,  # opens a session
        answer=(*_CONTENT_ANSWER, "token"),
    ),
    _about_user("stop", _NEVER, in_multi=InMulti.SDK),
    _about_user("pauseSession", _NEVER, in_multi=InMulti.SDK),
    _about_user("resumeSession", _NEVER, in_multi=InMulti.SDK),
    _about_user("heartbeat", _NEVER, in_multi=InMulti.SDK),
    _about_user(
        "advance",
        _NEVER,
        required={"state": _TEXT},  # "" leaves the state
        optional={"info": _TEXT, "params": _OBJECT},
        in_multi=InMulti.SDK,
        delivery_class=_ONCE,
    ),
    _about_user("pauseState", _NEVER, in_multi=InMulti.SDK),
    _about_user("resumeState", _NEVER, in_multi=InMulti.SDK),
    _about_user(
        "track",
        _IF_NEEDED,
        required={"event": _TEXT},
        optional={
            "value": _NUMBER,
            "currencyCode": _TEXT,
            "info": _TEXT,
            "time": _NUMBER,
            "params": _OBJECT,
            "messageId": _INTEGER,
            "disposition": _TEXT,
            "allowOffline": _BOOLEAN,  # recorded; the old spelling of disposition=passive
        },
        in_multi=InMulti.RECORDED,
        delivery_class=_ONCE,
        answer=("isOffline",),
    ),
)

_USERS_AND_DEVICES: Final = (
    _about_user(
        "setUserAttributes",
        _IF_NEEDED,
        optional={
            **_LOCATION,
            "userAttributes": _OBJECT,
            "userAttributeValuesToAdd": _OBJECT,
            "userAttributeValuesToRemove": _OBJECT,
            "userAttributeValuesToIncrement": _OBJECT,
            "unsubscribeCategoriesToAdd": _LIST,
            "unsubscribeCategoriesToRemove": _LIST,
            "unsubscribeChannelsToAdd": ArgumentType.TEXT_OR_LIST,  # described as text; clients send lists
            "unsubscribeChannelsToRemove": ArgumentType.TEXT_OR_LIST,
            "newUserId": _TEXT,
            "events": _OBJECT,
            "states": _OBJECT,
            "created": _NUMBER,
            "lastActive": _NUMBER,
            "totalSessions": _INTEGER,
            "timeSpentInApp": _NUMBER,
            "devices": _LIST,
            "resetAnomalies": _BOOLEAN,  # recorded, with the development key
        },
        in_multi=InMulti.RECORDED,
    ),
    _about_user(
        "setDeviceAttributes",
        _IF_NEEDED,
        target=Target.DEVICE,
        optional=_DEVICE,  # at least one device field
        in_multi=InMulti.RECORDED,
    ),
    _about_user(
        "setTrafficSourceInfo",
        _IF_NEEDED,
        required={"trafficSource": _OBJECT},
        optional={"time": _NUMBER},
        in_multi=InMulti.SDK,
    ),
    ActionSpec(
        "registerDevice",
        HttpMethod.POST,
        _DEVELOPMENT,
        Target.DEVICE,
        required={"email": _TEXT},
        in_multi=InMulti.SDK,
        answer=("registered",),
    ),
    ActionSpec(
        "deleteUser",
        HttpMethod.POST,
        _DEVELOPMENT,
        Target.USER,
        optional={"fullErasure": _BOOLEAN},
        in_multi=InMulti.LIKELY,
    ),
    ActionSpec("block", HttpMethod.POST, _PRODUCTION, Target.USER, billable=True),
    # The published description says the development key, its companion collection of requests the production key.
    ActionSpec("unblock", HttpMethod.POST, _PRODUCTION, Target.USER, billable=True),
)

_MESSAGES: Final = (
    _about_user(
        "sendMessage",
        _NEVER,
        required={"messageId": _INTEGER},
        optional={"values": _OBJECT, "force": _BOOLEAN},
        in_multi=InMulti.RECORDED,
        delivery_class=_ONCE,
        answer=("result", "messagesSent"),
    ),
    _about_user(
        "startCampaign",
        _NEVER,
        key_class=_DEVELOPMENT,
        required={"campaignId": _INTEGER},
        optional={"values": _OBJECT, "force": _BOOLEAN},
        delivery_class=_ONCE,
    ),
    ActionSpec("getMessage", HttpMethod.GET, _CONTENT, required={"id": _INTEGER}, answer=("message",)),
    ActionSpec("getMessages", HttpMethod.GET, _CONTENT, optional=_DRAFTS, answer=("messages",)),
    ActionSpec("getUnsubscribeCategories", HttpMethod.GET, _CONTENT, answer=("categories",)),
    ActionSpec(
        "addAndroidNotificationChannel",
        HttpMethod.POST,
        _DEVELOPMENT,
        required={"id": _TEXT, "name": _TEXT, "importance": _INTEGER},
        optional={
            "description": _TEXT,
            "groupId": _TEXT,
            "enableLights": _BOOLEAN,
            "lightColor": _INTEGER,
            "enableVibration": _BOOLEAN,
            "vibrationPattern": _LIST,
            "lockscreenVisibility": _INTEGER,
            "bypassDnd": _BOOLEAN,
            "showBadge": _BOOLEAN,
            "sound": _TEXT,
            "default": _BOOLEAN,
        },
        answer=("channelCreated", "channelUpdated", "channelId", "name", "importance"),
    ),
    ActionSpec(
        "getAndroidNotificationChannels", HttpMethod.GET, _PRODUCTION, answer=("notificationChannels",)
    ),
    ActionSpec(
        "deleteAndroidNotificationChannel",
        HttpMethod.POST,
        _DEVELOPMENT,
        required={"channelId": _TEXT},
        answer=("channelDeleted", "channelId"),
    ),
)

_CONTENT_AND_FILES: Final = (
    ActionSpec("getAbTest", HttpMethod.GET, _CONTENT, required={"id": _INTEGER}, answer=("abTest",)),
    ActionSpec("getAbTests", HttpMethod.GET, _CONTENT, optional=_DRAFTS, answer=("abTests",)),
    ActionSpec("getVariant", HttpMethod.GET, _CONTENT, required={"id": _INTEGER}, answer=("variant",)),
    ActionSpec(
        "getVars",
        HttpMethod.GET,
        _PRODUCTION,
        Target.USER,
        optional={**_CREATE, "includeDefaults": _BOOLEAN},
        create_disposition=_NEVER,
        in_multi=InMulti.SDK,
        billable=True,
        answer=_CONTENT_ANSWER,
    ),
    ActionSpec(
        "setVars",
        HttpMethod.POST,
        _DEVELOPMENT,
        required={"vars": _OBJECT},
        optional={"deviceId": _TEXT},
        in_multi=InMulti.SDK,
    ),
    ActionSpec(
        "deleteVars", HttpMethod.POST, _DEVELOPMENT, required={"vars": _LIST}, answer=("variablesRemoved",)
    ),
    # Allowed in a batch, but only alone; it answers with a redirect and no envelope, so we never batch it.
    ActionSpec(
        "downloadFile", HttpMethod.GET, _PRODUCTION, required={"filename": _TEXT}, in_multi=InMulti.NEVER
    ),
    # Either filename, file, size and hash, or data with the parts file0, file1 and so on.
    ActionSpec(
        "uploadFile",
        HttpMethod.POST,
        _DEVELOPMENT,
        optional={
            "filename": _TEXT,
            "file": ArgumentType.BINARY,
            "size": _INTEGER,
            "hash": _TEXT,
            "data": _LIST,
        },
        in_multi=InMulti.NEVER,
    ),
)

_EXPORTS_AND_IMPORTS: Final = (
    ActionSpec(
        "addPostback",
        HttpMethod.POST,
        _EXPORT,
        required={"type": _TEXT, "postbackUrl": _TEXT},
        optional={"channels": _LIST},
        delivery_class=_ONCE,  # each call makes another, up to three
        answer=("postbackId",),
    ),
    ActionSpec("listPostbacks", HttpMethod.GET, _EXPORT, answer=("postbacks",)),
    ActionSpec("deletePostback", HttpMethod.POST, _EXPORT, required={"postbackId": _INTEGER}),
    ActionSpec(
        "exportUser",
        HttpMethod.GET,
        _EXPORT,
        Target.USER,
        billable=True,
        answer=(
            "userId",
            "created",
            "lastActive",
            "totalSessions",
            "timeSpentInApp",
            "userBucket",
            "userAttributes",
            "events",
            "states",
            "unsubscribeChannels",
            "unsubscribeCategories",
            "devices",
            *_LOCATION,
        ),
    ),
    # The three exports below change nothing, but each call starts another job and takes from a daily quota.
    ActionSpec(
        "exportUsers",
        HttpMethod.GET,
        _EXPORT,
        optional={"audienceName": _TEXT, "abTestId": _INTEGER, "userAttribute": _TEXT},
        delivery_class=_ONCE,
        answer=("jobId",),
    ),
    ActionSpec(
        "exportData",
        HttpMethod.GET,
        _EXPORT,
        required={"startDate": _TEXT},
        optional={
            "endDate": _TEXT,
            "startTime": _NUMBER,
            "endTime": _NUMBER,
            "exportFormat": _TEXT,
            "callbackUrl": _TEXT,
            "s3BucketName": _TEXT,
            "s3AccessId": _TEXT,
            "s3AccessKey": _TEXT,
            "s3ObjectPrefix": _TEXT,
            "compressData": _BOOLEAN,
        },
        delivery_class=_ONCE,
        answer=("jobId",),
    ),
    ActionSpec(
        "exportReport",
        HttpMethod.GET,
        _EXPORT,
        required={"startDate": _TEXT, "dataType": _TEXT},
        optional={
            "endDate": _TEXT,
            "abTestId": _INTEGER,
            "messageId": _INTEGER,
            "bookmarkName": _TEXT,
            "eventNames": _LIST,
        },
        delivery_class=_ONCE,
        answer=("jobId",),
    ),
    ActionSpec(
        "getExportResults",
        HttpMethod.GET,
        _EXPORT,
        required={"jobId": _TEXT},
        answer=("jobId", "state", "numSessions", "numBytes", "files", "fields", "s3CopyStatus", "data"),
    ),
    # With createJob, a CSV file in a bucket; without, a JSON batch, whose key is that of its actions.
    ActionSpec(
        "multi",
        HttpMethod.POST,
        _DEVELOPMENT,
        optional={
            "createJob": _BOOLEAN,
            "gcsBucket": _TEXT,
            "file": _TEXT,
            "defaultAction": _TEXT,
            "data": _LIST,
            "uuid": _TEXT,  # seen in SDKs: the batch's own id
        },
        in_multi=InMulti.NEVER,
        delivery_class=_ONCE,
        answer=("jobId",),
    ),
    ActionSpec(
        "getMultiResults", HttpMethod.GET, _DEVELOPMENT, required={"jobId": _TEXT}, answer=("state", "data")
    ),
)


def _seen(name: str, answer: tuple[str, ...] = (), **required: ArgumentType) -> ActionSpec:
    return ActionSpec(
        name,
        HttpMethod.POST,
        _PRODUCTION,
        Target.USER,
        required=required,
        in_multi=InMulti.SDK,
        billable=True,
        answer=answer,
        documented=False,
    )


# Source: Leanplum's SDKs. Servers may not know them.
_UNDOCUMENTED: Final = (
    ActionSpec(
        "getNewsfeedMessages",
        HttpMethod.GET,
        _CONTENT,
        Target.USER,
        in_multi=InMulti.SDK,
        billable=True,
        answer=("newsfeedMessages",),
        documented=False,
    ),
    _seen("markNewsfeedMessageAsRead", newsfeedMessageId=_TEXT),
    _seen("deleteNewsfeedMessage", newsfeedMessageId=_TEXT),
    _seen("restart"),
    _seen("log"),
    _seen("trackGeofence"),
    ActionSpec(
        "getMigrateState",
        HttpMethod.GET,
        _PRODUCTION,
        in_multi=InMulti.UNKNOWN,
        answer=("state", "sdk", "api", "sha256"),
        documented=False,
    ),
)

ACTIONS: Final[Mapping[str, ActionSpec]] = {
    spec.name: spec
    for family in (
        _BEHAVIOUR,
        _USERS_AND_DEVICES,
        _MESSAGES,
        _CONTENT_AND_FILES,
        _EXPORTS_AND_IMPORTS,
        _UNDOCUMENTED,
    )
    for spec in family
}

_RELATIVE: Final = ("userAttributeValuesToAdd", "userAttributeValuesToIncrement")


def delivery_class(action: Action) -> DeliveryClass:
    """Return what may be done if it is unknown whether *action* was carried out. It depends on the arguments."""
    if action.name == "setUserAttributes":
        if action.arguments.get("newUserId"):
            return DeliveryClass.ONCE  # the old id no longer exists for a second call
        if any(action.arguments.get(name) for name in _RELATIVE) or _counts_up(action):
            return DeliveryClass.CHECKABLE
    spec = ACTIONS.get(action.name)
    return spec.delivery_class if spec else DeliveryClass.ONCE


def is_billable(action: Action) -> bool:
    """Whether a request with *action* counts as a lookup of its user. Source: Leanplum docs: deleteUser doesn't."""
    spec = ACTIONS.get(action.name)
    return spec is None or spec.billable


def _counts_up(action: Action) -> bool:
    return any(
        field_name in entry
        for group in ("events", "states")
        for entry in (action.arguments.get(group) or {}).values()
        for field_name in ("countIncrement", "valueIncrement")
    )
