"""Turns a call into its response: checks key and limits, then carries out each action in order, in the caller's transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from itertools import islice
from typing import TypeAlias

from leanplum_sync.emulator import counts
from leanplum_sync.emulator.arguments import Arguments
from leanplum_sync.emulator.csv_rows import rows
from leanplum_sync.emulator.deliveries import Delivery
from leanplum_sync.emulator.errors import RefusedError, SkippedError
from leanplum_sync.emulator.methods import TABLE, jobs
from leanplum_sync.emulator.request import Call
from leanplum_sync.emulator.store import Transaction
from leanplum_sync.emulator.switches import Switches
from leanplum_sync.emulator.values import to_json
from leanplum_sync.emulator.work import Element, KeyClass, Method, Work, find, keep, subject

MAX_USERS = 50
MAX_ACTIONS = 500
_IMPORT_CHUNK = 50
_DEV_MODE_SECONDS = 1.0
_DAY = 86_400
_YEAR = 365 * _DAY
_BAD_REQUEST = 400
_LENT_BY_CLASS = (404, 451)

OwnerOf: TypeAlias = Callable[[str], str | None]


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: a status with elements, an HTML page, or a redirect; and the deliveries to others."""

    status: int
    elements: list[Element] = field(default_factory=list)
    redirect: str | None = None
    is_html: bool = False
    deliveries: tuple[Delivery, ...] = ()


@dataclass(frozen=True, slots=True)
class App:
    app_id: str
    keys: dict[str, KeyClass]
    switches: Switches


@dataclass(slots=True)
class _Desk:
    """What all actions of one call share, and what they collect for the response."""

    call: Call
    key_class: KeyClass
    switches: Switches
    transaction: Transaction
    now: float
    is_multi: bool
    deliveries: list[Delivery] = field(default_factory=list)
    redirect: str | None = None


def refusal(message: str, status: int) -> Answer:
    """Return the response to a call that is refused as a whole: one element, whatever the number of actions."""
    return Answer(status, [{"success": False, "error": {"message": message}}])


def action_names(call: Call) -> frozenset[str]:
    """Return the names of the call and of all actions in it."""
    return frozenset({call.action, *(arguments.action for arguments in call.actions)})


def subjects(call: Call, owner_of: OwnerOf) -> set[str]:
    """Return the ids of the profiles that a call is about."""
    return {user_id for arguments in call.actions if (user_id := _subject(arguments, owner_of)) is not None}


def count_arrival(call: Call, transaction: Transaction) -> None:
    """Count what reached the server, carried out or not."""
    transaction.count(counts.REQUESTS, call.action or "(none)")
    for name, n in Counter(arguments.action for arguments in call.actions).items():
        transaction.count(counts.ACTIONS, name or "(none)", n)
        if name in TABLE and TABLE[name].writes:
            transaction.count(counts.WRITES, n=n)


def admit(call: Call, app: App, transaction: Transaction, now: float) -> Answer | KeyClass:
    """Return the class of the call's key, or the response that refuses the whole call."""
    if call.app_id != app.app_id:
        return refusal("App not found.", 404)
    key_class = app.keys.get(call.key or "")
    if key_class is None or (call.csv is not None and key_class != "development"):
        return refusal("Invalid access key", 403)
    if app.switches.api_version_required and call.api_version != "1.0.6":
        return refusal("'apiVersion' must be 1.0.6", 400)
    if call.is_multi:
        if (refused := _outsized(call, app.switches)) is not None:
            return refused
    elif (method := TABLE.get(call.action)) is not None and key_class not in method.keys:
        return refusal("Invalid access key", 403)
    return _dev_mode_refusal(call, key_class, app.switches, transaction, now) or key_class


def _outsized(call: Call, switches: Switches) -> Answer | None:
    if switches.time_required and call.time is None:
        return refusal("'time' must be provided", 400)
    if call.is_sdk:
        return None
    users = {arguments.user_id or arguments.device_id for arguments in call.actions} - {None}
    if len(users) > MAX_USERS or len(call.actions) > MAX_ACTIONS:
        return refusal(switches.oversized_text, 403)
    return None


