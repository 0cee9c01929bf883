"""The hazards of a plan, which need consent by name and number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from leanplum_sync.planner.change import ChangeKind, facts
from leanplum_sync.planner.plan import ASSUMED, AUDIT, UNSEEN, Contents, Hazard, Summary

# Hazards that count changes of one kind, most important first.
CHANGE_HAZARDS: Final = tuple(
    dict.fromkeys(
        each.hazard for each in sorted(map(facts, ChangeKind), key=lambda each: each.rank) if each.hazard
    )
)
ERASED_BEFORE: Final = "erasedBefore"
REPEATED_SENDS: Final = "repeatedSends"
REPEATED_EVENTS: Final = "repeatedEvents"
SUSPECTED_RENAME: Final = "suspectedRename"
TRIGGERS_CAMPAIGNS: Final = "triggersCampaigns"
IN_RUNNING_TEST: Final = "inRunningTest"
DURING_MIGRATION: Final = "duringMigration"
NO_CONSENT: Final = 0  # what a budget allows that doesn't name sends or created users


@dataclass(frozen=True, slots=True)
class Repeats:
    """
    What the journal shows that a plan would repeat under another name, or undo.

    *sends* have a recipient who was sent the same message lately; *renames* counts recipients of deliveries that look renamed;
    *events* have the key of an event of the same user in another import. *erased* counts users who would be changed, or sent
    something, although a run erased them.
    """

    sends: int = 0
    renames: int = 0
    events: int = 0
    erased: int = 0


NO_REPEATS: Final = Repeats()


def hazards(
    summary: Summary,
    forced_sends: int,
    budget: Mapping[str, int | None],
    new_names: int = 0,
    *,
    is_migrating: bool = False,
    repeats: Repeats = NO_REPEATS,
) -> tuple[Hazard, ...]:
    """
    Return every hazard with a count above zero, in the order in which they matter.

    *budget* maps names to the most that is allowed; a name that is missing, or None, has no limit. The limit of an audit is its goal.
    *new_names* are attribute names that bring the app near the API's ceiling. *is_migrating*: what the app receives is
    copied to another system meanwhile.
    """
    changes: Counter[str] = Counter()
    for kind, count in summary.changes.items():
        if hazard := facts(kind).hazard:
            changes[hazard] += count
    counts = {
        "erased": changes["erased"],
        ERASED_BEFORE: repeats.erased,
        "sends": changes["sends"],
        REPEATED_SENDS: repeats.sends,
        SUSPECTED_RENAME: repeats.renames,
        "events": changes["events"],
        REPEATED_EVENTS: repeats.events,
        TRIGGERS_CAMPAIGNS: summary.triggered,
        "forcedSends": forced_sends,
        **{name: changes[name] for name in CHANGE_HAZARDS},
        IN_RUNNING_TEST: len(summary.tested),
        "newAttributeNames": new_names,
        DURING_MIGRATION: summary.changed if is_migrating else 0,
        ASSUMED: summary.assumed,
        UNSEEN: summary.unseen,
        AUDIT: summary.audit.bound.most if summary.audit else 0,
        "changedUsers": summary.changed,
        "changedShare": _percent(summary.changed, summary.listed),
        "billableLookups": summary.cost.reads + summary.cost.to_apply,
    }
    limits = {**budget, AUDIT: summary.audit.allowed if summary.audit else None}
    return tuple(Hazard(name, count, limits.get(name)) for name, count in counts.items() if count)


def counted_hazards(
    summary: Summary,
    contents: Contents,
    budget: Mapping[str, int | None],
    new_names: int,
    *,
    is_migrating: bool,
    repeats: Repeats,
) -> tuple[Hazard, ...]:
    """Return the hazards of a plan by what its rows add up to; its *summary* gives only what rows can't tell."""
    counted = replace(
        summary,
        changed=contents.changed,
        created=contents.created,
        changes=contents.changes,
        cost=replace(summary.cost, writes=contents.lookups, checks=contents.checks),
        triggered=contents.triggered,
    )
    return hazards(
        counted, contents.forced_sends, budget, new_names, is_migrating=is_migrating, repeats=repeats
    )


def _percent(part: int, whole: int) -> int:
    """Rounded up: a share that is over a budget is never shown as within it."""
    return -(-100 * part // whole) if whole else 0
