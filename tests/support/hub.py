"""
Runs a GitHub workflow: its jobs in order, each in its own folder, and their ``run`` steps with bash.

GitHub's own parts are simulated: checkout uses git, artifacts are folders, and ``gh`` reads the files of a `Hub`. Conditions and
``${{ }}`` are evaluated as far as our workflows use them. Anything else fails.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jq
from machine import Machine, git
from ruamel.yaml import YAML

REPOSITORY = "shop/users"
FILES = ("comments", "issues", "pulls", "runs")
TOKEN = re.compile(r"\s*('(?:[^']|'')*'|&&|\|\||[!=]=|!|[A-Za-z_][\w.-]*|[()]|\d+)")
STATUS = re.compile(r"\b(success|failure|cancelled|always)\(\)")


@dataclass(slots=True)
class Step:
    job: str
    name: str
    code: int
    output: str
    environ: dict[str, str] = field(repr=False)


@dataclass(slots=True)
class Run:
    number: int
    results: dict[str, str] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    summary: str = ""

    def step(self, name: str) -> Step:
        return next(step for step in self.steps if step.name == name)

    @property
    def is_green(self) -> bool:
        return "failure" not in self.results.values()


@dataclass(slots=True)
class Hub:
    """
    The hub of one repository, with the *secrets* of the repository and the *protected* ones of the environment production.

    *variables* are in the environment of each step; *settings* are the repository's variables. Its jobs run on the *machine*.
    """

    folder: Path
    secrets: dict[str, str] = field(repr=False)
    protected: dict[str, str] = field(repr=False)
    variables: dict[str, str]
    machine: Machine
    inputs: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir()
        git(self.folder, "init", "--bare", "--quiet", "--initial-branch=main", "origin.git")
        tools = self.folder / "bin"
        tools.mkdir()
        for name, script in {
            "gh": f'exec {sys.executable} {__file__} "$@"',
            "pip": f'echo "$@" >> {self.folder}/pip\n{self.machine.pip}',
        }.items():
            (tools / name).write_text(f"#!/bin/sh\n{script}\n")
            (tools / name).chmod(0o755)
        for name in FILES:
            self.write(name, [])
        self.variables |= self.machine.variables

    @property
    def origin(self) -> Path:
        return self.folder / "origin.git"

    def read(self, name: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads((self.folder / f"{name}.json").read_text())
        return found

    def write(self, name: str, rows: list[dict[str, Any]]) -> None:
        (self.folder / f"{name}.json").write_text(json.dumps(rows))

    def run(
        self,
        event: str,
        sha: str,
        *,
        pull_request: dict[str, Any] | None = None,
        actor: str = "ada",
        inputs: dict[str, Any] | None = None,
        details: dict[str, Any] | None = None,
    ) -> Run:
        """
        Run the workflow of the commit *sha*, as GitHub does on *event*.

        *inputs* are those of ``workflow_dispatch``; *details* is what else the event tells.
        """
        run = Run(len(self.read("runs")) + 1)
        workflow = YAML(typ="safe").load(
            git(self.origin, "show", f"{sha}:.github/workflows/leanplum-sync.yaml")
        )
        is_ours = pull_request is None or pull_request["head"]["repo"]["full_name"] == REPOSITORY
        is_ours = is_ours and actor != "dependabot[bot]"
        declared = workflow["on"]["workflow_dispatch"]["inputs"]
        assert (inputs or {}).keys() <= declared.keys()
        defaults = {name: each["default"] for name, each in declared.items()}
        self.inputs = defaults | (inputs or {}) if event == "workflow_dispatch" else {}
        github: dict[str, Any] = {
            "event_name": event,
            "repository": REPOSITORY,
            "ref": "refs/heads/main" if pull_request is None else f"refs/pull/{pull_request['number']}/merge",
            "run_id": run.number,
            "actor": actor,
            "sha": sha,
            "token": "token" if is_ours else "reads only",
            "event": {"pull_request": pull_request or {}, **(details or {})},
        }
        for name, job in workflow["jobs"].items():
            run.results[name] = self._job(name, job, github, run, is_ours=is_ours)
        head = pull_request["head"]["sha"] if pull_request else sha
        is_skipped = set(run.results.values()) == {"skipped"}
        status = "skipped" if is_skipped else "success" if run.is_green else "failure"
        self.write(
            "runs",
            [*self.read("runs"), {"id": run.number, "event": event, "status": status, "head_sha": head}],
        )
        return run

    def _job(self, name: str, job: dict[str, Any], github: dict[str, Any], run: Run, *, is_ours: bool) -> str:
        needs = [job["needs"]] if isinstance(job.get("needs"), str) else job.get("needs", [])
        contexts: dict[str, Any] = {
            "github": github,
            "inputs": self.inputs,
            "vars": self.settings,
            "needs": {each: {"result": run.results[each]} for each in needs},
            "secrets": {**self.secrets, **(self.protected if job.get("environment") == "production" else {})}
            if is_ours
            else {},
            "steps": {},
        }
        ok = all(run.results[each] == "success" for each in needs)
        workspace = self.folder / f"run-{run.number}-{name}"
        if not holds(job.get("if"), contexts, workspace, ok=ok):
            return "skipped"
        workspace.mkdir()
        ok = True
        for number, step in enumerate(job["steps"]):
            if holds(step.get("if"), contexts, workspace, ok=ok):
                done = self._step(name, step, contexts, workspace, run, number=number)
                run.steps.append(done)
                ok = ok and done.code == 0
        shutil.rmtree(workspace)  # the machine is gone
        return "success" if ok else "failure"

    def _step(
        self,
        job: str,
        step: dict[str, Any],
        contexts: dict[str, Any],
        workspace: Path,
        run: Run,
        *,
        number: int,
    ) -> Step:
        title = step.get("name") or step.get("uses", "").partition("@")[0]
        with_ = {key: filled(value, contexts, workspace) for key, value in step.get("with", {}).items()}
        if "uses" in step:
            output = self._use(step["uses"].partition("@")[0], with_, contexts, workspace, run)
            return Step(job, title, 0 if output is None else 1, output or "", {})
        assert "${{" not in step["run"], "an expression in a script runs what somebody else wrote"
        files = {
            name: self.folder / f"{name}-{run.number}-{job}-{number}" for name in ("OUTPUT", "STEP_SUMMARY")
        }
        environ = {
            "PATH": f"{self.folder / 'bin'}:{self.machine.path}",
            "HOME": str(workspace.parent),
            "LANG": "C.UTF-8",
            "CI": "true",
            "HUB": str(self.folder),
            "GITHUB_REPOSITORY": REPOSITORY,
            "GITHUB_SHA": contexts["github"]["sha"],
            **{f"GITHUB_{name}": str(path) for name, path in files.items()},
            **self.variables,
            **{key: filled(value, contexts, workspace) for key, value in step.get("env", {}).items()},
        }
        done = subprocess.run(
            ["bash", "-e", "-c", step["run"]],
            cwd=workspace,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=3600,
            check=False,
        )
        outputs = files["OUTPUT"].read_text().splitlines() if files["OUTPUT"].exists() else []
        contexts["steps"][step.get("id", "")] = {"outputs": dict(line.split("=", 1) for line in outputs)}
        run.summary += files["STEP_SUMMARY"].read_text() if files["STEP_SUMMARY"].exists() else ""
        return Step(job, title, done.returncode, done.stdout + done.stderr, environ)

    def _use(
        self, action: str, with_: dict[str, str], contexts: dict[str, Any], workspace: Path, run: Run
    ) -> str | None:
        """Do what *action* does, and return the error message if it fails."""
        match action:
            case "actions/checkout":
                git(workspace, "clone", "--quiet", str(self.origin), ".")
                git(workspace, "fetch", "--quiet", "origin", "+refs/pull/*:refs/pull/*")
                git(workspace, "checkout", "--quiet", contexts["github"]["sha"])
            case "actions/setup-python":
                pass
            case "actions/upload-artifact":
                kept = self.folder / "artifacts" / str(run.number) / with_["name"]
                kept.mkdir(parents=True)
                shutil.copy(workspace / with_["path"], kept)
            case "actions/download-artifact":
                kept = self.folder / "artifacts" / with_["run-id"] / with_["name"]
                if not kept.exists():
                    return "Artifact not found"
                shutil.copytree(kept, workspace, dirs_exist_ok=True)
            case _:
                raise AssertionError(f"nothing stands in for {action}")
        return None


def vanishing(folder: Path) -> str:
    """Return the PYTHONPATH of a machine that vanishes once a request was sent, before the answer is recorded."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(
        "import os\n"
        "from leanplum_sync.client.writer import Writer\n"
        "send = Writer.send\n"
        "def vanish(*arguments, **options):\n"
        "    send(*arguments, **options)\n"
        "    os._exit(137)\n"
        "Writer.send = vanish\n"
    )
    return str(folder)


