"""The engine: the same bits however it is run, and books that agree with one another.

Populations of 2,000 to 5,000 customers: more than one block of 1,024, and one that is not full.
"""

import math
import threading

import numpy as np
import pandas as pd
import pytest

from crmsim.simulation.columns import BLOCK
from crmsim.simulation.compile import RuleError
from crmsim.simulation.customers import COHORT
from crmsim.simulation.draws import Purpose, make_key, uniform
from crmsim.simulation.engine import CompiledWorld, Stopped, poisson_quantile, simulate
from crmsim.simulation.policies import Budget, FaultReduction, Offers, Programme, RetentionCall, WinBack
from crmsim.simulation.run import CAUSES
from crmsim.simulation.scenario import RivalEvent, Scenario, ScenarioError, Touchpoint

PRESETS = Scenario.presets()
POLICIES = ["dunning", Budget(RetentionCall(share=0.2), 3000), WinBack()]


def world(name, **changes):
    return Scenario.preset(name).replace(**{"population__size": 2500, "population__months": 18} | changes)


def same(one, other):
    """Every number of two runs has the same bits."""
    pd.testing.assert_frame_equal(one.monthly, other.monthly, check_exact=True)
    pd.testing.assert_frame_equal(one.customers, other.customers, check_exact=True)
    return True


@pytest.fixture(scope="module")
def runs():
    """Each preset with policies and the log of events, 2,500 customers x 18 months."""
    return {name: simulate(world(name), POLICIES, seed=3, events=True) for name in PRESETS}


# -- the same bits ---------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_any_number_of_threads_gives_the_same_bits(threads):
    several = world("retail", population__size=5000)
    assert same(
        simulate(several, POLICIES, seed=3, threads=threads), simulate(several, POLICIES, seed=3, threads=3)
    )


def turned(scenario, month, key):
    """A world that meets other luck from this month on."""
    lived = CompiledWorld(scenario, [], make_key(3), {}, False, [], threads=1)
    for m in range(scenario.population.months):
        lived.begin(m)
        if m == month:
            lived.turn_luck(key)
        lived.finish(m)
    return lived.result()


def test_luck_can_change_on_the_way():
    """Up to the month all is as it was; then the same customers meet the luck of the new key."""
    small = world("retail", population__months=8)
    plain, other = simulate(small, [], seed=3), turned(small, 5, make_key(4))
    assert same(turned(small, 5, make_key(3)), plain)
    pd.testing.assert_frame_equal(other.monthly.head(5), plain.monthly.head(5), check_exact=True)
    assert (other.monthly["purchases"] != plain.monthly["purchases"]).iloc[5:].all()
    for column in ("fit", "rate", "response"):
        assert np.array_equal(other.customers[column][:2500], plain.customers[column][:2500])
    arrived = [id for id in other.customers.index if id >= 6 * COHORT]
    # who joins later has the birth that the new luck gives
    assert arrived and other.customers.loc[arrived, "fit"].isin(plain.customers["fit"]).sum() == 0
    with pytest.raises(ValueError, match="service desk"):
        turned(world("water_utility"), 1, make_key(4))


@pytest.mark.parametrize("name", PRESETS)
def test_keeping_events_and_following_customers_changes_nothing(name, runs):
    assert same(simulate(world(name), POLICIES, seed=3, follow=[0, 7, 2400]), runs[name])


def test_another_seed_or_replication_is_another_world():
    base = simulate(world("retail"), seed=3).customers["satisfaction"].to_numpy()[:2000]
    for key in ({"seed": 4}, {"seed": 3, "replication": 1}):
        other = simulate(world("retail"), **key).customers["satisfaction"].to_numpy()[:2000]
        # Two independent sets of 2,000 customers: correlation 0, s.e. .022.
        assert abs(np.corrcoef(base, other)[0, 1]) < 0.1


