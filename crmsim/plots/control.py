"""Control charts, and the projects of plan-do-check-act rounds with what was measured of them.

`control_chart` takes a frame of `crmsim.analysis.control`, `project_effects` the table of
`crmsim.research.pdca`, or ones with the same columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .style import GREY, LIGHT, OKABE_ITO, a_page, add_words, dark, minus, need

if TYPE_CHECKING:
    from matplotlib.axes import Axes

add_words(
    {
        "co_figure": ("figure", "数值"),
        "co_centre": ("centre {value}", "中心线 {value}"),
        "co_upper": ("upper limit {value}", "上限 {value}"),
        "co_lower": ("lower limit {value}", "下限 {value}"),
        "co_base": ("base period", "基准期"),
        "co_quiet": ("{what}: all {n} points are the usual ups and downs", "{what}：全部{n}点均属正常波动"),
        "co_one": ("{what}: point {where} is a signal, {why}", "{what}：第{where}点发出信号，{why}"),
        "co_some": (
            "{what}: {k} of {n} points are signals, the first at {where}",
            "{what}：{n}点中有{k}点发出信号，首个在第{where}点",
        ),
        "co_words": (
            "Control chart of {what}: {n} points, centre {centre}, at the last point limits {lower} and "
            "{upper}. {list}.",
            "{what}的控制图：{n}点，中心线{centre}，最后一点的控制限为{lower}和{upper}。{list}。",
        ),
        "co_signal": ("signal at {where}: {why}", "第{where}点信号：{why}"),
        "co_no_signal": ("No signal", "无信号"),
        "co_effect": ("effect, points", "效果（分）"),
        "co_measured": ("measured, with interval", "实测及区间"),
        "co_true": ("true effect", "真实效果"),
        "co_keep": ("kept", "保留"),
        "co_drop": ("dropped", "放弃"),
        "co_open": ("undecided", "未决"),
        "co_row": ("{round}. {name}: {decision}", "第{round}轮 {name}：{decision}"),
        "co_right": ("{right} of {n} decisions were right", "{n}项决定中{right}项正确"),
        "co_undecided": ("What was measured of {n} projects", "{n}个项目的实测效果"),
        "co_teaching": ("teaching mode: projects doubled", "教学模式：项目力度加倍"),
        "co_effects_words": (
            "Measured and true effect of each project, points of what it aims at: {list}.",
            "各项目的实测与真实效果（所针对指标的分值）：{list}。",
        ),
        "co_effect_one": (
            "{name} {effect} [{low}, {high}], true {true}, {decision}",
            "{name} {effect} [{low}, {high}]，真实{true}，{decision}",
        ),
    }
)
_RULES = {
    "beyond a control limit": "超出控制限",
    "two of three beyond two sigma on one side": "连续3点中2点在同侧2σ以外",
    "four of five beyond one sigma on one side": "连续5点中4点在同侧1σ以外",
    "eight in a row on one side": "连续8点在中心线同侧",
    "six in a row rising or falling": "连续6点递增或递减",
}


def control_chart(
    table: pd.DataFrame,
    ax: Axes | None = None,
    note: str = "",
    *,
    what: str = "",
    x: str = "",
    share: bool = False,
    title: str = "",
    language: str = "en",
) -> Axes:
    """A control chart: points, centre, limits, the base period shaded, signals in red.

    table: as a chart of `analysis.control` gives it; its index is the horizontal axis, numbers at their
    places, other labels one after the other. what: what the figure is; x: name of the horizontal axis.
    share: show shares in per cent. Raises ValueError for a table without the columns of a chart.
    """
    need(
        table,
        ["value", "centre", "lower", "upper", "base", "signal", "why"],
        "control_chart",
        "analysis.control",
    )
    factor = 100.0 if share else 1.0
    with a_page(ax, language) as page:
        ax = page.ax
        numbers = pd.api.types.is_numeric_dtype(table.index)
        across = table.index.to_numpy(dtype=float) if numbers else np.arange(len(table), dtype=float)
        value, centre, lower, upper = (
            factor * table[c].to_numpy(dtype=float) for c in ("value", "centre", "lower", "upper")
        )
        ends = [v for v in (*value, *lower, *upper) if np.isfinite(v)]
        digits = 2 if max(ends) - min(ends) < 2 else 1

        def told(v: float) -> str:
            return minus(f"{v:,.{digits}f}") + (" %" if share else "")

        shaded = table["base"].to_numpy(dtype=bool)
        half = 0.5 * (float(np.min(np.diff(across))) if len(table) > 1 else 1.0)
        if shaded.any() and not shaded.all():
            low, high = across[shaded].min() - half, across[shaded].max() + half
            ax.axvspan(low, high, color="#F2F2F2", zorder=0)
            ax.annotate(
                page.say("co_base"), (low, 1), (4, -4), xycoords=("data", "axes fraction"),
                textcoords="offset points", va="top", fontsize=0.8 * page.size, color=GREY,
            )  # fmt: skip
        for line in (lower, upper):
            ax.step(across, line, where="mid", color=OKABE_ITO["vermillion"], linewidth=1.6, linestyle="--")
        ax.plot(across, centre, color=GREY, linewidth=1.6)
        ax.plot(across, value, color=OKABE_ITO["blue"], linewidth=2.0 * page.scale, zorder=3)
        red = table["signal"].to_numpy(dtype=bool)
        for chosen, colour, shape in ((~red, "blue", "o"), (red, "vermillion", "D")):
            ax.scatter(
                across[chosen], value[chosen], s=(9 * page.scale) ** 2, marker=shape, zorder=4,
                color=OKABE_ITO[colour], edgecolors="white", linewidths=0.8,
            )  # fmt: skip
        pad = 0.14 * ((max(ends) - min(ends)) or 1.0)
        ax.set_ylim(min(ends) - pad, max(ends) + pad)
        labels = {"co_upper": (upper, OKABE_ITO["vermillion"]), "co_centre": (centre, GREY)}
        labels["co_lower"] = (lower, OKABE_ITO["vermillion"])
        edge = float(across[-1]) + half
        page.label_ends(
            {
                page.say(key, value=told(line[-1])): (edge, float(line[-1]), colour)
                for key, (line, colour) in labels.items()
            }
        )
        ax.set_xlim(float(across[0]) - half, edge)
        if not numbers:
            step = max(1, len(table) // 12)
            ax.set_xticks(across[::step], [str(v) for v in table.index[::step]])
        elif len(table) <= 13:
            ax.set_xticks(across, [f"{v:g}" for v in across])
        shown = what or page.say("co_figure")
        unit = page.bracket("%") if share else ""
        page.axes_words(x or str(table.index.name or ""), shown + unit)

        def why(row: str) -> str:
            parts = row.split("; ")
            return page.listed(_RULES.get(p, p) if page.language == "zh" else p for p in parts)

        signals = [
            {"where": f"{label:g}" if numbers else str(label), "why": why(str(text))}
            for label, text in zip(table.index[red], table["why"][red], strict=True)
        ]
        counts = {"what": shown, "n": len(table), "k": len(signals)}
        found = (
            page.say("co_quiet", **counts)
            if not signals
            else page.say("co_one" if len(signals) == 1 else "co_some", **counts, **signals[0])
        )
        listed = page.listed(page.say("co_signal", **s) for s in signals) or page.say("co_no_signal")
        sentence = page.say(
            "co_words", **counts, centre=told(centre[-1]), lower=told(lower[-1]), upper=told(upper[-1]),
            list=listed[:1].upper() + listed[1:],
        )  # fmt: skip
        return page.finish(title or found, sentence, note)


def project_effects(
    table: pd.DataFrame,
    ax: Axes | None = None,
    note: str = "",
    *,
    names: Mapping[Any, str] | None = None,
    title: str = "",
    language: str = "en",
) -> Axes:
    """What was measured of each project (dot and interval) beside its true effect (diamond), by round.

    table: `PdcaCycle.table`: round, project, effect, low, high, true, decision, right, mode. Projects that
    were kept are blue, dropped ones grey. In teaching mode the foot says so.
    """
    need(
        table,
        ["round", "project", "effect", "low", "high", "true", "decision", "mode"],
        "project_effects",
        "PdcaCycle",
    )
    with a_page(ax, language) as page:
        ax = page.ax
        ax.grid(visible=False)
        ax.grid(axis="x", color=LIGHT, linewidth=0.8)
        places = -np.arange(len(table), dtype=float)
        rows, told = [], []
        for y, row in zip(places, table.to_dict("records"), strict=True):
            colour = OKABE_ITO["blue"] if row["decision"] == "keep" else GREY
            ax.plot([row["low"], row["high"]], [y, y], color=colour, linewidth=3 * page.scale, alpha=0.7)
            ax.scatter([row["effect"]], [y], s=(11 * page.scale) ** 2, color=colour, zorder=3)
            ax.scatter(
                [row["true"]], [y], s=(10 * page.scale) ** 2, marker="D", zorder=4, color="white",
                edgecolors=OKABE_ITO["vermillion"], linewidths=2,
            )  # fmt: skip
            name = str(names[row["project"]] if names and row["project"] in names else row["project"])
            name = name.replace("_", " ")
            decision = page.say({"keep": "co_keep", "drop": "co_drop"}.get(row["decision"], "co_open"))
            rows.append(page.say("co_row", round=row["round"], name=name, decision=decision))
            numbers = {k: minus(f"{row[k]:+.1f}") for k in ("effect", "low", "high", "true")}
            told.append(page.say("co_effect_one", name=name, decision=decision, **numbers))
        ax.axvline(0, color=GREY, linewidth=1.4, zorder=1)
        ax.set_yticks(places, rows)
        ax.set_ylim(places[-1] - 0.6, 0.6)
        dot, ring = OKABE_ITO["blue"], OKABE_ITO["vermillion"]
        ax.scatter([], [], color=dot, s=80, label=page.say("co_measured"))
        ax.scatter([], [], color="white", edgecolors=ring, marker="D", s=80, linewidths=2,
                   label=page.say("co_true"))  # fmt: skip
        page.legend()
        page.axes_words(page.say("co_effect"), "")
        for label in ax.get_yticklabels():
            label.set_color(dark(GREY))
        made = table[table["decision"].isin(["keep", "drop"])]
        if len(made) and "right" in made:
            text = page.say("co_right", right=int(made["right"].astype(bool).sum()), n=len(made))
        else:
            text = page.say("co_undecided", n=len(table))
        teaching = (table["mode"] == "teaching").any()
        foot = "; ".join(filter(None, [page.say("co_teaching") if teaching else "", note]))
        sentence = page.say("co_effects_words", list=page.listed(told))
        if teaching:
            sentence = f"{sentence[:-1]} ({page.say('co_teaching')}){sentence[-1]}"
        return page.finish(title or text, sentence, foot)
