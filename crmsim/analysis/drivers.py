"""What drives satisfaction: derived and stated importance side by side, and weights from experts.

`drivers` sets regression, LMG (Shapley) shares, correlations and what customers say next to each other;
`penalty_reward` looks for drivers that only punish or only delight; `ahp` turns pairwise judgements of
experts into weights; `entropy_weights` is there because it is everywhere, with what it really measures.

Words shared by the functions of answers: `frame`, answers, a row a respondent and a column a question;
`confidence`, of the intervals, above 0 and below 1; `bootstrap`, resamples of the respondents for them, 0 for
none; `seed`, of the resamples; `progress`, a bar over them. Respondents with a missing answer are left out.
ValueError for columns that are missing, hold no numbers or do not vary, and for fewer than five respondents.

Sources: Lindeman, Merenda & Gold 1980, Introduction to Bivariate and Multivariate Analysis (LMG); Grömping
2007, Estimators of relative importance in linear regression, The American Statistician 61(2); Brandt 1987
and Matzler et al. 2004, The asymmetric relationship between attribute-level performance and overall customer
satisfaction, Industrial Marketing Management 33 (penalty and reward); Saaty 1980, The Analytic Hierarchy
Process.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from .pls import _answers, _moments

__all__ = ["AHP", "Drivers", "ahp", "drivers", "entropy_weights", "lmg", "penalty_reward"]

Floats = npt.NDArray[np.float64]

MOST_DRIVERS = 15
"""LMG fits 2 ** drivers regressions; 12 take some hundredths of a second, 15 about a second."""

RANDOM_INDEX = {1: 0.0, 2: 0.0, 3: 0.58, 4: 0.90, 5: 1.12, 6: 1.24, 7: 1.32, 8: 1.41, 9: 1.45, 10: 1.49}
"""Mean consistency index of random judgements by the size of the matrix (Saaty 1980)."""

METHODS = ("lmg", "beta", "coefficient", "correlation", "stated", "entropy")


# -- LMG -----------------------------------------------------------------------------------------------


def _explained(r: Floats, outcome: Floats) -> Floats:
    """R2 of the regressions on every subset of p predictors, by the subset's bits; (2 ** p,).

    r: correlations of the predictors (p, p); outcome: theirs with the outcome (p,).
    """
    p = len(outcome)
    out = np.zeros(2**p)
    for size in range(1, p + 1):
        subsets = np.array(list(combinations(range(p), size)))
        right = outcome[subsets][..., None]
        beta = np.linalg.solve(r[subsets[:, :, None], subsets[:, None, :]], right)
        out[(1 << subsets).sum(axis=1)] = (beta * right).sum(axis=(1, 2))
    return out


def _lmg(r: Floats, outcome: Floats) -> Floats:
    p = len(outcome)
    explained = _explained(r, outcome)
    subsets = np.arange(2**p)
    size = np.array([bin(subset).count("1") for subset in subsets])
    weight = np.array([math.factorial(k) * math.factorial(p - k - 1) for k in range(p)]) / math.factorial(p)
    shares = np.empty(p)
    for j in range(p):
        without = subsets[(subsets >> j) & 1 == 0]
        shares[j] = (weight[size[without]] * (explained[without | 1 << j] - explained[without])).sum()
    return shares


def lmg(frame: pd.DataFrame, outcome: str, drivers: Iterable[str] | None = None) -> pd.Series:
    """Parts of R2 by driver (LMG, the Shapley value of regression): mean increase of R2 over all orders.

    frame: a row a respondent. outcome: column explained. drivers: columns that explain, all others if not
    given; at most 15. The parts sum to the R2 of the regression on all. Respondents with a missing answer
    are left out. Source: Lindeman, Merenda & Gold 1980. Raises ValueError for columns that are missing, do
    not vary, or follow from one another.
    """
    names = _names(frame, outcome, drivers)
    data = _answers(frame, [*names, outcome], None, "drop")
    r = _moments(data.x, data.weights)[2]
    _distinct(r[:-1, :-1], names)
    return pd.Series(_lmg(r[:-1, :-1], r[:-1, -1]), index=pd.Index(names, name="driver"), name="lmg")


def _names(frame: pd.DataFrame, outcome: str, drivers: Iterable[str] | None) -> list[str]:
    if isinstance(drivers, str):
        raise ValueError(f"drivers must be a list of columns, not the word {drivers!r}")
    names = [str(c) for c in frame.columns if c != outcome] if drivers is None else list(drivers)
    if outcome in names:
        raise ValueError(f"{outcome!r} is the outcome and cannot be a driver too")
    if len(set(names)) < len(names):
        raise ValueError("a driver is named twice")
    if not 1 <= len(names) <= MOST_DRIVERS:
        raise ValueError(
            f"{len(names)} drivers: from 1 to {MOST_DRIVERS} can be told apart; join questions on one thing "
            "to a mean first (satisfaction.construct_scores)"
        )
    return names


def _distinct(r: Floats, names: Sequence[str]) -> None:
    for k in range(1, len(names) + 1):
        if np.linalg.eigvalsh(r[:k, :k])[0] < 1e-10:
            raise ValueError(
                f"the column {names[k - 1]!r} follows from those before it ({', '.join(names[: k - 1])}); "
                "leave one of them out"
            )


# -- side by side -----------------------------------------------------------------------------------------


@dataclass(frozen=True, repr=False, eq=False)
class Drivers:
    """What `drivers` found.

    - `table`: a row a driver: `performance` (mean answer), `correlation` with the outcome, `coefficient`
      (least squares, in points of the outcome for one of the driver), `beta` (the same standardised),
      `lmg` (part of R2), `stated` (mean importance customers say; missing if not asked).
    - `shares`: a row a method and driver: `method`, `driver`, `share` (sums to 1 by method; negative
      coefficients count as 0), `lower`, `upper` (bootstrap percentiles).
    - `r2`: of the regression on all drivers. `n`: respondents. `outcome`: the column explained.
    """

    table: pd.DataFrame
    shares: pd.DataFrame
    r2: float
    n: int
    outcome: str

    def errors(self, truth: Mapping[str, float] | pd.Series) -> pd.DataFrame:
        """How far each method is from known weights, such as those of a simulated scenario.

        truth: driver -> weight; made to sum to 1. Columns: `mean_error` (mean absolute difference of the
        shares), `rank_correlation` (Spearman), `top_three` (whether the three weightiest are found).
        ValueError when the truth lacks a driver.
        """
        weights = pd.Series(dict(truth), dtype=float)
        names = list(self.table.index)
        if missing := [name for name in names if name not in weights.index]:
            raise ValueError(f"the truth says nothing of {missing[0]!r}")
        weights = weights[names] / weights[names].sum()
        rows = {}
        for method, part in self.shares.groupby("method", sort=False):
            share = part.set_index("driver")["share"][names]
            rows[method] = {
                "mean_error": float((share - weights).abs().mean()),
                "rank_correlation": float(share.rank().corr(weights.rank())),
                "top_three": set(share.nlargest(3).index) == set(weights.nlargest(3).index),
            }
        out = pd.DataFrame.from_dict(rows, orient="index")
        out.index.name = "method"
        return out

    def __repr__(self) -> str:
        shares = self.shares.pivot(index="driver", columns="method", values="share").loc[self.table.index]
        shares = shares[[m for m in METHODS if m in shares]].round(3)
        head = f"Drivers of {self.outcome}: {self.n:,} respondents, R2 {self.r2:.3f}; shares"
        return f"{head}\n{shares.to_string()}"

    def _repr_html_(self) -> str:
        head = f"<p>Drivers of {self.outcome}: {self.n:,} respondents, R<sup>2</sup> {self.r2:.3f}</p>"
        return head + self.table.to_html(float_format=lambda v: f"{v:.3f}", na_rep="", border=0)


def drivers(
    frame: pd.DataFrame,
    outcome: str,
    drivers: Iterable[str] | None = None,
    *,
    stated: pd.DataFrame | Mapping[str, float] | None = None,
    weights: Any = None,
    bootstrap: int = 200,
    seed: int = 1,
    confidence: float = 0.95,
    progress: bool = True,
) -> Drivers:
    """Importance of drivers by every usual method (满意度驱动因素的重要性), side by side.

    frame: a row a respondent; `outcome`: column of overall satisfaction; `drivers`: columns of the
    performance of each driver, all others if not given (at most 15). stated: stated importance, a frame
    with the same columns as drivers and rows as respondents, or a mean by driver. weights: customers each
    respondent stands for. bootstrap: resamples of the respondents for intervals of the shares, 0 for none.

    Methods: `lmg`, `beta` (standardised regression), `coefficient` (regression in scale points: nearest to
    the weights of an additive satisfaction), `correlation`, `stated`, `entropy` (see `entropy_weights` for
    why it is no importance). Halo makes correlations alike, collinearity makes coefficients unsteady and at
    times negative, and stated importance tells what is talked about. Respondents with a missing answer to
    the outcome or a driver are left out. Raises ValueError as `lmg` does.
    """
    names = _names(frame, outcome, drivers)
    data = _answers(frame, [*names, outcome], weights, "drop")
    said = _stated(stated, names)
    each = None
    if isinstance(stated, pd.DataFrame):
        each = stated[names].reindex(frame.index).to_numpy(dtype=float, na_value=np.nan)[data.rows]
    mean, sd, r = _moments(data.x, data.weights)
    _distinct(r[:-1, :-1], names)
    found = _measures(data.x, mean, sd, r, data.weights)
    shares = {k: _as_shares(v) for k, v in found.items() if k in METHODS}
    if said is not None:
        shares["stated"] = _as_shares(said)

    drawn: dict[str, list[Floats]] = {method: [] for method in shares}
    if bootstrap:
        from tqdm.auto import tqdm

        rng, n = np.random.default_rng(seed), len(data.x)
        for _ in tqdm(range(bootstrap), desc="bootstrap", leave=False, disable=not progress, delay=2):
            counts = np.bincount(rng.integers(0, n, n), minlength=n) * data.weights
            mean_b, sd_b, r_b = _moments(data.x, counts)
            if not (sd_b > 0).all() or np.linalg.eigvalsh(r_b[:-1, :-1])[0] < 1e-10:
                continue
            for method, values in _measures(data.x, mean_b, sd_b, r_b, counts).items():
                if method in drawn:
                    drawn[method].append(_as_shares(values))
            if each is not None:
                drawn["stated"].append(_as_shares(_column_means(each, counts)))
    rows = []
    for method in (m for m in METHODS if m in shares):
        ends = np.full((2, len(names)), np.nan)
        if len(drawn[method]) > 1:
            ends = np.quantile(drawn[method], [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
        rows += [
            {"method": method, "driver": name, "share": share, "lower": lower, "upper": upper}
            for name, share, lower, upper in zip(names, shares[method], *ends, strict=True)
        ]
    table = pd.DataFrame(
        {
            "performance": mean[:-1],
            "correlation": found["correlation"],
            "coefficient": found["coefficient"],
            "beta": found["beta"],
            "lmg": found["lmg"],
            "stated": np.nan if said is None else said,
        },
        index=pd.Index(names, name="driver"),
    )
    return Drivers(table, pd.DataFrame(rows), float(found["lmg"].sum()), len(data.x), outcome)


def _measures(x: Floats, mean: Floats, sd: Floats, r: Floats, weights: Floats) -> dict[str, Floats]:
    inner, outer = r[:-1, :-1], r[:-1, -1]
    beta = np.linalg.solve(inner, outer)
    return {
        "correlation": outer,
        "beta": beta,
        "coefficient": beta * sd[-1] / sd[:-1],
        "lmg": _lmg(inner, outer),
        "entropy": _entropy(x[:, :-1], weights),
    }


def _as_shares(values: Floats) -> Floats:
    positive = np.maximum(values, 0.0)
    total = positive.sum()
    return positive / total if total > 0 else np.full(len(values), np.nan)


def _stated(stated: Any, names: list[str]) -> Floats | None:
    if stated is None:
        return None
    if isinstance(stated, pd.DataFrame):
        if missing := [name for name in names if name not in stated]:
            raise ValueError(f"the stated importance has no column {missing[0]!r}; name it as the driver is")
        return _column_means(stated[names].to_numpy(dtype=float, na_value=np.nan), np.ones(len(stated)))
    said = pd.Series(dict(stated), dtype=float)
    if missing := [name for name in names if name not in said.index]:
        raise ValueError(f"the stated importance says nothing of {missing[0]!r}")
    return np.asarray(said[names], dtype=np.float64)


def _column_means(x: Floats, weights: Floats) -> Floats:
    known = ~np.isnan(x)
    return np.asarray(weights @ np.where(known, x, 0.0) / (weights @ known), dtype=np.float64)


# -- entropy ---------------------------------------------------------------------------------------------


def entropy_weights(frame: pd.DataFrame, items: Iterable[str] | None = None) -> pd.Series:
    """Entropy weights (熵权法), which sum to 1: 1 - e_j over their sum, e_j = -sum p ln p / ln n.

    items: columns weighed, all if not given. A series by item. p: each answer's share of its column. A column
    weighs as its answers differ between respondents relative to their mean, by about half its squared
    coefficient of variation. That is dispersion, not importance: satisfaction does not even enter, badly
    rated questions spread more and come out on top, and whether customers care for them is left to chance (a
    prototype of the water utility had a correlation of -.23 with the true weights, the preset has one of
    about +.7). The method suits choosing among alternatives by indicators (Shannon 1948; Hwang & Yoon 1981),
    not survey answers. Answers must not be negative. Rows with a missing answer are left out. Raises
    ValueError for an unknown column and answers below 0.
    """
    names = list(frame.columns if items is None else items)
    data = _answers(frame, names, None, "drop")
    if (data.x < 0).any():
        raise ValueError(f"the column {names[int((data.x < 0).any(axis=0).argmax())]!r} has negative answers")
    return pd.Series(_as_shares(_entropy(data.x, data.weights)), index=names, name="entropy")


def _entropy(x: Floats, weights: Floats) -> Floats:
    share = x / (weights @ x)
    logs = np.log(np.where(share > 0, share, 1.0))
    return np.asarray(1 + weights @ (share * logs) / math.log(weights.sum()), dtype=np.float64)


# -- penalty and reward ----------------------------------------------------------------------------------


def penalty_reward(
    frame: pd.DataFrame,
    outcome: str,
    drivers: Iterable[str] | None = None,
    *,
    low: float | Mapping[str, float] | None = None,
    high: float | Mapping[str, float] | None = None,
    limit: float = 0.1,
    bootstrap: int = 500,
    seed: int = 1,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Penalty-reward contrast analysis (惩罚-奖励对比分析): do drivers punish when bad, delight when good?

    The outcome is regressed on two dummies for each driver: rated low (at or below `low`, by default its
    20 % quantile) and rated high (at or above `high`, its 80 % quantile). drivers: columns, all others if not
    given. A row a driver: `penalty` and `reward` (points of the outcome), `impact_ratio` (|reward| -
    |penalty|) / (|reward| + |penalty|), with `lower` and `upper` from the bootstrap; `kind` "must_be"
    (必备型) below -limit, "attractive" (魅力型) above it, else "one_dimensional" (期望型); `sure` whether the
    interval says so too; `rated_low` and `rated_high` shares of respondents. With some 700 answers few kinds
    are sure. Source: Brandt 1987; Matzler et al. 2004. Raises ValueError where nobody rates a driver low, or
    nobody high.
    """
    names = _names(frame, outcome, drivers)
    data = _answers(frame, [*names, outcome], None, "drop")
    x, y = data.x[:, :-1], data.x[:, -1]
    bottom = _threshold(low, x, names, 0.2, "low")
    top = _threshold(high, x, names, 0.8, "high")
    bad, good = x <= bottom, x >= top
    for k, name in enumerate(names):
        if bottom[k] >= top[k]:
            raise ValueError(f"{name}: low ({bottom[k]:g}) must be below high ({top[k]:g}); set them")
        if not bad[:, k].any() or not good[:, k].any():
            raise ValueError(
                f"{name}: nobody rates it {'low' if good[:, k].any() else 'high'}; set the limits"
            )
    dummies = np.column_stack([np.ones(len(y)), bad, good]).astype(float)
    p = len(names)

    def contrast(weights: Floats) -> tuple[Floats, Floats, Floats]:
        left = (dummies * weights[:, None]).T
        beta = np.linalg.lstsq(left @ dummies, left @ y, rcond=None)[0]
        penalty, reward = beta[1 : p + 1], beta[p + 1 :]
        size = np.abs(reward) + np.abs(penalty)
        return penalty, reward, (np.abs(reward) - np.abs(penalty)) / np.maximum(size, 1e-300)

    penalty, reward, ratio = contrast(np.ones(len(y)))
    ends = np.full((2, p), np.nan)
    if bootstrap:
        rng = np.random.default_rng(seed)
        n = len(y)
        drawn = [
            contrast(np.bincount(rng.integers(0, n, n), minlength=n).astype(float))[2]
            for _ in range(bootstrap)
        ]
        ends = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
    kind = np.where(ratio < -limit, "must_be", np.where(ratio > limit, "attractive", "one_dimensional"))
    inside = (ends[0] >= -limit) & (ends[1] <= limit)
    sure = np.where(ratio < -limit, ends[1] < -limit, np.where(ratio > limit, ends[0] > limit, inside))
    return pd.DataFrame(
        {
            "penalty": penalty,
            "reward": reward,
            "impact_ratio": ratio,
            "lower": ends[0],
            "upper": ends[1],
            "kind": kind,
            "sure": sure.astype(bool),
            "rated_low": bad.mean(axis=0),
            "rated_high": good.mean(axis=0),
        },
        index=pd.Index(names, name="driver"),
    )


