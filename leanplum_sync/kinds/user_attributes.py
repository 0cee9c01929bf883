"""UserAttributes: attributes and profile fields of listed users."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field

from leanplum_sync.address import SubjectKind
from leanplum_sync.kinds.field_values import profile_check
from leanplum_sync.kinds.import_format import user_columns
from leanplum_sync.kinds.kind import Kind, Resource, resource_at
from leanplum_sync.kinds.names import attribute_fault, profile_field_name
from leanplum_sync.kinds.rows import desires, forms
from leanplum_sync.kinds.rows.cells import Cell, attribute_value
from leanplum_sync.kinds.rows.desires import Desire
from leanplum_sync.kinds.rows.document import Document, Edge, Listing
from leanplum_sync.kinds.rows.forms import compiled_cell
from leanplum_sync.kinds.rows.parts import (
    Always,
    CellPart,
    ListPart,
    Part,
)
from leanplum_sync.kinds.rows.site import Path, Site, id_column
from leanplum_sync.wire.action import DeliveryClass, Json
from leanplum_sync.wire.catalogue import KeyClass
from leanplum_sync.wire.convert import ConversionError, ValueType


class UserAttributesSpec(Edge):
    users: Listing = Field(
        description="The users, one per row.", examples=[{"file": "data/customers.csv", "id": "customer_id"}]
    )
    create_users: bool = Field(
        default=False,
        description="Whether to create users that Leanplum doesn't know. This is a hazard, because new users are billed.",
        examples=[False],
    )
    attributes: dict[str, forms.AttributeForm] = Field(
        default={},
        description="The value of each attribute. Attributes that are not listed are left unchanged.",
        examples=[{"newsletter": True, "order_count": {"column": "frequency", "type": "integer"}}],
    )
    profile: dict[Annotated[str, AfterValidator(profile_field_name)], forms.ProfileForm] = Field(
        default={},
        description="The value of each profile field (country, created, ...).",
        examples=[{"country": {"column": "country"}, "created": {"column": "signed_up", "type": "date"}}],
    )


class UserAttributesDocument(Document):
    kind: Literal["UserAttributes"] = Field(description="The kind of document.", examples=["UserAttributes"])
    spec: UserAttributesSpec = Field(
        description="The users, and the values to set.",
        examples=[{"users": {"inline": ["user-1"]}, "attributes": {"newsletter": True}}],
    )


def build(document: UserAttributesDocument, site: Site) -> Resource:
    spec = document.spec
    _check_names(spec.attributes, site)
    _check_renames(spec.attributes, site)
    attributes = [
        part for name, form in spec.attributes.items() for part in _attribute_part(name, form, site)
    ]
    profile = [part for name, form in spec.profile.items() for part in _profile_part(name, form, site)]
    parts: list[Part] = [*attributes, *profile]
    identity = id_column(spec.users.id, "users", ("userId",), site)
    if spec.users.id is None and identity.name:
        named = {column.name for part in parts for column in part.columns}
        parts += user_columns(site, ("spec", "users", "file"), named, {*spec.attributes, *spec.profile})
    asks = parts or spec.attributes or spec.profile or spec.create_users
    if not asks and identity.name and site.readable and site.whole:
        site.report(("spec",), "this spec changes nothing", "List the values to set under `attributes`.")
    return resource_at(site, KIND, id_column=identity, parts=tuple(parts), create_users=spec.create_users)


def _check_names(attributes: Mapping[str, Json], site: Site) -> None:
    seen: dict[str, str] = {}
    for name, form in attributes.items():
        path: Path = ("spec", "attributes", name)
        fault = attribute_fault(name)
        # A name from before this rule existed can be removed, or renamed to a better one.
        if fault and not isinstance(form, forms.AbsentForm):
            site.report(path, f"this is not a valid attribute name: it {fault}", "Leanplum would refuse it.")
        twin = seen.setdefault(name.lower(), name)
        if twin != name:
            site.report(
                path,
                f"attributes {twin} and {name} differ only in case, so Leanplum treats them as two attributes",
                f"Is {name} meant to be {twin}?",
                also=("spec", "attributes", twin),
            )


def _check_renames(attributes: Mapping[str, Json], site: Site) -> None:
    """Report renames that change nothing, or that contradict other lines of the spec."""
    renamed: dict[str, str] = {}
    for name, form in attributes.items():
        if not isinstance(form, forms.FromForm):
            continue
        path: Path = ("spec", "attributes", name)
        source = form.from_
        if source == name:
            if form.type is None:
                site.report(
                    path,
                    f"{name} is taken from itself, which changes nothing",
                    "Give the `type` to convert it to.",
                )
            continue
        if source in attributes:
            site.report(
                (*path, "from"),
                f"{source} is renamed to {name}, but is also managed under its old name",
                "A rename already removes the old name. Delete the rename, or the entry for the old name.",
                also=("spec", "attributes", source),
            )
        rival = renamed.setdefault(source, name)
        if rival != name:
            site.report(
                (*path, "from"),
                f"{source} is renamed to {name} and to {rival}",
                "A rename drops the old name: keep one of them.",
                also=("spec", "attributes", rival),
            )


def _attribute_part(name: str, form: Json, site: Site) -> Iterator[Part]:
    """Yield the part for *form*; nothing if it has a problem, which is then reported."""
    path: Path = ("spec", "attributes", name)
    asked_at = site.place(path)
    match form:
        case forms.ColumnForm():
            for cell in compiled_cell(form, attribute_value, path, site, lists=True):
                yield CellPart(
                    cell, desires.SetAttribute(name, None, asked_at, only_if_absent=form.when is not None)
                )
        case forms.ValueForm():
            yield Always(desires.SetAttribute(name, form.value, asked_at, only_if_absent=True))
        case forms.FromForm():
            kind = ValueType(form.type) if form.type else None
            yield Always(desires.TakeAttribute(name, form.from_, kind, asked_at))
        case forms.AbsentForm():
            yield Always(desires.RemoveAttribute(name, asked_at))
        case forms.ListForm():
            yield ListPart(name, _list_side(form.add), _list_side(form.remove), asked_at)
        case forms.IncrementForm(increment=forms.PlainColumnForm() as amount):
            cell = Cell(amount.column, ValueType.INTEGER, is_number=True)
            yield CellPart(cell, desires.IncrementAttribute(name, 0, form.once, asked_at))
        case forms.IncrementForm(increment=int(amount)):
            yield Always(desires.IncrementAttribute(name, amount, form.once, asked_at))
        case Edge():
            raise AssertionError(form)
        case _:  # a literal
            yield Always(desires.SetAttribute(name, form, asked_at))


def _list_side(side: Json) -> Cell | tuple[Json, ...]:
    match side:
        case forms.PlainColumnForm():
            return Cell(side.column, ValueType.LIST)
        case None:
            return ()
        case list():
            return tuple(side)
        case _:
            raise AssertionError(side)


def _profile_part(name: str, form: Json, site: Site) -> Iterator[Part]:
    path: Path = ("spec", "profile", name)
    asked_at = site.place(path)
    check = profile_check(name)
    match form:
        case forms.ColumnForm():
            for cell in compiled_cell(form, check, path, site, lists=False):
                yield CellPart(
                    cell, desires.SetProfileField(name, None, asked_at, only_if_absent=form.when is not None)
                )
        case forms.ValueForm():
            for wish in _profile_wish(name, form.value, (*path, "value"), site, only_if_absent=True):
                yield Always(wish)
        case Edge():
            raise AssertionError(form)
        case _:  # a literal
            for wish in _profile_wish(name, form, path, site, only_if_absent=False):
                yield Always(wish)


def _profile_wish(
    name: str, value: Json, path: Path, site: Site, *, only_if_absent: bool
) -> Iterator[Desire]:
    try:
        sent = profile_check(name)(value)
    except ConversionError as error:
        site.report(path, f"invalid value for {name}: expected {error.expected}")
        return
    yield desires.SetProfileField(name, sent, site.place(("spec", "profile", name)), only_if_absent)


KIND: Final[Kind[UserAttributesDocument]] = Kind(
    name="UserAttributes",
    summary="Sets attributes and profile fields of the listed users.",
    document=UserAttributesDocument,
    rows_key="users",
    rows=lambda document: document.spec.users,
    subjects=SubjectKind.USER,
    build=build,
    entries=("attributes", "profile"),
    stand_ins={},
    reads=("exportUser",),
    writes=("setUserAttributes",),
    key=KeyClass.PRODUCTION,
    delivery=(DeliveryClass.REPEATABLE, DeliveryClass.CHECKABLE),
    hazards=("createdUsers", "removals", "renames", "increments", "suspectedRename", "newAttributeNames"),
    tables={"UserAttributes": UserAttributesSpec},
)
