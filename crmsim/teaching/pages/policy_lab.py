"""The policy lab: the same customers with a policy and without, on the same luck."""

from __future__ import annotations

import html
import math
from collections.abc import Iterator, Sequence
from typing import Any

import ipywidgets
import numpy as np
from matplotlib import ticker
from scipy import stats

from ...plots.style import GREY, OKABE_ITO
from ...simulation.engine import simulate
from ...simulation.lives import trace
from ...simulation.scenario import Scenario
from ...vocabulary import ChurnCause, LoyaltyLayer
from .. import story
from ..controls import Group, Parameter
from ..page import Card, Page
from ..picture import Picture
from ..tiles import Tiles
from ..uncertainty import Interval, interval, signed
from ..words import Pair, term
from ..worker import Task
from .choices import (
    DESK,
    make_policy,
    policy_choice,
    policy_pair,
    preset_choice,
    quality,
    strength,
    with_quality,
)

PEOPLE = 20
# measures whose cost is that of the service desk
SERVICE = (*DESK[1:], "hire_clerks")
# English names that want a verb without s
MANY = (
    "fault_reduction", "simplify", "payment_channels", "four_problems", "hire_agents", "extend_hours",
    "raise_crews", "notices_by_sms", "retention_call",
)  # fmt: skip
# replications shown at once after the first, and by Run
SOON, THOROUGH = 8, 40
# the parts of the change of equity, in the order of the waterfall
PARTS = ("longer", "sooner", "others", "acquisition", "service", "policy")

TEXT: dict[str, Pair] = {
    "kept": ("Kept, of a thousand", "每千名多留住"),
    "kept_detail": ("{low} … {high} after {n} years", "{low} … {high}，{n}年后"),
    "equity": ("Customer equity (客户资产)", "客户资产"),
    "cost": ("Policy cost", "策略成本"),
    "return": ("Return on the policy", "策略回报"),
    "return_detail": ("equity per unit spent", "每单位支出"),
    "return_none": ("nothing is spent: it costs margin", "没有支出，代价在毛利中"),
    "with": ("with the policy", "有策略"),
    "without": ("without", "无策略"),
    "axis": ("customers still there, %", "初始客户留存，%"),
    "month": ("month", "月"),
    "good": ("{name} keep{s} {n} customers in a thousand", "{name}：每千名客户多留住{n}名"),
    "bad": ("{name} lose{s} {n} customers in a thousand", "{name}：每千名客户多流失{n}名"),
    "none": ("{name} keep{s} nobody for certain", "{name}：未能确定留住客户"),
    "few": ("less than 1", "不到1"),
    "money": ("Where the money went", "钱花到哪里去了"),
    "money_good": ("Where the money went: equity rises by {n} {unit}", "钱的去向：客户资产增加{n} {unit}"),
    "money_bad": ("Where the money went: equity falls by {n} {unit}", "钱的去向：客户资产减少{n} {unit}"),
    "longer": ("stay\nlonger", "留得\n更久"),
    "sooner": ("leave\nsooner", "提前\n离开"),
    "others": ("all\nothers", "其余\n客户"),
    "acquisition": ("winning\nnew", "获客"),
    "service": ("service", "服务"),
    "policy": ("policy", "策略"),
    "net": ("equity", "客户\n资产"),
    "range": ("{low} to {high}", "{low} 至 {high}"),
    "sentence": (
        "Of 1,000 customers, {a} are still there after {months} months without the policy, {b} with it: {d} "
        "({range}). Equity changes by {money} {currency}, with {cost} spent on the policy; "
        "satisfaction (满意度) by {points} points.",
        "每千名客户中，{months}个月后无策略留存{a}名，有策略{b}名：{d}名（{range}）。客户资产变化"
        "{money} {currency}，策略支出{cost}；满意度变化{points}分。",
    ),
    "desk": (
        " Callers answered in time: {a} without, {b} with it.",
        "及时接听的来电：无策略{a}，有策略{b}。",
    ),
    "one": ("one pair of worlds, no interval yet", "仅一对世界，尚无区间"),
    "foot": (
        "{scenario}, seed {seed}, {customers:,} customers, {n} {pairs} of worlds on the same luck (Run takes "
        "{all}); intervals and band of the difference: 95 %",
        "{scenario}，种子{seed}，{customers:,}名客户，{n}对运气相同的世界（运行：{all}对）；区间与差异带为95%",
    ),
    "pair": ("pair", ""),
    "pairs": ("pairs", ""),
    "refine": ("more pairs of worlds: {k} of {n}", "更多成对的世界：{k}/{n}"),
    "twenty": ("Twenty customers, {months} months", "二十位客户的{months}个月"),
    "twenty_help": (
        "A row is a customer, a tile a month in the colour of the loyalty layer; a mark where and why they "
        "leave. Choose a row and ask why.",
        "每行一位客户，每格一个月，颜色为忠诚层次；标记为何时、为何离开。选择一行，再问原因。",
    ),
    "parted": ("The other life ends otherwise for {who}.", "换一种人生，结局不同的有：{who}。"),
    "same": ("All of them end alike in both lives.", "两种人生中，他们的结局都相同。"),
    "why": ("Why?", "为什么？"),
    "close": ("Close", "关闭"),
    "choose": (
        "Choose a customer's row first: click it, or use the arrow keys.",
        "请先点选一位客户的行，或用方向键。",
    ),
    "other_left": (
        "In the other life ({life}) they leave in month {month}: {cause}.",
        "在另一种人生中（{life}），第{month}个月离开：{cause}。",
    ),
    "other_stays": ("In the other life ({life}) they stay.", "在另一种人生中（{life}），该客户留了下来。"),
}  # fmt: skip


