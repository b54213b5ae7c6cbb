"""Figures of what customers answer: gaps of what they expect and get, recommendation, penalty and reward, and
weights by pairwise comparison.

Each takes a table that `crmsim.analysis.satisfaction` or `crmsim.analysis.drivers` returns, or one with the
same columns. `names` gives the words to show for questions and the like.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .style import GREY, OKABE_ITO, a_page, add_words, dark, need, signed, word_for

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NPS_COLOURS = {
    "detractors": OKABE_ITO["vermillion"],
    "passives": "#C9C9C9",
    "promoters": OKABE_ITO["blue"],
}
KIND_COLOURS = {
    "must_be": OKABE_ITO["vermillion"],
    "one_dimensional": OKABE_ITO["blue"],
    "attractive": OKABE_ITO["green"],
}

add_words(
    {
        "an_perceived": ("perceived", "感知"),
        "an_expected": ("expected", "期望"),
        "an_answer": ("mean answer", "平均得分"),
        "an_gap_title": ("{name} falls furthest short: by {gap} points", "{name}差距最大：{gap}分"),
        "an_gap_none": ("Nothing surely falls short", "没有确切低于的项目"),
        "an_gap_words": (
            "Mean answers, perceived and {expected}, with the gap and its interval: {list}.",
            "感知与{expected}的平均得分、差距及区间：{list}。",
        ),
        "an_gap_one": ("{name} {gap} [{low}, {high}]", "{name} {gap} [{low}, {high}]"),
        "an_detractors": ("detractors (0 to 6)", "贬损者（0–6）"),
        "an_passives": ("passives (7, 8)", "被动者（7、8）"),
        "an_promoters": ("promoters (9, 10)", "推荐者（9、10）"),
        "an_share": ("share of answers, %", "占回答，%"),
        "an_month": ("month", "月"),
        "an_wave": ("wave", "调查波次"),
        "an_nps": ("NPS {value}", "净推荐值 {value}"),
        "an_nps_title": (
            "{promoters:.0f} % would recommend, {detractors:.0f} % would not: net promoter score {value}",
            "{promoters:.0f}%愿推荐，{detractors:.0f}%不愿：净推荐值{value}",
        ),
        "an_nps_words": (
            "Promoters, passives and detractors by wave, with the net promoter score: {list}.",
            "各波次的推荐者、被动者与贬损者及净推荐值：{list}。",
        ),
        "an_nps_one": (
            "{when}: {promoters:.0f} %, {passives:.0f} %, {detractors:.0f} %, score {value}",
            "{when}：{promoters:.0f}%、{passives:.0f}%、{detractors:.0f}%，得分{value}",
        ),
        "an_penalty": ("penalty when rated low", "差评的惩罚"),
        "an_reward": ("reward when rated high", "好评的奖励"),
        "an_points": ("effect on satisfaction, points of the answer", "对满意度的影响（分）"),
        "an_must_be": ("must-be", "必备型"),
        "an_one_dimensional": ("one-dimensional", "期望型"),
        "an_attractive": ("attractive", "魅力型"),
        "an_unsure": ("not sure", "不确定"),
        "an_contrast_title": (
            "{bad} costs most when bad ({penalty}), {good} wins most when good ({reward})",
            "{bad}差时损失最大（{penalty}），{good}好时收益最大（{reward}）",
        ),
        "an_contrast_words": (
            "Effect on satisfaction of each driver rated low and rated high: {list}.",
            "各驱动因素评价低与高时对满意度的影响：{list}。",
        ),
        "an_contrast_one": (
            "{name} {penalty} and {reward} ({kind})",
            "{name} {penalty}与{reward}（{kind}）",
        ),
        "an_weight": ("weight, %", "权重，%"),
        "an_weight_title": ("{name} weighs most: {weight}; {verdict}", "{name}权重最大：{weight}；{verdict}"),
        "an_consistent": ("judgements are consistent (CR {cr:.2f})", "判断一致（CR {cr:.2f}）"),
        "an_contradict": ("judgements contradict one another (CR {cr:.2f})", "判断不一致（CR {cr:.2f}）"),
        "an_weight_words": ("Weights from pairwise comparisons: {list}.", "两两比较得到的权重：{list}。"),
    }
)


def gap_bars(
    gaps: pd.DataFrame,
    ax: Axes | None = None,
    note: str = "",
    *,
    names: Mapping[Any, str] | None = None,
    expected: str = "",
    title: str = "",
    language: str = "en",
) -> Axes:
    """What customers get (dot) beside what they expect (ring), the largest shortfall on top: 差距分析.

    gaps: of `analysis.satisfaction.gap_scores`, a row a question: perceived, expected, gap, lower, upper.
    expected: a word in place of "expected", such as "important". A gap whose interval holds 0 is grey.
    """
    need(gaps, ("perceived", "expected", "gap", "lower", "upper"), "gap_bars", "satisfaction.gap_scores")
    table = gaps.sort_values("gap", kind="stable")
    with a_page(ax, language, height=max(4.2, 2.2 + 0.55 * len(table))) as page:
        wanted = expected or page.say("an_expected")
        told = []
        place = np.arange(len(table))[::-1]
        for y, row in zip(place, table.to_dict("records"), strict=True):
            sure = row["upper"] < 0 or row["lower"] > 0
            colour = GREY if not sure else OKABE_ITO["vermillion" if row["gap"] < 0 else "blue"]
            page.ax.plot([row["expected"], row["perceived"]], [y, y], color=colour, linewidth=5, alpha=0.4)
            page.ax.plot(row["perceived"], y, "o", color=colour, markersize=13 * page.scale)
            page.ax.plot(
                row["expected"], y, "o", color="white", markeredgecolor=colour, markeredgewidth=2.4,
                markersize=13 * page.scale,
            )  # fmt: skip
            page.ax.annotate(
                signed(row["gap"]), (max(row["expected"], row["perceived"]), y), (14, 0), va="center",
                textcoords="offset points", fontsize=page.size, color=dark(colour),
            )  # fmt: skip
        for key, gap, low, high in zip(
            table.index, table["gap"], table["lower"], table["upper"], strict=True
        ):
            words = {"gap": signed(gap), "low": signed(low), "high": signed(high)}
            told.append(page.say("an_gap_one", name=word_for(key, names), **words))
        ring: dict[str, Any] = {"linestyle": "", "marker": "o", "markersize": 11 * page.scale}
        page.ax.plot([], [], color=GREY, label=page.say("an_perceived"), **ring)
        page.ax.plot(
            [], [], color="white", markeredgecolor=GREY, markeredgewidth=2.4, label=wanted, **ring
        )  # fmt: skip
        page.legend(0.9)
        ends = table[["perceived", "expected"]].to_numpy(float)
        room = 0.12 * max(float(ends.max() - ends.min()), 0.1)
        page.ax.set_xlim(float(ends.min()) - room, float(ends.max()) + 2 * room)
        page.ax.set_ylim(-0.6, len(table) - 0.4)
        page.rows(place, [word_for(key, names) for key in table.index])
        page.axes_words(page.say("an_answer"), "")
        worst = table.iloc[0]
        short = float(worst["upper"]) < 0
        found = page.say(
            "an_gap_title" if short else "an_gap_none", name=word_for(table.index[0], names),
            gap=f"{-float(worst['gap']):.1f}",
        )  # fmt: skip
        sentence = page.say("an_gap_words", expected=wanted, list=page.listed(told))
        return page.finish(title or found, sentence, note)


def recommendation_by_wave(
    waves: pd.DataFrame,
    ax: Axes | None = None,
    note: str = "",
    *,
    title: str = "",
    language: str = "en",
) -> Axes:
    """Promoters, passives and detractors of each wave as one bar, with the net promoter score: 净推荐值.

    waves: of `analysis.satisfaction.by_wave`: wave, promoters, passives, detractors (shares), nps, and where
    it has them nps_lower, nps_upper, month. Waves in which it was not asked are left out. Raises ValueError
    for a table without these columns or rows, and where no wave asked it.
    """
    columns = ("wave", "promoters", "passives", "detractors", "nps")
    need(waves, columns, "recommendation_by_wave", "satisfaction.by_wave")
    table = waves[waves["nps"].notna()].reset_index(drop=True)
    if not len(table):
        raise ValueError("recommendation_by_wave: no wave asked how likely one is to recommend")
    by_month = "month" in table and table["month"].notna().all()
    when = [f"{m:.0f}" for m in table["month" if by_month else "wave"]]
    with a_page(ax, language, height=max(3.6, 2.2 + 0.75 * len(table))) as page:
        place, left = np.arange(len(table))[::-1], np.zeros(len(table))
        for key, colour in NPS_COLOURS.items():
            share = 100 * table[key].to_numpy(float)
            page.ax.barh(place, share, 0.62, left=left, color=colour, label=page.say(f"an_{key}"))
            for y, a, wide in zip(place, left, share, strict=True):
                if wide >= 4:
                    page.ax.text(
                        a + wide / 2, y, f"{wide:.0f} %", ha="center", va="center", fontsize=page.size,
                        color="black" if key == "passives" else "white",
                    )  # fmt: skip
            left = left + share
        for y, row in zip(place, table.to_dict("records"), strict=True):
            text = page.say("an_nps", value=signed(row["nps"], 0))
            low, high = row.get("nps_lower", math.nan), row.get("nps_upper", math.nan)
            if low == low and high == high:
                text += f"\n[{signed(low, 0)}, {signed(high, 0)}]"
            page.ax.annotate(
                text, (100, y), (10, 0), textcoords="offset points", va="center", fontsize=page.size
            )
        page.legend(0.9)
        page.ax.set_xlim(0, 100)
        page.rows(place, when)
        page.ax.grid(visible=False)
        page.axes_words(page.say("an_share"), page.say("an_month" if by_month else "an_wave"))
        last = table.iloc[-1]
        found = page.say(
            "an_nps_title", promoters=100 * last["promoters"], detractors=100 * last["detractors"],
            value=signed(float(last["nps"]), 0),
        )  # fmt: skip
        told = [
            page.say(
                "an_nps_one", when=w, value=signed(row["nps"], 0), **{k: 100 * row[k] for k in NPS_COLOURS}
            )
            for w, row in zip(when, table.to_dict("records"), strict=True)
        ]
        return page.finish(title or found, page.say("an_nps_words", list=page.listed(told)), note)


def penalty_reward_bars(
    table: pd.DataFrame,
    ax: Axes | None = None,
    note: str = "",
    *,
    names: Mapping[Any, str] | None = None,
    title: str = "",
    language: str = "en",
) -> Axes:
    """What each driver costs when it is bad and wins when it is good: 惩罚-奖励对比分析.

    table: of `analysis.drivers.penalty_reward`, a row a driver: penalty, reward, kind, sure. Bars have the
    colour of the kind where the interval bears it out, else are grey.
    """
    columns = ("penalty", "reward", "kind", "sure")
    need(table, columns, "penalty_reward_bars", "drivers.penalty_reward")
    shown = table.assign(reach=table["penalty"].abs() + table["reward"].abs())
    shown = shown.sort_values("reach", ascending=False, kind="stable")
    with a_page(ax, language, height=max(4.2, 2.2 + 0.6 * len(shown))) as page:
        place, told, seen = np.arange(len(shown))[::-1], [], set()
        for y, (key, row) in zip(place, shown.iterrows(), strict=True):
            kind = str(row["kind"]) if bool(row["sure"]) else ""
            colour = KIND_COLOURS.get(kind, "#9A9A9A")
            label = page.say(f"an_{kind}" if kind in KIND_COLOURS else "an_unsure")
            for name, side in (("penalty", "right"), ("reward", "left")):
                page.ax.barh(
                    y, row[name], 0.62, color=colour, alpha=1.0 if name == "reward" else 0.75,
                    label=label if label not in seen else None,
                )  # fmt: skip
                seen.add(label)
                page.ax.annotate(
                    signed(row[name], 2), (row[name], y), (-6 if side == "right" else 6, 0), va="center",
                    textcoords="offset points", ha=side, fontsize=0.9 * page.size,
                )  # fmt: skip
            told.append(
                page.say(
                    "an_contrast_one",
                    name=word_for(key, names),
                    penalty=signed(row["penalty"], 2),
                    reward=signed(row["reward"], 2),
                    kind=label,
                )
            )
        page.legend(0.9)
        widest = 1.25 * float(shown[["penalty", "reward"]].abs().to_numpy().max())
        page.ax.set_xlim(min(-widest, 0), widest)
        page.ax.axvline(0, color="black", linewidth=1.2)
        page.rows(place, [word_for(key, names) for key in shown.index])
        words = (
            f"\N{LEFTWARDS ARROW} {page.say('an_penalty')}    {page.say('an_reward')} \N{RIGHTWARDS ARROW}"
        )
        page.axes_words(f"{words}\n{page.say('an_points')}", "")
        bad, good = shown["penalty"].idxmin(), shown["reward"].idxmax()
        found = page.say(
            "an_contrast_title", bad=word_for(bad, names), penalty=signed(float(shown["penalty"].min()), 2),
            good=word_for(good, names), reward=signed(float(shown["reward"].max()), 2),
        )  # fmt: skip
        return page.finish(title or found, page.say("an_contrast_words", list=page.listed(told)), note)


def pairwise_weights(
    found: Any,
    ax: Axes | None = None,
    note: str = "",
    *,
    names: Mapping[Any, str] | None = None,
    title: str = "",
    language: str = "en",
) -> Axes:
    """Weights from pairwise comparisons, the heaviest on top, and whether the judgements agree: 层次分析法.

    found: of `analysis.drivers.ahp` (weights, cr, consistent). Raises ValueError without a weight.
    """
    weights = found.weights.sort_values(ascending=False, kind="stable")
    if not len(weights):
        raise ValueError("pairwise_weights: there is no weight")
    with a_page(ax, language, height=max(4.0, 2.0 + 0.55 * len(weights))) as page:
        place, share = np.arange(len(weights))[::-1], 100 * weights.to_numpy(float)
        page.ax.barh(place, share, 0.62, color=OKABE_ITO["blue"] if found.consistent else "#9A9A9A")
        for y, x in zip(place, share, strict=True):
            page.ax.annotate(
                page.percent(x / 100), (x, y), (6, 0), textcoords="offset points", va="center",
                fontsize=page.size,
            )  # fmt: skip
        page.rows(place, [word_for(key, names) for key in weights.index])
        page.ax.set_xlim(0, 1.15 * float(share.max()))
        page.axes_words(page.say("an_weight"), "")
        verdict = page.say("an_consistent" if found.consistent else "an_contradict", cr=found.cr)
        said = [f"{word_for(key, names)} {page.percent(w)}" for key, w in weights.items()]
        top = page.say(
            "an_weight_title", name=word_for(weights.index[0], names), weight=page.percent(weights.iloc[0]),
            verdict=verdict,
        )  # fmt: skip
        return page.finish(title or top, page.say("an_weight_words", list=page.listed(said)), note)
