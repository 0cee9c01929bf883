"""What a run writes into the journal, what a person decides about it, and what later runs and plans find."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from clocks import Clock
from journals import DONE, Location, begin, numbers, send, sends, sets
from postgresql import Server

from leanplum_sync.address import Subject
from leanplum_sync.encryption import SealingKeys
from leanplum_sync.errors import (
    CredentialError,
    JournalCorruptError,
    JournalError,
    StalePlanError,
    TooEarlyError,
)
from leanplum_sync.journal import database, open_journal, read_journal
from leanplum_sync.journal.entry import BatchState, DeliveryState, Fate, Resolution, RunState
from leanplum_sync.journal.lock import Lease
from leanplum_sync.journal.recording import SendElsewhere
from leanplum_sync.journal.run import RunJournal, open_actions, sent_actions
from leanplum_sync.journal.schema import batch_table, delivery_table, footprint_table
from leanplum_sync.journal.verdict import Verdict
from leanplum_sync.journal.writer import Journal
from leanplum_sync.planner.footprint import print_of
from leanplum_sync.planner.known import NOTHING_KNOWN
from leanplum_sync.wire.action import Action, DeliveryClass
from leanplum_sync.wire.batch import Batch, PlannedAction
from leanplum_sync.wire.fingerprint import device_fingerprint
from leanplum_sync.wire.outcome import ActionOutcome, Outcome

# For what is about files. Everything else holds for both backends.
ONLY_SQLITE = pytest.mark.parametrize("backend", ["sqlite"])


def test_deliveries_follow_their_actions(run: RunJournal, journal: Journal) -> None:
    batch = sends(1, "u1", "u2", "u3", "u4")
    users = [planned.subject for planned in batch.actions]
    run.record_sent(batch, numbers(batch), {}, body_digest="b")
    assert [entry.state for entry in journal.deliveries()] == [DeliveryState.SENT] * 4
    doubt = ActionOutcome(Outcome.IN_DOUBT, "no count")
    skipped, rejected = (
        ActionOutcome(Outcome.SKIPPED, "User not found"),
        ActionOutcome(Outcome.REJECTED, "no"),
    )
    run.record_answer(batch, dict(zip(numbers(batch), (DONE, skipped, rejected, doubt), strict=True)))
    known = journal.known("app", users)
    assert [bool(known[user].delivered) for user in users] == [True, False, False, True]
    assert known[users[0]].delivered == {"november": "MessageSend/m"}
    assert journal.known("another app", users)[users[0]] == NOTHING_KNOWN


def test_whatever_the_api_says_can_be_recorded(run: RunJournal, journal: Journal) -> None:
    batch = sends(1, "u1", "u2")
    said = "no\0, 'no'; \N{SNOWMAN} %s :name"
    send(run, batch, ActionOutcome(Outcome.REJECTED, said), DONE)
    (entry,) = journal.exceptions(run.number)
    assert entry.message == said.replace("\0", "\N{REPLACEMENT CHARACTER}")


def test_what_was_refused_as_a_whole_may_be_asked_for_again(run: RunJournal, journal: Journal) -> None:
    batch = sends(1, "u1")
    run.record_sent(batch, [10], {}, body_digest="b")
    run.record_not_carried_out(batch, "Too many requests.", park=False)
    assert not list(journal.deliveries())
    assert journal.tally(run.number).lookups == 0
    assert journal.tally(run.number).requests == 1
    send(run, batch, DONE)
    assert journal.tally(run.number).lookups == 1


def test_two_plans_can_not_both_send(run: RunJournal, journal: Journal, lease: Lease) -> None:
    send(run, sends(1, "u1"), DONE)
    run.finish(RunState.FINISHED)
    other = begin(journal, lease, "e")
    assert other.delivered_by_others(sends(1, "u1")) == {10: Verdict(Fate.ALREADY, "run 1 delivered it")}
    with pytest.raises(JournalError, match="nothing was sent"):
        send(other, sends(1, "u1"))
    assert not list(journal.batches(other.number))


def test_what_another_run_may_have_done_is_in_doubt_here_too(
    run: RunJournal, journal: Journal, lease: Lease
) -> None:
    send(run, sends(1, "u1"))
    other = begin(journal, lease, "e")
    batch = sends(1, "u1", "u2", "u3")
    waiting = other.delivered_by_others(batch)
    assert waiting.keys() == {10}
    assert waiting[10].message.endswith("to decide: leanplum-sync resolve 1")
    other.record_sent(batch, [11], {}, body_digest="b")
    other.record_answer(batch, {11: DONE}, waiting=waiting)
    actions = journal.tally(other.number).actions
    assert (actions[Fate.DONE], actions[Fate.IN_DOUBT], actions[Fate.NOT_SENT]) == (1, 1, 1)
    assert other.failures(0) == (1, 3)
    assert {each.action: each.fate for each in journal.exceptions(other.number)} == {
        10: Fate.IN_DOUBT,
        12: Fate.NOT_SENT,
    }
    assert not list(journal.faults())


def test_what_a_run_beside_has_sent_is_in_doubt_here_too(journal: Journal) -> None:
    with (
        journal.acquire("app", "sandbox", part="1/2", heartbeat=False) as one,
        journal.acquire("app", "live", part="2/2", heartbeat=False) as beside,
    ):
        send(begin(journal, one), sends(1, "u1"))
        found = begin(journal, beside, "e").delivered_by_others(sends(1, "u1"))
    assert found[10] == Verdict(Fate.IN_DOUBT, "run 1 sent it and has no response yet")


def test_a_batch_that_was_written_under_a_later_lock_is_not_changed(
    run: RunJournal, journal: Journal
) -> None:
    batch = sends(1, "u1")
    send(run, batch)
    with journal._writable.writing("") as connection:
        connection.execute(sa.update(batch_table).values(fence=run.lease.fence + 1))
    with pytest.raises(JournalCorruptError, match="Batch 1 of run 1 is no longer sent: another process"):
        run.record_answer(batch, {10: DONE})
    assert [entry.state for entry in journal.batches(1)] == [BatchState.SENT]
    assert [entry.state for entry in journal.deliveries()] == [DeliveryState.SENT]


@pytest.mark.parametrize(
    ("outcomes", "counts"),
    [((DONE, DONE), (1, 1, 0)), ((DONE, None), (1, 0, 1)), ((None, DONE), (1, 0, 1))],
)
def test_a_send_that_the_journal_has_under_two_names_is_counted_once(
    run: RunJournal, journal: Journal, lease: Lease, outcomes: tuple[Any, Any], counts: tuple[int, int, int]
) -> None:
    """If one of the two may not have happened, a person decides."""
    for number, name, outcome in ((1, "october", outcomes[0]), (2, "november", outcomes[1])):
        send(run, sends(number, "u1", name=name), *([outcome] if outcome else []))
    elsewhere = SendElsewhere("november", ("october",), "MessageSend/m", 7, "by hand")
    users = [Subject.user("u1"), Subject.user("u2")]
    found = journal.record_elsewhere(lease, elsewhere, users)
    assert (found.recorded, found.already, found.unsettled) == counts


@ONLY_SQLITE
def test_fingerprints_of_accepted_device_fields_are_kept_and_the_values_are_not(
    run: RunJournal, journal: Journal, path: Path
) -> None:
    subject = Subject.user("u1")
    action = Action("setDeviceAttributes", {"deviceId": "d1", "userId": "u1", "iosPushToken": "ab" * 32})
    batch = Batch(
        1, 0, DeliveryClass.REPEATABLE, (PlannedAction(1, subject, DeliveryClass.REPEATABLE, action),)
    )
    send(run, batch, DONE)
    expected = {("d1", "iosPushToken"): device_fingerprint("d1", "iosPushToken", "ab" * 32)}
    assert journal.known("app", [subject])[subject].fingerprints == expected
    journal.close()
    assert b"abababab" not in path.read_bytes()


def test_a_transition_that_is_not_in_the_table_is_refused_and_changes_nothing(
    run: RunJournal, journal: Journal
) -> None:
    batch = sends(1, "u1")
    send(run, batch, DONE)
    with pytest.raises(JournalCorruptError, match="that is done can't become sent"):
        send(run, batch)
    assert [entry.state for entry in journal.batches(run.number)] == [BatchState.DONE]


def test_a_run_taken_up_again_finds_what_was_sent_in_doubt(
    run: RunJournal, journal: Journal, lease: Lease, clock: Clock
) -> None:
    send(run, sends(1, "u1"))
    clock.sleep(1000)
    again = begin(journal, lease)
    (entry,) = journal.batches(again.number)
    assert (again.number, again.found_state) == (run.number, RunState.RUNNING)
    assert entry.state is BatchState.IN_DOUBT
    # By the journal's clock: a database is asked again, which takes a moment.
    assert entry.doubted_at == pytest.approx(journal.now(), abs=1)
    assert entry.doubted_at == pytest.approx(clock.now(), abs=1)
    assert journal.last_doubt("app") == entry.doubted_at
    assert journal.last_doubt("app", besides=again.number) is None


def test_whose_request_may_still_take_effect_is_known_until_the_settle_window_ends(
    run: RunJournal, journal: Journal, lease: Lease, clock: Clock
) -> None:
    def unsettled() -> dict[str, float]:
        found = journal.unsettled("app", 60.0, clock.now())
        assert journal.unsettled("another app", 60.0, clock.now()) == {}
        return {subject.id: round(until - clock.now()) for subject, until in found.items()}

    send(run, sends(1, "reader"))
    assert unsettled() == {}, "what a message may still do, nobody reads"
    run.record_doubt(sends(1, "reader"), [10], "lost")
    batch = sets(2, tier="gold")
    send(run, batch)
    assert unsettled() == {"u0": 60, "u1": 60, "u2": 60}
    clock.sleep(20)
    assert unsettled() == {"u0": 40, "u1": 40, "u2": 40}
    run.record_doubt(batch, numbers(batch), "lost")
    clock.sleep(20)
    assert unsettled() == {"u0": 40, "u1": 40, "u2": 40}
    clock.sleep(41)
    assert unsettled() == {}
    send(run, sets(3, tier="gold"), DONE, DONE, DONE)
    assert unsettled() == {}


@pytest.mark.parametrize("wrong_by", [-3600.0, 0.0, 3600.0])
def test_doubts_are_dated_by_the_clock_of_the_server(
    postgresql: Server, monkeypatch: pytest.MonkeyPatch, wrong_by: float
) -> None:
    """Or the settle window of a request would end an hour too soon on a machine whose clock is wrong."""
    address = postgresql.new_database()
    right = time.time()
    monkeypatch.setattr(database.time, "time", lambda: right + wrong_by)
    with (
        open_journal(address, clock=_Fixed(right + wrong_by)) as journal,
        journal.acquire("app", "sandbox", heartbeat=False) as lease,
    ):
        send(begin(journal, lease), sends(1, "u1"))
        again = begin(journal, lease)
        doubted_at = journal.last_doubt("app")
        assert doubted_at == pytest.approx(right, abs=30)
        assert journal.now() == pytest.approx(right, abs=30)
        assert again.now() == pytest.approx(right, abs=30)
    with read_journal(address) as reading:
        assert right + wrong_by + reading.ahead() == pytest.approx(right, abs=30)


def test_another_plan_takes_over_and_holds_what_may_have_happened(
    run: RunJournal, journal: Journal, lease: Lease
) -> None:
    batch = sends(1, "u1", "u2")
    send(run, batch)
    begin(journal, lease, "e")
    assert [entry.state for entry in journal.runs()] == [RunState.RUNNING, RunState.SUPERSEDED]
    assert [entry.fate for entry in journal.exceptions(run.number)] == [Fate.HELD, Fate.HELD]
    assert {entry.state for entry in journal.deliveries()} == {DeliveryState.HELD}
    assert not list(journal.faults())
    with pytest.raises(StalePlanError, match="a later plan has taken over"):
        begin(journal, lease)


@pytest.mark.parametrize("hours", [-1, 1])
def test_the_plan_that_ended_a_run_is_done_and_one_made_again_is_a_new_one_by_any_clock(
    hours: int, run: RunJournal, journal: Journal, lease: Lease
) -> None:
    run.finish(RunState.FINISHED)
    assert begin(journal, lease).number == run.number
    assert begin(journal, lease, made_at=hours * 3600.0).number == run.number + 1


def test_a_plan_made_again_that_ends_an_unfinished_run_is_done_with_it(
    run: RunJournal, journal: Journal, lease: Lease
) -> None:
    again = begin(journal, lease, made_at=60.0)
    again.finish(RunState.FINISHED)
    assert begin(journal, lease, made_at=60.0).number == again.number == run.number


def test_an_equal_plan_whose_reading_began_after_a_run_does_not_resume_it(
    journal: Journal, lease: Lease
) -> None:
    """The run was killed midway and somebody reverted what it did: to resume it would leave that as it is."""
    killed = begin(journal, lease)
    killed.record_sent(sends(1, "u1"), [10], {}, body_digest="b")
    killed.record_answer(sends(1, "u1"), {10: DONE})
    assert begin(journal, lease, made_at=60.0, read_after_run=killed.number).number == killed.number + 1
    assert journal.run(killed.number).state is RunState.SUPERSEDED


def test_an_equal_plan_from_a_snapshot_of_unknown_age_resumes_no_run_of_another(
    journal: Journal, lease: Lease
) -> None:
    killed = begin(journal, lease)
    assert begin(journal, lease, made_at=60.0, read_after_run=None).number == killed.number + 1


def test_the_very_plan_resumes_its_run_whatever_was_read_when(journal: Journal, lease: Lease) -> None:
    killed = begin(journal, lease)
    assert begin(journal, lease, read_after_run=killed.number).number == killed.number
    assert begin(journal, lease, read_after_run=None).number == killed.number


def test_a_plan_that_was_carried_out_is_done_however_many_of_its_digest_came_since(
    run: RunJournal, journal: Journal, lease: Lease
) -> None:
    run.finish(RunState.FINISHED)
    newer = begin(journal, lease, made_at=60.0)
    # Even while the newer one has not ended.
    assert (begin(journal, lease).number, newer.number) == (run.number, 2)
    newer.finish(RunState.FINISHED)
    assert begin(journal, lease).found_state is RunState.FINISHED
    assert begin(journal, lease, made_at=60.0).number == newer.number


def test_a_plan_whose_run_one_made_again_brought_to_its_end_is_done_with_it(
    run: RunJournal, journal: Journal, lease: Lease
) -> None:
    """The run was killed, planned again, and applied; then somebody's pipeline repeats the first apply."""
    for _ in range(2):
        again = begin(journal, lease, made_at=60.0)
    again.finish(RunState.FINISHED)
    first = begin(journal, lease)
    assert (first.number, first.found_state) == (run.number, RunState.FINISHED)
    assert begin(journal, lease, made_at=30.0).number == run.number + 1


