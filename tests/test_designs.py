"""Designs over the parameters of a scenario."""

import re

import numpy as np
import pandas as pd
import pytest

import crmsim as cs
from crmsim.research.designs import design, from_unit, ranges, scenarios_of

FOUR = {
    "churn.natural": (0.001, 0.01),
    "market.openness": None,
    "touchpoints.billing.quality": (60, 90),
    "population.months": (12, 36),
}


@pytest.fixture(scope="module")
def base() -> cs.Scenario:
    return cs.Scenario.preset("subscription")


def test_points_lie_within_the_bounds_and_depend_on_the_seed_alone(base):
    for kind in ("sobol", "latin_hypercube"):
        table = design(base, FOUR, 16, kind, seed=3)
        pd.testing.assert_frame_equal(table, design(base, FOUR, 16, kind, seed=3))
        assert not table.equals(design(base, FOUR, 16, kind, seed=4))
        for name, span in ranges(base, FOUR).items():
            assert table[name].between(span.low, span.high).all()
            assert (table[name].dtype == np.int64) == span.whole


def test_each_sixteenth_of_a_range_holds_one_of_sixteen_points(base):
    """Latin hypercubes stratify each parameter, and so does a balanced Sobol design."""
    for kind in ("sobol", "latin_hypercube"):
        table = design(base, FOUR, 16, kind)
        assert sorted(np.floor(table["market.openness"] * 16)) == list(range(16))
        natural = (table["churn.natural"] - 0.001) / 0.009
        assert sorted(np.floor(natural * 16)) == list(range(16))


def test_whole_numbers_are_whole_and_equally_likely(base):
    table = design(base, {"population.months": (12, 15)}, 64)
    assert table["population.months"].value_counts().to_dict() == dict.fromkeys((12, 13, 14, 15), 16)
    assert from_unit(ranges(base, {"population.months": (12, 15)}), np.ones((1, 1))).iloc[0, 0] == 15


def test_a_grid_has_each_combination_once(base):
    table = design(base, {"market.openness": (0, 1), "population.months": (12, 14)}, 3, "grid")
    assert table["market.openness"].unique().tolist() == [0, 0.5, 1]
    assert table["population.months"].unique().tolist() == [12, 13, 14]
    assert len(table.drop_duplicates()) == 9
    few = design(base, {"population.months": (12, 13)}, 5, "grid")
    assert few["population.months"].tolist() == [12, 13]


def test_a_point_becomes_a_scenario_with_its_values_and_a_sortable_name(base):
    table = design(base, {"market.openness": (0, 1), "touchpoints.billing.quality": (60, 90)}, 16)
    made = scenarios_of(base, table)
    assert [s.name for s in made][:2] == ["subscription#0000", "subscription#0001"]
    assert len({s.hash for s in made}) == 16
    assert made[7].market.openness == table.loc[7, "market.openness"]
    billing = next(t for t in made[7].touchpoints if t.name == "billing")
    assert billing.quality == table.loc[7, "touchpoints.billing.quality"]
    assert [s.name for s in scenarios_of(base, table[table.index > 13])] == [s.name for s in made[14:]]


@pytest.mark.parametrize("preset", ["subscription", "water_utility"])
def test_every_declared_number_can_be_a_column(preset):
    scenario = cs.Scenario.preset(preset)
    table = scenario.table()
    names = [n for n in table.index[table["lowest"].notna()] if not n.startswith("disturbances.")]
    assert len(ranges(scenario, names)) == len(names) > 200
    values = pd.DataFrame([[table.loc[n, "value"] for n in names]], columns=names)
    assert scenarios_of(scenario, values)[0].hash == scenario.hash


def test_a_point_whose_values_do_not_go_together_is_named(base):
    table = design(base, {"touchpoints.billing.weight": (0.5, 0.9)}, 2)
    with pytest.raises(
        cs.ScenarioError, match=r"point 0 \(touchpoints.billing.weight = 0\.\d+\): .*sum to 1"
    ):
        scenarios_of(base, table)
    with pytest.raises(cs.ScenarioError, match=r"point 4 \(market.openness = 1.5\)"):
        scenarios_of(base, pd.DataFrame({"market.openness": [1.5]}, index=[4]))


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        (["market.opennes"], "did you mean 'market.openness'"),
        (["touchpoints.biling.quality"], "did you mean 'touchpoints.billing.quality'"),
        (["purchase.contract"], "purchase.contract: is no number within bounds"),
        ({"market.openness": (0.2, 1.4)}, "market.openness: 1.4 is out of bounds; allowed are 0 to 1 share"),
        (
            {"market.openness": (0.6, 0.2)},
            "market.openness: the low bound 0.6 must be below the high one, 0.2",
        ),
        ({"market.openness": 0.6}, "market.openness: bounds are two numbers, (low, high), not 0.6"),
        ({"market.openness": (0.1, float("nan"))}, "market.openness: bounds are two numbers"),
        ({"population.months": (1.5, 12)}, "population.months: 1.5 is no whole number"),
        (["market.openness", "market.openness"], "market.openness: is given twice"),
        ([], "parameters: none is given"),
    ],
)
def test_a_wrong_parameter_is_named_with_what_would_be_right(base, parameters, words):
    with pytest.raises(cs.ScenarioError, match=re.escape(words)):
        design(base, parameters, 4)


def test_every_wrong_parameter_is_named_at_once(base):
    with pytest.raises(cs.ScenarioError) as caught:
        design(base, {"market.opennes": None, "market.size": (0, 5)}, 4)
    assert [where for where, _ in caught.value.errors] == ["market.opennes", "market.size"]


@pytest.mark.parametrize(
    ("n", "kind", "words"),
    [
        (12, "sobol", "take n=8 or n=16 in place of 12, or kind='latin_hypercube'"),
        (0, "latin_hypercube", "n must be a whole number of at least 1, not 0"),
        (1, "grid", "at least 2, not 1"),
        (4, "soobol", "unknown kind of design 'soobol'; did you mean 'sobol'?"),
        (2_000_000, "latin_hypercube", "2,000,000 points are too many"),
    ],
)
def test_a_wrong_size_or_kind_is_refused(base, n, kind, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        design(base, ["market.openness"], n, kind)
