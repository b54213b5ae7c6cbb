"""What a policy truly does to each customer, and what it does to those it never touched.

No firm can see this: a customer is either called or not. In a simulated world the same customer lives
twice, with the same luck, with the policy and without (`individual_effects`). Where customers are
connected, by a line they share, by word of mouth or by a budget that pays for one or the other, a policy
reaches people whom it made no offer; `spill_over` measures that, channel by channel.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ..simulation.customers import CustomerView
from ..simulation.draws import Key, make_key
from ..simulation.engine import CompiledWorld
from ..simulation.policies import Budget, Offers, PolicyError, Programme, policies_of
from ..simulation.run import Run
from ..simulation.scenario import Scenario
from .experiment import initial_lives
from .statistics import mean_interval

# -- the same people, other luck ---------------------------------------------------------------------


class _Lives(CompiledWorld):
    """A world in which the people of one replication live with the luck of another."""

    def __init__(
        self, scenario: Scenario, policies: list[Any], luck: Key, born: Key, threads: int | None
    ) -> None:
        super().__init__(scenario, policies, luck, {}, False, [], threads)
        self.born = born

    def let_in_arrivals(self, month: int) -> None:
        people = self.people
        luck = people.key, people._key
        people.key, people._key = np.array(self.born, dtype=np.uint64), self.born
        try:
            super().let_in_arrivals(month)
        finally:
            people.key, people._key = luck


def live_again(
    scenario: Scenario | str,
    policies: Iterable[Any] | Any | None = None,
    seed: int = 1,
    *,
    replication: int = 0,
    people: int = 0,
    threads: int | None = None,
) -> Run:
    """`simulate` with the people of one replication and the luck of another.

    In `simulate` a replication draws everything anew, so its customer 7 is another person. Here the
    customer of an identity is born as in replication `people`: fit, fairness, expectations by nature,
    alternative, switching cost, frailty, mobility, risk of not paying, rates of buying and spending, usage,
    propensity to complain, response to a call, payment channel, use of scales, district and segment.
    What happens in the months is drawn as in `replication`: failures, purchases, payments, departures, who
    is asked, errors of the firm's scores, the station's day, demand, the number of those who join. With the
    two equal it is `simulate`, bit for bit. Events cannot be had of such a run.
    """
    scenario = Scenario.from_name(scenario)
    chosen = policies_of(scenario, scenario.policies if policies is None else policies)
    world = _Lives(scenario, chosen, make_key(seed, replication), make_key(seed, people), threads)
    with world:
        for month in range(scenario.population.months):
            world.open_month(month)
            world.let_in_arrivals(month)
            world.make_offers(month)
            world.live(month)
            world.spread_departures(month)
            world.close_month(month)
    return world.result()


# -- individual effects ----------------------------------------------------------------------------------

# Effects on a customer: unit and meaning.
EFFECTS: dict[str, tuple[str, str]] = {
    "saved": ("customers", "there at the end with the policy, less there without: 1 saved, -1 harmed"),
    "expected_saves": ("customers", "sum of the monthly chances of leaving, without less with the policy"),
    "months_gained": ("months", "months as a customer, with less without"),
    "value_gained": ("money", "margin discounted to month 0, with less without"),
}


def individual_effects(
    scenario: Scenario | str,
    policies: Iterable[Any] | Any,
    seed: int = 1,
    *,
    baseline: Iterable[Any] | Any = (),
    replications: int = 1,
    people: int = 0,
    threads: int | None = None,
) -> pd.DataFrame:
    """The effect of policies on every initial customer, by paired lives.

    Each customer lives with `policies` and with `baseline` (nothing, unless given), meeting the same luck
    in both. With several replications the same people live with the luck of replications 0, 1, ..., and
    the columns are means over them: the effect a person can expect, as against the one that one life
    happened to show. `live_again` says what of a person is held; all customers' luck changes together.

    Returns a frame indexed by customer (as `Run.customers` of `simulate(scenario, seed=seed,
    replication=people)`) with the columns treated (share of the replications with an offer; a
    programme reaches everyone and offers nothing), active_without, active_with (there at the end),
    months_without, months_with, value_without, value_with, expected_without, expected_with (sum of the
    monthly chances of leaving), the differences `EFFECTS` and, for each, its Monte Carlo standard error
    NAME_error (missing for one replication). saved and expected_saves have the same mean over luck; the
    second is the steadier where departures are rare.

    Raises PolicyError, ScenarioError, ValueError.
    """
    if isinstance(replications, bool) or not isinstance(replications, int) or replications < 1:
        raise ValueError(f"replications must be a whole number of at least 1, not {replications!r}")
    scenario = Scenario.from_name(scenario)
    plans = policies_of(scenario, baseline), policies_of(scenario, policies)
    total: dict[str, np.ndarray] = {}
    squares: dict[str, np.ndarray] = {}
    for replication in range(replications):
        runs = [
            live_again(scenario, plan, seed, replication=replication, people=people, threads=threads)
            for plan in plans
        ]
        without, with_policy = (initial_lives(run) for run in runs)
        offered = _initial(runs[1], "offers") > 0
        found: dict[str, np.ndarray] = {"treated": offered.astype(float)}
        for name, column in (
            ("active", "active"), ("months", "months"), ("value", "value"), ("expected", "expected"),
        ):  # fmt: skip
            found[f"{name}_without"] = getattr(without, column).astype(float)
            found[f"{name}_with"] = getattr(with_policy, column).astype(float)
        found |= _differences(without, with_policy)
        for name, values in found.items():
            total[name] = total.get(name, 0.0) + values
            if name in EFFECTS:
                squares[name] = squares.get(name, 0.0) + values**2
    n = replications
    table = pd.DataFrame({name: values / n for name, values in total.items()})
    for name in EFFECTS:
        spread = np.maximum(squares[name] - total[name] ** 2 / n, 0.0)
        table[f"{name}_error"] = np.sqrt(spread / (n - 1) / n) if n > 1 else np.nan
    table.index = pd.Index(runs[0]._people.all_ids()[: len(table)], name="customer")
    return table


def _initial(run: Run, column: str) -> np.ndarray:
    people = run._people
    return people.column(column)[people.column("source") == 0]


def _differences(without: Any, with_policy: Any) -> dict[str, np.ndarray]:
    """`EFFECTS` from the initial customers' lives."""
    return {
        "saved": with_policy.active.astype(float) - without.active,
        "expected_saves": without.expected - with_policy.expected,
        "months_gained": (with_policy.months - without.months).astype(float),
        "value_gained": with_policy.value - without.value,
    }


