"""The command `crmsim`.

Every command is a function that takes the parsed arguments. What a command needs is imported inside
it, so that `--help` answers at once. A user's mistake ends with exit code 2 and says what is wrong
on stderr; an interruption with 130.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import difflib
import json
import os
import platform
import re
import shlex
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from . import __version__

if TYPE_CHECKING:
    import pandas as pd

    from .research.compare import Comparison
    from .simulation.run import Run
    from .simulation.scenario import Scenario

MISTAKE = 2
STOPPED = 130
PIPE_CLOSED = 141
LINES = 5  # policies drawn as lines in one figure
MANY_ROWS = 200_000  # a table with more is written as Parquet


class Mistake(ValueError):
    """What the user typed cannot be done; the message says why."""


# -- the commands ------------------------------------------------------------------------------


def run(options: argparse.Namespace) -> None:
    """Simulate one world and write what happened in it."""
    scenario = _scenario(options)
    policies = None if options.policy is None else [p for word in options.policy for p in _parts(word)]
    folder = Results(options.out or f"results/{_file_name(scenario.name)}-run", options)
    from .simulation.engine import simulate

    result = simulate(scenario, policies, options.seed)
    summary = result.summary()
    with folder.writing(scenario, seed=options.seed, policies=[p.name for p in result.policies]) as stage:
        _write_csv(stage / "summary.csv", summary.to_frame("value").rename_axis("quantity").reset_index())
        _write_csv(stage / "monthly.csv", result.monthly.reset_index())
        result.to_database(stage / "crm.duckdb")
        _save(stage, "survival", result.plot_survival())
        _save(stage, "churn", result.plot_churn())
        if scenario.service.desk != "none":
            _service_files(stage, result)
    say(f"{scenario.name}: {scenario.title}".rstrip(": "))
    say(f"{result.label}, seed {options.seed}, {scenario.population.months} months\n")
    say(aligned([(str(name).replace("_", " "), _number(value)) for name, value in summary.items()]))
    if scenario.service.desk != "none":
        say("\n" + service_year(result))
    folder.report()


def _service_files(stage: Path, result: Run) -> None:
    """What the stations did: a row a month, a row a call, and the figures."""
    from . import plots

    contacts = result.contacts()
    _write_csv(stage / "service.csv", result.service.reset_index())
    if len(contacts) > MANY_ROWS:
        _write_parquet(stage / "contacts.parquet", contacts)
    else:
        _write_csv(stage / "contacts.csv", contacts.round(6))  # hours, so to a few milliseconds
    years = result.service.join(result.monthly["satisfaction"])
    _save(stage, "service_years", plots.service_years(years, note=result.note))
    if (years["calls"] > years["turned_away"]).any():
        _save(stage, "service_month", plots.service_month(contacts, note=result.note))
        _save(stage, "waits", plots.waits(contacts, note=result.note))


def service_year(result: Run) -> str:
    """The last twelve months of the service desk as a table in plain text, satisfaction beside it."""
    service = result.service.join(result.monthly["satisfaction"]).tail(12)
    within = result.scenario.service.service_level

    def line(name: str, rows: pd.DataFrame) -> tuple[str, ...]:
        """Figures of some months together: rates weighted by what they are rates of."""
        total = rows.sum()
        offered = total["calls"] - total["turned_away"]

        def mean(column: str, weight: pd.Series) -> float:
            """Weighted by calls; a month without has no mean."""
            return (rows[column] * weight).sum() / weight.sum() if weight.sum() else nan

        return (
            name,
            f"{total['contacts']:,.0f}",
            f"{total['answered']:,.0f}",
            _rounded(100 * total["abandoned"] / offered if offered else nan, 1),
            _rounded(mean("wait", rows["answered"]), 0),
            _rounded(100 * mean("service_level", rows["calls"] - rows["turned_away"]), 1),
            _rounded(100 * rows["utilisation"].mean(), 1),
            f"{total['repairs_late']:,.0f}",
            f"{total['formal_complaints']:,.0f}",
            f"{total['answers_late']:,.0f}",
            _rounded(rows["satisfaction"].mean(), 1),
        )

    nan = float("nan")
    head = (
        "month", "contacts", "answered", "abandoned %", "wait s", f"in {within:g} s %", "busy %",
        "repairs late", "formal", "answers late", "satisfaction",
    )  # fmt: skip
    lines = [line(str(month), service.loc[[month]]) for month in service.index]
    lines.append(line("all", service))
    return (
        f"Service in the last {len(service)} months\n"
        f"{aligned(lines, head)}\n"
        "Customers who called; calls answered; of the calls while open, abandoned and answered within "
        f"{within:g} s;\nmean wait of the answered; agents' time on the phone; formal complaints, and\n"
        "how many were answered past the deadline."
    )


def _rounded(value: float, digits: int) -> str:
    return "" if value != value else f"{value:,.{digits}f}"


def compare(options: argparse.Namespace) -> None:
    """Simulate the same customers under several policies and compare what becomes of them."""
    scenario = _scenario(options)
    if options.policy is not None:
        policies = {word: _parts(word) for word in options.policy if word != "none"}
    elif scenario.policies:
        policies = own_policies(scenario)
    else:
        policies = {word: _parts(word) for word in default_policies(scenario)}
    if not policies:
        raise Mistake("compare needs a policy besides none; `crmsim policies` lists them")
    policies = {"none": [], **policies}
    folder = Results(options.out or f"results/{_file_name(scenario.name)}-compare", options)
    from .research.compare import compare as compare_policies
    from .research.experiment import Experiment

    experiment = Experiment(policies, [scenario], replications=options.replications, seed=options.seed)
    table = experiment.run(jobs=options.jobs)
    comparison = compare_policies(table, baseline="none")
    monthly = experiment.monthly()
    about = {"seed": options.seed, "replications": options.replications, "policies": list(policies)}
    with folder.writing(scenario, **about) as stage:
        _write_csv(stage / "runs.csv", table)
        _write_parquet(stage / "runs.parquet", table)
        _write_csv(stage / "effects.csv", comparison.table)
        _write_csv(stage / "monthly.csv", monthly)
        _compare_figures(stage, comparison, monthly, f"{scenario.name}, seed {options.seed}")
        (stage / "comparison.txt").write_text(f"{comparison}\n", encoding="utf-8")
    say(str(comparison))
    folder.report()


def _compare_figures(stage: Path, comparison: Comparison, monthly: pd.DataFrame, note: str) -> None:
    """The figures of a comparison; lines are drawn for the policies that keep most only."""
    from . import plots

    effects = comparison.table.pivot(index="policy", columns="measure", values="effect")
    note += f", {comparison.table['customers'].iloc[0]:,.0f} customers"
    most = list(effects["kept"].sort_values(ascending=False).index[:LINES])
    lines = monthly[monthly["policy"].isin(["none", *most])]
    shown = note if len(most) == len(effects) else f"{note}; the {LINES} of {len(effects)} that keep most"
    _save(stage, "kept", plots.customers_kept(lines, note=shown, baseline="none"))
    # what a service desk is for
    service = [measure for measure in ("satisfaction", "wait") if "wait" in effects]
    for measure in ("kept", "equity", "return", *service):
        _save(stage, f"effects_{measure}", plots.policy_effects(comparison, measure, note=note))
    best = str(effects["equity"].idxmax())
    _save(stage, "money_best", plots.money(comparison, best, note=note))
    for name, policy in (("churn_none", "none"), ("churn_best", best)):
        rows = monthly[monthly["policy"] == policy]
        _save(stage, name, plots.churn_by_cause(rows, note=f"{policy}; {note}"))


def study(options: argparse.Namespace) -> None:
    """Run a study from its file: policies x scenarios x points of a design x replications."""
    from .research.study import Study

    made = Study.load(options.study)
    out = Path(options.out or f"results/{_file_name(made.name)}-study")
    say(f"{made!r}")
    with _terminated_as_interrupted():
        made.run(out, jobs=options.jobs, cluster=options.cluster, progress=sys.stderr.isatty())
    shown = [name for name in ("kept", "saved", "equity") if name in made.outcomes] or made.outcomes[:3]
    means = ", ".join(f'avg("{name}")' for name in shown)
    rows = made.query(
        f"select base, policy, count(*), {means} from results group by all "
        "order by min(list_position(" + _listed(s.name for s in made.scenarios) + ", base)), "
        "min(list_position(" + _listed(made.policies) + ", policy))"
    )
    head = ("scenario", "policy", "cells", *(f"mean {name}" for name in shown))
    say("\n" + aligned([tuple(_number(x) if isinstance(x, int | float) else str(x) for x in row)
                        for row in rows.itertuples(index=False)], head))  # fmt: skip
    say(f"\nWritten to {out}: results.parquet, a row a cell; log.parquet, when each was made; study.json")
    if (out / "monthly.parquet").is_file():
        say("monthly.parquet, the months of each cell's series")


@contextlib.contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """Batch systems end a job by SIGTERM: what is finished is then written as after Ctrl+C."""
    if threading.current_thread() is not threading.main_thread():  # which alone hears signals
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _listed(words: Iterable[str]) -> str:
    """A list of words in SQL."""
    return "[" + ", ".join("'" + word.replace("'", "''") + "'" for word in words) + "]"


def cluster(options: argparse.Namespace) -> None:
    """Start a Dask cluster on this machine and keep it until Ctrl+C."""
    from .research.workers import jobs_wanted, local_cluster

    workers = jobs_wanted(-1 if options.workers is None else options.workers, "--workers")
    with _terminated_as_interrupted(), local_cluster(workers, options.host, options.port) as started:
        say("Dask cluster of this machine (stop with Ctrl+C)")
        say(f"workers:     {len(started.workers)}")
        say(f"use it:      crmsim study STUDY.toml --cluster {started.scheduler_address}")
        say(f"add workers: dask worker {started.scheduler_address} --nthreads 1")
        sys.stdout.flush()
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                time.sleep(3600)


def _save(stage: Path, name: str, ax: Any) -> None:
    """A figure as PNG and SVG."""
    from .plots import save_figure

    save_figure(ax, stage / "figures" / name)


def fit(options: argparse.Namespace) -> None:
    """Make a scenario whose simulated customers look like those of a transaction log."""
    target = Path(options.out)
    if target.suffix != ".toml":
        raise Mistake(f"--out {target}: the name of a scenario file ends in .toml")
    if not target.parent.is_dir():
        raise Mistake(f"--out {target}: there is no folder {target.parent}")
    if target.is_dir() or not os.access(target.parent, os.W_OK):
        raise Mistake(f"--out {target}: cannot be written")
    from .data.transactions import read_transactions
    from .research.fit import fit_scenario

    columns = {name: getattr(options, name) for name in ("customer", "date", "amount")}
    log = read_transactions(options.transactions, **columns)
    say(log.report() + "\n")
    fitted = fit_scenario(
        log, base=options.base, name=_file_name(target.stem), calibration_end=options.until, seed=options.seed
    )
    path = fitted.save(target)
    say(fitted.report())
    say(f"\nWritten to {path}; next: crmsim compare {shlex.quote(str(path))}")


COLUMNS = (
    "customer", "date", "amount", "quantity", "price", "invoice", "product", "description", "category",
    "cost",
)  # fmt: skip
READING = (
    "currency", "encoding", "separator", "sheet", "dayfirst", "decimal", "earliest", "latest", "duplicates",
    "zeros", "returns", "missing", "cancelled", "header", "skip",
)  # fmt: skip


def _as_flags(text: str) -> str:
    """Advice to give an argument of `import_file`, as the flag of this command: --duplicates drop."""

    def flag(found: re.Match[str]) -> str:
        name, word = found[1].replace("_", "-"), found[2] or found[3] or ""
        if word == "False" and found[1] not in READING:
            return f"--{name} -"
        if word in ("True", "False"):
            return f"--{'no-' if word == 'False' else ''}{name}"
        return f"--{name} {word}".rstrip()

    names = "|".join((*COLUMNS, "currency_column", *READING))
    return re.sub(rf"\b({names})=(?:'([^']*)'|(\w+))?", flag, text)


def import_(options: argparse.Namespace) -> None:
    """Read a firm's own file of purchases into a customer database."""
    from .data.importing import customers_file, import_file
    from .data.transactions import DataError

    given = {name: getattr(options, name) for name in (*COLUMNS, "currency_column", *READING)}
    given = {name: value for name, value in given.items() if value is not None}
    for name in ("currency_column", *COLUMNS):
        if given.get(name) == "-":
            given[name] = False
    if options.report:
        place = Path(options.report).resolve()
        if place in (Path(options.file).resolve(), Path(options.out).resolve()):
            raise DataError(f"{options.report} would be overwritten; choose another name for --report")
    try:
        result = import_file(options.file, options.out, **given)
    except DataError as error:
        raise DataError(_as_flags(str(error))) from None
    say(_as_flags(result.report()))
    if options.report:
        say(f"\nEvery row not taken as it was: {result.write_row_report(options.report)}")
    more = "" if result.own_ids else f"; who is who: {customers_file(options.out)}"
    say(f"\nWritten to {options.out}{more}")


