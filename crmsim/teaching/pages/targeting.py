"""The targeting game: pick a tenth of the names, and compete with one who knows every true effect."""

from __future__ import annotations

import html
import math
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import ipywidgets
import numpy as np

from ...plots.style import GREY, OKABE_ITO, dark, money_size
from ...simulation.draws import Purpose
from ...simulation.engine import simulate
from ...simulation.policies import Action, Offers, best_first
from ...simulation.scenario import Scenario
from ..controls import Choice, Group, Number, Parameter
from ..page import Card, Page
from ..picture import Picture
from ..titles import fitted
from ..uncertainty import Interval, interval, signed
from ..words import Pair
from ..worker import Task
from .choices import preset_choice

# The call is made in this month, when the firm has come to know its customers; its effect is followed
# for so many months, and a customer kept is worth his margin of so many more.
DECISION, FOLLOWED, WORTH = 12, 12, 48
# worlds shown at once after the first, and by Run; worlds that Run plays to the end
SOON, THOROUGH, PLAYED = 8, 40, 20
RULES = ("risk", "value", "uplift", "random", "own", "oracle")
FIRM = ("risk_score", "response_score", "monthly_value", "tenure", "complaints")
GRID = np.linspace(0.0, 1.0, 51)

NAMES: dict[str, Pair] = {
    "risk": ("risk", "风险"),
    "value": ("value", "价值"),
    "uplift": ("uplift", "增益"),
    "random": ("chance", "随机"),
    "own": ("your weights", "你的权重"),
    "oracle": ("oracle", "先知"),
}
COLOURS = {
    "risk": OKABE_ITO["vermillion"],
    "value": OKABE_ITO["orange"],
    "uplift": OKABE_ITO["green"],
    "random": "#8A8A8A",
    "own": OKABE_ITO["purple"],
    "oracle": OKABE_ITO["black"],
}
SEEN: dict[str, Pair] = {
    "risk_score": ("Risk score", "风险评分"),
    "response_score": ("Response score", "响应评分"),
    "monthly_value": ("Margin a month", "月毛利"),
    "tenure": ("Tenure", "客户龄"),
    "complaints": ("Complaints", "投诉次数"),
}

