"""Contacts of a month: who turns to the firm, with what luck, and what comes back to the customer.

Compiled with `month.py` and used only with a service desk (`Scenario.service`). The month is then
lived in two parts (`run_parts`): customers meet the firm, the stations answer (`service.py`), and the rest
of the month follows. A customer contacts the hotline at most once a month; what happens on the phone is
the experience of the service touchpoint.

Times are hours since the start of the month. Reasons are 0 for none, 1 bill, 2 payment, 3 other,
4 + d for a failure at touchpoint d.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .columns import BLOCK, STRIDE, C, W
from .gate import OPEN, WAITS, mark, wait_at_gate
from .month import draw, draw_luck, first_part, missing, parameters, pick, second_part
from .rules import complaint_probability, contact_experience
from .single import exp, log, normal

Array = Any

PLANNED, COMMON, CREW = 8, 9, 10  # of compile.TOUCHPOINT_FIELDS
ATTEMPTS = 3
FIRST, SECOND = 1, 2  # parts of the month
# What `hand_back` counts, in this order.
COUNTS = (
    "contacts",
    "questions",
    "calls",
    "answered",
    "in_time",
    "waited",
    "gave_up",
    "solved",
    "solved_at_once",
    "turned_away",
    "busy",
)


def ask(b: Array, w: Array, u: Array, values: Array) -> None:
    """Who has a question, and who goes to the counter. Draws: group 24."""
    p = parameters(values)
    bill = p.service_bill_questions
    payment = bill + p.service_payment_questions
    other = payment + p.service_other_questions
    counter = p.service_counter_share if p.service_counter_clerks > 0.0 else 0.0
    for i in range(BLOCK):
        code = 3.0 if u[i] < other else 0.0
        code = 2.0 if u[i] < payment else code
        code = 1.0 if u[i] < bill else code
        w[W.reason + i] = 0.0 if u[STRIDE + i] < p.service_self_service else code * b[C.active + i]
        by_hand = b[C.active + i] if b[C.channel_draw + i] < p.payment_manual_share else 0.0
        w[W.visited + i] = by_hand if u[3 * STRIDE + i] < counter else 0.0


def report(
    b: Array,
    w: Array,
    u: Array,
    voice: Array,
    failing: Array,
    failures: int,
    touchpoints: Array,
    values: Array,
) -> None:
    """Who calls about a failure: about the worst one. Draws: groups 24 (`u`) and 3 (`voice`)."""
    p = parameters(values)
    for k in range(failures):
        i = failing[k]
        worst: Any = np.float32(0.0)
        reason = np.float32(0.0)
        for d in range(touchpoints.shape[0]):
            at = W.drop + d * STRIDE + i
            if w[at] > 0.0:
                # One number decides whether the failure was planned, and announced in time.
                if u[2 * STRIDE + i] < touchpoints[d, PLANNED] * p.service_notified:
                    w[at] = w[at] * p.service_notice_factor
                if w[at] > worst:
                    worst = w[at]
                    reason = np.float32(4 + d)
        chance = complaint_probability(worst, b[C.trust + i], b[C.propensity + i], p)
        if not voice[k] >= chance:
            w[W.reason + i] = reason
            w[W.failed + i] = w[W.failed + i] + missing(chance)


def set_aside(w: Array, bench: Array, failing: Array, failures: int, touchpoints: Array) -> None:
    """Keep what the second part of the month needs of the first: who met a touchpoint, then for each failing
    lane what failed and the drops."""
    for i in range(BLOCK):
        bench[i] = w[W.met + i]
    at = BLOCK
    for k in range(failures):
        bench[at] = w[W.failed + failing[k]]
        for d in range(touchpoints.shape[0]):
            bench[at + 1 + d] = w[W.drop + d * STRIDE + failing[k]]
        at += 1 + touchpoints.shape[0]


def take_up(w: Array, bench: Array, failing: Array, failures: int, touchpoints: Array) -> None:
    """The same back; nobody has called yet."""
    for i in range(BLOCK):
        w[W.met + i] = bench[i]
        w[W.failed + i] = 0.0
        w[W.called + i] = 0.0
        w[W.waited + i] = 0.0
        w[W.gave_up + i] = 0.0
        w[W.complained + i] = 0.0
        w[W.resolved + i] = 0.0
        w[W.fast + i] = 0.0
    for d in range(touchpoints.shape[0]):
        for i in range(BLOCK):
            w[W.drop + d * STRIDE + i] = 0.0
    at = BLOCK
    for k in range(failures):
        w[W.failed + failing[k]] = bench[at]
        for d in range(touchpoints.shape[0]):
            w[W.drop + d * STRIDE + failing[k]] = bench[at + 1 + d]
        at += 1 + touchpoints.shape[0]


def run_parts(
    part: int,
    flags: Array,
    thread: int,
    looks: int,
    state: Array,
    scratch: Array,
    keep: bool,
    benches: Array,
    luck: Array,
    failing: Array,
    ids: Array,
    touchpoints: Array,
    values: Array,
    spending: Array,
    key: Array,
    totals: Array,
    first: tuple[int, int],
    second: tuple[int, int],
    total: Array,
    begins: Array,
    events: Array,
    hours: Any,
    numbers: Array,
    who: Array,
    whole: Array,
    once: Array,
    times: Array,
    odds: Array,
    visit_who: Array,
    visit_slot: Array,
    homes: Array,
    service: int,
    payment: int,
    edges: Array,
    began: Array,
    start: Array,
    kind: Array,
    resolved: Array,
    waited: Array,
    settled: Array,
    helped: Array,
    counts: Array,
    visit_waited: Array,
) -> None:
    """The FIRST part of the month, of the blocks from first[0] to first[1], or the SECOND, of those from
    second[0] to second[1]; or both, with a wait at the gate between them (`gate.py`, for `thread` and
    `looks`), and the second only if it opens in time."""
    if part & FIRST > 0:
        run_first(
            state, scratch, keep, benches, failing, ids, touchpoints, values, key, first[0], first[1], total,
            begins, events, hours, numbers, who, whole, once, times, odds, visit_who, visit_slot, homes,
        )  # fmt: skip
    drawn = second[1]
    if part == FIRST + SECOND:
        mark(flags, thread, WAITS)
        if looks > 0:
            drawn = draw_ahead(flags, thread, luck, ids, values, key, second[0], second[1])
        if not wait_at_gate(flags, thread, looks):
            return
    if part & SECOND > 0:
        run_second(
            state, scratch, keep, benches, luck, failing, ids, touchpoints, values, spending, key, totals,
            (second[0], second[1], drawn), service, payment, numbers, edges, whole, once, times, began, start,
            kind, resolved, waited, settled, helped, counts, visit_slot, visit_waited,
        )  # fmt: skip


def run_first(
    state: Array,
    scratch: Array,
    keep: bool,
    benches: Array,
    failing: Array,
    ids: Array,
    touchpoints: Array,
    values: Array,
    key: Array,
    low: int,
    high: int,
    total: Array,
    begins: Array,
    events: Array,
    hours: Any,
    numbers: Array,
    who: Array,
    whole: Array,
    once: Array,
    times: Array,
    odds: Array,
    visit_who: Array,
    visit_slot: Array,
    homes: Array,
) -> None:
    """The first part of the month of the blocks from `low` to `high`: meeting the firm, asking.

    `scratch` as in `run_month`. `benches` and `failing` have a row a block: what the second part needs of
    the first, and the lanes that met a failure, numbers[4] of them. numbers[0] counts the contacts of
    each block, which stand from row numbers[1] of the columns on: `whole` slot, reason, common event (-1
    for none), whether a crew must come; `once` arrival, patience (hours), courtesy (points); `times`
    service, redial and repeat delay of each attempt (hours); `odds` whether it would redial, be solved,
    repeat. Likewise numbers[2] and numbers[3] for those who pay at the counter. homes: `Town.homes`.
    """
    p = parameters(values)
    failing_who = np.empty(BLOCK, dtype=np.uint64)
    voice = np.empty(4 * STRIDE, dtype=np.float32)
    at = low * BLOCK
    visit = at
    for k in range(low, high):
        b = state[k]
        w = scratch[k] if keep else scratch[0]
        failures = first_part(b, w, ids[k], touchpoints, values, key, failing[k], failing_who)
        u = w[W.draws : W.draws + 4 * STRIDE]
        draw(u, ids[k], BLOCK, np.uint64(24), values, key)
        ask(b, w, u, values)
        draw(voice, failing_who, failures, np.uint64(3), values, key)
        report(b, w, u, voice, failing[k], failures, touchpoints, values)
        set_aside(w, benches[k], failing[k], failures, touchpoints)
        numbers[4, k] = failures
        n = pick(w[W.reason : W.reason + BLOCK], ids[k], whole[0, at : at + BLOCK], who[at : at + BLOCK])
        numbers[0, k] = n
        numbers[1, k] = at
        for i in range(at, at + n):
            lane = whole[0, i]
            whole[0, i] = k * BLOCK + lane
            whole[1, i] = int(w[W.reason + lane])
            whole[2, i] = int(b[C.group + lane])
        at += n
        numbers[3, k] = visit
        if p.service_counter_clerks > 0.0:
            for i in range(BLOCK):
                if w[W.visited + i] > 0.0:
                    visit_slot[visit] = k * BLOCK + i
                    visit_who[visit] = ids[k, i]
                    visit += 1
        numbers[2, k] = visit - numbers[3, k]
    # The contacts of many blocks at once: vectors need more of them than one block has.
    for begin in range(low * BLOCK, at, BLOCK):
        end = min(begin + BLOCK, at)
        prepare(
            end - begin, who[begin:end], touchpoints, values, key, total, begins, events, hours, homes,
            whole[:, begin:end], once[:, begin:end], times[:, begin:end], odds[:, begin:end], voice,
        )  # fmt: skip


def pack(
    numbers: Array, blocks: int, edges: Array, who: Array, whole: Array, once: Array, times: Array,
    odds: Array, visit_who: Array, visit_slot: Array,
) -> None:  # fmt: skip
    """Close the gaps between the contacts of the blocks: those of block k then stand from edges[0, k] to
    edges[0, k + 1], its visitors from edges[1, k] to edges[1, k + 1]."""
    number = 0
    visits = 0
    for k in range(blocks):
        edges[0, k] = number
        edges[1, k] = visits
        n = numbers[0, k]
        at = numbers[1, k]
        if at > number:
            for i in range(n):
                who[number + i] = who[at + i]
            for c in range(whole.shape[0]):
                for i in range(n):
                    whole[c, number + i] = whole[c, at + i]
            for c in range(once.shape[0]):
                for i in range(n):
                    once[c, number + i] = once[c, at + i]
            for c in range(times.shape[0]):
                for i in range(n):
                    for a in range(ATTEMPTS):
                        times[c, number + i, a] = times[c, at + i, a]
                        odds[c, number + i, a] = odds[c, at + i, a]
        number += n
        for i in range(numbers[2, k]):
            visit_who[visits] = visit_who[numbers[3, k] + i]
            visit_slot[visits] = visit_slot[numbers[3, k] + i]
            visits += 1
    edges[0, blocks] = number
    edges[1, blocks] = visits


def draw_ahead(
    flags: Array, thread: int, luck: Array, ids: Array, values: Array, key: Array, low: int, high: int
) -> int:  # fmt: skip
    """While the stations answer: the luck of the second part, to rows of `luck`, in the order in which the
    blocks are lived. Returns from which block on it is drawn."""
    for k in range(high - 1, low - 1, -1):
        if mark(flags, thread, 0) & OPEN > 0:
            return k + 1
        draw_luck(luck[k], ids[k], values, key)
    return low


def run_second(
    state: Array,
    scratch: Array,
    keep: bool,
    benches: Array,
    luck: Array,
    failing: Array,
    ids: Array,
    touchpoints: Array,
    values: Array,
    spending: Array,
    key: Array,
    totals: Array,
    part: tuple[int, int, int],
    service: int,
    payment: int,
    numbers: Array,
    edges: Array,
    whole: Array,
    once: Array,
    times: Array,
    began: Array,
    start: Array,
    kind: Array,
    resolved: Array,
    waited: Array,
    settled: Array,
    helped: Array,
    counts: Array,
    visit_slot: Array,
    visit_waited: Array,
) -> None:
    """The rest of the month of the blocks from part[0] to part[1], after the stations have answered. From
    part[2] on their luck is drawn already, in `luck`."""
    # The blocks that met the firm last are still in the processor's cache.
    for k in range(part[1] - 1, part[0] - 1, -1):
        w = scratch[k] if keep else scratch[0]
        if k >= part[2]:
            for i in range(8 * STRIDE):
                w[W.luck + i] = luck[k, i]
        else:
            draw_luck(w[W.luck : W.luck + 8 * STRIDE], ids[k], values, key)
        take_up(w, benches[k], failing[k], numbers[4, k], touchpoints)
        paid(w, k * BLOCK, edges[1, k], edges[1, k + 1], payment, values, visit_slot, visit_waited)
        hand_back(
            w, k * BLOCK, edges[0, k], edges[0, k + 1], service, values, whole, once, times, began, start,
            kind, resolved, waited, settled, helped, counts[k],
        )  # fmt: skip
        second_part(state[k], w, ids[k], touchpoints, values, spending, key, totals[k], True)


def apart(u: Any, who: Any) -> Any:
    """A single-precision number in double precision, placed within its cell by whose it is.

    Else some would call at the same moment, and the line's order would be that of the slots.
    """
    return np.float64(u) + (np.float64(who & np.uint64(1048575)) - 524287.5) * 1.1368683772161603e-13


def contact_rate(
    factors: Array, weekday: int, open_days: int, weekdays: Array, hourly: Array, begin: Any, finish: Any,
    hours: Any, total: Array, begins: Array,
) -> None:  # fmt: skip
    """The accumulated rate of contacts at successive hours of a month that begins on `weekday`: factor of
    the day x weight of its weekday x weight of the opening hour. The opening hours, from `begin` to
    `finish`, are divided evenly; of a week the first `open_days` are open."""
    cells = hourly.shape[0]
    at = 0
    total[0] = 0.0
    for day in range(factors.shape[0]):
        which = (weekday + day) % 7
        busy = factors[day] * (weekdays[which] if which < open_days else 0.0)
        for cell in range(cells + 1):
            begins[at] = 24 * day + (begin + (finish - begin) / cells * cell)
            total[at + 1] = total[at] + (busy * hourly[cell] if cell < cells else 0.0)
            at += 1
    begins[at] = hours


def add_counts(counts: Array, out: Array) -> None:
    """The counts of all blocks."""
    for c in range(counts.shape[1]):
        out[c] = 0.0
        for k in range(counts.shape[0]):
            out[c] += counts[k, c]


def late(kind: Array, settled: Array, arrival: Array, number: int, deadline: Any) -> int:
    """How many of a station's contacts were not done within so many hours of their arrival."""
    found = 0
    for i in range(number):
        found += 1 if kind[i, 0] != 1 or settled[i] - arrival[i] > deadline else 0
    return found


