"""Policies x scenarios x replications: many runs, each kept, all with the same luck.

A cell is one run: a policy in a scenario with one replication of the luck. It is a pure function
of what it is made of, so it is kept in a file named by its content and never made twice: a run that
was stopped, or killed, goes on where it was, and more replications cost only what is new. Every
policy meets the same customers with the same luck, so each customer's life under a policy is
compared with the same customer's life under the baseline policy.
"""

from __future__ import annotations

import contextlib
import dis
import enum
import functools
import hashlib
import inspect
import json
import os
import pickle
import shutil
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from .. import __version__
from ..simulation.compile import RuleError, cache_folder, is_compiled, kernels
from ..simulation.draws import make_key
from ..simulation.engine import simulate
from ..simulation.policies import PolicyError, policies_of
from ..simulation.run import CAUSES, Run
from ..simulation.scenario import Scenario, ScenarioError

# Outcomes of a cell: unit and meaning. Money is in the scenario's currency over all its months;
# "discounted" is to month 0. Initial customers are those there at the start.
OUTCOMES: dict[str, tuple[str, str]] = {
    "customers_at_start": ("customers", "initial customers"),
    "customers_at_end": ("customers", "all customers at the end of the last month"),
    "kept": ("customers", "initial customers still there at the end"),
    "joined": ("customers", "customers who joined after the start, referred ones included"),
    "joined_referred": ("customers", "customers who were referred"),
    "returned": ("customers", "lapsed customers won back"),
    "left": ("customers", "departures"),
    **{f"left_{c}": ("customers", f"departures, proximate cause {c}") for c in CAUSES},
    "attributed_fault": ("customers", "departures whose root cause is a fault"),
    "expected_left": ("customers", "sum of all monthly chances of leaving"),
    **{f"expected_{c}": ("customers", f"the part of that sum due to {c}") for c in CAUSES},
    "expected_left_initial": ("customers", "that sum for the initial customers"),
    "satisfaction": ("points", "mean satisfaction in the last month"),
    "failures": ("events", "failures met"),
    "complaints": ("events", "complaints"),
    "failed_payments": ("events", "failed payments"),
    "purchases": ("events", "purchases or paid bills"),
    "offers": ("events", "offers made"),
    "revenue": ("money", "revenue"),
    "margin": ("money", "margin, less costs to serve"),
    "policy_cost": ("money", "cost of the policies"),
    "policy_cost_discounted": ("money", "the same, discounted"),
    "acquisition_cost": ("money", "cost of winning customers"),
    "acquisition_cost_discounted": ("money", "the same, discounted"),
    "gross_equity": ("money", "discounted margin less acquisition cost, before the policies' cost"),
    "equity": ("money", "gross equity less the policies' discounted cost"),
    "saved": ("customers", "initial customers there at the end, but not under the baseline"),
    "harmed": ("customers", "initial customers gone at the end, but not under the baseline"),
    "expected_saves": ("customers", "expected_left_initial of the baseline less that of the policy"),
    "months_gained": ("months", "months as a customer more than under the baseline, initial customers"),
    "value_gained": ("money", "discounted margin more than under the baseline, initial customers"),
    "saved_value": ("money", "that value for the saved"),
    "harmed_value": ("money", "that value for the harmed"),
}
# With a service desk (`Scenario.service`), over all months; NaN where there is nothing to divide by.
SERVICE_OUTCOMES: dict[str, tuple[str, str]] = {
    "contacts": ("contacts per 1,000 customers and month", "customers who called the hotline"),
    "wait": ("seconds", "mean wait of the calls answered"),
    "abandoned_share": ("share", "calls given up, of those in opening hours"),
    "service_level": ("share", "calls answered within service.service_level seconds, of those while open"),
    "utilisation": ("share", "time agents serve, of their time on duty; mean over months"),
    "solved_share": ("share", "contacts solved on the phone in the end"),
    "repairs_late_share": ("share", "jobs of the field crews that missed their deadline"),
    "formal_complaints": ("events", "complaints in writing"),
}
PAIRED = ("saved", "harmed", "expected_saves", "months_gained", "value_gained", "saved_value", "harmed_value")
COUNTS = [
    name
    for name, (unit, _) in OUTCOMES.items()
    if unit in ("customers", "events", "months") and not name.startswith("expected")
]
# Customer-months a worker is given at a time: some tenths of a second.
_PORTION = 4_000_000


