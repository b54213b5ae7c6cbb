"""Figure of methods graded over several worlds.

It takes what `crmsim.research.methods` gives, or anything with the same columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .style import a_page, add_words, minus
from .targeting import METHODS, TASK_COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

add_words(
    {
        "methods.title": ("{task}: {list}", "{task}：{list}"),
        "methods.part": ("{method} ahead in {some} of {all}", "{method}领先{some}次（共{all}次）"),
        "methods.note": (
            "0: guessing, 1: the truth; in brackets the interval of the mean; bold: ahead",
            "0为猜测，1为知道真相；括号内为均值的区间；粗体为领先者",
        ),
        "methods.cell": ("{method} in {world} {grade}", "{world}中{method}为{grade}"),
        "methods.words": ("Grades of the methods at {task}. {list}.", "各方法在“{task}”上的成绩。{list}。"),
    }
)


def method_grades(
    table: pd.DataFrame,
    ax: Axes | None = None,
    note: str = "",
    *,
    names: Mapping[str, str] | None = None,
    title: str = "",
    language: str = "en",
) -> Axes:
    """Grades of the methods at one task: a row a method, a column a world, the best of a world in bold.

    table: a row a world and method with world, task, method, grade, grade_low, grade_high, as
    `research.methods.Grades.table` of one task and measure. names: words for the worlds. Raises ValueError
    for a table without these columns, without a grade, or of several tasks.
    """
    wanted = ("world", "task", "method", "grade", "grade_low", "grade_high")
    if lacking := [name for name in wanted if name not in table]:
        raise ValueError(f"method_grades: the table lacks {lacking[0]!r}")
    graded = table.dropna(subset=["grade"])
    if graded.empty:
        raise ValueError("method_grades: no row of the table has a grade")
    if graded["task"].nunique() > 1 or graded.duplicated(["world", "method"]).any():
        raise ValueError("method_grades: the table must be of one task and one measure")
    task = str(graded["task"].iloc[0])
    worlds, methods = (list(dict.fromkeys(graded[c])) for c in ("world", "method"))
    own = dict(names or {})
    cells = graded.pivot(index="method", columns="world", values="grade").loc[methods, worlds]
    values = cells.to_numpy(float)
    order = np.argsort(-np.nanmean(values, axis=1), kind="stable")
    values, methods = values[order], [methods[k] for k in order]
    best = np.nanargmax(values, axis=0)
    ends = graded.set_index(["method", "world"])[["grade_low", "grade_high"]]
    with a_page(ax, language, height=2.6 + 0.75 * len(methods)) as page:
        zh = page.language == "zh"
        page.ax.grid(False)
        page.ax.spines[["left", "bottom"]].set_visible(False)
        picture = page.ax.imshow(np.clip(values, 0, 1), cmap="Blues", vmin=-0.1, vmax=1.25, aspect="auto")
        told = []
        called = [METHODS.get(str(m), (str(m), str(m)))[zh] for m in methods]
        for i, j in zip(*np.nonzero(~np.isnan(values)), strict=True):
            red, green, blue, _ = picture.to_rgba(np.clip(values[i, j], 0, 1))
            ink = "white" if 0.3 * red + 0.59 * green + 0.11 * blue < 0.55 else "black"
            page.ax.text(
                j, i - 0.13, minus(f"{values[i, j]:.2f}"), ha="center", va="center", color=ink,
                fontsize=page.size, fontweight="bold" if best[j] == i else "normal",
            )  # fmt: skip
            low, high = ends.loc[(methods[i], worlds[j])]
            if np.isfinite(low):
                page.ax.text(
                    j, i + 0.22, minus(f"[{low:.2f}, {high:.2f}]"), ha="center", va="center", color=ink,
                    fontsize=0.68 * page.size,
                )  # fmt: skip
            world = own.get(worlds[j], worlds[j])
            told.append(
                page.say("methods.cell", method=called[i], world=world, grade=minus(f"{values[i, j]:.2f}"))
            )
        page.ax.set_xticks(
            range(len(worlds)),
            [own.get(w, w).replace(" ", "\n", 1) for w in worlds],
            fontsize=0.85 * page.size,
        )
        page.ax.xaxis.tick_top()
        page.ax.set_yticks(range(len(methods)), called, fontsize=0.95 * page.size)
        page.ax.tick_params(length=0)
        winners = {
            called[k]: [own.get(worlds[j], worlds[j]) for j in np.flatnonzero(best == k)] for k in set(best)
        }
        parts = [
            page.say("methods.part", method=m, some=len(w), all=len(worlds))
            for m, w in sorted(winners.items(), key=lambda pair: -len(pair[1]))
        ]
        question = page.say(f"tg_{task}") if task in TASK_COLOURS else task
        found = page.say("methods.title", task=question, list=page.listed(parts))
        sentence = page.say("methods.words", task=question, list=("；" if zh else "; ").join(told))
        return page.finish(
            title or found, sentence, "\n".join(filter(None, (note, page.say("methods.note"))))
        )
