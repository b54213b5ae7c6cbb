"""Methods graded over many worlds: when does RFM suffice, when does BG/NBD win, what does an index get wrong.

`analysis.targeting.report_card` grades the usual methods on one firm's record. Here the same is done for
several worlds and replications, so that a grade comes with an interval and a method's lead over the simplest
one with a paired one: all methods of a replication saw the same customers.
"""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from .. import __version__
from ..analysis.targeting import TASKS, report_card
from ..data.database import tables_of
from ..simulation import nulls
from ..simulation.draws import make_key
from ..simulation.engine import simulate
from ..simulation.policies import RetentionCall
from ..simulation.run import Run
from ..simulation.scenario import Scenario, ScenarioError
from ..simulation.survey import Survey
from .worlds import Recorder

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# What anybody can do without a model; others are measured by their lead over it.
SIMPLEST = {
    "alive": "RFM",
    "purchases": "RFM",
    "value": "RFM",
    "churn": "tenure",
    "uplift": "risk (logistic)",
    "drivers": "correlation",
}


@dataclass(frozen=True)
class Case:
    """One kind of firm to grade methods on.

    english, chinese: what kind. scenario: its world. policies: what the firm does; offers made by lot allow
    uplift to be graded. surveys: whom it asks; answers of a last wave allow drivers to be graded.
    joining: the record of purchases begins with the one by which each customer joined, as probability
    models of purchases suppose.
    """

    english: str
    chinese: str
    scenario: Scenario
    policies: tuple[Any, ...] = ()
    surveys: tuple[Survey, ...] = ()
    joining: bool = False


@functools.cache
def cases(customers: int = 3_000, months: int = 24) -> Mapping[str, Case]:
    """Eight kinds of firm: five shops, whose customers go without a word, and three with contracts.

    - bg_nbd: the very world BG/NBD assumes, with the figures of CDNOW
    - retail: the preset; customers sour, and leave for causes
    - even: the same, with customers who buy at much the same rate
    - faithful: the same with a fifth of the ordinary and competitive departures
    - short: the preset, known for six months only before the year to be foretold
    - subscription, water_utility, car_repair: the presets, with calls by lot and a survey at the end

    months: length of the record, at least 19.
    """
    if months < 19:
        raise ValueError(f"months must be at least 19, a year to foretell and more to learn from: {months}")
    size = {"population__size": customers, "population__months": months}
    retail = Scenario.preset("retail").replace(**size)
    calls = (RetentionCall(target="random", share=0.1),)

    def asked(size: int) -> tuple[Survey, ...]:
        return (Survey(months=(months - 13, months - 1), size=min(size, customers), response=0.3),)

    churn = retail.churn
    return {
        "bg_nbd": Case(
            "what BG/NBD assumes",
            "BG/NBD的假设",
            nulls.bg_nbd(size=customers, months=months).scenario.replace(name="bg_nbd"),
            joining=True,
        ),
        "retail": Case("retail", "零售", retail),
        "even": Case(
            "even buyers", "购买率相近", retail.replace(name="even", purchase__rate_shape=8.0)
        ),
        "faithful": Case(
            "few leave",
            "流失很少",
            retail.replace(
                name="faithful",
                churn__natural=churn.natural / 5,
                churn__competitive=churn.competitive / 5,
            ),
        ),
        "short": Case(
            "short record", "记录很短", retail.replace(name="short", population__months=18)
        ),
        **{
            name: Case(
                words, chinese, Scenario.preset(name).replace(**size), () if name == "car_repair" else calls,
                asked(2_000),
            )
            for name, words, chinese in (
                ("subscription", "subscription", "订阅"),
                ("water_utility", "water utility", "供水公司"),
                ("car_repair", "car repair", "汽车维修"),
            )
        },
    }  # fmt: skip


