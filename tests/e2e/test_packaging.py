"""What others build on: the action, the hooks of pre-commit, and the container file."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from shell import ROOT, Shell

from leanplum_sync.cli.program import COMMANDS


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


def test_the_action_installs_itself_and_puts_the_command_alone_on_the_path(tmp_path: Path) -> None:
    """Its steps in order; instead of a real environment there is one whose pip writes down what it is asked for."""
    tools, temp = tmp_path / "tools", tmp_path / "temp"
    for folder in (tools, temp):
        folder.mkdir()
    made = temp / "leanplum-sync" / "bin"
    python, pip = tools / "python", tools / "pip"
    python.write_text(
        f'#!/bin/sh\n[ "$1 $2" = "-m venv" ] || exec {sys.executable} "$@"\nmkdir -p "$3/bin"\ncp {pip} "$3/bin/pip"\n'
    )
    pip.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$@" >> {tmp_path}/asked\n'
        f"printf '#!/bin/sh\\nexec {sys.executable} -m leanplum_sync \"$@\"\\n' > {made}/leanplum-sync\n"
        f"chmod +x {made}/leanplum-sync\n"
    )
    for file in (python, pip):
        file.chmod(0o755)
    files = {name: tmp_path / name.lower() for name in ("GITHUB_PATH", "GITHUB_OUTPUT")}
    environ = {
        "PATH": f"{tools}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "RUNNER_TEMP": str(temp),
        "GITHUB_ACTION_PATH": str(ROOT),
        "ARGUMENTS": "init shop",
        **{name: str(path) for name, path in files.items()},
    }
    # Twice, as a job does that runs two commands.
    for step in load("action.yml")["runs"]["steps"][:-1] + load("action.yml")["runs"]["steps"]:
        if "run" in step:
            subprocess.run(
                ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
                cwd=tmp_path, env=environ, check=True, capture_output=True, stdin=subprocess.DEVNULL,
            )  # fmt: skip
    *_, hashes, _, pinned, _, _, no_deps, package = (tmp_path / "asked").read_text().splitlines()
    assert (hashes, no_deps) == ("--require-hashes", "--no-deps")
    assert Path(pinned).samefile(ROOT / "requirements.txt")
    assert Path(package).samefile(ROOT)
    assert files["GITHUB_OUTPUT"].read_text() == "exit-code=0\n"
    first, second = files["GITHUB_PATH"].read_text().splitlines()
    assert first == second
    on_path = Path(first)
    assert [each.name for each in on_path.iterdir()] == ["leanplum-sync"]
    told = subprocess.run(
        ["leanplum-sync", "validate"],
        cwd=tmp_path / "shop", env={"PATH": f"{on_path}:{os.environ['PATH']}"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert told.stdout.startswith("Valid: ")


def test_the_hooks_run_commands_that_there_are_on_the_files_of_a_project(tmp_path: Path) -> None:
    Shell(tmp_path).run("init", ".")
    files = [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()]
    for hook in load(".pre-commit-hooks.yaml"):
        command, verb = hook["entry"].split()
        assert command == "leanplum-sync"
        assert verb in COMMANDS
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


@pytest.mark.parametrize(
    ("file", "pattern"),
    [
        ("Containerfile", r"^FROM (\S+)"),
        ("leanplum_sync/cli/templates/gitlab.yaml", r"^  image: (\S+)"),
        ("action.yml", r"uses: (\S+)"),
        (".github/workflows/release.yml", r"uses: (\S+)"),
        ("leanplum_sync/cli/templates/github.yaml", r"uses: (\S+)"),
    ],
)
def test_images_and_actions_are_pinned(file: str, pattern: str) -> None:
    used = re.findall(pattern, (ROOT / file).read_text(), re.MULTILINE)
    assert used
    for each in used:
        assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}|[\w./:-]+@sha256:[0-9a-f]{64}", each), each


def test_the_image_runs_as_nobody_in_particular() -> None:
    last = (ROOT / "Containerfile").read_text().rpartition("\nFROM ")[2]
    assert re.search(r"^USER \d+$", last, re.MULTILINE)
    assert 'ENTRYPOINT ["leanplum-sync"]' in last


@pytest.mark.parametrize(
    ("schema", "file"),
    [("github-actions", "action.yml"), ("github-workflows", ".github/workflows/release.yml")],
)
def test_the_action_and_the_workflow_are_what_their_schemas_allow(schema: str, file: str) -> None:
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", file]
    done = subprocess.run(check, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_a_release_is_published_by_a_job_that_has_no_other_permission_and_runs_nothing_of_ours() -> None:
    workflow = load(".github/workflows/release.yml")
    jobs = workflow["jobs"]
    assert workflow["permissions"] == {}
    assert [name for name, job in jobs.items() if job["permissions"].get("contents") == "write"] == ["attach"]
    assert jobs["publish"]["permissions"] == {"id-token": "write"}
    assert jobs["publish"]["environment"] == "release"
    assert not any(
        "checkout" in step.get("uses", "") for name in ("publish", "attach") for step in jobs[name]["steps"]
    )
    used = [step["uses"] for job in jobs.values() for step in job["steps"] if "uses" in step]
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", each) for each in used)
    assert "${{" not in "".join(step.get("run", "") for job in jobs.values() for step in job["steps"])


def _pinned(file: str) -> dict[str, str]:
    found = re.findall(r"^([A-Za-z0-9._-]+)==([^ ;\\\n]+)", (ROOT / file).read_text(), re.MULTILINE)
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in found}


def test_what_pipelines_install_is_pinned_with_hashes_and_to_the_versions_that_ci_tests() -> None:
    text = (ROOT / "requirements.txt").read_text()
    pinned, tested = _pinned("requirements.txt"), _pinned("constraints.txt")
    assert {name: version for name, version in pinned.items() if tested.get(name, version) != version} == {}
    for block in re.split(r"\n(?=\S)", text.strip())[1:]:
        assert "--hash=sha256:" in block
    assert "://" not in text
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    needed = [*project["dependencies"], *extras["encryption"], *extras["postgres"]]
    names = {re.sub(r"[-_.]+", "-", re.split(r"[\[<>=~!; ]", each)[0]).lower() for each in needed}
    assert names <= pinned.keys()
