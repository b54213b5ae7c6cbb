"""What the firm does about its customers.

A `Programme` moves the firm's levers for everyone: scenario parameters change with a ramp, a decay
after the end, and a cost. A `Campaign` chooses customers each month from what the firm can see and
makes them offers. `Budget` limits a campaign. Policies are frozen, print well, can be written in a
scenario file or on the command line by name (`policy("dunning:cure=0.8")`), and compose as a list.

Default sizes and costs are assumptions unless a class names a source. Costs are given in bills:
one bill is `scenario.bill`, the mean monthly revenue of a new customer. Numbers of the measures
refer to the ten measures of the course (`vocabulary.Measure`).
"""

from __future__ import annotations

import dataclasses
import difflib
import fnmatch
import math
import re
import time
import traceback
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol, runtime_checkable

import numpy as np

from .compile import GROUP_FIELDS, PARAMETER_INDEX, PARAMETERS, TOUCHPOINT_FIELDS, group_columns
from .customers import CustomerView
from .draws import Purpose
from .scenario import RULE_SECTIONS, Scenario, Touchpoint, bounds

if TYPE_CHECKING:
    import pandas as pd


class PolicyError(ValueError):
    """A policy that cannot be used: says which, what and what to do."""


def setting(default: Any, low: float, high: float, unit: str, meaning: str) -> Any:
    """Declare a policy's number: default, bounds (both allowed), unit, meaning."""
    return field(default=default, metadata={"low": low, "high": high, "unit": unit, "meaning": meaning})


def _check_settings(owner: Any) -> None:
    """Raises `PolicyError` for a field of the wrong kind or beyond its bounds."""
    who = type(owner).__name__
    for item in dataclasses.fields(owner):
        value = getattr(owner, item.name)
        kind = item.type if isinstance(item.type, str) else getattr(item.type, "__name__", str(item.type))
        if kind == "str" and not isinstance(value, str):
            raise PolicyError(f"{who}: {item.name} must be a word, not {value!r}")
        if not kind.startswith(("int", "float")) or (value is None and "None" in kind):
            continue
        number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
        if not number or not math.isfinite(value):
            raise PolicyError(f"{who}: {item.name} must be a number, not {value!r}")
        if kind.startswith("int") and value != int(value):
            raise PolicyError(f"{who}: {item.name} must be a whole number, not {value!r}")
        if item.metadata and not item.metadata["low"] <= value <= item.metadata["high"]:
            low, high, unit = (item.metadata[key] for key in ("low", "high", "unit"))
            raise PolicyError(
                f"{who}: {item.name} must be from {low:,.12g} to {high:,.12g} ({unit}), not {value!r}"
            )


# -- levers --------------------------------------------------------------------------------------


class Change(NamedTuple):
    """A change of one lever at full effect: value x multiply + add, held within its bounds.

    `lever` is `section.field`, or `touchpoints.NAME.field` where NAME may be a pattern such as `*`.
    `where` restricts touchpoints by an attribute, such as ("level", "spiritual"). `districts` and
    `segments` restrict the change to those who live there and are of that kind (empty: to nobody in
    particular); then the lever is a touchpoint's quality, exposure, failure or severity.
    """

    lever: str
    add: float = 0.0
    multiply: float = 1.0
    where: tuple[str, str] | None = None
    districts: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()


