"""One user in detail: every desired value, the live value, the spec line that asks for it, and the decision."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Final

from rich.console import RenderableType
from rich.text import Text

from leanplum_sync.kinds.rows import desires
from leanplum_sync.kinds.rows.desires import Desire
from leanplum_sync.operations.explain import Explained, Explanation
from leanplum_sync.planner.change import Change, Effect, effect_of
from leanplum_sync.planner.decide import Reason
from leanplum_sync.planner.plan import SOURCE, Note, Target
from leanplum_sync.problem import Place
from leanplum_sync.render.documents import (
    ChangeEntry,
    ComparedValues,
    DecisionEntry,
    ExplanationDocument,
    entry,
    written,
)
from leanplum_sync.render.page import Page
from leanplum_sync.render.paint import BLANK, CARE, FAINT, GOOD, NAME, faint, grid, heading, paint
from leanplum_sync.render.plan_words import KIND_WORDS, change_words, hiders, target_words, with_hidden
from leanplum_sync.render.values import Mask, Masked, escaped, shown
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.values import normal_form

_WHOLE_EVENT: Final = 2000  # cells


def explained_text(
    explained: Explained, target: Target, mask: Mask, page: Page, notes: Sequence[Note] = ()
) -> str:
    """*notes* are those of the plan. The ones about sources of the user's rows are shown."""
    style = GOOD if target.is_emulator else CARE
    who = f"{explained.subject.kind.value.capitalize()} {escaped(explained.subject.id)}"
    title = Text.assemble((f"{who} in the plan for ", "bold"), (target_words(target), style))
    rows = sorted(
        {each.found_at for each in explained.changes} | {each.found_at for each in explained.explanations}
    )
    is_one = len(rows) == 1
    files = {place.file for place in rows}
    lines: list[RenderableType] = [
        title,
        *([faint(f"Listed in {_found(rows[0])}")] if is_one else []),
        *(
            faint(escaped(f"{note.samples[0]}: {note.sentence}"))
            for note in notes
            if note.code == SOURCE and note.samples[0] in files
        ),
        BLANK,
    ]
    if explained.changes:
        changes = _mask_changes(explained.changes, mask)
        lines += [
            heading("Would change"),
            grid(_change_row(each, page, with_row=not is_one) for each in changes),
            BLANK,
        ]
    else:
        lines += [Text("No changes."), BLANK]
    stays = [each for each in explained.explanations if not each.changes]
    if stays:
        lines += [heading("Unchanged"), *_stays(stays, mask, page, with_row=not is_one), BLANK]
    return paint([*lines, *_remarks(explained)], page)


def _stays(stays: Sequence[Explanation], mask: Mask, page: Page, *, with_row: bool) -> list[RenderableType]:
    if all(each.reason is Reason.MISSING for each in stays):
        return [Text(f"  Everything: the user {Reason.MISSING}.")]
    return [grid(_stay_row(each, mask, page, with_row=with_row) for each in stays)]


def _change_row(change: Change, page: Page, *, with_row: bool) -> tuple[Text, ...]:
    places = _places(change.asked_at, change.found_at, with_row=with_row)
    is_event = effect_of(change.kind) is Effect.OCCURRENCE
    cells = _WHOLE_EVENT if is_event else page.width // 3
    words = change_words(change.kind, change.field, change.before, change.after, cells)
    # An event is its time, value, parameters and key: they go to the last column, where long text wraps.
    return (
        Text(f"{KIND_WORDS[change.kind]}"),
        Text(_field(change.field, change.device_id), NAME),
        Text("" if is_event else words),
        Text.assemble(words, (f"  {places}", FAINT)) if is_event else faint(places),
    )