def _dev_mode_refusal(
    call: Call, key_class: KeyClass, switches: Switches, transaction: Transaction, now: float
) -> Answer | None:
    """Refuse a ``devMode`` call within a second of another. Reads of exports and content are not limited."""
    developers = [arguments for arguments in call.actions if arguments.flag("devMode")]
    if not developers or key_class not in ("production", "development"):
        return None
    if key_class == "production" and not switches.dev_mode_with_production_key:
        return refusal("Development mode requested but not permitted for this key.", 403)
    if switches.dev_mode_limit == "off":
        return None
    whole_app = switches.dev_mode_limit == "per_app"
    keys = {"" if whole_app else str(_subject(arguments, transaction.owner)) for arguments in developers}
    seen = [transaction.thing("devMode", key) for key in keys]
    if any(last is not None and 0 <= now - last < _DEV_MODE_SECONDS for last in seen):
        return refusal("Per device rate limit exceeded.", 429)
    for key in keys:
        transaction.put_thing("devMode", key, now)
    return None


def carry_out(call: Call, key_class: KeyClass, app: App, transaction: Transaction, now: float) -> Answer:
    users = [_subject(arguments, transaction.owner) for arguments in call.actions]
    transaction.fetch({user_id for user_id in users if user_id is not None})
    _count_lookups(call, users, transaction)
    desk = _Desk(call, key_class, app.switches, transaction, now, call.is_multi)
    answered = [_answered(arguments, desk) for arguments in call.actions]
    elements, statuses = [element for element, _ in answered], [status for _, status in answered]
    status = next((each for each in statuses if each != HTTPStatus.OK), 200)
    if status == _BAD_REQUEST:
        status = app.switches.missing_argument_status
    if desk.is_multi and app.switches.order == "user_sorted":
        elements = _sorted_by_user(elements, call)
    return Answer(status, elements, redirect=desk.redirect, deliveries=tuple(desk.deliveries))


def _sorted_by_user(elements: list[Element], call: Call) -> list[Element]:
    def user_id(index: int) -> str:
        arguments = call.actions[index]
        return arguments.user_id or arguments.device_id or ""

    return [elements[index] for index in sorted(range(len(elements)), key=user_id)]


def _count_lookups(call: Call, users: list[str | None], transaction: Transaction) -> None:
    """Bill each of the actions' unique users once: as a write if anything writes to them."""
    if call.is_sdk:
        return
    kinds: dict[str, str] = {}
    for arguments, user_id in zip(call.actions, users, strict=True):
        method = TABLE.get(arguments.action)
        if method is not None and method.billed and user_id is not None:
            kinds[user_id] = "writes" if method.writes else kinds.get(user_id, "reads")
    for kind, n in Counter(kinds.values()).items():
        transaction.count(counts.LOOKUPS, kind, n)


def _answered(arguments: Arguments, desk: _Desk) -> tuple[Element, int]:
    """Return one action's element and its HTTP status."""
    uuid, req_id = desk.call.uuid, arguments.plain("reqId")
    # A key that doesn't permit the action is refused before anything else, and the refusal is not repeated to another key.
    is_permitted = desk.key_class in TABLE.get(arguments.action, _READ).keys
    answers_again = desk.switches.duplicates == "answer_again" and is_permitted
    once = (uuid, req_id) if uuid and req_id and answers_again else None
    if once is not None and (before := desk.transaction.answered(*once)) is not None:
        return before, 200
    element, status, advice = _attempted(arguments, desk)
    if advice is not None and "warning" not in element and not arguments.flag("resetAnomalies"):
        element["warning"] = {"message": advice}
    if req_id is not None:
        element["reqId"] = req_id
    if once is not None and TABLE.get(arguments.action, _READ).writes:
        desk.transaction.remember_answer(*once, element)
    return element, status


def _attempted(arguments: Arguments, desk: _Desk) -> tuple[Element, int, str | None]:
    """Return one action's element, its HTTP status, and the warning about its time."""
    advice = None
    try:
        method = _method(arguments, desk)
        time, advice = _resolved(desk.now, desk.call.time, arguments.number("time"), desk.switches)
        work = Work(
            method=method,
            arguments=arguments,
            transaction=desk.transaction,
            switches=desk.switches,
            key_class=desk.key_class,
            now=desk.now,
            time=time,
            base_url=desk.call.base_url,
            files=desk.call.files,
        )
        element = _run(work)
    except SkippedError as skip:
        return _skipped(skip, desk.switches), 200, advice
    except RefusedError as refused:
        return {"success": False, "error": {"message": refused.message}}, _status(refused, desk), advice
    desk.deliveries += work.deliveries
    desk.redirect = work.redirect
    if work.csv is not None:
        _import(work, element["jobId"], desk)
    return element, 200, advice