@pytest.mark.parametrize("name", PRESETS)
def test_a_customer_lives_the_same_life_in_a_crowd_and_among_few(name):
    """Without neighbours, imitation, a population's own premium limit and a line to wait in, nobody
    depends on others."""
    alone = {
        "service__desk": "none",
        "word_of_mouth__contagion": 0,
        "acquisition__imitation": 0,
        "acquisition__external": 0,
        "loyalty__premium_margin": 10,
    }
    crowd = simulate(world(name, population__size=5000, **alone), seed=5).customers
    for size in (1, 100, BLOCK + 1):
        few = simulate(world(name, population__size=size, **alone), seed=5).customers
        pd.testing.assert_frame_equal(few, crowd.loc[few.index], check_exact=True)


def test_common_luck_parts_two_policies_only_where_they_differ():
    """A policy that does nothing costs, and changes not one bit of any life."""
    idle = Programme(label="idle")
    with_idle, without = (
        simulate(world("subscription"), [idle], seed=3),
        simulate(world("subscription"), seed=3),
    )
    pd.testing.assert_frame_equal(with_idle.customers, without.customers, check_exact=True)
    assert with_idle.monthly.dtypes.equals(without.monthly.dtypes)


def test_who_leaves_is_who_the_keyed_number_says():
    """A constant hazard: customer i leaves in month m if u(i, m) < 1 - exp(-h m_i), and not before."""
    plain = world(
        "retail", churn__natural=0.05, churn__competitive=0, churn__fault_minor=0, churn__fault_major=0,
        churn__retaliatory=0, acquisition__external=0, acquisition__imitation=0, population__months=8,
    )  # fmt: skip
    table = simulate(plain, seed=9, replication=2).customers
    chance = 1 - np.exp(-0.05 * table["mobility"].to_numpy(float))
    u = uniform(make_key(9, 2), Purpose.LEAVE_NATURAL, table.index.to_numpy()[:, None], np.arange(8))
    leaves = u < chance[:, None]
    expected = np.where(leaves.any(axis=1), leaves.argmax(axis=1), -1)
    found = table["left_month"].fillna(-1).to_numpy(int)
    # Single precision may part a life only where the number lies next to its chance.
    close = np.abs(u - chance[:, None]).min(axis=1) < 1e-6
    assert np.array_equal(found[~close], expected[~close])
    assert close.mean() < 0.01


# -- books -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PRESETS)
def test_customers_of_a_month_are_those_before_plus_joined_less_left(name, runs):
    m = runs[name].monthly
    before = m["customers"].shift(fill_value=0)
    assert (m["customers"] == before + m["joined"] - m["left"] + m["returned"]).all()
    assert (m["at_risk"] == before + m["joined"] + m["returned"]).all()
    assert (m["left"] == m[[f"left_{c}" for c in CAUSES]].sum(axis=1)).all()
    assert (m["churn_rate"] == m["left"] / m["at_risk"]).all()
    assert (m[[c for c in m if c.startswith("stage_")]].sum(axis=1) == m["customers"]).all()
    shares = m[["share_cognitive", "share_affective", "share_conative", "share_action"]].to_numpy()
    assert (np.diff(shares, axis=1) <= 0).all()
    assert (shares <= 1).all() and (shares >= 0).all()
    assert (m["resolved"] <= m["complaints"]).all()
    assert (m["complaints"] <= m["failures"]).all()
    assert (m["cured_payments"] <= m["failed_payments"]).all()


@pytest.mark.parametrize("name", PRESETS)
def test_money_adds_up(name, runs):
    run = runs[name]
    m = run.monthly
    assert (m["profit"] == m["margin"] - m["policy_cost"] - m["acquisition_cost"]).all()
    rate = run.scenario.firm.discount_rate
    assert m["discount"].to_numpy() == pytest.approx((1 + rate) ** (-m.index.to_numpy() / 12))
    assert run.equity == pytest.approx((m["profit"] * m["discount"]).sum())
    won = m["joined"] - m["joined_referred"]
    won.iloc[0] = 0  # those who are there at the start cost nothing
    assert (m["acquisition_cost"] == run.scenario.acquisition.cost * won).all()
    # Single precision sums of up to 1e6: six digits.
    table = run.customers
    assert m["revenue"].sum() == pytest.approx(table["revenue"].astype(float).sum(), rel=1e-5)
    assert m["margin"].sum() == pytest.approx(table["historical_value"].astype(float).sum(), rel=1e-4)
    discounted = (m["margin"] * m["discount"]).sum()
    assert discounted == pytest.approx(table["discounted_value"].astype(float).sum(), rel=1e-4)


