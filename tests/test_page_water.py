"""City A: the page of the case and its first act, without a browser."""

import re

import numpy as np
import pytest

pytest.importorskip("anywidget", reason="pages need the extra `course`")

import crmsim as cs
from crmsim.simulation.catalogue import profiles
from crmsim.teaching.pages import PAGES, city, page_class, sample, show, water

CHINESE = re.compile("[\u4e00-\u9fff]")


@pytest.fixture(scope="module")
def case():
    case = show("water", customers=2_000)
    case.wait()
    yield case
    case.close()


@pytest.fixture(autouse=True)
def first_act(case):
    case.set(act=1)
    yield
    case.wait()
    if case.language == "zh":
        case.guard(case._other_language)
        case.wait()


# -- the acts ------------------------------------------------------------------------------------------


def test_there_are_eight_acts_in_the_order_of_the_case():
    modules = [page[0] for act in water.ACTS for page in act.pages]
    assert modules == ["city", "ahp", "sample", "survey", "path_diagram", "ipa", "service_desk", "pdca",
                       "loyalty_matrix", "market"]  # fmt: skip
    assert len(water.ACTS) == 8
    known = set(PAGES.values())
    assert all(page[:2] in known for act in water.ACTS for page in act.pages if len(act.pages) == 1
               and page[0] != "city")  # fmt: skip
    for act in water.ACTS:
        for english, chinese in (act.name, act.story, act.question):
            assert english and CHINESE.search(chinese + "中" * (act.name[1] == "PDCA"))
        assert act.question[0].endswith("?") and act.question[1].endswith("？")


def test_a_page_is_made_when_its_act_is_first_opened(case):
    fresh = show("water", customers=2_000)
    assert list(fresh.pages) == [(1, 1)]
    fresh.wait()
    fresh.set(act=7)
    assert list(fresh.pages) == [(1, 1), (7, 1)]
    page = fresh.page
    assert isinstance(page, page_class("loyalty-matrix"))
    assert page.scenario.name == "water_utility"
    assert fresh.stage.children == (page.root,)
    fresh.wait()
    fresh.set(act=1)
    fresh.set(act=7)
    assert fresh.page is page
    fresh.close()


def test_every_act_shows_what_it_found(case):
    for k, act in enumerate(water.ACTS, 1):
        case.set(act=k)
        assert case.wait() is not None, act.name[0]
        assert type(case.page).__name__ == act.pages[0][1]
        assert len(case.page.sentence) > 20
        assert act.question[0].replace("'", "&#x27;") in case.story.value
        assert f"Act {k}" in case.story.value


def test_leaving_an_act_stops_its_work_and_coming_back_goes_on(case):
    case.set(act=6)
    board = case.wait() and case.page
    board.choose("notices")
    board.refresh(run=True)
    assert board._worker.busy
    case.set(act=1)
    assert board._worker.wait(30)
    assert not board.found.turns
    case.set(act=6)
    assert len(case.wait().turns) == 1
    board._reset_all()


def test_a_control_of_the_page_in_sight_is_set(case):
    case.set(act=1, cut=8)
    strict = case.wait().satisfied(8)
    assert f"{strict:.0f} %" in case.page._cards.value
    case.set(cut=5)
    assert case.wait().satisfied(5) > strict
    with pytest.raises(ValueError, match="no control"):
        case.set(nothing=1)
    with pytest.raises(ValueError, match="act must be one of"):
        case.set(act=9)


def test_an_act_may_have_two_pages(case):
    assert case.parts.layout.display == "none"
    case.set(act=2, part=2)
    assert case.wait().answers == 322  # 384 of 2,000
    assert case.parts.layout.display == ""
    case.parts.value = 1
    assert type(case.page).__name__ == "IndicatorTree"
    case.wait()
    with pytest.raises(ValueError, match="from 1 to 2 in act 2"):
        case.set(act=2, part=3)


def test_the_language_is_one_for_all_acts(case):
    case.set(act=7)
    case.wait()
    case.set(act=1)
    case.wait()
    assert not CHINESE.search(re.sub(r"\([^)]*\)", "", case.page.sentence))
    case.guard(case._other_language)
    case.wait()
    assert "满意" in case.page.sentence
    assert "水老大" in case.story.value
    case.set(act=7)
    case.wait()
    assert CHINESE.search(case.page.sentence)


