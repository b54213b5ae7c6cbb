"""`crmsim grade`: a folder of submissions to a table of points and an overview of the class."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import math
import os
import re
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .answers import OPEN, Verdict
from .exercise import ExerciseError, ExerciseSet, find, find_set, set_names
from .sandbox import PROTECTIONS, Limits, SandboxError, Session
from .student import Student, seed_of, tidy

if TYPE_CHECKING:
    import pandas as pd

LARGEST = 20_000_000  # bytes of a submitted file
SUFFIXES = (".ipynb", ".py")
FORMATS = ("crmsim", "nbgrader", "moodle")
# as `nbgrader export` writes them
NBGRADER = (
    "assignment", "duedate", "timestamp", "student_id", "last_name", "first_name", "email", "raw_score",
    "late_submission_penalty", "score", "max_score",
)  # fmt: skip
_making = threading.Lock()  # data and references are made one at a time


class GradeError(ValueError):
    """Why a folder cannot be graded, and what to do."""


@dataclass(frozen=True)
class Submission:
    """What one student handed in: id as in the name of the file or folder, and the files."""

    student: str
    files: tuple[Path, ...]

    @property
    def handed_in(self) -> dt.datetime | None:
        """When the last file was changed, local time."""
        times = [path.lstat().st_mtime for path in self.files]
        return dt.datetime.fromtimestamp(max(times)) if times else None


@dataclass
class Result:
    """What came of a submission. verdicts: by exercise, of those answered. notes: what else is to be
    known."""

    student: str
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    started: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        verdicts = {name: [v.share, v.told, v.mistake, v.answered] for name, v in self.verdicts.items()}
        return {"student": self.student, "verdicts": verdicts, "started": self.started, "notes": self.notes}

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Result:
        verdicts = {name: Verdict(*v) for name, v in found["verdicts"].items()}
        return cls(found["student"], verdicts, list(found["started"]), list(found["notes"]))


# -- reading what was handed in --------------------------------------------------------------------------


def submissions(folder: Path) -> list[Submission]:
    """The submissions of a folder: `ID.ipynb`, `ID.py`, or a folder `ID` with notebooks. Raises
    GradeError."""
    if not folder.is_dir():
        raise GradeError(f"{folder}: there is no such folder; give the folder with the submissions")
    files: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith((".", "__")):
            continue
        if path.is_dir() and not path.is_symlink():
            files.setdefault(_id(path.name), []).extend(_notebooks(path))
        elif path.suffix in SUFFIXES:
            files.setdefault(_id(path.stem), []).append(path)
    if not files:
        raise GradeError(f"{folder}: no submissions; they are ID.ipynb, ID.py or a folder ID with a notebook")
    return [Submission(student, tuple(found)) for student, found in sorted(files.items())]


def _id(name: str) -> str:
    return tidy(name) if name.strip() else name


def _notebooks(folder: Path) -> list[Path]:
    found: list[Path] = []
    for place, folders, names in os.walk(folder):  # links to folders are not followed
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__")))
        found += [Path(place) / name for name in sorted(names) if not name.startswith(".")]
    for suffix in SUFFIXES:
        if chosen := [path for path in found if path.suffix == suffix]:
            return chosen
    return []


def cells_of(path: Path) -> list[str]:
    """The code cells of a notebook, or a script as one. Raises ValueError for what is neither."""
    if path.is_symlink() or not path.is_file():
        raise ValueError("it is a link or no file; hand in the notebook itself")
    if path.stat().st_size > LARGEST:
        raise ValueError(f"it has more than {LARGEST / 1e6:.0f} megabytes; clear the outputs")
    text = path.read_bytes().decode("utf-8", errors="replace")
    if path.suffix == ".py":
        return [text]
    try:
        cells = json.loads(text)["cells"]
        code = [cell["source"] for cell in cells if cell["cell_type"] == "code"]
        sources = [each if isinstance(each, str) else "".join(each) for each in code]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError("it is no notebook: the file is broken") from None
    return [source for source in sources if source.strip()]


# -- grading one -------------------------------------------------------------------------------------------


@dataclass
class Grader:
    """Grades submissions one by one. key: see `Exercise.judge`."""

    limits: Limits = field(default_factory=Limits)
    unprotected: bool = False
    key: str = ""
    running: set[Session] = field(default_factory=set)
    stopped: bool = False

    def grade(self, submission: Submission) -> Result:
        """Run the files and judge what they answer. Never raises for what is in them."""
        result = Result(submission.student)
        if not submission.files:
            result.notes.append("no notebook found")
        for path in submission.files:
            try:
                cells = cells_of(path)
            except (ValueError, OSError) as error:
                result.notes.append(f"{path.name}: {error}")
                continue
            if not cells:
                result.notes.append(f"{path.name}: empty, no cell of code")
                continue
            self._run(cells, result, path.name)
        return result

    def _run(self, cells: list[str], result: Result, name: str) -> None:
        student = Student(result.student)

        def tables(of: str) -> Mapping[str, Any]:
            with _making:
                return student.data(of)

        with Session(cells, tables, self.limits, unprotected=self.unprotected) as session:
            self.running.add(session)
            try:
                if self.stopped:
                    return
                session.run()
                for exercise, value in list(session.answers.items())[:500]:
                    verdict = self._judge(exercise, value, student.seed, session)
                    before = result.verdicts.get(exercise)
                    if verdict is not None and (before is None or verdict.share > before.share):
                        result.verdicts[exercise] = verdict
            finally:
                self.running.discard(session)
        result.started += [each for each in session.started if each not in result.started]
        if session.ended:
            result.notes.append(f"{name}: {session.ended}")
        for cell, words in session.failures[:3]:
            result.notes.append(f"{name}, cell {cell}: {words}")
        others = sorted({each for each in session.students if each.strip() and tidy(each) != student.id})
        if others:
            result.notes.append(f"{name} was written for another id: {', '.join(others)[:80]}")

    def _judge(self, exercise: str, value: Any, seed: int, session: Session) -> Verdict | None:
        try:
            found = find(exercise)
        except ExerciseError:
            return None
        try:
            with _making:
                found.reference(seed)
            return found.judge(value, seed, session.call(exercise), self.key)
        except Exception as error:  # an answer of a shape that nobody thought of
            return Verdict(0.0, f"The answer could not be read: {type(error).__name__}.", "could not be read")

    def stop(self) -> None:
        self.stopped = True
        for session in list(self.running):
            session.interrupt()


# -- grading all ---------------------------------------------------------------------------------------------


def protections(unprotected: bool = False) -> list[str]:
    """What this system protects against, found by trying. Raises SandboxError when something is missing."""
    with Session(["pass"], lambda name: {}, Limits(seconds=60), unprotected=unprotected) as session:
        session.run()
        return session.protections


def grade_all(
    found: Sequence[Submission], kept: Path, grader: Grader, workers: int = 2, progress: bool = True
) -> list[Result]:
    """Grade all that are not in the file `kept` yet, and write each there when it is done.

    A submission is known by its content, the student and the version of package and exercises; so a changed
    one is graded anew. Raises KeyboardInterrupt when interrupted; what is done stays in the file.
    """
    from tqdm import tqdm

    known = _read_kept(kept)
    keys = {submission.student: _key(submission, grader) for submission in found}
    results = {s.student: known[keys[s.student]] for s in found if keys[s.student] in known}
    todo = [s for s in found if s.student not in results]
    lock = threading.Lock()

    def one(submission: Submission) -> Result:
        try:
            result = grader.grade(submission)
        except SandboxError:
            raise
        except Exception as error:  # one must not stop the others; it is tried again next time
            return Result(submission.student, notes=[f"the grader failed: {type(error).__name__}: {error}"])
        if not grader.stopped:
            line = json.dumps({"key": keys[submission.student], **result.to_json()}, ensure_ascii=False)
            with lock, kept.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
        return result

    pool = ThreadPoolExecutor(max_workers=max(1, workers))
    futures = [pool.submit(one, submission) for submission in todo]
    try:
        bar = tqdm(
            total=len(found),
            initial=len(results),
            desc="grading",
            unit="",
            disable=not progress,
            file=sys.stderr,
        )
        with bar:
            for future in as_completed(futures):
                result = future.result()
                results[result.student] = result
                bar.update()
    except BaseException:
        for future in futures:
            future.cancel()
        grader.stop()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return [results[submission.student] for submission in found]


def _read_kept(path: Path) -> dict[str, Result]:
    """Results by key; a line cut off by a crash is left out, and the file mended."""
    if not path.exists():
        return {}
    found = {}
    text = path.read_text(encoding="utf-8", errors="replace")
    for line in text.splitlines():
        try:
            entry = json.loads(line)
            found[entry["key"]] = Result.from_json(entry)
        except (ValueError, KeyError, TypeError):
            continue
    if text and not text.endswith("\n"):
        with path.open("a", encoding="utf-8") as file:
            file.write("\n")
    return found


def _key(submission: Submission, grader: Grader) -> str:
    digest = hashlib.sha256(f"{_version()}\n{submission.student}\n{grader.limits}\n{grader.key}".encode())
    for path in submission.files:
        digest.update(f"\n{path.name}\n".encode())
        if path.is_file() and not path.is_symlink() and path.stat().st_size <= LARGEST:
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _version() -> str:
    """Changes with the package and with every change of an exercise."""
    from .. import __version__

    digest = hashlib.sha256()
    for path in sorted(Path(__file__).resolve().parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return f"{__version__} {digest.hexdigest()[:16]}"


# -- tables ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Late:
    """due: the last day that is in time. each: share of the points taken off for every day begun after it."""

    due: dt.date | None = None
    each: float = 0.0

    def days(self, handed_in: dt.datetime | None) -> int:
        if self.due is None or handed_in is None:
            return 0
        end = dt.datetime.combine(self.due, dt.time()) + dt.timedelta(days=1)
        return max(0, math.ceil((handed_in - end) / dt.timedelta(days=1)))

    def factor(self, days: int) -> float:
        return max(0.0, 1.0 - self.each * days)


def sets_of(results: Iterable[Result], wanted: Sequence[str] = ()) -> list[ExerciseSet]:
    """The sets to grade: those wanted, else those that somebody began. Raises GradeError, ExerciseError."""
    if wanted:
        return [find_set(name) for name in wanted]
    known = set_names()
    begun = {
        name.rpartition("-")[0] or name for result in results for name in [*result.started, *result.verdicts]
    }
    if not (sets := [find_set(name) for name in known if name in begun]):
        raise GradeError(f"no submission begins a set; name it with --set ({', '.join(known)})")
    return sets


def grades(
    found: Sequence[Submission], results: Sequence[Result], sets: Sequence[ExerciseSet], late: Late
) -> pd.DataFrame:
    """A row a student and exercise: student, set, exercise, points (late days taken off), of, share,
    answered,
    days_late, mistake, reason, notes."""
    import pandas as pd

    rows = []
    for submission, result in zip(found, results, strict=True):
        days = late.days(submission.handed_in)
        for each in (exercise for one in sets for exercise in one.exercises):
            verdict = result.verdicts.get(each.id, OPEN)
            reason = verdict.told
            if days and verdict.share and late.each:
                reason += f" {days} days late: {1 - late.factor(days):.0%} taken off."
            rows.append(
                {
                    "student": result.student, "set": each.set, "exercise": each.id,
                    "points": round(each.points * verdict.share * late.factor(days), 3), "of": each.points,
                    "share": round(verdict.share, 4), "answered": verdict.answered, "days_late": days,
                    "mistake": verdict.mistake, "reason": reason, "notes": "; ".join(result.notes),
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def as_format(
    table: pd.DataFrame, name: str, late: Late, handed_in: Mapping[str, dt.datetime | None]
) -> pd.DataFrame:
    """The grades in another program's columns: `nbgrader` as `nbgrader export` writes them, a row a student
    and set; `moodle`: a row a student, for Import > CSV file with the ID number as key. Raises GradeError."""
    import pandas as pd

    if name == "crmsim":
        return table
    if name not in FORMATS:
        raise GradeError(f"--format {name!r} is not known; there are {', '.join(FORMATS)}")
    raw = table.assign(raw=table["share"] * table["of"])
    groups = raw.groupby(["student", "set"], sort=False)
    sums = groups[["raw", "points", "of"]].sum().round(3).reset_index()
    if name == "nbgrader":
        given = sums["student"].map(handed_in)
        return pd.DataFrame(
            {
                "assignment": sums["set"], "duedate": f"{late.due}" if late.due else "", "timestamp": given,
                "student_id": sums["student"], "last_name": "", "first_name": "", "email": "",
                "raw_score": sums["raw"], "late_submission_penalty": (sums["raw"] - sums["points"]).round(3),
                "score": sums["points"], "max_score": sums["of"],
            }, columns=pd.Index(NBGRADER),
        )  # fmt: skip
    out = pd.DataFrame({"ID number": sums["student"].drop_duplicates()}).set_index("ID number")
    for each, part in sums.groupby("set", sort=False):
        rows = raw[raw["set"] == each]
        told = (
            rows.assign(line=rows["exercise"] + ": " + rows["reason"])
            .groupby("student")["line"]
            .agg(" ".join)
        )
        out[f"{each} (points)"] = part.set_index("student")["points"]
        out[f"{each} (feedback)"] = told
    return out.reset_index()


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Written whole or not at all. Text that a spreadsheet would take for a formula gets an apostrophe."""
    safe = table.copy()
    for column in safe.columns:
        if safe[column].map(lambda x: isinstance(x, str)).any():
            safe[column] = safe[column].map(
                lambda x: f"'{x}" if isinstance(x, str) and re.match(r"[=+\-@\t\r]", x) else x
            )
    part = path.with_name(path.name + ".part")
    safe.to_csv(part, index=False, lineterminator="\n", encoding="utf-8-sig")
    part.replace(path)


