"""
Users by the million, as a CSV file of what is desired and a snapshot of what was observed: the same for the same numbers.

With what real exports have in them: cells in quotes, with commas and letters of other alphabets; empty cells; booleans in several
spellings; numbers that read back with a point. One user in *changed* differs, in its first attribute.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Final

import duckdb

from leanplum_sync.specs import load
from leanplum_sync.staging.assumed import managed_fields
from leanplum_sync.staging.columns import write_columns

PROJECT: Final = """\
apiVersion: leanplum-sync/v1
kind: Project
metadata: {name: many}
spec:
  specs: [specs]
  environments: {production: {appId: app_emulator, limits: {requestsPerSecond: 1000, readInBatches: true}}}
"""
SPEC: Final = """\
apiVersion: leanplum-sync/v1
kind: UserAttributes
metadata: {name: many}
spec:
  users: {file: ../users.csv, id: id}
  attributes:
    name: {column: name}
    segment: {column: segment}
    orders: {column: orders, type: integer}
    spent: {column: spent, type: number}
    newsletter: {column: newsletter, type: boolean}
    birthday: {column: birthday, type: date}
    tier: {column: band, map: {A: gold, B: silver}, otherwise: bronze}
    city: {column: city}
"""
ATTRIBUTES: Final = ("name", "segment", "orders", "spent", "newsletter", "birthday", "tier", "city")
COLUMNS: Final = ("id", "name", "segment", "orders", "spent", "newsletter", "birthday", "band", "city")
_USERS: Final = """
    SELECT printf('user-%08d', n) AS id,
        'name ' || (n * 31) % 5000 AS name,
        'segment ' || (n * 31 + 1) % 40 AS segment,
        (n * 17) % 50 AS orders,
        (n % 1000) / 8.0 AS spent,
        n % 3 = 0 AS newsletter,
        CAST(DATE '1960-01-01' + CAST(n % 15000 AS INTEGER) AS VARCHAR) AS birthday,
        CASE n % 3 WHEN 0 THEN 'A' WHEN 1 THEN 'B' ELSE 'C' END AS band,
        CASE n % 20 WHEN 0 THEN 'Köln, Ehrenfeld' WHEN 1 THEN 'Saint-Étienne' ELSE 'city ' || n % 977 END AS city,
        n
    FROM {numbers} AS numbers(n)
"""
_CSV: Final = """
    SELECT id, name, segment, CASE WHEN n % 50 = 7 THEN NULL ELSE orders END AS orders, spent,
        CASE WHEN n % 7 = 0 THEN upper(CAST(newsletter AS VARCHAR)) ELSE CAST(newsletter AS VARCHAR) END AS newsletter,
        birthday, band, city
    FROM ({rows})
"""
_ANSWERS: Final = """
    SELECT id, {{userId: id, success: true, created: 1.5e9, totalSessions: n % 90, devices: [{{deviceId: 'device-' || n}}],
        userAttributes: {{name: CASE WHEN {is_changed} THEN 'another' ELSE name END, segment: segment,
            orders: CAST(orders AS DOUBLE), spent: spent, newsletter: CASE WHEN newsletter THEN 'True' ELSE 'False' END,
            birthday: birthday, tier: CASE band WHEN 'A' THEN 'gold' WHEN 'B' THEN 'silver' ELSE 'bronze' END, city: city}},
        observedAt: {observed_at}}} AS answer
    FROM ({rows})
"""
OBSERVED_AT: Final = 1790000000.5
_TABLE: Final = """
    CREATE TABLE users (id text, name text, segment text, orders integer, spent double precision, newsletter boolean,
        birthday date, band text, city text)
