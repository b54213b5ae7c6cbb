"""Waiting-line formulas against published tables and direct summation, and the desk made of them."""

import math

import numpy as np
import pytest
from scipy import stats

from crmsim.simulation.erlang import ErlangA, ErlangDesk, erlang_b, erlang_c, offered_wait
from crmsim.simulation.stations import Contacts, FastDesk, Group, Rota, StationOptions
from crmsim.simulation.stations_fast import RENEGE, SERVICE
from crmsim.simulation.stations_report import performance

PHONE = StationOptions(closed="turned_away")


def summed(servers, rate, service, patience, states=20_000):
    """P(wait), P(abandon), mean wait of M/M/c+M by summing the birth-death chain's probabilities."""
    n = np.arange(1, states)
    steps = math.log(rate) - np.log(np.minimum(n, servers) / service + np.maximum(n - servers, 0) / patience)
    weights = np.concatenate([[0.0], np.cumsum(steps)])
    p = np.exp(weights - weights.max())
    p /= p.sum()
    queue = float((np.maximum(np.arange(states) - servers, 0) * p).sum())
    return float(p[servers:].sum()), queue / patience / rate, queue / rate


# Standard Erlang B tables: the load that so many lines carry with so much blocking.
@pytest.mark.parametrize(
    ("lines", "load", "blocking"),
    [
        (1, 0.0101, 0.01),
        (5, 1.361, 0.01),
        (10, 4.461, 0.01),
        (20, 12.03, 0.01),
        (100, 84.06, 0.01),
        (10, 6.216, 0.05),
    ],
)
def test_erlang_b_is_that_of_the_tables(lines, load, blocking):
    # the tables give four digits of the load
    assert erlang_b(lines, load) == pytest.approx(blocking, rel=2e-3)


def test_erlang_b_and_c_by_direct_summation():
    for servers, load in [(1, 0.5), (3, 2.0), (10, 8.0), (40, 36.5)]:
        terms = [load**n / math.factorial(n) for n in range(servers + 1)]
        assert erlang_b(servers, load) == pytest.approx(terms[-1] / sum(terms), rel=1e-12)
        last = terms[-1] * servers / (servers - load)
        assert erlang_c(servers, load) == pytest.approx(last / (sum(terms[:-1]) + last), rel=1e-12)
    assert erlang_b(0, 3.0) == 1.0
    assert erlang_c(2, 2.0) == 1.0
    # square-root staffing (Halfin & Whitt 1981): 4,000 + 63 servers for 4,000 erlangs, beta = 1
    beta = 63.2456 / math.sqrt(4000)
    wanted = 1 / (1 + beta * stats.norm.cdf(beta) / stats.norm.pdf(beta))
    assert erlang_c(4063, 4000.0) == pytest.approx(wanted, abs=0.01)


def test_erlang_a_is_that_of_the_published_example():
    """Gans, Koole & Mandelbaum 2003, table 1: 50 agents, 48 calls a minute, 1 minute, patience 2 minutes."""
    plain, leaving = ErlangA(50, 48, 1), ErlangA(50, 48, 1, 2)
    assert plain.p_abandon == 0
    assert round(60 * plain.mean_wait, 1) == 20.8
    assert round(plain.mean_queue) == 17
    assert round(plain.utilisation, 2) == 0.96
    assert plain.p_offered_wait_above(58.1 / 60) == pytest.approx(0.10, abs=5e-4)
    assert round(leaving.p_abandon, 3) == 0.031
    assert round(60 * leaving.mean_wait, 1) == 3.7
    assert round(leaving.mean_queue) == 3
    assert round(leaving.utilisation, 2) == 0.93


@pytest.mark.parametrize(
    "line",
    [
        (1, 0.5, 1, 2),
        (5, 100, 0.06, 0.1),
        (2, 40, 1, 3),  # twenty times as much work as two servers can do
        (3, 1e-3, 1, 1),
        (50, 20, 1, 5),
        (1000, 15_500, 4 / 60, 0.1),
        (4000, 60_000, 1 / 15, 0.5),
    ],
)
def test_erlang_a_by_direct_summation(line):
    it = ErlangA(*line)
    wanted = summed(*line)
    assert (it.p_wait, it.p_abandon, it.mean_wait) == pytest.approx(wanted, rel=1e-10)
    # flow in is flow out: what is not abandoned keeps the servers busy
    assert it.mean_queue == pytest.approx(line[1] * wanted[2], rel=1e-10)