def analyse(options: argparse.Namespace) -> None:
    """Write a report on a customer database: an HTML page with figures and tables."""
    from .analysis.firm import Settings
    from .data.database import Database

    path = Path(options.database)
    with Database(path) as database:
        settings = Settings(
            margin=options.margin,
            discount_rate=options.discount,
            horizon=options.ahead,
            break_even=options.break_even,
            growth=options.growth,
            offer_cost=options.offer_cost,
        )
        folder = Results(options.out or f"results/{_file_name(path.stem)}-report", options)
        if folder.folder.resolve() == path.resolve().parent:
            raise Mistake(f"{folder.folder} is where {path.name} lies; choose another folder with --out")
        from .analysis.report import write_report

        with folder.writing(database=str(path)) as stage:
            sheets = write_report(database, stage, settings, progress=sys.stderr.isatty())
    for line in (line for sheet in sheets for line in sheet.summary):
        say("- " + line.replace("\N{NO-BREAK SPACE}", " "))
    stopped = [sheet.title for sheet in sheets if sheet.stopped]
    if stopped:
        say(f"\nNot all could be made in: {', '.join(stopped)}; the report says why.")
    figures = sum(len(sheet.figures) for sheet in sheets)
    tables = sum(len(sheet.tables) for sheet in sheets)
    say(f"\nWritten to {folder.folder / 'index.html'}, with {figures} figures and {tables} tables")


