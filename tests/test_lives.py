"""One customer's two lives, one customer's month, and customers who stay as they were."""

import html
import re

import numpy as np
import pandas as pd
import pytest

from crmsim.simulation.draws import Purpose, make_key, uniform
from crmsim.simulation.engine import simulate
from crmsim.simulation.lives import HAPPENINGS, CustomerError, counterfactual, edge_of, trace
from crmsim.simulation.policies import (
    Budget,
    Cost,
    Dunning,
    PriceCut,
    Programme,
    QualityControl,
    RetentionCall,
    WinBack,
)
from crmsim.simulation.scenario import Scenario

# Others' lives do not touch a person's here: no contagion, no room that fills up, a fixed border of
# the premium stage, nobody before one in a line.
ALONE = {
    "service__desk": "none",
    "word_of_mouth__contagion": 0.0,
    "acquisition__imitation": 0.0,
    "loyalty__premium_margin": 10.0,
}
PHONE = Scenario.preset("subscription").replace(
    population__size=1_500, population__months=24, payment__cutoff=0.3, churn__competitive=0.02, **ALONE
)
# What dunning changes for everyone: the chance of leaving over a payment that might fail.
CHANCES = ["hazard", "expected_exit", "exit_chance", "exit_payment"]
SHOP = Scenario.preset("retail").replace(population__size=300, population__months=18)


# -- who is not touched stays the same -----------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 8])
@pytest.mark.parametrize("preset", Scenario.presets())
def test_a_customer_alone_lives_as_in_the_crowd(preset, size):
    crowd = Scenario.preset(preset).replace(population__size=2_100, population__months=24, **ALONE)
    alone = crowd.replace(population__size=size)
    policies = ["complaint_handling", "dunning"]
    ids = range(size)
    in_crowd = simulate(crowd, policies, follow=ids, threads=2)
    by_itself = simulate(alone, policies, follow=ids, threads=1)
    pd.testing.assert_frame_equal(in_crowd.lives, by_itself.lives)
    pd.testing.assert_frame_equal(in_crowd.customers.loc[list(ids)], by_itself.customers.loc[list(ids)])


def test_a_policy_on_payments_touches_those_only_whose_payments_fail():
    without = simulate(PHONE, []).customers
    with_dunning = simulate(PHONE, ["dunning"]).customers
    never = without["payment_failures"] == 0
    assert 300 < never.sum() < len(never) - 300
    lasting = without.columns.difference(CHANCES)
    pd.testing.assert_frame_equal(without.loc[never, lasting], with_dunning.loc[never, lasting])
    # It does touch the others: more of them stay.
    gone = [table.loc[~never, "cause"].eq("payment_lapse").sum() for table in (without, with_dunning)]
    assert gone[1] < 0.75 * gone[0]


@pytest.mark.parametrize("preset", Scenario.presets())
def test_a_policy_without_effect_changes_nobody(preset):
    scenario = Scenario.preset(preset).replace(population__size=1_000, population__months=24)
    idle = Programme(label="idle", costs=Cost(per_customer=0.1))
    a, b = simulate(scenario, []), simulate(scenario, [idle])
    pd.testing.assert_frame_equal(a.customers, b.customers)
    paid = 0.1 * scenario.bill * a.monthly["at_risk"]
    np.testing.assert_allclose(a.monthly["profit"] - b.monthly["profit"], paid, rtol=1e-9)


# -- two lives -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fates():
    """Customers of PHONE whose end dunning and a price cut change."""
    policies = [Dunning(), PriceCut(share=0.1)]
    a, b = simulate(PHONE, []).customers, simulate(PHONE, policies).customers
    both = a.index.intersection(b.index)  # fewer are won where fewer have left
    ends = [t.loc[both, ["left_month", "cause"]].astype(object).fillna(-1) for t in (a, b)]
    changed = both[(ends[0] != ends[1]).any(axis=1)]
    return policies, changed.to_list(), a, b


