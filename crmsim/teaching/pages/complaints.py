"""The complaint tree: from a problem to voice or silence, to an answer, to staying or leaving."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import ipywidgets
import numpy as np

from ...plots.style import GREY, OKABE_ITO, apart, dark
from ...simulation.engine import simulate
from ...simulation.scenario import Scenario
from ..controls import Choice, Group, Number, Parameter
from ..page import Card, Page
from ..picture import Picture, wipe
from ..uncertainty import Interval, interval, share, signed
from ..words import Pair
from ..worker import Task

SOON, THOROUGH = 8, 30
# leaves of the tree, from below
LEAVES = ("silent", "unresolved", "resolved", "fast")
COLOURS = {
    "silent": "#8C8C8C", "unresolved": OKABE_ITO["orange"], "resolved": OKABE_ITO["sky"],
    "fast": OKABE_ITO["blue"],
}  # fmt: skip
# months at the start in which satisfaction still finds its level
SETTLING = 6
ARMS = ("today", "voice", "recovery", "both")

TEXT: dict[str, Pair] = {
    "silent": ("silent", "沉默"),
    "unresolved": ("not resolved", "未解决"),
    "resolved": ("resolved late", "较慢解决"),
    "fast": ("resolved fast", "快速解决"),
    "problem": ("1,000\nproblems", "1000个\n问题"),
    "voice_node": ("voiced\n{n:.0f}", "投诉\n{n:.0f}"),
    "silence_node": ("silence\n{n:.0f}", "沉默\n{n:.0f}"),
    "leaf": ("{name} {n:.0f}", "{name} {n:.0f}"),
    "stay": ("{x:.1f} % stay", "{x:.1f}%留下"),
    "tree": (
        "Of 1,000 problems {voiced:.0f} are voiced, {solved:.0f} resolved",
        "每千个问题中，{voiced:.0f}个被投诉，{solved:.0f}个得到解决",
    ),
    "satisfaction": ("Satisfaction: change, points", "满意度变化，分"),
    "staying": ("Stay {n} months, %", "{n}个月后仍在，%"),
    "without": ("no problem", "无问题"),
    "gains": ("Customers kept in a thousand, against today", "与现状相比，每千名多留住"),
    "more": ("Together {both}, apart {sum}: more than the sum", "合起来{both}，分开共{sum}：大于相加"),
    "less": ("Together {both}, apart {sum}: less than the sum", "合起来{both}，分开共{sum}：小于相加"),
    "same": ("Together {both}, apart {sum}", "合起来{both}，分开共{sum}"),
    "voice": ("voice alone", "只鼓励投诉"),
    "recovery": ("recovery alone", "只做补救"),
    "sum": ("the two added", "两者相加"),
    "both": ("both", "两者并行"),
    "card_voice": ("Voice alone (投诉)", "只鼓励投诉"),
    "card_recovery": ("Recovery alone (补救)", "只做补救"),
    "card_both": ("Both", "两者并行"),
    "card_detail": ("kept of 1,000: {low} … {high}", "每千名多留住 {low} … {high}"),
    "card_both_detail": ("kept of 1,000: {low} … {high}", "每千名多留住 {low} … {high}"),
    "card_super": ("Beyond the sum (协同)", "超出相加（协同）"),
    "card_range": ("{low} … {high}", "{low} … {high}"),
    "card_paradox": ("Paradox (补救悖论)", "补救悖论"),
    "card_paradox_detail": ("satisfaction, {low} … {high}", "满意度分，{low} … {high}"),
    "one": ("one world only", "仅一个世界"),
    "sentence": (
        "Voice alone keeps {voice} customers in a thousand, recovery alone {recovery}, both together {both}: "
        "{more} ({low} to {high}) beyond the sum. {paradox}",
        "每千名客户中，只鼓励投诉多留住{voice}名，只做补救{recovery}名，两者并行{both}名："
        "超出相加{more}名（{low} 至 {high}）。{paradox}",
    ),
    "paradox": (
        "A fast answer to a first failure lifts satisfaction {gain} points above where it was, but "
        "{stay:.1f} % of these customers are there {n} months on, no more than the {quiet:.1f} % without a "
        "problem.",
        "首次失误若快速解决，满意度比之前高{gain}分；但{n}个月后仍在的为{stay:.1f}%，"
        "不高于没有问题者的{quiet:.1f}%。",
    ),
    "plain": (
        "A fast answer to a first failure moves satisfaction by {gain} points; {stay:.1f} % of these "
        "customers are there {n} months on, {quiet:.1f} % of those without a problem.",
        "首次失误快速解决后，满意度变化{gain}分；{n}个月后仍在的为{stay:.1f}%，没有问题者为{quiet:.1f}%。",
    ),
    "nothing": ("Nobody had such a problem that was answered fast.", "没有此类问题得到快速解决。"),
    "none": ("No such problem in this world", "这个世界里没有此类问题"),
    "waiting": ("The gains are being counted.", "正在计算各项收益。"),
    "foot": (
        "{scenario}, seed {seed}, {customers:,} customers, {n} worlds, each lived {arms} times on the same "
        "luck; {problems:,} problems in the tree; intervals 95 %. Worse problems are likelier to be voiced.",
        "{scenario}，种子{seed}，{customers:,}名客户，{n}个世界，各以相同运气过{arms}遍；"
        "树中{problems:,}个问题；95%区间。问题越严重越可能被投诉。",
    ),
    "refine": ("more worlds: {k} of {n}", "更多世界：{k}/{n}"),
    "share_voiced": ("Problems voiced (投诉率)", "投诉率"),
    "share_voiced_help": ("aimed at, by making it easy to complain", "通过方便投诉希望达到的比例"),
    "solved": ("Complaints resolved (解决率)", "投诉解决率"),
    "quick": ("of these, fast (快速解决率)", "其中快速解决"),
    "quick_help": ("a fast answer may regain more than was lost", "快速答复挽回的可能多于失去的"),
    "today": ("Complaints resolved today", "现在的投诉解决率"),
    "today_help": ("what voice alone has to live with", "只鼓励投诉时面对的解决率"),
    "which": ("Problems in the tree", "树中的问题"),
    "all": ("all", "全部"),
    "major": ("major", "严重"),
    "minor": ("minor", "轻微"),
    "horizon": ("Months until we look", "观察月数"),
}  # fmt: skip


class Problems(NamedTuple):
    """Problems met in one world: one entry each."""

    leaf: np.ndarray  # place in LEAVES
    major: np.ndarray
    first: np.ndarray  # no other failure within the memory of faults
    months: np.ndarray  # months still a customer afterwards, inf for good
    change: np.ndarray  # satisfaction after the month less before it
    left: np.ndarray  # months until the end of the record
    quiet: np.ndarray  # by months ahead: customer-months without a problem, and those still there


class ComplaintTree(Page):
    """Voice and recovery: a tree with counts for widths, and what the two bring apart and together."""

    name = "complaints"
    texts = TEXT
    question = ("Does it pay to make customers complain?", "鼓励客户投诉值得吗？")
    about = (
        "problem, voice, recovery, staying; voice x recovery",
        "问题、投诉、补救与去留；投诉与补救的协同",
    )
    same_luck = True
    css = "complaints.css"

    def __init__(self, *given: Any, **more: Any) -> None:
        self._reference: tuple[Any, np.ndarray] = (None, np.zeros(0))
        # the worlds lived last: what became of the problems in each, how many stayed
        self._lived: tuple[Any, list[Problems], list[list[float]]] = (None, [], [])
        super().__init__(*given, **more)

    def groups(self) -> Sequence[Group]:
        share_unit = ("share", "比例")
        return [
            Group(("What the firm changes", "企业的改变"), [
                Number("voice", TEXT["share_voiced"], 60, 2, 98, 1, ("%", "%"), TEXT["share_voiced_help"]),
                Number("solved", TEXT["solved"], 0.9, 0, 1, 0.01, share_unit),
                Number("quick", TEXT["quick"], 0.9, 0, 1, 0.01, share_unit, TEXT["quick_help"]),
            ]),
            Group(("The firm today", "企业现状"), [
                Parameter("complaint.resolved", label=TEXT["today"], help=TEXT["today_help"]),
            ]),
            Group(("What is looked at", "观察对象"), [
                Choice("which", TEXT["which"], [(k, TEXT[k]) for k in ("all", "major", "minor")],
                       buttons=True),
                Number("horizon", TEXT["horizon"], 3, 1, 12, 1, ("months", "月"), whole=True),
                Parameter("market.openness"),
            ]),
        ]  # fmt: skip

    def build(self) -> Sequence[Any]:
        self.tree = Picture(8.9, 2.85, language=self.language, dpi=160)
        self.leaves = Picture(4.6, 2.0, language=self.language, columns=2, dpi=160)
        self.gains = Picture(4.2, 2.0, language=self.language, dpi=160)
        self.tree.margins(0.0, 1.0, 0.0, 0.89)
        self.leaves.margins(0.285, 0.97, 0.15, 0.85, wspace=0.12)
        self.gains.margins(0.33, 0.96, 0.04, 0.85)
        self._drawn: Any = None
        row = ipywidgets.HBox([self.leaves.widget, self.gains.widget])
        row.add_class("cs-row")
        return [self.tree.widget, row]

    # -- the worlds --------------------------------------------------------------------------------

    def compute(self, values: dict[str, Any], task: Task) -> Iterator[Any]:
        today = self.world(values)
        voiced = {"complaint__intercept": self._intercept(values["voice"] / 100, task)}
        recovered = {"complaint__resolved": values["solved"], "complaint__fast": values["quick"]}
        worlds = {
            "today": today,
            "voice": today.replace(**voiced),
            "recovery": today.replace(**recovered),
            "both": today.replace(**voiced, **recovered),
        }
        # another horizon, or other problems, look at the same worlds
        key = (self.seed, *worlds.values())
        if self._lived[0] != key:
            self._lived = (key, [], [])
        _, problems, kept = self._lived
        wanted = max(len(kept), THOROUGH if values["run"] else SOON)
        look = {"world": today, "which": values["which"], "horizon": int(values["horizon"])}
        if kept:
            yield {**look, "tree": _together(problems, **_chosen(values)), "kept": np.array(kept)}
        for k in range(len(kept), wanted):
            run, met = self._live(worlds["both"], k, task)
            if k == 0:
                tree = _together([met], **_chosen(values))
                yield {**look, "tree": tree, "kept": np.zeros((0, 4))}
            rest = [self._simulate(worlds[arm], k, task) for arm in ARMS[:3]]
            problems.append(met)
            kept.append([1000 * float(one.survival().iloc[-1]) for one in (*rest, run)])
            if k in (0, wanted - 1):
                tree = tree if k == 0 else _together(problems, **_chosen(values))
                yield {**look, "tree": tree, "kept": np.array(kept)}
            else:
                task.progress(k + 1, wanted, self.text("refine", k=k + 1, n=wanted))

    def _simulate(self, world: Scenario, k: int, task: Task, **more: Any) -> Any:
        return simulate(world, [], self.seed, replication=k, stop=task.stop, progress=False, **more)

    def _intercept(self, wanted: float, task: Task) -> float:
        """The propensity to complain at which so many of the scenario's problems are voiced."""
        if self._reference[0] is not self.scenario:
            self._reference = (self.scenario, _logits(self.scenario, self.seed, task))
        logits = self._reference[1]
        low, high = -15.0, 15.0
        for _ in range(40):
            middle = (low + high) / 2
            if logits.size and np.mean(1 / (1 + np.exp(-logits - middle))) < wanted:
                low = middle
            else:
                high = middle
        return self.scenario.complaint.intercept + high if logits.size else self.scenario.complaint.intercept

    def _live(self, world: Scenario, k: int, task: Task) -> tuple[Any, Problems]:
        """A world with what became of every problem in it."""
        rows: list[tuple[np.ndarray, ...]] = []
        before: dict[str, np.ndarray] = {}
        lived: list[np.ndarray] = []

        def look(month: int, view: Any) -> None:
            if month:
                failed = view.happened("failed") > 0
                who = np.flatnonzero(failed)
                answer = (
                    view.happened("complained")[who] * (1 + view.happened("resolved")[who]
                                                        * (1 + view.happened("fast")[who]))
                )  # fmt: skip
                satisfaction = view.column("satisfaction")
                rows.append((
                    np.full(who.size, month - 1), who, np.rint(answer).astype(int),
                    view.happened("severity")[who], month - 1 - before["last_failure"][who],
                    satisfaction[who] - before["satisfaction"][who],
                ))  # fmt: skip
                quiet = np.zeros(failed.size, dtype=bool)
                quiet[: before["active"].size] = before["active"] > 0
                lived.append(np.flatnonzero(quiet & ~failed))
            for name in ("satisfaction", "last_failure", "active"):
                before[name] = view.column(name)

        run = self._simulate(world, k, task, events=True, watch=look)
        month, who, leaf, severity, since, change = (np.concatenate(part) for part in zip(*rows, strict=True))
        left = run.customers["left_month"].to_numpy(dtype=float, na_value=np.inf)
        end = world.population.months
        start = min(SETTLING, end // 4)
        quiet = np.zeros((2, 13))
        for ahead in range(1, 13):
            for m in range(start, end - ahead + 1):
                quiet[0, ahead] += lived[m].size
                quiet[1, ahead] += np.count_nonzero(left[lived[m]] >= m + ahead)
        keep = month >= start
        return run, Problems(
            leaf[keep], severity[keep] >= world.churn.major_severity,
            since[keep] > world.churn.fault_memory, (left[who] - month)[keep], change[keep],
            (end - month)[keep], quiet,
        )  # fmt: skip

    # -- what is shown -----------------------------------------------------------------------------

    def show(self, found: dict[str, Any]) -> None:
        tree, kept, world = found["tree"], found["kept"], found["world"]
        # the tree comes first; what is below it may follow with the gains
        if tree is not self._drawn:
            self._draw_tree(found)
            self._drawn = tree
        foot = self.text("foot", scenario=self.industry, seed=self.seed, customers=world.population.size,
                         n=tree["n"], arms=len(ARMS), problems=tree["count"].sum())  # fmt: skip
        if not len(kept):
            self.say(self.text("waiting"), foot)
            return
        self._draw_leaves(found)
        gains = {arm: interval(kept[:, k] - kept[:, 0]) for k, arm in enumerate(ARMS) if k}
        beyond = interval(kept[:, 3] - kept[:, 1] - kept[:, 2] + kept[:, 0])
        self._draw_gains(kept, gains, beyond)
        single = len(kept) == 1
        cards = []
        for arm in ARMS[1:]:
            key = "card_both_detail" if arm == "both" else "card_detail"
            cards.append(self._card(f"card_{arm}", gains[arm], key, single))
        cards.append(self._card("card_super", beyond, "card_range", single))
        paradox = tree["paradox"]
        if paradox is not None:
            cards.append(
                Card(
                    self.text("card_paradox"),
                    signed(paradox.mean, 1),
                    self.text("card_paradox_detail", **_range(paradox, 1)),
                    *paradox.arrow,
                )
            )
        self.cards(*cards)
        told = self.text("nothing")
        if paradox is not None:
            stay, quiet = tree["stay_first"], tree["quiet"]
            key = "paradox" if paradox.sure > 0 and stay.low <= quiet.mean else "plain"
            told = self.text(
                key,
                gain=signed(paradox.mean, 1),
                stay=100 * stay.mean,
                quiet=100 * quiet.mean,
                n=found["horizon"],
            )
        self.say(
            self.text("sentence", **{arm: signed(gains[arm].mean) for arm in ARMS[1:]},
                      more=signed(beyond.mean), paradox=told, **_range(beyond)),
            foot,
        )  # fmt: skip

    def _card(self, label: str, x: Interval, detail: str, single: bool) -> Card:
        told = self.text("one") if single else self.text(detail, **_range(x))
        return Card(self.text(label), signed(x.mean), told, *(("", "") if single else x.arrow))

    def _draw_tree(self, found: dict[str, Any]) -> None:
        """Ribbons as wide as their counts, from the problem on the left to staying on the right."""
        tree = found["tree"]
        count = tree["count"]
        total = max(int(count.sum()), 1)
        n = 1000 * count / total
        title = self.drawn("tree", voiced=n[1:].sum(), solved=n[2:].sum())
        if not count.sum():
            title = self.drawn("none")
        with self.tree.drawing(title) as (ax,):
            ax.clear()
            ax.grid(False)
            ax.set_axis_off()
            ax.set_xlim(0, 8.9)
            ax.set_ylim(-0.06, 1.14)
            ax.set_title(title, x=0.01)
            if not count.sum():
                return
            wide = n / 1000
            # leaves from below, with gaps between them; the bends join what stands apart
            x = (1.15, 2.55, 2.8, 4.45, 4.65)
            gap = 0.045
            base = np.concatenate([[0.0], np.cumsum(wide[:-1])])
            far = base + gap * np.arange(4) - 0.03
            voice_gap = 0.06
            near = base + np.array([0, voice_gap, voice_gap, voice_gap])
            for k, name in enumerate(LEAVES):
                _ribbon(ax, x[2], x[3], near[k], far[k], wide[k], COLOURS[name])
            _ribbon(ax, x[0], x[1], 0.0, near[0], wide[0], "#CFCFCF")
            _ribbon(ax, x[0], x[1], base[1], near[1], wide[1:].sum(), "#B9C9DB")
            ax.fill_between([0.98, 1.15], 0, 1, color="#3A3A3A", linewidth=0)
            ax.fill_between([x[1], x[2]], near[0], near[0] + wide[0], color=COLOURS["silent"], linewidth=0)
            ax.fill_between([x[1], x[2]], near[1], near[1] + wide[1:].sum(), color="#5F7F9F", linewidth=0)
            ax.text(0.92, 0.5, self.drawn("problem"), ha="right", va="center", fontsize=14.5)
            for key, low, high in (
                ("silence_node", near[0], near[0] + wide[0]),
                ("voice_node", near[1], near[1] + wide[1:].sum()),
            ):
                if high - low > 0.001:
                    ax.text(
                        x[0] + 0.85,
                        (low + high) / 2,
                        self.drawn(key, n=1000 * (high - low)),
                        ha="center",
                        va="center",
                        fontsize=14,
                        linespacing=1.0,
                        color="black" if high - low > 0.1 else GREY,
                    )
            middles = []
            for k, name in enumerate(LEAVES):
                stay = tree["stay"][k].mean if count[k] else math.nan
                ax.fill_between([x[3], x[4]], far[k], far[k] + wide[k], color=COLOURS[name], linewidth=0)
                if count[k]:
                    # who leaves, in the width of the count
                    gone = wide[k] * (1 - stay)
                    ax.fill_between(
                        [x[4], x[4] + 0.22], far[k], far[k] + wide[k] - gone, color="#CFCFCF", linewidth=0
                    )
                    ax.fill_between([x[4], x[4] + 0.22], far[k] + wide[k] - gone, far[k] + wide[k],
                                    color=OKABE_ITO["vermillion"], linewidth=0)  # fmt: skip
                middles.append(far[k] + wide[k] / 2)
            places = apart(middles, [0.155] * 4, -0.06, 1.14)
            for k, name in enumerate(LEAVES):
                ax.text(4.9, places[k], self.drawn("leaf", name=self.drawn(name), n=n[k]), va="center",
                        fontsize=14.5, color=dark(COLOURS[name]))  # fmt: skip
                stay = tree["stay"][k]
                if count[k]:
                    told = self.drawn("stay", x=100 * stay.mean)
                    ax.text(6.76, places[k], told, va="center", fontsize=14, fontweight="bold")
                    ax.text(8.86, places[k], f"{100 * stay.low:.1f}–{100 * stay.high:.1f}", va="center",
                            ha="right", fontsize=11, color=GREY)  # fmt: skip

    def _draw_leaves(self, found: dict[str, Any]) -> None:
        """The paradox: satisfaction may end above where it was, staying does not."""
        tree = found["tree"]
        title = self.drawn("satisfaction")
        with self.leaves.drawing(title) as (left, right):
            for ax, rows in ((left, tree["change"]), (right, tree["stay"])):
                wipe(ax)
                ax.grid(visible=False)
                ax.grid(axis="x")
                # room above the points for the word on the line
                ax.set_ylim(-0.6, 4.15)
                times = 100 if ax is right else 1
                for k, name in enumerate(LEAVES):
                    if tree["count"][k] and math.isfinite(rows[k].mean):
                        mean, low, high = (times * x for x in rows[k])
                        ax.plot([low, high], [k, k], color=COLOURS[name], lw=5, solid_capstyle="butt",
                                alpha=0.55)  # fmt: skip
                        ax.plot(mean, k, "o", ms=9, color=COLOURS[name])
                ax.tick_params(labelsize=12)
                ax.locator_params(axis="x", nbins=4)
            left.set_yticks(range(4), [self.drawn(name) for name in LEAVES], fontsize=12.5)
            right.set_yticks(range(4), [])
            left.axvline(0, color=OKABE_ITO["black"], lw=1.4)
            quiet = 100 * tree["quiet"].mean
            right.axvline(quiet, color=OKABE_ITO["black"], lw=1.4, ls="--")
            right.text(quiet, 4.13, self.drawn("without") + " ", ha="right", va="top", fontsize=11.5)
            left.set_title(title, fontsize=12.5, x=-0.7 if self.leaves.language == "en" else -0.4)
            right.set_title(self.drawn("staying", n=found["horizon"]), fontsize=12.5, x=0.02)

    def _draw_gains(self, kept: np.ndarray, gains: dict[str, Interval], beyond: Interval) -> None:
        added = interval(kept[:, 1] + kept[:, 2] - 2 * kept[:, 0])
        key = {1: "more", -1: "less", 0: "same"}[beyond.sure if len(kept) > 1 else 0]
        title = self.drawn(key, both=signed(gains["both"].mean), sum=signed(added.mean))
        with self.gains.drawing(title) as (ax,):
            wipe(ax)
            ax.grid(False)
            ax.spines[["top", "right", "bottom"]].set_visible(False)
            ax.set_xticks([])
            bars = (
                ("both", gains["both"], OKABE_ITO["blue"]),
                ("sum", added, "#B9C9DB"),
                ("recovery", gains["recovery"], "#5F7F9F"),
                ("voice", gains["voice"], "#5F7F9F"),
            )
            reach = max(0.5, max(max(abs(b.low), abs(b.high)) for _, b, _ in bars))
            for k, (_, x, colour) in enumerate(bars):
                ax.barh(k, x.mean, 0.64, color=colour)
                if x.high > x.low:
                    ax.plot([x.low, x.high], [k, k], color=OKABE_ITO["black"], lw=2)
                ax.text(max(x.high, 0) + 0.03 * reach, k, signed(x.mean), va="center", fontsize=14)
            ax.set_yticks(range(4), [self.drawn(name) for name, _, _ in bars], fontsize=12.5)
            ax.tick_params(axis="y", length=0)
            ax.axvline(0, color=GREY, lw=1)
            ax.set_xlim(min(0.0, *(1.05 * b.low for _, b, _ in bars)), 1.3 * reach)
            ax.set_title(title, fontsize=12.5, x=-0.5)


def _chosen(values: dict[str, Any]) -> dict[str, Any]:
    return {"which": values["which"], "horizon": int(values["horizon"])}


def _logits(world: Scenario, seed: int, task: Task) -> np.ndarray:
    """Log odds of complaining about each problem of a world, as the rule reckons them."""
    c, found = world.complaint, []
    before: dict[str, np.ndarray] = {}

    def look(month: int, view: Any) -> None:
        if month:
            who = np.flatnonzero(view.happened("failed") > 0)
            who = who[who < before["trust"].size]
            found.append(
                c.intercept + before["propensity"][who] - c.effort
                + c.severity_effect * view.happened("severity")[who]
                + c.trust_effect * (before["trust"][who] - 60)
            )  # fmt: skip
        before["trust"], before["propensity"] = view.column("trust"), view.column("propensity")

    short = world.replace(population__months=min(24, world.population.months))
    simulate(short, [], seed, stop=task.stop, progress=False, events=True, watch=look)
    return np.concatenate(found)


def _together(problems: Sequence[Problems], which: str, horizon: int) -> dict[str, Any]:
    """Counts, staying and change of satisfaction at the leaves of the tree, of all worlds as one."""
    leaf, major, first, months, change, left = (
        np.concatenate([getattr(p, name) for p in problems]) for name in Problems._fields[:6]
    )
    chosen = left >= horizon
    if which != "all":
        chosen &= major == (which == "major")
    stays, changes = [], []
    for k in range(len(LEAVES)):
        here = chosen & (leaf == k)
        stays.append(share(int((months[here] >= horizon).sum()), int(here.sum())))
        changes.append(_mean(change[here]))
    quiet = np.sum([p.quiet[:, horizon] for p in problems], axis=0)
    fast = chosen & (leaf == 3) & first
    paradox = _mean(change[fast])
    return {
        "n": len(problems), "count": np.bincount(leaf[chosen], minlength=4), "stay": stays,
        "change": changes, "paradox": paradox if math.isfinite(paradox.mean) else None,
        "stay_first": share(int((months[fast] >= horizon).sum()), int(fast.sum())),
        "quiet": share(quiet[1], quiet[0]),
    }  # fmt: skip


def _mean(values: np.ndarray) -> Interval:
    """Mean over problems with a 95 % interval; missing without any."""
    return interval(values) if values.size else Interval(math.nan, math.nan, math.nan)


def _range(x: Interval, digits: int = 0) -> dict[str, str]:
    return {"low": signed(x.low, digits), "high": signed(x.high, digits)}


def _ribbon(ax: Any, x0: float, x1: float, y0: float, y1: float, wide: float, colour: str) -> None:
    """A band of constant height from (x0, y0) to (x1, y1), bent like a river."""
    t = np.linspace(0, 1, 30)
    low = y0 + (y1 - y0) * (3 - 2 * t) * t * t
    ax.fill_between(x0 + (x1 - x0) * t, low, low + wide, color=colour, linewidth=0)
