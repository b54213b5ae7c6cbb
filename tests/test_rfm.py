"""RFM: figures of CDNOW, scores worked out by hand, break-even, cells, segments, and what is refused."""

import numpy as np
import pandas as pd
import pytest
from cdnow import cdnow_log
from hypothesis import given, settings
from hypothesis import strategies as st

from crmsim.analysis.rfm import (
    break_even_index,
    break_even_rate,
    by_score,
    cells,
    later,
    mailing,
    rfm,
    score,
    segment_table,
    segments,
    summarise,
)


@pytest.fixture(scope="module")
def cdnow() -> pd.DataFrame:
    return cdnow_log()


def table(recency, frequency=None, monetary=None) -> pd.DataFrame:
    n = len(recency)
    return pd.DataFrame(
        {
            "recency": recency,
            "frequency": np.ones(n) if frequency is None else frequency,
            "monetary": np.ones(n) if monetary is None else monetary,
        }
    )


# Figures of CDNOW: the share of customers who bought again in weeks 40 to 78, by fifths of weeks 1 to 39

CDNOW = {
    "r": (0.683, 0.349, 0.176, 0.155, 0.135),
    "f": (0.666, 0.391, 0.139, 0.144, 0.158),
    "m": (0.599, 0.359, 0.232, 0.174, 0.133),
}


def test_cdnow_fifths_cut_through_ties_give_the_known_shares(cdnow):
    scored = later(rfm(cdnow, "1997-09-30", method="independent", ties="order"), cdnow, "1997-09-30")
    assert len(scored) == 23_570
    found = by_score(scored, "bought").round(3)
    assert {name: tuple(found[name]) for name in "rfm"} == CDNOW
    assert round(scored["bought"].mean(), 3) == 0.299
    # equal in number, which is what cutting through ties is for
    assert scored.groupby("f").size().tolist() == [4714] * 5


def test_cdnow_one_time_buyers_share_a_score(cdnow):
    scored = later(rfm(cdnow, "1997-09-30", method="independent"), cdnow, "1997-09-30")
    once = scored[scored["frequency"] == 1]
    assert once["f"].nunique() == 1
    found = by_score(scored, "bought").round(3)
    assert found["f"].dropna().tolist() == [0.661, 0.378, 0.146]  # 5, 4, 2: nobody has 3 or 1
    assert found["r"].tolist() == pytest.approx(CDNOW["r"], abs=0.0011)
    # the differences among them that the cut gives (.139 .144 .158) are no differences between customers
    assert len(once) > 2.5 * 4714


# Recency, frequency, money


LOG = pd.DataFrame(
    {
        "customer": ["a", "a", "a", "b", "b", "c", "c", "d"],
        "date": pd.to_datetime(
            ["2024-01-31", "2024-03-01", "2024-03-01", "2024-02-29", "2024-03-02", "2024-01-01", "2024-01-05",
             "2024-03-09"]
        ),
        "amount": [10.0, 20.0, 5.0, 7.0, -3.0, 100.0, 50.0, 1.0],
    }
)  # fmt: skip


def test_recency_frequency_and_money_by_hand():
    found = summarise(LOG, "2024-03-05")
    assert found.index.tolist() == ["a", "b", "c"]  # d came later
    assert found["recency"].tolist() == [4, 5, 60]  # a return is no purchase
    assert found["frequency"].tolist() == [2, 1, 2]  # two on one day are one
    assert found["monetary"].tolist() == [35.0, 4.0, 150.0]
    assert summarise(LOG, "2024-03-05", count="rows")["frequency"].tolist() == [3, 1, 2]
    assert summarise(LOG, "2024-03-05", unit="months")["recency"].tolist() == [0, 1, 2]
    assert summarise(LOG, "2024-03-05", money="mean")["monetary"].tolist() == [17.5, 4.0, 75.0]
    assert summarise(LOG)["recency"].tolist() == [8, 9, 64, 0]  # the last day of the record


