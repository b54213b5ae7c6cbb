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

import contextlib
import functools
import hashlib
import json
import logging
import math
import os
import pickle
import signal
import socket
import sys
import threading
import time
import tomllib
import uuid
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from .. import __version__
from ..simulation.draws import make_key
from ..simulation.policies import PolicyError, policies_of
from ..simulation.scenario import Scenario, ScenarioError, _line_of, _toml_fault, _unknown
from .designs import KINDS, design, point_names, ranges
from .experiment import (
    COUNTS,
    OUTCOMES,
    SERVICE_OUTCOMES,
    Failure,
    _closing,
    _compile_once,
    _is_library,
    _number,
    _simulate_cells,
    cell_mark,
    policy_marks,
    source_mark,
)

ENTRIES = (
    "name", "title", "replications", "seed", "baseline", "outcomes", "population", "policies", "scenarios",
    "design",
)  # fmt: skip
_HEAD = (
    "scenario", "policy", "baseline", "replication", "seed", "scenario_hash", "version", "months", "currency",
    "base",
)  # fmt: skip
LOG = ("ended", "seconds", "worker")
_DESIGN = ("kind", "n", "seed", "parameters")
_ALL = {**OUTCOMES, **SERVICE_OUTCOMES}
# Customer-months and cells that a worker is given at a time: some tenths of a second.
_PORTION = 4_000_000
_MOST_CELLS = 50
# The first cells are written at once, then a part when this many seconds, or this share of the time gone,
# have passed since the last one, so that a study of days leaves some hundred; or when so many cells wait.
_FLUSH_SECONDS, _FLUSH_SHARE, _FLUSH_CELLS = 1.0, 0.02, 5_000


class StudyError(ScenarioError):
    """A study that cannot be used. `errors` lists every fault as (where, what)."""


class _World(NamedTuple):
    """A scenario at a point of the design."""

    base: int
    point: int  # 0 without a design
    name: str
    hash: str
    months: int
    work: int  # customer-months
    currency: str


class _Row(NamedTuple):
    """A finished cell."""

    world: int
    policy: int
    replication: int
    outcomes: np.ndarray
    ended: float
    seconds: float


class _Done(NamedTuple):
    """What a worker hands back."""

    rows: list[_Row]
    worker: str
    failure: Failure | None
    world: int  # of the failure


