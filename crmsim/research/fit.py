"""A scenario whose simulated customers look like a firm's own transaction log.

Step one is by maximum likelihood: BG/NBD for purchases and drop-out, gamma-gamma for spending
(`analysis.value`). Step two fits the simulator itself by simulated moments (McFadden 1989): the same
customers, each observed for as long as the firm observed its own, must show the same histogram of
repeat purchases and the same weekly curve. Everything the log cannot tell (satisfaction,
touchpoints, margin) stays as in the base scenario and is named in the result.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..analysis.value import BGNBD, GammaGamma, fit_bgnbd, fit_gamma_gamma
from ..data.transactions import DataError, Transactions, read_transactions, repeat_summary
from ..simulation.customers import CustomerView
from ..simulation.draws import Purpose, make_key, uniform
from ..simulation.engine import simulate
from ..simulation.policies import Offers
from ..simulation.scenario import Scenario

DAYS = 365.25 / 12
TOP = 7
PARAMETERS = ("purchase.rate_mean", "purchase.rate_shape", "churn.competitive", "churn.frailty_shape")
# Persons simulated in the fit: enough that the simulation's own noise is small beside the data's.
PERSONS = 20_000
FEWEST_CUSTOMERS, FEWEST_REPEATERS = 100, 30


@dataclass(frozen=True)
class Fit:
    """A fitted scenario and how well it matches.

    - `scenario`: what was fitted; `save(path)` writes it
    - `histogram`: customers by number of repeat purchases: data, simulated, bgnbd
    - `weekly`: repeat purchases a week and in total: data, simulated, bgnbd; `held_out` marks the
      weeks not used in the fit
    - `spend`: mean, standard deviation and quantiles of a repeat customer's mean purchase: data,
      simulated
    - `bgnbd`, `gamma_gamma`: the models of step one, in months
    - `quality`: the figures of the match in one table
    """

    scenario: Scenario
    histogram: pd.DataFrame
    weekly: pd.DataFrame
    spend: pd.DataFrame
    bgnbd: BGNBD
    gamma_gamma: GammaGamma
    customers: int
    purchases: int

    @property
    def quality(self) -> pd.DataFrame:
        """Distance of simulated and BG/NBD from the data: histogram (share of customers in the wrong
        class), weekly curve (mean absolute error of the running total, %, in the weeks fitted and held
        out), total of repeat purchases (error, %), spending (error of the mean, %)."""
        held = self.weekly["held_out"].to_numpy(dtype=bool)
        classes = self.histogram["data"].to_numpy(dtype=float)
        seen = self.weekly["data"].to_numpy(dtype=float)
        spent = self.spend.to_numpy(dtype=float)[0]
        rows: dict[str, dict[str, float]] = {}
        for model in ("simulated", "bgnbd"):
            made = self.weekly[model].to_numpy(dtype=float)
            misplaced = np.abs(self.histogram[model].to_numpy(dtype=float) - classes).sum()
            off = 100 * np.abs(np.cumsum(made) / np.maximum(np.cumsum(seen), 1) - 1)
            # The first weeks hold too few purchases for a percentage.
            row = {
                "histogram, % of customers misplaced": 50 * misplaced / classes.sum(),
                "weekly running total, mean error %, fitted weeks": off[~held][4:].mean(),
                "repeat purchases in the fitted weeks, error %": _error(made[~held], seen[~held]),
            }
            if held.any():
                row["weekly running total, mean error %, held-out weeks"] = off[held].mean()
                row["held-out purchases, error %"] = _error(made[held], seen[held])
            row["mean spend of repeat buyers, error %"] = (
                100 * (spent[1] / spent[0] - 1) if model == "simulated" else math.nan
            )
            rows[model] = row
        return pd.DataFrame(rows)

    def save(self, path: str | Path) -> Path:
        """Write the scenario as TOML, whole or not at all."""
        return self.scenario.save(path)

    def __repr__(self) -> str:
        return f"Fit({self.customers:,} customers, {self.purchases:,} purchases -> {self.scenario!r})"

    def report(self) -> str:
        """What was matched and how well, as plain text."""
        s = self.scenario
        lines = [
            f"{self.customers:,} customers, {self.purchases:,} purchases",
            f"step one: {self.bgnbd!r}",
            f"          {self.gamma_gamma!r}",
            "step two: " + ", ".join(f"{name} {_read(s, name):.4g}" for name in PARAMETERS),
            "",
            "customers by repeat purchases",
            self.histogram.round(0).astype(int).T.to_string(),
            "",
            "mean purchase of repeat buyers",
            self.spend.round(2).T.to_string(),
            "",
            "distance from the data",
            self.quality.round(2).to_string(na_rep="-"),
            "",
            "not in a transaction log and kept from the base scenario: satisfaction, touchpoints,",
            f"complaints, margin ({s.purchase.margin:.0%} of revenue), alternatives, switching costs.",
            "Edit the file where you know better.",
        ]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return f"<p><b>{self!r}</b></p>" + self.quality.round(2).to_html(na_rep="")


def fit_scenario(
    transactions: str | Path | Transactions | pd.DataFrame,
    *,
    base: str | Scenario = "retail",
    name: str = "fitted",
    months: int = 36,
    calibration_end: str | None = None,
    seed: int = 1,
    steps: int = 240,
    progress: bool = True,
    **columns: Any,
) -> Fit:
    """Fit a scenario to a transaction log.

    transactions: a file, a `Transactions`, or a table with columns customer, date, amount; `columns`
    go to `read_transactions` (customer=, date=, amount= ...). base: the scenario that supplies what a
    log cannot tell; it must be one without contract. months: length of the fitted scenario.
    calibration_end: fit up to this day and report the rest as a forecast. steps: at most so many
    simulations of step two.

    Raises DataError for a log that cannot be used or is too small (at least 100 customers and 30 who
    bought again), ScenarioError for a base that cannot be used.
    """
    scenario = Scenario.from_name(base)
    if scenario.purchase.contract:
        raise DataError(
            f"the base {scenario.name!r} bills by contract; "
            "a transaction log needs one without, such as 'retail'"
        )
    log = _log(transactions, columns)
    data = _Observed(log, calibration_end)
    summary = data.summary
    bgnbd = fit_bgnbd(summary["frequency"], summary["recency"], summary["T"])
    repeaters = summary[(summary["frequency"] > 0) & (summary["monetary_value"] > 0)]
    gamma_gamma = fit_gamma_gamma(repeaters["frequency"], repeaters["monetary_value"])
    scenario = scenario.replace(
        purchase__spend_shape=_held("purchase.spend_shape", gamma_gamma.p),
        purchase__spend_heterogeneity=_held("purchase.spend_heterogeneity", gamma_gamma.q),
        purchase__spend_scale=_held("purchase.spend_scale", gamma_gamma.gamma),
        policies=[],
        rivals=[],
    )
    world = _World(scenario, data, seed)
    fitted = _search(world, _first_guesses(bgnbd), steps, progress)
    final = world.scenario_at(fitted).replace(
        name=name,
        title=f"Fitted to {data.purchases:,} purchases of {data.customers:,} customers; base {scenario.name}",
        population__size=data.customers,
        population__months=months,
        population__initial_share=1.0,
        market=scenario.market,
        demand=scenario.demand,
        acquisition=scenario.acquisition,
        word_of_mouth=scenario.word_of_mouth,
        acquisition__imitation=0.0,
        acquisition__external=data.external_rate(scenario.market.size),
    )
    return _result(final, world, fitted, data, bgnbd, gamma_gamma)


def _log(transactions: Any, columns: dict[str, Any]) -> pd.DataFrame:
    if isinstance(transactions, Transactions):
        log = transactions.log
    else:
        log = read_transactions(transactions, **columns).log
    if log["amount"].isna().all():
        raise DataError("the log has no amounts; a scenario needs what customers spend")
    return log


class _Observed:
    """The data's moments: who was seen for how long, and what they did."""

    def __init__(self, log: pd.DataFrame, calibration_end: str | None) -> None:
        whole = repeat_summary(log, "D")
        self.summary = repeat_summary(log, "M", calibration_end=calibration_end)
        self.customers = len(self.summary)
        self.purchases = len(log)
        repeaters = int((self.summary["frequency"] > 0).sum())
        if self.customers < FEWEST_CUSTOMERS or repeaters < FEWEST_REPEATERS:
            raise DataError(
                f"the log has {self.customers:,} customers of whom {repeaters:,} bought again; "
                f"a fit needs at least {FEWEST_CUSTOMERS} and {FEWEST_REPEATERS}"
            )
        self.begin = log["date"].min().normalize()
        end = log["date"].max().normalize()
        self.end = end if calibration_end is None else pd.Timestamp(calibration_end)
        # Days from the first day of the log; weeks are whole and the last one complete.
        seen = whole.loc[self.summary.index]
        self.first_day = (seen["first"] - self.begin).dt.days.to_numpy()
        self.weeks = int((end - self.begin).days + 1) // 7
        self.fitted_weeks = int((self.end - self.begin).days + 1) // 7
        visits = log.assign(day=(log["date"].dt.normalize() - self.begin).dt.days)
        visits = visits[visits["customer"].isin(self.summary.index)]
        visits = visits.drop_duplicates(["customer", "day"]).sort_values(["customer", "day"])
        again = visits[visits["customer"].duplicated()]
        self.weekly = np.bincount(again["day"].to_numpy() // 7, minlength=self.weeks + 1)[: self.weeks]
        self.counts = self.summary["frequency"].to_numpy().astype(int)
        self.histogram = np.bincount(np.minimum(self.counts, TOP), minlength=TOP + 1)
        age = np.maximum(self.summary["T"].to_numpy(), 1e-9)
        self.recency = recency_classes(self.counts, self.summary["recency"].to_numpy() / age)
        self.spend = self.summary.loc[self.summary["frequency"] > 0, "monetary_value"].to_numpy()
        self.spend = self.spend[self.spend > 0]

    def external_rate(self, market: float) -> float:
        """Yearly share of non-customers won, from the newcomers of the second half of the log."""
        days = self.weeks * 7
        late = np.count_nonzero((self.first_day >= days / 2) & (self.first_day < days))
        a_year = late / max(days / 2, 1) * 365.25
        return float(min(a_year / (self.customers * max(market - 1, 1e-9)), 5.0))


class _Counter:
    """A campaign that only looks: purchases of everyone at the start of each month."""

    name = "counter"

    def __init__(self) -> None:
        self.counts: list[np.ndarray] = []

    def offers(self, view: CustomerView) -> Offers:
        self.counts.append(np.array(view.purchases))
        return Offers(np.zeros(0, dtype=np.int64), "contact", 0.0)


def recency_classes(repeats: np.ndarray, recency: np.ndarray) -> np.ndarray:
    """Repeat customers by number of repeat purchases (1, 2, 3-4, 5 and more) and by the quarter of the
    time observed in which the last one fell: who stopped buying long ago tells of drop-out."""
    number = np.digitize(repeats, [1, 2, 3, 5]) - 1
    quarter = np.clip((recency * 4).astype(int), 0, 3)
    some = number >= 0
    return np.bincount(number[some] * 4 + quarter[some], minlength=16).astype(float)


class _World:
    """Simulated twins of the observed customers, each seen as long as the original."""

    def __init__(self, scenario: Scenario, data: _Observed, seed: int) -> None:
        copies = max(1, round(PERSONS / data.customers))
        self.data, self.seed, self.copies = data, seed, copies
        self.persons = copies * data.customers
        # Seen to the end of the log, in months since the first purchase.
        last = (data.weeks * 7 - data.first_day) / DAYS
        self.start = np.tile(data.first_day / DAYS, copies)
        self.seen = np.tile(data.summary["T"].to_numpy(), copies)
        self.months = max(1, math.ceil(max(last.max(), self.seen.max()) + 1e-9))
        self.scenario = scenario.replace(
            population__size=self.persons,
            population__months=self.months,
            population__initial_share=1.0,
            market__size=1.0,
            acquisition__external=0.0,
            acquisition__imitation=0.0,
            word_of_mouth__contagion=0.0,
            demand__shock_sd=0.0,
            demand__season_amplitude=0.0,
            # The choice comes at each purchase occasion, as in BG/NBD: CDNOW's one-time buyers show it.
            churn__occasion_effect=1.0,
        )
        key = make_key(seed)
        ids, rows = np.arange(self.persons), np.floor(self.seen).astype(int)
        self.rows = np.minimum(rows, self.months - 1)
        # The month in which observation ends is seen in part.
        self.part = self.seen - self.rows
        self.luck = np.asarray(uniform(key, Purpose.PURCHASE_DAY, ids, self.rows))

    def scenario_at(self, theta: np.ndarray) -> Scenario:
        changes = {
            name.replace(".", "__"): _held(name, float(math.exp(t)))
            for name, t in zip(PARAMETERS, theta, strict=True)
        }
        return self.scenario.replace(**changes)

    def purchases(self, theta: np.ndarray) -> np.ndarray:
        """Repeat purchases of each person in each month since the first (persons x months)."""
        counter = _Counter()
        run = simulate(self.scenario_at(theta), [counter], seed=self.seed, progress=False)
        totals = np.stack([*counter.counts, np.array(run.view().purchases)], axis=1)
        return np.diff(totals, axis=1)

    def repeats(self, monthly: np.ndarray) -> np.ndarray:
        """Repeat purchases of each person in the time the original was observed."""
        running = np.concatenate([np.zeros((len(monthly), 1)), np.cumsum(monthly, axis=1)], axis=1)
        from scipy.special import bdtr

        at = np.arange(len(monthly))
        whole, last = running[at, self.rows], monthly[at, self.rows].astype(int)
        # Of the last month's purchases those before the end: binomial by inverse distribution.
        extra = np.zeros(len(monthly))
        some = np.flatnonzero(last > 0)
        for k in range(int(last.max(initial=0))):
            more = self.luck[some] > bdtr(k, last[some], np.clip(self.part[some], 0.0, 1.0))
            extra[some] += more & (k < last[some])
        return whole + extra

    def weekly(self, monthly: np.ndarray) -> np.ndarray:
        """Repeat purchases a calendar week, per observed customer population."""
        running = np.concatenate([np.zeros((len(monthly), 1)), np.cumsum(monthly, axis=1)], axis=1)
        days, cohort = np.unique(np.round(self.start * DAYS).astype(int), return_inverse=True)
        sums = np.zeros((days.size, self.months + 1))
        np.add.at(sums, cohort, running)
        edges = np.arange(self.data.weeks + 1) * 7.0
        ages = np.arange(self.months + 1) * DAYS
        total = np.zeros(edges.size)
        for day, curve in zip(days, sums, strict=True):
            total += np.interp(edges - day, ages, curve, left=0.0)
        return np.diff(total) / self.copies

    def histogram(self, repeats: np.ndarray) -> np.ndarray:
        top = np.minimum(repeats, TOP).astype(int)
        return np.bincount(top, minlength=TOP + 1) / self.copies

    def recency(self, monthly: np.ndarray) -> np.ndarray:
        """Time of the last repeat purchase as a share of the time observed; 0 without one."""
        at = np.arange(self.months)
        bought = (monthly > 0) & (at[None, :] <= self.rows[:, None])
        last = np.where(bought.any(axis=1), self.months - 1 - np.argmax(bought[:, ::-1], axis=1), 0)
        # The latest of n purchases in a month falls at the n-th root of a uniform number.
        within = self.luck ** (1 / np.maximum(monthly[np.arange(len(monthly)), last], 1))
        within = np.where(last == self.rows, within * self.part, within)
        return np.where(bought.any(axis=1), last + within, 0.0) / np.maximum(self.seen, 1e-9)

    def distance(self, theta: np.ndarray) -> float:
        """Chi-square of the histogram and of recency by number of purchases, and the distance of the
        running total at twelve points (3 % counts one)."""
        monthly = self.purchases(theta)
        data = self.data
        repeats = self.repeats(monthly)
        chi = 0.0
        for seen, expected in (
            (data.histogram, self.histogram(repeats)),
            (data.recency, recency_classes(repeats, self.recency(monthly)) / self.copies),
        ):
            noise = expected * (1 + 1 / self.copies) + 0.5
            chi += float((((seen - expected) ** 2) / noise).sum())
        weeks = data.fitted_weeks
        points = np.unique(np.linspace(weeks / 12, weeks, 12).astype(int)) - 1
        seen, made = np.cumsum(data.weekly)[points], np.cumsum(self.weekly(monthly))[points]
        return chi + float((((seen - made) / (0.03 * np.maximum(seen, 20))) ** 2).sum())


def _first_guesses(model: BGNBD) -> list[np.ndarray]:
    """From BG/NBD to the simulator: same purchase rates, dropping out at the mean monthly chance, with
    much and with little frailty (the distance has more than one valley)."""
    rate = model.r / model.alpha
    leaving = min(2.0, 2 * rate * model.a / (model.a + model.b))
    return [np.log([rate, max(model.r, 0.06), max(leaving, 1e-3), frailty]) for frailty in (0.6, 2.0)]


def _search(world: _World, starts: list[np.ndarray], steps: int, progress: bool) -> np.ndarray:
    from scipy.optimize import minimize
    from tqdm.auto import tqdm

    best = None
    with tqdm(
        total=steps, desc="fitting the simulator", unit="run", disable=not progress, leave=False
    ) as bar:

        def distance(theta: np.ndarray) -> float:
            bar.update()
            return world.distance(theta)

        for start in starts:
            simplex = np.vstack([start, *(start + 0.5 * np.eye(start.size))])
            found = minimize(
                distance,
                start,
                method="Nelder-Mead",
                options={
                    "initial_simplex": simplex,
                    "maxfev": steps // len(starts),
                    "xatol": 0.01,
                    "fatol": 0.5,
                },
            )
            if best is None or found.fun < best.fun:
                best = found
    assert best is not None
    return np.asarray(best.x)


def _result(
    final: Scenario,
    world: _World,
    theta: np.ndarray,
    data: _Observed,
    bgnbd: BGNBD,
    gamma_gamma: GammaGamma,
) -> Fit:
    # Another seed than the one fitted on: luck is not taken for a match.
    world.seed += 1
    monthly = world.purchases(theta)
    by_model = np.asarray(bgnbd.histogram(TOP - 1, data.summary["T"].to_numpy())).sum(axis=0)
    names = pd.Index([*map(str, range(TOP)), f"{TOP}+"], name="repeat purchases")
    histogram = pd.DataFrame(
        {
            "data": data.histogram.astype(float),
            "simulated": world.histogram(world.repeats(monthly)),
            "bgnbd": [*by_model, data.customers - by_model.sum()],
        },
        index=names,
    )
    edges = np.arange(data.weeks + 1) * 7
    days, count = np.unique(data.first_day, return_counts=True)
    ages = np.maximum(edges[None, :] - days[:, None], 0) / DAYS
    total = (np.asarray(bgnbd.expected_purchases(ages.ravel())).reshape(ages.shape) * count[:, None]).sum(
        axis=0
    )
    weekly = pd.DataFrame(
        {"data": data.weekly.astype(float), "simulated": world.weekly(monthly), "bgnbd": np.diff(total)},
        index=pd.RangeIndex(1, data.weeks + 1, name="week"),
    )
    for column in ("data", "simulated", "bgnbd"):
        weekly[f"total_{column}"] = weekly[column].cumsum()
    weekly["held_out"] = weekly.index > data.fitted_weeks
    spend = pd.DataFrame({"data": _described(data.spend), "simulated": _described(_spending(world, theta))})
    return Fit(final, histogram, weekly, spend, bgnbd, gamma_gamma, data.customers, data.purchases)


def _spending(world: _World, theta: np.ndarray) -> np.ndarray:
    """Mean purchase of each simulated repeat buyer."""
    run = simulate(world.scenario_at(theta), [], seed=world.seed, progress=False)
    people = run.customers
    bought = people[people["purchases"] > 0]
    return (bought["revenue"] / bought["purchases"]).to_numpy()


def _error(made: np.ndarray, seen: np.ndarray) -> float:
    return float(100 * (made.sum() / max(seen.sum(), 1) - 1))


def _described(values: np.ndarray) -> pd.Series:
    series = pd.Series(values)
    return pd.Series(
        {
            "mean": series.mean(),
            "sd": series.std(),
            **{f"{q:.0%}": series.quantile(q) for q in (0.1, 0.25, 0.5, 0.75, 0.9)},
        }
    )


def _read(scenario: Scenario, name: str) -> float:
    section, field = name.split(".")
    return float(getattr(getattr(scenario, section), field))


def _held(name: str, value: float) -> float:
    """A value held within the parameter's declared bounds."""
    from ..simulation.scenario import bounds

    section, field = name.split(".")
    model: Any = Scenario.model_fields[section].annotation
    low, high = bounds(model.model_fields[field])
    return float(min(max(value, low or 0.0), math.inf if high is None else high))
