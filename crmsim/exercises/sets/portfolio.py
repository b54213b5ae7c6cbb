"""Chapter 03: customer analysis. Who brings the sales, which goods earn, who stays a good customer."""

from __future__ import annotations

import pandas as pd

from ...analysis.portfolio import abc, tier_history, top_share
from ..answers import Data, Names, Number, Table
from ..exercise import Exercise, ExerciseSet
from ..worlds import world

YEAR = 12  # the months of the first year; the goods are those of the second
RATIOS = ("mix", "margin_rate", "turnover", "cross_ratio", "contribution")


def data(seed: int) -> dict[str, pd.DataFrame]:
    tables = world("retail", seed, 250, 2 * YEAR)
    purchases = tables["purchases"].assign(amount=tables["purchases"]["amount"].round(2))
    lines = tables["purchase_lines"].merge(tables["purchases"][["purchase", "month"]], on="purchase")
    sold = lines[lines["month"] >= YEAR].groupby("product")[["amount", "cost"]].sum()
    stock = tables["stock"].set_index("product")
    products = pd.DataFrame(
        {
            "sales": sold["amount"],
            "cost": sold["cost"],
            "opening": stock.loc[stock["month"] == YEAR, "opening"],
            "closing": stock.loc[stock["month"] == 2 * YEAR - 1, "closing"],
        }
    )
    return {
        "purchases": purchases[["customer", "date", "amount"]].reset_index(drop=True),
        "products": products.loc[products["sales"] > 0].round(2).rename_axis("product").reset_index(),
    }


# -- references and typical mistakes -------------------------------------------------------------------


def each(tables: Data) -> pd.Series:
    """Sales a customer, both years."""
    return tables["purchases"].groupby("customer")["amount"].sum()


def pareto(tables: Data) -> float:
    return top_share(each(tables), 0.2)


def bottom(tables: Data) -> float:
    return 1 - top_share(each(tables), 0.8)


