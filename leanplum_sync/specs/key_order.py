"""The order of a document's keys: the order of the fields in its model, and of the reference pages."""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeAlias, Union, get_args, get_origin

from pydantic import BaseModel

from leanplum_sync.specs.check import MODELS

_TOP: Final = ("apiVersion", "kind", "metadata", "spec")

Shape: TypeAlias = (
    Any  # a type as pydantic's fields name it, or a document's model; None where no order is known
)


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one mapping: *names* in order, if the order is known, and the shape below each."""

    names: tuple[str, ...] = ()
    below: dict[str, Shape] | None = None
    others: Shape = None

    def rank(self, name: str) -> int:
        """Return a key to sort by. Unknown names come last, in the order in which they were written."""
        return self.names.index(name) if name in self.names else len(self.names)

    def shape(self, name: str) -> Shape:
        return (self.below or {}).get(name, self.others)


def document_shape(kind: object) -> Shape:
    return MODELS.get(kind) if isinstance(kind, str) else None


def keys_of(shape: Shape, written: Iterable[str]) -> Keys:
    """Return the order for a mapping of *shape* with the keys *written*, which tell one form from another."""
    names = set(written)
    kinds = list(alternatives(shape))
    models = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)]
    if models:
        fields = [_fields(model) for model in models]
        best = max(fields, key=lambda each: len(names & each.keys()))
        top = _TOP if best.keys() >= set(_TOP) else ()
        return Keys((*top, *(name for name in best if name not in top)), best)
    mappings = [get_args(kind)[1] for kind in kinds if _origin(kind) is dict]
    return Keys(others=mappings[0]) if mappings else Keys()


def item_shape(shape: Shape) -> Shape:
    return next((get_args(kind)[0] for kind in alternatives(shape) if _origin(kind) is list), None)


def _fields(model: type[BaseModel]) -> dict[str, Shape]:
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}


def alternatives(shape: Shape) -> Iterator[Shape]:
    """Yield the types that a value of *shape* may have, without what wraps them."""
    origin = _origin(shape)
    if origin is Annotated:
        yield from alternatives(get_args(shape)[0])
    elif origin is Union or origin is types.UnionType:
        for each in get_args(shape):
            yield from alternatives(each)
    else:
        yield shape


def _origin(shape: Shape) -> Any:
    return get_origin(shape)
