"""A repository that ``init`` made, and its workflow: pull request, comment, merge, apply, drift; each step as it is written."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
from hello import HELLO, send_hello
from hub import REPOSITORY, Hub, Run, vanishing
from journals import shift_doubts
from machine import Machine, git
from postgresql import Server
from ruamel.yaml import YAML
from shell import Served, Shell

from leanplum_sync import emulator

READ_ONLY = ("LEANPLUM_APP_ID", "LEANPLUM_DATA_EXPORT_KEY", "LEANPLUM_CONTENT_READ_ONLY_KEY")


@dataclass(slots=True)
class Repository:
    """*clone* is somebody's working copy."""

    hub: Hub
    clone: Path
    served: Served

    def edit(self, old: str, new: str, file: str = "specs/loyalty.yaml") -> None:
        path = self.clone / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def push(self, branch: str) -> str:
        git(self.clone, "add", "--all")
        git(self.clone, "commit", "--quiet", "--allow-empty", "--message", "Change the specs")
        git(self.clone, "push", "--quiet", "--force", "origin", f"HEAD:{branch}")
        return git(self.clone, "rev-parse", "HEAD")

    def branch(self) -> None:
        git(self.clone, "checkout", "--quiet", "-B", "change", "origin/main")

    def pull_request(
        self, *, number: int = 1, fork: bool = False, actor: str = "ada", review: str = ""
    ) -> Run:
        """
        Push what was edited to a branch, and run what its pull request starts, for the merge GitHub tries; or what a *review*
        with that result starts.
        """
        is_known = review and not git(self.clone, "status", "--porcelain")
        head = git(self.clone, "rev-parse", "HEAD") if is_known else self.push(f"change-{number}")
        git(self.clone, "checkout", "--quiet", "--detach", "origin/main")
        git(self.clone, "merge", "--quiet", "--no-ff", "--message", "Try", head)
        merge = self.push(f"refs/pull/{number}/merge")
        git(self.clone, "checkout", "--quiet", "-B", "change", head)
        repository = "stranger/users" if fork else REPOSITORY
        details = {
            "number": number,
            "head": {"sha": head, "repo": {"full_name": repository}},
            "base": {"sha": self.main},
        }
        if not review:
            return self.hub.run("pull_request", merge, pull_request=details, actor=actor)
        reviewed = {"review": {"state": review}}
        return self.hub.run("pull_request_review", merge, pull_request=details, actor=actor, details=reviewed)

    def queue(self) -> Run:
        """Run what the merge queue starts for the commit that it would merge."""
        head, base = git(self.clone, "rev-parse", "HEAD"), self.main
        git(self.clone, "checkout", "--quiet", "-B", "queued", "origin/main")
        git(self.clone, "merge", "--quiet", "--squash", head)
        sha = self.push("queued")
        git(self.clone, "checkout", "--quiet", "-B", "change", head)
        return self.hub.run("merge_group", sha, details={"merge_group": {"base_sha": base}})

    def merge(self, *, queued: bool = False) -> Run:
        head = git(self.clone, "rev-parse", "HEAD")
        git(self.clone, "checkout", "--quiet", "-B", "main", "origin/main")
        if queued:
            git(self.clone, "fetch", "--quiet")
            git(self.clone, "merge", "--quiet", "--ff-only", "origin/queued")
            git(self.clone, "push", "--quiet", "origin", "HEAD:main")
        else:
            git(self.clone, "merge", "--quiet", "--squash", head)
        sha = git(self.clone, "rev-parse", "HEAD") if queued else self.push("main")
        merged = {"merge_commit_sha": sha, "merged_at": "2026-11-20T12:00:00Z", "head": {"sha": head}}
        self.hub.write("pulls", [{"merge_commit_sha": None, "merged_at": None, "head": {"sha": sha}}, merged])
        return self.hub.run("push", sha)

    @property
    def artifacts(self) -> set[str]:
        return {path.name for path in (self.hub.folder / "artifacts").glob("*/*")}

    @property
    def journal(self) -> str:
        return self.hub.secrets["LEANPLUM_SYNC_JOURNAL"]

    def by_hand(self, **inputs: str | bool) -> Run:
        return self.hub.run("workflow_dispatch", self.main, inputs=inputs)

    @property
    def main(self) -> str:
        git(self.clone, "fetch", "--quiet")
        return git(self.clone, "rev-parse", "origin/main")

    def morning(self) -> Run:
        return self.hub.run("schedule", git(self.clone, "rev-parse", "origin/main"))

    def change(self, user: str, name: str, value: str) -> None:
        """Somebody else changes a user."""
        attributes = f"userAttributes={json.dumps({name: value})}"
        Shell(self.clone, self.served.environ).run(
            "call", "setUserAttributes", f"userId={user}", attributes, "-e", "production", "--yes"
        )

    def user(self, user: str) -> Any:
        key = emulator.KEYS["data_export"]
        query = f"action=exportUser&appId={emulator.APP_ID}&clientKey={key}&apiVersion=1.0.6&userId={user}"
        with urllib.request.urlopen(f"{self.served.url}/api?{query}") as answer:
            return json.load(answer)["response"][0]["userAttributes"]


