"""Figures of sales and customers side by side: through time, by group, against targets, by product and score.

Each takes a table that `crmsim.analysis.portfolio` or `crmsim.analysis.rfm` returns, or one with the same
columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .style import (
    GREY,
    OKABE_ITO,
    Page,
    a_page,
    add_words,
    broken,
    dark,
    money_size,
    need,
    writer,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

add_words(
    {
        "ss_sales": ("sales{unit}", "销售额{unit}"),
        "ss_year": ("last 12 months", "最近12个月"),
        "ss_rest": ("before", "之前"),
        "ss_smooth": ("mean of {n} {periods}", "{n}{periods}平均"),
        "ss_months": ("months", "个月"),
        "ss_quarters": ("quarters", "个季度"),
        "ss_years": ("years", "年"),
        "ss_over": (
            "Sales of the last {span} are {change} {way} the {span} before",
            "最近{span}销售额比之前{span}{way}{change}",
        ),
        "ss_above": ("above", "增长"),
        "ss_below": ("below", "下降"),
        "ss_last": ("Sales of {period} are {sales}", "{period}销售额为{sales}"),
        "ss_over_words": (
            "Sales by period from {first} to {last}; highest in {best} with {most}, lowest in {worst} with "
            "{least}.",
            "{first}至{last}各期销售额；最高为{best}的{most}，最低为{worst}的{least}。",
        ),
        "ss_of_customers": ("share of customers", "客户占比"),
        "ss_of_sales": ("share of sales", "销售额占比"),
        "ss_share": ("share, %", "占比，%"),
        "ss_missing": ("not on file", "无记录"),
        "ss_rich": (
            "{name}: {customers} of the customers, {value} of sales",
            "{name}：客户占{customers}，销售额占{value}",
        ),
        "ss_alike": ("Groups bring about what their size says", "各组销售额与其客户占比相当"),
        "ss_composition_words": (
            "Share of customers and share of sales of each group: {list}.",
            "各组的客户占比与销售额占比：{list}。",
        ),
        "ss_both": ("{name} {customers} and {value}", "{name} {customers}与{value}"),
        "ss_others": ("{n} others", "其他{n}组"),
        "ss_met": ("target reached", "达到目标"),
        "ss_missed": ("target missed", "未达目标"),
        "ss_target": ("target", "目标"),
        "ss_met_title": (
            "{met} of the {n} largest customers reach their target; all customers {all} of theirs",
            "{n}名最大客户中{met}名达到目标；全体客户完成{all}",
        ),
        "ss_met_words": (
            "Sales of each customer against the target, the largest targets first: {list}.",
            "各客户销售额与目标（目标由大到小）：{list}。",
        ),
        "ss_one_target": ("{name} {sales} of {target}", "{name} {sales}（目标{target}）"),
        "ss_cross": ("cross ratio × sales mix", "交叉比率 × 销售构成比"),
        "ss_margin": ("margin rate × sales mix", "毛利率 × 销售构成比"),
        "ss_rank": ("rank by contribution", "贡献比率名次"),
        "ss_moves": (
            "{name} falls from rank {high} to {low} when stock does not count",
            "不计库存时，{name}由第{high}名降至第{low}名",
        ),
        "ss_rises": (
            "{name} rises from rank {low} to {high} when stock does not count",
            "不计库存时，{name}由第{low}名升至第{high}名",
        ),
        "ss_same": ("Both contribution ratios rank the products alike", "两种贡献比率的名次相同"),
        "ss_rank_words": (
            "Rank of each product by two contribution ratios, with stock and without: {list}.",
            "各产品按两种贡献比率（计与不计库存）的名次：{list}。",
        ),
        "ss_one_rank": ("{name} {left} and {right}", "{name} {left}与{right}"),
        "ss_score": ("score (5: best)", "得分（5为最高）"),
        "ss_r": ("recency", "最近消费"),
        "ss_f": ("frequency", "消费频率"),
        "ss_m": ("money", "消费金额"),
        "ss_response": ("response, %", "回应率，%"),
        "ss_mean": ("mean", "平均值"),
        "ss_score_title": (
            "{best} parts customers best: {high} of score {top} respond, {low} of score {bottom}",
            "{best}区分最好：得分{top}者{high}，得分{bottom}者{low}",
        ),
        "ss_score_words": (
            "Response by each score alone, from the best to the last: {list}.",
            "按单项得分（由高到低）的回应：{list}。",
        ),
    }
)  # fmt: skip


def _names(page: Page, index: pd.Index[Any]) -> list[str]:
    """The words of an index, of one level or several; a dash of words for what is missing."""

    def word(key: Any) -> str:
        return page.say("ss_missing") if pd.isna(key) else str(key).replace("_", " ")

    return [" ".join(map(word, key)) if isinstance(key, tuple) else word(key) for key in index]


# -- through time --------------------------------------------------------------------------------------


def sales_over_time(
    table: pd.DataFrame,
    ax: Axes | None = None,
    note: str = "",
    *,
    currency: str = "",
    title: str = "",
    language: str = "en",
) -> Axes:
    """Sales period by period, the last year in colour, with their moving mean over a year: 销售趋势.

    table: `analysis.portfolio.sales_over_time`: period (as 2024-05, 2024Q2 or 2024), sales (money).
    """
    who = "sales_over_time"
    need(table, ("period", "sales"), who, "analysis.portfolio.sales_over_time")
    names = [str(p) for p in table["period"]]
    kind = "ss_quarters" if "Q" in names[0] else "ss_months" if "-" in names[0] else "ss_years"
    year = {"ss_months": 12, "ss_quarters": 4, "ss_years": 1}[kind]
    sales = table["sales"].to_numpy(float)
    size = money_size(float(np.abs(sales).max()))
    with a_page(ax, language) as page:
        x = np.arange(len(sales))
        late = x >= len(sales) - year if len(sales) > year else np.ones(len(sales), dtype=bool)
        for mask, colour, word in ((~late, "#B5B5B5", "ss_rest"), (late, OKABE_ITO["blue"], "ss_year")):
            if mask.any():
                label = page.say(word) if len(sales) > year and year > 1 else None
                page.ax.bar(x[mask], sales[mask] / size, 0.82, color=colour, label=label)
        if len(sales) > year > 1:
            smooth = np.convolve(sales, np.ones(year) / year, "valid") / size
            page.ax.plot(
                x[year - 1 :], smooth, color="black", linewidth=2.2,
                label=page.say("ss_smooth", n=year, periods=page.say(kind)),
            )  # fmt: skip
            page.legend(0.9)
        step = next(s for s in (1, 2, 3, 4, 6, 12, 24, 60, 120, 600) if len(names) / s <= 14)
        page.ax.set_xticks(x[::step], names[::step])
        page.ax.tick_params(axis="x", length=0, pad=10 * page.scale)
        page.ax.set_xlim(-0.7, len(names) - 0.3)
        page.ax.axhline(0, color="black", linewidth=1)
        page.ax.yaxis.set_major_formatter("{x:,.6g}")
        unit = page.money_unit(size, currency)
        page.axes_words("", page.say("ss_sales", unit=page.bracket(unit)))
        write = writer(pd.Series(sales / size), False)

        def money(value: float) -> str:
            return f"{write(value / size, '')} {unit}".strip()

        before = float(sales[-2 * year : -year].sum()) if len(sales) >= 2 * year else 0.0
        if before > 0:
            change = float(sales[-year:].sum()) / before - 1
            span = f"{year}{' ' if page.language == 'en' else ''}{page.say(kind)}" if year > 1 else names[-1]
            found = page.say(
                "ss_over", span=span, change=page.percent(abs(change)),
                way=page.say("ss_above" if change >= 0 else "ss_below"),
            )  # fmt: skip
        if not before > 0 or year == 1:
            found = page.say("ss_last", period=names[-1], sales=money(float(sales[-1])))
        best, worst = int(sales.argmax()), int(sales.argmin())
        sentence = page.say(
            "ss_over_words", first=names[0], last=names[-1], best=names[best], most=money(sales[best]),
            worst=names[worst], least=money(sales[worst]),
        )  # fmt: skip
        return page.finish(title or found, sentence, note)


# -- by group ------------------------------------------------------------------------------------------


def composition_bars(
    table: pd.DataFrame,
    ax: Axes | None = None,
    note: str = "",
    *,
    largest: int = 10,
    names: Mapping[Any, str] | None = None,
    value: str = "",
    title: str = "",
    language: str = "en",
) -> Axes:
    """Each group's share of the customers beside its share of sales: 客户构成分析.

    table: `analysis.portfolio.composition` with `value` (customer_share, value_share, a row a group), or any
    such table, of RFM segments for instance. largest: groups shown, in the order given; the others are put
    together. names: words for the groups. value: words for what is shared when it is not sales. The title
    speaks of the group whose share of sales is furthest above its share of customers.
    """
    who = "composition_bars"
    need(table, ("customer_share", "value_share"), who, "analysis.portfolio.composition")
    share = 100 * table[["customer_share", "value_share"]].astype(float)
    with a_page(ax, language) as page:
        own = names or {}
        plain = _names(page, table.index)
        share.index = pd.Index([own.get(key, word) for key, word in zip(table.index, plain, strict=True)])
        if len(share) > largest + 1:
            rest = share.iloc[largest:].sum().to_frame(page.say("ss_others", n=len(share) - largest)).T
            share = pd.concat([share.iloc[:largest], rest])
        place = np.arange(len(share))[::-1]
        told = value or page.say("ss_of_sales")
        for name, word, shift, colour in (
            ("customer_share", page.say("ss_of_customers"), 0.2, "#B5B5B5"),
            ("value_share", told, -0.2, OKABE_ITO["blue"]),
        ):
            page.ax.barh(place + shift, share[name], 0.38, color=colour, label=word)
            for y, x in zip(place + shift, share[name], strict=True):
                page.ax.annotate(
                    page.percent(x / 100), (max(x, 0.0), y), (5, 0), textcoords="offset points", va="center",
                    fontsize=0.85 * page.size,
                )  # fmt: skip
        page.rows(place, [broken(str(name), 24) for name in share.index])
        page.ax.set_xlim(min(0.0, 1.1 * float(share.min().min())), 1.14 * float(share.max().max()))
        page.legend(0.9)
        page.axes_words(page.say("ss_share"), "")
        more = share["value_share"] - share["customer_share"]
        best = int(more.to_numpy().argmax())
        words_of = [
            {
                "name": str(name),
                "customers": page.percent(row["customer_share"] / 100),
                "value": page.percent(row["value_share"] / 100),
            }
            for name, row in share.iterrows()
        ]
        found = page.say("ss_rich", **words_of[best]) if more.iloc[best] >= 2 else page.say("ss_alike")
        sentence = page.say(
            "ss_composition_words", list=page.listed(page.say("ss_both", **w) for w in words_of)
        )
        return page.finish(title or found, sentence, note)


# -- against targets -----------------------------------------------------------------------------------


def target_bars(
    table: pd.DataFrame,
    ax: Axes | None = None,
    note: str = "",
    *,
    largest: int = 15,
    currency: str = "",
    title: str = "",
    language: str = "en",
) -> Axes:
    """Sales of the customers with the largest targets against these: 交易业绩与目标.

    table: `analysis.portfolio.performance` with a target, indexed by customer: sales, target. largest:
    customers shown; the title speaks of all of them too. Raises ValueError for a table without these columns
    or rows, and where no customer has a target above 0.
    """
    who = "target_bars"
    need(table, ("sales", "target"), who, "analysis.portfolio.performance(sales, target)")
    known = table[table["target"].notna() & (table["target"] > 0)]
    if not len(known):
        raise ValueError(f"{who}: no customer has a target above 0")
    shown = known.sort_values("target", ascending=False, kind="stable").head(largest)
    size = money_size(float(shown[["sales", "target"]].to_numpy(float).max()))
    with a_page(ax, language) as page:
        place = np.arange(len(shown))[::-1]
        sales, target = (shown[c].to_numpy(float) / size for c in ("sales", "target"))
        met = sales >= target
        for mask, colour, word in (
            (met, OKABE_ITO["blue"], "ss_met"),
            (~met, OKABE_ITO["orange"], "ss_missed"),
        ):
            if mask.any():
                page.ax.barh(place[mask], sales[mask], 0.66, color=colour, label=page.say(word))
        page.ax.vlines(target, place - 0.42, place + 0.42, color="black", linewidth=3.2)
        page.ax.plot(
            [], [], color="black", linestyle="", marker="|", markersize=16 * page.scale, markeredgewidth=3.2,
            label=page.say("ss_target"),
        )  # fmt: skip
        for y, x, goal in zip(place, sales, target, strict=True):
            page.ax.annotate(
                page.percent(x / goal), (max(x, goal), y), (7, 0), textcoords="offset points", va="center",
                fontsize=0.85 * page.size,
            )  # fmt: skip
        page.rows(place, [broken(name, 24) for name in _names(page, shown.index)])
        page.ax.set_xlim(min(0.0, 1.1 * float(sales.min())), 1.16 * float(max(sales.max(), target.max())))
        page.ax.xaxis.set_major_formatter("{x:,.6g}")
        page.legend(0.9)
        page.axes_words(page.say("ss_sales", unit=page.bracket(page.money_unit(size, currency))), "")
        whole = float(known["sales"].sum() / known["target"].sum())
        found = page.say("ss_met_title", met=int(met.sum()), n=len(shown), all=page.percent(whole))
        write = writer(pd.Series([*sales, *target]), False)
        told = [
            page.say("ss_one_target", name=name, sales=write(x, ""), target=write(goal, ""))
            for name, x, goal in zip(_names(page, shown.index), sales, target, strict=True)
        ]
        return page.finish(title or found, page.say("ss_met_words", list=page.listed(told)), note)


# -- products ------------------------------------------------------------------------------------------


def contribution_ranks(
    products: pd.DataFrame,
    ax: Axes | None = None,
    note: str = "",
    *,
    largest: int = 12,
    title: str = "",
    language: str = "en",
) -> Axes:
    """How the two contribution ratios rank the products: with stock (left) and without (right): 贡献比率.

    products: `analysis.portfolio.product_ratios(...).table` with stock: sales_mix, margin_rate, cross_ratio.
    largest: products shown, those that sell most; ranks are among these. Raises ValueError for a table
    without these columns or rows, and with fewer than two products that have sales and stock.
    """
    who = "contribution_ranks"
    source = "analysis.portfolio.product_ratios(...).table"
    need(products, ("sales_mix", "margin_rate", "cross_ratio"), who, source)
    figures = products[["sales_mix", "margin_rate", "cross_ratio"]].to_numpy(dtype=float)
    known = products[np.isfinite(figures).all(axis=1)]
    if len(known) < 2:
        raise ValueError(f"{who}: fewer than two products have sales and stock")
    known = known.sort_values("sales_mix", ascending=False, kind="stable").head(largest)
    left, right = (
        (known[name] * known["sales_mix"]).rank(ascending=False, method="first").astype(int).to_numpy()
        for name in ("cross_ratio", "margin_rate")
    )
    with a_page(ax, language) as page:
        moved = right - left
        most = int(np.abs(moved).max())
        names = _names(page, known.index)
        for name, a, b, step in zip(names, left, right, moved, strict=True):
            colour = GREY if not step else OKABE_ITO["vermillion"] if step > 0 else OKABE_ITO["blue"]
            page.ax.plot(
                [0, 1], [a, b], color=colour, linewidth=1.6 if abs(step) < most else 4, marker="o",
                markersize=9 * page.scale,
            )  # fmt: skip
            for x, rank, side in ((0, a, "right"), (1, b, "left")):
                page.ax.annotate(
                    f"{name}  {rank}" if side == "right" else f"{rank}  {name}", (x, rank),
                    (-12 if side == "right" else 12, 0), textcoords="offset points", ha=side, va="center",
                    fontsize=page.size, color=dark(colour),
                )  # fmt: skip
        page.ax.set_xlim(-0.75, 1.75)
        page.ax.set_ylim(len(known) + 0.5, 0.5)
        page.ax.set_xticks([0, 1], [page.say("ss_cross"), page.say("ss_margin")])
        page.ax.xaxis.tick_top()
        page.ax.tick_params(axis="x", length=0, labelsize=page.size)
        page.ax.set_yticks([])
        page.ax.grid(visible=False)
        page.ax.spines[:].set_visible(False)
        page.pad = 14 + 1.8 * page.size
        if most:
            k = int(np.abs(moved).argmax())
            key = "ss_moves" if moved[k] > 0 else "ss_rises"
            found = page.say(key, name=names[k], high=min(left[k], right[k]), low=max(left[k], right[k]))
        else:
            found = page.say("ss_same")
        told = [
            page.say("ss_one_rank", name=n, left=a, right=b)
            for n, a, b in zip(names, left, right, strict=True)
        ]
        return page.finish(title or found, page.say("ss_rank_words", list=page.listed(told)), note)


# -- scores --------------------------------------------------------------------------------------------


def response_by_score(
    table: pd.DataFrame,
    ax: Axes | None = None,
    note: str = "",
    *,
    rate: bool = True,
    outcome: str = "",
    title: str = "",
    language: str = "en",
) -> Axes:
    """Response by recency, frequency and money alone, from the best score to the last.

    table: `analysis.rfm.by_score`: a row a score, columns r, f, m. rate: whether it is a share (0 to 1),
    shown in per cent, or a mean such as purchases. outcome: words for the axis. Raises ValueError for a table
    without one of r, f, m or without rows.
    """
    who = "response_by_score"
    letters = [name for name in ("r", "f", "m") if name in table]
    if not letters or not len(table):
        raise ValueError(f"{who}: the table needs r, f or m and a row; analysis.rfm.by_score gives it")
    table = table[letters].astype(float).sort_index(ascending=False)
    colours = dict(zip("rfm", (OKABE_ITO[c] for c in ("blue", "orange", "green")), strict=True))
    with a_page(ax, language) as page:
        x = np.arange(len(table))
        for k, name in enumerate(letters):
            y = (100 if rate else 1) * table[name].to_numpy()
            bars = page.ax.bar(
                x + 0.27 * (k - (len(letters) - 1) / 2), y, 0.25, color=colours[name],
                label=page.say(f"ss_{name}"),
            )  # fmt: skip
            for bar, value in zip(bars, y, strict=True):
                if np.isfinite(value):
                    text = f"{value:.0f}" if rate and value >= 9.95 else f"{value:.{1 if rate else 2}f}"
                    page.ax.annotate(
                        text, (bar.get_x() + bar.get_width() / 2, value), (0, 3), ha="center", va="bottom",
                        textcoords="offset points", fontsize=0.8 * page.size,
                    )  # fmt: skip
        page.legend(0.9)
        page.ax.set_xticks(x, [str(score) for score in table.index])
        page.ax.tick_params(axis="x", length=0)
        page.ax.set_ylim(0, 1.1 * (100 if rate else 1) * float(np.nanmax(table.to_numpy())))
        page.axes_words(page.say("ss_score"), outcome or page.say("ss_response" if rate else "ss_mean"))
        spread = {name: table[name].dropna() for name in letters}
        best = max(letters, key=lambda n: spread[n].iloc[0] - spread[n].iloc[-1])

        def written(value: float) -> str:
            return page.percent(value) if rate else f"{value:.2f}"

        own = spread[best]
        found = page.say(
            "ss_score_title", best=page.say(f"ss_{best}"), high=written(own.iloc[0]),
            low=written(own.iloc[-1]), top=own.index[0], bottom=own.index[-1],
        )  # fmt: skip
        if not rate:
            found = found.replace(" respond,", ",")
        told = [f"{page.say(f'ss_{n}')} {' '.join(written(v) for v in spread[n])}" for n in letters]
        return page.finish(title or found, page.say("ss_score_words", list=page.listed(told)), note)