def test_the_decisive_draw_lies_between_both_chances(fates):
    policies, changed, a, b = fates
    assert len(changed) > 100
    kinds = set()
    causes = [a.loc[changed].query(f"cause == '{cause}'").index for cause in ("competitive", "payment_lapse")]
    for who in (*causes[0][:4], *causes[1][:4]):
        lives = counterfactual(PHONE, policies, who)
        found = lives.decisive
        assert found is not None
        kinds.add(found.what)
        assert found.outcome_without != found.outcome_with
        low, high = sorted((found.chance_without, found.chance_with))
        assert low <= found.draw <= high
        purpose = next(int(s.purpose) for s in trace_steps(lives, found.month) if s.what == found.what)
        assert found.draw == uniform(make_key(1), purpose, who, found.month)
        ends = [t["left_month"][who] for t in (a, b)]
        assert found.month == min(int(end) for end in ends if not pd.isna(end))
        assert lives.parted is not None and lives.parted <= found.month
    assert {"payment is cured", "competitive churn strikes"} <= kinds


def trace_steps(lives, month):
    return trace(PHONE, [], lives.customer, month).steps


def test_two_lives_are_those_of_the_runs(fates):
    policies, changed, _, _ = fates
    lives = counterfactual(PHONE, policies, changed[0])
    for life, given in ((lives.without, []), (lives.with_policies, policies)):
        followed = simulate(PHONE, given, follow=[changed[0]]).lives.loc[changed[0]]
        pd.testing.assert_frame_equal(life, followed)
    happened = [life[list(HAPPENINGS)] for life in (lives.without, lives.with_policies)]
    before = range(lives.parted)
    pd.testing.assert_frame_equal(happened[0].loc[before], happened[1].loc[before])
    at = [h.reindex([lives.parted]) for h in happened]
    assert not at[0].equals(at[1])
    text = repr(lives)
    assert text.startswith(f"TwoLives('subscription', customer {changed[0]}: without ")
    assert f"parted in month {lives.parted}" in text
    assert str(lives.decisive) in str(lives)
    assert html.escape(str(lives.decisive)) in lives._repr_html_()
    assert str(lives.decisive).startswith(f"Month {lives.decisive.month}, {lives.decisive.what}: drawn 0.")
    assert lives.summary().loc["months", "without"] == len(lives.without)


def test_every_decision_faced_in_both_lives_is_listed(fates):
    policies, changed, _, _ = fates
    lives = counterfactual(PHONE, policies, changed[1])
    table = lives.decisions
    both = lives.without.index.intersection(lives.with_policies.index)
    assert set(table["month"]) == set(both)
    # Met or not, failed or not at five touchpoints, five causes, and so on.
    assert (table.groupby("month").size() >= 15).all()
    yes = table["outcome_without"].isin([0, 1]) & ~table["what"].isin(["purchases"])
    np.testing.assert_array_equal(
        table["outcome_without"][yes], (table["draw"] < table["chance_without"])[yes].astype(float)
    )
    differs = table[table["outcome_without"] != table["outcome_with"]]
    assert differs["month"].min() == lives.parted


def test_two_lives_are_drawn_with_the_decisive_draw(fates):
    import matplotlib.pyplot as plt

    policies, changed, _, _ = fates
    lives = counterfactual(PHONE, policies, changed[0])
    axes = lives.plot()
    assert len(axes) == 2
    shown = [text.get_text() for text in axes[0].figure.findobj(plt.Text)]
    assert any(str(lives.decisive) in " ".join(text.split()) for text in shown)
    plt.close(axes[0].figure)


def test_a_policy_that_does_not_reach_a_person_leaves_one_life():
    without = simulate(PHONE, []).customers
    who = without.index[(without["payment_failures"] == 0) & without["left_month"].isna()][0]
    lives = counterfactual(PHONE, [Dunning()], int(who))
    assert lives.parted is None and lives.decisive is None
    same = lives.without.columns.difference(CHANCES)
    pd.testing.assert_frame_equal(lives.without[same], lives.with_policies[same])
    assert (lives.without["hazard"] > lives.with_policies["hazard"]).any()
    assert "the same life" in repr(lives)
    assert "stays to the end" in repr(lives)


def test_a_return_is_decisive():
    lapsed = simulate(SHOP, [WinBack(offer="bundle")]).customers
    who = lapsed.index[(lapsed["returned"] >= 0)][0]
    lives = counterfactual(SHOP, [WinBack(offer="bundle")], int(who))
    returned = int(lapsed["returned"][who])
    row = lives.decisions[lives.decisions["what"] == "returns"].iloc[-1]
    assert row["chance_without"] == 0 and row["outcome_without"] == 0
    assert row["draw"] == uniform(make_key(1), Purpose.WIN_BACK, who, int(row["month"]))
    assert (row["month"], row["outcome_with"]) == (returned, 1)
    assert lives.parted == returned == lives.decisive.month
    assert lives.decisive.what == "returns"
    assert returned not in lives.without.index and returned in lives.with_policies.index


