"""What a simulation gives back: `Run`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..vocabulary import ChurnCause, LoyaltyLayer, RelationshipStage
from .columns import BLOCK, SCRATCH, SCRATCH_INDEX, STATE, STRIDE
from .customers import CustomerView, People
from .draws import Key, Purpose, uniform
from .scenario import Scenario

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from .policies import Offers
    from .records import Records
    from .service import Operations
    from .stations import ServiceRecords
    from .survey import Survey, SurveyData

CAUSES = tuple(cause.key for cause in ChurnCause)
MEANS = ("satisfaction", "expectation", "quality", "value", "trust")
LAYERS = ("cognitive", "affective", "conative", "action")
STAGES = ("new", "repeat", "long_term", "premium", "lifetime", "advocate")

# Scratch columns kept as events: column, name of the event.
EVENTS = (
    ("failed", "failure"),
    ("complained", "complaint"),
    ("resolved", "complaint_resolved"),
    ("fast", "complaint_answered_fast"),
    ("delighted", "delight"),
    ("bought", "purchase"),
    ("unpaid", "payment_failed"),
    ("cured", "payment_cured"),
    ("referred", "referral"),
)

UNASKED = -1


class Offered(NamedTuple):
    """The offers that a campaign made in a month.

    accepted: of each, 1 if a lapsed customer came back on it, 0 if not, `UNASKED` for offers that ask nobody
    back: what those do shows in customers' later conduct only.
    """

    month: int
    campaign: str
    offers: Offers
    accepted: np.ndarray


class Run:
    """One simulated world: the truth about every customer, month by month.

    - `monthly`: DataFrame, a row a month: customers, satisfaction, layer shares, churn by cause,
      money. Money is in the scenario's currency, shares are of the customers at the month's end.
    - `customers`: DataFrame, a row for everyone who ever was a customer, indexed by id.
    - `events`: DataFrame, a row for each thing that happened to a customer.
    - `lives`: DataFrame, a row a month for each customer followed.
    - `costs`: DataFrame, money spent a month by policy.
    """

    def __init__(
        self,
        *,
        scenario: Scenario,
        policies: list[Any],
        key: Key,
        rules: dict[str, Callable[..., Any]],
        people: People,
        rows: list[dict[str, float]],
        costs: list[dict[str, float]],
        lives: list[Any],
        log: list[dict[str, np.ndarray]] | None,
        offered: list[Offered] | None = None,
        again: Callable[..., Run] | None = None,
        service: Operations | None = None,
    ) -> None:
        self.scenario, self.policies, self.key, self.rules = scenario, policies, key, rules
        self._people, self._rows, self._costs, self._lives, self._log = people, rows, costs, lives, log
        self._offered = offered or []
        self._again = again
        self._operations = service

    # -- tables ---------------------------------------------------------------------------------

    @cached_property
    def monthly(self) -> pd.DataFrame:
        return monthly_table(self._rows)

    @cached_property
    def costs(self) -> pd.DataFrame:
        import pandas as pd

        return pd.DataFrame(self._costs).set_index("month").fillna(0.0)

    @cached_property
    def customers(self) -> pd.DataFrame:
        """Everyone who ever was a customer, in the state of the end (or of leaving).

        `left_month` and `cause` are missing while active. `cause` is the proximate cause,
        `attributed_cause` the root. `layer` and `stage` are words of the vocabulary. `district` and
        `segment` are there where the scenario has them.
        """
        import pandas as pd

        people = self._people
        left = people.column("left")
        gone = (people.column("active") == 0) & (left >= 0)
        cause_words = np.array(["", *CAUSES], dtype=object)
        cause = people.column("cause").astype(int)
        attributed = people.column("attributed").astype(int)
        layer_words = [layer.key for layer in LoyaltyLayer]
        stage_words = [stage.key for stage in RelationshipStage]
        categorical: Any = pd.Categorical  # its stubs want more than it does
        data: dict[str, Any] = {
            "joined_month": people.column("joined").astype(np.int32),
            "left_month": pd.array(np.where(gone, left, 0).astype(np.int32), dtype="Int32"),
            "source": categorical.from_codes(
                people.column("source").astype(np.int8), categories=["initial", "won", "referred"]
            ),
            "cause": categorical(np.where(gone, cause_words[cause], None), categories=CAUSES),
            "attributed_cause": categorical(np.where(gone, cause_words[attributed], None), categories=CAUSES),
            "layer": categorical.from_codes(
                people.column("layer").astype(np.int8), categories=layer_words, ordered=True
            ),
            "stage": categorical.from_codes(
                people.column("stage").astype(np.int8), categories=stage_words, ordered=True
            ),
        }
        if town := self.scenario.town:
            group = people.column("group").astype(int)
            for name, known, own in (
                ("district", town.districts, town.district),
                ("segment", town.segments, town.segment),
            ):
                if known:
                    data[name] = categorical.from_codes(own[group].astype(np.int8), categories=known)
        table = pd.DataFrame(data, index=pd.Index(people.all_ids(), name="customer"))
        table.loc[~gone, "left_month"] = pd.NA
        skipped = {
            "active",
            "joined",
            "left",
            "cause",
            "attributed",
            "source",
            "layer",
            "stage",
            "group",
            "perception",
        }
        more = {name: people.column(name) for name in STATE if name not in skipped}
        names = [t.name for t in self.scenario.touchpoints]
        for d, name in enumerate(names):
            more[f"perception_{name}"] = people.perception(d)
        return pd.concat([table, pd.DataFrame(more, index=table.index)], axis=1)

    @property
    def events(self) -> pd.DataFrame:
        """What happened: month, customer, event, amount (money, points or number).

        Not kept during the run unless asked for; then the run is repeated with the same luck.
        """
        import pandas as pd

        if self._log is None:
            self._repeat()
        assert self._log is not None
        months = self._log
        return pd.DataFrame({name: np.concatenate([m[name] for m in months]) for name in months[0]})

    def _repeat(self) -> None:
        """The run once more with the same luck, keeping what happened."""
        from .engine import simulate

        again = (self._again or simulate)(
            self.scenario,
            self.policies,
            self.key.seed,
            replication=self.key.replication,
            rules=self.rules,
            events=True,
        )
        self._log, self._offered, self._operations = again._log, again._offered, again._operations

    @cached_property
    def lives(self) -> pd.DataFrame:
        """Every month of the followed customers: state at the month's end and what happened in it."""
        import pandas as pd

        if not self._lives:
            return pd.DataFrame()
        names = [t.name for t in self.scenario.touchpoints]
        state_names = [*list(STATE)[:-1], *[f"perception_{n}" for n in names]]
        scratch_names = [n for n in SCRATCH if n != "drop"]
        unused = ("tally", "gap", "was_active")
        used = [
            k
            for k, name in enumerate(scratch_names)
            if not name.startswith(("draws", "luck", "more_luck")) and name not in unused
        ]
        first = SCRATCH_INDEX["drop"]
        drops = range(first, first + len(names))
        months, ids, states, scratch = zip(*self._lives, strict=True)
        index = pd.MultiIndex.from_arrays(
            [np.concatenate(ids), np.repeat(months, [len(k) for k in ids])], names=["customer", "month"]
        )
        # one table at the end: made month by month, it takes longer than the run
        table = np.hstack([np.concatenate(states), np.concatenate(scratch)[:, [*used, *drops]]])
        columns = [
            *state_names,
            *(scratch_names[k] for k in used),
            *(f"drop_{n}" for n in names),
        ]
        return pd.DataFrame(table, index=index, columns=columns).sort_index()

    def path(self, column: str) -> np.ndarray:
        """One column of the state of the followed customers through time, such as "layer" or "trust".

        Shape (customers, months), in the order of their ids, float; missing before joining and in
        months after leaving. Raises ValueError for an unknown column. `lives` has all columns.
        """
        if column not in STATE or column == "perception":
            raise ValueError(f"no column {column!r} of the state; there are {', '.join(list(STATE)[:-1])}")
        place = list(STATE).index(column)
        ids_seen = [ids for _, ids, _, _ in self._lives]
        who = np.unique(np.concatenate(ids_seen)) if ids_seen else np.zeros(0, dtype=np.int64)
        found = np.full((len(who), self.scenario.population.months), np.nan)
        for month, ids, state, _ in self._lives:
            found[np.searchsorted(who, ids), month] = state[:, place]
        return found

    def durations(self, until: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """(T, E): months as a customer (float, at least 1) and 1 where the customer left, else 0.

        Months count from joining to leaving, or to the end (`until`) for those still there. Those who
        joined in month `until` or later are left out.
        """
        end = self.scenario.population.months if until is None else until
        people = self._people
        joined, left = people.column("joined"), people.column("left")
        gone = (people.column("active") == 0) & (left >= 0) & (left < end)
        last = np.where(gone, left + 1, end)
        known = joined < end
        return (last - joined)[known].astype(float), gone[known].astype(int)

    def survival(self, source: str | None = "initial") -> pd.Series:
        """Share of a cohort still customers after 0, 1, 2 ... months (Kaplan-Meier by count)."""
        import pandas as pd

        codes = {"initial": 0, "won": 1, "referred": 2}
        durations, gone = self.durations()
        if source is not None:
            chosen = self._people.column("source") == codes[source]
            durations, gone = durations[chosen], gone[chosen]
        end = self.scenario.population.months
        exits = np.bincount(durations[gone == 1].astype(int), minlength=end + 1)[: end + 1]
        leaving = np.bincount(durations.astype(int), minlength=end + 1)[: end + 1]
        at_risk = durations.size - np.concatenate([[0], np.cumsum(leaving)[:-1]])
        share = np.cumprod(1 - exits / np.maximum(at_risk, 1))
        return pd.Series(share, index=pd.RangeIndex(end + 1, name="month"), name="survival")

    def view(self) -> CustomerView:
        """What the firm can see at the end of the run."""
        from .compile import parameter_values

        return CustomerView(self._people, self.scenario.population.months, parameter_values(self.scenario))

    # -- totals -----------------------------------------------------------------------------------

    @property
    def equity(self) -> float:
        """Customer equity over the simulated months: discounted margin less policy and acquisition
        cost, in money. Value beyond the last month is not counted."""
        return float(sum(row["profit"] * row["discount"] for row in self._rows))

    def summary(self) -> pd.Series:
        """The run in some fifteen numbers."""
        import pandas as pd

        m = self.monthly
        last = m.iloc[-1]
        left = {f"left_{c}": m[f"left_{c}"].sum() for c in CAUSES}
        return pd.Series(
            {
                "customers_at_start": m["at_risk"].iloc[0],
                "joined": m["joined"].iloc[1:].sum(),
                "customers_at_end": last["customers"],
                "left": sum(left.values()),
                **left,
                "attributed_fault": m["attributed_fault"].sum(),
                "satisfaction": last["satisfaction"],
                "complaints": m["complaints"].sum(),
                "revenue": m["revenue"].sum(),
                "margin": m["margin"].sum(),
                "policy_cost": m["policy_cost"].sum(),
                "acquisition_cost": m["acquisition_cost"].sum(),
                "equity": self.equity,
            },
            name=self.label,
        )

    @property
    def label(self) -> str:
        return " + ".join(p.name for p in self.policies) or "no policy"

    def records(self) -> Records:
        """What the firm wrote down: answers, single purchases, channels, stated causes of leaving.

        The run is repeated with the same luck to get them.
        """
        from .records import records

        return records(self)

    def survey(self, surveys: Survey | Iterable[Survey]) -> SurveyData:
        """What customers answer to surveys by questionnaire: `run.survey(Survey(months=(11, 23)))`.

        The run is repeated with the same luck to ask them. Raises ScenarioError for a survey that
        cannot be taken of this run.
        """
        from .survey import run_surveys

        return run_surveys(self, surveys)

    # -- service operations ------------------------------------------------------------------------

    @cached_property
    def service(self) -> pd.DataFrame:
        """The stations month by month; only with a service desk (`Scenario.service`).

        Hotline: `contacts` (customers who called), `questions` among them, `calls` with those again,
        `answered`, `turned_away` (when closed), `abandoned` (calls), `gave_up` (contacts never answered
        in the end), `wait` (mean seconds of the answered), `service_level` (share of the calls while open
        that were answered within `service.service_level` seconds), `utilisation`, `solved`,
        `solved_at_once` (contacts).
        Crews: `jobs`, `repairs_late`. Office: `formal_complaints`, `answers_late`. Counter: `visits`,
        `counter_wait` (mean minutes).

        Raises ValueError without a desk.
        """
        import pandas as pd

        frame = pd.DataFrame(self._desk().rows()).set_index("month")
        counts = frame.columns.difference(["wait", "service_level", "utilisation", "counter_wait"])
        # A counter that opens on the way has no visits before.
        frame[counts] = frame[counts].fillna(0).astype(np.int64)
        return frame

    def station(self, name: str = "hotline") -> list[ServiceRecords]:
        """A station's records, one for each month in which it had work: `hotline`, `crews`, `office`
        or `counter`. For `stations_report.performance` and its like.
        Kept with `events=True`; else the run is repeated with the same luck.

        Raises ValueError without a desk and for an unknown station.
        """
        from .service import station_records

        return [station_records(part, name) for part in self._kept(name)]

    def contacts(self, station: str = "hotline") -> pd.DataFrame:
        """Every attempt to reach a station: month, customer, attempt, and the columns of
        `ServiceRecords.frame` (hours since the start of the month). Crews have jobs of a month
        instead of customers."""
        import pandas as pd

        from .service import REASONS

        frames = []
        for part, records in zip(self._kept(station), self.station(station), strict=True):
            frame = records.frame()
            frame.insert(0, "month", part["month"])
            if station != "crews":
                frame.insert(1, "customer", part[station]["who"][frame["contact"]])
            if station == "hotline":
                questions = [f"{word} question" for word in REASONS]  # a touchpoint may be named payment too
                words = [*questions, *(t.name for t in self.scenario.touchpoints)]
                codes = frame["reason"].to_numpy() - 1
                frame["reason"] = pd.Categorical.from_codes(codes, categories=pd.Index(words))
            else:
                frame = frame.drop(columns="reason")
            frames.append(frame)
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()

    def _desk(self) -> Operations:
        if self._operations is None:
            raise ValueError('this run had no service desk: set service.desk to "fast" in the scenario')
        return self._operations

    def _kept(self, station: str) -> list[dict[str, Any]]:
        from .service import STATIONS

        operations = self._desk()
        if station not in STATIONS:
            raise ValueError(f"no station {station!r}; there are {', '.join(STATIONS)}")
        if not operations.keep:
            self._repeat()
        return [part for part in self._desk().kept if station in part]

    def transactions(self, start: str = "2024-01-01", *, joining: bool = False) -> pd.DataFrame:
        """Every purchase by itself, as a shop's log: customer, date (a day), amount (money).

        Month 0 of the run is the calendar month of `start`, a date. With `joining`, the purchase by
        which each customer began is put on the first day of the month of joining; its amount follows
        the person's own spending and is not part of the run's revenue. Days with several purchases
        have a row for each. Empty with a contract; `to_database` writes bills. Raises ValueError for a
        `start` that is no date.
        """
        import pandas as pd

        try:
            zero = int(np.datetime64(start, "M").astype(np.int64))
        except ValueError:
            raise ValueError(f"start={start!r} is no date; write it as '2024-01-01'") from None
        single = self.records().purchases[["customer", "month", "day", "amount"]]
        if joining and not self.scenario.purchase.contract:
            from scipy.special import gammaincinv

            u = np.asarray(uniform(self.key, Purpose.JOINING_SPEND, self.customers.index.to_numpy(), 0))
            rate = np.maximum(self.customers["spend_rate"].to_numpy(dtype=float), 1e-12)
            first = pd.DataFrame(
                {
                    "customer": self.customers.index,
                    "month": self.customers["joined_month"].to_numpy(),
                    "day": 0.0,
                    "amount": gammaincinv(self.scenario.purchase.spend_shape, u) / rate,
                }
            )
            single = pd.concat([first, single], ignore_index=True)
        month = single["month"].to_numpy(dtype=np.int64) + zero
        begin = month.astype("datetime64[M]").astype("datetime64[D]")
        length = ((month + 1).astype("datetime64[M]").astype("datetime64[D]") - begin).astype(np.int64)
        day = np.minimum((single["day"].to_numpy() * length).astype(np.int64), length - 1)
        log = pd.DataFrame(
            {
                "customer": single["customer"].to_numpy(dtype=np.int64),
                "date": (begin + day).astype("datetime64[s]"),
                "amount": single["amount"].to_numpy(),
            }
        )
        return log.sort_values(["date", "customer"], kind="stable", ignore_index=True)

    def to_database(self, path: str | Path, surveys: Iterable[Survey] = ()) -> Path:
        """Write what a firm could have recorded, and apart from it the truth, to a DuckDB file.

        With `surveys`, customers' answers to them are in it as well (tables `survey_...`).
        """
        from ..data.database import write_run

        return write_run(self, path, surveys)

    def plot_survival(self, ax: Axes | None = None) -> Axes:
        """Share of the initial customers still there, by month."""
        from ..plots import survival

        return survival({self.label: self.survival()}, ax=ax, note=self.note)

    def plot_churn(self, ax: Axes | None = None) -> Axes:
        """Departures by cause, by month."""
        from ..plots import churn_by_cause

        return churn_by_cause(self.monthly, ax=ax, note=self.note)

    @property
    def note(self) -> str:
        """The foot of a figure: scenario, seed, customers."""
        size = self.scenario.population.size
        return f"{self.scenario.name}, seed {self.key.seed}, {size:,} customers"

    def __repr__(self) -> str:
        first, last = self._rows[0], self._rows[-1]
        return (
            f"Run({self.scenario.name!r}, {self.label}, seed {self.key.seed}: "
            f"{first['at_risk']:,.0f} -> {last['customers']:,.0f} customers in {len(self._rows)} months)"
        )

    def _repr_html_(self) -> str:
        return f"<p><b>{self!r}</b></p>" + self.summary().to_frame().to_html(float_format="{:,.1f}".format)


def monthly_table(rows: list[dict[str, float]]) -> pd.DataFrame:
    """Totals of each month as the table a user reads: means, shares, counts, money."""
    import pandas as pd

    # arrays, since a Series for each column takes as long as a tenth of a small run
    raw = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    at_risk, here = (np.where(raw[n] > 0, raw[n], np.nan) for n in ("at_risk", "customers"))
    left = np.sum([raw[f"left_{c}"] for c in CAUSES], axis=0)
    table: dict[str, np.ndarray] = {}
    table["customers"] = raw["customers"]
    table["at_risk"] = raw["at_risk"]
    table["joined"] = raw["joined"]
    table["joined_referred"] = raw["joined_referred"]
    table["left"] = left
    table["churn_rate"] = left / at_risk
    for name in MEANS:
        table[name] = raw[name] / at_risk
    for name in LAYERS:
        table[f"share_{name}"] = raw[f"layer_{name}"] / here
    for name in STAGES:
        table[f"stage_{name}"] = raw[f"stage_{name}"]
    table["share_spurious"] = raw["spurious"] / here
    for cause in CAUSES:
        table[f"left_{cause}"] = raw[f"left_{cause}"]
    table["attributed_fault"] = raw["attributed_fault"]
    for cause in CAUSES:
        table[f"expected_{cause}"] = raw[f"expected_{cause}"]
    rest = (
        "failures", "complaints", "resolved", "delighted", "purchases", "failed_payments", "cured_payments",
        "recommendations", "warnings", "referrals", "offers", "returned", "revenue", "margin", "policy_cost",
        "acquisition_cost", "profit", "discount",
    )  # fmt: skip
    for name in rest:
        table[name] = raw[name]
    return pd.DataFrame(table, index=pd.Index(raw["month"], name="month"))


def month_events(people: People, scratch: np.ndarray, month: int) -> dict[str, np.ndarray]:
    """The log of one month from the kept scratch columns, as the columns of `Run.events`."""
    ids = people.live_ids()

    def column(k: int) -> np.ndarray:
        return scratch[: people.blocks, k * STRIDE : k * STRIDE + BLOCK].reshape(-1)[: people.live]

    # customers, their event or events, amounts: a table, made every month, would take longer than the month
    parts: list[tuple[np.ndarray, Any, Any]] = []
    joined = np.flatnonzero(people.live_column("joined") == month)
    parts.append((ids[joined], "joined", 0.0))
    spent, severity = column(SCRATCH_INDEX["spent"]), column(SCRATCH_INDEX["severity"])
    amounts = {"bought": spent, "failed": severity}
    for name, event in EVENTS:
        values = column(SCRATCH_INDEX[name])
        rows = np.flatnonzero(values > 0)
        parts.append((ids[rows], event, amounts.get(name, values)[rows]))
    cause = column(SCRATCH_INDEX["exit_cause"]).astype(int)
    rows = np.flatnonzero(cause > 0)
    words = np.array(["", *[f"left_{c}" for c in CAUSES]], dtype=object)
    parts.append((ids[rows], words[cause[rows]], 0.0))
    offered = np.flatnonzero(people.column("last_offer") == month)
    parts.append((people.all[offered], "offer", 0.0))
    back = np.flatnonzero(people.live_column("returned") == month)
    parts.append((ids[back], "returned", 0.0))
    who, what, much = zip(*parts, strict=True)
    sizes = [part.size for part in who]
    return {
        "month": np.full(sum(sizes), month),
        "customer": np.concatenate(who),
        "event": np.concatenate([np.full(n, w, dtype=object) for n, w in zip(sizes, what, strict=True)]),
        "amount": np.concatenate([np.full(n, x, dtype=float) for n, x in zip(sizes, much, strict=True)]),
    }
