"""
Kills processes that write a baseline, each at another moment. ``python baseline_kills.py FOLDER [MOMENTS]`` prints what was left.

This process starts no thread, so it can fork: each child begins with everything imported.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb  # noqa: F401 - so that no child has to
from baselines import World
from clocks import Clock

OLD, NEW = {"a": "gold", "b": 12}, {"a": "silver", "b": 13}
_EVENTS = ("open", "os.rename", "os.remove", "os.mkdir", "os.link", "os.chmod", "shutil.rmtree")


def world(folder: Path, values: dict[str, Any], at: float) -> World:
    return World(folder, dict(values), clock=Clock(at))


def killing(folder: Path, moment: int) -> Callable[[], int]:
    """
    Kill this process when it touches a file in *folder*, or sends a request, for the time number *moment*.

    Return what counts these times.
    """
    count = 0

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal count
        is_touched = event in _EVENTS and arguments and str(folder) in str(arguments[0])
        if is_touched or event == "http.client.send":
            count += 1
            if count == moment:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    return lambda: count


def in_child(work: Callable[[], int]) -> int:
    """Return the exit code of *work* in a process of its own, negative if a signal ended it."""
    child = os.fork()
    if not child:
        code = 99
        try:
            code = work()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def learn(new: World) -> int:
    new.learn(new.read(["a", "b"]))
    return 0


def learn_new(folder: Path, moment: int) -> int:
    new = world(folder, NEW, 2_000_000.0)
    read = new.read(["a", "b"])
    count = killing(folder / "baseline", moment)
    new.learn(read)
    return min(count(), 98)


def what_is_left(folder: Path) -> int:
    """Return 1 for the old baseline, 2 for the new one, else 0; and write another, which nothing that was left hinders."""
    found = world(folder, NEW, 3_000_000.0)
    known = found.known()
    is_of = [
        known == {user: found.print_of(value) for user, value in values.items()} for values in (OLD, NEW)
    ]
    found.learn(found.read(["a", "b"]))
    if len(list((folder / "baseline").glob("prints-*"))) > 2:
        return 50
    # A folder without its file ``owner`` was just made, and stays: it holds nothing.
    if any(file.name != "new" for file in (folder / "baseline").glob("leanplum-sync-staging-*/*")):
        return 51
    return 1 if is_of[0] else 2 if is_of[1] else 0


def main(folder: Path, most: int) -> None:
    base = folder / "base"
    base.mkdir()
    in_child(lambda: learn(world(base, OLD, 1_000_000.0)))
    shutil.copytree(base, folder / "whole")
    moments = in_child(lambda: learn_new(folder / "whole", -1))
    chosen = range(1, moments + 1, max(1, moments // most))
    left = []
    for moment in chosen:
        copy = folder / str(moment)
        shutil.copytree(base, copy)
        killed = in_child(lambda copy=copy, moment=moment: learn_new(copy, moment))  # type: ignore[misc]  # mypy wants no default here
        left.append([killed, in_child(lambda copy=copy: what_is_left(copy))])  # type: ignore[misc]  # mypy wants no default here
    sys.stdout.write(json.dumps({"moments": moments, "left": left}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
