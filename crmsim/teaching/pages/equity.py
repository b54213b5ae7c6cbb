"""Equity and budget: a budget split over measures, three roads to profit, and the next unit of money."""

from __future__ import annotations

import html
import math
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import ipywidgets
import numpy as np

from ...plots.style import GREY, OKABE_ITO, money_size
from ...plots.value import ROAD_COLOURS
from ...research.compare import ratio_interval
from ...simulation.engine import Stopped, simulate
from ...simulation.policies import Change, Cost, Programme, policy
from ...simulation.run import Run
from ..controls import Group, Number
from ..names import POLICIES
from ..page import Card, Page
from ..picture import Picture
from ..titles import fitted
from ..uncertainty import Interval, interval, signed
from ..words import Pair
from ..worker import Task
from .choices import preset_choice

# worlds shown after the first; Run shows more, searches on some and judges on others that it never saw
SOON, THOROUGH, SEARCHED, HELD_OUT = 6, 10, 4, 20
FIRST_SEARCHED, FIRST_HELD_OUT = 1000, 2000
MOST = 4.0  # effort
STEP = 0.25  # of effort, for what the next unit brings
TRIED = (0.0, 0.5, 1.0, 2.0, MOST)  # efforts of one measure alone, before the search

ROADS = ("acquisition", "expansion", "retention")
# measure: the road it is meant for
MEASURES = {
    "advertising": "acquisition",
    "referral_reward": "acquisition",
    "quality_control": "expansion",
    "loyalty_programme": "expansion",
    "dunning": "retention",
    "complaint_handling": "retention",
}
DEFAULT = {"advertising": 0.5, "quality_control": 1.0, "complaint_handling": 0.5}
NAMES: dict[str, Pair] = {
    "advertising": ("advertising", "广告获客"),
    **{name: POLICIES[name] for name in MEASURES if name in POLICIES},
}
# bars are narrow
SHORT: dict[str, Pair] = {
    **NAMES,
    "quality_control": ("quality", "质量"),
    "complaint_handling": ("complaints", "投诉处理"),
    "loyalty_programme": ("programme", "积分计划"),
    "referral_reward": ("referrals", "推荐奖励"),
}
ROAD_NAMES: dict[str, Pair] = {
    "acquisition": ("acquisition", "开发新客户"),
    "expansion": ("expansion", "交叉与提升销售"),
    "retention": ("retention", "延长客户生命周期"),
}