class _Work(NamedTuple):
    """The replications wanted of one world, each with its policies by number."""

    world: int
    base: int
    name: str
    values: dict[str, Any]
    wanted: list[tuple[int, list[int]]]


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

    `run(out)` makes the cells; `table`, `query` and `log` read them. Columns of the table: those of
    `Experiment.run` (with `scenario` named by its point, "open#0007"), base (the scenario without its
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
        name: str = "study",
        title: str = "",
    ) -> None:
        content = {
            "policies": policies, "scenarios": scenarios, "design": design, "replications": replications,
            "seed": seed, "baseline": baseline, "population": population, "outcomes": outcomes, "name": name,
            "title": title,
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
        faults = _Faults(text)
        for key in content:
            if key not in ENTRIES:
                faults.add((key,), _unknown(key, list(ENTRIES), "entry"))
        self.name, self.title = str(content.get("name")), str(content.get("title", ""))
        self.replications = _whole(content.get("replications", 10), "replications", 1, faults)
        self.seed = _whole(content.get("seed", 1), "seed", 0, faults)
        try:
            make_key(self.seed, self.replications - 1)
        except ValueError as error:
            faults.add(("seed",), str(error))
        self.outcomes = _outcomes(content.get("outcomes"), faults)
        self.scenarios = _bases(content.get("scenarios"), content.get("population", {}), folder, faults)
        self.policies, self._plans = _plans(content.get("policies"), self.scenarios, faults)
        self.baseline = content.get("baseline", next(iter(self.policies), ""))
        if self.policies and self.baseline not in self.policies:
            faults.add(("baseline",), _unknown(str(self.baseline), list(self.policies), "policy"))
        self.points, self._design = _points(content.get("design"), self.scenarios, faults)
        faults.end(origin)
        self._worlds = self._make_worlds(faults)
        faults.end(origin)
        if all(scenario.service.desk == "none" for scenario in self.scenarios):
            self.outcomes = [name for name in self.outcomes if name in OUTCOMES]
        self._text = text
        self.folder: Path | None = None

    def _make_worlds(self, faults: _Faults) -> list[_World]:
        worlds: list[_World] = []
        for b, base in enumerate(self.scenarios):
            names = point_names(base, self.points) if self._design else [base.name]
            for k, name in enumerate(names):
                values = self._values(k)
                try:
                    world = _world(base, name, values)
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
            "policies": {name: None if plan is None else [_named(p) for p in plan]
                         for name, plan in self.policies.items()},
            "baseline": self.baseline,
            "scenarios": {x.name: x.model_dump(mode="json", exclude=untold) for x in self.scenarios},
            "design": self._design,
            "replications": self.replications,
            "seed": self.seed,
            "outcomes": self.outcomes,
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

        Raises StudyError for a folder that cannot be used, PolicyError and RuleError with the cell in
        which they arose, RuntimeError when workers or a cluster are lost.
        """
        if isinstance(jobs, bool) or not isinstance(jobs, int) or jobs == 0:
            raise ValueError(f"jobs must be -1 or a number of processes, not {jobs!r}")
        from tqdm.auto import tqdm

        store = _Store(Path(out))
        with store.locked():
            self._occupy(store)
            self.folder = store.folder
            there = self._there(store)
            missing = self.cells - int(there.sum())
            if missing:
                bar = tqdm(total=self.cells, initial=self.cells - missing, desc=self.name, unit="run",
                           disable=not progress)  # fmt: skip
                with bar, self._executor(jobs, cluster, missing) as execute:
                    self._collect(store, execute(self._portions(there, execute.workers)), bar.update)
            if missing or not store.results.is_file() or store.parts() or not self._whole(store):
                self._compact(store)
        return self

    def open(self, out: str | Path) -> Study:
        """Read the cells in the folder `out`, finished or not, without making any.

        Raises StudyError when they are another study's.
        """
        store = _Store(Path(out))
        if not store.note.is_file():
            raise StudyError([(str(out), "there is no study in this folder; call run()")], "study")
        self._compare_with(store)
        self.folder = store.folder
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
    def log(self) -> pd.DataFrame:
        """When each finished cell was made (UTC), in how many seconds, by which worker."""
        return self.query("select * from log")

    def query(self, sql: str) -> pd.DataFrame:
        """What DuckDB answers, from the tables `results` and `log`.

        Parameters of the design have a dot in their names, so they stand in quotes:
        `select "market.openness", avg(equity) from results group by all`.
        """
        with self._connected(self._store()) as connection:
            return connection.execute(sql).df()

    # -- parts -------------------------------------------------------------------------------------

    def _store(self) -> _Store:
        if self.folder is None:
            raise ValueError(
                "the study has no results yet; call run(out), or open(out) for a folder with some"
            )
        return _Store(self.folder)

    def _occupy(self, store: _Store) -> None:
        """Make the folder this study's."""
        if store.note.is_file():
            self._compare_with(store)
        elif store.others():
            raise StudyError([(str(store.folder), "holds other files; choose a new folder")], "study")
        about = {"program": "crmsim", "version": __version__, "study": self.describe()}
        store.parts_folder.mkdir(exist_ok=True)
        if self._text:
            _write(store.folder / "study.toml", self._text)
        _write(store.note, json.dumps(about, indent=1, ensure_ascii=False) + "\n")

    def _compare_with(self, store: _Store) -> None:
        """Refuse a folder that holds another study; more replications of the same are welcome."""
        try:
            there = json.loads(store.note.read_text(encoding="utf-8"))["study"]
        except (OSError, ValueError, KeyError, TypeError):
            raise StudyError([(str(store.note), "cannot be read; choose a new folder")], "study") from None
        mine = json.loads(json.dumps(self.describe()))
        if there.get("replications", 0) <= mine["replications"]:
            there["replications"] = mine["replications"]
        old, new = _flat(there), _flat(mine)
        ignored = ("name", "title")
        errors = [
            (key, _difference(old.get(key), new.get(key)))
            for key in dict.fromkeys([*old, *new])
            if old.get(key, ...) != new.get(key, ...) and key not in ignored
        ]
        if errors:
            if len(errors) > 8:
                errors = [*errors[:7], ("...", f"and {len(errors) - 7} more")]
            raise StudyError(
                errors, f"{store.folder} holds another study; choose a new folder. It differs in"
            )

    def _there(self, store: _Store) -> np.ndarray:
        """Which cells are there: worlds x policies x replications, true or false."""
        there = np.zeros((len(self._worlds), len(self.policies), self.replications), dtype=bool)
        store.drop_damaged()
        if not store.files():
            return there
        with self._connected(store) as connection:
            found = connection.execute("select world, number, replication from keys").fetchnumpy()
        there[found["world"], found["number"], found["replication"]] = True
        return there

    def _portions(self, there: np.ndarray, workers: int) -> Iterator[list[_Work]]:
        """The missing cells in portions of work: all policies of a replication together, so that the baseline
        they are compared with is simulated once."""
        # No larger than leaves every worker some four portions.
        most = min(_MOST_CELLS, max(1, int((~there).sum()) // (4 * workers)))
        portion: list[_Work] = []
        cells = work = 0
        for w in np.flatnonzero(~there.all(axis=(1, 2))).tolist():
            world, wanted = self._worlds[w], []
            for r in np.flatnonzero(~there[w].all(axis=0)).tolist():
                numbers = np.flatnonzero(~there[w, :, r]).tolist()
                wanted.append((r, numbers))
                cells, work = cells + len(numbers), work + world.work * len(numbers)
                if cells >= most or work >= _PORTION:
                    yield [*portion, _Work(w, world.base, world.name, self._values(world.point), wanted)]
                    portion, wanted, cells, work = [], [], 0, 0
            if wanted:
                portion.append(_Work(w, world.base, world.name, self._values(world.point), wanted))
        if portion:
            yield portion

    def _collect(self, store: _Store, finished: Generator[_Done], tell: Callable[[int], object]) -> None:
        """Write what the workers hand back, a part now and then."""
        start, last = time.monotonic(), -math.inf
        waiting: list[tuple[_Row, str]] = []
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

    def _write_part(self, store: _Store, waiting: list[tuple[_Row, str]]) -> None:
        rows = [row for row, _ in waiting]
        worlds = [self._worlds[row.world] for row in rows]
        policies = list(self.policies)
        keep = [list(_ALL).index(name) for name in self.outcomes]
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
            "ended": pd.to_datetime([row.ended for row in rows], unit="s").astype("datetime64[ms]"),
            "seconds": [row.seconds for row in rows],
            "worker": [worker for _, worker in waiting],
        }
        store.add(pd.DataFrame(frame, index=range(len(rows))))

    @contextlib.contextmanager
    def _connected(self, store: _Store) -> Iterator[Any]:
        """DuckDB with the views `keys`, `results` and `log` of the cells of this study as it is now."""
        import duckdb

        files = store.files()
        if not files:
            raise ValueError(f"no cell is finished yet in {store.folder}; call run()")
        with duckdb.connect() as connection:
            # one thread, so that a file written from here is the same each time
            connection.execute("set threads = 1; set memory_limit = '256MB'")
            connection.execute(f"set temp_directory = {_quoted(store.folder / '.duckdb')}")
            connection.execute("set enable_progress_bar = false")
            connection.register("plan", self._plan)
            one = f"replication < {self.replications}"
            for view, given, shown in (
                ("results", files, self._header()),
                ("log", store.log_files(), ["scenario", "policy", "replication", "cell", *LOG]),
            ):
                listed = ", ".join(map(_quoted, given))
                source = f"read_parquet([{listed}], union_by_name = true)"
                described = connection.execute(f"describe select * from {source}").fetchall()
                # a part of older source may have other columns
                wanted = [name for name in shown if name in {row[0] for row in described}]
                names = ", ".join(f's."{name}"' for name in wanted)
                # a cell may be in a part and, if a run was killed at the end, in the file made of the parts
                connection.execute(
                    f"create view {view}_ranked as select {names}, plan.world _world, plan.number _number, "
                    "row_number() over (partition by plan.world, plan.number, s.replication) as _copy "
                    f"from {source} s join plan using (scenario, policy, cell) where {one}"
                )
                connection.execute(
                    f"create view {view} as select * exclude (_world, _number, _copy) from {view}_ranked "
                    "where _copy = 1 order by _world, _number, replication"
                )
            connection.execute(
                "create view keys as select distinct _world as world, _number as number, replication "
                "from results_ranked"
            )
            yield connection

    def _whole(self, store: _Store) -> bool:
        """Whether `results.parquet` holds the cells of this study and no others."""
        import duckdb

        with duckdb.connect() as connection:
            count = f"select count(*) from read_parquet({_quoted(store.results)})"
            return connection.execute(count).fetchone() == (self.cells,)

    def _compact(self, store: _Store) -> None:
        """One file of all parts, in order; the parts go when it is there."""
        parts = store.parts()
        with self._connected(store) as connection:
            made = []
            for view, path in (("log", store.log), ("results", store.results)):
                part = path.with_name(path.name + ".part")
                connection.execute(
                    f"copy (select * from {view}) to {_quoted(part)} (format parquet, compression zstd)"
                )
                made.append((part, path))
        for part, path in made:
            part.replace(path)
        for path in parts:
            path.unlink()

    @contextlib.contextmanager
    def _executor(self, jobs: int, cluster: Any, missing: int) -> Iterator[_Executor]:
        """Whoever makes the portions: this process, others, or a cluster."""
        from joblib import cpu_count, effective_n_jobs

        workers = effective_n_jobs(jobs)
        if cluster is not None:
            with _client(cluster, workers) as client:
                if cluster == "local":
                    _compile_once()
                threads = max(1, cpu_count() // workers) if cluster == "local" else 1
                yield _Executor(functools.partial(_on_cluster, client), _workers(client), self._pack(threads))
            return
        _compile_once()
        workers = min(workers, missing)
        packed = self._pack(max(1, cpu_count() // workers))
        yield _Executor(_here if workers == 1 else functools.partial(_in_processes, workers), workers, packed)

    def _pack(self, threads: int) -> bytes:
        """What every portion needs, for a worker that may know nothing of the user's own modules."""
        import cloudpickle

        plans = [list(plans.values()) for plans in self._plans]
        baseline = list(self.policies).index(self.baseline)
        shared = _Shared(self.scenarios, plans, list(self.policies), baseline, self.seed, threads)
        with _by_value(plans):
            return bytes(cloudpickle.dumps(shared))


# -- the folder --------------------------------------------------------------------------------------


class _Store:
    """The folder of a study: study.json, parts/, results.parquet, log.parquet."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.note = folder / "study.json"
        self.parts_folder = folder / "parts"
        self.results, self.log = folder / "results.parquet", folder / "log.parquet"

    def parts(self) -> list[Path]:
        return sorted(self.parts_folder.glob("*.parquet"))

    def files(self) -> list[Path]:
        """Files with rows of results."""
        return [*([self.results] if self.results.is_file() else []), *self.parts()]

    def log_files(self) -> list[Path]:
        return [*([self.log] if self.log.is_file() else []), *self.parts()]

    def others(self) -> bool:
        """Whether there is anything but what a run that was killed at once leaves."""
        return any(path.name not in (".lock", "parts") for path in self.folder.iterdir())

    def add(self, frame: pd.DataFrame) -> None:
        """Write a part, whole or not at all."""
        path = self.parts_folder / f"{time.time_ns():020d}-{uuid.uuid4().hex[:8]}.parquet"
        part = path.with_suffix(".part")
        self._writer.register("frame", frame)
        self._writer.execute(f"copy frame to {_quoted(part)} (format parquet)")
        self._writer.unregister("frame")
        part.replace(path)

    @functools.cached_property
    def _writer(self) -> Any:
        """A connection for all parts, since opening one takes longer than to write."""
        import duckdb

        connection = duckdb.connect()
        connection.execute("set threads = 1")
        return connection

    def drop_damaged(self) -> None:
        """Remove what a crash of the machine may have left unreadable; its cells are made again."""
        for left in [*self.parts_folder.glob("*.part"), *self.folder.glob("*.part")]:
            left.unlink()
        files = [*self.files(), *([self.log] if self.log.is_file() else [])]
        if not files:
            return  # a new study; DuckDB is loaded while the workers start
        import duckdb

        with duckdb.connect() as connection:
            try:
                listed = ", ".join(map(_quoted, files))
                connection.execute(f"select count(cell) from read_parquet([{listed}], union_by_name = true)")
                return
            except duckdb.Error:
                pass
            for path in files:
                try:
                    connection.execute(f"select count(cell) from read_parquet({_quoted(path)})")
                except duckdb.Error:
                    warnings.warn(f"{path} is damaged; its cells are made again", stacklevel=2)
                    path.unlink()

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Only one process writes into the folder; the lock ends with the process, however it ends."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            file = (self.folder / ".lock").open("a+b")
        except OSError as error:
            what = (
                "is a file; name a folder"
                if self.folder.is_file()
                else f"cannot be written ({error.strerror})"
            )
            raise StudyError([(str(self.folder), what)], "study") from None
        with file:
            try:
                _lock(file)
            except OSError:
                what = "another process is running a study in this folder; wait for it or choose another"
                raise StudyError([(str(self.folder), what)], "study") from None
            yield


def _lock(file: Any) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _write(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


# -- who makes the cells -----------------------------------------------------------------------------


class _Shared(NamedTuple):
    """What every portion needs."""

    scenarios: list[Scenario]
    plans: list[list[list[Any]]]  # of each scenario and policy
    names: list[str]
    baseline: int
    seed: int
    threads: int


class _Executor(NamedTuple):
    start: Callable[[Iterator[tuple[bytes, str, list[_Work]]]], Generator[_Done]]
    workers: int
    packed: bytes

    def __call__(self, portions: Iterator[list[_Work]]) -> Generator[_Done]:
        return self.start((self.packed, source_mark(), portion) for portion in portions)


def _here(calls: Iterator[tuple[bytes, str, list[_Work]]]) -> Generator[_Done]:
    for call in calls:
        yield _make_portion(*call)


def _in_processes(workers: int, calls: Iterator[tuple[bytes, str, list[_Work]]]) -> Generator[_Done]:
    from joblib import Parallel, delayed
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    parallel = Parallel(n_jobs=workers, return_as="generator_unordered", batch_size=1)
    finished = parallel(delayed(_make_portion)(*call) for call in calls)
    try:
        with _closing(finished):
            yield from finished
    except TerminatedWorkerError as error:
        raise RuntimeError(
            "a worker process died, perhaps for want of memory; the finished cells are kept, run again to go "
            f"on, with a smaller jobs if it happens again ({str(error).splitlines()[0]})"
        ) from None


def _on_cluster(client: Any, calls: Iterator[tuple[bytes, str, list[_Work]]]) -> Generator[_Done]:
    from concurrent.futures import CancelledError

    distributed = _distributed()
    running: set[Any] = set()
    finished = distributed.as_completed()

    def submit() -> None:
        """Two portions for each worker, those that joined meanwhile as well."""
        while len(running) < 2 * _workers(client) and (call := next(calls, None)) is not None:
            future = client.submit(_make_portion, *call, pure=False)
            running.add(future)
            finished.add(future)

    try:
        submit()
        while running:
            future = next(finished)
            running.discard(future)
            done = future.result()
            future.release()
            submit()
            yield done
    except distributed.KilledWorker as error:
        raise RuntimeError(
            "several workers died on the same cells, perhaps for want of memory; the finished cells are "
            f"kept, run again to go on ({error})"
        ) from None
    except (CancelledError, OSError, TimeoutError) as error:
        raise RuntimeError(
            f"the cluster was lost ({error or type(error).__name__}); the finished cells are kept, "
            "run again to go on"
        ) from None
    finally:
        with contextlib.suppress(Exception):
            client.cancel(list(running))


def _workers(client: Any) -> int:
    return max(1, sum(client.nthreads().values()))


@contextlib.contextmanager
def _client(cluster: Any, workers: int) -> Iterator[Any]:
    """A client of the cluster that was named; what was started here is ended."""
    if hasattr(cluster, "submit"):
        yield cluster
        return
    with contextlib.ExitStack() as ours:
        if cluster == "local":
            cluster = ours.enter_context(local_cluster(workers))
        try:
            client = ours.enter_context(_distributed().Client(cluster, timeout=10))
        except (OSError, ValueError) as error:
            raise StudyError(
                [(str(cluster), f"no Dask scheduler answers ({error}); start one: crmsim cluster")], "cluster"
            ) from None
        try:
            client.wait_for_workers(1, timeout=30)
        except TimeoutError:
            raise RuntimeError(
                f"the cluster {cluster} has no workers; start some: dask worker ADDRESS --nthreads 1"
            ) from None
        yield client


def local_cluster(workers: int, host: str = "127.0.0.1", port: int = 0) -> Any:
    """A Dask cluster of this machine: a scheduler and workers of one thread each, whose cells then take no
    more processors than there are workers. It has `scheduler_address` and `close()`.

    port: 0 for a free one. Whoever reaches a Dask scheduler can run code as its user, so a host other
    than this machine's own is for closed networks only.
    """
    with _deaf_children():
        return _distributed().LocalCluster(
            n_workers=workers, threads_per_worker=1, host=host, scheduler_port=port, dashboard_address=None,
            memory_limit=0, silence_logs=logging.ERROR,
        )  # fmt: skip


@contextlib.contextmanager
def _deaf_children() -> Iterator[None]:
    """Processes started meanwhile do not hear Ctrl-C, which their parent answers by ending them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _distributed() -> Any:
    try:
        import distributed
    except ImportError:
        raise ImportError('a cluster needs Dask: pip install "crmsim[research]"') from None
    return distributed


@functools.lru_cache(maxsize=4)
def _unpacked(packed: bytes) -> _Shared:
    shared: _Shared = pickle.loads(packed)
    return shared


def _make_portion(packed: bytes, source: str, portion: list[_Work]) -> _Done:
    """Simulate the cells of a portion, in a worker."""
    rows: list[_Row] = []
    where = f"{socket.gethostname()}:{os.getpid()}"
    if source != source_mark():
        raise RuntimeError(f"the worker {where} has another crmsim ({__version__}, or changed source)")
    shared = _unpacked(packed)
    number = {name: p for p, name in enumerate(shared.names)}
    for work in portion:
        world = _world(shared.scenarios[work.base], work.name, work.values)
        plans = dict(zip(shared.names, shared.plans[work.base], strict=True))
        wanted = [(r, [shared.names[p] for p in policies]) for r, policies in work.wanted]
        baseline = shared.names[shared.baseline]
        _, cells, failure = _simulate_cells(0, world, plans, baseline, wanted, shared.seed, shared.threads)
        rows += [
            _Row(work.world, number[c.policy], c.replication, c.outcomes, c.ended, c.seconds) for c in cells
        ]
        if failure is not None:
            return _Done(rows, where, failure, work.world)
    return _Done(rows, where, None, 0)


def _world(base: Scenario, name: str, values: Mapping[str, Any]) -> Scenario:
    """A scenario at a point of the design."""
    if not values:
        return base
    return base.replace(**{key.replace(".", "__"): x for key, x in values.items()}, name=name)


@contextlib.contextmanager
def _by_value(plans: list[list[list[Any]]]) -> Iterator[None]:
    """Let the user's own policy classes travel with their code."""
    import cloudpickle

    kinds = {
        kind
        for plan in (p for scenario in plans for p in scenario)
        for policy in plan
        for part in (policy, getattr(policy, "campaign", None))
        for kind in type(part).__mro__
    }
    modules: list[ModuleType] = [
        sys.modules[name]
        for name in sorted({kind.__module__ for kind in kinds})
        if name != "__main__" and name in sys.modules and not _is_library(name)
    ]
    for module in modules:
        cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in modules:
            cloudpickle.unregister_pickle_by_value(module)


# -- reading a study ---------------------------------------------------------------------------------


class _Faults:
    """Faults of a study, each with its place."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.found: list[tuple[str, str]] = []

    def add(self, steps: tuple[str | int, ...], what: str) -> None:
        line = _line_of(self.text, steps)
        place = (f"line {line}, " if line else "") + ".".join(map(str, steps))
        if (place, what) not in self.found:
            self.found.append((place, what))

    def end(self, origin: str) -> None:
        if self.found:
            raise StudyError(self.found, origin)


def _whole(value: Any, name: str, least: int, faults: _Faults) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        faults.add((name,), f"must be a whole number of at least {least}, not {value!r}")
        return least
    return int(value)


def _outcomes(given: Any, faults: _Faults) -> list[str]:
    if given is None:
        return list(_ALL)
    if isinstance(given, str) or not isinstance(given, Iterable) or not (names := list(given)):
        faults.add(("outcomes",), f"a list of names is needed, not {given!r}")
        return list(_ALL)
    for name in names:
        if name not in _ALL:
            faults.add(("outcomes",), _unknown(str(name), list(_ALL), "outcome"))
    return [name for name in _ALL if name in names]


def _bases(given: Any, population: Any, folder: Path | None, faults: _Faults) -> list[Scenario]:
    """The scenarios, without the points of the design."""
    entries = [given] if isinstance(given, str | Path | Scenario | Mapping) else list(given or [])
    if not entries:
        faults.add(("scenarios",), 'name some, such as scenarios = ["subscription", "mine.toml"]')
    if not isinstance(population, Mapping):
        faults.add(("population",), f"a table is needed, such as size = 2000, not {population!r}")
        population = {}
    found: list[Scenario] = []
    for i, entry in enumerate(entries):
        changes = dict(entry) if isinstance(entry, Mapping) else {"base": entry}
        base, name = changes.pop("base", None), changes.pop("name", None)
        steps: tuple[str | int, ...] = ("scenarios", i)
        if base is None:
            faults.add(steps, 'has no base, such as base = "subscription"')
            continue
        try:
            scenario = Scenario.from_name(_beside(base, folder))
        except ScenarioError as error:
            for where, what in error.errors:
                place = "" if where == str(base) else f"{base}: {where}: "
                faults.add((*steps, "base"), place + what)
            continue
        scenario = _changed(scenario, {f"population.{k}": x for k, x in population.items()}, (), faults)
        scenario = _changed(scenario, _nested(changes), steps, faults)
        found.append(scenario if name is None else scenario.replace(name=str(name)))
    names = [scenario.name for scenario in found]
    for name in dict.fromkeys(n for n in names if names.count(n) > 1):
        faults.add(("scenarios",), f'two scenarios are called {name!r}; give one another: name = "..."')
    return found


def _beside(name: Any, folder: Path | None) -> Any:
    """A file's path as seen from the folder of the study."""
    if folder is None or not isinstance(name, str) or not name.endswith(".toml") or Path(name).is_absolute():
        return name
    return folder / name


def _changed(
    scenario: Scenario, changes: Mapping[str, Any], steps: tuple[str | int, ...], faults: _Faults
) -> Scenario:
    if not changes:
        return scenario
    try:
        return scenario.replace(**{key.replace(".", "__"): x for key, x in changes.items()})
    except ScenarioError as error:
        for where, what in error.errors:
            faults.add((*steps, *where.split(".")), what)
        return scenario


def _nested(table: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """{"market": {"openness": 1}} as {"market.openness": 1}."""
    found: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, Mapping):
            found |= _nested(value, f"{before}{key}.")
        else:
            found[f"{before}{key}"] = value
    return found


def _plans(
    given: Any, scenarios: list[Scenario], faults: _Faults
) -> tuple[dict[str, list[Any] | None], list[dict[str, list[Any]]]]:
    """The policies by name, as given (None: of the scenario's file), and as they are in each scenario."""
    if not isinstance(given, Mapping) or not given:
        faults.add(("policies",), 'give names and lists, such as none = [] and dunning = ["dunning"]')
        return {}, []
    policies: dict[str, list[Any] | None] = {}
    plans: list[dict[str, list[Any]]] = [{} for _ in scenarios]
    for name, content in given.items():
        if not isinstance(name, str) or not name:
            faults.add(("policies",), f"a name must be a word, not {name!r}")
            continue
        own = content is None or content == "scenario"
        policies[name] = None if own else []
        wrong: dict[str, list[str]] = {}
        for plan, scenario in zip(plans, scenarios, strict=True):
            try:
                plan[name] = policies_of(scenario, scenario.policies if own else content)
                policies[name] = None if own else plan[name]
            except PolicyError as error:
                wrong.setdefault(str(error), []).append(scenario.name)
        for what, where in wrong.items():
            faults.add(("policies", name), what + _in(where, scenarios))
    return policies, plans


def _in(names: list[str], scenarios: list[Scenario]) -> str:
    """Where a fault is, if it is not in every scenario."""
    return f" (in {', '.join(names)})" if len(names) < len(scenarios) else ""


def _points(
    given: Any, scenarios: list[Scenario], faults: _Faults
) -> tuple[pd.DataFrame, dict[str, Any] | None]:
    """The design's points, and what it is made of; a single point without parameters for no design."""
    nothing = pd.DataFrame(index=pd.RangeIndex(1, name="point"))
    if given is None or not scenarios:
        return nothing, None
    if isinstance(given, pd.DataFrame):
        parameters: Any = list(given.columns)
    elif isinstance(given, Mapping):
        for key in given:
            if key not in _DESIGN:
                faults.add(("design", key), _unknown(str(key), list(_DESIGN), "entry"))
        parameters = given.get("parameters", [])
        if isinstance(parameters, Mapping):
            parameters = {k: None if x == "declared" else x for k, x in _nested(parameters).items()}
    else:
        faults.add(("design",), f"a table with kind, n and parameters is needed, not {given!r}")
        return nothing, None
    spans: dict[str, Any] = {}
    wrong: dict[tuple[str, str], list[str]] = {}
    for scenario in scenarios:
        try:
            spans = ranges(scenario, parameters)
        except ScenarioError as error:
            for fault in error.errors:
                wrong.setdefault(fault, []).append(scenario.name)
    for (where, what), names in wrong.items():
        steps = ("parameters",) if where == "parameters" else ("parameters", *where.split("."))
        faults.add(("design", *steps), what + _in(names, scenarios))
    if isinstance(given, pd.DataFrame):
        if not given.index.is_unique or not pd.api.types.is_integer_dtype(given.index):
            faults.add(("design",), "the index of a design must be the numbers of its points, each once")
        mark = hashlib.sha256(given.to_csv().encode()).hexdigest()[:16]
        return given, {"kind": "table", "points": len(given), "columns": parameters, "mark": mark}
    kind, seed = given.get("kind", "sobol"), given.get("seed", 1)
    if kind not in KINDS:
        faults.add(("design", "kind"), _unknown(str(kind), list(KINDS), "kind of design"))
    elif len(spans) and not any("design" in place for place, _ in faults.found):
        try:
            points = design(scenarios[0], parameters, given.get("n", 0), kind, seed)
        except ValueError as error:
            faults.add(("design", "n"), str(error))
        else:
            shown = {name: [span.low, span.high] for name, span in spans.items()}
            return points, {"kind": kind, "n": given["n"], "seed": seed, "parameters": shown}
    return nothing, None


# -- telling studies apart ---------------------------------------------------------------------------


def _named(policy: Any) -> str:
    """A policy in words that are the same in another process."""
    kind = type(policy)
    inner = getattr(policy, "campaign", None)
    if _is_library(kind.__module__) and (inner is None or _is_library(type(inner).__module__)):
        return repr(policy)
    return f"{kind.__module__}.{kind.__qualname__}" + (f"({_named(inner)})" if inner is not None else "")


def _flat(content: Any, before: str = "") -> dict[str, Any]:
    """{"a": {"b": [1]}} as {"a.b.0": 1}."""
    if not isinstance(content, Mapping | list) or not content:
        return {before: content}
    found: dict[str, Any] = {}
    for key, value in content.items() if isinstance(content, Mapping) else enumerate(content):
        found |= _flat(value, f"{before}.{key}" if before else str(key))
    return found


def _difference(old: Any, new: Any) -> str:
    """Two values, long ones from where they begin to differ."""
    texts = ["nothing" if x is None else json.dumps(x, ensure_ascii=False) for x in (old, new)]
    pairs = zip(*texts, strict=False)
    same = next((k for k, (a, b) in enumerate(pairs) if a != b), min(map(len, texts)))
    start = same - 25 if max(map(len, texts)) > 60 and same > 30 else 0
    shown = [
        ("..." if start else "") + t[start : start + 50] + ("..." if len(t) > start + 50 else "")
        for t in texts
    ]
    return f"{shown[0]} there, {shown[1]} here"
