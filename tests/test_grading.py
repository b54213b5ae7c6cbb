"""Grading: submissions that are late, broken, empty, endless, greedy or hostile; tables and the overview."""

from __future__ import annotations

import datetime as dt
import json
import os
import threading
import time
from pathlib import Path

import pandas as pd
import pytest

from crmsim.cli import main
from crmsim.exercises import find_set
from crmsim.exercises.answers import Verdict
from crmsim.exercises.grade import (
    GradeError,
    Grader,
    Late,
    Result,
    as_format,
    cells_of,
    grade_all,
    grade_folder,
    grades,
    sets_of,
    submissions,
    write_csv,
)
from crmsim.exercises.inside import cell_code
from crmsim.exercises.overview import overview
from crmsim.exercises.sandbox import PROTECTIONS, Limits, SandboxError, Session, _without
from crmsim.exercises.student import Student

LIMITS = Limits(seconds=25, cell_seconds=4, memory=2_000, file=5, folder=20, answers=2)


@pytest.fixture(scope="session")
def walled():
    """Skips where the system has not all the walls."""
    try:
        with Session(["pass"], lambda name: {}) as session:
            session.run()
    except SandboxError as error:
        pytest.skip(str(error))


walls = pytest.mark.usefixtures("walled")


def notebook(*cells: str) -> str:
    made = [
        {"cell_type": "code", "source": c, "metadata": {}, "outputs": [], "execution_count": None}
        for c in cells
    ]
    return json.dumps({"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


START = "import crmsim as cs\ncourse = cs.exercises.start('rfm', student='x')\ncheck = course.check"
RIGHT = "m = course.data['mailing']\ncheck('rfm-1', m.loc[m['mailed'] == 1, 'bought'].mean())"

# ruff: noqa: E501 (the code of these stands as they wrote it)
# bytes(n) takes address space without touching it: the limit is met long before the seconds are, on any machine
# what each tries, after a right answer to rfm-1 or in place of one; {outside} is a folder it must not touch
HOSTILE = {
    "endless": (RIGHT, "while True:\n    try:\n        while True:\n            pass\n    except BaseException:\n        pass"),
    "memory": (RIGHT, "hoard = []\nwhile True:\n    hoard.append(bytes(50_000_000))"),
    "deleter": ("import shutil, os\nshutil.rmtree({outside!r}, ignore_errors=True)\nos.remove({outside!r} + '/precious')", RIGHT),
    "writer": ("open({outside!r} + '/precious', 'w').write('gone')", "open({outside!r} + '/new', 'w')", RIGHT),
    "mover": ("import os\nos.rename({outside!r} + '/precious', 'mine')", "import os\nos.chmod({outside!r}, 0)",
              "import os\nos.utime({outside!r} + '/precious', (0, 0))", "import os\nos.link({outside!r} + '/precious', 'mine')", RIGHT),
    "reader": ("check('rfm-1', open({outside!r} + '/precious').read())",),
    "neighbour": ("import glob\ncheck('rfm-4', glob.glob({folder!r} + '/*'))", "check('rfm-2', open({folder!r} + '/honest.ipynb').read())"),
    "forker": (RIGHT, "import os\nwhile True:\n    os.fork()"),
    "shell": (RIGHT, "import subprocess\nsubprocess.run(['touch', {outside!r} + '/new'])", "import os\nos.system('touch {outside}/new')"),
    "leaver": (RIGHT, "import os\nos._exit(0)", "check('rfm-2', 1)"),
    "killer": ("import os\nos.kill(os.getppid(), 9)", "import os\nos.kill(-1, 9)", RIGHT),
    "forger": (
        "import crmsim.exercises as e\ne.check = lambda *a: True\ne.Verdict = None",
        "class Equal(float):\n    def __eq__(s, o): return True\n    def __sub__(s, o): return 0.0\n    def __abs__(s): return 0.0\n"
        "    __hash__ = float.__hash__\nfor k in range(1, 6): check(f'rfm-{{k}}', Equal(1))",
        "import json, os\nfor f in range(3, 64):\n    try: os.write(f, b'{{\"share\": 1, \"points\": 13, \"check\": \"rfm-5\", \"answer\": {{\"share\": 1}}}}\\n')\n"
        "    except OSError: pass",
    ),
    "result_writer": ("for place in ({out!r}, {out!r}.replace('.csv', '.done.jsonl')): open(place, 'w').write('me,13')",),
    "peeper": ("import crmsim.exercises.sets.rfm as r\ncheck('rfm-1', r.response(course.data))",
               "import importlib.util as u, crmsim\np = crmsim.__path__[0] + '/exercises/sets/rfm.py'\ncheck('rfm-2', open(p).read())"),
    "caller": ("import urllib.request\ncheck('rfm-1', urllib.request.urlopen('http://127.0.0.1:{port}/').read().decode())", RIGHT),
    "talker": (RIGHT, "print('x' * 100_000_000)", "while True: check('rfm-2', 'y' * 100_000)"),
    "hoarder": (RIGHT, "k = 0\nwhile True:\n    open(f'f{{k}}', 'wb').write(bytes(4_000_000)); k += 1"),
    "digger": (
        RIGHT,
        "import os\nwhile True:\n    os.mkdir('d'); os.chdir('d')",
    ),
    "asker": (
        RIGHT,
        "import crmsim as cs\nwhile True: cs.exercises.start('rfm')",
    ),
    "garbler": (RIGHT, "import os\nfor f in range(3, 64):\n    try: os.write(f, b'[[[[' * 1000 + b'\\n')\n    except OSError: pass"),
    "pickler": ("class Bad:\n    def __reduce__(self):\n        import os\n        return os.system, ('touch {outside}/new',)\ncheck('rfm-1', Bad())",
                "def f(values):\n    return Bad()\ncheck('rfm-3', f)"),
    "sleeper": (RIGHT, "def f(values):\n    import time\n    while True: time.sleep(1)\ncheck('rfm-3', f)"),
}  # fmt: skip


def hand_in_harm(folder: Path, outside: Path, out: Path, port: int) -> None:
    """Everything above as submissions, and a broken, an empty and a mistyped one. They try `outside` with its
    file `precious`, the results at `out`, and a port of this machine."""
    words = {"outside": str(outside), "folder": str(folder), "out": str(out), "port": port}
    for name, cells in HOSTILE.items():
        (folder / f"{name}.ipynb").write_text(notebook(START, *(cell.format(**words) for cell in cells)))
    (folder / "broken.ipynb").write_text('{"cells": [')
    (folder / "empty.ipynb").write_text(notebook())
    (folder / "syntax.py").write_text(f"{START}\n{RIGHT}\nthis is no python")


@pytest.fixture(scope="module")
def batch(walled, tmp_path_factory):
    """Everything above graded together with honest students; the grades, by student and exercise."""
    base = tmp_path_factory.mktemp("batch")
    folder, outside, out = base / "submissions", base / "outside", base / "out" / "grades.csv"
    folder.mkdir()
    outside.mkdir()
    out.parent.mkdir()
    (outside / "precious").write_text("mine")
    import socket

    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        hand_in_harm(folder, outside, out, server.getsockname()[1])
        for name in ("honest", "zz_honest"):
            (folder / f"{name}.ipynb").write_text(notebook(START, RIGHT))
        (folder / "nothing").mkdir()
        (folder / "link.py").symlink_to(outside / "precious")
        before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
        begun = time.monotonic()
        table, page = grade_folder(folder, out, sets=["rfm"], limits=LIMITS, progress=False)
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()  # nobody called
    after = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    assert after == before
    return {"base": base, "out": out, "page": page, "table": table, "seconds": time.monotonic() - begun}


@walls
@pytest.mark.slow
def test_hostile_submissions_harm_nothing(batch):
    outside = batch["base"] / "outside"
    assert [path.name for path in outside.iterdir()] == ["precious"]
    assert (outside / "precious").read_text() == "mine" and (outside / "precious").stat().st_mtime > 0
    assert sorted(path.name for path in batch["out"].parent.iterdir()) == [
        "grades.csv", "grades.done.jsonl", "grades.html",
    ]  # fmt: skip


@walls
@pytest.mark.slow
def test_everybody_gets_the_points_of_the_answers_that_hold(batch):
    table = batch["table"]
    points = table[table["points"] > 0].groupby("student")["exercise"].agg(list).to_dict()
    named_right = [name for name, cells in HOSTILE.items() if RIGHT in cells]
    assert points == {name: ["rfm-1"] for name in (*named_right, "honest", "zz_honest")}
    assert set(table["student"]) == {
        *HOSTILE,
        "honest",
        "zz_honest",
        "broken",
        "empty",
        "nothing",
        "link",
        "syntax",
    }
    notes = table.drop_duplicates("student").set_index("student")["notes"]
    for student, words in {
        "endless": "out of time", "memory": "MemoryError", "deleter": "PermissionError", "writer": "PermissionError",
        "mover": "Permission", "forker": "Error", "shell": "Permission", "leaver": "ended before",
        "killer": "Permission", "forger": "", "peeper": "", "caller": "URLError", "talker": "too much said",
        "garbler": "unreadable", "broken": "broken", "empty": "empty", "nothing": "no notebook",
        "link": "a link", "syntax": "SyntaxError", "honest": "another id: x", "reader": "PermissionError",
        "result_writer": "PermissionError", "digger": "", "asker": "too much asked",
    }.items():  # fmt: skip
        assert words in notes[student], (student, notes[student])
    told = table.set_index(["student", "exercise"])["reason"]
    assert "Equal" in told["forger", "rfm-1"] or "Not answered" in told["forger", "rfm-1"]
    assert "fails" in told["sleeper", "rfm-3"]
    assert table["share"].between(0, 1).all()


@walls
@pytest.mark.slow
def test_what_is_done_is_not_done_again(batch, monkeypatch):
    def never(*_):
        raise AssertionError("graded again")

    monkeypatch.setattr(Grader, "grade", never)
    folder = batch["base"] / "submissions"
    again, _ = grade_folder(folder, batch["out"], sets=["rfm"], limits=LIMITS, progress=False)
    pd.testing.assert_frame_equal(again, batch["table"])


@walls
@pytest.mark.slow
def test_a_solution_earns_everything_in_the_sandbox(root, tmp_path, capsys):
    folder = tmp_path / "in"
    (folder / "2023-02" / "inner").mkdir(parents=True)
    (folder / "2023-01.ipynb").write_bytes((root / "exercises" / "solutions" / "rfm.ipynb").read_bytes())
    (folder / "2023-02" / "inner" / "a.ipynb").write_bytes((root / "exercises" / "rfm.ipynb").read_bytes())
    late = dt.datetime(2026, 12, 3, 1).timestamp()
    os.utime(folder / "2023-01.ipynb", (late, late))
    out = tmp_path / "g.csv"
    words = [
        "grade",
        str(folder),
        "--out",
        str(out),
        "--due",
        "2026-12-01",
        "--late",
        "10%",
        "--key",
        "secret",
    ]
    assert main(words) == 0
    told = capsys.readouterr().out
    assert "protections that are on: limits, files, network, processes" in told
    table = pd.read_csv(out)
    sums = table.groupby("student")[["points", "of"]].sum()
    assert sums.loc["2023-01", "points"] == pytest.approx(0.8 * 13)  # two days late
    assert sums.loc["2023-02", "points"] == 0
    assert table[table["student"] == "2023-02"]["mistake"].eq("not answered").all()


@walls
def test_a_session_hears_answers_and_failures():
    with Session(
        [START, "%matplotlib inline\n!ls\ncheck('rfm-2', 2.5)", "1 / 0"], Student("a").data
    ) as session:
        session.run()
        assert session.protections == list(PROTECTIONS)
    assert session.answers == {"rfm-2": 2.5}
    assert session.failures == [(3, "ZeroDivisionError: division by zero")]
    assert (session.started, session.students, session.ended) == (["rfm"], ["x"], "")
    assert not session.folder.exists()


@pytest.mark.slow
@walls
def test_a_session_can_be_stopped_from_outside():
    with Session(["while True: pass"], lambda name: {}) as session:
        timer = threading.Timer(4, session.interrupt)
        timer.start()
        session.run()
        timer.join()
    assert session.ended == "interrupted"


def test_without_walls_nothing_runs_unless_it_is_wanted(monkeypatch, tmp_path):
    monkeypatch.setitem(PROTECTIONS, "moat", "water around it")
    session = Session([f"open({str(tmp_path / 'ran')!r}, 'w')"], lambda name: {})
    with session, pytest.raises(SandboxError, match="moat"):
        session.run()
    assert not (tmp_path / "ran").exists()
    with Session(["import os"], lambda name: {}, unprotected=True) as session:
        session.run()
    assert "moat" not in session.protections and not session.ended


# -- without a process ---------------------------------------------------------------------------------------


def test_submissions_are_found(tmp_path):
    for name in (
        "A1.ipynb",
        "b2.py",
        "c3/deep/x.ipynb",
        "c3/notes.txt",
        "d4/readme.md",
        ".hidden.ipynb",
        "e.txt",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    found = {s.student: [path.name for path in s.files] for s in submissions(tmp_path)}
    assert found == {"a1": ["A1.ipynb"], "b2": ["b2.py"], "c3": ["x.ipynb"], "d4": []}
    with pytest.raises(GradeError, match="no such folder"):
        submissions(tmp_path / "gone")
    (tmp_path / "none").mkdir()
    with pytest.raises(GradeError, match="no submissions"):
        submissions(tmp_path / "none")


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"cells": 3}', '{"cells": [{"cell_type": "code"}]}', '{"cells": [1]}', "[" * 100_000,
             '{"cells": [{"cell_type": "code", "source": [1]}]}'],
    ids=range(8),
)  # fmt: skip
def test_broken_notebooks_are_told(text, tmp_path):
    path = tmp_path / "a.ipynb"
    path.write_text(text)
    with pytest.raises(ValueError, match="broken"):
        cells_of(path)


