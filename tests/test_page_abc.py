"""The Lorenz curve with ABC cuts, without a browser."""

import re

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("anywidget", reason="pages need the extra `course`")

from crmsim.simulation.engine import simulate
from crmsim.teaching.pages import abc, show

CHINESE = re.compile("[\u4e00-\u9fff]")
SIZE = 1_000
# the fixture `page` makes it
PAGE = "abc", {"customers": SIZE}, {}


def asked(page, **values):
    page.set(**values)
    return page.wait()


def test_numbers_are_those_of_the_run(page):
    found = page.found
    run = simulate(page._spread(page.values), seed=1, progress=False)
    sold = np.sort(run.customers["revenue"].to_numpy(dtype=float))[::-1]
    sold = sold[sold > 0]
    assert len(found.classes.table) == len(sold)
    # class A ends with the customer who crosses 75 %
    crossed = np.searchsorted(np.cumsum(sold) / sold.sum(), 0.75) + 1
    assert found.classes.summary.loc["A", "customers"] == crossed
    whole = int(0.2 * len(sold))
    near = sold[:whole].sum() / sold.sum()
    assert near <= found.top[0] <= near + sold[whole] / sold.sum()
    low, high = found.top[1:]
    assert low < found.top[0] < high
    # the mean absolute difference of two customers over twice the mean
    gaps = np.abs(sold[:, None] - sold).mean() / (2 * sold.mean())
    assert found.gini[0] == pytest.approx(gaps)


def test_differences_bend_the_curve(page):
    seen, said = page.picture.widget.value, page.sentence
    shares = [asked(page, rate_spread=spread, spend_spread=0.0).top[0] for spread in (0.0, 1.0, 2.5)]
    assert shares == sorted(shares)
    assert shares[2] > shares[0] + 0.2
    assert page.picture.widget.value != seen
    assert page.sentence != said
    # with one rate and one size of purchase chance alone is left
    assert 0 < asked(page, rate_spread=0.0, spend_spread=0.0).gini[0] < 0.4


def test_the_mean_purchase_does_not_move(page):
    worlds = [page._spread({**page.values, "spend_spread": spread}) for spread in (0.3, 1.5)]
    means = [
        w.purchase.spend_shape * w.purchase.spend_scale / (w.purchase.spend_heterogeneity - 1) for w in worlds
    ]
    assert means[0] == pytest.approx(means[1])


def test_cuts_move_the_classes(page):
    wide = asked(page, a=90, b=5).classes.summary["customers"]
    small = asked(page, a=50, b=5).classes.summary["customers"]
    assert wide["A"] > small["A"]
    page.set(a=90, b=20)
    with pytest.raises(RuntimeError, match="must leave something for C"):
        page.wait()


def test_groups_that_differ_are_found_and_others_not():
    rng = np.random.default_rng(1)
    sales = pd.Series(rng.gamma(2.0, 10.0, 3000))
    half = pd.Series(np.where(np.arange(3000) % 2, "odd", "even"), index=sales.index)
    groups = abc.shares(sales, half, 1)[2]
    assert ((groups["low"] < 1) & (groups["high"] > 1)).all()
    assert groups["customers"].tolist() == [0.5, 0.5]
    groups = abc.shares(sales.where(half == "odd", 2 * sales), half, 1)[2]
    assert groups.loc["even", "low"] > 1.2
    assert groups.loc["even", "index"] == pytest.approx(4 / 3, rel=0.03)


def test_attributes_without_effect_are_said_to_have_none(page):
    # age and district have nothing to do with what is bought
    for attribute in ("gender", "district"):
        asked(page, attribute=attribute)
        assert "no group differs" in page.sentence
    assert len(page.found.groups) == 6


def test_both_languages_and_the_same_again(page):
    assert not CHINESE.search(re.sub(r"\([^)]*\)", "", page.sentence))
    page.guard(page._other_language)
    page.wait()
    assert "基尼系数" in page._cards.value
    assert CHINESE.search(page.sentence)
    page.guard(page._other_language)
    page.wait()
    again = show("abc", customers=SIZE)
    assert again.wait().top == page.found.top
    assert show("abc", customers=SIZE, seed=2).wait().top != page.found.top


def test_contracts_are_refused_in_words():
    page = show("abc", "subscription", customers=200)
    with pytest.raises(RuntimeError, match="bills by contract"):
        page.wait()
