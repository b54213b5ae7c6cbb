"""What the firm writes down during a run and the run's own log does not hold.

Survey answers, the single purchases of a month, the payment channel of each month, the cause a
leaving customer states, and the books of the service desk. Everything is a pure function of the run:
the run is repeated with the same luck and an observer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from ..vocabulary import ChurnCause
from .draws import Key, Purpose, uniform
from .run import UNASKED
from .stations import RECORD_TYPES
from .stations_fast import NONE, SERVICE

if TYPE_CHECKING:
    from .catalogue import Goods
    from .meters import Metered
    from .network import Month, Network
    from .run import Offered, Run
    from .stations import ServiceRecords
    from .watch import WorldView

# What customers say of why they left: a row a true cause, a column a stated one, both in the order of
# `ChurnCause` (natural, competitive, fault, payment lapse, retaliatory). Assumed, so that with the causes
# of the subscription preset 28 % are wrong: a better offer elsewhere is the easy thing to say, and
# a fault or anger is seldom told.
STATED = np.array(
    [
        [0.68, 0.26, 0.01, 0.05, 0.00],
        [0.11, 0.84, 0.01, 0.04, 0.00],
        [0.13, 0.43, 0.42, 0.02, 0.00],
        [0.10, 0.32, 0.01, 0.57, 0.00],
        [0.08, 0.22, 0.20, 0.20, 0.30],
    ]
)


class Records(NamedTuple):
    """What the firm writes down; months count from 0.

    - `events`: the run's log (see `Run.events`)
    - `answers`: month, customer, satisfaction (points): those asked who answered
    - `purchases`: month, customer, number (within the customer's month, from 0), day (share of the
      month, from 0 to 1), amount (money): each purchase by itself; empty with a contract
    - `channels`: one array a month, the channel code of each known customer in the order of
      `Run.customers`
    - `departures`: month, customer, cause, stated_cause (keys of `vocabulary.ChurnCause`)
    - `market`: the truth about a market that opened on the way (else empty), a row for each year since and
      each customer there when it began: customer, year (from 1), month (its first), awareness and attention
      (shares who know of a choice, and look), offer (points by which rivals are better than when the market
      was closed), value, alternative (what rivals offer this customer, with the offer), switching (costs,
      points), months (lived in the year, up to leaving), switched (left for a rival in it)
    - `projects`: the run's policies (see `projects.projects`)
    - `offers`: offer (number, from 0), month, customer, campaign and action (names), score (what the campaign
      ranked by), cost (money, as expected and charged), accepted (whether a lapsed customer came back on it;
      missing for offers that ask nobody back)

    - `goods`: call it for what was sold, in lines, the stock, and the static data of the customers
      (`catalogue.Goods`)
    - `metered`: call it with the bills and the payments of each month for meters, readings, bills by tariff
      and receipts (`meters.Metered`; empty without `scenario.metering`)
    - `network`: events that struck many customers at once, and whom (`network.Network`; empty without a
      service desk)

    With a service desk, else empty:

    - `contacts`: a row an attempt to reach the hotline or the payment counter: contact (number, from
      0), attempt (from 1), month (of the first attempt), customer, station, reason (`REASONS`),
      touchpoint (that failed, else empty), day (from 1, of 30; above for attempts in the days after),
      weekday (Monday is 1), hour (of the day, 0 to 24), waited (seconds), outcome (see
      `stations.RECORD_TYPES`), agent (missing unless served and known), handled (seconds, missing unless
      served), called_back, solved, event (that struck many, else missing), job (of the crews, else missing)
    - `jobs` of the field crews: job, month, touchpoint, reported, started, arrived, finished (hours since the
      month began; the last three missing for what was never done), deadline (hours from the report), in_time,
      event, contact (the first report)
    - `letters`, formal complaints: complaint, month, customer, received, answered (hours, as above),
      deadline (hours from the receipt), in_time, solved (by the answer), contact, touchpoint (that the
      complaint is about)
    """

    events: pd.DataFrame
    answers: pd.DataFrame
    purchases: pd.DataFrame
    channels: list[np.ndarray]
    departures: pd.DataFrame
    market: pd.DataFrame
    projects: pd.DataFrame
    offers: pd.DataFrame
    contacts: pd.DataFrame
    jobs: pd.DataFrame
    letters: pd.DataFrame
    goods: Callable[[], Goods]
    metered: Callable[[pd.DataFrame, pd.DataFrame], Metered]
    network: Network


class _Observer:
    """Keeps what the firm sees at the start of each month, before any offer."""

    def __init__(self) -> None:
        self.answers: list[pd.DataFrame] = []
        self.channels: list[np.ndarray] = []
        self.purchases: list[np.ndarray] = []
        self.openness: list[float] = []
        self.prices: list[float] = []
        self.repair_deadline: list[float] = []
        self.answer_deadline: list[float] = []
        self.months: list[Month] = []
        self.errors: list[pd.DataFrame] = []
        self.choices: list[pd.DataFrame] = []
        self._opened: int | None = None
        self._decided: tuple[Any, ...] = ()

    def __call__(self, month: int, world: WorldView) -> None:
        view = world.firm
        self.purchases.append(np.array(view.purchases))
        if month:
            self._look_back(month - 1, world)
        self._decided = _decided(world)
        if month == world.scenario.population.months:
            return
        points = view.reported_satisfaction
        rows = np.flatnonzero(~np.isnan(points))
        self.answers.append(
            pd.DataFrame({"month": month, "customer": view.id[rows], "satisfaction": points[rows]})
        )
        self.channels.append(view.channel)
        self.openness.append(world.parameter("market.openness"))
        self.prices.append(world.parameter("value.price"))
        self.repair_deadline.append(world.parameter("service.repair_deadline"))
        self.answer_deadline.append(world.parameter("service.complaint_deadline"))
        self._look_at_market(month, world)

    def _look_at_market(self, month: int, world: WorldView) -> None:
        """What everybody's choice is when a year since the opening begins; nothing where the market was
        open from the first month."""
        if self._opened is None and self.openness[-1] > 0:
            self._opened = month
        if not self._opened or (month - self._opened) % 12:
            return
        here = np.flatnonzero(world.column("active") > 0)

        def of(name: str) -> np.ndarray:
            return world.column(name)[here].astype(np.float64)

        bound = of("switching") + world.parameter("market.switching_cost_shift")
        offer = world.parameter("market.alternative_shift")
        self.choices.append(
            pd.DataFrame(
                {
                    "customer": world.ids[here],
                    "year": np.int32((month - self._opened) // 12 + 1),
                    "month": np.int32(month),
                    "awareness": world.parameter("market.awareness"),
                    "attention": world.parameter("market.attention"),
                    "offer": offer,
                    "value": of("value"),
                    "alternative": of("alternative") + offer,
                    "switching": np.clip(bound, 0.0, 100.0),
                }
            )
        )

    def _look_back(self, month: int, world: WorldView) -> None:
        """What failed in the month that is over, under the levers of that month."""
        from .network import Month

        scenario, ids = world.scenario, world.ids
        if scenario.service.desk != "none":
            planned, common, crew, notified, travel, travel_cv = self._decided
            places = [d for d in range(len(common)) if common[d] > 0]
            rows = [np.flatnonzero(world.failure(scenario.touchpoints[d].name) > 0) for d in places]
            who = np.concatenate([ids[r] for r in rows]) if rows else ids[:0]
            d = np.repeat(np.array(places, dtype=np.int64), [r.size for r in rows])
            self.months.append(Month(who, d, planned, common, crew, notified, travel, travel_cv))
        metering = scenario.metering
        if metering.cycle and metering.touchpoint in (t.name for t in scenario.touchpoints):
            wrong = np.flatnonzero(world.failure(metering.touchpoint) > 0)
            self.errors.append(pd.DataFrame({"customer": ids[wrong], "month": month}))


def _decided(world: WorldView) -> tuple[Any, ...]:
    """What decides the events of a month: planned, common and crew of each touchpoint, the share of planned
    stops announced, and the mean and spread of the crews' way."""
    names = [t.name for t in world.scenario.touchpoints]
    numbers = (
        np.array([world.touchpoint(name, field) for name in names], dtype=np.float32)
        for field in ("planned", "common", "crew")
    )
    way = world.parameter("service.travel"), world.parameter("service.repair_cv")
    return *numbers, np.float32(world.parameter("service.notified")), *way


