"""Fuzzers of data files: CSV, NDJSON and Parquet, below specs that read every column as every type."""

from __future__ import annotations

import gzip
import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import zstandard
from command import Ended, run
from documents import outputs
from fuzzing import Fuzzer
from mutations import encoded, mutated_bytes, mutated_text, mutated_tree, scalar
from shop import CELL, COLUMNS, ENVIRON, PEOPLE, ROWS, SECRETS, SENSITIVE, TOKENS, cell, write_shop

from leanplum_sync.duck import connect

_DATES: Final = ("created", "lastActive")


class DataFile(Fuzzer):
    """*suffixes* are the names that the file may have, each with the compression that it tells."""

    suffixes: tuple[str, ...]

    def content(self, draw: random.Random) -> bytes:
        raise NotImplementedError

    def names(self, content: bytes) -> bytes:
        """Return the part of *content* that names columns: problems quote these."""
        raise NotImplementedError

    def case(self, draw: random.Random, folder: Path, *, debug: bool) -> Iterator[Ended]:
        suffix = draw.choice(self.suffixes)
        plain = self.content(draw)
        names = self.names(plain)
        self.secrets = (*SECRETS, *(word for word in (CELL, SENSITIVE) if word.encode() not in names))
        content = compressed(draw, suffix, plain)
        specs = draw.choice([(PEOPLE,), (PEOPLE,), (TOKENS,), (PEOPLE, TOKENS)])
        users = [
            {"file": f"../data/people.{suffix}", "id": "id"},
            {"file": f"../data/people.{suffix}", "id": "id", "empty": ["NULL", None, "nan"]},
        ]
        if suffix.startswith("csv"):
            users.append(
                {
                    "file": f"../data/people.{suffix}",
                    "id": "id",
                    "delimiter": draw.choice([",", ";", "\t", "|", "x"]),
                }
            )
        listing = draw.choice(
            [*users, {"file": f"../data/people.{suffix}"}] if draw.random() < 0.1 else users
        )
        write_shop(folder, specs=[_about(draw, spec, listing) for spec in specs], data=False)
        (folder / "data" / f"people.{suffix}").write_bytes(content)
        yield run(folder, "validate", *outputs(draw), environ=ENVIRON, debug=debug)
        if draw.random() < 0.12:
            # Plans show values, but those of sensitive attributes.
            ended = run(
                folder, "plan", *outputs(draw, ("json", "markdown", "html")), environ=ENVIRON, debug=debug
            )
            yield ended if ended.code == 3 else _without_cells(ended)


def _about(draw: random.Random, spec: dict[str, Any], listing: dict[str, Any]) -> dict[str, Any]:
    """Return *spec* with rows from *listing*, and now and then with other types for its columns."""
    body = dict(spec["spec"])
    if "users" in body:
        body["users"] = listing
        if draw.random() < 0.4:
            types = ["text", "integer", "number", "boolean", "date", "list"]
            body["attributes"] = {
                name: {**form, "type": draw.choice(types)}
                if isinstance(form, dict) and "type" in form
                else form
                for name, form in body["attributes"].items()
            }
        if draw.random() < 0.2:
            body["attributes"] = {
                **body["attributes"],
                "points": {"increment": {"column": "orders"}, "once": "o"},
            }
            body["attributes"]["hobbies"] = {"add": {"column": "tags"}, "remove": {"column": "band"}}
        if draw.random() < 0.2:
            body["profile"] = {**body["profile"], draw.choice(_DATES): {"column": draw.choice(COLUMNS)}}
    else:
        body["devices"] = {**listing, "id": "device", "user": "id"}
        body["token"] = {draw.choice(["ios", "ios", "ios", "android", "web"]): {"column": "token"}}
    return {**spec, "spec": body}


def _without_cells(ended: Ended) -> Ended:
    def strike(text: str) -> str:
        return text.replace(CELL, "a cell")

    documents = {name: strike(text) for name, text in ended.documents.items()}
    return Ended(ended.arguments, ended.code, strike(ended.out), strike(ended.err), documents)


