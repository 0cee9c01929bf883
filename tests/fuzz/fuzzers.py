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
    Specs: 40,
    Project: 15,
    Csv: 15,
    Ndjson: 15,
    Parquet: 15,
    Snapshots: 25,
    Seeds: 20,
    Plans: 40,
    Journals: 30,
    Answers: 15,
}
