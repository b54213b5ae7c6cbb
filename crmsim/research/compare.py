"""What a policy changes: paired differences with intervals, from an experiment's table.

The policies of a replication share its luck, so they are compared replication by replication: the
effect is the mean of the differences, and its interval follows from their spread (Student's t).
Return and cost per customer saved are ratios of two such means; theirs are Fieller's intervals.
"""

from __future__ import annotations

import difflib
import html
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from ..vocabulary import ChurnCause
from .experiment import OUTCOMES, PAIRED, SERVICE_OUTCOMES

# Measures of a comparison: differences of outcomes, and ratios of two of them.
DIFFERENCES: dict[str, str] = {
    "kept": "kept",
    "customers_at_end": "customers_at_end",
    "equity": "equity",
    "gross_equity": "gross_equity",
    "cost": "policy_cost_discounted",
    "acquisition": "acquisition_cost_discounted",
    "left": "left",
    **{f"left_{c.key}": f"left_{c.key}" for c in ChurnCause},
    "attributed_fault": "attributed_fault",
    "joined": "joined",
    "satisfaction": "satisfaction",
    "complaints": "complaints",
    "revenue": "revenue",
    "margin": "margin",
    **{name: name for name in PAIRED},
    **{name: name for name in SERVICE_OUTCOMES},
}
RATIOS: dict[str, tuple[str, str]] = {
    "return": ("gross_equity", "policy_cost_discounted"),
    "cost_per_saved": ("policy_cost_discounted", "kept"),
}
_KEYS = ["seed", "replication"]
_UNITS = {name: unit for name, (unit, _) in (OUTCOMES | SERVICE_OUTCOMES).items()}
_Writer = Callable[[float, str], str]


# Below this a ratio of variances is noise.
FEWEST_FOR_LUCK = 5


