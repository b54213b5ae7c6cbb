"""simulate(): one world, month by month."""

from __future__ import annotations

import math
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from .columns import BLOCK, INDEX, LANES, SCRATCH_COLUMNS, SCRATCH_INDEX, STRIDE, TOTALS
from .compile import (
    PARAMETER_INDEX,
    RuleError,
    is_compiled,
    kernels,
    parameter_values,
    rule_set,
    touchpoint_values,
)
from .contacts import FIRST, SECOND
from .customers import CustomerView, People, spending_table
from .draws import WORLD, Key, Purpose, make_key, normal, uniform
from .gate import APART
from .policies import Levers, Offers, PolicyError, Programme, policies_of
from .run import UNASKED, Offered, Run
from .scenario import Scenario
from .watch import WorldView

if TYPE_CHECKING:
    from .service import Operations

NEIGHBOURHOOD = 8
# Blocks that the first thread lives until the others are awake (measured).
AHEAD = 2
# Looks at a gate before a thread goes to sleep: about a millisecond. With more threads than so many the
# processors may be shared with others, or be fewer than they seem: there nobody waits awake.
LOOKS = 150_000
AWAKE = 8
# Months between moving those who left out of the blocks.
COMPACT_EVERY = 4


class Stopped(RuntimeError):
    """The simulation was stopped by its user."""


def simulate(
    scenario: Scenario | str,
    policies: Iterable[Any] | Any | None = None,
    seed: int = 1,
    *,
    replication: int = 0,
    rules: Mapping[str, Callable[..., Any]] | None = None,
    events: bool = False,
    follow: Iterable[int] = (),
    threads: int | None = None,
    progress: bool | None = None,
    stop: threading.Event | None = None,
    watch: Callable[[int, WorldView], object] | None = None,
) -> Run:
    """Simulate a scenario's customers month by month.

    policies: a list of policies; those in the scenario file are used when None is given.
    seed, replication: which luck; the same two give the same bits on any number of threads.
    rules: a user's own rules by name, in place of the package's (see `simulation.rules`).
    events: keep the log of what happened to whom (memory for every month; `Run.events` makes it
    afterwards when it was not kept).
    follow: identities of customers whose every month is kept (`Run.lives`).
    threads: default as many as the machine has processors. progress: a bar (default: long runs).
    stop: an event that ends the run with `Stopped` after the current month.
    watch: called as watch(month, world) at the start of each month, before its offers, and once at the
    end; it sees the truth and changes nothing (see `simulation.watch`).

    Raises ScenarioError, PolicyError, RuleError, ValueError.
    """
    scenario = Scenario.from_name(scenario)
    chosen = policies_of(scenario, scenario.policies if policies is None else policies)
    key = make_key(seed, replication)
    firm = CompiledWorld(scenario, chosen, key, dict(rules or {}), bool(events), list(follow), threads)
    firm.watched = watch is not None
    with firm:
        for month in months_of(scenario, progress, 200_000_000):
            if stop is not None and stop.is_set():
                raise Stopped(f"stopped before month {month}")
            firm.begin(month)
            if watch is not None:
                watch(month, WorldView(firm, month))
            firm.finish(month)
        if watch is not None:
            watch(month + 1, WorldView(firm, month + 1))
    return firm.result()


def months_of(scenario: Scenario, progress: bool | None, long: int) -> Iterable[int]:
    """The months of a run, with a bar if wanted, or if there are more than `long` customer-months."""
    months = range(scenario.population.months)
    if progress if progress is not None else len(months) * scenario.population.size > long:
        from tqdm.auto import tqdm

        return tqdm(months, desc=scenario.name, unit="month", leave=False)
    return months


