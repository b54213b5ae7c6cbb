"""Sections of a report on what customers do: the file, composition, products, RFM, churn.

A section takes the `sheet` to write on, the `firm` and the `settings`, and says what it finds, or why it
cannot; it returns nothing.
"""

from __future__ import annotations

import contextlib
from typing import Any, Literal

import pandas as pd

from ..data.schema import BY_NAME
from ..data.transactions import DataError
from ..vocabulary import ValueTier
from . import churn, portfolio, rfm
from .firm import Firm, Settings, row_with
from .pages import Sheet, Write, count, fine, listed, many, number, percent, tenth, whole, word

# -- the file ------------------------------------------------------------------------------------------


def file_section(sheet: Sheet, firm: Firm, settings: Settings) -> None:
    """What the database holds, its faults, and sales through time."""
    sizes = pd.DataFrame(
        {
            "table": firm.tables,
            "rows": [len(firm[name]) for name in firm.tables],
            "meaning": [BY_NAME[name].meaning for name in firm.tables],
        }
    )
    filled = sizes[sizes["rows"] > 0]
    if set(filled["table"]) <= {"about"}:
        sheet.stress("The database holds no rows in any table, so there is nothing to report.")
    with sheet.part():
        if firm.has("customers"):
            _size(sheet, firm)
        elif len(filled):
            sheet.cannot("The table of customers is empty.")
    about = firm.about
    if "rows_read" in about:
        read, taken = int(about["rows_read"]), int(about.get("rows_taken", about["rows_read"]))
        out = f" and {read - taken:,} left out ({percent((read - taken) / read)})" if taken < read else ""
        sheet.say(
            f"It was imported from {about.get('source', 'a file')}: of {many(read, 'row')} read, {taken:,} "
            f"were taken{out}. Only what a file of purchases tells is in it; sections that need more say so."
        )
    if len(filled):
        sheet.table(
            "tables", filled, "What the database holds",
            {"table": ("table", word), "rows": ("rows", count), "meaning": ("what a row is", word)}, rows=40,
        )  # fmt: skip
    with sheet.part("Faults in the tables", "数据质量"):
        every = firm.database.faults()
        absent = [fault.partition(":")[0] for fault in every if fault.endswith(": the table is missing")]
        faults = [fault for fault in every if not fault.endswith(": the table is missing")]
        if absent:
            sheet.say(
                f"{many(len(absent), 'table')} of the description {'is' if len(absent) == 1 else 'are'} not "
                f"in this database: {listed(absent)}."
            )
        if not faults:
            sheet.say("The tables agree with their description: no fault was found.")
        else:
            sheet.stress(f"{many(len(faults), 'fault')} in the tables; what rests on them is to be doubted.")
            sheet.table(
                "faults", pd.DataFrame({"fault": faults}), "Faults against the description of the tables",
                {"fault": ("table and fault", word)}, rows=20,
            )  # fmt: skip
    if not (firm.has("purchases") or firm.has("payments")):
        return
    with sheet.part("Sales through time", "销售趋势"):
        _sales(sheet, firm)


def _size(sheet: Sheet, firm: Firm) -> None:
    customers = firm["customers"]
    kinds = [
        many(len(firm[name]), one)
        for name, one in (("purchases", "purchase"), ("bills", "bill"), ("complaints", "complaint"))
        if firm.has(name)
    ]
    sheet.say(
        f"The database holds {many(len(customers), 'customer')}"
        + (f", {listed(kinds)}" if kinds else "")
        + f", over {many(firm.months, 'month')} from {firm.month(0)} to {firm.month(firm.months - 1)}."
        + (f" Money is in {firm.money.currency}." if firm.money.currency else " The currency is not stated.")
    )


def _sales(sheet: Sheet, firm: Firm) -> None:
    log, money = firm.log, firm.money
    bought = firm.bought
    what = "paid bills" if firm.contract else "purchases"
    monthly = portfolio.sales_over_time(log)
    total = float(log["amount"].sum())
    sheet.stress(
        f"Sales were {money(total)} in {many(firm.months, 'month')}, by {many(len(bought), what[:-1], what)} "
        f"of {many(bought['customer'].nunique(), 'customer')}: {money(total / max(len(bought), 1))} each."
    )
    if len(monthly) >= 24:
        now, then = (float(monthly["sales"].iloc[a:b].sum()) for a, b in ((-12, None), (-24, -12)))
        if then > 0:
            change = now / then - 1
            sheet.say(
                f"The last twelve months brought {money(now)}, {percent(abs(change))} "
                f"{'more' if change >= 0 else 'less'} than the twelve before."
            )
    if len(monthly) > 1:
        sheet.figure("sales", "sales_over_time", monthly, currency=money.currency)
    quarters = len(monthly) >= 9
    table = portfolio.sales_over_time(log, "quarter") if quarters else monthly
    columns = {
        "period": ("quarter" if quarters else "month", word),
        "purchases": (what, count),
        "buyers": ("buyers", count),
        "sales": (money.head("sales"), money.plain),
        "growth": ("on a year before", percent),
        "each": (money.head("a buyer"), money.plain),
    }
    if table["growth"].isna().all():
        del columns["growth"]
    sheet.table(
        "sales", table.iloc[::-1], "Sales by quarter, the latest first" if quarters else "Sales by month",
        columns, rows=24, note="The first and the last may be there in part only. " if quarters else "",
    )  # fmt: skip


# -- composition ---------------------------------------------------------------------------------------