class Comparison:
    """Policies against a baseline.

    `table` is tidy, a row a scenario, policy and measure, with the columns

    - scenario, policy, baseline, measure, unit, replications, customers (initial ones)
    - baseline_mean, policy_mean: means over the replications (missing for ratios)
    - effect: mean paired difference, or the ratio; low, high: its interval; standard_error
    - variance_ratio: variance of the difference if the two had had independent luck, over that of
      the paired difference. Independent luck would need so many times as many replications.

    Measures: the outcomes of an experiment (`kept`, `equity`, `left_fault`, `satisfaction` ...) and
    `cost` and `acquisition`, what the policies and winning customers cost, discounted; `return`, what
    gross equity gains for each unit of that policy cost, less one; `cost_per_saved`, that cost for each
    initial customer more that is kept. `expected_saves` counts the expected departures avoided, `saved`
    and `harmed` the customers there at the end under one of the policies only. With a service desk also
    `contacts`, `wait`, `abandoned_share`, `service_level`, `utilisation`, `solved_share`,
    `repairs_late_share` and `formal_complaints`. A ratio is missing where
    the policy costs nothing, or saves nobody. Its interval has no bounds where the divisor cannot be
    told from zero.

    Prints as text; `to_csv(path)` writes `table`.
    """

    def __init__(self, table: pd.DataFrame, level: float, currency: str, months: dict[str, int]) -> None:
        self.table, self.level, self.currency, self.months = table, level, currency, months

    def effect(self, measure: str, policy: str | None = None, scenario: str | None = None) -> pd.Series:
        """One row of the table. Raises ValueError when it is not there, or there are several."""
        _known(measure, list(dict.fromkeys(self.table["measure"])), "measure")
        rows = self.table[self.table["measure"] == measure]
        for column, wanted in (("policy", policy), ("scenario", scenario)):
            names = list(dict.fromkeys(rows[column]))
            if wanted is None and len(names) > 1:
                raise ValueError(f"several are compared, name a {column}: {', '.join(names)}")
            if wanted is not None:
                _known(wanted, names, column)
                rows = rows[rows[column] == wanted]
        return rows.iloc[0]

    @property
    def note(self) -> str:
        """What limits the comparison, in a sentence; empty if nothing does."""
        if (self.table["replications"] == 1).any():
            return "One replication shows no spread: there are no intervals. Run at least two."
        return ""

    def to_csv(self, path: str | Path) -> Path:
        """Write the table, whole or not at all."""
        path = Path(path)
        part = path.with_name(path.name + ".part")
        self.table.to_csv(part, index=False)
        part.replace(path)
        return path

    def print(self) -> None:
        """Print the comparison as text."""
        print(self)

    def blocks(self) -> dict[str, dict[str, pd.DataFrame]]:
        """The printed tables, as words: for each scenario, by title, a frame with a row a policy."""
        found = {}
        for scenario, rows in self.table.groupby("scenario", sort=False):
            found[str(scenario)] = {
                title: _words(rows, columns) for title, columns in _BLOCKS.items() if _has(rows, columns)
            }
        return found

    def heading(self, scenario: str) -> list[str]:
        """Two lines above the tables of a scenario."""
        row = self.table[self.table["scenario"] == scenario].iloc[0]
        runs = f"{row.replications} replication" + ("s" if row.replications > 1 else "")
        return [
            f"{scenario}: {row.customers:,.0f} customers, {self.months[scenario]} months, {runs}, "
            f"money in {self.currency}, discounted",
            f"Differences from {row.baseline!r} with the same luck"
            + (f", {100 * self.level:g} % intervals in brackets" if row.replications > 1 else ""),
        ]

    def luck(self, scenario: str) -> str:
        """A sentence on what the common luck saves; empty where too few replications tell."""
        parts = []
        if self.table["replications"].min() < FEWEST_FOR_LUCK:
            return ""
        for measure, word in (("kept", "customers kept"), ("equity", "equity")):
            rows = self.table[(self.table["scenario"] == scenario) & (self.table["measure"] == measure)]
            ratio = rows["variance_ratio"][np.isfinite(rows["variance_ratio"])]
            if len(ratio):
                least = ratio.min()  # of the policies
                parts.append(f"{least:,.{0 if least >= 10 else 1}f} times the replications ({word})")
        if not parts:
            return ""
        return f"For intervals as narrow, independent luck would need at least {' and '.join(parts)}."

    def __repr__(self) -> str:
        lines: list[str] = []
        for scenario, blocks in self.blocks().items():
            lines += [*self.heading(scenario), ""]
            for title, frame in blocks.items():
                lines += [*_aligned(title, frame), ""]
            lines += [self.luck(scenario), ""] if self.luck(scenario) else []
        return "\n".join([*lines, self.note]).strip()

    def _repr_html_(self) -> str:
        parts = []
        for scenario, blocks in self.blocks().items():
            parts.append("<p>" + "<br>".join(map(html.escape, self.heading(scenario))) + "</p>")
            for title, frame in blocks.items():
                frame = frame.rename_axis(columns=title)
                parts.append(frame.to_html(border=0))
            parts.append(f"<p>{html.escape(self.luck(scenario))}</p>")
        return "".join(parts) + (f"<p>{self.note}</p>" if self.note else "")


