"""
The main job under every doubt about the API: plan, apply, proof, and again, with the emulator's switches set by rows that hold
each pair of their values.

``make campaign`` goes through all rows; the suite through a part of them.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Final

import doubts
import pytest
import requests
from covering import Row
from files import csv_of_ids, ndjson, write_files
from receipts import adds_up

from leanplum_sync import Plan, Project, Receipt, Recheck, apply, emulator, plan, verify
from leanplum_sync.errors import MigrationChangedError
from leanplum_sync.journal.entry import Fate
from leanplum_sync.planner.change import ChangeKind

_USERS: Final = [f"u{number:02}" for number in range(10)]
_RECIPIENTS, _TARGETED = _USERS[:8], _USERS[:6]
_MISSING: Final = "nobody"
_FAULT: Final = "cut-after:action=setUserAttributes,times=1; 429:times=1,after=3"
_FILES: Final = {
    "leanplum-sync.yaml": """\
apiVersion: leanplum-sync/v1
kind: Project
metadata: {name: shop}
spec:
  environments:
    live: {appId: app_emulator, limits: {requestsPerSecond: 1000, readInBatches: true}}
  defaultEnvironment: live
""",
    "specs/attributes.yaml": """\
apiVersion: leanplum-sync/v1
kind: UserAttributes
metadata: {name: loyalty}
spec:
  users: {file: users.csv, id: id}
  attributes:
    tier: gold
    vip: true
    score: 12.5
    orders: 3
    since: "2026-11-30"
    interests: {add: [music]}
    old: {state: absent}
    name: {from: old_name}
    visits: {increment: 1, once: visit-2026}
""",
    "specs/tokens.yaml": """\
apiVersion: leanplum-sync/v1
kind: PushTokens
metadata: {name: android}
spec:
  devices: {file: devices.csv, id: device, user: user}
  token: {android: {column: token}}
""",
    "specs/send.yaml": """\
apiVersion: leanplum-sync/v1
kind: MessageSend
metadata: {name: hello}
spec:
  message: {name: Hello}
  recipients: {file: recipients.csv, id: id}
  delivery: hello-2026