def moment(u: Any, total: Array, begins: Array) -> Any:
    """The moment at which the accumulated rate `total` reaches the part u of its last value; the rate is
    constant between successive `begins` (hours)."""
    wanted = u * total[total.shape[0] - 1]
    # Halving without a branch, which nobody could foresee.
    low = 0
    left = total.shape[0] - 1
    while left > 1:
        half = left // 2
        low = low + half if total[low + half] <= wanted else low
        left = left - half
    high = low + 1
    return begins[low] + (wanted - total[low]) / (total[high] - total[low]) * (begins[high] - begins[low])


def prepare(
    n: int, who: Array, touchpoints: Array, values: Array, key: Array,
    total: Array, begins: Array, events: Array, hours: Any, homes: Array,
    whole: Array, once: Array, times: Array, odds: Array, u: Array,
) -> None:  # fmt: skip
    """The luck of up to BLOCK contacts: moment, patience, handling, outcome. Draws: groups 25 to 28, in `u`.
    Their slots, reasons and groups are in `whole` already.

    total, begins: accumulated rate of contacts at successive hours (`moment`); events: hours of the
    month's common events. Homes lie along a line: an event strikes a stretch of it.
    """
    p = parameters(values)
    # A lognormal time of mean m and coefficient of variation c: exp(s z - s^2 / 2) m, s^2 = log(1 + c^2).
    spread = np.sqrt(log(1.0 + p.service_handling_cv * p.service_handling_cv))
    late = np.empty(BLOCK, dtype=np.float32)
    draw(u, who, n, np.uint64(25), values, key)
    # Functions of many contacts at once: vector code.
    for k in range(n):
        late[k] = -log(1.0 - u[k]) * p.service_event_spread
        u[2 * STRIDE + k] = -log(1.0 - u[2 * STRIDE + k]) * p.service_patience / 60.0
        u[3 * STRIDE + k] = p.service_courtesy + p.service_courtesy_sd * normal(u[3 * STRIDE + k])
    for i in range(n):
        code = whole[1, i]
        arrival = moment(apart(u[i], who[i]), total, begins)
        event = -1
        crew = 0
        if code >= 4:
            # One number: whether it belongs to a common event, to which, and whether a crew must come.
            common = touchpoints[code - 4, COMMON]
            luck = u[STRIDE + i]
            if luck < common:
                luck = luck / common
                if homes.shape[0] > 0:
                    g = whole[2, i]
                    luck = homes[g, 0] + luck * homes[g, 1]
                event = min(int(luck * events.shape[0]), events.shape[0] - 1)
                arrival = min(events[event] + late[i], hours - 1e-3)
                crew = 1 if touchpoints[code - 4, CREW] > 0.0 else 0
            else:
                crew = 1 if (luck - common) / (1.0 - common) < touchpoints[code - 4, CREW] else 0
        whole[2, i] = event
        whole[3, i] = crew
        once[0, i] = arrival
        once[1, i] = u[2 * STRIDE + i]
        once[2, i] = u[3 * STRIDE + i]
    for a in range(ATTEMPTS):
        draw(u, who, n, np.uint64(26 + a), values, key)
        for k in range(n):
            u[3 * STRIDE + k] = -log(1.0 - u[3 * STRIDE + k])
            u[k] = exp(spread * normal(u[k]) - 0.5 * spread * spread) * p.service_handling / 60.0
        for i in range(n):
            chance = p.complaint_resolved if whole[1, i] >= 4 else p.service_question_resolved
            times[0, i, a] = u[i]
            times[1, i, a] = u[3 * STRIDE + i] * p.service_redial_delay / 60.0 + 1e-6
            times[2, i, a] = u[3 * STRIDE + i] * p.service_repeat_delay + 1e-6
            # One number for trying again, after giving up or after an answer that did not help.
            odds[0, i, a] = u[2 * STRIDE + i] < p.service_redial
            odds[1, i, a] = whole[3, i] > 0 or u[STRIDE + i] < chance
            odds[2, i, a] = u[2 * STRIDE + i] < p.service_repeat


