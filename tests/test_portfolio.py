"""Composition, ABC, concentration, product ratios, value tiers: by hand, by other ways, and on CDNOW."""

import re

import numpy as np
import pandas as pd
import pytest
from cdnow import cdnow_log
from hypothesis import given, settings
from hypothesis import strategies as st
from test_plots import assert_readable, texts

from crmsim import plots
from crmsim.analysis.portfolio import (
    abc,
    composition,
    contribution_ratio,
    cross_ratio,
    gini,
    gross_margin_rate,
    lorenz,
    performance,
    product_ratios,
    products_of,
    purchases_of,
    sales_mix,
    sales_over_time,
    screen,
    tier_history,
    tiers,
    top_share,
    totals,
    transitions,
    turnover,
)
from crmsim.analysis.rfm import by_score, cells, mailing, score


@pytest.fixture(scope="module")
def cdnow() -> pd.DataFrame:
    return cdnow_log()


# Published figures


def test_cdnow_top_fifth(cdnow):
    assert len(cdnow) == 69_659
    assert round(top_share(cdnow), 3) == 0.678
    spend = cdnow.groupby("customer")["amount"].sum().sort_values(ascending=False)
    assert len(spend) == 23_570
    assert top_share(cdnow) == pytest.approx(spend.iloc[:4714].sum() / spend.sum())
    assert round((cdnow.groupby("customer").size() == 1).mean(), 2) == 0.51
    bought_on = cdnow.drop_duplicates(["customer", "date"])  # 2.87 purchases: those of one day are one
    assert round(len(bought_on) / 23_570, 2) == 2.87


def test_cdnow_in_three_ways(cdnow):
    found = abc(cdnow)
    assert found.summary["sales_share"].tolist() == pytest.approx([0.75, 0.20, 0.05], abs=5e-4)
    assert found.summary["customers"].sum() == 23_570
    curve = lorenz(cdnow)
    area = np.trapezoid(curve["sales"], curve["customers"])
    assert gini(cdnow) == pytest.approx(1 - 2 * area)


# Composition


PEOPLE = pd.DataFrame(
    {
        "customer": [1, 2, 3, 4, 5],
        "city": ["north", "south", "south", None, "south"],
        "age": [18, 30, 45, 60, 44],
        "margin": [10.0, 20.0, 30.0, 40.0, 0.0],
    }
)


def test_composition_by_hand():
    found = composition(PEOPLE, "city", value="margin")
    assert found["customers"].tolist() == [3, 1, 1]
    assert found.loc["south"].tolist() == pytest.approx([3, 0.6, 50, 0.5, 50 / 3, 100 * 0.5 / 0.6])
    assert found["value"].sum() == 100 and found["customer_share"].sum() == pytest.approx(1)
    assert found.index.isna().sum() == 1  # who has no city is seen


def test_composition_by_classes_of_age_and_by_two_attributes():
    found = composition(PEOPLE, "age", edges=[18, 30, 45, 100])
    assert found["customers"].tolist() == [1, 2, 2]
    assert len(composition(PEOPLE, ["city", "age"])) == 5
    with pytest.raises(ValueError, match="1 values of 'age' lie outside the edges, such as 60"):
        composition(PEOPLE, "age", edges=[18, 30, 60])


def test_composition_with_values_of_another_table():
    worth = pd.Series([5.0, 5.0, 90.0], index=[1, 1, 4])
    found = composition(PEOPLE, "city", value=worth)
    assert found.loc["north", "value"] == 10 and found.loc["south", "value"] == 0
    assert found["value_share"].sum() == pytest.approx(1)


# ABC, Lorenz, Gini


def test_abc_by_hand():
    sales = pd.Series({"a": 50.0, "b": 25.0, "c": 15.0, "d": 5.0, "e": 4.0, "f": 1.0})
    found = abc(sales)
    assert "".join(found.table["class"]) == "AABBCC"  # a and b are 75 % on the point, d ends at 95 %
    assert found.summary["sales"].tolist() == [75, 20, 5]
    assert found.summary["customer_share"].tolist() == pytest.approx([1 / 3] * 3)
    assert "".join(abc(sales, [0.4, 0.4, 0.2]).table["class"]) == "ABBCCC"  # who crosses a cut is above it
    assert len(abc(sales, [0.5, 0.3, 0.1, 0.1]).summary) == 4


def test_equal_customers_are_in_one_class():
    found = abc(pd.Series([1.0] * 10))
    assert set(found.table["class"]) == {"A"}
    mixed = abc(pd.Series([10.0, 1, 1, 1, 1, 1, 1])).table
    assert mixed.groupby("sales")["class"].nunique().max() == 1


