"""Why they leave: causes over the length of stay, what could be prevented, and what leavers say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import ipywidgets
import numpy as np
import pandas as pd

from ...analysis.churn import hazards, stated_and_true
from ...plots.style import CAUSE_COLOURS, GREY, OKABE_ITO, apart, dark
from ...simulation.engine import simulate
from ...simulation.records import stated_causes
from ...simulation.scenario import Scenario
from ...vocabulary import ChurnCause
from ..controls import Choice, Group, Number, Parameter
from ..page import Card, Page
from ..picture import Picture
from ..uncertainty import Interval, interval
from ..words import Pair, both
from ..worker import Task

# worlds put together at once after the first, and by Run
SOON, THOROUGH = 8, 30
# months of stay in one bar
BAND = 3
CAUSES = tuple(ChurnCause)
# the levers of every cause that a firm can influence, at rest: only moving and dying is left
PREVENTED = {
    "churn__competitive": 0.0, "churn__fault_minor": 0.0, "churn__fault_major": 0.0,
    "churn__retaliatory": 0.0, "payment__cutoff": 0.0,
}  # fmt: skip

TEXT: dict[str, Pair] = {
    "left": ("Left in {n} years", "{n}年内流失"),
    "of": ("of a thousand, {low:.0f} … {high:.0f}", "每千名客户，{low:.0f} … {high:.0f}"),
    "one": ("of a thousand; one world only", "每千名客户；仅一个世界"),
    "controllable": ("The firm could influence (可控)", "企业可以影响（可控）"),
    "voluntary": ("The customer ends it (主动流失)", "客户主动离开（主动流失）"),
    "share_of": ("of those who left, {low:.0f} … {high:.0f} %", "占流失客户 {low:.0f} … {high:.0f}%"),
    "share_one": ("of those who left", "占流失客户"),
    "without": ("Gone even so", "仍会离开"),
    "without_detail": ("of a thousand, with none of those causes", "每千名，即使消除全部可控原因"),
    "axis": ("leave in a month, %", "每月流失率，%"),
    "tenure": ("months as a customer", "客户关系月数"),
    "falls": (
        "Chance of leaving a month: {first:.1f} % at first, {last:.1f} % in month {month}",
        "每月流失率：开始时{first:.1f}%，第{month}个月{last:.1f}%",
    ),
    "cuts": ("How much could ever be prevented?", "最多能防止多少流失？"),
    "cut_controllable": ("can be influenced {share:.0f} %", "可控 {share:.0f}%"),
    "cut_not": ("cannot {share:.0f} %", "不可控 {share:.0f}%"),
    "cut_voluntary": ("the customer ends it {share:.0f} %", "主动流失 {share:.0f}%"),
    "cut_involuntary": ("the firm {share:.0f} %", "被动 {share:.0f}%"),
    "stated": ("{wrong:.0f} % do not name the true cause", "{wrong:.0f}%的人没有说出真实原因"),
    "stated_none": ("Without a contract nobody is asked", "没有合同，无从询问原因"),
    "stated_axis": ("of those who left, %", "占流失客户，%"),
    "says": ("stated", "所说"),
    "true": ("true", "真实"),
    "nobody": ("Nobody leaves in this world.", "这个世界里没有客户流失。"),
    "sentence": (
        "Of a thousand customers {left:.0f} leave in {n} years. The firm could influence "
        "{controllable:.0f} % of it, and {voluntary:.0f} % is the customers' own act; were every cause the "
        "firm can influence gone, {still:.0f} would leave all the same. {survey}",
        "每千名客户中，{n}年内流失{left:.0f}名。其中{controllable:.0f}%企业可以影响，{voluntary:.0f}%为客户主动离开；"
        "即使消除企业能影响的全部原因，仍有{still:.0f}名会离开。{survey}",
    ),
    "survey": (
        "Asked why, {stated:.0f} % name {cause}; it is true of {true:.0f} %.",
        "问其原因时，{stated:.0f}%的人说是{cause}；真实比例为{true:.0f}%。",
    ),
    "foot": (
        "{scenario}, seed {seed}, {customers:,} customers, {n} worlds put together; whiskers and intervals "
        "95 %; cause: {ledger}",
        "{scenario}，种子{seed}，{customers:,}名客户，{n}个世界合并；须线与区间为95%；{ledger}",
    ),
    "refine": ("more worlds: {k} of {n}", "更多世界：{k}/{n}"),
    "ledger": ("Cause counted", "按哪种原因计"),
    "ledger_help": (
        "what ended it, or the root: what had moved satisfaction most before",
        "直接原因，或根本原因：此前最影响满意度的因素",
    ),
    "proximate": ("what ended it", "直接原因"),
    "attributed": ("the root of it", "根本原因"),
    "faults": ("Faults of every touchpoint", "各接触点失误"),
    "faults_help": ("failures met, against the usual number", "遇到的失误次数，相对通常"),
    "even": ("How alike the customers are", "客户之间的相似程度"),
    "even_help": (
        "evenness of competitive churn: low, and few carry most of the risk",
        "竞争流失风险的均匀度：低则少数人承担大部分风险",
    ),
    "natural": ("Natural churn (自然流失)", "自然流失率"),
}  # fmt: skip


class WhyTheyLeave(Page):
    """Stacked hazards by cause, the two cuts of what can be prevented, stated against true causes."""

    name = "churn"
    texts = TEXT
    question = ("Why do they leave, and how much could you ever prevent?", "客户为何离开？最多能防止多少？")
    about = ("causes of churn over the length of stay; stated and true", "各种流失原因与客户所说的原因")
    css = "churn.css"

    def groups(self) -> Sequence[Group]:
        natural = max(0.01, 2 * self.scenario.churn.natural)
        return [
            Group(("The world", "世界"), [
                Parameter("churn.natural", 0, natural, label=TEXT["natural"]),
                Parameter("market.openness"),
                Parameter("churn.frailty_shape", 0.2, 10, 0.1, label=TEXT["even"], help=TEXT["even_help"]),
            ]),
            Group(("The firm", "企业"), [
                Number("faults", TEXT["faults"], 1, 0, 4, 0.1, ("x the usual", "倍"), TEXT["faults_help"]),
                Parameter("payment.cure"),
            ]),
            Group(("The book of causes", "原因的记法"), [
                Choice("ledger", TEXT["ledger"], [(k, TEXT[k]) for k in ("proximate", "attributed")],
                       help=TEXT["ledger_help"], buttons=True),
            ]),
        ]  # fmt: skip

    def build(self) -> Sequence[Any]:
        self.over = Picture(8.9, 2.8, language=self.language, dpi=160)
        self.cuts = Picture(4.4, 2.15, language=self.language, dpi=160)
        self.said = Picture(4.4, 2.15, language=self.language, dpi=160)
        self.over.margins(0.085, 0.79, 0.21, 0.885)
        self.cuts.margins(0.01, 0.99, 0.03, 0.86)
        self.said.margins(0.405, 0.98, 0.26, 0.86)
        self._bars: Any = None
        row = ipywidgets.HBox([self.cuts.widget, self.said.widget])
        row.add_class("cs-row")
        return [self.over.widget, row]

    # -- the worlds --------------------------------------------------------------------------------

    def compute(self, values: dict[str, Any], task: Task) -> Iterator[Any]:
        world = self._world(values)
        spared = world.replace(**PREVENTED)
        wanted = THOROUGH if values["run"] else SOON
        parts: list[dict[str, Any]] = []
        for k in range(wanted):
            parts.append(self._one(world, spared, k, task))
            if k in (0, wanted - 1):
                yield self._together(world, parts, values["ledger"])
            else:
                task.progress(k + 1, wanted, self.text("refine", k=k + 1, n=wanted))

    def _world(self, values: dict[str, Any]) -> Scenario:
        world = self.world(values)
        times = values["faults"]
        return world.replace(
            **{f"touchpoints__{t.name}__failure": min(1.0, times * t.failure) for t in world.touchpoints}
        )

    def _one(self, world: Scenario, spared: Scenario, k: int, task: Task) -> dict[str, Any]:
        openness: list[float] = []
        run = simulate(world, [], self.seed, replication=k, stop=task.stop, progress=False,
                       watch=lambda _, view: openness.append(view.parameter("market.openness")))  # fmt: skip
        kept = simulate(spared, [], self.seed, replication=k, stop=task.stop, progress=False).survival()
        people = run.customers
        time, gone = run.durations()
        cause = {
            "proximate": people["cause"].cat.codes.to_numpy() + 1,
            "attributed": people["attributed_cause"].cat.codes.to_numpy() + 1,
        }
        left = gone > 0
        month = people["left_month"].to_numpy(dtype=float, na_value=0)[left].astype(int)
        said = stated_causes(
            run.key, people.index.to_numpy()[left], month, cause["proximate"][left],
            np.array(openness)[month] > 0,
        )  # fmt: skip
        return {
            "time": time, "left": left, "said": said, "still": 1000 * (1 - float(kept.iloc[-1])),
            "initial": people["source"].cat.codes.to_numpy() == 0, **cause,
        }  # fmt: skip

    def _together(self, world: Scenario, parts: list[dict[str, Any]], ledger: str) -> dict[str, Any]:
        """All worlds as one: hazards by length of stay, shares of causes, statements."""
        words = np.array(["", *ChurnCause.keys()], dtype=object)
        time = np.concatenate([part["time"] for part in parts])
        left = np.concatenate([part["left"] for part in parts])
        cause = words[np.concatenate([np.where(p["left"], p[ledger], 0) for p in parts])]
        frame = pd.DataFrame({"duration": time, "left": left, "cause": np.where(left, cause, None)})
        months = world.population.months
        bands = [*range(0, months, BAND), months]
        found: dict[str, Any] = {"world": world, "n": len(parts), "ledger": ledger, "bands": np.array(bands)}
        found["all"] = hazards(frame, bands=bands)
        by = hazards(frame, bands=bands, by_cause=True) if left.any() else None
        found["hazard"] = {
            c.key: np.zeros(len(bands) - 1) if by is None or not (by["cause"] == c.key).any()
            else by.loc[by["cause"] == c.key, "hazard"].to_numpy()
            for c in CAUSES
        }  # fmt: skip
        # the cohort that was there at the start, by cause, of a thousand
        counts = np.array(
            [
                np.bincount(p[ledger][p["initial"] & p["left"]], minlength=6)[1:] * 1000 / p["initial"].sum()
                for p in parts
            ]
        )
        found["counts"] = counts
        found["left"] = interval(counts.sum(axis=1))
        found["still"] = interval([part["still"] for part in parts])
        for cut in ("controllable", "voluntary"):
            inside = np.array([getattr(c, cut) for c in CAUSES])
            shares = counts[:, inside].sum(axis=1) / np.maximum(counts.sum(axis=1), 1e-9)
            found[cut] = interval(shares)
        found["survey"] = None
        if world.purchase.contract and left.any():
            said = words[np.concatenate([part["said"] for part in parts])]
            found["survey"] = stated_and_true(pd.Series(said), pd.Series(cause[left]))
        return found

    # -- what is shown -----------------------------------------------------------------------------

    def show(self, found: dict[str, Any]) -> None:
        world, months = found["world"], found["world"].population.months
        years = f"{months / 12:g}"
        self._draw_hazards(found)
        self._draw_cuts(found)
        self._draw_said(found)
        single = found["n"] == 1
        left: Interval = found["left"]
        detail = self.text("one") if single else self.text("of", low=left.low, high=left.high)
        cards = [Card(self.text("left", n=years), f"{left.mean:.0f}", detail)]
        for cut in ("controllable", "voluntary"):
            part: Interval = found[cut]
            detail = (
                self.text("share_one")
                if single
                else self.text("share_of", low=100 * part.low, high=100 * part.high)
            )
            cards.append(Card(self.text(cut), f"{100 * part.mean:.0f} %", detail))
        cards.append(Card(self.text("without"), f"{found['still'].mean:.0f}", self.text("without_detail")))
        self.cards(*cards)
        survey = ""
        if found["survey"] is not None:
            table = found["survey"].table
            row = table.loc[table["difference"].abs().idxmax()]
            word = ChurnCause.from_key(row["cause"]).label("zh" if self.language == "zh" else "both")
            survey = self.text("survey", stated=100 * row["stated"], true=100 * row["true"], cause=word)
        sentence = self.text("nobody")
        if left.mean > 0:
            cuts = {cut: 100 * found[cut].mean for cut in ("controllable", "voluntary")}
            sentence = self.text("sentence", left=left.mean, n=years, still=found["still"].mean,
                                 survey=survey, **cuts).strip()  # fmt: skip
        self.say(
            sentence,
            self.text("foot", scenario=self.industry, seed=self.seed, customers=world.population.size,
                      n=found["n"], ledger=self.text(found["ledger"])),
        )  # fmt: skip

    def _draw_hazards(self, found: dict[str, Any]) -> None:
        bands, total = found["bands"], found["all"]
        rates = [100 * np.nan_to_num(found["hazard"][c.key]) for c in CAUSES]
        top = 100 * total["hazard"].fillna(0).to_numpy()
        title = self.drawn("falls", first=top[0], last=top[-1], month=bands[-1])
        with self.over.drawing(title) as (ax,):
            if self._bars is None:
                self._bars = [
                    ax.bar(
                        bands[:-1], top * 0, np.diff(bands) - 0.25, align="edge", color=CAUSE_COLOURS[c.key]
                    )
                    for c in CAUSES
                ]
                self._whiskers = ax.vlines(bands[:-1], 0, 0, color=GREY, lw=1.2)
                self._labels = [
                    ax.text(
                        1.012,
                        0,
                        both(c)[self.over.language == "zh"].split(" (")[0],
                        fontsize=13,
                        color=dark(CAUSE_COLOURS[c.key]),
                        va="center",
                        transform=ax.get_yaxis_transform(),
                    )
                    for c in CAUSES
                ]
                ax.set_xlim(0, bands[-1])
                ax.set_xticks(range(0, int(bands[-1]) + 1, 12))
                ax.set_xlabel(self.drawn("tenure"))
                ax.set_ylabel(self.drawn("axis"))
            under = np.zeros(len(top))
            middles = []
            for bars, rate in zip(self._bars, rates, strict=True):
                for bar, low, height in zip(bars, under, rate, strict=True):
                    bar.set_y(low)
                    bar.set_height(height)
                middles.append(under[-1] + rate[-1] / 2)
                under = under + rate
            middle = bands[:-1] + (np.diff(bands) - 0.25) / 2
            low, high = (100 * total[side].fillna(0).to_numpy() for side in ("low", "high"))
            self._whiskers.set_segments([[(x, a), (x, b)] for x, a, b in zip(middle, low, high, strict=True)])
            tall = max(0.2, 1.06 * max(float(high.max()), float(under.max())))
            ax.set_ylim(0, tall)
            places = apart(middles, [0.13 * tall] * len(middles), 0, tall)
            for label, y, height in zip(self._labels, places, rates, strict=True):
                label.set_y(y)
                label.set_alpha(1.0 if height.sum() > 0 else 0.35)
            ax.set_title(title)

    def _draw_cuts(self, found: dict[str, Any]) -> None:
        """One bar of all who left, cut above by what can be influenced, below by who ends it."""
        counts = found["counts"].mean(axis=0)
        shares = counts / counts.sum() if counts.sum() else counts
        title = self.drawn("cuts")
        with self.cuts.drawing(f"{title} {100 * found['controllable'].mean:.0f} %") as (ax,):
            ax.clear()
            ax.grid(False)
            ax.set_axis_off()
            begin = np.concatenate([[0.0], np.cumsum(shares)])
            for c, low, wide in zip(CAUSES, begin, shares, strict=False):
                ax.barh(0, wide, 0.55, left=low, color=CAUSE_COLOURS[c.key], edgecolor="white")
                if wide > 0.09:
                    ink = "white" if c is not ChurnCause.PAYMENT_LAPSE else "black"
                    ax.text(low + wide / 2, 0, f"{100 * wide:.0f} %", ha="center", va="center", color=ink,
                            fontsize=13)  # fmt: skip
            natural, own = begin[1], begin[3]
            sides = (
                (1, 0, natural, "cut_not", 1 - found["controllable"].mean),
                (1, natural, 1, "cut_controllable", found["controllable"].mean),
                (-1, 0, own, "cut_voluntary", found["voluntary"].mean),
                (-1, own, 1, "cut_involuntary", 1 - found["voluntary"].mean),
            )
            for side, low, high, key, part in sides:
                if high - low < 0.005 or not counts.sum():
                    continue
                y = 0.42 * side
                ax.plot(
                    [low + 0.005, low + 0.005, high - 0.005, high - 0.005],
                    [y - 0.07 * side, y, y, y - 0.07 * side],
                    color=OKABE_ITO["black"],
                    lw=1.6,
                )
                # short brackets push their words outwards, where there is room
                at, how = (low + high) / 2, "center"
                if high - low < 0.45:
                    at, how = (0.0, "left") if low == 0 else (1.0, "right")
                ax.text(at, 0.6 * side, self.drawn(key, share=100 * part), ha=how,
                        va="bottom" if side > 0 else "top", fontsize=13)  # fmt: skip
            ax.set_xlim(-0.01, 1.01)
            ax.set_ylim(-1.1, 1.1)
            ax.set_title(title, fontsize=15)

    def _draw_said(self, found: dict[str, Any]) -> None:
        survey = found["survey"]
        title = (
            self.drawn("stated_none")
            if survey is None
            else self.drawn("stated", wrong=100 * (1 - survey.accuracy))
        )
        with self.said.drawing(title) as (ax,):
            ax.clear()
            ax.grid(axis="x")
            ax.spines[["top", "right"]].set_visible(False)
            ax.set_title(title, fontsize=15, x=-0.67 if self.over.language == "en" else -0.5)
            if survey is None:
                ax.set_axis_off()
                return
            table = survey.table.set_index("cause").reindex(ChurnCause.keys())
            for k, c in enumerate(CAUSES):
                row = table.loc[c.key]
                ax.barh(k, 100 * row["stated"], 0.62, color=CAUSE_COLOURS[c.key], alpha=0.85)
                ax.barh(k, 100 * row["true"], 0.8, fill=False, ls="--", lw=1.8, ec=OKABE_ITO["black"])
            names = [both(c)[self.over.language == "zh"].split(" (")[0] for c in CAUSES]
            ax.set_yticks(range(len(CAUSES)), names, fontsize=12.5)
            ax.invert_yaxis()
            ax.tick_params(axis="x", labelsize=12.5)
            ax.set_xlabel(self.drawn("stated_axis"), fontsize=12.5)
            handles = [
                ax.barh(9, 0, color=GREY, label=self.drawn("says")),
                ax.barh(9, 0, fill=False, ls="--", lw=1.8, ec=OKABE_ITO["black"], label=self.drawn("true")),
            ]
            ax.set_ylim(len(CAUSES) - 0.5, -0.5)
            ax.legend(handles=handles, loc="lower right", fontsize=12.5, frameon=False, borderpad=0)
