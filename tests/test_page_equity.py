"""Equity and budget: the parts add up, money is counted right, and the search finds what is known."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("anywidget", reason="pages need the extra `course`")

from crmsim.analysis.value import equity_change
from crmsim.research.compare import ratio_interval
from crmsim.simulation.engine import simulate
from crmsim.simulation.policies import policy
from crmsim.simulation.scenario import Scenario
from crmsim.teaching.pages import equity
from crmsim.teaching.pages.equity import MEASURES, ROADS, STEP, EquityBudget, best_split, measure, roads, side

# what the pictures said; rendering them is tested with the base of the pages
sent: list[str] = []


@pytest.fixture(scope="module")
def page() -> Iterator[EquityBudget]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(equity, "SOON", 2)
        patch.setattr("crmsim.teaching.picture.Picture.send", lambda picture: sent.append(picture.alt))
        made = EquityBudget(customers=600, months=36)
        made.wait()
        yield made


@pytest.fixture()
def fresh(page: EquityBudget) -> EquityBudget:
    before = page.values
    page.panel.reset()
    if page.values != before:
        page.refresh()
    page.wait()
    return page


@pytest.mark.parametrize("preset", ["subscription", "retail"])
def test_the_roads_add_up_to_the_change_of_equity(preset: str) -> None:
    world = Scenario.from_name(preset).replace(population__size=1000, population__months=36)
    plan = [measure("advertising", 2.0), measure("quality_control", 1.0), policy("price_cut:share=-0.05")]
    runs = [simulate(world, policies, 1, progress=False) for policies in ([], plan)]
    parts = roads(*(side(run) for run in runs))
    assert sum(parts.values()) == pytest.approx(runs[1].equity - runs[0].equity, abs=0.5)
    assert parts["cost"] == pytest.approx(
        -(runs[1].monthly["policy_cost"] * runs[1].monthly["discount"]).sum()
    )
    # those in both worlds are parted as the analysis parts a change of equity
    frames = []
    for run in runs:
        one = side(run)
        frames.append(pd.DataFrame({"current": one.value, "margin": one.margin}, index=one.ids))
    common = frames[0].index.intersection(frames[1].index)
    good = [(f.loc[common] > 0).all(axis=1) for f in frames]
    common = common[good[0] & good[1]]
    change = equity_change(frames[0].loc[common], frames[1].loc[common]).roads
    if preset == "subscription":  # nobody is worth less than nothing there
        assert parts["retention"] == pytest.approx(change["retention"], rel=1e-6)
    rest = sum(f.drop(common)["current"].sum() * sign for f, sign in zip(frames, (-1, 1), strict=True))
    assert parts["expansion"] + parts["retention"] + parts["acquisition"] == pytest.approx(
        change["expansion"] + change["retention"] + rest
        - sum(s * side(r).acquisition for s, r in zip((-1, 1), runs, strict=True)), rel=1e-6,
    )  # fmt: skip


def test_each_measure_takes_a_road() -> None:
    world = Scenario.from_name("subscription").replace(population__size=1500, population__months=48)
    without = side(simulate(world, [], 1, progress=False))

    def most(plan: list[object]) -> str:
        parts = roads(without, side(simulate(world, plan, 1, progress=False)))
        return max(ROADS, key=lambda road: abs(parts[road]))

    assert most([measure("advertising", 3.0)]) == "acquisition"
    assert most([policy("price_cut:share=-0.1")]) == "expansion"
    assert most([measure("dunning", 2.0)]) == "retention"


def test_nothing_spent_nothing_changed(fresh: EquityBudget) -> None:
    fresh.set(**dict.fromkeys(MEASURES, 0.0))
    found = fresh.wait()
    assert all(without is plan for without, plan in found["pairs"])
    assert "No measure, no change" in fresh.water.alt
    assert "spends 0 of" in fresh.sentence


def test_spending_is_that_of_the_runs(fresh: EquityBudget) -> None:
    fresh.set(dunning=1.0)
    found = fresh.wait()
    plan = [measure(n, fresh.values[n]) for n in MEASURES if fresh.values[n]]
    runs = [simulate(fresh.scenario, plan, 1, replication=k, progress=False) for k in (0, 1)]
    told = np.mean([sum(pair[1].spent.values()) for pair in found["pairs"]])
    assert told == pytest.approx(np.mean([run.monthly["policy_cost"].mean() for run in runs]))
    assert f"spends {told:,.0f} of" in fresh.sentence
    assert found["pairs"][0][1].equity == runs[0].equity
    for name in ("advertising", "quality", "dunning"):
        assert name in fresh.bar.value


def test_an_overspent_budget_is_said(fresh: EquityBudget) -> None:
    assert "overspends" not in fresh.sentence and "cs-over" not in fresh.bar.value
    fresh.set(quality_control=4.0)
    fresh.wait()
    assert "It overspends the budget by" in fresh.sentence and "cs-over" in fresh.bar.value
    assert "more than the budget allows" in fresh._cards.value
    fresh.set(budget=fresh.panel.controls["budget"].widget.max)
    fresh.wait()
    assert "overspends" not in fresh.sentence


def test_the_next_unit_is_a_paired_difference(fresh: EquityBudget) -> None:
    found = fresh.wait()
    efforts = {n: fresh.values[n] for n in MEASURES}
    rows = []
    for k in range(2):
        runs = []
        for extra in (0.0, STEP):
            plan = [measure(n, e + extra * (n == "dunning")) for n, e in efforts.items()]
            plan = [p for p in plan if p.effort > 0]
            runs.append(side(simulate(fresh.scenario, plan, 1, replication=k, progress=False)))
        rows.append((runs[1].gross - runs[0].gross, runs[1].policy - runs[0].policy))
    assert np.allclose(found["next"]["dunning"], rows)
    ratio = ratio_interval(*np.array(rows).T)[0]
    assert f"dunning {ratio:.1f}" in fresh.next.alt


def test_returns_diminish_with_effort(fresh: EquityBudget) -> None:
    def back(effort: float) -> float:
        fresh.set(dunning=effort)
        rows = fresh.wait()["next"]["dunning"]
        return float(rows[:, 0].mean() / rows[:, 1].mean())

    assert back(0.0) > back(3.0)


def test_the_price_moves_the_margin(fresh: EquityBudget) -> None:
    expansion = []
    before, height = len(sent), fresh._artists["water"][1].get_height()
    for price in (-10, 10):
        fresh.set(price=price)
        expansion.append(np.mean([roads(*pair)["expansion"] for pair in fresh.wait()["pairs"]]))
    assert expansion[0] < 0 < expansion[1]
    assert len(sent) >= before + 8 and fresh._artists["water"][1].get_height() > height
    assert "Expansion moves equity most" in fresh.water.alt


# -- the search -------------------------------------------------------------------------------------


def test_the_best_split_of_a_known_problem() -> None:
    """Two measures with known diminishing gains: at the optimum the next unit brings the same from each."""
    worth = (300.0, 100.0, -50.0)

    def judge(efforts: Sequence[float]) -> tuple[float, float]:
        gains = sum(w * (1 - math.exp(-e)) for w, e in zip(worth, efforts, strict=True))
        return gains, 100.0 * sum(efforts)

    # w0 exp(-a) = w1 exp(-b), a + b = 2
    a = (2 + math.log(3)) / 2
    best = best_split(judge, 200.0, 3)
    assert best[0] == pytest.approx(a, abs=0.12) and best[1] == pytest.approx(2 - a, abs=0.12)
    assert best[2] == pytest.approx(0.0, abs=0.03)
    assert judge(best)[1] <= 200.11
    assert judge(best)[0] > 0.995 * judge([a, 2 - a, 0.0])[0]
    assert best_split(judge, 0.0, 3) == [0.0, 0.0, 0.0]


def test_a_budget_that_does_not_pay_is_not_spent() -> None:
    def judge(efforts: Sequence[float]) -> tuple[float, float]:
        spent = 100.0 * sum(efforts)
        return 50.0 * (1 - math.exp(-efforts[0])) - spent, spent

    assert best_split(judge, 1000.0, 2) == pytest.approx([0.0, 0.0], abs=0.02)


def test_run_finds_a_better_plan_and_judges_it_in_other_worlds(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"SOON": 1, "THOROUGH": 2, "SEARCHED": 1, "HELD_OUT": 4}.items():
        monkeypatch.setattr(equity, name, value)
    made = EquityBudget(customers=500, months=24, quality_control=3.0, dunning=0.0)
    made.wait()
    assert made.take.disabled and "Run searches" in made.table.value
    with pytest.raises(ValueError, match="Press Run first"):
        made._take()
    made.refresh(run=True)
    best = made.wait()["best"]
    assert "In 4 fresh worlds" in made.sentence and not made.take.disabled
    assert best["more"].mean() > 0
    plan = [measure(n, e) for n, e in best["efforts"].items() if e > 0]
    mine = [measure(n, made.values[n]) for n in MEASURES if made.values[n] > 0]
    runs = [simulate(made.scenario, p, 1, replication=2003, progress=False).equity for p in (plan, mine)]
    assert best["more"][3] == pytest.approx(runs[0] - runs[1])
    assert sum(best["spent"].values()) <= 1.1 * made.values["budget"]
    made._take()
    made.wait()
    assert made.values["dunning"] == pytest.approx(best["efforts"]["dunning"], abs=0.051)


# -- both languages, the same numbers ------------------------------------------------------------------


def test_chinese_and_the_same_seed(fresh: EquityBudget, monkeypatch: pytest.MonkeyPatch) -> None:
    told, numbers = fresh.sentence, [b.equity for _, b in fresh.found["pairs"]]
    fresh._other_language()
    fresh.wait()
    assert "该方案每月支出" in fresh.sentence and "开发新客户" in fresh.table.value
    assert [b.equity for _, b in fresh.found["pairs"]] == numbers
    fresh._other_language()
    fresh.wait()
    assert fresh.sentence == told


def test_another_industry_has_its_own_money(fresh: EquityBudget) -> None:
    before, width = fresh.values["budget"], fresh._artists["next"][0].get_width()
    fresh.set(preset="water_utility")
    fresh.wait()
    assert fresh._artists["next"][0].get_width() != width
    assert "CNY" in fresh.sentence and "EUR" not in fresh.sentence and "water utility" in fresh.words.value
    fresh.set(preset="subscription")
    fresh.wait()
    assert fresh.values["budget"] == before and "EUR" in fresh.sentence


def test_what_does_not_fit_is_told_in_words(fresh: EquityBudget) -> None:
    with pytest.raises(ValueError, match="dunning must be from 0 to 4"):
        fresh.set(dunning=9)
