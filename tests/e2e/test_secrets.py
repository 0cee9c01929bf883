"""No secret in anything the program says or keeps: each is a word of its own, searched for in every byte on every path."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import brief_waits
import click
import pytest
from echoing import Echoing, echoing
from files import ndjson, write_files
from hello import HELLO
from shell import Served, Shell

from leanplum_sync import emulator
from leanplum_sync.cli.program import COMMANDS, program
from leanplum_sync.encryption import new_key

PROJECT = """\
apiVersion: leanplum-sync/v1
kind: Project
metadata: {name: shop}
spec:
  environments: {live: {limits: {requestsPerSecond: 1000}}}
  sensitive: [email, phone, diagnoses, old_contact, city, visits]
  budget: {sends: 100, createdUsers: 100}
"""
PEOPLE = """\
apiVersion: leanplum-sync/v1
kind: UserAttributes
metadata: {name: people}
spec:
  users: {file: ../data/people.csv, id: id}
  attributes:
    email: {column: mail}
    phone: kanari-phone-literal
    diagnoses: {add: [kanari-item-added], remove: [kanari-item-removed]}
    contact: {from: old_contact}
    tier: gold
    visits: {increment: 774411, once: spring}
  profile:
    city: {column: town}
"""
OTHERS = """\
apiVersion: leanplum-sync/v1
kind: PushTokens
metadata: {name: tokens}
spec:
  devices: {file: ../data/people.csv, id: device, user: id}
  token: {ios: {column: token}}
---
apiVersion: leanplum-sync/v1
kind: MessageSend
metadata: {name: hello}
spec:
  message: {name: Hello}
  recipients: {file: ../data/people.csv, id: id}
  values: {email: {column: mail}, phone: kanari-phone-sent}
  delivery: hello-2026