class PolicyLab(Page):
    """Two worlds on the same luck: who stays, what it costs, whose life changes."""

    name = "policy-lab"
    texts = TEXT
    question = ("Which policy keeps customers, and does it pay?", "哪种策略能留住客户？划算吗？")
    about = ("twin worlds on the same luck: people and money", "运气相同的两个世界：客户与金钱")
    same_luck = True
    # the last world without a policy, and what its replications gave
    _before: tuple[Scenario, dict[int, dict[str, Any]]] | None = None
    css = "policy_lab.css"

    def groups(self) -> Sequence[Group]:
        scenario, market = self.scenario, self.scenario.market
        desk, contract = scenario.service.desk != "none", scenario.purchase.contract
        firm: list[Any] = [
            quality(),
            Parameter("complaint.resolved"),
        ]
        if desk:
            firm.append(Parameter("service.agents", 0.25, 3, 0.25))
        elif contract:
            firm.append(Parameter("payment.cure"))
        else:
            firm.append(Parameter("complaint.fast"))
        # the policy first: it is what the question asks about
        return [
            Group(("The policy", "策略"), [
                policy_choice(scenario, "dunning", ("Measure", "措施")),
                strength(),
            ]),
            Group(("The world", "世界"), [
                preset_choice(self),
                Parameter("market.openness"),
                Parameter("market.alternative_mean", max(0, market.alternative_mean - 20),
                          min(100, market.alternative_mean + 20)),
            ]),
            Group(("The firm", "企业"), firm),
        ]  # fmt: skip

    def build(self) -> Sequence[Any]:
        self.kept = Picture(6.6, 3.25, language=self.language, dpi=170)
        self.money = Picture(6.6, 2.6, language=self.language, dpi=170)
        self._artists: dict[str, Any] = {}
        self.tiles = Tiles(layers=[term(word, self.language) for word in LoyaltyLayer],
                           causes=[term(word, self.language) for word in ChurnCause],
                           label=self.text("twenty", months=self.scenario.population.months))  # fmt: skip
        before = getattr(self, "life", None)
        self.life = ipywidgets.ToggleButtons(
            options=[(self.text("with"), 1), (self.text("without"), 0)],
            value=1 if before is None else before.value,
            layout=ipywidgets.Layout(width="auto"),
        )
        self.life.observe(lambda _: self.guard(self._other_life), names="value")
        self.why = ipywidgets.Button(description=self.text("why"))
        self.why.on_click(lambda _: self.guard(self._explain))
        self.tiles.observe(lambda _: self.guard(self._other_row), names="chosen")
        self.parted = ipywidgets.HTML()
        self.parted.add_class("cs-small")
        # the answer opens over the curves, where it can be read beside the row it is about
        self.answer = ipywidgets.HTML()
        shut = ipywidgets.Button(description=self.text("close"))
        shut.on_click(lambda _: self._open(False))
        self.panel_why = ipywidgets.VBox([shut, self.answer])
        self.panel_why.add_class("cs-why")
        self._open(False)
        title = html.escape(self.text("twenty", months=self.scenario.population.months))
        head = ipywidgets.HTML(f"<h3>{title}</h3>{html.escape(self.text('twenty_help'))}")
        head.add_class("cs-small")
        people = ipywidgets.VBox([head, ipywidgets.HBox([self.life, self.why]), self.tiles, self.parted])
        curves = ipywidgets.VBox([self.kept.widget, self.words, self.money.widget, self.panel_why])
        curves.add_class("cs-curves")
        row = ipywidgets.HBox([curves, people])
        row.add_class("cs-lab-row")
        return [row]

    # -- the worlds --------------------------------------------------------------------------------

    def compute(self, values: dict[str, Any], task: Task) -> Iterator[Any]:
        world = with_quality(self.world(values), values["quality"])
        chosen = make_policy(values["policy"], values["strength"])
        follow = list(range(min(PEOPLE, round(world.population.size * world.population.initial_share))))
        rows: list[Any] = []
        wanted = THOROUGH if values["run"] else SOON
        lives: list[Any] = []
        for k in range(wanted):
            pair = [self._one(world, policies, k, follow, task) for policies in ([], [chosen])]
            if k == 0:
                lives = [side["life"] for side in pair]
            rows.append(_compared(*pair))
            if k == 0 or k == wanted - 1:
                yield {"world": world, "policy": chosen, "name": values["policy"], "rows": list(rows),
                       "lives": lives, "follow": follow}  # fmt: skip
            if k < wanted - 1:
                task.progress(k + 1, wanted, self.text("refine", k=k + 1, n=wanted))

    def _one(
        self, world: Scenario, policies: list[Any], k: int, follow: list[int], task: Task
    ) -> dict[str, Any]:
        """One world in numbers. The worlds without a policy are kept: a new policy needs only its own."""
        if not policies:
            if self._before is None or self._before[0] != world:
                self._before = (world, {})
            if k in self._before[1]:
                return self._before[1][k]
        ledger = Ledger()
        run = simulate(
            world, policies, self.seed, replication=k, stop=task.stop, progress=False,
            follow=follow if k == 0 else (), watch=ledger,
        )  # fmt: skip
        found = _figures(run, ledger)
        if k == 0:
            found["life"] = (run.path("layer"), ledger.exits(len(follow)))
        if not policies and self._before is not None:
            self._before[1][k] = found
        return found

    # -- what is shown -----------------------------------------------------------------------------

    def show(self, found: dict[str, Any]) -> None:
        world, rows = found["world"], found["rows"]
        kept = np.array([row["kept"] for row in rows])  # (worlds, 2, months + 1)
        money = {key: np.array([row[key] for row in rows]) for key in (*PARTS, "equity", "cost")}
        d, low, high = interval(1000 * (kept[:, 1, -1] - kept[:, 0, -1]))
        equity, cost = money["equity"], money["cost"]
        months, currency = world.population.months, world.currency
        unsure = len(rows) == 1
        within = self.text("kept_detail", low=signed(low), high=signed(high), n=f"{months / 12:g}")
        self.cards(
            Card(self.text("kept"), signed(d), self.text("one") if unsure else within,
                 *Interval(d, low, high).arrow),
            self._money_card("equity", equity, currency, unsure),
            self._money_card("cost", cost, currency, unsure, plain=True),
            self._return_card(equity, cost, unsure),
        )  # fmt: skip
        self._draw_kept(kept, found["name"], d, low, high, unsure)
        self._draw_money(money, currency, world.service.desk != "none")
        self._show_lives()
        a, b = (f"{1000 * x:.0f}" for x in kept[:, :, -1].mean(axis=0))
        ends = self.text("one") if unsure else self.text("range", low=signed(low), high=signed(high))
        points = np.array([row["satisfaction"] for row in rows])
        sentence = self.text(
            "sentence", a=a, b=b, d=signed(d), range=ends, months=months,
            money=signed(equity.mean()), currency=currency, cost=f"{cost.mean():,.0f}",
            points=signed((points[:, 1] - points[:, 0]).mean(), 1),
        )  # fmt: skip
        if "in_time" in rows[0]:
            a, b = (f"{x:.0%}" for x in np.mean([row["in_time"] for row in rows], axis=0))
            sentence += self.text("desk", a=a, b=b)
        self.say(
            sentence,
            self.text("foot", scenario=self.industry, seed=self.seed, customers=world.population.size,
                      n=len(rows), pairs=self.text("pair" if unsure else "pairs"), all=THOROUGH),
        )  # fmt: skip

    def _money_card(
        self, key: str, values: np.ndarray, currency: str, unsure: bool, plain: bool = False
    ) -> Card:
        mean, low, high = interval(values)
        m, a, b = (f"{x:,.0f}" if plain else signed(x) for x in (mean, low, high))
        detail = self.text("one") if unsure else f"{a} … {b} {currency}"
        arrow = ("", "") if plain else Interval(mean, low, high).arrow
        return Card(self.text(key), f"{m} {currency}", detail, *arrow)

    def _return_card(self, equity: np.ndarray, cost: np.ndarray, unsure: bool) -> Card:
        if cost.mean() <= 0:
            return Card(self.text("return"), "–", self.text("return_none"))
        mean, low, high = interval(equity / cost.mean())
        detail = self.text("return_detail")
        if not unsure:
            detail = f"{signed(low, 1)} … {signed(high, 1)} · {detail}"
        return Card(self.text("return"), f"{signed(mean, 1)} ×", detail, *Interval(mean, low, high).arrow)

    def _draw_kept(
        self, kept: np.ndarray, policy_name: str, d: float, low: float, high: float, unsure: bool
    ) -> None:
        x, mean = np.arange(kept.shape[2]), 100 * kept.mean(axis=0)
        key = "good" if low > 0 else "bad" if high < 0 else "none"
        if unsure:
            key = "good" if d > 0.5 else "bad" if d < -0.5 else "none"
        s = "" if policy_name.partition(":")[0] in MANY else "s"
        n = f"{abs(d):.0f}" if abs(d) >= 0.5 else self.text("few")
        title = self.text(key, name=self.pick(policy_pair(policy_name)), n=n, s=s)
        title = title[:1].upper() + title[1:]
        half = np.zeros(x.size)
        if not unsure:
            spread = np.std(kept[:, 1] - kept[:, 0], axis=0, ddof=1)
            half = 100 * float(stats.t.ppf(0.975, len(kept) - 1)) * spread / math.sqrt(len(kept))
        with self.kept.drawing(title) as (ax,):
            a = self._artists
            black, blue = OKABE_ITO["black"], OKABE_ITO["blue"]
            if "kept" not in a:
                a["areas"] = []
                a["kept"] = [
                    ax.plot(x, mean[0], color=black, lw=1.6)[0],
                    ax.plot(x, mean[1], color=blue, lw=3.0)[0],
                ]
                a["ends"] = [
                    ax.annotate("", (0, 0), (8, 0), textcoords="offset points", color=c, fontsize=14,
                                annotation_clip=False, linespacing=1.05)
                    for c in (black, blue)
                ]  # fmt: skip
                ax.set_xlabel(self.text("month"))
                ax.set_ylabel(self.text("axis"))
                ax.xaxis.set_major_locator(ticker.MultipleLocator(12))
            for line, y in zip(a["kept"], mean, strict=True):
                line.set_data(x, y)
            for area in a["areas"]:
                area.remove()
            a["areas"] = [
                ax.fill_between(x, mean[0], mean[1], color=OKABE_ITO["sky"], alpha=0.25, lw=0),
                ax.fill_between(x, mean[1] - half, mean[1] + half, color=blue, alpha=0.35, lw=0),
            ]
            above = mean[1, -1] >= mean[0, -1]
            for k, label in enumerate(a["ends"]):
                label.xy = (x[-1], mean[k, -1])
                label.set_text(f"{self.text('with' if k else 'without')}\n{mean[k, -1]:.1f} %")
                up = above == bool(k)
                label.set_va("bottom" if up else "top")
                label.set_position((8, 1 if up else -1))
            # the floor moves in steps, so that a small change of a slider moves the lines, not the axis
            floor = max(0.0, 20 * math.floor((mean.min() - 5) / 20))
            ax.set_xlim(0, x[-1])
            ax.set_ylim(floor, 100 + 0.02 * (100 - floor))
            ax.set_title(title)

    def _draw_money(self, money: dict[str, np.ndarray], currency: str, desk: bool) -> None:
        keys = [key for key in PARTS if key != "service" or desk or np.abs(money[key]).max() > 0]
        parts = np.array([money[key].mean() for key in keys])
        ends = np.cumsum(parts)
        bottoms = np.append(ends - parts, 0.0)
        heights = np.append(parts, money["equity"].mean())
        _, low, high = interval(money["equity"])
        size = next((s for s in (1e6, 1e3) if np.abs([*ends, *heights]).max() >= 10 * s), 1.0)
        unit = {1e6: "M ", 1e3: "k ", 1.0: ""}[size] + currency
        which = "money_good" if low > 0 else "money_bad" if high < 0 else "money"
        words = self.text(which, n=f"{abs(heights[-1]) / size:,.0f}", unit=unit)
        sentence = f"{words}: " + ", ".join(
            f"{self.text(key)} {signed(height / size)} {unit}".replace("\n", " ")
            for key, height in zip((*keys, "net"), heights, strict=True)
        )
        with self.money.drawing(sentence) as (ax,):
            a, last = self._artists, len(keys)
            if "bars" not in a or len(a["bars"]) != last + 1:
                ax.clear()
                ax.spines[["top", "right"]].set_visible(False)
                a["bars"] = ax.bar(range(last + 1), heights, width=0.66)
                a["labels"] = [ax.text(k, 0, "", ha="center", fontsize=14) for k in range(last + 1)]
                a["links"] = [ax.plot([], [], color=GREY, lw=1)[0] for _ in keys]
                a["error"] = ax.plot([], [], color=OKABE_ITO["black"], lw=2.5)[0]
                ax.axhline(0, color=GREY, lw=1)
                ax.set_xticks(range(last + 1), [self.text(key) for key in (*keys, "net")], fontsize=13)
                ax.tick_params(axis="x", length=0)
            top = np.maximum(bottoms + heights, bottoms) / size
            foot = np.minimum(bottoms + heights, bottoms) / size
            span = max(float(max(top.max(), high / size) - min(foot.min(), low / size)), 1e-9)
            for k, bar in enumerate(a["bars"]):
                bar.set_y(bottoms[k] / size)
                bar.set_height(heights[k] / size)
                # colours of causes and layers mean something else: gains light, losses grey, the sum deep
                bar.set_color(
                    OKABE_ITO["blue"] if k == last else OKABE_ITO["sky"] if heights[k] > 0 else "#8C8C8C"
                )
                a["labels"][k].set_text(signed(heights[k] / size))
                edge = max(top[k], high / size) if k == last else top[k]
                a["labels"][k].set_position((k, edge + 0.03 * span))
            for k, link in enumerate(a["links"]):
                link.set_data([k + 0.33, k + 0.67], [ends[k] / size, ends[k] / size])
            a["error"].set_data([last, last], [low / size, high / size])
            ax.set_ylim(min(foot.min(), low / size, 0) - 0.06 * span,
                        max(top.max(), high / size, 0) + 0.2 * span)  # fmt: skip
            ax.set_ylabel(unit)
            ax.set_title(words)

    # -- twenty people -----------------------------------------------------------------------------

    def _show_lives(self) -> None:
        if self.found is None:
            return
        lives, follow = self.found["lives"], self.found["follow"]
        layers, exits = lives[self.life.value]
        self.tiles.show(layers, exits, follow)
        apart = [f"#{who}" for who, a, b in zip(follow, lives[0][1], lives[1][1], strict=True) if a != b]
        told = self.text("parted", who=", ".join(apart)) if apart else self.text("same")
        self.parted.value = f"<span>{html.escape(told)}</span>"
        if self._is_open:
            self._explain()

    def _other_life(self) -> None:
        self._show_lives()

    def _other_row(self) -> None:
        """Another row was chosen: an open answer follows it."""
        if self._is_open:
            self._explain()

    def _open(self, wanted: bool) -> None:
        self._is_open = wanted
        self.panel_why.layout.display = "" if wanted else "none"

    def _explain(self) -> None:
        """Why the chosen customer left or stayed: the trace of the last month in the life shown."""
        found, side, row = self.found, self.life.value, self.tiles.chosen
        if found is None or not 0 <= row < len(found["follow"]):
            self.answer.value = f"<p>{html.escape(self.text('choose'))}</p>"
            self._open(True)
            return
        who = found["follow"][row]
        month = found["lives"][side][1][row][0]
        last = found["world"].population.months - 1
        told = trace(
            found["world"], customer=who, month=month if month >= 0 else last,
            policies=[found["policy"]] if side else [], seed=self.seed,
        )  # fmt: skip
        other_month, other = found["lives"][1 - side][1][row]
        life = self.text("without" if side else "with")
        more = self.text("other_stays", life=life)
        if other_month >= 0:
            word = term(ChurnCause(other), self.language)
            more = self.text("other_left", life=life, month=other_month + 1, cause=word)
        first, *rest = (html.escape(sentence) for sentence in (*story.summary(told, self.language), more))
        self.answer.value = (
            f'<p class="cs-because"><b>{first}</b> {" ".join(rest)}</p>'
            f'<div class="cs-trace">{story.table(told, self.language)}</div>'
        )
        self._open(True)


