"""Chapters 05 and 14: what customers were, are and will be worth, and whether the oldest earn most."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ...analysis import value
from ..answers import Data, Number, Table
from ..exercise import Exercise, ExerciseSet
from ..student import Luck
from ..worlds import world

AT = 17  # the month at whose end historical value is asked for
AHEAD = 36
YEAR = 10  # to which the cohort is carried on
PARTS = ("before", "acquisition", "expansion", "retention", "after")


def data(seed: int) -> dict[str, pd.DataFrame]:
    purchases = world("retail", seed, 150, 24)["purchases"]
    luck = Luck(seed, "value")
    terms = {
        "margin_rate": luck.one(0.25, 0.45),
        "margin": luck.one(8, 25),
        "retention": luck.one(0.955, 0.98, 3),
        "discount": luck.one(0.006, 0.014, 4),
        "acquisition_cost": luck.one(30, 60, 0),
    }
    return {
        "purchases": purchases[["customer", "month", "amount"]].round(2).reset_index(drop=True),
        "terms": pd.DataFrame([terms]),
        "cohort": _cohort(luck),
        "balance": _balance(luck),
        "customers": _customers(luck),
    }


def _cohort(luck: Luck, n: int = 3_000) -> pd.DataFrame:
    """Customers still there after 0 to 5 years; chances to leave differ as a beta."""
    from scipy.special import betaincinv

    a, b = luck.one(0.6, 1.0), luck.one(1.2, 2.4)
    leaves = betaincinv(a, b, luck.uniform(n))
    stays = np.log(luck.uniform(n)) / np.log1p(-leaves.clip(1e-9, 1 - 1e-9))  # years
    years = np.arange(6)
    return pd.DataFrame({"year": years, "customers": [int((stays > year).sum()) for year in years]})


def _balance(luck: Luck, n: int = 320) -> pd.DataFrame:
    """Value ahead and margin a month of each customer a year ago and now; 0 while not a customer."""
    place = luck.uniform(n)
    was, stays = place > 0.15, place < 0.85
    margin = np.exp(luck.normal(n, 2.5, 0.5))
    months = luck.uniform(n, 8, 30)
    longer = luck.one(0.07, 0.15) * (1 if luck.one(0, 1) < 0.5 else -1)
    later = margin * (1 + luck.one(0.05, 0.12) + luck.normal(n, 0, 0.08)).clip(0.5)
    lasts = months * (1 + longer + luck.normal(n, 0, 0.08)).clip(0.4)
    table = pd.DataFrame({"customer": np.arange(1, n + 1)})
    table["value_before"], table["margin_before"] = margin * months * was, margin * was
    table["value_after"], table["margin_after"] = later * lasts * stays, later * stays
    return table.round(2)


def _customers(luck: Luck, n: int = 600) -> pd.DataFrame:
    """The last year of each customer. The old buy more, and cost more to serve: in some worlds too much."""
    while True:
        days = np.cumsum(luck.whole(n, 1, 14))  # no two alike, so that every tenth is certain
        old = days / days.max()
        extra = luck.one(-60, 60) * (old > 0.9)
        sales = np.exp(luck.normal(n, 5.6, 0.5)) + 160 * old
        goods = sales * luck.uniform(n, 0.55, 0.65)
        service = 25 + 64 * old - extra + luck.normal(n, 0, 12)
        table = pd.DataFrame({"days": days, "sales": sales, "goods": goods, "service": service.clip(1)})
        table = table.round(2).iloc[luck.order(range(n))].reset_index(drop=True)
        table.insert(0, "customer", np.arange(1, n + 1))
        if abs(_in_errors(table)) >= 0.7:  # nearer to 0 some mistakes come to the same number
            return table


# -- references and typical mistakes -------------------------------------------------------------------


def historical(tables: Data, at: int = AT, margin: float | None = None) -> pd.DataFrame:
    rate = float(tables["terms"]["margin_rate"].iloc[0]) if margin is None else margin
    found = value.historical_value(tables["purchases"], at=at, margin=rate)
    return found.rename("historical").rename_axis("customer").to_frame()


def _mean_margin(tables: Data) -> pd.DataFrame:
    purchases = tables["purchases"]
    bought = purchases[purchases["month"] <= AT].groupby("customer").size()
    return historical(tables).div(bought, axis=0)


def ahead(tables: Data, discounted: bool = True, months: int | None = AHEAD, stays: bool = True) -> float:
    terms = tables["terms"].iloc[0]
    rate = float(terms["discount"]) if discounted else 0.0
    retention = float(terms["retention"]) if stays else 1.0
    return float(value.retention_value(float(terms["margin"]), retention, discount_rate=rate, periods=months))


def _from_now(tables: Data) -> float:
    terms = tables["terms"].iloc[0]
    return float(ahead(tables) * (1 + terms["discount"]) / terms["retention"])


def carried_on(tables: Data) -> float:
    return float(value.fit_sbg(tables["cohort"]["customers"]).survival(YEAR))


def _alike(tables: Data) -> float:
    left = tables["cohort"]["customers"]
    return float((left.iloc[-1] / left.iloc[0]) ** (YEAR / 5))


def _last_rate(tables: Data) -> float:
    left = tables["cohort"]["customers"]
    return float(left.iloc[-1] / left.iloc[0] * (left.iloc[-1] / left.iloc[-2]) ** (YEAR - 5))


def _rate_then(tables: Data) -> float:
    return float(value.fit_sbg(tables["cohort"]["customers"]).retention(YEAR))


def _of_those_left(tables: Data) -> float:
    left = tables["cohort"]["customers"]
    return carried_on(tables) * float(left.iloc[0] / left.iloc[-1])


def _change(tables: Data, cost: bool = True) -> value.EquityChange:
    balance = tables["balance"].set_index("customer")
    before, after = (
        balance[[f"value_{side}", f"margin_{side}"]].set_axis(["current", "margin"], axis=1)
        for side in ("before", "after")
    )
    price = float(tables["terms"]["acquisition_cost"].iloc[0]) if cost else 0.0
    return value.equity_change(before, after, acquisition_cost=price)


def equity(tables: Data, cost: bool = True) -> pd.DataFrame:
    change = _change(tables, cost)
    amounts = {"before": change.before, **change.roads, "after": change.after}
    return _parts(amounts)


def _parts(amounts: dict[str, float]) -> pd.DataFrame:
    return pd.DataFrame({"amount": pd.Series(amounts)[list(PARTS)]}).rename_axis("part")


def _moved(tables: Data, **moves: float) -> pd.DataFrame:
    """The right table with money added to some parts."""
    added = pd.Series(moves).reindex(list(PARTS)).fillna(0.0)
    return equity(tables).add(added, axis=0)


def _amount(tables: Data, part: str) -> float:
    table = _change(tables).table.set_index("part")["amount"]
    return float(table[part])


def _without_lost(tables: Data) -> pd.DataFrame:
    return _moved(tables, retention=-_amount(tables, "lost"))


def _all_expansion(tables: Data) -> pd.DataFrame:
    lifetime = _amount(tables, "lifetime")
    return _moved(tables, expansion=lifetime, retention=-lifetime)


def _at_the_old(tables: Data) -> pd.DataFrame:
    both = tables["balance"].query("value_before > 0 and value_after > 0")
    months, later = (both[f"value_{side}"] / both[f"margin_{side}"] for side in ("before", "after"))
    together = float(((both["margin_after"] - both["margin_before"]) * (later - months)).sum())
    return _moved(tables, expansion=-together / 2, retention=-together / 2)


def tenths(tables: Data, by: str = "days", served: bool = True) -> pd.DataFrame:
    customers = tables["customers"]
    tenth = pd.qcut(customers[by].rank(method="first"), 10, labels=False) + 1
    costs = customers["goods"] + (customers["service"] if served else 0.0)
    table = pd.DataFrame({"sales": customers["sales"], "profit": customers["sales"] - costs})
    return table.groupby(tenth).mean().rename_axis("tenth")


def _oldest_first(tables: Data) -> pd.DataFrame:
    found = tenths(tables)
    return found.set_axis(11 - found.index).rename_axis("tenth")


def _in_errors(
    customers: pd.DataFrame, what: str = "profit", both: bool = True, newest: bool = False
) -> float:
    """Mean of the oldest tenth less that of the others, in standard errors."""
    profit = customers["sales"] - customers["goods"] - customers["service"]
    amount = profit if what == "profit" else customers[what]
    rank = customers["days"].rank(ascending=newest)
    chosen = rank <= len(customers) / 10
    one, rest = amount[chosen], amount[~chosen]
    error = one.var() / len(one) + (rest.var() / len(rest) if both else 0.0)
    return float((one.mean() - rest.mean()) / np.sqrt(error))


def how_sure(tables: Data) -> float:
    return _in_errors(tables["customers"])


def _in_money(tables: Data) -> float:
    found = tenths(tables)["profit"]
    return float(found.loc[10] - found.loc[1:9].mean())


SET = ExerciseSet(
    name="value",
    title="What customers are worth",
    chinese="客户价值与客户资产",
    chapter="05_customers_and_their_value",
    about=(
        "`purchases` of a shop: customer, month (0 to 23), amount (money). `terms`: margin_rate (share of an amount "
        "that is kept), and of a contract margin (money a month), retention (chance to stay a month), discount (a "
        "month) and acquisition_cost (money for a customer won). `cohort`: customers still there after 0 to 5 years. "
        "`balance`: value ahead and margin a month of each customer a year ago (before) and now (after), 0 while not "
        "a customer. `customers`: days since joining; sales, goods (their cost) and service (cost) of the last year."
    ),
    data=data,
    exercises=(
        Exercise(
            id="value-1",
            title="Historical value",
            chinese="历史价值",
            difficulty=1,
            minutes=10,
            points=2,
            goal=f"What was each customer's historical value at the end of month {AT}: the margin of all purchases so far, "
            "not discounted? Give a DataFrame with customer and historical (money), a row for everybody who had "
            "bought by then.",
            hint=f"Keep the purchases of months 0 to {AT}, add them up by customer, times margin_rate. "
            "`historical_value` of `crmsim.analysis.value` does it as well.",
            rubric="A row a customer; part marks from one half of them. Sums of given amounts: rounding only.",
            solve=historical,
            answer=Table(
                key="customer",
                columns=("historical",),
                absolute=0.005,
                wrong={
                    "these are sales; of an amount only the margin 毛利 is kept": lambda d: historical(
                        d, margin=1.0
                    ),
                    f"purchases after month {AT} are counted: they were not history yet": lambda d: (
                        historical(d, at=23)
                    ),
                    f"month {AT} itself is missing": lambda d: historical(d, at=AT - 1),
                    "this is the mean margin of a purchase, not the sum": _mean_margin,
                },
            ),
        ),
        Exercise(
            id="value-2",
            title="Lifetime value",
            chinese="客户终生价值与折现",
            difficulty=1,
            minutes=10,
            points=2,
            goal=f"What is a customer under contract worth over the next {AHEAD} months? In month t = 1, 2, ... {AHEAD} the "
            "margin comes with the chance that the customer has stayed t months, discounted over t months. Give money.",
            hint="Sum margin x (retention / (1 + discount))^t. `retention_value` of `crmsim.analysis.value` does it.",
            rubric="All points within .5 %, for rounding; a first margin paid at once is 3 to 6 % too much.",
            solve=ahead,
            answer=Number(
                unit="money",
                wrong={
                    "later money counts as much as money of today: it is not discounted 未折现": lambda d: (
                        ahead(d, discounted=False)
                    ),
                    f"this goes on without end, not for {AHEAD} months": lambda d: ahead(d, months=None),
                    "the first margin comes after a month, not at once": _from_now,
                    "everybody stays here: retention is left out 遗漏保持率": lambda d: ahead(d, stays=False),
                    "this is the value of the first year": lambda d: ahead(d, months=12),
                },
            ),
        ),
        Exercise(
            id="value-3",
            title="A cohort carried on",
            chinese="同期群保持率的外推",
            difficulty=2,
            minutes=20,
            points=3,
            goal=f"Which share of the customers of `cohort` will still be there after {YEAR} years? Fit the shifted "
            "beta-geometric model 移位贝塔几何模型 to all the years by maximum likelihood. Give a share of the whole cohort.",
            hint="Those likely to leave go first, so retention rises with the years. `fit_sbg` of `crmsim.analysis.value` "
            "takes the column of customers; its survival(t) is the share still there.",
            rubric="All points within .5 %, for rounding: another optimiser (Nelder-Mead with the defaults of SciPy) "
            "differed by less than .01 % in 36 cohorts. The last rate carried on is 10 to 33 % too low.",
            solve=carried_on,
            answer=Number(
                unit="share",
                why="rounding to three digits; optimisers differ by less",
                wrong={
                    "one mean rate for all years: but those likely to leave go first 异质性": _alike,
                    "the rate of the last year is carried on: it still rises": _last_rate,
                    f"this is the retention in year {YEAR}, not the share left of the cohort": _rate_then,
                    "this is a share of those there after five years, not of the cohort 分母错误": _of_those_left,
                },
            ),
        ),
        Exercise(
            id="value-4",
            title="Three roads to profit",
            chinese="客户资产的变化：赢利三条路",
            difficulty=2,
            minutes=25,
            points=4,
            goal="Customer equity 客户资产 is the sum of the values ahead in `balance`. Part its change into acquisition 获取 "
            "(value of those won, less acquisition_cost for each), expansion 扩展 and retention 保持 (minus the value of "
            "those lost, plus the change in months). For those there both times value = margin x months: "
            "the change of margin, at the mean of both numbers of months, is expansion; the change of months, at the mean of "
            "both margins, is retention. Give a DataFrame with part (before, acquisition, expansion, retention, "
            "after) and amount (money).",
            hint="months = value / margin, before and after. `equity_change` of `crmsim.analysis.value` takes two frames with "
            "current and margin, indexed by customer. Before + the parts + what acquisition has cost = after.",
            rubric="Five amounts; part marks from one half of them. The parts are exact: rounding only.",
            solve=equity,
            answer=Table(
                key="part",
                columns=("amount",),
                absolute=1.0,
                wrong={
                    "what winning customers has cost is left out of acquisition": lambda d: equity(
                        d, cost=False
                    ),
                    "those lost are left out of retention": _without_lost,
                    "the change of all who stayed is called expansion; a part of it is longer or shorter stay": _all_expansion,
                    "changes at the old months and the old margins: what both do together is missing": _at_the_old,
                },
            ),
        ),
        Exercise(
            id="value-5",
            title="Profit by age of the relationship",
            chinese="客户关系年限与利润",
            difficulty=2,
            minutes=20,
            points=3,
            goal="Part `customers` into tenths by days since joining, 1 the newest, 10 the oldest. For each tenth: sales "
            "and profit (sales - goods - service), means a customer, money. Give a DataFrame with tenth, sales and profit.",
            hint="pd.qcut of days with 10 parts gives the tenths. Then look: do the oldest buy most, and do they earn most?",
            rubric="Twenty entries; part marks from one half of them. No two customers joined on one day, so the tenths are "
            "certain.",
            solve=tenths,
            answer=Table(
                key="tenth",
                columns=("profit", "sales"),
                absolute=0.005,
                wrong={
                    "tenth 1 are the newest: sorted the other way 排序方向相反": _oldest_first,
                    "profit without the cost of service 服务成本": lambda d: tenths(d, served=False),
                    "tenths by sales, not by days since joining": lambda d: tenths(d, by="sales"),
                    "sums in place of means": lambda d: tenths(d) * (len(d["customers"]) / 10),
                },
            ),
        ),
        Exercise(
            id="value-6",
            title="Is the oldest tenth the most profitable?",
            chinese="老客户更赢利吗",
            difficulty=3,
            minutes=30,
            points=4,
            goal="By how many standard errors 标准误 lies the mean profit of the oldest tenth above (negative: below) the mean "
            "profit of all others? The standard error of the difference is the root of s^2 / n of the one "
            "plus s^2 / n of the other, with sample variances s^2. Beyond 2 or -2 chance alone hardly explains it.",
            hint="Part the customers into the oldest tenth and the rest, and compute profit for each customer first. "
            "ttest_ind of scipy.stats with equal_var=False gives the same number.",
            rubric="All points within .01, two decimals. In some students' data the oldest earn more, in some less, in "
            "some nothing can be told (0.7 to 2 errors), though they buy more than the others; compare in class.",
            solve=how_sure,
            answer=Number(
                unit="standard errors",
                absolute=0.01,
                why="rounding to two decimals",
                wrong={
                    "this compares sales; ask what is left after goods and service": lambda d: _in_errors(
                        d["customers"], "sales"
                    ),
                    "this is the difference in money; divide by its standard error": _in_money,
                    "the error of the others' mean is left out": lambda d: _in_errors(
                        d["customers"], both=False
                    ),
                    "this is the newest tenth 方向相反": lambda d: _in_errors(d["customers"], newest=True),
                },
            ),
        ),
    ),
)