class World:
    """The firm's side of a run, the same for both engines: levers, arrivals, offers, books.

    How customers live the month between `make_offers` and `spread_departures` is the engine's.
    """

    # How `Run.events` repeats the run; None for `simulate`.
    again: Callable[..., Run] | None = None
    # The stations where customers wait; None without a desk.
    service: Operations | None = None
    # The month's sums in the order of TOTALS (double precision), and what happened in it: the engine's
    # to fill.
    totals: np.ndarray
    scratch: np.ndarray

    def __init__(
        self,
        scenario: Scenario,
        policies: list[Any],
        key: Key,
        rules: dict[str, Callable[..., Any]],
        events: bool,
        follow: list[int],
    ) -> None:
        self.scenario, self.policies, self.key, self.rules = scenario, policies, key, rules
        self.module = kernels(rules)
        if not is_compiled(self.module, "run_month" if scenario.service.desk == "none" else "run_parts"):
            print("crmsim: compiling the rules (some 20 s, once) ...", file=sys.stderr, flush=True)
        self.events, self.follow = events, follow
        self.base = parameter_values(scenario)
        self.base_touchpoints = touchpoint_values(scenario)
        self.spending = spending_table(scenario)
        self.market = scenario.market.size * scenario.population.size
        growth = (scenario.acquisition.external + scenario.acquisition.imitation) / 12
        expected = min(self.market, growth * self.market * 0.25) * scenario.population.months
        self.people = People(scenario, key, self.module, min(expected, 3 * self.market))
        self.rows: list[dict[str, float]] = []
        self.costs: list[dict[str, float]] = []
        self.lives: list[tuple[int, np.ndarray, np.ndarray, np.ndarray]] = []
        self.log: list[Any] = []
        self.offered: list[Offered] = []
        self.shock = 0.0
        self.active = 0.0
        self.referrals = 0
        self.premium: float | None = None
        self.opened: int | None = None  # the first month in which anybody could choose

    # -- the month, step by step -----------------------------------------------------------

    def begin(self, month: int) -> None:
        """The month up to where campaigns look at the customers. Months come in order, from 0."""
        self.open_month(month)
        self.let_in_arrivals(month)

    def open_month(self, month: int) -> None:
        """Season, shock, rivals and programmes set the levers of the month."""
        levers = Levers(self.scenario, self.base.copy(), self.base_touchpoints.copy())
        self._rivals(levers, month)
        self._awareness(levers, month)
        for programme in self.policies:
            if isinstance(programme, Programme):
                programme.adjust(levers, month)
        discount = (1 + self.scenario.firm.discount_rate) ** (-month / 12)
        population = self.scenario.population
        customers = self.active if month else round(population.size * population.initial_share)
        room = max(self.market - customers, 0.0)
        imitation = levers.values[PARAMETER_INDEX["acquisition_imitation"]] / 12 * room / self.market
        for name, value in (
            ("month", month),
            ("demand", self._demand(month)),
            ("discount", discount),
            ("imitation", imitation),
            ("premium_margin", self.premium or 0.0),
        ):
            levers.values[PARAMETER_INDEX[name]] = value
        self.levers = levers
        self.room = room
        self.discount = discount
        self.values = levers.values.astype(np.float32)
        self.touchpoints = levers.touchpoints.astype(np.float32)

    def let_in_arrivals(self, month: int) -> None:
        """New customers: there at the start, won by the firm, referred by customers."""
        population = self.scenario.population
        if month == 0:
            number = round(population.size * population.initial_share)
            self.people.add(number, 0, 0, self.values, self.touchpoints)
            self.joined = {"won": number, "referred": 0}
            self.premium = self._premium_margin()
            self.values[PARAMETER_INDEX["premium_margin"]] = self.premium
            return
        won = self._won(month)
        self.people.add(won, month, 1, self.values, self.touchpoints)
        self.people.add(self.referrals, month, 2, self.values, self.touchpoints)
        self.joined = {"won": won, "referred": self.referrals}

    def make_offers(self, month: int) -> None:
        """Campaigns look at the customers and choose."""
        self.spent: dict[str, float] = {}
        self.offers_made = self.returned = 0
        campaigns = [c for c in self.policies if not isinstance(c, Programme)]
        for campaign in campaigns:
            if not getattr(campaign, "runs_in", lambda m: True)(month):
                continue
            view = CustomerView(self.people, month, self.levers.values)
            offers = campaign.offers(view)
            if not isinstance(offers, Offers):
                raise PolicyError(
                    f"{campaign.name}: offers(view) must return Offers, not {type(offers).__name__}"
                )
            accepted = self._apply(offers, campaign.name, month)
            if self.events:
                self.offered.append(Offered(month, campaign.name, offers, accepted))
            self.spent[campaign.name] = self.spent.get(campaign.name, 0.0) + float(np.sum(offers.cost))

    def spread_departures(self, month: int) -> None:
        """Those who left are missed by their neighbours."""
        if self.scenario.word_of_mouth.contagion == 0:
            return
        people = self.people
        starts, sizes = people.cohorts
        self.module.miss(
            people.state, people.rows, people.slots, starts, starts + sizes, np.float32(month), people.live,
            NEIGHBOURHOOD,
        )  # fmt: skip

    def close_month(self, month: int) -> None:
        """Add up, pay, and write the month's row."""
        totals = dict(zip(TOTALS, self.totals.tolist(), strict=True))
        if not all(map(math.isfinite, totals.values())):
            self._explain_nan(self._missing(month) or f"month {month}: a total is not a number")
        # What no total sums may go missing by a user's rule alone.
        if self.rules and (where := self._missing(month)):
            self._explain_nan(where)
        for programme in self.policies:
            if isinstance(programme, Programme) and programme.runs_in(month):
                cost = programme.cost(self.scenario)
                there = self._concerned(programme, totals)
                money = cost.of_month(there, self.scenario.bill, month == programme.start)
                self.spent[programme.name] = self.spent.get(programme.name, 0.0) + money
        acquisition = self.scenario.acquisition.cost * (self.joined["won"] if month else 0)
        policy_cost = sum(self.spent.values(), 0.0)
        self.rows.append(
            {
                "month": month,
                **totals,
                "joined": self.joined["won"] + self.joined["referred"],
                "joined_referred": self.joined["referred"],
                "offers": self.offers_made,
                "returned": self.returned,
                "policy_cost": policy_cost,
                "acquisition_cost": acquisition,
                "profit": totals["margin"] - policy_cost - acquisition,
                "discount": self.discount,
            }
        )
        self.costs.append({"month": month, **self.spent})
        self.active = totals["customers"]
        self.referrals = round(totals["referrals"])
        self._record(month)

    def result(self) -> Run:
        return Run(
            scenario=self.scenario,
            policies=self.policies,
            key=self.key,
            rules=self.rules,
            people=self.people,
            rows=self.rows,
            costs=self.costs,
            lives=self.lives,
            log=self.log if self.events else None,
            offered=self.offered,
            again=self.again,
            service=self.service,
        )

    # -- parts ---------------------------------------------------------------------------------

    def _concerned(self, programme: Programme, totals: dict[str, float]) -> dict[str, float]:
        """The month's totals of those whom a programme is for, in proportion to their number."""
        if not any(programme.where.values()):
            return totals
        assert self.scenario.town is not None  # `Programme.check` has seen to it
        here = self.people.live_column("active") > 0
        group = self.people.live_column("group")[here].astype(np.int64)
        share = self.scenario.town.among(**programme.where)[group].mean() if group.size else 0.0
        return {name: float(share * total) for name, total in totals.items()}

    def kept_blocks(self) -> list[int]:
        """The blocks whose rows stand in `scratch`, in its order."""
        raise NotImplementedError

    def _followed_slots(self) -> np.ndarray:
        """Slots of the followed customers who have joined and are kept in the blocks."""
        if not len(self.follow):
            return np.zeros(0, dtype=np.int64)
        rows = np.flatnonzero(np.isin(self.people.all, self.follow))
        slots = self.people.slots[rows]
        return slots[slots >= 0].astype(np.int64)

    def _record(self, month: int) -> None:
        if self.events:
            from .run import month_events

            self.log.append(month_events(self.people, self.scratch, month))
        slots = self._followed_slots()
        if slots.size:
            at = {b: k for k, b in enumerate(self.kept_blocks())}
            lanes = slots % BLOCK
            columns = np.arange(self.people.columns)
            kept = np.array([at[int(b)] for b in slots // BLOCK])
            scratch = self.scratch[kept[:, None], np.arange(SCRATCH_COLUMNS) * STRIDE + lanes[:, None]]
            state = self.people.state[(slots // BLOCK)[:, None], columns * STRIDE + lanes[:, None]]
            # Months after leaving are not lived.
            lived = scratch[:, SCRATCH_INDEX["was_active"]] > 0
            ids = self.people.all[self.people.rows[slots]]
            self.lives.append((month, ids[lived], state[lived], scratch[lived]))

    def _demand(self, month: int) -> float:
        d = self.scenario.demand
        if d.shock_sd > 0:
            z = normal(self.key, Purpose.DEMAND_SHOCK, WORLD, month)
            keep = d.shock_autocorrelation if month else 0.0
            self.shock = keep * self.shock + math.sqrt(1 - keep**2) * z
        season = 1 + d.season_amplitude * math.cos(2 * math.pi * (month + 1 - d.season_peak) / 12)
        return season * math.exp(d.shock_sd * self.shock - d.shock_sd**2 / 2)

    def _rivals(self, levers: Levers, month: int) -> None:
        shift = PARAMETER_INDEX["market_alternative_shift"]
        openness = PARAMETER_INDEX["market_openness"]
        for event in self.scenario.rivals:
            if month < event.month:
                continue
            part = min(1.0, (month - event.month + 1) / event.ramp) if event.ramp else 1.0
            if event.kind == "opening":
                levers.values[openness] += part * (event.opening - levers.values[openness])
                continue
            if event.kind == "price_cut" and month >= event.month + event.duration:
                continue
            levers.values[shift] += part * event.size
            if event.kind == "entry":
                levers.values[openness] = min(1.0, levers.values[openness] + part * event.opening)

    def _awareness(self, levers: Levers, month: int) -> None:
        """The longer the market has been open, the more know of it."""
        if self.opened is None and levers.values[PARAMETER_INDEX["market_openness"]] > 0:
            self.opened = month
        market = self.scenario.market
        if self.opened is not None and market.awareness_growth:
            known = market.awareness + market.awareness_growth * (month - self.opened) / 12
            levers.values[PARAMETER_INDEX["market_awareness"]] = min(max(known, 0.0), 1.0)

    def _won(self, month: int) -> int:
        mean = self.levers.values[PARAMETER_INDEX["acquisition_external"]] / 12 * self.room
        return poisson_quantile(uniform(self.key, Purpose.ARRIVALS, WORLD, month), mean)

    def _premium_margin(self) -> float:
        if self.scenario.loyalty.premium_margin > 0:
            return self.scenario.loyalty.premium_margin
        purchase = self.scenario.purchase
        if self.people.count == 0:
            return 1.5 * purchase.margin * self.scenario.bill
        if purchase.contract:
            spending = purchase.fee * self.people.column("usage")
        else:
            mean_spend = purchase.spend_shape / np.maximum(self.people.column("spend_rate"), 1e-12)
            spending = self.people.column("rate") * mean_spend
        return float(np.quantile(purchase.margin * spending, 0.8))

    def _apply(self, offers: Offers, name: str, month: int) -> np.ndarray:
        """Make the offers; says of each whether it was taken, as `Offered.accepted`."""
        people, action = self.people, offers.what
        try:
            rows = people.rows_of(offers.ids)
        except KeyError as error:
            raise PolicyError(f"{name}, month {month}: {error.args[0]}") from None
        self.offers_made += rows.size
        active = people.get("active", rows) > 0
        people.set("offers", rows, people.get("offers", rows) + 1)
        people.set("last_offer", rows, month)
        accepted = np.full(rows.size, UNASKED, dtype=np.int8)
        if action.win_back > 0:
            # Without a contract the firm cannot tell who of those it asks back had left.
            asked = ~active if self.scenario.purchase.contract else np.ones(rows.size, dtype=bool)
            accepted[asked] = 0
            accepted[~active] = self._win_back(rows[~active], offers.ids[~active], action, month)
        here = rows[active]
        if action.strength:
            people.set("offer_strength", here, action.strength)
            people.set("offer_months", here, action.months)
        people.set("care", here, people.get("care", here) + np.float32(action.care))
        if action.satisfaction:
            lifted = np.minimum(people.get("satisfaction", here) + np.float32(action.satisfaction), 100)
            people.set("satisfaction", here, lifted)
        return accepted

    def _chances_to_return(self, rows: np.ndarray, action: Any) -> np.ndarray:
        """The chance of each of these former customers to accept an offer to return."""
        rule = rule_set(self.rules).win_back_probability
        parameters = self.module.Parameters(*self.levers.values)
        people = self.people
        return np.array(
            [
                rule(action.win_back, float(c), float(s), float(r), float(k), parameters)
                for c, s, r, k in zip(
                    people.get("cause", rows),
                    people.get("satisfaction", rows),
                    people.get("referrals", rows),
                    people.get("complaints", rows),
                    strict=True,
                )
            ]
        )

    def _win_back(self, rows: np.ndarray, ids: np.ndarray, action: Any, month: int) -> np.ndarray:
        """Ask former customers back; says which of them came."""
        if not rows.size:
            return np.zeros(0, dtype=bool)
        people = self.people
        chance = self._chances_to_return(rows, action)
        if not np.isfinite(chance).all():
            who = ids[~np.isfinite(chance)][0]
            self._explain_nan(f"customer {who}, month {month}: the chance to return is not a number")
        came = np.asarray(uniform(self.key, Purpose.WIN_BACK, ids, month)) < chance
        back = rows[came]
        self.returned += back.size
        people.revive(back)
        for column, value in (
            ("active", 1), ("left", -1), ("cause", 0), ("attributed", 0), ("returned", month),
            ("second_life", action.second_life), ("fault_points", 0), ("unresolved", -999),
            ("last_purchase", month), ("offer_months", 0), ("neighbours", 0),
        ):  # fmt: skip
            people.set(column, back, value)
        return came

    def _missing(self, month: int) -> str:
        """The first number of someone who lived this month that is none, or nothing."""
        people = self.people
        lived = (people.live_column("active") > 0) | (people.live_column("left") == month)
        for name in INDEX:
            bad = np.flatnonzero(lived & ~np.isfinite(people.live_column(name)))
            if bad.size:
                return f"customer {people.live_ids()[bad[0]]}, month {month}: {name} is not a number"
        return ""

    def _explain_nan(self, where: str) -> None:
        """Say whose number is missing and which rule to look at."""
        mine = ", ".join(self.rules)
        hint = f"look at your own rule {mine}" if mine else "a parameter may be extreme"
        raise RuleError(f"{where}; {hint}")


class CompiledWorld(World):
    """A world whose customers live by the compiled stages of `month.py`, on several threads."""

    def __init__(
        self,
        scenario: Scenario,
        policies: list[Any],
        key: Key,
        rules: dict[str, Callable[..., Any]],
        events: bool,
        follow: list[int],
        threads: int | None = None,
    ) -> None:
        super().__init__(scenario, policies, key, rules, events, follow)
        self.threads = threads or os.cpu_count() or 1
        if not hasattr(self.module.run_month, "py_func"):
            self.threads = 1
        self.people.threads = self.threads
        self.sums = np.zeros((0, len(TOTALS), LANES), dtype=np.float32)
        self.totals = np.zeros(len(TOTALS))
        # With a desk: what the second part of a month needs of the first, a row a block.
        self.benches = np.zeros((0, (2 + len(scenario.touchpoints)) * BLOCK), dtype=np.float32)
        self.failing = np.zeros((0, BLOCK), dtype=np.int64)
        self.luck = np.zeros((0, 8 * STRIDE), dtype=np.float32)
        self.scratch = np.zeros((0, SCRATCH_COLUMNS * STRIDE), dtype=np.float32)
        self.watched = False
        self.spare = np.zeros((self.threads, SCRATCH_COLUMNS * STRIDE), dtype=np.float32)
        self.pool: ThreadPoolExecutor | None = None
        if scenario.service.desk != "none":
            from .service import Operations

            self.service = Operations(scenario, key, events)

    def __enter__(self) -> CompiledWorld:
        if self.threads > 1:
            self.pool = self.people.pool = ThreadPoolExecutor(self.threads - 1)
            if self.service is not None:
                self.service.days = self.pool.submit(self.service.days_and_events).result
        return self

    def __exit__(self, *_: object) -> None:
        if self.pool is not None:
            self.pool.shutdown()
            self.people.pool = None

    def finish(self, month: int) -> None:
        """The rest of the month that has begun. Campaigns in `policies` may be changed before."""
        self.make_offers(month)
        self.live(month)
        self.spread_departures(month)
        self.close_month(month)

    def turn_luck(self, key: Key) -> None:
        """From here on everything is decided by other luck; who is there, and how, stays as it is.

        Not with a service desk, which draws its lines ahead.
        """
        if self.service is not None:
            raise ValueError(f"{self.scenario.name}: luck cannot be changed on the way with a service desk")
        self.key = self.people._key = key
        self.people.key = np.array([key.seed, key.replication], dtype=np.uint64)

    def live(self, month: int) -> None:
        """Every customer lives the month: the compiled stages of `month.py`."""
        people = self.people
        if month % COMPACT_EVERY == 0 and month:
            people.compact()
        blocks = people.blocks
        if len(self.sums) < blocks:
            self.sums = np.zeros((blocks + blocks // 8, len(TOTALS), LANES), dtype=np.float32)
        if self.service is not None:
            self._live_with_service(month)
            return
        keep = self.kept_blocks()
        if len(keep) == blocks:
            self.scratch = np.zeros((blocks, SCRATCH_COLUMNS * STRIDE), dtype=np.float32)
            self._blocks(self.scratch, True, 0, blocks)
            self.module.add_up(self.sums[:blocks], self.totals)
            return
        # Followed blocks run twice from a copy: once for the record, once with the others.
        self.scratch = np.zeros((len(keep), SCRATCH_COLUMNS * STRIDE), dtype=np.float32)
        before = people.state[keep] if keep else None
        self._in_parts(blocks, lambda spare, low, high: self._blocks(spare, False, low, high))
        self.module.add_up(self.sums[:blocks], self.totals)
        if before is not None:
            spare = np.zeros((len(keep), len(TOTALS), LANES), dtype=np.float32)
            self.module.run_month(
                before, self.scratch, True, people.ids[keep], self.touchpoints, self.values,
                self.spending, people.key, spare, 0, len(keep),
            )  # fmt: skip

    def _live_with_service(self, month: int) -> None:
        """The month in two parts: between them the stations answer."""
        assert self.service is not None
        people = self.people
        blocks = people.blocks
        if len(self.benches) < blocks:
            room = blocks + blocks // 8
            self.benches = np.empty((room, self.benches.shape[1]), dtype=np.float32)
            self.failing = np.empty((room, BLOCK), dtype=np.int64)
            self.luck = np.empty((room, 8 * STRIDE), dtype=np.float32)
        keep = self._keeps_service()
        if keep and (self.events or len(self.scratch) != blocks):
            self.scratch = np.zeros((blocks, SCRATCH_COLUMNS * STRIDE), dtype=np.float32)
        self.touchpoints = self.service.touchpoints(self.touchpoints)
        given = self.service.open(self, month)
        # The others come to the first part while they still wake, to the second awake.
        first, second = self._edges(blocks, AHEAD), self._edges(blocks, 0)
        threads = len(first) - 1
        flags = np.zeros(threads * APART, np.int64)

        def live(part: int, k: int, looks: int = 0) -> None:
            self.module.run_parts(
                part, flags, k, looks, people.state, self.scratch if keep else self.spare[k : k + 1], keep,
                self.benches, self.luck, self.failing, people.ids, self.touchpoints, self.values,
                self.spending, people.key, self.sums, first[k : k + 2], second[k : k + 2], *given,
            )  # fmt: skip

        # Nobody can wait for answers that are written to a place of their own.
        looks = LOOKS if self.service.in_place and threads <= AWAKE else 0
        jobs = [self.pool.submit(live, FIRST + SECOND, k, looks) for k in range(1, threads) if self.pool]
        live(FIRST, 0)
        patience = LOOKS
        while not self.module.all_wait(flags, threads, patience):
            for job in jobs:
                if job.done():
                    job.result()  # says what went wrong
            time.sleep(1e-5)
            patience = 1
        given = self.service.answer()
        gone = np.empty(threads, dtype=np.int64)
        number = self.module.open_gate(flags, threads, gone)
        jobs += [self.pool.submit(live, SECOND, k) for k in gone[:number].tolist() if self.pool]
        live(SECOND, 0)
        for job in jobs:
            job.result()
        self.service.close()
        self.module.add_up(self.sums[:blocks], self.totals)

    def _edges(self, blocks: int, ahead: int) -> tuple[int, ...]:
        """The blocks of thread k are those from edges[k] to edges[k + 1]; the first thread has `ahead` more
        than its part."""
        parts = max(min(self.threads if self.pool else 1, blocks), 1)
        ahead = min(ahead, blocks) if parts > 1 else 0
        return 0, *(ahead + (blocks - ahead) * k // parts for k in range(1, parts + 1))

    def _in_parts(self, blocks: int, work: Callable[[np.ndarray, int, int], None]) -> None:
        """Do work(scratch, low, high) for all blocks, each thread with scratch of its own."""
        # The first part begins while the other threads still wake, so it is the longest.
        edges = self._edges(blocks, AHEAD)
        jobs = [(self.spare[k : k + 1], edges[k], edges[k + 1]) for k in range(len(edges) - 1)]
        others = [self.pool.submit(work, *job) for job in jobs[1:]] if self.pool else []
        work(*jobs[0])
        for done in others:
            done.result()

    def _keeps_service(self) -> bool:
        """With a desk: whether somebody will look at what happened in the month."""
        return self.events or self.watched or len(self.follow) > 0

    def kept_blocks(self) -> list[int]:
        if self.events or (self.service is not None and self._keeps_service()):
            return list(range(self.people.blocks))
        return sorted({int(k) // BLOCK for k in self._followed_slots()})

    def _blocks(self, scratch: np.ndarray, keep: bool, low: int, high: int) -> None:
        people = self.people
        self.module.run_month(
            people.state, scratch, keep, people.ids, self.touchpoints, self.values, self.spending,
            people.key, self.sums, low, high,
        )  # fmt: skip


def poisson_quantile(u: float, mean: float) -> int:
    """Poisson count whose cumulative probability first reaches u."""
    from scipy.special import pdtr, pdtrik

    if mean <= 0:
        return 0
    count = max(math.ceil(float(pdtrik(u, mean))) if mean > 1 else 0, 0)
    while count > 0 and pdtr(count - 1, mean) >= u:
        count -= 1
    while pdtr(count, mean) < u:
        count += 1
    return count
