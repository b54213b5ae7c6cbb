"""The ladder: its stocks are the run's, its flows carry one month's stocks into the next's."""

import numpy as np
import pytest

pytest.importorskip("ipywidgets")
pytest.importorskip("anywidget")

from crmsim.simulation.engine import simulate
from crmsim.simulation.scenario import Scenario
from crmsim.teaching.pages.ladder import Climbing, Ladder
from crmsim.vocabulary import RelationshipStage

NAMES = [word.key for word in RelationshipStage][1:]


@pytest.mark.parametrize("preset", ["subscription", "retail"])
def test_stocks_are_the_runs_and_flows_add_up(preset: str) -> None:
    world = Scenario.preset(preset).replace(population__size=600, population__months=36)
    look = Climbing()
    run = simulate(world, [], 1, progress=False, watch=look)
    flows = look.flows()
    months = run.monthly
    assert (flows.stocks[1:, 1:] == months[[f"stage_{name}" for name in NAMES]].to_numpy()).all()
    assert (flows.stocks.sum(axis=1) == round(world.market.size * 600)).all()
    assert (flows.left.sum(axis=1) == months["left"]).all()
    assert (flows.up[1:, 1] == months["joined"].iloc[1:]).all()
    # what comes over the boundary below, less what goes over the one above, less those who leave
    net = flows.up - flows.down
    net[:, 1:-1] -= net[:, 2:].copy()
    change = np.diff(flows.stocks, axis=0)[:, 1:]
    assert (change == (net - flows.left)[:, 1:]).all()
    assert (flows.down[:, 2:].sum(axis=0) > 0).any()
    # the pinned bound of the premium rung is the one the run found for itself
    again = Climbing()
    simulate(world.replace(loyalty__premium_margin=flows.premium), [], 1, progress=False, watch=again)
    assert (again.flows().stocks == flows.stocks).all()


@pytest.fixture(scope="module")
def page() -> Ladder:
    return Ladder("retail", customers=500, months=63)


@pytest.mark.parametrize(
    ("lever", "value", "rung"),
    [("win", 3.0, 1), ("often", 100.0, 2), ("quality", 8.0, 3), ("sell", 1.8, 4),
     ("market__switching_cost_shift", 40.0, 5), ("acquisition__imitation", 0.32, 6)],
)  # fmt: skip
def test_every_lever_lifts_its_rung(page: Ladder, lever: str, value: float, rung: int) -> None:
    page.panel.reset()
    page.set(month=63)
    before = page.wait()
    assert (before["stocks"] == before["before"]).all() and "Move a lever" in page.sentence
    picture = page.picture.widget.value
    page.set(**{lever: value})
    found = page.wait()
    assert (found["before"] == before["stocks"]).all()
    # more of those who reach the rung, or go beyond it
    now, was = (found[key][:, 63, rung:].sum(axis=1).mean() for key in ("stocks", "before"))
    assert now > 1.02 * was
    assert "Against the untouched world" in page.sentence and page.picture.widget.value != picture


def test_month_chinese_and_an_error_in_words() -> None:
    page = Ladder("water_utility", language="zh", customers=300, months=24, month=0)
    found = page.wait()
    assert page.sentence.startswith("开始时，300名客户都在新客户一级") and found["months"] == 0
    page.set(month=24)
    assert page.wait()["months"] == 12 and page.sentence.startswith("截至第24月的12个月中")
    with pytest.raises(ValueError, match="month must be from 0 to 24"):
        page.set(month=99)
    page._other_language()
    assert page.sentence.startswith("In the 12 months up to month 24")
