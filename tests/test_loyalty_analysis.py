"""Loyalty: layers, standards, types and ceilings worked by hand, and on worlds whose truth is known."""

import re

import numpy as np
import pandas as pd
import pytest
from test_plots import assert_complete, assert_readable

import crmsim as cs
from crmsim import plots
from crmsim.analysis import churn, loyalty
from crmsim.data.database import Database, tables_of, write_tables
from crmsim.data.transactions import DataError
from crmsim.simulation.survey import Survey
from crmsim.vocabulary import LoyaltyLayer


def world(name: str, **changes):
    scenario = cs.Scenario.preset(name).replace(population__size=2500, population__months=20, **changes)
    run = cs.simulate(scenario, [], seed=4)
    return tables_of(run, [Survey(months=(12,), response=0.6)])


@pytest.fixture(scope="module")
def open_market():
    return world("subscription")


@pytest.fixture(scope="module")
def monopoly():
    return world("water_utility")


@pytest.fixture(scope="module")
def shop():
    return world("retail")


def four(*rows) -> pd.DataFrame:
    names = list(loyalty.LAYER_ITEMS.values())
    return pd.DataFrame(rows, columns=names).assign(customer=range(len(rows)))


# -- scores ---------------------------------------------------------------------------------------------


def test_answers_become_points_by_their_scale():
    tables = {
        "survey_waves": pd.DataFrame({"wave": [0, 1], "survey": ["a", "a"], "month": [1, 2]}),
        "survey_items": pd.DataFrame(
            {
                "survey": "a",
                "item": ["s1", "s2", "recommend", "attention"],
                "construct": ["satisfaction", "satisfaction", "recommendation", "check"],
                "low": [1, 1, 0, 1],
                "high": [5, 5, 10, 5],
            }
        ),
        "survey_answers": pd.DataFrame(
            {
                "wave": [0, 1, 1, 1, 1, 1, 1],
                "customer": [1, 2, 2, 2, 3, 3, 3],
                "item": ["s1", "s1", "s2", "recommend", "s1", "recommend", "attention"],
                "answer": pd.array([1, 5, 2, 10, None, 3, 1], dtype="Int32"),
            }
        ),
    }
    found = loyalty.scores(tables).set_index("customer")  # the last wave that asked about loyalty is the last
    assert found.columns.tolist() == ["s1", "s2", "recommend"]
    assert found.loc[2].tolist() == [100, 25, 100]
    assert found.loc[3, "recommend"] == 30
    assert found.loc[3, ["s1", "s2"]].isna().all()
    whole = loyalty.scores(tables, by="construct").set_index("customer")
    assert whole.loc[2].tolist() == [62.5, 100]
    assert loyalty.scores(tables, wave=0)["s1"].tolist() == [0]
    with pytest.raises(DataError, match="wave 7 has no answers; those with answers: 0, 1"):
        loyalty.scores(tables, wave=7)
    with pytest.raises(DataError, match="no survey was taken"):
        loyalty.scores(tables | {"survey_answers": tables["survey_answers"].iloc[:0]})


def test_scores_follow_what_customers_feel(open_market):
    said = loyalty.scores(open_market, by="construct").set_index("customer")
    asked = open_market["survey_sample"].query("outcome == 'complete'")
    assert sorted(said.index) == sorted(asked["customer"])
    # left or stayed, the hidden state moved on for months; the answers still follow it
    felt = open_market["truth.customers"].set_index("customer").reindex(said.index)
    assert said["satisfaction"].corr(felt["satisfaction"]) > 0.5
    assert said["affective"].corr(felt["affective"]) > 0.5


# -- layers ---------------------------------------------------------------------------------------------


def test_a_layer_needs_all_below_it():
    points = four(
        (90, 90, 90, 90), (90, 90, 60, 59.9), (90, 59, 90, 90), (60, 0, 0, 0), (59, 99, 99, 99),
        (90, 90, np.nan, 9),
    )  # fmt: skip
    found = loyalty.layers(points)["layer"].astype(object).tolist()
    assert found[:5] == ["action", "conative", "cognitive", "cognitive", "none"]
    assert pd.isna(found[5])
    three = loyalty.layers(points, view=3)["layer"].astype(object).tolist()
    assert three[:5] == ["action", "affective", "cognitive", "cognitive", "none"]
    strict = loyalty.layers(points, threshold=95)["layer"].astype(object).tolist()
    assert strict[:2] == ["none", "none"]


