"""Rounds of plan, do, check, act: what is simulated, what a survey sees of it, and what is decided."""

import re

import numpy as np
import pandas as pd
import pytest
from test_plots import assert_readable, texts

import crmsim as cs
from crmsim import plots
from crmsim.data.database import Database
from crmsim.plots import style
from crmsim.research import cases, pdca
from crmsim.simulation.compile import PARAMETER_INDEX, TOUCHPOINT_FIELDS, parameter_values, touchpoint_values
from crmsim.simulation.policies import Levers, PolicyError

WATER = cases.projects("water_utility")
SHOP = (
    cs.Project("range", "quality_control:touchpoint=product,points=8", touchpoint="product"),
    cs.Project("training", "staff_skill", touchpoint="staff"),
    cs.Project("gifts", cs.RetentionCall(target="value", share=0.3, pause=0, action="gift")),
    cs.Project("calls", "retention_call:target=random,share=0.2", 100, 10),
)


def cycle(name: str = "water_utility", size: int = 3_000, **given) -> cs.PdcaCycle:
    scenario = cs.Scenario.preset(name).replace(population__size=size)
    projects = WATER if name == "water_utility" else SHOP
    return cs.PdcaCycle(scenario, projects, **{"start": 4, "months": 4, "every": 2, **given})


# -- the database ----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_database_of_a_cycle_has_its_projects(tmp_path):
    loop = cycle("retail", 500, survey=cs.Survey(size=500, response=0.6))
    with pytest.raises(ValueError, match="no round was done yet"):
        loop.to_database(tmp_path / "shop.duckdb")
    loop.play(["range"], decisions={"range": "keep"})
    loop.play(["gifts", "calls"], to="half", decisions={"calls": "keep"})
    loop.plan(["training"])
    loop.do()
    with Database(loop.to_database(tmp_path / "shop.duckdb")) as shop:
        assert shop.faults() == []
        found = shop.table("projects").set_index("project")
        true = shop.table("truth.projects").set_index("project")
        offers, waves = shop.table("offers"), shop.table("survey_waves")
    assert found.index.tolist() == ["range", "gifts", "calls", "training"]
    assert found["status"].tolist() == ["kept", "dropped", "kept", "running"]
    assert found["first_month"].tolist() == [4, 8, 8, 12] and found["round"].tolist() == [1, 2, 2, 3]
    assert found["last_month"].isna().tolist() == [True, False, True, True]
    assert found.loc["gifts", "last_month"] == 11
    assert found["reach"].tolist() == ["all", "half", "half", "all"]
    assert found["kind"].tolist() == ["programme", "campaign", "campaign", "programme"]
    assert found.loc["range", "content"] == "quality_control:points=8,touchpoint=product"
    measured = loop.table.set_index("project")
    for column, name in (("effect", "effect"), ("low", "low"), ("high", "high"), ("answers", "n")):
        assert found.loc[measured.index, column].to_numpy() == pytest.approx(measured[name].to_numpy(float))
    assert found.loc["training", ["effect", "measure", "answers"]].isna().all()
    assert true["effect"].to_numpy() == pytest.approx(measured["true"].to_numpy())
    # what the policies charge is money; of what is stated nobody said in what unit
    assert found["cost"].isna().tolist() == [False, False, True, False]
    spent = offers.groupby("campaign")["cost"].sum()
    assert found.loc["gifts", "cost"] == pytest.approx(spent["gifts"]) and spent["gifts"] > 0
    half = offers[offers["campaign"] == "gifts"]
    assert half["month"].between(8, 11).all()
    assert waves["month"].tolist() == sorted(loop.chart().index)


def test_stated_costs_are_put_in_money_when_their_unit_is_named():
    loop = cycle(size=600, money=1e5, survey=cs.Survey(size=600, response=0.5))
    loop.play(["notices"], decisions={"notices": "keep"})
    loop.play(["price"], decisions={})
    found = loop.project_tables()["projects"].set_index("project")
    assert found.loc["notices", "cost"] == pytest.approx(1e5 * (0.3 + 8 * 0.05))
    assert found.loc["price", "cost"] == pytest.approx(1e5 * 4 * 2.0)