"""
TOKEN = "ca9a41" * 11
DATA = f"""\
id,mail,town,device,token
u1,kanari-mail-1@example.com,kanari-town,d1,{TOKEN}
u2,kanari-mail-2@example.com,kanari-town,d2,{TOKEN[::-1]}
"""
USER = {
    "email": "kanari-mail-observed",
    "phone": "kanari-phone-observed",
    "diagnoses": ["kanari-item-kept", "kanari-item-removed"],
    "old_contact": "kanari-contact-observed",
    "visits": 3,
}

PLAN_KEY = new_key()
OTHER_KEY = new_key()
PASSWORD = "kanari-password"
CANARIES = (
    b"kanari",
    b"774411",
    TOKEN.encode(),
    TOKEN[::-1].encode(),
    *(key.encode() for key in emulator.KEYS.values()),
    PLAN_KEY.encode(),
    OTHER_KEY.encode(),
)
# Copies of people's data, kept on purpose for their owner only (docs/secrets.md).
DATA_STORES = ("*.snapshot.ndjson", "*.reading.ndjson", "*.rejected.*", "*.held.*")

EVERY_FORMAT = {
    name: next((each.type._formats for each in command.params if each.name == "output"), ())
    for name in COMMANDS
    if isinstance(command := program.get_command(click.Context(program), name), click.Command)
}


@dataclass
class Watched:
    """Runs commands, and searches what each says and what it leaves behind."""

    shell: Shell
    server: Echoing
    given: frozenset[Path] = field(default_factory=frozenset)

    def write(self, files: Mapping[str, str]) -> None:
        write_files(self.shell.folder, files)
        self.given |= {self.shell.folder / name for name in files}

    def run(self, *arguments: str, variables: Mapping[str, str] | None = None) -> int:
        environ = self.shell.environ
        self.shell.environ = {**environ, **(variables or {})}
        process = self.shell.start("--verbose", *arguments)
        out, err = process.communicate(timeout=300)
        self.shell.environ = environ
        assert "Traceback" not in out + err, err
        assert "unexpected" not in err, err
        for canary in CANARIES:
            assert canary not in (out + err).encode(), f"{canary!r} is said by {arguments}:\n{out}\n{err}"
        self.search(arguments)
        return process.returncode

    def run_in_every_format(self, *arguments: str, variables: Mapping[str, str] | None = None) -> int:
        formats = EVERY_FORMAT[arguments[0]]
        assert {"text", "json"} <= set(formats)
        outputs = [f"-o{name}=out/{name}" for name in formats]
        return self.run(*arguments, "-o", "text", *outputs, variables=variables)

    def search(self, arguments: tuple[str, ...]) -> None:
        for path in self.shell.folder.rglob("*"):
            if path in self.given or not path.is_file():
                continue
            assert path.stat().st_mode & 0o077 == 0, f"{path} of {arguments} can be read by others"
            if any(path.match(pattern) for pattern in DATA_STORES):
                continue
            content = path.read_bytes()
            for canary in CANARIES:
                assert canary not in content, f"{canary!r} is in {path} of {arguments}"


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    folder = tmp_path / "shop"
    (folder / "tmp").mkdir(parents=True)
    seed = tmp_path / "seed.ndjson"
    users = [
        {"userId": user, "userAttributes": USER, "city": "kanari-town-observed"} for user in ("u1", "u2")
    ]
    seed.write_text(ndjson(HELLO, *users))
    with ExitStack() as stack:
        running = stack.enter_context(emulator.running(seeds=[seed]))
        server = stack.enter_context(echoing(running.url))
        environ = {
            **Served(server.url).every_key,
            "LEANPLUM_SYNC_PLAN_KEY": PLAN_KEY,
            "TMPDIR": str(folder / "tmp"),
            brief_waits.VARIABLE: "1",
        }
        found = Watched(Shell(folder, environ), server)
        found.write(
            {
                "leanplum-sync.yaml": PROJECT,
                "specs/people.yaml": PEOPLE,
                "specs/others.yaml": OTHERS,
                "data/people.csv": DATA,
            }
        )
        yield found


def test_the_canaries_sing(watched: Watched) -> None:
    """A plan that is not encrypted holds them: a search that finds nothing has looked for the right words."""
    with pytest.raises(AssertionError, match=r"kanari.* is in .*a\.lpplan"):
        watched.run("plan", "--out", "a.lpplan", variables={"LEANPLUM_SYNC_PLAN_KEY": ""})


@pytest.mark.slow
def test_nothing_is_told_where_all_goes_well(watched: Watched) -> None:
    run = watched.run_in_every_format
    assert run("validate") == 0
    assert run("plan", "--out", "a.lpplan") == 0
    assert run("show", "a.lpplan") == 0
    for user, code in (
        ("u1", 0),
        ("u2", 0),
        ("device:d1", 64),
        ("nobody", 64),
    ):  # a listed user's device is no subject
        assert run("explain", "a.lpplan", user) == code
    assert watched.run("apply", "a.lpplan", "--yes", "-o", "json") == 0
    assert run("apply", "a.lpplan", "--yes") == 0
    assert run("status") == 0
    assert run("drift") in (0, 2)
    assert watched.run("fmt", "--check") in (0, 3)
    assert run("undo", "1", "--out", "undo.lpplan") == 0
    assert watched.run("journal", "export", "--out", "journal.ndjson") == 0
    assert watched.run("journal", "show", "1") == 0
    assert watched.run("apply", "undo.lpplan", "--yes") in (0, 4)
    assert run("doctor") == 0
    assert run("pull", "u1", "--out", "a.snapshot.ndjson") == 0


HOW = ("fails", "fails in JSON", "page", "refuses", "forbids", "blames the key", "rejects", "skips", "cuts")


@pytest.mark.slow
@pytest.mark.parametrize("how", HOW)
def test_nothing_is_told_where_the_server_repeats_what_it_was_sent(how: str, watched: Watched) -> None:
    assert watched.run("plan", "--out", "a.lpplan") == 0
    watched.server.how = how
    code = watched.run_in_every_format("apply", "a.lpplan", "--yes")
    assert code in (4, 5, 9, 10)
    assert (watched.shell.folder / ".leanplum-sync" / "run-1.events.ndjson").exists()
    watched.run_in_every_format("status")
    watched.run("journal", "export", "--out", "journal.ndjson")
    watched.run("resolve", "1", "--drop", "--yes")


@pytest.mark.slow
@pytest.mark.parametrize("how", ["fails", "page", "refuses", "forbids", "blames the key", "cuts"])
def test_nothing_is_told_where_reading_fails(how: str, watched: Watched) -> None:
    watched.server.how = how
    for watched.server.of in ("exportUser", "getMessages"):
        watched.run_in_every_format("plan", "--out", "a.lpplan")
        watched.run("doctor")


@pytest.mark.slow
def test_nothing_is_told_by_wrong_or_missing_keys(watched: Watched) -> None:
    assert watched.run("plan", "--out", "a.lpplan") == 0
    for key in ("", OTHER_KEY, "kanari-no-key"):
        wrong = {"LEANPLUM_SYNC_PLAN_KEY": key}
        for arguments in (["show", "a.lpplan"], ["apply", "a.lpplan", "--yes"]):
            assert watched.run_in_every_format(*arguments, variables=wrong) == 9
    assert (
        watched.run("show", "a.lpplan", variables={"LEANPLUM_SYNC_PLAN_KEY": f"{OTHER_KEY},{PLAN_KEY}"}) == 0
    )
    for key in ("", "kanari-key-of-nobody"):
        nobodys = {f"LEANPLUM_{name}_KEY": key for name in ("PRODUCTION", "DATA_EXPORT", "CONTENT_READ_ONLY")}
        assert watched.run_in_every_format("plan", "--out", "b.lpplan", variables=nobodys) == 9
        assert watched.run_in_every_format("apply", "a.lpplan", "--yes", variables=nobodys) == 9
        assert watched.run("doctor", variables=nobodys) == 9


ADDRESSES = (
    f"postgresql://shop:{PASSWORD}@127.0.0.1:1/journal",
    f"postgresql://shop:{PASSWORD}@[::1/journal",
    f"postgresql://shop:{PASSWORD}@p@127.0.0.1:1/journal",
    f"postgresql://127.0.0.1:1/journal?user=shop&sslmode=none&password={PASSWORD}",
    f"mysql://shop:{PASSWORD}@127.0.0.1:1/journal",
)


@pytest.mark.slow
@pytest.mark.parametrize("address", ADDRESSES)
def test_nothing_is_told_of_a_journals_password(address: str, watched: Watched) -> None:
    assert watched.run("plan", "--out", "a.lpplan") == 0
    project = PROJECT.replace("spec:\n", "spec:\n  journal: {env: SHOP_JOURNAL}\n")
    watched.write({"leanplum-sync.yaml": project})
    variables = {"SHOP_JOURNAL": address}
    for arguments in (["apply", "a.lpplan", "--yes"], ["doctor"]):
        assert watched.run_in_every_format(*arguments, variables=variables) != 0
    watched.write({"leanplum-sync.yaml": PROJECT.replace("spec:\n", f"spec:\n  journal: {address}\n")})
    assert watched.run("plan") == 3


WRONG = {
    "conflict": {
        "specs/more.yaml": PEOPLE.replace("name: people", "name: more").replace(
            "phone: kanari-phone-literal", "phone: kanari-other"
        )
    },
    "form": {
        "specs/people.yaml": PEOPLE.replace("phone: kanari", "phone: {value: kanari, wehn: absent} # kanari")
    },
    "type": {"specs/people.yaml": PEOPLE.replace("increment: 774411", "increment: kanari")},
    "open quote": {"specs/people.yaml": PEOPLE.replace("phone: kanari", 'phone: "kanari')},
    "open bracket": {"specs/people.yaml": PEOPLE.replace("removed]", "removed")},
    "tab": {"specs/people.yaml": PEOPLE.replace("phone: kanari", "phone:\n\tkanari: x")},
    "no YAML": {"specs/people.yaml": PEOPLE.replace("phone: kanari", "phone: kanari: ")},
    "nested": {"specs/people.yaml": PEOPLE.replace("[kanari-item-added]", "[[kanari-item-added]]")},
    "values": {"specs/others.yaml": OTHERS.replace("phone: kanari-phone-sent", "phone: {valeu: kanari}")},
    "bad token": {"data/people.csv": DATA.replace(TOKEN, "kanari-token")},
    "bad token in a spec": {
        "specs/others.yaml": OTHERS.replace("{ios: {column: token}}", "\n    ios: kanari-token")
    },
    "bad token as a field": {
        "specs/others.yaml": OTHERS.replace("token: {ios: ", "attributes: {iosPushToken: kanari-token, x: ")
    },
    "doubled": {"data/people.csv": DATA + DATA.splitlines()[1] + "\n"},
    "long row": {"data/people.csv": DATA.rstrip("\n") + ",kanari,kanari\n"},
    "no text": {"data/people.csv": DATA.replace("kanari-town", "kanari\0town")},
    "no number": {"specs/people.yaml": PEOPLE.replace("{column: mail}", "{column: mail, type: integer}")},
    "no date": {"specs/people.yaml": PEOPLE.replace("{column: mail}", "{column: mail, type: date}")},
    "not in map": {
        "specs/people.yaml": PEOPLE.replace("{column: mail}", "{column: mail, map: {kanari-1: a}}")
    },
    "key in a file": {"leanplum-sync.yaml": PROJECT + f"  journal: {emulator.KEYS['production']}1234567\n"},
}


@pytest.mark.slow
@pytest.mark.parametrize("files", WRONG.values(), ids=WRONG)
def test_nothing_is_told_by_problems_of_specs_and_data(files: dict[str, str], watched: Watched) -> None:
    watched.write(files)
    assert watched.run_in_every_format("validate") == 3
    assert watched.run("plan") == 3
    for arguments in (["--check"], ["--diff"], []):
        assert watched.run("fmt", *arguments) in (0, 3)


def test_nothing_is_told_by_a_difference_of_layout(watched: Watched) -> None:
    watched.write(
        {"specs/people.yaml": PEOPLE.replace(": kanari", ":   kanari").replace("774411", "  774411")}
    )
    assert watched.run("fmt", "--check", "--diff") == 3
    assert watched.run("fmt", "--diff", "specs/people.yaml") == 0


def test_nothing_is_told_by_errors_nobody_foresaw(watched: Watched) -> None:
    """A fault of ours, at the worst place: with a value in hand."""
    hook = watched.shell.folder.parent / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(
        "import leanplum_sync.planner.subject as subject\n"
        "def fail(wants, *_): raise KeyError(repr(wants))\n"
        "subject.plan_subject = fail\n"
    )
    environ = watched.shell.environ | {"PYTHONPATH": str(hook)}
    watched.shell.environ = environ
    process = watched.shell.start("--verbose", "plan", "-o", "ndjson", "-o", "html=plan.html")
    out, err = process.communicate(timeout=300)
    assert process.returncode == 1
    assert "unexpected KeyError" in err
    assert not any(canary in (out + err).encode() for canary in CANARIES)
    watched.search(("plan",))


@pytest.mark.slow
def test_files_are_their_owners_only_whatever_the_umask(watched: Watched) -> None:
    before = os.umask(0)
    try:
        for arguments in (
            ("plan", "--out", "deep/a.lpplan", "-o", "json=deep/out/plan.json"),
            ("apply", "deep/a.lpplan", "--yes"),
            ("undo", "1"),
            ("pull", "u1", "--out", "deep/a.snapshot.ndjson.gz"),
            ("journal", "export", "--out", "deep/journal.parquet"),
        ):
            watched.run(*arguments)
    finally:
        os.umask(before)
    made = [
        path
        for path in watched.shell.folder.rglob("*")
        if path.is_dir() and path.name in ("deep", "out", ".leanplum-sync", "applied")
    ]
    assert len(made) == 4
    assert all(path.stat().st_mode & 0o077 == 0 for path in made)