def test_returns_are_netted_and_counted():
    log = pd.DataFrame({"customer": ["x", "x", "y", "z"], "amount": [10.0, -4.0, 5.0, -2.0]})
    assert totals(log).to_dict() == {"x": 6, "y": 5, "z": -2}
    found = abc(log)
    assert found.below_zero == 1 and found.table.loc["z", "class"] == "C"
    assert found.table["share"].sum() == pytest.approx(1)
    assert top_share(log, 1 / 3) == pytest.approx(6 / 11)


def test_lorenz_of_known_distributions():
    assert gini(pd.Series([3.0] * 8)) == pytest.approx(0)
    assert gini(pd.Series([0.0] * 9 + [5.0])) == pytest.approx(0.9)  # (n - 1) / n: one has all
    x = np.arange(1, 1001) / 1000
    assert gini(pd.Series(x)) == pytest.approx(1 / 3, abs=1e-3)  # uniform
    pareto = (1 - (np.arange(20_000) + 0.5) / 20_000) ** (-1 / 3)
    assert gini(pd.Series(pareto)) == pytest.approx(1 / 5, abs=2e-3)  # 1 / (2 alpha - 1), alpha 3
    assert top_share(pd.Series(x), 0.2) == pytest.approx(0.36, abs=1e-3)  # 1 - .8 ** 2


@settings(max_examples=80, deadline=None)
@given(st.lists(st.integers(0, 100), min_size=1, max_size=50).filter(any))
def test_curve_and_classes_hold_together(values):
    sales = pd.Series(values, dtype=float)
    up, down = lorenz(sales), lorenz(sales, largest_first=True)
    assert (up["sales"] <= up["customers"] + 1e-12).all()
    assert (np.diff(up["sales"], 2) >= -1e-9).all()  # convex
    assert down["sales"].to_numpy() == pytest.approx(1 - up["sales"].to_numpy()[::-1])
    differences = np.abs(np.subtract.outer(values, values)).mean() / (2 * np.mean(values))
    assert gini(sales) == pytest.approx(differences, abs=1e-12)
    found = abc(sales)
    assert found.summary["sales_share"].sum() == pytest.approx(1)
    # A holds its share, and would not without its last customers
    first = found.table[found.table["class"] == "A"]
    assert first["share"].sum() >= 0.75 - 1e-9
    last = first["sales"] == first["sales"].min()
    assert first.loc[~last, "share"].sum() < 0.75


# Performance


def test_performance_by_hand():
    sales = pd.Series({"a": 60.0, "b": 30.0, "c": 10.0})
    found = performance(
        sales, pd.Series({"a": 0.5, "b": 0.3, "d": 0.1}), previous=pd.Series({"a": 40.0, "b": 60.0})
    )
    assert found.index.tolist() == ["a", "b", "c", "d"]
    assert found["share"].tolist() == [0.6, 0.3, 0.1, 0.0]
    assert found["attainment"].tolist()[:2] == pytest.approx([1.2, 1.0])
    assert found["met"].tolist() == [True, True, pd.NA, False]
    assert found["growth"].tolist()[:2] == pytest.approx([0.5, -0.5]) and found["growth"].isna().sum() == 2
    money = performance(sales, 20, target_in="money")
    assert money["gap"].tolist() == [40, 10, -10]
    with pytest.raises(ValueError, match=r'target share of 20 is above 1; .*target_in="money"'):
        performance(sales, 20)


# Products


PRODUCTS = pd.DataFrame(
    {
        "product": ["tea", "cups", "cake"],
        "sales": [600.0, 100.0, 300.0],
        "cost": [480.0, 40.0, 180.0],
        "opening": [100.0, 50.0, 10.0],
        "closing": [140.0, 30.0, 20.0],
    }
)


def test_ratios_by_hand():
    found = product_ratios(PRODUCTS)
    table = found.table
    assert table["sales_mix"].to_dict() == pytest.approx({"tea": 0.6, "cups": 0.1, "cake": 0.3})
    assert table["margin_rate"].to_dict() == pytest.approx({"tea": 0.2, "cups": 0.6, "cake": 0.4})
    assert table["average_stock"].to_dict() == pytest.approx({"tea": 120, "cups": 40, "cake": 15})
    assert table["turnover"].to_dict() == pytest.approx({"tea": 5, "cups": 2.5, "cake": 20})
    assert table["cross_ratio"].to_dict() == pytest.approx({"tea": 1, "cups": 1.5, "cake": 8})
    assert table["contribution"].to_dict() == pytest.approx({"tea": 0.6, "cups": 0.15, "cake": 2.4})
    assert table.index.tolist() == ["cake", "tea", "cups"]
    assert found.total["margin_rate"] == pytest.approx(0.3)
    assert found.total["turnover"] == pytest.approx(1000 / 175)
    assert "stock at cost, contribution by cross" in repr(found)


