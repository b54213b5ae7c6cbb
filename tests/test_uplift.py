"""Data of a campaign with its truth, the benchmark of learners, and the case where calling by risk harms."""

import numpy as np
import pandas as pd
import pytest
from test_plots import assert_readable

from crmsim import plots
from crmsim.analysis import targeting
from crmsim.plots import style
from crmsim.research.uplift import (
    FEATURES,
    FUTILITY,
    MEASURES,
    TRUTH,
    Benchmark,
    UpliftData,
    benchmark,
    learners,
    uplift_data,
)
from crmsim.simulation.engine import simulate
from crmsim.simulation.policies import Action, PolicyError, RetentionCall
from crmsim.simulation.scenario import Scenario, ScenarioError


def world(name="subscription", **changes):
    small = {"population__size": 800, "churn__competitive": 0.05, "population__response_sd": 0.8}
    return Scenario.preset(name).replace(**small | changes)


@pytest.fixture(scope="module")
def data() -> UpliftData:
    return uplift_data(world(), month=4, horizon=5, lucks=6, seed=3)


def test_the_tables_belong_together(data):
    assert list(data.X) == list(FEATURES) and list(data.truth) == list(TRUTH)
    assert list(data.y) == ["kept", "value"] and set(data.t) == {0, 1}
    assert data.X.index.equals(data.t.index) and data.X.index.equals(data.truth.index)
    assert len(data.dictionary) == len(FEATURES) + 3 + len(TRUTH)
    assert data.t.mean() == pytest.approx(0.5, abs=0.06)
    assert "customers" in repr(data)


def test_the_features_are_what_the_firm_sees_before_the_campaign(data):
    seen = {}

    def look(month, view):
        if month == 4:
            firm = view.firm
            here = firm.customer
            seen.update({name: np.asarray(getattr(firm, name), float)[here] for name in FEATURES})
            seen["id"] = firm.id[here]

    simulate(world(population__months=9), [], seed=3, watch=look)
    assert data.X.index.to_numpy().tolist() == seen["id"].tolist()
    for name in FEATURES:
        assert np.array_equal(data.X[name], seen[name], equal_nan=True), name


def test_the_lives_are_those_of_the_simulation(data):
    """Without the offer: a plain run. The effect on a customer called alone: that of the truth, or near."""
    run = simulate(world(population__months=9), [], seed=3)
    left = run.customers.loc[data.X.index, "left_month"]
    assert np.array_equal(data.truth["kept_without"], left.isna())
    spent = run.customers.loc[data.X.index, "historical_value"]
    before = simulate(world(population__months=4), [], seed=3).customers["historical_value"]
    gained = spent - before.reindex(spent.index).fillna(0.0)
    assert data.truth["value_without"].to_numpy() == pytest.approx(gained.to_numpy(), abs=0.01)


def test_the_outcome_is_one_of_the_two_lives_but_for_word_of_mouth(data):
    for what in ("kept", "value"):
        one = np.where(data.t == 1, data.truth[f"{what}_with"], data.truth[f"{what}_without"])
        assert np.mean(np.isclose(one, data.y[what])) > 0.97
    alone = uplift_data(
        world(word_of_mouth__contagion=0, word_of_mouth__influence=0), month=4, horizon=5, lucks=2, seed=3
    )
    one = np.where(alone.t == 1, alone.truth["kept_with"], alone.truth["kept_without"])
    assert np.array_equal(one, alone.y["kept"])


def test_the_expected_effect_is_what_many_pairs_of_lives_have_on_average():
    """Over many lucks the mean difference of the lives is the mean expected effect, also by groups."""
    found = uplift_data(world(population__size=3000), month=3, horizon=6, lucks=8)
    luck = found.truth["kept_with"] - found.truth["kept_without"].astype(float)
    effect = found.truth["effect"]
    for chosen in (effect > effect.median(), effect <= effect.median()):
        error = luck[chosen].std() / np.sqrt(chosen.sum())
        assert luck[chosen].mean() == pytest.approx(effect[chosen].mean(), abs=3 * error)
    assert effect.std() > 3 * found.truth["effect_error"].mean()
    # those with a response below zero are harmed
    assert 0.1 < (effect < 0).mean() < 0.6


def test_an_offer_without_effect_has_none():
    found = uplift_data(world(), Action("nothing"), month=3, horizon=4, lucks=2)
    assert (found.truth["effect"] == 0).all() and (found.truth["effect_error"] == 0).all()
    assert found.truth["kept_with"].equals(found.truth["kept_without"].rename("kept_with"))


def test_a_shop_without_contracts():
    found = uplift_data(world("retail"), month=6, horizon=6, lucks=3)
    assert 0 < found.y["kept"].mean() < 1
    assert found.truth["effect"].abs().max() <= 1 and (found.truth["worth"] >= 0).all()


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_saved_and_read_again(data, tmp_path, kind):
    folder = data.save(tmp_path / "it's", kind)
    read = pd.read_csv if kind == "csv" else _parquet
    for name, table in (("X", data.X), ("y", data.y), ("truth", data.truth), ("t", data.t.to_frame())):
        again = read(folder / f"{name}.{kind}").set_index("customer")
        pd.testing.assert_frame_equal(again, table, check_dtype=False)
    assert pd.read_csv(folder / "dictionary.csv").equals(data.dictionary)
    assert not list(folder.glob("*.part"))


def _parquet(path):
    import duckdb

    return duckdb.connect().execute("select * from read_parquet(?)", [str(path)]).df()


def test_what_cannot_be(data, tmp_path):
    with pytest.raises(ScenarioError, match="desk"):
        uplift_data(Scenario.preset("water_utility").replace(service__desk="fast"))
    with pytest.raises(PolicyError, match="unknown action 'cal'"):
        uplift_data(world(), "cal")
    for how, words in (({"share": 1.0}, "share"), ({"month": 0}, "month"), ({"lucks": 1}, "lucks"),
                       ({"price": -1}, "price")):  # fmt: skip
        with pytest.raises(ValueError, match=words):
            uplift_data(world(), **how)
    with pytest.raises(ValueError, match="kind"):
        data.save(tmp_path, "xlsx")
    with pytest.raises(ValueError, match="'risk' is taken"):
        benchmark(data, {"risk": targeting.TLearner()})
    with pytest.raises(ValueError, match="fit"):
        benchmark(data, {"mine": object()})
    with pytest.raises(ValueError, match="made already"):
        benchmark([data], {}, month=3)


# -- the benchmark -----------------------------------------------------------------------------------------


class Cheat:
    """A learner that is told the truth."""

    def __init__(self, effect):
        self.effect = effect

    def fit(self, X, outcome, treated):
        self.known = set(X.index)
        return self

    def predict(self, X):
        assert not self.known & set(X.index), "judged on who was learned from"
        return self.effect.loc[X.index].to_numpy()


@pytest.fixture(scope="module")
def found(data) -> Benchmark:
    given = {"T-learner": targeting.TLearner("logistic"), "told": Cheat(data.truth["effect"])}
    return benchmark(data, given, share=0.2, progress=False)


def test_who_knows_the_truth_is_the_oracle(found):
    wide = found.rows.pivot(index="measure", columns="method", values="value")
    rank = ["qini", "auuc", "true_qini", "kept", "harmed", "rank_correlation"]
    assert wide.loc[rank, "told"].tolist() == wide.loc[rank, "oracle"].tolist()
    assert wide.loc["pehe", "told"] == 0 and wide.loc["pehe", "T-learner"] > 0
    assert wide.loc["rank_correlation", "oracle"] == pytest.approx(1) and wide.loc["of_oracle", "oracle"] == 1
    assert set(wide.index) == set(MEASURES)
    for measure in ("true_qini", "kept", "profit", "of_oracle"):
        assert wide.loc[measure, "oracle"] == wide.loc[measure].max()


def test_the_measures_are_those_of_targeting(data, found):
    drawn = np.random.default_rng([data.seed, data.replication, 1]).random(len(data)) >= 0.5
    kept, treated = data.y["kept"][drawn], data.t[drawn]
    risk, effect = data.X["risk_score"][drawn], data.truth["effect"][drawn]
    of = found.rows[found.rows["method"] == "risk"].set_index("measure")["value"]
    assert of["qini"] == targeting.qini(kept, treated, risk)
    number = round(0.2 * drawn.sum())
    assert of["kept"] == pytest.approx(1000 * effect[risk.nlargest(number).index].mean())
    saves = targeting.expected_saves(risk, effect, value=data.truth["worth"][drawn])
    profit = targeting.profit_curve(saves, contact=data.price)["profit"].max()
    assert of["profit"] == pytest.approx(1000 * profit / drawn.sum())


def test_the_table_has_intervals_and_paired_differences():
    given = [uplift_data(world(), month=3, horizon=3, lucks=2, replication=r) for r in range(3)]
    found = benchmark(given, {}, progress=False)
    rows = found.table.query("measure == 'kept'").set_index("method")
    wide = found.rows.query("measure == 'kept'").pivot(index="replication", columns="method", values="value")
    assert rows.loc["risk", "mean"] == pytest.approx(wide["risk"].mean())
    apart = (wide["risk"] - wide["random"]).mean()
    assert rows.loc["risk", "over_random"] == pytest.approx(apart)
    assert found.difference("kept", "risk", "random")[0] == pytest.approx(apart)
    assert rows.loc["risk", "low"] < rows.loc["risk", "mean"] < rows.loc["risk", "high"]
    assert (rows["replications"] == 3).all() and "Benchmark of 3" in repr(found)
    with pytest.raises(ValueError, match="unknown measure"):
        found.summary(["gini"])
    with pytest.raises(ValueError, match="no 'kept' of 'S'"):
        found.difference("kept", "S", "risk")


def test_a_learner_whose_package_is_missing_is_left_out_with_a_word(data):
    class Missing(Cheat):
        def fit(self, X, outcome, treated):
            import no_such_package  # noqa: F401

    found = benchmark(data, {"causal forest": Missing(None)}, progress=False)
    assert found.notes == ("causal forest: left out, no_such_package is not installed",)
    assert "left out" in repr(found) and "causal forest" not in set(found.rows["method"])
    assert set(learners()) == {"S-learner", "T-learner", "X-learner", "causal forest"}


@pytest.mark.slow
def test_with_enough_data_learners_find_whom_a_call_keeps():
    clear = {"population__size": 16_000, "population__response_mean": 0.3, "firm__score_validity": 0.9}
    given = {kind.name: kind("logistic") for kind in (targeting.TLearner, targeting.XLearner)}
    found = benchmark(world(**clear), given, replications=2, month=4, lucks=4, price=0.5, progress=False)
    means = found.summary(["kept", "of_oracle", "rank_correlation"]).droplevel("scenario")
    for name in given:
        assert means.loc[name, "rank_correlation"] > 0.3
        assert means.loc[name, "kept"] > means.loc["risk", "kept"] + 10


@pytest.mark.slow
def test_where_contact_wakes_calling_by_risk_is_worse_than_by_lot():
    """Ascarza (2018): the customers likeliest to leave are not the ones to call."""
    preset = Scenario.preset("subscription")
    worlds = {name: preset.replace(population__size=10_000, **changes) for name, changes in FUTILITY.items()}
    found = benchmark(worlds, {}, replications=6, lucks=4, progress=False)
    for name in worlds:
        value, low, _ = found.difference("kept", "uplift", "risk", name)
        assert low > 0 and value > 2
    _, _, high = found.difference("kept", "risk", "random", "contact wakes")
    assert high < 0
    table = found.table.set_index(["scenario", "method", "measure"])
    assert table.loc[("contact wakes", "risk", "kept"), "high"] < 0
    # the truth of the benchmark is that of the policy itself: paired runs with a RetentionCall
    small = worlds["contact wakes"].replace(population__months=16)
    saves = []
    for r in range(4):
        runs = [
            simulate(small, policies, seed=1, replication=r)
            for policies in ([], [RetentionCall(target="risk", share=0.1, start=12, stop=13)])
        ]
        left = [run.customers["expected_exit"].sum() for run in runs]
        saves.append(left[0] - left[1])
    assert max(saves) < 0


# -- figures -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["en", "zh"])
def test_methods_are_drawn_with_the_line_of_chance(language):
    table = pd.DataFrame(
        {
            "scenario": "toy", "method": ["oracle", "random", "risk"], "measure": "kept",
            "mean": [9.0, 1, -4], "low": [8.0, 0, -5], "high": [10.0, 2, -3],
            "over_random_high": [9.0, 0, -3],
        }
    )  # fmt: skip
    ax = plots.method_intervals(table, note="toy world", language=language)
    assert_readable(ax.get_figure(root=True))
    told = plots.words(ax)
    assert "−4.0 [−5.0, −3.0]" in told or "-4" in told
    if language == "en":
        assert ax.get_title(loc="left").startswith("Risk: surely worse than chance")
    with pytest.raises(ValueError, match="no 'qini' of 'toy'"):
        plots.method_intervals(table, measure="qini")
    with pytest.raises(ValueError, match="column 'mean' is missing"):
        plots.method_intervals(table.drop(columns="mean"))
    assert {f"be_{m}" for m in MEASURES} <= set(style._TEXT)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_training_and_holdout_are_drawn_side_by_side(language):
    table = pd.DataFrame(
        {"training_gain": [30_000.0, 10_000], "gain": [20_000.0, 11_000], "low": [15_000.0, 8_000],
         "high": [25_000.0, 14_000]}, index=["found", "all on calls"],
    )  # fmt: skip
    ax = plots.training_and_holdout(table, currency="EUR", language=language)
    assert_readable(ax.get_figure(root=True))
    if language == "en":
        title = ax.get_title(loc="left").replace("\n", " ")
        assert title == "Found gains 20.0 thousand EUR on other luck: 10.0 thousand EUR less than in training"
    with pytest.raises(ValueError, match="column 'gain'"):
        plots.training_and_holdout(table.drop(columns="gain"))
