"""What disturbed many customers at once: the common events that a run has lived, under their names.

With a service desk part of the failures at a touchpoint belong to events that strike many (its `common`):
a burst main, turbid water. The contacts of those who call know their event; here everyone whom the same
number puts into it belongs to it, whether they called or not; in a town with districts an event strikes
neighbours. Which kind an event is (mains burst where they are old, pressure is low where water is pumped up
again), and when one ends that no crew was called to, is decided by numbers of its own and acts back on
nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from .catalogue import Purpose
from .draws import WORLD, Key, normal, uniform
from .draws import Purpose as Lived
from .service import HOURS

if TYPE_CHECKING:
    from .run import Run
    from .scenario import Disturbance

Whole = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

SPREAD = 0.7  # of the log of the length of what no crew ended (case of City A)
NOTICE = (24.0, 72.0)  # hours between an announcement and a planned stop; 24 is the rule


class Month(NamedTuple):
    """What failed in a month, and the numbers of the touchpoints that decide its events.

    who, touchpoint: customer and number of the touchpoint of each failure. planned, common, crew: of each
    touchpoint, in the precision of the engine. notified: share of planned stops announced. travel,
    travel_cv: mean (minutes) and coefficient of variation of the crews' way.
    """

    who: Whole
    touchpoint: Whole
    planned: npt.NDArray[np.float32]
    common: npt.NDArray[np.float32]
    crew: npt.NDArray[np.float32]
    notified: np.float32
    travel: float
    travel_cv: float


class Network(NamedTuple):
    """Tables of what disturbed many at once; see `data.schema` for the columns.

    `events`: event, month, touchpoint, kind, planned, started (hours since the month began), hours (until
    it ended; missing when no crew ended it), announced (hours before; missing where it was not), affected
    (customers), told (of them in time), district (where most of them live), job (of the crews; missing
    where none was called).
    `affected`: event, customer, minutes, told.
    `kinds`: kind, english, chinese, touchpoint, planned.
    `contact_event`, `contact_job`: by month, for each contact of the hotline in its order, the number of its
    event and of its job (-1 for none); jobs are numbered through all months.
    `job_event`, `job_touchpoint`, `job_travel`: for each job its event (-1 for none), the number of its
    touchpoint, and the crew's way there (hours).
    """

    events: pd.DataFrame
    affected: pd.DataFrame
    kinds: pd.DataFrame
    contact_event: dict[int, Whole]
    contact_job: dict[int, Whole]
    job_event: Whole
    job_touchpoint: Whole
    job_travel: Floats


def event_of(luck: Any, common: Any, number: int, homes: Any = None) -> Whole:
    """Which of a month's common events a failure belongs to, from 0; -1 for none.

    luck: the customer's number of the month; common: of the touchpoint; homes: a row each, the part of town
    that the customer lives in (`Town.homes`), if there are parts. As `contacts.prepare` decides it, in the
    engine's single precision.
    """
    luck, common = np.asarray(luck, dtype=np.float32), np.asarray(common, dtype=np.float32)
    with np.errstate(divide="ignore", invalid="ignore"):
        along = luck / common
        if homes is not None:
            along = homes[:, 0] + along * homes[:, 1]
        place = along.astype(np.float64) * number
    found = np.full(luck.shape, -1, dtype=np.int64)
    here = luck < common
    found[here] = np.minimum(place[here].astype(np.int64), number - 1)
    return found


def needs_crew(luck: Any, common: Any, crew: Any) -> Mask:
    """Whether a crew must come to a failure; as `contacts.prepare` decides it."""
    luck, common, crew = (np.asarray(part, dtype=np.float32) for part in (luck, common, crew))
    one = np.float32(1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        alone = (luck - common) / (one - common) < crew
    return np.where(luck < common, crew > 0, alone)


def job_numbers(touchpoint: Whole, event: Whole, went: Mask) -> Whole:
    """The job of each contact of a month, from 0, -1 for none: one for each report, one in all for an
    event at a touchpoint, in the order of the contacts (`contacts.send_crews`)."""
    rows = np.flatnonzero(went)
    alone = -1 - rows
    together = touchpoint[rows] * 64 + event[rows]
    codes, _ = pd.factorize(np.where(event[rows] >= 0, together, alone))
    found = np.full(went.shape, -1, dtype=np.int64)
    found[rows] = codes
    return found


def travel_time(key: Key, who: Any, month: int, mean: float, cv: float) -> Floats:
    """How long a crew is on its way, hours; as `contacts.send_crews` draws it.

    who: identity of who reported alone, or of the event. mean: minutes; cv: coefficient of variation.
    """
    spread = np.sqrt(np.log(1.0 + cv**2))
    z = np.asarray(normal(key, Lived.CREW_TRAVEL, who, month))
    return np.asarray(np.exp(spread * z - 0.5 * spread**2) * mean / 60.0)


def network(run: Run, months: list[Month], jobs: pd.DataFrame, profiles: pd.DataFrame) -> Network:
    """The common events of a run and whom they struck.

    months: as the observer of the records saw them. jobs: table of the records, whose numbers are the places
    in it. profiles: with the district of each customer. Empty without a service desk.
    """
    scenario, key = run.scenario, run.key
    number = scenario.service.common_events
    contact_event: dict[int, Whole] = {}
    contact_job: dict[int, Whole] = {}
    of_jobs: list[tuple[Whole, Whole, Floats]] = []
    struck = []
    town = scenario.town

    def lives(who: Any) -> Any:
        return town.homes[town.groups(key, who)] if town else None

    # An event is month, touchpoint, number within the month, and whether it is planned.
    calls = {part["month"]: part["hotline"] for part in _kept(run)}
    first = 0
    slots: dict[int, tuple[Whole, Whole, Mask]] = {}
    for m, month in enumerate(months):
        who, d = month.who, month.touchpoint
        luck = np.asarray(uniform(key, Lived.CONTACT_EVENT, who, m)).reshape(who.size)
        told_by = np.asarray(uniform(key, Lived.PLANNED, who, m)).reshape(who.size).astype(np.float32)
        event = event_of(luck, month.common[d], number, lives(who))
        planned = told_by < month.planned[d]
        told = told_by < month.planned[d] * month.notified
        here = event >= 0
        struck.append(
            pd.DataFrame(
                {
                    "month": np.int32(m), "d": d[here], "slot": event[here], "planned": planned[here],
                    "customer": who[here], "told": told[here],
                }
            )
        )  # fmt: skip
        if m not in calls:
            continue
        # Contacts, by the same numbers; below 4 a reason is a question.
        call = calls[m]
        caller, out = call["who"], call["out"]
        at = np.maximum(call["reason"] - 4, 0)
        luck = np.asarray(uniform(key, Lived.CONTACT_EVENT, caller, m)).reshape(caller.size)
        problem = call["reason"] >= 4
        event = np.where(problem, event_of(luck, month.common[at], number, lives(caller)), -1)
        went = problem & needs_crew(luck, month.common[at], month.crew[at]) & (out.resolved > 0)
        job = job_numbers(at, event, went)
        asked_by = np.asarray(uniform(key, Lived.PLANNED, caller, m)).reshape(caller.size)
        slots[m] = at, event, asked_by.astype(np.float32) < month.planned[at]
        total = int(job.max(initial=-1)) + 1
        one = np.zeros(total, dtype=np.int64)
        reporter = np.zeros(total, dtype=np.int64)
        # The first report of a job, for a later one overwrites nothing.
        rows = np.flatnonzero(job >= 0)[::-1]
        one[job[rows]], reporter[job[rows]] = at[rows], rows
        own = np.where(event[reporter] >= 0, _own(one, event[reporter]), caller[reporter].astype(np.uint64))
        of_jobs.append((one, reporter, travel_time(key, own, m, month.travel, month.travel_cv)))
        contact_job[m] = np.where(job >= 0, job + first, -1)
        first += total
    found = pd.concat(struck, ignore_index=True) if struck else pd.DataFrame()
    events, affected = _events(run, found, profiles)
    place = {
        (row.month, row.d, row.slot, row.planned): row.event
        for row in events[["event", "month", "d", "slot", "planned"]].itertuples()
    }
    for m, (at, event, planned) in slots.items():
        numbers = [place.get((m, *three), -1) for three in zip(at, event, planned, strict=True)]
        contact_event[m] = np.array(numbers, dtype=np.int64)
    job_event = [contact_event[m][rows] for m, (_, rows, _) in zip(contact_event, of_jobs, strict=True)]
    job_touchpoint = [one for one, _, _ in of_jobs]
    events = _ends(run, events, contact_event, contact_job, jobs)
    if len(events):
        affected = _told(run, events, affected)
    return Network(
        events=events.drop(columns=["d", "slot"]),
        affected=affected,
        kinds=_kinds(run),
        contact_event=contact_event,
        contact_job=contact_job,
        job_event=np.concatenate([np.zeros(0, dtype=np.int64), *job_event]),
        job_touchpoint=np.concatenate([np.zeros(0, dtype=np.int64), *job_touchpoint]),
        job_travel=np.concatenate([np.zeros(0), *(way for _, _, way in of_jobs)]),
    )


def _kept(run: Run) -> list[dict[str, Any]]:
    return run._kept("hotline") if run._operations is not None else []


def _own(d: Any, slot: Any) -> npt.NDArray[np.uint64]:
    """Identities that no customer has, for the luck of common events (as in `service.Operations`)."""
    return np.uint64(WORLD - 1) - (64 * np.asarray(d) + np.asarray(slot)).astype(np.uint64)


EVENTS = (
    "event", "month", "touchpoint", "kind", "planned", "started", "hours", "announced", "affected", "told",
    "district", "job", "d", "slot",
)  # fmt: skip


def _events(run: Run, struck: pd.DataFrame, profiles: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The events, numbered in the order of time, and a row for each customer one struck."""
    if not len(struck):
        affected = pd.DataFrame(columns=pd.Index(["event", "customer", "minutes", "told"]))
        return pd.DataFrame(columns=pd.Index(EVENTS)), affected
    keys = ["month", "d", "slot", "planned"]
    events = struck.groupby(keys, as_index=False).agg(affected=("customer", "size"), told=("told", "sum"))
    month, slot = events["month"].to_numpy(dtype=np.int64), events["slot"].to_numpy(dtype=np.int64)
    events["started"] = np.asarray(uniform(run.key, Lived.EVENT_TIME, WORLD, month * 64 + slot)) * HOURS
    events = events.sort_values(["month", "started", "d", "planned"], ignore_index=True)
    events.insert(0, "event", np.arange(len(events)))
    month, slot = events["month"].to_numpy(dtype=np.int64), events["slot"].to_numpy(dtype=np.int64)
    d, planned = events["d"].to_numpy(dtype=np.int64), events["planned"].to_numpy(dtype=bool)
    names = [t.name for t in run.scenario.touchpoints]
    events["touchpoint"] = np.array(names, dtype=object)[d]
    affected = struck.merge(events[["event", *keys]], on=keys)
    affected = affected[["event", "customer", "told"]].sort_values(["event", "customer"], ignore_index=True)
    events["district"] = _where(affected, profiles).reindex(events["event"]).to_numpy()
    own = _own(d, slot)
    known = _disturbances(run)
    districts = {place.name: place for place in run.scenario.districts}
    aged = [place for place in run.scenario.districts if place.pipe_age]
    mean_age = float(np.average([p.pipe_age for p in aged], weights=[p.share for p in aged])) if aged else 0.0
    places = [districts.get(name) for name in events["district"]]
    luck = np.asarray(uniform(run.key, Purpose.EVENT_KIND, own, month))
    kind, median = np.empty(len(events), dtype=object), np.empty(len(events))
    for i in range(len(events)):
        choice = known[names[d[i]], bool(planned[i])]
        share = np.cumsum([c.share_in(places[i], mean_age) for c in choice])
        which = choice[min(int(np.searchsorted(share, luck[i] * share[-1], side="right")), len(choice) - 1)]
        kind[i], median[i] = which.kind, which.hours
    events["kind"] = kind
    # The kind of planned work has a length of its own; see `_ends` for what crews mended.
    both = month + 1024 * planned
    z = np.asarray(normal(run.key, Purpose.EVENT_HOURS, own, both))
    events["hours"] = median * np.exp(SPREAD * z)
    notice = np.asarray(uniform(run.key, Purpose.EVENT_NOTICE, own, month))
    events["announced"] = np.where(events["told"] > 0, NOTICE[0] + notice * (NOTICE[1] - NOTICE[0]), np.nan)
    return events, affected


