"""The compiled first-come desk: every contact of a month in one pass.

First come, first served: when a contact arrives, all that came before it have their servers already,
so the moment at which a server could take it is known at once. It is served if that moment comes
before its patience ends; if not, it leaves and no server's time is used. So no clock has to run: one
pass over the arrivals in order of time is exact for any service times, any patience, many servers
and shifts (the recursion of Kiefer & Wolfowitz 1955, with abandonment). Those who call again come
back through a heap. `SimpyDesk` plays the same month through event by event, with the same
arithmetic, and ends at the same numbers. How many stood in line is counted afterwards, where
somebody will look at it: it decides nothing and costs more than the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

try:
    from numba import njit as _njit
except ImportError:  # the same source runs interpreted, slowly

    def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
        return function

else:

    def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
        jitted: Callable[..., Any] = _njit(cache=True, nogil=True)(function)
        return jitted


NONE, SERVICE, RENEGE, CLOSED, UNSERVED = range(5)
DIGIT = 11  # bits a pass of the radix sort takes


class Openings(NamedTuple):
    """A calendar as the compiled desk reads it; hours since the start of the month.

    Group g is on shift from `begin[q]` to `finish[q]` for q from `first[g]` to `first[g + 1] - 1`, in
    order of time; its servers are `member[g]` to `member[g + 1] - 1`. The station is open from
    `open_begin[o]` to `open_finish[o]`.
    """

    first: np.ndarray  # int64, groups + 1
    begin: np.ndarray  # float64
    finish: np.ndarray
    member: np.ndarray  # int64, groups + 1
    open_begin: np.ndarray
    open_finish: np.ndarray


class Answers(NamedTuple):
    """What the compiled desk writes. Rows are contacts, columns are attempts, times in hours.

    Where `kind` is NONE (no such attempt) the other arrays are not written; `start` and `server` are
    written for services only, `queue` by `count_line` only.
    """

    arrival: np.ndarray  # float64 (n, K): moment of the attempt
    start: np.ndarray  # float64 (n, K): start of service
    exit: np.ndarray  # float64 (n, K): end of service, or the moment of leaving without
    server: np.ndarray  # int32 (n, K)
    kind: np.ndarray  # int8 (n, K): NONE, SERVICE, RENEGE, CLOSED or UNSERVED
    queue: np.ndarray  # int32 (n, K): contacts waiting at arrival
    resolved: np.ndarray  # int8 (n,): attempt that resolved it, from 1; 0 never
    waited: np.ndarray  # float64 (n,): hours waited in all attempts
    settled: np.ndarray  # float64 (n,): end of the last attempt

    @staticmethod
    def empty(contacts: int, attempts: int = 3) -> Answers:
        """Room for so many contacts; the first rows of a larger room serve fewer (`room.rows(n)`)."""
        shape = (contacts, attempts)
        return Answers(
            np.empty(shape),
            np.empty(shape),
            np.empty(shape),
            np.empty(shape, np.int32),
            np.empty(shape, np.int8),
            np.empty(shape, np.int32),
            np.empty(contacts, np.int8),
            np.empty(contacts),
            np.empty(contacts),
        )

    def rows(self, contacts: int) -> Answers:
        return Answers(*(part[:contacts] for part in self))


@compiled
def in_order(times: Any) -> Any:
    """The numbers of `times` from the earliest to the latest; of equal times the lower number first.

    Two passes of a radix sort over 22 bits of the range bring nearly all into place, an insertion sort
    the rest: for a month's contacts some ten times as fast as argsort.
    """
    n = len(times)
    order = np.empty(n, np.int64)  # arange and zeros take half a second to compile
    for i in range(n):
        order[i] = i
    if n < 2:
        return order
    low, high, sorted_already = times[0], times[0], True
    for i in range(1, n):
        sorted_already = sorted_already and times[i - 1] <= times[i]
        low = min(low, times[i])
        high = max(high, times[i])
    if sorted_already:
        return order
    scale = ((1 << 2 * DIGIT) - 1) / (high - low)
    if n > 64 and scale < 1e300:
        mask = (1 << DIGIT) - 1
        keys = np.empty(n, np.int64)
        moved = np.empty(n, np.int64)
        counts = np.empty((2, mask + 2), np.int64)
        for k in range(mask + 2):
            counts[0, k] = counts[1, k] = 0
        for i in range(n):
            key = np.int64((times[i] - low) * scale)
            keys[i] = key
            counts[0, (key & mask) + 1] += 1
            counts[1, ((key >> DIGIT) & mask) + 1] += 1
        for digit in range(2):
            count = counts[digit]
            for k in range(1, mask + 2):
                count[k] += count[k - 1]
            shift = DIGIT * digit
            for position in range(n):
                i = order[position]
                place = (keys[i] >> shift) & mask
                moved[count[place]] = i
                count[place] += 1
            order, moved = moved, order
    for position in range(1, n):
        i = order[position]
        k = position - 1
        while k >= 0 and times[order[k]] > times[i]:
            order[k + 1] = order[k]
            k -= 1
        order[k + 1] = i
    return order


@compiled
def push(heap: Any, size: Any, time: Any, code: Any) -> Any:
    """Put (time, code) on a heap kept as rows of (times, codes); returns the new size."""
    times, codes = heap
    k = size
    while k > 0:
        parent = (k - 1) >> 1
        if times[parent] < time or (times[parent] == time and codes[parent] < code):
            break
        times[k] = times[parent]
        codes[k] = codes[parent]
        k = parent
    times[k] = time
    codes[k] = code
    return size + 1


@compiled
def sink(heap: Any, size: Any, time: Any, code: Any) -> None:
    """Put (time, code) in the place of the first of a heap and let it sink to where it belongs."""
    times, codes = heap
    k = 0
    while True:
        child = 2 * k + 1
        if child >= size:
            break
        other = child + 1
        if other < size and (
            times[other] < times[child] or (times[other] == times[child] and codes[other] < codes[child])
        ):
            child = other
        if time < times[child] or (time == times[child] and code < codes[child]):
            break
        times[k] = times[child]
        codes[k] = codes[child]
        k = child
    times[k] = time
    codes[k] = code


@compiled
def pop(heap: Any, size: Any) -> Any:
    """Take the first off the heap; returns the new size."""
    times, codes = heap
    size -= 1
    sink(heap, size, times[size], codes[size])
    return size


@compiled
def answer_plain(
    openings: Any,
    end: Any,
    turned_away: Any,
    busy_until: Any,
    arrival: Any,
    patience: Any,
    service: Any,
    redials: Any,
    redial_delay: Any,
    resolved: Any,
    repeats: Any,
    repeat_delay: Any,
    out: Any,
) -> None:
    """Serve a month's contacts first come, first served. Nothing is checked: `Contacts` does that.

    - `openings`: an `Openings`; `end`: end of the calendar in hours, no attempt begins after it
    - `turned_away`: whether an arrival outside opening hours is turned away (else it waits)
    - `busy_until`: float64 (servers,), hours; when each server is done with earlier work. Overwritten
      by when it is done with this month's
    - `arrival`, `patience`: float64 (n,), hours; `service`, `redial_delay`, `repeat_delay`: float64
      (n, K), hours; `redials`, `resolved`, `repeats`: bool (n, K)
    - `out`: an `Answers` of n rows

    Of the servers who could start at the same moment the one idle longest takes the contact, of
    these the first. A contact whose turn comes at the very moment its patience ends is served.
    """
    first, begin, finish, member, open_begin, open_finish = openings
    n, attempts = service.shape
    groups = len(first) - 1
    never = np.inf
    shift = first[:groups].copy()  # the shift each group has come to
    # The servers of a group work the same shifts, so the one idle longest is its best: a heap a group.
    idle_from = np.empty(len(busy_until))
    idle = np.empty(len(busy_until), np.int64)
    for g in range(groups):
        here = slice(member[g], member[g + 1])
        for j in range(member[g], member[g + 1]):
            push((idle_from[here], idle[here]), j - member[g], busy_until[j], j)
    opening = 0
    order = in_order(arrival)
    again = (np.empty(n), np.empty(n, np.int64))  # attempts to come: moment, contact x K + attempt
    to_come = 0
    for i in range(n):
        out.resolved[i] = 0
        out.waited[i] = 0.0
        for k in range(attempts):
            out.kind[i, k] = NONE

    position = 0
    while position < n or to_come > 0:
        # The next attempt: a first one or one to come again, whichever is earlier.
        if to_come > 0 and (
            position >= n
            or again[0][0] < arrival[order[position]]
            or (again[0][0] == arrival[order[position]] and again[1][0] < order[position] * attempts)
        ):
            t = again[0][0]
            i = again[1][0] // attempts
            k = again[1][0] % attempts
            to_come = pop(again, to_come)
        else:
            i = order[position]
            t = arrival[i]
            k = 0
            position += 1

        out.arrival[i, k] = t

        if turned_away:
            while opening < len(open_finish) and open_finish[opening] <= t:
                opening += 1
            if opening == len(open_finish) or t < open_begin[opening]:
                out.kind[i, k] = CLOSED
                out.exit[i, k] = t
                out.settled[i] = t
                if k + 1 < attempts and opening < len(open_finish):
                    later = open_begin[opening] + redial_delay[i, k]
                    if later < end:
                        to_come = push(again, to_come, later, i * attempts + k + 1)
                continue

        # Which server could start first, and when?
        start, since, best = never, never, -1
        for g in range(groups):
            if member[g] == member[g + 1]:
                continue
            longest = idle_from[member[g]]
            ready = max(longest, t)
            q = shift[g]
            while q < first[g + 1] and finish[q] <= ready:
                q += 1
            shift[g] = q
            if q < first[g + 1]:
                could = max(begin[q], ready)
                if could < start or (could == start and longest < since):
                    start, since, best = could, longest, g

        gives_up = t + patience[i]
        later = never
        if best >= 0 and start <= gives_up:
            leaves = start
            done = start + service[i, k]
            here = slice(member[best], member[best + 1])
            j = idle[member[best]]
            busy_until[j] = done
            sink((idle_from[here], idle[here]), member[best + 1] - member[best], done, j)
            out.kind[i, k] = SERVICE
            out.start[i, k] = start
            out.server[i, k] = j
            out.exit[i, k] = done
            if resolved[i, k]:
                out.resolved[i] = k + 1
            elif repeats[i, k]:
                later = done + repeat_delay[i, k]
        elif gives_up < end:
            leaves = gives_up
            out.kind[i, k] = RENEGE
            out.exit[i, k] = gives_up
            if redials[i, k]:
                later = gives_up + redial_delay[i, k]
        else:
            leaves = end
            out.kind[i, k] = UNSERVED
            out.exit[i, k] = end
        out.waited[i] += leaves - t
        out.settled[i] = out.exit[i, k]
        if later < end and k + 1 < attempts:
            to_come = push(again, to_come, later, i * attempts + k + 1)


@compiled
def count_line(n: Any, out: Any) -> None:
    """Count for the attempts of the first `n` contacts how many were waiting when each arrived, in
    `out.queue`, from what `answer_plain` has written."""
    attempts = out.kind.shape[1]
    made = 0
    times = np.empty(n * attempts)
    codes = np.empty(n * attempts, np.int64)  # contact x K + attempt
    for i in range(n):
        for k in range(attempts):
            if out.kind[i, k] != NONE:
                times[made] = out.arrival[i, k]
                codes[made] = i * attempts + k
                made += 1
    line = (np.empty(made), np.empty(made, np.int64))  # when those now waiting leave the line
    waiting = 0
    for at in in_order(times[:made]):
        t = times[at]
        i, k = codes[at] // attempts, codes[at] % attempts
        while waiting > 0 and line[0][0] <= t:
            waiting = pop(line, waiting)
        out.queue[i, k] = waiting
        leaves = out.start[i, k] if out.kind[i, k] == SERVICE else out.exit[i, k]
        if leaves > t:
            waiting = push(line, waiting, leaves, i)
