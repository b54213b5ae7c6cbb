"""How many to ask, whom, and what their answers say of all: sample size, strata, weights, intervals.

Formulas of Cochran (1977), Sampling Techniques, and Kish (1965), Survey Sampling. Sample sizes are
to the nearest whole number, as in the usual tables; the assumptions that go in are rougher than that.

Words shared by all functions here: `confidence`, of the intervals, and `power`, the chance to find a change
that is there, above 0 and below 1; `design_effect`, by how much the design asks for more answers, above 0;
`correlation`, of two answers, from -1 to 1; `values`, answers in points of their scale, NaN where missing;
`weights`, customers each stands for, alike if not given; `population`, customers there are. ValueError for
values outside these limits, weights that are negative or all 0, and arguments of another length.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.float64]


def _normal(probability: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(probability))


def _two_sided(confidence: float) -> float:
    _within("confidence", confidence, 0, 1)
    return _normal(0.5 + confidence / 2)


def _within(name: str, value: float, low: float, high: float, *, open_ends: bool = True) -> None:
    inside = low < value < high if open_ends else low <= value <= high
    if not inside:
        ends = "between" if open_ends else "from"
        raise ValueError(f"{name} must be {ends} {low:g} and {high:g}, not {value!r}")


def _above(name: str, value: float, low: float) -> None:
    if not (value > low and math.isfinite(value)):
        raise ValueError(f"{name} must be above {low:g}, not {value!r}")


# -- how many ----------------------------------------------------------------------------------------


def sample_size(
    margin: float,
    population: float | None = None,
    *,
    share: float = 0.5,
    confidence: float = 0.95,
    design_effect: float = 1.0,
) -> int:
    """Completed interviews for a share to be known within +- `margin` (0 to 1): n0 = z^2 p (1 - p) / e^2.

    population: customers there are, for the finite population correction n0 / (1 + (n0 - 1) / N).
    share: the expected share; .5 asks for the most. design_effect: see `weighting_effect` and
    `cluster_effect`. Divide by the expected response rate for how many to ask. Source: Cochran 1977, chapter
    4.

    >>> sample_size(0.05), sample_size(0.05, 20_000), sample_size(0.05, 20_000, design_effect=1.5)
    (384, 377, 565)
    """
    _within("margin", margin, 0, 1)
    _within("share", share, 0, 1)
    _above("design_effect", design_effect, 0)
    n = _two_sided(confidence) ** 2 * share * (1 - share) / margin**2
    if population is not None:
        _above("population", population, 0)
        n = n / (1 + (n - 1) / population)
        return min(round(n * design_effect), round(population))
    return round(n * design_effect)


def change_sample_size(
    change: float,
    sd: float,
    correlation: float = 0.0,
    *,
    power: float = 0.8,
    confidence: float = 0.95,
    design_effect: float = 1.0,
) -> int:
    """Answers in each of two waves to detect a change of a mean: 2 (1 - rho) (z_a + z_b)^2 sd^2 / d^2.

    change, sd: in the same unit. correlation: of the two answers of one person when a panel is asked
    again, 0 for two independent samples. power: chance to find a change that is there. ValueError for a
    change of 0.

    >>> change_sample_size(2, sd=21), change_sample_size(2, sd=21, correlation=0.6)
    (1731, 692)
    """
    if change == 0:
        raise ValueError("change must not be 0: no sample finds no change")
    return round((_change_factor(sd, correlation, power, confidence, design_effect) / change) ** 2)


def detectable_change(
    n: float,
    sd: float,
    correlation: float = 0.0,
    *,
    power: float = 0.8,
    confidence: float = 0.95,
    design_effect: float = 1.0,
) -> float:
    """The smallest change of a mean that two waves of `n` answers each detect, in the unit of `sd`.

    The inverse of `change_sample_size`, with its arguments.
    """
    _above("n", n, 0)
    return _change_factor(sd, correlation, power, confidence, design_effect) / math.sqrt(n)


def _change_factor(
    sd: float, correlation: float, power: float, confidence: float, design_effect: float
) -> float:
    _above("sd", sd, 0)
    _above("design_effect", design_effect, 0)
    _within("power", power, 0, 1)
    if not -1 <= correlation < 1:
        raise ValueError(f"correlation must be from -1 to below 1, not {correlation!r}")
    return (_two_sided(confidence) + _normal(power)) * sd * math.sqrt(2 * (1 - correlation) * design_effect)


# -- whom ----------------------------------------------------------------------------------------------


def allocate(
    sizes: Mapping[Any, float] | pd.Series,
    n: int,
    *,
    floor: int = 0,
    sd: Mapping[Any, float] | pd.Series | None = None,
) -> pd.Series:
    """Parts of a sample of `n` over strata, which sum to n: whole numbers by stratum.

    sizes: customers in each stratum. Without `sd` the parts are proportional to them; with `sd`, the
    spread within each stratum, they go as size x spread (Neyman 1934), which gives the most precise
    mean. floor: at least so many in each stratum; no stratum gives more than it has. Raises ValueError
    when that cannot be.

    >>> allocate({"old town": 9_000, "new town": 900, "industrial": 100}, 500, floor=60).to_dict()
    {'old town': 380, 'new town': 60, 'industrial': 60}
    """
    strata = pd.Series(dict(sizes), dtype=float)
    size: Floats = np.asarray(strata, dtype=np.float64)
    if not size.size or not (size > 0).all():
        raise ValueError("sizes must be above 0 in every stratum, and there must be one")
    least = np.minimum(float(floor), size)
    if n < least.sum() or n > size.sum():
        raise ValueError(
            f"a sample of {n} does not fit: the floors take {least.sum():,.0f}, "
            f"the strata have {size.sum():,.0f}"
        )
    wanted = size
    if sd is not None:
        spread: Floats = np.asarray(pd.Series(dict(sd), dtype=float).reindex(strata.index), dtype=np.float64)
        if not (spread >= 0).all() or not spread.sum() > 0:
            raise ValueError(f"sd must give a spread for each stratum: {', '.join(map(str, strata.index))}")
        wanted = size * spread
    part = _within_limits(wanted, least, size, n)
    # What is left after rounding down goes to the largest remainders.
    whole = np.floor(part + 1e-9)
    order = np.argsort(-(part - whole), kind="stable")
    room = order[whole[order] < size[order]]
    whole[room[: round(n - whole.sum())]] += 1
    return pd.Series(whole.astype(int), index=strata.index, name="n")


def _within_limits(wanted: Floats, least: Floats, most: Floats, n: float) -> Floats:
    """Parts of n in proportion to `wanted`, each between its limits: clip(t x wanted) summing to n."""
    low, high = 0.0, float(most.max() / max(wanted[wanted > 0].min(), 1e-300)) + 1.0
    for _ in range(200):
        middle = 0.5 * (low + high)
        if np.clip(middle * wanted, least, most).sum() < n:
            low = middle
        else:
            high = middle
    return np.clip(high * wanted, least, most)


# -- what it costs in precision ------------------------------------------------------------------------


def weighting_effect(weights: Any) -> float:
    """Design effect of unequal weights, n sum w^2 / (sum w)^2 (Kish 1965): 1 when all are equal."""
    w = _weights(weights, None)
    return float(w.size * (w**2).sum() / w.sum() ** 2)


def cluster_effect(size: float, correlation: float) -> float:
    """Design effect of asking `size` people in each cluster, 1 + (m - 1) rho (Kish 1965).

    correlation: intraclass correlation, of two people of one cluster (see `intraclass_correlation`). Raises
    ValueError for a size below 1.
    """
    if size < 1:
        raise ValueError(f"size must be at least 1, not {size!r}")
    _within("correlation", correlation, -1, 1, open_ends=False)
    return 1 + (size - 1) * correlation


def intraclass_correlation(values: Any, clusters: Any) -> float:
    """Correlation of two people of one cluster, at most 1, from a one-way analysis of variance (Fisher 1925).

    clusters: that of each value; they may differ in size. Raises ValueError with fewer than two clusters or
    nobody twice in one.
    """
    table = pd.DataFrame({"x": np.asarray(values, dtype=float), "c": np.asarray(clusters)}).dropna()
    groups = table.groupby("c", observed=True)["x"]
    n, k = len(table), groups.ngroups
    if k < 2 or n <= k:
        raise ValueError("at least two clusters are needed, and one with two people")
    size = groups.size()
    between = float((size * (groups.mean() - table["x"].mean()) ** 2).sum()) / (k - 1)
    within = float(((table["x"] - groups.transform("mean")) ** 2).sum()) / (n - k)
    typical = (n - float((size**2).sum()) / n) / (k - 1)
    total = between + (typical - 1) * within
    return (between - within) / total if total > 0 else 0.0


# -- what the answers say --------------------------------------------------------------------------------


class Estimate(NamedTuple):
    """A mean or share with its interval: value, low, high, standard error, answers (`n`), and how many
    answers of a simple random sample would be as precise (`effective`)."""

    value: float
    low: float
    high: float
    error: float
    n: int
    effective: float


def mean(
    values: Any,
    weights: Any = None,
    *,
    strata: Any = None,
    population: float | None = None,
    confidence: float = 0.95,
) -> Estimate:
    """Mean of the answers with its interval; missing answers are left out.

    weights: customers each answer stands for. strata: the group each was drawn from; the interval then
    counts the spread within groups only. population: customers there are, for the finite population
    correction. The standard error is the linearised one of a weighted mean; the interval uses
    Student's t. It holds for those who answer: who does not answer biases it unseen. Raises ValueError
    with fewer than two answers. Source: Cochran 1977, chapters 5 and 6.

    >>> found = mean([6.0, 8.0, 7.0, 9.0])
    >>> round(found.value, 2), round(found.low, 2), round(found.high, 2)
    (7.5, 5.45, 9.55)
    """
    x = np.asarray(values, dtype=float)
    w = _weights(weights, x.size)
    group = np.zeros(x.size, dtype=int) if strata is None else pd.factorize(np.asarray(strata))[0]
    if group.size != x.size:
        raise ValueError(f"strata has {group.size:,} entries for {x.size:,} values")
    known = ~np.isnan(x) & (w > 0)
    x, w, group = x[known], w[known], group[known]
    if x.size < 2:
        raise ValueError(f"at least two answers are needed, not {x.size}")
    value = float((w * x).sum() / w.sum())
    part = w * (x - value) / w.sum()
    count = np.bincount(group)
    if strata is not None:
        part = part - (np.bincount(group, part) / np.maximum(count, 1))[group]
    # A group with one answer says nothing of its own spread; it counts by its distance from the mean.
    alone = count[group] < 2
    part = np.where(alone, w * (x - value) / w.sum(), part)
    factor = np.where(alone, 1.0, count[group] / np.maximum(count[group] - 1, 1))
    variance = float((factor * part**2).sum())
    if population is not None:
        variance *= max(1 - x.size / population, 0.0)
    error = math.sqrt(variance)
    from scipy.special import stdtrit

    _within("confidence", confidence, 0, 1)
    reach = float(stdtrit(max(x.size - np.count_nonzero(count), 1), 0.5 + confidence / 2)) * error
    spread = float((w * (x - value) ** 2).sum() / w.sum()) * x.size / (x.size - 1)
    effective = spread / variance if variance > 0 else float(x.size)
    return Estimate(value, value - reach, value + reach, error, int(x.size), effective)


def share(
    yes: Any,
    weights: Any = None,
    *,
    strata: Any = None,
    population: float | None = None,
    confidence: float = 0.95,
) -> Estimate:
    """Share of those for whom `yes` is true (missing ones left out), with the interval of Wilson (1927)
    at the effective number of answers. `weights`, `strata`, `population` and errors as for `mean`;
    ValueError, too, for answers other than true and false."""
    x = np.asarray(pd.array(yes, dtype="Float64").to_numpy(dtype=float, na_value=np.nan))
    if not np.isin(x[~np.isnan(x)], (0, 1)).all():
        raise ValueError("yes must be true or false (or missing)")
    found = mean(x, weights, strata=strata, population=population, confidence=confidence)
    p, z = found.value, _two_sided(confidence)
    n = found.effective
    middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    reach = z / (1 + z**2 / n) * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return found._replace(low=middle - reach, high=middle + reach)


def poststratify(groups: Any, population: Mapping[Any, float] | pd.Series, weights: Any = None) -> Floats:
    """Weights that make the groups of a sample as large as they are among all customers.

    groups: group of each respondent. population: customers (or shares) by group. weights: from the
    sampling. The new weights sum to the population's total. It mends what the groups explain of who
    answers, and nothing else. One weight a respondent. Raises ValueError for a group that is on one side
    only.
    """
    group = pd.Series(np.asarray(groups, dtype=object))
    w = pd.Series(_weights(weights, len(group)))
    total = pd.Series(dict(population), dtype=float)
    have = w.groupby(group).sum()
    if strange := [g for g in have.index if g not in total.index]:
        raise ValueError(
            f"the population has no group {strange[0]!r}; it has {', '.join(map(str, total.index))}"
        )
    if empty := [g for g in total.index if total[g] > 0 and not have.get(g, 0) > 0]:
        raise ValueError(f"nobody answered in group {empty[0]!r}; join it to another group")
    return np.asarray(w * group.map(total / have).astype(float), dtype=np.float64)


def _weights(weights: Any, n: int | None) -> Floats:
    if weights is None:
        return np.ones(n or 0)
    w = np.asarray(weights, dtype=float)
    if n is not None and w.shape != (n,):
        raise ValueError(f"weights has {w.size:,} entries for {n:,} values")
    if not w.size or not np.all(w >= 0) or not w.sum() > 0 or not np.isfinite(w.sum()):
        raise ValueError("weights must be 0 or more, finite, and not all 0")
    return w
