"""Exercises: every student their own data, graded by recomputing.

    import crmsim as cs

    course = cs.exercises.start("rfm", student="2023-17")
    check = course.check
    purchases = course.data["purchases"]
    check("rfm-1", 0.031)

`crmsim grade SUBMISSIONS --out grades.csv` grades a folder of notebooks; exercises/README.md says how an
exercise is written.
"""

from __future__ import annotations

from .check import Course, check, start
from .exercise import Exercise, ExerciseSet, find, find_set, set_names
from .student import Luck, Student, seed_of

__all__ = [
    "Course",
    "Exercise",
    "ExerciseSet",
    "Luck",
    "Student",
    "check",
    "find",
    "find_set",
    "seed_of",
    "set_names",
    "start",
]
