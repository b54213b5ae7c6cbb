"""Studies: from one file, streamed, resumed after a kill, the same wherever the cells are made."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

import crmsim as cs
from crmsim import cli
from crmsim.research import experiment, study, workers
from crmsim.research.designs import design, scenarios_of
from crmsim.research.experiment import OUTCOMES, Experiment
from crmsim.research.study import Study, StudyError

POLICIES = {"none": [], "dunning": ["dunning"]}
DESIGN = {
    "kind": "sobol",
    "n": 4,
    "parameters": {"market.openness": (0.2, 1), "churn.natural": (0.001, 0.01)},
}
SMALL = {"population": {"size": 300, "months": 4}, "replications": 2}


def small(**changes) -> Study:
    """2 policies x 2 scenarios x 4 points x 2 replications."""
    scenarios = ["subscription", {"base": "subscription", "name": "dear", "acquisition": {"cost": 300}}]
    given = {"policies": POLICIES, "scenarios": scenarios, "design": DESIGN, **SMALL, **changes}
    return Study(**given)


def run(made: Study, folder: Path) -> Study:
    return made.run(folder, jobs=1, progress=False)


def result(folder: Path) -> bytes:
    return (folder / "results.parquet").read_bytes()


@pytest.fixture(scope="module")
def done(tmp_path_factory) -> Study:
    return run(small(), tmp_path_factory.mktemp("done") / "out")


@pytest.fixture
def counted(monkeypatch) -> list[tuple[str, int, int]]:
    """Notes (scenario, policies, replication) of every simulation in this process."""
    runs = []

    def simulate(scenario, policies, seed, *, replication, **rest):
        runs.append((scenario.name, len(policies), replication))
        return cs.simulate(scenario, policies, seed, replication=replication, **rest)

    monkeypatch.setattr(experiment, "simulate", simulate)
    return runs


# --- the table ------------------------------------------------------------------------------------


def test_a_row_for_each_cell_in_the_order_of_the_study(done):
    table = done.table
    assert len(table) == done.cells == 32
    names = [f"{name}#{k:04d}" for name in ("subscription", "dear") for k in range(4)]
    assert list(table["scenario"]) == [n for n in names for _ in range(4)]
    assert list(table["policy"]) == ["none", "none", "dunning", "dunning"] * 8
    assert list(table["replication"]) == [0, 1] * 16
    assert list(table["base"]) == ["subscription"] * 16 + ["dear"] * 16
    assert set(table["version"]) == {cs.__version__} and table["source"].nunique() == 1
    assert not table.isna().any().any()


def test_its_cells_are_those_of_an_experiment(done):
    """With each point's scenario made by hand."""
    base = cs.Scenario.preset("subscription").replace(population__size=300, population__months=4)
    points = design(base, DESIGN["parameters"], 4)
    exp = Experiment(POLICIES, scenarios_of(base, points), 2, cache=False)
    table = done.table[done.table["base"] == "subscription"].reset_index(drop=True)
    expected = exp.run(jobs=1, progress=False)
    assert_frame_equal(table[list(expected)], expected, check_exact=True)
    assert [exp._folders[s, "dunning"].name for s in range(4)] == list(table["cell"][2::4])
    at = points.loc[table["point"]].reset_index(drop=True)
    assert_frame_equal(table[list(points)], at, check_exact=True)


def test_sql_reads_the_results(done):
    found = done.query(
        'select policy, round("market.openness", 1) as openness, avg(equity) as equity, count(*) as n '
        "from results group by 1, 2 order by 1, 2"
    )
    table = done.table
    mean = table[table["policy"] == "dunning"].groupby(table["market.openness"].round(1))["equity"].mean()
    rows = found[found["policy"] == "dunning"]
    assert np.allclose(rows["equity"], mean) and rows["n"].sum() == 16


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("select equty from results", '"equty" not found(.|\n)*"equity"'),
        ("select * from result", 'Did you mean "results"'),
        ("select market.openness from results", 'stands in double quotes: "market.openness"'),
        (" ", "nothing is asked"),
    ],
)
def test_sql_that_is_wrong_is_told(done, sql, words):
    with pytest.raises(ValueError, match=words):
        done.query(sql)


SERIES = {
    "monthly": ["left", "kept", "wait"], "scenarios": ["subscription", "water_utility"], "design": None,
    "population": {"size": 60, "months": 3},
}  # fmt: skip


