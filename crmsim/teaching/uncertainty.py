"""Intervals for the numbers of a page."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from scipy import stats


class Interval(NamedTuple):
    """A mean with its 95 % interval. All three are the same where nothing is known of the chance."""

    mean: float
    low: float
    high: float

    @property
    def sure(self) -> int:
        """1 or -1 where the interval lies above or below zero, else 0."""
        return int(self.low > 0) - int(self.high < 0)

    @property
    def arrow(self) -> tuple[str, str]:
        """Arrow and tone of a card: up and good, down and bad, or nothing where it is not sure.

        A single value is sure of nothing.
        """
        if self.low == self.high:
            return "", ""
        return {1: ("▲", "good"), -1: ("▼", "bad"), 0: ("", "")}[self.sure]


def interval(values: Any) -> Interval:
    """Mean over replications, with Student's t."""
    values = np.asarray(values, dtype=float)
    mean = float(np.mean(values))
    if values.size < 2:
        return Interval(mean, mean, mean)
    half = float(stats.t.ppf(0.975, values.size - 1) * np.std(values, ddof=1) / math.sqrt(values.size))
    return Interval(mean, mean - half, mean + half)


def share(count: float, of: float) -> Interval:
    """A share with Wilson's interval (1927); missing of nothing."""
    if of <= 0:
        return Interval(math.nan, math.nan, math.nan)
    z = float(stats.norm.ppf(0.975))
    p, n = count / of, of + z**2
    middle = (count + z**2 / 2) / n
    half = z * math.sqrt(of * p * (1 - p) + z**2 / 4) / n
    return Interval(p, max(0.0, middle - half), min(1.0, middle + half))


def signed(number: float, digits: int = 0) -> str:
    """A difference with its sign, with a true minus."""
    text = f"{number:+,.{digits}f}"
    return text.replace("-", "\N{MINUS SIGN}") if any(c in "123456789" for c in text) else text.lstrip("+-")
