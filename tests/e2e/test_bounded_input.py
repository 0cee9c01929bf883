"""Small files can ask for much memory. What they get is bounded."""

from __future__ import annotations

from math import inf
from pathlib import Path

import pytest
from bombs import BOMBS, BOMBS_OF_SEEDS, BOMBS_OF_SNAPSHOTS, MOST_BYTES, Bomb, problems_of, run_bomb, spec
from ratios import cost_of
from shell import Shell

PROJECT = """\
apiVersion: leanplum-sync/v1
kind: Project
metadata: {name: shop}
spec: {defaultEnvironment: sandbox, environments: {sandbox: {emulator: embedded}}}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in ("specs", "data"):
        (tmp_path / name).mkdir()
    (tmp_path / "leanplum-sync.yaml").write_text(PROJECT)
    return tmp_path


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


@pytest.mark.parametrize("suffix", ["csv", "ndjson"])
def test_a_user_with_too_many_rows_is_one_problem(suffix: str, project: Path) -> None:
    """The other users of the file are still checked for duplicates."""
    ids = ["ann"] * 1_001 + ["ben"] * 3
    lines = {
        "csv": ["id,tier", *(f"{each},gold" for each in ids)],
        "ndjson": [f'{{"id":"{each}","tier":"gold"}}' for each in ids],
    }[suffix]
    (project / "data" / f"all.{suffix}").write_text("\n".join(lines) + "\n")
    (project / "specs" / "file.yaml").write_text(spec("all", f"{{file: ../data/all.{suffix}, id: id}}"))
    found = Shell(project).run("validate", code=3).stdout
    line = 3 if suffix == "csv" else 2
    assert (
        f"data/all.{suffix}:{line}: UserAttributes/all: row 2: 1,001 rows have the id ann (see data/all.{suffix}:{line - 1})."
        " Keep one row for each id. There may be at most 1,000 rows, one for each device." in found
    )
    assert found.count("the id ben is listed a second time") == 2
    assert "3 problems in 1 file" in found


@pytest.mark.parametrize(
    "bomb",
    [bomb for bomb in (*BOMBS, *BOMBS_OF_SNAPSHOTS, *BOMBS_OF_SEEDS) if bomb.is_quick],
    ids=lambda bomb: bomb.name,
)
def test_a_file_that_asks_for_much_is_refused_within_bounds(bomb: Bomb, tmp_path: Path) -> None:
    assert problems_of(bomb, run_bomb(bomb, tmp_path / "shop"), seconds=inf) == []
