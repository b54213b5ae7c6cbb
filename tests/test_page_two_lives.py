"""The page of two lives: the draw it shows is the one that decided."""

import re

import pytest

pytest.importorskip("ipywidgets")
pytest.importorskip("anywidget")

from crmsim.simulation.lives import counterfactual
from crmsim.simulation.policies import policy
from crmsim.simulation.scenario import Scenario
from crmsim.teaching.pages.two_lives import TwoLivesPage


def test_the_page_finds_a_customer_and_shows_the_deciding_draw() -> None:
    page = TwoLivesPage(customers=500, months=36)
    first = page.wait()["customer"]
    page.find()
    found = page.wait()
    assert found["customer"] > first
    world = Scenario.preset("subscription").replace(population__size=500, population__months=36)
    decided = counterfactual(world, [policy("dunning:effort=1")], found["customer"]).decisive
    assert decided is not None and found["month"] == page.values["month"] == decided.month
    assert f"{100 * decided.draw:.1f} %" in page.sentence and decided.what in page.sentence
    before = page.draws.widget.value
    page.set(month=(decided.month + 1) % 36)
    page.wait()
    assert page.draws.widget.value != before


def test_chinese_and_a_policy_without_effort() -> None:
    page = TwoLivesPage(customers=500, months=24, language="zh", strength=0.0, customer=5)
    page.wait()
    assert "同样的人生" in page.sentence
    page.find()
    page.wait()
    assert "没有人" in page.told.value


def test_the_rules_of_a_month_show_every_touchpoint_in_one_language() -> None:
    page = TwoLivesPage(customers=300, months=12, customer=5, month=3)
    page.wait()
    places = page.scenario.touchpoints
    for language, perceived, stage in (
        ("en", "perception", "meets the touchpoints"),
        ("zh", "感知", "接触企业"),
    ):
        if page.language != language:
            page.guard(page._other_language)
        page.wait()
        table = page.why.value
        assert table.count(f"<td>{perceived}</td>") == len(places) > 1
        assert table.count(stage) == 1
    visible = re.sub(r"<[^>]*>", " ", table)  # titles of rows, in English, are in the tags
    assert not re.search("[A-Za-z]{3}", visible), visible


def test_an_unknown_control_is_refused_in_words() -> None:
    page = TwoLivesPage(customers=300, months=12)
    page.wait()
    with pytest.raises(ValueError, match="no control 'moon'"):
        page.set(moon=3)


def test_chances_close_to_the_draw_and_zero_are_told_apart() -> None:
    from crmsim.teaching.pages.two_lives import _percent

    assert [_percent(x) for x in (0.0203, 0.0195, 0.0, 0.548)] == ["2.03", "1.95", "0", "54.8"]
    assert _percent(2e-6) == "2e-04"


@pytest.mark.parametrize(
    ("preset", "first", "missing"),
    [("retail", "complaint_handling", "dunning"), ("water_utility", "four_problems", "dunning"),
     ("subscription", "dunning", "four_problems")],
)  # fmt: skip
def test_a_policy_that_changes_nothing_here_is_not_offered(preset: str, first: str, missing: str) -> None:
    from crmsim.teaching.pages.choices import policy_choice

    choice = policy_choice(Scenario.preset(preset), "dunning")
    assert choice.value == first and missing not in [name for name, _ in choice.options]
