"""How erasures end that don't simply succeed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import requests
from receipts import adds_up

from leanplum_sync import emulator
from leanplum_sync.journal.entry import Fate
from leanplum_sync.wire.action import Action


class Earlier:
    """A writer that is a moment too late: somebody else deletes users who are in *gone* between their last read and the call."""

    def __init__(self, writer: Any, url: str, gone: list[str]) -> None:
        self._writer, self._url, self._gone = writer, url, gone

    def send(self, actions: Sequence[Action], **options: Any) -> Any:
        # Only the users of this call: others may not have been read yet, by the thread that sends theirs.
        for user in [str(action.arguments["userId"]) for action in actions]:
            if user in self._gone:
                body = {
                    "action": "deleteUser",
                    "appId": emulator.APP_ID,
                    "clientKey": emulator.KEYS["development"],
                    "apiVersion": "1.0.6",
                    "userId": user,
                }
                requests.post(f"{self._url}/api", json=body, timeout=300).raise_for_status()
        return self._writer.send(actions, **options)


@pytest.mark.parametrize("kind", ["erasures", "blocks"])
def test_who_is_gone_a_moment_before_is_skipped(run: Any, api: Any, world: Any, kind: str) -> None:
    receipt = run(kind, wrap_writer=lambda writer: Earlier(writer, api.url, ["u000", "u007"])).go()
    assert adds_up(receipt)
    assert receipt.actions[Fate.SKIPPED] == 2
    assert receipt.actions[Fate.DONE] == 10
    assert not api.remaining(world.USERS)


@pytest.mark.parametrize("kind", ["erasures", "blocks"])
def test_who_is_gone_by_then_is_not_asked_for(run: Any, api: Any, kind: str) -> None:
    assert run(kind).go().complete
    before = api.counts()["actions"]
    plan = run.world.plan_for(kind, digest="e" * 64, created_at=1.0, read_after_run=1)
    receipt = run(plan=plan).go()
    assert receipt.actions[Fate.ALREADY] == 12
    after = api.counts()["actions"]
    assert {name: after.get(name, 0) - before.get(name, 0) for name in ("deleteUser", "block")} == {
        "deleteUser": 0,
        "block": 0,
    }


def test_deleting_is_not_billed_and_blocking_is(run: Any) -> None:
    assert run("erasures").go().lookups == 0