class _Marks(NamedTuple):
    case: str
    replication: int
    table: pd.DataFrame
    survey: pd.DataFrame
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False, repr=False)
class Grades:
    """Methods graded over worlds (`grade_methods`).

    - `marks`: a row a world, replication, task, method and measure, with the columns of
      `analysis.targeting.ReportCard.table`
    - `surveys`: a row a world, replication, survey and wave: columns of `survey_errors`
    - `notes`: what could not be graded, by world
    - `level`: of the intervals; `cases`: the worlds
    """

    marks: pd.DataFrame
    surveys: pd.DataFrame
    notes: Mapping[str, tuple[str, ...]]
    cases: Mapping[str, Case]
    level: float = 0.95
    seed: int = 1
    version: str = field(default=__version__)

    @property
    def table(self) -> pd.DataFrame:
        """Scores and grades: a row a world, task, method and measure.

        Columns: world, task, method, measure, score, grade (means over the replications; a grade of 0 is
        guessing, 1 knowing the truth), low, high (interval of the mean score, Student's t), grade_low,
        grade_high, replications.
        """
        rows = []
        for keys, part in self.marks.groupby(["world", "task", "method", "measure"], sort=False):
            score, grade = (_interval(part[name], self.level) for name in ("score", "grade"))
            rows.append((*keys, score[0], *score[1:], grade[0], *grade[1:], len(part)))
        columns = ["world", "task", "method", "measure", "score", "low", "high", "grade", "grade_low",
                   "grade_high", "replications"]  # fmt: skip
        return pd.DataFrame(rows, columns=columns)

    def leads(self, task: str, over: str | None = None) -> pd.DataFrame:
        """By how much each method leads the simplest one at a task: a row a world and method.

        Columns: world, method, lead (mean difference of the scores on the same customers), low, high, won
        (share of the replications in which it is the best of all), replications; the task's first measure
        that has grades. over: the method to be led, `SIMPLEST[task]` if not given. An interval that
        reaches below zero says that the simplest one may suffice.

        Raises ValueError for a task or method that was not graded.
        """
        found = self._first_measure(task)
        over = over or SIMPLEST.get(task, "")
        known = list(dict.fromkeys(found["method"]))
        if over not in known:
            raise ValueError(f"no method called {over!r} was graded at {task!r}: {', '.join(known)}")
        rows = []
        for world, part in found.groupby("world", sort=False):
            scores = part.pivot(index="replication", columns="method", values="score")[
                [m for m in known if m in set(part["method"])]
            ]
            sign = -1.0 if part["measure"].iloc[0] in _SMALLER else 1.0
            best = (sign * scores).idxmax(axis=1)
            for method in scores.columns.drop(over):
                lead = _interval(sign * (scores[method] - scores[over]), self.level)
                rows.append((world, method, *lead, float((best == method).mean()), len(scores)))
        return pd.DataFrame(rows, columns=["world", "method", "lead", "low", "high", "won", "replications"])

    def survey_table(self) -> pd.DataFrame:
        """What the surveys' index got wrong: a row a world and survey, means over replications and waves.

        Columns: world, survey, truth (mean satisfaction of all customers), sampling, response, answers (what
        being asked, answering and the way of answering add), error (their sum), spread (standard deviation of
        the error), asked, completed. Points of 100.
        """
        rows = []
        for (world, survey), part in self.surveys.groupby(["world", "survey"], sort=False):
            means = part[["truth", "sampling", "response", "answers", "error"]].mean()
            many = part[["asked", "completed"]].mean()
            rows.append((world, survey, *means, part["error"].std(ddof=1), *many))
        columns = ["world", "survey", "truth", "sampling", "response", "answers", "error", "spread", "asked",
                   "completed"]  # fmt: skip
        return pd.DataFrame(rows, columns=columns)

    def plot(self, task: str, ax: Axes | None = None, *, language: str = "en", note: str = "") -> Axes:
        """The grades of one task: a row a method, a column a world."""
        from ..plots import method_grades

        found = self._first_measure(task)
        table = self.table
        table = table[(table["task"] == task) & (table["measure"] == found["measure"].iloc[0])]
        names = {name: (case.english, case.chinese)[language == "zh"] for name, case in self.cases.items()}
        return method_grades(table, ax, note, names=names, language=language)

    def to_csv(self, path: str | Path) -> Path:
        """Write `table` with its provenance, whole or not at all."""
        path = Path(path)
        part = path.with_name(path.name + ".part")
        hashes = {name: case.scenario.hash for name, case in self.cases.items()}
        table = self.table
        table = table.assign(
            seed=self.seed, scenario_hash=[hashes[w] for w in table["world"]], version=self.version
        )
        table.to_csv(part, index=False)
        part.replace(path)
        return path

    def __repr__(self) -> str:
        return f"Grades({', '.join(self.cases)}; {self.marks['replication'].nunique()} replications)"

    def _repr_html_(self) -> str:
        parts = []
        for task in dict.fromkeys(self.marks["task"]):
            rows = self.marks[(self.marks["task"] == task) & self.marks["grade"].notna()]
            if rows.empty:
                continue
            rows = rows[rows["measure"] == rows["measure"].iloc[0]]
            table = rows.pivot_table(index="method", columns="world", values="grade", sort=False)
            title = f"<b>{TASKS.get(str(task), task)}</b> ({rows['measure'].iloc[0]}; grade)"
            parts.append(title + table.to_html(float_format=lambda v: f"{v:.2f}", na_rep="", border=0))
        return "".join(parts)

    def _first_measure(self, task: str) -> pd.DataFrame:
        found = self.marks[(self.marks["task"] == task) & self.marks["grade"].notna()]
        if found.empty:
            known = ", ".join(dict.fromkeys(self.marks.loc[self.marks["grade"].notna(), "task"]))
            raise ValueError(f"no method was graded at {task!r}; tasks: {known}")
        return found[found["measure"] == found["measure"].iloc[0]]