def test_the_two_contribution_ratios_rank_otherwise():
    other = PRODUCTS.assign(opening=[10.0, 50.0, 100.0], closing=[20.0, 30.0, 140.0])
    a, b = (product_ratios(other, contribution=kind) for kind in ("cross", "margin"))
    assert a.table.index.tolist() == ["tea", "cake", "cups"]
    assert b.table["contribution"].to_dict() == pytest.approx({"tea": 0.12, "cups": 0.06, "cake": 0.12})
    three = PRODUCTS.assign(sales=[500.0, 200.0, 300.0])
    ranks = [product_ratios(three, contribution=kind).table["rank"].to_dict() for kind in ("cross", "margin")]
    assert ranks[0] != ranks[1]
    # (b) adds up to the firm's margin rate
    assert b.table["contribution"].sum() == pytest.approx(b.total["margin_rate"])


def test_valuation_of_the_stock():
    at_cost = product_ratios(PRODUCTS)
    at_price = product_ratios(PRODUCTS, valuation="price")
    # GMROI: gross profit over stock at cost
    table = at_cost.table
    assert (table["cross_ratio"]).to_numpy() == pytest.approx(
        (table["margin"] / table["average_stock"]).to_numpy()
    )
    rate = PRODUCTS.set_index("product")["cost"] / PRODUCTS.set_index("product")["sales"]
    both = at_price.table["turnover"] / at_cost.table["turnover"]
    assert both.to_dict() == pytest.approx(rate.to_dict())
    # columns at price, wanted at price: nothing is converted
    same = product_ratios(PRODUCTS, valuation="price", stock_in="price")
    pd.testing.assert_frame_equal(same.table, at_cost.table)
    assert at_price.total["average_stock"] == pytest.approx(at_price.table["average_stock"].sum())


def test_ratios_of_arrays():
    assert gross_margin_rate([100, 0], [60, 5])[0] == pytest.approx(0.4)
    assert np.isnan(gross_margin_rate([100, 0], [60, 5])[1])
    assert turnover(1000, 150, 250) == pytest.approx(5)
    assert np.isnan(turnover(1000, 0, 0))
    assert cross_ratio(0.4, 5) == pytest.approx(2)
    assert contribution_ratio(0.5, 0.4, 2) == pytest.approx(1) and contribution_ratio(
        0.5, 0.4
    ) == pytest.approx(0.2)
    assert sales_mix([3, 1]).tolist() == [0.75, 0.25]


def test_products_without_stock_and_without_sales():
    found = product_ratios(PRODUCTS, opening=None, closing=None, contribution="margin")
    assert found.table["turnover"].isna().all() and found.table["rank"].tolist() == [1, 1, 3]
    with pytest.raises(ValueError, match='needs stock; without it give contribution="margin"'):
        product_ratios(PRODUCTS, opening=None, closing=None)
    idle = pd.concat([PRODUCTS, pd.DataFrame([["hats", 0.0, 0.0, 9.0, 9.0]], columns=PRODUCTS.columns)])
    assert product_ratios(idle).table.loc["hats", "sales_mix"] == 0
    assert pd.isna(product_ratios(idle).table.loc["hats", "rank"])
    # several rows of a product are one
    twice = pd.concat([PRODUCTS, PRODUCTS])
    assert product_ratios(twice).table["turnover"].to_dict() == pytest.approx(
        {"tea": 5, "cups": 2.5, "cake": 20}
    )


# Tiers and screening


def test_tiers_by_share_by_limit_and_deciles():
    value = pd.Series(range(1, 11), index=list("abcdefghij"), dtype=float)
    found = tiers(value)
    assert found.tolist() == ["small"] * 5 + ["ordinary"] * 3 + ["high_value"] * 2
    assert (found > "small").sum() == 5  # ordered
    assert tiers(value, limits=[9, 3]).tolist() == ["small"] * 2 + ["ordinary"] * 6 + ["high_value"] * 2
    deciles = tiers(value, [0.1] * 10, names=range(10, 0, -1))
    assert deciles.tolist() == list(range(1, 11))
    assert tiers(pd.Series([1.0] * 6)).nunique() == 1  # equal customers share a tier


def log_of(*rows) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["customer", "date", "amount"])