def test_a_plan_begun_in_parts_stays_so_when_one_made_again_took_its_run_up(journal: Journal) -> None:
    with journal.acquire("app", "sandbox", part="1/2", heartbeat=False) as lease:
        begin(journal, lease)
        begin(journal, lease, made_at=60.0)
    with journal.acquire("app", "sandbox", heartbeat=False) as lease:
        for made_at in (0.0, 60.0):
            with pytest.raises(StalePlanError, match=r"Run 1 started this plan with --shard 1/2"):
                begin(journal, lease, made_at=made_at)


def test_a_plan_that_was_overtaken_by_one_of_its_digest_is_not_begun_again(
    run: RunJournal, journal: Journal, lease: Lease
) -> None:
    run.finish(RunState.INTERRUPTED)
    begin(journal, lease, made_at=60.0).finish(RunState.FINISHED)
    with pytest.raises(StalePlanError, match="Run 1 of this plan"):
        begin(journal, lease)


@pytest.mark.parametrize("resolution", [Resolution.AGAIN, Resolution.DONE])
@pytest.mark.parametrize("taken_up", [False, True])
def test_what_a_person_says_of_a_batch_that_is_on_its_way_is_about_the_held_alone(
    *, taken_up: bool, resolution: Resolution, run: RunJournal, journal: Journal, lease: Lease, clock: Clock
) -> None:
    """The first of three was held by itself; then the rest left, and no answer came."""
    batch = sends(1, "u1", "u2", "u3")
    run.record_sent(batch, [10], {}, body_digest="b")
    run.record_doubt(batch, [10], "lost")
    run.record_settled(batch, {10: Verdict(Fate.HELD)}, reads=0)
    run.record_sent(batch, [11, 12], {}, body_digest="b")
    if taken_up:
        begin(journal, lease)
    clock.sleep(1.0)  # the journal's clock is read with a little uncertainty
    assert journal.resolve(lease, run.number, resolution, sequence=1) == 1
    (entry,) = journal.batches(run.number)
    assert [planned.number for planned in sent_actions(entry, batch)] == [11, 12]
    assert not list(journal.faults())
    again = begin(journal, lease)
    (entry,) = journal.batches(run.number)
    verdicts = {planned.number: Verdict(Fate.HELD) for planned in sent_actions(entry, batch)}
    again.record_settled(batch, verdicts, reads=0)
    assert journal.tally(run.number).actions[Fate.HELD] == 2
    assert len(list(journal.deliveries(states=[DeliveryState.HELD]))) == 2
    (entry,) = journal.batches(run.number)
    left = [10] if resolution is Resolution.AGAIN else []
    assert [planned.number for planned in open_actions(entry, batch)] == left


