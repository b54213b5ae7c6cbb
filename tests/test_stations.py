"""Stations: two desks that must agree to the last bit, queueing theory, common luck, what a month adds up to.

The random months have fixed seeds. "Agree" means equal in every bit of every record.
"""

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from crmsim.simulation.erlang import ErlangA, erlang_c
from crmsim.simulation.stations import (
    Contacts,
    FastDesk,
    Group,
    Rota,
    StationOptions,
    day_factors,
    times_in_month,
)
from crmsim.simulation.stations_fast import CLOSED, NONE, RENEGE, SERVICE, UNSERVED, in_order
from crmsim.simulation.stations_report import event_log, performance, utilisation
from crmsim.simulation.stations_simpy import SimpyDesk

RECORDS = (
    "kind",
    "arrival_time",
    "waiting_time",
    "service_start_time",
    "exit_time",
    "server",
    "queue_length",
    "called_back",
    "resolved_at",
    "total_waiting",
    "settled",
    "busy_until",
)
PHONE = StationOptions(closed="turned_away")
ALWAYS = dict(from_hour=0, to_hour=24, weekdays=range(7))
SPREAD = math.sqrt(math.log(2))  # of a log-normal number with coefficient of variation 1


def agents(number, **more):
    return Rota((Group("agents", number, **more),))


def same(one, other):
    """Names of the records that differ in any bit."""
    return [n for n in RECORDS if not np.array_equal(getattr(one, n), getattr(other, n), equal_nan=True)]


ROOT = Path(__file__).resolve().parent.parent


# -- rota and calendar ---------------------------------------------------------------------------


def test_a_rota_becomes_hours_of_the_month():
    calendar = Rota((Group("day", 1, 8, 17), Group("weekend", 2, 10, 14, weekdays=(5, 6))), 0).calendar(9, 4)
    # a month of nine days that begins on a Friday
    day = [(24 * d + 8, 24 * d + 17) for d in (0, 3, 4, 5, 6, 7)]
    weekend = [(24 * d + 10, 24 * d + 14) for d in (1, 2, 8)]
    assert [list(own) for own in calendar.shifts] == [day, weekend, weekend]
    assert list(calendar.group) == [0, 1, 1]
    assert (calendar.hours, calendar.end) == (216, 216)
    edges = np.array([0.0, 24, 48, 216])
    assert list(calendar.duty(edges)) == [9, 8, 45 + 16]
    assert list(calendar.duty(edges, 1)) == [0, 8, 16]
    assert list(calendar.open_hours(edges)) == [9, 4, 45 + 8]
    times = np.array([7.9, 8, 16.9, 17, 35, 216])
    assert list(calendar.is_open(times)) == [False, True, True, False, True, False]
    assert list(calendar.next_opening(times)) == [8, 8, 8, 34, 34, np.inf]


def test_night_shifts_cross_midnight_and_the_month():
    calendar = Rota((Group("night", 1, 22, 30, weekdays=(6, 0)),), 0).calendar(2, 0)
    # Sunday's night ends on Monday at six, Monday's on Tuesday
    assert calendar.shifts == (((0.0, 6.0), (22.0, 30.0)),)
    round_the_clock = agents(1, **ALWAYS).calendar(30, 3)
    assert round_the_clock.shifts == (((0.0, 24.0 * 58),),)
    assert agents(1).calendar(31, 2) is agents(1).calendar(31, 2)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda: Group("a", -1), "group 'a': number"),
        (lambda: Group("a", 1.5), "whole number from 0, not 1.5"),
        (lambda: Group("a", 1, 17, 8), "a night shift is 22 to 30"),
        (lambda: Group("a", 1, 0, 25), "lasts up to 24 hours"),
        (lambda: Group("a", 1, weekdays=(7,)), "Monday"),
        (lambda: Rota((Group("a", 1), Group("a", 2))), "different names"),
        (lambda: agents(1).calendar(0), "at least one day"),
        (lambda: agents(1).calendar(30, 7), "weekday is 0"),
        (lambda: StationOptions(closed="shut"), "turned_away"),
        (lambda: StationOptions(callback_after=-1), "callback_after"),
        (lambda: Contacts(arrival=[1, -2], service=1), "arrival must be 0 or more.*contact 1 has -2"),
        (lambda: Contacts(arrival=[1, 2], service=[1, 0]), "service must be above 0.*contact 1"),
        (lambda: Contacts(arrival=[1, 2], service=[1, 2, 3]), "service has shape"),
        (lambda: Contacts(arrival=[1], service=1, redial_delay=0), "redial_delay"),
        (lambda: Contacts(arrival=[np.nan], service=1), "arrival"),
        (lambda: Contacts(arrival=[1], service=1, luck=1.0), "luck"),
        (lambda: FastDesk(agents(1)).answer(Contacts(arrival=[50], service=1), days=2), "arrives at hour 50"),
        (lambda: FastDesk(agents(1), StationOptions(priorities=True)), "no priorities; use SimpyDesk"),
        (lambda: FastDesk(agents(1), StationOptions(callback_after=0.1)), "no call-backs"),
        (lambda: FastDesk(agents(1, skills=(1,))), "no skills"),
        (
            lambda: SimpyDesk(agents(1, skills=(1, 2))).answer(Contacts(arrival=[9], service=1, reason=3)),
            "skill for reason 3; known are 1, 2",
        ),
        (lambda: day_factors(np.array([0.5]), 0), "above 0"),
        (lambda: times_in_month(np.array([0.5]), hourly=[1] * 20), "do not fit"),
        (lambda: times_in_month(np.array([0.5]), weekdays=[0] * 7), "above 0"),
        (lambda: performance([]), "no records"),
        (lambda: performance(month_of(1)[2], by="week"), '"hour", "day" or "month"'),
    ],
)
def test_what_makes_no_sense_is_refused(wrong, says):
    with pytest.raises(ValueError, match=says):
        wrong()


