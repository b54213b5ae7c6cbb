"""A firm's retention budget as a gymnasium environment: a month or a quarter a step.

    import gymnasium
    env = gymnasium.make("crmsim.gym:crmsim/Retention-v0", scenario="subscription", months=36)

The agent sees what the firm sees (`OBSERVED`), divides the month's budget among campaigns or gives it to
one of them, and is rewarded with what the period adds to customer equity. The rewards of an episode, added
up, are the equity of the run, which is also what `simulate` gives with the same luck. gymnasium is needed:
pip install "crmsim[research]".

At the end stand simple agents to compare others with: fixed actions, and a linear rule trained by the
cross-entropy method (Rubinstein 1999; for control, Szita & Lörincz 2006).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from .research.optimise import HOLDOUT
from .simulation.customers import CustomerView
from .simulation.draws import Key, make_key
from .simulation.engine import CompiledWorld
from .simulation.policies import Budget, Campaign, PolicyError, Programme, RetentionCall, policies_of, policy
from .simulation.run import Run
from .simulation.scenario import Scenario

try:
    import gymnasium
except ImportError:
    raise ImportError('gymnasium is needed for crmsim.gym: pip install "crmsim[research]"') from None

OBSERVED: dict[str, str] = {
    "time": "months gone, share of all",
    "season_sine": "month of the year on a circle",
    "season_cosine": "month of the year on a circle",
    "customers": "customers, over those at the start",
    "new": "customers of at most three months, share",
    "lost": "who stopped being a customer since the last step, share of the customers then",
    "recent": "customers who bought or paid a bill in the last month, share",
    "frequency": "purchases or paid bills a month of a customer so far, mean",
    "value": "margin a month of a customer so far, mean, bills",
    "complaints": "customers who complained in the last three months, share",
    "payment_failures": "customers with a failed payment in the last three months, share",
    "satisfaction": "mean answer of those asked, from 0 to 1; the last known, 0 before any",
    "offered": "customers with an offer in the last six months, share",
    "revenue": "revenue a month since the last step, bills for a customer at the start",
    "calls": "offers a month since the last step, for a customer",
    "spent": "money spent on the options since the last step, share of the budget",
}
"""What is observed, in order. Each number is cut off at 10."""

TOP = 10.0
TARGETS = ("risk", "value", "uplift")


class RetentionEnv(gymnasium.Env[np.ndarray, Any]):
    """Retention as a control problem: how to spend this month's budget, given what the firm sees.

    scenario: a Scenario, or the name of a preset or file; customers, months: in place of its own size and
        length.
    options: campaigns by name that may be given money, each best score first within what it is given; when
        left out, calls by risk, by value and by uplift. Programmes do not fit here, since they move the
        levers before the firm looks.
    budget: money a month; when left out, a hundredth of a bill for each customer at the start.
    actions: "split", a share of the budget for each option (`Box`; shares that add up to more than one are
        divided by their sum, what is not given is not spent); or "target", one option that gets all of it
        (`Discrete`, 0 for nobody).
    every: months a step, 1 or 3. always: policies that run besides.

    Observation: `OBSERVED`, float32, before the month's offers; nothing of it is hidden from a firm. Reward:
    the discounted margin of the step less its cost of policies and of acquisition, money. An episode ends
    (terminated) after the last month. `reset(seed=s)` gives the luck of seed s, replication 0, or
    `options={"replication": r}`; without a seed the next luck is drawn. After the end `run` is the `Run`.

    Raises ScenarioError, PolicyError, ValueError.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 (so declared by gymnasium)

    def __init__(
        self,
        scenario: Scenario | str = "subscription",
        *,
        customers: int | None = None,
        months: int | None = None,
        options: Mapping[str, Any] | None = None,
        budget: float | None = None,
        actions: Literal["split", "target"] = "split",
        every: Literal[1, 3] = 1,
        always: Iterable[Any] = (),
        render_mode: None = None,
    ) -> None:
        world = Scenario.from_name(scenario)
        if customers is not None:
            world = world.replace(population__size=customers)
        if months is not None:
            world = world.replace(population__months=months)
        self.scenario = world
        if actions not in ("split", "target"):
            raise ValueError(f'actions={actions!r} is not known; give "split" or "target"')
        if every not in (1, 3):
            raise ValueError(f"every must be 1 or 3 months, not {every!r}")
        if render_mode is not None:
            raise ValueError(f"render_mode={render_mode!r}: there is nothing to render; give None")
        if options is None:
            options = {name: RetentionCall(target=name, share=1.0) for name in TARGETS}
        self.options = {name: policy(campaign) for name, campaign in options.items()}
        for name, campaign in self.options.items():
            if isinstance(campaign, Programme) or not isinstance(campaign, Campaign):
                raise PolicyError(f"option {name!r}: a campaign is needed, with offers, not {campaign!r}")
        if not self.options:
            raise PolicyError("options: give at least one campaign")
        start = world.population.size * world.population.initial_share
        self.budget = 0.01 * world.bill * start if budget is None else float(budget)
        if not (math.isfinite(self.budget) and self.budget > 0):
            raise ValueError(f"budget must be money above 0 a month, not {budget!r}")
        self.actions, self.every = actions, every
        self.always = policies_of(world, list(always))
        policies_of(world, [*self.always, *self.options.values()])
        number = len(self.options)
        self.action_space: gymnasium.Space[Any] = (
            gymnasium.spaces.Box(0.0, 1.0, (number,), np.float32)
            if actions == "split"
            else gymnasium.spaces.Discrete(number + 1)
        )
        low = np.where([name.startswith("season") for name in OBSERVED], -1.0, 0.0)
        low[list(OBSERVED).index("value")] = -TOP
        self._low = low.astype(np.float32)
        high = np.full(len(OBSERVED), TOP, dtype=np.float32)
        self.observation_space = gymnasium.spaces.Box(self._low, high, dtype=np.float32)
        self.render_mode = None
        self._world: CompiledWorld | None = None

    # -- what an action is ---------------------------------------------------------------------------

    def shares(self, action: Any) -> np.ndarray:
        """The part of the budget that each option gets by an action, float64; at most 1 together."""
        number = len(self.options)
        if self.actions == "target":
            chosen = int(action)
            if not 0 <= chosen <= number:
                raise ValueError(f"action {action!r}: a number from 0 to {number} is needed")
            return (np.arange(1, number + 1) == chosen).astype(np.float64)
        given = np.asarray(action, dtype=np.float64)
        if given.shape != (number,) or not np.all(np.isfinite(given)) or given.min() < 0 or given.max() > 1:
            raise ValueError(f"action {action!r}: {number} shares from 0 to 1 are needed")
        return given / max(float(given.sum()), 1.0)

    def policies(self, action: Any) -> list[Any]:
        """The policies of a firm that always takes this action, as `simulate` takes them."""
        money = (self.budget * self.shares(action)).tolist()
        spread = zip(self.options.items(), money, strict=True)
        return [*self.always, *(Budget(campaign, part, label=name) for (name, campaign), part in spread)]

    # -- gymnasium -------------------------------------------------------------------------------------

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        replication = (options or {}).get("replication", 0)
        if seed is None:
            self.key = Key(*self.np_random.integers(1 << 32, size=2).tolist())
        else:
            self.key = make_key(seed, replication)
        world = CompiledWorld(self.scenario, list(self.always), self.key, {}, False, [], threads=1)
        self._world, self.month = world, 0
        world.begin(0)
        self._satisfaction = 0.0
        self._before = np.zeros(0, dtype=bool)
        return self._observe(), self._info()

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        world = self._world
        if world is None or self.month >= self.scenario.population.months:
            raise ValueError("the episode is over; call reset first")
        world.policies = self.policies(action)
        reward = 0.0
        for _ in range(self.every):
            world.finish(self.month)
            row = world.rows[-1]
            reward += row["profit"] * row["discount"]
            self.month += 1
            if self.month == self.scenario.population.months:
                break
            world.begin(self.month)
        over = self.month == self.scenario.population.months
        return self._observe(), float(reward), over, False, self._info()

    @property
    def run(self) -> Run:
        """The world so far, as `simulate` gives it. Raises ValueError before the first step."""
        if self._world is None or not self._world.rows:
            raise ValueError("there is no run yet; call reset and step")
        return self._world.result()

    def _info(self) -> dict[str, Any]:
        return {"month": self.month, "seed": self.key.seed, "replication": self.key.replication}

    def _observe(self) -> np.ndarray:
        world = self._world
        assert world is not None
        view = CustomerView(world.people, self.month, world.levers.values)
        here = view.customer
        number = max(int(np.count_nonzero(here)), 1)
        known = self._before.size
        lost = np.count_nonzero(self._before & ~here[:known]) / max(int(np.count_nonzero(self._before)), 1)
        self._before = here
        answers = view.reported_satisfaction
        if np.isfinite(answers).any():
            self._satisfaction = float(np.nanmean(answers)) / 100
        rows = world.rows[-self.every :]
        options = [money for cost in world.costs[-self.every :] for money in self._spent(cost)]
        start = max(self.scenario.population.size * self.scenario.population.initial_share, 1.0)
        bill, circle = self.scenario.bill, 2 * math.pi * self.month / 12

        def share(found: np.ndarray) -> float:
            return float(np.count_nonzero(here & found)) / number

        def mean(values: np.ndarray) -> float:
            return float(np.sum(values, where=here, dtype=np.float64)) / number

        months = max(len(rows), 1)
        seen = {
            "time": self.month / self.scenario.population.months,
            "season_sine": math.sin(circle),
            "season_cosine": math.cos(circle),
            "customers": np.count_nonzero(here) / start,
            "new": share(view.tenure <= 3),
            "lost": lost,
            "recent": share(view.recency <= 1),
            "frequency": mean(view.purchases / np.maximum(view.tenure, 1.0)),
            "value": mean(view.monthly_value) / bill,
            "complaints": share(view.months_since_complaint <= 3),
            "payment_failures": share(view.months_since_payment_failure <= 3),
            "satisfaction": self._satisfaction,
            "offered": share(view.months_since_offer <= 6),
            "revenue": sum(row["revenue"] for row in rows) / months / bill / start,
            "calls": sum(row["offers"] for row in rows) / months / number,
            "spent": sum(options) / months / self.budget,
        }
        found = np.array([seen[name] for name in OBSERVED], dtype=np.float32)
        return np.clip(found, self._low, np.float32(TOP))

    def _spent(self, cost: Mapping[str, float]) -> list[float]:
        return [cost.get(name, 0.0) for name in self.options]


