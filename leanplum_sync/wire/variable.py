r"""
Names of variables, and what getVars and setVars say of them.

A dotted name is a path of groups: ``paywall.title`` is ``{"paywall": {"title": ...}}`` in both. ``\.`` is a dot of its own: without the
backslash, setVars takes a key with a dot for groups, too. Source: recorded replies of getVars; Leanplum's SDKs, which send setVars the
same way.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from leanplum_sync.errors import UnexpectedResponseError
from leanplum_sync.wire.action import Action, Json

_DOT: Final = re.compile(r"(?<!\\)\.")
_BACKSLASH: Final = re.compile(r"\\(?!\.)")  # in no name of ours: nobody knows whether the API drops it


def parts_of(name: str) -> list[str]:
    return [part.replace("\\.", ".") for part in _DOT.split(name)]


def is_name(name: str) -> bool:
    """Whether a variable can have this name, and no other one means the same variable."""
    parts = parts_of(name)
    return not _BACKSLASH.search(name) and all(
        part and part == part.strip() and part.isprintable() for part in parts
    )


def joined(path: Iterable[str]) -> str:
    return ".".join(map(_escaped, path))


def _escaped(part: str) -> str:
    return part.replace(".", "\\.")


def groups_above(name: str) -> list[str]:
    """Return the names of the groups that *name* is in: ``a`` and ``a.b`` for ``a.b.c``."""
    path = parts_of(name)
    return [joined(path[:length]) for length in range(1, len(path))]


def leaves_of(name: str, value: Json) -> Iterator[tuple[str, Json]]:
    """Yield the variables that setting *name* to *value* sets: one, or those of a group that is not empty."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from leaves_of(f"{name}.{key.replace('.', chr(92) + '.')}", item)
    else:
        yield name, value


def set_vars(name: str, value: Json) -> Action:
    """Set one variable, and no other of its groups."""
    for part in reversed(parts_of(name)):
        value = {_escaped(part): value}
    return Action("setVars", {"vars": value})


def delete_vars(name: str) -> Action:
    return Action("deleteVars", {"vars": [name]})


def written_by(action: str, arguments: Mapping[str, Json]) -> tuple[str, Json] | None:
    """Return the one variable that an action of ours sets, with its value, or deletes, with None. None: it is no such action."""
    match action, arguments.get("vars"):
        case "deleteVars", [str(name)]:
            return name, None
        case "setVars", dict() as value:
            path, leaf = _only_leaf(value)
            return None if isinstance(leaf, dict) else (".".join(path), leaf)  # as ``set_vars`` escaped them
        case _:
            return None


def _only_leaf(value: Json) -> tuple[tuple[str, ...], Json]:
    """Return the path to the only leaf of *value*, and the leaf; a mapping if there are none or several."""
    if not isinstance(value, dict) or len(value) != 1:
        return (), value
    [(part, inner)] = value.items()
    path, leaf = _only_leaf(inner)
    return (part, *path), leaf


def read_variables(element: Mapping[str, Json]) -> Mapping[str, Json]:
    """
    Return the tree of variables in a getVars *element*.

    Raises:
        UnexpectedResponseError: it has none.
    """
    tree = element.get("vars")
    if not isinstance(tree, dict):
        raise UnexpectedResponseError('The response to getVars has no object named "vars".')
    return tree


def seen_in(tree: Mapping[str, Json], name: str) -> dict[str, Json]:
    """
    Return what *tree* shows at *name*: its value by its name, nothing if it has none.

    If a group that *name* would be in is a single value instead, that is what is returned, by the group's name.
    """
    here: Json = tree
    path = parts_of(name)
    for length, part in enumerate(path, start=1):
        if not isinstance(here, dict):
            return {joined(path[: length - 1]): here}
        here = here.get(part)
        if here is None:
            return {}
    return {name: here}


def overlaps(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield each of *names* with the one that it can't stand beside, because that is a group of it."""
    known = set(names)
    for name in names:
        for group in groups_above(name):
            if group in known:
                yield name, group
