"""
After an erasure, none of the erased users' values is left anywhere in the project or its journal.

The search here is not the product's: it expands each file by itself, with other tools where there are any.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import brief_waits
import psycopg
import pyarrow.parquet as pq
import pytest
import zstandard
from files import write_files
from shell import ROOT, TIMEOUT_SECONDS, Serve, Served, Shell, begin_script

from leanplum_sync.encryption import KEY_VARIABLE, new_key
from leanplum_sync.staging.scratch import ScratchFolder

PROJECT: Final = """\
apiVersion: leanplum-sync/v1
kind: Project
metadata: {name: shop}
spec:
  journal: {env: LEANPLUM_SYNC_JOURNAL, otherwise: .leanplum-sync/journal.db}
  environments:
    live: {appId: app_emulator, observe: journal, limits: {requestsPerSecond: 1000}, budget: {sends: 10, createdUsers: 10, events: 100}}
    erasing: {appId: app_emulator, writes: development, limits: {requestsPerSecond: 1000}, budget: {erased: 10}}
  defaultEnvironment: live
  connections:
    crm: {url: "sqlite:///crm.db"}
"""
TIERS: Final = """\
apiVersion: leanplum-sync/v1
kind: UserAttributes
metadata: {name: tiers}
spec:
  users: {connection: crm, query: tiers.sql, id: user}
  attributes: {tier: {column: tier}, email: {column: email}}
"""
SENDS: Final = """\
apiVersion: leanplum-sync/v1
kind: MessageSend
metadata: {name: hello}
spec:
  message: {name: Hello}
  recipients: {file: people.csv, id: user}
  values: {name: {column: name}}
  delivery: hello
"""
TOKENS: Final = """\
apiVersion: leanplum-sync/v1
kind: PushTokens
metadata: {name: tokens}
spec:
  devices: {file: devices.csv, id: device, user: user}
  token: {ios: {column: token}}
"""
ERASURE: Final = """\
apiVersion: leanplum-sync/v1
kind: Erasure
metadata: {name: requests}
spec:
  users: {file: requests.csv, id: user}
  full: true
  request: {column: ticket}