def test_other_purchases_are_held_against_the_same_border():
    """Where two lives buy different numbers, the draw lies between the two chances of at most the less."""
    eager = SHOP.replace(purchase__satisfaction_effect=0.05)
    found = []
    for who in range(8):
        table = counterfactual(eager, [QualityControl(points=20)], who).decisions
        bought = table[(table["what"] == "purchases")]
        found.append(bought[bought["outcome_without"] != bought["outcome_with"]])
    parted = pd.concat(found)
    assert len(parted) >= 3
    low = parted[["chance_without", "chance_with"]].min(axis=1)
    high = parted[["chance_without", "chance_with"]].max(axis=1)
    assert ((low <= parted["draw"]) & (parted["draw"] <= high)).all()


# -- one month, rule by rule -------------------------------------------------------------------------------


def months_to_trace(run, count):
    """Customers and months with something to see: failures, complaints, purchases, leaving."""
    lives = run.lives
    wanted = [
        lives.index[lives[name] > 0] for name in ("exit_cause", "complained", "unpaid", "bought", "failed")
    ]
    picked = [index[k] for index in wanted for k in range(min(count, len(index)))]
    return list(dict.fromkeys(picked))


@pytest.mark.parametrize(
    ("scenario", "policies"),
    [
        (PHONE, [Dunning(), Budget(RetentionCall(share=0.3, pause=2), per_month=1_000)]),
        (SHOP, [WinBack()]),
        (Scenario.preset("water_utility").replace(population__size=200, population__months=18), []),
    ],
    ids=["phone", "shop", "water"],
)
def test_a_traced_month_ends_as_the_engine_ends_it(scenario, policies):
    run = simulate(scenario, policies, seed=4, follow=range(150))
    cases = months_to_trace(run, 4)
    assert len(cases) >= 10
    for who, month in cases:
        traced = trace(scenario, policies, int(who), int(month), seed=4)
        engine = run.lives.loc[(who, month)]
        names = traced.after.index.intersection(engine.index)
        assert len(names) == len(traced.after)
        np.testing.assert_allclose(traced.after[names], engine[names].astype(float), rtol=2e-5, atol=2e-4)
        if (who, month - 1) in run.lives.index:
            last = run.lives.loc[(who, month - 1)]
            untouched = ["trust", "cognitive", "affective", "revenue", "failures", "expectation"]
            np.testing.assert_array_equal(traced.before[untouched], last[untouched].astype(float))
        for step in traced:
            if step.draw is not None:
                assert step.draw == uniform(make_key(4), step.purpose, who, month)
            if step.threshold is not None and step.output in (0.0, 1.0) and "mean" not in step.inputs:
                assert step.output == (step.draw < step.threshold)


def test_a_trace_shows_every_rule_with_its_numbers():
    traced = trace(PHONE, [], customer=7, month=3)
    table = traced.table
    assert list(table.columns) == [
        "stage", "what", "inputs", "output", "draw", "threshold", "meaning",
    ]  # fmt: skip
    assert len(table) == len(traced) == len(list(traced))
    assert (table["what"] == "perception").sum() == len(PHONE.touchpoints)
    used = set(table["what"])
    assert {"satisfaction", "trust", "competitive_hazard", "meets network", "network fails"} <= used
    trust = next(s for s in traced if s.what == "trust")
    assert trust.inputs["previous"] == traced.before["trust"]
    assert trust.output == traced.after["trust"]
    assert trust.meaning == "Trust, points: slow up, fast down."
    text = str(traced)
    assert text.startswith("Customer 7 in month 3 (subscription, no policy, seed 1)\n\nmeet\n")
    assert re.search(r"payment fails +(yes|no), drawn 0\.\d+ against 0?\.?\d+", text)
    assert f"previous={traced.before['trust']:.4g}" in text
    assert "\n" not in repr(traced)
    page = traced._repr_html_()
    assert page.count("<tr") == len(traced) + table["stage"].nunique()
    assert "slow up, fast down" in page


