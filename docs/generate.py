"""
Write the generated parts of these pages, between ``<!-- generated: NAME -->`` and ``<!-- end -->``.

Run it after changing a model or an option; a test fails while a page is behind.
"""

import json
import re
import runpy
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import click
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from leanplum_sync import bounds
from leanplum_sync.cli.command import SharedOption
from leanplum_sync.cli.program import program
from leanplum_sync.journal import schema as journal_schema
from leanplum_sync.kinds.registry import KINDS
from leanplum_sync.kinds.rows import document, forms
from leanplum_sync.planfile import schema as planfile_schema
from leanplum_sync.project import model as project
from leanplum_sync.project import moved
from leanplum_sync.render.schemas import Schema, document_schema
from leanplum_sync.wire.action import DeliveryClass
from leanplum_sync.wire.catalogue import ACTIONS, ActionSpec, CreateDisposition, Target

HERE = Path(__file__).parent
fidelity = SimpleNamespace(**runpy.run_path(str(HERE / "evidence.py")))
BY_HAND: dict[str, str] = runpy.run_path(str(HERE / "by_hand.py"))["BY_HAND"]


def main() -> None:
    for page in HERE.glob("*.md"):
        page.write_text(filled(page.read_text()))


def filled(text: str) -> str:
    """Return *text* with its generated parts updated."""

    def fill(match: re.Match[str]) -> str:
        return f"{match[1]}\n\n{PARTS[match[2]]()}\n\n{match[3]}"

    return re.sub(r"(<!-- generated: ([\w ]+) -->)\n.*?(<!-- end -->)", fill, text, flags=re.DOTALL)


def fields(*models: type[BaseModel]) -> Callable[[], str]:
    """
    Return a maker of one table with the fields of *models*; what a model inherits from another of them
    stands once.
    """

    def make() -> str:
        rows = {
            row: None
            for model in models
            for row in map(field_row, *zip(*model.model_fields.items(), strict=True))
        }
        return "\n".join(["| key | | for example |", "|---|---|---|", *rows])

    return make


def field_row(name: str, field: FieldInfo) -> str:
    required = "**Required.** " if field.is_required() else ""
    example = f"`{flow(field.examples[0])}`" if field.examples else ""
    return f"| `{field.alias or name}` | {required}{cell(field.description or '')} | {cell(example)} |"


def flow(value: object) -> str:
    """Return *value* as a person would write it in YAML, on one line."""
    match value:
        case dict():
            return "{" + ", ".join(f"{key}: {flow(item)}" for key, item in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(flow, value)) + "]"
        case str() if re.fullmatch(r"[A-Za-z_][\w./@ -]*", value):
            return value
        case _:
            return json.dumps(value)


def cell(text: str) -> str:
    return text.replace("|", r"\|")


def events() -> str:
    """Return a table of the events: the name and fields of each."""
    rows = ["| event | fields |", "|---|---|"]
    for event in document_schema("event")["anyOf"]:
        known = {name: schema for name, schema in event["properties"].items() if name not in ("at", "event")}
        listed = "; ".join(f"`{name}` {cell(kind_of(schema))}" for name, schema in known.items())
        rows.append(f"| `{event['properties']['event']['const']}` | {listed} |")
    return "\n".join(rows)


def kind_of(schema: Schema) -> str:
    """Return what may stand where *schema* holds, in a few words."""
    match schema:
        case {"const": value}:
            return f"`{value}`"
        case {"enum": words}:
            return ", ".join(f"`{word}`" for word in words)
        case {"anyOf": [inner, {"type": "null"}]}:
            return f"{kind_of(inner)}, or null"
        case {"propertyNames": {"enum": words}}:
            return f"how many of each: {', '.join(f'`{word}`' for word in words)}"
        case {"description": text}:
            return str(text)
        case {"type": kind}:
            return {"integer": "number", "string": "text"}.get(kind, str(kind))
        case _:
            raise ValueError(f"no description for the schema {schema}")


def commands() -> str:
    context = click.Context(program, info_name="leanplum-sync")
    names = program.list_commands(context)
    return "\n\n".join(section(name, program.get_command(context, name), context) for name in names)


def sections_of(group: click.Group, parent: click.Context) -> str:
    own = [section(f"{group.name} {name}", command, parent) for name, command in group.commands.items()]
    return "\n\n".join([f"### {group.name}\n\n{prose(group.help or '')}", *own])


def section(name: str, command: click.Command | None, parent: click.Context) -> str:
    assert command is not None  # noqa: S101 - list_commands named it
    if isinstance(command, click.Group):
        return sections_of(command, parent)
    context = click.Context(command, info_name=name, parent=parent)
    usage = " ".join(["leanplum-sync", name, *command.collect_usage_pieces(context)])
    parts = [
        f"### {name}",
        prose(command.help or ""),
        f"```text\n{usage}\n```",
        own_options(command, context),
    ]
    return "\n\n".join(part for part in parts if part)


