"""Exact verification: with the other rules off, the engine must give the closed forms of the literature.

Each test says what departure it would find. Seeds are fixed; a limit of 4 standard errors, or a
p-value of 1e-4, is passed by a right engine whatever the seed in all but one of ten thousand cases.
"""

import math

import numpy as np
import pytest
from scipy import stats

from crmsim.analysis.value import fit_bgnbd, fit_gamma_gamma, fit_sbg
from crmsim.data.transactions import repeat_summary
from crmsim.simulation import nulls
from crmsim.simulation.engine import simulate
from crmsim.simulation.policies import Cost, Offers, Programme
from crmsim.simulation.run import CAUSES
from crmsim.simulation.scenario import Scenario


def exits_against(run, survival):
    """p-value of the months of leaving against an exact survival curve (chi-square, multinomial)."""
    months, size = run.scenario.population.months, run.scenario.population.size
    left = run.customers["left_month"].dropna().astype(int)
    counts = np.append(np.bincount(left, minlength=months), size - len(left))
    chances = np.append(-np.diff(survival), survival[-1])
    return stats.chisquare(counts, size * chances).pvalue


def score(found, expected, sd):
    return (found - expected) / sd


# -- leaving -----------------------------------------------------------------------------------------


def test_one_hazard_for_all_is_geometric():
    """10,000 departures: a hazard wrong by 4 % is found, and so is one that drifts by as much."""
    null = nulls.geometric(hazard=0.03)
    run = simulate(null.scenario, seed=1)
    exact = null.exact(np.arange(25))
    assert exits_against(run, exact) > 1e-4
    assert abs(score(run.survival().iloc[-1], exact[-1], math.sqrt(exact[-1] * (1 - exact[-1]) / 20_000))) < 4
    assert set(run.customers["cause"].dropna()) == {"natural"}
    # The expected number of departures stands beside the realised one.
    m = run.monthly
    assert m["expected_natural"].to_numpy() == pytest.approx(
        m["at_risk"].to_numpy() * -math.expm1(-0.03), rel=1e-3
    )


@pytest.mark.parametrize(("a", "b"), [(0.668, 3.806), (0.704, 1.182)])
def test_beta_distributed_chances_are_the_shifted_beta_geometric(a, b):
    """High End and Regular of Fader & Hardie 2007, a month for a year. The fit finds a wrong by 5 %."""
    null = nulls.shifted_beta_geometric(a, b)
    run = simulate(null.scenario, seed=1)
    exact = null.exact(np.arange(25))
    assert exits_against(run, exact) > 1e-4
    fitted = fit_sbg(run.survival().to_numpy() * 20_000, n=20_000)
    for name, true in (("a", a), ("b", b)):
        assert abs(fitted.parameters[name] - true) < 3 * fitted.standard_errors[name]
    # Nobody's own chance changes, yet the rate of those left falls.
    churn = run.monthly["churn_rate"].to_numpy()
    assert churn[-6:].mean() < 0.6 * churn[0]


def test_beta_chances_vanish_into_one_hazard_when_all_are_alike():
    """Shapes of 1000 leave no heterogeneity: the retention rate is flat (s.e. of the trend .0004)."""
    run = simulate(nulls.shifted_beta_geometric(30, 970).scenario, seed=1)
    slope = np.polyfit(np.arange(24), run.monthly["churn_rate"], 1)[0]
    assert abs(slope) < 4 * 0.0002


def test_five_constant_causes_compete_by_their_hazards():
    """20,000 customers x 24 months, 14,000 departures: a share wrong by a tenth (of 8 to 40 %) is found."""
    null = nulls.competing()
    run = simulate(null.scenario, seed=1)
    chances = null.exact()
    m = run.monthly
    counts = np.array([m[f"left_{cause}"].sum() for cause in CAUSES])
    share = np.array([chances[cause] for cause in CAUSES]) / sum(chances.values())
    assert stats.chisquare(counts, counts.sum() * share).pvalue > 1e-4
    alive = (1 - sum(chances.values())) ** np.arange(25)
    assert exits_against(run, alive) > 1e-4
    expected = np.array([m[f"expected_{cause}"].sum() for cause in CAUSES])
    assert np.abs((counts - expected) / np.sqrt(expected)).max() < 4


