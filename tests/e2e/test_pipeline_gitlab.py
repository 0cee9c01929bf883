"""The GitLab file that ``init`` writes: the scripts of its jobs, with bash, in order, and a server for the note."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hello import HELLO, send_hello
from hub import vanishing
from journals import shift_doubts
from machine import Machine
from postgresql import Server
from ruamel.yaml import YAML
from shell import Served, Shell


@dataclass(slots=True)
class GitLab:
    """*notes* are those of one merge request; some of them are somebody else's."""

    project: Path
    served: Served
    variables: dict[str, str]
    machine: Machine
    notes: list[dict[str, Any]] = field(default_factory=list)
    issues: list[dict[str, Any]] = field(default_factory=list)

    def run(self, job: str, workspace: Path, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run the job's scripts in *workspace*, a fresh copy of the project, as GitLab does: the second one whatever happens."""
        described = YAML(typ="safe").load((self.project / ".gitlab-ci.yml").read_text())[job]
        shutil.copytree(self.project, workspace, dirs_exist_ok=True)
        tools = workspace.parent / "bin"
        tools.mkdir(exist_ok=True)
        (tools / "pip").write_text(f"#!/bin/sh\n{self.machine.pip}\n")
        (tools / "pip").chmod(0o755)
        environ = {
            "PATH": f"{tools}:{self.machine.path}",
            "HOME": str(workspace.parent),
            "LANG": "C.UTF-8",
            **self.variables,
            **variables,
        }

        def bash(script: list[str]) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                ["bash", "-eo", "pipefail", "-c", "\n".join(script)],
                cwd=workspace,
                env=environ,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            )

        done = bash(described["script"])
        after = bash(described.get("after_script", ["true"]))
        assert after.returncode == 0, after.stderr
        return done


@pytest.fixture
def gitlab(
    tmp_path: Path, serve: Callable[..., Served], postgresql: Server, machine: Machine
) -> Iterator[GitLab]:
    project = tmp_path / "shop"
    project.mkdir()
    Shell(project).run("init")
    served = serve(HELLO, seeds=[project / "seed" / "users.ndjson"])
    variables = {
        **served.read_only,
        **machine.variables,
        "LEANPLUM_SYNC_JOURNAL": postgresql.new_database(),
        "LEANPLUM_SYNC_PLAN_KEY": Shell(project).run("key").stdout.strip(),
        "CI_PROJECT_ID": "7",
    }
    found = GitLab(project, served, variables, machine)

    class Notes(BaseHTTPRequestHandler):
        def answer(self, body: object, page: str = "") -> None:
            assert self.headers["PRIVATE-TOKEN"] == "token"
            self.send_response(200)
            self.send_header("X-Next-Page", page)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def sent(self) -> Any:
            return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

        def do_GET(self) -> None:
            if "/issues?" in self.path:
                self.answer([each for each in found.issues if each.get("state_event") != "close"])
                return
            first = self.path.endswith("&page=1")
            self.answer(found.notes[:1] if first else found.notes[1:], "2" if first else "")

        def do_POST(self) -> None:
            rows = found.issues if self.path.endswith("/issues") else found.notes
            rows.append({"id": len(rows) + 1, "iid": len(rows) + 1, **self.sent()})
            self.answer({})

        def do_PUT(self) -> None:
            rows = found.issues if "/issues/" in self.path else found.notes
            rows[int(self.path.rpartition("/")[2]) - 1] |= self.sent()
            self.answer({})

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Notes)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    found.notes.append({"id": 1, "body": "Looks good."})
    found.variables["CI_API_V4_URL"] = f"http://127.0.0.1:{server.server_port}/api/v4"
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


MERGE_REQUEST = {
    "CI_PROJECT_ID": "7",
    "CI_MERGE_REQUEST_IID": "3",
    "LEANPLUM_SYNC_GITLAB_TOKEN": "token",
}


