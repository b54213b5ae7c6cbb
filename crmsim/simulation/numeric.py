"""The functions rules may use, in double precision: what plain Python and a reader see.

The compiled engine puts the single-precision twins of `single.py` in their place.
"""

from __future__ import annotations

import math
from statistics import NormalDist

_NORMAL = NormalDist()


def clip(x: float, low: float, high: float) -> float:
    """x, but not below low nor above high."""
    return min(max(x, low), high)


def exp(x: float) -> float:
    """e to the power x; x is held within -87 and 88, the range of single precision."""
    return math.exp(min(max(x, -87.0), 88.0))


def log(x: float) -> float:
    """Natural logarithm of x > 0."""
    return math.log(max(x, 1e-37))


def logistic(x: float) -> float:
    """1 / (1 + exp(-x)): log odds to probability."""
    return 1.0 / (1.0 + exp(-x))


def normal(u: float) -> float:
    """Standard normal quantile of u in (0, 1)."""
    return _NORMAL.inv_cdf(u)


def exit_time(u: float, hazard: float) -> float:
    """When in the month an event of this hazard (per month) happens: below 1 if it does; exponential
    time, u in (0, 1)."""
    return -log(1.0 - u) / max(hazard, 1e-30)


def poisson(u: float, mean: float) -> float:
    """Poisson quantile of u: the count whose cumulative probability first reaches u."""
    if mean > 60.0:
        return max(0.0, float(math.floor(mean + math.sqrt(mean) * normal(u) + 0.5)))
    count = 0.0
    probability = exp(-mean)
    cumulative = probability
    # The single-precision twin needs the second condition: its sums may never reach a u near 1.
    while u > cumulative and (count < mean or probability > 1e-8):
        count += 1.0
        probability *= mean / count
        cumulative += probability
    return count
