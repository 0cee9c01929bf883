"""
Every ``console`` block of the README, the docs and the examples does what it shows.

Each page runs from top to bottom in one shell, in a fresh copy of the project. A command must succeed, unless the next one
is ``echo $?``. The output must be as shown, standard error included. ``...`` stands for text that varies: on a line of its
own for any number of lines, within a line for any text. Progress is switched off, because it depends on the machine's speed.
"""

from __future__ import annotations

import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import click
import pytest
from pydantic import BaseModel
from ruamel.yaml import YAML

from leanplum_sync.cli.command import SharedOption
from leanplum_sync.cli.exit_codes import ExitCode
from leanplum_sync.cli.program import COMMANDS, program
from leanplum_sync.kinds.registry import KINDS
from leanplum_sync.project.model import ProjectDocument
from leanplum_sync.specs.key_order import alternatives

ROOT = Path(__file__).parents[2]
INSTALLED = str(Path(sys.executable).parent)
PAGES = [
    page.relative_to(ROOT).as_posix()
    for page in [ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")]
]
PAGES_WITH_COMMANDS = [page for page in PAGES if "```console" in (ROOT / page).read_text()]
NOT_COPIED = shutil.ignore_patterns(".*cache", ".git", ".hypothesis", ".leanplum-sync", ".venv", "*.egg-info", "__pycache__", "tests")  # fmt: skip
DOCUMENTS: dict[str, type[BaseModel]] = {
    "Project": ProjectDocument,
    **{kind.name: kind.document for kind in KINDS.values()},
}


@dataclass(frozen=True, slots=True)
class Step:
    line: int
    command: str
    shown: tuple[str, ...]


def steps(text: str) -> Iterator[Step]:
    """Yield the commands of all console blocks; a command may go on in lines that start with ``> ``."""
    command: list[str] = []
    shown: list[str] = []
    start, inside = 0, False
    for number, line in enumerate([*text.splitlines(), "```"], start=1):
        ends = inside and line.startswith("```")
        if command and (ends or line.startswith("$ ")):
            yield Step(start, "\n".join(command), tuple(shown))
            command, shown = [], []
        if ends or not inside:
            inside = not ends and line.strip() == "```console"
        elif line.startswith("$ "):
            command, start = [line[2:]], number
        elif line.startswith("> ") and not shown:
            command.append(line[2:])
        else:
            shown.append(line)


def pattern(shown: tuple[str, ...]) -> re.Pattern[str]:
    lines = [
        r"(?:.*\n)*?"
        if line.strip() == "..."
        else ".*?".join(map(re.escape, line.rstrip().split("..."))) + r"\n"
        for line in shown
    ]
    return re.compile("".join(lines))


def run(page_steps: list[Step], folder: Path, home: Path, path: str = INSTALLED) -> list[tuple[int, str]]:
    """Return the exit status and the output of each step. The command is found in *path*."""
    mark = "\x1e"
    start = "exec 2>&1 </dev/null; trap 'kill $(jobs -p) 2>/dev/null' EXIT\n"
    script = start + "".join(
        f'eval {shlex.quote(step.command)}; s=$?; printf "\\n{mark}%d{mark}" $s; (exit $s)\n'
        for step in page_steps
    )
    environment = {
        "PATH": os.pathsep.join([path, INSTALLED, os.environ["PATH"]]),
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "COLUMNS": "100",
        "LEANPLUM_SYNC_NO_PROGRESS": "1",  # comes only when a command is slow
        "PYTHONUNBUFFERED": "1",  # so that both streams come out in the order in which they were written
    }
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=3600,
        check=False,
    )
    output, *rest = done.stdout.split(mark)
    results = []
    for status, following in zip(rest[::2], rest[1::2], strict=True):
        results.append((int(status), tidy(output)))
        output = following
    return results


def is_status_shown(page_steps: list[Step], number: int) -> bool:
    return number + 1 < len(page_steps) and page_steps[number + 1].command == "echo $?"


def tidy(output: str) -> str:
    lines = [line.rstrip() for line in output.splitlines()]
    return "\n".join(lines).rstrip("\n") + "\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    copy = tmp_path / "leanplum-sync"
    shutil.copytree(ROOT, copy, ignore=NOT_COPIED)
    return copy


@pytest.mark.parametrize("page", PAGES_WITH_COMMANDS)
def test_what_a_page_shows_is_what_happens(page: str, project: Path, tmp_path: Path) -> None:
    from quick_command import quick_path  # noqa: PLC0415 - docs/refresh.py uses this module without our helpers

    page_steps = list(steps((ROOT / page).read_text()))
    results = run(page_steps, project, tmp_path, INSTALLED if page == "README.md" else quick_path())
    assert len(results) == len(page_steps), f"{page}: the shell ended early"
    for number, (step, (status, output)) in enumerate(zip(page_steps, results, strict=True)):
        place = f"{page}:{step.line}: {step.command}"
        assert status == 0 or is_status_shown(page_steps, number), f"{place}\nended with {status}:\n{output}"
        shown = "\n".join(step.shown)
        is_as_shown = not shown or pattern(step.shown).fullmatch(output) is not None
        assert is_as_shown, f"{place}\nshows:\n{shown}\nbut gave:\n{output}"