def test_history_and_transitions_by_hand():
    log = log_of(
        ("a", "2023-01-05", 100.0), ("a", "2024-02-05", 10.0),
        ("b", "2023-02-05", 50.0), ("b", "2023-03-05", 30.0), ("b", "2024-02-05", 200.0),
        ("b", "2025-12-05", 9.0),
        ("c", "2023-02-05", 10.0), ("c", "2025-02-05", 500.0),
        ("d", "2024-12-30", 60.0), ("d", "2025-01-05", 60.0), ("d", "2025-01-06", -60.0),
    )  # fmt: skip
    history = tier_history(log, limits=[90, 50])
    assert history.columns.tolist() == ["2023", "2024", "2025"]
    assert history.loc["a"].tolist() == ["high_value", "small", "absent"]
    assert history.loc["b"].tolist() == ["ordinary", "high_value", "small"]
    assert history.loc["c"].tolist() == ["small", "absent", "high_value"]
    assert history.loc["d"].tolist() == ["not_yet", "ordinary", "absent"]  # all was given back
    found = transitions(history)
    assert found.moves.set_index(["customer", "period"])["move"].to_dict() == {
        ("a", "2023"): "down", ("b", "2023"): "up", ("c", "2023"): "lapsed", ("d", "2023"): "joined",
        ("a", "2024"): "lapsed", ("b", "2024"): "down", ("c", "2024"): "returned", ("d", "2024"): "lapsed",
    }  # fmt: skip
    assert found.counts("2023").loc["ordinary", "high_value"] == 1
    assert found.counts().to_numpy().sum() == 8
    assert found.matrix().loc["high_value"].tolist() == [0, 0, 1, 0]
    assert found.moved("up")["customer"].tolist() == ["b"]
    assert len(found.moved()) == 8


def test_periods_the_record_does_not_fill_are_left_out():
    log = log_of(
        *[("a", f"{2022 + m // 12}-{m % 12 + 1:02d}-15", 10.0) for m in range(5, 41)]
    )  # Jun 22 to May 25
    assert tier_history(log).columns.tolist() == ["2023", "2024"]
    assert tier_history(log, partial=True).columns.tolist() == ["2022", "2023", "2024", "2025"]
    assert tier_history(log, "quarter").columns.tolist()[0] == "2022Q3"
    with pytest.raises(ValueError, match="fills 1 year; transitions need two"):
        tier_history(log[log["date"] < "2024-06"])


def test_limits_of_the_first_period():
    rng = np.random.default_rng(3)
    n = 400
    first = pd.DataFrame({"customer": range(n), "date": "2023-01-02", "amount": rng.gamma(2, 50, n)})
    same = first.assign(date="2023-12-30", amount=0.0)
    doubled = first.assign(date="2024-01-02", amount=2 * first["amount"])
    log = pd.concat([first, same, doubled, same.assign(date="2024-12-30")])
    anew, fixed = transitions(tier_history(log)), transitions(tier_history(log, limits="first"))
    assert (anew.moves["move"] == "same").all()  # the order has not changed
    assert (fixed.moves["move"] == "down").sum() == 0
    high = tier_history(log, limits="first")["2024"] == "high_value"
    limit = first["amount"].nlargest(80).min()
    assert high.sum() == (2 * first["amount"] >= limit).sum() > 80


def test_transitions_of_a_known_chain():
    """Tiers drawn from a matrix are found again: 5,000 customers, so a share is known to +- .01 or so."""
    rng = np.random.default_rng(8)
    names = ["high_value", "ordinary", "small", "absent"]
    chain = np.array(
        [[0.7, 0.2, 0.05, 0.05], [0.15, 0.6, 0.15, 0.1], [0.02, 0.18, 0.5, 0.3], [0, 0.05, 0.15, 0.8]]
    )
    state = rng.integers(0, 4, 5000)
    columns = [state]
    for _ in range(3):
        state = (rng.random((5000, 1)) > np.cumsum(chain, axis=1)[state]).sum(axis=1)
        columns.append(state)
    history = pd.DataFrame(
        np.array(names)[np.column_stack(columns)], columns=["2021", "2022", "2023", "2024"]
    )
    matrix = transitions(history).matrix()
    assert matrix.iloc[:4].to_numpy() == pytest.approx(chain, abs=0.03)
    assert matrix.iloc[:4].sum(axis=1).to_numpy() == pytest.approx(1)


def test_screening():
    value = pd.Series({"a": 100.0, "b": 40.0, "c": 300.0})
    found = screen(value, pd.Series({"c": 0.1, "b": 0.9, "a": 0.8}), cost=35)
    assert found.index.tolist() == ["a", "b", "c"]
    assert found["expected"].tolist() == pytest.approx([80, 36, 30])
    assert found["keep"].tolist() == [True, True, False]
    with pytest.raises(ValueError, match="from 0 to 1"):
        screen(value, 2.0)