def records(run: Run) -> Records:
    """What the firm wrote down in a run; the run is repeated with the same luck."""
    from .catalogue import goods, profiles
    from .engine import simulate
    from .meters import metered
    from .network import network
    from .projects import projects

    observer = _Observer()
    again = simulate(
        run.scenario,
        run.policies,
        run.key.seed,
        replication=run.key.replication,
        rules=run.rules,
        events=run._log is None or bool(run.scenario.metering.cycle),
        progress=False,
        watch=observer,
    )
    kept = again if run._log is None else run
    events = kept.events
    answers = pd.concat(observer.answers, ignore_index=True)
    purchases = _purchases(run, events, observer.purchases)
    contacts, jobs = _contacts(kept), _jobs(kept, observer.repair_deadline)
    found = network(kept, observer.months, jobs, profiles(run))
    contacts, jobs = _linked(contacts, jobs, found, [t.name for t in run.scenario.touchpoints])
    letters = _letters(kept, observer.answer_deadline).merge(
        contacts.loc[
            (contacts["station"] == "hotline") & (contacts["attempt"] == 1),
            ["month", "customer", "contact", "touchpoint"],
        ],
        on=["month", "customer"],
        how="left",
    )
    # Nobody writes whom the hotline has helped, so what is solved then is so by the answer.
    helped = events.loc[events["event"] == "complaint_resolved", ["month", "customer"]]
    letters = letters.merge(helped.assign(solved=True), on=["month", "customer"], how="left")
    letters["solved"] = letters["solved"].notna()
    visits = contacts.loc[contacts["station"] == "counter", ["customer", "month", "contact"]]
    errors = pd.concat(observer.errors) if observer.errors else pd.DataFrame()
    departures = _departures(run.key, events, np.array(observer.openness))
    return Records(
        events=events,
        answers=answers.astype({"month": np.int32}),
        purchases=purchases,
        channels=observer.channels,
        departures=departures,
        market=_market(observer.choices, departures, run.scenario.population.months),
        projects=projects(run),
        offers=_offers(kept._offered),
        contacts=contacts.drop(columns="place"),
        jobs=jobs,
        letters=letters,
        goods=partial(goods, run, purchases, observer.prices),
        metered=partial(metered, run, prices=observer.prices, errors=errors, visits=visits),
        network=found,
    )


