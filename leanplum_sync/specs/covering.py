"""Which specs an environment covers: those whose kinds need the key that it writes with."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from leanplum_sync.address import ResourceAddress
from leanplum_sync.errors import UsageError
from leanplum_sync.kinds import Resource
from leanplum_sync.kinds.rows.source import files_of
from leanplum_sync.planner.expectations import with_expected
from leanplum_sync.problem import Problem, Remark
from leanplum_sync.project.model import Environment
from leanplum_sync.specs.coverage import elsewhere, key_words
from leanplum_sync.specs.loading import Loaded


def covered(loaded: Loaded, environment: Environment) -> Loaded:
    """
    Return *loaded* without the specs that *environment* doesn't cover, and the expectations and files that only they need.

    Their problems stay: they are problems of the whole project.
    """
    others = left_out(loaded.resources, environment)
    if not others:
        return loaded
    own = tuple(each for each in loaded.resources if each.kind.key is environment.writes)
    needed = {each.address for each in with_expected(own, loaded.resources, lambda _: False)}
    of_others = {each.address for each in with_expected(others, loaded.resources, lambda _: False)}
    kept = tuple(each for each in loaded.resources if each.address in needed or each.address not in of_others)
    gone = _files(loaded, {each.address for each in loaded.resources} - {each.address for each in kept})
    gone -= _files(loaded, {each.address for each in kept})
    return replace(
        loaded, resources=kept, inputs=tuple(each for each in loaded.inputs if each.path not in gone)
    )


def left_out(resources: Sequence[Resource], environment: Environment) -> tuple[Resource, ...]:
    """Return the resources that *environment* doesn't cover."""
    return tuple(each for each in resources if each.kind.key not in (None, environment.writes))


def left_out_remark(loaded: Loaded, environment: Environment) -> Remark | None:
    """Return a remark on the specs of *loaded* that *environment* doesn't cover, None if there are none."""
    others = left_out(loaded.resources, environment)
    if not others:
        return None
    keys = {each.kind.key for each in others}
    count = "1 spec needs" if len(others) == 1 else f"{len(others)} specs need"
    return Remark(
        Problem(
            others[0].place,
            f"{count} the {key_words(keys)} key, and {environment.name} writes with the {environment.writes.words} key:"
            " left out",
            elsewhere(loaded.project, environment, keys),
        ),
        len(others),
    )


def check_selection(
    loaded: Loaded, environment: Environment, select: Sequence[str] = (), *, is_chosen: bool = False
) -> None:
    """
    Check that *environment* covers what was asked for: each glob of *select*, or, if files were chosen, any of their specs.

    Raises:
        UsageError: it covers none of the specs that a glob matches, or of the files.
    """
    others = {str(each.address): each for each in left_out(loaded.resources, environment)}
    own = {str(each.address) for each in loaded.resources if each.kind.key is environment.writes}
    asked = [
        [name for name in others if fnmatchcase(name, glob)]
        for glob in select
        if not any(fnmatchcase(name, glob) for name in own)
    ]
    if is_chosen and not own:
        asked.append(list(others))
    if names := sorted({name for found in asked for name in found}):
        keys = {others[name].kind.key for name in names}
        raise UsageError(
            f"{', '.join(names)}: this needs the {key_words(keys)} key, and {environment.name} writes with the"
            f" {environment.writes.words} key. {elsewhere(loaded.project, environment, keys)}"
        )


def _files(loaded: Loaded, addresses: Collection[ResourceAddress]) -> set[str]:
    """Return the spec and data files of the resources at *addresses*."""
    return {
        path
        for each in loaded.resources
        if each.address in addresses
        for path in (each.place.file, *(str(file) for file in files_of(each.source)))
    }
