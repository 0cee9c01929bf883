"""Reading back after a run: what counts as proof, and what each look costs."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from leanplum_sync.client.calls import Calls
from leanplum_sync.client.credentials import EMULATOR_KEYS, Connection, Keys
from leanplum_sync.client.http import HttpTransport
from leanplum_sync.client.reader import Reader
from leanplum_sync.clock import SystemClock
from leanplum_sync.journal import read_journal
from leanplum_sync.operations.verify import Difference, verify
from leanplum_sync.progress import SilentProgress


@pytest.fixture
def check(api: Any) -> Any:
    def look(plan: Any, sample: int | None = None, **given: Any) -> Any:
        transport = HttpTransport(is_local=True)
        reader = Reader(
            Calls(
                Connection.to_emulator(api.url), Keys.of(EMULATOR_KEYS), transport, SystemClock(), retries=0
            )
        )
        try:
            return verify(
                plan, reader, sample=sample, clock=SystemClock(), progress=SilentProgress(), **given
            )
        finally:
            transport.close()

    return look


def test_a_finished_run_is_proved_with_one_lookup_for_each_user(
    run: Any, api: Any, world: ModuleType, check: Any
) -> None:
    plan = world.plan_for("everything")
    run(plan=plan).go()
    before = api.counts()["billableLookups"]["reads"]
    found = check(plan)
    assert found.is_proof
    assert (found.checked, found.equal, found.different) == (12, 12, 0)
    assert api.counts()["billableLookups"]["reads"] - before == 12


def test_what_was_changed_since_is_named_without_its_value(
    run: Any, api: Any, world: ModuleType, check: Any
) -> None:
    plan = world.plan_for("everything")
    run(plan=plan).go()
    api.set("u004", tier="platinum")
    found = check(plan)
    assert not found.is_proof
    assert found.differing == (Difference(world.Subject.user("u004"), ("tier",)),)
    assert "platinum" not in str(found)


def test_before_a_run_everybody_differs(world: ModuleType, check: Any) -> None:
    assert check(world.plan_for("attributes")).different == 12


def test_sends_leave_nothing_to_read(world: ModuleType, check: Any) -> None:
    assert check(world.plan_for("sends")).checked == 0


def test_a_sample_is_as_large_as_asked_for_and_the_same_each_time(world: ModuleType, check: Any) -> None:
    plan = world.plan_for("attributes")
    first, second = check(plan, 5), check(plan, 5)
    assert first.checked == 5
    assert first.differing == second.differing
    assert check(plan, 100).checked == 12
    assert check(plan, 0).checked == 0


def test_users_the_run_knows_to_have_failed_are_left_out(
    run: Any, api: Any, world: ModuleType, check: Any
) -> None:
    api.faults("success-and-error:action=setUserAttributes,user=u000")
    plan = world.plan_for("attributes")
    receipt = run(plan=plan).go()
    api.faults("")
    with read_journal(run.journal_path) as journal:
        found = check(plan, leave_out=lambda subjects: journal.not_done(receipt.run, subjects))
    assert (found.checked, found.equal) == (9, 9)


def test_a_user_who_can_not_be_read_is_no_proof(run: Any, api: Any, world: ModuleType, check: Any) -> None:
    plan = world.plan_for("attributes")
    run(plan=plan).go()
    api.faults("status:status=451,action=exportUser,user=u003")
    found = check(plan)
    assert (found.equal, found.unread) == (11, 1)
    assert not found.is_proof


@pytest.mark.claim("devices-by-presence")
def test_a_token_the_api_does_not_show_is_counted_as_unproven(world: ModuleType, check: Any) -> None:
    plan = world.plan_for("tokens")

    class Silent:
        def export_user(self, subject: Any, **_: Any) -> Any:
            return {"success": True, "userAttributes": {}, "devices": [{"deviceId": f"device-{subject.id}"}]}

    found = verify(plan, Silent(), sample=None, clock=SystemClock(), progress=SilentProgress())
    assert (found.equal, found.unproven) == (12, 12)
