"""
A Snowflake and a BigQuery for tests: programs that speak their protocols, so that the real drivers are what is tested.

fakesnow is one of the packages for developing. The other needs an older DuckDB than ours, so it gets an environment of its own,
in ``build/crucible``, when it is first needed; that takes a minute.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import venv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import adbc_driver_snowflake.dbapi as snowflake
from ratios import ROOT

PASSWORD: Final = "not-in-any-message"
_CRUCIBLE: Final = "crucible-emulator[server]==0.1.0a2"
_START_SECONDS: Final = 600
_SERVE: Final = """
import socket, sys, uvicorn
{app}
uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[socket.socket(fileno=int(sys.argv[1]))])
"""
# fakesnow sends times that are NULL as the start of 1970. Snowflake's struct is null then.
_FAKESNOW: Final = """
import fakesnow.arrow, pyarrow as pa
from pyarrow import compute
without_nulls = fakesnow.arrow.timestamp_to_sf_struct
def with_nulls(times):
    times = times.combine_chunks() if isinstance(times, pa.ChunkedArray) else times
    found = without_nulls(compute.fill_null(times, pa.scalar(0, times.type)))
    return pa.StructArray.from_arrays(found.flatten(), fields=list(found.type), mask=compute.is_null(times))
fakesnow.arrow.timestamp_to_sf_struct = with_nulls
from fakesnow.server import app
"""
_APPS: Final = {
    "snowflake": _FAKESNOW,
    "bigquery": (
        "from crucible.engine import Engine\nfrom crucible.server.app import create_app\n"
        'app = create_app("bigquery", Engine(None))'
    ),
}


@dataclass(frozen=True, slots=True)
class Warehouse:
    """*url* is what a project file has, *environ* the variables that the driver needs."""

    url: str
    environ: Mapping[str, str]
    process: subprocess.Popen[Any]


@contextmanager
def snowflake_serving() -> Iterator[Warehouse]:
    with _serving("snowflake", Path(sys.executable)) as (port, process):
        # Short timeouts, for tests of a server that is gone.
        url = (
            f"snowflake://reader:{PASSWORD}@127.0.0.1:{port}/SHOP/PUBLIC"
            "?account=test&protocol=http&loginTimeout=5&requestTimeout=5"
        )
        run_in_snowflake(url, "CREATE DATABASE IF NOT EXISTS shop", "CREATE SCHEMA IF NOT EXISTS shop.public")
        yield Warehouse(url, {}, process)


def run_in_snowflake(url: str, *statements: str) -> None:
    with closing(snowflake.connect(url, autocommit=True)) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


@contextmanager
def bigquery_serving() -> Iterator[Warehouse]:
    with _serving("bigquery", _crucible()) as (port, process):
        yield Warehouse(
            "bigquery://shop/public", {"BIGQUERY_EMULATOR_HOST": f"http://127.0.0.1:{port}"}, process
        )


def _crucible() -> Path:
    """Return the Python of the environment that has the BigQuery, after making it."""
    folder = ROOT / "build" / "crucible"
    python, ready = folder / "bin" / "python", folder / "ready"
    if not ready.exists() or ready.read_text() != _CRUCIBLE:
        venv.create(folder, clear=True, with_pip=True)
        command: Sequence[str | Path] = [python, "-m", "pip", "install", "-qq", _CRUCIBLE]
        subprocess.run(command, check=True)
        ready.write_text(_CRUCIBLE)
    return python


@contextmanager
def _serving(name: str, python: Path) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = int(listening.getsockname()[1])
        listening.set_inheritable(True)
        program = _SERVE.format(app=_APPS[name])
        process = subprocess.Popen(
            [python, "-c", program, str(listening.fileno())],
            pass_fds=[listening.fileno()],
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONWARNINGS": "ignore"},
        )
    try:
        _wait_for(port, process)
        yield port, process
    finally:
        process.kill()
        process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    """The port is open from the start, so only an answer tells that the program serves."""
    deadline = time.monotonic() + _START_SECONDS
    while True:
        assert process.poll() is None, "the server ended"
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=_START_SECONDS) as connection:
                connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
                if connection.recv(4):
                    return
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