# -- a few contacts by hand ----------------------------------------------------------------------

DESKS = [FastDesk, SimpyDesk]


@pytest.mark.parametrize("desk", DESKS)
def test_a_morning_by_hand(desk):
    """One agent, 8 to 12; every kind of end."""
    contacts = Contacts(
        arrival=[7.0, 8.0, 8.25, 8.5, 11.25, 12.0],
        service=[0.5, 1.0, 0.5, 0.5, 2.0, 0.25],
        patience=[1.0, 1.0, 0.5, 2.0, 1.0, 1.0],
        redials=[True, False, True, False, False, True],
        redial_delay=1.0,
        resolved=[True, True, True, False, True, True],
        repeats=[False, False, False, True, False, False],
        repeat_delay=0.5,
        deadline=[3.0, 0.5, np.inf, 1.0, 2.25, 1.0],
    )
    rota = Rota((Group("a", 1, 8, 12),), tail_days=0)
    records = desk(rota, PHONE).answer(contacts, days=1)
    kinds = {SERVICE: "s", RENEGE: "r", CLOSED: "c", UNSERVED: "u", NONE: "."}
    assert ["".join(kinds[k] for k in row) for row in records.kind] == [
        "cs.",
        "s..",
        "rs.",
        "ssr",
        "s..",
        "c..",
    ]
    # 0 is turned away and comes again at 9; 2 leaves at 8:45 and comes again at 9:45; 3 is served at 9
    # and 10:30, comes a third time at 11:30, when 4 is being served until after the shift
    start = records.service_start_time
    assert start[1, 0] == 8.0
    assert start[3, 0] == 9.0
    assert start[0, 1] == 9.5
    assert start[2, 1] == 10.0
    assert start[3, 1] == 10.5
    assert start[4, 0] == 11.25
    assert records.exit_time[4, 0] == 13.25
    assert records.exit_time[2, 0] == 8.75
    assert (records.arrival_time[3, 2], records.exit_time[3, 2]) == (11.5, 13.5)
    assert list(records.queue_length[[0, 1, 2, 3, 5], 0]) == [0, 0, 0, 1, 1]
    assert list(records.resolved_at) == [2, 1, 2, 0, 1, 0]
    assert records.total_waiting[2] == 0.5 + 0.25
    assert list(records.met_deadline) == [True, False, True, False, True, False]
    assert list(records.abandoned) == [False, False, False, True, False, True]
    assert records.answered.sum() == 5
    assert np.array_equal(records.resolution_time, [10, 9, 10.5, np.nan, 13.25, np.nan], equal_nan=True)


@pytest.mark.parametrize("desk", DESKS)
def test_work_waits_for_the_opening_and_what_is_never_served_is_told(desk):
    rota = Rota((Group("crew", 1, 8, 10, weekdays=(0,)),), tail_days=7)
    jobs = Contacts(arrival=[1.0, 2.0, 3.0, 9.0], service=[1.0, 3.0, 1.0, 1.0], patience=[np.inf] * 3 + [5])
    records = desk(rota).answer(jobs, days=1)
    # Monday 8 to 9, 9 to 12 (beyond the shift), next Monday at 8; the last gives up at two
    assert list(records.service_start_time[:3, 0]) == [8, 9, 24 * 7 + 8]
    assert list(records.kind[:, 0]) == [SERVICE, SERVICE, SERVICE, RENEGE]
    assert records.exit_time[3, 0] == 14
    alone = desk(Rota((Group("crew", 0),), tail_days=2)).answer(jobs, days=1)
    assert list(alone.kind[:, 0]) == [UNSERVED, UNSERVED, UNSERVED, RENEGE]
    assert list(alone.exit_time[:3, 0]) == [72, 72, 72]
    assert alone.abandoned.all()


