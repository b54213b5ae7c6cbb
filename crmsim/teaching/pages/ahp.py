"""The indicator tree: pairwise comparisons, the weights they give, and what that does to the index."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import ipywidgets
import numpy as np
import pandas as pd

from ...analysis.drivers import AHP, ahp, entropy_weights
from ...analysis.satisfaction import csi
from ...plots.style import GREY, OKABE_ITO
from ...simulation import survey as surveys
from ...simulation.scenario import Scenario
from ..controls import Choice, Control, Group, Number, Switch
from ..page import Card, Page
from ..picture import Picture
from ..titles import fitted
from ..uncertainty import signed
from ..words import Pair
from ..worker import Task
from .choices import preset_choice
from .ipa import scores
from .survey import ask, population

LEVELS: dict[str, Pair] = {
    "material": ("material (物质)", "物质"),
    "spiritual": ("spiritual (精神)", "精神"),
    "social": ("social (社会)", "社会"),
}
# circular judgements (3, 3 and back) stand for somebody in a hurry
EXPERTS: dict[str, Pair] = {
    "engineer": ("technology first", "技术优先"),
    "service": ("service first", "服务优先"),
    "hasty": ("in a hurry", "草率判断"),
    "equal": ("all alike", "同等重要"),
}
WEIGHTS: dict[str, Pair] = {
    "ahp": ("these judgements", "上述判断"),
    "equal": ("equal", "等权"),
    "entropy": ("entropy (熵权)", "熵权"),
    "true": ("true", "真实权重"),
}
COLOURS = {"ahp": OKABE_ITO["blue"], "equal": GREY, "entropy": OKABE_ITO["orange"], "true": "black"}
MARKERS = {"equal": "|", "entropy": "^", "true": "D"}

TEXT: dict[str, Pair] = {
    "goal": ("satisfaction index (目标)", "满意度指数（目标）"),
    "weights": ("Weights of the indicators, %", "指标权重，%"),
    "heaviest": ("{name} weighs most, {share:.0f} %", "{name}权重最大，{share:.0f}%"),
    "index": ("Index, points (满意度指数)", "满意度指数，分"),
    "apart": ("Weights move the index by {span:.1f} points", "权重使指数相差{span:.1f}分"),
    "light": ("{name}: CR {cr:.2f} {word}", "{name}：CR {cr:.2f} {word}"),
    "good": ("✓ consistent", "✓ 一致"),
    "bad": ("✗ contradictory", "✗ 矛盾"),
    "doubt": ("Look again at {a} : {b}: you say {given}, the others imply {implied}.",
              "请重新考虑{a} : {b}：您给{given}，其余判断意味着{implied}。"),
    "fine": ("No judgement contradicts the others too much (CR below 0.10).", "判断基本一致（CR低于0.10）。"),
    "adopt": ("Set {a} : {b} to {implied}, as the others imply",
              "将{a} : {b}改为{implied}，与其余判断一致"),
    "nothing_to_adopt": ("Nothing to mend", "无需修改"),
    "cr": ("Worst consistency ratio (CR)", "最大一致性比率（CR）"),
    "cr_detail": ("below 0.10 is consistent", "低于0.10为一致"),
    "index_card": ("Index with these weights", "按上述权重的指数"),
    "interval": ("{low:.1f} to {high:.1f}; {n:,} answers", "{low:.1f} 至 {high:.1f}；{n:,}份回答"),
    "equal_card": ("With equal weights (等权)", "等权的指数"),
    "difference": ("{d} points from these", "与上述相差{d}分"),
    "what_if": ("If {name} rose {by:g} points", "若{name}提高{by:g}分"),
    "what_detail": ("equal {equal}, entropy {entropy}{true}", "等权{equal}，熵权{entropy}{true}"),
    "and_true": (", true {true}", "，真实权重{true}"),
    "sentence": (
        "With these judgements {first} weighs most ({share:.0f} %); the index is {index:.1f} ({low:.1f} to "
        "{high:.1f}), with equal weights {equal:.1f}. {by:g} points more of {name} would move it by {what} "
        "and by {even}. {verdict}",
        "按上述判断，{first}权重最大（{share:.0f}%），指数为{index:.1f}（{low:.1f} 至 {high:.1f}），"
        "等权为{equal:.1f}。{name}提高{by:g}分，前者变化{what}，后者变化{even}。{verdict}",
    ),
    "foot": (
        "{scenario}, seed {seed}, {customers:,} customers, asked at the end of month {month}; intervals of "
        "95 % know the luck of the draw only; entropy weights measure spread of answers, not importance",
        "{scenario}，种子{seed}，{customers:,}名客户，第{month}个月末询问；95%区间只含抽样误差；"
        "熵权衡量回答的离散程度，而非重要性",
    ),
    "few": ("{n} answered everything: ask more customers.", "仅{n}名完整回答：请增加询问人数。"),
}  # fmt: skip


def _bare(words: str) -> str:
    """Without the Chinese in brackets, for which the font of an English picture has no letters."""
    return re.sub(r" \([^)]*[\u4e00-\u9fff][^)]*\)", "", words)


def told(steps: float) -> str:
    """A judgement on Saaty's scale: 2 steps are 3, -2 are 1/3."""
    return f"{steps + 1:g}" if steps >= 0 else f"1/{1 - steps:g}"


