"""Stations: where customers wait for people whose time is limited.

The hotline, the complaint office, the payment counter and the field crews are all the same thing: a
rota of servers, contacts that arrive at some time, a line. Times are hours since the start of the
month, day 0 begins at 0. Luck belongs to the contact: its patience, the service time of each
attempt, whether it is resolved, whether and when the customer tries again. So a change of staff
leaves every contact as it was whose wait did not change.

    rota = Rota([Group("agents", 2, from_hour=8, to_hour=17)])
    records = FastDesk(rota).answer(contacts, days=30, weekday=0)

Three desks take the same rota and contacts and give the same kind of records (`stations_report.py`
turns them into figures and an event log):

- `FastDesk`: first come, first served, compiled; exact, and fast enough for any population;
- `SimpyDesk` (stations_simpy.py): the reference, event by event, which also knows priorities, skills
  and call-backs; in the plain case its records are those of `FastDesk`, contact by contact;
- `ErlangDesk` (erlang.py): an approximation by formula, hour by hour, for phone stations.

What happens to an attempt, in all of them:

- It is *served* if a server takes it before its patience ends, or at that very moment. Then it is
  resolved or not; if not, the customer may come again some time after the end of service ("repeats").
- It *reneges* (abandons) when its patience ends. The customer may try again ("redials"). Patience
  runs by the clock, during closing hours too; work that simply waits has infinite patience.
- Outside opening hours it waits for the opening (`closed="wait"`), or it is turned away at once
  (`closed="turned_away"`) and comes again after the next opening, `redial_delay` later, as long as it
  has attempts left. A station is open while any of its servers is on shift.
- A server finishes the contact in hand after its shift ends and takes none from that moment on.

The rota goes on for some weeks after the month (`Rota.tail_days`), with no new contacts, so that all
that began in the month comes to its end. What waits even then is *unserved*.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from .stations_fast import (
    CLOSED,
    NONE,
    RENEGE,
    SERVICE,
    UNSERVED,
    Answers,
    Openings,
    answer_plain,
    count_line,
)

if TYPE_CHECKING:
    import pandas as pd

ATTEMPTS = 3
RECORD_TYPES = {SERVICE: "service", RENEGE: "renege", CLOSED: "closed", UNSERVED: "unserved"}
WORKDAYS = (0, 1, 2, 3, 4)
EVERY_DAY = (0, 1, 2, 3, 4, 5, 6)
# Calls by hour of the opening times, relative to their mean; Lawrence utility billing opens nine hours.
HOURLY_PROFILE = (0.7, 1.2, 1.35, 1.2, 1.0, 1.05, 1.15, 0.9, 0.45)


# -- who serves, and when ------------------------------------------------------------------------


@dataclass(frozen=True)
class Group:
    """Servers who work the same hours and can do the same.

    - `number`: how many
    - `from_hour`, `to_hour`: daily shift, hours of the day; a shift past midnight ends after 24
    - `weekdays`: days on which it begins, Monday is 0
    - `skills`: reason codes they can serve; None for all
    """

    name: str
    number: int
    from_hour: float = 8.0
    to_hour: float = 17.0
    weekdays: tuple[int, ...] = WORKDAYS
    skills: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "weekdays", tuple(sorted({int(day) for day in self.weekdays})))
        if self.skills is not None:
            object.__setattr__(self, "skills", tuple(sorted({int(code) for code in self.skills})))
        where = f"group {self.name!r}"
        if self.number < 0 or self.number != int(self.number):
            raise ValueError(f"{where}: number must be a whole number from 0, not {self.number!r}")
        object.__setattr__(self, "number", int(self.number))
        if not (0 <= self.from_hour < 24 and self.from_hour < self.to_hour <= self.from_hour + 24):
            raise ValueError(
                f"{where}: a shift begins from 0 to 24 and lasts up to 24 hours, "
                f"not {self.from_hour:g} to {self.to_hour:g} (a night shift is 22 to 30)"
            )
        if not set(self.weekdays) <= set(EVERY_DAY):
            raise ValueError(f"{where}: weekdays are 0 (Monday) to 6 (Sunday), not {self.weekdays}")


@dataclass(frozen=True)
class Rota:
    """The groups that staff a station. Servers are numbered group after group.

    `tail_days`: for how many days after the month the rota goes on, to settle what is left.
    """

    groups: tuple[Group, ...]
    tail_days: int = 28

    def __post_init__(self) -> None:
        object.__setattr__(self, "groups", tuple(self.groups))
        names = [group.name for group in self.groups]
        if len(set(names)) < len(names):
            raise ValueError(f"groups of a rota need different names, not {', '.join(names)}")
        if self.tail_days < 0:
            raise ValueError(f"tail_days must be 0 or more, not {self.tail_days}")

    @property
    def servers(self) -> int:
        return sum(group.number for group in self.groups)

    def calendar(self, days: int = 30, weekday: int = 0) -> Calendar:
        """The shifts of a month of so many days whose first day is `weekday` (Monday is 0)."""
        return _calendar(self, int(days), int(weekday))


@dataclass(frozen=True, eq=False)
class Calendar:
    """A rota in hours since the start of a month.

    - `shifts`: for each server a tuple of (begin, finish); those that touch are one
    - `group`: for each server the number of its group
    - `hours`: length of the month; `end`: end of the calendar, its tail included
    - `openings`: the same shifts, and the opening hours, as arrays for the compiled desk
    """

    rota: Rota
    days: int
    weekday: int
    shifts: tuple[tuple[tuple[float, float], ...], ...]
    group: np.ndarray
    hours: float
    end: float
    openings: Openings

    def duty(self, edges: np.ndarray, group: int | None = None) -> np.ndarray:
        """Server-hours on shift between successive edges (hours, rising), of one group or of all."""
        first, begin, finish = self.openings[:3]
        total = np.zeros(len(edges) - 1)
        for g, one in enumerate(self.rota.groups):
            if group is None or g == group:
                own = slice(first[g], first[g + 1])
                total += one.number * overlap(begin[own], finish[own], edges)
        return total

    def open_hours(self, edges: np.ndarray) -> np.ndarray:
        """Hours open between successive edges."""
        return overlap(self.openings.open_begin, self.openings.open_finish, edges)

    def is_open(self, times: np.ndarray) -> np.ndarray:
        """Whether the station is open at each time; at the end of a shift it no longer is."""
        at = np.searchsorted(self.openings.open_finish, times, side="right")
        begin = np.append(self.openings.open_begin, np.inf)
        return np.asarray(begin[at] <= times)

    def next_opening(self, times: np.ndarray) -> np.ndarray:
        """Begin of the opening that a time falls in or, when closed, of the next one; inf if none comes."""
        at = np.searchsorted(self.openings.open_finish, times, side="right")
        return np.asarray(np.append(self.openings.open_begin, np.inf)[at])


def overlap(begin: np.ndarray, finish: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Total time that the spans from `begin` to `finish` share with each cell between `edges`."""

    def before(points: np.ndarray) -> np.ndarray:
        """Total time from -infinity to each edge of a ray that begins at each point."""
        points = np.sort(points)
        total = np.concatenate([[0.0], np.cumsum(points)])
        number = np.searchsorted(points, edges)
        return np.asarray(number * edges - total[number])

    return np.diff(before(begin) - before(finish))


