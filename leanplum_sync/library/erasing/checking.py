"""What the journal knows about earlier erasures: plans that are older than one, and the second check."""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass

from leanplum_sync.address import Subject
from leanplum_sync.errors import StalePlanError
from leanplum_sync.journal.erasing import ErasureEntry
from leanplum_sync.journal.reader import JournalReader
from leanplum_sync.journal.writer import Journal
from leanplum_sync.library.erasing.cleaning import RECEIPTS
from leanplum_sync.planfile import PlanFile
from leanplum_sync.planner.change import ChangeKind
from leanplum_sync.project.settings import Settings


def check_not_erased(plan: PlanFile, journal: JournalReader) -> None:
    """
    Check that no user of *plan*, unless it erases users itself, was erased after it was made: it could create the user again.

    Raises:
        StalePlanError: at least one was.
    """
    header = plan.header
    if plan.summary.count(ChangeKind.ERASE, ChangeKind.BLOCK):
        return
    later = {
        each.person: each.run
        for each in journal.erasures(header.target.app_id)
        if each.erased_at is not None and each.run > header.position.run
    }
    if not later:
        return
    people = journal.people(header.target.app_id)
    for subject in plan.subjects():
        for person in people(subject):
            if person in later:
                raise StalePlanError(
                    f"{plan.path}: since this plan was made, run {later[person]} has erased a user whom it changes. Plan again."
                )


@dataclass(frozen=True, slots=True)
class SecondCheck:
    """*passed* were due, and still don't exist. *early* still don't exist, and are due later."""

    passed: tuple[ErasureEntry, ...]
    early: tuple[ErasureEntry, ...]


def second_check(
    absent: Iterable[Subject], settings: Settings, app: str, journal: Journal, now: float
) -> SecondCheck:
    """Record that *absent* users, who were just read, don't exist. Those for whom the second check is due get a receipt."""
    people = journal.people(app)
    found = {person for subject in absent for person in people(subject)}
    waiting = [
        each
        for each in journal.erasures(app)
        if each.person in found and each.due_at is not None and each.checked_at is None
    ]
    passed = tuple(each for each in waiting if each.due_at is not None and each.due_at <= now)
    if passed:
        journal.note_checked(app, [each.person for each in passed], now)
        folder = settings.state_folder / RECEIPTS
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        day = dt.datetime.fromtimestamp(now, dt.UTC).date().isoformat()
        path = folder / f"second-check-{day}.json"
        from leanplum_sync.render.erasure import second_check_json  # noqa: PLC0415 - brings what draws on terminals; few runs write it

        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a") as file:
            file.write(json.dumps(second_check_json(passed, now)) + "\n")
    return SecondCheck(passed, tuple(each for each in waiting if each not in passed))
