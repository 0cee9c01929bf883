"""A real PostgreSQL for tests: the binaries of pgserver, listening only on a socket file."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import count
from pathlib import Path

import psycopg
from psycopg import sql

PASSWORD = "not-in-any-message"  # of the role "guarded"
_START_SECONDS = 60


@dataclass
class Server:
    """``new_database`` creates an empty database and returns its address."""

    folder: Path
    process: subprocess.Popen[bytes]
    _numbers: Iterator[int] = field(default_factory=count)

    def new_database(self) -> str:
        name = f"journal_{next(self._numbers)}"
        with self.connect() as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self.address(name)

    def copy_database(self, address: str) -> str:
        """Copy the database at *address*, to which nobody is connected, and return the address of the copy."""
        source, name = psycopg.conninfo.conninfo_to_dict(address)["dbname"], f"journal_{next(self._numbers)}"
        with self.connect() as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                    sql.Identifier(name), sql.Identifier(str(source))
                )
            )
        return self.address(name)

    def address(self, database: str = "postgres", user: str = "postgres") -> str:
        return f"postgresql://{user}@/{database}?host={self.folder}"

    def connect(self, database: str = "postgres") -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(self.address(database), autocommit=True)


@contextmanager
def serving() -> Iterator[Server]:
    """
    Serve while the block runs.

    PostgreSQL refuses to run as root. There it runs as ``nobody``, with a copy of its files that nobody may read:
    whatever lies above the installed ones may be root's alone.
    """
    # Short, for the path of a socket file may not be longer than about a hundred bytes.
    folder = Path(tempfile.mkdtemp(prefix="lps-pg-"))
    try:
        binaries, owner = _binaries(folder)
        data = folder / "data"
        if owner is not None:
            os.chown(folder, owner, -1)
        _run(
            owner, binaries / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"
        )
        hosts = data / "pg_hba.conf"
        hosts.write_text(f"local all guarded scram-sha-256\n{hosts.read_text()}")
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                # Clients are killed here, never the machine: nothing need reach the disk.
                [binaries / "postgres", "-D", data, "-k", folder, "-h", "", "-F", "-c", "max_connections=60"],
                stdout=log,
                stderr=log,
                user=owner,
                group=None if owner is None else pwd.getpwuid(owner).pw_gid,
                extra_groups=None if owner is None else [],
                process_group=0,
            )
        server = Server(folder, process)
        try:
            _wait_for(server)
            with server.connect() as connection:
                connection.execute(
                    sql.SQL("CREATE ROLE guarded LOGIN PASSWORD {}").format(sql.Literal(PASSWORD))
                )
            yield server
        finally:
            process.send_signal(signal.SIGQUIT)  # at once: nothing of it is kept
            process.wait(timeout=300)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _binaries(folder: Path) -> tuple[Path, int | None]:
    found = find_spec("pgserver")
    assert found is not None
    assert found.origin is not None
    package = Path(found.origin).parent
    if os.geteuid() != 0:
        return package / "pginstall" / "bin", None
    copy = folder / "pgserver"
    shutil.copytree(package / "pginstall", copy / "pginstall", ignore=shutil.ignore_patterns("include"))
    # Where the binaries look for their libraries.
    shutil.copytree(package.with_name("pgserver.libs"), folder / "pgserver.libs")
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755)
    return copy / "pginstall" / "bin", pwd.getpwnam("nobody").pw_uid


def _run(owner: int | None, *command: object) -> None:
    subprocess.run(
        [str(part) for part in command], check=True, capture_output=True, user=owner, cwd="/", timeout=300
    )


def _wait_for(server: Server) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            server.connect().close()
        except psycopg.OperationalError:
            if server.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError((server.folder / "log").read_text()) from None
            time.sleep(0.02)
        else:
            return