class Experiment:
    """Policies x scenarios x replications, each cell simulated once and kept.

    policies: names and, for each, a list of policies (objects, names with parameters, tables; an
        empty list for none; None for those in the scenario's file).
    scenarios: a Scenario, the name of a preset or file, or a list of them, with different names.
    replications: how often, each with other luck; seed: the same for all.
    baseline: the policy every customer's life is compared with; the first one when not given.
    cache: folder for finished cells; None takes the user's cache folder, False one that goes with
        this object.

    `run()` gives a table with a row a cell: scenario, policy, baseline, replication, seed,
    scenario_hash, version, months, currency, `OUTCOMES` and, if a scenario has a service desk,
    `SERVICE_OUTCOMES` (NaN for the others); each with unit and meaning. Any cell is
    `simulate(scenario, policies, seed, replication=replication)`.

    A cell's name is made of the scenario, the policies' contents (for classes of one's own: their
    code and what it uses), the baseline, the seed and the source of the simulation, so a change of
    any of them makes new cells and a mere change of names none. months_gained counts the months
    from joining to the last departure, without those away before a win-back.

    Raises PolicyError, ScenarioError, ValueError.
    """

    def __init__(
        self,
        policies: Mapping[str, Any],
        scenarios: Iterable[Scenario | str] | Scenario | str,
        replications: int = 30,
        seed: int = 1,
        *,
        baseline: str | None = None,
        cache: str | Path | bool | None = None,
    ) -> None:
        if not isinstance(policies, Mapping) or not policies:
            raise PolicyError('policies: give names and lists, such as {"none": [], "dunning": ["dunning"]}')
        if bad := [name for name in policies if not isinstance(name, str) or not name]:
            raise PolicyError(f"policies: a name must be a word, not {bad[0]!r}")
        if isinstance(replications, bool) or not isinstance(replications, int) or replications < 1:
            raise ValueError(f"replications must be a whole number of at least 1, not {replications!r}")
        self.seed = make_key(seed).seed
        make_key(seed, replications - 1)
        self.replications = replications
        self.scenarios = _scenarios(scenarios)
        self.policies = dict(policies)
        self.baseline = next(iter(policies)) if baseline is None else baseline
        if self.baseline not in policies:
            raise PolicyError(f"baseline {self.baseline!r} is none of the policies {', '.join(policies)}")
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        if cache is False:
            self._temporary = tempfile.TemporaryDirectory(prefix="crmsim-")
            self.folder = Path(self._temporary.name)
        elif cache is None or cache is True:
            self.folder = cache_folder() / "cells"
        else:
            self.folder = Path(cache)
        self._plans = [
            {name: self._plan(name, scenario) for name in self.policies} for scenario in self.scenarios
        ]
        self._folders = self._pair_folders()
        # Outcomes of finished cells by (scenario, policy, replication).
        self._done: dict[tuple[int, str, int], np.ndarray] = {}

    # -- running -------------------------------------------------------------------------------

    def run(self, jobs: int = -1, progress: bool = True) -> pd.DataFrame:
        """Simulate the cells that are missing and return the table of all.

        jobs: processes, -1 for as many as there are processors, 1 for none besides this one. The
        table is the same for any number. Inside `joblib.parallel_config("dask")` the cells run on
        that cluster. Stopping (Ctrl-C) or a kill leaves the finished cells for the next time.

        Raises PolicyError and RuleError with the cell in which they arose.
        """
        if isinstance(jobs, bool) or not isinstance(jobs, int) or jobs == 0:
            raise ValueError(f"jobs must be -1 or a number of processes, not {jobs!r}")
        self._read()
        missing = self._missing()
        if not missing:
            return self.table
        _compile_once()
        from joblib import Parallel, cpu_count, delayed, effective_n_jobs
        from tqdm.auto import tqdm

        workers = effective_n_jobs(jobs)
        portions = self._portions(missing, workers)
        workers = min(workers, len(portions))
        threads = max(1, cpu_count() // workers)
        calls = (
            (s, self.scenarios[s], self._plans[s], self.baseline, wanted, self.seed, threads)
            for s, wanted in portions
        )
        finished: Generator[tuple[int, list[_Cell], Failure | None]]
        if workers == 1:
            finished = (_simulate_cells(*call) for call in calls)
        else:
            parallel = Parallel(n_jobs=workers, return_as="generator_unordered", batch_size=1)
            finished = parallel(delayed(_simulate_cells)(*call) for call in calls)
        total = len(self.scenarios) * len(self.policies) * self.replications
        with (
            tqdm(
                total=total, initial=len(self._done), desc="experiment", unit="run", disable=not progress
            ) as bar,
            _closing(finished),
        ):
            for s, cells, failure in finished:
                for cell in cells:
                    self._keep(s, cell)
                bar.update(len(cells))
                if failure is not None:
                    raise failure.error(self.scenarios[s].name)
        return self.table

    @property
    def table(self) -> pd.DataFrame:
        """The finished cells, one row each, in the order of scenarios, policies, replications."""
        rows = []
        for s, scenario in enumerate(self.scenarios):
            for name in self.policies:
                for r in range(self.replications):
                    if (s, name, r) in self._done:
                        rows.append((s, name, r, scenario))
        head = pd.DataFrame(
            {
                "scenario": [scenario.name for *_, scenario in rows],
                "policy": [name for _, name, _, _ in rows],
                "baseline": self.baseline,
                "replication": np.array([r for _, _, r, _ in rows], dtype=np.int64),
                "seed": np.full(len(rows), self.seed, dtype=np.int64),
                "scenario_hash": [scenario.hash for *_, scenario in rows],
                "version": __version__,
                "months": np.array([x.population.months for *_, x in rows], dtype=np.int64),
                "currency": [scenario.currency for *_, scenario in rows],
            }
        )
        names = [*OUTCOMES, *SERVICE_OUTCOMES]
        numbers = np.array([self._done[row[:3]] for row in rows]).reshape(len(rows), len(names))
        body = pd.DataFrame(numbers, columns=names)
        if all(scenario.service.desk == "none" for scenario in self.scenarios):
            body = body[list(OUTCOMES)]
        body[COUNTS] = body[COUNTS].astype(np.int64)
        return pd.concat([head, body], axis=1)

    def monthly(self, measures: Iterable[str] | None = None, level: float = 0.95) -> pd.DataFrame:
        """Monthly series over the replications: a row a scenario, policy, measure and month.

        Columns: scenario, policy, measure, month, mean, low, high, replications. low and high are
        the quantiles between which `level` of the replications lie; missing for one replication.
        The measures are the columns of `Run.monthly`, `kept`, the initial customers still there, and
        those of `Run.service` for scenarios with a service desk. Where a replication has none in a month
        (a mean wait when nobody was answered), the other replications count.

        Raises ValueError before the cells are run and for an unknown measure.
        """
        if not 0 < level < 1:
            raise ValueError(f"level must lie between 0 and 1, not {level!r}")
        wanted = None if measures is None else list(measures)
        self._read()
        if missing := len(self._missing()):
            raise ValueError(f"{missing} cells have not been run; call run() first")
        frames, known = [], dict[str, None]()
        for s, scenario in enumerate(self.scenarios):
            for name in self.policies:
                series, columns = [], list[str]()
                for r in range(self.replications):
                    with np.load(self._path(s, name, r)) as file:
                        series.append(file["monthly"])
                        columns = file["columns"].tolist()
                known |= dict.fromkeys(columns)
                names = columns if wanted is None else [m for m in wanted if m in columns]
                if not names:
                    continue
                values = np.stack(series)[:, :, [columns.index(m) for m in names]]
                tails = [(1 - level) / 2, (1 + level) / 2]
                with warnings.catch_warnings():
                    # A month without a number in any replication has none here.
                    warnings.simplefilter("ignore", RuntimeWarning)
                    mean = np.nanmean(values, axis=0)
                    low, high = np.nanquantile(values, tails, axis=0)
                if self.replications == 1:
                    low = high = np.full_like(low, np.nan)
                months, count = low.shape
                frames.append(
                    pd.DataFrame(
                        {
                            "scenario": scenario.name,
                            "policy": name,
                            "measure": np.repeat(names, months),
                            "month": np.tile(np.arange(months), count),
                            "mean": mean.T.ravel(),
                            "low": low.T.ravel(),
                            "high": high.T.ravel(),
                            "replications": self.replications,
                        }
                    )
                )
        if unknown := [m for m in wanted or () if m not in known]:
            raise ValueError(f"unknown measure {unknown[0]!r}; known: {', '.join(known)}")
        return pd.concat(frames, ignore_index=True)

    def clear(self) -> None:
        """Forget the finished cells of this experiment, in memory and on disk."""
        self._done.clear()
        for folder in set(self._folders.values()):
            shutil.rmtree(folder, ignore_errors=True)

    def __repr__(self) -> str:
        self._read()
        cells = len(self.scenarios) * len(self.policies) * self.replications
        return (
            f"Experiment({_number(len(self.policies), 'policy', 'policies')} x "
            f"{_number(len(self.scenarios), 'scenario')} x {_number(self.replications, 'replication')}: "
            f"{len(self._done):,} of {_number(cells, 'run')} done)"
        )

    # -- parts -----------------------------------------------------------------------------------

    def _plan(self, name: str, scenario: Scenario) -> list[Any]:
        given = self.policies[name]
        try:
            return policies_of(scenario, scenario.policies if given is None else given)
        except PolicyError as error:
            raise PolicyError(f"policy {name!r} in scenario {scenario.name!r}: {error}") from None

    def _pair_folders(self) -> dict[tuple[int, str], Path]:
        """Where the replications of each scenario and policy are kept."""
        folders = {}
        for s, scenario in enumerate(self.scenarios):
            marks = policy_marks(self._plans[s])
            for name in marks:
                mark = cell_mark(scenario.hash, marks[name], marks[self.baseline], self.seed)
                folders[s, name] = self.folder / mark
        return folders

    def _path(self, s: int, name: str, replication: int) -> Path:
        return self._folders[s, name] / f"{replication:06d}.npz"

    def _cells(self) -> Iterator[tuple[int, str, int]]:
        for s in range(len(self.scenarios)):
            for name in self.policies:
                for r in range(self.replications):
                    yield s, name, r

    def _read(self) -> None:
        """Look up which cells are there; one that was damaged counts as missing."""
        for cell in self._cells():
            if cell in self._done:
                continue
            path = self._path(*cell)
            try:
                # Opened here, because np.load leaves a damaged file open.
                with path.open("rb") as opened, np.load(opened) as file:
                    outcomes = file["outcomes"]
            except FileNotFoundError:
                continue
            except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
                path.unlink(missing_ok=True)
                continue
            self._done[cell] = outcomes

    def _missing(self) -> list[tuple[int, str, int]]:
        return [cell for cell in self._cells() if cell not in self._done]

    def _portions(
        self, missing: list[tuple[int, str, int]], workers: int
    ) -> list[tuple[int, list[tuple[int, list[str]]]]]:
        """The missing cells in portions of work: all policies of a replication together, so that
        the baseline they are compared with is simulated once."""
        groups: dict[tuple[int, int], list[str]] = {}
        for s, name, r in missing:
            groups.setdefault((s, r), []).append(name)
        portions: list[tuple[int, list[tuple[int, list[str]]]]] = []
        for s, scenario in enumerate(self.scenarios):
            wanted = [(r, names) for (t, r), names in groups.items() if t == s]
            if not wanted:
                continue
            work = scenario.population.size * scenario.population.months * len(wanted[0][1])
            # No larger than leaves every worker some four portions.
            number = min(_PORTION // work, len(wanted) // (4 * workers))
            number = max(1, number)
            portions += [(s, wanted[k : k + number]) for k in range(0, len(wanted), number)]
        return portions

    def _keep(self, s: int, cell: _Cell) -> None:
        """Write a finished cell, whole or not at all."""
        path = self._path(s, cell.policy, cell.replication)
        if not path.parent.is_dir():
            path.parent.mkdir(parents=True, exist_ok=True)
            about = {
                "version": __version__,
                "scenario": self.scenarios[s].name,
                "scenario_hash": self.scenarios[s].hash,
                "seed": self.seed,
                "policies": [repr(p) for p in self._plans[s][cell.policy]],
                "baseline": [repr(p) for p in self._plans[s][self.baseline]],
            }
            note = path.parent / "about.json"
            part = note.with_name(f"about.{os.getpid()}.part")
            part.write_text(json.dumps(about, indent=1), encoding="utf-8")
            part.replace(note)
        part = path.with_name(f"{path.stem}.{os.getpid()}.part")
        with part.open("wb") as file:
            np.savez_compressed(
                file, outcomes=cell.outcomes, monthly=cell.monthly, columns=np.array(cell.columns)
            )
        part.replace(path)
        self._done[s, cell.policy, cell.replication] = cell.outcomes


def _number(count: int, word: str, words: str = "") -> str:
    return f"{count:,} {word if count == 1 else words or word + 's'}"


def _scenarios(given: Iterable[Scenario | str] | Scenario | str) -> list[Scenario]:
    found = [
        Scenario.from_name(x) for x in ([given] if isinstance(given, Scenario | str | Path) else list(given))
    ]
    if not found:
        raise ScenarioError([("scenarios", "none is given")], "experiment")
    names = [scenario.name for scenario in found]
    if doubled := sorted({n for n in names if names.count(n) > 1}):
        raise ScenarioError(
            [(doubled[0], 'two scenarios have this name; give one another with replace(name="...")')],
            "experiment",
        )
    return found


@contextlib.contextmanager
def _closing(finished: Generator[Any]) -> Iterator[None]:
    """End the workers' task when no more results are wanted."""
    try:
        yield
    finally:
        with warnings.catch_warnings():
            # joblib complains of results that were not waited for.
            warnings.simplefilter("ignore", UserWarning)
            finished.close()


def _compile_once() -> None:
    """Compile the rules here if they are not, so that the workers find them compiled."""
    if not is_compiled(kernels()):
        tiny = Scenario().replace(population__size=1, population__months=1)
        simulate(tiny, [], threads=1, progress=False)


# -- in the worker -----------------------------------------------------------------------------------


class _Cell(NamedTuple):
    policy: str
    replication: int
    outcomes: np.ndarray  # in the order of OUTCOMES and SERVICE_OUTCOMES
    monthly: np.ndarray  # months x columns
    columns: list[str]
    ended: float  # seconds since 1970
    seconds: float  # that the cell took


class Failure(NamedTuple):
    policy: str
    replication: int
    kind: str
    text: str
    details: str

    def error(self, scenario: str) -> Exception:
        """The error to raise, with the cell it arose in."""
        cell = f"policy {self.policy!r}, scenario {scenario!r}, replication {self.replication}"
        kinds: dict[str, type[Exception]] = {"PolicyError": PolicyError, "RuleError": RuleError}
        error = kinds.get(self.kind, RuntimeError)(f"{cell}: {self.text}")
        if self.details:
            error.add_note(self.details)
        return error


class _Lives(NamedTuple):
    """The initial customers at the end of a world, in the same order in every world."""

    active: np.ndarray
    months: np.ndarray
    value: np.ndarray
    expected: np.ndarray
    left: np.ndarray


def _simulate_cells(
    number: int,
    scenario: Scenario,
    plans: dict[str, list[Any]],
    baseline: str,
    wanted: list[tuple[int, list[str]]],
    seed: int,
    threads: int,
) -> tuple[int, list[_Cell], Failure | None]:
    """The wanted cells of scenario `number`, and what went wrong if something did."""
    cells: list[_Cell] = []
    for replication, names in wanted:
        without: _Lives | None = None
        # The baseline comes first, even when only the others are missing.
        for name in [baseline, *(n for n in names if n != baseline)]:
            start = time.perf_counter()
            try:
                run = simulate(
                    scenario, plans[name], seed, replication=replication, threads=threads, progress=False
                )
            except Exception as error:
                return number, cells, _failure(error, plans[name], name, replication)
            lives = initial_lives(run)
            without = lives if without is None else without
            if name in names:
                monthly = run.monthly
                series = monthly.to_numpy(dtype=float)
                kept = lives.left.size - np.cumsum(
                    np.bincount(lives.left[lives.left >= 0], minlength=len(monthly))
                )
                columns = ["kept", *monthly.columns]
                if scenario.service.desk != "none":
                    series = np.column_stack([series, run.service.to_numpy(dtype=float)])
                    columns += list(run.service.columns)
                found = np.concatenate([outcomes(run, lives, without), service_outcomes(run)])
                series = np.column_stack([kept, series])
                seconds = time.perf_counter() - start
                cells.append(_Cell(name, replication, found, series, columns, time.time(), seconds))
    return number, cells, None


def initial_lives(run: Run) -> _Lives:
    """What became of the initial customers of a run."""
    people = run._people
    rows = np.flatnonzero(people.column("source") == 0)
    active = people.column("active")[rows] > 0
    left = np.where(active, -1, people.column("left")[rows]).astype(np.int64)
    return _Lives(
        active=active,
        months=np.where(left >= 0, left + 1, run.scenario.population.months),
        value=people.column("discounted_value")[rows].astype(float),
        expected=people.column("expected_exit")[rows].astype(float),
        left=left,
    )


def outcomes(run: Run, lives: _Lives, without: _Lives) -> np.ndarray:
    """`OUTCOMES` of a run whose initial customers live `lives`, and `without` under the baseline."""
    # a row a column of `monthly`: sums of arrays take a tenth of the time of sums of Series
    m = dict(zip(run.monthly, np.ascontiguousarray(run.monthly.to_numpy(dtype=float).T), strict=True))
    discount = m["discount"]
    gross = float((discount * (m["margin"] - m["acquisition_cost"])).sum())
    cost = float((discount * m["policy_cost"]).sum())
    gain = lives.value - without.value
    saved, harmed = lives.active & ~without.active, without.active & ~lives.active
    same = (
        *(f"left_{c}" for c in CAUSES), *(f"expected_{c}" for c in CAUSES), "left", "attributed_fault",
        "returned", "failures", "complaints", "failed_payments", "purchases", "offers", "revenue", "margin",
        "policy_cost", "acquisition_cost",
    )  # fmt: skip
    found: dict[str, Any] = {name: m[name].sum() for name in same}
    found |= {
        "customers_at_start": lives.active.size,
        "customers_at_end": m["customers"][-1],
        "kept": np.count_nonzero(lives.active),
        "joined": m["joined"][1:].sum(),
        "joined_referred": m["joined_referred"].sum(),
        "expected_left": sum(found[f"expected_{c}"] for c in CAUSES),
        "expected_left_initial": lives.expected.sum(),
        "satisfaction": m["satisfaction"][-1],
        "policy_cost_discounted": cost,
        "acquisition_cost_discounted": (discount * m["acquisition_cost"]).sum(),
        "gross_equity": gross,
        "equity": gross - cost,
        "saved": np.count_nonzero(saved),
        "harmed": np.count_nonzero(harmed),
        "expected_saves": without.expected.sum() - lives.expected.sum(),
        "months_gained": (lives.months - without.months).sum(),
        "value_gained": gain.sum(),
        "saved_value": gain[saved].sum(),
        "harmed_value": gain[harmed].sum(),
    }
    return np.array([float(found[name]) for name in OUTCOMES])


def service_outcomes(run: Run) -> np.ndarray:
    """`SERVICE_OUTCOMES` of a run, all NaN without a service desk."""
    if run.scenario.service.desk == "none":
        return np.full(len(SERVICE_OUTCOMES), np.nan)
    months = run.service
    total = months.sum()
    answered, offered = months["answered"], months["calls"] - months["turned_away"]
    with np.errstate(divide="ignore", invalid="ignore"):
        found = {
            "contacts": 1000 * total["contacts"] / np.float64(run.monthly["at_risk"].sum()),
            "wait": (months["wait"] * answered).sum() / total["answered"],
            "abandoned_share": total["abandoned"] / offered.sum(),
            "service_level": (months["service_level"] * offered).sum() / offered.sum(),
            "utilisation": months["utilisation"].mean(),
            "solved_share": total["solved"] / total["contacts"],
            "repairs_late_share": total["repairs_late"] / total["jobs"],
            "formal_complaints": total["formal_complaints"],
        }
    return np.array([float(found[name]) for name in SERVICE_OUTCOMES])


def _failure(error: Exception, plan: list[Any], name: str, replication: int) -> Failure:
    """An error as words that can travel between processes."""
    kind, text, details = type(error).__name__, str(error), ""
    if not isinstance(error, PolicyError | RuleError):
        files = {file for p in plan for file in _own_files(p)}
        frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename in files]
        text = f"{kind}: {text}"
        if frames:
            kind = "PolicyError"
            text += f"\nin line {frames[-1].lineno} of {frames[-1].filename}: {frames[-1].line}"
        else:
            details = "".join(traceback.format_exception(error))
    return Failure(name, replication, kind, text, details)


def _own_files(policy: Any) -> set[str]:
    """Files with the code of a user's own policy class."""
    found = set()
    for part in (policy, getattr(policy, "campaign", None)):
        for kind in type(part).__mro__:
            if part is not None and not _is_library(kind.__module__):
                codes = (getattr(f, "__code__", None) for f in vars(kind).values())
                found |= {code.co_filename for code in codes if code is not None}
    return found


# -- what a cell is made of ----------------------------------------------------------------------------


def cell_mark(scenario: str, policies: str, baseline: str, seed: int) -> str:
    """Names all replications of one content: hash of the scenario, marks of the policies and of the baseline,
    seed, and the source of the simulation."""
    text = json.dumps([source_mark(), scenario, policies, baseline, seed])
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def policy_marks(plans: Mapping[str, list[Any]]) -> dict[str, str]:
    """The content mark of each plan; with a warning one that never comes again, where there is no telling."""
    marks = {}
    for name, plan in plans.items():
        mark = content_mark(plan)
        if mark is None:
            warnings.warn(
                f"policy {name!r}: it holds something whose content cannot be told, so its "
                "runs are not kept for another time",
                stacklevel=4,
            )
            mark = os.urandom(16).hex()
        marks[name] = mark
    return marks


@functools.cache
def source_mark() -> str:
    """Changes with anything in the source that makes the runs and their outcomes."""
    here = Path(__file__)
    mark = hashlib.sha256(__version__.encode())
    for path in [*sorted((here.parent.parent / "simulation").glob("*.py")), here]:
        mark.update(path.name.encode() + b"\0" + path.read_bytes())
    return mark.hexdigest()


def content_mark(thing: Any) -> str | None:
    """Changes with the content of a policy: its fields, and the code of a class of one's own with
    the functions and values that code uses. None when there is no telling."""
    mark = hashlib.sha256()
    try:
        _describe(thing, mark.update, {})
    except (_Unknown, RecursionError):
        return None
    return mark.hexdigest()


class _Unknown(Exception):
    pass


def _describe(thing: Any, add: Callable[[bytes], None], seen: dict[int, int]) -> None:
    def say(*words: object) -> None:
        add(("\0".join(map(str, words)) + "\1").encode())

    def go(*things: Any) -> None:
        for part in things:
            _describe(part, add, seen)
        say("end")

    kind = type(thing)
    if thing is None or kind in (bool, int, float, complex, str, bytes, range) or thing is Ellipsis:
        return say(kind.__name__, repr(thing))
    if isinstance(thing, enum.Enum | np.generic):
        return say(kind.__qualname__, repr(thing))
    if kind in (list, tuple):
        say(kind.__name__, len(thing))
        return go(*thing)
    if kind in (set, frozenset):
        return say(kind.__name__, *sorted(str(content_mark(x)) for x in thing))
    if isinstance(thing, Mapping) and kind.__module__ in ("builtins", "collections", "types"):
        say("mapping", len(thing))
        return go(*(x for pair in thing.items() for x in pair))
    if isinstance(thing, np.ndarray) and thing.dtype != object:
        say("array", thing.dtype, thing.shape)
        return add(np.ascontiguousarray(thing).tobytes())
    if isinstance(thing, ModuleType):
        return say("module", thing.__name__, getattr(thing, "__version__", ""))
    if isinstance(thing, CodeType):
        add(thing.co_code)
        say(*thing.co_names, *thing.co_varnames)
        return go(*thing.co_consts)
    if isinstance(thing, MethodType):
        return go(thing.__self__, thing.__func__)
    if isinstance(thing, functools.partial):
        return go(thing.func, thing.args, thing.keywords)
    if id(thing) in seen:
        return say("again", seen[id(thing)])
    seen[id(thing)] = len(seen)
    if isinstance(thing, type) or inspect.isroutine(thing):
        name = getattr(thing, "__module__", None) or "builtins"
        say(name, thing.__qualname__)
        if _is_library(name):
            return say(getattr(sys.modules.get(name.partition(".")[0]), "__version__", ""))
        if isinstance(thing, type):
            own = {k: v for k, v in vars(thing).items() if not _is_made(k, v, thing)}
            return go(*thing.__mro__[1:], *(x for pair in sorted(own.items()) for x in pair))
        if isinstance(thing, FunctionType):
            cells = [c.cell_contents for c in thing.__closure__ or ()]
            used = {n: thing.__globals__[n] for n in _globals_of(thing.__code__) if n in thing.__globals__}
            return go(thing.__code__, thing.__defaults__, thing.__kwdefaults__, cells, used)
        raise _Unknown
    if isinstance(thing, property | staticmethod | classmethod | functools.cached_property):
        parts = ("fget", "fset", "fdel", "__func__", "func")
        return go(*(getattr(thing, p, None) for p in parts))
    if hasattr(thing, "__dict__") and (
        not _is_library(kind.__module__) or kind.__module__.startswith("crmsim.")
    ):
        go(kind)
        if isinstance(thing, tuple):
            go(*thing)
        return go({k: v for k, v in sorted(vars(thing).items())})
    if isinstance(thing, tuple):  # a named tuple
        return go(kind, *thing)
    from joblib import hash as joblib_hash

    try:
        # the compiled pickler decides: packages such as dill teach the other one, on which
        # joblib's hash stands, to take locks and files
        pickle.dumps(thing)
        say(kind.__module__, kind.__qualname__, joblib_hash(thing))
    except Exception:
        raise _Unknown from None


def _is_library(module: str) -> bool:
    """Whether a module is Python's, ours or an installed one, and not the user's."""
    top = module.partition(".")[0]
    if top == "__main__":
        return False
    if top in sys.stdlib_module_names or top == "crmsim":
        return True
    file = getattr(sys.modules.get(module), "__file__", None)
    return file is not None and ("site-packages" in file or "dist-packages" in file)


def _is_made(name: str, value: Any, kind: type) -> bool:
    """Whether a class attribute was made by Python or by the dataclass decorator."""
    if name == "_abc_impl":
        return True
    if not (name.startswith("__") and name.endswith("__")):
        return False
    code = getattr(value, "__code__", None)
    return code is None or (hasattr(kind, "__dataclass_fields__") and code.co_filename == "<string>")


def _globals_of(code: CodeType) -> list[str]:
    """Names of the global variables that a function and those inside it read."""
    names = {i.argval for i in dis.get_instructions(code) if i.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            names |= set(_globals_of(inner))
    return sorted(names)