TEXT: dict[str, Pair] = {
    "firm": ("The firm", "企业"),
    "budget": ("Budget", "预算"),
    "budget_help": (
        "all measures together, mean of the months",
        "各项措施合计的月均支出上限",
    ),
    "road_acquisition": ("Win new ones (开发新客户)", "开发新客户"),
    "road_expansion": ("Earn more from each (交叉与提升销售)", "交叉与提升销售"),
    "road_retention": ("Keep them longer (延长客户生命周期)", "延长客户生命周期"),
    "usual": ("x the usual", "倍通常支出"),
    "advertising_help": (
        "usual: 0.01 bills a customer and month win 30 % more non-customers (assumed)",
        "通常：每客户每月0.01个月账单，多争取30%的非客户（假设）",
    ),
    "price": ("Price", "价格"),
    "price_help": (
        "change against today; costs nothing of the budget, but perceived value",
        "相对现价的变化；不占预算，但影响感知价值",
    ),
    "card_equity": ("Customer equity (客户资产)", "客户资产"),
    "one": ("one world only, no interval yet", "仅一个世界，尚无区间"),
    "card_spent": ("Spent a month (支出)", "每月支出"),
    "within": ("of {budget} {currency}; {left} left", "预算{budget} {currency}；剩余{left}"),
    "over": ("{over} {currency} more than the budget allows", "超出预算{over} {currency}"),
    "card_return": ("Return on the measures", "措施回报"),
    "card_return_detail": ("change of equity per {currency} spent", "每支出1 {currency}带来的客户资产变化"),
    "card_next": ("The next {currency}", "下一单位{currency}"),
    "card_next_detail": ("brings {value} spent on {name}", "用于{name}可带回{value}"),
    "card_next_wait": ("being computed", "正在计算"),
    "card_next_none": ("no measure costs anything more here", "此处没有可追加的措施"),
    "water_title": ("{road} moves equity most: {amount}", "{road}对客户资产影响最大：{amount}"),
    "water_title_none": ("No measure, no change", "没有措施，没有变化"),
    "bar_acquisition": ("new\nones", "新客户"),
    "bar_expansion": ("more\nfrom each", "人均\n毛利"),
    "bar_retention": ("longer\nstay", "留得\n更久"),
    "bar_cost": ("the\nmeasures", "措施\n成本"),
    "bar_equity": ("customer\nequity", "客户\n资产"),
    "water_y": ("change, {unit}", "变化，{unit}"),
    "next_title": ("The next {currency} is best spent on {name}", "下一单位{currency}最宜用于{name}"),
    "next_title_unsure": (
        "No measure is surely the best for the next {currency}",
        "下一单位{currency}：无措施确定最好",
    ),
    "next_title_none": ("No next {currency} pays for itself", "再多投入都得不偿失"),
    "next_x": ("{currency} back; 1 is even", "带回的{currency}；1为保本"),
    "next_wait": ("What does the next {currency} bring?", "下一单位{currency}带来什么？"),
    "spending": ("Spending a month", "每月支出"),
    "of_budget": ("budget", "预算"),
    "plans": ("Your plan", "你的方案"),
    "plans_help": (
        "Run searches for the best split of the budget, with your price, and judges it in worlds that the "
        "search has not seen.",
        "按“运行”将在你的价格下寻找最佳预算分配，并用搜索未见过的世界检验。",
    ),
    "measure": ("measure", "措施"),
    "road": ("meant for", "用于"),
    "effort": ("effort", "力度"),
    "month_cost": ("a month", "每月"),
    "found_effort": ("found", "最佳力度"),
    "found_cost": ("a month", "每月"),
    "sum": ("together", "合计"),
    "take": ("Take the plan found over", "采用找到的方案"),
    "take_first": ("Press Run first: it looks for the best plan.", "请先按“运行”寻找最佳方案。"),
    "range": ("{low} to {high}", "{low} 至 {high}"),
    "sentence": (
        "The plan spends {spent} of {budget} {currency} a month and changes customer equity by {equity} "
        "{currency} ({range}): acquisition {acquisition}, expansion {expansion}, "
        "retention {retention}, the measures themselves {cost}.",
        "该方案每月支出{spent} {currency}（预算{budget}），客户资产变化{equity} {currency}"
        "（{range}）：开发新客户{acquisition}，交叉与提升销售{expansion}，"
        "延长生命周期{retention}，措施本身{cost}。",
    ),
    "sentence_over": (" It overspends the budget by {over}.", "超出预算{over}。"),
    "sentence_found": (
        " In {n} fresh worlds the best split found brings {more} {currency} ({low} to {high}) more "
        "than this plan, for {spent} a month.",
        "在{n}个新的世界中，找到的最佳分配比该方案多{more} {currency}（{low} 至 {high}），每月支出{spent}。",
    ),
    "foot": (
        "{scenario}, seed {seed}, {customers:,} customers, {months} months, {n} pairs of worlds on the same "
        "luck: with the plan and without. Equity is discounted to the first month, spending is not. "
        "Effects of effort diminish. Intervals of 95 %.",
        "{scenario}，种子{seed}，{customers:,}名客户，{months}个月，{n}对运气相同的世界：有方案与无方案。"
        "客户资产折现至第一月，支出不折现。力度的效果递减。95%区间。",
    ),
    "refine": ("more pairs of worlds: {k} of {n}", "更多成对的世界：{k}/{n}"),
    "search": ("search: {k} of about {n} worlds", "搜索：约{n}个世界中的第{k}个"),
    "judge": ("judged in fresh worlds: {k} of {n}", "用新的世界检验：{k}/{n}"),
}  # fmt: skip


class Side(NamedTuple):
    """What is kept of a run: its people by id, and its money, discounted but for `spent` (a month)."""

    ids: np.ndarray
    value: np.ndarray
    margin: np.ndarray
    equity: float
    policy: float
    acquisition: float
    spent: dict[str, float]

    @property
    def gross(self) -> float:
        """Equity before what the measures cost."""
        return self.equity + self.policy


