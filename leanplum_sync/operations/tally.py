"""Counts what a plan does: its summary, and notes on the users it leaves alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from leanplum_sync.address import Subject
from leanplum_sync.kinds.rows.desires import Send, TrackEvent
from leanplum_sync.planfile.writing import Packed
from leanplum_sync.planner.audit import AuditGoal, audited
from leanplum_sync.planner.change import ChangeKind
from leanplum_sync.planner.decide import Decision, Reason
from leanplum_sync.planner.notes import NOTED, rejected_before_sentence, sentence, triggers_sentence
from leanplum_sync.planner.plan import REJECTED_THINGS, TRIGGERS, Cost, Note, Summary
from leanplum_sync.planner.subject import Phase, SubjectPlan
from leanplum_sync.planner.triggers import TriggerCounter
from leanplum_sync.wire.action import DeliveryClass
from leanplum_sync.wire.erasing import is_erasing
from leanplum_sync.wire.event import import_of
from leanplum_sync.wire.message import Message
from leanplum_sync.wire.subscription import resubscribed

_SAMPLES: Final = 3
# A user is noted once, however many of the events the user has.
_ONCE_WORDS: Final[Mapping[type, str]] = {Send: "this send", TrackEvent: "one or more of these events"}


@dataclass(slots=True)
class _Noted:
    count: int = 0
    last: Subject | None = None
    samples: list[str] = field(default_factory=list)

    def add(self, subject: Subject) -> None:
        """Count *subject* once, even if it comes several times in a row."""
        if subject == self.last:
            return
        self.count += 1
        self.last = subject
        if len(self.samples) < _SAMPLES:
            self.samples.append(subject.id)


class Tally:
    """
    Counts subjects as they pass. Its size grows with the specs, not with the subjects.

    *creatable* are the resources, as ``kind/name``, whose specs could create missing users. *audited* subjects were expected to
    need no change. *messages* are the app's, which events may trigger. *things* are those of the app that are listed.
    """

    def __init__(  # noqa: PLR0917 - all but the first two are named
        self,
        listed: int,
        unreadable: Mapping[Subject, str],
        creatable: frozenset[str] = frozenset(),
        audited: Collection[Subject] = (),
        messages: Iterable[Message] = (),
        things: Collection[Subject] = (),
    ) -> None:
        self.listed = listed
        self._things = things
        self._triggers = TriggerCounter(messages)
        self._triggered = 0
        self.forced_sends = 0
        self._unreadable = unreadable
        self._creatable = creatable
        self._audited = audited
        self._matching_audited = 0
        self._changed = self._changed_things = 0
        self._missing = 0
        self._rechecked = self._checks = 0
        self._changes: Counter[ChangeKind] = Counter()
        self._noted: dict[tuple[str, str, Reason], _Noted] = {}
        self._rejected_before, self._rejected_things = _Noted(), _Noted()

    def include(self, plan: SubjectPlan) -> None:
        if plan.is_rejected_before:
            of_kind = self._rejected_things if plan.subject.kind.is_thing else self._rejected_before
            of_kind.add(plan.subject)
        if plan.subject.kind.is_thing:
            self._include_thing(plan)
            return
        self._changed += bool(plan.changes)
        if plan.subject in self._audited:
            is_odd = any(decision.reason in NOTED for decision in plan.decisions)
            self._matching_audited += plan.exists and not plan.changes and not is_odd
        self._changes.update(change.kind for change in plan.changes)
        self._checks += len(checked := _checked_phases(plan))
        first = next((phase for phase in plan.actions if phase[1] is not DeliveryClass.ONCE), None)
        self._rechecked += first is not None and first not in checked
        self._triggered += self._triggers.include(plan.changes)
        # A user may also be missing without a remark: nothing is desired that an absent user lacks.
        is_missing = not plan.exists and not plan.changes
        for decision in plan.decisions:
            is_missing = is_missing or decision.reason is Reason.MISSING
            if decision.changes and isinstance(decision.desire, Send) and decision.desire.force:
                self.forced_sends += 1
            elif decision.reason in NOTED:
                key = (str(decision.want.resource), _about(decision), decision.reason)
                self._noted.setdefault(key, _Noted()).add(plan.subject)
        self._missing += is_missing

    def _include_thing(self, plan: SubjectPlan) -> None:
        self._changed_things += bool(plan.changes)
        self._changes.update(change.kind for change in plan.changes)
        for decision in plan.decisions:
            if decision.reason in NOTED:
                key = (str(decision.want.resource), decision.desire.name, decision.reason)
                self._noted.setdefault(key, _Noted()).add(plan.subject)

    def notes(self) -> list[Note]:
        unreadable = [
            Note(
                "unreadable",
                "",
                "could not be read",
                len(self._unreadable),
                names_of(self._unreadable),
            )
        ]
        found = [
            Note(
                reason.name.lower(),
                resource,
                sentence(reason, what, noted.count, creatable=resource in self._creatable),
                noted.count,
                tuple(noted.samples),
            )
            for (resource, what, reason), noted in sorted(self._noted.items())
        ]
        before = [
            Note(code, "", rejected_before_sentence(rejected.count), rejected.count, tuple(rejected.samples))
            for code, rejected in (
                ("rejected_before", self._rejected_before),
                (REJECTED_THINGS, self._rejected_things),
            )
            if rejected.count
        ]
        return [
            *(unreadable if self._unreadable else []),
            *found,
            *before,
            *(
                Note(TRIGGERS, "", triggers_sentence(trigger), trigger.users, trigger.samples)
                for trigger in self._triggers.triggers()
            ),
        ]

    def summary(
        self,
        packed: Packed,
        reads: int,
        requests_per_second: float | None,
        assumed: tuple[int, float | None] = (0, None),
        *,
        is_export: bool = False,
        goal: AuditGoal | None = None,
        tested: tuple[str, ...] = (),
        bills_things: bool = False,
    ) -> Summary:
        """
        *assumed* is how many users were not read, and when the first of them was last seen or written. *is_export*: an export shows
        them, not the baseline. *goal* is that of the audit. *tested* are variables in running A/B tests. *bills_things*: reading
        things of the app is billed.

        An audited user who could not be read counts as one who doesn't match.
        """
        sample = len(self._audited)
        differing = sample - self._matching_audited
        cost = Cost(
            reads=reads,
            writes=packed.lookups,
            recheck=self._rechecked,
            requests=packed.requests,
            one_by_one=packed.actions - packed.about_things,
            by_action=packed.lookups_by_action,
            separation=packed.lookups - packed.subjects,
            seconds=packed.requests / requests_per_second if requests_per_second else 0.0,
            checks=self._checks,
            thing_checks=packed.about_things if bills_things else 0,
        )
        return Summary(
            listed=self.listed,
            changed=self._changed,
            missing=self._missing,
            created=self._changes[ChangeKind.CREATE],
            changes=dict(self._changes),
            batches=packed.requests,
            actions=packed.actions,
            cost=cost,
            assumed=0 if is_export else assumed[0],
            assumed_since=assumed[1],
            unseen=assumed[0] if is_export else 0,
            audit=audited(assumed[0] + sample, sample, differing, goal) if goal else None,
            triggers=self._triggers.triggers(),
            triggered=self._triggered,
            things=len(self._things),
            thing_kinds=frozenset(each.kind for each in self._things),
            changed_things=self._changed_things,
            tested=tested,
        )


def _checked_phases(plan: SubjectPlan) -> frozenset[Phase]:
    """Return the phases before which the user is read, however fresh the plan is, because they re-subscribe or erase the user."""
    return frozenset(
        phase
        for phase, actions in plan.actions.items()
        if any(is_erasing(planned.action) or resubscribed(planned.action.arguments) for planned in actions)
    )


def _about(decision: Decision) -> str:
    match decision.reason:
        case Reason.HELD:
            return str(decision.held_by)
        case Reason.DELIVERED | Reason.MOVED:
            what = _ONCE_WORDS.get(type(decision.desire), "this increment")
            former = import_of(decision.former) or decision.former
            return f"{what} under its former name {former}" if former else what
        case Reason.MISSING | Reason.GONE:
            return ""
        case (
            Reason.DIFFERS
            | Reason.SAME
            | Reason.HAS_ONE
            | Reason.NO_SOURCE
            | Reason.FINGERPRINT
            | Reason.ABSENT
            | Reason.CONSENT_OLDER
            | Reason.CONSENT_USED
            | Reason.NOT_CONVERTIBLE
            | Reason.NOT_A_LIST
            | Reason.NOT_WHOLE
            | Reason.NOT_COPYABLE
            | Reason.IN_THE_WAY
            | Reason.FIXED
            | Reason.IS_DEFAULT
            | Reason.SEVERAL
        ):
            return decision.desire.name


def names_of(subjects: Iterable[Subject]) -> tuple[str, ...]:
    """Return the ids of a few of *subjects*."""
    return tuple(subject.id for subject in islice(sorted(subjects), _SAMPLES))