# -- those who were not treated ----------------------------------------------------------------------------

CHANNELS = ("queue", "word_of_mouth", "budget")
GROUPS = ("treated", "untreated", "all", "newcomers")


class _Recorder:
    """A campaign that writes down what another offers."""

    def __init__(self, campaign: Any) -> None:
        self.campaign, self.name = campaign, campaign.name
        self.made: dict[int, Offers] = {}

    def runs_in(self, month: int) -> bool:
        return bool(getattr(self.campaign, "runs_in", lambda m: True)(month))

    def offers(self, view: CustomerView) -> Offers:
        self.made[view.month] = self.campaign.offers(view)
        return self.made[view.month]

    @property
    def replay(self) -> _Replay:
        return _Replay(self.name, self.made)


class _Replay:
    """A campaign that offers what was offered in another world, to those who are known in this one."""

    def __init__(self, name: str, made: dict[int, Offers]) -> None:
        self.name, self.made = name, made

    def runs_in(self, month: int) -> bool:
        return month in self.made

    def offers(self, view: CustomerView) -> Offers:
        made = self.made[view.month]
        return made.take(np.flatnonzero(np.isin(made.ids, view.id)))


class _World(NamedTuple):
    """What one world comes to: the initial customers' lives, and the newcomers' sums."""

    lives: Any
    offered: np.ndarray
    newcomers: dict[str, float]


