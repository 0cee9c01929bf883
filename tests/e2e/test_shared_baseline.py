"""Runners vanish after each command. The next one, with only the checkout and the shared journal, has the baseline nevertheless."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from files import csv_of_ids, write_files
from shell import Serve, Served, Shell
from tiers import TIERS, silver

from leanplum_sync.encryption import new_key

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("backend", ["postgresql"])]

USERS = [f"user-{number:02}" for number in range(20)]
PROJECT = """\
apiVersion: leanplum-sync/v1
kind: Project
metadata: {name: shared}
spec:
  journal: {env: LEANPLUM_SYNC_JOURNAL}
  observe: journal
  environments: {live: {appId: app_emulator}}
  defaultEnvironment: live
  limits: {requestsPerSecond: 1000}
"""
OF_BASELINE = "FROM leanplum_sync.kept_file WHERE name = 'baseline'"

Machine = Callable[..., Shell]


@pytest.fixture
def served(serve: Serve) -> Served:
    return serve(*silver(USERS))


@pytest.fixture
def machine(tmp_path: Path, served: Served, journal_location: str) -> Machine:
    """Return a machine with a fresh checkout. One of the same name is gone, with all its files."""
    environ = {**served.environ, "LEANPLUM_SYNC_JOURNAL": journal_location}
    environ["LEANPLUM_SYNC_PLAN_KEY"] = new_key()

    def fresh(name: str = "runner", tier: str = "gold", **variables: str) -> Shell:
        folder = tmp_path / name
        shutil.rmtree(folder, ignore_errors=True)
        specs = TIERS.replace("tier: gold", f"tier: {tier}")
        files = {"leanplum-sync.yaml": PROJECT, "specs/tiers.yaml": specs, "users.csv": csv_of_ids(USERS)}
        write_files(folder, files)
        return Shell(folder, environ | variables)

    return fresh


def plan(shell: Shell, out: str = "a.lpplan") -> tuple[int, int, Any]:
    """Return how many users were assumed, and how many lookups it cost; and the document."""
    made = shell.json("plan", "--out", out)
    return made["users"]["assumed"], made["cost"]["reads"], made


def applied(machine: Machine) -> None:
    """Everybody is gold, and known to be."""
    shell = machine()
    assert plan(shell)[:2] == (0, 20)
    shell.run("apply", "a.lpplan", "--yes")


def test_a_machine_that_has_only_the_database_assumes_what_others_read_and_wrote(
    machine: Machine,
) -> None:
    applied(machine)
    assert plan(machine())[:2] == (20, 0)
    shell = machine(tier="platinum")
    assert plan(shell)[:2] == (0, 20)
    shell.run("apply", "a.lpplan", "--yes")
    assert plan(machine(tier="platinum"))[:2] == (20, 0)
    shown = machine().run("baseline").stdout
    assert "has 20 users" in shown


def test_users_of_a_run_that_is_not_in_the_baseline_are_read(machine: Machine, journal_location: str) -> None:
    """The machine that applied was gone before it could add to the baseline."""
    applied(machine)
    with psycopg.connect(journal_location, autocommit=True) as connection:
        connection.execute(f"CREATE TABLE kept AS SELECT * {OF_BASELINE}")
        connection.execute(
            "CREATE TABLE chunks AS SELECT * FROM leanplum_sync.kept_chunk WHERE copy IN (SELECT copy FROM kept)"
        )
        shell = machine(tier="platinum")
        (shell.folder / "users.csv").write_text(csv_of_ids(USERS[:3]))
        plan(shell)
        shell.run("apply", "a.lpplan", "--yes")
        connection.execute(f"DELETE {OF_BASELINE}")
        connection.execute("INSERT INTO leanplum_sync.kept_file SELECT * FROM kept")
        connection.execute("INSERT INTO leanplum_sync.kept_chunk SELECT * FROM chunks")
    assumed, reads, made = plan(machine())
    assert (assumed, reads, made["users"]["changed"]) == (17, 3, 3)


@pytest.mark.parametrize("command", [("baseline", "--rotate"), ("journal", "prune", "--older-than", "0s")])
def test_a_baseline_that_is_discarded_is_used_by_no_machine_again(
    command: tuple[str, ...], machine: Machine, journal_location: str
) -> None:
    applied(machine)
    first = machine("first")
    assert plan(first)[:2] == (20, 0)
    (key,) = (first.folder / ".leanplum-sync").glob("*.baseline/key")
    old = key.read_text()
    machine("second").run(*command)
    with psycopg.connect(journal_location) as connection:
        assert connection.execute(f"SELECT * {OF_BASELINE}").fetchall() == []
    assert first.run("baseline").stdout == "There is no baseline.\n"
    assert not list((first.folder / ".leanplum-sync").glob("*.baseline/prints-*"))
    assert plan(first)[:2] == (0, 20)
    third = machine("third")
    assert plan(third)[:2] == (20, 0)
    (new,) = (third.folder / ".leanplum-sync").glob("*.baseline/key")
    assert new.read_text() == key.read_text() != old


def test_two_machines_that_add_at_once_leave_one_whole_baseline(machine: Machine) -> None:
    """Each has a folder of its own, and both go on from the same copy."""
    applied(machine)
    shells = [machine("first", tier="platinum"), machine("second", tier="platinum")]
    running = [shell.start("plan", "--out", "a.lpplan") for shell in shells]
    for process in running:
        out, err = process.communicate()
        assert process.returncode == 0, out + err
    for shell in (*shells, machine()):
        assumed, reads, made = plan(shell)
        assert (assumed, reads) == ((20, 0) if shell not in shells else (0, 20))
        assert not [note for note in made["notes"] if note["code"] == "remark"]


@pytest.mark.parametrize("what", ["chunk", "key"])
def test_a_copy_that_can_t_be_read_is_left_out_with_a_remark_and_replaced(
    what: str, machine: Machine, journal_location: str
) -> None:
    applied(machine)
    if what == "chunk":
        with psycopg.connect(journal_location, autocommit=True) as connection:
            connection.execute(
                "UPDATE leanplum_sync.kept_chunk SET sealed = set_byte(sealed, 40, get_byte(sealed, 40) # 1)"
                f" WHERE copy IN (SELECT copy {OF_BASELINE})"
            )
    else:
        with psycopg.connect(journal_location, autocommit=True) as connection:
            connection.execute(
                "UPDATE leanplum_sync.kept_file SET encryption_key = '00000000' WHERE name = 'baseline'"
            )
    shell = machine()
    assumed, reads, made = plan(shell)
    why = "is damaged" if what == "chunk" else "is encrypted with another key"
    (remark,) = [note["sentence"] for note in made["notes"] if note["code"] == "remark"]
    assert (assumed, reads) == (0, 20)
    assert remark.startswith(f"the baseline is not used: its copy in the journal {why}")
    assert plan(machine())[:2] == (20, 0)


def test_a_plan_whose_reads_can_t_be_shared_says_so_and_keeps_them_here(
    machine: Machine, journal_location: str
) -> None:
    applied(machine)
    with psycopg.connect(journal_location, autocommit=True) as connection:
        connection.execute(
            "CREATE FUNCTION refuse() RETURNS trigger AS $$ BEGIN"
            " RAISE EXCEPTION 'canceling statement due to statement timeout' USING ERRCODE = 'query_canceled';"
            " END $$ LANGUAGE plpgsql"
        )
        connection.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON leanplum_sync.kept_chunk EXECUTE FUNCTION refuse()"
        )
        shell = machine(tier="platinum")
        said = shell.run("plan", "--out", "a.lpplan").stderr
        assert "statement timeout; the baseline was not stored in it. Other machines" in said
        assert "Nothing else needs to be done." in said
        assert "Run the command again" not in said
        connection.execute("DROP TRIGGER refuse ON leanplum_sync.kept_chunk")
        found = connection.execute(f"SELECT chunks {OF_BASELINE}").fetchall()
    assert len(found) == 1  # the one before, which is complete
    assert found[0][0] is not None


def test_the_database_shows_no_id_of_a_user_in_the_baseline(machine: Machine, journal_location: str) -> None:
    shell = machine()
    plan(shell)
    with psycopg.connect(journal_location) as connection:
        chunks = connection.execute("SELECT sealed FROM leanplum_sync.kept_chunk").fetchall()
    assert chunks
    assert not [chunk for (chunk,) in chunks if b"user-" in bytes(chunk) or b"PAR1" in bytes(chunk)]


def test_users_can_be_read_while_the_database_is_gone(machine: Machine) -> None:
    shell = machine(LEANPLUM_SYNC_JOURNAL="postgresql://127.0.0.1:1/gone")
    project = shell.folder / "leanplum-sync.yaml"
    project.write_text(project.read_text().replace("  observe: journal\n", ""))
    assert "20" in shell.run("pull", "--out", "users.ndjson").stdout


def test_without_a_key_each_machine_has_a_baseline_of_its_own(
    machine: Machine, journal_location: str
) -> None:
    without = {"tier": "silver", "LEANPLUM_SYNC_PLAN_KEY": ""}
    shell = machine(**without)
    assert plan(shell)[:2] == (0, 20)
    assert plan(shell)[:2] == (20, 0)
    assert plan(machine(**without))[:2] == (0, 20)
    with psycopg.connect(journal_location) as connection:
        assert connection.execute(f"SELECT * {OF_BASELINE}").fetchall() == []
