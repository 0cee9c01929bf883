"""A wrong indentation is blamed on the line that has it, not on the line where the parser stops."""

from __future__ import annotations

import pytest

from leanplum_sync.specs.yaml_file import read_documents

SPEC = """\
apiVersion: leanplum-sync/v1
kind: UserAttributes
metadata:
  name: a
spec:
  users: {inline: [u1]}
  attributes:
    # a comment
    one: 1
    two: 2
    three: {column: x}
    four: 4
    five: 5
    six:
      column: y
      type: text
    seven: 7
"""
LINES = [number for number, line in enumerate(SPEC.splitlines()) if number and "#" not in line]


@pytest.mark.parametrize("by", [-3, -2, -1, 1, 2, 3])
def test_the_line_that_was_shifted_is_blamed(by: int) -> None:
    blamed = 0
    for number in LINES:
        lines = SPEC.splitlines()
        line = lines[number]
        indent = len(line) - len(line.lstrip()) + by
        if indent < 0:
            continue
        lines[number] = " " * indent + line.lstrip()
        _, faults = read_documents("\n".join(lines) + "\n")
        for fault in faults:
            assert (fault.spot.line, fault.message) == (number + 1, "the indentation is wrong"), lines[number]
            # After the last line of a block, a key may belong to that block or to an outer one.
            expected = [indent - by, 6] if number == LINES[-1] else [indent - by]
            assert any(f"Indent this line by {spaces} space" in fault.hint for spaces in expected)
            blamed += 1
    assert blamed


def test_a_colon_in_a_text_is_no_matter_of_indentation() -> None:
    _, faults = read_documents("a:\n  b: c: d\n  e: 1\n")
    assert [(fault.spot.line, fault.message) for fault in faults] == [(2, "a colon isn't allowed here")]


def test_a_long_file_keeps_the_line_where_the_parser_stopped() -> None:
    lines = [f"  key{number}: 1" for number in range(2000)]
    lines[1000] = f" {lines[1000]}"
    _, faults = read_documents("\n".join(["top:", *lines]))
    assert [fault.spot.line for fault in faults] == [1002]