@pytest.fixture
def repository(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    serve: Callable[..., Served],
    postgresql: Server,
    machine: Machine,
) -> Repository:
    """Made by ``init``, with a test's options, in an empty folder, pushed, and with the secrets that its workflow names. Its machines share the journal."""
    clone = tmp_path / "shop"
    clone.mkdir()
    Shell(clone).run("init", *getattr(request, "param", ()))
    served = serve(HELLO, seeds=[clone / "seed" / "users.ndjson"])
    secrets = {name: served.environ[name] for name in READ_ONLY}
    secrets |= {"LEANPLUM_SYNC_JOURNAL": postgresql.new_database()}
    secrets |= {"LEANPLUM_SYNC_PLAN_KEY": Shell(clone).run("key").stdout.strip()}
    protected = {"LEANPLUM_PRODUCTION_KEY": served.environ["LEANPLUM_PRODUCTION_KEY"]}
    hub = Hub(tmp_path / "hub", secrets, protected, {"LEANPLUM_API_URL": served.url}, machine)
    git(clone, "init", "--quiet", "--initial-branch=main")
    git(clone, "remote", "add", "origin", str(hub.origin))
    made = Repository(hub, clone, served)
    made.push("main")
    git(clone, "fetch", "--quiet")
    return made


def ran(run: Run) -> set[str]:
    """Return the jobs that were not skipped."""
    return {name for name, result in run.results.items() if result != "skipped"}


def lookups(repository: Repository) -> int:
    """Return how many users were read, as Leanplum bills them."""
    return int(repository.served.counts()["billableLookups"]["reads"])


def green(run: Run) -> Run:
    assert run.is_green, [(step.name, step.output) for step in run.steps if step.code]
    return run


def test_a_pull_request_is_planned_its_merge_applies_that_plan_and_the_comment_writes_itself_again(
    repository: Repository,
) -> None:
    repository.branch()
    repository.edit("otherwise: bronze", "otherwise: copper")
    planned = green(repository.pull_request())
    assert ran(planned) == {"check", "plan"}
    [comment] = repository.hub.read("comments")
    assert comment["body"].startswith("<!-- leanplum-sync plan production app_emulator -->\n")
    assert "**5 of 6 listed users would change.**" in comment["body"]
    assert comment["body"] in planned.summary
    assert repository.user("00003").get("tier") is None

    repository.edit("otherwise: copper", "otherwise: tin")
    green(repository.pull_request())
    [again] = repository.hub.read("comments")
    assert again["body"].splitlines()[0] == comment["body"].splitlines()[0]
    assert again["body"] != comment["body"]

    applied = green(repository.merge())
    assert ran(applied) == {"check", "apply"}
    assert repository.user("00003")["tier"] == "tin"
    assert "Applied" in applied.summary
    again = green(repository.by_hand())
    assert "No changes" in again.step("Plan").output
    assert again.results["apply"] == "success"

    assert "No drift detected" in green(repository.morning()).step("Look for drift").output
    repository.change("00003", "tier", "platinum")
    drifted = repository.morning()
    assert (drifted.results["drift"], drifted.step("Look for drift").code) == ("failure", 2)
    assert "1 attribute has drifted since the last apply" in drifted.step("Look for drift").output
    assert not any("PRODUCTION" in name for name in drifted.step("Look for drift").environ)
    assert "### Drift in `production`" in drifted.summary


