"""Comparisons: known answers, intervals that cover at their level, pairs that gain precision."""

import math
import re

import numpy as np
import pandas as pd
import pytest

import crmsim as cs
from crmsim.research.compare import (
    DIFFERENCES,
    RATIOS,
    _difference,
    compare,
    ratio_interval,
    replications_needed,
)
from crmsim.research.experiment import OUTCOMES, PAIRED, SERVICE_OUTCOMES, Experiment


def synthetic(
    scenario: str, outcomes: dict[str, dict[str, np.ndarray]], baseline: str = "none"
) -> pd.DataFrame:
    """A table as of an experiment, in which all outcomes but the given ones are zero."""
    frames = []
    for policy, given in outcomes.items():
        n = len(next(iter(given.values())))
        head = {"scenario": scenario, "policy": policy, "baseline": baseline, "replication": np.arange(n)}
        head |= {"seed": 1, "scenario_hash": scenario, "version": "0", "months": 36, "currency": "EUR"}
        rest = dict.fromkeys(OUTCOMES, 0.0) | {"customers_at_start": 1000}
        frames.append(pd.DataFrame({**head, **rest, **given}))
    return pd.concat(frames, ignore_index=True)


@pytest.fixture(scope="module")
def world() -> cs.Scenario:
    return cs.Scenario.preset("subscription").replace(population__size=2_000, population__months=12)


@pytest.fixture(scope="module")
def table(world) -> pd.DataFrame:
    policies = {
        "none": [],
        "dunning": ["dunning"],
        "waste": [cs.Programme(moves=(), costs=cs.Cost(per_customer=0.05))],
        "free": [cs.Programme()],
    }
    return Experiment(policies, world, 8, cache=False).run(jobs=1, progress=False)


# --- known answers --------------------------------------------------------------------------------


def test_effect_and_interval_by_hand():
    """Differences 1, 2, 3: mean 2, s = 1, t(2, .975) = 4.30265, half-width 4.30265 / sqrt(3)."""
    found = compare(
        synthetic("s", {"none": {"kept": np.array([5.0, 9, 1])}, "p": {"kept": np.array([6.0, 11, 4])}})
    )
    row = found.effect("kept", "p")
    assert (row["effect"], row["baseline_mean"], row["policy_mean"]) == (2, 5, 7)
    assert row["standard_error"] == pytest.approx(1 / math.sqrt(3))
    assert row["high"] - 2 == pytest.approx(4.302653 / math.sqrt(3), rel=1e-6)
    assert 2 - row["low"] == pytest.approx(row["high"] - 2)
    assert row["variance_ratio"] == pytest.approx(16 + 13)
    narrow = compare(
        synthetic("s", {"none": {"kept": np.array([5.0, 9, 1])}, "p": {"kept": np.array([6.0, 11, 4])}}),
        level=0.8,
    )
    assert narrow.effect("kept")["high"] - 2 == pytest.approx(1.885618 / math.sqrt(3), rel=1e-6)


def test_return_and_cost_per_saved_by_hand():
    """Gross equity 300 more for a cost of 200: return 50 %; four customers kept: 50 each."""
    without = {
        "gross_equity": np.array([0.0, 10]),
        "policy_cost_discounted": np.zeros(2),
        "kept": np.zeros(2),
    }
    with_p = {
        "gross_equity": np.array([290.0, 320]),
        "policy_cost_discounted": np.array([190.0, 210]),
        "kept": np.array([4.0, 4]),
    }
    found = compare(synthetic("s", {"none": without, "p": with_p}))
    assert found.effect("return")["effect"] == pytest.approx(300 / 200 - 1)
    assert found.effect("cost_per_saved")["effect"] == pytest.approx(50)


def test_a_ratio_with_a_fixed_divisor_has_the_mean_s_interval():
    rng = np.random.default_rng(1)
    top = rng.normal(10, 3, 12)
    ratio, low, high, error = ratio_interval(top, np.full(12, 4.0))
    mean = _difference(top, np.zeros(12), 0.95)
    assert (ratio, low, high, error) == pytest.approx(
        (mean["effect"] / 4, mean["low"] / 4, mean["high"] / 4, mean["standard_error"] / 4)
    )


