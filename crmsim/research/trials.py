"""A/B tests run inside the world: estimated as a firm would, and compared with the truth.

A `Trial` is a campaign that draws lots. As in a firm, lots are drawn some time before anybody is called,
some of those to be called are never reached, some of the others get the offer all the same, and some have
left by then. `run_trial` lives it, and keeps what the firm would have in its files and, apart, what would
have become of the same customers with the other lot. `estimates` is the firm's analysis, `trial_report`
holds it against the truth.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from ..simulation.customers import CustomerView
from ..simulation.draws import Key, Purpose, make_key, uniform
from ..simulation.engine import simulate
from ..simulation.policies import (
    ACTIONS,
    Action,
    Campaign,
    Offers,
    PolicyError,
    Programme,
    _check_settings,
    policies_of,
    policy,
    setting,
)
from ..simulation.scenario import Scenario
from ..simulation.watch import WorldView
from .statistics import mean_interval
from .truth import _Recorder

OUTCOMES = ("stayed", "value")


@dataclass(frozen=True)
class Trial:
    """An A/B test of an offer or a campaign, as a campaign of its own.

    offer: a name of an action or an `Action` that every customer reached is offered once, or a campaign
    (object, name with parameters), which runs for `months` months among those to be treated: whom it
    chooses among the others is left alone. Customers of month `start` take part; lots are drawn then,
    and calls begin `delay` months later, when some have left.

    Of those to be treated who are still there a share `compliance` is reached, and of the others a share
    `contamination` gets the offer all the same, both for customers with an average risk score. Those at
    risk are harder to reach: the log odds of either fall by `selection` for each standard deviation of
    the firm's risk score (nothing hidden is used). Whoever would get the offer by the wrong lot would by
    the right one as well (no defiers; Angrist, Imbens & Rubin 1996).

    Lots and who is reached are keyed numbers, functions of `seed` and the customer alone: the same in every
    world, and independent of everything that customers live. `cost`: of an offer in bills, where `offer` is
    no campaign. A trial can stand in a `Budget`. Raises PolicyError.
    """

    offer: Any = "call"
    share: float = setting(0.5, 0, 1, "share", "customers whose lot is to be treated")
    start: int = setting(3, 0, 600, "month", "lots are drawn among the customers of this month")
    months: int = setting(1, 1, 600, "months", "how long offers are made")
    compliance: float = setting(0.8, 0, 1, "share", "of those to be treated, who are reached")
    contamination: float = setting(0.05, 0, 1, "share", "of the others, who get the offer all the same")
    delay: int = setting(1, 0, 600, "months", "from the lots to the first offer")
    selection: float = setting(0.5, -10, 10, "log odds per sd", "how much harder those at risk are reached")
    cost: float = setting(0.14, 0, 1e6, "bills", "cost of an offer that is no campaign's")
    seed: int = setting(1, 0, 2**32 - 1, "", "which lots are drawn")
    label: str = ""

    def __post_init__(self) -> None:
        offer = self.offer
        if not isinstance(offer, Action) and not (isinstance(offer, str) and offer in ACTIONS):
            try:
                offer = policy(offer)
            except PolicyError as error:
                raise PolicyError(f"trial: {error}; or an action: {', '.join(ACTIONS)}") from None
            if isinstance(offer, type | Programme) or not isinstance(offer, Campaign):
                raise PolicyError(
                    f"trial: {offer!r} makes no offers; give an action or a campaign. A programme moves "
                    "levers for everyone, so no lots can be drawn"
                )
            object.__setattr__(self, "offer", offer)
        _check_settings(self)
        if self.contamination > self.compliance:
            raise PolicyError(
                f"trial: contamination ({self.contamination:g}) must not be above compliance "
                f"({self.compliance:g}), or the offer would reach more without a lot than with one"
            )

    @property
    def name(self) -> str:
        what = self.offer if isinstance(self.offer, str) else self.offer.name
        return self.label or f"trial:{what}"

    @property
    def contact(self) -> int:
        """The first month of offers."""
        return self.start + self.delay

    def runs_in(self, month: int) -> bool:
        return self.contact <= month < self.contact + self.months

    def treats(self, customers: np.ndarray) -> np.ndarray:
        """Whether each customer's lot is to be treated."""
        return np.asarray(uniform(Key(self.seed), Purpose.TRIAL_ARM, customers, 0)) < self.share

    def offers(self, view: CustomerView) -> Offers:
        if isinstance(self.offer, str | Action):
            once = np.flatnonzero(view.customer) if view.month == self.contact else np.zeros(0, dtype=int)
            wanted = Offers(view.id[once], self.offer, self.cost * view.scenario.bill)
            rows = once
        else:
            wanted = self.offer.offers(view)
            order = np.argsort(view.id)
            rows = order[np.searchsorted(view.id, wanted.ids, sorter=order)]
        luck = np.asarray(uniform(Key(self.seed), Purpose.TRIAL_REACHED, wanted.ids, 0))
        score = view.risk_score[rows]
        reached = luck < _tilted(self.compliance, self.selection * score)
        leaks = luck < _tilted(self.contamination, self.selection * score)
        takes_part = (view.joined_month[rows] <= self.start) & view.customer[rows]
        return wanted.take(np.flatnonzero(takes_part & np.where(self.treats(wanted.ids), reached, leaks)))


