"""
A kind of resource is one module and one line in the registry: every command knows it, and nothing else has to be changed.

The kind is ``tests/support/membership_kind.py``; it is added to a copy of the package.
"""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass, fields
from pathlib import Path

import doubts
import pytest
from files import ndjson, write_files
from shell import ROOT, Shell

from leanplum_sync import emulator
from leanplum_sync.applier.preflight import ALLOWED_ACTIONS
from leanplum_sync.kinds.kind import Kind
from leanplum_sync.wire.catalogue import KeyClass

SOURCE = (ROOT / "tests" / "support" / "membership_kind.py").read_text()
REGISTRY = "leanplum_sync/kinds/registry.py"
KIND = "from leanplum_sync.kinds.kind import Kind\n"
PROJECT = """\
apiVersion: leanplum-sync/v1
kind: Project
metadata: {name: club}
spec:
  environments: {try: {emulator: embedded, seed: seed.ndjson}}
"""
SPEC = """\
apiVersion: leanplum-sync/v1
kind: Membership
metadata: {name: club}
spec:
  members: {inline: [u1, u2]}
  level: plus
"""
SEED = ndjson({"userId": "u1", "userAttributes": {"membership_level": "basic"}}, {"userId": "u2"})
ADDRESS = "Membership/club"


@dataclass(frozen=True)
class Copy:
    """A copy of the package with the kind in it, and a project that uses it."""

    root: Path
    shell: Shell

    def python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.root,
            env=doubts.handed_on(self.shell.variables),
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    root = tmp_path / "copy"
    # With the bytecode: compiling the package takes a second.
    for folder in ("leanplum_sync", "docs"):
        shutil.copytree(ROOT / folder, root / folder)
    (root / "leanplum_sync" / "kinds" / "membership.py").write_text(SOURCE)
    registry = (root / REGISTRY).read_text()
    registered = registry.replace(KIND, f"from leanplum_sync.kinds import membership\n{KIND}").replace(
        "    message_send.KIND,\n", "    message_send.KIND,\n    membership.KIND,\n"
    )
    (root / REGISTRY).write_text(registered)
    project = tmp_path / "project"
    write_files(project, {"leanplum-sync.yaml": PROJECT, "specs/club.yaml": SPEC, "seed.ndjson": SEED})
    return Copy(root, Shell(project, {"PYTHONPATH": str(root)}))


def without(member: str) -> str:
    """Return the kind's module with a ``Kind`` that lacks *member*."""
    tree = ast.parse(SOURCE)
    (call,) = (
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Kind"
    )
    call.keywords = [keyword for keyword in call.keywords if keyword.arg != member]
    return ast.unparse(tree)


def test_every_command_knows_a_new_kind(copy: Copy) -> None:
    shell = copy.shell
    assert "Valid: 1 spec" in shell.run("validate").stdout

    planned = shell.json("plan", "--out", "a.lpplan")
    assert planned["users"]["changed"] == 2
    assert [cohort["resource"] for cohort in planned["cohorts"]] == [ADDRESS]
    for output in ("text", "json", "markdown", "html"):
        assert "membership_level" in shell.run("show", "a.lpplan", "-o", output).stdout

    explained = shell.json("explain", "a.lpplan", "u1")
    assert [(each["resource"], each["observed"]) for each in explained["decisions"]] == [(ADDRESS, "basic")]

    receipt = shell.json("apply", "a.lpplan", "--yes", "--verify", "all")
    assert receipt["verification"]["equal"] == 2
    assert shell.json("plan", "--out", "b.lpplan")["isEmpty"]

    shell.run("undo", "1")
    shell.run(
        "call", "setUserAttributes", "userId=u2", 'userAttributes={"membership_level": "gold"}', "--yes"
    )
    drift = shell.json("drift")
    assert [(each["resource"], each["origin"], each["samples"]) for each in drift["moved"]] == [
        (ADDRESS, "others", ["user:u2"])
    ]


def test_the_schema_and_the_reference_tables_have_a_new_kind(copy: Copy) -> None:
    schema = json.loads(copy.shell.run("schema", "Membership").stdout)
    assert schema["properties"]["kind"]["const"] == "Membership"
    made = copy.python("docs/generate.py")
    assert made.returncode == 0, made.stderr
    assert "| `Membership` | Sets the membership level" in (copy.root / "docs" / "specs.md").read_text()


