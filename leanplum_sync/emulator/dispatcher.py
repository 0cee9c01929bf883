"""A call -> its answer: key and limits first, then each action in order, in the caller's transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from leanplum_sync.emulator import counts
from leanplum_sync.emulator.errors import RefusedError, SkippedError
from leanplum_sync.emulator.methods import TABLE
from leanplum_sync.emulator.timing import resolved
from leanplum_sync.emulator.work import Element, KeyClass, Method, Work, find, keep, subject

if TYPE_CHECKING:
    from leanplum_sync.emulator.arguments import Arguments
    from leanplum_sync.emulator.request import Call
    from leanplum_sync.emulator.store import Transaction
    from leanplum_sync.emulator.switches import Switches

MAX_USERS = 50
MAX_ACTIONS = 500
# Statuses that a failing action can lend to the answer of its whole multi.
_LENT = (404, 451)


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back: a status and the elements, or a place to go to instead."""

    status: int
    elements: list[Element] = field(default_factory=list)
    redirect: str | None = None


@dataclass(frozen=True, slots=True)
class App:
    """Who may call: the app's id and its keys by class; and how doubtful things are to go."""

    app_id: str
    keys: dict[str, KeyClass]
    switches: Switches
    base_url: Callable[[], str]


def refusal(message: str, status: int) -> Answer:
    """Return the answer to a call that was refused as a whole: one element, whatever the number of actions."""
    return Answer(status, [{"success": False, "error": {"message": message}}])


def subjects(call: Call, owner_of: Callable[[str], str | None]) -> set[str]:
    """Return the ids of the profiles a call is about."""
    found = set()
    for arguments in call.actions:
        method = TABLE.get(_name(arguments))
        if method is not None and method.about != "nobody":
            found.add(subject(arguments, owner_of))
    return {user_id for user_id in found if user_id is not None}


def count_arrival(call: Call, transaction: Transaction) -> None:
    """Count what reached the server, whatever becomes of it."""
    transaction.count(counts.REQUESTS, call.action or "(none)")
    names = Counter(_name(arguments) or "(none)" for arguments in call.actions)
    for name, n in names.items():
        transaction.count(counts.ACTIONS, name, n)
        method = TABLE.get(name)
        if method is not None and method.writes:
            transaction.count(counts.WRITES, n=n)


def admit(call: Call, app: App) -> Answer | KeyClass:
    """Return the class of the call's key, or the answer that refuses the whole call."""
    if call.app_id != app.app_id:
        return refusal("App not found.", 404)
    key_class = app.keys.get(call.key or "")
    if key_class is None:
        return refusal("Invalid access key", 403)
    if app.switches.api_version_required and call.api_version != "1.0.6":
        return refusal("'apiVersion' must be 1.0.6", 400)
    if call.is_multi:
        return _oversized(call, app.switches) or key_class
    method = TABLE.get(call.action)
    if method is not None and key_class not in method.keys:
        return refusal("Invalid access key", 403)
    return key_class


def _oversized(call: Call, switches: Switches) -> Answer | None:
    if switches.time_required and call.time is None:
        return refusal("'time' must be provided", 400)
    if call.is_sdk:
        return None
    users = {_user_id(arguments) for arguments in call.actions} - {None}
    if len(users) > MAX_USERS or len(call.actions) > MAX_ACTIONS:
        return refusal(switches.oversized_text, 403)
    return None


def carry_out(call: Call, key_class: KeyClass, app: App, transaction: Transaction, now: float) -> Answer:
    """Do all the call asks for, in order, and return the answer."""
    transaction.fetch({user_id for arguments in call.actions if (user_id := _user_id(arguments)) is not None})
    _count_lookups(call, transaction)
    desk = _Desk(call, key_class, app, transaction, now)
    answered = [_answered(arguments, desk) for arguments in call.actions]
    elements = [element for element, _ in answered]
    if not call.is_multi:
        (status,) = (status for _, status in answered)
        return Answer(app.switches.missing_argument_status if status == 400 else status, elements)  # noqa: PLR2004
    lent = [status for _, status in answered if status in _LENT]
    status = lent[0] if lent and app.switches.failed_action_status == "by_class" else 200
    if app.switches.order == "user_sorted":
        by_user = sorted(range(len(elements)), key=lambda index: _user_id(call.actions[index]) or "")
        elements = [elements[index] for index in by_user]
    return Answer(status, elements)