TEXT: dict[str, Pair] = {
    "list": ("The list", "名单"),
    "own": ("Your weights: what the firm sees", "你的权重：企业看得到的信息"),
    "world": ("The world", "世界"),
    "rule": ("Call first those with the highest", "优先联系此项最高的客户"),
    "share": ("Share of customers called", "联系的客户比例"),
    "goal": ("What counts", "目标"),
    "customers": ("customers kept", "留住的客户"),
    "money": ("profit", "利润"),
    "price": ("Price of a call", "每次联系的成本"),
    "price_help": ("the call, and the offer for those who take it", "含联系成本与被接受的优惠"),
    "months": ("How long the offer works", "优惠有效期"),
    "months_help": (
        "months in which each customer's own response acts on the chance of leaving",
        "在这些月份内，客户自身的响应影响其流失概率",
    ),
    "mean": ("Mean response (平均响应)", "平均响应"),
    "mean_help": (
        "competitive hazard × exp(−response): below zero a call wakes more than it keeps",
        "竞争流失风险 × exp(−响应)：低于零则唤醒多于留住",
    ),
    "correlation": ("Response and risk go together (响应与风险的相关)", "响应与风险的相关"),
    "correlation_help": (
        "at −1 those likeliest to leave respond worst; the sign is Ascarza's (2018)",
        "为−1时，最可能流失者响应最差；符号依据 Ascarza（2018）",
    ),
    "validity": ("How good the firm's scores are (评分效度)", "企业评分的效度"),
    "validity_help": (
        "correlation of the risk and response scores with the truth",
        "风险与响应评分同真实情况的相关系数",
    ),
    "weight_help": (
        "points for each standard deviation above the mean",
        "每高出均值一个标准差所加的分数",
    ),
    "one": ("one world only, no interval yet", "仅一个世界，尚无区间"),
    "percent": ("{share:.0%}", "{share:.0%}"),
    "card_kept": ("Customers kept (留住)", "留住的客户"),
    "card_kept_detail": ("net, per 1,000 called: {interval}", "净值，每联系千人：{interval}"),
    "card_harmed": ("Sleeping dogs (被唤醒者)", "被唤醒者"),
    "card_harmed_detail": (
        "of those called are likelier to leave for it; {n} per 1,000 lost so",
        "被联系者中反而更可能流失的比例；每千人因此流失{n}名",
    ),
    "card_profit": ("Profit (利润)", "利润"),
    "card_profit_detail": ("{n:,} calls cost {cost}: {interval}", "{n:,}次联系花费{cost}：{interval}"),
    "card_oracle": ("Against the oracle (先知)", "与先知相比"),
    "card_oracle_detail": (
        "of the {what} that perfect knowledge of every effect would bring",
        "相对于知道每人真实效果时的{what}",
    ),
    "card_oracle_none": ("even the oracle gains nothing", "先知也无所得"),
    "who_title": (
        "{rule}: {share} of those called are likelier to leave for it",
        "{rule}：被联系者中{share}反而更可能流失",
    ),
    "who_x": ("leaving in a year, uncalled, %", "不联系时一年流失率，%"),
    "who_y": ("spared by a call, per 1,000", "联系可避免的流失，每千人"),
    "who_kept": ("called, helped", "被联系，有益"),
    "who_harmed": ("called, harmed", "被联系，有害"),
    "who_rest": ("not called", "未联系"),
    "board_best": ("{best} comes nearest to the oracle", "{best}最接近先知"),
    "board_close": ("{best} and {second} come nearest to the oracle", "{best}与{second}最接近先知"),
    "board_harm": ("Calling by {rule} loses customers", "按{rule}联系反而流失客户"),
    "board_loss": ("Calling by {rule} costs more than it brings", "按{rule}联系得不偿失"),
    "board_none": ("Calls change nothing here", "此处联系没有效果"),
    "board_unsure": ("No rule pays for certain, but the oracle", "除先知外，无规则确定有收益"),
    "board_x_customers": ("kept per 1,000 called", "每联系千人留住"),
    "board_x_money": ("profit, {unit}", "利润，{unit}"),
    "curve_title": (
        "By {rule}: best to call {share:.0f} %, which brings {value}",
        "按{rule}：联系{share:.0f}%最好，可得{value}",
    ),
    "curve_none": ("By {rule}: best to call nobody", "按{rule}：不联系最好"),
    "curve_x": ("customers called, %", "联系的客户，%"),
    "curve_y_customers": ("customers kept", "留住的客户"),
    "you": ("you", "你"),
    "names": ("The first on your list", "名单最前面的客户"),
    "names_help": (
        "Left what the firm sees, right the truth: the effect of a call on the chance to leave, and how both "
        "lives went on.",
        "左侧为企业所见，右侧为真实情况：联系对流失概率的影响，以及两种人生的结果。",
    ),
    "customer": ("no.", "客户"),
    "effect": ("spared per 1,000", "每千人避免"),
    "fate": ("a year later", "一年之后"),
    "stay": ("stays", "都留下"),
    "gone": ("leaves", "都流失"),
    "saved": ("call keeps", "因联系留下"),
    "harmed": ("call loses", "因联系流失"),
    "sentence": (
        "Calling {share:.0f} % by {rule} is expected to keep {kept} customers in a thousand called "
        "({interval}), at a {sign} of {loss} {currency}; {harmed} of those called are likelier to leave "
        "for it. The oracle keeps {oracle}.",
        "按{rule}联系{share:.0f}%的客户，预计每千名被联系者净留住{kept}名（{interval}），"
        "{sign}{loss} {currency}；其中{harmed}反而更可能流失。先知可留住{oracle}名。",
    ),
    "gain": ("profit", "获利"),
    "lose": ("loss", "亏损"),
    "lives": (
        " In the lives of one world, {saved} stayed for the call and {lost} left for it.",
        "在一个世界的真实人生中，{saved}名因联系而留下，{lost}名因联系而离开。",
    ),
    "played": (
        " Played to month {months} in {n} pairs of worlds, equity changes by {mean} {currency} "
        "({low} to {high}).",
        "在{n}对世界中模拟到第{months}月，客户资产变化{mean} {currency}（{low} 至 {high}）。",
    ),
    "foot": (
        "{scenario}, seed {seed}, {customers:,} customers, {n} worlds, each lived twice on the same luck: "
        "nobody called, everybody called in month {month}. A customer kept is worth the margin of {worth} "
        "months, discounted, at the own chance of leaving. Intervals of 95 %.",
        "{scenario}，种子{seed}，{customers:,}名客户，{n}个世界，各以相同的运气过两遍：无人被联系、第{month}月"
        "人人被联系。留住一名客户的价值为其{worth}个月的折现毛利（按自身流失概率）。95%区间。",
    ),
    "refine": ("more worlds: {k} of {n}", "更多世界：{k}/{n}"),
    "play": ("played to the end: {k} of {n}", "模拟到底：{k}/{n}"),
    "nobody": ("nobody is a customer in month {month}", "第{month}月没有客户"),
}  # fmt: skip


