"""The value models: published figures, closed forms against sums and simulation, and what they refuse."""

import dataclasses
import math
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from cdnow import cdnow_file, cdnow_halves, cdnow_sample
from scipy import integrate, special, stats

from crmsim.analysis.value import BGNBD, SBG, GammaGamma, clv, fit_bgnbd, fit_gamma_gamma, fit_sbg

CDNOW = BGNBD(r=0.2426, alpha=4.4136, a=0.7929, b=2.4259)
HIGH_END = (100, 86.9, 74.3, 65.3, 59.3, 55.1, 51.7, 49.1)
REGULAR = (100, 63.1, 46.8, 38.2, 32.6, 28.9, 26.2, 24.1)


@pytest.fixture(scope="module")
def halves() -> pd.DataFrame:
    return cdnow_halves()


@pytest.fixture(scope="module")
def history(halves):
    return halves["frequency"], halves["recency"], halves["T"]


@pytest.fixture(scope="module")
def bgnbd(history) -> BGNBD:
    return fit_bgnbd(*history)


@pytest.fixture(scope="module")
def gamma_gamma(halves) -> GammaGamma:
    return fit_gamma_gamma(halves["frequency"], halves["monetary_value"])


# Published figures


def test_bgnbd_on_cdnow(bgnbd):
    assert bgnbd.n == 2357
    assert bgnbd.converged
    assert round(bgnbd.r, 4) == 0.2426
    assert round(bgnbd.alpha, 4) == 4.4136
    assert round(bgnbd.a, 4) == 0.7929
    assert round(bgnbd.b, 4) == 2.4259
    assert round(bgnbd.log_likelihood, 2) == -9582.43


def test_gamma_gamma_on_cdnow(gamma_gamma):
    assert gamma_gamma.n == 946
    assert round(gamma_gamma.p, 2) == 6.25
    assert round(gamma_gamma.q, 3) == 3.744
    assert round(gamma_gamma.gamma, 2) == 15.44


def test_holdout_weeks_of_cdnow(bgnbd, halves):
    """Cumulative repeat purchases week by week, for the whole cohort."""
    first = (halves["first"] - pd.Timestamp("1997-01-01")).dt.days.to_numpy()
    log = cdnow_sample().log
    visits = pd.DataFrame(
        {"customer": log["customer"], "day": (log["date"] - pd.Timestamp("1997-01-01")).dt.days}
    )
    visits = visits.drop_duplicates()
    repeat = visits.loc[visits["customer"].duplicated(), "day"].to_numpy()
    weeks = np.arange(1, 79)
    actual = np.array([(repeat < 7 * week).sum() for week in weeks])
    # a week ends with its last day, so that day is the last observed
    age = np.maximum(7 * weeks[:, np.newaxis] - 1 - first, 0) / 7
    expected = bgnbd.expected_purchases(age).sum(axis=1)
    assert actual[38] == 2457
    assert np.abs(expected / np.maximum(actual, 1) - 1)[39:].mean() == pytest.approx(0.0263, abs=5e-5)
    assert (expected[77] - expected[38]) / (actual[77] - actual[38]) - 1 == pytest.approx(-0.114, abs=5e-4)


def test_holdout_customers_of_cdnow(bgnbd, history, halves):
    predicted = bgnbd.conditional_expected_purchases(39, *history)
    actual = halves["holdout_frequency"]
    assert np.abs(predicted - actual).mean() == pytest.approx(0.786, abs=0.001)
    assert predicted.sum() / actual.sum() - 1 == pytest.approx(-0.1215, abs=5e-4)


@pytest.mark.parametrize(("survivors", "a", "b"), [(HIGH_END, 0.668, 3.806), (REGULAR, 0.704, 1.182)])
def test_sbg_of_fader_and_hardie(survivors, a, b):
    model = fit_sbg(survivors)
    assert (round(model.a, 3), round(model.b, 3)) == (a, b)


