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
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from .columns import BLOCK, W
from .compile import PARAMETER_INDEX
from .contacts import ATTEMPTS, COUNTS
from .draws import WORLD, Key, Purpose, uniform
from .policies import PolicyError
from .stations import (
    Contacts,
    Group,
    Rota,
    ServiceRecords,
    StationOptions,
    day_factors,
)
from .stations_fast import SERVICE, Answers, answer_plain

if TYPE_CHECKING:
    from .engine import CompiledWorld
    from .scenario import Scenario

DAYS = 30
HOURS = 24.0 * DAYS
EVERY_DAY = (0, 1, 2, 3, 4, 5, 6)
STATIONS = ("hotline", "crews", "office", "counter")
# Kinds of questions; as skills and in `Run.contacts` they are bill_question, "bill question" and so on.
REASONS = ("bill", "payment", "other")


@lru_cache(maxsize=512)
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


class Operations:
    """The stations of one run: `answer` is called between the two parts of each month."""

    def __init__(self, scenario: Scenario, key: Key, keep: bool) -> None:
        self.scenario, self.key = scenario, key
        self.names = [t.name for t in scenario.touchpoints]
        self.service = self.names.index(scenario.service.touchpoint)
        payment = scenario.service.payment_touchpoint
        self.payment = self.names.index(payment) if payment in self.names else -1
        self.keep = keep
        self.shifts = tuple(
            Group(s.name, s.agents, s.from_hour, s.to_hour, EVERY_DAY[: s.days], self._codes(s.skills))
            for s in scenario.service.shifts
        )
        self.busy_days, self.event_times = self._days_and_events()
        # Identities that no customer has, for the luck of common events.
        number = 64 * np.arange(len(self.names))[:, None] + np.arange(scenario.service.common_events)
        self.event_who = np.uint64(WORLD - 1) - number.astype(np.uint64)
        self.numbers = np.zeros(0, np.int64)
        self.draft = self.packed = _columns_of_contacts(0)
        self.kept: list[dict[str, Any]] = []
        self.rows: list[dict[str, float]] = []
        self.backlog: dict[str, np.ndarray] = {}
        self.room: dict[str, Any] = {}

    # -- the month -----------------------------------------------------------------------------

    def touchpoints(self, points: np.ndarray) -> np.ndarray:
        """The month's touchpoints with the service touchpoint met on the phone instead of by chance."""
        changed = points.copy()
        changed[self.service, 1:3] = 0.0
        return changed

    def open(self, world: CompiledWorld, month: int) -> tuple[Any, ...]:
        """Begin the month. Returns what `run_first` needs beside the customers, and fills."""
        lever = world.levers.values
        self.value = lambda name: float(lever[PARAMETER_INDEX["service_" + name]])
        self.world, self.now, self.weekday = world, month, DAYS * month % 7
        self.kernels, self.levers, self.random = world.module, world.values, world.people.key
        self.blocks = world.people.blocks
        self.opening = self.value("open_from"), self.value("open_to")
        crews = self.value("crew_from"), self.value("crew_to")
        for whose, (begin, finish) in (("opening", self.opening), ("crew", crews)):
            if not begin < finish:
                raise PolicyError(
                    f"month {month}: the policies leave no {whose} hours, from {begin:g} to {finish:g}"
                )
        self.open_days = round(self.value("open_days"))
        days = self.busy_days[month].tobytes()
        service = self.scenario.service
        self.total, self.begins = _rate(
            days, *self.opening, self.open_days, self.weekday, service.hourly, service.weekdays
        )
        if len(self.numbers) < self.blocks:
            size = self.blocks + self.blocks // 8
            self.numbers = np.zeros(size, np.int64)
            self.draft = _columns_of_contacts(size * BLOCK)
        return self.total, self.begins, self.event_times[month], HOURS, self.numbers, *self.draft

    def answer(self) -> tuple[Any, ...]:
        """Answer the month's contacts. Returns what `run_second` needs of it."""
        n = int(self.numbers[: self.blocks].sum())
        if self.keep or len(self.packed[0]) < n:
            self.packed = _columns_of_contacts(n if self.keep else n + n // 2 + 64)
        edges = np.empty(self.blocks + 1, np.int64)
        self.kernels.pack(self.numbers, self.blocks, edges, *self.draft, *self.packed)
        who, whole, once, times, odds = self.packed
        t = {"reason": whole[1], "arrival": once[0], "patience": once[1]}
        a = {"service": times[0], "delay": times[1], "repeat_delay": times[2]}
        a |= {"again": odds[0], "solved": odds[1], "repeats": odds[2]}
        self.row: dict[str, float] = {"month": self.now}
        self.part: dict[str, Any] = {"month": self.now}
        groups = staff("agents", self.value("agents"), *self.opening, self.open_days) + self.shifts
        out, self.rota = self._answer("hotline", groups, t, a, n, who, closed=True)
        self.busy = float(np.sum(times[0][:n], where=out.kind == SERVICE))
        self.jobs = self._crews(n, out)
        self.letters = self._office(n, out)
        self.visits = self._counter() if self.value("counter_clerks") > 0 else {}
        self.counts = np.zeros((self.blocks, len(COUNTS)))
        return (
            self.service, edges, whole, once, out.arrival, out.start, out.kind, out.resolved, out.waited,
            out.settled, self.counts,
        )  # fmt: skip

    def close(self) -> None:
        """Write the month's row."""
        count = dict(zip(COUNTS, self.counts.sum(axis=0).tolist(), strict=True))
        calls, answered = count["calls"], count["answered"]
        self.rows.append(
            {
                "month": self.now,
                "contacts": count["contacts"],
                "questions": count["questions"],
                "calls": calls,
                "answered": answered,
                "turned_away": count["turned_away"],
                "abandoned": calls - answered - count["turned_away"],
                "gave_up": count["gave_up"],
                "wait": _ratio(3600 * count["waited"], answered),
                "service_level": _ratio(count["in_time"], calls - count["turned_away"]),
                "utilisation": _ratio(self.busy, _duty(self.rota, self.weekday)),
                "solved": count["solved"],
                "solved_at_once": count["solved_at_once"],
                **self.jobs,
                **self.letters,
                **self.visits,
            }
        )
        if self.keep:
            self.kept.append(self.part)

    def _crews(self, n: int, answers: Answers) -> dict[str, float]:
        """Send the crews; what they mend in the month counts for the customer at once."""
        who, whole, once, _, _ = self.packed
        job_of = np.empty(n, np.int64)
        jobs = self._columns("jobs", n, arrival=np.float64)
        work = self._columns("work", n, ATTEMPTS, service=np.float64)
        number = self.kernels.send_crews(
            who, self.event_who, n, self.levers, self.random, whole, answers.resolved, answers.settled,
            HOURS, np.empty(self.event_who.shape, np.int64), job_of, jobs["arrival"], work["service"],
        )  # fmt: skip
        late = 0
        if number:
            groups = staff("crews", self.value("crews"), self.value("crew_from"), self.value("crew_to"))
            out, _ = self._answer("crews", groups, jobs, work, number, who)
            self.kernels.repaired(
                self.world.scratch, whole[0], n, self.levers, job_of, once[0], out.kind, out.settled
            )
            late = self._late(out, jobs["arrival"], "repair_deadline")
        return {"jobs": float(number), "repairs_late": float(late)}

    def _office(self, n: int, answers: Answers) -> dict[str, float]:
        """Answer formal complaints."""
        who, whole, once, _, _ = self.packed
        t = self._columns("letters", n, arrival=np.float64)
        work = self._columns("letter", n, ATTEMPTS, service=np.float64)
        how = self._columns("how", n, letter_of=np.int64, solved=np.bool_)
        letters = self.kernels.protest(
            who, n, self.levers, self.random, whole[1], answers.resolved, answers.settled, HOURS,
            how["letter_of"], t["arrival"], work["service"], how["solved"],
        )  # fmt: skip
        late = 0
        if letters:
            groups = staff("clerks", self.value("clerks"), *self.opening, self.open_days)
            from_whom = who[how["letter_of"][:letters]]
            out, _ = self._answer("office", groups, t, work, letters, from_whom)
            self.kernels.answer_letters(
                self.world.scratch, whole[0], letters, self.levers, how["letter_of"], once[0],
                how["solved"], out.kind, out.settled,
            )  # fmt: skip
            late = self._late(out, t["arrival"], "complaint_deadline")
        return {"formal_complaints": float(letters), "answers_late": float(late)}

    def _counter(self) -> dict[str, float]:
        """Serve those who pay at the counter."""
        slots, who, n = self._found(W.visited)
        t = self._columns("visits", n, arrival=np.float64)
        work = self._columns("visit", n, ATTEMPTS, service=np.float64)
        self.kernels.visits(
            who, n, self.levers, self.random, self.total, self.begins, t["arrival"], work["service"]
        )
        groups = staff("counter", self.value("counter_clerks"), *self.opening, self.open_days)
        out, _ = self._answer("counter", groups, t, work, n, who)
        self.kernels.paid(self.world.scratch, slots, n, self.payment, self.levers, out.waited)
        return {"visits": float(n), "counter_wait": _ratio(60 * float(out.waited.sum()), n)}

    # -- parts ---------------------------------------------------------------------------------

    def _answer(
        self,
        station: str,
        groups: tuple[Group, ...],
        t: dict[str, np.ndarray],
        a: dict[str, np.ndarray],
        n: int,
        who: np.ndarray,
        closed: bool = False,
    ) -> tuple[Answers, Rota]:
        """Let a station serve: `t` has a column a contact, `a` a column an attempt."""
        rota = _rota(groups)
        calendar = rota.calendar(DAYS, self.weekday)
        # What crews, clerks and counter did not finish is still to be done; a telephone line is not.
        busy = np.zeros(rota.servers)
        if not closed and (earlier := self.backlog.get(station)) is not None:
            left = np.maximum(earlier - HOURS, 0.0)
            same = min(len(left), len(busy))
            busy[:same] = left[:same]
            # The work of those who are no longer there falls to the least busy of the others.
            for hours in left[same:] if same else ():
                busy[np.argmin(busy)] += hours
        t = {name: column[:n] for name, column in t.items()}
        a = {name: column[:n] for name, column in a.items()}
        plain = closed is False
        if plain:  # nobody comes twice here, but a record has a time for each attempt
            a["service"][:, 1:] = a["service"][:, :1]
        no, yes = self._constant(n, False), self._constant(n, True)
        patience = t["patience"] if closed else self._constant(n, math.inf)[:, 0]
        redials, delay = (no, self._constant(n, 1.0)) if plain else (a["again"], a["delay"])
        solved = yes if plain else a["solved"]
        repeats, repeat_delay = (no, delay) if plain else (a["repeats"], a["repeat_delay"])
        desk, called_back = self.scenario.service.desk, None
        if desk == "fast" or (plain and desk == "erlang"):
            out = self._answers(station, n)
            answer_plain(
                calendar.openings, calendar.end, closed, busy, t["arrival"], patience, a["service"],
                redials, delay, solved, repeats, repeat_delay, out,
            )  # fmt: skip
        else:
            out, called_back = self._by_desk(
                desk, rota, closed, busy, n, who, t,
                Contacts(
                    arrival=np.minimum(t["arrival"], np.nextafter(HOURS, 0.0)), service=a["service"],
                    patience=patience, reason=t.get("reason", 0), priority=self._priority(t),
                    redials=redials, redial_delay=delay, resolved=solved, repeats=repeats,
                    repeat_delay=repeat_delay, luck=self._line(who[:n]) if desk == "erlang" else None,
                ),
            )  # fmt: skip
        self.backlog[station] = busy
        if self.keep:
            self.part[station] = {
                "who": who[:n].astype(np.int64), "rota": rota, "weekday": self.weekday, "out": out,
                "closed": closed, "patience": patience.copy(), "service": a["service"].copy(),
                "reason": t["reason"].copy() if "reason" in t else None, "arrival": t["arrival"].copy(),
                "called_back": called_back,
            }  # fmt: skip
        if called_back is not None:  # whoever is called back does not wait on the phone
            out = out._replace(start=np.where(called_back, out.arrival, out.start))
        return out, rota

    def _by_desk(
        self, desk: str, rota: Rota, closed: bool, busy: np.ndarray, n: int, who: np.ndarray, t: Any,
        contacts: Contacts,
    ) -> tuple[Answers, np.ndarray]:  # fmt: skip
        """The same by the SimPy reference, or by the Erlang A approximation; and who was called back."""
        service = self.scenario.service
        options = StationOptions(
            closed="turned_away" if closed else "wait",
            priorities=service.priorities and closed,
            callback_after=self.value("callback_after") / 60 or None if closed else None,
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

    def _priority(self, t: dict[str, np.ndarray]) -> np.ndarray | int:
        return np.where(t["reason"] >= 4, 0, 1) if "reason" in t else 0

    def _line(self, who: np.ndarray) -> np.ndarray:
        months = self.now + 1024 * np.arange(ATTEMPTS)
        return np.asarray(uniform(self.key, Purpose.LINE, who[:, None], months[None, :]))

    def _codes(self, skills: tuple[str, ...]) -> tuple[int, ...] | None:
        known = {f"{name}_question": k + 1 for k, name in enumerate(REASONS)}
        known |= {name: k + 4 for k, name in enumerate(self.names)}
        return tuple(known[name] for name in skills) or None

    def _days_and_events(self) -> tuple[np.ndarray, np.ndarray]:
        """How busy each day of each month is, and when each month's common events happen (hours)."""
        service, population = self.scenario.service, self.scenario.population
        months = np.arange(population.months)[:, None]
        days = np.asarray(uniform(self.key, Purpose.BUSY_DAY, WORLD, months * 32 + np.arange(DAYS)))
        # The index of dispersion is that of the usual load: a day's luck must not follow the load.
        rate = service.bill_questions + service.payment_questions + service.other_questions + 0.01
        usual = max(population.size * rate * 7 / (DAYS * service.open_days), 1.0)
        events = months * 64 + np.arange(service.common_events)
        times = np.asarray(uniform(self.key, Purpose.EVENT_TIME, WORLD, events)) * HOURS
        return day_factors(days, usual, service.dispersion), times

    def _late(self, out: Answers, arrival: np.ndarray, deadline: str) -> int:
        """How many were not done within a deadline (a lever, hours) of their arrival."""
        taken = out.settled - arrival[: len(out.settled)]
        return int(np.count_nonzero((out.kind[:, 0] != SERVICE) | (taken > self.value(deadline))))

    def _found(self, column: int) -> tuple[np.ndarray, np.ndarray, int]:
        """Slots and identities of those whose scratch column is above 0."""
        people = self.world.people
        slots, who = self._room("found", self.blocks * people.ids.shape[1])
        n = self.kernels.find(self.world.scratch, people.ids, column, self.blocks, slots, who)
        return slots[:n].copy(), who[:n].copy(), n

    def _answers(self, station: str, n: int) -> Answers:
        """Room for a month's answers; its own where they are kept."""
        if self.keep:
            return Answers.empty(n, ATTEMPTS)
        found = self.room.get(f"answers {station}")
        if found is None or len(found.settled) < n:
            found = self.room[f"answers {station}"] = Answers.empty(n + n // 2 + 64, ATTEMPTS)
        return Answers(*(part[:n] for part in found))

    def _room(self, name: str, size: int) -> tuple[np.ndarray, np.ndarray]:
        room = self.room.get(name)
        if room is None or len(room[0]) < size:
            room = self.room[name] = np.empty(size, np.int64), np.empty(size, np.uint64)
        return room

    def _columns(self, use: str, n: int, attempts: int = 0, **kinds: Any) -> dict[str, np.ndarray]:
        """Room for so many contacts, used again from month to month."""
        found = self.room.get(use)
        if found is None or len(next(iter(found.values()))) < n:
            size = n + n // 2 + 64
            shape = (size, attempts) if attempts else (size,)
            found = self.room[use] = {name: np.zeros(shape, kind) for name, kind in kinds.items()}
        return found

    def _constant(self, n: int, value: Any) -> np.ndarray:
        """A value for every attempt of n contacts."""
        use = f"constant {value}"
        found = self.room.get(use)
        if found is None or len(found) < n:
            found = self.room[use] = np.full((n + n // 2 + 64, ATTEMPTS), value)
        return found[:n]


@lru_cache(maxsize=512)
def _rota(groups: tuple[Group, ...]) -> Rota:
    return Rota(groups)


def _columns_of_contacts(size: int) -> tuple[np.ndarray, ...]:
    """Room for so many contacts: identity and the columns of `contacts.run_first`."""
    return (
        np.empty(size, np.uint64),
        np.empty((4, size), np.int64),
        np.empty((3, size)),
        np.empty((3, size, ATTEMPTS)),
        np.empty((3, size, ATTEMPTS), np.bool_),
    )


@lru_cache(maxsize=4)
def _rate(
    days: bytes,
    begin: float,
    finish: float,
    open_days: int,
    weekday: int,
    hourly: tuple[float, ...],
    weekdays: tuple[float, ...],
) -> tuple[np.ndarray, np.ndarray]:
    """Accumulated rate of contacts at successive hours of a month, and these hours; `days` are the
    factors of its days."""
    day = (weekday + np.arange(DAYS)) % 7
    here = np.where(day < open_days, np.array(weekdays)[day], 0.0)
    cells = len(hourly)
    edges = begin + (finish - begin) / cells * np.arange(cells + 1)
    weights = np.zeros((DAYS, cells + 1))
    weights[:, :cells] = (np.frombuffer(days) * here)[:, None] * np.array(hourly)
    begins = (24.0 * np.arange(DAYS)[:, None] + edges).ravel()
    return np.concatenate([[0.0], np.cumsum(weights)]), np.append(begins, HOURS)


def _ratio(a: float, b: float) -> float:
    return a / b if b else math.nan


@lru_cache(maxsize=512)
def _duty(rota: Rota, weekday: int) -> float:
    """Server-hours on shift in a month."""
    return float(rota.calendar(DAYS, weekday).duty(np.array([0.0, HOURS]))[0])


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
