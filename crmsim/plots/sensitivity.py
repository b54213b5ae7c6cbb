"""Figures of sensitivity: which parameters an outcome hangs on, and which of them act together.

Each takes a table of `crmsim.research.sensitivity`. `what` is the outcome in words, with its unit; `names`
gives the words to show for parameters.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .style import GREY, LIGHT, OKABE_ITO, Page, a_page, add_words, need, signed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LOW, HIGH = OKABE_ITO["orange"], OKABE_ITO["blue"]

add_words(
    {
        "se_alone": ("alone (S1)", "单独（S1）"),
        "se_all": ("with interactions (ST)", "含交互（ST）"),
        "se_luck": ("the part of it that is luck", "其中的随机成分"),
        "se_share": ("share of the variance", "方差占比"),
        "se_share_of": ("share of the variance: {what}", "方差占比：{what}"),
        "se_top": (
            "Most hangs on {name}: {share} of the variance alone, {total} with interactions",
            "{name}影响最大：单独解释{share}，含交互{total}",
        ),
        "se_most": (
            "Most hangs on {name}: through its range the outcome moves by {effect} on average",
            "{name}影响最大：在其取值范围内平均改变{effect}",
        ),
        "se_effect": ("mean absolute effect (mu*)", "平均绝对效应（μ*）"),
        "se_effect_of": ("mean absolute effect (mu*) on {what}", "平均绝对效应（μ*）：{what}"),
        "se_sigma": ("spread of the effects (sigma)", "效应的离散（σ）"),
        "se_noise": ("standard error of one effect", "单个效应的标准误"),
        "se_bars_words": (
            "Parameters by influence. Bars end in two intervals: dark for the points of the design, light "
            "for luck. {list}.",
            "按影响排序的参数。条末有两个区间：深色为设计点，浅色为随机性。{list}。",
        ),
        "se_one": ("{name} {value}", "{name} {value}"),
        "se_plane_one": ("{name}: mu* {mu}, sigma {sigma}", "{name}：μ* {mu}，σ {sigma}"),
        "se_plane_words": (
            "Mean absolute effect and spread of the effects of each parameter; above the line the effect "
            "differs from place to place as much as it is large. {list}.",
            "各参数的平均绝对效应与离散；线以上的效应随位置而变。{list}。",
        ),
        "se_plain": (
            "Every parameter does about the same everywhere: sigma is less than half of mu*",
            "各参数的效应处处相近：σ不及μ*的一半",
        ),
        "se_bent": (
            "What it does depends on the rest, or on where it stands: {list}",
            "效应取决于其他参数或所处位置：{list}",
        ),
        "se_line": ("sigma = mu*", "σ = μ*"),
        "se_pair": ("{a} with {b}", "{a}与{b}"),
        "se_pairs": (
            "Acting together: {list}",
            "共同起作用：{list}",
        ),
        "se_no_pairs": (
            "No pair can be told from zero: the parameters act side by side",
            "没有可与零区分的交互：各参数各自起作用",
        ),
        "se_pairs_words": (
            "Second-order indices, the share of the variance that a pair explains beyond each of the two; "
            "bold where the interval leaves out zero. {list}.",
            "二阶指数：一对参数在各自之外解释的方差占比；区间不含零者加粗。{list}。",
        ),
        "se_change": ("change of {what}", "变化：{what}"),
        "se_change_plain": ("change of the outcome", "结果的变化"),
        "se_low": ("at the low bound", "取下限"),
        "se_high": ("at the high bound", "取上限"),
        "se_widest": (
            "The widest swing is that of {name}: {low} to {high}",
            "{name}的摆动最大：{low}至{high}",
        ),
        "se_tornado_words": (
            "Change of the outcome when one parameter moves to a bound and all others stay, with intervals. "
            "{list}.",
            "其他参数不变、单个参数移至界限时结果的变化及其区间。{list}。",
        ),
        "se_range": ("{name} {low} to {high}", "{name} {low}至{high}"),
        "se_bounds": ("{low:g} to {high:g} {unit}", "{low:g}至{high:g} {unit}"),
        "se_base": ("scenario as it is: {value}", "原情景：{value}"),
        "se_stop": ("; ", "；"),
    }
)


def influence_bars(
    table: pd.DataFrame,
    ax: Axes | None = None,
    note: str = "",
    *,
    what: str = "",
    names: Mapping[str, str] | None = None,
    title: str = "",
    language: str = "en",
) -> Axes:
    """Parameters by influence, S1 and ST or mu*, with what is luck set apart: 敏感性.

    table: `Sensitivity.table`. Behind each bar's end stand two intervals, dark for the points of the
    design, light for the replications; a hatched part of ST is luck, and for Morris a dotted line is the
    standard error of a single effect.
    """
    sobol = "ST" in table.columns if isinstance(table, pd.DataFrame) else True
    columns = ("parameter", "S1", "ST", "ST_conf") if sobol else ("parameter", "mu_star", "mu_star_conf")
    need(table, columns, "influence_bars", "sensitivity")
    with a_page(ax, language, height=max(4.4, 2.4 + (0.95 if sobol else 0.7) * len(table))) as page:
        place = np.arange(len(table), dtype=float)[::-1]
        shown = [_name(row, page, names) for row in table.to_dict("records")]
        if sobol:
            _bars(page, table, "ST", place + 0.19, HIGH, page.say("se_all"))
            _bars(page, table, "S1", place - 0.19, OKABE_ITO["sky"], page.say("se_alone"))
            luck = table["ST_noise"].to_numpy(float)
            if np.isfinite(luck).all():
                ends = np.maximum(table["ST"].to_numpy(float), 0.0)
                part = np.minimum(luck, ends)
                page.ax.barh(
                    place + 0.19, part, 0.36, left=ends - part, facecolor="none", edgecolor="white",
                    hatch="////", linewidth=0, zorder=2.5,
                )  # fmt: skip
                page.ax.barh(
                    [np.nan], [np.nan], facecolor=HIGH, edgecolor="white", hatch="////",
                    label=page.say("se_luck"),
                )  # fmt: skip
            page.legend()
            top = table.iloc[0]
            found = page.say(
                "se_top",
                name=_word(top["parameter"], names),
                share=page.percent(max(top["S1"], 0)),
                total=page.percent(top["ST"]),
            )
            axis = page.say("se_share_of", what=what) if what else page.say("se_share")
        else:
            _bars(page, table, "mu_star", place, HIGH, "")
            found = page.say(
                "se_most",
                name=_word(table["parameter"].iloc[0], names),
                effect=_number(table["mu_star"].iloc[0]),
            )
            for y, error in zip(place, table.get("noise", pd.Series(dtype=float)), strict=False):
                if math.isfinite(error):
                    page.ax.plot([error, error], [y - 0.33, y + 0.33], ":", color=GREY, linewidth=2.2)
            if "noise" in table and table["noise"].notna().any():
                page.ax.plot([], [], ":", color=GREY, linewidth=2.2, label=page.say("se_noise"))
                page.legend()
            axis = page.say("se_effect_of", what=what) if what else page.say("se_effect")
        page.ax.axvline(0, color=GREY, linewidth=1)
        page.ax.set_ylim(-0.7, len(table) - 0.3)
        low, high = page.ax.get_xlim()
        page.ax.set_xlim(min(low, 0.0) if low < 0 else 0.0, high)
        page.rows(place, shown)
        page.axes_words(axis, "")
        key = "ST" if sobol else "mu_star"
        told = [
            page.say("se_one", name=_word(p, names), value=_number(v))
            for p, v in zip(table["parameter"], table[key], strict=True)
        ]
        return page.finish(
            title or found, page.say("se_bars_words", list=page.say("se_stop").join(told)), note
        )


def elementary_effects(
    table: pd.DataFrame,
    ax: Axes | None = None,
    note: str = "",
    *,
    what: str = "",
    names: Mapping[str, str] | None = None,
    title: str = "",
    language: str = "en",
) -> Axes:
    """Mean against spread of the effects of each parameter (Morris 1991): 基本效应.

    table: `Sensitivity.table` of method "morris". Far right is influential; high up is an effect that
    depends on the other parameters or on where the parameter stands.
    """
    columns = ("parameter", "mu_star", "mu_star_conf", "sigma")
    need(table, columns, "elementary_effects", 'sensitivity with method="morris"')
    with a_page(ax, language) as page:
        mu, sigma = table["mu_star"].to_numpy(float), table["sigma"].to_numpy(float)
        right = 1.25 * float(np.nanmax(mu + table["mu_star_conf"].to_numpy(float)))
        top = 1.15 * max(float(sigma.max()), 0.6 * right)
        end = min(right, top)
        page.ax.plot([0, end], [0, end], color=GREY, linewidth=1.2, linestyle=(0, (4, 3)))
        page.ax.annotate(
            page.say("se_line"), (end, end), (-16, -4), textcoords="offset points", ha="right", va="top",
            fontsize=0.85 * page.size, color=GREY, rotation=0,
        )  # fmt: skip
        page.ax.errorbar(
            mu, sigma, xerr=table["mu_star_conf"], fmt="o", color=HIGH, markersize=11 * page.scale,
            ecolor=HIGH, elinewidth=2, zorder=3,
        )  # fmt: skip
        page.ax.set_xlim(-0.02 * right, right)
        page.ax.set_ylim(-0.12 * top, top)
        _label_points(page, mu, sigma, [_word(p, names) for p in table["parameter"]])
        page.axes_words(
            page.say("se_effect_of", what=what) if what else page.say("se_effect"), page.say("se_sigma")
        )
        error = table["noise"].fillna(0.0).to_numpy(float) if "noise" in table else np.zeros(len(table))
        # The spread holds luck as well; what is left must still be half the effect.
        own = np.sqrt(np.maximum(sigma**2 - error**2, 0.0))
        bent = [
            _word(p, names)
            for p, m, s, e in zip(table["parameter"], mu, own, error, strict=True)
            if s > 0.5 * m and m > 2 * e and m > 0.05 * mu.max()
        ]
        found = page.say("se_bent", list=page.listed(bent[:3])) if bent else page.say("se_plain")
        told = [
            page.say("se_plane_one", name=_word(p, names), mu=_number(m), sigma=_number(s))
            for p, m, s in zip(table["parameter"], mu, sigma, strict=True)
        ]
        return page.finish(
            title or found, page.say("se_plane_words", list=page.say("se_stop").join(told)), note
        )


def interaction_matrix(
    pairs: pd.DataFrame,
    ax: Axes | None = None,
    note: str = "",
    *,
    what: str = "",
    names: Mapping[str, str] | None = None,
    title: str = "",
    language: str = "en",
) -> Axes:
    """Second-order indices of all pairs: 交互作用.

    pairs: `Sensitivity.interactions`. Bold and blue are those whose interval, from points and luck
    together, leaves out zero.
    """
    need(pairs, ("one", "other", "S2", "S2_conf"), "interaction_matrix", "sensitivity(...).interactions")
    keys = list(dict.fromkeys([*pairs["one"], *pairs["other"]]))
    n = len(keys)
    luck = pairs["S2_luck"].fillna(0.0) if "S2_luck" in pairs else 0.0
    wide = np.hypot(pairs["S2_conf"], luck)
    sure = pairs["S2"].to_numpy(float) > np.asarray(wide, dtype=float)
    with a_page(ax, language, height=max(5.0, 2.8 + 0.75 * n)) as page:
        page.ax.grid(visible=False)
        page.ax.spines[["left", "bottom"]].set_visible(False)
        most = max(float(pairs["S2"].abs().max()), 1e-9)
        for (a, b, value), half, clear in zip(
            pairs[["one", "other", "S2"]].itertuples(index=False), wide, sure, strict=True
        ):
            j, i = sorted((keys.index(a), keys.index(b)))
            page.ax.fill_between(
                [j - 0.48, j + 0.48], i - 0.46, i + 0.46, color=HIGH if clear else LIGHT,
                alpha=0.15 + 0.4 * max(value, 0) / most if clear else 0.4, linewidth=0,
            )  # fmt: skip
            page.ax.text(
                j, i, f"{signed(value, 2)} ± {half:.2f}", ha="center", va="center",
                fontsize=(0.95 if n < 6 else 0.75) * page.size, fontweight="bold" if clear else "normal",
                color="black" if clear else GREY,
            )  # fmt: skip
        page.ax.set_xlim(-0.5, max(n - 1.5, 0.5))
        page.ax.set_ylim(n - 0.5, 0.5)
        words = [_word(key, names) for key in keys]
        page.ax.set_yticks(range(1, n), words[1:])
        tall = n > 3
        page.ax.set_xticks(range(n - 1), [".\n".join(w.rsplit(".", 1)) if tall else w for w in words[:-1]])
        page.ax.tick_params(length=0)
        rows = pairs.assign(sure=sure).sort_values("S2", ascending=False)
        told = [
            page.say(
                "se_one", name=page.say("se_pair", a=_word(a, names), b=_word(b, names)), value=_number(v)
            )
            for a, b, v in rows[["one", "other", "S2"]].head(5).itertuples(index=False)
        ]
        clear_ones = [text for text, good in zip(told, rows["sure"], strict=False) if good]
        found = (
            page.say("se_pairs", list=page.listed(clear_ones[:2])) if clear_ones else page.say("se_no_pairs")
        )
        foot = "; ".join(filter(None, [page.say("se_share_of", what=what) if what else "", note]))
        sentence = page.say("se_pairs_words", list=page.say("se_stop").join(told))
        # The names below the matrix stand on two lines.
        return page.finish(title or found, sentence, ("\n" if tall and foot else "") + foot)


def tornado_bars(
    table: pd.DataFrame,
    ax: Axes | None = None,
    note: str = "",
    *,
    what: str = "",
    base: float | None = None,
    names: Mapping[str, str] | None = None,
    title: str = "",
    language: str = "en",
) -> Axes:
    """One parameter at a time from bound to bound, the widest swing on top: 龙卷风图.

    table: `Tornado.table`. base: the outcome of the scenario as it is, written at the foot.
    """
    columns = ("parameter", "low", "high", "unit", "at_low", "at_low_from", "at_high", "at_high_from")
    need(table, columns, "tornado_bars", "research.sensitivity.tornado")
    with a_page(ax, language, height=max(4.4, 2.6 + 0.9 * len(table))) as page:
        place = np.arange(len(table), dtype=float)[::-1]
        for key, colour, shift in (("at_low", LOW, 0.16), ("at_high", HIGH, -0.16)):
            value = table[key].to_numpy(float)
            error = value - table[f"{key}_from"].to_numpy(float)
            word = page.say("se_low" if key == "at_low" else "se_high")
            page.ax.barh(place + shift, value, 0.3, color=colour, label=word, zorder=2)
            page.ax.errorbar(
                value, place + shift, xerr=error, fmt="none", ecolor="black", elinewidth=1.8, capsize=4,
                zorder=3,
            )  # fmt: skip
        page.ax.axvline(0, color="black", linewidth=1.4, zorder=2.5)
        page.ax.set_ylim(-0.6, len(table) - 0.4)
        page.rows(place, [_name(row, page, names) for row in table.to_dict("records")])
        page.legend()
        page.axes_words(page.say("se_change", what=what) if what else page.say("se_change_plain"), "")
        ranges = [
            sorted((float(a), float(b))) for a, b in zip(table["at_low"], table["at_high"], strict=True)
        ]
        told = [
            page.say("se_range", name=_word(p, names), low=_signed(a), high=_signed(b))
            for p, (a, b) in zip(table["parameter"], ranges, strict=True)
        ]
        found = page.say(
            "se_widest",
            name=_word(table["parameter"].iloc[0], names),
            low=_signed(ranges[0][0]),
            high=_signed(ranges[0][1]),
        )
        foot = [page.say("se_base", value=_number(base))] if base is not None else []
        sentence = page.say("se_tornado_words", list=page.say("se_stop").join(told))
        return page.finish(title or found, sentence, "; ".join([*filter(None, [note]), *foot]))


# -- parts -------------------------------------------------------------------------------------------


def _bars(page: Page, table: pd.DataFrame, key: str, place: np.ndarray, colour: str, label: str) -> None:
    """Bars with the interval of the design, and beside it that of the luck."""
    value = table[key].to_numpy(float)
    height = 0.36 if label else 0.62
    page.ax.barh(place, value, height, color=colour, label=label or None, zorder=2)
    for column, shift, ink, wide in (("conf", 0.07, "black", 2.0), ("luck", -0.07, GREY, 1.4)):
        half = table.get(f"{key}_{column}")
        if half is not None and np.isfinite(half.to_numpy(float)).all():
            page.ax.errorbar(
                value, place + shift, xerr=half.to_numpy(float), fmt="none", ecolor=ink, elinewidth=wide,
                capsize=3 if column == "conf" else 0, zorder=3,
            )  # fmt: skip


def _name(row: Mapping[Any, Any], page: Page, names: Mapping[str, str] | None) -> str:
    """A parameter's name over the range in which it moved."""
    name = _word(row["parameter"], names)
    if not {"low", "high", "unit"} <= row.keys():
        return name
    return f"{name}\n{page.say('se_bounds', low=row['low'], high=row['high'], unit=row['unit'])}".strip()