def test_deeds_can_stand_for_the_layer_of_action():
    points = four((90, 90, 90, 90), (90, 90, 90, 0))
    did = pd.Series({0: 10.0, 1: 80.0})
    found = loyalty.layers(points, behaviour=did)
    assert found["layer"].tolist() == ["conative", "action"]
    assert found["action"].tolist() == [10, 80]
    several = loyalty.layers(points, items={"action": ["loyalty_action", "loyalty_conative"]})
    assert several["action"].tolist() == [90, 45]
    with pytest.raises(ValueError, match="'habit' is no layer"):
        loyalty.layers(points, items={"habit": "x"})
    with pytest.raises(DataError, match="column 'loyalty_affective' is missing"):
        loyalty.layers(points.drop(columns="loyalty_affective"))
    with pytest.raises(ValueError, match="view=5"):
        loyalty.layers(points, view=5)


def test_layer_shares():
    points = four(*[(90, 90, 90, 90)] * 3, *[(90, 0, 0, 0)] * 5, (90, 90, np.nan, 9)).assign(
        town=["a", "b", "b", *"aaaaab"]
    )
    found = loyalty.layers(points)
    shares = loyalty.layer_shares(found).set_index("layer")
    assert shares.index.tolist() == list(LoyaltyLayer.keys())
    assert shares["customers"].tolist() == [0, 5, 0, 0, 3]
    assert shares.loc["action", "chinese"] == "行为忠诚"
    assert shares.loc["action", "share"] == pytest.approx(3 / 8)
    assert shares.loc["none", "high"] == pytest.approx(1.959964**2 / (8 + 1.959964**2))
    by_town = loyalty.layer_shares(found.assign(town=points["town"]), by="town")
    assert by_town.set_index(["town", "layer"]).loc[("b", "action"), "share"] == 1


def test_measured_layers_are_near_the_true_ones(open_market):
    """Errors of answers are as large as the steps between layers, so near is all that can be asked."""
    found = loyalty.layers(loyalty.scores(open_market)).set_index("customer")
    truth = open_market["truth.customers"].set_index("customer").reindex(found.index)
    for layer in ("cognitive", "affective"):
        assert found[layer].corr(truth[layer]) > 0.4
    deep = found["layer"].isin(["affective", "conative", "action"])
    truly = truth["layer"].isin(["affective", "conative", "action"])
    assert (deep == truly)[found["layer"].notna()].mean() > 0.65


# -- standards ------------------------------------------------------------------------------------------


def test_the_eight_standards_say_what_they_rest_on(open_market):
    found = loyalty.standards(open_market)
    assert found.until == 12
    assert found.table["chinese"].tolist()[:3] == ["重复购买率", "品牌关心程度", "需求满足率"]
    assert len(found.table) == 8
    table = found.table.set_index("standard")
    for name, why in (("share_of_wallet", "not recorded"), ("choosing_time", "nobody wrote down")):
        assert table.loc[name, "n"] == 0
        assert why in table.loc[name, "why_not"]
        assert table.loc[name, "measured_by"] == ""
    for name in (
        "repeat_purchase",
        "brand_concern",
        "price_sensitivity",
        "rival_attitude",
        "recommendation",
        "failure_tolerance",
    ):
        assert table.loc[name, "n"] > 100
        assert table.loc[name, "why_not"] == ""
    # who is a customer at the end of month 12
    alive = open_market["truth.customers"].set_index("customer")["left_month"].fillna(99)
    joined = open_market["customers"].set_index("customer")["joined_month"]
    assert sorted(found.customers["customer"]) == sorted(
        joined.index[(joined <= 12) & ~(alive.reindex(joined.index) <= 12)]
    )
    points = loyalty.scores(open_market).set_index("customer")
    own = found.customers.set_index("customer")
    who = points.index[points["stay_if_cheaper"].notna() & points.index.isin(own.index)][0]
    assert own.loc[who, "price_sensitivity"] == 100 - points.loc[who, "stay_if_cheaper"]