def test_a_ratio_is_missing_without_a_divisor_and_unbounded_with_an_uncertain_one():
    assert all(map(math.isnan, ratio_interval(np.ones(5), np.zeros(5))))
    assert all(map(math.isnan, ratio_interval(np.ones(5), -np.ones(5))))
    ratio, low, high, _ = ratio_interval(np.ones(4), np.array([1.0, -1, 1, -0.5]))
    assert math.isfinite(ratio) and (low, high) == (-math.inf, math.inf)
    ratio, low, high, error = ratio_interval(np.ones(1), np.full(1, 2.0))
    assert ratio == 0.5 and all(map(math.isnan, (low, high, error)))


# --- intervals cover ------------------------------------------------------------------------------


def test_intervals_cover_the_truth_as_often_as_they_say():
    """4,000 experiments of 10 pairs: a true coverage of 93.5 % or 96.5 % would be found out."""
    rng = np.random.default_rng(5)
    inside = {"difference": 0, "ratio": 0}
    cover = np.linalg.cholesky([[1.0, 0.6], [0.6, 1.0]])
    for _ in range(4_000):
        top, bottom = cover @ rng.normal(size=(2, 10))
        top, bottom = 30 + 10 * top, 20 + 5 * bottom
        found = _difference(top, bottom, 0.95)
        inside["difference"] += found["low"] <= 10 <= found["high"]
        _, low, high, _ = ratio_interval(top, bottom)
        inside["ratio"] += low <= 1.5 <= high
    error = math.sqrt(0.95 * 0.05 / 4_000)
    for name, number in inside.items():
        assert abs(number / 4_000 - 0.95) < 3.5 * error, (name, number / 4_000)


@pytest.mark.slow
def test_the_table_s_intervals_cover_too():
    """200 scenarios of 6 replications, level 80 %: between 70 and 90 % hold the true effect."""
    rng = np.random.default_rng(6)
    tables = []
    for k in range(200):
        luck = rng.normal(700, 30, 6)
        gained = {"kept": luck + 20 + rng.normal(0, 4, 6)}
        tables.append(synthetic(f"s{k}", {"none": {"kept": luck}, "p": gained}))
    found = compare(pd.concat(tables), level=0.8).table
    kept = found[found["measure"] == "kept"]
    assert 0.70 < ((kept["low"] <= 20) & (kept["high"] >= 20)).mean() < 0.90
    assert kept["variance_ratio"].median() > 20  # luck's spread is 30, that of the differences 4


# --- from runs --------------------------------------------------------------------------------------


def test_a_cost_without_effect_lowers_equity_by_exactly_the_cost(table):
    wide = table.pivot(index="replication", columns="policy")
    cost = wide["policy_cost_discounted"]["waste"]
    assert (cost > 0).all()
    assert np.allclose(wide["equity"]["none"] - wide["equity"]["waste"], cost, rtol=1e-9, atol=0)
    for name in ("kept", "left", "margin", "gross_equity", "satisfaction", "expected_left"):
        assert (wide[name]["waste"] == wide[name]["none"]).all(), name
    assert (wide["saved"]["waste"] == 0).all() and (wide["value_gained"]["waste"] == 0).all()
    found = compare(table)
    assert found.effect("return", "waste")["effect"] == -1
    assert found.effect("equity", "waste")["effect"] == pytest.approx(
        -found.effect("cost", "waste")["effect"]
    )
    assert math.isnan(found.effect("cost_per_saved", "waste")["effect"])
    assert math.isnan(found.effect("return", "free")["effect"])
    assert found.effect("equity", "free")["effect"] == 0


def test_the_same_luck_makes_differences_steadier(world, table):
    """Dunning on 2,000 customers: pairs against eight replications of another seed.

    With independent luck the ratio of variances would be 1; 3 is far out for 7 degrees of freedom
    each (one in 10), and both ways of asking must agree that luck in common gains.
    """
    other = Experiment({"none": []}, world, 8, seed=99, cache=False).run(jobs=1, progress=False)
    for measure in ("kept", "equity"):
        wide = table.pivot(index="replication", columns="policy", values=measure)
        apart = (wide["dunning"] - other[measure]).var(ddof=1)
        together = (wide["dunning"] - wide["none"]).var(ddof=1)
        assert apart / together > 3
        assert compare(table).effect(measure, "dunning")["variance_ratio"] > 3


