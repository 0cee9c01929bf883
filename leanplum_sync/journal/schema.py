"""
The journal's tables, and the steps from each version to the next.

Keys are (run, sequence): they grow, so that inserts go to the end of an index. A random key for each row took 31 times as long.
Rows are for batches, not for actions; only an action that is not a plain success has a row of its own.
Subjects are written as ``user:id`` or ``device:id``. Times are seconds since the epoch.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Final

import sqlalchemy as sa

from leanplum_sync.journal.cells import Cell, Kind

metadata = sa.MetaData()

version_table = sa.Table(
    "journal_version",
    metadata,
    sa.Column("version", Cell(Kind.WHOLE, "journal_version.version"), nullable=False),
)

# One row, see ``JournalMark``.
identity_table = sa.Table(
    "journal_identity",
    metadata,
    sa.Column("id", Cell(Kind.TEXT, "journal_identity.id"), primary_key=True),
    sa.Column("mark", Cell(Kind.LARGE, "journal_identity.mark"), nullable=False),
    sa.Column(
        "signature", Cell(Kind.TEXT, "journal_identity.signature")
    ),  # see ``signing``; NULL: without a key
)

# The apps whose sends and increments are recorded here from the first one on, as a person has said.
accepted_table = sa.Table(
    "journal_accepted",
    metadata,
    sa.Column("app", Cell(Kind.TEXT, "journal_accepted.app"), primary_key=True),
    sa.Column("accepted_at", Cell(Kind.TIME, "journal_accepted.accepted_at"), nullable=False),
)

run_table = sa.Table(
    "run",
    metadata,
    sa.Column("number", Cell(Kind.WHOLE, "run.number"), primary_key=True),
    sa.Column("uid", Cell(Kind.TEXT, "run.uid"), nullable=False),
    sa.Column("app", Cell(Kind.TEXT, "run.app"), nullable=False),
    sa.Column("environment", Cell(Kind.TEXT, "run.environment"), nullable=False),
    sa.Column("part", Cell(Kind.TEXT, "run.part"), nullable=False),
    sa.Column("plan_digest", Cell(Kind.TEXT, "run.plan_digest"), nullable=False),
    sa.Column("plan_made_at", Cell(Kind.TIME, "run.plan_made_at"), nullable=False),
    sa.Column("state", Cell(Kind.RUN_STATE, "run.state"), nullable=False),
    sa.Column("batches", Cell(Kind.WHOLE, "run.batches"), nullable=False),
    sa.Column("actions", Cell(Kind.WHOLE, "run.actions"), nullable=False),
    sa.Column("started_at", Cell(Kind.TIME, "run.started_at"), nullable=False),
    sa.Column("ended_at", Cell(Kind.TIME, "run.ended_at")),
    # How many rows of ``batch`` the run has. Counted only where records are signed, so that deleted ones are noticed.
    sa.Column("begun", Cell(Kind.WHOLE, "run.begun"), nullable=False, server_default="0"),
    sa.Column("signature", Cell(Kind.TEXT, "run.signature")),
    sa.Index("run_by_plan", "app", "environment", "plan_digest"),
)

# When the further plans that resumed the run before it ended were made. They have its digest; the first plan is in ``run``.
run_plan_table = sa.Table(
    "run_plan",
    metadata,
    sa.Column("run", Cell(Kind.WHOLE, "run_plan.run"), primary_key=True),
    sa.Column("plan_made_at", Cell(Kind.TIME, "run_plan.plan_made_at"), primary_key=True),
)

batch_table = sa.Table(
    "batch",
    metadata,
    sa.Column("run", Cell(Kind.WHOLE, "batch.run"), primary_key=True),
    sa.Column("sequence", Cell(Kind.WHOLE, "batch.sequence"), primary_key=True),
    sa.Column("wave", Cell(Kind.WHOLE, "batch.wave"), nullable=False),
    sa.Column("class", Cell(Kind.DELIVERY_CLASS, "batch.class"), key="delivery_class", nullable=False),
    sa.Column("state", Cell(Kind.BATCH_STATE, "batch.state"), nullable=False),
    sa.Column("attempts", Cell(Kind.WHOLE, "batch.attempts"), nullable=False),
    sa.Column("body_digest", Cell(Kind.TEXT, "batch.body_digest"), nullable=False),
    sa.Column("fence", Cell(Kind.WHOLE, "batch.fence"), nullable=False),
    sa.Column("sent_at", Cell(Kind.TIME, "batch.sent_at")),
    sa.Column("doubted_at", Cell(Kind.TIME, "batch.doubted_at")),
    sa.Column("reason", Cell(Kind.TEXT, "batch.reason"), nullable=False),
    # The numbers of the actions without an outcome, and of the actions in flight. NULL: all, and all that are open.
    sa.Column("open_actions", Cell(Kind.NUMBERS, "batch.open_actions")),
    sa.Column("sent_actions", Cell(Kind.NUMBERS, "batch.sent_actions")),
    sa.Column("actions", Cell(Kind.WHOLE, "batch.actions"), nullable=False),
    sa.Column("open_count", Cell(Kind.WHOLE, "batch.open_count"), nullable=False),
    sa.Column("sent_count", Cell(Kind.WHOLE, "batch.sent_count"), nullable=False),
    sa.Column("done", Cell(Kind.WHOLE, "batch.done"), nullable=False),
    sa.Column("already", Cell(Kind.WHOLE, "batch.already"), nullable=False),
    sa.Column("skipped", Cell(Kind.WHOLE, "batch.skipped"), nullable=False),
    sa.Column("rejected", Cell(Kind.WHOLE, "batch.rejected"), nullable=False),
    sa.Column("conflicting", Cell(Kind.WHOLE, "batch.conflicting"), nullable=False),
    sa.Column("held", Cell(Kind.WHOLE, "batch.held"), nullable=False),
    # Billable: the unique users of each request that was, or may have been, carried out. Known when it is answered.
    sa.Column("sent_subjects", Cell(Kind.WHOLE, "batch.sent_subjects"), nullable=False),
    sa.Column("lookups", Cell(Kind.WHOLE, "batch.lookups"), nullable=False),
    sa.Column("recheck_reads", Cell(Kind.WHOLE, "batch.recheck_reads"), nullable=False),
    sa.Column("settle_reads", Cell(Kind.WHOLE, "batch.settle_reads"), nullable=False),
    # How many of the skipped were not sent because the API rejected them in an earlier run.
    sa.Column(
        "rejected_before", Cell(Kind.WHOLE, "batch.rejected_before"), nullable=False, server_default="0"
    ),
    # How many rows of ``delivery`` belong to the batch, so that lost ones are noticed.
    sa.Column("deliveries", Cell(Kind.WHOLE, "batch.deliveries"), nullable=False, server_default="0"),
    sa.Column("signature", Cell(Kind.TEXT, "batch.signature")),
    sa.Index("batch_by_state", "run", "state"),
)

batch_subject_table = sa.Table(
    "batch_subject",
    metadata,
    sa.Column("run", Cell(Kind.WHOLE, "batch_subject.run"), primary_key=True),
    sa.Column("sequence", Cell(Kind.WHOLE, "batch_subject.sequence"), primary_key=True),
    sa.Column("subject", Cell(Kind.SUBJECT, "batch_subject.subject"), primary_key=True),
    sa.Index("batch_subject_by_subject", "run", "subject"),
)

exception_table = sa.Table(
    "exception",
    metadata,
    sa.Column("run", Cell(Kind.WHOLE, "exception.run"), primary_key=True),
    sa.Column("sequence", Cell(Kind.WHOLE, "exception.sequence"), primary_key=True),
    sa.Column("action", Cell(Kind.WHOLE, "exception.action"), primary_key=True),
    sa.Column("subject", Cell(Kind.SUBJECT, "exception.subject"), nullable=False),
    sa.Column("fate", Cell(Kind.FATE, "exception.fate"), nullable=False),
    sa.Column("message", Cell(Kind.TEXT, "exception.message"), nullable=False),
    sa.Index("exception_by_subject", "run", "subject"),
)

delivery_table = sa.Table(
    "delivery",
    metadata,
    sa.Column("app", Cell(Kind.TEXT, "delivery.app"), primary_key=True),
    sa.Column("subject", Cell(Kind.SUBJECT, "delivery.subject"), primary_key=True),
    sa.Column("name", Cell(Kind.TEXT, "delivery.name"), primary_key=True),
    sa.Column("resource", Cell(Kind.TEXT, "delivery.resource"), nullable=False),
    sa.Column("state", Cell(Kind.DELIVERY_STATE, "delivery.state"), nullable=False),
    sa.Column("run", Cell(Kind.WHOLE, "delivery.run"), nullable=False),
    sa.Column("sequence", Cell(Kind.WHOLE, "delivery.sequence"), nullable=False),
    sa.Column("action", Cell(Kind.WHOLE, "delivery.action"), nullable=False),
    sa.Column(
        "message", Cell(Kind.LARGE, "delivery.message")
    ),  # of a send; NULL for increments, and for sends before version 5
    sa.Index("delivery_by_batch", "run", "sequence"),
    sa.Index("delivery_by_name", "app", "name"),
)

# Renames that deliveries were made under: whoever received one as `name` also counts as having received it as `former`.
delivery_rename_table = sa.Table(
    "delivery_rename",
    metadata,
    sa.Column("app", Cell(Kind.TEXT, "delivery_rename.app"), primary_key=True),
    sa.Column("former", Cell(Kind.TEXT, "delivery_rename.former"), primary_key=True),
    sa.Column("name", Cell(Kind.TEXT, "delivery_rename.name"), primary_key=True),
)

# What the API rejected when a subject was last written to, by a fingerprint of the whole action.
rejection_table = sa.Table(
    "rejection",
    metadata,
    sa.Column("app", Cell(Kind.TEXT, "rejection.app"), primary_key=True),
    sa.Column("subject", Cell(Kind.SUBJECT, "rejection.subject"), primary_key=True),
    sa.Column("fingerprint", Cell(Kind.TEXT, "rejection.fingerprint"), primary_key=True),
    sa.Column("run", Cell(Kind.WHOLE, "rejection.run"), nullable=False),
    sa.Column("message", Cell(Kind.TEXT, "rejection.message"), nullable=False),
)

fingerprint_table = sa.Table(
    "device_fingerprint",
    metadata,
    sa.Column("app", Cell(Kind.TEXT, "device_fingerprint.app"), primary_key=True),
    sa.Column("subject", Cell(Kind.SUBJECT, "device_fingerprint.subject"), primary_key=True),
    sa.Column("device", Cell(Kind.TEXT, "device_fingerprint.device"), primary_key=True),
    sa.Column("field", Cell(Kind.TEXT, "device_fingerprint.field"), primary_key=True),
    sa.Column("fingerprint", Cell(Kind.TEXT, "device_fingerprint.fingerprint"), nullable=False),
)

# A released lock keeps its row: the fence only ever grows.
lock_table = sa.Table(
    "run_lock",
    metadata,
    sa.Column("app", Cell(Kind.TEXT, "run_lock.app"), primary_key=True),
    sa.Column("environment", Cell(Kind.TEXT, "run_lock.environment"), primary_key=True),
    sa.Column("part", Cell(Kind.TEXT, "run_lock.part"), primary_key=True),
    sa.Column("holder", Cell(Kind.TEXT, "run_lock.holder")),
    sa.Column("host", Cell(Kind.TEXT, "run_lock.host"), nullable=False),
    sa.Column("machine", Cell(Kind.TEXT, "run_lock.machine"), nullable=False),
    sa.Column("pid", Cell(Kind.WHOLE, "run_lock.pid"), nullable=False),
    sa.Column("since", Cell(Kind.TIME, "run_lock.since"), nullable=False),
    sa.Column("until", Cell(Kind.TIME, "run_lock.until"), nullable=False),
    sa.Column("fence", Cell(Kind.WHOLE, "run_lock.fence"), nullable=False),
    sa.Column(
        "seconds", Cell(Kind.TIME, "run_lock.seconds"), nullable=False, server_default="60"
    ),  # of the lease
)

# When the next request of any process that works on an app may start, see ``rate``.
rate_table = sa.Table(
    "rate",
    metadata,
    sa.Column("app", Cell(Kind.TEXT, "rate.app"), primary_key=True),
    sa.Column("due", Cell(Kind.TIME, "rate.due"), nullable=False),
    sa.Column("extra_seconds", Cell(Kind.TIME, "rate.extra_seconds"), nullable=False),
    sa.Column("granted_at", Cell(Kind.TIME, "rate.granted_at"), nullable=False),
    sa.Column("slowed_at", Cell(Kind.TIME, "rate.slowed_at"), nullable=False),
)

applied_spec_table = sa.Table(
    "applied_spec",
    metadata,
    sa.Column("app", Cell(Kind.TEXT, "applied_spec.app"), primary_key=True),
    sa.Column("environment", Cell(Kind.TEXT, "applied_spec.environment"), primary_key=True),
    sa.Column("resource", Cell(Kind.TEXT, "applied_spec.resource"), primary_key=True),
    sa.Column("digest", Cell(Kind.TEXT, "applied_spec.digest"), nullable=False),
    sa.Column("run", Cell(Kind.WHOLE, "applied_spec.run"), nullable=False),
    sa.Column("applied_at", Cell(Kind.TIME, "applied_spec.applied_at"), nullable=False),
)

# What a batch wrote to its subjects, as fingerprints: a row each time that some of its actions were answered.
footprint_table = sa.Table(
    "footprint",
    metadata,
    sa.Column("run", Cell(Kind.WHOLE, "footprint.run"), primary_key=True),
    sa.Column("sequence", Cell(Kind.WHOLE, "footprint.sequence"), primary_key=True),
    sa.Column("attempt", Cell(Kind.WHOLE, "footprint.attempt"), primary_key=True),
    sa.Column("fields", Cell(Kind.TEXT, "footprint.fields"), nullable=False),
)

# Files of runs, encrypted, see ``kept_files``. *run* is 0 for a plan, which may have several runs.
kept_file_table = sa.Table(
    "kept_file",
    metadata,
    sa.Column("copy", Cell(Kind.TEXT, "kept_file.copy"), primary_key=True),
    sa.Column("app", Cell(Kind.TEXT, "kept_file.app"), nullable=False),
    sa.Column("environment", Cell(Kind.TEXT, "kept_file.environment"), nullable=False),
    sa.Column("plan_digest", Cell(Kind.TEXT, "kept_file.plan_digest"), nullable=False),
    sa.Column("run", Cell(Kind.WHOLE, "kept_file.run"), nullable=False),
    sa.Column("name", Cell(Kind.TEXT, "kept_file.name"), nullable=False),
    sa.Column("stamp", Cell(Kind.TEXT, "kept_file.stamp"), nullable=False),  # a keyed digest of the content
    sa.Column("encryption_key", Cell(Kind.TEXT, "kept_file.encryption_key"), nullable=False),  # its id
    sa.Column("salt", Cell(Kind.TEXT, "kept_file.salt"), nullable=False),
    sa.Column("chunks", Cell(Kind.WHOLE, "kept_file.chunks")),  # NULL until all of them are stored
    sa.Column("kept_at", Cell(Kind.TIME, "kept_file.kept_at"), nullable=False),
    sa.Index("kept_file_by_plan", "plan_digest", "run", "name"),
)

kept_chunk_table = sa.Table(
    "kept_chunk",
    metadata,
    sa.Column("copy", Cell(Kind.TEXT, "kept_chunk.copy"), primary_key=True),
    sa.Column("number", Cell(Kind.WHOLE, "kept_chunk.number"), primary_key=True),
    sa.Column("sealed", Cell(Kind.BYTES, "kept_chunk.sealed"), nullable=False),
)

# What commands cost, see ``ledger``: one row per command and day. Not signed, because commands that only read need no key.
cost_table = sa.Table(
    "cost",
    metadata,
    sa.Column("command_id", Cell(Kind.TEXT, "cost.command_id"), primary_key=True),
    sa.Column("day", Cell(Kind.TEXT, "cost.day"), primary_key=True),  # of UTC, such as 2026-11-30
    sa.Column("app", Cell(Kind.TEXT, "cost.app"), nullable=False),
    sa.Column("environment", Cell(Kind.TEXT, "cost.environment"), nullable=False),
    sa.Column("command", Cell(Kind.TEXT, "cost.command"), nullable=False),
    sa.Column("run", Cell(Kind.WHOLE, "cost.run")),
    sa.Column("plan_digest", Cell(Kind.TEXT, "cost.plan_digest")),
    sa.Column("began_at", Cell(Kind.TIME, "cost.began_at"), nullable=False),
    sa.Column("noted_at", Cell(Kind.TIME, "cost.noted_at"), nullable=False),
    sa.Column("read_lookups", Cell(Kind.LARGE, "cost.read_lookups"), nullable=False),
    sa.Column("write_lookups", Cell(Kind.LARGE, "cost.write_lookups"), nullable=False),
    sa.Index("cost_by_day", "app", "environment", "day"),
)

# Jobs of exportUsers, see ``ledger``. *job_id* is the API's; NULL until its response came.
export_job_table = sa.Table(
    "export_job",
    metadata,
    sa.Column("id", Cell(Kind.TEXT, "export_job.id"), primary_key=True),
    sa.Column("app", Cell(Kind.TEXT, "export_job.app"), nullable=False),
    sa.Column("environment", Cell(Kind.TEXT, "export_job.environment"), nullable=False),
    sa.Column("command", Cell(Kind.TEXT, "export_job.command"), nullable=False),
    sa.Column("attribute", Cell(Kind.TEXT, "export_job.attribute"), nullable=False),
    sa.Column("job_id", Cell(Kind.TEXT, "export_job.job_id")),
    sa.Column("state", Cell(Kind.EXPORT_STATE, "export_job.state"), nullable=False),
    sa.Column("asked_at", Cell(Kind.TIME, "export_job.asked_at"), nullable=False),
    sa.Column("ended_at", Cell(Kind.TIME, "export_job.ended_at")),
    sa.Column("outcome", Cell(Kind.TEXT, "export_job.outcome"), nullable=False),
    sa.Index("export_job_by_time", "app", "asked_at"),
)


# Erased users, as keyed hashes, see ``erasing``.
erasure_table = sa.Table(
    "erasure",
    metadata,
    sa.Column("app", Cell(Kind.TEXT, "erasure.app"), primary_key=True),
    sa.Column("person", Cell(Kind.TEXT, "erasure.person"), primary_key=True),
    sa.Column("environment", Cell(Kind.TEXT, "erasure.environment"), nullable=False),
    sa.Column("run", Cell(Kind.WHOLE, "erasure.run"), nullable=False),
    sa.Column("full", Cell(Kind.WHOLE, "erasure.full"), nullable=False),
    sa.Column("block", Cell(Kind.WHOLE, "erasure.block"), nullable=False),
    sa.Column("request", Cell(Kind.TEXT, "erasure.request"), nullable=False),
    sa.Column("planned_at", Cell(Kind.TIME, "erasure.planned_at"), nullable=False),
    sa.Column("erased_at", Cell(Kind.TIME, "erasure.erased_at")),
    sa.Column("cleaned_at", Cell(Kind.TIME, "erasure.cleaned_at")),
    sa.Column("checked_at", Cell(Kind.TIME, "erasure.checked_at")),
)


def _identify_deliveries_by_name(connection: sa.Connection) -> None:
    """Version 4: the document's name is no longer part of a delivery's identity."""
    if "resource" not in _primary_key(connection, delivery_table):
        return  # a new journal
    columns = ["app", "subject", "name", "resource", "state", "run", "sequence", "action"]
    keys = ("app", "subject", "resource", "name")
    former = sa.Table(
        "delivery_version_3",
        sa.MetaData(),
        *(sa.Column(name, delivery_table.c[name].type, primary_key=name in keys) for name in columns),
    )
    former.create(connection)
    connection.execute(
        sa.insert(former).from_select(columns, sa.select(*(delivery_table.c[name] for name in columns)))
    )
    delivery_table.drop(connection)
    delivery_table.create(connection)
    # Two documents may have used one name. A doubt needs a person, so it is the row to keep.
    order = sa.case({"held": 0, "sent": 1, "done": 2}, value=former.c.state, else_=3)
    place = sa.func.row_number().over(
        partition_by=[former.c.app, former.c.subject, former.c.name], order_by=[order, former.c.resource]
    )
    ranked = sa.select(*(former.c[name] for name in columns), place.label("place")).subquery()
    kept = sa.select(*(ranked.c[name] for name in columns)).where(ranked.c.place == 1)
    connection.execute(sa.insert(delivery_table).from_select(columns, kept))
    former.drop(connection)


def _remember_messages_and_renames(connection: sa.Connection) -> None:
    """Version 5: a delivery has its message, and renames are remembered."""
    delivery_rename_table.create(connection, checkfirst=True)
    if _add_column(connection, "delivery", "message", "BIGINT"):
        next(each for each in delivery_table.indexes if each.name == "delivery_by_name").create(connection)


def _keep_the_lease_with_the_lock(connection: sa.Connection) -> None:
    """Version 6: a lock says how long its lease is."""
    _add_column(connection, "run_lock", "seconds", "DOUBLE PRECISION NOT NULL DEFAULT 60")


def _remember_rejections(connection: sa.Connection) -> None:
    """Version 8: what was rejected for good is not sent again."""
    rejection_table.create(connection, checkfirst=True)
    _add_column(connection, "batch", "rejected_before", "INTEGER NOT NULL DEFAULT 0")


def _count_deliveries(connection: sa.Connection) -> None:
    """Version 9: a batch says how many deliveries it has."""
    if _add_column(connection, "batch", "deliveries", "INTEGER NOT NULL DEFAULT 0"):
        connection.execute(sa.update(batch_table).values(deliveries=deliveries_of_batch()))


def _keep_files(connection: sa.Connection) -> None:
    """Version 10: the journal keeps files of runs."""
    for table in (kept_file_table, kept_chunk_table):
        table.create(connection, checkfirst=True)


def _make_room_for_signatures(connection: sa.Connection) -> None:
    """Version 11: records are signed if there is a key. Those of an older journal are not, until a person has them signed."""
    _add_column(connection, "run", "begun", "INTEGER NOT NULL DEFAULT 0")
    for table in (identity_table, run_table, batch_table):
        _add_column(connection, table.name, "signature", "TEXT")


def _keep_a_ledger(connection: sa.Connection) -> None:
    """Version 12: the journal records what commands cost."""
    for table in (cost_table, export_job_table):
        table.create(connection, checkfirst=True)


def _remember_erasures(connection: sa.Connection) -> None:
    """Version 13: the journal knows who was erased, by keyed hashes."""
    erasure_table.create(connection, checkfirst=True)


def _share_a_rate(connection: sa.Connection) -> None:
    """Version 14: the processes that work on an app share one rate."""
    rate_table.create(connection, checkfirst=True)


def deliveries_of_batch() -> sa.ScalarSelect[int]:
    """Count the deliveries that belong to the row of ``batch`` in the statement around it."""
    delivery, batch = delivery_table.c, batch_table.c
    counted = sa.select(sa.func.count()).select_from(delivery_table)
    of_batch = counted.where(delivery.run == batch.run, delivery.sequence == batch.sequence)
    return of_batch.correlate(batch_table).scalar_subquery()


def _add_column(connection: sa.Connection, table: str, column: str, definition: str) -> bool:
    """Add *column* unless it is there, as it is in a new journal. Return whether it was missing."""
    schema = connection.get_execution_options().get("schema_translate_map", {}).get(None)
    if column in {each["name"] for each in sa.inspect(connection).get_columns(table, schema=schema)}:
        return False
    name = connection.dialect.identifier_preparer.format_table(sa.Table(table, sa.MetaData(), schema=schema))
    connection.exec_driver_sql(f"ALTER TABLE {name} ADD COLUMN {column} {definition}")
    return True


def _give_identity(connection: sa.Connection) -> None:
    """Version 7: the journal has an identity. Apps that it has runs of were used with it from the start."""
    identity_table.create(connection, checkfirst=True)
    accepted_table.create(connection, checkfirst=True)
    last_run = sa.func.coalesce(sa.func.max(run_table.c.number), 0)
    row = sa.select(sa.literal(secrets.token_hex(16)), last_run)
    first = sa.select(run_table.c.app, sa.func.min(run_table.c.started_at)).group_by(run_table.c.app)
    for table, rows in ((identity_table, row), (accepted_table, first)):
        if connection.scalar(sa.select(sa.func.count()).select_from(table)) == 0:
            columns = [column.name for column in table.columns if column.name != "signature"]
            connection.execute(sa.insert(table).from_select(columns, rows))


def _primary_key(connection: sa.Connection, table: sa.Table) -> list[str]:
    schema = connection.get_execution_options().get("schema_translate_map", {}).get(None)
    return sa.inspect(connection).get_pk_constraint(table.name, schema=schema)["constrained_columns"]


# The step to each version from the one before. A released step is never edited.
STEPS: Final[Mapping[int, Callable[[sa.Connection], None]]] = {
    1: metadata.create_all,
    2: lambda connection: footprint_table.create(connection, checkfirst=True),
    3: lambda connection: run_plan_table.create(connection, checkfirst=True),
    4: _identify_deliveries_by_name,
    5: _remember_messages_and_renames,
    6: _keep_the_lease_with_the_lock,
    7: _give_identity,
    8: _remember_rejections,
    9: _count_deliveries,
    10: _keep_files,
    11: _make_room_for_signatures,
    12: _keep_a_ledger,
    13: _remember_erasures,
    14: _share_a_rate,
}
VERSION: Final = max(STEPS)


def version_of(connection: sa.Connection, schema: str | None) -> int:
    """
    Return the version of the tables in *schema*, 0 if there are none.

    Raises:
        ValueError: there are tables, but no valid version.
    """
    if not sa.inspect(connection).has_table(version_table.name, schema=schema):
        return 0
    # Without conversion: a damaged version may be a text.
    version = connection.scalar(sa.select(sa.type_coerce(version_table.c.version, sa.types.NullType())))
    if not isinstance(version, int) or version < 1:
        raise ValueError("the journal's version is not a number")
    return version


def bring_up_to_date(connection: sa.Connection, schema: str | None) -> None:
    found = version_of(connection, schema)
    for version in range(found + 1, VERSION + 1):
        STEPS[version](connection)
    if found < VERSION:
        connection.execute(sa.delete(version_table))
        connection.execute(sa.insert(version_table).values(version=VERSION))