@pytest.mark.parametrize("desk", DESKS)
def test_at_one_moment_servers_come_first_then_patience_then_arrivals(desk):
    rota = Rota((Group("early", 1, 8, 9), Group("late", 2, 9, 12)))
    contacts = Contacts(
        # 0 is served to 9; 1 and 2 wait until 9, when three servers could take them; the patience of 1
        # ends at that moment, that of 3 just before; 4 comes at that moment
        arrival=[8.0, 8.5, 8.5, 8.5, 9.0],
        service=[1.0, 0.5, 0.75, 0.5, 0.25],
        patience=[1, 0.5, 1, 0.25, 1],
    )
    records = desk(rota).answer(contacts, days=1)
    assert list(records.kind[:, 0]) == [SERVICE, SERVICE, SERVICE, RENEGE, SERVICE]
    # the shift of server 0 has ended; 1 and 2 have been idle equally long; 1 is free first for the last
    assert list(records.server[:, 0]) == [0, 1, 2, -1, 1]
    assert records.service_start_time[4, 0] == 9.5
    assert list(records.queue_length[:, 0]) == [0, 0, 1, 2, 0]


# -- two desks, one protocol ---------------------------------------------------------------------


def month_of(seed, n=250):
    """A random month: rota, options, contacts, days, weekday. On a grid of minutes, or not."""
    r = np.random.default_rng(seed)
    on_grid = seed % 2 == 1  # many things then happen at the same moment
    up = (lambda x: np.ceil(x * 8) / 8) if on_grid else (lambda x: x + 1e-9)
    down = (lambda x: np.floor(x * 8) / 8) if on_grid else (lambda x: x)
    groups = []
    for g in range(r.integers(1, 4)):
        from_hour = float(r.integers(0, 23))
        weekdays = r.choice(7, r.integers(1, 8), replace=False)
        number = int(r.integers(0 if g else 1, 4))
        groups.append(
            Group(f"g{g}", number, from_hour, from_hour + float(r.integers(1, 25)), tuple(weekdays))
        )
    rota = Rota(tuple(groups), tail_days=int(r.integers(0, 10)))
    days, weekday = int(r.integers(1, 15)), int(r.integers(0, 7))
    contacts = Contacts(
        arrival=down(r.uniform(0, 24 * days, n)),
        service=up(r.exponential(r.choice([0.05, 0.5, 3]), (n, 3))),
        patience=np.where(r.random(n) < 0.2, np.inf, down(r.exponential(r.choice([0.05, 0.5, 5]), n))),
        redials=r.random((n, 3)) < 0.5,
        redial_delay=up(r.exponential(1, (n, 3))),
        resolved=r.random((n, 3)) < 0.6,
        repeats=r.random((n, 3)) < 0.5,
        repeat_delay=up(r.exponential(5, (n, 3))),
        deadline=r.exponential(5, n),
    )
    options = StationOptions(closed="turned_away" if r.random() < 0.5 else "wait")
    return (
        FastDesk(rota, options),
        SimpyDesk(rota, options),
        FastDesk(rota, options).answer(contacts, days, weekday),
    )


@pytest.mark.slow
def test_the_two_desks_agree_contact_by_contact():
    """250 random months, half of them with many things at the same moment; all kinds of end occur."""
    counts = np.zeros(5, int)
    for seed in range(250):
        fast, reference, records = month_of(seed)
        calendar = records.calendar
        busy = np.random.default_rng(seed).uniform(0, 30, fast.rota.servers) * (seed % 3 == 0)
        fast_records = fast.answer(records.contacts, calendar.days, calendar.weekday, busy)
        other = reference.answer(records.contacts, calendar.days, calendar.weekday, busy)
        assert same(fast_records, other) == [], seed
        counts += np.bincount(other.kind.ravel(), minlength=5)
    assert (counts > 1000).all()
    assert other.method != fast_records.method