def _where(affected: pd.DataFrame, profiles: pd.DataFrame) -> pd.Series:
    """The district in which most of those live whom an event struck, by event."""
    homes = affected.merge(profiles[["customer", "district"]], on="customer")
    most = homes.groupby(["event", "district"], observed=True).size().reset_index(name="n")
    most = most.sort_values(["event", "n"], ascending=[True, False], kind="stable").drop_duplicates("event")
    return most.set_index("event")["district"]


def _ends(
    run: Run,
    events: pd.DataFrame,
    contact_event: dict[int, Whole],
    contact_job: dict[int, Whole],
    jobs: pd.DataFrame,
) -> pd.DataFrame:
    """The job of each event; with one, it lasts until the crew is done."""
    events = events.assign(job=pd.array([pd.NA] * len(events), dtype="Int64"))
    if not len(events) or not contact_event:
        return events
    pairs = pd.DataFrame(
        {
            "event": np.concatenate(list(contact_event.values())),
            "job": np.concatenate([contact_job[m] for m in contact_event]),
        }
    )
    pairs = pairs[(pairs["event"] >= 0) & (pairs["job"] >= 0)].drop_duplicates("event").set_index("event")
    if not len(pairs):
        return events
    job = pairs["job"].reindex(events["event"]).astype("Int64").array
    rows = np.flatnonzero(~pd.isna(job))
    numbers = job[rows].to_numpy(dtype=np.int64)
    finished = jobs["finished"].to_numpy(dtype=np.float64)[numbers]
    hours = events["hours"].to_numpy(dtype=np.float64).copy()
    hours[rows] = finished - events["started"].to_numpy(dtype=np.float64)[rows]
    return events.assign(job=job, hours=hours)