def test_months_in_whole_numbers():
    log = pd.DataFrame({"customer": [1, 1, 2], "month": [0, 4, 2], "amount": [5.0, 5.0, 9.0]})
    found = summarise(log, 5, date="month")
    assert found["recency"].tolist() == [1, 3]
    assert later(found, log, 3, date="month")["bought"].tolist() == [1, 0]


def test_nothing_in_the_users_frame_changes():
    before = LOG.copy()
    scored = rfm(LOG)
    kept = scored.copy()
    later(scored, LOG, "2024-03-05")
    segments(scored)
    pd.testing.assert_frame_equal(LOG, before)
    pd.testing.assert_frame_equal(scored, kept)


def test_later_counts_what_came_after():
    scored = rfm(LOG, "2024-02-29")
    found = later(scored, LOG, "2024-02-29", "2024-03-01")
    assert found["bought"].tolist() == [1, 0, 0]
    assert found["later_purchases"].tolist() == [1, 0, 0]
    assert found["later_spend"].tolist() == [25.0, 0.0, 0.0]
    assert later(scored, LOG, "2024-02-29").loc["b", "later_spend"] == -3.0


# Scores


def test_ten_customers_by_recency():
    found = score(table([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]), method="independent")
    assert found["r"].tolist() == [5, 5, 4, 4, 3, 3, 2, 2, 1, 1]
    assert (found["f"] == 3).all()  # all alike: the middle
    assert found["cell"].iloc[0] == "533"


def test_nested_scores_are_worked_out_within_each_fifth():
    n = 125
    rng = np.random.default_rng(4)
    frame = table(rng.permutation(n), rng.permutation(n), rng.permutation(n))
    nested, alone = score(frame), score(frame, method="independent")
    # 125 customers without ties fill each of the 125 cells once
    digits = "12345"
    assert sorted(nested["cell"]) == [r + f + m for r in digits for f in digits for m in digits]
    assert (nested["r"] == alone["r"]).all()
    assert alone.groupby("cell").size().max() > 1
    # independently: the fifths of a fifth, by sorting it
    for r, part in nested.groupby("r"):
        ranked = part.sort_values("frequency")["f"].tolist()
        assert ranked == [1] * 5 + [2] * 5 + [3] * 5 + [4] * 5 + [5] * 5, r


def test_nested_as_hughes_sorts():
    """The same by sorting the whole file and cutting it, over and over."""
    rng = np.random.default_rng(0)
    n = 1000
    frame = table(rng.integers(0, 40, n), rng.integers(1, 6, n), rng.integers(1, 50, n))
    found = score(frame, ties="order")
    expected = pd.DataFrame(index=frame.index, columns=["r", "f", "m"], dtype=int)
    for k, by_r in enumerate(np.array_split(frame.sort_values("recency", kind="stable").index, 5)):
        expected.loc[by_r, "r"] = 5 - k
        inside = frame.loc[sorted(by_r)].sort_values("frequency", ascending=False, kind="stable").index
        for j, by_f in enumerate(np.array_split(inside, 5)):
            expected.loc[by_f, "f"] = 5 - j
            last = frame.loc[sorted(by_f)].sort_values("monetary", ascending=False, kind="stable").index
            for i, by_m in enumerate(np.array_split(last, 5)):
                expected.loc[by_m, "m"] = 5 - i
    assert (found[["r", "f", "m"]].to_numpy() == expected.to_numpy(int)).all()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 6), min_size=1, max_size=60),
    st.sampled_from(["nested", "independent"]),
    st.integers(2, 9),
)
def test_equal_customers_get_equal_scores_and_better_ones_no_worse(values, method, bins):
    rng = np.random.default_rng(len(values))
    frame = table(values, rng.integers(1, 4, len(values)), rng.integers(1, 4, len(values)))
    found = score(frame, method=method, bins=bins)
    assert found.groupby(["recency", "frequency", "monetary"])["cell"].nunique().max() == 1
    by_recency = found.sort_values("recency")["r"].to_numpy()
    assert (np.diff(by_recency) <= 0).all()
    assert found[["r", "f", "m"]].min().min() >= 1
    assert found[["r", "f", "m"]].max().max() <= bins
    parted = score(frame, method=method, bins=bins, ties="order")
    if method == "independent":
        sizes = parted["r"].value_counts()
        assert len(sizes) == min(bins, len(values)) and sizes.max() - sizes.min() <= 1


