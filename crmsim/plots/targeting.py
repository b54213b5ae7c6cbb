"""Figures of targeting: who is caught, what an offer gains, what it earns, and methods against the truth.

Each takes what a function of `crmsim.analysis.targeting` returns, or a table with the same columns.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .style import (
    GREY,
    LIGHT,
    OKABE_ITO,
    POLICY_COLOURS,
    Page,
    a_page,
    add_words,
    dark,
    minus,
    money_size,
    need,
    writer,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

add_words(
    {
        "tg_chance": ("by chance", "随机"),
        "tg_share": ("customers, best score first, %", "客户（评分由高到低），%"),
        "tg_captured": ("share of the outcome, %", "捕获的比例，%"),
        "tg_lift_title": (
            "The best tenth by {best} holds {share:.0f} % of the outcome, {lift:.1f} times chance",
            "按{best}评分最高的十分之一占{share:.0f}%，为随机的{lift:.1f}倍",
        ),
        "tg_lift_words": (
            "Share of the outcome among the best-scored customers; the best tenth has {list}.",
            "评分最高客户所占的比例；最高十分之一：{list}。",
        ),
        "tg_qini": ("outcomes won among the treated", "受处理者中多得的结果数"),
        "tg_gain": ("outcomes won if so many are treated", "处理这些客户可多得的结果数"),
        "tg_uplift_title": (
            "Treating the best {share:.0f} % by {best} wins {gain}, all of them {all}",
            "按{best}处理最好的{share:.0f}%可得{gain}，全部处理为{all}",
        ),
        "tg_uplift_words": (
            "What treating the best-scored customers wins, against choosing by chance; at most {list}.",
            "处理评分最高客户的收获，与随机选择相比；最多：{list}。",
        ),
        "tg_profit": ("profit{unit}", "利润{unit}"),
        "tg_profit_title": (
            "Profit is highest, {profit}, with the best {share:.0f} % by {best}",
            "按{best}联系最好的{share:.0f}%时利润最高，为{profit}",
        ),
        "tg_profit_none": ("No campaign pays: addressing nobody is best", "任何活动都不划算：不联系最好"),
        "tg_profit_words": (
            "Profit by the share of customers addressed; highest {list}.",
            "按联系比例的利润；最高：{list}。",
        ),
        "tg_predicted": ("predicted, %", "预测，%"),
        "tg_came": ("came true, %", "实际，%"),
        "tg_as_said": ("as predicted", "与预测一致"),
        "tg_calibrated": (
            "{best} is off by {low:.1f} points on average, {worst} by {high:.1f}",
            "{best}平均偏差{low:.1f}个百分点，{worst}为{high:.1f}",
        ),
        "tg_calibrated_one": (
            "Predictions are off by {low:.1f} points on average",
            "预测平均偏差{low:.1f}个百分点",
        ),
        "tg_calibration_words": (
            "What came true over what was predicted, by tenths of the prediction, with intervals; on the "
            "dashed line both are the same. Mean distance: {list}.",
            "按预测值十等分的实际比例及区间；虚线上二者相同。平均偏差：{list}。",
        ),
        "tg_with": ("with an offer", "有优惠"),
        "tg_without": ("without", "无优惠"),
        "tg_response": ("response, %", "响应率，%"),
        "tg_response_title": (
            "With an offer {offered} on average, without {others}",
            "有优惠平均{offered}，无优惠{others}",
        ),
        "tg_response_words": (
            "{what}, by period, with and without an offer, with intervals: {list}.",
            "{what}（按时期，有无优惠及区间）：{list}。",
        ),
        "tg_response_one": ("{when} {offered} and {others}", "{when} {offered}与{others}"),
        "tg_best": ("best possible", "最佳可能"),
        "tg_at": ("{value} at {share:.0f} %", "{share:.0f}%时{value}"),
        "tg_grade": ("guessing = 0, truth = 1", "随机 = 0，真相 = 1"),
        "tg_alive": ("who is still there", "谁仍是客户"),
        "tg_purchases": ("who buys most", "谁购买最多"),
        "tg_value": ("who spends most", "谁消费最多"),
        "tg_churn": ("who leaves", "谁会流失"),
        "tg_uplift": ("whom an offer keeps", "优惠能留住谁"),
        "tg_drivers": ("what satisfies", "满意的驱动因素"),
        "tg_exit": ("why they left", "流失原因"),
        "tg_card_title": (
            "Nearest to the truth: {best} on {task}, {high:.0f} % of the way; farthest: {last}, {low:.0f} %",
            "最接近真相：{best}（{task}），达到{high:.0f}%；最难：{last}，{low:.0f}%",
        ),
        "tg_card_one": (
            "Nearest to the truth: {best}, {high:.0f} % of the way from guessing",
            "最接近真相：{best}，从随机到真相达到{high:.0f}%",
        ),
        "tg_card_words": (
            "How far each method gets from guessing (0) to the truth (1): {list}.",
            "各方法从随机（0）到真相（1）的程度：{list}。",
        ),
    }
)


def _named(given: Mapping[str, pd.DataFrame] | pd.DataFrame, who: str) -> dict[str, pd.DataFrame]:
    tables = {"": given} if isinstance(given, pd.DataFrame) else dict(given)
    if not tables or any(not len(table) for table in tables.values()):
        raise ValueError(f"{who}: no table is given, or an empty one")
    return tables


def _colours(names: list[str]) -> dict[str, str]:
    return {name: POLICY_COLOURS[k % len(POLICY_COLOURS)] for k, name in enumerate(names)}


def _tops(page: Page, tops: Mapping[str, tuple[float, ...]], write: Any) -> str:
    """Where each curve is highest: the share of customers and what is won there."""
    return page.listed(
        f"{name} {page.say('tg_at', value=write(top[1], ''), share=top[0])}".strip()
        for name, top in tops.items()
    )


def lift_curve(
    tables: Mapping[str, pd.DataFrame] | pd.DataFrame,
    ax: Axes | None = None,
    note: str = "",
    *,
    title: str = "",
    language: str = "en",
) -> Axes:
    """Share of the outcome caught among the best-scored customers (cumulative gains), by score.

    tables: name of the score -> what `lift_table` gives, or one such table.
    """
    scores = _named(tables, "lift_curve")
    colours = _colours(list(scores))
    with a_page(ax, language) as page:
        page.ax.plot([0, 100], [0, 100], color="black", linewidth=1.4, linestyle=(0, (4, 3)))
        page.ax.annotate(
            page.say("tg_chance"), (68, 68), (6, -6), textcoords="offset points", va="top",
            fontsize=page.size, color=GREY,
        )  # fmt: skip
        tenth = {}
        for name, table in scores.items():
            x = np.concatenate(([0.0], 100 * table["share"].to_numpy(float)))
            y = np.concatenate(([0.0], 100 * table["captured"].to_numpy(float)))
            page.ax.plot(x, y, color=colours[name], linewidth=3, marker="o", markersize=5, label=name or None)
            tenth[name] = float(np.interp(10, x, y))
        if len(scores) > 1:
            page.legend(0.9)
        page.ax.set_xlim(0, 100)
        page.ax.set_ylim(0, 101)
        page.axes_words(page.say("tg_share"), page.say("tg_captured"))
        best = max(tenth, key=lambda n: tenth[n])
        found = page.say("tg_lift_title", best=best, share=tenth[best], lift=tenth[best] / 10)
        listed = page.listed(f"{n} {x:.0f} %".strip() for n, x in tenth.items())
        found = found.replace(" by  holds", " holds")
        return page.finish(title or found, page.say("tg_lift_words", list=listed), note)


def uplift_curves(
    curves: Mapping[str, pd.DataFrame] | pd.DataFrame,
    ax: Axes | None = None,
    note: str = "",
    *,
    column: str = "qini",
    title: str = "",
    language: str = "en",
) -> Axes:
    """What treating the best-scored customers wins, against chance: the Qini curve or that of the gain.

    curves: name of the score -> what `uplift_curve` or `expected_saves` gives. column: `qini` (outcomes
    won among those treated in the experiment) or `gain` (if all so far were treated). A column `best_gain`,
    the order no score exceeds, is drawn dotted. Raises ValueError for no table, an empty one, and one without
    the column.
    """
    scores = _named(curves, "uplift_curves")
    line = f"random_{column}"
    for name, table in scores.items():
        if column not in table or line not in table:
            raise ValueError(f"uplift_curves: {name or 'the table'} lacks {column} or {line}")
    colours = _colours(list(scores))
    with a_page(ax, language) as page:
        first = next(iter(scores.values()))
        page.ax.plot(
            100 * first["share"], first[line], color="black", linewidth=1.4, linestyle=(0, (4, 3)),
            label=page.say("tg_chance"),
        )  # fmt: skip
        tops = {}
        for name, table in scores.items():
            x, y = 100 * table["share"].to_numpy(float), table[column].to_numpy(float)
            page.ax.plot(x, y, color=colours[name], linewidth=3, label=name or None)
            # a peak among the first few is luck
            seen = np.where(x >= 5, y, -np.inf)
            tops[name] = (float(x[np.argmax(seen)]), float(seen.max()), float(y[-1]))
        if column == "gain" and "best_gain" in first:
            page.ax.plot(
                100 * first["share"], first["best_gain"], color=GREY, linewidth=1.8, linestyle=":",
                label=page.say("tg_best"),
            )  # fmt: skip
        page.legend(0.9)
        page.ax.axhline(0, color="black", linewidth=1)
        page.ax.set_xlim(0, 100)
        page.ax.yaxis.set_major_formatter("{x:,.6g}")
        page.axes_words(page.say("tg_share"), page.say(f"tg_{column}"))
        write = writer(pd.Series([top[1] for top in tops.values()]), True)
        best = max(tops, key=lambda n: tops[n][1])
        share, gain, everyone = tops[best]
        found = page.say(
            "tg_uplift_title", share=share, best=best, gain=write(gain, ""), all=write(everyone, "")
        ).replace(" by  wins", " wins")
        listed = _tops(page, tops, write)
        return page.finish(title or found, page.say("tg_uplift_words", list=listed), note)


def profit_curves(
    curves: Mapping[str, pd.DataFrame] | pd.DataFrame,
    ax: Axes | None = None,
    note: str = "",
    *,
    currency: str = "",
    title: str = "",
    language: str = "en",
) -> Axes:
    """Profit of a campaign by the share of customers addressed; a dot marks where each is highest.

    curves: name of the score -> what `profit_curve` gives, or one such table.
    """
    scores = _named(curves, "profit_curves")
    colours = _colours(list(scores))
    size = money_size(max(float(table["profit"].abs().max()) for table in scores.values()))
    with a_page(ax, language) as page:
        unit = page.money_unit(size, currency)
        tops = {}
        for name, table in scores.items():
            x, y = 100 * table["share"].to_numpy(float), table["profit"].to_numpy(float) / size
            page.ax.plot(x, y, color=colours[name], linewidth=3, label=name or None)
            top = int(np.argmax(y))
            page.ax.plot(x[top], y[top], "o", color=colours[name], markersize=11, markeredgecolor="white")
            tops[name] = (float(x[top]), float(y[top]))
        if len(scores) > 1:
            page.legend(0.9)
        page.ax.axhline(0, color="black", linewidth=1.2)
        page.ax.set_xlim(-1, 100)
        page.ax.yaxis.set_major_formatter("{x:,.6g}")
        page.axes_words(page.say("tg_share"), page.say("tg_profit", unit=page.bracket(unit)))
        write = writer(pd.Series([top[1] for top in tops.values()]), False)
        best = max(tops, key=lambda n: tops[n][1])
        share, profit = tops[best]
        if profit > 0:
            money = f"{write(profit, '')} {unit}".strip()
            found = page.say("tg_profit_title", profit=money, share=share, best=best)
            found = found.removesuffix(" by ")
        else:
            found = page.say("tg_profit_none")
        listed = _tops(page, tops, write)
        return page.finish(title or found, page.say("tg_profit_words", list=listed), note)


def calibration(
    tables: Mapping[str, pd.DataFrame] | pd.DataFrame,
    ax: Axes | None = None,
    note: str = "",
    *,
    forecast: str = "",
    outcome: str = "",
    title: str = "",
    language: str = "en",
) -> Axes:
    """What came true over what was predicted, by tenths of the prediction: are the chances right? 校准图.

    tables: name of the model -> what `calibration_table` gives, or one such table. forecast, outcome: words
    for the axes.
    """
    models = _named(tables, "calibration")
    for name, table in models.items():
        columns = ("customers", "predicted", "actual", "low", "high")
        need(table, columns, "calibration", "targeting.calibration_table" + (f" for {name}" if name else ""))
    colours = _colours(list(models))
    with a_page(ax, language) as page:
        page.ax.plot(
            [0, 100], [0, 100], color="black", linewidth=1.4, linestyle=(0, (4, 3)),
            label=page.say("tg_as_said"),
        )  # fmt: skip
        off = {}
        for k, (name, table) in enumerate(models.items()):
            x, y, low, high = (100 * table[c].to_numpy(float) for c in ("predicted", "actual", "low", "high"))
            page.ax.vlines(x, low, high, color=colours[name], linewidth=2, alpha=0.5)
            page.ax.plot(
                x, y, color=colours[name], linewidth=2, marker="os^Dv"[k % 5], markersize=9 * page.scale,
                label=name or None,
            )  # fmt: skip
            off[name] = float(np.average(np.abs(x - y), weights=table["customers"]))
        page.legend(0.9)
        page.ax.set_xlim(-2, 102)
        page.ax.set_ylim(-2, 102)
        page.axes_words(forecast or page.say("tg_predicted"), outcome or page.say("tg_came"))
        best, worst = min(off, key=lambda n: off[n]), max(off, key=lambda n: off[n])
        key = "tg_calibrated" if len(off) > 1 else "tg_calibrated_one"
        found = page.say(key, best=best, low=off[best], worst=worst, high=off[worst])
        listed = page.listed(f"{name} {x:.1f}".strip() for name, x in off.items())
        return page.finish(title or found, page.say("tg_calibration_words", list=listed), note)


def offer_response(
    table: pd.DataFrame,
    ax: Axes | None = None,
    note: str = "",
    *,
    response: str = "",
    title: str = "",
    language: str = "en",
) -> Axes:
    """Share who responded with an offer (dot) and without one (ring), by period, with intervals: 响应率.

    table: a row a period: period, offered, others (shares), and of both the number (offered_n, others_n) and
    the interval (offered_low, offered_high, others_low, others_high). response: words for the axis. The two
    groups can be compared only where chance decided who got an offer (`analysis.targeting.selection_auc`).
    """
    kinds = {"others": GREY, "offered": OKABE_ITO["blue"]}
    columns = [f"{kind}{end}" for kind in kinds for end in ("", "_n", "_low", "_high")]
    need(table, ["period", *columns], "offer_response", "shares by period that the docstring describes")
    with a_page(ax, language) as page:
        place = np.arange(len(table))
        mean = {}
        for kind, colour in kinds.items():
            rate, low, high = (100 * table[f"{kind}{end}"].to_numpy(float) for end in ("", "_low", "_high"))
            x = place + (0.12 if kind == "offered" else -0.12)
            page.ax.vlines(x, low, high, color=colour, linewidth=2.2, alpha=0.7)
            page.ax.plot(
                x, rate, "o", linestyle="", markersize=11 * page.scale, markeredgewidth=2.4,
                markeredgecolor=colour, color=colour if kind == "offered" else "white",
                label=page.say("tg_with" if kind == "offered" else "tg_without"),
            )  # fmt: skip
            mean[kind] = float(np.average(rate, weights=table[f"{kind}_n"])) / 100
        page.legend(0.9)
        ends = 100 * table[[c for c in columns if c.endswith(("low", "high"))]].to_numpy(float)
        room = 0.08 * max(float(ends.max() - ends.min()), 1.0)
        page.ax.set_ylim(max(0.0, float(ends.min()) - room), min(100.5, float(ends.max()) + room))
        page.ax.set_xlim(-0.6, len(table) - 0.4)
        every = max(1, math.ceil(len(table) / 9))
        page.ax.set_xticks(place[::every], [str(p) for p in table["period"]][::every])
        what = response or page.say("tg_response")
        page.axes_words("", what)
        told = [
            page.say("tg_response_one", when=when, offered=page.percent(a), others=page.percent(b))
            for when, a, b in zip(table["period"], table["offered"], table["others"], strict=True)
        ]
        found = page.say(
            "tg_response_title",
            offered=f"{100 * mean['offered']:.1f} %",
            others=f"{100 * mean['others']:.1f} %",
        )
        what = what[:1].upper() + what[1:].removesuffix(", %").removesuffix("，%")
        sentence = page.say("tg_response_words", what=what, list=page.listed(told))
        return page.finish(title or found, sentence, note)


TASK_COLOURS = {
    "alive": OKABE_ITO["blue"],
    "purchases": OKABE_ITO["sky"],
    "value": OKABE_ITO["green"],
    "churn": OKABE_ITO["vermillion"],
    "uplift": OKABE_ITO["orange"],
    "drivers": OKABE_ITO["purple"],
    "exit": OKABE_ITO["black"],
}


# Methods that are not called by their key; the others are called the same in both languages.
METHODS = {
    "recency": ("recency", "最近一次购买"),
    "own rate": ("own rate", "自身购买频率"),
    "own spend": ("own spend", "自身消费"),
    "tenure": ("tenure", "客户年限"),
    "failures, complaints": ("failures, complaints", "扣款失败与投诉"),
    "logistic": ("logistic", "逻辑回归"),
    "boosting": ("boosting", "提升树"),
    "risk (logistic)": ("risk (logistic)", "风险（逻辑回归）"),
    "risk (boosting)": ("risk (boosting)", "风险（提升树）"),
    "lmg": ("LMG", "LMG"),
    "coefficient": ("regression in points", "回归系数"),
    "beta": ("standardised regression", "标准化回归系数"),
    "correlation": ("correlation", "相关系数"),
    "stated": ("stated importance", "自述重要性"),
    "entropy": ("entropy weights", "熵权"),
    "stated cause": ("stated cause", "自述原因"),
}


def report_card(
    table: pd.DataFrame,
    ax: Axes | None = None,
    note: str = "",
    *,
    title: str = "",
    language: str = "en",
) -> Axes:
    """How far each method gets from guessing (0) to the truth (1), a dot a method, by task.

    table: `report_card(...).table`. Of each task the first measure that has a grade is shown, the best
    method on top. Raises ValueError where no method has a grade.
    """
    graded = table.dropna(subset=["grade"])
    if not len(graded):
        raise ValueError("report_card: no row of the table has a grade; it needs the truth")
    first = graded.groupby("task", sort=False)["measure"].transform("first")
    graded = graded[graded["measure"] == first]
    tasks = list(graded["task"].unique())
    rows = len(graded) + len(tasks)
    with a_page(ax, language, height=max(4.5, 1.6 + 0.36 * rows)) as page:
        figure = page.ax.get_figure(root=True)
        assert figure is not None
        tall = figure.get_size_inches()[1] * (1.0 if page.own else page.ax.get_position().height)
        size = min(page.size, 0.6 * 72 * (tall - 1.6 * page.own) / rows)
        y, ticks, names, best = 0.0, [], [], {}

        def called(method: Any) -> str:
            return METHODS.get(str(method), (str(method),) * 2)[page.language == "zh"]

        for task in tasks:
            part = graded[graded["task"] == task].sort_values("grade", ascending=False, kind="stable")
            colour = TASK_COLOURS.get(task, GREY)
            page.ax.text(
                -0.008, y, page.say(f"tg_{task}") if task in TASK_COLOURS else task, fontsize=size,
                va="center", ha="right", color=dark(colour), fontweight="bold",
                transform=page.ax.get_yaxis_transform(),
            )  # fmt: skip
            y += 1
            for row in part.itertuples():
                grade = float(row.grade)
                page.ax.plot([0, grade], [y, y], color=colour, linewidth=2, alpha=0.45)
                page.ax.plot(grade, y, "o", color=colour, markersize=0.65 * size)
                page.ax.annotate(
                    minus(f"{grade:.2f}"), (max(grade, 0.0), y), (9, 0), textcoords="offset points",
                    va="center", fontsize=0.85 * size,
                )  # fmt: skip
                ticks.append(y)
                names.append(called(row.method))
                y += 1
            best[task] = (called(part["method"].iloc[0]), float(part["grade"].iloc[0]))
        page.ax.set_ylim(y - 0.3, -0.7)
        page.ax.set_xlim(min(-0.03, float(graded["grade"].min()) - 0.05), 1.06)
        page.ax.set_yticks(ticks, names, fontsize=0.9 * size)
        page.ax.tick_params(axis="y", length=0)
        page.ax.grid(visible=False, axis="y")
        page.ax.grid(axis="x", color=LIGHT)
        page.ax.axvline(0, color="black", linewidth=1.2)
        page.ax.axvline(1, color="black", linewidth=1.2, linestyle=(0, (4, 3)))
        page.axes_words(page.say("tg_grade"), "")
        top, last = max(best, key=lambda t: best[t][1]), min(best, key=lambda t: best[t][1])
        key = "tg_card_title" if len(best) > 1 else "tg_card_one"

        def said(task: str) -> str:
            return page.say(f"tg_{task}") if task in TASK_COLOURS else task

        found = page.say(
            key, best=best[top][0], task=said(top), high=100 * best[top][1], last=said(last),
            low=100 * max(best[last][1], 0.0) if math.isfinite(best[last][1]) else 0.0,
        )  # fmt: skip
        listed = page.listed(f"{said(t)}: {m} {g:.2f}" for t, (m, g) in best.items())
        return page.finish(title or found, page.say("tg_card_words", list=listed), note)