def _told(run: Run, events: pd.DataFrame, affected: pd.DataFrame) -> pd.DataFrame:
    """How long each customer was without: from half of the event's length to all of it."""
    rows = affected["event"].to_numpy(dtype=np.int64)
    month = events["month"].to_numpy(dtype=np.int64)[rows]
    u = np.asarray(uniform(run.key, Purpose.EXPOSED, affected["customer"].to_numpy(dtype=np.int64), month))
    minutes = 60 * events["hours"].to_numpy(dtype=np.float64)[rows] * (0.5 + 0.5 * u)
    return affected.assign(minutes=minutes)


def _disturbances(run: Run) -> dict[tuple[str, bool], list[Disturbance]]:
    """The kinds by touchpoint and whether planned; where the scenario names none, one of its own."""
    from .scenario import Disturbance

    found: dict[tuple[str, bool], list[Disturbance]] = {}
    for point in run.scenario.touchpoints:
        for planned in (False, True):
            own = [
                c
                for c in run.scenario.disturbances
                if (c.touchpoint, c.planned) == (point.name, planned) and c.share > 0
            ]
            word = "planned" if planned else "disturbance"
            found[point.name, planned] = own or [
                Disturbance(kind=f"{point.name}_{word}", touchpoint=point.name, planned=planned)
            ]
    return found


def _kinds(run: Run) -> pd.DataFrame:
    """The kinds that events of this scenario can be of."""
    rows = []
    if run.scenario.service.desk != "none":
        points = {t.name: t for t in run.scenario.touchpoints}
        for (name, planned), kinds in _disturbances(run).items():
            if points[name].common > 0 and (not planned or points[name].planned > 0):
                rows += [(c.kind, c.kind.replace("_", " "), c.chinese or None, name, planned) for c in kinds]
    return pd.DataFrame(rows, columns=pd.Index(["kind", "english", "chinese", "touchpoint", "planned"]))
