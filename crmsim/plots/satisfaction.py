"""Figures of satisfaction: path model, importance and performance, drivers, index by wave, Kano.

Each takes a table that `crmsim.analysis.pls`, `crmsim.analysis.drivers` or `crmsim.analysis.satisfaction`
returns, or one with the same columns. `names` gives the words to show for drivers and the like; without
it their keys are shown.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .style import GREY, LIGHT, OKABE_ITO, Page, a_page, add_words, dark, minus, need, word_for

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Where the latent variables of the usual index models stand, on a page 3 wide and 2 high.
PLACES = {
    "image": (0.6, 2.0),
    "expectation": (0.0, 1.05),
    "quality": (0.55, 0.0),
    "value": (1.5, 0.0),
    "satisfaction": (2.0, 1.1),
    "complaints": (3.0, 0.3),
    "loyalty": (3.0, 1.85),
}
METHOD_STYLES = {
    "lmg": (OKABE_ITO["blue"], "o"),
    "beta": (OKABE_ITO["sky"], "s"),
    "coefficient": (OKABE_ITO["green"], "D"),
    "correlation": (OKABE_ITO["purple"], "^"),
    "stated": (OKABE_ITO["orange"], "v"),
    "entropy": (OKABE_ITO["vermillion"], "X"),
}
QUADRANT_COLOURS = {
    "concentrate": OKABE_ITO["vermillion"],
    "keep_up": OKABE_ITO["blue"],
    "low_priority": GREY,
    "overkill": OKABE_ITO["green"],
}
KANO_COLOURS = {
    "M": OKABE_ITO["vermillion"],
    "O": OKABE_ITO["blue"],
    "A": OKABE_ITO["green"],
    "I": GREY,
    "R": OKABE_ITO["purple"],
    "Q": OKABE_ITO["black"],
}

add_words(
    {
        "sa_image": ("image", "品牌形象"),
        "sa_expectation": ("expectation", "预期质量"),
        "sa_quality": ("quality", "感知质量"),
        "sa_value": ("value", "感知价值"),
        "sa_satisfaction": ("satisfaction", "满意度"),
        "sa_complaints": ("complaints", "抱怨"),
        "sa_loyalty": ("loyalty", "忠诚"),
        "sa_index": ("index {value:.1f}", "指数 {value:.1f}"),
        "sa_r2": ("R² {value:.2f}", "R² {value:.2f}"),
        "sa_path_title": (
            "{target} follows {first} most ({value}){then}",
            "{first}对{target}的影响最大（{value}）{then}",
        ),
        "sa_path_then": (", then {name} ({value})", "，其次为{name}（{value}）"),
        "sa_path_words": (
            "Path coefficients{kind}, in brackets their intervals; grey where the interval holds 0: {list}.",
            "路径系数{kind}，括号内为区间，区间含0者为灰色：{list}。",
        ),
        "sa_consistent": (" of consistent PLS", "（一致PLS）"),
        "sa_performance": ("performance, mean answer", "绩效（平均得分）"),
        "sa_importance": ("importance", "重要性"),
        "sa_concentrate": ("concentrate here", "重点改进区"),
        "sa_keep_up": ("keep up the good work", "继续保持区"),
        "sa_low_priority": ("low priority", "次要改进区"),
        "sa_overkill": ("possible overkill", "过度投入区"),
        "sa_ipa_title": ("Improve first: {list}", "重点改进：{list}"),
        "sa_ipa_none": ("Nothing important is below the cross-hair", "没有重要而绩效偏低的项目"),
        "sa_ipa_words": (
            "Importance over performance, the cross-hair at performance {x:.3g}, importance {y:.3g}. {list}.",
            "重要性与绩效，十字线位于绩效{x:.3g}、重要性{y:.3g}。{list}。",
        ),
        "sa_ipa_one": ("{name}: {list}", "{name}：{list}"),
        "sa_and": (", ", "、"),
        "sa_stop": ("; ", "；"),
        "sa_lmg": ("LMG", "LMG"),
        "sa_beta": ("standardised regression", "标准化回归"),
        "sa_coefficient": ("regression", "回归系数"),
        "sa_correlation": ("correlation", "相关系数"),
        "sa_stated": ("stated", "自述重要性"),
        "sa_entropy": ("entropy", "熵权"),
        "sa_truth": ("truth", "真实权重"),
        "sa_share": ("share of importance, %", "重要性占比，%"),
        "sa_driver_truth": (
            "{best} comes nearest to the true weights: off by {low:.1f} points, {worst} by {high:.1f}",
            "{best}最接近真实权重：平均相差{low:.1f}个百分点，{worst}相差{high:.1f}",
        ),
        "sa_driver_title": (
            "{driver} weighs most by {method}: {share:.0f} %",
            "按{method}，{driver}最重要：{share:.0f}%",
        ),
        "sa_driver_words": (
            "Share of importance of each driver by {n} methods, with intervals where there are any. {list}.",
            "各驱动因素按{n}种方法的重要性占比（有区间则示出）。{list}。",
        ),
        "sa_wave": ("wave", "调查波次"),
        "sa_month": ("month", "月"),
        "sa_the_index": ("the satisfaction index", "满意度指数"),
        "sa_the_top_box": ("the satisfied share", "满意率"),
        "sa_the_nps": ("the net promoter score", "净推荐值"),
        "sa_csi": ("satisfaction index (0 to 100)", "满意度指数（0–100）"),
        "sa_top_box": ("satisfied, %", "满意率，%"),
        "sa_nps": ("net promoter score", "净推荐值"),
        "sa_one": (
            "{what}: {value:.1f} [{low:.1f}, {high:.1f}]",
            "{what}：{value:.1f} [{low:.1f}, {high:.1f}]",
        ),
        "sa_up": (
            "{what} rises by {change:.1f} from the first wave to the last, more than chance explains",
            "{what}自首次至末次调查上升{change:.1f}，超出偶然",
        ),
        "sa_down": (
            "{what} falls by {change:.1f} from the first wave to the last, more than chance explains",
            "{what}自首次至末次调查下降{change:.1f}，超出偶然",
        ),
        "sa_chance": (
            "{what} moves by {change} from the first wave to the last, within what chance explains",
            "{what}自首次至末次调查变动{change}，可能出于偶然",
        ),
        "sa_wave_words": (
            "{what} by wave with 95 % intervals: {list}.",
            "{what}（按波次，95%区间）：{list}。",
        ),
        "sa_better": ("better: satisfied more if it is there", "Better：具备时提升满意"),
        "sa_worse": ("worse (size): satisfied less if it is missing", "Worse（绝对值）：缺失时降低满意"),
        "sa_M": ("must-be", "必备型"),
        "sa_O": ("one-dimensional", "期望型"),
        "sa_A": ("attractive", "魅力型"),
        "sa_I": ("indifferent", "无差异型"),
        "sa_R": ("reverse", "反向型"),
        "sa_Q": ("questionable", "可疑结果"),
        "sa_kano_title": ("Must be there: {list}; delights: {other}", "必须具备：{list}；令人惊喜：{other}"),
        "sa_kano_must": ("Must be there: {list}", "必须具备：{list}"),
        "sa_kano_delight": ("Delights: {list}", "令人惊喜：{list}"),
        "sa_kano_none": (
            "No feature must be there, none delights",
            "没有必备型或魅力型的项目",
        ),
        "sa_kano_words": (
            "Kano's coefficients of each feature, coloured by its most frequent category: {list}.",
            "各项目的卡诺系数，颜色为最常见的类别：{list}。",
        ),
    }
)


def latent_name(page: Page, key: Any, names: Mapping[str, str] | None) -> str:
    """The word to show for a key: the user's, ours for a latent variable, or the key itself."""
    own = key in PLACES and not (names and key in names)
    return page.say(f"sa_{key}") if own else word_for(key, names)


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(k): v for k, v in row.items()} for row in frame.to_dict("records")]


