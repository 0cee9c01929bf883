"""The journal's rows as plain records, for questions that no command answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import orjson

from leanplum_sync.duck import connect
from leanplum_sync.errors import StorageError
from leanplum_sync.journal.entry import BatchState
from leanplum_sync.journal.reader import JournalReader

# Every record has the first two; the others where they mean something. The types are DuckDB's.
COLUMNS: Final = {
    "record": "VARCHAR",  # run, batch, exception or delivery
    "run": "BIGINT",
    "batch": "BIGINT",
    "action": "BIGINT",
    "subject": "VARCHAR",
    "resource": "VARCHAR",
    "name": "VARCHAR",
    "state": "VARCHAR",
    "fate": "VARCHAR",
    "message": "VARCHAR",
    "app": "VARCHAR",
    "environment": "VARCHAR",
    "part": "VARCHAR",
    "plan": "VARCHAR",
    "batches": "BIGINT",
    "actions": "BIGINT",
    "wave": "BIGINT",
    "class": "VARCHAR",
    "attempts": "BIGINT",
    "held": "BIGINT",
    "started_at": "DOUBLE",
    "ended_at": "DOUBLE",
    "sent_at": "DOUBLE",
    "doubted_at": "DOUBLE",
}


def records(journal: JournalReader, runs: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Yield the records of *runs*: each run, its batches and exceptions, and at the end the deliveries."""
    for number in runs:
        run = journal.run(number)
        if run is None:
            continue
        yield {
            "record": "run",
            "run": run.number,
            "state": run.state,
            "app": run.app,
            "environment": run.environment,
            "part": run.part,
            "plan": run.plan_digest,
            "batches": run.batches,
            "actions": run.actions,
            "started_at": run.started_at,
            "ended_at": run.ended_at,
        }
        for batch in journal.batches(number):
            yield {
                "record": "batch",
                "run": number,
                "batch": batch.sequence,
                "state": batch.state,
                # The reason of a batch that is done is about actions that wait, and there are none left; of sends that were made
                # elsewhere, it says who recorded them, and why.
                "message": None if batch.state is BatchState.DONE and not run.is_recorded else batch.reason,
                "wave": batch.wave,
                "class": batch.delivery_class,
                "attempts": batch.attempts,
                "held": batch.held,
                "sent_at": batch.sent_at,
                "doubted_at": batch.doubted_at,
            }
        for entry in journal.exceptions(number):
            yield {
                "record": "exception",
                "run": number,
                "batch": entry.sequence,
                "action": entry.action,
                "subject": str(entry.subject),
                "fate": entry.fate,
                "message": entry.message,
            }
    wanted = frozenset(runs)
    for delivery in journal.deliveries():
        if delivery.run in wanted:
            yield {
                "record": "delivery",
                "run": delivery.run,
                "batch": delivery.sequence,
                "subject": str(delivery.key.subject),
                "resource": delivery.key.resource,
                "name": delivery.key.name,
                "state": delivery.state,
                "app": delivery.app,
            }


def lines(journal: JournalReader, runs: Sequence[int]) -> Iterator[bytes]:
    for record in records(journal, runs):
        yield orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)


def write_ndjson(journal: JournalReader, runs: Sequence[int], path: Path) -> None:
    with path.open("wb") as file:
        file.writelines(lines(journal, runs))


def write_parquet(journal: JournalReader, runs: Sequence[int], path: Path) -> None:
    """Write all records into one table; a column that a record doesn't have is null."""
    import duckdb  # noqa: PLC0415 - takes longer to import than most journals take to export

    with TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as folder:
        between = Path(folder) / "records.ndjson"
        write_ndjson(journal, runs, between)
        columns = ", ".join(f"'{name}': '{kind}'" for name, kind in COLUMNS.items())
        rows = f"read_json(?, format = 'newline_delimited', columns = {{{columns}}})"
        try:
            with connect() as database:
                database.execute(
                    f"COPY (SELECT * FROM {rows}) TO '{_quoted(path)}' (FORMAT parquet)",  # noqa: S608 - constants, and a quoted path
                    [str(between)],
                )
        except duckdb.Error as error:
            raise StorageError(f"{path}: the export can't be written: {error}") from error


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
