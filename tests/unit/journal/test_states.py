"""The table of transitions, and what must hold for it whatever else changes."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

import leanplum_sync.journal
from leanplum_sync.errors import JournalCorruptError
from leanplum_sync.journal.entry import BatchState, Fate
from leanplum_sync.journal.reader import GRAVITY
from leanplum_sync.journal.states import TRANSITIONS, Transition


def test_every_state_has_its_row() -> None:
    assert set(TRANSITIONS) == set(BatchState)


# The table once more, as its drawing has it: a cell that is changed by mistake is changed in one place only.
ARROWS = {
    ("planned", "planned"),
    ("planned", "sent"),
    ("planned", "done"),
    ("planned", "held"),
    ("planned", "parked"),
    ("sent", "done"),
    ("sent", "in doubt"),
    ("sent", "parked"),
    ("sent", "planned"),
    ("sent", "held"),
    ("in doubt", "done"),
    ("in doubt", "planned"),
    ("in doubt", "held"),
    ("parked", "planned"),
    ("held", "done"),
    ("held", "planned"),
}


def test_the_table_has_these_arrows_and_no_others() -> None:
    assert {(state.value, to.value) for state, found in TRANSITIONS.items() for to in found} == ARROWS


def test_nothing_leads_out_of_done() -> None:
    assert not TRANSITIONS[BatchState.DONE]


def test_only_planned_leads_to_sent() -> None:
    assert [state for state, to in TRANSITIONS.items() if BatchState.SENT in to] == [BatchState.PLANNED]


def test_a_doubt_arises_from_a_request_and_from_nothing_else() -> None:
    assert [state for state, to in TRANSITIONS.items() if BatchState.IN_DOUBT in to] == [BatchState.SENT]


def test_every_state_can_still_become_done() -> None:
    def reachable(state: BatchState) -> set[BatchState]:
        found, new = {state}, {state}
        while new:
            new = {to for each in new for to in TRANSITIONS[each]} - found
            found |= new
        return found

    assert all(BatchState.DONE in reachable(state) for state in BatchState)


def test_every_fate_has_its_gravity() -> None:
    assert sorted(GRAVITY) == sorted(Fate)


@pytest.mark.parametrize(("before", "to"), list(product(BatchState, BatchState)))
def test_no_transition_can_be_made_that_the_table_does_not_have(before: BatchState, to: BatchState) -> None:
    if (before.value, to.value) in ARROWS:
        assert Transition(before, to).to is to
    else:
        with pytest.raises(JournalCorruptError, match=f"that is {before.value} can't become {to.value}"):
            Transition(before, to)


JOURNAL = Path(leanplum_sync.journal.__file__).parent
WRITES = frozenset({"insert", "update", "delete", "replace"})
SQL_WRITES = [["update", "batch", "set"], ["insert", "into", "batch"], ["delete", "from", "batch"]]


def _scopes(source: str) -> Iterator[list[ast.AST]]:
    """Yield the nodes of each function in *source*, and then those of no function."""
    tree = ast.parse(source)
    functions = [list(ast.walk(node)) for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    yield from functions
    inside = {id(node) for function in functions for node in function}
    yield [node for node in ast.walk(tree) if id(node) not in inside]


def _names_of_the_table(scope: list[ast.AST]) -> set[str]:
    """Return ``batch_table`` and every name that *scope* gives it, also one of several at a time."""
    names = {"batch_table"}
    for node in scope:
        if not isinstance(node, ast.Assign):
            continue
        for target in node.targets:
            pairs = (
                zip(target.elts, node.value.elts, strict=True)
                if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple)
                else [(target, node.value)]
            )
            names |= {
                to.id
                for to, value in pairs
                if isinstance(to, ast.Name) and isinstance(value, ast.Name) and value.id == "batch_table"
            }
    return names


def _writes_of_batches(source: str) -> Iterator[int]:
    """Yield the line of each statement in *source* that inserts, changes, replaces or deletes a batch's row."""
    for scope in _scopes(source):
        names = _names_of_the_table(scope)
        for node in scope:
            match node:
                case ast.Call(func=ast.Attribute(attr=attr, value=of), args=args) if attr in WRITES:
                    if any(isinstance(each, ast.Name) and each.id in names for each in (of, *args)):
                        yield node.lineno
                case ast.Constant(value=str(text)) if text.casefold().split()[:3] in SQL_WRITES:
                    yield node.lineno


def test_only_one_module_writes_the_state_of_a_batch() -> None:
    """But for copying a whole journal, which takes every table as it is, a new column that an upgrade fills, and signatures."""
    found = {
        path.name: list(_writes_of_batches(path.read_text()))
        for path in JOURNAL.glob("*.py")
        if path.name != "states.py"
    }
    allowed = {"schema.py": ".values(deliveries=deliveries_of_batch())", "signing.py": ".values(signature="}
    for name, words in allowed.items():
        lines = (JOURNAL / name).read_text().splitlines()
        assert all(words in lines[line - 1] for line in found.pop(name))
    assert not any(found.values())
    assert list(_writes_of_batches((JOURNAL / "states.py").read_text()))


@pytest.mark.parametrize(
    "source",
    [
        "sa.update(batch_table).values(state='done')",
        "run, batch = run_table, batch_table\nsa.update(batch).where(batch.c.run == 1).values(values)",
        "table = batch_table\ntable.update()",
        "sa.insert(batch_table)",
        "database.replace(connection, batch_table, rows)",
        "connection.exec_driver_sql('UPDATE batch SET state = 1')",
    ],
)
def test_a_write_elsewhere_would_be_found(source: str) -> None:
    assert list(_writes_of_batches(source))
