"""Who lives where, and of which kind: the districts and segments of a scenario's customers.

A *group* is a district and a segment together. A customer's group is settled by keyed random numbers of
the person's own, so it is the same under every policy, and the static data of a firm (`catalogue.py`) show
the one that is lived in. What differs between groups is how often touchpoints fail and how readily
customers leave for a rival; programmes can be limited to some of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from . import draws
from .draws import Key, uniform

if TYPE_CHECKING:
    from .scenario import Scenario

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]

# Ages: .18 are 60 to 90, the rest 18 to 60, even within both. The share is assumed; of the adults in
# the Chinese census of 2020 it is .24.
AGES = ((0.0, 0.82, 1.0), (18.0, 60.0, 90.0))
YOUNGEST, OLDEST = 18, 89
# Correlation of the segment, before it is rounded, with the log of what a customer uses or spends at a time:
# segments stand in the order of use.
SEGMENT_EFFECT = 0.30


class Purpose(IntEnum):
    """What a number settles about a person, at month 0. Never reuse one (see `draws`)."""

    AGE = 10_008
    DISTRICT = 600_001
    SEGMENT = 600_007


def age(key: Key, customer: Any) -> Whole:
    """Age in years, 18 to 89, lasting through a run."""
    return np.interp(uniform(key, Purpose.AGE, customer, 0), *AGES).astype(np.int64)


def use(scenario: Scenario, key: Key, ids: Any) -> Floats:
    """What each customer uses (contract) or spends at a time, as normal scores within the scenario."""
    who, purchase = np.asarray(ids, dtype=np.int64).reshape(-1), scenario.purchase
    if purchase.contract and purchase.usage_sd == 0:
        return np.zeros(who.size)
    # A spending rate is the higher the less is spent at a time.
    sign, purpose = (1, draws.Purpose.USAGE) if purchase.contract else (-1, draws.Purpose.SPEND_RATE)
    return np.clip(sign * np.asarray(draws.normal(key, purpose, who, 0)), -4.0, 4.0)


def related(key: Key, purpose: int, ids: Any, scores: Floats, effect: float) -> Floats:
    """Even numbers in (0, 1), one a customer, whose normal scores correlate by `effect` with `scores`."""
    from scipy.special import ndtr

    own = np.asarray(draws.normal(key, purpose, ids, 0))
    return np.asarray(ndtr(effect * scores + np.sqrt(1 - effect**2) * own))


def district_of(shares: Sequence[float], key: Key, ids: Any) -> Whole:
    """The place of each customer's district among those with these shares."""
    edges = np.cumsum(shares)
    found = np.searchsorted(edges, np.asarray(uniform(key, Purpose.DISTRICT, ids, 0)).reshape(-1))
    return np.minimum(found, len(edges) - 1)


def segment_of(segments: Sequence[Any], years: Whole, u: Floats) -> Whole:
    """The segment of each customer by age and an even number, as a place among those given; -1 for none.

    segments: with `share` (relative among those open to the same age), `youngest` and `oldest` (years).
    """
    found = np.full(years.size, -1)
    if not years.size:
        return found
    # Few sets of segments are open to many ages.
    low = int(years.min())
    open_at = [
        tuple(k for k, s in enumerate(segments) if s.youngest <= old <= s.oldest)
        for old in range(low, int(years.max()) + 1)
    ]
    kinds = list(dict.fromkeys(open_at))
    kind = np.array([kinds.index(one) for one in open_at])[years - low]
    for k, open_to in enumerate(kinds):
        here = np.flatnonzero(kind == k)
        if open_to:
            share = np.cumsum([segments[k].share for k in open_to])
            place = np.searchsorted(share / share[-1], u[here], side="right")
            found[here] = np.array(open_to)[np.minimum(place, len(open_to) - 1)]
    return found


def _segment_shares(segments: Sequence[Any]) -> Floats:
    """The share of each segment among all customers."""
    years = np.arange(YOUNGEST, OLDEST + 1)
    below = np.interp(np.append(years, OLDEST + 1), AGES[1], AGES[0])
    total = np.zeros(len(segments))
    for old, part in zip(years, np.diff(below), strict=True):
        mine = np.array([s.share if s.youngest <= old <= s.oldest else 0.0 for s in segments])
        total += part * mine / mine.sum()
    return total


class Town:
    """The groups of a scenario that has districts, segments or both.

    districts, segments: their names, empty where there are none. size: number of groups. Of each group:
    share of the customers, district and segment (places among the names), `factor` (size, touchpoints) on
    the failures of each touchpoint and `leaving` on the hazard of leaving for a rival, both with mean one
    over the customers, and `homes` (size, 2; float32): where on a line from 0 to 1 the district begins and
    how far it reaches, the districts lying side by side as declared.
    """

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.districts = tuple(d.name for d in scenario.districts)
        self.segments = tuple(s.name for s in scenario.segments)
        kinds = max(len(self.segments), 1)
        self.size = max(len(self.districts), 1) * kinds
        self.district, self.segment = np.divmod(np.arange(self.size), kinds)
        where = np.array([d.share for d in scenario.districts] or [1.0])
        what = _segment_shares(scenario.segments) if self.segments else np.ones(1)
        self.share = where[self.district] * what[self.segment]
        names = [t.name for t in scenario.touchpoints]

        def factors(parts: Iterable[Any], weight: Floats) -> Floats:
            found = np.array([[p.problems.get(name, 1.0) for name in names] for p in parts])
            found = found.reshape(-1, len(names)) if found.size else np.ones((1, len(names)))
            return np.asarray(found / (weight @ found))

        local, kind = factors(scenario.districts, where), factors(scenario.segments, what)
        self.factor = local[self.district] * kind[self.segment]
        begins = np.cumsum([0.0, *where[:-1]])
        self.homes = np.stack([begins, where], axis=1)[self.district].astype(np.float32)
        leaving = np.array([s.leaving for s in scenario.segments] or [1.0])
        self.leaving = (leaving / max(what @ leaving, 1e-12))[self.segment]

    def groups(self, key: Key, ids: Any) -> Whole:
        """The group of each customer, from 0."""
        who = np.asarray(ids, dtype=np.int64).reshape(-1)
        district, segment = np.zeros((2, who.size), dtype=np.int64)
        if self.districts:
            district = district_of([d.share for d in self.scenario.districts], key, who)
        if self.segments:
            u = related(key, Purpose.SEGMENT, who, use(self.scenario, key, who), SEGMENT_EFFECT)
            segment = segment_of(self.scenario.segments, age(key, who), u)
        return district * max(len(self.segments), 1) + segment

    def among(self, districts: Sequence[str] = (), segments: Sequence[str] = ()) -> npt.NDArray[np.bool_]:
        """Which groups live in one of these districts and are of one of these segments; empty for all."""
        found = np.ones(self.size, dtype=bool)
        for wanted, known, own in (
            (districts, self.districts, self.district),
            (segments, self.segments, self.segment),
        ):
            if wanted:
                found &= np.isin(own, [known.index(name) for name in wanted])
        return found
