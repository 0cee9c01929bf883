"""``call``: any action by hand."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from shell import Command, Served

from leanplum_sync import emulator
from leanplum_sync.wire.catalogue import ACTIONS


@pytest.fixture
def served(shop: Path) -> Iterator[dict[str, str]]:
    with emulator.running(seeds=[shop / "seed" / "users.ndjson"]) as running:
        yield Served(running.url).every_key


def answer(done: subprocess.CompletedProcess[str], code: int = 0) -> Any:
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def test_ids_are_taken_as_they_stand_and_the_rest_is_json(shop: Path, command: Command) -> None:
    for user_id in ("00004", "4", "true", '{"a": 1}', "a=b"):
        attributes = 'userAttributes={"zip": "00501", "visits": 3}'
        done = command(
            "call",
            "setUserAttributes",
            f"userId={user_id}",
            attributes,
            "createDisposition=CreateIfNeeded",
            "--yes",
        )
        assert answer(done) == {"success": True}
        user = answer(command("call", "exportUser", f"userId={user_id}"))
        assert user["userId"] == user_id
        assert user["userAttributes"].items() >= {"zip": "00501", "visits": 3}.items()


def test_what_nobody_asked_to_create_is_not_created(shop: Path, command: Command) -> None:
    done = command("call", "track", "userId=mistyped", "event=Visit", "--yes")
    assert answer(done, 4)["warning"]["message"] == "User not found; request skipped."
    assert "Not done: User not found" in done.stderr
    assert "warning" in answer(command("call", "exportUser", "userId=mistyped"))


def test_a_write_needs_a_yes_and_a_read_does_not(shop: Path, command: Command) -> None:
    done = command("call", "setUserAttributes", "userId=00001", 'userAttributes={"a": 1}')
    assert (done.returncode, done.stdout) == (64, "")
    assert "Add --yes" in done.stderr
    assert "a" not in answer(command("call", "exportUser", "userId=00001"))["userAttributes"]


@pytest.mark.parametrize(("typed", "code"), [("yes", 0), ("y", 130), ("", 130)])
def test_a_person_on_a_terminal_is_asked(shop: Path, typed: str, code: int) -> None:
    keyboard, terminal = pty.openpty()
    os.write(keyboard, f"{typed}\n".encode())
    process = subprocess.run(
        [sys.executable, "-m", "leanplum_sync", "call", "track", "userId=00001", "event=Visit"],
        cwd=shop,
        env={"PATH": os.environ["PATH"], "TERM": "dumb"},
        stdin=terminal,
        stdout=subprocess.PIPE,
        stderr=terminal,
        text=True,
        check=False,
    )
    question = os.read(keyboard, 4096).decode()
    os.close(keyboard)
    os.close(terminal)
    assert "This calls track for 00001 in sandbox (embedded emulator, nothing real is touched)." in question
    assert process.returncode == code
    assert bool(process.stdout) == (code == 0)


def test_a_batch_prints_its_elements_in_order(shop: Path, command: Command) -> None:
    data = [
        {"action": "track", "userId": "00001", "event": "Visit"},
        {"action": "track", "userId": "nobody", "event": "Visit"},
    ]
    elements = answer(command("call", "multi", f"data={json.dumps(data)}", "--yes"), 4)
    assert [element.get("warning") for element in elements] == [
        None,
        {"message": "User not found; request skipped."},
    ]


def test_files_go_there_and_back(shop: Path, command: Command) -> None:
    (shop / "banner.png").write_bytes(b"\x89PNG")
    assert answer(command("call", "uploadFile", "file=banner.png", "--yes")) == {"success": True}
    into = ["call", "downloadFile", "filename=banner.png"]
    assert command(*into).returncode == 64, "the file is there already"
    assert answer(command(*into, "--out", "copy.png"))["file"] == "copy.png"
    assert (shop / "copy.png").read_bytes() == b"\x89PNG"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["exportUsr", "userId=1"], "Did you mean exportUser?"),
        (["exportuser", "userId=1"], "Did you mean exportUser?"),
        (["exportUser", "userid=1"], "Did you mean userId?"),
        (["exportUser", "00001"], "'00001' is not NAME=VALUE"),
        (["exportUser", "userId=1", "userId=2"], "userId is given twice"),
        (["exportUser"], "exportUser needs a userId, a deviceId, or both"),
        (["track", "userId=1"], "track needs event"),
        (["track", "userId=1", "event=e", "value=much"], "value must be a number"),
        (["setUserAttributes", "userId=1", "userAttributes=[1]"], "userAttributes must be an object"),
        (["multi", "data=7"], "data must be a list of objects"),
        (["multi", 'data=[{"action": "trak"}]'], "Did you mean track?"),
        (
            ["multi", 'data=[{"action": "exportUser", "userId": "a"}, {"action": "stop", "userId": "a"}]'],
            "split the batch",
        ),
        (["multi", "data=[]", "createJob=true"], "data or createJob, not both"),
        (["uploadFile"], "file=PATH"),
        (["uploadFile", "file=nowhere.png"], "no such file"),
        (["exportUser", "userId=1", "--out", "a"], "--out is only for downloadFile"),
        ([], "Specify an action."),
    ],
)
def test_what_the_api_would_refuse_is_refused_here(
    arguments: list[str], says: str, shop: Path, command: Command
) -> None:
    done = command("call", *arguments, "--yes")
    assert (done.returncode, done.stdout) == (64, "")
    assert says in done.stderr


@pytest.mark.claim("key-by-action")
def test_each_action_goes_out_with_the_key_of_its_class(
    shop: Path, command: Command, served: dict[str, str]
) -> None:
    production = ["-e", "production"]
    assert "postbacks" in answer(command("call", "listPostbacks", *production, variables=served))
    only_development = served | {"LEANPLUM_PRODUCTION_KEY": ""}
    track = ["call", "track", "userId=00001", "event=Visit", "--yes", *production]
    missing = command(*track, variables=only_development)
    assert (missing.returncode, "LEANPLUM_PRODUCTION_KEY is not set" in missing.stderr) == (9, True)
    assert answer(command(*track, "--key", "development", variables=only_development))["success"]


@pytest.mark.parametrize(
    ("faults", "code", "says"),
    [
        ("429", 10, "rate limit"),
        ("status:status=401", 9, "LEANPLUM_PRODUCTION_KEY"),
        ("status:status=418", 4, "Scripted refusal"),
        ("cut-after", 5, "Check whether it was carried out"),
        ("html", 5, "Check whether it was carried out"),
    ],
)
def test_how_a_call_ends_tells_what_became_of_it(
    *, faults: str, code: int, says: str, shop: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with emulator.running(seeds=[shop / "seed" / "users.ndjson"], faults=faults) as running:
        done = command(
            "call",
            "track",
            "userId=00001",
            "event=e",
            "--yes",
            "-e",
            "production",
            variables=Served(running.url).every_key,
        )
    assert (done.returncode, done.stdout) == (code, "")
    assert says in done.stderr


def test_the_list_names_every_action_and_what_one_takes(command: Command) -> None:
    listed = command("call", "--list").stdout
    assert {line.split()[0] for line in listed.splitlines() if not line.startswith(" ")} == ACTIONS.keys()
    taken = command("call", "track", "--list").stdout
    assert taken.startswith("track: writes with the production key\n")
    for name in (*ACTIONS["track"].arguments, "devMode"):
        assert f"  {name} " in taken


def test_the_emulator_agrees_on_what_writes() -> None:
    from leanplum_sync.emulator.methods import TABLE  # noqa: PLC0415 - the other side, only here

    documented = {name: spec for name, spec in ACTIONS.items() if spec.documented}
    assert {name: spec.writes for name, spec in documented.items()} == {
        name: TABLE[name].writes for name in documented
    }