@pytest.fixture(scope="module")
def with_series(tmp_path_factory) -> Study:
    """Two policies x two scenarios, one with a service desk, x two replications of three months."""
    return run(small(**SERIES), tmp_path_factory.mktemp("series"))


def test_monthly_series_are_those_of_an_experiment(with_series):
    monthly = with_series.monthly
    assert list(monthly) == ["scenario", "policy", "replication", "cell", "month", "left", "kept", "wait"]
    keys = monthly[["scenario", "policy", "replication"]].drop_duplicates().reset_index(drop=True)
    assert_frame_equal(keys, with_series.table[list(keys)])
    assert list(monthly["month"]) == [0, 1, 2] * 8
    worlds = [base.replace(population__size=60, population__months=3) for base in
              map(cs.Scenario.preset, ("subscription", "water_utility"))]  # fmt: skip
    exp = Experiment(POLICIES, worlds, 2, cache=False)
    exp.run(jobs=1, progress=False)
    mean = monthly.groupby(["scenario", "policy", "month"])[["left", "kept", "wait"]].mean()
    for (scenario, policy, measure), rows in exp.monthly(["left", "kept", "wait"]).groupby(
        ["scenario", "policy", "measure"]
    ):
        assert np.array_equal(mean.loc[scenario, policy][measure], rows["mean"], equal_nan=True)
    assert monthly.loc[monthly["scenario"] == "subscription", "wait"].isna().all()
    assert monthly.loc[monthly["scenario"] == "water_utility", "wait"].notna().any()
    asked = with_series.query(
        "select sum(m.left) as a, (select sum(r.left) from results r) as b from monthly m"
    )
    assert asked["a"].item() == asked["b"].item() > 0


def test_a_study_without_series_has_the_same_results_and_says_so(with_series, tmp_path):
    without = run(small(**SERIES | {"monthly": None}), tmp_path)
    assert result(tmp_path) == result(with_series.folder)
    assert not (tmp_path / "monthly.parquet").exists()
    with pytest.raises(ValueError, match="keeps no monthly series; name some"):
        _ = without.monthly
    with pytest.raises(
        StudyError, match=r"holds another study(.|\n)*monthly\.0: nothing there, \"left\" here"
    ):
        small(**SERIES).open(tmp_path)
    with pytest.raises(StudyError, match="monthly: unknown monthly series 'lefd'; did you mean 'left'"):
        small(monthly=["lefd"])
    with pytest.raises(StudyError, match="monthly: a list of names is needed"):
        small(monthly="left")


def test_series_go_on_where_they_were_and_lost_ones_are_made_again(
    with_series, tmp_path, monkeypatch, counted
):
    simulate = experiment.simulate

    def stop(scenario, policies, seed, **rest):
        if scenario.name == "water_utility" and scenario.population.size > 1:
            raise KeyboardInterrupt
        return simulate(scenario, policies, seed, **rest)

    monkeypatch.setattr(study, "_MOST_CELLS", 1)
    monkeypatch.setattr(experiment, "simulate", stop)
    with pytest.raises(KeyboardInterrupt):
        run(small(**SERIES), tmp_path)
    half = small(**SERIES).open(tmp_path)
    assert_frame_equal(half.monthly, with_series.monthly[:12], check_exact=True)
    half.compact()
    monkeypatch.setattr(experiment, "simulate", simulate)
    made = small(**SERIES)
    counted.clear()
    run(made, tmp_path)
    assert len(counted) == 4
    series = (with_series.folder / "monthly.parquet").read_bytes()
    assert result(tmp_path) == result(with_series.folder)
    assert (tmp_path / "monthly.parquet").read_bytes() == series
    (tmp_path / "monthly.parquet").write_bytes(series[:100])
    with pytest.warns(UserWarning, match=r"monthly\.parquet is damaged; its cells are made again"):
        run(made, tmp_path)
    assert len(counted) == 4 + 8 and (tmp_path / "monthly.parquet").read_bytes() == series
    assert result(tmp_path) == result(with_series.folder)


def test_policies_are_compared_at_each_point(done):
    comparison = cs.compare(done.table).table
    kept = comparison[comparison["measure"] == "kept"]
    assert len(kept) == 8 and set(kept["replications"]) == {2}
    rows = done.table[done.table["scenario"] == "dear#0002"].pivot(
        index="replication", columns="policy", values="kept"
    )
    effect = kept.set_index("scenario").loc["dear#0002", "effect"]
    assert effect == (rows["dunning"] - rows["none"]).mean()


