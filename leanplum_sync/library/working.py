"""``worker``: applies the parts of a plan that no other process applies, one after the other, until none is left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from leanplum_sync.applier.receipt import Receipt
from leanplum_sync.applier.run import read_receipt
from leanplum_sync.applier.shards import Shards
from leanplum_sync.encryption import SealingKeys
from leanplum_sync.errors import UsageError
from leanplum_sync.journal import read_journal
from leanplum_sync.journal.entry import RunState
from leanplum_sync.library.applying import Admitted, part_of_plan
from leanplum_sync.planner.parts import Part


class Work:
    """The parts of an admitted plan, as the journal shows them."""

    def __init__(self, admitted: Admitted) -> None:
        """
        Raises:
            UsageError: the plan was made for one part alone.
        """
        header = admitted.plan.header
        if header.part is not None:
            raise UsageError(
                f"{admitted.plan.path} was planned with --shard {header.part}, so there is nothing to share. Use apply."
            )
        parts = [Part(number, header.parts) for number in range(1, header.parts + 1)]
        whole: Sequence[Part | None] = parts if header.parts > 1 else [None]
        shares = [_share(admitted, part) for part in whole]
        self._shares: Mapping[str, Admitted] = {
            each.lock: each for each in shares if not each.mine.summary.is_empty
        }
        self._plan, self._settings = admitted.plan, admitted.settings
        self._resume = admitted.apply_settings.resume
        self._tried: set[str] = set()

    def shards(self) -> Shards:
        header = self._plan.header
        target = header.target
        states: dict[str, RunState] = {}
        with read_journal(
            self._settings.journal, keys=SealingKeys()
        ) as journal:  # nothing read here is encrypted
            # The newest run comes first. One that another plan of the same digest began counts while it can be resumed.
            for run in journal.runs(target.app_id, target.environment):
                is_own = run.plan_made_at == header.created_at or not run.state.is_over
                if run.plan_digest == header.digest and is_own:
                    states.setdefault(run.part, run.state)
            held = journal.held_parts(target.app_id)
        return Shards(list(self._shares), states, held, frozenset(self._tried), self._resume)

    def receipts_of_others(self) -> Sequence[Receipt]:
        """Return the receipts of the shards that this worker didn't apply, as far as they were begun."""
        header = self._plan.header
        found: dict[str, Receipt] = {}
        with read_journal(self._settings.journal, keys=SealingKeys()) as journal:
            for run in journal.runs(header.target.app_id, header.target.environment):
                is_of_plan = run.plan_digest == header.digest and run.plan_made_at == header.created_at
                if is_of_plan and run.part in self._shares.keys() - self._tried - found.keys():
                    found[run.part] = read_receipt(self._shares[run.part].mine, journal, run.number, listed=0)
        return list(found.values())

    def share(self, part: str) -> Admitted:
        return self._shares[part]

    def note_tried(self, part: str) -> None:
        """This worker doesn't take the part again, also if its run could not end: it would only fail once more."""
        self._tried.add(part)


def _share(admitted: Admitted, part: Part | None) -> Admitted:
    mine, lock = part_of_plan(admitted.plan, part)
    return replace(admitted, mine=mine, lock=lock)
