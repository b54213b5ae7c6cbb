"""The same world as one SimPy process for each customer: the story of the model, to be read first.

A customer's month is `STORY`: meet the touchpoints, be billed, be satisfied or not, complain, and so
on to leaving. The rules are those of `rules.py`, called as they stand in double precision; the luck is
that of `draws.py`; levers, arrivals, offers and books are the compiled engine's own (`engine.World`).
So `simulate_process` gives the histories of `simulate` customer by customer, a few thousand times more
slowly. It is for reading, for small populations and for checking the compiled engine.
"""

# A customer's attributes are named by columns.py, which a type checker cannot follow.
# mypy: disable-error-code="has-type,attr-defined"

from __future__ import annotations

import math
import traceback
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter, itemgetter
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import simpy

from ..vocabulary import ChurnCause
from .columns import (
    BLOCK,
    SCRATCH,
    SCRATCH_COLUMNS,
    SCRATCH_INDEX,
    STATE,
    STATE_FIXED,
    STRIDE,
    TOTALS,
)
from .compile import GROUP_FIELDS, TOUCHPOINT_FIELDS, Parameters, RuleError, rule_set
from .draws import Key, Purpose, make_key
from .engine import World, months_of
from .month import faded, missing
from .numeric import clip, exit_time, exp, log, normal, poisson
from .policies import policies_of
from .run import Run
from .scenario import Scenario, ScenarioError
from .watch import WorldView

STATE_NAMES = tuple(name for name in STATE if name != "perception")
# What happens to a customer in a month; the engine's blocks have columns that a person does not need.
MONTH_NAMES = tuple(
    name
    for name in SCRATCH
    if not name.startswith(("draws", "luck", "more_luck")) and name not in ("drop", "tally")
)
NEVER = 2.0  # later than the end of the month, which is at 1


def simulate_process(
    scenario: Scenario | str,
    policies: Iterable[Any] | Any | None = None,
    seed: int = 1,
    *,
    replication: int = 0,
    rules: Mapping[str, Callable[..., Any]] | None = None,
    follow: Iterable[int] = (),
    events: bool = False,
    progress: bool | None = None,
    watch: Callable[[int, WorldView], object] | None = None,
) -> Run:
    """Simulate a scenario with one SimPy process for each customer.

    Takes what `simulate` takes and returns the same kind of `Run`, with the same customers, luck and
    histories. A customer-month costs some 80 microseconds: keep to a few thousand customers.

    Raises ScenarioError, PolicyError, RuleError, ValueError.
    """
    scenario = Scenario.from_name(scenario)
    if scenario.service.desk != "none":
        raise ScenarioError(
            [("service", 'the process engine has no stations: set desk = "none", or use simulate')],
            scenario.name,
        )
    chosen = policies_of(scenario, scenario.policies if policies is None else policies)
    firm = Firm(scenario, chosen, make_key(seed, replication), dict(rules or {}), bool(events), list(follow))
    env = simpy.Environment()
    env.process(firm.business(env, months_of(scenario, progress, 100_000), watch))
    try:
        env.run()
    except RuleError:
        raise
    except Exception as error:
        raise own_rule_error(error, firm.rules) or error from None
    return firm.result()


# -- chance ----------------------------------------------------------------------------------------


class Luck:
    """The random numbers of one key, equal to those of `draws.uniform`, in plain whole numbers."""

    def __init__(self, key: Key) -> None:
        self.keys = [
            (key.seed + i * 0x9E3779B9 & 0xFFFFFFFF, key.replication + i * 0xBB67AE85 & 0xFFFFFFFF)
            for i in range(10)
        ]

    def four(self, customer: int, month: int, group: int) -> tuple[float, float, float, float]:
        """The numbers of purposes 4 x group to 4 x group + 3: one block of Philox4x32-10."""
        c0, c1, c2, c3 = customer & 0xFFFFFFFF, customer >> 32, month, group
        for k0, k1 in self.keys:
            a = 0xD2511F53 * c0
            b = 0xCD9E8D57 * c2
            c0, c1, c2, c3 = (b >> 32) ^ c1 ^ k0, b & 0xFFFFFFFF, (a >> 32) ^ c3 ^ k1, a & 0xFFFFFFFF
        return (
            (c0 >> 9) * 2.0**-23 + 2.0**-24,
            (c1 >> 9) * 2.0**-23 + 2.0**-24,
            (c2 >> 9) * 2.0**-23 + 2.0**-24,
            (c3 >> 9) * 2.0**-23 + 2.0**-24,
        )


