"""Simulated worlds looked at closely: what a fact is measured on.

A `World` is a run of which the true state of the first customers was written down every month. It
knows everything, as the facts of the literature are partly about what no firm can see. `Worlds`
makes each world once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..simulation.draws import Purpose, uniform
from ..simulation.engine import simulate
from ..simulation.run import Run
from ..simulation.scenario import Scenario
from ..simulation.watch import WorldView

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

MONTHLY = ("active", "satisfaction", "hazard", "last_failure")
SNAPSHOT = (
    "active", "joined", "source", "satisfaction", "expectation", "value", "cognitive", "affective",
    "conative", "action", "stage", "purchases", "last_purchase", "revenue", "historical_value", "scale_use",
)  # fmt: skip
SURVEY_ERROR_SD = 5.0


class Recorder:
    """Writes down the true state before each month begins, and at the end.

    monthly: columns kept every month for the first `size` customers; snapshots: months in which the
    columns of `SNAPSHOT` are kept for everybody.
    """

    def __init__(self, size: int, monthly: Sequence[str], snapshots: Iterable[int]) -> None:
        self.size, self.wanted = size, frozenset(snapshots)
        self.columns: dict[str, list[np.ndarray]] = {name: [] for name in monthly}
        self.snapshots: dict[int, pd.DataFrame] = {}

    def __call__(self, month: int, world: WorldView) -> None:
        for name, kept in self.columns.items():
            kept.append(world.column(name)[: self.size].copy())
        if month in self.wanted:
            table = {name: world.column(name) for name in SNAPSHOT}
            self.snapshots[month] = pd.DataFrame(table, index=pd.Index(world.ids, name="customer"))


class World:
    """A run and the record of its first customers (those there at the start: ids 0 to `size` - 1).

    Months count from 0; the state "of month m" is that before month m is lived, and that of month
    `months` is the end.
    """

    def __init__(
        self,
        scenario: Scenario,
        policies: Sequence[Any] = (),
        seed: int = 1,
        replication: int = 0,
        *,
        events: bool = False,
        monthly: Sequence[str] = MONTHLY,
        snapshots: Iterable[int] = (),
        follow: int = 0,
    ) -> None:
        self.scenario = scenario
        population = scenario.population
        self.months = population.months
        self.size = round(population.size * population.initial_share)
        self.record = Recorder(self.size, monthly, snapshots)
        self.run: Run = simulate(
            scenario,
            list(policies),
            seed,
            replication=replication,
            events=events,
            follow=range(min(follow, self.size)),
            progress=False,
            watch=self.record,
        )
        self.key = self.run.key

    def column(self, name: str) -> np.ndarray:
        """A recorded column: shape (months + 1, size)."""
        return np.stack(self.record.columns[name])

    @cached_property
    def active(self) -> Mask:
        """Whether a customer is there before each month: shape (months + 1, size)."""
        return self.column("active") > 0

    @cached_property
    def satisfaction(self) -> np.ndarray:
        return self.column("satisfaction")

    @cached_property
    def reported(self) -> np.ndarray:
        """What a customer would answer before each month, asked for satisfaction (0 to 100): truth,
        own use of the scale, and an error of sd 5. Shape (months + 1, size)."""
        from scipy.special import ndtri

        months = np.arange(self.months + 1)[:, None]
        u = uniform(self.key, Purpose.SURVEY_ERROR, np.arange(self.size)[None, :], months)
        own = self.first["scale_use"].to_numpy()
        return np.clip(self.satisfaction + own + SURVEY_ERROR_SD * ndtri(u), 0, 100)

    def snapshot(self, month: int) -> pd.DataFrame:
        """The state of everybody before `month`, indexed by customer."""
        return self.record.snapshots[month]

    @cached_property
    def customers(self) -> pd.DataFrame:
        """`Run.customers`, made once."""
        return self.run.customers

    @cached_property
    def first(self) -> pd.DataFrame:
        """Those there at the start, at the end of the run."""
        return self.customers.loc[: self.size - 1]

    def left(self, *causes: str) -> Mask:
        """Whether a first customer left in a month, of one of the causes (all when none is named):
        shape (months, size). Meant for runs without win-back."""
        first = self.first
        gone = first["left_month"].notna().to_numpy(copy=True)
        if causes:
            gone &= first["cause"].isin(causes).to_numpy()
        matrix = np.zeros((self.months, self.size), dtype=bool)
        who = np.flatnonzero(gone)
        matrix[first["left_month"].to_numpy(dtype=float, na_value=-1)[who].astype(int), who] = True
        return matrix

    @cached_property
    def _events(self) -> pd.DataFrame:
        log = self.run.events
        return log[log["customer"] < self.size]

    def happened(self, event: str) -> np.ndarray:
        """Amounts of an event of the first customers, 0 where it did not happen: shape (months, size)."""
        log = self._events
        chosen = log[log["event"] == event]
        matrix = np.zeros((self.months, self.size), dtype=np.float32)
        matrix[chosen["month"].to_numpy(), chosen["customer"].to_numpy()] = chosen["amount"].to_numpy()
        return matrix

    @cached_property
    def path_model(self) -> Any:
        """The satisfaction model fitted by PLS to the attentive answers of 6,000 customers asked after 36
        months: `analysis.pls.PathResult`. No intervals: replications give the error."""
        from ..analysis.pls import pls, survey_model
        from ..analysis.satisfaction import wide
        from ..simulation.survey import Survey

        data = self.run.survey(Survey(months=(35,), size=6_000, response=0.9))
        answers = wide(data.answers, attentive=True)
        return pls(answers, survey_model(data.items), bootstrap=0, progress=False)

    def yearly_survival(self) -> Floats:
        """Share of the first customers still there after 0, 1, 2 ... full years."""
        return self.active[::12].mean(axis=1)


class Worlds:
    """The worlds of one replication, each made when first asked for.

    scenarios: changed scenarios to use in place of presets, by name (calibration uses this).
    customers: number of customers in place of the preset's.
    """

    def __init__(
        self,
        seed: int = 1,
        replication: int = 0,
        *,
        customers: int | None = None,
        scenarios: Mapping[str, Scenario] | None = None,
        progress: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.seed, self.replication, self.customers, self.progress = seed, replication, customers, progress
        self.scenarios = dict(scenarios or {})
        self._made: dict[str, World] = {}

    def scenario(self, name: str) -> Scenario:
        """The scenario of that name, with the number of customers asked for and without policies."""
        found = self.scenarios.get(name) or Scenario.preset(name)
        changes: dict[str, Any] = {"policies": ()}
        if self.customers is not None:
            changes["population__size"] = self.customers
        return found.replace(**changes)

    def world(
        self, name: str, policies: Sequence[Any] = (), *, keep: bool = True, watch: Any = None, **changes: Any
    ) -> World:
        """The world of a preset with changed parameters, as for `Scenario.replace`.

        watch: keyword arguments of `World`. keep=False forgets it at once, to save memory.
        """
        scenario = self.scenario(name).replace(**changes) if changes else self.scenario(name)
        options = dict(watch or {})
        key = repr((name, policies, sorted(changes.items()), sorted(options.items())))
        if key in self._made:
            return self._made[key]
        self.progress(name)
        made = World(scenario, policies, self.seed, self.replication, **options)
        if keep:
            self._made[key] = made
        return made

    def forget(self) -> None:
        """Free the memory."""
        self._made.clear()
