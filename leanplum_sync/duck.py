"""The one way to open DuckDB: it installs and loads no extensions, and keeps to the limits that it is given."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def failures() -> tuple[type[Exception], ...]:
    """
    Return what a statement raises that fails, or that reads a damaged file.

    DuckDB's message may quote bytes of the file. If these are no UTF-8, making the message fails instead.
    """
    import duckdb  # noqa: PLC0415 - takes longer to import than a small plan takes to make

    return duckdb.Error, UnicodeDecodeError


def mistakes() -> tuple[type[Exception], ...]:
    """Return what a statement raises that is wrong in itself, or that DuckDB can't carry out: a bug, whatever the machine and the data."""
    import duckdb  # noqa: PLC0415 - takes longer to import than a small plan takes to make

    return (
        duckdb.BinderException,
        duckdb.CatalogException,
        duckdb.InternalException,
        duckdb.ParserException,
        duckdb.SyntaxException,
    )


def connect(
    file: Path | None = None,
    *,
    memory_limit_mb: int = 256,
    threads: int = 1,
    spill: Path | None = None,
) -> DuckDBPyConnection:
    """
    Open the database *file*, or one in memory. *spill* is the folder for what doesn't fit in memory.

    Raises:
        duckdb.Error: it can't be opened.
    """
    import duckdb  # noqa: PLC0415 - takes longer to import than a small plan takes to make

    return duckdb.connect(file or ":memory:", config=_config(memory_limit_mb, threads, spill))


def connect_read_only(file: Path, *, memory_limit_mb: int, spill: Path | None = None) -> DuckDBPyConnection:
    """
    Open the database *file* for statements that others wrote: they can't change it, open another file, or change a setting.

    Raises:
        duckdb.Error: it can't be opened.
    """
    import duckdb  # noqa: PLC0415 - as above

    connection = duckdb.connect(file, read_only=True, config=_config(memory_limit_mb, 2, spill))
    # Not in the configuration: with the first, DuckDB refuses the folder to spill to.
    connection.execute("SET enable_external_access = false; SET lock_configuration = true")
    return connection


def _config(
    memory_limit_mb: int, threads: int, spill: Path | None
) -> dict[str, str | bool | int | float | list[str]]:
    return {
        "memory_limit": f"{memory_limit_mb}MB",
        "threads": threads,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        **({"temp_directory": str(spill)} if spill else {}),
    }
