"""The RFM cube, without a browser."""

import re

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("anywidget", reason="pages need the extra `course`")

from crmsim.simulation.engine import simulate
from crmsim.simulation.scenario import Scenario
from crmsim.teaching.pages import rfm, show

CHINESE = re.compile("[\u4e00-\u9fff]")
SIZE, MONTHS = 1_000, 24
# the fixture `page` makes it
PAGE = "rfm", {"customers": SIZE, "months": MONTHS}, {}


def asked(page, **values):
    page.set(**values)
    return page.wait()


def test_profit_is_what_the_log_says(page):
    found = page.found
    world = Scenario.from_name("retail").replace(population__size=SIZE, population__months=MONTHS)
    log = simulate(world, seed=1, progress=False).transactions("2024-01-01")
    # scored after 18 months, response in the month that follows
    after = log[(log["date"] > "2025-06-30") & (log["date"] <= "2025-07-31")]
    rest = found["rest"]
    bought = rest.index.isin(after["customer"])
    assert found["result"]["everybody"] == pytest.approx(12 * bought.sum() - 2 * len(rest))
    cells = found["plan"].table
    mailed = rest["cell"].map(cells["rate"] > 2 / 12).to_numpy(dtype=bool)
    assert found["result"]["mailed"] == mailed.sum() > 0
    assert found["result"]["profit"] == pytest.approx(12 * (bought & mailed).sum() - 2 * mailed.sum())
    gain, low, high = found["result"]["gain"]
    assert low < gain < high
    assert gain == pytest.approx(found["result"]["profit"] - found["result"]["everybody"])
    # nobody is both in the test and among the rest
    known = log[log["date"] <= "2025-06-30"]["customer"].nunique()
    assert found["test"] + len(rest) == known


def test_a_dearer_contact_mails_fewer(page):
    before, seen, said = page.found, page.cube.widget.value, page.sentence
    dear = asked(page, cost=6.0)
    assert dear["plan"].break_even == 0.5
    assert 0 < dear["result"]["mailed"] < before["result"]["mailed"]
    assert page.cube.widget.value != seen
    assert "50.0 %" in page.sentence != said
    sure = asked(page, cost=6.0, rule="low")
    assert sure["result"]["mailed"] < dear["result"]["mailed"]


def test_a_mailing_that_cannot_pay_is_told(page):
    found = asked(page, cost=10.0, margin=2.0)
    assert found["result"]["mailed"] == 0
    assert page.sentence.startswith("No cell")


def test_independent_fifths_leave_cells_empty(page):
    nested = (page.found["plan"].table["contacts"] > 0).sum()
    assert (asked(page, method="independent")["plan"].table["contacts"] > 0).sum() < nested


def test_expected_purchases_order_better_than_being_alive(page):
    # one who bought once is surely alive for BG/NBD, so P(alive) alone is a poor list
    good = page.found["rival"]["profit"]
    assert asked(page, rival="alive")["rival"]["profit"] < good
    digits = asked(page, rival="digits")
    assert digits["rival"]["curve"][-1] == pytest.approx(digits["result"]["everybody"])


def test_a_rival_that_is_the_same_has_no_gain():
    rest = pd.DataFrame({"cell": ["555", "555", "111"], "bought": [1, 0, 0]})
    table = pd.DataFrame({"mail": [True, False], "rate": [0.5, 0.0]}, index=["555", "111"])
    plan = type("Plan", (), {"table": table, "margin": 10.0, "cost": 1.0})
    luck = np.array([0.1, 0.2, 0.3])
    assert rfm.outcome(rest, plan, luck)["profit"] == 8
    assert rfm.outcome(rest, plan, luck)["curve"].tolist() == [0, 9, 8, 7]
    assert rfm.rival(rest, plan, np.array([2.0, 2.0, 1.0]), luck)["gain"] == (0, 0, 0)
    assert rfm.rival(rest, plan, np.array([1.0, 2.0, 3.0]), luck)["gain"][0] == -10


def test_the_outline_goes_around():
    assert len(rfm._outline({(0, 0)})) == 4
    assert len(rfm._outline({(0, 0), (1, 0)})) == 6


def test_both_languages(page):
    assert not CHINESE.search(re.sub(r"\([^)]*\)", "", page.sentence))
    page.guard(page._other_language)
    page.wait()
    assert "盈亏平衡" in page._cards.value
    assert CHINESE.search(page.sentence)
    page.guard(page._other_language)
    page.wait()


def test_contracts_have_no_purchases():
    page = show("rfm", "subscription", customers=200, months=12)
    with pytest.raises(RuntimeError, match="subscription bills by contract"):
        page.wait()
    assert 'role="alert"' in page._message.value


def test_the_same_seed_gives_the_same(page):
    again = show("rfm", customers=SIZE, months=MONTHS)
    assert again.wait()["result"]["profit"] == page.found["result"]["profit"]
    assert again.cube.widget.value == page.cube.widget.value
