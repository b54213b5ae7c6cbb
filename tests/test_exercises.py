"""Exercises: students' data, kinds of answer, every set's solutions and mistakes, release."""

import hashlib
import json
import math
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from crmsim.exercises import Luck, Student, find, find_set, release, seed_of, set_names, start
from crmsim.exercises.answers import (
    Choice,
    Function,
    Names,
    Number,
    Plan,
    Policy,
    Ranking,
    Table,
    Targets,
)
from crmsim.exercises.exercise import Exercise, ExerciseError, ExerciseSet, local_call
from crmsim.exercises.plain import plain
from crmsim.exercises.student import tables_of

LUCK = [0.555534547034, 0.024216956371, 0.551155547328]
STUDENTS = ("2023-17", "张三", "b", "c", "d", "e")
EXERCISES = [each for name in set_names() for each in find_set(name).exercises]
every_exercise = pytest.mark.parametrize("exercise", EXERCISES, ids=lambda each: each.id)
every_set = pytest.mark.parametrize("name", set_names())


def judge(kind, answer, reference=None, data=None):
    call = local_call(answer) if callable(answer) else None
    return kind.check(plain(answer), reference, data or {}, 7, call)


# -- students ------------------------------------------------------------------------------------------


def test_an_id_is_trimmed_and_folded():
    assert seed_of(" 2023-A ") == seed_of("2023-a") == seed_of("\uff12\uff10\uff12\uff13-\uff21")
    assert seed_of("2023-a") != seed_of("2023-b")
    assert seed_of("2023-a") != seed_of("2023-a", "key")
    assert (
        seed_of("2023-17")
        == int.from_bytes(hashlib.sha256(b"crmsim exercises\n2023-17\n").digest()[:8], "big") // 2
    )
    for empty in ("", "  ", None, True):
        with pytest.raises(ValueError, match="id"):
            seed_of(empty)


def test_luck_is_the_same_everywhere():
    luck = Luck(1, "a")
    # computed once; Philox's words, so the same with every NumPy and on every machine
    assert luck.uniform(3).round(12).tolist() == LUCK
    assert (
        Luck(1, "a").uniform(3).tolist()
        == Luck(1, "a").uniform(3).tolist()
        != Luck(1, "b").uniform(3).tolist()
    )
    values = luck.normal(4000, 10, 2)
    assert abs(values.mean() - 10) < 4 * 2 / math.sqrt(4000)
    assert sorted(luck.order(list("abcd"))) == list("abcd")
    assert set(luck.whole(500, 1, 5)) == {1, 2, 3, 4, 5}


@pytest.mark.parametrize(
    "name",  # `measures` simulates 56 small worlds a student
    [pytest.param(name, marks=pytest.mark.slow) if name == "measures" else name for name in set_names()],
)
def test_the_same_id_gives_the_same_data_and_another_other(name):
    one, same, other = (Student(each).data(name) for each in ("2023-17", " 2023-17", "2023-18"))
    assert list(one) == list(same) == list(other)
    for table in one:
        pd.testing.assert_frame_equal(one[table], same[table])
    assert any(not one[table].equals(other[table]) for table in one)
    first = next(iter(one))
    one[first].iloc[:, 0] = 0  # a student's copy
    assert not Student("2023-17").data(name)[first].equals(one[first])


@pytest.mark.slow
@every_set
def test_another_process_makes_the_same_data(name):
    code = (
        "import hashlib; from crmsim.exercises import Student; "
        f"tables = Student('x').data({name!r}).values(); "
        "print(*[hashlib.sha256(t.to_csv().encode()).hexdigest() for t in tables])"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    here = [hashlib.sha256(t.to_csv().encode()).hexdigest() for t in Student("x").data(name).values()]
    assert told == here


# -- the sets --------------------------------------------------------------------------------------------


@every_exercise
def test_it_is_whole(exercise):
    for words in (exercise.title, exercise.chinese, exercise.goal, exercise.hint, exercise.rubric):
        assert words.strip()
    assert any("\u4e00" <= letter <= "\u9fff" for letter in exercise.chinese)
    assert (
        (exercise.solve is not None)
        or (exercise.truth is not None)
        or isinstance(exercise.answer, Targets | Plan | Policy)
    )


@pytest.mark.slow
@every_exercise
def test_the_reference_is_right_and_typical_mistakes_get_their_hint(exercise):
    for student in STUDENTS:
        seed = seed_of(student)
        tables = tables_of(exercise, seed)
        if exercise.solve is None and exercise.truth is None:
            continue
        assert exercise.judge_here(exercise.reference(seed), seed).right
        for sentence, mistake in exercise.answer.wrong.items():
            found = exercise.judge_here(mistake(tables), seed)
            assert not found.right and found.mistake == sentence, (student, sentence, found)


@every_exercise
def test_nonsense_earns_nothing_and_is_told(exercise):
    seed = seed_of("2023-17")
    reference = exercise.reference(seed)
    if reference is not None:  # computed once for all answers
        exercise = replace(exercise, solve=None, truth=lambda seed: reference)
    for answer in (..., None, float("nan"), math.inf, "text", [], {}, object(), True, [[1]], np.array(["x"]),
                   pd.DataFrame(), pd.Series([], dtype=float), pd.NA,
                   10**400, lambda *a: None, -1e300):  # fmt: skip
        verdict = exercise.judge_here(answer, seed)
        assert verdict.share == 0 and verdict.told and verdict.mistake, (answer, verdict)


def run_notebook(path, student, capsys):
    """Run the cells of a notebook here as a student; gives the Course."""
    space = {}
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]).replace("your id 学号", student), space)
    capsys.readouterr()
    return space["course"]


