"""The RFM cube: 125 cells, a test mailing, whom to mail, and a forecast as the rival ordering."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ...analysis import rfm, value
from ...data.transactions import repeat_summary
from ...plots.style import GREY, OKABE_ITO
from ...simulation.engine import simulate
from ..controls import Choice, Group, Number
from ..page import Card, Page
from ..picture import Picture
from ..uncertainty import Interval
from ..words import Pair
from ..worker import Task

START = "2024-01-01"
# English sets a space before the sign
# the longest period after the scores that a control asks for, months
AHEAD = 6
GAP = 0.6
RIVALS: dict[str, Pair] = {
    "expected": ("BG/NBD: expected purchases (预期购买)", "BG/NBD 预期购买次数"),
    "alive": ("BG/NBD: P(alive) (活跃概率)", "BG/NBD 活跃概率 P(alive)"),
    "digits": ("RFM digits alone, 555 to 111", "仅按RFM得分，555 至 111"),
}
SHORT: dict[str, Pair] = {
    "expected": ("expected purchases", "预期购买"),
    "alive": ("P(alive)", "活跃概率"),
    "digits": ("555 to 111", "555 至 111"),
}

TEXT: dict[str, Pair] = {
    "gain": ("Gain over mailing all (盈亏)", "相对全部邮寄的盈利"),
    "mailed": ("Customers mailed", "邮寄客户"),
    "mailed_detail": ("of {n:,}; {cells} of {filled} cells", "共{n:,}名；{filled}格中的{cells}格"),
    "even": ("Break-even (盈亏平衡回应率)", "盈亏平衡回应率"),
    "even_detail": ("all customers: {rate:.1%}", "全体客户：{rate:.1%}"),
    "rival": ("By {name}", "按{name}"),
    "rival_detail": ("to the cells: {low:+,.0f} … {high:+,.0f}", "与单元格之差：{low:+,.0f} … {high:+,.0f}"),
    "rival_wait": ("is being fitted …", "正在拟合……"),
    "percent": ("{share:.1%}", "{share:.1%}"),
    "cube": (
        "{chosen} of {filled} cells are worth it; cell {best} bought most often, {high:.0%}",
        "{filled}格中{chosen}格值得邮寄；测试中{best}购买率最高，{high:.0%}",
    ),
    "panel": ("R = {r}", "R = {r}"),
    "latest": ("R = {r}, latest", "R = {r}，最近"),
    "oldest": ("R = {r}, longest ago", "R = {r}，最久"),
    "f": ("frequency F, 1 to 5 in every panel", "消费频率 F，各图由 1 至 5"),
    "m": ("money M", "消费金额 M"),
    "rate": ("bought, %", "购买，%"),
    "bars": ("Cells, best test response first", "按测试购买率排列的单元格"),
    "bars_y": ("bought, %", "购买，%"),
    "bars_x": ("cells with customers", "有客户的单元格"),
    "profit": ("Profit by how many are mailed", "盈利与邮寄比例"),
    "profit_x": ("customers mailed, best first, %", "邮寄比例（由好到差），%"),
    "profit_y": ("profit, {unit}", "盈利，{unit}"),
    "thousand": ("thousand {currency}", "千{currency}"),
    "cells": ("cells", "单元格"),
    "chance": ("by lot", "随机"),
    "sentence": (
        "Mailing the cells above {even:.1%} reaches {n:,} of {all:,} customers and earns {profit:,.0f} "
        "{currency}; mailing everybody earns {everybody:,.0f}, so the choice {verb} {gain:,.0f} ({low:+,.0f} "
        "to {high:+,.0f}).{more}",
        "邮寄高于{even:.1%}的单元格，覆盖{all:,}名客户中的{n:,}名，盈利{profit:,.0f} {currency}；全部邮寄为"
        "{everybody:,.0f}，因此选择{verb}{gain:,.0f}（{low:+,.0f} 至 {high:+,.0f}）。{more}",
    ),
    "saves": ("gains", "多赚"),
    "loses": ("loses", "少赚"),
    "rival_sentence": (
        " Ordered by {name}, as many letters earn {d:,.0f} {word} ({low:+,.0f} to {high:+,.0f}).",
        "若按{name}排序邮寄同样多，则{word}{d:,.0f}（{low:+,.0f} 至 {high:+,.0f}）。",
    ),
    "more": ("more", "多赚"),
    "less": ("less", "少赚"),
    "nobody": (
        "No cell of the test lies above the break-even of {even:.1%}, so nobody is mailed; mailing everybody "
        "would bring {everybody:,.0f} {currency}.",
        "测试中没有单元格高于盈亏平衡{even:.1%}，因此不邮寄；全部邮寄的盈利为{everybody:,.0f} {currency}。",
    ),
    "foot": (
        "{scenario}, seed {seed}, {customers:,} customers at the start; scored after {at} months, test on "
        "{test:,} drawn by lot, profit of the other {rest:,}; response: bought in the next {ahead} {months}, "
        "with or without a letter; intervals of 95 %",
        "{scenario}，种子{seed}，初始{customers:,}名客户；{at}个月后打分，随机抽取{test:,}名测试，盈利按其余"
        "{rest:,}名计算；回应指其后{ahead}个月内购买（无论是否因邮寄）；95%区间",
    ),
    "contract": (
        "{scenario} bills by contract: it has no purchases to score. Take retail or car_repair.",
        "{scenario}按合同计费，没有可打分的购买记录。请用 retail 或 car_repair。",
    ),
    "few": (
        "{n} customers had bought by month {at}: too few to draw a test from",
        "到第{at}月只有{n}名客户购买过，不足以抽取测试",
    ),
}  # fmt: skip


class RfmCube(Page):
    """Fifths of recency, frequency and money; a test mailing; profit of mailing the cells that pay."""

    name = "rfm"
    texts = TEXT
    question = ("RFM: which cells are worth a letter?", "RFM：哪些客户值得邮寄？")
    about = ("125 cells, break-even, and a forecast as rival", "125个单元格、盈亏平衡，以及预测模型的对照")
    preset = "retail"
    months = 30
    _kept: Any = None

    def groups(self) -> Sequence[Group]:
        last = max(self.scenario.population.months - AHEAD, 3)
        money = (self.scenario.currency, self.scenario.currency)
        return [
            Group(("Scores (打分)", "打分"), [
                Choice("method", ("Fifths (五等分)", "五等分方法"),
                       [("nested", ("nested", "嵌套")), ("independent", ("independent", "独立"))], "nested",
                       ("nested: F within R, M within F, cells of one size; independent: each by itself",
                        "嵌套：R内分F，F内分M，各格人数相近；独立：各自五等分"), buttons=True),
                Number("at", ("Scored after", "打分时点"), min(18, last), 3, last, 1, ("months", "月"),
                       ("purchases known by then give the scores", "以此前的购买打分"), whole=True),
                Number("ahead", ("Response within", "回应期"), 1, 1, AHEAD, 1, ("months", "月"),
                       ("bought in the time that follows", "其后一段时间内购买"), whole=True),
            ]),
            Group(("The mailing (邮寄)", "邮寄"), [
                Number("cost", ("Cost of a contact (每次联系成本)", "每次联系成本"), 2.0, 0.1, 10, 0.1, money,
                       ("break-even = cost / margin", "盈亏平衡 = 成本 / 毛利")),
                Number("margin", ("Margin of a response (每次回应毛利)", "每次回应毛利"), 12.0, 2, 60, 0.5,
                       money),
                Number("test", ("Test mailing (测试邮寄)", "测试邮寄"), 30, 5, 80, 1,
                       ("% of customers", "% 客户"),
                       ("rates come from the test, profit from the rest", "比率来自测试，盈利来自其余客户"),
                       whole=True),
                Choice("rule", ("Mail a cell if", "邮寄条件"),
                       [("rate", ("its rate pays", "回应率高于平衡")),
                        ("low", ("it surely pays", "下限高于平衡"))], "rate",
                       ("surely: the lower end of the 95 % interval", "下限：95%区间的下端"), buttons=True),
                Choice("rival", ("Rival ordering", "对照排序"), list(RIVALS.items()), "expected"),
            ]),
        ]  # fmt: skip

    def build(self) -> Sequence[Any]:
        self.cube = Picture(8.9, 2.35, language=self.language, dpi=150)
        self.below = Picture(8.9, 2.45, language=self.language, columns=2, dpi=150)
        self._artists: dict[str, Any] = {}
        return [self.cube.widget, self.below.widget]

    # -- the shop and its mailing ------------------------------------------------------------------

    def _shop(self, task: Task) -> dict[str, Any]:
        """The log of the world's purchases, and what was computed from it."""
        if self._kept is None or self._kept["scenario"] is not self.scenario:
            if self.scenario.purchase.contract:
                raise ValueError(self.text("contract", scenario=self.industry))
            run = simulate(self.scenario, seed=self.seed, stop=task.stop, progress=False)
            self._kept = {"scenario": self.scenario, "log": run.transactions(START), "models": {}}
        return dict(self._kept)

    def compute(self, values: dict[str, Any], task: Task) -> Iterator[Any]:
        shop = self._shop(task)
        log, at, ahead = shop["log"], int(values["at"]), int(values["ahead"])
        cut, until = (_day_before(at), _day_before(at + ahead))
        known = rfm.summarise(log, cut)
        scored = rfm.later(rfm.score(known, method=values["method"]), log, cut, until)
        n = len(scored)
        size = round(n * values["test"] / 100)
        if size < 10 or n - size < 10:
            raise ValueError(self.text("few", n=n, at=at))
        # who is in the test stays so as the other controls move
        luck = np.random.default_rng([self.seed, at]).random(n)
        tested = np.zeros(n, dtype=bool)
        tested[np.argsort(luck, kind="stable")[:size]] = True
        test, rest = scored[tested], scored[~tested]
        response = rfm.cells(test, "bought")
        plan = rfm.mailing(response, values["cost"], values["margin"], rate=values["rule"],
                           file=rfm.cells(rest))  # fmt: skip
        found = {"values": values, "plan": plan, "rest": rest, "test": size,
                 "result": outcome(rest, plan, luck[~tested])}  # fmt: skip
        if values["rival"] != "digits" and at not in shop["models"]:
            yield {**found, "rival": None}
        order = self._order(values["rival"], shop, rest, at, ahead)
        yield {**found, "rival": rival(rest, plan, order, luck[~tested])}

    def _order(self, name: str, shop: dict[str, Any], rest: pd.DataFrame, at: int, ahead: int) -> np.ndarray:
        """What the rival sorts the customers by, the largest first."""
        if name == "digits":
            return rest["cell"].astype(int).to_numpy(dtype=float)
        if at not in shop["models"]:
            history = repeat_summary(shop["log"], until=_day_before(at))
            shop["models"][at] = (
                history,
                value.fit_bgnbd(*(history[c] for c in ("frequency", "recency", "T"))),
            )
        history, model = shop["models"][at]
        mine = history.loc[rest.index]
        past = [mine[c].to_numpy() for c in ("frequency", "recency", "T")]
        if name == "alive":
            return np.asarray(model.probability_alive(*past))
        return np.asarray(model.conditional_expected_purchases(ahead * 365.25 / 12 / 7, *past))

    # -- what is shown -----------------------------------------------------------------------------

    def show(self, found: dict[str, Any]) -> None:
        values, plan, result, rest = (found[k] for k in ("values", "plan", "result", "rest"))
        currency, table = self.scenario.currency, plan.table
        filled, chosen = int((table["customers"] > 0).sum()), len(plan.chosen)
        gain, low, high = result["gain"]
        name, told = self.pick(SHORT[values["rival"]]), found["rival"]
        rate = float(rest["bought"].mean())
        self.cards(
            Card(self.text("gain"), f"{gain:+,.0f} {currency}", f"{low:+,.0f} … {high:+,.0f}",
                 *Interval(gain, low, high).arrow),
            Card(self.text("mailed"), f"{result['mailed']:,}",
                 self.text("mailed_detail", n=len(rest), cells=chosen, filled=filled)),
            Card(self.text("even"), self.text("percent", share=plan.break_even),
                 self.text("even_detail", rate=rate)),
            Card(self.text("rival", name=name), "…" if told is None else f"{told['profit']:,.0f} {currency}",
                 self.text("rival_wait") if told is None
                 else self.text("rival_detail", low=told["gain"][1], high=told["gain"][2]),
                 *(("", "") if told is None else Interval(*told["gain"]).arrow)),
        )  # fmt: skip
        more = ""
        if told is not None and result["mailed"]:
            d = told["gain"][0]
            more = self.text("rival_sentence", name=name, d=abs(d), low=told["gain"][1], high=told["gain"][2],
                             word=self.text("more" if d >= 0 else "less"))  # fmt: skip
        what = dict(even=plan.break_even, everybody=result["everybody"], currency=currency)
        sentence = self.text("nobody", **what)
        if result["mailed"]:
            verb = self.text("saves" if gain >= 0 else "loses")
            sentence = self.text("sentence", n=result["mailed"], all=len(rest), profit=result["profit"],
                                 gain=abs(gain), low=low, high=high, more=more, verb=verb,
                                 **what)  # fmt: skip
        self._draw_cube(table, plan, filled, chosen)
        self._draw_below(table, plan, result, told, name)
        self.say(sentence, self.text(
            "foot", scenario=self.industry, seed=self.seed, customers=self.scenario.population.size,
            at=int(values["at"]), ahead=int(values["ahead"]), test=found["test"],
            months="month" if values["ahead"] == 1 else "months",
            rest=len(rest)))  # fmt: skip

    def _draw_cube(self, table: pd.DataFrame, plan: Any, filled: int, chosen: int) -> None:
        top = int(table["r"].max())
        best = table["rate"].idxmax()
        title = self.text("cube", best=best, high=float(table["rate"].max()), chosen=chosen, filled=filled)
        rates = 100 * table["rate"].to_numpy(dtype=float)
        keys = table[["r", "f", "m"]].to_numpy()
        wide, a = top + GAP, self._artists
        with self.cube.drawing(title) as (ax,):
            if "cells" not in a:
                from matplotlib import colormaps
                from matplotlib.collections import LineCollection, PolyCollection

                empty = colormaps["cividis"].with_extremes(bad="#EEEEEE")
                squares = [_square((top - r) * wide + f - 1, m - 1) for r, f, m in keys]
                a["cells"] = ax.add_collection(
                    PolyCollection(squares, cmap=empty, edgecolors="white", linewidths=1)
                )
                a["cells"].set_clim(0, 100)
                a["mailed"] = ax.add_collection(
                    LineCollection([], colors=OKABE_ITO["vermillion"], linewidths=2.2, capstyle="projecting")
                )
                a["key"] = self.cube.figure.colorbar(a["cells"], ax=ax, pad=0.01, fraction=0.03, aspect=11)
                a["key"].set_label(self.text("rate"))
                a["line"] = a["key"].ax.axhline(0, color=OKABE_ITO["vermillion"], lw=3)
                ax.set_xlim(-0.1, top * wide - GAP + 0.1)
                ax.set_ylim(-0.1, top + 0.1)
                ax.grid(visible=False)
                ax.spines[["left", "bottom"]].set_visible(False)
                ax.tick_params(length=0)
                ax.set_yticks([k + 0.5 for k in range(top)], [str(k + 1) for k in range(top)])
                names = [
                    self.text({0: "latest", top - 1: "oldest"}.get(k, "panel"), r=top - k) for k in range(top)
                ]
                ax.set_xticks([k * wide + top / 2 for k in range(top)], names)
                ax.set_ylabel(self.text("m"))
                ax.set_xlabel(self.text("f"))
            a["cells"].set_array(np.ma.masked_invalid(rates))
            chosen_keys = keys[table["mail"].to_numpy(dtype=bool)]
            a["mailed"].set_segments(_outline({((top - r) * wide + f - 1, m - 1) for r, f, m in chosen_keys}))
            # the colours reach as far as the cells do
            most = max(float(np.nanmax(rates)), 100 * min(plan.break_even, 1.0), 5.0)
            a["cells"].set_clim(0, most)
            a["line"].set_ydata([min(100 * plan.break_even, most)] * 2)
            ax.set_title(title)

    def _draw_below(self, table: pd.DataFrame, plan: Any, result: dict, told: dict | None, name: str) -> None:
        seen = table[table["customers"] > 0].sort_values("rate", ascending=False, kind="stable")
        rate, low, high = (100 * seen[c].to_numpy() for c in ("rate", "low", "high"))
        even = 100 * plan.break_even
        unit = 1000 if max(abs(result["curve"]).max(), abs(result["everybody"])) >= 5000 else 1
        currency = self.scenario.currency
        a, blue, red = self._artists, OKABE_ITO["blue"], OKABE_ITO["vermillion"]
        sentence = f"{self.text('bars')}. {self.text('profit')}"
        with self.below.drawing(sentence) as (left, right):
            if "even" not in a:
                a["rates"] = left.plot([], [], ".", ms=7)[0]
                a["taken"] = left.plot([], [], ".", color=blue, ms=9)[0]
                a["rates"].set_color("#8A8A8A")
                a["ends"] = left.vlines([], [], [], color="#B8B8B8", lw=1.6, zorder=1)
                a["even"] = left.axhline(0, color=red, lw=2.5)
                a["even_word"] = left.annotate(
                    "", (1, 0), (-2, 4), xycoords=left.get_yaxis_transform(), textcoords="offset points",
                    ha="right", va="bottom", color="#A63F00", fontsize=14,
                    bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1})  # fmt: skip
                left.set_xlabel(self.text("bars_x"))
                left.set_ylabel(self.text("bars_y"))
                left.set_title(self.text("bars"), fontsize=15)
                a["chance"] = right.plot([], [], "--", color=GREY, lw=1.6)[0]
                a["by_lot"] = right.annotate(
                    self.text("chance"), (0, 0), (0, -4), textcoords="offset points", va="top", color=GREY,
                    fontsize=13)  # fmt: skip
                a["curve"] = right.plot([], [], color=blue, lw=3.2, label=self.text("cells"))[0]
                a["rival"] = right.plot([], [], color=OKABE_ITO["orange"], lw=2.6)[0]
                a["point"] = right.plot([], [], "o", color=blue, ms=11, mec="white", mew=1.5)[0]
                right.axhline(0, color=GREY, lw=1)
                right.set_xlim(0, 100)
                right.set_xlabel(self.text("profit_x"))
                right.set_title(self.text("profit"), fontsize=15)
            x = np.arange(1, len(seen) + 1)
            yes = seen["mail"].to_numpy(dtype=bool)
            a["rates"].set_data(x[~yes], rate[~yes])
            a["taken"].set_data(x[yes], rate[yes])
            a["ends"].set_segments([[(k, u), (k, v)] for k, u, v in zip(x, low, high, strict=True)])
            a["even"].set_ydata([even, even])
            a["even_word"].xy = (1, min(even, 100.0))
            a["even_word"].set_text(self.text("percent", share=plan.break_even))
            left.set_xlim(0, len(seen) + 1)
            left.set_ylim(0, 1.05 * max(float(high.max()), min(even, 110.0)))
            n = len(result["curve"]) - 1
            share = 100 * np.arange(n + 1) / n
            a["curve"].set_data(share, result["curve"] / unit)
            a["chance"].set_data([0, 100], [0, result["everybody"] / unit])
            a["by_lot"].xy = (42, 0.42 * result["everybody"] / unit)
            a["point"].set_data([100 * result["mailed"] / n], [result["profit"] / unit])
            a["rival"].set_data(*(([], []) if told is None else (share, told["curve"] / unit)))
            a["rival"].set_label(name)
            right.legend(frameon=False, fontsize=13, loc="lower left", ncols=2, handlelength=1.2,
                         handletextpad=0.4, columnspacing=1.0, borderaxespad=0.1)  # fmt: skip
            right.set_ylabel(self.text("profit_y", unit=self.text("thousand", currency=currency) if unit > 1
                                       else currency))  # fmt: skip
            ends = np.concatenate(
                [result["curve"], [result["everybody"]], [] if told is None else told["curve"]]
            )
            span = max(float(ends.max() - min(ends.min(), 0)), 1e-9) / unit
            # below the curves is room for their names
            right.set_ylim(min(ends.min(), 0) / unit - 0.24 * span, ends.max() / unit + 0.08 * span)


