"""Which environments of a project write with which key, and what is missing where none does."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import assert_never

from leanplum_sync.kinds import Resource
from leanplum_sync.problem import Problem
from leanplum_sync.project.model import (
    EmbeddedEnvironment,
    Environment,
    FromVariable,
    LiveEnvironment,
    ProjectFile,
    Setting,
)
from leanplum_sync.wire.catalogue import KeyClass


def key_words(keys: Collection[KeyClass | None]) -> str:
    return " or ".join(key.words for key in KeyClass if key in keys)


def uncovered(project: ProjectFile, resources: Sequence[Resource]) -> Iterator[Problem]:
    """Yield advice, one for each class of key, about specs that no environment of a real app covers; of the emulator if there is no other."""
    environments = list(project.environments.values())
    live = [each for each in environments if isinstance(each, LiveEnvironment)]
    first: Mapping[KeyClass, Resource] = {
        each.kind.key: each for each in reversed(resources) if each.kind.key is not None
    }
    for key, resource in first.items():
        lacking = [
            each
            for each in live or environments
            if key not in {other.writes for other in environments if is_same_app(each, other)}
        ]
        if lacking:
            one = lacking[0]
            yield Problem(
                resource.place,
                f"no environment for the app of {one.name} writes with the {key.words} key, which this spec needs",
                f"Add to environments in the project file: {_example(one, key)}",
                str(resource.address),
            )


def elsewhere(
    project: ProjectFile | None, environment: Environment, keys: Collection[KeyClass | None]
) -> str:
    """Return which environments of the same app, or else of others, write with *keys*."""
    every = [each for each in project.environments.values() if each.writes in keys] if project else []
    names = [each.name for each in every if is_same_app(each, environment)] or [each.name for each in every]
    if names:
        return f"Use {' or '.join(f'-e {name}' for name in names)}."
    (key, *_) = (key for key in KeyClass if key in keys)
    return f"Add to environments in the project file: {_example(environment, key)}"


def _example(environment: Environment, key: KeyClass) -> str:
    """Return the YAML of an environment of the same app that writes with *key*."""
    match environment:
        case EmbeddedEnvironment(seed=seed):
            fields = ["emulator: embedded", *([f"seed: [{', '.join(seed)}]"] if seed else [])]
        case LiveEnvironment(app_id=FromVariable(name="LEANPLUM_APP_ID")):
            fields = []
        case LiveEnvironment(app_id=app_id):
            fields = [f"appId: {_form(app_id)}"]
        case _:
            assert_never(environment)
    return f"{environment.name}-{key.words.replace(' ', '-')}: {{{', '.join([*fields, f'writes: {key.setting}'])}}}"


def _form(setting: Setting) -> str:
    return f"{{env: {setting.name}}}" if isinstance(setting, FromVariable) else setting


def is_same_app(one: Environment, other: Environment) -> bool:
    """Tell whether both name the same app. Ids in variables are compared by the variables' names."""
    if isinstance(one, LiveEnvironment) and isinstance(other, LiveEnvironment):
        return one.app_id == other.app_id
    return type(one) is type(other)
