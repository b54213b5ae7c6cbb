"""Learners of individual effects, judged on a campaign whose true effects are known.

`uplift_data` simulates a campaign whose names are drawn by lot and gives what a firm would have (features,
who was called, what became of them) beside what no firm has: what the call truly changes for each customer.
`benchmark` fits learners on such data and compares them with the usual rules and with an oracle. The learners
(S, T, X: Künzel, Sekhon, Bickel & Yu 2019), Qini and profit are those of `crmsim.analysis.targeting`; a
causal forest (Athey, Tibshirani & Wager 2019) joins them where econml is installed.

`FUTILITY` and `benchmark` together ask what Ascarza (2018) asked, Retention futility, Journal of Marketing
Research 55(1), 80-98: are the customers likeliest to leave the ones to call?
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..analysis.targeting import (
    LEARNERS,
    _Learner,
    auuc,
    expected_saves,
    profit_curve,
    qini,
)
from ..simulation.customers import CustomerView
from ..simulation.draws import Key, Purpose, make_key
from ..simulation.engine import CompiledWorld
from ..simulation.policies import ACTIONS, Action, Offers, PolicyError, policies_of
from ..simulation.scenario import Scenario, ScenarioError
from .optimise import mean_interval

Floats = npt.NDArray[np.float64]

FEATURES: dict[str, str] = {
    "tenure": "months since joining",
    "referred": "1 if brought by a customer",
    "channel": "way to pay: 0 by hand, 1 card, 2 debit",
    "purchases": "purchases or paid bills so far",
    "recency": "months since the last purchase or paid bill",
    "revenue": "money that came in so far",
    "monthly_value": "margin a month so far, money",
    "complaints": "complaints so far",
    "months_since_complaint": "months since the last, 999 for never",
    "payment_failures": "failed payments so far",
    "months_since_payment_failure": "months since the last, 999 for never",
    "offers": "offers so far",
    "months_since_offer": "months since the last, 999 for never",
    "reported_satisfaction": "this month's answer, points; missing for those not asked",
    "risk_score": "the firm's score of the risk of leaving, standardised",
    "response_score": "the firm's score of the response to a call, standardised",
}
"""Columns of X: what the firm sees in the month of the campaign, before it."""

TRUTH: dict[str, str] = {
    "kept_without": "1 if still a customer at the end of the horizon in the life without the offer",
    "kept_with": "the same in the life with the offer, on the same luck",
    "value_without": "margin within the horizon in the life without the offer, money",
    "value_with": "the same with the offer, on the same luck",
    "effect": "expected effect of the offer on still being a customer, mean over the lucks",
    "effect_error": "its standard error by the lucks",
    "worth": "what a customer kept is worth: own margin a month over the months that can be expected, money",
}
"""Columns of the truth; a firm has none of them."""

FUTILITY: dict[str, dict[str, float]] = {
    "risk is not response": {},
    "contact wakes": {
        "population__response_mean": 0.0,
        "population__response_risk_correlation": -0.3,
    },
}
"""Changes of a preset in which calling by risk can be compared: as it is, where response hardly goes with
risk, and where calls do as much harm as good and the likeliest to leave respond worst."""

# A customer kept is worth the margin of so many more months, at the own chance of leaving.
WORTH = 48


@dataclass(frozen=True, eq=False, repr=False)
class UpliftData:
    """A campaign by lot and its truth, a row a customer in all tables, indexed by customer.

    X: `FEATURES`. t: 1 for those who got the offer. y: `kept` (still a customer at the end of the horizon, as
    the firm sees it) and `value` (margin within it, money), after the campaign that was. truth: `TRUTH`.
    price: cost of an offer to one customer, money.
    """

    scenario: Scenario
    action: Action
    month: int
    horizon: int
    price: float
    seed: int
    replication: int
    lucks: int
    X: pd.DataFrame
    t: pd.Series
    y: pd.DataFrame
    truth: pd.DataFrame

    @property
    def dictionary(self) -> pd.DataFrame:
        """Every column: `file`, `column`, `meaning`."""
        outcome = {
            "kept": f"1 if still a customer {self.horizon} months later, as the firm sees it",
            "value": f"margin within {self.horizon} months, {self.scenario.currency}",
        }
        rows = [
            *(("X", name, FEATURES[str(name)]) for name in self.X),
            ("t", "t", f"1 if the customer got the offer ({self.action.name}) in month {self.month}, by lot"),
            *(("y", name, meaning) for name, meaning in outcome.items()),
            *(("truth", name, meaning) for name, meaning in TRUTH.items()),
        ]
        return pd.DataFrame(rows, columns=["file", "column", "meaning"])

    def save(self, folder: str | Path, kind: str = "csv") -> Path:
        """Write X, t, y, truth and their dictionary to a folder, each file whole or not at all.

        kind: "csv" or "parquet". Returns the folder. Raises ValueError for another kind, OSError.
        """
        if kind not in ("csv", "parquet"):
            raise ValueError(f'kind={kind!r} is not known; give "csv" or "parquet"')
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        tables = {"X": self.X, "t": self.t.to_frame(), "y": self.y, "truth": self.truth}
        for name, table in tables.items():
            target = folder / f"{name}.{kind}"
            part = target.with_name(target.name + ".part")
            if kind == "csv":
                table.to_csv(part)
            else:
                import duckdb

                frame = table.reset_index()  # noqa: F841 (read by its name)
                with duckdb.connect() as connection:
                    connection.execute(
                        f"copy frame to '{str(part).replace(chr(39), chr(39) * 2)}' (format parquet)"
                    )
            part.replace(target)
        part = folder / "dictionary.csv.part"
        self.dictionary.to_csv(part, index=False)
        part.replace(folder / "dictionary.csv")
        return folder

    def __len__(self) -> int:
        return len(self.X)

    def __repr__(self) -> str:
        s = self.scenario
        return (
            f"UpliftData({s.name}, seed {self.seed}, replication {self.replication}: {len(self):,} "
            f"customers, {int(self.t.sum()):,} with a {self.action.name} in month {self.month}; true effect "
            f"on staying {self.horizon} months {100 * self.truth['effect'].mean():+.2f} points on average, "
            f"below zero for {100 * (self.truth['effect'] < 0).mean():.0f} %)"
        )


@dataclass(frozen=True)
class _Once:
    """An offer to named customers (None: to all) in one month."""

    ids: Any
    action: Action
    price: float
    month: int
    name: str = "campaign"

    def runs_in(self, month: int) -> bool:
        return month == self.month

    def offers(self, view: CustomerView) -> Offers:
        ids = view.id[view.customer] if self.ids is None else self.ids
        return Offers(ids, self.action, self.price)


@dataclass(frozen=True)
class _After:
    """What became of the customers of the campaign's month, in their order; the first two a row a month."""

    there: npt.NDArray[np.bool_]  # a customer when the month began
    chance: Floats  # of leaving in the month
    kept: Floats
    value: Floats


