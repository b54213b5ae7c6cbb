"""The population alive: the bytes sent to the browser are the run."""

import numpy as np
import pytest

pytest.importorskip("ipywidgets")
pytest.importorskip("anywidget")

from crmsim.simulation.engine import simulate
from crmsim.simulation.scenario import Scenario
from crmsim.teaching.pages.population import Population


def test_the_bytes_are_the_run() -> None:
    page = Population(customers=500, months=24)
    page.wait()
    dots = page.dots
    codes = np.frombuffer(dots.without, np.uint8).reshape(25, len(dots.ids))
    world = Scenario.preset("subscription").replace(population__size=500, population__months=24)
    run = simulate(world, [], 1, progress=False)
    people = run.customers.reindex(dots.ids)
    assert (
        (codes[-1] < 5) == people["left_month"].isna().to_numpy() & people["layer"].notna().to_numpy()
    ).all()
    monthly = run.monthly
    for month in (1, 12, 24):
        old = np.array([i < month * 100_000_000 for i in dots.ids])
        then = codes[month][old]
        assert (then < 5).sum() == monthly["customers"].iloc[month - 1]
        share = ((then >= 2) & (then < 5)).sum() / (then < 5).sum()
        assert share == pytest.approx(monthly["share_affective"].iloc[month - 1])
    assert (codes[-1] == 7).sum() == monthly["left_competitive"].sum()


def test_month_life_and_controls_change_the_sentence() -> None:
    page = Population(customers=500, months=24, language="zh")
    page.wait()
    assert page.sentence.startswith("无策略：第0月")
    page.dots.month, page.dots.world = 24, 1
    assert page.sentence.startswith("有策略：第24月")
    before = page.dots.without
    page.set(market__openness=0.2)
    page.wait()
    after = [np.frombuffer(b, np.uint8).reshape(25, -1)[-1] for b in (before, page.dots.without)]
    assert (after[1] == 7).sum() < (after[0] == 7).sum()
