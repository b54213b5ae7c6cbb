"""The month's service operations: from contacts to stations and back to the customer.

With a desk (`Scenario.service`) the month stops after customers have met the firm's touchpoints.
Those who call go to the hotline; where somebody must come, a job goes to the field crews; who is not
helped may complain, and the complaint office answers; bills paid by hand may be paid at the counter.
Each of the four is a station (`stations.py`): a rota, a line, contacts that bring their own luck. What
comes of it returns to the customers' columns (`contacts.py`), and the month goes on.

A month of service has 30 days, month 0 begins on a Monday. Times are hours since its start.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .columns import BLOCK
from .compile import GROUP_FIELDS, PARAMETER_INDEX, TOUCHPOINT_FIELDS, group_columns
from .contacts import ATTEMPTS, COUNTS
from .draws import WORLD, Key, Purpose, uniform
from .policies import PolicyError
from .stations import (
    Calendar,
    Contacts,
    Group,
    Rota,
    ServiceRecords,
    StationOptions,
    day_factors,
)
from .stations_fast import Answers, answer_plain, count_line

if TYPE_CHECKING:
    from .engine import CompiledWorld
    from .scenario import Scenario

DAYS = 30
HOURS = 24.0 * DAYS
EVERY_DAY = (0, 1, 2, 3, 4, 5, 6)
STATIONS = ("hotline", "crews", "office", "counter")
# Kinds of questions; as skills and in `Run.contacts` they are bill_question, "bill question" and so on.
REASONS = ("bill", "payment", "other")


def staff(name: str, number: float, begin: float, finish: float, days: int = 7) -> tuple[Group, ...]:
    """Groups for a number of servers; a fraction works that part of the day, from its beginning."""
    whole = math.floor(number + 1e-9)
    part = number - whole
    groups = [Group(name, whole, begin, finish, EVERY_DAY[:days])]
    if part > 1e-6:
        # Quarters of an hour, so that a slow ramp does not make a calendar of its own each month.
        end = begin + max(round(4 * part * (finish - begin)) / 4, 0.25)
        groups.append(Group(f"{name}_part", 1, begin, end, EVERY_DAY[:days]))
    return tuple(groups)


class OnDuty(NamedTuple):
    """Who works at a station in a month."""

    rota: Rota
    servers: int
    calendar: Calendar
    hours: float  # server-hours on shift


@lru_cache(maxsize=512)
def on_duty(
    name: str,
    number: float,
    begin: float,
    finish: float,
    days: int,
    weekday: int,
    others: tuple[Group, ...] = (),
) -> OnDuty:
    """A station's servers in a month whose first day is `weekday`: so many, and others beside them."""
    rota = Rota(staff(name, number, begin, finish, days) + others)
    calendar = rota.calendar(DAYS, weekday)
    return OnDuty(rota, rota.servers, calendar, float(calendar.duty(np.array([0.0, HOURS]))[0]))


@lru_cache(maxsize=64)
def days_and_events(
    key: Key, months: int, usual: float, dispersion: float, events: int
) -> tuple[np.ndarray, np.ndarray]:
    """How busy each day of each month is where `usual` contacts come on a usual day, and the hours of each
    month's common events. Kept, since the same luck is lived under one policy after another."""
    each = np.arange(months)[:, None]
    days = np.asarray(uniform(key, Purpose.BUSY_DAY, WORLD, each * 32 + np.arange(DAYS)))
    times = np.asarray(uniform(key, Purpose.EVENT_TIME, WORLD, each * 64 + np.arange(events))) * HOURS
    return day_factors(days, usual, dispersion), times


def left_over(busy_until: np.ndarray, servers: int) -> np.ndarray:
    """Until when so many servers are busy with what those of the month before had still to do, hours."""
    left = np.maximum(busy_until - HOURS, 0.0)
    if len(left) == servers:
        return left
    busy = np.zeros(servers)
    same = min(len(left), servers)
    busy[:same] = left[:same]
    # The work of those who are no longer there falls to the least busy of the others.
    for hours in left[same:] if same else ():
        busy[np.argmin(busy)] += hours
    return busy


class Line(NamedTuple):
    """Those who turn to a station: a row each and, but for arrival, patience and reason, a column for each
    attempt. Times in hours."""

    arrival: np.ndarray
    service: np.ndarray
    patience: np.ndarray
    again: np.ndarray  # whether one who gave up tries again, and after how long
    delay: np.ndarray
    solved: np.ndarray
    repeats: np.ndarray  # whether one who was not helped comes again, and after how long
    repeat_delay: np.ndarray
    reason: np.ndarray | None  # of a call; at the other stations nobody is turned away


