"""Importance and performance on a map with a movable cross-hair: what would one mend first?"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import anywidget
import ipywidgets
import numpy as np
import pandas as pd
import traitlets

from ...analysis.drivers import drivers
from ...analysis.satisfaction import QUADRANTS, importance_performance
from ...simulation import survey as surveys
from ..controls import Choice, Group, Number, Switch
from ..page import Card, Page, static
from ..words import Pair
from ..worker import Task
from .choices import preset_choice
from .survey import Answers, Population, ask, points, population

# samples of the respondents drawn anew for the intervals
RESAMPLES = 60
# regressions on eight touchpoints need some
FEWEST = 40

METHODS: dict[str, Pair] = {
    "coefficient": ("derived: regression (回归系数)", "推导：回归系数"),
    "lmg": ("derived: LMG shares (夏普利分解)", "推导：LMG（夏普利分解）"),
    "correlation": ("derived: correlation (相关系数)", "推导：相关系数"),
    "stated": ("stated by customers (自述重要性)", "客户自述重要性"),
}

BY: dict[str, Pair] = {
    "coefficient": ("regression weights (回归系数)", "回归系数"),
    "lmg": ("LMG shares (夏普利分解)", "LMG分解"),
    "correlation": ("correlation (相关系数)", "相关系数"),
    "stated": ("what customers say (自述重要性)", "客户自述重要性"),
}

TEXT: dict[str, Pair] = {
    "first": ("Mend first (先改进)", "先改进"),
    "nothing": ("nothing", "无"),
    "sure": ("in {share:.0%} of resamples", "{share:.0%}的重抽样中居首"),
    "wait": ("resampling …", "正在重抽样……"),
    "truly": ("By the true weights (真实权重)", "按真实权重"),
    "hidden": ("?", "？"),
    "hidden_detail": ("show the truth to see", "选择显示真实值后可见"),
    "same_cross": ("cross-hair at the true means", "十字线在真实均值处"),
    "error": ("Weights off by (权重误差)", "权重误差"),
    "error_detail": ("mean over {n} touchpoints, share points", "{n}个接触点的平均，百分点"),
    "answers": ("Answers (回答)", "回答"),
    "answers_detail": ("of {asked:,} asked; R² {r2:.2f}", "询问{asked:,}名；R² {r2:.2f}"),
    "x": ("performance, points (绩效)", "绩效，分"),
    "y": ("importance, % (重要性)", "重要性，%"),
    "map": ("Cross-hair: drag it, or use the arrow keys", "十字线：拖动或用方向键"),
    "order": ("In this order (改进顺序)", "改进顺序"),
    "others": ("Leave as they are", "保持不变"),
    "row": (
        "{name}: {performance:.0f} points, {importance:.0f}%",
        "{name}：{performance:.0f}分，{importance:.0f}%",
    ),
    "hint": (
        "Drag the cross-hair; arrow keys move it too, with Shift faster. Points left of it and above it "
        "come first.",
        "拖动十字线，或用方向键移动（加Shift更快）。位于其左上方的先改进。",
    ),
    "sentence": (
        "With the cross-hair at {x:.0f} points and {y:.1f}%, {n} of {all} touchpoints are in “{quadrant}”; "
        "{first} comes first, by {method}.{sure}{truth}",
        "十字线位于{x:.0f}分、{y:.1f}%时，{all}个接触点中有{n}个在“{quadrant}”；按{method}，先改进{first}。"
        "{sure}{truth}",
    ),
    "none": (
        "With the cross-hair at {x:.0f} points and {y:.1f}%, no touchpoint is in “{quadrant}”, by "
        "{method}.{truth}",
        "十字线位于{x:.0f}分、{y:.1f}%时，按{method}没有接触点在“{quadrant}”。{truth}",
    ),
    "sure_sentence": (
        " It is first in {share:.0%} of resamples of the respondents.",
        "在受访者的重抽样中，{share:.0%}的情况下它居首。",
    ),
    "truth_same": (
        " The true weights, with the cross-hair at their means, say the same.",
        "按真实权重（十字线在其均值处）结论相同。",
    ),
    "truth_other": (
        " The true weights, with the cross-hair at their means, would put {name} first.",
        "按真实权重（十字线在其均值处），应先改进{name}。",
    ),
    "foot": (
        "{scenario}, seed {seed}, {customers:,} customers at the start, asked at the end of month {month}; "
        "bars: 95 % "
        "of {samples} resamples of the respondents",
        "{scenario}，种子{seed}，初始{customers:,}名客户，第{month}个月末询问；横竖线："
        "{samples}次受访者重抽样的95%",
    ),
    "few": (
        "{n} answered all questions: at least {least} are needed to weigh {all} touchpoints. Ask more.",
        "仅{n}名完整回答，至少需要{least}名才能估计{all}个接触点的权重。请增加询问人数。",
    ),
    "progress": ("resample {k} of {n}", "第{k}次重抽样，共{n}次"),
}  # fmt: skip


class CrossHair(anywidget.AnyWidget):
    """The map in the browser. `cross` is (performance, importance) where the reader has put it."""

    _esm = static("ipa.js")
    points = traitlets.List(traitlets.Dict()).tag(sync=True)
    cross = traitlets.List(traitlets.Float(), default_value=[0.0, 0.0]).tag(sync=True)
    x_range = traitlets.List(traitlets.Float(), default_value=[0.0, 1.0]).tag(sync=True)
    y_range = traitlets.List(traitlets.Float(), default_value=[0.0, 1.0]).tag(sync=True)
    quadrants = traitlets.Dict().tag(sync=True)
    truth = traitlets.Bool(False).tag(sync=True)
    first = traitlets.Unicode("").tag(sync=True)
    x_label = traitlets.Unicode("").tag(sync=True)
    y_label = traitlets.Unicode("").tag(sync=True)
    label = traitlets.Unicode("").tag(sync=True)


class Map(NamedTuple):
    """What `compute` found. `table`: by touchpoint `performance` (points), `importance` (%), and what is
    true of both; `drawn_x`, `drawn_y`: the same of resamples, a row each, none at first."""

    table: pd.DataFrame
    drawn_x: np.ndarray
    drawn_y: np.ndarray
    r2: float
    n: int
    asked: int
    cross: tuple[float, float]
    values: dict[str, Any]


class ImportancePerformance(Page):
    """Where touchpoints stand, where the reader puts the line, and what comes first then."""

    name = "ipa"
    texts = TEXT
    question = ("What would you mend first?", "先改进什么？")
    about = ("importance-performance map with a movable cross-hair", "可移动十字线的重要性-绩效图")
    preset = "water_utility"
    customers = 20_000
    months = 12
    css = "ipa.css"
    _kept: Any = None

    def groups(self) -> Sequence[Group]:
        most = min(20_000, self.scenario.population.size)
        return [
            Group(("The map (重要性-绩效分析)", "重要性-绩效分析"), [
                Choice("method", ("Importance (重要性)", "重要性"), list(METHODS.items()), "coefficient",
                       ("derived from answers, or what customers say", "由回答推导，或客户自述")),
                Choice("cross", ("Cross-hair at (十字线)", "十字线"),
                       [("means", ("means", "均值")), ("midpoint", ("scale's middle", "量表中点"))], "means",
                       ("where it starts; then drag it", "起始位置，然后可拖动"), buttons=True),
                Switch("truth", ("Show the truth (真实权重)", "显示真实权重"), False,
                       ("dashed rings: true weight and true quality", "虚线圆：真实权重与真实质量")),
            ]),
            Group(("The survey (调查)", "调查"), [
                preset_choice(self, ("Firm (企业)", "企业")),
                Number("size", ("Customers asked (样本量)", "样本量"), min(6_000, most), 500,
                       max(most, 1000), 100,
                       whole=True),
                Number("halo", ("Halo (光环效应)", "光环效应"), surveys.Survey().halo, 0.0, 0.9, 0.01,
                       ("share", "占比"), ("a general attitude colours every answer", "总体态度影响每一题")),
                Number("straight", ("Straight-liners (直线作答)", "直线作答"), surveys.Survey().straight,
                       0.0, 0.8, 0.01, ("share", "占比"),
                       ("tick one number for all touchpoints", "各接触点都选同一分数")),
            ]),
        ]  # fmt: skip

    def build(self) -> Sequence[Any]:
        self.map = CrossHair(
            quadrants={key: pair[self.language == "zh"] for key, pair in QUADRANT_WORDS.items()},
            x_label=self.text("x"), y_label=self.text("y"), label=self.text("map"),
        )  # fmt: skip
        self.map.observe(lambda _: self.guard(self._moved), names="cross")
        self.order = ipywidgets.HTML()
        row = ipywidgets.HBox([self.map, self.order])
        row.add_class("cs-ipa-row")
        return [row]

    # -- the survey --------------------------------------------------------------------------------

    def compute(self, values: dict[str, Any], task: Task) -> Iterator[Any]:
        if self._kept is None or self._kept.scenario is not self.scenario:
            self._kept = population(self.scenario, self.seed, task.stop)
        people: Population = self._kept
        survey = surveys.Survey(months=(people.scenario.population.months - 1,), size=int(values["size"]),
                                halo=values["halo"], straight=values["straight"])  # fmt: skip
        answers = ask(people, survey)
        frame, stated = scores(people, answers)
        names = list(stated)
        if len(frame) < FEWEST:
            raise ValueError(self.text("few", n=len(frame), least=FEWEST, all=len(names)))
        performance, importance, r2 = judged(frame, stated, values["method"])
        weights = np.array([t.weight for t in people.scenario.touchpoints])
        felt = np.clip(people.state["perception"][people.active], 0, 100).astype(float).mean(axis=0)
        table = pd.DataFrame(
            {"performance": performance, "importance": importance, "true_performance": felt,
             "true_importance": 100 * weights / weights.sum()}, index=pd.Index(names),
        )  # fmt: skip
        cross = _start(table, values["cross"])
        none = np.zeros((0, len(names)))
        found = Map(table, none, none, r2, len(frame), answers.asked, cross, values)
        yield found
        rng = np.random.default_rng([self.seed, len(frame)])
        drawn = []
        for k in range(RESAMPLES):
            if task.stop.is_set():
                return
            rows = rng.integers(0, len(frame), len(frame))
            again = judged(frame.iloc[rows].reset_index(drop=True), stated.iloc[rows].reset_index(drop=True),
                           values["method"])  # fmt: skip
            drawn.append(again[:2])
            task.progress(k + 1, RESAMPLES, self.text("progress", k=k + 1, n=RESAMPLES))
        yield found._replace(drawn_x=np.array([d[0] for d in drawn]), drawn_y=np.array([d[1] for d in drawn]))

    # -- what is shown -----------------------------------------------------------------------------

    def _called(self, name: str) -> str:
        place = next(t for t in self.scenario.touchpoints if t.name == name)
        return place.chinese or name if self.language == "zh" else name.replace("_", " ")

    def show(self, found: Map) -> None:
        table, values = found.table, found.values
        spots = []
        for k, (name, row) in enumerate(table.iterrows()):
            spot = {
                "key": name, "name": self._called(str(name)), "x": row["performance"], "y": row["importance"],
                "true_x": row["true_performance"], "true_y": row["true_importance"],
            }  # fmt: skip
            if len(found.drawn_x):
                for axis, drawn in (("x", found.drawn_x), ("y", found.drawn_y)):
                    low, high = np.quantile(drawn[:, k], [0.025, 0.975])
                    spot |= {f"low_{axis}": float(low), f"high_{axis}": float(high)}
            spots.append(spot)
        # a second answer to the same question, or a look at the truth, leaves the cross-hair where the
        # reader has put it
        now = ({k: v for k, v in values.items() if k not in ("truth", "run")}, self.language)
        fresh = getattr(self, "_placed", None) != now
        self._placed = now
        self._shown = found
        truth = bool(values["truth"])
        xs = [
            s[k] for s in spots for k in ("x", "low_x", "high_x", *(("true_x",) if truth else ())) if k in s
        ]
        ys = [
            s[k] for s in spots for k in ("y", "low_y", "high_y", *(("true_y",) if truth else ())) if k in s
        ]
        cross = list(found.cross) if fresh or not self.map.points else list(self.map.cross)
        with self.map.hold_sync():
            self.map.x_range = _range([*xs, cross[0], found.cross[0]])
            self.map.y_range = _range([*ys, cross[1]], 0.0)
            self.map.truth = truth
            self.map.points = spots
            self.map.cross = cross
        self._tell_order()

    def _moved(self) -> None:
        if getattr(self, "_shown", None) is not None:
            self._tell_order()

    def _tell_order(self) -> None:
        """The words, cards and order for where the cross-hair is now."""
        found, (x, y) = self._shown, self.map.cross
        table, values = found.table, found.values
        quadrants = importance_performance(table["importance"], table["performance"], crosshair=(x, y))
        mend = quadrants[quadrants["quadrant"] == "concentrate"].sort_values("importance", ascending=False)
        first = str(mend.index[0]) if len(mend) else ""
        share = None
        if len(found.drawn_x):
            share = float(
                np.mean(np.array(firsts(found.drawn_x, found.drawn_y, x, y, list(table.index))) == first)
            )
        true = truly(table)
        off = float((table["importance"] - table["true_importance"]).abs().mean())
        shown = bool(values["truth"])
        nothing = self.text("nothing")
        truth = self._called(true) if true else nothing
        self.map.first = first
        self.cards(
            Card(self.text("first"), self._called(first) if first else nothing,
                 self.text("wait") if share is None else self.text("sure", share=share)),
            Card(self.text("truly"), truth if shown else self.text("hidden"),
                 self.text("same_cross") if shown else self.text("hidden_detail")),
            Card(self.text("error"), f"{off:.1f}" if shown else self.text("hidden"),
                 self.text("error_detail", n=len(table)) if shown else self.text("hidden_detail")),
            Card(self.text("answers"), f"{found.n:,}",
                 self.text("answers_detail", asked=found.asked, r2=found.r2)),
        )  # fmt: skip
        self.order.value = self._list(quadrants, mend)
        method = self.pick(BY[values["method"]])
        english, chinese = QUADRANTS["concentrate"]
        quadrant = chinese if self.language == "zh" else f"{english} ({chinese})"
        told = ""
        if shown:
            told = self.text("truth_same" if true == first else "truth_other",
                             name=truth)  # fmt: skip
        sure = "" if share is None else self.text("sure_sentence", share=share)
        key = "sentence" if first else "none"
        self.say(
            self.text(key, x=x, y=y, n=len(mend), all=len(table), quadrant=quadrant, method=method,
                      truth=told, sure=sure, first=self._called(first) if first else nothing),
            self.text("foot", scenario=self.industry, seed=self.seed, samples=RESAMPLES,
                      customers=self.scenario.population.size, month=self.scenario.population.months),
        )  # fmt: skip

    def _list(self, quadrants: pd.DataFrame, mend: pd.DataFrame) -> str:
        def line(name: Any, row: Any) -> str:
            words = self.text("row", name=self._called(str(name)), performance=row["performance"],
                              importance=row["importance"])  # fmt: skip
            return f'<li class="cs-{row["quadrant"]}">{html.escape(words)}</li>'

        first = "".join(line(name, row) for name, row in mend.iterrows())
        parts = [f"<h3>{html.escape(self.text('order'))}</h3>"]
        parts.append(f"<ol>{first}</ol>" if first else f"<p>{html.escape(self.text('nothing'))}</p>")
        for key in ("keep_up", "low_priority", "overkill"):
            part = quadrants[quadrants["quadrant"] == key].sort_values("importance", ascending=False)
            if len(part):
                english, chinese = QUADRANTS[key]
                head = chinese if self.language == "zh" else f"{english} ({chinese})"
                rows = "".join(line(name, row) for name, row in part.iterrows())
                parts.append(f'<h4 class="cs-{key}">{html.escape(head)}</h4><ul>{rows}</ul>')
        return f'<div class="cs-order">{"".join(parts)}<p>{html.escape(self.text("hint"))}</p></div>'


# on the map the names stand by themselves, capitals first
QUADRANT_WORDS = {key: (english.capitalize(), chinese) for key, (english, chinese) in QUADRANTS.items()}


def scores(people: Population, answers: Answers) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Quality of each touchpoint and `satisfaction` in points, and stated importance in ticks, of those who
    answered all of it; a row a respondent."""
    ticks = pd.DataFrame(answers.table, columns=pd.Index(answers.items))
    names = [t.name for t in people.scenario.touchpoints]
    frame = pd.DataFrame(
        {
            n: points(
                ticks[[c for c in answers.items if re.fullmatch(re.escape(n) + r"_\d+", c)]].mean(axis=1)
            )
            for n in names
        }
    )
    frame["satisfaction"] = points(ticks[[f"satisfaction_{k}" for k in (1, 2, 3)]].mean(axis=1))
    stated = ticks[[f"importance_{n}" for n in names]].set_axis(names, axis=1)
    known = frame.notna().all(axis=1) & stated.notna().all(axis=1)
    return frame[known].reset_index(drop=True), stated[known].reset_index(drop=True)


