"""The receipt and the journal's status, for people."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from sample_renderings import ALL_DONE, HELD, LOCK, NO_PROOF, NOTHING, PROOF, RUN, SOME_DONE
from sample_renderings import EMBEDDED as SANDBOX

from leanplum_sync.address import Subject
from leanplum_sync.applier.receipt import Receipt, StopReason
from leanplum_sync.cli.commands.apply import code_of
from leanplum_sync.journal.entry import (
    Fate,
)
from leanplum_sync.operations.verify import Verification
from leanplum_sync.render.page import Page
from leanplum_sync.render.receipt import next_steps, receipt_document, receipt_text
from leanplum_sync.render.status import status_json, status_text
from leanplum_sync.wire.batch import DeliveryKey
from leanplum_sync.wire.event import event_delivery


def test_what_became_of_everything_adds_up_to_what_was_planned() -> None:
    assert receipt_text(ALL_DONE, SANDBOX, None, Page()).splitlines() == [
        "Applied to sandbox (embedded emulator, nothing real is touched)",
        "",
        "  12  actions planned",
        "  10  done",
        "   2  already as desired",
        "",
        "Run 7: 2 requests, 10 billable lookups to write, 4 to check before and after.",
        "Plan 3f2a91c04b3f",
    ]


def test_reading_back_is_counted_among_the_billable_lookups() -> None:
    text = receipt_text(ALL_DONE, SANDBOX, replace(PROOF, again=2), Page(width=100))
    assert (
        "Run 7: 2 requests, 10 billable lookups to write, 4 to check before and after, 8 to verify." in text
    )


def test_what_was_not_done_is_grouped_by_its_reason_with_a_few_ids() -> None:
    text = receipt_text(SOME_DONE, SANDBOX, None, Page())
    assert text.startswith("Partially applied to sandbox")
    assert "Stopped early: too many actions were rejected." in text
    assert r"  12  rejected  Invalid\x1b[31m value  e.g. 00004" in text
    assert "  and 28 more; -o json lists 12" in text


def test_what_to_do_next_follows_from_what_is_left() -> None:
    assert next_steps(ALL_DONE, None, "a.lpplan") == []
    steps = " ".join(next_steps(SOME_DONE, None, "a.lpplan"))
    assert "leanplum-sync apply a.lpplan --resume" in steps
    assert "leanplum-sync status" in steps


def test_what_is_in_doubt_is_settled_by_the_next_apply_and_only_what_is_held_by_a_person() -> None:
    doubtful = replace(SOME_DONE, actions={Fate.DONE: 5, Fate.IN_DOUBT: 7}, stopped=StopReason.INTERRUPTED)
    assert next_steps(doubtful, None, "a.lpplan") == [
        "The next apply checks the actions in doubt first, and sends them again only if that is safe.",
        "To continue with the rest: leanplum-sync apply a.lpplan --resume",
    ]
    held = replace(doubtful, actions={Fate.DONE: 5, Fate.HELD: 7})
    assert next_steps(held, None, "a.lpplan") == [
        "Some actions may or may not have happened. They are never sent again automatically; leanplum-sync status lists them.",
        "To resolve the held actions: leanplum-sync resolve 7 --done (or --again, or --drop)",
    ]


def test_the_receipts_document_names_its_format_and_lists_exceptions() -> None:
    document = json.loads(receipt_document(SOME_DONE, SANDBOX, PROOF))
    assert [document["format"], document["version"], document["planned"]] == ["leanplum-sync/receipt", 1, 12]
    assert len(document["exceptions"]) == 12


def test_what_was_read_back_is_said_with_what_it_proves() -> None:
    text = receipt_text(ALL_DONE, SANDBOX, PROOF, Page())
    assert (
        "Verified: 6 of 6 users read back match the plan. For 2 of them, the API does not\nreturn every written value."
        in text
    )


def test_what_still_differs_is_named_without_its_values() -> None:
    text = receipt_text(ALL_DONE, SANDBOX, NO_PROOF, Page())
    assert "1 user could not be read back." in text
    assert "  00004  tier, order_count" in text
    assert next_steps(ALL_DONE, NO_PROOF, "a.lpplan") == ["Plan again to see what others have changed."]


@pytest.mark.parametrize(
    ("receipt", "verified", "code"),
    [
        (ALL_DONE, None, 0),
        (ALL_DONE, PROOF, 0),
        (ALL_DONE, NO_PROOF, 4),
        (replace(SOME_DONE, stopped=None), None, 5),
        (replace(SOME_DONE, actions={Fate.DONE: 5, Fate.REJECTED: 7}), None, 4),
        (
            replace(SOME_DONE, actions={Fate.DONE: 5, Fate.PARKED: 7}, stopped=StopReason.UNAVAILABLE),
            None,
            10,
        ),
    ],
)
def test_the_exit_code_follows_from_the_receipt(
    receipt: Receipt, verified: Verification | None, code: int
) -> None:
    assert code_of(receipt, verified) == code


def test_a_project_without_runs_says_so() -> None:
    assert "No runs yet" in status_text(NOTHING, Page())


def test_status_names_runs_the_one_at_work_and_what_is_held() -> None:
    text = status_text(replace(NOTHING, runs=(RUN,), locks=(LOCK,), held=(HELD,)), Page(width=100))
    assert "production: locked by process 42 on runner-1 for 1 min; expires in 30 s unless renewed." in text
    assert "  run  state    environment  started (UTC)     actions  plan" in text
    assert "    7  partial  production   2027-01-15 08:00       12  3f2a91c04b3f" in text
    assert "Held: 1 action that may or may not have happened" in text
    assert "1  MessageSend/delay, 2026-11  run 7, e.g. u1" in text


def test_the_held_events_of_an_import_are_one_group_and_each_user_is_an_example_once() -> None:
    events = [
        replace(HELD, key=DeliveryKey(event_delivery("orders", key), Subject.user(user), "Events/orders"))
        for user in ("u1", "u2")
        for key in ("1001", "1002", "1003")
    ]
    text = status_text(replace(NOTHING, runs=(RUN,), held=tuple(events)), Page(width=100))
    assert "6  Events/orders, orders  run 7, e.g. u1, u2\n" in f"{text}\n"


def test_a_lock_whose_time_has_passed_is_free() -> None:
    text = status_text(replace(NOTHING, runs=(RUN,), locks=(replace(LOCK, until=1.8e9 - 1),)), Page())
    assert "unlocked; the lock held by process 42 on runner-1 has expired" in text


def test_the_status_document_names_its_format_and_says_which_locks_are_live() -> None:
    document = json.loads(status_json(replace(NOTHING, runs=(RUN,), locks=(LOCK,), held=(HELD,))))
    assert [document["format"], document["version"]] == ["leanplum-sync/status", 1]
    assert document["locks"][0]["isLive"] is True
    assert document["held"][0]["subject"] == "user:u1"
