"""The help: fast, complete, and readable on a narrow terminal."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.core import ParameterSource
from click.testing import CliRunner
from shell import Command

from leanplum_sync.cli.command import SharedOption
from leanplum_sync.cli.context import PREFIX
from leanplum_sync.cli.program import COMMANDS, NAME, program

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


def command_named(name: str) -> click.Command:
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


@pytest.mark.parametrize("name", COMMANDS)
def test_no_help_shows_a_placeholder(name: str) -> None:
    assert not re.findall(r"\{\w+\}", help_of(name))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_in_the_list_with_its_summary(name: str) -> None:
    assert name in help_of()
    assert COMMANDS[name] in help_of()
    assert command_named(name).name == name


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_help_fits_eighty_columns(name: str) -> None:
    text = help_of(*([name] if name else []))
    assert max(map(len, text.splitlines())) <= 80


def every_command() -> Iterator[tuple[str, click.Command]]:
    """Yield each command with the words that call it, commands of groups among them."""
    for name in COMMANDS:
        found = command_named(name)
        if isinstance(found, click.Group):
            yield from ((f"{name} {inner}", each) for inner, each in found.commands.items())
        else:
            yield name, found


@pytest.mark.parametrize(("name", "found"), list(every_command()))
def test_the_help_of_a_command_describes_its_own_options_and_names_the_shared_ones(
    name: str, found: click.Command
) -> None:
    text = help_of(*name.split())
    own = [
        each
        for each in found.params
        if isinstance(each, click.Option) and "--help" not in each.opts and not isinstance(each, SharedOption)
    ]
    for option in own:
        assert option.help, option.name
        assert option.is_flag or re.search(r"(Default|Required)", option.help), option.name
        assert option.opts[0] in text
    shared = [each for each in found.params if isinstance(each, SharedOption)]
    after = text.partition("Shared options (see leanplum-sync --help):")[2]
    assert all(max(each.opts, key=len) in after for each in shared)
    assert len(after.splitlines()) <= 6, "the help is about the command itself"


@pytest.mark.parametrize("arguments", [(), ("journal",)])
def test_a_group_without_a_command_prints_its_help_and_succeeds(
    arguments: tuple[str, ...], shop: Path, command: Command
) -> None:
    done = command(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == command(*arguments, "--help").stdout
    assert "Commands:" in done.stdout


@pytest.mark.parametrize(("name", "found"), list(every_command()))
def test_an_option_is_set_by_the_variable_that_has_its_name(
    name: str, found: click.Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = click.Context(program, info_name=NAME, auto_envvar_prefix=PREFIX)
    *groups, own_name = name.split()
    for group in groups:
        context = click.Context(command_named(group), info_name=group, parent=context)
    context = found.make_context(own_name, [], parent=context, resilient_parsing=True)
    for option in found.params:
        if isinstance(option, click.Option) and not isinstance(option, SharedOption):
            long = max(option.opts, key=len).removeprefix("--")
            variable = f"{PREFIX}_{name}_{long}".upper().replace("-", "_").replace(" ", "_")
            with monkeypatch.context() as environ:
                environ.setenv(variable, "1")
                _, source = option.consume_value(context, {})
            assert source is ParameterSource.ENVIRONMENT, variable


@pytest.mark.parametrize("choice", ["done", "again", "drop"])
def test_the_choices_of_resolve_have_a_variable_each(choice: str, shop: Path, command: Command) -> None:
    done = command("resolve", "1", variables={f"{PREFIX}_RESOLVE_{choice.upper()}": "1"})
    assert "Pass exactly one of" not in done.stderr
    assert "has no run 1" in done.stderr


@pytest.mark.parametrize(
    ("variable", "arguments", "chosen"),
    [
        ("", ["status", "-e", "after"], "after"),
        ("variable", ["status"], "variable"),
        ("variable", ["-e", "before", "status"], "before"),
        ("variable", ["-e", "before", "status", "-e", "after"], "after"),
    ],
)
def test_a_shared_option_counts_after_the_command_then_before_it_then_in_its_variable(
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
