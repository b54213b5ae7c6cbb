"""Time and memory of a full experiment: 200 replications x 4 policies x 10,000 customers x 36 months.

    python benchmarks/experiment.py [REPLICATIONS ...]       default 20 200

Nothing is kept between runs. Writes benchmarks/experiment.csv: memory must not grow with replications.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd

POLICIES = {
    "none": [],
    "dunning": ["dunning"],
    "complaint_handling": ["complaint_handling"],
    "call": ["retention_call:target=risk,budget=2000"],
}


def one(replications: int) -> dict[str, float]:
    """Run it in this process and its workers."""
    from joblib.externals.loky import get_reusable_executor

    import crmsim as cs

    scenario = cs.Scenario.preset("subscription").replace(population__size=10_000, population__months=36)
    policies = {name: [cs.policy(p) for p in parts] for name, parts in POLICIES.items()}
    start = time.perf_counter()
    table = cs.Experiment(policies, [scenario], replications=replications, cache=False).run(
        jobs=2, progress=False
    )
    seconds = time.perf_counter() - start
    get_reusable_executor().shutdown(wait=True)  # only ended workers are counted
    peak = {
        who: resource.getrusage(code).ru_maxrss / 1024
        for who, code in (("parent", resource.RUSAGE_SELF), ("worker", resource.RUSAGE_CHILDREN))
    }
    return {
        "replications": replications,
        "cells": len(table),
        "seconds": round(seconds, 1),
        "ms_per_cell": round(1000 * seconds / len(table), 1),
        "parent_mb": round(peak["parent"]),
        "largest_worker_mb": round(peak["worker"]),
    }


def main() -> None:
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(one(int(sys.argv[2]))))
        return
    rows = []
    for number in [int(x) for x in sys.argv[1:]] or [20, 200]:
        # A process of its own each, so that peaks do not mix.
        out = subprocess.run(
            [sys.executable, __file__, "--one", str(number)], check=True, capture_output=True, text=True
        )
        rows.append(json.loads(out.stdout.strip().splitlines()[-1]))
        print(rows[-1], flush=True)
    pd.DataFrame(rows).to_csv(Path(__file__).with_suffix(".csv"), index=False)


if __name__ == "__main__":
    main()
