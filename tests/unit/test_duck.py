"""Every connection to DuckDB is opened in one place, which lets it load nothing."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

import leanplum_sync
from leanplum_sync.duck import connect


def test_duckdb_is_opened_nowhere_else() -> None:
    package = Path(leanplum_sync.__file__).parent
    found = [path.name for path in package.rglob("*.py") if "duckdb.connect(" in path.read_text()]
    assert found == ["duck.py"]


def test_it_installs_and_loads_no_extension() -> None:
    with connect() as connection, pytest.raises(duckdb.Error):
        connection.execute("SELECT * FROM read_csv('https://127.0.0.1:1/a.csv')")
    with connect() as connection:
        names = "('autoinstall_known_extensions', 'autoload_known_extensions')"
        settings = connection.execute(f"SELECT value FROM duckdb_settings() WHERE name IN {names}").fetchall()
    assert settings == [("false",), ("false",)]
