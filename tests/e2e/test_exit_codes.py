"""Every documented exit code, from the installed command; and on stdout nothing but the document that was asked for."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import doubts
import pytest
from document_schemas import check_document
from files import ndjson
from hello import HELLO, send_hello
from shell import ROOT, TIMEOUT_SECONDS, Served, Shell
from waiting import lines_until, wait_for

from leanplum_sync import emulator
from leanplum_sync.cli.exit_codes import ExitCode
from leanplum_sync.journal import open_journal

COMMAND = Path(sysconfig.get_path("scripts")) / "leanplum-sync"
PLAN = "a.lpplan"
SEND = send_hello('{inline: ["00001", "00002"]}')


@dataclass
class Shop:
    """A new project, as ``init`` makes it, and an emulator beside it."""

    folder: Path
    stack: ExitStack
    environ: dict[str, str] = field(default_factory=dict)

    def serve(self, faults: str = "", *, without: str = "") -> Served:
        """Let the app be one where these things go wrong, with the users of the project but for *without*."""
        seed = self.folder / "seed" / "users.ndjson"
        kept = [
            line for line in seed.read_text().splitlines(keepends=True) if not without or without not in line
        ]
        thinned = self.folder / "thinned.ndjson"
        thinned.write_text(ndjson(HELLO) + "".join(kept))
        running = self.stack.enter_context(emulator.running(seeds=[thinned], faults=faults))
        served = Served(running.url)
        self.environ = {**served.environ, "LEANPLUM_SYNC_ENVIRONMENT": "production"}
        return served

    def start(self, *arguments: str, file_blocks: int | None = None) -> subprocess.Popen[str]:
        """Run the command; no file that it writes may grow beyond *file_blocks* kilobytes, as on a full disk."""
        limited = [] if file_blocks is None else ["bash", "-c", f'ulimit -f {file_blocks}; exec "$@"', "-"]
        return subprocess.Popen(
            [*limited, COMMAND, *arguments],
            cwd=self.folder,
            env=doubts.handed_on(
                {
                    "PATH": os.environ["PATH"],
                    "HOME": str(self.folder),
                    "LANG": "C.UTF-8",
                    "LEANPLUM_SYNC_NO_PROGRESS": "1",  # its lines come only when a command is slow
                    **self.environ,
                }
            ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str) -> Ended:
        return Ended.of(self.start(*arguments))

    def prepare(self, *arguments: str, code: int = 0) -> None:
        """Run a command that is not what is tested, which need not be the installed one."""
        Shell(self.folder, self.environ).run(*arguments, code=code)

    def wait_briefly(self) -> None:
        hook = self.folder / "hook"
        hook.mkdir()
        (hook / "sitecustomize.py").write_text("import brief_waits\nbrief_waits.install()\n")
        self.environ["PYTHONPATH"] = os.pathsep.join([str(hook), str(ROOT / "tests" / "support")])

    def edit(self, name: str, before: str, after: str) -> None:
        path = self.folder / name
        assert before in path.read_text()
        path.write_text(path.read_text().replace(before, after, 1))


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str

    @classmethod
    def of(cls, process: subprocess.Popen[str]) -> Ended:
        out, err = process.communicate(timeout=TIMEOUT_SECONDS)
        assert "Traceback" not in out + err, err
        return cls(process.returncode, out, err)

    @property
    def document(self) -> Any:
        """Its one document of JSON, as its published schema has it, and nothing else on stdout."""
        return check_document(self.out)


@pytest.fixture(scope="module")
def new_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("new")
    subprocess.run([COMMAND, "--quiet", "init", "shop"], cwd=folder, check=True, capture_output=True)
    return folder / "shop"


@pytest.fixture
def shop(new_project: Path, tmp_path: Path) -> Iterator[Shop]:
    shutil.copytree(new_project, tmp_path / "shop")
    with ExitStack() as stack:
        yield Shop(tmp_path / "shop", stack)


def ok(shop: Shop) -> Ended:
    return shop.run("plan", "-o", "json")


def unexpected(shop: Shop) -> Ended:
    hook = shop.folder / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(
        "import leanplum_sync.operations.plan as make\n"
        "def fail(*_, **__): raise KeyError('ada@example.com')\n"
        "make.plan_subject = fail\n"
    )
    shop.environ = {"PYTHONPATH": str(hook)}
    ended = shop.run("plan", "-o", "json")
    assert "ada@example.com" not in ended.err
    return ended


def changes_pending(shop: Shop) -> Ended:
    return shop.run("plan", "--detailed-exitcode", "-o", "json")


def invalid(shop: Shop) -> Ended:
    shop.edit("specs/loyalty.yaml", "attributes:", "atributes:")
    return shop.run("plan", "-o", "json")


def in_part(shop: Shop) -> Ended:
    shop.serve()
    shop.prepare("plan", "--out", PLAN)
    shop.serve(without='"00002"')
    return shop.run("apply", PLAN, "--yes", "--recheck", "off", "-o", "json")


def in_doubt(shop: Shop) -> Ended:
    (shop.folder / "specs" / "loyalty.yaml").write_text(SEND)
    shop.serve("cut-after:action=multi,times=1")
    shop.prepare("plan", "--out", PLAN, code=6)
    return shop.run("apply", PLAN, "--yes", "--ack", "sends=2", "-o", "json")


def no_consent(shop: Shop) -> Ended:
    (shop.folder / "specs" / "hello.yaml").write_text(SEND)
    shop.edit("leanplum-sync.yaml", "changedUsers: 10000", "changedUsers: 1")
    shop.serve()
    return shop.run("plan", "--out", PLAN, "-o", "json")


def stale_plan(shop: Shop) -> Ended:
    shop.prepare("plan", "--out", PLAN)
    with (shop.folder / "data" / "customers.csv").open("a") as data:
        data.write("00099,1,A\n")
    return shop.run("apply", PLAN, "--yes", "-o", "json")


def locked(shop: Shop) -> Ended:
    shop.serve()
    shop.prepare("plan", "--out", PLAN)
    journal = shop.stack.enter_context(open_journal(shop.folder / ".leanplum-sync" / "journal.db"))
    shop.stack.enter_context(journal.acquire(emulator.APP_ID, "production"))
    return shop.run("apply", PLAN, "--yes", "-o", "json")


def bad_key(shop: Shop) -> Ended:
    shop.serve()
    del shop.environ["LEANPLUM_DATA_EXPORT_KEY"]
    return shop.run("plan", "-o", "json")


def limited(shop: Shop) -> Ended:
    shop.serve("status:action=exportUser,status=429")
    shop.wait_briefly()
    return shop.run("plan", "-o", "json")


def usage(shop: Shop) -> Ended:
    return shop.run("plan", "--wrong", "-o", "json")


def cant_write(shop: Shop) -> Ended:
    return Ended.of(shop.start("plan", "-o", "json", file_blocks=8))


def unreachable(shop: Shop) -> Ended:
    shop.serve()
    shop.wait_briefly()
    shop.environ["LEANPLUM_API_URL"] = "http://127.0.0.1:1"
    return shop.run("plan", "-o", "json")


def _signalled(shop: Shop, number: signal.Signals) -> Ended:
    served = shop.serve()
    served.hold("multi")
    shop.prepare("plan", "--out", PLAN)
    process = shop.start("apply", PLAN, "--yes", "-o", "json")
    wait_for(served.holds)
    process.send_signal(number)
    assert process.stderr is not None
    said = lines_until(process.stderr, "in flight complete")
    served.release()
    ended = Ended.of(process)
    return replace(ended, err=said + ended.err)


def interrupted(shop: Shop) -> Ended:
    return _signalled(shop, signal.SIGINT)


def terminated(shop: Shop) -> Ended:
    return _signalled(shop, signal.SIGTERM)


# What each ends with; the format of the document on stdout; a word of stderr.
SCENES: Mapping[ExitCode, tuple[Callable[[Shop], Ended], str, str]] = {
    ExitCode.OK: (ok, "plan-summary", "Next: leanplum-sync apply"),
    ExitCode.UNEXPECTED: (unexpected, "error", "Error: unexpected KeyError in operations/plan.py:"),
    ExitCode.CHANGES_PENDING: (changes_pending, "plan-summary", "Next: leanplum-sync apply"),
    ExitCode.INVALID: (invalid, "problems", "Did you mean attributes?"),
    ExitCode.IN_PART: (in_part, "receipt", "leanplum-sync"),
    ExitCode.IN_DOUBT: (in_doubt, "receipt", "leanplum-sync status lists them"),
    ExitCode.NO_CONSENT: (
        no_consent,
        "plan-summary",
        f"leanplum-sync apply {PLAN} --ack sends=2 --ack changedUsers=",
    ),
    ExitCode.STALE_PLAN: (stale_plan, "error", "data/customers.csv has changed"),
    ExitCode.LOCKED: (locked, "error", "Another run is working on production"),
    ExitCode.BAD_KEY: (bad_key, "error", "LEANPLUM_DATA_EXPORT_KEY is not set"),
    ExitCode.LIMITED: (limited, "error", "because of its rate limit"),
    ExitCode.USAGE: (usage, "error", "--wrong"),
    ExitCode.CANT_WRITE: (cant_write, "error", "Check that the disk has space"),
    ExitCode.UNREACHABLE: (unreachable, "error", "could not be reached"),
    ExitCode.INTERRUPTED: (interrupted, "receipt", "Stopping after the requests in flight complete"),
    ExitCode.TERMINATED: (terminated, "receipt", "Stopping after the requests in flight complete"),
}


def test_every_number_has_its_scene() -> None:
    assert SCENES.keys() == set(ExitCode)


@pytest.mark.slow
@pytest.mark.parametrize("code", SCENES, ids=lambda code: f"{code.value}-{code.name.lower()}")
def test_the_command_ends_with_the_documented_number_and_stdout_is_the_document(
    code: ExitCode, shop: Shop
) -> None:
    scene, document, says = SCENES[code]
    ended = scene(shop)
    assert ended.code == code, ended.err
    assert says in ended.err
    assert ended.document["format"] == f"leanplum-sync/{document}"
    if document == "error":
        assert ended.document["exit"] == code
        assert ended.document["message"] in ended.err


def _damaged_journal(shop: Shop) -> Ended:
    shop.serve()
    shop.prepare("plan", "--out", PLAN)
    (shop.folder / ".leanplum-sync" / "journal.db").write_text("not a database, whatever its name" * 50)
    return shop.run("apply", PLAN, "--yes", "-o", "json")


def _database_down(shop: Shop) -> Ended:
    shop.serve()
    shop.environ["LEANPLUM_SYNC_JOURNAL"] = "postgresql://us:s3cret@127.0.0.1:1/journal"
    return shop.run("plan", "-o", "json")


def _api_down_before_apply(shop: Shop) -> Ended:
    (shop.folder / "specs" / "loyalty.yaml").write_text(SEND)
    shop.serve()
    shop.prepare("plan", "--out", PLAN, code=6)
    shop.wait_briefly()
    shop.environ["LEANPLUM_API_URL"] = "http://127.0.0.1:1"
    return shop.run("pull", "00001", "--out", "seen.ndjson", "-o", "json")


def _emulator_state_in_a_files_place(shop: Shop) -> Ended:
    (shop.folder / ".leanplum-sync").mkdir()
    (shop.folder / ".leanplum-sync" / "emulator.db").mkdir()
    return shop.run("plan", "-o", "json")


def _broken_seed(shop: Shop) -> Ended:
    (shop.folder / "seed" / "users.ndjson").write_text("{")
    return shop.run("plan", "-o", "json")


def _no_room_for_a_document(shop: Shop) -> Ended:
    shop.prepare("plan", "--out", PLAN)
    return shop.run("show", PLAN, "-o", "text=/dev/full", "-o", "json=plan.json")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scene", "code", "says"),
    [
        (_damaged_journal, ExitCode.STALE_PLAN, "is damaged, or is not a journal"),
        (_database_down, ExitCode.UNREACHABLE, "The shared journal can't be reached"),
        (_api_down_before_apply, ExitCode.UNREACHABLE, "could not be reached"),
        (_emulator_state_in_a_files_place, ExitCode.CANT_WRITE, "state file"),
        (_broken_seed, ExitCode.INVALID, "not a line of JSON"),
        (_no_room_for_a_document, ExitCode.CANT_WRITE, "No space left on device"),
    ],
    ids=lambda value: value.__name__.strip("_") if callable(value) else "",
)
def test_what_is_no_fault_of_ours_does_not_end_with_1(
    scene: Callable[[Shop], Ended], code: ExitCode, says: str, shop: Shop
) -> None:
    ended = scene(shop)
    assert ended.code == code, ended.err
    assert says in ended.err
    assert "s3cret" not in ended.err


@pytest.mark.slow
def test_all_missing_keys_are_named_at_once(shop: Shop) -> None:
    (shop.folder / "specs" / "hello.yaml").write_text(SEND)
    shop.serve()
    names = ("LEANPLUM_APP_ID", "LEANPLUM_DATA_EXPORT_KEY", "LEANPLUM_CONTENT_READ_ONLY_KEY")
    for name in names:
        del shop.environ[name]
    ended = shop.run("plan")
    assert ended.code == ExitCode.BAD_KEY
    assert all(f"{name} is not set" in ended.err for name in names)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["plan"], ["LEANPLUM_DATA_EXPORT_KEY"]),
        (["apply", PLAN, "--yes"], ["LEANPLUM_DATA_EXPORT_KEY", "LEANPLUM_PRODUCTION_KEY"]),
        (["drift"], ["LEANPLUM_DATA_EXPORT_KEY"]),
        (["adopt"], ["LEANPLUM_DATA_EXPORT_KEY"]),
        (["pull", "--out", "users.ndjson"], ["LEANPLUM_DATA_EXPORT_KEY"]),
        (["undo", "1"], ["LEANPLUM_DATA_EXPORT_KEY"]),
        (["call", "setUserAttributes", "userId=u1", "--yes"], ["LEANPLUM_PRODUCTION_KEY"]),
    ],
    ids=lambda value: value[0],
)
def test_every_command_names_all_missing_variables_at_once(
    arguments: list[str], names: list[str], shop: Shop
) -> None:
    shop.serve()
    shop.prepare("plan", "--out", PLAN)
    shop.prepare("apply", PLAN, "--yes")
    for name in ["LEANPLUM_APP_ID", *names]:
        del shop.environ[name]
    ended = shop.run(*arguments)
    assert ended.code == ExitCode.BAD_KEY, ended.err
    assert all(f"{name} is not set" in ended.err for name in ["LEANPLUM_APP_ID", *names])


def test_what_is_over_budget_is_told_at_once_and_the_printed_command_is_enough(shop: Shop) -> None:
    planned = no_consent(shop)
    over = {each["name"]: each["count"] for each in planned.document["hazards"] if each["isOver"]}
    assert over.keys() == {"sends", "changedUsers"}
    (printed,) = [line for line in planned.err.splitlines() if "leanplum-sync apply" in line]
    refused = shop.run("apply", PLAN, "--yes", "-o", "json")
    assert (refused.code, refused.document["over"]) == (6, over)
    options = " ".join(f"--ack {name}={count}" for name, count in over.items())
    assert options in refused.err
    assert options in printed
    command = printed.partition("leanplum-sync ")[2].split()
    assert shop.run(*command, "--yes").code == 0


def test_the_documented_numbers_are_these() -> None:
    rows = (ROOT / "docs" / "exit-codes.md").read_text().splitlines()
    documented = [
        int(number) for row in rows for number in re.findall(r"\d+", row.split("|")[1] if "|" in row else "")
    ]
    assert documented == sorted(code.value for code in ExitCode)