@pytest.mark.slow
def test_interpreted_is_compiled():
    """Without numba the same source gives the same records."""
    code = (
        "import sys; sys.path.insert(0, 'tests')\n"
        "if 'no' in sys.argv: sys.modules['numba'] = None\n"
        "import hashlib, test_stations as t\n"
        "months = [t.month_of(seed, n=60)[2] for seed in range(4)]\n"
        "parts = [getattr(m, n).tobytes() for m in months for n in t.RECORDS]\n"
        "print(hashlib.sha256(b''.join(parts)).hexdigest())"
    )
    answers = {
        subprocess.run(
            [sys.executable, "-c", code, word], capture_output=True, text=True, check=True, cwd=ROOT
        ).stdout
        for word in ("no", "yes")
    }
    assert len(answers) == 1


@settings(deadline=None)  # the first call may compile
@given(st.lists(st.floats(0, 720), max_size=200), st.sampled_from([0, 1, 3]))
def test_contacts_are_put_in_order(times, decimals):
    times = np.round(np.array(times), decimals)
    assert list(in_order(times)) == list(np.argsort(times, kind="stable"))


def test_order_holds_for_bursts_and_extremes():
    r = np.random.default_rng(1)
    for times in (
        r.uniform(0, 720, 5000),
        np.concatenate([r.uniform(0, 720, 100), 300 + 1e-9 * r.random(2000)]),
        np.full(500, 3.0),
        np.repeat(r.uniform(0, 1e-300, 50), 3),
        np.sort(r.uniform(0, 720, 300)),
        -np.sort(-r.uniform(0, 720, 300)),
    ):
        assert list(in_order(times)) == list(np.argsort(times, kind="stable"))


@pytest.mark.parametrize("desk", DESKS)
def test_a_backlog_goes_on_into_the_next_month(desk):
    """Jobs that only wait: two months handed on are one long month."""
    r = np.random.default_rng(4)
    n, rota = 400, Rota((Group("crew", 2, weekdays=range(7)), Group("night", 1, 20, 28)), 60)
    arrival = np.sort(r.uniform(0, 24 * 28, n))
    service = r.exponential(1.9, n)
    whole = desk(rota).answer(Contacts(arrival, service), days=28)
    first = arrival < 24 * 14
    one = desk(rota).answer(Contacts(arrival[first], service[first]), days=14)
    hours = one.calendar.hours
    assert one.busy_until.max() > hours + 1  # there is a backlog
    late = Contacts(arrival[~first] - hours, service[~first])
    two = desk(rota).answer(late, days=14, busy_until=one.busy_until - hours)
    start = np.concatenate([one.service_start_time[:, 0], two.service_start_time[:, 0] + hours])
    assert start == pytest.approx(whole.service_start_time[:, 0], abs=1e-9)
    fresh = desk(rota).answer(late, days=14)
    assert fresh.waiting_time[:, 0].mean() < two.waiting_time[:, 0].mean()


# -- queueing theory -----------------------------------------------------------------------------


def poisson_days(seed, rate, days, service, patience=np.inf):
    r = np.random.default_rng(seed)
    n = r.poisson(rate * 24 * days)
    return Contacts(
        arrival=r.uniform(0, 24 * days, n),
        service=r.exponential(service, n),
        patience=patience if np.isinf(patience) else r.exponential(patience, n),
    )


def interval(values, level=0.99):
    """Mean of independent replications and half the width of its t interval."""
    values = np.asarray(values)
    half = stats.t.ppf((1 + level) / 2, len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values))
    return values.mean(), half


@pytest.mark.slow
@pytest.mark.parametrize(
    ("servers", "rate", "service", "patience"),
    [
        (1, 10, 0.07, np.inf),  # M/M/1 at 70 %
        (1, 10, 0.085, np.inf),  # M/M/1 at 85 %
        (4, 50, 0.068, np.inf),  # M/M/c at 85 %
        (1, 10, 0.15, 0.2),  # M/M/1+M at 150 %
        (4, 50, 0.08, 0.1),  # M/M/c+M at 100 %
        (10, 200, 0.055, 0.25),  # M/M/c+M at 110 %
    ],
)
def test_long_run_waits_are_those_of_erlang(servers, rate, service, patience):
    """40 months of 30 days (7,200 to 144,000 contacts each), the first two days left out.

    Each figure must lie in its own 99 % interval. Half of an interval's width is 1 % of the mean wait
    where callers abandon, 4 and 7 % where they do not, and .002 to .011 for the shares: an error of
    twice that would be found.
    """
    rota = agents(servers, **ALWAYS)
    theory = ErlangA(servers, rate, service, patience)
    waits, late, left, level = [], [], [], []
    for seed in range(40):
        records = FastDesk(rota).answer(poisson_days(seed, rate, 30, service, patience))
        settled = records.contacts.arrival > 48
        wait, kind = records.waiting_time[settled, 0], records.kind[settled, 0]
        waits.append(wait.mean())
        late.append((wait > 0).mean())
        left.append((kind == RENEGE).mean())
        level.append(((kind == SERVICE) & (wait <= 0.05)).mean())
    for values, wanted, widest in (
        (waits, theory.mean_wait, 0.07 * theory.mean_wait),
        (late, theory.p_wait, 0.011),
        (left, theory.p_abandon, 0.011),
        (level, theory.service_level(0.05), 0.011),
    ):
        mean, half = interval(values)
        assert half <= widest
        assert mean == pytest.approx(wanted, abs=half + 1e-12)


