"""A project that reads users in batches plans the same, for the same lookups."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from shell import Command

from leanplum_sync.client.http import HttpTransport


def test_a_plan_is_the_same_and_costs_the_same_with_fewer_requests(
    command: Command, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []
    send = HttpTransport.send

    def watched(self: HttpTransport, request: Any, *rest: Any) -> Any:
        sent.append(request.url.partition("action=")[2])
        return send(self, request, *rest)

    monkeypatch.setattr(HttpTransport, "send", watched)
    alone = json.loads(command("plan", "-o", "json").stdout)
    assert sent.count("exportUser") == alone["cost"]["reads"]
    sent.clear()
    project = shop / "leanplum-sync.yaml"
    project.write_text(project.read_text().rstrip("\n") + "\n  limits: {readInBatches: true}\n")
    result = command("plan", "-o", "json")
    assert result.returncode == 0, result.stderr
    together = json.loads(result.stdout)
    assert together["digest"] == alone["digest"]
    assert together["cost"] == alone["cost"]
    assert together["cost"]["reads"] > 1
    assert sent.count("multi") == 1
    assert "exportUser" not in sent