@lru_cache(maxsize=256)
def _calendar(rota: Rota, days: int, weekday: int) -> Calendar:
    if days < 1:
        raise ValueError(f"a month has at least one day, not {days}")
    if weekday not in EVERY_DAY:
        raise ValueError(f"weekday is 0 (Monday) to 6 (Sunday), not {weekday}")
    end = 24.0 * (days + rota.tail_days)
    of_group: list[list[tuple[float, float]]] = []
    for group in rota.groups:
        spans = [
            (max(24.0 * day + group.from_hour, 0.0), min(24.0 * day + group.to_hour, end))
            # the night shift of the day before reaches into the month
            for day in range(-1, days + rota.tail_days)
            if (weekday + day) % 7 in group.weekdays and 24.0 * day + group.to_hour > 0.0
        ]
        of_group.append(_joined(spans))
    numbers = [group.number for group in rota.groups]
    staffed = [own for own, number in zip(of_group, numbers, strict=True) if number]
    opened = _joined(sorted({span for own in staffed for span in own}))
    flat = [span for own in of_group for span in own]
    openings = Openings(
        first=np.cumsum([0, *(len(own) for own in of_group)], dtype=np.int64),
        begin=np.array([span[0] for span in flat], float),
        finish=np.array([span[1] for span in flat], float),
        member=np.cumsum([0, *numbers], dtype=np.int64),
        open_begin=np.array([span[0] for span in opened], float),
        open_finish=np.array([span[1] for span in opened], float),
    )
    group_of = np.repeat(np.arange(len(numbers)), numbers)
    for part in openings:
        part.setflags(write=False)
    shifts = tuple(tuple(of_group[g]) for g in group_of)
    return Calendar(rota, days, weekday, shifts, group_of, 24.0 * days, end, openings)


