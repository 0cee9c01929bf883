"""The command as a process: signals, pipes that close, a terminal, errors nobody foresaw."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from leanplum_sync import emulator

Command = Callable[..., subprocess.CompletedProcess[str]]
Start = Callable[..., subprocess.Popen[str]]
PLAN = ".leanplum-sync/production.lpplan"


SEND = """
apiVersion: leanplum-sync/v1
kind: MessageSend
metadata: {name: hello}
spec:
  message: {name: Hello}
  recipients: {inline: ["00001", "00002"]}
  delivery: hello-2026
"""
MESSAGE = '{"message": {"id": 7, "name": "Hello", "active": true, "messageType": "Push Notification", "delivery": "manual"}}\n'


def variables_of(url: str) -> dict[str, str]:
    keys = {f"LEANPLUM_{name.upper()}_KEY": key for name, key in emulator.KEYS.items()}
    return {"LEANPLUM_API_URL": url, "LEANPLUM_APP_ID": emulator.APP_ID, **keys}


@pytest.fixture
def served(shop: Path) -> Iterator[dict[str, str]]:
    """Variables of an emulator that takes a second for each ``multi``."""
    with emulator.running(
        seeds=[shop / "seed" / "users.ndjson"], faults="latency:action=multi,seconds=1"
    ) as running:
        yield variables_of(running.url)


@pytest.fixture(autouse=True)
def interrupts_are_heeded() -> Iterator[None]:
    """A suite in the background of a shell is handed down that SIGINT is ignored, and would hand it on."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def start(shop: Path) -> Iterator[Start]:
    """Start a command in the project folder, with these variables and none of ours; it ends with the test."""
    with ExitStack() as stack:

        def begin(variables: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
            process = subprocess.Popen(
                [sys.executable, "-m", "leanplum_sync", *arguments],
                cwd=shop,
                env={"PATH": os.environ["PATH"], **variables},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield begin


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_lets_what_is_on_its_way_finish_and_the_same_command_does_the_rest(
    *, start: Start, number: signal.Signals, code: int, shop: Path, served: dict[str, str], command: Command
) -> None:
    project = shop / "leanplum-sync.yaml"
    project.write_text(
        project.read_text().replace(
            "    production:", "    production:\n      limits: {requestsPerSecond: 1000}"
        )
    )
    data = shop / "data" / "customers.csv"
    data.write_text(data.read_text() + "".join(f"u{n},1,A\n" for n in range(120)))
    spec = shop / "specs" / "loyalty.yaml"
    spec.write_text(spec.read_text().replace("  attributes:", "  createUsers: true\n  attributes:", 1))
    planned = json.loads(command("plan", "-e", "production", "-o", "json", variables=served).stdout)
    acks = [f"--ack={hazard['name']}={hazard['count']}" for hazard in planned["hazards"] if hazard["isOver"]]
    apply = ["apply", PLAN, "--yes", "--concurrency", "1", *acks]
    process = start(served, *apply)
    assert process.stderr is not None
    assert "Applying to production" in process.stderr.readline()
    time.sleep(0.5)  # within the first request's second
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert "Interrupted" in out
    assert "what is on its way is finished first" in err
    assert f"leanplum-sync apply {PLAN} --resume" in err
    assert command(*apply, "--resume", variables=served).returncode == 0
    assert "Nothing to do" in command("plan", "-e", "production", variables=served).stdout


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_second_signal_ends_it_at_once(
    *, start: Start, number: signal.Signals, code: int, shop: Path, served: dict[str, str], command: Command
) -> None:
    command("plan", "-e", "production", variables=served)
    process = start(served, "apply", PLAN, "--yes")
    assert process.stderr is not None
    assert "Applying to production" in process.stderr.readline()
    time.sleep(0.3)
    process.send_signal(number)
    assert "finished first" in process.stderr.readline() + process.stderr.readline()
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert "Stopped at once" in err
    # Nobody waited for the answer, which comes after a second: the journal knows that it is missing.
    assert states(command) == ["sent"]
    assert command("apply", PLAN, "--yes", "--resume", variables=served).returncode == 0
    assert states(command) == ["done"]
    assert "Nothing to do" in command("plan", "-e", "production", variables=served).stdout


def states(command: Command) -> list[str]:
    shown = json.loads(command("journal", "show", "1", "-o", "json").stdout)
    return [entry["state"] for entry in shown["entries"]]


def test_a_second_run_beside_the_first_is_refused(
    start: Start, shop: Path, served: dict[str, str], command: Command
) -> None:
    command("plan", "-e", "production", variables=served)
    first = start(served, "apply", PLAN, "--yes")
    assert first.stderr is not None
    assert "Applying to production" in first.stderr.readline()
    time.sleep(0.3)
    second = command("apply", PLAN, "--yes", variables=served)
    assert second.returncode == 8
    first.communicate(timeout=60)
    assert first.returncode == 0


def test_a_plan_that_was_interrupted_while_reading_pays_for_no_user_twice(
    start: Start, shop: Path, command: Command
) -> None:
    data = shop / "data" / "customers.csv"
    data.write_text(data.read_text() + "".join(f"u{n},1,A\n" for n in range(60)))
    with emulator.running(faults="latency:action=exportUser,seconds=0.2") as running:
        variables = {
            "LEANPLUM_API_URL": running.url,
            "LEANPLUM_APP_ID": emulator.APP_ID,
            "LEANPLUM_DATA_EXPORT_KEY": emulator.KEYS["data_export"],
        }
        process = start(variables, "plan", "-e", "production")
        reading = shop / ".leanplum-sync" / "production.reading.ndjson"
        while not (reading.exists() and reading.stat().st_size) and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert (process.returncode, err.splitlines()[-1]) == (130, "Interrupted.")
        kept = len(reading.read_bytes().splitlines())
        assert kept > 0
        resumed = json.loads(command("plan", "-e", "production", "-o", "json", variables=variables).stdout)
        assert resumed["cost"]["reads"] == 66 - kept


def test_a_send_whose_answer_was_lost_is_held_for_a_person_and_never_sent_again(
    shop: Path, command: Command
) -> None:
    (shop / "specs" / "loyalty.yaml").write_text(SEND)
    seed = shop / "seed" / "users.ndjson"
    seed.write_text(MESSAGE + seed.read_text())
    with emulator.running(seeds=[seed], faults="cut-after:action=multi,times=1") as running:
        variables = variables_of(running.url)
        command("plan", "-e", "production", variables=variables)
        apply = ("apply", PLAN, "--yes", "--ack", "sends=2")
        lost = command(*apply, variables=variables)
        assert (lost.returncode, "2  held" in lost.stdout) == (5, True)
        assert "leanplum-sync status shows them" in lost.stderr
        assert command(*apply, "--resume", variables=variables).returncode == 5
        assert "2  MessageSend/hello, hello-2026" in command("status", variables=variables).stdout
        with urllib.request.urlopen(f"{running.url}/_emulator/counts") as answer:
            assert json.load(answer)["requests"]["byAction"]["multi"] == 1


def test_a_reader_that_goes_away_changes_nothing_about_the_command(shop: Path, command: Command) -> None:
    shell = f"{sys.executable} -m leanplum_sync schema | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", shell], cwd=shop, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("0\n", "")


def test_the_emulator_prints_variables_that_point_at_it_and_ends_well(start: Start, shop: Path) -> None:
    process = start({}, "emulator", "--port", "0", "--seed", "seed/users.ndjson")
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(6)]
    assert lines[0].startswith("export LEANPLUM_API_URL=http://127.0.0.1:")
    assert "export LEANPLUM_APP_ID=app_emulator\n" in lines
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, "nothing real is touched" in err) == (0, True)


