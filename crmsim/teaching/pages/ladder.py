"""The ladder of the relationship as stock and flow: who stands on each rung, climbs, falls back, leaves.

Every rung has a lever of its own. The world with all levers untouched runs beside it on the same luck and
stands as a thin outline, so that a lever is seen to move its rung, and others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import ipywidgets
import numpy as np

from ...plots.style import GREY, OKABE_ITO, apart
from ...simulation.engine import simulate
from ...simulation.scenario import Scenario
from ...simulation.watch import WorldView
from ...vocabulary import RelationshipStage
from ..controls import Group, Number, Parameter
from ..page import Card, Page
from ..picture import Picture
from ..uncertainty import interval, signed
from ..words import Pair, term
from ..worker import Kept, Task
from .choices import preset_choice, with_quality

SOON, THOROUGH = 8, 40
RUNGS = len(RelationshipStage)
# months over which flows are added up
YEAR = 12
# the month from which bars keep one scale
SETTLED = 13
# one ramp, apart from that of the layers of loyalty
STAGE_COLOURS = ("#D9D9D9", "#F1E1BE", "#E2C487", "#CBA055", "#A67830", "#7A531A", "#4B300B")

# left and right ends of the four parts of the picture
PLACES = ((0.115, 0.375), (0.385, 0.53), (0.55, 0.695), (0.735, 0.9))

TEXT: dict[str, Pair] = {
    "look_group": ("Look", "查看"),
    "levers": ("A lever for each rung", "每一级一个杠杆"),
    "month": ("At the end of month", "第几月末"),
    "month_help": ("stocks then; flows of the twelve months before", "该月末的存量；此前十二个月的流量"),
    "win": ("to new: advertising", "到新客户：广告获客"),
    "win_help": ("share of all others won a year", "每年争取到的非客户比例"),
    "often": ("to repeat: buying", "到回头客：购买更频繁"),
    "often_help": ("reminders and offers to all buyers", "对全部购买者的提醒与优惠"),
    "cure": ("to repeat: payments cured", "到回头客：补救付款"),
    "cure_help": ("failed payments that are cured: they come back", "失败付款得到补救，客户得以续费"),
    "quality": ("to long-term: quality", "到长期客户：服务质量"),
    "quality_help": ("of every touchpoint, so that they stay", "各接触点的质量，使客户留下"),
    "sell": ("to premium: cross-selling", "到优质客户：交叉销售"),
    "sell_help": ("more sold at a time; the bound stays", "每次卖得更多；优质门槛不变"),
    "bind": ("to lifetime: switching cost", "到终身客户：转移成本"),
    "bind_help": ("added; from 60 points a tie counts", "额外增加；60分起算有约束"),
    "refer": ("to advocate: imitation", "到拥护者：口碑模仿"),
    "refer_help": ("what recommendations bring a year", "每年由推荐带来的客户"),
    "percent": ("%", "%"),
    "times": ("x the usual", "倍"),
    "points": ("points", "分"),
    "rung_0": ("potential", "潜在客户"),
    "rung_1": ("new", "新客户"),
    "rung_2": ("repeat", "回头客"),
    "rung_3": ("long-term", "长期客户"),
    "rung_4": ("premium", "优质客户"),
    "rung_5": ("lifetime", "终身客户"),
    "rung_6": ("advocate", "拥护者"),
    "stock": ("On each rung, people", "各级存量，人"),
    "flow": ("up, down a year", "年升降，人"),
    "leavers": ("left, % (people)", "年流失，%（人）"),
    "time": ("in thousands", "逐月，千人"),
    "month_axis": ("month", "月"),
    "customers": ("Customers", "客户"),
    "long": ("Long-term or above", "长期客户及以上"),
    "advocates": ("Advocates (拥护者)", "拥护者"),
    "worst": ("Most fall off at", "流失最多的一级"),
    "worst_detail": ("{n} of {all} who left in {months} months", "{months}个月流失{all}人中占{n}人"),
    "nobody_left": ("nobody left", "无人流失"),
    "detail": ("untouched {x} · {d}", "未改动{x} · {d}"),
    "detail_same": ("all levers untouched", "杠杆均未改动"),
    "sentence": (
        "In the {months} months up to month {month}, {climbed:,.0f} people became customers and "
        "{fell:,.0f} left, most from the rung {worst} ({n:,.0f}). {change}",
        "截至第{month}月的{months}个月中，{climbed:,.0f}人成为客户，{fell:,.0f}人离开，以{worst}一级最多"
        "（{n:,.0f}人）。{change}",
    ),
    "start": (
        "At the start all {n:,.0f} customers are on the rung {rung}. {change}",
        "开始时，{n:,.0f}名客户都在{rung}一级。{change}",
    ),
    "changed": (
        "Against the untouched world the levers move most the rung {rung}: {d} people ({low} to {high}); "
        "customers in all {total} ({tlow} to {thigh}).",
        "与未改动的世界相比，变化最大的一级是{rung}：{d}人（{low} 至 {high}）；客户总数{total}人"
        "（{tlow} 至 {thigh}）。",
    ),
    "changed_one": (
        "Against the untouched world the levers move most the rung {rung}: {d} people; customers in all "
        "{total}; one pair of worlds gives no interval yet.",
        "与未改动的世界相比，变化最大的一级是{rung}：{d}人；客户总数{total}人；一对世界尚无区间。",
    ),
    "unchanged": (
        "The fullest rung of customers is {rung} with {x:,.0f} ({low:,.0f} to {high:,.0f}). Move a lever.",
        "客户最多的一级是{rung}，{x:,.0f}人（{low:,.0f} 至 {high:,.0f}）。请拉动一个杠杆。",
    ),
    "foot": (
        "{scenario}, seed {seed}, {customers:,} customers at the start, pairs of worlds on the same luck: "
        "{n}, means and 95 % intervals; thin outline: all levers untouched; "
        "the bar of the potential is cut where it is longer{desk}",
        "{scenario}，种子{seed}，初始{customers:,}名客户，{n}对运气相同的世界，均值与95%区间；"
        "细框：杠杆未改动；潜在客户的条过长时截断{desk}",
    ),
    "desk": ("; no waiting at the hotline", "；不计热线等待"),
    "refine": ("more pairs of worlds: {k} of {n}", "更多成对的世界：{k}/{n}"),
}  # fmt: skip


class Ladder(Page):
    """Seven rungs from potential to advocate: stocks, flows, and where people fall off."""

    name = "ladder"
    texts = TEXT
    question = (
        "How do strangers become advocates, and where are they lost?",
        "陌生人如何成为拥护者，又在哪里流失？",
    )
    about = (
        "the relationship ladder as stock and flow, a lever for each rung",
        "关系阶梯的存量与流量，每级一个杠杆",
    )
    # a lifetime customer has been there for five years
    months = 96
    same_luck = True
    css = "layer_tower.css"

    def __init__(self, *given: Any, **more: Any) -> None:
        self._kept = Kept()
        super().__init__(*given, **more)

    def groups(self) -> Sequence[Group]:
        scenario, months = self.scenario, self.scenario.population.months
        told = scenario.acquisition.imitation
        second: Any = Number("often", TEXT["often"], 0, -50, 100, 5, TEXT["percent"], TEXT["often_help"])
        if scenario.purchase.contract:
            second = Parameter("payment.cure", label=TEXT["cure"], help=TEXT["cure_help"])
        return [
            Group(TEXT["look_group"], [
                preset_choice(self),
                Number("month", TEXT["month"], months, 0, months, 1, help=TEXT["month_help"], whole=True),
            ]),
            Group(TEXT["levers"], [
                Number("win", TEXT["win"], 1, 0, 4, 0.1, TEXT["times"], TEXT["win_help"]),
                second,
                Number("quality", TEXT["quality"], 0, -10, 10, 0.5, TEXT["points"], TEXT["quality_help"]),
                Number("sell", TEXT["sell"], 1, 0.5, 2, 0.05, TEXT["times"], TEXT["sell_help"]),
                Parameter("market.switching_cost_shift", -40, 40, label=TEXT["bind"],
                          help=TEXT["bind_help"]),
                Parameter("acquisition.imitation", 0, max(4 * told, 0.2), 0.01, label=TEXT["refer"],
                          help=TEXT["refer_help"]),
            ]),
        ]  # fmt: skip

    def build(self) -> Sequence[Any]:
        self.picture = Picture(8.9, 4.2, language=self.language, columns=4, dpi=150)
        self.picture.margins(0.115, 0.985, 0.05, 0.91)
        for ax, (left, right) in zip(self.picture.axes, PLACES, strict=True):
            ax.set_position((left, 0.135 if ax is self.picture.axes[3] else 0.05, right - left,
                             0.775 if ax is self.picture.axes[3] else 0.86))  # fmt: skip
        self._artists: dict[str, Any] = {}
        return [ipywidgets.VBox([self.picture.widget, self.player()])]

    # -- the worlds --------------------------------------------------------------------------------

    def compute(self, values: dict[str, Any], task: Task) -> Iterator[Any]:
        asked = {name: value for name, value in values.items() if name not in ("month", "run")}
        parts, before = self._kept.of((self.scenario, self.seed), tuple(asked.items()))
        base = self.scenario.replace(service__desk="none")
        world = self._world(values)
        same = world == base
        wanted = max(len(parts), THOROUGH if values["run"] else SOON)
        if parts:
            yield self._together(world, parts, before, values)
        while len(parts) < wanted:
            k = len(parts)
            if len(before) == k:
                before.append(self._one(base, k, task))
            # the bound of the premium rung stays where it is without the levers
            premium = before[k].premium
            parts.append(
                before[k] if same else self._one(world.replace(loyalty__premium_margin=premium), k, task)
            )
            if len(parts) in (1, wanted):
                yield self._together(world, parts, before, values)
            else:
                task.progress(len(parts), wanted, self.text("refine", k=len(parts), n=wanted))

    def _world(self, values: dict[str, Any]) -> Scenario:
        scenario, won = self.scenario.purchase, self.scenario.acquisition.external
        changes: dict[str, Any] = {"service__desk": "none"}
        if values["win"] != 1:
            changes["acquisition__external"] = won * values["win"]
        if values["sell"] != 1:
            money = "fee" if scenario.contract else "spend_scale"
            changes[f"purchase__{money}"] = getattr(scenario, money) * values["sell"]
        if values.get("often"):
            for kind in ("light_boost", "heavy_boost"):
                changes[f"purchase__{kind}"] = getattr(scenario, kind) + values["often"] / 100
        return with_quality(self.world(values, **changes), values["quality"])

    def _one(self, world: Scenario, k: int, task: Task) -> Flows:
        look = Climbing()
        simulate(world, [], self.seed, replication=k, stop=task.stop, progress=False, watch=look)
        return look.flows()

    def _together(
        self, world: Scenario, parts: list[Flows], before: list[Flows], values: dict[str, Any]
    ) -> dict[str, Any]:
        month = min(int(values["month"]), world.population.months)
        first = max(0, month - YEAR)
        year = slice(first, month)
        return {
            "world": world, "n": len(parts), "month": month, "months": month - first,
            # (worlds, months + 1, rungs); flows and leavers of the year (worlds, rungs)
            "stocks": np.array([part.stocks for part in parts]),
            "before": np.array([part.stocks for part in before[: len(parts)]]),
            "up": np.array([part.up[year].sum(axis=0) for part in parts]),
            "down": np.array([part.down[year].sum(axis=0) for part in parts]),
            "left": np.array([part.left[year].sum(axis=0) for part in parts]),
            "left_before": np.array([part.left[year].sum(axis=0) for part in before[: len(parts)]]),
            "exposed": np.array([part.exposed[year].sum(axis=0) for part in parts]),
            "exposed_before": np.array([part.exposed[year].sum(axis=0) for part in before[: len(parts)]]),
        }  # fmt: skip

    # -- what is shown -----------------------------------------------------------------------------

    def show(self, found: dict[str, Any]) -> None:
        month, months = found["month"], found["months"]
        now, was = found["stocks"][:, month], found["before"][:, month]
        touched = bool((now != was).any())
        left = found["left"].mean(axis=0)
        worst = int(left[1:].argmax()) + 1
        detail = self.text("nobody_left")
        if left.sum():
            detail = self.text(
                "worst_detail", n=f"{left[worst]:,.0f}", all=f"{left.sum():,.0f}", months=months
            )
        self.cards(
            self._card("customers", now[:, 1:].sum(axis=1), was[:, 1:].sum(axis=1), touched),
            self._card("long", now[:, 3:].sum(axis=1), was[:, 3:].sum(axis=1), touched),
            self._card("advocates", now[:, 6], was[:, 6], touched),
            Card(self.text("worst"), self.text(f"rung_{worst}") if left.sum() else "–", detail),
        )  # fmt: skip
        full = int(now.mean(axis=0)[1:].argmax()) + 1
        x = interval(now[:, full])
        change = self.text("unchanged", rung=self._rung(full), x=x.mean, low=x.low, high=x.high)
        if touched:
            differences = now - was
            most = int(np.abs(differences[:, 1:].mean(axis=0)).argmax()) + 1
            d, total = interval(differences[:, most]), interval(differences[:, 1:].sum(axis=1))
            change = self.text(
                "changed_one" if found["n"] == 1 else "changed", rung=self._rung(most), d=signed(d.mean),
                low=signed(d.low), high=signed(d.high), total=signed(total.mean), tlow=signed(total.low),
                thigh=signed(total.high),
            )  # fmt: skip
        if month:
            sentence = self.text(
                "sentence", months=months, month=month, climbed=found["up"][:, 1].mean(), fell=left.sum(),
                worst=self._rung(worst), n=left[worst], change=change,
            )  # fmt: skip
        else:
            sentence = self.text("start", n=now[:, 1:].sum(axis=1).mean(), rung=self._rung(full),
                                 change=change)  # fmt: skip
        population = found["world"].population
        foot = self.text(
            "foot", scenario=self.industry, seed=self.seed, n=found["n"],
            customers=round(population.size * population.initial_share),
            desk=self.text("desk") if self.scenario.service.desk != "none" else "",
        )  # fmt: skip
        self.say(sentence, foot)
        self._draw(found, touched)

    def _rung(self, rung: int) -> str:
        return term(RelationshipStage(rung), self.language)

    def _card(self, key: str, now: np.ndarray, was: np.ndarray, touched: bool) -> Card:
        if not touched:
            return Card(self.text(key), f"{now.mean():,.0f}", self.text("detail_same"))
        d = interval(now - was)
        range_ = f"{signed(d.low)} … {signed(d.high)}" if now.size > 1 else signed(d.mean)
        detail = self.text("detail", x=f"{was.mean():,.0f}", d=range_)
        return Card(self.text(key), f"{now.mean():,.0f}", detail, *d.arrow)

    def _draw(self, found: dict[str, Any], touched: bool) -> None:
        month = found["month"]
        stocks, before = found["stocks"].mean(axis=0), found["before"].mean(axis=0)
        now, was = stocks[month], before[month]
        # all begin as new customers; later months should not look small beside that one
        later = slice(min(SETTLED, len(stocks) - 1), None)
        end = 1.36 * max(
            *(float(each[:, 1:].max()) for each in (stocks[later], before[later])), *now[1:], *was[1:], 1.0
        )
        with self.picture.drawing(lambda: self.sentence) as axes:
            if not self._artists:
                self._begin_picture(axes)
            a = self._artists
            stock, _, leavers, time = axes
            stock.set_xlim(0, end)
            for rung in range(RUNGS):
                bar, outline, label, error = a["stock"][rung]
                over = rung == 0 and now[0] > 0.62 * end
                bar.set_width(0.62 * end if over else now[rung])
                outline.set_width(0.62 * end if over and was[0] > 0.62 * end else was[rung])
                outline.set_visible(touched)
                label.set_text(f"{now[rung]:,.0f}")
                x = interval(found["stocks"][:, month, rung])
                error.set_data(([], []) if over or found["n"] == 1 else ([x.low, x.high], [rung, rung]))
                label.set_x(0.02 * end + (0.62 * end if over else max(now[rung], was[rung], x.high)))
            self._draw_flows(found)
            share = 100 * found["left"].sum(axis=0) / np.maximum(found["exposed"].sum(axis=0), 1) * YEAR
            old = 100 * found["left_before"].sum(axis=0) / np.maximum(found["exposed_before"].sum(axis=0), 1)
            old = old * YEAR
            wide = 2.1 * max(float(share.max()), float(old.max()), 5.0)
            leavers.set_xlim(0, wide)
            for rung in range(1, RUNGS):
                bar, outline, label = a["left"][rung]
                bar.set_width(share[rung])
                outline.set_width(old[rung])
                outline.set_visible(touched)
                people = found["left"][:, rung].mean()
                label.set_text(f"{share[rung]:.0f} ({people:,.0f})" if people >= 0.5 else "0")
                label.set_x(max(share[rung], old[rung]) + 0.03 * wide)
            self._draw_time(found, stocks, before, touched, time)

    def _draw_flows(self, found: dict[str, Any]) -> None:
        up, down = found["up"].mean(axis=0), found["down"].mean(axis=0)
        most = max(float(up[1:].max()), 1.0)
        for boundary in range(1, RUNGS):
            arrow_up, text_up, arrow_down, text_down = self._artists["flow"][boundary]
            for arrow, text, flow in ((arrow_up, text_up, up), (arrow_down, text_down, down)):
                some = flow[boundary] >= 0.5
                arrow.set_visible(some)
                arrow.set_linewidth(1.2 + 5 * flow[boundary] / most)
                text.set_text(f"{flow[boundary]:,.0f}" if some else "")

    def _draw_time(
        self, found: dict[str, Any], stocks: np.ndarray, before: np.ndarray, touched: bool, ax: Any
    ) -> None:
        a, last = self._artists, stocks.shape[0] - 1
        customers, old = stocks[:, 1:], before[:, 1:].sum(axis=1)
        edges = np.concatenate([np.zeros((last + 1, 1)), np.cumsum(customers, axis=1)], axis=1)
        ax.set_xlim(0, last)
        top = 1.04 * max(float(edges[:, -1].max()), float(old.max()), 1.0)
        ax.set_ylim(0, top)
        months = np.arange(last + 1)
        for rung in range(1, RUNGS):
            low, high = edges[:, rung - 1], edges[:, rung]
            corners = np.column_stack([np.r_[months, months[::-1]], np.r_[low, high[::-1]]])
            a["areas"][rung].set_xy(corners)
        a["before"].set_data(months, old)
        a["before"].set_visible(touched)
        a["cursor"].set_xdata([found["month"], found["month"]])
        # named at the right end, where there is room
        thick = np.diff(edges[-1])
        middles = edges[-1][:-1] + thick / 2
        names = [k for k in range(RUNGS - 1) if thick[k] > 0.015 * top]
        places = apart([float(middles[k]) for k in names], [0.068 * top] * len(names), 0, top)
        for k in range(RUNGS - 1):
            label = a["names"][k + 1]
            label.set_visible(k in names)
            if k in names:
                label.set_position((1.03 * last, places[names.index(k)]))

    def _begin_picture(self, axes: Sequence[Any]) -> None:
        from matplotlib.patches import FancyArrowPatch, Polygon

        stock, flow, leavers, time = axes
        a = self._artists = {"stock": {}, "left": {}, "flow": {}, "areas": {}, "names": {}}
        for ax, key in ((stock, "stock"), (flow, "flow"), (leavers, "leavers"), (time, "time")):
            ax.grid(False)
            ax.set_title(self.drawn(key), fontsize=12.5, x=0)
        for ax in (stock, flow, leavers):
            ax.set_ylim(-0.55, RUNGS - 0.45)
            ax.spines[:].set_visible(False)
            ax.set_xticks([])
            ax.set_yticks([])
        stock.spines["left"].set_visible(True)
        leavers.spines["left"].set_visible(True)
        stock.set_yticks(range(RUNGS), [self.drawn(f"rung_{k}") for k in range(RUNGS)])
        stock.tick_params(axis="y", length=0)
        flow.set_xlim(0, 1)
        for k in range(RUNGS):
            bar = stock.barh(k, 0, 0.7, color=STAGE_COLOURS[k], hatch="//" if k == 0 else None,
                             edgecolor="white", linewidth=0)[0]  # fmt: skip
            outline = stock.barh(k, 0, 0.7, fill=False, edgecolor="black", linewidth=1.1)[0]
            error = stock.plot([], [], color="black", lw=2, solid_capstyle="butt")[0]
            a["stock"][k] = (bar, outline, stock.text(0, k, "", va="center", fontsize=14), error)
            if k == 0:
                continue
            bar = leavers.barh(k, 0, 0.7, color=STAGE_COLOURS[k])[0]
            outline = leavers.barh(k, 0, 0.7, fill=False, edgecolor="black", linewidth=1.1)[0]
            a["left"][k] = (bar, outline, leavers.text(0, k, "", va="center", fontsize=12.5))
            pair = []
            for x, ends, colour, where in ((0.1, (k - 0.85, k - 0.15), "blue", 0.17),
                                           (0.6, (k - 0.15, k - 0.85), "vermillion", 0.68)):  # fmt: skip
                arrow = FancyArrowPatch((x, ends[0]), (x, ends[1]), arrowstyle="-|>", mutation_scale=13,
                                        color=OKABE_ITO[colour], shrinkA=0, shrinkB=0)  # fmt: skip
                flow.add_patch(arrow)
                pair += [arrow, flow.text(where, k - 0.5, "", va="center", fontsize=12.5)]
            a["flow"][k] = pair
            a["areas"][k] = time.add_patch(Polygon([(0, 0)], closed=True, color=STAGE_COLOURS[k], lw=0))
            a["names"][k] = time.text(0, 0, self.drawn(f"rung_{k}"), va="center", fontsize=12)
        a["before"] = time.plot([], [], color="black", lw=1.4)[0]
        a["cursor"] = time.axvline(0, color=GREY, lw=1.4, ls=":")
        time.set_xlabel(self.drawn("month_axis"))
        time.yaxis.set_major_formatter(lambda x, _: f"{x / 1000:g}")
        time.tick_params(labelsize=12)


class Flows(NamedTuple):
    """Stocks at each month's end (months + 1, rungs), the start first; and, month by month, the crossings
    of the boundary below each rung, upwards and downwards, those who left from it, and those who stood on
    it when the month began (months, rungs). `premium`: the margin from which a customer is premium."""

    stocks: np.ndarray
    up: np.ndarray
    down: np.ndarray
    left: np.ndarray
    exposed: np.ndarray
    premium: float


class Climbing:
    """Watches who stands on which rung at each month's beginning, after its arrivals."""

    def __init__(self) -> None:
        self._stocks: list[np.ndarray] = []
        self._moves: list[tuple[np.ndarray, ...]] = []
        self._stage = np.zeros(0, dtype=np.int64)
        self._active = np.zeros(0, dtype=bool)
        self._premium, self._came = 0.0, 0

    def __call__(self, month: int, world: WorldView) -> None:
        active = world.column("active") > 0
        stage = world.column("stage").astype(np.int64)
        # whoever came with this month was not there at the end of the last
        there = active & (world.column("joined") < month) if month else active
        stock = np.bincount(stage[there], minlength=RUNGS)
        population, market = world.scenario.population, world.scenario.market
        stock[0] = max(round(market.size * population.size) - int(there.sum()), 0)
        self._stocks.append(stock)
        if month:
            before, known = self._stage, self._active.size
            stayed = self._active & active[:known]
            pairs = np.bincount(RUNGS * before[stayed] + stage[:known][stayed], minlength=RUNGS**2)
            moved = pairs.reshape(RUNGS, RUNGS)
            # a customer may skip a rung, and then crosses two boundaries
            up, down = (np.array([way[:k, k:].sum() for k in range(RUNGS)]) for way in (moved, moved.T))
            up[1] += self._came
            left = np.bincount(before[self._active & ~active[:known]], minlength=RUNGS)
            exposed = np.bincount(before[self._active], minlength=RUNGS)
            self._moves.append((up, down, left, exposed))
            # found from those there at the start, and known to the levers a month later
            self._premium = world.parameter("premium_margin")
        self._came = int((active & (world.column("joined") == month)).sum()) if month else 0
        self._stage, self._active = stage, active

    def flows(self) -> Flows:
        up, down, left, exposed = (np.array(each) for each in zip(*self._moves, strict=True))
        return Flows(np.array(self._stocks), up, down, left, exposed, self._premium)