# Cells and mailing


def test_break_even():
    assert break_even_rate(0.55, 40) == pytest.approx(0.01375)
    assert break_even_index([0.01375, 0.0275, 0.0], 0.01375) == pytest.approx([0, 100, -100])
    with pytest.raises(ValueError, match="margin must be above 0"):
        break_even_rate(1, 0)


@pytest.fixture(scope="module")
def tested() -> pd.DataFrame:
    """20,000 customers whose chance to respond is .01 x r: fifths of .01 to .05."""
    rng = np.random.default_rng(11)
    frame = table(rng.permutation(20_000), rng.poisson(3, 20_000), rng.gamma(2, 30, 20_000))
    scored = score(frame, method="independent")
    return scored.assign(responded=(rng.random(20_000) < 0.01 * scored["r"]).astype(int))


def test_cells_count_everybody_once(tested):
    found = cells(tested, "responded")
    assert len(found) == 125 and found.index[0] == "555" and found.index[-1] == "111"
    assert found["customers"].sum() == 20_000
    assert found["responses"].sum() == tested["responded"].sum()
    filled = found[found["customers"] > 0]
    weighted = (filled["lift"] * filled["customers"]).sum() / 20_000
    assert weighted == pytest.approx(1)
    assert found.loc["555", "customers"] == (tested["cell"] == "555").sum()
    assert ((filled["low"] <= filled["rate"]) & (filled["rate"] <= filled["high"])).all()


def test_intervals_agree_with_statsmodels(tested):
    proportion = pytest.importorskip("statsmodels.stats.proportion")
    found = cells(tested, "responded", by=["r"])
    low, high = proportion.proportion_confint(found["responses"], found["customers"], method="wilson")
    assert found["low"].to_numpy() == pytest.approx(low)
    assert found["high"].to_numpy() == pytest.approx(high)


def test_mailing_takes_the_cells_above_break_even(tested):
    # 4,000 customers a fifth: a rate of .03 is known to +- .0027 (one standard error), the cut .025 is 1.9 of
    # these away from its neighbours; the seed is fixed
    response = cells(tested, "responded", by=["r"])
    plan = mailing(response, cost=1.0, margin=40.0)
    assert plan.break_even == pytest.approx(0.025)
    assert plan.chosen == ["5", "4", "3"]
    assert plan.contacts == 12_000
    earned = response.loc[plan.chosen, "responses"].sum() * 40 - 12_000
    assert plan.profit == pytest.approx(earned)
    assert plan.profit_all == pytest.approx(tested["responded"].sum() * 40 - 20_000)
    assert plan.profit > plan.profit_all
    assert "3 of 5 cells, 12,000 of 20,000" in repr(plan)


def test_the_lower_bound_is_more_careful(tested):
    response = cells(tested, "responded")
    bold, careful = (mailing(response, 1.0, 40.0, rate=rate) for rate in ("rate", "low"))
    assert set(careful.chosen) < set(bold.chosen)


def test_a_test_mailing_is_rolled_out_to_the_file(tested):
    sample = tested.iloc[::10]
    plan = mailing(cells(sample, "responded", by=["r"]), 1.0, 40.0, file=cells(tested, by=["r"]))
    assert plan.contacts == 4000 * len(plan.chosen)
    # no more customers than the file has, and nobody in a cell the test says nothing of
    assert plan.table["contacts"].sum() == 20_000


def test_luck_of_small_cells_does_not_last(tested):
    """Cells chosen by the rates of one half earn less in the other half than they promised: regression."""
    rng = np.random.default_rng(5)
    gap = []
    for _ in range(20):
        half = rng.random(20_000) < 0.5
        plan = mailing(cells(tested[half], "responded"), 1.0, 40.0)
        other = cells(tested[~half], "responded").loc[plan.chosen]
        kept = (other["responses"].sum() * 40 - other["customers"].sum()) / other["customers"].sum()
        gap.append(plan.profit / plan.contacts - kept)
    # .45 a contact on average, with a deviation of .08 between halves
    assert np.mean(gap) > 0.2


