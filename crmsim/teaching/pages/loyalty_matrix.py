"""The loyalty matrix: attitude and behaviour crossed, in a monopoly and in the years after it ends."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import ipywidgets
import numpy as np
import pandas as pd

from ...analysis.loyalty import LoyaltyTypes, loyalty_types
from ...plots.loyalty import TYPE_COLOURS
from ...plots.style import GREY, OKABE_ITO, apart, dark
from ...research.opening import opened
from ...simulation import survey as surveys
from ...simulation.engine import simulate
from ...simulation.scenario import Scenario
from ...vocabulary import ChurnCause, LoyaltyType
from ..controls import Group, Number, Parameter, Switch
from ..page import Card, Page
from ..picture import Picture
from ..titles import fitted
from ..uncertainty import Interval, share
from ..words import Pair
from ..worker import Task
from .survey import Answers, Population, ask

# a world settles for two years; then everyone is asked, and the market opens or does not
OPENING, YEARS = 24, 6
MONTHS = OPENING + 12 * YEARS
# the better known of the two markets that were opened
LIKE = "england"
RIVALS = (ChurnCause.COMPETITIVE, ChurnCause.FAULT)
# dots in the matrix: as many rows of as many
ROWS, COLUMNS = 10, 20
FIFTHS = 5
# a tick of so many of 10 or more (the top two boxes) is a promise
PROMISE = 9
ITEMS = {"keep": "keep_using", "cheaper": "stay_if_cheaper"}
COLOURS = {"keep": OKABE_ITO["purple"], "cheaper": OKABE_ITO["green"], "stayed": OKABE_ITO["black"]}

TEXT: dict[str, Pair] = {
    "market": ("The market", "市场"),
    "open": ("The market opens (市场开放)", "市场开放"),
    "open_help": ("as England's water for businesses", "如英格兰非居民供水"),
    "years": ("Years after the survey", "调查后的年数"),
    "year_unit": ("years", "年"),
    "shift": ("Switching costs (转换成本)", "转换成本变动"),
    "shift_help": ("what a change takes in effort, time and nerve", "转换所需的精力、时间与勇气"),
    "lines": ("Where the lines are drawn", "界限"),
    "cut": ("Attitude is good from (态度)", "态度良好的界限"),
    "points": ("points", "分"),
    "cut_help": ("affective loyalty in the month of the survey", "调查当月的情感忠诚"),
    "size": ("Customers asked (样本量)", "样本量"),
    "behave": ("Loyal in what they do (行为)", "行为忠诚"),
    "behave_closed": ("there is no other supplier", "没有其他供水者"),
    "behave_open": ("{n:,} have gone to a rival", "{n:,}名已转向竞争者"),
    "like": ("Loyal in attitude (态度)", "态度忠诚"),
    "like_detail": ("{low:.0f} to {high:.0f}; from {cut:g} points", "{low:.0f} 至 {high:.0f}；{cut:g}分以上"),
    "left": ("Gone to a rival (转走)", "已转走"),
    "left_detail": ("of spurious : of true loyalty", "虚假忠诚者：真正忠诚者"),
    "r": ("Go with satisfaction, r (相关)", "与满意度的相关r"),
    "r_detail": ("“keep using” : “if 5% cheaper”", "“继续使用”：“便宜5%也留下”"),
    "foretold": ("Stayed of “even if cheaper”", "答“便宜也留下”者留下"),
    "foretold_detail": ("others {rest}; “keep using” {a}, others {b}", "其余{rest}；“继续使用”{a}，其余{b}"),
    "stays": ("stays", "留下"),
    "gone": ("to a rival", "转走"),
    "weak": ("weak attitude", "态度弱"),
    "strong": ("good attitude", "态度好"),
    "matrix_closed": ("All stay, {share:.0f} % without liking it", "全部留下，{share:.0f}%并不喜欢"),
    "year": ("{x:g} year", "{x:g}年"),
    "several": ("{x:g} years", "{x:g}年"),
    "matrix": ("After {years} {share:.0f} % stay without liking it", "{years}后，{share:.0f}%留下却不喜欢"),
    "items": ("Who says it will stay, and who did", "谁说会留下，谁真的留下"),
    "fifth": ("satisfaction as answered, fifths", "回答的满意度，五等分"),
    "lowest": ("lowest", "最低"),
    "highest": ("highest", "最高"),
    "percent": ("customers, %", "客户，%"),
    "keep": ("“I will keep\nusing it”", "“我会继续\n使用”"),
    "cheaper": ("“even if a\nrival were\n5% cheaper”", "“别家便宜5%\n我也留下”"),
    "stayed": ("stayed\n(truth)", "实际留下"),
    "closed": (
        "Nobody can go to a rival, so all {n:,} customers are loyal in what they do: {true:,} truly "
        "(真正忠诚), {spurious:,} spuriously (虚假忠诚). {keep:.0f} % say they will keep using it (r with "
        "satisfaction {r:.2f}); were a rival 5 % cheaper, {cheaper:.0f} % would stay (r = {r2:.2f}).",
        "没有竞争者可去，{n:,}名客户的行为全都“忠诚”：其中{true:,}名真正忠诚，{spurious:,}名虚假忠诚。"
        "{keep:.0f}%称会继续使用（与满意度的r = {r:.2f}）；若别家便宜5%，{cheaper:.0f}%称愿意留下"
        "（r = {r2:.2f}）。",
    ),
    "opened": (
        "{years} after the opening {gone:,} of the {spurious:,} spuriously loyal (虚假忠诚) have gone to a "
        "rival ({low:.0f} to {high:.0f} %), and {true:.0f} % of the truly loyal. {rest}",
        "开放{years}后，{spurious:,}名虚假忠诚者中{gone:,}名转向竞争者（{low:.0f}% 至 {high:.0f}%），"
        "真正忠诚者中为{true:.0f}%。{rest}",
    ),
    "inert": ("{left:,} of the spurious are still there: want of a choice has become inertia (惯性).",
              "仍有{left:,}名虚假忠诚者留下：别无选择变成了惯性。"),
    "empty": ("Only {left:,} of the spurious are still there.", "虚假忠诚者仅余{left:,}名。"),
    "just": (
        "The market has just opened, and all {n:,} customers are still there: {true:,} truly loyal, "
        "{spurious:,} spuriously. Move the years on.",
        "市场刚刚开放，{n:,}名客户都还在：{true:,}名真正忠诚，{spurious:,}名虚假忠诚。请推移年数。",
    ),
    "foot": (
        "{scenario}, seed {seed}, {customers:,} customers, no waiting at the hotline; those who moved away "
        "are left out; a dot is {dot} % of the others; {answers:,} answered in month {month}; intervals of "
        "95 %. Types: Dick & Basu (1994)",
        "{scenario}，种子{seed}，{customers:,}名客户，不计热线等待；搬走者不计，每点为其余的{dot}%；"
        "第{month}个月{answers:,}名回答；95%区间。类型：Dick与Basu（1994）",
    ),
    "few": ("Only {n} answered: ask more customers.", "仅{n}名回答：请增加询问人数。"),
    "world": ("living {years} years", "模拟{years}年"),
}  # fmt: skip


class World(NamedTuple):
    """Everyone there at the survey, an entry each: attitude then (points), and the month in which a
    customer went to a rival or ended for another reason (infinite for neither); and the survey's ground."""

    ids: np.ndarray
    attitude: np.ndarray
    to_rival: np.ndarray
    moved: np.ndarray
    people: Population


