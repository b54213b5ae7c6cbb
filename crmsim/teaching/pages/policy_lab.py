"""The policy lab: the same customers with a policy and without, on the same luck."""

from __future__ import annotations

import html
import math
from collections.abc import Iterator, Sequence
from typing import Any

import ipywidgets
import numpy as np
from scipy import stats

from ...plots.style import GREY, OKABE_ITO
from ...simulation.engine import simulate
from ...simulation.lives import trace
from ...simulation.policies import LIBRARY, policy
from ...simulation.scenario import Scenario
from ...vocabulary import ChurnCause, LoyaltyLayer
from ..controls import Choice, Group, Number, Parameter
from ..page import Card, Page
from ..picture import Picture
from ..tiles import Tiles
from ..words import Pair, policy_name, term
from ..worker import Task

PEOPLE = 20
# the measures a lecture begins with; the water utility has its own
POLICIES = (
    "dunning", "payment_channels", "complaint_handling", "encourage_complaints", "quality_control",
    "fault_reduction", "service_quality", "personalisation", "staff_skill", "price_cut",
    "switching_contract", "loyalty_programme", "retention_call:target=risk",
    "retention_call:target=value", "retention_call:target=uplift", "retention_call:target=random",
)  # fmt: skip
# replications shown at once after the first, and by Run
SOON, THOROUGH = 8, 40

TEXT: dict[str, Pair] = {
    "kept": ("Customers kept", "留住的客户"),
    "kept_detail": ("in a thousand, after {n} years", "每千名客户，{n}年后"),
    "equity": ("Customer equity", "客户资产"),
    "cost": ("Policy cost", "策略成本"),
    "return": ("Return on the policy", "策略回报"),
    "return_detail": ("change of equity per unit spent", "每单位支出带来的客户资产变化"),
    "same": ("{word}, discounted", "{word}，折现"),
    "with": ("with the policy", "有策略"),
    "without": ("without", "无策略"),
    "axis": ("initial customers still there, %", "初始客户留存，%"),
    "month": ("month", "月"),
    "good": ("{name} keeps {n} customers in a thousand", "{name}每千名客户多留住{n}名"),
    "bad": ("{name} loses {n} customers in a thousand", "{name}每千名客户多流失{n}名"),
    "none": ("{name} keeps nobody for certain", "{name}未能确定留住客户"),
    "money": ("Where the money went", "钱花到哪里去了"),
    "margin": ("margin of\nthose kept", "留存客户\n毛利"),
    "acquisition": ("winning\nnew ones", "获客\n成本"),
    "policy": ("the policy", "策略\n成本"),
    "net": ("customer\nequity", "客户资产"),
    "sentence": (
        "Of a thousand customers, {a} are still there after {months} months without the policy and {b} with "
        "it: {d} ({low} to {high}); equity changes by {money} {currency}, of which the policy cost "
        "{cost}.",
        "每千名客户中，{months}个月后无策略时留存{a}名，有策略时{b}名：相差{d}名（{low} 至 {high}）；"
        "客户资产变化{money} {currency}，策略成本为{cost}。",
    ),
    "one": ("one world only, no interval yet", "仅一个世界，尚无区间"),
    "foot": (
        "{scenario}, seed {seed}, {customers:,} customers, {n} pairs of worlds on the same luck; "
        "intervals of 95 %",
        "{scenario}，种子{seed}，{customers:,}名客户，{n}对运气相同的世界；95%区间",
    ),
    "refine": ("more pairs of worlds: {k} of {n}", "更多成对的世界：{k}/{n}"),
    "twenty": ("Twenty customers, sixty months", "二十位客户的六十个月"),
    "twenty_help": (
        "Each row is one customer, each tile a month in the colour of the loyalty layer; a mark where and "
        "why they leave. Choose a row and ask why.",
        "每行一位客户，每格一个月，颜色表示忠诚层次；标记表示何时、为何离开。选择一行，再问原因。",
    ),
    "life": ("Shown", "显示"),
    "why": ("Why?", "为什么？"),
    "choose": ("Choose a customer's row first.", "请先选择一位客户。"),
    "strength": ("Strength of the policy", "策略力度"),
    "strength_help": (
        "spending against the usual; effects have diminishing returns; a call reaches more people",
        "相对通常支出；效果递减；电话挽留则覆盖更多客户",
    ),
    "quality": ("Quality of every touchpoint", "各接触点质量"),
    "quality_help": ("moves the level of all touchpoints together", "同时移动所有接触点的质量水平"),
}  # fmt: skip


