"""Options that name a file to write. A file that something else wrote is never replaced: it could be data, or a spec."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

from leanplum_sync.cli.command import Decorated
from leanplum_sync.cli.options.basic import file_option

_START_BYTES: Final = 72
_END_BYTES: Final = 8192
_SQLITE_APPLICATION_ID: Final = slice(68, 72)
_PLAN: Final = b"lppl"
_OTHER_FORMATS: Final = frozenset(
    (
        ".yaml",
        ".yml",
        ".csv",
        ".tsv",
        ".json",
        ".ndjson",
        ".jsonl",
        ".parquet",
        ".gz",
        ".zst",
        ".db",
        ".md",
        ".html",
    )
)


@dataclass(frozen=True, slots=True)
class Written:
    """
    What a command writes.

    *is_earlier* gets the start and the end of an existing file, and says whether the command wrote it. *misnames* says
    whether a name promises another format.
    """

    words: str
    is_earlier: Callable[[bytes, bytes], bool]
    misnames: Callable[[str], bool] = lambda _: False
    advice: str = "Choose another file."


PLAN: Final = Written(
    "plan",
    lambda start, _: start[_SQLITE_APPLICATION_ID] == _PLAN,
    lambda suffix: suffix in _OTHER_FORMATS,
    "Choose a file name that ends with .lpplan.",
)
PROBLEMS: Final = Written(
    "list of problems",
    lambda start, _: start.startswith(b'{"place":'),
    lambda suffix: suffix in _OTHER_FORMATS - {".ndjson", ".jsonl"},
    "Choose a file name that ends with .ndjson.",
)
EXPORT: Final = Written(
    "journal export",
    lambda start, end: start.startswith(b'{"record":') or (start.startswith(b"PAR1") and b"attempts" in end),
)


def written_option(*names: str, written: Written, **options: Any) -> Callable[[Decorated], Decorated]:
    def check(_: click.Context, __: click.Parameter, path: Path | None) -> Path | None:
        if path is not None:
            _refuse_others(path, written)
        return path

    return file_option(*names, callback=check, **options)


def _refuse_others(path: Path, written: Written) -> None:
    """
    Raises:
        UsageError: the file exists and something else wrote it, or its name promises another format.
    """
    if written.misnames(path.suffix.lower()):
        raise click.UsageError(f"{path} is not a name for a {written.words}. {written.advice}")
    # A damaged plan may be replaced, since only plans have this name. /dev/stdout is no file.
    if (written is PLAN and path.suffix.lower() == ".lpplan") or not path.is_file():
        return
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(_START_BYTES)
        file.seek(max(0, size - _END_BYTES))
        end = file.read()
    if size and not written.is_earlier(start, end):
        raise click.UsageError(
            f"{path} exists and is not a {written.words}, so it is not overwritten. {written.advice}"
        )
