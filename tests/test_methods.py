"""Methods graded over worlds: means with intervals, leads on the same customers, what an index gets wrong."""

import numpy as np
import pandas as pd
import pytest

import crmsim as cs
from crmsim import plots
from crmsim.analysis.targeting import report_card
from crmsim.data.database import tables_of
from crmsim.plots import style
from crmsim.research import methods
from crmsim.research.methods import Case, Grades, cases, grade_methods, survey_errors


@pytest.fixture
def chinese(monkeypatch):
    """Chinese words although the machine may have no font for them."""
    monkeypatch.setattr(style, "chinese_font", lambda: "DejaVu Sans")
    return "zh"


def hand_made() -> Grades:
    """Two methods at one task in two worlds: in `a` the model leads by .1 and .3, in `b` it is behind."""
    rows = [
        (world, r, "purchases", method, "caught", score, 0.2, 1.0, (score - 0.2) / 0.8, 100)
        for world, scores in {"a": ((0.5, 0.6), (0.5, 0.8)), "b": ((0.8, 0.6), (0.8, 0.6))}.items()
        for r, pair in enumerate(scores)
        for method, score in zip(("RFM", "BG/NBD"), pair, strict=True)
    ]
    columns = ["world", "replication", "task", "method", "measure", "score", "chance", "best", "grade", "n"]
    world = Case("one", "甲", cs.Scenario())
    return Grades(pd.DataFrame(rows, columns=columns), pd.DataFrame(), {}, {"a": world, "b": world})


def test_leads_are_paired_and_have_intervals():
    leads = hand_made().leads("purchases").set_index("world")
    half = 12.706204736 * 0.1  # Student's t of one degree of freedom x the standard error of .1 and .3
    assert leads.loc["a", ["lead", "low", "high"]].tolist() == pytest.approx([0.2, 0.2 - half, 0.2 + half])
    assert leads.loc["b", "lead"] == pytest.approx(-0.2)
    assert leads["won"].tolist() == [1.0, 0.0]
    assert leads["method"].tolist() == ["BG/NBD"] * 2
    with pytest.raises(ValueError, match=r"no method was graded at 'alive'; tasks: purchases"):
        hand_made().leads("alive")
    with pytest.raises(ValueError, match="no method called 'Excel' was graded"):
        hand_made().leads("purchases", over="Excel")


def test_of_errors_the_smaller_leads():
    grades = hand_made()
    grades.marks["measure"] = "mean error"
    leads = grades.leads("purchases").set_index("world")
    assert leads["lead"].tolist() == pytest.approx([-0.2, 0.2])
    assert leads["won"].tolist() == [0.0, 1.0]


def test_table_has_means_with_intervals_and_is_written_whole(tmp_path):
    grades = hand_made()
    row = grades.table.set_index(["world", "method"]).loc[("a", "BG/NBD")]
    assert (row["score"], row["grade"], row["replications"]) == pytest.approx((0.7, 0.625, 2))
    assert row["low"] < 0.7 < row["high"] and row["grade_low"] < 0.625 < row["grade_high"]
    written = pd.read_csv(grades.to_csv(tmp_path / "grades.csv"))
    assert {"seed", "scenario_hash", "version"} <= set(written)
    assert [path.name for path in tmp_path.iterdir()] == ["grades.csv"]
    assert "BG/NBD" in grades._repr_html_() and repr(grades).startswith("Grades(a, b; 2")


def test_figure_names_who_is_ahead(chinese):
    grades = hand_made()
    ax = grades.plot("purchases")
    assert "RFM ahead in 1 of 2" in ax.get_title(loc="left").replace("\n", " ")
    shown = {text.get_text(): text.get_fontweight() for text in ax.texts}
    assert (shown["0.75"], shown["0.50"]) == ("bold", "normal")  # both of world b
    assert "甲" in [t.get_text() for t in grades.plot("purchases", language=chinese).get_xticklabels()]
    table = grades.table
    with pytest.raises(ValueError, match="lacks 'grade_low'"):
        plots.method_grades(table.drop(columns="grade_low"))
    with pytest.raises(ValueError, match="one task and one measure"):
        plots.method_grades(pd.concat([table, table]))
    with pytest.raises(ValueError, match="no row of the table has a grade"):
        plots.method_grades(table.assign(grade=np.nan))


