"""One customer's two lives, without and with a policy, and the draw that parted them."""

from __future__ import annotations

import html
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import ipywidgets
import numpy as np
import pandas as pd
from matplotlib.patches import Rectangle

from ...plots.style import CAUSE_COLOURS, GREY, LAYER_COLOURS, OKABE_ITO, apart, dark
from ...simulation.engine import simulate
from ...simulation.lives import LEAVING, WORDS, Decision, Step, Trace, TwoLives, counterfactual
from ...simulation.scenario import Scenario
from ...vocabulary import ChurnCause, LoyaltyLayer
from .. import story
from ..controls import Group, Number
from ..names import STAGES
from ..page import Page
from ..picture import Picture, wipe
from ..words import Pair, pick, term
from ..worker import Task
from .choices import make_policy, policy_choice, policy_pair, preset_choice, strength

TEXT: dict[str, Pair] = {
    "world_group": ("The world", "世界"),
    "policy_group": ("The policy", "策略"),
    "person_group": ("The customer", "客户"),
    "customer": ("Customer", "客户编号"),
    "customer_help": ("one of those there at the start", "初始客户之一"),
    "month": ("Month looked at", "查看的月份"),
    "month_help": (
        "whose draw and rules are shown; a new customer begins at the month that decides",
        "显示该月的抽签与规则；换客户时自动跳到关键月份",
    ),
    "find": ("Find one whose lives end differently", "找一位结局不同的客户"),
    "found": ("{n} of {of:,} customers end differently; this is one of them.",
              "{of:,}名客户中有{n}名结局不同，这是其中之一。"),
    "found_none": ("Nobody's life ends differently here: try a stronger policy or another industry.",
                   "这里没有人结局不同：请加大策略力度或换一个行业。"),
    "found_none_other": (
        "Only the customer shown ends differently here.", "这里只有当前客户结局不同。",
    ),
    "without": ("without the policy", "无策略"),
    "with": ("with the policy", "有策略"),
    "satisfaction": ("satisfaction", "满意度"),
    "trust": ("trust", "信任"),
    "points": ("points", "分"),
    "layer": ("layer", "忠诚层次"),
    "xmonth": ("month", "月"),
    "failure": ("failure", "服务失误"),
    "complaint": ("complaint", "投诉"),
    "answer": ("complaint resolved", "投诉解决"),
    "purchase": ("purchase", "购买"),
    "bill": ("bill unpaid", "欠费"),
    "offer": ("offer", "挽留优惠"),
    "part": ("here the lives part", "两种人生由此分开"),
    "stays": ("stays to the end", "留到最后"),
    "leaves": ("leaves in month {month} by {cause}", "第{month}月离开（{cause}）"),
    "gone": ("gone in month {month}", "第{month}月离开"),
    "title": ("Customer {who}: {a} without the policy, {b} with {policy}",
        "客户{who}：无策略{a}，有{policy}则{b}"),
    "ends": ("Customer {who}: {a} without, {b} with {policy}", "客户{who}：无策略{a}，有{policy}则{b}"),
    "same": ("Customer {who} lives the same life with {policy} and without: nothing {policy} touches "
        "decides it",
             "客户{who}有无{policy}都是同样的人生：{policy}没有改变任何结果"),
    "happens_title": ("Month {month}, {what}: the same draw, {draw}, against two thresholds",
                      "第{month}月，{what}：同一次抽签{draw}，对照两个门槛"),
    "no_draw": ("No draw was held against a threshold in both lives in month {month}",
                "第{month}月没有两种人生共有的抽签"),
    "yes": ("YES", "发生"),
    "no": ("no", "不发生"),
    "outcome": ("number: {n:g}", "次数：{n:g}"),
    "below": ("a draw in the bar: yes", "落在条内：发生"),
    "below_count": ("a draw beyond the bar: once more", "超过条：多一次"),
    "chance": ("chance, %", "概率，%"),
    "drawn": ("drawn: {draw} %", "抽到：{draw} %"),
    "chance_is": ("chance {p} %", "概率{p} %"),
    "history": ("every month's draw", "每个月的抽签"),
    "log": ("chance and draw, %", "概率与抽签，%"),
    "why": ("Why? Month {month}, rule by rule", "为什么？第{month}月的逐条规则"),
    "not_there": ("not a customer in this month", "该月已不是客户"),
    "stage": ("stage", "阶段"),
    "what": ("rule or draw", "规则或抽签"),
    "result": ("result", "结果"),
    "with_result": ("with", "有策略"),
    "without_result": ("without", "无策略"),
    "differs": ("Rows that differ are marked.", "不同的行已标出。"),
    "said_parted": (
        "Both lives have the same traits and the same draws. {lives}. They part in month {month}. {draw}",
        "两种人生的特征与抽签完全相同。{lives}。两者在第{month}月分开。{draw}",
    ),
    "said_same": ("Both lives have the same traits and the same draws. {lives}. {draw}",
                  "两种人生的特征与抽签完全相同。{lives}。{draw}"),
    "said_draw": (
        "In month {month} the draw for “{what}” is {draw} %: without the policy the chance is {a} % "
            "({ya}), with "
        "it {b} % ({yb}).",
        "第{month}月“{what}”抽到{draw} %：无策略时概率为{a} %（{ya}），有策略时为{b} %（{yb}）。",
    ),
    "foot": (
        "{scenario}, {policy}, seed {seed}, {customers:,} customers at the start; one person, so no "
            "interval: "
        "both lives are exact",
        "{scenario}，{policy}，种子{seed}，初始{customers:,}名客户；只看一个人，没有区间：两种人生都是确切的",
    ),
    "searching": ("looking for a customer whose lives end differently", "正在寻找结局不同的客户"),
}  # fmt: skip
MARKS = (
    ("failure", "failed", "X", OKABE_ITO["purple"], 108),
    ("complaint", "complained", "v", OKABE_ITO["vermillion"], 125),
    ("answer", "resolved", "^", OKABE_ITO["green"], 125),
    ("bill", "unpaid", "s", OKABE_ITO["orange"], 142),
    ("offer", "offered", "D", OKABE_ITO["sky"], 142),
    ("purchase", "bought", "o", OKABE_ITO["black"], 142),
)
# draws that say how often, not whether
COUNTS = (WORDS_PURCHASES, WORDS_DROPOUT) = ("purchases", "purchase at which one drops out")
LEAVING_WORDS = {WORDS[purpose] for purpose in LEAVING}