def test_without_cut_offs_the_shares_are_those_of_the_hazards():
    hazards = dict(natural=0.02, competitive=0.03, fault=0.01, retaliatory=0.04)
    null = nulls.competing(**hazards, payment_lapse=0)
    m = simulate(null.scenario, seed=1).monthly
    counts = np.array([m[f"left_{cause}"].sum() for cause in hazards])
    share = np.array(list(hazards.values())) / sum(hazards.values())
    assert stats.chisquare(counts, counts.sum() * share).pvalue > 1e-4
    assert [null.exact()[c] for c in hazards] == pytest.approx(share * -math.expm1(-0.1), rel=1e-9)
    assert m["left_payment_lapse"].sum() == 0


@pytest.mark.parametrize("cause", ["natural", "competitive", "fault", "payment_lapse", "retaliatory"])
def test_each_cause_alone(cause):
    """One chance of 5 % a month: 10,000 departures, all of that cause; 4 % too many would be found."""
    only = dict.fromkeys(("natural", "competitive", "fault", "payment_lapse", "retaliatory"), 0.0)
    null = nulls.competing(**(only | {cause: 0.05}))
    run = simulate(null.scenario, seed=2)
    chance = null.exact()[cause]
    assert chance == pytest.approx(0.05, rel=0.03)
    assert exits_against(run, (1 - chance) ** np.arange(25)) > 1e-4
    assert set(run.customers["cause"].dropna()) == {cause}


# -- buying ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("r", "mean", "months"), [(0.8, 0.6, 12), (0.243, 0.24, 9), (5.0, 8.0, 6)])
def test_purchases_of_the_living_are_negative_binomial(r, mean, months):
    """Whole distribution of 20,000 counts (departures of 2.5 % in a typical cell are found), mean and
    variance / mean; rates of 8 a month also try counts beyond the first few."""
    null = nulls.negative_binomial(r, mean, months=months)
    run = simulate(null.scenario, seed=1)
    bought = run.customers["purchases"].to_numpy(int)
    assert run.monthly["purchases"].sum() == bought.sum()
    cells = np.unique(np.quantile(bought, np.linspace(0, 1, 25)).astype(int))
    edges = [-1, *cells[:-1], bought.max() + 10**6]
    counts = np.histogram(bought, np.array(edges) + 0.5)[0]
    chances = np.diff([null.exact(np.arange(e + 1)).sum() if e < 10**5 else 1.0 for e in edges])
    assert stats.chisquare(counts, 20_000 * chances).pvalue > 1e-4
    total = months * mean
    ratio = 1 + total / r
    assert abs(score(bought.mean(), total, math.sqrt(total * ratio / 20_000))) < 4
    # s.e. of variance / mean from the spread of the squares, at most 6 % here
    squares = (bought - bought.mean()) ** 2
    assert abs(squares.mean() / bought.mean() - ratio) < 4 * squares.std() / math.sqrt(20_000) / bought.mean()


def test_purchases_of_two_months_are_poisson_given_the_person():
    """Covariance of the counts of two months is the variance of the rate: mean^2 / r."""
    null = nulls.negative_binomial(2.0, 1.5, months=2)
    who = range(20_000)
    lives = simulate(null.scenario, seed=1, follow=list(who)).lives["bought"].unstack("month").to_numpy(float)
    product = (lives[:, 0] - 1.5) * (lives[:, 1] - 1.5)
    assert abs(product.mean() - 1.5**2 / 2) < 4 * product.std() / math.sqrt(20_000)


@pytest.fixture(scope="module")
def cdnow():
    """20,000 customers x 9 months by the BG/NBD parameters of CDNOW, and their purchases."""
    null = nulls.bg_nbd()
    run = simulate(null.scenario, seed=1)
    return null, run, run.records().purchases


