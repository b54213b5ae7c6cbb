"""The targeting game: its numbers against an independent computation, and what its controls do."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

pytest.importorskip("anywidget")

from crmsim.analysis.targeting import expected_saves, profit_curve
from crmsim.simulation.engine import simulate
from crmsim.simulation.policies import Action
from crmsim.simulation.scenario import Scenario
from crmsim.teaching.pages import targeting
from crmsim.teaching.pages.targeting import (
    DECISION,
    FIRM,
    FOLLOWED,
    GRID,
    RULES,
    Names,
    TargetingGame,
    live_twice,
    outcome,
)

CALL = Action("call", strength=1.0, months=12, care=10.0)


# what the pictures said; rendering them is tested with the base of the pages
sent: list[str] = []


@pytest.fixture(scope="module")
def page() -> Iterator[TargetingGame]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(targeting, "SOON", 3)
        patch.setattr("crmsim.teaching.picture.Picture.send", lambda picture: sent.append(picture.alt))
        made = TargetingGame(customers=1000)
        made.wait()
        yield made


@pytest.fixture()
def fresh(page: TargetingGame) -> TargetingGame:
    before = page.values
    page.panel.reset()
    if page.values != before:
        page.refresh()
    page.wait()
    return page


def totals(page: TargetingGame, rule: str, key: str) -> float:
    return float(page.found["rows"][rule][key].mean())


def test_nobody_exceeds_the_oracle(fresh: TargetingGame) -> None:
    for goal, key in (("money", "profit"), ("customers", "customers")):
        fresh.set(goal=goal)
        found = fresh.wait()
        best = found["rows"]["oracle"][key]
        for rule in RULES:
            assert np.all(found["rows"][rule][key] <= best + 1e-9), (goal, rule)
            assert np.all(found["curves"][rule] <= found["curves"]["oracle"] + 1e-9), (goal, rule)


def test_the_curve_is_that_of_the_analysis(fresh: TargetingGame) -> None:
    """The share-by-share profit equals what `expected_saves` and `profit_curve` compute."""
    price, lines = 0.14 * fresh.scenario.bill, []
    for lives in fresh._worlds:
        saves = expected_saves(lives.firm["risk_score"], lives.effect, value=lives.worth)
        profit = profit_curve(saves, contact=price)["profit"].to_numpy()
        lines.append(profit[np.round(GRID * lives.ids.size).astype(int)])
    assert np.allclose(fresh.found["curves"]["risk"], np.mean(lines, axis=0))


def test_effects_are_those_of_a_world_where_only_the_chosen_are_called() -> None:
    """Calling exactly the names in a world of its own spares what the two lives say it would."""
    world = Scenario.from_name("subscription").replace(population__size=4000, population__months=24)
    lives = live_twice(world, CALL, 1, 0)
    chosen = lives.order("oracle", dict.fromkeys(FIRM, 0.0), "customers")[:400]
    told = outcome(lives, chosen, 1.0)
    gone = {}
    for name, campaign in (("without", []), ("called", [Names(lives.ids[chosen], CALL, 1.0)])):
        run = simulate(world, campaign, 1, progress=False)
        who = run.customers.loc[lives.ids[chosen]]
        gone[name] = who["left_month"].notna().to_numpy()
    assert run.monthly["policy_cost"].sum() == told["cost"] == 400
    assert np.array_equal(gone["without"], ~lives.stay[chosen])
    # neighbours' departures are felt, so a life or two may differ
    assert abs(int((gone["without"] & ~gone["called"]).sum()) - told["saved"]) <= 2
    # expected and counted agree within the luck of so many departures
    spread = np.sqrt(told["saved"] + told["left"])
    assert abs(told["customers"] - (told["saved"] - told["left"])) < 3 * spread
    assert told["saved"] > 10


def test_an_effect_is_the_response_on_the_competitive_hazard() -> None:
    """Without response and care nothing happens; a negative response harms everybody it touches."""
    world = Scenario.from_name("subscription").replace(population__size=500)
    nothing = live_twice(world, Action("call", strength=0.0, months=12, care=0.0), 1, 0)
    assert not nothing.effect.any()
    assert np.array_equal(nothing.stay, nothing.stay_called)
    dogs = world.replace(population__response_mean=-0.5, population__response_sd=0.0)
    assert np.all(live_twice(dogs, Action("call", strength=1.0, months=3), 1, 0).effect <= 0)
    assert DECISION + FOLLOWED == 24


def test_calling_by_risk_harms_where_risk_and_response_part(fresh: TargetingGame) -> None:
    usual, told = totals(fresh, "risk", "kept"), fresh.sentence
    before, width = len(sent), fresh._artists["bars"][0].get_width()
    fresh.set(population__response_risk_correlation=-0.9, population__response_mean=0.0, goal="customers")
    fresh.wait()
    assert totals(fresh, "risk", "kept") < 0 < usual
    assert fresh.sentence != told and len(sent) >= before + 6
    assert fresh._artists["bars"][0].get_width() != width
    assert "loses customers" in fresh.board.alt
    fresh.set(population__response_risk_correlation=0.5, population__response_mean=0.5)
    fresh.wait()
    assert totals(fresh, "risk", "kept") > usual
    assert "loses customers" not in fresh.board.alt


def test_weights_are_the_readers_rule(fresh: TargetingGame) -> None:
    assert totals(fresh, "own", "kept") == totals(fresh, "risk", "kept")
    fresh.set(risk_score=0.0, monthly_value=2.0)
    fresh.wait()
    assert totals(fresh, "own", "profit") == totals(fresh, "value", "profit")
    fresh.set(rule="own", tenure=1.0, complaints=-1.0)
    fresh.wait()
    assert totals(fresh, "own", "profit") != totals(fresh, "value", "profit")
    assert "your weights" in fresh.sentence


def test_better_scores_find_more(fresh: TargetingGame) -> None:
    found = []
    for validity in (0.0, 1.0):
        fresh.set(firm__score_validity=validity, rule="uplift")
        fresh.wait()
        found.append(totals(fresh, "uplift", "kept"))
    assert found[1] > 1.5 * found[0]


def test_share_and_price_count(fresh: TargetingGame) -> None:
    fresh.set(share=20, price=0.5)
    found = fresh.wait()
    here = np.mean([lives.ids.size for lives in fresh._worlds])
    assert totals(fresh, "risk", "calls") == pytest.approx(0.2 * here, abs=1)
    assert totals(fresh, "risk", "cost") == pytest.approx(
        0.5 * fresh.scenario.bill * totals(fresh, "risk", "calls")
    )
    assert len(found["chosen"]) == round(0.2 * found["first"].ids.size)
    fresh.set(months=1)
    kept = fresh.wait()["rows"]["oracle"]["kept"].mean()
    fresh.set(months=12)
    assert kept < fresh.wait()["rows"]["oracle"]["kept"].mean()


def test_chinese_and_the_list_of_names(fresh: TargetingGame) -> None:
    assert fresh.table.value.count("<tr>") == 9 and "风险" not in fresh.sentence
    chinese = TargetingGame(customers=500, language="zh")
    chinese.wait()
    assert "按风险联系10%的客户" in chinese.sentence and "先知" in chinese.sentence
    assert "响应评分" in chinese.table.value and "被联系者" in chinese.who.alt


def test_the_same_seed_the_same_numbers(fresh: TargetingGame) -> None:
    again = TargetingGame(customers=1000)
    again.wait()
    assert again.sentence == fresh.sentence
    other = TargetingGame(customers=1000, seed=2)
    other.wait()
    assert other.sentence != fresh.sentence


def test_run_plays_the_list_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targeting, "THOROUGH", 3)
    monkeypatch.setattr(targeting, "SOON", 2)
    monkeypatch.setattr(targeting, "PLAYED", 3)
    page = TargetingGame(customers=500, months=36, rule="oracle")
    page.wait()
    assert "Played" not in page.sentence
    page.refresh(run=True)
    played = page.wait()["played"]
    assert played.shape == (3,) and "Played to month 36 in 3 pairs" in page.sentence
    lives = page._worlds[1]
    chosen = lives.order("oracle", dict.fromkeys(FIRM, 0.0), "money")[: round(0.1 * lives.ids.size)]
    world = page.world(page.values)
    campaign = Names(lives.ids[chosen], CALL, 0.14 * world.bill)
    runs = [simulate(world, p, page.seed, replication=1, progress=False).equity for p in ([campaign], [])]
    assert played[1] == runs[0] - runs[1]


def test_a_world_without_customers_is_told_in_words() -> None:
    page = TargetingGame(Scenario.from_name("subscription").replace(population__initial_share=0.0,
                         acquisition__external=0.0, acquisition__imitation=0.0), customers=200)  # fmt: skip
    with pytest.raises(RuntimeError, match="nobody is a customer in month 12"):
        page.wait()