def _count_lookups(call: Call, transaction: Transaction) -> None:
    """Bill each unique user of the request once: as a write if anything writes to them."""
    if call.is_sdk:
        return
    kinds: dict[str, str] = {}
    for arguments in call.actions:
        method = TABLE.get(_name(arguments))
        if (
            method is not None
            and method.is_billed
            and (user_id := subject(arguments, transaction.owner)) is not None
        ):
            kinds[user_id] = "writes" if method.writes else kinds.get(user_id, "reads")
    for kind, n in Counter(kinds.values()).items():
        transaction.count(counts.LOOKUPS, kind, n)


@dataclass(frozen=True, slots=True)
class _Desk:
    """What all actions of one call share."""

    call: Call
    key_class: KeyClass
    app: App
    transaction: Transaction
    now: float


def _answered(arguments: Arguments, desk: _Desk) -> tuple[Element, int]:
    """Return one action's element and the status it asks for."""
    call, app, transaction = desk.call, desk.app, desk.transaction
    req_id = arguments.plain("reqId")
    repeatable = call.uuid is not None and req_id is not None and app.switches.duplicates == "answer_again"
    if repeatable and (before := transaction.answered(str(call.uuid), str(req_id))) is not None:
        return before, 200
    advice = None
    status = 200
    try:
        method = _method(arguments, desk)
        time, advice = resolved(desk.now, call.time, arguments.number("time"), app.switches)
        work = Work(
            method=method,
            arguments=arguments,
            transaction=transaction,
            switches=app.switches,
            key_class=desk.key_class,
            now=desk.now,
            time=time,
            base_url=app.base_url(),
            files=call.files,
        )
        element = _run(work)
    except SkippedError as skip:
        element = {"success": True, "warning": {"message": skip.message}}
        if skip.ignored:
            element = _ignored(element, app.switches)
    except RefusedError as refused:
        element = {"success": False, "error": {"message": refused.message}}
        status = refused.status
    if advice is not None and "warning" not in element and not arguments.flag("resetAnomalies"):
        element["warning"] = {"message": advice}
    if req_id is not None:
        element["reqId"] = req_id
    if repeatable:
        transaction.remember_answer(str(call.uuid), str(req_id), element)
    return element, status


def _method(arguments: Arguments, desk: _Desk) -> Method:
    call, name = desk.call, _name(arguments)
    method = TABLE.get(name)
    if method is None or (call.is_multi and name == "multi"):
        raise RefusedError("Action not found", 404)
    if desk.key_class not in method.keys:
        raise RefusedError("Invalid access key", 403)
    if call.is_multi and (
        method.alone or (name == "exportUser" and not desk.app.switches.export_user_in_multi)
    ):
        raise RefusedError(f"{name} must be the only method in a batch")
    return method


def _run(work: Work) -> Element:
    method = work.method
    if method.about != "nobody":
        work.found = find(work)
    element = method.run(work)
    if method.about in ("create", "never") and method.writes and work.found is not None:
        keep(work)
    if method.writes and element.get("messagesSent", 1):
        work.transaction.count(counts.EFFECTS, _name(work.arguments))
    return {"success": True} | element


def _ignored(element: Element, switches: Switches) -> Element:
    if switches.ignored_at in ("both", "warning"):
        element["warning"]["ignored"] = True
    if switches.ignored_at in ("both", "element"):
        element["ignored"] = True
    return element


def _name(arguments: Arguments) -> str:
    return arguments.plain("action") or ""


def _user_id(arguments: Arguments) -> str | None:
    return arguments.plain("userId") or arguments.plain("deviceId")
