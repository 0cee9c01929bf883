"""What shells complete, asked as they ask; and the manual page."""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from shell import ROOT

from leanplum_sync.cli.program import COMMANDS
from leanplum_sync.project.model import FILE_NAME

Complete = Callable[..., list[str]]


@pytest.fixture
def complete(shop: Path, tmp_path: Path) -> Complete:
    """Return what is offered for the last of *words*, in a new project."""

    def ask(*words: str) -> list[str]:
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "_LEANPLUM_SYNC_COMPLETE": "bash_complete",
            "COMP_WORDS": " ".join(["leanplum-sync", *words]),
            "COMP_CWORD": str(len(words)),
        }
        command = [
            sys.executable,
            "-c",
            "import sys; sys.argv[0] = 'leanplum-sync'; import leanplum_sync.cli as c; c.main()",
        ]
        done = subprocess.run(command, cwd=shop, env=environ, capture_output=True, text=True, check=False)
        assert done.stderr == ""
        return [line.removeprefix("plain,") for line in done.stdout.splitlines() if line]

    return ask


def test_verbs_and_options_are_completed(complete: Complete) -> None:
    assert complete("") == list(COMMANDS)
    assert complete("val") == ["validate"]
    assert complete("plan", "--det") == ["--detailed-exitcode"]
    assert complete("journal", "ver") == ["verify"]


@pytest.mark.parametrize(
    "words", [("plan", "-e"), ("-e",), ("--project", FILE_NAME, "plan", "--environment")]
)
def test_environments_are_those_of_the_project(words: tuple[str, ...], complete: Complete) -> None:
    assert complete(*words, "") == ["sandbox", "production"]
    assert complete(*words, "pro") == ["production"]


def test_a_project_that_is_wrong_offers_nothing_and_says_nothing(complete: Complete, shop: Path) -> None:
    (shop / FILE_NAME).write_text("kind: [")
    assert complete("plan", "-e", "") == []


def test_plans_are_completed_and_where_there_are_none_any_file(complete: Complete, shop: Path) -> None:
    assert complete("apply", "") == ["file,"]
    (shop / ".leanplum-sync").mkdir()
    (shop / ".leanplum-sync" / "sandbox.lpplan").touch()
    (shop / "mine.lpplan").touch()
    (shop / "data" / "other.lpplan").touch()
    assert complete("apply", "") == [".leanplum-sync/sandbox.lpplan", "mine.lpplan"]
    assert complete("show", "data/o") == ["data/other.lpplan"]


def test_kinds_actions_and_formats_are_completed(complete: Complete) -> None:
    assert complete("schema", "U") == ["UserAttributes"]
    assert complete("call", "exportU")[0] == "exportUser"
    assert {"text", "json", "markdown"} <= set(complete("plan", "-o", ""))


@pytest.mark.parametrize(
    ("shell", "loads"),
    [("bash", "complete -p leanplum-sync"), ("zsh", 'autoload -U compinit; compinit -D -u; eval "$script"; print $_comps[leanplum-sync]'), ("fish", "complete -c leanplum-sync")],
)  # fmt: skip
def test_each_shell_takes_the_script(shell: str, loads: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here")
    tool = tmp_path / "leanplum-sync"
    tool.write_text(f'#!/bin/sh\nexec {sys.executable} -m leanplum_sync "$@"\n')
    tool.chmod(0o755)
    environ = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "HOME": str(tmp_path), "LANG": "C.UTF-8"}
    made = subprocess.run(
        ["leanplum-sync"], env={**environ, "_LEANPLUM_SYNC_COMPLETE": f"{shell}_source"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    script = f"{loads}" if shell == "zsh" else f"{made.stdout}\n{loads}"
    done = subprocess.run(
        [shell, "-c", script],
        env={**environ, "script": made.stdout},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "leanplum" in done.stdout


def test_the_manual_page_is_up_to_date_and_has_every_command_and_exit_code() -> None:
    page = runpy.run_path(str(ROOT / "docs/manual.py"))["manual"]()
    assert (ROOT / "docs/leanplum-sync.1").read_text() == page
    for verb in COMMANDS:
        assert f"\n.SS {verb.replace('-', chr(92) + '-')} " in page
    assert page.count("\n.TP\n") > 80


@pytest.mark.skipif(shutil.which("groff") is None, reason="there is no groff here")
def test_the_manual_page_is_sound_for_groff() -> None:
    page = str(ROOT / "docs/leanplum-sync.1")
    done = subprocess.run(
        ["groff", "-man", "-ww", "-Tascii", page], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
