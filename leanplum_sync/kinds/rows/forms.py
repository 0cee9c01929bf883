"""
The forms in which a spec gives a value, as pydantic models, and the cells that rows are read with.

One key tells the form (``column``, ``from``, ``state``, ...), so a wrong form is reported as that form,
once, and not as a failure of every form there is.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import (
    Discriminator,
    Field,
    PlainValidator,
    StringConstraints,
    Tag,
    WithJsonSchema,
    model_validator,
)

from leanplum_sync.kinds.rows.cells import Cell, Check, attribute_value
from leanplum_sync.kinds.rows.document import ColumnName, Edge, OnceName, wrong
from leanplum_sync.kinds.rows.site import Path, Site
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.convert import ConversionError, ValueType, convert

# Tags stand in the locations of pydantic's errors. A tab keeps them apart from every key, see names.py.
TAG_MARK: Final = "form\t"

TypeName: TypeAlias = Literal["text", "integer", "number", "boolean", "date", "list"]

_SCALAR: Final[dict[str, Any]] = {"type": ["string", "number", "boolean"]}
_LIST: Final[dict[str, Any]] = {"type": "array", "items": _SCALAR, "minItems": 1}


def literal(value: Json) -> Json:
    """Return *value* if a spec may give it to an attribute."""
    match value:
        case None:
            raise wrong(
                "the value is missing", "Give a value; to remove the attribute, write {state: absent}."
            )
        case "":
            raise wrong("an empty string can't be a value", "To remove the attribute, write {state: absent}.")
        case []:
            raise wrong("an empty list can't be a value", "To remove the attribute, write {state: absent}.")
        case _:
            pass
    try:
        return attribute_value(value)
    except ConversionError as error:
        raise wrong(f"this is not a value: expected {error.expected}") from None


def scalar(value: Json) -> Json:
    if isinstance(value, list | dict):
        raise wrong("this is not a single value", "Write text, a number, or true or false.")
    if value is None or value == "":
        raise wrong("the value is missing", "Give a value, or leave the line out.")
    return literal(value)


def _non_empty_list(value: Json) -> Json:
    if not isinstance(value, list):
        raise wrong(
            "this is not a list", "Write it in brackets, such as [running], or take it from a {column: name}."
        )
    if not value:
        raise wrong("an empty list changes nothing", "Give it values, or leave the line out.")
    return literal(value)


def _mapped(value: Json) -> Json:
    return literal(value) if isinstance(value, list) else scalar(value)


def _amount(value: Json) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise wrong(
            "an increment must be a whole number", "Write one, such as 1, or take it from a {column: name}."
        )
    if value == 0:
        raise wrong("an increment by 0 changes nothing", "Write another whole number, or leave the line out.")
    literal(value)
    return value


AnyLiteral = Annotated[Json, PlainValidator(literal), WithJsonSchema({"anyOf": [_SCALAR, _LIST]})]
ScalarLiteral = Annotated[Json, PlainValidator(scalar), WithJsonSchema(_SCALAR)]
ListLiteral = Annotated[Json, PlainValidator(_non_empty_list), WithJsonSchema(_LIST)]
MappedLiteral = Annotated[Json, PlainValidator(_mapped), WithJsonSchema({"anyOf": [_SCALAR, _LIST]})]
Amount = Annotated[Json, PlainValidator(_amount), WithJsonSchema({"type": "integer"})]

WhenAbsent: TypeAlias = Literal["absent"]


class ValueForm(Edge):
    """A value that is given only to users who have none."""

    value: AnyLiteral = Field(description="The value.", examples=["web"])
    when: WhenAbsent = Field(
        description="`absent`: set the value only for users who have none.", examples=["absent"]
    )


class PlainColumnForm(Edge):
    """The value of a column, as it is."""

    column: ColumnName = Field(description="The column with the value.", examples=["model"])


class CellForm(PlainColumnForm):
    """The value of a column, converted or looked up."""

    type: TypeName | None = Field(
        default=None,
        description="The type to convert to. Default: as in the file, which is text for CSV.",
        examples=["integer"],
    )
    map: dict[str, MappedLiteral] | None = Field(
        default=None,
        min_length=1,
        description="Replacements for values of the column. Keys are compared as text.",
        examples=[{"A": "gold", "B": "silver"}],
    )
    otherwise: MappedLiteral = Field(
        default=None, description="The replacement for all other values.", examples=["bronze"]
    )

    @model_validator(mode="after")
    def _otherwise_needs_map(self) -> CellForm:
        if self.otherwise is not None and self.map is None:
            raise wrong("`otherwise` is for values that are not in `map`, but there is no `map`")
        return self


class ColumnForm(CellForm):
    """The value of a column, converted or looked up, perhaps only for users who have none."""

    when: WhenAbsent | None = Field(
        default=None, description="`absent`: set the value only for users who have none.", examples=["absent"]
    )


class FromForm(Edge):
    """The user's own value of an attribute: renamed, converted, or both."""

    from_: Annotated[str, StringConstraints(min_length=1)] = Field(
        alias="from",
        description="The attribute to take the value from. If its name differs, the source attribute is removed afterwards.",
        examples=["old_loyalty"],
    )
    type: TypeName | None = Field(default=None, description="The type to convert to.", examples=["integer"])


