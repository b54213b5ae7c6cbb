"""A gate inside the month, where threads wait awake.

With a service desk the first thread answers the month's contacts while the others wait for the second
part of the month. Waking a sleeping thread takes a fifth of that part, so they look at a flag instead,
in compiled code, and lose patience after so many looks: whoever has gone is sent for again. A thread
that goes while the gate opens is counted by one side only, since `mark` cannot be divided.

Compiled with `month.py`.
"""

from __future__ import annotations

from typing import Any

Array = Any

# Flags of a thread: it waits at the gate; the gate is open for it; it has gone.
WAITS, OPEN, GONE = 1, 2, 4
# Flags stand two cache lines apart, or one thread's looking would slow another's.
APART = 16


def mark(flags: Array, k: int, flag: int) -> int:
    """Set a flag of thread k and return the flags before, in one step that no other thread can divide; what
    a thread wrote before is seen by those who see its flag. The compiled module has its own (compile.py)."""
    before = int(flags[k * APART])
    flags[k * APART] = before | flag
    return before


def wait_at_gate(flags: Array, k: int, looks: int) -> bool:
    """True as soon as the gate is open; False if thread k has looked so often, and goes."""
    for _ in range(looks):
        if mark(flags, k, 0) & OPEN > 0:
            return True
    return mark(flags, k, GONE) & OPEN > 0


def all_wait(flags: Array, threads: int, looks: int) -> bool:
    """Whether all threads but the first have come, at the latest after so many looks at each."""
    for k in range(1, threads):
        left = looks
        while mark(flags, k, 0) & WAITS == 0:
            left -= 1
            if left <= 0:
                return False
    return True


def open_gate(flags: Array, threads: int, gone: Array) -> int:
    """Open the gate. Returns how many threads have gone; their numbers stand in `gone`."""
    number = 0
    for k in range(1, threads):
        if mark(flags, k, OPEN) & GONE > 0:
            gone[number] = k
            number += 1
    return number
