"""A monopoly's market opens: the scenario, the share switched, who left, and which answer foretold it."""

import dataclasses
import tomllib

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from test_plots import assert_readable, texts

from crmsim import plots
from crmsim.analysis.churn import survival
from crmsim.data.schema import faults
from crmsim.plots import style
from crmsim.research import opening
from crmsim.research.facts import facts
from crmsim.research.opening import ITEMS, PUBLISHED, OpenedWorld, Opening, open_market, opened
from crmsim.research.worlds import World
from crmsim.simulation.catalogue import CATALOGUES, catalogue
from crmsim.simulation.engine import simulate
from crmsim.simulation.scenario import Scenario, ScenarioError

SIZE, MONTH, YEARS = 3_000, 12, 3


@pytest.fixture(scope="module")
def one():
    scenario = opened(like="energy", month=MONTH, years=YEARS).replace(population__size=SIZE)
    return OpenedWorld(World(scenario, (), 3, monthly=("active", "satisfaction")))


@pytest.fixture(scope="module")
def found():
    return open_market(like="energy", month=MONTH, years=YEARS, seeds=3, customers=SIZE)


# -- the database ------------------------------------------------------------------------------------


def test_the_market_panel_counts_whom_the_opened_world_counts(one):
    panel = one.world.run.records().market
    assert faults({"truth.market_panel": panel}) == []
    first = panel[panel["customer"].isin(one.world.run.customers.query("source == 'initial'").index)]
    left = one._to_rivals
    for year in range(1, YEARS + 1):
        rows = first[first["year"] == year]
        start = MONTH + 12 * (year - 1)
        assert len(rows) == one.world.active[start].sum() and (rows["month"] == start).all()
        assert rows["switched"].sum() == left[start : start + 12].any(axis=0).sum() > 20
        # in the month that the months lived say
        gone = rows[rows["switched"]]
        when = np.flatnonzero(left[start : start + 12].any(axis=1))
        assert set(gone["months"] - 1) == set(when)
    stayed = panel[~panel["switched"]]
    assert (stayed["months"] == 12).mean() > 0.9 and (stayed["months"] < 12).any()  # some moved away
    assert panel.groupby("year")["awareness"].first().is_monotonic_increasing
    gain = panel["alternative"] - panel["value"]
    assert gain[panel["switched"]].mean() > gain[~panel["switched"]].mean() + 1


def test_a_market_that_was_open_always_or_never_has_no_panel():
    for name in ("retail", "water_utility"):
        run = simulate(Scenario.preset(name).replace(population__size=200, population__months=3), [], 1)
        assert run.records().market.empty


# -- the scenario ------------------------------------------------------------------------------------


def test_openings_have_published_figures_and_say_what_they_change():
    assert opening.openings() == sorted(PUBLISHED)
    base = Scenario.preset("water_utility")
    for name in PUBLISHED:
        way = Opening.named(name)
        assert set(way.changes) <= {f"market__{f}" for f in type(base.market).model_fields} | {
            f"churn__{f}" for f in type(base.churn).model_fields
        }
        world = opened(base, name, month=30, years=2)
        assert world.population.months == 54
        assert [e.kind for e in world.rivals] == ["opening", "price_cut"]
        # 5 % off is worth as much as 5 % less of the firm's own price
        assert world.rivals[1].size == pytest.approx(base.value.price_effect * way.discount)
        years = [point.year for point in PUBLISHED[name].points]
        assert years == sorted(years) and all(0 < p.share < 1 for p in PUBLISHED[name].points)


def test_an_opened_utility_still_sells_water():
    closed = Scenario.preset("water_utility")
    assert catalogue(opened(closed, "energy")) is catalogue(closed) is CATALOGUES["water_utility"]
    assert catalogue(closed.replace(name="water")) is CATALOGUES["subscription"]  # another contract


def test_before_it_opens_the_world_is_the_same():
    closed = Scenario.preset("water_utility").replace(population__size=1_000)
    lived: dict[str, dict[int, np.ndarray]] = {"closed": {}, "open": {}}
    worlds = {"closed": closed.replace(population__months=18), "open": opened(closed, month=12, years=1)}
    runs = {
        name: simulate(world, [], 2, progress=False,
                       watch=lambda m, view, name=name: lived[name].__setitem__(
                           m, np.stack([view.column(c) for c in ("active", "satisfaction", "conative")])))
        for name, world in worlds.items()
    }  # fmt: skip
    for month in range(13):
        np.testing.assert_array_equal(lived["open"][month], lived["closed"][month])
    months = [run.monthly.iloc[:12] for run in runs.values()]
    pd.testing.assert_frame_equal(*months)
    assert runs["open"].monthly["left_competitive"].iloc[12:18].sum() > 0
    assert runs["closed"].monthly["left_competitive"].sum() == 0