def _tilted(share: float, by: np.ndarray) -> np.ndarray:
    """A chance whose log odds are lowered."""
    from scipy.special import expit, logit

    return expit(logit(share) - by) if 0 < share < 1 else np.full(np.shape(by), float(share))


# -- the firm's analysis -----------------------------------------------------------------------------------

# Estimator: which truth it is held against.
ESTIMATORS: dict[str, str] = {
    "intention to treat": "effect of the lot",
    "per protocol": "effect on the treated",
    "as treated": "effect on the treated",
    "complier effect (Wald)": "effect on compliers",
}


def estimates(data: pd.DataFrame, outcome: str = "stayed", level: float = 0.95) -> pd.DataFrame:
    """What a firm can make of its test: four estimators of an effect, with intervals.

    data: a row a customer with the columns assigned and offered (true or false) and the outcome;
    `TrialRun.data`, or a real firm's.

    - intention to treat: those whose lot was to be treated, less the others, whoever was called.
    - per protocol: of the first only those called, of the others only those not called.
    - as treated: all who were called less all who were not.
    - complier effect: intention to treat over the difference in the share called, which is the effect on
      those whom the lot decided for, where the lot acts through the call alone (Wald 1940; Imbens &
      Angrist 1994). Its standard error is that of the differences of outcome - effect x called between
      the arms, over that difference in shares.

    Returns a frame indexed by estimator: estimate, standard_error, low, high, treated and compared (numbers
    of customers). Differences of means have Welch's interval (statsmodels), the complier effect a normal
    one; NaN where a group has fewer than two. Raises ValueError.
    """
    for column in ("assigned", "offered", outcome):
        if column not in data:
            raise ValueError(f"the data lack the column {column!r}; they have {', '.join(map(str, data))}")
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, not {level!r}")
    y = data[outcome].to_numpy(float)
    z, d = (data[name].to_numpy(bool) for name in ("assigned", "offered"))
    groups = {
        "intention to treat": (z, ~z),
        "per protocol": (z & d, ~z & ~d),
        "as treated": (d, ~d),
    }
    found = {name: _difference(y, *pair, level) for name, pair in groups.items()}
    found["complier effect (Wald)"] = _wald(y, z, d, level)
    table = pd.DataFrame.from_dict(found, orient="index").rename_axis("estimator")
    return table.astype({"treated": int, "compared": int})


def _difference(y: np.ndarray, one: np.ndarray, other: np.ndarray, level: float) -> dict[str, float]:
    sizes = {"treated": float(one.sum()), "compared": float(other.sum())}
    if min(sizes.values()) < 2:
        return dict.fromkeys(("estimate", "standard_error", "low", "high"), math.nan) | sizes
    from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

    pair = CompareMeans(DescrStatsW(y[one]), DescrStatsW(y[other]))
    low, high = pair.tconfint_diff(1 - level, usevar="unequal")
    error = pair.std_meandiff_separatevar
    return {
        "estimate": y[one].mean() - y[other].mean(),
        "standard_error": error,
        "low": low,
        "high": high,
    } | sizes


def _wald(y: np.ndarray, z: np.ndarray, d: np.ndarray, level: float) -> dict[str, float]:
    from scipy.special import ndtri

    sizes = {"treated": float(z.sum()), "compared": float((~z).sum())}
    nothing = dict.fromkeys(("estimate", "standard_error", "low", "high"), math.nan) | sizes
    if min(sizes.values()) < 2:
        return nothing
    called = d[z].mean() - d[~z].mean()
    if called <= 0:
        return nothing
    effect = (y[z].mean() - y[~z].mean()) / called
    rest = y - effect * d
    error = math.sqrt(rest[z].var(ddof=1) / sizes["treated"] + rest[~z].var(ddof=1) / sizes["compared"])
    error /= called
    half = float(ndtri((1 + level) / 2)) * error
    bounds = {"low": effect - half, "high": effect + half}
    return {"estimate": effect, "standard_error": error, **bounds} | sizes