def compare(table: pd.DataFrame, baseline: str | None = None, level: float = 0.95) -> Comparison:
    """Compare policies with a baseline, in the table of `Experiment.run`.

    baseline: a policy's name; that of the experiment when not given. Against another one, what is
    known customer by customer (`saved`, `harmed`, `value_gained` ...) is left out. Replications that
    lack one of the two policies are left out.

    With the differences d_r of n replications the effect is their mean and its interval is
    mean +- t(n-1) s / sqrt(n). For a ratio of the means of a and b it is the set of all q for which
    the mean of a_r - q b_r cannot be told from zero (Fieller 1954). Every interval holds for itself; where
    several are read together, `adjusted` allows for their number. Raises ValueError.
    """
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, not {level!r}")
    rows = []
    pairs = _pairs(table, baseline)
    for pair in pairs:
        head = {
            "scenario": pair.scenario,
            "policy": pair.policy,
            "baseline": pair.baseline,
            "replications": len(pair.without),
            "customers": pair.without["customers_at_start"].mean(),
        }
        for measure, column in DIFFERENCES.items():
            if measure in PAIRED and not pair.paired:
                continue
            if column in SERVICE_OUTCOMES and not pair.has_desk:
                continue
            a, b = pair.of(column)
            found = _difference(a, b, level) if a.size else {}
            if measure in PAIRED:  # itself a comparison with the baseline
                found.pop("variance_ratio", None)
            rows.append({**head, "measure": measure, "unit": _UNITS[column], **found})
        for measure in RATIOS:
            unit = "share" if measure == "return" else "money per customer"
            top, bottom = _ratio_parts(pair, measure)
            effect, low, high, error = ratio_interval(top, bottom, level)
            shift = 1.0 if measure == "return" else 0.0
            rows.append(
                {
                    **head,
                    "measure": measure,
                    "unit": unit,
                    "effect": effect - shift,
                    "low": low - shift,
                    "high": high - shift,
                    "standard_error": error,
                }
            )
    order = [
        "scenario", "policy", "baseline", "measure", "unit", "replications", "customers", "baseline_mean",
        "policy_mean", "effect", "low", "high", "standard_error", "variance_ratio",
    ]  # fmt: skip
    months = {str(name): int(cells["months"].iloc[0]) for name, cells in table.groupby("scenario")}
    currency = " / ".join(dict.fromkeys(table["currency"]))
    return Comparison(pd.DataFrame(rows).reindex(columns=order), level, currency, months)


def replications_needed(
    table: pd.DataFrame,
    measure: str,
    half_width: float,
    baseline: str | None = None,
    level: float = 0.95,
    *,
    policy: str | None = None,
    scenario: str | None = None,
) -> int:
    """How many replications give an interval of +- half_width for a measure of `compare`.

    The smallest n for which t(n-1) s / sqrt(n) <= half_width, where s is the standard deviation of
    the paired differences in `table`, a pilot experiment, and t(n-1) the quantile of Student's t. For
    a ratio of mean a to mean b it is that of (a_r - ratio b_r) / mean b. Where several policies or
    scenarios are compared and none is named, enough for all of them. half_width is in the measure's
    unit: customers, money, points, or a share for the return.

    Raises ValueError, among others for a table of one replication or a ratio that is missing.
    """
    if not (isinstance(half_width, int | float) and math.isfinite(half_width) and half_width > 0):
        raise ValueError(f"half_width must be a number above 0, not {half_width!r}")
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, not {level!r}")
    _known(measure, [*DIFFERENCES, *RATIOS], "measure")
    pairs = _pairs(table, baseline)
    if policy is not None:
        _known(policy, [p.policy for p in pairs], "policy")
    if scenario is not None:
        _known(scenario, [p.scenario for p in pairs], "scenario")
    needed = 2
    for pair in pairs:
        if (policy is not None and pair.policy != policy) or (
            scenario is not None and pair.scenario != scenario
        ):
            continue
        what = f"{measure} of {pair.policy!r} in {pair.scenario!r}"
        if len(pair.without) < 2:
            raise ValueError("one replication shows no spread; a pilot needs at least two, better ten")
        if measure in PAIRED and not pair.paired:
            raise ValueError(f"{what} is known only against the experiment's own baseline")
        if measure in RATIOS:
            top, bottom = _ratio_parts(pair, measure)
            if not bottom.mean() > 0:
                raise ValueError(f"{what} is missing: the policy costs nothing or saves nobody")
            spread = (top - top.mean() / bottom.mean() * bottom) / bottom.mean()
        else:
            column = DIFFERENCES[measure]
            if column in SERVICE_OUTCOMES and not pair.has_desk:
                raise ValueError(f"{what} is missing: the scenario has no service desk")
            a, b = pair.of(column)
            if a.size < 2:
                raise ValueError(f"{what} is missing in all replications but {a.size}")
            spread = a - b
        if not np.all(np.isfinite(spread)):
            raise ValueError(f"{what} is missing in some replication")
        needed = max(needed, _smallest(float(spread.std(ddof=1)), half_width, level))
    return needed