def test_standards_by_hand():
    tables = {
        "customers": pd.DataFrame({"customer": [1, 2, 3], "joined_month": [0, 4, 0], "contract": False}),
        "purchases": pd.DataFrame(
            {"customer": [1, 1, 1, 1, 2, 3], "month": [0, 5, 5, 6, 4, 1], "amount": [9.0, 10, 10, 20, 30, 5]}
        ),
        "complaints": pd.DataFrame({"customer": [1, 2, 3], "month": [5, 4, 1]}),
        "departures": pd.DataFrame({"customer": [], "month": []}),
    }
    found = loyalty.standards(tables, until=7, months=4, patience=2).customers.set_index("customer")
    assert found["repeat_purchase"].tolist() == [2 / 4, 1 / 4, 0]  # months 4 to 7
    assert found["failure_tolerance"].tolist()[:2] == [1, 0]  # bought again in the two months after, or not
    assert pd.isna(found.loc[3, "failure_tolerance"])  # complained before month 4
    given = pd.DataFrame({"customer": [1, 2], "category_spend": [80.0, 0.0], "choosing_time": [3, 4]})
    more = loyalty.standards(tables, until=7, months=4, given=given)
    assert more.customers["share_of_wallet"].tolist()[0] == 40 / 80
    assert more.customers["share_of_wallet"].isna().tolist() == [False, True, True]
    assert more.table.set_index("standard").loc["choosing_time", ["mean", "n", "why_not"]].tolist() == [
        3.5,
        2,
        "",
    ]
    assert "no survey asked" in more.table.set_index("standard").loc["recommendation", "why_not"]
    assert more.table.set_index("standard").loc["share_of_wallet", "measured_by"].endswith("as given")
    with pytest.raises(ValueError, match="'mood' is none of the standards"):
        loyalty.standards(tables, until=7, given=pd.DataFrame({"customer": [1], "mood": [1]}))
    with pytest.raises(DataError, match="have no 'customers'"):
        loyalty.standards({})


def test_stand_ins_for_what_a_firm_cannot_see():
    """Concern for the brand from the surveys answered, the share of needs from the breadth of purchases."""
    tables = {
        "customers": pd.DataFrame({"customer": [1, 2, 3], "joined_month": 0, "contract": False}),
        "purchases": pd.DataFrame(
            {"purchase": [0, 1, 2, 3], "customer": [1, 1, 2, 3], "month": [5, 6, 6, 1], "amount": 1.0}
        ),
        "purchase_lines": pd.DataFrame({"purchase": [0, 0, 1, 2, 3], "product": list("abcad")}),
        "products": pd.DataFrame({"product": list("abcd"), "category": ["food", "food", "home", "toys"]}),
        "survey_waves": pd.DataFrame(
            {"wave": [0, 1, 2, 3], "month": [1, 3, 4, 9], "frame": ["random", "random", "leavers", "random"]}
        ),
        "survey_sample": pd.DataFrame(
            [
                (0, 1, "complete"), (1, 1, "refused"), (0, 2, "not_reached"), (1, 2, "complete"),
                (2, 2, "refused"), (3, 1, "complete"), (0, 3, "not_reached"),
            ],
            columns=["wave", "customer", "outcome"],
        ),
    }  # fmt: skip
    found = loyalty.standards(tables, until=7, months=4).customers.set_index("customer")
    # one of two; one of one (who left was asked in wave 2, and wave 3 comes later); never reached
    assert found["brand_concern"].tolist()[:2] == [1 / 2, 1] and np.isnan(found["brand_concern"][3])
    # of food and home, sold in months 4 to 7; toys went in month 1
    assert found["share_of_wallet"].tolist()[:2] == [1, 1 / 2] and np.isnan(found["share_of_wallet"][3])
    one = tables | {"products": tables["products"].assign(category="all")}
    table = loyalty.standards(one, until=7, months=4).table.set_index("standard")
    assert "more than one category" in table.loc["share_of_wallet", "why_not"]


def test_tolerance_under_contract_counts_who_left():
    tables = {
        "customers": pd.DataFrame({"customer": [1, 2, 3, 4], "joined_month": 0, "contract": True}),
        "payments": pd.DataFrame({"customer": [1], "month": [0], "amount": 1.0, "paid": True}),
        "complaints": pd.DataFrame({"customer": [1, 2, 3], "month": [4, 4, 4]}),
        "departures": pd.DataFrame({"customer": [2, 4], "month": [5, 6]}),
    }
    found = loyalty.standards(tables, until=8)
    assert found.customers["customer"].tolist() == [1, 3]
    row = found.table.set_index("standard").loc["failure_tolerance"]
    assert row["mean"] == pytest.approx(2 / 3) and row["n"] == 3


