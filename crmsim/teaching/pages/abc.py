"""The Lorenz curve with ABC cuts: how unequal customers are, and who the large ones are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ...analysis import portfolio
from ...plots.portfolio import CLASS_COLOURS
from ...plots.style import GREY, OKABE_ITO, dark
from ...simulation.catalogue import profiles
from ...simulation.engine import simulate
from ...simulation.scenario import Scenario
from ..controls import Choice, Group, Number
from ..page import Card, Page
from ..picture import Picture
from ..words import Pair
from ..worker import Task

# samples of the customers drawn anew for the intervals
RESAMPLES = 100

ATTRIBUTES: dict[str, Pair] = {
    "income": ("income (收入)", "收入"),
    "household": ("household size (家庭人口)", "家庭人口"),
    "age_group": ("age (年龄)", "年龄"),
    "district": ("district (城区)", "城区"),
    "gender": ("gender (性别)", "性别"),
    "source": ("how they came (来源)", "来源"),
}
LEVELS: dict[str, Pair] = {
    "low": ("low", "低"),
    "middle": ("middle", "中"),
    "high": ("high", "高"),
    "female": ("women", "女"),
    "male": ("men", "男"),
    "initial": ("from the start", "初始客户"),
    "won": ("won", "新获"),
    "referred": ("referred", "推荐"),
    "centre": ("centre", "中心"),
    "north": ("north", "城北"),
    "east": ("east", "城东"),
    "south": ("south", "城南"),
    "west": ("west", "城西"),
    "outside": ("outside", "郊外"),
}

TEXT: dict[str, Pair] = {
    "top": ("The best 20 % bring (二八定律)", "前20%客户的销售占比"),
    "gini": ("Gini coefficient (基尼系数)", "基尼系数"),
    "a": ("Class A customers (A类客户)", "A类客户"),
    "a_detail": ("{n:,} of {all:,}; {sales:.0%} of sales", "{all:,}名中的{n:,}名；销售额{sales:.0%}"),
    "c": ("Class C customers (C类客户)", "C类客户"),
    "percent": ("{share:.1%}", "{share:.1%}"),
    "range": ("{low:.1%} … {high:.1%}", "{low:.1%} … {high:.1%}"),
    "title": (
        "{customers:.0%} of customers bring {sales:.0%} of sales",
        "{customers:.0%}的客户带来{sales:.0%}的销售额",
    ),
    "x": ("customers, largest first, %", "客户（由大到小），%"),
    "y": ("share of sales, %", "销售额占比，%"),
    "equal": ("if all were the same", "若所有客户相同"),
    "before": ("as the preset is", "预设的曲线"),
    "best": ("20 %: {share:.0%}", "前20%：{share:.0%}"),
    "who": ("Who they are", "客户构成"),
    "who_x": ("share of all, %", "占全部，%"),
    "customers": ("customers", "客户"),
    "sales": ("sales", "销售额"),
    "sentence": (
        "The best fifth of customers brings {top:.0%} of sales ({low:.0%} to {high:.0%}); class A is "
        "{a:.0%} of "
        "customers, class C {c:.0%} with {c_sales:.0%} of sales. {who}",
        "前五分之一的客户带来{top:.0%}的销售额（{low:.0%} 至 {high:.0%}）；A类占客户的{a:.0%}，C类占{c:.0%}，"
        "销售额{c_sales:.0%}。{who}",
    ),
    "differ": (
        "By {attribute}, those of “{level}” buy {index:.0f} where the average is 100 ({low:.0f} to "
        "{high:.0f}).",
        "按{attribute}，“{level}”的购买指数为{index:.0f}（平均为100；{low:.0f} 至 {high:.0f}）。",
    ),
    "same": (
        "By {attribute} no group differs from the average by more than chance.",
        "按{attribute}，各组与平均的差异均在偶然范围内。",
    ),
    "foot": (
        "{scenario}, seed {seed}, {customers:,} customers at the start, {n:,} of whom and of later ones "
        "bought in "
        "{months} months; intervals of 95 % from {samples} resamples of customers{many}",
        "{scenario}，种子{seed}，初始{customers:,}名客户；{months}个月内购买者{n:,}名（含后来者）；"
        "区间为95%，"
        "来自{samples}次客户重抽样{many}",
    ),
    "many": (", widened for {k} groups compared", "，已按{k}组比较放宽"),
    "cuts": (
        "Classes A and B take {a:.0f} % and {b:.0f} % of sales; together they must leave something for C.",
        "A类与B类占销售额的{a:.0f}%与{b:.0f}%，合计须小于100%，为C类留出余地。",
    ),
    "contract": (
        "{scenario} bills by contract; this page is about customers who buy when they like: retail or "
        "car_repair.",
        "{scenario}按合同计费；本页讨论自由购买的客户，请用 retail 或 car_repair。",
    ),
}  # fmt: skip


class Composition(NamedTuple):
    """What `compute` found: the classes, curves of this world and of the preset, shares with intervals."""

    classes: portfolio.ABC
    curve: pd.DataFrame
    preset: pd.DataFrame
    top: tuple[float, float, float]
    gini: tuple[float, float, float]
    groups: pd.DataFrame
    values: dict[str, Any]


class AbcLorenz(Page):
    """Who brings the sales: classes A, B, C on the curve, and the attributes of those who buy."""

    name = "abc"
    texts = TEXT
    question = ("ABC: do a few customers carry the firm?", "ABC分析：少数客户支撑企业吗？")
    about = ("Lorenz curve, ABC cuts, composition", "洛伦兹曲线、ABC分类与客户构成")
    preset = "retail"
    months = 12

    def __init__(self, *given: Any, **more: Any) -> None:
        self._runs: dict[tuple[Scenario, int], Any] = {}
        super().__init__(*given, **more)

    def groups(self) -> Sequence[Group]:
        purchase = self.scenario.purchase
        return [
            Group(("The customers (客户)", "客户"), [
                Number("rate_spread", ("How differently often they buy", "购买频率差异"),
                       round(purchase.rate_shape**-0.5, 2), 0.0, 3.0, 0.01, ("spread / mean", "标准差/均值"),
                       ("0: all buy at one rate, and only chance differs", "0：频率相同，仅有偶然差异")),
                Number("spend_spread", ("How differently much they spend", "消费金额差异"),
                       round(max(purchase.spend_heterogeneity - 2, 0.11) ** -0.5, 2), 0.0, 3.0, 0.01,
                       ("spread / mean", "标准差/均值"),
                       ("of what a purchase is worth to each", "各客户每次消费额的差异")),
                Number("period", ("Sales of", "销售期间"), self.scenario.population.months, 1, 36, 1,
                       ("months", "月"), ("who bought then is counted", "只计期间内购买者"),
                       whole=True),
            ]),
            Group(("Classes (ABC分类)", "ABC分类"), [
                Number("a", ("A brings", "A类占"), 75, 30, 95, 1, ("% of sales", "% 销售额"), whole=True),
                Number("b", ("B brings", "B类占"), 20, 1, 60, 1, ("% of sales", "% 销售额"),
                       ("C has the rest", "C类为其余"), whole=True),
            ]),
            Group(("Composition (客户构成分析)", "客户构成分析"), [
                Choice("attribute", ("Customers by", "客户属性"), list(ATTRIBUTES.items()), "income"),
            ]),
        ]  # fmt: skip

    def build(self) -> Sequence[Any]:
        self.picture = Picture(8.9, 4.75, language=self.language, columns=2, dpi=150, width_ratios=[1.45, 1])
        self._artists: dict[str, Any] = {}
        return [self.picture.widget]

    # -- the customers -----------------------------------------------------------------------------

    def _spread(self, values: dict[str, Any]) -> Scenario:
        """The world with customers as different as asked for, the mean purchase as it was."""
        purchase = self.scenario.purchase
        shape = 2 + values["spend_spread"] ** -2 if values["spend_spread"] > 0.032 else 1000.0
        return self.scenario.replace(
            population__months=int(values["period"]),
            purchase__rate_shape=float(np.clip(max(values["rate_spread"], 0.032) ** -2, 0.05, 1000)),
            purchase__spend_heterogeneity=float(shape),
            purchase__spend_scale=purchase.spend_scale * (shape - 1) / (purchase.spend_heterogeneity - 1),
        )

    def compute(self, values: dict[str, Any], task: Task) -> Iterator[Any]:
        if self.scenario.purchase.contract:
            raise ValueError(self.text("contract", scenario=self.industry))
        a, b = values["a"] / 100, values["b"] / 100
        if a + b > 0.995:
            raise ValueError(self.text("cuts", a=100 * a, b=100 * b))
        usual = self.scenario.replace(population__months=int(values["period"]))
        wanted = [(world, self.seed) for world in (self._spread(values), usual)]
        # other cuts, or other groups, look at the same customers
        self._runs = {
            key: self._runs.get(key) or simulate(key[0], seed=key[1], stop=task.stop, progress=False)
            for key in wanted
        }
        run, before = (self._runs[key] for key in wanted)
        sales = _sales(run)
        people = profiles(run).set_index("customer")
        people["source"] = run.customers["source"]
        parts = people.loc[sales.index, values["attribute"]]
        top, gini, groups = shares(sales, parts, self.seed)
        yield Composition(
            portfolio.abc(sales, (a, b, 1 - a - b)),
            portfolio.lorenz(sales, largest_first=True),
            portfolio.lorenz(_sales(before), largest_first=True),
            top, gini, groups, values,
        )  # fmt: skip

    # -- what is shown -----------------------------------------------------------------------------

    def show(self, found: Composition) -> None:
        classes, values = found.classes.summary, found.values
        top, low, high = found.top
        a: Any = classes.loc["A"]
        c: Any = classes.loc["C"]
        whole = len(found.classes.table)
        self.cards(
            Card(self.text("top"), self.text("percent", share=top), self.text("range", low=low, high=high)),
            Card(self.text("gini"), f"{found.gini[0]:.2f}", f"{found.gini[1]:.2f} … {found.gini[2]:.2f}"),
            *(
                Card(self.text(key), self.text("percent", share=row["customer_share"]),
                     self.text("a_detail", n=int(row["customers"]), all=whole, sales=row["sales_share"]))
                for key, row in (("a", a), ("c", c))
            ),
        )  # fmt: skip
        self._draw(found)
        # the group furthest from the average among those that chance does not explain
        far = found.groups[(found.groups["low"] > 1) | (found.groups["high"] < 1)]
        attribute = self.pick(ATTRIBUTES[values["attribute"]])
        who = self.text("same", attribute=attribute)
        if len(far):
            row: Any = far.loc[(np.log(far["index"])).abs().idxmax()]
            who = self.text("differ", attribute=attribute, level=self._level(row.name, False),
                            index=100 * row["index"], low=100 * row["low"],
                            high=100 * row["high"])  # fmt: skip
        self.say(
            self.text("sentence", top=top, low=low, high=high, a=a["customer_share"], c=c["customer_share"],
                      c_sales=c["sales_share"], who=who),
            self.text("foot", scenario=self.industry, seed=self.seed, n=whole, samples=RESAMPLES,
                      customers=self.scenario.population.size, months=int(values["period"]),
                      many=self.text("many", k=len(found.groups))),
        )  # fmt: skip

    def _level(self, level: Any, picture: bool = True) -> str:
        return self.pick(LEVELS[level]) if level in LEVELS else str(level)

    def _draw(self, found: Composition) -> None:
        classes = found.classes.summary
        title = self.text(
            "title", customers=classes.loc["A", "customer_share"], sales=classes.loc["A", "sales_share"]
        )
        a = self._artists
        sizes = classes["customers"].to_numpy()
        x, y = (100 * found.curve[c].to_numpy() for c in ("customers", "sales"))
        with self.picture.drawing(title) as (left, right):
            if "curve" not in a:
                from matplotlib.patheffects import withStroke

                a["equal"] = left.plot([0, 100], [0, 100], "--", color=GREY, lw=1.5)[0]
                a["before"] = left.plot([], [], color=OKABE_ITO["black"], lw=1.3)[0]
                a["curve"] = [left.plot([], [], color=CLASS_COLOURS[k], lw=5)[0] for k in range(3)]
                a["cut"] = [left.plot([], [], ":", color=GREY, lw=1.6)[0] for _ in range(2)]
                a["name"] = [
                    left.text(0, 3, name, ha="center", va="bottom", color=dark(CLASS_COLOURS[k]), fontsize=22,
                              fontweight="bold")
                    for k, name in enumerate("ABC")
                ]  # fmt: skip
                a["best"] = left.plot(
                    [20], [0], "o", color=OKABE_ITO["vermillion"], ms=11, mec="white", zorder=5
                )[0]
                a["best_word"] = left.annotate("", (20, 0), (12, -4), textcoords="offset points", va="top",
                                               color="#A63F00", fontsize=16)  # fmt: skip
                halo = [withStroke(linewidth=4, foreground="white")]
                left.text(60, 57, self.text("equal"), color=GREY, va="top", fontsize=14, path_effects=halo)
                a["best_word"].set_path_effects(halo)
                left.plot([], [], color=OKABE_ITO["black"], lw=1.3, label=self.text("before"))
                left.legend(frameon=False, loc="lower right", bbox_to_anchor=(1.02, 0.14), fontsize=14)
                left.set_xlim(0, 100)
                left.set_ylim(0, 102)
                left.set_xlabel(self.text("x"))
                left.set_ylabel(self.text("y"))
                right.grid(visible=False)
                right.grid(axis="x", color="#DDDDDD")
                right.set_xlabel(self.text("who_x"))
                right.set_title(self.text("who"), fontsize=15)
            a["before"].set_data(100 * found.preset["customers"], 100 * found.preset["sales"])
            begin = 0
            for k, size in enumerate(sizes):
                end = begin + int(size)
                a["curve"][k].set_data(x[begin : end + 1], y[begin : end + 1])
                a["name"][k].set_x((x[begin] + x[end]) / 2)
                # no letter where its class is too narrow to hold one
                a["name"][k].set_visible(x[end] - x[begin] > 4)
                if k < 2:
                    a["cut"][k].set_data([x[end], x[end]], [0, y[end]])
                begin = end
            at = 100 * found.top[0]
            a["best"].set_ydata([at])
            a["best_word"].xy = (20, at)
            a["best_word"].set_text(self.text("best", share=found.top[0]))
            left.set_title(title)
            self._draw_groups(right, found.groups)

    def _draw_groups(self, ax: Any, groups: pd.DataFrame) -> None:
        """The bars are made anew: another attribute has another number of groups."""
        a = self._artists
        for artist in a.pop("bars", []):
            artist.remove()
        rows = np.arange(len(groups))[::-1]
        mine, sold = 100 * groups["customers"].to_numpy(), 100 * groups["sales"].to_numpy()
        low, high = (100 * groups[c].to_numpy() * groups["customers"].to_numpy() for c in ("low", "high"))
        grey, blue = "#B5B5B5", OKABE_ITO["blue"]
        a["bars"] = [
            ax.barh(rows + 0.2, mine, 0.38, color=grey, label=self.text("customers")),
            ax.barh(rows - 0.2, sold, 0.38, color=blue, label=self.text("sales")),
            ax.hlines(rows - 0.2, low, high, color="black", lw=2.2),
        ]
        ax.set_yticks(rows, [self._level(level) for level in groups.index])
        ax.set_ylim(-0.6, len(groups) - 0.4)
        ax.set_xlim(0, 1.08 * max(mine.max(), high.max()))
        a["bars"].append(
            ax.legend(frameon=False, fontsize=13, loc="best", handlelength=1.0, handletextpad=0.4)
        )


def _sales(run: Any) -> pd.Series:
    """Sales of those who bought."""
    sold = run.customers["revenue"]
    return sold[sold > 0].astype(float)


Interval = tuple[float, float, float]


def shares(sales: pd.Series, parts: pd.Series, seed: int) -> tuple[Interval, Interval, pd.DataFrame]:
    """The share of the best fifth and the Gini coefficient, with 95 % intervals; and the groups.

    The groups of `parts`: `customers` and `sales` (shares), `index` (their ratio), `low` and `high` of the
    index, at 95 % for all groups together (Bonferroni). Customers are drawn anew, each by a Poisson
    number with mean one.
    """
    order = np.argsort(-sales.to_numpy(), kind="stable")
    x = sales.to_numpy()[order]
    rng = np.random.default_rng([seed, len(x)])
    times = rng.poisson(1.0, (RESAMPLES, len(x))).astype(np.float32)
    people = np.cumsum(times, axis=1)
    money = np.cumsum(times * x.astype(np.float32), axis=1, dtype=np.float64)
    tops = np.array([np.interp(0.2 * n[-1], n, m) / m[-1] for n, m in zip(people, money, strict=True)])
    # twice the area between the curve and the diagonal, by trapezoids
    before = np.concatenate([np.zeros((RESAMPLES, 1)), money[:, :-1]], axis=1)
    area = ((money + before) * times).sum(axis=1) / 2 / money[:, -1] / people[:, -1]
    codes, levels = pd.factorize(parts.iloc[order], sort=True)
    member = np.zeros((len(x), len(levels)), dtype=np.float32)
    member[np.arange(len(x)), codes] = 1.0
    sold = (times * x.astype(np.float32)) @ member
    count = times @ member
    index = (sold / sold.sum(axis=1, keepdims=True)) / np.maximum(
        count / count.sum(axis=1, keepdims=True), 1e-9
    )
    # few resamples tell no far quantile, so the spread of the logarithm stands for it
    reach = _normal(1 - 0.025 / len(levels)) * np.log(np.maximum(index, 1e-9)).std(axis=0, ddof=1)
    mine, sums = member.mean(axis=0), x @ member / x.sum()
    groups = pd.DataFrame({"customers": mine, "sales": sums, "index": sums / mine}, index=pd.Index(levels))
    groups["low"], groups["high"] = groups["index"] * np.exp(-reach), groups["index"] * np.exp(reach)
    return _around(portfolio.top_share(sales), tops), _around(portfolio.gini(sales), 2 * area - 1), groups


def _around(value: float, resampled: np.ndarray) -> Interval:
    half = _normal(0.975) * float(resampled.std(ddof=1))
    return value, value - half, value + half


def _normal(probability: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(probability))
