"""``--verify``: how many users to read back after applying."""

from __future__ import annotations

from typing import Any

import click

from leanplum_sync.address import Subject
from leanplum_sync.applier.receipt import Receipt
from leanplum_sync.cli.output.console import Console
from leanplum_sync.library.applying import Application
from leanplum_sync.library.verifying import Extent, is_due, sample_of
from leanplum_sync.operations.verify import Verification
from leanplum_sync.wire.catalogue import KeyClass


class VerifyType(click.ParamType[Extent]):
    name = "verify"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Extent:
        if value in ("auto", "all", "none") or isinstance(value, int):
            return value  # type: ignore[no-any-return]  # click hands values over as Any
        if not str(value).isdecimal() or int(value) == 0:
            self.fail(f"{value!r} must be all, none or a number of users.", param, ctx)
        return int(value)


def verification(
    extent: Extent,
    application: Application,
    receipt: Receipt,
    only: frozenset[Subject] | None,
    console: Console,
) -> Verification | None:
    """Read back the changed users of *only*, None for all, or a sample of them. None if nothing is to be read back."""
    if not is_due(extent, receipt):
        return None
    keys = application.app.keys
    if extent == "auto" and not keys.has(KeyClass.DATA_EXPORT):
        console.complain(f"Not verified: {keys.variable(KeyClass.DATA_EXPORT)} is not set.")
        return None
    changed = application.admitted.mine.summary.changed if only is None else len(only)
    return application.read_back(
        receipt, only, sample=sample_of(extent, changed), progress=console.progress()
    )