class PolicyLab(Page):
    """Two worlds on the same luck: who stays, what it costs, whose life changes."""

    name = "policy-lab"
    question = ("Which policy keeps customers, and does it pay?", "哪种策略能留住客户？划算吗？")
    about = ("twin worlds on the same luck: people and money", "运气相同的两个世界：客户与金钱")
    same_luck = True
    css = "policy_lab.css"

    def text(self, key: str, **values: Any) -> str:
        return self.pick(TEXT[key]).format(**values)

    def groups(self) -> Sequence[Group]:
        presets = [(name, (name.replace("_", " "), PRESETS.get(name, ""))) for name in Scenario.presets()]
        if self.scenario.name not in Scenario.presets():
            presets.insert(0, (self.scenario.name, (self.scenario.name, "")))
        market = self.scenario.market
        names = [*POLICIES, *(["four_problems"] if self.scenario.name == "water_utility" else [])]
        return [
            Group(("The world", "世界"), [
                Choice("preset", ("Industry", "行业"), presets, self.scenario.name),
                Parameter("market.openness"),
                Parameter("market.alternative_mean", max(0, market.alternative_mean - 20),
                          min(100, market.alternative_mean + 20)),
            ]),
            Group(("The firm", "企业"), [
                Number("quality", TEXT["quality"], 0, -10, 10, 0.5, ("points", "分"), TEXT["quality_help"]),
                Parameter("complaint.resolved"),
                Parameter("payment.cure"),
            ]),
            Group(("The policy", "策略"), [
                Choice("policy", ("Measure", "措施"), [(n, _policy_pair(n)) for n in names], "dunning"),
                Number("strength", TEXT["strength"], 1.0, 0.0, 4.0, 0.1, ("x the usual", "倍"),
                       TEXT["strength_help"]),
            ]),
        ]  # fmt: skip

    def build(self) -> Sequence[Any]:
        self.kept = Picture(6.6, 3.5, language=self.language, dpi=170)
        self.money = Picture(6.6, 2.9, language=self.language, dpi=170)
        self._artists: dict[str, Any] = {}
        self.tiles = Tiles(layers=[term(word, self.language) for word in LoyaltyLayer],
                           causes=[term(word, self.language) for word in ChurnCause],
                           label=self.text("twenty"))  # fmt: skip
        self.life = ipywidgets.ToggleButtons(
            options=[(self.text("with"), 1), (self.text("without"), 0)],
            layout=ipywidgets.Layout(width="auto"),
        )
        self.life.observe(lambda _: self.guard(self._show_lives), names="value")
        self.why = ipywidgets.Button(description=self.text("why"))
        self.why.on_click(lambda _: self.guard(self._explain))
        self.answer = ipywidgets.HTML()
        title, help = html.escape(self.text("twenty")), html.escape(self.text("twenty_help"))
        head = f"<h3>{title}</h3><small>{help}</small>"
        people = ipywidgets.VBox(
            [ipywidgets.HTML(head), ipywidgets.HBox([self.life, self.why]), self.tiles, self.answer]
        )
        curves = ipywidgets.VBox([self.kept.widget, self.words, self.money.widget])
        row = ipywidgets.HBox([curves, people])
        row.add_class("cs-lab-row")
        return [row]

    # -- the worlds --------------------------------------------------------------------------------

    def compute(self, values: dict[str, Any], task: Task) -> Iterator[Any]:
        world = self._world(values)
        chosen = self._policy(values)
        follow = self._people(world)
        rows: list[Any] = []
        wanted = THOROUGH if values["run"] else SOON
        for k in range(wanted):
            pair = [
                simulate(world, policies, self.seed, replication=k, stop=task.stop, progress=False,
                         follow=follow if k == 0 else ())
                for policies in ([], [chosen])
            ]  # fmt: skip
            if k == 0:
                lives = [(run.path("layer"), _exits(run, follow)) for run in pair]
            rows.append([_figures(run) for run in pair])
            if k == 0 or k == wanted - 1:
                yield {"world": world, "policy": chosen, "rows": rows, "lives": lives, "follow": follow}
            else:
                task.progress(k + 1, wanted, self.text("refine", k=k + 1, n=wanted))

    def _world(self, values: dict[str, Any]) -> Scenario:
        world = self.world(values)
        if not values["quality"]:
            return world
        moved = {
            f"touchpoints__{t.name}__quality": min(100.0, max(0.0, t.quality + values["quality"]))
            for t in world.touchpoints
        }
        return world.replace(**moved)

    def _policy(self, values: dict[str, Any]) -> Any:
        name, strength = values["policy"], values["strength"]
        if name.startswith("retention_call"):
            return policy(f"{name},share={min(1.0, 0.05 * strength):.4f}")
        return policy(f"{name}:effort={strength:g}")

    def _people(self, world: Scenario) -> list[int]:
        return list(range(min(PEOPLE, world.population.size)))

    # -- what is shown -----------------------------------------------------------------------------

    def show(self, found: dict[str, Any]) -> None:
        world, rows = found["world"], found["rows"]
        name = self.pick(_policy_pair(self.panel.values["policy"]))
        kept = np.array([[side["kept"] for side in pair] for pair in rows])  # (worlds, 2, months + 1)
        money = {
            key: np.array([pair[1][key] - pair[0][key] for pair in rows])
            for key in ("margin", "acquisition", "policy", "equity")
        }
        gain = 1000 * (kept[:, 1, -1] - kept[:, 0, -1])
        d, low, high = _interval(gain)
        equity, cost = money["equity"], -money["policy"]
        months, currency = world.population.months, world.currency
        unsure = len(rows) == 1
        self.cards(
            Card(self.text("kept"), f"{d:+.0f}".replace("-", "−"),
                 self.text("one") if unsure else f"{low:+.0f} … {high:+.0f} · "
                 + self.text("kept_detail", n=f"{months / 12:g}"), *_arrow(low, high, unsure)),
            self._money_card("equity", equity, currency, unsure),
            self._money_card("cost", cost, currency, unsure, plain=True),
            self._return_card(equity, cost, unsure),
        )  # fmt: skip
        self._draw_kept(kept, name, d, low, high, unsure)
        self._draw_money(money, currency)
        self._lives = found
        self._show_lives()
        a, b = (f"{1000 * x:.0f}" for x in kept[:, :, -1].mean(axis=0))
        digits = ("—", "—") if unsure else (f"{low:+.0f}", f"{high:+.0f}")
        self.say(
            self.text("sentence", a=a, b=b, d=f"{d:+.0f}", low=digits[0], high=digits[1], months=months,
                      money=f"{equity.mean():+,.0f}", currency=currency, cost=f"{cost.mean():,.0f}"),
            self.text("foot", scenario=world.name, seed=self.seed, customers=world.population.size,
                      n=len(rows)),
        )  # fmt: skip

    def _money_card(
        self, key: str, values: np.ndarray, currency: str, unsure: bool, plain: bool = False
    ) -> Card:
        mean, low, high = _interval(values)
        sign = "" if plain else "+"
        detail = self.text("one") if unsure else f"{low:{sign},.0f} … {high:{sign},.0f} {currency}"
        arrow = ("", "") if plain else _arrow(low, high, unsure)
        return Card(self.text(key), f"{mean:{sign},.0f} {currency}", detail, *arrow)

    def _return_card(self, equity: np.ndarray, cost: np.ndarray, unsure: bool) -> Card:
        if cost.mean() <= 0:
            return Card(self.text("return"), "–", self.text("return_detail"))
        mean, low, high = _interval(equity / cost.mean())
        detail = self.text("return_detail") if unsure else f"{low:+.1f} … {high:+.1f}"
        return Card(self.text("return"), f"{mean:+.1f} ×", detail, *_arrow(low, high, unsure))

    def _draw_kept(
        self, kept: np.ndarray, name: str, d: float, low: float, high: float, unsure: bool
    ) -> None:
        x, mean = np.arange(kept.shape[2]), 100 * kept.mean(axis=0)
        key = "good" if low > 0 else "bad" if high < 0 else "none"
        if unsure:
            key = "good" if d > 0.5 else "bad" if d < -0.5 else "none"
        title = self.text(key, name=name, n=f"{abs(d):.0f}")
        title = title[:1].upper() + title[1:]
        with self.kept.drawing(title) as (ax,):
            a = self._artists
            if "kept" not in a:
                a["kept"] = [
                    ax.plot(x, mean[0], color=OKABE_ITO["black"], lw=1.6)[0],
                    ax.plot(x, mean[1], color=OKABE_ITO["blue"], lw=3.4)[0],
                ]
                a["ends"] = [
                    ax.annotate("", (0, 0), (8, dy), textcoords="offset points", va=va, color=c, fontsize=15,
                                annotation_clip=False)
                    for c, dy, va in ((OKABE_ITO["black"], -2, "top"), (OKABE_ITO["blue"], 2, "bottom"))
                ]  # fmt: skip
                a["between"] = None
                ax.set_xlabel(self.text("month"))
                ax.set_ylabel(self.text("axis"))
            for line, y in zip(a["kept"], mean, strict=True):
                line.set_data(x, y)
            if a["between"] is not None:
                a["between"].remove()
            a["between"] = ax.fill_between(x, mean[0], mean[1], color=OKABE_ITO["sky"], alpha=0.3, lw=0)
            for k, label in enumerate(a["ends"]):
                above = mean[1, -1] >= mean[0, -1]
                label.xy = (x[-1], mean[k, -1])
                label.set_text(f"{self.text('with' if k else 'without')}\n{mean[k, -1]:.1f} %")
                up = above == bool(k)
                label.set_va("bottom" if up else "top")
                label.set_position((8, 2 if up else -2))
            ax.set_xlim(0, x[-1])
            ax.set_ylim(0, 102)
            ax.set_title(title)

    def _draw_money(self, money: dict[str, np.ndarray], currency: str) -> None:
        keys = ("margin", "acquisition", "policy")
        parts = np.array([money[key].mean() for key in keys])
        ends = np.cumsum(parts)
        bottoms = np.concatenate([ends - parts, [0.0]])
        heights = np.append(parts, money["equity"].mean())
        size = next((s for s in (1e6, 1e3) if np.abs([*ends, *heights]).max() >= 10 * s), 1.0)
        unit = {1e6: "M ", 1e3: "k ", 1.0: ""}[size] + currency
        words = self.text("money")
        _, low, high = _interval(money["equity"])
        sentence = f"{words}: " + ", ".join(
            f"{self.text(key)} {height / size:+,.0f} {unit}".replace("\n", " ")
            for key, height in zip((*keys, "net"), heights, strict=True)
        )
        with self.money.drawing(sentence) as (ax,):
            a = self._artists
            if "bars" not in a:
                a["bars"] = ax.bar(range(4), heights, width=0.62)
                a["labels"] = [ax.text(k, 0, "", ha="center", fontsize=15) for k in range(4)]
                a["error"] = ax.plot([3, 3], [0, 0], color=OKABE_ITO["black"], lw=2)[0]
                ax.axhline(0, color=GREY, lw=1)
                ax.set_xticks(range(4), [self.text(key) for key in (*keys, "net")])
                ax.tick_params(axis="x", length=0)
            top = np.maximum(bottoms + heights, bottoms) / size
            foot = np.minimum(bottoms + heights, bottoms) / size
            span = max(float(max(top.max(), high / size) - min(foot.min(), low / size)), 1e-9)
            for k, bar in enumerate(a["bars"]):
                bar.set_y(bottoms[k] / size)
                bar.set_height(heights[k] / size)
                colour = OKABE_ITO["green"] if heights[k] >= 0 else OKABE_ITO["vermillion"]
                bar.set_color(OKABE_ITO["blue"] if k == 3 and heights[k] >= 0 else colour)
                a["labels"][k].set_text(f"{heights[k] / size:+,.0f}".replace("-", "−"))
                edge = max(top[k], high / size) if k == 3 else top[k]
                a["labels"][k].set_position((k, edge + 0.03 * span))
            a["error"].set_data([3, 3], [low / size, high / size])
            ax.set_ylim(min(foot.min(), low / size, 0) - 0.06 * span,
                        max(top.max(), high / size, 0) + 0.18 * span)  # fmt: skip
            ax.set_ylabel(unit)
            ax.set_title(words)

    # -- twenty people -----------------------------------------------------------------------------

    def _show_lives(self) -> None:
        found = getattr(self, "_lives", None)
        if found is None:
            return
        layers, exits = found["lives"][self.life.value]
        self.tiles.show(layers, exits, found["follow"])

    def _explain(self) -> None:
        """The trace of the chosen customer's last month in the life shown."""
        row = self.tiles.chosen
        if row < 0:
            self.answer.value = f"<p>{html.escape(self.text('choose'))}</p>"
            return
        found, side = self._lives, self.life.value
        who = found["follow"][row]
        layers, exits = found["lives"][side]
        month = int(exits[row][0]) if exits[row][0] >= 0 else layers.shape[1] - 1
        told = trace(
            found["world"], customer=who, month=month, policies=[found["policy"]] if side else [],
            seed=self.seed,
        )  # fmt: skip
        self.answer.value = f'<div class="cs-trace">{told._repr_html_()}</div>'


