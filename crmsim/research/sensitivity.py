"""Which parameters an outcome hangs on: Morris, Sobol and one at a time, with the luck shown apart.

A scenario is tried at the points of a design over the bounds of some of its parameters, each point with
several replications. All points share the luck of a replication, so what differs between them is the
parameters' doing, but for departures that tip over by a hair. That rest is measured, and told beside
every index: an index is uncertain because the points are few (`_conf`, by SALib) and because the
replications are (`_luck`).

    found = sensitivity("subscription", {"churn.natural": (0.001, 0.01), "market.openness": (0.2, 1)},
                        "kept", policies=["dunning"], baseline=[], method="sobol", n=64)
    found.table; found.plot_tornado(); found.plot_interactions()
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from ..simulation.scenario import Scenario, _unknown
from .designs import Range, from_unit, ranges, scenarios_of
from .experiment import OUTCOMES, PAIRED, SERVICE_OUTCOMES, Experiment

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Method = Literal["morris", "sobol"]
METHODS: tuple[Method, ...] = ("morris", "sobol")
# An outcome's name, or a function of the table of `Experiment.run` that gives a number a row.
Outcome = str | Callable[[pd.DataFrame], Any]
Parameters = Iterable[str] | Mapping[str, tuple[float, float] | None]
LEVELS = 4  # of a Morris grid
_KNOWN = {**OUTCOMES, **SERVICE_OUTCOMES}


@dataclass(frozen=True)
class Sensitivity:
    """How much of an outcome's variation over a design each parameter accounts for.

    `table` has a row a parameter, the most influential first, with name, low, high, unit and

    - sobol: S1, the share of the variance that the parameter explains alone; ST, with all its
      interactions; trend, the rank correlation of parameter and outcome, for the direction
    - morris: mu_star, the mean absolute effect on the outcome of moving the parameter through its whole
      range; mu, the mean effect, for the direction; sigma, how much it differs from place to place, by
      interaction or curvature

    Beside an index X stand X_conf, the half-width of SALib's interval, which would shrink with more points,
    and X_luck, the half-width of the interval due to the replications (jackknife over them, Student's t),
    which would shrink with more replications; missing for one replication. ST_noise is the part of ST
    that is luck alone: what is left of the index when it is taken off is the parameter's. noise, for
    Morris, is the root mean square standard error of one elementary effect: a mu_star not above it
    cannot be told from luck.

    - `interactions`: S2 of each pair with S2_conf and S2_luck, for sobol with second order; else None
    - `noise`: share of the outcome's variance over the points that is luck, not parameters
    - `design`, `values`: the points, and the outcome there (points x replications)
    - `runs`: worlds simulated, or taken from the cache
    """

    method: Method
    outcome: str
    unit: str
    effect: bool
    level: float
    seed: int
    scenario: Scenario
    spans: Mapping[str, Range]
    table: pd.DataFrame
    interactions: pd.DataFrame | None
    variance: pd.Series
    design: pd.DataFrame
    values: np.ndarray
    runs: int

    @property
    def noise(self) -> float:
        """Share of the variance of the points' means that is luck; NaN for one replication."""
        return float(self.variance["noise_share"])

    @property
    def what(self) -> str:
        """The outcome in words, with its unit."""
        words = self.outcome.replace("_", " ")
        return (f"effect of the policy on {words}" if self.effect else words) + (
            f" ({self.unit})" if self.unit else ""
        )

    @property
    def note(self) -> str:
        """What limits the result, in sentences; empty if nothing does."""
        parts = []
        if self.values.shape[1] == 1:
            parts.append("One replication does not show how much is luck; run at least two.")
        elif self.noise > 0.1:
            parts.append(
                f"{self.noise:.0%} of the variance over the points is luck; more replications or more "
                "customers make it less."
            )
        if self.method == "sobol":
            wide = self.table.loc[
                self.table["ST_conf"] > np.maximum(0.5 * self.table["ST"], 0.1), "parameter"
            ]
            if len(wide):
                parts.append(f"Too few points to be sure of {', '.join(wide)}; double n.")
        return " ".join(parts)

    def to_csv(self, path: str | Path) -> Path:
        """Write the table, whole or not at all."""
        path = Path(path)
        part = path.with_name(path.name + ".part")
        self.table.to_csv(part, index=False)
        part.replace(path)
        return path

    def plot_tornado(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Parameters by influence, with both intervals. `options` go to `plots.influence_bars`."""
        from .. import plots

        return plots.influence_bars(self.table, ax, **self._told(options))

    def plot_interactions(self, ax: Axes | None = None, **options: Any) -> Axes:
        """The pairs that act together (sobol), or mean against spread of the effects (morris)."""
        from .. import plots

        if self.method == "morris":
            return plots.elementary_effects(self.table, ax, **self._told(options))
        if self.interactions is None:
            raise ValueError("without second_order=True there are no interactions to draw")
        return plots.interaction_matrix(self.interactions, ax, **self._told(options))

    def _told(self, options: dict[str, Any]) -> dict[str, Any]:
        size = self.scenario.population
        note = (
            f"{self.scenario.name}, {size.size:,} customers, {size.months} months, "
            f"{len(self.design):,} points x {self.values.shape[1]} replications, seed {self.seed}"
        )
        return {"note": note, "what": self.what, **options}

    def __repr__(self) -> str:
        replications = self.values.shape[1]
        share = "" if replications == 1 else f", {self.noise:.1%} of the variance is luck"
        head = (
            f"{self.what}: {self.method} over {len(self.spans)} parameters of {self.scenario.name!r}, "
            f"{len(self.design):,} points x {replications} replications{share}"
        )
        return "\n".join(filter(None, [head, self._shown().to_string(index=False), self.note]))

    def _repr_html_(self) -> str:
        from html import escape

        head = repr(self).splitlines()[0]
        return (
            f"<p>{escape(head)}</p>{self._shown().to_html(index=False, border=0)}<p>{escape(self.note)}</p>"
        )

    def _shown(self) -> pd.DataFrame:
        digits = 3 if self.method == "sobol" else 4
        numbers = self.table.select_dtypes("number").columns
        shown = self.table.copy()
        for name in numbers:
            shown[name] = [f"{x:.{digits}g}" if abs(x) >= 1e-3 else f"{x:.3f}" for x in shown[name]]
        return shown


def sensitivity(
    scenario: Scenario | str,
    parameters: Parameters,
    outcome: Outcome = "kept",
    policies: Iterable[Any] | None = None,
    baseline: Iterable[Any] | None = None,
    method: Method = "sobol",
    n: int = 64,
    replications: int = 4,
    seed: int = 1,
    *,
    second_order: bool = True,
    level: float = 0.95,
    jobs: int = -1,
    progress: bool = True,
    cache: str | Path | bool | None = None,
) -> Sensitivity:
    """Which of some parameters an outcome, or a policy's effect on it, hangs on.

    parameters: names as in `Scenario.table()`, or a mapping of names to (low, high); None and a mere name
    stand for the declared bounds, which are often far wider than what is plausible, and the answer is
    about the bounds given. outcome: of an Experiment (`OUTCOMES`, `SERVICE_OUTCOMES`), or a function of
    its table that gives a number a row. policies: a list as for `simulate`; None for those in the
    scenario's file. baseline: a list of policies; with it the outcome is the effect of `policies` against
    it, the paired difference with the same luck.

    method: "morris" screens many parameters with n trajectories of k + 1 points (Morris 1991, mu* after
    Campolongo et al. 2007); "sobol" shares out the variance with n (2 k + 2) points, n a power of two, or
    n (k + 2) without second_order (Sobol' 2001; Saltelli et al. 2010). Both by SALib. replications: worlds
    at each point, each with other luck, the same at all points.

    The worlds are cells of an Experiment: kept, resumable, in parallel (`jobs`, `cache` as there).

    Raises ScenarioError for the parameters, PolicyError for the policies, ValueError for the rest, and
    ImportError without SALib.
    """
    base = Scenario.from_name(scenario)
    if method not in METHODS:
        raise ValueError(_unknown(str(method), list(METHODS), "method"))
    _whole("replications", replications, 1)
    _whole("n", n, 4)
    if method == "sobol" and n & (n - 1):
        raise ValueError(f"n must be a power of two for sobol, such as {1 << n.bit_length()}, not {n}")
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, not {level!r}")
    spans = ranges(base, parameters)
    if len(spans) < 2:
        raise ValueError("with a single parameter there is nothing to compare; use tornado, or name two")
    points = unit_points(len(spans), method, n, seed, second_order)
    table = from_unit(spans, points)
    label, unit = _label(outcome)
    values, runs = _outcomes(
        base,
        table,
        outcome,
        policies,
        baseline,
        replications,
        seed,
        jobs=jobs,
        progress=progress,
        cache=cache,
    )
    found, pairs, variance = analyse(list(spans), points, values, method, second_order, level, seed)
    limits = pd.DataFrame(
        {
            "low": [s.low for s in spans.values()],
            "high": [s.high for s in spans.values()],
            "unit": [s.unit for s in spans.values()],
        },
        index=pd.Index(list(spans), name="parameter"),
    )
    order = "ST" if method == "sobol" else "mu_star"
    rows = limits.join(found).sort_values(order, ascending=False, kind="stable").reset_index()
    return Sensitivity(
        method, label, unit, baseline is not None, level, seed, base, spans, rows, pairs, variance, table,
        values, runs,
    )  # fmt: skip


def unit_points(parameters: int, method: Method, n: int, seed: int, second_order: bool = True) -> np.ndarray:
    """SALib's design for a method as points of the unit cube."""
    problem = _problem([f"x{k}" for k in range(parameters)])
    if method == "morris":
        return np.asarray(_salib("sample.morris").sample(problem, n, num_levels=LEVELS, seed=seed))
    with warnings.catch_warnings():
        # SciPy warns of a design that is no power of two, which `sensitivity` refuses.
        warnings.simplefilter("ignore", UserWarning)
        sample = _salib("sample.sobol").sample
        return np.asarray(sample(problem, n, calc_second_order=second_order, seed=seed))


def analyse(
    names: list[str],
    points: np.ndarray,
    values: np.ndarray,
    method: Method,
    second_order: bool = True,
    level: float = 0.95,
    seed: int = 1,
) -> tuple[pd.DataFrame, pd.DataFrame | None, pd.Series]:
    """Indices, interactions and the parts of the variance, from the outcome at each point.

    points: of `unit_points`. values: points x replications; any model's, not only a world's. Returns a
    table indexed by parameter with the columns that `Sensitivity` describes; S2 of each pair, or None; and
    the variance of the points' means: total, of it noise (luck that differs from point to point) with its
    share, and shared (luck that moves all points alike and does no harm). Raises ValueError where the
    outcome is the same everywhere.
    """
    values = np.asarray(values, dtype=float)
    if values.ndim == 1:
        values = values[:, None]
    replications = values.shape[1]
    if np.ptp(values.mean(axis=1)) == 0:
        raise ValueError("the outcome is the same at all points: none of the parameters moves it")
    pairs: pd.DataFrame | None = None
    if method == "morris":
        found = _morris(names, points, values, level, seed)
    else:
        found, pairs = _sobol(names, values, second_order, level, seed)
        found["trend"] = _trend(names, points, values.mean(axis=1))
    if replications > 1:
        half = _t(level, replications - 1)
        one = _indices(names, points, values.mean(axis=1), method, second_order)
        left_out = [
            _indices(names, points, np.delete(values, r, axis=1).mean(axis=1), method, second_order)
            for r in range(replications)
        ]
        for key in one:
            error = _jackknife(np.array([part[key] for part in left_out]))
            if key == "S2":
                assert pairs is not None
                pairs["S2_luck"] = half * error
            else:
                found[f"{key}_luck"] = half * error
    return found[[c for c in _COLUMNS if c in found]], pairs, _variance(values)


@dataclass(frozen=True)
class Tornado:
    """What each parameter does alone, moved from its lowest to its highest value.

    `table` has a row a parameter, the widest swing first: parameter, low, high, unit, base; at_low and
    at_high, the outcome's change from that of the scenario as it is, with the same luck, each with its
    interval (at_low_from, at_low_to ...); swing, at_high less at_low, with its interval. `base_value` is
    the outcome of the scenario as it is. One at a time shows no interactions.
    """

    outcome: str
    unit: str
    effect: bool
    level: float
    seed: int
    scenario: Scenario
    replications: int
    base_value: float
    table: pd.DataFrame

    @property
    def what(self) -> str:
        """The outcome in words, with its unit."""
        words = self.outcome.replace("_", " ")
        return (f"effect of the policy on {words}" if self.effect else words) + (
            f" ({self.unit})" if self.unit else ""
        )

    def plot(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Bars to both sides of the scenario as it is. `options` go to `plots.tornado_bars`."""
        from .. import plots

        size = self.scenario.population
        note = (
            f"{self.scenario.name}, {size.size:,} customers, {size.months} months, "
            f"{self.replications} replications, seed {self.seed}"
        )
        given = {"note": note, "what": self.what, "base": self.base_value, **options}
        return plots.tornado_bars(self.table, ax, **given)

    def __repr__(self) -> str:
        head = (
            f"{self.what} of {self.scenario.name!r}: {self.base_value:,.6g}; change as one parameter moves, "
            f"{self.replications} replications, {100 * self.level:g} % intervals"
        )
        return f"{head}\n{self.table.to_string(index=False, float_format='{:.4g}'.format)}"

    def _repr_html_(self) -> str:
        from html import escape

        return f"<p>{escape(repr(self).splitlines()[0])}</p>" + self.table.to_html(
            index=False, border=0, float_format="{:.4g}".format
        )


def tornado(
    scenario: Scenario | str,
    parameters: Parameters,
    outcome: Outcome = "kept",
    policies: Iterable[Any] | None = None,
    baseline: Iterable[Any] | None = None,
    replications: int = 20,
    seed: int = 1,
    *,
    level: float = 0.95,
    jobs: int = -1,
    progress: bool = True,
    cache: str | Path | bool | None = None,
) -> Tornado:
    """The outcome with each parameter at its low and its high bound, all others as in the scenario.

    Arguments as for `sensitivity`. Differences are paired, replication by replication, and their
    intervals are Student's t. Raises as `sensitivity` does.
    """
    base = Scenario.from_name(scenario)
    _whole("replications", replications, 2)
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, not {level!r}")
    spans = ranges(base, parameters)
    declared = base.table()["value"]
    here = {name: declared[name] for name in spans}
    rows = [here]
    for name, span in spans.items():
        kind = int if span.whole else float
        rows += [{**here, name: kind(span.low)}, {**here, name: kind(span.high)}]
    table = pd.DataFrame(rows, index=pd.RangeIndex(len(rows), name="point"))
    label, unit = _label(outcome)
    values, _ = _outcomes(
        base,
        table,
        outcome,
        policies,
        baseline,
        replications,
        seed,
        jobs=jobs,
        progress=progress,
        cache=cache,
    )
    half = _t(level, replications - 1)

    def told(name: str, change: np.ndarray) -> dict[str, float]:
        mean, error = float(change.mean()), half * float(change.std(ddof=1)) / math.sqrt(replications)
        return {name: mean, f"{name}_from": mean - error, f"{name}_to": mean + error}

    found = []
    for k, (name, span) in enumerate(spans.items()):
        low, high = values[1 + 2 * k], values[2 + 2 * k]
        found.append(
            {
                "parameter": name,
                "low": span.low,
                "high": span.high,
                "unit": span.unit,
                "base": here[name],
                **told("at_low", low - values[0]),
                **told("at_high", high - values[0]),
                **told("swing", high - low),
            }
        )
    rows_found = pd.DataFrame(found)
    order = rows_found["swing"].abs().sort_values(ascending=False, kind="stable").index
    return Tornado(
        label, unit, baseline is not None, level, seed, base, replications, float(values[0].mean()),
        rows_found.loc[order].reset_index(drop=True),
    )  # fmt: skip


# -- runs --------------------------------------------------------------------------------------------


def _outcomes(
    base: Scenario,
    table: pd.DataFrame,
    outcome: Outcome,
    policies: Iterable[Any] | None,
    baseline: Iterable[Any] | None,
    replications: int,
    seed: int,
    *,
    jobs: int,
    progress: bool,
    cache: str | Path | bool | None,
) -> tuple[np.ndarray, int]:
    """The outcome at each point of a design (points x replications), and the number of runs."""
    for name, given in (("policies", policies), ("baseline", baseline)):
        if isinstance(given, Mapping | str):
            raise ValueError(f'{name}: give a list of policies, such as ["dunning"] or [], not {given!r}')
    if outcome in PAIRED and baseline is None:
        raise ValueError(f"{outcome!r} compares with a baseline: give one, such as baseline=[]")
    plans: dict[str, Any] = {} if baseline is None else {"baseline": list(baseline)}
    plans["policies"] = None if policies is None else list(policies)
    experiment = Experiment(plans, scenarios_of(base, table), replications, seed, cache=cache)
    cells = experiment.run(jobs=jobs, progress=progress)
    if callable(outcome):
        try:
            numbers = np.asarray(outcome(cells), dtype=float)
        except (TypeError, ValueError) as error:
            raise ValueError(f"outcome: the function must give a number a row ({error})") from None
        if numbers.shape != (len(cells),):
            raise ValueError(f"outcome: the function must give a number a row, {len(cells):,} in all")
    elif outcome not in cells:
        raise ValueError(f"{outcome!r} is known with a service desk only: set service.desk in the scenario")
    else:
        numbers = cells[outcome].to_numpy(dtype=float)
    values = numbers.reshape(len(table), len(plans), replications)
    values = values[:, 0] if baseline is None else values[:, 1] - values[:, 0]
    if bad := int(np.count_nonzero(~np.isfinite(values).all(axis=1))):
        raise ValueError(
            f"the outcome is missing at {bad} of {len(table)} points, such as a mean wait when nobody is "
            "answered; narrow the bounds or take another outcome"
        )
    return values, len(cells)


def _label(outcome: Outcome) -> tuple[str, str]:
    if callable(outcome):
        name = getattr(outcome, "__name__", "outcome")
        return ("outcome" if name == "<lambda>" else name), ""
    if outcome not in _KNOWN:
        raise ValueError(_unknown(str(outcome), list(_KNOWN), "outcome"))
    return outcome, _KNOWN[outcome][0]


def _whole(name: str, value: Any, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, not {value!r}")


# -- indices -----------------------------------------------------------------------------------------

_COLUMNS = (
    "S1", "S1_conf", "S1_luck", "ST", "ST_conf", "ST_luck", "ST_noise", "trend",
    "mu_star", "mu_star_conf", "mu_star_luck", "mu", "mu_luck", "sigma", "sigma_luck", "noise",
)  # fmt: skip


def _salib(name: str) -> Any:
    import importlib

    try:
        return importlib.import_module(f"SALib.{name}")
    except ImportError:
        raise ImportError('SALib is needed here: pip install "crmsim[research]"') from None


def _problem(names: list[str]) -> dict[str, Any]:
    return {"num_vars": len(names), "names": names, "bounds": [[0.0, 1.0]] * len(names)}


def _sobol(
    names: list[str], values: np.ndarray, second_order: bool, level: float, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    mean = values.mean(axis=1)
    # SALib takes a seed of 0 for none.
    found = _salib("analyze.sobol").analyze(
        _problem(names), mean, calc_second_order=second_order, conf_level=level, seed=seed + 1
    )
    columns = {key: np.asarray(found[key]) for key in ("S1", "S1_conf", "ST", "ST_conf")}
    table = pd.DataFrame(columns, index=pd.Index(names, name="parameter"))
    first, _, mixed, _, variance = _parts(values, len(names), second_order)
    replications = values.shape[1]
    if replications > 1:
        own = (first[:, None] - mixed).var(axis=-1, ddof=1).mean(axis=0)
        table["ST_noise"] = own / replications / (2 * variance)
    else:
        table["ST_noise"] = math.nan
    if not second_order:
        return table, None
    rows = [
        {"one": names[j], "other": names[k], "S2": found["S2"][j, k], "S2_conf": found["S2_conf"][j, k]}
        for j in range(len(names))
        for k in range(j + 1, len(names))
    ]
    return table, pd.DataFrame(rows)


def _parts(values: np.ndarray, k: int, second_order: bool) -> tuple[Any, Any, Any, Any, float]:
    """A, B, AB, BA of a Saltelli design (n x ... x replications), and the variance of A and B's means."""
    blocks = values.reshape(-1, (2 * k + 2) if second_order else (k + 2), values.shape[-1])
    a, b = blocks[:, 0], blocks[:, -1]
    ab = blocks[:, 1 : k + 1]
    ba = blocks[:, k + 1 : 2 * k + 1] if second_order else None
    return a, b, ab, ba, float(np.var(np.concatenate([a, b]).mean(axis=-1)))


def _morris(
    names: list[str], points: np.ndarray, values: np.ndarray, level: float, seed: int
) -> pd.DataFrame:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        found = _salib("analyze.morris").analyze(
            _problem(names), points, values.mean(axis=1), conf_level=level, num_levels=LEVELS, seed=seed + 1
        )
    columns = {key: np.asarray(found[key], dtype=float) for key in ("mu_star", "mu_star_conf", "mu", "sigma")}
    table = pd.DataFrame(columns, index=pd.Index(names, name="parameter"))
    effects = elementary(points, values)
    if values.shape[1] > 1:
        table["noise"] = [
            math.sqrt(float(effects[k].var(axis=-1, ddof=1).mean()) / values.shape[1])
            for k in range(len(names))
        ]
    else:
        table["noise"] = math.nan
    return table


def elementary(points: np.ndarray, values: np.ndarray) -> list[np.ndarray]:
    """Elementary effects of each parameter (trajectories x replications): the change of the outcome over
    that of the parameter, in whole ranges, along the trajectories of a Morris design."""
    k = points.shape[1]
    x = points.reshape(-1, k + 1, k)
    y = values.reshape(-1, k + 1, values.shape[-1])
    step, gain = np.diff(x, axis=1), np.diff(y, axis=1)
    moved = np.abs(step).argmax(axis=2)
    size = np.take_along_axis(step, moved[:, :, None], axis=2)
    effects = gain / size
    return [effects[moved == j] for j in range(k)]


def _indices(
    names: list[str], points: np.ndarray, mean: np.ndarray, method: Method, second_order: bool
) -> dict[str, np.ndarray]:
    """The indices alone, by SALib's estimators, for the jackknife."""
    if method == "morris":
        effects = [e[:, 0] for e in elementary(points, mean[:, None])]
        return {
            "mu_star": np.array([np.abs(e).mean() for e in effects]),
            "mu": np.array([e.mean() for e in effects]),
            "sigma": np.array([e.std(ddof=1) for e in effects]),
        }
    s = _salib("analyze.sobol")
    k = len(names)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # an outcome that stays the same without one replication
        a, b, ab, ba, _ = _parts(((mean - mean.mean()) / mean.std())[:, None], k, second_order)
        a, b, ab = a[:, 0], b[:, 0], ab[:, :, 0]
        found = {
            "S1": np.array([s.first_order(a, ab[:, j], b) for j in range(k)]),
            "ST": np.array([s.total_order(a, ab[:, j], b) for j in range(k)]),
        }
        if second_order:
            ba = ba[:, :, 0]
            found["S2"] = np.array(
                [
                    s.second_order(a, ab[:, i], ab[:, j], ba[:, i], b)
                    for i in range(k)
                    for j in range(i + 1, k)
                ]
            )
    return {key: np.asarray(x, dtype=float).reshape(-1) for key, x in found.items()}


def _jackknife(left_out: np.ndarray) -> np.ndarray:
    """Standard error from the estimates that leave one replication out (replications x indices)."""
    n = len(left_out)
    return np.asarray(np.sqrt((n - 1) / n * ((left_out - left_out.mean(axis=0)) ** 2).sum(axis=0)))


def _trend(names: list[str], points: np.ndarray, mean: np.ndarray) -> list[float]:
    from scipy.stats import spearmanr

    return [float(spearmanr(points[:, k], mean).statistic) for k in range(len(names))]


def _variance(values: np.ndarray) -> pd.Series:
    """Two-way analysis of points x replications without repetition."""
    count, replications = values.shape
    total = float(values.mean(axis=1).var(ddof=1))
    noise = shared = math.nan
    if replications > 1:
        rest = values - values.mean(axis=1, keepdims=True) - values.mean(axis=0) + values.mean()
        own = float((rest**2).sum()) / ((count - 1) * (replications - 1))
        noise = own / replications
        shared = max(float(values.mean(axis=0).var(ddof=1)) - own / count, 0.0) / replications
    return pd.Series({"total": total, "noise": noise, "noise_share": noise / total, "shared": shared})


def _t(level: float, degrees: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(degrees, (1 + level) / 2))