class Matrix(NamedTuple):
    """What `compute` found: the crossing at the survey and at the month looked at, and the answers."""

    before: LoyaltyTypes
    now: LoyaltyTypes
    # a row an answer: satisfaction, keep, cheaper (points; missing where not answered), stayed
    # (missing for those who moved away)
    answers: pd.DataFrame
    values: dict[str, Any]

    @property
    def opened(self) -> bool:
        return bool(self.values["open"])

    @property
    def gone(self) -> dict[str, tuple[int, int]]:
        """Of the spuriously and the truly loyal at the survey: how many went to a rival, of how many."""
        then = self.before.customers.set_index("customer")["type"]
        now = self.now.customers.set_index("customer")
        left = now["behaviour"] < self.now.behaviour_cut
        then = then.reindex(now.index)
        return {key: (int((left & (then == key)).sum()), int((then == key).sum()))
                for key in ("spurious", "true")}  # fmt: skip


class LoyaltyMatrix(Page):
    """Customers in the four corners of attitude and behaviour, and what they had said of staying."""

    name = "loyalty-matrix"
    texts = TEXT
    question = ("All of them stay. Are they loyal?", "人人都留下，他们忠诚吗？")
    about = (
        "true, latent, spurious and no loyalty; what they say and what they do",
        "真正、潜在、虚假与无忠诚；所说与所做",
    )
    preset = "water_utility"
    customers = 10_000
    months = MONTHS
    css = "loyalty_matrix.css"

    def __init__(self, *given: Any, **more: Any) -> None:
        self._worlds: dict[Any, World] = {}
        self._answers: tuple[Any, Answers] | None = None
        super().__init__(*given, **more)

    def groups(self) -> Sequence[Group]:
        most = self.scenario.population.size
        return [
            Group(TEXT["market"], [
                Switch("open", TEXT["open"], False, TEXT["open_help"]),
                Number("years", TEXT["years"], 1, 0, YEARS, 0.5, TEXT["year_unit"]),
                Parameter("market.switching_cost_shift", -30, 30, label=TEXT["shift"],
                          help=TEXT["shift_help"]),
            ]),
            Group(TEXT["lines"], [
                Number("cut", TEXT["cut"], 50, 30, 80, 1, TEXT["points"], TEXT["cut_help"]),
                Number("size", TEXT["size"], most, min(500, most), most, 100, whole=True),
            ]),
        ]  # fmt: skip

    def build(self) -> Sequence[Any]:
        self.matrix = Picture(4.4, 4.3, language=self.language, dpi=150)
        self.matrix.margins(0.07, 0.99, 0.09, 0.915)
        self.fifths = Picture(4.4, 4.3, language=self.language, dpi=150)
        self.fifths.margins(0.15, 0.66, 0.145, 0.915)
        row = ipywidgets.HBox([self.matrix.widget, self.fifths.widget])
        row.add_class("cs-row")
        return [row]

    # -- the worlds --------------------------------------------------------------------------------

    def compute(self, values: dict[str, Any], task: Task) -> Iterator[Any]:
        world = self._world(values, task)
        month = OPENING + round(12 * float(values["years"]))
        size = int(values["size"])
        if self._answers is None or self._answers[0] != (world.people.key, size):
            survey = surveys.Survey(months=(OPENING - 1,), size=size, importance=False)
            self._answers = ((world.people.key, size), ask(world.people, survey))
        answers = self._answers[1]
        if len(answers.table) < 10 * FIFTHS:
            raise ValueError(self.text("few", n=len(answers.table)))
        yield Matrix(
            crossed(world, OPENING, float(values["cut"])), crossed(world, month, float(values["cut"])),
            said(world, answers, month), values,
        )  # fmt: skip

    def _world(self, values: dict[str, Any], task: Task) -> World:
        key = (self.scenario, self.seed, bool(values["open"]), values["market.switching_cost_shift"])
        if key not in self._worlds:
            task.progress(0, 1, self.text("world", years=MONTHS // 12))
            # slider after slider would fill the memory
            if len(self._worlds) > 8:
                self._worlds.clear()
            world = self.world(values, market__openness=0.0, service__desk="none", rivals=[])
            if values["open"]:
                world = opened(world, LIKE, month=OPENING, years=YEARS)
            self._worlds[key] = live(world, self.seed, task.stop)
        return self._worlds[key]

    # -- what is shown -----------------------------------------------------------------------------

    def show(self, found: Matrix) -> None:
        values, gone = found.values, found.gone
        counts = found.before.table.set_index("type")["customers"]
        now = found.now.table.set_index("type")
        n = int(now["customers"].sum())
        stay = int(now.loc[["true", "spurious"], "customers"].sum())
        like = share(int(now.loc[["true", "latent"], "customers"].sum()), n)
        detail = self.text("behave_open", n=n - stay) if n > stay else self.text("behave_closed")
        cards = [
            Card(self.text("behave"), f"{100 * stay / n:.0f} %", detail),
            Card(self.text("like"), f"{100 * like.mean:.0f} %",
                 self.text("like_detail", low=100 * like.low, high=100 * like.high, cut=values["cut"])),
        ]  # fmt: skip
        r = {key: _correlation(found.answers, key) for key in ITEMS}
        if n > stay:
            parts = [_percent(*gone[key]) for key in ("spurious", "true")]
            cards.append(Card(self.text("left"), " : ".join(parts), self.text("left_detail")))
        told = {key: kept_promise(found.answers, key) for key in ITEMS}
        if n > stay:
            a, b = (_share(x) for x in told["keep"])
            yes, rest = (_share(x) for x in told["cheaper"])
            cards.append(Card(self.text("foretold"), yes, self.text("foretold_detail", a=a, b=b, rest=rest)))
        else:
            cards.append(Card(self.text("r"), f"{r['keep']:.2f} : {r['cheaper']:.2f}", self.text("r_detail")))
        self.cards(*cards)
        self._draw_matrix(found)
        self._draw_fifths(found)
        promised = {key: 100 * float((found.answers[key].dropna() >= tick(PROMISE)).mean()) for key in ITEMS}
        count = {"true": int(counts["true"]), "spurious": int(counts["spurious"]), "n": int(counts.sum())}
        if not found.opened:
            counts_now = {name: int(now["customers"][name]) for name in ("true", "spurious")}
            sentence = self.text("closed", keep=promised["keep"], cheaper=promised["cheaper"], r=r["keep"],
                                 r2=r["cheaper"], n=n, **counts_now)  # fmt: skip
        elif not values["years"]:
            sentence = self.text("just", **count)
        else:
            left, of = gone["spurious"]
            part = share(left, of)
            rest = self.text("inert" if 2 * left < of else "empty", left=of - left)
            true = 100 * gone["true"][0] / max(gone["true"][1], 1)
            sentence = self.text("opened", years=self._years(found), gone=left, spurious=of, true=true,
                                 low=100 * part.low, high=100 * part.high, rest=rest)  # fmt: skip
        self.say(sentence, self.text(
            "foot", scenario=self.industry, seed=self.seed, month=OPENING,
            customers=self.scenario.population.size, answers=len(found.answers),
            dot=f"{100 / (ROWS * COLUMNS):g}",
        ))  # fmt: skip

    def _years(self, found: Matrix) -> str:
        years = float(found.values["years"])
        return self.text("year" if years == 1 else "several", x=years)

    def _draw_matrix(self, found: Matrix) -> None:
        """Four corners, each with as many dots as it has half per cents of the customers."""
        now = found.now.table.set_index("type")
        spurious = 100 * float(now["share"]["spurious"])
        years = self._years(found)
        gone = int(now["customers"]["latent"] + now["customers"]["none"])
        title = self.text("matrix" if gone else "matrix_closed", share=spurious, years=years)
        told = [title]
        with self.matrix.drawing() as (ax,):
            ax.clear()
            ax.grid(False)
            ax.set_xlim(0, 2)
            ax.set_ylim(0, 2)
            ax.set_xticks([0.5, 1.5], [self.text("weak"), self.text("strong")])
            ax.set_yticks([0.5, 1.5], [self.text("gone"), self.text("stays")], rotation=90, va="center")
            ax.tick_params(length=0, labelsize=14)
            ax.spines[["top", "right"]].set_visible(True)
            ax.axhline(1, color=GREY, linewidth=1.4)
            ax.axvline(1, color=GREY, linewidth=1.4)
            for kind in LoyaltyType:
                left, low = float(kind.strong_attitude), float(kind.repeat_buying)
                row: Any = now.loc[kind.key]
                dots = np.arange(round(ROWS * COLUMNS * row["share"]))
                x = left + 0.04 + 0.92 * (dots % COLUMNS + 0.5) / COLUMNS
                y = low + 0.03 + 0.72 * (dots // COLUMNS + 0.5) / ROWS
                colour = TYPE_COLOURS[kind.key]
                ax.scatter(x, y, s=30, color=colour, linewidth=0)
                name = kind.label(self.matrix.language)
                number = f"{row['customers']:,} ({100 * row['share']:.0f} %)"
                ax.text(left + 0.04, low + 0.95, f"{name}\n{number}", va="top", fontsize=14,
                        fontweight="bold", color=dark(colour), linespacing=1.1)  # fmt: skip
                told.append(f"{name} {number}")
            ax.set_title(fitted(title, self.language, 50), fontsize=15, x=-0.06)
            self.matrix.alt = "; ".join(told)

    def _draw_fifths(self, found: Matrix) -> None:
        """What each fifth of satisfaction said of staying, and whether it stayed."""
        rows = by_fifth(found.answers)
        at = np.arange(FIFTHS)
        told = [self.text("items")]
        with self.fifths.drawing() as (ax,):
            ax.clear()
            ends = []
            for key, shares in rows.items():
                mean, low, high = (100 * np.array([s[k] for s in shares]) for k in range(3))
                truth = key == "stayed"
                ax.fill_between(at, low, high, color=COLOURS[key], alpha=0.16, linewidth=0)
                ax.plot(at, mean, color=COLOURS[key], linewidth=2.4, linestyle="--" if truth else "-",
                        marker="" if truth else "o", markersize=7, zorder=4 if truth else 3)  # fmt: skip
                ends.append((float(mean[-1]), key))
                told.append(f"{self.text(key)}: {mean[0]:.0f} % … {mean[-1]:.0f} %".replace("\n", " "))
            ends.sort()
            places = apart(
                [e[0] for e in ends],
                [15.0 if self.text(key).count("\n") < 2 else 20.0 for _, key in ends],
                0,
                104,
            )
            for (_, key), y in zip(ends, places, strict=True):
                ax.text(1.02, y, self.text(key), transform=ax.get_yaxis_transform(), va="center",
                        fontsize=12.5, linespacing=1.0, color=dark(COLOURS[key]))  # fmt: skip
            names = [self.text("lowest"), *["·"] * (FIFTHS - 2), self.text("highest")]
            ax.set_xticks(at, names, fontsize=13)
            ax.set_xlim(-0.15, FIFTHS - 0.9)
            ax.set_ylim(0, 104)
            ax.set_yticks(range(0, 101, 20))
            ax.set_xlabel(self.text("fifth"), fontsize=13.5)
            ax.set_ylabel(self.text("percent"), fontsize=13.5, labelpad=1)
            ax.set_title(fitted(self.text("items"), self.language, 46), fontsize=15, x=-0.14)
            self.fifths.alt = "; ".join(told)


# -- what is counted -------------------------------------------------------------------------------------


def live(world: Scenario, seed: int, stop: Any = None) -> World:
    """Simulate a world and keep what its customers were at the survey and where they went."""
    kept: dict[str, Any] = {}

    def look(month: int, view: Any) -> None:
        if month == OPENING:
            kept.update(surveys.state_of(view))

    run = simulate(world, [], seed, stop=stop, progress=False, watch=look)
    here = kept["active"] > 0
    ids = kept["id"][here]
    table = run.customers.loc[ids]
    cause = table["cause"].cat.codes.to_numpy() + 1
    left = table["left_month"].to_numpy(dtype=float, na_value=np.inf)
    rival = np.isin(cause, RIVALS)
    people = Population(world.replace(population__months=OPENING, rivals=[]), kept, run.key, here,
                        kept["satisfaction"])  # fmt: skip
    return World(ids, kept["affective"][here], np.where(rival, left, np.inf),
                 np.where(~rival & (cause > 0), left, np.inf), people)  # fmt: skip


def crossed(world: World, month: int, cut: float) -> LoyaltyTypes:
    """Attitude at the survey and whether a customer is still there when a month begins, of those who
    have not moved away by then."""
    known = world.moved >= month
    stays = pd.Series(1.0 * (world.to_rival >= month)[known], index=world.ids[known])
    attitude = pd.Series(world.attitude[known], index=world.ids[known])
    return loyalty_types(attitude, stays, attitude_cut=cut, behaviour_cut=0.5)


def tick(number: Any, scale: int = 10) -> Any:
    """A tick from 1 to `scale` in points."""
    return 100 * (number - 1) / (scale - 1)


def said(world: World, answers: Answers, month: int) -> pd.DataFrame:
    """Answers in points, a row each, and whether the customer was still there when a month begins."""
    satisfaction = np.column_stack([answers.of(i) for i in answers.items if i.startswith("satisfaction_")])
    frame = pd.DataFrame({"satisfaction": tick(satisfaction).mean(axis=1),
                          **{key: tick(answers.of(item)) for key, item in ITEMS.items()}},
                         index=pd.Index(answers.customers, name="customer"))  # fmt: skip
    stayed = np.where(world.moved >= month, 1.0 * (world.to_rival >= month), np.nan)
    return frame.assign(stayed=pd.Series(stayed, index=world.ids).reindex(frame.index))


def by_fifth(answers: pd.DataFrame) -> dict[str, list[Interval]]:
    """Shares in each fifth of satisfaction: who promised to stay, who would if a rival were cheaper, who
    stayed."""
    known = answers.dropna(subset=["satisfaction"])
    fifth = (known["satisfaction"].rank(method="first", pct=True) * FIFTHS).apply(math.ceil)
    found = {}
    for key in (*ITEMS, "stayed"):
        yes = known[key] >= (1.0 if key == "stayed" else tick(PROMISE))
        parts = [known[key].notna() & (fifth == k + 1) for k in range(FIFTHS)]
        found[key] = [share(int((yes & part).sum()), int(part.sum())) for part in parts]
    return found


def kept_promise(answers: pd.DataFrame, key: str) -> tuple[Interval, Interval]:
    """Share still there of those who promised, and of the others who answered."""
    known = answers.dropna(subset=[key, "stayed"])
    yes = known[key] >= tick(PROMISE)
    promised, others = (share(int(known.loc[p, "stayed"].sum()), int(p.sum())) for p in (yes, ~yes))
    return promised, others


def _correlation(answers: pd.DataFrame, key: str) -> float:
    both = answers[["satisfaction", key]].dropna()
    return float(both["satisfaction"].corr(both[key]))


def _percent(count: int, of: int) -> str:
    return f"{100 * count / of:.0f} %" if of else "–"


def _share(part: Interval) -> str:
    return "–" if math.isnan(part.mean) else f"{100 * part.mean:.0f} %"
