"""Sensitivity: indices known in closed form, luck told apart, and parameters of a world."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_plots import assert_readable

import crmsim as cs
from crmsim import plots
from crmsim.research import sensitivity as sn
from crmsim.simulation.scenario import ScenarioError

NAMES = ["a", "b", "c"]
# Ishigami & Homma 1990 with a = 7, b = 0.1, as in Saltelli et al. 2008
VARIANCE = 7**2 / 8 + 0.1 * np.pi**4 / 5 + 0.1**2 * np.pi**8 / 18 + 0.5
FIRST = np.array([0.5 * (1 + 0.1 * np.pi**4 / 5) ** 2, 7**2 / 8, 0.0]) / VARIANCE
TOTAL = FIRST + np.array([1, 0, 1]) * 0.1**2 * np.pi**8 * 8 / 225 / VARIANCE


def ishigami(points: np.ndarray) -> np.ndarray:
    x = (2 * points - 1) * np.pi
    return np.sin(x[:, 0]) + 7 * np.sin(x[:, 1]) ** 2 + 0.1 * x[:, 2] ** 4 * np.sin(x[:, 0])


@pytest.fixture(scope="module")
def points() -> np.ndarray:
    return sn.unit_points(3, "sobol", 2048, seed=3)


def tiny(**changes: Any) -> cs.Scenario:
    given = {"population__size": 400, "population__months": 12} | changes
    return cs.Scenario.preset("subscription").replace(**given)


# A wider span than is plausible, so that few customers show it.
BOUNDS = {"churn.competitive": (0.001, 0.06), "population.scale_use_sd": (1.0, 10.0)}


# -- indices -----------------------------------------------------------------------------------------


def test_a_function_with_known_indices(points):
    table, pairs, variance = sn.analyse(NAMES, points, np.tile(ishigami(points)[:, None], 3), "sobol")
    assert table["S1"].to_numpy() == pytest.approx(FIRST, abs=0.03)
    assert table["ST"].to_numpy() == pytest.approx(TOTAL, abs=0.03)
    # a acts with c only
    assert pairs["S2"].to_numpy() == pytest.approx([0, TOTAL[2], 0], abs=0.06)
    assert (np.abs(table["S1"] - FIRST) < 1.5 * table["S1_conf"]).all()
    # every replication alike: no luck at all
    luck = table[["S1_luck", "ST_luck", "ST_noise"]]
    assert luck.to_numpy() == pytest.approx(0, abs=1e-12)
    assert variance["noise_share"] == pytest.approx(0, abs=1e-12)
    assert variance["total"] == pytest.approx(VARIANCE, rel=0.03)


def test_luck_is_told_apart_and_taken_off(points):
    rng, replications, sd = np.random.default_rng(5), 4, 3.0
    values = ishigami(points)[:, None] + sd * rng.standard_normal((len(points), replications))
    table, pairs, variance = sn.analyse(NAMES, points, values, "sobol")
    share = (sd**2 / replications) / (VARIANCE + sd**2 / replications)
    assert variance["noise_share"] == pytest.approx(share, rel=0.1)
    # luck that differs from point to point looks like an interaction of all with all ...
    assert table["ST"].to_numpy() == pytest.approx(TOTAL * (1 - share) + share, abs=0.04)
    # ... and is measured: without it the parameters' own part is left
    assert (table["ST"] - table["ST_noise"]).to_numpy() == pytest.approx(TOTAL * (1 - share), abs=0.04)
    assert (table["S1_luck"] > 0).all() and (pairs["S2_luck"] > 0).all()


def test_luck_that_all_points_share_does_no_harm(points):
    moved = ishigami(points)[:, None] + np.array([0.0, 5.0, -9.0])
    plain, *_ = sn.analyse(NAMES, points, ishigami(points), "sobol")
    table, _, variance = sn.analyse(NAMES, points, moved, "sobol")
    assert table["S1"].to_numpy() == pytest.approx(plain["S1"].to_numpy())
    assert table["ST_noise"].to_numpy() == pytest.approx(0, abs=1e-12)
    assert variance["noise"] == pytest.approx(0, abs=1e-9) and variance["shared"] > 10


def test_the_jackknife_shrinks_with_replications(points):
    rng = np.random.default_rng(8)
    noisy = ishigami(points)[:, None] + 4 * rng.standard_normal((len(points), 32))
    few, *_ = sn.analyse(NAMES, points, noisy[:, :8], "sobol", second_order=True)
    many, *_ = sn.analyse(NAMES, points, noisy, "sobol", second_order=True)
    assert (many["S1_luck"] < few["S1_luck"]).all()


def test_elementary_effects_of_a_plane_and_a_product():
    points = sn.unit_points(3, "morris", 40, seed=2)
    plane = 3 * points[:, 0] - 2 * points[:, 1]
    table, pairs, _ = sn.analyse(NAMES, points, np.tile(plane[:, None], 2), "morris")
    assert pairs is None
    assert table["mu"].to_numpy() == pytest.approx([3, -2, 0])
    assert table["mu_star"].to_numpy() == pytest.approx([3, 2, 0])
    assert table["sigma"].to_numpy() == pytest.approx(0, abs=1e-12)
    product, *_ = sn.analyse(NAMES, points, points[:, 0] * points[:, 1], "morris")
    assert (product["sigma"][:2] > 0.2).all() and product["sigma"]["c"] == 0
    assert product["noise"].isna().all() and "mu_luck" not in product


def test_the_noise_of_an_effect_is_its_standard_error():
    points = sn.unit_points(2, "morris", 400, seed=2)
    values = np.random.default_rng(1).standard_normal((len(points), 5))
    table, *_ = sn.analyse(["a", "b"], points, values, "morris")
    # the difference of two means of five over a step of two thirds
    assert table["noise"].to_numpy() == pytest.approx(np.sqrt(2 / 5) / (2 / 3), rel=0.05)
    # so nothing but luck shows as a mean absolute effect of sqrt(2 / pi) of it
    assert table["mu_star"].to_numpy() == pytest.approx(table["noise"] * np.sqrt(2 / np.pi), rel=0.1)


def test_an_outcome_that_never_moves_is_told(points):
    with pytest.raises(ValueError, match="same at all points"):
        sn.analyse(NAMES, points, np.ones(len(points)), "sobol")


# -- worlds ------------------------------------------------------------------------------------------


def test_points_are_the_worlds_they_say(tmp_path):
    found = sn.sensitivity(
        tiny(), BOUNDS, "kept", policies=["dunning"], baseline=[], method="morris", n=4, replications=2,
        jobs=1, progress=False, cache=tmp_path,
    )  # fmt: skip
    assert found.values.shape == (12, 2) and found.runs == 48
    for point, r in ((0, 0), (7, 1)):
        row = {k.replace(".", "__"): float(v) for k, v in found.design.loc[point].items()}
        world = tiny(**row)
        kept = [
            (lambda c: ((c["source"] == "initial") & c["left_month"].isna()).sum())(
                cs.simulate(world, plan, 1, replication=r, progress=False).customers
            )
            for plan in ([], ["dunning"])
        ]
        assert found.values[point, r] == kept[1] - kept[0]
    assert found.what == "effect of the policy on kept (customers)"
    again = sn.sensitivity(
        tiny(), BOUNDS, "kept", policies=["dunning"], baseline=[], method="morris", n=4, replications=2,
        jobs=1, progress=False, cache=tmp_path,
    )  # fmt: skip
    pd.testing.assert_frame_equal(found.table, again.table)


def test_a_parameter_without_influence_has_none_and_the_sign_is_right(tmp_path):
    found = sn.sensitivity(
        tiny(), BOUNDS, "kept", policies=[], method="morris", n=4, replications=4, jobs=1, progress=False,
        cache=tmp_path,
    )  # fmt: skip
    table = found.table.set_index("parameter")
    assert found.table["parameter"].iloc[0] == "churn.competitive"
    # the use of survey scales moves no customer: not one world differs by a bit
    assert table.loc["population.scale_use_sd", ["mu_star", "sigma", "noise"]].tolist() == [0, 0, 0]
    worst = table.loc["churn.competitive"]
    assert worst["mu"] + worst["mu_luck"] < 0 and worst["mu_star"] > 5 * worst["noise"]
    assert "replications" in repr(found) and "churn.competitive" in found._repr_html_()
    assert pd.read_csv(found.to_csv(tmp_path / "t.csv"))["parameter"].tolist() == list(table.index)


def test_an_outcome_of_ones_own_and_its_faults(tmp_path):
    def share(table: pd.DataFrame) -> Any:
        return table["kept"] / table["customers_at_start"]

    options: dict[str, Any] = {"policies": [], "method": "morris", "n": 4, "replications": 1, "jobs": 1}
    options |= {"progress": False, "cache": tmp_path}
    found = sn.sensitivity(tiny(), BOUNDS, share, **options)
    assert found.outcome == "share" and 0 < found.values.max() <= 1
    assert "One replication" in found.note and np.isnan(found.noise)
    with pytest.raises(ValueError, match="a number a row"):
        sn.sensitivity(tiny(), BOUNDS, lambda t: 1.0, **options)


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"outcome": "keept"}, ValueError, "kept"),
        ({"outcome": "saved"}, ValueError, "give one, such as baseline=[]"),
        ({"outcome": "wait"}, ValueError, "service desk"),
        ({"method": "fast"}, ValueError, "sobol"),
        ({"method": "sobol", "n": 12}, ValueError, "power of two"),
        ({"parameters": ["churn.competitive"]}, ValueError, "tornado"),
        ({"parameters": ["churn.competative", "churn.natural"]}, ScenarioError, "churn.competitive"),
        ({"policies": {"a": []}}, ValueError, "a list of policies"),
        ({"policies": "dunning"}, ValueError, "a list of policies"),
        ({"replications": 0}, ValueError, "replications"),
    ],
)
def test_what_a_user_does_wrong_is_told(tmp_path, given, error, words):
    options: dict[str, Any] = {"scenario": tiny(), "parameters": BOUNDS, "policies": [], "method": "morris"}
    options |= {"n": 4, "replications": 1, "jobs": 1, "progress": False, "cache": tmp_path}
    with pytest.raises(error, match=re.escape(words)):
        sn.sensitivity(**(options | given))


def test_tornado_moves_one_at_a_time(tmp_path):
    spans = {**BOUNDS, "churn.natural": (0.0, 0.003212)}
    found = sn.tornado(
        tiny(churn__natural=0.003212), spans, "kept", policies=[], replications=6, jobs=1, progress=False,
        cache=tmp_path,
    )  # fmt: skip
    table = found.table.set_index("parameter")
    assert table.index[0] == "churn.competitive" and table["swing"].abs().is_monotonic_decreasing
    assert table.at["churn.competitive", "at_low"] > 0 > table.at["churn.competitive", "at_high_to"]
    # the scenario stands at the upper bound itself
    assert table.at["churn.natural", "at_high"] == 0 < table.at["churn.natural", "at_low"]
    assert table.loc["population.scale_use_sd", ["at_low", "at_high", "swing"]].tolist() == [0, 0, 0]
    kept = [
        cs.simulate(tiny(churn__natural=0.003212), [], 1, replication=r, progress=False) for r in range(6)
    ]
    start = [np.count_nonzero(r._people.column("active")[r._people.column("source") == 0]) for r in kept]
    assert found.base_value == pytest.approx(np.mean(start))
    with pytest.raises(ValueError, match="replications"):
        sn.tornado(tiny(), BOUNDS, "kept", replications=1)


# -- figures -----------------------------------------------------------------------------------------


def shown(kind: str) -> tuple[Any, Any]:
    points = sn.unit_points(3, "morris" if kind == "plane" else "sobol", 16, seed=1)
    rng = np.random.default_rng(2)
    values = ishigami(points)[:, None] + rng.standard_normal((len(points), 3))
    method: Any = "morris" if kind == "plane" else "sobol"
    table, pairs, _ = sn.analyse(["churn.natural", "market.openness", "x"], points, values, method)
    rows = table.reset_index().assign(low=0.1, high=2.5, unit="per month")
    return rows, pairs


def one_at_a_time() -> pd.DataFrame:
    rows = [
        ["churn.natural", 0.0, 1.0, "share", -40.0, -44.0, 25.0, 20.0],
        ["x", 1, 2, "", 3.0, -1.0, -2.0, -5.0],
    ]
    names = ["parameter", "low", "high", "unit", "at_low", "at_low_from", "at_high", "at_high_from"]
    return pd.DataFrame(rows, columns=names)


@pytest.mark.parametrize("kind", ["bars", "plane", "plane bars", "pairs", "tornado"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_figures_can_be_read(kind, language):
    if kind == "tornado":
        ax = plots.tornado_bars(one_at_a_time(), what="kept", base=812.0, note="by hand", language=language)
    else:
        rows, pairs = shown("plane" if "plane" in kind else kind)
        draw = {
            "bars": lambda **k: plots.influence_bars(rows, **k),
            "plane bars": lambda **k: plots.influence_bars(rows, **k),
            "plane": lambda **k: plots.elementary_effects(rows, **k),
            "pairs": lambda **k: plots.interaction_matrix(pairs, **k),
        }[kind]
        ax = draw(what="kept", note="by hand", language=language)
    assert_readable(ax.get_figure())
    assert plots.words(ax).endswith("." if language == "en" else "。") and "nan" not in plots.words(ax)
    assert "by hand" in " ".join(t.get_text() for t in ax.texts)


def test_titles_say_what_is_found():
    rows, pairs = shown("bars")
    title = plots.influence_bars(rows).get_title(loc="left").replace("\n", " ")
    assert rows.sort_values("ST")["parameter"].iloc[-1] in title or rows["parameter"].iloc[0] in title
    title = plots.tornado_bars(one_at_a_time()).get_title(loc="left").replace("\n", " ")
    assert title == "The widest swing is that of churn.natural: \N{MINUS SIGN}40 to +25"
    sure = pairs.assign(S2=[0.0, 0.6, 0.0], S2_conf=0.1, S2_luck=0.1)
    title = plots.interaction_matrix(sure).get_title(loc="left").replace("\n", " ")
    assert title == "Acting together: churn.natural with x 0.6"
    title = plots.interaction_matrix(sure.assign(S2_luck=0.9)).get_title(loc="left")
    assert title.startswith("No pair")
    with pytest.raises(ValueError, match="column 'sigma' is missing"):
        plots.elementary_effects(rows.assign(mu_star=1, mu_star_conf=0))


# -- at length ---------------------------------------------------------------------------------------


@pytest.mark.slow
def test_sobol_in_a_world(tmp_path):
    """What dunning saves hangs on how often unpaid customers are cut off, not on survey scales."""
    base = tiny(population__size=800)
    spans = {
        "payment.cutoff": (0.05, 0.4),
        "churn.competitive": (0.003, 0.015),
        "population.scale_use_sd": (1.0, 10.0),
    }
    found = sn.sensitivity(
        base, spans, "kept", policies=["dunning"], baseline=[], method="sobol", n=16, replications=3,
        progress=False, cache=tmp_path,
    )  # fmt: skip
    table = found.table.set_index("parameter")
    assert table.index[0] == "payment.cutoff"
    assert table.at["payment.cutoff", "S1"] - table.at["payment.cutoff", "S1_luck"] > 0.5
    assert table.at["payment.cutoff", "trend"] > 0.8
    assert table.loc["population.scale_use_sd", ["S1", "ST", "ST_noise"]].tolist() == [0, 0, 0]
    assert 0 < found.noise < 0.3
    assert found.interactions is not None and len(found.interactions) == 3
    without = sn.sensitivity(
        base, spans, "kept", policies=[], method="sobol", n=16, replications=2, second_order=False,
        progress=False, cache=tmp_path,
    )  # fmt: skip
    assert without.interactions is None and len(without.design) == 16 * 5
    assert without.table.set_index("parameter").at["churn.competitive", "trend"] < -0.8
    with pytest.raises(ValueError, match="second_order"):
        without.plot_interactions()
