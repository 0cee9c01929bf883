"""The table of transitions, and what must hold for it whatever else changes."""

from __future__ import annotations

from leanplum_sync.journal.entry import TRANSITIONS, BatchState, Fate
from leanplum_sync.journal.reader import GRAVITY


def test_every_state_has_its_row() -> None:
    assert set(TRANSITIONS) == set(BatchState)


# The table once more, as its drawing has it: a cell that is changed by mistake is changed in one place only.
ARROWS = {
    ("planned", "planned"),
    ("planned", "sent"),
    ("planned", "done"),
    ("planned", "held"),
    ("planned", "parked"),
    ("sent", "done"),
    ("sent", "in doubt"),
    ("sent", "parked"),
    ("sent", "planned"),
    ("sent", "held"),
    ("in doubt", "done"),
    ("in doubt", "planned"),
    ("in doubt", "held"),
    ("parked", "planned"),
    ("held", "done"),
    ("held", "planned"),
}


def test_the_table_has_these_arrows_and_no_others() -> None:
    assert {(state.value, to.value) for state, found in TRANSITIONS.items() for to in found} == ARROWS


def test_nothing_leads_out_of_done() -> None:
    assert not TRANSITIONS[BatchState.DONE]


def test_only_planned_leads_to_sent() -> None:
    assert [state for state, to in TRANSITIONS.items() if BatchState.SENT in to] == [BatchState.PLANNED]


def test_a_doubt_arises_from_a_request_and_from_nothing_else() -> None:
    assert [state for state, to in TRANSITIONS.items() if BatchState.IN_DOUBT in to] == [BatchState.SENT]


def test_every_state_can_still_become_done() -> None:
    def reachable(state: BatchState) -> set[BatchState]:
        found, new = {state}, {state}
        while new:
            new = {to for each in new for to in TRANSITIONS[each]} - found
            found |= new
        return found

    assert all(BatchState.DONE in reachable(state) for state in BatchState)


def test_every_fate_has_its_gravity() -> None:
    assert sorted(GRAVITY) == sorted(Fate)
