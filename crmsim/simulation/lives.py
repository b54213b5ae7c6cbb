"""One customer looked at closely: two lives with and without policies, and one month rule by rule.

Both follow the customer through a run of the compiled engine and live single months again with the
plain rules, from the state in which the engine began them, writing every step down.
"""

from __future__ import annotations

import html
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from ..vocabulary import ChurnCause
from .columns import BLOCK, SCRATCH_COLUMNS, SCRATCH_INDEX, STRIDE
from .compile import PARAMETER_INDEX, rule_set
from .customers import COHORT, REFERRED
from .draws import WORLD, Key, Purpose, make_key, uniform
from .engine import CompiledWorld
from .numeric import exp
from .policies import policies_of
from .process import STATE_NAMES, STORY, Customer, Luck, Served, Surroundings, own_rule_error
from .scenario import Scenario

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# What happens in a month by chance: columns of `Run.lives`.
HAPPENINGS = (
    "met", "failed", "unpaid", "cured", "delighted", "complained", "resolved", "fast", "bought",
    "dropped", "referred", "obstacle", "exit_cause",
)  # fmt: skip

# What the stations settle for a customer, where there is a desk.
TOLD = (
    "met", "failed", "complained", "resolved", "fast", "reason", "called", "waited", "gave_up", "visited",
)  # fmt: skip

# What a purpose decides, in words.
WORDS = {
    Purpose.ENCOUNTER: "the month's experience",
    Purpose.COMPLAINT: "complains",
    Purpose.RESOLUTION: "complaint is resolved",
    Purpose.FAST_ANSWER: "answer is fast",
    Purpose.LEAVE_NATURAL: "natural churn strikes",
    Purpose.LEAVE_COMPETITIVE: "competitive churn strikes",
    Purpose.LEAVE_FAULT: "fault churn strikes",
    Purpose.LEAVE_RETALIATORY: "retaliatory churn strikes",
    Purpose.PAYMENT_FAILS: "payment fails",
    Purpose.PAYMENT_CURED: "payment is cured",
    Purpose.CUT_OFF: "contract is cut off",
    Purpose.DELIGHT: "is surprised",
    Purpose.PURCHASES: "purchases",
    Purpose.SPEND: "spending",
    Purpose.DROPOUT: "purchase at which one drops out",
    Purpose.REFERRAL: "brings a new customer",
    Purpose.RIVAL_OFFER: "notices a rival's offer",
    Purpose.LEAVE_BASELINE: "constant chance of leaving strikes",
    Purpose.WIN_BACK: "returns",
}
LEAVING = (
    Purpose.PAYMENT_FAILS, Purpose.PAYMENT_CURED, Purpose.CUT_OFF, Purpose.DROPOUT, Purpose.LEAVE_BASELINE,
    Purpose.LEAVE_NATURAL, Purpose.LEAVE_COMPETITIVE, Purpose.LEAVE_FAULT, Purpose.LEAVE_RETALIATORY,
)  # fmt: skip


class CustomerError(ValueError):
    """A customer or month that cannot be looked at: says why, and which could."""


# -- a month, step by step -------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    """One step of a month: a rule with its inputs and output, or a draw with what it decided.

    `draw` is the number in (0, 1) drawn and `threshold` the chance it was held against, both None for
    a rule; `threshold` is None too where the draw gives a size. `purpose` is the draw's purpose.
    """

    stage: str
    what: str
    inputs: Mapping[str, float]
    output: float
    draw: float | None = None
    threshold: float | None = None
    purpose: int | None = None
    meaning: str = ""


@lru_cache(maxsize=512)
def _described(rule: Callable[..., float]) -> tuple[list[str], str]:
    """A rule's arguments without the parameters, and what it is: asked again for every month of a life."""
    arguments = [name for name in inspect.signature(rule).parameters if name != "p"]
    return arguments, (inspect.getdoc(rule) or "").split("\n")[0]