def compressed(draw: random.Random, suffix: str, content: bytes) -> bytes:
    spoil = mutated_bytes if draw.random() < 0.3 else lambda _, each: each
    match suffix.rpartition(".")[2]:
        case "gz":
            return spoil(draw, gzip.compress(content, mtime=0))
        case "zst":
            half = draw.randrange(len(content) + 1)
            compress = zstandard.ZstdCompressor(write_checksum=draw.random() < 0.5).compress
            whole = (
                compress(content)
                if draw.random() < 0.5
                else compress(content[:half]) + compress(content[half:])
            )
            return spoil(draw, whole)
        case _:
            return content


def _rows(draw: random.Random) -> list[dict[str, Any]]:
    rows = [dict(row) for row in ROWS]
    for _ in range(draw.choice([0, 1, 1, 2, 4])):
        row = draw.choice(rows)
        row[draw.choice(COLUMNS)] = scalar(
            draw, ("u1", "d1", "A", "2026-01-15", '["a"]', "[a]", "1.50", "true", 1.0)
        )
    return rows


class Csv(DataFile):
    name = "csv"
    suffixes = ("csv", "csv", "csv", "tsv", "csv.gz", "csv.zst")

    def content(self, draw: random.Random) -> bytes:
        delimiter = draw.choice([",", ",", ";", "\t", "|"])
        columns = list(COLUMNS)
        if draw.random() < 0.2:
            columns = draw.sample(columns, len(columns))
        if draw.random() < 0.1:
            columns[draw.randrange(len(columns))] = str(scalar(draw, COLUMNS))
        lines = [columns, *([row.get(name, "") for name in columns] for row in _rows(draw))]
        if draw.random() < 0.2:
            lines.insert(draw.randrange(len(lines) + 1), draw.choice(lines))
        if draw.random() < 0.2:
            line = draw.choice(lines)
            line[draw.randrange(len(line)) :] = draw.choice([[], [""], line, ["x"] * 30])
        text = "".join(delimiter.join(map(cell, line)) + "\n" for line in lines)
        if draw.random() < 0.35:
            text = mutated_text(
                draw, text, (delimiter, '"', "\n", "\r", "sep=;\n", "\ufeff", f'"{delimiter}')
            )
        content = encoded(draw, text)
        return mutated_bytes(draw, content) if draw.random() < 0.25 else content

    def names(self, content: bytes) -> bytes:
        lines = (
            content.replace(b"\0", b"")
            .removeprefix(b"\xef\xbb\xbf")
            .lstrip()
            .replace(b"\r", b"\n")
            .split(b"\n")
        )
        return b"\n".join(lines[:2] if lines[0].lower().startswith((b"sep=", b'"sep=')) else lines[:1])


class Ndjson(DataFile):
    name = "ndjson"
    suffixes = ("ndjson", "ndjson", "ndjson", "ndjson.gz", "ndjson.zst")

    def content(self, draw: random.Random) -> bytes:
        rows: list[Any] = _rows(draw)
        if draw.random() < 0.5:
            rows = mutated_tree(draw, rows, COLUMNS)
        text = "".join(
            json.dumps(
                row, ensure_ascii=draw.random() < 0.5, separators=draw.choice([(",", ":"), (", ", ": ")])
            )
            + "\n"
            for row in (rows if isinstance(rows, list) else [rows])
        )
        if draw.random() < 0.5:
            text = mutated_text(
                draw,
                text,
                (
                    "{",
                    "}",
                    "[",
                    "]",
                    '"',
                    ",",
                    ":",
                    "\\u0000",
                    "\\ud83d",
                    "1.0000000000000000001",
                    "-0",
                    "1E400",
                ),
            )
        content = encoded(draw, text)
        return mutated_bytes(draw, content) if draw.random() < 0.25 else content

    def names(self, content: bytes) -> bytes:
        return b"".join(re.findall(rb'"[^"]*"\s*:', content))