def test_fits_are_quick(history, halves):
    fit_bgnbd(*history)  # scipy is imported by now
    start = time.perf_counter()
    fit_bgnbd(*history)
    fit_gamma_gamma(halves["frequency"], halves["monetary_value"])
    fit_sbg(HIGH_END)
    assert time.perf_counter() - start < 1.5  # 0.05 to 0.1 each on an idle machine


# Against lifetimes


def test_bgnbd_agrees_with_lifetimes(bgnbd, history):
    from lifetimes import BetaGeoFitter

    theirs = BetaGeoFitter().fit(*history)
    for name, value in bgnbd.parameters.items():
        assert value == pytest.approx(theirs.params_[name], rel=1e-4)
        assert bgnbd.standard_errors[name] == pytest.approx(theirs.summary.loc[name, "se(coef)"], rel=1e-3)
    ours = BGNBD(**theirs.params_)
    x, last, age = history
    np.testing.assert_allclose(
        ours.probability_alive(*history), theirs.conditional_probability_alive(*history)
    )
    for t in (1.0, 39.0):
        np.testing.assert_allclose(
            ours.conditional_expected_purchases(t, *history),
            theirs.conditional_expected_number_of_purchases_up_to_time(t, x, last, age),
            rtol=1e-9,
        )
        assert ours.expected_purchases(t) == pytest.approx(theirs.expected_number_of_purchases_up_to_time(t))
    for k in (0, 1, 5):
        assert ours.histogram(5, 30.0)[k] == pytest.approx(
            theirs.probability_of_n_purchases_up_to_time(30.0, k)
        )


def test_gamma_gamma_agrees_with_lifetimes(halves, gamma_gamma):
    from lifetimes import GammaGammaFitter

    again = halves[halves["frequency"] > 0]
    theirs = GammaGammaFitter().fit(again["frequency"], again["monetary_value"])
    for (name, value), their_name in zip(gamma_gamma.parameters.items(), ("p", "q", "v"), strict=True):
        assert value == pytest.approx(theirs.params_[their_name], rel=1e-3)
        assert gamma_gamma.standard_errors[name] == pytest.approx(
            theirs.summary.loc[their_name, "se(coef)"], rel=5e-3
        )
    ours = GammaGamma(**dict(zip(("p", "q", "gamma"), theirs.params_, strict=True)))
    np.testing.assert_allclose(
        ours.conditional_expected_value(halves["frequency"], halves["monetary_value"]),
        theirs.conditional_expected_average_profit(halves["frequency"], halves["monetary_value"].fillna(0)),
    )


def test_clv_agrees_with_lifetimes(bgnbd, gamma_gamma, halves, history):
    """They take 52.14 / 12 weeks to a month less exactly than we do, hence the tolerance."""
    from lifetimes import BetaGeoFitter, GammaGammaFitter

    some = slice(0, 200)
    count, amount = BetaGeoFitter(), GammaGammaFitter()
    count.params_ = pd.Series(bgnbd.parameters)
    count.predict = count.conditional_expected_number_of_purchases_up_to_time
    amount.params_ = pd.Series(dict(zip(("p", "q", "v"), gamma_gamma.parameters.values(), strict=True)))
    x, last, age = (column.iloc[some] for column in history)
    money = halves["monetary_value"].iloc[some]
    theirs = amount.customer_lifetime_value(
        count, x, last, age, money.fillna(0), time=12, discount_rate=0.01, freq="W"
    )
    np.testing.assert_allclose(clv(bgnbd, gamma_gamma, x, last, age, money), theirs, rtol=2e-3)


def test_the_file_of_summaries_gives_the_same_fit(bgnbd):
    """lifetimes carries the authors' own table, with times rounded to 0.01 week."""
    table = pd.read_csv(cdnow_file("cdnow_customers_summary.csv"))
    rounded = fit_bgnbd(table["frequency"], table["recency"], table["T"])
    for name, value in rounded.parameters.items():
        assert value == pytest.approx(bgnbd.parameters[name], rel=1e-3)