def test_a_merge_request_is_planned_its_note_writes_itself_again_and_the_plan_after_the_merge_is_applied(
    gitlab: GitLab, tmp_path: Path
) -> None:
    assert gitlab.run("check", tmp_path / "check").returncode == 0
    for number in range(2):
        done = gitlab.run("plan", tmp_path / f"plan-{number}", **MERGE_REQUEST)
        assert done.returncode == 0, done.stderr
    other, ours = gitlab.notes
    assert other["body"] == "Looks good."
    assert ours["body"].startswith("<!-- leanplum-sync plan production app_emulator -->\n")

    assert gitlab.run("plan", tmp_path / "merged").returncode == 0
    machine = tmp_path / "machine"
    machine.mkdir()
    shutil.copy(tmp_path / "merged" / "production.lpplan", machine)
    applied = gitlab.run("apply", machine, LEANPLUM_PRODUCTION_KEY="prod_emulator")
    assert applied.returncode == 0, applied.stderr
    assert "Applied to " in (machine / "receipt.md").read_text()
    assert "No changes" in gitlab.run("plan", tmp_path / "after").stdout
    assert gitlab.run("drift", tmp_path / "drift").returncode == 0


def test_a_plan_over_budget_is_red_and_has_its_note(gitlab: GitLab, tmp_path: Path) -> None:
    file = gitlab.project / "leanplum-sync.yaml"
    file.write_text(file.read_text().replace("removals: 1000", "removals: 1"))
    assert gitlab.run("plan", tmp_path / "plan", **MERGE_REQUEST).returncode == 6
    assert "removals" in gitlab.notes[1]["body"]


def test_without_a_token_there_is_no_note_and_without_a_journal_nothing_is_applied(
    gitlab: GitLab, tmp_path: Path
) -> None:
    variables = {**MERGE_REQUEST, "LEANPLUM_SYNC_GITLAB_TOKEN": ""}
    assert gitlab.run("plan", tmp_path / "plan", **variables).returncode == 0
    assert len(gitlab.notes) == 1
    assert gitlab.run("apply", tmp_path / "apply", LEANPLUM_SYNC_JOURNAL="").returncode == 9


def test_an_unencrypted_plan_is_not_kept_and_nothing_is_installed_from_an_index(
    gitlab: GitLab, tmp_path: Path
) -> None:
    done = gitlab.run("plan", tmp_path / "plan", LEANPLUM_SYNC_PLAN_KEY="")
    assert (done.returncode, (tmp_path / "plan" / "production.lpplan").exists()) == (9, False)
    assert gitlab.run("check", tmp_path / "check", LEANPLUM_SYNC_COMMIT="").returncode == 64


def test_a_plan_over_budget_is_consented_to_applied_resumed_and_undone_from_other_machines(
    gitlab: GitLab, tmp_path: Path
) -> None:
    file = gitlab.project / "leanplum-sync.yaml"
    file.write_text(file.read_text().replace("removals: 1000", "removals: 1"))
    planned = gitlab.run("plan", tmp_path / "first", ACK="removals=77")
    assert planned.returncode == 0
    found = re.search(r"--ack (removals=\d+)", planned.stderr)
    assert found is not None
    keys = {"LEANPLUM_PRODUCTION_KEY": "prod_emulator", "ACK": found[1]}
    assert gitlab.run("apply", planned_in(tmp_path / "first", "a"), **keys | {"ACK": ""}).returncode == 6
    killed = {"PYTHONPATH": vanishing(tmp_path / "hook")}
    assert gitlab.run("apply", planned_in(tmp_path / "first", "b"), **keys | killed).returncode == 137
    shift_doubts(
        gitlab.variables["LEANPLUM_SYNC_JOURNAL"], -3600, gitlab.variables["LEANPLUM_SYNC_PLAN_KEY"]
    )  # the request has settled
    resumed = gitlab.run("resume", tmp_path / "second", **keys)
    assert resumed.returncode == 0, resumed.stderr
    refused = gitlab.run("undo", tmp_path / "third", **keys, RUN="1")
    found = re.search(r"add --ack (removals=\d+)", refused.stderr)
    assert (refused.returncode, found is None) == (6, False)
    assert found is not None
    undone = gitlab.run("undo", tmp_path / "fifth", **keys | {"ACK": found[1]}, RUN="1")
    assert undone.returncode == 0, undone.stderr
    assert "Applied to " in (tmp_path / "fifth" / "receipt.md").read_text()
    refused = gitlab.run("resolve", tmp_path / "fourth", RUN="1", DECISION="done")
    assert "has no held actions" in refused.stderr


