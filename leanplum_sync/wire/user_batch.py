"""
Reads the response to several exportUser actions in one ``multi``.

No source says that the API supports this, nor in which order it answers. So only elements that name their user are trusted;
the other users are read alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from leanplum_sync.address import Subject, SubjectKind
from leanplum_sync.errors import UnexpectedResponseError
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.envelope import Answered, BatchAnswer, Refused
from leanplum_sync.wire.profile import read_profile


@dataclass(frozen=True, slots=True)
class UserBatch:
    """
    *elements* has one element for each subject, in order; None for subjects that must be read alone.

    *works* is False if the API says that it does not support such batches. *was_billed*: reading users again may cost a second
    lookup.
    """

    elements: tuple[Mapping[str, Json] | None, ...]
    works: bool
    was_billed: bool


def unread(subjects: Sequence[Subject], *, works: bool, was_billed: bool) -> UserBatch:
    return UserBatch((None,) * len(subjects), works, was_billed)


def read_user_batch(answer: BatchAnswer, subjects: Sequence[Subject]) -> UserBatch:
    if isinstance(answer, Refused):
        return unread(subjects, works=False, was_billed=False)
    if not isinstance(answer, Answered):
        return unread(subjects, works=True, was_billed=True)
    elements = [_without_id(element) for element in answer.elements]
    tells = [_tells(element, subject) for element, subject in zip(elements, subjects, strict=True)]
    if _Tells.NONSENSE in tells:
        return unread(subjects, works=False, was_billed=True)
    # Elements without a user may be in any order. That makes no difference if they are all alike.
    believed = (
        {_Tells.OF_THE_USER} if _Tells.OF_A_FAILURE in tells else {_Tells.OF_THE_USER, _Tells.OF_NOBODY}
    )
    kept = tuple(element if told in believed else None for element, told in zip(elements, tells, strict=True))
    return UserBatch(kept, works=set(tells) != {_Tells.OF_A_FAILURE}, was_billed=True)


class _Tells(Enum):
    OF_THE_USER = auto()
    OF_NOBODY = auto()  # there is no such user
    OF_A_FAILURE = auto()
    NONSENSE = auto()  # another user, or not a user


def _without_id(element: Mapping[str, Json]) -> Mapping[str, Json]:
    """Remove ``reqId``: elements that are read alone have none, and snapshots must be the same either way."""
    return {name: value for name, value in element.items() if name != "reqId"}


def _tells(element: Mapping[str, Json], subject: Subject) -> _Tells:
    if not element["success"] or element.get("error") is not None:
        return _Tells.OF_A_FAILURE
    try:
        if not read_profile(element).exists:
            return _Tells.OF_NOBODY
    except UnexpectedResponseError:
        return _Tells.NONSENSE
    return _Tells.OF_THE_USER if _names(element, subject) else _Tells.NONSENSE


def _names(element: Mapping[str, Json], subject: Subject) -> bool:
    match subject.kind:
        case SubjectKind.USER:
            return element.get("userId") == subject.id
        case SubjectKind.DEVICE:
            devices = element.get("devices")
            return isinstance(devices, list) and any(
                isinstance(device, dict) and device.get("deviceId") == subject.id for device in devices
            )
        case SubjectKind.VARIABLE | SubjectKind.CHANNEL | SubjectKind.POSTBACK:
            return False  # no exportUser shows it
