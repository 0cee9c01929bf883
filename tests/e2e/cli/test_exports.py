"""``pull --from-export``: attributes of all users for jobs instead of lookups."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from shell import Command

_AS_DOCUMENTED = pytest.mark.doubt(
    export_users_a_day=40, export_users_missing=False, export_users_stale=False,
    export_users_truncated="no", export_users_outcome="FINISHED", job_seconds=0.0, export_users_rows="with_attribute",
    export_users_duplicates="none",
)  # fmt: skip

_TIERS = """\
apiVersion: leanplum-sync/v1
kind: UserAttributes
metadata: {name: loyalty}
spec:
  users: {file: ../data/customers.csv, id: customer_id}
  attributes:
    tier: {column: band, map: {A: gold, B: silver}, otherwise: bronze}
"""


@_AS_DOCUMENTED
def test_an_export_costs_jobs_and_no_lookups(command: Command, shop: Path) -> None:
    result = command("pull", "--from-export", "--out", "users.ndjson", "-o", "json")
    assert result.returncode == 0, result.stderr
    document = json.loads(result.stdout)
    export = document["export"]
    assert (document["read"], export["jobsStarted"], export["jobsLeft"]) == (0, len(export["attributes"]), 34)
    lines = [json.loads(line) for line in (shop / "users.ndjson").read_text().splitlines()]
    assert len(lines) == export["users"]
    assert {tuple(line["exportedAttributes"]) for line in lines} == {tuple(export["attributes"])}
    assert "tier" in command("pull", "--from-export", "--out", "users.ndjson").stdout


@_AS_DOCUMENTED
def test_no_plan_takes_an_export_for_whole_users(command: Command, shop: Path) -> None:
    assert command("pull", "--from-export", "--out", "users.ndjson").returncode == 0
    line = (shop / "users.ndjson").read_text().splitlines()[0]
    ids = [row.partition(",")[0] for row in (shop / "data" / "customers.csv").read_text().splitlines()[1:]]
    everyone = [json.dumps({**json.loads(line), "userId": user_id}) + "\n" for user_id in ids]
    (shop / "all.ndjson").write_text("".join(everyone))
    refused = command("plan", "--observed", "all.ndjson")
    assert refused.returncode == 3
    assert "all.ndjson:1: this entry was made by pull --from-export" in refused.stderr


def test_an_export_is_of_all_users(command: Command, shop: Path) -> None:
    refused = command("pull", "00001", "--from-export", "--out", "users.ndjson")
    assert (refused.returncode, "--from-export exports all users" in refused.stderr) == (64, True)


@pytest.mark.doubt(export_users_a_day=40, export_users_outcome="FAILED", job_seconds=0.0)
def test_a_failed_job_is_reported_with_what_to_do(command: Command, shop: Path) -> None:
    failed = command("pull", "--from-export", "--out", "users.ndjson")
    assert failed.returncode == 75
    assert "Leanplum reports that the job failed. Run the same command again" in failed.stderr
    assert not (shop / "users.ndjson").exists()


@pytest.mark.doubt(
    export_users_a_day=1, export_users_truncated="no", export_users_outcome="FINISHED", job_seconds=0.0
)
def test_a_quota_that_is_used_up_has_the_code_of_limits(command: Command, shop: Path) -> None:
    refused = command("pull", "--from-export", "--out", "users.ndjson")
    assert refused.returncode == 10
    assert "the app's quota of exportUsers jobs is used up" in refused.stderr


@_AS_DOCUMENTED
def test_no_output_shows_a_url_or_the_id_of_a_job_that_it_contains(command: Command, shop: Path) -> None:
    (shop / "specs" / "loyalty.yaml").write_text(_TIERS)
    files = [shop / f"plan.{form}" for form in ("json", "markdown", "html", "ndjson")]
    outputs = [option for file in files for option in ("-o", f"{file.suffix[1:]}={file}")]
    done = [
        command("pull", "--from-export", "--out", "users.ndjson"),
        command("pull", "--from-export", "--out", "users.ndjson", "-o", "json"),
        command("plan", "--observed", "export", *outputs),
        command("status", "--costs", "-o", "json"),
        command("status", "--costs"),
    ]
    assert [each.returncode for each in done] == [0] * len(done), [each.stderr for each in done]
    shown = [*(each.stdout + each.stderr for each in done), *(file.read_text() for file in files)]
    shown += [(shop / "users.ndjson").read_text()]
    assert not [text for text in shown if "export_users_" in text or "_emulator/files" in text]
    assert json.loads((shop / "plan.json").read_text())["users"]["unseen"] > 0
