"""Optimisation: a known optimum is found, hold-out luck is other luck, a stopped search goes on."""

import math
import sqlite3
from dataclasses import dataclass

import numpy as np
import optuna
import pytest

from crmsim.research import optimise as module
from crmsim.research.optimise import HOLDOUT, difference_interval, mean_interval, optimise, split_budget
from crmsim.simulation.engine import simulate
from crmsim.simulation.nulls import quiet
from crmsim.simulation.policies import Budget, Change, Cost, Dunning, PolicyError, Programme, RetentionCall
from crmsim.simulation.scenario import Scenario

QUIET = {"progress": False, "threads": 1}


def world(**changes):
    small = {"population__size": 300, "population__months": 6}
    return Scenario.preset("subscription").replace(**small | changes)


def call(share):
    return RetentionCall(target="value", share=share)


def test_the_result_is_what_the_simulation_gives():
    found = optimise(
        world(), call, {"share": (0.0, 0.5)}, trials=4, replications=2, holdout_replications=3,
        fixed={"a tenth": RetentionCall(share=0.1), "reminders": "dunning"}, **QUIET,
    )  # fmt: skip
    assert len(found.trials) == 4 and found.trials["value"].max() == pytest.approx(
        found.training["found"].mean()
    )
    assert found.params["share"] == found.trials.loc[found.trials["value"].idxmax(), "share"]
    assert found.holdout.index.tolist() == [HOLDOUT, HOLDOUT + 1, HOLDOUT + 2]
    assert found.training.index.tolist() == [0, 1]
    for r in (0, HOLDOUT + 1):
        table = found.training if r < HOLDOUT else found.holdout
        for name, policies in (("found", [call(**found.params)]), ("none", []), ("reminders", [Dunning()])):
            assert table.loc[r, name] == simulate(world(), policies, seed=1, replication=r).equity
    row = found.table.loc["found"]
    assert row["optimism"] == pytest.approx(row["training_gain"] - row["gain"])
    gains = found.holdout["found"] - found.holdout["none"]
    assert (row["gain"], row["low"], row["high"]) == mean_interval(gains)
    best = found.training[["a tenth", "reminders"]].mean().idxmax()
    assert found.best_fixed == best
    assert found.over_fixed == mean_interval(found.holdout["found"] - found.holdout[best])
    assert "over" in repr(found) and "share=" in repr(found)


@pytest.mark.parametrize("outcome", ["kept", "saved"])
def test_other_outcomes(outcome):
    found = optimise(
        world(), call, {"share": (0.0, 1.0)}, outcome, trials=2, replications=1, holdout_replications=1,
        **QUIET,
    )  # fmt: skip
    with_it = simulate(world(), [call(**found.params)], seed=1).customers.query("source == 'initial'")
    stay = with_it["left_month"].isna()
    if outcome == "saved":
        stay &= (
            simulate(world(), [], seed=1)
            .customers.query("source == 'initial'")["left_month"]
            .notna()
            .to_numpy()
        )
    assert found.training["found"].iloc[0] == stay.sum()


def test_what_is_to_be_low():
    found = optimise(
        world(), call, {"share": (0.0, 1.0)}, lambda run: float(run.monthly["policy_cost"].sum()), trials=5,
        replications=1, holdout_replications=1, maximise=False, **QUIET,
    )  # fmt: skip
    assert found.params["share"] == found.trials["share"].min()


def test_spaces():
    def build(target, pause, share):
        return RetentionCall(target=target, pause=pause, share=share)

    space = {"target": ["risk", "value"], "pause": (1, 9), "share": (0.001, 1.0, "log")}
    found = optimise(world(), build, space, trials=6, replications=1, holdout_replications=1, **QUIET)
    assert set(found.trials["target"]) <= {"risk", "value"} and found.trials["pause"].between(1, 9).all()
    assert found.trials["pause"].dtype.kind == "i" and (found.trials["share"] < 0.1).any()


