"""What a new project holds."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner
from ruamel.yaml import YAML

from leanplum_sync.cli.commands import init
from leanplum_sync.cli.commands.init import project_files, project_name, with_ignored
from leanplum_sync.cli.program import COMMANDS
from leanplum_sync.specs import json_schema


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


@pytest.mark.parametrize("file", [".github/workflows/leanplum-sync.yaml", ".gitlab-ci.yml"])
def test_pipelines_run_commands_that_exist(file: str) -> None:
    text = project_files("shop")[file]
    commands = set(
        re.findall(r"^ +(?:- |run: )?(?:'\[.*\] \|\| )?leanplum-sync ([a-z-]+)", text, re.MULTILINE)
    )
    assert {"fmt", "validate", "plan", "apply", "undo", "resolve", "drift"} <= commands <= set(COMMANDS)


@pytest.mark.parametrize(
    ("recorded", "source", "commit"),
    [
        (
            '{"url": "https://github.com/a/b", "vcs_info": {"vcs": "git", "commit_id": "abc123"}}',
            "https://github.com/a/b",
            "abc123",
        ),
        ('{"url": "file:///home/ada/b", "dir_info": {"editable": true}}', "", ""),
        (None, "", ""),
    ],
)
def test_a_pipeline_installs_the_commit_that_wrote_it(
    recorded: str | None, source: str, commit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Installed:
        def read_text(self, _: str) -> str | None:
            return recorded

    monkeypatch.setattr(init, "distribution", lambda _: Installed())
    text = project_files("shop")[".ci/install-leanplum-sync.sh"]
    assert f'SOURCE="${{LEANPLUM_SYNC_SOURCE:-{source}}}"' in text
    assert f'COMMIT="${{LEANPLUM_SYNC_COMMIT:-{commit}}}"' in text
    assert 'VERSION=""' in text


@pytest.mark.parametrize(
    ("pipeline", "files"),
    [("github", [".github/workflows/leanplum-sync.yaml"]), ("gitlab", [".gitlab-ci.yml"]), ("none", [])],
)
def test_a_project_may_have_one_pipeline_or_none(pipeline: str, files: list[str]) -> None:
    all_files = [".github/workflows/leanplum-sync.yaml", ".gitlab-ci.yml"]
    assert [path for path in project_files("shop", pipeline) if path in all_files] == files


def test_each_file_of_a_new_project_names_the_schema_that_editors_check_it_with() -> None:
    files = project_files("shop")
    for path in ("leanplum-sync.yaml", "specs/loyalty.yaml"):
        first = files[path].splitlines()[0]
        named = first.removeprefix("# yaml-language-server: $schema=")
        schema = json.loads(files[os.path.normpath(Path(path).parent / named)])
        assert schema == json_schema()
        jsonschema.validate(YAML(typ="safe", pure=True).load(files[path]), schema)
    (schema_file, patterns), *_ = json.loads(files[".vscode/settings.json"])["yaml.schemas"].items()
    assert (schema_file in files, patterns) == (True, ["leanplum-sync.yaml", "specs/**/*.yaml"])


def test_a_connection_is_in_the_project_and_in_the_jobs_that_plan_only() -> None:
    files = project_files("shop", variable="CRM_LAKE_URL")
    assert "  connections: {crm-lake: {url: {env: CRM_LAKE_URL}}}\n" in files["leanplum-sync.yaml"]
    jobs = YAML(typ="safe").load(files[".github/workflows/leanplum-sync.yaml"])["jobs"]
    given = {
        name for name, job in jobs.items() for step in job["steps"] if "CRM_LAKE_URL" in step.get("env", {})
    }
    assert given == {"plan", "drift"}
    assert not any("CONNECTION\n" in text for text in project_files("shop").values())


def test_a_gitignore_in_another_encoding_keeps_its_bytes(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_bytes(b"M\xfcll/\n")
    assert CliRunner().invoke(init.command, [str(tmp_path)]).exit_code == 0
    assert (tmp_path / ".gitignore").read_bytes().startswith(b"M\xfcll/\n.leanplum-sync/\n")


@pytest.mark.parametrize("name", ["postgresql://reader:hunter2@db/shop", "LEANPLUM_DATA_EXPORT_KEY"])
def test_a_connection_is_named_by_a_variable(name: str, tmp_path: Path) -> None:
    ended = CliRunner().invoke(init.command, [str(tmp_path), "--connection", name])
    assert ended.exit_code == 2
    assert "hunter2" not in ended.output
    assert not list(tmp_path.iterdir())