# Causes of leaving that lead to a rival.
TO_RIVALS = (ChurnCause.COMPETITIVE.key, ChurnCause.FAULT.key)
MARKET_COLUMNS = (
    "customer", "year", "month", "awareness", "attention", "offer", "value", "alternative", "switching",
    "months", "switched",
)  # fmt: skip


def _market(choices: list[pd.DataFrame], departures: pd.DataFrame, end: int) -> pd.DataFrame:
    """Choices with what came of each: the first departure within the year, if any."""
    if not choices:
        return pd.DataFrame(columns=pd.Index(MARKET_COLUMNS))
    found = []
    for year in choices:
        first = int(year["month"].iloc[0]) if len(year) else 0
        last = min(first + 12, end)
        within = departures[departures["month"].between(first, last - 1)]
        left = within.drop_duplicates("customer").set_index("customer").reindex(year["customer"])
        months = (left["month"] - first + 1).fillna(last - first)
        found.append(
            year.assign(
                months=months.to_numpy().astype(np.int32),
                switched=left["cause"].isin(TO_RIVALS).to_numpy(),
            )
        )
    return pd.concat(found).sort_values(["customer", "year"], ignore_index=True)


def _offers(made: list[Offered]) -> pd.DataFrame:
    """Every offer, in the order of the months and, within one, of the campaigns and their customers."""
    sizes = [len(part.offers) for part in made]

    def of_each(values: list[Any], kind: Any) -> np.ndarray:
        return np.repeat(np.array(values, dtype=kind), sizes)

    def joined(parts: list[Any], kind: Any) -> np.ndarray:
        return np.concatenate([np.zeros(0, dtype=kind), *parts])

    accepted = joined([part.accepted for part in made], np.int8)
    return pd.DataFrame(
        {
            "offer": np.arange(sum(sizes)),
            "month": of_each([part.month for part in made], np.int32),
            "customer": joined([part.offers.ids for part in made], np.int64),
            "campaign": of_each([part.campaign for part in made], object),
            "action": of_each([part.offers.what.name for part in made], object),
            "score": joined([part.offers.score for part in made], np.float64),
            "cost": joined([part.offers.cost for part in made], np.float64),
            "accepted": pd.array(accepted == 1, dtype="boolean"),
        }
    ).assign(accepted=lambda table: table["accepted"].mask(accepted == UNASKED))