@pytest.mark.parametrize("name", PRESETS)
def test_events_agree_with_the_months(name, runs):
    run = runs[name]
    events, m = run.events, run.monthly
    count = events.groupby(["event", "month"]).size().unstack("event").reindex(m.index).fillna(0)
    count = count.reindex(columns=[*count, *({"returned", "referral", "payment_failed"} - set(count))])
    pairs = {
        "joined": "joined",
        "complaint": "complaints",
        "complaint_resolved": "resolved",
        "returned": "returned",
        "offer": "offers",
    }
    if run.scenario.purchase.contract:
        pairs |= {"payment_failed": "failed_payments", "payment_cured": "cured_payments"}
    if "referral" in count:
        pairs["referral"] = "referrals"
    for event, column in pairs.items():
        assert (count[event].fillna(0) == m[column]).all(), event
    for cause in CAUSES:
        if f"left_{cause}" in count:
            assert (count[f"left_{cause}"] == m[f"left_{cause}"]).all()
        else:
            assert m[f"left_{cause}"].sum() == 0
    assert (count["failure"] <= m["failures"]).all()  # two touchpoints may fail one customer
    spent = events[events["event"] == "purchase"].groupby("month")["amount"].sum()
    assert spent.to_numpy() == pytest.approx(m["revenue"].to_numpy(), rel=1e-5)
    assert set(events["customer"]) <= set(run.customers.index)


@pytest.mark.parametrize("name", PRESETS)
def test_events_agree_with_the_customers(name, runs):
    run = runs[name]
    events, table = run.events, run.customers
    left = events[events["event"].str.startswith("left_")].groupby("customer").last()
    gone = table[table["left_month"].notna()]
    last = left.loc[gone.index]
    assert (last["month"] == gone["left_month"].astype(int)).all()
    assert (last["event"].str.removeprefix("left_") == gone["cause"].astype(str)).all()
    back = set(events.loc[events["event"] == "returned", "customer"])
    assert set(left.index) - set(gone.index) <= back
    for event, column in (("complaint", "complaints"), ("payment_failed", "payment_failures")):
        counted = events[events["event"] == event].groupby("customer").size()
        assert (counted.reindex(table.index, fill_value=0) == table[column]).all()


@pytest.mark.parametrize("name", PRESETS)
def test_durations_and_survival_agree_with_the_customers(name, runs):
    run = runs[name]
    table = run.customers
    months = run.scenario.population.months
    lasted, ended = run.durations()
    gone = table["left_month"].notna().to_numpy()
    assert np.array_equal(ended == 1, gone)
    until = np.where(gone, table["left_month"].fillna(0).to_numpy(int) + 1, months)
    assert np.array_equal(lasted, until - table["joined_month"].to_numpy())
    assert lasted.min() >= 1
    initial = (table["source"] == "initial").to_numpy()
    survival = run.survival()
    assert survival.index.tolist() == list(range(months + 1))
    by_hand = [np.mean(~gone[initial] | (lasted[initial] > t)) for t in range(months + 1)]
    assert survival.to_numpy() == pytest.approx(by_hand)
    known = table["joined_month"].to_numpy() < 9
    lasted_half, ended_half = run.durations(until=9)
    assert np.array_equal(ended_half == 1, (gone & (until <= 9))[known])
    assert np.array_equal(lasted_half, (np.minimum(until, 9) - table["joined_month"].to_numpy())[known])
    assert survival.iloc[0] == 1


