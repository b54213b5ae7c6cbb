"""The reference desk in SimPy: servers and contacts as processes, to be read first.

A contact comes, waits in line, is served or gives up, and may come again. A server comes on shift,
takes one contact after another, and goes. Between them stands the dispatcher, who gives the first in
line to the server idle longest. In the plain case the records equal those of `FastDesk` to the last
bit; priorities, skills and call-backs exist only here.

Things that happen at the same moment happen in this order: shifts and services begin and end, the
line moves up, patience ends, contacts arrive (by their number and attempt).
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import simpy

from .stations import Calendar, Contacts, Rota, ServiceRecords, StationOptions, opening_state
from .stations_fast import CLOSED, NONE, RENEGE, SERVICE, UNSERVED, Answers

# Ranks of events at one moment. SimPy's own events have rank 1, arrivals ARRIVAL and above.
SHIFT, LINE, PATIENCE, ARRIVAL = 0, 2, 3, 4


class Until(float):
    """A delay that ends at exactly this time; now + (time - now) may miss it by a rounding error."""

    def __radd__(self, now: float) -> float:
        return float(self)


class Moment(simpy.Event):
    """An event at a given time; of those at one time lower ranks come first."""

    def __init__(self, env: simpy.Environment, time: float, rank: int) -> None:
        super().__init__(env)
        self._ok = True
        self._value = None
        env.schedule(self, rank, Until(time))  # type: ignore[arg-type]


@dataclass(order=True, slots=True)
class Ticket:
    """A place in line: sorted by priority, then by who came first."""

    priority: int
    arrived: float
    contact: int
    attempt: int
    turn: simpy.Event = field(compare=False)  # happens when a server takes it


@dataclass(frozen=True)
class SimpyDesk:
    """The reference desk: first come first served, and priorities, skills and call-backs if asked."""

    rota: Rota
    options: StationOptions = field(default_factory=StationOptions)

    def answer(
        self,
        contacts: Contacts,
        days: int = 30,
        weekday: int = 0,
        busy_until: np.ndarray | Sequence[float] | None = None,
    ) -> ServiceRecords:
        """Serve a month's contacts; arguments and records as of `FastDesk.answer`."""
        calendar = self.rota.calendar(days, weekday)
        groups = self.rota.groups
        if groups and all(group.skills is not None for group in groups):
            known = {code for group in groups for code in group.skills or ()}
            if unknown := sorted(set(contacts.reason.tolist()) - known):
                raise ValueError(
                    f"no group of the rota has the skill for reason {unknown[0]}; "
                    f"known are {', '.join(map(str, sorted(known)))}"
                )
        station = _Station(self, calendar, contacts, opening_state(calendar, contacts, busy_until))
        station.env.run()
        return ServiceRecords.from_answers(
            contacts, calendar, "simpy", station.out, np.array(station.busy_until), station.called_back
        )