def steps_of(ratio: float) -> int:
    """The nearest place on Saaty's scale, from -8 (1/9) to 8 (9)."""
    return round(min(ratio, 9) - 1) if ratio >= 1 else -round(min(1 / ratio, 9) - 1)


def ratio_of(steps: float) -> float:
    return steps + 1 if steps >= 0 else 1 / (1 - steps)


@dataclass(frozen=True)
class Judgement:
    """How many times as important one is as another: a slider from 1/9 to 9."""

    name: str
    label: Pair
    value: int = 0

    def control(self, scenario: Scenario, language: str) -> Control:
        widget = ipywidgets.SelectionSlider(
            options=[(told(k), k) for k in range(-8, 9)], value=self.value,
            layout=ipywidgets.Layout(width="auto"),
        )  # fmt: skip
        return Control(self.name, self.label[language == "zh"], widget)


def expert(kind: str, node: str, names: Sequence[str]) -> dict[tuple[str, str], int]:
    """Judgements of the pairs under a node, in steps."""
    found = {}
    for i, a in enumerate(names):
        for j in range(i + 1, len(names)):
            steps = j - i
            if kind == "equal":
                steps = 0
            elif kind == "service" and node == "goal":
                steps = {("material", "spiritual"): -2, ("material", "social"): 1}.get((a, names[j]), 4)
            elif kind == "hasty":
                steps = -2 if j - i > 1 else 2
            found[a, names[j]] = steps
    return found


class Tree(NamedTuple):
    """What `compute` found: an AHP for each node, weights of the leaves by method, and the indices."""

    nodes: dict[str, AHP]
    weights: pd.DataFrame
    indices: dict[str, Any]
    n: int
    values: dict[str, Any]


