"""Quantities that published facts are about, each computed from simulated worlds.

A function takes the worlds of one replication and the name of a preset and gives a number, NaN
where there is nothing to compute it from.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..analysis.value import BGNBD, GammaGamma, fit_bgnbd, fit_gamma_gamma, fit_sbg
from ..simulation.policies import FourProblems, LoyaltyProgramme, RetentionCall, StaffSkill, WinBack
from ..simulation.run import CAUSES
from ..simulation.scenario import Scenario
from ..simulation.town import age
from .opening import OpenedWorld, opened
from .worlds import MONTHLY, World, Worlds

Measure = Callable[[Worlds, str], float]
Floats = npt.NDArray[np.float64]
OPENED_YEARS = 7  # for which an opened market is looked at
BEFORE_STEADY = 12  # months left out where a fact is about an established relationship

# Share of a cohort still there after 0 to 12 years: Fader & Hardie 2007, Table 1.
HIGH_END = np.array([100, 86.9, 74.3, 65.3, 59.3, 55.1, 51.7, 49.1, 46.8, 44.5, 42.7, 40.9, 39.4]) / 100
REGULAR = np.array([100, 63.1, 46.8, 38.2, 32.6, 28.9, 26.2, 24.1, 22.3, 20.7, 19.4, 18.3, 17.3]) / 100
COHORTS = {"subscription": HIGH_END, "retail": REGULAR}
CDNOW = BGNBD(r=0.2426, alpha=4.4135, a=0.7929, b=2.4258)
CDNOW_SPEND = GammaGamma(p=6.25, q=3.74, gamma=15.45)
# Satisfaction of 750 in 2012 by area of a Chinese water utility's service, best first.
WATER_AREAS = {
    "supply": 519.34, "billing": 513.52, "price": 487.48, "service": 486.99, "image": 469.62,
    "communication": 440.09, "water_quality": 437.62,
}  # fmt: skip
# Reliabilities of measurement chosen so that the correlations come near those of the ECSI data.
RELIABILITY = {"expectation": 0.60, "quality": 0.85, "value": 0.85, "loyalty": 0.70}
FORMAL_COMPLAINTS = 0.02  # share of contacts over a problem that become a formal complaint; assumed


# -- the worlds ----------------------------------------------------------------------------------


def main(worlds: Worlds, preset: str) -> World:
    """The preset as it is, with events, snapshots and some customers' every month."""
    return worlds.world(
        preset,
        watch={"events": True, "snapshots": (9, 12, 18, 24, 36, 48), "monthly": MONTHLY, "follow": 300},
    )


def long(worlds: Worlds, preset: str) -> World:
    """The same customers for twelve years."""
    return worlds.world(preset, population__months=144, watch={"monthly": ("active",)})


def plain(worlds: Worlds, preset: str, *policies: Any, **changes: Any) -> World:
    """A run to compare with another of the same customers."""
    return worlds.world(preset, policies, watch={"monthly": ("active",)}, **changes)


# -- A. survival, purchase, value ------------------------------------------------------------------


def sbg_gap(cohort: Floats, a: float, b: float) -> Measure:
    """Largest relative distance of the fitted sBG parameters from the published ones."""

    def measure(worlds: Worlds, preset: str) -> float:
        fitted = fit_sbg(cohort[:8])
        return 100 * max(abs(fitted.a / a - 1), abs(fitted.b / b - 1))

    return measure


def sbg_forecast(cohort: Floats) -> Measure:
    """Largest gap of the sBG forecast of years 8 to 12, points."""

    def measure(worlds: Worlds, preset: str) -> float:
        return float(100 * np.abs(fit_sbg(cohort[:8]).survival(np.arange(8, 13)) - cohort[8:]).max())

    return measure


SILENT: dict[str, Any] = {
    "churn__natural": 0.0, "churn__competitive": 0.0, "churn__fault_minor": 0.0, "churn__fault_major": 0.0,
    "churn__retaliatory": 0.0, "acquisition__external": 0.0, "acquisition__imitation": 0.0,
    "payment__cutoff": 0.0, "word_of_mouth__contagion": 0.0, "demand__shock_sd": 0.0,
    "demand__season_amplitude": 0.0,
}  # fmt: skip


def sbg_null(worlds: Worlds, preset: str) -> float:
    """Root mean square distance of the refitted sBG parameters, in standard errors."""
    world = worlds.world(
        "subscription",
        watch={"monthly": ("active",)},
        population__months=12,
        churn__baseline_a=0.668,
        churn__baseline_b=3.806,
        **SILENT,
    )
    model = fit_sbg(world.active.sum(axis=1).astype(float))
    return _distance(model.parameters, model.standard_errors, {"a": 0.668, "b": 3.806})


def survival_gap(first: int, last: int) -> Measure:
    """Largest gap from the published survival in these years, points."""

    def measure(worlds: Worlds, preset: str) -> float:
        survival = long(worlds, preset).yearly_survival()
        years = slice(first, last + 1)
        return float(100 * np.abs(survival[years] - COHORTS[preset][years]).max())

    return measure


def _retention(survival: Floats) -> Floats:
    return survival[1:] / np.maximum(survival[:-1], 1e-12)


def retention_fall(worlds: Worlds, preset: str) -> float:
    """Smallest change of yearly retention from one year to the next, years 1 to 7."""
    return float(np.diff(_retention(long(worlds, preset).yearly_survival()[:8])).min())


def retention_rise(worlds: Worlds, preset: str) -> float:
    rates = _retention(long(worlds, preset).yearly_survival()[:8])
    return float(rates[6] - rates[0])


