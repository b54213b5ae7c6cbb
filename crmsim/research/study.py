"""A study: policies x scenarios x points of a design x replications, from one file, at any scale.

    study = Study.load("study.toml")
    study.run("results/study")                      # or cluster="local", cluster="tcp://host:8786"
    study.query('select policy, avg(equity) from results group by policy')

Each cell is the cell of an `Experiment`: the same pure function, named by the same marks of its
content. What differs is where cells go. Finished ones are written in parts (Parquet) while others
still run, so memory does not grow with their number, and a run that was stopped or killed goes on
from the parts. When all are there they become one file, `results.parquet`, in the order of the
study: the same bytes whatever order, number of processes, cluster or interruptions they were made in.
When each cell was made, in how many seconds and where stands apart, in `log.parquet`, because that
differs from one run to the next.
"""

from __future__ import annotations

import functools
import json
import math
import time
import tomllib
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from .. import __version__
from ..simulation.draws import make_key
from ..simulation.scenario import ScenarioError, _toml_fault, _unknown
from .designs import point_names
from .experiment import COUNTS, OUTCOMES, _closing, _number, cell_mark, policy_marks, source_mark
from .study_file import (
    ALL_OUTCOMES,
    ENTRIES,
    Faults,
    StudyError,
    differences,
    policy_in_words,
    read_design,
    read_monthly,
    read_outcomes,
    read_policies,
    read_scenarios,
    read_whole,
    scenario_at,
)
from .study_folder import StudyFolder, series_columns, write_text
from .workers import Done, Row, Shared, Work, executor, jobs_wanted, local_cluster

__all__ = ["Study", "StudyError", "local_cluster"]

_HEAD = (
    "scenario", "policy", "baseline", "replication", "seed", "scenario_hash", "version", "months", "currency",
    "base",
)  # fmt: skip
LARGEST = 100_000_000  # cells
# Customer-months and cells that a worker is given at a time: some tenths of a second.
_PORTION = 4_000_000
_MOST_CELLS = 50
# The first cells are written at once, then a part when this many seconds, or this share of the time gone,
# have passed since the last one, so that a study of days leaves some hundred; or when so many cells wait.
_FLUSH_SECONDS, _FLUSH_SHARE, _FLUSH_CELLS = 1.0, 0.02, 5_000


class _World(NamedTuple):
    """A scenario at a point of the design."""

    base: int
    point: int  # 0 without a design
    name: str
    hash: str
    months: int
    work: int  # customer-months
    currency: str


