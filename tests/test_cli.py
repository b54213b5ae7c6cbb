"""The command `crmsim`: what it prints and writes, and how it answers mistakes."""

import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import duckdb
import pandas as pd
import pytest

import crmsim as cs
from crmsim import cli
from crmsim.data.database import Database

SMALL = ["--customers", "300", "--months", "8"]


draw = cli._save


@pytest.fixture(autouse=True)
def place(root, tmp_path, monkeypatch):
    """Each test in a folder of its own, with experiment cells of its own, and figures not drawn."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(root))  # also where the package is not installed
    monkeypatch.setattr("crmsim.research.experiment.cache_folder", lambda: tmp_path / "cache")

    def note(stage, name, ax):
        (stage / "figures").mkdir(exist_ok=True)
        (stage / "figures" / f"{name}.png").touch()

    monkeypatch.setattr(cli, "_save", note)


@pytest.fixture
def crmsim(capsys):
    """Run a command in this process: exit code, what it printed, what it said on stderr."""

    def command(*words):
        code = cli.main([str(word) for word in words])
        out, err = capsys.readouterr()
        return code, out, err

    return command


def program(*words, **options):
    """Run a command as a program of its own."""
    command = [sys.executable, "-m", "crmsim", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", **options)


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file())


# -- run -------------------------------------------------------------------------------------


RUN_FIGURES = ["churn", "survival"]
RUN_FILES = sorted(
    ["about.json", "crm.duckdb", "monthly.csv", "scenario.toml", "summary.csv"]
    + [f"figures/{name}.png" for name in RUN_FIGURES]
)


def test_run_writes_one_world(crmsim):
    code, out, _ = crmsim("run", "subscription", *SMALL, "--policy", "dunning", "delight", "--seed", 4)
    assert code == 0
    assert "dunning + delight, seed 4, 8 months" in out
    folder = Path("results/subscription-run")
    assert files(folder) == RUN_FILES
    world = cs.Scenario.preset("subscription").replace(population__size=300, population__months=8)
    expected = cs.simulate(world, ["dunning", "delight"], seed=4)
    monthly = pd.read_csv(folder / "monthly.csv").set_index("month")
    assert monthly["customers"].tolist() == expected.monthly["customers"].tolist()
    summary = pd.read_csv(folder / "summary.csv").set_index("quantity")["value"]
    assert summary["equity"] == pytest.approx(expected.equity)
    with Database(folder / "crm.duckdb") as firm:
        assert firm.faults() == []
        assert len(firm.table("bills")) == expected.monthly["at_risk"].sum()


def test_a_run_can_be_repeated_from_its_folder(crmsim):
    crmsim("run", "retail", *SMALL, "--seed", 4, "--out", "first")
    about = json.loads(Path("first/about.json").read_text(encoding="utf-8"))
    assert about["command"] == "crmsim run retail --customers 300 --months 8 --seed 4 --out first"
    assert about["files"] == [name for name in RUN_FILES if name != "about.json"]
    again = cs.Scenario.load("first/scenario.toml")
    assert again.hash == about["scenario_hash"]
    crmsim("run", "first/scenario.toml", "--seed", about["seed"], "--out", "second")
    for name in ("monthly.csv", "summary.csv"):
        assert Path("first", name).read_bytes() == Path("second", name).read_bytes()


def test_run_takes_the_policies_of_the_file_unless_told(crmsim):
    world = cs.Scenario.preset("subscription").replace(name="mine", policies=[{"name": "dunning"}])
    world.save("mine.toml")
    assert "dunning, seed 1" in crmsim("run", "mine.toml", *SMALL)[1]
    assert "no policy, seed 1" in crmsim("run", "mine.toml", *SMALL, "--policy", "none")[1]


SERVICE_FIGURES = ["service_month", "service_years", "waits"]
WATER = ["water_utility", "--customers", "1000", "--months", "14"]


def words_of(out, title):
    """The rows of a printed table as lists of words, by the first word."""
    lines = out.partition(title)[2].splitlines()[2:]
    return {line.split()[0]: line.split() for line in lines[: lines.index("") if "" in lines else None]}


def test_run_shows_the_year_of_the_hotline_beside_satisfaction(crmsim):
    code, out, _ = crmsim("run", *WATER, "--seed", 3, "--out", "o")
    assert code == 0
    more = ["contacts.csv", "service.csv", *(f"figures/{name}.png" for name in SERVICE_FIGURES)]
    assert files("o") == sorted([*RUN_FILES, *more])
    world = cs.Scenario.load("o/scenario.toml")
    expected = cs.simulate(world, seed=3)
    service, contacts = pd.read_csv("o/service.csv"), pd.read_csv("o/contacts.csv")
    pd.testing.assert_frame_equal(service.set_index("month"), expected.service, check_index_type=False)
    assert (contacts.groupby("month").size() == expected.service["calls"]).all()
    assert contacts["customer"].nunique() <= 1000 and "bill question" in set(contacts["reason"])
    rows = words_of(out, "Service in the last 12 months\n")
    assert [word for word in rows if word.isdigit()] == [str(month) for month in range(2, 14)]
    year = expected.service.tail(12)
    assert rows["all"][1:3] == [f"{year[name].sum():,.0f}" for name in ("contacts", "answered")]
    wait = (year["wait"] * year["answered"]).sum() / year["answered"].sum()
    share = year["abandoned"].sum() / (year["calls"] - year["turned_away"]).sum()
    assert rows["all"][3:5] == [f"{100 * share:.1f}", f"{wait:.0f}"]
    assert rows["all"][-2:] == [
        f"{year['answers_late'].sum():.0f}",
        f"{expected.monthly['satisfaction'].tail(12).mean():.1f}",
    ]
    assert rows["13"][-1] == f"{expected.monthly['satisfaction'].iloc[-1]:.1f}"


def test_many_calls_are_written_as_parquet(crmsim, monkeypatch):
    monkeypatch.setattr(cli, "MANY_ROWS", 100)
    assert crmsim("run", *WATER, "--out", "o")[0] == 0
    assert "contacts.parquet" in files("o") and "contacts.csv" not in files("o")
    expected = cs.simulate(cs.Scenario.load("o/scenario.toml")).contacts()
    written = duckdb.sql("SELECT * FROM 'o/contacts.parquet'").df()
    assert list(written) == list(expected) and len(written) == len(expected)
    assert written["waiting_time"].sum() == pytest.approx(expected["waiting_time"].sum())
    assert list(written["reason"]) == list(expected["reason"])


@pytest.mark.slow
def test_a_hotline_without_agents_and_a_run_without_a_desk(crmsim):
    world = cs.Scenario.preset("water_utility").replace(service__agents=0, name="nobody")
    world.save("nobody.toml")
    code, out, _ = crmsim("run", "nobody.toml", *SMALL)
    assert code == 0 and "nan" not in out
    # all calls are turned away: no share, no wait
    assert words_of(out, "Service in the last 8 months\n")["all"][2:4] == ["0", "0"]
    assert "figures/service_years.png" in files("results/nobody-run")
    assert "figures/waits.png" not in files("results/nobody-run")
    world.replace(service__desk="none", name="none").save("none.toml")
    code, out, _ = crmsim("run", "none.toml", *SMALL)
    assert code == 0 and "Service" not in out
    assert files("results/none-run") == RUN_FILES


# -- compare -----------------------------------------------------------------------------------


COMPARE_FIGURES = [
    "churn_best", "churn_none", "effects_equity", "effects_kept", "effects_return", "kept", "money_best",
]  # fmt: skip
COMPARE_FILES = sorted(
    [
        "about.json",
        "comparison.txt",
        "effects.csv",
        "monthly.csv",
        "runs.csv",
        "runs.parquet",
        "scenario.toml",
    ]
    + [f"figures/{name}.png" for name in COMPARE_FIGURES]
)


def test_compare_writes_all_its_files(crmsim):
    words = ["dunning", "retention_call:target=value,budget=2000", "dunning+complaint_handling:resolved=0.9"]
    code, out, err = crmsim(
        "compare", "subscription", *SMALL, "--policy", *words, "--replications", 3, "--jobs", 1, "--out", "o"
    )
    assert code == 0
    assert "experiment: 100%" in err  # the progress bar
    assert files("o") == COMPARE_FILES
    runs = duckdb.sql("SELECT * FROM 'o/runs.parquet'").df()
    assert len(runs) == 4 * 3
    assert set(runs["policy"]) == {"none", *words}
    pd.testing.assert_frame_equal(pd.read_csv("o/runs.csv"), runs, check_dtype=False)
    effects = pd.read_csv("o/effects.csv").set_index(["policy", "measure"])
    for word in words:
        for measure in ("kept", "equity", "cost", "return"):
            assert effects.loc[(word, measure), ["low", "effect", "high"]].is_monotonic_increasing
        assert word in out
    for heading in (
        "kept per 1,000",
        "equity",
        "cost",
        "return",
        *("natural", "payment lapse", "retaliatory"),
    ):
        assert heading in out
    monthly = pd.read_csv("o/monthly.csv")
    assert set(monthly["policy"]) == {"none", *words} and monthly["month"].max() == 7
    assert Path("o/comparison.txt").read_text(encoding="utf-8").strip() in out
    about = json.loads(Path("o/about.json").read_text(encoding="utf-8"))
    assert about["policies"] == ["none", *words] and about["replications"] == 3


@pytest.mark.slow
def test_compare_shows_what_the_service_desk_did(crmsim):
    code, out, _ = crmsim("compare", *WATER, "--replications", 2, "--jobs", 1, "--out", "o")
    assert code == 0
    more = [f"figures/effects_{name}.png" for name in ("satisfaction", "wait")]
    assert files("o") == sorted([*COMPARE_FILES, *more])
    effects = pd.read_csv("o/effects.csv").set_index(["policy", "measure"])
    for policy in ("hire_agents", "train_agents", "notices_by_sms"):
        assert effects.loc[(policy, "wait"), ["low", "effect", "high"]].is_monotonic_increasing
    assert effects.loc[("hire_agents", "wait"), "effect"] < 0
    assert "mean wait, s" in out and "abandoned, %" in out
    assert "wait" in set(pd.read_csv("o/monthly.csv")["measure"])


def test_joined_policies_act_together(crmsim):
    words = ["--replications", 2, "--jobs", 1, "--out", "o"]
    crmsim("compare", "retail", *SMALL, "--policy", "delight+quality_control:points=5", *words)
    world = cs.Scenario.preset("retail").replace(population__size=300, population__months=8)
    expected = cs.simulate(world, ["delight", "quality_control:points=5"], replication=1)
    runs = pd.read_csv("o/runs.csv").set_index(["policy", "replication"])
    assert runs.loc[("delight+quality_control:points=5", 1), "equity"] == pytest.approx(expected.equity)


def test_compare_takes_the_policies_of_the_file(crmsim):
    tables = [{"name": "dunning"}, {"name": "dunning", "cure": 0.9}, {"name": "delight", "label": "none"}]
    cs.Scenario.preset("subscription").replace(name="mine", policies=tables).save("mine.toml")
    assert crmsim("compare", "mine.toml", *SMALL, "--replications", 2, "--jobs", 1)[0] == 0
    runs = pd.read_csv("results/mine-compare/runs.csv")
    assert set(runs["policy"]) == {"none", "dunning", "dunning (2)", "none (2)", "together"}


@pytest.mark.slow
def test_figures_are_written_as_png_and_svg(crmsim, monkeypatch):
    monkeypatch.setattr(cli, "_save", draw)
    crmsim("run", "retail", *SMALL, "--out", "run")
    # a price cut costs nothing, so that it has no return
    words = ["--policy", "price_cut", "--replications", 2, "--jobs", 1, "--out", "compare"]
    code, out, _ = crmsim("compare", "retail", *SMALL, *words)
    assert code == 0 and "PNG and SVG: churn_best, churn_none" in out
    crmsim("run", *WATER, "--out", "water")
    for folder, names in (
        ("run", RUN_FIGURES),
        ("compare", COMPARE_FIGURES),
        ("water", sorted([*RUN_FIGURES, *SERVICE_FIGURES])),
    ):
        assert files(f"{folder}/figures") == sorted(f"{n}.{kind}" for n in names for kind in ("png", "svg"))
        for name in names:
            assert Path(folder, "figures", f"{name}.png").read_bytes().startswith(b"\x89PNG")
            assert "<svg" in Path(folder, "figures", f"{name}.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize("preset", cs.Scenario.presets())
def test_the_policies_compared_by_default_fit_the_world(preset):
    scenario = cs.Scenario.preset(preset)
    words = cli.default_policies(scenario)
    cs.Experiment({"none": [], **{word: [word] for word in words}}, scenario, cache=False)
    # where nine in ten failed payments are cured already, reminders would change nothing
    assert ("dunning" in words) == (preset == "subscription")
    assert ("payment_channels" in words) == scenario.purchase.contract
    assert ("retention_call:target=uplift" in words) == (scenario.market.openness > 0)
    assert {"complaint_handling", "quality_control"} <= set(words)
    assert ("four_problems" in words) == (preset == "water_utility")
    for word in ("hire_agents", "train_agents", "notices_by_sms"):
        assert (word in words) == (scenario.service.desk != "none")


def test_compare_with_one_replication_says_what_is_lacking(crmsim):
    code, out, _ = crmsim(
        "compare", "retail", *SMALL, "--policy", "delight", "--replications", 1, "--jobs", 1
    )
    assert code == 0 and "Run at least two" in out


# -- results folders -----------------------------------------------------------------------------


def test_results_replace_results_and_keep_other_files(crmsim):
    crmsim("run", "retail", *SMALL, "--out", "o")
    Path("o/notes.md").write_text("mine")
    assert (
        crmsim(
            "compare", "retail", *SMALL, "--policy", "delight", "--replications", 2, "--jobs", 1, "--out", "o"
        )[0]
        == 0
    )
    assert files("o") == sorted([*COMPARE_FILES, "notes.md"])  # the database of the run is gone


def test_a_folder_with_other_files_is_refused(crmsim):
    Path("mine").mkdir()
    Path("mine/scenario.toml").write_text("name = 'mine'")
    code, _, err = crmsim("run", "retail", *SMALL, "--out", "mine")
    assert (code, err) == (2, "crmsim: mine holds other files; choose a new folder with --out\n")
    assert files("mine") == ["scenario.toml"]


def test_the_scenario_in_use_is_not_overwritten(crmsim):
    crmsim("run", "retail", *SMALL, "--out", "o")
    code, _, err = crmsim("run", "o/scenario.toml", "--out", "o")
    assert code == 2 and "scenario.toml would be overwritten; choose another folder" in err


@pytest.mark.parametrize("fault", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_an_interrupted_write_leaves_the_old_results(crmsim, monkeypatch, fault):
    crmsim("run", "retail", *SMALL, "--out", "o")
    before = {name: Path("o", name).read_bytes() for name in files("o")}

    def stop(self, path):
        raise fault

    monkeypatch.setattr(cs.Run, "to_database", stop)
    code, _, err = crmsim("run", "retail", *SMALL, "--seed", 2, "--out", "o")
    assert code == (130 if fault is KeyboardInterrupt else 2)
    assert ("stopped" if fault is KeyboardInterrupt else "No space left on device") in err
    assert {name: Path("o", name).read_bytes() for name in files("o")} == before
    code, _, _ = crmsim("run", "retail", *SMALL, "--out", "new")
    assert code and not Path("new").exists()
    assert not list(Path().glob(".*part"))


def test_what_a_killed_write_left_does_not_stay(crmsim):
    Path(".o.crmsim-part").mkdir()
    Path(".o.crmsim-part/half.csv").write_text("1,2")
    crmsim("run", "retail", *SMALL, "--out", "o")
    assert files("o") == RUN_FILES and not Path(".o.crmsim-part").exists()


# -- stopping --------------------------------------------------------------------------------------


def test_a_stopped_compare_goes_on_where_it_was(crmsim, monkeypatch):
    keep, words = (
        cs.Experiment._keep,
        ["compare", "retail", *SMALL, "--policy", "delight", "--replications", 4],
    )

    def stop(self, s, cell):
        if cell.replication == 2:
            raise KeyboardInterrupt
        keep(self, s, cell)

    monkeypatch.setattr(cs.Experiment, "_keep", stop)
    code, out, err = crmsim(*words, "--jobs", 1, "--out", "o")
    assert (code, out) == (130, "")
    told = "crmsim: stopped; finished cells are kept, run the same command again to go on"
    assert err.splitlines()[-1] == told
    assert not Path("o").exists()
    monkeypatch.setattr(cs.Experiment, "_keep", keep)
    code, _, err = crmsim(*words, "--jobs", 1, "--out", "o")
    assert code == 0 and "50%" in err  # two of four replications were there
    assert files("o") == COMPARE_FILES


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals as on Linux and macOS")
def test_ctrl_c_ends_with_one_line(tmp_path):
    code = (
        "import sys; from pathlib import Path; from crmsim.research import experiment\n"
        "from crmsim.cli import main\n"
        "experiment.cache_folder = lambda: Path('cells')\n"
        "sys.exit(main(['compare', 'retail', '--replications', '500', '--jobs', '1', '--out', 'o']))\n"
    )
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "start_new_session": True}
    with subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, **options) as process:
        limit = time.monotonic() + 120  # the rules may have to be compiled
        while not list(tmp_path.rglob("*.npz")) and time.monotonic() < limit:
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate()
    assert process.returncode == 130
    assert out == "" and "Traceback" not in err
    assert err.splitlines()[-1].startswith("crmsim: stopped; finished cells are kept")
    assert [path.name for path in tmp_path.iterdir()] == ["cells"]


@pytest.mark.skipif(os.name == "nt", reason="pipes as on Linux and macOS")
def test_a_closed_pipe_is_quiet():
    command = f"{sys.executable} -m crmsim table subscription | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert done.stdout.startswith("parameter") and done.stderr == ""
    assert done.returncode in (0, 141)  # 0 when all was written before the pipe closed


def test_a_terminal_without_the_letters_is_no_error():
    done = program("table", "subscription", env=os.environ | {"PYTHONIOENCODING": "cp1252"})
    assert done.returncode == 0 and done.stderr == ""
    assert "touchpoints.network.chinese" in done.stdout


# -- fit and facts -----------------------------------------------------------------------------------


def sales(path):
    """A transaction log of 400 simulated customers."""
    world = cs.Scenario.preset("retail").replace(
        population__size=400, population__months=12, acquisition__external=0, acquisition__imitation=0
    )
    with Database(cs.simulate(world, [], seed=6).to_database("log.duckdb")) as firm:
        log = firm.sql("SELECT customer AS client, date AS day, amount AS total FROM purchases")
    log.to_csv(path, index=False)
    return log


@pytest.mark.slow
def test_fit_writes_a_scenario_that_compare_takes(crmsim, monkeypatch):
    monkeypatch.setattr("crmsim.research.fit.PERSONS", 400)
    log = sales("sales.csv")
    columns = ["--customer", "client", "--date", "day", "--amount", "total"]
    code, out, _ = crmsim("fit", "sales.csv", *columns, "--out", "mine.toml")
    assert code == 0
    assert f"{len(log):,} rows read" in out and "distance from the data" in out
    assert out.splitlines()[-1] == "Written to mine.toml; next: crmsim compare mine.toml"
    mine = cs.Scenario.load("mine.toml")
    assert mine.name == "mine" and mine.population.size == log["client"].nunique()
    words = ["--policy", "delight", "--replications", 2, "--jobs", 1]
    assert crmsim("compare", "mine.toml", *SMALL, *words)[0] == 0
    assert files("results/mine-compare") == COMPARE_FILES


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["none.csv", "--out", "m.toml"], "none.csv"),
        (["sales.csv", "--customer", "who", "--out", "m.toml"], "who"),
        (["sales.csv", "--out", "m.csv"], "the name of a scenario file ends in .toml"),
        (["sales.csv", "--out", "no/m.toml"], "there is no folder no"),
        (["sales.csv", "--out", "m.toml", "--base", "subscription"], "bills by contract"),
        (["few.csv", "--out", "m.toml"], "a fit needs at least"),
        (["sales.csv"], "required: --out"),
    ],
)
def test_fit_tells_what_is_wrong(crmsim, words, told):
    Path("sales.csv").write_text("customer,date,amount\n" + "a,2024-01-01,5\na,2024-03-01,5\n" * 3)
    Path("few.csv").write_text("customer,date,amount\na,2024-01-01,5\na,2024-03-01,5\nb,2024-04-01,6\n")
    code, _, err = crmsim("fit", *words)
    assert code == 2 and told in err and "Traceback" not in err
    assert not list(Path().glob("m.*"))


def test_import_writes_a_customer_database(crmsim):
    Path("sales.csv").write_text(
        "Order,Who,Day,Units,Each\n1,ann,2024-01-05,2,5\n1,ann,2024-01-05,1,7\nC1,ann,2024-01-09,-1,7\n"
        "2,bo,2024-02-05,1,9\n2,bo,2024-02-05,1,9\n3,,2024-02-06,1,9\n4,bo,soon,1,9\n"
    )
    columns = ["--customer", "Who", "--date", "Day", "--quantity", "Units", "--price", "Each"]
    cleaning = ["--duplicates", "drop", "--missing", "apart", "--report", "rows.csv", "--currency", "EUR"]
    code, out, err = crmsim("import", "sales.csv", *columns, *cleaning, "--out", "crm.duckdb")
    assert (code, err) == (0, "")
    assert "7 rows read, 4 taken, 1 left out as duplicates, 1 set apart, 1 refused" in out
    assert "1  unreadable date (row 8)" in out
    assert out.splitlines()[-1] == "Written to crm.duckdb; who is who: crm-customers.csv"
    assert files(".") == ["crm-customers.csv", "crm.duckdb", "rows.csv", "sales.csv"]
    assert pd.read_csv("rows.csv")["row"].tolist() == [6, 7, 8]
    with Database("crm.duckdb") as firm:
        assert firm.faults() == []
        assert firm.table("purchases")["amount"].tolist() == [17, 9]
    code, out, _ = crmsim("import", "sales.csv", *columns, "--invoice", "-", "--out", "crm.duckdb")
    assert code == 0 and "4 purchases" in out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["none.csv", "--out", "c.duckdb"], "There is no file none.csv"),
        (["sales.csv"], "required: --out"),
        (["--out", "c.duckdb"], "required: FILE"),
        (["sales.csv", "--customer", "who", "--out", "c.duckdb"], "there is no column 'who'"),
        (["sales.csv", "--duplicates", "mend", "--out", "c.duckdb"], "invalid choice: 'mend'"),
        (["sales.csv", "--out", "."], "is a folder"),
        (["sales.csv", "--latest", "2023-01-01", "--out", "c.duckdb"], "no row can be used of 1"),
        (["sales.csv", "--customer", "-", "--out", "c.duckdb"], "every purchase needs a customer"),
        (["sales.csv", "--out", "c.duckdb", "--report", "."], "is a folder"),
    ],
)
def test_import_tells_what_is_wrong(crmsim, words, told):
    Path("sales.csv").write_text("customer,date,amount\na,2024-01-01,5\n")
    code, _, err = crmsim("import", *words)
    assert code == 2 and told in err and err.startswith("crmsim: ") and len(err.splitlines()) == 1


def test_import_gives_advice_in_flags(crmsim):
    Path("odd.csv").write_text("Client,Day\na,2024-01-01\n")
    code, _, err = crmsim("import", "odd.csv", "--out", "c.duckdb")
    assert code == 2 and "Say which with --amount, or with --quantity and --price." in err
    Path("twice.csv").write_text("customer,date,amount\na,2024-01-01,5\na,2024-01-01,5\n")
    code, out, _ = crmsim("import", "twice.csv", "--out", "c.duckdb")
    assert code == 0 and "Give --duplicates drop if the export" in out and "=" not in out.split("Notes")[1]
    assert cli._as_flags("dayfirst=False; amount=False; decimal=',' or sheet=).") == (
        "--no-dayfirst; --amount -; --decimal , or --sheet)."
    )


@pytest.fixture
def undrawn(monkeypatch):
    """Figures of a report are drawn, but not written."""

    def note(axes, path, sentence):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()

    monkeypatch.setattr("crmsim.analysis.pages._save", note)


@pytest.mark.slow
def test_analyse_writes_a_report(crmsim, undrawn):
    crmsim("run", "subscription", "--customers", 600, "--months", 14, "--out", "o")
    code, out, err = crmsim("analyse", "o/crm.duckdb", "--out", "report", "--margin", "30%")
    assert (code, err) == (0, "")
    assert out.startswith("- Sales were ") and "of the customers leave in a month" in out
    written = files("report")
    figures = sum(name.startswith("figures/") for name in written)
    tables = sum(name.startswith("tables/") for name in written)
    told = f"Written to {Path('report', 'index.html')}, with {figures} figures and {tables} tables"
    assert out.splitlines()[-1] == told and figures > 5 and tables > 10
    assert "30\N{NO-BREAK SPACE}% of revenue is kept" in Path("report/index.html").read_text(encoding="utf-8")
    about = json.loads(Path("report/about.json").read_text())
    assert about["files"] == [name for name in written if name != "about.json"]
    # again into the same folder, and never over the database itself
    assert crmsim("analyse", "o/crm.duckdb", "--out", "report")[0] == 0
    code, _, err = crmsim("analyse", "o/crm.duckdb", "--out", "o")
    assert code == 2 and "is where crm.duckdb lies" in err and Path("o/crm.duckdb").exists()


@pytest.mark.slow
def test_analyse_takes_a_target(crmsim):
    crmsim("run", "retail", *SMALL, "--out", "o")
    assert crmsim("analyse", "o/crm.duckdb", "--out", "report", "--growth=-10%")[0] == 0
    code, _, err = crmsim("analyse", "o/crm.duckdb", "--out", "report", "--growth", "much")
    assert code == 2 and "--growth" in err and "5%" in err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["sales.csv"], "is not a DuckDB database"),
        (["lost.duckdb"], "no such file"),
        (["stars.duckdb"], "none of the tables of a customer database, but stars"),
        (["stars.duckdb", "--break-even", "often"], "'often' is no share; write 0.05 or 5%"),
        (["stars.duckdb", "--margin", "40"], "'40' is no share between 0 and 1"),
        (["stars.duckdb", "--ahead", "0"], "at least 1"),
    ],
)
def test_analyse_tells_what_is_wrong(crmsim, words, told):
    Path("sales.csv").write_text("customer,date,amount\na,2024-01-01,5\n")
    with duckdb.connect("stars.duckdb") as connection:
        connection.execute("CREATE TABLE stars AS SELECT 1 AS a")
    code, _, err = crmsim("analyse", *words)
    assert code == 2 and told in err and err.startswith("crmsim: ") and len(err.splitlines()) == 1
    assert files(".") == ["sales.csv", "stars.duckdb"]


def test_facts_prints_and_writes_its_report(crmsim, monkeypatch):
    from crmsim.research import facts

    few = [fact for fact in facts.FACTS if fact.preset == "retail" and fact.measure is not None][:2]
    monkeypatch.setattr(facts, "FACTS", few)
    words = ["facts", "--replications", 2, "--customers", 500]
    code, out, _ = crmsim(*words)
    assert code == 0 and not list(Path().iterdir())
    code, out, _ = crmsim(*words, "--out", "o")
    assert code == 0 and few[0].name in out
    assert files("o") == ["about.json", "facts.csv", "facts.html", "facts.md", "figures/facts.png"]
    assert len(pd.read_csv("o/facts.csv")) == 2


# -- lists -------------------------------------------------------------------------------------------


def test_presets_and_policies_are_listed(crmsim):
    _, out, _ = crmsim("presets")
    assert [line.split()[0] for line in out.splitlines()] == cs.Scenario.presets()
    _, out, _ = crmsim("policies")
    from crmsim.simulation.policies import LIBRARY

    listed = [line for line in out.partition("\nWrite NAME")[0].splitlines() if line and line[0].islower()]
    assert [line.partition(":")[0] for line in listed] == list(LIBRARY)
    for line in listed:
        assert cs.policy(line) == LIBRARY[line.partition(":")[0]]()  # what is printed can be typed


def test_table_prints_every_parameter(crmsim):
    table = cs.Scenario.preset("subscription").table()
    _, out, _ = crmsim("table", "subscription")
    assert [line.split()[0] for line in out.splitlines()[2:]] == list(table.index)
    line = next(line for line in out.splitlines() if line.startswith("population.size "))
    hours = next(line for line in out.splitlines() if line.startswith("service.hourly "))
    assert hours.split()[1] == ",".join(f"{x:g}" for x in table.loc["service.hourly", "value"])
    assert "1 to 50000000" in line and "customers at the start" in line
    _, out, _ = crmsim("table", "subscription", "--csv")
    assert pd.read_csv(io.StringIO(out))["name"].tolist() == list(table.index)


# -- help and mistakes ---------------------------------------------------------------------------------


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_help_shows_an_example(crmsim, command):
    code, out, err = crmsim(command, "--help")
    assert (code, err) == (0, "")
    assert f"\n  crmsim {command}" in out.partition("example:")[2]


def test_help_loads_nothing_heavy():
    code = (
        "import sys; from crmsim.cli import main; main(['compare', '--help'])\n"
        "heavy = ('numpy', 'pandas', 'pydantic', 'matplotlib')\n"
        "print(*[name for name in heavy if name in sys.modules], file=sys.stderr)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stderr == "\n"


def test_the_program_says_its_version_and_commands():
    assert program("--version").stdout == f"crmsim {cs.__version__}\n"
    bare = program()
    assert bare.returncode == 0 and set(cli.COMMANDS) == set(
        re.findall(r"^    (\w+)(?: |$)", bare.stdout, flags=re.MULTILINE)
    )
    scripts = tomllib.loads((Path(cli.__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8"))
    assert scripts["project"]["scripts"]["crmsim"] == "crmsim.cli:main"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["comprae", "retail"], "unknown command 'comprae'; did you mean 'compare'?"),
        (["compare"], "name a SCENARIO first"),
        (["compare", "--policy", "dunning"], "name a SCENARIO first"),
        (["compare", "retial"], "did you mean 'retail'?"),
        (["compare", "none.toml"], "no such file"),
        (["compare", "retail", "--policy", "dunnin"], "did you mean 'dunning'?"),
        (["compare", "retail", "--policy", "delight:shares=1"], "did you mean 'share'?"),
        (
            ["compare", "retail", "--policy", "delight+loyality_programme"],
            "did you mean 'loyalty_programme'?",
        ),
        (["compare", "retail", "--policy", "none"], "compare needs a policy besides none"),
        (["compare", "retail", "--policy", "four_problems"], "no touchpoint"),
        (["compare", "retail", "--customers", "many"], "'many' is no whole number"),
        (["compare", "retail", "--customers", "0"], "population.size"),
        (["compare", "retail", "--months", "-3"], "population.months"),
        (["compare", "retail", "--replications", "0"], "replications must be a whole number of at least 1"),
        (["compare", "retail", "--jobs", "0"], "jobs must be -1 or a number of processes"),
        (["compare", "retail", "--seed", "-1"], "seed must be from 0"),
        (["compare", "retail", "--sead", "1"], "unrecognized arguments: --sead"),
        (["run", "retail", "--seed", "5000000000"], "seed must be from 0"),
        (["run", "retail", "--out", "file"], "file is a file; --out names a folder"),
        (["run", "retail", "--out", "file/o"], "cannot be written"),
        (["run", "bad.toml"], "bad.toml: 2 errors\n  line 2, population.size"),
        (["table", "typo.toml"], "churn.natual: unknown parameter 'natual'; did you mean 'natural'?"),
    ],
)
def test_mistakes_are_told_in_a_line(crmsim, words, told):
    Path("file").write_text("")
    Path("bad.toml").write_text(
        "[population]\nsize = -5\n[churn]\nnatual = 0.1\n[[touchpoints]]\nname = 'shop'\n"
    )
    Path("typo.toml").write_text("[churn]\nnatual = 0.1\n")
    code, out, err = crmsim(*words)
    assert (code, out) == (2, "")
    assert told in err and err.startswith("crmsim: ") and "Traceback" not in err
    lines = 3 if words == ["run", "bad.toml"] else 1
    assert len(err.splitlines()) == lines
    assert not Path("results").exists() or not list(Path("results").iterdir())


def test_a_folder_without_rights_is_told(crmsim, monkeypatch):
    def refuse(self, *_, **__):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "mkdir", refuse)
    code, _, err = crmsim("run", "retail", *SMALL, "--out", "o")
    assert (code, err) == (2, "crmsim: o cannot be written: Permission denied; choose another --out\n")


def test_debug_shows_the_traceback(crmsim):
    with pytest.raises(cs.ScenarioError):
        cli.main(["table", "retial", "--debug"])
    done = program("table", "retial", "--debug")
    assert done.returncode == 1 and "Traceback" in done.stderr and "ScenarioError" in done.stderr


def test_an_error_of_ours_is_told_as_one(crmsim, monkeypatch):
    monkeypatch.setattr(cs.Run, "summary", lambda self: 1 / 0)
    code, _, err = crmsim("run", "retail", *SMALL)
    assert code == 1
    assert err.splitlines()[0] == "crmsim: ZeroDivisionError: division by zero"
    assert "--debug" in err


def test_a_database_of_another_version_can_be_opened_by_duckdb_alone(crmsim):
    crmsim("run", "retail", *SMALL, "--out", "o")
    with duckdb.connect("o/crm.duckdb", read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM purchases").fetchone()[0] > 0


# -- the README ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def readme(root):
    """The blocks of the README by language, and its text."""
    text = (root / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    return text, {kind: [body for k, body in blocks if k == kind] for kind in ("", "python", "toml")}


def test_the_readme_begins_with_two_commands(readme):
    first = readme[1][""][0].splitlines()
    assert [line.partition("#")[0].strip() for line in first] == [
        "python3 start.py compare subscription",
        "python3 start.py test",
    ]


@pytest.mark.slow
def test_the_python_of_the_readme_runs(readme, monkeypatch, capsys, root):
    text = (root / "docs" / "study.toml").read_text(encoding="utf-8")
    Path("docs").mkdir()
    Path("docs/study.toml").write_text(text.replace("n = 16", "n = 2").replace("= 1_000", "= 100"))
    small = {
        name: cs.Scenario.preset(name).replace(population__size=400, population__months=36)
        for name in cs.Scenario.presets()
    }
    monkeypatch.setattr(cs.Scenario, "preset", small.__getitem__)
    names: dict = {}
    for block in readme[1]["python"]:
        exec(
            block.replace("replications=20", "replications=2")
            .replace("experiment.run()", "experiment.run(1)")
            .replace('.run("results/study")', '.run("results/study", jobs=1)'),
            names,
        )
    assert len(names["study"].table) == 3 * 2 * 2 * 2
    out = capsys.readouterr().out
    assert "rival: 400 customers" in out and "Customer 35 in month 10" in out and "complaints" in out


def test_the_readme_shows_the_decisive_draw_that_is_found(readme):
    (customer,) = re.findall(r"counterfactual\(.*customer=(\d+)\)", readme[0])
    (month,) = re.findall(r"trace\(.*month=(\d+)\)", readme[0])
    decisive = cs.counterfactual("subscription", ["dunning"], customer=int(customer)).decisive
    assert f"{decisive}\n" in readme[1][""] and decisive.month == int(month)


def test_the_commands_of_the_readme_can_be_typed(readme):
    lines = [line for block in readme[1][""] for line in block.splitlines() if line.startswith("crmsim ")]
    assert len(lines) >= 3
    for line in lines:
        options = cli.parser().parse_args(shlex.split(line, comments=True)[1:])
        for word in getattr(options, "policy", None) or []:
            assert cli._parts(word)
    assert set(re.findall(r"^\| `crmsim (\w+)", readme[0], flags=re.MULTILINE)) == set(cli.COMMANDS)


def test_the_study_of_the_readme_loads(readme):
    _, text = readme[1]["toml"]
    Path("study.toml").write_text(text, encoding="utf-8")
    assert cs.Study.load("study.toml").cells == 2 * 16 * 2


def test_the_scenario_of_the_readme_loads(readme):
    text, _ = readme[1]["toml"]
    mine = cs.Scenario.from_dict(tomllib.loads(text))
    assert list(cli.own_policies(mine)) == ["dunning", "retention_call:value", "together"]


def test_the_lists_of_the_readme_are_complete(readme):
    from crmsim.simulation.policies import LIBRARY

    first = re.findall(r"^\| `([^`]+)` \|", readme[0], flags=re.MULTILINE)
    listed = [word for word in first if word.partition(":")[0] in LIBRARY]
    assert [cs.policy(word) for word in listed] == [kind() for kind in LIBRARY.values()]
    assert [word for word in first if word in cs.Scenario.presets()] == cs.Scenario.presets()
