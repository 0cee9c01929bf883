"""PostgreSQL: how each type becomes text, and how a query is wrapped so that the server makes it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from typing import Final

from leanplum_sync.errors import CredentialError, LeanplumSyncError, SourceUnreachableError
from leanplum_sync.sources.connections.columns import ColumnKind, QueryColumn
from leanplum_sync.sources.connections.reader import QueryError

# The names are those of pg_type; an array's is that of its items, after a line.
_KINDS: Final = {
    **dict.fromkeys(("text", "varchar", "bpchar", "name", "char", "citext"), ColumnKind.TEXT),
    **dict.fromkeys(("uuid", "json", "jsonb"), ColumnKind.TEXT),
    "bool": ColumnKind.BOOLEAN,
    **dict.fromkeys(("int2", "int4", "int8"), ColumnKind.INTEGER),
    "numeric": ColumnKind.DECIMAL,
    **dict.fromkeys(("float4", "float8"), ColumnKind.DOUBLE),
    "date": ColumnKind.DATE,
    **dict.fromkeys(("timestamp", "timestamptz"), ColumnKind.TIMESTAMP),
    **dict.fromkeys(
        ("_text", "_varchar", "_bpchar", "_name", "_uuid", "_bool", "_date", "_timestamp"), ColumnKind.TEXTS
    ),
    **dict.fromkeys(("_int2", "_int4", "_int8", "_numeric", "_float4", "_float8"), ColumnKind.NUMBERS),
}
_NAMES: Final = {
    "bool": "boolean",
    "int2": "smallint",
    "int4": "integer",
    "int8": "bigint",
    "float4": "real",
    "float8": "double precision",
    "bpchar": "character",
}
_CONNECT_SECONDS: Final = 30
# One state of the database for all queries of a connection, and nothing can be written. Texts don't depend on what the
# server, the database or the account has set.
BEGIN: Final = (
    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY",
    "SET LOCAL TIME ZONE 'UTC'",
    "SET LOCAL DateStyle = 'ISO, YMD'",
    "SET LOCAL IntervalStyle = 'iso_8601'",
    "SET LOCAL extra_float_digits = 1",
    "SET LOCAL bytea_output = 'hex'",
)
ENUMS: Final = "SELECT typname::text FROM pg_type WHERE typtype = 'e'"
# Source: PostgreSQL's documentation, access privilege inquiry functions: any of the privileges listed counts.
# The last column is the table that a write is tried on: one that the account may delete from, if there is one.
ACCOUNT: Final = """
SELECT count(*) FILTER (WHERE has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE'))::text,
    (SELECT reset_val FROM pg_settings WHERE name = 'TimeZone'),
    coalesce((array_agg(format('%I.%I', n.nspname, c.relname) ORDER BY has_table_privilege(c.oid, 'DELETE') DESC, c.oid))[1], '')
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
"""
_CREATE: Final = "CREATE TABLE leanplum_sync_write_test (id int)"
VERSION: Final = "SELECT current_setting('server_version')"

# Source: PostgreSQL's documentation, appendix A: the first two characters of a code are its class.
_OF_THE_SERVER: Final = ("08", "53", "55", "57", "58", "XX")
_REPEATABLE: Final = ("40",)  # a standby ended the query; reading again is safe
_OF_THE_ACCOUNT: Final = ("28",)
# Their messages name what the query names, and no value of a row.
_TOLD: Final = ("0A", "25", "3F", "42")
_NOT_A_SELECT: Final = ("42601", "0A000", "25006")  # a syntax error, not supported, read-only transaction
_ONE_SELECT: Final = (
    "A query must be a single SELECT: it runs inside another SELECT, in a read-only transaction."
)
_OF_DATA: Final = {
    "22": "a value can't be calculated or converted (code {code})",
    "21": "a subquery returns more than one row (code {code})",
}
_ERROR: Final = re.compile(r"(?:ERROR|FATAL|PANIC):\s+(?P<message>[^\n]+)")
# Source: libpq's fe-connect.c, which checks a URL before it connects, and the server's check of `options`.
_MALFORMED: Final = re.compile(
    r"in URI\b|invalid percent-encoded token|forbidden value %00|invalid integer value|invalid port number|could not match \d+ "
    r"|invalid URI query parameter|invalid connection option|invalid [a-z_]+ value:"
    r"|FATAL:\s+(?:unrecognized configuration parameter|invalid value for parameter|invalid command-line argument)"
)
_REFUSED: Final = re.compile(
    r"authentication failed|no password supplied|role \S+ does not exist|pg_hba\.conf|is not permitted to log in"
)


def column(name: str, type_name: str, enums: Collection[str]) -> QueryColumn:
    """Return the column of a type that pg_type calls *type_name*; *enums* are the names of the database's own."""
    kind = _KINDS.get(type_name)
    if kind is None and type_name in enums:
        kind = ColumnKind.TEXT
    if kind is None and type_name.removeprefix("_") in enums:
        kind = ColumnKind.TEXTS
    item = type_name.removeprefix("_")
    shown = _NAMES.get(item, item) + ("[]" if item != type_name else "")
    return QueryColumn(name, kind or ColumnKind.OTHER, shown)


def inner(text: str, alias: str = "rows") -> str:
    """Return the query *text* in parentheses. It may end with a comment."""
    return f"(\n{text}\n) AS {alias}"


def as_texts(text: str, columns: Sequence[QueryColumn], escape: Callable[[str], str] = str) -> str:
    """Return a query for the rows of the query *text*, each cell as the text of its kind. *escape* is for what is added."""
    cells = escape(", ".join(_cell(each) for each in columns))
    return f"SELECT {cells} FROM {inner(text)}"  # noqa: S608 - names of columns, quoted


def _cell(column: QueryColumn) -> str:
    name = "rows." + quoted(column.name)
    match column.kind:
        case ColumnKind.TIMESTAMP if column.type == "timestamptz":
            return f"replace(({name} AT TIME ZONE 'UTC')::text, ' ', 'T') || 'Z'"
        case ColumnKind.TIMESTAMP:
            return f"replace({name}::text, ' ', 'T')"
        case ColumnKind.TEXTS | ColumnKind.NUMBERS:
            return f"array_to_json({name})::text"
        case (
            ColumnKind.TEXT
            | ColumnKind.BOOLEAN
            | ColumnKind.INTEGER
            | ColumnKind.DECIMAL
            | ColumnKind.DOUBLE
            | ColumnKind.DATE
            | ColumnKind.JSON
            | ColumnKind.OTHER
        ):
            return f"{name}::text"


def accepts_writes(table: str, execute: Callable[[str], object], rollback: Callable[[], object]) -> bool:
    """
    Return whether the database accepts a write: a new table, or deleting no row of *table*, which is a quoted name, or empty.

    Each is tried in a transaction of its own, which is rolled back. The caller begins the next one.
    """
    trials = [_CREATE, *([f"DELETE FROM {table} WHERE false"] if table else [])]  # noqa: S608 - quoted by the server
    return any(_accepts(trial, execute, rollback) for trial in trials)


def _accepts(trial: str, execute: Callable[[str], object], rollback: Callable[[], object]) -> bool:
    rollback()
    try:
        execute("SET TRANSACTION READ WRITE")
        execute(trial)
    except (QueryError, SourceUnreachableError):  # if the connection is lost, the rollback fails, too
        return False
    else:
        return True
    finally:
        rollback()


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def failure(connection: str, message: str, code: str | None) -> LeanplumSyncError | QueryError:
    """
    Return what to raise for an error of the server; *code* is its SQLSTATE, None if the server didn't answer.

    A message may hold values of rows, or parts of the URL, so it is shown only where it can't.
    """
    told = _ERROR.search(message)
    if code is None or code[:2] in (*_OF_THE_ACCOUNT, "3D"):
        if code == "3D000" or ("does not exist" in message and "database" in message):
            return CredentialError(
                f"Connection {connection}: the server has no such database. Check the connection's URL."
            )
        if code is None and _MALFORMED.search(message):
            return malformed(connection)
        if _REFUSED.search(message) or (code or "")[:2] in _OF_THE_ACCOUNT:
            return CredentialError(
                f"Connection {connection}: the server rejected the user name or password. Check the connection's URL."
            )
        return unreachable(connection)
    if code[:2] in (*_OF_THE_SERVER, *_REPEATABLE):
        return unreachable(connection, code)
    if code[:2] in _TOLD and told is not None:
        return QueryError(
            f"the database rejected the query: {told['message'].strip().rstrip('.')}",
            _ONE_SELECT if code in _NOT_A_SELECT else "",
        )
    sentence = _OF_DATA.get(code[:2], "the database rejected the query (code {code})").format(code=code)
    return QueryError(
        sentence, "The database's own message is not shown, because it may contain values of rows."
    )


def malformed(connection: str) -> CredentialError:
    return CredentialError(f"Connection {connection}: its URL is not valid. Check it.")


def unreachable(connection: str, code: str = "") -> SourceUnreachableError:
    said = f" (code {code})" if code else ""
    return SourceUnreachableError(
        f"Connection {connection}: the database can't be reached, or ended the connection{said}. Nothing was kept. Run the command again."
    )


def with_timeout(url: str) -> str:
    """Otherwise a server that doesn't answer keeps us waiting for as long as the system waits."""
    if "connect_timeout=" in url:
        return url
    return f"{url}{'&' if '?' in url else '?'}connect_timeout={_CONNECT_SECONDS}"