def test_the_curve_depends_on_how_loyalty_is_measured(open_market):
    """700 answers or so: the share who surely recommend is convex, the mean of intentions is not."""
    found = loyalty.loyalty_measures(open_market)
    assert set(found["wave"]) == {0} and found["stayed"].isin([0, 100]).all()
    points = loyalty.scores(open_market, by="construct").set_index("customer")
    assert found["intention"].tolist() == pytest.approx(points["conative"].tolist(), nan_ok=True)
    left = open_market["departures"]
    gone = set(left.loc[left["month"].between(13, 18), "customer"])
    assert set(found.loc[found["stayed"] == 0, "customer"]) == gone & set(found["customer"])
    shapes = {
        name: loyalty.satisfaction_loyalty(found["satisfaction"], found[name]).shape["shape"].iloc[0]
        for name in ("intention", "promoter")
    }
    assert shapes["promoter"] == "convex" and shapes["intention"] in ("straight", "concave")
    late = loyalty.loyalty_measures(open_market, months=12)
    assert late["stayed"].isna().all()  # the record ends eight months after the wave
    with pytest.raises(ValueError, match="months must be 1"):
        loyalty.loyalty_measures(open_market, months=0)
    nobody = open_market | {"survey_waves": open_market["survey_waves"].assign(frame="leavers")}
    with pytest.raises(DataError, match="no wave asked customers in general"):
        loyalty.loyalty_measures(nobody)


def test_standards_read_a_database_file(open_market, tmp_path):
    with Database(write_tables(open_market, tmp_path / "crm.duckdb")) as opened:
        stored = loyalty.standards(opened)
        types = loyalty.loyalty_types(opened)
    pd.testing.assert_frame_equal(stored.table, loyalty.standards(open_market).table)
    assert types.table["customers"].sum() == len(types.customers) > 500


def test_which_standard_foretells_churn(shop):
    """In a shop those who say they would go are those who go: .6 is five standard errors from a half."""
    found = loyalty.standards(shop)
    table = loyalty.standards_and_churn(found, shop, months=7).set_index("standard")
    assert table.loc["recommendation", "auc"] > 0.6
    assert table.loc["price_sensitivity", "auc"] > 0.6
    assert np.isnan(table.loc["choosing_time", "auc"])
    # a standard that knows the answer, either way round, and one that is the same for all
    customers = found.customers.assign(
        choosing_time=np.arange(len(found.customers)), brand_concern=-np.arange(len(found.customers)),
        share_of_wallet=1.0,
    )  # fmt: skip
    left = pd.Series(np.arange(len(customers)) > 1000, index=customers["customer"])
    table = loyalty.standards_and_churn(loyalty.Standards(customers, found.table, 12), left).set_index(
        "standard"
    )
    assert table.loc[["choosing_time", "brand_concern"], "auc"].tolist() == [1, 1]
    assert np.isnan(table.loc["share_of_wallet", "auc"])  # the same for all
    assert (table["low"].dropna() <= table["auc"].dropna()).all()


# -- types ----------------------------------------------------------------------------------------------


def test_the_four_types():
    attitude = pd.Series([80.0, 80, 20, 20, 60, np.nan], index=list("abcdef"))
    behaviour = pd.Series([5.0, 1, 5, 1, 3, 9], index=list("abcdef"))
    found = loyalty.loyalty_types(attitude, behaviour, behaviour_cut=3)
    assert found.customers.set_index("customer")["type"].to_dict() == {
        "a": "true", "b": "latent", "c": "spurious", "d": "none", "e": "true",
    }  # fmt: skip
    assert found.table["type"].tolist() == ["true", "latent", "spurious", "none"]
    assert found.table["share"].tolist() == [0.4, 0.2, 0.2, 0.2]
    assert loyalty.loyalty_types(attitude, behaviour).behaviour_cut == 3
    with pytest.raises(ValueError, match="nobody has both"):
        loyalty.loyalty_types(attitude, behaviour.rename(str.upper))
    with pytest.raises(ValueError, match="behaviour is needed"):
        loyalty.loyalty_types(attitude)


