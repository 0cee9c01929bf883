"""
A ``leanplum-sync`` for the PATH of shells, which forks the command from the nursery (``forked.py``) instead of importing it again.

The program on the PATH hands its streams, arguments, folder and environment to a thread of the test, passes signals on, and ends as
the command does. Where a PYTHONPATH or coverage is asked for, it is the installed command.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import shutil
import signal
import socket
import sys
import tempfile
import threading
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final

from forked import IS_POSSIBLE, nursery

_MOST_BYTES: Final = 1 << 20
# The module socket would take as long to import as all else.
_PROGRAM: Final = """\
#!{python} -IS
import os, sys
if any(name == "PYTHONPATH" or name.startswith("COVERAGE_") for name in os.environ):
    os.execv("{python}", ["{python}", "-m", "leanplum_sync", *sys.argv[1:]])
import _json, _signal, _socket, json
door = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
door.setsockopt(_socket.SOL_SOCKET, _socket.SO_SNDBUF, {most})
door.connect("{door}")
def hand_on(number, frame):
    door.send(str(number).encode())
for number in (_signal.SIGINT, _signal.SIGTERM, _signal.SIGHUP):
    _signal.signal(number, hand_on)
mask = os.umask(0)
os.umask(mask)
question = dict(arguments=sys.argv[1:], folder=os.getcwd(), environ=dict(os.environ), mask=mask)
streams = b"".join(number.to_bytes(4, sys.byteorder) for number in (0, 1, 2))
door.sendmsg([json.dumps(question).encode()], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, streams)])
code = int(door.recv(100))
if code < 0:
    _signal.signal(-code, _signal.SIG_DFL)
    os.kill(os.getpid(), -code)
os._exit(code)
"""


@cache
def quick_path() -> str:
    """Return what to put first on a PATH: the folder of ``leanplum-sync``; without a nursery, that of the installed command."""
    if not IS_POSSIBLE:
        return str(Path(sys.executable).parent)
    folder = Path(tempfile.mkdtemp(prefix="lps-bin-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    door = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    door.bind(str(folder / "door"))
    door.listen(100)
    program = folder / "leanplum-sync"
    program.write_text(
        _PROGRAM.format(python=sys.executable, door=folder / "door", most=_MOST_BYTES), encoding="utf-8"
    )
    program.chmod(0o755)
    threading.Thread(target=_admit, args=(door,), daemon=True).start()
    return str(folder)


def _admit(door: socket.socket) -> None:
    while True:
        visitor, _ = door.accept()
        threading.Thread(target=_serve, args=(visitor,), daemon=True).start()


def _serve(visitor: socket.socket) -> None:
    """Run the command of one visitor, with its signals. If it is killed, so is the command."""
    with visitor:
        text, streams, _, _ = socket.recv_fds(visitor, _MOST_BYTES, 3)
        if not text:
            return
        asked = json.loads(text)
        try:
            pid = nursery().fork(
                asked["arguments"], Path(asked["folder"]), asked["environ"], streams, None, mask=asked["mask"]
            )
        finally:
            for stream in streams:
                os.close(stream)
        _pass_signals(visitor, pid)
        with suppress(OSError):  # it may have been killed
            visitor.send(str(nursery().reap(pid)).encode())


def _pass_signals(visitor: socket.socket, pid: int) -> None:
    """Return when the command has ended."""
    ended = os.pidfd_open(pid)
    watched = [ended, visitor.fileno()]
    while ended not in (ready := select.select(watched, [], [])[0]):
        if ready:
            number = visitor.recv(100)
            os.kill(pid, int(number) if number else signal.SIGKILL)
            watched = watched if number else [ended]
    os.close(ended)
