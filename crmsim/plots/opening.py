"""Figure of an opened market: the share switched beside what is published.

It takes what `crmsim.research.opening` gives, or anything with the same tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

from .style import GREY, OKABE_ITO, POLICY_COLOURS, a_page, add_words, dark

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARKET_COLOURS = {"england": OKABE_ITO["blue"], "energy": OKABE_ITO["orange"]}

add_words(
    {
        "opening.england": ("England: businesses' water", "英格兰：非居民供水"),
        "opening.energy": ("British homes: energy", "英国：居民能源"),
        "opening.years": ("years since the opening", "开放后的年数"),
        "opening.switched": ("switched to a rival, %", "已转向竞争对手，%"),
        "opening.part": ("{share} in {years} years ({name})", "{name}{years}年{share}"),
        "opening.title": ("Switched: {list}", "转走比例：{list}"),
        "opening.key": (
            "lines: simulated, with the 95 % interval of the mean · dots: published, of supply points; "
            "rings: of customers",
            "线：模拟结果与均值的95%区间 · 实点：公布值（供水点）；空心点：公布值（客户）",
        ),
        "opening.simulated": (
            "{name}: simulated {share} [{low}, {high}] after {years} years",
            "{name}：模拟{years}年后{share} [{low}, {high}]",
        ),
        "opening.point": ("published {share} % after {years}", "公布{years}年时{share}%"),
        "opening.words": (
            "Share of customers switched since the opening. {list}.",
            "开放以来转走的客户比例。{list}。",
        ),
    }
)


def market_opening(
    curves: Mapping[str, pd.DataFrame],
    published: Mapping[str, pd.DataFrame],
    ax: Axes | None = None,
    note: str = "",
    *,
    names: Mapping[str, str] | None = None,
    title: str = "",
    language: str = "en",
) -> Axes:
    """Share switched by years since the opening: simulated lines with their intervals, published points.

    curves: market -> year, mean, low, high, as `MarketOpening.curve`. published: market -> year, share,
    counted ("customers" are drawn as rings), as `Published.table`; those of markets without a curve are shown
    as well. names: words for markets other than "england" and "energy".

    Raises ValueError without a curve, and for tables that lack a column.
    """
    if not curves:
        raise ValueError("market_opening: no curve is given")
    for name, table in curves.items():
        _need(table, ("year", "mean", "low", "high"), f"the curve of {name!r}")
    for name, table in published.items():
        _need(table, ("year", "share", "counted"), f"the published figures of {name!r}")
    own = dict(names or {})
    others = iter([c for c in POLICY_COLOURS if c not in MARKET_COLOURS.values()] + [GREY])
    markets = list(dict.fromkeys([*curves, *published]))
    colours = {name: MARKET_COLOURS.get(name) or next(others) for name in markets}
    with a_page(ax, language) as page:

        def called(name: str) -> str:
            return own.get(name) or (page.say(f"opening.{name}") if name in MARKET_COLOURS else name)

        last = max(float(table["year"].max()) for table in [*curves.values(), *published.values()])
        top = max(
            [float(t["high"].max()) for t in curves.values()]
            + [float(t["share"].max()) for t in published.values()]
        )
        page.ax.set_ylim(0, max(112 * top, 1.0))
        ends, told, parts = {}, [], []
        for name in markets:
            colour, words = colours[name], []
            if name in curves:
                table = curves[name]
                x, mean = table["year"], 100 * table["mean"]
                page.ax.fill_between(
                    x, 100 * table["low"], 100 * table["high"], color=colour, alpha=0.3, lw=0
                )
                page.ax.plot(x, mean, color=colour, lw=3.2 * page.scale)
                end = table.iloc[-1]
                ends[called(name)] = (float(end["year"]), float(mean.iloc[-1]), colour)
                share, low, high = (page.percent(float(end[c])) for c in ("mean", "low", "high"))
                years = f"{float(end['year']):g}"
                words.append(
                    page.say(
                        "opening.simulated", name=called(name), share=share, low=low, high=high, years=years
                    )
                )
                parts.append(page.say("opening.part", share=share, years=years, name=called(name)))
            points = published.get(name, pd.DataFrame(columns=["year", "share", "counted"]))
            shares = 100 * points["share"].to_numpy(float)
            for year, y, counted in zip(points["year"].tolist(), shares, points["counted"], strict=True):
                ring = counted == "customers"
                page.ax.plot(
                    year, y, "o", ms=11 * page.scale, mec=dark(colour), mew=2.2,
                    mfc="white" if ring else dark(colour), zorder=4, clip_on=False,
                )  # fmt: skip
                # Numbers of dots above, of rings below, as both kinds come close together.
                side = "center" if not ring else "right" if year > 0.9 * last else "left"
                away = (0, 9) if not ring else (-10 if side == "right" else 9, -16)
                page.ax.annotate(
                    f"{y:.3g}", (year, y), away, textcoords="offset points", ha=side,
                    color=dark(colour), fontsize=0.9 * page.size,
                )  # fmt: skip
                words.append(page.say("opening.point", share=f"{y:.3g}", years=f"{year:g}"))
            told.append((", " if page.language == "en" else "，").join(words))
        page.label_ends(ends, "{:.0f} %" if page.language == "en" else "{:.0f}%")
        page.ax.set_xlim(0, last)  # published figures may go on where the simulated end
        page.axes_words(page.say("opening.years"), page.say("opening.switched"))
        sentence = page.say(
            "opening.words", list=". ".join(told) if page.language == "en" else "；".join(told)
        )
        found = page.say("opening.title", list=page.listed(parts))
        return page.finish(title or found, sentence, "; ".join(filter(None, (note, page.say("opening.key")))))


def _need(table: pd.DataFrame, columns: tuple[str, ...], whose: str) -> None:
    if lacking := [name for name in columns if name not in table]:
        raise ValueError(f"market_opening: {whose} lacks {lacking[0]!r}")