# The customer database


class Tables:
    """As much of a Database as the functions use."""

    def __init__(self, **tables: pd.DataFrame) -> None:
        self.of, self.tables = tables, list(tables)

    def table(self, name: str) -> pd.DataFrame:
        return self.of[name]


def test_contract_customers_buy_by_paying():
    payments = pd.DataFrame(
        {"customer": [1, 1, 2], "month": [0, 13, 13], "amount": [9.0, 9.0, 0.0], "paid": [True, True, False]}
    )
    firm = Tables(purchases=pd.DataFrame(columns=["customer", "date", "amount"]), payments=payments)
    found = purchases_of(firm)
    assert found["amount"].tolist() == [9, 9]
    assert (found["date"].iloc[1] - found["date"].iloc[0]).days == 397  # a leap year and January
    assert totals(firm).to_dict() == {1: 18}


def firm_with_stock() -> Tables:
    lines = [
        (0, "tea", 2, 20.0, 12.0),
        (0, "cup", 1, 8.0, None),
        (1, "tea", 1, 10.0, 6.0),
        (2, "tea", 9, 90.0, 54.0),
    ]
    stock = [(m, p, 10.0 * m + k, 10.0 * m + k + 4) for m in range(3) for k, p in enumerate(("tea", "cup"))]
    return Tables(
        purchases=pd.DataFrame({"purchase": [0, 1, 2], "month": [0, 1, 2]}),
        purchase_lines=pd.DataFrame(lines, columns=["purchase", "product", "quantity", "amount", "cost"]),
        products=pd.DataFrame({"product": ["tea", "cup"], "unit_cost": [6.0, 5.0]}),
        stock=pd.DataFrame(stock, columns=["month", "product", "opening", "closing"]),
    )


def test_products_of_a_database():
    firm = firm_with_stock()
    found = products_of(firm, 0, 1).set_index("product")
    assert found.loc["tea"].tolist() == [30, 18, 3, 0, 14]  # opening of month 0, closing of month 1
    assert found.loc["cup"].tolist() == [8, 5, 1, 1, 15]  # its cost from the price list
    back = [
        (1, "tea", 1.0, 10.0, 6.0, False),
        (1, "cup", 1.0, 8.0, 5.0, True),
        (2, "tea", 1.0, 9.0, 6.0, False),
    ]
    columns = ["month", "product", "quantity", "amount", "cost", "taken_off"]
    net = products_of(Tables(**firm.of, return_lines=pd.DataFrame(back, columns=columns)), 0, 1).set_index(
        "product"
    )
    assert net.loc["tea"].tolist() == [20, 12, 2, 0, 14]  # one came back, the other return is later
    assert net.loc["cup"].tolist() == found.loc["cup"].tolist()  # taken off already
    ratios = product_ratios(firm)
    assert ratios.table.loc["tea", "turnover"] == pytest.approx(120 / ((0 + 24) / 2))
    firm.of["stock"] = firm.of["stock"].iloc[:0]
    assert product_ratios(firm, contribution="margin").table["turnover"].isna().all()
    with pytest.raises(ValueError, match="needs stock"):
        product_ratios(firm)
    with pytest.raises(ValueError, match="nothing was sold in months 7 to 9"):
        products_of(firm, 7, 9)