def hand_back(
    w: Array, first: int, low: int, high: int, service: int, values: Array, whole: Array, once: Array,
    times: Array, began: Array, start: Array, kind: Array, resolved: Array, waited: Array, settled: Array,
    helped: Array, counts: Array,
) -> None:  # fmt: skip
    """What the stations did becomes the experience of a block's customers: contacts `low` to `high`.
    `counts` are those of COUNTS."""
    p = parameters(values)
    within = p.service_service_level / 3600.0
    for i in range(low, high):
        lane = whole[0, i] - first
        calls = 0
        answered = 0
        last = 0
        for a in range(ATTEMPTS):
            if kind[i, a] > 0:
                calls += 1
                last = kind[i, a]
            if kind[i, a] == 3:
                counts[9] += 1.0
            if kind[i, a] == 1:
                answered += 1
                wait = start[i, a] - began[i, a]
                counts[3] += 1.0
                counts[4] += 1.0 if wait <= within else 0.0
                counts[5] += wait
                counts[10] += times[0, i, a]
        problem = whole[1, i] >= 4
        gave_up = 1.0 if last != 1 else 0.0
        solved = 1.0 if resolved[i] > 0 else 0.0
        minutes: Any = np.float32(waited[i] * 60.0)
        courtesy: Any = np.float32(once[2, i])
        counts[0] += 1.0
        counts[1] += 0.0 if problem else 1.0
        counts[2] += calls
        counts[6] += gave_up
        counts[7] += solved
        counts[8] += 1.0 if resolved[i] == 1 else 0.0
        points = contact_experience(minutes, gave_up, solved, courtesy, p)
        w[W.called + lane] = calls
        w[W.waited + lane] = minutes
        w[W.gave_up + lane] = gave_up
        w[W.met + lane] = 1.0
        # Written so that a missing number of a user's rule is not lost.
        if not points <= 0.0:
            at = W.drop + service * STRIDE + lane
            w[at] = w[at] + points
        if solved == 0.0:
            w[W.failed + lane] = w[W.failed + lane] + 1.0
        if problem:
            w[W.complained + lane] = 1.0
        if helped[i] > 0:
            w[W.resolved + lane] = 1.0
            w[W.fast + lane] = 1.0 if helped[i] == 2 else 0.0
        elif problem and solved > 0.0 and whole[3, i] == 0:
            w[W.resolved + lane] = 1.0
            w[W.fast + lane] = 1.0 if settled[i] - once[0, i] <= p.service_fast else 0.0


