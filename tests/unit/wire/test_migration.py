"""How far a migration has come, by an answer of getMigrateState, and by the hash beside other answers."""

from __future__ import annotations

from typing import Any

import pytest

from leanplum_sync.client.migration import MigrationWatch
from leanplum_sync.errors import MigrationChangedError
from leanplum_sync.wire.migration import Migration, read_migration, read_migration_hash


def api(system: Any, events: Any = "lp") -> dict[str, Any]:
    return {"api": {"profile": system, "events": events}}


@pytest.mark.parametrize(
    ("element", "expected"),
    [
        ({}, Migration.NONE),
        ({"state": "NONE", **api("lp")}, Migration.NONE),
        ({"state": "EVENTS_UPLOAD_STARTED", **api("lp+ct", "lp+ct")}, Migration.COPYING),
        ({"state": "EVENTS_UPLOAD_STARTED"}, Migration.COPYING),
        ({"state": "NONE", **api("lp", "lp+ct")}, Migration.COPYING),
        ({"state": "SDK_TRAFFIC_STOPPED", **api("ct", "ct")}, Migration.MOVED),
        ({"state": "SDK_TRAFFIC_STOPPED"}, Migration.MOVED),
        ({"state": "EVENTS_UPLOAD_STARTED", **api("lp", "ct")}, Migration.MOVED),
        ({"state": "PROFILE_UPLOAD_STARTED"}, Migration.COPYING),
        ({"state": 7, "api": []}, Migration.COPYING),
        ({"state": "NONE", **api(["lp"])}, Migration.COPYING),
        ({"api": "lp"}, Migration.NONE),
    ],
)
def test_the_later_stage_counts_and_what_is_unknown_is_a_migration(
    element: dict[str, Any], expected: Migration
) -> None:
    assert read_migration({"success": True, **element}) is expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"response":[],"migrateState":{"sha256":"a"}}', "a"),
        (b'{"response":[{"message":"\\"migrateState\\""}]}', None),
        (b'{"response":[],"migrateState":{"sha256":7}}', None),
        (b'{"response":[],"migrateState":"a"}', None),
        (b'["migrateState"]', None),
        (b'{"migrateState"', None),
        (b"", None),
    ],
)
def test_the_hash_is_read_from_beside_the_elements(body: bytes, expected: str | None) -> None:
    assert read_migration_hash(body) == expected


def answer(found: str | None) -> bytes:
    return b'{"response":[]}' if found is None else f'{{"migrateState":{{"sha256":"{found}"}}}}'.encode()


@pytest.mark.parametrize(
    ("hashes", "changes"),
    [
        ([], False),
        ([None, None], False),
        (["a", "a"], False),
        (["a", None, "a"], False),
        (["a", "b"], True),
        ([None, "a"], True),
        (["a", "b", "a"], True),
    ],
)
def test_another_hash_than_that_of_the_first_answer_is_a_change(
    hashes: list[str | None], changes: bool
) -> None:
    watch = MigrationWatch()
    for found in hashes:
        watch.observe(answer(found))
    if changes:
        with pytest.raises(MigrationChangedError):
            watch.check()
    else:
        watch.check()