def test_a_scenario_file_of_the_opened_market_is_read_again(tmp_path):
    world = opened(like="england")
    again = Scenario.load(world.save(tmp_path / "opened.toml"))
    assert again.hash == world.hash and again.name == "water_utility_opened_england"


def test_own_openings(tmp_path):
    text = 'title = "slowly"\nopenness = 0.5\ndiscount = 0.1\n[market]\nattention = 0.2\n'
    way = Opening.read("mine", text)
    world = opened("water_utility", way)
    assert (world.market.attention, world.rivals[0].opening, world.rivals[1].size) == (0.2, 0.5, 6.0)
    assert tomllib.loads(text)["title"] in world.title
    assert open_market("water_utility", way, years=1, month=2, seeds=1, customers=300).published is None


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: opened(like="wales"), ValueError, "unknown opening 'wales'; known: energy, england"),
        (lambda: opened("retail"), ScenarioError, "open already"),
        (lambda: opened(opened()), ScenarioError, "open already"),
        (lambda: open_market("water_utility", ""), ScenarioError, "the market does not open"),
        (lambda: open_market(seeds=0), ValueError, "seeds must be at least 1, not 0"),
    ],
)
def test_errors_say_what_is_wrong(call, error, words):
    with pytest.raises(error, match=words):
        call()


# -- what came of it ---------------------------------------------------------------------------------


def test_the_share_switched_is_that_of_kaplan_and_meier(one):
    first = one.world.first
    here = first[one.here].copy()
    left = here["left_month"].to_numpy(dtype=float, na_value=np.inf)
    end = MONTH + 12 * YEARS
    lived = np.minimum(left - MONTH, end - MONTH - 1).astype(int) + 1
    spells = pd.DataFrame({"customer": np.arange(len(here)), "duration": lived})
    spells["left"] = here["cause"].isin(["competitive", "fault"]).to_numpy()
    curve = survival(spells).set_index("time")["survival"]
    for month in (6, 12, 36):
        assert one.switched[month] == pytest.approx(1 - curve.loc[month], abs=1e-9)
    assert one.at(1) == one.switched[12] and np.isnan(one.at(50))
    assert one.switched[0] == 0 and (np.diff(one.switched) >= 0).all()


def test_share_switched_by_hand():
    assert opening.share_switched([10, 8, 4], [2, 0, 1]).tolist() == pytest.approx([0, 0.2, 0.2, 0.4])


def test_the_least_satisfied_leave_most(one):
    rates = one.by_satisfaction(YEARS)
    assert (np.diff(rates) < 0).all()
    assert rates.mean() == pytest.approx(one.at(YEARS), abs=0.01)


def test_those_who_like_it_least_leave_first():
    scenario = opened(like="energy", month=MONTH, years=1).replace(population__size=SIZE)
    one = OpenedWorld(World(scenario, (), 3, monthly=("active", "satisfaction", "affective")))
    cold, warm = one.by_liking(1)
    assert cold > 2 * warm > 0
    some, all_others = one.by_liking(1, low=101, high=101)
    assert (some, all_others) == (pytest.approx(one.at(1)), 0)


def test_answers_are_those_of_the_last_closed_month(one):
    table = one.items(YEARS)
    assert table.index.tolist() == list(ITEMS)
    stayed = one.world.first["left_month"].isna()
    gone = one.world.first["cause"].isin(["competitive", "fault"])
    for item in ITEMS:
        answer = one.answers[item].dropna()
        answer = answer[(answer.index < SIZE) & (stayed | gone).reindex(answer.index, fill_value=False)]
        stay = stayed[answer.index]
        higher = answer[stay].to_numpy()[:, None] - answer[~stay].to_numpy()[None, :]
        assert table["auc"][item] == pytest.approx((higher > 0).mean() + (higher == 0).mean() / 2)
        assert table["n"][item] == len(answer)
    captive = one.captive()
    assert captive["keep_using_top"] > 0.85
    assert captive["stay_if_cheaper_r"] > 0.35 > 0.25 > captive["keep_using_r"]


