"""The page of two lives: the draw it shows is the one that decided."""

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


def test_an_unknown_control_is_refused_in_words() -> None:
    page = TwoLivesPage(customers=300, months=12)
    page.wait()
    with pytest.raises(ValueError, match="no control 'moon'"):
        page.set(moon=3)