def _threshold(given: Any, x: Floats, names: list[str], quantile: float, word: str) -> Floats:
    if given is None:
        return np.quantile(x, quantile, axis=0)
    if isinstance(given, Mapping):
        if missing := [name for name in names if name not in given]:
            raise ValueError(f"{word} says nothing of {missing[0]!r}")
        return np.array([float(given[name]) for name in names])
    return np.full(len(names), float(given))


# -- judgements of experts -------------------------------------------------------------------------------


@dataclass(frozen=True, repr=False, eq=False)
class AHP:
    """What `ahp` found: `weights` (sum 1), `lambda_max` (largest eigenvalue), `ci` (consistency index),
    `cr` (consistency ratio), `consistent` (cr below .10), `table` (weights as a frame), and `doubtful`: the
    judgement furthest from what the weights say, as (row, column, given, implied)."""

    weights: pd.Series
    lambda_max: float
    ci: float
    cr: float
    doubtful: tuple[Any, Any, float, float]

    @property
    def consistent(self) -> bool:
        """Whether the consistency ratio is below 0.10 (Saaty 1980)."""
        return self.cr < 0.10

    @property
    def table(self) -> pd.DataFrame:
        """The weights, a row each, as shares of 1."""
        return self.weights.to_frame()

    def __repr__(self) -> str:
        said = ", ".join(f"{name} {value:.3f}" for name, value in self.weights.items())
        row, column, given, implied = self.doubtful
        verdict = "consistent" if self.consistent else "NOT consistent, judge again"
        hint = (
            ""
            if self.consistent
            else f"; first {row} against {column}: {given:.3g} given, {implied:.3g} implied"
        )
        return f"AHP({said}; lambda {self.lambda_max:.3f}, CR {self.cr:.4f}: {verdict}{hint})"


