"""The table of product ratios, without a browser."""

import re

import numpy as np
import pytest

pytest.importorskip("anywidget", reason="pages need the extra `course`")

from crmsim.datasets import load_dataset
from crmsim.teaching.pages import ratios

CHINESE = re.compile("[\u4e00-\u9fff]")
# the fixture `page` makes it
PAGE = "ratios", {}, {}


def asked(page, **values):
    page.set(**values)
    return page.wait()


def test_numbers_are_those_of_the_records(page):
    data = load_dataset("retail")
    lines = data["purchase_lines"].merge(data["purchases"][["purchase", "month"]], on="purchase")
    lines = lines[lines["month"] >= 24]
    tea = lines[lines["product"] == "tea"]
    stock = data["stock"][data["stock"]["product"] == "tea"].set_index("month")
    held = (stock.loc[24, "opening"] + stock.loc[35, "closing"]) / 2
    row = page.found.after.table.loc["tea"]
    margin = 1 - tea["cost"].sum() / tea["amount"].sum()
    turns = tea["amount"].sum() / held
    mix = tea["amount"].sum() / lines["amount"].sum()
    assert row["margin_rate"] == pytest.approx(margin)
    assert row["turnover"] == pytest.approx(turns)
    assert row["cross_ratio"] == pytest.approx(margin * turns)
    assert row["contribution"] == pytest.approx(margin * turns * mix)
    assert asked(page, contribution="margin").after.table.loc["tea", "contribution"] == pytest.approx(
        margin * mix
    )
    # stock at selling price is worth more, so it turns over less
    at_price = asked(page, valuation="price").after.table.loc["tea", "turnover"]
    assert at_price == pytest.approx(turns * (1 - margin))


def test_less_stock_raises_the_rank(page):
    seen, table, said = page.picture.widget.value, page.table.value, page.sentence
    assert "▲" not in re.sub("<small>[^<]*</small>", "", table)
    found = asked(page, product="lamp", stock=-60)
    assert found.after.table.loc["lamp", "turnover"] == pytest.approx(
        2.5 * found.before.table.loc["lamp", "turnover"]
    )
    assert found.ranks.loc["lamp", "a"] < found.ranks_before.loc["lamp", "a"]
    assert "rises from rank" in page.sentence
    assert "▲" in re.sub("<small>[^<]*</small>", "", page.table.value.replace('<small class="cs-up">', ""))
    assert (page.picture.widget.value, page.table.value, page.sentence) != (seen, table, said)
    # version (b) knows no stock
    assert (found.ranks["b"] == found.ranks_before["b"]).all()


def test_price_moves_margin_and_what_is_sold():
    sold = ratios.year_of(load_dataset("retail"), 0)
    before, after = (f.set_index("product") for f in (sold, ratios.what_if(sold, "tea", 0.25, 0.0, 2.0)))
    assert after.loc["tea", "cost"] == pytest.approx(before.loc["tea", "cost"] / 1.25**2)
    assert after.loc["tea", "sales"] == pytest.approx(before.loc["tea", "sales"] / 1.25)
    assert after.drop("tea").equals(before.drop("tea").astype(float))


def test_a_price_below_cost_shows_a_loss(page):
    found = asked(page, product="headphones", price=-40)
    assert found.after.table.loc["headphones", "margin_rate"] < 0
    assert page.picture.axes[0].get_ylim()[0] < 0


def test_controls_tell_years_apart(page):
    tables = [asked(page, year=year).before.total["sales"] for year in (0, 1, 2)]
    assert len(set(tables)) == 3
    with pytest.raises(ValueError, match="product must be one of"):
        page.set(product="gold")


def test_names_stay_in_the_picture_and_apart():
    x, y = np.array([10.0, 200.0, 205.0]), np.array([100.0, 100.0, 104.0])
    places = ratios.beside(x, y, ["coffee", "tea", "toys"], 13, np.array([8.0, 8.0, 8.0]), (280, 290))
    boxes = [
        (u + dx, v + dy - 7, u + dx + 30, v + dy + 7) for u, v, (dx, dy) in zip(x, y, places, strict=True)
    ]
    assert all(b[0] >= 0 and b[2] <= 280 for b in boxes)
    assert ratios._meet(boxes[1], boxes[2]) == 0


def test_both_languages(page):
    assert not CHINESE.search(re.sub(r"\([^)]*\)", "", page.sentence))
    assert "交叉比率" in page.table.value
    page.guard(page._other_language)
    page.wait()
    assert "咖啡豆" in page.table.value
    assert "coffee" not in page.table.value
    assert CHINESE.search(page.sentence)
    page.guard(page._other_language)
    page.wait()
