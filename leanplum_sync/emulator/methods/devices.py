"""Devices and their push tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from leanplum_sync.emulator.arguments import Arguments
from leanplum_sync.emulator.user import DEVICE_FIELDS
from leanplum_sync.emulator.work import Element, Work, may_add_device


def set_device_attributes(work: Work) -> Element:
    device_id = work.arguments.required_text("deviceId")
    fields = device_fields(work.arguments)
    if work.switches.nested_device_attributes == "apply":
        nested = work.arguments.mapping("deviceAttributes")
        fields |= {name: nested[name] for name in DEVICE_FIELDS if nested.get(name) is not None}
    if work.user.has_device(device_id) or may_add_device(work):
        set_fields(work.user.device(device_id)["fields"], fields)
    return {}


def register_device(work: Work) -> Element:
    """Register a device for development; a second time changes nothing."""
    device_id, email = work.arguments.required_text("deviceId"), work.arguments.required_text("email")
    is_new = work.transaction.thing("registeredDevice", device_id) is None
    work.transaction.put_thing("registeredDevice", device_id, {"email": email})
    return {"registered": is_new}


def device_fields(arguments: Arguments) -> dict[str, Any]:
    """Return the device group of the arguments; "" is kept, it clears a field."""
    return {name: arguments.text(name) or "" for name in DEVICE_FIELDS if name in arguments}


def set_fields(known: dict[str, Any], given: Mapping[str, Any]) -> None:
    for name, value in given.items():
        if value == "":
            known.pop(name, None)
        else:
            known[name] = value
