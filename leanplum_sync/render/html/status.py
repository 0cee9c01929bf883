"""The status of a journal, as a page."""

from __future__ import annotations

from collections.abc import Sequence

from leanplum_sync.render.html.parts import code, codes, items, main, masthead, section, table
from leanplum_sync.render.html.writing import NOTHING, Content, Html, page, tag
from leanplum_sync.render.status import NOTHING_HELD, Status, held_groups, lock_words
from leanplum_sync.render.words import amount, moment

_SAMPLES = 5


def status_html(status: Status) -> str:
    head = f"{amount(len(status.held), 'action')} held: a person must decide" if status.held else NOTHING_HELD
    runs: list[Sequence[Content]] = [
        (
            str(run.number),
            run.state.value,
            run.environment,
            tag("span", moment(run.started_at), class_="word"),
            f"{run.actions:,}",
            code(run.plan_digest[:12]),
        )
        for run in status.runs
    ]
    latest = table(
        "Runs, latest first", ["Run:", "State", "Environment", "Started", "Actions:", "Plan"], runs
    )
    return page(
        "Journal",
        main(
            masthead("Journal", None, head if status.runs else "No runs yet", status.journal),
            _held(status),
            section("Running now", items(lock_words(lock, status.now) for lock in status.locks))
            if status.locks
            else NOTHING,
            section("Recent runs", latest) if runs else NOTHING,
        ),
    )


def _held(status: Status) -> Html:
    rows: list[Sequence[Content]] = [
        (f"{len(ids):,}", code(resource), code(name), str(run), codes(ids[:_SAMPLES]))
        for (resource, name, run), ids in held_groups(status)
    ]
    if not rows:
        return NOTHING
    return section(
        "Held", table("Held actions, by spec and run", ["Actions:", "Spec", "Name", "Run:", "Examples"], rows)
    )