def send_crews(
    who: Array, event_who: Array, number: int, values: Array, key: Array, whole: Array, resolved: Array,
    settled: Array, hours: Any, common: Array, helped: Array, job_of: Array, arrival: Array, service: Array,
) -> int:  # fmt: skip
    """The jobs of the field crews: one for each report, one in all for a common event at a touchpoint.

    event_who: (touchpoints, events) identities of common events; common: room of that shape for the
    number of an event's job; job_of: the job of each contact, -1 for none; helped: 0 for each, nobody has
    come yet. What is reported after the month, at a repeated call, counts as reported at its end, `hours`.
    Draws: group 29. Returns how many jobs.
    """
    p = parameters(values)
    spread = np.sqrt(log(1.0 + p.service_repair_cv * p.service_repair_cv))
    u = np.empty(4 * STRIDE, dtype=np.float32)
    common[:] = -1
    jobs = 0
    for i in range(number):
        job_of[i] = -1
        helped[i] = 0
        if whole[3, i] > 0 and resolved[i] > 0:
            d = whole[1, i] - 4
            e = whole[2, i]
            if e >= 0 and common[d, e] >= 0:
                job_of[i] = common[d, e]
                arrival[job_of[i]] = min(arrival[job_of[i]], settled[i])
                continue
            if e >= 0:
                # The event's own luck, whoever reports it first.
                draw(u, event_who[d, e : e + 1], 1, np.uint64(29), values, key)
            else:
                draw(u, who[i : i + 1], 1, np.uint64(29), values, key)
            travel = exp(spread * normal(u[0]) - 0.5 * spread * spread) * p.service_travel / 60.0
            repair = exp(spread * normal(u[STRIDE]) - 0.5 * spread * spread) * p.service_repair
            arrival[jobs] = min(settled[i], hours - 1e-3)
            service[jobs, 0] = travel + repair
            job_of[i] = jobs
            if e >= 0:
                common[d, e] = jobs
            jobs += 1
    return jobs