def _number(value: float, digits: int = 2) -> str:
    return minus(f"{value:.{digits}f}")


# -- path model ------------------------------------------------------------------------------------


def path_diagram(
    paths: pd.DataFrame,
    latents: pd.DataFrame | None = None,
    ax: Axes | None = None,
    note: str = "",
    *,
    consistent: bool = False,
    names: Mapping[str, str] | None = None,
    places: Mapping[str, tuple[float, float]] | None = None,
    target: str = "satisfaction",
    title: str = "",
    language: str = "en",
) -> Axes:
    """A path model with its coefficients and intervals.

    paths: `PathFit.paths` (`source`, `target`, `estimate`, `lower`, `upper`, or their `consistent` kin).
    latents: `PathFit.latents`, for index and R2 in the boxes. Arrows are as wide as their coefficient, grey
    where the interval holds 0, red below 0. places: latent variable -> where it stands; the variables of
    the usual index models have their places. target: the variable the title speaks of. Raises ValueError
    for missing columns, and for consistent estimates that are held back.
    """
    columns = (
        ["consistent", "consistent_lower", "consistent_upper"]
        if consistent
        else ["estimate", "lower", "upper"]
    )
    need(paths, ["source", "target", columns[0]], "path_diagram", "pls.pls")
    table = paths[["source", "target"]].copy()
    for name, column in zip(("value", "lower", "upper"), columns, strict=True):
        table[name] = paths.get(column, np.nan)
    if table["value"].isna().any():
        raise ValueError(
            "path_diagram: these estimates are held back (see why_not of the fit); use consistent=False"
        )
    from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

    at = _places(table, places)
    with a_page(ax, language) as page:
        ax = page.ax
        ax.axis("off")
        wide, high = 0.56, 0.36
        boxes = {}
        for key, (x, y) in at.items():
            box = FancyBboxPatch(
                (x - wide / 2, y - high / 2), wide, high, boxstyle="round,pad=0.0,rounding_size=0.08",
                facecolor="#EAF2FA", edgecolor=OKABE_ITO["blue"], linewidth=1.6, zorder=3,
            )  # fmt: skip
            boxes[key] = ax.add_patch(box)
            below = []
            if latents is not None and key in latents.index:
                known_of = latents.loc[key]
                below = [
                    page.say(f"sa_{word}", value=known_of[column])
                    for word, column in (("index", "index"), ("r2", "r2_consistent" if consistent else "r2"))
                    if column in known_of and not pd.isna(known_of[column])
                ]
            up = 0.065 if below else 0
            ax.text(
                x,
                y + up,
                latent_name(page, key, names),
                ha="center",
                va="center",
                fontsize=page.size,
                zorder=4,
            )
            if below:
                ax.text(
                    x, y - 0.085, "  ".join(below), ha="center", va="center", fontsize=0.66 * page.size,
                    color=GREY, zorder=4,
                )  # fmt: skip
        taken = [(x + dx, y + dy) for x, y in at.values() for dx in (-0.2, 0, 0.2) for dy in (-0.08, 0.08)]
        listed = []
        for row in _records(table.sort_values("value", ascending=False)):
            value, lower, upper = row["value"], row["lower"], row["upper"]
            known = not (math.isnan(lower) or math.isnan(upper))
            unsure = known and lower <= 0 <= upper
            colour = "#9A9A9A" if unsure else OKABE_ITO["vermillion" if value < 0 else "blue"]
            a, b = at[row["source"]], at[row["target"]]
            ax.add_patch(
                FancyArrowPatch(
                    a, b, patchA=boxes[row["source"]], patchB=boxes[row["target"]], shrinkA=1, shrinkB=1,
                    arrowstyle="-|>", mutation_scale=20 * page.scale, color=colour, zorder=2,
                    linewidth=(1.2 + 6 * min(abs(value), 1)) * page.scale,
                )
            )  # fmt: skip
            x, y = _free_place(a, b, taken)
            taken += [(x - 0.12, y), (x, y), (x + 0.12, y)]
            text = _number(value) + (f"\n[{_number(lower)}, {_number(upper)}]" if known else "")
            ax.text(
                x, y, text, ha="center", va="center", fontsize=0.72 * page.size, color=dark(colour), zorder=5,
                linespacing=1.05, bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5, "alpha": 0.92},
            )  # fmt: skip
            ends = f" [{_number(lower)}, {_number(upper)}]" if known else ""
            who = f"{latent_name(page, row['source'], names)} → {latent_name(page, row['target'], names)}"
            listed.append(f"{who} {_number(value)}{ends}")
        xs, ys = zip(*at.values(), strict=True)
        ax.set_xlim(min(0.0, *xs) - 0.32, max(3.0, *xs) + 0.32)
        ax.set_ylim(min(0.0, *ys) - 0.25, max(2.0, *ys) + 0.22)
        if target not in set(table["target"]):
            target = table["target"].value_counts().index[0]
        into = table[table["target"] == target].sort_values("value", ascending=False)
        first = into.iloc[0]
        then = ""
        if len(into) > 1:
            second = into.iloc[1]
            then = page.say(
                "sa_path_then",
                name=latent_name(page, second["source"], names),
                value=_number(second["value"]),
            )
        found = page.say(
            "sa_path_title",
            target=latent_name(page, target, names),
            first=latent_name(page, first["source"], names),
            value=_number(first["value"]),
            then=then,
        )
        kind = page.say("sa_consistent") if consistent else ""
        sentence = page.say("sa_path_words", kind=kind, list=page.say("sa_stop").join(listed))
        return page.finish(title or found, sentence, note)


