"""
Small files that ask for much memory or time, and what the command spends on each of them.

The suite runs those that are quick to make. ``make campaign`` runs them all, also over their limits in time:
``python tests/support/bombs.py`` prints a line for each and ends with 1 if one is over its bounds.
"""

from __future__ import annotations

import argparse
import gzip
import sys
import tempfile
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

import duckdb
import zstandard
from ratios import Run, run_measured
from shell import Shell

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_BYTES: Final = 256_000_000
MOST_SECONDS: Final = 20
INVALID: Final = 3
_MEGABYTE: Final = 1 << 20
_MUCH: Final = 300 * _MEGABYTE  # more than a command may take
_PROJECT: Final = """\
apiVersion: leanplum-sync/v1
kind: Project
metadata: {name: shop}
spec: {defaultEnvironment: sandbox, environments: {sandbox: {emulator: embedded}}}
"""


@dataclass(frozen=True, slots=True)
class Bomb:
    """
    *make* writes the file at the given path, *file* in the project folder. *message* is what the command must print.

    One that is not *is_quick* takes seconds to make or to refuse.
    """

    name: str
    file: str
    make: Callable[[Path], None]
    message: str
    is_quick: bool = True
    command: tuple[str, ...] = ("validate",)
    exit_code: int = INVALID


def run_bomb(bomb: Bomb, folder: Path) -> Run:
    """Make *bomb* in a new project in *folder*, and return what running its command took."""
    for name in ("specs", "data", "observed"):
        (folder / name).mkdir(parents=True)
    (folder / "leanplum-sync.yaml").write_text(_PROJECT)
    if bomb.file.startswith("data/"):
        (folder / "specs" / "users.yaml").write_text(spec("users", f"{{file: ../{bomb.file}, id: id}}"))
    elif not bomb.file.startswith("specs/"):
        (folder / "specs" / "users.yaml").write_text(spec("users", "{inline: [ann]}", "{tier: gold}"))
    bomb.make(folder / bomb.file)
    return run_measured(
        [*Shell(folder).command, *bomb.command], folder, Shell(folder).variables, seconds=3 * MOST_SECONDS
    )


def spec(name: str, users: str, attributes: str = "{tier: {column: tier}}") -> str:
    return (
        "---\napiVersion: leanplum-sync/v1\nkind: UserAttributes\n"
        f"metadata: {{name: {name}}}\nspec: {{users: {users}, attributes: {attributes}}}\n"
    )


# What the files are made of.


@contextmanager
def _writing(path: Path) -> Iterator[IO[bytes]]:
    match path.suffix:
        case ".gz":
            with gzip.open(path, "wb", 9) as file:
                yield file
        case ".zst":
            with path.open("wb") as raw, zstandard.ZstdCompressor(level=19).stream_writer(raw) as file:
                yield file
        case _:
            with path.open("wb") as file:
                yield file