def test_a_monopoly_keeps_those_who_think_ill_of_it(monopoly):
    found = loyalty.loyalty_types(monopoly).table.set_index("type")
    assert found.loc["spurious", "share"] > 0.2
    assert found.loc["latent", "share"] < 0.1


# -- satisfaction and loyalty ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bend", "slope", "word"), [(8, 40, "convex"), (-8, 40, "concave"), (0, 40, "straight"), (0, 0, "flat")]
)
def test_the_shape_of_a_known_curve(bend, slope, word):
    """600 customers, errors of 15: the bend has a standard error near 1.4."""
    rng = np.random.default_rng(3)
    u = rng.uniform(-1.1, 1.1, 600)
    y = 50 + slope / 2 * u + bend * u**2 + rng.normal(0, 15, 600)
    found = loyalty.satisfaction_loyalty(50 + 40 * u, y)
    row = found.shape.iloc[0]
    assert row["shape"] == word
    assert row["bend_low"] < bend < row["bend_high"]
    assert row["rise_low"] < slope < row["rise_high"]
    assert found.table["n"].tolist() == [60] * 10
    assert found.table["satisfaction"].is_monotonic_increasing
    assert (found.table["low"] < found.table["loyalty"]).all()


def test_loyalty_rises_where_customers_can_choose_and_hardly_in_a_monopoly(open_market, monopoly):
    parts = [
        loyalty.scores(tables, by="construct").assign(market=name)
        for name, tables in (("open", open_market), ("monopoly", monopoly))
    ]
    both = pd.concat(parts, ignore_index=True)
    found = loyalty.satisfaction_loyalty(both["satisfaction"], both["behaviour"], by=both["market"])
    shape = found.shape.set_index("group")
    assert shape.loc["open", "rise"] > 30
    assert shape.loc["monopoly", "shape"] == "flat"
    worst = found.table[found.table["bin"] == 1].set_index("group")["loyalty"]
    assert worst["monopoly"] > 85 > 50 > worst["open"]


def test_the_curve_says_what_is_wrong():
    with pytest.raises(ValueError, match="at least 30"):
        loyalty.satisfaction_loyalty(np.arange(10), np.arange(10))
    with pytest.raises(ValueError, match="one length"):
        loyalty.satisfaction_loyalty(np.arange(40), np.arange(41))
    with pytest.raises(ValueError, match="three different degrees"):
        loyalty.satisfaction_loyalty(np.repeat([1, 2], 20), np.arange(40))


# -- necessary conditions -------------------------------------------------------------------------------


def test_both_ceilings_by_hand():
    """Corners (0, 2), (2, 4), (6, 8), (10, 10): steps leave 2*8 + 4*6 + 4*2 = 48 of 10 x 10 above."""
    x = [0, 2, 6, 10, 1, 6, 8, 10]
    y = [2, 4, 8, 10, 1, 3, 8, 0]
    found = loyalty.necessity(x, y, permutations=0)
    assert found.peers.to_numpy().tolist() == [[0, 2], [2, 4], [6, 8], [10, 10]]
    step, line = found.table["effect"]
    assert step == pytest.approx(0.48)
    slope, intercept = np.polyfit([0, 2, 6, 10], [2, 4, 8, 10], 1)
    cut = (10 - intercept) / slope  # above it the line is over the scope
    assert 9 < cut < 10
    assert line == pytest.approx(cut * (10 - intercept) / 2 / 100)  # a triangle
    assert found.table["size"].tolist() == ["large", "large"]
    assert found.table["accuracy"].tolist() == [1, 1 - np.mean(np.array(y) > intercept + slope * np.array(x))]
    assert found.table["p"].isna().all()
    bottleneck = found.bottleneck.set_index("outcome")
    assert bottleneck["ce_fdh"].loc[[30, 40, 50, 80, 100]].tolist() == [20, 20, 60, 60, 100]
    assert bottleneck.loc[10, ["ce_fdh", "cr_fdh"]].isna().all()
    assert bottleneck.loc[50, "cr_fdh"] == pytest.approx(10 * (5 - intercept) / slope)


