"""A/B tests inside the world: lots, who is reached, and estimators whose biases are known."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import crmsim as cs
from crmsim.research.statistics import power_of_test
from crmsim.research.trials import ESTIMATORS, Trial, estimates, run_trial, trial_report


@pytest.fixture(scope="module")
def apart() -> cs.Scenario:
    """A contested market whose customers respond to a call and do not act on each other."""
    return cs.Scenario.preset("subscription").replace(
        population__size=2_000, population__months=12, word_of_mouth__contagion=0,
        churn__competitive=0.03, population__response_mean=0.8,
    )  # fmt: skip


STRONG = cs.Action("strong", strength=2.0, months=12, care=10)


@pytest.fixture(scope="module")
def lived(apart):
    return run_trial(apart, Trial(STRONG), 1)


@pytest.mark.parametrize(
    "policy",
    [Trial(), Trial("gift", delay=0), Trial(cs.RetentionCall(share=0.2), months=4), cs.Budget(Trial(), 300),
     Trial("retention_call:target=value", start=1)],
    ids=["call", "gift", "campaign", "budget", "by name"],
)  # fmt: skip
def test_a_trial_is_a_policy(policy):
    cs.check_policy(policy, raises=True)


def test_lots_are_a_function_of_the_customer_alone():
    ids = np.arange(20_000)
    trial = Trial(share=0.3, seed=4)
    assert np.array_equal(trial.treats(ids)[::-1], trial.treats(ids[::-1]))
    assert trial.treats(ids).mean() == pytest.approx(0.3, abs=0.01)
    assert np.array_equal(trial.treats(ids), Trial("gift", share=0.3, start=9, seed=4).treats(ids))
    assert (trial.treats(ids) != Trial(share=0.3, seed=5).treats(ids)).mean() == pytest.approx(0.42, abs=0.02)
    # whoever is to be treated at a smaller share is at a larger one
    assert not (trial.treats(ids) & ~Trial(share=0.6, seed=4).treats(ids)).any()


def test_each_lived_life_is_one_of_the_two_that_were_possible(lived):
    data, truth = lived.data, lived.truth
    for outcome in ("stayed", "value"):
        possible = np.where(data["assigned"], truth[f"{outcome}_treat"], truth[f"{outcome}_control"])
        assert np.array_equal(data[outcome], possible)
    offered = np.where(data["assigned"], truth["offered_treat"], truth["offered_control"])
    assert np.array_equal(data["offered"], offered)
    assert not (truth["offered_control"] & ~truth["offered_treat"]).any(), "there are no defiers"
    never = ~truth["offered_treat"]
    assert (truth.loc[never, "stayed_treat"] == truth.loc[never, "stayed_none"]).all()


def test_the_flow_counts_everybody(lived):
    flow = lived.flow
    data = lived.data
    assert flow["customers"].sum() == len(data)
    assert flow.loc["treatment", "offered"] == (data["assigned"] & data["offered"]).sum()
    assert flow["gone"].sum() > 0 and not (data["gone"] & data["offered"]).any()
    assert flow.loc["treatment", "offered"] / flow.loc["treatment", "customers"] == pytest.approx(
        0.79, abs=0.04
    )
    assert flow.loc["control", "offered"] / flow.loc["control", "customers"] == pytest.approx(0.05, abs=0.02)
    assert "took part" in repr(lived) and "<table" in lived._repr_html_()


def test_everybody_reached_and_nobody_else(apart):
    lived = run_trial(apart, Trial(STRONG, compliance=1.0, contamination=0.0, delay=0), 1)
    assert (lived.data["offered"] == lived.data["assigned"]).all()
    table = lived.report()
    assert table["estimate"].to_numpy() == pytest.approx(table["estimate"].iloc[0])
    assert lived.truth["complier"].all()


def test_estimators_by_hand():
    data = pd.DataFrame(
        {
            "assigned": [True] * 6 + [False] * 6,
            "offered": [True] * 4 + [False] * 2 + [True] * 1 + [False] * 5,
            "bought": [5.0, 7, 6, 6, 1, 2, 6, 2, 3, 1, 2, 2],
        }
    )
    found = estimates(data, "bought")
    assert found["estimate"].to_dict() == pytest.approx(
        {
            "intention to treat": 27 / 6 - 16 / 6,
            "per protocol": 6 - 2,
            "as treated": 6 - 13 / 7,
            "complier effect (Wald)": (11 / 6) / (3 / 6),
        }
    )
    welch = stats.ttest_ind(data["bought"][:6], data["bought"][6:], equal_var=False).confidence_interval()
    assert found.loc["intention to treat", ["low", "high"]].tolist() == pytest.approx([welch.low, welch.high])
    assert found.loc["per protocol", ["treated", "compared"]].tolist() == [4, 5]
    # two-stage least squares with robust errors of each arm, by matrices
    z, d, y = (data[c].to_numpy(float) for c in ("assigned", "offered", "bought"))
    instruments, regressors = (np.column_stack([np.ones(12), x]) for x in (z, d))
    beta = np.linalg.solve(instruments.T @ regressors, instruments.T @ y)
    rest = (y - regressors @ beta) ** 2 * 6 / 5
    bread = np.linalg.inv(instruments.T @ regressors)
    error = np.sqrt((bread @ (instruments.T * rest) @ instruments @ bread.T)[1, 1])
    wald = found.loc["complier effect (Wald)"]
    assert (wald["estimate"], wald["standard_error"]) == pytest.approx((beta[1], error))
    with pytest.raises(ValueError, match="lack the column 'sales'"):
        estimates(data, "sales")


def test_too_few_in_a_group_give_no_number():
    data = pd.DataFrame({"assigned": [True, True, False], "offered": False, "stayed": 1.0})
    found = estimates(data)
    assert found["estimate"].isna().all()


def test_a_firm_without_contracts_sees_who_bought():
    shop = cs.Scenario.preset("retail").replace(population__size=1_500, population__months=14)
    lived = run_trial(shop, Trial(start=4), 1)
    assert set(lived.data["stayed"]) == {0.0, 1.0}
    assert lived.report("value").loc["intention to treat", "standard_error"] > 0


def test_wrong_trials_are_refused(apart):
    with pytest.raises(cs.PolicyError, match="moves levers for everyone"):
        Trial(cs.Dunning())
    with pytest.raises(cs.PolicyError, match="or an action"):
        Trial("phone")
    with pytest.raises(cs.PolicyError, match="must not be above compliance"):
        Trial(compliance=0.1, contamination=0.2)
    with pytest.raises(cs.PolicyError, match="share must be from 0 to 1"):
        Trial(share=1.5)
    with pytest.raises(ValueError, match="ends after 12 months"):
        run_trial(apart, Trial(start=12))
    with pytest.raises(ValueError, match="unknown outcome 'kept'"):
        trial_report(apart, Trial(), outcome="kept")


@pytest.mark.slow
def test_biases_and_coverage_over_many_seeds(apart):
    """60 worlds of 2,000: the lots alone are without bias, and their intervals cover."""
    table = trial_report(apart, Trial(STRONG), 1, replications=60)
    assert list(table.index) == list(ESTIMATORS)
    # Of 60 intervals that hold with .95, fewer than 52 come in one case of a hundred.
    least = stats.binom.ppf(0.01, 60, 0.95) / 60
    for name in ("intention to treat", "complier effect (Wald)"):
        row = table.loc[name]
        assert row["bias_low"] < 0 < row["bias_high"] and row["coverage"] >= least
    # Those at risk are harder to reach, and those who had left could not be: both flatter the offer.
    assert table.loc["per protocol", "bias_low"] > 0
    assert table.loc["as treated", "bias_low"] > 0
    assert table.loc["as treated", "coverage"] < 0.6
    assert table.loc["intention to treat", "truth"] < table.loc["complier effect (Wald)", "truth"]


@pytest.mark.slow
def test_power_is_what_the_world_gives(apart):
    """Of 150 tests so many find the effect as planned from the truth; a binomial error of 4 %."""
    trial = Trial(STRONG, share=0.1, delay=0, compliance=0.9, contamination=0.0, selection=0.0)
    small = apart.replace(population__size=1_000)
    runs = [run_trial(small, trial, 2, replication=r) for r in range(150)]
    reports = [run.report() for run in runs]
    found = np.mean([r.loc["intention to treat", "low"] > 0 for r in reports])
    effect = np.mean([run.true_effects()["effect on compliers"] for run in runs])
    base = np.mean([run.truth["stayed_none"].mean() for run in runs])
    customers = round(np.mean([len(run.data) for run in runs]))
    planned = power_of_test(customers, effect, rate=base, share=0.1, compliance=0.9)
    assert 0.2 < planned < 0.95
    assert found == pytest.approx(planned, abs=2.6 * np.sqrt(planned * (1 - planned) / 150))