def _resolved(
    now: float, envelope_time: float | None, action_time: float | None, switches: Switches
) -> tuple[float, str | None]:
    """
    Return by the server's clock when the action happened, and a warning about its time, if any.

    If the batch is a day or more late, or the action more than 365 days old, the time is now.
    """
    sent = now if envelope_time is None else envelope_time
    if now - sent >= _DAY:
        return now, _clock_skew(now - sent, "behind")
    if sent - now >= _DAY and switches.future_clock == "warn":
        return now, _clock_skew(sent - now, "ahead")
    if action_time is None:
        return now, None
    age = sent - action_time
    if age > _YEAR:
        return now, f"Past event detected ({int(age // _DAY)} days ago). Rewriting timestamp."
    return now - age, None


def _clock_skew(seconds: float, direction: str) -> str:
    return f"Device clock skew detected ({int(seconds // _DAY)} days {direction}). Rewriting timestamp."


def _status(refused: RefusedError, desk: _Desk) -> int:
    """Return the HTTP status that a refused action gives its whole response."""
    if not desk.is_multi:
        return refused.status
    match desk.switches.failed_action_status:
        case "recorded":
            return refused.status if refused.is_lent else 200
        case "by_class":
            return refused.status if refused.status in _LENT_BY_CLASS else 200
        case "always_200":
            return 200


def _method(arguments: Arguments, desk: _Desk) -> Method:
    name = arguments.action
    method = TABLE.get(name)
    if method is None or (desk.is_multi and name == "multi"):
        raise RefusedError("Action not found", 404)
    if desk.key_class not in method.keys:
        raise RefusedError("Invalid access key", 403)
    is_barred = method.alone or (name == "exportUser" and not desk.switches.export_user_in_multi)
    if desk.is_multi and is_barred and len(desk.call.actions) > 1:
        raise RefusedError(f"{name} must be the only method in a batch")
    return method


def _run(work: Work) -> Element:
    method = work.method
    if method.about not in ("nobody", "anybody"):
        work.found = find(work)
    element = method.run(work)
    if method.about in ("create", "never") and work.found is not None:
        keep(work)
    if method.writes and element.get("messagesSent", 1):
        work.transaction.count(counts.EFFECTS, work.arguments.action)
    return {"success": True} | element


def _skipped(skip: SkippedError, switches: Switches) -> Element:
    element: Element = {"success": True, "warning": {"message": skip.message}}
    if skip.ignored and switches.ignored_at in ("both", "warning"):
        element["warning"]["ignored"] = True
    if skip.ignored and switches.ignored_at in ("both", "element"):
        element["ignored"] = True
    return element


def _import(work: Work, job_id: str, desk: _Desk) -> None:
    """Run the rows of a CSV job in chunks of fifty; each chunk bills its unique users."""
    pending: Iterator[Arguments] = map(Arguments, rows(work.csv or "", work.arguments.text("defaultAction")))
    elements: list[Element] = []
    # Without its envelope the call is an ordinary multi, so that a row can't start another job.
    batch = replace(desk.call, envelope=Arguments({}), uuid=None)
    try:
        while chunk := tuple(islice(pending, _IMPORT_CHUNK)):
            part = replace(desk, call=replace(batch, actions=chunk), is_multi=True, deliveries=[])
            users = [_subject(arguments, desk.transaction.owner) for arguments in chunk]
            _count_lookups(part.call, users, desk.transaction)
            elements += [_answered(arguments, part)[0] for arguments in chunk]
            desk.deliveries += part.deliveries
    except RefusedError:
        return  # not CSV: the job stays failed
    failures = sum(not element["success"] for element in elements)
    jobs.finish(work, job_id, [to_json(element) for element in elements], failures)


# Stands for unknown actions, which change nothing.
_READ = Method(lambda _: {}, frozenset(), writes=False)


def _subject(arguments: Arguments, owner_of: OwnerOf) -> str | None:
    """Return the id of the profile an action is about; None for actions about nobody."""
    method = TABLE.get(arguments.action)
    return None if method is None or method.about == "nobody" else subject(arguments, owner_of)
