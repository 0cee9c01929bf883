"""No action is forgotten: each has a call in the client, a handler in the emulator, and a test that checks it there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from leanplum_sync.client import api
from leanplum_sync.client.client import Client
from leanplum_sync.emulator.methods import TABLE
from leanplum_sync.wire.catalogue import ACTIONS

# Files and batches travel by methods of the client.
BY_METHOD = {"downloadFile": "download_file", "uploadFile": "upload_file", "multi": "batch"}
# There each action stands for what all have alike, not for what it does.
ALIKE = "test_every_action.py"


def called_in(tree: ast.AST) -> Iterator[str]:
    """Yield the texts that are handed to a function, stand in a list of such, or are the ``action`` of an object."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(args=parts) | ast.List(elts=parts) | ast.Tuple(elts=parts):
                yield from (
                    part.value
                    for part in parts
                    if isinstance(part, ast.Constant) and isinstance(part.value, str)
                )
            case ast.Dict(keys=keys, values=values):
                named = zip(keys, values, strict=True)
                yield from (ast.literal_eval(value) for key, value in named if is_action(key, value))


def is_action(key: ast.expr | None, value: ast.expr) -> bool:
    return isinstance(key, ast.Constant) and key.value == "action" and isinstance(value, ast.Constant)


@pytest.fixture(scope="module")
def tested() -> set[str]:
    modules = [
        path
        for path in Path(__file__).parent.glob("test_*.py")
        if path.name not in (ALIKE, Path(__file__).name)
    ]
    return {text for path in modules for text in called_in(ast.parse(path.read_text()))}


@pytest.mark.parametrize("name", ACTIONS)
def test_an_action_has_a_call_a_handler_and_a_conformance_test(name: str, tested: set[str]) -> None:
    in_python = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
    assert callable(getattr(Client, BY_METHOD[name]) if name in BY_METHOD else getattr(api, in_python)), (
        "a call"
    )
    assert name in TABLE, "a handler"
    assert name in tested, "a conformance test"


def test_the_emulator_knows_no_action_that_the_catalogue_lacks() -> None:
    assert TABLE.keys() == ACTIONS.keys()