# -- the test and the truth --------------------------------------------------------------------------------


@dataclass(frozen=True, repr=False)
class TrialRun:
    """A test that was lived, as the firm sees it and as it was.

    data: a row a customer who took part (index customer): assigned, offered, gone (before the first
    offer), stayed (1 or 0: a customer at the end, as far as the firm knows), value (margin since the lots
    were drawn). truth: the same rows: NAME_treat, NAME_control and NAME_none for both outcomes: with
    everybody's lot to be treated, with nobody's, and without the test, all with the same luck;
    offered_treat, offered_control; complier (offered by the one lot and not by the other).
    """

    scenario: Scenario
    trial: Trial
    data: pd.DataFrame
    truth: pd.DataFrame

    @property
    def flow(self) -> pd.DataFrame:
        """How many of each arm took part, had left before the first offer, and got one (the flow diagram
        of CONSORT 2010)."""
        arms = self.data["assigned"].map({True: "treatment", False: "control"})
        table = self.data.groupby(arms).agg(
            customers=("assigned", "size"), gone=("gone", "sum"), offered=("offered", "sum")
        )
        return table.reindex(["treatment", "control"], fill_value=0).rename_axis("arm")

    def true_effects(self, outcome: str = "stayed") -> dict[str, float]:
        """The three effects that estimators aim at: means of paired differences of the same customers.

        Effect of the lot: all to be treated less none, over everybody. Effect on the treated: as it was
        less without the test, over those with an offer. Effect on compliers: all to be treated less none,
        over those whom the lot decides for. NaN over nobody. Where customers act on each other (word of
        mouth, a line, a budget) the first and third hold for a campaign for everybody, which is what a
        firm would decide upon, and not for one more customer.
        """
        _known_outcome(outcome)
        t, d = self.truth, self.data
        of_lot = t[f"{outcome}_treat"] - t[f"{outcome}_control"]
        on_treated = d[outcome] - t[f"{outcome}_none"]
        return {
            "effect of the lot": float(of_lot.mean()),
            "effect on the treated": float(on_treated[d["offered"]].mean()),
            "effect on compliers": float(of_lot[t["complier"]].mean()),
        }

    def report(self, outcome: str = "stayed", level: float = 0.95) -> pd.DataFrame:
        """`estimates` with aims_at, truth, error (estimate - truth) and covered (the interval holds it)."""
        table = estimates(self.data, outcome, level)
        true = self.true_effects(outcome)
        table["aims_at"] = [ESTIMATORS[name] for name in table.index]
        table["truth"] = [true[aim] for aim in table["aims_at"]]
        table["error"] = table["estimate"] - table["truth"]
        table["covered"] = (table["low"] <= table["truth"]) & (table["truth"] <= table["high"])
        return table

    @cached_property
    def _line(self) -> str:
        there, called = self.flow["customers"], self.flow["offered"]
        return (
            f"{self.trial.name} in {self.scenario.name}: {len(self.data):,} took part, "
            f"{called['treatment']:,} of {there['treatment']:,} to be treated and "
            f"{called['control']:,} of {there['control']:,} others got an offer"
        )

    def __repr__(self) -> str:
        return f"{self._line}\n{self.report().drop(columns='aims_at').round(4).to_string()}"

    def _repr_html_(self) -> str:
        return f"<p>{self._line}</p>" + self.report().round(4).to_html(border=0)