def ahp(
    judgements: Any,
    names: Sequence[Any] | None = None,
    *,
    method: Literal["eigenvector", "geometric"] = "eigenvector",
) -> AHP:
    """Weights from pairwise comparisons (层次分析法): the principal eigenvector, with the consistency ratio.

    judgements: a square matrix whose entry [i, j] says how many times as important i is as j, on Saaty's
    scale from 1/9 to 9, with 1 on the diagonal and [j, i] = 1 / [i, j]; or a list of such matrices, one an
    expert, which are joined by their geometric mean (Aczél & Saaty 1983). names: of the rows; taken from a
    DataFrame. method: "geometric" for row geometric means instead, which differ little when consistent.

    CI = (lambda_max - n) / (n - 1), CR = CI / RI with the random index RI of Saaty 1980 (n up to 10); above
    .10 the judgements contradict one another too much. Raises ValueError for a matrix that is not
    reciprocal, naming the entry.

    >>> found = ahp([[1, 3, 4, 2], [1/3, 1, 2, 1/2], [1/4, 1/2, 1, 1/3], [1/2, 2, 3, 1]])
    >>> found.weights.round(3).tolist(), round(found.lambda_max, 3), round(found.cr, 4)
    ([0.467, 0.16, 0.095, 0.277], 4.031, 0.0115)
    """
    if names is None and isinstance(judgements, pd.DataFrame):
        names = list(judgements.index)
    try:
        a = np.asarray(judgements, dtype=float)
    except (TypeError, ValueError):
        raise ValueError(
            "judgements must be a square matrix of numbers, or a list of such matrices"
        ) from None
    experts = a[None] if a.ndim == 2 else a
    if experts.ndim != 3 or experts.shape[1] != experts.shape[2] or not experts.size:
        raise ValueError(f"judgements must be a square matrix, or several; the shape is {a.shape}")
    n = experts.shape[1]
    if n not in RANDOM_INDEX:
        raise ValueError(
            f"{n} rows: no random index beyond {max(RANDOM_INDEX)}; group the criteria in levels"
        )
    labels = list(range(n)) if names is None else list(names)
    if len(labels) != n:
        raise ValueError(f"{len(labels)} names for {n} rows")
    for e, matrix in enumerate(experts):
        who = f"expert {e}: " if len(experts) > 1 else ""
        if not (np.isfinite(matrix) & (matrix > 0)).all():
            raise ValueError(f"{who}judgements must be above 0")
        odd = np.abs(matrix * matrix.T - 1) > 0.02
        if odd.any():
            i, j = (int(k) for k in np.argwhere(odd)[0])
            raise ValueError(
                f"{who}{labels[i]} against {labels[j]} is {matrix[i, j]:.4g}, and the reverse "
                f"{matrix[j, i]:.4g}; one must be 1 over the other"
                + (" (so the diagonal is 1)" if i == j else "")
            )
    joined = np.exp(np.log(experts).mean(axis=0))
    if method == "eigenvector":
        values, vectors = np.linalg.eig(joined)
        first = int(values.real.argmax())
        w = np.abs(vectors[:, first].real)
        w = w / w.sum()
        lam = float(values[first].real)
    elif method == "geometric":
        w = np.exp(np.log(joined).mean(axis=1))
        w = w / w.sum()
        lam = float((joined @ w / w).mean())
    else:
        raise ValueError(f'method must be "eigenvector" or "geometric", not {method!r}')
    ci = max(lam - n, 0.0) / (n - 1) if n > 1 else 0.0
    cr = ci / RANDOM_INDEX[n] if RANDOM_INDEX[n] else 0.0
    implied = w[:, None] / w
    off = np.abs(np.log(joined / implied))
    i, j = (int(k) for k in np.unravel_index(off.argmax(), off.shape))
    doubtful = (labels[i], labels[j], float(joined[i, j]), float(implied[i, j]))
    return AHP(pd.Series(w, index=pd.Index(labels), name="weight"), lam, ci, cr, doubtful)
