"""Runs the command in this process, and says how it ended: thousands of times faster than in processes of their own."""

from __future__ import annotations

import contextlib
import io
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from leanplum_sync.cli import program
from leanplum_sync.cli.exit_codes import ExitCode
from leanplum_sync.clock import SystemClock

_OURS: Final = ("LEANPLUM_", "COLUMNS", "NO_COLOR", "PYTHONWARNINGS")
_DEBUG: Final = "LEANPLUM_SYNC_DEBUG"


@dataclass(frozen=True, slots=True)
class Ended:
    """*documents* are the files that ``-o FORMAT=FILE`` asked for, by name."""

    arguments: tuple[str, ...]
    code: int
    out: str
    err: str
    documents: Mapping[str, str]

    @property
    def texts(self) -> Iterator[str]:
        yield from (self.out, self.err, *self.documents.values())


def run(
    folder: Path, *arguments: str, environ: Mapping[str, str] | None = None, debug: bool = False
) -> Ended:
    """
    Run the command in *folder*, with *environ* and no other variables of leanplum-sync.

    A name after ``=`` in ``-o FORMAT=NAME`` is a file in *folder*. Raises what the program lets through.
    """
    given = {**(environ or {}), **({_DEBUG: "1"} if debug else {})}
    out, err = _stream("strict"), _stream("backslashreplace")
    with (
        _clocks_that_jump(),
        _variables(given),
        contextlib.chdir(folder),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        code = program.run(arguments)
    documents = {}
    for option, value in pairwise(arguments):
        _, _, name = value.partition("=")
        if option == "-o" and name and (folder / name).exists():
            documents[name] = (folder / name).read_text()
    return Ended(arguments, int(code), _text(out), _text(err), documents)


def breach(ended: Ended, secrets: Sequence[str], *, debug: bool = False) -> str:
    """Return how *ended* breaks the law of every command, or nothing. With *debug*, tracebacks were asked for."""
    if ended.code not in set(ExitCode) - {ExitCode.UNEXPECTED}:
        return f"exit code {ended.code}"
    everything = "\n".join(ended.texts)
    if "Traceback (most recent call last)" in everything and not debug:
        return "a traceback"
    if "bug in leanplum-sync" in everything:
        return "a bug in leanplum-sync"
    if told := [secret for secret in secrets if secret in everything]:
        return f"the secret {told[0]!r} is in the output"
    if not everything.strip() and ended.code not in (ExitCode.OK, ExitCode.CHANGES_PENDING):
        return f"exit code {ended.code} without a word"
    return ""


class _Jumping:
    """The program's clock, which jumps where it would sleep: nobody waits as long as a mutated answer asks for."""

    slept = 0.0

    @classmethod
    def sleep(cls, _clock: SystemClock, seconds: float) -> None:
        cls.slept += seconds
        time.sleep(0)

    @classmethod
    def now(cls, _clock: SystemClock) -> float:
        return time.time() + cls.slept

    @classmethod
    def monotonic(cls, _clock: SystemClock) -> float:
        return time.monotonic() + cls.slept


@contextlib.contextmanager
def _clocks_that_jump() -> Iterator[None]:
    names = ("sleep", "now", "monotonic")
    before = {name: getattr(SystemClock, name) for name in names}
    for name in names:
        jumping = getattr(_Jumping, name)
        setattr(SystemClock, name, lambda clock, *given, jumping=jumping: jumping(clock, *given))
    try:
        yield
    finally:
        for name, function in before.items():
            setattr(SystemClock, name, function)


def _stream(errors: str) -> io.TextIOWrapper:
    """Return a stream that encodes as the real ones do, so that what they can't write fails here too."""
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors=errors, newline="", write_through=True)


def _text(stream: Any) -> str:
    return str(stream.buffer.getvalue().decode("utf-8", "backslashreplace"))


@contextlib.contextmanager
def _variables(given: Mapping[str, str]) -> Iterator[None]:
    before = {name: value for name, value in os.environ.items() if name.startswith(_OURS)}
    for name in before:
        del os.environ[name]
    os.environ.update(given)
    try:
        yield
    finally:
        for name in given:
            os.environ.pop(name, None)
        os.environ.update(before)
