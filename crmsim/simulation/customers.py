"""The population as columns, and what a firm can see of it.

`People` holds all customers there ever were, in blocks (see `columns.py`). `CustomerView` is the
part the firm could have written down; a policy gets nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np

from .columns import BLOCK, INDEX, STATE_FIXED, STRIDE, state_columns
from .compile import PARAMETER_INDEX
from .draws import Key, Purpose
from .scenario import Scenario

# Identities never depend on how many came before: cohort x 100 million + number, and the referred
# count from 50 million.
COHORT = 100_000_000
REFERRED = 50_000_000
# Customers who left are moved out of the blocks when they are this share of them.
COMPACT_AT = 0.07
# For fewer customers at once several threads are not worth their start.
PARTS_FROM = 500
PACK_FROM = 20_000
GRID = np.linspace(-6.0, 6.0, 2049)


class People:
    """Every customer there ever was: state columns, identities, cohorts.

    A customer's *row* is the order of joining and never changes. The *slot* is where the state
    stands in the blocks; those who left long ago are moved out of the blocks (`compact`) so that no
    month is computed for them, and their slot is -1.
    """

    def __init__(self, scenario: Scenario, key: Key, module: Any, expected_arrivals: float) -> None:
        self.scenario = scenario
        self.key = np.array([key.seed, key.replication], dtype=np.uint64)
        self.module = module
        self.count = 0
        self.live = 0
        self.pool: ThreadPoolExecutor | None = None
        self.threads = 1
        self.columns = state_columns(len(scenario.touchpoints))
        capacity = scenario.population.size + int(1.2 * expected_arrivals) + BLOCK
        blocks = -(-capacity // BLOCK)
        # Zeros cost no memory until they are written.
        self.state = np.zeros((blocks, self.columns * STRIDE), dtype=np.float32)
        self.ids = np.zeros((blocks, BLOCK), dtype=np.uint64)
        self._all = np.zeros(capacity, dtype=np.int64)
        self._slots = np.zeros(capacity, dtype=np.int32)
        self._rows = np.zeros(capacity, dtype=np.int32)
        self.archive: list[tuple[np.ndarray, list[np.ndarray]]] = []
        self._cohorts = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        self.cohort_ids: list[int] = []
        self.cohort_rows: list[int] = []
        self.cohort_sizes: list[int] = []
        self.tables = birth_tables(scenario)
        self.town, self._key = scenario.town, key

    @property
    def all(self) -> np.ndarray:
        """Identities by row, int64."""
        return self._all[: self.count]

    @property
    def slots(self) -> np.ndarray:
        """Slot by row, -1 for those moved out of the blocks."""
        return self._slots[: self.count]

    @property
    def rows(self) -> np.ndarray:
        """Row by slot."""
        return self._rows[: self.live]

    @property
    def blocks(self) -> int:
        """Blocks in use."""
        return -(-self.live // BLOCK)

    def add(self, number: int, month: int, source: int, values: np.ndarray, touchpoints: np.ndarray) -> None:
        """Append `number` new customers who join in `month`."""
        if number <= 0:
            return
        first_id = month * COHORT + (REFERRED if source == 2 else 0)
        if number >= REFERRED:
            raise ValueError(
                f"month {month}: {number:,} arrivals; at most {REFERRED - 1:,} can join in a month"
            )
        low, high = self.live, self.live + number
        self._make_room(high)
        new = np.arange(first_id, first_id + number, dtype=np.int64)
        first, last = self.count, self.count + number
        self._all = _grown(self._all, last)
        self._slots = _grown(self._slots, last)
        self.ids.reshape(-1)[low:high] = new
        self._all[first:last] = new
        self._slots[first:last] = np.arange(low, high)
        self._rows[low:high] = np.arange(first, last)
        self.cohort_ids.append(first_id)
        self.cohort_rows.append(self.count)
        self.cohort_sizes.append(number)
        self.count += number
        self.live = high

        if self.town is not None:
            slots = np.arange(low, high)
            at = INDEX["group"] * STRIDE + slots % BLOCK
            self.state[slots // BLOCK, at] = self.town.groups(self._key, new)

        def born(first: int, last: int) -> None:
            self.module.born(
                self.state,
                self.ids,
                touchpoints,
                values,
                self.tables,
                self.key,
                np.float32(source),
                low + first,
                low + last,
            )

        self.in_parts(number, number, born)

    def in_parts(self, number: int, customers: int, work: Callable[[int, int], None]) -> None:
        """Do work(low, high) for 0 to `number`, on several threads where it is for many customers."""
        if self.pool is None or customers < PARTS_FROM:
            work(0, number)
            return
        edges = [number * k // self.threads for k in range(self.threads + 1)]
        others = [self.pool.submit(work, a, b) for a, b in pairwise(edges[1:])]
        work(0, edges[1])
        for done in others:
            done.result()

    def _make_room(self, slots: int) -> None:
        while slots > self.state.shape[0] * BLOCK:
            more = max(self.state.shape[0] // 2, -(-slots // BLOCK) - self.state.shape[0])
            self.state = np.concatenate([self.state, np.zeros((more, self.state.shape[1]), np.float32)])
            self.ids = np.concatenate([self.ids, np.zeros((more, BLOCK), np.uint64)])
        self._rows = _grown(self._rows, slots)

    def compact(self) -> None:
        """Move those who left out of the blocks; the last of the others move into their slots."""
        go = np.flatnonzero(self.live_column("active") == 0)
        if go.size <= COMPACT_AT * self.live:
            return
        kept = self.live - go.size
        holes = go[: np.searchsorted(go, kept)]
        tail = np.ones(go.size, dtype=bool)
        tail[go[holes.size :] - kept] = False
        movers = kept + np.flatnonzero(tail)
        gone = np.empty((self.columns, go.size), dtype=np.float32)
        self.in_parts(
            self.columns, go.size, lambda low, high: self.module.take_out(self.state, go, gone, low, high)
        )
        self.in_parts(
            self.columns,
            go.size,
            lambda low, high: self.module.move_in(self.state, holes, movers, kept, self.live, low, high),
        )
        ids = self.ids.reshape(-1)
        ids[holes] = ids[movers]
        left, moved = self.rows[go], self.rows[movers]
        # Packing pays where memory is short, not in a small world.
        kept_columns = [_packed(column) for column in gone] if go.size >= PACK_FROM else list(gone)
        self.archive.append((left, kept_columns))
        self.slots[left] = -1
        self._rows[holes] = moved
        self.slots[moved] = holes
        self.live = kept

    def revive(self, rows: np.ndarray) -> None:
        """Bring customers who had been moved out back into the blocks."""
        away = rows[self.slots[rows] < 0]
        if not away.size:
            return
        low, high = self.live, self.live + away.size
        self._make_room(high)
        values = np.stack([self._column(c)[away] for c in range(self.columns)])
        slots = np.arange(low, high)
        for c in range(self.columns):
            self.state[slots // BLOCK, c * STRIDE + slots % BLOCK] = values[c]
        self.ids.reshape(-1)[low:high] = self.all[away]
        self._rows[low:high] = away
        self.slots[away] = slots
        self.live = high

    def live_column(self, name: str) -> np.ndarray:
        """A copy of a column by slot: those whose months are computed."""
        return self._live(INDEX[name])

    def live_ids(self) -> np.ndarray:
        """Identities by slot."""
        return self.all[self.rows]

    def _live(self, c: int) -> np.ndarray:
        column = self.state[: self.blocks, c * STRIDE : c * STRIDE + BLOCK].reshape(-1)[: self.live]
        # Of a single block NumPy would give the store itself.
        return column.copy() if self.blocks == 1 else column

    def _column(self, c: int) -> np.ndarray:
        live = self._live(c)
        if not self.archive:
            return live
        column = np.empty(self.count, dtype=np.float32)
        for rows, values in self.archive:
            column[rows] = values[c]
        column[self.rows] = live
        return column

    def column(self, name: str) -> np.ndarray:
        """A copy of a column for all customers by row, float32."""
        return self._column(INDEX[name])

    def perception(self, touchpoint: int) -> np.ndarray:
        """The perception of a touchpoint for all customers by row, points."""
        return self._column(STATE_FIXED + touchpoint)

    @property
    def cohorts(self) -> tuple[np.ndarray, np.ndarray]:
        """First row and size of each cohort, in the order of joining."""
        if len(self._cohorts[0]) != len(self.cohort_rows):
            self._cohorts = np.array(self.cohort_rows), np.array(self.cohort_sizes)
        return self._cohorts

    def set(self, name: str, rows: np.ndarray, values: Any) -> None:
        """Write a column for some rows."""
        c = INDEX[name]
        slots = self.slots[rows]
        here = slots >= 0
        given = np.broadcast_to(np.asarray(values, dtype=np.float32), np.shape(rows))
        at = slots[here]
        self.state[at // BLOCK, c * STRIDE + at % BLOCK] = given[here]
        if not here.all():
            away = dict(zip(np.asarray(rows)[~here].tolist(), given[~here].tolist(), strict=True))
            for archived, kept in self.archive:
                found = np.flatnonzero(np.isin(archived, list(away)))
                if found.size:
                    column = np.broadcast_to(kept[c], archived.shape).astype(np.float32)
                    column[found] = [away[r] for r in archived[found].tolist()]
                    kept[c] = _packed(column)

    def get(self, name: str, rows: np.ndarray) -> np.ndarray:
        """A column for some rows."""
        slots = self.slots[rows]
        if np.all(slots >= 0):
            return self.state[slots // BLOCK, INDEX[name] * STRIDE + slots % BLOCK]
        return self.column(name)[rows]

    def uniforms(self, purpose: int, month: int, *, normal: bool = False) -> np.ndarray:
        """One random number for every customer by row: `draws.uniform` (or normal) in compiled form,
        float32."""
        out = np.empty(self.count, dtype=np.float32)
        draw = self.module.normals if normal else self.module.uniforms
        draw(self.all.view(np.uint64), np.uint64(month), np.uint64(purpose // 4), purpose % 4, self.key, out)
        return out

    def all_ids(self) -> np.ndarray:
        """Identities by row, int64."""
        return self.all

    def rows_of(self, ids: Any) -> np.ndarray:
        """Rows of identities. Raises KeyError naming the first unknown one."""
        wanted = np.asarray(ids, dtype=np.int64)
        if not self.cohort_ids:
            if wanted.size:
                raise KeyError(f"no customer {int(wanted[0])}")
            return np.zeros(0, dtype=np.int64)
        order = np.argsort(self.cohort_ids)
        starts = np.asarray(self.cohort_ids, dtype=np.int64)[order]
        cohort = np.searchsorted(starts, wanted, side="right") - 1
        within = wanted - starts[np.maximum(cohort, 0)]
        good = (cohort >= 0) & (within < np.asarray(self.cohort_sizes)[order][cohort])
        if not np.all(good):
            raise KeyError(f"no customer {int(wanted[~good][0])}")
        return np.asarray(self.cohort_rows)[order][cohort] + within


def _grown(array: np.ndarray, size: int) -> np.ndarray:
    """The array itself, or half as long again when it is too short."""
    if size <= array.size:
        return array
    longer = np.zeros(max(size, array.size * 3 // 2), dtype=array.dtype)
    longer[: array.size] = array
    return longer


def _packed(column: np.ndarray) -> np.ndarray:
    """The same numbers in less memory: one number when all are equal, small integers where they are."""
    if np.all(column == column[0]):
        return column[0].copy()
    for kind in (np.int8, np.int16):
        low, high = np.iinfo(kind).min, np.iinfo(kind).max
        if column.min() >= low and column.max() <= high:
            small = column.astype(kind)
            if np.array_equal(small, column):
                return small
    return column.copy()


@lru_cache(maxsize=256)
def _gamma_quantiles(shape: float) -> np.ndarray:
    from scipy.special import gammaincinv, ndtr

    return gammaincinv(shape, ndtr(GRID))


@lru_cache(maxsize=256)
def _beta_quantiles(a: float, b: float) -> np.ndarray:
    from scipy.special import betaincinv, ndtr

    return betaincinv(a, b, ndtr(GRID)) if a > 0 else np.ones_like(GRID)


def birth_tables(scenario: Scenario) -> np.ndarray:
    """Logarithms of quantiles on a grid of normal scores: frailty, mobility, payer risk, purchase
    rate (gamma, mean 1), spending rate (gamma, scale 1), baseline and drop-out chance (beta); one
    row each, float32. With districts or segments a row of the groups' factors on the competitive hazard
    follows, logarithms too, in its first places."""
    churn, purchase = scenario.churn, scenario.purchase
    shapes = (churn.frailty_shape, churn.mobility_shape, scenario.payment.payer_shape, purchase.rate_shape)
    rows = [_gamma_quantiles(shape) / shape for shape in shapes]
    rows.append(_gamma_quantiles(purchase.spend_heterogeneity))
    rows.append(_beta_quantiles(churn.baseline_a, churn.baseline_b))
    rows.append(_beta_quantiles(purchase.dropout_a, purchase.dropout_b))
    if scenario.town is not None:
        rows.append(np.ones_like(GRID))
        rows[-1][: scenario.town.size] = scenario.town.leaving
    return np.log(np.maximum(np.stack(rows), 1e-37)).astype(np.float32)


def spending_table(scenario: Scenario) -> np.ndarray:
    """Quantiles of the sum of 1 to 8 purchases for a spending rate of one, on the same grid; zeros with
    a contract, where nobody buys."""
    if scenario.purchase.contract:
        return np.zeros((8, GRID.size), dtype=np.float32)
    shape = scenario.purchase.spend_shape
    return np.stack([_gamma_quantiles(n * shape) for n in range(1, 9)]).astype(np.float32)


class CustomerView:
    """What the firm can see of its customers at the start of a month.

    Every attribute is an array with one entry a known customer, in the order of `id`:

    - `id`, `joined_month`, `tenure` (months), `referred`, `channel` (0 by hand, 1 card, 2 debit)
    - `purchases`, `recency` (months since the last purchase or paid bill), `revenue`,
      `historical_value` (margin so far), `monthly_value` (the same a month)
    - `complaints`, `months_since_complaint`, `payment_failures`, `months_since_payment_failure`
    - `offers`, `months_since_offer` (999 for never, as in the other months_since columns)
    - `customer`: bool, counts as a customer now. With a contract the firm knows; without, a
      customer is one who bought in the last six months.
    - `lapsed`: bool, known but no customer any more
    - `risk_score`, `response_score`: the firm's scores of the risk of leaving and of the response
      to a retention call, standard scores whose correlation with the truth is
      `firm.score_validity`; made anew every quarter
    - `reported_satisfaction`: this month's survey answer, NaN for those not asked
    - `district`, `segment`: names, where the scenario has them; else asking raises AttributeError

    `scenario` and `month` are public too. There are no hidden columns: asking for one raises
    AttributeError.
    """

    COLUMNS: tuple[str, ...] = (
        "id", "joined_month", "tenure", "referred", "channel", "purchases", "recency", "revenue",
        "historical_value", "monthly_value", "complaints", "months_since_complaint",
        "payment_failures", "months_since_payment_failure", "offers", "months_since_offer",
        "customer", "lapsed", "risk_score", "response_score", "reported_satisfaction",
    )  # fmt: skip
    TOWN_COLUMNS = ("district", "segment")

    def __init__(self, people: People, month: int, values: np.ndarray) -> None:
        self._people = people
        self._values = values
        self._cache: dict[str, np.ndarray] = {}
        self.month = month
        self.scenario = people.scenario
        if self.scenario.town is not None:
            there = (name for name in self.TOWN_COLUMNS if getattr(self.scenario, f"{name}s"))
            self.COLUMNS = (*self.COLUMNS, *there)

    def __len__(self) -> int:
        return self._people.count

    def __getattr__(self, name: str) -> np.ndarray:
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in self.COLUMNS:
            if name in self.TOWN_COLUMNS:
                raise AttributeError(f"{self.scenario.name} has no {name}s; declare them as [[{name}s]]")
            raise AttributeError(f"the firm cannot see {name!r}; it sees: {', '.join(self.COLUMNS)}")
        if name not in self._cache:
            array = np.ascontiguousarray(self._compute(name))
            array.flags.writeable = False
            self._cache[name] = array
        return self._cache[name]

    def uniform(self, purpose: int) -> np.ndarray:
        """One random number a customer for this month; campaigns use `Purpose.RANDOM_TARGET`."""
        return self._people.uniforms(purpose, self.month)

    def _since(self, column: str) -> np.ndarray:
        month = self._people.column(column)
        return np.where(month < -900, 999.0, self.month - month)

    def _compute(self, name: str) -> np.ndarray:
        people = self._people
        if name in self.TOWN_COLUMNS:
            return self._static(name)
        if name == "id":
            return people.all_ids()
        if name == "joined_month":
            return people.column("joined").astype(np.int32)
        if name == "tenure":
            return self.month - people.column("joined")
        if name == "referred":
            return people.column("source") == 2
        if name == "channel":
            draw = people.column("channel_draw")
            manual = self._values[PARAMETER_INDEX["payment_manual_share"]]
            card = self._values[PARAMETER_INDEX["payment_card_share"]]
            return (draw >= manual).astype(np.int8) + (draw >= manual + card)
        if name == "recency":
            return self.month - people.column("last_purchase")
        if name == "monthly_value":
            return self.historical_value / np.maximum(self.tenure, 1.0)
        if name.startswith("months_since_"):
            return self._since("last_" + name.removeprefix("months_since_"))
        if name == "customer":
            if self.scenario.purchase.contract:
                return people.column("active") > 0
            return self.recency <= 6
        if name == "lapsed":
            return ~self.customer
        if name == "risk_score":
            return self._score(np.log(np.maximum(people.column("hazard"), 1e-9)), Purpose.SCORE_RISK)
        if name == "response_score":
            return self._score(people.column("response"), Purpose.SCORE_RESPONSE)
        if name == "reported_satisfaction":
            return self._survey()
        return people.column(name)

    def _static(self, name: str) -> np.ndarray:
        town = self._people.town
        assert town is not None
        group = self._people.column("group").astype(np.int64)
        return np.array(getattr(town, f"{name}s"))[getattr(town, name)[group]]

    def _score(self, truth: np.ndarray, purpose: int) -> np.ndarray:

        here = self._people.column("active") > 0
        known = truth[here] if here.any() else truth
        standard = (truth - known.mean()) / max(float(known.std()), 1e-9) if truth.size else truth
        validity = self._values[PARAMETER_INDEX["firm_score_validity"]]
        if validity >= 1:
            return standard
        noise = self._people.uniforms(purpose, self.month // 3, normal=True)
        return validity * standard + math.sqrt(1 - validity**2) * noise

    def _survey(self) -> np.ndarray:
        from scipy.special import ndtri

        people = self._people
        share = self._values[PARAMETER_INDEX["firm_survey_share"]]
        asked = self.customer & (self.uniform(Purpose.SURVEY_ASKED) < share)
        error = 5.0 * ndtri(self.uniform(Purpose.SURVEY_ERROR))
        answer = np.clip(people.column("satisfaction") + people.column("scale_use") + error, 0, 100)
        return np.where(asked & (people.column("active") > 0), answer, np.nan)