def test_expected_and_realised_saves_agree(table):
    """The difference of the two, 8 replications, is within 5 standard errors of zero."""
    rows = table[table["policy"] == "dunning"]
    gap = rows["expected_saves"] - (rows["saved"] - rows["harmed"])
    assert abs(gap.mean()) < 5 * gap.std() / math.sqrt(len(rows))
    found = compare(table)
    assert found.effect("expected_saves", "dunning")["low"] > 0
    spread = {m: found.effect(m, "dunning")["standard_error"] for m in ("expected_saves", "kept")}
    assert spread["expected_saves"] < spread["kept"]


def test_another_baseline(table):
    there, back = compare(table), compare(table, baseline="dunning")
    a, b = there.effect("equity", "dunning"), back.effect("equity", "none")
    assert (a["effect"], a["low"], a["high"]) == pytest.approx((-b["effect"], -b["high"], -b["low"]))
    assert math.isnan(back.effect("return", "none")["effect"])  # the policy costs less than the baseline
    assert not set(back.table["measure"]) & set(PAIRED)
    assert set(there.table["measure"]) == {*DIFFERENCES, *RATIOS} - set(SERVICE_OUTCOMES)


def test_a_table_read_back_from_a_file_compares_alike(table, tmp_path):
    table.to_csv(tmp_path / "cells.csv", index=False)
    again = compare(pd.read_csv(tmp_path / "cells.csv"))
    assert np.allclose(again.table["effect"], compare(table).table["effect"], equal_nan=True)


def test_one_replication_gives_effects_and_says_that_there_is_no_interval(table):
    found = compare(table[table["replication"] == 0])
    assert found.effect("kept", "dunning")["effect"] > 0
    assert found.table[["low", "high", "standard_error"]].isna().all().all()
    assert "there are no intervals" in found.note and found.note in repr(found)
    assert "[" not in repr(found)
    assert compare(table).note == ""


def test_replications_that_lack_a_policy_are_left_out(table):
    gap = table[~((table["policy"] == "dunning") & (table["replication"] < 3))]
    found = compare(gap)
    assert found.effect("kept", "dunning")["replications"] == 5
    assert found.effect("kept", "waste")["replications"] == 8


# --- what is shown ------------------------------------------------------------------------------------


def test_the_text_is_aligned_and_complete(table, capsys):
    found = compare(table)
    found.print()
    text = capsys.readouterr().out
    lines = text.splitlines()
    assert lines[0] == "subscription: 2,000 customers, 12 months, 8 replications, money in EUR, discounted"
    assert lines[1] == "Differences from 'none' with the same luck, 95 % intervals in brackets"
    assert max(map(len, lines[:-1])) <= 125
    for word in ("dunning", "waste", "free", "none (mean)", "kept per 1,000", "return, %", "payment lapse"):
        assert word in text
    first = lines[3 : lines.index("", 3)]
    assert len({len(line) for line in first[:4]}) == 1  # right-aligned
    row = found.effect("kept", "dunning")
    shown = [f"{row[x] / 2:.1f}" for x in ("effect", "low", "high")]  # per 1,000 of 2,000
    assert f"+{shown[0]} [{shown[1]} to {shown[2]}]" in text
    assert not re.search(r"[-+]0(\.0+)?(?![\d.])|nan", text)  # zero has no sign
    assert "independent luck would need at least" in lines[-1]


def test_the_html_holds_the_same_words(table):
    shown = compare(table)._repr_html_()
    assert shown.count("<table") == 4
    assert "&#x27;none&#x27;" in shown and "none (mean)" in shown