def ratio_interval(
    top: np.ndarray, bottom: np.ndarray, level: float = 0.95
) -> tuple[float, float, float, float]:
    """Ratio of the means of two paired samples, Fieller's interval and the standard error.

    All are NaN when the mean of `bottom` is not above zero, the last three for a single pair. The
    interval is (-inf, inf) when `bottom` cannot be told from zero.
    """
    from scipy.special import stdtrit

    nothing = math.nan
    if not bottom.mean() > 0:
        return nothing, nothing, nothing, nothing
    n, a, b = top.size, float(top.mean()), float(bottom.mean())
    ratio = a / b
    if n < 2:
        return ratio, nothing, nothing, nothing
    (vaa, vab), (_, vbb) = np.cov(top, bottom) / n
    error = math.sqrt(max(vaa - 2 * ratio * vab + ratio**2 * vbb, 0.0)) / b
    t2 = float(stdtrit(n - 1, (1 + level) / 2)) ** 2
    # All q with (a - q b)^2 <= t^2 (vaa - 2 q vab + q^2 vbb): between the roots of a quadratic.
    square, cross, rest = b**2 - t2 * vbb, a * b - t2 * vab, a**2 - t2 * vaa
    if square <= 0:
        return ratio, -math.inf, math.inf, error
    root = math.sqrt(max(cross**2 - square * rest, 0.0))
    return ratio, (cross - root) / square, (cross + root) / square, error


# -- parts -------------------------------------------------------------------------------------------


class _Pair(NamedTuple):
    scenario: str
    policy: str
    baseline: str
    with_policy: pd.DataFrame
    without: pd.DataFrame  # the same replications in the same order
    paired: bool  # whether the table compares customers with this baseline

    @property
    def has_desk(self) -> bool:
        """Whether there are outcomes of a service desk."""
        return "contacts" in self.without and bool(self.without["contacts"].notna().any())

    def of(self, column: str) -> tuple[np.ndarray, np.ndarray]:
        """An outcome with the policy and without it. Replications in which a share of the service desk
        has nothing to divide by are left out."""
        a, b = self.with_policy[column].to_numpy(float), self.without[column].to_numpy(float)
        there = ~(np.isnan(a) | np.isnan(b)) if column in SERVICE_OUTCOMES else np.ones(a.size, dtype=bool)
        return a[there], b[there]


def _pairs(table: pd.DataFrame, baseline: str | None) -> list[_Pair]:
    """Each scenario and policy with its baseline, replication by replication."""
    needed = ["scenario", "policy", "baseline", "scenario_hash", "months", "currency", *_KEYS, *OUTCOMES]
    if missing := [name for name in needed if name not in getattr(table, "columns", ())]:
        raise ValueError(f"this is no table of Experiment.run(): column {missing[0]!r} is missing")
    if doubled := table.duplicated(["scenario", "policy", *_KEYS]).to_numpy().nonzero()[0].tolist():
        row = table.iloc[doubled[0]]
        raise ValueError(
            f"two rows for policy {row.policy!r}, scenario {row.scenario!r}, seed {row.seed}, "
            f"replication {row.replication}"
        )
    policies = list(dict.fromkeys(table["policy"]))
    if baseline is None:
        baseline = str(table["baseline"].iloc[0]) if len(table) else ""
    _known(baseline, policies, "policy")
    if len(policies) < 2:
        raise ValueError(f"there is nothing to compare with {baseline!r}: the table has no other policy")
    pairs = []
    for scenario, cells in table.groupby("scenario", sort=False):
        if cells["scenario_hash"].nunique() > 1:
            raise ValueError(f"two different scenarios are called {scenario!r}; rename one")
        by_policy = {name: rows.set_index(_KEYS).sort_index() for name, rows in cells.groupby("policy")}
        for name in policies:
            if name == baseline or name not in by_policy or baseline not in by_policy:
                continue
            both = by_policy[name].index.intersection(by_policy[baseline].index)
            if not len(both):
                raise ValueError(
                    f"policy {name!r} and {baseline!r} share no replication in scenario {scenario!r}"
                )
            rows = by_policy[name].loc[both]
            pairs.append(
                _Pair(
                    str(scenario),
                    name,
                    baseline,
                    rows,
                    by_policy[baseline].loc[both],
                    bool((rows["baseline"] == baseline).all()),
                )
            )
    if not pairs:
        raise ValueError(f"no scenario has both {baseline!r} and another policy")
    return pairs


