"""The best parameters of a policy, and the best split of a budget, judged on luck they were not chosen on.

`optimise` searches with Optuna's tree-structured Parzen estimator (Bergstra, Bardenet, Bengio & Kégl 2011;
Akiba et al. 2019). Every trial meets the same customers with the same luck (common random numbers), so it
is the policy that makes the difference. Whatever was best of many on one luck owes part of that to luck:
the optimiser's curse (Smith & Winkler 2006). So the winner is simulated again on replications that the
search never saw, from number `HOLDOUT` on, and the result tells both and their difference, the optimism.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..simulation.draws import make_key
from ..simulation.engine import simulate
from ..simulation.policies import PolicyError, policies_of
from ..simulation.run import Run
from ..simulation.scenario import Scenario
from .experiment import OUTCOMES, PAIRED, content_mark, initial_lives, outcomes, source_mark

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = npt.NDArray[np.float64]
Outcome = str | Callable[[Run], float]
Build = Callable[..., Any]

HOLDOUT = 1_000_000
"""The first replication of the hold-out luck; those that are searched on are counted from 0."""

FOUND = "found"
NONE = "none"
# Trials drawn by chance before the search learns from them.
STARTUP = 10


def mean_interval(values: npt.ArrayLike, level: float = 0.95) -> tuple[float, float, float]:
    """Mean and its interval by Student's t; the ends are NaN for fewer than two values."""
    from scipy.special import stdtrit

    x = np.asarray(values, dtype=np.float64)
    if x.size < 2:
        return (float(x.mean()) if x.size else math.nan), math.nan, math.nan
    half = float(stdtrit(x.size - 1, (1 + level) / 2)) * float(x.std(ddof=1)) / math.sqrt(x.size)
    return float(x.mean()), float(x.mean()) - half, float(x.mean()) + half


def difference_interval(one: npt.ArrayLike, other: npt.ArrayLike, level: float = 0.95) -> tuple[float, ...]:
    """Mean of one set less that of another, which share no luck, and its interval (Welch 1947)."""
    from scipy.special import stdtrit

    a, b = (np.asarray(x, dtype=np.float64) for x in (one, other))
    found = float(a.mean() - b.mean())
    if min(a.size, b.size) < 2:
        return found, math.nan, math.nan
    va, vb = float(a.var(ddof=1)) / a.size, float(b.var(ddof=1)) / b.size
    if va + vb == 0:
        return found, found, found
    degrees = (va + vb) ** 2 / (va**2 / (a.size - 1) + vb**2 / (b.size - 1))
    half = float(stdtrit(degrees, (1 + level) / 2)) * math.sqrt(va + vb)
    return found, found - half, found + half


