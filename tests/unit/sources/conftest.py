from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from leanplum_sync.kinds.rows.source import Compression, DataFormat, FileSource, NeededColumn
from leanplum_sync.problem import Place, Problem
from leanplum_sync.sources import Header, Row, header, rows

FORMATS = {".csv": DataFormat.CSV, ".ndjson": DataFormat.NDJSON, ".parquet": DataFormat.PARQUET}


@dataclass(frozen=True)
class DataFolder:
    """Data files, and what reading them gives."""

    root: Path

    def source(self, name: str, content: bytes | None = None, *needed: str) -> FileSource:
        if content is not None:
            (self.root / name).write_bytes(content)
        suffix = Path(name).suffix
        compression = {".gz": Compression.GZIP, ".zst": Compression.ZSTD}.get(suffix, Compression.NONE)
        kind = FORMATS[
            Path(name.removesuffix(suffix)).suffix if compression is not Compression.NONE else suffix
        ]
        place = Place("spec.yaml", 1, 1)
        return FileSource(
            name, kind, compression, place, "", tuple(NeededColumn(each, place) for each in needed)
        )

    def read(self, name: str, content: bytes | None = None, *needed: str) -> tuple[list[Row], list[Problem]]:
        problems: list[Problem] = []
        found = list(rows(self.source(name, content, *needed), self.root, problems.append))
        return found, problems

    def header(self, name: str, content: bytes | None = None) -> Header:
        return header(self.source(name, content), self.root)


@pytest.fixture
def data(tmp_path: Path) -> DataFolder:
    return DataFolder(tmp_path)
