"""Types of options: files, durations, and texts that are parsed."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from leanplum_sync.cli.command import Decorated

T = TypeVar("T")

_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION: Final = re.compile(r"(\d+)([smhd])")


class Parsed(click.ParamType[T]):
    """A text that *parse* turns into a value. If it can't, the message of its ValueError says why, without a full stop."""

    def __init__(self, name: str, parse: Callable[[str], T]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> T:
        if not isinstance(value, str):
            return value  # type: ignore[no-any-return]  # a default, which is a value already
        try:
            return self._parse(value)
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)


def _seconds(given: str) -> float:
    text = given.strip().lower()
    parts = _DURATION.findall(text)
    if not parts or "".join(f"{number}{unit}" for number, unit in parts) != text:
        raise ValueError(f"{given!r} is not a duration, such as 90s, 30m, 2h, or 1d")
    return float(sum(int(number) * _SECONDS[unit] for number, unit in parts))


DURATION: Final = Parsed("duration", _seconds)  # 90s, 30m, 2h, 1d or 1h30m, as seconds


def duration_option(name: str, **options: Any) -> Callable[[Decorated], Decorated]:
    return click.option(name, type=DURATION, metavar="TIME", **options)


allow_lookups_option: Final = click.option(
    "--allow-lookups",
    type=click.IntRange(0),
    metavar="N",
    help="Allow up to N billable lookups in this month, for this command only. Default: the project's billableLookupsPerMonth.",
)


def file_option(*names: str, exists: bool = False, **options: Any) -> Callable[[Decorated], Decorated]:
    kind = click.Path(exists=exists, dir_okay=False, path_type=Path)
    return click.option(*names, type=kind, metavar="FILE", **options)