def test_lines_for_jupyter_are_left_out():
    assert cell_code("%matplotlib inline\nx = 1\n  !ls\ny = x % 2") == "\nx = 1\n\ny = x % 2"
    assert cell_code("%%bash\nrm -r /") == ""


def test_what_is_hidden_is_not_among_what_may_be_read(tmp_path):
    for name in ("a/b/secret/x", "a/b/c/y", "a/d"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    shown = set(_without(tmp_path / "a", {tmp_path / "a" / "b" / "secret"}))
    assert shown == {tmp_path / "a" / "b" / "c", tmp_path / "a" / "d"}


def test_late_days():
    late = Late(dt.date(2026, 12, 1), 0.1)
    assert late.days(dt.datetime(2026, 12, 1, 23, 59)) == 0
    assert late.days(dt.datetime(2026, 12, 2, 0, 1)) == 1
    assert late.days(dt.datetime(2026, 12, 4, 12)) == 3
    assert (late.factor(3), late.factor(20), Late().days(dt.datetime(2026, 1, 1))) == (
        pytest.approx(0.7),
        0,
        0,
    )


@pytest.fixture
def table(tmp_path):
    (tmp_path / "a.py").touch()
    (tmp_path / "=b.py").touch()
    found = submissions(tmp_path)
    results = [
        Result(s.student, {"rfm-1": Verdict(1, "Right"), "rfm-2": Verdict(0.5, "<b>no</b>", "<script>x</script>")},
               ["rfm"], ["<img src=x>"])
        for s in found
    ]  # fmt: skip
    return grades(found, results, sets_of(results), Late())


def test_formats_of_other_programs(table):
    nbgrader = as_format(table, "nbgrader", Late(), {})
    assert list(nbgrader)[:4] == ["assignment", "duedate", "timestamp", "student_id"]
    assert nbgrader[["score", "max_score"]].to_numpy().tolist() == [[2.0, 13.0]] * 2
    moodle = as_format(table, "moodle", Late(), {})
    assert list(moodle) == ["ID number", "rfm (points)", "rfm (feedback)"]
    assert "rfm-1: Right" in moodle["rfm (feedback)"].iloc[0]


def test_a_spreadsheet_gets_no_formulas(table, tmp_path):
    write_csv(table, tmp_path / "g.csv")
    back = pd.read_csv(tmp_path / "g.csv")
    assert set(back["student"]) == {"'=b", "a"}
    assert not (tmp_path / "g.csv.part").exists()


def test_the_overview_is_whole_and_runs_nothing(table):
    page = overview(table, [find_set("rfm")], "class")
    assert "<script" not in page and "<img" not in page and "&lt;script&gt;" in page
    assert "http" not in page
    assert "2 students reached 15" in page and "rfm-5" in page


def test_of_equally_hard_exercises_the_overview_keeps_the_order(tmp_path):
    (tmp_path / "a.py").touch()
    one = find_set("water")
    page = overview(
        grades(submissions(tmp_path), [Result("a", {}, ["water"])], [one], Late()), [one], "class"
    )
    places = [page.index(f"<td>{e.id}</td>") for e in one.exercises]
    assert len(places) >= 10 and places == sorted(places)


def test_sets_are_those_begun_or_named(tmp_path):
    assert [s.name for s in sets_of([Result("a", {}, ["rfm"])])] == ["rfm"]
    assert [s.name for s in sets_of([Result("a")], ["portfolio"])] == ["portfolio"]
    with pytest.raises(GradeError, match="--set"):
        sets_of([Result("a")])


def test_a_torn_line_costs_one_submission_only(tmp_path, monkeypatch):
    for name in ("a", "b"):
        (tmp_path / f"{name}.py").write_text("x")
    found, kept = submissions(tmp_path), tmp_path / "kept.jsonl"
    graded = []

    def quick(self, submission):
        graded.append(submission.student)
        return Result(submission.student, notes=["seen"])

    monkeypatch.setattr(Grader, "grade", quick)
    grade_all(found, kept, Grader(), progress=False)
    kept.write_text(kept.read_text()[:-20])
    results = grade_all(found, kept, Grader(), progress=False)
    assert len(graded) == 3 and [r.student for r in results] == ["a", "b"]
    (tmp_path / "a.py").write_text("changed")
    grade_all(found, kept, Grader(), progress=False)
    grade_all(found, kept, Grader(), progress=False)
    assert graded[3:] == ["a"]


def test_a_fault_of_the_grader_costs_one_submission_only(tmp_path, monkeypatch):
    for name in ("a", "b"):
        (tmp_path / f"{name}.py").write_text("x")

    def faulty(self, submission):
        return Result(submission.student) if submission.student == "b" else 1 / 0

    monkeypatch.setattr(Grader, "grade", faulty)
    kept = tmp_path / "kept.jsonl"
    results = grade_all(submissions(tmp_path), kept, Grader(), progress=False)
    assert [r.notes for r in results] == [["the grader failed: ZeroDivisionError: division by zero"], []]
    assert len(kept.read_text().splitlines()) == 1


def test_an_interruption_keeps_what_is_done(tmp_path, monkeypatch):
    for name in "abcdef":
        (tmp_path / f"{name}.py").write_text("x")
    found, kept = submissions(tmp_path), tmp_path / "kept.jsonl"

    def quick(self, submission):
        if submission.student == "c":
            raise KeyboardInterrupt
        return Result(submission.student)

    monkeypatch.setattr(Grader, "grade", quick)
    with pytest.raises(KeyboardInterrupt):
        grade_all(found, kept, Grader(), workers=1, progress=False)
    assert {json.loads(line)["student"] for line in kept.read_text().splitlines()} >= {"a", "b"}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["grade", "gone"], "no such folder"),
        (["grade", ".", "--out", "grades.xls"], "ends in .csv"),
        (["grade", ".", "--set", "rfn"], "did you mean 'rfm'"),
        (["grade", ".", "--due", "tomorrow"], "write it as 2026-12-01"),
        (["exercise", "new"], "name the set"),
        (["exercise", "list", "--check"], "--check goes with release"),
    ],
)
def test_mistakes_on_the_command_line_are_told(words, told, capsys, monkeypatch, tmp_path):
    monkeypatch.setattr("crmsim.exercises.grade.protections", lambda unprotected: [])
    monkeypatch.chdir(tmp_path)
    words = [str(tmp_path / w) if w == "grades.xls" else w for w in words]
    assert main(words) == 2
    assert told in capsys.readouterr().err


def test_exercises_are_listed(capsys):
    assert main(["exercise", "list", "rfm"]) == 0
    assert "rfm-5" in capsys.readouterr().out