# -- the result ------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Optimum:
    """What a search found, and what is left of it on other luck.

    params: the best parameters, policies: made of them. outcome: what was to be high (or low, if not
    `maximise`). trials: a row a trial: its parameters, `value` and `gain` (mean over the training luck).
    training, holdout: a row a replication, a column a policy (`found`, `none`, and the fixed ones), the
    outcome. split: money for each policy (`split_budget` only).

    A gain is the outcome less that of no policy with the same luck.
    """

    scenario: Scenario
    outcome: str
    maximise: bool
    params: dict[str, Any]
    policies: list[Any]
    trials: pd.DataFrame
    training: pd.DataFrame
    holdout: pd.DataFrame
    level: float = 0.95
    split: pd.Series | None = None

    @property
    def table(self) -> pd.DataFrame:
        """A row a policy, with intervals over the hold-out luck: `training` and `holdout` (mean outcome),
        `training_gain`, `gain`, `low`, `high`, `optimism` (gain in training less gain on hold-out),
        `optimism_low`, `optimism_high`."""
        rows = {}
        for name in map(str, self.holdout.columns.drop(NONE)):
            before, after = self.gains(name, "training"), self.gains(name, "holdout")
            gain, low, high = mean_interval(after, self.level)
            off, off_low, off_high = difference_interval(before, after, self.level)
            rows[name] = {
                "training": self.training[name].mean(), "holdout": self.holdout[name].mean(),
                "training_gain": before.mean(), "gain": gain, "low": low, "high": high,
                "optimism": off, "optimism_low": off_low, "optimism_high": off_high,
            }  # fmt: skip
        return pd.DataFrame(rows).T.rename_axis("policy")

    def gains(self, name: str, luck: str) -> Floats:
        """The gain of a policy in each replication; luck: `training` or `holdout`."""
        table = getattr(self, luck)
        return np.asarray(table[name] - table[NONE], dtype=np.float64)

    @property
    def best_fixed(self) -> str | None:
        """The fixed policy that was best in training; None without any."""
        others = self.training.drop(columns=[FOUND, NONE]).mean()
        if others.empty:
            return None
        return str(others.idxmax() if self.maximise else others.idxmin())

    @property
    def over_fixed(self) -> tuple[float, float, float]:
        """What was found less the best fixed policy on the same hold-out luck, with its interval.

        Raises ValueError without fixed policies.
        """
        if self.best_fixed is None:
            raise ValueError("there is no fixed policy to compare with; give fixed={name: policies}")
        return mean_interval(self.holdout[FOUND] - self.holdout[self.best_fixed], self.level)

    def plot(self, ax: Axes | None = None, **how: Any) -> Axes:
        """The gains in training and on hold-out (`plots.training_and_holdout`)."""
        from ..plots import training_and_holdout

        note = f"{self.scenario.name}, {len(self.trials)} trials; replications: {len(self.training)} in "
        note += f"training, {len(self.holdout)} on hold-out"
        how = {"note": note, "currency": self.scenario.currency if _is_money(self.outcome) else ""} | how
        return training_and_holdout(self.table, ax, **how)

    def __repr__(self) -> str:
        best = ", ".join(f"{name}={_short(value)}" for name, value in self.params.items())
        row = self.table.loc[FOUND]
        lines = [
            f"Optimum of {self.outcome} in {self.scenario.name}: {best}",
            f"gain over no policy: {row.training_gain:,.6g} in training, {row.gain:,.6g} "
            f"[{row.low:,.6g} to {row.high:,.6g}] on hold-out; optimism {row.optimism:,.6g}",
        ]
        if self.best_fixed is not None:
            value, low, high = self.over_fixed
            lines.append(f"over {self.best_fixed}: {value:,.6g} [{low:,.6g} to {high:,.6g}]")
        if self.split is not None:
            lines.append("split: " + ", ".join(f"{n} {m:,.6g}" for n, m in self.split.items()))
        return "\n".join(lines)


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _is_money(outcome: str) -> bool:
    return outcome in OUTCOMES and OUTCOMES[outcome][0] == "money"


# -- the search ------------------------------------------------------------------------------------------


class _Bench:
    """Gives the outcome of policies on given luck."""

    def __init__(self, scenario: Scenario, outcome: Outcome, seed: int, threads: int | None) -> None:
        if isinstance(outcome, str) and outcome not in OUTCOMES:
            raise ValueError(f"unknown outcome {outcome!r}; known: {', '.join(OUTCOMES)}, or a function")
        self.scenario, self.outcome, self.seed, self.threads = scenario, outcome, seed, threads
        self.lives: dict[int, Any] = {}

    @property
    def name(self) -> str:
        return self.outcome if isinstance(self.outcome, str) else getattr(self.outcome, "__name__", "outcome")

    def run(self, policies: list[Any], replication: int) -> Run:
        return simulate(
            self.scenario, policies, self.seed, replication=replication, threads=self.threads, progress=False
        )

    def value(self, policies: list[Any], replication: int) -> float:
        run = self.run(policies, replication)
        if not isinstance(self.outcome, str):
            return float(self.outcome(run))
        if self.outcome == "equity":
            return run.equity
        lives = initial_lives(run)
        without = lives
        if self.outcome in PAIRED:
            if replication not in self.lives:
                self.lives[replication] = initial_lives(self.run([], replication))
            without = self.lives[replication]
        return float(outcomes(run, lives, without)[list(OUTCOMES).index(self.outcome)])

    def values(self, policies: Any, replications: Iterable[int]) -> Floats:
        chosen = policies_of(self.scenario, policies)
        return np.array([self.value(chosen, r) for r in replications])


def _suggest(trial: Any, name: str, given: Any) -> Any:
    if isinstance(given, list):
        return trial.suggest_categorical(name, given)
    low, high, *rest = given
    if isinstance(low, int) and isinstance(high, int):
        return trial.suggest_int(name, low, high, log=bool(rest))
    return trial.suggest_float(name, float(low), float(high), log=bool(rest))


