"""The tower of loyalty: how many stand on each layer, and what holds them back from the next.

A layer is not a matter of the present month alone: each follows a level that a customer's value,
satisfaction, trust and switching cost point to. Who points higher than he stands lacks only time; for
all others the page asks which of these conditions alone would be enough, if it were so much better.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import ipywidgets
import numpy as np

from ...plots.style import GREY, LAYER_COLOURS, OKABE_ITO, dark
from ...simulation.engine import simulate
from ...simulation.scenario import Scenario
from ...simulation.watch import WorldView
from ...vocabulary import LoyaltyLayer, three_layer_view
from ..controls import Choice, Group, Number, Parameter
from ..page import Card, Page
from ..picture import Picture
from ..uncertainty import Interval, interval, signed
from ..words import Pair, term
from ..worker import Kept, Task
from .choices import preset_choice, quality, with_quality
from .population import layers_of

SOON, THOROUGH = 8, 40
# what is counted on each floor, in the order of the columns of the picture
PARTS = ("here", "down", "time", "value", "satisfaction", "trust", "switching", "buying", "none")
CONDITIONS = PARTS[3:8]
PLACE = {part: k for k, part in enumerate(PARTS)}
# the layers as four-layer and three-layer texts see them
VIEWS = {
    4: np.arange(5),
    3: np.array([int(three_layer_view(layer)) for layer in LoyaltyLayer]),
}
FLOORS = {view: sorted({int(x) for x in layers}) for view, layers in VIEWS.items()}

TEXT: dict[str, Pair] = {
    "look_group": ("Look", "查看"),
    "world_group": ("The world", "世界"),
    "firm_group": ("The firm", "企业"),
    "month": ("At the end of month", "第几月末"),
    "month_help": ("look at the tower then; 0 is the start", "查看该月末的忠诚之塔；0为开始时"),
    "view": ("Layers", "层次"),
    "view_help": (
        "three: who intends without doing counts as affective",
        "《客户关系管理》只分三层：有意向而无行动者归入情感层",
    ),
    "four": ("four", "四层"),
    "three": ("three", "三层"),
    "push": ("What if one condition were better by", "假如某一条件提高"),
    "push_help": ("one at a time, for everybody, all else as it is", "对每位客户逐一提高，其余不变"),
    "points": ("points", "分"),
    "tower": ("{x:.0f} % stand on {floor}, the fullest", "{floor}最多，占{x:.0f}%"),
    "matrix": ("Of those on a floor, % who …", "该层客户中，……的百分比"),
    "floor_0": ("none", "无忠诚"),
    "floor_1": ("cognitive", "认知"),
    "floor_2": ("affective", "情感"),
    "floor_3": ("conative", "意向"),
    "floor_4": ("action", "行为"),
    "axis": ("customers, %", "客户，%"),
    "down": ("are\nsinking", "正在\n下降"),
    "time": ("lack\nonly\ntime", "只欠\n时间"),
    "would": ("would climb if it were better alone", "仅此一项改善即可上升"),
    "value": ("value\nvs rival\n+{x:g}", "相对\n价值\n+{x:g}"),
    "satisfaction": ("satis-\nfaction\n+{x:g}", "满意度\n+{x:g}"),
    "trust": ("trust\n+{x:g}", "信任\n+{x:g}"),
    "switching": ("switch.\ncost\n+{x:g}", "转移\n成本\n+{x:g}"),
    "buying": ("buying\nevery\nmonth", "每月\n都买"),
    "none": ("need\ntwo or\nmore", "一项\n不够"),
    "top": ("the top", "顶层"),
    "untouched": ("thin outline:\nuntouched world", "细框：\n未改动的世界"),
    "upper": ("Affective (情感) or higher", "情感层及以上"),
    "action": ("Action loyalty (行为忠诚)", "行为忠诚"),
    "waiting": ("Lack only time", "只欠时间"),
    "waiting_detail": ("of all below the top", "占顶层以下全部客户"),
    "most": ("What alone lifts most", "单项最有效"),
    "most_detail": ("{x}of those held back rise", "{x}被卡住者可上一层"),
    "against": ("{range} · untouched {x:.0f} %", "{range} · 未改动 {x:.0f}%"),
    "name_value": ("value against the rival (相对价值)", "相对竞争对手的价值"),
    "name_satisfaction": ("satisfaction (满意度)", "满意度"),
    "name_trust": ("trust (信任)", "信任"),
    "name_switching": ("switching cost (转移成本)", "转移成本"),
    "name_buying": ("buying every month (每月购买)", "每月购买"),
    "sentence": (
        "After month {month}, {x:.0f} % of {n:,.0f} customers stand on the floor of {floor}, the fullest "
        "({low:.0f} to {high:.0f} %). {held} {change}",
        "第{month}月末，{n:,.0f}名客户中{x:.0f}%（{low:.0f} 至 {high:.0f}%）处于{floor}一层，为最多。"
        "{held}{change}",
    ),
    "held": (
        "Of all below the top, {time:.0f} % lack only time; of the others, {rise:.0f} % ({low:.0f} to "
        "{high:.0f}) would climb a floor with {what} {push}alone, more than with any other single thing.",
        "顶层以下的客户中，{time:.0f}%只欠时间；其余客户中，单靠{what}{push}，"
        "{rise:.0f}%（{low:.0f} 至 {high:.0f}）可上一层，多于其他任何单项。",
    ),
    "push_words": ("+{x:g} ", "提高{x:g}分"),
    "held_none": (
        "Of all below the top, {time:.0f} % lack only time, and nothing alone would lift anybody else.",
        "顶层以下的客户中，{time:.0f}%只欠时间，其余客户单靠任何一项都不能上升。",
    ),
    "changed": (
        "Against the untouched world, {d} points stand on the affective floor or higher ({low} to {high}).",
        "与未改动的世界相比，情感层及以上的比例变化{d}个百分点（{low} 至 {high}）。",
    ),
    "foot": (
        "{scenario}, seed {seed}, {customers:,} customers at the start, worlds: {n}, 95 % intervals; "
        "threshold {threshold:g} points; columns of conditions overlap{desk}",
        "{scenario}，种子{seed}，初始{customers:,}名客户，{n}个世界，95%区间；"
        "门槛{threshold:g}分；各条件的比例可重叠{desk}",
    ),
    "desk": ("; no waiting at the hotline", "；不计热线等待"),
    "nobody": ("In this month there is no customer left.", "该月已没有客户。"),
    "refine": ("more worlds: {k} of {n}", "更多世界：{k}/{n}"),
}  # fmt: skip


class LayerTower(Page):
    """Four layers or three, who stands where, and which condition would lift them."""

    name = "layer-tower"
    texts = TEXT
    question = (
        "What holds customers back from the next layer of loyalty?",
        "是什么使客户上不到更高的忠诚层次？",
    )
    about = ("who stands on which layer, and what is missing", "谁处于哪一层，还缺什么")
    same_luck = True
    css = "layer_tower.css"

    def __init__(self, *given: Any, **more: Any) -> None:
        self._kept = Kept()
        super().__init__(*given, **more)

    def groups(self) -> Sequence[Group]:
        months, market = self.scenario.population.months, self.scenario.market
        return [
            Group(TEXT["look_group"], [
                Choice("view", TEXT["view"], [(4, TEXT["four"]), (3, TEXT["three"])], 4, TEXT["view_help"],
                       buttons=True),
                Number("month", TEXT["month"], min(24, months), 0, months, 1, help=TEXT["month_help"],
                       whole=True),
                Number("push", TEXT["push"], 10, 1, 30, 1, TEXT["points"], TEXT["push_help"]),
            ]),
            Group(TEXT["firm_group"], [
                quality(),
                Parameter("market.switching_cost_shift", -30, 30),
            ]),
            Group(TEXT["world_group"], [
                preset_choice(self),
                Parameter("market.openness"),
                Parameter("market.alternative_mean", max(0, market.alternative_mean - 20),
                          min(100, market.alternative_mean + 20)),
            ]),
        ]  # fmt: skip

    def build(self) -> Sequence[Any]:
        self.picture = Picture(
            8.9, 4.3, language=self.language, columns=2, dpi=150, gridspec_kw={"width_ratios": [2.7, 5.5]}
        )
        self.picture.margins(0.105, 0.995, 0.15, 0.765, wspace=0.04)
        self._artists: dict[str, Any] = {}
        return [ipywidgets.VBox([self.picture.widget, self.player()])]

    # -- the worlds --------------------------------------------------------------------------------

    def compute(self, values: dict[str, Any], task: Task) -> Iterator[Any]:
        # month and view only look at worlds that are there
        asked = {name: value for name, value in values.items() if name not in ("month", "view", "run")}
        parts, before = self._kept.of((self.scenario, self.seed), tuple(asked.items()))
        world = with_quality(self.world(values, service__desk="none"), values["quality"])
        base = self.scenario.replace(service__desk="none")
        wanted = max(len(parts), THOROUGH if values["run"] else SOON)
        if parts:
            yield self._together(world, parts, before, values)
        elif before and wanted > 1:
            # a quick look at the month asked for; counting every month takes longer than the world itself
            first = self._one(world, 0, values["push"], task, only=int(values["month"]))
            yield self._together(world, [first], before, values)
        while len(parts) < wanted:
            k = len(parts)
            if len(before) == k:
                before.append(self._one(base, k, values["push"], task))
            # an untouched world is its own comparison
            parts.append(
                before[k] if world == base and values["push"] == self.panel.controls["push"].default
                else self._one(world, k, values["push"], task)
            )  # fmt: skip
            if len(parts) == wanted or (k == 0 and len(before) == 1):
                yield self._together(world, parts, before, values)
            else:
                task.progress(len(parts), wanted, self.text("refine", k=len(parts), n=wanted))

    def _one(self, world: Scenario, k: int, push: float, task: Task, only: int | None = None) -> np.ndarray:
        look = Counting(push, only)
        simulate(world, [], self.seed, replication=k, stop=task.stop, progress=False, watch=look)
        return np.array(look.months)

    def _together(
        self, world: Scenario, parts: list[np.ndarray], before: list[np.ndarray], values: dict[str, Any]
    ) -> dict[str, Any]:
        month = min(int(values["month"]), world.population.months)
        side = list(VIEWS).index(values["view"])
        return {
            "world": world, "n": len(parts), "month": month, "view": values["view"], "push": values["push"],
            # (worlds, floors, parts)
            "counts": np.array([part[month, side] for part in parts]),
            "before": np.array([part[month, side, :, 0] for part in before[: len(parts)]]),
        }  # fmt: skip

    # -- what is shown -----------------------------------------------------------------------------

    def show(self, found: dict[str, Any]) -> None:
        counts, floors = found["counts"], FLOORS[found["view"]]
        here = counts[:, :, 0]
        everyone = here.sum(axis=1)
        foot = self.text(
            "foot", scenario=self.industry, seed=self.seed, n=found["n"],
            customers=round(found["world"].population.size * found["world"].population.initial_share),
            threshold=found["world"].loyalty.threshold,
            desk=self.text("desk") if self.scenario.service.desk != "none" else "",
        )  # fmt: skip
        if everyone.min() == 0:
            self.cards()
            self._draw(found)
            self.say(self.text("nobody"), foot)
            return
        shares = 100 * here / everyone[:, None]
        was = 100 * found["before"] / found["before"].sum(axis=1)[:, None]
        upper, upper_was = shares[:, 2:].sum(axis=1), was[:, 2:].sum(axis=1)
        waiting, best, lifted = self._held(counts)
        share = lifted[best]
        self.cards(
            self._card("upper", upper, upper_was),
            self._card("action", shares[:, 4], was[:, 4]),
            Card(self.text("waiting"), f"{waiting.mean:.0f} %",
                 _between(waiting, found["n"]) + self.text("waiting_detail")),
            Card(self.text("most"), f"{self._short(best)} {share.mean:.0f} %",
                 self.text("most_detail", x=_between(share, found["n"]))),
        )  # fmt: skip
        self._draw(found)
        top = max(floors, key=lambda floor: shares[:, floor].mean())
        x = interval(shares[:, top])
        held = self._told(waiting, best, share, found["push"])
        change = ""
        if (found["before"] != here).any():
            d = interval(upper - upper_was)
            change = self.text("changed", d=signed(d.mean, 1), low=signed(d.low, 1), high=signed(d.high, 1))
        name = term(LoyaltyLayer(top), self.language)
        self.say(
            self.text("sentence", month=found["month"], x=x.mean, low=x.low, high=x.high,
                      n=float(everyone.mean()), floor=name, held=held, change=change).strip(),
            foot,
        )  # fmt: skip

    def _card(self, key: str, now: np.ndarray, was: np.ndarray) -> Card:
        mean, change = interval(now), interval(now - was)
        detail = self.text("against", range=_between(mean, now.size).rstrip(" ·"), x=float(was.mean()))
        return Card(self.text(key), f"{mean.mean:.0f} %", detail.removeprefix(" · "), *change.arrow)

    def _held(self, counts: np.ndarray) -> tuple[Interval, str, dict[str, Interval]]:
        """Below the top: the share who lack only time; of all others, what alone lifts most of them."""
        below = counts[:, :4].sum(axis=1)
        time, here = below[:, PLACE["time"]], np.maximum(below[:, 0], 1)
        held = np.maximum(here - time, 1)
        lifted = {name: interval(100 * below[:, PLACE[name]] / held) for name in CONDITIONS}
        return interval(100 * time / here), max(lifted, key=lambda name: lifted[name].mean), lifted

    def _short(self, name: str) -> str:
        """A condition in one or two words, for a card."""
        words = {"value": ("value", "相对价值"), "satisfaction": ("satisfaction", "满意度"),
                 "trust": ("trust", "信任"), "switching": ("switching cost", "转移成本"),
                 "buying": ("buying", "每月购买")}  # fmt: skip
        return self.pick(words[name])

    def _told(self, waiting: Interval, best: str, lifted: Interval, push: float) -> str:
        """What holds those below the top, in words."""
        if lifted.mean == 0:
            return self.text("held_none", time=waiting.mean)
        return self.text(
            "held", time=waiting.mean, rise=lifted.mean, low=lifted.low, high=lifted.high,
            what=self.text(f"name_{best}"),
            push="" if best == "buying" else self.text("push_words", x=push),
        )  # fmt: skip

    def _draw(self, found: dict[str, Any]) -> None:
        counts, floors = found["counts"], FLOORS[found["view"]]
        here = counts[:, :, 0]
        shares = 100 * here / np.maximum(here.sum(axis=1), 1)[:, None]
        before = found["before"]
        was = 100 * before / np.maximum(before.sum(axis=1), 1)[:, None]
        top = max(floors, key=lambda floor: shares[:, floor].mean())
        title = self.drawn("tower", x=shares[:, top].mean(), floor=self.drawn(f"floor_{top}"))
        mean = counts.mean(axis=0)
        with self.picture.drawing(lambda: f"{title}. {self.sentence}") as (tower, grid):
            if self._artists.get("view") != found["view"]:
                self._begin_picture(tower, grid, found["view"])
            a = self._artists
            tower.set_xlim(0, max(48.0, 1.25 * float(shares.mean(axis=0).max())))
            a["title"].set_text(title)
            a["untouched"].set_visible(bool((before != here).any()))
            for floor in floors:
                bar, outline, error, label, y = a["floors"][floor]
                x, old = interval(shares[:, floor]), float(was[:, floor].mean())
                bar.set_width(x.mean)
                outline.set_width(old)
                error.set_data([x.low, x.high], [y, y])
                label.set_text(f"{x.mean:.0f}")
                label.set_x(max(x.mean, x.high, old) + 1.5)
            for name in PARTS[1:]:
                a["heads"][name].set_text(self.drawn(name, x=found["push"]))
            for floor, cells in a["cells"].items():
                share = 100 * mean[floor] / max(mean[floor, 0], 1)
                best = max(CONDITIONS, key=lambda name: share[PLACE[name]])
                for name, (bar, label) in cells.items():
                    strong = name == best and share[PLACE[name]] > 0
                    bar.set_width(0.88 * share[PLACE[name]] / 100)
                    label.set_text(f"{share[PLACE[name]]:.0f}")
                    label.set_fontweight("bold" if strong else "normal")
                if floor in a["frames"]:
                    a["frames"][floor].set_x(PLACE[best] - 0.44)
                    a["frames"][floor].set_visible(share[PLACE[best]] > 0)

    def _begin_picture(self, tower: Any, grid: Any, view: int) -> None:
        """All artists of a view. On the right a row for each floor, a column for each reason; the strongest
        single condition of a row has a frame."""
        floors = FLOORS[view]
        a = self._artists = {"view": view, "floors": {}, "cells": {}, "frames": {}, "heads": {}}
        for ax in (tower, grid):
            ax.clear()
            ax.grid(False)
            ax.set_ylim(-0.55, len(floors) - 0.4)
            ax.spines[:].set_visible(False)
        tower.spines["bottom"].set_visible(True)
        tower.set_yticks(range(len(floors)), [self.drawn(f"floor_{f}") for f in floors])
        tower.tick_params(axis="y", length=0)
        tower.set_xlabel(self.drawn("axis"))
        grid.set_xlim(0.42, len(PARTS) - 0.45)
        grid.set_xticks([])
        grid.set_yticks([])
        for y, floor in enumerate(floors):
            bar = tower.barh(y, 0, 0.74, color=list(LAYER_COLOURS.values())[floor])[0]
            outline = tower.barh(y, 0, 0.74, fill=False, edgecolor="black", linewidth=1.1)[0]
            error = tower.plot([], [], color="black", lw=2.2, solid_capstyle="butt")[0]
            a["floors"][floor] = (bar, outline, error, tower.text(0, y, "", va="center", fontsize=15), y)
            a["cells"][floor] = {}
            for name in PARTS[1:]:
                # nobody rises from the top, nobody sinks from the ground
                if (floor == 4 and name != "down") or (floor == 0 and name == "down"):
                    continue
                left, colour = PLACE[name] - 0.44, COLOURS.get(name, OKABE_ITO["sky"])
                grid.barh(y, 0.88, 0.74, left=left, color="#F3F3F3")
                cell = grid.barh(y, 0, 0.74, left=left, color=colour, alpha=0.55)[0]
                number = grid.text(PLACE[name], y, "", ha="center", va="center", fontsize=14)
                a["cells"][floor][name] = (cell, number)
            if floor == 4:
                grid.text(PLACE["time"] - 0.4, y, self.drawn("top"), va="center", fontsize=13, color=GREY)
            else:
                edge = dark(OKABE_ITO["sky"])
                a["frames"][floor] = grid.barh(y, 0.88, 0.74, fill=False, edgecolor=edge, lw=2.2)[0]
        for name in PARTS[1:]:
            a["heads"][name] = grid.text(PLACE[name], len(floors) - 0.5, "", ha="center", va="bottom",
                                         fontsize=12, linespacing=1.0)  # fmt: skip
        first, last = PLACE["value"] - 0.44, PLACE["buying"] + 0.44
        grid.plot([first, last], [-0.43, -0.43], color=GREY, lw=1.2)
        grid.text((first + last) / 2, -0.5, self.drawn("would"), ha="center", va="top", fontsize=12.5,
                  color=GREY)  # fmt: skip
        a["untouched"] = tower.text(
            1.0, 0.01, self.drawn("untouched"), transform=tower.transAxes, fontsize=11, color=GREY,
            ha="right", va="bottom", linespacing=1.05,
        )  # fmt: skip
        a["title"] = tower.text(
            0.004, 0.985, "", transform=self.picture.figure.transFigure, fontsize=16, va="top", ha="left"
        )
        grid.text(
            0.99, 0.98, self.drawn("matrix"), transform=self.picture.figure.transFigure, fontsize=14,
            va="top", ha="right", color=GREY,
        )  # fmt: skip


# sinking, waiting and wanting more than one thing are no conditions
COLOURS = {"down": OKABE_ITO["vermillion"], "time": OKABE_ITO["green"], "none": "#9A9A9A"}


class Standing(NamedTuple):
    """What a customer's layers follow, points; `buying` is the chance of buying or paying in a month,
    `alternative` and `switching` as rivals and the firm have moved them."""

    value: np.ndarray
    satisfaction: np.ndarray
    trust: np.ndarray
    switching: np.ndarray
    buying: np.ndarray
    alternative: np.ndarray
    care: np.ndarray

    def heading(self, threshold: float) -> np.ndarray:
        """The layer at which everyone would arrive if nothing else changed: the targets of the rules of
        loyalty (`simulation.rules`) in place of the levels that follow them."""
        cognitive = np.clip(50 + 1.5 * (self.value - self.alternative + 8), 0, 100)
        feeling = 1.5 * self.satisfaction + 0.5 * self.trust - 70 + 0.1 * self.care
        affective = np.clip(feeling, 0, 100) * np.minimum(1, cognitive / 60)
        conative = affective * (0.6 + 0.004 * self.switching)
        action = self.buying * (40 + 0.6 * conative)
        layer = np.zeros(cognitive.size, dtype=np.int64)
        reached = np.ones(cognitive.size, dtype=bool)
        for level in (cognitive, affective, conative, action):
            reached &= level >= threshold
            layer += reached
        return layer

    def better(self, name: str, points: float) -> Standing:
        """The same with one condition better by so many points, or bought every month."""
        if name == "buying":
            return self._replace(buying=np.ones_like(self.buying))
        return self._replace(**{name: np.minimum(getattr(self, name) + points, 100)})


class Counting:
    """Counts at each month's beginning, of those who lived the month before, who stands on each floor and
    what holds them: arrays (views, floors, parts). `only`: zeros for all months but this."""

    def __init__(self, push: float, only: int | None = None) -> None:
        self.push, self.only = push, only
        self.months: list[np.ndarray] = []

    def __call__(self, month: int, world: WorldView) -> None:
        if self.only is not None and month != self.only:
            self.months.append(np.zeros((len(VIEWS), len(LoyaltyLayer), len(PARTS)), dtype=np.int64))
            return
        active = world.column("active") > 0
        if month:
            active &= world.column("joined") < month
        layer = layers_of(world)[active]
        now = standing(world, active)
        threshold = world.parameter("loyalty.threshold")
        heads = {"time": now.heading(threshold)}
        heads |= {name: now.better(name, self.push).heading(threshold) for name in CONDITIONS}
        self.months.append(np.array([_counts(view[layer], {n: view[h] for n, h in heads.items()})
                                     for view in VIEWS.values()]))  # fmt: skip


def standing(world: WorldView, who: np.ndarray) -> Standing:
    """What the layers of these customers follow, as rivals and the firm have moved it in this month."""

    def of(name: str) -> np.ndarray:
        return world.column(name)[who]

    p = world.parameter
    satisfaction = of("satisfaction")
    if p("purchase.contract") > 0:
        channel = of("channel_draw")
        manual = p("payment.manual_share")
        failure = np.where(channel < manual + p("payment.card_share"), p("payment.card_failure"),
                           p("payment.debit_failure"))  # fmt: skip
        failure = np.where(channel < manual, p("payment.manual_failure"), failure)
        buying = 1 - np.minimum(1, failure * of("payer")) * (1 - p("payment.cure"))
    else:
        rate = of("rate")
        heavy = rate > p("purchase.rate_mean")
        boost = np.where(heavy, p("purchase.heavy_boost"), p("purchase.light_boost"))
        lift = np.exp(p("purchase.satisfaction_effect") * (satisfaction - 70))
        buying = 1 - np.exp(-rate * lift * p("demand") * (1 + boost))
    return Standing(
        value=of("value"), satisfaction=satisfaction, trust=of("trust"), buying=buying, care=of("care"),
        switching=np.clip(of("switching") + p("market.switching_cost_shift"), 0, 100),
        alternative=of("alternative") + p("market.alternative_shift"),
    )  # fmt: skip


def _counts(layer: np.ndarray, heads: dict[str, np.ndarray]) -> np.ndarray:
    """(floors, parts): who stands there, sinks, lacks only time; of the others, who would climb."""
    held = heads["time"] <= layer
    groups = {"here": np.ones(layer.size, dtype=bool), "down": heads["time"] < layer, "time": ~held}
    groups |= {name: held & (heads[name] > layer) for name in CONDITIONS}
    groups["none"] = held & ~np.any([groups[name] for name in CONDITIONS], axis=0)
    return np.stack([np.bincount(layer[groups[part]], minlength=5) for part in PARTS], axis=1)


def _between(mean: Interval, worlds: int) -> str:
    return "" if worlds == 1 else f"{mean.low:.0f} … {mean.high:.0f} % · "