def test_bg_nbd_expects_as_many_purchases(cdnow):
    """Cumulative repeat purchases by month: 4 s.e. are 6 % in the first month, 4 % in the last."""
    null, run, single = cdnow
    counts = single.groupby(["customer", "month"]).size().unstack(fill_value=0).cumsum(axis=1)
    for month in range(9):
        by_person = counts[month].reindex(run.customers.index, fill_value=0)
        sd = by_person.std() / math.sqrt(20_000)
        assert abs(score(by_person.mean(), null.exact(month + 1), sd)) < 4


@pytest.mark.slow
def test_bg_nbd_parameters_are_recovered_within_two_standard_errors(cdnow):
    """Exact times, four worlds. Standard errors of their mean: r .9 %, alpha 1.5 %, a 4 %, b 5 %."""
    null, run, single = cdnow
    age = np.full(20_000, 9 * nulls.MONTH_IN_WEEKS)
    worlds = [(run, single)]
    for seed in (2, 3, 4):
        run = simulate(null.scenario, seed=seed)
        worlds.append((run, run.records().purchases))
    fits = []
    for run, single in worlds:
        bought = single.groupby("customer")["day"].size().reindex(run.customers.index, fill_value=0)
        last = (single["month"] + single["day"]).groupby(single["customer"]).max()
        recency = last.reindex(run.customers.index, fill_value=0.0) * nulls.MONTH_IN_WEEKS
        fits.append(fit_bgnbd(bought.to_numpy(), recency.to_numpy(), age))
    for name, true in dict(r=0.2426, alpha=4.4136, a=0.7929, b=2.4259).items():
        mean = np.mean([f.parameters[name] for f in fits])
        error = np.sqrt(np.mean([f.standard_errors[name] ** 2 for f in fits]) / len(fits))
        assert abs(mean - true) < 2 * error, name


def test_a_shops_log_of_such_customers_gives_the_parameters_back():
    """As many customers as in the CDNOW sample, dated by day, read as a user's own log would be."""
    null = nulls.bg_nbd(size=2357)
    log = simulate(null.scenario, seed=1).transactions("1997-01-01", joining=True)
    summary = repeat_summary(log, until="1997-09-30")
    assert len(summary) == 2357
    fitted = fit_bgnbd(summary["frequency"], summary["recency"], summary["T"])
    for name, true in dict(r=0.2426, alpha=4.4136, a=0.7929, b=2.4259).items():
        assert abs(fitted.parameters[name] - true) < 2 * fitted.standard_errors[name], name


def test_gamma_gamma_parameters_are_recovered(cdnow):
    """8,500 buyers; standard errors: p 6 %, q 2.5 %, gamma 8 %."""
    _, _, single = cdnow
    spend = single.groupby("customer")["amount"].agg(["size", "mean"])
    fitted = fit_gamma_gamma(spend["size"], spend["mean"])
    for name, true in dict(p=6.25, q=3.74, gamma=15.45).items():
        assert abs(fitted.parameters[name] - true) < 3 * fitted.standard_errors[name], name


def test_who_dropped_out_bought_last_in_the_month_of_leaving(cdnow):
    _, run, single = cdnow
    last = single.groupby("customer")["month"].max()
    gone = run.customers["left_month"].dropna().astype(int)
    assert len(gone) > 2000
    assert (last.reindex(gone.index) == gone).all()
    # Drop-out follows a purchase with the person's own chance: 3,400 of those expected, s.e. 1.5 %.
    chance = run.customers["dropout"].astype(float).reindex(single["customer"])
    assert abs(len(gone) - chance.sum()) < 4 * math.sqrt((chance * (1 - chance)).sum())


