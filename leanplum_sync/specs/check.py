"""A document against its model: every problem reported, and what is sound kept for further checks."""

from __future__ import annotations

import copy
import difflib
from typing import Final, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from leanplum_sync.kinds.message_send import MessageSendDocument
from leanplum_sync.kinds.push_tokens import PushTokensDocument
from leanplum_sync.kinds.rows.document import API_VERSION, Document
from leanplum_sync.kinds.rows.site import Path
from leanplum_sync.kinds.user_attributes import UserAttributesDocument
from leanplum_sync.project.model import FILE_NAME, ProjectDocument
from leanplum_sync.specs.explain import explain, path_of, shown
from leanplum_sync.specs.file import OpenDocument
from leanplum_sync.wire.action import Json

RESOURCE_MODELS: Final[dict[str, type[Document]]] = {
    "UserAttributes": UserAttributesDocument,
    "PushTokens": PushTokensDocument,
    "MessageSend": MessageSendDocument,
}
MODELS: Final[dict[str, type[Document]]] = {**RESOURCE_MODELS, "Project": ProjectDocument}

# An entry of these is one line of a spec, and can be left out without changing the others.
_ENTRIES: Final = ("attributes", "profile", "values", "environments", "sensitive")

# For what every document needs; so much of it is checked even so.
_STAND_INS: Final[dict[Path, Json]] = {
    ("apiVersion",): API_VERSION,
    ("metadata", "name"): "unnamed",
}
# For what documents of a kind need.
_KIND_STAND_INS: Final[dict[str, dict[Path, Json]]] = {
    "MessageSend": {("spec", "message"): {"name": "unnamed"}, ("spec", "delivery"): "unnamed"},
}

D = TypeVar("D", bound=Document)


def model_of(document: OpenDocument) -> type[Document] | None:
    """Return the model for the document's kind; None where there is no such kind, which is then reported."""
    value = document.document.value
    if not isinstance(value, dict):
        document.report((), "a spec is a mapping", f"It starts with apiVersion: {API_VERSION}.")
        return None
    kind, metadata = value.get("kind"), value.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if isinstance(kind, str) and isinstance(name, str) and kind in MODELS:
        document.address = f"{kind}/{name}"
    if "kind" not in value:
        document.report((), "`kind` is missing", f"Write one of: {', '.join(RESOURCE_MODELS)}.")
        return None
    if not isinstance(kind, str) or kind not in RESOURCE_MODELS:
        hint = f"Write one of: {', '.join(RESOURCE_MODELS)}."
        close = difflib.get_close_matches(str(kind), RESOURCE_MODELS, 1)
        if kind == "Project":
            hint = f"A project is described in {FILE_NAME}, at the top of its folder."
        elif close:
            hint = f"Did you mean {close[0]}?"
        document.report_at(
            document.value_place(("kind",)), f"`kind` is {shown(kind)}, and no kind is called so", hint
        )
        if not close:
            return None
        kind = value["kind"] = close[0]  # most likely meant: the rest is checked as that, in the same run
    return RESOURCE_MODELS[kind]


def checked(document: OpenDocument, model: type[D]) -> tuple[D | None, bool]:
    """
    Return the document as *model*, without the entries that have problems, and whether it is whole, without any.

    Problems are reported. None where what is wrong can't be left out. Checking goes on with the rest, so that one run
    finds every problem.
    """
    value = document.document.value
    try:
        return model.model_validate(value), True
    except ValidationError as error:
        errors = error.errors(include_url=False)
    for details in errors:
        _report(details, document, model)
    try:
        return model.model_validate(_without(value, errors)), False
    except ValidationError:
        return None, False


def _report(details: ErrorDetails, document: OpenDocument, model: type[Document]) -> None:
    explained = explain(details, model, document.file.sensitive)
    place = document.key_place if explained.at_key or details["type"] == "missing" else document.value_place
    document.report_at(place(explained.path), explained.message, explained.hint)


def _without(value: Json, errors: list[ErrorDetails]) -> Json:
    """Return *value* without what *errors* are about; what can't be missing is stood in for."""
    pruned = copy.deepcopy(value)
    for details in errors:
        path = path_of(details)
        if len(path) > 2 and path[0] == "spec" and path[1] in _ENTRIES:  # noqa: PLR2004 - spec, section, entry
            path = path[:3]
        _remove(pruned, path)
    for path, stand_in in {**_STAND_INS, **_KIND_STAND_INS.get(str(value.get("kind")), {})}.items():
        _stand_in(pruned, path, stand_in)
    return pruned


def _remove(value: Json, path: Path) -> None:
    """Remove what is at *path*; of a list, all of it, save that an item of an inline list makes place for another."""
    for depth, part in enumerate(path):
        last = depth == len(path) - 1
        if isinstance(value, dict) and part in value:
            if last or (isinstance(value[part], list) and path[depth : depth + 1] != ("inline",)):
                del value[part]
                return
            value = value[part]
        elif isinstance(value, list) and isinstance(part, int):
            value[part] = f"unnamed-{part}"
            return


def _stand_in(value: Json, path: Path, stand_in: Json) -> None:
    for part in path[:-1]:
        value = value.setdefault(part, {}) if isinstance(value, dict) else None
    if isinstance(value, dict):
        value.setdefault(path[-1], stand_in)