def repaired(
    number: int, values: Array, job_of: Array, began: Array, kind: Array, settled: Array, helped: Array
) -> None:
    """Crews came or did not: the customer's problem is solved (`helped` 1) or solved fast (2). `began`:
    first call of each contact."""
    p = parameters(values)
    for i in range(number):
        j = job_of[i]
        if j >= 0 and kind[j, 0] == 1:
            helped[i] = 2 if settled[j] - began[i] <= p.service_fast else 1


def protest(
    who: Array,
    number: int,
    values: Array,
    key: Array,
    reason: Array,
    resolved: Array,
    settled: Array,
    hours: Any,
    letter_of: Array,
    arrival: Array,
    service: Array,
    solved: Array,
) -> int:
    """Formal complaints of those whose problem the hotline did not solve. Draws: groups 3 and 29.

    `letter_of`: the contact of each; `solved`: whether the answer will do. Returns how many.
    """
    p = parameters(values)
    spread = np.sqrt(log(1.0 + p.service_handling_cv * p.service_handling_cv))
    u = np.empty(4 * STRIDE, dtype=np.float32)
    letters = 0
    for i in range(number):
        if reason[i] >= 4 and resolved[i] == 0:
            draw(u, who[i : i + 1], 1, np.uint64(29), values, key)
            if u[2 * STRIDE] < p.service_escalation:
                handling = exp(spread * normal(u[3 * STRIDE]) - 0.5 * spread * spread)
                draw(u, who[i : i + 1], 1, np.uint64(3), values, key)
                letter_of[letters] = i
                arrival[letters] = min(settled[i], hours - 1e-3)
                service[letters, 0] = handling * p.service_complaint_handling
                solved[letters] = u[STRIDE] < p.complaint_resolved
                letters += 1
    return letters