@dataclass(frozen=True)
class Names:
    """A campaign that calls the named customers (None: everybody) once, at the same price each."""

    ids: Any
    action: Action
    price: float = 0.0
    name: str = "names"

    def runs_in(self, month: int) -> bool:
        return month == DECISION

    def offers(self, view: Any) -> Offers:
        return Offers(view.id[view.customer] if self.ids is None else self.ids, self.action, self.price)


@dataclass(frozen=True)
class Lives:
    """The customers of the month of decision, each with a life uncalled and a life called.

    `firm`: what the firm sees; `effect`: chance to leave that a call takes away, true; `leaving`: chance
    to leave uncalled within `FOLLOWED` months; `worth`: money that keeping the customer is worth; `stay`,
    `stay_called`: still there at the end.
    """

    ids: np.ndarray
    firm: dict[str, np.ndarray]
    uniform: np.ndarray
    effect: np.ndarray
    leaving: np.ndarray
    worth: np.ndarray
    stay: np.ndarray
    stay_called: np.ndarray
    scenario: Scenario

    def score(self, rule: str, weights: dict[str, float], goal: str) -> np.ndarray:
        """What the rule ranks by, highest first."""
        if rule == "risk":
            return self.firm["risk_score"]
        if rule == "value":
            return self.firm["monthly_value"]
        if rule == "uplift":
            people = self.scenario.population
            response = people.response_mean + people.response_sd * self.firm["response_score"]
            return np.exp(self.firm["risk_score"]) * (1.0 - np.exp(-response))
        if rule == "own":
            return sum((weights[name] * _standard(self.firm[name]) for name in FIRM), np.zeros(self.ids.size))
        if rule == "oracle":
            return self.effect * self.worth if goal == "money" else self.effect
        return self.uniform

    def order(self, rule: str, weights: dict[str, float], goal: str) -> np.ndarray:
        """Positions of all customers, best first, ties by number."""
        score = self.score(rule, weights, goal)
        return best_first(score, self.ids, score.size)


def live_twice(
    world: Scenario, action: Action, seed: int, replication: int, stop: threading.Event | None = None
) -> Lives:
    """The same customers on the same luck, once uncalled and once all called in month `DECISION`.

    The effect on a customer is the difference of the monthly chances to leave, summed over the months in
    which both lives still run. Raises ValueError if there is no customer.
    """
    world = world.replace(population__months=DECISION + FOLLOWED)
    found: dict[str, Any] = {}
    sides: list[list[tuple[np.ndarray, np.ndarray]]] = []
    for campaign in ([], [Names(None, action)]):
        seen: list[tuple[np.ndarray, np.ndarray]] = []

        def look(month: int, view: Any, seen: Any = seen) -> None:
            if month < DECISION:
                return
            if month == DECISION and not sides:
                firm = view.firm
                found["here"] = np.flatnonzero(firm.customer & (view.column("active") > 0))
                found["ids"] = firm.id[found["here"]]
                found["firm"] = {name: np.asarray(getattr(firm, name), float)[found["here"]] for name in FIRM}
                found["uniform"] = firm.uniform(Purpose.RANDOM_TARGET)[found["here"]]
                found["margin"] = firm.monthly_value[found["here"]]
            here = found["here"]
            seen.append((view.column("active")[here] > 0, view.column("hazard")[here].astype(float)))

        simulate(world, campaign, seed, replication=replication, progress=False, stop=stop, watch=look)
        sides.append(seen)
    without, called = sides
    here = found["here"]
    if not here.size:
        raise ValueError(TEXT["nobody"][0].format(month=DECISION))
    effect, leaving, alive, months = np.zeros(here.size), np.zeros(here.size), np.ones(here.size), 0.0
    for m in range(FOLLOWED):
        (there, _), (there_called, _) = without[m], called[m]
        chance, chance_called = without[m + 1][1], called[m + 1][1]
        effect += np.where(there & there_called, chance - chance_called, 0.0)
        leaving += np.where(there, chance, 0.0)
        alive += there
    hazard = leaving / np.maximum(alive - 1, 1)
    rate = hazard + math.log1p(world.firm.discount_rate) / 12
    months = -np.expm1(-rate * WORTH) / np.maximum(rate, 1e-9)
    return Lives(
        ids=found["ids"],
        firm=found["firm"],
        uniform=found["uniform"],
        effect=effect,
        leaving=-np.expm1(-leaving),
        worth=np.maximum(found["margin"], 0.0) * months,
        stay=without[-1][0],
        stay_called=called[-1][0],
        scenario=world,
    )


