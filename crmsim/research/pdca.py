"""Plan, do, check, act (计划-执行-检查-处理, PDCA): projects under a budget, measured by surveys.

A `Project` is a policy or several with what they cost and the touchpoint they aim at. A `PdcaCycle` plays
rounds of such projects in one simulated world:

- plan: choose projects within the budget of a round
- do: roll them out for some months
- check: ask customers before and after, and see what difference there is, with its interval
- act: keep a project or drop it; the next round starts from the world as kept

A round is simulated by policies with first and last months in one run, from the first month and with the
same luck. So the history up to a decision does not depend on it, the world in which nothing was done stands
beside every round, and the true effect of a project is the difference to the same world without it.

Source of the cycle: Deming 1986, Out of the Crisis; ISO 9001.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import ndtri

from ..analysis import control, sampling, satisfaction
from ..simulation.compile import PLACES
from ..simulation.customers import CustomerView
from ..simulation.draws import make_key, uniform
from ..simulation.engine import simulate
from ..simulation.policies import (
    Action,
    Change,
    Cost,
    Levers,
    Offers,
    PolicyError,
    Programme,
    policies_of,
    policy,
)
from ..simulation.projects import described
from ..simulation.projects import table as projects_table
from ..simulation.run import Run
from ..simulation.scenario import Scenario
from ..simulation.survey import Survey
from ..simulation.watch import WorldView

__all__ = ["PdcaCycle", "Project"]

INDEX = ("satisfaction_1", "satisfaction_2", "satisfaction_3")
MODES = {
    "honest": ("", ""),
    "teaching": ("teaching mode: projects doubled", "教学模式：项目力度加倍"),
}
"""Modes of a cycle: what its outputs say of it, in English and Chinese."""
POWER = 0.8
# Which half a customer is in is drawn once for each project, by a number no other part uses.
HALVES = 900_000


@dataclass(frozen=True)
class Project:
    """One project: what is done, what it costs and which touchpoint it aims at.

    policies: a policy or a list of them, as for `simulate`; they must not have months of their own.
    one_off, running: cost at the start and a month, in the unit of the cycle's budget. If neither is given,
    the project costs what its policies charge in the simulation. touchpoint: whose score shows the effect;
    left out, overall satisfaction does. chinese, english: what it is called on a board.
    Raises PolicyError and ValueError.
    """

    name: str
    policies: Any
    one_off: float | None = None
    running: float | None = None
    touchpoint: str = ""
    chinese: str = ""
    english: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise ValueError(f"a project needs a name, not {self.name!r}")
        given = self.policies
        if isinstance(given, str | Mapping) or not isinstance(given, Iterable):
            given = [given]
        chosen = tuple(policy(p) for p in given)
        if not chosen:
            raise ValueError(f"project {self.name!r}: at least one policy is needed")
        for p in chosen:
            if getattr(p, "start", 0) or getattr(p, "stop", None) is not None:
                raise PolicyError(
                    f"project {self.name!r}: {p.name} has months of its own; leave out start and stop, the "
                    f"round sets them"
                )
        object.__setattr__(self, "policies", chosen)
        for name in ("one_off", "running"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, int | float) and 0 <= value < math.inf):
                raise ValueError(
                    f"project {self.name!r}: {name} must be a number of at least 0, not {value!r}"
                )

    @property
    def priced(self) -> bool:
        """Whether costs are stated, rather than charged by the policies."""
        return self.one_off is not None or self.running is not None

    @property
    def only_campaigns(self) -> bool:
        return not any(isinstance(p, Programme) for p in self.policies)


# -- policies as a round places them ---------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Doubled(Programme):
    """A programme that moves every lever twice as far, within the bounds of the lever."""

    inner: Any = None

    def check(self, scenario: Scenario) -> None:
        self.inner.check(scenario)

    def cost(self, scenario: Scenario) -> Cost:
        found: Cost = self.inner.cost(scenario)
        return found

    def adjust(self, levers: Levers, month: int) -> None:
        values, touchpoints = levers.values.copy(), levers.touchpoints.copy()
        self.inner.adjust(levers, month)
        moved, felt = levers.values - values, levers.touchpoints - touchpoints
        levers.values[:], levers.touchpoints[:] = values, touchpoints
        for k in np.flatnonzero(moved):
            levers.apply(Change(".".join(PLACES[k]), add=2 * float(moved[k])), 1.0)
        levers.shift_touchpoints(2 * felt)


@dataclass(frozen=True)
class _Placed:
    """A campaign in the months of a round, among those it is rolled out to."""

    inner: Any
    name: str
    start: int
    stop: int | None
    among: Callable[[CustomerView], np.ndarray] | None
    doubled: bool

    def runs_in(self, month: int) -> bool:
        inside = self.start <= month and (self.stop is None or month < self.stop)
        return inside and bool(getattr(self.inner, "runs_in", lambda m: True)(month))

    def offers(self, view: CustomerView) -> Offers:
        wanted = self.inner.offers(view)
        if not isinstance(wanted, Offers):
            raise PolicyError(f"{self.name}: offers(view) must return Offers, not {type(wanted).__name__}")
        if self.among is not None:
            chosen = view.id[_group(self.among(view), view, self.name)]
            wanted = wanted.take(np.flatnonzero(np.isin(wanted.ids, chosen)))
        if self.doubled:
            wanted = dataclasses.replace(wanted, action=_twice(wanted.what))
        return wanted


def _twice(action: Action) -> Action:
    def more(name: str, top: float) -> float:
        return float(np.clip(2 * getattr(action, name), -top, top))

    return dataclasses.replace(
        action,
        strength=more("strength", 10.0),
        care=more("care", 100.0),
        satisfaction=more("satisfaction", 100.0),
        win_back=more("win_back", 0.99),
    )


def _group(mask: Any, view: CustomerView, name: str) -> np.ndarray:
    chosen = np.asarray(mask)
    if chosen.shape != (len(view),) or chosen.dtype != bool:
        raise ValueError(
            f"{name}: a part of the customers must be a truth value for each of {len(view):,} customers, "
            f"such as lambda view: view.tenure >= 12"
        )
    return chosen


class _Placement(NamedTuple):
    """A project in the plan of a run: its months and whom it is rolled out to (a word of `_rollouts`)."""

    project: str
    start: int
    stop: int | None
    to: str


class _Snapshot(NamedTuple):
    """The truth at the end of a month: active customers and their scores (a column a measure)."""

    ids: np.ndarray
    scores: pd.DataFrame


class _Made(NamedTuple):
    """A finished run with what was looked at on the way."""

    run: Run
    truth: dict[int, _Snapshot]
    groups: dict[str, np.ndarray]


class _Round(NamedTuple):
    """A round that was rolled out."""

    number: int
    start: int
    end: int
    to: str
    projects: tuple[str, ...]
    placed: tuple[_Placement, ...]


# -- the cycle ----------------------------------------------------------------------------------------


class PdcaCycle:
    """Rounds of plan, do, check, act in one simulated world.

    - scenario: a Scenario, a preset or a file; seed, replication: which luck
    - projects: those there are to choose from
    - budget: for the projects of a round, running costs of kept ones included; None for no limit
    - months: how long a round lasts; start: month in which the first begins (a world takes about a year to
      settle)
    - survey: whom is asked and how; its `months` are set by the rounds. The customary 5,000 addresses by
      telephone bring some 600 answers
    - every: months between the waves of the control chart in the year before the first round
    - mode: "honest", or "teaching", in which every lever and offer moves twice as far, within its bounds,
      and every output says so. Satisfaction moves less than twice as far where something else limits it
    - worth: points of satisfaction that a unit of cost must bring for a project to be worth keeping
    - money: the scenario's currency in a unit of costs, such as 1e6 where costs are in millions; needed
      where costs are stated, to set them against the margin
    - confidence: of the intervals

    `plan`, `do`, `check` and `act` are called in this order; `play` does all four.

    - `table`: a row a project and round, see `check`
    - `rounds`: a row a round, what was measured of all its projects together and what was true
    - `chart()`: the control chart of all waves
    - `earned`: what the loop brought, against the same world in which nothing was done
    - `to_database(path)`: the customer database with the projects, what they cost and what was measured

    Raises ScenarioError, PolicyError and ValueError.
    """

    def __init__(
        self,
        scenario: Scenario | str,
        projects: Iterable[Project],
        *,
        budget: float | None = None,
        months: int = 6,
        start: int = 24,
        survey: Survey | None = None,
        every: int = 3,
        mode: Literal["honest", "teaching"] = "honest",
        worth: float = 0.0,
        money: float | None = None,
        confidence: float = 0.95,
        seed: int = 1,
        replication: int = 0,
    ) -> None:
        self.scenario = Scenario.from_name(scenario)
        self.key = make_key(seed, replication)
        if mode not in MODES:
            raise ValueError(f'mode must be "honest" or "teaching", not {mode!r}')
        for name, value in (("months", months), ("start", start), ("every", every)):
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
                raise ValueError(f"{name} must be a whole number of months from 1, not {value!r}")
        if budget is not None and not 0 <= budget < math.inf:
            raise ValueError(f"budget must be a number of at least 0, or None for no limit, not {budget!r}")
        if not 0 < confidence < 1:
            raise ValueError(f"confidence must be between 0 and 1, not {confidence!r}")
        if money is not None and not (money > 0 and math.isfinite(money)):
            raise ValueError(f"money must be above 0, not {money!r}")
        self.mode: str = mode
        self._word = MODES[mode][0]
        self.budget, self.months, self.start, self.every = budget, int(months), int(start), int(every)
        self.worth, self.money, self.confidence = float(worth), 1.0 if money is None else money, confidence
        self.survey = Survey() if survey is None else survey
        if not isinstance(self.survey, Survey):
            raise ValueError(f"survey must be a Survey, not {survey!r}")
        if self.survey.frame == "leavers":
            raise ValueError("a survey of leavers cannot be compared before and after; use another frame")
        self._touchpoints = [t.name for t in self.scenario.touchpoints]
        self.projects = self._checked(projects)
        self._unit_named = money is not None
        self._runs: dict[tuple[tuple[_Placement, ...], int], _Made] = {}
        self._scores: dict[int, pd.DataFrame] = {}
        self._rollouts: dict[str, Callable[[CustomerView], np.ndarray]] = {}
        self._districts: dict[str, tuple[str, ...]] = {}
        self._kept: list[_Placement] = []
        self._planned: tuple[str, ...] = ()
        self._done: list[_Round] = []
        self._rows: list[dict[str, Any]] = []
        self._totals: list[dict[str, Any]] = []
        self._state = "plan"

    def _checked(self, projects: Iterable[Project]) -> dict[str, Project]:
        found: dict[str, Project] = {}
        for p in projects:
            if not isinstance(p, Project):
                raise ValueError(f"projects: {p!r} is no Project; make one with Project(name, policies)")
            if p.name in found:
                raise ValueError(f"projects: {p.name!r} is there twice; give each its own name")
            if p.touchpoint and p.touchpoint not in self._touchpoints:
                raise ValueError(
                    f"project {p.name!r}: no touchpoint {p.touchpoint!r}; {self.scenario.name} has "
                    f"{', '.join(self._touchpoints)}"
                )
            policies_of(self.scenario, p.policies)
            found[p.name] = p
        if not found:
            raise ValueError("projects: at least one is needed")
        return found

    # -- plan, do, check, act -----------------------------------------------------------------------

    def candidates(self, months: int | None = None) -> pd.DataFrame:
        """The projects there are: project, chinese, touchpoint, cost of a round of so many months, and
        state ("open", "kept", "dropped")."""
        begin, length = self._now, self.months if months is None else int(months)
        kept = {p.project for p in self._kept if p.stop is None}
        dropped = {p.project for p in self._kept} - kept
        rows = []
        for name, p in self.projects.items():
            one = () if name in kept else (_Placement(name, begin, None, "all"),)
            placed = (*self._kept, *one)
            rows.append(
                {
                    "project": name,
                    "chinese": p.chinese,
                    "touchpoint": p.touchpoint,
                    "cost": self._cost(name, placed, begin, begin + length),
                    "state": "kept" if name in kept else "dropped" if name in dropped else "open",
                    "mode": self.mode,
                }
            )
        return pd.DataFrame(rows).set_index("project")

    def plan(self, projects: str | Iterable[str]) -> pd.Series:
        """Choose the projects of the next round; gives the cost of each and of those kept.

        Raises ValueError for an unknown project, one that is kept already, and more than the budget.
        """
        self._expect("plan")
        names = (projects,) if isinstance(projects, str) else tuple(projects)
        kept = [p.project for p in self._kept if p.stop is None]
        for name in names:
            if name not in self.projects:
                near = difflib.get_close_matches(str(name), self.projects, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(self.projects)}"
                raise ValueError(f"plan: no project {name!r}; {hint}")
            if name in kept:
                raise ValueError(f"plan: {name!r} is kept already and goes on by itself")
            if names.count(name) > 1:
                raise ValueError(f"plan: {name!r} is named twice")
        begin, end = self._now, self._now + self.months
        placed = (*self._kept, *(_Placement(name, begin, None, "all") for name in names))
        costs = {name: self._cost(name, placed, begin, end) for name in (*kept, *names)}
        total = sum(costs.values())
        if self.budget is not None and total > self.budget * (1 + 1e-9):
            listed = ", ".join(f"{name} {cost:,.4g}" for name, cost in costs.items())
            raise ValueError(
                f"plan: {total:,.4g} is more than the budget of {self.budget:,.4g} ({listed}); leave one out"
            )
        self._planned, self._state = names, "do"
        return pd.Series(costs, name=self._said("cost"), dtype=float)

    def do(
        self,
        months: int | None = None,
        to: str | Callable[[CustomerView], Any] = "all",
        districts: Iterable[str] = (),
    ) -> _Round:
        """Roll the planned projects out for some months (those of the cycle if not given).

        to: "all"; "half", a random half of the customers, drawn for each project; or a group, a function of
        what the firm sees (`lambda view: view.tenure >= 12`), asked every month; those in it when the
        roll-out begins are compared with the others. Only campaigns, which choose customers, can be
        rolled out to a part; a programme moves the firm's levers for everyone. A campaign with a budget or a
        share chooses among all and approaches those of them who are in the part.

        districts: in place of `to`, the districts of the scenario to roll out in; a programme can be limited
        to them if it moves touchpoints only. Who lives there is compared with who lives elsewhere, so that
        what happens in one of few districts by chance is not told from the effect.

        Raises PolicyError and ValueError.
        """
        self._expect("do")
        length = self.months if months is None else months
        if isinstance(length, bool) or not isinstance(length, int | np.integer) or length < 1:
            raise ValueError(f"do: months must be a whole number from 1, not {months!r}")
        names = (districts,) if isinstance(districts, str) else tuple(districts)
        if names:
            to = self._in_districts(names, to)
        elif to != "all":
            for name in self._planned:
                if not self.projects[name].only_campaigns:
                    moves = next(p for p in self.projects[name].policies if isinstance(p, Programme))
                    raise ValueError(
                        f"do: {name!r} moves levers of the firm for everyone ({moves.name}), so it goes to "
                        f'all or nobody; only campaigns can go to a part: to="all"'
                    )
        word = to if isinstance(to, str) else f"group {len(self._done) + 1}"
        if isinstance(to, str):
            if to not in ("all", "half", *self._districts):
                raise ValueError(f'do: to must be "all", "half" or a function of the view, not {to!r}')
        else:
            self._rollouts[word] = to
        begin, end = self._now, self._now + int(length)
        new = tuple(_Placement(name, begin, None, word) for name in self._planned)
        this = _Round(len(self._done) + 1, begin, end, word, self._planned, (*self._kept, *new))
        self._made(this.placed, end)
        self._done.append(this)
        self._state = "check"
        return this

    def _in_districts(self, names: tuple[str, ...], to: Any) -> str:
        """A roll-out to districts, under a word of its own."""
        if to != "all":
            raise ValueError("do: give either to or districts")
        known = [d.name for d in self.scenario.districts]
        for name in names:
            if name not in known:
                raise ValueError(
                    f"do: no district {name!r}; {self.scenario.name} has {', '.join(known) or 'none'}"
                )
        for project in self._planned:
            programmes = [p for p in self.projects[project].policies if isinstance(p, Programme)]
            policies_of(self.scenario, [dataclasses.replace(p, districts=names) for p in programmes])
        word = f"districts {', '.join(names)}"
        self._districts[word] = names
        self._rollouts[word] = lambda view: np.isin(view.district, names)
        return word

    def check(self, by: Literal["survey", "truth"] = "survey") -> pd.DataFrame:
        """What became of the round's projects, a row each.

        Columns: `round`, `project`, `touchpoint`, `to`, `measure` (a touchpoint, whose questions are
        averaged, or "satisfaction"), `by`, `cost`, `comparison`, `reference` and `score` (points from 0 to
        100 of those compared), `effect` (points) with its interval `low` and `high`, `mde` (the effect that
        such a comparison finds in four of five cases), `n` (answers used), `true` (true effect on the same
        measure: the world as it was less the same world without the project, of those it was rolled out
        to), `true_index` (the same on satisfaction), `decision` ("keep", "drop", or empty before `act`),
        `right` (whether the decision is that of the truth: keep if `true_index` is above `worth` times the
        cost; missing before), `mode`.

        Comparisons: a project for all is seen by the answers before and after, which holds everything else
        that happened; one for a random half by treated and others afterwards; one for a group by the
        difference of differences. With a panel those who answered both times are compared with themselves.
        Several projects in a round are told apart by the touchpoints they aim at only. Answers move less
        than what is felt, since scales end and some tick one column: for touchpoints of the water preset
        about three quarters as far.

        by: "truth" shows the true effects in place of the survey's.
        """
        self._expect("check")
        if by not in ("survey", "truth"):
            raise ValueError(f'check: by must be "survey" or "truth", not {by!r}')
        this = self._done[-1]
        made = self._made(this.placed, this.end)
        self._ask(this)
        rows = []
        for name in this.projects:
            project = self.projects[name]
            measure = project.touchpoint or "satisfaction"
            without = tuple(p for p in this.placed if not (p.project == name and p.start == this.start))
            other = self._made(without, this.end)
            part = self._part(name, this, made)
            truth = {
                m: self._difference(made, other, this.end - 1, m, part) for m in (measure, "satisfaction")
            }
            if by == "survey":
                seen = self._compare(measure, this, part)
            else:
                after = float(made.truth[this.end - 1].scores[measure].mean())
                seen = {
                    "comparison": "with and without", "reference": after - truth[measure], "score": after,
                    "effect": truth[measure], "low": truth[measure], "high": truth[measure], "mde": 0.0,
                    "n": len(made.truth[this.end - 1].ids),
                }  # fmt: skip
            rows.append(
                {
                    "round": this.number,
                    "project": name,
                    "touchpoint": project.touchpoint,
                    "to": this.to,
                    "measure": measure,
                    "by": by,
                    "cost": self._cost(name, this.placed, this.start, this.end),
                    **seen,
                    "true": truth[measure],
                    "true_index": truth["satisfaction"],
                    "decision": "",
                    "right": None,
                    "mode": self.mode,
                }
            )
        self._rows += rows
        self._total(this, made)
        self._state = "act"
        # The worlds without one project are not needed again, and large.
        self._runs = {key: self._runs[key] for key in (_key(this.placed, this.end), _key((), this.end))}
        return self._frame(rows)

    def act(
        self, decisions: Mapping[str, str] | Literal["interval", "estimate", "truth"] = "interval"
    ) -> pd.DataFrame:
        """Keep or drop the projects of the round; gives their rows of `table`.

        decisions: "interval" keeps what is surely above 0, "estimate" what was measured above 0, "truth"
        what is worth its cost in truth; or a decision for each project, {"notices": "keep"}, those not named
        are dropped. What is kept goes on for all; what is dropped stops, and its effect decays as the policy
        says. Raises ValueError.
        """
        self._expect("act")
        this = self._done[-1]
        rows = self._rows[len(self._rows) - len(this.projects) :] if this.projects else []
        if isinstance(decisions, str):
            if decisions not in ("interval", "estimate", "truth"):
                raise ValueError(
                    f'act: "interval", "estimate", "truth" or a decision for each project, not {decisions!r}'
                )
        else:
            for name, word in dict(decisions).items():
                if name not in this.projects:
                    raise ValueError(f"act: {name!r} was not in this round ({', '.join(this.projects)})")
                if word not in ("keep", "drop"):
                    raise ValueError(f'act: {name!r} must be "keep" or "drop", not {word!r}')
        for row in rows:
            worthy = row["true_index"] > self.worth * row["cost"]
            if isinstance(decisions, str):
                keep = {"interval": row["low"] > 0, "estimate": row["effect"] > 0, "truth": worthy}[decisions]
            else:
                keep = decisions.get(row["project"], "drop") == "keep"
            row["decision"] = "keep" if keep else "drop"
            row["right"] = bool(keep == worthy)
            name = row["project"]
            if keep and this.to == "all":
                self._kept.append(_Placement(name, this.start, None, "all"))
            else:
                self._kept.append(_Placement(name, this.start, this.end, this.to))
                if keep:
                    self._kept.append(_Placement(name, this.end, None, "all"))
        self._totals[-1]["kept"] = ", ".join(r["project"] for r in rows if r["decision"] == "keep")
        self._planned, self._state = (), "plan"
        return self._frame(rows)

    def play(
        self,
        projects: str | Iterable[str],
        months: int | None = None,
        to: str | Callable[[CustomerView], Any] = "all",
        districts: Iterable[str] = (),
        *,
        by: Literal["survey", "truth"] = "survey",
        decisions: Any = "interval",
    ) -> pd.DataFrame:
        """A whole round: plan, do, check and act; gives its rows of `table`."""
        self.plan(projects)
        self.do(months, to, districts)
        self.check(by)
        return self.act(decisions)

    # -- what was found -----------------------------------------------------------------------------

    @property
    def table(self) -> pd.DataFrame:
        """All rounds, a row a project: the columns of `check`."""
        return self._frame(self._rows)

    @property
    def rounds(self) -> pd.DataFrame:
        """A row a round, overall satisfaction in points, all its projects together.

        `round`, `start` and `end` (first month, first month after), `projects`, `kept`, `cost` (new
        projects and those kept before), `before`, `after` and `change` with `low`, `high`, `mde` as the
        survey measured them; `true_change` (true satisfaction, end less the month before the start),
        `true_gain` (end, less the world in which nothing was ever done), `nothing` (change of that world
        in the same months: what before and after would show without any project), `mode`.
        """
        return pd.DataFrame(self._totals)

    def chart(self, measure: str = "satisfaction") -> pd.DataFrame:
        """Control chart of all waves so far: `analysis.control.means` by month, whose base period is the
        waves before the first round, with the columns `n` (answers) and `mode`.

        measure: "satisfaction" or a touchpoint. Raises ValueError for an unknown measure and before a
        round was checked.
        """
        known = ["satisfaction", *self._touchpoints]
        if measure not in known:
            raise ValueError(f"chart: no measure {measure!r}; there are {', '.join(known)}")
        if not self._scores:
            raise ValueError("chart: no wave was asked yet; check a round first")
        months = sorted(self._scores)
        found = [self._estimate(self._scores[m], measure, m) for m in months]
        base = np.array([m < self.start for m in months])
        frame = control.means(
            [e.value for e in found],
            [e.error for e in found],
            base,
            labels=pd.Index(months, name="month"),
        )
        return frame.assign(n=[e.n for e in found], mode=self.mode)

    @property
    def earned(self) -> pd.Series:
        """What the loop brought up to the end of the last round, against the world in which nothing was
        done, with the same luck.

        `points` (true satisfaction at the end), `complaints` (fewer), `customers` (more at the end),
        `margin` (more, before costs, in units of `money`), `cost` of all projects, `net` = margin - cost
        (missing where costs are stated without `money`), `points_per_cost`, `mode`. Raises ValueError
        before a round was checked.
        """
        if not self._totals:
            raise ValueError("earned: no round was checked yet")
        end = int(self._totals[-1]["end"])
        this = self._done[len(self._totals) - 1]
        made, idle = self._made(this.placed, end), self._made((), end)
        one, other = made.run.monthly, idle.run.monthly
        cost = float(sum(row["cost"] for row in self._totals))
        # Costs in a unit nobody named cannot be set against the margin.
        priced = any(self.projects[name].priced for r in self._done for name in r.projects)
        comparable = self._unit_named or not priced
        points = self._difference(made, idle, end - 1, "satisfaction", None)
        margin = float(one["margin"].sum() - other["margin"].sum()) / self.money
        return pd.Series(
            {
                "points": points,
                "complaints": float(other["complaints"].sum() - one["complaints"].sum()),
                "customers": float(one["customers"].iloc[-1] - other["customers"].iloc[-1]),
                "margin": margin,
                "cost": cost,
                "net": margin - cost if comparable else math.nan,
                "points_per_cost": points / cost if cost > 0 else math.nan,
                "mode": self.mode,
            },
            name=self._said("earned"),
            dtype=object,
        )

    def project_tables(self) -> dict[str, pd.DataFrame]:
        """The tables `projects` and `truth.projects` of the customer database: a row for each project in each
        round that it began in. Costs are in the scenario's currency; missing where they are stated and the
        cycle was not told in what unit (`money`). Where the truth was looked up in place of the survey
        (`check("truth")`), nothing was measured.
        """
        end = self._now
        last = self._done[-1].placed if self._done else ()
        found = {(row["round"], row["project"]): row for row in self._rows}
        starts = {(r.start, name) for r in self._done for name in r.projects}
        rows, truth = [], []
        for this in self._done:
            for name in this.projects:
                project, row = self.projects[name], found.get((this.number, name), {})
                dropped = row.get("decision") == "drop"
                until = min([s for s, other in starts if other == name and s > this.start], default=end)
                if project.priced:
                    stated = self._cost(name, last, this.start, until) * self.money
                    cost = stated if self._unit_named else None
                else:
                    spent = self._made(last, end).run.costs.get(name, pd.Series(dtype=float))
                    cost = float(spent.loc[this.start : until - 1].sum())
                what = described(project.policies)
                seen = row if row.get("by") == "survey" else {}
                rows.append(
                    {
                        "project": name,
                        "first_month": this.start,
                        "last_month": this.end - 1 if dropped else None,
                        **what,
                        "content": what["content"] + (f" ({self._word})" if self._word else ""),
                        "reach": what["reach"] if this.to == "all" else this.to,
                        "english": project.english or None,
                        "chinese": project.chinese or None,
                        "cost": cost,
                        "status": {"keep": "kept", "drop": "dropped"}.get(row.get("decision", ""), "running"),
                        "round": this.number,
                        "measure": seen.get("measure"),
                        "comparison": seen.get("comparison"),
                        **{key: seen.get(key) for key in ("effect", "low", "high")},
                        "answers": seen.get("n"),
                    }
                )
                if row:
                    truth.append((name, this.start, row["true"], row["true_index"]))
        names = pd.Index(["project", "first_month", "effect", "satisfaction"])
        return {"projects": projects_table(rows), "truth.projects": pd.DataFrame(truth, columns=names)}

    def to_database(self, path: str | Path) -> Path:
        """Write the customer database of the world as it was played, to the end of the last round.

        It is what `Run.to_database` writes, with the waves of the cycle's survey, and the `project_tables`.
        Raises ValueError before a round was done, and DataError when the place cannot be written.
        """
        from ..data.database import tables_of, write_tables

        if not self._done:
            raise ValueError("to_database: no round was done yet; plan and do one first")
        this = self._done[-1]
        waves = [self.survey.replace(months=tuple(sorted(self._scores)))] if self._scores else []
        tables = tables_of(self._made(this.placed, this.end).run, waves)
        own = self.project_tables()
        others = tables["projects"][~tables["projects"]["project"].isin(own["projects"]["project"])]
        own["projects"] = pd.concat([others, own["projects"]], ignore_index=True)
        return write_tables(tables | own, path)

    @property
    def note(self) -> str:
        """The foot of a figure: scenario, seed, customers, and the mode if it is not the honest one."""
        return "; ".join(filter(None, [self._about, self._word]))

    @property
    def _about(self) -> str:
        size = self.scenario.population.size
        return f"{self.scenario.name}, seed {self.key.seed}, {size:,} customers"

    def plot(self, ax: Any = None, **given: Any) -> Any:
        """Measured and true effect of each project: `plots.project_effects`."""
        from ..plots import project_effects

        return project_effects(self.table, ax, self._about, **given)  # which says the mode itself

    def plot_chart(self, measure: str = "satisfaction", ax: Any = None, **given: Any) -> Any:
        """The control chart: `plots.control_chart`."""
        from ..plots import control_chart

        chinese = given.get("language") == "zh"
        named = {t.name: t.chinese for t in self.scenario.touchpoints} | {"satisfaction": "满意度"}
        words = {"what": named.get(measure, measure) if chinese else measure.replace("_", " ")} | given
        mode = MODES[self.mode][chinese]
        return control_chart(self.chart(measure), ax, "; ".join(filter(None, [self._about, mode])), **words)

    def __repr__(self) -> str:
        kept = [p.project for p in self._kept if p.stop is None]
        parts = [
            f"PdcaCycle({self.scenario.name!r}, seed {self.key.seed}: {len(self._totals)} rounds",
            f"kept: {', '.join(kept) or 'nothing'}",
            f"next: {self._state}",
            self._word,
        ]
        return "; ".join(filter(None, parts)) + ")"

    def _repr_html_(self) -> str:
        return f"<p><b>{self!r}</b></p>" + (self.table.to_html(index=False) if self._rows else "")

    # -- parts ------------------------------------------------------------------------------------------

    def _expect(self, step: str) -> None:
        if step != self._state:
            raise ValueError(f"{step}: now is the time to {self._state}; the order is plan, do, check, act")

    def _said(self, name: str) -> str:
        return f"{name} ({self._word})" if self._word else name

    @property
    def _now(self) -> int:
        """The month in which the next round begins."""
        return self._done[-1].end if self._done else self.start

    def _frame(self, rows: list[dict[str, Any]]) -> pd.DataFrame:
        frame = pd.DataFrame(rows)
        if len(frame):
            frame["right"] = frame["right"].astype("boolean")
        return frame

    def _made(self, placed: tuple[_Placement, ...], end: int) -> _Made:
        """The world with these placements up to a month, made once."""
        key = _key(placed, end)
        if key not in self._runs:
            look = _Look({end - 1, *(r.start - 1 for r in self._done), self._now - 1}, self._rollouts, key[0])
            run = simulate(
                self.scenario.replace(population__months=end),
                [*policies_of(self.scenario, self.scenario.policies), *self._policies(key[0])],
                self.key.seed,
                replication=self.key.replication,
                progress=False,
                watch=look,
            )
            self._runs[key] = _Made(run, look.truth, look.groups)
        return self._runs[key]

    def _policies(self, placed: Iterable[_Placement]) -> list[Any]:
        found: list[Any] = []
        for place in placed:
            for p in self.projects[place.project].policies:
                found.append(self._placed(p, place))
        return found

    def _placed(self, p: Any, place: _Placement) -> Any:
        double = self.mode == "teaching"
        if isinstance(p, Programme):
            how: dict[str, Any] = {
                "start": place.start,
                "stop": place.stop,
                "label": place.project,
                **p.where,
            }
            if place.to in self._districts:
                how["districts"] = self._districts[place.to]
            own = dataclasses.replace(p, **how)
            return _Doubled(inner=own, **how) if double else own
        return _Placed(p, place.project, place.start, place.stop, self._among(place), double)

    def _among(self, place: _Placement) -> Callable[[CustomerView], np.ndarray] | None:
        if place.to == "all":
            return None
        if place.to == "half":
            return lambda view: self._half(place.project, view.id)
        return self._rollouts[place.to]

    def _half(self, project: str, ids: np.ndarray) -> np.ndarray:
        number = HALVES + list(self.projects).index(project)
        return np.asarray(uniform(self.key, number, ids, 0)) < 0.5

    def _cost(self, name: str, placed: tuple[_Placement, ...], begin: int, end: int) -> float:
        """Cost of a project in the months from begin to before end, in the unit of costs."""
        project = self.projects[name]
        mine = [p for p in placed if p.project == name]
        if not project.priced:
            costs = self._made(placed, end).run.costs
            if name not in costs:
                return 0.0
            return float(costs.loc[begin : end - 1, name].sum()) / self.money
        ran = sum(max(0, min(end, p.stop or end) - max(begin, p.start)) for p in mine)
        # What goes on after the trial of a part is there already; what is taken up again later is not.
        starts = sum(begin <= p.start < end and p.start not in [q.stop for q in mine] for p in mine)
        return starts * (project.one_off or 0.0) + ran * (project.running or 0.0)

    def _part(self, name: str, this: _Round, made: _Made) -> Callable[[np.ndarray], np.ndarray] | None:
        """Who of some customers the project was rolled out to; None for all."""
        if this.to == "all":
            return None
        if this.to == "half":
            return lambda ids: self._half(name, ids)
        group = made.groups[this.to]
        return lambda ids: np.isin(ids, group)

    def _difference(
        self,
        one: _Made,
        other: _Made,
        month: int,
        measure: str,
        part: Callable[[np.ndarray], np.ndarray] | None,
    ) -> float:
        """True mean at the end of a month less that of another world."""
        found = []
        for made in (one, other):
            here = made.truth[month]
            scores = here.scores[measure].to_numpy()
            chosen = scores if part is None else scores[part(here.ids)]
            found.append(float(chosen.mean()) if chosen.size else math.nan)
        return found[0] - found[1]

    def _waves(self, this: _Round) -> list[int]:
        """Months of all waves up to the end of a round."""
        before = range(self.start - 1, max(self.start - 13, -1), -self.every)
        return sorted({*before, *(r.end - 1 for r in self._done if r.number <= this.number)})

    def _ask(self, this: _Round) -> None:
        """Take the waves that are still to be taken; past ones are the same in every later world."""
        months = [m for m in self._waves(this) if self.survey.panel or m not in self._scores]
        run = self._made(this.placed, this.end).run
        data = run.survey(self.survey.replace(months=tuple(months)))
        for wave, month in enumerate(months):
            chosen = data.sample["wave"] == wave
            weights = data.sample.loc[chosen].set_index("customer")["weight"]
            if not (data.answers["wave"] == wave).any():
                raise ValueError(f"nobody answered the survey of month {month}; ask more than {chosen.sum()}")
            answers = data.wide(wave)
            answers = answers[answers["attention"] == 1]
            low, high = 1, self.survey.scale
            scores = satisfaction.construct_scores(answers, data.items, ["satisfaction", "touchpoints"])
            scores = 100 * (scores - low) / (high - low)
            self._scores[month] = scores.assign(weight=weights.reindex(scores.index))

    def _estimate(
        self, scores: pd.DataFrame, measure: str, month: int, chosen: Any = None
    ) -> sampling.Estimate:
        part = scores if chosen is None else scores[chosen]
        try:
            return sampling.mean(part[measure], part["weight"], confidence=self.confidence)
        except ValueError:
            raise ValueError(
                f"the survey of month {month} has {part[measure].notna().sum()} answers on {measure!r} to "
                f"compare; ask more than {self.survey.size:,} customers"
            ) from None

    def _compare(
        self, measure: str, this: _Round, part: Callable[[np.ndarray], np.ndarray] | None
    ) -> dict[str, Any]:
        """The survey's difference before and after a round, or between its parts."""
        first, last = this.start - 1, this.end - 1
        before, after = self._scores[first], self._scores[last]
        if part is None:
            old, new = (self._estimate(s, measure, m) for s, m in ((before, first), (after, last)))
            word = "before and after"
            if self.survey.panel:
                return self._paired(measure, before, after)
            compared, effect = [old, new], new.value - old.value
        else:
            in_before, in_after = part(before.index.to_numpy()), part(after.index.to_numpy())
            new = self._estimate(after, measure, last, in_after)
            old = self._estimate(after, measure, last, ~in_after)
            compared, effect, word = [old, new], new.value - old.value, "treated and others"
            if this.to != "half":
                was = self._estimate(before, measure, first, in_before)
                others = self._estimate(before, measure, first, ~in_before)
                compared += [was, others]
                effect -= was.value - others.value
                word = "difference of differences"
        error = math.sqrt(sum(e.error**2 for e in compared))
        return self._seen(word, old.value, new.value, effect, error, sum(e.n for e in compared))

    def _paired(self, measure: str, before: pd.DataFrame, after: pd.DataFrame) -> dict[str, Any]:
        later = after[[measure, "weight"]].rename(columns={measure: f"{measure}_after"})
        both = before[[measure]].join(later, how="inner").dropna()
        if len(both) < 2:
            raise ValueError(f"{len(both)} members of the panel answered both times; ask a larger panel")
        found = sampling.mean(both[f"{measure}_after"] - both[measure], both["weight"])
        old, new = (float(np.average(both[c], weights=both["weight"])) for c in (measure, f"{measure}_after"))
        return self._seen("same persons before and after", old, new, found.value, found.error, len(both))

    def _seen(
        self, comparison: str, reference: float, score: float, effect: float, error: float, n: int
    ) -> dict[str, Any]:
        z = float(ndtri(0.5 + self.confidence / 2))
        return {
            "comparison": comparison, "reference": reference, "score": score, "effect": effect,
            "low": effect - z * error, "high": effect + z * error,
            "mde": (z + float(ndtri(POWER))) * error, "n": n,
        }  # fmt: skip

    def _total(self, this: _Round, made: _Made) -> None:
        seen = self._compare("satisfaction", this, None)
        idle = self._made((), this.end)

        def level(world: _Made, month: int) -> float:
            return float(world.truth[month].scores["satisfaction"].mean())

        names = {p.project for p in this.placed}
        self._totals.append(
            {
                "round": this.number,
                "start": this.start,
                "end": this.end,
                "projects": ", ".join(this.projects),
                "kept": "",
                "cost": sum(self._cost(name, this.placed, this.start, this.end) for name in names),
                "before": seen["reference"],
                "after": seen["score"],
                "change": seen["effect"],
                "low": seen["low"],
                "high": seen["high"],
                "mde": seen["mde"],
                "true_change": level(made, this.end - 1) - level(made, this.start - 1),
                "true_gain": level(made, this.end - 1) - level(idle, this.end - 1),
                "nothing": level(idle, this.end - 1) - level(idle, this.start - 1),
                "mode": self.mode,
            }
        )