def test_the_effect_is_the_area_above_the_ceiling():
    """Against a grid of 1,000 x 1,000 points over a scope wider than the data."""
    rng = np.random.default_rng(8)
    x = rng.uniform(20, 90, 80).round()
    y = np.minimum(rng.uniform(0, 100, 80), 1.4 * x - 20).clip(5).round()
    found = loyalty.necessity(x, y, scope=(0, 100, 0, 100), permutations=0)
    grid = (np.arange(1000) + 0.5) / 10
    top = np.array([max([0, *y[x <= g]]) for g in grid])
    row = found.table.set_index("ceiling")
    assert row.loc["ce_fdh", "effect"] == pytest.approx(np.mean(100 - top) / 100, abs=2e-3)
    ceiling = np.clip(row.loc["cr_fdh", "intercept"] + row.loc["cr_fdh", "slope"] * grid, 0, 100)
    assert row.loc["cr_fdh", "effect"] == pytest.approx(np.mean(100 - ceiling) / 100, abs=2e-3)
    peers = found.peers
    assert [row.loc["cr_fdh", "slope"], row.loc["cr_fdh", "intercept"]] == pytest.approx(
        np.polyfit(peers["x"], peers["y"], 1).tolist()
    )


def test_the_permutation_test_knows_chance_from_a_ceiling():
    """Independent figures: p is even over 0 to 1, so 5 % of 200 samples fall below .05 (1 to 19 of them)."""
    rng = np.random.default_rng(9)
    below = [
        (
            loyalty.necessity(rng.random(40), rng.random(40), permutations=99, seed=k).table["p"] < 0.05
        ).tolist()
        for k in range(200)
    ]
    assert (np.sum(below, axis=0) >= 1).all()
    assert (np.sum(below, axis=0) <= 19).all()
    x = rng.random(100)
    found = loyalty.necessity(x, x * rng.random(100), permutations=199).table
    assert found["p"].tolist() == [1 / 200, 1 / 200]
    again = loyalty.necessity(x, x * rng.random(100), permutations=199, seed=1).table
    assert again["effect"].iloc[0] == pytest.approx(0.5, abs=0.08)


def test_no_corner_no_effect():
    found = loyalty.necessity([0, 1, 2, 3], [9, 1, 2, 3], permutations=9)
    assert found.table["effect"].tolist() == [0, 0]
    assert found.table["p"].tolist() == [1, 1]
    assert found.lines["ceiling"].unique().tolist() == ["ce_fdh"]


def test_necessity_says_what_is_wrong():
    with pytest.raises(ValueError, match="leaves customers out: the condition runs from 1 to 4"):
        loyalty.necessity([1, 2, 4], [1, 2, 3], scope=(0, 3, 0, 10))
    with pytest.raises(ValueError, match="must vary"):
        loyalty.necessity([1, 1, 1], [1, 2, 3])
    with pytest.raises(ValueError, match="at least 3"):
        loyalty.necessity([1, np.nan, 1], [1, 2, 3])


def test_satisfaction_is_necessary_in_the_open_market_and_spurious_loyalty_breaks_the_rule(
    open_market, monopoly
):
    shares = {}
    for name, tables in (("open", open_market), ("monopoly", monopoly)):
        points = loyalty.scores(tables, by="construct").set_index("customer")
        found = loyalty.exceptions(points["satisfaction"], points["behaviour"]).set_index("claim")
        shares[name] = found["share"]
        ceiling = loyalty.necessity(points["satisfaction"], points["affective"], permutations=99)
        assert (ceiling.table["p"] <= 0.01).all()
    assert shares["open"]["necessary"] < 0.1
    assert shares["open"]["sufficient"] > 0.3
    assert shares["monopoly"]["necessary"] > 0.25


def test_exceptions_by_hand():
    found = loyalty.exceptions([80, 80, 80, 20, 20], [80, 20, 20, 80, 20]).set_index("claim")
    assert found.loc["necessary", ["n", "exceptions", "share"]].tolist() == [2, 1, 0.5]
    assert found.loc["sufficient", ["n", "exceptions"]].tolist() == [3, 2]
    with pytest.raises(ValueError, match="nobody is loyal"):
        loyalty.exceptions([80, 80], [20, 20])


