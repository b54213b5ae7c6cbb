"""Formulas of waiting lines, and an approximate desk that uses them.

- Erlang B: no waiting room; Erlang C: all wait as long as it takes (Erlang 1917);
- Erlang A, M/M/c+M: whoever waits abandons after an exponential time (Palm 1957; Garnett, Mandelbaum &
  Reiman 2002, "Designing a call center with impatient customers").

All take arrivals as Poisson and service times as exponential. Rates and times may be in any unit of
time, the same one throughout. Stable for thousands of servers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

import numpy as np

from .stations import (
    Calendar,
    Contacts,
    Rota,
    ServiceRecords,
    StationOptions,
    check_plain,
    opening_state,
)
from .stations_fast import CLOSED, NONE, RENEGE, SERVICE, Answers

# Beyond this fall below the mode, in log units, a density adds nothing in double precision.
_NEGLIGIBLE = 45.0


def _check(servers: int, load: float) -> None:
    if servers < 0 or servers != int(servers):
        raise ValueError(f"servers must be a whole number from 0, not {servers!r}")
    if not (load >= 0 and math.isfinite(load)):
        raise ValueError(f"load must be 0 erlangs or more, not {load!r}")


def erlang_b(servers: int, load: float) -> float:
    """Share of arrivals lost where nobody can wait: B(c, a).

    `load` is a = arrival rate x mean service time, in erlangs. By the recursion
    B(n) = a B(n-1) / (n + a B(n-1)), which adds no rounding error worth mentioning.
    """
    _check(servers, load)
    blocked = 1.0
    for n in range(1, int(servers) + 1):
        blocked = load * blocked / (n + load * blocked)
    return blocked


def erlang_c(servers: int, load: float) -> float:
    """Share of arrivals that wait in M/M/c: C(c, a) = c B / (c - a (1 - B)).

    1 where the load (erlangs) is not below the number of servers: the line grows without end. The mean
    wait is C x mean service time / (c - a), and P(wait > t) = C exp(-(c - a) t / mean service time).
    """
    _check(servers, load)
    if load >= servers:
        return 1.0
    blocked = erlang_b(servers, load)
    return servers * blocked / (servers - load * (1.0 - blocked))


@dataclass(frozen=True)
class ErlangA:
    """M/M/c+M in the long run: Poisson arrivals, exponential service and patience, c servers.

    - `servers`: c, at least 1
    - `arrival_rate`: lambda, contacts a unit of time
    - `service_time`: mean service time, 1/mu
    - `patience`: mean patience, 1/theta; inf gives M/M/c (Erlang C), which needs load < servers

    Everything follows from the offered wait V, the wait of one with endless patience. Its density
    above 0 is proportional to exp(lambda H(v) - c mu v) with H(v) = (1 - exp(-theta v)) / theta, and
    the odds of V > 0 are lambda B(c - 1) times the integral of that (Baccelli & Hebuterne 1981;
    Zeltyn & Mandelbaum 2005). The integrals are taken by Gauss's rule on 128 panels.
    """

    servers: int
    arrival_rate: float
    service_time: float
    patience: float = math.inf

    def __post_init__(self) -> None:
        if self.servers < 1:
            raise ValueError(f"servers must be 1 or more, not {self.servers!r}")
        for name in ("arrival_rate", "service_time"):
            value = getattr(self, name)
            if not (value > 0 and math.isfinite(value)):
                raise ValueError(f"{name} must be above 0 and finite, not {value!r}")
        if not self.patience > 0:
            raise ValueError(f"patience must be above 0, not {self.patience!r}")
        if math.isinf(self.patience) and self.load >= self.servers:
            raise ValueError(
                f"{self.load:g} erlangs for {self.servers} servers and nobody abandons: the line grows "
                "without end; give more servers or a finite patience"
            )

    @property
    def load(self) -> float:
        """Offered load, erlangs."""
        return self.arrival_rate * self.service_time

    def _log_density(self, v: np.ndarray) -> np.ndarray:
        return self.arrival_rate * self._tried(v) - self.servers / self.service_time * v

    def _tried(self, v: np.ndarray) -> np.ndarray:
        """H(v): mean time spent waiting by one whose offered wait is v."""
        if math.isinf(self.patience):
            return v
        return np.asarray(-self.patience * np.expm1(-v / self.patience))

    def _stays(self, v: np.ndarray) -> np.ndarray:
        """Share whose patience lasts for v."""
        return np.exp(-v / self.patience)

    @cached_property
    def _range(self) -> tuple[float, float, float]:
        """Where the density is not negligible, and its logarithm at the mode."""

        def log_density(v: float) -> float:
            return float(self._log_density(np.array(v)))

        mode = 0.0
        if self.load > self.servers:
            mode = self.patience * math.log(self.load / self.servers)
        top = log_density(mode)

        def edge(inside: float, outside: float) -> float:
            for _ in range(60):
                middle = (inside + outside) / 2
                if log_density(middle) > top - _NEGLIGIBLE:
                    inside = middle
                else:
                    outside = middle
            return outside

        low = 0.0 if log_density(0.0) > top - _NEGLIGIBLE else edge(mode, 0.0)
        step = self.service_time / self.servers
        while log_density(mode + step) > top - _NEGLIGIBLE:
            step *= 2
        return low, edge(mode, mode + step), top

    def _integral(self, of: Callable[[np.ndarray], np.ndarray] | None = None, to: float = math.inf) -> float:
        """Integral of `of` x density from 0 to `to`, the density scaled to 1 at its mode."""
        low, high, top = self._range
        high = min(high, to)
        if high <= low:
            return 0.0
        nodes, weights = _gauss()
        panel = (high - low) / 128
        v = (low + panel * (np.arange(128)[:, None] + (nodes + 1) / 2)).ravel()
        values = np.exp(self._log_density(v) - top)
        if of is not None:
            values = values * of(v)
        return float(np.sum(values.reshape(128, -1) @ weights) * panel / 2)

    @cached_property
    def _mass(self) -> float:
        return self._integral()

    def _mean(self, of: Callable[[np.ndarray], np.ndarray], to: float = math.inf) -> float:
        """Mean of `of`(V) over all arrivals with 0 < V <= `to`."""
        return self.p_wait * self._integral(of, to) / self._mass

    @cached_property
    def p_wait(self) -> float:
        """Share of arrivals that find no server free."""
        blocked = erlang_b(self.servers - 1, self.load)
        if blocked == 0.0:
            return 0.0
        log_odds = math.log(self.arrival_rate * self._mass) + self._range[2] + math.log(blocked)
        return 1.0 / (1.0 + math.exp(-log_odds)) if log_odds > -700 else 0.0

    @cached_property
    def p_abandon(self) -> float:
        """Share of arrivals that abandon."""
        return 0.0 if math.isinf(self.patience) else self.mean_wait / self.patience

    @cached_property
    def mean_wait(self) -> float:
        """Mean time in line of all arrivals, those who abandon included."""
        return self._mean(self._tried)

    @cached_property
    def mean_wait_answered(self) -> float:
        """Mean time in line of those answered: the average speed of answer."""
        return self._mean(lambda v: v * self._stays(v)) / (1.0 - self.p_abandon)

    @property
    def mean_queue(self) -> float:
        """Mean number in line, by Little's law."""
        return self.arrival_rate * self.mean_wait

    @property
    def utilisation(self) -> float:
        """Share of the servers' time that is busy."""
        return self.load * (1.0 - self.p_abandon) / self.servers

    def service_level(self, within: float) -> float:
        """Share of arrivals answered within that time."""
        if within < 0:
            return 0.0
        return 1.0 - self.p_wait + self._mean(self._stays, within)

    def p_offered_wait_above(self, v: float) -> float:
        """P(V > v): chance that one with endless patience would wait longer than v."""
        return self.p_wait * max(0.0, 1.0 - self._integral(None, v) / self._mass)