# -- the customer ----------------------------------------------------------------------------------


class TouchpointNow(NamedTuple):
    """One touchpoint as the firm runs it this month; fields as in `compile.TOUCHPOINT_FIELDS`."""

    quality: float
    exposure: float
    failure: float
    severity: float
    severity_sd: float
    weight: float
    gain: float
    loss: float
    planned: float
    common: float
    crew: float


assert TouchpointNow._fields == TOUCHPOINT_FIELDS


class Served(NamedTuple):
    """What the stations did for a customer in a month: columns as in `columns.SCRATCH`, and the drop of
    each touchpoint's perception."""

    columns: dict[str, float]
    drops: list[float]


@dataclass
class Surroundings:
    """What every customer finds in a month: rules, the firm's levers, touchpoints, chance.

    average: touchpoints as the firm runs them; touchpoints: as each group (district and segment) meets
    them, one list where there are no groups.
    """

    rule: SimpleNamespace
    luck: Luck
    spending: list[list[float]]
    p: Any = None
    average: list[TouchpointNow] = field(default_factory=list)
    touchpoints: list[list[TouchpointNow]] = field(default_factory=list)

    def open(self, values: np.ndarray, touchpoints: np.ndarray) -> None:
        """Take over the levers of a month."""
        self.p = Parameters(*values.tolist())
        fields, own = len(TOUCHPOINT_FIELDS), len(GROUP_FIELDS)
        groups = (touchpoints.shape[1] - fields) // own
        self.average = [TouchpointNow(*row[:fields]) for row in touchpoints.tolist()]
        self.touchpoints = [self.average]
        if groups:
            self.touchpoints = [
                [TouchpointNow(*row[fields + g :: groups], *row[own:fields]) for row in touchpoints.tolist()]
                for g in range(groups)
            ]

    def at(self, customer: Customer) -> list[TouchpointNow]:
        """The touchpoints as a customer's group meets them."""
        return self.touchpoints[int(customer.group)]


