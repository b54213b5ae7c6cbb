"""Control charts (控制图): is the newest wave or month news, or the usual ups and downs?

Every chart gives a frame with a row a point: `value`, `centre`, `lower`, `upper` (control limits), `sigma`
(spread of the point when nothing has changed), `z` (distance from the centre in sigmas), `base` (the limits
come from this point), `signal` and `why` (the rules that fired, by their words in `RULES`, "; " between
them; empty for none). Limits come from a base period, in which nothing special should have happened.

- `individuals`, `moving_range`: single figures, one a month, such as a mean wait
- `means`: waves of a survey, each with its standard error
- `p_chart`, `u_chart`: shares and counts, with a number of cases or an exposure that varies
- `ewma`: a smoothed figure, which sees small lasting changes sooner

Words shared by all charts: `values`, a figure a point, in order of time; `base`, the points the limits come
from, a number of first points or a truth value for each, all if not given; `centre`, the centre if it is
known beforehand; `width`, sigmas from the centre to a limit; `rules`, of `RULES`; `labels`, the index of the
frame, by default that of a Series. All raise ValueError for figures that are missing, arguments of another
length, a base period that is empty or too short, one without any spread, a width not above 0, and an unknown
rule.

A signal says that something changed, not what. Even in peace charts signal: by the limits alone once in 370
points, with the four rules of Western Electric once in 92 (Champ & Woodall 1987).

Sources: Shewhart 1931, Economic Control of Quality of Manufactured Product; Western Electric 1956,
Statistical Quality Control Handbook; Roberts 1959, Control chart tests based on geometric moving averages,
Technometrics 1(3); Champ & Woodall 1987, Exact results for Shewhart control charts with supplementary runs
rules, Technometrics 29(4); Laney 2002, Improved control charts for attributes, Quality Engineering 14(4);
Montgomery 2013, Introduction to Statistical Quality Control, 7th edition, chapters 6, 7 and 9.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["RULES", "ewma", "individuals", "means", "moving_range", "p_chart", "run_rules", "u_chart"]

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

RULES = {
    "limit": ("beyond a control limit", "超出控制限"),
    "two_of_three": ("two of three beyond two sigma on one side", "连续3点中2点在同侧2σ以外"),
    "four_of_five": ("four of five beyond one sigma on one side", "连续5点中4点在同侧1σ以外"),
    "eight": ("eight in a row on one side", "连续8点在中心线同侧"),
    "trend": ("six in a row rising or falling", "连续6点递增或递减"),
}
"""Run rules: key, English, Chinese. The first four are those of Western Electric (1956)."""

WESTERN_ELECTRIC = ("limit", "two_of_three", "four_of_five", "eight")

# Of two normal figures: mean range in sigmas (d2), and upper limit of the range in mean ranges (D4).
D2, D4 = 1.128, 3.267


def run_rules(
    z: Any, rules: str | Iterable[str] = WESTERN_ELECTRIC, *, width: float = 3.0
) -> dict[str, Mask]:
    """Where each rule fires: rule -> truth values of the shape of `z`.

    z: distances from the centre in sigmas, in order of time along the last axis. A rule fires at the point
    that completes its pattern. width: sigmas of the control limits. ValueError for an unknown rule.
    """
    x = np.asarray(z, dtype=np.float64)
    return {name: _fires(name, x, width) for name in _chosen(rules)}


def _chosen(rules: str | Iterable[str]) -> list[str]:
    names = [rules] if isinstance(rules, str) else list(rules)
    if odd := [name for name in names if name not in RULES]:
        raise ValueError(f"unknown rule {odd[0]!r}; there are {', '.join(RULES)}")
    return names


def _fires(name: str, z: Floats, width: float) -> Mask:
    if name == "limit":
        return np.abs(z) > width
    if name == "trend":
        step = np.diff(z, axis=-1, prepend=np.nan)
        return _count(step > 0, 5, 5) | _count(step < 0, 5, 5)
    beyond, wanted, of = {"two_of_three": (2, 2, 3), "four_of_five": (1, 4, 5), "eight": (0, 8, 8)}[name]
    return _count(z > beyond, wanted, of) | _count(z < -beyond, wanted, of)


def _count(yes: Mask, wanted: int, of: int) -> Mask:
    """Whether a point and at least `wanted` - 1 of the `of` - 1 before it are true."""
    total = yes.astype(np.int16)
    for back in range(1, of):
        total[..., back:] += yes[..., : yes.shape[-1] - back] if back < yes.shape[-1] else 0
    return yes & (total >= wanted)


# -- charts ----------------------------------------------------------------------------------------------


def individuals(
    values: Any,
    base: Any = None,
    *,
    centre: float | None = None,
    sigma: float | None = None,
    width: float = 3.0,
    rules: str | Iterable[str] = WESTERN_ELECTRIC,
    labels: Any = None,
) -> pd.DataFrame:
    """Chart of single figures (单值图): sigma is the mean moving range of the base period over 1.128.

    values: one a point, in order of time; a Series brings its index as labels. base: from which points the
    limits come, a number of first points or a truth value for each; all if not given. centre, sigma: known
    beforehand, in place of those of the base period. width: sigmas from the centre to a limit. rules: of
    `RULES`. Columns: see the module. Source: Montgomery 2013, 6.4; the figures should be roughly normal and
    not hang together from one to the next. Raises ValueError for figures that are missing, fewer than two
    points to take limits from, and figures that are all alike.

    >>> individuals([310, 288, 297, 298, 307, 303, 294, 340], base=7)["why"].iloc[-1]
    'beyond a control limit'
    """
    x, index = _series(values, "values", labels)
    chosen = _base(base, x.size)
    if sigma is None:
        sigma = float(_ranges(x, chosen).mean()) / D2
    middle = float(x[chosen].mean()) if centre is None else float(centre)
    return _chart(x, middle, _alike(sigma, x.size), chosen, index, width, rules)


def moving_range(values: Any, base: Any = None, *, labels: Any = None) -> pd.DataFrame:
    """Chart of the moving ranges |x(i) - x(i - 1)| (移动极差图), which shows whether the spread changed.

    Its first row is the second point. Limits are 0 and 3.267 mean ranges of the base period; ranges hang
    together, so only the limits are a rule. Gives the columns of the module, in the unit of the values.
    ValueError, too, for a base period without two points one after the other. Source: Montgomery 2013, 6.4.
    """
    x, index = _series(values, "values", labels)
    chosen = _base(base, x.size)
    middle = float(_ranges(x, chosen).mean())
    spread = _alike((D4 - 1) * middle / 3, x.size - 1)
    return _chart(np.abs(np.diff(x)), middle, spread, chosen[1:], index[1:], 3.0, "limit", lowest=0.0)


def _ranges(x: Floats, chosen: Mask) -> Floats:
    both = chosen[1:] & chosen[:-1]
    if not both.any():
        raise ValueError("the base period needs at least two points one after the other, to see their spread")
    return np.abs(np.diff(x))[both]


def means(
    values: Any,
    errors: Any,
    base: Any = None,
    *,
    centre: float | None = None,
    width: float = 3.0,
    rules: str | Iterable[str] = WESTERN_ELECTRIC,
    labels: Any = None,
) -> pd.DataFrame:
    """Chart of estimates with standard errors of their own (均值图), such as the index of each survey wave.

    errors: standard error of each value, such as `index_error` of `satisfaction.by_wave`. The centre is the
    mean of the base period, weighted by precision; limits are `width` errors of each wave around it. They
    know of the error of sampling only: where even quiet waves differ by more, use `individuals`. The base
    period's own error widens nothing, so take several waves. Arguments, columns and errors else as for
    `individuals`; one point is enough for a base period. ValueError, too, for errors not above 0. Source: the
    chart of means of Montgomery 2013, chapter 6, with the wave's own error for its limits.
    """
    x, index = _series(values, "values", labels)
    spread, _ = _series(errors, "errors", None)
    _same("errors", spread, x)
    chosen = _base(base, x.size)
    _positive("errors", spread)
    weight = spread[chosen] ** -2
    middle = float((weight * x[chosen]).sum() / weight.sum()) if centre is None else float(centre)
    return _chart(x, middle, spread, chosen, index, width, rules)


def p_chart(
    cases: Any,
    n: Any,
    base: Any = None,
    *,
    centre: float | None = None,
    adjust: bool = False,
    width: float = 3.0,
    rules: str | Iterable[str] = WESTERN_ELECTRIC,
    labels: Any = None,
) -> pd.DataFrame:
    """Chart of shares (p图), such as calls abandoned of all calls: limits p +- 3 sqrt(p (1 - p) / n).

    cases: how many of the `n` of each point; n: one number for all or one a point. centre: known share.
    adjust: where days differ by more than chance, as with large n they do, widen the limits by the spread of
    the base period's z, its mean moving range over 1.128 (Laney's p'). Adds the column `n`. Limits are cut
    at 0 and 1. Arguments, columns and errors else as for `individuals`; cases must lie from 0 to n. Source:
    Montgomery 2013, 7.2; Laney 2002.
    """
    x, index = _series(cases, "cases", labels)
    size = _sizes(n, x, "n")
    if ((x < 0) | (x > size)).any():
        k = int(np.flatnonzero((x < 0) | (x > size))[0])
        raise ValueError(f"cases must lie from 0 to n: point {index[k]} has {x[k]:g} of {size[k]:g}")
    chosen = _base(base, x.size)
    middle = float(x[chosen].sum() / size[chosen].sum()) if centre is None else float(centre)
    if not 0 < middle < 1:
        raise ValueError(f"the centre is {middle:g}: with a share of 0 or 1 there are no limits")
    spread = np.sqrt(middle * (1 - middle) / size)
    found = _attributes(x / size, middle, spread, chosen, index, adjust, width, rules, highest=1.0)
    found.insert(1, "n", size)
    return found


def u_chart(
    events: Any,
    exposure: Any,
    base: Any = None,
    *,
    centre: float | None = None,
    adjust: bool = False,
    width: float = 3.0,
    rules: str | Iterable[str] = WESTERN_ELECTRIC,
    labels: Any = None,
) -> pd.DataFrame:
    """Chart of counts per unit (u图), such as complaints per customer: limits u +- 3 sqrt(u / exposure).

    events: how many at each point; exposure: among how many customers, or in how many days, one number for
    all or one a point. adjust: as for `p_chart` (Laney's u'), where events come in clusters. Adds the column
    `exposure`. Limits are cut at 0. Arguments, columns and errors else as for `individuals`; events must be 0
    or more. Source: Montgomery 2013, 7.3; Laney 2002.
    """
    x, index = _series(events, "events", labels)
    size = _sizes(exposure, x, "exposure")
    if (x < 0).any():
        k = int(np.flatnonzero(x < 0)[0])
        raise ValueError(f"events must be 0 or more: point {index[k]} has {x[k]:g}")
    chosen = _base(base, x.size)
    middle = float(x[chosen].sum() / size[chosen].sum()) if centre is None else float(centre)
    if not middle > 0:
        raise ValueError(f"the centre is {middle:g}: without events in the base period there are no limits")
    spread = np.sqrt(middle / size)
    found = _attributes(x / size, middle, spread, chosen, index, adjust, width, rules, highest=math.inf)
    found.insert(1, "exposure", size)
    return found


def ewma(
    values: Any,
    base: Any = None,
    *,
    errors: Any = None,
    weight: float = 0.2,
    centre: float | None = None,
    sigma: float | None = None,
    width: float = 2.86,
    labels: Any = None,
) -> pd.DataFrame:
    """Chart of the exponentially weighted moving average z(i) = w x(i) + (1 - w) z(i - 1) (EWMA图).

    weight: of the newest figure, above 0 to 1; .05 to .25 for small changes. width: sigmas of z from the
    centre to a limit; with 2.86 at a weight of .2 it signals in peace about as rarely as a chart of limits
    alone, once in 370 points. errors: standard error of each value, as for `means`; without it, or sigma,
    the spread is that of `individuals`. The limits begin narrow, as z begins at the centre. `value` is z;
    the column `observed` has the figures. Only the limits are a rule. Arguments and errors else as for
    `individuals`. Source: Roberts 1959; Montgomery 2013, 9.2.
    """
    if not 0 < weight <= 1:
        raise ValueError(f"weight must be above 0 and at most 1, not {weight!r}")
    x, index = _series(values, "values", labels)
    chosen = _base(base, x.size)
    if errors is not None:
        if sigma is not None:
            raise ValueError("give errors or sigma, not both")
        own, _ = _series(errors, "errors", None)
        _same("errors", own, x)
        _positive("errors", own)
        precision = own[chosen] ** -2
        middle = float((precision * x[chosen]).sum() / precision.sum())
    else:
        own = _alike(float(_ranges(x, chosen).mean()) / D2 if sigma is None else sigma, x.size)
        middle = float(x[chosen].mean())
    middle = middle if centre is None else float(centre)
    level, variance = middle, 0.0
    smooth, spread = np.empty(x.size), np.empty(x.size)
    for k in range(x.size):
        level = weight * x[k] + (1 - weight) * level
        variance = (weight * own[k]) ** 2 + (1 - weight) ** 2 * variance
        smooth[k], spread[k] = level, math.sqrt(variance)
    found = _chart(smooth, middle, spread, chosen, index, width, "limit")
    found.insert(1, "observed", x)
    return found


# -- what they share -----------------------------------------------------------------------------------------


def _attributes(
    share: Floats,
    middle: float,
    spread: Floats,
    chosen: Mask,
    index: pd.Index,
    adjust: bool,
    width: float,
    rules: str | Iterable[str],
    highest: float,
) -> pd.DataFrame:
    if adjust:
        spread = spread * (float(_ranges((share - middle) / spread, chosen).mean()) / D2)
    return _chart(share, middle, spread, chosen, index, width, rules, lowest=0.0, highest=highest)


def _chart(
    x: Floats,
    middle: float,
    spread: Floats,
    chosen: Mask,
    index: pd.Index,
    width: float,
    rules: str | Iterable[str],
    lowest: float = -math.inf,
    highest: float = math.inf,
) -> pd.DataFrame:
    if not (width > 0 and math.isfinite(width)):
        raise ValueError(f"width must be a number of sigmas above 0, not {width!r}")
    _positive("the spread in the base period (figures that are all alike give no limits)", spread)
    z = (x - middle) / spread
    fired = run_rules(z, rules, width=width)
    why = ["; ".join(RULES[name][0] for name in fired if fired[name][k]) for k in range(x.size)]
    return pd.DataFrame(
        {
            "value": x,
            "centre": middle,
            "lower": np.maximum(middle - width * spread, lowest),
            "upper": np.minimum(middle + width * spread, highest),
            "sigma": spread,
            "z": z,
            "base": chosen,
            "signal": [bool(text) for text in why],
            "why": why,
        },
        index=index,
    )


def _series(values: Any, name: str, labels: Any) -> tuple[Floats, pd.Index]:
    """Figures and their labels, checked."""
    try:
        x = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be numbers, one a point, in order of time") from None
    if x.ndim != 1 or not x.size:
        raise ValueError(f"{name} must be one row of numbers, not of shape {x.shape}")
    if labels is None:
        index = values.index if isinstance(values, pd.Series) else pd.RangeIndex(x.size, name="point")
    else:
        index = pd.Index(labels)
        if len(index) != x.size:
            raise ValueError(f"labels has {len(index):,} entries for {x.size:,} points")
    if not np.isfinite(x).all():
        k = int(np.flatnonzero(~np.isfinite(x))[0])
        raise ValueError(f"{name} has no number at point {index[k]}; leave the point out of all arguments")
    return x, index


def _sizes(given: Any, x: Floats, name: str) -> Floats:
    size = np.full(x.size, float(given)) if np.ndim(given) == 0 else _series(given, name, None)[0]
    _same(name, size, x)
    _positive(name, size)
    return size


def _same(name: str, given: Floats, x: Floats) -> None:
    if given.size != x.size:
        raise ValueError(f"{name} has {given.size:,} entries for {x.size:,} points")


def _positive(name: str, given: Floats) -> None:
    if not (given > 0).all():
        raise ValueError(f"{name} must be above 0, not {given[~(given > 0)][0]:g}")


def _alike(sigma: float, size: int) -> Floats:
    return np.full(size, float(sigma))


def _base(base: Any, size: int) -> Mask:
    """The points of the base period as truth values."""
    if base is None:
        return np.ones(size, dtype=bool)
    if isinstance(base, int | np.integer) and not isinstance(base, bool):
        if not 1 <= base <= size:
            raise ValueError(f"base must be from 1 to the {size} points there are, not {base}")
        return np.arange(size) < base
    chosen = np.asarray(base)
    if chosen.shape != (size,) or chosen.dtype != bool or not chosen.any():
        raise ValueError(
            f"base must be a number of first points or {size} truth values, at least one of them true"
        )
    return chosen
