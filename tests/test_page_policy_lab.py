"""The policy lab, without a browser."""

import html
import re

import numpy as np
import pytest
from scipy import stats

pytest.importorskip("anywidget", reason="pages need the extra `course`")

from crmsim.simulation.engine import simulate
from crmsim.simulation.lives import CustomerError, trace
from crmsim.simulation.policies import policy
from crmsim.simulation.scenario import Scenario
from crmsim.teaching import names, show, story
from crmsim.teaching.pages import policy_lab
from crmsim.teaching.pages.choices import make_policy
from crmsim.vocabulary import ChurnCause

CHINESE = re.compile("[\u4e00-\u9fff]")


@pytest.fixture(autouse=True)
def few_worlds(monkeypatch):
    monkeypatch.setattr(policy_lab, "SOON", 3)
    monkeypatch.setattr(policy_lab, "THOROUGH", 5)


@pytest.fixture(scope="module")
def lab():
    return show("policy-lab", customers=600, months=36)


@pytest.fixture
def page(lab):
    """The lab with its defaults; made once, as making it takes longest."""
    if lab.language != "en":
        lab.guard(lab._other_language)
    lab.life.value, lab.tiles.chosen = 1, -1
    lab._open(False)
    lab.panel.reset()
    lab.refresh()
    lab.wait()
    return lab


def text(widget):
    return html.unescape(re.sub(r"<[^>]+>", " ", widget.value))


def pairs(scenario, *policies, n=3, seed=1):
    worlds = [simulate(scenario, [], seed, replication=k, progress=False) for k in range(n)]
    return worlds, [simulate(scenario, list(policies), seed, replication=k, progress=False) for k in range(n)]


def test_the_numbers_are_those_of_an_independent_comparison(page):
    world = Scenario.from_name("subscription").replace(population__size=600, population__months=36)
    without, having = pairs(world, policy("dunning"))
    gain = [
        1000 * (b.survival().iloc[-1] - a.survival().iloc[-1]) for a, b in zip(without, having, strict=True)
    ]
    low, high = stats.t.interval(0.95, 2, np.mean(gain), stats.sem(gain))
    equity = np.mean([b.equity - a.equity for a, b in zip(without, having, strict=True)])
    cards = text(page._cards)
    for value in (np.mean(gain), low, high):
        assert f"{value:+.0f}".replace("-", "−") in cards
    assert (
        f"{equity:+,.0f}".replace("-", "−") in cards and f"{equity:+,.0f}".replace("-", "−") in page.sentence
    )
    assert f"keeps {np.mean(gain):.0f} customers in a thousand" in page.kept.alt


def test_the_money_adds_up_and_is_told_apart_by_stay(page):
    world = page.found["world"]
    without, having = pairs(world, page.found["policy"], n=1)
    row = page.found["rows"][0]
    assert sum(row[part] for part in policy_lab.PARTS) == pytest.approx(row["equity"])
    assert row["equity"] == pytest.approx(having[0].equity - without[0].equity)
    a, b = (run.customers.iloc[:600] for run in (without[0], having[0]))
    stay = [table["left_month"].fillna(36).astype(int) for table in (a, b)]
    longer = (stay[1] > stay[0]).to_numpy()
    assert longer.any()
    # undiscounted, as the table has it: larger, and less than a third so in three years at 12 %
    plain = float((b["historical_value"] - a["historical_value"])[longer].sum())
    assert 0.7 * plain < row["longer"] < plain


def test_strength_moves_cost_and_people_and_none_changes_nothing(page):
    cost = np.mean([row["cost"] for row in page.found["rows"]])
    pictures = page.kept.widget.value, page.money.widget.value
    page.panel.controls["strength"].widget.value = 3.0
    page.wait()
    assert np.mean([row["cost"] for row in page.found["rows"]]) == pytest.approx(3 * cost, rel=0.05)
    assert page.kept.widget.value != pictures[0] and page.money.widget.value != pictures[1]
    page.panel.controls["strength"].widget.value = 0.0
    page.wait()
    for row in page.found["rows"]:
        assert row["cost"] == row["equity"] == 0 and np.array_equal(*row["kept"])
    assert "keeps nobody for certain" in page.kept.alt and "–" in text(page._cards)
    assert text(page.parted).strip() == "All of them end alike in both lives."


