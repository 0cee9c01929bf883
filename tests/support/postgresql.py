"""A real PostgreSQL for tests: the binaries of pgserver, listening only on a socket file."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import count
from pathlib import Path

import psycopg
from psycopg import sql

PASSWORD = "not-in-any-message"  # of the role "guarded"
_START_SECONDS = 600  # only ends a test that hangs
_POOL_PORT = 6432


@dataclass
class Server:
    """``new_database`` creates an empty database and returns its address."""

    folder: Path
    process: subprocess.Popen[bytes]
    _start: Callable[[], subprocess.Popen[bytes]]
    owner: int | None  # the user it runs as, None for ours
    _numbers: Iterator[int] = field(default_factory=count)

    def restart(self, how: signal.Signals) -> None:
        """Stop it and start it again. SIGINT cuts all connections and shuts down; SIGQUIT crashes it."""
        self.process.send_signal(how)
        self.process.wait(timeout=300)
        self.process = self._start()
        _wait_for(self)

    def cut_connections(self, database: str) -> None:
        with self.connect() as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [database]
            )

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
def serving(connections: int = 60) -> Iterator[Server]:
    """
    Serve while the block runs, at most so many *connections* at once.

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

        def start() -> subprocess.Popen[bytes]:
            # Clients and the server are killed here, never the machine: nothing need reach the disk.
            settings = (
                "-F",
                "-c",
                f"max_connections={connections}",
                "-c",
                "full_page_writes=off",
                "-c",
                "autovacuum=off",
            )
            return _background(
                owner, folder / "log", binaries / "postgres", "-D", data, "-k", folder, "-h", "", *settings
            )

        server = Server(folder, start(), start, owner)
        try:
            _wait_for(server)
            with server.connect() as connection:
                connection.execute(
                    sql.SQL("CREATE ROLE guarded LOGIN PASSWORD {}").format(sql.Literal(PASSWORD))
                )
            yield server
        finally:
            server.process.send_signal(signal.SIGQUIT)  # at once: nothing of it is kept
            server.process.wait(timeout=300)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def pooler() -> Path | None:
    """Return the program pgbouncer, None if it is not installed."""
    found = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    return None if found is None else Path(found)


@contextmanager
def pooling(server: Server) -> Iterator[Callable[[str], str]]:
    """
    Run pgbouncer before *server* and yield a function that gives the address of a database through it.

    Each transaction gets another connection, of few, so nothing that a session keeps can be relied on.
    """
    program = pooler()
    assert program is not None
    folder = Path(tempfile.mkdtemp(prefix="lps-pool-"))
    try:
        if server.owner is not None:
            os.chown(folder, server.owner, -1)
        folder.chmod(0o755)
        config = folder / "pgbouncer.ini"
        config.write_text(
            f"""\
[databases]
* = host={server.folder} user=postgres
[pgbouncer]
listen_port = {_POOL_PORT}
unix_socket_dir = {folder}
auth_type = any
pool_mode = transaction
default_pool_size = 3
max_client_conn = 500
server_login_retry = 0.1
"""
        )
        config.chmod(
            0o644
        )  # pgbouncer runs as another user, and a command that ran in this process has set its mask
        process = _background(server.owner, folder / "log", program, config)
        try:
            address = f"postgresql://postgres@/{{}}?host={folder}&port={_POOL_PORT}".format
            _wait_until(lambda: _answers(address("postgres")), process, folder / "log")
            yield address
        finally:
            process.kill()
            process.wait(timeout=300)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _background(owner: int | None, log: Path, *command: object) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        return subprocess.Popen(
            [str(part) for part in command],
            stdout=output,
            stderr=output,
            user=owner,
            group=None if owner is None else pwd.getpwuid(owner).pw_gid,
            extra_groups=None if owner is None else [],
            process_group=0,
        )


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
    _wait_until(lambda: _answers(server.address()), server.process, server.folder / "log")


def _answers(address: str) -> bool:
    try:
        psycopg.connect(address).close()
    except psycopg.OperationalError:
        return False
    return True


def _wait_until(is_up: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not is_up():
        if process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(log.read_text())
        time.sleep(0.02)
