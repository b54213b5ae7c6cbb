"""What a policy truly does and how well a test sees it: power, individual effects, estimators, spill-over.

`power_curve` takes a table of effects and powers, the others the tables of `crmsim.research.truth` and
`crmsim.research.trials`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .style import (
    GREY,
    OKABE_ITO,
    a_page,
    add_words,
    minus,
    need,
    signed,
    word_for,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

add_words(
    {
        "tr_customers": ("customers in the test", "试验客户数"),
        "tr_power": ("power: chance of finding the effect, %", "检验功效：发现效应的概率（%）"),
        "tr_power_line": ("effect {effect}", "效应{effect}"),
        "tr_power_title": (
            "An effect of {effect} takes {n} customers for a power of {power} %",
            "效应{effect}达到{power}%的功效需要{n}名客户",
        ),
        "tr_power_none": (
            "No effect reaches a power of {power} % with {n} customers",
            "{n}名客户时，没有效应达到{power}%的功效",
        ),
        "tr_power_words": ("Power by number of customers. {list}.", "功效随客户数的变化。{list}。"),
        "tr_power_one": (
            "effect {effect}: {low} % with {few} customers, {high} % with {many}",
            "效应{effect}：{few}名客户时{low}%，{many}名时{high}%",
        ),
        "tr_rank": ("customers in the order of their effect, %", "客户按效应排序（%）"),
        "tr_effect": ("expected effect, {unit}", "期望效应（{unit}）"),
        "tr_points": ("points of staying", "留存百分点"),
        "tr_months": ("months gained", "增加的月数"),
        "tr_money": ("value gained", "增加的价值"),
        "tr_mean": ("mean {mean}", "平均{mean}"),
        "tr_effects_title": (
            "{helped} of the customers gain, {hurt} lose, the mean is {mean}",
            "{helped}的客户受益，{hurt}受损，平均{mean}",
        ),
        "tr_effects_words": (
            "Expected individual effects, sorted: from {low} to {high}, mean {mean}; above zero for {helped} "
            "of {n} customers, below for {hurt}.",
            "按大小排列的个体效应：从{low}到{high}，平均{mean}；{n}名客户中{helped}为正，{hurt}为负。",
        ),
        "tr_estimate": ("estimate less truth, {unit}", "估计值减真值（{unit}）"),
        "tr_share_points": ("percentage points", "百分点"),
        "tr_bias": ("mean over {n} tests, with interval", "{n}次试验的平均及区间"),
        "tr_spread": ("a single test, ± 2 sd", "单次试验，±2个标准差"),
        "tr_covered": ("{name}\n(interval holds truth: {share})", "{name}\n（区间含真值：{share}）"),
        "tr_estimators_title": (
            "{worst} is off by {bias}, {best} by {least}",
            "{worst}偏差{bias}，{best}偏差{least}",
        ),
        "tr_estimators_words": (
            "Bias of each estimator over {n} tests: {list}.",
            "{n}次试验中各估计量的偏差：{list}。",
        ),
        "tr_itt": ("intention to treat", "意向性分析"),
        "tr_pp": ("per protocol", "符合方案分析"),
        "tr_at": ("as treated", "按实际处理分析"),
        "tr_cace": ("complier effect (Wald)", "依从者效应（Wald）"),
        "tr_direct": ("direct", "直接"),
        "tr_queue": ("through the queue", "经由排队"),
        "tr_mouth": ("through word of mouth", "经由口碑"),
        "tr_budget": ("through the budget", "经由预算"),
        "tr_rest": ("together only", "仅联合作用"),
        "tr_total": ("total", "合计"),
        "tr_treated": ("got an offer", "收到优惠"),
        "tr_untreated": ("got none", "未收到"),
        "tr_spill": ("effect, {unit}", "效应（{unit}）"),
        "tr_spill_title": (
            "Those without an offer: {total} in all; largest part {value}, {channel}",
            "未收到优惠者：合计{total}；最大部分{value}（{channel}）",
        ),
        "tr_spill_words": ("Effect by channel, {unit}: {list}.", "各渠道的效应（{unit}）：{list}。"),
        "tr_spill_one": ("{channel} {treated} with and {untreated} without an offer",
                         "{channel}：收到者{treated}，未收到者{untreated}"),
        "tr_unit_expected_saves": ("expected saves", "期望挽留人数"),
        "tr_unit_saved": ("customers", "客户数"),
        "tr_unit_months_gained": ("months", "月"),
        "tr_unit_value_gained": ("money", "金额"),
    }
)  # fmt: skip
_ESTIMATORS = {
    "intention to treat": "tr_itt",
    "per protocol": "tr_pp",
    "as treated": "tr_at",
    "complier effect (Wald)": "tr_cace",
}
_CHANNELS = {
    "direct": "tr_direct",
    "queue": "tr_queue",
    "word_of_mouth": "tr_mouth",
    "budget": "tr_budget",
    "rest": "tr_rest",
    "total": "tr_total",
}
_COLOURS = ("blue", "vermillion", "green", "orange", "purple", "sky")


def _points(share: float) -> str:
    return signed(100 * share, 1 if abs(share) >= 0.0095 else 2)


def power_curve(
    table: pd.DataFrame,
    ax: Axes | None = None,
    note: str = "",
    *,
    power: float = 0.8,
    names: Mapping[Any, str] | None = None,
    title: str = "",
    language: str = "en",
) -> Axes:
    """Power of a planned test by its number of customers, a line an effect.

    table: columns customers, effect, power (0 to 1), as made with `statistics.power_of_test`. The dotted
    line is the power aimed at; names: words for the effects, which are written as they stand otherwise.
    """
    need(table, ["customers", "effect", "power"], "power_curve", "statistics.power_of_test")
    with a_page(ax, language) as page:
        ax = page.ax
        ends: dict[str, tuple[float, float, str]] = {}
        told, reached = [], []
        for k, (effect, rows) in enumerate(table.groupby("effect", sort=False)):
            rows = rows.sort_values("customers")
            x, y = rows["customers"].to_numpy(float), 100 * rows["power"].to_numpy(float)
            colour = OKABE_ITO[_COLOURS[k % len(_COLOURS)]]
            ax.plot(x, y, color=colour, linewidth=2.8 * page.scale)
            word = names[effect] if names and effect in names else minus(f"{effect:g}")
            ends[page.say("tr_power_line", effect=word)] = (float(x[-1]), float(y[-1]), colour)
            few, many = (f"{v:,.0f}" for v in (x[0], x[-1]))
            values = {"low": f"{y[0]:.0f}", "high": f"{y[-1]:.0f}", "few": few, "many": many}
            told.append(page.say("tr_power_one", effect=word, **values))
            if y[-1] >= 100 * power:
                at = float(np.interp(100 * power, y, x)) if y[0] < 100 * power else float(x[0])
                reached.append((at, word))
                ax.scatter([at], [max(100 * power, y[0])], color=colour, s=(11 * page.scale) ** 2, zorder=4)
        ax.axhline(100 * power, color=GREY, linestyle=":", linewidth=1.6)
        ax.set_ylim(0, 101)
        low, high = float(table["customers"].min()), float(table["customers"].max())
        page.label_ends(ends)
        if high > 20 * max(low, 1):
            ax.set_xscale("log")
        ax.set_xlim(low, high)
        ax.xaxis.set_major_formatter(lambda v, _: f"{v:,.0f}")
        page.axes_words(page.say("tr_customers"), page.say("tr_power"))
        shown = f"{100 * power:g}"
        if reached:
            n, word = max(reached)
            found = page.say("tr_power_title", effect=word, n=f"{float(f'{n:.2g}'):,.0f}", power=shown)
        else:
            found = page.say("tr_power_none", n=f"{high:,.0f}", power=shown)
        return page.finish(title or found, page.say("tr_power_words", list=page.listed(told)), note)


def individual_effects(
    table: pd.DataFrame,
    ax: Axes | None = None,
    note: str = "",
    *,
    effect: str = "expected_saves",
    title: str = "",
    language: str = "en",
) -> Axes:
    """Every customer's expected effect, from the most harmed to the most helped.

    table: `truth.individual_effects` over several replications; effect: saved, expected_saves (both
    shown in percentage points), months_gained or value_gained. The dashed line is the mean.
    """
    need(table, [effect], "individual_effects", "truth.individual_effects")
    with a_page(ax, language) as page:
        ax = page.ax
        share = effect in ("saved", "expected_saves")
        values = np.sort(table[effect].to_numpy(float)) * (100.0 if share else 1.0)
        x = 100 * (np.arange(values.size) + 0.5) / values.size
        floor = 1e-9 * max(float(np.abs(values).max()), 1e-9)
        for mask, colour in ((values < -floor, "vermillion"), (values > floor, "blue")):
            ax.fill_between(
                x,
                0,
                np.where(mask, values, 0.0),
                color=OKABE_ITO[colour],
                linewidth=0,
                alpha=0.75,
                step="mid",
            )
        mean = float(values.mean())
        digits = 2 if float(np.abs(values).max()) < 10 else 1
        ax.axhline(0, color=GREY, linewidth=1.2)
        ax.axhline(mean, color=OKABE_ITO["black"], linewidth=1.6, linestyle="--")
        ax.annotate(
            page.say("tr_mean", mean=signed(mean, 2)), (2, mean), (0, 5), textcoords="offset points",
            va="bottom", fontsize=page.size,
        )  # fmt: skip
        ax.set_xlim(0, 100)
        key = "tr_points" if share else "tr_months" if effect == "months_gained" else "tr_money"
        page.axes_words(page.say("tr_rank"), page.say("tr_effect", unit=page.say(key)))
        helped, hurt = (np.count_nonzero(values > floor), np.count_nonzero(values < -floor))
        found = page.say(
            "tr_effects_title", helped=page.percent(helped / values.size),
            hurt=page.percent(hurt / values.size), mean=signed(mean, 2),
        )  # fmt: skip
        sentence = page.say(
            "tr_effects_words", low=signed(values[0], digits), high=signed(values[-1], digits),
            mean=signed(mean, 2), helped=f"{helped:,}", hurt=f"{hurt:,}", n=f"{values.size:,}",
        )  # fmt: skip
        return page.finish(title or found, sentence, note)


def estimators(
    table: pd.DataFrame,
    ax: Axes | None = None,
    note: str = "",
    *,
    title: str = "",
    language: str = "en",
) -> Axes:
    """Estimators of a test against the truth: the mean error with its interval, and what one test may show.

    table: `trials.trial_report` for a share such as stayed, in percentage points. The line at zero is
    the truth.
    """
    need(
        table, ["bias", "bias_low", "bias_high", "spread", "coverage", "replications"], "estimators",
        "trials.trial_report",
    )  # fmt: skip
    with a_page(ax, language) as page:
        ax = page.ax
        places = -np.arange(len(table), dtype=float)
        rows, told = [], []
        number = int(table["replications"].max())
        for y, (name, row) in zip(places, table.iterrows(), strict=True):
            off = row["bias_low"] > 0 or row["bias_high"] < 0
            colour = OKABE_ITO["vermillion" if off else "blue"]
            wide = 200 * row["spread"]
            ax.plot(
                [100 * row["bias"] - wide, 100 * row["bias"] + wide], [y, y], color=GREY,
                linewidth=2 * page.scale, alpha=0.6, zorder=2,
            )  # fmt: skip
            bounds = [100 * row["bias_low"], 100 * row["bias_high"]]
            ax.plot(bounds, [y, y], color=colour, linewidth=9 * page.scale, solid_capstyle="butt", zorder=3)
            ax.scatter([100 * row["bias"]], [y], color="white", s=(6 * page.scale) ** 2, zorder=4)
            word = page.say(_ESTIMATORS[name]) if name in _ESTIMATORS else str(name)
            rows.append(page.say("tr_covered", name=word, share=page.percent(row["coverage"])))
            told.append(
                f"{word} {_points(row['bias'])} [{_points(row['bias_low'])}, {_points(row['bias_high'])}]"
            )
        ax.axvline(0, color=GREY, linewidth=1.6, zorder=1)
        page.rows(places, rows)
        ax.set_ylim(places[-1] - 0.6, 0.6)
        ax.plot([], [], color=OKABE_ITO["blue"], linewidth=9, label=" " + page.say("tr_bias", n=number))
        ax.plot([], [], color=GREY, linewidth=2, alpha=0.6, label=" " + page.say("tr_spread"))
        page.legend()
        page.axes_words(page.say("tr_estimate", unit=page.say("tr_share_points")), "")
        biases = {str(name): float(bias) for name, bias in table["bias"].items()}
        words = {n: page.say(_ESTIMATORS[n]) if n in _ESTIMATORS else n for n in biases}
        worst, best = (pick(biases, key=lambda n: abs(biases[n])) for pick in (max, min))
        unit = page.say("tr_share_points")
        found = page.say(
            "tr_estimators_title", worst=words[worst], best=words[best],
            bias=f"{_points(biases[worst])} {unit}", least=_points(biases[best]),
        )  # fmt: skip
        sentence = page.say("tr_estimators_words", n=number, list=page.listed(told))
        return page.finish(title or found, sentence, note)


def spill_over(
    table: pd.DataFrame,
    ax: Axes | None = None,
    note: str = "",
    *,
    measure: str = "expected_saves",
    title: str = "",
    language: str = "en",
) -> Axes:
    """Effect of a campaign by channel, on those it made an offer and on the others, with intervals.

    table: `truth.spill_over`; measure: one of its measures.
    """
    need(table, ["measure", "group", "channel", "effect", "low", "high"], "spill_over", "truth.spill_over")
    rows = table[table["measure"] == measure]
    if rows.empty:
        raise ValueError(f"spill_over: no measure {measure!r}; there are {', '.join(set(table['measure']))}")
    with a_page(ax, language) as page:
        ax = page.ax
        numbers: dict[tuple[str, str], tuple[float, float, float]] = {
            (row["channel"], row["group"]): (row["effect"], row["low"], row["high"])
            for row in rows.to_dict("records")
        }
        used = [
            c for c in _CHANNELS
            if c in ("direct", "total") or any(numbers[c, g][0] for g in ("treated", "untreated"))
        ]  # fmt: skip
        places = -np.arange(len(used), dtype=float)
        for group, shift, colour in (("treated", 0.17, "blue"), ("untreated", -0.17, "vermillion")):
            values, low, high = np.array([numbers[c, group] for c in used], dtype=float).T
            label = page.say(f"tr_{group}")
            ax.barh(places + shift, values, 0.3, color=OKABE_ITO[colour], alpha=0.85, label=label)
            ax.hlines(places + shift, low, high, color=OKABE_ITO["black"], linewidth=1.8 * page.scale)
        ax.axvline(0, color=GREY, linewidth=1.4)
        page.rows(places, [page.say(_CHANNELS[c]) for c in used])
        ax.set_ylim(places[-1] - 0.6, 0.6)
        page.legend()
        unit = page.say(f"tr_unit_{measure}") if measure in _UNITS else word_for(measure, None)
        page.axes_words(page.say("tr_spill", unit=unit), "")
        digits = 0 if measure in ("months_gained", "value_gained") else 1

        def effect(channel: str, group: str) -> str:
            return signed(numbers[channel, group][0], digits)

        told = [
            page.say(
                "tr_spill_one", channel=page.say(_CHANNELS[c]), treated=effect(c, "treated"),
                untreated=effect(c, "untreated"),
            )
            for c in used
        ]  # fmt: skip
        parts = [c for c in used if c != "total"]
        largest = max(parts, key=lambda c: abs(numbers[c, "untreated"][0]))
        found = page.say(
            "tr_spill_title", total=effect("total", "untreated"), channel=page.say(_CHANNELS[largest]),
            value=effect(largest, "untreated"),
        )  # fmt: skip
        sentence = page.say("tr_spill_words", unit=unit, list=page.listed(told))
        return page.finish(title or found, sentence, note)


_UNITS = ("expected_saves", "saved", "months_gained", "value_gained")