def _places(
    table: pd.DataFrame, given: Mapping[str, tuple[float, float]] | None
) -> dict[str, tuple[float, float]]:
    """Where each latent variable stands: as given, as usual, or by columns from causes to effects."""
    keys = list(dict.fromkeys([*table["source"], *table["target"]]))
    known = dict(PLACES) | dict(given or {})
    if all(key in known for key in keys):
        return {key: known[key] for key in keys}
    depth = dict.fromkeys(keys, 0)
    for _ in keys:
        for source, target in zip(table["source"], table["target"], strict=True):
            depth[target] = max(depth[target], depth[source] + 1)
    columns: dict[int, list[str]] = {}
    for key in keys:
        columns.setdefault(depth[key], []).append(key)
    last = max(columns) or 1
    out = {}
    for k, members in columns.items():
        for j, key in enumerate(members):
            y = 1.0 if len(members) == 1 else 0.15 + 1.7 * j / (len(members) - 1)
            # single boxes stand up and down in turn, so that an arrow over two columns meets no box
            if len(members) == 1 and 0 < k < last:
                y += 0.6 * (-1) ** k
            out[key] = (3.0 * k / last, y)
    return out | {key: (float(x), float(y)) for key, (x, y) in (given or {}).items() if key in out}


def _free_place(
    a: tuple[float, float], b: tuple[float, float], taken: list[tuple[float, float]]
) -> tuple[float, float]:
    """The point between a and b that is furthest from what is there already, near the middle if it can."""
    best, score = a, -1.0
    for t in (0.5, 0.45, 0.55, 0.4, 0.6, 0.35, 0.65, 0.3, 0.7, 0.27, 0.73):
        x, y = a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1])
        # labels are wider than high
        room = min(math.hypot((x - u) / 1.5, (y - v) * 1.4) for u, v in taken)
        room = min(room, 0.24) - 0.02 * abs(t - 0.5)
        if room > score:
            best, score = (x, y), room
    return best


