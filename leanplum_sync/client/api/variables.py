"""Variables of the app, and the content that the API selects for a user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from leanplum_sync.client.api.call import Call, Done, call, done, who
from leanplum_sync.client.api.fields import each, integer, mapping, texts
from leanplum_sync.wire.action import Json


@dataclass(frozen=True, slots=True)
class Content:
    """
    *variables* are typed JSON; dotted names come as nested objects. *messages* is keyed by message id, as text.

    *fields* is the whole element: SDKs know many more fields than are documented.
    """

    variables: Mapping[str, Json]
    variant_ids: tuple[int, ...]
    messages: Mapping[str, Json]
    fields: Mapping[str, Json]


def read_content(element: Mapping[str, Json]) -> Content:
    ids = each(element, "variants", lambda variant: integer(variant, "id"))
    return Content(
        variables=mapping(element, "vars"),
        variant_ids=tuple(variant_id for variant_id in ids if variant_id is not None),
        messages=mapping(element, "messages"),
        fields=element,
    )


def get_vars(
    user_id: str | None = None,
    *,
    device_id: str | None = None,
    create: bool = False,
    include_defaults: bool | None = None,
) -> Call[Content]:
    """
    Return the variables as this user sees them.

    No action lists the variables themselves: to get their defaults, ask for a user who isn't targeted by
    anything.
    """
    arguments = {**who(user_id, device_id, create=create), "includeDefaults": include_defaults}
    return call("getVars", read_content, arguments)


def set_vars(variables: Mapping[str, Json], *, device_id: str | None = None) -> Call[Done]:
    """Set default values. Other variables stay unchanged. *device_id* tags file variables with its app version."""
    return done("setVars", {"vars": variables, "deviceId": device_id})


def delete_vars(names: Sequence[str]) -> Call[tuple[str, ...]]:
    """Return the names of the removed variables."""
    return call("deleteVars", lambda element: texts(element, "variablesRemoved"), {"vars": list(names)})