ATTRIBUTES = {
    "source": "how they came 来源",
    "channel": "way to pay 付款方式",
    "plan": "plan or tariff 套餐",
    "age_group": "age 年龄",
    "gender": "gender 性别",
    "district": "district 区域",
    "income": "income 收入",
}
GROUPS = {
    "initial": "there at the start",
    "won": "won",
    "referred": "referred",
    "manual": "by hand",
    "debit": "direct debit",
}


CELLS = 125  # of RFM; with fewer buyers most would be empty
FEW = 5  # buyers of whom shares of customers are told at least


def composition_section(sheet: Sheet, firm: Firm, settings: Settings) -> None:
    """ABC, the best fifth, kinds of customers, and who rises and falls."""
    if not (firm.has("purchases") or firm.has("payments")):
        sheet.cannot("Who brings the sales needs purchases or paid bills, and the database has neither.")
        return
    with sheet.part("Who brings the sales", "客户构成与ABC分析"):
        _concentration(sheet, firm)
    if firm.log["customer"].nunique() < FEW:
        return
    if firm.has("customers"):
        with sheet.part("Kinds of customers", "按属性分类"):
            _kinds(sheet, firm)
    with sheet.part("Against the target", "客户与本企业的交易业绩分析"):
        _performance(sheet, firm, settings)
    with sheet.part("Who rises and who falls", "筛选客户：价值层级的转移"):
        _tiers(sheet, firm)


def _concentration(sheet: Sheet, firm: Firm) -> None:
    log, money = firm.log, firm.money
    found = portfolio.abc(log)
    verb = "paid" if firm.contract else "bought"
    if len(found.table) < FEW:
        sheet.cannot(
            f"Only {many(len(found.table), 'customer')} {verb}; shares of so few customers say nothing."
        )
    else:
        top, best = portfolio.top_share(log), found.summary.iloc[0]
        sheet.stress(
            f"The best {percent(0.2)} of the customers who {verb} bring {percent(top)} of sales; class A, "
            f"{many(int(best['customers']), 'customer')} or {percent(best['customer_share'])} of them, "
            f"brings {percent(best['sales_share'])}."
        )
        sheet.say(
            f"The Gini coefficient is {portfolio.gini(log):.2f}, where 0 means that all bring the same and 1 "
            "that one brings all. Class A brings the first 75 % of sales, B the next 20 %, C the last 5 %."
        )
        if firm.has("customers"):
            silent = len(firm["customers"]) - len(found.table)
            if silent > 0:
                sheet.say(f"{many(silent, 'customer')} on file never {verb} and stand in no class.")
        if found.below_zero:
            sheet.say(f"{many(found.below_zero, 'customer')} returned more than they bought and count as 0.")
        sheet.figure("abc", "abc_curve", found.table)
        sheet.table(
            "classes", found.summary.rename_axis("class").reset_index(), "Classes of customers by sales",
            {
                "class": ("class", word), "customers": ("customers", count),
                "customer_share": ("of customers", percent), "sales": (money.head("sales"), money.plain),
                "sales_share": ("of sales", percent), "each": (money.head("a customer"), money.plain),
            },
        )  # fmt: skip
    people = found.table.rename_axis("customer").reset_index()
    sheet.table(
        "customers", people, "The largest customers",
        {
            "customer": ("customer", whole), "sales": (money.head("sales"), money.plain),
            "share": ("of all sales", percent), "cumulative": ("with those above", percent),
            "class": ("class", word),
        },
        rows=10,
    )  # fmt: skip


def _kinds(sheet: Sheet, firm: Firm) -> None:
    people = firm["customers"]
    if firm.has("profiles"):
        people = people.merge(firm["profiles"].drop_duplicates("customer"), on="customer", how="left")
    worth, money = portfolio.totals(firm.log), firm.money
    tables, alike, spreads = [], [], {}
    for name, title in ATTRIBUTES.items():
        if name not in people or people[name].nunique() < 2:
            continue
        if name == "source" and "rows_read" in firm.about:
            continue  # a file of purchases does not tell how customers came
        table = portfolio.composition(people, name, value=worth)
        spreads[english := title.rpartition(" ")[0]] = table
        table = table.reset_index() if name not in table else table
        table = table.rename(columns={name: "group"})
        table["group"] = [GROUPS.get(str(group), word(group).replace("_", " ")) for group in table["group"]]
        table.insert(0, "attribute", title)
        tables.append(table)
        large = table[table["customer_share"] >= 0.02]
        if large["index"].max() - large["index"].min() < 10:
            alike.append(english)
            continue
        most, least = row_with(large, "value_each"), row_with(large, "value_each", least=True)
        sheet.say(
            f"By {english}, customers of the group {most['group']} bring most, {money(most['value_each'])} "
            f"each, and those of the group {least['group']} least, {money(least['value_each'])}."
        )
    if not tables:
        sheet.cannot("Nothing is on file that would tell kinds of customers apart.")
        return
    if alike:
        sheet.say(f"By {listed(alike)}, customers of all groups bring about the same.")
    told = {name: table for name, table in spreads.items() if name not in alike}
    if told:  # the attribute that says most of who brings the sales
        best = max(told, key=lambda name: _apart(told[name]))
        sheet.figure("kinds", "composition_bars", told[best], names=GROUPS, note=f"by {best}")
    sheet.table(
        "kinds", pd.concat(tables, ignore_index=True), "Customers by what is on file about them",
        {
            "attribute": ("by", word), "group": ("group", word), "customers": ("customers", count),
            "customer_share": ("of customers", percent), "value_share": ("of sales", percent),
            "value_each": (money.head("a customer"), money.plain), "index": ("index, mean is 100", count),
        },
        rows=40,
    )  # fmt: skip