_TYPES: Final = (
    *(
        "VARCHAR",
        "VARCHAR",
        "INTEGER",
        "BIGINT",
        "HUGEINT",
        "UBIGINT",
        "UHUGEINT",
        "TINYINT",
        "DOUBLE",
        "FLOAT",
        "BOOLEAN",
    ),
    *(
        "DATE",
        "TIMESTAMP",
        "TIMESTAMP_S",
        "TIMESTAMP_MS",
        "TIMESTAMP_NS",
        "TIMESTAMPTZ",
        "TIME",
        "TIMETZ",
        "INTERVAL",
        "BLOB",
    ),
    *("UUID", "DECIMAL(18,3)", "DECIMAL(38,0)", "DECIMAL(38,38)", "DECIMAL(4,1)", "BIT", "JSON"),
    *("VARCHAR[]", "INTEGER[]", "DOUBLE[]", "DECIMAL(10,2)[]", "TIMESTAMP[]", "VARCHAR[][]", "INTEGER[3]"),
    *(
        "STRUCT(a INTEGER, b VARCHAR)",
        "MAP(VARCHAR, INTEGER)",
        "ENUM('a', 'b', 'A')",
        "UNION(n INTEGER, t VARCHAR)",
    ),
)
_VALUES: Final = (
    *("u1", "1", "-1", "0", "1e3", "1.5", "NaN", "Infinity", "-Infinity", "true", "A", "a", "", "NULL"),
    *(
        "2026-01-15",
        "0001-01-01",
        "9999-12-31",
        "294247-01-10",
        "infinity",
        "-infinity",
        "2026-01-15 08:15:00",
        "1900-01-01 (BC)",
    ),
    *(
        "170141183460469231731687303715884105727",
        "18446744073709551616",
        "9007199254740993",
        "99999999999999999999999999999999999999",
    ),
    *(
        "[a, b]",
        "[1, 2, 3]",
        "[NULL]",
        "[]",
        "[[a]]",
        "{'a': 1, 'b': x}",
        "{a=1}",
        "5f0c1c1e-0000-4000-8000-000000000000",
    ),
    *("08:15:00", "1 year", "\u00e9", "\U0001f600", "x" * 140_000, "-1e308", "5e-324", "0.1"),
)


class Parquet(DataFile):
    name = "parquet"
    suffixes = ("parquet",)

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._connection = connect()

    def content(self, draw: random.Random) -> bytes:
        columns = [name for name in COLUMNS if draw.random() > 0.03]
        if draw.random() < 0.1:
            columns.append(str(scalar(draw)).replace("\x00", "0")[:100])
        odd = set(draw.sample(columns, min(len(columns), draw.choice([0, 0, 1, 1, 2, 5]))))
        selected = [
            self._column(draw, number, name, is_odd=name in odd) for number, name in enumerate(columns)
        ]
        file = self.folder / "drawn.parquet"
        options = draw.choice(
            [
                "",
                ", COMPRESSION zstd",
                ", COMPRESSION gzip",
                ", ROW_GROUP_SIZE 2048",
                ", COMPRESSION uncompressed",
            ]
        )
        try:
            self._connection.execute(
                f"COPY (SELECT {', '.join(selected)} FROM range(1, {draw.choice([1, 2, 6, 6, 6])}) numbers(i)) TO '{file}' (FORMAT parquet{options})"
            )
        except Exception:  # noqa: BLE001 - a type that Parquet hasn't, or a name twice: another draw
            return self.content(draw)
        content = file.read_bytes()
        if draw.random() < 0.2:
            content = mutated_bytes(draw, content)
        if draw.random() < 0.2 and len(content) > 500:
            # The footer, where a flipped bit does most.
            at = draw.randrange(len(content) // 2, len(content))
            content = content[:at] + mutated_bytes(draw, content[at:])
        return content

    def names(self, content: bytes) -> bytes:
        return b""  # DuckDB finds none in damaged files

    def _column(self, draw: random.Random, number: int, name: str, *, is_odd: bool) -> str:
        quoted = '"' + (name or f"c{number}").replace('"', '""') + '"'
        if name in COLUMNS and not is_odd:
            values = ", ".join(f"'{_text(row[name])}'" for row in ROWS)
            kind = {
                "orders": "INTEGER",
                "spent": "DOUBLE",
                "member": "BOOLEAN",
                "since": "DATE",
                "tags": "VARCHAR[]",
            }.get(name, "VARCHAR")
            return f"CAST([{values}][i] AS {kind}) AS {quoted}"
        kind = draw.choice(_TYPES)
        values = ", ".join("'" + draw.choice(_VALUES).replace("'", "''") + "'" for _ in range(6))
        return f"TRY_CAST([{values}][i] AS {kind}) AS {quoted}"


def _text(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(str, value)) + "]"
    return str(value)