def _constant(worlds: Worlds, shape: float | None) -> World:
    """Subscription in which nobody's hazard depends on what happens to him."""
    same = dict.fromkeys(("frailty_shape", "mobility_shape"), shape) if shape is not None else {}
    changes: dict[str, Any] = {f"churn__{k}": v for k, v in same.items()}
    if shape is not None:
        changes["payment__payer_shape"] = shape
        changes["payment__manual_failure"] = changes["payment__debit_failure"] = 0.05
    return worlds.world(
        "subscription",
        watch={"monthly": ("active", "hazard")},
        population__months=84,
        churn__value_effect=0.0,
        churn__delight_effect=0.0,
        churn__switching_effect=0.0,
        churn__affective_effect=0.0,
        churn__fault_minor=0.0,
        churn__fault_major=0.0,
        churn__retaliatory=0.0,
        word_of_mouth__contagion=0.0,
        acquisition__external=0.0,
        acquisition__imitation=0.0,
        **changes,
    )


def own_slope(worlds: Worlds, preset: str) -> float:
    """Mean yearly change of a person's own hazard, per cent, over those who stay seven years."""
    world = _constant(worlds, None)
    hazard = world.column("hazard")[1:]
    stayed = world.active[-1]
    early, late = hazard[:12, stayed].mean(axis=0), hazard[72:84, stayed].mean(axis=0)
    known = early > 0
    return float(100 * np.mean(np.log(late[known] / early[known])) / 6)


def rise_of(shape: float | None) -> Measure:
    def measure(worlds: Worlds, preset: str) -> float:
        rates = _retention(_constant(worlds, shape).yearly_survival())
        return float(rates[6] - rates[0])

    return measure


def _cdnow(worlds: Worlds) -> World:
    """BG/NBD and gamma-gamma alone, a step a day for 78 weeks, with the parameters of CDNOW."""
    size = min(worlds.customers or 10_000, 10_000)
    return worlds.world(
        "retail",
        watch={"events": True, "monthly": ("active",)},
        population__size=size,
        population__months=546,
        purchase__rate_shape=CDNOW.r,
        purchase__rate_mean=CDNOW.r / CDNOW.alpha / 7,
        purchase__satisfaction_effect=0.0,
        purchase__dropout_a=CDNOW.a,
        purchase__dropout_b=CDNOW.b,
        purchase__spend_shape=CDNOW_SPEND.p,
        purchase__spend_heterogeneity=CDNOW_SPEND.q,
        purchase__spend_scale=CDNOW_SPEND.gamma,
        **SILENT,
    )


def cdnow_refit(worlds: Worlds, preset: str) -> float:
    """Root mean square distance of the seven refitted parameters from the truth, in standard errors.

    The step of the engine is a day here; the trial purchase opens the record and is not simulated.
    """
    world = _cdnow(worlds)
    spent = world.happened("purchase")
    bought = spent > 0
    x = bought.sum(axis=0)
    days = len(bought)
    last = np.where(x > 0, days - np.argmax(bought[::-1], axis=0), 0)
    repeat = fit_bgnbd(x, last / 7, np.full(x.size, days / 7))
    mean = spent.sum(axis=0, dtype=float)[x > 0] / x[x > 0]
    money = fit_gamma_gamma(x[x > 0], mean)
    a = _distance(repeat.parameters, repeat.standard_errors, CDNOW.parameters)
    b = _distance(money.parameters, money.standard_errors, CDNOW_SPEND.parameters)
    return math.sqrt((4 * a**2 + 3 * b**2) / 7)


def _distance(found: dict[str, float], errors: dict[str, float], truth: dict[str, float]) -> float:
    return math.sqrt(np.mean([((found[k] - truth[k]) / errors[k]) ** 2 for k in truth]))


def _cdnow_purchases(worlds: Worlds) -> Floats:
    """Purchases of each customer in 18 months, the trial purchase included."""
    return 1.0 + (_cdnow(worlds).happened("purchase") > 0).sum(axis=0)


def one_time_buyers(worlds: Worlds, preset: str) -> float:
    return float(np.mean(_cdnow_purchases(worlds) == 1))


def mean_purchases(worlds: Worlds, preset: str) -> float:
    return float(_cdnow_purchases(worlds).mean())


def cdnow_recency(worlds: Worlds, preset: str) -> float:
    """Share who buy in weeks 40 to 78, best fifth by recency over the worst."""
    bought = _cdnow(worlds).happened("purchase") > 0
    early, late = bought[:273], bought[273:]
    last = np.where(early.any(axis=0), 273 - np.argmax(early[::-1], axis=0), 0)
    mean = pd.Series(late.any(axis=0)).groupby(_fifths(pd.Series(last))).mean()
    return float(mean.iloc[-1] / mean.iloc[0])


def top_share(worlds: Worlds, preset: str) -> float:
    """Share of 18 months' revenue that the best fifth of those who bought at all bring."""
    table = main(worlds, preset).snapshot(18)
    revenue = table.loc[(table["source"] == 0) & (table["purchases"] >= 1), "revenue"].to_numpy(dtype=float)
    best = np.sort(revenue)[::-1]
    return float(best[: round(0.2 * best.size)].sum() / best.sum())


def _rfm(worlds: Worlds, preset: str) -> tuple[pd.DataFrame, pd.Series]:
    """Recency, frequency and mean amount of nine months, and whether a purchase followed in the next
    nine."""
    world = main(worlds, preset)
    then, later = world.snapshot(9), world.snapshot(18)
    known = then[(then["source"] == 0) & (then["purchases"] >= 1)]
    table = pd.DataFrame(
        {
            "recency": known["last_purchase"],
            "frequency": known["purchases"],
            "money": known["revenue"] / known["purchases"],
        }
    )
    return table, later.loc[known.index, "purchases"] > known["purchases"]