class Customer:
    """One person.

    Attributes that last are named as in `columns.STATE`, those of the month as in `columns.SCRATCH`.
    Truth values are 1.0 and 0.0.
    """

    __slots__ = (*STATE_NAMES, *MONTH_NAMES, "around", "drops", "hand", "id", "perception", "served")

    def __init__(self, who: int, row: Iterable[float], around: Surroundings) -> None:
        self.id = who
        self.around = around
        self.served: Served | None = None
        *state, self.perception = *list(row)[:STATE_FIXED], list(row)[STATE_FIXED:]
        for name, value in zip(STATE_NAMES, state, strict=True):
            setattr(self, name, value)

    def life(self, firm: Firm) -> Generator[Any, Any, None]:
        """Month after month. One who left remains somebody who may be won back."""
        while True:
            self.begin()
            if self.active:
                self.live()
            yield firm.next_month

    def live(self) -> None:
        """One month as a customer: the stages of `STORY`."""
        rule, p = self.around.rule, self.around.p
        for stage in STORY:
            stage(self, rule, p)

    def begin(self) -> None:
        """Nothing has happened yet this month, and no random number is drawn."""
        self.was_active = self.active
        self.met = self.failed = self.severity = self.gap = self.lost_points = self.delighted = 0.0
        self.reason = self.called = self.waited = self.gave_up = self.visited = 0.0
        self.unpaid = self.cured = self.exit_payment = self.complained = self.resolved = self.fast = 0.0
        self.bought = self.dropped = self.spent = self.referred = self.exit_cause = 0.0
        self.cut = NEVER
        self.drops = [0.0] * len(self.perception)
        self.hand: dict[int, tuple[float, ...]] = {}

    # -- the month, stage by stage ---------------------------------------------------------------

    def meet(self, rule: Any, p: Any) -> None:
        """Meet the firm at its touchpoints. Some fail, and each leaves a perception."""
        for d, t in enumerate(self.around.at(self)):
            purpose = Purpose.TOUCHPOINT + d
            met = self.happens(purpose, t.exposure)
            failed = self.happens(purpose, t.exposure * t.failure)
            if failed:
                self.drops[d] = max(t.severity + t.severity_sd * self.score(Purpose.SEVERITY + d), 1.0)
            drop = self.drops[d] = self.served.drops[d] if self.served else self.drops[d]
            self.perception[d] = rule.perception(self.perception[d], t.quality + self.fit, drop, p)
            self.gap += t.weight * rule.kano(self.perception[d] - self.expectation, t.gain, t.loss)
            self.lost_points += t.weight * t.loss * drop
            self.met = max(self.met, met)
            self.failed += failed
            self.severity = max(self.severity, drop)
        if self.served:
            # What happened at the stations, and to drops by it, is told: others were in the line too.
            for name, value in self.served.columns.items():
                setattr(self, name, value)

    def be_billed(self, rule: Any, p: Any) -> None:
        """With a contract: get the bill. It may fail to be paid without ill will, and that may end all."""
        if not p.purchase_contract:
            return
        chance = rule.payment_failure(self.channel_draw, self.payer, p)
        self.unpaid = self.happens(Purpose.PAYMENT_FAILS, chance)
        if self.unpaid:
            self.payment_failures += 1.0
            self.last_payment_failure = p.month
            self.cured = self.happens(Purpose.PAYMENT_CURED, p.payment_cure)
            if not self.cured and self.happens(Purpose.CUT_OFF, p.payment_cutoff):
                self.cut = self.draw(Purpose.CUT_OFF) / p.payment_cutoff
        self.exit_payment = chance * (1.0 - p.payment_cure) * p.payment_cutoff
        self.bought = 1.0 - self.unpaid + self.cured
        self.spent = self.bought * p.purchase_fee * self.usage * p.value_price * p.demand

    def be_satisfied(self, rule: Any, p: Any) -> None:
        """Perceive the month, be satisfied or not, and learn what to expect."""
        self.delighted = self.happens(Purpose.DELIGHT, p.satisfaction_delight_share)
        surprise = p.satisfaction_encounter_sd * self.score(Purpose.ENCOUNTER)
        surprise += p.satisfaction_delight_points * self.delighted
        self.quality = rule.perceived_quality(self.expectation, self.gap, surprise, p)
        self.episode = rule.episode_satisfaction(self.quality, self.expectation, p)
        self.lost = rule.satisfaction_lost(self.lost_points, self.met, p)
        self.satisfaction = rule.satisfaction(self.satisfaction, self.episode, self.met, p)
        if self.met:
            self.expectation = rule.expectation(self.expectation, self.quality, self.anchor, p)

    def complain(self, rule: Any, p: Any) -> None:
        """After a failure: voice it or keep silent; be answered or not."""
        if not self.failed or self.served:
            self.complaints += self.complained
            self.last_complaint = p.month if self.complained else self.last_complaint
            return
        chance = rule.complaint_probability(self.severity, self.trust, self.propensity, p)
        self.complained = self.happens(Purpose.COMPLAINT, chance)
        if self.complained:
            self.complaints += 1.0
            self.last_complaint = p.month
            self.resolved = self.happens(Purpose.RESOLUTION, p.complaint_resolved)
            if self.resolved:
                self.fast = self.happens(Purpose.FAST_ANSWER, p.complaint_fast)

    def recover(self, rule: Any, p: Any) -> None:
        """What the answer gives back; a failure that was not put right is remembered."""
        repeated = 1.0 if p.month - self.last_failure <= p.churn_fault_memory else 0.0
        share = rule.recovery(self.complained, self.resolved, self.fast, repeated, p)
        self.stay = rule.stay_factor(self.complained, self.resolved, self.fast, p)
        self.restored = min(share, 1.0)
        self.satisfaction = clip(self.satisfaction + share * self.lost, 0.0, 100.0)
        remembered = faded(self.fault_points * (1.0 - 1.0 / p.churn_fault_memory))
        self.fault_points = remembered + self.lost * (1.0 - share)
        if self.failed:
            self.failures += self.failed
            self.last_failure = p.month
            self.unresolved = -999.0 if self.resolved else p.month
            for d, drop in enumerate(self.drops):
                self.perception[d] = clip(self.perception[d] + self.restored * drop, 0.0, 100.0)

    def feel(self, rule: Any, p: Any) -> None:
        """Trust, care and value."""
        self.trust = rule.trust(self.trust, self.satisfaction, p)
        self.care = faded(self.care * p.trust_care_retention)
        self.value = rule.perceived_value(self.satisfaction, self.fairness, p)

    def commit(self, rule: Any, p: Any) -> None:
        """The first three layers of loyalty."""
        rival = self.alternative + p.market_alternative_shift
        self.cognitive = rule.cognitive_loyalty(self.cognitive, self.value, rival, p)
        self.affective = rule.affective_loyalty(
            self.affective, self.satisfaction, self.trust, self.care, self.cognitive, p
        )
        self.conative = rule.conative_loyalty(self.conative, self.affective, self.tied(p), p)

    def face_hazards(self, rule: Any, p: Any) -> None:
        """How strongly each cause pulls this month."""
        hazard = rule.competitive_hazard(
            self.value,
            self.alternative + p.market_alternative_shift,
            self.satisfaction,
            self.tied(p),
            self.affective,
            self.frailty,
            p,
        )
        referred = 1.0 if self.source == 2.0 else 0.0
        offer = self.offer_strength if self.offer_months > 0.0 else 0.0
        self.exit_competitive = hazard * rule.hazard_modifiers(
            self.neighbours, offer, self.response, referred, self.second_life, p
        )
        self.exit_natural = rule.natural_hazard(self.mobility, p)
        # A wait or an unkind word lowers a perception; nobody leaves at once over it.
        fault = self.severity if self.failed else 0.0
        self.exit_fault = -log(1.0 - rule.fault_exit(fault, self.stay, p)) + missing(self.stay)
        self.exit_retaliatory = rule.retaliatory_hazard(self.satisfaction, p.month - self.unresolved, p)

    def meet_fate(self, rule: Any, p: Any) -> None:
        """The earliest danger decides, if it strikes before the month is over."""
        dangers = (
            (self.cut, ChurnCause.PAYMENT_LAPSE),
            (self.strikes(Purpose.LEAVE_NATURAL, self.exit_natural), ChurnCause.NATURAL),
            (self.strikes(Purpose.LEAVE_COMPETITIVE, self.exit_competitive), ChurnCause.COMPETITIVE),
            (self.strikes(Purpose.LEAVE_FAULT, self.exit_fault), ChurnCause.FAULT),
            (self.strikes(Purpose.LEAVE_RETALIATORY, self.exit_retaliatory), ChurnCause.RETALIATORY),
            (self.strikes(Purpose.LEAVE_BASELINE, self.baseline), ChurnCause.COMPETITIVE),
        )
        time, cause = min(dangers, key=itemgetter(0))
        self.exit_cause = float(cause) if time < 1.0 else 0.0
        self.exit_time = time if time < 1.0 else NEVER

    def buy(self, rule: Any, p: Any) -> None:
        """Without a contract: buy when one likes, and perhaps drop out at a purchase."""
        if p.purchase_contract:
            return
        # Those who leave in the month buy until then.
        rate = rule.purchase_rate(self.rate, self.satisfaction, p) * min(self.exit_time, 1.0)
        self.bought = self.count(Purpose.PURCHASES, rate)
        if self.bought and self.dropout > 0.0:
            last = self.trials(Purpose.DROPOUT, min(self.dropout, 0.9999999))
            self.dropped = 1.0 if last <= self.bought else 0.0
            self.bought = min(self.bought, last)
        if self.dropped:
            # The purchase came before any other departure.
            self.exit_time = 0.5 * min(self.exit_time, 1.0)
            self.exit_cause = float(ChurnCause.COMPETITIVE)
        if self.bought:
            total = spending_quantile(
                self.around.spending, self.bought, self.score(Purpose.SPEND), p.purchase_spend_shape
            )
            self.spent = total / max(self.spend_rate, 1e-12) * p.value_price

    def earn(self, rule: Any, p: Any) -> None:
        """What the month brings the firm."""
        referred = 1.0 if self.source == 2.0 else 0.0
        self.earned = rule.margin(self.spent, p.month - self.joined, referred, self.complained, p)
        self.revenue += self.spent
        self.historical_value += self.earned
        self.discounted_value += self.earned * p.discount
        self.purchases += self.bought
        if self.bought:
            self.last_purchase = p.month

    def talk(self, rule: Any, p: Any) -> None:
        """Praise, warn, perhaps bring a new customer; the stage the relationship has reached."""
        self.praise = rule.praise(self.satisfaction, p)
        self.warning = rule.warning(self.satisfaction, p)
        chance = rule.referral_probability(self.praise, self.warning, p)
        self.referred = self.happens(Purpose.REFERRAL, chance)
        self.referrals += self.referred
        tenure = p.month - self.joined + 1.0
        self.stage = rule.relationship_stage(
            self.purchases,
            tenure,
            self.historical_value / tenure,
            self.tied(p),
            self.affective,
            self.conative,
            self.referrals,
            p,
        )

    def act(self, rule: Any, p: Any) -> None:
        """The last layer of loyalty: what was done, and against which obstacle."""
        noticed = p.loyalty_rival_offer_rate * p.market_openness * p.market_awareness * p.market_attention
        tempted = self.happens(Purpose.RIVAL_OFFER, noticed)
        hurt = 1.0 if self.failed else 0.0
        acted = 1.0 if self.bought else 0.0
        self.obstacle = max(tempted, hurt)
        self.action = rule.action_loyalty(self.action, acted, self.conative, self.obstacle, p)
        self.layer = rule.loyalty_layer(self.cognitive, self.affective, self.conative, self.action, p)

    def perhaps_leave(self, rule: Any, p: Any) -> None:
        """Leave if it has come to that; the chance of it is kept beside what happened."""
        hazard = (
            self.exit_natural
            + self.exit_competitive
            + self.exit_fault
            + self.exit_retaliatory
            + self.baseline
        )
        self.exit_chance = self.hazard = 1.0 - exp(-hazard) * (1.0 - self.exit_payment)
        self.expected_exit += self.exit_chance
        if self.exit_cause:
            self.active = 0.0
            self.left = p.month
            self.cause = self.exit_cause
            self.attributed = rule.attributed_cause(self.cause, self.fault_points, p)

    def forget(self, rule: Any, p: Any) -> None:
        """Offers run out, and neighbours who left fade from memory."""
        self.offer_months = max(self.offer_months - 1.0, 0.0)
        self.neighbours = faded(self.neighbours * exp(-1.0 / p.word_of_mouth_contagion_memory))

    def tied(self, p: Any) -> float:
        """Switching cost as the firm has moved it, points."""
        return clip(self.switching + p.market_switching_cost_shift, 0.0, 100.0)

    # -- chance: every random decision goes through one of these -----------------------------------

    def draw(self, purpose: int) -> float:
        """The number in (0, 1) that decides `purpose` this month."""
        group = purpose >> 2
        if group not in self.hand:
            self.hand[group] = self.around.luck.four(self.id, int(self.around.p.month), group)
        return self.hand[group][purpose & 3]

    def happens(self, purpose: int, chance: float) -> float:
        """1.0 with this chance."""
        return (1.0 if self.draw(purpose) < chance else 0.0) + missing(chance)

    def score(self, purpose: int) -> float:
        """A standard normal number."""
        return normal(self.draw(purpose))

    def count(self, purpose: int, mean: float) -> float:
        """A Poisson count."""
        return poisson(self.draw(purpose), mean) + missing(mean)

    def trials(self, purpose: int, chance: float) -> float:
        """The trial, from 1, at which something of this chance first happens."""
        return max(float(math.ceil(log(1.0 - self.draw(purpose)) / log(1.0 - chance))), 1.0)

    def strikes(self, purpose: int, hazard: float) -> float:
        """When in the month an event of this hazard happens; 1 or more is not this month."""
        return exit_time(self.draw(purpose), hazard)


