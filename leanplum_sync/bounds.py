"""
How much is read of each input, and for how long. Anyone who can propose a change can bring any file, and a response can hold anything.

Each bound is far above what real inputs have, and so low that no input takes more than 300 MB of memory. The docs have these as a table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Bound:
    """*what* may have at most *most* of *unit*; *reason* says why that is enough."""

    what: str
    most: int
    unit: str
    reason: str

    def __str__(self) -> str:
        return f"{self.most:,} {self.unit}"


EXPANSION: Final = Bound(
    "Content of a compressed file, if more than 1 MB",
    250,
    "times the compressed size",
    "Ordinary tables compress to a tenth of their size, and repetitive tables to a hundredth.",
)
EXPANDED_FREELY: Final = Bound(
    "Content up to which the compression ratio is not limited",
    1_000_000,
    "bytes",
    "A small file may repeat the same row many times.",
)
ZSTD_WINDOW: Final = Bound(
    "The window of a zstd file",
    64 << 20,
    "bytes",
    "The window is held in memory. Compression levels up to 21 use less; `--long` and level 22 use more.",
)
LINE: Final = Bound(
    "A line of a CSV file, NDJSON file, snapshot, or seed, and a row of a Parquet file",
    2_000_000,
    "characters",
    "A profile takes a few kilobytes.",
)
CELL: Final = Bound(
    "A text value in a row", 250_000, "characters", "A spreadsheet cell can have 32,767 characters."
)
CONTINUED_ROW: Final = Bound(
    "The continuation lines of a CSV row",
    131_072,
    "characters",
    "A quote that is never closed must not swallow the rest of the file.",
)
COLUMNS: Final = Bound(
    "Columns of a data file, and keys in a line of NDJSON",
    10_000,
    "columns",
    "Data warehouses have the same limit, and an app has at most 500 attributes.",
)
ITEMS: Final = Bound("A list in a row", 10_000, "items", "The list becomes a single attribute.")
NESTING: Final = Bound("Nesting of YAML and JSON", 50, "levels", "Specs need only seven levels.")
ROWS_OF_A_SUBJECT: Final = Bound(
    "Rows of one data file about one user or device",
    1_000,
    "rows",
    "A file has one row per user, or one row for each of a user's devices.",
)
EVENTS_OF_A_USER: Final = Bound(
    "Events of one user in a spec",
    10_000,
    "rows",
    "All rows about a user are held in memory together. Split longer histories by time, into specs with a `delivery` each.",
)
SPEC_FILE: Final = Bound(
    "A spec file or project file",
    2_000_000,
    "bytes",
    "Longer lists belong in data files.",
)
SPEC_VALUES: Final = Bound(
    "Values and keys in a spec file",
    300_000,
    "values",
    "10,000 specs have 250,000 values.",
)
REPEATED_VALUES: Final = Bound(
    "Values repeated by aliases in a YAML file",
    20_000,
    "values",
    "Aliases of aliases grow exponentially.",
)
PLAN_CELL: Final = Bound(
    "A cell of a plan file",
    16_000_000,
    "bytes",
    "The largest cell is the list of specs: 10,000 specs take 1 MB.",
)
ANSWER: Final = Bound(
    "An API response", 16_000_000, "bytes", "A response about 50 users takes a few megabytes."
)
ANSWER_PARTS: Final = Bound(
    "Lists and objects in an API response",
    500_000,
    "lists and objects",
    "A response about 50 users, each with 500 attributes, events, and states, has 50,000.",
)
DOWNLOAD: Final = Bound(
    "One attempt to download a file from the API",
    3_600,
    "seconds",
    "Export files take minutes. Up to four attempts are made, and each continues where the last one ended.",
)

ALL: Final = (
    EXPANSION,
    EXPANDED_FREELY,
    ZSTD_WINDOW,
    LINE,
    CELL,
    CONTINUED_ROW,
    COLUMNS,
    ITEMS,
    NESTING,
    ROWS_OF_A_SUBJECT,
    EVENTS_OF_A_USER,
    SPEC_FILE,
    SPEC_VALUES,
    REPEATED_VALUES,
    PLAN_CELL,
    ANSWER,
    ANSWER_PARTS,
    DOWNLOAD,
)
