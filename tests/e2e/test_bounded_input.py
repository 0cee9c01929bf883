"""Small files can ask for much memory. What they get is bounded."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
import zstandard
from ratios import cost_of
from shell import Shell

PROJECT = """\
apiVersion: leanplum-sync/v1
kind: Project
metadata: {name: shop}
spec: {defaultEnvironment: sandbox, environments: {sandbox: {emulator: embedded}}}
"""
MOST_BYTES = 256_000_000


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in ("specs", "data"):
        (tmp_path / name).mkdir()
    (tmp_path / "leanplum-sync.yaml").write_text(PROJECT)
    return tmp_path


def spec(name: str, users: str, attributes: str) -> str:
    return (
        "---\napiVersion: leanplum-sync/v1\nkind: UserAttributes\n"
        f"metadata: {{name: {name}}}\nspec: {{users: {users}, attributes: {attributes}}}\n"
    )


def peak_bytes(project: Path, *, exit_code: int = 0) -> int:
    return cost_of([*Shell(project).command, "validate"], project, exit_code=exit_code).peak_bytes


def test_many_inline_specs_beside_a_large_file_take_no_more_memory(project: Path) -> None:
    """Each pair of them could be in conflict: asking about every pair would take gigabytes."""
    (project / "data" / "all.csv").write_text(
        "id,tier\n" + "".join(f"u{each},gold\n" for each in range(20_000))
    )
    (project / "specs" / "file.yaml").write_text(
        spec("all", "{file: ../data/all.csv, id: id}", "{tier: {column: tier}}")
    )
    (project / "specs" / "inline.yaml").write_text(
        "".join(spec(f"u{each}", f"{{inline: [u{each}]}}", "{tier: gold}") for each in range(500))
    )
    assert peak_bytes(project) < MOST_BYTES


def test_a_conflict_between_any_two_of_many_specs_is_found(project: Path) -> None:
    (project / "specs" / "inline.yaml").write_text(
        "".join(
            spec(
                f"u{each}", f"{{inline: [u{each % 299}]}}", f"{{tier: {'silver' if each == 299 else 'gold'}}}"
            )
            for each in range(300)
        )
    )
    assert peak_bytes(project, exit_code=3) < MOST_BYTES


def test_many_small_files_take_no_more_memory(project: Path) -> None:
    for each in range(200):
        (project / "data" / f"{each}.csv").write_text("id,tier\nann,gold\nben,gold\n")
        (project / "specs" / f"{each}.yaml").write_text(
            spec(f"file-{each}", f"{{file: ../data/{each}.csv, id: id}}", "{tier: {column: tier}}")
        )
    assert peak_bytes(project) < MOST_BYTES


def zstd_bomb(path: Path) -> None:
    """A line of two gigabytes, in some sixty kilobytes."""
    compressor = zstandard.ZstdCompressor(level=19)
    with path.open("wb") as file, compressor.stream_writer(file) as stream:
        stream.write(b"id,tier\n")
        for _ in range(2048):
            stream.write(b"a" * (1 << 20))


def gzip_bomb(path: Path) -> None:
    """Thirty million columns."""
    with gzip.open(path, "wb", 9) as file:
        file.write(b"id,tier" + b",x" * (1 << 24))


def parquet_bomb(path: Path) -> None:
    """A dictionary with one text of a megabyte, for thousands of rows."""
    with duckdb.connect() as connection:
        connection.execute(
            "COPY (SELECT 'u' || i AS id, repeat('x', 1000000) AS tier FROM range(3000) numbers(i))"
            f" TO '{path}' (FORMAT parquet, COMPRESSION zstd)"
        )


def deep_bomb(path: Path) -> None:
    with gzip.open(path, "wb", 9) as file:
        file.write(b'{"id": "ann", "tier": ' + b"[" * (1 << 22) + b"\n")


@pytest.mark.parametrize(
    ("name", "bomb", "message"),
    [
        ("a.csv.zst", zstd_bomb, "the file expands to more than 250 times its size"),
        ("a.csv.gz", gzip_bomb, "the file expands to more than 250 times its size"),
        ("a.ndjson.gz", deep_bomb, "a.ndjson.gz"),
        ("a.parquet", parquet_bomb, "column tier has a text of 1,000,000 bytes"),
    ],
)
def test_a_small_file_that_expands_is_refused_within_bounds(
    name: str, bomb: Callable[[Path], None], message: str, project: Path
) -> None:
    bomb(project / "data" / name)
    (project / "specs" / "file.yaml").write_text(
        spec("all", f"{{file: ../data/{name}, id: id}}", "{tier: {column: tier}}")
    )
    assert peak_bytes(project, exit_code=3) < MOST_BYTES
    assert message in Shell(project).run("validate", code=3).stdout