"""
# What has to be done by anybody: read both files, match users, compare each attribute as what it is.
JOIN: Final = """\
import duckdb
((changed,),) = duckdb.sql('''
    SELECT count(*) FROM read_csv('users.csv', header = true, columns = {{{columns}}}) AS wanted
    JOIN read_json('snapshot.ndjson', format = 'newline_delimited', columns = {{'userId': 'VARCHAR', 'userAttributes':
        'STRUCT(name VARCHAR, segment VARCHAR, orders DOUBLE, spent DOUBLE, newsletter VARCHAR, birthday VARCHAR, tier VARCHAR,'
        ' city VARCHAR)'}}) AS observed ON id = userId
    WHERE wanted.name IS DISTINCT FROM userAttributes.name OR wanted.segment IS DISTINCT FROM userAttributes.segment
        OR CAST(wanted.orders AS DOUBLE) <> userAttributes.orders
        OR CAST(wanted.spent AS DOUBLE) IS DISTINCT FROM userAttributes.spent
        OR lower(wanted.newsletter) IS DISTINCT FROM lower(userAttributes.newsletter)
        OR wanted.birthday IS DISTINCT FROM userAttributes.birthday
        OR CASE band WHEN 'A' THEN 'gold' WHEN 'B' THEN 'silver' ELSE 'bronze' END IS DISTINCT FROM userAttributes.tier
        OR wanted.city IS DISTINCT FROM userAttributes.city
''').fetchall()
assert changed == {changed}, changed
"""


@dataclass(frozen=True, slots=True)
class ManyUsers:
    """A project folder. Its ``join.py`` is the plain join that benchmarks compare with."""

    folder: Path
    users: int
    changed: int
    one_changed_in: int

    @property
    def snapshot(self) -> str:
        return "snapshot.ndjson"

    def write_changed(self) -> Path:
        """Write the snapshot's lines about users who change: an emulator needs only them to accept the writes."""
        path = self.folder / "changed.ndjson"
        with (self.folder / self.snapshot).open("rb") as lines, path.open("wb") as file:
            file.writelines(islice(lines, 0, None, self.one_changed_in))
        return path


def answers(numbers: str, is_changed: str = "false") -> str:
    """Return SQL for the ``id`` of users, and for an ``answer`` like exportUser's. *numbers* is SQL for their numbers."""
    rows = _USERS.format(numbers=numbers)
    return _ANSWERS.format(rows=rows, is_changed=is_changed, observed_at=OBSERVED_AT)


def write_csv(folder: Path, users: int) -> None:
    """Create the project, with the desired values of *users*."""
    (folder / "specs").mkdir(parents=True)
    (folder / "leanplum-sync.yaml").write_text(PROJECT)
    (folder / "specs" / "many.yaml").write_text(SPEC)
    rows = _USERS.format(numbers=f"range({users})")
    with duckdb.connect(config={"memory_limit": "1GB"}) as database:
        database.execute(f"COPY ({_CSV.format(rows=rows)}) TO '{folder}/users.csv' (HEADER)")


def make_many(folder: Path, users: int, *, one_changed_in: int = 100) -> ManyUsers:
    write_csv(folder, users)
    with duckdb.connect(config={"memory_limit": "1GB"}) as database:
        observed = answers(f"range({users})", f"n % {one_changed_in} = 0")
        # One cell with JSON in it, nothing quoted, is NDJSON.
        database.execute(
            f"COPY (SELECT CAST(to_json(answer) AS VARCHAR) FROM ({observed})) TO '{folder}/snapshot.ndjson'"
            " (FORMAT csv, HEADER false, QUOTE '', DELIMITER '\x1f')"
        )
    changed = -(-users // one_changed_in)
    columns = ", ".join(f"'{column}': 'VARCHAR'" for column in COLUMNS)
    (folder / "join.py").write_text(JOIN.format(columns=columns, changed=changed))
    return ManyUsers(folder, users, changed, one_changed_in)


def with_columns(many: ManyUsers) -> ManyUsers:
    """Write the columns of the snapshot, as ``pull`` does."""
    fields = managed_fields(load(many.folder / "leanplum-sync.yaml").resources)
    assert write_columns(many.folder / many.snapshot, fields, least_bytes=0)
    return many


def with_rows_in(address: str, many: ManyUsers) -> ManyUsers:
    """Load the rows into the PostgreSQL at *address*, and return a project that reads them at ``WAREHOUSE_URL``."""
    import psycopg  # noqa: PLC0415 - only this needs it

    folder = many.folder.with_name(f"{many.folder.name}-in-postgresql")
    (folder / "specs").mkdir(parents=True)
    connections = "  connections: {warehouse: {url: {env: WAREHOUSE_URL}}}"
    (folder / "leanplum-sync.yaml").write_text(PROJECT.replace("spec:\n", f"spec:\n{connections}\n"))
    source = "{connection: warehouse, query: many.sql, id: id}"
    (folder / "specs" / "many.yaml").write_text(SPEC.replace("{file: ../users.csv, id: id}", source))
    (folder / "specs" / "many.sql").write_text("SELECT * FROM users")
    for file in many.folder.glob(f"{many.snapshot}*"):
        (folder / file.name).hardlink_to(file)
    with (
        psycopg.connect(address, autocommit=True) as connection,
        (many.folder / "users.csv").open("rb") as file,
    ):
        connection.execute(_TABLE)
        with connection.cursor().copy("COPY users FROM STDIN (FORMAT csv, HEADER)") as copy:
            while piece := file.read(1 << 20):
                copy.write(piece)
    return replace(many, folder=folder)