def test_littles_law():
    """Number in line and in service, averaged over time from the event log, are rate x time spent."""
    contacts = poisson_days(3, 50, 10, 0.07, 0.1)
    records = FastDesk(agents(4, **ALWAYS)).answer(contacts, days=10)
    log = event_log(records)
    lasting = np.diff(log["time"])
    assert (lasting >= 0).all()
    assert log["queue_length"].min() == 0
    assert log["queue_length"].iloc[-1] == 0
    area = (log["queue_length"].to_numpy()[:-1] * lasting).sum()
    assert area == pytest.approx(records.waiting_time[:, 0].sum(), rel=1e-9)
    assert area > 50
    in_service = np.cumsum(log["event"].map({"starts": 1, "ends": -1}).astype(float).fillna(0))
    assert in_service.max() == 4
    served = records.kind[:, 0] == SERVICE
    busy = (in_service.to_numpy()[:-1] * lasting).sum()
    assert busy == pytest.approx(contacts.service[served, 0].sum(), rel=1e-9)


@pytest.mark.slow
def test_priorities_as_in_cobham():
    """M/M/1, two classes, 80 %, non-preemptive: W1 = W0 / (1 - rho1), W2 = W1 / (1 - rho) (Cobham 1954).

    12 replications of 6,000 contacts; half widths near 10 % of either wait. Without priorities both
    would wait 0.32 hours; with them 0.13 and 0.67.
    """
    waits = []
    for seed in range(12):
        contacts = poisson_days(seed, 10, 25, 0.08)
        urgent = np.random.default_rng(seed + 100).random(len(contacts)) < 0.5
        contacts = Contacts(contacts.arrival, contacts.service, priority=np.where(urgent, 0, 1))
        records = SimpyDesk(agents(1, **ALWAYS), StationOptions(priorities=True)).answer(contacts, days=25)
        wait = records.waiting_time[:, 0]
        waits.append((wait[urgent].mean(), wait[~urgent].mean()))
    first = 0.8 * 0.08 / (1 - 0.4)
    for values, wanted in zip(np.array(waits).T, (first, first / (1 - 0.8)), strict=True):
        mean, half = interval(values)
        assert half < 0.25 * wanted
        assert mean == pytest.approx(wanted, abs=half)
    assert erlang_c(1, 0.8) * 0.08 / 0.2 == pytest.approx((first + first / 0.2) / 2)  # conservation


# -- skills and call-backs -----------------------------------------------------------------------


def test_skills_leave_some_idle_while_others_wait():
    rota = Rota((Group("bills", 1, skills=(1,)), Group("all", 1)))
    contacts = Contacts(arrival=[9.0, 9.1, 9.2, 9.3], service=1.0, reason=[1, 2, 2, 1])
    records = SimpyDesk(rota).answer(contacts, days=1)
    # the bill question goes to the bill desk; 1 to the other, 2 waits for it though bills is free at 10
    assert list(records.server[:, 0]) == [0, 1, 1, 0]
    assert records.service_start_time[:, 0] == pytest.approx([9.0, 9.1, 10.1, 10.0])
    assert list(records.frame()["group"]) == ["bills", "all", "all", "bills"]


def test_a_called_back_customer_keeps_the_place_and_does_not_wait_on_the_phone():
    contacts = Contacts(
        arrival=[9.0, 9.1, 9.2, 9.3],
        service=0.5,
        patience=[1, 1, 0.2, 0.1],
        accepts_callback=[True, True, True, False],
    )
    rota = agents(1)
    plain = SimpyDesk(rota, PHONE).answer(contacts, days=1)
    assert list(plain.kind[:, 0]) == [SERVICE, SERVICE, RENEGE, RENEGE]
    options = StationOptions(closed="turned_away", callback_after=0.75, handling_time=0.5)
    records = SimpyDesk(rota, options).answer(contacts, days=1)
    # 1 would wait half an hour: no offer. 2 would wait an hour. 3 declines and leaves.
    assert list(records.called_back[:, 0]) == [False, False, True, False]
    assert list(records.kind[:, 0]) == [SERVICE, SERVICE, SERVICE, RENEGE]
    assert records.service_start_time[2, 0] == 10.0
    assert records.waiting_time[2, 0] == records.total_waiting[2] == 0
    assert records.queue_length[3, 0] == 2
    log = event_log(records)
    assert list(log.loc[log["contact"] == 2, "event"]) == ["arrives", "accepts call-back", "starts", "ends"]
    assert log["queue_length"].iloc[-1] == 0


