"""What an action works with, and how its user is found or created."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from leanplum_sync.emulator.arguments import Arguments
from leanplum_sync.emulator.deliveries import Delivery
from leanplum_sync.emulator.errors import RefusedError, invalid, user_not_found
from leanplum_sync.emulator.sessions import expire
from leanplum_sync.emulator.store import Transaction
from leanplum_sync.emulator.switches import Switches
from leanplum_sync.emulator.user import User

Element: TypeAlias = dict[str, Any]
KeyClass: TypeAlias = Literal["production", "development", "data_export", "content_read_only"]

MAX_ID_LENGTH = 400


@dataclass(slots=True)
class Work:
    """
    One action while it is carried out.

    ``found`` is its user, for actions about a user. ``time`` is when it happened. ``deliveries`` collects what is sent to others
    once the request is committed.
    """

    method: Method
    arguments: Arguments
    transaction: Transaction
    switches: Switches
    key_class: KeyClass
    now: float
    time: float
    base_url: str
    files: dict[str, bytes] = field(default_factory=dict)
    found: User | None = None
    csv: str | None = None
    deliveries: list[Delivery] = field(default_factory=list)
    redirect: str | None = None

    @property
    def user(self) -> User:
        assert self.found is not None  # noqa: S101 (the table says which actions are about a user)
        return self.found


@dataclass(frozen=True, slots=True)
class Method:
    """
    One action of the API.

    *about* is the kind of target: ``nobody``; a user, created by default if missing (``create``) or not (``never``); a user that
    is only read (``read``); or a user if one is named (``anybody``).
    """

    run: Callable[[Work], Element]
    keys: frozenset[KeyClass]
    about: Literal["nobody", "create", "never", "read", "anybody"] = "nobody"
    writes: bool = True
    billed: bool = True
    alone: bool = False  # not inside a multi
    takes_blocked: bool = False


def subject(arguments: Arguments, owner_of: Callable[[str], str | None]) -> str | None:
    """Return the id of the profile that the action is about, existing or not; None if it names nobody."""
    if arguments.user_id is not None:
        return arguments.user_id
    if arguments.device_id is not None:
        return owner_of(arguments.device_id) or arguments.device_id
    return None


def find(work: Work) -> User:
    """
    Return the user that the action is about. A missing one is created in memory if that is allowed.

    Raises:
        SkippedError: the user doesn't exist and may not be created.
        RefusedError: no user is named, or the user is blocked.
    """
    user_id = subject(work.arguments, work.transaction.owner)
    if user_id is None:
        raise RefusedError("Invalid app/user combination", 404, is_lent=True)
    if len(user_id) > MAX_ID_LENGTH:
        raise invalid("userId")
    if len(work.arguments.device_id or "") > MAX_ID_LENGTH:
        raise invalid("deviceId")
    user = work.transaction.user(user_id)
    if user is None:
        if not may_create(work):
            raise user_not_found()
        return User(
            user_id=user_id,
            created=work.now,
            anonymous=work.arguments.user_id in (None, work.arguments.device_id),
        )
    if user.blocked and not work.method.takes_blocked:
        if work.method.about == "read":
            raise user_not_found()
        raise RefusedError("Unavailable For Legal Reasons", 451, is_lent=True)
    return user


def is_anonymous(work: Work) -> bool:
    """
    Return whether nobody has logged in as the action's user.

    Source: Leanplum's Android, iOS and JavaScript SDKs, which send the device id as the user id until somebody does.
    """
    user = work.user
    return user.anonymous or user.user_id == work.arguments.user_id == work.arguments.device_id


def keep(work: Work) -> None:
    """Save the action's user, with the device of the call if it is new."""
    user, device_id = work.user, work.arguments.device_id
    user.anonymous = is_anonymous(work)
    if device_id is not None and (user.has_device(device_id) or may_add_device(work)):
        user.device(device_id)
        if work.transaction.owner(device_id) != user.user_id:
            work.transaction.assign(device_id, user.user_id)
    if user.sessions:
        expire(user, work.now, work.transaction)
    work.transaction.put(user)


def may_create(work: Work) -> bool:
    match work.arguments.plain("createDisposition"):
        case "CreateIfNeeded":
            return work.method.about != "read"
        case "CreateNever":
            return False
        case _:
            return work.method.about == "create"


def may_add_device(work: Work) -> bool:
    if may_create(work):
        return True
    return work.method.about == "create" and work.switches.create_never_adds_devices