# -- importance and performance --------------------------------------------------------------------


def importance_performance(
    table: pd.DataFrame,
    ax: Axes | None = None,
    note: str = "",
    *,
    names: Mapping[str, str] | None = None,
    title: str = "",
    language: str = "en",
) -> Axes:
    """Importance over performance with the cross-hair (重要性-绩效分析图).

    table: as `analysis.satisfaction.importance_performance` gives it, the driver as index. The quadrant to
    improve first (重点改进区) is shaded.
    """
    wanted = ["importance", "performance", "quadrant", "cross_performance", "cross_importance"]
    need(table, wanted, "importance_performance", "satisfaction.importance_performance")
    with a_page(ax, language) as page:
        ax = page.ax
        x, y = float(table["cross_performance"].iloc[0]), float(table["cross_importance"].iloc[0])
        left, right = _padded([*table["performance"], x])
        low, high = _padded([*table["importance"], y])
        ax.set_xlim(left, right)
        ax.set_ylim(low, high)
        ax.grid(visible=False)
        ax.fill_between([left, x], y, high, color=OKABE_ITO["orange"], alpha=0.12, linewidth=0, zorder=0)
        ax.axvline(x, color=GREY, linewidth=1.2, linestyle="--", zorder=1)
        ax.axhline(y, color=GREY, linewidth=1.2, linestyle="--", zorder=1)
        corners = {
            "concentrate": (0.01, 0.985, "left", "top"),
            "keep_up": (0.99, 0.985, "right", "top"),
            "low_priority": (0.01, 0.015, "left", "bottom"),
            "overkill": (0.99, 0.015, "right", "bottom"),
        }
        for key, (u, v, across, up) in corners.items():
            ax.text(
                u, v, page.say(f"sa_{key}"), transform=ax.transAxes, ha=across, va=up,
                fontsize=0.9 * page.size, color=dark(QUADRANT_COLOURS[key]), fontweight="bold",
            )  # fmt: skip
        colours = [QUADRANT_COLOURS[q] for q in table["quadrant"]]
        shown = [latent_name(page, k, names) for k in table.index]
        _labelled_points(page, table["performance"], table["importance"], shown, colours, (x, y))
        page.axes_words(page.say("sa_performance"), page.say("sa_importance"))
        parts = []
        for key in corners:
            here = [name for name, q in zip(shown, table["quadrant"], strict=True) if q == key]
            if here:
                parts.append(
                    page.say("sa_ipa_one", name=page.say(f"sa_{key}"), list=page.say("sa_and").join(here))
                )
        urgent = table[table["quadrant"] == "concentrate"].sort_values("importance", ascending=False)
        first = page.say("sa_and").join(latent_name(page, k, names) for k in urgent.index)
        found = page.say("sa_ipa_title", list=first) if first else page.say("sa_ipa_none")
        sentence = page.say("sa_ipa_words", x=x, y=y, list=page.say("sa_stop").join(parts))
        return page.finish(title or found, sentence, note)