def repeating(start: bytes, piece: bytes, size_bytes: int, end: bytes = b"") -> Callable[[Path], None]:
    """Return a maker of *start*, then *piece* again and again until there are *size_bytes*, then *end*."""

    def make(path: Path) -> None:
        many = piece * max(1, _MEGABYTE // len(piece))
        with _writing(path) as file:
            file.write(start)
            for _ in range(size_bytes // len(many)):
                file.write(many)
            file.write(piece * (size_bytes % len(many) // len(piece)))
            file.write(end)

    return make


def joined(start: str, pieces: Callable[[], Iterable[str]], between: str, end: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        with _writing(path) as file:
            file.write((start + between.join(pieces()) + end).encode())

    return make


def parquet(query: str, options: str = "COMPRESSION zstd") -> Callable[[Path], None]:
    def make(path: Path) -> None:
        with duckdb.connect() as connection:
            connection.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet, {options})")

    return make


def _wide_window(path: Path) -> None:
    """A frame that asks for a window of 2 GB."""
    parameters = zstandard.ZstdCompressionParameters.from_level(
        3, window_log=31, enable_ldm=False, format=zstandard.FORMAT_ZSTD1
    )
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    path.write_bytes(compressor.compress(b"id,tier\nann,gold\n" * 9) + compressor.flush())


def _aliases(path: Path) -> None:
    """Ten values, each of which repeats the one before ten times."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    path.write_text("\n".join(lines) + "\n")


def _documents(path: Path) -> None:
    path.write_text(
        "".join(spec(f"u{each}", f"{{inline: [u{each}]}}", "{tier: gold}") for each in range(20_000))
    )


def _one_device(path: Path) -> None:
    path.write_bytes(
        b'{"userId":"ann","userAttributes":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}\n"
    )


def _columns(count: int) -> list[str]:
    return [f"c{each}" for each in range(count)]


EXPANDS: Final = "expands to more than 250 times the compressed size"
_FEW_CELLS: Final = "the header has more than"

BOMBS: Final = (
    Bomb("csv.zst: 300 MB of one row", "data/a.csv.zst", repeating(b"id,tier\n", b"ann,gold\n", _MUCH), EXPANDS),
    Bomb("csv.gz: 300 MB of one row", "data/a.csv.gz", repeating(b"id,tier\n", b"ann,gold\n", _MUCH), EXPANDS, is_quick=False),
    Bomb("csv.zst: one line of 600 MB", "data/a.csv.zst", repeating(b"id,tier\n", b"a", 2 * _MUCH), EXPANDS, is_quick=False),
    Bomb("csv.gz: 30 million columns", "data/a.csv.gz", repeating(b"id,tier", b",x", 60_000_000, b"\n"), "a.csv.gz:1"),
    Bomb("csv: one row a million times", "data/a.csv", repeating(b"id,tier\n", b"ann,gold\n", 9_000_000), "rows have the id ann"),
    Bomb("csv: two ids a million times", "data/a.csv", repeating(b"id,tier\n", b"ann,gold\nben,gold\n", 9_000_000), "rows have the id ann", is_quick=False),
    Bomb("ndjson: one id 100,000 times", "data/a.ndjson", repeating(b"", b'{"id":"ann","tier":"gold"}\n', 2_700_000), "rows have the id ann", is_quick=False),
    Bomb("csv: a header of 15 million commas", "data/a.csv", repeating(b"id,tier", b",", 15_000_000, b"\nann,gold\n"), "a.csv:1"),
    Bomb("csv: 100,000 columns", "data/a.csv", joined("id,tier,", lambda: _columns(100_000), ",", "\nann,gold\n"), "columns"),
    Bomb("csv: 100,000 columns, and rows of them", "data/a.csv", joined("id,tier,", lambda: _columns(100_000), ",", ("\nann,gold" + "," * 100_000) * 20 + "\n"), "columns"),
    Bomb("csv: a row of 15 million commas", "data/a.csv", repeating(b"id,tier\n", b",", 15_000_000, b"\nann,gold\n"), "a.csv:2"),
    Bomb("csv: a cell of 15 million emoji", "data/a.csv", repeating(b"id,tier\nann,", "\N{GRINNING FACE}".encode(), 60_000_000, b"\n"), "a.csv:2"),
    Bomb("csv: a quoted cell of 2 MB in lines", "data/a.csv", repeating(b'id,tier\nann,"', b"gold\n", 2_000_000, b'"\n'), "a.csv:2", is_quick=False),
    Bomb("csv: 5 million blank lines", "data/a.csv", repeating(b"id,tier\n", b"\n", 5_000_000, b"ann\n"), "a.csv:5000002", is_quick=False),
    Bomb("csv: 100,000 bad rows", "data/a.csv", repeating(b"id,tier\n", b"a,b,c\n", 600_000), "a.csv:2", is_quick=False),
    Bomb("csv.zst: a window of 2 GB", "data/a.csv.zst", _wide_window, "window"),
    Bomb("ndjson: a million keys in a line", "data/a.ndjson", joined('{"id":"ann",', lambda: (f'"k{each}":1' for each in range(1_000_000)), ",", "}\n"), "a.ndjson:1"),
    Bomb("ndjson: 8 million values in a list", "data/a.ndjson", repeating(b'{"id":"ann","tier":[1', b",1", 16_000_000, b"]}\n"), "a.ndjson:1"),
    Bomb("ndjson: 5 million empty objects", "data/a.ndjson", repeating(b'{"id":"ann","tier":[{}', b",{}", 15_000_000, b"]}\n"), "a.ndjson:1"),
    Bomb("ndjson: 8 million nested lists", "data/a.ndjson", repeating(b'{"id":"ann","tier":', b"[", 8_000_000, b"]" * 8_000_000 + b"}\n"), "a.ndjson:1"),
    Bomb("ndjson: nested 900 levels", "data/a.ndjson", repeating(b'{"id":"ann","tier":', b"[", 900, b"]" * 900 + b"}\n"), "a.ndjson:1"),
    Bomb("ndjson: a number of 10 million digits", "data/a.ndjson", repeating(b'{"id":"ann","tier":1', b"0", 10_000_000, b"}\n"), "a.ndjson:1"),
    Bomb("ndjson: a text of 15 million letters", "data/a.ndjson", repeating(b'{"id":"ann","tier":"', b"a", 15_000_000, b'"}\n'), "a.ndjson:1"),
    Bomb("ndjson.gz: nested lists", "data/a.ndjson.gz", repeating(b'{"id":"ann","tier":', b"[", 1 << 22), "a.ndjson.gz"),
    Bomb("ndjson.zst: 300 MB of one row", "data/a.ndjson.zst", repeating(b"", b'{"id":"ann","tier":"gold"}\n', _MUCH), EXPANDS, is_quick=False),
    Bomb("parquet: one long text for 600 rows", "data/a.parquet", parquet("SELECT 'u' || i AS id, repeat('x', 1000000) AS tier FROM range(600) n(i)"), "column tier has a text value of"),
    Bomb("parquet: one row 300 million times", "data/a.parquet", parquet("SELECT 'ann' AS id, 'gold' AS tier FROM range(300000000)"), EXPANDS, is_quick=False),
    Bomb("parquet: lists of 10 million numbers", "data/a.parquet", parquet("SELECT 'ann' AS id, range(10000000) AS tier"), "column tier", is_quick=False),
    Bomb("parquet: lists of long texts", "data/a.parquet", parquet("SELECT 'u' || i AS id, [repeat('x', 100000) FOR y IN range(1000)] AS tier FROM range(20) n(i)"), "takes more than 128 MB of memory"),
    Bomb("parquet: lists of short texts", "data/a.parquet", parquet("SELECT 'u' || i AS id, ['x' FOR y IN range(1000000)] AS tier FROM range(20) n(i)"), "column tier", is_quick=False),
    Bomb("parquet: a structure of long texts", "data/a.parquet", parquet("SELECT 'u' || i AS id, 'gold' AS tier, {'a': repeat('x', 10000000)} AS more FROM range(30) n(i)"), "column more"),
    Bomb("parquet: a blob of 100 MB", "data/a.parquet", parquet("SELECT 'ann' AS id, 'gold' AS tier, repeat('x', 100000000)::BLOB AS more"), "takes more than 128 MB of memory", is_quick=False),
    Bomb("parquet: 20,000 columns", "data/a.parquet", parquet("SELECT 'ann' AS id, 'gold' AS tier, " + ", ".join(f"{n} AS c{n}" for n in range(20_000))), "columns", is_quick=False),
    Bomb("yaml: nested 100,000 lists", "specs/a.yaml", repeating(b"a: ", b"[", 100_000, b"]" * 100_000), "nested"),
    Bomb("yaml: nested 100,000 mappings", "specs/a.yaml", repeating(b"a: ", b"{a: ", 400_000, b"}" * 100_000), "nested"),
    Bomb("yaml: nested in blocks", "specs/a.yaml", repeating(b"", b"- ", 200_000), "nested"),
    Bomb("yaml: a list of 900,000", "specs/a.yaml", repeating(b"a: [x", b",x", 1_800_000, b"]\n"), "more than 300,000 values", is_quick=False),
    Bomb("yaml: a line of many dashes", "specs/a.yaml", repeating(b"a: {", b"- ", 1_000_000), "a.yaml:1"),
    Bomb("yaml: aliases of aliases", "specs/a.yaml", _aliases, "aliases repeat more than"),
    Bomb("yaml: one million keys", "specs/a.yaml", joined("", lambda: (f"k{each}: 1" for each in range(1_000_000)), "\n", "\n"), "larger than 2,000,000 bytes"),
    Bomb("yaml: a list of 5 million", "specs/a.yaml", repeating(b"a: [x", b",x", 10_000_000, b"]\n"), "larger than 2,000,000 bytes"),
    Bomb("yaml: a text of 100 MB", "specs/a.yaml", repeating(b"a: ", b"x", 100_000_000), "larger than 2,000,000 bytes"),
    Bomb("yaml: 300 MB of nothing", "specs/a.yaml", repeating(b"", b"\n", _MUCH), "larger than 2,000,000 bytes", is_quick=False),
    Bomb("yaml: 20,000 documents", "specs/a.yaml", _documents, "larger than 2,000,000 bytes"),
    Bomb("yaml: a comment of 20 MB", "specs/a.yaml", repeating(b"", b"# x\n", 20_000_000), "larger than 2,000,000 bytes"),
    Bomb("project file: aliases of aliases", "leanplum-sync.yaml", _aliases, "aliases repeat more than"),
)  # fmt: skip


def _snapshot(name: str, file: str, make: Callable[[Path], None], message: str) -> Bomb:
    command = ("plan", "--observed", file, "--out", "a.lpplan")
    return Bomb(f"snapshot: {name}", file, make, message, command=command)


ANN: Final = b'{"userId":"ann","userAttributes":{"tier":"gold"}}\n'
BOMBS_OF_SNAPSHOTS: Final = (
    _snapshot("zst: 300 MB of one user", "observed/a.ndjson.zst", repeating(b"", ANN, _MUCH), EXPANDS),
    _snapshot("gz: 300 MB of one user", "observed/a.ndjson.gz", repeating(b"", ANN, _MUCH), EXPANDS),
    _snapshot("zst: a line of 600 MB", "observed/a.ndjson.zst", repeating(b'{"userId":"', b"a", 2 * _MUCH), EXPANDS),
    _snapshot("zst: a window of 2 GB", "observed/a.ndjson.zst", _wide_window, "window"),
    _snapshot("a line of 300 MB", "observed/a.ndjson", repeating(b'{"userId":"', b"a", 300_000_000, b'"}\n'), "a.ndjson:1"),
    _snapshot("a line of 15 MB", "observed/a.ndjson", repeating(b'{"userId":"ann","userAttributes":{"tier":"', b"a", 15_000_000, b'"}}\n'), "a.ndjson:1"),
    _snapshot("a million attributes", "observed/a.ndjson", joined('{"userId":"ann","userAttributes":{', lambda: (f'"k{each}":1' for each in range(1_000_000)), ",", "}}\n"), "a.ndjson:1"),
    _snapshot("5 million empty objects", "observed/a.ndjson", repeating(b'{"userId":"ann","userAttributes":{"tier":[{}', b",{}", 15_000_000, b"]}}\n"), "a.ndjson:1"),
    _snapshot("nested 100,000 levels", "observed/a.ndjson", _one_device, "values are nested more than 50 levels deep"),
    _snapshot("nested 900 levels", "observed/a.ndjson", repeating(b'{"userId":"ann","userAttributes":{"tier":', b"[", 900, b"]" * 900 + b"}}\n"), "values are nested more than 50 levels deep"),
    _snapshot("parquet: one long answer 300 times", "observed/a.parquet", parquet("""SELECT 'ann' AS userId, NULL AS deviceId, 1.0 AS observedAt, '{"userAttributes":{"tier":"' || repeat('x', 3000000) || '"}}' AS element FROM range(300)"""), "a.parquet: column element has a text value of more than 2,000,000 characters"),
    _snapshot("parquet: one user 5 million times", "observed/a.parquet", parquet("SELECT 'ann' AS userId, NULL AS deviceId, 1.0 AS observedAt, '{}' AS element FROM range(5000000)"), EXPANDS),
)  # fmt: skip


def _seed(name: str, file: str, make: Callable[[Path], None]) -> Bomb:
    command = ("emulator", "--seed", file, "--port", "0")
    return Bomb(f"seed: {name}", file, make, "a.ndjson", command=command, exit_code=64)


BOMBS_OF_SEEDS: Final = (
    _seed("zst: 300 MB of one user", "a.ndjson.zst", repeating(b"", ANN, _MUCH)),
    _seed("zst: a line of 600 MB", "a.ndjson.zst", repeating(b'{"userId":"', b"a", 2 * _MUCH)),
    _seed("gz: a line of 300 MB", "a.ndjson.gz", repeating(b'{"userId":"', b"a", _MUCH)),
    _seed("5 million empty objects", "a.ndjson", repeating(b'{"userId":"ann","userAttributes":{"tier":[{}', b",{}", 15_000_000, b"]}}\n")),
    _seed("nested 100,000 levels", "a.ndjson", _one_device),
)  # fmt: skip


def problems_of(bomb: Bomb, run: Run, *, seconds: float = MOST_SECONDS) -> list[str]:
    """Return in what *run* is over the bounds, or ended otherwise than it should."""
    found = []
    if run.cost.peak_bytes > MOST_BYTES:
        found.append(f"{run.cost.peak_bytes / 1e6:.0f} MB")
    if run.cost.cpu_seconds > seconds:
        found.append(f"{run.cost.cpu_seconds:.1f} s")
    if run.exit_code != bomb.exit_code:
        found.append(f"exit code {run.exit_code}")
    if bomb.message not in run.output:
        found.append(f"no {bomb.message!r} in: {run.output[:300]!r}")
    if "Traceback" in run.output:
        found.append("a traceback")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure what small files that ask for much can take.")
    parser.add_argument("--only", default="", help="only bombs whose name contains this (default: all)")
    asked = parser.parse_args()
    is_over = False
    for bomb in (*BOMBS, *BOMBS_OF_SNAPSHOTS, *BOMBS_OF_SEEDS):
        if asked.only not in bomb.name:
            continue
        with tempfile.TemporaryDirectory() as folder:
            run = run_bomb(bomb, Path(folder) / "project")
        found = problems_of(bomb, run)
        is_over = is_over or bool(found)
        cost = f"{run.cost.peak_bytes / 1e6:.0f} MB, {run.cost.cpu_seconds:.1f} s"
        print(f"{'OVER  ' if found else 'ok    '}{bomb.name}: {cost}", *found, sep="; ", flush=True)  # noqa: T201 - a script that reports
    return int(is_over)


if __name__ == "__main__":
    sys.exit(main())