class Levers:
    """The scenario's numbers in one month, as programmes and rivals have moved them.

    values: in the order of `compile.PARAMETERS`; touchpoints: rows of `compile.touchpoint_values`.
    """

    def __init__(self, scenario: Scenario, values: np.ndarray, touchpoints: np.ndarray) -> None:
        self.scenario = scenario
        self.values = values
        self.touchpoints = touchpoints

    def apply(self, change: Change, intensity: float) -> None:
        """Move a lever by the part `intensity` (0 to 1 or more) of the change."""
        if change.lever.startswith("touchpoints."):
            _, pattern, name = change.lever.split(".")
            low, high = _TOUCHPOINT_BOUNDS[name]
            columns = self.columns(name, change.districts, change.segments)
            for d in self.matching(pattern, change.where):
                for k in columns:
                    self.touchpoints[d, k] = _moved(self.touchpoints[d, k], change, intensity, low, high)
            if change.districts or change.segments:
                self._average(name)
        else:
            k = PARAMETER_INDEX[change.lever.replace(".", "_")]
            low, high = _BOUNDS[k]
            self.values[k] = _moved(self.values[k], change, intensity, low, high)

    def columns(self, name: str, districts: Sequence[str] = (), segments: Sequence[str] = ()) -> np.ndarray:
        """Columns of `touchpoints` that hold a field: its own and each group's, or those of some groups."""
        own, town = [TOUCHPOINT_FIELDS.index(name)], self.scenario.town
        if town is None or name not in GROUP_FIELDS:
            return np.array(own)
        groups = group_columns(GROUP_FIELDS.index(name), town.size)
        if districts or segments:
            return groups[town.among(districts, segments)]
        return np.concatenate([own, groups])

    def _average(self, name: str) -> None:
        """What the town has on average of a field that was moved for some."""
        assert self.scenario.town is not None
        groups = self.touchpoints[:, self.columns(name)[1:]]
        self.touchpoints[:, TOUCHPOINT_FIELDS.index(name)] = groups @ self.scenario.town.share

    def shift_touchpoints(self, by: np.ndarray) -> None:
        """Add to the touchpoints' rows, within the bounds of each field."""
        fields = len(TOUCHPOINT_FIELDS)
        groups = (self.touchpoints.shape[1] - fields) // len(GROUP_FIELDS)
        for d, k in np.argwhere(by):
            name = TOUCHPOINT_FIELDS[k] if k < fields else GROUP_FIELDS[(k - fields) // groups]
            low, high = _TOUCHPOINT_BOUNDS[name]
            self.touchpoints[d, k] = min(max(self.touchpoints[d, k] + by[d, k], low), high)

    def matching(self, pattern: str, where: tuple[str, str] | None) -> list[int]:
        return [
            d
            for d, t in enumerate(self.scenario.touchpoints)
            if fnmatch.fnmatchcase(t.name, pattern) and (where is None or getattr(t, where[0]) == where[1])
        ]


def _moved(value: float, change: Change, intensity: float, low: float, high: float) -> float:
    moved = value + intensity * (value * (change.multiply - 1.0) + change.add)
    return min(max(moved, low), high)


def _section_of(name: str) -> str:
    return next((s for s in RULE_SECTIONS if name.startswith(s + "_")), "")


def _all_bounds() -> dict[int, tuple[float, float]]:
    found = {}
    for k, name in enumerate(PARAMETERS):
        section = _section_of(name)
        if not section:
            continue
        model = Scenario.model_fields[section].annotation
        assert model is not None
        low, high = bounds(model.model_fields[name[len(section) + 1 :]])
        found[k] = (-math.inf if low is None else low, math.inf if high is None else high)
    return found


_BOUNDS = _all_bounds()
_LEVERS = [f"{s}.{name[len(s) + 1 :]}" for name in PARAMETERS if (s := _section_of(name))]
_TOUCHPOINT_BOUNDS = {
    name: tuple(map(float, bounds(Touchpoint.model_fields[name])))  # type: ignore[arg-type]
    for name in TOUCHPOINT_FIELDS
    if name in Touchpoint.model_fields
}


# Read once, when the world or a customer begins: moving them later would move nothing.
_FIXED = (
    "population.size", "population.months", "population.initial_share", "market.size",
    "churn.frailty_shape", "churn.mobility_shape", "churn.baseline_a", "churn.baseline_b",
    "purchase.contract", "purchase.rate_shape", "purchase.spend_shape", "purchase.spend_heterogeneity",
    "purchase.dropout_a", "purchase.dropout_b", "payment.payer_shape", "acquisition.cost",
    "firm.discount_rate", "service.dispersion", "service.common_events",
)  # fmt: skip


def check_change(change: Change, scenario: Scenario, owner: str) -> None:
    """Raises `PolicyError` when a change names a lever the scenario does not have or cannot move."""
    if not isinstance(change, Change):
        raise PolicyError(f"{owner}: moves are Change(lever, add=..., multiply=...), not {change!r}")
    for name in ("add", "multiply"):
        value = getattr(change, name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise PolicyError(f"{owner}: {name} of {change.lever} must be a number, not {value!r}")
    if change.where is not None and change.where[0] not in ("level", "phase", "kind", "name"):
        raise PolicyError(f"{owner}: where takes level, phase, kind or name, not {change.where[0]!r}")
    _check_where(change, scenario, owner)
    if change.lever in _FIXED:
        raise PolicyError(f"{owner}: {change.lever} is settled at the start; a policy cannot move it")
    if change.lever.startswith("touchpoints."):
        parts = change.lever.split(".")
        if len(parts) != 3 or parts[2] not in _TOUCHPOINT_BOUNDS:
            raise PolicyError(
                f"{owner}: unknown lever {change.lever!r}; touchpoints have {', '.join(_TOUCHPOINT_BOUNDS)}"
            )
        levers = Levers(scenario, np.zeros(0), np.zeros((0, 0)))
        if not levers.matching(parts[1], change.where):
            names = ", ".join(t.name for t in scenario.touchpoints)
            kind = f" of {change.where[0]} {change.where[1]}" if change.where else ""
            raise PolicyError(f"{owner}: no touchpoint{kind} called {parts[1]!r}; the scenario has {names}")
        return
    if change.lever not in _LEVERS:
        near = difflib.get_close_matches(change.lever, _LEVERS, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise PolicyError(f"{owner}: unknown lever {change.lever!r}{hint}")


def _check_where(change: Change, scenario: Scenario, owner: str) -> None:
    """Raises `PolicyError` when a change is for districts or segments that cannot have one of their own."""
    for kind in ("districts", "segments"):
        wanted = getattr(change, kind)
        if not wanted:
            continue
        known = [part.name for part in getattr(scenario, kind)]
        if not known:
            raise PolicyError(f"{owner}: the scenario has no {kind}; declare them as [[{kind}]]")
        for name in wanted:
            if name not in known:
                raise PolicyError(f"{owner}: no {kind[:-1]} {name!r}; the scenario has {', '.join(known)}")
        if not change.lever.startswith("touchpoints.") or change.lever.split(".")[-1] not in GROUP_FIELDS:
            raise PolicyError(
                f"{owner}: {change.lever} is the same for everyone; in some {kind} only the "
                f"{', '.join(GROUP_FIELDS)} of touchpoints can be moved"
            )


@dataclass(frozen=True)
class Cost:
    """What a programme costs while it runs, in bills unless said otherwise.

    per_customer: a month; one_off: a customer, once at the start; fixed: a month, whatever the
    number of customers; per_complaint, per_failed_payment, per_delight, per_referral: an event;
    revenue_share: part of revenue.
    """

    per_customer: float = 0.0
    one_off: float = 0.0
    fixed: float = 0.0
    per_complaint: float = 0.0
    per_failed_payment: float = 0.0
    per_delight: float = 0.0
    per_referral: float = 0.0
    revenue_share: float = 0.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not (isinstance(value, int | float) and math.isfinite(value) and value >= 0):
                raise PolicyError(f"cost {name} must be a number of at least 0, not {value!r}")

    def of_month(self, totals: Mapping[str, float], bill: float, first: bool) -> float:
        """Money spent in a month with these totals; `first` is the month the programme starts."""
        bills = (
            self.per_customer * totals["at_risk"]
            + self.fixed
            + self.per_complaint * totals["complaints"]
            + self.per_failed_payment * totals["failed_payments"]
            + self.per_delight * totals["delighted"]
            + self.per_referral * totals["referrals"]
            + (self.one_off * totals["at_risk"] if first else 0.0)
        )
        return bills * bill + self.revenue_share * totals["revenue"]


# -- programmes ------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What all policies have: when they run, and a name."""

    start: int = setting(0, 0, 600, "month", "first month it runs in")
    stop: int | None = setting(None, 1, 601, "month", "first month it no longer runs in")
    label: str = ""

    def __post_init__(self) -> None:
        _check_settings(self)
        if self.stop is not None and self.stop <= self.start:
            raise PolicyError(
                f"{type(self).__name__}: stop ({self.stop}) must come after start ({self.start})"
            )

    @property
    def name(self) -> str:
        return self.label or _snake(type(self).__name__)

    def runs_in(self, month: int) -> bool:
        """Whether money is spent in this month."""
        return self.start <= month and (self.stop is None or month < self.stop)

    @classmethod
    def table(cls) -> pd.DataFrame:
        """The policy's numbers: name, default, unit, lowest, highest, meaning."""
        import pandas as pd

        rows = [
            {
                "name": item.name,
                "default": item.default,
                "unit": item.metadata["unit"],
                "lowest": item.metadata["low"],
                "highest": item.metadata["high"],
                "meaning": item.metadata["meaning"],
            }
            for item in dataclasses.fields(cls)
            if item.metadata
        ]
        return pd.DataFrame(rows).set_index("name")


@dataclass(frozen=True, kw_only=True)
class Programme(Policy):
    """Moves levers for every customer, or for those of some districts and segments.

    The effect ramps up over `ramp` months, and after `stop` decays with `half_life` months.
    `effort` scales spending: cost in proportion, effect with diminishing returns,
    (1 - exp(-effort)) / (1 - exp(-1)). A Programme of one's own is given its `moves` and `costs`.

    districts, segments: names, to limit the programme to those who live there or are of that kind; it
    then may move only touchpoints' quality, exposure, failure and severity, and costs in proportion to
    the customers concerned (what is fixed, in full). Others notice through the service desk alone, if at
    all. On the command line several names are joined by +.
    """

    ramp: int = setting(3, 0, 120, "months", "months until the full effect")
    half_life: float = setting(6.0, 0, 600, "months", "half-life of the effect after the stop")
    effort: float = setting(1.0, 0, 100, "x the usual", "spending, with diminishing returns")
    moves: tuple[Change, ...] = ()
    costs: Cost = field(default_factory=Cost)
    districts: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        for kind in ("districts", "segments"):
            given = getattr(self, kind)
            names = tuple(given.split("+")) if isinstance(given, str) else given
            if not isinstance(names, tuple | list) or not all(isinstance(n, str) and n for n in names):
                raise PolicyError(f"{self.name}: {kind} must be a list of names, not {given!r}")
            object.__setattr__(self, kind, tuple(names))
        if not isinstance(self.costs, Cost):
            raise PolicyError(f"{self.name}: costs must be a Cost, not {self.costs!r}")
        if isinstance(self.moves, Change) or not isinstance(self.moves, tuple | list):
            raise PolicyError(f"{self.name}: moves must be a list of Change, not {self.moves!r}")
        object.__setattr__(self, "moves", tuple(self.moves))

    def changes(self, scenario: Scenario) -> Sequence[Change]:
        """The levers at full effect."""
        return self.moves

    def cost(self, scenario: Scenario) -> Cost:
        return self.costs

    def check(self, scenario: Scenario) -> None:
        """Raises `PolicyError` when the scenario lacks a lever."""
        for change in self.limited(scenario):
            check_change(change, scenario, self.name)
        # One that moves levers in its own way is checked for its districts all the same.
        some = Change("touchpoints.*.failure", districts=self.districts, segments=self.segments)
        _check_where(some, scenario, self.name)

    @property
    def where(self) -> dict[str, tuple[str, ...]]:
        """The districts and segments that it is for, as fields of a `Change`."""
        return {"districts": self.districts, "segments": self.segments}

    def limited(self, scenario: Scenario) -> Sequence[Change]:
        """The levers at full effect, moved where the programme is for."""
        if not any(self.where.values()):
            return self.changes(scenario)
        return [
            change._replace(
                districts=change.districts or self.districts, segments=change.segments or self.segments
            )
            for change in self.changes(scenario)
        ]

    def intensity(self, month: int) -> float:
        """Part of the full effect in this month, before effort."""
        if month < self.start:
            return 0.0
        last = month if self.stop is None else min(month, self.stop - 1)
        reached = min(1.0, (last - self.start + 1) / self.ramp) if self.ramp else 1.0
        if self.stop is not None and month >= self.stop:
            waited = month - self.stop + 1
            reached *= 0.5 ** (waited / self.half_life) if self.half_life else 0.0
        return reached

    @property
    def strength(self) -> float:
        """Factor of effort on the effect; 1 at effort 1."""
        return (1.0 - math.exp(-self.effort)) / (1.0 - math.exp(-1.0))

    def adjust(self, levers: Levers, month: int) -> None:
        """Move the levers for this month."""
        part = self.intensity(month) * self.strength
        if part:
            for change in self.limited(levers.scenario):
                levers.apply(change, part)


@dataclass(frozen=True, kw_only=True)
class QualityControl(Programme):
    """Measure 1, control quality: every touchpoint's quality rises by `points`."""

    points: float = setting(3.0, -50, 50, "points", "rise of quality")
    touchpoint: str = "*"

    def changes(self, scenario: Scenario) -> Sequence[Change]:
        return (Change(f"touchpoints.{self.touchpoint}.quality", add=self.points),)

    def cost(self, scenario: Scenario) -> Cost:
        return Cost(per_customer=0.02 * self.effort)


@dataclass(frozen=True, kw_only=True)
class FaultReduction(Programme):
    """Measure 1, control quality: failures of the named touchpoints times `factor`."""

    factor: float = setting(0.5, 0, 5, "factor", "failures left")
    touchpoint: str = "*"

    def changes(self, scenario: Scenario) -> Sequence[Change]:
        return (Change(f"touchpoints.{self.touchpoint}.failure", multiply=self.factor),)

    def cost(self, scenario: Scenario) -> Cost:
        return Cost(per_customer=0.02 * self.effort)


@dataclass(frozen=True, kw_only=True)
class PriceCut(Programme):
    """Measure 1, control price: the price falls by `share`; what it costs is margin."""

    share: float = setting(0.05, -1, 0.95, "share of the price", "cut; below zero a rise")
    ramp: int = setting(0, 0, 120, "months", "months until the full effect")

    def changes(self, scenario: Scenario) -> Sequence[Change]:
        return (Change("value.price", multiply=1.0 - self.share),)


@dataclass(frozen=True, kw_only=True)
class ProductTraining(Programme):
    """Measure 2, staff know the product: steadier encounters, fewer failures, better answers."""

    def changes(self, scenario: Scenario) -> Sequence[Change]:
        return (
            Change("satisfaction.encounter_sd", multiply=0.9),
            Change("touchpoints.*.failure", multiply=0.95),
            Change("complaint.resolved", add=0.05),
        )

    def cost(self, scenario: Scenario) -> Cost:
        return Cost(per_customer=0.005 * self.effort)


@dataclass(frozen=True, kw_only=True)
class CustomerInsight(Programme):
    """Measure 3, know the customer: more are asked, and the firm's scores come nearer the truth.

    A share that is already as high stays as it is.
    """

    survey_share: float = setting(0.20, 0, 1, "share", "customers asked a month")
    validity: float = setting(0.2, 0, 1, "correlation", "gain of the scores' correlation with the truth")

    def changes(self, scenario: Scenario) -> Sequence[Change]:
        return (
            Change("firm.survey_share", add=max(0.0, self.survey_share - scenario.firm.survey_share)),
            Change("firm.score_validity", add=self.validity),
        )

    def cost(self, scenario: Scenario) -> Cost:
        return Cost(per_customer=0.01 * self.effort)


@dataclass(frozen=True, kw_only=True)
class ServiceQuality(Programme):
    """Measure 4, service quality: touchpoints of the spiritual level (form and service) improve."""

    points: float = setting(4.0, -50, 50, "points", "rise of quality")

    def changes(self, scenario: Scenario) -> Sequence[Change]:
        return (Change("touchpoints.*.quality", add=self.points, where=("level", "spiritual")),)

    def cost(self, scenario: Scenario) -> Cost:
        return Cost(per_customer=0.015 * self.effort)


@dataclass(frozen=True, kw_only=True)
class SatisfactionFeedback(Programme):
    """Measure 5, measure and close the loop: each quarter the worst touchpoint is mended.

    Worst is the largest weight x exposure x failure x severity; its failures are multiplied by
    `factor`, never below `floor` of what they were (plan, do, check, act). After the stop the work
    decays with `half_life`; there is no ramp.
    """

    factor: float = setting(0.85, 0, 1, "factor", "failures left after a quarter's work")
    floor: float = setting(0.4, 0, 1, "factor", "failures left at least")

    def adjust(self, levers: Levers, month: int) -> None:
        last = month if self.stop is None else min(month, self.stop - 1)
        cycles = (last - self.start) // 3 if last >= self.start else 0
        share = np.ones(len(levers.touchpoints))
        at = {name: k for k, name in enumerate(TOUCHPOINT_FIELDS)}
        t = levers.touchpoints
        harm = t[:, at["weight"]] * t[:, at["exposure"]] * t[:, at["failure"]] * t[:, at["severity"]]
        for _ in range(cycles):
            open_ones = np.flatnonzero(share > self.floor)
            if not open_ones.size:
                break
            worst = open_ones[np.argmax((harm * share)[open_ones])]
            share[worst] = max(self.floor, share[worst] * (1 - (1 - self.factor) * self.strength))
        since = max(0, month - last)
        lasting = 0.5 ** (since / self.half_life) if self.half_life else float(since == 0)
        t[:, levers.columns("failure", **self.where)] *= (1 - lasting * (1 - share))[:, None]
        if any(self.where.values()):
            levers._average("failure")

    def cost(self, scenario: Scenario) -> Cost:
        return Cost(per_customer=0.01 * self.effort)


@dataclass(frozen=True, kw_only=True)
class Delight(Programme):
    """Measure 6, exceed expectations: a surprise of `points` for `share` of customers a month."""

    share: float = setting(0.10, 0, 1, "share of months", "customers surprised in a month")
    points: float = setting(15.0, 0, 60, "points", "size of the surprise")

    def changes(self, scenario: Scenario) -> Sequence[Change]:
        return (
            Change("satisfaction.delight_share", add=self.share),
            Change("satisfaction.delight_points", add=self.points - scenario.satisfaction.delight_points),
        )

    def cost(self, scenario: Scenario) -> Cost:
        return Cost(per_delight=0.02 * self.effort)


@dataclass(frozen=True, kw_only=True)
class Personalisation(Programme):
    """Measure 7, individual needs: the offer fits each customer better, by `points` of quality."""

    points: float = setting(2.0, -50, 50, "points", "rise of quality")

    def changes(self, scenario: Scenario) -> Sequence[Change]:
        return (Change("touchpoints.*.quality", add=self.points),)

    def cost(self, scenario: Scenario) -> Cost:
        return Cost(per_customer=0.02 * self.effort)


@dataclass(frozen=True, kw_only=True)
class ComplaintHandling(Programme):
    """Measure 8, handle complaints: more are resolved, more of them fast.

    The two shares rise to `resolved` and `fast`; one that is already as high stays as it is.
    """

    resolved: float = setting(0.8, 0, 1, "share", "complaints that are resolved")
    fast: float = setting(0.8, 0, 1, "share", "resolved complaints that are resolved fast")

    def changes(self, scenario: Scenario) -> Sequence[Change]:
        c = scenario.complaint
        return (
            Change("complaint.resolved", add=max(0.0, self.resolved - c.resolved)),
            Change("complaint.fast", add=max(0.0, self.fast - c.fast)),
        )

    def cost(self, scenario: Scenario) -> Cost:
        return Cost(per_complaint=0.3 * self.effort)


@dataclass(frozen=True, kw_only=True)
class EncourageComplaints(Programme):
    """Measure 8, ask for complaints: more problems are voiced (Fornell & Wernerfelt 1987)."""

    logit: float = setting(1.0, -10, 10, "logit", "rise of the propensity to complain")

    def changes(self, scenario: Scenario) -> Sequence[Change]:
        return (Change("complaint.intercept", add=self.logit),)

    def cost(self, scenario: Scenario) -> Cost:
        return Cost(per_customer=0.001 * self.effort)


@dataclass(frozen=True, kw_only=True)
class Simplify(Programme):
    """Measure 9, simple procedures: less effort to buy and to complain, felt as a fairer price."""

    fairness: float = setting(2.0, -50, 50, "points", "rise of felt price fairness")
    effort_cut: float = setting(0.3, -10, 10, "logit", "fall of the effort to complain")

    def changes(self, scenario: Scenario) -> Sequence[Change]:
        return (
            Change("value.fairness_shift", add=self.fairness),
            Change("complaint.effort", add=-self.effort_cut),
        )

    def cost(self, scenario: Scenario) -> Cost:
        return Cost(one_off=0.1 * self.effort)


@dataclass(frozen=True, kw_only=True)
class StaffSkill(Programme):
    """Measure 10, staff skill (in the other list: serving internal customers).

    Staff `points` better make service touchpoints 0.26 points better each (Sears: +5 in employee
    attitude gave +1.3 in customer impression).
    """

    points: float = setting(5.0, -100, 100, "points", "rise of staff skill")

    def changes(self, scenario: Scenario) -> Sequence[Change]:
        return (Change("touchpoints.*.quality", add=0.26 * self.points),)

    def cost(self, scenario: Scenario) -> Cost:
        return Cost(per_customer=0.02 * self.effort)


@dataclass(frozen=True, kw_only=True)
class Dunning(Programme):
    """Reminders and retries: the share of failed payments that are cured rises to `cure`.

    Where it is already as high, reminders change nothing.
    """

    cure: float = setting(0.75, 0, 1, "share", "failed payments that are cured")

    def changes(self, scenario: Scenario) -> Sequence[Change]:
        return (Change("payment.cure", add=max(0.0, self.cure - scenario.payment.cure)),)

    def cost(self, scenario: Scenario) -> Cost:
        return Cost(per_customer=0.005 * self.effort, per_failed_payment=0.02 * self.effort)


@dataclass(frozen=True, kw_only=True)
class PaymentChannels(Programme):
    """More ways to pay: customers move from paying by hand and card to direct debit.

    `manual` and `card` are the shares kept of those who paid so.
    """

    manual: float = setting(0.5, 0, 1, "factor", "payers by hand who remain so")
    card: float = setting(0.6, 0, 1, "factor", "payers by card who remain so")

    def changes(self, scenario: Scenario) -> Sequence[Change]:
        return (
            Change("payment.manual_share", multiply=self.manual),
            Change("payment.card_share", multiply=self.card),
        )

    def cost(self, scenario: Scenario) -> Cost:
        pay = scenario.payment
        moved = pay.manual_share * (1 - self.manual) + pay.card_share * (1 - self.card)
        return Cost(one_off=0.2 * moved * self.effort)


@dataclass(frozen=True, kw_only=True)
class SwitchingContract(Programme):
    """Contract, points, data lock: switching costs `points` more, for a `discount`.

    Retains by tying; watch the spurious loyalty it makes.
    """

    points: float = setting(10.0, -100, 100, "points", "rise of switching costs")
    discount: float = setting(0.03, -1, 0.95, "share of the price", "price of the contract")

    def changes(self, scenario: Scenario) -> Sequence[Change]:
        return (
            Change("market.switching_cost_shift", add=self.points),
            Change("value.price", multiply=1.0 - self.discount),
        )


@dataclass(frozen=True, kw_only=True)
class LoyaltyProgramme(Programme):
    """Points for purchases: light buyers buy a little more, heavy ones hardly, both are tied.

    The order of effects follows Liu 2007; heavy buyers collect most of the rewards.
    """

    light: float = setting(0.05, -1, 5, "share", "rise of a light buyer's purchase rate")
    heavy: float = setting(0.01, -1, 5, "share", "rise of a heavy buyer's purchase rate")
    points: float = setting(4.0, -100, 100, "points", "rise of switching costs")
    reward: float = setting(0.015, 0, 1, "share of revenue", "cost of the points")

    def changes(self, scenario: Scenario) -> Sequence[Change]:
        return (
            Change("purchase.light_boost", add=self.light),
            Change("purchase.heavy_boost", add=self.heavy),
            Change("market.switching_cost_shift", add=self.points),
        )

    def cost(self, scenario: Scenario) -> Cost:
        return Cost(revenue_share=self.reward * self.effort)


@dataclass(frozen=True, kw_only=True)
class ReferralReward(Programme):
    """A reward for each new customer brought: imitation times `factor`."""

    factor: float = setting(1.5, 0, 20, "factor", "imitation")

    def changes(self, scenario: Scenario) -> Sequence[Change]:
        return (Change("acquisition.imitation", multiply=self.factor),)

    def cost(self, scenario: Scenario) -> Cost:
        return Cost(per_referral=0.8 * self.effort)


@dataclass(frozen=True, kw_only=True)
class FourProblems(Programme):
    """The water utility's four problems: stoppages, ways to pay, turbid water, charges in error."""

    stoppage: float = setting(0.7, 0, 5, "factor", "stoppages left")
    turbidity: float = setting(0.6, 0, 5, "factor", "failures of water quality left")
    billing: float = setting(0.5, 0, 5, "factor", "billing errors left")

    def changes(self, scenario: Scenario) -> Sequence[Change]:
        return (
            Change("touchpoints.supply.failure", multiply=self.stoppage),
            Change("touchpoints.water_quality.failure", multiply=self.turbidity),
            Change("touchpoints.billing.failure", multiply=self.billing),
            Change("payment.manual_share", multiply=0.6),
        )

    def cost(self, scenario: Scenario) -> Cost:
        return Cost(per_customer=0.05 * self.effort)


@dataclass(frozen=True, kw_only=True)
class ServiceProgramme(Programme):
    """A programme for the people customers wait for; only in a scenario with a service desk."""

    ramp: int = setting(0, 0, 120, "months", "months until the full effect")
    half_life: float = setting(0.0, 0, 600, "months", "half-life of the effect after the stop")

    def check(self, scenario: Scenario) -> None:
        if scenario.service.desk == "none":
            raise PolicyError(
                f'{self.name}: the scenario {scenario.name!r} has no service desk; set service.desk to "fast"'
            )
        super().check(scenario)


@dataclass(frozen=True, kw_only=True)
class HireAgents(ServiceProgramme):
    """More agents on the hotline, all day; with a ramp the last one begins part of the day."""

    agents: float = setting(2.0, -1_000, 1_000, "agents", "agents more")
    wage: float = setting(150.0, 0, 10_000, "bills", "cost of an agent a month")

    def changes(self, scenario: Scenario) -> Sequence[Change]:
        return (Change("service.agents", add=self.agents),)

    def cost(self, scenario: Scenario) -> Cost:
        return Cost(fixed=max(self.agents, 0.0) * self.wage * self.effort)


@dataclass(frozen=True, kw_only=True)
class TrainAgents(ServiceProgramme):
    """Train those on the phone: more solved at an answer, shorter calls, kinder words."""

    resolved: float = setting(0.1, -1, 1, "share", "answers that solve it, more")
    handling: float = setting(0.9, 0.1, 5, "factor", "handling time left")
    courtesy: float = setting(4.0, -50, 50, "points", "kindness felt")
    ramp: int = setting(3, 0, 120, "months", "months until the full effect")
    half_life: float = setting(12.0, 0, 600, "months", "half-life of the effect after the stop")
    price: float = setting(15.0, 0, 10_000, "bills", "cost of training an agent a month")

    def changes(self, scenario: Scenario) -> Sequence[Change]:
        return (
            Change("complaint.resolved", add=self.resolved),
            Change("service.question_resolved", add=self.resolved),
            Change("service.handling", multiply=self.handling),
            Change("service.courtesy", add=self.courtesy),
        )

    def cost(self, scenario: Scenario) -> Cost:
        staff = scenario.service.agents + sum(shift.agents for shift in scenario.service.shifts)
        return Cost(fixed=staff * self.price * self.effort)


@dataclass(frozen=True, kw_only=True)
class ExtendHours(ServiceProgramme):
    """The hotline, the office and the counter close later, with the same people at once."""

    hours: float = setting(3.0, -12, 12, "hours", "closing later")
    wage: float = setting(150.0, 0, 10_000, "bills", "cost of an agent for a month of usual days")

    def changes(self, scenario: Scenario) -> Sequence[Change]:
        return (Change("service.open_to", add=self.hours),)

    def check(self, scenario: Scenario) -> None:
        super().check(scenario)
        service = scenario.service
        if service.open_to + self.hours * max(self.strength, 1.0) <= service.open_from:
            raise PolicyError(
                f"{self.name}: {-self.hours:g} hours fewer leave none; {scenario.name!r} is open from "
                f"{service.open_from:g} to {service.open_to:g}"
            )

    def cost(self, scenario: Scenario) -> Cost:
        service = scenario.service
        longer = max(self.hours, 0.0) / (service.open_to - service.open_from)
        people = service.agents + service.clerks + service.counter_clerks
        return Cost(fixed=longer * people * self.wage * self.effort)


@dataclass(frozen=True, kw_only=True)
class SelfService(ServiceProgramme):
    """A further channel: a voice menu or website answers a share of the questions."""

    share: float = setting(0.3, 0, 1, "share", "questions that need no agent")
    ramp: int = setting(6, 0, 120, "months", "months until the full effect")
    price: float = setting(0.002, 0, 1, "bills", "cost a customer and month")

    def changes(self, scenario: Scenario) -> Sequence[Change]:
        return (Change("service.self_service", add=self.share),)

    def cost(self, scenario: Scenario) -> Cost:
        return Cost(per_customer=self.price * self.effort)


@dataclass(frozen=True, kw_only=True)
class RaiseCrews(ServiceProgramme):
    """More field crews: repairs begin sooner."""

    crews: float = setting(1.0, -100, 100, "crews", "crews more")
    wage: float = setting(500.0, 0, 10_000, "bills", "cost of a crew a month")

    def changes(self, scenario: Scenario) -> Sequence[Change]:
        return (Change("service.crews", add=self.crews),)

    def cost(self, scenario: Scenario) -> Cost:
        return Cost(fixed=max(self.crews, 0.0) * self.wage * self.effort)


@dataclass(frozen=True, kw_only=True)
class HireClerks(ServiceProgramme):
    """More people who answer formal complaints."""

    clerks: float = setting(1.0, -100, 100, "clerks", "clerks more")
    wage: float = setting(150.0, 0, 10_000, "bills", "cost of a clerk a month")

    def changes(self, scenario: Scenario) -> Sequence[Change]:
        return (Change("service.clerks", add=self.clerks),)

    def cost(self, scenario: Scenario) -> Cost:
        return Cost(fixed=max(self.clerks, 0.0) * self.wage * self.effort)


@dataclass(frozen=True, kw_only=True)
class NoticesBySms(ServiceProgramme):
    """Planned stops are announced in time by text message."""

    share: float = setting(0.95, 0, 1, "share", "planned stops announced in time")
    price: float = setting(0.0005, 0, 1, "bills", "cost a customer and month")

    def changes(self, scenario: Scenario) -> Sequence[Change]:
        return (Change("service.notified", add=max(0.0, self.share - scenario.service.notified)),)

    def check(self, scenario: Scenario) -> None:
        super().check(scenario)
        if not any(t.planned > 0 for t in scenario.touchpoints):
            raise PolicyError(f"{self.name}: no touchpoint of {scenario.name!r} has planned failures")

    def cost(self, scenario: Scenario) -> Cost:
        return Cost(per_customer=self.price * self.effort)


# -- campaigns ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Action:
    """What an offer does to the customer who gets it.

    strength: multiplies the customer's own response (log hazard) for `months`; care, satisfaction:
    points added at once; win_back: chance that a typical lapsed customer returns;
    second_life: multiplier of the competitive hazard after a return.
    """

    name: str
    strength: float = setting(0.0, -10, 10, "x response", "part of the response it calls up")
    months: int = setting(3, 0, 600, "months", "how long it lasts")
    care: float = setting(0.0, -100, 100, "points", "felt care")
    satisfaction: float = setting(0.0, -100, 100, "points", "satisfaction")
    win_back: float = setting(0.0, 0, 0.99, "probability", "chance that a typical lapsed customer returns")
    second_life: float = setting(1.0, 0, 10, "factor", "competitive hazard after a return")

    def __post_init__(self) -> None:
        _check_settings(self)


ACTIONS = {
    action.name: action
    for action in (
        Action("call", strength=1.0, months=3, care=10.0),
        Action("gift", strength=0.5, months=3, care=10.0, satisfaction=2.0),
        Action("contact", care=10.0),
        # Order of return and of second life: Kumar, Bhagwat & Zhang 2015; levels assumed.
        Action("win_back_price", win_back=0.18, second_life=1.0),
        Action("win_back_upgrade", win_back=0.15, second_life=0.8),
        Action("win_back_bundle", win_back=0.24, second_life=1.3),
    )
}


def _known_action(action: Any) -> None:
    if isinstance(action, Action):
        return
    if not isinstance(action, str) or action not in ACTIONS:
        near = difflib.get_close_matches(str(action), ACTIONS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(ACTIONS)}, or an Action"
        raise PolicyError(f"offers: unknown action {action!r}; {hint}")


@dataclass(frozen=True)
class Offers:
    """Offers of one month: customer ids, what is offered (a name of `ACTIONS` or an Action), the
    expected cost of each (money, at least 0), and a score to rank them by (higher is better)."""

    ids: np.ndarray
    action: str | Action
    cost: np.ndarray | float
    score: np.ndarray | float = 0.0

    def __post_init__(self) -> None:
        ids = np.asarray(self.ids)
        if ids.ndim != 1 or (ids.size and not np.issubdtype(ids.dtype, np.integer)):
            raise PolicyError("offers: ids must be one row of whole numbers")
        object.__setattr__(self, "ids", ids.astype(np.int64))
        for name in ("cost", "score"):
            try:
                number = np.broadcast_to(np.asarray(getattr(self, name), dtype=float), ids.shape)
            except ValueError:
                raise PolicyError(f"offers: {name} needs one number for each of {ids.size} ids") from None
            if not np.all(np.isfinite(number)):
                raise PolicyError(
                    f"offers: {name} is not a number for customer {ids[~np.isfinite(number)][0]}"
                )
            object.__setattr__(self, name, number)
        cost = np.asarray(self.cost)
        if np.any(cost < 0):
            raise PolicyError(f"offers: the cost for customer {ids[cost < 0][0]} is below zero")
        if ids.size > 1 and not np.all(np.diff(np.sort(ids))):
            raise PolicyError("offers: a customer is named twice")
        _known_action(self.action)

    def __len__(self) -> int:
        return int(self.ids.size)

    @property
    def what(self) -> Action:
        return self.action if isinstance(self.action, Action) else ACTIONS[self.action]

    def take(self, index: np.ndarray) -> Offers:
        return Offers(
            self.ids[index], self.action, np.asarray(self.cost)[index], np.asarray(self.score)[index]
        )


@runtime_checkable
class Campaign(Protocol):
    """Any object with a name and `offers`: a researcher's own class needs nothing else."""

    name: str

    def offers(self, view: CustomerView) -> Offers: ...


TARGETS = ("risk", "value", "uplift", "random")


@dataclass(frozen=True, kw_only=True)
class RetentionCall(Policy):
    """Call customers and make an offer, best score first (one-to-one marketing).

    target: `risk` (who is likeliest to leave), `value` (who earns most a month), `uplift` (risk x
    estimated response: who changes most), `random`. `share` of the customers are called a month,
    none twice within `pause` months; `budget` limits the money a month. A call costs `contact`
    bills, the offer `offer` bills for the part `accept` who take it: the expected cost is charged.
    What a call does depends on the person: some would have stayed, some leave because of it
    (Ascarza 2018).
    """

    target: str = "risk"
    share: float = setting(0.05, 0, 1, "share", "customers called a month")
    pause: int = setting(6, 0, 600, "months", "none is called twice within")
    contact: float = setting(0.05, 0, 1e6, "bills", "cost of a call")
    offer: float = setting(0.3, 0, 1e6, "bills", "cost of an offer taken")
    accept: float = setting(0.3, 0, 1, "share", "offers taken")
    budget: float | None = setting(None, 0, 1e15, "money per month", "most that is spent")
    action: str = "call"

    def __post_init__(self) -> None:
        super().__post_init__()
        _known_action(self.action)
        if self.target not in TARGETS:
            near = difflib.get_close_matches(self.target, TARGETS, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise PolicyError(
                f"retention_call: unknown target {self.target!r}{hint}; known: {', '.join(TARGETS)}"
            )

    @property
    def name(self) -> str:
        return self.label or f"retention_call:{self.target}"

    def offers(self, view: CustomerView) -> Offers:
        open_ones = np.flatnonzero(
            view.customer & (view.months_since_offer >= self.pause) & (view.tenure >= 1)
        )
        score = self.scores(view)[open_ones]
        wanted = int(self.share * int(np.count_nonzero(view.customer)))
        price = (self.contact + self.accept * self.offer) * view.scenario.bill
        if self.budget is not None and price > 0:
            wanted = min(wanted, int(self.budget / price + 1e-9))
        best = best_first(score, view.id[open_ones], wanted)
        return Offers(view.id[open_ones][best], self.action, price, score[best])

    def scores(self, view: CustomerView) -> np.ndarray:
        """One score a known customer, higher is called first."""
        if self.target == "risk":
            return view.risk_score
        if self.target == "value":
            return view.monthly_value
        if self.target == "uplift":
            people = view.scenario.population
            response = people.response_mean + people.response_sd * view.response_score
            return np.exp(view.risk_score) * (1.0 - np.exp(-response))
        return view.uniform(Purpose.RANDOM_TARGET)


@dataclass(frozen=True, kw_only=True)
class WinBack(Policy):
    """Offer customers who lapsed a way back: `price`, `upgrade` or `bundle` (Kumar et al. 2015).

    Each is asked once after lapsing, at the latest `wait` months after it or, with a contract, after
    the last paid bill. Costs are the offers' in bills for those expected to return, and `contact`
    for each asked.
    """

    offer: str = "price"
    wait: int = setting(6, 1, 600, "months", "asked so long after lapsing at the latest")
    contact: float = setting(0.05, 0, 1e6, "bills", "cost of asking one")

    COSTS: ClassVar[dict[str, float]] = {"price": 1.0, "upgrade": 0.7, "bundle": 1.6}

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.offer not in self.COSTS:
            raise PolicyError(f"win_back: unknown offer {self.offer!r}; known: {', '.join(self.COSTS)}")

    @property
    def name(self) -> str:
        return self.label or f"win_back:{self.offer}"

    def offers(self, view: CustomerView) -> Offers:
        memory = 0 if view.scenario.purchase.contract else 6
        since = view.recency - memory
        lapsed = view.lapsed & (since <= self.wait) & (view.months_since_offer >= since)
        action = f"win_back_{self.offer}"
        cost = (self.contact + ACTIONS[action].win_back * self.COSTS[self.offer]) * view.scenario.bill
        chosen = np.flatnonzero(lapsed)
        return Offers(view.id[chosen], action, cost, view.monthly_value[chosen])


@dataclass(frozen=True)
class Budget:
    """A campaign that spends at most `per_month` money: best score first, ties by id, never over."""

    campaign: Any
    per_month: float
    label: str = ""

    def __post_init__(self) -> None:
        if isinstance(self.campaign, str | Mapping):
            object.__setattr__(self, "campaign", policy(self.campaign))
        if isinstance(self.campaign, type) or not isinstance(self.campaign, Campaign):
            raise PolicyError(f"budget: {self.campaign!r} is no campaign (it has no offers)")
        if not (
            isinstance(self.per_month, int | float) and math.isfinite(self.per_month) and self.per_month >= 0
        ):
            raise PolicyError(f"budget: per_month must be a number of at least 0, not {self.per_month!r}")

    @property
    def name(self) -> str:
        return self.label or f"{self.campaign.name}:budget={self.per_month:g}"

    def runs_in(self, month: int) -> bool:
        return getattr(self.campaign, "runs_in", lambda m: True)(month)

    def offers(self, view: CustomerView) -> Offers:
        wanted = self.campaign.offers(view)
        order = best_first(np.asarray(wanted.score), wanted.ids, len(wanted))
        spent = np.cumsum(np.asarray(wanted.cost)[order])
        # Three times 2.1 are not over 6.3, whatever the rounding.
        return wanted.take(order[spent <= self.per_month * (1 + 1e-12)])


def best_first(score: np.ndarray, ids: np.ndarray, number: int) -> np.ndarray:
    """Positions of the `number` highest scores, highest first, ties by lower id."""
    if number <= 0 or score.size == 0:
        return np.zeros(0, dtype=np.intp)
    if number < score.size:
        edge = np.partition(score, score.size - number)[score.size - number]
        candidates = np.flatnonzero(score >= edge)
    else:
        candidates = np.arange(score.size)
    order = np.lexsort((ids[candidates], -score[candidates]))
    return candidates[order[:number]]


# -- by name -------------------------------------------------------------------------------------------

LIBRARY: dict[str, type[Policy]] = {}


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


for _class in (
    QualityControl, FaultReduction, PriceCut, ProductTraining, CustomerInsight, ServiceQuality,
    SatisfactionFeedback, Delight, Personalisation, ComplaintHandling, EncourageComplaints, Simplify,
    StaffSkill, Dunning, PaymentChannels, SwitchingContract, LoyaltyProgramme, ReferralReward,
    FourProblems, HireAgents, TrainAgents, ExtendHours, SelfService, RaiseCrews, HireClerks, NoticesBySms,
    RetentionCall, WinBack,
):  # fmt: skip
    LIBRARY[_snake(_class.__name__)] = _class


def policy(what: str | Mapping[str, Any] | Any) -> Any:
    """A policy from its name with parameters, from a scenario file's table, or itself.

    `"dunning"`, `"retention_call:target=value,budget=2000"`, `{"name": "dunning", "cure": 0.8}`.
    Raises `PolicyError`.
    """
    if isinstance(what, str):
        name, _, rest = what.partition(":")
        given: dict[str, Any] = {}
        for part in filter(None, (x.strip() for x in rest.split(","))):
            key, equals, text = part.partition("=")
            if not equals:
                raise PolicyError(f"policy {what!r}: write {key}=VALUE, parameters apart by commas")
            if key.strip() in given:
                raise PolicyError(f"policy {what!r}: {key.strip()} is given twice")
            given[key.strip()] = _value(text.strip())
    elif isinstance(what, Mapping):
        given = dict(what)
        name = str(given.pop("name", ""))
        if not name:
            raise PolicyError(f"a policy table needs a name: {dict(what)!r}")
    else:
        return what
    name = name.strip().replace("-", "_").lower()
    if name not in LIBRARY:
        near = difflib.get_close_matches(name, LIBRARY, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(LIBRARY)}"
        raise PolicyError(f"unknown policy {name!r}; {hint}")
    kind = LIBRARY[name]
    allowed = [f.name for f in dataclasses.fields(kind) if f.name not in ("moves", "costs")]
    for key in given:
        if key not in allowed:
            near = difflib.get_close_matches(key, allowed, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it takes {', '.join(allowed)}"
            raise PolicyError(f"policy {name}: unknown parameter {key!r}; {hint}")
    return kind(**given)


def _value(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return {"true": True, "false": False, "none": None}.get(text.lower(), text)


def policies_of(scenario: Scenario, policies: Iterable[Any] | Any | None) -> list[Any]:
    """A checked list of policies from whatever a user gave. Raises `PolicyError`."""
    if policies is None:
        return []
    if isinstance(policies, str | Mapping) or not isinstance(policies, Iterable):
        policies = [policies]
    found = [policy(p) for p in policies]
    for p in found:
        if isinstance(p, type):
            raise PolicyError(f"{p.__name__} is a class; write {p.__name__}() to make a policy of it")
        if isinstance(p, Programme):
            p.check(scenario)
        elif not callable(getattr(p, "offers", None)):
            raise PolicyError(f"{p!r} is no policy: neither a Programme nor an object with offers(view)")
        elif not isinstance(getattr(p, "name", None), str):
            raise PolicyError(f"{p!r} needs a name: write name = 'my policy' in its class")
    return found


# -- testing one's own policy ---------------------------------------------------------------------------


class Check(NamedTuple):
    """One thing `check_policy` looked at."""

    name: str
    passed: bool
    sentence: str


@dataclass(frozen=True, repr=False)
class Report:
    """What `check_policy` found: `ok`, and `checks`, each with a name, passed or not, a sentence."""

    policy: str
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        return all(check.passed for check in self.checks)

    @property
    def failed(self) -> list[Check]:
        return [check for check in self.checks if not check.passed]

    def __bool__(self) -> bool:
        return self.ok

    def __repr__(self) -> str:
        count = (
            f"{len(self.failed)} of {len(self.checks)} checks failed" if self.failed else "all checks passed"
        )
        lines = [f"{'ok    ' if c.passed else 'FAILED'} {c.name}: {c.sentence}" for c in self.checks]
        return "\n".join([f"check_policy({self.policy}): {count}", *lines])

    def _repr_html_(self) -> str:
        import pandas as pd

        return pd.DataFrame(self.checks).to_html(index=False)


class _Watched:
    """A customer view that notes what a policy should not touch."""

    _ALLOWED = frozenset({*CustomerView.COLUMNS, *CustomerView.TOWN_COLUMNS, "month", "scenario", "COLUMNS"})

    def __init__(self, view: CustomerView, hidden: set[str], written: set[str]) -> None:
        def look(name: str) -> Any:
            if name in _Watched._ALLOWED:
                return getattr(view, name)
            hidden.add(name)
            raise AttributeError(f"the firm cannot see {name!r}; it sees: {', '.join(CustomerView.COLUMNS)}")

        def draw(purpose: int) -> np.ndarray:
            if purpose != Purpose.RANDOM_TARGET:
                hidden.add(f"uniform({purpose!r})")
            return view.uniform(purpose)

        def note(name: str) -> None:
            written.add(name)
            raise AttributeError(f"a view is for reading; {name!r} cannot be set")

        ways = {"look": look, "draw": draw, "note": note, "size": len(view)}
        object.__setattr__(self, "_ways", ways)

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("__"):
            return object.__getattribute__(self, name)
        ways = object.__getattribute__(self, "_ways")
        return ways["draw"] if name == "uniform" else ways["look"](name)

    def __setattr__(self, name: str, value: Any) -> None:
        object.__getattribute__(self, "_ways")["note"](name)

    def __len__(self) -> int:
        return object.__getattribute__(self, "_ways")["size"]


class _Prober:
    """A campaign that asks another twice a month and notes what goes wrong."""

    def __init__(self, campaign: Any) -> None:
        self.campaign = campaign
        self.name = str(getattr(campaign, "name", "probed"))
        self.faults: dict[str, str] = {}
        self.hidden: set[str] = set()
        self.written: set[str] = set()
        self.made = self.asked = 0
        self.slowest = 0.0
        self.log: list[tuple[int, list[int], str, float]] = []

    def runs_in(self, month: int) -> bool:
        return bool(getattr(self.campaign, "runs_in", lambda m: True)(month))

    def offers(self, view: CustomerView) -> Offers:
        nothing = Offers(np.zeros(0, dtype=np.int64), "contact", 0.0)
        self.asked += 1
        before = {name: getattr(view, name).copy() for name in CustomerView.COLUMNS}
        answers = []
        for _ in range(2):
            begun = time.perf_counter()
            try:
                answers.append(self.campaign.offers(_Watched(view, self.hidden, self.written)))
            except Exception as error:
                self._fault(error, view.month)
                return nothing
            self.slowest = max(self.slowest, time.perf_counter() - begun)
        for name, column in before.items():
            if not np.array_equal(getattr(view, name), column, equal_nan=column.dtype.kind == "f"):
                self.written.add(name)
        first, second = answers
        for answer in answers:
            if not isinstance(answer, Offers):
                self._note("answer", view.month, f"offers(view) returned {answer!r}, not Offers")
                return nothing
        if not _same_offers(first, second):
            self._note("deterministic", view.month, "two calls with the same view gave different offers")
        unknown = first.ids[~np.isin(first.ids, view.id)]
        if unknown.size:
            self._note("ids", view.month, f"no customer {unknown[0]}")
            return nothing
        self.made += len(first)
        self.log.append((view.month, first.ids.tolist(), first.what.name, float(np.sum(first.cost))))
        return first

    def _note(self, check: str, month: int, sentence: str) -> None:
        self.faults.setdefault(check, f"month {month}: {sentence}")

    def _fault(self, error: Exception, month: int) -> None:
        text = str(error)
        kind = "answer"
        if isinstance(error, PolicyError):
            kind = "costs" if "cost" in text else "ids" if ("ids" in text or "twice" in text) else "answer"
        elif isinstance(error, AttributeError) and (self.hidden or self.written):
            return  # noted where it was read
        elif isinstance(error, ValueError) and "read-only" in text:
            self.written.add("a column")
            return
        where = ""
        frames = traceback.extract_tb(error.__traceback__)
        if not isinstance(error, PolicyError) and len(frames) > 1:
            where = f" in line {frames[1].lineno}: {frames[1].line}"
        self._note(kind, month, f"{type(error).__name__}{where}: {text}")


def _same_offers(one: Offers, other: Offers) -> bool:
    return one.what == other.what and all(
        np.array_equal(np.asarray(getattr(one, k)), np.asarray(getattr(other, k)))
        for k in ("ids", "cost", "score")
    )


def check_policy(mine: Any, scenario: Scenario | str | None = None, *, raises: bool = False) -> Report:
    """Try one's own policy in small worlds of at most 2,000 customers and 12 months.

    A campaign: that it has a name and offers(view), reads no hidden column nor luck that decides
    something else, writes nothing into the view, names known customers once, asks costs of at least
    0, gives the same offers for the same view and in the same run again, and answers within two
    seconds. A programme: that its levers exist and move, that it costs at least 0 and runs.
    `scenario`: where to try it; left out, the presets `subscription` and `retail` for a campaign, and
    those that have its levers for a programme. With `raises`, a failed check raises `PolicyError`.
    """
    small = []
    for world in map(Scenario.from_name, Scenario.presets() if scenario is None else [scenario]):
        size, months = world.population.size, world.population.months
        small.append(
            world.replace(population__size=min(size, 2000), population__months=min(months, 12), policies=())
        )
    try:
        what = policy(mine)
    except PolicyError as error:
        report = Report(str(mine), (Check("name", False, str(error)),))
    else:
        if isinstance(what, Programme):
            report = _check_programme(what, [w for w in small if _has_levers(what, w)] or small[:1])
        else:
            report = _check_campaign(
                what, [w for w in small if w.name in ("subscription", "retail")] or small
            )
    if raises and not report.ok:
        raise PolicyError(repr(report))
    return report


def _has_levers(programme: Programme, world: Scenario) -> bool:
    try:
        programme.check(world)
    except PolicyError:
        return False
    return True


def _check_campaign(mine: Any, worlds: list[Scenario]) -> Report:
    from .engine import simulate

    try:
        policies_of(worlds[0], mine)
    except PolicyError as error:
        return Report(getattr(mine, "__name__", repr(mine)), (Check("interface", False, str(error)),))
    probes: list[_Prober] = []
    for world in worlds:
        pair = []
        for _ in range(2):
            probe = _Prober(mine)
            simulate(world, [probe], seed=1, progress=False)
            pair.append(probe)
        if pair[0].log != pair[1].log:
            pair[0].faults.setdefault(
                "deterministic",
                "a second run with the same luck got other offers: does the policy keep a memory, or draw "
                "its own random numbers? view.uniform(Purpose.RANDOM_TARGET) gives repeatable ones",
            )
        probes.append(pair[0])
    faults: dict[str, str] = {}
    for probe in reversed(probes):
        faults |= probe.faults
    hidden = sorted(set().union(*(p.hidden for p in probes)))
    written = sorted(set().union(*(p.written for p in probes)))
    if hidden:
        faults["hidden"] = f"reads {', '.join(hidden)}, which the firm cannot see"
    if written:
        faults["view"] = f"writes {', '.join(written)} into the view"
    asked, made = sum(p.asked for p in probes), sum(p.made for p in probes)
    slowest = max(p.slowest for p in probes)
    if slowest > 2:
        faults["speed"] = f"a month took {slowest:.1f} s with 2,000 customers"
    good = {
        "interface": f"has the name {mine.name!r} and offers(view)",
        "answer": f"asked in {asked} months, it answered with Offers: {made:,} offers in all",
        "hidden": "reads only what the firm can see",
        "view": "writes nothing into the view",
        "ids": "names known customers, each once a month",
        "costs": "costs are numbers of at least 0",
        "deterministic": "the same view gives the same offers, the same run again",
        "speed": f"a month took {1000 * slowest:.0f} ms at most",
    }
    if not made:
        good |= dict.fromkeys(("ids", "costs"), "no offer was made, so none was wrong")
    checks = [Check(name, name not in faults, faults.get(name, text)) for name, text in good.items()]
    return Report(mine.name, tuple(checks))


def _check_programme(mine: Programme, worlds: list[Scenario]) -> Report:
    from .compile import parameter_values, touchpoint_values
    from .engine import simulate

    faults: dict[str, str] = {}
    moved: set[str] = set()
    spent = 0.0
    for world in worlds:
        try:
            mine.check(world)
            cost = mine.cost(world)
            if not isinstance(cost, Cost):
                raise PolicyError(f"cost(scenario) returned {cost!r}, not a Cost")
            base, points = parameter_values(world), touchpoint_values(world)
            for month in range(mine.start, mine.start + 36):
                twice = [Levers(world, base.copy(), points.copy()) for _ in range(2)]
                for levers in twice:
                    mine.adjust(levers, month)
                one, other = twice
                if not (
                    np.array_equal(one.values, other.values)
                    and np.array_equal(one.touchpoints, other.touchpoints)
                ):
                    faults.setdefault("deterministic", f"month {month}: moved the levers differently twice")
                if not (np.all(np.isfinite(one.values)) and np.all(np.isfinite(one.touchpoints))):
                    faults.setdefault("levers", f"month {month}: a lever is no number any more")
                moved |= {PARAMETERS[k].replace("_", ".", 1) for k in np.flatnonzero(one.values != base)}
                if not np.array_equal(one.touchpoints, points):
                    moved.add("touchpoints")
            run = simulate(world, [mine], seed=1, progress=False)
            spent += float(run.monthly["policy_cost"].sum())
        except Exception as error:
            faults.setdefault("levers", f"{world.name}: {error}")
    if not moved and "levers" not in faults:
        faults["levers"] = "no lever moves in the first 36 months"
    good = {
        "levers": f"moves {', '.join(sorted(moved))}",
        "costs": f"cost {spent:,.0f} in the small worlds",
        "deterministic": "moves the same levers by the same amounts every time",
    }
    checks = [Check(name, name not in faults, faults.get(name, text)) for name, text in good.items()]
    return Report(mine.name, tuple(checks))
