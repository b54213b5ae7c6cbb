"""`start` and `check`: what a student types in a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .answers import Verdict
from .exercise import ExerciseError, find_set
from .student import Student

if TYPE_CHECKING:
    import pandas as pd

_last: list[Course] = []
EXAMPLE_TOLD = "These are the data of the example: put your own id 学号 in the first cell, or nothing counts."


class Course:
    """A student at work on a set: `data`, the student's own tables by name, and `check`."""

    def __init__(self, name: str, student: object) -> None:
        self.set = find_set(name)
        self.student = Student(student)
        self.data: dict[str, pd.DataFrame] = self.student.data(name)
        self.verdicts: dict[str, Verdict] = {}
        if self.student.example:
            print(EXAMPLE_TOLD)

    def data_of(self, exercise: str) -> dict[str, pd.DataFrame]:
        """The tables of an exercise that has others than its set."""
        return self.student.data(exercise)

    def check(self, exercise: str, answer: Any) -> None:
        """Say whether an answer holds, and if not what kind of wrong it is.

        The best answer to each exercise counts for the progress that is shown. Raises ExerciseError for an
        unknown exercise.
        """
        known = {each.id: each for each in self.set.exercises}
        if exercise not in known:
            raise ExerciseError(f"{self.set.name} has no exercise {exercise!r}; it has {', '.join(known)}")
        verdict = known[exercise].judge_here(answer, self.student.seed)
        before = self.verdicts.get(exercise)
        if before is None or verdict.share >= before.share:
            self.verdicts[exercise] = verdict
        print(f"{exercise}: {verdict.told}")
        print(self.progress())
        if self.student.example:
            print(EXAMPLE_TOLD)

    def progress(self) -> str:
        """One line: exercises done, points so far."""
        done = sum(verdict.right for verdict in self.verdicts.values())
        points = sum(
            self.verdicts[e.id].share * e.points for e in self.set.exercises if e.id in self.verdicts
        )
        boxes = "".join(
            "■" if verdict and verdict.right else "◪" if verdict and verdict.share else "□"
            for verdict in (self.verdicts.get(each.id) for each in self.set.exercises)
        )
        all_ = len(self.set.exercises)
        return f"{boxes} {done} of {all_} done 已完成, {points:.3g} of {self.set.points:g} points 分"

    def __repr__(self) -> str:
        tables = ", ".join(f"{name} ({len(table):,} rows)" for name, table in self.data.items())
        return (
            f"{self.set.title} {self.set.chinese}: student {self.student.id}\n"
            f"course.data: {tables}\n{self.progress()}"
        )


def start(name: str, student: object) -> Course:
    """Begin a set: `course = start("rfm", student="2023-17")`. student: any id, the same each time.

    Raises ExerciseError for an unknown set, ValueError for an empty id.
    """
    _last[:] = [Course(name, student)]
    return _last[0]


def check(exercise: str, answer: Any) -> None:
    """`Course.check` of the set started last."""
    if not _last:
        raise ExerciseError('begin with start("rfm", student="your id")')
    _last[0].check(exercise, answer)
