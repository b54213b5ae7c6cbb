"""Desks: how many contacts a second, and how far the approximation is from the exact desk.

    python benchmarks/desk.py             half a minute

Months of calls with redials and repeats, office hours, uneven days (index of dispersion 3.6). Times are the
best of some warm repeats. Prints only.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np
import pandas as pd

from crmsim.simulation.erlang import ErlangDesk
from crmsim.simulation.stations import (
    Contacts,
    FastDesk,
    Group,
    Rota,
    StationOptions,
    day_factors,
    times_in_month,
)
from crmsim.simulation.stations_fast import Answers, answer_plain
from crmsim.simulation.stations_report import performance
from crmsim.simulation.stations_simpy import SimpyDesk

PHONE = StationOptions(closed="turned_away")
HANDLING = 4 / 60  # hours
PATIENCE = 8 / 60


def month_of_calls(contacts: int, seed: int, days: int = 30) -> Contacts:
    """So many calls; half of those lost try again, 15 % of those answered come again."""
    r = np.random.default_rng(seed)
    shape, spread = (contacts, 3), math.sqrt(math.log(2))
    factors = day_factors(r.random(days), contacts / 22)
    return Contacts(
        arrival=times_in_month(r.random(contacts), days, factors=factors),
        service=HANDLING * np.exp(spread * r.normal(size=shape) - spread**2 / 2),
        patience=r.exponential(PATIENCE, contacts),
        redials=r.random(shape) < 0.5,
        redial_delay=r.exponential(0.5, shape) + 1e-9,
        resolved=r.random(shape) < 0.7,
        repeats=r.random(shape) < 0.5,
        repeat_delay=r.exponential(24, shape) + 1e-9,
        luck=r.random(shape),
    )


def best(work: Callable[[], object], repeats: int) -> float:
    """Seconds of the fastest of some repeats, after one to warm up."""
    work()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def compiled_only(contacts: Contacts, rota: Rota) -> Callable[[], object]:
    """The compiled function alone, with room kept from month to month, as in a loop over months."""
    calendar, room, busy = rota.calendar(), Answers.empty(2 * len(contacts)), np.zeros(rota.servers)

    def work() -> None:
        busy[:] = 0
        answer_plain(
            calendar.openings,
            calendar.end,
            True,
            busy,
            contacts.arrival,
            contacts.patience,
            contacts.service,
            contacts.redials,
            contacts.redial_delay,
            contacts.resolved,
            contacts.repeats,
            contacts.repeat_delay,
            room.rows(len(contacts)),
        )

    return work


def speed() -> pd.DataFrame:
    rows = []
    for contacts, servers in ((1_600, 2), (20_000, 10), (80_000, 36), (400_000, 165)):
        calls, rota = month_of_calls(contacts, 1), Rota((Group("agents", servers),))
        repeats = 200 if contacts < 10_000 else 5
        desks: dict[str, tuple[Callable[[], object], int]] = {
            "compiled function": (compiled_only(calls, rota), repeats),
            "FastDesk": (lambda c=calls, r=rota: FastDesk(r, PHONE).answer(c), repeats),
            "ErlangDesk": (lambda c=calls, r=rota: ErlangDesk(r, PHONE).answer(c), 3),
        }
        if contacts <= 20_000:
            desks["SimpyDesk"] = (lambda c=calls, r=rota: SimpyDesk(r, PHONE).answer(c), 2)
        for name, (work, times) in desks.items():
            seconds = best(work, times)
            rows.append((contacts, servers, name, 1000 * seconds, contacts / seconds))
    table = pd.DataFrame(rows, columns=["contacts", "agents", "desk", "ms a month", "contacts a second"])
    fast = table[table["desk"] == "FastDesk"].set_index("contacts")["ms a month"]
    table["times FastDesk"] = table["ms a month"] / table["contacts"].map(fast)
    return table


def two_years() -> float:
    """Seconds of 24 months of 1,625 calls at the SimPy desk: 20,000 customers."""
    desk = SimpyDesk(Rota((Group("agents", 2),)), PHONE)
    months = [month_of_calls(1_625, seed) for seed in range(24)]
    return best(lambda: [desk.answer(month) for month in months], 1)


def approximation() -> pd.DataFrame:
    """Mean of months: ErlangDesk beside FastDesk with the same contacts."""
    rows = []
    for contacts, servers, months in (
        (1_600, 1, 20),
        (1_600, 2, 20),
        (20_000, 8, 5),
        (20_000, 10, 5),
        (80_000, 36, 2),
        (400_000, 165, 1),
    ):
        rota = Rota((Group("agents", servers),))
        both = []
        for seed in range(months):
            calls = month_of_calls(contacts, seed)
            for desk in (FastDesk(rota, PHONE), ErlangDesk(rota, PHONE)):
                table = performance(desk.answer(calls))
                columns = ["utilisation", "abandoned_share", "speed_of_answer", "service_level"]
                both.append(table.loc[0, columns].to_numpy(float))
        exact, near = np.mean(both[::2], axis=0), np.mean(both[1::2], axis=0)
        rows.append(
            {
                "contacts": contacts,
                "agents": servers,
                "busy %": round(100 * exact[0]),
                "lost %": round(100 * exact[1], 1),
                "Erlang": round(100 * near[1], 1),
                "answer s": round(exact[2], 1),
                "Erlang ": round(near[2], 1),
                "in 20 s %": round(100 * exact[3], 1),
                "Erlang  ": round(100 * near[3], 1),
            }
        )
    return pd.DataFrame(rows)


def main() -> None:
    print(speed().to_string(index=False, float_format=lambda x: f"{x:,.3g}" if x < 100 else f"{x:,.0f}"))
    print(f"\nSimpyDesk, 24 months of 1,625 contacts: {two_years():.1f} s\n")
    print(approximation().to_string(index=False))


if __name__ == "__main__":
    main()