class TwoLivesPage(Page):
    """The same person, the same luck, two worlds."""

    name = "two-lives"
    texts = TEXT
    question = (
        "What would have become of this customer without the policy?",
        "没有这项策略，这位客户会怎样？",
    )
    about = ("one customer's life twice, and the draw that decides", "一位客户的两种人生，以及决定性的抽签")
    customers = 2_000
    same_luck = True
    css = "two_lives.css"
    # whether the next computation looks for another customer, and every draw of the lives once asked for
    _search: bool = False
    _decisions: pd.DataFrame | None = None

    def groups(self) -> Sequence[Group]:
        population = self.scenario.population
        people = max(round(population.size * population.initial_share), 1)
        return [
            Group(TEXT["person_group"], [
                Number("customer", TEXT["customer"], 0, 0, people - 1, 1, help=TEXT["customer_help"],
                    whole=True),
                Number("month", TEXT["month"], 0, 0, population.months - 1, 1, help=TEXT["month_help"],
                       whole=True),
            ]),
            Group(TEXT["policy_group"], [policy_choice(self.scenario, "dunning"), strength()]),
            Group(TEXT["world_group"], [preset_choice(self)]),
        ]  # fmt: skip

    def build(self) -> Sequence[Any]:
        self.ribbons = Picture(9.1, 3.35, language=self.language, rows=2, dpi=160, sharex=True)
        self.ribbons.margins(0.105, 0.835, 0.14, 0.83, hspace=0.16)
        self.draws = Picture(9.1, 2.15, language=self.language, columns=2, dpi=160,
                             gridspec_kw={"width_ratios": [1.25, 1]})  # fmt: skip
        self.draws.margins(0.19, 0.985, 0.255, 0.885, wspace=0.38)
        self._marks: dict[str, Any] = {}
        self.finder = ipywidgets.Button(description=self.text("find"))
        self.finder.on_click(lambda _: self.guard(self.find))
        self.finder.add_class("cs-find")
        self.told = ipywidgets.HTML()
        self.told.add_class("cs-found")
        self.why = ipywidgets.HTML()
        self.why.add_class("cs-why")
        self._shown_key: Any = None
        # what the month's slider said when the page last moved it or looked at it
        self._seen_month = int(self.panel.values["month"])
        bar = ipywidgets.HBox([self.finder, self.told])
        bar.add_class("cs-find-bar")
        return [bar, self.ribbons.widget, self.draws.widget, self.words, self.why]

    # -- the two lives -----------------------------------------------------------------------------

    def compute(self, values: dict[str, Any], task: Task) -> Iterator[Any]:
        world = self.world(values)
        chosen = make_policy(values["policy"], values["strength"])
        where = (world, values["policy"], values["strength"], self.seed)
        search, self._search = self._search, False
        # what the finder says, as words and values: the reader may change the language
        told: tuple[str, dict[str, Any]] | None = None
        customer = int(values["customer"])
        fresh = getattr(self, "_lives_key", None) is None and customer == 0 and not values["month"]
        if search or fresh:
            task.progress(0.1, 1.0, self.text("searching"))
            others = self._different(where, world, chosen, task)
            nobody = "found_none" if others != [customer] else "found_none_other"
            after = [k for k in others if k > customer or (fresh and k == customer)]
            before = [k for k in others if k < customer]
            if after or before:
                customer = (after or before)[0]
                told = ("found", {"n": f"{len(others):,}", "of": world.population.size})
            else:
                told = (nobody, {})
        key = (*where, customer)
        new = key != getattr(self, "_lives_key", None)
        if new:
            lives = counterfactual(world, [chosen], customer, self.seed)
            if task.stop.is_set():
                return
            self._lives, self._lives_key, self._decisions = lives, key, None
            self._asked = told
        lives = self._lives
        months = world.population.months
        if new and int(values["month"]) == self._seen_month:
            month = deciding_month(lives)
        else:
            month = min(int(values["month"]), months - 1)
        found = {"lives": lives, "month": month, "customer": customer, "policy": values["policy"],
                 "told": told or (None if new else self._asked)}  # fmt: skip
        # The ribbons first: every month's draws and the rules take as long again.
        if new:
            yield {**found, "whole": False}
        yield {**found, "whole": True}

    def _different(self, where: Any, world: Scenario, chosen: Any, task: Task) -> list[int]:
        """Customers there at the start whose lives end at another time or for another cause."""
        if getattr(self, "_where", None) != where:
            ends = [
                simulate(world, policies, self.seed, stop=task.stop, progress=False).customers
                for policies in ([], [chosen])
            ]
            a, b = (
                e.loc[e["joined_month"] == 0, ["left_month", "cause"]].astype(object).fillna("") for e in ends
            )
            self._others = [int(k) for k in a.index[(a != b).any(axis=1)]]
            self._where = where
        return self._others

    def find(self) -> None:
        """Go to the next customer whose lives end differently."""
        self._search = True
        self.refresh()

    # -- what is shown -----------------------------------------------------------------------------

    def show(self, found: dict[str, Any]) -> None:
        lives, month = found["lives"], found["month"]
        self._seen_month = month
        self.panel.set({"customer": found["customer"], "month": month})
        key, words = found["told"] or ("", {})
        self.told.value = f"<span>{html.escape(self.text(key, **words)) if key else ''}</span>"
        policy = self.pick(policy_pair(found["policy"]))
        ends = [_end(life) for life in (lives.without, lives.with_policies)]
        title, said = (self._both(lives, ends, policy, pictured) for pictured in (True, False))
        if self._shown_key != id(lives):
            self._draw_ribbons(lives, ends, title, month)
            self._shown_key = id(lives)
        self._mark_month(month, title)
        decision = shown_decision(lives, month)
        if found["whole"]:
            self._draw_decision(lives, month, decision)
        draw = self._draw_words(decision) if decision else self.text("no_draw", month=month) + "."
        key = "said_same" if lives.parted is None else "said_parted"
        scenario: Scenario = lives.scenario
        self.say(
            self.text(key, lives=said, month=lives.parted, draw=draw),
            self.text("foot", scenario=self.industry, policy=policy, seed=self.seed,
                      customers=round(scenario.population.size * scenario.population.initial_share)),
        )  # fmt: skip
        if found["whole"]:
            self._explain(lives, month)

    def _both(self, lives: TwoLives, ends: list[Any], policy: str, pictured: bool) -> str:
        """How both lives end; `pictured`: in a picture's title, which has less room."""
        if lives.parted is None:
            return self.text("same", who=lives.customer, policy=policy)
        a, b = (self._ending(end, pictured) for end in ends)
        return self.text("title" if pictured else "ends", who=lives.customer, a=a, b=b, policy=policy)

    def _ending(self, end: tuple[int, int] | None, pictured: bool) -> str:
        if end is None:
            return self.text("stays")
        if pictured:
            return self.text("gone", month=end[0])
        return self.text("leaves", month=end[0], cause=term(ChurnCause(end[1]), self.language))

    def _cause(self, cause: ChurnCause) -> str:
        """In one language: the font of an English picture may lack Chinese characters."""
        return cause.chinese if self.language == "zh" else cause.english

    def _word(self, what: str, stage: str = "") -> str:
        """What a draw or rule is about, in the reader's language."""
        places = {t.name: t.chinese or t.name for t in self.scenario.touchpoints}
        return story.words_for(what, stage, self.language, places)

    def _told(self, decision: Decision, outcome: float) -> str:
        if decision.what in COUNTS:
            return self.text("outcome", n=outcome)
        return self.text("yes" if outcome else "no")

    def _draw_words(self, d: Decision) -> str:
        return self.text(
            "said_draw", month=d.month, what=self._word(d.what), draw=_percent(d.draw),
            a=_percent(d.chance_without), b=_percent(d.chance_with),
            ya=self._told(d, d.outcome_without).lower(), yb=self._told(d, d.outcome_with).lower(),
        )  # fmt: skip

    # -- pictures ----------------------------------------------------------------------------------

    def _draw_ribbons(self, lives: TwoLives, ends: list[Any], title: str, month: int) -> None:
        months = lives.scenario.population.months
        self._marks = {}
        with self.ribbons.drawing(title) as axes:
            named: dict[str, Any] = {}
            sides = zip(axes, (lives.without, lives.with_policies), ends, ("without", "with"), strict=True)
            for ax, life, end, key in sides:
                wipe(ax)
                self._draw_life(ax, life, end, months, named)
                ax.set_ylabel(f"{self.text(f'{key}_result')}\n({self.text('points')})", fontsize=12.5,
                              color="black" if key == "without" else dark(OKABE_ITO["blue"]))  # fmt: skip
                if lives.parted is not None:
                    ax.axvline(lives.parted + 0.5, color="black", lw=1.8, ls=(0, (2, 2)), zorder=1)
                self._marks[key] = ax.axvspan(month, month + 1, color="#F0E442", alpha=0.5, lw=0, zorder=0)
            top, low = axes
            low.set_xlabel(self.text("xmonth"), fontsize=13, labelpad=1)
            self.ribbons.figure.suptitle(title, x=0.008, y=0.985, ha="left", fontsize=15)
            if named:
                top.legend(named.values(), named.keys(), loc="lower left", bbox_to_anchor=(-0.02, 0.965),
                           ncols=7, frameon=False, fontsize=12.5, handletextpad=0.1, columnspacing=1.1,
                           borderpad=0.2)  # fmt: skip
            if lives.parted is not None:
                right = lives.parted < 0.25 * months
                low.annotate(self.text("part"), (lives.parted + 0.5, 12), (5 if right else -5, 0),
                             textcoords="offset points", ha="left" if right else "right", va="center",
                             fontsize=12.5,
                             bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1},
                             )  # fmt: skip

    def _draw_life(self, ax: Any, life: pd.DataFrame, end: Any, months: int, named: dict[str, Any]) -> None:
        x = life.index.to_numpy(float) + 0.5
        ends = []
        for column, colour, dash in (("satisfaction", OKABE_ITO["blue"], "-"), ("trust", GREY, "--")):
            ax.plot(x, life[column], color=colour, ls=dash, lw=2.6, zorder=3)
            ends.append((float(life[column].iloc[-1]), self.text(column), dark(colour)))
        # apart from each other, and from the word for the layer below
        for (y, word, colour), place in zip(ends, apart([y for y, *_ in ends], [36.0, 36.0], -2, 130),
                                            strict=True):  # fmt: skip
            ax.text(1.008, place, f"{word} {y:.0f}", transform=ax.get_yaxis_transform(),
                    va="center", fontsize=12.5, color=colour)  # fmt: skip
        layers = life["layer"].astype(int)
        for _, run in layers.groupby((layers != layers.shift()).cumsum()):
            layer, start = LoyaltyLayer(int(run.iloc[0])), int(run.index[0])
            ax.add_patch(Rectangle((start, -40), len(run), 36, color=LAYER_COLOURS[layer.key], lw=0))
            word = (
                layer.chinese
                if self.language == "zh"
                else layer.english.removesuffix(" loyalty")
                if layer
                else layer.english
            )
            if len(run) / months > 0.0125 * len(word) * (2 if self.language == "zh" else 1):
                ax.text(start + len(run) / 2, -21, word, ha="center", va="center", fontsize=11.5,
                        color="white" if layer >= LoyaltyLayer.CONATIVE else "black")  # fmt: skip
        ax.text(1.008, -21, self.text("layer"), transform=ax.get_yaxis_transform(), va="center",
                fontsize=12.5, color=dark(LAYER_COLOURS["conative"]))  # fmt: skip
        for key, column, marker, colour, height in MARKS:
            if column == "offered":
                happened = life["last_offer"].to_numpy() == life.index.to_numpy()
            else:
                happened = life[column].to_numpy() > 0
                # A contract's bill comes every month: marking each would say nothing.
                happened &= not (column == "bought" and self.scenario.purchase.contract)
            if happened.any():
                # beside the complaint it answers, which it would hide
                beside = 0.012 * months * (key == "answer")
                drawn = ax.plot(x[happened] + beside, np.full(happened.sum(), height), marker, color=colour,
                                ms=8.5, mec="white", ls="none", zorder=4)[0]  # fmt: skip
                named.setdefault(self.text(key), drawn)
        if end is not None:
            month, code = end
            cause = ChurnCause(code)
            colour = CAUSE_COLOURS[cause.key]
            ax.axvline(month + 1, color=colour, lw=5, zorder=5)
            left = month > 0.78 * months
            ax.annotate(self._cause(cause), (month + 1, 50), (-8 if left else 8, 0),
                        textcoords="offset points", ha="right" if left else "left", va="center",
                            fontsize=12.5,
                        color=dark(colour), zorder=6,
                        bbox={"boxstyle": "round,pad=0.25", "facecolor": "white", "edgecolor": colour},
                        )  # fmt: skip
        ax.set_xlim(0, months)
        ax.set_ylim(-40, 152)
        ax.set_yticks([0, 50, 100])
        ax.tick_params(labelsize=12)
        ax.spines[["top", "right"]].set_visible(False)

    def _mark_month(self, month: int, title: str) -> None:
        marks = list(self._marks.values())
        if marks and marks[0].get_x() == month:
            return
        with self.ribbons.drawing(title):
            for mark in marks:
                mark.set_x(month)
                mark.set_width(1)

    def _draw_decision(self, lives: TwoLives, month: int, d: Decision | None) -> None:
        words = self._draw_words(d) if d else self.text("no_draw", month=month)
        with self.draws.drawing(words) as (ax, past):
            wipe(ax)
            past.clear()  # its scale may change as well
            for each in (ax, past):
                each.spines[["top", "right"]].set_visible(False)
                each.tick_params(labelsize=12)
                each.set_visible(d is not None)
            if d is None:
                self.draws.figure.suptitle(words, x=0.01, ha="left", fontsize=14.5)
                return
            self._draw_thresholds(ax, d)
            self._draw_history(past, lives, d)

    def _draw_thresholds(self, ax: Any, d: Decision) -> None:
        """Two bars as long as the two chances, and the one draw across both."""
        chances, outcomes = (d.chance_without, d.chance_with), (d.outcome_without, d.outcome_with)
        draw, span = 100 * d.draw, _span(d)
        for y, chance, outcome, key in zip((1, 0), chances, outcomes, ("without", "with"), strict=True):
            colour = OKABE_ITO["blue"] if key == "with" else "#D9D9D9"
            ax.barh(y, 100 * chance, 0.62, color=colour, ec="black" if key == "without" else colour, lw=1.4,
                    zorder=2)  # fmt: skip
            ax.text(-0.015, y, f"{self.text(key)}\n{self.text('chance_is', p=_percent(chance))}",
                    transform=ax.get_yaxis_transform(), ha="right", va="center", fontsize=12.5,
                    color=dark(OKABE_ITO["blue"]) if key == "with" else "black")  # fmt: skip
            ax.text(1.02, y, self._told(d, outcome), transform=ax.get_yaxis_transform(), va="center",
                    fontsize=15, fontweight="bold",
                    color=dark(OKABE_ITO["blue"]) if key == "with" else "black")  # fmt: skip
        ax.axvline(draw, color="black", lw=3, zorder=4)
        ax.plot([draw, draw], [1, 0], "o", color="#F0E442", mec="black", mew=1.8, ms=11, zorder=6)
        ax.annotate(self.text("drawn", draw=_percent(d.draw)), (draw, 1.6), (6 if draw < 0.6 * span else -6,
            0),
                    textcoords="offset points", ha="left" if draw < 0.6 * span else "right", va="center",
                    fontsize=13)  # fmt: skip
        ax.set_xlim(0, span)
        ax.set_ylim(-0.5, 1.82)
        ax.set_yticks([])
        ax.grid(False)
        rule = self.text("below_count" if d.what in COUNTS else "below")
        ax.set_xlabel(f"{self.text('chance')} ({rule})", fontsize=12.5)
        title = self.text(
            "happens_title", month=d.month, what=self._word(d.what), draw=f"{_percent(d.draw)} %"
        )
        self.draws.figure.suptitle(title, x=0.008, y=0.99, ha="left", fontsize=15)

    def _draw_history(self, ax: Any, lives: TwoLives, d: Decision) -> None:
        """The same question in every month in which both lives asked it."""
        asked = self._asked_about(lives, d.what)
        months = asked["month"].to_numpy() + 0.5
        logged = float(asked[["chance_without", "chance_with"]].max().max()) < 0.3
        floor = (
            1e-4 if float(asked[["chance_without", "chance_with", "draw"]].min().min()) < 1e-3 else 1e-3
        ) * logged
        a, b, draws = (
            np.maximum(100 * asked[c].to_numpy(float), 100 * floor)
            for c in ("chance_without", "chance_with", "draw")
        )
        differs = (asked["outcome_without"] != asked["outcome_with"]).to_numpy()
        style = {"marker": "_", "ls": "none"} if len(asked) < 25 else {}
        ax.plot(months, b, color=OKABE_ITO["blue"], lw=3.2, ms=15, mew=3.4, **style)
        ax.plot(months, a, color="black", lw=1.4, ms=15, mew=1.6, **style)
        ax.plot(months, draws, "o", color=GREY, ms=4, zorder=3)
        ax.plot(months[differs], draws[differs], "o", color="#F0E442", mec="black", mew=1.6, ms=9, zorder=4)
        ax.axvspan(d.month, d.month + 1, color="#F0E442", alpha=0.5, lw=0, zorder=0)
        if logged:
            ax.set_yscale("log")
            ax.set_ylim(100 * floor, 130)
            ticks = [t for t in (0.01, 0.1, 1, 10, 100) if t >= 100 * floor]
            ax.set_yticks(ticks, [f"{t:g}" for t in ticks])
            ax.minorticks_off()
        else:
            ax.set_ylim(0, 104)
        ax.set_xlim(0, lives.scenario.population.months)
        ax.set_xlabel(f"{self.text('xmonth')}  ·  {self.text('history')}, %", fontsize=12.5)
        ax.grid(axis="y", color="#DDDDDD")

    def _asked_about(self, lives: TwoLives, what: str) -> pd.DataFrame:
        if self._decisions is None:
            self._decisions = lives.decisions
        table = self._decisions
        return table[table["what"] == what]

    # -- why ---------------------------------------------------------------------------------------

    def _explain(self, lives: TwoLives, month: int) -> None:
        """The rules of the month, both lives beside each other."""
        traces: list[Trace | None] = [
            Trace(world, month) if month in world.starts else None for world in lives._worlds
        ]
        head = html.escape(self.text("why", month=month))
        if not any(traces):
            self.why.value = f"<h3>{head}</h3><p>{html.escape(self.text('not_there'))}</p>"
            return
        columns = [_by_place(trace or ()) for trace in traces]
        keys = list(dict.fromkeys(itertools.chain(*columns)))
        stages = list(dict.fromkeys(key[0] for key in keys))
        rows, stage = [], ""
        for key in sorted(keys, key=lambda key: stages.index(key[0])):
            a, b = (_result(column.get(key)) for column in columns)
            if key[0] != stage:
                stage = key[0]
                title = pick(STAGES.get(stage, (stage, stage)), self.language)
                rows.append(f'<tr><th colspan="3" class="cs-stage">{html.escape(title)}</th></tr>')
            step = columns[0].get(key) or columns[1][key]
            what = self._word(step.what, step.stage)
            cells = "".join(f"<td>{html.escape(cell)}</td>" for cell in (what, a, b))
            mark = ' class="cs-differs"' if a != b else ""
            rows.append(f'<tr{mark} title="{html.escape(step.meaning, quote=True)}">{cells}</tr>')
        names = [self.text("what"), self.text("without_result"), self.text("with_result")]
        for k, trace in enumerate(traces):
            if trace is None:
                names[k + 1] += f" ({self.text('not_there')})"
        tops = "".join(f"<th>{html.escape(name)}</th>" for name in names)
        self.why.value = (
            f'<h3>{head}</h3><small>{html.escape(self.text("differs"))}</small><div class="cs-rules">'
            f"<table><tr>{tops}</tr>{''.join(rows)}</table></div>"
        )


