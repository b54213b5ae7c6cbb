"""A study of 1,000 cells of 10,000 customers x 36 months on two workers: what it costs beside the cells.

    python benchmarks/study.py [CELLS ...]       default 200 1000

Each number of cells is run three times, each time in a process of its own: as bare calls of `simulate` in two
processes, as a study, and as the finished study once more. Writes benchmarks/study.csv:

- between_cells: workers x seconds less the seconds spent in cells, as a share of the latter; the start of
  the workers and the end, when one is idle, are left out, since they do not grow with the cells
- start: seconds until the first worker began its first cell
- cpu: processor time of the study, workers included, over that of the bare calls, less 1; part of it are
  the outcomes of a cell, which the bare calls do not compute
- parent_cpu: the part of it that the parent took more than with the bare calls
- parent_mb: memory of the parent, which must not grow with the cells
- again: seconds that the finished study takes in a new process, `import` left out
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

WORKERS = 2
REPLICATIONS = 5
POLICIES = {"none": [], "dunning": ["dunning"]}
PARAMETERS = {"market.openness": (0.2, 1), "churn.natural": (0.001, 0.01)}


def study_of(cells: int):
    from crmsim.research.study import Study

    points = cells // (REPLICATIONS * len(POLICIES))
    return Study(
        POLICIES, "subscription", replications=REPLICATIONS, population={"size": 10_000, "months": 36},
        design={"kind": "latin_hypercube", "n": points, "parameters": PARAMETERS},
    )  # fmt: skip


def bare_calls(scenarios: list, policies: list) -> float:
    import crmsim as cs

    cs.simulate(scenarios[0], [], threads=1, progress=False)
    for scenario in scenarios:
        for replication in range(REPLICATIONS):
            for policy in policies:
                cs.simulate(scenario, policy, 1, replication=replication, threads=1, progress=False)
    return time.process_time()


def bare(cells: int, folder: str) -> dict[str, float]:
    from joblib import Parallel, delayed

    import crmsim as cs
    from crmsim.research.designs import scenarios_of

    made = study_of(cells)
    scenarios = scenarios_of(made.scenarios[0], made.points)
    policies = [[cs.policy(p) for p in parts] for parts in POLICIES.values()]
    start = time.perf_counter()
    Parallel(n_jobs=WORKERS)(delayed(bare_calls)(scenarios[k::WORKERS], policies) for k in range(WORKERS))
    return {"bare_seconds": time.perf_counter() - start}


def run(cells: int, folder: str) -> dict[str, float]:
    made = study_of(cells)
    start, when = time.perf_counter(), time.time()
    made.run(folder, jobs=WORKERS, progress=False)
    seconds = time.perf_counter() - start
    log = made.log
    ended = (log["ended"] - pd.Timestamp(0)).dt.total_seconds()
    began = ended - log["seconds"]
    busy = log["seconds"].sum()
    spans = [ended[rows].max() - began[rows].min() for rows in log.groupby("worker").groups.values()]
    return {
        "study_seconds": seconds,
        "cell_ms": 1000 * busy / len(log),
        "between_cells": sum(spans) / busy - 1,
        "start": began.min() - when,
    }


def again(cells: int, folder: str) -> dict[str, float]:
    made = study_of(1 * REPLICATIONS * len(POLICIES))  # imports and reads what any study does
    start = time.perf_counter()
    made = study_of(cells)
    made.run(folder, jobs=WORKERS, progress=False)
    return {"again": time.perf_counter() - start}


def one(name: str, cells: int, folder: str) -> dict[str, float]:
    """Run a part in this process and its workers, with the processor time and memory it took."""
    from joblib.externals.loky import get_reusable_executor

    found = {"bare": bare, "run": run, "again": again}[name](cells, folder)
    if name != "again":
        get_reusable_executor().shutdown(wait=True)  # only ended workers are counted
    own, workers = (resource.getrusage(code) for code in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    found[f"{name}_cpu"] = sum(u.ru_utime + u.ru_stime for u in (own, workers))
    found[f"{name}_parent_cpu"] = own.ru_utime + own.ru_stime
    if name == "run":
        found["parent_mb"] = own.ru_maxrss / 1024
        found["worker_mb"] = workers.ru_maxrss / 1024
    return found


def main() -> None:
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(one(sys.argv[2], int(sys.argv[3]), sys.argv[4])))
        return
    rows = []
    for cells in [int(x) for x in sys.argv[1:]] or [200, 1000]:
        row: dict[str, float] = {"cells": cells}
        with tempfile.TemporaryDirectory() as folder:
            for name in ("bare", "run", "again"):
                words = [sys.executable, __file__, "--one", name, str(cells), os.path.join(folder, "out")]
                done = subprocess.run(words, check=True, capture_output=True, text=True)
                row |= json.loads(done.stdout.strip().splitlines()[-1])
        parent = row.pop("run_parent_cpu") - row.pop("bare_parent_cpu")
        row["cpu"] = row.pop("run_cpu") / row["bare_cpu"] - 1
        row["parent_cpu"] = parent / row.pop("bare_cpu")
        del row["again_cpu"], row["again_parent_cpu"]
        row["load"] = os.getloadavg()[0]
        rows.append({key: round(value, 3) for key, value in row.items()})
        print(rows[-1], flush=True)
    pd.DataFrame(rows).to_csv(Path(__file__).with_suffix(".csv"), index=False)


if __name__ == "__main__":
    main()
