"""How many to ask, whom, and what their answers say of all."""

import doctest
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmsim.analysis import sampling


def test_the_examples_in_the_documentation_hold():
    assert doctest.testmod(sampling).failed == 0


# -- how many ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("margin", "plain", "corrected", "clustered"),
    [(0.05, 384, 377, 565), (0.04, 600, 583, 874), (0.03, 1067, 1013, 1520), (0.02, 2401, 2144, 3216)],
)
def test_sample_sizes_of_the_usual_table(margin, plain, corrected, clustered):
    assert sampling.sample_size(margin) == plain
    assert sampling.sample_size(margin, 20_000) == corrected
    assert sampling.sample_size(margin, 20_000, design_effect=1.5) == clustered


def test_a_sample_is_never_larger_than_the_population():
    assert sampling.sample_size(0.02, 50, design_effect=3) == 50


@pytest.mark.parametrize(("change", "fresh", "panel"), [(1, 6923, 2769), (2, 1731, 692), (3, 769, 308)])
def test_answers_needed_to_see_a_change(change, fresh, panel):
    assert sampling.change_sample_size(change, sd=21) == fresh
    assert sampling.change_sample_size(change, sd=21, correlation=0.6) == panel
    assert sampling.detectable_change(fresh, 21) == pytest.approx(change, rel=1e-3)
    assert sampling.detectable_change(panel, 21, 0.6) == pytest.approx(change, rel=2e-3)


def test_a_change_is_found_as_often_as_said():
    """2,000 pairs of waves; the share that finds the change has a standard error of .009."""
    rng = np.random.default_rng(4)
    n, trials, rho = 692, 2_000, 0.6
    common = rng.normal(0, 21 * math.sqrt(rho), (trials, n))
    waves = [common + rng.normal(0, 21 * math.sqrt(1 - rho), (trials, n)) + shift for shift in (0, 2)]
    gain = waves[1] - waves[0]
    z = gain.mean(axis=1) / (gain.std(axis=1, ddof=1) / math.sqrt(n))
    assert (np.abs(z) > 1.96).mean() == pytest.approx(0.8, abs=0.035)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: sampling.sample_size(5), "margin must be between 0 and 1"),
        (lambda: sampling.sample_size(0.05, 0), "population must be above 0"),
        (lambda: sampling.sample_size(0.05, share=1.2), "share must be between 0 and 1"),
        (lambda: sampling.change_sample_size(0, 21), "change must not be 0"),
        (lambda: sampling.change_sample_size(1, 21, 1), "correlation must be from -1 to below 1"),
        (lambda: sampling.detectable_change(100, -1), "sd must be above 0"),
        (lambda: sampling.cluster_effect(0.5, 0.1), "size must be at least 1"),
        (lambda: sampling.allocate({"a": 10, "b": 0}, 5), "sizes must be above 0"),
        (lambda: sampling.allocate({"a": 100, "b": 100}, 50, floor=30), "the floors take 60"),
        (lambda: sampling.allocate({"a": 100, "b": 100}, 500), "the strata have 200"),
        (lambda: sampling.allocate({"a": 100, "b": 100}, 50, sd={"a": 1}), "a spread for each stratum"),
        (lambda: sampling.mean([1.0, np.nan]), "at least two answers"),
        (lambda: sampling.mean([1.0, 2.0], [1.0]), "1 entries for 2 values"),
        (lambda: sampling.mean([1.0, 2.0], [-1.0, 2.0]), "weights must be 0 or more"),
        (lambda: sampling.share([1, 2, 3]), "true or false"),
        (lambda: sampling.poststratify(["a", "c"], {"a": 1, "b": 1}), "no group 'c'"),
        (lambda: sampling.poststratify(["a", "a"], {"a": 1, "b": 1}), "nobody answered in group 'b'"),
        (lambda: sampling.intraclass_correlation([1, 2], ["a", "b"]), "one with two people"),
    ],
)
def test_what_cannot_be_is_said_clearly(call, told):
    with pytest.raises(ValueError, match=told):
        call()


# -- whom ----------------------------------------------------------------------------------------------


def test_proportional_parts_and_the_floor():
    city = {"old town": 4800, "highrise": 5200, "new town": 4000, "suburb": 2800, "industrial": 3200}
    part = sampling.allocate(city, 1000)
    assert part.to_dict() == {
        "old town": 240, "highrise": 260, "new town": 200, "suburb": 140, "industrial": 160
    }  # fmt: skip
    city["docks"] = 200
    part = sampling.allocate(city, 1000, floor=60)
    assert part["docks"] == 60 and part.sum() == 1000
    # the others share what is left as before
    assert part["old town"] == pytest.approx(940 * 4800 / 20_000, abs=1)


def test_neyman_gives_the_most_precise_mean():
    size, spread = (
        pd.Series({"a": 6000.0, "b": 3000.0, "c": 1000.0}),
        pd.Series({"a": 5.0, "b": 20.0, "c": 40.0}),
    )

    def variance(n):
        return float((size**2 * spread**2 / n).sum())

    best = sampling.allocate(size, 900, sd=spread)
    assert best.to_dict() == {"a": 208, "b": 415, "c": 277}  # 900 x (30, 60, 40) / 130
    assert variance(best) < 0.75 * variance(sampling.allocate(size, 900))
    for give, take in (("a", "b"), ("b", "c"), ("c", "a")):
        other = best.copy()
        other[[give, take]] += [-5, 5]
        assert variance(other) > variance(best)