class Ledger:
    """Watches a world and adds up what each customer brought, discounted, in the order of joining."""

    def __init__(self) -> None:
        self.brought = np.zeros(0)
        # of those who left, month and code of the cause; the number of months and 0 of all others
        self.last_month, self.cause = np.zeros(0), np.zeros(0, dtype=int)
        self._known = np.zeros(0)
        self._discount = 0.0

    def __call__(self, month: int, world: Any) -> None:
        so_far = world.column("historical_value").astype(float)
        known = np.zeros(so_far.size)
        known[: self._known.size] = self._known
        brought = np.zeros(so_far.size)
        brought[: self.brought.size] = self.brought
        self.brought = brought + self._discount * (so_far - known)
        self._known = so_far
        self._discount = (1 + world.scenario.firm.discount_rate) ** (-month / 12)
        if month == world.scenario.population.months:
            left = world.column("left")
            gone = (world.column("active") == 0) & (left >= 0)
            self.last_month = np.where(gone, left, month)
            self.cause = np.where(gone, world.column("cause"), 0).astype(int)

    def exits(self, number: int) -> list[tuple[int, int]]:
        """Month and cause of leaving of the first customers, -1 and 0 for those still there."""
        pairs = zip(self.last_month[:number], self.cause[:number], strict=True)
        return [(int(month), int(cause)) if cause else (-1, 0) for month, cause in pairs]


