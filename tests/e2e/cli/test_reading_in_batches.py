"""A project that reads users in batches plans the same, for the same lookups."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from shell import Command

from leanplum_sync.client.http import HttpTransport


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The actions of all requests, as they are sent."""
    actions: list[str] = []
    send = HttpTransport.send

    def watched(self: HttpTransport, request: Any, *rest: Any) -> Any:
        actions.append(request.url.partition("action=")[2])
        return send(self, request, *rest)

    monkeypatch.setattr(HttpTransport, "send", watched)
    return actions


def read_in_batches(shop: Path) -> None:
    project = shop / "leanplum-sync.yaml"
    project.write_text(project.read_text().rstrip("\n") + "\n  limits: {readInBatches: true}\n")


@pytest.mark.doubt(export_user_in_multi=True)
def test_a_plan_is_the_same_and_costs_the_same_with_fewer_requests(
    command: Command, shop: Path, sent: list[str]
) -> None:
    alone = json.loads(command("plan", "-o", "json").stdout)
    assert sent.count("exportUser") == alone["cost"]["reads"]
    sent.clear()
    read_in_batches(shop)
    result = command("plan", "-o", "json")
    assert result.returncode == 0, result.stderr
    together = json.loads(result.stdout)
    assert together["digest"] == alone["digest"]
    assert together["cost"] == alone["cost"]
    assert together["cost"]["reads"] > 1
    assert sent.count("multi") == 1
    assert "exportUser" not in sent


@pytest.mark.doubt(export_user_in_multi=True)
def test_applying_verifying_and_undoing_read_nobody_alone(
    command: Command, shop: Path, sent: list[str]
) -> None:
    read_in_batches(shop)
    assert command("plan", "--out", "a.lpplan").returncode == 0
    sent.clear()
    result = command("apply", "a.lpplan", "--yes", "--recheck", "on", "--verify", "all", "-o", "json")
    receipt = json.loads(result.stdout)
    assert (result.returncode, receipt["verification"]["isProof"]) == (0, True)
    assert receipt["recheckReads"] == receipt["verification"]["checked"] > 1
    assert receipt["verification"]["again"] == 0
    # The state of a migration, then one read before each batch, the batch, and the verification.
    assert sent == ["getMigrateState"] + ["multi"] * (2 * receipt["requests"] + 1)
    sent.clear()
    assert command("undo", "1", "-o", "json").returncode == 0
    assert sent == ["multi"]
