"""How long a class takes to grade: 200 submissions of all sets, with those that harm among them.

    python benchmarks/grading.py          two minutes

The worked solutions of all sets in turn, every fifth round the students' empty notebooks, and the hostile
and broken submissions of tests/test_grading.py. Prints the time of `crmsim grade` with two workers, and
whether each solution earned everything and each empty notebook nothing. Needs Linux, see exercises/README.md.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))
from test_grading import HOSTILE, RIGHT, START, notebook  # noqa: E402

STUDENTS = 200
EMPTY = 5  # every so many rounds of the sets the students' notebook in place of the solution


def make(folder: Path, base: Path) -> dict[str, str]:
    """Fill a folder with submissions; what each of the well-meant should earn, as "all" or "nothing"."""
    words = {"outside": str(base), "folder": str(folder), "out": str(base / "grades.csv"), "port": 9}
    for name, cells in HOSTILE.items():
        made = notebook(START, *(cell.format(**words) for cell in cells))
        (folder / f"{name}.ipynb").write_text(made, encoding="utf-8")
    (folder / "broken.ipynb").write_text('{"cells": [', encoding="utf-8")
    (folder / "empty.ipynb").write_text(notebook(), encoding="utf-8")
    (folder / "syntax.py").write_text(f"{START}\n{RIGHT}\nthis is no python\n", encoding="utf-8")
    sets = sorted(path.stem for path in (ROOT / "exercises").glob("*.ipynb"))
    earn = {}
    for k in range(STUDENTS - len(list(folder.iterdir()))):
        name = sets[k % len(sets)]
        empty = k // len(sets) % EMPTY == EMPTY - 1
        source = ROOT / "exercises" / (f"{name}.ipynb" if empty else f"solutions/{name}.ipynb")
        (folder / f"{k:03d}-{name}.ipynb").write_bytes(source.read_bytes())
        earn[f"{k:03d}-{name}"] = "nothing" if empty else "all"
    return earn


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        base = Path(place)
        (base / "precious").write_text("mine")
        folder = base / "submissions"
        folder.mkdir()
        earn = make(folder, base)
        words = [sys.executable, "-m", "crmsim", "grade", str(folder), "--out", str(base / "grades.csv")]
        begun = time.perf_counter()
        subprocess.run([*words, "--workers", "2"], check=True)
        seconds = time.perf_counter() - begun
        table = pd.read_csv(base / "grades.csv")
        own = table[table["student"].str[4:] == table["set"]].groupby("student")[["points", "of"]].sum()
        wrong = [
            name
            for name, what in earn.items()
            if own.loc[name, "points"] != (own.loc[name, "of"] if what == "all" else 0)
        ]
        touched = (base / "precious").read_text() != "mine"
    print(f"{STUDENTS} submissions, {len(HOSTILE)} of them hostile: {seconds:.0f} s")
    print(f"{len(earn) - len(wrong)} of {len(earn)} solutions and empty notebooks earned what they should")
    if wrong or touched:
        raise SystemExit(f"not as they should: {wrong}{'; a file outside was changed' if touched else ''}")


if __name__ == "__main__":
    main()