def _figures(run: Any, ledger: Ledger) -> dict[str, Any]:
    """One world in numbers: money discounted, costs above zero."""
    months = run.monthly
    discount = months["discount"].to_numpy()

    def total(name: str) -> float:
        return float((months[name] * discount).sum())

    purchase, population = run.scenario.purchase, run.scenario.population
    served = purchase.cost_to_serve * total("at_risk") + purchase.contact_cost * total("complaints")
    desk = [name for name in run.costs.columns if name in SERVICE]
    operated = float(run.costs[desk].sum(axis=1).to_numpy() @ discount) if desk else 0.0
    initial = round(population.size * population.initial_share)
    found = {
        "kept": run.survival().to_numpy(),
        "margin": total("margin") + served,  # before service, which has its own bar
        "acquisition": total("acquisition_cost"),
        "service": served + operated,
        "cost": total("policy_cost"),
        "policy": total("policy_cost") - operated,
        "equity": run.equity,
        "satisfaction": float(months["satisfaction"].iloc[-12:].mean()),
        "brought": ledger.brought[:initial],
        "last_month": ledger.last_month[:initial],
    }
    if run.scenario.service.desk != "none":
        found["in_time"] = float(run.service["service_level"].mean())
    return found


def _compared(without: dict[str, Any], having: dict[str, Any]) -> dict[str, Any]:
    """What changes between the two worlds. Money that comes in is above zero."""
    change = having["brought"] - without["brought"]
    later = having["last_month"] - without["last_month"]
    longer, sooner = float(change[later > 0].sum()), float(change[later < 0].sum())
    row = {name: without[name] - having[name] for name in ("acquisition", "service", "policy")}
    row |= {
        "kept": np.array([without["kept"], having["kept"]]),
        "longer": longer,
        "sooner": sooner,
        # new customers, and those who stay as long either way
        "others": having["margin"] - without["margin"] - longer - sooner,
        "equity": having["equity"] - without["equity"],
        "cost": having["cost"] - without["cost"],
        "satisfaction": [without["satisfaction"], having["satisfaction"]],
    }
    if "in_time" in without:
        row["in_time"] = [without["in_time"], having["in_time"]]
    return row
