"""Who makes the cells of a study: this process, others beside it, or a Dask cluster.

Work goes out in portions and comes back as it is finished, in any order. Each way is a function like
`_here`: calls of `_make_portion` in, what they hand back out.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import pickle
import signal
import socket
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from .. import __version__
from ..simulation.scenario import Scenario
from .experiment import Failure, _closing, _compile_once, _is_library, _simulate_cells, source_mark
from .study_file import StudyError, scenario_at

MOST_FOR_EACH = 4  # processes for each processor


class Row(NamedTuple):
    """A finished cell."""

    world: int
    policy: int
    replication: int
    outcomes: np.ndarray
    monthly: np.ndarray  # series x months
    ended: float
    seconds: float


class Done(NamedTuple):
    """What a worker hands back."""

    rows: list[Row]
    worker: str
    failure: Failure | None
    world: int  # of the failure


class Work(NamedTuple):
    """The replications wanted of one world, each with its policies by number."""

    world: int
    base: int
    name: str
    values: dict[str, Any]
    wanted: list[tuple[int, list[int]]]


class Shared(NamedTuple):
    """What every portion needs."""

    scenarios: list[Scenario]
    plans: list[list[list[Any]]]  # of each scenario and policy
    names: list[str]  # of the policies
    baseline: int
    seed: int
    monthly: list[str]  # series to keep
    threads: int = 1  # of a cell


Call = tuple[bytes, str, list[Work]]


class Executor(NamedTuple):
    """Makes portions: an iterator of them in, what comes of them out."""

    start: Callable[[Iterator[Call]], Generator[Done]]
    workers: int
    packed: bytes

    def __call__(self, portions: Iterator[list[Work]]) -> Generator[Done]:
        return self.start((self.packed, source_mark(), portion) for portion in portions)


def jobs_wanted(jobs: Any, name: str = "jobs") -> int:
    """How many processes `jobs` says; -1 is one for each processor.

    More make nothing faster, and many more fill the memory: ValueError beyond `MOST_FOR_EACH` processor.
    """
    from joblib import cpu_count, effective_n_jobs

    if isinstance(jobs, bool) or not isinstance(jobs, int) or jobs == 0:
        raise ValueError(f"{name} must be -1 or a number of processes, not {jobs!r}")
    if jobs > (most := MOST_FOR_EACH * cpu_count()):
        raise ValueError(
            f"{name} must be at most {most} here, {MOST_FOR_EACH} for each of {cpu_count()} processors, not "
            f"{jobs}; -1 takes one for each"
        )
    return int(effective_n_jobs(jobs))


@contextlib.contextmanager
def executor(shared: Shared, workers: int, cluster: Any, cells: int) -> Iterator[Executor]:
    """Whoever makes the portions, for `Study.run`; cells: how many there are to make."""
    from joblib import cpu_count

    if cluster is not None:
        threads = max(1, cpu_count() // workers) if cluster == "local" else 1
        with _client(cluster, workers) as client:
            if cluster == "local":
                _compile_once()
            yield Executor(functools.partial(_on_cluster, client), _count(client), _packed(shared, threads))
        return
    _compile_once()
    workers = min(workers, cells)
    packed = _packed(shared, max(1, cpu_count() // workers))
    yield Executor(_here if workers == 1 else functools.partial(_in_processes, workers), workers, packed)


def _packed(shared: Shared, threads: int) -> bytes:
    """`shared` for a worker that may know nothing of the user's own modules."""
    import cloudpickle

    with _by_value(shared.plans):
        return bytes(cloudpickle.dumps(shared._replace(threads=threads)))


def _here(calls: Iterator[Call]) -> Generator[Done]:
    for call in calls:
        yield _make_portion(*call)


def _in_processes(workers: int, calls: Iterator[Call]) -> Generator[Done]:
    from joblib import Parallel, delayed
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    parallel = Parallel(n_jobs=workers, return_as="generator_unordered", batch_size=1)
    finished = parallel(delayed(_make_portion)(*call) for call in calls)
    try:
        with _closing(finished):
            yield from finished
    except TerminatedWorkerError as error:
        raise ChildProcessError(
            "a worker process died, perhaps for want of memory; the finished cells are kept, run again to go "
            f"on, with a smaller jobs if it happens again ({str(error).splitlines()[0]})"
        ) from None


def _on_cluster(client: Any, calls: Iterator[Call]) -> Generator[Done]:
    from concurrent.futures import CancelledError

    distributed = _distributed()
    running: set[Any] = set()
    finished = distributed.as_completed()

    def submit() -> None:
        """Two portions for each worker, those that joined meanwhile as well."""
        while len(running) < 2 * _count(client) and (call := next(calls, None)) is not None:
            future = client.submit(_make_portion, *call, pure=False)
            running.add(future)
            finished.add(future)

    try:
        submit()
        while running:
            future = next(finished)
            running.discard(future)
            try:
                done = future.result()
            except ImportError as error:
                what = f"a worker lacks something ({error}); install the same there as here"
                raise StudyError([("workers", what)], "cluster") from None
            future.release()
            submit()
            yield done
    except distributed.KilledWorker as error:
        raise ChildProcessError(
            "several workers died on the same cells, perhaps for want of memory; the finished cells are "
            f"kept, run again to go on ({error})"
        ) from None
    except (CancelledError, OSError, TimeoutError) as error:
        raise ConnectionError(
            f"the cluster was lost ({error or type(error).__name__}); the finished cells are kept, "
            "run again to go on"
        ) from None
    finally:
        with contextlib.suppress(Exception):
            client.cancel(list(running))