# -- common luck ---------------------------------------------------------------------------------


def phone_month(seed, n=1600, patience=8 / 60, redials=0.5, repeats=0.5):
    """A month of calls with redials and repeats."""
    r = np.random.default_rng(seed)
    return Contacts(
        arrival=times_in_month(r.random(n), factors=day_factors(r.random(30), n / 22)),
        service=4 / 60 * np.exp(SPREAD * r.normal(size=(n, 3)) - SPREAD**2 / 2),
        patience=r.exponential(patience, n),
        redials=r.random((n, 3)) < redials,
        redial_delay=r.exponential(0.5, (n, 3)) + 1e-9,
        resolved=r.random((n, 3)) < 0.7,
        repeats=r.random((n, 3)) < repeats,
        repeat_delay=r.exponential(24, (n, 3)) + 1e-9,
    )


def test_more_agents_never_lengthen_the_mean_wait():
    """200 months: with endless patience nobody waits longer; with redials and abandonment, on average."""
    for seed in range(200):
        contacts = phone_month(seed, n=500)
        waits, patient = [], []
        plain = Contacts(contacts.arrival, contacts.service)
        for number in (1, 2, 3):
            waits.append(FastDesk(agents(number), PHONE).answer(contacts).total_waiting.mean())
            patient.append(FastDesk(agents(number)).answer(plain).waiting_time[:, 0])
        assert waits[0] > waits[1] >= waits[2], seed
        assert (patient[1] <= patient[0] + 1e-12).all()
        assert (patient[2] <= patient[1] + 1e-12).all()
        # a half-day colleague helps as well
        half = Rota((Group("full", 1), Group("half", 1, 10, 14)))
        assert waits[0] > FastDesk(half, PHONE).answer(contacts).total_waiting.mean() >= waits[1] - 1e-3


def test_hiring_leaves_untouched_whose_wait_did_not_change():
    """Spill-over: every record of a contact is the same bit by bit until its wait first differs."""
    untouched = changed = 0
    for seed in range(20):
        contacts = phone_month(seed)
        fewer, more = (FastDesk(agents(n), PHONE).answer(contacts) for n in (2, 3))
        for k in range(3):
            came = (fewer.kind[:, k] != NONE) & (more.kind[:, k] != NONE)
            alike = came & (fewer.arrival_time[:, k] == more.arrival_time[:, k])
            alike &= fewer.waiting_time[:, k] == more.waiting_time[:, k]
            for name in ("kind", "service_start_time", "exit_time"):
                a, b = getattr(fewer, name)[alike, k], getattr(more, name)[alike, k]
                assert np.array_equal(a, b, equal_nan=True)
            if k + 1 < 3:  # who comes again, and when, is the same too
                a, b = fewer.arrival_time[alike, k + 1], more.arrival_time[alike, k + 1]
                assert np.array_equal(a, b, equal_nan=True)
        same_waits = fewer.total_waiting == more.total_waiting
        untouched += same_waits.sum()
        changed += (~same_waits).sum()
        # a mean of zero wait stays one: another agent makes nobody wait who did not
        assert (more.total_waiting[fewer.total_waiting == 0] == 0).mean() > 0.99
    assert untouched > 20_000
    assert changed > 2_000


def test_luck_does_not_depend_on_the_order_of_the_contacts():
    """Contacts belong to customers: renumbering them changes nothing unless two come at one moment."""
    contacts = phone_month(7)
    shuffled = np.random.default_rng(1).permutation(len(contacts))
    desk = FastDesk(agents(2), PHONE)
    one, two = desk.answer(contacts), desk.answer(contacts.take(shuffled))
    for name in RECORDS[:-1]:
        assert np.array_equal(getattr(one, name)[shuffled], getattr(two, name), equal_nan=True), name


# -- when contacts come --------------------------------------------------------------------------


def test_days_are_as_uneven_as_asked():
    """20,000 days: the index of dispersion has a standard error of 1.1 % (.04), the band is four of them."""
    r = np.random.default_rng(1)
    factors = day_factors(r.random(20_000), 131, 3.6)
    counts = r.poisson(131 * factors)
    assert counts.mean() == pytest.approx(131, abs=0.7)
    assert counts.var() / counts.mean() == pytest.approx(3.6, abs=0.16)
    assert (day_factors(r.random(5), 131, 1.0) == 1).all()
    assert (np.diff(day_factors(np.linspace(0.01, 0.99, 50), 10)) > 0).all()


