"""What others build on: the action, the hooks of pre-commit, and the container file."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from shell import ROOT, Shell

from leanplum_sync.cli.program import VERBS


def load(name: str) -> Any:
    return YAML(typ="safe").load((ROOT / name).read_text())


@pytest.fixture
def act(tmp_path: Path) -> Callable[..., tuple[int, str, str]]:
    """Run the action's last step, on what is installed here, with these arguments."""
    temp = tmp_path / "temp"
    (temp / "leanplum-sync" / "bin").mkdir(parents=True)
    command = temp / "leanplum-sync" / "bin" / "leanplum-sync"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m leanplum_sync "$@"\n')
    command.chmod(0o755)

    def run(arguments: str, folder: Path) -> tuple[int, str, str]:
        step = load("action.yml")["runs"]["steps"][-1]
        output = tmp_path / "output"
        output.write_text("")
        assert "${{" not in step["run"]
        environ = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(tmp_path),
            "RUNNER_TEMP": str(temp),
            "GITHUB_OUTPUT": str(output),
            "ARGUMENTS": arguments,
        }
        options = {"cwd": folder, "env": environ, "stdin": subprocess.DEVNULL}
        done = subprocess.run(  # as GitHub runs what says `shell: bash`
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            capture_output=True, text=True, check=False, **options,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr, output.read_text()

    return run


def test_the_action_runs_a_command_and_tells_its_exit_code(
    act: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    Shell(tmp_path).run("init", "shop")
    code, said, output = act("plan --detailed-exitcode", tmp_path / "shop")
    assert (code, output) == (2, "exit-code=2\n")
    assert "4 of 6 listed users would change" in said


def test_the_action_parts_words_as_a_shell_does_and_carries_nothing_out(
    act: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    code, said, _ = act("validate 'no such file' $(touch made); touch made", tmp_path)
    assert (code, list(tmp_path.glob("made"))) == (3, [])
    assert "no such file" in said or "project file" in said


def test_the_hooks_run_commands_that_there_are_on_the_files_of_a_project(tmp_path: Path) -> None:
    Shell(tmp_path).run("init", ".")
    files = [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()]
    for hook in load(".pre-commit-hooks.yaml"):
        command, verb = hook["entry"].split()
        assert command == "leanplum-sync"
        assert verb in VERBS
        matched = [
            file for file in files if re.search(hook["files"], file) and not re.search(hook["exclude"], file)
        ]
        assert {"leanplum-sync.yaml", "specs/loyalty.yaml"} <= set(matched)
        assert not any(file.startswith(".") for file in matched)
        names = matched if hook.get("pass_filenames", True) else []
        Shell(tmp_path).run(verb, *(name for name in names if name.endswith(".yaml")))


@pytest.mark.parametrize("name", [".containerignore"])
def test_the_image_is_made_of_files_that_there_are(name: str) -> None:
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", (ROOT / "Containerfile").read_text(), re.MULTILINE)
    files = {file for line in copied for file in line.split()}
    allowed = {line[1:] for line in (ROOT / name).read_text().splitlines() if line.startswith("!")}
    assert files == allowed
    assert all((ROOT / file).exists() for file in files)


def test_the_image_runs_as_nobody_in_particular() -> None:
    last = (ROOT / "Containerfile").read_text().rpartition("\nFROM ")[2]
    assert re.search(r"^USER \d+$", last, re.MULTILINE)
    assert 'ENTRYPOINT ["leanplum-sync"]' in last


def test_the_action_is_what_its_schema_allows() -> None:
    check = [
        sys.executable,
        "-m",
        "check_jsonschema",
        "--builtin-schema",
        "vendor.github-actions",
        "action.yml",
    ]
    done = subprocess.run(check, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