# A month as a customer, in this order.
STORY = (
    Customer.meet,
    Customer.be_billed,
    Customer.be_satisfied,
    Customer.complain,
    Customer.recover,
    Customer.feel,
    Customer.commit,
    Customer.face_hazards,
    Customer.meet_fate,
    Customer.buy,
    Customer.earn,
    Customer.talk,
    Customer.act,
    Customer.perhaps_leave,
    Customer.forget,
)


def spending_quantile(table: list[list[float]], count: float, score: float, shape: float) -> float:
    """What `count` purchases sum to at a normal score, for a spending rate of one.

    Up to eight purchases by the table, beyond by the Wilson-Hilferty approximation of the gamma
    distribution.
    """
    score = clip(score, -5.999, 5.999)
    if count <= len(table):
        row = table[int(count) - 1]
        at = (score + 6.0) / 12.0 * (len(row) - 1)
        low = int(at)
        return row[low] + (at - low) * (row[low + 1] - row[low])
    shape = count * shape
    return shape * (1.0 - 1.0 / (9.0 * shape) + score / (3.0 * math.sqrt(shape))) ** 3


# -- the firm --------------------------------------------------------------------------------------


class Firm(World):
    """The firm opens each month, lets its customers live it, and closes the books.

    Customers are objects here, and columns for the firm, campaigns and `Run`: what customers became
    is written down at the month's end, what the firm changed is told to them at the next's start.
    """

    again = staticmethod(simulate_process)

    def __init__(
        self,
        scenario: Scenario,
        policies: list[Any],
        key: Key,
        rules: dict[str, Callable[..., Any]],
        events: bool,
        follow: list[int],
    ) -> None:
        super().__init__(scenario, policies, key, rules, events, follow)
        self.around = Surroundings(rule_set(rules), Luck(key), self.spending.tolist())
        self.customers: list[Customer] = []
        self.written = np.zeros((0, self.people.columns), dtype=np.float32)

    def business(
        self,
        env: simpy.Environment,
        months: Iterable[int],
        watch: Callable[[int, WorldView], object] | None = None,
    ) -> Generator[Any, Any, None]:
        """The process of the firm. Time is counted in months."""
        self.next_month = env.event()
        for month in months:
            self.begin(month)
            if watch is not None:
                watch(month, WorldView(self, month))
            self.make_offers(month)
            self.around.open(self.values, self.touchpoints)
            self.tell_customers()
            self.welcome(env)
            opened, self.next_month = self.next_month, env.event()
            opened.succeed()
            yield env.timeout(1)  # every customer lives the month
            self.write_down()
            self.spread_departures(month)
            self.close_month(month)
        if watch is not None:
            watch(month + 1, WorldView(self, month + 1))

    def tell_customers(self) -> None:
        """Offers, returns and departed neighbours reach those concerned."""
        known = len(self.customers)
        now = rows_of(self.people.state, self.people.columns)[:known, :STATE_FIXED]
        for row, column in np.argwhere(now != self.written[:known, :STATE_FIXED]):
            setattr(self.customers[row], STATE_NAMES[column], float(now[row, column]))

    def welcome(self, env: simpy.Environment) -> None:
        """New customers begin their lives."""
        known = len(self.customers)
        ids = self.people.all_ids()[known:].tolist()
        rows = rows_of(self.people.state, self.people.columns)[known : self.people.count].tolist()
        for who, row in zip(ids, rows, strict=True):
            customer = Customer(who, row, self.around)
            self.customers.append(customer)
            env.process(customer.life(self))

    def write_down(self) -> None:
        """Customers' attributes as columns, and the totals of the month."""
        people = self.people
        lasting, passing = attrgetter(*STATE_NAMES), attrgetter(*MONTH_NAMES)
        state = np.array([(*lasting(c), *c.perception) for c in self.customers], dtype=float)
        state = state.reshape(-1, people.columns)
        people.state[: people.blocks] = blocks_of(state)
        self.written = state.astype(np.float32)
        month = np.zeros((len(state), SCRATCH_COLUMNS))
        names = [SCRATCH_INDEX[name] for name in MONTH_NAMES]
        month[:, names] = np.array([passing(c) for c in self.customers]).reshape(-1, len(names))
        first = SCRATCH_INDEX["drop"]
        touchpoints = people.columns - STATE_FIXED
        month[:, first : first + touchpoints] = np.array([c.drops for c in self.customers]).reshape(
            -1, touchpoints
        )
        self.scratch = blocks_of(month)
        columns = dict(zip(STATE_NAMES, state.T[:STATE_FIXED], strict=True))
        columns.update({name: month[:, SCRATCH_INDEX[name]] for name in MONTH_NAMES})
        sums = totals_of(columns)
        self.totals = np.array([sums[name] for name in TOTALS])

    def kept_blocks(self) -> list[int]:
        return list(range(self.people.blocks))