def outcome(rest: pd.DataFrame, plan: Any, luck: np.ndarray) -> dict[str, Any]:
    """What mailing the chosen cells of `rest` brought, against mailing everybody.

    `mailed`; `profit`; `everybody`: profit of mailing all; `gain`: difference with its 95 % interval over
    customers; `curve`: profit by number mailed, cells in the order of their test rate, unknown ones last.
    """
    each = _each(rest, plan)
    mail = rest["cell"].map(plan.table["mail"]).to_numpy(dtype=bool)
    order = rest["cell"].map(plan.table["rate"]).fillna(-1.0).to_numpy(dtype=float)
    return {
        "mailed": int(mail.sum()),
        "profit": float(each[mail].sum()),
        "everybody": float(each.sum()),
        "gain": _total(np.where(mail, 0.0, -each)),
        "curve": _curve(each, order, luck),
    }


def rival(rest: pd.DataFrame, plan: Any, order: np.ndarray, luck: np.ndarray) -> dict[str, Any]:
    """The same for another ordering, which mails as many as the cells do: `profit`, `curve`, and `gain` over
    the cells."""
    each = _each(rest, plan)
    mail = rest["cell"].map(plan.table["mail"]).to_numpy(dtype=bool)
    chosen = np.zeros(len(each), dtype=bool)
    chosen[np.lexsort((luck, -order))[: int(mail.sum())]] = True
    return {
        "profit": float(each[chosen].sum()),
        "gain": _total(each * (chosen.astype(float) - mail)),
        "curve": _curve(each, order, luck),
    }


