"""Profile fields, device fields and push tokens: the values that each of them accepts, and the form in which they are sent."""

from __future__ import annotations

import json
import re
from functools import partial
from typing import Final

from leanplum_sync.kinds.rows.cells import Check
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.convert import ConversionError, ValueType, convert, epoch_seconds
from leanplum_sync.wire.profile import NUMBER_FIELDS, TIME_FIELDS

IOS: Final = "iosPushToken"
ANDROID: Final = "gcmRegistrationId"
WEB: Final = "webPushSubscription"

_HEX = re.compile(r"([0-9a-f]{2}){32,}")
_APNS_DIGITS: Final = 64
_FCM = re.compile(r"[A-Za-z0-9_:%.~=+/-]{20,4096}")
_ENDPOINT = re.compile(r"https://[!-~]+")
_BASE64 = re.compile(r"[A-Za-z0-9_+/-]+={0,2}")
_WEB_KEYS: Final = ("endpoint", "key", "auth")
_COUNTRY = re.compile(r"[A-Z]{2}")
_WHOLE_NUMBERS: Final = ("totalSessions", "timezoneOffsetSeconds")


def device_check(field: str) -> Check:
    """Return the function that turns a value into what device *field* is sent, or raises ConversionError."""
    return {IOS: ios_token, ANDROID: android_token, WEB: web_subscription}.get(field, _text)


def ios_token(value: Json) -> str:
    """
    Return an APNs token as the API keeps it: lower-case hexadecimal digits.

    Source: the iOS SDK, which strips angle brackets and blanks. A token is 32 bytes, and may become longer.
    """
    token = re.sub(r"[<>\s]", "", value).lower() if isinstance(value, str) else ""
    if not _HEX.fullmatch(token):
        raise ConversionError("an APNs token: an even number of hexadecimal digits, 64 or more")
    return token


def android_token(value: Json) -> str:
    """Source: Firebase calls its tokens opaque. Known ones have 140 or more of these characters, and no spaces."""
    if not isinstance(value, str) or not _FCM.fullmatch(value):
        raise ConversionError("an FCM registration token: 20 characters or more, without spaces")
    if _HEX.fullmatch(value.lower()) and len(value) == _APNS_DIGITS:
        raise ConversionError("an FCM registration token: it is an APNs token, which goes under `ios`")
    return value


def web_subscription(value: Json) -> str:
    """
    Return a web push subscription in the form that the API accepts: JSON text with endpoint, key and auth.

    Text is kept as it is, so that it equals what the SDK sent; a mapping is written compactly.
    """
    subscription = _parsed(value)
    if not isinstance(subscription, dict) or any(
        not isinstance(subscription.get(key), str) or not subscription[key] for key in _WEB_KEYS
    ):
        raise ConversionError(
            'a web push subscription: {"endpoint": "https://...", "key": "...", "auth": "..."},'
            " the key directly under `key`, not under `keys`"
        )
    if not _ENDPOINT.fullmatch(subscription["endpoint"]):
        raise ConversionError(
            "a web push subscription whose endpoint is an address that starts with https://"
        )
    if not all(_BASE64.fullmatch(subscription[key]) for key in ("key", "auth")):
        raise ConversionError("a web push subscription with `key` and `auth` in base64")
    if isinstance(value, str):
        return value
    return json.dumps({key: subscription[key] for key in _WEB_KEYS}, separators=(",", ":"))


def _parsed(value: Json) -> Json:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value, parse_constant=_refused, object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        return None


def _refused(constant: str) -> Json:
    raise ValueError(constant)  # NaN and Infinity are not JSON


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key appears twice")
    return found


def _text(value: Json) -> str:
    # A number is refused, not converted: the version 17.0 would become 17.
    if not isinstance(value, str) or not value.strip():
        raise ConversionError("text; write a version such as 17.0 in quotes")
    return value


def profile_check(field: str) -> Check:
    """Return a function that converts a value to the form that *field* is sent in, or raises ConversionError."""
    if field in TIME_FIELDS:
        return epoch_seconds
    if field in _WHOLE_NUMBERS:
        return partial(convert, to=ValueType.INTEGER)
    if field in NUMBER_FIELDS:
        return partial(convert, to=ValueType.NUMBER)
    return _country if field == "country" else _place


def _place(value: Json) -> Json:
    if not isinstance(value, str) or not value:
        raise ConversionError("text")
    # Source: Leanplum OpenAPI: (detect) uses the address of the caller, which is this machine, not the user.
    if value.strip().lower() == "(detect)":
        raise ConversionError("a place; (detect) would use this machine's location")
    return value


def _country(value: Json) -> Json:
    if not _COUNTRY.fullmatch(_place(value)):
        raise ConversionError("a country as two capital letters, such as DE")
    return value