def facts(options: argparse.Namespace) -> None:
    """Hold published facts against the simulated worlds; takes some minutes."""
    folder = Results(options.out, options) if options.out else None
    from . import plots
    from .research.facts import facts as measure

    report = measure(
        numbers=options.numbers or None, seed=options.seed, replications=options.replications,
        customers=options.customers,
    )  # fmt: skip
    if folder:
        with folder.writing(seed=options.seed, replications=options.replications) as stage:
            report.to_csv(stage / "facts.csv")
            report.to_markdown(stage / "facts.md")
            report.to_html(stage / "facts.html")
            _save(stage, "facts", plots.facts(report))
    say(str(report))
    if folder:
        folder.report()


def table(options: argparse.Namespace) -> None:
    """Print every parameter of a scenario."""
    from .simulation.scenario import Scenario

    parameters = Scenario.from_name(options.scenario).table()
    if options.csv:
        sys.stdout.write(parameters.to_csv(lineterminator="\n"))
        return
    rows = [
        (
            str(name),
            _value(row["value"]),
            row["unit"],
            f"{_value(row['lowest'])} to {_value(row['highest'])}" if row["lowest"] == row["lowest"] else "",
            row["meaning"],
            row["source"],
        )
        for name, row in parameters.iterrows()
    ]
    say(aligned(rows, ("parameter", "value", "unit", "range", "meaning", "source")))


def describe(options: argparse.Namespace) -> None:
    """Describe the model by the ODD protocol: state, month, rules, policies, every parameter."""
    from .research.description import odd, write_odd

    if options.out:
        say(f"written: {write_odd(options.out)}")
    else:
        say(odd())


def reproduce(options: argparse.Namespace) -> None:
    """Make every figure and number of the notebooks anew, with checksums; takes some minutes."""
    from .teaching.reproduce import ReproductionError
    from .teaching.reproduce import reproduce as make

    out = Path(options.out or "results/figures")
    try:
        table = make(out, options.names)
    except (ReproductionError, ValueError) as error:
        raise Mistake(str(error)) from None
    count = table["kind"].value_counts()
    say(
        f"{table['notebook'].nunique()} notebooks, {count.get('figure', 0)} figures and "
        f"{count.get('text', 0)} texts in {out}; checksums in {out / 'manifest.csv'}"
    )


def policies(options: argparse.Namespace) -> None:
    """List the policies with their parameters and defaults."""
    import dataclasses
    import inspect

    from .simulation.policies import LIBRARY, Policy, Programme

    shared = {field.name for kind in (Policy, Programme) for field in dataclasses.fields(kind)}
    for name, kind in LIBRARY.items():
        own = [field for field in dataclasses.fields(kind) if field.name not in shared]
        given = ",".join(f"{f.name}={'none' if f.default is None else _value(f.default)}" for f in own)
        say(f"{name}:{given}" if given else name)
        say(_indented(inspect.getdoc(kind) or ""))
        rows = [
            (f.name, f.metadata["meaning"], f.metadata["unit"], _range(f.metadata)) for f in own if f.metadata
        ]
        say(("\n" + _indented(aligned(rows)) if rows else "") + "\n")
    say(
        "Write NAME or NAME:PARAMETER=VALUE,...; join policies with + to have them at once.\n"
        "All take start and stop (months, from 0); those for all customers also ramp and half_life\n"
        "(months) and effort (1 is the size given here). A bill is the mean monthly revenue of a new\n"
        "customer. Sizes and costs are assumptions unless a source is named."
    )