def _linked(
    contacts: pd.DataFrame, jobs: pd.DataFrame, found: Network, names: list[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Contacts and jobs with the event and the job, or the report, they belong to."""
    event = np.full(len(contacts), -1, dtype=np.int64)
    job = event.copy()
    hotline = contacts["station"].to_numpy() == "hotline"
    month = contacts["month"].to_numpy()
    for m in found.contact_event:
        rows = np.flatnonzero(hotline & (month == m))
        place = contacts["place"].to_numpy(dtype=np.int64)[rows]
        event[rows], job[rows] = found.contact_event[m][place], found.contact_job[m][place]
    contacts = contacts.assign(event=_or_missing(event), job=_or_missing(job))
    # The report that a crew went for: the first that was taken down, in the order of the contacts.
    told = (
        contacts[(job >= 0) & (contacts["attempt"] == 1)].drop_duplicates("job").set_index("job")["contact"]
    )
    return contacts, jobs.assign(
        touchpoint=np.array([*names, ""], dtype=object)[found.job_touchpoint],
        event=_or_missing(found.job_event),
        arrived=jobs["started"].to_numpy(dtype=np.float64) + found.job_travel,
        contact=told.reindex(jobs["job"]).astype("Int64").array,
    )


def _or_missing(numbers: np.ndarray) -> pd.Series:
    return pd.Series(numbers, dtype="Int64").mask(numbers < 0)


def _purchases(run: Run, events: pd.DataFrame, counts: list[np.ndarray]) -> pd.DataFrame:
    """Each purchase by itself: the month's sum is parted as independent gamma amounts are.

    Given their sum, gamma amounts of one shape share it in Dirichlet proportions, whatever the sum.
    `counts[m]` are the purchases so far of each customer at the start of month m.
    """
    bought = events[events["event"] == "purchase"]
    if run.scenario.purchase.contract:
        bought = bought.iloc[:0]
    month = bought["month"].to_numpy(dtype=np.int64)
    customer = bought["customer"].to_numpy(dtype=np.int64)
    row = run.customers.index.get_indexer(pd.Index(customer))
    number = np.zeros(len(bought), dtype=np.int64)
    for m in np.unique(month):
        here = month == m
        before, after = counts[m], counts[m + 1]
        who = row[here]
        known = np.minimum(who, before.size - 1)
        number[here] = np.rint(after[who] - np.where(who < before.size, before[known], 0))
    of = np.repeat(np.arange(len(bought)), number)
    k = np.arange(of.size) - np.repeat(np.cumsum(number) - number, number)
    part = np.ones(of.size)
    several = np.flatnonzero(number[of] > 1)
    if several.size:
        from scipy.special import gammaincinv

        purpose: Any = Purpose.PURCHASE_PART + k[several]
        u = uniform(run.key, purpose, customer[of[several]], month[of[several]])
        part[several] = gammaincinv(run.scenario.purchase.spend_shape, u)
    total = np.bincount(of, part, minlength=len(bought))
    days: Any = Purpose.PURCHASE_DAY + k
    day = uniform(run.key, days, customer[of], month[of])
    end, at_purchase = _ends(run, events, customer, month, number)
    last_one = at_purchase[of] & (k == number[of] - 1)
    table = pd.DataFrame(
        {
            "month": month[of].astype(np.int32),
            "customer": customer[of],
            "number": k,
            "day": end[of] * np.where(last_one, 1.0, day),
            "amount": bought["amount"].to_numpy()[of] * part / total[of],
        }
    )
    return table.sort_values(["month", "day", "customer"], ignore_index=True)


def _ends(
    run: Run, events: pd.DataFrame, customer: np.ndarray, month: np.ndarray, number: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """When a customer with so many purchases in a month stopped buying in it, and whether that was at
    a purchase (drop-out, BG/NBD). 1 for those who stayed.

    Purchases are a Poisson process. Who drops out at the n-th has it at a gamma time of shape n, who
    leaves otherwise after n purchases has left at one of shape n + 1, both within the month; taken at
    the person's own rate, without the month's satisfaction and demand.
    """
    from scipy.special import gammainc, gammaincinv

    left = events[events["event"].str.startswith("left_")]
    gone = pd.MultiIndex.from_arrays([left["customer"], left["month"]])
    rows = np.flatnonzero(pd.MultiIndex.from_arrays([customer, month]).isin(gone) & (number > 0))
    end, at_purchase = np.ones(len(customer)), np.zeros(len(customer), dtype=bool)
    if not rows.size:
        return end, at_purchase
    people = run.customers[["rate", "dropout"]].reindex(customer[rows]).to_numpy(dtype=float)
    n = number[rows].astype(float)
    rate, chance = np.maximum(people[:, 0], 1e-6), np.minimum(people[:, 1], 0.9999999)
    u = np.asarray(uniform(run.key, Purpose.DROPOUT, customer[rows], month[rows]))
    with np.errstate(divide="ignore"):
        last = np.maximum(np.ceil(np.log1p(-u) / np.log1p(-chance)), 1)
    dropped = (chance > 0) & (last <= n)
    shape = n + ~dropped
    # The number after those of the month's purchases decides the moment.
    after: Any = Purpose.PURCHASE_DAY + number[rows]
    u = np.asarray(uniform(run.key, after, customer[rows], month[rows]))
    end[rows] = np.minimum(gammaincinv(shape, u * gammainc(shape, rate)) / rate, 1.0)
    at_purchase[rows] = dropped
    return end, at_purchase


def _departures(key: Key, events: pd.DataFrame, openness: np.ndarray) -> pd.DataFrame:
    """Who left when, of what, and what they or the file said of it (`stated_causes`).

    openness: of the market, by month.
    """
    left = events[events["event"].str.startswith("left_")]
    customer, month = left["customer"].to_numpy(), left["month"].to_numpy()
    causes = pd.Index(ChurnCause.keys())
    true = pd.Categorical(left["event"].str.removeprefix("left_"), categories=causes).codes.astype(int)
    stated = stated_causes(key, customer, month, true + 1, openness[month] > 0) - 1
    return pd.DataFrame(
        {
            "month": month.astype(np.int32),
            "customer": customer,
            "cause": pd.Categorical.from_codes(true, categories=causes),
            "stated_cause": pd.Categorical.from_codes(stated, categories=causes),
        }
    )


# Why somebody came: a question to the hotline, a problem told it, a bill paid at the counter.
REASONS = ("bill question", "payment question", "other question", "problem", "payment")


def _parts(run: Run, station: str) -> Iterator[tuple[int, np.ndarray, ServiceRecords]]:
    """Month, customers and records of a station for each month in which it had work."""
    from .service import station_records

    for part in run._kept(station) if run._operations is not None else ():
        yield part["month"], part[station]["who"], station_records(part, station)


def _contacts(run: Run) -> pd.DataFrame:
    """Every attempt to reach the hotline or the counter, in the order of months and stations."""
    from .service import DAYS

    names = np.array(["", *(t.name for t in run.scenario.touchpoints)], dtype=object)
    last = len(REASONS)
    frames = []
    for station in ("hotline", "counter"):
        for month, who, records in _parts(run, station):
            contact, attempt = np.nonzero(records.kind != NONE)
            at = contact, attempt
            # Codes 1 to 3 are questions, 4 + d a problem at touchpoint d.
            code = records.contacts.reason[contact] if station == "hotline" else np.full(contact.size, last)
            failed = np.maximum(code - 3, 0) if station == "hotline" else np.zeros(contact.size, dtype=int)
            day = np.floor(records.arrival_time[at] / 24)
            served = records.kind[at] == SERVICE
            frames.append(
                pd.DataFrame(
                    {
                        "first": attempt == 0,
                        "place": contact,
                        "attempt": (attempt + 1).astype(np.int32),
                        "month": np.int32(month),
                        "customer": who[contact],
                        "station": station,
                        "reason": pd.Categorical.from_codes(
                            (code if station == "counter" else np.minimum(code, 4)) - 1,
                            categories=pd.Index(REASONS),
                        ),
                        "touchpoint": names[failed],
                        "day": (day + 1).astype(np.int32),
                        "weekday": ((DAYS * month + day) % 7 + 1).astype(np.int32),
                        "hour": records.arrival_time[at] - 24 * day,
                        "waited": 3600 * records.waiting_time[at],
                        "outcome": pd.Categorical.from_codes(
                            records.kind[at].astype(np.int64) - SERVICE,
                            categories=pd.Index(RECORD_TYPES.values()),
                        ),
                        "agent": pd.array(records.server[at], dtype="Int32"),
                        "handled": np.where(served, 3600 * records.contacts.service[at], np.nan),
                        "called_back": records.called_back[at],
                        "solved": records.resolved_at[contact] == attempt + 1,
                    }
                )
            )
            frames[-1].loc[records.server[at] < 0, "agent"] = pd.NA
    if not frames:
        return pd.DataFrame(columns=pd.Index([*CONTACT_COLUMNS, "place"]))
    table = pd.concat(frames, ignore_index=True).sort_values("month", kind="stable", ignore_index=True)
    table.insert(0, "contact", np.cumsum(table.pop("first")) - 1)
    return table


CONTACT_COLUMNS = (
    "contact", "attempt", "month", "customer", "station", "reason", "touchpoint", "day", "weekday", "hour",
    "waited", "outcome", "agent", "handled", "called_back", "solved", "event", "job",
)  # fmt: skip


def _jobs(run: Run, deadline: list[float]) -> pd.DataFrame:
    """The jobs of the field crews; `deadline`: hours from report to repair, by month."""
    frames = [
        pd.DataFrame(
            {
                "month": np.int32(month),
                "reported": records.contacts.arrival,
                "started": records.service_start_time[:, 0],
                "deadline": deadline[month],
                **_done(records, "finished", deadline[month]),
            }
        )
        for month, _, records in _parts(run, "crews")
    ]
    return _numbered("job", frames, ("month", "reported", "started", "deadline", "finished", "in_time"))


def _letters(run: Run, deadline: list[float]) -> pd.DataFrame:
    """The formal complaints; `deadline`: hours from receipt to answer, by month."""
    frames = [
        pd.DataFrame(
            {
                "month": np.int32(month),
                "customer": who,
                "received": records.contacts.arrival,
                "deadline": deadline[month],
                **_done(records, "answered", deadline[month]),
            }
        )
        for month, who, records in _parts(run, "office")
    ]
    columns = ("month", "customer", "received", "deadline", "answered", "in_time")
    return _numbered("complaint", frames, columns)


def _done(records: ServiceRecords, word: str, deadline: float) -> dict[str, np.ndarray]:
    """When each contact was done with (NaN for never), and whether within the deadline."""
    done = records.kind[:, 0] == SERVICE
    in_time = done & (records.settled - records.contacts.arrival <= deadline)
    return {word: np.where(done, records.settled, np.nan), "in_time": in_time}


def _numbered(name: str, frames: list[pd.DataFrame], columns: tuple[str, ...]) -> pd.DataFrame:
    """Frames together, with numbers from 0."""
    if not frames:
        return pd.DataFrame(columns=pd.Index([name, *columns]))
    table = pd.concat(frames, ignore_index=True)
    table.insert(0, name, np.arange(len(table)))
    return table


def stated_causes(key: Key, customer: Any, month: Any, cause: Any, rivals: Any = True) -> np.ndarray:
    """The cause each leaving customer states, by the row of `STATED` for the true one.

    cause: codes of `ChurnCause`, as are those given back. rivals: whether there is anybody to leave
    for; if not, those who would have named a rival tell the truth. A person states the same whoever
    asks.
    """
    true = np.asarray(cause, dtype=int) - 1
    wrong = np.asarray(uniform(key, Purpose.STATED_WRONG, customer, month)) >= STATED[true, true]
    others = STATED[true].copy()
    others[np.arange(true.size), true] = 0.0
    chance = np.cumsum(others, axis=1) / others.sum(axis=1, keepdims=True)
    which = np.asarray(uniform(key, Purpose.STATED_CAUSE, customer, month))
    other = (which[:, None] > chance).sum(axis=1) + 1
    wrong &= np.asarray(rivals) | (other != ChurnCause.COMPETITIVE)
    return np.where(wrong, other, true + 1)