# -- a round -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "rounds"),
    [
        ("water_utility", (["notices", "payment"], ["hotline"], ["mains"])),
        ("retail", (["range"], ["training", "gifts"], [])),
    ],
)
def test_three_rounds_give_a_row_a_project(name, rounds):
    loop = cycle(name)
    for projects in rounds:
        loop.play(projects, decisions="estimate")
    table, played = loop.table, [p for r in rounds for p in r]
    assert table["project"].tolist() == played
    assert (table["low"] < table["effect"]).all() and (table["effect"] < table["high"]).all()
    assert table["mde"].to_numpy() == pytest.approx(
        ((table["high"] - table["effect"]) * (1.959964 + 0.841621) / 1.959964).to_numpy()
    )
    assert (table["effect"] - (table["score"] - table["reference"])).abs().max() < 1e-9
    assert set(table["decision"]) <= {"keep", "drop"}
    worthy = table["true_index"] > 0
    assert (table["right"] == ((table["decision"] == "keep") == worthy)).all()
    assert loop.rounds["start"].tolist() == [4, 8, 12]
    chart = loop.chart()
    assert chart.index.tolist() == [1, 3, 7, 11, 15] and chart["base"].tolist() == [True, True, *[False] * 3]
    assert loop.earned["points"] == pytest.approx(loop.rounds["true_gain"].iloc[-1])


def test_the_same_cycle_gives_the_same_numbers():
    one, other = cycle(seed=5).play("notices"), cycle(seed=5).play("notices")
    pd.testing.assert_frame_equal(one, other)
    assert cycle(seed=6).play("notices")["effect"].iloc[0] != one["effect"].iloc[0]


def test_the_true_effect_is_that_of_two_runs_made_by_hand():
    loop = cycle(seed=3)
    loop.plan(["notices", "payment"])
    loop.do()
    row = loop.check().set_index("project").loc["notices"]
    world = loop.scenario.replace(population__months=8)
    sms = [cs.NoticesBySms(start=4), cs.QualityControl(touchpoint="communication", points=10, start=4)]
    pay = [cs.PaymentChannels(start=4), cs.QualityControl(touchpoint="payment", points=10, start=4)]
    one, other = (cs.simulate(world, chosen, seed=3).customers for chosen in (sms + pay, pay))
    for column, name in (("true", "perception_communication"), ("true_index", "satisfaction")):
        means = [c.loc[c["left_month"].isna(), name].astype(float).mean() for c in (one, other)]
        assert row[column] == pytest.approx(means[0] - means[1], abs=1e-6)


def test_the_history_does_not_depend_on_what_follows():
    """A later round is a longer run: what was lived and asked before it stays bit for bit."""
    loop = cycle()
    loop.play("payment", decisions={"payment": "keep"})
    first = loop._made(loop._done[0].placed, 8).run.monthly
    scores = {m: s.copy() for m, s in loop._scores.items()}
    loop.play("mains", decisions="truth")
    again = loop._made(loop._done[1].placed, 12).run
    pd.testing.assert_frame_equal(first, again.monthly.iloc[:8])
    loop._scores.clear()
    loop._ask(loop._done[1])
    for month, old in scores.items():
        pd.testing.assert_frame_equal(old, loop._scores[month])


def test_what_is_kept_goes_on_and_what_is_dropped_stops():
    loop = cycle()
    loop.play(["notices", "payment"], decisions={"notices": "keep"})
    loop.plan("mains")
    this = loop.do()
    run = loop._made(this.placed, this.end).run
    months = {p.name: (p.start, p.stop) for p in run.policies}
    assert months == {"notices": (4, None), "payment": (4, 8), "mains": (8, None)}
    assert loop.candidates()["state"].to_dict() | {"mains": "open"} == {
        "mains": "open", "meters": "open", "hotline": "open", "payment": "dropped", "notices": "kept",
        "crews": "open", "price": "open",
    }  # fmt: skip
    loop.check("truth")
    loop.act("truth")
    with pytest.raises(ValueError, match="'notices' is kept already"):
        loop.plan("notices")
    assert loop.plan("payment")["payment"] == pytest.approx(1.4)  # tried again, for four months