@pytest.mark.parametrize("repository", [("--connection", "WAREHOUSE_URL")], indirect=True, ids=["connection"])
def test_rows_of_a_database_are_planned_and_what_was_approved_is_applied_without_it(
    repository: Repository, postgresql: Server
) -> None:
    """Only the job that plans and the drift check get the connection's variable."""
    address = postgresql.new_database()
    database = address.split("/")[3].partition("?")[0]
    with postgresql.connect(database) as connection:
        connection.execute("CREATE TABLE customers (customer_id text, orders int, band text)")
        connection.execute("INSERT INTO customers VALUES ('00001', 3, 'A'), ('00003', 5, 'X')")
    repository.hub.secrets["WAREHOUSE_URL"] = address
    repository.branch()
    repository.edit("{file: ../data/customers.csv,", "{connection: warehouse, query: customers.sql,")
    (repository.clone / "specs/customers.sql").write_text("SELECT * FROM customers")
    Shell(repository.clone).run("fmt")

    planned = green(repository.pull_request())
    [comment] = repository.hub.read("comments")
    assert "2 rows read from PostgreSQL" in comment["body"]
    assert "WAREHOUSE_URL" in planned.step("Plan").environ
    with postgresql.connect(database) as connection:
        connection.execute("UPDATE customers SET orders = 1000")
    applied = green(repository.merge())
    assert not any("WAREHOUSE_URL" in step.environ for step in applied.steps)
    assert repository.user("00003")["order_count"] == 5
    drifted = repository.morning()
    assert drifted.step("Look for drift").code == 0, drifted.step("Look for drift").output
    assert address not in json.dumps([planned.summary, applied.summary, comment["body"]])


def test_a_plan_that_could_not_be_made_takes_the_place_of_the_one_that_was(repository: Repository) -> None:
    repository.branch()
    repository.edit("otherwise: bronze", "otherwise: copper")
    green(repository.pull_request())
    key = repository.hub.secrets.pop("LEANPLUM_DATA_EXPORT_KEY")
    assert repository.pull_request().step("Plan").code == 9
    [comment] = repository.hub.read("comments")
    assert "plan exited with code 9" in comment["body"]
    repository.hub.secrets["LEANPLUM_DATA_EXPORT_KEY"] = key
    green(repository.pull_request())
    [comment] = repository.hub.read("comments")
    assert "5 of 6 listed users would change" in comment["body"]


def test_nothing_before_the_merge_sees_the_key_that_writes(repository: Repository) -> None:
    repository.branch()
    repository.edit("otherwise: bronze", "otherwise: copper")
    for step in repository.pull_request().steps:
        assert "LEANPLUM_PRODUCTION_KEY" not in step.environ
        assert step.name == "Plan" or not any(
            "LEANPLUM_" in name and name.endswith("KEY") for name in step.environ
        )
    counts = repository.served.counts()
    assert "multi" not in counts["requests"]["byAction"]


def test_a_pull_request_from_a_fork_is_checked_and_gets_no_secret(repository: Repository) -> None:
    repository.branch()
    repository.edit("otherwise: bronze", "otherwise: copper")
    run = green(repository.pull_request(fork=True))
    assert ran(run) == {"check"}
    assert repository.hub.read("comments") == []