def test_the_answered_and_the_abandoning_make_up_the_mean_wait():
    # Patience is memoryless, so whoever waits longer than v waits min(V, patience):
    # the parts of those answered and of those who left must add up to all.
    it = ErlangA(5, 100, 0.06, 0.1)
    nodes = np.linspace(0, 3, 300_001)
    tail = np.array([it.p_offered_wait_above(v) for v in nodes[::3000]])
    assert (np.diff(tail) <= 0).all()
    density = -np.gradient(
        np.interp(nodes, nodes[::300], [it.p_offered_wait_above(v) for v in nodes[::300]]), nodes
    )
    answered = np.trapezoid(nodes * np.exp(-nodes / 0.1) * density, nodes)
    assert it.mean_wait_answered * (1 - it.p_abandon) == pytest.approx(answered, rel=2e-3)
    assert it.service_level(1e9) == pytest.approx(1 - it.p_abandon, rel=1e-10)
    assert it.service_level(0) == pytest.approx(1 - it.p_wait, rel=1e-10)
    assert it.service_level(-1) == 0


def test_endless_patience_is_erlang_c():
    it, load = ErlangA(10, 100, 0.09), 9.0
    assert it.p_wait == pytest.approx(erlang_c(10, load), rel=1e-12)
    assert it.mean_wait == pytest.approx(erlang_c(10, load) * 0.09 / (10 - load), rel=1e-12)
    assert it.mean_wait_answered == pytest.approx(it.mean_wait, rel=1e-12)
    level = 1 - erlang_c(10, load) * math.exp(-(10 - load) * 0.1 / 0.09)
    assert it.service_level(0.1) == pytest.approx(level, rel=1e-12)
    patient = ErlangA(10, 100, 0.09, 1e7)
    assert patient.mean_wait == pytest.approx(it.mean_wait, rel=1e-5)


def test_the_inverse_gives_back_the_distribution():
    for line in [(1, 0.5, 1, 2), (5, 100, 0.06, 0.1), (100, 1600, 4 / 60, 0.2), (1000, 15_500, 4 / 60, 0.1)]:
        it = ErlangA(*line)
        luck = 1 - it.p_wait * np.array([0.9, 0.5, 0.1, 1e-4])
        waits = offered_wait(luck, *(np.array(x) for x in line[:2]), *line[2:])
        assert [it.p_offered_wait_above(v) for v in waits] == pytest.approx(list(1 - luck), rel=1e-6)
        assert offered_wait(np.array(0.999 * (1 - it.p_wait)), *line) == 0
    # a fraction of a server lies between its neighbours
    a, b, c = (
        float(offered_wait(np.array(0.8), np.array(n), np.array(40.0), 0.06, 0.1)) for n in (2, 2.5, 3)
    )
    assert a > b > c > 0


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda: erlang_b(2.5, 1), "whole number"),
        (lambda: erlang_c(2, -1), "erlangs"),
        (lambda: ErlangA(2, 3, 1), "grows without end"),
        (lambda: ErlangA(0, 3, 1), "servers"),
        (lambda: ErlangA(1, 0, 1), "arrival_rate"),
        (lambda: ErlangA(1, 1, 1, 0), "patience"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong, says):
    with pytest.raises(ValueError, match=says):
        wrong()


# -- the desk ------------------------------------------------------------------------------------


def steady(rate, days, patience, service, seed, **more):
    """Poisson calls round the clock."""
    r = np.random.default_rng(seed)
    n = r.poisson(rate * 24 * days)
    return Contacts(
        arrival=r.uniform(0, 24 * days, n),
        service=r.exponential(service, (n, 3)),
        patience=r.exponential(patience, n),
        luck=r.random((n, 3)),
        **more,
    )


ROUND_THE_CLOCK = dict(from_hour=0, to_hour=24, weekdays=range(7))


