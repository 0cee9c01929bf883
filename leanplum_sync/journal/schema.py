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

metadata = sa.MetaData()

version_table = sa.Table("journal_version", metadata, sa.Column("version", sa.Integer, nullable=False))

# One row, see ``JournalMark``.
identity_table = sa.Table(
    "journal_identity",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("mark", sa.BigInteger, nullable=False),
)

# The apps whose sends and increments are recorded here from the first one on, as a person has said.
accepted_table = sa.Table(
    "journal_accepted",
    metadata,
    sa.Column("app", sa.Text, primary_key=True),
    sa.Column("accepted_at", sa.Double, nullable=False),
)

run_table = sa.Table(
    "run",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("uid", sa.Text, nullable=False),
    sa.Column("app", sa.Text, nullable=False),
    sa.Column("environment", sa.Text, nullable=False),
    sa.Column("part", sa.Text, nullable=False),
    sa.Column("plan_digest", sa.Text, nullable=False),
    sa.Column("plan_made_at", sa.Double, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("batches", sa.Integer, nullable=False),
    sa.Column("actions", sa.Integer, nullable=False),
    sa.Column("started_at", sa.Double, nullable=False),
    sa.Column("ended_at", sa.Double),
    sa.Index("run_by_plan", "app", "environment", "plan_digest"),
)

# When the further plans that resumed the run before it ended were made. They have its digest; the first plan is in ``run``.
run_plan_table = sa.Table(
    "run_plan",
    metadata,
    sa.Column("run", sa.Integer, primary_key=True),
    sa.Column("plan_made_at", sa.Double, primary_key=True),
)

batch_table = sa.Table(
    "batch",
    metadata,
    sa.Column("run", sa.Integer, primary_key=True),
    sa.Column("sequence", sa.Integer, primary_key=True),
    sa.Column("wave", sa.Integer, nullable=False),
    sa.Column("class", sa.Text, key="delivery_class", nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("body_digest", sa.Text, nullable=False),
    sa.Column("fence", sa.Integer, nullable=False),
    sa.Column("sent_at", sa.Double),
    sa.Column("doubted_at", sa.Double),
    sa.Column("reason", sa.Text, nullable=False),
    # The numbers of the actions without an outcome, and of the actions in flight. NULL: all, and all that are open.
    sa.Column("open_actions", sa.Text),
    sa.Column("sent_actions", sa.Text),
    sa.Column("actions", sa.Integer, nullable=False),
    sa.Column("open_count", sa.Integer, nullable=False),
    sa.Column("sent_count", sa.Integer, nullable=False),
    sa.Column("done", sa.Integer, nullable=False),
    sa.Column("already", sa.Integer, nullable=False),
    sa.Column("skipped", sa.Integer, nullable=False),
    sa.Column("rejected", sa.Integer, nullable=False),
    sa.Column("conflicting", sa.Integer, nullable=False),
    sa.Column("held", sa.Integer, nullable=False),
    # Billable: the unique users of each request that was, or may have been, carried out. Known when it is answered.
    sa.Column("sent_subjects", sa.Integer, nullable=False),
    sa.Column("lookups", sa.Integer, nullable=False),
    sa.Column("recheck_reads", sa.Integer, nullable=False),
    sa.Column("settle_reads", sa.Integer, nullable=False),
    # How many of the skipped were not sent because the API rejected them in an earlier run.
    sa.Column("rejected_before", sa.Integer, nullable=False, server_default="0"),
    sa.Index("batch_by_state", "run", "state"),
)

batch_subject_table = sa.Table(
    "batch_subject",
    metadata,
    sa.Column("run", sa.Integer, primary_key=True),
    sa.Column("sequence", sa.Integer, primary_key=True),
    sa.Column("subject", sa.Text, primary_key=True),
    sa.Index("batch_subject_by_subject", "run", "subject"),
)

exception_table = sa.Table(
    "exception",
    metadata,
    sa.Column("run", sa.Integer, primary_key=True),
    sa.Column("sequence", sa.Integer, primary_key=True),
    sa.Column("action", sa.Integer, primary_key=True),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("fate", sa.Text, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Index("exception_by_subject", "run", "subject"),
)

delivery_table = sa.Table(
    "delivery",
    metadata,
    sa.Column("app", sa.Text, primary_key=True),
    sa.Column("subject", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("resource", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("run", sa.Integer, nullable=False),
    sa.Column("sequence", sa.Integer, nullable=False),
    sa.Column("action", sa.Integer, nullable=False),
    sa.Column("message", sa.BigInteger),  # of a send; NULL for increments, and for sends before version 5
    sa.Index("delivery_by_batch", "run", "sequence"),
    sa.Index("delivery_by_name", "app", "name"),
)

# Renames that deliveries were made under: whoever received one as `name` also counts as having received it as `former`.
delivery_rename_table = sa.Table(
    "delivery_rename",
    metadata,
    sa.Column("app", sa.Text, primary_key=True),
    sa.Column("former", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
)

# What the API rejected when a subject was last written to, by a fingerprint of the whole action.
rejection_table = sa.Table(
    "rejection",
    metadata,
    sa.Column("app", sa.Text, primary_key=True),
    sa.Column("subject", sa.Text, primary_key=True),
    sa.Column("fingerprint", sa.Text, primary_key=True),
    sa.Column("run", sa.Integer, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
)

fingerprint_table = sa.Table(
    "device_fingerprint",
    metadata,
    sa.Column("app", sa.Text, primary_key=True),
    sa.Column("subject", sa.Text, primary_key=True),
    sa.Column("device", sa.Text, primary_key=True),
    sa.Column("field", sa.Text, primary_key=True),
    sa.Column("fingerprint", sa.Text, nullable=False),
)

# A released lock keeps its row: the fence only ever grows.
lock_table = sa.Table(
    "run_lock",
    metadata,
    sa.Column("app", sa.Text, primary_key=True),
    sa.Column("environment", sa.Text, primary_key=True),
    sa.Column("part", sa.Text, primary_key=True),
    sa.Column("holder", sa.Text),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("machine", sa.Text, nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("since", sa.Double, nullable=False),
    sa.Column("until", sa.Double, nullable=False),
    sa.Column("fence", sa.Integer, nullable=False),
    sa.Column("seconds", sa.Double, nullable=False, server_default="60"),  # of the lease
)

applied_spec_table = sa.Table(
    "applied_spec",
    metadata,
    sa.Column("app", sa.Text, primary_key=True),
    sa.Column("environment", sa.Text, primary_key=True),
    sa.Column("resource", sa.Text, primary_key=True),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("run", sa.Integer, nullable=False),
    sa.Column("applied_at", sa.Double, nullable=False),
)

# What a batch wrote to its subjects, as fingerprints: a row each time that some of its actions were answered.
footprint_table = sa.Table(
    "footprint",
    metadata,
    sa.Column("run", sa.Integer, primary_key=True),
    sa.Column("sequence", sa.Integer, primary_key=True),
    sa.Column("attempt", sa.Integer, primary_key=True),
    sa.Column("fields", sa.Text, nullable=False),
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
            connection.execute(sa.insert(table).from_select(list(table.columns), rows))


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
