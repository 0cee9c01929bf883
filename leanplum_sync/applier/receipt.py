"""The receipt of a run: what was planned, and the outcome of each action. Its numbers add up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from leanplum_sync.journal.entry import BatchState, ExceptionEntry, Fate, FateGroup, RunState, Tally, fates_of


class StopReason(StrEnum):
    """Why a run ended before the end of its plan."""

    REJECTIONS = "rejections passed the limit"
    UNAVAILABLE = "the API kept refusing or did not answer"
    INTERRUPTED = "interrupted"
    WAVE = "too much of a wave failed"
    WRONG_TIME = "events were recorded with a wrong time"
    CANARY = "the canary is done"

    @property
    def is_early(self) -> bool:
        """Whether it stopped before it had done what it was asked to."""
        match self:
            case StopReason.CANARY:
                return False
            case (
                StopReason.REJECTIONS
                | StopReason.UNAVAILABLE
                | StopReason.INTERRUPTED
                | StopReason.WAVE
                | StopReason.WRONG_TIME
            ):
                return True


@dataclass(frozen=True, slots=True)
class Receipt:
    """
    The numbers cover the whole run, including its resumes; *sent_now* counts the requests of this process.

    *actions* gives each planned action exactly one fate. *subjects* counts each subject once, at its worst fate. *lookups* and
    reads are billable. *rejected_before* counts some of the skipped actions: they were not sent, because the API rejected
    the same in an earlier run. *exceptions* is cut at a limit; *exceptions_total* is not.
    """

    run: int
    plan_digest: str
    state: RunState
    planned: int
    actions: Mapping[Fate, int]
    subjects: Mapping[Fate, int]
    batches: Mapping[BatchState, int]
    requests: int
    lookups: int
    recheck_reads: int
    settle_reads: int
    rejected_before: int
    sent_now: int
    stopped: StopReason | None
    exceptions: tuple[ExceptionEntry, ...]
    exceptions_total: int

    @property
    def needs_person(self) -> bool:
        return bool(self.actions.get(Fate.HELD) or self.actions.get(Fate.IN_DOUBT))

    @property
    def is_clean(self) -> bool:
        """Whether everything that was sent is now as desired; some actions may not have been sent."""
        return not any(
            count
            for fate, count in self.actions.items()
            if fate.group is not FateGroup.AS_DESIRED and fate is not Fate.NOT_SENT
        )

    @property
    def complete(self) -> bool:
        """Whether everything planned is now as desired."""
        return sum(self.actions.get(fate, 0) for fate in fates_of(FateGroup.AS_DESIRED)) == self.planned


def receipt_from(
    tally: Tally,
    *,
    run: int,
    plan_digest: str,
    state: RunState,
    planned: int,
    sent_now: int,
    stopped: StopReason | None,
    exceptions: tuple[ExceptionEntry, ...],
    exceptions_total: int,
) -> Receipt:
    """Build the receipt. Actions of batches without an entry count as not sent."""
    entered = sum(tally.actions.values())
    actions = {fate: tally.actions.get(fate, 0) for fate in Fate}
    actions[Fate.NOT_SENT] += planned - entered
    return Receipt(
        run=run,
        plan_digest=plan_digest,
        state=state,
        planned=planned,
        actions=actions,
        subjects=tally.subjects,
        batches=tally.batches,
        requests=tally.requests,
        lookups=tally.lookups,
        recheck_reads=tally.recheck_reads,
        settle_reads=tally.settle_reads,
        rejected_before=tally.rejected_before,
        sent_now=sent_now,
        stopped=stopped,
        exceptions=exceptions,
        exceptions_total=exceptions_total,
    )


def nothing_sent(plan_digest: str) -> Receipt:
    """Return the receipt of an empty plan or shard. It is in no journal, so its run is 0."""
    return receipt_from(
        Tally({}, {}, {}, 0, 0, 0, 0),
        run=0,
        plan_digest=plan_digest,
        state=RunState.FINISHED,
        planned=0,
        sent_now=0,
        stopped=None,
        exceptions=(),
        exceptions_total=0,
    )
