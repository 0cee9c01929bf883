"""Every connection to DuckDB is opened in one place, which lets it load nothing."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

import leanplum_sync
from leanplum_sync.duck import connect
from leanplum_sync.errors import StorageError
from leanplum_sync.staging.database import LEAST_MEMORY_MB, Database


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


@pytest.mark.parametrize("query", ["SELECT", "SELECT a FROM b", "SELECT nothing(1)"])
def test_a_wrong_statement_is_not_reported_as_a_full_disk(tmp_path: Path, query: str) -> None:
    database = Database(tmp_path, LEAST_MEMORY_MB, 1)
    for run in (database.run, database.all, lambda query: list(database.stream(query))):
        with pytest.raises(duckdb.ProgrammingError):
            run(query)
    database.close()


def test_a_file_that_is_missing_is_reported_as_storage(tmp_path: Path) -> None:
    database = Database(tmp_path, LEAST_MEMORY_MB, 1)
    with pytest.raises(StorageError, match=r"can't be stored .* No files found"):
        database.all(f"SELECT * FROM read_csv('{tmp_path}/gone.csv')")
    database.close()
