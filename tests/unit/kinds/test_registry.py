"""Every kind is registered, and what it declares is true."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import replace
from typing import Any

import pytest

from leanplum_sync import kinds
from leanplum_sync.kinds.kind import Kind
from leanplum_sync.kinds.registry import KINDS, by_name
from leanplum_sync.project.model import BudgetModel
from leanplum_sync.wire.catalogue import ACTIONS

USERS = KINDS["UserAttributes"]


def test_every_module_with_a_kind_is_registered() -> None:
    modules = (
        importlib.import_module(f"{kinds.__name__}.{each.name}")
        for each in pkgutil.iter_modules(kinds.__path__)
    )
    found = [module.KIND for module in modules if isinstance(getattr(module, "KIND", None), Kind)]
    assert sorted(kind.name for kind in found) == sorted(KINDS)


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_actions_keys_and_hazards_of_a_kind_exist(kind: Kind[Any]) -> None:
    assert ACTIONS.keys() >= {*kind.reads, *kind.writes}
    assert all(ACTIONS[name].writes for name in kind.writes)
    spec = kind.document.model_fields["spec"].annotation
    assert spec is not None
    assert {*filter(None, (kind.rows_key,)), *kind.entries} <= {
        field.alias or name for name, field in spec.model_fields.items()
    }
    budget = {field.alias or name for name, field in BudgetModel.model_fields.items()}
    assert budget >= set(kind.hazards)


def test_two_kinds_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="the same name"):
        by_name(USERS, replace(USERS, tables={"other": USERS.document}))


def test_a_kind_whose_document_is_that_of_another_is_refused() -> None:
    with pytest.raises(ValueError, match="its document says"):
        replace(USERS, name="Other")