def test_contacts_come_by_weekday_hour_and_day():
    """40,000 contacts; chi-square on the 9 hours and on the days finds shares wrong by 3 %."""
    r = np.random.default_rng(2)
    factors = np.linspace(0.5, 1.5, 30)
    times = times_in_month(r.random(40_000), 30, 3, factors=factors, weekdays=(2, 1, 1, 1, 1, 0.5, 0))
    hour = np.floor(times % 24).astype(int)
    profile = np.array([0.7, 1.2, 1.35, 1.2, 1.0, 1.05, 1.15, 0.9, 0.45])
    seen = np.bincount(hour, minlength=24)
    assert seen[8:17].sum() == 40_000
    assert stats.chisquare(seen[8:17], 40_000 * profile / profile.sum()).pvalue > 0.001
    day = np.floor(times / 24).astype(int)
    weights = factors * np.array([2, 1, 1, 1, 1, 0.5, 0])[(3 + np.arange(30)) % 7]
    seen = np.bincount(day, minlength=30)
    assert (seen[weights == 0] == 0).all()
    busy = weights > 0
    assert stats.chisquare(seen[busy], (40_000 * weights / weights.sum())[busy]).pvalue > 0.001
    edge = times_in_month(np.array([1e-12, 1 - 1e-16]), 1, hourly=[1] * 24, first_hour=0)
    assert 0 <= edge[0] < edge[1] < 24


def test_the_lawrence_hotline():
    """Utility billing in Lawrence (Kansas), January 2019: 2,749 calls in 21 days, 11.8 % lost, 116 s.

    Three to four minutes a call, 30 months each. One agent and a colleague for half the day, with callers
    who wait 20 minutes on average, give both figures; the eight and a half on the roster would give no wait
    at all. The standard error of the means is 0.15 points and 2 s.
    """

    def month(rota, patience):
        shares, speeds = [], []
        for seed in range(30):
            r = np.random.default_rng(seed)
            factors = day_factors(r.random(29), 131)
            workday = (1 + np.arange(29)) % 7 < 5  # from Tuesday to Tuesday, four weeks on
            n = r.poisson(131 * factors[workday].sum())
            contacts = Contacts(
                arrival=times_in_month(r.random(n), 29, 1, factors=factors),
                service=233.5 / 3600 * np.exp(SPREAD * r.normal(size=(n, 3)) - SPREAD**2 / 2),
                patience=r.exponential(patience / 60, n),
            )
            table = performance(FastDesk(rota, PHONE).answer(contacts, 29, 1))
            shares.append(table["abandoned_share"][0])
            speeds.append(table["speed_of_answer"][0])
        return np.mean(shares), np.mean(speeds)

    half = Rota((Group("full", 1), Group("half", 1, 10, 14.5)))
    share, speed = month(half, patience=20)
    assert share == pytest.approx(0.118, abs=0.012)
    assert speed == pytest.approx(116, abs=12)
    roster = Rota((Group("full", 8), Group("half", 1, 10, 14.5)))
    assert month(roster, patience=20) == pytest.approx((0, 0), abs=0.001)
    assert month(agents(1), patience=8)[0] > 0.25
    assert month(agents(2), patience=8)[0] == pytest.approx(0.08, abs=0.02)


# -- what a month adds up to ---------------------------------------------------------------------


def test_the_frame_has_a_row_an_attempt():
    records = month_of(3)[2]
    frame = records.frame()
    assert len(frame) == (records.kind != NONE).sum()
    assert set(frame["record_type"]) <= {"service", "renege", "closed", "unserved"}
    served = frame[frame["record_type"] == "service"]
    assert np.allclose(served["arrival_time"] + served["waiting_time"], served["service_start_time"])
    assert np.allclose(served["service_start_time"] + served["service_time"], served["service_end_time"])
    assert (served["server"] >= 0).all()
    others = frame[frame["record_type"] != "service"]
    assert others["service_start_time"].isna().all()
    assert others["group"].isna().all()
    contacts = records.by_contact()
    assert list(contacts["attempts"]) == list(frame.groupby("contact").size())
    assert np.allclose(contacts["total_waiting"], frame.groupby("contact")["waiting_time"].sum())
    assert str(len(records)) in repr(records)