class _Station:
    """One month at one station."""

    def __init__(self, desk: SimpyDesk, calendar: Calendar, contacts: Contacts, busy: np.ndarray) -> None:
        self.env = simpy.Environment()
        self.options = desk.options
        self.end = calendar.end
        self.openings = list(zip(*(side.tolist() for side in calendar.openings[-2:]), strict=True))
        self.opening = 0
        self.line: list[Ticket] = []
        self.idle: dict[int, simpy.Event] = {}  # servers who wait for work, and how to hand it to them
        self.on_duty = 0
        self.moved_up = -1.0
        self.busy_until: list[float] = busy.tolist()
        skills = [desk.rota.groups[g].skills for g in calendar.group]
        self.skills = None if all(codes is None for codes in skills) else skills
        # Plain lists: reading one number of an array takes much longer.
        self.arrival: list[float] = contacts.arrival.tolist()
        self.patience: list[float] = contacts.patience.tolist()
        self.reason: list[int] = contacts.reason.tolist()
        self.priority: list[int] = contacts.priority.tolist()
        self.accepts_callback: list[bool] = contacts.accepts_callback.tolist()
        self.service: list[list[float]] = contacts.service.tolist()
        self.redials: list[list[bool]] = contacts.redials.tolist()
        self.redial_delay: list[list[float]] = contacts.redial_delay.tolist()
        self.resolved: list[list[bool]] = contacts.resolved.tolist()
        self.repeats: list[list[bool]] = contacts.repeats.tolist()
        self.repeat_delay: list[list[float]] = contacts.repeat_delay.tolist()
        self.out = Answers.empty(len(contacts), contacts.attempts)
        self.out.kind[:] = NONE
        self.out.resolved[:] = 0
        self.out.waited[:] = 0.0
        self.called_back = np.zeros(self.out.kind.shape, bool)
        for j, shifts in enumerate(calendar.shifts):
            self.env.process(self.server(j, shifts))
        for i in range(len(contacts)):
            self.env.process(self.contact(i))

    def server(self, j: int, shifts: Sequence[tuple[float, float]]) -> Generator[simpy.Event, Any, None]:
        """A server's month: shift by shift, one contact after another, the last one to its end."""
        env = self.env
        for begin, finish in shifts:
            if self.busy_until[j] >= finish:
                continue  # still at a job that takes longer than this whole shift
            yield Moment(env, max(begin, self.busy_until[j]), SHIFT)
            self.on_duty += 1
            over = Moment(env, finish, SHIFT)
            while env.now < finish:
                work = self.idle[j] = env.event()
                self.move_up()
                yield work | over
                if work.triggered:
                    yield Moment(env, self.busy_until[j], SHIFT)
            self.idle.pop(j, None)
            self.on_duty -= 1

    def contact(self, i: int) -> Generator[simpy.Event, Any, None]:
        """A contact's month: up to K attempts."""
        env, out = self.env, self.out
        time = self.arrival[i]
        for k in range(len(self.service[i])):
            yield Moment(env, time, ARRIVAL + i * len(self.service[i]) + k)
            out.arrival[i, k] = time
            out.queue[i, k] = len(self.line)
            again = np.inf
            opening = self.next_opening() if self.options.closed == "turned_away" else time
            if opening > time:
                out.kind[i, k] = CLOSED
                out.exit[i, k] = time
                again = opening + self.redial_delay[i][k]
            else:
                ticket = Ticket(
                    self.priority[i] if self.options.priorities else 0, time, i, k, turn=env.event()
                )
                insort(self.line, ticket)
                self.dispatch()
                gives_up = time + self.patience[i]
                if not ticket.turn.triggered and self.offers_callback(ticket):
                    self.called_back[i, k] = True
                    gives_up = np.inf
                # What is still in line when the calendar ends stays with this.
                out.kind[i, k] = UNSERVED
                out.exit[i, k] = out.settled[i] = self.end
                waited_before = out.waited[i]
                if not self.called_back[i, k]:
                    out.waited[i] += self.end - time
                if gives_up < self.end:
                    yield ticket.turn | Moment(env, gives_up, PATIENCE)
                else:
                    yield ticket.turn
                if not self.called_back[i, k]:
                    out.waited[i] = waited_before + (env.now - time)
                if ticket.turn.triggered:
                    done = env.now + self.service[i][k]
                    out.kind[i, k] = SERVICE
                    out.start[i, k] = env.now
                    out.server[i, k] = ticket.turn.value
                    out.exit[i, k] = done
                    if self.resolved[i][k]:
                        out.resolved[i] = k + 1
                    elif self.repeats[i][k]:
                        again = done + self.repeat_delay[i][k]
                else:
                    del self.line[bisect_left(self.line, ticket)]
                    out.kind[i, k] = RENEGE
                    out.exit[i, k] = env.now
                    if self.redials[i][k]:
                        again = env.now + self.redial_delay[i][k]
            out.settled[i] = out.exit[i, k]
            if not again < self.end:
                return
            time = again

    def move_up(self) -> None:
        """Let the line move up once all that ends at this moment has ended."""
        if self.line and self.moved_up != self.env.now:
            self.moved_up = self.env.now
            Moment(self.env, self.env.now, LINE).callbacks.append(self.dispatch)

    def dispatch(self, _: simpy.Event | None = None) -> None:
        """Hand the first in line to the server idle longest, as long as there are both."""
        place = 0
        while self.idle and place < len(self.line):
            ticket = self.line[place]
            able = [j for j in self.idle if self.can_serve(j, ticket)]
            if not able:
                place += 1
                continue
            del self.line[place]
            j = min(able, key=lambda j: (self.busy_until[j], j))
            self.busy_until[j] = self.env.now + self.service[ticket.contact][ticket.attempt]
            ticket.turn.succeed(j)
            self.idle.pop(j).succeed()

    def can_serve(self, j: int, ticket: Ticket) -> bool:
        if self.skills is None or (codes := self.skills[j]) is None:
            return True
        return self.reason[ticket.contact] in codes

    def next_opening(self) -> float:
        """Now if the station is open, else when it opens next; inf if never."""
        while self.opening < len(self.openings) and self.openings[self.opening][1] <= self.env.now:
            self.opening += 1
        if self.opening == len(self.openings):
            return np.inf
        return max(self.openings[self.opening][0], self.env.now)

    def offers_callback(self, ticket: Ticket) -> bool:
        """Whether a call-back is offered to one who has just joined the line, and accepted."""
        limit = self.options.callback_after
        if limit is None or not self.accepts_callback[ticket.contact]:
            return False
        places = 1 + bisect_left(self.line, ticket)
        estimate = places * self.options.handling_time / self.on_duty if self.on_duty else np.inf
        return estimate > limit