def _live(
    scenario: Scenario, policies: list[Any], key: Key, luck: int, month: int, horizon: int, look: Any
) -> _After:
    """A world up to the horizon; from the campaign on with the luck of this number, 0 for the same."""
    world = CompiledWorld(scenario, policies, key, {}, False, [], threads=1)
    for m in range(month):
        world.begin(m)
        world.finish(m)
    world.begin(month)
    view = CustomerView(world.people, month, world.levers.values)
    rows = np.flatnonzero(view.customer)
    look(view, rows)
    if luck:
        other = np.random.SeedSequence([key.seed, key.replication, luck]).generate_state(2)
        world.turn_luck(Key(*other.tolist()))

    def now(name: str) -> Floats:
        return world.people.column(name)[rows].astype(np.float64)

    before = now("historical_value")
    there, chance = [], []
    for m in range(month, month + horizon):
        there.append(now("active") > 0)
        world.finish(m)
        chance.append(np.where(there[-1], now("hazard"), 0.0))
        if m + 1 < month + horizon:
            world.begin(m + 1)
    after = CustomerView(world.people, month + horizon, world.levers.values)
    return _After(
        there=np.array(there),
        chance=np.array(chance),
        kept=after.customer[rows].astype(np.float64),
        value=now("historical_value") - before,
    )


