"""The help: fast, complete, and readable on a narrow terminal."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from shell import Command

from leanplum_sync.cli.command import SharedOption
from leanplum_sync.cli.context import PREFIX
from leanplum_sync.cli.program import NAME, VERBS, program

HEAVY = {
    "deepdiff",
    "duckdb",
    "orjson",
    "pydantic",
    "requests",
    "rich",
    "ruamel",
    "sqlalchemy",
    "starlette",
    "uvicorn",
}


def verb(name: str) -> click.Command:
    found = program.get_command(click.Context(program), name)
    assert found is not None
    return found


def help_of(*arguments: str) -> str:
    result = CliRunner(env={"COLUMNS": "80"}).invoke(
        program, [*arguments, "--help"], prog_name=NAME, terminal_width=80
    )
    assert result.exit_code == 0
    return result.output


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom leanplum_sync.cli import program\n"
        f"program.run(['--help'])\nprint(sorted({HEAVY!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_says_the_same_of_itself_in_the_list_and_on_its_own(name: str) -> None:
    assert name in help_of()
    assert VERBS[name] in help_of()
    assert verb(name).name == name


@pytest.mark.parametrize("name", ["", *VERBS])
def test_help_fits_eighty_columns(name: str) -> None:
    text = help_of(*([name] if name else []))
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("name", VERBS)
def test_every_option_has_a_help_a_default_and_a_variable_of_its_own(name: str) -> None:
    text = help_of(name)
    for option in verb(name).params:
        if not isinstance(option, click.Option) or "--help" in option.opts:
            continue
        assert option.help, option.name
        variable = (
            f"{PREFIX}_{option.name}"
            if isinstance(option, SharedOption)
            else f"{PREFIX}_{name}_{option.name}"
        )
        assert f"  {variable.upper().replace('-', '_')} " in text
        assert option.is_flag or re.search(r"(Default|Required)", option.help), option.name


@pytest.mark.parametrize(
    ("variable", "arguments", "chosen"),
    [
        ("", ["status", "-e", "after"], "after"),
        ("variable", ["status"], "variable"),
        ("variable", ["-e", "before", "status"], "before"),
        ("variable", ["-e", "before", "status", "-e", "after"], "after"),
    ],
)
def test_a_shared_option_counts_after_the_verb_then_before_it_then_in_its_variable(
    variable: str, arguments: list[str], chosen: str, shop: Path, command: Command
) -> None:
    done = command(*arguments, variables={f"{PREFIX}_ENVIRONMENT": variable})
    assert done.returncode == 64
    assert f"no environment '{chosen}'" in done.stderr


def test_every_option_can_be_set_by_its_variable(shop: Path, command: Command) -> None:
    done = command(
        "plan", variables={f"{PREFIX}_PLAN_OUT": "named.lpplan", f"{PREFIX}_PLAN_DETAILED_EXITCODE": "1"}
    )
    assert done.returncode == 2
    assert (shop / "named.lpplan").exists()