def _fifths(column: pd.Series) -> pd.Series:
    """5 the best fifth to 1 the worst; ties by order."""
    return 1 + (column.rank(method="first") - 1) * 5 // len(column)


def rfm_ratio(column: str) -> Measure:
    """Share of the best fifth who buy again over that of the worst."""

    def measure(worlds: Worlds, preset: str) -> float:
        table, later = _rfm(worlds, preset)
        mean = later.groupby(_fifths(table[column])).mean()
        return float(mean.iloc[-1] / mean.iloc[0])

    return measure


def rfm_order(worlds: Worlds, preset: str) -> float:
    """Ratio of recency less that of money."""
    return rfm_ratio("recency")(worlds, preset) - rfm_ratio("money")(worlds, preset)


def rfm_lift(worlds: Worlds, preset: str) -> float:
    """Response of the best 28 % of names, chosen by cell on one half, over that of the whole other half.

    Cells are Hughes' nested fifths; a response is counted by purchases in one month, as a rare
    response would be.
    """
    world = main(worlds, preset)
    log = world.happened("purchase")
    then = world.snapshot(12).loc[: world.size - 1]
    known = (then["purchases"] >= 1).to_numpy()
    table = pd.DataFrame(
        {
            "r": then["last_purchase"],
            "f": then["purchases"],
            "m": then["revenue"],
        }
    )[known]
    table["response"] = (log[12] > 0)[known]
    table["r5"] = _fifths(table["r"])
    table["f5"] = table.groupby("r5")["f"].transform(_fifths)
    table["m5"] = table.groupby(["r5", "f5"])["m"].transform(_fifths)
    table["cell"] = 100 * table["r5"] + 10 * table["f5"] + table["m5"]
    test = np.arange(len(table)) % 2 == 0
    rate = table[test].groupby("cell")["response"].mean().sort_values(ascending=False)
    rest = table[~test]
    share = rest["cell"].value_counts(normalize=True).reindex(rate.index).fillna(0.0).cumsum()
    chosen = share.index[: int((share <= 0.28).sum()) or 1]
    return float(rest.loc[rest["cell"].isin(chosen), "response"].mean() / rest["response"].mean())


@dataclass(frozen=True)
class Perpetuity:
    """Value of a new customer for ever: yearly retention rates, then the last of them for good."""

    rates: Floats
    margin: float
    acquisition: float
    interest: float = 0.12

    def value(self, change: Callable[[Floats], Floats] = lambda r: r) -> float:
        """Present value of the margins, one at the start of each year."""
        rates = np.minimum(change(self.rates), 1.0)
        survival = np.concatenate([[1.0], np.cumprod(rates)])
        years = np.arange(survival.size)
        tail = survival[-1] * rates[-1] / (1 + self.interest - rates[-1])
        return self.margin * float(
            (survival / (1 + self.interest) ** years).sum() + tail / (1 + self.interest) ** years[-1]
        )

    def net(self, change: Callable[[Floats], Floats] = lambda r: r) -> float:
        return self.value(change) - self.acquisition


def perpetuity(worlds: Worlds, preset: str) -> Perpetuity:
    world = long(worlds, preset)
    early = world.run.monthly.iloc[:12]
    margin = 12 * float(early["margin"].sum() / early["at_risk"].sum())
    return Perpetuity(_retention(world.yearly_survival()), margin, world.scenario.acquisition.cost)


def retention_elasticity(worlds: Worlds, preset: str) -> float:
    value = perpetuity(worlds, preset)
    return 100 * (value.value(lambda r: 1.01 * r) / value.value() - 1)


def margin_elasticity(worlds: Worlds, preset: str) -> float:
    value = perpetuity(worlds, preset)
    return value.value() / value.net()


def acquisition_elasticity(worlds: Worlds, preset: str) -> float:
    value = perpetuity(worlds, preset)
    return value.acquisition / value.net()


def five_points(worlds: Worlds, preset: str) -> float:
    value = perpetuity(worlds, preset)
    return 100 * (value.net(lambda r: r + 0.05) / value.net() - 1)


def elasticity_ratio(worlds: Worlds, preset: str) -> float:
    return retention_elasticity(worlds, preset) / acquisition_elasticity(worlds, preset)


# -- B. satisfaction and loyalty -------------------------------------------------------------------


def _survey(worlds: Worlds, preset: str, month: int = 36) -> tuple[World, npt.NDArray[np.bool_]]:
    world = main(worlds, preset)
    month = min(month, world.months)
    return world, world.active[month]


def reported_mean(worlds: Worlds, preset: str) -> float:
    world, here = _survey(worlds, preset)
    return float(world.reported[36, here].mean())


def reported_sd(worlds: Worlds, preset: str) -> float:
    world, here = _survey(worlds, preset)
    return float(world.reported[36, here].std())


def reported_skew(worlds: Worlds, preset: str) -> float:
    world, here = _survey(worlds, preset)
    x = world.reported[36, here]
    return float(np.mean(((x - x.mean()) / x.std()) ** 3))


def measured_correlation(one: str, other: str) -> Measure:
    """Correlation of two measured constructs at the end, among customers."""

    def measure(worlds: Worlds, preset: str) -> float:
        table = _measured(worlds, preset)
        return float(np.corrcoef(table[one], table[other])[0, 1])

    return measure


def _measured(worlds: Worlds, preset: str) -> dict[str, Floats]:
    world = main(worlds, preset)
    here = world.active[world.months]
    first = world.first[here]
    noise = np.random.default_rng([worlds.seed, worlds.replication, 14])
    weights = np.array([t.weight for t in world.scenario.touchpoints])
    names = [f"perception_{t.name}" for t in world.scenario.touchpoints]
    truth = {
        "expectation": first["expectation"].to_numpy(dtype=float),
        "quality": first[names].to_numpy(dtype=float) @ weights,
        "value": first["value"].to_numpy(dtype=float),
        "loyalty": first["conative"].to_numpy(dtype=float),
    }
    found = {"satisfaction": world.reported[world.months, here]}
    for name, true in truth.items():
        sd = true.std() * math.sqrt(1 / RELIABILITY[name] - 1)
        found[name] = true + sd * noise.standard_normal(true.size)
    return found