def test_the_truth_on_demand_decides_rightly():
    loop = cycle(worth=0.02)
    loop.plan([p.name for p in WATER])
    loop.do()
    table = loop.check("truth")
    assert (table["effect"] == table["true"]).all() and (table["mde"] == 0).all()
    decided = loop.act("truth").set_index("project")
    assert decided["right"].all()
    assert decided.loc["notices", "decision"] == "keep" and decided.loc["price", "decision"] == "drop"


def test_an_empty_round_shows_what_happens_without_projects():
    loop = cycle()
    loop.play([])
    row = loop.rounds.iloc[0]
    assert row["true_gain"] == 0 and row["true_change"] == row["nothing"] and row["cost"] == 0
    assert loop.table.empty and loop.earned["points"] == 0


# -- costs and the budget ------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_budget_holds_for_new_projects_and_running_costs_of_kept_ones():
    dear = cs.Project("dear", "notices_by_sms", 3.0, 0.5)
    loop = cs.PdcaCycle(
        cs.Scenario.preset("water_utility").replace(population__size=1_000),
        [dear, *WATER], budget=8, start=4, months=6,
    )  # fmt: skip
    with pytest.raises(ValueError, match=re.escape("11 is more than the budget of 8 (mains 6, meters 5)")):
        loop.plan(["mains", "meters"])
    assert loop.plan("dear").to_dict() == {"dear": 6.0}
    loop.do()
    loop.check()
    loop.act({"dear": "keep"})
    assert loop.plan("meters").to_dict() == {"dear": 3.0, "meters": 5.0}
    loop.do()
    loop.check()
    loop.act({})
    with pytest.raises(ValueError, match="9 is more than the budget"):
        loop.plan("mains")
    assert loop.rounds["cost"].tolist() == [6.0, 8.0] and loop.earned["cost"] == 14.0
    assert np.isnan(loop.earned["net"])  # costs in a unit nobody named


def test_costs_left_out_are_those_the_policies_charge():
    loop = cycle("retail")
    planned = loop.plan(["range", "gifts"])
    this = loop.do()
    costs = loop._made(this.placed, this.end).run.costs
    assert planned.to_dict() == pytest.approx(costs[["range", "gifts"]].sum().to_dict())
    assert (costs.loc[:3] == 0).all(axis=None) and (costs.loc[4:] > 0).all(axis=None)
    assert loop.check()["cost"].sum() == pytest.approx(planned.sum())
    earned = loop.earned
    assert earned["net"] == pytest.approx(earned["margin"] - planned.sum())


def test_a_part_that_goes_on_for_all_is_set_up_once():
    loop = cycle("retail")
    loop.play("calls", to="half", decisions={"calls": "keep"})
    assert loop.table["cost"].tolist() == [140]
    assert loop.plan([]).to_dict() == {"calls": 40}


# -- roll-out to a part --------------------------------------------------------------------------------


def test_a_random_half_is_compared_with_the_other_half():
    loop = cycle("retail", size=6_000, survey=cs.Survey(response=1.0, elderly=0.0, size=6_000))
    loop.plan("gifts")
    this = loop.do(to="half")
    run = loop._made(this.placed, this.end).run
    got = run.customers
    treated = loop._half("gifts", got.index.to_numpy())
    assert 0.47 < treated.mean() < 0.53
    assert (got.loc[~treated, "offers"] == 0).all() and (got.loc[treated, "offers"] > 0).any()
    row = loop.check().iloc[0]
    assert row["comparison"] == "treated and others" and row["n"] > 4_000
    idle = cs.simulate(loop.scenario.replace(population__months=8), [], seed=1).customers
    means = [
        c.loc[c["left_month"].isna() & loop._half("gifts", c.index.to_numpy()), "satisfaction"].mean()
        for c in (got, idle)
    ]
    assert row["true"] == pytest.approx(float(means[0]) - float(means[1]), abs=1e-4)
    assert row["true"] > 0
    loop.act({"gifts": "keep"})
    assert [(p.to, p.start, p.stop) for p in loop._kept] == [("half", 4, 8), ("all", 8, None)]


def test_a_group_is_compared_by_the_difference_of_differences():
    loop = cycle("retail")
    loop.plan("gifts")
    loop.do(to=lambda view: view.purchases >= 2)
    row = loop.check().iloc[0]
    assert row["comparison"] == "difference of differences" and row["to"] == "group 1" and row["true"] > 0