# Measures of which the smaller is the better.
_SMALLER = {"mean error", "mean error of a weight", "total error", "largest error of a cause's share"}


def grade_methods(
    worlds: Mapping[str, Case] | Iterable[str] | None = None,
    replications: int = 5,
    seed: int = 1,
    *,
    horizon: int = 12,
    level: float = 0.95,
    jobs: int = -1,
    progress: bool = True,
) -> Grades:
    """Grade the usual methods in several worlds.

    worlds: `Case`s by name, or names of `cases()`; all of those if not given. replications: how often each
    world is lived, with other luck and other people; seed: of all. horizon: months to foretell in shops.
    jobs: processes, -1 for as many as there are processors; the table is the same for any number.

    Raises ValueError for fewer than two replications (there would be no interval) and for an unknown world.
    """
    if isinstance(replications, bool) or not isinstance(replications, int) or replications < 2:
        raise ValueError(f"replications must be a whole number of at least 2, not {replications!r}")
    make_key(seed, replications - 1)
    chosen = _chosen(worlds)
    from joblib import Parallel, delayed
    from tqdm.auto import tqdm

    # Compiled here once, so that the workers find it.
    simulate(Scenario().replace(population__size=1, population__months=1), [], threads=1, progress=False)
    work = [(name, case, r) for name, case in chosen.items() for r in range(replications)]
    calls = (delayed(_grade)(name, case, seed, r, horizon) for name, case, r in work)
    found = Parallel(n_jobs=jobs, return_as="generator")(calls)
    marks: list[_Marks] = list(
        tqdm(found, desc="report card", total=len(work), unit="world", disable=not progress)
    )

    def together(which: str) -> pd.DataFrame:
        frames = [
            getattr(m, which).assign(world=m.case, replication=m.replication) for m in marks
        ]  # fmt: skip
        frames = [frame for frame in frames if len(frame)]
        if not frames:
            return pd.DataFrame(columns=["world", "replication", *_ERRORS])
        table = pd.concat(frames, ignore_index=True)
        first = ["world", "replication"]
        return table[[*first, *(c for c in table.columns if c not in first)]]

    notes = {
        name: tuple(dict.fromkeys(n for m in marks if m.case == name for n in m.notes)) for name in chosen
    }
    return Grades(together("table"), together("survey"), notes, chosen, level, seed)


def _chosen(worlds: Mapping[str, Case] | Iterable[str] | None) -> dict[str, Case]:
    known = cases()
    if worlds is None:
        return dict(known)
    if isinstance(worlds, Mapping):
        if bad := [name for name, case in worlds.items() if not isinstance(case, Case)]:
            raise ValueError(f"the world {bad[0]!r} must be a Case, not {type(worlds[bad[0]]).__name__}")
        return dict(worlds)
    names = [worlds] if isinstance(worlds, str) else list(worlds)
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"no world is called {unknown[0]!r}; worlds: {', '.join(known)}")
    return {name: known[name] for name in names}