@given(
    st.lists(st.integers(1, 5_000), min_size=1, max_size=8),
    st.floats(0, 1),
    st.integers(0, 80),
    st.booleans(),
)
def test_parts_sum_and_keep_their_limits(sizes, fraction, floor, neyman):
    least = sum(min(floor, s) for s in sizes)
    n = round(least + fraction * (sum(sizes) - least))
    strata = dict(enumerate(sizes))
    sd = {k: 1.0 + k % 3 for k in strata} if neyman else None
    part = sampling.allocate(strata, n, floor=floor, sd=sd)
    assert part.sum() == n
    assert all(min(floor, strata[k]) <= part[k] <= strata[k] for k in strata)


# -- precision -------------------------------------------------------------------------------------------


def test_design_effects():
    assert sampling.weighting_effect([3, 3, 3]) == pytest.approx(1)
    assert sampling.weighting_effect([1, 1, 4]) == pytest.approx(3 * 18 / 36)
    assert sampling.cluster_effect(11, 0.05) == pytest.approx(1.5)


def test_intraclass_correlation_is_found_again():
    """300 clusters of 10: the standard error is about .02."""
    rng = np.random.default_rng(2)
    cluster = np.repeat(np.arange(300), 10)
    x = rng.normal(0, math.sqrt(0.2), 300)[cluster] + rng.normal(0, math.sqrt(0.8), 3000)
    assert sampling.intraclass_correlation(x, cluster) == pytest.approx(0.2, abs=0.06)


def test_the_mean_without_weights_is_the_textbooks():
    x = np.array([6.0, 8.0, 7.0, 9.0, np.nan])
    found = sampling.mean(x)
    assert found.value == 7.5 and found.n == 4
    assert found.error == pytest.approx(np.std(x[:4], ddof=1) / 2)
    assert found.effective == pytest.approx(4)
    assert sampling.mean(x, population=4).error == 0  # everybody was asked


def test_a_stratified_mean_is_the_textbooks():
    rng = np.random.default_rng(5)
    group = np.repeat([0, 1], [40, 160])
    size = np.array([4_000.0, 1_000.0])
    x = np.where(group == 0, 5.0, 8.0) + rng.normal(0, np.where(group == 0, 1.0, 2.0))
    weight = (size / [40, 160])[group]
    found = sampling.mean(x, weight, strata=group)
    part = size / size.sum()
    by = [x[group == g] for g in (0, 1)]
    assert found.value == pytest.approx(sum(p * b.mean() for p, b in zip(part, by, strict=True)))
    variance = sum(p**2 * b.var(ddof=1) / b.size for p, b in zip(part, by, strict=True))
    assert found.error == pytest.approx(math.sqrt(variance))


def test_intervals_hold_the_truth_as_often_as_they_say():
    """2,000 weighted samples of 150: a coverage has a standard error of .005."""
    rng = np.random.default_rng(7)
    population = rng.gamma(2.0, 2.0, 20_000)
    wants = rng.random(20_000) < 0.1
    chance = 0.5 + rng.random(20_000)  # of being asked; unlike chances need weights
    chosen = rng.choice(20_000, (2_000, 150), p=chance / chance.sum())
    hit = {"mean": 0, "share": 0}
    for rows in chosen:
        for name, found, truth in (
            ("mean", sampling.mean(population[rows], 1 / chance[rows]), population.mean()),
            ("share", sampling.share(wants[rows], 1 / chance[rows]), wants.mean()),
        ):
            hit[name] += found.low <= truth <= found.high
    assert hit["mean"] / 2_000 == pytest.approx(0.95, abs=0.02)
    assert hit["share"] / 2_000 == pytest.approx(0.95, abs=0.02)


def test_nobody_of_ten_is_not_nobody_at_all():
    found = sampling.share([False] * 10)
    assert found.value == 0 and found.low == pytest.approx(0, abs=1e-12) and 0.2 < found.high < 0.35


def test_poststratification_mends_what_the_groups_explain():
    rng = np.random.default_rng(3)
    old = rng.random(50_000) < 0.2
    x = np.where(old, 5.0, 8.0) + rng.normal(size=50_000)
    answers = rng.random(50_000) < np.where(old, 0.4, 0.1)
    weights = sampling.poststratify(old[answers], {True: old.sum(), False: (~old).sum()})
    assert weights.sum() == pytest.approx(50_000)
    assert x[answers].mean() < x.mean() - 0.5
    assert sampling.mean(x[answers], weights).value == pytest.approx(x.mean(), abs=0.06)
    # and leaves the sample's own weights in proportion within a group
    own = sampling.poststratify(["a", "a", "b"], {"a": 6, "b": 4}, [1, 2, 5])
    np.testing.assert_allclose(own, [2, 4, 4])
