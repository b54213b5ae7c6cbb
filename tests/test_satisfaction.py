"""What answers say: long to wide, index, shares, recommendation, gaps, quadrants, Kano."""

import math
from itertools import product

import numpy as np
import pandas as pd
import pytest

import crmsim as cs
from crmsim import plots
from crmsim.analysis import satisfaction as sat
from crmsim.analysis.pls import pls, survey_model
from crmsim.data.database import Database
from crmsim.data.transactions import DataError
from crmsim.simulation.survey import Survey

LONG = pd.DataFrame(
    [(0, 7, "a", 8), (0, 7, "b", None), (0, 9, "a", 10), (0, 9, "b", 4), (0, 9, "attention", 1),
     (0, 7, "attention", 3), (1, 7, "a", 6), (1, 7, "b", 5), (1, 7, "attention", 1)],
    columns=["wave", "customer", "item", "answer"],
)  # fmt: skip
WAVES = pd.DataFrame({"wave": [0, 1], "survey": ["first", "second"], "month": [5, 11]})


@pytest.fixture(scope="module")
def firm(tmp_path_factory):
    """Two waves of a survey of the monopoly's customers, as a database file, and the surveys themselves."""
    world = cs.Scenario.preset("water_utility").replace(
        population__size=3000, population__months=12, policies=()
    )
    run = cs.simulate(world, [], seed=3)
    surveys = [
        Survey(months=(5, 11), response=0.4),
        Survey(name="callers", frame="contacts", months=(11,), response=0.5),
    ]
    path = run.to_database(tmp_path_factory.mktemp("firm") / "crm.duckdb", surveys)
    with Database(path) as database:
        yield database, run.survey(surveys)


# -- from long to wide -----------------------------------------------------------------------------------


def test_long_answers_become_a_row_a_respondent():
    table = sat.wide(LONG)
    assert table.index.names == ["wave", "customer"] and list(table) == ["a", "b", "attention"]
    assert table.loc[(0, 9)].tolist() == [10, 4, 1] and math.isnan(table.loc[(0, 7), "b"])
    assert sat.wide(LONG, 0, attentive=True).index.tolist() == [9]
    assert sat.wide(LONG, survey="second", waves=WAVES).index.tolist() == [(1, 7)]
    own = LONG[LONG["wave"] == 1].drop(columns="wave").rename(columns={"customer": "who", "answer": "tick"})
    assert sat.wide(own, respondent="who", answer="tick").loc[7].tolist() == [6, 5, 1]


def test_long_answers_that_cannot_be():
    for call, what in (
        (lambda: sat.wide(LONG.drop(columns="item")), "no column 'item'; they have wave, customer, answer"),
        (lambda: sat.wide(LONG, 4), "no answers of wave 4; there are 0, 1"),
        (
            lambda: sat.wide(pd.concat([LONG, LONG[3:4]])),
            r"wave 0, customer 9, item b is answered twice \(row 3",
        ),
        (lambda: sat.wide(LONG, survey="first"), "give its waves too"),
        (lambda: sat.wide(LONG, survey="third", waves=WAVES), "no survey 'third'; there are first, second"),
        (lambda: sat.wide(LONG[LONG["item"] == "a"], attentive=True), "no question 'attention'"),
    ):
        with pytest.raises(DataError, match=what):
            call()


def test_the_database_gives_what_the_survey_gave(firm):
    database, data = firm
    table = sat.wide(database, 1)
    pd.testing.assert_frame_equal(table, data.wide(1), check_like=True, check_index_type=False)
    callers = sat.wide(database, survey="callers")
    named = data.waves.loc[data.waves["survey"] == "callers", "wave"]
    assert set(callers.index.get_level_values("wave")) == set(named)
    assert len(callers) == data.waves.loc[data.waves["survey"] == "callers", "completed"].sum()