# Closed forms against sums, integrals and simulation


def simulate_bgnbd(model: BGNBD, n: int, T: float, later: float, seed: int):
    """The model's own story: frequency and recency by T, purchases in (T, T + later], alive at T."""
    rng = np.random.default_rng(seed)
    rate = rng.gamma(model.r, 1 / model.alpha, n)
    leave = rng.beta(model.a, model.b, n)
    frequency, recency, holdout = np.zeros(n, int), np.zeros(n), np.zeros(n, int)
    clock, alive, alive_at_T = np.zeros(n), np.ones(n, bool), np.ones(n, bool)
    while alive.any():
        with np.errstate(divide="ignore"):
            clock = clock + rng.exponential(1, n) / rate
        alive &= clock <= T + later
        early = alive & (clock <= T)
        frequency += early
        recency = np.where(early, clock, recency)
        holdout += alive & (clock > T)
        gone = alive & (rng.random(n) < leave)
        alive_at_T &= ~(gone & (clock <= T))
        alive &= ~gone
    return frequency, recency, holdout, alive_at_T


@pytest.fixture(scope="module")
def simulated():
    return simulate_bgnbd(CDNOW, 60_000, 39.0, 26.0, seed=5)


def test_simulated_customers_give_their_parameters_back(simulated):
    frequency, recency, _, _ = simulated
    model = fit_bgnbd(frequency, recency, np.full(len(frequency), 39.0))
    for name, truth in CDNOW.parameters.items():
        assert abs(getattr(model, name) - truth) < 3.5 * model.standard_errors[name]
    # errors shrink with the root of n: 60,000 customers against 2,357
    assert 0.1 < model.standard_errors["r"] / 0.01256 < 0.4


def test_expectations_meet_simulation(simulated):
    frequency, recency, holdout, alive = simulated
    n = len(frequency)
    assert CDNOW.expected_purchases(39.0) == pytest.approx(frequency.mean(), abs=4 * frequency.std() / n**0.5)
    shares = np.bincount(frequency, minlength=8)[:8] / n
    expected = CDNOW.histogram(7, 39.0)
    assert np.all(np.abs(shares - expected) < 4 * np.sqrt(expected / n))
    ahead = CDNOW.conditional_expected_purchases(26.0, frequency, recency, 39.0)
    chance = CDNOW.probability_alive(frequency, recency, 39.0)
    # in every group the history defines, not only on the whole
    for group in (
        frequency == 0,
        frequency == 1,
        frequency >= 2,
        (frequency >= 3) & (recency < 20),
        recency > 35,
    ):
        size = group.sum()
        assert size > 300
        assert ahead[group].mean() == pytest.approx(
            holdout[group].mean(), abs=4 * holdout[group].std() / size**0.5
        )
        assert chance[group].mean() == pytest.approx(alive[group].mean(), abs=2.5 / size**0.5)


def expected_by_integral(t: float, r: float, alpha: float, a: float, b: float) -> float:
    """E[(1 - exp(-rate p t)) / p] over both distributions, with no hypergeometric function."""

    def inner(p: float) -> float:
        return -math.expm1(-r * math.log1p(p * t / alpha)) / p if p > 0 else r * t / alpha

    return integrate.quad(inner, 0, 1, weight="alg", wvar=(a - 1, b - 1))[0] / special.beta(a, b)


