"""JSON documents for machines. Each starts with its format and version."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

from leanplum_sync.address import Subject
from leanplum_sync.render.documents import Document
from leanplum_sync.render.values import Masked

T = TypeVar("T")


def written(document: Document) -> str:
    """
    Return ``{"format": "leanplum-sync/<name>", "version": <version>, ...}``, indented, in ASCII only.

    ASCII, because values are untrusted text, and people also look at documents in a terminal.
    """
    head = {"format": f"leanplum-sync/{document.NAME}", "version": document.VERSION}
    return (
        json.dumps({**head, **_fields(document)}, indent=2, default=_plain).replace("\x7f", "\\u007f") + "\n"
    )


def key_of(name: str) -> str:
    """Return the key of the field *name*: ``planDigest`` for ``plan_digest``, ``class`` for ``class_``."""
    first, *others = name.rstrip("_").split("_")
    return first + "".join(map(str.capitalize, others))


def entry(model: type[T], *sources: object, **given: Any) -> T:
    """
    Return a *model*. Its fields are *given*, or else the attributes of the same names of *sources*, the first one first.

    Raises:
        TypeError: a field is neither.
    """
    names = [field.name for field in fields(model)]  # type: ignore[arg-type]  # all are dataclasses
    found = {
        name: getattr(source, name) for source in reversed(sources) for name in names if hasattr(source, name)
    }
    return model(**{**found, **given})


def _plain(value: Any) -> Mapping[str, Any] | str:
    if isinstance(value, Subject):
        return str(value)
    if isinstance(value, Masked):
        return {"sensitive": value.fingerprint}
    if is_dataclass(value):
        return _fields(value)
    raise TypeError(f"{type(value).__name__} has no place in a document")


def _fields(value: Any) -> Mapping[str, Any]:
    return {key_of(field.name): getattr(value, field.name) for field in fields(value)}
