"""Parameters of a scenario from what is known of real customers: simulated moments, or Bayes by simulation.

What is known is a table of targets: moments with observed values and standard errors, from a firm's own
data (`targets_from_database`, `targets_from_transactions`) or typed in from a publication (`Targets`). The
scenario is simulated at many values of its parameters until it shows the same moments.

    aims = targets_from_database("crm.duckdb")
    bounds = {"churn.competitive": (0.001, 0.05), "churn.natural": (0.0005, 0.02)}
    found = calibrate("subscription", bounds, aims)
    found.table; found.warnings; found.predictive(); found.save("mine.toml")

A log of purchases alone, with nothing but purchase rates and drop-out to fit, is the task of
`fit_scenario`, which follows every customer for as long as the firm did.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import re
import uuid
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from ..analysis import churn
from ..data.database import Database
from ..data.transactions import DataError, Transactions, repeat_summary
from ..simulation.compile import cache_folder
from ..simulation.draws import make_key
from ..simulation.engine import simulate
from ..simulation.run import CAUSES, Run
from ..simulation.scenario import Scenario, _unknown
from .designs import Range, ranges, scenarios_of
from .experiment import OUTCOMES, PAIRED, content_mark, initial_lives, outcomes, source_mark

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Measure = Callable[[Run], float]
Method = Literal["moments", "abc"]
Search = Literal["least_squares", "nelder_mead", "optuna"]
METHODS: tuple[Method, ...] = ("moments", "abc")
SEARCHES: tuple[Search, ...] = ("least_squares", "nelder_mead", "optuna")

# Kinds of moments: how a name begins, what follows the colon, and the meaning.
KINDS: dict[str, tuple[str, str]] = {
    "survival": (
        "months",
        "share still customers so many months after joining, by Kaplan and Meier over all",
    ),
    "purchases": ("a count, or 7+", "share of initial customers with so many purchases up to the end"),
    "purchases_mean": ("", "purchases of an initial customer up to the end, mean"),
    "satisfaction_mean": ("", "satisfaction of the customers at the end, mean"),
    "satisfaction_sd": ("", "the same, standard deviation"),
    "cause": (" ".join(CAUSES), "share of the departures with this proximate cause"),
    "rate": ("one of RATES", "so many of it for each customer and month"),
}
RATES = (
    "failures", "complaints", "resolved", "purchases", "revenue", "margin", "failed_payments",
    "cured_payments", "recommendations", "warnings", "referrals", "joined", "joined_referred", "returned",
    *(f"left_{c}" for c in CAUSES),
)  # fmt: skip
# Bounds further apart than this are searched on a logarithmic scale.
WIDE = 10.0
STEP = 0.08  # of a range, for differences: wide, as departures are whole customers
# The standard deviation of what is known by its bounds alone, a uniform number.
FLAT = 1 / math.sqrt(12)
# Standard errors by which the targets change across the bounds, below which a direction counts as open: its
# interval then fills more than half of them.
OPEN = 2 / FLAT
MORE = 12  # replications at a few points, to know how much the moments vary


# -- moments of a run ----------------------------------------------------------------------------------


def measure(name: str, run: Run) -> float:
    """The moment `name` of a run, see `KINDS`; or one of an Experiment's `OUTCOMES`.

    NaN where there is nothing to divide by. Raises ValueError for a name that is none.
    """
    kind, _, rest = _checked(name).partition(":")
    people = run._people
    if kind == "survival":
        return _survival(run, int(rest))
    if kind.startswith("purchases") and kind != "purchases":
        return float(people.column("purchases")[people.column("source") == 0].mean())
    if kind == "purchases" and rest:
        bought = people.column("purchases")[people.column("source") == 0]
        count = int(rest.rstrip("+"))
        return float(np.mean(bought >= count if rest.endswith("+") else bought == count))
    if kind.startswith("satisfaction_"):
        there = people.column("satisfaction")[people.column("active") > 0].astype(float)
        if there.size < 2:
            return math.nan
        return float(there.mean() if kind == "satisfaction_mean" else there.std(ddof=1))
    if kind == "cause":
        left = np.array([[row[f"left_{c}"] for c in CAUSES] for row in run._rows]).sum(axis=0)
        return float(left[CAUSES.index(rest)] / left.sum()) if left.sum() else math.nan
    if kind == "rate":
        rows = run._rows
        # Those there at the start are no newcomers.
        total = sum(row[rest] for row in (rows[1:] if rest.startswith("joined") else rows))
        at_risk = sum(row["at_risk"] for row in rows)
        return float(total / at_risk) if at_risk else math.nan
    lives = initial_lives(run)
    return float(outcomes(run, lives, lives)[list(OUTCOMES).index(name)])


def _survival(run: Run, months: int) -> float:
    if months > run.scenario.population.months:
        raise ValueError(
            f"survival:{months} lies beyond the {run.scenario.population.months} months of the run"
        )
    durations, gone = run.durations()
    exits = np.bincount(durations[gone == 1].astype(int), minlength=months + 1)[: months + 1]
    leaving = np.bincount(durations.astype(int), minlength=months + 1)[: months + 1]
    at_risk = durations.size - np.concatenate([[0], np.cumsum(leaving)[:-1]])
    return float(np.prod(1 - exits / np.maximum(at_risk, 1)))


def _checked(name: str) -> str:
    """The name of a moment. Raises ValueError for what is none."""
    kind, colon, rest = str(name).partition(":")
    if not colon and kind in OUTCOMES and kind not in PAIRED:
        return name
    good = kind in KINDS and bool(rest) == bool(KINDS[kind][0])
    if good and kind == "survival":
        good = rest.isdecimal() and int(rest) > 0
    elif good and kind == "purchases":
        good = re.fullmatch(r"\d+\+?", rest) is not None
    elif good and kind in ("cause", "rate"):
        good = rest in (CAUSES if kind == "cause" else RATES)
    if not good:
        if kind in KINDS:
            raise ValueError(
                f"{name!r}: behind {kind!r} stands {KINDS[kind][0] or 'nothing'}, as in {_example(kind)!r}"
            )
        known = [*KINDS, *(o for o in OUTCOMES if o not in PAIRED)]
        raise ValueError(
            _unknown(str(name), known, "moment") + "; one of your own needs a function (functions=)"
        )
    return name


def _example(kind: str) -> str:
    more = {"survival": ":12", "purchases": ":0", "cause": ":natural", "rate": ":complaints"}
    return kind + more.get(kind, "")


# -- targets -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Targets:
    """Moments to be met: `table`, indexed by moment, with columns observed and standard_error.

    A moment's name says how it is measured in a run (`KINDS`), or it is an outcome of an Experiment, or
    `functions` has a function of a Run by that name. covariance: of the observed moments, for those that
    stem from the same customers; by default they are independent. months: length of the worlds, where it
    matters, as for purchases counted up to the end; None leaves that of the scenario. source: a word on
    where they come from.

    Raises ValueError for values that cannot be used.
    """

    table: pd.DataFrame
    functions: Mapping[str, Measure] = field(default_factory=dict)
    covariance: np.ndarray | None = None
    months: int | None = None
    source: str = ""

    def __post_init__(self) -> None:
        table = self.table.set_index("moment") if "moment" in self.table else self.table
        if lacking := [c for c in ("observed", "standard_error") if c not in table]:
            raise ValueError(
                f"targets: the column {lacking[0]!r} is missing; give observed and standard_error"
            )
        if not len(table):
            raise ValueError("targets: the table is empty")
        table = table[["observed", "standard_error"]].astype(float).rename_axis("moment")
        if table.index.has_duplicates:
            raise ValueError(f"targets: {table.index[table.index.duplicated()][0]!r} is given twice")
        for name, observed, error in table.itertuples():
            if name not in self.functions:
                _checked(name)
            if not math.isfinite(observed) or not (math.isfinite(error) and error > 0):
                raise ValueError(
                    f"targets: {name!r} needs a number and a standard error above 0, "
                    f"not {observed} and {error}"
                )
        if self.covariance is not None and np.shape(self.covariance) != (len(table), len(table)):
            raise ValueError(
                f"targets: the covariance of {len(table)} moments is {len(table)} x {len(table)}"
            )
        object.__setattr__(self, "table", table)

    @classmethod
    def of(cls, values: Mapping[str, tuple[float, float]], **more: Any) -> Targets:
        """From name -> (observed, standard error), such as {"survival:12": (0.80, 0.01)}."""
        for name, pair in values.items():
            if isinstance(pair, str) or not isinstance(pair, Sequence | np.ndarray) or len(pair) != 2:
                raise ValueError(f"targets: {name!r} needs (observed, standard error), not {pair!r}")
        rows = pd.DataFrame.from_dict(dict(values), orient="index", columns=["observed", "standard_error"])
        return cls(rows, **more)

    def of_run(self, run: Run) -> np.ndarray:
        """The same moments of a run."""
        found = [
            float(self.functions[name](run)) if name in self.functions else measure(name, run)
            for name in self.table.index
        ]
        return np.array(found)

    def without(self, *names: str) -> Targets:
        """The targets without some."""
        for name in names:
            if name not in self.table.index:
                raise ValueError(_unknown(name, list(self.table.index), "target"))
        keep = ~self.table.index.isin(names)
        covariance = None if self.covariance is None else self.covariance[np.ix_(keep, keep)]
        return Targets(self.table[keep], self.functions, covariance, self.months, self.source)

    def plus(self, other: Targets) -> Targets:
        """Both, taken as independent of each other. Raises ValueError where months differ."""
        if None not in (self.months, other.months) and self.months != other.months:
            raise ValueError(f"targets: {self.months} and {other.months} months do not go together")
        size = len(self.table)
        covariance = np.zeros((size + len(other.table),) * 2)
        covariance[:size, :size], covariance[size:, size:] = self.errors, other.errors
        return Targets(
            pd.concat([self.table, other.table]),
            {**self.functions, **other.functions},
            covariance,
            self.months or other.months,
            ", ".join(filter(None, (self.source, other.source))),
        )

    @property
    def errors(self) -> np.ndarray:
        """Covariance of the observed moments."""
        if self.covariance is not None:
            return self.covariance
        return np.diag(self.table["standard_error"].to_numpy() ** 2)

    def __repr__(self) -> str:
        origin = f" from {self.source}" if self.source else ""
        return f"{_targets_said(len(self.table))}{origin}\n{self.table.to_string()}"

    def _repr_html_(self) -> str:
        return self.table.to_html(border=0)


def targets_from_database(
    database: str | Path | Database | Mapping[str, pd.DataFrame],
    survival: Iterable[int] = (6, 12, 24),
    causes: bool = True,
    rates: Iterable[str] = ("complaints",),
    satisfaction: bool = False,
    *,
    truth: bool = False,
    resamples: int = 500,
    seed: int = 1,
) -> Targets:
    """Survival, causes and rates of a customer database under contract, customers resampled for the errors.

    survival: months for which to take the share still there, by Kaplan and Meier, over all spells. causes:
    shares of the departures by cause, as the firm has them, which are stated and may be wrong (truth: a
    simulated database's true ones). The last is left out, since the shares sum to one. rates: events by
    table, `complaints` or `contacts`, for each customer and month. satisfaction: mean and spread of the
    latest wave of answers on 0 to 100 in the table `survey`, if there is one; answers are not attitudes:
    respondents differ from the silent and scales are used differently.

    Whole customers are drawn with replacement (Efron 1979), so the covariance is that of moments of the
    same people. Raises DataError for a database without contracts, and one too small.
    """
    _whole("resamples", resamples, 50)
    with contextlib.ExitStack() as stack:
        path = isinstance(database, str | Path)
        opened: Any = stack.enter_context(Database(database)) if path else database  # type: ignore[arg-type]
        spells = churn.spells(opened, truth=truth)
        months = int((spells["start"] + spells["duration"]).max())
        people = pd.Index(spells["customer"].unique())
        counts = {name: _events(opened, name, people) for name in rates}
        answers = _answers(opened, people) if satisfaction else None
    if len(people) < 30:
        raise DataError(f"the database has {len(people)} customers; bootstrap errors need at least 30")
    points = sorted({int(m) for m in survival})
    if points and (points[0] < 1 or points[-1] > months):
        raise DataError(f"survival: months must lie between 1 and {months}, the length of the record")
    who = people.get_indexer(pd.Index(spells["customer"]))
    last = spells["duration"].to_numpy(dtype=np.int64)
    left = spells["left"].to_numpy(dtype=bool)
    known = [c for c in CAUSES if (spells["cause"] == c).any()][:-1] if causes else []
    code = np.array([known.index(c) if c in known else -1 for c in spells["cause"]])
    told = left & spells["cause"].notna().to_numpy()
    names = [
        *(f"survival:{m}" for m in points), *(f"cause:{c}" for c in known), *(f"rate:{n}" for n in counts),
        *(("satisfaction_mean", "satisfaction_sd") if answers is not None else ()),
    ]  # fmt: skip

    def moments(weight: np.ndarray) -> list[float]:
        w = weight[who]
        exits = np.bincount(last[left], w[left], minlength=months + 1)
        leaving = np.bincount(last, w, minlength=months + 1)
        at_risk = w.sum() - np.concatenate([[0.0], np.cumsum(leaving)[:-1]])
        share = np.cumprod(1 - exits / np.maximum(at_risk, 1e-12))
        found = [float(share[m]) for m in points]
        if known:
            total = max(w[told].sum(), 1e-12)
            found += [float(w[told & (code == k)].sum() / total) for k in range(len(known))]
        lived = max(float((w * last).sum()), 1e-12)
        found += [float((weight * n).sum() / lived) for n in counts.values()]
        if answers is not None:
            rows, value = answers
            v = weight[rows]
            mean = float((v * value).sum() / max(v.sum(), 1e-12))
            found += [mean, math.sqrt(float((v * (value - mean) ** 2).sum() / max(v.sum() - 1, 1e-12)))]
        return found

    return _resampled(names, moments, len(people), resamples, seed, months, f"{len(people):,} customers")


def targets_from_transactions(
    log: str | Path | Transactions | pd.DataFrame,
    months: int,
    top: int = 5,
    *,
    resamples: int = 500,
    seed: int = 1,
    **columns: Any,
) -> Targets:
    """Shares of customers by repeat purchases in their first `months` months, customers resampled.

    log: as for `fit_scenario`. Taken are the customers whose first purchase lies at least so many months
    before the end of the log; purchases on one day count as one. The classes are 0, 1 ... and `top` or
    more; one of the shares, that of `top`, is left out because they sum to one. The targets suit a
    scenario without contracts. Raises DataError for a log that cannot be used.
    """
    from .fit import _log

    _whole("months", months, 1)
    _whole("top", top, 2)
    _whole("resamples", resamples, 50)
    table = _log(log, columns)
    summary = repeat_summary(table, "M")
    chosen = summary.index[summary["T"] >= months]
    if len(chosen) < 30:
        raise DataError(
            f"{len(chosen)} customers were seen for {months} months or more; at least 30 are needed: "
            "take fewer months"
        )
    rows = table[table["customer"].isin(chosen)]
    first = rows["customer"].map(summary["first"])
    age = (rows["date"].dt.normalize() - first.dt.normalize()).dt.days / (365.25 / 12)
    rows = rows.assign(day=rows["date"].dt.normalize())[(age > 0) & (age <= months)]
    repeats = rows.drop_duplicates(["customer", "day"]).groupby("customer").size()
    bought = repeats.reindex(chosen, fill_value=0).to_numpy()
    names = [*(f"purchases:{k}" for k in range(top)), "purchases_mean"]

    def moments(weight: np.ndarray) -> list[float]:
        shares = np.bincount(np.minimum(bought, top), weight, minlength=top + 1) / weight.sum()
        return [*shares[:top].tolist(), float((weight * bought).sum() / weight.sum())]

    return _resampled(names, moments, len(chosen), resamples, seed, months, f"{len(chosen):,} customers")


def _resampled(
    names: list[str],
    moments: Callable[[np.ndarray], list[float]],
    size: int,
    resamples: int,
    seed: int,
    months: int,
    source: str,
) -> Targets:
    rng = np.random.default_rng(seed)
    drawn = np.array(
        [
            moments(np.bincount(rng.integers(size, size=size), minlength=size).astype(float))
            for _ in range(resamples)
        ]
    )
    covariance = np.atleast_2d(np.cov(drawn, rowvar=False))
    errors = np.sqrt(np.diag(covariance))
    if (errors == 0).any():
        name = names[int(np.argmin(errors))]
        raise DataError(f"{name} is the same in all resamples: the data hold nothing of it; leave it out")
    table = pd.DataFrame(
        {"observed": moments(np.ones(size)), "standard_error": errors}, index=pd.Index(names, name="moment")
    )
    return Targets(table, covariance=covariance, months=months, source=source)


def _events(database: Any, name: str, people: pd.Index[Any]) -> np.ndarray:
    """Events of a table by customer."""
    frame = churn._table(database, name)
    rows = people.get_indexer(pd.Index(frame["customer"]))
    return np.bincount(rows[rows >= 0], minlength=len(people)).astype(float)


def _answers(database: Any, people: pd.Index[Any]) -> tuple[np.ndarray, np.ndarray]:
    """Rows and answers of the latest wave of the table `survey`."""
    frame = churn._table(database, "survey")
    if not len(frame):
        raise DataError("survey: the table is empty, so there is no satisfaction to take from it")
    frame = frame[(frame["month"] == frame["month"].max()) & frame["satisfaction"].notna()]
    rows = people.get_indexer(pd.Index(frame["customer"]))
    return rows[rows >= 0], frame["satisfaction"].to_numpy(dtype=float)[rows >= 0]


def _whole(name: str, value: Any, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, not {value!r}")


# -- the result ----------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Calibration:
    """Parameters that make a scenario show the targets, and how sure they are.

    - `table`: a row a parameter: parameter, estimate, standard_error, low and high (its interval), before
      (the value in the scenario given), lowest and highest (the bounds), unit
    - `correlation`: of the estimates
    - `warnings`: sentences on what the targets cannot tell, which bounds are met, what is not matched
    - `predictive()`: targets, or others that were not used, against worlds with other luck
    - `scenario`: the calibrated scenario; `save(path)` writes it
    - `draws`: values of the parameters that the targets allow, a row a draw
    - `jacobian`: change of each moment, in its standard errors, when a parameter goes through its range
    - `runs`: worlds simulated, or taken from the cache
    """

    method: Method
    scenario: Scenario
    targets: Targets
    table: pd.DataFrame
    draws: pd.DataFrame
    jacobian: pd.DataFrame
    warnings: list[str]
    level: float
    seed: int
    replications: int
    runs: int

    @property
    def correlation(self) -> pd.DataFrame:
        """Correlation of the estimates over the draws, on the scales on which they were searched."""
        bounds = zip(self.table["parameter"], self.table["lowest"], self.table["highest"], strict=True)
        return _scaled(self.draws, {p: _is_wide(low, high) for p, low, high in bounds}).corr()

    def predictive(self, targets: Targets | None = None, worlds: int = 60, jobs: int = -1) -> pd.DataFrame:
        """Observed against simulated, a row a moment: does the calibrated scenario show the data?

        targets: the ones that were fitted, or others, which is the harder test. Columns: observed,
        standard_error, simulated (mean of worlds at the estimate), low and high (between which new data of
        such firms would lie: parameters drawn from `draws`, other luck, and the error of the observed
        moments), z (the difference over its standard error; beyond 2 or 3 in size is a misfit), fitted
        (whether it was a target). The luck is not that of the fit.
        """
        _whole("worlds", worlds, 10)
        aims = self.targets if targets is None else targets
        names = list(self.table["parameter"])
        base = _of_length(self.scenario, aims)
        picked = self.draws.iloc[np.linspace(0, len(self.draws) - 1, worlds).astype(int)]
        points = pd.DataFrame(
            picked[names].to_numpy(), columns=names, index=pd.RangeIndex(worlds, name="point")
        )
        declared = base.table()["value"]
        for name in names:
            if isinstance(declared[name], int):
                points[name] = points[name].round().astype(np.int64)
        fixed = max(worlds // 3, 10)
        seed = self.seed + 1
        tasks = [(s, k) for k, s in enumerate(scenarios_of(base, points))]
        tasks += [(base, worlds + k) for k in range(fixed)]
        found = np.array(_simulated(tasks, seed, aims.of_run, jobs))
        drawn, here = found[:worlds], found[worlds:]
        rng = np.random.default_rng(self.seed)
        new = drawn + rng.multivariate_normal(np.zeros(len(aims.table)), aims.errors, worlds, method="eigh")
        low, high = np.nanquantile(new, [(1 - self.level) / 2, (1 + self.level) / 2], axis=0)
        mean = here.mean(axis=0)
        error = np.sqrt(np.diag(aims.errors) + here.var(axis=0, ddof=1) / fixed)
        table = aims.table.copy()
        table["simulated"], table["low"], table["high"] = mean, low, high
        table["z"] = (table["observed"] - mean) / error
        table["fitted"] = table.index.isin(self.targets.table.index)
        return table

    def save(self, path: str | Path) -> Path:
        """Write the calibrated scenario as TOML, whole or not at all."""
        return self.scenario.save(path)

    def plot_predictive(
        self, table: pd.DataFrame | None = None, ax: Axes | None = None, **options: Any
    ) -> Axes:
        """Observed against simulated moments. table: of `predictive`; `options` as for the figure."""
        from .. import plots

        found = self.predictive() if table is None else table
        return plots.predicted_moments(found, ax, **{"note": self._note, **options})

    def plot_estimates(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Estimates and intervals within their bounds."""
        from .. import plots

        return plots.estimates_in_bounds(self.table, ax, **{"note": self._note, **options})

    @property
    def _note(self) -> str:
        size = self.scenario.population
        return (
            f"{self.scenario.name}, {size.size:,} customers, {size.months} months, {self.runs:,} runs, "
            f"seed {self.seed}"
        )

    def __repr__(self) -> str:
        way = "simulated moments" if self.method == "moments" else "approximate Bayesian computation"
        count = len(self.targets.table)
        head = f"{len(self.table)} parameters of {self.scenario.name!r} from {_targets_said(count)}, {way}"
        body = self.table.to_string(index=False, float_format="{:.4g}".format)
        return "\n".join([head, body, *(f"! {w}" for w in self.warnings)])

    def _repr_html_(self) -> str:
        from html import escape

        said = "".join(f"<li>{escape(w)}</li>" for w in self.warnings)
        body = self.table.to_html(index=False, border=0, float_format="{:.4g}".format)
        return f"<p>{escape(repr(self).splitlines()[0])}</p>{body}<ul>{said}</ul>"


def calibrate(
    scenario: Scenario | str,
    parameters: Iterable[str] | Mapping[str, tuple[float, float] | None],
    targets: Targets | pd.DataFrame | Mapping[str, tuple[float, float]],
    method: Method = "moments",
    *,
    functions: Mapping[str, Measure] | None = None,
    search: Search = "least_squares",
    prior: Mapping[str, Any] | None = None,
    replications: int = 4,
    steps: int = 300,
    draws: int = 1000,
    accept: float = 0.15,
    level: float = 0.95,
    seed: int = 1,
    name: str = "calibrated",
    jobs: int = -1,
    cache: str | Path | bool | None = None,
    progress: bool = True,
) -> Calibration:
    """Find the parameters with which a scenario shows the targets.

    parameters: names as in `Scenario.table()`, or a mapping of names to (low, high); None and a mere name
    stand for the declared bounds. Where the bounds are ten times or more apart, the parameter is searched
    on a logarithmic scale. targets: `Targets`, a table with moment, observed, standard_error, or a mapping
    of names to (observed, standard error); functions: of a Run, for moments of one's own. The scenario
    supplies all else, and the size of the worlds: as many customers as the data have, or more.

    method "moments": simulated moments (McFadden 1989). `replications` worlds at each point, with the same
    luck everywhere; the sum of squared gaps, each over the standard error of data and simulation, is made
    small from the best points of a Sobol scan, by `search`: "least_squares" (Gauss-Newton with wide
    differences), "nelder_mead", or "optuna" for rough surfaces; at most `steps` points. The errors are a
    one-step bootstrap (Davidson & MacKinnon 1999): moments are drawn with the errors of the data and of
    the simulation, and each draw moves the estimate along the linearised moments, within the bounds.

    method "abc": `draws` parameters from the prior (uniform within the bounds on the scale searched, or the
    frozen scipy.stats distributions in `prior`, cut at the bounds), a world with luck of its own for each,
    to whose moments the error of the data is added; the nearest share `accept` is kept and adjusted by
    local-linear regression (Beaumont, Zhang & Balding 2002), in two rounds, the second within the box that
    the first found. The estimate is the posterior median.

    The moments of every world are kept as soon as they are known (`cache` as for an Experiment): the same
    call goes on where it was stopped or killed, to the same bits.

    Raises ScenarioError for the parameters, ValueError for the rest.
    """
    base = Scenario.from_name(scenario)
    if method not in METHODS:
        raise ValueError(_unknown(str(method), list(METHODS), "method"))
    if search not in SEARCHES:
        raise ValueError(_unknown(str(search), list(SEARCHES), "search"))
    if prior and method != "abc":
        raise ValueError('a prior belongs to method="abc"; simulated moments know bounds only')
    if not 0 < level < 1 or not 0 < accept <= 1:
        raise ValueError(f"level and accept must lie between 0 and 1, not {level!r} and {accept!r}")
    _whole("replications", replications, 2)
    _whole("steps", steps, 20)
    _whole("draws", draws, 100)
    aims = _targets(targets, functions)
    spans = ranges(base, parameters)
    if strangers := [p for p in prior or {} if p not in spans]:
        raise ValueError(_unknown(strangers[0], list(spans), "parameter with a prior"))
    if lengths := [p for p in spans if p in ("population.months", "population.size")]:
        raise ValueError(f"{lengths[0]} is the size of the worlds, not something that targets tell")
    length = _of_length(base, aims)
    others = _others(length, aims)
    kept = _Kept.of(cache, [*aims.table.index, *others], aims.functions)
    world = _World(length, spans, aims, others, replications, seed, jobs, kept, progress)
    with world:
        if method == "moments":
            best = _searched(world, search, steps, seed)
            sampled: np.ndarray | None = None
        else:
            sampled = _abc(world, prior or {}, draws, accept, seed)
            best = np.median(sampled, axis=0)
        slope = _Slope.at(world, best)
        units = _bootstrap(world, best, slope, draws, seed) if sampled is None else sampled
    values = world.table(units)
    half = (1 - level) / 2
    here = world.values(best)
    low, high = values.quantile(half), values.quantile(1 - half)
    declared = base.table()["value"]
    table = pd.DataFrame(
        {
            "parameter": list(spans),
            "estimate": list(here.values()),
            "standard_error": values.std(ddof=1).to_numpy(),
            "low": [min(low[p], here[p]) for p in spans],
            "high": [max(high[p], here[p]) for p in spans],
            "before": [declared[p] for p in spans],
            "lowest": [s.low for s in spans.values()],
            "highest": [s.high for s in spans.values()],
            "unit": [s.unit for s in spans.values()],
        }
    )
    made = world.scenarios_at([best])[0].replace(
        name=name,
        title=f"{base.name}, calibrated to {_targets_said(len(aims.table))}"
        + (f" from {aims.source}" if aims.source else ""),
    )
    jacobian = pd.DataFrame(slope.weighted, index=aims.table.index, columns=list(spans))
    return Calibration(
        method, made, aims, table, values, jacobian, _warnings(world, best, slope, values), level, seed,
        replications, world.runs,
    )  # fmt: skip


# -- parts ---------------------------------------------------------------------------------------------


def _targets(given: Any, functions: Mapping[str, Measure] | None) -> Targets:
    own = dict(functions or {})
    if isinstance(given, Targets):
        return (
            given
            if not own
            else Targets(
                given.table, {**given.functions, **own}, given.covariance, given.months, given.source
            )
        )
    if isinstance(given, pd.DataFrame):
        return Targets(given, own)
    if isinstance(given, Mapping):
        return Targets.of(given, functions=own)
    raise ValueError("targets: give Targets, a table, or a mapping of names to (observed, standard error)")


def _is_wide(low: float, high: float) -> bool:
    """Whether a parameter with these bounds is searched on a logarithmic scale."""
    return low > 0 and high / low >= WIDE


def _scaled(values: pd.DataFrame, log: Mapping[str, bool]) -> pd.DataFrame:
    """Values of parameters, the logarithm of some."""
    return pd.DataFrame({p: np.log(values[p]) if log[str(p)] else values[p] for p in values})


def _of_length(scenario: Scenario, aims: Targets) -> Scenario:
    """The scenario, as long as the targets need it."""
    longest = max(
        [int(n.partition(":")[2]) for n in aims.table.index if n.startswith("survival:")], default=0
    )
    months = aims.months or max(scenario.population.months, longest)
    if longest > months:
        raise ValueError(f"survival:{longest} lies beyond the {months} months of the targets")
    return scenario if months == scenario.population.months else scenario.replace(population__months=months)


class _Kept(NamedTuple):
    """Moments of worlds on disk, a file each, named by all that they are made of."""

    folder: Path
    mark: str  # of the moments

    @classmethod
    def of(
        cls, cache: str | Path | bool | None, names: Sequence[str], functions: Mapping[str, Measure]
    ) -> _Kept | None:
        """Where to keep the moments `names`; None for nowhere."""
        if cache is False:
            return None
        own = {name: content_mark(functions[name]) for name in names if name in functions}
        if unknown := [name for name, mark in own.items() if mark is None]:
            warnings.warn(
                f"function {unknown[0]!r}: it holds something whose content cannot be told, so nothing of "
                "this calibration is kept for another time",
                stacklevel=3,
            )
            return None
        here = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
        folder = cache_folder() / "moments" if cache is None or cache is True else Path(cache)
        return cls(folder, json.dumps([source_mark(), here, list(names), own]))

    def path(self, scenario: Scenario, seed: int, replication: int) -> Path:
        text = json.dumps([self.mark, scenario.hash, seed, replication])
        name = hashlib.sha256(text.encode()).hexdigest()[:32]
        return self.folder / name[:2] / f"{name}.npy"

    @staticmethod
    def read(path: Path) -> np.ndarray | None:
        """The moments in a file; None without one, or with one that was damaged."""
        try:
            with path.open("rb") as file:
                return np.asarray(np.load(file))
        except (OSError, ValueError, EOFError):
            return None

    @staticmethod
    def write(path: Path, found: np.ndarray) -> None:
        """Keep moments, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.stem}.{uuid.uuid4().hex[:8]}.part")  # threads may make the same
        with part.open("wb") as file:
            np.save(file, found)
        part.replace(path)


def _simulated(
    tasks: Sequence[tuple[Scenario, int]],
    seed: int,
    of: Callable[[Run], np.ndarray],
    jobs: int,
    kept: _Kept | None = None,
) -> list[np.ndarray]:
    """What `of` makes of the run of each scenario and replication, without policies."""
    from joblib import Parallel, delayed, effective_n_jobs

    def simulated(scenario: Scenario, replication: int) -> np.ndarray:
        return of(simulate(scenario, [], seed, replication=replication, threads=1, progress=False))

    def one(scenario: Scenario, replication: int) -> np.ndarray:
        if kept is None:
            return simulated(scenario, replication)
        path = kept.path(scenario, seed, replication)
        found = kept.read(path)
        if found is None:
            found = simulated(scenario, replication)
            kept.write(path, found)
        return found

    # The compiled months leave Python's lock, and a function of one's own need not travel.
    workers = min(effective_n_jobs(jobs), len(tasks))
    return list(Parallel(n_jobs=workers, prefer="threads")(delayed(one)(*task) for task in tasks))


class _World:
    """The moments as a function of the parameters, each scaled to 0 to 1 between its bounds."""

    def __init__(
        self, base: Scenario, spans: Mapping[str, Range], aims: Targets, others: list[str], replications: int,
        seed: int, jobs: int, kept: _Kept | None, progress: bool,
    ) -> None:  # fmt: skip
        self.base, self.spans, self.aims, self.others = base, dict(spans), aims, others
        self.replications, self.seed, self.jobs, self.kept = replications, make_key(seed).seed, jobs, kept
        self.log = np.array([_is_wide(s.low, s.high) for s in spans.values()])
        self.observed = aims.table["observed"].to_numpy()
        self.runs = 0
        self._known: dict[bytes, np.ndarray] = {}
        self._more: dict[bytes, np.ndarray] = {}
        self._progress = progress
        self.weights = 1 / aims.table["standard_error"].to_numpy()

    def __enter__(self) -> _World:
        from tqdm.auto import tqdm

        self._bar: Any = tqdm(desc="calibrating", unit="run", disable=not self._progress, leave=False)
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    @property
    def size(self) -> int:
        return len(self.spans)

    def values(self, u: np.ndarray) -> dict[str, float]:
        """Parameters at a point."""
        found: dict[str, float] = {}
        for x, (name, span), log in zip(np.clip(u, 0, 1), self.spans.items(), self.log, strict=True):
            raw = span.low * (span.high / span.low) ** x if log else span.low + x * (span.high - span.low)
            raw = min(max(float(raw), span.low), span.high)
            found[name] = round(raw) if span.whole else raw
        return found

    def place(self, name: str, value: float) -> float:
        """Where a parameter's value lies between its bounds; may lie outside."""
        span, log = self.spans[name], self.log[list(self.spans).index(name)]
        if log:
            return math.log(max(value, 1e-300) / span.low) / math.log(span.high / span.low)
        return (value - span.low) / (span.high - span.low)

    def table(self, points: np.ndarray) -> pd.DataFrame:
        return pd.DataFrame([self.values(u) for u in points], columns=list(self.spans)).astype(float)

    def scenarios_at(self, points: Sequence[np.ndarray]) -> list[Scenario]:
        rows = pd.DataFrame([self.values(u) for u in points], index=pd.RangeIndex(len(points), name="point"))
        return scenarios_of(self.base, rows) if len(points) else []

    def moments(self, points: Iterable[np.ndarray]) -> np.ndarray:
        """Moments with the common luck: points x replications x (targets, then others)."""
        wanted = [np.asarray(u, dtype=float) for u in points]
        missing = list({u.tobytes(): u for u in wanted if u.tobytes() not in self._known}.values())
        tasks = [(s, r) for s in self.scenarios_at(missing) for r in range(self.replications)]
        if tasks:
            found = self.run(tasks, self.seed)
            for k, u in enumerate(missing):
                self._known[u.tobytes()] = found[k * self.replications : (k + 1) * self.replications]
        return np.stack([self._known[u.tobytes()] for u in wanted])

    def run(self, tasks: Sequence[tuple[Scenario, int]], seed: int) -> np.ndarray:
        def of(run: Run) -> np.ndarray:
            return np.concatenate([self.aims.of_run(run), [measure(n, run) for n in self.others]])

        found = []
        for start in range(0, len(tasks), 32):
            part = tasks[start : start + 32]
            found += _simulated(part, seed, of, self.jobs, self.kept)
            self._bar.update(len(part))
        self.runs += len(tasks)
        return np.array(found)

    def gaps(self, points: Iterable[np.ndarray]) -> np.ndarray:
        """Simulated less observed moments over their standard errors (points x moments)."""
        means = self.moments(points)[:, :, : self.observed.size].mean(axis=1)
        # What cannot be measured counts as far off, without stopping the search.
        return np.nan_to_num((means - self.observed) * self.weights, nan=20.0)

    def weigh(self, u: np.ndarray) -> None:
        """Let the weights hold the simulation's own error, as it is at a point."""
        self.weights = 1 / np.sqrt(self.aims.table["standard_error"].to_numpy() ** 2 + np.diag(self.noise(u)))

    def noise(self, u: np.ndarray) -> np.ndarray:
        """Covariance of the simulated moments' means at a point."""
        found = self.spread(u)[:, : self.observed.size]
        return np.atleast_2d(np.cov(np.nan_to_num(found), rowvar=False)) / self.replications

    def spread(self, u: np.ndarray) -> np.ndarray:
        """All moments at a point in the usual replications and more (replications x moments)."""
        key = u.tobytes()
        if key not in self._more:
            [here] = self.scenarios_at([u])
            self._more[key] = self.run([(here, self.replications + k) for k in range(MORE)], self.seed)
        return np.concatenate([self.moments([u])[0], self._more[key]])


def _others(base: Scenario, aims: Targets) -> list[str]:
    """Moments that are no targets, but might tell more."""
    months = aims.months or base.population.months
    names = [f"survival:{m}" for m in sorted({max(1, months // 4), max(1, months // 2), months})]
    names += [f"cause:{c}" for c in CAUSES]
    names += [
        f"rate:{n}"
        for n in ("complaints", "failures", "failed_payments", "recommendations", "joined", "purchases")
    ]
    names += ["satisfaction_mean", "satisfaction_sd"]
    if not base.purchase.contract:
        names += ["purchases:0", "purchases_mean"]
    return [n for n in names if n not in aims.table.index]


# -- simulated moments ---------------------------------------------------------------------------------


def _searched(world: _World, search: Search, steps: int, seed: int) -> np.ndarray:
    """The point with the smallest gaps."""
    from scipy.stats import qmc

    k = world.size
    scan = qmc.Sobol(k, rng=np.random.default_rng(seed)).random(1 << math.ceil(math.log2(max(8 * k, 16))))
    declared = world.base.table()["value"]
    own = np.array([world.place(p, float(declared[p])) for p in world.spans])
    points = [*scan, *([own] if ((own >= 0) & (own <= 1)).all() else [])]
    squares = (world.gaps(points) ** 2).sum(axis=1)
    order = np.argsort(squares)
    world.weigh(points[order[0]])
    if search == "optuna":
        return _optuna(world, [points[i] for i in order[:3]], steps, seed)
    # The second start is one that is not beside the first.
    far = next((i for i in order[1:] if np.abs(points[i] - points[order[0]]).max() > 0.2), order[0])
    starts = [points[order[0]], *([points[far]] if far != order[0] else [])]
    local = _nelder_mead if search == "nelder_mead" else _least_squares
    ends = [local(world, u, max(steps // len(starts), 10)) for u in starts]
    return min(ends, key=lambda u: float((world.gaps([u]) ** 2).sum()))


def _least_squares(world: _World, start: np.ndarray, steps: int) -> np.ndarray:
    from scipy.optimize import least_squares

    def gaps(u: np.ndarray) -> np.ndarray:
        return np.asarray(world.gaps([u])[0])

    def slopes(u: np.ndarray) -> np.ndarray:
        return _differences(world, u)[0]

    found = least_squares(
        gaps,
        np.clip(start, 0.005, 0.995),
        jac=slopes,
        bounds=(0.0, 1.0),
        max_nfev=max(steps // (2 * world.size + 1), 3),
        xtol=1e-3,
        ftol=1e-4,
    )
    return np.asarray(found.x)


def _differences(world: _World, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slopes of the gaps (moments x parameters), and their standard errors, by wide differences."""
    found = world.moments(_ends(u))[:, :, : world.observed.size]
    slopes = np.nan_to_num(found[1::2] - found[::2]) / _width(u)[:, None, None] * world.weights
    error = slopes.std(axis=1, ddof=1) / math.sqrt(world.replications)
    return slopes.mean(axis=1).T, error.T


def _ends(u: np.ndarray) -> list[np.ndarray]:
    """Points below and above `u`, parameter by parameter, within the bounds."""
    ends = [np.array(u) for _ in range(2 * len(u))]
    for k, x in enumerate(u):
        ends[2 * k][k], ends[2 * k + 1][k] = max(x - STEP, 0.0), min(x + STEP, 1.0)
    return ends


def _width(u: np.ndarray) -> np.ndarray:
    return np.minimum(u + STEP, 1.0) - np.maximum(u - STEP, 0.0)


def _nelder_mead(world: _World, start: np.ndarray, steps: int) -> np.ndarray:
    from scipy.optimize import minimize

    first = np.clip(start, 0.02, 0.98)
    corners = first + np.where(first < 0.5, 0.15, -0.15) * np.eye(world.size)

    def squares(u: Any) -> float:
        return float((world.gaps([u]) ** 2).sum())

    limits: Any = [(0.0, 1.0)] * world.size
    options: Any = {
        "initial_simplex": np.vstack([first, corners]),
        "maxfev": steps,
        "xatol": 2e-3,
        "fatol": 1e-2,
    }
    found = minimize(squares, first, method="Nelder-Mead", bounds=limits, options=options)
    return np.asarray(found.x)


def _optuna(world: _World, starts: list[np.ndarray], steps: int, seed: int) -> np.ndarray:
    try:
        import optuna
    except ImportError:
        raise ImportError('optuna is needed here: pip install "crmsim[research]"') from None
    names = list(world.spans)
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed, multivariate=True))
        for u in starts:
            study.enqueue_trial(dict(zip(names, map(float, np.clip(u, 0, 1)), strict=True)))

        def squares(trial: Any) -> float:
            u = np.array([trial.suggest_float(name, 0.0, 1.0) for name in names])
            return float((world.gaps([u]) ** 2).sum())

        study.optimize(squares, n_trials=steps)
    finally:
        optuna.logging.set_verbosity(before)
    return np.array([study.best_params[name] for name in names])


@dataclass(frozen=True)
class _Slope:
    """Slopes at the estimate: weighted (moments x parameters), their errors, and those of other moments in
    their own spreads (replications x moments x parameters)."""

    weighted: np.ndarray
    error: np.ndarray
    others: np.ndarray

    @classmethod
    def at(cls, world: _World, u: np.ndarray) -> _Slope:
        from scipy.special import chdtri

        world.weigh(u)
        weighted, error = _differences(world, u)
        count, rest = world.observed.size, world.replications + MORE - 1
        # The spread's upper limit, at 95 %.
        spread = world.spread(u)[:, count:].std(axis=0, ddof=1) * math.sqrt(rest / chdtri(rest, 0.95))
        found = world.moments(_ends(u))[:, :, count:]
        slopes = (found[1::2] - found[::2]) / _width(u)[:, None, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            others = np.moveaxis(slopes / spread, 0, 2)
        return cls(weighted, error, np.nan_to_num(others, nan=0.0, posinf=0.0, neginf=0.0))


def _bootstrap(world: _World, u: np.ndarray, slope: _Slope, draws: int, seed: int) -> np.ndarray:
    """Points to which moments drawn with their errors would move the estimate."""
    rng = np.random.default_rng(seed)
    errors = world.aims.errors + world.noise(u)
    drawn = rng.multivariate_normal(np.zeros(len(errors)), errors, draws, method="eigh") * world.weights
    # Where the targets tell nothing, the bounds are all that is known: twice their spread, and then cut.
    loose = (0.5 / FLAT) ** 2
    free = math.sqrt(loose) * rng.standard_normal((draws, world.size))
    a = slope.weighted
    step = np.linalg.inv(a.T @ a + loose * np.eye(world.size))
    moved = u + (drawn @ a + free) @ step
    # Within the bounds: those outside are left out rather than moved, which would tear parameters apart
    # that go together; all are moved where next to none would be left.
    inside = moved[((moved >= 0) & (moved <= 1)).all(axis=1)]
    return inside if len(inside) >= max(draws // 20, 50) else np.clip(moved, 0.0, 1.0)


# -- approximate Bayesian computation --------------------------------------------------------------------


def _abc(world: _World, prior: Mapping[str, Any], draws: int, accept: float, seed: int) -> np.ndarray:
    """Points from the posterior, of equal weight.

    Half of the draws find where the posterior lies; the others are from the prior within that box, wider
    on either side by half, where the moments are more nearly linear.
    """
    rng = np.random.default_rng(seed)
    box = np.tile([0.0, 1.0], (world.size, 1))  # in quantiles of the prior
    picked = np.zeros((0, world.size))
    for part, count in enumerate((draws // 2, draws - draws // 2)):
        if part:
            ends = np.quantile(picked, [0.005, 0.995], axis=0).T
            room = 0.5 * (ends[:, 1] - ends[:, 0])
            box = np.clip(np.column_stack([ends[:, 0] - room, ends[:, 1] + room]), 0.0, 1.0)
        picked = _abc_round(world, prior, box, count, accept, rng, part)
    return _from_prior(world, prior, picked)


def _abc_round(
    world: _World,
    prior: Mapping[str, Any],
    box: np.ndarray,
    draws: int,
    accept: float,
    rng: np.random.Generator,
    part: int,
) -> np.ndarray:
    """Quantiles of the prior, within a box, that go with the observed moments."""
    from scipy.stats import qmc

    inside = qmc.Sobol(world.size, rng=rng).random_base2(math.ceil(math.log2(draws)))[:draws]
    points = _from_prior(world, prior, box[:, 0] + inside * (box[:, 1] - box[:, 0]))
    count = world.observed.size
    # Seeds of their own, since the common luck of `moments` has replications of the same numbers.
    tasks = [(s, r) for r, s in enumerate(world.scenarios_at(list(points)))]
    found = world.run(tasks, world.seed + 2 + part)[:, :count]
    found = found + rng.multivariate_normal(np.zeros(count), world.aims.errors, draws, method="eigh")
    good = np.isfinite(found).all(axis=1)
    if good.sum() < 20:
        raise ValueError("the targets can be measured in too few of the worlds drawn; narrow the bounds")
    inside, found = inside[good], found[good]
    scale = np.median(np.abs(found - np.median(found, axis=0)), axis=0)
    apart = (found - world.observed) / np.where(scale > 0, scale, 1.0)
    distance = np.sqrt((apart**2).sum(axis=1))
    # Regression needs several points for each of its coefficients.
    keep = min(len(inside), max(round(accept * len(inside)), 5 * (count + 1)))
    width = float(np.sort(distance)[keep - 1]) or 1.0
    near = distance <= width
    weight = np.clip(1 - (distance[near] / width) ** 2, 1e-6, None)  # Epanechnikov's kernel
    # Regression on the logit keeps what is adjusted within the box.
    inner = np.clip(inside[near], 1e-4, 1 - 1e-4)
    logit = np.log(inner / (1 - inner))
    x = np.column_stack([np.ones(int(near.sum())), apart[near]])
    root = np.sqrt(weight)[:, None]
    beta, *_ = np.linalg.lstsq(x * root, logit * root, rcond=1e-6)
    adjusted = 1 / (1 + np.exp(-(logit - apart[near] @ beta[1:])))
    picked = rng.choice(len(adjusted), size=1000, p=weight / weight.sum())
    return np.asarray(box[:, 0] + adjusted[picked] * (box[:, 1] - box[:, 0]))


def _from_prior(world: _World, prior: Mapping[str, Any], quantiles: np.ndarray) -> np.ndarray:
    """Points at these quantiles of the prior, cut at the bounds (points x parameters)."""
    points = np.array(quantiles, dtype=float)
    for k, (name, span) in enumerate(world.spans.items()):
        if name in prior:
            low, high = prior[name].cdf([span.low, span.high])
            if not high > low:
                raise ValueError(f"the prior of {name} has nothing within its bounds")
            values = prior[name].ppf(low + points[:, k] * (high - low))
            points[:, k] = [min(max(world.place(name, float(v)), 0.0), 1.0) for v in values]
    return points


# -- what the targets cannot tell -------------------------------------------------------------------------


def _warnings(world: _World, u: np.ndarray, slope: _Slope, values: pd.DataFrame) -> list[str]:
    """Sentences on what is not identified, which bound is met, and what is not matched."""
    names = list(world.spans)
    said = []
    if len(world.observed) < len(names):
        said.append(
            f"{_targets_said(len(world.observed))} cannot tell {len(names)} parameters; give more "
            "targets or fix some parameters."
        )
    _, strength, directions = np.linalg.svd(slope.weighted, full_matrices=True)
    strength = np.append(strength, np.zeros(len(names) - len(strength)))
    doubt = np.sqrt((slope.error**2).sum(axis=0))  # of each column, in the same units
    together: set[frozenset[str]] = set()
    for s, v in zip(strength, directions, strict=True):
        luck = float(np.sqrt(((v * doubt) ** 2).sum()))
        if s > max(OPEN, 1.5 * luck):
            continue
        # Parameters that move the targets, but against each other; or one that does not move them.
        push = np.abs(v) * np.sqrt((slope.weighted**2).sum(axis=0))
        part = push / push.max() if push.max() > OPEN else np.abs(v)
        parts = [names[k] for k in np.argsort(-part, kind="stable") if part[k] > 0.4]
        advice = _advice(world, slope, v)
        if len(parts) == 1:
            said.append(
                f"The targets say little of {parts[0]}: its interval fills most of its bounds. " + advice
            )
        else:
            together.add(frozenset(parts))
            said.append(
                f"{_listed(parts)} cannot be told apart: they can be moved together through much of their "
                f"bounds while the targets change by {max(s, 1):.1f} standard errors. {advice}"
            )
    matrix = _scaled(values, dict(zip(names, world.log, strict=True))).corr().to_numpy()
    for i in range(len(names)):
        for j in range(i + 1, len(names)):
            pair = frozenset((names[i], names[j]))
            if abs(matrix[i, j]) > 0.9 and not any(pair <= t for t in together):
                said.append(
                    f"The estimates of {names[i]} and {names[j]} are correlated by {matrix[i, j]:+.2f}: "
                    "their combination is known better than each alone."
                )
    for k, name in enumerate(names):
        if min(u[k], 1 - u[k]) < 0.02:
            span = world.spans[name]
            end, bound = ("lower", span.low) if u[k] < 0.5 else ("upper", span.high)
            said.append(
                f"{name} ends at its {end} bound, {bound:g} {span.unit}: its interval says little; widen "
                "the bounds, or ask whether the targets suit the scenario."
            )
    gaps = world.gaps([u])[0]
    if off := [f"{n} ({g:+.1f})" for n, g in zip(world.aims.table.index, gaps, strict=True) if abs(g) > 3]:
        said.append(
            f"Not matched, by so many standard errors: {_listed(off)}. The scenario cannot show these "
            "targets together with the parameters that are free."
        )
    data = np.diag(world.aims.errors)
    share = np.diag(world.noise(u)) / (data + np.diag(world.noise(u)))
    if share.max() > 0.5:
        said.append(
            f"Most of the error of {world.aims.table.index[int(share.argmax())]} is the simulation's own "
            "luck; more replications or a larger population.size make it less."
        )
    return said


def _advice(world: _World, slope: _Slope, v: np.ndarray) -> str:
    """What to add, found among the moments that are no targets."""
    along = slope.others @ v
    gain = np.abs(along.mean(axis=0)) - 2 * along.std(axis=0, ddof=1) / math.sqrt(len(along))
    best = [k for k in np.argsort(-gain)[:2] if gain[k] > OPEN]
    if not best:
        return "None of the moments known here would tell; fix one of them at a value known from elsewhere."
    return f"Add {_listed([world.others[k] for k in best], 'or')} to the targets."


def _targets_said(count: int) -> str:
    return "1 target" if count == 1 else f"{count} targets"


def _listed(parts: Sequence[str], word: str = "and") -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} {word} {parts[-1]}"
