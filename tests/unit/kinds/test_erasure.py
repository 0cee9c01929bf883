"""The specs and rows of Erasure: what it needs to know, and what contradicts it."""

from __future__ import annotations

from typing import Any

import pytest

from leanplum_sync.kinds.rows.desires import Erase

USERS = "users: {file: c.csv, id: u}\n"


def row(folder: Any, spec: str, *cells: str, header: str = "u,ticket") -> Any:
    """Return what the only row asks for, or the messages of its problems."""
    folder.write("specs/c.csv", f"{header}\n{','.join(cells)}\n")
    folder.spec("Erasure", USERS + spec)
    (found,) = folder.wants()
    if isinstance(found, tuple | list):
        return [problem.message for problem in found]
    (desire,) = found.desires
    assert isinstance(desire, Erase)
    return desire.full, desire.block, desire.request


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("full: true", (True, False, "")),
        ("full: false", (False, False, "")),
        ("full: true\nblock: true", (True, True, "")),
        ("full: true\nrequest: {column: ticket}", (True, False, "T-17")),
    ],
)
def test_each_form_says_what_is_erased(folder: Any, spec: str, expected: tuple[bool, bool, str]) -> None:
    assert row(folder, spec, "u1", "T-17") == expected


@pytest.mark.parametrize("cell", ["", " ", "x" * 101, "a\tb"])
def test_a_request_without_an_id_is_a_problem_that_does_not_show_it(folder: Any, cell: str) -> None:
    (message,) = row(folder, "full: true\nrequest: {column: ticket}", "u1", f'"{cell}"')
    assert message.startswith("the request in column ticket is ")
    assert not cell.strip() or cell not in message


@pytest.mark.parametrize("cell", [True, [], {}])
def test_no_value_of_another_type_is_a_request(folder: Any, cell: Any) -> None:
    folder.spec("Erasure", f"users: {{inline: [{{id: u1, t: {cell}}}]}}\nfull: true\nrequest: {{column: t}}")
    (problems,) = folder.wants()
    assert [problem.message for problem in problems] == ["the request in column t is not an id"]