def test_nothing_of_the_users_changes():
    kept = PRODUCTS.copy(), PEOPLE.copy()
    product_ratios(PRODUCTS, valuation="price")
    composition(PEOPLE, "age", edges=[0, 50, 100], value="margin")
    pd.testing.assert_frame_equal(PRODUCTS, kept[0])
    pd.testing.assert_frame_equal(PEOPLE, kept[1])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: composition(PEOPLE, "town"), "no column 'town'.*by="),
        (lambda: composition(PEOPLE, []), "at least one attribute"),
        (lambda: composition(PEOPLE, "city", edges=[1, 2]), "edges need numbers; 'city' holds 'north'"),
        (lambda: abc(pd.Series([1.0, np.nan])), "missing or infinite in 1 rows, first at row 1"),
        (lambda: abc(pd.Series([0.0, -1.0])), "no customer has sales above 0"),
        (lambda: abc(pd.Series([1.0]), [0.5, 0.4]), "must add up to 1, not to 0.9"),
        (lambda: abc(pd.DataFrame({"client": [1], "amount": [1]})), "no column 'customer'.*customer="),
        (lambda: top_share(pd.Series([1.0]), 20), "share above 0 and up to 1"),
        (lambda: gini(pd.Series([], dtype=float)), "no sales"),
        (lambda: totals(["a"]), "Database is needed, not list"),
        (lambda: product_ratios(PRODUCTS.drop(columns="cost")), "no column 'cost'"),
        (lambda: product_ratios(PRODUCTS, valuation="market"), 'give "cost" or "price"'),
        (lambda: product_ratios(PRODUCTS, opening=None), "go together"),
        (lambda: product_ratios(PRODUCTS.assign(opening=-1.0)), "opening is below 0 in 3 rows"),
        (lambda: tiers([1, 2], limits=[1, 2]), "2 falling amounts"),
        (lambda: tiers([1, 2], [0.5, 0.5]), "2 shares for 3 tiers"),
        (lambda: tier_history(log_of(("a", "x", 1.0))), "no date in 1 rows.*'x'"),
        (lambda: tier_history(log_of(("a", "2024-01-01", 1.0)), "week"), "every='week'"),
        (lambda: transitions(pd.DataFrame({"1": ["big"], "2": ["small"]})), "'big'.*is no state"),
        (
            lambda: transitions(pd.DataFrame({"1": ["small"], "2": ["not_yet"]})),
            "after having been a customer",
        ),
        (
            lambda: transitions(pd.DataFrame({"1": ["small"], "2": ["small"]})).counts("3"),
            "no transitions begin",
        ),
    ],
)
def test_faults_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# Through time, and what came back


def log() -> pd.DataFrame:
    """Three years, sales of the months 10, 20, 30 ... and twice as much in the last; a return in month 2."""
    start = pd.date_range("2023-01-15", periods=36, freq="MS") + pd.Timedelta(days=3)
    amount = np.r_[np.arange(10.0, 250, 10), 2 * np.arange(130.0, 250, 10)]
    rows = pd.DataFrame({"customer": np.arange(36) % 5, "date": start, "amount": amount})
    back = pd.DataFrame({"customer": [0], "date": [start[1]], "amount": [-5.0]})
    return pd.concat([rows, back], ignore_index=True)


def test_sales_over_time_by_hand():
    months = sales_over_time(log())
    assert len(months) == 36 and months["period"].iloc[[0, -1]].tolist() == ["2023-02", "2026-01"]
    assert months["sales"].iloc[:3].tolist() == [10, 15, 30]  # 20 less what came back
    assert months["purchases"].iloc[1] == months["buyers"].iloc[1] == 1  # a return is no purchase
    assert months["growth"].iloc[:12].isna().all()
    assert months["growth"].iloc[24:].tolist() == pytest.approx([1.0] * 12)
    years = sales_over_time(log(), "year")
    assert years["sales"].sum() == months["sales"].sum() == log()["amount"].sum()
    assert sales_over_time(log(), "quarter")["period"].iloc[0] == "2023Q1"
    silent = sales_over_time(log().drop(index=[4, 5]))
    assert silent.loc[4, "sales"] == silent.loc[4, "buyers"] == 0 and np.isnan(silent.loc[4, "each"])
    for wrong, message in (
        (lambda: sales_over_time(log(), "week"), "every='week' is not known"),
        (lambda: sales_over_time(log().drop(columns="date")), "no column 'date'"),
        (lambda: sales_over_time(log().head(0)), "no purchases"),
    ):
        with pytest.raises(ValueError, match=message):
            wrong()


class Rows:
    """A database as a mapping of tables."""

    def __init__(self, **tables):
        self.tables = tables

    def table(self, name):
        return self.tables[name]


def test_what_came_back_is_taken_off_once():
    bought = log().head(36).assign(month=range(36), purchase=range(36))
    back = pd.DataFrame(
        {"customer": [0, 1], "month": [3, 4], "date": pd.to_datetime(["2023-05-01", "2023-06-01"])}
        | {"amount": [7.0, 9.0], "taken_off": [False, True]}
    )
    net = purchases_of(Rows(purchases=bought, return_lines=back))
    assert net["amount"].sum() == bought["amount"].sum() - 7
    assert totals(net)[0] == bought.loc[bought["customer"] == 0, "amount"].sum() - 7
    assert purchases_of(Rows(purchases=bought, return_lines=back.head(0))) is bought


# Figures


def customers(n: int = 3000) -> pd.DataFrame:
    rng = np.random.default_rng(2)
    frame = {
        "recency": rng.integers(0, 300, n),
        "frequency": rng.poisson(3, n),
        "monetary": rng.gamma(2, 30, n),
    }
    scored = score(pd.DataFrame(frame))
    return scored.assign(bought=(rng.random(n) < 0.1 * scored["r"]).astype(int))


