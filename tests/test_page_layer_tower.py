"""The tower of loyalty: its counts are the run's, and what it says is missing is what the rules ask for."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("ipywidgets")
pytest.importorskip("anywidget")

from crmsim.simulation import rules
from crmsim.simulation.engine import simulate
from crmsim.simulation.scenario import Scenario
from crmsim.teaching.pages.layer_tower import CONDITIONS, PLACE, LayerTower, standing
from crmsim.teaching.worker import Task


@pytest.fixture(scope="module")
def page() -> LayerTower:
    return LayerTower(customers=600, months=24)


def test_the_floors_are_those_of_the_run(page: LayerTower) -> None:
    page.set(month=18)
    counts = page.wait()["counts"][0]
    world = Scenario.preset("subscription").replace(population__size=600, population__months=24)
    row = simulate(world, [], 1, progress=False).monthly.iloc[17]
    assert counts[:, 0].sum() == row["customers"]
    for floor, name in enumerate(("cognitive", "affective", "conative", "action"), 1):
        assert counts[floor:, 0].sum() / row["customers"] == pytest.approx(row[f"share_{name}"])
    # lacking only time, one condition being enough, and more than one: nobody is left over
    part = counts[:, [PLACE[name] for name in ("time", "none", *CONDITIONS)]]
    assert (part[:, :2].sum(axis=1) + part[:, 2:].max(axis=1) <= counts[:, 0]).all()
    assert (part.sum(axis=1) >= counts[:, 0])[:4].all()


@pytest.mark.parametrize("preset", ["subscription", "retail"])
def test_where_they_are_heading_is_where_the_rules_lead(preset: str) -> None:
    seen: list[Any] = []

    def look(month: int, view: Any) -> None:
        if month == 12:
            everyone = np.ones(view.ids.size, dtype=bool)
            seen.append((standing(view, everyone), view.column("channel_draw"), view.column("payer"),
                         view.column("rate"), view.parameter("demand")))  # fmt: skip

    world = Scenario.preset(preset).replace(population__size=200, population__months=12)
    simulate(world, [], 1, progress=False, watch=look)
    now, channel, payer, rate, demand = seen[0]
    heads = {
        "all": now.heading(60.0),
        "trust": now.better("trust", 10).heading(60.0),
        "buying": now.better("buying", 10).heading(60.0),
    }
    assert (heads["buying"] >= heads["all"]).all()
    assert (heads["trust"] > heads["all"]).any()
    p = SimpleNamespace(**{f"{n.partition('.')[0]}_{n.partition('.')[2]}": v
                           for n, v in world.table()["value"].items()}, demand=demand)  # fmt: skip
    for i in range(0, 200, 9):
        for name, more in (("all", 0), ("trust", 10)):
            trust = min(100, now.trust[i] + more)
            # the rules, month after month, with nothing changing
            levels = [0.0, 0.0, 0.0, 0.0]
            for _ in range(400):
                levels[0] = rules.cognitive_loyalty(levels[0], now.value[i], now.alternative[i], p)
                levels[1] = rules.affective_loyalty(
                    levels[1], now.satisfaction[i], trust, now.care[i], levels[0], p
                )
                levels[2] = rules.conative_loyalty(levels[2], levels[1], now.switching[i], p)
                levels[3] = rules.action_loyalty(levels[3], now.buying[i], levels[2], 0.0, p)
            if min(abs(level - 60) for level in levels) > 0.01:
                assert rules.loyalty_layer(*levels, p) == heads[name][i]
        if p.purchase_contract:
            fails = rules.payment_failure(channel[i], payer[i], p)
            assert now.buying[i] == pytest.approx(1 - fails * (1 - p.payment_cure), abs=1e-5)
        else:
            mean = rules.purchase_rate(rate[i], now.satisfaction[i], p)
            assert now.buying[i] == pytest.approx(1 - np.exp(-mean), abs=1e-5)


def test_three_layers_add_conative_to_affective(page: LayerTower) -> None:
    page.set(view=4)
    four = page.wait()["counts"]
    page.set(view=3)
    three = page.wait()["counts"]
    page.set(view=4)
    assert (three[:, 2, 0] == four[:, 2, 0] + four[:, 3, 0]).all() and (three[:, 3] == 0).all()
    assert (three[:, [0, 1, 4], 0] == four[:, [0, 1, 4], 0]).all()


def test_controls_lift_the_tower_and_say_so(page: LayerTower) -> None:
    page.set(quality=0.0, month=24)
    before = page.wait()
    picture, sentence = page.picture.widget.value, page.sentence
    assert "untouched" not in sentence
    page.set(quality=8.0)
    after = page.wait()
    assert after["counts"][:, 2:, 0].sum() > 1.1 * before["counts"][:, 2:, 0].sum()
    assert (after["before"] == before["counts"][:, :, 0]).all()
    assert "Against the untouched world, +" in page.sentence and page.picture.widget.value != picture
    page.set(quality=0.0, push=25)
    wide = page.wait()["counts"]
    assert wide[:, :, PLACE["satisfaction"]].sum() > before["counts"][:, :, PLACE["satisfaction"]].sum()
    page.set(push=10)
    assert (page.wait()["counts"] == before["counts"]).all() and page.sentence == sentence
    # the quick look at one month is the same as that at all of them
    task, world = Task(lambda *_: None), page.scenario
    quick, whole = (page._one(world, 0, 10, task, only=only) for only in (24, None))
    assert (quick[24] == whole[24]).all() and not quick[23].any()
    assert (quick[24][0] == before["counts"][0]).all()


def test_chinese_and_an_error_in_words() -> None:
    page = LayerTower("water_utility", language="zh", customers=300, months=12)
    page.wait()
    assert page.sentence.startswith("第12月末，") and "不计热线等待" in page.words.value
    with pytest.raises(ValueError, match="view must be one of 4, 3"):
        page.set(view=5)
    empty = LayerTower(
        Scenario.preset("retail").replace(population__initial_share=0.0), customers=300, months=6
    )
    empty.set(month=0)
    empty.wait()
    assert "no customer left" in empty.sentence