def _known(word: str, known: list[str], what: str) -> None:
    if word not in known:
        near = difflib.get_close_matches(str(word), known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(dict.fromkeys(known))}"
        raise ValueError(f"unknown {what} {word!r}; {hint}")


def _difference(a: np.ndarray, b: np.ndarray, level: float) -> dict[str, float]:
    from scipy.special import stdtrit

    d, n = a - b, a.size
    found = {"baseline_mean": b.mean(), "policy_mean": a.mean(), "effect": d.mean()}
    if n < 2:
        return found
    error = d.std(ddof=1) / math.sqrt(n)
    half = float(stdtrit(n - 1, (1 + level) / 2)) * error
    found |= {"low": d.mean() - half, "high": d.mean() + half, "standard_error": error}
    paired, apart = d.var(ddof=1), a.var(ddof=1) + b.var(ddof=1)
    # Rounding leaves a trace of variance where the difference is the same in each replication.
    if paired > 1e-18 * (a**2).mean():
        found["variance_ratio"] = apart / paired
    elif apart > 0:
        found["variance_ratio"] = math.inf
    return found


def _ratio_parts(pair: _Pair, measure: str) -> tuple[np.ndarray, np.ndarray]:
    top, bottom = (
        pair.with_policy[c].to_numpy(float) - pair.without[c].to_numpy(float) for c in RATIOS[measure]
    )
    return top, bottom


