"""The status of a journal, for a comment or the summary of a pipeline."""

from __future__ import annotations

from typing import Final

from leanplum_sync.journal.entry import RunEntry
from leanplum_sync.render.markdown.writing import Rows, code, fitted, marker, prose, row, table
from leanplum_sync.render.status import NO_RUNS, NOTHING_HELD, Status, held_groups, lock_words
from leanplum_sync.render.values import cut, escaped
from leanplum_sync.render.words import amount, moment

_CELLS: Final = 200


def status_markdown(status: Status, limit: int) -> str:
    title = f"### Journal {code(cut(escaped(status.journal)))}"
    if not status.runs:
        return fitted([marker("status"), title, NO_RUNS], limit)
    return fitted(
        [
            marker("status"),
            title,
            _held_words(status),
            _held(status),
            Rows(
                "",
                [f"- {prose(cut(lock_words(lock, status.now), _CELLS))}" for lock in status.locks],
                lambda _: "",
            ),
            Rows(
                table("Run:", "State", "Environment", "Started", "Actions:", "Plan"),
                list(map(_run, status.runs)),
                lambda count: (
                    f"_{amount(count, 'run')} omitted here: `leanplum-sync journal list` lists all of them._"
                ),
            ),
        ],
        limit,
    )


def _held_words(status: Status) -> str:
    if not status.held:
        return f"**{NOTHING_HELD}**"
    return (
        f"> [!CAUTION]\n> {amount(len(status.held), 'action')} held: they may or may not have happened. A person"
        " must decide with `leanplum-sync resolve`."
    )


def _held(status: Status) -> Rows:
    lines = [
        row(
            f"**{len(ids):,}**",
            code(cut(resource)),
            code(cut(name)),
            str(run),
            ", ".join(code(cut(each)) for each in ids[:3]),
        )
        for (resource, name, run), ids in held_groups(status)
    ]
    return Rows(
        table("Held:", "Spec", "Name", "Run:", "Examples"),
        lines,
        lambda count: f"_{amount(count, 'group')} omitted here: `leanplum-sync status` lists all of them._",
    )


def _run(run: RunEntry) -> str:
    return row(
        str(run.number),
        run.state.value,
        code(cut(escaped(run.environment))),
        moment(run.started_at),
        f"{run.actions:,}",
        f"`{run.plan_digest[:12]}`",
    )
