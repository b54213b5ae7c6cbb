"""Random numbers without a generator: each one is a pure function of what it decides.

`uniform(key, purpose, customer, month)` gives the same number however often, in whatever order
and on whatever machine it is asked. A customer therefore meets the same luck under every policy
(common random numbers for each person and decision), and any past draw can be asked again.

The numbers come from Philox4x32-10 (Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers:
as easy as 1, 2, 3"): the key is (seed, replication), the counter is (customer, month, purpose).
One purpose is one decision. A number of a purpose is never reused for another decision.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np

M0 = np.uint64(0xD2511F53)
M1 = np.uint64(0xCD9E8D57)
W0 = np.uint64(0x9E3779B9)
W1 = np.uint64(0xBB67AE85)
LOW = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)
# A reserved identity: draws that belong to the world, not to a customer.
WORLD = (1 << 63) - 1


class Purpose(IntEnum):
    """What a number decides. Numbers are fixed for ever: add new ones, never reuse old ones.

    Four consecutive purposes share one Philox block, so those used together stand together.
    """

    # For every customer, every month.
    ENCOUNTER = 0
    LEAVE_NATURAL = 1
    LEAVE_COMPETITIVE = 2
    REFERRAL = 3
    PAYMENT_FAILS = 4
    RIVAL_OFFER = 5
    DELIGHT = 6
    LEAVE_BASELINE = 7
    PURCHASES = 8
    SPEND = 9
    DROPOUT = 10
    # For the few concerned.
    COMPLAINT = 12
    RESOLUTION = 13
    FAST_ANSWER = 14
    PAYMENT_CURED = 16
    CUT_OFF = 17
    SCORE_RISK = 20
    SCORE_RESPONSE = 21
    RANDOM_TARGET = 22
    WIN_BACK = 23
    SURVEY_ASKED = 24
    SURVEY_ERROR = 25
    STATED_WRONG = 26
    STATED_CAUSE = 27
    LEAVE_FAULT = 28
    LEAVE_RETALIATORY = 29
    FIT = 32
    FAIRNESS = 33
    ANCHOR = 34
    SWITCHING_COST = 35
    ALTERNATIVE = 36
    FRAILTY = 37
    MOBILITY = 38
    PAYER_RISK = 39
    PURCHASE_RATE = 40
    SPEND_RATE = 41
    USAGE = 42
    PROPENSITY = 43
    RESPONSE = 44
    CHANNEL = 45
    SCALE_USE = 46
    BASELINE = 47
    DROPOUT_RATE = 48
    # An A/B test inside the world, with the seed of the test in place of the world's (research/trials.py).
    TRIAL_ARM = 52
    TRIAL_REACHED = 53
    ARRIVALS = 56
    DEMAND_SHOCK = 57
    JOINING_SPEND = 60
    # Contacts and stations; attempt k of a contact uses HANDLING + 4 k and the three after it.
    ENQUIRES = 96
    SELF_SERVICE = 97
    PLANNED = 98
    VISITS = 99
    CONTACT_TIME = 100
    CONTACT_EVENT = 101
    PATIENCE = 102
    COURTESY = 103
    HANDLING = 104
    CREW_TRAVEL = 116
    CREW_REPAIR = 117
    ESCALATES = 118
    COMPLAINT_HANDLING = 119
    VISIT_TIME = 120
    VISIT_HANDLING = 121
    BUSY_DAY = 124
    EVENT_TIME = 125
    LINE = 126  # place in an approximate line: attempt k in month 1024 k + month
    # Meeting touchpoint d and failing there is decided by 64 + d, the severity by 80 + d.
    TOUCHPOINT = 64
    SEVERITY = 80
    # The k-th purchase of a month falls on the day drawn with 128 + k, and takes its part of the
    # month's amount by 2**20 + k: far enough apart for any number of purchases.
    PURCHASE_DAY = 128
    PURCHASE_PART = 1 << 20


class Key(NamedTuple):
    """Which luck: a seed and a replication of it, both from 0 to 2**32 - 1."""

    seed: int
    replication: int = 0


def make_key(seed: int, replication: int = 0) -> Key:
    """A checked Key. Raises ValueError when a part is no integer from 0 to 2**32 - 1."""
    for name, number in (("seed", seed), ("replication", replication)):
        if isinstance(number, bool) or not isinstance(number, int | np.integer):
            raise ValueError(f"{name} must be a whole number, not {number!r}")
        if not 0 <= number < 1 << 32:
            raise ValueError(f"{name} must be from 0 to {2**32 - 1}, not {number}")
    return Key(int(seed), int(replication))


def philox(c0: Any, c1: Any, c2: Any, c3: Any, k0: Any, k1: Any) -> Any:
    """Philox4x32-10: four 32-bit words from a counter of four and a key of two.

    All words are uint64 holding 32 bits; arrays work elementwise. Compiled as it stands.
    """
    # Words are masked where they are multiplied: the rest may carry more than 32 bits for a while.
    for _ in range(10):
        a = M0 * (c0 & LOW)
        b = M1 * (c2 & LOW)
        c0, c1, c2, c3 = (b >> HALF) ^ c1 ^ k0, b, (a >> HALF) ^ c3 ^ k1, a
        k0 = k0 + W0
        k1 = k1 + W1
    return c0 & LOW, c1 & LOW, c2 & LOW, c3 & LOW


def unit(word: Any) -> Any:
    """A 32-bit word as a float32 in (0, 1): the middle of one of 2**23 equal cells.

    With 2**24 cells the middle of the last would round to 1.
    """
    return np.float32(np.int32(word >> np.uint64(9))) * 1.1920928955078125e-07 + 5.9604644775390625e-08


def uniform(key: Key, purpose: Any, customer: Any, month: Any) -> Any:
    """The random number in (0, 1) that decides `purpose` for a customer in a month.

    `customer` and `month` may be whole numbers or arrays that broadcast; so does `purpose` (any
    number from 0). Returns float64 holding the single-precision number the engine uses.
    """
    if isinstance(customer, int) and isinstance(month, int) and isinstance(purpose, int):
        # One number, without the cost of arrays.
        who, block = np.uint64(customer), np.uint64(purpose // 4)
        four = philox(who & LOW, who >> HALF, np.uint64(month), block, np.uint64(key[0]), np.uint64(key[1]))
        return (int(four[purpose % 4] >> np.uint64(9)) + 0.5) * 2.0**-23
    customer, month, which = np.broadcast_arrays(
        np.asarray(customer, dtype=np.uint64), np.asarray(month, dtype=np.uint64), np.asarray(purpose)
    )
    group = (which // 4).astype(np.uint64)
    words = philox(
        customer & LOW, customer >> HALF, month & LOW, group, np.uint64(key.seed), np.uint64(key.replication)
    )
    word = np.choose(which % 4, words)
    number = ((word >> np.uint64(9)).astype(np.float64) + 0.5) * 2.0**-23
    return float(number) if number.ndim == 0 else number


def normal(key: Key, purpose: Any, customer: Any, month: Any) -> Any:
    """A standard normal number by the inverse of its distribution, from the same uniform."""
    from scipy.special import ndtri

    number = ndtri(uniform(key, purpose, customer, month))
    return float(number) if np.ndim(number) == 0 else number
