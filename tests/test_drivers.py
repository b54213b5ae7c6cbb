"""Drivers of satisfaction: agreement with statsmodels, all orders by hand, simulated truth, AHP."""

import math
from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from statsmodels.regression.linear_model import OLS, WLS

import crmsim as cs
from crmsim.analysis import satisfaction
from crmsim.analysis.drivers import AHP, ahp, drivers, entropy_weights, lmg, penalty_reward
from crmsim.simulation.survey import Survey

SURVEYS = 30


def answers(n=400, p=4, seed=1, halo=0.7):
    rng = np.random.default_rng(seed)
    x = 7 + halo * rng.standard_normal((n, 1)) + rng.standard_normal((n, p))
    y = 1 + x @ (np.arange(p) + 1) / 10 + rng.standard_normal(n)
    return pd.DataFrame(x, columns=[f"x{k}" for k in range(p)]).assign(y=y)


def r2(frame, names):
    left = np.column_stack([np.ones(len(frame)), frame[list(names)]])
    return OLS(frame["y"].to_numpy(), left).fit().rsquared


@pytest.fixture(scope="module")
def water():
    """Thirty independent surveys of the monopoly after a year, some 470 attentive respondents each:
    (scores of touchpoints and satisfaction, stated importance), and the true weights."""
    world = cs.Scenario.preset("water_utility").replace(
        population__size=5000, population__months=12, policies=()
    )
    run = cs.simulate(world, [], seed=1)
    data = run.survey([Survey(name=f"s{k}", stream=k) for k in range(SURVEYS)])
    found = []
    for wave in data.waves["wave"]:
        table = satisfaction.wide(data.answers, wave, attentive=True)
        scores = satisfaction.construct_scores(table, data.items, ["touchpoints", "satisfaction"])
        found.append((scores, satisfaction.stated_importance(table, data.items)))
    return found, pd.Series({t.name: t.weight for t in world.touchpoints})


# -- regression and LMG --------------------------------------------------------------------------------


def test_coefficients_agree_with_statsmodels():
    frame = answers()
    found = drivers(frame, "y", bootstrap=0)
    fit = OLS(frame["y"], frame[["x0", "x1", "x2", "x3"]].assign(one=1.0)).fit()
    assert found.table["coefficient"].to_numpy() == pytest.approx(fit.params[:4].to_numpy(), abs=1e-10)
    assert found.r2 == pytest.approx(fit.rsquared, abs=1e-10)
    beta = fit.params[:4] * frame[["x0", "x1", "x2", "x3"]].std() / frame["y"].std()
    assert found.table["beta"].to_numpy() == pytest.approx(beta.to_numpy(), abs=1e-10)
    correlation = frame.corr()["y"].drop("y")
    assert found.table["correlation"].to_numpy() == pytest.approx(correlation.to_numpy())
    weights = np.random.default_rng(2).uniform(0.5, 3, len(frame))
    weighted = drivers(frame, "y", weights=weights, bootstrap=0)
    fit = WLS(frame["y"], frame[["x0", "x1", "x2", "x3"]].assign(one=1.0), weights).fit()
    assert weighted.table["coefficient"].to_numpy() == pytest.approx(fit.params[:4].to_numpy(), abs=1e-10)
    assert weighted.r2 == pytest.approx(fit.rsquared, abs=1e-10)


def test_lmg_is_the_mean_over_all_orders():
    frame, names = answers(), ["x0", "x1", "x2", "x3"]
    gains = dict.fromkeys(names, 0.0)
    for order in permutations(names):
        for k, name in enumerate(order):
            gains[name] += (r2(frame, order[: k + 1]) - r2(frame, order[:k])) / math.factorial(4)
    found = lmg(frame, "y")
    assert found.to_dict() == pytest.approx(gains, abs=1e-10)


@pytest.mark.parametrize("p", [1, 2, 8, 12])
def test_lmg_sums_to_r2(p):
    frame = answers(p=p)
    found = lmg(frame, "y")
    assert found.sum() == pytest.approx(r2(frame, found.index), abs=1e-6)
    assert (found > 0).all()


def test_shares_and_intervals():
    frame = answers(1000)
    found = drivers(frame, "y", stated={"x0": 9, "x1": 8, "x2": 7, "x3": 6}, bootstrap=100)
    sums = found.shares.groupby("method")["share"].sum()
    assert set(sums.index) == {"lmg", "beta", "coefficient", "correlation", "stated", "entropy"}
    assert sums.to_numpy() == pytest.approx(1)
    derived = found.shares[found.shares["method"] != "stated"]
    assert ((derived["lower"] < derived["share"]) & (derived["share"] < derived["upper"])).all()
    again = drivers(frame, "y", bootstrap=100)
    pd.testing.assert_frame_equal(derived.reset_index(drop=True), again.shares)
    assert "R2" in repr(found) and found.n == 1000


