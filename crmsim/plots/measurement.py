"""Figures of measurement: how well questions go together, and whether two concepts are told apart.

Each takes a table that `crmsim.analysis.pls` returns, or one with the same columns. `names` gives the words
to show for latent variables.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .satisfaction import latent_name
from .style import GREY, OKABE_ITO, a_page, add_words, dark, need

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# column -> colour, mark, and the usual limit
MEASURES = {
    "alpha": (OKABE_ITO["blue"], "o", 0.7),
    "cr": (OKABE_ITO["green"], "s", 0.7),
    "ave": (OKABE_ITO["orange"], "^", 0.5),
}

add_words(
    {
        "me_alpha": ("Cronbach's alpha", "克隆巴赫系数"),
        "me_cr": ("composite reliability", "组合信度"),
        "me_ave": ("average variance extracted", "平均方差提取量"),
        "me_value": ("alpha, CR, AVE", "克隆巴赫系数、组合信度、平均方差提取量"),
        "me_limits": ("alpha and CR {limit:g}", "α与CR {limit:g}"),
        "me_limit_ave": ("AVE {limit:g}", "AVE {limit:g}"),
        "me_short_alpha": ("alpha", "α"),
        "me_short_cr": ("CR", "CR"),
        "me_short_ave": ("AVE", "AVE"),
        "me_weak": (
            "Below the usual limits (alpha and CR .7, AVE .5): {list}",
            "低于通常界限（α与CR为0.7，AVE为0.5）：{list}",
        ),
        "me_sound": (
            "All {n} concepts are measured well enough: alpha and CR above .7, AVE above .5",
            "{n}个概念均达标：α与CR高于0.7，AVE高于0.5",
        ),
        "me_one": ("{name}: {list}", "{name}：{list}"),
        "me_words": (
            "Cronbach's alpha, composite reliability (CR) and average variance extracted (AVE) of "
            "concepts with several questions. {list}.",
            "多题概念的克隆巴赫系数（α）、组合信度（CR）与平均方差提取量（AVE）。{list}。",
        ),
        "me_apart": (
            "All concepts are told apart: the highest ratio is {value:.2f} ({pair})",
            "各概念可以区分：最高比值为{value:.2f}（{pair}）",
        ),
        "me_not_apart": (
            "Hardly told apart, ratio at or above {limit:g}: {list}",
            "难以区分，比值不低于{limit:g}：{list}",
        ),
        "me_htmt_words": (
            "Heterotrait-monotrait ratios (HTMT) of all pairs, red from {limit:g} on; the highest: {list}.",
            "各对概念的异质-单质比（HTMT），{limit:g}及以上为红色；最高：{list}。",
        ),
        "me_and": ("{a} and {b}", "{a}与{b}"),
        "me_stop": ("; ", "；"),
    }
)


def reliability(
    table: pd.DataFrame,
    ax: Axes | None = None,
    note: str = "",
    *,
    names: Mapping[str, str] | None = None,
    title: str = "",
    language: str = "en",
) -> Axes:
    """Cronbach's alpha, composite reliability and AVE of each concept, and their limits: 信度与收敛效度.

    table: of `analysis.pls.reliability`, or `PathFit.latents`: a row a latent variable, alpha, cr, ave. One
    measured by a single question has no alpha and is left out. The limits are .7 for alpha and CR, .5 for AVE
    (Nunnally 1978; Fornell & Larcker 1981). Raises ValueError without these columns, and where every latent
    variable has a single question.
    """
    need(table, tuple(MEASURES), "reliability", "pls.reliability")
    table = table[table["alpha"].notna()]
    if not len(table):
        raise ValueError("reliability: no concept has more than one question, so there is nothing to compare")
    keys = list(table["latent"] if "latent" in table.columns else table.index)
    with a_page(ax, language, height=max(4.4, 2.4 + 0.62 * len(table))) as page:
        shown = [latent_name(page, key, names) for key in keys]
        place = np.arange(len(table))[::-1]
        for limit in sorted({limit for *_, limit in MEASURES.values()}):
            page.ax.axvline(limit, color=GREY, linewidth=1.4, linestyle=(0, (4, 3)), zorder=1)
            page.ax.annotate(
                page.say("me_limits" if limit > 0.6 else "me_limit_ave", limit=limit),
                (limit, -0.75), (-5, 0), textcoords="offset points", ha="right", va="center",
                fontsize=0.85 * page.size, color=GREY,
            )  # fmt: skip
        shift = dict(zip(MEASURES, (0.2, 0.0, -0.2), strict=True))
        for key, (colour, mark, _) in MEASURES.items():
            page.ax.plot(
                table[key].to_numpy(float), place + shift[key], mark, color=colour, linestyle="",
                markersize=12 * page.scale, label=page.say(f"me_{key}"), zorder=3,
            )  # fmt: skip
        page.legend(0.85)
        values = table[list(MEASURES)].to_numpy(float)
        page.ax.set_xlim(max(0.0, math.floor(10 * min(float(np.nanmin(values)), 0.45) - 0.5) / 10), 1.01)
        page.ax.set_ylim(-1.0, len(table) - 0.5)  # below is room for the limits
        page.rows(place, shown)
        page.axes_words(page.say("me_value"), "")
        short = {key: page.say(f"me_short_{key}") for key in MEASURES}
        low, told = [], []
        for name, row in zip(shown, values, strict=True):
            each = dict(zip(MEASURES, row, strict=True))
            told.append(
                page.say(
                    "me_one", name=name, list=page.listed(f"{short[k]} {x:.2f}" for k, x in each.items())
                )
            )
            if under := [short[k] for k, x in each.items() if x < MEASURES[k][2]]:
                low.append(f"{name} ({page.listed(under)})")
        found = page.say("me_weak", list=page.listed(low)) if low else page.say("me_sound", n=len(table))
        sentence = page.say("me_words", list=page.say("me_stop").join(told))
        return page.finish(title or found, sentence, note)


def htmt(
    ratios: pd.DataFrame,
    ax: Axes | None = None,
    note: str = "",
    *,
    limit: float = 0.9,
    names: Mapping[str, str] | None = None,
    title: str = "",
    language: str = "en",
) -> Axes:
    """Heterotrait-monotrait ratios of all pairs of concepts: are they told apart? 区分效度.

    ratios: of `analysis.pls.htmt`, or `PathFit.htmt`: square, latent variables as rows and columns. limit:
    from which on two concepts count as not told apart, .9 after Henseler, Ringle & Sarstedt (2015), .85 to be
    stricter. Raises ValueError for a table that is not square, and for fewer than two concepts.
    """
    if not isinstance(ratios, pd.DataFrame) or list(ratios.index) != list(ratios.columns) or len(ratios) < 2:
        raise ValueError("htmt: give the square table of analysis.pls.htmt, of at least two concepts")
    values = ratios.to_numpy(float)
    n = len(values)
    pairs = sorted(((values[i, j], i, j) for i in range(n) for j in range(i)), reverse=True)
    if not math.isfinite(pairs[0][0]):
        raise ValueError("htmt: a ratio is missing or infinite")
    with a_page(ax, language, height=max(5.0, 2.6 + 0.62 * n)) as page:
        shown = [latent_name(page, key, names) for key in ratios.index]
        page.ax.grid(visible=False)
        page.ax.spines[["left", "bottom"]].set_visible(False)
        for value, i, j in pairs:
            over = value >= limit
            # below the limit the deeper blue is the nearer to it
            colour = OKABE_ITO["vermillion" if over else "blue"]
            depth = 0.35 if over else 0.45 * max(value, 0.0) / limit
            page.ax.fill_between(
                [j - 0.48, j + 0.48], i - 0.46, i + 0.46, color=colour, alpha=depth, linewidth=0
            )
            page.ax.text(
                j, i, f"{value:.2f}", ha="center", va="center", fontsize=page.size,
                fontweight="bold" if over else "normal", color=dark(colour) if over else "black",
            )  # fmt: skip
        page.ax.set_xlim(-0.5, n - 1.5)
        page.ax.set_ylim(n - 0.5, 0.5)
        page.ax.set_yticks(range(1, n), shown[1:])
        page.ax.set_xticks(range(n - 1), shown[:-1])
        page.ax.tick_params(length=0)

        def pair(i: int, j: int) -> str:
            return page.say("me_and", a=shown[j], b=shown[i])

        near = [pair(i, j) for value, i, j in pairs if value >= limit]
        if near:
            more = [f"+{len(near) - 3}"] if len(near) > 3 else []
            found = page.say("me_not_apart", limit=limit, list=page.listed([*near[:3], *more]))
        else:
            found = page.say("me_apart", value=pairs[0][0], pair=pair(*pairs[0][1:]))
        told = [f"{pair(i, j)} {value:.2f}" for value, i, j in pairs[:5]]
        return page.finish(
            title or found, page.say("me_htmt_words", limit=limit, list=page.listed(told)), note
        )