def test_a_trace_tells_how_a_life_ends(fates):
    _, _, a, _ = fates
    who = int(a.index[a["cause"] == "payment_lapse"][0])
    traced = trace(PHONE, [], who, int(a["left_month"][who]))
    assert traced.ending == "leaves: payment lapse"
    assert traced.after["active"] == 0
    assert traced.table.set_index("what")["output"]["contract is cut off"] == 1


def test_an_own_rule_is_traced(monkeypatch):
    """The month is lived again with the user's rule; no need to compile it for that."""
    from crmsim.simulation import engine

    def trust(previous, satisfaction, p):
        "A trust that never changes."
        return previous

    plain = engine.kernels
    monkeypatch.setattr(engine, "kernels", lambda own=None: plain())
    traced = trace(PHONE, [], 7, 2, rules={"trust": trust})
    assert traced.after["trust"] == traced.before["trust"]
    assert next(s for s in traced if s.what == "trust").meaning == "A trust that never changes."


def test_edges_of_counts():
    traced = trace(SHOP, [], customer=3, month=0)
    step = next(s for s in traced if s.what == "purchases")
    mean = step.inputs["mean"]
    assert edge_of(step, 0) == pytest.approx(np.exp(-mean))
    assert edge_of(step, 1) == pytest.approx(np.exp(-mean) * (1 + mean))


# -- errors ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("look", [counterfactual, trace])
@pytest.mark.parametrize(
    ("customer", "told"),
    [
        (-1, "whole number of at least 0, not -1"),
        (10**30, "whole number of at least 0, not 10{30}"),
        (True, "whole number of at least 0, not True"),
        ("seven", "whole number of at least 0, not 'seven'"),
        (7.0, "whole number of at least 0, not 7.0"),
        (300, "no customer 300: there at the start are 0 to 299"),
        (4 * 10**8, r"no customer 400000000 by month \d+: the number is of one who joins in month 4"),
        (100_999_999, r"no customer 100999999: won in month 1 are 100000000 to 1000000\d\d"),
        (199_999_999, "no customer 199999999: referred in month 1 are"),
        (50_000_000, "no customer 50000000: referred are nobody"),
    ],
)
def test_an_unknown_customer_is_named(look, customer, told):
    small = SHOP.replace(population__months=3)
    with pytest.raises(CustomerError, match=told):
        look(small, [], customer, **({"month": 2} if look is trace else {}))


@pytest.mark.parametrize("month", [-1, 24, 2.0, True, None])
def test_a_month_outside_the_scenario_is_refused(month):
    with pytest.raises(ValueError, match=r"month must be a whole number from 0 to 23, not"):
        trace(PHONE, [], 7, month)


def test_a_month_after_leaving_is_refused(fates):
    _, _, a, _ = fates
    who = int(a.index[a["left_month"] == 3][0])
    with pytest.raises(CustomerError) as error:
        trace(PHONE, [], who, 5)
    assert re.fullmatch(
        rf"customer {who} leaves in month 3 \([a-z ]+\), before month 5; trace a month from 0 to 3",
        str(error.value),
    )


def test_a_customer_who_joins_later_is_refused():
    won = simulate(PHONE, []).customers.query("joined_month == 6").index[0]
    assert trace(PHONE, [], int(won), 6).before["joined"] == 6
    with pytest.raises(CustomerError, match=f"no customer {won} by month 5: .* joins in month 6"):
        trace(PHONE, [], int(won), 5)


def test_a_customer_of_one_world_only_has_no_second_life():
    scenario = SHOP.replace(acquisition__imitation=3, population__months=10)
    policies = ["referral_reward:factor=3"]
    more = simulate(scenario, policies).customers.index.difference(simulate(scenario, []).customers.index)
    with pytest.raises(CustomerError, match="no second life to compare: without the policies no customer"):
        counterfactual(scenario, policies, int(more[-1]))


def test_a_life_only_felt_otherwise_is_drawn_as_such():
    """Better quality lifts satisfaction from the first month; what happens to customer 12 stays the same."""
    lives = counterfactual("subscription", ["quality_control"], customer=12)
    assert lives.parted is None
    assert (lives.with_policies["satisfaction"] > lives.without["satisfaction"]).mean() > 0.9
    upper = lives.plot()[0]
    assert "felt otherwise" in upper.get_title(loc="left") + upper.figure.get_suptitle()