def path(source: str, target: str) -> Measure:
    """A path of the satisfaction model that simulated answers give."""
    return lambda worlds, preset: float(main(worlds, preset).path_model.coefficient(source, target))


def explained(latent: str) -> Measure:
    """Share of a latent's variance that the satisfaction model explains."""
    return lambda worlds, preset: float(main(worlds, preset).path_model.latents.loc[latent, "r2"])


def answered_index(latent: str) -> Measure:
    """Level of an index of the satisfaction model, points of 100."""
    return lambda worlds, preset: float(main(worlds, preset).path_model.latents.loc[latent, "index"])


def driver_order(worlds: Worlds, preset: str) -> float:
    """Smaller of the differences quality less value and value less expectation, as paths to satisfaction."""
    fit = main(worlds, preset).path_model
    paths = [fit.coefficient(source, "satisfaction") for source in ("quality", "value", "expectation")]
    return float(-np.diff(paths).max())


def style_hides(worlds: Worlds, preset: str) -> float:
    """Correlation of reported satisfaction with staying a year: among the fifth whose answers are most off by
    their use of the scale less that among the fifth whose are least."""
    world, here = _survey(worlds, preset, 24)
    off = np.abs(world.first["scale_use"].to_numpy(dtype=float))[here]
    reported, stayed = world.reported[24, here], world.active[36, here].astype(float)
    low, high = np.quantile(off, [0.2, 0.8])
    return float(
        np.corrcoef(reported[off >= high], stayed[off >= high])[0, 1]
        - np.corrcoef(reported[off <= low], stayed[off <= low])[0, 1]
    )


def _episodes(worlds: Worlds, preset: str) -> dict[str, Floats]:
    """Months of the followed customers: quality, expectation, satisfaction after and before.

    Months at the ends of the scale are left out: there a judgement cannot rise or fall any more.
    """
    lives = main(worlds, preset).run.lives
    lives = lives[(lives["left"] < 0) & (lives["met"] > 0)]
    before = lives[["expectation", "satisfaction"]].groupby(level="customer").shift(1)
    month = lives.index.get_level_values("month").to_numpy()
    gap = pd.Series(month, index=lives.index).groupby(level="customer").diff()
    inside = (
        (lives["quality"] > 3) & (lives["quality"] < 97) & (lives["episode"] > 3) & (lives["episode"] < 97)
    )
    known = (gap == 1).to_numpy() & inside.to_numpy()
    return {
        "quality": lives["quality"].to_numpy(dtype=float)[known],
        "expected": before["expectation"].to_numpy(dtype=float)[known],
        "after": lives["satisfaction"].to_numpy(dtype=float)[known],
        "before": before["satisfaction"].to_numpy(dtype=float)[known],
    }


def _ols(y: Floats, *columns: Floats) -> npt.NDArray[Any]:
    x = np.column_stack([np.ones(y.size), *columns])
    return np.linalg.lstsq(x, y, rcond=None)[0]


def loss_asymmetry(worlds: Worlds, preset: str) -> float:
    """Effect of a missed over that of an exceeded expectation on satisfaction, given quality."""
    e = _episodes(worlds, preset)
    gap = e["quality"] - e["expected"]
    b = _ols(e["after"], e["before"], e["quality"], np.maximum(gap, 0), np.maximum(-gap, 0))
    return float(-b[4] / b[3])


def expectation_effect(worlds: Worlds, preset: str) -> float:
    """Effect of expectation on satisfaction given quality and disconfirmation, over that of quality.

    Quality, expectation and their difference are linearly dependent, so disconfirmation enters as
    it is felt: gains and losses with their weights.
    """
    e = _episodes(worlds, preset)
    gap = e["quality"] - e["expected"]
    felt = main(worlds, preset).scenario.satisfaction
    bent = felt.gain * np.maximum(gap, 0) - felt.loss * np.maximum(-gap, 0)
    b = _ols(e["after"], e["before"], e["quality"], bent, e["expected"])
    return float(b[4] / b[2])


def churn_r2(worlds: Worlds, preset: str) -> float:
    """Share of the variance of leaving within twelve months that reported satisfaction explains."""
    world, here = _survey(worlds, preset, 24)
    later = ~world.active[36, here]
    return float(np.corrcoef(world.reported[24, here], later)[0, 1] ** 2)


def hazard_ratio(*causes: str) -> Measure:
    """Hazard of leaving at reported satisfaction 65 to 80 over that from 90."""

    def measure(worlds: Worlds, preset: str) -> float:
        return _hazard_ratio(main(worlds, preset), causes)

    return measure


def _hazard_ratio(world: World, causes: Sequence[str]) -> float:
    months = slice(BEFORE_STEADY, world.months)
    here, answer, gone = world.active[months], world.reported[months], world.left(*causes)[months]
    rates = []
    for low, high in ((65, 80), (90, 101)):
        chosen = here & (answer >= low) & (answer < high)
        rates.append(gone[chosen].mean() if chosen.any() else math.nan)
    return float(rates[0] / rates[1]) if rates[1] > 0 else math.nan


VOLUNTARY = ("competitive", "fault")
OWN_WILL = ("natural", "competitive", "fault")


