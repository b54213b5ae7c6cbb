"""Experiments: cells are kept, resumed, and the same however they are made; lives are paired."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

import crmsim as cs
from crmsim.research import experiment
from crmsim.research.experiment import OUTCOMES, SERVICE_OUTCOMES, Experiment, content_mark

POLICIES = {"none": [], "dunning": ["dunning"], "call": ["retention_call:target=uplift"]}


@pytest.fixture(scope="module")
def world() -> cs.Scenario:
    return cs.Scenario.preset("subscription").replace(population__size=2_000, population__months=12)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cells")


@pytest.fixture(scope="module")
def table(world, folder) -> pd.DataFrame:
    return Experiment(POLICIES, world, 4, cache=folder).run(jobs=1, progress=False)


@pytest.fixture
def counted(monkeypatch) -> list[tuple[int, int]]:
    """Notes (policies, replication) of every simulation in this process."""
    runs = []

    def simulate(scenario, policies, seed, *, replication, **rest):
        runs.append((len(policies), replication))
        return cs.simulate(scenario, policies, seed, replication=replication, **rest)

    monkeypatch.setattr(experiment, "simulate", simulate)
    return runs


def cells_in(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*.npz")}


# --- the table ------------------------------------------------------------------------------------


def test_a_row_for_each_cell_in_order(table, world):
    assert list(table["policy"]) == [name for name in POLICIES for _ in range(4)]
    assert list(table["replication"]) == [0, 1, 2, 3] * 3
    assert set(table["baseline"]) == {"none"}
    assert set(table["scenario_hash"]) == {world.hash}
    assert set(table["version"]) == {cs.__version__}
    assert list(table.columns[-len(OUTCOMES) :]) == list(OUTCOMES)
    assert not table.isna().any().any()


def test_a_cell_is_the_run_of_the_same_name(table, world):
    run = cs.simulate(world, POLICIES["dunning"], seed=1, replication=2)
    row = table[(table["policy"] == "dunning") & (table["replication"] == 2)].iloc[0]
    summary = run.summary()
    for name in summary.index.intersection(table.columns).difference(["joined"]):
        assert row[name] == pytest.approx(summary[name], rel=1e-12), name
    customers = run.customers
    initial = customers[customers["source"] == "initial"]
    assert row["kept"] == initial["left_month"].isna().sum()
    assert row["expected_left_initial"] == pytest.approx(initial["expected_exit"].astype(float).sum())


def test_lives_are_paired_customer_by_customer(table, world):
    """Saved, harmed and gained as counted by hand from the two runs of one replication."""
    lives = {}
    for name in ("none", "call"):
        customers = cs.simulate(world, POLICIES[name], seed=1, replication=1).customers
        lives[name] = customers[customers["source"] == "initial"]
    without, with_call = lives["none"], lives["call"]
    assert (without.index == with_call.index).all()
    stays, stayed = with_call["left_month"].isna(), without["left_month"].isna()
    row = table[(table["policy"] == "call") & (table["replication"] == 1)].iloc[0]
    assert row["saved"] == (stays & ~stayed).sum() > 0
    assert row["harmed"] == (stayed & ~stays).sum()
    months = [(life["left_month"].astype(float) + 1).fillna(12) for life in (with_call, without)]
    assert row["months_gained"] == (months[0] - months[1]).sum()
    gain = (with_call["discounted_value"] - without["discounted_value"]).astype(float)
    assert row["value_gained"] == pytest.approx(gain.sum(), rel=1e-5)
    assert row["saved_value"] == pytest.approx(gain[stays & ~stayed].sum(), rel=1e-5)
    assert row["harmed_value"] == pytest.approx(gain[stayed & ~stays].sum(), abs=1e-2)
    expected = (without["expected_exit"].astype(float) - with_call["expected_exit"].astype(float)).sum()
    assert row["expected_saves"] == pytest.approx(expected)


def test_the_difference_in_those_kept_is_saved_less_harmed(table):
    kept = table.pivot(index="replication", columns="policy", values="kept")
    for name in POLICIES:
        rows = table[table["policy"] == name].set_index("replication")
        assert ((rows["saved"] - rows["harmed"]) == kept[name] - kept["none"]).all()


def test_another_baseline_reverses_the_pairs(table, world, folder):
    back = Experiment(POLICIES, world, 4, baseline="dunning", cache=folder).run(jobs=1, progress=False)
    there = table[table["policy"] == "dunning"].reset_index(drop=True)
    here = back[back["policy"] == "none"].reset_index(drop=True)
    assert (here["saved"] == there["harmed"]).all() and (here["harmed"] == there["saved"]).all()
    assert np.allclose(here["value_gained"], -there["value_gained"])
    assert (back["baseline"] == "dunning").all()


def test_expected_departures_have_the_mean_of_realised_ones(world):
    """40 replications of 2,000 with some 300 departures each: the means differ by less than 4
    standard errors. An expected number wrong by 8 % would lie another 4 standard errors away.
    """
    table = Experiment({"none": []}, world, 40, cache=False).run(jobs=1, progress=False)
    gap = table["expected_left_initial"] - (table["customers_at_start"] - table["kept"])
    error = gap.std() / np.sqrt(40)
    assert abs(gap.mean()) < 4 * error
    assert 0.08 * table["expected_left_initial"].mean() > 8 * error  # the test has this power


# --- kept, resumed, in any order ------------------------------------------------------------------


@pytest.mark.slow
def test_two_processes_give_the_same_table(table, world):
    assert_frame_equal(
        Experiment(POLICIES, world, 4, cache=False).run(jobs=2, progress=False), table, check_exact=True
    )


def test_a_finished_cell_is_not_made_again(table, world, folder, counted):
    before = cells_in(folder)
    again = Experiment(POLICIES, world, 4, cache=folder).run(jobs=1, progress=False)
    assert_frame_equal(again, table, check_exact=True)
    assert counted == []
    assert cells_in(folder) == before


def test_more_replications_cost_only_the_new_ones(table, world, folder, counted):
    more = Experiment(POLICIES, world, 5, cache=folder).run(jobs=1, progress=False)
    assert sorted(counted) == [(0, 4), (1, 4), (1, 4)]
    assert_frame_equal(more[more["replication"] < 4].reset_index(drop=True), table, check_exact=True)


def test_one_more_policy_costs_itself_and_the_baseline_to_compare_with(world, folder, table, counted):
    policies = {**POLICIES, "both": ["dunning", "quality_control"]}
    more = Experiment(policies, world, 2, cache=folder).run(jobs=1, progress=False)
    assert sorted(counted) == [(0, 0), (0, 1), (2, 0), (2, 1)]
    kept = more[(more["policy"] != "both")].reset_index(drop=True)
    assert_frame_equal(kept, table[table["replication"] < 2].reset_index(drop=True), check_exact=True)


def test_cells_made_in_another_order_are_the_same(table, world, tmp_path, monkeypatch):
    exp = Experiment(POLICIES, world, 4, cache=tmp_path)
    portions = Experiment._portions
    monkeypatch.setattr(Experiment, "_portions", lambda *args: portions(*args)[::-1])
    assert_frame_equal(exp.run(jobs=1, progress=False), table, check_exact=True)


def test_a_damaged_cell_is_made_again(world, tmp_path, counted):
    exp = Experiment({"none": []}, world, 3, cache=tmp_path)
    first = exp.run(jobs=1, progress=False)
    whole, cut, empty = sorted(cells_in(tmp_path))
    cut.write_bytes(cut.read_bytes()[:200])
    empty.write_bytes(b"")
    counted.clear()
    again = Experiment({"none": []}, world, 3, cache=tmp_path).run(jobs=1, progress=False)
    assert_frame_equal(again, first, check_exact=True)
    assert counted == [(0, 1), (0, 2)]
    assert whole.exists()


def test_other_luck_or_another_world_makes_other_cells(world, table, folder, counted):
    Experiment({"none": []}, world, 1, seed=2, cache=folder).run(jobs=1, progress=False)
    other = world.replace(churn__natural=0.0026001)
    Experiment({"none": []}, other, 1, cache=folder).run(jobs=1, progress=False)
    assert counted == [(0, 0), (0, 0)]
    counted.clear()
    renamed = world.replace(name="renamed")
    named = Experiment({"nothing": []}, renamed, 4, cache=folder).run(jobs=1, progress=False)
    assert counted == []  # names are no content
    assert set(named["policy"]) == {"nothing"} and set(named["scenario"]) == {"renamed"}


def test_clear_forgets_only_its_own_cells(world, tmp_path):
    one = Experiment({"none": []}, world, 2, cache=tmp_path)
    two = Experiment({"dunning": ["dunning"]}, world, 2, cache=tmp_path)
    one.run(jobs=1, progress=False), two.run(jobs=1, progress=False)
    one.clear()
    assert "0 of 2 runs done" in repr(one) and "2 of 2 runs done" in repr(two)


SCRIPT = """
import sys, crmsim as cs
world = cs.Scenario.preset("subscription").replace(population__size=2_000, population__months=24)
exp = cs.Experiment({"none": [], "dunning": ["dunning"]}, world, 40, cache=sys.argv[1])
exp.run(jobs=int(sys.argv[2]), progress=False)
"""


@pytest.fixture(scope="module")
def longer() -> tuple[dict, cs.Scenario]:
    """What SCRIPT asks for."""
    world = cs.Scenario.preset("subscription").replace(population__size=2_000, population__months=24)
    return {"none": [], "dunning": ["dunning"]}, world


@pytest.fixture(scope="module")
def uninterrupted(longer) -> pd.DataFrame:
    return Experiment(*longer, 40, cache=False).run(jobs=1, progress=False)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL to a process group")
@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_killed_experiment_goes_on_where_it_was(tmp_path, root, longer, uninterrupted, jobs):
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(tmp_path), str(jobs)],
        cwd=root,
        start_new_session=True,
        stderr=subprocess.PIPE,
    )
    while len(cells_in(tmp_path)) < 10 and process.poll() is None:
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGKILL)
    _, said = process.communicate()
    survived = cells_in(tmp_path)
    assert 10 <= len(survived) < 80, said.decode()  # it was killed in the middle
    resumed = Experiment(*longer, 40, cache=tmp_path).run(jobs=1, progress=False)
    after = cells_in(tmp_path)
    assert len(after) == 80
    assert {path: after[path] for path in survived} == survived  # none was written again
    assert_frame_equal(resumed, uninterrupted, check_exact=True)


def test_stopping_by_hand_keeps_what_is_finished(world, tmp_path, monkeypatch):
    def simulate(scenario, policies, seed, *, replication, **rest):
        if replication == 2:
            raise KeyboardInterrupt
        return cs.simulate(scenario, policies, seed, replication=replication, **rest)

    exp = Experiment(
        {"none": []}, world.replace(population__size=400_000, population__months=1), 4, cache=tmp_path
    )
    monkeypatch.setattr(experiment, "simulate", simulate)
    monkeypatch.setattr(experiment, "_PORTION", 1)
    with pytest.raises(KeyboardInterrupt):
        exp.run(jobs=1, progress=False)
    assert len(cells_in(tmp_path)) == 2
    assert list(exp.table["replication"]) == [0, 1]


# --- monthly series -------------------------------------------------------------------------------


def test_monthly_series_are_means_and_quantiles_over_replications(world, folder, table):
    exp = Experiment(POLICIES, world, 4, cache=folder)
    series = exp.monthly(["customers", "kept", "left_competitive"])
    assert len(series) == 3 * 3 * 12
    runs = [cs.simulate(world, ["dunning"], seed=1, replication=r).monthly["customers"] for r in range(4)]
    part = series[(series["policy"] == "dunning") & (series["measure"] == "customers")]
    assert list(part["month"]) == list(range(12))
    assert np.allclose(part["mean"], np.mean(runs, axis=0))
    assert np.allclose(part["low"], np.quantile(runs, 0.025, axis=0))
    assert np.allclose(part["high"], np.quantile(runs, 0.975, axis=0))
    kept = series[(series["measure"] == "kept") & (series["month"] == 11)].set_index("policy")["mean"]
    for name in POLICIES:
        assert kept[name] == table.loc[table["policy"] == name, "kept"].mean()
    assert set(exp.monthly()["measure"]) >= {"kept", "revenue", "satisfaction", "share_action"}


def test_monthly_says_what_is_missing(world, folder, table):
    with pytest.raises(ValueError, match="3 cells have not been run"):
        Experiment({"none": []}, world, 3, seed=77, cache=False).monthly()
    with pytest.raises(ValueError, match="unknown measure 'custmers'; known: kept, customers"):
        Experiment(POLICIES, world, 4, cache=folder).monthly(["custmers"])
    one = Experiment(POLICIES, world, 1, cache=folder).monthly(["kept"])
    assert one["low"].isna().all() and one["mean"].notna().all()


# --- what a user can do wrong ---------------------------------------------------------------------


@dataclass(frozen=True)
class Picky:
    """A campaign of one's own that goes wrong."""

    fault: str
    name: str = "picky"

    def offers(self, view):
        if self.fault == "zero" and view.month == 3:
            return cs.Offers(view.id[: 1 // 0], "call", 1.0)
        if self.fault == "stranger":
            return cs.Offers(np.array([123_456]), "call", 1.0)
        if self.fault == "nothing":
            return None
        return cs.Offers(view.id[:10], "call", 1.0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "jobs", "words"),
    [
        ("zero", 1, "ZeroDivisionError.*\nin line .*test_experiment.py: .*1 // 0"),
        ("zero", 2, "ZeroDivisionError.*\nin line .*test_experiment.py: .*1 // 0"),
        ("stranger", 1, "month 0: no customer 123456"),
        ("nothing", 1, "must return Offers, not NoneType"),
    ],
)
def test_an_error_of_a_policy_names_its_cell(world, fault, jobs, words):
    exp = Experiment({"none": [], "mine": [Picky(fault)]}, world, 2, cache=False)
    with pytest.raises(
        cs.PolicyError, match=f"^policy 'mine', scenario 'subscription', replication [01]: .*{words}"
    ):
        exp.run(jobs=jobs, progress=False)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"policies": {}}, cs.PolicyError, "give names and lists"),
        ({"policies": ["dunning"]}, cs.PolicyError, "give names and lists"),
        ({"policies": {3: []}}, cs.PolicyError, "a name must be a word, not 3"),
        ({"policies": {"a": ["duning"]}}, cs.PolicyError, "policy 'a' in scenario .*did you mean 'dunning'"),
        ({"policies": {"a": [7]}}, cs.PolicyError, "policy 'a' in scenario 'subscription': 7 is no policy"),
        ({"baseline": "non"}, cs.PolicyError, "baseline 'non' is none of the policies none, dunning"),
        ({"scenarios": []}, cs.ScenarioError, "none is given"),
        ({"scenarios": "subscribtion"}, cs.ScenarioError, "did you mean 'subscription'"),
        ({"scenarios": ["subscription", "subscription"]}, cs.ScenarioError, "two scenarios have this name"),
        ({"replications": 0}, ValueError, "at least 1, not 0"),
        ({"replications": 2.5}, ValueError, "at least 1, not 2.5"),
        ({"seed": -1}, ValueError, "seed must be from 0"),
    ],
)
def test_wrong_arguments_are_told_at_once(arguments, error, words):
    right = {"policies": {"none": [], "dunning": ["dunning"]}, "scenarios": "subscription", "cache": False}
    with pytest.raises(error, match=words):
        Experiment(**{**right, **arguments})