def test_first_sends_are_held_decided_about_and_sent(gitlab: GitLab, tmp_path: Path) -> None:
    spec = gitlab.project / "specs" / "hello.yaml"
    spec.write_text(send_hello('{inline: ["00001", "00002"]}'))
    keys = {"LEANPLUM_PRODUCTION_KEY": "prod_emulator", "ACK": "sends=2"}
    assert gitlab.run("plan", tmp_path / "plan", ACK="sends=2").returncode == 0
    refused = gitlab.run("apply", planned_in(tmp_path / "plan", "a"), **keys)
    assert (refused.returncode, "--new-journal" in refused.stderr) == (7, True)
    gitlab.served.faults("cut-before:action=sendMessage,times=1")
    held = gitlab.run("apply", planned_in(tmp_path / "plan", "b"), **keys, NEW_JOURNAL="true")
    assert held.returncode == 5, held.stderr
    shift_doubts(gitlab.variables["LEANPLUM_SYNC_JOURNAL"], -3600, gitlab.variables["LEANPLUM_SYNC_PLAN_KEY"])
    assert gitlab.run("resolve", tmp_path / "resolve", RUN="1", DECISION="again").returncode == 0
    resumed = gitlab.run("resume", tmp_path / "resume", **keys, RUN="1")
    assert resumed.returncode == 0, resumed.stderr
    assert gitlab.served.sends() == {"00001": 1, "00002": 1}


@pytest.mark.parametrize(
    ("draft", "reads", "said"),
    [
        ("--shard 1/3", range(1, 6), "about one user in 3"),
        ("--observed kept.ndjson", range(1), "Reading it costs 6 billable lookups."),
    ],
)
def test_a_merge_request_plans_a_draft_and_the_merge_plans_in_full(
    draft: str, reads: range, said: str, gitlab: GitLab, tmp_path: Path
) -> None:
    gitlab.variables["LEANPLUM_SYNC_DRAFT"] = draft
    Shell(gitlab.project, gitlab.variables).run("pull", "-e", "production", "--out", "kept.ndjson")
    pulled = gitlab.served.counts()["billableLookups"]["reads"]
    assert gitlab.run("plan", tmp_path / "draft", **MERGE_REQUEST).returncode == 0
    read = gitlab.served.counts()["billableLookups"]["reads"]
    assert read - pulled in reads
    assert said in gitlab.notes[1]["body"]
    assert (
        "This is a draft, which is never applied. The full plan is made after the merge."
        in gitlab.notes[1]["body"]
    )
    assert gitlab.run("plan", tmp_path / "full").returncode == 0
    assert gitlab.served.counts()["billableLookups"]["reads"] == read + 6


def planned_in(workspace: Path, name: str) -> Path:
    """Return the workspace of another job, with nothing but the artifact of the plan job in *workspace*."""
    machine = workspace.with_name(f"machine-{name}")
    machine.mkdir()
    shutil.copy(workspace / "production.lpplan", machine)
    return machine


def test_drift_opens_one_issue_and_closes_it(gitlab: GitLab, tmp_path: Path) -> None:
    variables = {"LEANPLUM_SYNC_GITLAB_TOKEN": "token", "LEANPLUM_PRODUCTION_KEY": "prod_emulator"}
    assert gitlab.run("plan", tmp_path / "plan").returncode == 0
    machine = tmp_path / "machine"
    machine.mkdir()
    shutil.copy(tmp_path / "plan" / "production.lpplan", machine)
    assert gitlab.run("apply", machine, **variables).returncode == 0
    shell = Shell(gitlab.project, {**gitlab.variables, **variables})

    def change(tier: str) -> None:
        attributes = f"userAttributes={json.dumps({'tier': tier})}"
        shell.run("call", "setUserAttributes", "userId=00003", attributes, "-e", "production", "--yes")

    change("platinum")
    for number in range(2):
        assert gitlab.run("drift", tmp_path / f"drift-{number}", **variables).returncode == 2
        [issue] = gitlab.issues
        assert issue["title"] == "Drift in production"
    change("bronze")
    assert gitlab.run("drift", tmp_path / "drift-after", **variables).returncode == 0
    assert gitlab.issues[0]["state_event"] == "close"