def test_the_python_of_the_readme_prints_what_it_says(tmp_path: Path) -> None:
    for block in re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL):
        done = subprocess.run(
            [sys.executable, "-c", block], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout.splitlines()) == (0, re.findall(r"print\(.*\)  # (.*)", block))


@pytest.mark.parametrize("page", PAGES)
def test_whole_specs_on_a_page_are_well_formed(page: str) -> None:
    for block in re.findall(r"```yaml\n(apiVersion: .*?)```", (ROOT / page).read_text(), re.DOTALL):
        content = YAML(typ="safe", pure=True).load(block)
        DOCUMENTS[content["kind"]].model_validate(content)


@pytest.mark.parametrize("page", PAGES)
def test_links_between_pages_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text()
    targets = re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)", text)
    for path, anchor in targets:
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.exists(), f"{page} links to {path}, which is not there"
        if anchor:
            assert anchor in anchors(target.read_text()), (
                f"{page} links to #{anchor}, which {target.name} lacks"
            )


def anchors(text: str) -> set[str]:
    """Return the names that code hosts give to headings."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_runner_can_tell_a_wrong_page_from_a_right_one(tmp_path: Path) -> None:
    text = "```console\n$ echo one; echo 2; echo three\none\n...\nth...e\n$ cd /; false\n$ echo $?\n1\n$ pwd\n/\n```\n"
    right = list(steps(text))
    results = run(right, tmp_path, tmp_path)
    assert [status for status, _ in results] == [0, 1, 0, 0]
    assert all(
        not step.shown or pattern(step.shown).fullmatch(output)
        for step, (_, output) in zip(right, results, strict=True)
    )
    assert not pattern(("one", "three")).fullmatch(results[0][1])


@pytest.mark.parametrize("page", PAGES)
def test_a_block_that_names_a_file_of_the_examples_shows_it(page: str) -> None:
    for block, name in re.findall(
        r"```yaml\n(# (examples/\S+)\n.*?)```", (ROOT / page).read_text(), re.DOTALL
    ):
        assert (ROOT / name).read_text() == block


def test_generated_pages_are_up_to_date() -> None:
    generate = runpy.run_path(str(ROOT / "docs/generate.py"))
    for page in (ROOT / "docs").glob("*.md"):
        text = page.read_text()
        assert generate["filled"](text) == text, f"{page.name} is behind: run python docs/generate.py"


@pytest.mark.parametrize("page", ["README.md", "docs/exit-codes.md"])
def test_every_exit_code_stands_in_the_tables(page: str) -> None:
    rows = re.findall(r"^\| ([\d, ]+) \|", (ROOT / page).read_text(), re.MULTILINE)
    assert {int(number) for row in rows for number in row.split(",")} == set(map(int, ExitCode))


def fields_of(shape: Any, seen: set[type[BaseModel]]) -> set[str]:
    """Return every key that a document of *shape* may have, but for names that users choose."""
    found: set[str] = set()
    for each in alternatives(shape):
        if isinstance(each, type) and issubclass(each, BaseModel) and each not in seen:
            seen.add(each)
            for name, field in each.model_fields.items():
                found |= {field.alias or name, *fields_of(field.annotation, seen)}
        else:
            for inner in get_args(each):
                found |= fields_of(inner, seen)
    return found


@pytest.mark.parametrize(
    ("page", "kinds"),
    [("specs", list(KINDS)), ("project-file", ["Project"])],
)
def test_every_field_of_the_spec_language_is_documented(page: str, kinds: list[str]) -> None:
    rows = set(re.findall(r"^\| `(\w+)` \|", (ROOT / f"docs/{page}.md").read_text(), re.MULTILINE))
    fields = set[str]().union(*(fields_of(DOCUMENTS[kind], set()) for kind in kinds))
    top = {"apiVersion", "kind", "metadata", "spec", "name", "owner", "description", "dependsOn"}
    assert len(fields) > 20
    assert fields - top <= rows
    assert page != "specs" or {"apiVersion", "metadata", "name", "owner", "description", "dependsOn"} <= rows


def test_every_command_and_every_option_is_documented() -> None:
    text = (ROOT / "docs/commands.md").read_text()
    context = click.Context(program, info_name="leanplum-sync")
    for verb in COMMANDS:
        command = program.get_command(context, verb)
        groups = command.commands.items() if isinstance(command, click.Group) else [("", command)]
        for name, each in groups:
            _, found, section = text.partition(f"\n### {f'{verb} {name}'.strip()}\n")
            assert found, f"{verb} {name} is not in commands.md"
            section = section.partition("\n### ")[0]
            for option in each.params if each else ():
                if isinstance(option, click.Option) and not option.hidden:
                    where = text if isinstance(option, SharedOption) else section
                    assert f"{max(option.opts, key=len)}" in where, f"{verb} {name} {option.opts}"