def uplift_data(
    scenario: Scenario | str,
    action: str | Action = "call",
    *,
    month: int = 12,
    horizon: int = 6,
    share: float = 0.5,
    price: float | None = None,
    lucks: int = 16,
    policies: Any = (),
    seed: int = 1,
    replication: int = 0,
) -> UpliftData:
    """Simulate a campaign by lot in one month, and what it truly changes for every customer.

    action: what is offered (a name of `policies.ACTIONS` or an Action). month: of the campaign; horizon:
    months after which it is judged. share: of the customers who get the offer. price: of an offer to one
    customer, money; when left out, that of a `RetentionCall`, .14 bills. policies: what the firm does
    besides. seed, replication: the luck of the world and of the lot.

    The truth comes from two more worlds, in which nobody and everybody gets the offer. On the luck of the
    campaign they give the two lives of each customer; on `lucks` other lucks from the campaign on, with the
    same customers as they stand then, the expected effect. With contracts that is the difference of the
    monthly chances of leaving while both lives run, each times the chance of staying from then to the end
    of the horizon: a departure put off does not count, and there is far less noise than in counting
    departures. Without contracts, where the firm sees no departure, it is the difference of being counted a
    customer. Word of mouth passes between customers, so an effect includes a little of the others'
    offers, and the observed outcome is not always that of one of the two lives.

    Raises ScenarioError, PolicyError, ValueError.
    """
    scenario = Scenario.from_name(scenario)
    if scenario.service.desk != "none":
        raise ScenarioError(
            [("service", 'luck cannot change on the way at a desk: set service.desk to "none"')],
            scenario.name,
        )
    for name, number, low in (("month", month, 1), ("horizon", horizon, 1), ("lucks", lucks, 2)):
        if isinstance(number, bool) or not isinstance(number, int) or number < low:
            raise ValueError(f"{name} must be a whole number of at least {low}, not {number!r}")
    if not 0 < share < 1:
        raise ValueError(f"share must lie between 0 and 1, not {share!r}: some must go without")
    if isinstance(action, str):
        if action not in ACTIONS:
            raise PolicyError(f"unknown action {action!r}; known: {', '.join(ACTIONS)}, or an Action")
        action = ACTIONS[action]
    cost = 0.14 * scenario.bill if price is None else float(price)
    if not (math.isfinite(cost) and cost >= 0):
        raise ValueError(f"price must be money of at least 0, not {price!r}")
    world = scenario.replace(population__months=month + horizon)
    always = policies_of(world, policies)
    key = make_key(seed, replication)
    found: dict[str, Any] = {}

    def look(view: CustomerView, rows: npt.NDArray[np.intp]) -> None:
        if found:
            return
        found["ids"] = view.id[rows]
        found["X"] = {name: np.asarray(getattr(view, name), dtype=np.float64)[rows] for name in FEATURES}
        found["drawn"] = view.uniform(Purpose.RANDOM_TARGET)[rows] < share

    def lives(ids: Any, luck: int = 0) -> _After:
        campaign = [] if ids is not None and not len(ids) else [_Once(ids, action, cost, month)]
        return _live(world, [*always, *campaign], key, luck, month, horizon, look)

    nobody = np.zeros(0, dtype=np.int64)
    without = [lives(nobody, luck) for luck in range(lucks + 1)]
    if found["ids"].size < 2:
        raise ValueError(f"{scenario.name}: the firm has fewer than two customers in month {month}")
    called = [lives(None, luck) for luck in range(lucks + 1)]
    real = lives(found["ids"][found["drawn"]])
    others = list(zip(without[1:], called[1:], strict=True))
    hazard = _hazard(without[1:])
    if scenario.purchase.contract:
        stays = np.exp(-np.arange(horizon)[::-1, None] * hazard)
        each = np.array(
            [(np.where(a.there & b.there, a.chance - b.chance, 0.0) * stays).sum(axis=0) for a, b in others]
        )
    else:
        each = np.array([b.kept - a.kept for a, b in others])
    index = pd.Index(found["ids"], name="customer")
    truth = {
        "kept_without": without[0].kept.astype(np.int8), "kept_with": called[0].kept.astype(np.int8),
        "value_without": without[0].value, "value_with": called[0].value,
        "effect": each.mean(axis=0), "effect_error": each.std(axis=0, ddof=1) / math.sqrt(lucks),
        "worth": _worth(without[1:], scenario),
    }  # fmt: skip
    return UpliftData(
        scenario=scenario, action=action, month=month, horizon=horizon, price=cost, seed=key.seed,
        replication=key.replication, lucks=lucks,
        X=pd.DataFrame(found["X"], index=index),
        t=pd.Series(found["drawn"].astype(np.int8), index=index, name="t"),
        y=pd.DataFrame({"kept": real.kept.astype(np.int8), "value": real.value}, index=index),
        truth=pd.DataFrame(truth, index=index),
    )  # fmt: skip