@pytest.mark.parametrize(
    ("r", "alpha", "a", "b"),
    [(0.2426, 4.4136, 0.7929, 2.4259), (2.0, 8.0, 1.0, 2.0), (2.0, 8.0, 1 + 1e-12, 2.0), (1.5, 3.0, 0.5, 0.5),
     (1.5, 3.0, 0.3, 0.4), (0.7, 20.0, 3.0, 5.0), (5.0, 5.0, 1.5, 1.0)],
)  # fmt: skip
def test_expected_purchases_is_the_integral(r, alpha, a, b):
    """The removable holes at a = 1 and a + b = 1 are among them."""
    for t in (0.01, 1.0, 40.0):
        assert BGNBD(r, alpha, a, b).expected_purchases(t) == pytest.approx(
            expected_by_integral(t, r, alpha, a, b), rel=1e-6
        )


def test_expectations_hold_for_hundreds_of_purchases():
    """The printed form overflows here."""
    model = BGNBD(0.5, 5.0, 0.8, 2.5)
    ahead = model.conditional_expected_purchases([1.0, 50.0, 200.0], 500, 199.9, 200.0)
    assert np.isfinite(ahead).all()
    alive = model.probability_alive(500, 199.9, 200.0)
    shown = [expected_by_integral(t, 500.5, 205.0, 0.8, 502.5) * alive for t in (1.0, 50.0, 200.0)]
    np.testing.assert_allclose(ahead, shown, rtol=1e-6)
    assert model.probability_alive(500, 10.0, 200.0) < 1e-200


def test_without_leaving_it_is_the_nbd():
    """Parameters that run to a limit, as a fit on customers who never leave gives them, still answer."""
    for r, alpha, a, b in ((0.8, 6.0, 1e-9, 50.0), (0.8, 6.0, 1.0, 1e9), (30_000.0, 150_000.0, 1e-9, 30.0)):
        model = BGNBD(r, alpha, a, b)
        t = np.array([0.5, 30.0, 300.0])
        np.testing.assert_allclose(model.expected_purchases(t), r / alpha * t, rtol=1e-6)
        nbd = stats.nbinom.pmf(np.arange(20), r, alpha / (alpha + 30.0))
        np.testing.assert_allclose(model.histogram(19, 30.0), nbd, rtol=1e-6, atol=1e-12)
        ahead = model.conditional_expected_purchases(10.0, [0, 4, 90], [0.0, 20.0, 29.9], 30.0)
        np.testing.assert_allclose(ahead, (r + np.array([0, 4, 90])) / (alpha + 30) * 10, rtol=1e-5)


def test_customers_nearly_alike_in_leaving():
    """SciPy's hypergeometric function overflows for these parameters."""
    model = BGNBD(4.69, 3.069, 295.3, 2518.0)

    def weighted(p: float) -> float:
        return -math.expm1(-4.69 * math.log1p(p * 95.07 / 3.069)) / p * stats.beta.pdf(p, 295.3, 2518.0)

    # the beta has its mass within eight standard deviations of .006
    by_integral = integrate.quad(weighted, 0.105 - 0.048, 0.105 + 0.048, epsrel=1e-10)[0]
    assert model.expected_purchases(95.07) == pytest.approx(by_integral, rel=1e-8)


def test_expected_purchases_at_the_edges():
    assert CDNOW.expected_purchases(0) == 0
    tiny = CDNOW.expected_purchases(1e-8)
    assert tiny == pytest.approx(CDNOW.r / CDNOW.alpha * 1e-8, rel=1e-6)
    assert np.ndim(tiny) == 0
    assert CDNOW.expected_purchases([[1, 2], [3, 4]]).shape == (2, 2)
    # without a repeat purchase everybody is still there
    assert CDNOW.probability_alive(0, 0, 100) == 1
    assert CDNOW.probability_alive([2, 2], [30.43, 10.0], 38.86)[0] == pytest.approx(0.7266, abs=5e-4)


def test_histogram_is_a_distribution():
    table = CDNOW.histogram(4000, [0.0, 1.0, 39.0, 400.0])
    assert table.shape == (4, 4001)
    assert np.all(table >= 0)
    np.testing.assert_allclose(table.sum(axis=1), 1, atol=1e-9)
    assert table[0, 0] == 1
    np.testing.assert_allclose(
        table @ np.arange(4001), CDNOW.expected_purchases([0.0, 1.0, 39.0, 400.0]), rtol=1e-6
    )
    assert CDNOW.histogram(3, 39.0).tolist() == table[2, :4].tolist()