class IndicatorTree(Page):
    """Goal, criteria, indicators: judge them in pairs, and see weights, consistency and index."""

    name = "ahp"
    texts = TEXT
    question = ("Which weights for the index, and do they matter?", "指数该用什么权重？影响多大？")
    about = ("indicator tree, AHP with its consistency light, index", "指标体系、层次分析法与一致性、指数")
    preset = "water_utility"
    customers = 20_000
    months = 12
    css = "ahp.css"
    _kept: Any = None

    def _tree(self) -> dict[str, list[str]]:
        """Children of each node that has several or one, from the goal down."""
        under = {k: [t.name for t in self.scenario.touchpoints if t.level == k] for k in LEVELS}
        under = {k: names for k, names in under.items() if names}
        return {"goal": list(under), **under}

    def _pair(self, name: str) -> Pair:
        if name in LEVELS:
            return LEVELS[name]
        place = next(t for t in self.scenario.touchpoints if t.name == name)
        return name.replace("_", " "), place.chinese or name

    def _called(self, name: str) -> str:
        return self.text("goal") if name == "goal" else self.pick(self._pair(name))

    def groups(self) -> Sequence[Group]:
        most = self.scenario.population.size
        names = [t.name for t in self.scenario.touchpoints]
        found = [
            Group(("Start from (判断)", "判断"), [
                Choice("expert", ("Judgements of", "判断者"), list(EXPERTS.items()), "hasty"),
                Switch("truth", ("Show true weights (真实权重)", "显示真实权重"), True),
            ]),
        ]  # fmt: skip
        for node, children in self._tree().items():
            if len(children) > 1:
                title = ("Criteria (准则)", "准则") if node == "goal" else LEVELS[node]
                judged = expert("hasty", node, children)
                sliders: list[Any] = []
                for (a, b), steps in judged.items():
                    english, chinese = zip(self._pair(a), self._pair(b), strict=True)
                    sliders.append(Judgement(f"{a}:{b}", (" : ".join(english), " : ".join(chinese)), steps))
                found.append(Group(title, sliders))
        found.append(Group(("What would it change? (影响)", "影响"), [
            Choice("improve", ("Improve (改进)", "改进"), [(n, self._pair(n)) for n in names], names[0]),
            Number("by", ("By (幅度)", "幅度"), 5, 0, 20, 0.5, ("points", "分")),
            preset_choice(self),
            Number("size", ("Customers asked (样本量)", "样本量"), min(5_000, most), min(300, most), most,
                   100, whole=True),
        ]))  # fmt: skip
        return found

    def build(self) -> Sequence[Any]:
        self.lights = ipywidgets.HTML()
        self.lights.add_class("cs-ahp-lights")
        self.adopt = ipywidgets.Button(description=self.text("nothing_to_adopt"))
        self.adopt.on_click(lambda _: self.guard(self._adopt))
        self.bars = Picture(5.3, 3.6, language=self.language, dpi=160)
        self.indices = Picture(3.3, 3.6, language=self.language, dpi=160)
        row = ipywidgets.HBox([self.bars.widget, self.indices.widget])
        row.add_class("cs-ahp-row")
        above = ipywidgets.HBox([self.lights, self.adopt])
        above.add_class("cs-ahp-above")
        return [above, row]

    def _judgements(self, kind: str) -> dict[str, int]:
        return {
            f"{a}:{b}": steps
            for node, children in self._tree().items()
            for (a, b), steps in expert(kind, node, children).items()
        }

    def set(self, **values: Any) -> None:
        if "expert" in values and self.panel.values.get("expert") != values["expert"]:
            self.panel.set(self._judgements(values["expert"]))
        super().set(**values)

    def _changed(self, name: str) -> None:
        if name == "expert":
            self.panel.set(self._judgements(self.panel.values["expert"]))
        super()._changed(name)

    def judge(self, a: str, b: str, steps: int) -> None:
        """Say that a is so many steps above b (2: three times as important)."""
        self.set(**{f"{a}:{b}": steps})

    def _adopt(self) -> None:
        """Put the most doubtful judgement where the others would have it."""
        worst = max(self.found.nodes.values(), key=lambda node: node.cr)
        a, b, _, implied = worst.doubtful
        name, steps = f"{a}:{b}", steps_of(implied)
        if name not in self.panel.controls:
            name, steps = f"{b}:{a}", -steps
        if name in self.panel.controls:
            self.set(**{name: steps})

    def compute(self, values: dict[str, Any], task: Task) -> Iterator[Any]:
        if self._kept is None or self._kept.scenario is not self.scenario:
            self._kept = population(self.scenario, self.seed, task.stop)
        size = int(values["size"])
        survey = surveys.Survey(months=(self.scenario.population.months - 1,), size=size)
        asked = getattr(self, "_asked", None)
        if asked is None or asked[0] is not self._kept or asked[1] != size:
            self._asked = asked = (self._kept, size, scores(self._kept, ask(self._kept, survey))[0])
        frame = asked[2]
        if len(frame) < 10:
            raise ValueError(self.text("few", n=len(frame)))
        nodes, tree = {}, self._tree()
        for node, children in tree.items():
            a = np.ones((len(children), len(children)))
            for i, j in zip(*np.triu_indices(len(children), 1), strict=True):
                a[i, j] = ratio_of(values[f"{children[i]}:{children[j]}"])
                a[j, i] = 1 / a[i, j]
            nodes[node] = ahp(a, children)
        names = [t.name for t in self.scenario.touchpoints]
        above = {leaf: level for level in tree["goal"] for leaf in tree[level]}
        own = [nodes["goal"].weights[above[n]] * nodes[above[n]].weights[n] for n in names]
        true = np.array([t.weight for t in self.scenario.touchpoints])
        weights = pd.DataFrame(
            {"ahp": own, "equal": 1 / len(names), "entropy": entropy_weights(frame, names).to_numpy(),
             "true": true / true.sum()}, index=pd.Index(names),
        )  # fmt: skip
        index = {
            str(m): csi(frame, dict(zip(names, weights[m], strict=True)), low=0, high=100) for m in weights
        }
        yield Tree(nodes, weights, index, len(frame), values)

    def show(self, found: Tree) -> None:
        values, w = found.values, found.weights
        shown = [str(m) for m in w if m != "true" or values["truth"]]
        worst = max(found.nodes.values(), key=lambda node: node.cr)
        chips = []
        for name, one in found.nodes.items():
            if len(one.weights) > 2:
                words = self.text("light", name=self._called(name), cr=one.cr,
                                  word=self.text("good" if one.consistent else "bad"))  # fmt: skip
                chips.append(
                    f'<span class="cs-{"good" if one.consistent else "bad"}">{html.escape(words)}</span>'
                )
        verdict, mend = self.text("fine"), self.text("nothing_to_adopt")
        if not worst.consistent:
            a, b, given, implied = worst.doubtful
            names = {"a": self._called(a), "b": self._called(b), "implied": told(steps_of(implied))}
            verdict = self.text("doubt", given=told(steps_of(given)), **names)
            mend = _bare(self.text("adopt", **names))
        self.adopt.disabled, self.adopt.description = worst.consistent, mend
        self.lights.value = f"<p>{' '.join(chips)}</p>"
        own, even = found.indices["ahp"], found.indices["equal"]
        by, what = float(values["by"]), str(values["improve"])
        # points above 100 there are none, but a rise of the mean moves the index by its weight
        rise = {str(m): signed(by * float(w[m][what]), 2) for m in w}
        true = self.text("and_true", true=rise["true"]) if values["truth"] else ""
        self.cards(
            Card(self.text("cr"), f"{worst.cr:.2f}", self.text("cr_detail")),
            Card(self.text("index_card"), f"{own.value:.1f}",
                 self.text("interval", low=own.low, high=own.high, n=found.n)),
            Card(self.text("equal_card"), f"{even.value:.1f}",
                 self.text("difference", d=signed(even.value - own.value, 1))),
            Card(self.text("what_if", name=self._called(what), by=by), rise["ahp"],
                 self.text("what_detail", equal=rise["equal"], entropy=rise["entropy"], true=true)),
        )  # fmt: skip
        first = str(w["ahp"].idxmax())
        share = 100 * float(w["ahp"].max())
        self._draw(found, shown, first, share)
        self.say(
            self.text("sentence", first=self._called(first), share=share, index=own.value, low=own.low,
                      high=own.high, equal=even.value, by=by, name=self._called(what), what=rise["ahp"],
                      even=rise["equal"], verdict=verdict),
            self.text("foot", scenario=self.industry, seed=self.seed,
                      customers=self.scenario.population.size, month=self.scenario.population.months),
        )  # fmt: skip

    def _plain(self, name: str) -> str:
        return _bare(self._called(name))

    def _draw(self, found: Tree, shown: list[str], first: str, share: float) -> None:
        w, rows = found.weights, []
        for level in found.nodes["goal"].weights.index:
            rows.append((self._plain(level), 100 * found.nodes["goal"].weights[level], None))
            rows += [(self._plain(n), 100 * w.loc[n, "ahp"], n) for n in found.nodes[level].weights.index]
        title = self.text("heaviest", name=self._plain(first), share=share)
        title = title[:1].upper() + title[1:]
        with self.bars.drawing(title) as (ax, *_):
            ax.clear()
            ax.grid(False)
            y = -np.arange(len(rows))
            colours = ["#A6C8E4" if leaf is None else COLOURS["ahp"] for _, _, leaf in rows]
            ax.barh(y, [width for _, width, _ in rows], 0.62, color=colours)
            leaves = [(place, str(leaf)) for place, (_, _, leaf) in zip(y, rows, strict=True) if leaf]
            for m in shown[1:]:
                across, up = [100 * w[m][leaf] for _, leaf in leaves], [place for place, _ in leaves]
                ax.plot(across, up, linestyle="none", marker=MARKERS[m], color=COLOURS[m], markersize=9,
                        markerfacecolor="white", markeredgewidth=2,
                        label=_bare(self.pick(WEIGHTS[m])))  # fmt: skip
            ax.set_yticks(y, [name if leaf is None else f"    {name}" for name, _, leaf in rows], fontsize=12)
            for label, (_, _, leaf) in zip(ax.get_yticklabels(), rows, strict=True):
                label.set_fontweight("bold" if leaf is None else "normal")
            # room for the legend beside the longest bar
            ax.set_xlim(0, 1.32 * max(ax.get_xlim()[1], max(width for _, width, _ in rows)))
            ax.legend(fontsize=12, frameon=False, loc="center right", handletextpad=0.3, borderaxespad=0)
            ax.set_xlabel(self.text("weights"), fontsize=13)
            ax.set_title(fitted(title, self.language, 50), loc="left", fontsize=15)
        values = [found.indices[m] for m in shown]
        span = max(v.value for v in values) - min(v.value for v in values)
        title = self.text("apart", span=span)
        with self.indices.drawing(title) as (ax, *_):
            ax.clear()
            for k, (m, v) in enumerate(zip(shown, values, strict=True)):
                ax.plot([v.low, v.high], [-k, -k], color=COLOURS[m], linewidth=4, alpha=0.6)
                ax.plot([v.value], [-k], "o", color=COLOURS[m], markersize=10)
                words = f"{_bare(self.pick(WEIGHTS[m]))}: {v.value:.1f}"
                ax.text(v.value, -k + 0.2, words, ha="center", fontsize=13)
            ax.set_ylim(-len(shown) + 0.5, 0.6)
            ax.set_yticks([])
            ax.set_xlabel(_bare(self.text("index")), fontsize=13)
            ax.set_title(fitted(title, self.language, 28), loc="left", fontsize=15)