def answer_letters(
    letters: int, values: Array, letter_of: Array, began: Array, solved: Array, kind: Array, settled: Array,
    helped: Array,
) -> None:  # fmt: skip
    """What the complaint office answered; `began` and `helped` as in `repaired`."""
    p = parameters(values)
    for k in range(letters):
        if kind[k, 0] == 1 and solved[k]:
            i = letter_of[k]
            helped[i] = 2 if settled[k] - began[i] <= p.service_fast else 1


def visits(
    who: Array,
    number: int,
    values: Array,
    key: Array,
    total: Array,
    begins: Array,
    arrival: Array,
    service: Array,
) -> None:
    """Moments and service times at the payment counter. Draws: group 30."""
    p = parameters(values)
    spread = np.sqrt(log(1.0 + p.service_handling_cv * p.service_handling_cv))
    u = np.empty(4 * STRIDE, dtype=np.float32)
    for first in range(0, number, BLOCK):
        n = min(BLOCK, number - first)
        draw(u, who[first : first + n], n, np.uint64(30), values, key)
        for k in range(n):
            arrival[first + k] = moment(apart(u[k], who[first + k]), total, begins)
            handling = exp(spread * normal(u[STRIDE + k]) - 0.5 * spread * spread)
            service[first + k, 0] = handling * p.service_visit / 60.0


def paid(
    w: Array, first: int, low: int, high: int, payment: int, values: Array, slots: Array, waited: Array
) -> None:
    """What waiting at the counter does to a block's perception of paying: visitors `low` to `high`."""
    p = parameters(values)
    for i in range(low, high):
        lane = slots[i] - first
        minutes = np.float32(waited[i] * 60.0)
        w[W.met + lane] = 1.0
        points = p.service_counter_points * max(minutes - p.service_counter_free, 0.0)
        if payment >= 0 and points > 0.0:
            at = W.drop + payment * STRIDE + lane
            w[at] = w[at] + points