"""
KILLED: Final = ROOT / "tests/support/killed_erasure.py"
LEAVES: Final = "leaves-7f3a91"
EMAIL: Final = "zoe.quince@example.com"
NAME: Final = 'Zoë "Quince" Ümlaut'
DEVICE: Final = "phone-of-zoe-55"
TOKEN: Final = "ab" * 32
PLANTED: Final = (LEAVES, EMAIL, NAME, DEVICE, TOKEN)
# Files under names that the user chose: they are named, and never changed or deleted.
OF_THE_USER: Final = {
    "specs/requests.csv",
    ".leanplum-sync/pulled.ndjson.gz",
    ".leanplum-sync/pulled.ndjson.zst",
}
MESSAGE: Final = {
    "message": {
        "id": 4500000000000001,
        "name": "Hello",
        "active": True,
        "delivery": "manual",
        "messageType": "Push Notification",
        "created": 1.6e9,
    }
}
SEED: Final = (
    MESSAGE,
    {
        "userId": LEAVES,
        "userAttributes": {"email": "old-" + EMAIL, "fullName": NAME},
        "devices": [{"deviceId": DEVICE}],
    },
    {"userId": "stays-22", "userAttributes": {"tier": "basic"}},
)


def everything(root: Path) -> Iterator[tuple[str, bytes]]:
    """Yield each file with its bytes, and with everything that is inside."""
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder, name)
            if not path.exists():
                continue  # SQLite removed it, after its database was read
            content = path.read_bytes()
            yield str(path), content
            if content[:2] == b"\x1f\x8b":
                yield str(path), gzip.decompress(content)
            if content[:4] == b"\x28\xb5\x2f\xfd":
                yield str(path), zstandard.ZstdDecompressor().stream_reader(content).read()
            if content[:4] == b"PAR1":
                yield str(path), json.dumps(pq.read_table(path).to_pydict(), default=str).encode()
            if content[:15] == b"SQLite format 3":
                copy = sqlite3.connect(path)
                yield str(path), "\n".join(copy.iterdump()).encode()
                copy.close()


def left(root: Path, besides: tuple[str, ...] = ()) -> set[str]:
    """Return the files that still have a planted value, in any of the ways in which it is written."""
    forms = [
        form
        for text in PLANTED
        for form in (text.encode(), json.dumps(text)[1:-1].encode(), text.replace('"', '""').encode())
    ]
    return {
        Path(name).relative_to(root).as_posix()
        for name, content in everything(root)
        if not Path(name).name.startswith(besides) and any(form in content for form in forms)
    }


@pytest.fixture
def served(serve: Serve) -> Served:
    return serve(*SEED)


@pytest.fixture(params=["sqlite", "sqlite with a key", "postgresql with a key"])
def shell(tmp_path: Path, served: Served, request: pytest.FixtureRequest) -> Shell:
    environ = {**served.every_key, brief_waits.VARIABLE: "1"}
    if "key" in request.param:
        environ[KEY_VARIABLE] = new_key()
    if request.param.startswith("postgresql"):
        environ["LEANPLUM_SYNC_JOURNAL"] = request.getfixturevalue("postgresql").new_database()
    files = {
        "leanplum-sync.yaml": PROJECT,
        "specs/tiers.yaml": TIERS,
        "specs/tiers.sql": "SELECT * FROM tier",
        "specs/hello.yaml": SENDS,
        "specs/tokens.yaml": TOKENS,
        "specs/people.csv": f'user,name\n{LEAVES},"{NAME.replace(chr(34), chr(34) * 2)}"\nstays-22,Ann\n',
        "specs/devices.csv": f"device,user,token\n{DEVICE},{LEAVES},{TOKEN}\nphone-22,stays-22,{'cd' * 32}\n",
    }
    folder = tmp_path / "shop"
    write_files(folder, files)
    with sqlite3.connect(folder / "crm.db") as crm:
        crm.execute("CREATE TABLE tier (user TEXT, tier TEXT, email TEXT)")
        crm.executemany(
            "INSERT INTO tier VALUES (?, ?, ?)",
            [(LEAVES, "gold", EMAIL), ("stays-22", "gold", "ann@example.com")],
        )
    crm.close()
    return Shell(folder, environ)


def use(shell: Shell) -> None:
    """Leave traces everywhere: rows of queries, plans, snapshots, a baseline, receipts, leftovers, and the journal."""
    shell.run("plan", "--out", "first.lpplan")
    shell.run("apply", "first.lpplan", "--yes", "--verify", "all")
    shell.run("pull", "--out", ".leanplum-sync/pulled.ndjson.zst")
    shell.run("pull", "--out", ".leanplum-sync/pulled.ndjson.gz")
    shell.run("drift")
    with sqlite3.connect(shell.folder / "crm.db") as crm:
        crm.execute("UPDATE tier SET tier = 'silver'")
    crm.close()
    shell.run("plan")
    shell.run("apply", ".leanplum-sync/live.lpplan", "--yes")
    shell.run("plan", "--observed", "live")
    write_files(
        shell.folder / ".leanplum-sync",
        {
            "run-1.rejected.tiers.csv": f"user,email\n{LEAVES},{EMAIL}\n",
            "undo-1.moved.csv": f"user\n{LEAVES}\n",
            "tiers.adopted.csv": f"user,email\n{LEAVES},{EMAIL}\n",
        },
    )


def leave(shell: Shell) -> None:
    """Remove the user from the project's own files, and ask for the erasure."""
    with sqlite3.connect(shell.folder / "crm.db") as crm:
        crm.execute("PRAGMA secure_delete = ON")
        crm.execute("DELETE FROM tier WHERE user = ?", (LEAVES,))
    crm.close()
    for name in ("people.csv", "devices.csv"):
        path = shell.folder / "specs" / name
        path.write_text("".join(line for line in path.read_text().splitlines(True) if LEAVES not in line))
    write_files(
        shell.folder / "specs", {"requests.yaml": ERASURE, "requests.csv": f"user,ticket\n{LEAVES},T-17\n"}
    )