def _range(about: Mapping[str, Any]) -> str:
    low, high = float(about["low"]), float(about["high"])
    return f"{_value(low)} to {_value(high)}" if high < 1e6 else f"from {_value(low)}"


def presets(options: argparse.Namespace) -> None:
    """List the scenarios that come with crmsim."""
    from .simulation.scenario import Scenario

    rows = []
    for name in Scenario.presets():
        preset = Scenario.preset(name)
        size = preset.population
        rows.append((name, f"{size.size:,} customers x {size.months} months", preset.title))
    say(aligned(rows))


def datasets(options: argparse.Namespace) -> None:
    """Build or list the data sets of the course, or make a customer database of one."""
    from . import datasets

    if options.check and options.action != "build":
        raise Mistake("--check goes with build: crmsim datasets build --check")
    if options.action == "list":
        say(aligned([(d.name, f"{d.customers:,} x {d.months} months", d.meaning, d.chinese)
                     for d in datasets.DATASETS.values()]))  # fmt: skip
        return
    if options.action == "database":
        _dataset_database(options)
        return
    if options.name:
        raise Mistake(f"build makes all data sets, so it takes no name ({options.name!r} was given)")
    folder = Path(options.out) if options.out else datasets.project_folder() or Path("datasets")
    if options.check:
        if found := datasets.check(folder):
            raise Mistake("\n".join([f"{folder}: {len(found)} files differ", *found]))
        say(f"{folder}: every file is as its checksum says, and comes out the same when built anew")
        return
    table = datasets.build(folder)
    say(f"{len(table)} files, {table['bytes'].sum() / 1e6:.1f} MB, written to {folder}")


def _dataset_database(options: argparse.Namespace) -> None:
    from . import datasets
    from .data.database import write_tables

    if not options.name:
        raise Mistake(f"name a data set: {', '.join(datasets.DATASETS)}")
    if options.name == datasets.DIRTY:
        files = " and ".join(map(str, sorted(datasets.dataset_folder(options.name).glob("sales_*.csv"))))
        raise Mistake(f"{options.name} has to be cleaned and imported, not copied: {files}")
    tables = datasets.load_dataset(options.name, truth=True)
    path = write_tables(tables, options.out or f"{options.name}.duckdb")
    say(f"{len(tables)} tables written to {path}")


def demo(options: argparse.Namespace) -> None:
    """Open one live page of the course in a browser; without a name, list the pages."""
    from .teaching import pages, serve

    if not options.name:
        try:
            say(aligned([(name, *pages.page_class(name).question) for name in pages.PAGES]))
        except ImportError as error:  # of the extra `course`
            raise Mistake(str(error)) from None
        return
    settings = {key: value for key in ("language", "seed", "customers", "scenario")
                if (value := getattr(options, key)) is not None}  # fmt: skip
    code = serve.demo(
        options.name, port=options.port or 0, browser=options.browser, **settings,
        ready=lambda at: say(f"opening {at} (stop with Ctrl+C)"),
    )  # fmt: skip
    if code:
        raise Mistake(f"the page's server ended with exit code {code}; the lines above say why")


def lab(options: argparse.Namespace) -> None:
    """Start JupyterLab on a copy of the course, so that the originals stay clean."""
    from .teaching import serve

    code = serve.lab(
        options.folder, port=options.port or 0, browser=options.browser,
        ready=lambda at: say(f"the course is in {at} (stop with Ctrl+C)"),
    )  # fmt: skip
    if code:
        raise Mistake(f"JupyterLab ended with exit code {code}; the lines above say why")


# -- scenarios and policies ----------------------------------------------------------------------


def grade(options: argparse.Namespace) -> None:
    """Grade a folder of submissions: points with reasons, and an overview of the class."""
    from .exercises.grade import Limits, grade_folder, protections

    stand = protections(options.unprotected)
    say(f"protections that are on: {', '.join(stand) or 'none'}")
    limits = Limits(seconds=options.seconds, cell_seconds=min(options.seconds, Limits.cell_seconds))
    table, page = grade_folder(
        options.submissions,
        options.out,
        workers=options.workers,
        sets=options.set or (),
        due=options.due,
        late=options.late,
        form=options.format,
        key=options.key,
        unprotected=options.unprotected,
        limits=limits,
        progress=sys.stderr.isatty(),
    )
    total = table.groupby("student")[["points", "of"]].sum()
    say(f"{len(total):,} students, mean {total['points'].mean():.1f} of {total['of'].iloc[0]:g} points")
    say(f"Written to {options.out}; overview: {page}")


def exercise(options: argparse.Namespace) -> None:
    """List the exercises, begin a new set, or make the notebooks of the sets from their sources."""
    from .exercises import release
    from .exercises.exercise import find_set, set_names

    if options.check and options.action != "release":
        raise Mistake("--check goes with release: crmsim exercise release --check")
    if options.action == "new":
        if not options.name:
            raise Mistake("name the set: crmsim exercise new tickets")
        for path in release.new(options.name):
            say(f"{path}: written")
        say(f"Change both, then: crmsim exercise release {options.name}")
    elif options.action == "release":
        told = release.release([options.name] if options.name else [], check=options.check)
        if options.check and told:
            raise Mistake("\n".join(told))
        say("\n".join(f"{path}: written" for path in told) or "every notebook is what its source gives")
    else:
        names = [options.name] if options.name else set_names()
        rows = [
            (e.id, e.title, e.chinese, f"{e.difficulty}", f"{e.minutes}", f"{e.points:g}")
            for name in names
            for e in find_set(name).exercises
        ]
        say(aligned(rows, ("exercise", "title", "中文", "level", "minutes", "points")))


def _scenario(options: argparse.Namespace) -> Scenario:
    """The scenario named, with the sizes given on the command line."""
    from .simulation.scenario import Scenario

    scenario = Scenario.from_name(options.scenario)
    changes = {"population__size": options.customers, "population__months": options.months}
    wanted = {name: value for name, value in changes.items() if value is not None}
    return scenario.replace(**wanted) if wanted else scenario