def _joined(spans: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Sorted spans with those that touch or overlap made one."""
    joined: list[tuple[float, float]] = []
    for begin, finish in spans:
        if joined and begin <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(finish, joined[-1][1]))
        else:
            joined.append((begin, finish))
    return joined


@dataclass(frozen=True)
class StationOptions:
    """How a station deals with its line.

    - `closed`: outside opening hours arrivals "wait" for the opening or are "turned_away"
    - `priorities`: serve lower numbers of `Contacts.priority` first (without interrupting a service);
      among equals, and without this, first come first served
    - `callback_after`: estimated wait, hours, from which a call-back is offered; None for never. Who
      accepts leaves the line and keeps the place: patience no longer runs, the phone wait ends there.
      The estimate is (1 + those ahead in line) x `handling_time` / servers on duty.
    - `handling_time`: mean service time the station reckons with, hours; for that estimate only
    """

    closed: Literal["wait", "turned_away"] = "wait"
    priorities: bool = False
    callback_after: float | None = None
    handling_time: float = 4.0 / 60.0

    def __post_init__(self) -> None:
        if self.closed not in ("wait", "turned_away"):
            raise ValueError(f'closed must be "wait" or "turned_away", not {self.closed!r}')
        if self.callback_after is not None and not self.callback_after >= 0:
            raise ValueError(f"callback_after must be 0 hours or more, or None, not {self.callback_after!r}")
        if not self.handling_time > 0:
            raise ValueError(f"handling_time must be above 0 hours, not {self.handling_time!r}")


# -- who comes, and with what luck ---------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Contacts:
    """The contacts of a month, n of them, with up to K attempts each; all luck is in here.

    One number a contact (a single number stands for all):

    - `arrival`: first attempt, hours since the start of the month
    - `patience`: hours it would wait at each attempt; inf (the default) never abandons
    - `reason`: whole number, the code that skills refer to
    - `priority`: whole number, lower is served first where the station has priorities
    - `deadline`: hours after arrival by which it should be resolved; inf for none
    - `accepts_callback`: whether the caller would accept a call-back

    One number an attempt, shape (n, K) (one number or one a contact stands for all attempts):

    - `service`: service time, hours, above 0
    - `redials`, `redial_delay`: whether the customer tries again after abandoning, and how many hours
      later (above 0). The delay also counts from the next opening after being turned away.
    - `resolved`: whether it is resolved if served
    - `repeats`, `repeat_delay`: whether the customer comes again if served and not resolved, and how
      many hours after the end of service (above 0)
    - `luck`: uniform numbers in (0, 1) that place the attempt among possible waits; for `ErlangDesk`

    Raises ValueError naming the column, the first bad row and what is valid.
    """

    arrival: Any
    service: Any
    patience: Any = np.inf
    reason: Any = 0
    priority: Any = 0
    deadline: Any = np.inf
    accepts_callback: Any = True
    redials: Any = False
    redial_delay: Any = 0.25
    resolved: Any = True
    repeats: Any = False
    repeat_delay: Any = 24.0
    luck: Any = None
    attempts: int = ATTEMPTS

    def __post_init__(self) -> None:
        n = np.size(self.arrival)
        kinds: dict[str, type] = {
            "reason": np.int64,
            "priority": np.int64,
            "accepts_callback": np.bool_,
            "redials": np.bool_,
            "resolved": np.bool_,
            "repeats": np.bool_,
        }
        once = ("arrival", "patience", "reason", "priority", "deadline", "accepts_callback")
        each = ("service", "redials", "redial_delay", "resolved", "repeats", "repeat_delay", "luck")
        for name in (*once, *each):
            value = getattr(self, name)
            if value is None:
                continue
            array: np.ndarray = np.asarray(value, dtype=kinds.get(name, np.float64))
            shape: tuple[int, ...] = (n,)
            if name in each:
                shape = (n, self.attempts)
                if array.ndim == 1:
                    array = array[:, None]  # one a contact; never taken for one an attempt
            try:
                array = np.ascontiguousarray(np.broadcast_to(array, shape))
            except ValueError:
                given = np.shape(value)
                raise ValueError(f"contacts: {name} has shape {given}; {n} contacts need {shape}") from None
            object.__setattr__(self, name, array)
        self._check("arrival", "0 or more and finite", (self.arrival >= 0) & np.isfinite(self.arrival))
        self._check("patience", "0 or more", self.patience >= 0)
        self._check("deadline", "0 or more", self.deadline >= 0)
        self._check("service", "above 0 and finite", (self.service > 0) & np.isfinite(self.service))
        self._check("redial_delay", "above 0", self.redial_delay > 0)
        self._check("repeat_delay", "above 0", self.repeat_delay > 0)
        if self.luck is not None:
            self._check("luck", "between 0 and 1, both excluded", (self.luck > 0) & (self.luck < 1))

    def _check(self, name: str, valid: str, good: np.ndarray) -> None:
        if not good.all():
            row = int(np.argmin(good.reshape(len(good), -1).all(axis=1)))
            raise ValueError(
                f"contacts: {name} must be {valid} (hours); contact {row} has {getattr(self, name)[row]}"
            )

    def __len__(self) -> int:
        return len(self.arrival)

    def take(self, which: np.ndarray) -> Contacts:
        """Some of the contacts, by number or mask."""
        columns = [name for name in self.__dataclass_fields__ if name != "attempts"]
        parts = {name: getattr(self, name) for name in columns}
        chosen = {name: None if part is None else part[which] for name, part in parts.items()}
        return Contacts(**chosen, attempts=self.attempts)


# -- what came of it -----------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class ServiceRecords:
    """What came of a month's contacts at a station. Times are hours since the start of the month.

    One number an attempt, shape (n, K), where `kind` is not NONE:

    - `kind`: SERVICE, RENEGE, CLOSED or UNSERVED (codes of stations_fast.py)
    - `arrival_time`; `waiting_time`: until service, or until leaving without; with a call-back until
      that was accepted
    - `service_start_time` (nan if not served); `exit_time`: end of service, or moment of leaving;
      an unserved contact leaves at the end of the calendar
    - `server`: number, -1 for none; `queue_length`: contacts waiting at arrival; -1 if not known
    - `called_back`: whether a call-back was accepted

    One number a contact: `resolved_at` (attempt that resolved it, from 1; 0 for never),
    `total_waiting` (hours, all attempts) and `settled` (end of the last attempt).

    `busy_until`: when each server is done with the month's work; see `FastDesk.answer`.
    `method` says how the numbers came about: "first come", "simpy" or "erlang A".
    """

    contacts: Contacts
    calendar: Calendar
    method: str
    kind: np.ndarray
    arrival_time: np.ndarray
    waiting_time: np.ndarray
    service_start_time: np.ndarray
    exit_time: np.ndarray
    server: np.ndarray
    queue_length: np.ndarray
    called_back: np.ndarray
    resolved_at: np.ndarray
    total_waiting: np.ndarray
    settled: np.ndarray
    busy_until: np.ndarray

    @staticmethod
    def from_answers(
        contacts: Contacts,
        calendar: Calendar,
        method: str,
        answers: Answers,
        busy_until: np.ndarray,
        called_back: np.ndarray | None = None,
    ) -> ServiceRecords:
        """Complete what a desk wrote."""
        kind = answers.kind
        served = kind == SERVICE
        if called_back is None:
            called_back = np.zeros(kind.shape, bool)
        with np.errstate(invalid="ignore"):  # what was not written may be any number
            waiting = np.where(served, answers.start, answers.exit) - answers.arrival
        waiting[(kind == CLOSED) | called_back] = 0.0
        none = kind == NONE
        waiting[none] = np.nan
        return ServiceRecords(
            contacts=contacts,
            calendar=calendar,
            method=method,
            kind=kind,
            arrival_time=np.where(none, np.nan, answers.arrival),
            waiting_time=waiting,
            service_start_time=np.where(served, answers.start, np.nan),
            exit_time=np.where(none, np.nan, answers.exit),
            server=np.where(served, answers.server, -1).astype(np.int32),
            queue_length=np.where(none, -1, answers.queue).astype(np.int32),
            called_back=called_back,
            resolved_at=answers.resolved,
            total_waiting=answers.waited,
            settled=answers.settled,
            busy_until=busy_until,
        )

    def __len__(self) -> int:
        return len(self.contacts)

    def __repr__(self) -> str:
        counts = ", ".join(f"{(self.kind == code).sum():,} {name}" for code, name in RECORD_TYPES.items())
        return f"<ServiceRecords of {len(self):,} contacts: {counts}; {self.method}>"

    @property
    def resolved(self) -> np.ndarray:
        return np.asarray(self.resolved_at > 0)

    @property
    def answered(self) -> np.ndarray:
        """Whether any attempt was served."""
        return np.asarray((self.kind == SERVICE).any(axis=1))

    @property
    def abandoned(self) -> np.ndarray:
        """Whether the last attempt was not served: the customer gave up, or still waits."""
        last = (self.kind != NONE).sum(axis=1) - 1
        return np.asarray(self.kind[np.arange(len(self)), last] != SERVICE)

    @property
    def resolution_time(self) -> np.ndarray:
        """End of the service that resolved it, hours since the start of the month; nan if never."""
        return np.where(self.resolved, self.settled, np.nan)

    @property
    def met_deadline(self) -> np.ndarray:
        """Whether it was resolved within its deadline; True where there is none."""
        due = self.contacts.arrival + self.contacts.deadline
        return np.isinf(due) | (self.resolved & (self.settled <= due))

    def frame(self) -> pd.DataFrame:
        """One row an attempt, in order of contact and attempt; columns named as in Ciw's data records.

        `contact` (row of the contacts), `attempt` (from 1), `reason`, `record_type`, `arrival_time`,
        `waiting_time`, `service_start_time`, `service_time`, `service_end_time`, `exit_time` (hours),
        `server`, `group`, `queue_length`, `called_back`.
        """
        import pandas as pd

        contact, attempt = np.nonzero(self.kind != NONE)
        at = contact, attempt
        served = self.kind[at] == SERVICE
        server = self.server[at]
        names = np.array([group.name for group in self.calendar.rota.groups] + [None], object)
        group = np.append(self.calendar.group, -1)[server]
        return pd.DataFrame(
            {
                "contact": contact,
                "attempt": attempt + 1,
                "reason": self.contacts.reason[contact],
                "record_type": pd.Categorical.from_codes(
                    self.kind[at].astype(np.int64) - SERVICE, categories=pd.Index(RECORD_TYPES.values())
                ),
                "arrival_time": self.arrival_time[at],
                "waiting_time": self.waiting_time[at],
                "service_start_time": self.service_start_time[at],
                "service_time": np.where(served, self.contacts.service[at], np.nan),
                "service_end_time": np.where(served, self.exit_time[at], np.nan),
                "exit_time": self.exit_time[at],
                "server": server,
                "group": names[group],
                "queue_length": self.queue_length[at],
                "called_back": self.called_back[at],
            }
        )

    def by_contact(self) -> pd.DataFrame:
        """One row a contact: what the customer went through.

        `arrival_time`, `reason`, `attempts`, `answered`, `resolved_at`, `total_waiting`, `abandoned`,
        `resolution_time`, `settled`, `deadline` (hours after arrival), `met_deadline`.
        """
        import pandas as pd

        return pd.DataFrame(
            {
                "arrival_time": self.contacts.arrival,
                "reason": self.contacts.reason,
                "attempts": (self.kind != NONE).sum(axis=1),
                "answered": self.answered,
                "resolved_at": self.resolved_at,
                "total_waiting": self.total_waiting,
                "abandoned": self.abandoned,
                "resolution_time": self.resolution_time,
                "settled": self.settled,
                "deadline": self.contacts.deadline,
                "met_deadline": self.met_deadline,
            },
            index=pd.RangeIndex(len(self), name="contact"),
        )


# -- the fast desk -------------------------------------------------------------------------------


class Desk(Protocol):
    """What answers contacts: `FastDesk`, `SimpyDesk`, `ErlangDesk`."""

    @property
    def rota(self) -> Rota: ...

    @property
    def options(self) -> StationOptions: ...

    def answer(self, contacts: Contacts, days: int = 30, weekday: int = 0) -> ServiceRecords: ...


def opening_state(
    calendar: Calendar, contacts: Contacts, busy_until: np.ndarray | Sequence[float] | None
) -> np.ndarray:
    """A copy of `busy_until` for this calendar's servers, 0 for those it does not name.

    Raises ValueError if a contact arrives after the month.
    """
    if len(contacts) and contacts.arrival.max() >= calendar.hours:
        row = int(contacts.arrival.argmax())
        raise ValueError(
            f"contact {row} arrives at hour {contacts.arrival[row]:g}; "
            f"a month of {calendar.days} days has {calendar.hours:g}"
        )
    busy = np.zeros(len(calendar.shifts))
    if busy_until is not None:
        earlier = np.asarray(busy_until, float)[: len(busy)]
        busy[: len(earlier)] = np.maximum(earlier, 0.0)
    return busy


@dataclass(frozen=True)
class FastDesk:
    """The compiled first-come desk. Raises ValueError if asked for what only `SimpyDesk` can do.

    `answer` checks and wraps; a loop over many months may call `stations_fast.answer_plain` with plain
    arrays and reuse the room for the answers.
    """

    rota: Rota
    options: StationOptions = field(default_factory=StationOptions)

    def __post_init__(self) -> None:
        check_plain(self.rota, self.options, "FastDesk")

    def answer(
        self,
        contacts: Contacts,
        days: int = 30,
        weekday: int = 0,
        busy_until: np.ndarray | Sequence[float] | None = None,
    ) -> ServiceRecords:
        """Serve a month's contacts.

        The month has `days` days, the first of them a `weekday` (Monday is 0). `busy_until`: hours at
        which each server is done with work of earlier months. `records.busy_until` less the hours of
        the month hands a backlog on to the next; that is exact where contacts neither redial nor
        repeat, as with jobs for crews. A phone line that is empty by night needs none of it.
        """
        calendar = self.rota.calendar(days, weekday)
        busy = opening_state(calendar, contacts, busy_until)
        out = Answers.empty(len(contacts), contacts.attempts)
        answer_plain(
            calendar.openings,
            calendar.end,
            self.options.closed == "turned_away",
            busy,
            contacts.arrival,
            contacts.patience,
            contacts.service,
            contacts.redials,
            contacts.redial_delay,
            contacts.resolved,
            contacts.repeats,
            contacts.repeat_delay,
            out,
        )
        count_line(len(contacts), out)
        return ServiceRecords.from_answers(contacts, calendar, "first come", out, busy)


def check_plain(rota: Rota, options: StationOptions, desk: str) -> None:
    """Raise ValueError if a rota or its options ask for more than first come, first served."""
    asked = [
        what
        for what, wanted in {
            "priorities": options.priorities,
            "call-backs": options.callback_after is not None,
            "skills": any(group.skills is not None for group in rota.groups),
        }.items()
        if wanted
    ]
    if asked:
        raise ValueError(
            f"{desk} serves first come, first served and has no {' or '.join(asked)}; use SimpyDesk"
        )


# -- when contacts come --------------------------------------------------------------------------


def day_factors(uniforms: np.ndarray, mean: float, dispersion: float = 3.6) -> np.ndarray:
    """How busy each day is, relative to the mean: gamma numbers with mean 1.

    With Poisson counts of mean `mean` x factor a day, the variance of the daily count is `dispersion`
    times its mean (negative binomial): the factors have variance (dispersion - 1) / mean. `uniforms`:
    one number in (0, 1) a day. An index of dispersion of 1 or less gives factors of 1. The default is
    that of the daily calls to Lawrence utility billing (Kansas, January 2019).
    """
    from scipy.special import gammaincinv

    if not mean > 0:
        raise ValueError(f"mean contacts a day must be above 0, not {mean!r}")
    uniforms = np.asarray(uniforms, float)
    if dispersion <= 1:
        return np.ones_like(uniforms)
    shape = mean / (dispersion - 1)
    return np.asarray(gammaincinv(shape, uniforms) / shape)


def times_in_month(
    uniforms: np.ndarray,
    days: int = 30,
    weekday: int = 0,
    *,
    factors: np.ndarray | None = None,
    hourly: Sequence[float] = HOURLY_PROFILE,
    first_hour: float = 8.0,
    weekdays: Sequence[float] = (1, 1, 1, 1, 1, 0, 0),
) -> np.ndarray:
    """Moments within a month, hours since its start, by inverse CDF of one uniform number each.

    The rate is constant within an hour and proportional to factor of the day (`day_factors`; one a day)
    x weight of the weekday (Monday first) x weight of the hour (from `first_hour` of the day on). For
    contacts whose number is given, these are their places in the month; Poisson many of them
    form a non-homogeneous Poisson process.
    """
    by_day = np.asarray(weekdays, float)[(weekday + np.arange(days)) % 7]
    if factors is not None:
        by_day = by_day * np.asarray(factors, float)
    profile = np.asarray(hourly, float)
    if first_hour < 0 or first_hour + len(profile) > 24:
        raise ValueError(f"{len(profile)} hours from hour {first_hour:g} do not fit in a day")
    weights = np.zeros((days, len(profile) + 1))
    weights[:, 1:] = by_day[:, None] * profile  # the first column is the time from one evening to the morning
    total = np.concatenate([[0.0], np.cumsum(weights)])
    if not (weights >= 0).all() or not total[-1] > 0:
        raise ValueError("weights of days and hours must be 0 or more, and some of them above 0")
    begins = 24.0 * np.arange(days)[:, None] + first_hour + np.arange(len(profile) + 1)
    edges = np.concatenate([[0.0], begins.ravel()])
    times = np.interp(np.asarray(uniforms, float) * total[-1], total, edges)
    return np.minimum(times, np.nextafter(24.0 * days, 0.0))