def test_a_second_policy_takes_the_same_worlds_without_one(page, monkeypatch):
    asked = []
    real = policy_lab.simulate

    def counted(world, policies, *more, **words):
        asked.append(policies)
        return real(world, policies, *more, **words)

    monkeypatch.setattr(policy_lab, "simulate", counted)
    page.set(policy="quality_control")
    page.wait()
    assert len(asked) == 3 and all(asked)
    page.set(market__openness=0.5)
    page.wait()
    assert len(asked) == 9


def test_run_takes_more_worlds_and_says_so(page):
    assert "3 pairs of worlds" in page.words.value
    page._run.click()
    page.wait()
    assert len(page.found["rows"]) == 5 and "5 pairs of worlds" in page.words.value


def test_one_pair_of_worlds_has_no_interval(page):
    page.show({**page.found, "rows": page.found["rows"][:1]})
    assert "(one pair of worlds, no interval yet)" in page.sentence and "—" not in page.sentence


def test_a_price_cut_costs_margin_and_no_spending(page):
    page.set(policy="price_cut")
    page.wait()
    row = page.found["rows"][0]
    assert row["cost"] == 0 and row["others"] < 0
    assert "nothing is spent" in text(page._cards)


def test_the_toggle_shows_the_other_life(page):
    page.set(strength=4.0)
    page.wait()
    having = list(page.tiles.rows), list(page.tiles.exits)
    page.life.value = 0
    without = list(page.tiles.rows), list(page.tiles.exits)
    world = page.found["world"]
    run = simulate(world, [], 1, progress=False, follow=range(20))
    layers = run.path("layer")
    for row, path in zip(without[0], layers, strict=True):
        assert row == "".join("." if np.isnan(x) else str(int(x)) for x in path)
    apart = {f"#{k}" for k in range(20) if having[1][k] != without[1][k]}
    assert set(re.findall(r"#\d+", page.parted.value)) == apart


@pytest.mark.parametrize("language", ["en", "zh"])
def test_why_tells_what_happened_to_each_in_both_lives(page, language):
    if language == "zh":
        page.guard(page._other_language)
    world = page.found["world"]
    page._explain()
    assert page.text("choose") in text(page.answer)
    for side, policies in ((1, [page.found["policy"]]), (0, [])):
        page.life.value = side
        people = simulate(world, policies, 1, progress=False).customers
        for who in range(0, 20, 2):
            page.tiles.chosen = who
            page._explain()
            told = text(page.answer)
            cause = people["cause"].iloc[who]
            assert page.panel_why.layout.display == ""
            if isinstance(cause, str):
                assert ChurnCause.from_key(cause).chinese in told
                assert str(people["left_month"].iloc[who] + 1) in told
            else:
                assert page.pick(("is still there", "仍是客户")) in told
            assert "Traceback" not in told


def test_an_open_answer_follows_row_and_life(page):
    page.tiles.chosen = 1
    page._explain()
    first = page.answer.value
    page.tiles.chosen = 2
    assert page.answer.value != first and "Customer 2" in text(page.answer)
    page.life.value = 0
    assert "with the policy" in text(page.answer)  # which is now the other one
    page._open(False)
    before = page.answer.value
    page.tiles.chosen = 5
    assert page.answer.value == before


def test_chinese_from_top_to_bottom(page):
    found = page.found
    page.guard(page._other_language)
    assert page.found is found
    assert CHINESE.search(page.sentence) and CHINESE.search(page.kept.alt) and CHINESE.search(page.money.alt)
    assert "customers" not in page.sentence + text(page._cards)
    labels = [control.box.children[0].value for control in page.panel.controls.values()]
    assert all(CHINESE.search(label) for label in labels)
    options = [label for label, _ in page.panel.controls["policy"].widget.options]
    assert all(CHINESE.search(label) for label in options)