def test_the_csv_is_the_table(table, tmp_path):
    found = compare(table)
    path = found.to_csv(tmp_path / "comparison.csv")
    assert [p.name for p in tmp_path.iterdir()] == ["comparison.csv"]
    read = pd.read_csv(path)
    assert list(read.columns) == list(found.table.columns)
    assert np.allclose(read["effect"], found.table["effect"], equal_nan=True)


# --- with a service desk ----------------------------------------------------------------------------


def desk(**policies: dict[str, list[float]]) -> pd.DataFrame:
    """A table of a world with a desk; service outcomes not given are .5."""
    rest = {name: np.full(3, 0.5) for name in SERVICE_OUTCOMES}
    given = {p: rest | {k: np.array(v, dtype=float) for k, v in o.items()} for p, o in policies.items()}
    return synthetic("town", given)


def test_service_has_paired_differences_and_a_block():
    """Differences of the wait -10, -20, -30: mean -20, s = 10, half-width 43.0265 / sqrt(3)."""
    table = desk(
        none={"wait": [100, 120, 140], "abandoned_share": [0.20, 0.22, 0.24]},
        agents={"wait": [90, 100, 110], "abandoned_share": [0.10, 0.11, 0.12]},
    )
    found = compare(table)
    row = found.effect("wait")
    assert (row["unit"], row["baseline_mean"], row["effect"]) == ("seconds", 120, -20)
    assert row["high"] == pytest.approx(-20 + 43.0265 / math.sqrt(3), abs=1e-4)
    shown = found.blocks()["town"]["Service"]
    assert shown.loc["none (mean)", "mean wait, s"] == "120.0"
    assert shown.loc["agents", "mean wait, s"] == "-20.0 [-44.8 to 4.8]"
    assert shown.loc["agents", "abandoned, %"] == "-11.0 [-13.5 to -8.5]"
    assert "Service" in repr(found) and "nan" not in repr(found)
    assert replications_needed(table, "wait", 10) == 7  # t(6, .975) 10 / sqrt(7) = 9.25


def test_what_a_desk_never_did_is_left_out():
    """No job in one replication: the others are compared; none at all: no column."""
    none = float("nan")
    table = desk(
        none={"repairs_late_share": [0.2, none, 0.4], "solved_share": [none, none, none]},
        crews={"repairs_late_share": [0.1, 0.1, 0.2], "solved_share": [none, none, none]},
    )
    found = compare(table)
    row = found.effect("repairs_late_share")
    assert row["baseline_mean"] == pytest.approx(0.3) and row["effect"] == pytest.approx(-0.15)
    shown = found.blocks()["town"]["Service"]
    assert "solved, %" not in shown and shown.loc["none (mean)", "repairs late, %"] == "30.0"
    assert "nan" not in repr(found)
    with pytest.raises(ValueError, match="is missing in all replications but 0"):
        replications_needed(table, "solved_share", 0.01)


def test_without_a_desk_there_is_no_service(table):
    found = compare(table)
    assert not set(SERVICE_OUTCOMES) & set(found.table["measure"]) and "Service" not in repr(found)
    with pytest.raises(ValueError, match="'waste' in 'subscription' is missing: the scenario has no service"):
        replications_needed(table, "wait", 1.0, policy="waste")


def test_a_better_staffed_hotline_shortens_the_wait():
    """Two more agents against .4 of one: 4 replications of some 500 calls, waits of minutes gone."""
    world = cs.Scenario.preset("water_utility").replace(
        population__size=1_500, population__months=4, policies=(), service__agents=0.4
    )
    policies = {"none": [], "two more agents": ["hire_agents:agents=2"]}
    found = compare(Experiment(policies, world, 4, cache=False).run(jobs=1, progress=False))
    wait, cost = found.effect("wait"), found.effect("cost")
    assert wait["effect"] < wait["high"] < 0 < cost["effect"]
    assert found.effect("service_level")["low"] > 0


# --- how many replications ----------------------------------------------------------------------------