def test_scores_of_touchpoints_and_stated_importance(firm):
    database, _ = firm
    items = database.table("survey_items")
    table = sat.wide(database, 0)
    scores = sat.construct_scores(table, items, ["touchpoints", "satisfaction"])
    assert list(scores)[-1] == "satisfaction" and len(scores.columns) == 9
    assert scores["water_quality"].equals(table[["water_quality_1", "water_quality_2"]].mean(axis=1))
    stated = sat.stated_importance(table, items)
    assert list(stated) == list(scores)[:-1]
    assert stated["price"].equals(table["importance_price"])
    assert "importance" not in sat.construct_scores(table, items)
    with pytest.raises(DataError, match="no question measures 'taste'; there are water_quality"):
        sat.construct_scores(table, items, "taste")
    with pytest.raises(DataError, match="importance was not asked"):
        sat.stated_importance(table[["satisfaction_1"]], items)


def test_the_path_model_of_the_questionnaire(firm):
    """Some 1,000 answers: the standard error of a coefficient is below .05."""
    database, _ = firm
    model = survey_model(database.table("survey_items"))
    fit = pls(sat.wide(database, 0, attentive=True), model, bootstrap=0)
    assert fit.converged and fit.latents["alpha"].min() > 0.5
    assert fit.coefficient("quality", "satisfaction") > 0.3 > fit.coefficient("image", "satisfaction")
    assert fit.coefficient("satisfaction", "loyalty") > 0.5


# -- index and shares ------------------------------------------------------------------------------------


def test_the_index_by_its_formula():
    frame = pd.DataFrame({"a": [8, 6, 10, 7], "b": [7, 7, 10, 3], "c": [1, 10, 5, 2]})
    w = {"a": 0.3, "b": 0.5, "c": 0.1}
    found = sat.csi(frame, w)
    mean = frame.mean()
    total = sum(w.values())
    assert found.value == pytest.approx(100 * (sum(w[k] * mean[k] for k in w) - total) / (9 * total))
    assert sat.csi(frame, w | {"c": 0}).value == pytest.approx(sat.csi(frame, {"a": 3, "b": 5}).value)
    assert sat.csi(frame * 0 + 10, w).value == 100 and sat.csi(frame * 0 + 1, w).value == 0
    assert sat.csi(frame, ["a"]).value == pytest.approx(100 * (mean["a"] - 1) / 9)
    assert sat.csi(frame - 1, w, low=0, high=9).value == pytest.approx(found.value)
    weighted = sat.csi(frame, ["a"], respondent_weights=[1, 1, 0, 2])
    assert weighted.value == pytest.approx(100 * ((8 + 6 + 2 * 7) / 4 - 1) / 9)
    alone = sat.csi(frame, ["a"])
    assert alone.error == pytest.approx(100 / 9 * frame["a"].std() / 2)


def test_an_index_that_cannot_be():
    frame = pd.DataFrame({"satisfaction": [8, 11], "b": [1, 2]})
    for weights, what in (
        (["satisfaktion"], "no column 'satisfaktion'; did you mean 'satisfaction'"),
        (["b", "satisfaction"], "'satisfaction' has 11 in row 1, off the scale from 1 to 10"),
        ({"b": -1}, "0 or more"),
        ([], "no question"),
    ):
        with pytest.raises(ValueError, match=what):
            sat.csi(frame, weights)


def test_the_satisfied_share_is_no_index():
    few, many = np.array([8] * 95 + [1] * 5), np.array([10] * 60 + [7] * 40)
    assert sat.top_box(few, boxes=3).value == pytest.approx(0.95)
    index = [sat.csi(pd.DataFrame({"a": x}), ["a"]).value for x in (few, many)]
    assert sat.top_box(many, boxes=3).value == pytest.approx(0.60) and index[1] > index[0] + 10
    assert sat.top_box([4, 5, 3, None], high=5).value == pytest.approx(2 / 3)
    assert 0 < sat.top_box([9] * 20).low < 1 == sat.top_box([9] * 20).value
    with pytest.raises(ValueError, match="an answer is 8, above the scale's end 5"):
        sat.top_box(few, high=5)


