"""A folder full of mistakes: each one is told, where it is, in one run, with no values shown and no traceback."""

from __future__ import annotations

from pathlib import Path

import pytest
from shell import Example, Shell

TOKEN = "ab" * 32
FILES: dict[str, bytes] = {
    "leanplum-sync.yaml": b"""apiVersion: leanplum-sync/v1
kind: Project
metadata: {name: shop}
spec:
  specs: [specs]
  environments:
    sandbox: {emulator: embedded}
""",
    "specs/a.yaml": b"""apiVersion: leanplum-sync/v2
kind: UserAttribute
metadata: {name: Tiers}
spec:
  users: {file: ../data/bom.csv, id: id}
  atributes: {a: 1}
---
apiVersion: leanplum-sync/v1
kind: UserAttributes
metadata: {name: tiers, dependsOn: [UserAttributes/nothing]}
spec:
  users: {file: ../data/latin.csv, id: id}
  createUsers: maybe
  attributes:
    "bad,name": 1
    tier: {colum: tier}
    b: {column: tier, map: {A: gold}, otherwise: bronze, from: z}
    c: null
    d: ""
    e: {increment: 1}
    f: {state: gone}
  profile: {contry: DE}
---
apiVersion: leanplum-sync/v1
kind: UserAttributes
metadata: {name: tiers}
spec:
  users: {inline: [00123, "a"]}
  attributes: {tier: gold}
""",
    "specs/b.yaml": b"""apiVersion: leanplum-sync/v1
kind: MessageSend
metadata: {name: late}
spec:
  message: {name: x, id: 4}
  recipients: {file: ../../outside.csv, id: id}
  delivery: "has blanks"
---
apiVersion: leanplum-sync/v1
kind: PushTokens
metadata: {name: tokens}
spec:
  devices: {file: ../data/tokens.csv, id: device, user: user}
  token: {ios: {column: token}}
---
apiVersion: leanplum-sync/v1
kind: UserAttributes
metadata: {name: short}
spec:
  users: {file: ../data/short.csv, id: id}
  attributes: {n: {column: n, type: integer}, m: {column: missing}}
""",
    "specs/c.yaml": b"apiVersion: leanplum-sync/v1\nkind: UserAttributes\n\tmetadata: x\n",
    "specs/d.yaml": b"kind: caf\xe9\n",
    "data/bom.csv": b"\xef\xbb\xbfid,tier\nu1,SECRET\n",
    "data/latin.csv": b"id,tier\nu1,gold\nu2,SECRET\xe9\n",
    "data/tokens.csv": f"device,user,token\nd1,u1,{TOKEN}\nd2,u2,SECRET token\n,u3,{TOKEN}\n".encode(),
    "data/short.csv": b"id,n\nu1,1\nu2\nu3,SECRET\nu1,2\n,4\nu5,5,SECRET\n",
}
EXPECTED = {
    "specs/a.yaml:1:13": "Did you mean leanplum-sync/v1?",
    "specs/a.yaml:2:7": "Did you mean UserAttributes?",
    "specs/a.yaml:3:18": "lower-case",
    "specs/a.yaml:6:3": "Did you mean attributes?",
    "specs/a.yaml:10:37": "there is no UserAttributes/nothing",
    "specs/a.yaml:13:16": "Write true or false",
    "specs/a.yaml:15:5": "contains a comma",
    "specs/a.yaml:16:11": "Did you mean `column`?",
    "specs/a.yaml:17:58": "`from` doesn't go with `column`",
    "specs/a.yaml:18:8": "{state: absent}",
    "specs/a.yaml:19:8": "{state: absent}",
    "specs/a.yaml:20:5": "`once` is missing",
    "specs/a.yaml:21:16": "Write absent",
    "specs/a.yaml:22:13": "Did you mean country?",
    "specs/a.yaml:26:12": "defined twice",
    "specs/a.yaml:28:20": '"00123"',
    "specs/b.yaml:5:12": "message's name or its id",
    "specs/b.yaml:6:22": "outside the project folder",
    "specs/b.yaml:7:13": "letters, digits",
    "specs/b.yaml:21:47": "no column missing",
    "specs/c.yaml:3:1": "replace the tab",
    "specs/d.yaml:1:10": "not UTF-8",
    "data/latin.csv:3": "row 2: column tier is not UTF-8",
    "data/tokens.csv:3": "row 2: the value in column token is not an APNs token",
    "data/tokens.csv:4": "row 3: the id in column device is missing",
    "data/short.csv:3": "row 2: the row has 1 cell,",
    "data/short.csv:4": "row 3: the value in column n is not a whole number",
    "data/short.csv:5": "row 4: the id u1 is listed a second time (see data/short.csv:2)",
    "data/short.csv:6": "row 5: the id in column id is missing",
    "data/short.csv:7": "row 6: the row has 3 cells",
}


@pytest.fixture
def folder(tmp_path: Path) -> Shell:
    for name, content in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    return Shell(tmp_path, {"COLUMNS": "400"})


