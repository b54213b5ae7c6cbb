"""The PDCA board, without a browser."""

import re

import pytest

pytest.importorskip("anywidget", reason="pages need the extra `course`")

from crmsim import PdcaCycle, Scenario
from crmsim.research import cases
from crmsim.simulation.survey import Survey
from crmsim.teaching.pages import show
from crmsim.teaching.pages.pdca import Turn
from crmsim.teaching.uncertainty import signed

CHINESE = re.compile("[\u4e00-\u9fff]")
SIZE = 1_000


@pytest.fixture
def page():
    page = show("pdca", customers=SIZE, size=SIZE)
    page.wait()
    yield page
    page.close()


def step(page, *names):
    page.choose(*names)
    page.refresh(run=True)
    return page.wait()


def test_before_the_first_round(page):
    assert page.found.turns == ()
    assert len(page.found.chart) == 4
    assert page.found.chart["base"].all()
    assert "4 surveys" in page.sentence
    assert "?" in page._cards.value


def test_a_round_is_that_of_the_cycle(page):
    found = step(page, "notices")
    assert found.deciding
    project = next(p for p in cases.projects("water_utility") if p.name == "notices")
    world = Scenario.preset("water_utility").replace(population__size=SIZE, population__months=24)
    survey = Survey(size=SIZE, importance=False)
    cycle = PdcaCycle(world, [project], months=6, start=24, survey=survey)
    wanted = cycle.play("notices", decisions={}).iloc[0]
    mine = found.table.iloc[0]
    for column in ("effect", "low", "high", "true", "cost"):
        assert mine[column] == pytest.approx(wanted[column])
    assert found.spent == pytest.approx(0.6)
    assert "9.4" in page._cards.value


def test_kept_projects_go_on_and_cost(page):
    step(page, "notices", "payment")
    found = step(page, "notices")
    assert found.candidates["state"].to_dict()["notices"] == "kept"
    assert found.candidates["state"].to_dict()["payment"] == "dropped"
    assert page.cards_of["notices"].disabled
    assert not page.cards_of["payment"].disabled
    found = step(page)
    assert found.spent == pytest.approx(0.6 + 1.5 + 6 * 0.05)
    assert len(found.rounds) == 2
    # settings may change in the middle: the same game is played anew
    before = found.gain
    page.set(truth=True)
    assert page.wait().gain == before
    assert "In truth" in page.sentence
    assert len(page.found.turns) == 2


def test_teaching_mode_doubles_and_says_so(page):
    honest = step(page, "notices").table["true"].iloc[0]
    assert page.banner.value == ""
    page.set(mode="teaching")
    doubled = page.wait().table["true"].iloc[0]
    assert doubled > 1.5 * honest > 0
    for text in (page.banner.value, page.words.value, page.wave.alt):
        assert "effects doubled" in text


@pytest.mark.slow
def test_a_round_in_two_districts_is_that_of_the_cycle(page):
    page.set(to="first", budget=20)
    page.wait()
    page.choose("mains", "hotline")
    # more agents answer everybody's calls
    assert page.cards_of["hotline"].disabled and "acts on everybody" in page.cards_of["hotline"].description
    assert not page.cards_of["mains"].disabled
    found = step(page, "mains", "hotline")
    assert found.turns[0].tried == ("mains",) and set(found.turns[0].to) == {"old_town", "urban_village"}
    world = Scenario.preset("water_utility").replace(population__size=SIZE, population__months=24)
    project = next(p for p in cases.projects("water_utility") if p.name == "mains")
    cycle = PdcaCycle(world, [project], months=6, start=24, survey=Survey(size=SIZE, importance=False))
    cycle.plan("mains")
    cycle.do(districts=["old_town", "urban_village"])
    wanted = cycle.check().iloc[0]
    for column in ("effect", "low", "high", "true", "cost"):
        assert found.table.iloc[0][column] == pytest.approx(wanted[column])
    assert "Compared: old town and urban village with the other districts" in page.sentence
    assert "in 2 districts" in page.effects.alt
    # the next round may be everywhere; what is kept goes on everywhere and is not set up twice
    page.set(to="all")
    page.wait()
    found = step(page, "mains")
    assert found.candidates["state"]["mains"] == "kept"
    assert step(page).rounds["cost"].iloc[-1] == pytest.approx(6 * 0.2)
    page.guard(page._other_language)
    page.wait()
    assert "管网最老" in page.panel.controls["to"].box.children[-1].value
    page.set(preset="retail")
    page.wait()
    assert "to" not in page.values  # no districts there