def side(run: Run) -> Side:
    """The people and the money of a run."""
    people = run.customers
    months = run.scenario.population.months
    last = people["left_month"].fillna(months - 1).to_numpy(float)
    there = np.maximum(last - people["joined_month"].to_numpy(float) + 1, 1)
    discount = run.monthly["discount"]
    return Side(
        ids=people.index.to_numpy(),
        value=people["discounted_value"].to_numpy(float),
        margin=people["historical_value"].to_numpy(float) / there,
        equity=run.equity,
        policy=float((run.monthly["policy_cost"] * discount).sum()),
        acquisition=float((run.monthly["acquisition_cost"] * discount).sum()),
        spent={str(name): float(column.mean()) for name, column in run.costs.items()},
    )


def roads(without: Side, with_plan: Side) -> dict[str, float]:
    """The change of equity by the three roads to profit (赢利三条路), and the measures' cost.

    Who joined in one of the worlds only is acquisition, less what winning costs. The value of those in
    both is margin a month times discounted months; its change is parted into that of the margin
    (expansion) and that of the months (retention), each at the mean of the other. The parts add up to
    the change of `Run.equity`.
    """
    _, here, there = np.intersect1d(without.ids, with_plan.ids, assume_unique=True, return_indices=True)
    v0, v1, m0, m1 = (
        without.value[here],
        with_plan.value[there],
        without.margin[here],
        with_plan.margin[there],
    )
    both = (m0 > 0) & (m1 > 0)
    k0, k1 = (np.divide(v, m, out=np.zeros_like(v), where=both) for v, m in ((v0, m0), (v1, m1)))
    won = with_plan.value.sum() - v1.sum() - (without.value.sum() - v0.sum())
    return {
        "acquisition": float(won) - (with_plan.acquisition - without.acquisition),
        "expansion": float(np.where(both, (m1 - m0) * (k0 + k1) / 2, v1 - v0).sum()),
        "retention": float(np.where(both, (k1 - k0) * (m0 + m1) / 2, 0.0).sum()),
        "cost": without.policy - with_plan.policy,
    }


def measure(name: str, effort: float) -> Any:
    """The measure with so much effort."""
    if name == "advertising":
        return Programme(
            label=name,
            moves=(Change("acquisition.external", multiply=1.3),),
            costs=Cost(per_customer=0.01 * effort),
            effort=effort,
        )
    return policy(f"{name}:effort={effort:.6g}")


def plan_of(efforts: Mapping[str, float], price: float) -> list[Any]:
    """The policies of a plan; price: change in per cent."""
    found = [measure(name, efforts[name]) for name in MEASURES if efforts[name] > 0]
    return found + ([policy(f"price_cut:share={-price / 100:.6g}")] if price else [])