def spill_over(
    scenario: Scenario | str,
    policy: Any,
    seed: int = 1,
    *,
    baseline: Iterable[Any] | Any = (),
    replications: int = 20,
    level: float = 0.95,
    threads: int | None = None,
) -> pd.DataFrame:
    """What a campaign does to those it reaches and to those it does not, channel by channel.

    policy: a campaign, or a list in which the campaigns of interest stand; baseline: what it is
    compared with (nothing, unless given). Programmes move levers for everyone, so nobody is untreated:
    they are allowed only where policy and baseline share them.

    The method. An effect is a difference of sums over a group of customers, with the policy less with the
    baseline, same people, same luck. The offers of the two worlds are written down once and repeated
    word for word in every other world, so that only the channels differ. A channel is switched off in
    *both* worlds, and what goes through it is the difference of the differences: the effect with
    everything on, less the effect with this channel off.

    - queue: off, the desk has so many agents, crews and clerks that nobody waits for another.
    - word_of_mouth: off, nobody follows a neighbour who left (`word_of_mouth.contagion`) and nobody is
      won by imitation or referral (`acquisition.imitation`).
    - budget: off, the money has no limit (`Budget`, or the budget of a `RetentionCall`), so that those
      are called for whom it did not suffice: crowding out, with the sign of what the limit does.
    - direct: the effect with every channel off. It is zero for whoever gets no offer in either world.
    - rest: total - direct - the three channels: what channels do together only.
    - total: with everything on. The rows add up to it, exactly and in every replication.

    Groups: treated, the initial customers with an offer in the policy's own world; untreated, the other
    initial ones (among them those whom only the baseline, or only more money, would have reached: what
    they miss is direct, and budget takes it back); all, both; newcomers, who joined later. Newcomers differ
    in number too; with all channels off what is left for them is their own offers, and that a firm that
    keeps its customers leaves fewer to be won.

    Returns a row a measure (`EFFECTS`; for newcomers saved counts those there at the end), group and
    channel: measure, unit, group, channel, effect (mean over replications of the sum over the group),
    low, high (Student's interval), customers (mean size of the group), replications. With 2,000
    customers and 24 months a replication takes some tenths of a second. What a policy does to the waits of
    those who call anyway is told by `simulation.stations_report.spill_over`.

    Raises PolicyError, ScenarioError, ValueError.
    """
    if isinstance(replications, bool) or not isinstance(replications, int) or replications < 1:
        raise ValueError(f"replications must be a whole number of at least 1, not {replications!r}")
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, not {level!r}")
    scenario = Scenario.from_name(scenario)
    plans = policies_of(scenario, baseline), policies_of(scenario, policy)
    _only_campaigns(*plans)
    off = _switched_off(scenario, plans)
    effects: dict[tuple[str, str, str], list[float]] = {}
    sizes: dict[str, list[float]] = {group: [] for group in GROUPS}
    for replication in range(replications):
        found, counts = _by_channel(scenario, plans, off, seed, replication, threads)
        for key, value in found.items():
            effects.setdefault(key, []).append(value)
        for group, count in counts.items():
            sizes[group].append(count)
    rows = []
    for (measure, group, channel), values in effects.items():
        mean, low, high = mean_interval(np.array(values), level)
        rows.append(
            {
                "measure": measure,
                "unit": EFFECTS[measure][0],
                "group": group,
                "channel": channel,
                "effect": mean,
                "low": low,
                "high": high,
                "customers": float(np.mean(sizes[group])),
                "replications": replications,
            }
        )
    return pd.DataFrame(rows)


def _only_campaigns(baseline: list[Any], policy: list[Any]) -> None:
    programmes = [[p for p in plan if isinstance(p, Programme)] for plan in (baseline, policy)]
    if alone := [p for p in programmes[1] if p not in programmes[0]]:
        raise PolicyError(
            f"spill_over: {alone[0].name} is a programme and moves levers for everyone, so nobody is "
            "untreated; give a campaign, or the programme in the baseline as well"
        )
    if not any(not isinstance(p, Programme) for p in policy):
        raise PolicyError("spill_over: the policy makes no offers; give a campaign")


def _unlimited(policy: Any) -> Any:
    """A policy without its budget."""
    if isinstance(policy, Budget):
        return _unlimited(policy.campaign)
    if not dataclasses.is_dataclass(policy) or isinstance(policy, type):
        return policy
    changes: dict[str, Any] = {}
    if getattr(policy, "budget", None) is not None:
        changes["budget"] = None
    for name in ("campaign", "offer"):
        part = getattr(policy, name, None)
        if (free := _unlimited(part)) is not part:
            changes[name] = free
    return dataclasses.replace(policy, **changes) if changes else policy