# Segments


def test_every_score_has_a_segment():
    grid = pd.DataFrame(
        [(r, f, m) for r in range(1, 6) for f in range(1, 6) for m in range(1, 6)], columns=["r", "f", "m"]
    )
    for which, number in (("eight", 8), ("ten", 10)):
        found = segments(grid, which)
        assert found["segment"].nunique() == number
        # the ranges do not overlap: the order of the rows does not matter
        turned = segments(grid, segment_table(which).iloc[::-1].reset_index(drop=True))
        assert (found["segment"].astype(str) == turned["segment"].astype(str)).all()
    found = segments(grid, "eight", language="zh").set_index(["r", "f", "m"])["segment"]
    assert found[(5, 5, 5)] == "重要价值客户"
    assert found[(1, 1, 1)] == "一般挽留客户"
    assert segments(grid, "ten").set_index(["r", "f", "m"])["segment"][(5, 1, 3)] == "new"


def test_a_table_of_ones_own():
    own = pd.DataFrame(
        {"segment": ["best", "rest"], "r": [5, "1-5"], "f": ["4-5", "1-5"], "m": ["1-5", "1-5"]}
    )
    grid = pd.DataFrame({"r": [5, 5, 1], "f": [4, 3, 5], "m": [1, 1, 1]})
    assert segments(grid, own)["segment"].tolist() == ["best", "rest", "rest"]
    response = cells(segments(grid, own), [1, 0, 0], by="segment")
    assert response.loc["rest", "customers"] == 2
    with pytest.raises(ValueError, match="2 customers are in no segment"):
        segments(grid, own.iloc[:1])
    with pytest.raises(ValueError, match="'best' has f = 'high'"):
        segments(grid, own.assign(f=["high", "1-5"]))


# What is refused


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: rfm(LOG.drop(columns="amount")), "no column 'amount'"),
        (lambda: rfm(LOG.rename(columns={"amount": "Amount"})), "did you mean 'Amount'.*with amount="),
        (lambda: rfm(LOG.iloc[:0]), "no purchases"),
        (lambda: rfm(LOG, "1999-01-01"), "nobody had bought by 1999"),
        (lambda: rfm(LOG, "soon"), "'soon' is no date"),
        (lambda: rfm(LOG, 3), "3 is no date"),
        (lambda: rfm(LOG.assign(amount=["x"] * 8)), "must hold numbers only .first at row 0: 'x'"),
        (lambda: rfm(LOG.assign(customer=[None] * 8)), "8 rows have no customer"),
        (lambda: rfm(LOG.assign(date=["?"] * 8)), "no date in 8 rows"),
        (lambda: rfm(LOG, method="both"), "method='both'"),
        (lambda: rfm(LOG, ties="cut"), "ties='cut'"),
        (lambda: rfm(LOG, bins=10), "from 2 to 9"),
        (lambda: rfm(LOG, unit="weeks"), "unit='weeks'"),
        (lambda: summarise([1, 2]), "Database is needed, not list"),
        (lambda: later(rfm(LOG), LOG, "2024-01-31", "2024-01-01"), "does not lie after"),
        (lambda: later(rfm(LOG).set_axis([1, 2, 3, 4]), LOG, "2024-01-01"), "named alike in both"),
        (lambda: cells(rfm(LOG), [1, 0, 3, 0]), "must be 1 or 0.*holds 3"),
        (lambda: cells(rfm(LOG), [1, 0]), "2 values for 4 customers"),
        (lambda: cells(rfm(LOG), pd.Series({"a": 1})), "no row for 3 customers"),
        (lambda: mailing(cells(rfm(LOG)), 1, 2), "column 'rate' is missing"),
        (lambda: mailing(cells(rfm(LOG), [1, 0, 0, 0]), 0, 2), "costs nothing"),
        (lambda: segment_table("nine"), "'nine' is not known"),
    ],
)
def test_faults_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
