"""Receipts of erasures, which can be filed: what was erased, when and how, what was searched, and what is left to do. No ids of users."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from leanplum_sync.journal.erasing import ErasureEntry
from leanplum_sync.planner.plan import Target
from leanplum_sync.render.plan_words import target_words
from leanplum_sync.render.values import amount, cut, escaped, moment, timestamp


@dataclass(frozen=True, slots=True)
class ErasureReceipt:
    """
    *absent* are those of *people* who did not exist when the plan was made. *found* are places that still have data about the people,
    each with whether there are ids and values. *too_common* is how many values were not searched for, because many files have them.
    """

    request: str
    run: int
    plan_digest: str
    target: Target
    people: Sequence[ErasureEntry]
    absent: Collection[str]
    deleted_files: Sequence[str]
    deleted_kept_files: Sequence[str]
    discarded_baselines: Sequence[str]
    journal_rows: Mapping[str, int]
    not_deleted: Sequence[tuple[str, str]]
    journal: str
    searched_files: int
    searched_bytes: int
    not_searched: Sequence[tuple[str, str]]
    found: Sequence[tuple[str, bool, bool]]
    too_common: int


def method_words(entry: ErasureEntry, *, was_absent: bool) -> str:
    if was_absent:
        return "did not exist when the plan was made"
    if entry.block:
        return "blocked: profile, sessions, and analytics erased, the id kept"
    return "profile, sessions, and analytics erased" if entry.full else "profile erased, analytics kept"


def second_check_json(passed: Iterable[ErasureEntry], now: float) -> dict[str, object]:
    """Return one line of a file: people who still did not exist 15 days later."""
    return {
        "document": "second check of erasures",
        "checkedAt": timestamp(now),
        "people": [
            {
                "person": each.person,
                "request": each.request or None,
                "run": each.run,
                "absentAt": timestamp(each.erased_at),
            }
            for each in passed
        ],
    }


def erasure_words(entries: Iterable[ErasureEntry], now: float) -> Iterator[str]:
    """Yield what is left to do about erasures: what was not finished, and second checks that are due or will be."""
    entries = [each for each in entries if each.checked_at is None]
    for environment in sorted({each.environment for each in entries}):
        own = [each for each in entries if each.environment == environment]
        named = cut(escaped(environment))
        if open_now := [each for each in own if each.erased_at is None]:
            yield (
                f"{named}: {amount(len(open_now), 'user')} of run {open_now[-1].run} not yet proven to be erased."
                " Apply the plan again, or make a new one."
            )
        due = [each.due_at for each in own if each.due_at is not None]
        if ready := [at for at in due if at <= now]:
            are = "is" if len(ready) == 1 else "are"
            yield (
                f"{named}: {amount(len(ready), 'erased user')} {are} due for the second check:"
                f" leanplum-sync drift -e {named}"
            )
        if later := [at for at in due if at > now]:
            yield f"{named}: {amount(len(later), 'erased user')}, second check from {moment(min(later))}"


def receipt_json(receipt: ErasureReceipt) -> str:
    """Return the receipt as JSON. Its order and names don't change."""
    content = {
        "document": "erasure receipt",
        "request": receipt.request or None,
        "run": receipt.run,
        "plan": receipt.plan_digest,
        "app": receipt.target.app_id,
        "host": receipt.target.host,
        "environment": receipt.target.environment,
        "people": [
            {
                "person": each.person,
                "full": each.full,
                "block": each.block,
                "wasAbsent": each.person in receipt.absent,
                "absentAt": timestamp(each.erased_at),
                "secondCheckDue": timestamp(each.due_at),
            }
            for each in receipt.people
        ],
        "deleted": {
            "files": list(receipt.deleted_files),
            "filesInJournal": list(receipt.deleted_kept_files),
            "baselines": list(receipt.discarded_baselines),
            "journalRows": dict(receipt.journal_rows),
            "failed": [{"place": place, "reason": reason} for place, reason in receipt.not_deleted],
        },
        "searched": {
            "files": receipt.searched_files,
            "bytes": receipt.searched_bytes,
            "journal": receipt.journal,
            "notSearched": [{"place": place, "reason": reason} for place, reason in receipt.not_searched],
            "valuesTooCommon": receipt.too_common,
        },
        "found": [{"place": place, "ids": ids, "values": values} for place, ids, values in receipt.found],
    }
    return json.dumps(content, indent=2) + "\n"


def receipt_markdown(receipt: ErasureReceipt) -> str:
    return "\n".join(_lines(receipt)) + "\n"


def _lines(receipt: ErasureReceipt) -> Iterator[str]:
    title = f" for request {receipt.request}" if receipt.request else ""
    yield from (
        f"# Receipt of an erasure{title}",
        "",
        f"Run {receipt.run} in {target_words(receipt.target)}, plan {receipt.plan_digest[:12]}.",
        "",
        "| person (keyed hash) | what was done | absent when read at | second check due |",
        "|---|---|---|---|",
    )
    for each in receipt.people:
        times = f"{timestamp(each.erased_at)} | {timestamp(each.due_at)}"
        yield f"| `{each.person}` | {method_words(each, was_absent=each.person in receipt.absent)} | {times} |"
    yield from (
        "",
        "Leanplum needs up to 15 days to erase sessions and analytics. Ask Leanplum about its backups.",
    )
    yield from ("", "## Deleted here", "")
    yield from _items(
        [
            *(f"`{name}`" for name in receipt.deleted_files),
            *(f"in the journal: {name}" for name in receipt.deleted_kept_files),
            *(f"the baseline of {name}" for name in receipt.discarded_baselines),
            *(
                f"in the journal: {amount(count, 'row')} of {table}"
                for table, count in receipt.journal_rows.items()
            ),
        ]
    )
    if receipt.not_deleted:
        yield from ("", "## Not deleted: remove by hand", "")
        yield from _items([f"{place}: {reason}" for place, reason in receipt.not_deleted])
    values = (
        f" {amount(receipt.too_common, 'value')} not searched for: short, or single words that many files have."
        if receipt.too_common
        else ""
    )
    yield from (
        "",
        "## Searched",
        "",
        f"{amount(receipt.searched_files, 'file')} below the project folder ({amount(receipt.searched_bytes, 'byte')}), and the journal {receipt.journal}.{values}",
    )
    if receipt.not_searched:
        yield from ("", "Not searched:", "")
        yield from _items([f"{place}: {reason}" for place, reason in receipt.not_searched])
    yield from ("", "## Found: remove by hand", "")
    yield from _items(
        [
            f"{place}: {'an id' if ids else 'a value, which may also be of others'}"
            for place, ids, values in receipt.found
        ]
    )


def _items(items: Sequence[str]) -> Iterator[str]:
    yield from (f"- {item}" for item in items) if items else ["Nothing."]