@pytest.mark.slow
@every_set
def test_solutions_earn_everything_and_starters_nothing(name, root, capsys):
    for student in STUDENTS:
        solved = run_notebook(root / "exercises" / "solutions" / f"{name}.ipynb", student, capsys)
        wrong = {each: v.told for each, v in solved.verdicts.items() if not v.right}
        assert not wrong and len(solved.verdicts) == len(solved.set.exercises), (student, wrong)
    begun = run_notebook(root / "exercises" / f"{name}.ipynb", STUDENTS[0], capsys)
    assert len(begun.verdicts) == len(begun.set.exercises)
    assert not any(v.share or v.answered for v in begun.verdicts.values())


# -- kinds of answer ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "mistake"),
    [
        (0.2, ""),
        (np.float64(0.2004), ""),
        (pd.Series([0.2]), ""),
        (20, "factor of 100"),
        (0.2 / 12, "factor of 12"),
        (200, "factor of 1,000"),
        (-0.2, "sign"),
        (0.8, "all the others"),
        (5, "no share"),
        (0.25, "my own slip"),
        (0.21, "another number"),
        ([0.2, 0.3], "another shape"),
        ("0.2", "another kind"),
        (float("nan"), "no plain value"),
    ],
)
def test_a_number(answer, mistake):
    kind = Number(unit="share", wrong={"my own slip": lambda data: 0.25})
    verdict = judge(kind, answer, 0.2)
    assert verdict.right is (not mistake) and mistake in verdict.mistake
    assert "0.2" not in verdict.told.replace("0.21", "")  # the answer is not given away


def test_a_number_of_another_type():
    assert judge(Number(), np.longdouble(0.2), 0.2).right
    assert "without quotes" in judge(Number(), "0.2", 0.2).told
    assert "without quotes" not in judge(Number(), "about a fifth", 0.2).told
    assert judge(Names(), range(3), [0, 1, 2]).right and judge(Names(), {"a": 1}.keys(), ["a"]).right


def test_of_two_mistakes_the_nearer_is_told():
    kind = Number(absolute=1, wrong={"far": lambda d: 10.0, "near": lambda d: 10.9})
    assert judge(kind, 10.8, 50.0).mistake == "near"


def test_a_choice():
    kind = Choice(options=("churn", "loyalty"), wrong={"loyalty": "they left"})
    assert judge(kind, " Churn ", "churn").right
    assert judge(kind, "loyalty", "churn").mistake == "they left"
    assert "no option" in judge(kind, "x", "churn").told
    assert judge(kind, 3, "churn").mistake == "another kind"


def test_names_in_any_order_with_part_marks():
    kind = Names(what="customers", wrong={"the others": lambda d: [9]})
    right = [1, 2, 3, 4]
    for good in (
        [4, 3, 2, 1],
        {1, 2, 3, 4},
        np.array(right),
        pd.Series(right),
        pd.Index(right),
        ["1", 2.0, 3, 4],
    ):
        assert judge(kind, good, right).right
    assert judge(kind, [1, 2, 3], right).share == pytest.approx(0.5)  # Jaccard .75
    assert judge(kind, list(range(100)), right).share == 0
    assert judge(kind, [9], right).mistake == "the others"
    assert "empty" in judge(kind, [], right).mistake
    assert judge(kind, 5, right).mistake == "another kind"


