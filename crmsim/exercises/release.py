"""One source a set: `exercises/source/SET.py` gives the students' notebook and the one with solutions.

The source is text as `tools/notebooks.py` reads it. What stands between `### BEGIN SOLUTION` and
`### END SOLUTION` (the marks of nbgrader) is left out for students. A line `{{rfm-2}}` in markdown becomes
the
exercise's title, goal and hint, `{{set}}` the set's; cells tagged `solution` are for the solutions only.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .exercise import LEVELS, Exercise, ExerciseError, ExerciseSet, find, find_set, set_names

ROOT = Path(__file__).resolve().parents[2]
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
YOURS = "# your code 在此作答"
STUB = re.compile(
    rf"^(?P<space>[ \t]*){re.escape(BEGIN)}[ \t]*\n(?P<body>.*?)^[ \t]*{re.escape(END)}[ \t]*$",
    re.MULTILINE | re.DOTALL,
)
PLACE = re.compile(r"^\{\{([a-z0-9_-]+)\}\}$", re.MULTILINE)
NAME = re.compile(r"[a-z][a-z0-9_]*")


def starter(code: str) -> str:
    """Code without its solutions. Raises ExerciseError for marks that do not pair."""
    found = STUB.sub(
        lambda match: f"{match['space']}{YOURS}" + (f"\n{match['space']}..." if match["space"] else ""), code
    )
    if BEGIN in found or END in found:
        raise ExerciseError(f"{BEGIN} and {END} do not pair, or stand not on lines of their own")
    return found


def worked(code: str) -> str:
    """Code without the marks."""
    return "\n".join(line for line in code.split("\n") if line.strip() not in (BEGIN, END))


def task(exercise: Exercise, solution: bool) -> str:
    """An exercise as markdown."""
    stars = "★" * exercise.difficulty + "☆" * (3 - exercise.difficulty)
    parts = [
        f"## {exercise.id}: {exercise.title} {exercise.chinese}",
        f"{stars} {LEVELS[exercise.difficulty]}, about {exercise.minutes} minutes 分钟, "
        f"{exercise.points:g} point{'s' if exercise.points != 1 else ''} 分",
        exercise.goal,
        f"<details><summary>Hint 提示</summary>\n\n{exercise.hint}\n\n</details>",
    ]
    if solution:
        parts.append(f"**Rubric 评分标准.** {exercise.rubric}")
    return "\n\n".join(parts)


def head(of: ExerciseSet) -> str:
    """A set as markdown."""
    chapter = f" Chapter: `notebooks/{of.chapter}.ipynb`." if of.chapter else ""
    return f"# {of.title} {of.chinese}\n\n{of.about}{chapter}"


def notebooks_of(name: str, source: str) -> dict[str, str]:
    """The two notebooks of a set from its source, as text of their files: "student" and "solution"."""
    tool = _tool()
    of = find_set(name)
    made = {}
    for kind in ("student", "solution"):
        solution = kind == "solution"

        def words(match: re.Match[str], solution: bool = solution) -> str:
            return head(of) if match[1] == "set" else task(find(match[1]), solution)

        try:
            notebook = tool.from_text(source)
        except ValueError as error:
            raise ExerciseError(f"exercises/source/{name}.py: {error}") from None
        cells = []
        for cell in notebook["cells"]:
            text = "".join(cell["source"])
            if cell["cell_type"] == "markdown":
                text = PLACE.sub(words, text)
            else:
                text = worked(text) if solution else starter(text)
            tags = cell["metadata"].pop("tags", [])
            if "solution" in tags and not solution:
                continue
            if rest := [tag for tag in tags if tag != "solution"]:
                cell["metadata"]["tags"] = rest
            cells.append({**cell, "source": text.splitlines(keepends=True)})
        made[kind] = tool.written(tool.cleaned({"cells": cells}))
    return made


def release(names: Sequence[str] = (), *, check: bool = False, root: Path = ROOT) -> list[str]:
    """Write the notebooks of the sets (all, if none is named), or say which differ from their source.

    Gives what was written, or with check what is wrong. Raises ExerciseError.
    """
    folder = _course(root)
    told = []
    for name in names or set_names():
        find_set(name)
        source = folder / "source" / f"{name}.py"
        if not source.is_file():
            raise ExerciseError(f"{source}: there is no such file; `crmsim exercise new {name}` makes one")
        made = notebooks_of(name, source.read_text(encoding="utf-8"))
        for kind, path in (
            ("student", folder / f"{name}.ipynb"),
            ("solution", folder / "solutions" / f"{name}.ipynb"),
        ):
            same = path.is_file() and path.read_text(encoding="utf-8") == made[kind]
            if check and not same:
                told.append(
                    f"{path.relative_to(root)} is not what its source gives; run crmsim exercise release"
                )
            elif not check and not same:
                _write(path, made[kind])
                told.append(str(path.relative_to(root)))
    return told


def new(name: str, *, root: Path = ROOT) -> list[Path]:
    """A set to begin with: `crmsim/exercises/sets/NAME.py` and `exercises/source/NAME.py`. Raises
    ExerciseError."""
    if not NAME.fullmatch(name):
        raise ExerciseError(f"a set is named with small letters, digits and _, such as churn, not {name!r}")
    folder = _course(root)
    places = [root / "crmsim" / "exercises" / "sets" / f"{name}.py", folder / "source" / f"{name}.py"]
    if there := [place for place in places if place.exists()]:
        raise ExerciseError(f"{there[0]} is there already; choose another name")
    for place, text in zip(places, (SET, SOURCE), strict=True):
        _write(place, text.replace("NAME", name))
    return places


def _course(root: Path) -> Path:
    folder = root / "exercises"
    if not folder.is_dir() or not (root / "tools" / "notebooks.py").is_file():
        raise ExerciseError("exercises are written in the project's checkout, which is not here")
    return folder


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_bytes(text.encode("utf-8"))
    part.replace(path)


def _tool() -> Any:
    path = ROOT / "tools" / "notebooks.py"
    spec = importlib.util.spec_from_file_location("crmsim_notebooks_tool", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise ExerciseError("exercises are released in the project's checkout, which is not here")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SET = '''"""Chapter NN: what the set is about."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..answers import Data, Number