@lru_cache(maxsize=1)
def _gauss() -> tuple[np.ndarray, np.ndarray]:
    return np.polynomial.legendre.leggauss(16)


# -- the desk ------------------------------------------------------------------------------------


def offered_wait(
    luck: np.ndarray,
    servers: np.ndarray,
    arrival_rate: np.ndarray,
    service_time: float,
    patience: float,
) -> np.ndarray:
    """The offered wait in M/M/c+M by inverse CDF of a uniform number; arrays work elementwise.

    As `ErlangA`, in closed form with the incomplete gamma function: with a = c mu / theta and
    z = lambda / theta, P(V > v | V > 0) = P(a, z exp(-theta v)) / P(a, z), P regularised. The number of
    servers may be a fraction from 1 on, by the continuous form of Erlang B; `patience` must be finite.
    """
    from scipy.special import expit, gammainc, gammaincc, gammaincinv, gammaln

    c, rate = np.asarray(servers, float), np.asarray(arrival_rate, float)
    a, z, load = c * patience / service_time, rate * patience, rate * service_time
    waits = np.zeros(np.broadcast(luck, c, rate).shape)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        below = gammainc(a, z)  # 0 where waiting is next to impossible
        # B(c - 1) is the Poisson probability of c - 1 among those up to c - 1.
        log_free = np.log(gammaincc(c, load))
        log_blocked = (c - 1) * np.log(load) - load - gammaln(c) - log_free
        log_blocked = np.where(np.isfinite(log_free), log_blocked, np.log1p(-np.minimum((c - 1) / load, 1.0)))
        log_mass = z - a * np.log(z) + gammaln(a) + np.log(below) + np.log(patience)
        p_wait = np.where(below > 1e-290, expit(np.log(rate) + log_mass + log_blocked), 0.0)
        # rate 0 leaves nan where nobody can wait
        share = np.broadcast_to((1.0 - luck) / p_wait, waits.shape)
    late = share < 1.0
    a, z, below = (np.broadcast_to(x, waits.shape)[late] for x in (a, z, below))
    point = gammaincinv(a, share[late] * below)
    waits[late] = patience * np.log(z / np.maximum(point, 1e-300))
    return waits


