"""What an observer of a run is shown, and that looking changes nothing."""

import numpy as np
import pandas as pd
import pytest

import crmsim as cs
from crmsim.simulation.columns import STATE
from crmsim.simulation.watch import HAPPENED


def world(name="subscription", size=900, months=7, **changes):
    return cs.Scenario.preset(name).replace(
        population__size=size, population__months=months, policies=(), **changes
    )


POLICIES = ["dunning:start=2", "retention_call:target=risk,share=0.05", "win_back"]


class Notes:
    """Keeps what it was shown."""

    def __init__(self, *columns):
        self.columns, self.kept = columns, {}

    def __call__(self, month, now):
        found = {name: now.column(name) for name in self.columns}
        self.kept[month] = pd.DataFrame(found, index=pd.Index(now.ids, name="customer"))


@pytest.mark.parametrize("name", ["subscription", "water_utility"])
def test_looking_changes_nothing(name):
    """Every column of everybody is read each month; a run compacts its blocks in months 4 and 8."""

    def look(month, now):
        for column in STATE:
            if column != "perception":
                now.column(column)[:] = -1.0
        now.ids[:] = 0
        for column in HAPPENED if name == "water_utility" else ():
            now.happened(column)
        _ = now.firm.reported_satisfaction, now.firm.risk_score

    plain, seen = (
        cs.simulate(world(name, months=9), POLICIES[:2], seed=4, events=True, watch=watch)
        for watch in (None, look)
    )
    pd.testing.assert_frame_equal(plain.customers, seen.customers, check_exact=True)
    pd.testing.assert_frame_equal(plain.monthly, seen.monthly, check_exact=True)
    pd.testing.assert_frame_equal(plain.events, seen.events, check_exact=True)
    pd.testing.assert_frame_equal(plain.costs, seen.costs, check_exact=True)


def test_it_looks_before_the_offers_of_each_month_and_at_the_end():
    notes = Notes("active", "joined", "offers", "satisfaction", "revenue")
    run = cs.simulate(world(), POLICIES, seed=4, watch=notes)
    kept, monthly = notes.kept, run.monthly
    assert list(kept) == list(range(8))
    for month in range(7):
        # arrivals are there, offers of the month are not
        assert (kept[month]["joined"] == month).sum() == monthly["joined"][month]
        assert kept[month]["offers"].sum() == monthly["offers"][:month].sum()
    assert monthly["offers"].sum() > 50
    assert kept[0]["revenue"].sum() == 0
    last = run.customers
    assert (kept[7].index == last.index).all()
    np.testing.assert_array_equal(kept[7]["satisfaction"], last["satisfaction"])
    assert kept[7]["active"].sum() == monthly["customers"].iloc[-1]


def test_an_observer_sees_what_a_campaign_sees():
    heard, seen = {}, {}

    class Ear:
        name = "ear"

        def offers(self, view):
            heard[view.month] = {name: getattr(view, name) for name in view.COLUMNS}
            return cs.Offers(view.id[:0], "contact", 0.0)

    def look(month, now):
        seen[month] = {name: getattr(now.firm, name) for name in now.firm.COLUMNS}

    cs.simulate(world(), [Ear(), *POLICIES], seed=4, watch=look)
    for month, columns in heard.items():
        for name, values in columns.items():
            np.testing.assert_array_equal(seen[month][name], values)


def test_what_happened_belongs_to_the_month_before_and_to_the_right_customers():
    """With many departures, so that the blocks are compacted, and many arrivals."""
    scenario = world("water_utility", 1500, 10, churn__natural=0.05, acquisition__external=0.5)
    failed, called = {}, {}

    def look(month, now):
        failed[month - 1] = dict(zip(now.ids.tolist(), now.happened("failed").tolist(), strict=True))
        called[month - 1] = dict(zip(now.ids.tolist(), now.happened("called").tolist(), strict=True))

    run = cs.simulate(scenario, [], seed=2, events=True, watch=look)
    assert len(run._people.archive) > 0 and run.monthly["joined"].iloc[1:].sum() > 100
    assert not any(failed[-1].values())
    log, calls = run.events, run.contacts("hotline").groupby(["month", "customer"]).size()
    for month in range(10):
        happened = log.loc[(log["event"] == "failure") & (log["month"] == month), "customer"]
        assert {who for who, number in failed[month].items() if number} == set(happened)
        assert {who: number for who, number in called[month].items() if number} == calls[month].to_dict()


def test_the_process_engine_shows_the_same():
    scenario = world(size=60, months=4)
    fast, slow = Notes("satisfaction", "active"), Notes("satisfaction", "active")
    cs.simulate(scenario, POLICIES[:1], seed=3, watch=fast)
    happened = []
    cs.simulate_process(
        scenario, POLICIES[:1], seed=3,
        watch=lambda month, now: (slow(month, now), happened.append(now.happened("bought").sum())),
    )  # fmt: skip
    for month, table in fast.kept.items():
        pd.testing.assert_frame_equal(table, slow.kept[month], rtol=1e-4)
    assert happened[0] == 0 and all(happened[1:])


def test_parameters_are_those_of_the_month():
    scenario = world("water_utility", 200, 5)
    shares = []
    cs.simulate(
        scenario, ["payment_channels:ramp=0,start=2"], seed=1,
        watch=lambda month, now: shares.append(now.parameter("payment.manual_share")),
    )  # fmt: skip
    assert shares == [0.5, 0.5, 0.25, 0.25, 0.25, 0.25]


@pytest.mark.parametrize(
    ("ask", "told"),
    [
        (lambda now: now.column("trsut"), "no column of the state 'trsut'; did you mean 'trust'?"),
        (lambda now: now.column("perception"), r"use perception\(touchpoint\)"),
        (lambda now: now.perception("bill"), "no touchpoint 'bill'; did you mean 'billing'?"),
        (lambda now: now.parameter("market.opennes"), "did you mean 'market_openness'?"),
        (lambda now: now.happened("luck"), "no column of the month 'luck'"),
        (lambda now: now.happened("failed"), "with a service desk or with events=True only"),
    ],
)
def test_a_wrong_question_is_told(ask, told):
    scenario = world("water_utility", 50, 2, service__desk="none")
    with pytest.raises(ValueError, match=told.replace("?", r"\?")):
        cs.simulate(scenario, [], seed=1, watch=lambda month, now: month and ask(now))