def _apart(table: pd.DataFrame) -> float:
    """How far shares of sales are from shares of customers, all groups together (0 to 1)."""
    return float((table["value_share"] - table["customer_share"]).abs().sum()) / 2


def _performance(sheet: Sheet, firm: Firm, settings: Settings) -> None:
    # calendar months of the record, the last twelve against the twelve before
    when = 12 * firm.log["date"].dt.year + firm.log["date"].dt.month
    end = int(when.max())
    if end - int(when.min()) < 23:
        sheet.cannot(
            "No target is on file. What customers bought the year before can stand for one, but the record "
            "is shorter than two years."
        )
        return
    money, log = firm.money, firm.log
    now, before = log[when > end - 12], log[(when > end - 24) & (when <= end - 12)]
    goal = portfolio.totals(before).clip(lower=0) * (1 + settings.growth)
    goal = goal[goal > 0]
    table = portfolio.performance(now, goal, target_in="money")
    mine = table[table["target"].notna()]
    met = mine["met"].astype(bool)
    attained = float(mine["sales"].sum() / mine["target"].sum())
    wanted = f" and {percent(settings.growth)} more" if settings.growth else ""
    sheet.find(
        f"{percent(float(met.mean()))} of the {many(len(mine), 'customer')} with sales the year before "
        f"{'paid' if firm.contract else 'bought'} at least as much{wanted} in the last twelve months; all of "
        f"them together {percent(attained)} of it."
    )
    newly = float(table.loc[table["target"].isna(), "sales"].sum())
    sheet.say(
        f"The target of each customer is what it was worth in the twelve months before{wanted}, since no "
        f"target is on file. Customers without sales then brought {money(newly)} "
        f"({percent(newly / float(table['sales'].sum()))} of sales) on top."
    )
    named = mine.rename(index=firm.names) if firm.names else mine
    sheet.figure("target", "target_bars", named, currency=money.currency)
    falls = mine.sort_values("gap").rename_axis("customer").reset_index()
    sheet.table(
        "target", falls, "The customers furthest below their target",
        {
            "customer": ("customer", whole), "sales": (money.head("sales"), money.plain),
            "target": (money.head("target"), money.plain), "attainment": ("attained", percent),
            "gap": (money.head("below"), money.plain), "share": ("of all sales", percent),
        },
        rows=10,
    )  # fmt: skip