def deciding_month(lives: TwoLives) -> int:
    """The month of the draw that parted the lives; else the closest call of either life."""
    decisive = lives.decisive
    if decisive is not None:
        return decisive.month
    if lives.parted is not None:
        return lives.parted
    table = lives.decisions
    close = table[table["what"].isin(LEAVING_WORDS) & (table["chance_without"] > 0)]
    if close.empty:
        return 0
    ratio = close["draw"] / close[["chance_without", "chance_with"]].max(axis=1)
    return int(close["month"].to_numpy()[int(ratio.to_numpy().argmin())])


def shown_decision(lives: TwoLives, month: int) -> Decision | None:
    """The month's decision worth looking at: the decisive one, one with two outcomes, or the closest call
    among those on leaving and paying."""
    if lives.decisive is not None and lives.decisive.month == month:
        return lives.decisive
    found = [decision for _, decision in lives._month(month)]
    for decision in found:
        if decision.outcome_without != decision.outcome_with:
            return decision
    open_ = [d for d in found if max(d.chance_without, d.chance_with) > 0]
    leaving = [d for d in open_ if d.what in LEAVING_WORDS]
    return min(leaving or open_, key=lambda d: d.draw / max(d.chance_without, d.chance_with), default=None)


def _end(life: pd.DataFrame) -> tuple[int, int] | None:
    """Month and cause of leaving, None for who stays."""
    last = life.iloc[-1]
    return None if last["active"] > 0 else (int(life.index[-1]), int(last["cause"]))


def _span(d: Decision) -> float:
    """How far the axis of chances goes, per cent: all of it, or as far as what matters."""
    most = 100 * max(d.chance_without, d.chance_with, d.draw)
    return 100.0 if most > 55 else max(1.35 * most, 0.02)


def _percent(share: float) -> str:
    value = 100 * share
    if value >= 10 or value == 0:
        return f"{value:.1f}" if value else "0"
    # three digits, for a draw and the chances it is held against may be close
    return f"{value:#.3g}" if value >= 0.001 else f"{value:.0e}"


def _by_place(steps: Iterable[Step]) -> dict[tuple[str, str, int], Step]:
    """The steps of a month by stage, by what they are about, and by how often that was met before: each
    touchpoint has a perception of its own."""
    found: dict[tuple[str, str, int], Step] = {}
    met: Counter[tuple[str, str]] = Counter()
    for step in steps:
        kind = (step.stage, step.what)
        found[*kind, met[kind]] = step
        met[kind] += 1
    return found


def _result(step: Any) -> str:
    if step is None:
        return "–"
    if step.draw is None or step.threshold is None:
        return f"{step.output + 0.0:.4g}"
    return f"{step.output:g}  ({step.draw:.3g} ↔ {step.threshold:.3g})"