def test_replications_needed_is_the_smallest_that_suffices():
    """s = 1 and half-width 0.5: t(17) / sqrt(18) = .497 suffices, t(16) / sqrt(17) = .514 does not."""
    kept = np.array([0.0, 1, 2]) + np.array([5.0, 9, 1])
    pilot = synthetic("s", {"none": {"kept": np.array([5.0, 9, 1])}, "p": {"kept": kept}})
    assert replications_needed(pilot, "kept", 0.5) == 18
    assert replications_needed(pilot, "kept", 0.01) == pytest.approx((1.96 / 0.01) ** 2, rel=1e-3)
    assert replications_needed(pilot, "kept", 100) == 2
    assert replications_needed(pilot, "equity", 0.01) == 2  # no spread at all


def test_so_many_replications_give_the_wanted_width():
    """A known spread of 4: with the number asked for, 300 intervals have the wanted mean half-width."""
    rng = np.random.default_rng(8)
    luck = rng.normal(700, 30, 400)
    pilot = synthetic("s", {"none": {"kept": luck}, "p": {"kept": luck + 20 + rng.normal(0, 4, 400)}})
    n = replications_needed(pilot, "kept", 1.5)
    halves = [
        (lambda f: (f["high"] - f["low"]) / 2)(_difference(rng.normal(20, 4, n), np.zeros(n), 0.95))
        for _ in range(300)
    ]
    assert np.mean(halves) == pytest.approx(1.5, rel=0.08)


def test_replications_needed_of_a_ratio_and_of_the_hardest_policy(table):
    each = [replications_needed(table, "equity", 20, policy=p) for p in ("dunning", "waste", "free")]
    assert replications_needed(table, "equity", 20) == max(each) == each[0] > each[2] == 2
    n = replications_needed(table, "return", 0.05, policy="dunning")
    row = compare(table).effect("return", "dunning")
    # sqrt(n) in proportion to the standard error of 8
    assert n == pytest.approx((1.96 * row["standard_error"] * math.sqrt(8) / 0.05) ** 2, rel=0.1, abs=4)


# --- what a user can do wrong ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "arguments", "words"),
    [
        (lambda t: t, {"baseline": "non"}, "unknown policy 'non'; did you mean 'none'"),
        (lambda t: t, {"level": 95}, "level must lie between 0 and 1, not 95"),
        (lambda t: t.drop(columns="equity"), {}, "no table of Experiment.run.*column 'equity' is missing"),
        (lambda t: [1, 2], {}, "no table of Experiment.run"),
        (lambda t: pd.concat([t, t]), {}, "two rows for policy 'none', .*replication 0"),
        (lambda t: t[t["policy"] == "none"], {}, "nothing to compare with 'none'"),
        (
            lambda t: t[(t["policy"] == "none") == (t["replication"] < 4)],
            {},
            "policy 'dunning' and 'none' share no replication in scenario 'subscription'",
        ),
    ],
)
def test_a_wrong_comparison_is_told(table, change, arguments, words):
    with pytest.raises(ValueError, match=words):
        compare(change(table), **arguments)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"measure": "keept"}, "unknown measure 'keept'; did you mean 'kept'"),
        ({"half_width": 0}, "half_width must be a number above 0"),
        ({"half_width": math.nan}, "half_width must be a number above 0"),
        ({"level": 0}, "level must lie"),
        ({"policy": "none"}, "unknown policy 'none'"),
        ({"scenario": "retail"}, "unknown scenario 'retail'; known: subscription"),
        ({"measure": "return"}, "return of 'free' in 'subscription' is missing"),
        ({"measure": "saved", "baseline": "waste"}, "only against the experiment's own baseline"),
    ],
)
def test_a_wrong_question_for_replications_is_told(table, arguments, words):
    right = {"measure": "kept", "half_width": 1.0}
    with pytest.raises(ValueError, match=words):
        replications_needed(table, **{**right, **arguments})
    with pytest.raises(ValueError, match="one replication shows no spread"):
        replications_needed(table[table["replication"] == 0], "kept", 1.0)


def test_effect_wants_one_row(table):
    found = compare(table)
    with pytest.raises(ValueError, match="several are compared, name a policy: dunning, waste, free"):
        found.effect("kept")
    with pytest.raises(ValueError, match="unknown measure 'equty'; did you mean 'equity'"):
        found.effect("equty", "dunning")