def on_a_terminal(shop: Path, answer: str, *arguments: str) -> tuple[int, str]:
    """Run the command on a terminal of its own, type *answer*, and return its exit code and all that was shown."""
    ours, theirs = pty.openpty()
    environ = {"PATH": os.environ["PATH"], "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "30"}
    process = subprocess.Popen(
        [sys.executable, "-m", "leanplum_sync", *arguments],
        cwd=shop,
        env=environ,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    shown = bytearray()

    def read() -> None:
        try:
            while part := os.read(ours, 4096):
                shown.extend(part)
        except OSError:
            pass  # how Linux says that a terminal has closed

    reading = threading.Thread(target=read)
    reading.start()
    if answer:
        while b"go ahead" not in shown and process.poll() is None:
            time.sleep(0.01)
        os.write(ours, f"{answer}\n".encode())
    code = process.wait(timeout=60)
    reading.join(timeout=10)
    os.close(ours)
    return code, shown.decode()


def test_on_a_terminal_the_number_of_users_is_typed_back(shop: Path, command: Command) -> None:
    command("plan")
    code, shown = on_a_terminal(shop, "5", "apply", ".leanplum-sync/sandbox.lpplan")
    assert (code, "nothing was sent" in shown) == (130, True)
    code, shown = on_a_terminal(shop, "4", "apply", ".leanplum-sync/sandbox.lpplan")
    assert code == 0
    assert "This changes 4 users in sandbox (embedded emulator, nothing real is touched)." in shown
    assert "Applied to " in shown


@pytest.mark.parametrize("options", [(), ("--no-color",)])
def test_colour_is_for_terminals_and_can_be_switched_off(options: tuple[str, ...], shop: Path) -> None:
    _, shown = on_a_terminal(shop, "", "validate", *options)
    assert ("\x1b[" in shown) is (not options)


def test_an_error_nobody_foresaw_is_one_sentence_without_values(shop: Path, command: Command) -> None:
    code = (
        "import leanplum_sync.spec.loading as loading\n"
        "def fail(*_): raise KeyError('ada@example.com')\n"
        "loading.read_file = fail\n"
        "from leanplum_sync.cli import program\n"
        "raise SystemExit(program.run(['validate']))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=shop, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: unexpected KeyError in spec/loading.py:")
    assert done.stderr.count("\n") == 1
    assert "ada@example.com" not in done.stderr
    variables = {**os.environ, "LEANPLUM_SYNC_DEBUG": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=shop, env=variables, capture_output=True, text=True, check=False
    )
    assert "Traceback" in done.stderr


def test_a_disk_or_permission_error_is_one_sentence(shop: Path, command: Command) -> None:
    (shop / "folder").mkdir()
    done = command("plan", "-o", "text=folder")
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, "Error: folder: Is a directory.")