def test_a_panel_compares_everybody_with_himself():
    """Other answers of the same persons spread less than those of two samples: half the error or so."""
    found = {}
    for panel in (False, True):
        loop = cycle(survey=cs.Survey(panel=panel, size=3_000, response=0.4), size=3_000)
        found[panel] = loop.play("payment").iloc[0]
    assert found[True]["comparison"] == "same persons before and after"
    width = {p: (row["high"] - row["low"]) * np.sqrt(row["n"]) / (1 if p else 2) for p, row in found.items()}
    assert width[True] < width[False]  # per pair; two independent samples of n / 2 each


# -- teaching mode -------------------------------------------------------------------------------------


def test_in_teaching_mode_every_lever_moves_twice_as_far():
    world = cs.Scenario.preset("water_utility")
    moved = {}
    for mode in ("honest", "teaching"):
        loop = cs.PdcaCycle(world, WATER, mode=mode)
        for name in ("mains", "meters", "price", "payment"):
            placed = loop._policies([pdca._Placement(name, 0, None, "all")])
            levers = Levers(world, parameter_values(world).copy(), touchpoint_values(world).copy())
            for p in placed:
                p.adjust(levers, 12)
            moved[mode, name] = (
                levers.values - parameter_values(world),
                levers.touchpoints - touchpoint_values(world),
            )
    for name in ("mains", "price", "meters"):
        for one, two in zip(moved["honest", name], moved["teaching", name], strict=True):
            assert two == pytest.approx(2 * one) and (name == "price" or np.any(two) or not np.any(one))
    failure = TOUCHPOINT_FIELDS.index("failure")
    quality = 0.0165 * (1 - 2 * 0.4)
    assert moved["teaching", "mains"][1][0, failure] == pytest.approx(quality - 0.0165)
    assert moved["teaching", "price"][0][PARAMETER_INDEX["value_price"]] == pytest.approx(-0.1)
    # halved ways of paying twice over would be none left; a quality beyond 100 is held at its bound
    d = [t.name for t in world.touchpoints].index("payment")
    top = 100 - world.touchpoints[d].quality
    assert moved["teaching", "payment"][1][d, TOUCHPOINT_FIELDS.index("quality")] == pytest.approx(top)


def test_in_teaching_mode_offers_do_twice_as_much_and_no_more_than_may_be():
    twice = pdca._twice(cs.Action("big", strength=1, care=60, satisfaction=2, win_back=0.6))
    assert (twice.strength, twice.care, twice.satisfaction, twice.win_back) == (2, 100, 4, 0.99)
    effects = {}
    for mode in ("honest", "teaching"):
        loop = cycle("retail", mode=mode)
        loop.plan("gifts")
        loop.do()
        effects[mode] = loop.check("truth")["true"].iloc[0]
    assert 1.5 < effects["teaching"] / effects["honest"] < 2.2


def test_every_output_says_that_projects_are_doubled():
    loop = cycle(mode="teaching")
    cost = loop.plan("notices")
    loop.do()
    row = loop.check()
    loop.act()
    for frame in (row, loop.table, loop.rounds, loop.chart(), loop.candidates()):
        assert set(frame["mode"]) == {"teaching"}
    assert loop.earned["mode"] == "teaching"
    for said in (cost.name, loop.earned.name, repr(loop), loop._repr_html_(), loop.note):
        assert "projects doubled" in said
    for ax in (loop.plot(), loop.plot_chart()):
        shown = [t.get_text() for t in texts(ax.get_figure())]
        assert sum("projects doubled" in text for text in shown) == 1
    assert "projects doubled" in plots.words(loop.plot())
    honest = cycle()
    honest.play("notices")
    shown = [repr(honest), honest.note, *(t.get_text() for t in texts(honest.plot().get_figure()))]
    assert not any("doubled" in text for text in shown)