def holds(condition: str | None, contexts: dict[str, Any], workspace: Path, *, ok: bool) -> bool:
    """Tell whether a job or step runs. Without a condition on the status, everything before it must have succeeded."""
    text = (condition or "success()").strip().removeprefix("${{").removesuffix("}}")
    return (ok or STATUS.search(text) is not None) and bool(evaluated(text, contexts, workspace, ok=ok))


def filled(value: object, contexts: dict[str, Any], workspace: Path) -> str:
    def result(match: re.Match[str]) -> str:
        found = evaluated(match[1], contexts, workspace, ok=True)
        return "" if found is None else str(found)

    return re.sub(r"\$\{\{(.*?)\}\}", result, str(value))


def evaluated(text: str, contexts: dict[str, Any], workspace: Path, *, ok: bool) -> Any:
    words = {"&&": "and", "||": "or", "!": "not "}
    parts, position = [], 0
    while text[position:].strip():
        match = TOKEN.match(text, position)
        assert match is not None, f"what does {text[position:]!r} mean?"
        token, position = match[1], match.end()
        is_call = text[position:].startswith("(")
        is_name = re.fullmatch(r"[A-Za-z_].*", token) is not None
        parts.append(words.get(token) or (f"get({token!r})" if is_name and not is_call else token))

    def get(path: str) -> Any:
        value: Any = contexts
        for part in path.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        return value

    functions = {
        "success": lambda: ok,
        "failure": lambda: not ok,
        "cancelled": lambda: False,
        "hashFiles": lambda pattern: "hash" if list(workspace.glob(pattern)) else "",
        "get": get,
    }
    return eval(" ".join(parts), {"__builtins__": {}}, functions)