def test_the_two_modules_agree_on_who_left(open_market):
    """Standards' own count of those gone against the spells."""
    spells = churn.spells(open_market)
    end = spells["start"] + spells["duration"] - 1
    there = spells[(spells["start"] <= 12) & ~(spells["left"] & (end <= 12))]["customer"]
    assert sorted(there) == sorted(loyalty.standards(open_market).customers["customer"])


# -- figures --------------------------------------------------------------------------------------------


def figures(tables) -> dict:
    """One of each, by name."""
    points = loyalty.scores(tables, by="construct").set_index("customer")
    pair = points["satisfaction"], points["affective"]
    halves = pd.Series(np.where(np.arange(len(points)) % 2, "odd", "even"), index=points.index)
    return {
        "types": lambda **k: plots.loyalty_types(loyalty.loyalty_types(tables), **k),
        "curve": lambda **k: plots.satisfaction_loyalty(loyalty.satisfaction_loyalty(*pair), **k),
        "curve of groups": lambda **k: plots.satisfaction_loyalty(
            loyalty.satisfaction_loyalty(*pair, by=halves), **k
        ),
        "layers": lambda **k: plots.loyalty_layers(
            loyalty.layer_shares(loyalty.layers(loyalty.scores(tables))), **k
        ),
        "standards": lambda **k: plots.standards_and_churn(
            loyalty.standards_and_churn(loyalty.standards(tables), tables, months=7), **k
        ),
        "ceiling": lambda **k: plots.ceiling(loyalty.necessity(*pair, permutations=99), **k),
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", ["types", "curve", "curve of groups", "layers", "standards", "ceiling"])
def test_figures_can_be_read(open_market, name, monkeypatch):
    known = set(re.findall("[a-z]+", " ".join(s.key.replace("_", " ") for s in loyalty.STANDARDS)))
    assert_complete(figures(open_market)[name], "subscription, seed 4", {"odd", "even"} | known, monkeypatch)


def test_figures_say_what_they_show(open_market, monopoly):
    found = loyalty.loyalty_types(open_market)
    ax = plots.loyalty_types(found)
    assert sum(len(c.get_offsets()) for c in ax.collections) == len(found.customers)
    share = 100 * found.table.set_index("type").loc["true", "share"]
    assert ax.get_title(loc="left").startswith(f"{share:.0f} % are truly loyal")
    points = loyalty.scores(monopoly, by="construct")
    flat = loyalty.satisfaction_loyalty(points["satisfaction"], points["behaviour"])
    title = plots.satisfaction_loyalty(flat).get_title(loc="left")
    assert title == "Loyalty hardly depends on satisfaction"
    u = np.tile(np.linspace(0, 1, 100), 4)
    firm = np.repeat(["water utility", "retail shop", "car repair", "telephone company"], 100)
    steep = np.repeat([0.2, 0.6, 0.4, 0.9], 100)
    four = plots.satisfaction_loyalty(loyalty.satisfaction_loyalty(100 * u, 100 * steep * u, by=firm))
    title = four.get_title(loc="left").replace("\n", " ")
    assert re.search(r"most telephone company \+\d+ \(.*\), least water utility \+\d+ \(", title)
    assert title.count("+") == 2 and four.get_title(loc="left").count("\n") == 1
    assert_readable(four.get_figure())
    table = pd.DataFrame({"standard": ["a", "b"], "auc": [0.5, 0.8], "low": [0.4, 0.7], "high": [0.6, 0.9]})
    ax = plots.standards_and_churn(table, names={"b": "price"})
    assert ax.get_title(loc="left").startswith("Price foretells churn best: 80 %")
    unsure = plots.standards_and_churn(table.head(1)).get_title(loc="left")
    assert unsure == "No standard surely foretells churn here"
    with pytest.raises(ValueError, match="no standard has an auc"):
        plots.standards_and_churn(table.assign(auc=np.nan))
    with pytest.raises(ValueError, match="a row a layer"):
        plots.loyalty_layers(pd.DataFrame({"layer": ["none"] * 2, "share": 0.5, "low": 0.4, "high": 0.6}))
    rng = np.random.default_rng(5)
    chance = loyalty.necessity(rng.random(500), rng.random(500), permutations=99)
    assert plots.ceiling(chance).get_title(loc="left").startswith("Satisfaction is not shown to be necessary")