def _padded(values: Sequence[float], share: float = 0.14) -> tuple[float, float]:
    low, high = min(values), max(values)
    room = share * ((high - low) or abs(high) or 1.0)
    return low - room, high + room


def _labelled_points(
    page: Page, x: Any, y: Any, texts: Sequence[str], colours: Sequence[str], cross: tuple[float, float]
) -> None:
    """Dots with their names beside them, on the side where there is room, off the lines of the cross."""
    ax = page.ax
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    ax.scatter(x, y, s=150 * page.scale**2, c=list(colours), zorder=3, edgecolors="white", linewidths=1)
    figure = ax.get_figure(root=True)
    assert figure is not None
    box, inches = ax.get_position(), figure.get_size_inches()
    (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
    # points (1/72 inch) in one unit of the data
    across = 72 * box.width * inches[0] / (right - left)
    up = 72 * box.height * inches[1] / (high - low)
    place = np.column_stack([(x - left) * across, (y - low) * up])
    size, dot = 0.9 * page.size, 8 * page.scale
    taken = [(u - dot, v - dot, u + dot, v + dot) for u, v in place]
    middle, line = (cross[0] - left) * across, (cross[1] - low) * up
    taken += [
        (middle - 1, 0, middle + 1, (high - low) * up),
        (0, line - 1, (right - left) * across, line + 1),
    ]
    for k in np.argsort(-y):
        text = texts[k]
        width = size * sum(1.0 if ord(c) > 0x2E80 else 0.58 for c in text)
        u, v = place[k]
        best, score, chosen = None, math.inf, taken[0]
        for dx, dy, ha, va in (
            (1.4, 0, "left", "center"), (-1.4, 0, "right", "center"), (0, 1.4, "center", "bottom"),
            (0, -1.4, "center", "top"), (1.1, 1.1, "left", "bottom"), (1.1, -1.1, "left", "top"),
            (-1.1, 1.1, "right", "bottom"), (-1.1, -1.1, "right", "top"),
        ):  # fmt: skip
            a = u + dx * dot - {"left": 0, "right": width, "center": width / 2}[ha]
            b = v + dy * dot - {"bottom": 0, "top": size, "center": size / 2}[va]
            own = (a, b, a + width, b + size)
            outside = max(0, -a) + max(0, a + width - (right - left) * across)
            cost = outside * size + sum(_overlap(own, other) for other in taken)
            if cost < score - 1e-9:
                best, score, chosen = (dx * dot, dy * dot, ha, va), cost, own
        assert best is not None
        taken.append(chosen)
        dx, dy, ha, va = best
        ax.annotate(
            text, (x[k], y[k]), (dx, dy), textcoords="offset points", ha=ha, va=va, fontsize=size,
            color=dark(colours[k]), zorder=4,
        )  # fmt: skip


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))


