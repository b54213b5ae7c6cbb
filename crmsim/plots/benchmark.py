"""Methods against chance and the truth, and what a search found against other luck.

`method_intervals` takes the table of `crmsim.research.uplift.benchmark`, `training_and_holdout` that of
`crmsim.research.optimise`, or ones with the same columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .style import GREY, OKABE_ITO, a_page, add_words, minus, money_size, need, word_for, writer

if TYPE_CHECKING:
    from matplotlib.axes import Axes

add_words(
    {
        "be_kept": ("customers truly kept per 1,000 called", "每联系千人真实留住的客户"),
        "be_of_oracle": ("profit, share of the oracle's", "利润占先知的比例"),
        "be_profit": ("profit per 1,000 customers", "每千名客户的利润"),
        "be_rank_correlation": ("rank correlation with the true effect", "与真实效果的秩相关"),
        "be_pehe": ("error of the estimated effect", "效果估计误差"),
        "be_qini": ("Qini coefficient", "Qini系数"),
        "be_auuc": ("area under the uplift curve", "增益曲线下面积"),
        "be_true_qini": ("Qini coefficient by the truth", "真实Qini系数"),
        "be_harmed": ("share of those called who are harmed", "被联系者中受损的比例"),
        "be_best_share": ("best share to call", "最佳联系比例"),
        "be_chance": ("by chance", "随机"),
        "be_worse": (
            "{methods}: surely worse than chance; {best} comes nearest to the oracle",
            "{methods}：确定差于随机；{best}最接近先知",
        ),
        "be_best": ("{best} comes nearest to the oracle", "{best}最接近先知"),
        "be_words": ("{what}, with intervals: {list}.", "{what}及区间：{list}。"),
        "be_one": ("{name} {mean} [{low}, {high}]", "{name} {mean} [{low}, {high}]"),
        "be_gain": ("gain over no policy{unit}", "相对于无策略的增益{unit}"),
        "be_training": ("on the luck it was chosen on", "选择时的运气"),
        "be_holdout": ("on other luck, with interval", "另外的运气及区间"),
        "be_optimism": (
            "{name} gains {after} on other luck: {off} less than in training",
            "{name}在另外的运气下增益{after}：比训练时少{off}",
        ),
        "be_no_optimism": (
            "{name} gains {after} on other luck, no less than in training",
            "{name}在另外的运气下增益{after}，不低于训练时",
        ),
        "be_holdout_words": (
            "Gain over no policy in training and on hold-out luck, with intervals: {list}.",
            "训练与留出运气下相对于无策略的增益及区间：{list}。",
        ),
        "be_holdout_one": (
            "{name} {before} and {after} [{low}, {high}]",
            "{name} {before}与{after} [{low}, {high}]",
        ),
    }
)  # fmt: skip


def method_intervals(
    table: pd.DataFrame,
    ax: Axes | None = None,
    note: str = "",
    *,
    measure: str = "kept",
    scenario: str | None = None,
    names: Mapping[Any, str] | None = None,
    title: str = "",
    language: str = "en",
) -> Axes:
    """A measure of each method with its interval, the best on top, and the line of chance.

    table: `Benchmark.table`: scenario, method, measure, mean, low, high, over_random_high. measure: which of
    them; scenario: the first when left out. Red are those that are surely worse than calling by chance on
    the same luck, green the oracle. Raises ValueError for an unknown measure or scenario.
    """
    columns = ["scenario", "method", "measure", "mean", "low", "high", "over_random_high"]
    need(table, columns, "method_intervals", "research.uplift.benchmark")
    wanted = table["scenario"].iloc[0] if scenario is None else scenario
    part = table[(table["scenario"] == wanted) & (table["measure"] == measure)].dropna(subset=["mean"])
    if not len(part):
        raise ValueError(f"method_intervals: the table has no {measure!r} of {wanted!r}")
    part = part.sort_values("mean", ascending=measure in ("pehe", "harmed"), kind="stable")
    with a_page(ax, language, height=max(4.5, 2.2 + 0.55 * len(part))) as page:
        ax = page.ax
        write = writer(part["mean"], False)
        told, rows, worse = [], [], []
        for y, row in enumerate(part.to_dict("records")):
            name = word_for(row["method"], names)
            sure = measure in ("kept", "profit", "of_oracle") and row["over_random_high"] < 0
            worse += [name] if sure else []
            colour = OKABE_ITO["green" if row["method"] == "oracle" else "vermillion" if sure else "blue"]
            ax.plot([row["low"], row["high"]], [y, y], color=colour, linewidth=3.5 * page.scale, alpha=0.6)
            ax.plot(row["mean"], y, "o", color=colour, markersize=11 * page.scale)
            rows.append(name)
            told.append(
                page.say("be_one", name=name, **{k: write(row[k], "") for k in ("mean", "low", "high")})
            )
        ax.axvline(0, color="black", linewidth=1.2, zorder=1)
        chance = part.loc[part["method"] == "random", "mean"]
        if len(chance):
            ax.axvline(float(chance.iloc[0]), color=GREY, linewidth=1.4, linestyle=(0, (4, 3)), zorder=1,
                       label=page.say("be_chance"))  # fmt: skip
            page.legend(0.9)
        page.rows(np.arange(len(part)), rows)
        ax.set_ylim(len(part) - 0.5, -0.5)
        what = page.say(f"be_{measure}")
        page.axes_words(what, "")
        best = next((n for n, m in zip(rows, part["method"], strict=True) if m != "oracle"), rows[0])
        key = "be_worse" if worse else "be_best"
        found = page.say(key, methods=page.listed(worse), best=best)
        sentence = page.say("be_words", what=what[:1].upper() + what[1:], list=page.listed(told))
        return page.finish(title or found, sentence, note)


def training_and_holdout(
    table: pd.DataFrame,
    ax: Axes | None = None,
    note: str = "",
    *,
    currency: str = "",
    names: Mapping[Any, str] | None = None,
    title: str = "",
    language: str = "en",
) -> Axes:
    """What each policy gains on the luck it was chosen on (ring) and on other luck (dot, interval).

    table: `Optimum.table`: indexed by policy, `found` first; training_gain, gain, low, high.
    """
    need(table, ["training_gain", "gain", "low", "high"], "training_and_holdout", "research.optimise")
    ends = table[["training_gain", "gain", "low", "high"]].abs().to_numpy(float)
    size = money_size(float(np.nanmax(ends))) if currency else 1.0
    with a_page(ax, language, height=max(4.5, 2.4 + 0.7 * len(table))) as page:
        ax = page.ax
        unit = page.money_unit(size, currency)
        write = writer(table[["training_gain", "gain"]].iloc[0] / size, False)
        told, rows = [], []
        for y, (policy, row) in enumerate((table / size).iterrows()):
            colour = OKABE_ITO["blue"] if y == 0 else GREY
            ax.plot([row["low"], row["high"]], [y, y], color=colour, linewidth=3.5 * page.scale, alpha=0.6)
            ax.plot(row["gain"], y, "o", color=colour, markersize=12 * page.scale)
            ax.plot(row["training_gain"], y, "o", fillstyle="none", markersize=17 * page.scale,
                    markeredgecolor=OKABE_ITO["vermillion"], markeredgewidth=2.4)  # fmt: skip
            rows.append(word_for(policy, names))
            numbers = {
                "before": row["training_gain"],
                "after": row["gain"],
                "low": row["low"],
                "high": row["high"],
            }
            words = {k: write(v, "") for k, v in numbers.items()}
            told.append(page.say("be_holdout_one", name=rows[-1], **words))
        ring, dot = OKABE_ITO["vermillion"], OKABE_ITO["blue"]
        ax.plot([], [], "o", fillstyle="none", markeredgecolor=ring, markeredgewidth=2.4, markersize=10,
                label=page.say("be_training"))  # fmt: skip
        ax.plot([], [], "o", color=dot, markersize=10, label=page.say("be_holdout"))
        page.legend(0.9)
        ax.axvline(0, color="black", linewidth=1.2, zorder=1)
        page.rows(np.arange(len(table)), rows)
        ax.set_ylim(len(table) - 0.5, -0.5)
        ax.xaxis.set_major_formatter(lambda v, _: minus(f"{v:,.6g}"))
        page.axes_words(page.say("be_gain", unit=page.bracket(unit)), "")
        first = table.iloc[0] / size
        off = first["training_gain"] - first["gain"]

        def money(x: float) -> str:
            return f"{write(x, '')} {unit}".strip()

        key = "be_optimism" if off > 0 else "be_no_optimism"
        found = page.say(key, name=rows[0], after=money(first["gain"]), off=money(off))
        return page.finish(title or found, page.say("be_holdout_words", list=page.listed(told)), note)