from ..exercise import Exercise, ExerciseSet
from ..student import Luck


def data(seed: int) -> dict[str, pd.DataFrame]:
    """What a student sees: small tables, in under a second, the same for a seed on every machine."""
    luck = Luck(seed, "NAME")
    amount = np.exp(luck.normal(40, 3, 0.8)).round(2)
    return {"sales": pd.DataFrame({"customer": np.arange(1, 41), "amount": amount})}


def mean(tables: Data) -> float:
    return float(tables["sales"]["amount"].mean())


SET = ExerciseSet(
    name="NAME",
    title="A title",
    chinese="标题",
    chapter="",
    about="`sales`: a row a customer: customer, amount (money).",
    data=data,
    exercises=(
        Exercise(
            id="NAME-1",
            title="The mean purchase",
            chinese="平均消费",
            difficulty=1,
            minutes=5,
            points=1,
            goal="How much does a customer spend on average, in money?",
            hint="`mean` of a column.",
            rubric="All points for the mean.",
            solve=mean,
            answer=Number(
                unit="money",
                wrong={
                    "this is the median 中位数, not the mean": lambda d: d["sales"]["amount"].median(),
                },
            ),
        ),
    ),
)
'''

SOURCE = '''# %% [markdown] id=title
"""
{{set}}
"""

# %% id=start
import crmsim as cs

course = cs.exercises.start("NAME", student="your id 学号")
check = course.check
sales = course.data["sales"]
sales.head()

# %% [markdown] id=NAME-1-task
"""
{{NAME-1}}
"""

# %% id=NAME-1
answer = ...
### BEGIN SOLUTION
answer = sales["amount"].mean()
### END SOLUTION
check("NAME-1", answer)
'''