class EquityBudget(Page):
    """Where does the next unit of money go: new customers, more from each, or keeping them?"""

    name = "equity"
    texts = TEXT
    question = ("Where does the next yuan go?", "下一块钱该花在哪里？")
    about = (
        "a budget over acquisition, expansion and retention; three roads to profit; the best split",
        "在开发、提升与保留之间分配预算；赢利三条路；最佳分配",
    )
    same_luck = True
    css = "equity.css"

    def groups(self) -> Sequence[Group]:
        size = self.scenario.population.size * self.scenario.bill
        usual = _round(0.03 * size)
        found = [
            Group(TEXT["firm"], [
                preset_choice(self),
                Number("budget", TEXT["budget"], usual, 0, 4 * usual, usual / 50,
                       (f"{self.scenario.currency} a month", f"{self.scenario.currency}/月"),
                       TEXT["budget_help"]),
            ]),
        ]  # fmt: skip
        for road in ROADS:
            controls = [
                Number(name, _capital(NAMES[name]), DEFAULT.get(name, 0.0), 0, MOST, 0.1, TEXT["usual"],
                       TEXT["advertising_help"] if name == "advertising" else ("", ""))
                for name, meant in MEASURES.items() if meant == road
            ]  # fmt: skip
            if road == "expansion":
                controls.append(
                    Number("price", TEXT["price"], 0, -10, 10, 0.5, ("%", "%"), TEXT["price_help"])
                )
            found.append(Group(TEXT[f"road_{road}"], controls))
        return found

    def build(self) -> Sequence[Any]:
        self.water = Picture(4.7, 3.5, language=self.language, dpi=170)
        self.next = Picture(4.3, 3.5, language=self.language, dpi=170)
        self._artists: dict[str, Any] = {}
        self.bar = ipywidgets.HTML()
        self.bar.add_class("cs-spending")
        self.table = ipywidgets.HTML()
        self.table.add_class("cs-plans")
        self.take = ipywidgets.Button(description=self.text("take"))
        self.take.on_click(lambda _: self.guard(self._take))
        row = ipywidgets.HBox([self.water.widget, self.next.widget])
        row.add_class("cs-row")
        return [self.bar, row, self.words, ipywidgets.VBox([self.table, self.take])]

    # -- the worlds --------------------------------------------------------------------------------

    def compute(self, values: dict[str, Any], task: Task) -> Iterator[Any]:
        efforts = {name: float(values[name]) for name in MEASURES}
        price = float(values["price"])
        found: dict[str, Any] = {"values": values, "pairs": [], "next": None, "best": None}
        wanted = THOROUGH if values["run"] else SOON
        gains: dict[str, list[tuple[float, float]]] = {name: [] for name in MEASURES}
        for k in range(wanted):
            without = self._live({}, 0.0, k, task.stop)
            plan = self._live(efforts, price, k, task.stop)
            found["pairs"] = [*found["pairs"], (without, plan)]
            # what was there before Run stays until there is more
            if k == 0 and not values["run"]:
                yield dict(found)
            for name in MEASURES:
                more = self._live({**efforts, name: efforts[name] + STEP}, price, k, task.stop)
                gains[name].append((more.gross - plan.gross, more.policy - plan.policy))
            if k == wanted - 1 or (k == 0 and not values["run"]):
                found["next"] = {name: np.array(rows) for name, rows in gains.items()}
                yield dict(found)
            task.progress(k + 1, wanted, self.text("refine", k=k + 1, n=wanted))
        if values["run"]:
            found["best"] = self._search(efforts, price, float(values["budget"]), task)
            yield dict(found)

    def _live(
        self, efforts: Mapping[str, float], price: float, replication: int, stop: threading.Event
    ) -> Side:
        """The world with a plan; the one without is lived once for each luck."""
        full = {name: efforts.get(name, 0.0) for name in MEASURES}
        plan = plan_of(full, price)
        if plan:
            return side(
                simulate(self.scenario, plan, self.seed, replication=replication, progress=False, stop=stop)
            )
        kept: dict[Any, Side] = self.__dict__.setdefault("_bases", {})
        key = (self.scenario.model_dump_json(), self.seed, replication)
        if key not in kept:
            if len(kept) > 200:
                kept.clear()
            kept[key] = side(
                simulate(self.scenario, [], self.seed, replication=replication, progress=False, stop=stop)
            )
        return kept[key]

    def _search(
        self, efforts: dict[str, float], price: float, budget: float, task: Task
    ) -> dict[str, Any]:  # fmt: skip
        """The best efforts within the budget, and how they do in worlds the search has not seen."""
        tried: dict[tuple[float, ...], tuple[float, float]] = {}
        about = SEARCHED * (len(MEASURES) * (len(TRIED) - 1) + 1 + 32)

        def judge(wanted: Sequence[float]) -> tuple[float, float]:
            """Mean equity and mean spending a month, over the worlds of the search."""
            key = tuple(round(float(min(max(e, 0.0), MOST)), 4) for e in wanted)
            if key not in tried:
                chosen = dict(zip(MEASURES, key, strict=True))
                sides = []
                for k in range(SEARCHED):
                    if task.stop.is_set():
                        raise Stopped("the search was stopped")
                    sides.append(self._live(chosen, price, FIRST_SEARCHED + k, task.stop))
                    done = SEARCHED * len(tried) + k + 1
                    task.progress(min(done, about), about, self.text("search", k=done, n=about))
                tried[key] = (
                    float(np.mean([s.equity for s in sides])),
                    float(np.mean([_spent(s) for s in sides])),
                )
            return tried[key]

        best = best_split(judge, budget, len(MEASURES))
        found = dict(zip(MEASURES, best, strict=True))
        rows = []
        for k in range(HELD_OUT):
            rows.append(
                (self._live(found, price, FIRST_HELD_OUT + k, task.stop),
                 self._live(efforts, price, FIRST_HELD_OUT + k, task.stop))
            )  # fmt: skip
            task.progress(k + 1, HELD_OUT, self.text("judge", k=k + 1, n=HELD_OUT))
        return {
            "efforts": found,
            "more": np.array([a.equity - b.equity for a, b in rows]),
            "spent": {name: float(np.mean([a.spent.get(name, 0.0) for a, _ in rows])) for name in MEASURES},
            "tried": len(tried),
        }

    def _take(self) -> None:
        """Set the sliders to the plan found."""
        best = (self.found or {}).get("best")
        if best is None:
            raise ValueError(self.text("take_first"))
        self.set(**{name: round(effort, 1) for name, effort in best["efforts"].items()})

    # -- what is shown -----------------------------------------------------------------------------

    def show(self, found: dict[str, Any]) -> None:
        values, pairs = found["values"], found["pairs"]
        currency, unsure = self.scenario.currency, len(pairs) == 1
        parts = [roads(*pair) for pair in pairs]
        mean = {key: float(np.mean([p[key] for p in parts])) for key in parts[0]}
        equity = interval([b.equity - a.equity for a, b in pairs])
        spent = {n: float(np.mean([b.spent.get(n, 0.0) for _, b in pairs])) for n in MEASURES}
        total, budget = sum(spent.values()), float(values["budget"])
        over = total - budget if total > 1.0005 * budget else 0.0
        nexts = self._nexts(found["next"])
        cost = float(np.mean([b.policy - a.policy for a, b in pairs]))
        gain = interval([(b.equity - a.equity) / cost for a, b in pairs]) if cost > 0 else None

        self.cards(
            Card(self.text("card_equity"), f"{signed(equity.mean)} {currency}",
                 self.text("one") if unsure else f"{signed(equity.low)} … {signed(equity.high)}",
                 *equity.arrow),
            Card(self.text("card_spent"), f"{total:,.0f} {currency}",
                 self.text("over", over=f"{over:,.0f}", currency=currency) if over
                 else self.text("within", budget=f"{budget:,.0f}", left=f"{budget - total:,.0f}",
                                currency=currency),
                 *(("✕", "bad") if over else ("", ""))),
            Card(self.text("card_return"), "–" if gain is None else f"{signed(gain.mean, 2)} ×",
                 self.text("card_return_detail", currency=currency)),
            self._next_card(nexts, currency),
        )  # fmt: skip
        self._draw_water(mean, equity, unsure)
        self._draw_next(nexts)
        self._show_spending(spent, budget, over)
        self._show_plans(values, spent, found["best"])
        told = self.text(
            "sentence", spent=f"{total:,.0f}", budget=f"{budget:,.0f}", currency=currency,
            equity=signed(equity.mean), range=self.text("one") if unsure
            else self.text("range", low=signed(equity.low), high=signed(equity.high)),
            **{key: signed(mean[key]) for key in (*ROADS, "cost")},
        )  # fmt: skip
        if over:
            told += self.text("sentence_over", over=f"{over:,.0f}")
        if found["best"] is not None:
            more = interval(found["best"]["more"])
            told += self.text(
                "sentence_found", n=HELD_OUT, more=signed(more.mean), low=signed(more.low),
                high=signed(more.high), currency=currency,
                spent=f"{sum(found['best']['spent'].values()):,.0f}",
            )  # fmt: skip
        self.say(
            told,
            self.text("foot", scenario=self.industry, seed=self.seed,
                      customers=self.scenario.population.size, months=self.scenario.population.months,
                      n=len(pairs)),
        )  # fmt: skip

    def _nexts(self, rows: dict[str, np.ndarray] | None) -> dict[str, Interval] | None:
        """What the next unit brings back by measure, with Fieller's interval; None while unknown."""
        if rows is None:
            return None
        found = {}
        for name, pairs in rows.items():
            ratio, low, high, _ = ratio_interval(pairs[:, 0], pairs[:, 1])
            if math.isfinite(ratio):
                found[name] = Interval(ratio, *((low, high) if len(pairs) > 1 else (ratio, ratio)))
        return found

    def _next_card(self, nexts: dict[str, Interval] | None, currency: str) -> Card:
        label = self.text("card_next", currency=currency)
        if nexts is None:
            return Card(label, "…", self.text("card_next_wait"))
        if not nexts:
            return Card(label, "–", self.text("card_next_none"))
        best = max(nexts, key=lambda name: nexts[name].mean)
        value = f"{nexts[best].mean:.1f} {currency}".replace("-", "−")
        return Card(label, self.pick(SHORT[best]),
                    self.text("card_next_detail", value=value, name=self.pick(NAMES[best])))  # fmt: skip

    def _draw_water(self, mean: Mapping[str, float], equity: Interval, unsure: bool) -> None:
        """Where the change of equity comes from: three roads, less the measures' cost."""
        keys = (*ROADS, "cost")
        parts = np.array([mean[key] for key in keys])
        ends = np.cumsum(parts)
        size = money_size(max(float(np.abs([*ends, *parts, equity.mean]).max()), 1e-9))
        unit = {1e6: "M ", 1e3: "k ", 1.0: ""}[size] + self.scenario.currency
        bottoms = np.concatenate([ends - parts, [0.0]]) / size
        heights = np.append(parts, equity.mean) / size
        low, high = equity.low / size, equity.high / size
        digits = 0 if np.abs(heights).max() >= 100 else 1
        road = max(ROADS, key=lambda key: abs(mean[key]))
        if np.abs(parts).max() < 1e-6:
            title = self.text("water_title_none")
        else:
            amount = f"{signed(mean[road] / size, digits)} {unit}"
            title = self.text("water_title", road=self.pick(ROAD_NAMES[road]), amount=amount)
        title = title[:1].upper() + title[1:]
        named = [self.pick(ROAD_NAMES[r]) for r in ROADS]
        named += [self.text(f"bar_{key}").replace("\n", " ") for key in ("cost", "equity")]
        listed = ", ".join(f"{n} {signed(h, digits)}" for n, h in zip(named, heights, strict=True))
        with self.water.drawing(f"{title}: {listed} {unit}") as (ax,):
            a = self._artists
            if "water" not in a:
                a["water"] = ax.bar(range(5), heights, width=0.66)
                a["said"] = [ax.text(k, 0, "", ha="center", va="bottom", fontsize=14) for k in range(5)]
                a["error"] = ax.plot([4, 4], [0, 0], color=OKABE_ITO["black"], lw=2)[0]
                a["steps"] = [ax.plot([], [], color=GREY, lw=1)[0] for _ in range(4)]
                ax.axhline(0, color=GREY, lw=1.2)
                ax.set_xticks(range(5), [self.text(f"bar_{key}") for key in (*keys, "equity")])
                ax.tick_params(axis="x", length=0, labelsize=12.5)
            colours = [*(ROAD_COLOURS[r] for r in ROADS), OKABE_ITO["vermillion"], "#4A4A4A"]
            top, foot = np.maximum(bottoms, bottoms + heights), np.minimum(bottoms, bottoms + heights)
            span = max(float(max(top.max(), high, 0) - min(foot.min(), low, 0)), 1e-9)
            for k, one in enumerate(a["water"]):
                one.set_y(bottoms[k])
                one.set_height(heights[k])
                one.set_color(colours[k])
                edge = max(top[k], high) if k == 4 else top[k]
                a["said"][k].set_position((k, edge + 0.02 * span))
                a["said"][k].set_text(signed(heights[k], digits))
                if k < 4:
                    a["steps"][k].set_data([k + 0.33, k + 0.67], [ends[k] / size] * 2)
            a["error"].set_data([4, 4], [low, high])
            a["error"].set_visible(not unsure)
            ax.set_ylim(min(foot.min(), low, 0) - 0.05 * span, max(top.max(), high, 0) + 0.15 * span)
            ax.set_ylabel(self.text("water_y", unit=unit))
            ax.set_title(fitted(title, self.language, 29))

    def _draw_next(self, nexts: dict[str, Interval] | None) -> None:
        """What the next unit of money brings back, measure by measure; 1 pays for itself."""
        currency = self.scenario.currency
        names = list(MEASURES)
        known = nexts or {}
        mean = np.array([known[n].mean if n in known else 0.0 for n in names])
        reach = max(2.0, 1.25 * float(np.abs(mean).max()))
        low, high = (
            np.array([float(np.clip(known[n][k], -reach, 2 * reach)) if n in known else 0.0 for n in names])
            for k in (1, 2)
        )
        order = sorted(known, key=lambda name: -known[name].mean)
        if nexts is None:
            title = self.text("next_wait", currency=currency)
        elif not order or known[order[0]].mean <= 1:
            title = self.text("next_title_none", currency=currency)
        elif len(order) > 1 and known[order[0]].low < known[order[1]].mean:
            title = self.text("next_title_unsure", currency=currency)
        else:
            title = self.text("next_title", currency=currency, name=self.pick(NAMES[order[0]]))
        listed = ", ".join(f"{self.pick(NAMES[n])} {known[n].mean:.1f}" for n in order)
        with self.next.drawing(f"{title}: {listed}" if listed else title) as (ax,):
            a = self._artists
            if "next" not in a:
                a["next"] = ax.barh(range(len(names)), mean, height=0.66,
                                    color=[ROAD_COLOURS[MEASURES[n]] for n in names])  # fmt: skip
                a["spread"] = [
                    ax.plot([0, 0], [k, k], color=OKABE_ITO["black"], lw=2)[0] for k in range(len(names))
                ]
                a["brings"] = [
                    ax.annotate(
                        "",
                        (0, k),
                        (6, 0),
                        textcoords="offset points",
                        va="center",
                        fontsize=14,
                        bbox={"fc": "white", "ec": "none", "pad": 0.6},
                    )
                    for k in range(len(names))
                ]
                ax.axvline(0, color=GREY, lw=1.2)
                ax.axvline(1, color=OKABE_ITO["black"], lw=1.6, ls="--")
                ax.set_yticks(range(len(names)), [self.pick(SHORT[n]) for n in names])
                ax.invert_yaxis()
                ax.tick_params(axis="y", length=0)
                ax.grid(False, axis="y")
                ax.grid(True, axis="x")
                ax.set_xlabel(self.text("next_x", currency=currency))
            for k, name in enumerate(names):
                a["next"][k].set_width(mean[k])
                a["next"][k].set_alpha(1.0 if order and name == order[0] else 0.55)
                a["spread"][k].set_data([low[k], high[k]], [k, k])
                a["brings"][k].xy = (max(high[k], mean[k], 0.0), k)
                a["brings"][k].set_text(f"{mean[k]:.1f}".replace("-", "−") if name in known else "–")
            left, right = min(float(low.min()), 0.0), max(float(high.max()), 1.2)
            span = right - left
            ax.set_xlim(left - 0.04 * span, right + 0.2 * span)
            ax.set_title(fitted(title, self.language, 25))

    def _show_spending(self, spent: Mapping[str, float], budget: float, over: float) -> None:
        """What is spent on each measure, as parts of a bar beside the budget's line."""
        total = sum(spent.values())
        full = max(total, budget, 1e-9) * 1.02
        parts = []
        for name, money in spent.items():
            if money <= 0:
                continue
            words, road = f"{self.pick(SHORT[name])} {money:,.0f}", MEASURES[name]
            wide = 100 * money / full
            label = html.escape(words) if wide > 13 else ""
            parts.append(
                f'<span class="cs-part cs-{road}" style="width:{wide:.2f}%;background:{ROAD_COLOURS[road]}" '
                f'title="{html.escape(words)}">{label}</span>'
            )
        told = "; ".join(f"{self.pick(NAMES[n])} {m:,.0f}" for n, m in spent.items() if m > 0)
        head = f"{self.text('spending')}: {total:,.0f} / {budget:,.0f} {self.scenario.currency}"
        self.bar.value = (
            f'<div class="cs-spent{" cs-over" if over else ""}" role="img" aria-label="'
            f'{html.escape(head + (". " + told if told else ""))}">{"".join(parts)}'
            f'<span class="cs-limit" style="left:{100 * budget / full:.2f}%"></span></div>'
            f'<div class="cs-spent-words">{html.escape(head)}</div>'
        )

    def _show_plans(self, values: Mapping[str, Any], spent: Mapping[str, float], best: Any) -> None:
        """Effort and spending of each measure, in the reader's plan and in the one found."""
        heads = ["measure", "road", "effort", "month_cost", *(["found_effort", "found_cost"] if best else [])]
        rows = []
        for name, road in MEASURES.items():
            cells = [
                self.pick(NAMES[name]), self.pick(ROAD_NAMES[road]), f"{values[name]:.1f}",
                f"{spent[name]:,.0f}",
            ]  # fmt: skip
            if best:
                cells += [f"{best['efforts'][name]:.1f}", f"{best['spent'][name]:,.0f}"]
            rows.append("".join(f"<td>{html.escape(cell)}</td>" for cell in cells))
        sums = [self.text("sum"), "", "", f"{sum(spent.values()):,.0f}"]
        sums += ["", f"{sum(best['spent'].values()):,.0f}"] if best else []
        rows.append("".join(f"<td><b>{html.escape(cell)}</b></td>" for cell in sums))
        head = "".join(f"<th>{html.escape(self.text(key))}</th>" for key in heads)
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        self.table.value = (
            f"<h3>{html.escape(self.text('plans'))}</h3><small>{html.escape(self.text('plans_help'))}</small>"
            f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        )
        self.take.disabled = best is None


