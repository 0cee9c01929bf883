"""Each mark that silences a tool or leaves out a test has its reason beside it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("leanplum_sync", "tests", "docs", "examples")
SILENCES = re.compile(
    r"#\s*(?:noqa(?:: [A-Z]+\d+(?:, [A-Z]+\d+)*)?|type: ignore(?:\[[a-z-, ]+\])?|pragma: no \w+)"
)


def test_each_mark_has_its_reason() -> None:
    paths = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
    found = [
        f"{path.relative_to(ROOT)}:{line}" for path in paths for line in without_reason(path.read_text())
    ]
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "x = 1  # noqa: E501",
        "x = 1  # noqa",
        "x = 1  # type: ignore[misc]",
        "x = 1  # type: ignore[misc]  # noqa: E501",
        "x = 1  # pragma: no cover",
        "pytest.skip()",
        "@pytest.mark.xfail(strict=True)\ndef f(): ...",
        "@pytest.mark.skipif(IS_QUICK)\ndef f(): ...",
    ],
)
def test_a_mark_without_a_reason_is_found(line: str) -> None:
    assert list(without_reason(line)) == [1]


@pytest.mark.parametrize(
    "line",
    [
        "x = 1  # noqa: E501, F401 - an extra",
        "x = 1  # noqa: E501 (frozen)",
        "x = 1  # type: ignore[misc]  # noqa: E501 - both",
        'pytest.skip("no device")',
        "pytest.skip(reason)",
        '@pytest.mark.skipif(IS_QUICK, reason="takes minutes")\ndef f(): ...',
        'x = "# noqa: E501"',
    ],
)
def test_a_mark_with_a_reason_is_fine(line: str) -> None:
    assert list(without_reason(line)) == []


def without_reason(source: str) -> Iterator[int]:
    """Yield the numbers of the lines with a mark that says no reason."""
    for number, line in enumerate(source.splitlines(), start=1):
        mark = SILENCES.search(line)
        is_comment = mark is not None and line.count('"', 0, mark.start()) % 2 == 0
        if (
            mark is not None
            and is_comment
            and not re.search("[a-zA-Z]", SILENCES.sub("", line[mark.start() :]))
        ):
            yield number
    leaves_out = ".skip" in source or ".xfail" in source
    for call in ast.walk(ast.parse(source)) if leaves_out else ():
        match call:
            case ast.Call(ast.Attribute(ast.Name("pytest"), "skip" | "xfail"), [], []):
                yield call.lineno
            case ast.Call(ast.Attribute(ast.Attribute(_, "mark"), "skip" | "skipif" | "xfail"), _, keywords):
                if not any(keyword.arg == "reason" for keyword in keywords):
                    yield call.lineno
