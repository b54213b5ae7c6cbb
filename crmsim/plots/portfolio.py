"""Figures of a customer file: who brings the sales, what products earn, RFM cells, value tiers over time.

Each takes a table that `crmsim.analysis.portfolio` or `crmsim.analysis.rfm` returns, or one with the same
columns.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from ..vocabulary import ValueTier
from .style import GREY, LIGHT, OKABE_ITO, Page, a_page, add_words, apart, broken, dark, need

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CLASS_COLOURS = ("#0A3A75", "#2B74B3", "#A6C8E4", "#C9C9C9")
"""Classes of customers from the best (A) on; a fifth class and further ones are grey."""
TIER_COLOURS = {
    "high_value": "#0A3A75",
    "ordinary": "#6AA3D0",
    "small": "#BCD7EE",
    "absent": "#C9C9C9",
    "not_yet": "#F3E6C4",
}

add_words(
    {
        "pf_customers": ("customers, largest first, %", "客户（由大到小），%"),
        "pf_sales": ("share of sales, %", "销售额占比，%"),
        "pf_equal": ("if all brought the same", "若所有客户相同"),
        "pf_abc_title": (
            "{customers} of customers bring {sales} of sales",
            "{customers}的客户带来{sales}的销售额",
        ),
        "pf_class": (
            "{name}: {customers} of customers bring {sales} of sales",
            "{name}类：{customers}的客户, {sales}的销售额",
        ),
        "pf_gini": ("Gini coefficient {gini:.2f}", "基尼系数 {gini:.2f}"),
        "pf_abc_words": (
            "Share of sales over share of customers, the largest first: {list}. The Gini coefficient "
            "is {gini:.2f}.",
            "由大到小的客户占比与销售额占比：{list}。基尼系数为{gini:.2f}。",
        ),
        "pf_abc_one": (
            "{name} {customers} of customers with {sales} of sales",
            "{name}类客户{customers}，销售额{sales}",
        ),
        "pf_turnover": ("turnover, times in the period", "周转率，次"),
        "pf_margin": ("gross margin rate, %", "毛利率，%"),
        "pf_cross": ("cross ratio {cross:g}", "交叉比率 {cross:g}"),
        "pf_cross_title": (
            "Highest cross ratio: {best} with {most:.3g}; lowest: {worst} with {least:.2g}",
            "交叉比率最高：{best}，{most:.3g}；最低：{worst}，{least:.2g}",
        ),
        "pf_cross_one": ("{best} has a cross ratio of {most:.3g}", "{best}的交叉比率为{most:.3g}"),
        "pf_cross_words": (
            "Gross margin rate over turnover of {n} products; the size of a dot is sales, the curves "
            "join equal "
            "cross ratios. {list}.",
            "{n}种产品的毛利率与周转率；圆点大小为销售额，曲线为相等的交叉比率。{list}。",
        ),
        "pf_mix": ("share of all products, %", "占全部产品，%"),
        "pf_mix_sales": ("sales mix", "销售构成比"),
        "pf_mix_margin": ("share of gross margin", "毛利占比"),
        "pf_mix_title": (
            "{name} brings {sales} of sales and {margin} of gross margin",
            "{name}占销售额的{sales}、毛利的{margin}",
        ),
        "pf_mix_words": (
            "Share of sales and of gross margin of each product: {list}.",
            "各产品的销售构成比与毛利占比：{list}。",
        ),
        "pf_mix_one": ("{name} {sales} and {margin}", "{name} {sales}与{margin}"),
        "pf_others": ("{n} others", "其他{n}种"),
        "pf_rate": ("response, %", "回应率，%"),
        "pf_lift": ("lift", "提升度"),
        "pf_count": ("customers", "客户数"),
        "pf_r": ("recency R (5: latest)", "最近消费 R（5：最近）"),
        "pf_f": ("frequency F (5: most often)", "消费频率 F（5：最多）"),
        "pf_m": ("money M = {m}", "消费金额 M = {m}"),
        "pf_none": ("no customer", "无客户"),
        "pf_cube_rate": (
            "Cell {best} responds most, {high}; all customers {all}",
            "{best}回应率最高，{high}；全体客户{all}",
        ),
        "pf_cube_lift": (
            "Cell {best} responds {high:.1f} times as often as all customers",
            "{best}的回应率为全体客户的{high:.1f}倍",
        ),
        "pf_cube_count": (
            "{filled} of {cells} cells have customers; the largest, {best}, has {share} of them",
            "{cells}格中{filled}格有客户；最大的{best}占{share}",
        ),
        "pf_cube_words": (
            "By cell of recency and frequency, one panel for each score of money, 5 the best: {what}. "
            "Highest: {top}; lowest: {low}.",
            "按最近消费与消费频率分格，每个金额得分一幅，5为最高：{what}。最高：{top}；最低：{low}。",
        ),
        "pf_flat_words": (
            "By cell of recency and frequency, 5 the best: {what}. Highest: {top}; lowest: {low}.",
            "按最近消费与消费频率分格，5为最高：{what}。最高：{top}；最低：{low}。",
        ),
        "pf_cell_one": ("cell {first}", "单元格{first}"),
        "pf_cell": ("cells, from {first} to {last}", "由{first}至{last}的单元格"),
        "pf_break": ("break-even {rate}", "盈亏平衡 {rate}"),
        "pf_mail_title": (
            "{chosen} of {cells} cells lie above break-even; they hold {share} of customers",
            "{cells}格中{chosen}格高于盈亏平衡，含{share}的客户",
        ),
        "pf_mail_words": (
            "Rate of response by cell from the best score to the last, with break-even at {rate}. "
            "Above it: {list}.",
            "由最高至最低得分的各格回应率，盈亏平衡为{rate}。高于者：{list}。",
        ),
        "pf_mail_none": ("none", "无"),
        "pf_mail_more": ("{list} and {n} more", "{list}等，另有{n}格"),
        "pf_mailed": ("above break-even", "高于盈亏平衡"),
        "pf_unmailed": ("below", "低于盈亏平衡"),
        "pf_share": ("customers, %", "客户，%"),
        "pf_absent": ("bought nothing", "未购买"),
        "pf_not_yet": ("not yet customers", "尚非客户"),
        "pf_tier_title": (
            "{stay} of high-value customers of {first} are so in {next}; {gone} buy nothing",
            "{first}的高价值客户中，{stay}在{next}仍为高价值，{gone}未购买",
        ),
        "pf_tier_none": ("No customer is of high value in {first}", "{first}没有高价值客户"),
        "pf_tier_words": (
            "Customers by value tier in each period, with bands for those who pass from one to the next. "
            "From {first} to {next} of high value: {list}.",
            "各期客户按价值分类，色带为期间的转移。{first}至{next}的高价值客户：{list}。",
        ),
    }
)  # fmt: skip


def abc_curve(
    customers: pd.DataFrame,
    ax: Axes | None = None,
    note: str = "",
    *,
    title: str = "",
    language: str = "en",
) -> Axes:
    """Cumulative share of sales over customers, the largest first, with the cuts between ABC classes.

    customers: `abc(...).table`. The curve is the Lorenz curve turned about; twice the area between it and the
    dashed line of equal customers is the Gini coefficient.
    """
    who = "abc_curve"
    need(customers, ("cumulative", "customers", "class"), who, "abc(...).table")
    table = customers.sort_values("customers")
    x = np.concatenate([[0.0], 100 * table["customers"].to_numpy()])
    y = np.concatenate([[0.0], 100 * table["cumulative"].to_numpy()])
    gini = 2 * float(np.sum(np.diff(x) * (y[1:] + y[:-1]) / 2)) / 10_000 - 1
    sizes = table["class"].astype(str).value_counts().sort_index()
    shown = np.linspace(0, len(x) - 1, min(len(x), 1500)).astype(int)
    with a_page(ax, language) as page:
        axes = page.ax
        title_words: dict[str, str] = {}
        ends, told, begin = {}, [], 0
        for k, (name, size) in enumerate(sizes.items()):
            end = begin + int(size)
            inside = np.unique([begin, *shown[(shown > begin) & (shown < end)], end])
            colour = CLASS_COLOURS[min(k, len(CLASS_COLOURS) - 1)]
            axes.fill_between(x[inside], y[inside], color=colour, alpha=0.25, linewidth=0)
            axes.plot(x[inside], y[inside], color=colour, linewidth=5)
            if end < len(x) - 1:
                axes.plot([x[end], x[end]], [0, y[end]], color=GREY, linewidth=1.2, linestyle=":")
            words = {"name": str(name), "customers": page.percent((x[end] - x[begin]) / 100)}
            words["sales"] = page.percent((y[end] - y[begin]) / 100)
            axes.text(
                (x[begin] + x[end]) / 2, 3, str(name), ha="center", fontsize=1.3 * page.size,
                color=dark(colour), fontweight="bold",
            )  # fmt: skip
            ends[page.say("pf_class", **words)] = (100.0, (y[begin] + y[end]) / 2, colour)
            told.append(page.say("pf_abc_one", **words))
            title_words = title_words or words
            begin = end
        axes.plot([0, 100], [0, 100], color=GREY, linewidth=1.5, linestyle="--")
        axes.text(
            50, 48, page.say("pf_equal"), rotation=45, transform_rotates_text=True, rotation_mode="anchor",
            ha="center", va="top", fontsize=0.85 * page.size, color=GREY,
        )  # fmt: skip
        axes.set_ylim(0, 101)
        page.label_ends(ends, leaders=False)
        axes.text(
            97, 12, page.say("pf_gini", gini=gini), ha="right", va="bottom", fontsize=page.size,
            bbox={"boxstyle": "round", "facecolor": "white", "edgecolor": LIGHT},
        )  # fmt: skip
        page.axes_words(page.say("pf_customers"), page.say("pf_sales"))
        found = page.say("pf_abc_title", **{k: title_words[k] for k in ("customers", "sales")})
        sentence = page.say("pf_abc_words", list=page.listed(told), gini=gini)
        return page.finish(title or found, sentence, note)


def margin_turnover(
    products: pd.DataFrame,
    ax: Axes | None = None,
    note: str = "",
    *,
    labels: int = 12,
    title: str = "",
    language: str = "en",
) -> Axes:
    """Gross margin rate over turnover of each product, with curves of equal cross ratio.

    products: `product_ratios(...).table`; rows without sales or stock are left out. labels: how many products
    are named, those with the largest sales first. Raises ValueError for a table without these columns or
    rows, and where no product has both sales and stock.
    """
    who = "margin_turnover"
    need(products, ("sales", "margin_rate", "turnover", "cross_ratio"), who, "product_ratios(...).table")
    known = np.isfinite(products[["margin_rate", "turnover", "cross_ratio"]].to_numpy(float)).all(axis=1)
    table: pd.DataFrame = products[known]
    if not len(table):
        raise ValueError(f"{who}: no product has both sales and stock")
    table = table.sort_values("sales", ascending=False)
    x, y = table["turnover"].to_numpy(), 100 * table["margin_rate"].to_numpy()
    with a_page(ax, language) as page:
        axes = page.ax
        right, top = 1.18 * float(x.max()), 1.18 * max(float(y.max()), 1.0)
        low = min(0.0, 1.18 * float(y.min()))
        axes.set_xlim(0, right)
        axes.set_ylim(low, top)
        grid, ends = np.linspace(right / 500, right, 500), {}
        for cross in _round_steps(float(table["cross_ratio"].max())):
            curve = 100 * cross / grid
            axes.plot(grid, curve, color="#9A9A9A", linewidth=1.2, zorder=1)
            if curve[-1] <= 0.97 * top:
                ends[page.say("pf_cross", cross=cross)] = float(curve[-1])
        places = apart(list(ends.values()), [0.045 * (top - low)] * len(ends), low, top)
        for word, y_word in zip(ends, places, strict=True):
            axes.annotate(
                word, (1.0, y_word), (6, 0), textcoords="offset points", va="center",
                xycoords=axes.get_yaxis_transform(), fontsize=0.85 * page.size, color=GREY,
            )  # fmt: skip
        area = 60 + 1000 * table["sales"].to_numpy() / float(table["sales"].max()) * page.scale
        axes.scatter(
            x, y, s=area, color=OKABE_ITO["blue"], alpha=0.65, edgecolor="white", linewidth=1.5, zorder=3
        )
        named = table.head(labels)
        _name_dots(page, list(named.index.astype(str)), x, y, area, right, top - low)
        page.axes_words(page.say("pf_turnover"), page.say("pf_margin"))
        ranked = table["cross_ratio"].sort_values(ascending=False)
        best, worst = str(ranked.index[0]), str(ranked.index[-1])
        found = (
            page.say("pf_cross_title", best=best, most=ranked.iloc[0], worst=worst, least=ranked.iloc[-1])
            if len(ranked) > 1
            else page.say("pf_cross_one", best=best, most=ranked.iloc[0])
        )
        told = page.listed(f"{name} {value:.3g}" for name, value in ranked.head(labels).items())
        sentence = page.say("pf_cross_words", n=len(table), list=told)
        return page.finish(title or found, sentence, note)


def _round_steps(largest: float) -> list[float]:
    """Four or so round figures up to the largest, each about twice the one before."""
    if not largest > 0:
        return []
    decade = 10.0 ** math.floor(math.log10(largest))
    steps = [step * scale for scale in (decade / 10, decade) for step in (1.0, 2.0, 5.0)]
    return [step for step in steps if step <= largest * 1.05][-4:]


def _name_dots(page: Page, names: list[str], x: Any, y: Any, area: Any, wide: float, tall: float) -> None:
    """Names beside the dots where there is room, or further out with a line; none where there is no room."""
    from matplotlib.patheffects import withStroke

    axes = page.ax
    figure = axes.get_figure(root=True)
    assert figure is not None
    box = axes.get_position()
    points_x = box.width * figure.get_size_inches()[0] * 72 / wide
    points_y = box.height * figure.get_size_inches()[1] * 72 / tall
    low = axes.get_ylim()[0]
    at_x, at_y, radius = x * points_x, (y - low) * points_y, np.sqrt(area) / 2
    taken = [(px - r, py - r, px + r, py + r) for px, py, r in zip(at_x, at_y, radius, strict=True)]
    size = page.size
    for k, name in enumerate(names):
        long = sum(1.0 if ord(c) > 0x2E80 else 0.62 for c in name) * size
        px, py, r = at_x[k], at_y[k], radius[k] + 4
        # beside the dot if that is free, else further out with a line to it
        places = [(r * c, r * s, 0.0) for c, s in ((1, 0), (-1, 0), (0, 1), (0, -1))]
        turns = np.radians([45, -45, 135, -135, 20, -20, 160, -160, 80, -80])
        places += [((r + d) * np.cos(a), (r + d) * np.sin(a), d) for d in (12, 28, 48) for a in turns]
        for dx, dy, far in places:
            across = "left" if dx > 0.1 * r else "right" if dx < -0.1 * r else "center"
            along = "center" if across != "center" else "bottom" if dy > 0 else "top"
            left = px + dx - {"left": 0.0, "right": long, "center": long / 2}[across]
            bottom = py + dy - {"center": 0.6 * size, "bottom": 0.0, "top": 1.2 * size}[along]
            mine = (left, bottom, left + long, bottom + 1.2 * size)
            inside = mine[0] > 0 and mine[1] > 0 and mine[2] < wide * points_x and mine[3] < tall * points_y
            others = [other for j, other in enumerate(taken) if j != k]
            if inside and not any(_meet(mine, other) for other in others):
                axes.annotate(
                    name, (x[k], y[k]), (dx, dy), textcoords="offset points", ha=across, va=along,
                    arrowprops={"arrowstyle": "-", "color": GREY} if far else None,
                    fontsize=size, zorder=4, path_effects=[withStroke(linewidth=3, foreground="white")],
                )  # fmt: skip
                taken.append(mine)
                break


def _meet(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return min(a[2], b[2]) > max(a[0], b[0]) and min(a[3], b[3]) > max(a[1], b[1])


def sales_mix_bars(
    products: pd.DataFrame,
    ax: Axes | None = None,
    note: str = "",
    *,
    largest: int = 10,
    title: str = "",
    language: str = "en",
) -> Axes:
    """Share of sales and share of gross margin of each product, the largest sales on top.

    products: `product_ratios(...).table`. largest: products shown; the others are put together. Raises
    ValueError for a table without these columns or rows, and where sales or margin add up to 0 or less.
    """
    who = "sales_mix_bars"
    need(products, ("sales", "margin"), who, "product_ratios(...).table")
    table = products[["sales", "margin"]].sort_values("sales", ascending=False)
    table.index = table.index.map(lambda key: " ".join(map(str, key)) if isinstance(key, tuple) else str(key))
    if not (table.sum() > 0).all():
        raise ValueError(
            f"{who}: sales and gross margin must add up to more than 0 for shares to mean something"
        )
    with a_page(ax, language) as page:
        axes = page.ax
        rest = table.iloc[largest:]
        if len(rest) > 1:
            row = rest.sum().to_frame(page.say("pf_others", n=len(rest))).T
            table = pd.concat([table.iloc[:largest], row])
        share = 100 * table / table.sum()
        place = np.arange(len(share))[::-1]
        kinds = (("sales", 0.2, OKABE_ITO["blue"]), ("margin", -0.2, OKABE_ITO["orange"]))
        for kind, shift, colour in kinds:
            axes.barh(place + shift, share[kind], 0.38, color=colour, label=page.say(f"pf_mix_{kind}"))
            for y, value in zip(place + shift, share[kind], strict=True):
                axes.annotate(
                    page.percent(value / 100), (max(value, 0.0), y), (4, 0), textcoords="offset points",
                    va="center", fontsize=0.8 * page.size,
                )  # fmt: skip
        axes.set_yticks(place, [broken(name, 22) for name in share.index])
        axes.set_xlim(min(0.0, 1.1 * float(share.min().min())), 1.14 * float(share.max().max()))
        axes.grid(axis="x", color=LIGHT, linewidth=0.8)
        axes.grid(visible=False, axis="y")
        page.axes_words(page.say("pf_mix"), "")
        page.legend()
        both = [
            (str(name), page.percent(row["sales"] / 100), page.percent(row["margin"] / 100))
            for name, row in share.iterrows()
        ]
        name, sales, margin = both[0]
        told = [page.say("pf_mix_one", name=n, sales=s, margin=m) for n, s, m in both]
        sentence = page.say("pf_mix_words", list=page.listed(told))
        found = page.say("pf_mix_title", name=name, sales=sales, margin=margin)
        return page.finish(title or found, sentence, note)


_COLUMN = {"rate": "rate", "lift": "lift", "count": "customers"}


def rfm_cube(
    cells: pd.DataFrame,
    ax: Axes | None = None,
    note: str = "",
    *,
    show: Literal["rate", "lift", "count"] | None = None,
    title: str = "",
    language: str = "en",
) -> Axes:
    """The 125 cells of RFM: recency across, frequency up, one panel for each score of money.

    cells: what `crmsim.analysis.rfm.cells` gives for r, f and m, or for r and f alone (one panel). show: the
    rate of response, its lift, or how many customers a cell has; the rate if there is one. A cell without
    customers is left white. Raises ValueError for a table without these columns or rows, for cells without
    customers and an unknown `show`.
    """
    who = "rfm_cube"
    need(cells, ("r", "f", "customers"), who, "cells(scored, outcome)")
    show = show or ("rate" if "rate" in cells else "count")
    if show not in _COLUMN:
        raise ValueError(f'{who}: show={show!r} is not known; give "rate", "lift" or "count"')
    need(cells, (_COLUMN[show],), who, "cells(scored, outcome)")
    if not cells["customers"].sum() > 0:
        raise ValueError(f"{who}: the cells have no customers")
    scale = 100.0 if show == "rate" else 1.0
    values = (scale * cells[_COLUMN[show]].astype(float)).where(cells["customers"] > 0)
    n = int(max(cells["r"].max(), cells["f"].max()))
    panels = sorted(cells["m"].unique(), reverse=True) if "m" in cells else [None]
    columns = 1 if len(panels) == 1 else 3 if len(panels) > 4 else 2
    rows = math.ceil(len(panels) / columns)
    across, down = n + 0.8, n + 1.5
    with a_page(ax, language, 8.6 if rows > 1 else 7.2) as page:
        from matplotlib import colormaps
        from matplotlib.colors import Normalize

        axes = page.ax
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_visible(False)
        axes.set_xlim(-0.4 if rows > 1 else -1.0, columns * across - 0.6)
        axes.set_ylim(-0.6 if rows > 1 else -1.0, rows * down - 0.7)
        whole = show == "count" or (show == "rate" and float(values.max()) >= 10)
        colours = colormaps["Blues"]
        norm = Normalize(0.0, max(float(values.max()), 1e-9))
        small = 0.75 * page.size
        for k, m in enumerate(panels):
            left, bottom = (k % columns) * across, (rows - 1 - k // columns) * down
            inside = cells["m"] == m if m is not None else np.ones(len(cells), dtype=bool)
            if m is not None:
                axes.text(left, bottom + n + 0.12, page.say("pf_m", m=m), fontsize=page.size, va="bottom")
            for r, f, value in zip(cells["r"][inside], cells["f"][inside], values[inside], strict=True):
                known = math.isfinite(value)
                face = colours(norm(value)) if known else (1.0, 1.0, 1.0, 1.0)
                axes.fill(
                    left + np.array([r - 1, r, r, r - 1]), bottom + np.array([f - 1, f - 1, f, f]),
                    facecolor=face, edgecolor="white" if known else LIGHT, linewidth=1.5,
                )  # fmt: skip
                if known:
                    light = 0.2126 * face[0] + 0.7152 * face[1] + 0.0722 * face[2]
                    axes.text(
                        left + r - 0.5, bottom + f - 0.5, _short(value, whole), ha="center", va="center",
                        fontsize=small, color="black" if light > 0.4 else "white",
                    )  # fmt: skip
            for score in range(1, n + 1):
                ink: dict[str, Any] = {"fontsize": small, "color": GREY}
                axes.text(left + score - 0.5, bottom - 0.1, str(score), ha="center", va="top", **ink)
                axes.text(left - 0.12, bottom + score - 0.5, str(score), ha="right", va="center", **ink)
        free = len(panels) % columns and rows > 1
        left = (len(panels) % columns) * across if free else 0.0
        page_words: dict[str, Any] = {"fontsize": page.size, "color": "black"}
        what = page.say({"rate": "pf_rate", "lift": "pf_lift", "count": "pf_count"}[show])
        if free:
            _key(page, colours, float(norm.vmax or 1.0), left + 0.4, n - 0.9, n - 0.9, what)
            axes.text(left + 0.4, n - 2.1, f"\N{RIGHTWARDS ARROW} {page.say('pf_r')}", va="top", **page_words)
            axes.text(left + 0.4, n - 2.8, f"\N{UPWARDS ARROW} {page.say('pf_f')}", va="top", **page_words)
        else:
            axes.text(n / 2, -0.5, page.say("pf_r"), ha="center", va="top", **page_words)
            axes.text(-0.5, n / 2, page.say("pf_f"), ha="right", va="center", rotation=90, **page_words)
        named = values.dropna().sort_values(ascending=False, kind="stable")
        top, low = (
            page.listed(f"{cell} {_short(v, whole)}" for cell, v in some.items())
            for some in (named.head(3), named.tail(3)[::-1])
        )
        return page.finish(
            title or _cube_title(page, cells, named, show),
            page.say("pf_cube_words" if "m" in cells else "pf_flat_words", what=what, top=top, low=low), note,
        )  # fmt: skip


def _short(value: float, whole: bool) -> str:
    return f"{value:,.0f}" if whole else f"{value:.1f}"


def _key(page: Page, colours: Any, most: float, left: float, bottom: float, wide: float, what: str) -> None:
    """What the colours mean, drawn on the page itself."""
    edges = np.linspace(0, wide, 61)
    for a, b in pairwise(edges):
        page.ax.fill(
            left + np.array([a, b, b, a]),
            bottom + np.array([0, 0, 0.4, 0.4]),
            facecolor=colours((a + b) / 2 / wide),
        )
    small: dict[str, Any] = {"fontsize": 0.75 * page.size, "color": GREY, "va": "top"}
    page.ax.text(left, bottom - 0.1, "0", ha="left", **small)
    page.ax.text(
        left + wide, bottom - 0.1, f"{most:,.1f}" if most < 10 else f"{most:,.0f}", ha="right", **small
    )
    page.ax.text(left, bottom + 0.5, what, fontsize=page.size, va="bottom")


def _cube_title(page: Page, cells: pd.DataFrame, named: pd.Series, show: str) -> str:
    best = str(named.index[0])
    if show == "count":
        share = page.percent(float(named.iloc[0]) / float(cells["customers"].sum()))
        return page.say("pf_cube_count", filled=len(named), cells=len(cells), best=best, share=share)
    if show == "lift":
        return page.say("pf_cube_lift", best=best, high=float(named.iloc[0]))
    everyone = float((cells["rate"].fillna(0) * cells["customers"]).sum() / cells["customers"].sum())
    high = page.percent(float(named.iloc[0]) / 100)
    return page.say("pf_cube_rate", best=best, high=high, all=page.percent(everyone))


def response_by_cell(
    response: pd.DataFrame,
    break_even: float,
    ax: Axes | None = None,
    note: str = "",
    *,
    title: str = "",
    language: str = "en",
) -> Axes:
    """Rate of response of each cell, in the order given, against the break-even rate.

    response: what `crmsim.analysis.rfm.cells` gives with an outcome, or the table of a `MailingPlan`.
    break_even: the rate, 0 to 1. Cells without customers are left out; up to 30 cells have their intervals.
    Raises ValueError for a table without these columns or rows, for cells without customers and a break_even
    that is no such rate.
    """
    who = "response_by_cell"
    need(response, ("customers", "rate", "low", "high"), who, "cells(scored, outcome)")
    if not 0 < break_even <= 1:
        raise ValueError(f"{who}: break_even must be a rate above 0 and up to 1, not {break_even!r}")
    table = response[response["customers"] > 0]
    if not len(table):
        raise ValueError(f"{who}: no cell has customers")
    pays = (table["rate"] > break_even).to_numpy()
    with a_page(ax, language) as page:
        axes = page.ax
        place, rate = np.arange(len(table)), 100 * table["rate"].to_numpy()
        few = len(table) <= 30
        for mask, colour, word in (
            (pays, OKABE_ITO["blue"], "pf_mailed"), (~pays, "#B5B5B5", "pf_unmailed"),
        ):  # fmt: skip
            if mask.any():
                axes.bar(place[mask], rate[mask], 0.8 if few else 0.92, color=colour, label=page.say(word))
        if few:
            low, high = 100 * table["low"].to_numpy(), 100 * table["high"].to_numpy()
            axes.vlines(place, low, high, color="black", linewidth=1.5)
        highest = float(np.max(100 * table["high"] if few else rate))
        axes.set_ylim(0, 1.08 * max(highest, 100 * break_even))
        axes.axhline(100 * break_even, color=OKABE_ITO["vermillion"], linewidth=2.5)
        axes.annotate(
            broken(page.say("pf_break", rate=page.percent(break_even)), 12),
            (1.0, 100 * break_even), (6, 0), xycoords=axes.get_yaxis_transform(), va="center",
            textcoords="offset points", fontsize=0.9 * page.size, color=dark(OKABE_ITO["vermillion"]),
        )  # fmt: skip
        labels = table.index.astype(str)
        wide = max(map(len, labels))
        every = max(1, math.ceil(len(table) * max(wide, 3) / 60))
        axes.set_xticks(place[::every], labels[::every])
        axes.set_xlim(-0.7, len(table) - 0.3)
        page.legend()
        key = "pf_cell" if len(labels) > 1 else "pf_cell_one"
        page.axes_words(page.say(key, first=labels[0], last=labels[-1]), page.say("pf_rate"))
        chosen = list(labels[pays])
        told = page.listed(chosen[:12]) if chosen else page.say("pf_mail_none")
        if len(chosen) > 12:
            told = page.say("pf_mail_more", list=told, n=len(chosen) - 12)
        share = float(table["customers"][pays].sum() / table["customers"].sum())
        found = page.say("pf_mail_title", chosen=len(chosen), cells=len(table), share=page.percent(share))
        sentence = page.say("pf_mail_words", rate=page.percent(break_even), list=told)
        return page.finish(title or found, sentence, note)


def tier_flows(
    transitions: pd.DataFrame,
    ax: Axes | None = None,
    note: str = "",
    *,
    title: str = "",
    language: str = "en",
) -> Axes:
    """Customers by value tier in each period, and bands for those who pass from one tier to another.

    transitions: `transitions(...).table`. Bands have the colour of the tier they come from; those who stay
    are paler. The share written in a block is of the customers of its period, customers to be left out.
    Raises ValueError for a table without these columns or rows, and for an unknown state.
    """
    who = "tier_flows"
    columns = ("period", "next_period", "state", "next_state", "customers")
    need(transitions, columns, who, "transitions(...).table")
    table = transitions.assign(
        state=transitions["state"].astype(str), next_state=transitions["next_state"].astype(str)
    )
    periods = list(dict.fromkeys([*table["period"], *table["next_period"]]))
    order = list(TIER_COLOURS)
    if strange := {*table["state"], *table["next_state"]} - set(order):
        raise ValueError(f"{who}: {min(strange)!r} is no state; the states are {', '.join(order)}")
    sizes: dict[str, dict[str, float]] = {}
    for period in periods:
        source = table[table["period"] == period].groupby("state")["customers"].sum()
        target = table[table["next_period"] == period].groupby("next_state")["customers"].sum()
        sizes[period] = {s: float(max(source.get(s, 0), target.get(s, 0))) for s in order}
    tallest = max(sum(size.values()) for size in sizes.values())
    gap = 0.02 * tallest
    with a_page(ax, language) as page:
        axes = page.ax
        axes.grid(visible=False)
        axes.spines[["left", "bottom"]].set_visible(False)
        axes.set_yticks([])
        axes.tick_params(axis="x", length=0)
        bar = min(max(0.06 * len(periods), 0.18), 0.4)
        base: dict[tuple[str, str], float] = {}
        for x, period in enumerate(periods):
            y = tallest + gap * (len(order) - 1)
            whole = sum(size for state, size in sizes[period].items() if state != "not_yet")
            for state in order:
                size = sizes[period][state]
                y -= size
                base[period, state] = y
                if size > 0:
                    axes.bar(x, size, bar, bottom=y, color=TIER_COLOURS[state], linewidth=0, zorder=3)
                    if size > 0.045 * tallest and state != "not_yet":
                        axes.text(
                            x, y + size / 2, page.percent(size / whole), ha="center", va="center", zorder=4,
                            fontsize=0.85 * page.size,
                            color="white" if state == "high_value" else "black",
                        )  # fmt: skip
                y -= gap
        s = np.linspace(0, 1, 60)
        ease = s * s * (3 - 2 * s)
        for x, (period, after) in enumerate(pairwise(periods)):
            step = table[(table["period"] == period) & (table["next_period"] == after)]
            flows = step.groupby(["state", "next_state"])["customers"].sum()
            used_from = {state: base[period, state] + sizes[period][state] for state in order}
            used_to = {state: base[after, state] + sizes[after][state] for state in order}
            for state in order:
                for next_state in order:
                    size = float(flows.get((state, next_state), 0))
                    if not size:
                        continue
                    used_from[state] -= size
                    used_to[next_state] -= size
                    a, b = used_from[state], used_to[next_state]
                    middle = a + (b - a) * ease
                    axes.fill_between(
                        x + bar / 2 + s * (1 - bar), middle, middle + size, linewidth=0,
                        color=TIER_COLOURS[state], alpha=0.35 if state == next_state else 0.7,
                    )  # fmt: skip
        axes.set_xticks(range(len(periods)), periods)
        axes.set_xlim(-bar / 2, len(periods) - 1 + bar / 2)
        axes.set_ylim(0, tallest + gap * (len(order) - 1))
        _name_tiers(page, base, sizes, periods[-1])
        found, told = _tier_title(page, table, periods)
        return page.finish(title or found, page.say("pf_tier_words", **told), note)


def _name_tiers(
    page: Page, base: dict[tuple[str, str], float], sizes: dict[str, dict[str, float]], period: str
) -> None:
    """The tiers by name right of the last period; one that is empty there is named where it would be."""
    axes = page.ax
    figure = axes.get_figure(root=True)
    assert figure is not None
    low, high = axes.get_ylim()
    unit = (high - low) * page.size / (axes.get_position().height * figure.get_size_inches()[1] * 72)
    used = [s for s in TIER_COLOURS if any(size[s] > 0 for size in sizes.values())][::-1]
    middles = [base[period, s] + sizes[period][s] / 2 for s in used]
    texts = [broken(_state(page, s), 22) for s in used]
    heights = [(1.25 * (text.count("\n") + 1) + 0.2) * unit for text in texts]
    places = apart(middles, heights, low, high)
    for state, y, text in zip(used, places, texts, strict=True):
        beside, colour = axes.get_yaxis_transform(), dark(TIER_COLOURS[state])
        block = base[period, state] + sizes[period][state] / 2
        axes.plot([1.003, 1.018], [block, y], color=colour, linewidth=1, transform=beside, clip_on=False)
        axes.text(
            1.022, y, text, transform=beside, va="center", fontsize=page.size, color=colour, linespacing=1.1,
        )  # fmt: skip


def _state(page: Page, state: str) -> str:
    if state in ("absent", "not_yet"):
        return page.say(f"pf_{state}")
    return ValueTier.from_key(state).label(page.language)


def _tier_title(page: Page, table: pd.DataFrame, periods: list[str]) -> tuple[str, dict[str, str]]:
    """What became of the high-value customers of the last period but one."""
    first, after = periods[-2], periods[-1]
    rows = table[(table["period"] == first) & (table["state"] == "high_value")]
    by = rows.groupby("next_state")["customers"].sum()
    words = {"first": first, "next": after}
    if not by.sum() > 0:
        return page.say("pf_tier_none", first=first), {**words, "list": page.say("pf_mail_none")}
    share = by / by.sum()
    told = page.listed(
        f"{_state(page, s)} {page.percent(float(share[s]))}" for s in TIER_COLOURS if s in share
    )
    stay, gone = (page.percent(float(share.get(state, 0.0))) for state in ("high_value", "absent"))
    return page.say("pf_tier_title", stay=stay, gone=gone, **words), {**words, "list": told}