@pytest.mark.parametrize(
    ("answer", "mistake"),
    [
        ([1, 2, math.nan], "missing values"),
        ([None], "missing values"),
        ([[1, 2], [3, 4]], "lists within lists"),
        (pd.Series([True, False]), "True and False"),
        (pd.Series([0.5, 0.4], index=[1, 2]), "a Series is read by its values"),
        (pd.DataFrame({"customer": [1, 2], "x": [3, 4]}), "another kind"),
    ],
)
@pytest.mark.parametrize(
    "kind", [Names(), Ranking(), Targets(count=4, worth=lambda seed: pd.Series(1.0, index=[1, 2, 3, 4]))]
)
def test_a_list_of_names_that_holds_something_else(kind, answer, mistake):
    assert judge(kind, answer, [1, 2, 3, 4]).mistake == mistake


def test_a_ranking():
    kind = Ranking(what="goods")
    assert judge(kind, ["a", "b", "c"], ["a", "b", "c"]).right
    assert "the other way" in judge(kind, ["c", "b", "a"], ["a", "b", "c"]).mistake
    assert "same names" in judge(kind, ["a", "a", "c"], ["a", "b", "c"]).mistake
    assert 0 < judge(kind, ["b", "a", "c", "d", "e"], list("abcde")).share < 1


def test_a_table():
    right = pd.DataFrame({"customer": [1, 2, 3, 4], "x": [1.0, 2.0, 3.0, 4.0], "y": list("abcd")}).set_index(
        "customer"
    )
    kind = Table(columns=("x", "y"), wrong={"doubled": lambda d: right.assign(x=right["x"] * 2)})
    assert judge(kind, right, right).right
    assert judge(kind, right.reset_index().iloc[::-1][["y", "x", "customer"]], right).right
    assert judge(kind, right.assign(x=right["x"] * 2), right).mistake == "doubled"
    assert "missing" in judge(kind, right[["x"]], right).mistake
    assert judge(kind, right.iloc[:3], right).mistake == "other rows"
    assert judge(kind, pd.concat([right, right]), right).mistake == "rows are named twice"
    one_off = right.assign(x=[1.0, 2.0, 3.0, 9.0])
    assert judge(kind, one_off, right).share == pytest.approx(0.75)  # 7 of 8 entries
    assert judge(kind, right.assign(x=[1.0, 2.0, 3.0, None]), right).mistake == "missing values"
    assert (
        judge(kind, right.assign(x=["1.0", "2.0", "3.0", "4.0"]), right).mistake == "text in place of numbers"
    )
    more = pd.concat([right.iloc[1:], right.iloc[:1].set_axis([99]), right.iloc[:1].set_axis([98])])
    told = judge(kind, more.rename_axis("customer"), right).told
    assert "rows missing: 1, rows too many: 2" in told


def test_a_function():
    kind = Function(inputs=lambda seed: [(1,), (2,), (seed,)], wrong={"no square": lambda d: lambda x: 2 * x})
    square = lambda x: x * x  # noqa: E731
    assert judge(kind, lambda x: x**2, square).right
    assert judge(kind, lambda x: x + x, square).mistake == "no square"
    assert "ZeroDivisionError" in judge(kind, lambda x: 1 / 0, square).told
    assert judge(kind, lambda x: x * x if x < 3 else 0, square).share == pytest.approx(1 / 3)
    assert not judge(kind, lambda x: None, square).answered
    assert judge(kind, 4, square).mistake == "another kind"

    def fails(x):
        x = x + 1
        raise ValueError("no\nluck")

    told = judge(kind, fails, square).told
    assert "ValueError: no luck, in line 3 of fails" in told


def test_a_function_that_changes_its_input_is_judged_on_the_input_as_it_was():
    kind = Function(inputs=lambda seed: [([3, 1, 2],), ([9, 7, 8],)])

    def in_place(values):
        values.sort()
        return list(values)

    assert judge(kind, in_place, lambda values: list(values)).share == 0
    assert judge(kind, in_place, sorted).right
    # nor does the reference change what the next one gets
    assert kind.inputs(0)[0] == ([3, 1, 2],)
    assert judge(kind, lambda values: values[:1], sorted).mistake == "another length"
    assert judge(kind, lambda values: [math.nan] * 3, sorted).mistake == "missing values"