def _key(placed: Iterable[_Placement], end: int) -> tuple[tuple[_Placement, ...], int]:
    return tuple(sorted(placed, key=lambda p: (p.start, p.project))), end


class _Look:
    """An observer who notes the truth at the end of some months, and groups when a roll-out begins."""

    def __init__(
        self,
        months: set[int],
        rollouts: Mapping[str, Callable[[CustomerView], np.ndarray]],
        placed: Iterable[_Placement],
    ) -> None:
        self.months = months
        self.begin: dict[int, list[str]] = {}
        for p in placed:
            if p.to in rollouts:
                self.begin.setdefault(p.start, []).append(p.to)
        self.rollouts = rollouts
        self.truth: dict[int, _Snapshot] = {}
        self.groups: dict[str, np.ndarray] = {}

    def __call__(self, month: int, world: WorldView) -> None:
        for word in self.begin.get(month, []):
            view = world.firm
            self.groups[word] = view.id[_group(self.rollouts[word](view), view, word)]
        if month - 1 not in self.months:
            return
        here = (world.column("active") > 0) & (world.column("joined") < month)
        scores = {"satisfaction": world.column("satisfaction")[here].astype(float)}
        for t in world.scenario.touchpoints:
            scores[t.name] = world.perception(t.name)[here].astype(float)
        self.truth[month - 1] = _Snapshot(world.ids[here], pd.DataFrame(scores))
