"""A student's id gives a seed, and the seed the student's own data: the same on every machine."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]


def tidy(student: object) -> str:
    """An id without what is typed by chance: space around it, capitals, full-width signs.

    Raises ValueError for an empty one.
    """
    if not isinstance(student, str | int) or isinstance(student, bool):
        raise ValueError(f'a student\'s id is text, such as "2023-17", not {student!r}')
    found = unicodedata.normalize("NFKC", str(student)).strip().casefold()
    if not found:
        raise ValueError('a student\'s id is needed: start("rfm", student="2023-17")')
    return found


def seed_of(student: object, purpose: str = "") -> int:
    """The seed of an id, below 2**63: the first bytes of SHA-256. purpose: another seed of the same id."""
    words = f"crmsim exercises\n{tidy(student)}\n{purpose}".encode()
    return int.from_bytes(hashlib.sha256(words).digest()[:8], "big") >> 1


class Luck:
    """Random numbers for tables of an exercise, the same with every version of NumPy.

    They are the raw words of Philox, a counter-based generator whose stream NumPy keeps, turned into other
    distributions by the inverse of their distribution function. Round what you make of them: the last
    bit of a logarithm may differ between machines.
    """

    def __init__(self, seed: int, name: str = "") -> None:
        key = hashlib.sha256(f"{seed}\n{name}".encode()).digest()
        self._source = np.random.Philox(key=int.from_bytes(key[:16], "big"))

    def uniform(self, n: int, low: float = 0.0, high: float = 1.0) -> Floats:
        """n numbers from low to high."""
        words = self._source.random_raw(n) >> np.uint64(11)
        return np.asarray(low + (high - low) * (words.astype(np.float64) + 0.5) * 2.0**-53)

    def normal(self, n: int, mean: float = 0.0, sd: float = 1.0) -> Floats:
        from scipy.special import ndtri

        return np.asarray(mean + sd * ndtri(self.uniform(n)))

    def whole(self, n: int, low: int, high: int) -> npt.NDArray[np.int64]:
        """n whole numbers from low to high, both included."""
        return np.floor(self.uniform(n, low, high + 1)).astype(np.int64)

    def one(self, low: float, high: float, digits: int = 2) -> float:
        """One number, rounded."""
        return round(float(self.uniform(1, low, high)[0]), digits)

    def happens(self, chance: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """1 with each chance, else 0."""
        p = np.asarray(chance, dtype=np.float64)
        return (self.uniform(p.size).reshape(p.shape) < p).astype(np.int64)

    def order(self, things: Sequence[Any]) -> list[Any]:
        """The things in a random order."""
        return [things[k] for k in np.argsort(self.uniform(len(things)), kind="stable")]


# what stands in the notebooks where a student's own id belongs
EXAMPLE = "your id 学号"


class Student:
    """One student: id and seed. ``data("rfm-2")`` is what this student is given for an exercise. `example`:
    whether the id is the one that stands in the notebooks until a student puts in another."""

    def __init__(self, student: object) -> None:
        self.id = tidy(student)
        self.seed = seed_of(self.id)
        self.example = self.id in (EXAMPLE, "your id", "学号")

    def data(self, exercise: str) -> dict[str, pd.DataFrame]:
        """The tables of an exercise or of a set, by name; copies, to be changed at will."""
        from .exercise import find, find_set, is_set

        source = find_set(exercise) if is_set(exercise) else find(exercise)
        return {name: table.copy() for name, table in tables_of(source, self.seed).items()}

    def __repr__(self) -> str:
        return f"Student({self.id!r})"


@lru_cache(maxsize=64)
def _made(make: Any, seed: int) -> dict[str, pd.DataFrame]:
    return dict(make(seed))


def tables_of(source: Any, seed: int) -> dict[str, pd.DataFrame]:
    """The data of an exercise or set for a seed, kept in memory; do not change them."""
    return _made(source.data, seed)