def prose(text: str) -> str:
    r"""Return the paragraphs of a help text, each on one line; click marks those it must not wrap with ``\b``."""
    paragraphs = re.split(r"\n\s*\n", re.sub(r" +$", "", text.strip(), flags=re.MULTILINE))
    return "\n\n".join(
        "```text\n" + part.removeprefix("\b\n") + "\n```"
        if part.startswith("\b\n")
        else " ".join(part.split())
        for part in paragraphs
    )


def own_options(command: click.Command, context: click.Context) -> str:
    own = [parameter for parameter in command.params if not isinstance(parameter, SharedOption)]
    return options_table(own, context)


def options_table(parameters: list[click.Parameter], context: click.Context) -> str:
    rows = list(option_rows(parameters, context))
    return "\n".join(["| option | |", "|---|---|", *rows]) if rows else ""


def option_rows(parameters: list[click.Parameter], context: click.Context) -> Iterator[str]:
    for parameter in parameters:
        record = parameter.get_help_record(context) if isinstance(parameter, click.Option) else None
        if record is not None:
            yield f"| `{cell(record[0])}` | {cell(record[1])} |"


def shared_options() -> str:
    shared = [parameter for parameter in program.params if isinstance(parameter, SharedOption)]
    return options_table(list(shared), click.Context(program, info_name="leanplum-sync"))


def actions() -> str:
    rows = [action_row(spec) for spec in ACTIONS.values()]
    head = "| action | | key | needs | creates users | in a batch | billed | if repeated |"
    return "\n".join([head, "|---|---|---|---|---|---|---|---|", *rows])


def action_row(spec: ActionSpec) -> str:
    needed = {
        Target.USER: ["user", *names(spec.required)],
        Target.DEVICE: names(["deviceId", *spec.required]),
        Target.APP: names(spec.required),
    }[spec.target]
    makes = spec.create_disposition is CreateDisposition.IF_NEEDED
    cells = (
        f"[`{spec.name}`](#{spec.name.lower()})",
        "writes" if spec.writes else "reads",
        spec.key_class.words,
        ", ".join(needed),
        "yes" if makes else "",
        spec.in_multi.value.replace("sdk", "SDKs"),
        "yes" if spec.billable else "",
        TWICE[spec.delivery_class],
    )
    return f"| {' | '.join(cells)} |"


def bounds_of_input() -> str:
    rows = [f"| {each.what} | {each} | {each.reason} |" for each in bounds.ALL]
    return "\n".join(["| what | at most | why that is enough |", "|---|---|---|", *rows])


def names(texts: Iterable[str]) -> list[str]:
    return [f"`{text}`" for text in texts]


def arguments_of_actions() -> str:
    return "\n\n".join(map(arguments_of, ACTIONS.values()))


def arguments_of(spec: ActionSpec) -> str:
    optional = [
        f"`{name}` ({kind.value})" for name, kind in spec.arguments.items() if name not in spec.required
    ]
    required = [f"**`{name}`** ({kind.value})" for name, kind in spec.required.items()]
    lines = [
        "" if spec.documented else "Seen in SDKs only.",
        f"Arguments: {', '.join([*required, *optional])}." if required or optional else "",
        f"Response: {', '.join(names(spec.answer))}." if spec.answer else "",
    ]
    text = "\n".join(line for line in lines if line) or "Takes no arguments, and returns nothing else."
    return f"### {spec.name}\n\n{text}"


def kinds() -> str:
    """
    Return a table of the kinds: what each does, with which API actions and keys, and the hazards it adds to
    a plan.
    """
    rows = [
        f"| `{kind.name}` | {kind.summary} | {kind.subjects.value + 's' if kind.has_rows else 'none'} | {', '.join(names(kind.writes))} |"
        f" {', '.join(kind.delivery)} | {', '.join(names(kind.hazards))} |"
        for kind in KINDS.values()
    ]
    head = "| kind | | rows are | API actions | delivery class | hazards it can add |"
    return "\n".join([head, "|---|---|---|---|---|---|", *rows])


def covered() -> str:
    """Return a table of the API's actions that kinds write or read with."""
    rows = []
    for action in ACTIONS:
        writing = [kind.name for kind in KINDS.values() if action in kind.writes]
        reading = [kind.name for kind in KINDS.values() if action in kind.reads]
        if writing or reading:
            rows.append(f"| `{action}` | {', '.join(names(writing))} | {', '.join(names(reading))} |")
    return "\n".join(["| action | written by | read by |", "|---|---|---|", *rows])