def test_nothing_is_left_of_an_erased_user(shell: Shell) -> None:
    use(shell)
    before = left(shell.folder)
    assert {".leanplum-sync/live.lpplan", ".leanplum-sync/pulled.ndjson.zst", "first.lpplan"} <= before
    assert any(name.startswith(".leanplum-sync/rows/") for name in before)
    assert any(name.startswith(".leanplum-sync/applied/") for name in before)
    assert any(".baseline/" in name for name in before)
    (shell.folder / "first.lpplan").unlink()
    leave(shell)
    shell.run("plan", "-e", "erasing", "--out", "erase.lpplan")
    done = shell.run("apply", "erase.lpplan", "--yes", "--verify", "all")

    assert left(shell.folder) == OF_THE_USER
    for name in OF_THE_USER:
        assert f"{name}: an id" in done.stderr
    if location := shell.environ.get("LEANPLUM_SYNC_JOURNAL"):
        dumped = dump(location)
        assert not [text for text in PLANTED if text.encode() in dumped]
    (receipt,) = (shell.folder / ".leanplum-sync" / "erasures").glob("*.json")
    told = json.loads(receipt.read_text())
    assert told["request"] == "T-17"
    assert {each["place"] for each in told["found"]} == OF_THE_USER
    assert told["searched"]["files"] > 5
    assert told["deleted"]["files"]
    assert not told["deleted"]["failed"]
    markdown = receipt.with_suffix(".md").read_text()
    assert not [text for text in PLANTED if text in receipt.read_text() + markdown]

    # The rest still works: other users' sends are remembered, and the journal is consistent.
    shell.run("journal", "verify")
    assert shell.json("plan", "-e", "erasing", "--out", "again.lpplan")["isEmpty"]
    (shell.folder / "again.lpplan").unlink()
    after = shell.json("plan", "--out", "after.lpplan")
    assert not after["changes"].get("send")


@pytest.mark.parametrize("shell", ["sqlite"], indirect=True)
def test_the_plan_stays_until_all_of_its_users_are_erased(shell: Shell) -> None:
    use(shell)
    (shell.folder / "first.lpplan").unlink()
    leave(shell)
    (shell.folder / "specs" / "requests.csv").write_text(f"user,ticket\n{LEAVES},T-17\nstays-22,T-18\n")
    for name in ("tiers", "hello", "tokens"):
        (shell.folder / "specs" / f"{name}.yaml").unlink()
    shell.run("plan", "-e", "erasing", "--out", "erase.lpplan")
    first = shell.run("apply", "erase.lpplan", "--yes", "--canary", "1", code=4)
    assert "1 user erased: it does not exist any more." in first.stderr
    assert "1 user still exists, or could not be read" in first.stderr
    assert (shell.folder / "erase.lpplan").exists()
    told = sorted((each["request"], each["erasedAt"] is None) for each in shell.json("status")["erasures"])
    assert sorted(is_open for _, is_open in told) == [False, True]
    second = shell.run("apply", "erase.lpplan", "--yes")
    assert "2 users erased" in second.stderr
    assert not (shell.folder / "erase.lpplan").exists()
    assert left(shell.folder) <= {*OF_THE_USER, "crm.db"}
    receipts = [
        json.loads(each.read_text()) for each in (shell.folder / ".leanplum-sync/erasures").glob("*.json")
    ]
    assert sorted(each["request"] for each in receipts) == ["T-17", "T-18"]


@pytest.mark.parametrize("shell", ["sqlite"], indirect=True)
def test_the_plan_stays_until_each_of_its_parts_is_applied(shell: Shell) -> None:
    for name in ("tiers", "hello", "tokens"):
        (shell.folder / "specs" / f"{name}.yaml").unlink()
    leave(shell)
    (shell.folder / "specs" / "requests.csv").write_text(f"user,ticket\n{LEAVES},T-17\nstays-22,T-18\n")
    shell.run("plan", "-e", "erasing", "--parts", "2", "--out", "erase.lpplan")
    shell.run("apply", "erase.lpplan", "--yes", "--shard", "1/2")
    assert (shell.folder / "erase.lpplan").exists()
    shell.run("apply", "erase.lpplan", "--yes", "--shard", "2/2")
    assert not (shell.folder / "erase.lpplan").exists()
    assert not list((shell.folder / ".leanplum-sync/applied").glob("*.lpplan"))
    assert left(shell.folder) <= {"specs/requests.csv", "crm.db"}