def test_net_promoter_score():
    found = sat.nps([10, 9, 8, 7, 6, 0, 10, None])
    assert found.value == pytest.approx(100 * (3 - 2) / 7) and found.n == 7
    score = np.array([100, 100, 0, 0, -100, -100, 100])
    assert found.error == pytest.approx(score.std(ddof=1) / math.sqrt(7))
    with pytest.raises(ValueError, match="from 0 to 10"):
        sat.nps([11])
    assert sat.mean_score([6, 8]).value == 7


def test_measures_by_wave(firm):
    database, data = firm
    table = sat.by_wave(database)
    assert table["wave"].tolist() == data.waves["wave"].tolist()
    assert table["survey"].tolist() == data.waves["survey"].tolist()
    assert table["month"].tolist() == data.waves["month"].tolist()
    first = data.wide(0)
    items = ["satisfaction_1", "satisfaction_2", "satisfaction_3"]
    full = first[items].dropna()
    assert table["n"][0] == len(full)
    assert table["index"][0] == pytest.approx(100 * (full.mean().mean() - 1) / 9)
    assert table["top_box"][0] == pytest.approx((first["satisfaction_1"].dropna() >= 9).mean())
    assert table["nps"][0] == pytest.approx(sat.nps(first["recommend"]).value)
    for name in ("index", "top_box", "nps"):
        assert (table[f"{name}_lower"] < table[name]).all() and (table[name] < table[f"{name}_upper"]).all()
    plain = sat.by_wave(data.answers, recommend=None)
    assert plain["nps"].isna().all() and plain["month"].isna().all()


# -- gaps, quadrants -------------------------------------------------------------------------------------


def test_gaps_are_paired():
    rng = np.random.default_rng(1)
    wanted = pd.DataFrame(rng.integers(6, 11, (50, 2)), columns=["fast", "clear"])
    got = (wanted - np.array([2, 0]) + rng.integers(-1, 1, (50, 2))).clip(1, 10)
    got.loc[3, "fast"] = np.nan
    found = sat.gap_scores(got, wanted)
    difference = (got - wanted)["fast"].dropna()
    assert found.loc["fast", "gap"] == pytest.approx(difference.mean()) and found.loc["fast", "n"] == 49
    reach = 2.0106 * difference.std() / math.sqrt(len(difference))
    assert found.loc["fast", "upper"] - found.loc["fast", "gap"] == pytest.approx(reach, rel=1e-3)
    row = found.loc["clear"]
    share = [100 * (row[k] - 1) / 9 for k in ("expected", "perceived")]
    assert row["priority"] == pytest.approx(share[0] * (100 - share[1]) / 100)
    with pytest.raises(ValueError, match="expected has no column 'clear'"):
        sat.gap_scores(got, wanted[["fast"]])


def test_quadrants_and_how_they_change_with_the_crosshair():
    importance = {"quality": 0.4, "supply": 0.3, "price": 0.2, "image": 0.1}
    performance = {"quality": 6, "supply": 9, "price": 7, "image": 8}
    found = sat.importance_performance(importance, performance)
    assert found["quadrant"].to_dict() == {
        "quality": "concentrate", "supply": "keep_up", "price": "low_priority", "image": "overkill",
    }  # fmt: skip
    assert found.loc["quality", "chinese"] == "重点改进区"
    assert found["cross_performance"].iloc[0] == 7.5 and found["cross_importance"].iloc[0] == pytest.approx(
        0.25
    )
    middle = sat.importance_performance(importance, performance, crosshair="midpoint")
    assert middle["quadrant"].to_dict() == {
        "quality": "keep_up", "supply": "keep_up", "price": "overkill", "image": "overkill",
    }  # fmt: skip
    said = sat.importance_performance(
        {k: 9 - 4 * (k == "price") for k in importance}, performance, crosshair="midpoint"
    )
    assert said["cross_importance"].iloc[0] == 5.5 and said.loc["price", "quadrant"] == "overkill"
    own = sat.importance_performance(importance, performance, crosshair=(8.5, 0.05))
    assert own["quadrant"].tolist() == ["concentrate", "keep_up", "concentrate", "concentrate"]
    for left, right, what in (
        (importance, {"quality": 6}, "the performance of 'supply' is missing"),
        ({"quality": 1}, performance, "the importance of 'supply' is missing"),
    ):
        with pytest.raises(ValueError, match=what):
            sat.importance_performance(left, right)
    with pytest.raises(ValueError, match='crosshair must be "means"'):
        sat.importance_performance(importance, performance, crosshair="median")