# -- how many to ask ---------------------------------------------------------------------------------------


def test_sample_sizes_are_those_of_the_formulas():
    page = sample.SampleSize()
    found = page.wait()
    assert (found.answers, found.asked, found.wave) == (377, 3770, 1731)
    page.set(cluster=11, alike=0.05, same=0.6)
    found = page.wait()
    assert (found.answers, found.simple, found.wave) == (565, 377, 1038)
    # what so many answers see is what takes so many answers
    page.set(change=round(found.seen * 4) / 4)
    assert page.wait().wave == pytest.approx(found.answers, rel=0.1)
    assert "565 answers" in page.sentence
    page.guard(page._other_language)
    assert "565份回答" in page.sentence
    page.close()


# -- the first act ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def today():
    page = city.CityToday(customers=3_000)
    page.wait()
    yield page
    page.close()


def test_the_same_answers_give_a_high_share_and_a_lower_index(today):
    today.set(cut=5, mode="visit")
    found = today.wait()
    assert found.satisfied(5) > 90
    assert found.index.low < found.index.value < found.index.high < 85
    assert found.index.value == pytest.approx(100 * (found.ticks.mean() - 1) / 9)
    shares = [found.satisfied(k) for k in range(1, 11)]
    assert shares[0] == 100 and (np.diff(shares) <= 0).all()
    today.set(cut=9)
    assert today.wait().index == found.index
    assert "9 or more" in today.sentence


def test_kinder_when_asked_face_to_face(today):
    index = {}
    for mode in ("online", "visit"):
        today.set(mode=mode, size=3_000)
        index[mode] = today.wait().index.value
    assert index["visit"] > index["online"] + 2


def test_districts_are_those_of_the_customers(today):
    today.set(truth=True)
    found = today.wait()
    run = cs.simulate(cs.Scenario.preset("water_utility").replace(population__size=3_000,
                      population__months=24), seed=1, progress=False)  # fmt: skip
    people = run.customers[run.customers["left_month"].isna() & (run.customers["joined_month"] < 24)]
    district = profiles(run).set_index("customer")["district"].loc[people.index]
    truth = people["satisfaction"].groupby(district, observed=False).mean()
    assert found.places["true"].to_numpy() == pytest.approx(truth.loc[found.places.index], abs=1e-3)
    assert found.places["customers"].sum() == found.customers == len(people)
    assert found.true == pytest.approx(float(people["satisfaction"].mean()), abs=1e-3)
    told = run.monthly["complaints"].sum() / run.monthly["at_risk"].sum() * 12 * 1000
    assert found.told == pytest.approx(told)
    ends = found.places[["told_low", "told", "told_high"]].to_numpy()
    assert (np.diff(ends, axis=1) > 0).all()


def test_the_districts_as_a_map(today):
    before = today.row.children
    today.set(view="map", truth=False)
    found = today.wait()
    assert today.row.children[0] is before[0] and today.row.children[1] is today.map.widget
    told = today.map.alt.split("; ")
    assert told[0].startswith("Urban village") or found.places["value"].idxmin() != "urban_village"
    for line in told[1:]:
        assert re.search(r"\d+\.\d, \d+\.\d … \d+\.\d, \d+ problems, pipes \d+ years", line), line
    assert sum("secondary supply" in line for line in told) == 1
    today.set(view="chart")
    today.wait()
    assert today.row.children[1] is today.places.widget
    # every district has a place of its own, in other towns as well
    for names in (list(city.TILES), ["a", "b", "c", "d"]):
        place = city.tiles(names)
        assert set(place) == set(names) and len(set(place.values())) == len(names)
        assert {column for column, _ in place.values()} == {0, 1, 2}
        assert min(row for _, row in place.values()) == 0


def test_a_monopoly_loses_nobody_to_a_rival(today):
    assert today.found.gone == 0
    assert today.found.moved > 0.02
    assert "proves only that there is none" in today.sentence
    opened = city.CityToday(
        cs.Scenario.preset("water_utility").replace(market__openness=1.0), customers=2_000
    )
    assert opened.wait().gone > 0
    assert "left for a rival" in opened.sentence
    opened.close()


def test_too_few_answers_are_told():
    page = city.CityToday(customers=120)
    with pytest.raises(RuntimeError, match="ask more customers"):
        page.wait()
    page.close()
