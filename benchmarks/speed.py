"""How fast the model runs, and against what. Ratios come from one run on one machine.

    python benchmarks/speed.py            some two minutes
    python benchmarks/speed.py --large    also 1,000,000 customers x 60 months

Writes benchmarks/speed.csv and prints it. Times are the best of several repeats, warm. What is
compared is the same model: subscription preset, five touchpoints, no arrivals, no contagion.
"""

from __future__ import annotations

import argparse
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import numpy_columns
import pandas as pd

import crmsim as cs
from crmsim.simulation import process
from crmsim.simulation.columns import BLOCK
from crmsim.simulation.compile import kernels
from crmsim.simulation.draws import make_key

HERE = Path(__file__).parent


def best(run: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def closed_world(size: int, months: int = 60) -> cs.Scenario:
    """The subscription preset without arrivals and contagion: the same for every contestant."""
    return cs.Scenario.preset("subscription").replace(
        population__size=size,
        population__months=months,
        acquisition__external=0.0,
        acquisition__imitation=0.0,
        word_of_mouth__contagion=0.0,
    )


def customer_months(run: cs.Run) -> float:
    return float(run.monthly["at_risk"].sum())


# -- the contestants -----------------------------------------------------------------------------


class PlainLuck(process.Luck):
    """Random numbers of the standard library: contestants need not pay for keyed ones."""

    def four(self, customer: int, month: int, group: int) -> tuple[float, float, float, float]:
        return (random.random(), random.random(), random.random(), random.random())


def open_firm(scenario: cs.Scenario, plain: bool) -> process.Firm:
    """A firm with its customers made, before their first month."""
    firm = process.Firm(scenario, [], make_key(1), {}, False, [])
    if plain:
        firm.around.luck = PlainLuck(make_key(1))
    firm.open_month(0)
    firm.let_in_arrivals(0)
    return firm


def simpy_model(scenario: cs.Scenario, plain: bool) -> int:
    """One SimPy process a customer and nothing else: no tables, no totals."""
    import simpy

    firm = open_firm(scenario, plain)
    env = simpy.Environment()

    def business() -> Iterator[object]:
        firm.next_month = env.event()
        firm.welcome(env)
        for month in range(scenario.population.months):
            firm.open_month(month)
            firm.around.open(firm.values, firm.touchpoints)
            opened, firm.next_month = firm.next_month, env.event()
            opened.succeed()
            yield env.timeout(1)

    env.process(business())
    env.run()
    return sum(int(c.active) for c in firm.customers)


def mesa_model(scenario: cs.Scenario, plain: bool) -> int:
    """The same customers as Mesa agents; their month is the plain-Python one of the SimPy process."""
    import mesa
    import simpy

    firm = open_firm(scenario, plain)
    firm.next_month = None
    firm.welcome(simpy.Environment())

    class Agent(mesa.Agent):
        def __init__(self, model: mesa.Model, customer: process.Customer) -> None:
            super().__init__(model)
            self.customer = customer

        def step(self) -> None:
            self.customer.begin()
            if self.customer.active:
                self.customer.live()

    model = mesa.Model(rng=1)
    for customer in firm.customers:
        Agent(model, customer)
    for month in range(scenario.population.months):
        firm.open_month(month)
        firm.around.open(firm.values, firm.touchpoints)
        model.agents.shuffle_do("step")
    return sum(int(a.customer.active) for a in model.agents)


def limit_ns(repeats: int = 300) -> float:
    """The model's own draws, normals, exponentials and logarithms alone, in the same block form."""
    from numba import njit

    module = kernels()
    philox, unit, normal, exp, log = module.philox, module.unit, module.normal, module.exp, module.log

    @njit(error_model="numpy", nogil=True)
    def draw(ids: np.ndarray, u: np.ndarray, group: np.uint64, key: np.ndarray) -> None:
        for i in range(BLOCK):
            x0, x1, x2, x3 = philox(ids[i], np.uint64(0), np.uint64(3), group, key[0], key[1])
            u[i] = unit(x0)
            u[BLOCK + i] = unit(x1)
            u[2 * BLOCK + i] = unit(x2)
            u[3 * BLOCK + i] = unit(x3)

    @njit(error_model="numpy", nogil=True)
    def one_normal(u: np.ndarray, out: np.ndarray) -> None:
        for i in range(BLOCK):
            out[i] = normal(u[i])

    @njit(error_model="numpy", nogil=True)
    def one_exp(u: np.ndarray, out: np.ndarray) -> None:
        for i in range(BLOCK):
            out[i] = exp(u[i])

    @njit(error_model="numpy", nogil=True)
    def one_log(u: np.ndarray, out: np.ndarray) -> None:
        for i in range(BLOCK):
            out[i] = log(u[i])

    @njit(error_model="numpy", nogil=True)
    def month(ids: np.ndarray, u: np.ndarray, out: np.ndarray, key: np.ndarray) -> None:
        # Subscription: 7 Philox blocks, 1 normal for all, 4 exponentials, 5 logarithms.
        for g in range(7):
            draw(ids, u, np.uint64(g), key)
        one_normal(u, out)
        for _ in range(4):
            one_exp(u, out)
        for _ in range(5):
            one_log(u, out)

    ids, u = np.arange(BLOCK, dtype=np.uint64), np.zeros(4 * BLOCK, np.float32)
    out, key = np.zeros(BLOCK, np.float32), np.array([1, 0], np.uint64)
    month(ids, u, out, key)
    return best(lambda: [month(ids, u, out, key) for _ in range(20)], repeats) / 20 / BLOCK * 1e9


def python(code: str) -> list[str]:
    """What a new process prints, as words."""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return done.stdout.split()


# -- the table -------------------------------------------------------------------------------------


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--large", action="store_true", help="also one million customers")
    chosen = options.parse_args()
    rows: list[dict[str, object]] = []

    def add(what: str, seconds: float, months: float, note: str = "") -> float:
        rate = months / seconds
        rows.append(
            {
                "what": what,
                "seconds": round(seconds, 4),
                "customer_months": int(months),
                "ns_per_customer_month": round(1e9 / rate, 1),
                "note": note,
            }
        )
        print(f"{what:58s} {seconds:9.3f} s  {1e9 / rate:12.1f} ns a customer-month  {note}", flush=True)
        return rate

    base = cs.Scenario.preset("subscription")
    cs.simulate(base.replace(population__size=2_000), seed=1)
    for label, policies in (
        ("no policy", []),
        ("dunning", ["dunning"]),
        ("retention call, budget", ["retention_call:target=risk,budget=2000"]),
    ):
        run = cs.simulate(base, policies, seed=1)
        add(
            f"20,000 x 60, full subscription world, {label}",
            best(partial(cs.simulate, base, policies, seed=1), 9),
            customer_months(run),
        )
    for size in (10_000, 100_000):
        world = closed_world(size)
        run = cs.simulate(world, [], seed=1)
        for threads in (1, 2):
            add(
                f"{size:,} x 60, closed world, {threads} thread(s)",
                best(partial(cs.simulate, world, [], seed=1, threads=threads), 7),
                customer_months(run),
            )

    world = closed_world(20_000)
    months = customer_months(cs.simulate(world, [], seed=1))
    ours = add("crmsim, 20,000 x 60, closed world", best(lambda: cs.simulate(world, [], seed=1), 9), months)
    one = add(
        "crmsim, the same, one thread", best(lambda: cs.simulate(world, [], seed=1, threads=1), 9), months
    )

    numpy_own = add("NumPy columns, own generator", best(lambda: numpy_columns.simulate(world, 1), 5), months)
    numpy_keyed = add(
        "NumPy columns, keyed draws", best(lambda: numpy_columns.simulate(world, 1, keyed=True), 2), months
    )

    small = closed_world(1_000, 36)
    small_months = customer_months(cs.simulate(small, [], seed=1))
    rates = {}
    for name, model in (("SimPy process a customer", simpy_model), ("Mesa agent a customer", mesa_model)):
        for plain in (True, False):
            luck = "random.random()" if plain else "keyed draws"
            seconds = best(partial(model, small, plain), 3)
            rates[name, plain] = add(f"{name}, {luck}", seconds, small_months)

    limit = limit_ns()
    rows.append(
        {
            "what": "limit: own draws, normals, exp and log alone, one thread",
            "ns_per_customer_month": round(limit, 1),
        }
    )
    print(f"limit: own draws, normals, exp, log alone, one thread {limit:.1f} ns a customer-month")
    ratios = {
        "crmsim / NumPy columns, own generator": ours / numpy_own,
        "crmsim / NumPy columns, keyed draws": ours / numpy_keyed,
        "crmsim / SimPy process a customer, random.random()": ours / rates["SimPy process a customer", True],
        "crmsim / SimPy process a customer, keyed draws": ours / rates["SimPy process a customer", False],
        "crmsim / Mesa agents, random.random()": ours / rates["Mesa agent a customer", True],
        "one-thread time / limit": 1e9 / one / limit,
    }
    for name, ratio in ratios.items():
        rows.append({"what": name, "ratio": round(ratio, 2)})
        print(f"{name:58s} {ratio:9.2f}")

    clock = "import time; start = time.perf_counter(); {}; print(time.perf_counter() - start)"
    simulate = clock.format("cs.simulate('subscription', seed=1)")
    for name, code in (
        ("import crmsim", clock.format("import crmsim")),
        ("first simulate in a new process, warm cache, 20,000 x 60", f"import crmsim as cs; {simulate}"),
    ):
        seconds = min(float(python(code)[0]) for _ in range(3))
        rows.append({"what": name, "seconds": round(seconds, 2)})
        print(f"{name:58s} {seconds:9.2f} s")

    if chosen.large:
        code = (
            "import time, resource, crmsim as cs\n"
            "s = cs.Scenario.preset('subscription')\n"
            "cs.simulate(s.replace(population__size=1000), ['dunning'])\n"
            "s = s.replace(population__size=1_000_000)\n"
            "start = time.perf_counter()\n"
            "run = cs.simulate(s, ['dunning'], progress=False)\n"
            "seconds = time.perf_counter() - start\n"
            "peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\n"
            "print(seconds, sum(row['at_risk'] for row in run._rows), peak)"
        )
        out = python(code)
        add(
            "1,000,000 x 60, full subscription world, dunning",
            float(out[0]),
            float(out[1]),
            f"{float(out[2]):.0f} MB at most",
        )
    pd.DataFrame(rows).to_csv(HERE / "speed.csv", index=False)
    print(f"this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB at most")


if __name__ == "__main__":
    main()