def judged(frame: pd.DataFrame, stated: pd.DataFrame, method: str) -> tuple[np.ndarray, np.ndarray, float]:
    """Performance (points), importance (shares in %, negative ones as 0) by one method, and R2."""
    names = [str(name) for name in stated]
    found = drivers(frame, "satisfaction", names, stated=stated, bootstrap=0, progress=False)
    part = found.shares[found.shares["method"] == method].set_index("driver")["share"]
    return (
        found.table["performance"].to_numpy(dtype=float),
        100 * part[names].to_numpy(dtype=float),
        found.r2,
    )


def firsts(x: np.ndarray, y: np.ndarray, cross_x: float, cross_y: float, names: Sequence[str]) -> list[str]:
    """What comes first in each resample: the weightiest left of the cross-hair and above it, or ""."""
    heavy = np.where((x < cross_x) & (y >= cross_y), y, -np.inf)
    best = heavy.argmax(axis=1)
    return [names[k] if np.isfinite(heavy[row, k]) else "" for row, k in enumerate(best)]


def truly(table: pd.DataFrame) -> str:
    """What comes first by what is true, with the cross-hair at the true means; "" if nothing."""
    x, y = table["true_performance"].to_numpy(), table["true_importance"].to_numpy()
    return firsts(x[None], y[None], float(x.mean()), float(y.mean()), list(table.index))[0]


def _start(table: pd.DataFrame, rule: str) -> tuple[float, float]:
    middle = 50.0 if rule == "midpoint" else float(table["performance"].mean())
    return middle, float(table["importance"].mean())


def _range(values: Sequence[float], low: float | None = None) -> list[float]:
    """The ends of an axis, with room for names; not below `low`."""
    first, last = float(min(values)), float(max(values))
    room = 0.12 * max(last - first, 1.0)
    return [first - room if low is None else max(first - room, low), last + room]
