"""One difference on one subject."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from leanplum_sync.address import Subject
from leanplum_sync.problem import Place
from leanplum_sync.wire.action import Json


class ChangeKind(StrEnum):
    CREATE = "create"  # field and values are empty
    SET = "set"
    REMOVE = "remove"
    RENAME = "rename"  # the new name takes the old name's value ...
    RENAMED_AWAY = "renamed away"  # ... and the old name is removed
    CONVERT = "convert"
    ADD = "add to list"
    TAKE_OUT = "take out of list"
    INCREMENT = "increment"
    PROFILE = "profile"
    DEVICE = "device"
    TOKEN = "token"  # noqa: S105 - the word names a kind of change
    SEND = "send"  # field: the message's name


@dataclass(frozen=True, slots=True)
class Change:
    """
    *before* is the observed value, None where there was none; *after* the value asked for, None for none.

    For a list that gains or loses values, *after* is those values; for an increment, the amount; for a send, the
    message's values. *asked_at* is the line of the spec, *found_at* the row of the data.
    """

    subject: Subject
    resource: str
    kind: ChangeKind
    field: str
    before: Json
    after: Json
    asked_at: Place
    found_at: Place
    device_id: str = ""  # of a device's change; empty for the rest