def _tiers(sheet: Sheet, firm: Firm) -> None:
    # two whole calendar periods are needed; months since year 0 of the first and the last day
    begin, end = (12 * day.year + day.month - 1 for day in (firm.log["date"].min(), firm.log["date"].max()))
    lengths: dict[Literal["year", "quarter", "month"], int] = {"year": 12, "quarter": 3, "month": 1}
    fitting = [name for name, size in lengths.items() if (end + 1) // size - -(-begin // size) >= 2]
    if not fitting:
        sheet.cannot("The record is too short to follow customers from one period to the next.")
        return
    every = fitting[0]
    history = portfolio.tier_history(firm.log, every)
    moves = portfolio.transitions(history)
    first, last = list(history.columns)[-2:]
    matrix = moves.matrix(first)
    high = ValueTier.HIGH_VALUE.key
    if high in matrix.index and matrix.loc[high].notna().any():
        row = matrix.loc[high]
        sheet.find(
            f"Of the high-value customers of {first}, {percent(row.get(high, 0.0))} still are so in {last}, "
            f"and {percent(row.get('absent', 0.0))} {'paid' if firm.contract else 'bought'} nothing any more."
        )
    sheet.say(
        f"In each {every} the fifth of the buyers who brought most count as high-value, the next three "
        "tenths as ordinary, the rest as small."
    )
    recent = moves.table[moves.table["period"].isin(list(history.columns)[-4:])]
    sheet.figure("tiers", "tier_flows", recent if len(recent) else moves.table)
    names = {tier.key: tier.english for tier in ValueTier} | {
        "absent": "bought nothing",
        "not_yet": "not yet customers",
    }
    shown = matrix.dropna(how="all").rename_axis("state").reset_index()
    shown["state"] = [names.get(str(state), str(state)) for state in shown["state"]]
    columns = {"state": (f"in {first}", word)}
    columns |= {name: (names.get(str(name), str(name)), percent) for name in matrix.columns}
    sheet.table("tiers", shown, f"Where the customers of {first} stand in {last}", columns)


# -- products ------------------------------------------------------------------------------------------


def products_section(sheet: Sheet, firm: Firm, settings: Settings) -> None:
    """Sales mix, margin rate, turnover, cross and contribution ratio."""
    if firm.contract and firm.has("products", "profiles") and firm["profiles"]["plan"].notna().any():
        _plans(sheet, firm)
        return
    if not firm.has("purchase_lines"):
        sheet.cannot(
            "What was bought is not in the database (the table purchase_lines is empty), so products cannot "
            "be compared."
        )
        return
    lines, money = firm["purchase_lines"], firm.money
    bought = lines.merge(firm["purchases"][["purchase", "month"]], on="purchase")
    start = max(0, firm.months - 12)
    recent = bought[bought["month"] >= start]
    sums = recent.groupby("product", as_index=False).agg(
        sales=("amount", "sum"), cost=("cost", lambda c: c.sum(min_count=len(c))), pieces=("quantity", "sum")
    )
    if firm.has("products"):
        names = firm["products"].set_index("product")["english"]
        sums["name"] = sums["product"].map(names).fillna(sums["product"])
    else:
        sums["name"] = sums["product"]
    period = f"the last {many(firm.months - start, 'month')}"
    unknown = sums["cost"].isna()
    if unknown.all():
        sums = sums.sort_values("sales", ascending=False)
        sums["mix"] = portfolio.sales_mix(sums["sales"])
        best = sums.iloc[0]
        sheet.stress(f"In {period} {best['name']} sold most: {percent(best['mix'])} of all sales.")
        sheet.cannot("What the products cost the firm is not on file, so there is no margin to compare.")
        sheet.table(
            "products", sums, f"Sales by product in {period}",
            {
                "name": ("product", word), "pieces": ("pieces", count),
                "sales": (money.head("sales"), money.plain), "mix": ("sales mix", percent),
            },
        )  # fmt: skip
        return
    if unknown.any():
        sheet.cannot(
            f"{many(int(unknown.sum()), 'product')} without a known cost are left out of the ratios."
        )
    sums = sums[~unknown & (sums["sales"] > 0)]
    stocked = firm.has("stock")
    if stocked:
        stock = firm["stock"]
        stock = stock[stock["month"] >= start].sort_values("month")
        ends = stock.groupby("product").agg(opening=("opening", "first"), closing=("closing", "last"))
        sums = sums.join(ends, on="product")
        lacking = sums["opening"].isna()
        stocked = not lacking.all()
        sums[["opening", "closing"]] = sums[["opening", "closing"]].fillna(0.0)
    if stocked:
        found = portfolio.product_ratios(sums, product="name")
    else:
        found = portfolio.product_ratios(
            sums, product="name", opening=None, closing=None, contribution="margin"
        )
    table = found.table.rename_axis("name").reset_index() if "name" not in found.table else found.table
    best, most = table.iloc[0], row_with(table, "sales")
    richest = row_with(table, "margin_rate")
    total = found.total
    sheet.stress(
        f"In {period} {most['name']} sold most ({percent(most['sales_mix'])} of sales), {richest['name']} "
        f"had the best gross margin rate ({percent(richest['margin_rate'])}; all products "
        f"{percent(total['margin_rate'])}), and {best['name']} contributed most."
    )
    columns: dict[str, tuple[str, Write]] = {
        "name": ("product", word),
        "sales": (money.head("sales"), money.plain),
        "sales_mix": ("sales mix 销售构成比", percent),
        "margin_rate": ("margin rate 毛利率", percent),
    }
    if stocked:
        sheet.say(
            "The cross ratio is gross margin rate times turnover: what a unit of money in stock earns in the "
            "period. The contribution ratio is cross ratio times sales mix, as the Chinese sales-management "
            "texts compute it. Stock is valued at cost."
        )
        columns |= {
            "turnover": ("turnover 周转率", number(1)),
            "cross_ratio": ("cross ratio 交叉比率", number(2)),
            "contribution": ("contribution 贡献比率", number(3)),
        }
    else:
        sheet.cannot(
            "The stock is not on file, so there is no turnover; contribution is gross margin rate times "
            "sales mix, as retail glossaries compute it."
        )
        columns |= {"contribution": ("contribution 贡献比率", percent)}
    sheet.figure("mix", "sales_mix_bars", found.table)
    if stocked:
        sheet.figure("cross", "margin_turnover", found.table)
        if len(found.table) > 1:
            sheet.figure("ranks", "contribution_ranks", found.table)
            sheet.say(
                "The other contribution ratio in use, gross margin rate times sales mix, leaves stock out; "
                "products that lie long rank higher by it."
            )
    sheet.table("products", table, f"Products in {period}, by contribution", columns, rows=15)


def _plans(sheet: Sheet, firm: Firm) -> None:
    """The plans of a contract: sales of the last year, and margin by the cost of a month of each."""
    start, money = max(0, firm.months - 12), firm.money
    plan = firm["profiles"].drop_duplicates("customer").set_index("customer")["plan"]
    log = firm.log[firm.log["month"] >= start]
    log = log.assign(product=log["customer"].map(plan)).dropna(subset=["product"])
    sums = log.groupby("product", as_index=False).agg(sales=("amount", "sum"), bills=("amount", "size"))
    sums = sums.merge(firm["products"][["product", "english", "unit_cost"]], on="product", how="left")
    sums["cost"] = sums["bills"] * sums["unit_cost"]
    sums["name"] = sums["english"].fillna(sums["product"])
    sums = sums.sort_values("sales", ascending=False)
    sums["mix"] = portfolio.sales_mix(sums["sales"])
    sums["rate"] = portfolio.gross_margin_rate(sums["sales"], sums["cost"])
    sums["contribution"] = portfolio.contribution_ratio(sums["mix"], sums["rate"])
    sums["margin"] = sums["sales"] - sums["cost"]
    best = sums.iloc[0]
    period = f"the last {many(firm.months - start, 'month')}"
    sheet.stress(f"In {period} {best['name']} brought most: {percent(best['mix'])} of sales.")
    sheet.say(
        "The plan is the one on file for each customer at the end of the record. A contract has no stock, so "
        "there is no turnover; contribution is gross margin rate times sales mix, as retail glossaries "
        "compute it."
    )
    sheet.figure("mix", "sales_mix_bars", sums.set_index("name"))
    sheet.table(
        "plans", sums, f"Plans in {period}",
        {
            "name": ("plan", word), "bills": ("paid bills", count),
            "sales": (money.head("sales"), money.plain),
            "mix": ("sales mix 销售构成比", percent), "rate": ("margin rate 毛利率", percent),
            "contribution": ("contribution 贡献比率", percent),
        },
    )  # fmt: skip


# -- RFM -----------------------------------------------------------------------------------------------


def rfm_section(sheet: Sheet, firm: Firm, settings: Settings) -> None:
    """Segments, the 125 cells, and whom to mail."""
    if firm.contract:
        sheet.cannot(
            "Customers under contract are billed every month, so how recently and how often they paid does "
            "not tell them apart; the sections on value and churn do."
        )
        return
    if not firm.has("purchases"):
        sheet.cannot("RFM needs purchases, and the database has none.")
        return
    log, money = firm.log, firm.money
    if log["customer"].nunique() < FEW:
        sheet.cannot(
            f"RFM sorts the buyers into fifths; there {'is' if log['customer'].nunique() == 1 else 'are'} "
            f"only {many(log['customer'].nunique(), 'buyer')}."
        )
        return
    with sheet.part("Segments", "客户细分"):
        scored = rfm.rfm(log, method="independent")
        named = rfm.segments(scored)
        labels = rfm.segment_table().set_index("segment")
        table = named.groupby("segment", observed=True).agg(
            customers=("monetary", "size"), recency=("recency", "median"), frequency=("frequency", "mean"),
            monetary=("monetary", "mean"), money=("monetary", "sum"),
        ).reset_index()  # fmt: skip
        for language in ("english", "chinese"):
            table[language] = table["segment"].astype(str).map(labels[language])
        table["share"] = table["customers"] / table["customers"].sum()
        table["money_share"] = table["money"] / table["money"].sum()
        best = table.iloc[0]
        if best["segment"] == "key_value":
            sheet.stress(
                f"The {best['english']} ({best['chinese']}: recent, frequent and large) are "
                f"{percent(best['share'])} of the buyers and brought {percent(best['money_share'])} of the "
                "money."
            )
        else:
            sheet.find("Nobody stands high in all three, recency, frequency and money.")
        drawn = table.rename(columns={"share": "customer_share", "money_share": "value_share"})
        sheet.figure("segments", "composition_bars", drawn.set_index("english"), value="share of money")
        sheet.table(
            "segments", table, "Segments: high (4 or 5) or low in recency, frequency and money",
            {
                "english": ("segment", word), "chinese": ("", word), "customers": ("customers", count),
                "share": ("of buyers", percent), "money_share": ("of money", percent),
                "recency": ("days since last, median", count), "frequency": ("purchases", number(1)),
                "monetary": (money.head("money each"), money.plain),
            },
        )  # fmt: skip
    with sheet.part("The 125 cells and whom to mail", "RFM模型与邮寄决策"):
        _mailing(sheet, firm, settings)


def _mailing(sheet: Sheet, firm: Firm, settings: Settings) -> None:
    log, money = firm.log, firm.money
    window = min(settings.window, max(1, firm.months // 4))
    cut = firm.months - 1 - window
    if cut < 2:
        sheet.cannot("The record is too short to see how the cells responded later.")
        return
    end = log.loc[log["month"] <= cut, "date"].max()
    early = log.loc[log["month"] <= cut, "customer"]
    if early.nunique() < CELLS:
        sheet.cannot(
            f"Only {many(early.nunique(), 'customer')} had bought by {firm.month(cut)}: too few for "
            f"{CELLS} cells."
        )
        return
    if not log.loc[log["date"] > end, "customer"].isin(early).any():
        sheet.cannot(
            f"None of the {many(early.nunique(), 'customer')} of {firm.month(cut)} bought in the "
            f"{many(window, 'month')} after, so there is no response to learn from."
        )
        return
    then = rfm.later(rfm.rfm(log, at=end), log, after=end)
    response = rfm.cells(then, "bought")
    now = rfm.rfm(log)
    file = rfm.cells(now)
    each = float(log.loc[log["amount"] > 0, "amount"].mean())
    gain = settings.margin * each
    cost = settings.break_even * gain
    plan = rfm.mailing(response, cost, gain, rate="low", file=file)
    everyone = float(then["bought"].mean())
    best = response[response["customers"] > 0].iloc[0]
    sheet.say(
        f"Customers were sorted by what was known at the end of {firm.month(cut)}, nested after Hughes: "
        "fifths by recency, in each of them fifths by frequency, in these fifths by money; 555 is the best "
        f"cell. Whether they bought in the {many(window, 'month')} after stands for the response to a "
        "mailing, since no test mailing is on file: a mailing pays only for what it adds to that."
    )
    filled = response.loc[response["rate"].notna()]
    top = row_with(filled, "rate")
    sheet.find(
        f"Of all customers {percent(everyone)} bought again within {many(window, 'month')}, of the best cell "
        f"{best.name} {percent(best['rate'])}. At a break-even of {percent(settings.break_even)}, "
        f"{len(plan.chosen)} of {len(filled)} cells are surely above it: "
        f"{many(int(plan.contacts), 'customer')} of today's {len(now):,} to mail."
    )
    sheet.say(
        f"Were all these purchases answers to the mailing, it would earn {money(plan.profit)}, and a mailing "
        f"to everybody {money(plan.profit_all)}. Most of them come without a mailing too; a test with a "
        "group that gets none would tell how many."
    )
    if top.name != best.name:
        sheet.say(f"Cell {top.name} responded most: {percent(top['rate'])} of {count(top['customers'])}.")
    sheet.say(
        f"A response is worth {money(gain)} ({percent(settings.margin)} of a mean purchase of "
        f"{money(each)}), so a break-even of {percent(settings.break_even)} means {money(cost)} for a "
        "contact."
    )
    sheet.figure("cells", "rfm_cube", response)
    sheet.figure("mailing", "response_by_cell", plan.table, settings.break_even)
    table = plan.table.rename_axis("cell").reset_index()
    sheet.table(
        "cells", table[table["customers"] > 0], "Cells, the best first",
        {
            "cell": ("cell", word), "customers": ("customers then", count), "rate": ("bought", percent),
            "low": ("at least", percent), "lift": ("lift", number(2)), "index": ("break-even index", count),
            "mail": ("mail", lambda yes: "yes" if yes else "no"), "contacts": ("contacts now", count),
            "profit": (money.head("profit"), money.plain),
        },
        note="At least: lower end of the interval, which must lie above break-even.",
    )  # fmt: skip
    chosen = now[now["cell"].isin(plan.chosen)].rename_axis("customer").reset_index()
    if len(chosen):
        sheet.table(
            "mail", chosen.sort_values(["r", "f", "m"], ascending=False), "Whom to mail",
            {
                "customer": ("customer", whole), "cell": ("cell", word),
                "recency": ("days since last", count),
                "frequency": ("purchases", count), "monetary": (money.head("money"), money.plain),
            },
            rows=5,
        )  # fmt: skip
    scores = rfm.by_score(then, "bought")
    sheet.figure("scores", "response_by_score", scores, outcome=f"bought within {many(window, 'month')}, %")
    letters = scores.rename_axis("score").reset_index()
    sheet.table(
        "scores", letters, "Share who bought again, by each score alone (5 the best)",
        {"score": ("score", count), "r": ("recency", percent), "f": ("frequency", percent),
        "m": ("money", percent)},
    )  # fmt: skip


# -- churn ---------------------------------------------------------------------------------------------


def churn_section(sheet: Sheet, firm: Firm, settings: Settings) -> None:
    """Departures under contract, or silence without."""
    if not firm.has("customers"):
        sheet.cannot("Who leaves needs the table of customers, which is empty.")
    elif firm.contract:
        _contract_churn(sheet, firm, settings)
    elif firm.has("purchases"):
        _silence(sheet, firm, settings)
    else:
        sheet.cannot("Who leaves needs departures or purchases, and the database has neither.")


def _contract_churn(sheet: Sheet, firm: Firm, settings: Settings) -> None:
    if not firm.has("departures"):
        sheet.cannot("No departure is on file: nobody left, or nobody wrote it down.")
        return
    spells = churn.spells(firm)
    with sheet.part("How many leave", "流失率"):
        overall = churn.rates(firm, every=None).iloc[0]
        yearly = churn.rates(firm, every=12 if firm.months >= 12 else 1)
        last = yearly[yearly["months"] == (12 if firm.months >= 12 else 1)].iloc[-1]
        sheet.stress(
            f"{fine(overall['rate'])} of the customers leave in a month ({fine(overall['low'])} to "
            f"{fine(overall['high'])})"
            + (
                f"; of those there at the beginning of {firm.month(int(last['month']))}, "
                f"{percent(last['rate'])} had left a year later."
                if firm.months >= 12
                else "."
            )
        )
        monthly = churn.rates(firm, every=1)
        monthly.insert(1, "calendar", [firm.month(int(m)) for m in monthly["month"]])
        gone = firm["departures"]
        by_cause = pd.crosstab(gone["month"], gone["stated_cause"]).add_prefix("left_")
        drawn = monthly.set_index("month")[["at_risk"]].join(by_cause).fillna(0)
        sheet.figure("rate", "churn_by_cause", drawn)
        sheet.table(
            "rates", yearly.assign(begin=[firm.month(int(m)) for m in yearly["month"]]),
            "Churn rate by year of the record" if firm.months >= 12 else "Churn rate by month",
            {
                "begin": ("from", word), "months": ("months", count),
                "at_risk": ("there at the beginning", count),
                "left": ("of them left", count), "rate": ("churn rate", tenth), "low": ("from", tenth),
                "high": ("to", tenth), "joined": ("joined", count), "departures": ("all departures", count),
            },
        )  # fmt: skip
        sheet.table(
            "monthly", monthly.iloc[::-1], "The latest months",
            {
                "calendar": ("month", word), "at_risk": ("customers", count), "left": ("left", count),
                "rate": ("churn rate", fine),
            },
            rows=6,
        )  # fmt: skip
    with sheet.part("How long they stay", "留存曲线"):
        curve = churn.survival(spells)
        lives = churn.lifetimes(spells).iloc[0]
        ages = [t for t in (1, 3, 6, 12, 24, 36, 48, 60) if t <= curve["time"].max()]
        table = curve[curve["time"].isin(ages)]
        end = table.iloc[-1]
        sheet.find(
            f"After {many(int(end['time']), 'month')} {tenth(end['survival'])} of the customers are still "
            f"there ({tenth(end['low'])} to {tenth(end['high'])})."
        )
        median = lives["median"]
        sheet.say(
            (
                f"Half have left after {count(median)} months. "
                if median == median
                else "The record is too short to see half of them leave. "
            )
            + f"Those who left had stayed {number(1)(lives['naive'])} months on average, but that leaves out "
            "all who are still there and is far too short for a lifetime."
        )
        sheet.figure("survival", "survival_curves", curve)
        sheet.table(
            "survival", table, "Share still there by length of stay (Kaplan-Meier)",
            {
                "time": ("after months", count), "at_risk": ("seen so long", count),
                "survival": ("still there", tenth), "low": ("from", tenth), "high": ("to", tenth),
            },
        )  # fmt: skip
    with sheet.part("When they leave", "风险率"):
        bands = [b for b in (0, 3, 6, 12, 24, 36, 60) if b < firm.months]
        table = churn.hazards(spells, bands=[*bands, max(firm.months, bands[-1] + 1)])
        table["band"] = [
            f"{int(a) + 1} to {int(b)}" for a, b in zip(table["low_time"], table["high_time"], strict=True)
        ]
        first, last = table.iloc[0], table.iloc[-1]
        sheet.say(
            f"In months {first['band']} of a contract {fine(first['hazard'])} leave a month, in months "
            f"{last['band']} {fine(last['hazard'])}. Customers there when the record begins count from then."
        )
        sheet.figure("hazard", "hazard_by_tenure", table.drop(columns="band"))
        sheet.table(
            "hazards", table, "Chance of leaving in a month, by length of stay",
            {
                "band": ("months of stay", word), "exposure": ("customer-months", count),
                "left": ("left", count),
                "hazard": ("a month", fine), "low": ("from", fine), "high": ("to", fine),
            },
        )  # fmt: skip
    with sheet.part("Why they leave, as stated", "自述流失原因"):
        _causes(sheet, firm, spells)
    with sheet.part("Cohorts", "同期群留存"):
        size = 3 if firm.months >= 12 else 1
        table = churn.cohorts(spells, every=size, months=firm.months)
        _cohorts(sheet, firm, table, "still there", "quarter" if size == 3 else "month")
    with sheet.part("Who is at risk, and what it costs", "预期流失损失"):
        _at_risk(sheet, firm, settings, spells)


def _causes(sheet: Sheet, firm: Firm, spells: pd.DataFrame) -> None:
    table = churn.causes(firm)
    said = table[table["left"] > 0].sort_values("left", ascending=False)
    if not len(said):
        sheet.cannot("No cause is stated for any departure.")
        return
    first = said.iloc[0]
    parts = churn.causes(firm, cut="controllable")
    can = parts.loc[parts["controllable"].astype(bool), "share"]
    sheet.find(
        f"Most often stated is {first['english']} ({first['chinese']}): {percent(first['share'])} of "
        f"{many(int(table['left'].sum()), 'departure')}. {percent(float(can.iloc[0]) if len(can) else 0.0)} "
        "are of causes the firm can influence."
    )
    end = int(spells["duration"].max())
    both = churn.survival_without(spells, "controllable")
    without = both.iloc[-1]
    sheet.say(
        f"Without those, {tenth(without['without'])} instead of {tenth(without['survival'])} would stay "
        f"{many(end, 'month')}: the most that could be gained, if who is spared one cause does not leave of "
        "another."
    )
    sheet.figure("causes", "incidence_by_cause", churn.incidence(spells))
    sheet.figure("prevent", "survival_without", both, removed="without causes the firm can influence")
    sheet.table(
        "causes", said, "Causes stated",
        {
            "english": ("cause", word), "chinese": ("", word), "left": ("left", count),
            "share": ("share", tenth),
            "low": ("from", tenth), "high": ("to", tenth),
            "controllable": ("firm can influence", lambda yes: "yes" if yes else "no"),
        },
    )  # fmt: skip


def _cohorts(
    sheet: Sheet, firm: Firm, table: pd.DataFrame, verb: str, length: str, *, active: bool = False
) -> None:
    """active: retention is a purchase in the period, not a contract."""
    matrix = table.pivot(index="cohort", columns="age", values="retention")
    ages: list[Any] = [a for a in (3, 6, 12, 24, 36) if a in matrix.columns] or list(matrix.columns[1:6])
    shown = matrix[ages].rename_axis("cohort").reset_index()
    shown.insert(1, "begin", [firm.month(int(c)) for c in shown["cohort"]])
    size = table.drop_duplicates("cohort").set_index("cohort")["customers"]
    shown.insert(2, "customers", size.loc[shown["cohort"]].to_numpy())
    late = shown.dropna(subset=[ages[0]]) if ages else shown
    if ages and len(late) > 2:
        first, newest = late.iloc[1], late.iloc[-1]
        sheet.say(
            f"Of those who joined in the {length} from {first['begin']}, {tenth(first[ages[0]])} were {verb} "
            f"after {many(int(ages[0]), 'month')}; of the newest cohort seen so long, from "
            f"{newest['begin']}, {tenth(newest[ages[0]])}."
        )
    if not ages:
        sheet.cannot("The record is too short to follow a cohort.")
        return
    words: dict[str, str] = {}
    if active:
        sums = table.groupby("age")[["retained", "customers"]].sum()
        age = max(a for a in ages if sums.loc[a, "customers"] >= size.sum() / 2 or a == ages[0])
        share = percent(float(sums.loc[age, "retained"] / sums.loc[age, "customers"]))
        title = f"{share} of those who began buy in the {length} {many(int(age), 'month')} later"
        words = {"kept": f"share with a purchase in the {length}, %"}
        words["title"] = title.replace("\N{NO-BREAK SPACE}", " ")
    sheet.figure("cohorts", "cohort_matrix", table, **words)
    columns: dict[Any, tuple[str, Write]] = {
        "begin": ("joined from", word),
        "customers": ("customers", count),
    }
    columns |= {age: (f"{age} months", tenth) for age in ages}
    sheet.table("cohorts", shown, f"Share of each cohort {verb}, by months since joining", columns)


def _at_risk(sheet: Sheet, firm: Firm, settings: Settings, spells: pd.DataFrame) -> None:
    money, values = firm.money, firm.worth
    people = firm["customers"].set_index("customer")
    name = "channel" if "channel" in people and people["channel"].nunique() > 1 else "source"
    rates = churn.rates(firm, by=name, every=None)
    group = people[name].reindex(values.index)
    here = values["active"].astype(bool).to_numpy()
    hazard = group.map(rates.set_index(name)["rate"])
    now = pd.DataFrame(
        {"value": values["current"].clip(lower=0), "hazard": hazard, name: group}, index=values.index
    )[here].dropna()
    found = churn.expected_loss(now, months=12, by=name).sort_values("loss", ascending=False)
    found = found.merge(rates[[name, "rate"]], on=name)
    sheet.find(
        f"In the next twelve months departures are expected to take {money(found['loss'].sum())} of the "
        f"{money(found['value'].sum())} that present customers are worth."
    )
    title = ATTRIBUTES[name].rpartition(" ")[0]
    found[name] = [GROUPS.get(str(group), str(group)) for group in found[name]]
    worst, least = row_with(found, "rate"), row_with(found, "rate", least=True)
    sheet.say(
        f"By {title}, most leave of the group {worst[name]}, {fine(worst['rate'])} a month, and fewest of "
        f"the group {least[name]}, {fine(least['rate'])}. This ranks what is at stake, not what an offer "
        "could save."
    )
    if len(found) > 1:
        sheet.figure("loss", "expected_loss", found)
    sheet.table(
        "loss", found, f"Expected loss in twelve months, by {ATTRIBUTES[name]}",
        {
            name: ("group", word), "customers": ("customers", count), "rate": ("leave a month", fine),
            "value": (money.head("value"), money.plain), "loss": (money.head("expected loss"), money.plain),
            "share_of_loss": ("of the loss", percent),
        },
    )  # fmt: skip


def _silence(sheet: Sheet, firm: Firm, settings: Settings) -> None:
    gap = firm.silence
    log = firm.bought
    with sheet.part("Who has fallen silent", "沉默流失"):
        found = churn.inactive(log, firm["customers"], gap=gap, months=firm.months)
        bought = found[found["purchases"] > 0]
        lost = bought[bought["lost"]]
        sheet.stress(
            f"Without contracts nobody gives notice. By silence of more than {many(gap, 'month')}, "
            f"{percent(len(lost) / max(len(bought), 1))} of the buyers ({len(lost):,} of {len(bought):,}) "
            "count as lost."
        )
        sheet.say(
            f"Most repeat purchases come within {many(gap, 'month')} of the one before (the limit leaves out "
            "the slowest 5 in 100, and is at most a third of the record). The rule errs both ways: slow "
            "buyers are called lost, and who left of late is not noticed yet."
        )
        with contextlib.suppress(DataError):
            values = firm.worth
            alive = float(values["active"].astype(float).reindex(bought["customer"]).mean())
            model = firm.forecast.chosen if firm.forecast else "BG/NBD"
            sheet.say(f"The {model} model takes {percent(1 - alive)} of the buyers as gone.")
        gone = found[found["lost"] & (found["purchases"] > 0)].merge(
            portfolio.totals(firm.log).rename("sales"), left_on="customer", right_index=True
        )
        recent = gone[gone["silent"] <= gap + 6].sort_values("sales", ascending=False)
        if len(recent):
            sheet.table(
                "lost", recent, "The largest customers who fell silent in the last half year",
                {
                    "customer": ("customer", whole), "purchases": ("purchases", count),
                    "silent": ("months silent", count), "sales": (firm.money.head("sales"), firm.money.plain),
                },
                rows=10,
            )  # fmt: skip
    with sheet.part("How long they buy", "留存曲线"):
        first = log.groupby("customer")["month"].min()
        people = firm["customers"][firm["customers"]["customer"].isin(first.index)].copy()
        people["joined_month"] = people["customer"].map(first)
        gone = found[found["lost"] & found["customer"].isin(first.index)]
        left = gone[["customer", "month"]].copy()
        spells = churn.spells(people, left, months=firm.months)
        # silence is noticed only after the limit, so the last months cannot tell
        spells = spells[spells["start"] < firm.months - gap]
        curve = churn.survival(spells) if len(spells) else pd.DataFrame({"time": [0]})
        ages = [t for t in (1, 3, 6, 12, 24, 36, 48, 60) if t <= curve["time"].max() - gap]
        table = curve[curve["time"].isin(ages)]
        if not len(table):
            sheet.cannot("The record is too short for a curve of retention.")
        else:
            end = table.iloc[-1]
            sheet.say(
                f"Counted so, {percent(end['survival'])} of the buyers still buy "
                f"{many(int(end['time']), 'month')} after their first purchase."
            )
            shown = curve[curve["time"] <= curve["time"].max() - gap]
            last = shown.iloc[-1]
            share = percent(last["survival"]).replace("\N{NO-BREAK SPACE}", " ")
            sheet.figure(
                "survival", "survival_curves", shown, still="not yet fallen silent, %",
                title=f"{share} have not fallen silent {many(int(last['time']), 'month')} after their first "
                "purchase",
                note=f"silent: no purchase for more than {many(gap, 'month')}",
            )  # fmt: skip
            sheet.table(
                "survival", table, "Share not yet lost, by months since the first purchase",
                {
                    "time": ("after months", count), "at_risk": ("seen so long", count),
                    "survival": ("still buying", tenth), "low": ("from", tenth), "high": ("to", tenth),
                },
            )  # fmt: skip
    with sheet.part("Cohorts", "同期群留存"):
        size = 3 if firm.months >= 12 else 1
        table = churn.purchase_cohorts(log, every=size, months=firm.months)
        length = "quarter" if size == 3 else "month"
        _cohorts(sheet, firm, table, f"buying in the {length}", length, active=True)
