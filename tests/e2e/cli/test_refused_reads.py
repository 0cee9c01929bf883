"""What the API says when it refuses to show a user may quote any of the user's values."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from files import ndjson
from shell import Command, Served

from leanplum_sync import emulator

_PROJECT = """\
apiVersion: leanplum-sync/v1
kind: Project
metadata: {name: shop}
spec:
  defaultEnvironment: live
  sensitive: [email, phone]
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
_FORMATS = ("json", "markdown", "html", "junit")


# A value that the spec asks for, the one that was there before, and one that no spec names.
_QUOTED = ("ada@example.com", "old@example.com", "+4915112345")


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Served]:
    shop = tmp_path / "shop"
    (shop / "specs").mkdir(parents=True)
    (shop / "leanplum-sync.yaml").write_text(_PROJECT)
    (shop / "specs" / "mail.yaml").write_text(_SPEC)
    (shop / "specs" / "users.csv").write_text("id,email\nu1,ada@example.com\n")
    seed = tmp_path / "users.ndjson"
    attributes = {"email": "old@example.com", "phone": "+4915112345"}
    seed.write_text(ndjson({"userId": "u1", "userAttributes": attributes}))
    with emulator.running(seeds=[seed]) as served:
        yield Served(served.url)


@pytest.mark.parametrize("status", [400, 404, 451])
def test_no_output_and_no_journal_holds_a_value_that_a_refused_read_quotes(
    tmp_path: Path, command: Command, app: Served, status: int
) -> None:
    assert command("plan", "--out", "a.lpplan", variables=app.every_key).returncode == 0
    _refuse_reads(app, status)
    files = {name: tmp_path / name for name in _FORMATS}
    outputs = [option for name, path in files.items() for option in ("-o", f"{name}={path}")]
    apply = ("apply", "a.lpplan", "--yes", "--recheck", "on", "--verify", "none", *outputs)
    done = command(*apply, variables=app.every_key)
    assert done.returncode == 4, done.stdout + done.stderr
    told = [done.stdout, done.stderr, *(path.read_text() for path in files.values())]
    told += [command("status", "-o", "json", variables=app.every_key).stdout, *_kept(tmp_path)]
    _check(told)
    assert any("could not be read before writing" in text for text in told)


@pytest.mark.parametrize("status", [400, 403])
@pytest.mark.parametrize(
    ("arguments", "formats"),
    [
        (("pull", "--out", "users.ndjson"), ("json", "ndjson")),
        (("pull", "u1", "--out", "users.ndjson"), ("json", "ndjson")),
        (("drift",), ("json", "ndjson", "markdown")),
        (("plan", "--out", "b.lpplan"), ("json", "ndjson", "markdown", "html")),
        (("undo", "1", "--out", "b.lpplan"), ("json", "markdown", "html")),
        (("apply", "a.lpplan", "--verify", "all"), ("json", "ndjson", "markdown", "html", "junit")),
    ],
    ids=["pull", "pull one", "drift", "plan", "undo", "verify"],
)
def test_no_command_shows_a_value_that_a_refused_read_quotes(
    tmp_path: Path,
    command: Command,
    app: Served,
    *,
    arguments: Sequence[str],
    formats: Sequence[str],
    status: int,
) -> None:
    assert command("plan", "--out", "a.lpplan", variables=app.every_key).returncode == 0
    if arguments[0] != "apply":
        assert command("apply", "a.lpplan", "--yes", variables=app.every_key).returncode == 0
    _refuse_reads(app, status)
    files = {name: tmp_path / name for name in formats}
    outputs = [option for name, path in files.items() for option in ("-o", f"{name}={path}")]
    yes = ("--yes",) if arguments[0] == "apply" else ()
    done = command(*arguments, *yes, *outputs, variables=app.every_key)
    assert app.holds()
    told = [done.stdout, done.stderr, *(path.read_text() for path in files.values() if path.exists())]
    _check([*told, *_kept(tmp_path)])


def _refuse_reads(app: Served, status: int) -> None:
    text = f"Can't show {' or '.join(_QUOTED).upper()}."
    app.faults(json.dumps([{"fault": "status", "status": status, "action": "exportUser", "text": text}]))


def _kept(folder: Path) -> Iterator[str]:
    """Yield what the commands wrote, but for the snapshots of users who were read."""
    state = folder / "shop" / ".leanplum-sync"
    for path in [*state.rglob("*journal*"), *state.rglob("*.events.ndjson")]:
        yield path.read_bytes().decode(errors="replace")


def _check(told: Sequence[str]) -> None:
    assert all("can't show" not in text.lower() for text in told)
    assert not any(value.upper() in text for value in _QUOTED for text in told)
