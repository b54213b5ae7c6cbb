"""The market opens: a monopoly's loyalty, crossed by attitude and behaviour, before and after."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import ipywidgets
import numpy as np
import pandas as pd

from ...analysis.loyalty import loyalty_types
from ...plots.loyalty import TYPE_COLOURS
from ...plots.style import GREY, LIGHT, OKABE_ITO, apart, dark
from ...simulation.engine import simulate
from ...simulation.scenario import Scenario
from ...vocabulary import ChurnCause, LoyaltyType
from ..controls import Group, Number, Parameter
from ..page import Card, Page
from ..picture import Picture, wipe
from ..uncertainty import Interval, interval
from ..words import Pair
from ..worker import Task

SOON, THOROUGH = 8, 30
# customers drawn as dots
DOTS = 500
# in the picture from below: those who stay, those who left, of either attitude
ORDER = (LoyaltyType.TRUE, LoyaltyType.SPURIOUS, LoyaltyType.LATENT, LoyaltyType.NONE)
TO_RIVALS = (ChurnCause.COMPETITIVE, ChurnCause.FAULT)

# Years after opening, per cent who had switched. The first English figure counts customers, the others
# supply points: Ofwat's review of the first year; MOSL, switching activity to January 2019 and July 2023.
# British homes: opened 1996 to 1999, "about half" by 2004 (Ofgem's review).
PUBLISHED: dict[str, list[tuple[float, float]]] = {
    "england": [(1.0, 2.9), (1.75, 7.9), (6.25, 19.3)],
    "energy": [(7.0, 50.0)],
}

TEXT: dict[str, Pair] = {
    "spurious": ("Spurious loyalty (虚假忠诚)", "虚假忠诚"),
    "spurious_detail": ("at the opening", "开放时占客户"),
    "still": ("The same people now", "同一批人现在"),
    "still_detail": ("% still there", "%仍未离开"),
    "year": ("Gone to a rival, year {n}", "第{n}年累计转走"),
    "england_detail": ("· England {x:.1f}", "· 英格兰{x:.1f}"),
    "who": ("Who leaves (谁会离开)", "谁会离开"),
    "who_detail": ("spurious : true", "虚假忠诚：真正忠诚"),
    "attitude": ("attitude: affective loyalty, points", "态度：情感忠诚，分"),
    "stays": ("stays", "留下"),
    "left": ("to a rival", "转走"),
    "matrix": ("Month {month}: {share:.0f} % stay without liking", "第{month}月：{share:.0f}%留下却并不喜欢"),
    "moved": ("moved", "搬走"),
    "shares": ("Loyalty of those there at first, %", "初始客户的忠诚类型，%"),
    "month": ("month", "月"),
    "gone": (
        "{x:.0f} % switched in {n} years",
        "开放{n}年后{x:.0f}%已转走",
    ),
    "closed": ("Nobody can switch yet", "尚无人可以转走"),
    "years": ("years since the opening", "开放后的年数"),
    "switched": ("switched, %", "已转走，%"),
    "england": ("England:\nbusinesses'\nwater", "英格兰\n非居民供水"),
    "energy": ("British\nhomes:\nenergy", "英国\n居民能源"),
    "here": ("this market", "本市场"),
    "sentence": (
        "When the market opens, {before:.0f} % of customers stay without liking the firm. {n} years later "
        "{spurious:.0f} % of these have gone to a rival ({low:.0f} to {high:.0f}), and {true:.0f} % of the "
        "truly loyal; {inert:.0f} % of the spurious are still there: want of a choice has become inertia.",
        "市场开放时，{before:.0f}%的客户并不喜欢企业却仍留下。{n}年后，其中{spurious:.0f}%转向竞争对手"
        "（{low:.0f} 至 {high:.0f}），真正忠诚者中为{true:.0f}%；虚假忠诚者仍有{inert:.0f}%未离开："
        "别无选择变成了惯性。",
    ),
    "empty": (
        "When the market opens, {before:.0f} % of customers stay without liking the firm. {n} years later "
        "{spurious:.0f} % of these have gone to a rival ({low:.0f} to {high:.0f}), and {true:.0f} % of the "
        "truly loyal.",
        "市场开放时，{before:.0f}%的客户并不喜欢企业却仍留下。{n}年后，其中{spurious:.0f}%转向竞争对手"
        "（{low:.0f} 至 {high:.0f}），真正忠诚者中为{true:.0f}%。",
    ),
    "before": (
        "In month {month} nobody can leave for a rival: all seem loyal, and {before:.0f} % of them do not "
        "like the firm.",
        "第{month}月，没有人能转向竞争对手：人人看似忠诚，其中{before:.0f}%并不喜欢企业。",
    ),
    "foot": (
        "{scenario}, seed {seed}, {customers:,} customers, {n} worlds, no waiting at the hotline; shares of "
        "those who have not moved away; band and brackets 95 %. Published: Ofwat and MOSL 2018 to 2023; "
        "Ofgem 2004, about half",
        "{scenario}，种子{seed}，{customers:,}名客户，{n}个世界，不计热线等待；未搬走客户中的比例；"
        "带与区间为95%。"
        "公开数据：Ofwat与MOSL 2018–2023；Ofgem 2004（约一半）",
    ),
    "refine": ("more worlds: {k} of {n}", "更多世界：{k}/{n}"),
    "look": ("Look at month", "查看月份"),
    "look_help": ("press play and watch the corner drain", "按播放键，观察虚假忠诚如何流失"),
    "cut": ("Attitude counts as good from", "态度良好的界限"),
    "cut_help": ("where the cut lies decides the shares", "界限决定各类型的比例"),
    "opening": ("Month of the opening", "开放月份"),
    "openness": ("Openness reached", "开放程度"),
    "openness_help": ("0: still a monopoly; 1: anybody may leave", "0：仍为垄断；1：人人可以离开"),
    "ramp": ("Months until fully open", "完全开放所需月数"),
    "readily": ("How readily they look around", "寻找替代者的意愿"),
    "readily_help": ("hazard of leaving for a rival in an open market", "开放市场中转向竞争对手的风险"),
    "quality": ("Quality of every touchpoint", "各接触点质量"),
    "quality_help": ("what the firm did before the opening", "企业在开放之前的努力"),
}  # fmt: skip


class MarketOpens(Page):
    """Attitude and behaviour crossed; a month in which the market opens; two real markets beside it."""

    name = "market"
    texts = TEXT
    question = (
        "What is a monopoly's loyalty worth when the market opens?",
        "市场开放后，垄断者的忠诚还剩多少？",
    )
    about = (
        "true, latent and spurious loyalty before and after an opening",
        "市场开放前后的真正、潜在与虚假忠诚",
    )
    preset = "water_utility"
    months = 108
    css = "market.css"

    def __init__(self, *given: Any, **more: Any) -> None:
        self._kept: tuple[Any, list[dict[str, Any]]] = (None, [])
        super().__init__(*given, **more)

    def groups(self) -> Sequence[Group]:
        months = self.scenario.population.months
        base = self.scenario.churn.competitive
        opening = min(24, months // 3)
        return [
            Group(("The month and the cut", "月份与界限"), [
                Number("month", TEXT["look"], months, 1, months, 1, help=TEXT["look_help"], whole=True),
                Number("cut", TEXT["cut"], 50, 30, 80, 1, ("points", "分"), TEXT["cut_help"]),
            ]),
            Group(("The market", "市场"), [
                Number("opening", TEXT["opening"], opening, min(12, opening), max(months // 2, opening), 1,
                       whole=True),
                Number("openness", TEXT["openness"], 1.0, 0.0, 1.0, 0.01, ("share", "比例"),
                       TEXT["openness_help"]),
                Number("ramp", TEXT["ramp"], 3, 0, 36, 1, whole=True),
                Parameter("churn.competitive", 0, max(0.03, 2 * base), 0.0001, label=TEXT["readily"],
                          help=TEXT["readily_help"]),
                Parameter("market.switching_cost_shift", -30, 30),
            ]),
            Group(("The firm", "企业"), [
                Number("quality", TEXT["quality"], 0, -10, 10, 0.5, ("points", "分"), TEXT["quality_help"]),
            ]),
        ]  # fmt: skip

    def build(self) -> Sequence[Any]:
        self.matrix = Picture(4.4, 4.55, language=self.language, dpi=150)
        self.time = Picture(4.4, 4.55, language=self.language, rows=2, dpi=150)
        self.matrix.margins(0.085, 0.955, 0.125, 0.92)
        self.time.margins(0.125, 0.69, 0.125, 0.92, hspace=0.62)
        row = ipywidgets.HBox([ipywidgets.VBox([self.matrix.widget, self.player()]), self.time.widget])
        row.add_class("cs-row")
        return [row]

    # -- the worlds --------------------------------------------------------------------------------

    def compute(self, values: dict[str, Any], task: Task) -> Iterator[Any]:
        # month and cut only look at worlds that are there
        asked = {name: value for name, value in values.items() if name not in ("month", "cut", "run")}
        key = (self.scenario, self.seed, tuple(asked.items()))
        if self._kept[0] != key:
            self._kept = (key, [])
        parts = self._kept[1]
        wanted = max(len(parts), THOROUGH if values["run"] else SOON)
        world = self._world(values)
        if parts:
            yield self._together(world, parts, values)
        while len(parts) < wanted:
            parts.append(self._one(world, len(parts), task))
            if len(parts) in (1, wanted):
                yield self._together(world, parts, values)
            else:
                task.progress(len(parts), wanted, self.text("refine", k=len(parts), n=wanted))

    def _world(self, values: dict[str, Any]) -> Scenario:
        moved = {
            f"touchpoints__{t.name}__quality": min(100.0, max(0.0, t.quality + values["quality"]))
            for t in self.scenario.touchpoints
        }
        event = {"month": values["opening"], "kind": "opening", "opening": values["openness"],
                 "ramp": values["ramp"]}  # fmt: skip
        return self.world(values, market__openness=0.0, service__desk="none", rivals=[event], **moved)

    def _one(self, world: Scenario, k: int, task: Task) -> dict[str, Any]:
        """Attitude and whereabouts of everyone there at the start, at the start of each month."""
        people = round(world.population.size * world.population.initial_share)
        attitude = np.zeros((world.population.months + 1, people), dtype=np.float32)

        def look(month: int, view: Any) -> None:
            attitude[month] = view.column("affective")[:people]

        run = simulate(world, [], self.seed, replication=k, stop=task.stop, progress=False, watch=look)
        table = run.customers.iloc[:people]
        cause = table["cause"].cat.codes.to_numpy() + 1
        rival = np.isin(cause, TO_RIVALS)
        left = table["left_month"].to_numpy(dtype=float, na_value=np.inf)
        return {
            "attitude": attitude,
            "to_rival": np.where(rival, left, np.inf),
            "moved": np.where((cause > 0) & ~rival, left, np.inf),
        }

    def _together(
        self, world: Scenario, parts: list[dict[str, Any]], values: dict[str, Any]
    ) -> dict[str, Any]:
        cut, opening = float(values["cut"]), int(values["opening"])
        month = min(int(values["month"]), world.population.months)
        shares = np.array([shares_of(part, cut) for part in parts])  # (worlds, types + moved, months + 1)
        at = parts[0]
        here = at["moved"] >= month
        types = loyalty_types(
            pd.Series(at["attitude"][month][here]), pd.Series(1.0 * (at["to_rival"][here] >= month)),
            attitude_cut=cut, behaviour_cut=0.5,
        )  # fmt: skip
        gone: dict[str, list[float]] = {"true": [], "spurious": []}
        for part in parts:
            for name, chosen in _at_opening(part, cut, opening).items():
                known = chosen & (part["moved"] >= month)
                gone[name].append(100 * float((part["to_rival"][known] < month).mean()) if known.any() else 0)
        switched = 100 * np.array([[_switched(part, t) for t in range(shares.shape[2])] for part in parts])
        return {
            "world": world, "n": len(parts), "shares": shares, "types": types, "dots": at, "month": month,
            "cut": cut, "opening": opening, "switched": switched,
            "gone": {name: interval(each) for name, each in gone.items()},
            "ratio": interval(np.divide(gone["spurious"], gone["true"])) if min(gone["true"]) > 0 else None,
        }  # fmt: skip

    # -- what is shown -----------------------------------------------------------------------------

    def show(self, found: dict[str, Any]) -> None:
        month, opening, switched = found["month"], found["opening"], found["switched"]
        self._draw_matrix(found)
        self._draw_time(found)
        spurious = 100 * found["shares"][:, 1] / np.maximum(1 - found["shares"][:, 4], 1e-9)
        before = interval(spurious[:, opening])
        gone = found["gone"]
        years = (month - opening) / 12
        single = found["n"] == 1

        def told(key: str, mean: Interval, **values: Any) -> str:
            digits = 0 if key == "still_detail" else 1
            ends = "" if single else f"{mean.low:.{digits}f} … {mean.high:.{digits}f} "
            return ends + self.text(key, **values)

        still = Interval(
            *(100 - x for x in (gone["spurious"].mean, gone["spurious"].high, gone["spurious"].low))
        )
        cards = [
            Card(self.text("spurious"), f"{before.mean:.0f} %", told("spurious_detail", before)),
            Card(self.text("still"), f"{still.mean:.0f} %", told("still_detail", still)),
        ]
        england = dict(PUBLISHED["england"])
        for year, place in ((1, 1.0), (6, 6.25)):
            t = opening + 12 * year
            if t < switched.shape[1]:
                x = interval(switched[:, t])
                value, detail = f"{x.mean:.1f} %", told("england_detail", x, x=england[place])
            else:
                value, detail = "–", self.text("england_detail", x=england[place])
            cards.append(Card(self.text("year", n=year), value, detail))
        ratio: Interval | None = found["ratio"]
        detail = self.text("who_detail") if ratio is None else told("who_detail", ratio)
        cards.append(Card(self.text("who"), "–" if ratio is None else f"{ratio.mean:.1f} ×", detail))
        self.cards(*cards)
        if years <= 0 or found["world"].rivals[0].opening == 0:
            now = interval(spurious[:, month])
            sentence = self.text("before", month=month, before=now.mean)
        else:
            inert = 100 - gone["spurious"].mean
            sentence = self.text(
                "sentence" if inert >= 50 else "empty", before=before.mean, n=_plain(years),
                spurious=gone["spurious"].mean, low=gone["spurious"].low, high=gone["spurious"].high,
                true=gone["true"].mean, inert=inert,
            )  # fmt: skip
        world = found["world"]
        self.say(
            sentence,
            self.text("foot", scenario=self.industry, seed=self.seed, customers=world.population.size,
                      n=found["n"]),
        )  # fmt: skip

    def _draw_matrix(self, found: dict[str, Any]) -> None:
        """Each dot a customer: attitude to the right, above those who stay, below those who left."""
        month, cut, at = found["month"], found["cut"], found["dots"]
        table = found["types"].table.set_index("type")
        title = self.drawn("matrix", month=month, share=100 * table.loc["spurious", "share"])
        with self.matrix.drawing(title) as (ax,):
            wipe(ax)
            ax.grid(False)
            ax.set_xlim(0, 100)
            ax.set_ylim(-1.08, 1.08)
            ax.set_yticks([0.5, -0.5], [self.drawn("stays"), self.drawn("left")], rotation=90, va="center")
            ax.tick_params(axis="y", length=0, labelsize=15)
            ax.spines[["top", "right"]].set_visible(False)
            ax.axhline(0, color=GREY, lw=1.2)
            ax.axvline(cut, color=GREY, lw=1.2)
            some = slice(0, min(DOTS, at["moved"].size))
            shown = at["moved"][some] >= month
            x = at["attitude"][month][some][shown]
            stays = at["to_rival"][some][shown] >= month
            # the place up and down means nothing; it is the customer's own, so that dots fall straight
            height = 0.06 + 0.74 * ((np.arange(DOTS)[: shown.size][shown] * 0.6180339887) % 1)
            code = 2 * (x >= cut) + stays
            for kind in ORDER:
                dots = code == kind
                ax.scatter(x[dots], np.where(stays, height, height - 0.94)[dots], s=34,
                           color=TYPE_COLOURS[kind.key], edgecolor="white", linewidth=0.6)  # fmt: skip
            language = self.matrix.language
            for kind in ORDER:
                row = table.loc[kind.key]
                ax.text(
                    99 if kind.strong_attitude else 1,
                    0.97 if kind.repeat_buying else -0.07,
                    f"{kind.label(language).replace(' loyalty', '')} {100 * row['share']:.0f} %",
                    fontsize=14,
                    va="center",
                    ha="right" if kind.strong_attitude else "left",
                    color=dark(TYPE_COLOURS[kind.key]),
                    fontweight="bold",
                    bbox={"facecolor": "white", "alpha": 0.85, "edgecolor": "none", "pad": 1},
                )
            ax.set_xlabel(self.drawn("attitude"), fontsize=13.5)
            ax.set_title(title, fontsize=15.5)

    def _draw_time(self, found: dict[str, Any]) -> None:
        month, opening = found["month"], found["opening"]
        shares = 100 * found["shares"].mean(axis=0)
        months = np.arange(shares.shape[1])
        language = self.time.language
        switched = found["switched"]
        after = switched[:, min(month, switched.shape[1] - 1)].mean()
        title = (
            self.drawn("gone", x=after, n=_plain((month - opening) / 12))
            if month > opening
            else self.drawn("closed")
        )
        with self.time.drawing(title) as (above, below):
            wipe(above)
            wipe(below)
            for ax in (above, below):
                ax.spines[["top", "right"]].set_visible(False)
                ax.tick_params(labelsize=12.5)
            colours = [*(TYPE_COLOURS[kind.key] for kind in ORDER), LIGHT]
            above.stackplot(months, shares, colors=colours, linewidth=0)
            above.axvline(opening, color=OKABE_ITO["black"], lw=1.4, ls=":")
            above.axvline(month, color=OKABE_ITO["vermillion"], lw=1.8)
            above.set_xlim(0, months[-1])
            above.set_ylim(0, 100)
            above.set_xticks(range(0, int(months[-1]) + 1, 24))
            above.set_xlabel(self.drawn("month"), fontsize=12.5, labelpad=1)
            above.set_title(self.drawn("shares"), fontsize=14)
            middles = np.cumsum(shares[:, -1]) - shares[:, -1] / 2
            names = [kind.label(language).replace(" loyalty", "") for kind in ORDER] + [self.drawn("moved")]
            beside = above.get_yaxis_transform()
            for y, name, colour, now in zip(apart(list(middles), [15.5] * 5, 0, 100), names, colours,
                                            shares[:, -1], strict=True):  # fmt: skip
                above.text(1.02, y, f"{name} {now:.0f}", transform=beside, va="center", fontsize=12.5,
                           color=dark(colour))  # fmt: skip
            t = (months - opening) / 12
            keep = t >= 0
            known = switched[:, keep]
            mean = known.mean(axis=0)
            if len(known) > 1:
                bands = [interval(column) for column in known.T]
                below.fill_between(t[keep], [b.low for b in bands], [b.high for b in bands],
                                   color=OKABE_ITO["vermillion"], alpha=0.25, linewidth=0)  # fmt: skip
            below.plot(t[keep], mean, color=OKABE_ITO["vermillion"], lw=3.2)
            last = max(7.2, float(t[-1]))
            ends = [(float(mean[-1]), self.drawn("here"), OKABE_ITO["vermillion"])]
            for (name, points), colour in zip(PUBLISHED.items(), (OKABE_ITO["blue"], GREY), strict=True):
                line = np.array([(0.0, 0.0), *points])
                below.plot(*line.T, color=colour, lw=1.4, ls="--")
                below.plot(*line[1:].T, "o", color=colour, ms=7)
                ends.append((points[-1][1], self.drawn(name), colour))
            below.set_xlim(0, last)
            tall = max(58.0, 1.1 * float(mean.max()))
            below.set_ylim(0, tall)
            if month > opening:
                below.axvline((month - opening) / 12, color=OKABE_ITO["vermillion"], lw=1.8)
            ends.sort(key=lambda end: end[0])
            heights = [0.145 * tall * (1 + label.count("\n")) for _, label, _ in ends]
            beside = below.get_yaxis_transform()
            for (_, label, colour), y in zip(
                ends, apart([e[0] for e in ends], heights, 0, tall), strict=True
            ):
                below.text(1.02, y, label, transform=beside, va="center", fontsize=12.5, linespacing=1.0,
                           color=dark(colour))  # fmt: skip
            below.set_xlabel(self.drawn("years"), fontsize=12.5, labelpad=1)
            below.set_ylabel(self.drawn("switched"), fontsize=12.5)
            below.set_title(title, fontsize=14)


def _plain(years: float) -> str:
    return f"{years:.1f}".removesuffix(".0")


def shares_of(part: dict[str, Any], cut: float) -> np.ndarray:
    """Shares of those there at first at the start of each month: the types in `ORDER`, moved away."""
    month = np.arange(len(part["attitude"]))[:, None]
    moved = part["moved"][None, :] < month
    stays = part["to_rival"][None, :] >= month
    code = np.where(moved, -1, 2 * (part["attitude"] >= cut) + stays)
    return np.array([*((code == kind).mean(axis=1) for kind in ORDER), moved.mean(axis=1)])


def _at_opening(part: dict[str, Any], cut: float, opening: int) -> dict[str, np.ndarray]:
    """Who was truly and who spuriously loyal when the market opened."""
    there = (part["moved"] >= opening) & (part["to_rival"] >= opening)
    liking = part["attitude"][opening] >= cut
    return {"true": there & liking, "spurious": there & ~liking}


def _switched(part: dict[str, Any], month: int) -> float:
    """Share gone to a rival by the start of a month, of those who have not moved away by then."""
    known = part["moved"] >= month
    return float((part["to_rival"][known] < month).mean()) if known.any() else 0.0