def test_targets():
    worth = pd.Series([10.0, 8.0, 1.0, 1.0], index=[11, 12, 13, 14])
    kind = Targets(count=2, worth=lambda seed: worth, enough=0.9)
    assert judge(kind, [11, 12]).right
    assert judge(kind, [13, 14]).mistake == "no better than chance"
    assert 0 < judge(kind, [11, 13]).share < 1
    for bad, mistake in (([11], "number"), ([11, 11], "twice"), ([11, 99], "unknown")):
        assert mistake in judge(kind, bad).mistake


def test_a_plan():
    worth = {frozenset("a"): 1.0, frozenset("b"): 2.0, frozenset("c"): 9.0, frozenset("ab"): 8.0}
    kind = Plan(
        costs=lambda data: {"a": 3.0, "b": 4.0, "c": 6.0},
        budget=lambda data: 7.0,
        worth=lambda seed: worth,
        enough=0.9,
    )
    assert judge(kind, ["c"]).right
    assert judge(kind, ["b", "a"]).share == pytest.approx((8 - 5) / (9 - 5) / 0.9)
    assert judge(kind, {"a"}).mistake == "no better than chance"
    for bad, mistake in (
        (["a", "c"], "over the budget"),
        (["a", "a"], "twice"),
        (["z"], "unknown"),
        ([], "empty"),
    ):
        assert mistake in judge(kind, bad).mistake
    assert judge(kind, "a").mistake == "another kind"


def small_world(seed):
    from crmsim.simulation.scenario import Scenario

    return Scenario.preset("subscription").replace(population__size=600, population__months=12), seed


@pytest.mark.slow
def test_a_policy_is_tried_against_chance_and_the_oracle():
    kind = Policy(world=small_world, share=0.1, enough=0.2)
    assert judge(kind, "retention_call:target=random").mistake == "no better than chance"
    by_rule = judge(kind, lambda view: view["risk_score"].sort_values(ascending=False).index)
    by_name = judge(kind, "retention_call:target=risk")
    assert by_rule == by_name  # the same customers are called
    assert judge(kind, lambda view: view.gone).mistake == "the policy fails"
    assert judge(kind, lambda view: "x").mistake == "the policy fails"
    scores = judge(kind, lambda view: view["risk_score"])
    assert "from the index of view" in scores.told
    assert "from the index of view" in judge(kind, lambda view: [10**9]).told
    assert "is given" in judge(kind, "retention_call:share=1").told
    assert "one of" in judge(kind, "dunning").told
    for measure in ("oracle", "by lot"):
        assert judge(kind, measure).mistake == "the policy fails"  # only what one is measured against
    assert not judge(kind, lambda view: None).answered
    rule_only = Policy(world=small_world, allowed=())
    assert judge(rule_only, "retention_call:target=uplift").mistake == "another kind"


def test_liars_become_a_note_of_their_type():
    class Always(float):
        def __eq__(self, other):
            return True

        __hash__ = float.__hash__

        def __sub__(self, other):
            return 0.0

    class Text(str):
        pass

    assert plain(Always(3)) == {"$odd": "Always"} and plain(Text("a")) == {"$odd": "Text"}
    assert judge(Number(), Always(3), 0.2).share == 0
    assert plain([Always(1)]) == [{"$odd": "Always"}]
    deep = []
    for _ in range(50):
        deep = [deep]
    assert json.dumps(plain(deep), allow_nan=False)


# -- start and check -------------------------------------------------------------------------------------


def test_check_tells_and_shows_progress(capsys):
    course = start("rfm", student="2023-17")
    names = course.data["mailing"]
    rate = names.loc[names["mailed"] == 1, "bought"].mean()
    course.check("rfm-1", rate * 100)
    told = capsys.readouterr().out
    assert "factor of 100" in told and "0 of 5 done" in told and f"{rate:.3f}" not in told
    course.check("rfm-1", round(rate, 4))
    assert "■□□□□ 1 of 5 done 已完成, 1 of 13 points" in capsys.readouterr().out
    course.check("rfm-1", 9.0)  # a later wrong one takes nothing away
    assert "1 of 5 done" in capsys.readouterr().out
    assert "2023-17" in repr(course)


def test_who_keeps_the_id_of_the_notebook_is_told(capsys, root):
    source = (root / "exercises" / "source" / "rfm.py").read_text(encoding="utf-8")
    example = source.partition('student="')[2].partition('"')[0]
    course = start("rfm", student=example)
    assert "put your own id" in capsys.readouterr().out
    course.check("rfm-1", 0.5)
    assert "put your own id" in capsys.readouterr().out
    start("rfm", student="2023-17").check("rfm-1", 0.5)
    assert "put your own id" not in capsys.readouterr().out


