"""Tells what finishing an erasure did, and what is left for a person."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from leanplum_sync.address import Subject
from leanplum_sync.cli.output.console import Console
from leanplum_sync.cli.shell import shortest
from leanplum_sync.clock import SystemClock
from leanplum_sync.library.erasing.checking import second_check
from leanplum_sync.library.erasing.cleaning import RECEIPTS
from leanplum_sync.library.erasing.finishing import Finished
from leanplum_sync.library.erasing.searching import Search
from leanplum_sync.library.journal_here import open_for
from leanplum_sync.project.settings import Settings
from leanplum_sync.render.values import amount, cut, escaped, moment

_LISTED: Final = 20


def tell_finished(finished: Finished | None, console: Console) -> None:
    if finished is None:
        return
    console.say(f"\n{_erased_words(finished)}")
    for place, reason in finished.cleaned.failed:
        console.complain(f"Not deleted: {escaped(place)}: {escaped(reason)}")
    if finished.remaining:
        names = ", ".join(cut(escaped(each.id)) for each in finished.remaining[:_LISTED])
        console.complain(
            f"{amount(len(finished.remaining), 'user')} still exist{'s' if len(finished.remaining) == 1 else ''}, or could not be read:"
            f" {names}. Nothing about them was deleted here. Apply the plan again, or make a new one."
        )
    _tell_search(finished.search, console)
    for path in finished.receipts:
        if path.suffix == ".md":
            console.say(f"Receipt: {shortest(path)}")


def _tell_search(search: Search, console: Console) -> None:
    for place, reason in search.unread[:_LISTED]:
        console.complain(f"Not searched: {escaped(place)}: {escaped(reason)}")
    if (more := len(search.unread) - _LISTED) > 0:
        console.complain(f"Not searched: {more:,} more, listed in the receipt")
    if search.found:
        console.say("Found elsewhere; remove by hand what is about the erased users:")
        for each in search.found[:_LISTED]:
            what = "an id" if each.ids else "a value, which may also be of others"
            console.say(f"  {escaped(each.place)}: {what}")
        if (more := len(search.found) - _LISTED) > 0:
            console.say(f"  and {more:,} more, in the receipt")


def tell_second_check(absent: Collection[Subject], settings: Settings, app: str, console: Console) -> None:
    """Record and tell for which of the *absent* users, who were to be erased, this was the second check."""
    if not absent:
        return
    with open_for(settings, app) as journal:
        checked = second_check(absent, settings, app, journal, SystemClock().now())
    if checked.passed:
        console.say(
            f"Second check: {amount(len(checked.passed), 'erased user')} still not there. Recorded in {shortest(settings.state_folder / RECEIPTS)}."
        )
    if checked.early:
        due = min(each.due_at for each in checked.early if each.due_at is not None)
        console.say(
            f"{amount(len(checked.early), 'erased user')}: the second check is due from {moment(due)}."
        )


def _erased_words(finished: Finished) -> str:
    if not finished.erased:
        return "No user was erased, so nothing was deleted here."
    cleaned = finished.cleaned
    deleted = [
        *([amount(len(cleaned.files), "file")] if cleaned.files else []),
        *([f"{amount(len(cleaned.kept), 'file')} in the journal"] if cleaned.kept else []),
        *([amount(len(cleaned.baselines), "baseline")] if cleaned.baselines else []),
        *([f"{amount(sum(cleaned.rows.values()), 'row')} of the journal"] if cleaned.rows else []),
    ]
    here = f" Deleted here: {', '.join(deleted)}." if deleted else ""
    searched = f" Searched {amount(finished.search.files, 'file')} and the journal."
    is_one = finished.erased == 1
    return f"{amount(finished.erased, 'user')} erased: {'it does' if is_one else 'they do'} not exist any more.{here}{searched}"