@pytest.mark.parametrize("verb", ["validate", "plan"])
def test_every_mistake_is_told_at_its_place_in_one_run(verb: str, folder: Shell) -> None:
    ran = folder.run(verb, code=3)
    told = {
        line.partition(": ")[0]: line
        for line in (ran.stdout + ran.stderr).splitlines()
        if line.startswith(("specs/", "data/"))
    }
    missing = {
        place: told.get(place) for place, words in EXPECTED.items() if words not in told.get(place, "")
    }
    assert missing == {}
    assert set(told) == set(EXPECTED)
    assert "SECRET" not in ran.stdout + ran.stderr
    assert f"{len(EXPECTED)} problems in 7 files" in ran.stdout + ran.stderr


def test_a_caret_stands_under_what_is_wrong(folder: Shell) -> None:
    lines = folder.run("validate", code=3).stdout.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("specs/a.yaml:6:3"))
    source, caret = lines[at + 1], lines[at + 2]
    assert source.endswith("  atributes: {a: 1}")
    assert source.index("atributes") == caret.index("^")


def test_json_tells_the_same_problems(folder: Shell) -> None:
    document = folder.json("validate", code=3)
    assert len(document["problems"]) == len(EXPECTED)


def test_two_specs_that_disagree_name_both_files_and_lines(tmp_path: Path) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "leanplum-sync.yaml").write_bytes(FILES["leanplum-sync.yaml"])
    spec = (
        "apiVersion: leanplum-sync/v1\nkind: UserAttributes\nmetadata: {{name: {name}}}\n"
        'spec:\n  users: {{inline: ["u1", "u2"]}}\n  attributes:\n    tier: {value}\n'
    )
    (tmp_path / "specs" / "one.yaml").write_text(spec.format(name="one", value="gold"))
    (tmp_path / "specs" / "two.yaml").write_text(spec.format(name="two", value="silver"))
    told = Shell(tmp_path, {"COLUMNS": "400"}).run("validate", code=3).stdout
    assert "specs/two.yaml:7:5: UserAttributes/two: tier conflicts with UserAttributes/one" in told
    assert "(see specs/one.yaml:7:5)" in told
    assert "and the same for 1 more" in told
    assert "1 problem in 1 file" in told


def test_validating_opens_no_socket(tmp_path: Path, folder: Shell) -> None:
    """Python itself refuses sockets in this process: the site hook makes each an error."""
    hook = tmp_path / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(
        "import sys\n"
        "def refuse(event, arguments):\n"
        "    if event.startswith('socket.'):\n"
        "        sys.stderr.write('A SOCKET WAS OPENED\\n'); sys.stderr.flush(); import os; os._exit(99)\n"
        "sys.addaudithook(refuse)\n"
    )
    folder.environ["PYTHONPATH"] = str(hook)
    folder.run("validate", code=3)


@pytest.mark.parametrize(
    "line",
    [
        '{"userId": "u1", "userAttributes": {}, "observedAt": 1e308}',
        '{"userId": "u1", "userAttributes": {}, "observedAt": -1}',
        '{"userId": "u1", "userAttributes": {}, "userBucket": 731e9999}',
    ],
)
def test_a_snapshot_with_a_number_out_of_range_is_refused(line: str, example: Example) -> None:
    shell = example("one-off-send")
    spec = "apiVersion: leanplum-sync/v1\nkind: UserAttributes\nmetadata: {name: tier}\n"
    spec += "spec: {users: {file: ../u.csv, id: id}, attributes: {tier: {column: tier}}}\n"
    (shell.folder / "specs" / "order-delay.yaml").write_text(spec)
    (shell.folder / "u.csv").write_text("id,tier\nu1,gold\n")
    (shell.folder / "seen.ndjson").write_text(f"{line}\n")
    told = shell.run("plan", "--observed", "seen.ndjson", code=3)
    assert (
        "observedAt is not a time" in told.stderr
        or "out of range" in told.stderr
        or "not a JSON" in told.stderr
    )


@pytest.mark.parametrize("attributes", ["3", '"text"', "[]"])
def test_a_snapshot_with_something_that_is_no_user_names_the_line(attributes: str, example: Example) -> None:
    shell = example("one-off-send")
    spec = "apiVersion: leanplum-sync/v1\nkind: UserAttributes\nmetadata: {name: tier}\n"
    spec += "spec: {users: {inline: [u1, u2]}, attributes: {tier: gold}}\n"
    (shell.folder / "specs" / "order-delay.yaml").write_text(spec)
    (shell.folder / "seen.ndjson").write_text(
        f'{{"userId": "u1", "userAttributes": {{}}}}\n{{"userId": "u2", "userAttributes": {attributes}}}\n'
    )
    for command in ("plan", "drift"):
        told = shell.run(command, "--observed", "seen.ndjson", code=3).stderr
        assert (
            "seen.ndjson:2: userAttributes, devices, or warning does not have the form that exportUser returns"
            in told
        )