def test_expected_histogram_of_cdnow(bgnbd, history):
    """Close to what was seen: 1,411 without a repeat, 439 with one, 214 with two."""
    frequency, _, age = history
    expected = bgnbd.histogram(6, age).sum(axis=0)
    seen = np.bincount(frequency, minlength=7)[:7]
    assert seen[:3].tolist() == [1411, 439, 214]
    assert np.all(np.abs(expected - seen) < 25)


def test_gamma_gamma_mean_of_a_simulation():
    truth = GammaGamma(6.25, 3.744, 15.44)
    rng = np.random.default_rng(2)
    n = 40_000
    rate = rng.gamma(truth.q, 1 / truth.gamma, n)
    frequency = rng.integers(1, 8, n)
    money = rng.gamma(truth.p * frequency) / rate / frequency
    model = fit_gamma_gamma(frequency, money)
    for name, value in truth.parameters.items():
        assert abs(getattr(model, name) - value) < 3.5 * model.standard_errors[name]
    following = rng.gamma(truth.p, size=n) / rate
    guess = truth.conditional_expected_value(frequency, money)
    assert truth.mean == pytest.approx(6.25 * 15.44 / 2.744)
    for group in (frequency == 1, frequency == 7, money > 60, money < 15):
        error = following[group].std() / group.sum() ** 0.5
        assert guess[group].mean() == pytest.approx(following[group].mean(), abs=4 * error)


def test_gamma_gamma_likelihood_is_that_of_the_story():
    """Mean amounts are gamma given the rate, and the rate is gamma: averaged over a fine grid of rates."""
    rng = np.random.default_rng(6)
    frequency = rng.integers(1, 9, 80)
    money = rng.gamma(4.0 * frequency) / rng.gamma(3.0, 1 / 20, 80) / frequency
    model = fit_gamma_gamma(frequency, money)
    rate = np.geomspace(1e-4, 50, 20_001)[:, np.newaxis]
    joint = stats.gamma.pdf(money, model.p * frequency, scale=1 / (rate * frequency))
    joint *= stats.gamma.pdf(rate, model.q, scale=1 / model.gamma)
    densities = integrate.trapezoid(joint * rate, np.log(rate), axis=0)
    assert model.converged
    assert model.log_likelihood == pytest.approx(np.log(densities).sum(), abs=1e-6)


def test_gamma_gamma_without_repeat_purchases():
    model = GammaGamma(6.25, 3.744, 15.44)
    values = model.conditional_expected_value([0, 0, 2], [np.nan, 0.0, 22.35])
    assert values[:2].tolist() == [model.mean] * 2
    # 2 x 22.35 drawn towards the mean of 35.17
    assert values[2] == pytest.approx(6.25 * (15.44 + 44.7) / (12.5 + 2.744))
    heavy = GammaGamma(2.0, 0.9, 10.0)
    assert heavy.mean == math.inf
    assert heavy.conditional_expected_value(0, 0.0) == math.inf
    assert math.isfinite(heavy.conditional_expected_value(1, 20.0))


def test_sbg_survival_and_retention():
    model = SBG(0.668, 3.806)
    assert model.survival(0) == 1
    assert model.retention(1) == pytest.approx(3.806 / 4.474)
    survival = model.survival(np.arange(13))
    np.testing.assert_allclose(np.cumprod(model.retention(np.arange(1, 13))), survival[1:])
    # the mean over customers of staying five times
    each = stats.beta(0.668, 3.806).expect(lambda leave: (1 - leave) ** 5)
    assert model.survival(5) == pytest.approx(each, rel=1e-8)