# -- errors --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: cs.Project("", "dunning"), ValueError, "a project needs a name"),
        (lambda: cs.Project("a", []), ValueError, "at least one policy"),
        (lambda: cs.Project("a", "dunnin"), PolicyError, "did you mean 'dunning'"),
        (lambda: cs.Project("a", cs.Dunning(start=3)), PolicyError, "leave out start and stop"),
        (
            lambda: cs.Project("a", "dunning", one_off=-1),
            ValueError,
            "one_off must be a number of at least 0",
        ),
        (lambda: cycle(mode="double"), ValueError, '"honest" or "teaching", not \'double\''),
        (lambda: cycle(months=0), ValueError, "months must be a whole number"),
        (lambda: cycle(start=0), ValueError, "start must be a whole number"),
        (lambda: cycle(budget=-1), ValueError, "budget must be"),
        (lambda: cycle(money=0), ValueError, "money must be above 0"),
        (lambda: cycle(confidence=95), ValueError, "confidence must be between"),
        (lambda: cycle(survey=cs.Survey(frame="leavers")), ValueError, "leavers cannot be compared"),
        (lambda: cs.PdcaCycle("retail", []), ValueError, "at least one is needed"),
        (lambda: cs.PdcaCycle("retail", ["dunning"]), ValueError, "is no Project"),
        (lambda: cs.PdcaCycle("retail", [SHOP[0], SHOP[0]]), ValueError, "'range' is there twice"),
        (lambda: cs.PdcaCycle("retail", WATER), ValueError, "no touchpoint 'water_quality'; retail has prod"),
        (lambda: cs.PdcaCycle("retail", [cs.Project("a", "raise_crews")]), PolicyError, "no service desk"),
        (lambda: cycle().do(), ValueError, "now is the time to plan; the order is plan, do, check, act"),
        (lambda: cycle().plan("notice"), ValueError, "did you mean 'notices'"),
        (lambda: cycle().plan(["notices", "notices"]), ValueError, "named twice"),
        (lambda: cycle().play("notices", to="half"), ValueError, "only campaigns can go to a part"),
        (
            lambda: cycle("retail").play("gifts", to="third"),
            ValueError,
            'to must be "all", "half" or a funct',
        ),
        (lambda: cycle("retail").play("gifts", to=lambda v: v.id), ValueError, "must be a truth value for"),
        (lambda: cycle().play("notices", 0), ValueError, "months must be a whole number from 1"),
        (lambda: cycle().play("notices", by="luck"), ValueError, '"survey" or "truth"'),
        (lambda: cycle().play("notices", decisions="sure"), ValueError, '"interval", "estimate", "truth"'),
        (lambda: cycle().play("notices", decisions={"mains": "keep"}), ValueError, "was not in this round"),
        (lambda: cycle().play("notices", decisions={"notices": "yes"}), ValueError, '"keep" or "drop"'),
        (lambda: cycle(survey=cs.Survey(size=2)).play("notices"), ValueError, "ask more than"),
        (lambda: cycle().chart(), ValueError, "check a round first"),
        (lambda: cycle().chart("taste"), ValueError, "no measure 'taste'"),
        (lambda: cycle().earned, ValueError, "no round was checked"),
    ],
)
def test_errors_say_what_to_do(call, error, message):
    with pytest.raises(error, match=re.escape(message)):
        call()


# -- figures -------------------------------------------------------------------------------------------


def test_the_figures_can_be_read(monkeypatch):
    loop = cycle(mode="teaching")
    loop.play(["notices", "payment"])
    loop.play(["hotline", "mains"])
    ax = loop.plot()
    assert_readable(ax.get_figure())
    right = int(loop.table["right"].sum())
    assert ax.get_title(loc="left") == f"{right} of 4 decisions were right"
    assert_readable(loop.plot_chart().get_figure())
    monkeypatch.setattr(style, "chinese_font", lambda: "DejaVu Sans")
    names = {p.name: p.chinese or "项目" for p in WATER}
    zh = loop.plot(names=names, language="zh")
    assert not re.findall("[a-z]{3,}", plots.words(zh) + zh.get_title(loc="left"))
    with pytest.raises(ValueError, match="column 'true' is missing"):
        plots.project_effects(loop.table.drop(columns="true"))