class ObservedCustomer(Customer):
    """A customer whose month is written down in `steps`."""

    __slots__ = ("now", "steps", "touchpoint_names")

    def __init__(
        self, who: int, row: Iterable[float], around: Surroundings, touchpoint_names: Iterable[str]
    ) -> None:
        super().__init__(who, row, around)
        self.steps: list[Step] = []
        self.touchpoint_names = list(touchpoint_names)

    def live(self) -> None:
        self.begin()
        rule = SimpleNamespace(**{name: self._noted(name, f) for name, f in vars(self.around.rule).items()})
        for stage in STORY:
            self.now = stage.__name__.replace("_", " ")
            stage(self, rule, self.around.p)

    def _noted(self, name: str, function: Callable[..., float]) -> Callable[..., float]:
        names, meaning = _described(function)

        def noted(*arguments: Any) -> float:
            output = function(*arguments)
            inputs = dict(zip(names, arguments, strict=False))
            self.steps.append(Step(self.now, name, inputs, output, meaning=meaning))
            return output

        return noted

    def _decided(self, purpose: int, output: float, threshold: float | None, **inputs: float) -> float:
        what, draw = self._word(purpose), self.draw(purpose)
        self.steps.append(Step(self.now, what, inputs, output, draw, threshold, int(purpose)))
        return output

    def _word(self, purpose: int) -> str:
        if purpose < Purpose.TOUCHPOINT:
            return WORDS[Purpose(purpose)]
        if purpose >= Purpose.SEVERITY:
            return f"severity at {self.touchpoint_names[purpose - Purpose.SEVERITY]}"
        name = self.touchpoint_names[purpose - Purpose.TOUCHPOINT]
        # One number decides twice: whether the touchpoint is met, and whether it fails.
        before = any(step.purpose == purpose for step in self.steps)
        return f"{name} fails" if before else f"meets {name}"

    def happens(self, purpose: int, chance: float) -> float:
        return self._decided(purpose, super().happens(purpose, chance), chance, **self._factor(purpose))

    def _factor(self, purpose: int) -> dict[str, float]:
        """How many times as often as in the whole town a touchpoint fails for those who live like this."""
        d = purpose - Purpose.TOUCHPOINT
        known = len(self.around.touchpoints) > 1 and 0 <= d < len(self.touchpoint_names)
        if not known or not any(step.purpose == purpose for step in self.steps):
            return {}
        town, here = self.around.average[d], self.around.at(self)[d]
        return {"factor": here.failure / town.failure} if town.failure else {}

    def score(self, purpose: int) -> float:
        return self._decided(purpose, super().score(purpose), None)

    def count(self, purpose: int, mean: float) -> float:
        count = super().count(purpose, mean)
        edges = [cumulative_poisson(count + k, mean) for k in (-1, 0)]
        return self._decided(purpose, count, nearest(self.draw(purpose), edges), mean=mean)

    def trials(self, purpose: int, chance: float) -> float:
        number = super().trials(purpose, chance)
        edges = [1.0 - (1.0 - chance) ** (number + k) for k in (-1, 0)]
        return self._decided(purpose, number, nearest(self.draw(purpose), edges), chance=chance)

    def strikes(self, purpose: int, hazard: float) -> float:
        time = super().strikes(purpose, hazard)
        self._decided(purpose, 1.0 if time < 1.0 else 0.0, 1.0 - exp(-hazard), hazard=hazard)
        return time


def cumulative_poisson(count: float, mean: float) -> float:
    """Chance of at most `count` events."""
    from scipy.special import pdtr

    return float(pdtr(count, mean)) if count >= 0 else 0.0


def nearest(draw: float, edges: Iterable[float]) -> float:
    """The edge that lies nearest to the draw."""
    return min(edges, key=lambda edge: abs(edge - draw))


# -- a customer watched through a run ---------------------------------------------------------------


class Start(NamedTuple):
    """How a month began for a customer: state, levers, touchpoints; what the stations then did."""

    row: list[float]
    values: np.ndarray
    touchpoints: np.ndarray
    served: Served | None = None