@pytest.mark.slow
def test_the_interval_of_a_coefficients_share_holds_the_truth():
    """60 samples, shares .1 to .4 exactly: 240 intervals, the standard error of their coverage below .02."""
    inside = []
    for seed in range(60):
        part = drivers(answers(300, seed=seed), "y", bootstrap=150, seed=seed).shares
        part = part[part["method"] == "coefficient"]
        inside += list((part["lower"] <= [0.1, 0.2, 0.3, 0.4]) & (part["upper"] >= [0.1, 0.2, 0.3, 0.4]))
    assert 0.89 < np.mean(inside) < 0.98


def test_wrong_drivers():
    frame = answers()
    for columns, what in (
        (["x0", "x9"], "no column 'x9'"),
        (["x0", "y"], "'y' is the outcome"),
        (["x0", "x0"], "named twice"),
        ("x0", "must be a list of columns"),
        ([], "0 drivers"),
    ):
        with pytest.raises(ValueError, match=what):
            drivers(frame, "y", columns)
    with pytest.raises(ValueError, match="'both' follows from those before it"):
        drivers(frame.assign(both=frame["x0"] + frame["x1"]), "y")
    with pytest.raises(ValueError, match="16 drivers: from 1 to 15"):
        lmg(answers(p=16), "y")
    with pytest.raises(ValueError, match="says nothing of 'x3'"):
        drivers(frame, "y", stated={"x0": 1, "x1": 1, "x2": 1})


# -- against the truth of a simulated utility ------------------------------------------------------------


def test_errors_against_known_weights():
    found = drivers(answers(), "y", bootstrap=0)
    exact = found.shares[found.shares["method"] == "lmg"].set_index("driver")["share"]
    table = found.errors(10 * exact)  # any unit
    assert table.loc["lmg", "mean_error"] == pytest.approx(0, abs=1e-12)
    assert table.loc["lmg", "rank_correlation"] == pytest.approx(1) and table.loc["lmg", "top_three"]
    share = found.shares[found.shares["method"] == "correlation"].set_index("driver")["share"]
    assert table.loc["correlation", "mean_error"] == pytest.approx((share - exact).abs().mean())
    with pytest.raises(ValueError, match="the truth says nothing of 'x1'"):
        found.errors({"x0": 1})


@pytest.mark.slow
def test_regression_and_lmg_come_nearest_to_the_true_weights_of_the_utility(water):
    """Mean over thirty surveys; the standard error of a mean error is about .002."""
    surveys, truth = water
    each = [
        drivers(scores, "satisfaction", stated=said, bootstrap=0).errors(truth) for scores, said in surveys
    ]
    table = pd.concat(each).groupby(level=0).mean(numeric_only=True)
    error = table["mean_error"]
    assert 0.035 < error["coefficient"] < 0.055 and 0.035 < error["lmg"] < 0.055
    assert error[["coefficient", "lmg"]].max() < error[["correlation", "stated"]].min() - 0.01
    rank = table["rank_correlation"]
    assert rank["coefficient"] > 0.5 > 0.4 > rank["stated"]


# -- entropy ---------------------------------------------------------------------------------------------


def test_entropy_weights_by_their_definition():
    frame = answers().drop(columns="y").abs()
    p = frame / frame.sum()
    e = -(p * np.log(p)).sum() / np.log(len(frame))
    expected = (1 - e) / (1 - e).sum()
    assert entropy_weights(frame).to_numpy() == pytest.approx(expected.to_numpy())
    with pytest.raises(ValueError, match="'x0' has negative answers"):
        entropy_weights(frame - 20)


@pytest.mark.slow
def test_entropy_weights_measure_dispersion(water):
    """They follow the squared coefficients of variation, in every survey; the outcome does not enter."""
    for scores, _ in water[0]:
        table = scores.drop(columns="satisfaction").dropna()
        spread = (table.std() / table.mean()) ** 2
        weights = entropy_weights(table)
        assert weights.corr(spread) > 0.95
        same_mean = table / table.std() + 10
        assert entropy_weights(same_mean).std() < 0.3 * weights.std()


# -- penalty and reward ----------------------------------------------------------------------------------


def kinked(n, seed=1):
    """Satisfaction that falls with a bad `must`, rises with a good `delight`, follows `plain`."""
    x = np.random.default_rng(seed).normal(7, 1.5, (n, 3)).round().clip(1, 10)
    must, delight, plain = x.T
    y = 7 + 0.8 * np.minimum(must - 7, 0) + 0.8 * np.maximum(delight - 7, 0) + 0.4 * (plain - 7)
    frame = pd.DataFrame(x, columns=["must", "delight", "plain"])
    return frame.assign(y=y + np.random.default_rng(seed + 1).normal(0, 1, n))