def moves(years: int = 3) -> pd.DataFrame:
    rng = np.random.default_rng(8)
    names = np.array(["high_value", "ordinary", "small", "absent"])
    history = pd.DataFrame(
        {str(2021 + k): names[rng.choice(4, 1000, p=[0.2, 0.3, 0.4, 0.1])] for k in range(years)}
    )
    history.loc[:199, "2021"] = "not_yet"
    return transitions(history).table


def figures() -> dict:
    scored = customers()
    response = cells(scored, "bought")
    many = pd.concat([PRODUCTS.assign(product=PRODUCTS["product"] + f" {k}") for k in range(5)])
    many["sales"] *= np.linspace(1, 1.5, len(many))
    products = product_ratios(many).table
    return {
        "abc_curve": lambda **k: plots.abc_curve(abc(scored["monetary"]).table, **k),
        "margin_turnover": lambda **k: plots.margin_turnover(products, **k),
        "sales_mix_bars": lambda **k: plots.sales_mix_bars(products, **k),
        "rfm_cube": lambda **k: plots.rfm_cube(response, **k),
        "rfm_cube of two": lambda **k: plots.rfm_cube(cells(scored, by=("r", "f")), **k),
        "response_by_cell": lambda **k: plots.response_by_cell(response, 0.25, **k),
        "tier_flows": lambda **k: plots.tier_flows(moves(), **k),
        "sales_over_time": lambda **k: plots.sales_over_time(sales_over_time(log()), currency="EUR", **k),
        "sales_over_time of years": lambda **k: plots.sales_over_time(sales_over_time(log(), "year"), **k),
        "composition_bars": lambda **k: plots.composition_bars(groups(), **k),
        "composition_bars of many": lambda **k: plots.composition_bars(groups(), largest=2, **k),
        "target_bars": lambda **k: plots.target_bars(targets(), currency="EUR", **k),
        "contribution_ranks": lambda **k: plots.contribution_ranks(products, **k),
        "response_by_score": lambda **k: plots.response_by_score(by_score(scored, "bought"), **k),
        "response_by_score of means": lambda **k: plots.response_by_score(
            by_score(scored, "frequency"), rate=False, **k
        ),
        "tier_flows of six": lambda **k: plots.tier_flows(moves(6), **k),
    }


def groups() -> pd.DataFrame:
    people = pd.DataFrame({"customer": range(100), "town": np.repeat(list("abcd"), 25)})
    people.loc[95:, "town"] = None
    return composition(people, "town", value=pd.Series(np.r_[np.full(25, 30.0), np.full(75, 10.0)]))


def targets() -> pd.DataFrame:
    sales = pd.Series(np.linspace(900, 100, 20), index=pd.RangeIndex(20, name="customer"))
    return performance(sales, sales.iloc[::-1].set_axis(sales.index) * 1.1, target_in="money")


NAMES = list(figures())


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_figures_can_be_read(name):
    ax = figures()[name](note="seed 2, 3,000 customers")
    figure = ax.get_figure()
    assert figure.get_size_inches()[0] * figure.dpi == 1280
    assert_readable(figure)
    assert min(t.get_fontsize() * figure.dpi / 72 for t in texts(figure)) >= 14  # pixels
    assert any(t.get_text() == "seed 2, 3,000 customers" for t in texts(figure))
    sentence = plots.words(ax)
    assert sentence.endswith(".") and "nan" not in sentence and len(sentence) > 30


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_figures_have_chinese_words(name, monkeypatch):
    monkeypatch.setattr(plots.style, "chinese_font", lambda: "DejaVu Sans")
    monkeypatch.setattr(plots.style, "families", lambda language: ["DejaVu Sans"])
    ax = figures()[name](language="zh")
    shown = "".join(t.get_text() for t in ax.findobj(type(ax.title)))
    assert re.search("[\u4e00-\u9fff]", ax.get_title(loc="left"))
    assert not re.search("[a-z]{4}", re.sub("cups|cake|EUR|aabb(ccdd)?", "", shown))
    assert plots.words(ax).endswith("。")


def test_the_abc_figure_says_what_the_table_says():
    sales = pd.Series({"a": 50.0, "b": 25.0, "c": 15.0, "d": 5.0, "e": 4.0, "f": 1.0})
    ax = plots.abc_curve(abc(sales).table)
    assert ax.get_title(loc="left") == "33 % of customers bring 75 % of sales"
    assert any(t.get_text() == f"Gini coefficient {gini(sales):.2f}" for t in ax.texts)