def test_sbg_counts_shares_and_errors():
    counts = np.round(np.array(REGULAR) * 10).astype(int)
    by_count, by_share, sized = fit_sbg(counts), fit_sbg(counts / 1000), fit_sbg(REGULAR, n=1000)
    for other in (by_share, sized):
        assert (other.a, other.b) == (
            pytest.approx(by_count.a, rel=1e-5),
            pytest.approx(by_count.b, rel=1e-5),
        )
    assert by_count.n == sized.n == 1000
    assert sized.standard_errors == pytest.approx(by_count.standard_errors, rel=1e-4)
    assert sized.log_likelihood == pytest.approx(1000 * by_share.log_likelihood, rel=1e-6)
    assert (by_share.n, by_share.standard_errors) == (None, {})
    assert by_share.summary()["standard_error"].isna().all()
    # spread of the estimates over simulated cohorts is what the errors claim
    rng = np.random.default_rng(3)
    chances = -np.diff(by_count.survival(np.arange(8)))
    draws = rng.multinomial(1000, [*chances, 1 - chances.sum()], size=100)
    fits = [fit_sbg(1000 - np.concatenate(([0], np.cumsum(draw[:-1])))) for draw in draws]
    assert np.std([fit.a for fit in fits]) == pytest.approx(by_count.standard_errors["a"], rel=0.25)


# Lifetime value


def test_clv_by_hand(bgnbd, gamma_gamma):
    customer = (2, 30.43, 38.86)
    worth = gamma_gamma.conditional_expected_value(2, 22.35)
    step = 365.25 / 84
    bought = [bgnbd.conditional_expected_purchases(step * month, *customer) for month in range(4)]
    by_hand = sum((bought[m] - bought[m - 1]) / 1.02**m for m in (1, 2, 3)) * worth * 0.3
    value = clv(bgnbd, gamma_gamma, *customer, 22.35, months=3, discount_rate=0.02, margin=0.3)
    assert value == pytest.approx(by_hand, rel=1e-12)


def test_clv_does_not_depend_on_the_unit(bgnbd, gamma_gamma, halves, history):
    x, last, age = history
    in_weeks = clv(bgnbd, gamma_gamma, x, last, age, halves["monetary_value"])
    by_day = dataclasses.replace(bgnbd, alpha=bgnbd.alpha * 7)
    in_days = clv(by_day, gamma_gamma, x, last * 7, age * 7, halves["monetary_value"], unit="D")
    np.testing.assert_allclose(in_weeks, in_days, rtol=1e-9)
    assert in_weeks.shape == (2357,)
    assert np.all(in_weeks > 0)


def test_fit_does_not_depend_on_units(bgnbd, gamma_gamma, halves, history):
    x, last, age = history
    days = fit_bgnbd(x, last * 7, age * 7)
    assert days.parameters == pytest.approx({**bgnbd.parameters, "alpha": bgnbd.alpha * 7}, rel=1e-5)
    # a density per day instead of per week, once for each repeat purchase
    assert days.log_likelihood == pytest.approx(bgnbd.log_likelihood - x.sum() * math.log(7), abs=1e-5)
    fen = fit_gamma_gamma(x, halves["monetary_value"] * 100)
    assert fen.gamma == pytest.approx(gamma_gamma.gamma * 100, rel=1e-5)


# What they refuse


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, last, age: (x, last, age * np.nan), "T has 2,357 missing"),
        (lambda x, last, age: (-x - 1, last, age), "frequency has 2,357 negative"),
        (lambda x, last, age: (x + 0.5, last, age), "whole numbers"),
        (lambda x, last, age: (x, last, age / 2), "recency exceeds T"),
        (lambda x, last, age: (x * 0, last, age), "without a repeat purchase"),
        (lambda x, last, age: (x * 0, last * 0, age), "0 of 2,357 customers bought again"),
        (lambda x, last, age: (x[:5], last, age), "differ in length: frequency \\(5,\\)"),
        (lambda x, last, age: (x.astype(str) + "x", last, age), "numbers only"),
    ],
)
def test_bgnbd_refuses(history, change, message):
    with pytest.raises(ValueError, match=message):
        fit_bgnbd(*change(*history))