def test_a_round_that_is_stopped_was_not_played(page):
    page.choose("notices")
    page.refresh(run=True)
    page._stop.click()
    page.wait()
    assert page.turns == page.found.turns == () and page.chosen == {"notices"}
    page.refresh(run=True)
    # nor does a second press, or the other language, in the middle of it begin another
    page.refresh(run=True)
    page.guard(page._other_language)
    found = page.wait()
    assert found.turns == page.turns == (Turn(("notices",)),)
    assert page.error == "" and "第1轮" in page.sentence


def test_too_dear_is_told_and_nothing_is_played(page):
    page.choose("price", "mains")
    page.guard(lambda: page.refresh(run=True))
    assert "leave a project out" in page.error
    assert page.turns == ()
    assert "cs-pdca-over" in page.head.value
    page.choose("notices")
    assert "cs-pdca-over" not in page.head.value


def test_what_is_kept_must_stay_affordable(page):
    page.set(budget=3.0)
    page.wait()
    step(page, "hotline")
    # kept, the hotline needs 1.2 in each of two rounds, and 1.0 is left
    page.choose("hotline")
    assert "cs-pdca-over" in page.head.value
    page.guard(lambda: page.refresh(run=True))
    assert "2.4 to the end" in page.error
    assert page.turns[-1].kept is None
    page.set(budget=4.5)
    page.wait()
    found = step(page, "hotline")
    assert found.candidates["state"]["hotline"] == "kept"
    # 2.4 of the 2.5 left are bespoken
    page.choose("notices")
    page.guard(lambda: page.refresh(run=True))
    assert "3.0 to the end" in page.error
    for _ in range(3):
        found = step(page)
    assert len(found.turns) == 3
    assert found.spent == pytest.approx(2.0 + 1.2 + 1.2)


def test_reset_both_languages_and_retail(page):
    step(page, "notices")
    assert not CHINESE.search(re.sub(r"\([^)]*\)", "", page.sentence))
    page.guard(page._other_language)
    page.wait()
    assert "第1轮" in page.sentence
    assert "短信" in page.cards_of["notices"].description
    page._reset_all()
    assert page.wait().turns == ()
    page.set(preset="retail")
    assert set(page.wait().candidates.index) == {p.name for p in cases.projects("retail")}


def test_same_seed_same_numbers(page):
    other = show("pdca", customers=SIZE, size=SIZE)
    other.wait()
    assert step(other, "notices").table.equals(step(page, "notices").table)


def test_three_rounds_end_the_game(page):
    for name in ("notices", "payment", "hotline"):
        step(page, name)
        found = step(page)
    assert len(found.rounds) == 3
    assert page.step.disabled
    assert all(card.disabled for card in page.cards_of.values())
    page.guard(lambda: page.refresh(run=True))
    assert "press Reset" in page.error
    assert len(page.turns) == 3


def test_the_truth_is_drawn_beside_what_was_measured(page):
    found = step(page, "notices")
    assert "true effect" not in page.effects.alt
    page.set(truth=True)
    page.wait()
    said = page.effects.alt.split("; ")
    assert len(said) == 3
    for words, row in zip(said[1:], (found.table.iloc[0], found.rounds.iloc[0]), strict=True):
        true = row["true"] if "true" in row else row["true_change"]
        assert words.endswith(f"true effect {signed(true, 1)}")
    assert "all together" in said[2]
