"""A/B tests, their variants, and variables: what a user of the app is shown."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson

from leanplum_sync.emulator.errors import RefusedError, SkippedError, missing, user_not_found
from leanplum_sync.emulator.experiments import variants_of
from leanplum_sync.emulator.methods.messages import is_listed, requested, without_own
from leanplum_sync.emulator.work import Element, Work, may_create, subject

# The id is the key of the map that is answered.
_OWN_NEWSFEED_KEYS = frozenset({"newsfeedMessageId", "userId"})
_MAX_VARIABLES_BYTES = 1_000_000
# Where profiles and events go: to Leanplum, to CleverTap, or to both.
_SYSTEM_OF_STATE: Final = {"NONE": "lp", "EVENTS_UPLOAD_STARTED": "lp+ct", "SDK_TRAFFIC_STOPPED": "ct"}


def get_ab_test(work: Work) -> Element:
    return {"abTest": {"details": {}} | without_own(requested(work, "abTest", "A/B test not found."))}


def get_ab_tests(work: Work) -> Element:
    tests = [test for test in work.transaction.things("abTest").values() if is_listed(test, work)]
    return {
        "abTests": [
            {name: value for name, value in without_own(test).items() if name != "details"} for test in tests
        ]
    }


def get_variant(work: Work) -> Element:
    wanted = work.arguments.required_text("id")
    for test in work.transaction.things("abTest").values():
        for variant in test.get("variants", ()):
            if str(variant.get("id")) == wanted:
                return {"variant": variant}
    raise RefusedError("Variant not found.", 404)


def get_vars(work: Work) -> Element:
    """Return the content for a user; for nobody, what a new user would see."""
    user_id = subject(work.arguments, work.transaction.owner)
    if user_id is not None:
        work.found = work.transaction.user(user_id)
        if (work.found is None or work.found.blocked) and not may_create(work):
            raise user_not_found()
    return content_for(work)


def content_for(work: Work) -> Element:
    """Return what start and getVars tell: variables with the user's variants over the defaults."""
    user_id = None if work.found is None else work.found.user_id
    with_defaults = work.arguments.flag("includeDefaults", default=True)
    variables = _defaults(work) if with_defaults else {}
    variants = []
    tests = work.transaction.things("abTest")
    for variant in variants_of(tests, user_id).values() if user_id is not None else ():
        variants.append({"id": variant["id"]})
        for variable in variant.get("variables", ()):
            variables[_canonical(variable["name"])] = _typed(variable.get("value"))
    return {
        "vars": _nested(variables),
        "variants": variants,
        "messages": {},
        "regions": {},
        "interfaceRules": [],
        "interfaceEvents": [],
    }


def _defaults(work: Work) -> dict[str, Any]:
    return {name: thing.get("value") for name, thing in work.transaction.things("variable").items()}


def _typed(value: Any) -> Any:
    """Return a variant's value, which is always text, as what it says."""
    if not isinstance(value, str):
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return value


def set_vars(work: Work) -> Element:
    """Set variables; groups may be nested objects or dotted names, and those not named stay."""
    given = work.arguments.mapping("vars")
    if not given:
        raise missing("vars")
    known = _defaults(work)
    for name, value in _flat(given, ()):
        known[name] = value
        work.transaction.put_thing("variable", name, {"name": name, "value": value})
    if len(orjson.dumps(known)) > _MAX_VARIABLES_BYTES:
        raise RefusedError("Variables exceed 1 MB.", 400)
    return {}


def delete_vars(work: Work) -> Element:
    """Delete variables, whole groups too."""
    wanted = [_canonical(str(name)) for name in work.arguments.sequence("vars")]
    if not wanted:
        raise missing("vars")
    removed = [
        name
        for name in _defaults(work)
        if any(name == gone or name.startswith(f"{gone}.") for gone in wanted)
    ]
    for name in removed:
        work.transaction.remove_thing("variable", name)
    return {"variablesRemoved": removed}


def _flat(values: Mapping[str, Any], above: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        path = (*above, *_parts(name))
        if isinstance(value, dict) and value:
            yield from _flat(value, path)
        else:
            yield _joined(path), value


def _parts(name: str) -> list[str]:
    r"""Return the groups of a dotted name; ``\.`` is a dot of its own."""
    return [re.sub(r"\\(.)", r"\1", part) for part in re.split(r"(?<!\\)\.", name)]


def _joined(path: tuple[str, ...] | list[str]) -> str:
    return ".".join(part.replace(".", "\\.") for part in path)


def _canonical(name: str) -> str:
    return _joined(_parts(name))


def _nested(variables: Mapping[str, Any]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for name, value in sorted(variables.items()):
        *groups, last = _parts(name)
        inner = nested
        for group in groups:
            if not isinstance(inner.get(group), dict):
                inner[group] = {}
            inner = inner[group]
        inner[last] = value
    return nested


def get_newsfeed_messages(work: Work) -> Element:
    user_id = work.user.user_id
    things = work.transaction.things("newsfeedMessage")
    return {
        "newsfeedMessages": {
            key: {name: value for name, value in thing.items() if name not in _OWN_NEWSFEED_KEYS}
            for key, thing in things.items()
            if thing.get("userId") in (None, user_id)
        }
    }


def mark_newsfeed_message_as_read(work: Work) -> Element:
    key, message = _newsfeed_message(work)
    work.transaction.put_thing("newsfeedMessage", key, message | {"isRead": True})
    return {}


def delete_newsfeed_message(work: Work) -> Element:
    key, _ = _newsfeed_message(work)
    work.transaction.remove_thing("newsfeedMessage", key)
    return {}


def _newsfeed_message(work: Work) -> tuple[str, dict[str, Any]]:
    key = work.arguments.required_text("newsfeedMessageId")
    message = work.transaction.thing("newsfeedMessage", key)
    if not isinstance(message, dict):
        raise SkippedError("Newsfeed message not found")
    return key, message


def get_migrate_state(work: Work) -> Element:
    """Return the state of the app's migration to CleverTap. Source: fixtures of Leanplum's JavaScript SDK."""
    element = unlisted(work)
    state = work.switches.migrate_state
    system = _SYSTEM_OF_STATE[state]
    return element | {
        "state": state,
        "sdk": system,
        "api": {"profile": system, "events": system},
        "sha256": migration_hash(state),
    }


def migration_hash(state: str) -> str:
    """Return the hash that tells callers whether the migration state has changed."""
    return hashlib.sha256(state.encode()).hexdigest()


def unlisted(work: Work) -> Element:
    """Answer an action that only SDKs send."""
    if not work.switches.unlisted_actions:
        raise RefusedError("Action not found", 404)
    return {}
