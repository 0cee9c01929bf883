"""Object stores that refuse, fail, cut files short or change them meanwhile: one clear error, and nothing half-read is kept."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import brief_waits
import pytest
from faulty_store import FaultyStore, faulty_store
from lake_project import USERS, write_project, write_tiers
from object_store import SECRET
from shell import Serve, Shell
from tiers import silver

pytestmark = pytest.mark.slow

# Few users, for each plan reads them all; and long values, for a file of some size.
ROWS = 40
FILES = {
    "crm/a.csv": b"id,tier\n"
    + b"".join(f"u{number},{'row-secret' * 60}\n".encode() for number in range(ROWS)),
    "crm/b.csv": b"id,tier\nv1,row-secret\n",
}
CASES = {
    "400": (9, "Connection lake: the object store doesn't accept the request"),
    "403": (9, "Connection lake: the object store refused access (403 or 401)"),
    "403 on read": (9, "Connection lake: the object store refused access (403 or 401)"),
    "404": (9, "Connection lake: there is no such bucket or folder"),
    "404 on read": (75, "Connection lake: a.csv was changed or deleted while it was read"),
    "500": (75, "Connection lake: the object store can't be reached, or failed"),
    "500 on read": (75, "Connection lake: the object store can't be reached, or failed"),
    "503 on read": (75, "Connection lake: the object store can't be reached, or failed"),
    "cut": (75, "Connection lake: the object store can't be reached, or failed"),
    "changed": (75, "Connection lake: a.csv was changed or deleted while it was read"),
    "changed, condition ignored": (75, "Connection lake: a.csv was changed or deleted while it was read"),
}


@pytest.fixture
def store() -> Iterator[FaultyStore]:
    with faulty_store(FILES) as served:
        yield served


@pytest.fixture
def lake(store: FaultyStore, tmp_path: Path, serve: Serve) -> Shell:
    environ = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": SECRET, brief_waits.VARIABLE: "1"}
    shell = Shell(tmp_path / "project", {**serve(*silver(USERS)).environ, **environ})
    write_project(shell.folder, "s3://exports/crm", store.options)
    write_tiers(shell.folder, "*.csv")
    return shell


def left_in(folder: Path) -> list[str]:
    state = folder / ".leanplum-sync"
    return sorted(each.relative_to(state).as_posix() for each in state.rglob("*") if each.is_file())


@pytest.mark.parametrize("fault", CASES)
def test_a_failing_store_is_one_clear_error_and_leaves_no_file(
    store: FaultyStore, lake: Shell, fault: str
) -> None:
    code, expected = CASES[fault]
    lake.run("plan", "--out", "before.lpplan")
    before = left_in(lake.folder)
    store.fault = fault
    done = lake.run("plan", "--out", "a.lpplan", code=code)
    said = " ".join(done.stderr.split())
    assert expected in said
    assert said.count("Connection lake") == 1
    assert "secret" not in done.stdout + done.stderr
    assert left_in(lake.folder) == before
    assert not (lake.folder / "a.lpplan").exists()

    store.fault = None
    lake.run("plan", "--out", "a.lpplan")


def test_a_failure_that_passes_is_not_told(store: FaultyStore, lake: Shell) -> None:
    del store.files["crm/b.csv"]
    content = store.files["crm/a.csv"]

    class OnceCut(dict[str, bytes]):
        def __getitem__(self, key: str) -> bytes:
            store.fault = "cut" if store.requests.count("GET crm/a.csv") == 1 else None
            return content

    store.files = OnceCut(store.files)
    assert lake.json("plan")["rows"][0]["rows"] == ROWS


def test_ctrl_c_while_a_file_is_read_leaves_nothing(store: FaultyStore, lake: Shell) -> None:
    store.fault = "stalled"
    process = lake.start("plan", "--out", "a.lpplan")
    store.stalled.wait(600)
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=600)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert left_in(lake.folder) == []


def test_keys_that_are_found_nowhere_are_told(store: FaultyStore, lake: Shell) -> None:
    del lake.environ["AWS_ACCESS_KEY_ID"], lake.environ["AWS_SECRET_ACCESS_KEY"]
    # Without keys the client asks the machine's own metadata server: here, one that doesn't answer.
    options = {**store.options, "metadata_endpoint": "http://127.0.0.1:1"}
    write_project(lake.folder, "s3://exports/crm", options)
    said = " ".join(lake.run("plan", code=9).stderr.split())
    assert "Connection lake: no keys for the object store were found" in said