def trials_of(found):
    return found.trials.to_csv()


def test_a_stopped_search_goes_on_as_if_it_had_not_stopped(tmp_path, monkeypatch):
    def search(trials, storage=None, **how):
        sizes = {"replications": 1, "holdout_replications": 1} | QUIET
        return optimise(world(), call, {"share": (0.0, 1.0)}, trials=trials, storage=storage, **sizes | how)

    plain = search(14)
    file = tmp_path / "search.db"
    values = module._Bench.values
    calls = []

    def stop(self, policies, lucks):
        calls.append(policies)
        if len(calls) == 13:  # one for no policy, eleven trials, and in the middle of the twelfth
            raise KeyboardInterrupt
        return values(self, policies, lucks)

    monkeypatch.setattr(module._Bench, "values", stop)
    with pytest.raises(KeyboardInterrupt):
        search(14, file)
    monkeypatch.undo()
    states = [s for (s,) in sqlite3.connect(file).execute("select state from trials")]
    assert states.count("COMPLETE") == 11 and states.count("RUNNING") == 1
    assert trials_of(search(14, file)) == trials_of(plain)
    # nothing is searched again, and fewer trials are the first ones
    monkeypatch.setattr(optuna.Study, "ask", None)
    assert trials_of(search(14, file)) == trials_of(plain)
    assert trials_of(search(5, file)) == plain.trials.head(5).to_csv()
    with pytest.raises(TypeError):
        search(14, file, seed=2)  # another search in the same file


def test_a_search_that_cannot_be_told_from_others_is_not_resumed(tmp_path):
    secret = (number for number in range(9))  # a generator: its content cannot be told

    def build(share):
        assert secret
        return call(share)

    sizes = {"trials": 2, "replications": 1, "holdout_replications": 1} | QUIET
    for _ in range(2):
        with pytest.warns(UserWarning, match="cannot be resumed"):
            optimise(world(), build, {"share": (0.0, 1.0)}, storage=tmp_path / "new" / "a.db", **sizes)
    states = sqlite3.connect(tmp_path / "new" / "a.db").execute("select count(*) from trials").fetchone()
    assert states == (4,)


def test_what_cannot_be():
    space = {"share": (0.0, 1.0)}
    with pytest.raises(ValueError, match="unknown outcome 'profit'"):
        optimise(world(), call, space, "profit", **QUIET)
    for bad in ({}, {"share": (1.0, 0.0)}, {"share": 0.5}, {"share": []}, {"share": (0.0, 1.0, "log")}):
        with pytest.raises(ValueError, match="space"):
            optimise(world(), call, bad, **QUIET)
    with pytest.raises(PolicyError, match=r"build\(share=1.*share must be"):
        optimise(world(), call, {"share": (1.5, 2.0)}, **QUIET)
    with pytest.raises(ValueError, match="trials must be"):
        optimise(world(), call, space, trials=0, **QUIET)
    with pytest.raises(ValueError, match="'none' is taken"):
        optimise(world(), call, space, fixed={"none": []}, **QUIET)
    with pytest.raises(ValueError, match="total"):
        split_budget(world(), {"call": call}, 0.0)


def test_intervals():
    assert mean_interval([1.0, 3.0])[0] == 2 and math.isnan(mean_interval([1.0])[1])
    # t of 1 degree of freedom at 97.5 % is 12.706
    assert mean_interval([1.0, 3.0])[2] == pytest.approx(2 + 12.7062)
    one, other = np.arange(10.0), np.arange(10.0) * 2
    found = difference_interval(one, other)
    from scipy.stats import ttest_ind

    known = ttest_ind(one, other, equal_var=False).confidence_interval()
    assert found == pytest.approx((-4.5, known.low, known.high))


# -- a budget ----------------------------------------------------------------------------------------------


