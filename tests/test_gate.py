"""The gate between the two parts of a month: nobody is forgotten there, and nobody goes through twice."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor, wait

import numpy as np
import pytest

import crmsim as cs
from crmsim.simulation import engine, gate
from crmsim.simulation.compile import has_numba, kernels
from crmsim.simulation.contacts import FIRST, SECOND
from crmsim.simulation.gate import APART, GONE, OPEN, WAITS

FUNCTIONS = ("mark", "wait_at_gate", "all_wait", "open_gate")


class Compiled:
    """The functions of the compiled module, without the interpreter's lock as in a run."""

    def __init__(self):
        import numba

        module = kernels()
        for name, arguments in zip(
            FUNCTIONS, ("f, k, flag", "f, k, n", "f, n, looks", "f, n, gone"), strict=True
        ):
            made = {"inner": getattr(module, name)}
            exec(f"def call({arguments}): return inner({arguments})", made)
            setattr(self, name, numba.njit(made["call"], nogil=True))


@pytest.fixture(scope="module", params=["plain", "compiled"])
def functions(request):
    if request.param == "plain":
        return gate
    if not has_numba():
        pytest.skip("numba is not installed")
    return Compiled()


def flags_of(threads):
    return np.zeros(threads * APART, np.int64)


def test_who_waits_goes_through_when_the_gate_opens(functions):
    flags = flags_of(3)
    assert not functions.all_wait(flags, 3, 5)
    functions.mark(flags, 1, WAITS)
    assert not functions.all_wait(flags, 3, 5)  # thread 2 has not come
    functions.mark(flags, 2, WAITS)
    assert functions.all_wait(flags, 3, 5)
    assert functions.open_gate(flags, 3, np.empty(3, np.int64)) == 0
    assert functions.wait_at_gate(flags, 1, 10) and functions.wait_at_gate(flags, 2, 1)


def test_who_has_looked_long_enough_is_sent_for(functions):
    flags, gone = flags_of(4), np.zeros(4, np.int64)
    for k in (1, 2, 3):
        functions.mark(flags, k, WAITS)
    assert not functions.wait_at_gate(flags, 2, 10)
    assert functions.open_gate(flags, 4, gone) == 1 and gone[0] == 2
    assert functions.wait_at_gate(flags, 1, 10)
    # Who looks no more just as the gate has opened goes through, for nobody sends for him.
    assert functions.wait_at_gate(flags, 3, 0)
    assert flags[::APART].tolist() == [0, WAITS | OPEN, WAITS | OPEN | GONE, WAITS | OPEN | GONE]


def test_threads_meet_and_each_is_counted_once(functions):
    """Thread 1 goes through or is sent for: where it never tires, where the gate opens after it has gone, and
    with waits of all lengths against an opening at any time."""
    if functions is gate:
        pytest.skip("two steps in plain Python, another thread may come between")
    chance = random.Random(7)
    with ThreadPoolExecutor(1) as pool:
        for turn in range(3000):
            tireless, late = turn % 3 == 0, turn % 3 == 1
            flags, gone, write = flags_of(2), np.zeros(2, np.int64), np.zeros(1)
            looks = 10**12 if tireless else chance.randrange(20_000)

            def thread(flags=flags, looks=looks, write=write):
                write[0] = 1.0
                functions.mark(flags, 1, WAITS)
                return functions.wait_at_gate(flags, 1, looks)

            job = pool.submit(thread)
            while not functions.all_wait(flags, 2, 1000):
                pass
            assert write[0] == 1.0
            if late:
                wait([job])
            for _ in range(chance.randrange(300)):
                pass
            number = functions.open_gate(flags, 2, gone)
            assert job.result() == (number == 0)
            assert number == 0 if tireless else not late or number == 1


@pytest.mark.parametrize(("looks", "awake"), [(0, 8), (40, 8), (150_000, 8), (150_000, 1)])
@pytest.mark.parametrize("threads", [2, 5])
def test_the_same_bits_however_long_threads_wait(monkeypatch, looks, awake, threads):
    scenario = cs.Scenario.preset("water_utility").replace(population__size=8000, population__months=6)
    one = cs.simulate(scenario, seed=4, threads=1)
    monkeypatch.setattr(engine, "LOOKS", looks)
    monkeypatch.setattr(engine, "AWAKE", awake)
    many = cs.simulate(scenario, seed=4, threads=threads)
    assert one.monthly.equals(many.monthly) and one.service.equals(many.service)
    assert one.customers.equals(many.customers)


@pytest.fixture
def parts(monkeypatch):
    """Put a function in the way of `run_parts`: it is called with the real one and its arguments."""

    def put(between):
        begun = engine.CompiledWorld.__init__

        def begin(self, *arguments, **named):
            begun(self, *arguments, **named)
            real = self.module

            class Module:
                def __getattr__(self, name):
                    return getattr(real, name)

                def run_parts(self, *arguments):
                    return between(real.run_parts, *arguments)

            self.module = Module()

        monkeypatch.setattr(engine.CompiledWorld, "__init__", begin)

    return put


@pytest.mark.parametrize(("looks", "sent_for"), [(10**12, 0), (0, 3)])
def test_who_waits_long_enough_is_never_sent_for(monkeypatch, parts, looks, sent_for):
    calls = []

    def between(run_parts, part, flags, k, *others):
        calls.append((part, k))
        return run_parts(part, flags, k, *others)

    parts(between)
    monkeypatch.setattr(engine, "LOOKS", looks)
    scenario = cs.Scenario.preset("water_utility").replace(population__size=5000, population__months=3)
    cs.simulate(scenario, seed=1, threads=2)
    assert calls.count((FIRST + SECOND, 1)) == 3 and calls.count((SECOND, 1)) == sent_for
    assert calls.count((FIRST, 0)) == calls.count((SECOND, 0)) == 3


def test_a_thread_that_fails_is_heard(parts):
    """What a thread raises before it comes to the gate ends the run with its message."""

    def between(run_parts, part, flags, k, *others):
        if k == 1:
            raise MemoryError("no room for thread 1")
        return run_parts(part, flags, k, *others)

    parts(between)
    scenario = cs.Scenario.preset("water_utility").replace(population__size=5000, population__months=2)
    with pytest.raises(MemoryError, match="no room for thread 1"):
        cs.simulate(scenario, seed=1, threads=2)
