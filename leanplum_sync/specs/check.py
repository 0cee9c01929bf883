"""Validates a document against its model. Every problem is reported; the valid parts are kept for further checks."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Collection, Mapping
from typing import Any, Final, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from leanplum_sync.errors import SpecError
from leanplum_sync.kinds import Kind
from leanplum_sync.kinds.registry import KINDS
from leanplum_sync.kinds.rows.document import API_VERSION, UNNAMED, Document
from leanplum_sync.kinds.rows.site import Path
from leanplum_sync.problem import Place, Problem
from leanplum_sync.project.model import FILE_NAME, ProjectDocument
from leanplum_sync.specs.explain import did_you_mean, explain, path_of, shown
from leanplum_sync.specs.file import OpenDocument
from leanplum_sync.specs.yaml_file import is_usual_number
from leanplum_sync.wire.action import Json

MODELS: Final[dict[str, type[Document]]] = {
    **{name: kind.document for name, kind in KINDS.items()},
    "Project": ProjectDocument,
}

# Every document needs these. With them filled in, the rest of a document that lacks them can still be checked.
_STAND_INS: Final[Mapping[Path, Json]] = {
    ("apiVersion",): API_VERSION,
    ("metadata", "name"): UNNAMED,
}

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

D = TypeVar("D", bound=Document)


def kind_of(document: OpenDocument) -> Kind[Any] | None:
    """Return the document's kind; None if there is no such kind, which is then reported."""
    value = document.document.value
    if not isinstance(value, dict):
        document.report((), "a spec must be a mapping", f"It starts with apiVersion: {API_VERSION}.")
        return None
    kind, metadata = value.get("kind"), value.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if isinstance(kind, str) and isinstance(name, str) and kind in MODELS:
        document.address = f"{kind}/{name}"
    if "kind" not in value:
        document.report((), "`kind` is missing", f"Write one of: {', '.join(KINDS)}.")
        return None
    if not isinstance(kind, str) or kind not in KINDS:
        hint = f"Write one of: {', '.join(KINDS)}."
        close = difflib.get_close_matches(str(kind), KINDS, 1)
        if kind == "Project":
            hint = f"A project is described in {FILE_NAME}, at the top of its folder."
        elif close:
            hint = f"Did you mean {close[0]}?"
        document.report_at(document.value_place(("kind",)), f"unknown kind: {shown(kind)}", hint)
        if not close:
            return None
        kind = value["kind"] = close[0]  # most likely meant: check the rest as that kind in the same run
    return KINDS[kind]


def checked(
    document: OpenDocument,
    model: type[D],
    *,
    entries: Collection[str],
    stand_ins: Mapping[Path, Json],
) -> tuple[D | None, bool]:
    """
    Return the document as *model*, without whatever has a problem, and whether nothing had to be left out.

    Problems are reported. The document is None if the faulty part can't be left out. The rest is still
    checked, so that one run finds every problem. *entries* are the mappings of `spec` whose entries can be
    left out one by one; *stand_ins* fill required keys.
    """
    value = document.document.value
    try:
        found = model.model_validate(value)
    except ValidationError as error:
        errors = error.errors(include_url=False)
    else:
        _check_spelling(document, [])
        return found, True
    for details in errors:
        _report(details, document, model)
    _check_spelling(document, [path_of(details) for details in errors])
    try:
        return model.model_validate(_without(value, errors, entries, {**_STAND_INS, **stand_ins})), False
    except ValidationError:
        return None, False


def json_schema(kind: str | None = None) -> dict[str, Any]:
    """
    Return the schema of documents of *kind*, or of every document there is.

    Raises:
        SpecError: there is no such kind.
    """
    if kind is not None and kind not in MODELS:
        hint = did_you_mean(kind, list(MODELS)) or f"The kinds are {', '.join(MODELS)}."
        raise SpecError([Problem(Place(kind), "unknown kind of document", hint)])
    chosen = [MODELS[kind]] if kind else list(MODELS.values())
    definitions: dict[str, Any] = {}
    schemas = []
    for model in chosen:
        schema = TypeAdapter(model).json_schema(by_alias=True)
        definitions |= schema.pop("$defs", {})
        schemas.append(schema)
    top = schemas[0] if kind else {"oneOf": schemas}
    return {"$schema": _DIALECT, "title": kind or "leanplum-sync", **top, "$defs": definitions}


def _check_spelling(document: OpenDocument, wrong: list[Path]) -> None:
    """Report codes that YAML reads as numbers, except at paths that are *wrong* anyway."""
    for path, text in document.document.numbers.items():
        if not is_usual_number(text) and not any(path[: len(each)] == each for each in wrong):
            document.report_at(
                document.value_place(path),
                "this number looks like a code, and its exact spelling would be lost",
                "If it is a code, put it in quotes. Otherwise write it in plain digits.",
            )


def _report(details: ErrorDetails, document: OpenDocument, model: type[Document]) -> None:
    explained = explain(details, model, document.file.sensitive)
    place = document.key_place if explained.at_key or details["type"] == "missing" else document.value_place
    document.report_at(place(explained.path), explained.message, explained.hint)


def _without(
    value: Json, errors: list[ErrorDetails], entries: Collection[str], stand_ins: Mapping[Path, Json]
) -> Json:
    """Return *value* without the parts that have *errors*, and with *stand_ins* for required keys."""
    pruned = copy.deepcopy(value)
    for details in errors:
        path = path_of(details)
        if len(path) > 2 and path[0] == "spec" and path[1] in entries:  # noqa: PLR2004 - spec, section, entry
            path = path[:3]
        _remove(pruned, path)
    for path, stand_in in stand_ins.items():
        _stand_in(pruned, path, stand_in)
    return pruned


def _remove(value: Json, path: Path) -> None:
    """Remove the value at *path*. A list is removed as a whole, but an item of an inline list is replaced."""
    for depth, part in enumerate(path):
        last = depth == len(path) - 1
        if isinstance(value, dict) and part in value:
            if last or (isinstance(value[part], list) and path[depth : depth + 1] != ("inline",)):
                del value[part]
                return
            value = value[part]
        elif isinstance(value, list) and isinstance(part, int):
            value[part] = f"{UNNAMED}-{part}"
            return


def _stand_in(value: Json, path: Path, stand_in: Json) -> None:
    for part in path[:-1]:
        value = value.setdefault(part, {}) if isinstance(value, dict) else None
    if isinstance(value, dict):
        value.setdefault(path[-1], stand_in)