# -- drivers ---------------------------------------------------------------------------------------


def driver_importance(
    shares: pd.DataFrame,
    ax: Axes | None = None,
    note: str = "",
    *,
    truth: Mapping[str, float] | pd.Series | None = None,
    methods: Sequence[str] | None = None,
    names: Mapping[str, str] | None = None,
    title: str = "",
    language: str = "en",
) -> Axes:
    """Importance of the drivers by several methods (驱动因素重要性比较), with the truth where it is known.

    shares: `Drivers.shares` (`method`, `driver`, `share`, `lower`, `upper`). truth: driver -> weight in any
    unit, drawn as a black bar. methods: which of them; LMG, regression, correlation and stated importance
    if not given. Raises ValueError for an unknown method and a truth that leaves out a driver.
    """
    need(shares, ["method", "driver", "share"], "driver_importance", "drivers.drivers")
    there = list(dict.fromkeys(shares["method"]))
    usual = [m for m in ("lmg", "coefficient", "correlation", "stated") if m in there]
    chosen = list(methods) if methods is not None else (usual or there)
    if strange := [m for m in chosen if m not in there]:
        raise ValueError(
            f"driver_importance: no method {strange[0]!r}; there are {', '.join(map(str, there))}"
        )
    drivers = list(dict.fromkeys(shares["driver"]))
    table: Any = shares.set_index(["method", "driver"])
    weights = None
    if truth is not None:
        weights = pd.Series(dict(truth), dtype=float)
        if missing := [d for d in drivers if d not in weights.index]:
            raise ValueError(f"driver_importance: the truth says nothing of {missing[0]!r}")
        weights = 100 * weights[drivers] / weights[drivers].sum()
    by = weights if weights is not None else table.loc[chosen[0], "share"]
    order = sorted(drivers, key=lambda d: by[d])
    with a_page(ax, language) as page:
        ax = page.ax
        ax.grid(visible=False)
        ax.grid(axis="x", color=LIGHT, linewidth=0.8)
        step = 0.66 / max(len(chosen), 1)
        errors = {}
        for k, method in enumerate(chosen):
            part = 100 * table.loc[method][[c for c in ("share", "lower", "upper") if c in table]].astype(
                float
            )
            part = part.loc[order]
            colour, mark = METHOD_STYLES.get(method, (GREY, "o"))
            places = np.arange(len(order)) + 0.33 - step * (k + 0.5)
            if {"lower", "upper"} <= set(part) and part["lower"].notna().any():
                ax.hlines(
                    places, part["lower"], part["upper"], color=colour, linewidth=2.2 * page.scale, alpha=0.6
                )
            ax.scatter(
                part["share"], places, color=colour, marker=mark, s=75 * page.scale**2, zorder=3,
                label=_method(page, method), edgecolors="white", linewidths=0.6,
            )  # fmt: skip
            if weights is not None:
                errors[method] = float((part["share"] - weights[order]).abs().mean())
        if weights is not None:
            rows = np.arange(len(order))
            ax.vlines(
                weights[order], rows - 0.36, rows + 0.36, color=OKABE_ITO["black"], linewidth=3 * page.scale,
                label=page.say("sa_truth"), zorder=2,
            )  # fmt: skip
        for row in range(len(order) - 1):
            ax.axhline(row + 0.5, color=LIGHT, linewidth=0.8)
        ax.set_yticks(range(len(order)), [latent_name(page, d, names) for d in order], fontsize=page.size)
        ax.tick_params(axis="y", length=0)
        ax.set_ylim(-0.5, len(order) - 0.5)
        ax.set_xlim(left=0)
        page.axes_words(page.say("sa_share"), "")
        page.legend()
        if errors:
            best, worst = min(errors, key=errors.__getitem__), max(errors, key=errors.__getitem__)
            found = page.say(
                "sa_driver_truth",
                best=_method(page, best),
                low=errors[best],
                worst=_method(page, worst),
                high=errors[worst],
            )
        else:
            first = table.loc[chosen[0], "share"]
            found = page.say(
                "sa_driver_title",
                driver=latent_name(page, first.idxmax(), names),
                method=_method(page, chosen[0]),
                share=100 * first.max(),
            )
        said = []
        for d in reversed(order):
            values = [f"{_method(page, m)} {100 * table.loc[(m, d), 'share']:.0f} %" for m in chosen]
            if weights is not None:
                values.append(f"{page.say('sa_truth')} {weights[d]:.0f} %")
            said.append(
                page.say("sa_ipa_one", name=latent_name(page, d, names), list=page.say("sa_and").join(values))
            )
        sentence = page.say("sa_driver_words", n=len(chosen), list=page.say("sa_stop").join(said))
        return page.finish(title or found, sentence, note)