def by_purchases(tables: Data) -> float:
    largest = tables["purchases"]["amount"].sort_values(ascending=False)
    return float(largest.head(len(largest) // 5).sum() / largest.sum())


def monthly(tables: Data) -> pd.Series:
    """Sales of the twelve months of the second year."""
    purchases = tables["purchases"]
    dates = pd.to_datetime(purchases["date"])
    second = dates.dt.year == dates.dt.year.max()
    return purchases[second].groupby(dates[second].dt.month)["amount"].sum()


def variation(tables: Data, ddof: int = 1) -> float:
    sales = monthly(tables)
    return float(sales.std(ddof=ddof) / sales.mean())


def class_a(tables: Data) -> list[int]:
    found = abc(each(tables)).table
    return [int(c) for c in found.index[found["class"] == "A"]]


def _smallest_first(tables: Data) -> list[int]:
    sales = each(tables).sort_values()
    return list(sales.index[(sales.cumsum() - sales) / sales.sum() < 0.75])


def _three_quarters(tables: Data) -> list[int]:
    sales = each(tables).sort_values(ascending=False)
    return list(sales.index[: round(0.75 * len(sales))])


def ratios(tables: Data) -> pd.DataFrame:
    goods = tables["products"].set_index("product")
    stock = (goods["opening"] + goods["closing"]) / 2
    return _ratios(goods, stock)


def _ratios(goods: pd.DataFrame, stock: pd.Series, profit_over: str = "sales") -> pd.DataFrame:
    found = pd.DataFrame({"mix": goods["sales"] / goods["sales"].sum()})
    found["margin_rate"] = (goods["sales"] - goods["cost"]) / goods[profit_over]
    found["turnover"] = goods["sales"] / stock
    found["cross_ratio"] = found["margin_rate"] * found["turnover"]
    found["contribution"] = found["cross_ratio"] * found["mix"]
    return found


def _with(tables: Data, stock: str = "", profit_over: str = "sales") -> pd.DataFrame:
    goods = tables["products"].set_index("product")
    held = goods[stock] if stock else (goods["opening"] + goods["closing"]) / 2
    return _ratios(goods, held, profit_over)


def stayed(tables: Data) -> float:
    first, second = _high(tables)
    return float((first & second).sum() / first.sum())


def _high(tables: Data) -> tuple[pd.Series, pd.Series]:
    """Who is of high value in the first year, and in the second."""
    history = tier_history(tables["purchases"], "year")
    first, second = (history[column] == "high_value" for column in history.columns[:2])
    return first, second


def _among_present(tables: Data) -> float:
    history = tier_history(tables["purchases"], "year")
    first, second = _high(tables)
    there = history[history.columns[1]] != "absent"
    return float((first & second).sum() / (first & there).sum())


SET = ExerciseSet(
    name="portfolio",
    title="Who brings the sales, what earns, who stays",
    chinese="客户构成与商品分析",
    chapter="03_customer_analysis",
    about=(
        "A small shop over two years. `purchases`: customer, date, amount (money). `products`: a row a product "
        "of the second year: sales at selling price, cost of what was sold, opening and closing stock at cost, "
        "all in money."
    ),
    data=data,
    exercises=(
        Exercise(
            id="portfolio-1",
            title="The best fifth",
            chinese="二八定律",
            difficulty=1,
            minutes=5,
            points=1,
            goal="Which share of all sales do the best 20 % of the customers hold? Give a share, 0 to 1.",
            hint="Add up the purchases of each customer first. `top_share` of `crmsim.analysis.portfolio` does the "
            "rest, and so do sort_values and cumsum.",
            rubric="All points within .01: the last customer may count in part, whole or not at all.",
            solve=pareto,
            answer=Number(
                unit="share",
                absolute=0.01,
                why="the best fifth is rounded to whole customers",
                wrong={
                    "sorted the other way 排序方向相反: this is the share of the smallest fifth": bottom,
                    "this is the best fifth of the purchases, not of the customers": by_purchases,
                },
            ),
        ),
        Exercise(
            id="portfolio-2",
            title="How much sales vary",
            chinese="变异系数",
            difficulty=1,
            minutes=10,
            points=2,
            goal="By how much do the sales of the twelve months of the second year vary? Give the coefficient of "
            "variation, the sample standard deviation 样本标准差 over the mean, as a share.",
            hint="Twelve months are a sample: divide by n - 1. pandas does so, NumPy does not unless told.",
            rubric="All points for n - 1; with n the value is 4.3 % smaller, outside the tolerance.",
            solve=variation,
            answer=Number(
                unit="coefficient",
                wrong={
                    "population 总体 in place of sample 样本 standard deviation": lambda d: variation(d, 0),
                    "this is the standard deviation in money; divide it by the mean": lambda d: monthly(
                        d
                    ).std(),
                    "this is the variance over the mean; take the root first": lambda d: (
                        monthly(d).var() / monthly(d).mean()
                    ),
                    "purchases vary so, not the sums of months": lambda d: (
                        d["purchases"]["amount"].std() / d["purchases"]["amount"].mean()
                    ),
                },
            ),
        ),
        Exercise(
            id="portfolio-3",
            title="Class A",
            chinese="ABC分析",
            difficulty=2,
            minutes=10,
            points=3,
            goal="Which customers are in class A, who bring the first 75 % of the sales of both years? Give their "
            "ids. The customer with whom the 75 % are crossed still belongs to A.",
            hint="Sort by sales, the largest first. A customer is in A if those before hold less than 75 %.",
            rubric="All points for the right customers; part marks by the Jaccard index.",
            solve=class_a,
            answer=Names(
                what="customers",
                wrong={
                    "sorted the other way 排序方向相反: the smallest come first here": _smallest_first,
                    "the customer with whom the 75 % are crossed is left out": lambda d: class_a(d)[:-1],
                    "75 % of the customers, not of the sales": _three_quarters,
                },
            ),
        ),
        Exercise(
            id="portfolio-4",
            title="Ratios of the goods",
            chinese="交叉比率与贡献比率",
            difficulty=2,
            minutes=20,
            points=4,
            goal="For each product: mix 销售构成比, margin_rate 毛利率, turnover 周转率 (times a year, by the mean of "
            "opening and closing stock), cross_ratio 交叉比率 (margin rate x turnover) and contribution 贡献比率 "
            "(cross ratio x mix). Give a DataFrame with these columns and a row a product.",
            hint="Compute column by column from `products`; keep product as a column or as the index.",
            rubric="Part marks by entries: none for half of them right, all for every one.",
            solve=ratios,
            answer=Table(
                key="product",
                columns=RATIOS,
                wrong={
                    "turnover by the closing stock, not by the mean of opening and closing": lambda d: _with(
                        d, "closing"
                    ),
                    "turnover by the opening stock, not by the mean of opening and closing": lambda d: _with(
                        d, "opening"
                    ),
                    "profit over cost is the mark-up 加成率; the margin rate divides by sales 分母错误": lambda d: (
                        _with(d, profit_over="cost")
                    ),
                    "per cent in place of shares 百分比与比例": lambda d: ratios(d) * 100,
                },
            ),
        ),
        Exercise(
            id="portfolio-5",
            title="Who stays a good customer",
            chinese="筛选客户",
            difficulty=3,
            minutes=30,
            points=5,
            goal="Of the customers of high value 高价值客户 in the first year (the best fifth of its buyers by sales), "
            "which share is of high value in the second year too, among the best fifth of that year's "
            "buyers? Give a share, 0 to 1.",
            hint='`tier_history(purchases, "year")` of `crmsim.analysis.portfolio` gives everybody\'s tier in each '
            "year. Who bought nothing in the second year did not stay.",
            rubric="All points within .012, as rounding of the fifth may move a customer.",
            solve=stayed,
            answer=Number(
                unit="share",
                absolute=0.012,
                why="rounding of the fifth moves one customer of about 45",
                wrong={
                    "those who bought nothing in the second year are left out of the denominator 分母错误": _among_present,
                    "divided by all customers 分母错误": lambda d: (_high(d)[0] & _high(d)[1]).mean(),
                },
            ),
        ),
    ),
)