def test_penalties_and_rewards_show_the_kinks():
    """4,000 answers: the standard error of an impact ratio is below .05."""
    found = penalty_reward(kinked(4000), "y", low=5, high=9, bootstrap=100)
    assert found["kind"].to_dict() == {"must": "must_be", "delight": "attractive", "plain": "one_dimensional"}
    assert found.loc["must", "impact_ratio"] < -0.5 and found.loc["delight", "impact_ratio"] > 0.5
    assert found.loc[["must", "delight"], "sure"].all()
    assert (found["lower"] < found["impact_ratio"]).all() and (found["impact_ratio"] < found["upper"]).all()
    frame = kinked(4000)
    dummies = pd.DataFrame({"low": frame["must"] <= 5, "high": frame["must"] >= 9}).astype(float)
    single = penalty_reward(frame[["must", "y"]], "y", low=5, high=9, bootstrap=0)
    fit = OLS(frame["y"], dummies.assign(one=1.0)).fit()
    assert single.loc["must", "penalty"] == pytest.approx(fit.params["low"])
    assert single.loc["must", "reward"] == pytest.approx(fit.params["high"])


def test_limits_of_penalty_and_reward():
    frame = kinked(300)
    found = penalty_reward(frame, "y", bootstrap=0)
    assert (found["rated_low"] >= 0.2).all() and (found["rated_high"] >= 0.2).all()
    assert found["lower"].isna().all() and not found["sure"].any()
    for limits, what in (
        ({"low": 9, "high": 3}, r"must: low \(9\) must be below high \(3\)"),
        ({"low": 0, "high": 9}, "must: nobody rates it low"),
        ({"low": 5, "high": 11}, "must: nobody rates it high"),
        ({"low": {"must": 5}, "high": 9}, "low says nothing of 'delight'"),
    ):
        with pytest.raises(ValueError, match=what):
            penalty_reward(frame, "y", **limits)


# -- AHP -------------------------------------------------------------------------------------------------

EXAMPLE = [[1, 3, 4, 2], [1 / 3, 1, 2, 1 / 2], [1 / 4, 1 / 2, 1, 1 / 3], [1 / 2, 2, 3, 1]]


def test_the_example_of_the_case():
    found = ahp(EXAMPLE, ["quality", "billing", "price", "service"])
    assert found.weights.to_numpy() == pytest.approx([0.467, 0.160, 0.095, 0.277], abs=5e-4)
    assert found.lambda_max == pytest.approx(4.031, abs=5e-4)
    assert found.cr == pytest.approx(0.0115, abs=5e-5) and found.consistent
    assert isinstance(found, AHP) and "consistent" in repr(found)
    rows = ahp(EXAMPLE, method="geometric").weights
    assert rows.to_numpy() == pytest.approx(found.weights.to_numpy(), abs=0.003)


def test_consistent_judgements_give_their_weights_back():
    w = np.array([0.5, 0.3, 0.15, 0.05])
    for method in ("eigenvector", "geometric"):
        found = ahp(pd.DataFrame(w[:, None] / w, index=list("abcd")), method=method)
        assert found.weights.to_dict() == pytest.approx(dict(zip("abcd", w, strict=True)))
        assert found.cr == pytest.approx(0, abs=1e-12)


def test_contradictory_judgements_are_rejected_and_the_worst_named():
    found = ahp([[1, 3, 1 / 5], [1 / 3, 1, 3], [5, 1 / 3, 1]], ["a", "b", "c"])
    assert not found.consistent and found.cr > 0.5 and "NOT consistent" in repr(found)
    row, column, given, implied = found.doubtful
    w = found.weights
    assert implied == pytest.approx(w[row] / w[column]) and abs(math.log(given / implied)) > 1


def test_experts_are_joined_by_the_geometric_mean():
    first, second = (np.array([[1, k], [1 / k, 1]]) for k in (2.0, 8.0))
    assert ahp([first, second]).weights.to_numpy() == pytest.approx([0.8, 0.2])
    one = ahp([[1.0]])
    assert one.weights.to_numpy() == pytest.approx([1]) and one.cr == 0


@pytest.mark.parametrize(
    ("matrix", "what"),
    [
        ([[1, 3], [1 / 2, 1]], "0 against 1 is 3, and the reverse 0.5"),
        ([[2, 3], [1 / 3, 1]], "so the diagonal is 1"),
        ([[1, -3], [-1 / 3, 1]], "must be above 0"),
        ([[1, 3, 4], [1 / 3, 1, 2]], r"must be a square matrix, or several; the shape is \(2, 3\)"),
        (np.ones((11, 11)), "no random index beyond 10"),
        ([["a"]], "square matrix of numbers"),
    ],
)
def test_wrong_judgements(matrix, what):
    with pytest.raises(ValueError, match=what):
        ahp(matrix)
