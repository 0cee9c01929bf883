"""docs/architecture.md and docs/contributing.md list what exists: rooms, commands, test folders and make targets."""

from __future__ import annotations

import configparser
import importlib
import pkgutil
import re
from pathlib import Path
from typing import Final

import click

import leanplum_sync
from leanplum_sync.cli.program import program

ROOT: Final = Path(__file__).parents[2]


def table(page: str, heading: str) -> list[list[str]]:
    """Return the names in backticks of the first column, row by row, of the first table under *heading*."""
    section = (ROOT / "docs" / page).read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([^|]*`[^|]*) \|", section, re.MULTILINE)
    return [re.findall(r"`([^`]+)`", row) for row in rows]


def layers() -> list[set[str]]:
    """Return the rooms of each layer in ``.importlinter``, the highest first."""
    contracts = configparser.ConfigParser()
    contracts.read(ROOT / ".importlinter")
    lines = contracts["importlinter:contract:layers"]["layers"].split("\n")
    return [{name.strip() for name in line.split(":")} for line in lines if line.strip()]


def test_the_architecture_page_lists_every_room_from_top_to_bottom() -> None:
    rooms = {module.name for module in pkgutil.iter_modules(leanplum_sync.__path__)} - {"__main__"}
    listed = [name for row in table("architecture.md", "Rooms") for name in row if not name.endswith(".py")]
    first_column = [name for name in listed if name in rooms]
    assert sorted(first_column) == sorted(rooms)
    depth = {name: number for number, layer in enumerate(layers()) for name in layer}
    assert [depth[name] for name in first_column] == sorted(depth[name] for name in rooms)


def test_the_drawing_of_the_rooms_shows_each_of_them() -> None:
    section = (ROOT / "docs/architecture.md").read_text().partition("\n## Rooms\n")[2]
    drawing = section.split("```")[1]
    rooms = {module.name for module in pkgutil.iter_modules(leanplum_sync.__path__)} - {"__main__"}
    assert rooms <= set(re.findall(r"\w+", drawing))


def test_each_command_has_a_module_of_its_name() -> None:
    context = click.Context(program)
    for name in program.list_commands(context):
        module = importlib.import_module(f"leanplum_sync.cli.commands.{name.replace('-', '_')}")
        assert module.command.name == name


def test_each_module_with_a_command_is_one_that_the_program_has() -> None:
    commands = importlib.import_module("leanplum_sync.cli.commands")
    with_command = {
        module.name.replace("_", "-")
        for module in pkgutil.iter_modules(commands.__path__)
        if hasattr(importlib.import_module(f"{commands.__name__}.{module.name}"), "command")
    }
    assert with_command == set(program.list_commands(click.Context(program)))


def test_the_contributing_page_lists_every_folder_of_tests() -> None:
    folders = {
        f"tests/{path.name}"
        for path in (ROOT / "tests").iterdir()
        if path.is_dir() and any(path.rglob("*.py")) and path.name != "__pycache__"
    }
    assert {name for row in table("contributing.md", "Tests") for name in row} == folders


def test_the_makefile_describes_each_of_its_targets() -> None:
    text = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^([a-z-]+):", text, re.MULTILINE)
    described = re.findall(r"^#   make ([a-z-]+)", text, re.MULTILINE)
    assert sorted(described) == sorted({*targets} - {"help"})
