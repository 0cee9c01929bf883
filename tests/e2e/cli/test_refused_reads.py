"""What the API says when it refuses to show a user before writing may quote the user's values."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests
from files import ndjson
from shell import Command

from leanplum_sync import emulator

_PROJECT = """\
apiVersion: leanplum-sync/v1
kind: Project
metadata: {name: shop}
spec:
  defaultEnvironment: live
  sensitive: [email]
  environments:
    live: {appId: app_emulator, limits: {requestsPerSecond: 1000}}
"""
_SPEC = """\
apiVersion: leanplum-sync/v1
kind: UserAttributes
metadata: {name: mail}
spec:
  users: {file: users.csv, id: id}
  attributes:
    email: {column: email}
"""
_FORMATS = ("text", "json", "markdown", "html", "junit")


@pytest.mark.parametrize("quoted", ["ada@example.com", "old@example.com"], ids=["wanted", "found"])
@pytest.mark.parametrize("status", [400, 404, 451])
def test_no_output_and_no_journal_holds_a_sensitive_value_that_a_refused_read_quotes(
    tmp_path: Path, command: Command, quoted: str, status: int
) -> None:
    shop = tmp_path / "shop"
    (shop / "specs").mkdir(parents=True)
    (shop / "leanplum-sync.yaml").write_text(_PROJECT)
    (shop / "specs" / "mail.yaml").write_text(_SPEC)
    (shop / "specs" / "users.csv").write_text("id,email\nu1,ada@example.com\n")
    seed = tmp_path / "users.ndjson"
    seed.write_text(ndjson({"userId": "u1", "userAttributes": {"email": "old@example.com"}}))
    with emulator.running(seeds=[seed]) as served:
        variables = {f"LEANPLUM_{name.upper()}_KEY": key for name, key in emulator.KEYS.items()}
        variables["LEANPLUM_API_URL"] = served.url
        assert command("plan", "--out", "a.lpplan", variables=variables).returncode == 0
        fault = {
            "fault": "status",
            "status": status,
            "action": "exportUser",
            "text": f"Can't show {quoted.upper()}.",
        }
        requests.post(f"{served.url}/_emulator/faults", json=fault, timeout=300)
        outputs = [option for name in _FORMATS[1:] for option in ("-o", f"{name}={tmp_path / name}")]
        done = command(
            "apply", "a.lpplan", "--yes", "--recheck", "on", "--verify", "none", *outputs, variables=variables
        )
        status_report = command("status", "-o", "json", variables=variables).stdout
    assert done.returncode == 4, done.stdout + done.stderr
    told = [
        done.stdout,
        done.stderr,
        status_report,
        *((tmp_path / name).read_text() for name in _FORMATS[1:]),
    ]
    told += [
        path.read_bytes().decode(errors="replace") for path in (shop / ".leanplum-sync").rglob("*journal*")
    ]
    told += [path.read_text() for path in (shop / ".leanplum-sync").rglob("*.events.ndjson")]
    assert not any(
        quoted.upper() in text.upper().replace("\\U0040", "@") for text in told if "Can't show" in text
    )
    assert all("Can't show" not in text for text in told)
    assert any("could not be read before writing" in text for text in told)