def test_a_pull_request_of_dependabot_is_checked_only_and_green(repository: Repository) -> None:
    repository.branch()
    repository.edit("otherwise: bronze", "otherwise: copper")
    assert ran(green(repository.pull_request(actor="dependabot[bot]"))) == {"check"}


def test_a_merge_queue_checks_and_sends_nothing(repository: Repository) -> None:
    run = green(repository.hub.run("merge_group", repository.main))
    assert ran(run) == {"check"}
    assert not any(name.startswith("LEANPLUM_DATA") for step in run.steps for name in step.environ)


def test_a_change_of_nothing_but_text_costs_nothing(repository: Repository) -> None:
    text = (repository.clone / ".github/workflows/leanplum-sync.yaml").read_text()
    events = YAML(typ="safe").load(text)["on"]
    for event in ("pull_request", "push"):
        patterns = [pattern.replace("**", "*") for pattern in events[event]["paths"]]
        for name, is_relevant in {
            "README.md": False,
            "docs/a.md": False,
            "specs/a/b.yaml": True,
            "data/customers.csv": True,
            "leanplum-sync.yaml": True,
            ".github/workflows/leanplum-sync.yaml": event == "pull_request",
            ".ci/install-leanplum-sync.sh": event == "pull_request",
        }.items():
            assert any(fnmatch(name, pattern) for pattern in patterns) is is_relevant, name


def test_an_unencrypted_plan_is_not_kept(repository: Repository) -> None:
    del repository.hub.secrets["LEANPLUM_SYNC_PLAN_KEY"]
    repository.branch()
    repository.edit("otherwise: bronze", "otherwise: copper")
    run = repository.pull_request()
    assert (run.step("Plan").code, "unencrypted" in run.step("Plan").output) == (9, True)
    assert not (repository.hub.folder / "artifacts").exists()


def test_what_is_installed_is_a_commit_with_pinned_versions_and_never_a_name_on_an_index(
    repository: Repository,
) -> None:
    repository.branch()
    green(repository.pull_request())
    installed = (repository.hub.folder / "pip").read_text().splitlines()
    assert installed
    for pinned, package in zip(installed[::2], installed[1::2], strict=True):
        found = re.fullmatch(
            r"install --quiet --require-hashes --requirement (\S+)/requirements\.txt", pinned
        )
        assert found
        assert package == f"install --quiet --no-deps {found[1]}"
    repository.hub.variables["LEANPLUM_SYNC_COMMIT"] = ""
    run = repository.pull_request()
    assert (run.step("Install").code, "Set SOURCE and COMMIT" in run.step("Install").output) == (64, True)
    assert (repository.hub.folder / "pip").read_text().splitlines() == installed


def test_a_plan_over_budget_is_consented_to_by_hand_with_its_number(repository: Repository) -> None:
    repository.branch()
    repository.edit("removals: 1000", "removals: 1", "leanplum-sync.yaml")
    assert repository.pull_request().step("Plan").code == 6
    repository.merge()
    assert repository.by_hand().step("Plan").code == 6
    wrong = repository.by_hand(ack="removals=77")
    assert (wrong.step("Plan").code, wrong.step("Apply").code) == (0, 6)
    removals = re.search(r"--ack (removals=\d+)", wrong.step("Plan").output)
    assert removals is not None
    assert repository.user("00003").get("tier") is None
    green(repository.by_hand(ack=removals[1]))
    assert repository.user("00003")["tier"] == "bronze"


def test_jobs_that_write_wait_while_another_run_works(repository: Repository, tmp_path: Path) -> None:
    repository.branch()
    repository.edit("otherwise: bronze", "otherwise: copper")
    green(repository.pull_request())
    lock_while_trying(repository, tmp_path / "first", "apply")
    green(repository.merge())
    assert repository.user("00003")["tier"] == "copper"
    lock_while_trying(repository, tmp_path / "second", "apply")
    green(repository.by_hand(do="undo", run="1"))
    assert repository.user("00003").get("tier") is None
    for said in (tmp_path / "first", tmp_path / "second"):
        assert "Waiting for the lock. Another run is working on production" in said.read_text()