def test_performance_counts_things_when_they_happen():
    """A random quarter against counts taken from its rows one by one."""
    desk = FastDesk(Rota((Group("full", 1), Group("half", 1, 8, 12))), PHONE)
    months, weekday = [], 0
    for number, days in enumerate((31, 28, 31)):
        contacts = phone_month(number, n=900).take(np.arange(900))
        inside = contacts.arrival < 24 * days
        months.append(desk.answer(contacts.take(inside), days, weekday))
        weekday = (weekday + days) % 7
    rows = pd.concat(
        m.frame()
        .assign(begin=24.0 * sum((31, 28, 31)[:n]))
        .eval("at = arrival_time + begin")
        .assign(deadline=0)
        for n, m in enumerate(months)
    )
    by_day = performance(months, "day")
    assert len(by_day) == 90
    for day in (0, 30, 31, 45, 89):
        here = rows[(rows["at"] >= 24 * day) & (rows["at"] < 24 * day + 24)]
        row = by_day.iloc[day]
        kinds = here["record_type"].value_counts()
        assert row["attempts"] == len(here)
        assert row["contacts"] == (here["attempt"] == 1).sum()
        assert row["abandoned"] == kinds["renege"]
        answered = here[here["record_type"] == "service"]
        if len(answered):
            assert row["speed_of_answer"] == pytest.approx(3600 * answered["waiting_time"].mean())
            quick = (answered["waiting_time"] <= 20 / 3600).sum()
            assert row["service_level"] == pytest.approx(quick / (len(here) - kinds["closed"]))
    by_hour, by_month = performance(months, "hour"), performance(months)
    for name in ("contacts", "attempts", "answered", "abandoned", "turned_away"):
        assert by_hour[name].sum() == by_day[name].sum() == by_month[name].sum()
    assert list(by_month["month"]) == [0, 1, 2]
    assert list(by_hour.iloc[31 * 24 + 25][["month", "day", "hour"]]) == [1, 1, 1]
    # staffed 9 + 4 hours a working day; all work of the first month is in these three
    use = utilisation(months)
    assert list(use["group"]) == ["full", "half"] * 3
    assert use["staffed_hours"][0] == 9 * 23
    done = rows[rows["service_end_time"] + rows["begin"] < 24 * 90]
    assert use["busy_hours"].sum() == pytest.approx(done["service_time"].sum(), abs=0.2)
    both = use.groupby("month")[["busy_hours", "staffed_hours"]].sum()
    assert list(by_month["utilisation"]) == pytest.approx(list(both["busy_hours"] / both["staffed_hours"]))
    # callers wait in opening hours but for the few left over at closing time
    waited = rows["waiting_time"].sum()
    opened = sum(9 * np.isin((w + np.arange(d)) % 7, range(5)).sum() for w, d in ((0, 31), (3, 28), (3, 31)))
    mean_queue = by_day["mean_queue"].dropna().sum() * 9
    assert 0.98 * waited < mean_queue <= waited
    assert by_day["mean_queue"].notna().sum() * 9 == opened


def test_deadlines_are_counted_at_the_first_arrival():
    contacts = Contacts(
        arrival=[9.0, 9.0, 33.0, 33.0], service=[1, 1, 1, 1], deadline=[1.0, 1.0, 3.0, np.inf]
    )
    table = performance(FastDesk(agents(1)).answer(contacts, days=2), "day")
    assert list(table["deadlines"]) == [2, 1]
    assert list(table["deadlines_met"]) == [0.5, 1.0]
    assert math.isnan(performance(FastDesk(agents(1)).answer(contacts, days=3), "day")["deadlines_met"][2])


def test_the_event_log_can_be_played():
    """Every month of the random ones: in order, the line is never negative, servers never do two things."""
    for seed in (1, 2, 3, 4, 5, 6):
        records = month_of(seed)[2]
        log = event_log([records, records])
        assert (np.diff(log["time"]) >= 0).all()
        assert log["queue_length"].min() >= 0
        assert log["queue_length"].iloc[-1] == 0
        one = event_log(records)
        work = one[one["event"].isin(["starts", "ends"])]
        assert all(
            list(turns) == ["starts", "ends"] * (len(turns) // 2)
            for _, turns in work.groupby("server")["event"]
        )
        counts = one["event"].value_counts()
        assert counts["starts"] == counts["ends"] == (records.kind == SERVICE).sum()
        assert counts["turned away"] == (records.kind == CLOSED).sum()
        arrived = one[one["event"] == "arrives"].set_index(["contact", "attempt"])["queue_length"]
        # the log counts the one who arrives; of those who come at one moment all count
        contact, attempt = arrived.index[0]
        assert arrived.iloc[0] == records.queue_length[contact, attempt - 1] + 1