def test_a_doubt_dated_by_a_clock_that_was_ahead_can_be_decided_after_one_settle_window(
    run: RunJournal, journal: Journal, lease: Lease, clock: Clock
) -> None:
    batch = sends(1, "u1")
    clock.sleep(7200)
    send(run, batch)
    run.record_doubt(batch, [10], "lost")
    run.record_settled(batch, {10: Verdict(Fate.HELD)}, reads=0)
    clock.sleep(-7200)

    def decide() -> int:
        return journal.resolve(lease, run.number, Resolution.DONE, sequence=1, settle_seconds=60)

    with pytest.raises(TooEarlyError):
        decide()
    clock.sleep(61)
    assert decide() == 1


def test_a_journal_that_says_more_is_on_its_way_than_it_counts_is_at_fault(
    run: RunJournal, journal: Journal
) -> None:
    run.record_sent(sends(1, "u1", "u2"), [10], {}, body_digest="b")
    assert not list(journal.faults())
    with journal._writable.writing("") as connection:
        connection.execute(sa.update(batch_table).values(sent_actions=None))
    (fault,) = journal.faults()
    assert fault.sentence == "has the wrong number of in-flight actions"


def test_deliveries_that_are_gone_are_a_fault_of_their_batch(run: RunJournal, journal: Journal) -> None:
    """Without them, the next plan would make them again."""
    send(run, sends(1, "u1", "u2"), DONE, DONE)
    send(run, sends(2, "u3"), DONE)
    assert not list(journal.faults())
    with journal._writable.writing("") as connection:
        connection.execute(sa.delete(delivery_table).where(delivery_table.c.sequence == 1))
    (fault,) = journal.faults()
    assert (fault.batch, fault.sentence) == (1, "has the wrong number of deliveries: 0, not 2")