def slope_order(worlds: Worlds, preset: str) -> float:
    """Smaller of the steps retail less subscription, subscription less water."""
    ratios = [
        _hazard_ratio(main(worlds, name), causes)
        for name, causes in (("retail", VOLUNTARY), ("subscription", VOLUNTARY), ("water_utility", OWN_WILL))
    ]
    return min(ratios[0] - ratios[1], ratios[1] - ratios[2])


def _opened(worlds: Worlds) -> World:
    event = {"month": 36, "kind": "opening", "opening": 1.0, "ramp": 0, "size": 0.0}
    return worlds.world(
        "water_utility", watch={"monthly": ("active", "affective")}, population__months=60, rivals=[event]
    )


def opened_ratio(worlds: Worlds, preset: str) -> float:
    """Leaving in the year after opening: affective loyalty below 50 over that from 70."""
    world = _opened(worlds)
    here = world.active[36]
    liking = world.column("affective")[36]
    gone = here & ~world.active[48]
    rates = [gone[here & chosen].mean() for chosen in (liking < 50, liking >= 70)]
    return float(rates[0] / rates[1]) if rates[1] > 0 else math.nan


def opened_switching(worlds: Worlds, preset: str) -> float:
    """Share who switched to a rival in the year after opening."""
    world = _opened(worlds)
    return float(world.left("competitive")[36:48, world.active[36]].any(axis=0).mean())


def _like(worlds: Worlds, like: str) -> OpenedWorld:
    """The water utility whose market opens as a real one did."""
    base = worlds.scenario("water_utility")
    name = f"{base.name}_opened_{like}"
    worlds.scenarios.setdefault(name, opened(base, like))
    return opened_world(worlds.world(name, watch={"monthly": ("active", "satisfaction", "affective")}))


@lru_cache(maxsize=2)
def opened_world(world: World) -> OpenedWorld:
    """Looked at from its opening on; kept, as several facts read the same survey."""
    return OpenedWorld(world)


def switched(like: str, years: float) -> Measure:
    """Share who switched so many years after the opening."""
    return lambda worlds, preset: _like(worlds, like).at(years)


def switched_fifth(like: str, fifth: int) -> Measure:
    """Share who switched in seven years of a fifth (1 to 5) by satisfaction at the opening."""
    return lambda worlds, preset: float(_like(worlds, like).by_satisfaction(OPENED_YEARS)[fifth - 1])


def switched_ratio(like: str) -> Measure:
    """Share who switched in the first year: affective loyalty below 50 over that from 70."""

    def measure(worlds: Worlds, preset: str) -> float:
        cold, warm = _like(worlds, like).by_liking(1)
        return cold / warm if warm > 0 else math.nan

    return measure


def foretold(like: str, item: str, what: str = "auc") -> Measure:
    """How well an answer before the opening foretold who stayed for seven years."""
    return lambda worlds, preset: float(_like(worlds, like).items(OPENED_YEARS)[what][item])


def foretold_gap(like: str) -> Measure:
    """AUC of "would stay if a rival were 5 % cheaper" less that of "will keep using"."""

    def measure(worlds: Worlds, preset: str) -> float:
        table = _like(worlds, like).items(OPENED_YEARS)["auc"]
        return float(table["stay_if_cheaper"] - table["keep_using"])

    return measure


def captive(name: str) -> Measure:
    """What is answered before the opening: see `OpenedWorld.captive`."""
    return lambda worlds, preset: _like(worlds, "england").captive()[name]


def low_affective(worlds: Worlds, preset: str) -> float:
    table = main(worlds, preset).snapshot(36)
    return float((table.loc[table["active"] > 0, "affective"] < 50).mean())


def behaviour_curve(worlds: Worlds, preset: str) -> float:
    """Second derivative of staying three years in reported satisfaction, per 100 points squared."""
    world, here = _survey(worlds, preset, 24)
    s = (world.reported[24, here] - 75) / 100
    return float(2 * _ols(world.active[60, here].astype(float), s, s**2)[2])


def intention_curve(worlds: Worlds, preset: str) -> float:
    """The same of the intention to stay (conative loyalty, 0 to 1)."""
    table = main(worlds, preset).snapshot(24)
    world, here = _survey(worlds, preset, 24)
    s = (world.reported[24, here] - 75) / 100
    conative = table["conative"].to_numpy(dtype=float)[: world.size][here] / 100
    return float(2 * _ols(conative, s, s**2)[2])


def layer_chain(worlds: Worlds, preset: str) -> float:
    """Smaller of r(L1,L2) - r(L1,L3) and r(L1,L3) - r(L1,L4)."""
    table = main(worlds, preset).snapshot(36)
    table = table[table["active"] > 0]
    layers = table[["cognitive", "affective", "conative", "action"]].to_numpy(dtype=float)
    r = np.corrcoef(layers.T)[0]
    return float(min(r[1] - r[2], r[2] - r[3]))


def layers_fall(worlds: Worlds, preset: str) -> float:
    """Smallest drop in the share of customers from a layer to the next, over all months."""
    monthly = main(worlds, preset).run.monthly
    shares = monthly[[f"share_{x}" for x in ("cognitive", "affective", "conative", "action")]].to_numpy()
    return float(-np.diff(shares, axis=1).max())


def dissatisfied_advocates(worlds: Worlds, preset: str) -> float:
    table = main(worlds, preset).snapshot(48)
    advocates = table[(table["active"] > 0) & (table["stage"] == 6)]
    return float((advocates["satisfaction"] < 50).mean()) if len(advocates) else math.nan


def satisfied_not_advocates(worlds: Worlds, preset: str) -> float:
    table = main(worlds, preset).snapshot(48)
    happy = table[(table["active"] > 0) & (table["satisfaction"] >= 80)]
    return float((happy["stage"] < 6).mean())