def test_a_split_spends_what_there_is():
    given = []

    def calls(money):
        given.append(money)
        return Budget(RetentionCall(share=1.0), per_month=money)

    sizes = {"trials": 3, "replications": 1, "holdout_replications": 1} | QUIET
    found = split_budget(world(), {"one": calls, "other": calls}, 50.0, **sizes)
    assert list(found.split.index) == ["one", "other", "kept back"]
    assert found.split.sum() == pytest.approx(50.0) and found.split.min() >= 0
    assert set(found.holdout) == {"found", "none", "all on one", "all on other", "equal parts"}
    assert 50.0 in given and 25.0 in given
    found = split_budget(world(), {"one": calls, "other": calls}, 50.0, spend_all=True, **sizes)
    assert list(found.split.index) == ["one", "other"] and found.split.sum() == pytest.approx(50.0)


def test_splits_are_drawn_evenly():
    """With three parts each share is beta(1, 2): mean 1/3, a ninth of them above 2/3."""
    builder = module._Split((("a", call), ("b", call)), 1.0, False)
    u = np.random.default_rng(1).random((4000, 3))
    shares = np.array([list(builder.money(dict(zip(builder.parts, row, strict=True))).values()) for row in u])
    assert shares.mean(axis=0) == pytest.approx([1 / 3] * 3, abs=0.012)
    assert (shares > 2 / 3).mean() == pytest.approx(1 / 9, abs=0.01)


# -- known answers -----------------------------------------------------------------------------------------

LIFT, COST, MARGIN = 0.5, 0.05, 0.4


@dataclass(frozen=True, kw_only=True)
class Effort(Programme):
    """Effort raises buying with diminishing returns and costs in proportion."""

    ramp: int = 0

    def changes(self, scenario):
        return (Change("purchase.light_boost", add=LIFT), Change("purchase.heavy_boost", add=LIFT))

    def cost(self, scenario):
        return Cost(per_customer=COST * self.effort)


@pytest.mark.slow
def test_a_known_optimum_is_found():
    """Nobody comes or goes: profit a bill is MARGIN (1 + LIFT s(e)) - COST e, s the programme's strength,
    so the best effort is log(MARGIN LIFT / ((1 - 1/e) COST))."""
    known = math.log(MARGIN * LIFT / ((1 - math.exp(-1)) * COST))
    still = quiet(2000, 12, purchase__margin=MARGIN, purchase__cost_to_serve=0, population__complaint_sd=0)
    found = optimise(
        still, lambda effort: Effort(effort=effort), {"effort": (0.0, 6.0)}, trials=40, replications=2,
        holdout_replications=5, fixed={"known": Effort(effort=known)}, **QUIET,
    )  # fmt: skip
    assert found.params["effort"] == pytest.approx(known, abs=0.25)
    gain = found.table["gain"]
    assert gain["found"] > 0.985 * gain["known"]


@pytest.mark.slow
def test_the_winner_of_a_search_owes_part_to_luck():
    """Of many random lists of names of the same worth, the best on one luck is not better on another."""

    def names(number):
        @dataclass(frozen=True)
        class Drawn:
            name = "drawn"
            number: int

            def runs_in(self, month):
                return month == 0

            def offers(self, view):
                from crmsim.simulation.policies import Offers

                chosen = np.random.default_rng(self.number).permutation(len(view))[: len(view) // 2]
                return Offers(view.id[np.sort(chosen)], "call", 0.0)

        return Drawn(number)

    small = world(
        population__size=150, population__months=4, population__response_sd=1.0, churn__competitive=0.03
    )
    off = []
    for seed in range(12):
        found = optimise(
            small, names, {"number": (0, 9999)}, "kept", trials=12, replications=1, holdout_replications=3,
            seed=seed, **QUIET,
        )  # fmt: skip
        off.append(found.table.loc["found", "optimism"])
    mean, low, _ = mean_interval(off)
    assert low > 0, (mean, low)