def test_the_desk_gives_erlang_a_in_a_steady_month():
    """21,600 calls. Shares have a standard error of .003 from luck alone; the tolerance is four of these.

    The hour's load is the count of its calls, so the waits are those of a little more uneven arrivals:
    at 30 calls an hour and 12 agents for 10 erlangs that is part of the tolerance.
    """
    contacts = steady(150, 6, 0.1, 0.06, seed=3)
    records = ErlangDesk(Rota((Group("a", 10, **ROUND_THE_CLOCK),)), PHONE).answer(contacts, 6)
    it = ErlangA(10, 150, 0.06, 0.1)
    assert records.method == "erlang A"
    assert (records.kind[:, 0] == RENEGE).mean() == pytest.approx(it.p_abandon, abs=0.012)
    assert (records.waiting_time[:, 0] > 0).mean() == pytest.approx(it.p_wait, abs=0.012 + 0.01)
    assert records.waiting_time[:, 0].mean() == pytest.approx(it.mean_wait, rel=0.08)


def phone_month(n, seed, days=30):
    """A month of calls in office hours with redials and repeats, about n of them."""
    from crmsim.simulation.stations import day_factors, times_in_month

    r = np.random.default_rng(seed)
    spread = math.sqrt(math.log(2))
    return Contacts(
        arrival=times_in_month(r.random(n), days, factors=day_factors(r.random(days), n / 22)),
        service=4 / 60 * np.exp(spread * r.normal(size=(n, 3)) - spread**2 / 2),
        patience=r.exponential(8 / 60, n),
        redials=r.random((n, 3)) < 0.5,
        redial_delay=r.exponential(0.5, (n, 3)) + 1e-9,
        resolved=r.random((n, 3)) < 0.7,
        repeats=r.random((n, 3)) < 0.5,
        repeat_delay=r.exponential(24, (n, 3)) + 1e-9,
        luck=r.random((n, 3)),
    )


def test_the_desk_is_near_the_exact_one():
    """What the benchmark measures, with room: 20,000 calls, 10 agents, abandonment within 3 points."""
    rota, contacts = Rota((Group("a", 10),)), phone_month(20_000, seed=5)
    exact = performance(FastDesk(rota, PHONE).answer(contacts)).iloc[0]
    near = performance(ErlangDesk(rota, PHONE).answer(contacts)).iloc[0]
    assert exact.abandoned_share > 0.03
    assert near.abandoned_share == pytest.approx(exact.abandoned_share, abs=0.03)
    assert near.speed_of_answer == pytest.approx(exact.speed_of_answer, rel=0.3)
    assert near.attempts == pytest.approx(exact.attempts, rel=0.02)


def test_luck_stays_with_the_contact():
    """More agents: nobody's first wait becomes longer, whoever did not wait is untouched."""
    contacts = phone_month(5000, seed=2)
    fewer, more = (ErlangDesk(Rota((Group("a", n),)), PHONE).answer(contacts) for n in (3, 4))
    # redials change the load of later attempts; compare first attempts of those served at once before
    first = fewer.kind[:, 0] == SERVICE
    at_once = first & (fewer.waiting_time[:, 0] == 0)
    assert (more.waiting_time[at_once, 0] == 0).all()
    assert (more.exit_time[at_once, 0] == fewer.exit_time[at_once, 0]).all()
    assert (more.waiting_time[:, 0] <= fewer.waiting_time[:, 0] + 1e-12).all()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (dict(luck=None), "luck"),
        (dict(patience=np.inf), "endless patience"),
        (dict(arrival=[2.0]), "outside opening hours"),
    ],
)
def test_the_desk_refuses_what_it_cannot_do(change, says):
    given = dict(arrival=[10.0], service=0.1, patience=0.1, luck=0.5) | change
    with pytest.raises(ValueError, match=says):
        ErlangDesk(Rota((Group("a", 1),)), StationOptions()).answer(Contacts(**given))


def test_the_desk_takes_no_contacts_and_no_staff():
    nobody = Contacts(arrival=[], service=np.empty((0, 3)), luck=np.empty((0, 3)))
    assert len(ErlangDesk(Rota((Group("a", 1),)), PHONE).answer(nobody)) == 0
    records = ErlangDesk(Rota(()), PHONE).answer(phone_month(100, 1))
    assert not records.answered.any()
    assert records.abandoned.all()
