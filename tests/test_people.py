"""Where customers are kept: moving those who left out of the blocks must change nobody's life."""

import pickle

import numpy as np
import pandas as pd
import pytest

import crmsim as cs
from crmsim.simulation import customers, engine

CASES = [
    ("subscription", ["dunning", "win_back", "retention_call:target=risk"]),
    ("retail", ["win_back:offer=bundle", "retention_call:target=uplift,share=0.1"]),
]


@pytest.mark.parametrize(("preset", "policies"), CASES)
def test_moving_out_those_who_left_changes_no_life(monkeypatch, preset, policies):
    scenario = cs.Scenario.preset(preset).replace(population__size=3_000, population__months=30)
    monkeypatch.setattr(customers, "COMPACT_AT", 0.03)
    often = cs.simulate(scenario, policies, seed=3, events=True, follow=[7, 8, 9])
    monkeypatch.setattr(engine, "COMPACT_EVERY", 10_000)
    never = cs.simulate(scenario, policies, seed=3, events=True, follow=[7, 8, 9])
    assert len(often._people.archive) > 1 and often._people.live < 0.9 * never._people.live
    assert not never._people.archive
    # Somebody came back from among those moved out, or the test would not reach `revive`.
    assert often.monthly["returned"].sum() > 0
    pd.testing.assert_frame_equal(often.customers, never.customers)
    pd.testing.assert_frame_equal(often.lives, never.lives)
    order = ["month", "customer", "event", "amount"]
    for run in (often, never):
        assert (run.events["event"] == "returned").any()
    pd.testing.assert_frame_equal(
        often.events.sort_values(order, ignore_index=True), never.events.sort_values(order, ignore_index=True)
    )
    # Sums are added in another order: equal to the last digits only.
    np.testing.assert_allclose(often.monthly.to_numpy(), never.monthly.to_numpy(), rtol=1e-5, atol=1e-3)


def test_rows_and_columns_of_those_moved_out():
    scenario = cs.Scenario.preset("retail").replace(population__size=3_000, population__months=24)
    people = cs.simulate(scenario, [], seed=1)._people
    away = np.flatnonzero(people.slots < 0)
    assert away.size > 100
    assert np.array_equal(people.rows_of(people.all[away]), away)
    assert (people.get("active", away) == 0).all()
    before = people.get("offers", away[:5])
    people.set("offers", away[:5], before + 300)
    assert np.array_equal(people.get("offers", away[:5]), before + 300)
    assert np.array_equal(people.column("offers")[away[5:]], np.zeros(away.size - 5))
    with pytest.raises(KeyError, match="no customer 2999999"):
        people.rows_of([1, 2_999_999])


def test_a_scenario_error_crosses_process_borders():
    with pytest.raises(cs.ScenarioError) as caught:
        cs.Scenario.preset("retial")
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value) and again.errors == caught.value.errors