# -- Kano -------------------------------------------------------------------------------------------------


def test_kanos_evaluation_table():
    expected = {
        1: "QAAAO", 2: "RIIIM", 3: "RIIIM", 4: "RIIIM", 5: "RRRRQ",
    }  # fmt: skip
    for f, d in product(range(1, 6), repeat=2):
        found = sat.kano(pd.DataFrame({"f": [f], "d": [d]}), {"x": ("f", "d")}).loc["x"]
        assert found["category"] == expected[f][d - 1] and found["n"] == 1


def test_kanos_coefficients():
    pairs = (
        [(1, 5)] * 3 + [(1, 3)] * 4 + [(2, 5)] * 5 + [(3, 3)] * 6 + [(5, 1)] * 2 + [(1, 1)] + [(np.nan, 1)]
    )
    found = sat.kano(pd.DataFrame(pairs, columns=["f", "d"]), {"notice": ("f", "d")}).loc["notice"]
    assert [found[k] for k in "MOAIRQ"] == [5, 3, 4, 6, 2, 1] and found["n"] == 21
    assert found["better"] == pytest.approx(7 / 18) and found["worse"] == pytest.approx(-8 / 18)
    assert found["category"] == "I" and found["chinese"] == "无差异型"
    assert found["strength"] == pytest.approx(1 / 21)
    tie = sat.kano(pd.DataFrame({"f": [1, 2, 3], "d": [3, 5, 3]}), {"x": ("f", "d")}).loc["x"]
    assert tie["category"] == "M"
    with pytest.raises(ValueError, match="x: answers run from 1"):
        sat.kano(pd.DataFrame({"f": [7], "d": [1]}), {"x": ("f", "d")})
    with pytest.raises(ValueError, match="x: give the two columns"):
        sat.kano(pd.DataFrame({"f": [1]}), {"x": "f"})


# -- figures ---------------------------------------------------------------------------------------------


def title_of(ax):
    return ax.get_title(loc="left").replace("\n", " ")


def texts(ax):
    return " | ".join([*(t.get_text() for t in ax.texts), title_of(ax)])


def test_the_path_diagram_shows_every_path_and_what_is_uncertain():
    rows = [("quality", "satisfaction", 0.6, 0.5, 0.7), ("image", "satisfaction", 0.1, -0.1, 0.3),
            ("satisfaction", "loyalty", -0.4, -0.6, -0.2)]  # fmt: skip
    paths = pd.DataFrame(rows, columns=["source", "target", "estimate", "lower", "upper"])
    latents = pd.DataFrame({"index": [70.0, 72.5], "r2": [np.nan, 0.5]}, index=["quality", "satisfaction"])
    ax = plots.path_diagram(paths, latents)
    shown = texts(ax)
    for text in (
        "0.60\n[0.50, 0.70]",
        "\N{MINUS SIGN}0.40",
        "index 72.5  R² 0.50",
        "follows quality most (0.60)",
    ):
        assert text in shown
    arrows = [p for p in ax.patches if type(p).__name__ == "FancyArrowPatch"]
    assert len(arrows) == 3 and len({a.get_edgecolor() for a in arrows}) == 3
    assert "image → satisfaction 0.10 [\N{MINUS SIGN}0.10, 0.30]" in plots.words(ax)
    other = pd.DataFrame([("a", "b", 0.5), ("b", "c", 0.4)], columns=["source", "target", "estimate"])
    assert "0.50" in texts(plots.path_diagram(other, target="c"))
    with pytest.raises(ValueError, match="held back"):
        plots.path_diagram(paths.assign(consistent=np.nan), consistent=True)
    with pytest.raises(ValueError, match="column 'source' is missing"):
        plots.path_diagram(paths.drop(columns="source"))


