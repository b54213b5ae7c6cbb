"""A satisfaction survey taken twenty times: the estimate, its interval, and what that does not contain."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import ipywidgets
import numpy as np
from scipy import stats

from ...analysis import sampling
from ...plots.style import OKABE_ITO
from ...simulation import survey as surveys
from ...simulation.engine import simulate
from ...simulation.scenario import Scenario
from ..controls import Choice, Group, Number
from ..page import Card, Page
from ..picture import Picture
from ..uncertainty import signed
from ..words import Pair
from ..worker import Task
from .choices import preset_choice

# surveys of the same customers, each with its own luck
REPEATS = 20
# a tick of 8 to 10 of 10 counts as satisfied
SATISFIED = 8
MODES: dict[str, Pair] = {
    "phone": ("phone", "电话"),
    "online": ("online", "网络"),
    "visit": ("visit", "入户"),
}
MEASURES: dict[str, Pair] = {
    "index": ("index, 0 to 100 (满意度指数)", "满意度指数，0 至 100"),
    "share": ("share of 8 to 10 (满意率)", "满意率（8 至 10 分）"),
}

TEXT: dict[str, Pair] = {
    "estimate": ("Survey says (估计)", "本次调查的估计"),
    "truth": ("The truth (真实值)", "真实值"),
    "truth_detail": ("all {n:,} customers", "全部{n:,}名客户"),
    "bias": ("Off on average (偏差)", "平均偏差"),
    "cost": ("Cost per answer (每份成本)", "每份回答成本"),
    "cost_detail": ("{n:,} of {asked:,} answer, {rate:.0%}", "{asked:,}名中{n:,}名回答，{rate:.0%}"),
    "together": ("Agreement (光环效应)", "各题相关"),
    "together_detail": ("correlation; as felt {truth:.2f}", "两接触点相关；真实为{truth:.2f}"),
    "title": ("{k} of {n} surveys have the truth inside", "{n}次调查中{k}次的区间含真实值"),
    "first": ("One survey, and its interval", "一次调查及其区间"),
    "x_index": ("satisfaction, points", "满意度，分"),
    "x_share": ("satisfied customers, %", "满意客户，%"),
    "y": ("survey", "调查"),
    "true": ("truth", "真实值"),
    "places": ("What the survey says of touchpoints", "本次调查中的各接触点"),
    "places_x": ("quality as felt, points", "感知质量，分"),
    "said": ("answered", "回答"),
    "sentence": (
        "This survey puts {what} at {value:.1f} ({low:.1f} to {high:.1f}); the truth is {truth:.1f}. Over "
        "{n} "
        "surveys the estimate is off by {bias}: {who} from who answers, {how} from how they "
        "answer. "
        "{verdict}",
        "本次调查的{what}为{value:.1f}（{low:.1f} 至 {high:.1f}），真实值为{truth:.1f}。"
        "{n}次调查平均偏差{bias}："
        "谁回答带来{who}，怎样回答带来{how}。{verdict}",
    ),
    "index_word": ("satisfaction (满意度)", "满意度"),
    "share_word": ("the share of satisfied customers (满意率)", "满意率"),
    "inside": (
        "{k} of {n} intervals contain the truth.",
        "{n}个区间中有{k}个包含真实值。",
    ),
    "blind": (
        "The interval knows only the luck of the draw: {k} of {n} contain the truth, and a larger sample "
        "would "
        "not mend that.",
        "区间只包含抽样的偶然性：{n}个中仅{k}个包含真实值，增大样本也无济于事。",
    ),
    "one": (
        "This survey puts {what} at {value:.1f} ({low:.1f} to {high:.1f}); the truth is {truth:.1f}.",
        "本次调查的{what}为{value:.1f}（{low:.1f} 至 {high:.1f}），真实值为{truth:.1f}。",
    ),
    "foot": (
        "{scenario}, seed {seed}, {customers:,} customers at the start, asked at the end of month {month}; "
        "{n} surveys of the same customers, each with its own luck; intervals of 95 %",
        "{scenario}，种子{seed}，初始{customers:,}名客户，第{month}个月末询问；同一批客户的{n}次调查，"
        "运气各异；95%区间",
    ),
    "few": (
        "Only {n} of {asked:,} asked answered: no interval can be had from fewer than two. Ask more.",
        "询问{asked:,}名仅{n}名回答，少于两份无法计算区间。请增加询问人数。",
    ),
    "progress": ("survey {k} of {n}", "第{k}次调查，共{n}次"),
}  # fmt: skip


class Population(NamedTuple):
    """Customers at the end of a run as a survey finds them, with what is true of them."""

    scenario: Scenario
    state: dict[str, Any]
    key: Any
    active: np.ndarray
    # true satisfaction of the active by identity, points
    satisfaction: np.ndarray


def population(scenario: Scenario, seed: int, stop: threading.Event | None = None) -> Population:
    """Simulate a firm and stop at the end of its last month."""
    months, kept = scenario.population.months, {}

    def look(month: int, world: Any) -> None:
        if month == months:
            kept.update(surveys.state_of(world))

    run = simulate(scenario, seed=seed, stop=stop, progress=False, watch=look)
    return Population(scenario, kept, run.key, kept["active"] > 0, kept["satisfaction"])


class Answers(NamedTuple):
    """Answers of one survey: a row a respondent, a column a question; who they are; how many were asked."""

    table: np.ndarray
    items: list[str]
    customers: np.ndarray
    asked: int

    def of(self, item: str) -> np.ndarray:
        return self.table[:, self.items.index(item)]


def ask(people: Population, survey: surveys.Survey) -> Answers:
    """One survey of these customers."""
    world = people.scenario
    wave = surveys.take(people.state, survey, people.key, world.population.months - 1, world.touchpoints,
                        openness=world.market.openness)  # fmt: skip
    items = [i.item for i in surveys.questionnaire(survey, world.touchpoints)]
    table = wave.answers["answer"].to_numpy(dtype=float, na_value=np.nan).reshape(-1, len(items))
    customers = wave.answers["customer"].to_numpy()[:: len(items)] if len(table) else np.zeros(0, dtype=int)
    return Answers(table, items, customers, len(wave.sample))


def points(ticks: Any, scale: int = 10) -> Any:
    """Ticks from 1 to `scale` as points from 0 to 100."""
    return 100 * (ticks - 1) / (scale - 1)


def agreement(table: np.ndarray) -> float:
    """Mean correlation of two different columns; rows with a gap are left out."""
    table = table[~np.isnan(table).any(axis=1)]
    if len(table) < 3 or not (table.std(axis=0) > 0).all():
        return math.nan
    r = np.corrcoef(table.T)
    return float(r[~np.eye(len(r), dtype=bool)].mean())


class SurveyDesk(Page):
    """Ask a sample, estimate satisfaction, and compare with the truth, twenty times over."""

    name = "survey"
    texts = TEXT
    question = ("A survey: how near does it come to the truth?", "满意度调查：离真实有多近？")
    about = (
        "sample size, response bias, halo: estimate against truth",
        "样本量、应答偏差与光环效应：估计与真实值",
    )
    preset = "water_utility"
    customers = 20_000
    months = 12
    _kept: Any = None

    def groups(self) -> Sequence[Group]:
        usual = surveys.Survey()
        most = min(5_000, self.scenario.population.size)
        share, given = ("probability", "概率"), ("points", "分")
        money = (self.scenario.currency, self.scenario.currency)
        return [
            Group(("Whom to ask (抽样)", "抽样"), [
                preset_choice(self, ("Firm (企业)", "企业")),
                Number("size", ("Customers asked (样本量)", "样本量"), min(1500, most), 50, most, 50,
                       whole=True),
                Choice("mode", ("Asked by (方式)", "方式"), list(MODES.items()), "phone", buttons=True),
                Number("price", ("Cost of asking one (单次成本)", "单次询问成本"), 5.0, 0.1, 50, 0.1, money),
            ]),
            Group(("Who answers (应答)", "应答"), [
                Number("response", ("Chance to answer (应答率)", "应答率"), usual.response, 0.02, 0.9,
                       0.01, share,
                       ("of those neither very satisfied nor dissatisfied", "既非很满意也非不满意者")),
                Number("very_dissatisfied", ("More if dissatisfied (不满者)", "不满者更多"),
                       usual.very_dissatisfied, -0.1, 0.6, 0.01, share, ("below 60 points", "60分以下")),
                Number("very_satisfied", ("More if very satisfied (很满意者)", "很满意者更多"),
                       usual.very_satisfied, -0.1, 0.6, 0.01, share, ("from 90 points", "90分以上")),
            ]),
            Group(("How they answer (作答)", "作答"), [
                Number("halo", ("Halo (光环效应)", "光环效应"), usual.halo, 0.0, 0.9, 0.01, ("share", "占比"),
                       ("a general attitude colours every answer", "总体态度影响每一题")),
                Number("skew", ("Scale use (量表使用)", "量表使用"), usual.skew, 0.5, 3.0, 0.05,
                       ("exponent", "指数"),
                       ("above 1 answers crowd at the top", "大于1时回答集中于高分")),
                Number("kindness", ("Kindness (客气)", "客气"), usual.kindness, -15, 15, 0.5, given,
                       ("answers kinder than what is felt", "回答高于真实感受")),
                Number("straight", ("Straight-liners (直线作答)", "直线作答"), usual.straight, 0.0, 0.8, 0.01,
                       ("share", "占比"), ("tick one number for all touchpoints", "各接触点都选同一分数")),
                Choice("measure", ("Estimated", "估计对象"), list(MEASURES.items()), "index"),
            ]),
        ]  # fmt: skip

    def build(self) -> Sequence[Any]:
        self.repeats = Picture(4.4, 4.5, language=self.language, dpi=160)
        self.places = Picture(4.4, 4.5, language=self.language, dpi=160)
        self._artists: dict[str, Any] = {}
        row = ipywidgets.HBox([self.repeats.widget, self.places.widget])
        row.add_class("cs-row")
        return [row]

    # -- asking ------------------------------------------------------------------------------------

    def compute(self, values: dict[str, Any], task: Task) -> Iterator[Any]:
        if self._kept is None or self._kept.scenario is not self.scenario:
            self._kept = population(self.scenario, self.seed, task.stop)
        people = self._kept
        numbers = ("response", "very_dissatisfied", "very_satisfied", "halo", "skew", "kindness", "straight")
        survey = surveys.Survey(months=(people.scenario.population.months - 1,), size=int(values["size"]),
                                mode=values["mode"], importance=False,
                                **{n: values[n] for n in numbers})  # fmt: skip
        found: list[Any] = []
        for k in range(REPEATS):
            if task.stop.is_set():
                return
            answers = ask(people, survey.replace(stream=k) if k else survey)
            found.append(self._judge(people, answers, values["measure"]))
            if k == 0:
                first = answers
                yield {"people": people, "first": first, "repeats": found[:], "values": values}
            task.progress(k + 1, REPEATS, self.text("progress", k=k + 1, n=REPEATS))
        yield {"people": people, "first": first, "repeats": found, "values": values}

    def _judge(self, people: Population, answers: Answers, measure: str) -> dict[str, Any]:
        """The estimate of one survey, and what is true of those who answered."""
        ticks = answers.of("satisfaction_1") if len(answers.table) else np.zeros(0)
        if np.count_nonzero(~np.isnan(ticks)) < 2:
            raise ValueError(self.text("few", n=len(ticks), asked=answers.asked))
        n = int(people.active.sum())
        place = np.searchsorted(people.state["id"], answers.customers)
        known = ~np.isnan(ticks)
        felt = _worth(people.satisfaction[place[known]], measure)
        if measure == "share":
            told = sampling.share(ticks[known] >= SATISFIED, population=n)
            estimate = told._replace(value=100 * told.value, low=100 * told.low, high=100 * told.high)
        else:
            told = sampling.mean(points(ticks[known]), population=n)
            # a few answers would reach beyond the scale
            estimate = told._replace(low=max(told.low, 0.0), high=min(told.high, 100.0))
        return {"estimate": estimate, "felt": float(felt.mean())}

    # -- what is shown -----------------------------------------------------------------------------

    def show(self, found: dict[str, Any]) -> None:
        people, first, repeats, values = (found[k] for k in ("people", "first", "repeats", "values"))
        measure = values["measure"]
        truth = float(_worth(people.satisfaction[people.active], measure).mean())
        estimates = [r["estimate"] for r in repeats]
        one = estimates[0]
        off = np.array([e.value for e in estimates]) - truth
        who = float(np.mean([r["felt"] for r in repeats])) - truth
        inside = sum(e.low <= truth <= e.high for e in estimates)
        sure = len(repeats) > 1
        answered = len(first.table)
        spent, currency = values["price"] * first.asked, self.scenario.currency
        said, felt, names = self._touchpoints(people, first)
        bias = signed(off.mean(), 1) if sure else "…"
        half = float(stats.t.ppf(0.975, REPEATS - 1) * off.std(ddof=1) / math.sqrt(REPEATS)) if sure else 0.0
        self.cards(
            Card(self.text("estimate"), f"{one.value:.1f}", f"{one.low:.1f} … {one.high:.1f}"),
            Card(self.text("truth"), f"{truth:.1f}", self.text("truth_detail", n=int(people.active.sum()))),
            Card(self.text("bias"), bias,
                 f"{signed(off.mean() - half, 1)} … {signed(off.mean() + half, 1)}" if sure else ""),
            Card(self.text("cost"), f"{spent / answered:,.1f} {currency}",
                 self.text("cost_detail", n=answered, asked=first.asked, rate=answered / first.asked)),
            Card(self.text("together"), f"{agreement(said):.2f}",
                 self.text("together_detail", truth=agreement(felt))),
        )  # fmt: skip
        self._draw_repeats(estimates, truth, measure, inside)
        self._draw_places(people, said, felt, names)
        what = dict(
            what=self.text(f"{measure}_word"), value=one.value, low=one.low, high=one.high, truth=truth
        )
        sentence = self.text("one", **what)
        if sure:
            # without bias 19 of 20 have the truth inside; fewer than this come by chance once in a thousand
            least = stats.binom.ppf(0.001, REPEATS, 0.95)
            verdict = self.text("inside" if inside >= least else "blind", k=inside, n=REPEATS)
            sentence = self.text("sentence", n=REPEATS, bias=bias, who=signed(who, 1),
                                 how=signed(off.mean() - who, 1), verdict=verdict, **what)  # fmt: skip
        self.say(sentence, self.text(
            "foot", scenario=self.industry, seed=self.seed, n=REPEATS,
            customers=self.scenario.population.size, month=self.scenario.population.months,
        ))  # fmt: skip

    def _touchpoints(self, people: Population, first: Answers) -> tuple[np.ndarray, np.ndarray, list[str]]:
        """Answers on each touchpoint (points, a row a respondent), what all customers feel, and names."""
        touchpoints = people.scenario.touchpoints
        columns = [
            points(np.column_stack([first.of(i) for i in first.items if i.rpartition("_")[0] == t.name
                                    and i.rpartition("_")[2].isdigit()]))
            for t in touchpoints
        ]  # fmt: skip
        # both questions on a touchpoint, or the one that was answered
        said = np.column_stack([_row_means(c) for c in columns])
        felt = np.clip(people.state["perception"][people.active], 0, 100).astype(float)
        names = [
            t.chinese or t.name if self.language == "zh" else t.name.replace("_", " ") for t in touchpoints
        ]
        return said, felt, names

    def _draw_repeats(self, estimates: list[Any], truth: float, measure: str, inside: int) -> None:
        sure = len(estimates) > 1
        title = self.text("title", k=inside, n=len(estimates)) if sure else self.text("first")
        # until the others are taken again those of before stay, in grey
        if sure:
            self._artists["before"] = estimates
        else:
            estimates = [estimates[0], *self._artists.get("before", [])[1:]]
        value, low, high = (np.array([e[k] for e in estimates]) for k in range(3))
        y = np.arange(1, len(estimates) + 1)
        hit = (low <= truth) & (truth <= high)
        a, blue, red = self._artists, OKABE_ITO["blue"], OKABE_ITO["vermillion"]
        with self.repeats.drawing(title) as (ax,):
            if "ends" not in a:
                a["ends"] = ax.hlines([], [], [], lw=3.2)
                a["dots"] = ax.scatter([], [], s=42, zorder=3)
                a["truth"] = ax.axvline(truth, color="black", ls="--", lw=2)
                a["true"] = ax.annotate(
                    self.text("true"), (truth, 1), (4, -2), xycoords=("data", "axes fraction"),
                    textcoords="offset points", va="top", fontsize=14,
                )  # fmt: skip
                ax.set_ylim(REPEATS + 0.9, -0.9)
                ax.set_yticks([1, 5, 10, 15, 20])
                ax.grid(visible=False)
                ax.set_ylabel(self.text("y"))
            colours = [blue if yes else red for yes in hit] if sure else ["#CFCFCF"] * len(hit)
            colours[0] = blue if hit[0] else red
            a["ends"].set_segments([[(u, k), (v, k)] for k, u, v in zip(y, low, high, strict=True)])
            a["ends"].set_colors(colours)
            a["dots"].set_offsets(np.column_stack([value, y]))
            a["dots"].set_facecolors(colours)
            a["truth"].set_xdata([truth, truth])
            a["true"].xy = (truth, 1)
            reach = max(float(max(high.max(), truth) - min(low.min(), truth)), 4.0)
            middle = (max(high.max(), truth) + min(low.min(), truth)) / 2
            ax.set_xlim(middle - 0.56 * reach, middle + 0.56 * reach)
            ax.set_xlabel(self.text(f"x_{measure}"))
            ax.set_title(title, x=-0.16, fontsize=15)

    def _draw_places(self, people: Population, said: np.ndarray, felt: np.ndarray, names: list[str]) -> None:
        told = [sampling.mean(column, population=len(felt)) for column in said.T]
        true = felt.mean(axis=0)
        rows = np.arange(len(names))[::-1]
        a, blue = self._artists, OKABE_ITO["blue"]
        with self.places.drawing(self.text("places")) as (ax,):
            if "said" not in a:
                a["reach"] = ax.hlines([], [], [], color=blue, lw=3.2)
                a["said"] = ax.plot([], [], "o", color=blue, ms=9, label=self.text("said"))[0]
                a["felt"] = ax.vlines([], [], [], color="black", lw=2.4, ls=(0, (2.2, 1.2)),
                                      label=self.text("true"))  # fmt: skip
                ax.set_ylim(-0.6, len(names) + 0.25)
                ax.set_yticks(rows, names)
                ax.tick_params(axis="y", length=0)
                ax.grid(visible=False)
                ax.grid(axis="x", color="#DDDDDD")
                ax.set_xlabel(self.text("places_x"))
                ax.set_title(self.text("places"), fontsize=14.5, loc="right")
                ax.legend(frameon=False, fontsize=13, loc="upper center", ncols=2, handlelength=1.0,
                          handletextpad=0.4, borderaxespad=0.0)  # fmt: skip
            a["said"].set_data([t.value for t in told], rows)
            a["reach"].set_segments([[(t.low, k), (t.high, k)] for t, k in zip(told, rows, strict=True)])
            a["felt"].set_segments([[(x, k - 0.36), (x, k + 0.36)] for x, k in zip(true, rows, strict=True)])
            ends = np.array([*true, *(t.low for t in told), *(t.high for t in told)])
            ax.set_xlim(ends.min() - 3, ends.max() + 3)


def _worth(satisfaction: np.ndarray, measure: str) -> np.ndarray:
    """What an honest answer without error would be: points, or 100 where it is a tick of 8 to 10."""
    clipped = np.clip(satisfaction.astype(float), 0, 100)
    if measure == "share":
        return 100.0 * (1 + np.rint(0.09 * clipped) >= SATISFIED)
    return clipped


def _row_means(table: np.ndarray) -> np.ndarray:
    """Mean of each row over what is known of it; missing where nothing is."""
    known = ~np.isnan(table)
    count = known.sum(axis=1)
    return np.where(count > 0, np.where(known, table, 0.0).sum(axis=1) / np.maximum(count, 1), np.nan)