@pytest.mark.parametrize(
    ("frequency", "money", "message"),
    [
        ([1] * 9, [5.0] * 9, "9 customers bought again"),
        ([1] * 12, [5.0] * 11 + [np.nan], "monetary_value has 1 missing"),
        ([1] * 12, [5.0] * 11 + [0.0], "monetary_value is 0 for 1"),
        ([1] * 12, [5.0] * 11 + [-1.0], "monetary_value has 1 negative"),
    ],
)
def test_gamma_gamma_refuses(frequency, money, message):
    with pytest.raises(ValueError, match=message):
        fit_gamma_gamma(frequency, money)


@pytest.mark.parametrize(
    ("survivors", "message"),
    [
        ((100, 90), "at least two periods"),
        ((100, 90, 95), "rise from 90 to 95 in period 2"),
        ((100, 100, 100), "never fall"),
        ((100, np.nan, 90), "missing"),
    ],
)
def test_sbg_refuses(survivors, message):
    with pytest.raises(ValueError, match=message):
        fit_sbg(survivors)


def test_questions_that_make_no_sense(bgnbd, gamma_gamma):
    with pytest.raises(ValueError, match="r must be a positive number"):
        BGNBD(0.0, 1, 1, 1)
    with pytest.raises(ValueError, match="t has 1 negative"):
        bgnbd.expected_purchases(-1)
    with pytest.raises(ValueError, match="k_max"):
        bgnbd.histogram(-1, 5)
    with pytest.raises(ValueError, match="t must be 1 or more"):
        SBG(1, 1).retention([0, 1])
    with pytest.raises(ValueError, match="whole numbers"):
        SBG(1, 1).survival(1.5)
    for wrong in ({"months": 0}, {"unit": "Y"}, {"discount_rate": -1}, {"margin": math.nan}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            clv(bgnbd, gamma_gamma, 1, 1, 2, 5.0, **wrong)


def test_data_that_do_not_pin_the_model_down_are_said_so():
    """Equal customers who never leave: no spread of rates and no leaving to estimate."""
    rng = np.random.default_rng(4)
    frequency = rng.poisson(8, 400)
    recency = np.where(frequency > 0, 40 * rng.random(400) ** (1 / np.maximum(frequency, 1)), 0)
    with pytest.warns(RuntimeWarning, match="do not pin"):
        model = fit_bgnbd(frequency, recency, np.full(400, 40.0))
    assert not model.converged
    assert "NOT CONVERGED" in repr(model)
    # what it says is still right: a rate of 8 in 40
    assert model.expected_purchases(40.0) == pytest.approx(8, rel=0.05)


# How they look


def test_results_print_well(bgnbd):
    assert repr(bgnbd) == (
        "BGNBD(r=0.2426, alpha=4.414, a=0.7929, b=2.426; log-likelihood -9582.43, n 2,357)"
    )
    assert repr(SBG(1, 2.5)) == "SBG(a=1, b=2.5)"
    summary = bgnbd.summary()
    assert list(summary.columns) == ["estimate", "standard_error", "lower", "upper"]
    assert list(summary.index) == ["r", "alpha", "a", "b"]
    assert (summary["lower"] < summary["estimate"]).all()
    assert (summary["estimate"] < summary["upper"]).all()
    assert "2,357 customers" in bgnbd._repr_html_()
    assert "<table" in SBG(1, 2)._repr_html_()
    with pytest.raises(dataclasses.FrozenInstanceError):
        bgnbd.r = 1.0


def test_import_is_light():
    heavy = "pandas", "scipy.optimize", "scipy.special"
    code = f"import sys, crmsim.analysis.value; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
