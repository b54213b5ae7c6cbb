"""Work beside the page: one thread that does what was asked last, and can be stopped.

The kernel stays free meanwhile, so that sliders and Stop are heard. A newer request stops the older
one; nobody waits for what is no longer wanted.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any


class Task:
    """What a piece of work is given: `stop`, an event to look at often, and `progress`."""

    def __init__(self, tell: Callable[[float, str], None]) -> None:
        self.stop = threading.Event()
        self._tell = tell

    def progress(self, done: float, of: float, text: str = "") -> None:
        """Say how far it is: `done` of `of`, and in words what is being done."""
        if not self.stop.is_set():
            self._tell(done / of if of else 1.0, text)


class Kept:
    """What was found in worlds with the controls as they are (`parts`) and untouched (`before`).

    Both are kept while a control only looks at the worlds that are there.
    """

    def __init__(self) -> None:
        self.parts: list[Any] = []
        self.before: list[Any] = []
        self._asked: Any = None
        self._untouched: Any = None

    def of(self, untouched: Any, asked: Any) -> tuple[list[Any], list[Any]]:
        """The lists `parts` and `before` to go on with: empty ones where other worlds are asked for."""
        if self._untouched != untouched:
            self._untouched, self.before = untouched, []
        if self._asked != (untouched, asked):
            self._asked, self.parts = (untouched, asked), []
        return self.parts, self.before


class Worker:
    """Calls `do(request, task)` in a thread of its own, one request at a time, the latest next.

    `do` must catch its own errors, return soon after `task.stop` is set, must not show anything once
    it is, and returns in a word how it ended. `begin` is called when something is asked, `idle` with
    the word of the last task when nothing is left to do; the two never overlap, and the last of them
    called is the truth. They must not ask for anything themselves.
    """

    def __init__(
        self,
        do: Callable[[Any, Task], str],
        tell: Callable[[float, str], None],
        begin: Callable[[], None],
        idle: Callable[[str], None],
    ) -> None:
        self._do, self._tell, self._begin, self._idle = do, tell, begin, idle
        self._lock = threading.Condition()
        self._next: list[Any] = []
        self._task: Task | None = None
        self._asked: Any = None
        self._running = False

    def ask(self, request: Any, again: bool = True) -> None:
        """Do this next; what is being done is stopped, what was waiting is dropped.

        again: false leaves the same request alone if it is being done or waits.
        """
        with self._lock:
            wanted = self._next or (self._task is not None and not self._task.stop.is_set())
            if not again and wanted and self._asked == request:
                return
            self._next, self._asked = [request], request
            if self._task is not None:
                self._task.stop.set()
            self._begin()
            if not self._running:
                self._running = True
                threading.Thread(target=self._work, name="crmsim page", daemon=True).start()

    def stop(self) -> None:
        """Stop what is being done and forget what was asked."""
        with self._lock:
            self._next = []
            if self._task is not None:
                self._task.stop.set()

    def undisturbed(self) -> AbstractContextManager[Any]:
        """Neither `begin` nor `idle` is called by another thread until the end of the block."""
        return self._lock

    def wait(self, seconds: float = 60.0) -> bool:
        """Wait until nothing is left to do; False if that took longer."""
        with self._lock:
            return self._lock.wait_for(lambda: not self._running, seconds)

    @property
    def busy(self) -> bool:
        return self._running

    def _work(self) -> None:
        how = "stopped"
        while True:
            with self._lock:
                if not self._next:
                    # under the lock, so that whoever asks next finds no thread and starts one
                    try:
                        self._idle(how)
                    finally:
                        self._running = False
                        self._lock.notify_all()
                    return
                request = self._next.pop()
                self._task = task = Task(self._tell)
            try:
                how = self._do(request, task)
            except BaseException:
                with self._lock:
                    self._next, self._task, self._running = [], None, False
                    self._lock.notify_all()
                raise
            with self._lock:
                self._task = None
