"""
The plan file's tables, format 2, and the digest over them.

=========  ==============================================================================================================
meta       one row a key: format, target, times, journal, sensitive names, mask key, summary, resources, digest, checksum, encryption;
           and, where rows came from connections, ``rows`` (what was read) and ``origins`` (when, and from which server)
input      each spec and data file with the SHA-256 of its bytes
hazard     what needs consent, in order
note       what the plan leaves alone, and why
change     one difference on one subject; ``before`` and ``after`` are JSON, as is ``consented_at``, the date of a re-subscription's consent
batch      one ``multi``: its wave, delivery class, part, and how many subjects and actions it holds
owner      the user of a device that is listed without one: no two requests in flight may be about the same user
action     one API call inside a batch: ``arguments`` are JSON; ``deliveries`` what the journal must remember: resource, name and any former names
=========  ==============================================================================================================

``before``, ``after``, ``consented_at`` and ``arguments`` are text, or blobs where the plan is encrypted; so is the mask key.

Batches and actions are numbered from 1 in the order in which they are sent. ``shard`` is ``shard_of``, out of 1,024, of the
subject or, in a plan for all parts, of its owner; ``part`` is which of the header's ``parts`` all subjects of the batch are in.
"""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from typing import Any, Final

import orjson

from leanplum_sync.encryption import Codec
from leanplum_sync.planner.plan import PLAN_FORMAT
from leanplum_sync.wire.action import DeliveryClass

APPLICATION_ID: Final = 0x6C70706C  # "lppl", at a fixed place in the file's header: SQLite's application_id

CREATE: Final = f"""
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {PLAN_FORMAT};
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE input (path TEXT PRIMARY KEY, sha256 TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE hazard (id INTEGER PRIMARY KEY, name TEXT NOT NULL, count INTEGER NOT NULL, allowed INTEGER);
CREATE TABLE note (
    id INTEGER PRIMARY KEY, code TEXT NOT NULL, resource TEXT NOT NULL, sentence TEXT NOT NULL,
    count INTEGER NOT NULL, samples TEXT NOT NULL
);
CREATE TABLE change (
    id INTEGER PRIMARY KEY, subject TEXT NOT NULL, shard INTEGER NOT NULL, resource TEXT NOT NULL, kind TEXT NOT NULL,
    field TEXT NOT NULL, device_id TEXT NOT NULL, before TEXT NOT NULL, after TEXT NOT NULL,
    asked_file TEXT NOT NULL, asked_line INTEGER, asked_column INTEGER, asked_row INTEGER,
    found_file TEXT NOT NULL, found_line INTEGER, found_column INTEGER, found_row INTEGER, consented_at TEXT
);
CREATE TABLE batch (
    number INTEGER PRIMARY KEY, wave INTEGER NOT NULL, class INTEGER NOT NULL, part INTEGER NOT NULL,
    subjects INTEGER NOT NULL, actions INTEGER NOT NULL
);
CREATE TABLE action (
    number INTEGER PRIMARY KEY, batch INTEGER NOT NULL REFERENCES batch (number), subject TEXT NOT NULL,
    shard INTEGER NOT NULL, name TEXT NOT NULL, arguments TEXT NOT NULL, deliveries TEXT NOT NULL
);
CREATE TABLE owner (subject TEXT PRIMARY KEY, owner TEXT NOT NULL) WITHOUT ROWID;
"""

# Temporary tables for actions until they are packed into batches: *draft* is an action, *bundle* the actions of a subject in a
# phase, *place* the batch of an action.
CREATE_DRAFT: Final = """
CREATE TEMP TABLE draft (
    id INTEGER PRIMARY KEY, subject TEXT NOT NULL, shard INTEGER NOT NULL, name TEXT NOT NULL, arguments TEXT NOT NULL,
    deliveries TEXT NOT NULL
);
CREATE TEMP TABLE bundle (
    wave INTEGER NOT NULL, class INTEGER NOT NULL, part INTEGER NOT NULL, is_thing INTEGER NOT NULL,
    first INTEGER NOT NULL, actions INTEGER NOT NULL
);
CREATE TEMP TABLE place (number INTEGER PRIMARY KEY, draft INTEGER NOT NULL, batch INTEGER NOT NULL);
"""

# Built once, after all rows are there.
CREATE_INDEX: Final = "CREATE INDEX change_by_subject ON change (subject)"

