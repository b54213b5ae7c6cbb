"""A scenario fitted to a transaction log: it must look like the log, and say where it does not."""

import numpy as np
import pandas as pd
import pytest
from cdnow import cdnow_sample

import crmsim as cs
from crmsim.data.transactions import DataError
from crmsim.research.fit import _Observed, _World, fit_scenario, recency_classes


def log_of(customers: int, seed: int, *, again: float = 2.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = []
    for who in range(customers):
        first = pd.Timestamp("2024-01-01") + pd.Timedelta(days=int(rng.integers(0, 60)))
        days = [0, *np.sort(rng.integers(1, 300, rng.poisson(again)))]
        rows += [(str(who), first + pd.Timedelta(days=int(d)), float(rng.gamma(6, 5))) for d in days]
    return pd.DataFrame(rows, columns=["customer", "date", "amount"])


@pytest.fixture(scope="module")
def cdnow():
    return fit_scenario(cdnow_sample(), name="cdnow", steps=80, progress=False)


@pytest.mark.slow
def test_cdnow_customers_are_met(cdnow):
    quality = cdnow.quality["simulated"]
    # Judged on another seed than the fit's. With 2,357 customers chance alone misplaces about 2 %.
    assert quality["histogram, % of customers misplaced"] < 5
    assert quality["weekly running total, mean error %, fitted weeks"] < 7
    assert abs(quality["repeat purchases in the fitted weeks, error %"]) < 7
    assert abs(quality["mean spend of repeat buyers, error %"]) < 5
    assert cdnow.customers == 2_357 and cdnow.purchases == 6_919


@pytest.mark.slow
def test_a_wrong_scenario_is_told_from_a_fitted_one(cdnow):
    """The distance that was minimised sees a purchase rate half as high again, or half the churn."""
    world = _World(cs.Scenario.preset("retail"), _Observed(cdnow_sample().log, None), seed=5)
    s = cdnow.scenario
    fitted = np.log([s.purchase.rate_mean, s.purchase.rate_shape, s.churn.competitive, s.churn.frailty_shape])
    at_fit = world.distance(fitted)
    assert world.distance(fitted + np.array([0.4, 0, 0, 0])) > 2 * at_fit
    assert world.distance(fitted - np.array([0, 0, 0.7, 0])) > 2 * at_fit


def test_the_scenario_is_written_and_runs(cdnow, tmp_path):
    path = cdnow.save(tmp_path / "mine.toml")
    again = cs.Scenario.load(path)
    assert again.replace(name="x").hash == cdnow.scenario.replace(name="x").hash
    run = cs.simulate(again, ["quality_control"], seed=2)
    assert run.monthly["at_risk"].iloc[0] == 2_357
    assert run.monthly["purchases"].sum() > 1_000
    assert "margin (40% of revenue)" in cdnow.report() and "Fit(2,357 customers" in repr(cdnow)


def test_simulated_moments_count_as_the_data_are_counted():
    data = _Observed(log_of(400, 3), None)
    world = _World(cs.Scenario.preset("retail"), data, seed=1)
    monthly = world.purchases(np.log([0.3, 1.0, 0.05, 1.0]))
    assert monthly.shape == (world.persons, world.months) and monthly.min() >= 0
    repeats = world.repeats(monthly)
    assert repeats.sum() <= monthly.sum()
    assert world.histogram(repeats).sum() == pytest.approx(data.customers)
    recency = world.recency(monthly)
    assert recency.min() >= 0 and recency.max() <= 1 + 1e-9
    assert np.all((recency > 0) | (repeats == 0))
    # Nobody bought before joining, and all weeks together hold at most all purchases.
    assert world.weekly(monthly).min() >= 0
    assert world.weekly(monthly).sum() * world.copies <= monthly.sum() + 1e-6


def test_recency_classes():
    classes = recency_classes(np.array([0, 1, 2, 3, 4, 9]), np.array([0, 0.1, 0.3, 0.6, 0.9, 1.0]))
    assert classes.sum() == 5
    assert classes.reshape(4, 4).tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 1], [0, 0, 0, 1]]


def test_newcomers_become_an_acquisition_rate():
    log = log_of(300, 4)
    data = _Observed(log, None)
    assert data.external_rate(3.0) == 0.0  # all came in the first two months
    late = log_of(200, 5)
    late["date"] += pd.Timedelta(days=330)
    late["customer"] = "late" + late["customer"]
    assert _Observed(pd.concat([log, late]), None).external_rate(3.0) > 0.05


def test_a_log_that_cannot_be_fitted_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"40 customers .* at least 100"):
        fit_scenario(log_of(40, 1), progress=False)
    once = log_of(300, 1, again=0.0)
    with pytest.raises(DataError, match="0 bought again"):
        fit_scenario(once, progress=False)
    with pytest.raises(DataError, match="contract"):
        fit_scenario(log_of(300, 1), base="subscription", progress=False)
    with pytest.raises(DataError, match="no amounts"):
        fit_scenario(log_of(300, 1), amount=False, progress=False)
    with pytest.raises(cs.ScenarioError, match="retial"):
        fit_scenario(log_of(300, 1), base="retial", progress=False)
    with pytest.raises(DataError):
        fit_scenario(tmp_path / "nowhere.csv", progress=False)


@pytest.mark.slow
def test_forecast_of_cdnow_held_out_weeks():
    """39 weeks fitted, 39 forecast. BG/NBD misses the held-out purchases by -11 %; the simulator's
    error is larger (see README) and must stay in the order of a third."""
    fit = fit_scenario(cdnow_sample(), calibration_end="1997-09-30", progress=False)
    quality = fit.quality
    assert quality.loc["histogram, % of customers misplaced", "simulated"] < 4
    assert quality.loc["held-out purchases, error %", "bgnbd"] == pytest.approx(-11.5, abs=0.5)
    assert abs(quality.loc["held-out purchases, error %", "simulated"]) < 33