MERGED = {"CI_PIPELINE_SOURCE": "push", "CI_COMMIT_BRANCH": "main"}
BY_HAND = {"CI_PIPELINE_SOURCE": "web", "CI_COMMIT_BRANCH": "main"}
REQUESTED = {"CI_PIPELINE_SOURCE": "merge_request_event", "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "7"}


@pytest.mark.parametrize(
    ("variables", "changed", "jobs"),
    [
        (REQUESTED, "specs/a/b.yaml", {"check", "plan"}),
        (REQUESTED, "README.md", set()),
        (REQUESTED | {"CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "8"}, "specs/a.yaml", {"check"}),  # from a fork
        (MERGED, "data/customers.csv", {"check", "plan", "apply"}),
        (MERGED, "docs/a.md", set()),
        (MERGED, ".gitlab-ci.yml", set()),
        (REQUESTED, ".gitlab-ci.yml", {"check", "plan"}),
        ({"CI_PIPELINE_SOURCE": "push", "CI_COMMIT_BRANCH": "change"}, "specs/a.yaml", None),
        (BY_HAND, "", {"plan", "apply"}),
        (BY_HAND | {"DO": "resume"}, "", {"resume"}),
        (BY_HAND | {"DO": "undo"}, "", {"undo"}),
        (BY_HAND | {"DO": "resolve"}, "", {"resolve"}),
        (BY_HAND | {"CI_COMMIT_BRANCH": "change"}, "", None),
        ({"CI_PIPELINE_SOURCE": "schedule", "CI_COMMIT_BRANCH": "main"}, "", {"drift"}),
    ],
)
def test_which_jobs_a_pipeline_has(
    tmp_path: Path, variables: dict[str, str], changed: str, jobs: set[str] | None
) -> None:
    """None: there is no pipeline at all. An empty *changed* is a pipeline in which GitLab takes every file for changed."""
    Shell(tmp_path).run("init")
    described = YAML(typ="safe").load((tmp_path / ".gitlab-ci.yml").read_text())
    known = {"CI_DEFAULT_BRANCH": "main", "CI_PROJECT_ID": "7", **variables}
    if not holds(described["workflow"]["rules"], known, changed):
        assert jobs is None
        return
    ours = {name: job for name, job in described.items() if isinstance(job, dict) and "rules" in job}
    del ours["workflow"]
    assert {name for name, job in ours.items() if holds(job["rules"], known, changed)} == jobs
    writing = {"apply", "resume", "undo", "resolve"}
    assert {name for name, job in ours.items() if job.get("environment") == "production"} == writing
    assert {name for name, job in ours.items() if job.get("resource_group") == "production"} == writing
    assert all(rule["when"] == "manual" for name in writing for rule in ours[name]["rules"])


def holds(rules: list[dict[str, Any]], variables: dict[str, str], changed: str) -> bool:
    return any(
        all(compared(part, variables) for part in rule["if"].split(" && "))
        and (not changed or "changes" not in rule or any(matches(changed, each) for each in rule["changes"]))
        for rule in rules
    )


def compared(text: str, variables: dict[str, str]) -> bool:
    left, sign, right = text.split()
    assert sign == "=="
    values = [
        variables.get(side[1:]) if side.startswith("$") else None if side == "null" else side.strip('"')
        for side in (left, right)
    ]
    return values[0] == values[1]


def matches(path: str, pattern: str) -> bool:
    return path == pattern or (pattern.endswith("/**/*") and path.startswith(pattern.removesuffix("**/*")))