""",
    "specs/users.csv": csv_of_ids([*_USERS, _MISSING]),
    "specs/recipients.csv": csv_of_ids([*_RECIPIENTS, _MISSING]),
    "specs/devices.csv": "device,user,token\n"
    + "".join(f"d-{user},{user},made-up-fcm-token-of-{user}\n" for user in _USERS),
}
_MESSAGE: Final = {
    "id": 4500000000000001,
    "name": "Hello",
    "active": True,
    "delivery": "manual",
    "messageType": "Push Notification",
    "targeting": _TARGETED,
}
_BEFORE: Final = {"tier": "silver", "visits": 5, "interests": ["golf"], "old": 1, "old_name": "Ann"}
_SEED: Final = ndjson(
    {"message": _MESSAGE},
    *({"userId": user, "userAttributes": _BEFORE, "devices": [{"deviceId": f"d-{user}"}]} for user in _USERS),
)
_ALL_ROWS: Final = list(enumerate(doubts.rows()))
# The suite takes a third of the rows; each row holds several hundred pairs.
_ROWS: Final = _ALL_ROWS if os.environ.get("HYPOTHESIS_PROFILE") == "campaign" else _ALL_ROWS[::3]


def _planned(folder: Path, name: str) -> Plan:
    return plan(Project.load(folder / "leanplum-sync.yaml"), out=folder / name)


def _applied(made: Plan) -> Receipt:
    """Apply until nothing is in doubt: what is, waits for the API to settle."""
    receipt = apply(made, accept=made.over_budget, recheck=Recheck.ON, new_journal=True)
    for _ in range(4):
        if not any(receipt.actions.get(fate) for fate in (Fate.IN_DOUBT, Fate.PARKED, Fate.NOT_SENT)):
            break
        receipt = apply(made, accept=made.over_budget, resume=True)
    return receipt


@pytest.mark.parametrize(("number", "row"), _ROWS, ids=[f"row {number}" for number, _ in _ROWS])
def test_the_main_job_is_right_under_each_pair_of_doubts(
    number: int, row: Row, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_files(tmp_path, {**_FILES, "seed.ndjson": _SEED})
    for key_class, key in emulator.KEYS.items():
        monkeypatch.setenv(f"LEANPLUM_{key_class.upper()}_KEY", key)
    if row["migrate_state"] == "SDK_TRAFFIC_STOPPED" and row["unlisted_actions"]:
        _check_that_nothing_is_done(row, tmp_path, monkeypatch)
        row = {**row, "migrate_state": "NONE"}
    with emulator.running(seeds=[tmp_path / "seed.ndjson"], switches=doubts.switches(row)) as served:
        monkeypatch.setenv("LEANPLUM_API_URL", served.url)
        made = _planned(tmp_path, "a.lpplan")
        requests.post(f"{served.url}/_emulator/faults", data=_FAULT, timeout=300)
        receipt = _applied(made)
        proof = verify(made, receipt)
        context = f"row {number}: {doubts.described(row)}"
        assert adds_up(receipt), context
        counts, users = _counts(served.url), _users(served.url)
        assert counts["overlaps"]["times"] == 0, context
        # Increments and sends: once each, however the API answered.
        # A value that reads back with a point may be one that the API doesn't increment: the plan says so, and has none.
        are_counted = row["integers"] == "kept"
        assert (
            any(note.code == "not_whole" and note.count == len(_USERS) for note in made.notes)
            is not are_counted
        )
        assert counts["increments"] == ({user: {"visits": 1} for user in _USERS} if are_counted else {}), (
            context
        )
        expected = _RECIPIENTS if row["untargeted"] == "send" else _TARGETED
        assert counts["sends"] == {str(_MESSAGE["id"]): dict.fromkeys(expected, 1)}, context
        for user in _USERS:
            attributes = users[user]["userAttributes"]
            assert _as_desired(attributes, visits=5 + are_counted), (context, attributes)
        assert _MISSING not in users, context
        # What the API did not keep is told, and what it kept is not planned again.
        kept = all(
            any(device.get("gcmRegistrationId") for device in users[user]["devices"]) for user in _USERS
        )
        assert kept or not proof.is_proof or proof.unproven, context
        again = _planned(tmp_path, "b.lpplan")
        unsent = len(_RECIPIENTS) - len(expected)
        assert again.summary.changes == ({ChangeKind.SEND: unsent} if unsent else {}) or not proof.is_proof, (
            context
        )
        writes = counts["writes"]
        apply(made, accept=made.over_budget, new_journal=True)
        assert _counts(served.url)["writes"] == writes, context


def _check_that_nothing_is_done(row: Row, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with emulator.running(seeds=[folder / "seed.ndjson"], switches=doubts.switches(row)) as served:
        monkeypatch.setenv("LEANPLUM_API_URL", served.url)
        with pytest.raises(MigrationChangedError):
            _planned(folder, "stopped.lpplan")
        assert _counts(served.url)["writes"] == 0


def _counts(url: str) -> Any:
    return requests.get(f"{url}/_emulator/counts?detail=1", timeout=300).json()


def _users(url: str) -> dict[str, Any]:
    lines = [json.loads(line) for line in requests.get(f"{url}/_emulator/dump", timeout=300).iter_lines()]
    return {line["userId"]: line for line in lines if "userId" in line}


def _as_desired(attributes: Any, *, visits: int) -> bool:
    return attributes == {
        **attributes,  # a receipt of increments may be among them
        "tier": "gold",
        "vip": "True",
        "score": 12.5,
        "orders": 3,
        "since": "2026-11-30",
        "interests": ["golf", "music"],
        "name": "Ann",
        "visits": visits,
    } and not attributes.keys() & {"old", "old_name"}