def _parts(word: str) -> list[Any]:
    """The policies of one word: `dunning+complaint_handling:resolved=0.9`; none of them for `none`."""
    from .simulation.policies import policy

    # a plus sign may also stand in a number, as in 1e+3
    names = re.split(r"\+(?=\s*[A-Za-z_])", word)
    return [policy(name.strip()) for name in names if name.strip() != "none"]


def own_policies(scenario: Scenario) -> dict[str, list[Any]]:
    """The policies of a scenario's file, each by itself, and together if there are several."""
    from .simulation.policies import policy

    found: dict[str, list[Any]] = {}
    for content in scenario.policies:
        made = policy(content)
        name, number = made.name, 2
        while name in found or name in ("none", "together"):
            name, number = f"{made.name} ({number})", number + 1
        found[name] = [made]
    if len(found) > 1:
        found["together"] = [made for (made,) in found.values()]
    return found


def default_policies(scenario: Scenario) -> list[str]:
    """The policies compared when none are named: those that can work in this world."""
    from .simulation.policies import PolicyError, Programme, policies_of

    wanted = ["complaint_handling", "quality_control", "service_quality"]
    if scenario.purchase.contract:
        wanted = ["dunning", "payment_channels", *wanted]
    if scenario.market.openness > 0:
        wanted += ["retention_call:target=risk", "retention_call:target=uplift", "loyalty_programme"]
    else:
        wanted += ["four_problems", "fault_reduction"]
    if scenario.service.desk != "none":
        wanted += ["hire_agents", "train_agents", "notices_by_sms"]
    possible = []
    for word in wanted:
        try:
            (made,) = policies_of(scenario, [word])
        except PolicyError:  # such as a touchpoint that the scenario does not have
            continue
        changes = made.changes(scenario) if isinstance(made, Programme) else ()
        if not changes or any(change.add != 0 or change.multiply != 1 for change in changes):
            possible.append(word)
    return possible


# -- results ---------------------------------------------------------------------------------------


class Results:
    """A folder of results, written whole or not at all.

    The files are made in a folder beside it and moved when all are there, `about.json` last. A
    folder that holds anything but results of crmsim is refused.
    """

    def __init__(self, folder: str | Path, options: argparse.Namespace) -> None:
        self.folder = Path(folder)
        self.options = options
        self.started = dt.datetime.now(dt.UTC)
        self.clock = time.monotonic()
        if self.folder.exists() and not self.folder.is_dir():
            raise Mistake(f"{self.folder} is a file; --out names a folder")
        try:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            # tried, not asked: an administrator may write where the rights say no, and the reverse
            stage = self._stage
            shutil.rmtree(stage, ignore_errors=True)
            stage.mkdir()
            stage.rmdir()
        except OSError as error:
            raise Mistake(
                f"{self.folder} cannot be written: {error.strerror}; choose another --out"
            ) from None
        if self.folder.exists() and any(self.folder.iterdir()) and not self._files():
            raise Mistake(f"{self.folder} holds other files; choose a new folder with --out")
        given = Path(str(getattr(options, "scenario", "")))
        if given.is_file() and given.resolve() == (self.folder / "scenario.toml").resolve():
            raise Mistake(f"{given} would be overwritten; choose another folder with --out")

    @property
    def _stage(self) -> Path:
        folder = self.folder.resolve()
        return folder.with_name(f".{folder.name}.crmsim-part")

    def _files(self) -> list[str]:
        """The files of results written here before; empty if this is no such folder."""
        try:
            about = json.loads((self.folder / "about.json").read_text(encoding="utf-8"))
            return list(map(str, about["files"])) if about["program"] == "crmsim" else []
        except (OSError, ValueError, KeyError, TypeError):
            return []

    @contextlib.contextmanager
    def writing(self, scenario: Scenario | None = None, **about: Any) -> Iterator[Path]:
        """A folder to write into; its files are moved to their place when all went well.

        `about.json` is added, with what made the results, and the scenario with every value.
        """
        stage = self._stage
        shutil.rmtree(stage, ignore_errors=True)
        try:
            stage.mkdir()
            yield stage
            if scenario is not None:
                (stage / "scenario.toml").write_text(scenario.to_toml(defaults=True), encoding="utf-8")
                about = {"scenario": scenario.name, "scenario_hash": scenario.hash, **about}
            self._tell(stage, about)
            self._move(stage)
        except OSError as error:
            place = error.filename or self.folder
            raise Mistake(f"{place} cannot be written: {error.strerror or error}") from error
        finally:
            shutil.rmtree(stage, ignore_errors=True)

    def _tell(self, stage: Path, about: Mapping[str, Any]) -> None:
        from importlib.metadata import version

        content = {
            "program": "crmsim",
            "version": __version__,
            "command": shlex.join(["crmsim", *self.options.words]),
            "started": self.started.isoformat(timespec="seconds"),
            "seconds": round(time.monotonic() - self.clock, 1),
            **about,
            "files": _files_in(stage),
            "versions": {
                "python": platform.python_version(),
                **{name: version(name) for name in ("numpy", "numba", "pandas", "scipy")},
            },
        }
        text = json.dumps(content, indent=1, ensure_ascii=False)
        (stage / "about.json").write_text(text + "\n", encoding="utf-8")

    def _move(self, stage: Path) -> None:
        if not self.folder.exists():
            stage.replace(self.folder)
            return
        new = [*_files_in(stage, besides="about.json"), "about.json"]
        for name in set(self._files()) - set(new):
            (self.folder / name).unlink(missing_ok=True)
        for name in new:
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (stage / name).replace(self.folder / name)

    def report(self) -> None:
        """Say where the files are."""
        names = _files_in(self.folder)
        figures = sorted({Path(name).stem for name in names if name.startswith("figures/")})
        shown = [name for name in names if "/" not in name]
        say(f"\nWritten to {self.folder}: {', '.join(shown)}")
        if figures:
            say(f"{self.folder / 'figures'}, PNG and SVG: {', '.join(figures)}")