def _stay_row(explanation: Explanation, mask: Mask, page: Page, *, with_row: bool) -> tuple[Text, ...]:
    desire = explanation.desire
    is_of_taken = explanation.reason in (Reason.NOT_CONVERTIBLE, Reason.NOT_COPYABLE)
    value = explanation.taken if is_of_taken and explanation.taken is not None else explanation.observed
    observed = "" if isinstance(desire, desires.Send) else shown(_hide(desire, value, mask), page.width // 4)
    places = _places(explanation.asked_at, explanation.found_at, with_row=with_row)
    return (
        Text(_field(desire.name, _device_id(desire)), NAME),
        Text(observed),
        Text.assemble(explanation.reason.value, _equal(explanation, mask, page), (f"  {places}", "dim")),
    )


def _equal(explanation: Explanation, mask: Mask, page: Page) -> str:
    """Return a remark where the API treats two values as equal although they look different."""
    desired, observed = _desired(explanation, mask), _observed(explanation, mask)
    if explanation.reason is not Reason.SAME or desired is None:
        return ""
    words = shown(desired, page.width // 4)
    return "" if words == shown(observed, page.width // 4) else f": the API treats it as equal to {words}"


def _desired(explanation: Explanation, mask: Mask) -> Json:
    """Return the desired value; None where it depends on the live value, or where no value is desired."""
    match explanation.desire:
        case (
            desires.SetAttribute(name=name, value=value)
            | desires.SetProfileField(name=name, value=value)
            | desires.SetThing(name=name, value=value)
        ):
            return mask.value(name, value)
        case desires.SetDeviceField(name=name, value=value):
            return mask.value(name, value)
        case desires.SetSubscription(name=name, state=state):
            return mask.value(name, state)
        case desires.TakeAttribute() as desire:
            return _hide(desire, explanation.becomes, mask)
        case (
            desires.RemoveAttribute()
            | desires.AlterList()
            | desires.IncrementAttribute()
            | desires.Once()
            | desires.Erase()
            | desires.RemoveThing()
        ):
            return None


def _normal_form(value: Json) -> Json:
    """Two values have equal normal forms exactly if the API treats them as equal."""
    return value if _has_masked(value) else normal_form(value)


def _has_masked(value: Json) -> bool:
    match value:
        case dict():
            return any(map(_has_masked, value.values()))
        case list() | tuple():
            return any(map(_has_masked, value))
        case _:
            return isinstance(value, Masked)


def _remarks(explained: Explained) -> Iterable[Text]:
    for problem in explained.unread:
        yield Text(f"Specs may ask for more: {escaped(str(problem))}", CARE)
    if not explained.listed and not explained.unread:
        yield faint(
            "No spec lists this ID. IDs are text: 00004 and 4 are different users. Write a device as device:ID."
        )
    elif explained.listed and not explained.observed:
        yield faint(
            "Unchanged values are not shown: the snapshot of this plan is missing or does not contain this ID."
        )


def _places(asked_at: Place, found_at: Place, *, with_row: bool) -> str:
    line = asked_at.file if asked_at.line is None else f"{asked_at.file}:{asked_at.line}"
    return escaped(line) + (f" {_found(found_at)}" if with_row and found_at.file != asked_at.file else "")


def _found(place: Place) -> str:
    return escaped(f"{place.file}:{place.line}" if place.line is not None else str(place))


def _field(name: str, device_id: str) -> str:
    return escaped(f"{device_id}/{name}" if device_id else name)


def _device_id(desire: Desire) -> str:
    return desire.device_id if isinstance(desire, desires.SetDeviceField) else ""


def _observed(explanation: Explanation, mask: Mask) -> Json:
    return _hide(explanation.desire, explanation.observed, mask)


def _hide(desire: Desire, value: Json, mask: Mask) -> Json:
    if isinstance(desire, desires.TakeAttribute) and mask.covers(desire.source):
        return mask.hide(value)
    return mask.value(desire.name, value)


def _mask_changes(changes: Sequence[Change], mask: Mask) -> tuple[Change, ...]:
    hider = hiders(changes, mask, attrgetter("asked_at"))
    return tuple(with_hidden(change, hider(change)) for change in changes)


def explained_json(explained: Explained, target: Target, mask: Mask) -> str:
    return written(
        ExplanationDocument(
            target=target,
            subject=explained.subject,
            is_listed=explained.listed,
            is_observed=explained.observed,
            changes=tuple(map(_change_entry, _mask_changes(explained.changes, mask))),
            decisions=tuple(_decision_entry(each, mask) for each in explained.explanations),
        )
    )


def _change_entry(change: Change) -> ChangeEntry:
    return entry(
        ChangeEntry,
        change,
        device_id=change.device_id or None,
        asked_at=str(change.asked_at),
        found_at=str(change.found_at),
    )


def _decision_entry(explanation: Explanation, mask: Mask) -> DecisionEntry:
    observed, desired = _observed(explanation, mask), _desired(explanation, mask)
    return entry(
        DecisionEntry,
        explanation,
        field=explanation.desire.name,
        device_id=_device_id(explanation.desire) or None,
        observed=observed,
        desired=desired,
        compared_as=ComparedValues(_normal_form(observed), _normal_form(desired)),
        asked_at=str(explanation.asked_at),
        found_at=str(explanation.found_at),
        is_changed=bool(explanation.changes),
    )