def lock_while_trying(repository: Repository, said: Path, command: str) -> None:
    """Have the lock held when the *command* starts, until it waits. What it says meanwhile goes to the file *said*."""
    tool = repository.hub.folder / "bin" / "leanplum-sync"
    code = f"""\
import sys
from subprocess import PIPE, Popen
from leanplum_sync.journal import open_journal
with open_journal({repository.journal!r}) as journal, journal.acquire("app_emulator", "production"):
    process = Popen(["leanplum-sync", *sys.argv[1:]], stderr=PIPE, text=True)
    for line in process.stderr:
        if "Waiting" in line:
            open({str(said)!r}, "w").write(line)
            break
print(process.stderr.read(), file=sys.stderr)
sys.exit(process.wait())
"""
    script = tool.with_name("locked.py")
    script.write_text(code)
    tool.write_text(f"""\
#!/bin/sh
PATH=${{PATH#*:}}
if [ "$1" = {command} ]; then rm "$0"; exec {sys.executable} {script} "$@"; fi
exec leanplum-sync "$@"
""")
    tool.chmod(0o755)


def test_a_run_whose_machine_vanished_is_resumed_and_undone_from_others(
    repository: Repository, tmp_path: Path
) -> None:
    repository.branch()
    repository.edit("otherwise: bronze", "otherwise: copper")
    green(repository.pull_request())
    repository.hub.variables["PYTHONPATH"] = vanishing(tmp_path / "hook")
    assert repository.merge().step("Apply").code == 137
    del repository.hub.variables["PYTHONPATH"]
    shift_doubts(
        repository.journal, -3600, repository.hub.secrets["LEANPLUM_SYNC_PLAN_KEY"]
    )  # the request has settled
    green(repository.by_hand(do="resume"))
    assert repository.user("00003")["tier"] == "copper"
    undone = green(repository.by_hand(do="undo", run="1"))
    assert ran(undone) == {"undo"}
    assert repository.user("00003").get("tier") is None
    assert "Applied" in undone.summary
    assert repository.artifacts == {"leanplum-plan"}, "a plan that was applied is in the journal"


def test_first_sends_are_held_decided_about_and_sent_by_hand(repository: Repository) -> None:
    repository.branch()
    spec = repository.clone / "specs" / "hello.yaml"
    spec.write_text(send_hello('{inline: ["00001", "00002"]}'))
    repository.push("main")
    consent = re.search(r"--ack (sends=2)", repository.by_hand().step("Plan").output)
    assert consent is not None
    refused = repository.by_hand(ack=consent[1]).step("Apply")
    assert (refused.code, "--new-journal" in refused.output) == (7, True)
    repository.served.faults("cut-before:action=sendMessage,times=1")
    assert repository.by_hand(ack=consent[1], new_journal=True).step("Apply").code == 5
    shift_doubts(repository.journal, -3600, repository.hub.secrets["LEANPLUM_SYNC_PLAN_KEY"])
    green(repository.by_hand(do="resolve", run="1", decision="again"))
    assert repository.served.sends() == {}
    green(repository.by_hand(do="resume", run="1", ack=consent[1]))
    assert repository.served.sends() == {"00001": 1, "00002": 1}


def test_what_is_not_held_is_not_decided_about(repository: Repository) -> None:
    run = repository.by_hand(do="resolve", run="1", decision="done")
    assert ran(run) == {"resolve"}
    assert "The journal has no run 1" in run.step("Resolve").output
    assert "LEANPLUM_PRODUCTION_KEY" not in run.step("Resolve").environ


