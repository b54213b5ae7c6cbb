"""How many to ask: for a level, and for a change between two waves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import ipywidgets
import numpy as np

from ...analysis.sampling import change_sample_size, cluster_effect, detectable_change, sample_size
from ...plots.style import OKABE_ITO, dark
from ..controls import Group, Number
from ..page import Card, Page
from ..picture import Picture
from ..titles import fitted
from ..words import Pair
from ..worker import Task

MARGINS = np.arange(1.0, 10.01, 0.25)
CHANGES = np.arange(0.5, 8.01, 0.25)

TEXT: dict[str, Pair] = {
    "level": ("A share, once (满意率)", "一次调查的满意率"),
    "population": ("Customers there are (总体)", "客户总数"),
    "margin": ("Known within ± (允许误差)", "允许误差 ±"),
    "percent": ("percentage points", "百分点"),
    "how": ("How they are asked (抽样)", "抽样"),
    "cluster": ("Asked in one street (群)", "每群人数"),
    "cluster_help": ("1: everybody drawn alone; neighbours answer alike", "1为逐人抽取；邻居的回答相近"),
    "alike": ("Neighbours alike (群内相关)", "群内相关"),
    "response": ("Chance to answer (应答率)", "应答率"),
    "share": ("share", "比例"),
    "change": ("A change of the index (变化)", "指数的变化"),
    "points": ("points", "分"),
    "wanted": ("Change to be seen (变化)", "要辨识的变化"),
    "sd": ("Spread of answers (标准差)", "回答的标准差"),
    "same": ("Same people again, r (固定样本)", "固定样本的相关r"),
    "same_help": ("0: two samples of their own", "0：两次独立抽样"),
    "answers": ("Answers for ±{margin:g} (样本量)", "±{margin:g}所需回答"),
    "answers_detail": ("of {population:,}; {simple:,} without streets", "共{population:,}；不分群{simple:,}"),
    "ask": ("To be asked (询问)", "需询问"),
    "ask_detail": ("{share:.0%} answer", "{share:.0%}应答"),
    "wave": ("Answers in each wave (每次)", "每次调查所需回答"),
    "wave_detail": ("to see {change:g} points in 4 of 5 cases", "五次中四次辨识{change:g}分"),
    "blind": ("What the first sample sees", "前一样本能辨识"),
    "blind_detail": ("change in 4 of 5 cases", "五次中四次辨识的变化"),
    "level_title": ("±{margin:g} points: {n:,} answers", "±{margin:g}个百分点：{n:,}份回答"),
    "change_title": ("{change:g} points of change: {n:,} a wave", "变化{change:g}分：每次{n:,}份"),
    "level_x": ("known within ±, percentage points", "允许误差±，百分点"),
    "change_x": ("change of the index, points", "指数的变化，分"),
    "y": ("answers", "回答数"),
    "all": ("all customers", "全部客户"),
    "sentence": (
        "To know the share of satisfied customers within ±{margin:g} percentage points takes {n:,} answers: "
        "{asked:,} must be asked. So many see a change of the index between two waves only from {seen:.1f} "
        "points on; {change:g} points take {wave:,} in each wave.",
        "满意率误差在±{margin:g}个百分点以内需{n:,}份回答，即询问{asked:,}名。"
        "同样多的回答只能辨识两次调查间{seen:.1f}分以上的指数变化；{change:g}分需每次{wave:,}份。",
    ),
    "foot": (
        "confidence 95 %, a share of one half (which needs most), power 80 %; n = z² p (1 − p) / e² with the "
        "correction for {population:,} customers and the design effect {effect:.2f}; no larger sample mends "
        "who does not answer",
        "置信度95%，比例取0.5（需要最多），功效80%；n = z² p (1 − p) / e²，按{population:,}名客户作有限总体"
        "校正，设计效应{effect:.2f}；增大样本不能弥补无应答",
    ),
}  # fmt: skip


class Sizes(NamedTuple):
    """What `compute` found. answers: for the margin, of them `simple` without clusters; asked: customers to
    ask; wave: answers in each wave for the change; seen: change that `answers` in each wave see."""

    answers: int
    simple: int
    asked: int
    wave: int
    seen: float
    effect: float
    values: dict[str, Any]


class SampleSize(Page):
    """Sliders for margin, clusters, response and change; the sizes that follow by the standard formulas."""

    name = "sample"
    texts = TEXT
    question = ("How many customers must be asked?", "需要询问多少客户？")
    about = ("sample size for a level and for a change", "水平与变化所需的样本量")
    preset = "water_utility"
    customers = 20_000
    css = "city.css"

    def groups(self) -> Sequence[Group]:
        people = self.scenario.population.size
        return [
            Group(TEXT["level"], [
                Number("margin", TEXT["margin"], 5, 1, 10, 0.25, TEXT["percent"]),
                Number("population", TEXT["population"], people, min(200, people), 10 * people, 100,
                       whole=True),
            ]),
            Group(TEXT["how"], [
                Number("cluster", TEXT["cluster"], 1, 1, 50, 1, help=TEXT["cluster_help"], whole=True),
                Number("alike", TEXT["alike"], 0.05, 0, 0.5, 0.01),
                Number("response", TEXT["response"], 0.1, 0.02, 1, 0.01, TEXT["share"]),
            ]),
            Group(TEXT["change"], [
                Number("change", TEXT["wanted"], 2, 0.5, 8, 0.25, TEXT["points"]),
                Number("sd", TEXT["sd"], 21, 5, 35, 0.5, TEXT["points"]),
                Number("same", TEXT["same"], 0, 0, 0.9, 0.05, help=TEXT["same_help"]),
            ]),
        ]  # fmt: skip

    def build(self) -> Sequence[Any]:
        self.level = Picture(4.4, 4.0, language=self.language, dpi=150)
        self.change = Picture(4.4, 4.0, language=self.language, dpi=150)
        for picture in (self.level, self.change):
            picture.margins(0.225, 0.97, 0.15, 0.91)
        row = ipywidgets.HBox([self.level.widget, self.change.widget])
        row.add_class("cs-row")
        return [row]

    def compute(self, values: dict[str, Any], task: Task) -> Iterator[Any]:
        effect = cluster_effect(values["cluster"], values["alike"])
        answers = self._answers(values["margin"], values, effect)
        waves = {"sd": values["sd"], "correlation": values["same"], "design_effect": effect}
        yield Sizes(
            answers, self._answers(values["margin"], values, 1.0), round(answers / values["response"]),
            change_sample_size(values["change"], **waves), detectable_change(answers, **waves), effect,
            values,
        )  # fmt: skip

    @staticmethod
    def _answers(margin: float, values: dict[str, Any], effect: float) -> int:
        return sample_size(margin / 100, int(values["population"]), design_effect=effect)

    def show(self, found: Sizes) -> None:
        v = found.values
        words = {"margin": v["margin"], "change": v["change"], "population": int(v["population"])}
        self.cards(
            Card(self.text("answers", **words), f"{found.answers:,}",
                 self.text("answers_detail", simple=found.simple, **words)),
            Card(self.text("ask"), f"{found.asked:,}", self.text("ask_detail", share=v["response"])),
            Card(self.text("wave"), f"{found.wave:,}", self.text("wave_detail", **words)),
            Card(self.text("blind"), f"{found.seen:.1f}", self.text("blind_detail")),
        )  # fmt: skip
        waves = {"sd": v["sd"], "correlation": v["same"], "design_effect": found.effect}
        at = [self._answers(m, v, found.effect) for m in MARGINS]
        self._draw(self.level, "level", MARGINS, at, (v["margin"], found.answers), **words, n=found.answers)
        at = [change_sample_size(c, **waves) for c in CHANGES]
        self._draw(self.change, "change", CHANGES, at, (v["change"], found.wave), **words, n=found.wave)
        self.say(
            self.text("sentence", n=found.answers, asked=found.asked, seen=found.seen, wave=found.wave,
                      **words),
            self.text("foot", effect=found.effect, **words),
        )  # fmt: skip

    def _draw(self, picture: Picture, key: str, x: np.ndarray, y: Sequence[int], here: tuple[float, int],
              **words: Any) -> None:  # fmt: skip
        title = self.text(f"{key}_title", **words)
        blue = OKABE_ITO["blue"]
        with picture.drawing(title) as (ax,):
            ax.clear()
            ax.spines[["top", "right"]].set_visible(False)
            ax.plot(x, y, color=blue, linewidth=2.8)
            ax.plot(*here, "o", color=OKABE_ITO["vermillion"], markersize=12, zorder=4)
            ax.annotate(f"{here[1]:,}", here, (10, 8), textcoords="offset points", fontsize=15,
                        fontweight="bold", color=dark(OKABE_ITO["vermillion"]))  # fmt: skip
            people = words["population"]
            if max(y) > people:
                ax.axhline(people, color="black", linestyle="--", linewidth=1.4)
                ax.text(x[-1], people, self.text("all"), ha="right", va="bottom", fontsize=13)
            ax.set_yscale("log")
            ticks = [10**k * m for k in range(1, 7) for m in (1, 3)]
            low, high = min(y) / 1.4, max(y) * 1.4
            ax.set_ylim(low, high)
            ax.set_yticks([t for t in ticks if low <= t <= high])
            ax.set_yticks([], minor=True)
            ax.yaxis.set_major_formatter(lambda number, _: f"{number:,.0f}")
            ax.set_xlabel(self.text(f"{key}_x"), fontsize=14)
            ax.set_ylabel(self.text("y"), fontsize=14, labelpad=1)
            ax.set_title(fitted(title, self.language, 44), fontsize=15, x=-0.27)