def _files_in(folder: Path, besides: str = "") -> list[str]:
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(name for name in found if name != besides)


def _file_name(name: str) -> str:
    """A scenario's name as a part of a path."""
    return re.sub(r"[^\w.-]+", "_", name).strip("._") or "scenario"


def _write_csv(path: Path, frame: pd.DataFrame) -> None:
    frame.to_csv(path, index=False, lineterminator="\n")


def _write_parquet(path: Path, frame: pd.DataFrame) -> None:
    """Parquet by way of DuckDB, which the package needs anyway."""
    import duckdb

    with duckdb.connect() as connection:
        connection.register("frame", frame)
        place = str(path).replace("'", "''")
        connection.execute(f"COPY frame TO '{place}' (FORMAT parquet)")


# -- text --------------------------------------------------------------------------------------------


def say(text: str = "") -> None:
    """Print to stdout; what the terminal's encoding lacks becomes a question mark."""
    print(text)


def aligned(rows: Iterable[Sequence[str]], head: Sequence[str] = ()) -> str:
    """Rows of words as a table in plain text; columns of numbers to the right."""
    body = [list(map(str, row)) for row in rows]
    lines = [list(head), *body] if head else body
    if not lines:
        return ""
    widths = [max(len(line[k]) for line in lines) for k in range(len(lines[0]))]
    right = [all(_is_number(line[k]) for line in body) and bool(body) for k in range(len(widths))]
    shown = [
        "  ".join(
            word.rjust(width) if to_right else word.ljust(width)
            for word, width, to_right in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in lines
    ]
    if head:
        shown.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(shown)


def _indented(text: str) -> str:
    return "\n".join(f"    {line}".rstrip() for line in text.splitlines())


def _is_number(word: str) -> bool:
    return bool(re.fullmatch(r"[-+]?[\d,.]+%?", word)) or word == ""


def _number(value: float) -> str:
    """A number to read: whole when large, four digits when small."""
    if value != value:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:,.4g}"