def test_when_and_where_stand_apart_from_the_table(done):
    log = done.log
    assert list(log.columns) == ["scenario", "policy", "replication", "cell", "ended", "seconds", "worker"]
    assert_frame_equal(log[["scenario", "policy", "replication", "cell"]], done.table[list(log.columns[:4])])
    assert (log["seconds"] > 0).all()
    ago = pd.Timestamp.now("UTC").tz_localize(None) - log["ended"]
    assert ago.between(pd.Timedelta(0), pd.Timedelta(hours=1)).all()
    assert not {"ended", "seconds", "worker"} & set(done.table)


def test_outcomes_can_be_chosen_and_a_study_needs_no_design(tmp_path):
    made = run(small(design=None, outcomes=["equity", "kept"]), tmp_path)
    assert list(made.table.columns[-4:]) == ["kept", "equity", "source", "cell"]
    assert "point" not in made.table and list(made.table["scenario"].unique()) == ["subscription", "dear"]


def test_the_folder_explains_itself(done, root, tmp_path):
    about = json.loads((done.folder / "study.json").read_text())
    assert about["study"]["design"]["parameters"]["market.openness"] == [0.2, 1]
    assert about["study"]["scenarios"]["dear"]["acquisition"]["cost"] == 300
    assert sorted(p.name for p in done.folder.iterdir()) == [
        ".lock", "log.parquet", "parts", "results.parquet", "study.json",
    ]  # fmt: skip
    assert not list((done.folder / "parts").iterdir())
    with pytest.raises(ValueError, match="no results yet"):
        _ = small().table
    assert_frame_equal(small().open(done.folder).table, done.table)


# --- kept, resumed, in any order ------------------------------------------------------------------


def test_a_finished_study_makes_no_cell_and_writes_nothing(done, counted):
    before = {p: p.stat().st_mtime_ns for p in done.folder.iterdir() if p.suffix == ".parquet"}
    run(small(), done.folder)
    assert counted == []
    assert {p: p.stat().st_mtime_ns for p in before} == before


def test_cells_in_another_order_and_in_many_parts_give_the_same_bytes(done, tmp_path, monkeypatch):
    portions = Study._portions
    monkeypatch.setattr(study, "_MOST_CELLS", 3)
    monkeypatch.setattr(study, "_FLUSH_CELLS", 1)
    monkeypatch.setattr(Study, "_portions", lambda *args: iter(list(portions(*args))[::-1]))
    written = []
    add = study.StudyFolder.add
    monkeypatch.setattr(
        study.StudyFolder, "add", lambda store, frame: (written.append(len(frame)), add(store, frame))
    )
    run(small(), tmp_path)
    assert result(tmp_path) == result(done.folder)
    assert len(written) >= 8 and sum(written) == 32


def test_a_stopped_study_goes_on_where_it_was(done, tmp_path, monkeypatch, counted):
    simulate = experiment.simulate

    def stop(scenario, policies, seed, *, replication, **rest):
        if scenario.name == "dear#0001":
            raise KeyboardInterrupt
        return simulate(scenario, policies, seed, replication=replication, **rest)

    monkeypatch.setattr(study, "_MOST_CELLS", 2)
    monkeypatch.setattr(experiment, "simulate", stop)
    with pytest.raises(KeyboardInterrupt):
        run(small(), tmp_path)
    half = small().open(tmp_path)
    assert len(half.table) == 20
    assert_frame_equal(half.table, done.table[:20], check_exact=True)
    half.compact()
    assert len(pd.DataFrame(half.log)) == 20 and not list((tmp_path / "parts").iterdir())
    monkeypatch.setattr(experiment, "simulate", simulate)
    counted.clear()
    run(small(), tmp_path)
    assert len(counted) == 12
    assert result(tmp_path) == result(done.folder)


def test_a_kill_while_parts_become_one_file_doubles_no_cell(done, tmp_path, monkeypatch, counted):
    """The file is there, the parts are not yet gone."""
    unlink = Path.unlink
    monkeypatch.setattr(Path, "unlink", lambda path, **rest: None)
    run(small(), tmp_path)
    monkeypatch.setattr(Path, "unlink", unlink)
    assert list((tmp_path / "parts").iterdir())
    assert len(small().open(tmp_path).table) == 32
    counted.clear()
    run(small(), tmp_path)
    assert counted == [] and not list((tmp_path / "parts").iterdir())
    assert result(tmp_path) == result(done.folder)