def test_what_cannot_be_graded_is_refused_before_anything_runs():
    with pytest.raises(ValueError, match="at least 2, not 1"):
        grade_methods(replications=1)
    with pytest.raises(ValueError, match="no world is called 'retial'; worlds: bg_nbd, retail"):
        grade_methods(["retial"])
    with pytest.raises(ValueError, match="'x' must be a Case, not Scenario"):
        grade_methods({"x": cs.Scenario()})
    with pytest.raises(ValueError, match="at least 19"):
        cases(months=12)


@pytest.fixture(scope="module")
def utility():
    scenario = cs.Scenario.preset("water_utility").replace(population__size=1_500, population__months=6)
    return cs.simulate(scenario, seed=3)


def test_errors_of_an_index_add_up_to_its_distance_from_the_truth(utility):
    survey = cs.Survey(months=(2, 5), size=400, response=0.5)
    errors = survey_errors(utility, survey)
    assert errors["month"].tolist() == [2, 5]
    parts = errors[["sampling", "response", "answers"]].sum(axis=1)
    assert np.allclose(parts, errors["error"])
    answers = utility.survey(survey).wide(1)["satisfaction_1"]
    index = 100 * (answers.mean() - 1) / 9
    assert errors["truth"].iloc[1] + errors["error"].iloc[1] == pytest.approx(index)
    # the truth after the last month is what the run itself ends with
    people = utility.customers
    assert errors["truth"].iloc[1] == pytest.approx(
        people.loc[people["left_month"].isna(), "satisfaction"].mean(), abs=1e-3
    )


def test_each_kind_of_error_can_be_switched_off(utility):
    honest = {"error_overall_sd": 0, "error_sd": 0, "halo": 0, "straight": 0, "inattentive": 0, "missing": 0}
    everybody = {"response": 1, "very_dissatisfied": 0, "very_satisfied": 0, "elderly": 0, "mode": "visit"}
    asked = survey_errors(utility, cs.Survey(months=(5,), size=1_500, **honest, **everybody)).iloc[0]
    assert asked["sampling"] == pytest.approx(0, abs=1e-9)
    assert asked["answers"] == pytest.approx(3, abs=0.6)  # a visit's kindness; rounding to ten steps
    kind = survey_errors(
        utility, cs.Survey(months=(5,), size=1_500, kindness=10, **honest, **everybody)
    ).iloc[0]
    assert 7 < kind["answers"] - asked["answers"] < 10  # at the top there is no room for kindness
    with pytest.raises(cs.ScenarioError, match="leavers have no satisfaction"):
        survey_errors(utility, cs.Survey(months=(5,), frame="leavers"))


@pytest.mark.slow
def test_a_mark_is_that_of_the_report_card_and_of_any_number_of_processes():
    case = Case(
        "small", "小", cs.Scenario.preset("retail").replace(population__size=400, population__months=20)
    )
    one = grade_methods({"small": case}, 2, seed=5, jobs=1, progress=False)
    two = grade_methods({"small": case}, 2, seed=5, jobs=2, progress=False)
    pd.testing.assert_frame_equal(one.marks, two.marks)
    run = cs.simulate(case.scenario, seed=5, replication=1)
    card = report_card(tables_of(run), seed=1).table
    mine = one.marks[one.marks["replication"] == 1].drop(columns=["world", "replication"])
    pd.testing.assert_frame_equal(mine.reset_index(drop=True), card, check_dtype=False)


@pytest.mark.slow
def test_bg_nbd_leads_where_its_assumptions_hold():
    """Eight replications of 3,000 customers: the lead over the own rate has a standard error near .005."""
    grades = grade_methods(["bg_nbd", "subscription"], 8, seed=2, progress=False)
    lead = grades.leads("purchases", over="own rate").set_index(["world", "method"]).loc[("bg_nbd", "BG/NBD")]
    assert lead["low"] > 0
    alive = grades.leads("alive").set_index(["world", "method"]).loc[("bg_nbd", "BG/NBD")]
    assert alive["low"] > 0 and alive["won"] >= 0.5
    index = grades.survey_table().set_index("world").loc["subscription"]
    assert index["error"] == pytest.approx(index[["sampling", "response", "answers"]].sum())
    assert abs(index["error"]) > 2 * index["spread"] / np.sqrt(16)  # not luck: who answers, and how


def test_worlds_are_what_they_say():
    known = methods.cases(customers=100, months=20)
    assert list(known) == [
        "bg_nbd", "retail", "even", "faithful", "short", "subscription", "water_utility", "car_repair",
    ]  # fmt: skip
    assert known["short"].scenario.population.months == 18
    assert known["faithful"].scenario.churn.natural == known["retail"].scenario.churn.natural / 5
    assert len({case.chinese for case in known.values()}) == 8