def _count(client: Any) -> int:
    return max(1, sum(client.nthreads().values()))


@contextlib.contextmanager
def _client(cluster: Any, workers: int) -> Iterator[Any]:
    """A client of the cluster that was named; what was started here is ended."""
    if hasattr(cluster, "submit"):
        yield cluster
        return
    with contextlib.ExitStack() as ours:
        if cluster == "local":
            cluster = ours.enter_context(local_cluster(workers))
        try:
            client = ours.enter_context(_distributed().Client(cluster, timeout=10))
        except (OSError, ValueError, TypeError) as error:
            what = f"no Dask scheduler answers ({error}); start one: crmsim cluster"
            raise StudyError([(str(cluster) or "''", what)], "cluster") from None
        try:
            client.wait_for_workers(1, timeout=30)
        except TimeoutError:
            what = f"has no workers; start some: dask worker {client.scheduler.address} --nthreads 1"
            raise StudyError([(str(client.scheduler.address), what)], "cluster") from None
        yield client


def local_cluster(workers: int, host: str = "127.0.0.1", port: int = 0) -> Any:
    """A Dask cluster of this machine: a scheduler and workers of one thread each, whose cells then take no
    more processors than there are workers. It has `scheduler_address` and `close()`.

    port: 0 for a free one. Whoever reaches a Dask scheduler can run code as its user, so a host other
    than this machine's own is for closed networks only.
    """
    distributed = _distributed()
    if not 0 <= port <= 65_535:
        raise ValueError(f"the port must be from 0, for a free one, to 65535, not {port}")
    try:
        with _deaf_children():
            return distributed.LocalCluster(
                n_workers=workers, threads_per_worker=1, host=host, scheduler_port=port,
                dashboard_address=None, memory_limit=0, silence_logs=logging.CRITICAL,
            )  # fmt: skip
    except (OSError, RuntimeError) as error:
        what = f"no cluster can be started here ({error}); is the port taken? --port 0 finds a free one"
        raise StudyError([(f"{host}:{port}", what)], "cluster") from None


@contextlib.contextmanager
def _deaf_children() -> Iterator[None]:
    """Processes started meanwhile do not hear Ctrl-C, which their parent answers by ending them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _distributed() -> Any:
    try:
        import distributed
    except ImportError:
        raise ImportError('a cluster needs Dask: pip install "crmsim[research]"') from None
    return distributed


@functools.lru_cache(maxsize=4)
def _unpacked(packed: bytes) -> Shared:
    shared: Shared = pickle.loads(packed)
    return shared


def _make_portion(packed: bytes, source: str, portion: list[Work]) -> Done:
    """Simulate the cells of a portion, in a worker."""
    rows: list[Row] = []
    where = f"{socket.gethostname()}:{os.getpid()}"
    if source != source_mark():
        what = f"has another crmsim ({__version__}, or changed source); install the same there as here"
        raise StudyError([(f"worker {where}", what)], "cluster")
    shared = _unpacked(packed)
    number = {name: p for p, name in enumerate(shared.names)}
    for work in portion:
        world = scenario_at(shared.scenarios[work.base], work.name, work.values)
        plans = dict(zip(shared.names, shared.plans[work.base], strict=True))
        wanted = [(r, [shared.names[p] for p in policies]) for r, policies in work.wanted]
        baseline = shared.names[shared.baseline]
        _, cells, failure = _simulate_cells(0, world, plans, baseline, wanted, shared.seed, shared.threads)
        for c in cells:
            series = dict(zip(c.columns, c.monthly.T, strict=True))
            none = np.full(len(c.monthly), np.nan)  # without a service desk
            monthly = np.array([series.get(name, none) for name in shared.monthly])
            rows.append(
                Row(work.world, number[c.policy], c.replication, c.outcomes, monthly, c.ended, c.seconds)
            )
        if failure is not None:
            return Done(rows, where, failure, work.world)
    return Done(rows, where, None, 0)


@contextlib.contextmanager
def _by_value(plans: list[list[list[Any]]]) -> Iterator[None]:
    """Let the user's own policy classes travel with their code."""
    import cloudpickle

    kinds = {
        kind
        for plan in (p for scenario in plans for p in scenario)
        for policy in plan
        for part in (policy, getattr(policy, "campaign", None))
        for kind in type(part).__mro__
    }
    modules: list[ModuleType] = [
        sys.modules[name]
        for name in sorted({kind.__module__ for kind in kinds})
        if name != "__main__" and name in sys.modules and not _is_library(name)
    ]
    for module in modules:
        cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in modules:
            cloudpickle.unregister_pickle_by_value(module)