def test_the_quadrants_are_drawn():
    importance = {"quality": 0.4, "supply": 0.3, "price": 0.2, "image": 0.1}
    performance = {"quality": 6, "supply": 9, "price": 7, "image": 8}
    table = sat.importance_performance(importance, performance)
    ax = plots.importance_performance(table, names={"quality": "water"})
    assert title_of(ax) == "Improve first: water"
    assert "concentrate here: water; keep up the good work: supply" in plots.words(ax)
    better = sat.importance_performance(importance, performance, crosshair="midpoint")
    assert "Nothing important" in title_of(plots.importance_performance(better))


def test_drivers_are_set_beside_the_truth():
    shares = pd.DataFrame(
        [("lmg", "a", 0.6, 0.5, 0.7), ("lmg", "b", 0.4, 0.3, 0.5), ("stated", "a", 0.5, np.nan, np.nan),
         ("stated", "b", 0.5, np.nan, np.nan)],
        columns=["method", "driver", "share", "lower", "upper"],
    )  # fmt: skip
    ax = plots.driver_importance(shares, truth={"a": 2, "b": 1})
    assert title_of(ax) == ("LMG comes nearest to the true weights: off by 6.7 points, stated by 16.7")
    assert "a: LMG 60 %, stated 50 %, truth 67 %" in plots.words(ax)
    alone = plots.driver_importance(shares, methods=["lmg"])
    assert "A weighs most by LMG: 60 %" in title_of(alone)
    with pytest.raises(ValueError, match="no method 'beta'; there are lmg, stated"):
        plots.driver_importance(shares, methods=["beta"])
    with pytest.raises(ValueError, match="the truth says nothing of 'b'"):
        plots.driver_importance(shares, truth={"a": 1})


@pytest.mark.parametrize(
    ("last", "title"), [(75.0, "rises by 5.0"), (70.5, "within what chance explains"), (64.0, "falls by 6.0")]
)
def test_waves_say_whether_a_change_is_more_than_chance(last, title):
    table = pd.DataFrame({"wave": [0, 1], "survey": "s", "month": [5, 11], "index": [70.0, last]})
    table = table.assign(index_lower=table["index"] - 1.5, index_upper=table["index"] + 1.5)
    ax = plots.index_by_wave(table)
    assert title in title_of(ax)
    assert "5: 70.0 [68.5, 71.5]" in plots.words(ax)
    with pytest.raises(ValueError, match="column 'nps' is missing"):
        plots.index_by_wave(table, measure="nps")
    with pytest.raises(ValueError, match="measure must be"):
        plots.index_by_wave(table, measure="mean")


def test_the_kano_chart():
    frame = pd.DataFrame({"f": [3, 3, 3], "d": [5, 5, 3], "g": [1, 1, 3], "h": [3, 3, 3]})
    table = sat.kano(frame, {"supply": ("f", "d"), "app": ("g", "h")})
    ax = plots.kano(table)
    assert title_of(ax) == "Must be there: supply; delights: app"
    assert "supply must-be (0.00, \N{MINUS SIGN}0.67)" in plots.words(ax)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_all_figures_are_drawn_in_both_languages(firm, language):
    database, _ = firm
    items = database.table("survey_items")
    table = sat.wide(database, 0)
    fit = pls(table, survey_model(items), bootstrap=10)
    axes = plots.path_diagram(fit.paths, fit.latents, language=language)
    assert plots.words(axes)
    assert plots.words(plots.index_by_wave(sat.by_wave(database), language=language))
    assert plots.words(plots.index_by_wave(sat.by_wave(database), measure="top_box", language=language))
