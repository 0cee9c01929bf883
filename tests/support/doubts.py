"""
Every doubt about the API, as rows of the emulator's switches: each pair of values of two switches is in one of the rows.

What is right under the defaults alone relies on guesses. What is right under each row relies on none of them, nor on two
together.

``pytest tests/e2e --doubts 7`` runs the scenes under row 7. A scene that is about certain answers declares them, so that no row
changes them: ``@pytest.mark.doubt(integers="kept")``. Without the option, scenes meet the defaults, and the ones marked
``sampled`` a row as well.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

from covering import Row, covering

from leanplum_sync.emulator import Switches, create_app

_VARIABLE: Final = "DOUBTS"  # the switches that the running test meets, as JSON, for the processes it starts
_READ: Final = "DOUBTS_READ"  # the file to which emulators add the names of the switches they read
_AT_START: Final = Path(__file__).with_name("at_start")

# The program refuses to write, or asks first, once a migration has begun: tests/e2e/cli/test_migration.py and test_doubts.py.
_OF_EVERY_SCENE: Final[Row] = {"migrate_state": "NONE"}
WITHOUT_SCENES: Final = (
    "browser/",  # pages that were rendered before
    "cli/test_completion.py",
    "cli/test_fmt.py",
    "cli/test_help.py",
    "cli/test_many_problems.py",
    "test_bounded_input.py",
    "test_docs.py",  # the pages show the defaults
    "test_doubts.py",  # goes through the rows by itself
    "test_forked.py",
    "test_packaging.py",
    "test_warehouse.py",
)
"""Files of ``tests/e2e`` that start no emulator, or choose its switches: nothing in them depends on a row."""


# Switches that take a number or a text: the default, and what differs most while a scene of a dozen users still fits.
_CHOSEN: Final[Mapping[str, Sequence[Any]]] = {
    "oversized_text": ("Request exceeds 50 users or 500 actions.", "Invalid request"),
    "name_limit": (None, 500),
    "export_users_a_day": (40, 1),
    "export_data_a_day": (24, 1),
    "export_reports_a_day": (100, 1),
    "job_seconds": (0.0, 0.05),
    "postback_first_retry_seconds": (3600.0, 0.01),
}


def options() -> dict[str, tuple[Any, ...]]:
    """Return the values of each switch."""
    hints = get_type_hints(Switches)
    return {
        field.name: tuple(_values(field.name, hints[field.name])) for field in dataclasses.fields(Switches)
    }


def _values(name: str, hint: Any) -> Sequence[Any]:
    if name in _CHOSEN:
        return _CHOSEN[name]
    if hint is bool:
        return (True, False)
    if get_origin(hint) is Literal:
        return get_args(hint)
    raise AssertionError(f"no values are chosen for the switch {name}")


@cache
def rows() -> tuple[Row, ...]:
    return tuple(covering(options(), seed=1))


def switches(row: Row, **fixed: Any) -> Switches:
    """Return the switches of a row, but for those that are *fixed*."""
    return Switches(**{**row, **fixed})


def described(row: Row) -> str:
    """Return where a row differs from the defaults."""
    defaults = Switches()
    return ", ".join(f"{name}={value}" for name, value in row.items() if value != getattr(defaults, name))


def of_scene(number: int) -> Row:
    """Return the row *number* as scenes meet it."""
    return {**rows()[number], **_OF_EVERY_SCENE}


def drawn(scene: str) -> int:
    """Return the number of the row for *scene*: any row, but the same one for each run."""
    return random.Random(scene).randrange(len(rows()))


@contextmanager
def met(answers: Row) -> Iterator[None]:
    """Let each emulator that gets no switches have *answers*, in this process and those it starts; else the defaults."""
    before = os.environ.get(_VARIABLE)
    os.environ[_VARIABLE] = json.dumps(answers)
    impose()
    try:
        yield
    finally:
        if before is None:
            del os.environ[_VARIABLE]
        else:
            os.environ[_VARIABLE] = before
        impose()


def current(**otherwise: Any) -> Switches:
    """Return the answers that the running test meets. Without a row: the defaults, but for *otherwise*."""
    return _answering({**otherwise, **_met()})


def impose() -> None:
    """Make the answers that the running test meets those of each emulator of this process that gets no switches."""
    create_app.__kwdefaults__["switches"] = _answering(_met())


def handed_on(environ: Mapping[str, str]) -> dict[str, str]:
    """Return *environ* for a new process, with the answers that the running test meets."""
    if _VARIABLE not in os.environ:
        return dict(environ)
    path = os.pathsep.join(filter(None, (environ.get("PYTHONPATH"), str(_AT_START))))
    return {**environ, **for_fork(), "PYTHONPATH": path}


def for_fork() -> dict[str, str]:
    """Return the variables that hold the answers which the running test meets, for a child that calls ``impose``."""
    return {name: value for name, value in os.environ.items() if name in (_VARIABLE, _READ)}


def _met() -> Row:
    answers: Row = json.loads(os.environ.get(_VARIABLE, "{}"))
    return answers


class _Recording(Switches):
    """Switches that add the name of each one that is read to a file."""

    __slots__ = ()

    def __getattribute__(self, name: str) -> Any:
        path = os.environ.get(_READ)
        if path is not None and name in Switches.__slots__ and (path, name) not in _recorded:
            _recorded.add((path, name))
            with Path(path).open("a") as file:
                file.write(f"{name}\n")
        return super().__getattribute__(name)


_recorded: Final[set[tuple[str, str]]] = set()


def _answering(answers: Row) -> Switches:
    return (Switches if _READ not in os.environ else _Recording)(**answers)


class Runs:
    """
    The scenes that were right, each with the switches that its emulators read, in the folder *path*.

    A scene under two rows that agree about all switches that it reads runs the same way under both.
    """

    def __init__(self, path: Path, number: int) -> None:
        self._path = path
        self._number = number
        self._folder.mkdir(parents=True, exist_ok=True)
        self._elsewhere = self._folder / "elsewhere"  # read by what several scenes share

    @property
    def _folder(self) -> Path:
        return self._path / str(self._number)

    @contextmanager
    def reading(self, scene: str | None) -> Iterator[None]:
        """Note what is read for *scene*, or for what several scenes share."""
        before = os.environ.get(_READ)
        os.environ[_READ] = str(self._elsewhere if scene is None else self._file(scene, "read"))
        impose()
        try:
            yield
        finally:
            if before is None:
                del os.environ[_READ]
            else:
                os.environ[_READ] = before
            impose()

    def was_right(self, scene: str) -> None:
        self._file(scene, "right").touch()

    def stands_for(self, scene: str, declared: Row) -> bool:
        """Return whether *scene* was right under a row that is the same to it as this one."""
        ours = {**of_scene(self._number), **declared}
        for folder in self._path.iterdir():
            run = Runs(self._path, int(folder.name))
            if run._file(scene, "right").exists():
                theirs = {**of_scene(run._number), **declared}
                read = [*_lines(run._elsewhere), *_lines(run._file(scene, "read"))]
                if all(ours[name] == theirs[name] for name in read):
                    return True
        return False

    def _file(self, scene: str, ending: str) -> Path:
        return self._folder / f"{hashlib.sha256(scene.encode()).hexdigest()[:24]}.{ending}"


def runs(folder: Path | None, row: int | None) -> Runs | None:
    """Return the runs in *folder* for the row *row*, None if nothing is recorded."""
    return None if folder is None or row is None else Runs(folder, row)


def _lines(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []
