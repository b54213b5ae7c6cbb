"""Calibration: moments, targets from data, recovery of known parameters, what cannot be told."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_plots import assert_readable

import crmsim as cs
from crmsim import plots
from crmsim.analysis import churn
from crmsim.data.database import tables_of
from crmsim.data.transactions import DataError
from crmsim.research import calibrate as ca
from crmsim.simulation.scenario import ScenarioError

TRUTH = {"churn.competitive": 0.010, "churn.natural": 0.004}
BOUNDS = {"churn.competitive": (0.003, 0.03), "churn.natural": (0.0008, 0.02)}


def base(**changes: Any) -> cs.Scenario:
    given = {"population__size": 1500, "population__months": 18} | changes
    return cs.Scenario.preset("subscription").replace(**given)


def firm(seed: int, **changes: Any) -> cs.Run:
    known = {name.replace(".", "__"): value for name, value in TRUTH.items()}
    return cs.simulate(base(**known, **changes), [], seed=seed, progress=False)


@pytest.fixture(scope="module")
def run() -> cs.Run:
    return firm(900)


@pytest.fixture(scope="module")
def tables(run: cs.Run) -> dict[str, pd.DataFrame]:
    return tables_of(run)


def small(**changes: Any) -> cs.Scenario:
    return base(population__size=300, population__months=6, **changes)


# -- moments -----------------------------------------------------------------------------------------


def test_moments_are_those_of_the_tables_of_a_run(run):
    people, months = run.customers, run.monthly
    there = people[people["left_month"].isna()]
    left = people["cause"].dropna()
    assert ca.measure("survival:12", run) == pytest.approx(run.survival(source=None)[12])
    assert ca.measure("satisfaction_mean", run) == pytest.approx(there["satisfaction"].mean(), rel=1e-6)
    assert ca.measure("satisfaction_sd", run) == pytest.approx(there["satisfaction"].std(), rel=1e-5)
    assert ca.measure("cause:natural", run) == pytest.approx((left == "natural").mean())
    for name in ca.RATES:
        events = months[name].iloc[1:] if name.startswith("joined") else months[name]
        assert ca.measure(f"rate:{name}", run) == pytest.approx(events.sum() / months["at_risk"].sum()), name
    first = people[people["source"] == "initial"]
    assert ca.measure("purchases:3", run) == pytest.approx((first["purchases"] == 3).mean())
    assert ca.measure("purchases:3+", run) == pytest.approx((first["purchases"] >= 3).mean())
    assert ca.measure("purchases_mean", run) == pytest.approx(first["purchases"].mean())
    assert ca.measure("kept", run) == (first["left_month"].isna()).sum()
    assert ca.measure("equity", run) == pytest.approx(run.equity)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("survivel:12", "survival"),
        ("survival", "'survival:12'"),
        ("survival:x", "'survival:12'"),
        ("cause:boredom", "natural"),
        ("rate:churn_rate", "complaints"),
        ("satisfaction_mean:3", "nothing"),
        ("saved", "functions="),
    ],
)
def test_a_name_that_is_no_moment_is_told(name, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        ca.Targets.of({name: (0.5, 0.1)})


def test_targets_are_checked():
    good = pd.DataFrame({"moment": ["kept"], "observed": [900], "standard_error": [9.0]})
    assert ca.Targets(good).table.loc["kept", "observed"] == 900
    with pytest.raises(ValueError, match="'standard_error' is missing"):
        ca.Targets(good.drop(columns="standard_error"))
    with pytest.raises(ValueError, match="above 0"):
        ca.Targets(good.assign(standard_error=0.0))
    with pytest.raises(ValueError, match="given twice"):
        ca.Targets(pd.concat([good, good]))
    with pytest.raises(ValueError, match="empty"):
        ca.Targets(good.iloc[:0])
    with pytest.raises(ValueError, match="1 x 1"):
        ca.Targets(good, covariance=np.eye(2))
    with pytest.raises(ValueError, match="beyond the 6 months"):
        ca.measure("survival:9", cs.simulate(small(), [], seed=1, progress=False))


def test_targets_are_put_together():
    one = ca.Targets.of({"survival:6": (0.9, 0.02)}, months=12)
    other = ca.Targets.of({"mine": (3.0, 0.5)}, functions={"mine": lambda run: 3.5})
    both = one.plus(other)
    assert both.table.index.tolist() == ["survival:6", "mine"] and both.months == 12
    assert both.errors.tolist() == [[0.02**2, 0.0], [0.0, 0.25]]
    assert both.without("survival:6").errors.tolist() == [[0.25]]
    with pytest.raises(ValueError, match="mine"):
        both.without("mein")
    with pytest.raises(ValueError, match="12 and 24 months"):
        one.plus(ca.Targets.of({"kept": (1, 1)}, months=24))


# -- targets from data -------------------------------------------------------------------------------


def test_targets_of_a_database(tables, run, tmp_path):
    aims = ca.targets_from_database(tables, (6, 12), truth=True, resamples=300)
    curve = churn.survival(churn.spells(tables, truth=True)).set_index("time")
    for months in (6, 12):
        row = aims.table.loc[f"survival:{months}"]
        assert row["observed"] == pytest.approx(curve.at[months, "survival"], abs=1e-12)
        # Greenwood's error, from the width of the pointwise interval
        wide = (curve.at[months, "high"] - curve.at[months, "low"]) / (2 * 1.96)
        assert row["standard_error"] == pytest.approx(wide, rel=0.15)
    # a database of a run holds the moments of the run
    for name, row in aims.table.iterrows():
        assert row["observed"] == pytest.approx(ca.measure(str(name), run)), name
    assert aims.months == 18 and "customers" in aims.source
    # survival at 6 and 12 months are of the same people
    i, j = (aims.table.index.get_loc(f"survival:{m}") for m in (6, 12))
    assert aims.errors[i, j] / np.sqrt(aims.errors[i, i] * aims.errors[j, j]) > 0.4
    run.to_database(tmp_path / "crm.duckdb")
    again = ca.targets_from_database(tmp_path / "crm.duckdb", (6, 12), truth=True, resamples=300)
    pd.testing.assert_frame_equal(again.table, aims.table)
    with pytest.raises(DataError, match="between 1 and 18"):
        ca.targets_from_database(tables, (24,))


def test_satisfaction_is_that_of_the_latest_answers(tables):
    aims = ca.targets_from_database(tables, (6,), False, (), True, truth=True, resamples=100)
    answers = tables["survey"]
    last = answers.loc[answers["month"] == answers["month"].max(), "satisfaction"].dropna()
    assert aims.table.index.tolist() == ["survival:6", "satisfaction_mean", "satisfaction_sd"]
    assert aims.table.at["satisfaction_mean", "observed"] == pytest.approx(last.mean())
    assert aims.table.at["satisfaction_sd", "observed"] == pytest.approx(last.std())
    error = aims.table.at["satisfaction_mean", "standard_error"]
    assert error == pytest.approx(last.std() / np.sqrt(len(last)), rel=0.3)
    with pytest.raises(DataError, match="survey"):
        ca.targets_from_database({**tables, "survey": answers.iloc[:0]}, satisfaction=True, truth=True)


def test_targets_of_a_log_of_purchases():
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(40) % 5, "D")
    rows = [(k, day, 10.0) for k, day in enumerate(days)]
    # ten buy again once, ten three times (two of them on one day), one of those too late
    rows += [(k, days[k] + pd.Timedelta(30, "D"), 5.0) for k in range(20)]
    rows += [(k, days[k] + pd.Timedelta(n, "D"), 5.0) for k in range(10, 20) for n in (60, 60, 200)]
    rows += [(99, pd.Timestamp("2024-12-01"), 1.0)]  # seen for too short
    log = pd.DataFrame(rows, columns=["customer", "date", "amount"])
    aims = ca.targets_from_transactions(log, months=6, top=3, resamples=100)
    assert aims.table["observed"].to_dict() == pytest.approx(
        {"purchases:0": 0.5, "purchases:1": 0.25, "purchases:2": 0.25, "purchases_mean": 0.75}
    )
    assert aims.months == 6
    assert aims.table.at["purchases:0", "standard_error"] == pytest.approx(np.sqrt(0.25 / 40), rel=0.25)
    with pytest.raises(DataError, match="take fewer months"):
        ca.targets_from_transactions(log, months=30)


# -- the search --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_one_parameter_from_one_target(tmp_path):
    aims = {"satisfaction_mean": (74.0, 0.3)}
    found = ca.calibrate(
        small(), {"touchpoints.service.quality": (40.0, 99.0)}, aims, replications=3, seed=4, jobs=1,
        steps=40, progress=False, name="mine", cache=False,
    )  # fmt: skip
    row = found.table.iloc[0]
    assert row["low"] <= row["estimate"] <= row["high"] and row["standard_error"] > 0
    assert found.scenario.name == "mine" and "to 1 target" in found.scenario.title
    service = next(t for t in found.scenario.touchpoints if t.name == "service")
    assert service.quality == pytest.approx(row["estimate"])
    check = found.predictive(worlds=30, jobs=1)
    assert abs(check["z"].iloc[0]) < 3 and check["low"].iloc[0] < 74 < check["high"].iloc[0]
    assert cs.Scenario.load(found.save(tmp_path / "mine.toml")).hash == found.scenario.hash
    held_out = found.predictive(ca.Targets.of({"rate:complaints": (0.5, 0.01)}), worlds=10, jobs=1)
    assert not held_out["fitted"].any() and held_out["z"].iloc[0] > 10
    assert "touchpoints.service.quality" in repr(found) and "<table" in found._repr_html_()
    # twice the same, whatever the number of threads
    again = ca.calibrate(
        small(), {"touchpoints.service.quality": (40.0, 99.0)}, aims, replications=3, seed=4, jobs=2,
        steps=40, progress=False, name="mine", cache=False,
    )  # fmt: skip
    pd.testing.assert_frame_equal(found.table, again.table)


def complaints(run: cs.Run) -> float:
    return float(run.monthly["complaints"].sum())


@pytest.mark.parametrize("method", ["moments", pytest.param("abc", marks=pytest.mark.slow)])
def test_a_stopped_calibration_goes_on_to_the_same_bits(method, tmp_path, monkeypatch):
    aims = {"kept": (250.0, 5.0), "mine": (20.0, 5.0)}
    world = base(population__size=60, population__months=3)
    made: list[tuple[str, int, int]] = []

    def fit(cache: Any, jobs: int = 1, function: Any = complaints, seed: int = 1) -> ca.Calibration:
        made.clear()
        return ca.calibrate(
            world, BOUNDS, aims, method, functions={"mine": function}, replications=2,
            steps=20, draws=100, seed=seed, jobs=jobs, progress=False, cache=cache,
        )  # fmt: skip

    def stopped(scenario: Any, policies: Any, seed: int, **rest: Any) -> cs.Run:
        made.append((scenario.hash, seed, rest["replication"]))
        if len(made) == stop:
            raise KeyboardInterrupt
        return cs.simulate(scenario, policies, seed, **rest)

    monkeypatch.setattr(ca, "simulate", stopped)
    stop = 0
    whole = fit(False)
    count = len(set(made))
    stop = 41
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path)
    stop = 0
    again = fit(tmp_path, jobs=2)
    assert len(set(made)) == count - 40
    pd.testing.assert_frame_equal(again.table, whole.table, check_exact=True)
    pd.testing.assert_frame_equal(again.draws, whole.draws, check_exact=True)
    assert (again.runs, again.warnings) == (whole.runs, whole.warnings)
    # one that was damaged is made again, and so is everything of another moment or other luck
    sorted(tmp_path.rglob("*.npy"))[0].write_bytes(b"")
    fit(tmp_path)
    assert len(made) == 1 and not list(tmp_path.rglob("*.part"))
    stop = 1
    for other in ({"function": lambda run: 2 * complaints(run)}, {"seed": 2}):
        with pytest.raises(KeyboardInterrupt):
            fit(tmp_path, **other)


class Known(ca._World):
    """A world whose moments are known: linear in the parameters, with little luck."""

    def run(self, tasks: Any, seed: int) -> np.ndarray:
        self.runs += len(tasks)
        found = []
        for scenario, r in tasks:
            x = np.array([self.place("churn.competitive", scenario.churn.competitive),
                          self.place("churn.natural", scenario.churn.natural)])  # fmt: skip
            luck = np.random.default_rng(r).standard_normal(3) * 0.001
            found.append([*(self.matrix @ x + luck), *([0.0] * len(self.others))])
        return np.array(found)

    matrix = np.array([[2.0, 0.0], [0.0, 1.0], [1.0, 1.0]])


def known(matrix: Any, observed: Any, monkeypatch: Any, **options: Any) -> ca.Calibration:
    monkeypatch.setattr(Known, "matrix", np.array(matrix, dtype=float))
    monkeypatch.setattr(ca, "_World", Known)
    aims = {name: (x, 0.05) for name, x in zip(("kept", "left", "equity"), observed, strict=True)}
    return ca.calibrate(small(), BOUNDS, aims, progress=False, jobs=1, **options)


@pytest.mark.parametrize("search", ["least_squares", "nelder_mead", "optuna"])
def test_every_search_finds_the_known_point(search, monkeypatch):
    found = known(Known.matrix, [0.8, 0.7, 1.1], monkeypatch, search=search, steps=80)
    table = found.table.set_index("parameter")
    # 0.4 and 0.7 of the way between the bounds, on a logarithmic scale
    aim = {p: lo * (hi / lo) ** u for (p, (lo, hi)), u in zip(BOUNDS.items(), (0.4, 0.7), strict=True)}
    close = 0.05 if search == "optuna" else 0.01
    for name, value in aim.items():
        assert np.log(table.at[name, "estimate"] / value) == pytest.approx(0, abs=close * 2.5)
    assert found.warnings == []


def test_the_errors_are_those_of_weighted_least_squares(monkeypatch):
    found = known(Known.matrix, [0.8, 0.7, 1.1], monkeypatch, draws=4000)
    a = Known.matrix / 0.05
    exact = np.linalg.inv(a.T @ a)
    spread = np.log(found.draws).cov().to_numpy() / np.outer(*[np.log([10, 25])] * 2)
    assert np.diag(spread) == pytest.approx(np.diag(exact), rel=0.1)
    assert spread[0, 1] == pytest.approx(exact[0, 1], rel=0.25)


def test_the_posterior_is_that_of_the_known_world(monkeypatch):
    found = known(Known.matrix, [0.8, 0.7, 1.1], monkeypatch, method="abc", draws=512)
    places = np.log(found.draws / [0.003, 0.0008]) / np.log([10, 25])
    a = Known.matrix / 0.05
    sd = np.sqrt(np.diag(np.linalg.inv(a.T @ a)))
    assert np.abs(places.mean() - [0.4, 0.7]).max() < 0.5 * sd.max()
    assert places.std().to_numpy() == pytest.approx(sd, rel=0.3)
    from scipy.stats import uniform

    narrow = {"churn.natural": uniform(0.001, 0.0005)}
    held = known(Known.matrix, [0.8, 0.7, 1.1], monkeypatch, method="abc", draws=256, prior=narrow)
    assert held.draws["churn.natural"].min() >= 0.001 and held.draws["churn.natural"].max() <= 0.0015


# -- what cannot be told -----------------------------------------------------------------------------


def test_a_pair_that_cannot_be_told_apart_is_named(monkeypatch):
    found = known([[1.0, 1.0], [2.0, 2.0], [0.5, 0.5]], [1.0, 2.0, 0.5], monkeypatch)
    [warning] = found.warnings
    assert "churn.competitive" in warning and "churn.natural" in warning and "told apart" in warning
    assert found.correlation.iloc[0, 1] < -0.9


def test_a_parameter_that_moves_nothing_is_named(monkeypatch):
    found = known([[1.0, 0.0], [2.0, 0.0], [0.5, 0.0]], [0.5, 1.0, 0.25], monkeypatch)
    [warning] = found.warnings
    assert warning.startswith("The targets say little of churn.natural") and "fix one" in warning
    table = found.table.set_index("parameter")
    # its interval is about that of its bounds, whatever the search ended at
    assert np.log(table.at["churn.natural", "high"] / table.at["churn.natural", "low"]) > 0.8 * np.log(25)
    assert np.log(table.at["churn.competitive", "high"] / table.at["churn.competitive", "low"]) < 0.5


def test_bounds_and_targets_that_cannot_be_met_are_told(monkeypatch):
    found = known(Known.matrix, [2.6, 0.5, 1.5], monkeypatch)
    assert any("churn.competitive ends at its upper bound, 0.03" in w for w in found.warnings)
    off = next(w for w in found.warnings if w.startswith("Not matched"))
    assert "kept (-" in off


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"method": "mcmc"}, ValueError, "abc"),
        ({"search": "newton"}, ValueError, "nelder_mead"),
        ({"prior": {"churn.natural": 1}}, ValueError, 'method="abc"'),
        ({"method": "abc", "prior": {"churn.naturel": 1}}, ValueError, "churn.natural"),
        ({"parameters": ["population.months"]}, ValueError, "size of the worlds"),
        ({"parameters": ["churn.naturel"]}, ScenarioError, "churn.natural"),
        ({"targets": [1]}, ValueError, "a mapping of names"),
        ({"targets": {"kept": 250}}, ValueError, "'kept' needs (observed, standard error), not 250"),
        ({"replications": 1}, ValueError, "at least 2"),
    ],
)
def test_what_a_user_does_wrong_is_told(given, error, words):
    options: dict[str, Any] = {"scenario": small(), "parameters": BOUNDS, "targets": {"kept": (250, 5)}}
    with pytest.raises(error, match=re.escape(words)):
        ca.calibrate(**(options | given), progress=False)


# -- figures -----------------------------------------------------------------------------------------


def predicted() -> pd.DataFrame:
    names = ["survival:12", "cause:natural", "kept"]
    columns = ["observed", "standard_error", "simulated", "low", "high", "z", "fitted"]
    rows = [[0.8, 0.01, 0.81, 0.77, 0.84, -0.9, True], [0.2, 0.02, 0.3, 0.25, 0.35, -4.0, False],
            [1200, 15, 1190, 1150, 1230, 0.6, True]]  # fmt: skip
    return pd.DataFrame(rows, index=pd.Index(names, name="moment"), columns=columns)


def estimated() -> pd.DataFrame:
    rows = [["churn.natural", 0.004, 0.003, 0.005, 0.0032, 0.0008, 0.02, "per month"],
            ["x", 5.0, 1.0, 9.0, 4.0, 0.0, 10.0, "points"]]  # fmt: skip
    columns = ["parameter", "estimate", "low", "high", "before", "lowest", "highest", "unit"]
    return pd.DataFrame(rows, columns=columns)


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("draw", [
    lambda **k: plots.predicted_moments(predicted(), **k),
    lambda **k: plots.estimates_in_bounds(estimated(), **k),
], ids=["moments", "estimates"])  # fmt: skip
def test_figures_can_be_read(draw, language):
    ax = draw(note="by hand", language=language)
    assert_readable(ax.get_figure())
    assert plots.words(ax).endswith("." if language == "en" else "。") and "nan" not in plots.words(ax)


def test_titles_say_what_is_found():
    title = plots.predicted_moments(predicted()).get_title(loc="left").replace("\n", " ")
    assert title == "1 of 3 moments are more than 2 standard errors off: cause:natural"
    title = plots.predicted_moments(predicted().iloc[[0, 2]]).get_title(loc="left")
    assert title.startswith("The scenario shows all 2 moments")
    assert "say little of x" in plots.estimates_in_bounds(estimated()).get_title(loc="left").replace(
        "\n", " "
    )
    title = plots.estimates_in_bounds(estimated().iloc[:1]).get_title(loc="left").replace("\n", " ")
    assert "churn.natural" in title and "16 %" in title


# -- at length ---------------------------------------------------------------------------------------


def recovered(method: Any, seeds: range) -> list[bool]:
    """Whether each parameter's interval holds the truth, over firms with different luck."""
    held = []
    for seed in seeds:
        aims = ca.targets_from_database(tables_of(firm(seed)), (3, 9, 18), truth=True, resamples=100)
        found = ca.calibrate(
            base(),
            BOUNDS,
            aims,
            method,
            replications=3,
            steps=60,
            draws=240,
            seed=seed,
            progress=False,
            cache=False,
        )
        table = found.table.set_index("parameter")
        held += [bool(table.at[p, "low"] <= x <= table.at[p, "high"]) for p, x in TRUTH.items()]
    return held


