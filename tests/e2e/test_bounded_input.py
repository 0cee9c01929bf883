"""Small files can ask for much memory. What they get is bounded."""

from __future__ import annotations

from pathlib import Path

import pytest
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