def test_jobs_must_be_a_number(world):
    exp = Experiment({"none": []}, world, 1, cache=False)
    for jobs in (0, 1.5, True):
        with pytest.raises(ValueError, match="jobs must be"):
            exp.run(jobs=jobs)


# --- a user's own policies ------------------------------------------------------------------------

MAIN = """
import sys, numpy as np, crmsim as cs

def first(view, number):
    return view.id[:number]

class Mine:
    name = "mine"
    def __init__(self, number):
        self.number = number
    def offers(self, view):
        return cs.Offers(first(view, self.number), "call", 1.0)

world = cs.Scenario.preset("subscription").replace(population__size=500, population__months=4)
exp = cs.Experiment({"none": [], "mine": [Mine(7)]}, world, 4, cache=False)
if sys.argv[1:] == ["run"]:
    table = exp.run(jobs=2, progress=False)
    assert list(table["offers"]) == [0] * 4 + [28] * 4, table
print(exp._folders[0, "mine"].name)
"""


@pytest.mark.slow
def test_a_class_of_ones_own_defined_in_a_script_works_in_workers(root, tmp_path):
    script = tmp_path / "mine.py"
    environment = {**os.environ, "PYTHONPATH": str(root)}
    marks = []
    for text, *run in ((MAIN, "run"), (MAIN,), (MAIN.replace("id[:number]", "id[-number:]"),)):
        script.write_text(text)
        done = subprocess.run(
            [sys.executable, str(script), *run], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        marks.append(done.stdout.strip())
    # the same code makes the same cells in another process, changed code others
    assert marks[0] == marks[1] != marks[2]


def campaign(body: str, before: str = "", fields: str = ""):
    """An object of a class written by a user with this code."""
    text = f"""
import numpy as np
import crmsim as cs
{before}
class Mine:
    name = "mine"
    {fields}
    def offers(self, view):
        {body}
"""
    scope = {"__name__": "__main__"}
    exec(textwrap.dedent(text), scope)
    return scope["Mine"]()


def test_the_mark_follows_what_a_policy_is_made_of():
    plain = campaign("return cs.Offers(view.id[:5], 'call', 1.0)")
    assert content_mark(plain) == content_mark(campaign("return cs.Offers(view.id[:5], 'call', 1.0)"))
    others = [
        campaign("return cs.Offers(view.id[:6], 'call', 1.0)"),
        campaign("return cs.Offers(view.id[:5], 'gift', 1.0)"),
        campaign("return cs.Offers(view.id[:5], 'call', 1.0)", fields="size = 3"),
        campaign("return cs.Offers(pick(view), 'call', 1.0)", before="def pick(v): return v.id[:5]"),
        campaign("return cs.Offers(pick(view), 'call', 1.0)", before="def pick(v): return v.id[:6]"),
        campaign("return cs.Offers(view.id[:K], 'call', 1.0)", before="K = 5"),
        campaign("return cs.Offers(view.id[:K], 'call', 1.0)", before="K = 6"),
        campaign("return cs.Offers(view.id[:max(A)], 'call', 1.0)", before="A = np.array([1, 5])"),
        campaign("return cs.Offers(view.id[:max(A)], 'call', 1.0)", before="A = np.array([2, 5])"),
    ]
    assert len({content_mark(p) for p in [plain, *others]}) == 10
    with_state = campaign("return cs.Offers(view.id[:5], 'call', 1.0)")
    with_state.chosen = np.arange(3)
    assert content_mark(with_state) != content_mark(plain)


def test_the_mark_of_library_policies_is_their_parameters():
    marks = {
        content_mark(x)
        for x in (
            cs.Dunning(),
            cs.Dunning(start=1),
            cs.Budget(cs.RetentionCall(), per_month=10),
            cs.Budget(cs.RetentionCall(), per_month=11),
            cs.Programme(moves=(cs.Change("value.price", multiply=0.9),)),
            cs.Programme(moves=(cs.Change("value.price", multiply=0.8),)),
            cs.Programme(costs=cs.Cost(fixed=1)),
        )
    }
    assert len(marks) == 7 and None not in marks
    assert content_mark(cs.Dunning()) == content_mark(cs.policy("dunning"))


def test_a_policy_of_unknown_content_runs_but_is_not_kept(world, tmp_path):
    import threading

    import dill  # noqa: F401  (comes with lifetimes; teaches pickle to take a lock)

    odd = campaign("return cs.Offers(view.id[:5], 'call', 1.0)")
    odd.lock = threading.Lock()
    assert content_mark(odd) is None
    policies = {"none": [], "odd": [odd]}
    with pytest.warns(UserWarning, match="policy 'odd': .* are not kept"):
        first = Experiment(policies, world, 1, cache=tmp_path)
    first.run(jobs=1, progress=False)
    with pytest.warns(UserWarning):
        second = Experiment(policies, world, 1, cache=tmp_path)
    assert "1 of 2 runs done" in repr(second)


def test_none_takes_the_policies_of_the_scenario_file(world):
    own = world.replace(policies=[{"name": "dunning"}])
    table = Experiment({"none": [], "file": None}, own, 1, cache=False).run(jobs=1, progress=False)
    assert list(table["policy_cost"] > 0) == [False, True]


def test_several_scenarios_share_the_luck(world):
    dear = world.replace(name="dear", acquisition__cost=300)
    table = Experiment({"none": []}, [world, dear], 2, cache=False).run(jobs=1, progress=False)
    assert list(table["scenario"]) == ["subscription"] * 2 + ["dear"] * 2
    plain, costly = table[:2].reset_index(), table[2:].reset_index()
    assert (plain["kept"] == costly["kept"]).all()
    assert (plain["acquisition_cost"] < costly["acquisition_cost"]).all()


# --- with a service desk --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def water() -> cs.Scenario:
    return cs.Scenario.preset("water_utility").replace(
        population__size=1_500, population__months=4, policies=()
    )


@pytest.fixture(scope="module")
def served(water, folder) -> Experiment:
    exp = Experiment({"none": [], "agents": ["hire_agents:agents=2"]}, water, 2, cache=folder)
    exp.run(jobs=1, progress=False)
    return exp


def test_service_outcomes_are_those_of_the_attempts(water, served):
    """Each from the single attempts of the same run, not from its monthly figures."""
    table = served.table
    assert list(table.columns[-len(SERVICE_OUTCOMES) :]) == list(SERVICE_OUTCOMES)
    run = cs.simulate(water, ["hire_agents:agents=2"], seed=1, replication=1, events=True)
    row = table[(table["policy"] == "agents") & (table["replication"] == 1)].iloc[0]
    calls, jobs = run.contacts("hotline"), run.records().jobs
    answered = calls[calls["record_type"] == "service"]
    waits = 3600 * answered["waiting_time"]
    first = calls[calls["attempt"] == 1]
    met = calls[calls["record_type"] != "closed"]
    solved = sum(int(month.resolved.sum()) for month in run.station("hotline"))
    assert row["contacts"] == pytest.approx(1000 * len(first) / run.monthly["at_risk"].sum())
    assert row["wait"] == pytest.approx(waits.mean(), rel=1e-6)
    assert row["abandoned_share"] == pytest.approx((met["record_type"] == "renege").mean())
    level = water.service.service_level
    assert row["service_level"] == pytest.approx((waits <= level).mean(), abs=1e-9)
    assert row["solved_share"] == pytest.approx(solved / len(first))
    assert row["repairs_late_share"] == pytest.approx((~jobs["in_time"]).mean())
    assert row["formal_complaints"] == len(run.records().letters)
    assert row["utilisation"] == pytest.approx(run.service["utilisation"].mean())
    assert row[list(SERVICE_OUTCOMES)].notna().all()


def test_the_desk_s_months_are_among_the_monthly_measures(water, served):
    series = served.monthly(["wait", "jobs", "satisfaction"])
    assert len(series) == 2 * 3 * 4
    waits = [cs.simulate(water, [], seed=1, replication=r).service["wait"] for r in range(2)]
    part = series[(series["policy"] == "none") & (series["measure"] == "wait")]
    assert np.allclose(part["mean"], np.mean(waits, axis=0))


def test_a_world_without_a_desk_beside_one_has_no_service_outcomes(water, folder):
    quiet = water.replace(name="quiet", service__desk="none")
    exp = Experiment({"none": []}, [water, quiet], 1, cache=folder)
    table = exp.run(jobs=1, progress=False)
    with_desk = table.set_index("scenario")[list(SERVICE_OUTCOMES)].notna()
    assert with_desk.loc["water_utility"].all() and not with_desk.loc["quiet"].any()
    assert set(exp.monthly(["calls", "customers"]).groupby("scenario").size().items()) == {
        ("water_utility", 8),
        ("quiet", 4),
    }
    assert not set(SERVICE_OUTCOMES) & set(Experiment({"none": []}, quiet, 1, cache=folder).table)


def test_nobody_who_calls_leaves_shares_open(water, tmp_path):
    """No customers: nothing to divide by, and no error."""
    nobody = water.replace(population__months=2, population__initial_share=0, acquisition__external=0)
    exp = Experiment({"none": []}, nobody, 1, cache=tmp_path)
    row = exp.run(jobs=1, progress=False).iloc[0]
    assert row["wait":"service_level"].isna().all() and row["formal_complaints"] == 0
    assert exp.monthly(["wait"])["mean"].isna().all()