class Study:
    """Policies x scenarios x points of a design x replications.

    policies: names and, for each, a list of policies as for an `Experiment`; None (in a file:
        "scenario") for those of the scenario's file.
    scenarios: presets, files or Scenarios; or tables {"base": "subscription", "name": "open",
        "market": {"openness": 1}} with what is different from the base.
    design: {"kind": "sobol", "n": 64, "seed": 1, "parameters": {"market.openness": (0.2, 1)}} as for
        `designs.design`, or a table that it made; every scenario is tried at each point.
    replications, seed: how often, and with which luck; the same for all cells.
    baseline: the policy every customer's life is compared with; the first when not given.
    population: what is different in the section `population` of every scenario, such as its size.
    outcomes: those of `OUTCOMES` and `SERVICE_OUTCOMES` to keep; all when not given. `compare` needs all.
    monthly: series to keep as well, by the names of `Experiment.monthly`; none when not given.

    `run(out)` makes the cells; `table`, `query`, `monthly` and `log` read them. Columns of the table: those
    of `Experiment.run` (with `scenario` named by its point, "open#0007"), base (the scenario without its
    point), point and the design's parameters, source (mark of the simulation's source) and cell (mark
    of the content: source, scenario, policies, baseline, seed).

    Raises StudyError with every fault.
    """

    def __init__(
        self,
        policies: Mapping[str, Any],
        scenarios: Any,
        *,
        design: Mapping[str, Any] | pd.DataFrame | None = None,
        replications: int = 10,
        seed: int = 1,
        baseline: str | None = None,
        population: Mapping[str, Any] | None = None,
        outcomes: Iterable[str] | None = None,
        monthly: Iterable[str] | None = None,
        name: str = "study",
        title: str = "",
    ) -> None:
        content = {
            "policies": policies, "scenarios": scenarios, "design": design, "replications": replications,
            "seed": seed, "baseline": baseline, "population": population, "outcomes": outcomes,
            "monthly": monthly, "name": name, "title": title,
        }  # fmt: skip
        self._prepare({key: value for key, value in content.items() if value is not None})

    @classmethod
    def load(cls, path: str | Path) -> Study:
        """Read a study from a TOML file. Files that it names are looked for beside it.

        Raises StudyError with every fault and its line.
        """
        path = Path(path)
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            what = "no such file" if isinstance(error, FileNotFoundError) else f"cannot be read ({error})"
            raise StudyError([(str(path), what)], "study") from None
        try:
            content = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise StudyError([_toml_fault(str(error), text)], str(path)) from None
        study = cls.__new__(cls)
        study._prepare({"name": path.stem, **content}, str(path), text, path.parent)
        return study

    # -- what it is made of ------------------------------------------------------------------------

    def _prepare(
        self, content: dict[str, Any], origin: str = "study", text: str = "", folder: Path | None = None
    ) -> None:
        faults = Faults(text)
        for key in content:
            if key not in ENTRIES:
                faults.add((key,), _unknown(key, list(ENTRIES), "entry"))
        self.name, self.title = str(content.get("name")), str(content.get("title", ""))
        self.replications = read_whole(content.get("replications", 10), "replications", 1, faults)
        self.seed = read_whole(content.get("seed", 1), "seed", 0, faults)
        try:
            make_key(self.seed)
        except ValueError as error:
            faults.add(("seed",), str(error))
        self.outcomes = read_outcomes(content.get("outcomes"), faults)
        self.scenarios = read_scenarios(
            content.get("scenarios"), content.get("population", {}), folder, faults
        )
        self._series = read_monthly(content.get("monthly"), self.scenarios, faults)
        self.policies, self._plans = read_policies(content.get("policies"), self.scenarios, faults)
        self.baseline = content.get("baseline", next(iter(self.policies), ""))
        if self.policies and self.baseline not in self.policies:
            faults.add(("baseline",), _unknown(str(self.baseline), list(self.policies), "policy"))
        self.points, self._design = read_design(content.get("design"), self.scenarios, faults)
        count = len(self.scenarios) * len(self.points) * len(self.policies) * self.replications
        if count > LARGEST:
            faults.add(("replications",), f"{count:,} cells are too many (at most {LARGEST:,}); take fewer")
        if self.scenarios and all(scenario.service.desk == "none" for scenario in self.scenarios):
            of_a_desk = [name for name in self.outcomes if name not in OUTCOMES]
            if of_a_desk and content.get("outcomes") is not None:
                what = f"{of_a_desk[0]!r} needs a service desk (service.desk), and no scenario has one"
                faults.add(("outcomes",), what)
            self.outcomes = [name for name in self.outcomes if name in OUTCOMES]
        faults.end(origin)
        self._worlds = self._make_worlds(faults)
        faults.end(origin)
        self._text = text
        self.folder: Path | None = None

    def _make_worlds(self, faults: Faults) -> list[_World]:
        worlds: list[_World] = []
        for b, base in enumerate(self.scenarios):
            names = point_names(base, self.points) if self._design else [base.name]
            for k, name in enumerate(names):
                values = self._values(k)
                try:
                    world = scenario_at(base, name, values)
                except ScenarioError as error:
                    at = ", ".join(f"{key} = {x:.6g}" for key, x in values.items())
                    for where, what in error.errors:
                        faults.add(("design",), f"{name} ({at}): {where}: {what}")
                    if len(faults.found) >= 5:
                        return worlds
                    continue
                size = world.population
                work = size.size * size.months
                worlds.append(_World(b, k, name, world.hash, size.months, work, world.currency))
        return worlds

    def _values(self, point: int) -> dict[str, Any]:
        """The design's parameters at a point, as plain numbers."""
        return {str(name): column[point] for name, column in self._columns.items()}

    @functools.cached_property
    def _columns(self) -> dict[str, list[Any]]:
        return {str(name): self.points[name].tolist() for name in self.points.columns}

    @property
    def cells(self) -> int:
        """How many cells there are."""
        return len(self._worlds) * len(self.policies) * self.replications

    @functools.cached_property
    def _plan(self) -> pd.DataFrame:
        """A row for each world and policy, in the order of the table: what the rows of its cells share."""
        marks = [policy_marks(plans) for plans in self._plans]
        rows = [
            (w, p, world.name, policy,
             cell_mark(world.hash, marks[world.base][policy], marks[world.base][self.baseline], self.seed))
            for w, world in enumerate(self._worlds)
            for p, policy in enumerate(self.policies)
        ]  # fmt: skip
        return pd.DataFrame(rows, columns=["world", "number", "scenario", "policy", "cell"])

    def describe(self) -> dict[str, Any]:
        """What the study is made of, as plain values: what `study.json` holds."""
        untold = {"name", "title"}
        return {
            "name": self.name,
            "title": self.title,
            "policies": {name: None if plan is None else [policy_in_words(p) for p in plan]
                         for name, plan in self.policies.items()},
            "baseline": self.baseline,
            "scenarios": {x.name: x.model_dump(mode="json", exclude=untold) for x in self.scenarios},
            "design": self._design,
            "replications": self.replications,
            "seed": self.seed,
            "outcomes": self.outcomes,
            **({"monthly": self._series} if self._series else {}),
        }  # fmt: skip

    def __repr__(self) -> str:
        parts = [
            _number(len(self.policies), "policy", "policies"),
            _number(len(self.scenarios), "scenario"),
            *([_number(len(self.points), "point")] if self._design else []),
            _number(self.replications, "replication"),
        ]
        where = f" in {self.folder}" if self.folder else ""
        return f"Study({self.name!r}: {' x '.join(parts)} = {_number(self.cells, 'cell')}{where})"

    # -- running -----------------------------------------------------------------------------------

    def run(self, out: str | Path, jobs: int = -1, cluster: Any = None, progress: bool = True) -> Study:
        """Make the cells that are missing in the folder `out`, then its `results.parquet`.

        jobs: processes, -1 for as many as there are processors, 1 for none besides this one.
        cluster: "local" runs `jobs` Dask workers on this machine; the address of a Dask scheduler
        ("tcp://host:8786") or a distributed.Client uses the workers there, which need the same crmsim.
        The results are the same for all. A worker that dies costs what it was working on, which others
        make again. A script that uses a local cluster must keep its own work under
        `if __name__ == "__main__":`.

        `study.json` in the folder says what the study is made of; another study is refused, but for
        more replications. Cells whose source or policy code has changed are made again. Stopping or a
        kill leaves the finished cells for the next time.

        Raises ValueError for jobs, StudyError for a folder or a cluster that cannot be used, PolicyError and
        RuleError with the cell in which they arose, OSError when workers, a cluster or the disk are lost.
        """
        from tqdm.auto import tqdm

        workers = jobs_wanted(jobs)
        store = StudyFolder(Path(out))
        self._check_folder(store)  # before a lock is left in a folder that is none of ours
        with store.locked():
            self._occupy(store)
            self.folder = store.path
            there = self._there(store)
            missing = self.cells - int(there.sum())
            if missing:
                bar = tqdm(total=self.cells, initial=self.cells - missing, desc=self.name, unit="run",
                           disable=not progress)  # fmt: skip
                with bar, executor(self._shared(), workers, cluster, missing) as execute:
                    self._collect(store, execute(self._portions(there, execute.workers)), bar.update)
            if missing or not store.results.is_file() or store.parts() or store.rows() != self.cells:
                self._compact(store)
        return self

    def open(self, out: str | Path) -> Study:
        """Read the cells in the folder `out`, finished or not, without making any.

        Raises StudyError when they are another study's.
        """
        store = StudyFolder(Path(out))
        if not store.note.is_file():
            raise StudyError([(str(out), "there is no study in this folder; call run()")], "study")
        self._compare_with(store)
        self.folder = store.path
        return self

    def compact(self) -> Path:
        """Write `results.parquet` of the cells that are there so far, and give its path."""
        store = self._store()
        with store.locked():
            self._compact(store)
        return store.results

    @property
    def table(self) -> pd.DataFrame:
        """The finished cells, one row each, in the order of scenarios, points, policies, replications."""
        return self.query("select * from results")

    @property
    def monthly(self) -> pd.DataFrame:
        """The series that are kept, of each finished cell: a row a month, in the order of the table.

        Columns: scenario, policy, replication, cell, month, and the series, NaN for those of a service desk
        in a scenario without one. Raises ValueError for a study that keeps none.
        """
        if not self._series:
            raise ValueError('the study keeps no monthly series; name some: monthly = ["customers", "left"]')
        return self.query("select * from monthly")

    @property
    def log(self) -> pd.DataFrame:
        """When each finished cell was made (UTC), in how many seconds, by which worker."""
        return self.query("select * from log")

    def query(self, sql: str) -> pd.DataFrame:
        """What DuckDB answers, from the tables `results`, `log` and, if series are kept, `monthly`.

        Parameters of the design have a dot in their names, so they stand in quotes:
        `select "market.openness", avg(equity) from results group by all`. Raises ValueError with what DuckDB
        says of SQL that is wrong.
        """
        import duckdb

        try:
            with self._connected(self._store()) as connection:
                if (found := connection.execute(sql)) is not None:
                    return found.df()
        except duckdb.Error as error:
            bare = [name for name in self._columns if name in str(sql) and f'"{name}"' not in str(sql)]
            hint = f'\na name with a dot stands in double quotes: "{bare[0]}"' if bare else ""
            raise ValueError(f"this cannot be asked of the study: {error}{hint}") from None
        raise ValueError("query: nothing is asked; give SQL, such as select * from results")

    # -- parts -------------------------------------------------------------------------------------

    def _store(self) -> StudyFolder:
        if self.folder is None:
            raise ValueError(
                "the study has no results yet; call run(out), or open(out) for a folder with some"
            )
        return StudyFolder(self.folder)

    def _occupy(self, store: StudyFolder) -> None:
        """Make the folder this study's."""
        self._check_folder(store)
        about = {"program": "crmsim", "version": __version__, "study": self.describe()}
        try:
            # the note first: without it a folder with anything in it counts as somebody else's
            write_text(store.note, json.dumps(about, indent=1, ensure_ascii=False) + "\n")
            if self._text:
                write_text(store.file, self._text)
            store.parts_folder.mkdir(exist_ok=True)
        except OSError as error:
            raise StudyError([(str(store.path), f"cannot be written ({error.strerror})")], "study") from None

    def _check_folder(self, store: StudyFolder) -> None:
        """Refuse a folder with the cells of another study, or anything else; one without cells is free."""
        if store.note.is_file():
            if store.files():
                self._compare_with(store)
        elif store.others():
            raise StudyError([(str(store.path), "holds other files; choose a new folder")], "study")

    def _compare_with(self, store: StudyFolder) -> None:
        """Refuse a folder that holds another study; more replications of the same are welcome."""
        try:
            there = dict(json.loads(store.note.read_text(encoding="utf-8"))["study"])
        except (OSError, ValueError, KeyError, TypeError):
            what = "cannot be read, so whose cells are here cannot be told; choose a new folder"
            raise StudyError([(str(store.note), what)], "study") from None
        mine = json.loads(json.dumps(self.describe()))
        if there.get("replications", 0) <= mine["replications"]:
            there["replications"] = mine["replications"]
        errors = differences(there, mine)
        if errors:
            if len(errors) > 8:
                errors = [*errors[:7], ("...", f"and {len(errors) - 7} more")]
            what = "holds another study; choose a new folder, or go on with what its study.json says"
            raise StudyError(errors, f"{store.path} {what}. It differs in")

    def _there(self, store: StudyFolder) -> np.ndarray:
        """Which cells are there: worlds x policies x replications, true or false."""
        there = np.zeros((len(self._worlds), len(self.policies), self.replications), dtype=bool)
        store.set_damaged_aside()
        if not store.files():
            return there
        with self._connected(store) as connection:
            found = connection.execute("select world, number, replication from keys").fetchnumpy()
        there[found["world"], found["number"], found["replication"]] = True
        return there

    def _portions(self, there: np.ndarray, workers: int) -> Iterator[list[Work]]:
        """The missing cells in portions of work: all policies of a replication together, so that the baseline
        they are compared with is simulated once."""
        # No larger than leaves every worker some four portions.
        most = min(_MOST_CELLS, max(1, int((~there).sum()) // (4 * workers)))
        portion: list[Work] = []
        cells = work = 0
        for w in np.flatnonzero(~there.all(axis=(1, 2))).tolist():
            world, wanted = self._worlds[w], []
            for r in np.flatnonzero(~there[w].all(axis=0)).tolist():
                numbers = np.flatnonzero(~there[w, :, r]).tolist()
                wanted.append((r, numbers))
                cells, work = cells + len(numbers), work + world.work * len(numbers)
                if cells >= most or work >= _PORTION:
                    yield [*portion, Work(w, world.base, world.name, self._values(world.point), wanted)]
                    portion, wanted, cells, work = [], [], 0, 0
            if wanted:
                portion.append(Work(w, world.base, world.name, self._values(world.point), wanted))
        if portion:
            yield portion

    def _collect(self, store: StudyFolder, finished: Generator[Done], tell: Callable[[int], object]) -> None:
        """Write what the workers hand back, a part now and then."""
        start, last = time.monotonic(), -math.inf
        waiting: list[tuple[Row, str]] = []
        try:
            with _closing(finished):
                for done in finished:
                    waiting += [(row, done.worker) for row in done.rows]
                    tell(len(done.rows))
                    if done.failure is not None:
                        raise done.failure.error(self._worlds[done.world].name)
                    now = time.monotonic()
                    pause = max(_FLUSH_SECONDS, _FLUSH_SHARE * (now - start))
                    if now - last > pause or len(waiting) >= _FLUSH_CELLS:
                        self._write_part(store, waiting)
                        waiting, last = [], time.monotonic()
        finally:
            if waiting:
                self._write_part(store, waiting)

    def _header(self) -> list[str]:
        """The columns of the table."""
        design = ["point", *self._columns] if self._design else []
        return [*_HEAD, *design, *self.outcomes, "source", "cell"]

    def _write_part(self, store: StudyFolder, waiting: list[tuple[Row, str]]) -> None:
        rows = [row for row, _ in waiting]
        worlds = [self._worlds[row.world] for row in rows]
        policies = list(self.policies)
        keep = [list(ALL_OUTCOMES).index(name) for name in self.outcomes]
        outcomes = np.array([row.outcomes for row in rows])[:, keep].T
        points = {
            "point": np.array([self.points.index[w.point] for w in worlds], dtype=np.int64),
            **{
                name: np.array([column[w.point] for w in worlds], dtype=np.asarray(column).dtype)
                for name, column in self._columns.items()
            },
        }
        number = np.array([row.world * len(policies) + row.policy for row in rows])
        frame = {
            "scenario": [w.name for w in worlds],
            "policy": [policies[row.policy] for row in rows],
            "baseline": self.baseline,
            "replication": np.array([row.replication for row in rows], dtype=np.int64),
            "seed": np.full(len(rows), self.seed, dtype=np.int64),
            "scenario_hash": [w.hash for w in worlds],
            "version": __version__,
            "months": np.array([w.months for w in worlds], dtype=np.int64),
            "currency": [w.currency for w in worlds],
            "base": [self.scenarios[w.base].name for w in worlds],
            **(points if self._design else {}),
            **{
                name: column.astype(np.int64) if name in COUNTS else column
                for name, column in zip(self.outcomes, outcomes, strict=True)
            },
            "source": source_mark()[:16],
            "cell": self._plan["cell"].to_numpy()[number],
            **{name: [row.monthly[k] for row in rows] for k, name in enumerate(series_columns(self._series))},
            "ended": pd.to_datetime([row.ended for row in rows], unit="s").astype("datetime64[ms]"),
            "seconds": [row.seconds for row in rows],
            "worker": [worker for _, worker in waiting],
        }
        store.add(pd.DataFrame(frame, index=range(len(rows))))

    def _compact(self, store: StudyFolder) -> None:
        store.compact(self._plan, self.replications, self._header(), self._series)

    def _connected(self, store: StudyFolder) -> AbstractContextManager[Any]:
        return store.connected(self._plan, self.replications, self._header(), self._series)

    def _shared(self) -> Shared:
        """What every portion of work needs."""
        plans = [list(plans.values()) for plans in self._plans]
        names = list(self.policies)
        return Shared(self.scenarios, plans, names, names.index(self.baseline), self.seed, self._series)