@dataclass(frozen=True)
class ErlangDesk:
    """An approximation for phone stations: Erlang A, hour by hour.

    Each hour of the calendar is taken as an Erlang A line in its long run, with the attempts that arrive
    in it, the mean number of servers on shift while open, and the month's mean service time and
    mean patience. A contact's offered wait is that line's quantile at its own `luck`, so that more staff
    shortens every contact's wait and re-rolls nobody's. Whether it abandons is decided by its own patience.

    The load is found in two passes: the first with first attempts alone; their redials and repeats join
    the load of the second. What is lost: lines that carry over from hour to hour, the last
    minutes before closing, the order among contacts, service times that are not exponential, the
    servers' names. That an hour's count of calls is taken for its rate makes the hours a little too uneven.

    On months of uneven days (benchmarks/desk.py) it loses 0.4 to 3.3 points more calls than `FastDesk`
    and answers 7 to 30 % later, the less the larger the station: 6.9 % lost in 28 s instead of 6.3 % in 25 s
    with ten agents and 20,000 calls, 27.1 % in 92 s instead of 23.8 % in 80 s with one agent.
    `FastDesk` is also several times as fast. This desk is for work that cannot put all contacts of a
    month in one order, since given the hours' loads each contact is answered by itself, and for
    comparing a simulated line with the formula.

    Raises ValueError for what is not a plain phone station: priorities, skills, call-backs, callers
    with endless patience, arrivals out of hours that wait for the opening, contacts without `luck`.
    """

    rota: Rota
    options: StationOptions = field(default_factory=lambda: StationOptions(closed="turned_away"))

    def __post_init__(self) -> None:
        check_plain(self.rota, self.options, "ErlangDesk")

    def answer(self, contacts: Contacts, days: int = 30, weekday: int = 0) -> ServiceRecords:
        """Serve a month's contacts; `records.method` is "erlang A", servers and queue lengths are -1."""
        calendar = self.rota.calendar(days, weekday)
        idle = opening_state(calendar, contacts, None)
        if contacts.luck is None:
            raise ValueError("ErlangDesk needs contacts with luck: a uniform number for each attempt")
        if len(contacts) and not np.isfinite(contacts.patience).all():
            row = int(np.isinf(contacts.patience).argmax())
            raise ValueError(
                f"ErlangDesk needs callers who abandon; contact {row} has endless patience; use FastDesk"
            )
        edges = np.arange(0.0, calendar.end + 1.0)
        out = Answers.empty(len(contacts), contacts.attempts)
        load = self._attempts_by_hour(calendar, contacts.arrival, len(edges) - 1)
        self._play(contacts, calendar, edges, load, out)
        tried = out.arrival[(out.kind != NONE) & (out.kind != CLOSED)]
        load = np.histogram(tried, edges)[0]
        self._play(contacts, calendar, edges, load, out)
        return ServiceRecords.from_answers(contacts, calendar, "erlang A", out, idle)

    @staticmethod
    def _attempts_by_hour(calendar: Calendar, times: np.ndarray, hours: int) -> np.ndarray:
        return np.bincount(times[calendar.is_open(times)].astype(np.int64), minlength=hours)

    def _play(
        self, contacts: Contacts, calendar: Calendar, edges: np.ndarray, load: np.ndarray, out: Answers
    ) -> None:
        """Give every attempt its wait under a load of so many attempts in each hour."""
        opened = calendar.open_hours(edges)
        with np.errstate(divide="ignore", invalid="ignore"):
            rate = np.where(opened > 0, load / opened, 0.0)
            servers = np.where(opened > 0, np.maximum(calendar.duty(edges) / opened, 1.0), 1.0)
        out.kind[:] = NONE
        out.resolved[:] = 0
        out.waited[:] = 0.0
        out.queue[:] = -1
        out.server[:] = -1
        if not len(contacts):
            return
        service_time, patience = float(contacts.service.mean()), float(contacts.patience.mean())
        i = np.arange(len(contacts))
        t = contacts.arrival
        for k in range(contacts.attempts):
            opening = calendar.next_opening(t)
            shut = opening > t
            if shut.any() and self.options.closed == "wait":
                raise ValueError(
                    f"ErlangDesk: contact {i[shut.argmax()]} comes outside opening hours and is to wait for "
                    'them; use FastDesk, or closed="turned_away"'
                )
            hour = t.astype(np.int64)
            wait = offered_wait(contacts.luck[i, k], servers[hour], rate[hour], service_time, patience)
            start, gives_up = t + wait, t + contacts.patience[i]
            served = ~shut & (start <= gives_up)
            leaves = np.where(shut, t, np.where(served, start, gives_up))
            done = np.where(served, start + contacts.service[i, k], leaves)
            out.arrival[i, k] = t
            out.start[i, k] = start
            out.exit[i, k] = done
            out.kind[i, k] = np.where(shut, CLOSED, np.where(served, SERVICE, RENEGE))
            out.waited[i] += leaves - t
            out.settled[i] = done
            resolved = served & contacts.resolved[i, k]
            out.resolved[i[resolved]] = k + 1
            again = np.full(len(i), np.inf)
            again[shut] = (opening + contacts.redial_delay[i, k])[shut]
            lost = ~shut & ~served & contacts.redials[i, k]
            again[lost] = (done + contacts.redial_delay[i, k])[lost]
            unresolved = served & ~resolved & contacts.repeats[i, k]
            again[unresolved] = (done + contacts.repeat_delay[i, k])[unresolved]
            more = again < calendar.end
            i, t = i[more], again[more]
