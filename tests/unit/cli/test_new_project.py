"""What a new project holds."""

from __future__ import annotations

from typing import Any

import pytest
from ruamel.yaml import YAML

from leanplum_sync.cli.new_project import project_files, project_name, with_ignored
from leanplum_sync.cli.program import VERBS


@pytest.mark.parametrize(
    ("folder", "name"), [("shop", "shop"), ("My Shop!", "my-shop"), ("--x--", "x"), ("北京", "project")]
)
def test_the_project_is_called_after_its_folder_in_letters_that_specs_allow(folder: str, name: str) -> None:
    assert project_name(folder) == name
    assert f"metadata: {{name: {name}}}" in project_files(folder)["leanplum-sync.yaml"]


@pytest.mark.parametrize("text", ["", "dist/\n", "dist/", "*.lpplan\n"])
def test_what_holds_values_of_users_is_ignored_once_and_the_rest_is_kept(text: str) -> None:
    made = with_ignored(text)
    assert made.splitlines().count(".leanplum-sync/") == made.splitlines().count("*.lpplan") == 1
    assert set(text.splitlines()) <= set(made.splitlines())
    assert with_ignored(made) == made


def test_no_file_of_a_new_project_holds_a_key() -> None:
    assert not any("prod_" in text or "exp_" in text for text in project_files("shop").values())


def test_the_workflow_runs_commands_that_there_are_and_gives_planning_no_key_that_writes() -> None:
    workflow: dict[str, Any] = YAML(typ="safe").load(
        project_files("shop")[".github/workflows/leanplum-sync.yaml"]
    )
    plan, apply = workflow["jobs"]["plan"], workflow["jobs"]["apply"]
    commands = [step["run"].split() for job in (plan, apply) for step in job["steps"] if "run" in step]
    verbs = [words[1] for words in commands if words[0] == "leanplum-sync"]
    assert verbs == ["validate", "plan", "apply"]
    assert set(verbs) <= set(VERBS)
    assert "LEANPLUM_PRODUCTION_KEY" not in plan["env"]
    assert "LEANPLUM_PRODUCTION_KEY" in apply["env"]
