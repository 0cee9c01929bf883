"""Whether a plan was made for this app."""

from __future__ import annotations

from dataclasses import replace

import pytest

from leanplum_sync.applier.binding import target_mismatches
from leanplum_sync.errors import MismatchKind
from leanplum_sync.planner.plan import Target
from leanplum_sync.wire.catalogue import KeyClass

PLANNED = Target(environment="production", host="api.example.com", app_id="app_1", is_emulator=False)


@pytest.mark.parametrize(
    ("here", "expected"),
    [
        (PLANNED, []),
        (replace(PLANNED, environment="staging"), [MismatchKind.ENVIRONMENT]),
        (replace(PLANNED, app_id="app_2"), [MismatchKind.APP]),
        (replace(PLANNED, host="127.0.0.1"), [MismatchKind.HOST]),
        (replace(PLANNED, writes=KeyClass.DEVELOPMENT), [MismatchKind.KEY]),
    ],
)
def test_each_difference_between_the_plans_app_and_this_one_is_named(
    here: Target, expected: list[MismatchKind]
) -> None:
    assert [mismatch.kind for mismatch in target_mismatches(PLANNED, here)] == expected
