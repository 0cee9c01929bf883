"""Names in specs, plans and journals: the address of a resource, the id of a subject."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True, order=True)
class ResourceAddress:
    """``kind/name``, as in ``UserAttributes/loyalty-tiers``."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"

    @classmethod
    def parse(cls, text: str) -> ResourceAddress:
        kind, _, name = text.partition("/")
        return cls(kind, name)


class SubjectKind(StrEnum):
    DEVICE = "device"
    USER = "user"
    VARIABLE = "variable"  # the id is its name, with its groups
    CHANNEL = "channel"  # a notification channel of Android
    POSTBACK = "postback"  # the id is its type, and the variable that holds its URL

    @property
    def id_argument(self) -> str:
        """
        The API's argument that holds the id, which is also the column of Leanplum's own files. Things of the app have no such
        argument: for them, it is the column in files of ours.
        """
        match self:
            case SubjectKind.DEVICE:
                return "deviceId"
            case SubjectKind.USER:
                return "userId"
            case SubjectKind.VARIABLE | SubjectKind.CHANNEL | SubjectKind.POSTBACK:
                return self.value

    @property
    def is_thing(self) -> bool:
        """Whether it belongs to the app as a whole: it is read without a user, and writing to it is no billable lookup."""
        match self:
            case SubjectKind.DEVICE | SubjectKind.USER:
                return False
            case SubjectKind.VARIABLE | SubjectKind.CHANNEL | SubjectKind.POSTBACK:
                return True

    @property
    def words(self) -> str:
        """What people call one of them."""
        match self:
            case SubjectKind.CHANNEL:
                return "notification channel"
            case SubjectKind.DEVICE | SubjectKind.USER | SubjectKind.VARIABLE | SubjectKind.POSTBACK:
                return self.value


def noun_of(kinds: Collection[SubjectKind]) -> str:
    """Return what people call a thing of the app of one of *kinds*."""
    return next(iter(kinds)).words if len(kinds) == 1 else "thing of the app"


@dataclass(frozen=True, slots=True, order=True)
class Subject:
    """
    A user, a device without a user, or a thing of the app.

    Ids are text: ``00123`` and ``123`` are two users. Subjects sort by kind, then by the UTF-8 bytes of the id,
    which is the order in every file and stream of subjects.
    """

    kind: SubjectKind
    id: str

    def __str__(self) -> str:
        return f"{self.kind.value}:{self.id}"

    def __hash__(self) -> int:
        return hash(
            self.id
        )  # hashing the kind takes longer than everything else and distinguishes few subjects

    @classmethod
    def user(cls, user_id: str) -> Subject:
        return cls(SubjectKind.USER, user_id)

    @classmethod
    def device(cls, device_id: str) -> Subject:
        return cls(SubjectKind.DEVICE, device_id)

    @classmethod
    def variable(cls, name: str) -> Subject:
        return cls(SubjectKind.VARIABLE, name)

    @classmethod
    def parse(cls, text: str) -> Subject:
        """Read what ``str()`` wrote."""
        kind, _, identifier = text.partition(":")
        return cls(SubjectKind(kind), identifier)