def test_a_draft_plans_a_sample_and_the_approval_plans_in_full_once(repository: Repository) -> None:
    repository.hub.settings["LEANPLUM_SYNC_DRAFT"] = "--shard 1/3"
    repository.branch()
    repository.edit("otherwise: bronze", "otherwise: copper")
    for _ in range(2):
        green(repository.pull_request())
    [comment] = repository.hub.read("comments")
    assert (
        "This is a draft, which is never applied. The full plan is made when the pull request is approved."
        in comment["body"]
    )
    assert "about one user in 3" in comment["body"]
    assert repository.artifacts == set()
    sampled = lookups(repository)

    assert ran(repository.pull_request(review="commented")) == set()
    assert lookups(repository) == sampled
    approved = green(repository.pull_request(review="approved"))
    assert ran(approved) == {"plan"}
    assert lookups(repository) == sampled + 6
    [comment] = repository.hub.read("comments")
    assert "**5 of 6 listed users would change.**" in comment["body"]
    assert "draft" not in comment["body"]
    again = green(repository.pull_request(review="approved"))
    assert (
        "An earlier approval of this commit made the full plan."
        in again.step("See whether a full plan is needed").output
    )
    assert lookups(repository) == sampled + 6

    assert ran(green(repository.queue())) == {"check"}
    green(repository.merge())
    assert repository.user("00003")["tier"] == "copper"


def test_a_draft_from_a_snapshot_reads_nobody_and_the_merge_queue_plans_in_full(
    repository: Repository,
) -> None:
    repository.hub.settings |= {
        "LEANPLUM_SYNC_DRAFT": "--observed kept.ndjson",
        "LEANPLUM_SYNC_FULL_PLAN": "queue",
    }
    repository.branch()
    repository.edit("otherwise: bronze", "otherwise: copper")
    Shell(repository.clone, repository.served.environ).run("pull", "-e", "production", "--out", "kept.ndjson")
    pulled = lookups(repository)
    green(repository.pull_request())
    [comment] = repository.hub.read("comments")
    assert "The full plan is made when the pull request is queued for merging." in comment["body"]
    assert "No live state was read for this plan. Reading it costs 6 billable lookups." in comment["body"]
    assert ran(repository.pull_request(review="approved")) == set()
    assert lookups(repository) == pulled
    assert ran(green(repository.queue())) == {"check", "plan"}
    assert lookups(repository) == pulled + 6
    green(repository.merge(queued=True))
    assert repository.user("00003")["tier"] == "copper"


def test_an_approval_of_nothing_but_text_plans_nothing(repository: Repository) -> None:
    repository.hub.settings["LEANPLUM_SYNC_DRAFT"] = "--shard 1/3"
    repository.branch()
    (repository.clone / "README.md").write_text("A shop.\n")
    run = green(repository.pull_request(review="approved"))
    assert "nothing is planned" in run.step("See whether a full plan is needed").output
    assert lookups(repository) == 0
    assert repository.artifacts == set()


def test_a_change_after_the_approval_is_not_applied(repository: Repository) -> None:
    repository.hub.settings["LEANPLUM_SYNC_DRAFT"] = "--shard 1/3"
    repository.branch()
    repository.edit("otherwise: bronze", "otherwise: copper")
    green(repository.pull_request(review="approved"))
    repository.edit("otherwise: copper", "otherwise: tin")
    green(repository.pull_request())
    merged = repository.merge()
    assert "has no plan: run the workflow by hand" in merged.step("Find the approved plan").output


def test_drift_has_one_issue_which_is_closed_when_it_is_gone(repository: Repository) -> None:
    repository.branch()
    repository.edit("otherwise: bronze", "otherwise: copper")
    green(repository.pull_request())
    green(repository.merge())
    green(repository.morning())
    assert repository.hub.read("issues") == []
    repository.change("00003", "tier", "platinum")
    for _ in range(2):
        assert repository.morning().results["drift"] == "failure"
        [issue] = repository.hub.read("issues")
        assert (issue["title"], issue["state"]) == ("Drift in production", "open")
        assert "### Drift in `production`" in issue["body"]
    repository.change("00003", "tier", "copper")
    green(repository.morning())
    [issue] = repository.hub.read("issues")
    assert issue["state"] == "closed"


