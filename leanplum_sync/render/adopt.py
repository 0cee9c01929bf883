"""What `adopt` wrote into specs and data files, or recorded in the journal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from rich.console import RenderableType
from rich.text import Text

from leanplum_sync.operations.adopt import Adopted, Adoption, Left
from leanplum_sync.operations.adopted_files import AdoptedFile
from leanplum_sync.planner.plan import Target
from leanplum_sync.render.documents import (
    AdoptedEntry,
    AdoptedFileEntry,
    AdoptionDocument,
    NotAdoptedEntry,
    RecordedSends,
    entry,
    written,
)
from leanplum_sync.render.page import Page
from leanplum_sync.render.paint import BLANK, CARE, GOOD, faint, grid, heading, paint
from leanplum_sync.render.plan_words import target_words
from leanplum_sync.render.values import Mask, amount, cut, escaped, shown, subject_words, timestamp

_ROWS_SHOWN: Final = 20
_PLACE_CELLS: Final = 40
_CELLS: Final = 20
_ALL: Final = "; -o json lists them all"


def adoption_text(
    adoption: Adoption,
    files: Sequence[AdoptedFile],
    target: Target,
    mask: Mask,
    page: Page,
    *,
    dry_run: bool,
    root: Path,
) -> str:
    title = "Live values to adopt" if dry_run else "Live values adopted"
    lines: list[RenderableType] = [heading(f"{title} from {target_words(target)}"), BLANK]
    lines += _adopted(adoption, mask)
    if files:
        lines += [BLANK, heading("Files that would change" if dry_run else "Files changed")]
        lines.append(grid([_file_row(each, root) for each in files], right=(1,)))
    if adoption.left:
        lines += [BLANK, heading("Not adopted"), *_left(adoption.left)]
    if adoption.unreadable:
        lines += [BLANK, Text(f"{amount(adoption.unreadable, 'user')} could not be read.", CARE)]
    if adoption.unlisted:
        are = "is" if adoption.unlisted == 1 else "are"
        lines += [BLANK, Text(f"{amount(adoption.unlisted, 'user')} {are} in no spec.", CARE)]
    if adoption.pending:
        differ = "differs" if adoption.pending == 1 else "differ"
        lines += [
            BLANK,
            Text(
                f"{amount(adoption.pending, 'more value')} {differ} because the spec was changed or has never been applied. To adopt"
                " them too, add --all."
            ),
        ]
    if adoption.reads:
        lines += [BLANK, faint(f"Reading live state cost {amount(adoption.reads, 'billable lookup')}.")]
    return paint(lines, page)


def _adopted(adoption: Adoption, mask: Mask) -> list[RenderableType]:
    if not adoption.adopted:
        return [Text("Nothing to adopt.", GOOD)]
    header = tuple(map(faint, ("place", "user", "field", "spec", "live")))
    rows = [_row(each) for each in masked_values(adoption.adopted[:_ROWS_SHOWN], mask)]
    rest = len(adoption.adopted) - len(rows)
    more = [faint(f"  and {rest:,} more{_ALL}")] if rest > 0 else []
    return [grid([header, *rows]), *more]


def masked_values(adopted: Sequence[Adopted], mask: Mask) -> list[Adopted]:
    return [
        replace(each, before=mask.value(each.field, each.before), after=mask.value(each.field, each.after))
        for each in adopted
    ]


def _row(adopted: Adopted) -> tuple[Text, ...]:
    whose = subject_words(adopted.subject) if adopted.subject else f"all {amount(adopted.rows, 'row')}"
    return (
        Text(cut(escaped(str(adopted.place)), _PLACE_CELLS)),
        Text(cut(whose, _CELLS)),
        Text(cut(escaped(adopted.field), _CELLS)),
        Text(shown(adopted.before, _CELLS)),
        Text(shown(adopted.after, _CELLS)),
    )


def _file_row(file: AdoptedFile, root: Path) -> tuple[Text, ...]:
    note = (
        f"new, because {escaped(file.instead_of)} can't be edited: copy these rows to it"
        if file.instead_of
        else ""
    )
    return Text(escaped(_relative(file.path, root))), Text(amount(file.values, "value")), faint(note)


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def _left(left: Sequence[Left]) -> list[RenderableType]:
    lines: list[RenderableType] = []
    shown_groups = left[:_ROWS_SHOWN]
    for why in dict.fromkeys(each.why for each in shown_groups):
        rows = [
            (
                Text(f"{each.users:,}", CARE),
                Text(cut(escaped(each.resource), _PLACE_CELLS)),
                Text(cut(escaped(each.field), _CELLS)),
                faint(", ".join(cut(subject_words(sample), _CELLS) for sample in each.samples)),
            )
            for each in shown_groups
            if each.why is why
        ]
        lines += [Text(f"{why[0].upper()}{why[1:]}."), grid(rows, right=(0,))]
    rest = len(left) - len(shown_groups)
    return [*lines, *([faint(f"  and {rest:,} more groups{_ALL}")] if rest > 0 else [])]


def adoption_json(
    adoption: Adoption,
    files: Sequence[AdoptedFile],
    target: Target,
    mask: Mask,
    *,
    dry_run: bool,
    root: Path,
) -> str:
    first, last = adoption.observed
    return written(
        entry(
            AdoptionDocument,
            adoption,
            target=target,
            is_dry_run=dry_run,
            observed_from=timestamp(first),
            observed_until=timestamp(last),
            adopted=tuple(
                entry(AdoptedEntry, each, place=str(each.place), users=each.rows)
                for each in masked_values(adoption.adopted, mask)
            ),
            not_adopted=tuple(entry(NotAdoptedEntry, each, reason=each.why.value) for each in adoption.left),
            files=tuple(entry(AdoptedFileEntry, each, path=_relative(each.path, root)) for each in files),
        )
    )


def recorded_text(recorded: RecordedSends, page: Page) -> str:
    done = "would be recorded" if recorded.is_dry_run else "recorded"
    run = f" as run {recorded.run}" if recorded.run is not None else ""
    again = "it" if recorded.recorded == 1 else "them"
    later = "" if recorded.is_dry_run else f" Plans won't send {again} again."
    lines = [
        Text(
            f"{amount(recorded.recorded, 'send')} of {escaped(recorded.delivery)} {done}{run}.{later}"
            if recorded.recorded
            else "Nothing to record.",
            GOOD,
        )
    ]
    if recorded.already:
        lines.append(
            Text(
                f"According to the journal, {amount(recorded.already, 'recipient')} had already received it."
            )
        )
    if recorded.unsettled:
        lines.append(
            Text(
                f"{amount(recorded.unsettled, 'send')} of an earlier run may have happened, and not recorded. Decide about it with leanplum-sync resolve.",
                CARE,
            )
        )
    return paint(lines, page)