def _check_space(space: Mapping[str, Any]) -> None:
    if not space:
        raise ValueError('space: give a range for each parameter, such as {"share": (0.01, 0.2)}')
    for name, given in space.items():
        good = isinstance(given, list) and bool(given)
        if isinstance(given, tuple) and len(given) in (2, 3) and given[2:] in ((), ("log",)):
            ends = given[:2]
            good = all(isinstance(e, int | float) and not isinstance(e, bool) for e in ends)
            good = good and math.isfinite(ends[0]) and math.isfinite(ends[1]) and ends[0] < ends[1]
            good = good and (len(given) == 2 or ends[0] > 0)
        if not good:
            raise ValueError(
                f"space of {name}: {given!r}; give (low, high), (low, high, 'log') with low above 0, or a "
                "list of choices; whole numbers as both ends mean whole numbers"
            )


def optimise(
    scenario: Scenario | str,
    build: Build,
    space: Mapping[str, Any],
    outcome: Outcome = "equity",
    *,
    trials: int = 50,
    replications: int = 4,
    holdout_replications: int = 20,
    seed: int = 1,
    fixed: Mapping[str, Any] | None = None,
    maximise: bool = True,
    storage: str | Path | None = None,
    level: float = 0.95,
    threads: int | None = None,
    progress: bool = True,
) -> Optimum:
    """Search for the parameters of a policy that make an outcome highest, and test them on other luck.

    build: a function of the parameters that returns a policy or a list of them. space: parameter ->
        (low, high), (low, high, "log") or a list of choices.
    outcome: one of `experiment.OUTCOMES`, or a function of the `Run`. maximise: else it is to be low.
    trials: parameters tried, in all; replications: luck that each trial meets, numbers 0 on;
        holdout_replications: luck that only the winner and the fixed policies meet, from `HOLDOUT` on.
    fixed: policies by name to compare with.
    storage: a file (SQLite) that keeps the trials: the same call goes on where it was stopped or killed,
        and more `trials` cost only what is new. What was stopped and resumed gives the same trials as what
        was not. A change of the scenario, `build`, the space or the simulation begins anew in the same file.
    seed: of the luck and of the search. level: of the intervals.

    Raises PolicyError, ScenarioError, ValueError; ImportError without Optuna.
    """
    try:
        import optuna
    except ImportError:
        raise ImportError('Optuna is needed to optimise: pip install "crmsim[research]"') from None
    from tqdm.auto import tqdm

    scenario = Scenario.from_name(scenario)
    _check_space(space)
    seed = make_key(seed).seed
    for what, number in (("trials", trials), ("replications", replications),
                         ("holdout_replications", holdout_replications)):  # fmt: skip
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise ValueError(f"{what} must be a whole number of at least 1, not {number!r}")
    given = dict(fixed or {})
    if bad := {FOUND, NONE} & set(given):
        raise ValueError(f"fixed: the name {bad.pop()!r} is taken; give another")
    bench = _Bench(scenario, outcome, seed, threads)
    lucks, others = range(replications), range(HOLDOUT, HOLDOUT + holdout_replications)

    def made(params: Mapping[str, Any]) -> list[Any]:
        try:
            return policies_of(scenario, build(**params))
        except PolicyError as error:
            raise PolicyError(f"build({_told(params)}): {error}") from None

    if storage is not None:
        Path(storage).resolve().parent.mkdir(parents=True, exist_ok=True)
    without = bench.values([], lucks)
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        study = optuna.create_study(
            storage=None if storage is None else f"sqlite:///{Path(storage).resolve()}",
            study_name=None
            if storage is None
            else _mark(scenario, build, space, outcome, seed, replications, maximise),
            direction="maximize" if maximise else "minimize",
            load_if_exists=True,
        )
        complete = optuna.trial.TrialState.COMPLETE
        for left in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
            study.tell(left.number, state=optuna.trial.TrialState.FAIL)  # of a search that was killed
        done = len(study.get_trials(deepcopy=False, states=(complete,)))
        with tqdm(
            total=trials, initial=min(done, trials), desc="optimise", unit="trial", disable=not progress
        ) as bar:
            for number in range(done, trials):
                # A sampler of its own for each trial: one that is resumed has no memory to lose.
                study.sampler = optuna.samplers.TPESampler(
                    seed=_mixed(seed, number), n_startup_trials=STARTUP
                )
                trial = study.ask()
                params = {name: _suggest(trial, name, part) for name, part in space.items()}
                value = float(bench.values(made(params), lucks).mean())
                if not math.isfinite(value):
                    raise ValueError(f"build({_told(params)}): the outcome {bench.name} is not a number")
                study.tell(trial, value)
                bar.update()
        # With more trials in the file than asked for, the first ones count.
        finished = study.get_trials(deepcopy=False, states=(complete,))[:trials]
    finally:
        optuna.logging.set_verbosity(before)
    values = np.array([t.value for t in finished])
    best = finished[int(values.argmax() if maximise else values.argmin())]
    params = {name: best.params[name] for name in space}
    table = pd.DataFrame([{name: t.params[name] for name in space} for t in finished])
    table = table.assign(value=values, gain=values - without.mean()).rename_axis("trial")
    policies = made(params)
    training, holdout = {NONE: without}, {NONE: bench.values([], others)}
    candidates = {FOUND: policies, **given}
    for name, chosen in tqdm(candidates.items(), desc="hold-out", disable=not progress, leave=False):
        training[name] = bench.values(chosen, lucks)
        holdout[name] = bench.values(chosen, others)
    return Optimum(
        scenario=scenario, outcome=bench.name, maximise=maximise, params=params, policies=policies,
        trials=table, level=level,
        training=pd.DataFrame(training, index=pd.Index(lucks, name="replication")),
        holdout=pd.DataFrame(holdout, index=pd.Index(others, name="replication")),
    )  # fmt: skip


