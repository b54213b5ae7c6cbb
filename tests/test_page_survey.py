"""The survey desk, without a browser."""

import re

import numpy as np
import pytest

pytest.importorskip("anywidget", reason="pages need the extra `course`")

from crmsim.simulation.engine import simulate
from crmsim.simulation.scenario import Scenario
from crmsim.simulation.survey import Survey
from crmsim.teaching.pages import show, survey

CHINESE = re.compile("[\u4e00-\u9fff]")
SIZE = 3_000
# the fixture `page` makes it
PAGE = "survey", {"customers": SIZE}, {"REPEATS": 10}


def asked(page, **values):
    page.set(**values)
    return page.wait()


def truth(found):
    people = found["people"]
    return float(people.satisfaction[people.active].mean())


def bias(found):
    return float(np.mean([r["estimate"].value for r in found["repeats"]]) - truth(found))


def test_the_first_survey_is_that_of_the_run(page):
    world = Scenario.from_name("water_utility").replace(population__size=SIZE, population__months=12)
    run = simulate(world, seed=1, progress=False)
    data = run.survey(Survey(months=(11,), size=1500, importance=False))
    ticks = data.wide(0)["satisfaction_1"].dropna()
    estimate = page.found["repeats"][0]["estimate"]
    assert estimate.n == len(ticks)
    assert estimate.value == pytest.approx(100 * (ticks.mean() - 1) / 9)
    people = run.customers
    here = people[people["left_month"].isna()] if people["left_month"].isna().any() else people
    assert truth(page.found) == pytest.approx(here["satisfaction"].mean(), abs=0.05)
    assert len(page.found["repeats"]) == survey.REPEATS


def test_kindness_moves_the_estimate_and_no_interval_knows(page):
    seen, said = page.repeats.widget.value, page.sentence
    before = bias(page.found)
    found = asked(page, kindness=10.0, size=3000, response=0.6)
    assert bias(found) > before + 5
    inside = sum(r["estimate"].low <= truth(found) <= r["estimate"].high for r in found["repeats"])
    assert inside == 0
    assert "knows only the luck of the draw" in page.sentence != said
    assert page.repeats.widget.value != seen


def test_honest_answers_of_all_are_unbiased(page):
    found = asked(
        page, response=0.9, very_dissatisfied=0.0, very_satisfied=0.0, halo=0.0, straight=0.0, size=1500
    )
    assert abs(bias(found)) < 1.0
    inside = sum(r["estimate"].low <= truth(found) <= r["estimate"].high for r in found["repeats"])
    assert inside >= 7


def test_who_answers_is_told_from_how(page):
    found = asked(page, very_dissatisfied=0.5, kindness=0.0)
    who = np.mean([r["felt"] for r in found["repeats"]]) - truth(found)
    assert who < -3
    assert f"{abs(who):.1f} from who answers" in page.sentence


def test_more_asked_is_a_shorter_interval(page):
    wide, short = (asked(page, size=size)["repeats"][0]["estimate"] for size in (400, 3000))
    assert short.high - short.low < 0.7 * (wide.high - wide.low)


def test_halo_and_straight_lines_make_answers_agree(page):
    def agree(**values):
        found = asked(page, **values)
        return survey.agreement(page._touchpoints(found["people"], found["first"])[0])

    usual = agree(size=3000, response=0.4)
    assert agree(size=3000, response=0.4, halo=0.8) > usual + 0.1
    assert agree(size=3000, response=0.4, halo=0.35, straight=0.8) > usual + 0.1


def test_costs_and_shares(page):
    found = asked(page, price=9.0, measure="share")
    answered = len(found["first"].table)
    assert f"{9 * 1500 / answered:,.1f} CNY" in page._cards.value
    ticks = found["first"].of("satisfaction_1")
    ticks = ticks[~np.isnan(ticks)]
    assert found["repeats"][0]["estimate"].value == pytest.approx(100 * (ticks >= 8).mean())


def test_too_few_answers_are_told(page):
    page.set(size=50, response=0.02, very_dissatisfied=-0.1, very_satisfied=-0.1, mode="online")
    with pytest.raises(RuntimeError, match="Ask more"):
        page.wait()


def test_agreement_leaves_gaps_out():
    x = np.array([[1.0, 2.0], [2.0, 4.0], [3.0, 6.0], [np.nan, 0.0]])
    assert survey.agreement(x) == pytest.approx(1)
    assert np.isnan(survey.agreement(x[:1]))


def test_both_languages_and_the_same_again(page):
    assert not CHINESE.search(re.sub(r"\([^)]*\)", "", page.sentence))
    assert not re.search(r"[−+]0\.0\b", page.sentence)  # nothing is written without a sign
    page.guard(page._other_language)
    page.wait()
    assert "光环效应" in page.panel.box.children[2].children[1].children[0].value
    assert CHINESE.search(page.sentence)
    page.guard(page._other_language)
    page.wait()
    again = show("survey", customers=SIZE).wait()
    assert [r["estimate"] for r in again["repeats"]] == [r["estimate"] for r in page.found["repeats"]]