gymnasium.register(
    id="crmsim/Retention-v0",
    entry_point="crmsim.gym:RetentionEnv",
    kwargs={"customers": 2_000, "months": 24},
)


# -- simple agents -----------------------------------------------------------------------------------------

Agent = Callable[[np.ndarray], Any]
"""From an observation to an action."""


def play(env: RetentionEnv, agent: Agent, seed: int = 1, replication: int = 0) -> float:
    """Customer equity of one episode with this luck, money."""
    seen, _ = env.reset(seed=seed, options={"replication": replication})
    total, over = 0.0, False
    while not over:
        seen, reward, over, _, _ = env.step(agent(seen))
        total += reward
    return total


def evaluate(
    env: RetentionEnv, agents: Mapping[str, Agent], seed: int = 1, replications: int | Iterable[int] = 20
) -> pd.DataFrame:
    """Equity of several agents on the same luck: a row a replication, a column an agent, money.

    replications: their numbers, or how many; then from `optimise.HOLDOUT` on, where nothing is trained.
    """
    chosen = range(HOLDOUT, HOLDOUT + replications) if isinstance(replications, int) else list(replications)
    found = {name: [play(env, agent, seed, r) for r in chosen] for name, agent in agents.items()}
    return pd.DataFrame(found, index=pd.Index(chosen, name="replication"))