@pytest.mark.parametrize(
    ("old", "new", "step"),
    [
        ("apiVersion: leanplum-sync/v1\nkind: UserAttributes", "kind: UserAttributes\napiVersion: leanplum-sync/v1", "Check the formatting"),
        ("column: band", "column: brand", "Check specs and data"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_specs_is_found_without_any_key(
    old: str, new: str, step: str, repository: Repository
) -> None:
    repository.branch()
    repository.edit(old, new)
    run = repository.pull_request()
    assert (run.results["check"], run.results["plan"]) == ("failure", "skipped")
    assert run.step(step).code == 3


def test_a_plan_over_budget_is_red_is_commented_on_and_is_not_applied(repository: Repository) -> None:
    repository.branch()
    repository.edit("removals: 1000", "removals: 1", "leanplum-sync.yaml")
    run = repository.pull_request()
    assert (run.results["plan"], run.step("Plan").code) == ("failure", 6)
    assert "removals" in repository.hub.read("comments")[0]["body"]
    merged = repository.merge()
    assert "has no plan: run the workflow by hand" in merged.step("Find the approved plan").output
    assert repository.user("00003").get("tier") is None


def test_what_was_approved_before_something_else_was_merged_is_planned_again(repository: Repository) -> None:
    repository.branch()
    repository.edit("otherwise: bronze", "otherwise: copper")
    green(repository.pull_request())
    head = git(repository.clone, "rev-parse", "HEAD")
    git(repository.clone, "checkout", "--quiet", "-B", "other", "origin/main")
    repository.edit("value: web", "value: shop")
    repository.push("main")
    git(repository.clone, "fetch", "--quiet")
    git(repository.clone, "checkout", "--quiet", head)
    merged = repository.merge()
    assert (merged.results["apply"], merged.step("Apply").code) == ("failure", 7)
    assert merged.step("Show what has changed since the approval").code == 0
    assert "signup_source" in merged.summary
    green(repository.by_hand())
    assert (repository.user("00003")["tier"], repository.user("00003")["signup_source"]) == ("copper", "shop")


def test_what_nobody_reviewed_is_not_applied(repository: Repository) -> None:
    run = repository.hub.run("push", git(repository.clone, "rev-parse", "HEAD"))
    assert run.results["apply"] == "failure"
    assert "No merged pull request belongs to this commit" in run.step("Find the approved plan").output


def test_without_a_journal_that_outlives_the_machine_nothing_is_applied(repository: Repository) -> None:
    del repository.hub.secrets["LEANPLUM_SYNC_JOURNAL"]
    repository.branch()
    green(repository.pull_request())
    merged = repository.merge()
    assert (merged.step("Apply").code, "would be lost" in merged.step("Apply").output) == (9, True)


def test_actions_are_pinned_and_every_permission_is_asked_for_by_a_job(repository: Repository) -> None:
    text = (repository.clone / ".github/workflows/leanplum-sync.yaml").read_text()
    used = re.findall(r"uses: (\S+)(.*)", text)
    assert used
    for action, version in used:
        assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", action)
        assert re.fullmatch(r" # v\d+\.\d+\.\d+", version)
    assert "\npermissions: {}\n" in text
    assert "\n  pull_request_target:" not in text


@pytest.mark.parametrize(
    ("schema", "file", "options"),
    [
        ("vendor.github-workflows", ".github/workflows/leanplum-sync.yaml", []),
        ("vendor.gitlab-ci", ".gitlab-ci.yml", ["--data-transform", "gitlab-ci"]),
    ],
)
def test_pipeline_files_are_what_their_schemas_allow(
    schema: str, file: str, options: list[str], repository: Repository
) -> None:
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *options, file]
    done = subprocess.run(check, cwd=repository.clone, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