def _method(page: Page, method: str) -> str:
    return page.say(f"sa_{method}") if method in METHOD_STYLES else str(method)


# -- waves -----------------------------------------------------------------------------------------


def index_by_wave(
    table: pd.DataFrame,
    ax: Axes | None = None,
    note: str = "",
    *,
    measure: str = "index",
    title: str = "",
    language: str = "en",
) -> Axes:
    """A measure of satisfaction by wave, with its intervals.

    table: as `analysis.satisfaction.by_wave` gives it. measure: "index", "top_box" or "nps". Each survey is a
    line; the months are its axis where they are known, else the waves. The title compares the first wave
    of the first survey with its last as independent samples; a panel would tell smaller changes. Raises
    ValueError for an unknown measure or one that was not asked.
    """
    if measure not in ("index", "top_box", "nps"):
        raise ValueError(f'index_by_wave: measure must be "index", "top_box" or "nps", not {measure!r}')
    ends = [measure, f"{measure}_lower", f"{measure}_upper"]
    need(table, ["wave", *ends], "index_by_wave", "satisfaction.by_wave")
    table = table[table[measure].notna()]
    if table.empty:
        raise ValueError(f"index_by_wave: no wave has {measure!r}")
    factor = 100.0 if measure == "top_box" else 1.0
    with a_page(ax, language) as page:
        ax = page.ax
        what = page.say("sa_csi" if measure == "index" else f"sa_{measure}")
        by_month = "month" in table and table["month"].notna().all()
        across = table["month"] if by_month else table["wave"]
        surveys = list(dict.fromkeys(table["survey"])) if "survey" in table else [""]
        colours = [OKABE_ITO[c] for c in ("blue", "orange", "green", "purple", "sky", "vermillion")]
        last: dict[str, tuple[float, float, str]] = {}
        dodge = 0.012 * float(across.max() - across.min())  # intervals of the same month side by side
        for k, survey in enumerate(surveys):
            mine = table["survey"] == survey if "survey" in table else table["wave"].notna()
            part, x = factor * table.loc[mine, ends].astype(float), across[mine].astype(float)
            x = x + dodge * (k - (len(surveys) - 1) / 2)
            colour = colours[k % len(colours)]
            ax.plot(
                x,
                part[measure],
                color=colour,
                linewidth=2.4 * page.scale,
                marker="o",
                markersize=9 * page.scale,
            )
            ax.vlines(x, part[ends[1]], part[ends[2]], color=colour, linewidth=2.4 * page.scale, alpha=0.7)
            if len(surveys) == 1:
                for u, v, top in zip(x, part[measure], part[ends[2]], strict=True):
                    page.value(u, top, _number(v, 1))
            last[str(survey)] = (float(x.iloc[-1]), float(part[measure].iloc[-1]), colour)
        low, high = _padded(list(factor * table[ends].to_numpy(dtype=float).ravel()), 0.12)
        ax.set_ylim(low, high)
        ticks = sorted(across.unique())
        margin = 0.06 * ((ticks[-1] - ticks[0]) or 1)
        if len(surveys) > 1:
            page.label_ends(last, "{:.1f}")
        ax.set_xlim(ticks[0] - margin, ticks[-1] + margin)
        if len(ticks) <= 12:
            ax.set_xticks(ticks, [f"{t:.0f}" for t in ticks])
        page.axes_words(page.say("sa_month" if by_month else "sa_wave"), what)
        own = table[table["survey"] == surveys[0]] if "survey" in table else table
        told = [
            f"{int(row['month' if by_month else 'wave'])}: {_number(factor * row[measure], 1)} "
            f"[{_number(factor * row[ends[1]], 1)}, {_number(factor * row[ends[2]], 1)}]"
            for row in _records(own)
        ]
        sentence = page.say("sa_wave_words", what=what, list=page.say("sa_stop").join(told))
        return page.finish(
            title or _change(page, own, ends, factor, page.say(f"sa_the_{measure}")), sentence, note
        )