class AbsentForm(Edge):
    """The attribute is removed."""

    state: Literal["absent"] = Field(description="`absent` removes the attribute.", examples=["absent"])


def _list_or_column(value: Any) -> str:
    return TAG_MARK + ("column" if isinstance(value, dict) else "list")


ListSide = Annotated[
    Annotated[ListLiteral, Tag(TAG_MARK + "list")] | Annotated[PlainColumnForm, Tag(TAG_MARK + "column")],
    Discriminator(_list_or_column),
]


class ListForm(Edge):
    """Values that are to be in, or not in, the list that the attribute holds."""

    add: ListSide | None = Field(default=None, description="Values to add.", examples=[["running"]])
    remove: ListSide | None = Field(default=None, description="Values to remove.", examples=[["golf"]])

    @model_validator(mode="after")
    def _sides_are_apart(self) -> ListForm:
        if (
            isinstance(self.add, list)
            and isinstance(self.remove, list)
            and any(item in self.remove for item in self.add)
        ):
            raise wrong("`add` and `remove` name the same value", "Keep it in only one of them.")
        return self


def _amount_or_column(value: Any) -> str:
    return TAG_MARK + ("column" if isinstance(value, dict) else "amount")


class IncrementForm(Edge):
    """A whole number to add, at most once per user."""

    increment: Annotated[
        Annotated[Amount, Tag(TAG_MARK + "amount")] | Annotated[PlainColumnForm, Tag(TAG_MARK + "column")],
        Discriminator(_amount_or_column),
    ] = Field(description="The whole number to add.", examples=[1])
    once: OnceName = Field(
        description="The idempotency key: under each name, a user's attribute is incremented only once.",
        examples=["launch-2026"],
    )


_ATTRIBUTE_FORMS: Final = {
    "column": "column",
    "from": "from",
    "state": "state",
    "add": "list",
    "remove": "list",
    "increment": "increment",
    "once": "increment",
    "value": "value",
    "when": "value",
    "map": "column",
    "otherwise": "column",
    "type": "column",
}
_CELL_FORMS: Final = {key: form for key, form in _ATTRIBUTE_FORMS.items() if form in ("column", "value")}
_VALUE_FORMS: Final = {key: form for key, form in _CELL_FORMS.items() if form == "column"}
_PLAIN_FORMS: Final = {"column": "column"}


def _form_of(known: dict[str, str]) -> Callable[[Any], str]:
    """Return a function that tells the form of a value by the first of its *known* keys."""

    def form_of(value: Any) -> str:
        if not isinstance(value, dict):
            return TAG_MARK + "literal"
        return TAG_MARK + next((form for key, form in known.items() if key in value), "unknown")

    return form_of


def _refuse(value: Json, known: Iterable[str]) -> Json:
    close = next((best for key in value for best in difflib.get_close_matches(key, known, 1)), None)
    hint = f"Did you mean `{close}`?" if close else "Write a value, or a form such as {column: name}."
    raise wrong("a mapping can't be a value, and none of its keys belongs to a form", hint)


