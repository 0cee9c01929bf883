"""The command as a process: signals, pipes that close, a terminal, errors nobody foresaw."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from files import ndjson
from hello import HELLO, send_hello
from shell import TIMEOUT_SECONDS, Command, Served, Shell, Start
from terminal import Terminal
from waiting import lines_until, wait_for

from leanplum_sync import emulator

PLAN = ".leanplum-sync/production.lpplan"


@pytest.fixture
def app(shop: Path) -> Iterator[Served]:
    """An emulator that holds each ``multi``."""
    with emulator.running(seeds=[shop / "seed" / "users.ndjson"]) as running:
        served = Served(running.url)
        served.hold("multi")
        yield served


@pytest.fixture
def served(app: Served) -> dict[str, str]:
    return app.environ


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_lets_what_is_on_its_way_finish_and_the_same_command_does_the_rest(
    *,
    start: Start,
    number: signal.Signals,
    code: int,
    shop: Path,
    app: Served,
    served: dict[str, str],
    command: Command,
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
    process = start(Shell(shop, served), *apply)
    assert process.stderr is not None
    assert "Applying to production" in process.stderr.readline()
    wait_for(app.holds)
    process.send_signal(number)
    said = lines_until(process.stderr, "in flight complete")
    app.release()
    out, err = process.communicate(timeout=TIMEOUT_SECONDS)
    err = said + err
    assert process.returncode == code, err
    assert "Interrupted" in out
    assert "Stopping after the requests in flight complete" in err
    assert f"leanplum-sync apply {PLAN} --resume" in err
    assert command(*apply, "--resume", variables=served).returncode == 0
    assert "No changes" in command("plan", "-e", "production", variables=served).stdout


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_second_signal_ends_it_at_once(
    *,
    start: Start,
    number: signal.Signals,
    code: int,
    shop: Path,
    app: Served,
    served: dict[str, str],
    command: Command,
) -> None:
    command("plan", "-e", "production", variables=served)
    process = start(Shell(shop, served), "apply", PLAN, "--yes")
    assert process.stderr is not None
    assert "Applying to production" in process.stderr.readline()
    wait_for(app.holds)
    process.send_signal(number)
    lines_until(process.stderr, "in flight complete")
    process.send_signal(number)
    _, err = process.communicate(timeout=TIMEOUT_SECONDS)
    assert process.returncode == code
    assert "Stopped at once" in err
    # The answer is still held: the journal knows that it is missing.
    assert states(command) == ["sent"]
    app.release()
    assert command("apply", PLAN, "--yes", "--resume", variables=served).returncode == 0
    assert states(command) == ["done"]
    assert "No changes" in command("plan", "-e", "production", variables=served).stdout


def states(command: Command) -> list[str]:
    shown = json.loads(command("journal", "show", "1", "-o", "json").stdout)
    return [entry["state"] for entry in shown["entries"]]


def test_a_second_run_beside_the_first_is_refused(
    start: Start, shop: Path, app: Served, served: dict[str, str], command: Command
) -> None:
    command("plan", "-e", "production", variables=served)
    first = start(Shell(shop, served), "apply", PLAN, "--yes")
    assert first.stderr is not None
    assert "Applying to production" in first.stderr.readline()
    wait_for(app.holds)
    second = command("apply", PLAN, "--yes", variables=served)
    assert second.returncode == 8
    app.release()
    first.communicate(timeout=TIMEOUT_SECONDS)
    assert first.returncode == 0


def test_a_plan_that_was_interrupted_while_reading_pays_for_no_user_twice(
    start: Start, shop: Path, command: Command
) -> None:
    data = shop / "data" / "customers.csv"
    data.write_text(data.read_text() + "".join(f"u{n},1,A\n" for n in range(60)))
    with emulator.running() as running:
        app = Served(running.url)
        app.hold("exportUser", after=20)
        variables = app.read_only
        process = start(Shell(shop, variables), "plan", "-e", "production")
        reading = shop / ".leanplum-sync" / "production.reading.ndjson"
        wait_for(lambda: reading.exists() and reading.stat().st_size)
        process.send_signal(signal.SIGINT)
        app.release()
        _, err = process.communicate(timeout=TIMEOUT_SECONDS)
        assert (process.returncode, err.splitlines()[-1]) == (130, "Interrupted.")
        kept = reading.read_bytes().splitlines()
        assert len(set(kept)) == len(kept) > 0
        resumed = json.loads(command("plan", "-e", "production", "-o", "json", variables=variables).stdout)
        assert resumed["cost"]["reads"] == 66 - len(kept)


def test_a_send_whose_answer_was_lost_is_held_for_a_person_and_never_sent_again(
    shop: Path, command: Command
) -> None:
    (shop / "specs" / "loyalty.yaml").write_text(send_hello('{inline: ["00001", "00002"]}'))
    seed = shop / "seed" / "users.ndjson"
    seed.write_text(ndjson(HELLO) + seed.read_text())
    with emulator.running(seeds=[seed], faults="cut-after:action=multi,times=1") as running:
        variables = Served(running.url).environ
        command("plan", "-e", "production", variables=variables)
        apply = ("apply", PLAN, "--yes", "--ack", "sends=2")
        lost = command(*apply, variables=variables)
        assert (lost.returncode, "2  held" in lost.stdout) == (5, True)
        assert "leanplum-sync status lists them" in lost.stderr
        assert command(*apply, "--resume", variables=variables).returncode == 5
        assert "2  MessageSend/hello, hello-2026" in command("status", variables=variables).stdout
        with urllib.request.urlopen(f"{running.url}/_emulator/counts") as answer:
            assert json.load(answer)["requests"]["byAction"]["multi"] == 1


def test_a_reader_that_goes_away_changes_nothing_about_the_command(shop: Path, command: Command) -> None:
    shell = f"{sys.executable} -m leanplum_sync schema | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", shell], cwd=shop, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("0\n", "")


def test_the_emulator_prints_variables_that_point_at_it_and_ends_well(start: Start, shop: Path) -> None:
    process = start(Shell(shop), "emulator", "--port", "0", "--seed", "seed/users.ndjson")
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(6)]
    assert lines[0].startswith("export LEANPLUM_API_URL=http://127.0.0.1:")
    assert "export LEANPLUM_APP_ID=app_emulator\n" in lines
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=TIMEOUT_SECONDS)
    assert (process.returncode, "It touches nothing real" in err) == (0, True)


def test_on_a_terminal_the_number_of_users_is_typed_back(shop: Path, command: Command) -> None:
    command("plan")
    apply = ("apply", ".leanplum-sync/sandbox.lpplan")
    with Terminal(shop, {}, *apply) as terminal:
        terminal.wait_for("anything else to stop: ")
        assert (
            "This changes 4 users in sandbox (embedded emulator, nothing real is touched)." in terminal.shown
        )
        terminal.answer("5")
        assert terminal.end() == 130
        assert "nothing was sent" in terminal.shown
    with Terminal(shop, {}, *apply) as terminal:
        terminal.wait_for("anything else to stop: ")
        terminal.answer("4")
        assert terminal.end() == 0
        assert "Applied to " in terminal.shown


@pytest.mark.parametrize("options", [(), ("--no-color",)])
def test_color_is_for_terminals_and_can_be_switched_off(options: tuple[str, ...], shop: Path) -> None:
    with Terminal(shop, {"TERM": "xterm-256color"}, "validate", *options) as terminal:
        terminal.end()
    assert ("\x1b[" in terminal.shown) is (not options)


def test_an_error_nobody_foresaw_is_one_sentence_without_values(shop: Path, command: Command) -> None:
    code = (
        "import leanplum_sync.specs.loading as loading\n"
        "def fail(*_): raise KeyError('ada@example.com')\n"
        "loading.read_file = fail\n"
        "from leanplum_sync.cli import program\n"
        "raise SystemExit(program.run(['validate']))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=shop, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: unexpected KeyError in specs/loading.py:")
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
    assert (done.returncode, done.stderr.splitlines()[-1]) == (74, "Error: folder: Is a directory.")