def by_hand() -> str:
    """
    Return a table of the reasons why no kind covers an action, with the actions.

    Raises:
        ValueError: an action has no kind and no reason, or both, or a reason is about an unknown action.
    """
    if unknown := BY_HAND.keys() - ACTIONS.keys():
        raise ValueError(f"docs/by_hand.py: the API has no action {sorted(unknown)}")
    actions: dict[str, list[str]] = {}
    for action in ACTIONS:
        has_kind = any(action in (*kind.writes, *kind.reads) for kind in KINDS.values())
        reason = BY_HAND.get(action, "")
        if has_kind is bool(reason):
            raise ValueError(f"docs/by_hand.py: {action} needs either a kind or a reason, and not both")
        if reason:
            actions.setdefault(reason, []).append(action)
    rows = [f"| {', '.join(names(found))} | {reason} |" for reason, found in actions.items()]
    return "\n".join(["| actions | why no kind covers them |", "|---|---|", *rows])


def plan_tables() -> str:
    with closing(sqlite3.connect(":memory:")) as empty:
        empty.executescript(planfile_schema.CREATE)
        tables = [
            name
            for (name,) in empty.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY rowid")
        ]
        return columns_table(
            (name, [row[1] for row in empty.execute("SELECT * FROM pragma_table_info(?)", (name,))])
            for name in tables
        )


def journal_tables() -> str:
    tables = journal_schema.metadata.tables
    return columns_table((name, [column.name for column in table.columns]) for name, table in tables.items())


def columns_table(tables: Iterable[tuple[str, Iterable[str]]]) -> str:
    rows = [f"| `{name}` | {', '.join(names(columns))} |" for name, columns in tables]
    return "\n".join(["| table | columns |", "|---|---|", *rows])


TWICE = {
    DeliveryClass.REPEATABLE: "no effect",
    DeliveryClass.CHECKABLE: "can be checked",
    DeliveryClass.ONCE: "happens again",
}


def fidelity_score() -> str:
    """Return how many actions and answers to open questions are based on each kind of evidence."""
    actions = Counter(facts.evidence for facts in fidelity.ACTIONS.values())
    answers = Counter(question.evidence for question in fidelity.QUESTIONS)
    rows = [f"| {each} | {actions[each]} | {answers[each]} |" for each in fidelity.Evidence]
    firm = (fidelity.Evidence.RECORDED, fidelity.Evidence.DOCUMENTED)
    switched = sum(bool(question.switch) for question in fidelity.QUESTIONS)
    total = (
        f"{sum(actions[each] for each in firm)} of {actions.total()} actions, and {sum(answers[each] for each in firm)} of"
        f" {answers.total()} answers to open questions, are based on recordings or documentation. {switched} questions have a switch."
    )
    return "\n".join(["| evidence | actions | open questions |", "|---|---|---|", *rows, "", total])


def fidelity_actions() -> str:
    rows = (
        f"| `{name}` | {facts.evidence} | {held_by(facts.test)} |" for name, facts in fidelity.ACTIONS.items()
    )
    return "\n".join(["| action | evidence | test |", "|---|---|---|", *rows])


def fidelity_questions() -> str:
    ranked = sorted(fidelity.QUESTIONS, key=lambda each: list(fidelity.Evidence).index(each.evidence))
    rows = (
        f"| {cell(each.question)} | {cell(each.answer)} | {each.evidence} | {held_by(each.test)}"
        f" | {f'`{each.switch}`' if each.switch else ''} |"
        for each in ranked
    )
    return "\n".join(
        ["| question | the emulator's answer | evidence | test | switch |", "|---|---|---|---|---|", *rows]
    )


def held_by(test: str) -> str:
    """Return a test as its file and its sentence."""
    file, _, name = test.partition("::")
    return f"`{file}`: {name.removeprefix('test_').replace('_', ' ')}"


PARTS: dict[str, Callable[[], str]] = {
    "fidelity score": fidelity_score,
    "fidelity of actions": fidelity_actions,
    "fidelity of questions": fidelity_questions,
    "events": events,
    "actions": actions,
    "arguments of actions": arguments_of_actions,
    "plan tables": plan_tables,
    "journal tables": journal_tables,
    "commands": commands,
    "shared options": shared_options,
    "document": fields(document.Document),
    "metadata": fields(document.Metadata),
    "listing": fields(document.Listing),
    "audience": fields(document.AudienceModel),
    "kinds": kinds,
    "covered": covered,
    "by hand": by_hand,
    **{name: fields(model) for kind in KINDS.values() for name, model in kind.tables.items()},
    "column": fields(forms.ColumnForm),
    "value": fields(forms.ValueForm),
    "from": fields(forms.FromForm),
    "state": fields(forms.AbsentForm),
    "lists": fields(forms.ListForm),
    "increment": fields(forms.IncrementForm),
    "project": fields(project.ProjectSpec),
    "embedded": fields(project.EmbeddedModel),
    "live": fields(project.LiveModel),
    "keys": fields(project.KeysModel),
    "variable": fields(project.FromEnvironment),
    "audit": fields(project.AuditModel),
    "budget": fields(project.BudgetModel),
    "moved": fields(moved.MovedModel),
    "connections": fields(project.ConnectionModel),
    "limits": fields(project.LimitsModel),
    "bounds": bounds_of_input,
}


if __name__ == "__main__":
    main()
