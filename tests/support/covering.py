"""
Covering arrays: few rows in which every pair of values of any two options occurs together.

Most faults need one value or two together to show. All combinations of forty options are beyond counting; all pairs fit
into some twenty rows. The algorithm is the greedy one of Cohen and others (AETG): each row starts with a pair that is still
missing, and every further option takes the value that adds the most missing pairs.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, product
from typing import Any, Final, TypeAlias

Row: TypeAlias = dict[str, Any]
# The index of an option and of one of its values, twice; the lower option first.
_Cell: TypeAlias = tuple[int, int]
_Pair: TypeAlias = tuple[_Cell, _Cell]

_CANDIDATES: Final = 12  # rows tried for each row that is taken


def covering(options: Mapping[str, Sequence[Any]], *, seed: int = 0) -> list[Row]:
    """
    Return rows of *options*, one value for each, so that each pair of values of two options is in one of them.

    The same options and seed give the same rows. An option without values is an error; with a single option, each of its
    values is in a row.
    """
    names, sizes = list(options), [len(values) for values in options.values()]
    if 0 in sizes:
        raise ValueError("an option has no values")
    if len(names) < 2:
        return [{name: value} for name in names for value in options[name]] or [{}]
    chance = random.Random(seed)
    missing = set(_pairs_of(sizes))
    rows: list[Row] = []
    while missing:
        row = max(
            (_candidate(sizes, missing, chance) for _ in range(_CANDIDATES)),
            key=lambda each: _gain(each, missing),
        )
        missing -= set(_pairs_in(row))
        rows.append({name: options[name][value] for name, value in zip(names, row, strict=True)})
    return rows


def missing_pairs(
    options: Mapping[str, Sequence[Any]], rows: Sequence[Row]
) -> list[tuple[tuple[str, Any], tuple[str, Any]]]:
    """Return the pairs of values that no row has; what ``covering`` returns lacks none."""
    return [
        ((one, first), (other, second))
        for one, other in combinations(options, 2)
        for first, second in product(options[one], options[other])
        if not any(row[one] == first and row[other] == second for row in rows)
    ]


def _candidate(sizes: Sequence[int], missing: set[_Pair], chance: random.Random) -> list[int]:
    (one, first), (other, second) = chance.choice(sorted(missing))
    chosen = {one: first, other: second}
    rest = [option for option in range(len(sizes)) if option not in chosen]
    chance.shuffle(rest)
    for option in rest:
        gains = [
            sum(_pair((option, value), cell) in missing for cell in chosen.items())
            for value in range(sizes[option])
        ]
        best = max(gains)
        chosen[option] = chance.choice([value for value, gain in enumerate(gains) if gain == best])
    return [chosen[option] for option in range(len(sizes))]


def _gain(row: Sequence[int], missing: set[_Pair]) -> int:
    return sum(pair in missing for pair in _pairs_in(row))


def _pairs_in(row: Sequence[int]) -> Iterator[_Pair]:
    return combinations(enumerate(row), 2)


def _pairs_of(sizes: Sequence[int]) -> Iterator[_Pair]:
    for one, other in combinations(range(len(sizes)), 2):
        for first, second in product(range(sizes[one]), range(sizes[other])):
            yield (one, first), (other, second)


def _pair(one: _Cell, other: _Cell) -> _Pair:
    return (one, other) if one < other else (other, one)