def test_a_damaged_file_is_made_again(done, tmp_path, counted):
    shutil.copytree(done.folder, tmp_path / "out")
    whole = result(tmp_path / "out")
    (tmp_path / "out" / "results.parquet").write_bytes(whole[:1000])
    (tmp_path / "out" / "parts" / "1.part").write_bytes(b"half")
    with pytest.raises(StudyError, match=r"results\.parquet: is damaged; run\(\) makes its cells again"):
        _ = small().open(tmp_path / "out").table
    with pytest.warns(UserWarning, match=r"results\.parquet is damaged; its cells are made again"):
        run(small(), tmp_path / "out")
    assert len(counted) == 32 and result(tmp_path / "out") == whole
    assert not list((tmp_path / "out" / "parts").iterdir())
    assert (tmp_path / "out" / "results.parquet.damaged").read_bytes() == whole[:1000]


def test_damage_within_a_file_is_found_when_the_study_goes_on(done, tmp_path, counted):
    shutil.copytree(done.folder, tmp_path / "out")
    whole = result(tmp_path / "out")
    (tmp_path / "out" / "results.parquet").write_bytes(whole[:500] + bytes(40) + whole[540:])
    with pytest.warns(UserWarning, match="is damaged"):
        run(small(), tmp_path / "out")
    assert len(counted) == 32 and result(tmp_path / "out") == whole


def test_a_lost_log_costs_the_times_only(done, tmp_path, counted):
    shutil.copytree(done.folder, tmp_path / "out")
    (tmp_path / "out" / "log.parquet").unlink()
    again = run(small(), tmp_path / "out")
    assert counted == [] and len(again.table) == 32
    assert again.log.empty and list(again.log) == list(done.log)


def test_a_folder_that_is_lost_while_the_study_runs_is_told(tmp_path, monkeypatch):
    simulate = experiment.simulate

    def lose(*args, **rest):
        shutil.rmtree(tmp_path / "out" / "parts", ignore_errors=True)
        return simulate(*args, **rest)

    monkeypatch.setattr(experiment, "simulate", lose)
    with pytest.raises(OSError, match=r"out cannot be written \(.*make room and run again to go on"):
        run(small(), tmp_path / "out")
    monkeypatch.setattr(experiment, "simulate", simulate)
    assert len(run(small(), tmp_path / "out").table) == 32


def test_more_replications_cost_only_the_new_ones(done, tmp_path, counted):
    shutil.copytree(done.folder, tmp_path / "out")
    more = run(small(replications=3), tmp_path / "out").table
    assert {r for *_, r in counted} == {2} and len(counted) == 16
    assert_frame_equal(more[more["replication"] < 2].reset_index(drop=True), done.table, check_exact=True)


def test_changed_source_makes_every_cell_again(done, tmp_path, monkeypatch, counted):
    shutil.copytree(done.folder, tmp_path / "out")
    for module in (experiment, study, workers):
        monkeypatch.setattr(module, "source_mark", lambda: "another source, longer than sixteen")
    table = run(small(), tmp_path / "out").table
    assert len(counted) == 32 and set(table["source"]) == {"another source, "}
    names = list(OUTCOMES)
    assert_frame_equal(table[names], done.table[names], check_exact=True)


def own_policy(number: int):
    """An object of a class written by a user with this code."""
    text = f"""
import crmsim as cs
class Mine:
    name = "mine"
    def offers(self, view):
        return cs.Offers(view.id[:{number}], "call", 1.0)
"""
    scope = {"__name__": "__main__"}
    exec(text, scope)
    return scope["Mine"]()


def test_changed_code_of_a_policy_makes_its_cells_again(tmp_path, counted):
    for number, cells in ((5, 4), (5, 0), (6, 4)):
        counted.clear()
        made = small(
            policies={"none": [], "mine": [own_policy(number)]}, scenarios="subscription", design=None
        )
        table = run(made, tmp_path).table
        assert len(counted) == cells
        assert list(table["offers"]) == [0, 0, 4 * number, 4 * number]