@pytest.mark.parametrize("shell", ["sqlite"], indirect=True)
def test_what_a_linked_snapshot_points_to_is_not_deleted(shell: Shell) -> None:
    leave(shell)
    shell.run("plan", "-e", "erasing", "--out", "erase.lpplan")
    snapshot = shell.folder / ".leanplum-sync/erasing.snapshot.ndjson"
    target = snapshot.rename(shell.folder.parent / "mine.ndjson")
    snapshot.symlink_to(target)
    shell.run("apply", "erase.lpplan", "--yes")
    assert LEAVES in target.read_text()


BEFORE_THE_ENTRY = (
    *("proof", "baselines", "files", "journal"),
    *("search", "in search", "receipts", "entry"),
)
AFTER_THE_ENTRY = ("snapshot", "copy of the plan", "plan")


@pytest.mark.parametrize(
    "shell", ["sqlite", pytest.param("postgresql with a key", marks=pytest.mark.slow)], indirect=True
)
@pytest.mark.parametrize(
    "moments",
    [(*BEFORE_THE_ENTRY, *AFTER_THE_ENTRY), ("journal",), ("plan",)],
    ids=["all, one after the other", "journal", "plan"],
)
def test_a_killed_erasure_is_finished_when_it_is_applied_again(
    shell: Shell, moments: tuple[str, ...]
) -> None:
    use(shell)
    (shell.folder / "first.lpplan").unlink()
    leave(shell)
    (shell.folder / "mails.txt").write_text(EMAIL)  # nobody can read it from the API any more
    shell.run("plan", "-e", "erasing", "--out", "erase.lpplan")
    for moment in moments:
        killed = begin_script(KILLED, shell.folder, moment, "erase.lpplan", "--yes", environ=shell.variables)
        _, errors = killed.communicate(timeout=TIMEOUT_SECONDS)
        assert killed.returncode == -signal.SIGKILL, f"{moment}: {errors}"
        (begun,) = shell.json("status")["erasures"]
        assert (begun["erasedAt"] is None) is (moment in BEFORE_THE_ENTRY)
        assert (shell.folder / "erase.lpplan").exists()
    shell.run("apply", "erase.lpplan", "--yes")
    assert left(shell.folder) == {*OF_THE_USER, "mails.txt"}
    if location := shell.environ.get("LEANPLUM_SYNC_JOURNAL"):
        dumped = dump(location)
        assert not [text for text in PLANTED if text.encode() in dumped]
    (erased,) = shell.json("status")["erasures"]
    assert erased["erasedAt"]
    (receipt,) = (shell.folder / ".leanplum-sync" / "erasures").glob("*.json")
    told = json.loads(receipt.read_text())
    assert {"place": "mails.txt", "ids": False, "values": True} in told["found"]
    assert "erase.lpplan" in told["deleted"]["files"]
    shell.run("journal", "verify")


