"""``adopt``: live values go into the specs, sends made elsewhere into the journal, and nothing to the app."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from document_schemas import check_document
from files import write_files
from hello import HELLO, send_hello
from shell import Serve, Served, Shell, Start
from waiting import wait_for

from leanplum_sync.encryption import KEY_VARIABLE, new_key

PROJECT = """\
apiVersion: leanplum-sync/v1
kind: Project
metadata: {name: adopting}
spec:
  journal: {env: LEANPLUM_SYNC_JOURNAL}
  environments: {live: {appId: app_emulator, budget: {sends: 9}}}
  limits: {requestsPerSecond: 1000}
  sensitive: [email]
"""
INLINE = """\
apiVersion: leanplum-sync/v1
kind: UserAttributes
metadata: {name: inline}
spec:
  users:
    inline:
      # The first customer.
      - id: u1
        mail: ann@example.com   # her own
      - {id: u2, mail: ben@example.com}
  attributes:
    email: {column: mail}
    newsletter: true   # for all
"""
OF_FILE = """\
apiVersion: leanplum-sync/v1
kind: UserAttributes
metadata: {name: tiers}
spec:
  users: {file: ../users.csv, id: id}
  attributes:
    tier: {column: tier}
    level: {column: level, type: integer}
"""
DATA = 'id,tier,level,note\r\nu1,"gold",1,"as, is"\r\nu2,silver,2,\r\nu3,,3,x\r\n'
PEOPLE = [
    {"userId": f"u{number}", "userAttributes": {"tier": "bronze", "level": number}, "devices": []}
    for number in (1, 2, 3)
]
WRITES = ("setUserAttributes", "setDeviceAttributes", "sendMessage")


@pytest.fixture
def served(serve: Serve) -> Served:
    return serve(HELLO, *PEOPLE)


@pytest.fixture
def project(tmp_path: Path, served: Served, journal_location: str | Path) -> Shell:
    folder = tmp_path / "project"
    write_files(
        folder,
        {"leanplum-sync.yaml": PROJECT, "specs/inline.yaml": INLINE, "specs/tiers.yaml": OF_FILE},
    )
    (folder / "users.csv").write_bytes(DATA.encode())
    return Shell(folder, {**served.environ, "LEANPLUM_SYNC_JOURNAL": str(journal_location)})


@pytest.fixture
def applied(project: Shell) -> Shell:
    project.run("plan", "--out", "a.lpplan")
    project.run("apply", "a.lpplan", "--yes")
    return project


def somebody_sets(shell: Shell, user: str, **attributes: Any) -> None:
    body = f"userAttributes={json.dumps(attributes)}"
    shell.run("call", "setUserAttributes", f"userId={user}", body, "--yes")


def writes(served: Served) -> int:
    counts = served.counts()["actions"]
    return sum(counts.get(name, 0) for name in WRITES)


def test_drifted_values_go_into_the_spec_and_no_write_to_the_app(applied: Shell, served: Served) -> None:
    somebody_sets(applied, "u1", email="new@example.com", tier="black")
    somebody_sets(applied, "u2", level=7, newsletter=False)
    somebody_sets(applied, "u1", newsletter=False)
    before = writes(served)
    dry = applied.run("adopt", "--dry-run")
    assert "new@example.com" not in dry.stdout
    assert (applied.folder / "users.csv").read_bytes() == DATA.encode()
    shown = applied.json("adopt")
    check_document(json.dumps(shown))
    assert shown["notAdopted"] == []
    assert {file["path"] for file in shown["files"]} == {"specs/inline.yaml", "users.csv"}
    assert "new@example.com" not in json.dumps(shown)
    assert (applied.folder / "users.csv").read_bytes().decode() == DATA.replace('"gold"', '"black"').replace(
        "silver,2", "silver,7"
    )
    assert (applied.folder / "specs" / "inline.yaml").read_text() == INLINE.replace(
        "ann@example.com ", "new@example.com "
    ).replace("newsletter: true", "newsletter: false")
    applied.run("plan", "--detailed-exitcode")
    applied.run("drift", "--detailed-exitcode")
    assert writes(served) == before


def test_only_what_others_changed_is_adopted_unless_everything_is_asked_for(applied: Shell) -> None:
    (applied.folder / "users.csv").write_bytes(DATA.replace("silver", "platinum").encode())
    somebody_sets(applied, "u1", tier="black")
    shown = applied.json("adopt")
    assert [(each["subject"], each["after"]) for each in shown["adopted"]] == [("user:u1", "black")]
    assert shown["pending"] == 1  # the next change that the data asks for
    everything = applied.json("adopt", "--all")
    assert [(each["subject"], each["after"]) for each in everything["adopted"]] == [("user:u2", "silver")]
    applied.run("plan", "--detailed-exitcode")


def test_only_the_named_users_are_read_and_adopted(applied: Shell) -> None:
    for user in ("u1", "u2"):
        somebody_sets(applied, user, tier="black")
    shown = applied.json("adopt", "--user", "u2")
    assert ([each["subject"] for each in shown["adopted"]], shown["reads"]) == (["user:u2"], 1)


def test_users_who_are_in_no_spec_are_counted(applied: Shell) -> None:
    told = applied.run("adopt", "--user", "nobody", code=4).stdout
    assert "Nothing to adopt." in told
    assert "1 user is in no spec." in told


def test_live_values_fill_empty_cells(applied: Shell) -> None:
    filled = applied.json("adopt", "--fill")
    assert [(each["subject"], each["before"], each["after"]) for each in filled["adopted"]] == [
        ("user:u3", None, "bronze")
    ]
    assert (applied.folder / "users.csv").read_bytes().decode() == DATA.replace("u3,,", "u3,bronze,")


def test_what_cannot_be_written_is_told_with_the_reason(applied: Shell) -> None:
    somebody_sets(applied, "u1", newsletter=False, level="high")
    shown = applied.json("adopt", code=4)
    reasons = {each["field"]: each["reason"] for each in shown["notAdopted"]}
    assert "one value for all rows" in reasons["newsletter"]
    assert reasons["level"] == "a cell can't hold the live value"
    assert (applied.folder / "users.csv").read_bytes() == DATA.encode()


def test_rows_that_cannot_be_edited_go_to_a_new_file(applied: Shell, tmp_path: Path) -> None:
    data = applied.folder / "users.csv"
    (applied.folder / "users.csv.gz").write_bytes(gzip.compress(data.read_bytes()))
    spec = applied.folder / "specs" / "tiers.yaml"
    spec.write_text(spec.read_text().replace("users.csv", "users.csv.gz"))
    somebody_sets(applied, "u2", tier="black")
    shown = applied.json("adopt", "--all", code=4)
    assert shown["files"] == [{"path": "users.adopted.csv", "values": 1, "insteadOf": "users.csv.gz"}]
    assert (applied.folder / "users.adopted.csv").read_text() == "id,tier,level\nu2,black,2\n"


def test_sends_made_elsewhere_are_recorded_once_and_never_planned(project: Shell, served: Served) -> None:
    write_files(
        project.folder, {"specs/hello.yaml": send_hello("{inline: [u1, u2, u3]}"), "got.csv": "id\nu1\nu9\n"}
    )
    about = ("adopt", "--sends", "hello-2026", "--why", "sent from the dashboard", "--by", "Kim")
    refused = project.run(*about, "--from", "got.csv", "--id", "id", code=64)
    assert "Nothing was recorded" in refused.stderr
    would = project.json(*about, "--from", "got.csv", "--id", "id", "--dry-run")
    assert (would["recorded"], would["run"]) == (2, None)
    shown = project.json(*about, "--from", "got.csv", "--id", "id", "--yes")
    check_document(json.dumps(shown))
    assert (shown["run"], shown["recorded"], shown["already"]) == (1, 2, 0)
    assert project.json("plan")["changes"]["send"] == 2
    rest = project.json(*about, "--yes")
    assert (rest["recorded"], rest["already"]) == (2, 1)
    assert project.json("plan")["changes"].get("send", 0) == 0
    assert project.json(*about, "--yes")["run"] is None
    assert "recorded by Kim: sent from the dashboard" in project.run("journal", "show", "1").stdout
    assert "recorded by Kim: sent from the dashboard" in project.run("journal", "export").stdout
    project.run("journal", "verify")
    assert "made elsewhere" in project.run("undo", "1", code=64).stderr
    assert served.counts()["sends"] == {}


def test_recorded_sends_are_signed_with_the_key_of_the_journal(project: Shell) -> None:
    project.environ[KEY_VARIABLE] = new_key()
    write_files(project.folder, {"specs/hello.yaml": send_hello("{inline: [u1, u2, u3]}")})
    about = ("adopt", "--sends", "hello-2026", "--why", "by hand", "--yes")
    assert project.json(*about, "--user", "u1")["recorded"] == 1
    again = project.json(*about)
    assert (again["recorded"], again["already"]) == (2, 1)
    project.run("journal", "verify")
    assert project.json("plan")["changes"].get("send", 0) == 0


def test_a_plan_from_before_does_not_send_what_was_recorded_since(project: Shell, served: Served) -> None:
    write_files(project.folder, {"specs/hello.yaml": send_hello("{inline: [u1, u2]}")})
    project.run("plan", "--out", "a.lpplan")
    project.run("adopt", "--sends", "hello-2026", "--user", "u1", "--why", "by hand", "--yes")
    project.run("apply", "a.lpplan", "--yes")
    assert served.sends() == {"u2": 1}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--sends", "nothing", "--why", "x"], "No spec has the delivery 'nothing'"),
        (["--sends", "hello-2026"], "--why"),
        (["--sends", "hello-2026", "--why", "x", "--all"], "can't be used with --sends"),
        (["--why", "x"], "can only be used with --sends"),
    ],
)
def test_contradicting_options_are_refused(arguments: list[str], says: str, project: Shell) -> None:
    assert says in project.run("adopt", *arguments, code=64).stderr


def test_a_file_that_changes_meanwhile_is_not_overwritten(
    applied: Shell, served: Served, start: Start
) -> None:
    somebody_sets(applied, "u1", tier="black")
    served.hold("exportUser")
    process = start(applied, "adopt")
    wait_for(served.holds)
    changed = DATA.replace("gold", "iron").encode()
    (applied.folder / "users.csv").write_bytes(changed)
    served.release()
    served_text = process.communicate()[1]
    assert (process.returncode, "was changed while users were being read" in served_text) == (7, True)
    assert (applied.folder / "users.csv").read_bytes() == changed