def best_split(
    judge: Callable[[Sequence[float]], tuple[float, float]], budget: float, number: int
) -> list[float]:
    """Efforts of `number` measures that bring most equity for at most `budget` a month.

    judge(efforts) gives equity and spending. First each measure alone, at the efforts of `TRIED`: with
    these curves added up, sequential least squares finds a start. From there a linear search (COBYLA)
    looks at plans as a whole, whose measures help or hinder each other. The best plan seen within the
    budget is returned.
    """
    from scipy import optimize
    from scipy.interpolate import PchipInterpolator

    minimize: Any = optimize.minimize  # its stubs know no functions of this kind

    nothing = judge([0.0] * number)
    gains, costs = [], []
    for k in range(number):
        seen = [judge([effort if j == k else 0.0 for j in range(number)]) for effort in TRIED]
        gains.append(PchipInterpolator(TRIED, [equity - nothing[0] for equity, _ in seen]))
        costs.append(PchipInterpolator(TRIED, [spent - nothing[1] for _, spent in seen]))

    def gain(x: np.ndarray) -> float:
        return float(sum(curve(e) for curve, e in zip(gains, x, strict=True)))

    def room(x: np.ndarray) -> float:
        return budget - nothing[1] - float(sum(curve(e) for curve, e in zip(costs, x, strict=True)))

    scale = max(1.0, *(abs(float(curve(e))) for curve in gains for e in TRIED))
    limits = [(0.0, MOST)] * number
    starts = [np.zeros(number), np.full(number, 0.2)]
    starts += [np.where(np.arange(number) == k, 1.0, 0.0) for k in range(number)]
    best = np.zeros(number)
    for start in starts:
        found = minimize(
            lambda x: -gain(np.clip(x, 0, MOST)) / scale, start, bounds=limits, method="SLSQP",
            constraints={"type": "ineq", "fun": lambda x: room(np.clip(x, 0, MOST)) / max(budget, 1.0)},
        )  # fmt: skip
        x = np.clip(found.x, 0.0, MOST)
        if room(x) >= -1e-6 * max(budget, 1.0) and gain(x) > gain(best):
            best = x
    seen_plans: list[tuple[float, list[float]]] = []

    def look(x: Any) -> tuple[float, float]:
        plan = [round(float(min(max(e, 0.0), MOST)), 2) for e in x]
        equity, spent = judge(plan)
        if spent <= budget * 1.0005 + 1e-9:
            seen_plans.append((equity, plan))
        return equity, spent

    look(np.zeros(number))
    look(best)
    # sums of single curves may overspend together: a little less of everything then
    for share in (0.97, 0.93, 0.85):
        if look(best)[1] <= budget:
            break
        best = best * share
        look(best)
    if budget > 0:
        minimize(
            lambda x: -(look(x)[0] - nothing[0]) / scale, best, method="COBYLA",
            constraints=[
                {"type": "ineq", "fun": lambda x: (budget - look(x)[1]) / budget},
                *({"type": "ineq", "fun": lambda x, k=k: x[k]} for k in range(number)),
                *({"type": "ineq", "fun": lambda x, k=k: MOST - x[k]} for k in range(number)),
            ],
            options={"rhobeg": 0.3, "maxiter": 30},
        )  # fmt: skip
    return max(seen_plans)[1]


def _spent(one: Side) -> float:
    return float(sum(one.spent.get(name, 0.0) for name in MEASURES))


def _round(money: float) -> float:
    """1, 2 or 5 times a power of ten, near it."""
    power = 10.0 ** math.floor(math.log10(max(money, 1e-9)))
    return min((k * power for k in (1, 2, 5, 10)), key=lambda nice: abs(math.log(nice / max(money, 1e-9))))


def _capital(pair: Pair) -> Pair:
    return f"{pair[0][:1].upper()}{pair[0][1:]} ({pair[1]})", pair[1]