class WatchedWorld(CompiledWorld):
    """A compiled world that notes how each month begins for one customer."""

    def __init__(self, scenario: Scenario, policies: list[Any], key: Key, rules: Any, who: int) -> None:
        super().__init__(scenario, policies, key, dict(rules or {}), False, [who], threads=1)
        self.who = who
        self.starts: dict[int, Start] = {}
        self.returns: dict[int, Step] = {}

    def run(self, months: int) -> WatchedWorld:
        for month in range(months):
            self.begin(month)
            self.finish(month)
        return self

    def live(self, month: int) -> None:
        slots = self._followed_slots()
        if slots.size:
            block, lane = divmod(int(slots[0]), BLOCK)
            row = self.people.state[block, np.arange(self.people.columns) * STRIDE + lane].tolist()
            if row[STATE_NAMES.index("active")]:
                self.starts[month] = Start(row, self.values.copy(), self.touchpoints.copy())
        super().live(month)
        if self.service is not None and month in self.starts:
            self._note_service(month, block, lane)

    def _note_service(self, month: int, block: int, lane: int) -> None:
        """What the stations did for the customer, for `observe`."""
        columns = self.scratch[block, np.arange(SCRATCH_COLUMNS) * STRIDE + lane].tolist()
        start = self.starts[month]
        first = SCRATCH_INDEX["drop"]
        drops = columns[first : first + len(self.scenario.touchpoints)]
        told = {name: columns[SCRATCH_INDEX[name]] for name in TOLD}
        self.starts[month] = start._replace(touchpoints=self.touchpoints.copy(), served=Served(told, drops))

    def _win_back(self, rows: np.ndarray, ids: np.ndarray, action: Any, month: int) -> np.ndarray:
        mine = ids == self.who
        if mine.any():
            chance = float(self._chances_to_return(rows[mine], action)[0])
            draw = uniform(self.key, Purpose.WIN_BACK, self.who, month)
            word = WORDS[Purpose.WIN_BACK]
            output = 1.0 if draw < chance else 0.0
            self.returns[month] = Step("offer", word, {}, output, draw, chance, Purpose.WIN_BACK)
        return super()._win_back(rows, ids, action, month)

    def observe(self, month: int) -> ObservedCustomer:
        """The customer after living the month again, step by step with the plain rules."""
        start = self.starts[month]
        around = Surroundings(rule_set(self.rules), Luck(self.key), self.spending.tolist())
        around.open(start.values, start.touchpoints)
        names = [t.name for t in self.scenario.touchpoints]
        customer = ObservedCustomer(self.who, start.row, around, names)
        customer.served = start.served
        try:
            customer.live()
        except Exception as error:
            raise own_rule_error(error, self.rules) or error from None
        return customer

    def row(self) -> int:
        """The row of the customer. Raises `CustomerError` for one who is not there."""
        try:
            return int(self.people.rows_of([self.who])[0])
        except KeyError:
            raise CustomerError(self._absence()) from None

    def _absence(self) -> str:
        joins, number = divmod(self.who, COHORT)
        last = int(self.levers.values[PARAMETER_INDEX["month"]])
        if joins > last:
            return f"no customer {self.who} by month {last}: the number is of one who joins in month {joins}"
        kind = "referred" if number >= REFERRED else "won" if joins else "there at the start"
        first = joins * COHORT + (REFERRED if number >= REFERRED else 0)
        found = dict(zip(self.people.cohort_ids, self.people.cohort_sizes, strict=True))
        those = f"{first} to {first + found[first] - 1}" if first in found else "nobody"
        return f"no customer {self.who}: {kind}{f' in month {joins}' if joins else ''} are {those}"

    def life(self) -> pd.DataFrame:
        """Every month as a customer, a row each (columns as in `Run.lives`)."""
        lives = self.result().lives
        return lives.droplevel("customer") if len(lives) else lives

    def fate(self) -> str:
        """How the life ends, in words."""
        row = np.array([self.row()])
        if self.people.get("active", row)[0]:
            return "stays to the end"
        cause = ChurnCause(int(self.people.get("cause", row)[0]))
        return f"leaves in month {int(self.people.get('left', row)[0])} ({cause.english})"


# -- two lives ---------------------------------------------------------------------------------------


class Decision(NamedTuple):
    """One draw that was held against a chance in both lives."""

    month: int
    what: str
    draw: float
    chance_without: float
    chance_with: float
    outcome_without: float
    outcome_with: float

    def __str__(self) -> str:
        return (
            f"Month {self.month}, {self.what}: drawn {self.draw:.5g}, against {self.chance_without:.5g} "
            f"without ({_told(self.outcome_without)}) and {self.chance_with:.5g} with the policies "
            f"({_told(self.outcome_with)})"
        )


