"""
A baseline of many users, and an API that has them. Both compute users from their numbers, so there may be a hundred million.

Users are as desired. A plan with the baseline reads none of them, except for the sample of an audit.
"""

from __future__ import annotations

import re
from asyncio import StreamReader, StreamWriter
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any, Final

import duckdb
import orjson
from many_users import ATTRIBUTES, COLUMNS, OBSERVED_AT, PROJECT, answers, write_csv
from servers import answer_with

from leanplum_sync.baseline import Folder, Head, Owner, new_key
from leanplum_sync.staging import prints
from leanplum_sync.staging.sql import literal, name, shard_of_subject

FIELDS: Final = prints.storable([prints.attribute(each) for each in ATTRIBUTES])
BASELINE: Final = ".leanplum-sync/journal.production.baseline"
_OWNER: Final = ("app_emulator", "production")
_AUDIT: Final = "  audit: {share: 0.1, confidence: 99}\n"
# What has to be done by anybody: read both files, match users, hash each cell and compare it.
_JOIN: Final = """\
import duckdb
duckdb.sql({key!r})
((changed,),) = duckdb.sql('''
    SELECT count(*) FROM read_csv('users.csv', header = true, columns = {{{columns}}}) AS wanted
    JOIN read_parquet({prints}) AS known USING (id) WHERE {differs}
''').fetchall()
assert changed == 0, changed
"""
_WANTED: Final = {
    "orders": "'n' || CAST(wanted.orders AS DOUBLE)",
    "spent": "'n' || CAST(wanted.spent AS DOUBLE)",
    "newsletter": "'w' || lower(wanted.newsletter)",
    "tier": "'t' || CASE band WHEN 'A' THEN 'gold' WHEN 'B' THEN 'silver' ELSE 'bronze' END",
}


def make_many_prints(folder: Path, users: int, host: str) -> Path:
    """
    Create a project whose baseline has prints of all its users, and return its folder.

    Its ``join.py`` is the plain join that benchmarks compare with. *host* has the API.
    """
    write_csv(folder, users)
    baseline = Folder(folder / BASELINE)
    baseline.path.parent.mkdir()
    with baseline.alone():
        key = new_key()
        aside = baseline.path / "next.parquet"
        _write_prints(aside, users, key)
        app, environment = _OWNER
        head = Head(
            Owner(app, host, environment),
            journal="",
            mark=0,
            run=0,
            uid="",
            unfinished={},
            fields=FIELDS,
            names=ATTRIBUTES,
            users=users,
            generation=1,
            made_at=OBSERVED_AT,
        )
        baseline.publish(head, aside, key)
    columns = ", ".join(f"'{column}': 'VARCHAR'" for column in COLUMNS)
    differs = " OR ".join(
        f"known.{name(prints.attribute(each))} <> {prints.print_of(prints.attribute(each), f'({_WANTED.get(each, wanted)})')}"
        for each in ATTRIBUTES
        for wanted in [f"'t' || wanted.{each}"]
    )
    join = _JOIN.format(
        key=prints.with_key(key),
        columns=columns,
        prints=literal(str(baseline.prints(1).relative_to(folder))),
        differs=differs,
    )
    (folder / "join.py").write_text(join)
    return folder


def auditing(folder: Path) -> None:
    """Audit what plans of the project in *folder* assume."""
    (folder / "leanplum-sync.yaml").write_text(PROJECT + _AUDIT)


def _write_prints(file: Path, users: int, key: str) -> None:
    """As a merge writes them."""
    made = "".join(
        f", {prints.print_of_json(each, f'(to_json(answer.userAttributes.{prints.name_of(each)})::VARCHAR)')} AS {name(each)}"
        for each in FIELDS
    )
    subject = "'user:' || id"
    with duckdb.connect(config={"memory_limit": "2GB", "temp_directory": str(file.parent)}) as database:
        database.execute(prints.with_key(key))
        database.execute(
            f"COPY (SELECT ({shard_of_subject(subject)})::USMALLINT AS shard, id, answer.observedAt AS seen_at,"
            f" NULL::DOUBLE AS written_at{made} FROM ({answers(f'range({users})')}) ORDER BY shard, id)"
            f" TO {literal(str(file))} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880)"
        )


def serve_many(ready: Pipe) -> None:
    """Serve exportUser for all these users, alone or in a ``multi``, and success for anything else."""
    database = duckdb.connect(config={"threads": 1})
    counts = {"lookups": 0}

    def found(ids: list[str]) -> dict[str, Any]:
        counts["lookups"] += len(ids)
        numbers = [int(each.removeprefix("user-")) for each in ids]
        rows = answers(f"(SELECT unnest({numbers!r}))")
        query = f"SELECT id, CAST(to_json(answer) AS VARCHAR) FROM ({rows})"
        return {user: orjson.loads(answer) for user, answer in database.execute(query).fetchall()}

    def answer(body: bytes) -> bytes:
        request = orjson.loads(body)
        actions = request.get("data", [request])
        users = found([each["userId"] for each in actions if "userId" in each])
        elements = [
            {**users.get(each.get("userId"), {"success": True}), "reqId": each.get("reqId")}
            for each in actions
        ]
        return orjson.dumps({"response": elements})

    async def converse(reader: StreamReader, writer: StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            length = re.search(rb"(?i)content-length: (\d+)", head)
            body = await reader.readexactly(int(length[1]) if length else 0)
            content = answer(body) if body else orjson.dumps(counts)
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
                % (len(content), content)
            )

    answer_with(converse, ready)
