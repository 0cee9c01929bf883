"""A forked command (tests/support/forked.py) does what a freshly started one does."""

from __future__ import annotations

import resource
import signal
import subprocess
from pathlib import Path

import pytest
from forked import IS_POSSIBLE, Forked, nursery
from shell import TIMEOUT_SECONDS, Shell

pytestmark = pytest.mark.skipif(
    not IS_POSSIBLE, reason="this system cannot wait for a process that is not a child"
)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--version",),
        ("validate",),
        ("validate", "--verbose", "-o", "json"),
        ("plan", "--no-such-option"),
        ("plan", "-e", "nowhere"),
        ("schema",),
    ],
    ids=" ".join,
)
def test_it_says_the_same_and_ends_the_same(arguments: tuple[str, ...], tmp_path: Path) -> None:
    Shell(tmp_path).run("init", "shop")
    shell = Shell(tmp_path / "shop")
    fresh = subprocess.run(
        [*shell.command, *arguments],
        cwd=shell.folder, env=shell.variables, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    forked = Forked(nursery(), arguments, shell.folder, shell.variables)
    out, err = forked.communicate(timeout=TIMEOUT_SECONDS)
    assert (forked.returncode, out, err) == (fresh.returncode, fresh.stdout, fresh.stderr)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGKILL, -signal.SIGKILL)])
def test_a_signal_reaches_it(number: signal.Signals, code: int, tmp_path: Path) -> None:
    forked = Forked(nursery(), ["emulator", "--port", "0"], tmp_path, Shell(tmp_path).variables)
    assert forked.stdout.readline().startswith("export LEANPLUM_API_URL=")
    assert forked.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        forked.wait(0.01)
    forked.send_signal(number)
    forked.communicate(timeout=TIMEOUT_SECONDS)
    assert forked.returncode == code


def test_it_has_the_limits_of_the_process_that_starts_it(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    try:
        limited = Forked(nursery(), ["init", "shop"], tmp_path, Shell(tmp_path).variables)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    limited.communicate(timeout=TIMEOUT_SECONDS)
    assert limited.returncode == 74
    Shell(tmp_path).run("init", "other")