# -- over seeds ----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_project_that_does_nothing_is_rarely_kept():
    """Eight touchpoints, 12 seeds: 96 comparisons. The interval is above 0 in 2.5 % (2.4 of 96); more than
    8 has a chance under .2 %, and errors understated by a third would give about 9. Their z have sd 1
    within .15."""
    z = []
    for seed in range(12):
        world = cs.Scenario.preset("water_utility").replace(population__size=5_000)
        idle = [
            cs.Project(t.name, f"fault_reduction:touchpoint={t.name},factor=1", 1.0, touchpoint=t.name)
            for t in world.touchpoints
        ]
        loop = cs.PdcaCycle(world, idle, start=9, months=3, every=9, seed=seed)
        table = loop.play([p.name for p in idle])
        assert (table["true"] == 0).all()
        z += ((table["effect"]) / ((table["high"] - table["low"]) / (2 * 1.96))).tolist()
    assert np.sum(np.array(z) > 1.96) <= 8
    assert 0.8 < np.sqrt(np.mean(np.square(z))) < 1.2


@pytest.fixture(scope="module")
def per_cost() -> pd.Series:
    """True rise of satisfaction for each unit of cost after two years, each project alone, twenty seeds."""
    world = cs.Scenario.preset("water_utility").replace(population__months=36)
    found = []
    for seed in range(1, 21):
        idle = cs.simulate(world, [], seed=seed, progress=False).monthly["satisfaction"].iloc[-1]
        for p in WATER:
            placed = pdca.PdcaCycle(world, WATER, start=12)._policies(
                [pdca._Placement(p.name, 12, None, "all")]
            )
            run = cs.simulate(world, placed, seed=seed, progress=False)
            gain = run.monthly["satisfaction"].iloc[-1] - idle
            found.append({"project": p.name, "seed": seed, "gain": gain / (p.one_off + 6 * p.running)})
    table = pd.DataFrame(found)
    return table.groupby("project")["gain"].mean()


CASE = {"notices": 1.43, "payment": 0.70, "hotline": 0.39, "mains": 0.18, "meters": 0.13, "crews": 0.07,
        "price": 0.04}  # fmt: skip
"""Points of the index for each unit of cost of half a year, as the case of the water utility expects them."""


@pytest.mark.slow
def test_the_order_of_the_projects_by_effect_per_cost(per_cost):
    """Seeds differ by 1 to 3 % of an effect, so the gaps tested are far beyond chance. That the weight of a
    touchpoint is not the worth of a project holds: the dearest, at the heaviest touchpoint, come late."""
    early = ["notices", "payment", "hotline"]
    assert per_cost.sort_values(ascending=False).index[:3].tolist() == early
    assert set(per_cost.sort_values(ascending=False).index[3:5]) == {"mains", "meters"}
    assert per_cost[["mains", "meters"]].min() > 10 * per_cost["crews"] > per_cost["price"]
    assert per_cost["hotline"] > 1.5 * per_cost[["mains", "meters"]].max()
    for name in ("notices", "payment", "hotline", "mains"):
        assert per_cost[name] == pytest.approx(CASE[name], rel=0.25)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["meters", "crews", "price"])
@pytest.mark.xfail(
    strict=True,
    reason="the world gives meters .19 (case .13: as much as mains), crews .002 (how long a repair takes "
    "hardly reaches satisfaction), price 0 (a price moves value, not satisfaction)",
)
def test_projects_that_the_world_values_otherwise_than_the_case(per_cost, name):
    assert per_cost[name] == pytest.approx(CASE[name], rel=0.25)


def test_the_projects_of_the_case_cost_what_it_says_and_aim_at_what_there_is():
    half_year = {p.name: round(p.one_off + 6 * p.running, 2) for p in WATER}
    assert half_year == {"mains": 6, "meters": 5, "hotline": 2, "payment": 1.5, "notices": 0.6, "crews": 3,
                         "price": 12}  # fmt: skip
    for preset, found in cases.PROJECTS.items():
        places = {t.name for t in cs.Scenario.preset(preset).touchpoints} | {""}
        assert {p.touchpoint for p in found} <= places and all(p.chinese and p.english for p in found)
    own = cases.projects(cs.Scenario.preset("subscription"))
    assert [p.touchpoint for p in own] == [t.name for t in cs.Scenario.preset("subscription").touchpoints]
    assert cases.projects("retail") is cases.PROJECTS["retail"]
