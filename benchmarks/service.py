"""Service desks in a run: what they cost in time, and what a month at the hotline is like.

    python benchmarks/service.py          half a minute -> service.csv

The water utility, 20,000 customers x 24 months, without a desk, with the fast desk, with the SimPy reference
and with the Erlang A approximation. Warm repeats in turn, so that all meet the same machine; the best counts.
"""

from __future__ import annotations

import time
from pathlib import Path

import pandas as pd

import crmsim as cs

CUSTOMERS, MONTHS = 20_000, 24
REPEATS = {"none": 40, "fast": 40, "erlang": 15, "simpy": 5}
SHOWN = ("contacts", "calls", "abandoned_share", "wait", "service_level", "utilisation")


def seconds(scenario: cs.Scenario) -> float:
    start = time.perf_counter()
    cs.simulate(scenario, seed=1)
    return time.perf_counter() - start


def measured() -> pd.DataFrame:
    """One row a desk: best seconds, times those without a desk, and means of the hotline's months."""
    base = cs.Scenario.preset("water_utility").replace(population__size=CUSTOMERS, population__months=MONTHS)
    worlds = {desk: base.replace(service__desk=desk) for desk in REPEATS}
    taken: dict[str, list[float]] = {desk: [] for desk in worlds}
    for scenario in worlds.values():
        seconds(scenario)
    for turn in range(max(REPEATS.values())):
        for desk, scenario in worlds.items():
            if turn < REPEATS[desk]:
                taken[desk].append(seconds(scenario))
    rows = []
    for desk, scenario in worlds.items():
        row: dict[str, object] = {"desk": desk, "seconds": min(taken[desk])}
        row["times none"] = min(taken[desk]) / min(taken["none"])
        if desk != "none":
            months = cs.simulate(scenario, seed=1).service
            months["abandoned_share"] = months["abandoned"] / (months["calls"] - months["turned_away"])
            row |= months[list(SHOWN)].mean().to_dict()
        rows.append(row)
    return pd.DataFrame(rows).set_index("desk")


def main() -> None:
    table = measured()
    print(
        f"{CUSTOMERS:,} customers x {MONTHS} months of the water utility; means of a month at the hotline\n"
    )
    print(table.to_string(float_format=lambda x: f"{x:,.3f}" if x < 100 else f"{x:,.0f}", na_rep=""))
    path = Path(__file__).with_suffix(".csv")
    part = path.with_suffix(".part")
    table.to_csv(part, float_format="%.4g")
    part.replace(path)


if __name__ == "__main__":
    main()
