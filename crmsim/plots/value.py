"""Figures of customer value: forecasts of purchases, the parts of value, where equity comes from.

Each takes what a function of `crmsim.analysis.value` returns, or a table with the same columns.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .style import (
    GREY,
    LIGHT,
    OKABE_ITO,
    POLICY_COLOURS,
    Page,
    a_page,
    add_words,
    money_size,
    need,
    word_for,
    writer,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PART_COLOURS = {
    "historical": "#B5B5B5",
    "current": OKABE_ITO["blue"],
    "cross_sell": OKABE_ITO["orange"],
    "referral": OKABE_ITO["green"],
}

add_words(
    {
        "vl_actual": ("actual", "实际"),
        "vl_1": ("day", "天"),
        "vl_7": ("week", "周"),
        "vl_30": ("month", "月"),
        "vl_period": ("period", "期"),
        "vl_repeat": ("cumulative repeat purchases", "累计重复购买次数"),
        "vl_repeat_each": ("repeat purchases a {length}", "每{length}重复购买次数"),
        "vl_each_title": (
            "Over the time held out {best} forecasts {off} {than} purchases than came",
            "检验期内{best}的预测比实际{than}{off}",
        ),
        "vl_more": ("more", "多"),
        "vl_fewer": ("fewer", "少"),
        "vl_each_words": (
            "Repeat purchases of the cohort in each {length}, actual and expected; in the time held out "
            "{list}.",
            "客户群每{length}的重复购买，实际与预期；检验期合计：{list}。",
        ),
        "vl_before_x": ("repeat purchases in the time fitted on", "拟合期内的重复购买次数"),
        "vl_then": ("purchases a customer in the time held out", "检验期内每位客户的购买次数"),
        "vl_group_title": (
            "{best} is nearest to what each group bought later: off by {off:.2f} a customer",
            "{best}最接近各组后来的购买：每位客户平均相差{off:.2f}",
        ),
        "vl_group_words": (
            "Mean purchases in the time held out by purchases before, actual and expected: {list}.",
            "按之前购买次数分组的检验期平均购买，实际与预期：{list}。",
        ),
        "vl_fit": ("fitted", "拟合期"),
        "vl_held": ("held out", "检验期"),
        "vl_track_title": (
            "Over the time held out {best} is {error:.1f} % off",
            "检验期内{best}的误差为{error:.1f}%",
        ),
        "vl_track_more": (
            "Over the time held out {best} is {error:.1f} % off, {worst} {worse:.1f} %",
            "检验期内{best}的误差为{error:.1f}%，{worst}为{worse:.1f}%",
        ),
        "vl_track_none": ("Nothing is held out", "没有检验期"),
        "vl_track_words": (
            "Cumulative repeat purchases of the cohort, actual and expected; at the end {list}.",
            "客户群的累计重复购买，实际与预期；期末：{list}。",
        ),
        "historical": ("historical", "历史价值"),
        "current": ("current", "当前价值"),
        "cross_sell": ("cross- and up-selling", "交叉与提升销售"),
        "referral": ("referral", "推荐价值"),
        "vl_tenth": ("customers by total value, best tenth first", "按总价值排列的客户（每组十分之一）"),
        "vl_group": (
            "customers by total value, in {n} equal groups, best first",
            "按总价值分为{n}等份的客户",
        ),
        "vl_customer": ("customer", "客户"),
        "vl_customers": ("customers", "客户数"),
        "vl_mean": ("value a customer{unit}", "每位客户的价值{unit}"),
        "vl_each": ("value{unit}", "价值{unit}"),
        "vl_parts_title": (
            "The best {share:.0f} % of customers hold {held:.0f} % of the value; "
            "{ahead:.0f} % of all is ahead",
            "最好的{share:.0f}%客户占价值的{held:.0f}%；全部价值的{ahead:.0f}%在未来",
        ),
        "vl_parts_words": (
            "Customer value by part, stacked; of the total {list}.",
            "客户价值的各部分（堆叠）；占总额：{list}。",
        ),
        "vl_before": ("before", "之前"),
        "vl_after": ("after", "之后"),
        "vl_won": ("customers won", "新客户"),
        "vl_cost": ("acquisition cost", "获客成本"),
        "vl_margin": ("margin of those who stay", "留存客户的毛利"),
        "vl_lost": ("customers lost", "流失客户"),
        "vl_lifetime": ("expected lifetime", "预期生命周期"),
        "acquisition_road": ("acquisition", "开发新客户"),
        "expansion_road": ("expansion", "交叉与提升销售"),
        "retention_road": ("retention", "延长客户生命周期"),
        "vl_equity": ("customer equity{unit}", "客户资产{unit}"),
        "vl_spend": ("mean amount of a customer's repeat purchases{unit}", "客户重复购买的平均金额{unit}"),
        "vl_buyers": ("repeat buyers, %", "重复购买客户，%"),
        "vl_observed": ("observed", "观测"),
        "vl_fitted": ("gamma-gamma model", "gamma-gamma模型"),
        "vl_and_above": ("{amount}\nand above", "{amount}\n及以上"),
        "vl_spend_title": (
            "The model puts {off:.1f} % of the repeat buyers into another class of spend than observed",
            "模型将{off:.1f}%的重复购买客户归入与观测不同的金额档",
        ),
        "vl_spend_words": (
            "Share of {n} repeat buyers by mean amount, observed and as the model expects; in the class with "
            "most, {low} to {high}: {observed:.1f} % and {fitted:.1f} %.",
            "{n}位重复购买客户按平均金额的分布（观测与模型）；人数最多的一档{low}至{high}：{observed:.1f}%与{fitted:.1f}%。",
        ),
        "vl_from": ("state now", "当前状态"),
        "vl_to": ("chance of each state in the next period, %", "下一期各状态的概率，%"),
        "vl_lifetime_value": ("lifetime value{unit}", "终生价值{unit}"),
        "vl_markov_title": (
            "Lifetime value runs from {low} in state {worst} to {high} in state {best}",
            "终生价值从状态{worst}的{low}到状态{best}的{high}",
        ),
        "vl_markov_words": (
            "Chance to pass from each state to each other in a period, and the lifetime value of a customer "
            "in it: {list}.",
            "每期各状态间的转移概率及各状态客户的终生价值：{list}。",
        ),
        "vl_up": ("Customer equity rises by {change}: {list}", "客户资产增加{change}：{list}"),
        "vl_down": ("Customer equity falls by {change}: {list}", "客户资产减少{change}：{list}"),
        "vl_equity_words": (
            "Customer equity goes from {before} to {after}; {list}.",
            "客户资产从{before}变为{after}；{list}。",
        ),
    }
)


def purchase_tracking(
    track: pd.DataFrame,
    ax: Axes | None = None,
    note: str = "",
    *,
    title: str = "",
    language: str = "en",
) -> Axes:
    """Cumulative repeat purchases of a cohort, actual against what models expect.

    track: what `track_purchases` gives; the time held out is shaded. Raises ValueError for an empty table.
    """
    if not len(track):
        raise ValueError("purchase_tracking: the table is empty")
    models = [c for c in track.columns if c not in ("period", "end", "held_out", "actual")]
    with a_page(ax, language) as page:
        x = track["period"].to_numpy(float)
        held = track["held_out"].to_numpy(bool)
        actual = track["actual"].to_numpy(float)
        page.ax.plot(x, actual, color=OKABE_ITO["black"], linewidth=2.2, zorder=3)
        ends = {page.say("vl_actual"): (x[-1], actual[-1], OKABE_ITO["black"])}
        off = {}
        for name, colour in zip(models, POLICY_COLOURS * len(models), strict=False):
            curve = track[name].to_numpy(float)
            page.ax.plot(x, curve, color=colour, linewidth=3, zorder=2)
            ends[name] = (x[-1], curve[-1], colour)
            if held.any():
                off[name] = 100 * float(np.mean(np.abs(curve / np.maximum(actual, 1) - 1)[held]))
        page.ax.set_ylim(0, 1.08 * max(end[1] for end in ends.values()))
        if held.any() and not held.all():
            _shade(page, x[held][0] - 0.5, x[-1])
        page.label_ends(ends, "{:,.0f}")
        page.ax.yaxis.set_major_formatter("{x:,.0f}")
        page.axes_words(page.say(_length(track)), page.say("vl_repeat"))
        if off:
            best, worst = min(off, key=lambda m: off[m]), max(off, key=lambda m: off[m])
            key = "vl_track_more" if len(off) > 1 else "vl_track_title"
            found = page.say(key, best=best, error=off[best], worst=worst, worse=off[worst])
        else:
            found = page.say("vl_track_none")
        listed = page.listed(f"{name} {end[1]:,.0f}" for name, end in ends.items())
        return page.finish(title or found, page.say("vl_track_words", list=listed), note)


def purchases_by_period(
    track: pd.DataFrame,
    ax: Axes | None = None,
    note: str = "",
    *,
    title: str = "",
    language: str = "en",
) -> Axes:
    """Repeat purchases of a cohort in each period, actual against what models expect; not summed up.

    track: what `track_purchases` gives; the time held out is shaded. The companion of `purchase_tracking`
    (FHL 2005, figure 2), which shows in which periods the sum was won or lost. Raises ValueError for an empty
    table.
    """
    if not len(track):
        raise ValueError("purchases_by_period: the table is empty")
    models = [c for c in track.columns if c not in ("period", "end", "held_out", "actual")]
    each = track[["actual", *models]].astype(float)
    each = each.diff().fillna(each)
    with a_page(ax, language) as page:
        x = track["period"].to_numpy(float)
        held = track["held_out"].to_numpy(bool)
        page.ax.bar(x, each["actual"], width=0.82, color="#C4C4C4", zorder=1)
        last = {page.say("vl_actual"): (x[-1] + 0.5, float(each["actual"].iloc[-1]), GREY)}
        for name, colour in zip(models, POLICY_COLOURS * len(models), strict=False):
            page.ax.plot(x, each[name], color=colour, linewidth=3, zorder=3)
            last[name] = (x[-1] + 0.5, float(each[name].iloc[-1]), colour)
        page.ax.set_ylim(0, 1.08 * float(each.to_numpy().max()))
        if held.any() and not held.all():
            _shade(page, x[held][0] - 0.5, x[-1] + 0.5, high=True)
        page.label_ends(last)
        page.ax.set_xlim(x[0] - 0.5, x[-1] + 0.5)
        page.ax.yaxis.set_major_formatter("{x:,.0f}")
        length = page.say(_length(track))
        page.axes_words(length, page.say("vl_repeat_each", length=length))
        sums = each[held].sum() if held.any() else each.sum()
        came = max(float(sums["actual"]), 1.0)
        listed = page.listed(f"{name} {sums[key]:,.0f}" for name, key in zip(last, each.columns, strict=True))
        if models and held.any():
            best = min(models, key=lambda m: abs(sums[m] / came - 1))
            off = float(sums[best]) / came - 1
            found = page.say(
                "vl_each_title", best=best, off=page.percent(abs(off)),
                than=page.say("vl_more" if off > 0 else "vl_fewer"),
            )  # fmt: skip
        else:
            found = page.say("vl_track_none")
        return page.finish(title or found, page.say("vl_each_words", length=length, list=listed), note)


def forecast_by_group(
    means: pd.DataFrame,
    ax: Axes | None = None,
    note: str = "",
    *,
    groups: str = "",
    title: str = "",
    language: str = "en",
) -> Axes:
    """Purchases a customer in the time held out, by what customers did before: actual and expected.

    means: what `holdout_means` gives. groups: words for the groups where they are not repeat purchases.
    Raises ValueError for a table without these columns or rows, and without a model.
    """
    known = ("group", "customers", "actual")
    need(means, known, "forecast_by_group", "value.holdout_means")
    models = [str(c) for c in means.columns if c not in known]
    if not models:
        raise ValueError("forecast_by_group: the table needs a model")
    with a_page(ax, language) as page:
        x = np.arange(len(means))
        actual = means["actual"].to_numpy(float)
        page.ax.bar(x, actual, width=0.7, color="#C4C4C4", label=page.say("vl_actual"))
        off = {}
        for k, (name, colour) in enumerate(zip(models, POLICY_COLOURS * len(models), strict=False)):
            expected = means[name].to_numpy(float)
            page.ax.plot(
                x, expected, color=colour, linewidth=2.2, marker="os^Dv"[k % 5], markersize=10 * page.scale,
                label=name,
            )  # fmt: skip
            off[name] = float(np.average(np.abs(expected - actual), weights=means["customers"]))
        page.legend(0.9)
        page.ax.set_xticks(
            x, [f"{g}\n({n:,})" for g, n in zip(means["group"], means["customers"], strict=True)]
        )
        page.ax.tick_params(axis="x", length=0)
        bottom = f"{groups or page.say('vl_before_x')}{page.bracket(page.say('vl_customers'))}"
        page.axes_words(bottom, page.say("vl_then"))
        best = min(off, key=lambda name: off[name])
        each = []
        for row in means.to_dict("records"):
            told = [f"{page.say('vl_actual')} {row['actual']:.2f}", *(f"{m} {row[m]:.2f}" for m in models)]
            each.append(f"{row['group']}: {page.listed(told)}")
        return page.finish(
            title or page.say("vl_group_title", best=best, off=off[best]),
            page.say("vl_group_words", list="; ".join(each)), note,
        )  # fmt: skip


def _shade(page: Page, split: float, end: float, *, high: bool = False) -> None:
    """The time held out, grey, with words at the foot of the axes or (high) at their head."""
    page.ax.axvspan(split, end, color="#F2F2F2", zorder=0)
    beside, y = page.ax.get_xaxis_transform(), 1.0 if high else 0.0
    for key, aside in (("vl_fit", -8), ("vl_held", 8)):
        page.ax.annotate(
            page.say(key), (split, y), (aside, -8 if high else 8), xycoords=beside,
            ha="right" if aside < 0 else "left", va="top" if high else "bottom", textcoords="offset points",
            fontsize=page.size, color=GREY,
        )  # fmt: skip


def _length(track: pd.DataFrame) -> str:
    """The word for the length of a period."""
    if "end" not in track or len(track) < 2:
        return "vl_period"
    days = float(pd.Series(track["end"]).diff().dt.days.median())
    return {1: "vl_1", 7: "vl_7", 30: "vl_30", 31: "vl_30"}.get(round(days), "vl_period")


def value_parts(
    values: pd.DataFrame,
    ax: Axes | None = None,
    note: str = "",
    *,
    groups: int = 10,
    by: str = "total",
    currency: str = "",
    title: str = "",
    language: str = "en",
) -> Axes:
    """Customer value in its parts, stacked: a bar for each tenth of the customers, the best first.

    values: what `value_parts` or `customer_values` gives. groups: equal groups; with as many customers or
    fewer, a bar is one customer. by: the column they are sorted by. Raises ValueError for a table without
    `by`, without any of the parts and without customers.
    """
    parts = [p for p in PART_COLOURS if p in values]
    if not parts or by not in values or not len(values):
        raise ValueError(
            f"value_parts: values needs {by} and one of {', '.join(PART_COLOURS)}, and a customer"
        )
    table = values.sort_values(by, ascending=False, kind="stable")
    single = len(table) <= groups
    groups = min(groups, len(table))
    place = np.arange(len(table)) * groups // len(table)
    shown = table[parts].groupby(place).mean()
    size = money_size(float(shown.sum(axis=1).max()))
    with a_page(ax, language) as page:
        level = np.zeros(groups)
        for part in parts:
            height = shown[part].to_numpy(float) / size
            if not np.any(height):
                continue
            page.ax.bar(
                range(groups),
                height,
                bottom=level,
                width=0.72,
                color=PART_COLOURS[part],
                label=page.say(part),
            )
            level = level + height
        page.legend(0.9)
        names = [str(c) for c in table.index] if single else [str(k + 1) for k in range(groups)]
        page.ax.set_xticks(range(groups), names)
        page.ax.tick_params(axis="x", length=0)
        page.ax.yaxis.set_major_formatter("{x:,.0f}")
        unit = page.bracket(page.money_unit(size, currency))
        key = "vl_customer" if single else "vl_tenth" if groups == 10 else "vl_group"
        page.axes_words(page.say(key, n=groups), page.say("vl_each" if single else "vl_mean", unit=unit))
        total = table[parts].sum()
        everything = float(total.sum())
        held = 100 * float(table[parts][place == 0].sum().sum()) / everything if everything else math.nan
        ahead = 100 * float(total.drop("historical", errors="ignore").sum()) / everything
        found = page.say("vl_parts_title", share=100 * float((place == 0).mean()), held=held, ahead=ahead)
        listed = page.listed(f"{page.say(p)} {100 * total[p] / everything:.0f} %" for p in parts)
        return page.finish(title or found, page.say("vl_parts_words", list=listed), note)


def spend_distribution(
    table: pd.DataFrame,
    ax: Axes | None = None,
    note: str = "",
    *,
    currency: str = "",
    title: str = "",
    language: str = "en",
) -> Axes:
    """Repeat buyers by the mean amount they spend, observed (bars) and as a gamma-gamma model expects (line).

    table: of `analysis.value.spend_distribution`: low, high (money), observed, fitted (customers); the last
    class has no upper end. 购买金额分布：观测与拟合. Raises ValueError for a table without these columns or
    rows, and where nobody is observed.
    """
    need(table, ("low", "high", "observed", "fitted"), "spend_distribution", "value.spend_distribution")
    low, observed, fitted = (table[c].to_numpy(float) for c in ("low", "observed", "fitted"))
    n = float(observed.sum())
    if n <= 0:
        raise ValueError("spend_distribution: nobody is observed")
    observed, fitted = 100 * observed / n, 100 * fitted / n
    with a_page(ax, language) as page:
        place = np.arange(len(table))
        page.ax.bar(place, observed, width=0.9, color="#C4C4C4", label=page.say("vl_observed"))
        page.ax.plot(
            place, fitted, color=OKABE_ITO["blue"], linewidth=3, marker="o", markersize=8 * page.scale,
            label=page.say("vl_fitted"),
        )  # fmt: skip
        page.legend(0.9)
        digits = 0 if low[-1] >= 20 else 2

        def money(x: float) -> str:
            return f"{x:,.{digits}f}"

        # a bar lies between two ticks; the last is open above
        step = max(1, math.ceil(len(low) / 10))
        ticks = [*range(0, len(low) - step, step), len(low) - 1]
        words = [*(money(low[k]) for k in ticks[:-1]), page.say("vl_and_above", amount=money(low[-1]))]
        page.ax.set_xticks([k - (0.5 if k < len(low) - 1 else 0.0) for k in ticks], words)
        page.ax.set_xlim(-0.6, len(low) - 0.4)
        page.ax.set_ylim(0, 1.08 * float(max(observed.max(), fitted.max())))
        page.axes_words(page.say("vl_spend", unit=page.bracket(currency)), page.say("vl_buyers"))
        most = int(observed[:-1].argmax())
        found = page.say("vl_spend_title", off=float(np.abs(observed - fitted).sum() / 2))
        sentence = page.say(
            "vl_spend_words", n=f"{n:,.0f}", low=money(low[most]), high=money(low[most + 1]),
            observed=observed[most], fitted=fitted[most],
        )  # fmt: skip
        return page.finish(title or found, sentence, note)


def markov_clv(
    transition: pd.DataFrame,
    values: Any,
    ax: Axes | None = None,
    note: str = "",
    *,
    names: Mapping[Any, str] | None = None,
    currency: str = "",
    title: str = "",
    language: str = "en",
) -> Axes:
    """A Markov chain of customers: chances to pass from state to state, and the lifetime value in each.

    transition: square, of `analysis.value.transition_matrix` or `recency_chain`, rows (from) sum to 1;
    values: lifetime value by state, of `analysis.value.markov_clv`, in the order of the rows. names: words
    for the states. Bars stand right of the matrix, red below 0. 马尔可夫链客户终生价值. Raises
    ValueError for a table that is not square and for another number of values.
    """
    step, worth = np.asarray(transition, dtype=float), np.asarray(values, dtype=float)
    if not isinstance(transition, pd.DataFrame) or not len(step) or step.shape != (len(step), len(step)):
        raise ValueError(
            "markov_clv: transition must be a square table; give that of value.transition_matrix"
        )
    if worth.shape != (len(step),):
        raise ValueError(f"markov_clv: {worth.size} values for {len(step)} states; give one value a state")
    states = [word_for(key, names) for key in transition.index]
    n = len(states)
    size = money_size(float(np.abs(worth).max()))
    write = writer(pd.Series(worth / size), False)
    with a_page(ax, language) as page:
        unit = page.money_unit(size, currency)
        page.ax.grid(visible=False)
        page.ax.spines[["left", "bottom"]].set_visible(False)
        shade = np.ma.masked_less(step, 0.0005)
        page.ax.pcolormesh(
            np.arange(n + 1) - 0.5, np.arange(n + 1) - 0.5, shade, cmap="Blues", vmin=0, vmax=1.35,
            edgecolors="white", linewidth=2,
        )  # fmt: skip
        for i, j in zip(*np.nonzero(step >= 0.0005), strict=True):
            page.ax.text(
                j, i, f"{100 * step[i, j]:.0f}" if step[i, j] >= 0.005 else "<1", ha="center", va="center",
                color="white" if step[i, j] > 0.7 else "black", fontsize=page.size * min(1.0, 10 / n),
            )  # fmt: skip
        # the bars take as much room as the matrix, at least four cells; 0 stands right of the lowest
        room = max(4.0, 0.8 * n)
        lowest, highest = min(0.0, float(worth.min())), max(0.0, float(worth.max()))
        span = (highest - lowest) or 1.0
        zero = n + 0.4 + room * 0.72 * -lowest / span + (0.1 * room if lowest < 0 else 0.0)
        for y, value in enumerate(worth):
            wide = room * 0.72 * value / span
            page.ax.barh(y, wide, 0.62, left=zero, color=OKABE_ITO["vermillion" if value < 0 else "blue"])
            page.ax.annotate(
                write(value / size, ""), (zero + max(wide, 0.0), y), (6, 0), textcoords="offset points",
                va="center", fontsize=page.size,
            )  # fmt: skip
        page.ax.plot([zero, zero], [-0.5, n - 0.5], color="black", linewidth=1.2)
        page.ax.set_xlim(-0.5, n + 0.4 + room)
        page.ax.set_ylim(n - 0.5, -0.5)
        page.ax.set_yticks(range(n), states)
        page.ax.set_xticks(range(n), states if n <= 6 else [str(k + 1) for k in range(n)])
        page.ax.tick_params(length=0)
        beside = page.ax.get_xaxis_transform()
        for x, text in (
            ((n - 1) / 2, page.say("vl_to")),
            (n + 0.4 + room / 2, page.say("vl_lifetime_value", unit=page.bracket(unit))),
        ):
            page.ax.annotate(
                text, (x, 0), (0, -2.2 * page.size), xycoords=beside, textcoords="offset points", ha="center",
                va="top", fontsize=page.size,
            )  # fmt: skip
        page.axes_words(" ", page.say("vl_from"))
        best, worst = int(worth.argmax()), int(worth.argmin())

        def money(value: float) -> str:
            return f"{write(value / size, '')} {unit}".strip()

        found = page.say(
            "vl_markov_title", low=money(worth[worst]), worst=states[worst], high=money(worth[best]),
            best=states[best],
        )  # fmt: skip
        told = [f"{state} {money(value)}" for state, value in zip(states, worth, strict=True)]
        return page.finish(title or found, page.say("vl_markov_words", list=page.listed(told)), note)


ROAD_COLOURS = {
    "acquisition": OKABE_ITO["green"],
    "expansion": OKABE_ITO["blue"],
    "retention": OKABE_ITO["orange"],
}


def equity_waterfall(
    change: Any,
    ax: Axes | None = None,
    note: str = "",
    *,
    currency: str = "",
    title: str = "",
    language: str = "en",
) -> Axes:
    """Customer equity before and after, and the steps between by the three roads to profit.

    change: what `equity_change` gives: `before`, `after` and a `table` with `road`, `part`, `amount`.
    Acquisition cost is left out: it is spent and not in the equity.
    """
    rows = change.table[(change.table["part"] != "cost") & (change.table["amount"] != 0)]
    levels = [0.0, change.before, *(change.before + rows["amount"].cumsum()), change.after]
    size = money_size(max(abs(level) for level in levels))
    write = writer(pd.Series([*rows["amount"], change.after]) / size, False)
    with a_page(ax, language) as page:
        unit = page.money_unit(size, currency)

        def bar(k: int, low: float, high: float, colour: str, text: str) -> None:
            # the edge shows a step too small to have a body
            page.ax.bar(
                k, (high - low) / size, bottom=low / size, width=0.62, color=colour, edgecolor=colour,
                linewidth=1.2,
            )  # fmt: skip
            page.value(k, max(low, high) / size, text)

        bar(0, 0, change.before, "#8A8A8A", write(change.before / size, ""))
        level, names, seen = change.before, [page.say("vl_before")], set()
        for k, row in enumerate(rows.itertuples(), start=1):
            bar(k, level, level + row.amount, ROAD_COLOURS[str(row.road)], write(row.amount / size))
            page.ax.plot([k - 0.69, k - 0.31], [level / size] * 2, color=GREY, linewidth=1)
            level += row.amount
            names.append(_two_lines(page.say(f"vl_{row.part}")))
            if row.road not in seen:  # one mark a road
                seen.add(row.road)
                page.ax.bar([0], [0], color=ROAD_COLOURS[str(row.road)], label=page.say(f"{row.road}_road"))
        k = len(rows) + 1
        page.ax.plot([k - 0.69, k - 0.31], [level / size] * 2, color=GREY, linewidth=1)
        bar(k, 0, change.after, "#4A4A4A", write(change.after / size, ""))
        names.append(page.say("vl_after"))
        page.ax.axhline(0, color="black", linewidth=1.2)
        page.ax.set_ylim(min(0.0, min(levels) / size), 1.1 * max(levels) / size)
        page.ax.set_xticks(range(k + 1), names)
        page.ax.tick_params(axis="x", length=0)
        page.ax.grid(axis="y", color=LIGHT)
        page.ax.yaxis.set_major_formatter("{x:,.6g}")
        page.legend(0.9)
        page.axes_words(" ", page.say("vl_equity", unit=page.bracket(unit)))  # room for ticks of two lines
        roads = rows.groupby("road", sort=False)["amount"].sum()
        listed = page.listed(
            f"{page.say(f'{road}_road')} {write(amount / size)}" for road, amount in roads.items()
        )

        def money(x: float) -> str:
            return f"{write(x / size, '')} {unit}".strip()

        gain = change.after - change.before
        found = page.say("vl_up" if gain >= 0 else "vl_down", change=money(abs(gain)), list=listed)
        sentence = page.say(
            "vl_equity_words", before=money(change.before), after=money(change.after), list=listed
        )
        return page.finish(title or found, sentence, note)


def _two_lines(text: str, words: Sequence[str] | None = None) -> str:
    """A tick label of several words on two lines."""
    words = text.split(" ") if words is None else words
    half = (len(words) + 1) // 2
    return "\n".join(filter(None, (" ".join(words[:half]), " ".join(words[half:]))))