def _smallest(spread: float, half_width: float, level: float) -> int:
    """The smallest n of at least 2 with t(n-1) spread / sqrt(n) <= half_width."""
    from scipy.special import stdtrit

    def wide(n: int) -> bool:
        return float(stdtrit(n - 1, (1 + level) / 2)) * spread > half_width * math.sqrt(n)

    low, high = 1, 2
    while wide(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if wide(middle) else (low, middle)
    return high


# -- in words ----------------------------------------------------------------------------------------

# Title of a printed table: heading of a column, measure.
_BLOCKS: dict[str, dict[str, str]] = {
    "What it brings": {
        "kept per 1,000": "kept",
        "equity": "equity",
        "cost": "cost",
        "return, %": "return",
    },
    "Departures per 1,000 by cause": {
        **{c.english.removesuffix(" churn"): f"left_{c.key}" for c in ChurnCause},
        "root cause fault": "attributed_fault",
    },
    "Of 1,000 initial customers": {
        "saved": "saved",
        "harmed": "harmed",
        "expected saves": "expected_saves",
        "months gained": "months_gained",
        "cost per customer saved": "cost_per_saved",
    },
    "All customers": {
        "joined per 1,000": "joined",
        "satisfaction": "satisfaction",
        "complaints per 1,000": "complaints",
    },
    "Service": {
        "contacts per 1,000 a month": "contacts",
        "mean wait, s": "wait",
        "abandoned, %": "abandoned_share",
        "answered in time, %": "service_level",
        "agents busy, %": "utilisation",
        "solved, %": "solved_share",
        "repairs late, %": "repairs_late_share",
        "formal complaints per 1,000": "formal_complaints",
    },
}
_WIDTH = 110


def _has(rows: pd.DataFrame, columns: dict[str, str]) -> bool:
    return bool(rows["measure"].isin(columns.values()).any())


def _words(rows: pd.DataFrame, columns: dict[str, str]) -> pd.DataFrame:
    """The effects of some measures in words, a row a policy, the baseline's means first."""
    baseline = f"{rows['baseline'].iloc[0]} (mean)"
    frame = {}
    for heading, measure in columns.items():
        part = rows[rows["measure"] == measure].set_index("policy")
        if part.empty or (measure in SERVICE_OUTCOMES and part["effect"].isna().all()):
            continue
        unit = part["unit"].iloc[0]
        numbers = part[["baseline_mean", "effect", "low", "high"]]
        if unit in _PER_THOUSAND:
            numbers = numbers.mul(1000 / part["customers"], axis=0)
        elif unit == "money":
            largest = numbers["effect"].abs().max()
            for size, word in ((1e6, "million"), (1e3, "thousand")):
                if largest >= 100 * size:
                    numbers, heading = numbers / size, f"{heading}, {word}"
                    break
        # The effects of several policies on a desk differ much in size.
        write = _writer(unit, numbers, fine=measure in SERVICE_OUTCOMES)
        cells = {
            baseline: ""
            if measure in (*RATIOS, *PAIRED)
            else write(numbers["baseline_mean"].bfill().iloc[0], "")
        }
        sign = "" if measure in ("saved", "harmed", "cost_per_saved", "cost") else "+"
        for policy, row in numbers.iterrows():
            cells[str(policy)] = _cell(row["effect"], row["low"], row["high"], write, sign)
        frame[heading] = pd.Series(cells)
    words = pd.DataFrame(frame).rename_axis("policy")
    return words[(words != "").any(axis=1)]


_PER_THOUSAND = ("customers", "events", "months")


def _writer(unit: str, numbers: pd.DataFrame, fine: bool = False) -> _Writer:
    """How to write numbers of this unit, with digits that fit the largest effect; `fine`: shares with a
    decimal in any case."""
    effects = np.abs(numbers["effect"].to_numpy(float))
    largest = float(np.max(effects[np.isfinite(effects)], initial=0.0))

    def write(x: float, sign: str) -> str:
        if unit == "share":
            text = f"{100 * x:{sign},.{0 if largest >= 0.1 and not fine else 1}f}"
        elif unit.startswith("money"):
            text = f"{x:{sign},.{0 if largest >= 1000 or largest == 0 else 1 if largest >= 100 else 2}f}"
        else:
            text = f"{x:{sign},.{2 if unit == 'points' or 0 < largest < 1 else 1}f}"
        # No sign for what rounds to zero.
        return text if re.search("[1-9]", text) else text.lstrip("+-")

    return write


def _cell(effect: float, low: float, high: float, write: _Writer, sign: str) -> str:
    if math.isnan(effect):
        return "–"
    text = write(effect, sign)
    if math.isinf(low):
        text += " [no bounds]"
    elif not math.isnan(low) and low != high:
        bounds = write(low, ""), write(high, "")
        if bounds[0] != bounds[1]:
            text += f" [{bounds[0]} to {bounds[1]}]"
    return text


def _aligned(title: str, frame: pd.DataFrame) -> list[str]:
    """A frame of words as lines, numbers to the right, broken into parts where it is too wide."""
    names = [str(name) for name in frame.index]
    first = max(len(title), *map(len, names))
    lines: list[str] = []
    columns = list(frame.columns)
    while columns:
        part: list[tuple[str, int]] = []
        room = _WIDTH - first
        while columns:
            width = max(len(columns[0]), *(len(x) for x in frame[columns[0]])) + 3
            if part and width > room:
                break
            room -= width
            part.append((columns.pop(0), width))
        head = title.ljust(first) if not lines else " " * first
        lines.append((head + "".join(c.rjust(w) for c, w in part)).rstrip())
        for name in names:
            cells = "".join(str(frame.at[name, c]).rjust(w) for c, w in part)
            lines.append((name.ljust(first) + cells).rstrip())
    return lines