def _months(lives: Sequence[_After]) -> Floats:
    """Months lived in all, at least 1."""
    return np.maximum(np.sum([a.there.sum(axis=0) for a in lives], axis=0), 1.0)


def _hazard(lives: Sequence[_After]) -> Floats:
    """Each customer's mean monthly chance of leaving."""
    return np.asarray(np.sum([a.chance.sum(axis=0) for a in lives], axis=0) / _months(lives))


def _worth(lives: Sequence[_After], scenario: Scenario) -> Floats:
    """Margin of `WORTH` more months, discounted, at the own margin and chance of leaving uncalled."""
    margin = np.sum([a.value for a in lives], axis=0) / _months(lives)
    rate = _hazard(lives) + math.log1p(scenario.firm.discount_rate) / 12
    return np.asarray(np.maximum(margin, 0.0) * -np.expm1(-rate * WORTH) / np.maximum(rate, 1e-9))


# -- learners ------------------------------------------------------------------------------------------


class CausalForest(_Learner):
    """A causal forest by econml's `CausalForestDML` (Athey, Tibshirani & Wager 2019), if econml is there."""

    name = "causal forest"

    def _learn(self, X: Floats, y: Floats, t: npt.NDArray[np.bool_]) -> None:
        from econml.dml import CausalForestDML

        self._middle = np.nanmedian(X, axis=0)
        self._forest = CausalForestDML(discrete_treatment=True, n_estimators=200, random_state=0)
        self._forest.fit(y, t.astype(int), X=self._filled(X))

    def _effect(self, X: Floats) -> Floats:
        return np.asarray(self._forest.effect(self._filled(X)), dtype=np.float64).ravel()

    def _filled(self, X: Floats) -> Floats:
        """A forest takes no missing values: the median stands for them."""
        return np.where(np.isfinite(X), X, np.nan_to_num(self._middle))


def learners(estimator: Any = "boosting") -> dict[str, Any]:
    """The S, T and X learner over a scikit-learn estimator, and the causal forest, by name, not fitted."""
    found = {kind.name: kind(estimator) for kind in LEARNERS}
    return found | {CausalForest.name: CausalForest()}


def _rules(data: UpliftData) -> dict[str, Floats]:
    """What rules without learning rank by, a number a customer."""
    X, people = data.X, data.scenario.population
    response = people.response_mean + people.response_sd * X["response_score"]
    drawn = np.random.default_rng([data.seed, data.replication]).random(len(data))
    return {
        "random": drawn,
        "risk": X["risk_score"].to_numpy(),
        "value": X["monthly_value"].to_numpy(),
        "uplift": (np.exp(X["risk_score"]) * (1.0 - np.exp(-response))).to_numpy(),
    }


# -- the benchmark ---------------------------------------------------------------------------------------

MEASURES: dict[str, str] = {
    "qini": "Qini coefficient on the outcomes of the campaign, per treated customer",
    "auuc": "area under the uplift curve above chance, on the outcomes of the campaign",
    "true_qini": "the same area by the true effects, customers kept per customer",
    "kept": "customers truly kept per 1,000 called, calling the best `share`",
    "harmed": "of those called, whom the call makes likelier to leave, share",
    "profit": "true profit with the best share called, money per 1,000 customers",
    "best_share": "that share",
    "of_oracle": "that profit over the oracle's",
    "rank_correlation": "Spearman's correlation of score and true effect",
    "pehe": "root mean squared error of the estimated effect; for learners only",
}
"""Measures of `benchmark`."""
ORACLE = "oracle"


