"""Fingerprints: recognise a value that was sent, without storing the value."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import orjson

from leanplum_sync.wire.action import Action
from leanplum_sync.wire.profile import DEVICE_FIELDS


def fingerprint(*parts: str) -> str:
    """Return 32 hexadecimal digits for *parts*; their lengths are included, so that no two lists of parts collide."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        data = part.encode()
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.hexdigest()


def action_fingerprint(action: Action) -> str:
    """Return a fingerprint that only equal actions share."""
    return fingerprint("action", orjson.dumps(action.payload(), option=orjson.OPT_SORT_KEYS).decode())


def device_fingerprints(action: Action) -> Mapping[tuple[str, str], str]:
    """Return ``{(deviceId, field): fingerprint}`` for each device field that a setDeviceAttributes *action* sets."""
    if action.name != "setDeviceAttributes":
        return {}
    device_id = action.arguments["deviceId"]
    return {
        (device_id, field): device_fingerprint(device_id, field, action.arguments[field])
        for field in DEVICE_FIELDS
        if field in action.arguments
    }


def device_fingerprint(device_id: str, field: str, value: str) -> str:
    return fingerprint("device", device_id, field, value)