def _told(params: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={_short(value)}" for name, value in params.items())


def _mixed(seed: int, number: int) -> int:
    """A seed for each trial of a search; searches with neighbouring seeds share none."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])


def _mark(scenario: Scenario, build: Build, space: Mapping[str, Any], outcome: Outcome, *rest: Any) -> str:
    """The name of a search: that of what decides its trials."""
    said = json.dumps({name: [type(g).__name__, list(g)] for name, g in space.items()}, default=repr)
    marks = [content_mark(build), content_mark(outcome)]
    if None in marks:
        warnings.warn(
            "build or outcome holds something whose content cannot be told, so this search cannot be resumed",
            stacklevel=3,
        )
        marks.append(os.urandom(16).hex())
    parts = [source_mark(), scenario.hash, *marks, said, *rest]
    return hashlib.sha256(json.dumps(parts, default=repr).encode()).hexdigest()[:24]


# -- a budget over policies ------------------------------------------------------------------------------


def split_budget(
    scenario: Scenario | str,
    policies: Mapping[str, Callable[[float], Any]],
    total: float,
    outcome: Outcome = "equity",
    *,
    spend_all: bool = False,
    **how: Any,
) -> Optimum:
    """Search for the best split of a budget over policies, and test it on other luck.

    policies: name -> a function of the money given (in the unit of `total`, such as money a month) that
        returns a policy or a list of them. total: what there is to spend. spend_all: else part of it may be
        kept back. how: as for `optimise`; `fixed` has by default each policy alone with all the money, and
        equal parts.

    Splits are drawn evenly: shares are exponential numbers over their sum. The result's `split` is the
    money for each policy, and `kept back`. Raises as `optimise`.
    """
    if not (isinstance(total, int | float) and math.isfinite(total) and total > 0):
        raise ValueError(f"total must be money above 0, not {total!r}")
    names = list(policies)
    if not names:
        raise PolicyError("policies: give at least one function of the money spent")
    builder = _Split(tuple(policies.items()), float(total), spend_all)
    fixed = {f"all on {name}": _listed(policies[name](float(total))) for name in names}
    fixed["equal parts"] = [p for name in names for p in _listed(policies[name](total / len(names)))]
    space = dict.fromkeys(builder.parts, (0.0, 1.0))
    found = optimise(scenario, builder, space, outcome, **({"fixed": fixed} | how))
    split = pd.Series(builder.money(found.params), name="money")
    return Optimum(**{**vars(found), "split": split})


@dataclass(frozen=True)
class _Split:
    """From numbers of 0 to 1 to policies that share a budget."""

    policies: tuple[tuple[str, Callable[[float], Any]], ...]
    total: float
    spend_all: bool

    @property
    def parts(self) -> Sequence[str]:
        names = [name for name, _ in self.policies]
        return names if self.spend_all else [*names, "kept back"]

    def money(self, params: Mapping[str, float]) -> dict[str, float]:
        sizes = -np.log1p(-np.clip([params[name] for name in self.parts], 1e-9, 1 - 1e-9))
        return dict(zip(self.parts, (self.total * sizes / sizes.sum()).tolist(), strict=True))

    def __call__(self, **params: float) -> list[Any]:
        money = self.money(params)
        return [p for name, make in self.policies for p in _listed(make(money[name]))]


def _listed(made: Any) -> list[Any]:
    return list(made) if isinstance(made, list | tuple) else [made]
