"""The market opens: a monopoly's loyalty, crossed by attitude and behaviour, before and after."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import ipywidgets
import numpy as np
import pandas as pd

from ...analysis.loyalty import loyalty_types
from ...analysis.targeting import auc
from ...plots.loyalty import TYPE_COLOURS
from ...plots.style import GREY, LIGHT, OKABE_ITO, apart, dark
from ...research.opening import PUBLISHED, Opening, share_switched
from ...simulation.engine import simulate
from ...simulation.scenario import Scenario
from ...simulation.survey import Survey, state_of, take
from ...vocabulary import ChurnCause, LoyaltyType
from ..controls import Choice, Group, Number, Parameter
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
# Years whose share is told on a card, and the published figure beside it: the one nearest to it, if any.
CARD_YEARS: dict[str, list[tuple[int, float | None]]] = {
    "england": [(1, 1.0), (6, 6.25)],
    "energy": [(1, None), (7, 7.0)],
}
MARKET_COLOURS = {"england": OKABE_ITO["blue"], "energy": GREY}
# From below in the picture of the answers.
ASKED = ("keep_using", "satisfaction_1", "stay_if_cheaper")

TEXT: dict[str, Pair] = {
    "spurious": ("Spurious loyalty (虚假忠诚)", "虚假忠诚"),
    "spurious_detail": ("at the opening", "开放时占客户"),
    "still": ("The same people now", "同一批人现在"),
    "still_detail": ("% still there", "%仍未离开"),
    "year": ("Gone to a rival, year {n}", "第{n}年累计转走"),
    "england_detail": ("· England {x:.1f}", "· 英格兰{x:.1f}"),
    "energy_detail": ("· British homes {x:.0f}", "· 英国居民{x:.0f}"),
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
    "like": ("It opens like", "开放方式类似于"),
    "like_help": ("also sets how readily they leave", "同时设定客户离开的难易"),
    "like_england": ("England: businesses' water", "英格兰：非居民供水"),
    "like_energy": ("British homes: energy", "英国：居民能源"),
    "left_picture": ("Picture on the left", "左图"),
    "left_customers": ("customers", "客户"),
    "left_answers": ("their answers", "客户的回答"),
    "discount": ("The rival's discount", "竞争对手的折扣"),
    "discount_help": ("by which rivals undercut the price", "对手价格低于本企业的幅度"),
    "awareness_help": ("who know, at the opening, that they can choose", "开放时知道可以选择的客户"),
    "attention_help": ("of these, who look at offers at all", "其中会去看报价的客户"),
    "keep_using": ("“I will keep using it”", "“我会继续使用”"),
    "satisfaction_1": ("overall satisfaction", "总体满意度"),
    "stay_if_cheaper": ("“I would stay if a rival were 5 % cheaper”", "“别家便宜5%，我也留下”"),
    "answers_title": ("Who stays? {n} years on, by answers", "谁会留下？{n}年后按回答判断"),
    "answers_wait": ("Nobody has left yet: nothing to foretell", "尚无人离开：无从预测"),
    "answers_axis": ("pairs told in the right order, %", "排序正确的配对，%"),
    "guess": ("a guess", "猜测"),
    "foretold": (
        " Asked before, {best} tells who stays in {high:.0f} % of pairs, {worst} in {low:.0f} %.",
        "开放前所问：{best}能在{high:.0f}%的配对中区分去留，{worst}为{low:.0f}%。",
    ),
    "sentence": (
        "When the market opens, {before:.0f} % stay without liking the firm. {n} years later "
        "{spurious:.0f} % of these have gone to a rival ({low:.0f} to {high:.0f}), and {true:.0f} % of the "
        "truly loyal; {inert:.0f} % of the spurious remain: want of a choice has become inertia.",
        "市场开放时，{before:.0f}%的客户并不喜欢企业却仍留下。{n}年后，其中{spurious:.0f}%转向竞争对手"
        "（{low:.0f} 至 {high:.0f}），真正忠诚者中为{true:.0f}%；虚假忠诚者仍有{inert:.0f}%未离开："
        "别无选择变成了惯性。",
    ),
    "empty": (
        "When the market opens, {before:.0f} % stay without liking the firm. {n} years later "
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
        "{scenario}, seed {seed}, {customers:,} customers, {n} worlds, no waiting at the hotline; switched: "
        "as if nobody moved away; band and brackets 95 %. Published: dots supply points, rings customers; "
        "Ofwat and MOSL 2018 to 2023; Ofgem 2004, about half",
        "{scenario}，种子{seed}，{customers:,}名客户，{n}个世界，不计热线等待；转走比例按无人搬走计算；"
        "带与区间为95%。"
        "公开数据：实点为供水点，空心点为客户；Ofwat与MOSL 2018–2023；Ofgem 2004（约一半）",
    ),
    "refine": ("more worlds: {k} of {n}", "更多世界：{k}/{n}"),
    "look": ("Look at month", "查看月份"),
    "look_help": ("press play and watch the corner drain", "按播放键，观察虚假忠诚如何流失"),
    "cut": ("Attitude counts as good from", "态度良好的界限"),
    "cut_help": ("where the cut lies decides the shares", "界限决定各类型的比例"),
    "opening": ("Month of the opening", "开放月份"),
    "openness": ("Openness reached", "开放程度"),
    "openness_help": ("0: still a monopoly; 1: anybody may leave", "0：仍为垄断；1：人人可以离开"),
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
    remake = ("like",)

    def __init__(self, *given: Any, **more: Any) -> None:
        self._kept: tuple[Any, list[dict[str, Any]]] = (None, [])
        super().__init__(*given, **more)

    def groups(self) -> Sequence[Group]:
        months = self.scenario.population.months
        opening = min(24, months // 3)
        panel = getattr(self, "panel", None)
        like = panel.values["like"] if panel else "england"
        way = Opening.named(like)
        share, percent = ("share", "比例"), ("%", "%")
        return [
            Group(("The month and the cut", "月份与界限"), [
                Number("month", TEXT["look"], months, 1, months, 1, help=TEXT["look_help"], whole=True),
                Number("cut", TEXT["cut"], 50, 30, 80, 1, ("points", "分"), TEXT["cut_help"]),
                Choice("left", TEXT["left_picture"],
                       [(key, TEXT[f"left_{key}"]) for key in ("customers", "answers")], buttons=True),
            ]),
            Group(("The market", "市场"), [
                Choice("like", TEXT["like"], [(key, TEXT[f"like_{key}"]) for key in PUBLISHED], like,
                       TEXT["like_help"]),
                Number("openness", TEXT["openness"], way.openness, 0.0, 1.0, 0.01, share,
                       TEXT["openness_help"]),
                Parameter("market.awareness", 0, 1, 0.01, way.changes["market__awareness"],
                          help=TEXT["awareness_help"]),
                Parameter("market.attention", 0, 1, 0.01, way.changes["market__attention"],
                          help=TEXT["attention_help"]),
                Parameter("market.switching_cost_shift", -30, 30),
                Number("discount", TEXT["discount"], 100 * way.discount, 0, 30, 1, percent,
                       TEXT["discount_help"]),
                Number("opening", TEXT["opening"], opening, min(12, opening), max(months // 2, opening), 1,
                       whole=True),
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
        # these only look at worlds that are there
        asked = {k: value for k, value in values.items() if k not in ("month", "cut", "left", "run")}
        key = (self.scenario, self.seed, tuple(asked.items()))
        if self._kept[0] != key:
            self._kept = (key, [])
        parts = self._kept[1]
        wanted = max(len(parts), THOROUGH if values["run"] else SOON)
        world = self._world(values)
        if parts:
            yield self._together(world, parts, values)
        while len(parts) < wanted:
            parts.append(self._one(world, len(parts), task, int(values["opening"])))
            if len(parts) in (1, wanted):
                yield self._together(world, parts, values)
            else:
                task.progress(len(parts), wanted, self.text("refine", k=len(parts), n=wanted))

    def _world(self, values: dict[str, Any]) -> Scenario:
        moved = {
            f"touchpoints__{t.name}__quality": min(100.0, max(0.0, t.quality + values["quality"]))
            for t in self.scenario.touchpoints
        }
        way = dataclasses.replace(
            Opening.named(values["like"]), openness=values["openness"], discount=values["discount"] / 100
        )
        # awareness and attention come from their sliders
        own = {name: x for name, x in way.changes.items() if name.replace("__", ".") not in values}
        return self.world(
            values, market__openness=0.0, service__desk="none",
            rivals=way.events(self.scenario, values["opening"]), **own, **moved,
        )  # fmt: skip

    def _one(self, world: Scenario, k: int, task: Task, opening: int) -> dict[str, Any]:
        """Attitude and whereabouts of everyone there at the start, at the start of each month; and what they
        answer to `ASKED` in the month before the opening (missing where they do not)."""
        people = round(world.population.size * world.population.initial_share)
        attitude = np.zeros((world.population.months + 1, people), dtype=np.float32)

        state: dict[str, Any] = {}

        def look(month: int, view: Any) -> None:
            attitude[month] = view.column("affective")[:people]
            if month == opening:
                state.update(state_of(view))

        run = simulate(world, [], self.seed, replication=k, stop=task.stop, progress=False, watch=look)
        table = run.customers.iloc[:people]
        cause = table["cause"].cat.codes.to_numpy() + 1
        rival = np.isin(cause, TO_RIVALS)
        left = table["left_month"].to_numpy(dtype=float, na_value=np.inf)
        survey = Survey(name="before", months=(opening - 1,), size=people)
        wave = take(state, survey, run.key, opening - 1, world.touchpoints, openness=0.0)
        answers = wave.answers.pivot(index="customer", columns="item", values="answer")
        answers = answers[answers["attention"] == 1]
        answers = answers.reindex(index=np.arange(people), columns=list(ASKED)).astype(float)
        return {
            "answers": answers.to_numpy(),
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
                gone[name].append(100 * float(_switched(part, chosen)[month]))
        switched = 100 * np.array([_switched(part) for part in parts])
        return {
            "world": world, "n": len(parts), "shares": shares, "types": types, "dots": at, "month": month,
            "cut": cut, "opening": opening, "switched": switched, "left": values["left"],
            "like": values["like"], "foretold": np.array([_foretold(part, opening, month) for part in parts]),
            "gone": {name: interval(each) for name, each in gone.items()},
            "ratio": interval(np.divide(gone["spurious"], gone["true"])) if min(gone["true"]) > 0 else None,
        }  # fmt: skip

    # -- what is shown -----------------------------------------------------------------------------

    def show(self, found: dict[str, Any]) -> None:
        month, opening, switched = found["month"], found["opening"], found["switched"]
        if found["left"] == "customers":
            self._draw_matrix(found)
        else:
            self._draw_answers(found)
        self._draw_time(found)
        spurious = 100 * found["shares"][:, 1] / np.maximum(1 - found["shares"][:, 4], 1e-9)
        before = interval(spurious[:, opening])
        gone = found["gone"]
        years = (month - opening) / 12
        single = found["n"] == 1

        def told(key: str, mean: Interval, **values: Any) -> str:
            digits = 0 if key == "still_detail" else 1
            ends = "" if single else f"{mean.low:.{digits}f} … {mean.high:.{digits}f} "
            return ends + (self.text(key, **values) if key else "")

        still = Interval(
            *(100 - x for x in (gone["spurious"].mean, gone["spurious"].high, gone["spurious"].low))
        )
        cards = [
            Card(self.text("spurious"), f"{before.mean:.0f} %", told("spurious_detail", before)),
            Card(self.text("still"), f"{still.mean:.0f} %", told("still_detail", still)),
        ]
        published = {point.year: 100 * point.share for point in PUBLISHED[found["like"]].points}
        for year, place in CARD_YEARS[found["like"]]:
            t = opening + 12 * year
            key = "" if place is None else f"{found['like']}_detail"
            other = 0.0 if place is None else published[place]
            if t < switched.shape[1]:
                x = interval(switched[:, t])
                value, detail = f"{x.mean:.1f} %", told(key, x, x=other)
            else:
                value, detail = "–", self.text(key, x=other) if key else ""
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
            sentence += self._told_by_answers(found["foretold"])
        world = found["world"]
        self.say(
            sentence,
            self.text("foot", scenario=self.industry, seed=self.seed, customers=world.population.size,
                      n=found["n"]),
        )  # fmt: skip

    def _told_by_answers(self, foretold: np.ndarray) -> str:
        """Which answer told best who stays, and which worst, in words; nothing while nobody has left."""
        mean = np.nanmean(foretold, axis=0) if np.isfinite(foretold).any(axis=0).all() else np.zeros(0)
        if not mean.size:
            return ""
        best, worst = int(mean.argmax()), int(mean.argmin())
        return self.text(
            "foretold", best=self.text(ASKED[best]), worst=self.text(ASKED[worst]), high=100 * mean[best],
            low=100 * mean[worst],
        )  # fmt: skip

    def _draw_answers(self, found: dict[str, Any]) -> None:
        """How well each answer before the opening tells who has stayed by the month looked at."""
        foretold, years = 100 * found["foretold"], (found["month"] - found["opening"]) / 12
        known = np.isfinite(foretold).any(axis=0).all()
        title = self.drawn("answers_title", n=_plain(years)) if known else self.drawn("answers_wait")
        with self.matrix.drawing(title) as (ax,):
            ax.clear()
            ax.spines[["top", "right", "left"]].set_visible(False)
            ax.set_yticks([])
            ax.grid(axis="y", visible=False)
            ax.grid(axis="x", color=LIGHT)
            ax.set_xlim(40, 80)
            ax.set_ylim(-0.6, len(ASKED) - 0.2)
            ax.axvline(50, color="black", lw=1.4, ls=(0, (4, 3)))
            ax.text(50.4, -0.5, self.drawn("guess"), fontsize=13, color=GREY, va="center")
            for place, item in enumerate(ASKED if known else ()):
                values = foretold[:, place]
                x = interval(values[np.isfinite(values)])
                colour = OKABE_ITO["blue"] if x.low > 50 else GREY
                ax.hlines(place, x.low, x.high, color=colour, lw=3, alpha=0.6)
                ax.plot(x.mean, place, "o", color=colour, ms=12)
                ax.text(max(x.high, x.mean) + 1, place, f"{x.mean:.0f}", va="center", fontsize=15,
                        color=dark(colour))  # fmt: skip
                ax.text(40, place + 0.3, self.drawn(item), fontsize=13.5, va="center",
                        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1})  # fmt: skip
            ax.set_xlabel(self.drawn("answers_axis"), fontsize=13.5)
            ax.set_title(title, fontsize=15.5)

    def _draw_matrix(self, found: dict[str, Any]) -> None:
        """Each dot a customer: attitude to the right, above those who stay, below those who left."""
        month, cut, at = found["month"], found["cut"], found["dots"]
        table = found["types"].table.set_index("type")
        title = self.drawn("matrix", month=month, share=100 * table.loc["spurious", "share"])
        with self.matrix.drawing(title) as (ax,):
            wipe(ax)
            ax.grid(False)
            ax.spines["left"].set_visible(True)
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
            for name, known_of in PUBLISHED.items():
                colour = MARKET_COLOURS[name]
                points = known_of.points
                # what is counted alike is joined to a line
                joined = [(p.year, 100 * p.share) for p in points if p.counted == points[-1].counted]
                below.plot(*np.array([(0.0, 0.0), *joined]).T, color=colour, lw=1.4, ls="--")
                for p in points:
                    below.plot(p.year, 100 * p.share, "o", color=colour, ms=7, clip_on=False, zorder=5,
                               mfc="white" if p.counted == "customers" else colour)  # fmt: skip
                ends.append((100 * points[-1].share, self.drawn(name), colour))
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


def _switched(part: dict[str, Any], chosen: Any = slice(None)) -> np.ndarray:
    """Share of the chosen gone to a rival by the start of each month, as if nobody moved away."""
    months = len(part["attitude"]) - 1
    rival, moved = part["to_rival"][chosen], part["moved"][chosen]
    left = np.bincount(rival[np.isfinite(rival)].astype(int), minlength=months)[:months]
    away = np.bincount(moved[np.isfinite(moved)].astype(int), minlength=months)[:months]
    there = rival.size - np.concatenate([[0], np.cumsum(left + away)[:-1]])
    return share_switched(there, left)


def _foretold(part: dict[str, Any], opening: int, month: int) -> list[float]:
    """AUC of each answer for staying until a month, of those who had not moved away by then."""
    known = (part["moved"] >= month) & (part["to_rival"] >= opening)
    stays = 1.0 * (part["to_rival"] >= month)
    found = []
    for answer in part["answers"].T:
        told = known & np.isfinite(answer)
        found.append(auc(stays[told], answer[told]) if told.any() else np.nan)
    return found
