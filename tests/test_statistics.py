"""Statistics of experiments: known answers, promises kept over many repetitions, errors in words."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import crmsim as cs
from crmsim.research.experiment import OUTCOMES, Experiment
from crmsim.research.statistics import (
    adjusted,
    churn_within,
    customers_needed,
    family,
    minimum_detectable_effect,
    power_of_test,
    realised_against_expected,
    select_best,
)


def synthetic(outcomes: dict[str, dict[str, np.ndarray]], scenario: str = "s") -> pd.DataFrame:
    """A table as of an experiment whose baseline is "none"; outcomes that are not given are zero."""
    frames = []
    for policy, given in outcomes.items():
        n = len(next(iter(given.values())))
        head = {"scenario": scenario, "policy": policy, "baseline": "none", "replication": np.arange(n)}
        head |= {"seed": 1, "scenario_hash": scenario, "version": "0", "months": 36, "currency": "EUR"}
        rest = dict.fromkeys(OUTCOMES, 0.0) | {"customers_at_start": 1000}
        frames.append(pd.DataFrame({**head, **rest, **given}))
    return pd.concat(frames, ignore_index=True)


def made(rng: np.random.Generator, means: list[float], n: int = 20, shared: float = 3.0) -> pd.DataFrame:
    """Policies of given means under common luck; the baseline has mean 0."""
    luck = rng.normal(0, shared, n)
    outcomes = {"none": {"kept": luck + rng.normal(0, 1, n)}}
    outcomes |= {f"p{k}": {"kept": m + luck + rng.normal(0, 1, n)} for k, m in enumerate(means)}
    return synthetic(outcomes)


@pytest.fixture(scope="module")
def world() -> cs.Scenario:
    return cs.Scenario.preset("subscription").replace(population__size=2_000, population__months=12)


# --- many comparisons ------------------------------------------------------------------------------


def test_holm_and_bonferroni_by_hand():
    table = made(np.random.default_rng(1), [0.0, 1.0, 0.5, 0.9])
    alone = adjusted(table, correction="none")
    for k in range(4):
        d = (
            table[table.policy == f"p{k}"]["kept"].to_numpy()
            - table[table.policy == "none"]["kept"].to_numpy()
        )
        assert alone["p"][k] == pytest.approx(stats.ttest_1samp(d, 0).pvalue)
    order = np.argsort(alone["p"].to_numpy())
    holm = adjusted(table)
    by_hand = np.maximum.accumulate(alone["p"].to_numpy()[order] * [4, 3, 2, 1])
    assert holm["p_adjusted"].to_numpy()[order] == pytest.approx(np.minimum(by_hand, 1))
    half = (holm["high_adjusted"] - holm["low_adjusted"]) / 2
    assert half.to_numpy() == pytest.approx(stats.t.ppf(1 - 0.05 / 8, 19) * holm["standard_error"].to_numpy())
    assert (holm["high_adjusted"] > holm["high"]).all()


def test_all_pairs_are_each_there_once():
    table = made(np.random.default_rng(2), [0.0, 1.0])
    found = adjusted(table, pairs="all")
    assert list(zip(found["policy"], found["against"], strict=True)) == [
        ("p0", "none"), ("p1", "none"), ("p1", "p0"),
    ]  # fmt: skip
    assert found["effect"][2] == pytest.approx(found["effect"][1] - found["effect"][0])
    with pytest.raises(ValueError, match="own baseline"):
        adjusted(table, "saved", pairs="all")


def test_what_is_the_same_in_every_replication_is_certain():
    n = 12
    table = synthetic({"none": {"kept": np.zeros(n)}, "a": {"kept": np.ones(n)}, "b": {"kept": np.zeros(n)}})
    for correction in ("holm", "max-t", "benjamini-hochberg"):
        found = adjusted(table, correction=correction).set_index("policy")
        assert found["found"].to_dict() == {"a": True, "b": False}


def test_one_replication_few_replications_and_unknown_words():
    table = made(np.random.default_rng(3), [0.0], n=1)
    with pytest.raises(ValueError, match="run at least two"):
        adjusted(table)
    with pytest.raises(ValueError, match="at least 10 replications, not 5"):
        adjusted(made(np.random.default_rng(3), [0.0], n=5), correction="max-t")
    with pytest.raises(ValueError, match="did you mean 'holm'"):
        adjusted(table, correction="holms")
    with pytest.raises(ValueError, match="unknown measure 'return'"):
        adjusted(table, "return")


@pytest.mark.slow
def test_false_findings_are_as_rare_as_promised(monkeypatch):
    """500 families of eight policies without effect: alone one in five has a false
    finding, adjusted one in twenty."""
    # statsmodels collects garbage at each call of Holm's method, which takes all the time here
    monkeypatch.setattr("gc.collect", lambda *_: 0)
    rng, tables = np.random.default_rng(4), 500
    false = dict.fromkeys(("none", "holm", "max-t", "benjamini-hochberg"), 0)
    for _ in range(tables):
        shared = rng.normal(0, 1, 40)
        spreads = [rng.normal(0, 1, 40) + shared for _ in range(8)]
        for correction in false:
            found = family(spreads, correction, draws=500)
            missed = (found["low_adjusted"] > 0) | (found["high_adjusted"] < 0)
            false[correction] += bool(found["found"].any() or missed.any())
    limit = stats.binom.ppf(0.99, tables, 0.05)
    assert stats.binom.sf(limit, tables, 0.1) > 0.95, "a rate of .1 would be caught"
    assert false["none"] > 2 * limit
    assert max(false["holm"], false["max-t"], false["benjamini-hochberg"]) <= limit, false


# --- the best of several ---------------------------------------------------------------------------


def luck_of(rng: np.random.Generator, means: np.ndarray, shared: float):
    """A source for `select_best`: normal policies under common luck."""

    def measure(wanted: range) -> pd.DataFrame:
        luck = rng.normal(0, shared, (len(wanted), 1))
        return pd.DataFrame(means + luck + rng.normal(0, 1, (len(wanted), len(means))))

    return measure


def test_the_number_of_replications_is_clark_and_yangs():
    first = pd.DataFrame({"a": [0.0, 2.0, 4.0, 6.0], "b": [1.0, 1.0, 5.0, 5.0], "c": [0.0, 0.0, 0.0, 1.0]})
    asked = []

    def measure(wanted: range) -> pd.DataFrame:
        asked.append(wanted)
        return first if wanted.start == 0 else pd.DataFrame(0.0, index=wanted, columns=list("abc"))

    found = select_best(measure, "x", indifference=2.0, first=4, probability=0.9)
    t = stats.t.ppf(1 - 0.1 / 2, 3)
    needed = math.ceil((t * (first["a"] - first["c"]).std() / 2) ** 2)
    assert found.replications == needed and asked == [range(4), range(4, needed)]
    assert found.table["needed"].max() == needed
    assert found.best == "a" and found.table["behind"].idxmax() == "a"
    assert (found.table["low"] <= found.table["behind"]).all()
    assert (found.table["behind"] <= found.table["high"]).all()
    smallest = select_best(measure, "x", indifference=2.0, first=4, probability=0.9, largest=False)
    assert smallest.best == "c"
    assert smallest.table.loc["c", "low"] < smallest.table.loc["c", "behind"] < 0


def test_too_many_replications_are_refused_with_what_would_do():
    source = luck_of(np.random.default_rng(5), np.zeros(3), 2.0)
    with pytest.raises(ValueError, match=r"replications are needed .* indifference can be"):
        select_best(source, indifference=0.01, most=50)


def test_the_best_of_an_experiment_uses_its_cells(world, tmp_path):
    policies = {"none": [], "dunning": ["dunning"], "cut": [cs.PriceCut(share=0.3)]}
    experiment = Experiment(policies, world, 5, cache=tmp_path)
    found = select_best(experiment, "kept", indifference=8.0, first=5, jobs=1)
    assert found.best == "cut"
    more = Experiment(policies, world, found.replications, cache=tmp_path)
    number = 3 * found.replications
    assert f"{number} of {number} runs done" in repr(more), "they are kept where the experiment keeps its own"
    every = more.run(jobs=1, progress=False)
    means = every.groupby("policy")["kept"].mean()
    assert means.to_dict() == pytest.approx(found.table["mean"].to_dict())
    with pytest.raises(ValueError, match="takes one scenario"):
        two = Experiment(policies, [world, world.replace(name="other")], 5, cache=False)
        select_best(two, indifference=1.0)


@pytest.mark.slow
@pytest.mark.parametrize(("policies", "shared"), [(2, 0.0), (5, 3.0)])
def test_the_best_is_chosen_as_often_as_stated(policies, shared):
    """In the hardest case, where the best leads by the indifference and the others are equal.

    Of 2,000 repetitions so few may be wrong as a probability of .95 allows at 1 %. A procedure that is
    right in .925 of the cases would be caught with a power above .95, and one with half of the
    replications is caught here.
    """
    repetitions, stated = 2_000, 0.95
    least = int(stats.binom.ppf(0.01, repetitions, stated))
    assert stats.binom.cdf(least - 1, repetitions, 0.925) > 0.95
    means = np.r_[np.zeros(policies - 1), 0.6]
    rng = np.random.default_rng(6)
    right = held = careless = 0
    for _ in range(repetitions):
        source = luck_of(rng, means, shared)
        found = select_best(source, indifference=0.6, first=10, probability=stated, most=10_000)
        right += found.best == str(policies - 1)
        true = means - np.array([np.delete(means, k).max() for k in range(policies)])
        held += bool(((found.table["low"] <= true) & (true <= found.table["high"])).all())
        half = source(range(found.replications // 3)).mean()
        careless += half.idxmax() == policies - 1
    assert right >= least and held >= least
    assert careless < least or policies > 2


# --- planning a test -------------------------------------------------------------------------------


def test_power_of_known_tests():
    """Cohen (1988): d = .5 with 64 in each arm has power .80. Shares .6 and .5, 388 each: power .80
    (Fleiss, Levin & Paik 2003, table A.4: 407 each with continuity correction, 20 fewer without)."""
    assert power_of_test(128, 0.5, sd=1.0) == pytest.approx(0.80, abs=0.005)
    assert power_of_test(776, -0.1, rate=0.6) == pytest.approx(0.80, abs=0.01)


def test_the_three_answers_agree_with_each_other():
    for base in ({"rate": 0.2}, {"sd": 40.0}):
        plan = {**base, "share": 0.3, "compliance": 0.8, "contamination": 0.05}
        effect = minimum_detectable_effect(5_000, **plan)
        assert effect < 0
        assert power_of_test(5_000, effect, **plan) == pytest.approx(0.8, abs=1e-6)
        assert customers_needed(effect * 1.000001, **plan) == 5_000
        diluted = minimum_detectable_effect(5_000, **base, share=0.3)
        assert abs(effect) > abs(diluted)


def test_what_cannot_be_planned_is_said():
    with pytest.raises(ValueError, match="either rate"):
        power_of_test(100, 0.1)
    with pytest.raises(ValueError, match="beyond 0 or 1"):
        power_of_test(100, -0.3, rate=0.2)
    with pytest.raises(ValueError, match=r"even an effect of -0\.01"):
        minimum_detectable_effect(200, rate=0.01)
    with pytest.raises(ValueError, match="would not differ"):
        customers_needed(-0.1, rate=0.2, compliance=0.5, contamination=0.5)


def test_churn_within_counts_those_who_were_there(world):
    run = cs.simulate(world, [], 3)
    people = run.customers
    initial = people[people["source"] == "initial"]
    assert churn_within(run, 12) == pytest.approx(initial["left_month"].notna().mean())
    there = people[(people["joined_month"] <= 4) & ~(people["left_month"].fillna(99) < 4)]
    assert churn_within(run, 5, start=4) == pytest.approx((there["left_month"].fillna(99) < 9).mean())
    assert churn_within(world, 12, seed=3) == churn_within(run, 12)
    with pytest.raises(ValueError, match="within the 12 of the run"):
        churn_within(run, 13)


# --- saves -----------------------------------------------------------------------------------------


def test_realised_and_expected_saves_agree_but_for_luck(world):
    table = Experiment({"none": [], "dunning": ["dunning"]}, world, 30, cache=False).run(1, progress=False)
    row = realised_against_expected(table).iloc[0]
    kept = cs.compare(table).effect("kept", "dunning")
    assert row["net"] == pytest.approx(kept["effect"]) and row["net_low"] == pytest.approx(kept["low"])
    assert row["expected"] > 5
    assert row["gap_low"] < 0 < row["gap_high"]
    assert row["gap"] == pytest.approx(row["net"] - row["expected"])
    single = realised_against_expected(table, each=True)
    assert single["replication"].tolist() == list(range(30))
    assert single[["net", "expected", "gap"]].mean().to_dict() == pytest.approx(
        row[["net", "expected", "gap"]].to_dict()
    )