def outcome(lives: Lives, chosen: np.ndarray, price: float) -> dict[str, float]:
    """What calling the chosen positions brings, expected and in the two lives."""
    effect, worth = lives.effect[chosen], lives.worth[chosen]
    stay, called = lives.stay[chosen], lives.stay_called[chosen]
    number = max(chosen.size, 1)
    return {
        "calls": float(chosen.size),
        "kept": 1000 * float(effect.sum()) / number,
        "lost": -1000 * float(effect[effect < 0].sum()) / number,
        "harmed": float((effect < 0).mean()) if chosen.size else 0.0,
        "cost": price * chosen.size,
        "profit": float((effect * worth).sum()) - price * chosen.size,
        "customers": float(effect.sum()),
        "saved": float((called & ~stay).sum()),
        "left": float((stay & ~called).sum()),
    }


class TargetingGame(Page):
    """Whom to call: the reader's rule against the oracle's."""

    name = "targeting"
    texts = TEXT
    question = ("You may call a tenth of your customers. Whom?", "只能联系十分之一的客户，该联系谁？")
    about = (
        "pick names by risk, value, uplift or weights of your own, against the oracle",
        "按风险、价值、增益或自定权重选名单，与先知比赛",
    )
    same_luck = True
    css = "targeting.css"

    def groups(self) -> Sequence[Group]:
        own = {"risk_score": 1.0}
        return [
            Group(TEXT["list"], [
                Choice("rule", TEXT["rule"], [(rule, _beside(NAMES[rule])) for rule in RULES], "risk"),
                Number("share", TEXT["share"], 10, 1, 100, 1, ("%", "%"), whole=True),
                Choice("goal", TEXT["goal"], [(k, TEXT[k]) for k in ("money", "customers")], "money"),
            ]),
            Group(TEXT["world"], [
                Parameter("population.response_risk_correlation", -1.0, 0.5, 0.05,
                          label=TEXT["correlation"], help=TEXT["correlation_help"]),
                Parameter("population.response_mean", -0.5, 0.8, 0.05,
                          label=TEXT["mean"], help=TEXT["mean_help"]),
                Parameter("firm.score_validity", 0, 1, 0.05,
                          label=TEXT["validity"], help=TEXT["validity_help"]),
            ]),
            Group(TEXT["own"], [
                Number(name, SEEN[name], own.get(name, 0.0), -2, 2, 0.1,
                       help=TEXT["weight_help"] if name == FIRM[0] else ("", ""))
                for name in FIRM
            ]),
            Group(("The call", "联系"), [
                Number("price", TEXT["price"], 0.14, 0, 1, 0.02, ("bills", "月账单"), TEXT["price_help"]),
                Number("months", TEXT["months"], FOLLOWED, 1, FOLLOWED, 1, ("months", "月"),
                       TEXT["months_help"], whole=True),
                preset_choice(self),
            ]),
        ]  # fmt: skip

    def build(self) -> Sequence[Any]:
        self.who = Picture(4.5, 3.6, language=self.language, dpi=160)
        self.board = Picture(4.5, 3.6, language=self.language, dpi=160)
        self.curve = Picture(4.5, 3.6, language=self.language, dpi=160)
        for picture, left in ((self.who, 0.2), (self.board, 0.3), (self.curve, 0.2)):
            picture.margins(left, 0.95, 0.17, 0.83)
        self._artists: dict[str, Any] = {}
        self.table = ipywidgets.HTML()
        self.table.add_class("cs-names")
        rows = [
            ipywidgets.HBox([self.who.widget, self.board.widget]),
            ipywidgets.HBox([self.curve.widget, self.table]),
        ]
        for row in rows:
            row.add_class("cs-row")
        rows[1].add_class("cs-names-row")
        return [rows[0], self.words, rows[1]]

    # -- the worlds --------------------------------------------------------------------------------

    def compute(self, values: dict[str, Any], task: Task) -> Iterator[Any]:
        world = self.world(values)
        action = Action("call", strength=1.0, months=int(values["months"]), care=10.0)
        # ranking the same customers anew needs no new worlds
        key = (world.model_dump_json(), action, self.seed)
        if getattr(self, "_key", None) != key:
            self._key = key
            self._worlds: list[Lives] = []
        worlds = self._worlds
        wanted = THOROUGH if values["run"] else SOON
        if not worlds:
            worlds.append(live_twice(world, action, self.seed, 0, task.stop))
            yield self._score(worlds, values)
        for k in range(len(worlds), wanted):
            worlds.append(live_twice(world, action, self.seed, k, task.stop))
            task.progress(k + 1, wanted, self.text("refine", k=k + 1, n=wanted))
        found = self._score(worlds, values)
        yield found
        if values["run"]:
            gains = []
            for k in range(PLAYED):
                gains.append(self._play(world, worlds[k], values, action, k, task.stop))
                task.progress(k + 1, PLAYED, self.text("play", k=k + 1, n=PLAYED))
            yield {**found, "played": np.array(gains)}

    def _score(self, worlds: Sequence[Lives], values: dict[str, Any]) -> dict[str, Any]:
        """What each rule brings in each world, and along the share of customers called."""
        weights, goal = {name: float(values[name]) for name in FIRM}, values["goal"]
        price = values["price"] * self.scenario.bill
        rows: dict[str, list[dict[str, float]]] = {rule: [] for rule in RULES}
        curves: dict[str, np.ndarray] = {}
        for rule in RULES:
            lines = []
            for lives in worlds:
                order = lives.order(rule, weights, goal)
                rows[rule].append(outcome(lives, order[: self._number(lives, values)], price))
                gain = lives.effect[order] * (lives.worth[order] if goal == "money" else 1.0)
                total = np.concatenate([[0.0], np.cumsum(gain)])
                at = np.round(GRID * order.size).astype(int)
                lines.append(total[at] - (price * at if goal == "money" else 0.0))
            curves[rule] = np.mean(lines, axis=0)
        first = worlds[0]
        chosen = first.order(values["rule"], weights, goal)[: self._number(first, values)]
        return {
            "rows": {rule: {key: np.array([r[key] for r in all_]) for key in all_[0]}
                     for rule, all_ in rows.items()},
            "curves": curves, "first": first, "chosen": chosen, "values": values, "worlds": len(worlds),
            "price": price, "played": None,
        }  # fmt: skip

    def _number(self, lives: Lives, values: dict[str, Any]) -> int:
        return max(1, round(values["share"] / 100 * lives.ids.size))

    def _play(
        self, world: Scenario, lives: Lives, values: dict[str, Any], action: Action, replication: int,
        stop: threading.Event,
    ) -> float:  # fmt: skip
        """Change of customer equity when exactly these names are called, to the end of the simulation."""
        weights = {name: float(values[name]) for name in FIRM}
        chosen = lives.order(values["rule"], weights, values["goal"])[: self._number(lives, values)]
        long = world.replace(population__months=max(self._months, DECISION + FOLLOWED))
        campaign = Names(lives.ids[chosen], action, values["price"] * self.scenario.bill)
        with_calls, without = (
            simulate(long, policies, self.seed, replication=replication, progress=False, stop=stop).equity
            for policies in ([campaign], [])
        )
        return with_calls - without

    # -- what is shown -----------------------------------------------------------------------------

    def show(self, found: dict[str, Any]) -> None:
        values, rows = found["values"], found["rows"]
        rule, goal, unsure = values["rule"], values["goal"], found["worlds"] == 1
        mine, best = rows[rule], rows["oracle"]
        currency = self.scenario.currency
        kept, profit = interval(mine["kept"]), interval(mine["profit"])
        key = "profit" if goal == "money" else "customers"
        top = float(best[key].mean())
        part = float(mine[key].mean()) / top if top > 0 else math.nan
        size = money_size(max(abs(profit[0]), float(mine["cost"].mean())))
        unit = {1e6: "M ", 1e3: "k ", 1.0: ""}[size] + currency

        def within(three: Interval, scale: float = 1.0, digits: int = 0) -> str:
            if unsure:
                return self.text("one")
            return f"{signed(three[1] / scale, digits)} … {signed(three[2] / scale, digits)}"

        digits = 0 if size == 1 else 1
        self.cards(
            Card(self.text("card_kept"), signed(kept[0], 1),
                 self.text("card_kept_detail", interval=within(kept, digits=1)), *kept.arrow),
            Card(self.text("card_harmed"), self.text("percent", share=mine["harmed"].mean()),
                 self.text("card_harmed_detail", n=f"{mine['lost'].mean():.1f}")),
            Card(self.text("card_profit"), f"{signed(profit[0] / size, digits)} {unit}",
                 self.text("card_profit_detail", n=round(mine["calls"].mean()),
                           cost=f"{mine['cost'].mean() / size:,.{digits}f} {unit}",
                           interval=within(profit, size, digits)), *profit.arrow),
            Card(self.text("card_oracle"),
                 "–" if math.isnan(part) else f"{round(100 * part)} %".replace("-", "−"),
                 self.text("card_oracle_none") if math.isnan(part)
                 else self.text("card_oracle_detail", what=self.text(goal))),
        )  # fmt: skip
        self._draw_who(found)
        self._draw_board(found, goal, unsure)
        self._draw_curve(found, goal)
        self._list_names(found)
        name = self.pick(NAMES[rule])
        told = self.text(
            "sentence", share=values["share"], rule=name, kept=f"{kept[0]:.1f}".replace("-", "−"),
            interval=within(kept, digits=1), loss=f"{abs(profit[0]):,.0f}", currency=currency,
            sign=self.text("gain" if profit[0] >= 0 else "lose"), harmed=f"{mine['harmed'].mean():.0%}",
            oracle=f"{best['kept'].mean():.1f}",
        )  # fmt: skip
        told += self.text("lives", saved=f"{mine['saved'][0]:.0f}", lost=f"{mine['left'][0]:.0f}")
        if found["played"] is not None:
            mean, low, high = interval(found["played"])
            told += self.text(
                "played", months=max(self._months, DECISION + FOLLOWED), n=len(found["played"]),
                mean=signed(mean), low=signed(low), high=signed(high), currency=currency,
            )  # fmt: skip
        self.say(
            told,
            self.text("foot", scenario=self.industry, seed=self.seed,
                      customers=self._size, n=found["worlds"], month=DECISION, worth=WORTH),
        )  # fmt: skip

    def _draw_who(self, found: dict[str, Any]) -> None:
        """Each customer of the first world by risk and true effect; the chosen ones in colour."""
        lives, chosen = found["first"], found["chosen"]
        x, y = 100 * np.maximum(lives.leaving, 1e-4), 1000 * lives.effect
        called = np.zeros(x.size, dtype=bool)
        called[chosen] = True
        share = f"{(y[called] < 0).mean():.0%}"
        title = self.text("who_title", rule=self.pick(NAMES[found["values"]["rule"]]), share=share)
        title = title[:1].upper() + title[1:]
        rest = np.flatnonzero(~called)[:2000]
        with self.who.drawing(title) as (ax,):
            a = self._artists
            if "who" not in a:
                dot: dict[str, Any] = {"ls": "", "marker": "o", "mew": 0}
                a["who"] = [
                    ax.plot([], [], ms=2.6, color="#B4B4B4", label=self.text("who_rest"), **dot)[0],
                    ax.plot([], [], ms=4.2, color=OKABE_ITO["blue"], label=self.text("who_kept"), **dot)[0],
                    ax.plot([], [], ms=4.2, color=OKABE_ITO["vermillion"], label=self.text("who_harmed"),
                            **dot)[0],
                ]  # fmt: skip
                ax.axhline(0, color=GREY, lw=1.2, zorder=1)
                ax.set_xscale("log")
                ax.set_yscale("symlog", linthresh=10, linscale=0.7)
                ax.xaxis.set_major_formatter("{x:g}")
                ax.set_xlabel(self.text("who_x"))
                ax.set_ylabel(self.text("who_y"))
                ax.legend(loc="upper left", fontsize=12, frameon=False, markerscale=2, handletextpad=0.1,
                          borderaxespad=0, labelspacing=0.25)  # fmt: skip
            good, bad = called & (y >= 0), called & (y < 0)
            for line, part in zip(a["who"], (rest, good, bad), strict=True):
                line.set_data(x[part], y[part])
            low, high = float(np.quantile(x, 0.002)), float(x.max())
            ax.set_xlim(max(0.8 * low, 0.01), max(1.2 * high, 2 * low))
            reach = 10 ** math.ceil(math.log10(max(float(np.abs(y).max()), 11)))
            ax.set_ylim(-min(reach, max(12, 2 * abs(float(y.min())))), reach)
            ticks = [t for t in (-100, -10, 0, 10, 100, 1000) if -reach <= t <= reach]
            ax.set_yticks(ticks, [f"{t}".replace("-", "−") for t in ticks])
            ax.minorticks_off()
            ax.set_title(fitted(title, self.language, 28))

    def _draw_board(self, found: dict[str, Any], goal: str, unsure: bool) -> None:
        """What each rule brings, with intervals over the worlds; the rule in use in full colour."""
        rows, rule = found["rows"], found["values"]["rule"]
        key = "profit" if goal == "money" else "kept"
        three = {name: interval(rows[name][key]) for name in RULES}
        size = money_size(max(abs(t[0]) for t in three.values())) if goal == "money" else 1.0
        unit = {1e6: "M ", 1e3: "k ", 1.0: ""}[size] + self.scenario.currency
        mean = np.array([three[name][0] / size for name in RULES])
        low, high = (np.array([three[name][k] / size for name in RULES]) for k in (1, 2))
        others = [name for name in RULES if name != "oracle"]
        best = max(others, key=lambda name: three[name][0])
        mine = three[rule]
        if not any(np.abs(t[0]) > 1e-9 for t in three.values()):
            title = self.text("board_none")
        elif rule != "oracle" and (mine[0] if unsure else mine[2]) < 0:
            title = self.text("board_harm" if goal == "customers" else "board_loss",
                              rule=self.pick(NAMES[rule]))  # fmt: skip
        elif (three[best][0] if unsure else three[best][1]) <= 0:
            title = self.text("board_unsure")
        else:
            second = max((n for n in others if n != best), key=lambda name: three[name].mean)
            ahead = interval(rows[best][key] - rows[second][key])
            title = self.text(
                "board_best" if unsure or ahead.sure else "board_close",
                best=self.pick(NAMES[best]),
                second=self.pick(NAMES[second]),
            )
        title = title[:1].upper() + title[1:]
        listed = ", ".join(f"{self.pick(NAMES[n])} {signed(m, 1)}" for n, m in zip(RULES, mean, strict=True))
        with self.board.drawing(f"{title}: {listed}") as (ax,):
            a = self._artists
            if "bars" not in a:
                a["bars"] = ax.barh(range(len(RULES)), mean, height=0.66)
                a["spread"] = [
                    ax.plot([0, 0], [k, k], color=OKABE_ITO["black"], lw=2)[0] for k in range(len(RULES))
                ]
                a["said"] = [
                    ax.annotate("", (0, k), (6, 0), textcoords="offset points", va="center", fontsize=14)
                    for k in range(len(RULES))
                ]
                ax.axvline(0, color=GREY, lw=1.2)
                ax.set_yticks(range(len(RULES)), [self.pick(NAMES[n]) for n in RULES])
                ax.invert_yaxis()
                ax.tick_params(axis="y", length=0)
                ax.grid(False, axis="y")
                ax.grid(True, axis="x")
            for k, name in enumerate(RULES):
                a["bars"][k].set_width(mean[k])
                a["bars"][k].set_color(COLOURS[name])
                a["bars"][k].set_alpha(1.0 if name == rule else 0.45)
                a["spread"][k].set_data([low[k], high[k]], [k, k])
                a["said"][k].xy = (max(high[k], mean[k], 0.0), k)
                a["said"][k].set_text(signed(mean[k], 1 if np.abs(mean).max() < 100 else 0))
                a["said"][k].set_fontweight("bold" if name == rule else "normal")
            span = max(float(max(high.max(), 0) - min(low.min(), 0)), 1e-9)
            ax.set_xlim(min(low.min(), 0) - 0.05 * span, max(high.max(), 0) + 0.36 * span)
            ax.set_xlabel(
                self.text("board_x_money", unit=unit) if goal == "money" else self.text("board_x_customers")
            )
            ax.set_title(fitted(title, self.language, 24))

    def _draw_curve(self, found: dict[str, Any], goal: str) -> None:
        """Profit, or customers kept, by the share called: this rule, chance and the oracle."""
        rule, curves = found["values"]["rule"], found["curves"]
        size = money_size(max(float(np.abs(c).max()) for c in curves.values())) if goal == "money" else 1.0
        unit = {1e6: "M ", 1e3: "k ", 1.0: ""}[size] + self.scenario.currency
        best = int(np.argmax(curves[rule]))
        name = self.pick(NAMES[rule])
        value = f"{curves[rule][best] / size:,.1f} {unit if goal == 'money' else self.text('customers')}"
        title = (
            self.text("curve_title", rule=name, share=100 * GRID[best], value=value)
            if curves[rule][best] > 0
            else self.text("curve_none", rule=name)
        )
        lines = {"oracle": curves["oracle"] / size, "random": curves["random"] / size,
                 "mine": curves[rule] / size}  # fmt: skip
        with self.curve.drawing(title) as (ax,):
            a = self._artists
            if "lines" not in a:
                a["lines"] = {
                    "oracle": ax.plot(GRID, GRID, color=OKABE_ITO["black"], lw=1.8, ls="--")[0],
                    "random": ax.plot(GRID, GRID, color="#8A8A8A", lw=1.8)[0],
                    "mine": ax.plot(GRID, GRID, lw=3.4)[0],
                }
                a["ends"] = {
                    key: ax.annotate("", (0, 0), (0, 5), textcoords="offset points", fontsize=14, va="bottom",
                                     ha="center", annotation_clip=False) for key in a["lines"]
                }  # fmt: skip
                a["mark"] = ax.plot([0], [0], "o", ms=10, mec="white", mew=1.6)[0]
                a["here"] = ax.axvline(10, color=GREY, lw=1, ls=":")
                ax.axhline(0, color=GREY, lw=1.2)
                ax.set_xlim(0, 100)
                ax.set_xlabel(self.text("curve_x"))
            share = found["values"]["share"]
            for key, line in a["lines"].items():
                line.set_data(100 * GRID, lines[key])
            a["lines"]["mine"].set_color(COLOURS[rule])
            a["mark"].set_color(COLOURS[rule])
            a["mark"].set_data([share], [np.interp(share / 100, GRID, lines["mine"])])
            a["here"].set_xdata([share, share])
            values = np.concatenate(list(lines.values()))
            span = max(float(values.max() - values.min()), 1e-9)
            # the names stand where the lines are farthest from one another
            places = {"oracle": 0.5, "random": 0.86, "mine": 0.86}
            for key, label in a["ends"].items():
                y = float(np.interp(places[key], GRID, lines[key]))
                label.xy = (100 * places[key], y)
                under = key == "random" and y <= float(np.interp(places[key], GRID, lines["mine"]))
                under = under or (key == "mine" and y < float(np.interp(places[key], GRID, lines["random"])))
                label.set_va("top" if under else "bottom")
                label.set_position((0, -5 if under else 5))
                label.set_text(
                    "" if key != "mine" and rule == key else self.pick(NAMES[key if key != "mine" else rule])
                )
                label.set_color(dark(COLOURS[key if key != "mine" else rule]))
            ax.set_ylim(values.min() - 0.1 * span, values.max() + 0.12 * span)
            ax.set_ylabel(
                self.text("board_x_money", unit=unit) if goal == "money" else self.text("curve_y_customers")
            )
            ax.set_title(fitted(title, self.language, 28))

    def _list_names(self, found: dict[str, Any]) -> None:
        """The first names on the list: what the firm sees, the truth, and the two lives."""
        lives, chosen = found["first"], found["chosen"][:8]
        # a soft hyphen, where the column is narrower than its word
        seen = [self.pick(SEEN[n]).replace("Complaints", "Com\u00adplaints") for n in FIRM]
        heads = [self.text("customer"), *seen, self.text("effect"),
                 self.text("fate")]  # fmt: skip
        rows = []
        for k in chosen:
            firm = {name: lives.firm[name][k] for name in FIRM}
            fate = {(1, 1): "stay", (0, 0): "gone", (0, 1): "saved", (1, 0): "harmed"}[
                int(lives.stay[k]), int(lives.stay_called[k])
            ]
            cells = [
                str(lives.ids[k]), signed(firm["risk_score"], 1), signed(firm["response_score"], 1),
                f"{firm['monthly_value']:,.0f}", f"{firm['tenure']:.0f}", f"{firm['complaints']:.0f}",
            ]  # fmt: skip
            tone = "cs-bad" if lives.effect[k] < 0 else "cs-good"
            rows.append(
                "".join(f"<td>{cell}</td>" for cell in cells)
                + f'<td class="cs-truth {tone}">{signed(1000 * lives.effect[k], 1)}</td>'
                + f'<td class="cs-truth">{html.escape(self.text(fate))}</td>'
            )
        head = "".join(f"<th>{html.escape(h)}</th>" for h in heads)
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        self.table.value = (
            f"<h3>{html.escape(self.text('names'))}</h3><small>{html.escape(self.text('names_help'))}</small>"
            f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        )


def _beside(pair: Pair) -> Pair:
    """The English word with the Chinese one beside it."""
    return f"{pair[0]} ({pair[1]})", pair[1]


def _standard(values: np.ndarray) -> np.ndarray:
    spread = float(values.std())
    return (values - values.mean()) / spread if spread > 1e-12 else np.zeros(values.size)