# --- folders --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seed": 2}, "seed: 1 there, 2 here"),
        ({"replications": 1}, "replications: 2 there, 1 here"),
        (
            {"policies": {**POLICIES, "dunning": ["dunning:cure=0.9"]}},
            r"policies.dunning.0: .*cure=0.75.* there, .*cure=0.9",
        ),
        ({"policies": {"none": []}}, "policies.dunning.0: .* there, nothing here"),
        ({"population": {"size": 301, "months": 4}}, "scenarios.dear.population.size: 300 there, 301 here"),
        ({"design": {**DESIGN, "seed": 5}}, "design.seed: 1 there, 5 here"),
    ],
)
def test_another_study_s_folder_is_refused_with_what_differs(done, changes, words):
    before = result(done.folder)
    for use in (lambda made: run(made, done.folder), lambda made: made.open(done.folder)):
        with pytest.raises(StudyError, match=f"holds another study; choose a new folder(.|\n)*{words}"):
            use(small(**changes))
    assert result(done.folder) == before


def test_a_folder_that_cannot_be_used_is_refused(tmp_path):
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(StudyError, match="holds other files; choose a new folder"):
        run(small(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
    (tmp_path / "own" / "parts").mkdir(parents=True)
    (tmp_path / "own" / "parts" / "engine.parquet").touch()
    with pytest.raises(StudyError, match="holds other files; choose a new folder"):
        run(small(), tmp_path / "own")
    assert [path.name for path in (tmp_path / "own").rglob("*")] == ["parts", "engine.parquet"]
    with pytest.raises(StudyError, match=r"thesis.txt: is a file; name a folder|cannot be written"):
        run(small(), tmp_path / "thesis.txt")
    with pytest.raises(StudyError, match="there is no study in this folder"):
        small().open(tmp_path)


def test_a_folder_without_a_cell_is_free_for_another_study(tmp_path):
    """A cluster that did not answer leaves one."""
    words = r"somewhere: no Dask scheduler answers .*; start one: crmsim cluster"
    with pytest.raises(StudyError, match=words):
        small().run(tmp_path, cluster="somewhere", progress=False)
    assert run(small(seed=2, design=None), tmp_path).table["seed"].unique() == [2]
    (tmp_path / "study.json").write_text('{"study": [1]}')
    with pytest.raises(StudyError, match=r"study\.json: cannot be read, so whose cells .* a new folder"):
        run(small(), tmp_path)


def test_two_processes_do_not_write_into_one_folder(tmp_path):
    with (
        study.StudyFolder(tmp_path).locked(),
        pytest.raises(StudyError, match="another process is running a study in this folder"),
    ):
        run(small(), tmp_path)


# --- the file -------------------------------------------------------------------------------------

RIGHT = """
replications = 2
baseline = "none"
outcomes = ["kept"]
[population]
size = 300
[policies]
none = []
dunning = ["dunning"]
[[scenarios]]
base = "subscription"
[[scenarios]]
base = "worlds/mine.toml"
market.openness = 0.5
[design]
kind = "grid"
n = 2
[design.parameters]
market.attention = [0.5, 1.0]
touchpoints.billing.quality = "declared"
"""


@pytest.fixture
def right(tmp_path) -> Path:
    (tmp_path / "worlds").mkdir()
    cs.Scenario.preset("subscription").replace(name="mine", churn__natural=0.02).save(
        tmp_path / "worlds" / "mine.toml"
    )
    (tmp_path / "mine_and_theirs.toml").write_text(RIGHT)
    return tmp_path / "mine_and_theirs.toml"


def test_a_file_is_the_study_it_says(right):
    made = Study.load(right)
    assert (made.name, made.cells) == ("mine_and_theirs", 2 * 2 * 4 * 2)
    mine = made.scenarios[1]
    assert (mine.market.openness, mine.churn.natural, mine.population.size) == (0.5, 0.02, 300)
    assert sorted(made.points["touchpoints.billing.quality"].unique()) == [0, 100]
    assert "2 policies x 2 scenarios x 4 points x 2 replications = 32 cells" in repr(made)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('["dunning"]', '["duning"]', "line 9, policies.dunning: .* did you mean 'dunning'"),
        ('["dunning"]', '["dunning:cur=1"]', "line 9, policies.dunning: .* did you mean 'cure'?"),
        ('baseline = "none"', 'baseline = "nome"', "line 3, baseline: .* did you mean 'none'?"),
        ('["kept"]', '["kep"]', "line 4, outcomes: unknown outcome 'kep'; did you mean 'kept'?"),
        ("replications = 2", "replication = 2", "line 2, replication: unknown entry .* mean 'replications'?"),
        ("replications = 2", "replications = 2.5", "line 2, replications: must be a whole number"),
        ("size = 300", "sise = 300", "line 6, population.sise: unknown parameter .* did you mean 'size'?"),
        ("size = 300", "size = 0", "line 6, population.size: .* from 1 to 50,000,000 customers"),
        ('base = "subscription"', 'base = "subscribtion"', "line 11, .*did you mean 'subscription'?"),
        ('base = "worlds/mine.toml"', 'base = "worlds/yours.toml"', "line 13, .*yours.toml.*no such file"),
        ('base = "worlds/mine.toml"', 'base = "subscription"', "two scenarios are called 'subscription'"),
        ("openness = 0.5", "openess = 0.5", "line 14, .*market.openess: .* mean 'openness'?"),
        ("openness = 0.5", "openness = 5", "line 14, scenarios.1.market.openness: .* from 0 to 1 share"),
        ('"grid"', '"gird"', "line 16, design.kind: unknown kind of design 'gird'; did you mean 'grid'?"),
        ('kind = "grid"\nn = 2', 'kind = "sobol"\nn = 6', "line 17, design.n: .* take n=4 or n=8"),
        ("market.attention", "market.atention", "line 19, .* did you mean 'market.attention'?"),
        ("[0.5, 1.0]", "[0.5, 1.5]", "line 19, .*: 1.5 is out of bounds; allowed are 0 to 1 share"),
        ("[0.5, 1.0]", "[1.0, 0.5]", "line 19, .*: the low bound 1 must be below the high one, 0.5"),
        ('kind = "grid"\nn = 2', 'kind = "grid"', "line 15, design.n: is not given: how many points"),
        ("n = 2\n[", 'n = 2\nseed = "x"\n[', "line 18, design.seed: must be a whole number"),
        ("replications = 2", "replications = 1_000_000_000", "line 2, replications: .* cells are too many"),
        ('["kept"]', '["wait"]', "line 4, outcomes: 'wait' needs a service desk"),
        ("[0.5, 1.0]", "[0.5]", r"line 19, .*: bounds are two numbers, \(low, high\), not \[0.5\]"),
        ("touchpoints.billing.quality", "touchpoints.billing.weight", "weights sum to"),
        ("[design]", "[design", "line 15, column .*"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_file_is_told_with_its_line(right, old, new, words):
    assert old in RIGHT
    right.write_text(RIGHT.replace(old, new))
    with pytest.raises(StudyError, match=words) as caught:
        Study.load(right)
    assert caught.value.origin == str(right)


def test_every_mistake_is_told_at_once(right):
    right.write_text(RIGHT.replace('["dunning"]', '["duning"]').replace("attention", "atention"))
    with pytest.raises(StudyError) as caught:
        Study.load(right)
    assert len(caught.value.errors) == 2


def test_a_policy_that_fits_one_scenario_only_is_told_with_the_other():
    with pytest.raises(StudyError, match=r"policies.agents: .* \(in subscription\)"):
        Study({"none": [], "agents": ["hire_agents"]}, ["subscription", "water_utility"], replications=1)


def test_a_design_can_be_a_table_of_one_s_own(tmp_path):
    points = pd.DataFrame({"market.openness": [0.1, 0.9]}, index=[3, 8])
    made = run(small(design=points, scenarios="subscription"), tmp_path)
    assert list(made.table["scenario"].unique()) == ["subscription#0003", "subscription#0008"]
    with pytest.raises(StudyError, match=r"design\.mark"):
        small(design=points + 0.05, scenarios="subscription").open(tmp_path)
    for wrong, words in (
        (points.iloc[:0], "the table has no rows"),
        (points.astype(str), r"the column 'market\.openness' holds something else than numbers"),
    ):
        with pytest.raises(StudyError, match=words):
            small(design=wrong, scenarios="subscription")
    with pytest.raises(StudyError, match=r"market\.opennes: unknown parameter"):
        small(design=points.rename(columns={"market.openness": "market.opennes"}))


def test_an_error_of_a_policy_names_its_cell_and_keeps_the_others(tmp_path, monkeypatch):
    monkeypatch.setattr(study, "_MOST_CELLS", 1)
    made = small(policies={"none": [], "mine": [Picky()]}, scenarios="subscription")
    with pytest.raises(
        cs.PolicyError, match=r"^policy 'mine', scenario 'subscription#0000', replication 0: .*\n.*1 // 0"
    ):
        run(made, tmp_path)
    assert list(made.table["policy"]) == ["none"]


@dataclass(frozen=True)
class Picky:
    """A campaign of one's own that goes wrong."""

    name: str = "picky"

    def offers(self, view):
        return cs.Offers(view.id[: 1 // 0], "call", 1.0)


# --- the command ----------------------------------------------------------------------------------


def test_the_command_runs_a_study_and_says_where_it_is(right, tmp_path, capsys):
    text = RIGHT.replace("size = 300", "size = 100\nmonths = 2").replace('billing.quality = "declared"', "")
    right.write_text(text.replace("touchpoints.\n", "").replace('outcomes = ["kept"]\n', ""))
    assert cli.main(["study", str(right), "--out", str(tmp_path / "out"), "--jobs", "1"]) == 0
    out, _ = capsys.readouterr()
    assert "2 policies x 2 scenarios x 2 points x 2 replications = 16 cells" in out
    assert re.search(r"mine +dunning +4 ", out) and "mean equity" in out
    assert (tmp_path / "out" / "study.toml").read_text() == right.read_text()
    assert cli.main(["study", str(tmp_path / "none.toml")]) == 2
    assert "no such file" in capsys.readouterr().err
    right.write_text(right.read_text().replace("[0.5, 1.0]", "[0.4, 1.0]"))
    assert cli.main(["study", str(right), "--out", str(tmp_path / "out"), "--jobs", "1"]) == 2
    assert re.search(
        r"^crmsim: .*out holds another study; choose a new folder, or .* study\.json says\. It differs in: "
        r"design\.parameters\.market\.attention\.0: 0\.5 there, 0\.4 here$", capsys.readouterr().err,
    )  # fmt: skip


def test_more_processes_than_the_machine_can_hold_are_refused(right, tmp_path, capsys):
    for jobs, words in ((0, "not 0"), (100_000, "must be at most .* for each of"), ("2", "not '2'")):
        with pytest.raises(ValueError, match=words):
            small().run(tmp_path / "out", jobs=jobs)
    assert cli.main(["cluster", "--workers", "100000"]) == 2
    assert "--workers must be at most" in capsys.readouterr().err
    assert cli.main(["cluster", "--port", "65536"]) == 2
    assert "the port must be from 0" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_cluster_without_dask_says_what_to_install(right, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    for words in (["study", str(right), "--out", str(tmp_path / "out"), "--cluster", "local"], ["cluster"]):
        assert cli.main(words) == 2
        assert re.search(r'^crmsim: a cluster needs Dask: pip install "crmsim\[research\]"$',
                         capsys.readouterr().err, re.MULTILINE)  # fmt: skip


def test_progress_counts_cells(tmp_path, capsys):
    small(name="mine").run(tmp_path, jobs=1)
    assert re.search(r"mine: 100%.* 32/32 ", capsys.readouterr().err)


# --- at scale: processes, a cluster, kills --------------------------------------------------------


def parts(folder: Path) -> list[Path]:
    return list((folder / "parts").glob("*.parquet"))


@pytest.fixture(scope="module")
def example(root) -> Study:
    """Three policies, two scenarios, Sobol over four parameters."""
    made = Study.load(root / "docs" / "study.toml")
    assert (len(made.policies), len(made.scenarios), made.points.shape[1]) == (3, 2, 4)
    return made


@pytest.fixture(scope="module")
def undisturbed(example, tmp_path_factory) -> bytes:
    return result(run(example, tmp_path_factory.mktemp("undisturbed")).folder)


def command(root: Path, out: Path, *more: str) -> subprocess.Popen:
    words = [
        sys.executable,
        "-m",
        "crmsim",
        "study",
        str(root / "docs" / "study.toml"),
        "--out",
        str(out),
        *more,
    ]
    return subprocess.Popen(
        words, env={**os.environ, "PYTHONPATH": str(root)}, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL to a process group")
@pytest.mark.parametrize("more", [("--jobs", "2"), ("--cluster", "local", "--jobs", "2")])
def test_a_killed_study_goes_on_and_ends_with_the_same_bytes(root, tmp_path, example, undisturbed, more):
    process = command(root, tmp_path / "out", *more)
    try:
        while not parts(tmp_path / "out") and process.poll() is None:
            time.sleep(0.005)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
    said = process.communicate()[0].decode()
    survived = parts(tmp_path / "out")
    assert survived and not (tmp_path / "out" / "results.parquet").exists(), said  # killed in the middle
    half = example.open(tmp_path / "out").log
    assert 0 < len(half) < example.cells
    run(example, tmp_path / "out")
    assert result(tmp_path / "out") == undisturbed
    kept = example.log.merge(half, on=["scenario", "policy", "replication"])
    assert len(kept) == len(half) and (kept["ended_x"] == kept["ended_y"]).all()  # none was made again


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_study_that_is_asked_to_end_says_what_is_kept(root, tmp_path, example, how):
    process = command(root, tmp_path / "out", "--jobs", "2")
    while not parts(tmp_path / "out") and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(how)
    said = process.communicate(timeout=60)[0].decode()
    assert process.returncode == 130 and "Traceback" not in said
    assert "stopped; finished cells are kept, run the same command again to go on" in said
    assert 0 < len(example.open(tmp_path / "out").log) < example.cells


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_lost_worker_process_is_told(root, tmp_path, example):
    process = command(root, tmp_path / "out", "--jobs", "2")
    while not parts(tmp_path / "out") and process.poll() is None:
        time.sleep(0.005)
    os.kill(int(example.open(tmp_path / "out").log["worker"].iloc[0].rpartition(":")[2]), signal.SIGKILL)
    said = process.communicate(timeout=60)[0].decode()
    assert process.returncode == 2 and "Traceback" not in said
    assert "a worker process died" in said and "run again to go on" in said


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_dask_worker_killed_in_the_middle_costs_only_its_cells(tmp_path, example, undisturbed, monkeypatch):
    from distributed import Client

    monkeypatch.setattr(study, "_MOST_CELLS", 4)
    monkeypatch.setattr(study, "_FLUSH_SECONDS", 0.05)
    killed = []

    def kill() -> None:
        while not parts(tmp_path / "out"):
            time.sleep(0.005)
        worker = duckdb.read_parquet(str(parts(tmp_path / "out")[0])).fetchdf()["worker"].iloc[0]
        killed.append((worker, pd.Timestamp.now("UTC").tz_localize(None)))
        os.kill(int(worker.rpartition(":")[2]), signal.SIGKILL)

    with study.local_cluster(2) as cluster, Client(cluster) as client:
        killer = threading.Thread(target=kill)
        killer.start()
        example.run(tmp_path / "out", cluster=client, progress=False)
        killer.join()
    assert result(tmp_path / "out") == undisturbed
    log, (worker, when) = example.log, killed[0]
    assert (log["ended"] > when).any()  # in the middle
    assert 0 < (log["worker"] == worker).sum() < len(log)  # its finished cells count


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGINT")
def test_one_command_starts_a_cluster_that_studies_use(root, tmp_path, done):
    words = [sys.executable, "-m", "crmsim", "cluster", "--workers", "2", "--port", "0"]
    with subprocess.Popen(
        words, env={**os.environ, "PYTHONPATH": str(root)}, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            said = [process.stdout.readline() for _ in range(3)]
            address = re.search(r"--cluster (tcp://127\.0\.0\.1:\d+)$", said[2])
            assert address, said
            small().run(tmp_path, cluster=address[1], progress=False)
        finally:
            process.send_signal(signal.SIGINT)
            try:
                ended = process.wait(timeout=60)
            finally:
                process.kill()  # else leaving the block would wait for ever
    assert ended == 0
    assert result(tmp_path) == result(done.folder)


MAIN = """
import sys
sys.path.insert(0, sys.argv[1])
from crmsim.research.study import Study
import mine
if __name__ == "__main__":
    made = Study({"none": [], "mine": [mine.Mine(7)]}, "subscription", replications=8,
                 population={"size": 200, "months": 3})
    for name, how in (("processes", {}), ("cluster", {"cluster": "local"})):
        made.run(sys.argv[1] + "/" + name, jobs=2, progress=False, **how)
        assert list(made.table["offers"]) == [0] * 8 + [21] * 8, made.table
        assert made.log["worker"].str.endswith(f":{__import__('os').getpid()}").sum() == 0
"""
MODULE = """
import crmsim as cs
def first(view, number):
    return view.id[:number]
class Mine:
    name = "mine"
    def __init__(self, number):
        self.number = number
    def offers(self, view):
        return cs.Offers(first(view, self.number), "call", 1.0)
"""


@pytest.mark.slow
def test_a_policy_from_a_module_that_workers_do_not_have_travels(root, tmp_path):
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden" / "mine.py").write_text(MODULE)
    (tmp_path / "main.py").write_text(MAIN)
    done = subprocess.run(
        [sys.executable, str(tmp_path / "main.py"), str(tmp_path / "hidden")],
        env={**os.environ, "PYTHONPATH": str(root)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
