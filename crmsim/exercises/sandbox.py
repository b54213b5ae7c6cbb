"""Run a submission in a process of its own that can do no harm, and hear its answers.

`Session` starts `inside.py`, which shuts itself in before the student's code runs, hands it the student's
tables as files when they are asked for, and collects what `check` notes. Judging happens here, with answers
that crossed as JSON; see exercises/README.md on what is protected where.
"""

from __future__ import annotations

import base64
import json
import os
import pickle
import queue
import site
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

from ..simulation.compile import cache_folder, has_numba, kernels
from .answers import Call, CallError

HERE = Path(__file__).resolve().parent
PACKAGE = HERE.parent
MOST_ASKED = 40  # times a submission may ask for tables
PROTECTIONS = {
    "limits": "time, memory and size of files are limited",
    "files": "no file outside the submission's own folder is written, and only libraries are read",
    "network": "the network cannot be reached",
    "processes": "no other process can be started or touched",
}


class SandboxError(ValueError):
    """Submissions cannot be run safely here; says what is missing and what to do."""


@dataclass(frozen=True)
class Limits:
    """What a submission may use. seconds: all of it; cell_seconds: one cell or one call; memory, file (the
    largest written), folder (all written), answers (all that is said): in megabytes.
    """

    seconds: float = 60.0
    cell_seconds: float = 20.0
    memory: int = 3_000
    file: int = 20
    folder: int = 200
    answers: float = 8.0