CHANGE_COLUMNS: Final = (
    "subject, shard, resource, kind, field, device_id, before, after, asked_file, asked_line, asked_column, asked_row,"
    " found_file, found_line, found_column, found_row, consented_at"
)
INSERT_CHANGE: Final = f"INSERT INTO change ({CHANGE_COLUMNS}) VALUES ({', '.join('?' * 17)})"  # noqa: S608 - constants
INSERT_DRAFT: Final = (
    "INSERT INTO draft (id, subject, shard, name, arguments, deliveries) VALUES (?, ?, ?, ?, ?, ?)"
)
# The same for a plan whose values are sealed: each is bound to its column and to what stands beside it.
INSERT_SEALED_CHANGE: Final = (
    f"INSERT INTO change ({CHANGE_COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, sealed(?7, 'before', ?1, ?3, ?4, ?5, ?6),"  # noqa: S608 - constants
    " sealed(?8, 'after', ?1, ?3, ?4, ?5, ?6), ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16,"
    " CASE WHEN ?17 IS NOT NULL THEN sealed(?17, 'consented_at', ?1, ?3, ?4, ?5, ?6) END)"
)
INSERT_SEALED_DRAFT: Final = (
    "INSERT INTO draft (id, subject, shard, name, arguments, deliveries)"
    " VALUES (?1, ?2, ?3, ?4, sealed(?5, 'arguments', ?2, ?4), ?6)"
)
_TABLES: Final = ("meta", "input", "hazard", "note", "change", "batch", "action", "owner")
_SEALED: Final = ("before", "after", "arguments", "consented_at")
PURPOSE: Final = "plan"  # of the key that the file's values are sealed with
# They take the tables' places in every query, and open values as they are asked for.
_OPENED_VIEWS: Final = (
    (
        "CREATE TEMP VIEW change AS SELECT id, subject, shard, resource, kind, field, device_id,"
        " opened(before, 'before', subject, resource, kind, field, device_id) AS before,"
        " opened(after, 'after', subject, resource, kind, field, device_id) AS after,"
        " asked_file, asked_line, asked_column, asked_row, found_file, found_line, found_column, found_row,"
        " CASE WHEN consented_at IS NOT NULL THEN"
        " opened(consented_at, 'consented_at', subject, resource, kind, field, device_id) END AS consented_at FROM main.change"
    ),
    (
        "CREATE TEMP VIEW action AS SELECT number, batch, subject, shard, name,"
        " opened(arguments, 'arguments', subject, name) AS arguments, deliveries FROM main.action"
    ),
)
CLASSES: Final = tuple(
    DeliveryClass
)  # a class is kept as its place in this order, so that batches sort by it

_DIGESTED: Final = (
    "SELECT path, sha256 FROM input ORDER BY path",
    f"SELECT {CHANGE_COLUMNS} FROM change ORDER BY id",  # noqa: S608 - a constant
    "SELECT number, wave, class, part, subjects, actions FROM batch ORDER BY number",
    "SELECT batch, subject, shard, name, arguments, deliveries FROM action ORDER BY number",
)

_SAID_OF_ITSELF: Final = (
    "SELECT key, value FROM meta WHERE key <> 'checksum' ORDER BY key",
    "SELECT name, count, allowed FROM hazard ORDER BY id",
    "SELECT code, resource, sentence, count, samples FROM note ORDER BY id",
    "SELECT subject, owner FROM owner ORDER BY subject",
)


def has_schema(connection: sqlite3.Connection) -> bool:
    """Whether the file has exactly our tables and index: a view in a table's place could give other rows each time."""
    with closing(sqlite3.connect(":memory:")) as expected:
        expected.executescript(f"{CREATE} {CREATE_INDEX};")
        return _schema_of(connection) == _schema_of(expected)


def _schema_of(connection: sqlite3.Connection) -> list[tuple[str, ...]]:
    return connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name").fetchall()


def has_types(connection: sqlite3.Connection, codec: Codec) -> bool:
    """Whether each cell is of its column's type, which SQLite doesn't enforce."""
    return not any(
        connection.execute(
            f"SELECT EXISTS (SELECT 1 FROM main.{table} WHERE {' OR '.join(conditions)})"  # noqa: S608 - our own names
        ).fetchone()[0]
        for table in _TABLES
        if (
            conditions := [
                f"typeof({name}) NOT IN ({_types(kind, is_required or is_key, name in _SEALED and bool(codec.key_id))})"
                for _, name, kind, is_required, _, is_key in connection.execute(
                    f"PRAGMA main.table_info({table})"
                )
            ]
        )
    )


def _types(kind: str, is_required: int, is_sealed: bool) -> str:  # noqa: FBT001 - private, named at its only call
    shown = "blob" if is_sealed else kind.lower()
    return f"'{shown}'" if is_required else f"'{shown}', 'null'"


def open_values(connection: sqlite3.Connection, codec: Codec) -> None:
    """Have *connection* show what *codec* sealed as it was before."""
    if codec.key_id:
        connection.create_function("opened", -1, codec.open)
        for view in _OPENED_VIEWS:
            connection.execute(view)


def kept_mask_key(key: str, codec: Codec) -> str:
    kept = codec.seal(key, "mask_key")
    return kept.hex() if isinstance(kept, bytes) else kept


def opened_mask_key(kept: str, codec: Codec) -> bytes:
    return bytes.fromhex(codec.open(bytes.fromhex(kept), "mask_key") if codec.key_id else kept)


def encode(value: Any) -> str:
    """Return *value* as JSON with sorted keys: equal values give equal text."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def compute_digest(connection: sqlite3.Connection) -> str:
    """
    Return the SHA-256, in hexadecimal, over all that decides what would be sent and where.

    It is over values in a fixed order, never over the file's bytes or over rendered text. Times are not in it.
    """
    digest = hashlib.sha256()
    target = connection.execute("SELECT value FROM meta WHERE key = 'target'").fetchone()[0]
    digest.update(encode(["leanplum-sync plan", PLAN_FORMAT, target]).encode())
    for query in _DIGESTED:
        for row in connection.execute(query):
            digest.update(b"\n" + orjson.dumps(row))
        digest.update(b"\n\n")
    # Most plans have no such rows.
    for (rows,) in connection.execute("SELECT value FROM meta WHERE key = 'rows'"):
        digest.update(b"\nrows " + rows.encode())
    return digest.hexdigest()


def compute_checksum(connection: sqlite3.Connection) -> str:
    """Return the SHA-256 over what the plan says about itself, the digest included: it notices damage, no more."""
    checksum = hashlib.sha256()
    for query in _SAID_OF_ITSELF:
        for row in connection.execute(query):
            checksum.update(b"\n" + orjson.dumps(row))
    return checksum.hexdigest()