@pytest.mark.slow
def test_the_truth_is_recovered():
    """95 % intervals of two parameters for six firms: with the right coverage at least 9 of 12 hold the
    truth in 99.98 % of such tests (binomial), with a coverage of one half in 7 %. A rough check, then:
    intervals that are much too narrow are found, those of 90 % are not."""
    held = recovered("moments", range(500, 506))
    assert sum(held) >= 9, held


@pytest.mark.slow
def test_the_truth_is_recovered_by_bayes():
    """Three firms: at least 4 of 6 intervals, 99.8 % with the right coverage, 34 % with one half."""
    held = recovered("abc", range(520, 523))
    assert sum(held) >= 4, held


@pytest.mark.slow
def test_openness_and_the_hazard_it_multiplies_cannot_be_told_apart(tables):
    aims = ca.targets_from_database(tables, (3, 9, 18), truth=True, resamples=100)
    pair = {"churn.competitive": (0.003, 0.03), "market.openness": (0.2, 1.0)}
    found = ca.calibrate(base(), pair, aims, replications=3, steps=60, progress=False, cache=False)
    assert any(
        "churn.competitive" in w and "market.openness" in w and "told apart" in w for w in found.warnings
    ), found.warnings
    # what tells two causes of leaving apart is their share, and the warning says so
    aims = ca.Targets.of({"survival:18": (0.75, 0.011)}, months=18)
    found = ca.calibrate(base(), BOUNDS, aims, replications=3, steps=60, progress=False, cache=False)
    apart = [w for w in found.warnings if "told apart" in w]
    assert apart and "cause:" in apart[0], found.warnings