def fixed(action: Any) -> Agent:
    """An agent that always takes this action."""
    return lambda seen: action


@dataclass(frozen=True, eq=False)
class LinearAgent:
    """Shares of the budget, or the option chosen, by weighted sums of some of what is observed.

    weights: a row an option, a column a feature and one more, the constant. With "split" an option's share
    is the logistic function of its sum; with "target" the option with the highest sum above 0 gets all.
    """

    weights: np.ndarray
    features: tuple[str, ...]
    actions: str = "split"

    def __call__(self, seen: np.ndarray) -> Any:
        names = list(OBSERVED)
        x = np.array([*(seen[names.index(name)] for name in self.features), 1.0], dtype=np.float64)
        sums = self.weights @ x
        if self.actions == "target":
            return int(np.argmax(sums)) + 1 if sums.max() > 0 else 0
        return 1.0 / (1.0 + np.exp(-np.clip(sums, -30.0, 30.0)))

    @property
    def table(self) -> pd.DataFrame:
        """The weights: a row an option, a column a feature."""
        return pd.DataFrame(self.weights, columns=[*self.features, "constant"])


def cross_entropy(
    env: RetentionEnv,
    features: Sequence[str] = ("time", "lost"),
    *,
    generations: int = 8,
    population: int = 24,
    elite: float = 0.25,
    replications: int = 3,
    seed: int = 1,
    spread: float = 3.0,
    progress: bool = True,
) -> tuple[LinearAgent, pd.DataFrame]:
    """Train a `LinearAgent`: draw weights, keep the best, draw nearer to them, and so on.

    features: of `OBSERVED`. generations, population: rounds, and agents tried in each; elite: share kept.
    replications: episodes of each agent, numbers 0 on, the same luck for all. spread: standard deviation of
    the first weights. The same seed gives the same agent. Returns the agent of the last mean, and the
    rounds: `mean` and `best` equity, money. Raises ValueError for an unknown feature.
    """
    from tqdm.auto import tqdm

    for name in features:
        if name not in OBSERVED:
            raise ValueError(f"unknown feature {name!r}; there are {', '.join(OBSERVED)}")
    kept = max(2, round(elite * population))
    if generations < 1 or population < kept or replications < 1:
        raise ValueError("give at least 1 generation, 2 agents a generation and 1 replication")
    rng = np.random.default_rng(seed)
    shape = (len(env.options), len(features) + 1)
    middle, wide = np.zeros(shape), np.full(shape, spread)
    rounds = []
    for _ in tqdm(range(generations), desc="cross-entropy", unit="round", disable=not progress, leave=False):
        tried = middle + wide * rng.standard_normal((population, *shape))
        worth = np.array(
            [
                np.mean([play(env, agent, seed, r) for r in range(replications)])
                for agent in (LinearAgent(w, tuple(features), env.actions) for w in tried)
            ]
        )
        best = np.argsort(-worth, kind="stable")[:kept]
        middle = tried[best].mean(axis=0)
        # A little room is left, so that an early agreement can still be left again.
        wide = tried[best].std(axis=0) + 0.05 * spread
        rounds.append({"mean": worth.mean(), "best": worth.max()})
    history = pd.DataFrame(rounds, index=pd.RangeIndex(1, generations + 1, name="round"))
    return LinearAgent(middle, tuple(features), env.actions), history