def test_applied_specs_are_remembered_once_a_run_finished(run: RunJournal, journal: Journal) -> None:
    run.finish(RunState.PARTIAL, {"UserAttributes/a": "1"})
    assert journal.applied_specs("app", "sandbox") == {}
    run.finish(RunState.FINISHED, {"UserAttributes/a": "1"})
    (spec,) = journal.applied_specs("app", "sandbox").values()
    assert (spec.resource, spec.digest, spec.run, spec.plan_digest) == ("UserAttributes/a", "1", 1, "d")


def test_a_plan_in_parts_puts_its_specs_in_force_with_its_last_part(journal: Journal) -> None:
    for part in ("1/2", "2/2"):
        assert journal.applied_specs("app", "sandbox") == {}
        with journal.acquire("app", "sandbox", part=part, heartbeat=False) as lease:
            begin(journal, lease).finish(RunState.FINISHED, {"UserAttributes/a": "1"})
    assert journal.applied_specs("app", "sandbox").keys() == {"UserAttributes/a"}


def test_specs_whose_plan_found_nothing_to_do_are_in_force_by_no_run(
    run: RunJournal, journal: Journal, lease: Lease
) -> None:
    run.finish(RunState.FINISHED, {"UserAttributes/a": "1", "UserAttributes/b": "1"})
    journal.note_specs(lease, {"UserAttributes/a": "2"})
    found = journal.applied_specs("app", "sandbox")
    assert [(spec.digest, spec.run) for _, spec in sorted(found.items())] == [("2", None), ("1", 1)]