UnknownForm = Annotated[
    Json,
    PlainValidator(lambda value: _refuse(value, _ATTRIBUTE_FORMS)),
    WithJsonSchema({"not": {}}),
    Tag(TAG_MARK + "unknown"),
]
UnknownCellForm = Annotated[
    Json,
    PlainValidator(lambda value: _refuse(value, _CELL_FORMS)),
    WithJsonSchema({"not": {}}),
    Tag(TAG_MARK + "unknown"),
]
AttributeForm = Annotated[
    Annotated[AnyLiteral, Tag(TAG_MARK + "literal")]
    | Annotated[ColumnForm, Tag(TAG_MARK + "column")]
    | Annotated[ValueForm, Tag(TAG_MARK + "value")]
    | Annotated[FromForm, Tag(TAG_MARK + "from")]
    | Annotated[AbsentForm, Tag(TAG_MARK + "state")]
    | Annotated[ListForm, Tag(TAG_MARK + "list")]
    | Annotated[IncrementForm, Tag(TAG_MARK + "increment")]
    | UnknownForm,
    Discriminator(_form_of(_ATTRIBUTE_FORMS)),
]
ProfileForm = Annotated[
    Annotated[ScalarLiteral, Tag(TAG_MARK + "literal")]
    | Annotated[ColumnForm, Tag(TAG_MARK + "column")]
    | Annotated[ValueForm, Tag(TAG_MARK + "value")]
    | UnknownCellForm,
    Discriminator(_form_of(_CELL_FORMS)),
]
MessageValueForm = Annotated[
    Annotated[ScalarLiteral, Tag(TAG_MARK + "literal")]
    | Annotated[CellForm, Tag(TAG_MARK + "column")]
    | UnknownCellForm,
    Discriminator(_form_of(_VALUE_FORMS)),
]
DeviceForm = Annotated[
    Annotated[ScalarLiteral, Tag(TAG_MARK + "literal")]
    | Annotated[PlainColumnForm, Tag(TAG_MARK + "column")]
    | UnknownCellForm,
    Discriminator(_form_of(_PLAIN_FORMS)),
]


def _token_literal(value: Json) -> Json:
    if not isinstance(value, str | dict) or not value:
        raise wrong("this is not a push token", "Write {column: name}, or the token itself in quotes.")
    return value


def _token_form(value: Any) -> str:
    return TAG_MARK + (
        "column" if isinstance(value, dict) and not {"endpoint", "key", "auth"} & set(value) else "literal"
    )


TokenForm = Annotated[
    Annotated[
        Json,
        PlainValidator(_token_literal),
        WithJsonSchema({"type": ["string", "object"], "minLength": 1, "minProperties": 1}),
        Tag(TAG_MARK + "literal"),
    ]
    | Annotated[PlainColumnForm, Tag(TAG_MARK + "column")],
    Discriminator(_token_form),
]
FORMS: Final[dict[str, type[Edge]]] = {
    TAG_MARK + "column": ColumnForm,
    TAG_MARK + "value": ValueForm,
    TAG_MARK + "from": FromForm,
    TAG_MARK + "state": AbsentForm,
    TAG_MARK + "list": ListForm,
    TAG_MARK + "increment": IncrementForm,
}
FORM_KEYS: Final = tuple(_ATTRIBUTE_FORMS)


def compiled_cell(form: CellForm, check: Check, path: Path, site: Site, *, lists: bool) -> Iterator[Cell]:
    """
    Yield *form* as a cell; nothing where a value of its ``map`` can't be what it is to become, which is reported.

    Values of ``map`` are converted here, once: a row only looks them up.
    """
    if form.type == "list" and not lists:
        site.report((*path, "type"), "a list is not allowed here", "Only attributes hold lists.")
        return
    to = ValueType(form.type) if form.type else None
    if form.map is None:
        yield Cell(form.column, to, check=check)
        return

    sound = True
    converted: dict[Path, Json] = {}
    entries: dict[Path, Json] = {("map", key): value for key, value in form.map.items()}
    if form.otherwise is not None:
        entries["otherwise",] = form.otherwise
    for where, value in entries.items():
        try:
            converted[where] = check(value if to is None else convert(value, to))
        except ConversionError as error:
            site.report((*path, *where), f"this is not a valid value: expected {error.expected}")
            sound = False
    if sound:
        otherwise = converted.pop(("otherwise",), None)
        yield Cell(
            form.column, to, {str(where[-1]): value for where, value in converted.items()}, otherwise, check
        )