@pytest.mark.parametrize("rate", [0.3, 2.0, 12.0])
def test_spending_is_gamma_gamma_whatever_the_number_of_purchases(rate):
    """Each month's sum, mapped by its exact distribution, is uniform: Kolmogorov-Smirnov finds a
    departure of 2 points. Rates of 12 try the approximation used beyond eight purchases."""
    null = nulls.gamma_gamma(rate=rate)
    lives = simulate(null.scenario, seed=1, follow=list(range(20_000))).lives
    some = lives[lives["bought"] > 0]
    assert len(some) > 4000
    u = null.exact(some["spent"].to_numpy(float), some["bought"].to_numpy(float))
    assert stats.kstest(u, "uniform").pvalue > 1e-4
    assert (lives.loc[lives["bought"] == 0, "spent"] == 0).all()


def test_mean_spend_is_p_gamma_over_q_less_one():
    """35.24; the spread between persons makes the s.e. of 20,000 persons' means .2, or .6 %."""
    table = simulate(nulls.gamma_gamma(rate=8).scenario, seed=1).customers
    mean = (table["revenue"] / table["purchases"])[table["purchases"] > 0].astype(float)
    assert abs(6.25 * 15.45 / 2.74 - 35.24) < 0.005
    assert abs(mean.mean() - 35.24) < 4 * mean.std() / math.sqrt(len(mean))
    own = 6.25 / table["spend_rate"].astype(float)
    assert abs(own.mean() - 35.24) < 4 * own.std() / math.sqrt(20_000)


def test_a_logs_amounts_sum_to_the_revenue_and_share_it_as_gamma_amounts_do():
    run = simulate(nulls.gamma_gamma(rate=2.0, size=10_000, months=2).scenario, seed=1)
    log = run.transactions("2024-02-01")
    assert log["amount"].sum() == pytest.approx(run.monthly["revenue"].sum(), rel=1e-6)
    assert len(log) == run.monthly["purchases"].sum()
    assert (log["date"].min(), log["date"].max()) == tuple(
        np.array(["2024-02-01", "2024-03-31"], dtype="datetime64[s]")
    )
    u = nulls.gamma_gamma().exact(log.drop_duplicates("customer")["amount"].to_numpy())
    assert stats.kstest(u, "uniform").pvalue > 1e-4
    # Days of the 29 of February and the 31 of March are used evenly: 40,000 purchases.
    for month, days in ((2, 29), (3, 31)):
        day = log.loc[log["date"].dt.month == month, "date"].dt.day
        assert stats.chisquare(np.bincount(day, minlength=days + 1)[1:]).pvalue > 1e-4


def test_joining_purchases_come_first_and_follow_the_persons_spending():
    run = simulate(nulls.gamma_gamma(rate=0.5, size=10_000).scenario, seed=1)
    log, plain = run.transactions(joining=True), run.transactions()
    first = log.groupby("customer").first()
    assert len(log) == len(plain) + 10_000
    assert (first["date"] == np.datetime64("2024-01-01", "s")).all()
    expected = 6.25 / run.customers["spend_rate"].astype(float)
    ratio = (first["amount"] / expected).to_numpy()
    assert abs(ratio.mean() - 1) < 4 * 0.4 / 100  # gamma of shape 6.25: sd .4
    u = nulls.gamma_gamma().exact(first["amount"].to_numpy())
    assert stats.kstest(u, "uniform").pvalue > 1e-4
    with pytest.raises(ValueError, match="'soon' is no date; write it as '2024-01-01'"):
        run.transactions("soon")
    contract = simulate(Scenario.preset("subscription").replace(population__size=50), seed=1)
    assert contract.transactions(joining=True).empty


# -- growing -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def growth():
    null = nulls.bass()
    return null, simulate(null.scenario, seed=1)


def test_an_empty_market_fills_by_the_bass_curve(growth):
    """The published curve within 2 points of the market (the run counts months and imitation lags by
    one), and the same recursion in months within 1 point (s.e. of chance at most .4)."""
    null, run = growth
    share = run.monthly["customers"].to_numpy() / 50_000
    months = np.arange(180)
    assert np.abs(share - null.exact(months - 0.5)).max() < 0.02
    there, exact, invited = 0.0, [], 0.0
    for month in months:
        won = 0.03 / 12 * (1 - there) if month else 0.0
        joined = won + invited
        room = 1 - there
        there += joined
        invited = 0.38 / 12 * room * there
        exact.append(there)
    assert np.abs(share - exact).max() < 0.01
    assert share[-1] > 0.95


