"""The journal's server is restarted in the middle of a command: it ends with 75, whatever it was doing, and again it succeeds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from files import csv_of_ids, write_files
from hello import HELLO, send_hello
from lossy_postgresql import Lossy, lossy
from postgresql import Server
from searching import IS_CAMPAIGN
from shell import TIMEOUT_SECONDS, Serve, Served, Shell
from tiers import TIERS, silver

pytestmark = pytest.mark.slow

USERS = [f"u{number:02}" for number in range(60)]  # two batches
PROJECT = """\
apiVersion: leanplum-sync/v1
kind: Project
metadata: {name: restarted}
spec:
  journal: {env: LEANPLUM_SYNC_JOURNAL}
  environments: {live: {appId: app_emulator, budget: {sends: 1000}}}
  defaultEnvironment: live
  limits: {concurrency: 1, requestsPerSecond: 1000}
"""
SEND = send_hello("{file: ../users.csv, id: id}")
APPLY = ("apply", "a.lpplan", "--yes", "--new-journal")
# Each is lost at these shares of its messages.
SHARES = (0.0, 0.3, 0.5, 0.7, 0.9, 1.0) if IS_CAMPAIGN else (0.0, 0.5, 0.9)
COMMANDS = {
    "plan": ("plan", "--out", "b.lpplan"),
    "apply": ("apply", "a.lpplan", "--yes"),
    "status": ("status",),
    "undo": ("undo", "1", "--out", "undo.lpplan"),
    "drift": ("drift",),
    "explain": ("explain", "a.lpplan", "u01"),
    "resolve": ("resolve", "1", "--done", "--yes"),
    "journal list": ("journal", "list"),
    "journal show": ("journal", "show", "1"),
    "journal verify": ("journal", "verify"),
    "journal export": ("journal", "export"),
    "journal prune": ("journal", "prune"),
    "journal upgrade": ("journal", "upgrade"),
}


@pytest.fixture
def served(serve: Serve) -> Served:
    return serve(HELLO, *silver(USERS))


@pytest.fixture
def server(postgresql: Server) -> Iterator[Lossy]:
    with lossy(postgresql.new_database()) as found:
        yield found


@pytest.fixture
def shell(tmp_path: Path, served: Served, server: Lossy) -> Shell:
    files = {"leanplum-sync.yaml": PROJECT, "specs/spec.yaml": SEND, "specs/tiers.yaml": TIERS}
    write_files(tmp_path / "one", {**files, "users.csv": csv_of_ids(USERS)})
    shell = Shell(tmp_path / "one", {**served.guarded, "LEANPLUM_SYNC_JOURNAL": server.address})
    shell.run("plan", "--out", "a.lpplan")
    shell.run(*APPLY)
    return shell


def ends_with(shell: Shell, command: tuple[str, ...]) -> tuple[int, str]:
    process = shell.start(*command)
    out, err = process.communicate(timeout=TIMEOUT_SECONDS)
    assert "Traceback" not in out + err, err
    return process.returncode or 0, err


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_a_command_that_loses_the_database_ends_with_75(
    command: tuple[str, ...], shell: Shell, server: Lossy
) -> None:
    server.begin()
    whole, _ = ends_with(shell, command)
    pieces = server.seen
    assert pieces > 0
    for last in sorted({round(share * (pieces - 1)) for share in SHARES}):
        server.begin(last)
        code, err = ends_with(shell, command)
        # Beyond what it needs, such as closing the connection.
        assert code == 75 or (code == whole and last > 0.6 * pieces), (last, pieces, code, err)
        assert code == whole or "The shared journal" in err
    server.begin()
    assert ends_with(shell, command)[0] == whole


@pytest.mark.parametrize("name", ["plan", "apply", "status"])
def test_a_statement_that_takes_longer_than_the_server_allows_ends_with_75(
    name: str, shell: Shell, server: Lossy, postgresql: Server
) -> None:
    database = server.address.split("/")[3].partition("?")[0]
    with postgresql.connect() as connection:
        connection.execute(f"ALTER DATABASE {database} SET statement_timeout = '200ms'")
    with postgresql.connect(database) as holding:
        holding.execute("BEGIN")
        holding.execute("LOCK TABLE leanplum_sync.run IN ACCESS EXCLUSIVE MODE")
        code, err = ends_with(shell, COMMANDS[name])
        holding.execute("ROLLBACK")
    assert (code, "The shared journal" in err) == (75, True), err
    with postgresql.connect() as connection:
        connection.execute(f"ALTER DATABASE {database} RESET statement_timeout")
    assert ends_with(shell, COMMANDS[name])[0] == 0


def test_a_rebuild_that_loses_the_database_leaves_no_part_of_a_journal(
    shell: Shell, postgresql: Server
) -> None:
    rebuild = ("journal", "rebuild")
    for mark in (shell.folder / ".leanplum-sync").glob("*.mark"):
        mark.unlink()

    with lossy(postgresql.new_database()) as first:
        shell.environ["LEANPLUM_SYNC_JOURNAL"] = first.address
        first.begin()
        shell.run(*rebuild)
        pieces = first.seen
    for share in SHARES:
        for mark in (shell.folder / ".leanplum-sync").glob("*.mark"):
            mark.unlink()
        with lossy(postgresql.new_database()) as other:
            shell.environ["LEANPLUM_SYNC_JOURNAL"] = other.address
            other.begin(round(share * (pieces - 1)))
            code, err = ends_with(shell, rebuild)
            assert code == 75 or (code == 0 and share > 0.6), (share, pieces, code, err)
            other.begin()
            if code == 75 and ends_with(shell, rebuild)[0] == 7:
                assert shell.json("journal", "verify")["isSound"]
