"""``journal copy``: the journal moves from a file to a server, and nothing is sent twice."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from document_schemas import check_document
from postgresql import Server
from shell import Served, Shell

from leanplum_sync import emulator
from leanplum_sync.clock import SystemClock
from leanplum_sync.errors import JournalError
from leanplum_sync.journal import copying, open_journal
from leanplum_sync.journal.database import Database
from leanplum_sync.journal.schema import lock_table, metadata, run_table

OLD = ".leanplum-sync/journal.db"
SEND = """\
apiVersion: leanplum-sync/v1
kind: MessageSend
metadata: {name: hello}
spec:
  message: {name: Hello}
  recipients: {inline: ["00001", "00002", "00003"]}
  delivery: hello-2026
"""
MESSAGE = '{"message": {"id": 7, "name": "Hello", "active": true, "messageType": "Push Notification", "delivery": "manual"}}\n'


@pytest.fixture
def served(tmp_path: Path, serve: Callable[..., Served]) -> Served:
    """An app whose second request for sends gets no answer."""
    Shell(tmp_path).run("init", "shop")
    seed = tmp_path / "seed.ndjson"
    seed.write_text(MESSAGE + (tmp_path / "shop" / "seed" / "users.ndjson").read_text())
    return serve(seeds=[seed])


@pytest.fixture
def shop(tmp_path: Path, served: Served) -> Shell:
    """A project that has sent a message to two of three users, and whose journal is a file."""
    shell = Shell(tmp_path / "shop", {**served.environ, "LEANPLUM_SYNC_ENVIRONMENT": "production"})
    project = shell.folder / "leanplum-sync.yaml"
    project.write_text(project.read_text().replace("{sends: 0,", "{sends: 100,"))
    spec = shell.folder / "specs" / "hello.yaml"
    spec.write_text(SEND.replace(', "00003"', ""))
    shell.run("plan", "--out", "a.lpplan")
    shell.run("apply", "a.lpplan", "--yes")
    spec.write_text(SEND)
    return shell


def content(location: str | Path) -> dict[str, list[tuple[Any, ...]]]:
    database = Database(location)
    with database.reading() as connection:
        found = {
            table.name: sorted(map(tuple, connection.execute(sa.select(table))), key=repr)
            for table in metadata.sorted_tables
        }
    database.close()
    return found


@pytest.mark.slow
def test_what_was_sent_is_known_in_the_new_place_and_the_rest_goes_out_from_there(
    shop: Shell, served: Served, postgresql: Server
) -> None:
    before = {name: shop.json(*name.split()) for name in ("journal list", "journal show 1", "drift")}
    address = postgresql.new_database()
    shop.environ["LEANPLUM_SYNC_JOURNAL"] = address
    done = shop.run("journal", "copy", OLD, "-o", "json")
    rows = check_document(done.stdout)["rows"]
    assert (rows["run"], rows["delivery"]) == (1, 2)
    assert content(address) == content(shop.folder / OLD)
    assert "Archive .leanplum-sync/journal.db" in done.stderr

    for name, document in before.items():
        now = shop.json(*name.split())
        for each in (document, now):
            each.pop("observedFrom", None), each.pop("observedUntil", None)
        assert now == document
    assert shop.json("journal", "verify")["isSound"]
    plan = shop.json("plan", "--out", "b.lpplan")
    assert plan["changes"] == {"send": 1}
    assert shop.json("apply", "b.lpplan", "--yes")["run"] == 2
    [sends] = served.counts()["sends"].values()
    assert sorted(sends.values()) == [1, 1, 1]


def test_a_journal_moves_back_to_a_file_by_the_name_of_a_variable(shop: Shell) -> None:
    (shop.folder / "other").mkdir()
    shop.environ["LEANPLUM_SYNC_JOURNAL"] = "other/journal.db"
    assert "All rows were copied to" in shop.run("journal", "copy", OLD).stdout
    assert content(shop.folder / "other" / "journal.db") == content(shop.folder / OLD)


def test_what_can_not_be_copied_is_told_and_nothing_is_changed(shop: Shell) -> None:
    def refused(source: str, code: int = 7) -> str:
        return str(shop.run("journal", "copy", source, "-o", "json", code=code).stderr)

    assert "is already the project's journal" in refused(OLD)
    assert "does not exist" in refused("nowhere.db")
    (shop.folder / "empty.db").touch()
    assert "is empty: there is nothing to copy" in refused("empty.db")
    assert "put it in an environment variable" in refused("postgresql://me:s3cret@127.0.0.1:1/x", 64)
    assert "NOWHERE is not set" in refused("env:NOWHERE", 64)
    shop.run("call", "exportUser", "userId=00001", "-e", "production")
    before = content(shop.folder / OLD)
    (shop.folder / "other.db").write_bytes((shop.folder / OLD).read_bytes())
    assert "already has data, in" in refused("other.db")
    assert content(shop.folder / OLD) == before


def test_a_journal_in_use_is_not_copied(shop: Shell) -> None:
    shop.environ["LEANPLUM_SYNC_JOURNAL"] = "./other.db"
    with (
        open_journal(shop.folder / OLD) as journal,
        journal.acquire(emulator.APP_ID, "production"),
    ):
        told = shop.run("journal", "copy", OLD, "-o", "json", code=8)
    assert "is in use: process" in told.stderr
    assert json.loads(told.stdout)["exit"] == 8
    assert not any(content(shop.folder / "other.db").get("run", []))


def test_a_copy_that_breaks_off_leaves_nothing(shop: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = copying._copy

    def break_off(table: sa.Table, reading: sa.Connection, writing: sa.Connection) -> None:
        if table is not run_table:
            copy(table, reading, writing)
            return
        raise sqlite3.OperationalError("disk is full")

    monkeypatch.setattr(copying, "_copy", break_off)
    with pytest.raises(Exception, match="disk is full"):
        copying.copy_journal(shop.folder / OLD, shop.folder / "new.db")
    found = content(shop.folder / "new.db")
    of_each = ("journal_version", "journal_identity")
    assert not any(rows for name, rows in found.items() if name not in of_each)


def test_a_copy_that_lacks_rows_is_none(shop: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "_copy", lambda *_: None)
    with pytest.raises(JournalError, match="did not accept all rows; nothing was copied"):
        copying.copy_journal(shop.folder / OLD, shop.folder / "new.db")


def test_a_new_place_that_can_not_be_reached_is_told_and_the_old_one_is_let_go(shop: Shell) -> None:
    with pytest.raises(JournalError, match="can't be reached"):
        copying.copy_journal(shop.folder / OLD, "postgresql://somebody@127.0.0.1:1/journal")
    with open_journal(shop.folder / OLD) as journal, journal.acquire("app", "sandbox"):
        pass


def test_a_lock_left_by_a_clock_that_was_ahead_keeps_no_journal_from_being_copied(shop: Shell) -> None:
    shop.environ["LEANPLUM_SYNC_JOURNAL"] = "./other.db"
    with open_journal(shop.folder / OLD) as journal:
        journal.acquire(emulator.APP_ID, "production", lease_seconds=1, heartbeat=False)
        with journal._writable.writing("") as connection:
            later = SystemClock().now() + 7200
            connection.execute(sa.update(lock_table).values(machine="elsewhere", until=later))
    shop.run("journal", "copy", OLD, "-o", "json")