def rows_of(state: np.ndarray, columns: int) -> np.ndarray:
    """Blocks as one row a customer."""
    lanes = state.reshape(len(state), columns, STRIDE)[:, :, :BLOCK]
    return lanes.transpose(0, 2, 1).reshape(-1, columns)


def blocks_of(rows: np.ndarray) -> np.ndarray:
    """One row a customer as blocks, the last one filled up with zeros (float32)."""
    count, columns = rows.shape
    number = -(-count // BLOCK)
    full = np.zeros((number * BLOCK, columns), dtype=np.float32)
    full[:count] = rows
    blocks = np.zeros((number, columns, STRIDE), dtype=np.float32)
    blocks[:, :, :BLOCK] = full.reshape(number, BLOCK, columns).transpose(0, 2, 1)
    return blocks.reshape(number, columns * STRIDE)


def totals_of(c: Mapping[str, np.ndarray]) -> dict[str, float]:
    """The sums of `columns.TOTALS` from the columns of all customers at the month's end."""
    was, here = c["was_active"], c["active"]
    sums = {"customers": here, "at_risk": was}
    for name in ("satisfaction", "expectation", "quality", "value", "trust"):
        sums[name] = c[name] * was
    for k, name in enumerate(("cognitive", "affective", "conative", "action"), start=1):
        sums[f"layer_{name}"] = here * (c["layer"] >= k)
    stages = ("new", "repeat", "long_term", "premium", "lifetime", "advocate")
    for k, name in enumerate(stages, start=1):
        sums[f"stage_{name}"] = here * (c["stage"] == k)
    sums["spurious"] = here * ((c["bought"] > 0) & (c["affective"] < 50))
    for total, name in (
        ("failures", "failed"), ("complaints", "complained"), ("resolved", "resolved"),
        ("delighted", "delighted"), ("purchases", "bought"), ("revenue", "spent"), ("margin", "earned"),
        ("failed_payments", "unpaid"), ("cured_payments", "cured"), ("recommendations", "praise"),
        ("warnings", "warning"), ("referrals", "referred"),
    ):  # fmt: skip
        sums[total] = c[name] * was
    for cause in ChurnCause:
        sums[f"left_{cause.key}"] = was * (c["exit_cause"] == cause)
    sums["attributed_fault"] = was * ((c["exit_cause"] > 0) & (c["attributed"] == ChurnCause.FAULT))
    pulls = {
        "natural": c["exit_natural"],
        "competitive": c["exit_competitive"] + c["baseline"],
        "fault": c["exit_fault"],
        "payment_lapse": c["exit_payment"],
        "retaliatory": c["exit_retaliatory"],
    }
    # The expected departures: the chance of leaving, shared out in proportion to the hazards.
    share = was * c["exit_chance"] / np.maximum(sum(pulls.values()), 1e-30)
    for name, pull in pulls.items():
        sums[f"expected_{name}"] = pull * share
    return {name: float(np.sum(column)) for name, column in sums.items()}


def own_rule_error(error: BaseException, rules: Mapping[str, Callable[..., Any]]) -> RuleError | None:
    """An error inside a user's own rule, told as such; None for any other."""
    names = {getattr(function, "__code__", None): name for name, function in rules.items()}
    who = ""
    frames = list(traceback.walk_tb(error.__traceback__))
    if error.__cause__ is not None:  # SimPy raises what happened in a process anew
        frames += traceback.walk_tb(error.__cause__.__traceback__)
    for frame, line in frames:
        if isinstance(person := frame.f_locals.get("self"), Customer):
            who = f"customer {person.id}, month {person.around.p.month:g}: "
        if name := names.get(frame.f_code):
            given = ", ".join(f"{k}={v:g}" for k, v in frame.f_locals.items() if isinstance(v, float))
            fault = f"{type(error).__name__}: {error}"
            return RuleError(f"{who}rule {name!r} fails in line {line}: {fault}\nwith {given}")
    return None
