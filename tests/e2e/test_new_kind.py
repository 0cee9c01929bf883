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

from leanplum_sync.kinds.kind import Kind

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