def test_composition_shows_both_shares_of_each_group():
    ax = plots.composition_bars(groups())
    customers, value = ax.containers
    assert [bar.get_width() for bar in customers] == pytest.approx([25, 25, 25, 20, 5])
    assert [bar.get_width() for bar in value] == pytest.approx([50, 50 / 3, 50 / 3, 40 / 3, 10 / 3])
    assert ax.get_title(loc="left") == "A: 25 % of the customers, 50 % of sales"
    assert ax.get_yticklabels()[-1].get_text() == "not on file"
    few = plots.composition_bars(groups(), largest=2, names={"a": "East"})
    assert [t.get_text() for t in few.get_yticklabels()] == ["East", "b", "3 others"]
    alike = groups().assign(value_share=lambda t: t["customer_share"])
    assert plots.composition_bars(alike).get_title(loc="left") == "Groups bring about what their size says"


def test_targets_are_met_or_missed():
    ax = plots.target_bars(targets(), largest=10)
    title = ax.get_title(loc="left").replace("\n", " ")
    # the ten largest targets belong to the ten who sell least
    assert title == "0 of the 10 largest customers reach their target; all customers 91 % of theirs"
    met = plots.target_bars(targets().assign(target=100.0), largest=3).get_title(loc="left")
    assert met.startswith("3 of the 3")
    with pytest.raises(ValueError, match="no customer has a target"):
        plots.target_bars(targets().assign(target=np.nan))
    with pytest.raises(ValueError, match="'target' is missing"):
        plots.target_bars(targets().drop(columns="target"))


def test_ranks_change_where_stock_weighs():
    table = pd.DataFrame(
        {"sales_mix": [0.5, 0.3, 0.2], "margin_rate": [0.1, 0.3, 0.4], "cross_ratio": [2.0, 1.0, 0.5]},
        index=["bread", "shirt", "lamp"],
    )
    ax = plots.contribution_ranks(table)
    assert ax.get_title(loc="left") == "Bread falls from rank 1 to 3 when stock does not count"
    assert [list(line.get_ydata()) for line in ax.lines] == [[1, 3], [2, 1], [3, 2]]
    same = plots.contribution_ranks(table.assign(cross_ratio=table["margin_rate"]))
    assert same.get_title(loc="left") == "Both contribution ratios rank the products alike"
    with pytest.raises(ValueError, match="fewer than two products"):
        plots.contribution_ranks(table.head(1))


def test_the_score_that_parts_best_is_named():
    table = by_score(customers(), "bought")
    title = plots.response_by_score(table).get_title(loc="left").replace("\n", " ")
    assert title.startswith("Recency parts customers best: 48 % of score 5 respond, ")
    with pytest.raises(ValueError, match="needs r, f or m"):
        plots.response_by_score(table.rename(columns=str.upper))


def test_the_flows_add_up():
    table = moves()
    assert plots.tier_flows(table, title="My own").get_title(loc="left") == "My own"
    ax = plots.tier_flows(table)
    blocks = [p for p in ax.patches if abs(p.get_x() + p.get_width() / 2 - 1) < 1e-9]
    assert sum(p.get_height() for p in blocks) == 1000
    stay = table[(table["period"] == "2022") & (table["state"] == "high_value")].set_index("next_state")[
        "share"
    ]
    assert ax.get_title(loc="left").startswith(
        f"{100 * stay['high_value']:.0f} % of high-value customers of 2022"
    )


def test_the_mailing_figure_parts_the_cells():
    plan = mailing(cells(customers(), "bought", by=["r"]), 1.0, 4.0)
    ax = plots.response_by_cell(plan.table, plan.break_even)
    above, below = ax.containers
    assert [round(b.get_height(), 6) for b in above] == [
        round(100 * plan.table.loc[c, "rate"], 6) for c in plan.chosen
    ]
    assert len(above) + len(below) == 5
    assert ax.get_xlabel() == "cells, from 5 to 1"
    later = plan.table.iloc[[2, 3]]
    assert plots.response_by_cell(later, 0.25).get_xlabel() == "cells, from 3 to 2"
    assert plots.response_by_cell(later.head(1), 0.25).get_xlabel() == "cell 3"
    with pytest.raises(ValueError, match="break_even must be a rate"):
        plots.response_by_cell(plan.table, 25)
    with pytest.raises(ValueError, match="column 'rate' is missing"):
        plots.response_by_cell(plan.table.drop(columns="rate"), 0.25)


def test_the_cube_shows_each_cell_once():
    scored = customers()
    ax = plots.rfm_cube(cells(scored), show="count")
    shown = [t.get_text() for t in ax.texts if t.get_fontsize() < 12 and t.get_color() != "#5A5A5A"]
    filled = cells(scored)["customers"].loc[lambda x: x > 0]
    assert sorted(shown) == sorted(str(n) for n in filled)
