"""Tells what finishing an erasure did, and what is left for a person."""

from __future__ import annotations

from typing import Final

from leanplum_sync.cli.output.console import Console
from leanplum_sync.cli.shell import shortest
from leanplum_sync.library.erasing.finishing import Finished
from leanplum_sync.render.values import amount, cut, escaped

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
    if finished.search.found:
        console.say("Found elsewhere; remove by hand what is about the erased users:")
        for each in finished.search.found[:_LISTED]:
            what = "an id" if each.ids else "a value, which may also be of others"
            console.say(f"  {escaped(each.place)}: {what}")
        if more := len(finished.search.found) - _LISTED:
            console.say(f"  and {more:,} more, in the receipt" if more > 0 else "")
    for path in finished.receipts:
        if path.suffix == ".md":
            console.say(f"Receipt: {shortest(path)}")


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
