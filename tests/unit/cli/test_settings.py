"""Project file, name and variables, put together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from leanplum_sync.errors import CredentialError, UsageError
from leanplum_sync.library.access import connection_to
from leanplum_sync.library.connect import target_of
from leanplum_sync.project.model import ProjectFile
from leanplum_sync.project.settings import Settings, settle
from leanplum_sync.specs import load_project

HEAD = "apiVersion: leanplum-sync/v1\nkind: Project\nmetadata: {name: shop}\nspec:\n"
TWO = "  environments:\n    sandbox: {emulator: embedded}\n    live: {budget: {sends: 5, changedUsers: 7}}\n"


def project(tmp_path: Path, spec: str) -> ProjectFile:
    file = tmp_path / "leanplum-sync.yaml"
    file.write_text(HEAD + spec)
    return load_project(file)


def settings(
    tmp_path: Path, spec: str, name: str | None = None, environ: Mapping[str, str] | None = None
) -> Settings:
    return settle(project(tmp_path, spec), tmp_path, name, environ or {})


def test_the_named_environment_goes_before_the_default_one(tmp_path: Path) -> None:
    spec = "  defaultEnvironment: sandbox\n" + TWO
    assert [settings(tmp_path, spec, name).name for name in (None, "live")] == ["sandbox", "live"]


def test_without_a_name_and_a_default_the_known_ones_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="sandbox, live"):
        settings(tmp_path, TWO)


def test_an_unknown_environment_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'production'\. It has sandbox, live"):
        settings(tmp_path, TWO, "production")


def test_a_budget_has_the_names_of_hazards_and_none_means_no_limit(tmp_path: Path) -> None:
    budget = settings(tmp_path, TWO, "live").budget
    assert [budget[name] for name in ("sends", "createdUsers", "changedUsers", "removals")] == [5, 0, 7, None]


@pytest.mark.parametrize(
    ("spec", "environ", "journal"),
    [
        ("  specs: [specs]\n", {}, ".leanplum-sync/journal.db"),
        ("  journal: runs.db\n", {}, "runs.db"),
        ("  journal: {env: RUNS}\n", {"RUNS": "./runs.db"}, "runs.db"),
        ("  journal: {env: RUNS, otherwise: mine.db}\n", {"RUNS": "./runs.db"}, "runs.db"),
        ("  journal: {env: RUNS, otherwise: mine.db}\n", {"RUNS": " "}, "mine.db"),
    ],
)
def test_a_journal_that_is_a_file_stands_in_the_project(
    spec: str, environ: dict[str, str], journal: str, tmp_path: Path
) -> None:
    assert settings(tmp_path, spec, environ=environ).journal == tmp_path / journal


def test_a_shared_journal_is_an_address(tmp_path: Path) -> None:
    address = "postgresql://someone@db/journal"
    assert settings(tmp_path, "  journal: {env: RUNS}\n", environ={"RUNS": address}).journal == address


def test_a_journal_whose_variable_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CredentialError, match="RUNS is not set"):
        settings(tmp_path, "  journal: {env: RUNS}\n")


@pytest.mark.parametrize(
    "text",
    [
        "host=db password=hunter2",
        "host=/var/run password=hunter2",
        "postgresql:/me:hunter2@db/journal",
        "postgres:hunter2@db/journal",
        "mysql://me:hunter2@db/journal",
        "hunter2.db",
    ],
)
def test_a_variable_that_names_no_journal_is_refused_without_showing_it(text: str, tmp_path: Path) -> None:
    with pytest.raises(CredentialError, match="RUNS does not contain the address of a journal") as caught:
        settings(tmp_path, "  journal: {env: RUNS}\n", environ={"RUNS": text})
    assert "hunter2" not in str(caught.value)


def test_an_embedded_environment_is_nobodys_host(tmp_path: Path) -> None:
    target = target_of(settings(tmp_path, TWO, "sandbox"))
    assert (target.host, target.app_id, target.is_emulator) == ("embedded emulator", "app_emulator", True)


@pytest.mark.parametrize(
    ("url", "app_id", "host", "is_emulator"),
    [
        ("", "app_1", "api.leanplum.com", False),
        ("http://127.0.0.1:8123", "app_1", "127.0.0.1", False),
        ("http://127.0.0.1:8123", "app_emulator", "127.0.0.1", True),
    ],
)
def test_another_environment_is_at_leanplum_or_where_the_variable_points(
    url: str, app_id: str, host: str, *, is_emulator: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEANPLUM_APP_ID", app_id)
    monkeypatch.setenv("LEANPLUM_API_URL", url)
    target = target_of(settings(tmp_path, TWO, "live"))
    assert (target.host, target.app_id, target.is_emulator) == (host, app_id, is_emulator)


@pytest.mark.parametrize(("environ", "app"), [({}, "app_mine"), ({"APP": "app_other"}, "app_other")])
def test_an_app_has_an_id_for_where_its_variable_is_not_set(
    environ: dict[str, str], app: str, tmp_path: Path
) -> None:
    spec = "  environments:\n    live: {appId: {env: APP, otherwise: app_mine}}\n"
    assert connection_to(settings(tmp_path, spec, "live").environment, environ).app_id == app
