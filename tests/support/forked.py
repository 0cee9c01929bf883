"""
Starts the command as a real process, without the half second that Python spends on importing it.

A nursery process imports the package once and forks a child for each command. Each child has its own process id, environment,
folder, streams, limits, signal handlers and exit code, so it can be killed, paused and interrupted like any other. The README's test,
``test_exit_codes.py`` and ``test_process.py`` start the installed command, imports included. Shells of other tests fork it too, see
``quick_command.py``.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import io
import json
import os
import pkgutil
import resource
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import IO, Any, BinaryIO, Final, NoReturn, Self, cast

import brief_waits
import doubts
from pydantic import BaseModel

_MOST_BYTES: Final = 1 << 20
_LIMITS: Final = (resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE)
# What the package imports inside functions, and most commands need. None of them starts a thread.
_IMPORTED_LATER: Final = (
    "duckdb",
    "psycopg",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite",
    "uvicorn.protocols.http.h11_impl",
)
IS_POSSIBLE: Final = hasattr(os, "pidfd_open")


class Forked:
    """One process, with the part of the interface of `subprocess.Popen` that the tests need."""

    def __init__(
        self,
        nursery: Nursery,
        arguments: Sequence[str],
        folder: Path,
        environ: Mapping[str, str],
        script: Path | None = None,
    ) -> None:
        """Run *script*, or the command, with *arguments*."""
        self._nursery, self.args = nursery, arguments
        self.returncode: int | None = None
        (out, out_end), (err, err_end) = os.pipe(), os.pipe()
        self.stdout: IO[str] = os.fdopen(out, encoding="utf-8")
        self.stderr: IO[str] = os.fdopen(err, encoding="utf-8")
        try:
            self.pid = nursery.fork(arguments, folder, environ, [out_end, err_end], script)
        finally:
            os.close(out_end)
            os.close(err_end)
        self._ends = os.pidfd_open(self.pid)

    def poll(self) -> int | None:
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if not select.select([self._ends], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            self.returncode = self._nursery.reap(self.pid)
            os.close(self._ends)
        return self.returncode

    def communicate(self, *, timeout: float | None = None) -> tuple[str, str]:
        ends_at = None if timeout is None else time.monotonic() + timeout
        read: list[str] = ["", ""]

        def drain(number: int, stream: IO[str]) -> None:
            read[number] = stream.read()

        threads = [
            threading.Thread(target=drain, args=each, daemon=True)
            for each in enumerate((self.stdout, self.stderr))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(None if ends_at is None else max(0.0, ends_at - time.monotonic()))
            if thread.is_alive():
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
        self.wait(None if ends_at is None else max(0.0, ends_at - time.monotonic()))
        self._close()
        return read[0], read[1]

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _close(self) -> None:
        self.stdout.close()
        self.stderr.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()
        self.wait()


class Nursery:
    """The process that has imported everything, seen from the tests."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            for end in (self._socket, theirs):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _MOST_BYTES)
            environ = {
                name: value
                for name, value in os.environ.items()
                if not name.startswith(("LEANPLUM", "COVERAGE"))
            }
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env={**environ, "LANG": "C.UTF-8"},
                stdin=subprocess.DEVNULL,
            )
        self._lock = threading.Lock()

    def fork(
        self,
        arguments: Sequence[str],
        folder: Path,
        environ: Mapping[str, str],
        streams: Sequence[int],
        script: Path | None,
        *,
        mask: int | None = None,
    ) -> int:
        """*streams* are stdout and stderr, or stdin as well, in their order. *mask* None is that of this process."""
        limits = {number: resource.getrlimit(number) for number in _LIMITS}
        if mask is None:
            mask = os.umask(0)
            os.umask(mask)
        return self._ask(
            {
                "script": None if script is None else str(script),
                "arguments": arguments,
                "folder": str(folder),
                "environ": environ,
                "limits": list(limits.items()),
                "mask": mask,
            },
            streams,
        )

    def reap(self, pid: int) -> int:
        """Return the exit code of a process that has ended, or the negated number of the signal that ended it."""
        return self._ask({"reap": pid}, [])

    def close(self) -> None:
        self._socket.close()
        self._process.wait()

    def _ask(self, question: Mapping[str, Any], streams: Sequence[int]) -> int:
        with self._lock:
            socket.send_fds(self._socket, [json.dumps(question).encode()], streams)
            return int(self._socket.recv(100))


@cache
def nursery() -> Nursery:
    """Return this process's own nursery."""
    made = Nursery()
    atexit.register(made.close)
    return made


def serve(asked: socket.socket) -> tuple[str | None, list[str]]:
    """Answer requests until the other end closes. In each forked child, return its script, None for the command, and its arguments."""
    while True:
        text, streams, _, _ = socket.recv_fds(asked, _MOST_BYTES, 3)
        if not text:
            os._exit(0)
        match json.loads(text):
            case {"reap": pid}:
                answer = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            case {
                "script": script,
                "arguments": arguments,
                "folder": folder,
                "environ": environ,
                "limits": limits,
                "mask": mask,
            }:
                answer = os.fork()
                if answer == 0:
                    asked.close()
                    os.umask(mask)
                    for number, limit in limits:
                        resource.setrlimit(number, tuple(limit))
                    _begin(folder, environ, streams)
                    return script, list(arguments)
            case other:
                raise AssertionError(other)
        for stream in streams:
            os.close(stream)
        asked.send(str(answer).encode())


def _begin(folder: str, environ: Mapping[str, str], streams: Sequence[int]) -> None:
    """Set up the process as a new one would be."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environ)
    for number, stream in enumerate(streams, start=3 - len(streams)):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdout = _stdout(is_buffered=not environ.get("PYTHONUNBUFFERED"))
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)
    sys.__stdout__, sys.__stderr__ = sys.stdout, sys.stderr
    if brief_waits.VARIABLE in environ:
        brief_waits.install()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    tempfile.tempdir = None
    time.tzset()


def _stdout(*, is_buffered: bool) -> io.TextIOWrapper:
    if is_buffered:
        return os.fdopen(1, "w", encoding="utf-8", closefd=False)
    raw = io.FileIO(1, "w", closefd=False)
    return io.TextIOWrapper(cast("BinaryIO", raw), encoding="utf-8", write_through=True)


def _import_everything() -> None:
    import leanplum_sync  # noqa: PLC0415 - in the nursery alone

    for module in pkgutil.walk_packages(leanplum_sync.__path__, "leanplum_sync."):
        if module.name != "leanplum_sync.__main__":
            importlib.import_module(module.name)
    for name in _IMPORTED_LATER:
        importlib.import_module(name)
    _build_models(BaseModel)
    gc.collect()
    gc.freeze()


def _build_models(base: type[BaseModel]) -> None:
    """Pydantic builds these models when they are first used, which takes each command some 20 ms."""
    for model in base.__subclasses__():
        if model.__module__.startswith("leanplum_sync."):
            model.model_rebuild()
        _build_models(model)


def _run(script: str | None) -> NoReturn:
    """Run *script* or the command, and exit without freeing objects, which would copy most of the nursery's memory."""
    code: Any = 0
    doubts.impose()
    try:
        if script is None:
            runpy.run_module("leanplum_sync", run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(script, run_name="__main__")
    except SystemExit as end:
        code = end.code or 0
    except BaseException:  # noqa: BLE001 - as Python itself does
        traceback.print_exc()
        code = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    os._exit(code)


if __name__ == "__main__":
    _import_everything()
    chosen, given = serve(socket.socket(fileno=int(sys.argv[1])))
    sys.argv = [chosen or "leanplum-sync", *given]
    _run(chosen)