@pytest.mark.parametrize("shell", ["sqlite"], indirect=True)
def test_only_files_that_commands_write_are_deleted(shell: Shell) -> None:
    """Not journals, under whatever name, not a user's files, not what can't be read, and not what a running command works with."""
    use(shell)
    (shell.folder / "first.lpplan").unlink()
    state = shell.folder / ".leanplum-sync"
    for name in (
        "backup.db",
        "before-upgrade.sqlite",
        "copy.lpplan",
        "old.snapshot.ndjson",
        "journal.db.bak",
    ):
        shutil.copy(state / "journal.db", state / name)
    shell.run("journal", "export", "--out", ".leanplum-sync/journal.ndjson")
    shutil.copy(state / "live.lpplan", state / "plan-of-mine.txt")
    write_files(state, {"notes/todo.txt": f"call {LEAVES}", "applied/notes.lpplan": f"{LEAVES}: no plan"})
    copies = {
        ".leanplum-sync/" + name
        for name in (
            *("backup.db", "before-upgrade.sqlite", "copy.lpplan", "old.snapshot.ndjson", "journal.db.bak"),
            *("journal.ndjson", "plan-of-mine.txt", "notes/todo.txt", "applied/notes.lpplan"),
        )
    }
    for name, content in {
        "mine.gz": b"\x1f\x8b damaged",
        "mine.zip": b"PK\x03\x04 damaged",
        "mine.parquet": b"PAR1 damaged",
        "mine.zst": b"\x28\xb5\x2f\xfd damaged",
    }.items():
        (state / "notes" / name).write_bytes(content)
    with sqlite3.connect(state / "crm.db") as crm:
        crm.execute("CREATE TABLE tier (user TEXT)")
    crm.close()
    leave(shell)
    shell.run("plan", "-e", "erasing", "--out", "erase.lpplan")
    staging = ScratchFolder(state)
    (staging.path / "tables").write_bytes(b"PAR1 being written")
    unread = {
        ".leanplum-sync/crm.db",
        *(f".leanplum-sync/notes/mine.{suffix}" for suffix in ("gz", "zip", "parquet", "zst")),
    }
    kept = {name: (shell.folder / name).read_bytes() for name in copies | unread}
    # Its reader has to wait for it, and gives up.
    with closing(sqlite3.connect(state / "crm.db", isolation_level=None)) as locked:
        locked.execute("BEGIN EXCLUSIVE")
        done = shell.run("apply", "erase.lpplan", "--yes", "--verify", "all")
    assert {name: (shell.folder / name).read_bytes() for name in copies | unread} == kept
    assert (staging.path / "tables").read_bytes() == b"PAR1 being written"
    in_use = staging.path.relative_to(shell.folder).as_posix()
    staging.close()
    for name in unread:
        (shell.folder / name).unlink()

    assert left(shell.folder) - copies == OF_THE_USER
    (receipt,) = (state / "erasures").glob("*.json")
    told = json.loads(receipt.read_text())
    assert {each["place"] for each in told["found"]} == copies | OF_THE_USER
    not_searched = {each["place"] for each in told["searched"]["notSearched"]}
    assert not_searched == unread | {in_use}
    assert not told["deleted"]["failed"]
    for name in unread:
        assert f"{name}: " in receipt.with_suffix(".md").read_text()
        assert f"{name}: " in done.stderr


@pytest.mark.parametrize("shell", ["sqlite"], indirect=True)
def test_the_journal_at_another_address_is_not_deleted(shell: Shell) -> None:
    """It knows who has received a send, also if an erasure is applied with another journal."""
    use(shell)
    (shell.folder / "first.lpplan").unlink()
    leave(shell)
    (shell.folder / "journals").mkdir()
    others = Shell(shell.folder, {**shell.environ, "LEANPLUM_SYNC_JOURNAL": "./journals/other.db"})
    before = (shell.folder / ".leanplum-sync/journal.db").read_bytes()
    others.run("plan", "-e", "erasing", "--observed", "live", "--out", "erase.lpplan")
    done = others.run("apply", "erase.lpplan", "--yes", "--verify", "all", "--new-journal")
    assert (shell.folder / ".leanplum-sync/journal.db").read_bytes() == before
    assert ".leanplum-sync/journal.db: an id" in done.stderr
    assert left(shell.folder) == {*OF_THE_USER, ".leanplum-sync/journal.db"}
    after = shell.json("plan", "--observed", "live", "--out", "after.lpplan")
    assert not after["changes"].get("send")


def dump(location: str) -> bytes:
    """Return all rows of all tables of the journal as text."""
    found = []
    with psycopg.connect(location) as connection:
        tables = connection.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'leanplum_sync'"
        ).fetchall()
        for (table,) in tables:
            found += map(str, connection.execute(f'SELECT * FROM leanplum_sync."{table}"').fetchall())
    return "\n".join(found).encode()