def answer(method: str, address: str, fields: dict[str, str], folder: Path) -> list[Any]:
    """Return the pages that GitHub would answer with."""
    hub = {name: json.loads((folder / f"{name}.json").read_text()) for name in FILES}
    path, _, query = address.removeprefix(f"repos/{REPOSITORY}/").partition("?")
    wanted = dict(pair.split("=", 1) for pair in query.split("&") if pair)
    match method, path.split("/"):
        case "GET", ["issues", _, "comments"]:
            return [hub["comments"][:1], hub["comments"][1:]]
        case "POST", ["issues", _, "comments"]:
            row = {
                "id": len(hub["comments"]) + 1,
                "user": {"type": "Bot"},
                "html_url": "https://hub.test/new",
                **fields,
            }
            rows = [*hub["comments"], row]
        case "PATCH", ["issues", "comments", number]:
            row = {"html_url": "https://hub.test/changed"}
            rows = [each | fields if each["id"] == int(number) else each for each in hub["comments"]]
        case "GET", ["issues"]:
            return [[each for each in hub["issues"] if each["state"] == wanted["state"]]]
        case "POST", ["issues"]:
            row = {"number": len(hub["issues"]) + 1, "state": "open", "user": {"type": "Bot"}, **fields}
            (folder / "issues.json").write_text(json.dumps([*hub["issues"], row]))
            return [{"html_url": "https://hub.test/new"}]
        case "PATCH", ["issues", number]:
            rows = [each | fields if each["number"] == int(number) else each for each in hub["issues"]]
            (folder / "issues.json").write_text(json.dumps(rows))
            return [{"html_url": "https://hub.test/changed"}]
        case "GET", ["commits", _, "pulls"]:
            return [hub["pulls"]]
        case "GET", ["actions", "workflows", "leanplum-sync.yaml", "runs"]:
            found = [run for run in reversed(hub["runs"]) if wanted.items() <= run.items()]
            return [{"workflow_runs": found}]
        case _:
            raise SystemExit(f"gh: nothing stands in for {method} {address}")
    (folder / "comments.json").write_text(json.dumps(rows))
    return [row]


def gh(arguments: list[str]) -> None:
    """Do what ``gh api`` does with these arguments."""
    assert os.environ["GH_TOKEN"] == "token", "this token may not"
    method, address, query = "GET", "", "."
    fields: dict[str, str] = {}
    rest = iter(arguments)
    assert next(rest) == "api"
    for argument in rest:
        match argument:
            case "-X":
                method = next(rest)
            case "-F":
                name, _, value = next(rest).partition("=")
                fields[name] = Path(value[1:]).read_text(encoding="utf-8") if value.startswith("@") else value
            case "--jq":
                query = next(rest)
            case "--paginate":
                pass
            case _:
                address = argument
    for page in answer(method, address, fields, Path(os.environ["HUB"])):
        for value in jq.compile(query).input_value(page).all():
            print(value if isinstance(value, str) else json.dumps(value))  # noqa: T201 - a command's output


if __name__ == "__main__":
    gh(sys.argv[1:])