def test_ids_name_a_cohort_and_are_unique(runs):
    for run in runs.values():
        table = run.customers
        assert table.index.is_unique
        assert (table.index // COHORT == table["joined_month"]).all()
        referred = table.index % COHORT >= COHORT // 2
        assert np.array_equal(referred, table["source"] == "referred")
        first = table[table["joined_month"] == 0]
        assert first.index.tolist() == list(range(run.scenario.population.size))


def test_customers_and_months_have_no_missing_numbers(runs):
    for run in runs.values():
        numbers = run.customers.select_dtypes("number").drop(columns="left_month")
        assert np.isfinite(numbers.to_numpy(float)).all()
        assert np.isfinite(run.monthly.to_numpy(float)).all()
        points = ["satisfaction", "trust", "cognitive", "affective", "conative", "action", "expectation"]
        points += [f"perception_{t.name}" for t in run.scenario.touchpoints]
        assert run.customers[points].min(axis=None) >= 0
        assert run.customers[points].max(axis=None) <= 100
        assert run.customers.loc[run.customers["left_month"].notna(), "cause"].notna().all()
        assert run.customers.loc[run.customers["left_month"].isna(), "cause"].isna().all()


def test_followed_lives_agree_with_the_customers_and_the_events(runs):
    run = runs["subscription"]
    who = [0, 5, 1023, 1024, 2499]
    lives = simulate(world("subscription"), POLICIES, seed=3, follow=who).lives
    table, events = run.customers, run.events
    assert set(lives.index.get_level_values("customer")) == set(who)
    for i in who:
        life = lives.loc[i]
        for column in ("satisfaction", "trust", "conative", "revenue", "purchases", "expected_exit"):
            assert life[column].iloc[-1] == table.loc[i, column]
        mine = events[events["customer"] == i]
        bought = mine[mine["event"] == "purchase"].set_index("month")["amount"]
        assert life.loc[life["bought"] > 0, "spent"].to_dict() == pytest.approx(bought.to_dict())
        failed = mine[mine["event"] == "failure"].set_index("month")["amount"]
        assert life.loc[life["failed"] > 0, "severity"].to_dict() == pytest.approx(failed.to_dict())


def test_events_asked_for_later_are_those_of_the_run(runs):
    again = simulate(world("retail"), POLICIES, seed=3)
    pd.testing.assert_frame_equal(again.events, runs["retail"].events)


def test_what_a_campaign_saw_does_not_change_under_it():
    """Also in a population of one block, where a column could be the store itself."""
    seen = []

    class Keeps:
        name = "keeps"

        def offers(self, view):
            seen.append((view.purchases, view.purchases.copy(), view._people.column("trust")))
            return Offers(np.zeros(0, dtype=int), "contact", 0.0)

    run = simulate(world("retail", population__size=100, population__months=6), [Keeps()], seed=1)
    for column, copy, trust in seen:
        assert np.array_equal(column, copy)
        assert not np.shares_memory(trust, run._people.state)
    assert seen[-1][1].sum() > seen[1][1].sum()


def test_nobody_followed_is_no_life():
    assert simulate(world("retail", population__months=2), follow=[10**9], seed=1).lives.empty
    assert simulate(world("retail", population__months=2), seed=1).lives.empty


# -- arrivals ----------------------------------------------------------------------------------------


def test_arrivals_beyond_the_capacity_expected():
    """A flood: far more than the store first made room for."""
    flood = world("subscription", acquisition__external=5, market__size=40, population__size=1000)
    run = simulate(flood, seed=1)
    assert run.customers.index.is_unique
    assert len(run.customers) == run.monthly["joined"].sum() > 20_000
    assert run.monthly["customers"].iloc[-1] <= 40_000


def test_won_customers_are_poisson_around_what_room_there_is():
    """18 months of some 190 each: sum within 5 sd; no imitation."""
    run = simulate(world("retail", acquisition__imitation=0, acquisition__external=0.15), seed=2)
    m = run.monthly
    market = run.scenario.market.size * run.scenario.population.size
    room = market - m["customers"].shift()
    expected = (0.15 / 12 * room).iloc[1:]
    assert abs((m["joined"].iloc[1:] - expected).sum()) < 5 * math.sqrt(expected.sum())
    assert m["joined_referred"].sum() == 0


def test_referred_customers_come_the_month_after():
    m = simulate(world("subscription"), seed=2).monthly
    assert (m["joined_referred"].iloc[1:].to_numpy() == m["referrals"].iloc[:-1].to_numpy()).all()
    assert m["joined_referred"].sum() > 20


def test_imitation_counts_the_room_from_the_first_month_on():
    """Chance of a referral a month: q/12 x room/market; 20,000 customers, s.e. of the count 5 %."""
    base = world(
        "retail", population__size=20_000, population__months=2, market__size=2, acquisition__external=0,
        acquisition__imitation=0.5, word_of_mouth__influence=0, churn__competitive=0, churn__natural=0,
        churn__fault_minor=0, churn__fault_major=0,
    )  # fmt: skip
    referrals = simulate(base, seed=1).monthly["referrals"]
    assert referrals.to_numpy() == pytest.approx(20_000 * 0.5 / 12 * 0.5, rel=0.2)


def test_an_empty_market_starts_empty():
    run = simulate(world("retail", population__initial_share=0), seed=1, follow=[0])
    assert run.monthly["customers"].iloc[0] == 0
    assert run.monthly["customers"].iloc[-1] > 0
    assert run.customers["joined_month"].min() >= 1
    assert np.isnan(run.monthly["satisfaction"].iloc[0])


def test_half_a_market_at_the_start():
    assert simulate(world("retail", population__initial_share=0.5), seed=1).monthly["at_risk"].iloc[0] == 1250


@pytest.mark.parametrize("name", PRESETS)
def test_the_smallest_worlds_run(name):
    run = simulate(world(name, population__size=1, population__months=1), POLICIES, seed=1, events=True)
    assert len(run.monthly) == 1
    assert len(run.customers) == 1
    assert run.summary().notna().all()
    assert "1 ->" in repr(run)
    empty = simulate(world(name, population__initial_share=0, population__months=1), POLICIES, seed=1)
    assert len(empty.customers) == 0
    assert len(empty.survival()) == 2


@pytest.mark.parametrize(
    ("mean", "n"), [(1e-9, 100), (0.3, 4000), (5.0, 4000), (700.0, 2000), (3e6, 50), (0.0, 3)]
)
def test_the_poisson_count_of_arrivals_is_the_exact_quantile(mean, n):
    from scipy.stats import poisson

    for u in (np.arange(n) + 0.5) / n:
        assert poisson_quantile(u, mean) == (poisson.ppf(u, mean) if mean else 0)


# -- rivals, season, shocks ----------------------------------------------------------------------------


def hazards_of(**changes):
    """Mean competitive chance of leaving by month, all else switched off."""
    m = simulate(world("retail", **changes), seed=1).monthly
    return (m["expected_competitive"] / m["at_risk"]).to_numpy()


def test_rivals_act_when_they_should():
    base = hazards_of()
    cut = hazards_of(rivals=[RivalEvent(month=6, kind="price_cut", size=10, ramp=2, duration=4)])
    better = hazards_of(rivals=[RivalEvent(month=6, kind="improvement", size=10, ramp=0)])
    assert np.array_equal(cut[:6], base[:6])
    assert (cut[6:10] > 1.1 * base[6:10]).all()
    assert cut[6] < cut[7]  # the ramp
    after = cut[11:] / base[11:]  # over: those it drew away are missing, the loyal remain
    assert after.max() < 1.05
    assert after.min() > 0.6
    assert (better[6:] > 1.1 * base[6:]).all()


def test_a_monopoly_has_no_rivals_until_the_market_opens():
    shut = hazards_of(market__openness=0)
    assert not shut.any()
    opened = hazards_of(market__openness=0, rivals=[RivalEvent(month=6, kind="opening", opening=1, ramp=4)])
    assert not opened[:6].any()
    assert (np.diff(opened[6:10]) > 0).all()
    entry = hazards_of(
        market__openness=0.2, rivals=[RivalEvent(month=6, kind="entry", opening=0.3, size=0, ramp=0)]
    )
    before = hazards_of(market__openness=0.2)
    assert np.array_equal(entry[:6], before[:6])
    # Chances of leaving, 1 - exp(-h), grow a little less than hazards.
    assert 2.3 < entry[6] / before[6] < 2.5


def test_the_longer_a_market_is_open_the_more_know_of_it():
    """Awareness .4, .4 + .6/12 ... from the month of the opening on, never above 1; so few
    look that those who are left stay alike."""
    event = RivalEvent(month=6, kind="opening", opening=1, ramp=0)
    opened = dict(market__openness=0, rivals=[event], population__size=20_000, population__months=24)
    hazard = -np.log1p(-hazards_of(**opened, market__attention=0.002))
    grown = -np.log1p(-hazards_of(
        **opened, market__attention=0.002, market__awareness=0.4, market__awareness_growth=0.6
    ))  # fmt: skip
    assert not grown[:6].any()
    known = np.minimum(0.4 + 0.6 * np.arange(18) / 12, 1)
    assert grown[6:] / hazard[6:] == pytest.approx(known, rel=0.02)
    shrunk = hazards_of(**opened, market__awareness=0.2, market__awareness_growth=-0.4)
    assert (shrunk[6:12] > 0).all() and not shrunk[12:].any()
    by_itself = dict(market__openness=1, population__months=3, market__awareness=0.5)
    growing = hazards_of(**by_itself, market__awareness_growth=1)
    assert growing[0] == hazards_of(**by_itself)[0] and growing[2] > 1.2 * hazards_of(**by_itself)[2]


def demand_of(months, **changes):
    """The shared demand factor of each month: the mean bill of contract customers who all pay."""
    plain = world(
        "subscription", population__size=20, population__months=months, purchase__usage_sd=0, value__price=1,
        payment__manual_failure=0, payment__card_failure=0, payment__debit_failure=0, **changes,
    )  # fmt: skip
    m = simulate(plain, seed=4).monthly
    return (m["revenue"] / m["at_risk"] / plain.purchase.fee).to_numpy()


def test_the_season_peaks_in_its_month():
    demand = demand_of(24, demand__season_amplitude=0.3, demand__season_peak=5)
    assert demand == pytest.approx(1 + 0.3 * np.cos(2 * np.pi * (np.arange(24) - 4) / 12), abs=1e-5)


def test_demand_shocks_have_their_spread_and_memory():
    """AR(1) over 600 months: s.e. of the autocorrelation .035, of the sd about .06 of it."""
    shock = np.log(demand_of(600, demand__shock_sd=0.2, demand__shock_autocorrelation=0.5))
    assert np.std(shock) == pytest.approx(0.2, rel=0.2)
    assert np.mean(np.exp(shock)) == pytest.approx(1, abs=0.05)
    assert np.corrcoef(shock[1:], shock[:-1])[0, 1] == pytest.approx(0.5, abs=0.12)
    alone = np.log(demand_of(600, demand__shock_sd=0.2, demand__shock_autocorrelation=0))
    assert abs(np.corrcoef(alone[1:], alone[:-1])[0, 1]) < 0.14


def test_without_shock_and_season_demand_is_one():
    assert demand_of(3) == pytest.approx(1, abs=1e-6)


# -- touchpoints and levers ----------------------------------------------------------------------------


def test_twelve_touchpoints_each_count():
    points = [Touchpoint(name=f"t{d}", weight=1 / 12, failure=0.02 * d, quality=70 + d) for d in range(12)]
    run = simulate(world("retail", touchpoints=points), seed=1, follow=[3])
    assert run.monthly["failures"].sum() == pytest.approx(
        run.monthly["at_risk"].sum() * 0.02 * 66, rel=0.05
    )  # some 40,000 failures
    means = [run.customers[f"perception_t{d}"].mean() for d in range(12)]
    assert all(np.isfinite(means))
    assert [f"drop_t{d}" in run.lives for d in range(12)] == [True] * 12
    met = simulate(
        world("retail", touchpoints=[*points[:11], points[11].model_copy(update={"exposure": 0.0})]), seed=1
    )
    assert met.customers["perception_t11"].mean() > means[11]


def test_touchpoint_draws_are_apart():
    """Twelve touchpoints that fail in half of the meetings: no two fail together more than by chance."""
    points = [Touchpoint(name=f"t{d}", weight=1 / 12, failure=0.5) for d in range(12)]
    who = list(range(400))
    lives = simulate(world("retail", touchpoints=points, population__months=6), follow=who, seed=1).lives
    failed = (lives[[f"drop_t{d}" for d in range(12)]] > 0).to_numpy(float)
    assert failed.mean() == pytest.approx(0.5, abs=0.02)
    off = np.corrcoef(failed.T)[~np.eye(12, dtype=bool)]
    assert np.abs(off).max() < 5 / math.sqrt(len(failed))
    drop = lives[[f"drop_t{d}" for d in range(12)]].to_numpy()
    assert drop[drop > 0].mean() == pytest.approx(40, abs=0.5)  # sd 10, some 14,000 drops
    assert drop[drop > 0].std() == pytest.approx(10, abs=0.3)


def test_a_programme_acts_within_its_months_and_fades():
    """Without a desk: a call that nobody answers or that solves nothing is a failure too."""
    plain = world("water_utility", service__desk="none")
    cut = FaultReduction(factor=0, start=4, stop=8, ramp=0, half_life=0)
    base = simulate(plain, seed=1).monthly["failures"]
    with_cut = simulate(plain, [cut], seed=1).monthly["failures"]
    assert (with_cut.loc[4:7] == 0).all()
    assert with_cut.loc[:3].equals(base.loc[:3])
    assert with_cut.loc[8:].to_numpy() == pytest.approx(base.loc[8:].to_numpy(), rel=0.05)
    fading = simulate(plain, [FaultReduction(factor=0, stop=1, ramp=0, half_life=3)], seed=1)
    share = (fading.monthly["failures"] / base).to_numpy()
    assert share[0] == 0
    assert share[3] == pytest.approx(0.5, abs=0.1)  # some 300 failures a month
    assert share[9] == pytest.approx(0.875, abs=0.1)


# -- stopping and failing -------------------------------------------------------------------------------


def test_a_run_can_be_stopped():
    stop = threading.Event()

    class StopsInMonthThree:
        name = "stops"

        def offers(self, view):
            if view.month == 3:
                stop.set()
            return Offers(np.zeros(0, dtype=int), "contact", 0.0)

    with pytest.raises(Stopped, match="stopped before month 4"):
        simulate(world("retail"), [StopsInMonthThree()], stop=stop)
    with pytest.raises(Stopped, match="stopped before month 0"):
        simulate(world("retail"), stop=stop)


@pytest.mark.slow
def test_a_missing_number_of_ones_own_rule_is_found():
    """Fine where a rule is tried (0 to 30, and 100); the root of a negative number in between."""

    def trust(previous, satisfaction, p):
        return previous + np.sqrt(0.0 - max(0.0, satisfaction - 31.0) * max(0.0, 99.0 - satisfaction))

    with pytest.raises(RuleError, match=r"customer 0, month 0: trust is not a number; .* own rule trust"):
        simulate(world("retail", population__months=2), rules={"trust": trust})


def test_bad_arguments_are_refused_before_anything_runs():
    with pytest.raises(ValueError, match="seed must be from 0"):
        simulate("retail", seed=-1)
    with pytest.raises(ValueError, match="replication must be a whole number"):
        simulate("retail", replication=0.5)
    with pytest.raises(ScenarioError, match="did you mean 'retail'"):
        simulate("retial")


def test_a_progress_bar_goes_to_the_error_stream(capsys):
    simulate(world("retail", population__months=3), progress=True)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "retail" in shown.err
    assert "/3" in shown.err
    simulate(world("retail", population__months=3))
    assert capsys.readouterr().err == ""