PRESETS = {
    "retail": "零售商店",
    "subscription": "订阅服务",
    "water_utility": "A市供水",
    "car_repair": "汽车维修",
}
TARGET = {
    "risk": ("risk", "风险"),
    "value": ("value", "价值"),
    "uplift": ("uplift", "增益"),
    "random": ("chance", "随机"),
}


def _policy_pair(name: str) -> Pair:
    kind, _, rest = name.partition(":target=")
    english, chinese = policy_name(kind)
    if rest:
        by = TARGET[rest]
        return f"{english} by {by[0]}", f"{chinese}（按{by[1]}）" if chinese else ""
    assert kind in LIBRARY
    return english, chinese


def _figures(run: Any) -> dict[str, Any]:
    months = run.monthly
    discount = months["discount"].to_numpy()
    return {
        "kept": run.survival().to_numpy(),
        "margin": float((months["margin"] * discount).sum()),
        "acquisition": -float((months["acquisition_cost"] * discount).sum()),
        "policy": -float((months["policy_cost"] * discount).sum()),
        "equity": run.equity,
    }


def _exits(run: Any, follow: Sequence[int]) -> list[tuple[int, int]]:
    """Month and cause of leaving, -1 and 0 for those still there."""
    people = run.customers.loc[list(follow), ["left_month", "cause"]]
    found = []
    for left, cause in people.itertuples(index=False):
        gone = isinstance(cause, str)
        found.append((int(left), int(ChurnCause.from_key(cause))) if gone else (-1, 0))
    return found


def _interval(values: np.ndarray) -> tuple[float, float, float]:
    """Mean and 95 % interval (Student's t over pairs of worlds); the mean thrice for a single one."""
    mean, n = float(np.mean(values)), values.size
    if n < 2:
        return mean, mean, mean
    half = float(stats.t.ppf(0.975, n - 1) * np.std(values, ddof=1) / math.sqrt(n))
    return mean, mean - half, mean + half


def _arrow(low: float, high: float, unsure: bool) -> tuple[str, str]:
    if unsure or low <= 0 <= high:
        return "", ""
    return ("▲", "good") if low > 0 else ("▼", "bad")
