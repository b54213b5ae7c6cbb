"""How long a class takes to grade: 200 submissions of all sets, with those that harm among them.

    python benchmarks/grading.py          two minutes

The worked solutions of all sets in turn, every fifth round the students' notebooks without an answer, and
the hostile and broken submissions of tests/test_grading.py. Prints the time of `crmsim grade` with two
workers. Ends with an error unless each solution earned everything, each notebook without an answer nothing,
and no submission nor file outside was changed. Needs Linux, see exercises/README.md.
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
from test_grading import HOSTILE, hand_in_harm  # noqa: E402

STUDENTS = 200
UNANSWERED = 5  # every so many rounds of the sets


def hand_in(folder: Path) -> dict[str, bool]:
    """Fill up the folder with well-meant submissions, `NUMBER-SET.ipynb`; for each whether it is solved."""
    sets = sorted(path.stem for path in (ROOT / "exercises").glob("*.ipynb"))
    solved = {}
    for k in range(STUDENTS - len(list(folder.iterdir()))):
        lap, which = divmod(k, len(sets))
        student = f"{k:03d}-{sets[which]}"
        solved[student] = lap % UNANSWERED < UNANSWERED - 1
        source = ROOT / "exercises" / ("solutions" if solved[student] else ".") / f"{sets[which]}.ipynb"
        (folder / f"{student}.ipynb").write_bytes(source.read_bytes())
    return solved


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        folder, outside, results = (Path(place) / name for name in ("submissions", "outside", "results"))
        for made in (folder, outside, results):
            made.mkdir()
        (outside / "precious").write_text("mine")
        out = results / "grades.csv"
        hand_in_harm(folder, outside, out, port=9)
        solved = hand_in(folder)
        before = contents(folder), contents(outside)
        words = [sys.executable, "-m", "crmsim", "grade", str(folder), "--out", str(out), "--workers", "2"]
        begun = time.perf_counter()
        subprocess.run(words, check=True)
        seconds = time.perf_counter() - begun
        changed = before != (contents(folder), contents(outside))
        table = pd.read_csv(out)
    own = table[table["student"].str[4:] == table["set"]].groupby("student")[["points", "of"]].sum()
    wrong = [name for name, full in solved.items() if own["points"][name] != (own["of"][name] if full else 0)]
    print(f"{STUDENTS} submissions, {len(HOSTILE)} of them hostile: {seconds:.0f} s")
    print(f"{len(solved) - len(wrong)} of {len(solved)} well-meant ones earned what they should")
    if wrong or changed:
        raise SystemExit(f"wrong points: {wrong or 'none'}; files changed: {changed}")


if __name__ == "__main__":
    main()