def _each(rest: pd.DataFrame, plan: Any) -> np.ndarray:
    return rest["bought"].to_numpy(dtype=float) * plan.margin - plan.cost


def _curve(each: np.ndarray, order: np.ndarray, luck: np.ndarray) -> np.ndarray:
    """Profit by number mailed, the largest of `order` first, ties by lot."""
    return np.concatenate([[0.0], np.cumsum(each[np.lexsort((luck, -order))])])


def _total(parts: np.ndarray) -> tuple[float, float, float]:
    """A sum over customers with its 95 % interval, customers drawn anew."""
    half = 1.959964 * math.sqrt(len(parts)) * float(np.std(parts, ddof=1))
    total = float(parts.sum())
    return total, total - half, total + half


def _day_before(month: int) -> str:
    """The last day before month `month` of the run."""
    start = np.datetime64(START, "M") + month
    return str(start.astype("datetime64[D]") - 1)


def _square(x: float, y: float) -> list[tuple[float, float]]:
    return [(x, y), (x + 1, y), (x + 1, y + 1), (x, y + 1)]


def _outline(squares: set[tuple[float, float]]) -> list[list[tuple[float, float]]]:
    """The edges around a set of unit squares, those between two of them left out."""
    near = {(round(x, 6), round(y, 6)) for x, y in squares}
    edges = []
    for x, y in squares:
        corners = _square(x, y)
        for k, (dx, dy) in enumerate(((0, -1), (1, 0), (0, 1), (-1, 0))):
            if (round(x + dx, 6), round(y + dy, 6)) not in near:
                edges.append([corners[k], corners[(k + 1) % 4]])
    return edges
