"""Variables: default values of the app's variables, by their names. Variables that no spec names stay as they are."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Final, Literal, assert_never

from pydantic import AfterValidator, Field

from leanplum_sync.address import Subject, SubjectKind
from leanplum_sync.kinds.kind import Kind, Resource, resource_at
from leanplum_sync.kinds.rows.desires import RemoveThing, SetThing, Want
from leanplum_sync.kinds.rows.document import Document, Edge, wrong
from leanplum_sync.kinds.rows.site import Path, Site
from leanplum_sync.kinds.rows.source import NeededColumn
from leanplum_sync.wire.action import DeliveryClass, Json
from leanplum_sync.wire.catalogue import KeyClass
from leanplum_sync.wire.limits import LARGEST_EXACT_INTEGER
from leanplum_sync.wire.variable import is_name, leaves_of, overlaps

ValueKind = Literal["string", "integer", "float", "boolean", "list", "group", "file", "color"]

_NAMES: Final = (
    "Write its groups and its own name with dots between them, such as paywall.title. A dot in a name is \\., and no other character has"
    " a backslash before it."
)
_DELETE: Final = "To delete the variable, write `state: absent` without a value."


def variable_name(name: str) -> str:
    """
    Raises:
        PydanticCustomError: no variable can have this name.
    """
    if not is_name(name):
        raise wrong("this is not the name of a variable", _NAMES)
    return name


class VariableModel(Edge):
    kind: ValueKind | None = Field(
        default=None,
        description=(
            "What the value is: `string`, `integer`, `float`, `boolean`, `list`, `file` (the name of a file), `color` (the whole number"
            " that the app's code uses), or `group` (a mapping, each entry of which is a variable). Required, unless the variable is absent."
        ),
        examples=["string"],
    )
    value: Json = Field(
        default=None,
        description="The value for users whom nothing in the dashboard gives another one.",
        examples=["Go Pro"],
    )
    state: Literal["present", "absent"] = Field(
        default="present",
        description="`absent` deletes the variable, if it exists. A group can't be deleted as a whole.",
        examples=["absent"],
    )


class VariablesSpec(Edge):
    variables: dict[Annotated[str, AfterValidator(variable_name)], VariableModel] = Field(
        description="The variables, by their names. Groups come first, with dots: `paywall.title`. Others stay as they are.",
        examples=[
            {
                "paywall.title": {"kind": "string", "value": "Go Pro"},
                "maxItems": {"kind": "integer", "value": 20},
                "oldBanner": {"state": "absent"},
            }
        ],
    )


class VariablesDocument(Document):
    kind: Literal["Variables"] = Field(description="The kind of document.", examples=["Variables"])
    spec: VariablesSpec = Field(
        description="The variables, and their values.",
        examples=[{"variables": {"maxItems": {"kind": "integer", "value": 20}}}],
    )


def build(document: VariablesDocument, site: Site) -> Resource:
    variables = document.spec.variables
    if not variables and site.whole:
        site.report(
            ("spec", "variables"),
            "there are no variables",
            "An empty list changes nothing. To delete variables, name each one, with `state: absent`.",
        )
    wants = [want for name, model in variables.items() for want in _wants(name, model, _path(name), site)]
    names = [want.subject.id for want in wants]
    for name in sorted(name for name, count in Counter(names).items() if count > 1):
        site.report(
            _path_of(name, document),
            f"the variable {name} is named twice: by itself, and as an entry of a group",
            "Keep one of them.",
        )
    for name, group in overlaps(list(dict.fromkeys(names))):
        site.report(
            _path_of(name, document),
            f"{name} can't be a variable while {group} is one: {group} is its group",
            f"Rename one of them. To replace {group} by a group, delete it first, with another plan.",
        )
    return resource_at(
        site,
        KIND,
        id_column=NeededColumn("", site.place(("spec",))),
        parts=(),
        wants=tuple(wants),
    )


def _path(name: str) -> Path:
    return ("spec", "variables", name)


def _path_of(leaf: str, document: VariablesDocument) -> Path:
    """Return the path of the line that names a variable: its own, or the one of its group."""
    names = [name for name in document.spec.variables if leaf == name or leaf.startswith(f"{name}.")]
    return _path(max(names, key=len))


def _wants(name: str, model: VariableModel, path: Path, site: Site) -> Iterator[Want]:
    place = site.place(path)
    if model.state == "absent":
        if model.kind is not None or model.value is not None:
            site.report(path, "an absent variable has neither kind nor value", "Remove them, or the state.")
            return
        desire: SetThing | RemoveThing = RemoveThing(name, place)
        yield Want(site.address, Subject.variable(name), create=False, found_at=place, desires=(desire,))
        return
    if model.kind is None:
        site.report(path, "`kind` is missing", "Write what the value is, such as `kind: string`.")
        return
    if model.value is None:
        site.report(path, "`value` is missing", _DELETE)
        return
    value_path = (*path, "value")
    if not _is(model.kind, model.value):
        site.report(value_path, f"this is not {_EXPECTED[model.kind]}", "Correct the value or the kind.")
        return
    leaves = list(leaves_of(name, model.value))
    if not all(is_name(leaf) for leaf, _ in leaves):
        site.report(value_path, "a key is not the name of a variable", _NAMES)
        return
    faults = [fault for _, leaf in leaves for fault in _faults(leaf)]
    for what, hint in dict.fromkeys(faults):
        site.report(value_path, what, hint)
    if faults:
        return
    for leaf_name, value in leaves:
        desire = SetThing(leaf_name, value, place)
        yield Want(site.address, Subject.variable(leaf_name), create=False, found_at=place, desires=(desire,))


_EXPECTED: Final[dict[ValueKind, str]] = {
    "string": "a string",
    "integer": "a whole number",
    "float": "a number",
    "boolean": "true or false",
    "list": "a list",
    "group": "a mapping with at least one entry",
    "file": "the name of a file",
    "color": "a color: a whole number of 32 bits",
}
_COLORS: Final = range(-(2**31), 2**32)  # signed or not, as platforms differ


def _is(kind: ValueKind, value: Json) -> bool:
    match kind:
        case "string":
            return isinstance(value, str)
        case "file":
            return isinstance(value, str) and bool(value.strip())
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "color":
            return isinstance(value, int) and not isinstance(value, bool) and value in _COLORS
        case "float":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "boolean":
            return isinstance(value, bool)
        case "list":
            return isinstance(value, list)
        case "group":
            return isinstance(value, dict) and bool(value)
        case _:
            assert_never(kind)


def _faults(value: Json) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with a value that is no group, and what to do: what JSON or the API can't keep."""
    match value:
        case None:
            yield "null is no value of a variable", "Remove the entry, or write a value."
        case dict() if not value:
            yield "an empty group publishes nothing", "Remove the entry, or write its variables."
        case float() if not math.isfinite(value):
            yield "this number is not finite", "Write a number."
        case int() if not isinstance(value, bool) and abs(value) > LARGEST_EXACT_INTEGER:
            yield "this number is too large to be kept exactly", "Write it as a string, in quotes."
        case dict():
            for item in value.values():
                yield from _faults(item)
        case list():
            for item in value:
                yield from _faults(item)
        case _:
            pass


KIND: Final[Kind[VariablesDocument]] = Kind(
    name="Variables",
    summary="Sets default values of the app's variables, or deletes variables. Others stay as they are.",
    document=VariablesDocument,
    rows_key="",
    rows=lambda _: None,
    subjects=SubjectKind.VARIABLE,
    build=build,
    entries=("variables",),
    stand_ins={},
    reads=("getVars", "getAbTests"),
    writes=("setVars", "deleteVars"),
    key=KeyClass.DEVELOPMENT,
    delivery=(DeliveryClass.REPEATABLE,),
    hazards=("variables", "inRunningTest"),
    tables={"Variables": VariablesSpec, "variables": VariableModel},
)