def test_what_is_wrong_with_a_document_of_a_new_kind_is_said_with_its_line(copy: Copy) -> None:
    (copy.shell.folder / "specs" / "club.yaml").write_text(SPEC.replace("plus", "gold"))
    failed = copy.shell.run("validate", code=3)
    assert (
        'specs/club.yaml:6:10: Membership/club: `level` is "gold", but must be'
        in failed.stdout + failed.stderr
    )


def test_a_kind_that_is_not_registered_is_no_kind(copy: Copy) -> None:
    shutil.copy(ROOT / REGISTRY, copy.root / REGISTRY)
    failed = copy.shell.run("validate", code=3)
    assert 'unknown kind: "Membership"' in failed.stdout + failed.stderr


@pytest.mark.parametrize("member", [field.name for field in fields(Kind)])
def test_a_kind_that_lacks_a_member_fails_when_it_is_imported(member: str) -> None:
    with pytest.raises(TypeError, match=f"missing 1 required keyword-only argument: '{member}'"):
        exec(compile(without(member), "membership.py", "exec"), {"__name__": "membership"})


def test_the_command_fails_when_a_kind_lacks_a_member(copy: Copy) -> None:
    (copy.root / "leanplum_sync" / "kinds" / "membership.py").write_text(without("hazards"))
    failed = copy.python(
        "-m", "leanplum_sync", "--project", str(copy.shell.folder / "leanplum-sync.yaml"), "validate"
    )
    assert failed.returncode != 0
    assert "unexpected TypeError in kinds/membership.py" in failed.stderr


BOTH_KEYS = PROJECT.replace(
    "{try: {emulator: embedded, seed: seed.ndjson}}",
    """
    try: {emulator: embedded, seed: seed.ndjson}
    try-development: {emulator: embedded, seed: seed.ndjson, writes: development}
    live: {}
    live-development: {writes: development}
  defaultEnvironment: try""",
)
TIERS = """\
apiVersion: leanplum-sync/v1
kind: UserAttributes
metadata: {name: tiers}
spec:
  users: {inline: [u1]}
  attributes: {tier: gold}
"""
TIERS_ADDRESS = "UserAttributes/tiers"


@pytest.fixture
def by_key(copy: Copy) -> Copy:
    """Return a project with a spec for each key: the new kind needs the development key."""
    module = copy.root / "leanplum_sync" / "kinds" / "membership.py"
    module.write_text(SOURCE.replace("KeyClass.PRODUCTION", "KeyClass.DEVELOPMENT"))
    write_files(copy.shell.folder, {"leanplum-sync.yaml": BOTH_KEYS, "specs/tiers.yaml": TIERS})
    return copy


@pytest.mark.parametrize(
    ("environment", "own", "other", "counterpart"),
    [("try", TIERS_ADDRESS, ADDRESS, "try-development"), ("try-development", ADDRESS, TIERS_ADDRESS, "try")],
)
def test_an_environment_plans_and_applies_only_the_kinds_of_its_key(
    by_key: Copy, environment: str, own: str, other: str, counterpart: str
) -> None:
    shell = by_key.shell
    planned = shell.json("plan", "-e", environment, "--out", "a.lpplan")
    assert [cohort["resource"] for cohort in planned["cohorts"]] == [own]
    (remark,) = [note for note in planned["notes"] if note["code"] == "remark"]
    assert (remark["resource"], remark["count"]) == ("", 1)
    assert "1 spec needs the" in remark["sentence"]
    assert f"Use -e {counterpart}." in remark["sentence"]
    shell.run("apply", "a.lpplan", "--yes", "--verify", "all")
    assert shell.json("plan", "-e", environment, "--out", "b.lpplan")["isEmpty"]
    explained = shell.json("explain", "a.lpplan", "u1")
    assert [each["resource"] for each in explained["decisions"]] == [own]
    for command in (["drift", "-e", environment], ["pull", "-e", environment, "--out", "users.ndjson"]):
        shell.run(*command)

    # A spec that this environment doesn't cover is not part of its plans, so a change to it doesn't make them stale.
    shell.run("plan", "-e", environment, "--out", "c.lpplan")
    file = by_key.shell.folder / "specs" / ("club.yaml" if own == TIERS_ADDRESS else "tiers.yaml")
    file.write_text(file.read_text().replace("plus", "basic").replace("gold", "silver"))
    shell.run("apply", "c.lpplan", "--yes")

    for arguments in (["--select", other], [f"specs/{file.name}"]):
        refused = shell.run("plan", "-e", environment, *arguments, code=64)
        assert f"{other}: this needs the" in refused.stderr
        assert f"Use -e {counterpart}." in refused.stderr
    shell.run("plan", "-e", environment, "--select", "*")