def _change(page: Page, own: pd.DataFrame, ends: list[str], factor: float, what: str) -> str:
    first, last = factor * own[ends].iloc[0].astype(float), factor * own[ends].iloc[-1].astype(float)
    if len(own) < 2:
        return page.say("sa_one", what=what, value=first.iloc[0], low=first.iloc[1], high=first.iloc[2])
    change = float(last.iloc[0] - first.iloc[0])
    reach = math.hypot((first.iloc[2] - first.iloc[1]) / 2, (last.iloc[2] - last.iloc[1]) / 2)
    key = "sa_chance" if abs(change) <= reach else "sa_up" if change > 0 else "sa_down"
    return page.say(key, what=what, change=_number(change, 1) if key == "sa_chance" else abs(change))


# -- Kano ------------------------------------------------------------------------------------------


def kano(
    table: pd.DataFrame,
    ax: Axes | None = None,
    note: str = "",
    *,
    names: Mapping[str, str] | None = None,
    title: str = "",
    language: str = "en",
) -> Axes:
    """Kano's better and worse coefficients of each feature (卡诺图).

    table: as `analysis.satisfaction.kano` gives it, the feature as index. Dots have the colour of the most
    frequent category; the quadrants at .5 are named after the category their coefficients point to.
    """
    need(table, ["better", "worse", "category"], "kano", "satisfaction.kano")
    with a_page(ax, language) as page:
        ax = page.ax
        ax.set_xlim(-0.03, 1.03)
        ax.set_ylim(-0.03, 1.03)
        ax.grid(visible=False)
        ax.axvline(0.5, color=GREY, linewidth=1.2, linestyle="--", zorder=1)
        ax.axhline(0.5, color=GREY, linewidth=1.2, linestyle="--", zorder=1)
        for key, u, v in (("I", 0.01, 0.015), ("M", 0.99, 0.015), ("A", 0.01, 0.985), ("O", 0.99, 0.985)):
            ax.text(
                u, v, page.say(f"sa_{key}"), transform=ax.transAxes, ha="left" if u < 0.5 else "right",
                va="bottom" if v < 0.5 else "top", fontsize=0.9 * page.size, fontweight="bold",
                color=dark(KANO_COLOURS[key]),
            )  # fmt: skip
        known = table[table["better"].notna()]
        shown = [latent_name(page, k, names) for k in known.index]
        colours = [KANO_COLOURS.get(c, GREY) for c in known["category"]]
        _labelled_points(page, -known["worse"], known["better"], shown, colours, (0.5, 0.5))
        page.axes_words(page.say("sa_worse"), page.say("sa_better"))
        must, delight = (
            page.say("sa_and").join(n for n, c in zip(shown, known["category"], strict=True) if c == letter)
            for letter in "MA"
        )
        if must and delight:
            found = page.say("sa_kano_title", list=must, other=delight)
        elif must:
            found = page.say("sa_kano_must", list=must)
        else:
            found = page.say("sa_kano_delight", list=delight) if delight else page.say("sa_kano_none")
        told = [
            f"{name} {page.say('sa_' + row['category'])} ({_number(row['better'])}, {_number(row['worse'])})"
            for name, row in zip(shown, _records(known), strict=True)
        ]
        sentence = page.say("sa_kano_words", list=page.say("sa_stop").join(told))
        return page.finish(title or found, sentence, note)