def _switched_off(scenario: Scenario, plans: tuple[list[Any], list[Any]]) -> dict[str, dict[str, Any]]:
    """The channels that this scenario and these policies have, with what switches each off."""
    off: dict[str, dict[str, Any]] = {}
    if scenario.service.desk != "none":
        # As many as the fields allow. A counter that is not there stays away.
        many = {"agents": 10_000, "crews": 1_000, "clerks": 1_000}
        if scenario.service.counter_clerks > 0:
            many["counter_clerks"] = 1_000
        off["queue"] = {f"service__{name}": number for name, number in many.items()}
        if scenario.service.desk == "simpy":
            # Where nobody waits, the exact desk gives the same answers, and in a moment: so many agents
            # are so many processes. What only the other knows decides who goes first, which is nobody.
            plain = {"desk": "fast", "callback_after": 0, "priorities": False}
            shifts = tuple(shift.model_copy(update={"skills": ()}) for shift in scenario.service.shifts)
            off["queue"] |= {f"service__{k}": v for k, v in {**plain, "shifts": shifts}.items()}
    if scenario.word_of_mouth.contagion > 0 or scenario.acquisition.imitation > 0:
        off["word_of_mouth"] = {"word_of_mouth__contagion": 0, "acquisition__imitation": 0}
    if any(_unlimited(p) is not p for plan in plans for p in plan):
        off["budget"] = {}
    return off


def _by_channel(
    scenario: Scenario,
    plans: tuple[list[Any], list[Any]],
    off: dict[str, dict[str, Any]],
    seed: int,
    replication: int,
    threads: int | None,
) -> tuple[dict[tuple[str, str, str], float], dict[str, float]]:
    """The effects of one replication by (measure, group, channel), and the sizes of the groups."""

    def worlds(world: Scenario, both: Iterable[list[Any]]) -> list[_World]:
        return [_live(world, plan, seed, replication, threads) for plan in both]

    def recorded(both: Iterable[list[Any]]) -> tuple[list[_World], list[list[Any]]]:
        watched = [[p if isinstance(p, Programme) else _Recorder(p) for p in plan] for plan in both]
        lived = worlds(scenario, watched)
        return lived, [[p.replay if isinstance(p, _Recorder) else p for p in plan] for plan in watched]

    full, limited = recorded(plans)
    free = limited
    if "budget" in off:
        without_limit, free = recorded([[_unlimited(p) for p in plan] for plan in plans])
    treated = full[1].offered
    groups = {"treated": treated, "untreated": ~treated, "all": np.ones_like(treated)}
    effect = {"total": _effects(full, groups)}
    for channel, changes in off.items():
        if channel == "budget":
            effect[channel] = _effects(without_limit, groups)
        else:
            effect[channel] = _effects(worlds(scenario.replace(**changes), limited), groups)
    everything = {name: value for changes in off.values() for name, value in changes.items()}
    if len(off) > 1 or "budget" not in off:
        none = scenario.replace(**everything) if everything else scenario
        direct = _effects(worlds(none, free), groups)
    else:
        direct = effect["budget"]
    found: dict[tuple[str, str, str], float] = {}
    for key, total in effect["total"].items():
        parts = {"direct": direct[key]}
        parts |= {c: total - effect[c][key] if c in off else 0.0 for c in CHANNELS}
        parts["rest"] = total - sum(parts.values())
        found |= {(*key, channel): value for channel, value in {**parts, "total": total}.items()}
    counts = {name: float(np.count_nonzero(mask)) for name, mask in groups.items()}
    return found, {**counts, "newcomers": full[1].newcomers["joined"]}


def _live(scenario: Scenario, plan: list[Any], seed: int, replication: int, threads: int | None) -> _World:
    run = live_again(scenario, plan, seed, replication=replication, people=replication, threads=threads)
    people = run._people
    new = people.column("source") > 0
    active = people.column("active")[new] > 0
    joined, left = people.column("joined")[new], people.column("left")[new]
    end = np.where(active, scenario.population.months, left + 1)
    newcomers = {
        "joined": float(np.count_nonzero(new)),
        "saved": float(np.count_nonzero(active)),
        "expected_saves": -float(people.column("expected_exit")[new].sum(dtype=float)),
        "months_gained": float((end - joined).sum()),
        "value_gained": float(people.column("discounted_value")[new].sum(dtype=float)),
    }
    return _World(initial_lives(run), _initial(run, "offers") > 0, newcomers)


def _effects(worlds: list[_World], groups: dict[str, np.ndarray]) -> dict[tuple[str, str], float]:
    """Sums over each group of the effects, by (measure, group)."""
    without, with_policy = worlds
    found = {}
    for measure, values in _differences(without.lives, with_policy.lives).items():
        for group, mask in groups.items():
            found[measure, group] = float(values[mask].sum())
        found[measure, "newcomers"] = with_policy.newcomers[measure] - without.newcomers[measure]
    return found
