"""Figures of calibration: does the scenario show the data, and how well are its parameters known.

Each takes a table of `crmsim.research.calibrate`; `names` gives the words to show for moments and parameters.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .style import GREY, LIGHT, OKABE_ITO, a_page, add_words, need, signed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FAR = 2.0  # standard errors from which a moment counts as missed

add_words(
    {
        "mo_apart": (
            "simulated less observed, in standard errors of the observed",
            "模拟减观测（以观测标准误计）",
        ),
        "mo_all": (
            "The scenario shows all {n} moments: none is more than {far:g} standard errors off",
            "情景再现全部{n}个矩：偏差均不超过{far:g}个标准误",
        ),
        "mo_off": (
            "{k} of {n} moments are more than {far:g} standard errors off: {list}",
            "{n}个矩中有{k}个偏差超过{far:g}个标准误：{list}",
        ),
        "mo_interval": ("where new data would lie", "新数据应落的区间"),
        "mo_simulated": ("simulated", "模拟"),
        "mo_new": ("simulated, no target", "模拟，非目标"),
        "mo_values": ("{observed}; {simulated}", "{observed}；{simulated}"),
        "mo_head": ("observed; simulated", "观测；模拟"),
        "mo_words": (
            "Simulated moments less the observed ones, in standard errors, with the interval of new data. "
            "{list}.",
            "模拟矩减观测矩（以标准误计）与新数据的区间。{list}。",
        ),
        "mo_one": ("{name}: z {value}", "{name}：z {value}"),
        "mo_bounds": ("place between the bounds searched", "在搜索界限内的位置"),
        "mo_low": ("lowest", "下限"),
        "mo_high": ("highest", "上限"),
        "mo_estimate": ("estimate and interval", "估计值与区间"),
        "mo_before": ("before", "校准前"),
        "mo_sharp": (
            "The interval of {name} fills least of its bounds: {share}",
            "{name} 的区间最窄：占界限的{share}",
        ),
        "mo_wide": (
            "The targets say little of {list}: the interval fills more than half of the bounds",
            "目标对 {list} 几乎没有信息：区间占界限一半以上",
        ),
        "mo_estimates_words": (
            "Estimates with intervals between the bounds searched. {list}.",
            "搜索界限内的估计值与区间。{list}。",
        ),
        "mo_number": ("{value} ({low} to {high})", "{value}（{low}至{high}）"),
        "mo_told": ("{name}: {value}", "{name}：{value}"),
        "mo_stop": ("; ", "；"),
    }
)


def predicted_moments(
    table: pd.DataFrame,
    ax: Axes | None = None,
    note: str = "",
    *,
    names: Mapping[str, str] | None = None,
    title: str = "",
    language: str = "en",
) -> Axes:
    """Observed against simulated moments, each in the standard errors of the observed one: 后验预测检验.

    table: of `Calibration.predictive`. The line at zero is the data; a bar is where new data of such a firm
    would lie, a mark the mean of the simulated worlds, hollow for moments that were no targets.
    """
    columns = ("observed", "standard_error", "simulated", "low", "high", "z")
    need(table, columns, "predicted_moments", "Calibration.predictive")
    with a_page(ax, language, height=max(4.4, 2.4 + 0.52 * len(table))) as page:
        place = np.arange(len(table), dtype=float)[::-1]
        error = table["standard_error"].to_numpy(float)
        seen = table["observed"].to_numpy(float)
        low, middle, high = ((table[c].to_numpy(float) - seen) / error for c in ("low", "simulated", "high"))
        page.ax.barh(
            place, high - low, 0.5, left=low, color=OKABE_ITO["sky"], alpha=0.55, linewidth=0,
            label=page.say("mo_interval"), zorder=2,
        )  # fmt: skip
        fitted = table["fitted"].to_numpy(bool) if "fitted" in table else np.ones(len(table), dtype=bool)
        for chosen, key, face in ((fitted, "mo_simulated", OKABE_ITO["blue"]), (~fitted, "mo_new", "white")):
            if chosen.any():
                page.ax.plot(
                    middle[chosen], place[chosen], "o", color=OKABE_ITO["blue"], markerfacecolor=face,
                    markersize=10 * page.scale, markeredgewidth=2, label=page.say(key), zorder=4,
                )  # fmt: skip
        page.ax.axvline(0, color="black", linewidth=1.6, zorder=3)
        for y, a, b in zip(place, seen, table["simulated"], strict=True):
            page.ax.annotate(
                page.say("mo_values", observed=_number(a), simulated=_number(b)), (1.0, y), (8, 0),
                xycoords=page.ax.get_yaxis_transform(), textcoords="offset points", va="center",
                fontsize=0.85 * page.size, color=GREY, annotation_clip=False,
            )  # fmt: skip
        page.ax.annotate(
            page.say("mo_head"), (1.0, len(table) - 0.45), (8, 4), va="bottom",
            xycoords=page.ax.get_yaxis_transform(), textcoords="offset points",
            fontsize=0.75 * page.size, color=GREY, annotation_clip=False,
        )  # fmt: skip
        page.legend()
        page.ax.set_ylim(-0.6, len(table) - 0.4)
        page.rows(place, [_word(k, names) for k in table.index])
        page.axes_words(page.say("mo_apart"), "")
        z = table["z"].to_numpy(float)
        off = [_word(k, names) for k, v in zip(table.index, z, strict=True) if abs(v) > FAR]
        if off:
            more = [f"+{len(off) - 3}"] if len(off) > 3 else []
            found = page.say("mo_off", k=len(off), n=len(z), far=FAR, list=page.listed([*off[:3], *more]))
        else:
            found = page.say("mo_all", n=len(z), far=FAR)
        told = [
            page.say("mo_one", name=_word(k, names), value=signed(v))
            for k, v in zip(table.index, z, strict=True)
        ]
        return page.finish(title or found, page.say("mo_words", list=page.say("mo_stop").join(told)), note)


def estimates_in_bounds(
    table: pd.DataFrame,
    ax: Axes | None = None,
    note: str = "",
    *,
    names: Mapping[str, str] | None = None,
    title: str = "",
    language: str = "en",
) -> Axes:
    """Estimates and intervals, each between the bounds within which it was searched: 参数估计.

    table: `Calibration.table`. Where the bounds are ten times or more apart, the place is that on a
    logarithmic scale.
    """
    columns = ("parameter", "estimate", "low", "high", "before", "lowest", "highest", "unit")
    need(table, columns, "estimates_in_bounds", "calibrate")
    with a_page(ax, language, height=max(4.2, 2.6 + 0.75 * len(table))) as page:
        place = np.arange(len(table), dtype=float)[::-1]
        parts: dict[str, np.ndarray] = {
            key: np.array([_place(row, key) for row in table.to_dict("records")])
            for key in ("estimate", "low", "high", "before")
        }
        page.ax.barh(place, 1.0, 0.5, color=LIGHT, alpha=0.55, linewidth=0, zorder=1)
        page.ax.hlines(place, parts["low"], parts["high"], color=OKABE_ITO["blue"], linewidth=5, zorder=2)
        page.ax.plot(
            parts["estimate"], place, "o", color=OKABE_ITO["blue"], markersize=12 * page.scale,
            label=page.say("mo_estimate"), zorder=4,
        )  # fmt: skip
        inside = (parts["before"] >= 0) & (parts["before"] <= 1)
        page.ax.plot(
            parts["before"][inside], place[inside], "D", color=GREY, markerfacecolor="white",
            markersize=9 * page.scale, markeredgewidth=1.8, label=page.say("mo_before"), zorder=3,
        )  # fmt: skip
        numbers = [
            page.say("mo_number", value=_number(r.estimate), low=_number(r.low), high=_number(r.high))
            for r in table.itertuples()
        ]
        for y, text in zip(place, numbers, strict=True):
            page.ax.annotate(
                text, (1.0, y), (8, 0), xycoords=page.ax.get_yaxis_transform(), textcoords="offset points",
                va="center", fontsize=0.85 * page.size, annotation_clip=False,
            )  # fmt: skip
        page.legend()
        page.ax.set_xlim(0, 1)
        page.ax.set_ylim(-0.6, len(table) - 0.4)
        shown = [
            f"{_word(r.parameter, names)}\n{r.lowest:g} – {r.highest:g} {r.unit}" for r in table.itertuples()
        ]
        page.rows(place, shown)
        page.ax.set_xticks([0, 1], [page.say("mo_low"), page.say("mo_high")])
        page.axes_words(page.say("mo_bounds"), "")
        share = parts["high"] - parts["low"]
        wide = [_word(k, names) for k, w in zip(table["parameter"], share, strict=True) if w > 0.5]
        if wide:
            found = page.say("mo_wide", list=page.listed(wide))
        else:
            best = int(share.argmin())
            found = page.say(
                "mo_sharp",
                name=_word(table["parameter"].iloc[best], names),
                share=page.percent(float(share[best])),
            )
        told = [
            page.say("mo_told", name=_word(k, names), value=text)
            for k, text in zip(table["parameter"], numbers, strict=True)
        ]
        sentence = page.say("mo_estimates_words", list=page.say("mo_stop").join(told))
        return page.finish(title or found, sentence, note)


def _place(row: Mapping[Any, Any], key: str) -> float:
    """Where a value lies between the bounds, 0 to 1."""
    low, high, value = float(row["lowest"]), float(row["highest"]), float(row[key])
    if low > 0 and high / low >= 10:
        return math.log(max(value, 1e-300) / low) / math.log(high / low)
    return (value - low) / (high - low)


def _word(key: Any, names: Mapping[str, str] | None) -> str:
    return str(names[key]) if names and key in names else str(key)


def _number(value: Any) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 or value == 0 else f"{value:#.3g}".rstrip(".")