@dataclass(frozen=True, eq=False, repr=False)
class Benchmark:
    """Methods compared on data whose truth is known.

    rows: a row a scenario, replication, method and measure: `value`. notes: what could not be done. curves:
    of the first replication, scenario -> method -> columns of `expected_saves` by true effect, test half.
    """

    rows: pd.DataFrame
    notes: tuple[str, ...]
    curves: dict[str, dict[str, pd.DataFrame]]
    profits: dict[str, dict[str, pd.DataFrame]]
    share: float
    level: float = 0.95

    @property
    def table(self) -> pd.DataFrame:
        """A row a scenario, method and measure: `mean`, `low`, `high` over the replications, and
        `over_random`, `over_random_low`, `over_random_high`, the difference on the same replications."""
        rows = []
        keys = ["scenario", "method", "measure"]
        for (scenario, measure), part in self.rows.groupby(["scenario", "measure"], sort=False):
            wide = part.pivot(index="replication", columns="method", values="value")
            for method in part["method"].unique():
                values = wide[method].dropna()
                apart = (wide[method] - wide["random"]).dropna()
                found = *mean_interval(values, self.level), *mean_interval(apart, self.level)
                rows.append((scenario, method, measure, *found, len(values)))
        columns = ["mean", "low", "high", "over_random", "over_random_low", "over_random_high"]
        return pd.DataFrame(rows, columns=[*keys, *columns, "replications"])

    def summary(self, measures: Iterable[str] = ("kept", "of_oracle", "rank_correlation")) -> pd.DataFrame:
        """Means by method, a column a measure."""
        wanted = list(measures)
        if unknown := [m for m in wanted if m not in MEASURES]:
            raise ValueError(f"unknown measure {unknown[0]!r}; known: {', '.join(MEASURES)}")
        means = self.table.pivot_table(
            index=["scenario", "method"], columns="measure", values="mean", sort=False, dropna=False
        )
        return means.reindex(columns=wanted)

    def difference(
        self, measure: str, one: str, other: str, scenario: str | None = None
    ) -> tuple[float, ...]:
        """Mean difference of two methods on the same replications, and its interval.

        scenario: the first when left out. Raises ValueError for an unknown method, measure or scenario.
        """
        names = self.rows["scenario"].unique()
        rows = self.rows[
            (self.rows["scenario"] == (scenario or names[0])) & (self.rows["measure"] == measure)
        ]
        wide = rows.pivot(index="replication", columns="method", values="value")
        for name in (one, other):
            if name not in wide:
                raise ValueError(f"no {measure!r} of {name!r} in {scenario or names[0]!r}")
        return mean_interval((wide[one] - wide[other]).dropna(), self.level)

    def __repr__(self) -> str:
        shown = self.summary().round(3).to_string()
        n = self.rows["replication"].nunique()
        return "\n".join(
            [f"Benchmark of {n} replications, the best {100 * self.share:g} % called", shown, *self.notes]
        )