def test_several_worlds(found):
    curve = found.curve.set_index("year")
    assert curve.index.tolist() == [k / 4 for k in range(4 * YEARS + 1)]
    assert ((curve["low"] <= curve["mean"]) & (curve["mean"] <= curve["high"])).all()
    singles = []
    for k in range(3):
        world = World(found.scenario, (), 1, k, monthly=("active", "satisfaction"))
        singles.append(OpenedWorld(world).switched[::3])
    np.testing.assert_allclose(curve["mean"], np.mean(singles, axis=0))
    half = 4.302652729911275 * np.std([s[-1] for s in singles], ddof=1) / np.sqrt(3)
    assert curve["high"].iloc[-1] - curve["mean"].iloc[-1] == pytest.approx(half)
    assert found.items["item"].tolist() == list(ITEMS)
    assert found.published.equals(PUBLISHED["energy"].table)
    alone = open_market(like="energy", month=MONTH, years=1, seeds=1, customers=500)
    assert alone.curve["low"].equals(alone.curve["mean"])
    assert open_market(found.scenario, "", seeds=1, years=9).years == YEARS


def test_levers_move_the_curve():
    way = dataclasses.replace(Opening.named("energy"))
    rates = {}
    for name, change in {
        "as it is": {}, "fewer look": {"market__attention": 0.1}, "fewer know": {"market__awareness": 0.2},
        "dearer to switch": {"market__switching_cost_shift": 5},
    }.items():  # fmt: skip
        own = dataclasses.replace(way, changes={**way.changes, **change})
        rates[name] = open_market(like=own, month=6, years=1, seeds=1, customers=SIZE).curve["mean"].iloc[-1]
    cheap = open_market(
        like=dataclasses.replace(way, discount=0.3), month=6, years=1, seeds=1, customers=SIZE
    )
    assert rates.pop("as it is") > max(rates.values())
    assert cheap.curve["mean"].iloc[-1] > max(rates.values())


# -- the figure --------------------------------------------------------------------------------------


def figure(found, **more):
    published = {name: known.table for name, known in PUBLISHED.items()}
    return plots.market_opening({"energy": found.curve}, published, **more)


def test_the_figure_says_what_it_shows(found, monkeypatch):
    ax = figure(found, note="seed 1")
    assert_readable(ax.get_figure())
    assert min(t.get_fontsize() * ax.get_figure().dpi / 72 for t in texts(ax.get_figure())) >= 14  # pixels
    assert any(t.get_text().startswith("seed 1; lines: simulated") for t in texts(ax.get_figure()))
    share = 100 * found.curve["mean"].iloc[-1]
    assert f"simulated {share:.0f} %" in plots.words(ax)
    for number in ("1.4 %", "2.9 %", "19.3 %", "50 %"):
        assert number in plots.words(ax)
    first, second = Figure(figsize=(12.8, 7.2), layout="constrained").subplots(1, 2)
    assert figure(found, ax=first, title="Mine").get_title(loc="left") == "Mine"
    assert not second.has_data()
    monkeypatch.setattr(style, "chinese_font", lambda: "DejaVu Sans")
    zh = figure(found, language="zh")
    assert not [c for c in plots.words(zh) + zh.get_title(loc="left") if c.isascii() and c.isalpha()]


def test_the_figure_tells_what_is_lacking(found):
    with pytest.raises(ValueError, match="no curve is given"):
        plots.market_opening({}, {})
    with pytest.raises(ValueError, match="the curve of 'energy' lacks 'low'"):
        plots.market_opening({"energy": found.curve.drop(columns="low")}, {})


# -- against what is known ---------------------------------------------------------------------------

# Published per supply point, or in an earlier model that differs; the report gives the reasons.
MISSED = {
    "switched, england, 3 months", "switched, england, 9 months", "switched, england, 21 months",
    "switched, energy, fifth 4", "will keep using, r", "scenario item, high", "scenario item, low",
}  # fmt: skip


@pytest.mark.slow
def test_the_opened_market_over_twenty_seeds():
    """Every figure lies in its band, but for those known not to; near an edge it may fall either way."""
    report = facts("water_utility", numbers="52", replications=20, progress=False)
    print(report)
    assert len(report.results) == 33
    for result in report.results:
        if not result.in_doubt:
            assert result.met == (result.fact.name not in MISSED), result
        if not result.met:
            assert result.fact.reason, result
    by_name = {result.fact.name: result for result in report.results}
    assert by_name["scenario item tells more"].met and by_name["scenario item, AUC"].met