def test_validate_checks_the_specs_of_all_keys_and_says_which_environment_is_missing(by_key: Copy) -> None:
    shell = by_key.shell
    fine = shell.run("validate")
    assert "Valid: 2 specs" in fine.stdout
    assert "Note" not in fine.stdout + fine.stderr
    file = shell.folder / "leanplum-sync.yaml"
    file.write_text(BOTH_KEYS.replace("    live-development: {writes: development}\n", ""))
    advised = shell.run("validate")
    sentence = (
        "no environment for the app of live writes with the development key, which this spec needs. Add to environments in the"
        " project file: live-development: {writes: development}"
    )
    assert f"specs/club.yaml:2:1: Membership/club: {sentence}" in advised.stdout + advised.stderr
    assert sentence in shell.run("validate", "--strict", code=3).stdout


def test_a_run_needs_and_uses_only_the_key_of_its_environment(by_key: Copy) -> None:
    folder = by_key.shell.folder
    with emulator.running(seeds=[folder / "seed.ndjson"]) as served:
        base = {**by_key.shell.environ, "LEANPLUM_API_URL": served.url, "LEANPLUM_APP_ID": emulator.APP_ID}
        keys = emulator.KEYS

        def with_keys(**held: str) -> Shell:
            return Shell(
                folder, {**base, **{f"LEANPLUM_{name.upper()}_KEY": key for name, key in held.items()}}
            )

        reads = {"data_export": keys["data_export"]}
        with_keys(**reads).run("plan", "-e", "live-development", "--out", "a.lpplan")
        other = with_keys(**reads, production=keys["production"])
        refused = other.run("apply", "a.lpplan", "--yes", code=9)
        assert "LEANPLUM_DEVELOPMENT_KEY is not set" in refused.stderr
        assert "LEANPLUM_PRODUCTION_KEY" not in refused.stderr
        # A key of another class in its variable is refused by the API, and no other key takes its place.
        wrong = with_keys(**reads, production=keys["production"], development=keys["data_export"])
        assert "does not accept the development key" in wrong.run("apply", "a.lpplan", "--yes", code=9).stderr
        right = with_keys(**reads, development=keys["development"])
        found = right.json("doctor", "-e", "live-development", "--for", "apply", code=9)
        levels = {each["about"]: (each["level"], each["sentence"]) for each in found["findings"]}
        assert levels["development key"][0] == "ok"
        assert levels["production key"][0] == "note"
        assert "this environment writes with the development key" in levels["production key"][1]
        right.run("apply", "a.lpplan", "--resume", "--yes", "--verify", "all")
        with_keys(**reads).run("plan", "-e", "live", "--out", "b.lpplan")
        production = with_keys(**reads, production=keys["production"])
        production.run("apply", "b.lpplan", "--yes", "--verify", "all")

        # The plan is bound to its key: when the environment changes, it is refused.
        right.run("call", "deleteUser", "userId=u1", "-e", "live-development", "--yes")
        with_keys(**reads).run("plan", "-e", "live-development", "--out", "c.lpplan")
        file = folder / "leanplum-sync.yaml"
        file.write_text(
            file.read_text().replace("live-development: {writes: development}", "live-development: {}")
        )
        changed = right.run("apply", "c.lpplan", "--yes", code=7)
        assert (
            "it writes with the development key, but live-development writes with the production key"
            in changed.stderr
        )


def test_a_plan_may_only_hold_calls_of_its_key() -> None:
    assert "sendMessage" in ALLOWED_ACTIONS[KeyClass.PRODUCTION]
    assert "sendMessage" not in ALLOWED_ACTIONS[KeyClass.DEVELOPMENT]