class Session:
    """A submission at work; used with `with`, so that its process and folder are gone at the end.

    cells: its code. tables: gives the tables of a set or exercise by name; a ValueError of its is shown to
    the student's code. unprotected: run although a protection is missing. After `run`: `answers` (plain
    values by exercise, the last of each), `started` (names of sets), `students` (ids it named), `failures`
    (cell, words), `ended` (empty, or why it was stopped), `protections`. Raises SandboxError.
    """

    def __init__(
        self,
        cells: Sequence[str],
        tables: Callable[[str], Mapping[str, Any]],
        limits: Limits | None = None,
        *,
        unprotected: bool = False,
    ) -> None:
        self.cells, self.tables, self.limits = list(cells), tables, limits or Limits()
        self.unprotected = unprotected
        self.answers: dict[str, Any] = {}
        self.started: list[str] = []
        self.students: list[str] = []
        self.failures: list[tuple[int, str]] = []
        self.ended = ""
        self.protections: list[str] = []
        self._said: queue.Queue[bytes | None] = queue.Queue(maxsize=200)
        self._closing = False
        self._calls_until = self._looked = 0.0
        self._asked = 0

    def __enter__(self) -> Session:
        self._home = tempfile.TemporaryDirectory(prefix="crmsim-grade-", ignore_cleanup_errors=True)
        self.folder = Path(self._home.name).resolve()
        self._until = time.monotonic() + self.limits.seconds + 20  # until it is known that Python has come up
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(HERE / "inside.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=self.folder,
            env=self._environment(),
            start_new_session=os.name == "posix",  # Ctrl+C is ours to handle
        )
        assert self._process.stdout is not None
        threading.Thread(target=self._listen, args=(self._process.stdout,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()
        for stream in (self._process.stdin, self._process.stdout):
            with suppress(OSError, ValueError):
                assert stream is not None
                stream.close()
        try:
            self._home.cleanup()
        except RecursionError:  # folders within folders, deeper than Python goes
            subprocess.run(["rm", "-rf", str(self.folder)], check=False, capture_output=True)

    # -- the submission ---------------------------------------------------------------------------------

    def run(self) -> None:
        """Run all cells, as far as they get in the time."""
        work = {
            "folder": str(self.folder), "cells": self.cells, "parent": os.getpid(), "path": sys.path,
            "seconds": self.limits.seconds, "cell_seconds": self.limits.cell_seconds,
            "memory": self.limits.memory, "file": self.limits.file, **_places(),
        }  # fmt: skip
        self._tell(work)
        first = self._hear()
        if first is None:
            raise SandboxError(
                f"the process for submissions could not be started: {self.ended or 'it ended'}"
            )
        self.protections = [name for name in PROTECTIONS if name in first.get("protections", [])]
        missing = [name for name in PROTECTIONS if name not in self.protections]
        if missing and not self.unprotected:
            lost = "; ".join(f"{name} ({PROTECTIONS[name]})" for name in missing)
            raise SandboxError(
                f"submissions are not run, since this system does not give: {lost}. Grade on Linux 5.13 or "
                "newer, or in a virtual machine that holds nothing else, with --unprotected"
            )
        self._until = time.monotonic() + self.limits.seconds
        self._tell({"go": True})
        while (message := self._hear()) is not None:
            if "check" in message:
                self.answers[str(message["check"])] = message.get("answer")
            elif "start" in message:
                self._hand_over(str(message["start"]), str(message.get("student", "")))
            elif "failed" in message:
                self.failures.append((_whole(message["failed"]), str(message.get("error", ""))[:200]))
            elif "done" in message:
                return

    def _hand_over(self, name: str, student: str) -> None:
        self._asked += 1
        if self._asked > MOST_ASKED:
            self._end(f"too much asked: data were asked for more than {MOST_ASKED} times")
            return
        if self.ended:
            return
        if student and student not in self.students and len(self.students) < 5:
            self.students.append(student)
        try:
            tables = self.tables(name)
        except ValueError as error:
            self._tell({"error": str(error)})
            return
        if name not in self.started:
            self.started.append(name)
        # a name that the submission cannot have taken
        with tempfile.NamedTemporaryFile(dir=self.folder, suffix=".tables", delete=False) as file:
            pickle.dump(dict(tables), file)
        self._tell({"file": file.name})

    def call(self, exercise: str) -> Call:
        """Calls the function that was handed in for an exercise; raises CallError where it fails."""

        def call(arguments: Any) -> Any:
            if self.ended:
                raise CallError(self.ended)
            packed = base64.b64encode(pickle.dumps(tuple(arguments))).decode()
            now = time.monotonic()
            self._calls_until = self._calls_until or now + self.limits.seconds
            self._until = min(self._calls_until, now + self.limits.cell_seconds + 2)
            self._tell({"call": exercise, "arguments": packed})
            reply = self._hear()
            while reply is not None and "value" not in reply and "error" not in reply:
                reply = self._hear()  # what the function checks or starts now counts no more
            if reply is None:
                raise CallError(self.ended or "it ended the process")
            if "error" in reply:
                raise CallError(str(reply["error"])[:200])
            return reply["value"]

        return call

    # -- the line -----------------------------------------------------------------------------------------

    def _tell(self, words: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        with suppress(OSError, ValueError):  # it has ended; `_hear` finds out
            self._process.stdin.write(json.dumps(words).encode() + b"\n")
            self._process.stdin.flush()

    def _hear(self) -> dict[str, Any] | None:
        """What the submission says next; None when it has ended or was stopped, `ended` then says why."""
        while True:
            if self._closing:
                return None
            now = time.monotonic()
            if now > self._until:
                if self.ended:  # something else holds the line open
                    return self._end(self.ended)
                self._kill(f"out of time: stopped after {self.limits.seconds:g} seconds")
            elif now > self._looked + 0.5 and not self.ended:
                self._looked = now
                if self._filled():
                    self._kill(f"too much written: more than {self.limits.folder} megabytes")
            try:
                line = self._said.get(timeout=0.5)
            except queue.Empty:
                continue
            if line is None:
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(2)
                return self._end("the process ended before the notebook did")
            if not line:
                return self._end(f"too much said: more than {self.limits.answers:g} megabytes of answers")
            try:
                found = json.loads(line)
            except (ValueError, RecursionError):
                found = None
            if isinstance(found, dict):
                return found
            return self._end("unreadable: it wrote on the line to the grader")

    def interrupt(self) -> None:
        """Stop it from another thread."""
        self._end("interrupted")

    def _end(self, why: str) -> dict[str, Any] | None:
        self.ended = self.ended or why
        self._stop()
        return None

    def _kill(self, why: str) -> None:
        """End the process; what it said before is still heard, for five seconds at most."""
        self.ended = why
        self._until = time.monotonic() + 5
        self._process.kill()

    def _stop(self) -> None:
        self._closing = True
        if self._process.poll() is None:
            if os.name == "posix":
                with suppress(OSError):
                    os.killpg(self._process.pid, 9)
            self._process.kill()
        self._process.wait()
        with suppress(queue.Empty):  # the listener may wait for room
            while True:
                self._said.get_nowait()

    def _listen(self, stream: IO[bytes]) -> None:
        """Lines to the queue: None at the end, an empty one when there was too much."""
        left = int(self.limits.answers * 1e6)
        try:
            while left > 0 and not self._closing:
                line = stream.readline(left + 1)
                if not line:
                    self._put(None)
                    return
                left -= len(line)
                if left > 0:
                    self._put(line)
            self._put(b"")
        except (OSError, ValueError):
            self._put(None)

    def _put(self, line: bytes | None) -> None:
        while not self._closing:
            try:
                self._said.put(line, timeout=0.5)
                return
            except queue.Full:
                continue

    def _filled(self) -> bool:
        total = 0
        try:
            for count, (place, _, files) in enumerate(os.walk(self.folder)):
                for name in files:
                    with suppress(OSError):
                        total += os.lstat(os.path.join(place, name)).st_size + 4096
                if total > self.limits.folder * 1e6 or count > 20_000:
                    return True
        except RecursionError:
            return True
        return False

    def _environment(self) -> dict[str, str]:
        """Nothing of ours but what Python needs."""
        kept = {
            name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "LD_LIBRARY_PATH") if name in os.environ
        }
        one = dict.fromkeys(
            ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
        )
        home = str(self.folder)
        return {
            **kept, **one, "HOME": home, "TMPDIR": home, "TEMP": home, "TMP": home, "MPLCONFIGDIR": home,
            "MPLBACKEND": "Agg", "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0",
            "PYTHONUTF8": "1", "CRMSIM_CACHE": str(_cache(self.folder)),
        }  # fmt: skip


def _whole(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


# -- what may be read -------------------------------------------------------------------------------------


def _cache(folder: Path) -> Path:
    """A cache of the submission's own, with links to the compiled model, so that it need not be compiled."""
    own = folder / ".cache"
    for path in _compiled():
        link = own / "compiled" / path
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(cache_folder() / "compiled" / path)
    return own


@lru_cache(maxsize=1)
def _compiled() -> list[Path]:
    """The files of the model as it now is, in the folder of what is compiled."""
    if os.name != "posix" or not has_numba():
        return []
    folder = cache_folder() / "compiled"
    return [path.relative_to(folder) for path in folder.rglob(f"{kernels().__name__}.*") if path.is_file()]


@lru_cache(maxsize=1)
def _places() -> dict[str, list[str]]:
    """Folders and files that may be read, and folders whose names may be listed."""
    hidden = {HERE, PACKAGE.parent / "exercises"}
    roots = {Path(sys.prefix) / "lib", Path(sys.base_prefix) / "lib", Path(sys.prefix) / "lib64"}
    roots |= {Path(sysconfig.get_paths()[name]) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    roots |= {Path(place) for place in (site.getusersitepackages(), *site.getsitepackages())}
    roots |= {
        Path("/usr"),
        Path("/lib"),
        Path("/lib64"),
        PACKAGE,
        PACKAGE.parent / "datasets",
        cache_folder() / "compiled",
    }
    read = {place for root in roots for place in _without(root.resolve(), hidden)}
    small = (
        "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/fonts", "/etc/localtime", "/etc/mime.types",
        "/proc/self",        "/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system/cpu", "/sys/fs/cgroup",
        f"{sys.prefix}/pyvenv.cfg",
    )  # fmt: skip
    listed = [str(place) for root in (PACKAGE.parent, PACKAGE) for place in (root,)]
    return {"read": [*sorted(map(str, read)), *small], "list": listed}


def _without(place: Path, hidden: set[Path]) -> Iterator[Path]:
    """The place, or where something in it is hidden, what stands beside that."""
    if place in hidden or not place.exists():
        return
    if not any(place in secret.parents for secret in hidden):
        yield place
        return
    for inner in sorted(place.iterdir()):
        yield from _without(inner, hidden)
