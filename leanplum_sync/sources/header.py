"""What is known of a data file before its first row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from leanplum_sync.problem import Problem


@dataclass(frozen=True, slots=True)
class Header:
    """
    *columns* is None where the format has no header. *types* are the columns' types, where the format has them.

    *problems* are what is wrong with it and doesn't keep anyone from reading on.
    """

    columns: tuple[str, ...] | None
    types: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
