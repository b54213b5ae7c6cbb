"""An exercise and a set of them; the sets are the modules of `crmsim.exercises.sets`."""

from __future__ import annotations

import copy
import difflib
import importlib
import pkgutil
import re
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from .answers import OPEN, Answer, Call, Function, Policy, Verdict
from .plain import plain
from .student import seed_of, tables_of

if TYPE_CHECKING:
    import pandas as pd

Tables = Callable[[int], "Mapping[str, pd.DataFrame]"]
LEVELS = {1: "a few lines 入门", 2: "several steps 进阶", 3: "a small study 小型研究"}


class ExerciseError(ValueError):
    """What is wrong with an exercise, or with how it is asked for."""


@dataclass(frozen=True, kw_only=True)
class Exercise:
    """One exercise.

    id: the set's name and a number, "rfm-2". goal: what is to be handed in, with units. hint: how to go about
    it. rubric: what earns the points, for the instructor. difficulty: 1 to 3 (`LEVELS`). answer: the kind,
    with the typical mistakes. solve: the reference, from the student's tables by the package's own functions;
    or truth: from the seed, where only the simulation knows it. A `Targets`, `Plan` or `Policy` needs
    neither. data: seed -> tables, where the exercise has others than its set.
    """

    id: str
    title: str
    chinese: str
    goal: str
    hint: str
    rubric: str
    difficulty: int
    minutes: int
    points: float
    answer: Answer
    solve: Callable[[Any], Any] | None = None
    truth: Callable[[int], Any] | None = None
    data: Tables = field(default=lambda seed: {})

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]*-\d+", self.id):
            raise ExerciseError(f"an exercise is named after its set with a number, rfm-2, not {self.id!r}")
        if self.difficulty not in LEVELS:
            raise ExerciseError(f"{self.id}: difficulty is 1, 2 or 3, not {self.difficulty!r}")
        if not self.points > 0 or not self.minutes > 0:
            raise ExerciseError(f"{self.id}: points and minutes are above 0")
        if self.solve is not None and self.truth is not None:
            raise ExerciseError(f"{self.id}: give solve or truth, not both")

    @property
    def set(self) -> str:
        return self.id.rpartition("-")[0]

    def reference(self, seed: int) -> Any:
        """The right answer of a student; None where the kind of answer finds it itself."""
        if self.truth is not None:
            return self.truth(seed)
        return self.solve(tables_of(self, seed)) if self.solve is not None else None

    def judge(self, value: Any, seed: int, call: Call | None = None, key: str = "") -> Verdict:
        """Judge a plain value, recomputing what is right from the seed.

        call: calls the student's function. key: an instructor's secret; functions and policies are then tried
        on inputs and worlds that the student has not met.
        """
        hidden = seed_of(seed, key) if key and isinstance(self.answer, Function | Policy) else seed
        if value is None or value == {"$open": True}:
            return OPEN
        return self.answer.check(value, self.reference(seed), tables_of(self, seed), hidden, call)

    def judge_here(self, answer: Any, seed: int) -> Verdict:
        """Judge an answer of this process, as `check` in a notebook does."""
        return self.judge(plain(answer), seed, local_call(answer) if callable(answer) else None)


def local_call(function: Callable[..., Any]) -> Call:
    """Calls a student's function here, as grading does with arguments of its own that it may change; its
    errors become a CallError."""
    from .answers import CallError

    def call(arguments: Any) -> Any:
        own = copy.deepcopy(tuple(arguments))
        try:
            return plain(function(*own))
        except Exception as error:
            told = " ".join(f"{type(error).__name__}: {error}".split())
            raise CallError(told[:200] + _line(function, error)) from None

    return call


def _line(function: Callable[..., Any], error: Exception) -> str:
    """In which line of the function it was."""
    code = getattr(function, "__code__", None)
    lines = [at for frame, at in traceback.walk_tb(error.__traceback__) if frame.f_code is code]
    return f", in line {lines[-1] - code.co_firstlineno + 1} of {code.co_name}" if code and lines else ""


@dataclass(frozen=True, kw_only=True)
class ExerciseSet:
    """A set of exercises on the same tables. name: "rfm", as the module. data: seed -> tables by name, made
    in less than a second, always the same for a seed (use `Luck`, `simulate`; round what you compute).
    """

    name: str
    title: str
    chinese: str
    about: str
    data: Tables
    exercises: tuple[Exercise, ...]
    chapter: str = ""

    def __post_init__(self) -> None:
        wrong = [each.id for each in self.exercises if each.set != self.name]
        ids = [each.id for each in self.exercises]
        if wrong or len(set(ids)) != len(ids):
            raise ExerciseError(f"the set {self.name}: ids are {self.name}-1, {self.name}-2 ..., not {ids}")
        empty = Exercise.__dataclass_fields__["data"].default
        own = tuple(replace(e, data=self.data) if e.data is empty else e for e in self.exercises)
        object.__setattr__(self, "exercises", own)

    @property
    def points(self) -> float:
        return sum(each.points for each in self.exercises)


def set_names() -> list[str]:
    """The sets there are."""
    from . import sets

    return sorted(m.name for m in pkgutil.iter_modules(sets.__path__) if not m.name.startswith("_"))


def is_set(name: str) -> bool:
    return name in set_names()


def find_set(name: str) -> ExerciseSet:
    """A set by name. Raises ExerciseError."""
    if name not in set_names():
        raise ExerciseError(f"there is no set {name!r}{_near(name, set_names())}")
    found = importlib.import_module(f"{__package__}.sets.{name}").SET
    if not isinstance(found, ExerciseSet) or found.name != name:
        raise ExerciseError(f"crmsim/exercises/sets/{name}.py must define SET, an ExerciseSet named {name!r}")
    return found


def find(name: str) -> Exercise:
    """An exercise by id. Raises ExerciseError."""
    start = str(name).rpartition("-")[0]
    if start not in set_names():
        raise ExerciseError(f'there is no exercise {name!r}; write "rfm-2" for the second of the set rfm')
    exercises = find_set(start).exercises
    for each in exercises:
        if each.id == name:
            return each
    raise ExerciseError(f"there is no exercise {name!r}{_near(name, [each.id for each in exercises])}")


def _near(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(known)}"
