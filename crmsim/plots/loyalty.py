"""Figures of loyalty: the four types, the curve of satisfaction and loyalty, the ceiling of a necessary
condition.

They take what `crmsim.analysis.loyalty` gives, or anything with the same tables.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..vocabulary import LoyaltyLayer, LoyaltyType
from .style import GREY, LAYER_COLOURS, OKABE_ITO, POLICY_COLOURS, a_page, add_words, dark, need

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TYPE_COLOURS = {
    "true": OKABE_ITO["blue"],
    "latent": OKABE_ITO["green"],
    "spurious": OKABE_ITO["orange"],
    "none": "#8C8C8C",
}
MOST_POINTS = 4_000

add_words(
    {
        "loyalty.attitude": ("attitude, points", "态度，分"),
        "loyalty.behaviour": ("repeat purchase, share of months", "重复购买（月份比例）"),
        "loyalty.types_title": (
            "{true:.0f} % are truly loyal, {spurious:.0f} % only in what they do",
            "{true:.0f}%真正忠诚，{spurious:.0f}%仅行为忠诚",
        ),
        "loyalty.types_words": (
            "Customers by attitude and repeat buying, parted at {attitude:g} and {behaviour:.2g}: {list}.",
            "按态度和重复购买的客户，分界为{attitude:g}和{behaviour:.2g}：{list}。",
        ),
        "loyalty.spread": (
            "points are moved a little, so that equal ones show",
            "为显示重合的点，各点略作移动",
        ),
        "loyalty.some": ("{n:,} of {all:,} customers drawn", "显示{all:,}名客户中的{n:,}名"),
        "loyalty.satisfaction": ("satisfaction, points", "满意度，分"),
        "loyalty.loyalty": ("loyalty", "忠诚度"),
        "loyalty.curve_rise": (
            "From the less to the more satisfied, loyalty rises by {rise:.{digits}f}",
            "从较不满意到较满意，忠诚度上升{rise:.{digits}f}",
        ),
        "loyalty.curve_none": (
            "Loyalty hardly depends on satisfaction",
            "忠诚度几乎不随满意度变化",
        ),
        "loyalty.curve_each": ("{name} {rise:+.{digits}f} ({shape})", "{name}{rise:+.{digits}f}（{shape}）"),
        "loyalty.curve_groups": (
            "Rise of loyalty with satisfaction: {list}",
            "忠诚度随满意度的上升：{list}",
        ),
        "loyalty.curve_many": (
            "Rise of loyalty with satisfaction: most {best}, least {least}",
            "忠诚度随满意度的上升：最大{best}，最小{least}",
        ),
        "loyalty.curve_words": (
            "Mean loyalty by tenths of satisfaction, with intervals: {list}.",
            "按满意度十等分的平均忠诚度及区间：{list}。",
        ),
        "loyalty.curve_ends": (
            "{name} from {low:.{digits}f} to {high:.{digits}f}",
            "{name}从{low:.{digits}f}到{high:.{digits}f}",
        ),
        "loyalty.all": ("all", "全部"),
        "loyalty.share": ("share of customers, %", "客户占比，%"),
        "loyalty.layers_title": (
            "{deep} have reached {top}, {none} no layer at all",
            "{deep}达到{top}，{none}未达任何层次",
        ),
        "loyalty.layers_words": (
            "Deepest layer of loyalty reached: {list}.",
            "已达到的最深忠诚层次：{list}。",
        ),
        "loyalty.auc": (
            "chance that who leaves is less loyal by it than who stays, %",
            "流失者在该标准上低于留存者的概率，%",
        ),
        "loyalty.guess": ("says nothing", "无预测力"),
        "loyalty.standards_title": (
            "{best} foretells churn best: {auc:.0f} % of pairs in the right order",
            "{best}最能预测流失：{auc:.0f}%的配对次序正确",
        ),
        "loyalty.standards_none": ("No standard surely foretells churn here", "没有标准能确切预测流失"),
        "loyalty.standards_words": (
            "Share of pairs, one who left and one who stayed, that each standard puts in the right order, "
            "with intervals: {list}.",
            "各标准把流失者与留存者正确排序的配对比例及区间：{list}。",
        ),
        "loyalty.flat": ("flat", "平缓"),
        "loyalty.convex": ("convex", "下凸"),
        "loyalty.concave": ("concave", "上凸"),
        "loyalty.straight": ("straight", "直线"),
        "loyalty.ceiling_title": (
            "High loyalty needs satisfaction: effect size {effect:.2f} ({size}){p}",
            "高忠诚以满意为必要条件：效应量{effect:.2f}（{size}）{p}",
        ),
        "loyalty.ceiling_none": (
            "Satisfaction is not shown to be necessary: effect size {effect:.2f}{p}",
            "未显示满意为必要条件：效应量{effect:.2f}{p}",
        ),
        "loyalty.p": (", p = {p:.3f}", "，p = {p:.3f}"),
        "loyalty.small": ("small", "小"),
        "loyalty.medium": ("medium", "中"),
        "loyalty.large": ("large", "大"),
        "loyalty.very large": ("very large", "很大"),
        "loyalty.nobody": ("nobody here", "此处无客户"),
        "loyalty.ce_fdh": ("step ceiling CE-FDH", "阶梯上限 CE-FDH"),
        "loyalty.cr_fdh": ("straight ceiling CR-FDH", "直线上限 CR-FDH"),
        "loyalty.ceiling_words": (
            "Each point a customer; the area above the ceiling is empty, {effect:.0f} % of the whole, and "
            "{over} of {n:,} customers lie above the straight line.",
            "每点为一名客户；上限之上无客户，占全部面积的{effect:.0f}%；{n:,}名客户中{over}名高于直线。",
        ),
    }
)


def _seen(table: pd.DataFrame) -> pd.DataFrame:
    """As many points as can be seen, always the same ones."""
    if len(table) <= MOST_POINTS:
        return table
    rows = np.random.default_rng(0).choice(len(table), MOST_POINTS, replace=False)
    return table.iloc[np.sort(rows)]


def loyalty_types(
    found: Any,
    ax: Axes | None = None,
    note: str = "",
    *,
    behaviour: str = "",
    title: str = "",
    language: str = "en",
) -> Axes:
    """Customers by attitude and behaviour, in the four fields of Dick & Basu: 忠诚类型.

    found: of `analysis.loyalty.loyalty_types` (customers with attitude, behaviour, type; table; the two
    cuts). behaviour: words for that axis when it is not the share of months with a purchase. Raises
    ValueError without customers.
    """
    customers, table = found.customers, found.table.set_index("type")
    if not len(customers):
        raise ValueError("loyalty_types: there are no customers to draw")
    cut_x, cut_y = float(found.attitude_cut), float(found.behaviour_cut)
    with a_page(ax, language) as page:
        shown = _seen(customers)
        x, y = (shown[c].to_numpy(float).copy() for c in ("attitude", "behaviour"))
        whole = float(np.ptp(customers["behaviour"])) or 1.0
        told = []
        rng = np.random.default_rng(1)
        spread = float(np.ptp(customers["attitude"])) or 1.0
        # away from the cuts, so that nobody changes the field
        for values, cut, size, name in ((x, cut_x, spread, "attitude"), (y, cut_y, whole, "behaviour")):
            if customers[name].nunique() < max(20, 0.2 * len(customers)):
                luck = rng.uniform(0, 0.035 * size, len(values))
                values += np.where(values >= cut, luck, -luck)
                told = [page.say("loyalty.spread")]
        if len(shown) < len(customers):
            told.append(page.say("loyalty.some", n=len(shown), all=len(customers)))
        for key, colour in TYPE_COLOURS.items():
            here = (shown["type"].astype(object) == key).to_numpy()
            page.ax.scatter(x[here], y[here], s=16 * page.scale, color=colour, alpha=0.45, linewidth=0)
        page.ax.axvline(cut_x - 0.005 * spread, color=GREY, linewidth=1.4)
        page.ax.axhline(cut_y - 0.005 * whole, color=GREY, linewidth=1.4)
        low_x, high_x = min(0.0, float(customers["attitude"].min())), float(customers["attitude"].max())
        page.ax.set_xlim(low_x - 0.05 * spread, max(high_x, cut_x) + 0.05 * spread)
        low, high = float(customers["behaviour"].min()), float(customers["behaviour"].max())
        # room above and below for the words of the fields
        page.ax.set_ylim(low - 0.2 * whole, max(high, cut_y) + 0.24 * whole)
        page.ax.set_yticks([t for t in page.ax.get_yticks() if low - 1e-9 <= t <= max(high, cut_y) + 1e-9])
        for key, (u, v) in {
            "true": (0.99, 0.99),
            "spurious": (0.01, 0.99),
            "latent": (0.99, 0.01),
            "none": (0.01, 0.01),
        }.items():
            term = LoyaltyType.from_key(key)
            text = f"{term.label(page.language)} {100 * float(table.loc[key, 'share']):.0f} %"
            page.ax.text(
                u, v, text, transform=page.ax.transAxes, ha="right" if u > 0.5 else "left",
                va="top" if v > 0.5 else "bottom", fontsize=1.05 * page.size, color=dark(TYPE_COLOURS[key]),
            )  # fmt: skip
        page.axes_words(page.say("loyalty.attitude"), behaviour or page.say("loyalty.behaviour"))
        share = 100 * table["share"].astype(float)
        found_ = page.say("loyalty.types_title", true=share["true"], spurious=share["spurious"])
        words = [f"{LoyaltyType.from_key(k).label(page.language)} {share[k]:.0f} %" for k in TYPE_COLOURS]
        sentence = page.say("loyalty.types_words", attitude=cut_x, behaviour=cut_y, list=page.listed(words))
        return page.finish(title or found_, sentence, "; ".join(filter(None, (note, *told))))


def satisfaction_loyalty(
    curve: Any,
    ax: Axes | None = None,
    note: str = "",
    *,
    loyalty: str = "",
    title: str = "",
    language: str = "en",
) -> Axes:
    """Mean loyalty by tenths of satisfaction with intervals, a line a group: 满意度与忠诚度曲线.

    curve: of `analysis.loyalty.satisfaction_loyalty`, or its table. loyalty: words for that axis.
    """
    table = curve if isinstance(curve, pd.DataFrame) else curve.table
    shape = None if isinstance(curve, pd.DataFrame) else curve.shape
    needed = ("satisfaction", "loyalty", "low", "high")
    need(table, needed, "satisfaction_loyalty", "loyalty.satisfaction_loyalty")
    parts = {"": table}
    if "group" in table:
        parts = {str(name): part for name, part in table.groupby("group", sort=False, observed=True)}
    with a_page(ax, language) as page:
        share = float(table["loyalty"].max()) <= 1
        digits = 2 if share else 0
        ends: dict[str, tuple[float, float, str]] = {}
        told = []
        right = float(table["satisfaction"].max())
        for k, (name, part) in enumerate(parts.items()):
            colour = POLICY_COLOURS[k % len(POLICY_COLOURS)]
            x, y, low, high = (part[c].to_numpy(float) for c in needed)
            page.ax.fill_between(x, low, high, color=colour, alpha=0.18, linewidth=0)
            page.ax.plot(x, y, color=colour, linewidth=2.6, marker="o", markersize=8 * page.scale)
            label = name or page.say("loyalty.all")
            ends[label] = (right, float(y[-1]), colour)
            told.append(page.say("loyalty.curve_ends", name=label, low=y[0], high=y[-1], digits=digits))
        top = float(np.nanmax(table[["loyalty", "high"]].to_numpy()))
        page.ax.set_ylim(0, max(1.05 if share else 105.0 if top <= 100 else 1.05 * top, 1.02 * top))
        if len(ends) > 1:
            page.label_ends(ends)
            right += 0.02 * (right - float(table["satisfaction"].min()))
        left = float(table["satisfaction"].min())
        page.ax.set_xlim(
            left - 0.03 * (right - left), right + (0 if len(ends) > 1 else 0.03 * (right - left))
        )
        page.axes_words(page.say("loyalty.satisfaction"), loyalty or page.say("loyalty.loyalty"))
        if len(parts) > 1 and shape is not None:
            each = [
                page.say(
                    "loyalty.curve_each",
                    name=row.group,
                    shape=page.say(f"loyalty.{row.shape}"),
                    rise=row.rise,
                    digits=digits,
                )
                for row in shape.itertuples(index=False)
            ]
            if len(each) > 2:
                rise = shape["rise"].to_numpy(float)
                best, least = each[int(rise.argmax())], each[int(rise.argmin())]
                found = page.say("loyalty.curve_many", best=best, least=least)
            else:
                found = page.say("loyalty.curve_groups", list=page.listed(each))
        else:
            rise = float(table["loyalty"].iloc[-1] - table["loyalty"].iloc[0])
            word = "" if shape is None else str(shape["shape"].iloc[0])
            if shape is not None:
                rise = float(shape["rise"].iloc[0])
            flat = word == "flat" or (not word and abs(rise) < (0.1 if share else 10))
            found = page.say("loyalty.curve_none" if flat else "loyalty.curve_rise", rise=rise, digits=digits)
            if word and not flat:
                found += f" ({page.say(f'loyalty.{word}')})"
        return page.finish(title or found, page.say("loyalty.curve_words", list=page.listed(told)), note)


def loyalty_layers(
    table: pd.DataFrame,
    ax: Axes | None = None,
    note: str = "",
    *,
    title: str = "",
    language: str = "en",
) -> Axes:
    """How many customers stand on each layer of loyalty, the deepest on top, with intervals: 忠诚层次.

    table: of `analysis.loyalty.layer_shares` for one group: layer, share, low, high. Raises ValueError for a
    table without these columns or rows, and for one of several groups.
    """
    need(table, ("layer", "share", "low", "high"), "loyalty_layers", "loyalty.layer_shares")
    if table["layer"].duplicated().any():
        raise ValueError("loyalty_layers: give the table of one group, with a row a layer")
    with a_page(ax, language, height=5.2) as page:
        rows = table.set_index("layer").reindex([k for k in LAYER_COLOURS if k in set(table["layer"])])
        share, low, high = (100 * rows[c].to_numpy(float) for c in ("share", "low", "high"))
        place = np.arange(len(rows))
        page.ax.barh(place, share, 0.68, color=[LAYER_COLOURS[str(k)] for k in rows.index])
        page.ax.hlines(place, low, high, color="black", linewidth=1.8)
        names = [LoyaltyLayer.from_key(str(k)).label(page.language) for k in rows.index]
        for y, x, end in zip(place, share, high, strict=True):
            page.ax.annotate(
                page.percent(x / 100), (end, y), (8, 0), textcoords="offset points", va="center",
                fontsize=page.size,
            )  # fmt: skip
        page.rows(place, names)
        page.ax.set_xlim(0, 1.12 * float(np.nanmax(high)))
        page.axes_words(page.say("loyalty.share"), "")
        deepest, none = float(share[-1]), float(share[0])
        found = page.say(
            "loyalty.layers_title", deep=page.percent(deepest / 100), top=names[-1],
            none=page.percent(none / 100),
        )  # fmt: skip
        told = [f"{name} {page.percent(x / 100)}" for name, x in zip(names, share, strict=True)]
        return page.finish(title or found, page.say("loyalty.layers_words", list=page.listed(told)), note)


def standards_and_churn(
    table: pd.DataFrame,
    ax: Axes | None = None,
    note: str = "",
    *,
    names: Mapping[str, str] | None = None,
    title: str = "",
    language: str = "en",
) -> Axes:
    """Which standard of loyalty foretells churn: the chance of the right order, with intervals.

    table: of `analysis.loyalty.standards_and_churn`: standard, n, left, auc, low, high; standards without an
    auc are left out. names: words for the standards. Raises ValueError for a table without these columns or
    rows, and where no standard has an auc.
    """
    columns = ("standard", "auc", "low", "high")
    need(table, columns, "standards_and_churn", "loyalty.standards_and_churn")
    shown = table[table["auc"].notna()].sort_values("auc", ignore_index=True)
    if not len(shown):
        raise ValueError("standards_and_churn: no standard has an auc")
    with a_page(ax, language, height=max(4.2, 2.0 + 0.55 * len(shown))) as page:
        auc, low, high = (100 * shown[c].to_numpy(float) for c in ("auc", "low", "high"))
        place = np.arange(len(shown))
        sure = low > 50
        colours = [OKABE_ITO["blue"] if s else GREY for s in sure]
        page.ax.hlines(place, low, high, color=colours, linewidth=2.6, alpha=0.7)
        page.ax.scatter(auc, place, s=130 * page.scale, color=colours, zorder=3)
        own = names or {}
        words = [str(own.get(k, str(k).replace("_", " "))) for k in shown["standard"]]
        for y, x, end in zip(place, auc, high, strict=True):
            page.ax.annotate(
                f"{x:.0f}", (end, y), (8, 0), textcoords="offset points", va="center", fontsize=page.size
            )
        page.ax.axvline(50, color="black", linewidth=1.4, linestyle=(0, (4, 3)))
        page.ax.annotate(
            page.say("loyalty.guess"), (50, len(shown) - 0.45), (6, 0), textcoords="offset points",
            va="top", fontsize=0.9 * page.size, color=GREY,
        )  # fmt: skip
        page.ax.set_xlim(min(40.0, float(low.min()) - 3), min(103.0, float(high.max()) + 8))
        page.ax.set_ylim(-0.6, len(shown) - 0.1)
        page.rows(place, words)
        page.axes_words(page.say("loyalty.auc"), "")
        key = "loyalty.standards_title" if sure[-1] else "loyalty.standards_none"
        found = page.say(key, best=words[-1], auc=float(auc[-1]))
        told = [
            f"{name} {x:.0f} [{a:.0f}, {b:.0f}]"
            for name, x, a, b in zip(words[::-1], auc[::-1], low[::-1], high[::-1], strict=True)
        ]
        sentence = page.say("loyalty.standards_words", list=page.listed(told))
        return page.finish(title or found, sentence, note)


def ceiling(
    found: Any,
    ax: Axes | None = None,
    note: str = "",
    *,
    condition: str = "",
    outcome: str = "",
    title: str = "",
    language: str = "en",
) -> Axes:
    """The scatter of a condition and an outcome with its ceilings: is satisfaction necessary? 必要条件上限.

    found: of `analysis.loyalty.necessity` (points, lines, table, scope). condition, outcome: words for
    the axes when they are not satisfaction and loyalty; the title then needs words too. Raises ValueError
    without customers.
    """
    points, lines = found.points, found.lines
    if not len(points):
        raise ValueError("ceiling: there are no customers to draw")
    table = found.table.set_index("ceiling")
    x0, x1, y0, y1 = found.scope
    with a_page(ax, language) as page:
        shown = _seen(points)
        # answers are in steps: without a little luck many customers would be one dot
        rng = np.random.default_rng(2)
        jitter = [
            rng.uniform(-0.008, 0.008, len(shown)) * (b - a) * (points[c].nunique() < 60)
            for c, a, b in (("x", x0, x1), ("y", y0, y1))
        ]
        page.ax.scatter(
            shown["x"].to_numpy(float) + jitter[0], shown["y"].to_numpy(float) + jitter[1],
            s=18 * page.scale, color=GREY, alpha=0.35, linewidth=0,
        )  # fmt: skip
        step = lines[lines["ceiling"] == "ce_fdh"]
        # from the lower left corner of the scope: left of the first customer nobody stands at all
        sx, sy = np.r_[x0, step["x"].to_numpy(float)], np.r_[y0, step["y"].to_numpy(float)]
        page.ax.fill_between(sx, sy, y1, color=OKABE_ITO["orange"], alpha=0.13, linewidth=0)
        page.ax.plot(sx, sy, color=OKABE_ITO["vermillion"], linewidth=2.6, label=page.say("loyalty.ce_fdh"))
        straight = lines[lines["ceiling"] == "cr_fdh"]
        if len(straight):
            page.ax.plot(
                straight["x"], straight["y"], color=OKABE_ITO["blue"], linewidth=2.6, linestyle="--",
                label=page.say("loyalty.cr_fdh"),
            )  # fmt: skip
        page.ax.legend(
            loc="lower right", frameon=True, framealpha=0.9, edgecolor="none", fontsize=0.9 * page.size
        )
        margin = 0.02
        page.ax.set_xlim(x0 - margin * (x1 - x0), x1 + margin * (x1 - x0))
        page.ax.set_ylim(y0 - margin * (y1 - y0), y1 + margin * (y1 - y0))
        effect, p = float(table.loc["ce_fdh", "effect"]), float(table.loc["ce_fdh", "p"])
        if effect > 0.04:
            page.ax.text(
                0.03, 0.95, page.say("loyalty.nobody"), transform=page.ax.transAxes, va="top",
                fontsize=1.05 * page.size, color=dark(OKABE_ITO["vermillion"]),
            )  # fmt: skip
        page.axes_words(condition or page.say("loyalty.satisfaction"), outcome or page.say("loyalty.loyalty"))
        tested = page.say("loyalty.p", p=p) if math.isfinite(p) else ""
        shows = effect >= 0.1 and not p >= 0.05
        size = page.say(f"loyalty.{table.loc['ce_fdh', 'size']}")
        says = page.say(
            "loyalty.ceiling_title" if shows else "loyalty.ceiling_none", effect=effect, size=size, p=tested
        )
        accuracy = float(table.loc["cr_fdh", "accuracy"])
        over = round((1 - accuracy) * len(points)) if math.isfinite(accuracy) else 0
        sentence = page.say("loyalty.ceiling_words", effect=100 * effect, over=over, n=len(points))
        return page.finish(title or says, sentence, note)
