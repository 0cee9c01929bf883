"""Durations as people type them."""

from __future__ import annotations

import re
from typing import Any, Final

import click

_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION: Final = re.compile(r"(\d+)([smhd])")


class DurationType(click.ParamType[float]):
    """``90s``, ``30m``, ``2h``, ``1d`` or ``1h30m``, as seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        text = str(value).strip().lower()
        parts = _DURATION.findall(text)
        if not parts or "".join(f"{number}{unit}" for number, unit in parts) != text:
            self.fail(f"{value!r} is not a duration, such as 90s, 30m, 2h or 1d.", param, ctx)
        return float(sum(int(number) * _SECONDS[unit] for number, unit in parts))