def test_mistakes_of_the_user_are_told():
    with pytest.raises(ExerciseError, match="did you mean 'rfm'"):
        start("rfn", student="1")
    with pytest.raises(ExerciseError, match="rfm-1, rfm-2"):
        start("rfm", student="1").check("rfm-9", 1)
    with pytest.raises(ExerciseError, match="no exercise"):
        find("rfm")
    with pytest.raises(ValueError, match="id"):
        start("rfm", student=" ")
    base = {"title": "t", "chinese": "中", "goal": "g", "hint": "h", "rubric": "r", "minutes": 1, "points": 1}
    with pytest.raises(ExerciseError, match="named after its set"):
        Exercise(id="rfm", difficulty=1, answer=Number(), **base)
    with pytest.raises(ExerciseError, match="difficulty"):
        Exercise(id="rfm-1", difficulty=4, answer=Number(), **base)
    one = Exercise(id="rfm-1", difficulty=1, answer=Number(), **base)
    with pytest.raises(ExerciseError, match="ids are"):
        ExerciseSet(name="rfm", title="", chinese="", about="", data=lambda s: {}, exercises=(one, one))


# -- release -------------------------------------------------------------------------------------------------


def test_notebooks_are_what_their_sources_give():
    assert release.release(check=True) == []


@every_set
def test_nothing_of_a_solution_is_in_the_students_notebook(name, root):
    source = (root / "exercises" / "source" / f"{name}.py").read_text(encoding="utf-8")
    student = (root / "exercises" / f"{name}.ipynb").read_text(encoding="utf-8")
    shown = "".join("".join(cell["source"]) for cell in json.loads(student)["cells"])
    secret = [line.strip() for match in release.STUB.finditer(source) for line in match["body"].split("\n")]
    secret = [line for line in secret if len(line) > 8]
    assert len(secret) >= 10
    assert [line for line in secret if line in shown] == []
    assert "SOLUTION" not in student and "Rubric" not in student
    assert "SOLUTION" not in (root / "exercises" / "solutions" / f"{name}.ipynb").read_text(encoding="utf-8")


@every_set
def test_a_set_is_in_the_table_and_its_chapters_end_with_it(name, root):
    table = (root / "exercises" / "README.md").read_text(encoding="utf-8")
    rows = [line for line in table.splitlines() if line.startswith(f"| `{name}` ")]
    assert len(rows) == 1
    chapters = re.findall(r"(?:water/)?\w+\.ipynb", rows[0])
    assert f"{find_set(name).chapter}.ipynb" in chapters
    for chapter in chapters:
        path = root / "notebooks" / chapter
        end = "".join(json.loads(path.read_text(encoding="utf-8"))["cells"][-1]["source"])
        links = re.findall(r"\(([./]+exercises/\w+\.ipynb)\)", end)
        assert root / "exercises" / f"{name}.ipynb" in [(path.parent / link).resolve() for link in links]


def test_starters_keep_their_indent():
    code = "def f(x):\n    ### BEGIN SOLUTION\n    return 1\n    ### END SOLUTION\n\n\nf(2)"
    assert release.starter(code) == f"def f(x):\n    {release.YOURS}\n    ...\n\n\nf(2)"
    assert release.worked(code) == "def f(x):\n    return 1\n\n\nf(2)"
    with pytest.raises(ExerciseError, match="do not pair"):
        release.starter("### BEGIN SOLUTION\nx")


def test_a_new_set_is_a_working_one(root, tmp_path):
    (tmp_path / "exercises").mkdir()
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "notebooks.py").touch()
    made, source = release.new("fresh", root=tmp_path)
    space = {"__package__": "crmsim.exercises.sets", "__name__": "crmsim.exercises.sets.fresh"}
    exec(made.read_text(encoding="utf-8"), space)
    exercise = space["SET"].exercises[0]
    assert exercise.judge_here(exercise.reference(5), 5).right
    for sentence, mistake in exercise.answer.wrong.items():
        assert exercise.judge_here(mistake(tables_of(exercise, 5)), 5).mistake == sentence
    assert "{{fresh-1}}" in source.read_text(encoding="utf-8")
    with pytest.raises(ExerciseError, match="there already"):
        release.new("fresh", root=tmp_path)
    with pytest.raises(ExerciseError, match="small letters"):
        release.new("Fresh!", root=tmp_path)
    with pytest.raises(ExerciseError, match="checkout"):
        release.new("fresh", root=tmp_path / "gone")