class TwoLives:
    """The same person without and with policies: same traits, same luck, month by month.

    - `without`, `with_policies`: DataFrames, a row for each month lived as a customer: the state at its
      end and what happened in it (columns as in `Run.lives`)
    - `parted`: first month in which something happens in one life only, such as a failure, a
      purchase, an unpaid bill or leaving; None if nothing does. Offers do not count, nor do
      attitudes, which may differ from the first month on.
    - `decisive`: the `Decision` behind the parting: that on leaving if the lives end differently, else
      the first; None if nothing differs
    - `decisions`: DataFrame, every draw held against a chance in both lives
    """

    def __init__(self, without: WatchedWorld, with_policies: WatchedWorld) -> None:
        self._worlds = without, with_policies
        self.customer = without.who
        self.scenario, self.policies, self.key = without.scenario, with_policies.policies, without.key
        self.without, self.with_policies = without.life(), with_policies.life()

    @cached_property
    def parted(self) -> int | None:
        a, b = self.without[list(HAPPENINGS)], self.with_policies[list(HAPPENINGS)]
        months = a.index.union(b.index)
        differs = (a.reindex(months).to_numpy() != b.reindex(months).to_numpy()).any(axis=1)
        return int(months[differs][0]) if differs.any() else None

    @cached_property
    def decisive(self) -> Decision | None:
        if self.parted is None:
            return None
        ends = [(w.fate(), life.index[-1]) for w, life in zip(self._worlds, self._lives(), strict=True)]
        if ends[0] != ends[1]:
            month = int(min(end for _, end in ends))
            for purpose, found in self._month(month):
                if purpose in LEAVING and found.outcome_without != found.outcome_with:
                    return found
        for _, found in self._month(self.parted):
            if found.outcome_without != found.outcome_with:
                return found
        return None

    @cached_property
    def decisions(self) -> pd.DataFrame:
        months = sorted({month for world in self._worlds for month in (*world.starts, *world.returns)})
        found = [decision for month in months for _, decision in self._month(month)]
        return pd.DataFrame(found, columns=list(Decision._fields))

    def _lives(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        return self.without, self.with_policies

    def _month(self, month: int) -> list[tuple[int, Decision]]:
        """The decisions of a month that were taken in both lives, in their order."""
        taken: list[dict[str, Step]] = []
        for world in self._worlds:
            steps = [world.returns[month]] if month in world.returns else []
            if month in world.starts:
                steps += world.observe(month).steps
            taken.append({s.what: s for s in steps if s.draw is not None and s.threshold is not None})
        found = []
        a_lives, b_lives = taken
        for what, a in a_lives.items():
            if (b := b_lives.get(what)) is not None:
                edge = min(a.output, b.output)
                chances = edge_of(a, edge), edge_of(b, edge)
                assert a.purpose is not None and a.draw is not None
                found.append((a.purpose, Decision(month, what, a.draw, *chances, a.output, b.output)))
        # An offer to return is made in one life only: without it nobody returns.
        for what, step in (a_lives | b_lives).items():
            if step.purpose == Purpose.WIN_BACK and not (what in a_lives and what in b_lives):
                assert step.draw is not None and step.threshold is not None
                pairs = ((step.threshold, 0.0), (step.output, 0.0))
                (c0, c1), (o0, o1) = (pair if what in a_lives else pair[::-1] for pair in pairs)
                found.append((step.purpose, Decision(month, what, step.draw, c0, c1, o0, o1)))
        return found

    @property
    def label(self) -> str:
        return " + ".join(p.name for p in self.policies) or "no policy"

    def summary(self) -> pd.DataFrame:
        """Both lives in some numbers: months as a customer, what happened, the last state."""
        columns = {}
        for name, world, life in zip(("without", "with"), self._worlds, self._lives(), strict=True):
            last = life.iloc[-1]
            columns[name] = {
                "end": world.fate(),
                "months": len(life),
                "failures": int(life["failed"].sum()),
                "complaints": int(life["complained"].sum()),
                "purchases": int(life["bought"].sum()),
                "payment failures": int(life["unpaid"].sum()),
                "offers": int(last["offers"]),
                "satisfaction": round(float(last["satisfaction"]), 1),
                "trust": round(float(last["trust"]), 1),
                "layer": int(last["layer"]),
                "historical value": round(float(last["historical_value"]), 2),
            }
        return pd.DataFrame(columns)

    def plot(self, axes: Sequence[Axes] | None = None, language: str = "en") -> np.ndarray:
        """The two lives, one above the other: satisfaction, trust, layer, and what happened in them.

        Returns the two axes.
        """
        from ..plots import two_lives

        decided = f"{self.decisive}\n" if self.decisive else ""
        note = f"{decided}{self.scenario.name}, {self.label}, seed {self.key.seed}"
        return two_lives(
            self.without,
            self.with_policies,
            axes,
            note,
            customer=self.customer,
            parted=self.parted,
            language=language,
        )

    def __repr__(self) -> str:
        ends = [world.fate() for world in self._worlds]
        parted = "the same life" if self.parted is None else f"parted in month {self.parted}"
        return (
            f"TwoLives({self.scenario.name!r}, customer {self.customer}: without {ends[0]}, "
            f"with {self.label} {ends[1]}; {parted})"
        )

    def __str__(self) -> str:
        decided = f"\n{self.decisive}" if self.decisive else ""
        return f"{self!r}{decided}\n{self.summary().to_string()}"

    def _repr_html_(self) -> str:
        decided = f"<p>{html.escape(str(self.decisive))}</p>" if self.decisive else ""
        return f"<p><b>{html.escape(repr(self))}</b></p>{decided}{self.summary().to_html()}"


def edge_of(step: Step, outcome: float) -> float:
    """The chance a draw was held against, between this outcome and the next higher one."""
    if "mean" in step.inputs:
        return cumulative_poisson(outcome, step.inputs["mean"])
    if "chance" in step.inputs:
        return 1.0 - (1.0 - step.inputs["chance"]) ** outcome
    assert step.threshold is not None
    return step.threshold


def counterfactual(
    scenario: Scenario | str,
    policies: Iterable[Any] | Any | None,
    customer: int,
    seed: int = 1,
    *,
    replication: int = 0,
    rules: Mapping[str, Callable[..., Any]] | None = None,
) -> TwoLives:
    """One person's two lives: the same traits and luck, without and with the policies.

    policies: those of the scenario when None. customer: an identity, from 0 for those there at the
    start. Two runs of the whole scenario are made, since others' lives may touch this one's.

    Raises CustomerError for one who is not in both runs, and what `simulate` raises.
    """
    scenario = Scenario.from_name(scenario)
    chosen = policies_of(scenario, scenario.policies if policies is None else policies)
    key, who = make_key(seed, replication), _identity(customer)
    worlds = [WatchedWorld(scenario, some, key, rules, who) for some in ([], chosen)]
    missing = []
    for world in worlds:
        world.run(scenario.population.months)
        try:
            world.row()
        except CustomerError as error:
            missing.append(error)
    if len(missing) == 1:
        where = "with" if worlds[0].starts else "without"
        raise CustomerError(f"there is no second life to compare: {where} the policies {missing[0]}")
    if missing:
        raise missing[0]
    return TwoLives(*worlds)


# -- one month -----------------------------------------------------------------------------------------


class Trace:
    """One customer's month, rule by rule with the numbers: a sequence of `Step`.

    - `steps`: what was decided and computed, in order
    - `before`, `after`: the customer's state at the start and at the end of the month (Series)
    - `table`: the steps as a DataFrame
    """

    def __init__(self, world: WatchedWorld, month: int) -> None:
        self.customer, self.month = world.who, month
        self.scenario, self.policies, self.key = world.scenario, world.policies, world.key
        observed = world.observe(month)
        self.steps = observed.steps
        names = [*STATE_NAMES, *[f"perception_{t.name}" for t in world.scenario.touchpoints]]
        self.before = pd.Series(world.starts[month].row, names, name="before")
        lasting = [getattr(observed, name) for name in STATE_NAMES]
        self.after = pd.Series([*lasting, *observed.perception], names, name="after", dtype=float)

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    def __len__(self) -> int:
        return len(self.steps)

    def __getitem__(self, k: int) -> Step:
        return self.steps[k]

    @property
    def table(self) -> pd.DataFrame:
        """Stage, rule or decision, inputs, output, draw, threshold, meaning: a row a step."""
        rows = [(s.stage, s.what, _inputs(s), s.output, s.draw, s.threshold, s.meaning) for s in self.steps]
        names = ["stage", "what", "inputs", "output", "draw", "threshold", "meaning"]
        return pd.DataFrame(rows, columns=names).astype({"draw": float, "threshold": float})

    @property
    def title(self) -> str:
        policies = " + ".join(p.name for p in self.policies) or "no policy"
        return (
            f"Customer {self.customer} in month {self.month} "
            f"({self.scenario.name}, {policies}, seed {self.key.seed})"
        )

    @property
    def ending(self) -> str:
        """How the month ended, in words."""
        a = self.after
        if not a["active"]:
            cause, root = (ChurnCause(int(a[name])).english for name in ("cause", "attributed"))
            return f"leaves: {cause}" + (f", at root {root}" if root != cause else "")
        return (
            f"stays, with a chance of leaving of {a['hazard']:.3g}: satisfaction {a['satisfaction']:.4g}, "
            f"trust {a['trust']:.4g}, layer {a['layer']:.0f}"
        )

    def __repr__(self) -> str:
        return f"Trace({self.title}: {len(self)} steps, {self.ending})"

    def __str__(self) -> str:
        lines, stage = [self.title], ""
        width = max(len(s.what) for s in self.steps)
        for s in self.steps:
            if s.stage != stage:
                stage = s.stage
                lines.append(f"\n{stage}")
            lines.append(f"  {s.what:<{width}}  {_result(s)}{f'   [{_inputs(s)}]' if s.inputs else ''}")
        return "\n".join([*lines, "", self.ending])

    def _repr_html_(self) -> str:
        rows, stage = [], ""
        for s in self.steps:
            if s.stage != stage:
                stage = s.stage
                rows.append(f"<tr><th colspan=3 style='text-align:left'>{stage}</th></tr>")
            cells = (s.what, _result(s), _inputs(s))
            line = "".join(f"<td style='text-align:left'>{html.escape(cell)}</td>" for cell in cells)
            rows.append(f"<tr title='{html.escape(s.meaning, quote=True)}'>{line}</tr>")
        title, ending = html.escape(self.title), html.escape(self.ending)
        return f"<p><b>{title}</b></p><table>{''.join(rows)}</table><p>{ending}</p>"


def trace(
    scenario: Scenario | str,
    policies: Iterable[Any] | Any | None = None,
    customer: int = 7,
    month: int = 0,
    seed: int = 1,
    *,
    replication: int = 0,
    rules: Mapping[str, Callable[..., Any]] | None = None,
) -> Trace:
    """One customer's month, rule by rule: every input, output, and draw against its threshold.

    The compiled engine runs to the month; the month itself is lived by the plain rules.

    Raises CustomerError for one who is no customer in that month, ValueError for a month outside
    the scenario, and what `simulate` raises.
    """
    scenario = Scenario.from_name(scenario)
    chosen = policies_of(scenario, scenario.policies if policies is None else policies)
    key, who = make_key(seed, replication), _identity(customer)
    last = scenario.population.months - 1
    if isinstance(month, bool) or not isinstance(month, int | np.integer) or not 0 <= month <= last:
        raise ValueError(f"month must be a whole number from 0 to {last}, not {month!r}")
    world = WatchedWorld(scenario, chosen, key, rules, who).run(int(month) + 1)
    world.row()
    if month not in world.starts:
        months = list(world.starts)
        raise CustomerError(
            f"customer {who} {world.fate()}, before month {month}; "
            f"trace a month from {months[0]} to {months[-1]}"
        )
    return Trace(world, int(month))


def _identity(customer: Any) -> int:
    if isinstance(customer, bool) or not isinstance(customer, int | np.integer) or not 0 <= customer < WORLD:
        raise CustomerError(f"a customer is named by a whole number of at least 0, not {customer!r}")
    return int(customer)


def _inputs(step: Step) -> str:
    return ", ".join(f"{name}={value + 0.0:.4g}" for name, value in step.inputs.items())


def _result(step: Step) -> str:
    if step.draw is None:
        return f"= {step.output + 0.0:.5g}"  # the sum turns -0 into 0
    if step.threshold is None:
        return f"= {step.output:.5g}, drawn {step.draw:.5g}"
    return f"{_told(step.output)}, drawn {step.draw:.5g} against {step.threshold:.5g}"


def _told(outcome: float) -> str:
    return {0.0: "no", 1.0: "yes"}.get(outcome, f"{outcome:g}")
