"""The manual page, from the commands themselves: ``man leanplum-sync``. `make docs` writes it."""

import re
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import click

from leanplum_sync.cli.command import SharedOption
from leanplum_sync.cli.program import COMMANDS, NAME, program

HERE = Path(__file__).parent
PAGE = HERE / "leanplum-sync.1"


def manual() -> str:
    context = click.Context(program, info_name=NAME)
    commands = [
        (name, command) for name in COMMANDS if (command := program.get_command(context, name)) is not None
    ]
    return "\n".join(
        [
            f'.TH LEANPLUM\\-SYNC 1 "" "{NAME} {version(NAME)}" "User Commands"',
            ".SH NAME",
            rf"{roff(NAME)} \- {roff(first_sentence(program.help))}",
            ".SH SYNOPSIS",
            rf".B {roff(NAME)}",
            r"[\fIOPTIONS\fR] \fICOMMAND\fR [\fIARGS\fR]...",
            ".SH COMMANDS",
            *(line for name, command in commands for line in section(name, command, context)),
            ".SH SHARED OPTIONS",
            "Give them before or after the command.",
            *options([each for each in program.params if isinstance(each, SharedOption)], context),
            ".SH EXIT STATUS",
            *exit_codes(),
            ".SH ENVIRONMENT",
            *environment(),
            ".SH FILES",
            *(line for name, text in FILES.items() for line in item(name, text)),
            "",
        ]
    )


FILES = {
    "leanplum-sync.yaml": "The project, found in the working folder or above it.",
    ".leanplum-sync/": "Plans, snapshots, the journal where it is a file, and the users of the embedded emulator.",
}


def section(name: str, command: click.Command, parent: click.Context) -> Iterator[str]:
    context = click.Context(command, info_name=name, parent=parent)
    yield f".SS {roff(' '.join([name, *command.collect_usage_pieces(context)]))}"
    yield from paragraphs(command.help or "")
    yield from options([each for each in command.params if not isinstance(each, SharedOption)], context)
    if isinstance(command, click.Group):
        for inner, each in command.commands.items():
            yield from section(f"{name} {inner}", each, parent)


def paragraphs(text: str) -> Iterator[str]:
    r"""Yield a help text's paragraphs; click marks paragraphs that keep their lines with ``\b``."""
    for number, part in enumerate(re.split(r"\n\s*\n", re.sub(r" +$", "", text.strip(), flags=re.MULTILINE))):
        if number:
            yield ".PP"
        if part.startswith("\b\n"):
            yield from [".nf", *map(roff, part.removeprefix("\b\n").splitlines()), ".fi"]
        else:
            yield roff(" ".join(part.split()))


def options(parameters: list[click.Parameter], context: click.Context) -> Iterator[str]:
    for each in parameters:
        record = each.get_help_record(context) if isinstance(each, click.Option) else None
        if record is not None:
            yield from item(record[0], getattr(each, "help", "") or record[1])


def exit_codes() -> Iterator[str]:
    """Yield what the page on exit codes says of each: a test holds it to the code."""
    rows = re.findall(r"^\| ([\d, ]+) \| ([^|]*) \|", (HERE / "exit-codes.md").read_text(), re.MULTILINE)
    return (line for numbers, meaning in rows for line in item(numbers, meaning))


def environment() -> Iterator[str]:
    yield from item("LEANPLUM_APP_ID", "The app to work on.")
    for name, text in {
        "PRODUCTION": "The key that writes.",
        "DATA_EXPORT": "The key that reads users.",
        "CONTENT_READ_ONLY": "The key that reads messages.",
        "DEVELOPMENT": "The development key.",
    }.items():
        yield from item(f"LEANPLUM_{name}_KEY", text)
    yield from item("LEANPLUM_API_URL", "Another host than Leanplum's, such as that of an emulator.")
    yield from item("LEANPLUM_SYNC_PLAN_KEY", "The key that values in plans are encrypted with.")
    yield ".PP"
    yield roff(
        "Each option can be set by a variable: LEANPLUM_SYNC_ENVIRONMENT is --environment, LEANPLUM_SYNC_PLAN_OUT is plan --out."
    )


def item(term: str, text: str) -> Iterator[str]:
    plain = re.sub(r"\[([^]]*)\]\([^)]*\)|`", r"\1", " ".join(text.split()))
    yield from (".TP", rf"\fB{roff(term)}\fR", roff(plain))


def first_sentence(text: str | None) -> str:
    return " ".join((text or "").split()).partition(". ")[0].rstrip(".")


def roff(text: str) -> str:
    escaped = text.replace("\\", r"\e").replace("-", r"\-").replace("'", r"\(aq").replace("`", r"\(ga")
    return rf"\&{escaped}" if escaped.startswith(".") else escaped


if __name__ == "__main__":
    PAGE.write_text(manual(), encoding="utf-8")
