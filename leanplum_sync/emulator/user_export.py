"""The file of exportUsers: a CSV without a header, in whichever form the switches choose."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import orjson

from leanplum_sync.emulator.experiments import variants_of
from leanplum_sync.emulator.values import java_double
from leanplum_sync.emulator.work import Work

_MISSING_ONE_IN = 5
_REPEATED_ONE_IN = 3


def users_csv(work: Work, attribute: str | None, test_id: str | None, test: Any) -> tuple[bytes, int]:
    """
    Return the file, and the size that it would have in full.

    Each row has the userId, then the id and name of the variant if *test_id* was asked for, then the value of *attribute*.
    """
    rows = list(_rows(work, attribute, test_id, test))
    if work.switches.export_users_stale:
        kind, key = "exported", f"{test_id}:{attribute}"
        before = work.transaction.thing(kind, key)
        work.transaction.put_thing(kind, key, rows)
        rows = rows if before is None else before
    write = WRITERS[work.switches.export_users_quoting]
    lines = [write(row) for row in _altered(rows, work)]
    return _cut_off(lines, work.switches.export_users_truncated), sum(map(len, lines))


def _rows(work: Work, attribute: str | None, test_id: str | None, test: Any) -> Iterator[list[str]]:
    for user in work.transaction.all_users():
        if user.blocked:
            continue
        row = [user.user_id]
        if test_id:
            variant = variants_of({test_id: test}, user.user_id).get(test_id, {})
            row += [str(variant.get("id", "")), str(variant.get("name", ""))]
        if attribute:
            value = user.attributes.get(attribute)
            if value is None and work.switches.export_users_rows == "with_attribute":
                continue
            row.append(cell_of(value))
        yield row


def cell_of(value: Any) -> str:
    match value:
        case None:
            return ""
        case float():
            return java_double(value)
        case list() | dict():
            return orjson.dumps(value).decode()
        case _:
            return str(value)


def _altered(rows: list[list[str]], work: Work) -> list[list[str]]:
    switches = work.switches
    if switches.export_users_missing:
        rows = [row for place, row in enumerate(rows, start=1) if place % _MISSING_ONE_IN]
    repeated = rows[::_REPEATED_ONE_IN]
    match switches.export_users_duplicates:
        case "none":
            pass
        case "same":
            rows = [*rows, *repeated]
        case "contradicting":
            rows = [*rows, *([row[0], *("" for _ in row[1:])] for row in repeated)]
    if switches.export_users_order == "shuffled":
        rows = random.Random(len(rows)).sample(rows, len(rows))  # noqa: S311 (an order, not a secret)
    return rows


def _quoted(quoting: Any, **form: Any) -> Callable[[list[str]], bytes]:
    def write(row: list[str]) -> bytes:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n", quoting=quoting, **form).writerow(row)
        return text.getvalue().encode()

    return write


def _bare(row: list[str]) -> bytes:
    return (",".join(row) + "\n").encode()


WRITERS: dict[str, Callable[[list[str]], bytes]] = {
    "minimal": _quoted(csv.QUOTE_MINIMAL),
    "all": _quoted(csv.QUOTE_ALL),
    "backslash": _quoted(csv.QUOTE_NONE, escapechar="\\"),
    "none": _bare,
}


def _cut_off(lines: list[bytes], how: str) -> bytes:
    if how == "no":
        return b"".join(lines)
    kept = lines[: 2 * len(lines) // 3]
    if how == "in_a_row" and len(kept) < len(lines):
        kept = [*kept, lines[len(kept)][:-2]]
    return bytes(chain.from_iterable(kept))
