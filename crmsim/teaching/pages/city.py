"""The firm as it stands: what its board counts, what a survey says, and how its districts differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import ipywidgets
import numpy as np
import pandas as pd
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import Rectangle
from scipy import stats

from ...analysis import sampling
from ...plots.style import GREY, OKABE_ITO
from ...simulation import survey as surveys
from ...simulation.catalogue import TOWN, profiles
from ...simulation.engine import simulate
from ...vocabulary import ChurnCause
from ..controls import Choice, Group, Number, Switch
from ..page import Card, Page
from ..picture import Picture
from ..titles import fitted
from ..words import Pair
from ..worker import Task
from .survey import MODES, Population, ask, points

# from the least to the most satisfied district; both ends and the middle differ in lightness as well
WARM = LinearSegmentedColormap.from_list("warm", ["#F2B08A", "#F4E3D3", "#EAF3F9"])
RIVALS = [cause.key for cause in (ChurnCause.COMPETITIVE, ChurnCause.FAULT)]
# the line that other surveys draw
STRICT = 8

TEXT: dict[str, Pair] = {
    "board": ("The board's survey (调查)", "企业的调查"),
    "cut": ("Satisfied from tick (界限)", "计为满意的界限"),
    "cut_help": ("of 1 to 10: who counts as satisfied", "1至10分：几分起计为满意"),
    "mode": ("Asked by (方式)", "方式"),
    "mode_help": ("face to face answers are kinder", "当面回答更客气"),
    "size": ("Customers asked (样本量)", "样本量"),
    "truth": ("Show the truth (真实值)", "显示真实值"),
    "view": ("Districts (各区)", "各区"),
    "chart": ("chart", "图表"),
    "map": ("map", "地图"),
    "view_help": ("a schematic map (示意图): tiles of one size", "示意图：各区同样大小"),
    "pipes": ("pipes {age} years", "管龄{age}年"),
    "pumped": ("secondary supply", "二次供水"),
    "told_short": ("{told:.0f} problems", "投诉报修{told:.0f}"),
    "true_short": ("truth {true:.1f}", "真实{true:.1f}"),
    "map_foot": ("large: the survey's index; problems told a year\nper 1,000 customers; not to scale",
                 "大字：调查所得指数；每年每千名客户投诉与报修；\n示意图，不按比例"),
    "share": ("Satisfied (满意率)", "满意率"),
    "share_detail": ("tick {cut} or more of 10", "10分中{cut}分以上"),
    "index": ("Index, 0 to 100 (满意度指数)", "满意度指数，0至100"),
    "index_detail": ("{low:.1f} to {high:.1f}; {n:,} answers", "{low:.1f} 至 {high:.1f}；{n:,}份回答"),
    "true": ("The truth (真实值)", "真实值"),
    "true_detail": ("all {n:,} customers", "全部{n:,}名客户"),
    "churn": ("Gone to rivals (流失)", "流失到竞争者"),
    "churn_closed": ("there is none; moved {moved:.1f} % a year", "没有竞争者；每年搬走{moved:.1f}%"),
    "churn_open": ("a year; moved {moved:.1f} %", "每年；搬走{moved:.1f}%"),
    "told": ("Problems told (投诉与报修)", "投诉与报修"),
    "told_detail": ("a year per 1,000 customers", "每年每千名客户"),
    "ticks": ("answer, 1 to 10", "回答，1至10分"),
    "answers": ("answers, %", "回答，%"),
    "ticks_title": ("{share:.0f} % satisfied, and an index of {index:.0f}",
                    "满意率{share:.0f}%，指数{index:.0f}"),
    "strict": ("from {cut} on: {share:.0f} %", "{cut}分起：{share:.0f}%"),
    "place_index": ("index, points", "指数，分"),
    "place_told": ("problems told\na year per 1,000", "每年每千名客户\n投诉与报修"),
    "all_alike": ("Districts: differences may be chance", "各区差异可能只是偶然"),
    "differ": ("{low} is lowest, {high} highest", "{low}最低，{high}最高"),
    "dashed": ("╎ truth", "╎ 真实值"),
    "sentence": (
        "{share:.0f} % tick {cut} or more, so the board calls them satisfied; the same answers give an index "
        "of {index:.1f} ({low:.1f} to {high:.1f}), and counted from {strict} on {less:.0f} % are satisfied. "
        "{churn} {places}",
        "{share:.0f}%的客户给{cut}分以上，即企业所称的“满意”；同样的回答，指数为{index:.1f}"
        "（{low:.1f} 至 {high:.1f}），若从{strict}分起算，满意率为{less:.0f}%。{churn}{places}",
    ),
    "closed": ("That nobody left for a rival proves only that there is none.",
               "无人流失，只说明没有竞争者。"),
    "opened": ("{gone:.1f} % a year left for a rival.", "每年{gone:.1f}%流失到竞争者。"),
    "places_alike": ("The districts' indices do not surely differ.", "各区指数的差异并不显著。"),
    "places_differ": ("{low} is the least satisfied district, {high} the most.",
                      "{low}最不满意，{high}最满意。"),
    "foot": (
        "{scenario}, seed {seed}, {customers:,} customers, {months} months; asked in the last; intervals of "
        "95 %; districts differ surely where an analysis of variance says so at 5 %",
        "{scenario}，种子{seed}，{customers:,}名客户，{months}个月，末月调查；95%区间；"
        "各区差异按方差分析，显著性水平5%",
    ),
    "few": ("Only {n} answered: ask more customers.", "仅{n}名回答：请增加询问人数。"),
}  # fmt: skip


# where the districts of City A lie on a schematic map: column and row from below; the case gives no other
TILES = {"suburb": (0, 1), "highrise": (1, 1), "new_town": (2, 1),
         "urban_village": (0, 0), "old_town": (1, 0), "industrial": (2, 0)}  # fmt: skip


def tiles(names: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Column and row (from below) of each district: three in a row where nothing else is known."""
    if set(names) == set(TILES):
        return TILES
    rows = -(-len(names) // 3)
    return {name: (k % 3, rows - 1 - k // 3) for k, name in enumerate(names)}


class Today(NamedTuple):
    """What `compute` found. ticks: answers from 1 to 10; places: a row a district, in the order of the
    catalogue: n (answers), value, low, high (index), true (of all customers), customers, told (problems a
    year per 1,000 customers), told_low, told_high; differ: whether the index does by chance only rarely."""

    ticks: np.ndarray
    index: Any
    true: float
    customers: int
    # shares a year
    gone: float
    moved: float
    told: float
    places: pd.DataFrame
    differ: bool
    values: dict[str, Any]

    def satisfied(self, cut: int) -> float:
        """Share of the answers, per cent, from this tick on."""
        return 100 * float((self.ticks >= cut).mean())


class CityToday(Page):
    """The board's figures beside a survey's, and the districts beside each other."""

    name = "city"
    texts = TEXT
    question = (
        "Nearly all are satisfied, and nobody leaves: what does it prove?",
        "几乎人人满意，无人流失：证明了什么？",
    )
    about = ("key figures of a monopoly, and its districts", "垄断企业的关键指标与各区")
    preset = "water_utility"
    customers = 20_000
    months = 24
    css = "city.css"
    _kept: Any = None

    def groups(self) -> Sequence[Group]:
        most = self.scenario.population.size
        return [
            Group(TEXT["board"], [
                Number("cut", TEXT["cut"], 5, 1, 10, 1, help=TEXT["cut_help"], whole=True),
                Choice("mode", TEXT["mode"], list(MODES.items()), "visit", TEXT["mode_help"], buttons=True),
                Number("size", TEXT["size"], min(5_000, most), min(500, most), most, 100, whole=True),
                Switch("truth", TEXT["truth"], False),
                Choice("view", TEXT["view"], [(key, TEXT[key]) for key in ("chart", "map")], "chart",
                       TEXT["view_help"], buttons=True),
            ]),
        ]  # fmt: skip

    def build(self) -> Sequence[Any]:
        self.ticks = Picture(4.0, 4.0, language=self.language, dpi=150)
        self.ticks.margins(0.14, 0.98, 0.15, 0.925)
        self.places = Picture(4.8, 4.0, language=self.language, columns=2, dpi=150, sharey=True)
        # room for the names of the districts
        left, right, between = (0.2 if self.places.language == "zh" else 0.34), 0.985, 0.26
        self.places.margins(left, right, 0.195, 0.925, wspace=between)
        self._edge = -left * (2 + between) / (right - left)
        self.map = Picture(4.8, 4.0, language=self.language, dpi=150)
        self.map.margins(0.01, 0.99, 0.12, 0.925)
        self.row = ipywidgets.HBox([self.ticks.widget, self.places.widget])
        self.row.add_class("cs-city-row")
        return [self.row]

    # -- the firm ----------------------------------------------------------------------------------

    def compute(self, values: dict[str, Any], task: Task) -> Iterator[Any]:
        if self._kept is None or self._kept[0] is not self.scenario:
            self._kept = (self.scenario, *self._live(task))
        _, people, run, parts = self._kept
        month = self.scenario.population.months - 1
        survey = surveys.Survey(months=(month,), size=int(values["size"]), mode=values["mode"],
                                importance=False)  # fmt: skip
        answers = ask(people, survey)
        ticks = answers.of("satisfaction_1") if len(answers.table) else np.zeros(0)
        known = ~np.isnan(ticks)
        if known.sum() < 10 * len(parts.cat.categories):
            raise ValueError(self.text("few", n=int(known.sum())))
        here = parts.loc[answers.customers[known]].to_numpy()
        n = int(people.active.sum())
        monthly = run.monthly
        years = float(monthly["at_risk"].sum()) / 12
        rivals = sum(float(monthly[f"left_{key}"].sum()) for key in RIVALS)
        places, differ = self._places(people, run, parts, points(ticks[known]), here)
        yield Today(
            ticks[known], sampling.mean(points(ticks[known]), population=n),
            float(people.satisfaction[people.active].mean()), n, rivals / years,
            float(monthly["left_natural"].sum()) / years, 1000 * float(monthly["complaints"].sum()) / years,
            places, differ, values,
        )  # fmt: skip

    def _live(self, task: Task) -> tuple[Population, Any, pd.Series]:
        """The customers at the end, the run, and the district of everyone who ever was a customer."""
        kept: dict[str, Any] = {}

        def look(month: int, view: Any) -> None:
            if month == self.scenario.population.months:
                kept.update(surveys.state_of(view))

        run = simulate(self.scenario, [], self.seed, stop=task.stop, progress=False, watch=look)
        people = Population(self.scenario, kept, run.key, kept["active"] > 0, kept["satisfaction"])
        return people, run, profiles(run).set_index("customer")["district"]

    def _places(
        self, people: Population, run: Any, parts: pd.Series, told: np.ndarray, here: np.ndarray
    ) -> tuple[pd.DataFrame, bool]:
        of_active = parts.loc[people.state["id"][people.active]].to_numpy()
        felt = people.satisfaction[people.active]
        table = run.customers
        left = table["left_month"].to_numpy(dtype=float, na_value=np.inf)
        lived = np.minimum(left, self.scenario.population.months) - np.maximum(table["joined_month"], 0)
        years = pd.Series(lived.to_numpy() / 12, index=table.index).groupby(parts, observed=False).sum()
        problems = table["complaints"].groupby(parts, observed=False).sum()
        rows = []
        for name in parts.cat.categories:
            said = sampling.mean(told[here == name], population=int((of_active == name).sum()))
            # counts of rare events: Poisson, exact (Garwood 1936)
            count, time = float(problems[name]), float(years[name]) / 1000
            low, high = np.array(stats.chi2.ppf([0.025, 0.975], [2 * count, 2 * count + 2])) / 2 / time
            rows.append({
                "district": name, "n": int((here == name).sum()), "value": said.value, "low": said.low,
                "high": said.high, "true": float(felt[of_active == name].mean()),
                "customers": int((of_active == name).sum()), "told": count / time, "told_low": low,
                "told_high": high,
            })  # fmt: skip
        groups = [told[here == name] for name in parts.cat.categories]
        differ = float(stats.f_oneway(*groups).pvalue) < 0.05
        return pd.DataFrame(rows).set_index("district"), differ

    # -- what is shown -----------------------------------------------------------------------------

    def _called(self, name: Any) -> str:
        part = next(d for d in self.scenario.districts or TOWN if d.name == name)
        return self.pick((part.words, part.chinese))

    def show(self, found: Today) -> None:
        cut = int(found.values["cut"])
        closed = self.scenario.market.openness == 0 and not self.scenario.rivals
        moved = 100 * found.moved
        churn = self.text("churn_closed" if closed else "churn_open", moved=moved)
        self.cards(
            Card(self.text("share"), f"{found.satisfied(cut):.0f} %", self.text("share_detail", cut=cut)),
            Card(self.text("index"), f"{found.index.value:.1f}",
                 self.text("index_detail", low=found.index.low, high=found.index.high, n=len(found.ticks))),
            *([Card(self.text("true"), f"{found.true:.1f}", self.text("true_detail", n=found.customers))]
              if found.values["truth"] else []),
            Card(self.text("churn"), f"{100 * found.gone:.1f} %", churn),
            Card(self.text("told"), f"{found.told:.0f}", self.text("told_detail")),
        )  # fmt: skip
        self._draw_ticks(found, cut)
        shown = self.map if found.values["view"] == "map" else self.places
        (self._draw_map if shown is self.map else self._draw_places)(found)
        self.row.children = [self.ticks.widget, shown.widget]
        low, high = (self._called(name) for name in self._ends(found))
        told = self.text("places_differ", low=_capital(low), high=high)
        self.say(
            self.text("sentence", share=found.satisfied(cut), cut=cut, index=found.index.value,
                      low=found.index.low, high=found.index.high, strict=STRICT,
                      less=found.satisfied(STRICT),
                      churn=self.text("closed") if closed else self.text("opened", gone=100 * found.gone),
                      places=told if found.differ else self.text("places_alike")),
            self.text("foot", scenario=self.industry, seed=self.seed,
                      customers=self.scenario.population.size, months=self.scenario.population.months),
        )  # fmt: skip

    @staticmethod
    def _ends(found: Today) -> tuple[Any, Any]:
        return found.places["value"].idxmin(), found.places["value"].idxmax()

    def _draw_ticks(self, found: Today, cut: int) -> None:
        title = self.text("ticks_title", share=found.satisfied(cut), index=found.index.value)
        shares = [100 * float((found.ticks == k).mean()) for k in range(1, 11)]
        with self.ticks.drawing(title) as (ax,):
            ax.clear()
            ax.spines[["top", "right"]].set_visible(False)
            colours = [OKABE_ITO["blue"] if k >= cut else "#BDBDBD" for k in range(1, 11)]
            ax.bar(range(1, 11), shares, 0.8, color=colours)
            top = 1.3 * max(shares)
            for place, height in {cut: 1.22, STRICT: 1.1}.items():
                y = height * max(shares)
                ax.plot([place - 0.5, 10.5], [y, y], color=OKABE_ITO["blue"], linewidth=2)
                words = self.text("strict", cut=place, share=found.satisfied(place))
                inner = place >= STRICT
                x, up = (place - 0.65, -0.02) if inner else (place - 0.4, 0.01)
                ax.text(x, y + up * top, words, va="bottom", fontsize=13, color=OKABE_ITO["blue"],
                        ha="right" if inner else "left")  # fmt: skip
            ax.set_ylim(0, top)
            ax.set_xlim(0.4, 10.6)
            ax.set_xticks(range(1, 11))
            ax.set_xlabel(self.text("ticks"), fontsize=14)
            ax.set_ylabel(self.text("answers"), fontsize=14)
            ax.set_title(fitted(title, self.language, 44), fontsize=15, x=-0.13)

    def _title(self, found: Today) -> str:
        low, high = (self._called(name) for name in self._ends(found))
        return self.text("differ", low=_capital(low), high=high) if found.differ else self.text("all_alike")

    def _draw_map(self, found: Today) -> None:
        """The districts as tiles, the less satisfied the warmer; with what might explain it."""
        title, rows = self._title(found), found.places
        parts = {d.name: d for d in self.scenario.districts or TOWN}
        place = tiles(list(rows.index))
        least, most = rows["value"].min(), rows["value"].max()
        told = [title]
        with self.map.drawing() as (ax,):
            ax.clear()
            ax.axis("off")
            for name, row in rows.iterrows():
                x, y = place[str(name)]
                colour = WARM((row["value"] - least) / max(most - least, 1e-9))
                ax.add_patch(Rectangle((x + 0.02, y + 0.02), 0.96, 0.96, facecolor=colour,
                                       edgecolor=GREY, linewidth=1.2))  # fmt: skip
                middle: dict[str, Any] = {"ha": "center", "va": "center"}
                called = _capital(self._called(name))
                called = called.replace(" ", "\n", 1) if len(called) > 10 else called
                ax.text(x + 0.5, y + 0.85, called, fontsize=13, weight="bold", linespacing=1.05, **middle)
                ax.text(x + 0.5, y + 0.62, f"{row['value']:.1f}", fontsize=20, **middle)
                lines = [self.text("true_short", true=row["true"]) if found.values["truth"]
                         else f"{row['low']:.1f} … {row['high']:.1f}"]  # fmt: skip
                lines.append(self.text("told_short", told=row["told"]))
                if age := parts[str(name)].pipe_age:
                    lines.append(self.text("pipes", age=age))
                if parts[str(name)].secondary_supply:
                    lines.append(self.text("pumped"))
                ax.text(x + 0.5, y + 0.28, "\n".join(lines), fontsize=12, linespacing=1.2, **middle)
                told.append(f"{self._called(name)} {row['value']:.1f}, " + ", ".join(lines))
            ax.set_xlim(0, 3)
            ax.set_ylim(0, max(y for _, y in place.values()) + 1)
            ax.text(0.02, -0.012, self.text("map_foot"), fontsize=11.5, color="#5a5a5a", va="top")
            ax.set_title(fitted(title, self.language, 48), fontsize=15, x=0.01)
            self.map.alt = "; ".join(told)

    def _draw_places(self, found: Today) -> None:
        rows, title = found.places.sort_values("value"), self._title(found)
        at = np.arange(len(rows))
        truth = bool(found.values["truth"])
        with self.places.drawing(title) as (left, right):
            for ax in (left, right):
                ax.clear()
                ax.grid(False)
                ax.grid(axis="x", color="#DDDDDD")
                ax.tick_params(labelsize=12.5)
                ax.spines[["top", "right"]].set_visible(False)
            left.hlines(at, rows["low"], rows["high"], color=OKABE_ITO["blue"], linewidth=3.2)
            left.plot(rows["value"], at, "o", color=OKABE_ITO["blue"], markersize=9)
            if truth:
                left.vlines(rows["true"], at - 0.3, at + 0.3, color="black", linewidth=2.4,
                            linestyle=(0, (2.2, 1.2)))  # fmt: skip
                left.annotate(self.text("dashed"), (1, 0), (0, 3), xycoords="axes fraction", fontsize=12,
                              textcoords="offset points", ha="right", va="bottom")  # fmt: skip
            right.barh(at, rows["told"], 0.55, color="#C9C9C9")
            right.hlines(at, rows["told_low"], rows["told_high"], color=GREY, linewidth=2)
            left.set_yticks(at, [self._called(name) for name in rows.index])
            left.set_ylim(-0.7, len(rows) - 0.4)
            right.tick_params(axis="y", length=0)
            left.set_xlabel(self.text("place_index"), fontsize=13)
            right.set_xlabel(self.text("place_told"), fontsize=13)
            left.set_title(fitted(title, self.language, 48), fontsize=15, x=self._edge)
            told = [f"{self._called(n)} {v:.1f}" for n, v in rows["value"].items()]
            self.places.alt = "; ".join([title, *told])


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