# -- the command ---------------------------------------------------------------------------------------------


def grade_folder(
    folder: str | Path, out: str | Path = "grades.csv", *, workers: int = 2, sets: Sequence[str] = (),
    due: dt.date | None = None, late: float = 0.0, form: str = "crmsim", key: str = "",
    unprotected: bool = False,
    limits: Limits | None = None, progress: bool = True,
) -> tuple[pd.DataFrame, Path]:  # fmt: skip
    """Grade a folder; writes `out` and, beside it, the overview `.html` and what is finished `.done.jsonl`.

    Gives the grades (`grades`) and the overview's path. Raises GradeError, ExerciseError, SandboxError.
    """
    path = Path(out)
    if path.suffix != ".csv":
        raise GradeError(f"--out {path}: the table of grades ends in .csv")
    if form not in FORMATS:
        raise GradeError(f"--format {form!r} is not known; there are {', '.join(FORMATS)}")
    for name in sets:
        find_set(name)
    if path.resolve().parent == Path(folder).resolve():
        raise GradeError(f"--out {path}: choose a place outside the submissions")
    found = submissions(Path(folder))
    path.parent.mkdir(parents=True, exist_ok=True)
    grader = Grader(limits or Limits(), unprotected, key)
    results = grade_all(found, path.with_suffix(".done.jsonl"), grader, workers, progress)
    chosen, lateness = sets_of(results, sets), Late(due, late)
    table = grades(found, results, chosen, lateness)
    write_csv(as_format(table, form, lateness, {s.student: s.handed_in for s in found}), path)
    from .overview import overview

    page = path.with_suffix(".html")
    part = page.with_name(page.name + ".part")
    part.write_text(overview(table, chosen, Path(folder).name), encoding="utf-8")
    part.replace(page)
    return table, page


__all__ = [
    "PROTECTIONS",
    "GradeError",
    "Grader",
    "Late",
    "Result",
    "SandboxError",
    "Submission",
    "as_format",
    "cells_of",
    "grade_all",
    "grade_folder",
    "grades",
    "protections",
    "seed_of",
    "sets_of",
    "submissions",
    "write_csv",
]
