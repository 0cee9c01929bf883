"""``--verify``: how many users to read back after applying."""

from __future__ import annotations

from functools import partial
from typing import Any, Final, Literal, TypeAlias

import click

from leanplum_sync.applier.receipt import Receipt, StopReason
from leanplum_sync.applier.settings import ApplySettings
from leanplum_sync.cli.connect import App
from leanplum_sync.cli.output.console import Console
from leanplum_sync.clock import SystemClock
from leanplum_sync.journal.reader import JournalReader
from leanplum_sync.operations.verify import Changes, Verification, verify
from leanplum_sync.wire.catalogue import KeyClass

SAMPLE: Final = 1000

Verify: TypeAlias = Literal["auto", "all", "none"] | int


class VerifyType(click.ParamType[Verify]):
    name = "verify"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Verify:
        if value in ("auto", "all", "none") or isinstance(value, int):
            return value  # type: ignore[no-any-return]  # click hands values over as Any
        if not str(value).isdecimal() or int(value) == 0:
            self.fail(f"{value!r} must be all, none or a number of users.", param, ctx)
        return int(value)


def verification(
    choice: Verify,
    plan: Changes,
    receipt: Receipt,
    *,
    changed: int,
    app: App,
    journal: JournalReader,
    settings: ApplySettings,
    console: Console,
) -> Verification | None:
    """Read back all *changed* users, or a sample; None if that is not wanted or nothing was written."""
    was_cut_off = receipt.stopped not in (None, StopReason.CANARY)
    if choice == "none" or was_cut_off or not receipt.sent_now:
        return None
    if choice == "auto" and not app.keys.has(KeyClass.DATA_EXPORT):
        console.complain(f"Not verified: {app.keys.variable(KeyClass.DATA_EXPORT)} is not set.")
        return None
    return verify(
        plan,
        app.reader(),
        sample=_sample(choice, changed),
        clock=SystemClock(),
        progress=console.progress(),
        concurrency=settings.concurrency,
        requests_per_second=settings.requests_per_second,
        together=settings.together,
        leave_out=partial(journal.not_done, receipt.run),
    )


def _sample(choice: Verify, changed: int) -> int | None:
    if isinstance(choice, int):
        return choice
    return SAMPLE if choice == "auto" and changed > SAMPLE else None
