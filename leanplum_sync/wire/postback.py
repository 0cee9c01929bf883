"""
Postbacks, as addPostback creates them and listPostbacks shows them.

The URL is a secret: our actions have the name of the environment variable that holds it, as ``{"env": NAME}``, and ``revealed`` puts the
URL in its place just before sending. So plans, journals and logs never have it.

Source: Leanplum's OpenAPI: each addPostback creates another postback, at most three; none can be updated, and listPostbacks doesn't
return their channels.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from leanplum_sync.errors import UnexpectedResponseError
from leanplum_sync.wire.action import Action, Json

TYPES: Final = ("messageEvents", "abTestEvents")
MOST: Final = 3  # of an app
SEVERAL: Final = "several"  # of the value of a postback: the app has more than one with this type and URL
ACTIONS: Final = ("addPostback", "deletePostback")
_LONG: Final = 8  # letters and digits; shorter parts of a URL occur in other words


def postback_name(type_: str, variable: str) -> str:
    """Return the name of a postback: the environment variable that holds its URL, and its type, unless it is the default one."""
    return variable if type_ == TYPES[0] else f"{variable}/{type_}"


def type_and_variable(name: str) -> tuple[str, str]:
    variable, _, type_ = name.partition("/")
    return type_ or TYPES[0], variable


def add_postback(name: str, value: Mapping[str, Json]) -> Action:
    _, variable = type_and_variable(name)
    return Action("addPostback", {**value, "postbackUrl": {"env": variable}})


def delete_postback(name: str, observed: Mapping[str, Json]) -> Action:
    """Delete the postback that was *observed*. Its type and URL are not sent: they say which one it is."""
    type_, variable = type_and_variable(name)
    arguments = {"postbackId": observed["postbackId"], "type": type_, "postbackUrl": {"env": variable}}
    return Action("deletePostback", arguments)


def written_by(action: str, arguments: Mapping[str, Json]) -> tuple[str, Json] | None:
    """Return the postback that an action adds, with its value, or deletes, with None. None: it is no such action."""
    match action, arguments:
        case "deletePostback", {"type": str(type_), "postbackUrl": {"env": str(variable)}}:
            return postback_name(type_, variable), None
        case "addPostback", {"type": str(type_), "postbackUrl": {"env": str(variable)}}:
            value = {argument: each for argument, each in arguments.items() if argument != "postbackUrl"}
            return postback_name(type_, variable), value
        case _:
            return None


def revealed(action: Action, url_in: Callable[[str], str]) -> tuple[Action, str]:
    """Return *action* as it is sent, and the URL that it has; of an action that is about no postback, itself and no URL."""
    match action.name, action.arguments:
        case "addPostback", {"postbackUrl": {"env": str(variable)}}:
            url = url_in(variable)
            return Action(action.name, {**action.arguments, "postbackUrl": url}), url
        case "deletePostback", {"postbackUrl": {"env": str(variable)}}:
            return Action(action.name, {"postbackId": action.arguments["postbackId"]}), url_in(variable)
        case _:
            return action, ""


def parts_of_url(url: str) -> Iterator[str]:
    """Yield *url* and the parts of it that are long, and so may be secret."""
    yield url
    yield from (part for part in re.split(r"[^A-Za-z0-9_-]+", url) if len(part) >= _LONG)


def seen_postbacks(element: Mapping[str, Json]) -> Mapping[tuple[str, str], dict[str, Json]]:
    """
    Return the value of each postback in a listPostbacks *element*, by its type and URL.

    Raises:
        UnexpectedResponseError: it has none.
    """
    listed = element.get("postbacks")
    found: dict[tuple[str, str], dict[str, Json]] = {}
    for each in listed if isinstance(listed, list) else (None,):
        match each:
            case {"postbackId": int(number), "postbackUrl": str(url), **rest}:
                key = str(rest.get("type") or TYPES[0]), url
                found[key] = {**found[key], SEVERAL: True} if key in found else {"postbackId": number}
            case _:
                raise UnexpectedResponseError(
                    "The response to listPostbacks has no list of postbacks with their ids and URLs."
                )
    return found