def test_new_customers_peak_when_bass_says(growth):
    """ln(q/p) / (p + q) = 6.19 years = 74.3 months; a quadratic through 40 months finds it to a month."""
    _, run = growth
    joined = run.monthly["joined"].to_numpy()
    around = np.arange(54, 96)
    curve = np.polyfit(around, joined[around], 2)
    peak = -curve[1] / (2 * curve[0])
    assert 12 * math.log(0.38 / 0.03) / 0.41 == pytest.approx(74.3, abs=0.05)
    assert peak == pytest.approx(74.3 + 1, abs=2.5)


def test_without_imitation_the_market_fills_exponentially():
    null = nulls.bass(p=0.3, q=0.0, months=60)
    share = simulate(null.scenario, seed=1).monthly["customers"].to_numpy() / 50_000
    exact = 1 - (1 - 0.3 / 12) ** np.arange(60)
    assert np.abs(share - exact).max() < 4 * 0.5 / math.sqrt(50_000)


# -- money -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", Scenario.presets())
def test_a_cost_without_effect_lowers_equity_by_exactly_the_cost(name):
    """Paired luck: not one life differs, so the difference is the discounted cost to the last digit."""
    world = Scenario.preset(name).replace(population__size=1500, population__months=24)
    idle = Programme(label="idle", costs=Cost(per_customer=0.1, fixed=3, one_off=0.5), start=2, stop=20)
    without, with_cost = simulate(world, [], seed=1), simulate(world, [idle], seed=1)
    at_risk = without.monthly["at_risk"].to_numpy()
    runs = (np.arange(24) >= 2) & (np.arange(24) < 20)
    bills = np.where(runs, 0.1 * at_risk + 3, 0) + np.where(np.arange(24) == 2, 0.5 * at_risk, 0)
    discount = (1 + world.firm.discount_rate) ** (-np.arange(24) / 12)
    lost = float((bills * world.bill * discount).sum())
    assert without.equity - with_cost.equity == pytest.approx(lost, rel=1e-9)
    assert with_cost.customers.equals(without.customers)


def test_offers_without_effect_cost_what_they_cost():
    class Nothing:
        name = "nothing"

        def offers(self, view):
            return Offers(view.id[::7], "contact", 2.5)

    quiet = nulls.quiet(2000, 6, purchase__contract=True)  # care has nothing to act on
    without, with_offers = simulate(quiet, [], seed=1), simulate(quiet, [Nothing()], seed=1)
    cost = with_offers.monthly["offers"] * 2.5
    assert (with_offers.monthly["policy_cost"] == cost).all()
    assert (cost.iloc[0], len(cost)) == (286 * 2.5, 6)
    discounted = (cost * with_offers.monthly["discount"]).sum()
    assert without.equity - with_offers.equity == pytest.approx(discounted, rel=1e-9)


def test_equity_of_a_customer_who_never_leaves_is_the_annuity():
    """Contract, no failures: margin x sum of discounts."""
    world = nulls.quiet(
        1000, 36, purchase__contract=True, purchase__fee=30, payment__manual_failure=0,
        payment__card_failure=0, payment__debit_failure=0,
    )  # fmt: skip
    run = simulate(world, seed=1)
    annuity = (1.12 ** (-np.arange(36) / 12)).sum()
    assert run.equity == pytest.approx(1000 * 30 * 0.4 * annuity, rel=1e-6)
    assert run.monthly["left"].sum() == 0


def test_every_null_mode_is_in_the_table():
    for name, make in nulls.NULLS.items():
        null = make()
        assert null.scenario.name == "null"
        assert make.__name__ == name
        assert make.__doc__
