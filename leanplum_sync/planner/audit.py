"""
How many of the users that a plan did not look at may differ from what it assumes, from a random sample of them.

The sample is drawn without replacement from a finite population, so the number of differing users in it is hypergeometric. The bound
inverts that distribution's exact test: of all numbers of differing users that the sample does not contradict at the given
confidence, it is the largest. It holds for every population, not only for large ones or on average.

Clopper-Pearson would be exact for a sample with replacement. Here it would only be cautious: a sample of nearly
everybody, which proves nearly everything, would still leave a wide bound.

Each bound rests on one sample, read at one time. A sample of an earlier plan can't be added to it. That one bounds how many users differed
then, and somebody may have changed any of them since. It doesn't help to count only users whose entry in the baseline and whose desired
values are still the same: neither changes if somebody else changes the user, and that is what the audit is to find.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

_CERTAIN: Final = 100
_NEGLIGIBLE: Final = 1e-20
_HALF_A_ROUNDING: Final = 1e-9  # 0.1 % of 1,000 is 1, although 0.1 is no binary fraction


@dataclass(frozen=True, slots=True)
class AuditGoal:
    """An audit is to show that at most *share* percent of the users not looked at differ, with *confidence* percent confidence."""

    share: float = 0.1
    confidence: float = 99.0


@dataclass(frozen=True, slots=True)
class AuditBound:
    """
    *differing* of *sample* users differed. With *confidence* percent confidence, at most *most* of the *unseen* users, who were not
    looked at, differ as well.
    """

    unseen: int
    sample: int
    differing: int
    most: int
    confidence: float

    @property
    def share(self) -> float:
        """Return the bound in percent of the users not looked at; 0 if all were looked at."""
        return 100 * self.most / self.unseen if self.unseen else 0.0

    @property
    def percent(self) -> str:
        """Return ``share`` for people, rounded up: what is at most 0.1004 % is not at most 0.1 %."""
        return f"{math.ceil(1000 * self.share - _HALF_A_ROUNDING) / 1000:g}"

    def meets(self, goal: AuditGoal) -> bool:
        """Whether the bound is at or below the share of *goal*, compared in whole users."""
        return self.most <= _allowed(self.unseen, goal.share)


@dataclass(frozen=True, slots=True)
class Audit:
    """What an audit found (*bound*), and what the project asks of it (*goal*)."""

    bound: AuditBound
    goal: AuditGoal

    @property
    def allowed(self) -> int:
        """Return how many of the users not looked at may differ at most."""
        return _allowed(self.bound.unseen, self.goal.share)


def audited(population: int, sample: int, differing: int, goal: AuditGoal) -> Audit:
    """Return the audit of a *sample* of *population* users, of whom *differing* differ. Errors are those of ``bound``."""
    return Audit(bound(population, sample, differing, goal.confidence), goal)


def bound(population: int, sample: int, differing: int, confidence: float) -> AuditBound:
    """
    Return the exact bound for a *sample* of *population* users, drawn without replacement, of whom *differing* differ.

    Raises:
        ValueError: the numbers don't belong to a sample, or the confidence is not between 0 and 100.
    """
    if not 0 <= differing <= sample <= population:
        raise ValueError(f"{differing} of {sample} of {population} is no sample")
    alpha = _alpha(confidence)
    # The chance to find at most that many falls with the number that differ: search for the last one that is not too unlikely.
    low, high = differing, population - sample + differing
    while low < high:
        middle = (low + high + 1) // 2
        if _is_plausible(differing, population, middle, sample, alpha):
            low = middle
        else:
            high = middle - 1
    return AuditBound(population - sample, sample, differing, low - differing, confidence)


def sample_size(population: int, goal: AuditGoal) -> int:
    """
    Return how many users to read, so that *goal* is met if nobody in the sample differs: hardly more than necessary.

    If somebody does, the bound is higher, and a plan may have to be refused although few differ.

    Raises:
        ValueError: the confidence is not between 0 and 100.
    """
    low, high = 0, population
    while low < high:
        middle = (low + high) // 2
        if bound(population, middle, 0, goal.confidence).meets(goal):
            high = middle
        else:
            low = middle + 1
    return low


def _allowed(unseen: int, share: float) -> int:
    """Return the largest number of users that is at most *share* percent of *unseen*."""
    return math.floor(unseen * share / 100 + _HALF_A_ROUNDING)


def _alpha(confidence: float) -> Fraction:
    if not 0 < confidence < _CERTAIN:
        raise ValueError(f"a confidence of {confidence} % can't be had from a sample")
    return (_CERTAIN - Fraction(repr(confidence))) / _CERTAIN  # 99.9 as it is written


def _is_plausible(found: int, population: int, differing: int, sample: int, alpha: Fraction) -> bool:
    """
    Whether *differing* members of *population* leave more than *alpha* for at most *found* of them in a *sample*.

    Only logarithms of factorials are inexact, by some units in their last place. Where that could decide, whole numbers do.
    """
    rounding = 64 * sys.float_info.epsilon * (1 + math.lgamma(population + 1))
    chance = _chance_of_at_most(found, population, differing, sample)
    if abs(chance - float(alpha)) > rounding * float(alpha):
        return chance > alpha
    others = population - differing
    ways = sum(
        math.comb(differing, k) * math.comb(others, sample - k)
        for k in range(max(0, sample - others), found + 1)
    )
    return ways > alpha * math.comb(population, sample)


def _chance_of_at_most(found: int, population: int, differing: int, sample: int) -> float:
    """
    Return the chance that a *sample* holds at most *found* of the *differing* members of *population*.

    The tail that doesn't hold the most likely number is summed, from its largest term on: each term comes from its neighbour by a
    ratio, so nothing overflows, and a term that underflows is one that doesn't matter.
    """
    others = population - differing
    least, most = max(0, sample - others), min(sample, differing)
    if found < least:
        return 0.0
    if found >= most:
        return 1.0
    if found * population < sample * differing:  # below the mean
        terms = _tail(
            _chance(found, population, differing, sample),
            (
                k * (others - sample + k) / ((differing - k + 1) * (sample - k + 1))
                for k in range(found, least, -1)
            ),
        )
        return min(1.0, terms)
    above = _tail(
        _chance(found + 1, population, differing, sample),
        (
            (differing - k) * (sample - k) / ((k + 1) * (others - sample + k + 1))
            for k in range(found + 1, most)
        ),
    )
    return max(0.0, 1.0 - above)


def _tail(first: float, ratios: Iterable[float]) -> float:
    """Return the sum of *first* and the terms that follow from it by *ratios*, as far as they matter."""
    terms, term = [first], first
    for ratio in ratios:
        term *= ratio
        if term < first * _NEGLIGIBLE:
            break
        terms.append(term)
    return math.fsum(terms)


def _chance(found: int, population: int, differing: int, sample: int) -> float:
    """Return the chance of exactly *found*."""
    return math.exp(
        _log_choose(differing, found)
        + _log_choose(population - differing, sample - found)
        - _log_choose(population, sample)
    )


def _log_choose(whole: int, part: int) -> float:
    return math.lgamma(whole + 1) - math.lgamma(part + 1) - math.lgamma(whole - part + 1)