def _staff(worlds: Worlds, preset: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The months without and with staff five points better from month 12 on."""
    base, better = plain(worlds, preset), plain(worlds, preset, StaffSkill(points=5, start=12))
    return base.run.monthly, better.run.monthly


def staff_satisfaction(worlds: Worlds, preset: str) -> float:
    """In the second year, when satisfaction has settled."""
    base, better = _staff(worlds, preset)
    return float((better["satisfaction"] - base["satisfaction"]).iloc[24:36].mean())


def staff_revenue(worlds: Worlds, preset: str) -> float:
    """In the first year: what it adds to the growth of revenue."""
    base, better = (monthly["revenue"].iloc[12:24].sum() for monthly in _staff(worlds, preset))
    return 100 * float(better / base - 1)


# -- C. complaint, recovery, word of mouth ---------------------------------------------------------


@dataclass(frozen=True)
class Faults:
    """Months with a failure, one entry each: where in the record, how bad, what came of it."""

    month: npt.NDArray[np.intp]
    who: npt.NDArray[np.intp]
    major: npt.NDArray[np.bool_]
    complained: npt.NDArray[np.bool_]
    resolved: npt.NDArray[np.bool_]
    fast: npt.NDArray[np.bool_]
    repeated: npt.NDArray[np.bool_]


def _faults(world: World) -> Faults:
    severity = world.happened("failure")
    month, who = np.nonzero(severity)
    keep = (month >= BEFORE_STEADY) & (month <= world.months - 3)
    month, who = month[keep], who[keep]
    c = world.scenario.churn
    since = month - world.column("last_failure")[month, who]
    happened = {
        name: world.happened(event)[month, who] > 0
        for name, event in (
            ("complained", "complaint"),
            ("resolved", "complaint_resolved"),
            ("fast", "complaint_answered_fast"),
        )
    }
    return Faults(
        month, who, severity[month, who] >= c.major_severity, repeated=since <= c.fault_memory, **happened
    )


def voice(major: bool) -> Measure:
    """Share of problems that are voiced."""

    def measure(worlds: Worlds, preset: str) -> float:
        faults = _faults(main(worlds, preset))
        return float(faults.complained[faults.major == major].mean())

    return measure


def _stay(world: World, month: npt.NDArray[np.intp], who: npt.NDArray[np.intp], months: int = 3) -> float:
    """Share expected to be there `months` months on: the product of the mean chances of staying."""
    stay = 1.0
    hazard = world.column("hazard")
    for k in range(months):
        here = world.active[month + k, who]
        stay *= 1 - float(hazard[month + k + 1, who][here].mean())
    return stay


def stay_order(worlds: Worlds, preset: str) -> float:
    """Smallest of the steps silent, unresolved, resolved, fast in three-month staying, points."""
    world = main(worlds, preset)
    f = _faults(world)
    cases = (
        f.major & ~f.complained,
        f.major & f.complained & ~f.resolved,
        f.major & f.resolved & ~f.fast,
        f.major & f.fast,
    )
    if min(case.sum() for case in cases) < 5:
        return math.nan
    stays = [_stay(world, f.month[case], f.who[case]) for case in cases]
    return 100 * float(np.diff(stays).min())


def stay_after_fast(worlds: Worlds, preset: str) -> float:
    """Three-month staying after a fast answer over that in months without a problem."""
    world = main(worlds, preset)
    f = _faults(world)
    quiet = (world.happened("failure") == 0) & world.active[:-1]
    quiet[:BEFORE_STEADY] = False
    quiet[world.months - 2 :] = False
    month, who = np.nonzero(quiet)
    return _stay(world, f.month[f.fast], f.who[f.fast]) / _stay(world, month, who)


def paradox(repeated: bool) -> Measure:
    """Mean change of satisfaction over the month of a failure that was answered fast."""

    def measure(worlds: Worlds, preset: str) -> float:
        world = main(worlds, preset)
        f = _faults(world)
        chosen = f.fast & (f.repeated == repeated)
        month, who = f.month[chosen], f.who[chosen]
        return float((world.satisfaction[month + 1, who] - world.satisfaction[month, who]).mean())

    return measure


def praise_ratio(worlds: Worlds, preset: str) -> float:
    monthly = main(worlds, preset).run.monthly
    return float(monthly["recommendations"].sum() / monthly["warnings"].sum())


def referred_churn(worlds: Worlds, preset: str) -> float:
    """Leaving in the first 24 months, referred over won customers of the same months."""
    world = main(worlds, preset)
    people = world.customers
    people = people[(people["joined_month"] > 0) & (people["joined_month"] <= world.months - 24)]
    stayed = people["left_month"].astype(float).fillna(np.inf) - people["joined_month"]
    gone = stayed < 24
    exposure = np.minimum(stayed, 24)
    referred = (people["source"] == "referred").to_numpy()
    rates = [gone[chosen].sum() / exposure[chosen].sum() for chosen in (referred, ~referred)]
    return float(rates[0] / rates[1])


def referred_value(worlds: Worlds, preset: str) -> float:
    """Margin so far of referred over won customers who joined in the same month of the first two
    years, per cent more. Each margin is divided by the person's usage, which is a matter of luck."""
    return _referred_value(main(worlds, preset), lambda age: np.ones(age.shape, dtype=bool))


def referred_young(worlds: Worlds, preset: str) -> float:
    """That advantage among those of 26 to 35 years less that among those above 55, points of per cent."""
    world = main(worlds, preset)
    young = _referred_value(world, lambda age: (age >= 26) & (age <= 35))
    return young - _referred_value(world, lambda age: age > 55)


def _referred_value(world: World, chosen: Callable[[Floats], npt.NDArray[np.bool_]]) -> float:
    people = world.customers
    people = people[(people["joined_month"] > 0) & (people["joined_month"] <= 24)]
    people = people[chosen(age(world.key, people.index.to_numpy()).astype(float))]
    value = people["historical_value"].to_numpy(dtype=float) / people["usage"].to_numpy(dtype=float)
    month = people["joined_month"].to_numpy()
    referred = (people["source"] == "referred").to_numpy()
    ours = theirs = 0.0
    for m in range(1, 25):
        one, other = value[referred & (month == m)], value[~referred & (month == m)]
        if one.size and other.size:
            ours += one.sum()
            theirs += one.size * other.mean()
    return 100 * (ours / theirs - 1) if theirs else math.nan


def referred_margin(worlds: Worlds, preset: str) -> float:
    """Margin a unit of revenue in the fourth and fifth year, referred over won, per cent more."""
    world = main(worlds, preset)
    then, end = world.snapshot(48), world.customers
    then = then[(then["active"] > 0) & (then["joined"] > 0) & (then["joined"] <= 12)]
    end = end.loc[then.index]
    rates = []
    for source in (2, 1):
        chosen = (then["source"] == source).to_numpy()
        earned = (end["historical_value"] - then["historical_value"])[chosen].sum()
        rates.append(earned / (end["revenue"] - then["revenue"])[chosen].sum())
    return 100 * float(rates[0] / rates[1] - 1)


# -- D. causes of leaving, payment -----------------------------------------------------------------


def involuntary_share(worlds: Worlds, preset: str) -> float:
    total = main(worlds, preset).run.summary()
    return float((total["left_payment_lapse"] + total["left_retaliatory"]) / total["left"])


def cause_share(cause: str) -> Measure:
    def measure(worlds: Worlds, preset: str) -> float:
        total = main(worlds, preset).run.summary()
        return float(total[f"left_{cause}"] / total["left"])

    return measure


def cured(*policies: Any) -> Measure:
    """Share of failed payments that are cured in the end."""

    def measure(worlds: Worlds, preset: str) -> float:
        monthly = plain(worlds, preset, *policies).run.monthly.iloc[BEFORE_STEADY:]
        return float(monthly["cured_payments"].sum() / monthly["failed_payments"].sum())

    return measure


def card_over_debit(worlds: Worlds, preset: str) -> float:
    """Leaving a month, card over direct debit."""
    world = main(worlds, preset)
    pay = world.scenario.payment
    draw = world.first["channel_draw"].to_numpy()
    card = (draw >= pay.manual_share) & (draw < pay.manual_share + pay.card_share)
    debit = draw >= pay.manual_share + pay.card_share
    rates = [
        world.left()[:, chosen].sum() / world.active[:-1, chosen].sum() for chosen in (card, debit)
    ]  # exits over months lived
    return float(rates[0] / rates[1])


def fault_largest(worlds: Worlds, preset: str) -> float:
    """Share of fault less the largest other share of attributed causes, moves and deaths left out."""
    people = main(worlds, preset).customers
    causes = people["attributed_cause"].dropna()
    shares = causes[causes != "natural"].value_counts(normalize=True)
    return float(shares["fault"] - shares.drop("fault").max())


# -- E. targeting and programmes -------------------------------------------------------------------


def _saves(worlds: Worlds, preset: str, target: str, share: float, **changes: Any) -> float:
    """Departures that calls of one month are expected to spare in three, per 1,000 called.

    The firm's scores are perfect here, so that targeting, not guessing, is compared.
    """
    common = {"population__months": 18, "firm__score_validity": 1.0, **changes}
    base = plain(worlds, preset, **common)
    call = RetentionCall(target=target, share=share, start=12, stop=13)
    called = plain(worlds, preset, call, **common)
    columns = [f"expected_{cause}" for cause in CAUSES]
    spared = (base.run.monthly[columns] - called.run.monthly[columns]).iloc[12:15].to_numpy().sum()
    return 1000 * float(spared / called.run.monthly["offers"].sum())


def uplift_over_risk(worlds: Worlds, preset: str) -> float:
    """Smallest of: saves by uplift less 1.5 times those by risk, calling 10, 20, 30 % of customers."""
    return min(
        _saves(worlds, preset, "uplift", share) - 1.5 * _saves(worlds, preset, "risk", share)
        for share in (0.1, 0.2, 0.3)
    )


def harmful_risk(worlds: Worlds, preset: str) -> float:
    """Saves by risk where the mean response is nil and falls with risk."""
    changes = {"population__response_mean": 0.0, "population__response_risk_correlation": -0.3}
    return _saves(worlds, preset, "risk", 0.1, **changes)


def sleeping_dogs(worlds: Worlds, preset: str) -> float:
    """Rise of expected three-month leaving among all customers called, per cent, where contact wakes."""
    changes = {
        "population__response_mean": -0.65, "population__months": 18, "firm__score_validity": 1.0
    }  # fmt: skip
    base = plain(worlds, preset, **changes)
    called = plain(worlds, preset, RetentionCall(target="random", share=1.0, start=12, stop=13), **changes)
    columns = [f"expected_{cause}" for cause in CAUSES]
    sums = [w.run.monthly[columns].iloc[12:15].to_numpy().sum() for w in (base, called)]
    return 100 * float(sums[1] / sums[0] - 1)


def _programme(worlds: Worlds, preset: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    base = plain(worlds, preset, population__months=24)
    with_it = plain(worlds, preset, LoyaltyProgramme(), population__months=24)
    return base.first, with_it.first


def programme_frequency(worlds: Worlds, preset: str) -> float:
    """Change of purchases in two years, per cent."""
    base, with_it = _programme(worlds, preset)
    return 100 * float(with_it["purchases"].sum() / base["purchases"].sum() - 1)


def programme_light(worlds: Worlds, preset: str) -> float:
    """Effect on light less that on heavy buyers, points of per cent."""
    base, with_it = _programme(worlds, preset)
    heavy = (base["rate"] > Scenario.preset(preset).purchase.rate_mean).to_numpy()
    effects = [
        100 * float(with_it["purchases"][chosen].sum() / base["purchases"][chosen].sum() - 1)
        for chosen in (~heavy, heavy)
    ]
    return effects[0] - effects[1]


def _win_back(worlds: Worlds, preset: str, offer: str) -> World:
    return worlds.world(preset, (WinBack(offer=offer),), watch={"events": True, "monthly": ("active",)})


def _returned(worlds: Worlds, preset: str, offer: str) -> float:
    monthly = _win_back(worlds, preset, offer).run.monthly
    return float(monthly["returned"].sum() / monthly["offers"].sum())


def return_rate(worlds: Worlds, preset: str) -> float:
    return _returned(worlds, preset, "price")


def price_leavers(worlds: Worlds, preset: str) -> float:
    """Return rate of those who left for a rival less that of those who left over a fault, points."""
    log = _win_back(worlds, preset, "price").run.events
    rates = []
    for cause in ("competitive", "fault"):
        left = log.loc[log["event"] == f"left_{cause}", ["customer", "month"]]
        offered = left.merge(log.loc[log["event"] == "offer", ["customer", "month"]], on="customer")
        offered = offered[
            (offered["month_y"] > offered["month_x"]) & (offered["month_y"] <= offered["month_x"] + 2)
        ]
        back = offered.merge(
            log.loc[log["event"] == "returned", ["customer", "month"]],
            left_on=["customer", "month_y"],
            right_on=["customer", "month"],
        )
        rates.append(len(back) / len(offered))
    return 100 * (rates[0] - rates[1])


def return_order(worlds: Worlds, preset: str) -> float:
    """Smaller step of the return rates bundle, price, upgrade, points."""
    rates = [_returned(worlds, preset, offer) for offer in ("upgrade", "price", "bundle")]
    return 100 * float(np.diff(rates).min())


def second_life_order(worlds: Worlds, preset: str) -> float:
    """Smaller step of a year's staying after the return: upgrade, price, bundle, points."""
    stays = []
    for offer in ("bundle", "price", "upgrade"):
        people = _win_back(worlds, preset, offer).customers
        end = Scenario.preset(preset).population.months
        back = people[(people["returned"] >= 0) & (people["returned"] < end - 12)]
        lasted = back["left_month"].astype(float).fillna(np.inf) - back["returned"]
        stays.append(float((lasted >= 12).mean()))
    return 100 * float(np.diff(stays).min())


# -- F. water --------------------------------------------------------------------------------------


def water_areas(worlds: Worlds) -> dict[str, float]:
    """Mean perception by area; billing and payment are one, by weight."""
    world = main(worlds, "water_utility")
    here = world.customers["left_month"].isna()
    mean = {
        t.name: float(world.customers.loc[here, f"perception_{t.name}"].mean())
        for t in world.scenario.touchpoints
    }
    weight = {t.name: t.weight for t in world.scenario.touchpoints}
    both = weight["billing"] + weight["payment"]
    mean["billing"] = (mean["billing"] * weight["billing"] + mean["payment"] * weight["payment"]) / both
    return {name: mean[name] for name in WATER_AREAS}


def water_order(worlds: Worlds, preset: str) -> float:
    """Rank correlation of the areas' mean perception with the published order."""
    areas = water_areas(worlds)
    ranks = [np.argsort(np.argsort(list(values))) for values in (areas.values(), WATER_AREAS.values())]
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _problems(world: World, month: int = 36) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Who is there in `month`, and who of them had a problem in the six months before."""
    here = world.active[month]
    had = (world.happened("failure")[month - 6 : month] > 0).any(axis=0)
    return here, had & here


def problem_share(worlds: Worlds, preset: str) -> float:
    here, had = _problems(main(worlds, preset))
    return float(had.sum() / here.sum())


def problem_cost(worlds: Worlds, preset: str) -> float:
    """Reported satisfaction of those with a problem in six months less that of the others."""
    world = main(worlds, preset)
    here, had = _problems(world)
    return float(world.reported[36, had].mean() - world.reported[36, here & ~had].mean())


def formal_complaints(worlds: Worlds, preset: str) -> float:
    """Formal complaints a year per 10,000 connections."""
    monthly = main(worlds, preset).run.monthly
    return float(FORMAL_COMPLAINTS * 10_000 * 12 * monthly["complaints"].sum() / monthly["at_risk"].sum())


def billing_first(worlds: Worlds, preset: str) -> float:
    """Share of billing and charges less the largest other among complaints, points."""
    lives = main(worlds, preset).run.lives
    voiced = lives[lives["complained"] > 0]
    drops = voiced[[f"drop_{t.name}" for t in Scenario.preset(preset).touchpoints]]
    worst = drops.idxmax(axis=1).astype(str).str.replace("drop_", "")
    area = worst.replace({"payment": "billing", "price": "billing"})
    shares = area.value_counts(normalize=True)
    return 100 * float(shares["billing"] - shares.drop("billing").max()) if len(area) else math.nan


def _four(worlds: Worlds, preset: str) -> pd.Series:
    base, better = plain(worlds, preset), plain(worlds, preset, FourProblems())
    return better.run.monthly["satisfaction"] - base.run.monthly["satisfaction"]


def plan_three_years(worlds: Worlds, preset: str) -> float:
    return float(_four(worlds, preset).iloc[35])


def plan_one_year(worlds: Worlds, preset: str) -> float:
    return float(_four(worlds, preset).iloc[11])