def _value(value: object) -> str:
    """A parameter as a user writes it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.0f}" if value == int(value) and abs(value) < 1e9 else f"{value:g}"
    if isinstance(value, tuple | list):
        return ",".join(map(_value, value))
    return "" if value is None else str(value)


# -- the command line ----------------------------------------------------------------------------------


class _Parser(argparse.ArgumentParser):
    """Says one line about a mistake, in place of the usage."""

    def error(self, message: str) -> NoReturn:
        if "SCENARIO" in message and "required" in message:
            message = "name a SCENARIO first: a preset (see `crmsim presets`) or a TOML file"
        raise Mistake(f"{message} (`{self.prog} --help` shows an example)")


def _whole(text: str) -> int:
    try:
        return int(text.replace(",", ""))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number") from None


def _growth(text: str) -> float:
    """A change as 0.05, 5% or -10%."""
    try:
        return float(text.rstrip("% ")) / (100 if text.rstrip().endswith("%") else 1)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no share; write 0.05 or 5%") from None


def _day(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day; write it as 2026-12-01") from None


def _share(text: str) -> float:
    """A share as 0.05 or 5%."""
    number = _growth(text)
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no share between 0 and 1; write 0.05 or 5%")
    return number


COMMANDS: dict[str, tuple[Callable[[argparse.Namespace], None], str]] = {
    "run": (run, "crmsim run subscription --policy dunning complaint_handling --seed 7 --out results/two"),
    "compare": (
        compare,
        "crmsim compare subscription\n"
        "  crmsim compare mine.toml --policy dunning retention_call:target=value,budget=2000 \\\n"
        "      dunning+complaint_handling --replications 60",
    ),
    "study": (
        study,
        "crmsim study docs/study.toml --out results/study\n"
        "  crmsim study docs/study.toml --out results/study --cluster local --jobs 4",
    ),
    "cluster": (
        cluster,
        "crmsim cluster --workers 4\n  crmsim study docs/study.toml --cluster tcp://127.0.0.1:8786",
    ),
    "fit": (
        fit,
        "crmsim fit sales.csv --customer client --date day --amount total --out mine.toml\n"
        "  crmsim compare mine.toml",
    ),
    "import": (
        import_,
        "crmsim import sales.csv --out crm.duckdb\n"
        "  crmsim import sales.xlsx --customer Client --date Day --quantity Units --price Each \\\n"
        "      --duplicates drop --missing apart --report rows.csv --out crm.duckdb",
    ),
    "analyse": (
        analyse,
        "crmsim analyse crm.duckdb --out report\n  crmsim analyse crm.duckdb --break-even 2% --margin 35%",
    ),
    "facts": (facts, "crmsim facts --out results/facts"),
    "table": (table, "crmsim table subscription\n  crmsim table mine.toml --csv > parameters.csv"),
    "describe": (describe, "crmsim describe --out docs/model.md"),
    "reproduce": (
        reproduce,
        "crmsim reproduce --out results/figures\n  crmsim reproduce 04_rfm water/3_pdca",
    ),
    "policies": (policies, "crmsim policies"),
    "presets": (presets, "crmsim presets"),
    "datasets": (
        datasets,
        "crmsim datasets build --check\n  crmsim datasets database retail --out shop.duckdb",
    ),
    "demo": (demo, "crmsim demo policy-lab\n  crmsim demo policy-lab --language zh --scenario retail"),
    "lab": (lab, "crmsim lab my-course"),
    "grade": (
        grade,
        "crmsim grade submissions/ --out grades.csv\n"
        "  crmsim grade submissions/ --set rfm --due 2026-12-01 --late 10% --format moodle --out rfm.csv",
    ),
    "exercise": (
        exercise,
        "crmsim exercise list\n  crmsim exercise new tickets\n  crmsim exercise release --check",
    ),
}


def parser() -> argparse.ArgumentParser:
    """The command line of `crmsim`."""
    main_parser = _Parser(
        prog="crmsim",
        description="Simulated customers for customer relationship management.",
        epilog="`crmsim COMMAND --help` shows what a command takes, with an example.",
    )
    main_parser.add_argument("--version", action="version", version=f"crmsim {__version__}")
    commands = main_parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    made: dict[str, argparse.ArgumentParser] = {}
    for name, (function, example) in COMMANDS.items():
        text = (function.__doc__ or "").strip()
        command = commands.add_parser(
            name,
            help=text[0].lower() + text[1:].rstrip("."),
            description=text,
            epilog=f"example:\n  {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.set_defaults(command=function)
        made[name] = command

    for name in ("run", "compare", "table"):
        made[name].add_argument("scenario", metavar="SCENARIO", help="a preset's name or a TOML file")
    for name, meaning in (
        ("run", "what the firm does, all at once; without it, the policies of the scenario's file"),
        ("compare", "policies to compare; join several into one with +; see `crmsim policies`"),
    ):
        made[name].add_argument("--policy", metavar="NAME", nargs="+", action="extend", help=meaning)
    for name in ("run", "compare"):
        add = made[name].add_argument
        add("--customers", metavar="N", type=_whole, help="customers at the start")
        add("--months", metavar="M", type=_whole, help="length of the simulation")
        add("--seed", metavar="S", type=_whole, default=1, help="which luck; the same seed, the same result")
    add = made["compare"].add_argument
    add("--replications", metavar="R", type=_whole, default=20, help="how often, each with other luck (20)")
    add("--jobs", metavar="J", type=_whole, default=-1, help="processes; -1 for all processors")
    add = made["study"].add_argument
    add("study", metavar="STUDY.toml", help="file of the study; docs/study.toml is one with comments")
    add(
        "--jobs",
        metavar="J",
        type=_whole,
        default=-1,
        help="processes, or workers of a local cluster; -1 for all",
    )
    add("--cluster", metavar="ADDRESS", help="local, or a Dask scheduler such as tcp://127.0.0.1:8786")
    add = made["cluster"].add_argument
    add("--workers", metavar="N", type=_whole, help="of one thread each (one for each processor)")
    add("--port", metavar="P", type=_whole, default=8786, help="of the scheduler (8786); 0 for a free one")
    add(
        "--host", metavar="HOST", default="127.0.0.1",
        help="where it listens; any but this machine is for closed networks: who reaches it can run code",
    )  # fmt: skip
    add = made["fit"].add_argument
    add("transactions", metavar="TRANSACTIONS", help="a CSV file with a row a purchase")
    add("--customer", metavar="COL", help="column with the customer: its name, or position from 0")
    add("--date", metavar="COL", help="column with the date")
    add("--amount", metavar="COL", help="column with the amount")
    add("--base", metavar="SCENARIO", default="retail", help="supplies what a log cannot tell (retail)")
    add("--until", metavar="DAY", help="fit up to this day, such as 2024-06-30, and forecast the rest")
    add("--seed", metavar="S", type=_whole, default=1, help="which luck")
    _import_options(made["import"])
    add = made["analyse"].add_argument
    add("database", metavar="DATABASE", help="a customer database, such as crm.duckdb")
    add(
        "--break-even", metavar="SHARE", type=_share, default=0.05,
        help="share of those mailed who must respond: cost of a contact over margin of a response (5%%)",
    )  # fmt: skip
    add("--margin", metavar="SHARE", type=_share, default=0.4, help="share of revenue that is kept (40%%)")
    add("--discount", metavar="SHARE", type=_share, default=0.01, help="discount rate a month (1%%)")
    add("--ahead", metavar="M", type=_whole, default=36, help="months ahead that value counts (36)")
    add(
        "--growth", metavar="SHARE", type=_growth, default=0.0,
        help="target: by how much customers are to bring more than the year before (0%%)",
    )  # fmt: skip
    add(
        "--offer-cost", metavar="SHARE", type=_growth, default=0.15,
        help="cost of an offer to one customer, in mean bills or purchases (0.15)",
    )  # fmt: skip
    add = made["facts"].add_argument
    add("numbers", metavar="NUMBER", nargs="*", help="which facts, such as 52; all when none is named")
    add("--replications", metavar="R", type=_whole, default=5, help="how often, for the standard error (5)")
    add("--customers", metavar="N", type=_whole, help="customers in place of the presets' own")
    add("--seed", metavar="S", type=_whole, default=1, help="which luck")
    made["table"].add_argument("--csv", action="store_true", help="comma-separated, for a spreadsheet")
    made["describe"].add_argument("--out", metavar="FILE.md", help="file to write; printed without it")
    add = made["reproduce"].add_argument
    add("names", metavar="NOTEBOOK", nargs="*", help="such as 04_rfm; all when none is named")
    add("--out", metavar="DIR", help="folder for figures, texts and checksums (results/figures)")
    add = made["datasets"].add_argument
    add("action", choices=("build", "list", "database"), help="what to do")
    add("name", metavar="NAME", nargs="?", help="for database: the data set")
    add("--check", action="store_true", help="compare the files with their checksums and a build anew")
    add("--out", metavar="PATH", help="folder of the data sets (datasets), or the file of the database")
    add = made["demo"].add_argument
    add("name", metavar="NAME", nargs="?", help="a page, such as policy-lab")
    add("--language", choices=["en", "zh"], help="words in English or Chinese (en)")
    add("--scenario", metavar="SCENARIO", help="a preset's name or a TOML file in place of the page's own")
    add("--customers", metavar="N", type=_whole, help="customers at the start")
    add("--seed", metavar="S", type=_whole, help="which luck")
    made["lab"].add_argument("folder", metavar="FOLDER", nargs="?", help="for the copy (crmsim-course)")
    for name in ("demo", "lab"):
        add = made[name].add_argument
        add("--port", metavar="P", type=_whole, help="port of the server (a free one)")
        add("--browser", action=argparse.BooleanOptionalAction, default=True, help="open a browser")
    for name, meaning in (
        ("run", "folder for the results (results/SCENARIO-run)"),
        ("compare", "folder for the results (results/SCENARIO-compare)"),
        ("study", "folder for the results (results/STUDY-study); the same one goes on where it was"),
        ("facts", "folder for the report; without it the report is only printed"),
        ("analyse", "folder for the report (results/DATABASE-report)"),
    ):
        made[name].add_argument("--out", metavar="DIR", help=meaning)
    add = made["grade"].add_argument
    add("submissions", metavar="SUBMISSIONS", help="folder with ID.ipynb, ID.py, or a folder ID a student")
    add("--out", metavar="GRADES.csv", default="grades.csv", help="table to write (grades.csv)")
    add("--workers", metavar="N", type=_whole, default=2, help="submissions at a time (2)")
    add("--set", metavar="SET", nargs="+", help="sets to grade; without it, those somebody began")
    add("--due", metavar="DAY", type=_day, help="last day in time, such as 2026-12-01, by the files' dates")
    add("--late", metavar="SHARE", type=_share, default=0.0, help="points lost a day begun after it (0%%)")
    add("--format", choices=["crmsim", "nbgrader", "moodle"], default="crmsim", help="columns (crmsim)")
    add("--key", metavar="SECRET", default="", help="try functions and policies on inputs of your own")
    add("--seconds", metavar="S", type=_whole, default=60, help="most that a submission may run (60)")
    add("--unprotected", action="store_true", help="run submissions though protections are missing here")
    add = made["exercise"].add_argument
    add("action", choices=("list", "new", "release"), help="what to do")
    add("name", metavar="SET", nargs="?", help="a set; for release and list, all without it")
    add("--check", action="store_true", help="for release: only say which notebooks differ")
    made["fit"].add_argument("--out", metavar="SCENARIO.toml", required=True, help="scenario file to write")
    for name in made:
        made[name].add_argument("--debug", action="store_true", help="show the traceback of an error")
    return main_parser


def _import_options(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("file", metavar="FILE", help="CSV (also .gz), Parquet or Excel: a row a purchase or a line of one")
    add("--out", metavar="CRM.duckdb", required=True, help="customer database to write")
    add("--report", metavar="ROWS.csv", help="lists every row mended, left out, set apart or refused")
    columns = command.add_argument_group(
        "columns", "by name, or position from 0; found by their names if left out; - for none"
    )
    for name in COLUMNS:
        columns.add_argument(f"--{name}", metavar="COL")
    columns.add_argument("--currency-column", metavar="COL")
    reading = command.add_argument_group("reading").add_argument
    reading("--currency", metavar="CODE", help="of the file, such as EUR; rows in another are refused")
    reading("--encoding", metavar="NAME", help="such as gb18030; guessed if left out")
    reading("--separator", metavar="SIGN", help="between cells; guessed if left out")
    reading("--sheet", metavar="NAME", help="of a workbook; the first if left out")
    reading("--header", action=argparse.BooleanOptionalAction, help="whether the first row holds names")
    reading("--skip", metavar="N", type=_whole, help="rows above the header to leave out")
    reading(
        "--dayfirst", action=argparse.BooleanOptionalAction, help="whether 03/04/2024 is the third of April"
    )
    reading("--decimal", choices=[".", ","], help="decimal mark")
    cleaning = command.add_argument_group("cleaning").add_argument
    cleaning("--earliest", metavar="DAY", help="refuse earlier dates, such as 2023-01-01")
    cleaning("--latest", metavar="DAY", help="refuse later dates")
    cleaning("--duplicates", choices=["keep", "drop"], help="rows equal in every cell (keep)")
    cleaning("--zeros", choices=["keep", "drop"], help="amounts of 0 (keep)")
    cleaning("--returns", choices=["keep", "net", "apart"], help="lines with a minus (keep)")
    cleaning("--missing", choices=["refuse", "apart"], help="rows without a customer (refuse)")
    cleaning("--cancelled", metavar="LETTERS", help="begin the number of a cancelled invoice (C)")


def main(words: Sequence[str] | None = None) -> int:
    """Run a command; gives the exit code: 0, 2 for a user's mistake, 130 when stopped."""
    words = list(sys.argv[1:] if words is None else words)
    os.environ.setdefault("MPLBACKEND", "Agg")  # figures go to files
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        code = _main(words)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # the reader has gone; Python would complain once more when it flushes at the end
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED


def _main(words: list[str]) -> int:
    debug = "--debug" in words
    try:
        if not words:
            parser().print_help()
            return 0
        if not words[0].startswith("-") and words[0] not in COMMANDS:
            near = difflib.get_close_matches(words[0], COMMANDS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(COMMANDS)}"
            raise Mistake(f"unknown command {words[0]!r}; {hint}")
        options = parser().parse_args(words)
        options.words = words
        options.command(options)
        return 0
    except SystemExit as end:  # --help and --version
        return int(end.code or 0)
    except KeyboardInterrupt:
        if debug:
            raise
        kept = {"compare": "cells", "study": "cells", "grade": "submissions"}.get(words[0])
        told = (
            f"finished {kept} are kept, run the same command again to go on"
            if kept
            else "nothing was written"
        )
        print(f"\ncrmsim: stopped; {told}", file=sys.stderr)
        return STOPPED
    except BrokenPipeError:
        raise
    except (ValueError, OSError, MemoryError, ImportError) as error:
        if debug:
            raise
        print(f"crmsim: {_told(error)}", file=sys.stderr)
        return MISTAKE
    except Exception as error:
        if debug:
            raise
        print(
            f"crmsim: {type(error).__name__}: {error}\nthis should not happen; --debug shows where",
            file=sys.stderr,
        )
        return 1


def _told(error: Exception) -> str:
    """An error in words; a scenario with a single fault in one line."""
    if type(error).__name__ in ("ScenarioError", "StudyError") and len(error.errors) == 1:  # type: ignore[attr-defined]
        (where, what), origin = error.errors[0], error.origin  # type: ignore[attr-defined]
        told = origin.endswith(".toml") or " " in origin  # rather than a mere word such as study
        parts = [origin, where, what] if told else [where, what]
        return ": ".join(part for part in parts if part)
    return str(error).rstrip() or type(error).__name__
