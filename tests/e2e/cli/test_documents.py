"""Where documents go: in no place of something else, and one to stdout, however a command ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from shell import Command

from leanplum_sync.cli.exit_codes import ExitCode

SLIPS = [
    ("show", "a.lpplan", "-o", "json=a.lpplan"),
    ("show", "a.plan", "-o", "json=a.plan"),
    ("show", "a.plan", "-o", "json=link.plan"),
    ("show", "a.plan", "--no-such-option", "-o", "json=a.plan"),
    ("plan", "--out", "a.plan", "-o", "markdown=./a.plan"),
    ("plan", "--out=a.plan", "--no-such-option", "-o", "markdown=a.plan"),
    ("plan", "-o", "json=.leanplum-sync/local.lpplan"),
    ("plan", "--observed", "seed/users.ndjson", "-o", "ndjson=seed/users.ndjson"),
    ("pull", "00001", "--out", "seed/users.ndjson", "-o", "json=specs/../seed/users.ndjson"),
    ("validate", "-o", "json=leanplum-sync.yaml"),
    ("validate", "--no-such-option", "-o", "json=leanplum-sync.yaml"),
    ("validate", "--project", "project.txt", "-o", "json=project.txt"),
    ("validate", "specs/spec.txt", "-o", "text=specs/spec.txt"),
    ("validate", "-o", "sarif=specs/loyalty.yaml"),
    ("validate", "-o", "json=data/users.csv"),
    ("validate", "-o", "ndjson=seed/users.ndjson"),
]


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "emulator" not in path.name
    }


@pytest.fixture
def full_shop(shop: Path, command: Command) -> Path:
    """A project with all that a slip could cost."""
    assert command("plan", "--out", "a.lpplan").returncode == 0
    (shop / "a.plan").write_bytes((shop / "a.lpplan").read_bytes())
    (shop / "link.plan").symlink_to("a.plan")
    (shop / "project.txt").write_bytes((shop / "leanplum-sync.yaml").read_bytes())
    (shop / "specs" / "spec.txt").write_bytes(next((shop / "specs").glob("*.yaml")).read_bytes())
    (shop / "data").mkdir(exist_ok=True)
    (shop / "data" / "users.csv").write_text("id\n00001\n")
    return shop


@pytest.mark.parametrize("slip", SLIPS, ids=" ".join)
def test_no_document_is_put_in_place_of_what_the_command_reads_or_writes(
    slip: tuple[str, ...], full_shop: Path, command: Command
) -> None:
    before = contents(full_shop)
    done = command(*slip, "-o", "json=other.json")
    other = json.loads((full_shop / "other.json").read_text())
    assert (done.returncode, other["exit"]) == (ExitCode.USAGE, ExitCode.USAGE)
    assert len(done.stderr.splitlines()) == 2  # the sentence, and where the help is
    (full_shop / "other.json").unlink()
    assert contents(full_shop) == before


def test_the_file_that_is_in_the_way_is_named(full_shop: Path, command: Command) -> None:
    sentence = command("show", "a.plan", "-o", "json=a.plan").stderr.splitlines()[0]
    assert sentence == (
        "Error: a.plan can't be used for output: it is an input of the command, or it has the name of a plan, spec, or data file. Choose another file."
    )


@pytest.mark.parametrize("form", ["ndjson", "json"])
def test_an_earlier_document_makes_room_whatever_its_name(form: str, shop: Path, command: Command) -> None:
    for _ in range(2):
        assert command("validate", "-o", f"{form}=why.ndjson").returncode == ExitCode.OK
    (shop / "why.ndjson").write_text("")
    assert command("validate", "-o", f"{form}=why.ndjson").returncode == ExitCode.OK
    assert b"leanplum-sync/" in (shop / "why.ndjson").read_bytes()


@pytest.mark.parametrize("second", ["ndjson", "markdown", "json"])
def test_two_documents_for_stdout_are_refused_with_one(second: str, shop: Path, command: Command) -> None:
    done = command("plan", "-o", "json", "-o", second, "-o", "markdown=why.md")
    assert done.returncode == ExitCode.USAGE
    assert json.loads(done.stdout)["format"] == "leanplum-sync/error"
    assert "only one output can go to stdout" in (shop / "why.md").read_text()


REPLACED = [
    ("plan", "--out", "data/users.csv"),
    ("plan", "--out", "leanplum-sync.yaml"),
    ("plan", "--out", "specs/spec.txt"),
    ("plan", "--out", ".leanplum-sync/journal.db"),
    ("plan", "--problems", "specs/loyalty.yaml"),
    ("plan", "--problems", "specs/spec.txt"),
    ("validate", "--problems", "seed/users.ndjson"),
    ("undo", "1", "--out", "specs/spec.txt"),
    ("undo", "1", "--out", "new.csv"),
    ("journal", "export", "--out", "seed/users.ndjson"),
    ("journal", "export", "--out", "users.parquet"),
]


@pytest.mark.parametrize("slip", REPLACED, ids=" ".join)
def test_no_file_is_replaced_that_the_command_did_not_write(
    slip: tuple[str, ...], full_shop: Path, command: Command
) -> None:
    (full_shop / "users.parquet").write_bytes(b"PAR1 somebody's users PAR1")
    before = contents(full_shop)
    done = command(*slip)
    assert (done.returncode, len(done.stderr.splitlines())) == (ExitCode.USAGE, 2)
    assert slip[-1] in done.stderr
    assert contents(full_shop) == before


@pytest.mark.parametrize(
    "again",
    [
        ("plan", "--out", "a.plan"),
        ("validate", "--problems", "found"),
        ("journal", "export", "--out", "all.ndjson"),
        ("journal", "export", "--out", "all.parquet"),
    ],
    ids=" ".join,
)
def test_what_the_command_wrote_is_replaced(again: tuple[str, ...], shop: Path, command: Command) -> None:
    assert command("plan", "--out", "a.lpplan").returncode == 0
    assert command("apply", "a.lpplan", "--yes").returncode == 0
    if "--problems" in again:
        next((shop / "specs").glob("*.yaml")).write_text("kind: Nothing\n")
    first, second = command(*again), command(*again)
    assert first.returncode == second.returncode != ExitCode.USAGE
    assert (shop / again[-1]).stat().st_size


@pytest.mark.parametrize(
    "slip", ["json=a.md", "html=a.json", "markdown=a.html", "text=a.json", "sarif=a.md", "json=a.XML"]
)
def test_no_document_gets_the_name_of_another_format(slip: str, shop: Path, command: Command) -> None:
    done = command("validate", "-o", slip) if "html" not in slip else command("plan", "-o", slip)
    assert (done.returncode, len(done.stderr.splitlines())) == (ExitCode.USAGE, 2)
    assert not (shop / slip.partition("=")[2]).exists()