def _grade(name: str, case: Case, seed: int, replication: int, horizon: int) -> _Marks:
    run = simulate(
        case.scenario, list(case.policies), seed, replication=replication, threads=1, progress=False
    )
    tables = tables_of(run, list(case.surveys))
    if case.joining:
        log = run.transactions(joining=True)
        first = tables["purchases"]["date"].dt.to_period("M").astype("int64") - tables["purchases"]["month"]
        month = (log["date"].dt.to_period("M").astype("int64") - first.iloc[0]).astype("int32")
        tables["purchases"] = log.assign(month=month, purchase=np.arange(len(log)))
    weights = {point.name: point.weight for point in case.scenario.touchpoints}
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        card = report_card(tables, {"weights": weights}, horizon=horizon, seed=replication)
    errors = [survey_errors(run, survey) for survey in case.surveys]
    return _Marks(
        name, replication, card.table, pd.concat(errors, ignore_index=True) if errors else pd.DataFrame(),
        (*card.notes, *dict.fromkeys(str(w.message) for w in said)),
    )  # fmt: skip


_ERRORS = (
    "survey",
    "wave",
    "month",
    "truth",
    "sampling",
    "response",
    "answers",
    "error",
    "asked",
    "completed",
)


def survey_errors(run: Run, survey: Survey, item: str = "satisfaction_1") -> pd.DataFrame:
    """What is wrong with a survey's satisfaction index, step by step: a row a wave.

    Columns: survey, wave, month; truth: mean satisfaction of all customers when asked, points of 100;
    sampling: what those asked differ from all; response: what those who answered differ from those asked;
    answers: what they say differs from what they feel (scale use, kindness, rounding); error: the sum of the
    three, the index less the truth; asked, completed: customers. The index is that of one question on the
    whole, 100 (mean - 1) / (scale - 1).

    The run is repeated with the same luck to see everybody's satisfaction in those months. Raises
    ScenarioError for a survey of leavers, who have no satisfaction any more, and for one that cannot be taken
    of this run.
    """
    if survey.frame == "leavers":
        raise ScenarioError([("frame", "leavers have no satisfaction to compare with")], survey.name)
    data = run.survey(survey)
    # A wave is taken at the end of its month, which is the beginning of the next.
    record = Recorder(0, (), [month + 1 for month in survey.months])
    simulate(
        run.scenario, run.policies, run.key.seed, replication=run.key.replication, rules=run.rules,
        progress=False, watch=record,
    )  # fmt: skip
    rows = []
    for number, month in zip(data.waves["wave"].tolist(), data.waves["month"].tolist(), strict=True):
        people = record.snapshots[int(month) + 1]
        felt = people.loc[people["active"] > 0, "satisfaction"].astype(float)
        sample = data.sample[data.sample["wave"] == number]
        asked = felt.reindex(sample["customer"]).to_numpy()
        said = data.answers[(data.answers["wave"] == number) & (data.answers["item"] == item)]
        answered = felt.reindex(said["customer"]).to_numpy()
        index = 100 * (said["answer"].astype(float).mean() - 1) / (survey.scale - 1)
        steps = np.array([felt.mean(), np.mean(asked), np.mean(answered), index])
        rows.append((survey.name, number, month, steps[0], *np.diff(steps), index - steps[0],
                     len(asked), len(answered)))  # fmt: skip
    return pd.DataFrame(rows, columns=list(_ERRORS))


def _interval(values: Any, level: float) -> tuple[float, float, float]:
    """Mean and Student's interval of it; without bounds for fewer than two."""
    from scipy.stats import t

    x = np.asarray(values, dtype=float)
    x = x[np.isfinite(x)]
    if not x.size:
        return math.nan, math.nan, math.nan
    if x.size < 2:
        return float(x[0]), math.nan, math.nan
    half = float(t.ppf((1 + level) / 2, x.size - 1) * x.std(ddof=1) / math.sqrt(x.size))
    return float(x.mean()), float(x.mean()) - half, float(x.mean()) + half
