"""The market opens, without a browser."""

import re

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("anywidget", reason="pages need the extra `course`")

from crmsim.analysis.loyalty import loyalty_types
from crmsim.research.opening import OpenedWorld, Opening, opened
from crmsim.research.worlds import World
from crmsim.simulation.engine import simulate
from crmsim.teaching.pages import market

CHINESE = re.compile("[\u4e00-\u9fff]")
SIZE, MONTHS = 800, 72
# the fixture `page` makes it
PAGE = "market", {"customers": SIZE, "months": MONTHS}, {"SOON": 2}


def test_numbers_are_those_of_the_runs(page):
    world = opened("water_utility", "england", month=24, years=4).replace(
        population__size=SIZE, service__desk="none"
    )
    assert page.found["world"].hash == world.hash and world.population.months == MONTHS
    liking = {}
    runs = [
        simulate(world, [], 1, replication=k, progress=False,
                 watch=lambda m, view, k=k: liking.__setitem__((k, m), view.column("affective")[:SIZE]))
        for k in range(2)
    ]  # fmt: skip
    shares = page.found["shares"]
    for k, run in enumerate(runs):
        people = run.customers.iloc[:SIZE]
        gone = people["cause"].isin(["competitive", "fault"]).to_numpy()
        away = people["cause"].notna().to_numpy() & ~gone
        looked_at = OpenedWorld(World(world, (), 1, k, monthly=("active", "satisfaction")))
        np.testing.assert_allclose(page.found["switched"][k, 24:], 100 * looked_at.switched)
        told = looked_at.items(4)["auc"]
        # as many are asked, but the survey of the page has its own name and the same luck
        assert page.found["foretold"][k] == pytest.approx([told[item] for item in market.ASKED])
        assert shares[k, 4, -1] == pytest.approx(away.mean())
        assert shares[k, 1, -1] == pytest.approx((~gone & ~away & (liking[k, MONTHS] < 50)).mean())
    # the square is that of the analysis
    people = runs[0].customers.iloc[:SIZE]
    here = people["cause"].isna() | people["cause"].isin(["competitive", "fault"])
    table = loyalty_types(
        pd.Series(liking[0, MONTHS], index=people.index)[here], people["cause"].isna()[here].astype(float),
        attitude_cut=50, behaviour_cut=0.5,
    ).table  # fmt: skip
    pd.testing.assert_frame_equal(page.found["types"].table, table)
    # before the opening the simulator counts the same corner, of all customers with a bill
    assert 100 * shares[:, 1, 24].mean() / (1 - shares[:, 4, 24].mean()) == pytest.approx(
        100 * np.mean([run.monthly["share_spurious"].iloc[23] for run in runs]), abs=4
    )


def test_shares_add_up_and_nobody_leaves_a_monopoly(page):
    shares, switched = page.found["shares"], page.found["switched"]
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    assert (switched[:, :25] == 0).all() and (np.diff(switched[:, 24:].mean(axis=0)) > -0.5).all()
    assert switched[:, -1].min() > 5
    assert page.found["gone"]["spurious"].mean > page.found["gone"]["true"].mean


def again(*given, **named):
    """In the place of `simulate` where nothing is to be simulated; the page tells its words."""
    raise ValueError("simulated again")


def test_looking_at_another_month_simulates_nothing(page, monkeypatch):
    monkeypatch.setattr(market, "simulate", again)
    picture = page.matrix.widget.value
    page.set(month=12)
    found = page.wait()
    assert found["types"].table.set_index("type").loc["latent", "customers"] == 0
    assert "nobody can leave" in page.sentence and page.matrix.widget.value != picture
    spurious = found["types"].table.set_index("type").loc["spurious", "share"]
    page.set(month=12, cut=70)
    assert page.wait()["types"].table.set_index("type").loc["spurious", "share"] > spurious


def test_controls_move_the_market(page, monkeypatch):
    monkeypatch.setattr(market, "SOON", 1)
    last = page.found["switched"][:, -1].mean()
    before = page.sentence
    for change in ({"market__awareness": 0.1}, {"market__attention": 0.1}, {"discount": 0.0},
                   {"market__switching_cost_shift": 15.0}, {"openness": 0.2}, {"quality": 10.0},
                   {"opening": 34}):  # fmt: skip
        page.panel.reset()
        page.set(**change)
        assert page.wait()["switched"][:, -1].mean() < last, change
        assert page.sentence != before
    page.panel.reset()
    page.set(openness=0.0)
    assert page.wait()["switched"].max() == 0
    assert "inertia" not in page.sentence


def test_it_opens_like_another_market(page):
    page.set(like="energy")
    try:
        energy = page.wait()
        way = Opening.named("energy")
        assert page.values["market.awareness"] == way.changes["market__awareness"]
        assert page.values["discount"] == pytest.approx(100 * way.discount)
        assert energy["world"].churn.competitive == way.changes["churn__competitive"]
        assert "British homes 50" in page._cards.value and "England" not in page._cards.value
        page.set(market__attention=0.1)
        fewer = page.wait()
        assert fewer["world"].market.attention == 0.1
        assert fewer["switched"][0, -1] < energy["switched"][0, -1]
        page.guard(page._other_language)
        assert page.values["like"] == "energy" and page.values["market.attention"] == 0.1
    finally:
        page.guard(page._other_language)
        page.set(like="england")
        page.clean = page.wait()


def test_the_answers_can_be_looked_at_in_place_of_the_square(page, monkeypatch):
    monkeypatch.setattr(market, "simulate", again)
    square, sentence = page.matrix.widget.value, page.sentence
    page.set(left="answers")
    foretold = page.wait()["foretold"]
    assert page.matrix.widget.value != square and page.sentence == sentence
    best = int(100 * foretold.mean(axis=0).max() + 0.5)
    first = market.TEXT[market.ASKED[int(foretold.mean(axis=0).argmax())]][0]
    assert f"Asked before, {first} tells who stays in {best} % of pairs" in sentence
    page.set(left="answers", month=20)
    assert np.isnan(page.wait()["foretold"]).all()
    assert "Nobody has left yet" in page.matrix.alt and "Asked" not in page.sentence


def test_both_languages(page):
    page.guard(page._other_language)
    page.wait()
    assert CHINESE.search(page.sentence) and "loyal" not in page.sentence
    assert all(pair[0] and pair[1] for pair in market.TEXT.values())


def test_errors_are_told_in_words(page, monkeypatch):
    with pytest.raises(ValueError, match="openness must be from 0 to 1"):
        page.set(openness=2.0)
    monkeypatch.setattr(market, "simulate", lambda *a, **k: (_ for _ in ()).throw(ValueError("closed today")))
    page.set(quality=1.0)
    with pytest.raises(RuntimeError, match="This cannot be shown: closed today"):
        page.wait()


def test_the_seed_decides(page, monkeypatch):
    monkeypatch.setattr(market, "SOON", 1)
    found = []
    for seed in (5, 6, 5):
        monkeypatch.setattr(page, "seed", seed)
        page.refresh()
        found.append(page.wait()["switched"])
    np.testing.assert_array_equal(found[0], found[2])
    assert not np.array_equal(found[0], found[1])