class Operations:
    """The stations of one run: `answer` is called between the two parts of each month."""

    def __init__(self, scenario: Scenario, key: Key, keep: bool) -> None:
        self.scenario, self.key = scenario, key
        self.names = [t.name for t in scenario.touchpoints]
        self.service = self.names.index(scenario.service.touchpoint)
        self.homes = scenario.town.homes if scenario.town else np.zeros((0, 2), np.float32)
        # 0 where the service touchpoint would be met, or fail, by chance: columns 1 and 2 of a touchpoint.
        groups = scenario.town.size if scenario.town else 0
        width = len(TOUCHPOINT_FIELDS) + groups * len(GROUP_FIELDS)
        self.by_chance = np.ones((len(self.names), width), np.float32)
        self.by_chance[self.service, [1, 2, *group_columns(1, groups), *group_columns(2, groups)]] = 0.0
        payment = scenario.service.payment_touchpoint
        self.payment = self.names.index(payment) if payment in self.names else -1
        self.keep = keep
        self.shifts = tuple(
            Group(s.name, s.agents, s.from_hour, s.to_hour, EVERY_DAY[: s.days], self._codes(s.skills))
            for s in scenario.service.shifts
        )
        # How busy days are takes a while to find; with threads another finds it (`CompiledWorld`).
        self.days: Callable[[], tuple[np.ndarray, np.ndarray]] = lru_cache(maxsize=1)(self.days_and_events)
        # Identities that no customer has, for the luck of common events.
        number = 64 * np.arange(len(self.names))[:, None] + np.arange(scenario.service.common_events)
        self.event_who = np.uint64(WORLD - 1) - number.astype(np.uint64)
        # Whether all months write their answers to the same room; records and other desks have their own.
        self.in_place = scenario.service.desk == "fast" and not keep
        self._make_room(0)
        self.hourly, self.weekdays = (
            np.array(scenario.service.hourly, float),
            np.array(scenario.service.weekdays, float),
        )
        # Accumulated rate of contacts at successive hours of the month, and these hours.
        self.total, self.begins = np.empty((2, DAYS * (len(self.hourly) + 1) + 1))
        self.kept: list[dict[str, Any]] = []
        self.books: list[tuple[int, np.ndarray, float, dict[str, float]]] = []  # see `_row`
        self.backlog: dict[str, np.ndarray] = {}
        # Room used again from month to month.
        self.columns_of: dict[str, tuple[np.ndarray, ...]] = {}
        self.lines: dict[str, Line] = {}

    # -- the month -----------------------------------------------------------------------------

    def touchpoints(self, points: np.ndarray) -> np.ndarray:
        """The month's touchpoints with the service touchpoint met on the phone instead of by chance."""
        return points * self.by_chance

    def open(self, world: CompiledWorld, month: int) -> tuple[Any, ...]:
        """Begin the month. Returns what its parts need beside the customers: what the first fills, and, if
        they are written `in_place`, the answers that the second takes up."""
        lever = world.levers.values
        self.value = lambda name: float(lever[PARAMETER_INDEX["service_" + name]])
        self.now, self.weekday = month, DAYS * month % 7
        self.kernels, self.levers, self.random = world.module, world.values, world.people.key
        self.blocks = world.people.blocks
        opening = self.value("open_from"), self.value("open_to")
        crews = self.value("crew_from"), self.value("crew_to")
        for whose, (begin, finish) in (("opening", opening), ("crew", crews)):
            if not begin < finish:
                raise PolicyError(
                    f"month {month}: the policies leave no {whose} hours, from {begin:g} to {finish:g}"
                )
        open_days = round(self.value("open_days"))
        self.open_at = *opening, open_days, self.weekday
        busy_days, event_times = self.days()
        self.kernels.contact_rate(
            busy_days[month], self.weekday, open_days, self.weekdays, self.hourly, *opening,
            HOURS, self.total, self.begins,
        )  # fmt: skip
        if self.numbers.shape[1] < self.blocks:
            self._make_room(self.blocks + self.blocks // 8)
        self.counts[:] = 0.0
        self.asked = (
            *(self.total, self.begins, event_times[month], HOURS, self.numbers), *self.columns, self.homes
        )  # fmt: skip
        return *self.asked, *self._answered(self.room["hotline"], self.room["counter"].waited)

    def _make_room(self, blocks: int) -> None:
        """Columns for the contacts of so many blocks, used again from month to month. A customer turns to
        the hotline, or to the counter, once a month at most; rooms never entered cost nothing."""
        size = blocks * BLOCK
        self.numbers, self.edges = np.zeros((5, blocks), np.int64), np.zeros((2, blocks + 1), np.int64)
        self.columns = _, whole, once, times, odds, _, _ = _columns_of_contacts(size)
        self.callers = Line(
            once[0], times[0], once[1], odds[0], times[1], odds[1], odds[2], times[2], whole[1]
        )
        self.helped, self.counts = np.empty(size, np.int8), np.zeros((blocks, len(COUNTS)))
        self.room = {name: Answers.empty(size, ATTEMPTS) for name in ("hotline", "counter")}

    def _answered(self, out: Answers, waited: np.ndarray) -> tuple[Any, ...]:
        """What the second part needs, from the hotline's answers and the waits at the counter."""
        return (
            self.service, self.payment, self.edges, out.arrival, out.start, out.kind, out.resolved,
            out.waited, out.settled, self.helped, self.counts, waited,
        )  # fmt: skip

    def answer(self) -> tuple[Any, ...]:
        """Answer the month's contacts. Returns as `open` does, now with the answers."""
        self.kernels.pack(self.numbers, self.blocks, self.edges, *self.columns)
        n, visits = self.edges[:, self.blocks].tolist()
        self.part: dict[str, Any] = {"month": self.now}
        self.duty = on_duty("agents", self.value("agents"), *self.open_at, self.shifts)
        out = self._answer("hotline", self.duty, self.callers, n, self.columns[0])
        self.jobs = self._crews(n, out)
        self.letters = self._office(n, out)
        self.visits: dict[str, float] = {}
        waited = self.room["counter"].waited
        if self.value("counter_clerks") > 0:
            self.visits, waited = self._counter(visits)
        return *self.asked, *self._answered(out, waited)

    def close(self) -> None:
        """Close the month's books."""
        sums = np.empty(len(COUNTS))
        self.kernels.add_counts(self.counts, sums)
        self.books.append((self.now, sums, self.duty.hours, self.jobs | self.letters | self.visits))
        if self.keep:
            self.kept.append(self.part)

    def rows(self) -> list[dict[str, float]]:
        """What stands in `Run.service`: a row for each month that was closed."""
        return [_row(*month) for month in self.books]

    def _crews(self, n: int, answers: Answers) -> dict[str, float]:
        """Send the crews; what they mend in the month counts for the customer at once."""
        who, whole, once, *_ = self.columns
        (job_of,) = self._columns("job of", n, np.int64)
        line = self._patient_line("crews", n)
        number = self.kernels.send_crews(
            who, self.event_who, n, self.levers, self.random, whole, answers.resolved, answers.settled,
            HOURS, np.empty(self.event_who.shape, np.int64), self.helped, job_of, line.arrival,
            line.service,
        )  # fmt: skip
        late = 0
        if number:
            times = self.value("crew_from"), self.value("crew_to")
            duty = on_duty("crews", self.value("crews"), *times, 7, self.weekday)
            out = self._answer("crews", duty, line, number, who)
            self.kernels.repaired(n, self.levers, job_of, once[0], out.kind, out.settled, self.helped)
            late = self._late(out, line.arrival, number, "repair_deadline")
        return {"jobs": float(number), "repairs_late": float(late)}

    def _office(self, n: int, answers: Answers) -> dict[str, float]:
        """Answer formal complaints."""
        who, whole, once, *_ = self.columns
        line = self._patient_line("office", n)
        letter_of, solved = self._columns("letters", n, np.int64, np.bool_)
        letters = self.kernels.protest(
            who, n, self.levers, self.random, whole[1], answers.resolved, answers.settled, HOURS,
            letter_of, line.arrival, line.service, solved,
        )  # fmt: skip
        late = 0
        if letters:
            duty = on_duty("clerks", self.value("clerks"), *self.open_at)
            out = self._answer("office", duty, line, letters, who[letter_of[:letters]])
            self.kernels.answer_letters(
                letters, self.levers, letter_of, once[0], solved, out.kind, out.settled, self.helped
            )
            late = self._late(out, line.arrival, letters, "complaint_deadline")
        return {"formal_complaints": float(letters), "answers_late": float(late)}

    def _counter(self, n: int) -> tuple[dict[str, float], np.ndarray]:
        """Serve those who pay at the counter; how long each waited there, hours."""
        who = self.columns[-2]
        line = self._patient_line("counter", n)
        self.kernels.visits(
            who, n, self.levers, self.random, self.total, self.begins, line.arrival, line.service
        )
        duty = on_duty("counter", self.value("counter_clerks"), *self.open_at)
        out = self._answer("counter", duty, line, n, who)
        waited = out.waited[:n]
        return {"visits": float(n), "counter_wait": _ratio(60 * float(waited.sum()), n)}, waited

    # -- parts ---------------------------------------------------------------------------------

    def _answer(self, station: str, duty: OnDuty, line: Line, n: int, who: np.ndarray) -> Answers:
        """Let a station serve the first `n` of a line. The answers may have room for more."""
        rota, calendar = duty.rota, duty.calendar
        phone = line.reason is not None
        # What crews, clerks and counter did not finish is still to be done; a telephone line is not.
        earlier = None if phone else self.backlog.get(station)
        busy = np.zeros(duty.servers) if earlier is None else left_over(earlier, duty.servers)
        desk, called_back = self.scenario.service.desk, None
        arrival, service = line.arrival[:n], line.service[:n]
        if not phone and (self.keep or desk != "fast"):
            service[:, 1:] = service[:, :1]  # nobody comes twice, but a record has a time for each attempt
        if desk == "fast" or (desk == "erlang" and not phone):
            out = self._answers(station, n)
            answer_plain(
                calendar.openings, calendar.end, phone, busy, arrival, line.patience, service, line.again,
                line.delay, line.solved, line.repeats, line.repeat_delay, out,
            )  # fmt: skip
            if self.keep:
                count_line(n, out)
        else:
            out, called_back = self._by_desk(desk, rota, phone, busy, self._contacts(line, n, who))
        self.backlog[station] = busy
        if self.keep:
            self.part[station] = {
                "who": who[:n].astype(np.int64), "rota": rota, "weekday": self.weekday, "out": out,
                "closed": phone, "patience": line.patience[:n].copy(), "service": service.copy(),
                "reason": None if line.reason is None else line.reason[:n].copy(),
                "arrival": arrival.copy(), "called_back": called_back,
            }  # fmt: skip
        if called_back is not None:  # whoever is called back does not wait on the phone
            out = out._replace(start=np.where(called_back, out.arrival, out.start))
        return out

    def _contacts(self, line: Line, n: int, who: np.ndarray) -> Contacts:
        """The first `n` of a line as the other desks take them."""
        reason = 0 if line.reason is None else line.reason[:n]
        return Contacts(
            arrival=np.minimum(line.arrival[:n], np.nextafter(HOURS, 0.0)),
            service=line.service[:n],
            patience=line.patience[:n],
            reason=reason,
            priority=0 if line.reason is None else np.where(line.reason[:n] >= 4, 0, 1),
            redials=line.again[:n],
            redial_delay=line.delay[:n],
            resolved=line.solved[:n],
            repeats=line.repeats[:n],
            repeat_delay=line.repeat_delay[:n],
            luck=self._place_in_line(who[:n]) if self.scenario.service.desk == "erlang" else None,
        )

    def _by_desk(
        self, desk: str, rota: Rota, phone: bool, busy: np.ndarray, contacts: Contacts
    ) -> tuple[Answers, np.ndarray]:
        """The same by the SimPy reference, or by the Erlang A approximation; and who was called back."""
        service = self.scenario.service
        options = StationOptions(
            closed="turned_away" if phone else "wait",
            priorities=service.priorities and phone,
            callback_after=self.value("callback_after") / 60 or None if phone else None,
            handling_time=self.value("handling") / 60,
        )
        if desk == "erlang":
            from .erlang import ErlangDesk

            records = ErlangDesk(rota, options).answer(contacts, DAYS, self.weekday)
        else:
            from .stations_simpy import SimpyDesk

            records = SimpyDesk(rota, options).answer(contacts, DAYS, self.weekday, busy)
            busy[:] = records.busy_until
        answers = Answers(
            records.arrival_time, records.service_start_time, records.exit_time, records.server,
            records.kind, records.queue_length, records.resolved_at, records.total_waiting, records.settled,
        )  # fmt: skip
        return answers, records.called_back

    def _place_in_line(self, who: np.ndarray) -> np.ndarray:
        months = self.now + 1024 * np.arange(ATTEMPTS)
        return np.asarray(uniform(self.key, Purpose.LINE, who[:, None], months[None, :]))

    def _codes(self, skills: tuple[str, ...]) -> tuple[int, ...] | None:
        known = {f"{name}_question": k + 1 for k, name in enumerate(REASONS)}
        known |= {name: k + 4 for k, name in enumerate(self.names)}
        return tuple(known[name] for name in skills) or None

    def days_and_events(self) -> tuple[np.ndarray, np.ndarray]:
        """How busy each day of each month is, and when each month's common events happen (hours)."""
        service, population = self.scenario.service, self.scenario.population
        # The index of dispersion is that of the usual load: a day's luck must not follow the load.
        rate = service.bill_questions + service.payment_questions + service.other_questions + 0.01
        usual = max(population.size * rate * 7 / (DAYS * service.open_days), 1.0)
        return days_and_events(self.key, population.months, usual, service.dispersion, service.common_events)

    def _late(self, out: Answers, arrival: np.ndarray, n: int, deadline: str) -> int:
        """How many of `n` were not done within a deadline (a lever, hours) of their arrival."""
        return int(self.kernels.late(out.kind, out.settled, arrival, n, self.value(deadline)))

    def _answers(self, station: str, n: int) -> Answers:
        """Room for a month's answers; its own where they are kept."""
        if self.keep:
            return Answers.empty(n, ATTEMPTS)
        found = self.room.get(station)
        if found is None or len(found.settled) < n:
            found = self.room[station] = Answers.empty(n + n // 2 + 64, ATTEMPTS)
        return found

    def _columns(self, use: str, n: int, *kinds: Any) -> tuple[np.ndarray, ...]:
        """Room for so many contacts, used again from month to month."""
        found = self.columns_of.get(use)
        if found is None or len(found[0]) < n:
            size = n + n // 2 + 64
            found = self.columns_of[use] = tuple(np.zeros(size, kind) for kind in kinds)
        return found

    def _patient_line(self, station: str, n: int) -> Line:
        """Room for a line of so many who wait until they are served, and are served once; arrival and
        service are to be filled."""
        found = self.lines.get(station)
        if found is None or len(found.arrival) < n:
            size = n + n // 2 + 64
            no, delay = np.zeros((size, ATTEMPTS), np.bool_), np.ones((size, ATTEMPTS))
            work = np.zeros((size, ATTEMPTS))
            found = Line(np.zeros(size), work, np.full(size, math.inf), no, delay, ~no, no, delay, None)
            self.lines[station] = found
        return found


def _columns_of_contacts(size: int) -> tuple[np.ndarray, ...]:
    """Room for so many contacts and visits: the columns of `contacts.run_first`."""
    return (
        np.empty(size, np.uint64),
        np.empty((4, size), np.int64),
        np.empty((3, size)),
        np.empty((3, size, ATTEMPTS)),
        np.empty((3, size, ATTEMPTS), np.bool_),
        np.empty(size, np.uint64),
        np.empty(size, np.int64),
    )


def _row(month: int, sums: np.ndarray, hours: float, others: dict[str, float]) -> dict[str, float]:
    """A month from the sums of its `COUNTS`, the agents' hours on shift, and the other stations' counts."""
    count = dict(zip(COUNTS, sums.tolist(), strict=True))
    calls, answered = count["calls"], count["answered"]
    return {
        "month": month,
        "contacts": count["contacts"],
        "questions": count["questions"],
        "calls": calls,
        "answered": answered,
        "turned_away": count["turned_away"],
        "abandoned": calls - answered - count["turned_away"],
        "gave_up": count["gave_up"],
        "wait": _ratio(3600 * count["waited"], answered),
        "service_level": _ratio(count["in_time"], calls - count["turned_away"]),
        "utilisation": _ratio(count["busy"], hours),
        "solved": count["solved"],
        "solved_at_once": count["solved_at_once"],
        **others,
    }


def _ratio(a: float, b: float) -> float:
    return a / b if b else math.nan


def station_records(part: dict[str, Any], station: str) -> ServiceRecords:
    """One month's records of a station, from what `Operations` kept."""
    kept = part[station]
    contacts = Contacts(
        arrival=kept["arrival"],
        service=kept["service"],
        patience=kept["patience"],
        reason=0 if kept["reason"] is None else kept["reason"],
    )
    rota: Rota = kept["rota"]
    calendar = rota.calendar(DAYS, kept["weekday"])
    return ServiceRecords.from_answers(
        contacts, calendar, "kept", kept["out"], np.zeros(rota.servers), kept["called_back"]
    )