def test_the_same_seed_gives_the_same_page_and_another_does_not(page):
    again, other = (show("policy-lab", customers=600, months=36, seed=seed) for seed in (1, 2))
    for one in (again, other):
        one.wait()
    assert again.sentence == page.sentence != other.sentence


@pytest.mark.parametrize("preset", Scenario.presets())
def test_every_measure_on_offer_works_in_its_industry(preset):
    world = Scenario.from_name(preset).replace(population__size=200, population__months=4)
    page = show("policy-lab", preset, customers=200, months=4)
    page.wait()
    for _, name in page.panel.controls["policy"].widget.options:
        for strength in (0.0, 2.0):
            run = simulate(world, [make_policy(name, strength)], 1, progress=False)
            assert np.isfinite(run.equity)
    assert page.scenario.name == preset
    page.close()


def test_where_there_is_a_desk_the_waterfall_has_service():
    page = show("policy-lab", "water_utility", customers=600, months=12)
    page.wait()
    assert "service 0" in page.money.alt and "Callers answered in time" in page.sentence
    page.set(policy="hire_agents")
    page.wait()
    row = page.found["rows"][0]
    assert row["service"] == pytest.approx(-row["cost"]) and row["policy"] == 0 and row["cost"] > 0
    run = simulate(page.found["world"], [page.found["policy"]], 1, progress=False)
    assert row["in_time"][1] == pytest.approx(run.service["service_level"].mean())
    assert row["in_time"][1] >= row["in_time"][0]
    assert "service −" in page.money.alt


def test_no_payments_are_dunned_where_nothing_is_billed():
    page = show("policy-lab", "retail", customers=200, months=4)
    offered = [name for _, name in page.panel.controls["policy"].widget.options]
    assert "dunning" not in offered and "payment.cure" not in page.values
    page.close()


def test_another_industry_keeps_the_measure_where_it_acts():
    page = show("policy-lab", "subscription", customers=200, months=4, policy="quality_control", strength=2.0)
    page.set(preset="water_utility")
    assert page.wait()["name"] == "quality_control" and page.values["strength"] == 2.0
    page.set(policy="hire_agents")
    page.set(preset="retail")  # which has no desk
    assert page.wait()["name"] == "complaint_handling" and page.values["strength"] == 2.0
    page.close()


# --- the words of a trace -------------------------------------------------------------------------


@pytest.mark.parametrize("preset", Scenario.presets())
def test_every_step_of_a_month_has_chinese_words(preset):
    world = Scenario.from_name(preset).replace(population__size=60, population__months=12)
    places = {t.name: t.chinese for t in world.touchpoints}
    policies = [policy("win_back"), policy("retention_call:share=0.5"), policy("delight:share=0.5")]
    seen = 0
    for who in range(0, 40, 4):
        try:
            told = trace(world, policies, who, 5)
        except CustomerError:
            continue
        for step in told:
            assert step.stage in names.STAGES, step.stage
            assert CHINESE.search(story.step_words(step, "zh", places)), step.what
            seen += 1
    assert seen > 100


def test_the_draw_that_is_named_decided():
    world = Scenario.from_name("subscription").replace(population__size=400, population__months=36)
    people = simulate(world, [], 1, progress=False).customers.iloc[:400]
    gone = people[people["cause"].notna()]
    for cause in ("competitive", "payment_lapse", "natural", "fault"):
        who = gone.index[gone["cause"] == cause][0]
        told = " ".join(story.summary(trace(world, [], int(who), int(gone.loc[who, "left_month"])), "en"))
        draw, threshold = map(float, re.search(r"drawn (\S+) where less than (\S+) means", told).groups())
        assert draw < threshold
        assert ChurnCause.from_key(cause).chinese in told