def benchmark(
    scenarios: Any,
    learners: Mapping[str, Any] | None = None,
    *,
    replications: int = 5,
    share: float = 0.1,
    level: float = 0.95,
    progress: bool = True,
    **how: Any,
) -> Benchmark:
    """Fit learners on half of a campaign's customers, and grade them on the other half by the truth.

    scenarios: a scenario (or preset, or file), several, or names and scenarios; or an `UpliftData`, or a
        list of them, which are its replications.
    learners: name -> object with `fit(X, outcome, treated)` and `predict(X)`, the effect on staying
        (`learners()` when left out). Beside them stand, without learning, `random`, `risk` (the firm's
        score), `value` (margin a month), `uplift` (the rule of `RetentionCall(target="uplift")`, which
        trusts the firm's two scores), and `oracle`, who knows every true effect.
    replications: worlds for each scenario. share: called for `kept` and `harmed`. how: as for
        `uplift_data`.

    Whom a method calls first is decided by its score for staying. For profit a learner's score is its effect
    x the customer's margin a month, the oracle's the true effect x worth. Profit is worth x effect less
    price. Returns a `Benchmark`. Raises ScenarioError, PolicyError, ValueError, ImportError.
    """
    from tqdm.auto import tqdm

    given = _learners(learners)
    if not 0 < share < 1:
        raise ValueError(f"share must lie between 0 and 1, not {share!r}")
    rows: list[tuple[Any, ...]] = []
    notes: dict[str, None] = {}
    curves: dict[str, dict[str, pd.DataFrame]] = {}
    profits: dict[str, dict[str, pd.DataFrame]] = {}
    jobs = _data(scenarios, replications, how)
    for name, replication, make in tqdm(
        jobs, desc="benchmark", unit="world", disable=not progress, leave=False
    ):
        data = make()
        drawn = np.random.default_rng([data.seed, data.replication, 1]).random(len(data)) < 0.5
        train, test = np.flatnonzero(drawn), np.flatnonzero(~drawn)
        scores, effects = _rules(data), dict[str, Floats]()
        scores = {method: score[test] for method, score in scores.items()}
        margin = np.maximum(data.X["monthly_value"].to_numpy()[test], 0.0)
        money = dict(scores)
        for method, learner in given.items():
            try:
                learner.fit(data.X.iloc[train], data.y["kept"].iloc[train], data.t.iloc[train])
            except ModuleNotFoundError as error:
                notes[f"{method}: left out, {error.name} is not installed"] = None
                continue
            effects[method] = scores[method] = np.asarray(
                learner.predict(data.X.iloc[test]), dtype=np.float64
            )
            money[method] = scores[method] * margin
        effect, worth = data.truth["effect"].to_numpy()[test], data.truth["worth"].to_numpy()[test]
        scores[ORACLE], money[ORACLE] = effect, effect * worth
        kept, treated = data.y["kept"].to_numpy(float)[test], data.t.to_numpy(float)[test]
        best = math.nan
        for method in [ORACLE, *(m for m in scores if m != ORACLE)]:
            score = scores[method]
            true = expected_saves(score, effect)
            profit = profit_curve(expected_saves(money[method], effect, value=worth), contact=data.price)
            top = int(profit["profit"].to_numpy().argmax())
            earned = 1000 * float(profit["profit"].iloc[top]) / len(test)
            best = earned if method == ORACLE else best
            number = max(round(share * len(test)), 1)
            called = np.argsort(-score, kind="stable")[:number]
            found = {
                "qini": qini(kept, treated, score),
                "auuc": auuc(kept, treated, score, normalisation="above_random"),
                "true_qini": float(np.trapezoid(true["gain"] - true["random_gain"], true["share"]))
                / len(test),
                "kept": 1000 * float(effect[called].sum()) / number,
                "harmed": float((effect[called] < 0).mean()),
                "profit": earned,
                "best_share": float(profit["share"].iloc[top]),
                "of_oracle": earned / best if best > 0 else math.nan,
                "rank_correlation": float(pd.Series(score).rank().corr(pd.Series(effect).rank())),
                "pehe": float(np.sqrt(np.mean((effects[method] - effect) ** 2)))
                if method in effects
                else math.nan,
            }
            rows += [(name, replication, method, measure, value) for measure, value in found.items()]
            if replication == 0 or name not in curves or method not in curves[name]:
                curves.setdefault(name, {})[method] = true
                profits.setdefault(name, {})[method] = profit
    table = pd.DataFrame(rows, columns=["scenario", "replication", "method", "measure", "value"])
    return Benchmark(table, tuple(notes), curves, profits, share, level)


def _learners(given: Mapping[str, Any] | None) -> dict[str, Any]:
    found = globals()["learners"]() if given is None else dict(given)
    for name, learner in found.items():
        if name in (ORACLE, "random", "risk", "value", "uplift"):
            raise ValueError(f"learners: the name {name!r} is taken; give another")
        if not (hasattr(learner, "fit") and hasattr(learner, "predict")):
            raise ValueError(f"learner {name!r}: fit(X, outcome, treated) and predict(X) are needed")
    return found


def _data(
    scenarios: Any, replications: int, how: dict[str, Any]
) -> list[tuple[str, int, Callable[[], UpliftData]]]:
    """Name, replication and a way to get the data, for each world."""
    if isinstance(scenarios, UpliftData):
        scenarios = [scenarios]
    if isinstance(scenarios, Mapping):
        worlds = {name: Scenario.from_name(x) for name, x in scenarios.items()}
    elif isinstance(scenarios, Scenario | str | Path):
        found = Scenario.from_name(scenarios)
        worlds = {found.name: found}
    else:
        items = list(scenarios)
        if items and all(isinstance(x, UpliftData) for x in items):
            if how:
                raise ValueError(f"{next(iter(how))}: the data are made already")
            return [(x.scenario.name, k, lambda x=x: x) for k, x in enumerate(items)]  # type: ignore[misc]
        worlds = {x.name: x for x in map(Scenario.from_name, items)}
    if not worlds:
        raise ValueError("scenarios: give at least one")
    if isinstance(replications, bool) or not isinstance(replications, int) or replications < 1:
        raise ValueError(f"replications must be a whole number of at least 1, not {replications!r}")
    return [
        (name, r, lambda world=world, r=r: uplift_data(world, **({"replication": r} | how)))  # type: ignore[misc]
        for name, world in worlds.items()
        for r in range(replications)
    ]