def _label_points(page: Page, x: np.ndarray, y: np.ndarray, words: list[str]) -> None:
    """Names beside points, each at the first place where it covers no other name and no point."""
    ax, size = page.ax, 0.85 * page.size
    figure = ax.get_figure(root=True)
    assert figure is not None
    room = ax.get_position()
    inches = figure.get_size_inches()
    points = 72 * np.array([room.width * inches[0], room.height * inches[1]])
    (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
    at = np.column_stack([(x - left) / (right - left), (y - low) / (high - low)]) * points
    taken = [(px - 7, py - 7, px + 7, py + 7) for px, py in at]
    for (px, py), word in zip(at, words, strict=True):
        wide, tall = 0.6 * size * len(word), 1.25 * size
        places = [(-wide / 2, up) for up in (9.0, -9.0 - tall)]
        places += [(12.0, up) for up in (-tall / 2, 9.0, -9.0 - tall)]
        places += [(12.0, 9.0 + k * tall) for k in range(1, 12)]
        for dx, dy in places:
            box = (px + dx, py + dy, px + dx + wide, py + dy + tall)
            clear = all(box[2] <= b[0] or b[2] <= box[0] or box[3] <= b[1] or b[3] <= box[1] for b in taken)
            if clear and box[0] >= 0 and box[2] <= points[0] and box[1] >= 0:
                break
        taken.append(box)
        ax.annotate(
            word, (px / points[0], py / points[1]), (dx, dy), xycoords="axes fraction",
            textcoords="offset points", ha="left", va="bottom", fontsize=size,
        )  # fmt: skip


def _word(parameter: Any, names: Mapping[str, str] | None) -> str:
    return str(names[parameter]) if names and parameter in names else str(parameter)


def _number(value: float) -> str:
    if abs(value) < 0.005:
        return "0"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _signed(value: float) -> str:
    size = _number(abs(value))
    return size if size == "0" else ("+" if value > 0 else "\N{MINUS SIGN}") + size
