"""The path model of satisfaction as a live diagram, and beside it the map of what acts and how it stands."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import anywidget
import ipywidgets
import numpy as np
import pandas as pd
import traitlets

from ...analysis import pls
from ...analysis.satisfaction import QUADRANTS, importance_performance
from ...simulation import survey as surveys
from ..controls import Choice, Group, Number
from ..page import Card, Page, static
from ..uncertainty import Interval
from ..words import Pair
from ..worker import Task
from .choices import preset_choice
from .ipa import QUADRANT_WORDS, CrossHair
from .survey import Answers, Population, ask, points, population

# resamples of the respondents behind the intervals: at once, and after a moment
SOON, THOROUGH = 100, 1_000
# resamples for the touchpoints, each of which fits the whole model anew
REFITS = 60
# a model of six variables needs some
FEWEST = 40

# columns of what stands on the map: the ends of its intervals
ENDS = ("low_x", "high_x", "low_y", "high_y")
# where each latent variable stands, across and down, in parts of the diagram
PLACES = {
    "image": (0.42, 0.0), "expectation": (0.0, 0.30), "quality": (0.22, 1.0), "value": (0.92, 1.0),
    "satisfaction": (0.88, 0.52), "loyalty": (1.0, 0.0),
}  # fmt: skip

TEXT: dict[str, Pair] = {
    "survey": ("The survey (调查)", "调查"),
    "model": ("What is explained (解释对象)", "解释对象"),
    "firm": ("Firm (企业)", "企业"),
    "size": ("Customers asked (样本量)", "样本量"),
    "halo": ("Halo (光环效应)", "光环效应"),
    "halo_help": ("a general attitude colours every answer", "总体态度影响每一题"),
    "error": ("Error of an answer (测量误差)", "测量误差"),
    "error_help": ("spread of a single tick about what is felt", "单题回答偏离真实感受的程度"),
    "straight": ("Straight-liners (直线作答)", "直线作答"),
    "straight_help": ("tick one number for all touchpoints", "各接触点都选同一分数"),
    "points": ("points", "分"),
    "share": ("share", "占比"),
    "target": ("Effects on", "影响"),
    "target_help": ("directly and by way of others", "直接与间接"),
    "satisfaction": ("satisfaction (满意)", "顾客满意度"),
    "loyalty": ("loyalty (忠诚)", "顾客忠诚"),
    "map": ("On the map", "图中显示"),
    "causes": ("latents (潜变量)", "潜变量"),
    "touchpoints": ("touchpoints", "接触点"),
    "cross": ("Cross-hair at (十字线)", "十字线"),
    "cross_help": ("where it starts; then drag it", "起始位置，然后可拖动"),
    "means": ("means", "均值"),
    "midpoint": ("scale's middle", "量表中点"),
    "below": ("{index:.0f} points", "{index:.0f}分"),
    "below_r2": ("{index:.0f} · R² {r2:.2f}", "{index:.0f} · R² {r2:.2f}"),
    "strongest": ("Strongest path (最强路径)", "最强路径"),
    "strongest_detail": ("{value} [{low}, {high}]", "{value} [{low}, {high}]"),
    "loyal": ("Satisfaction → loyalty", "满意 → 忠诚"),
    "range": ("{low} … {high}", "{low} … {high}"),
    "sure": ("Sure of a path (显著路径)", "显著路径"),
    "sure_value": ("{k} of {n}", "{k}/{n}"),
    "sure_detail": ("95 % interval without 0", "95%区间不含0"),
    "apart": ("Told apart? (HTMT)", "区分效度HTMT"),
    "apart_detail": ("{one} and {other}; limit {limit:g}", "{one}与{other}；界限{limit:g}"),
    "first": ("Mend first (先改进)", "先改进"),
    "nothing": ("nothing", "无"),
    "by_quadrant": ("{n} of {all} in that quadrant", "该象限{n}/{all}"),
    "x": ("index, points (绩效)", "指数，分"),
    "y": ("total effect (总效应)", "总效应"),
    "cross_label": ("Cross-hair: drag it, or use the arrow keys", "十字线：拖动或用方向键"),
    "hint": (
        "Drag the cross-hair, or move it with the arrow keys. In the diagram: index and explained share in "
        "the boxes; an arrow is as wide as its coefficient, dashed and grey where its interval holds 0.",
        "拖动十字线，或用方向键移动。路径图：框内为指数与解释比例；箭头粗细表示系数，区间含0者为灰色虚线。",
    ),
    "diagram": ("Path diagram: {paths}", "路径图：{paths}"),
    "sentence": (
        "{n:,} answers: {target} follows {strongest} most ({value} [{low}, {high}]), and {sure} of {all} "
        "paths are sure. {cross}",
        "{n:,}份回答：{target}受{strongest}影响最大（{value} [{low}, {high}]），{all}条路径中{sure}条显著。"
        "{cross}",
    ),
    "mend": (
        "With the cross-hair at {x:.0f} points and {y:.2f}, {k} of {m} are in “{quadrant}”; {first} comes "
        "first.",
        "十字线位于{x:.0f}分、{y:.2f}时，{m}项中{k}项在“{quadrant}”；先改进{first}。",
    ),
    "none": (
        "With the cross-hair at {x:.0f} points and {y:.2f}, nothing is in “{quadrant}”.",
        "十字线位于{x:.0f}分、{y:.2f}时，“{quadrant}”中没有任何项。",
    ),
    "foot": (
        "{scenario}, seed {seed}, {customers:,} customers at the start, asked at the end of month {month}, "
        "{asked:,} asked; partial least squares, standardised; intervals: 95 % of {draws:,} resamples of the "
        "respondents{map}",
        "{scenario}，种子{seed}，初始{customers:,}名客户，第{month}个月末询问{asked:,}名；偏最小二乘，标准化系数；"
        "区间：{draws:,}次受访者重抽样的95%{map}",
    ),
    "foot_map": (
        ", on the map of {n}; a touchpoint's effect is its weight in quality times the effect of quality",
        "，右图为{n}次；接触点的效应为其在质量中的权重乘以质量的效应",
    ),
    "few": (
        "{n} answered: at least {least} are needed for this model. Ask more.",
        "仅{n}名回答，该模型至少需要{least}名。请增加询问人数。",
    ),
    "progress": ("resample {k} of {n}", "第{k}次重抽样，共{n}次"),
}  # fmt: skip


class Diagram(anywidget.AnyWidget):
    """The path model in the browser. `boxes`: key, name, below, x, y (parts of the picture); `arrows`: from,
    to, value, told, range, state (sure, unsure or negative); `target` is set off; `label`: all in words."""

    _esm = static("paths.js")
    boxes = traitlets.List(traitlets.Dict()).tag(sync=True)
    arrows = traitlets.List(traitlets.Dict()).tag(sync=True)
    target = traitlets.Unicode("").tag(sync=True)
    label = traitlets.Unicode("").tag(sync=True)


class Paths(NamedTuple):
    """What `compute` found. spots: what stands on the map, by key: `performance` (points), `importance`
    (total effect) and the ends of their intervals, missing while they are sought."""

    fit: pls.PathFit
    spots: pd.DataFrame
    draws: int
    asked: int
    values: dict[str, Any]


class PathDiagram(Page):
    """How satisfaction comes about by partial least squares, and what one would mend first by that."""

    name = "path-diagram"
    texts = TEXT
    question = ("What acts on satisfaction, and how sure is it?", "什么影响满意度？有多大把握？")
    about = (
        "path model with bootstrap intervals; importance-performance map beside it",
        "带自助法区间的路径模型；旁为重要性-绩效图",
    )
    preset = "water_utility"
    customers = 20_000
    months = 12
    css = "path_diagram.css"
    _kept: Any = None

    def groups(self) -> Sequence[Group]:
        most = min(20_000, self.scenario.population.size)
        usual = surveys.Survey()

        def words(*keys: str) -> list[tuple[str, Pair]]:
            return [(key, TEXT[key]) for key in keys]

        return [
            Group(TEXT["survey"], [
                Number("size", TEXT["size"], min(6_000, most), 500, max(most, 1_000), 100, whole=True),
                Number("halo", TEXT["halo"], usual.halo, 0.0, 0.9, 0.01, TEXT["share"], TEXT["halo_help"]),
                Number("error", TEXT["error"], usual.error_sd, 0.0, 50.0, 1.0, TEXT["points"],
                       TEXT["error_help"]),
                Number("straight", TEXT["straight"], usual.straight, 0.0, 0.8, 0.01, TEXT["share"],
                       TEXT["straight_help"]),
            ]),
            Group(TEXT["model"], [
                Choice("target", TEXT["target"], words("satisfaction", "loyalty"), help=TEXT["target_help"],
                       buttons=True),
                Choice("map", TEXT["map"], words("touchpoints", "causes"), buttons=True),
                Choice("cross", TEXT["cross"], words("means", "midpoint"), help=TEXT["cross_help"],
                       buttons=True),
                preset_choice(self, TEXT["firm"]),
            ]),
        ]  # fmt: skip

    def build(self) -> Sequence[Any]:
        self.diagram = Diagram()
        self.map = CrossHair(
            quadrants={key: self.pick(pair) for key, pair in QUADRANT_WORDS.items()},
            x_label=self.text("x"), y_label=self.text("y"), label=self.text("cross_label"),
        )  # fmt: skip
        self.map.observe(lambda _: self.guard(self._moved), names="cross")
        hint = ipywidgets.HTML(f'<p class="cs-path-hint">{html.escape(self.text("hint"))}</p>')
        row = ipywidgets.HBox([self.diagram, ipywidgets.VBox([self.map, hint])])
        row.add_class("cs-path-row")
        return [row]

    # -- the model ---------------------------------------------------------------------------------

    def compute(self, values: dict[str, Any], task: Task) -> Iterator[Any]:
        if self._kept is None or self._kept.scenario is not self.scenario:
            self._kept = population(self.scenario, self.seed, task.stop)
        people: Population = self._kept
        survey = surveys.Survey(months=(people.scenario.population.months - 1,), size=int(values["size"]),
                                halo=values["halo"], error_sd=values["error"],
                                straight=values["straight"], importance=False)  # fmt: skip
        answers = ask(people, survey)
        items = pd.DataFrame(surveys.questionnaire(survey, people.scenario.touchpoints))
        frame = answered(answers)
        if len(frame) < FEWEST:
            raise ValueError(self.text("few", n=len(frame), least=FEWEST))
        model, target = pls.survey_model(items), values["target"]
        for draws in (SOON, THOROUGH):
            fit = pls.pls(frame, model, bootstrap=draws, seed=self.seed, progress=False)
            spots = touchpoints(fit, items, target) if values["map"] == "touchpoints" else causes(fit, target)
            found = Paths(fit, spots, draws, answers.asked, values)
            yield found
        if values["map"] == "touchpoints":
            rng = np.random.default_rng([self.seed, len(frame)])
            again = []
            for k in range(REFITS):
                if task.stop.is_set():
                    return
                rows = frame.iloc[rng.integers(0, len(frame), len(frame))].reset_index(drop=True)
                fit = pls.pls(rows, model, bootstrap=0, progress=False)
                if fit.converged:
                    again.append(touchpoints(fit, items, target)[["performance", "importance"]].to_numpy())
                task.progress(k + 1, REFITS, self.text("progress", k=k + 1, n=REFITS))
            yield found._replace(spots=_with_ends(spots, np.array(again)))

    # -- what is shown -----------------------------------------------------------------------------

    def _called(self, key: str, latents: Mapping[str, str]) -> str:
        if key in latents:
            return latents[key] if self.language == "zh" else key
        place = next(t for t in self.scenario.touchpoints if t.name == key)
        return place.chinese or key if self.language == "zh" else key.replace("_", " ")

    def show(self, found: Paths) -> None:
        fit, spots, values = found.fit, found.spots, found.values
        latents: Mapping[str, str] = fit.model.chinese
        arrows = []
        for path in fit.paths.to_dict("records"):
            value, low, high = path["estimate"], path["lower"], path["upper"]
            known = np.isfinite(low) and np.isfinite(high)
            state = "unsure" if known and low <= 0 <= high else "negative" if value < 0 else "sure"
            arrows.append({
                "from": path["source"], "to": path["target"], "value": float(value), "told": two(value),
                "range": f"[{two(low)}, {two(high)}]" if known else "", "state": state,
            })  # fmt: skip
        boxes = []
        for key in fit.model.latents:
            index, r2 = (float(fit.latents[column][key]) for column in ("index", "r2"))
            below = self.text("below", index=index) if np.isnan(r2) else self.text(
                "below_r2", index=index, r2=r2)  # fmt: skip
            x, y = PLACES[key]
            boxes.append({"key": key, "name": self._called(key, latents), "below": below, "x": x, "y": y})
        named = {b["key"]: b["name"] for b in boxes}
        listed = "; ".join(f"{named[a['from']]} → {named[a['to']]} {a['told']} {a['range']}" for a in arrows)
        with self.diagram.hold_sync():
            self.diagram.boxes, self.diagram.arrows = boxes, arrows
            self.diagram.target = values["target"]
            self.diagram.label = self.text("diagram", paths=listed)
        points_of = []
        for key, x, y, *ends in spots[["performance", "importance", *ENDS]].itertuples():
            spot = {"key": str(key), "name": self._called(str(key), latents), "x": float(x), "y": float(y)}
            known = dict(zip(ENDS, map(float, ends), strict=True))
            points_of.append(spot | known if np.isfinite(list(known.values())).all() else spot)
        # a better answer to the same question leaves the cross-hair where the reader has put it
        now = ({k: v for k, v in values.items() if k != "run"}, self.language)
        fresh = getattr(self, "_placed", None) != now
        self._placed, self._shown = now, found
        start = _start(spots, values["cross"])
        cross = start if fresh or not self.map.points else tuple(self.map.cross)
        with self.map.hold_sync():
            self.map.x_range = _range(spots, ("performance", "low_x", "high_x"), (cross[0], start[0]), 1.0)
            self.map.y_range = _range(spots, ("importance", "low_y", "high_y"), (cross[1], start[1]), 0.02)
            self.map.points = points_of
            self.map.cross = list(cross)
        self._tell_map()

    def _moved(self) -> None:
        if getattr(self, "_shown", None) is not None:
            self._tell_map()

    def _tell_map(self) -> None:
        """Cards and words for where the cross-hair is now."""
        found, (x, y) = self._shown, self.map.cross
        fit, spots, target = found.fit, found.spots, found.values["target"]
        latents: Mapping[str, str] = fit.model.chinese
        places = importance_performance(spots["importance"], spots["performance"], crosshair=(x, y))
        mend = places[places["quadrant"] == "concentrate"].sort_values("importance", ascending=False)
        first = str(mend.index[0]) if len(mend) else ""
        self.map.first = first
        name = self._called(first, latents) if first else self.text("nothing")
        strongest, value = strongest_path(fit, target)
        loyal = _path(fit, "satisfaction", "loyalty")
        sure = int(((fit.paths["lower"] > 0) | (fit.paths["upper"] < 0)).sum())
        one, other, ratio = nearest(fit.htmt)
        ends = {"value": two(value.mean), "low": two(value.low), "high": two(value.high)}
        aim = self._called(target, latents)
        self.cards(
            Card(self.text("strongest"), self._called(strongest, latents),
                 self.text("strongest_detail", **ends)),
            Card(self.text("loyal"), two(loyal.mean),
                 self.text("range", low=two(loyal.low), high=two(loyal.high))),
            Card(self.text("sure"), self.text("sure_value", k=sure, n=len(fit.paths)),
                 self.text("sure_detail")),
            Card(self.text("apart"), two(ratio),
                 self.text("apart_detail", one=self._called(one, latents), other=self._called(other, latents),
                           limit=pls.HTMT_LIMIT)),
            Card(self.text("first"), name, self.text("by_quadrant", n=len(mend), all=len(spots))),
        )  # fmt: skip
        english, chinese = QUADRANTS["concentrate"]
        quadrant = chinese if self.language == "zh" else f"{english} ({chinese})"
        cross = self.text("mend" if first else "none", x=x, y=y, k=len(mend), m=len(spots), first=name,
                          quadrant=quadrant)  # fmt: skip
        self.say(
            self.text("sentence", n=fit.n, target=aim, strongest=self._called(strongest, latents),
                      all=len(fit.paths), sure=sure, cross=cross, **ends),
            self.text("foot", scenario=self.industry, seed=self.seed, draws=found.draws, asked=found.asked,
                      customers=self.scenario.population.size, month=self.scenario.population.months,
                      map=self.text("foot_map", n=REFITS) if found.values["map"] == "touchpoints" else ""),
        )  # fmt: skip


def answered(answers: Answers) -> pd.DataFrame:
    """Answers as a table, a row a respondent; who answered nothing of it is left out."""
    frame = pd.DataFrame(answers.table, columns=pd.Index(answers.items))
    return frame[frame.notna().any(axis=1)].reset_index(drop=True)


def causes(fit: pls.PathFit, target: str) -> pd.DataFrame:
    """Latent variables that act on the target: index as performance, total effect as importance, with their
    intervals (importance-performance map analysis; Ringle and Sarstedt 2016)."""
    effects = fit.effects[fit.effects["target"] == target].set_index("source")
    index = fit.latents.loc[effects.index]
    return pd.DataFrame(
        {
            "performance": index["index"], "importance": effects["total"], "low_x": index["index_lower"],
            "high_x": index["index_upper"], "low_y": effects["lower"], "high_y": effects["upper"],
        }
    )  # fmt: skip


def touchpoints(fit: pls.PathFit, items: pd.DataFrame, target: str) -> pd.DataFrame:
    """The same of the touchpoints that make up quality: mean of their questions in points, and their outer
    weights times the total effect of quality. Intervals are missing."""
    of = items.drop_duplicates("item").set_index("item")["touchpoint"]
    effects = fit.effects.set_index(["source", "target"])["total"]
    rows = fit.measurement[fit.measurement["latent"] == "quality"]
    by = rows.groupby(of.reindex(rows["item"]).to_numpy(), sort=False)
    table = pd.DataFrame(
        {
            "performance": points(by["mean"].mean()),
            "importance": by["weight"].sum() * effects["quality", target],
        }
    )
    return table.assign(low_x=np.nan, high_x=np.nan, low_y=np.nan, high_y=np.nan)


def _with_ends(spots: pd.DataFrame, again: np.ndarray) -> pd.DataFrame:
    """The spots with the 95 % intervals of resamples (resample, spot, performance and importance)."""
    if len(again) < 2:
        return spots
    low, high = np.quantile(again, [0.025, 0.975], axis=0)
    return spots.assign(low_x=low[:, 0], high_x=high[:, 0], low_y=low[:, 1], high_y=high[:, 1])


def _path(fit: pls.PathFit, source: str, target: str) -> Interval:
    row = fit.paths[(fit.paths["source"] == source) & (fit.paths["target"] == target)].iloc[0]
    return Interval(float(row["estimate"]), float(row["lower"]), float(row["upper"]))


def strongest_path(fit: pls.PathFit, target: str) -> tuple[str, Interval]:
    """What acts on the target most directly."""
    into = fit.paths[fit.paths["target"] == target]
    source = str(into["source"].iloc[int(into["estimate"].abs().to_numpy().argmax())])
    return source, _path(fit, source, target)


def nearest(htmt: pd.DataFrame) -> tuple[str, str, float]:
    """The two variables that are told apart least, and their HTMT."""
    ratios = np.nan_to_num(np.tril(htmt.to_numpy(dtype=float), -1))
    row, column = divmod(int(ratios.argmax()), len(ratios))
    return str(htmt.columns[column]), str(htmt.index[row]), float(ratios[row, column])


def two(value: float) -> str:
    return f"{value:.2f}".replace("-", "\N{MINUS SIGN}")


def _start(spots: pd.DataFrame, rule: str) -> tuple[float, float]:
    middle = 50.0 if rule == "midpoint" else float(spots["performance"].mean())
    return middle, float(spots["importance"].mean())


def _range(spots: pd.DataFrame, columns: Sequence[str], more: Sequence[float], least: float) -> list[float]:
    """The ends of an axis, with room for names."""
    values = [*spots[list(columns)].to_numpy(dtype=float).ravel(), *more]
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    room = 0.12 * max(high - low, least)
    return [low - room, high + room]
