"""All fuzzers, and how many of their cases the suite runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from answers import Answers
from data_files import Csv, Ndjson, Parquet
from documents import Project, Specs
from fuzzing import Fuzzer
from kept import Journals, Plans
from recorded import Seeds, Snapshots

FUZZERS: Final[Mapping[type[Fuzzer], int]] = {
    Specs: 20,
    Project: 10,
    Csv: 10,
    Ndjson: 10,
    Parquet: 10,
    Snapshots: 15,
    Seeds: 10,
    Plans: 20,
    Journals: 15,
    Answers: 8,
}