def test_what_was_left_behind_is_remembered_of_what_was_done_and_the_latest_counts(
    run: RunJournal, journal: Journal, lease: Lease
) -> None:
    users = [Subject.user(f"u{number}") for number in range(4)]
    rejected = ActionOutcome(Outcome.REJECTED, "no")
    send(run, sets(1, tier="gold", old=None), DONE, DONE, rejected)
    run.finish(RunState.PARTIAL)
    later = begin(journal, lease, "e")
    send(later, sets(1, tier="silver"), DONE, rejected, DONE)
    found = journal.footprints("app", "sandbox", users)
    assert found == {
        users[0]: {"attribute:tier": print_of("silver"), "attribute:old": print_of(None)},
        users[1]: {"attribute:tier": print_of("gold"), "attribute:old": print_of(None)},
        users[2]: {"attribute:tier": print_of("silver")},
    }
    assert journal.footprints("app", "elsewhere", users) == {}


def test_what_was_left_behind_is_sealed_with_the_key(journal_location: Location, clock: Clock) -> None:
    keys = SealingKeys((b"k" * 32,))
    with open_journal(journal_location, clock=clock, keys=keys) as journal:
        with journal.acquire("app", "sandbox", heartbeat=False) as lease:
            send(begin(journal, lease), sets(1, tier="gold"), DONE, DONE, DONE)
        assert len(journal.footprints("app", "sandbox", [Subject.user("u1")])) == 1
        with journal._writable.reading() as connection:
            (kept,) = connection.scalars(sa.select(footprint_table.c.fields))
    assert print_of("gold") not in kept
    with (
        read_journal(journal_location, keys=SealingKeys()) as reader,
        pytest.raises(CredentialError),
    ):
        reader.footprints("app", "sandbox", [Subject.user("u1")])


class _Fixed:
    def __init__(self, moment: float) -> None:
        self._moment = moment

    def now(self) -> float:
        return self._moment

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        raise AssertionError("nobody waits here")

    def new_id(self) -> str:
        return "0" * 32