def run_trial(
    scenario: Scenario | str,
    trial: Trial,
    seed: int = 1,
    *,
    replication: int = 0,
    policies: Iterable[Any] | Any = (),
    threads: int | None = None,
) -> TrialRun:
    """Live a test, and the same customers with the other lot.

    policies: what runs beside it. Four worlds with the same luck: as the lots fell, with everybody to be
    treated, with nobody, and without the test. Outcomes are at the scenario's end. Raises PolicyError,
    ScenarioError, ValueError.
    """
    scenario = Scenario.from_name(scenario)
    if not isinstance(trial, Trial):
        raise PolicyError(f"run_trial takes a Trial, not {trial!r}")
    if trial.contact >= scenario.population.months:
        raise ValueError(
            f"offers begin in month {trial.contact}, but the scenario ends after "
            f"{scenario.population.months} months"
        )
    beside = policies_of(scenario, policies)
    key = make_key(seed, replication)
    worlds = {
        name: _watched(scenario, beside, arm, trial, key, threads)
        for name, arm in (
            ("", trial),
            ("treat", replace(trial, share=1.0)),
            ("control", replace(trial, share=0.0)),
            ("none", None),
        )
    }
    lived = worlds.pop("")
    # Nothing differs between the worlds before the first offer, so neither do those who take part.
    data = lived.assign(assigned=trial.treats(lived.index.to_numpy()))
    truth = {f"{o}_{name}": world[o] for name, world in worlds.items() for o in OUTCOMES}
    truth |= {f"offered_{name}": worlds[name]["offered"] for name in ("treat", "control")}
    table = pd.DataFrame(truth, index=data.index)
    table["complier"] = table["offered_treat"] & ~table["offered_control"]
    return TrialRun(scenario, trial, data[["assigned", "offered", "gone", *OUTCOMES]], table)


def _watched(
    scenario: Scenario, beside: list[Any], arm: Trial | None, trial: Trial, key: Key, threads: int | None
) -> pd.DataFrame:
    """A world's customers of the month of the lots: offered, gone, stayed, value."""
    seen: dict[int, pd.DataFrame] = {}
    end = scenario.population.months

    def look(month: int, world: WorldView) -> None:
        if month in (trial.start, trial.contact, end):
            view = world.firm
            columns = {"customer": view.customer, "value": view.historical_value, "joined": view.joined_month}
            seen[month] = pd.DataFrame(columns, index=pd.Index(view.id, name="customer"))

    recorder = None if arm is None else _Recorder(arm)
    plan = beside if recorder is None else [*beside, recorder]
    simulate(
        scenario, plan, key.seed, replication=key.replication, threads=threads, progress=False, watch=look
    )
    first = seen[trial.start]
    who = first.index[first["customer"]]
    made = [offers.ids for offers in recorder.made.values()] if recorder else []
    offered = np.isin(who, np.concatenate(made)) if made else np.zeros(len(who), dtype=bool)
    last = seen[end].loc[who]
    return pd.DataFrame(
        {
            "offered": offered,
            "gone": ~seen[trial.contact].loc[who, "customer"],
            "stayed": last["customer"].astype(float),
            "value": last["value"].astype(float) - first.loc[who, "value"].astype(float),
        }
    )


def trial_report(
    scenario: Scenario | str,
    trial: Trial,
    seed: int = 1,
    *,
    replications: int = 20,
    policies: Iterable[Any] | Any = (),
    outcome: str = "stayed",
    level: float = 0.95,
    threads: int | None = None,
) -> pd.DataFrame:
    """The biases of a test: its estimators against the truth, over replications with other people and luck.

    Returns a frame indexed by estimator: aims_at, truth and estimate (means over replications), bias
    (estimate - truth) with bias_low and bias_high (Student's interval of the mean), standard_error (mean of
    what the firm computes), spread (standard deviation of estimate - truth), coverage (share of the firm's
    intervals that hold the truth), replications. Raises ValueError and what `run_trial` raises.
    """
    _known_outcome(outcome)
    if isinstance(replications, bool) or not isinstance(replications, int) or replications < 2:
        raise ValueError(f"replications must be a whole number of at least 2, not {replications!r}")
    reports = [
        run_trial(scenario, trial, seed, replication=r, policies=policies, threads=threads).report(
            outcome, level
        )
        for r in range(replications)
    ]
    rows = {}
    for name, aim in ESTIMATORS.items():
        each = pd.DataFrame([report.loc[name] for report in reports])
        each = each[each["error"].notna()]
        if len(each) < 2:
            rows[name] = {"aims_at": aim, "replications": len(each)}
            continue
        error = each["error"].to_numpy(float)
        bias, low, high = mean_interval(error, level)
        rows[name] = {
            "aims_at": aim,
            "truth": float(each["truth"].mean()),
            "estimate": float(each["estimate"].mean()),
            "bias": bias,
            "bias_low": low,
            "bias_high": high,
            "standard_error": float(each["standard_error"].mean()),
            "spread": float(error.std(ddof=1)),
            "coverage": float(each["covered"].mean()),
            "replications": len(each),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("estimator")


def _known_outcome(outcome: str) -> None:
    if outcome not in OUTCOMES:
        raise ValueError(f"unknown outcome {outcome!r}; known: {', '.join(OUTCOMES)}")
