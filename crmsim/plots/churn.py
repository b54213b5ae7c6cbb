"""Figures of churn: cohort matrix, survival, causes, hazards, what is stated and what is true.

They take the tables that `crmsim.analysis.churn` gives, or any with the same columns.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..vocabulary import ChurnCause
from .style import (
    CAUSE_COLOURS,
    GREY,
    OKABE_ITO,
    POLICY_COLOURS,
    Page,
    a_page,
    add_words,
    dark,
    need,
    word_for,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Beyond so many rows or columns of a matrix, numbers in its cells would be too small to read.
MOST_CELLS = 13
_SURVIVAL = {"time", "at_risk", "left", "survival", "error", "low", "high"}
_HAZARD = {"low_time", "high_time", "exposure", "left", "hazard", "low", "high"}

add_words(
    {
        "churn.age": ("months since joining", "加入后的月数"),
        "churn.cohort": ("joined in month (customers)", "加入月份（客户数）"),
        "churn.kept": ("still there, %", "留存，%"),
        "churn.cohort_title": (
            "Of those who join, {share:.0f} % are there after {age} months",
            "加入的客户中，{age}个月后留存{share:.0f}%",
        ),
        "churn.cohort_words": (
            "Share of each group of joiners still there, by months since joining; over all groups {list}.",
            "按加入后的月数，各批加入客户的留存比例；全部批次：{list}。",
        ),
        "churn.after": ("{share:.0f} % after {age}", "{age}个月后{share:.0f}%"),
        "churn.still": ("still customers, %", "仍为客户的比例，%"),
        "churn.stay": ("months as a customer", "成为客户的月数"),
        "churn.survival_title": (
            "{share:.0f} % are still customers after {time:.0f} months",
            "{time:.0f}个月后{share:.0f}%仍为客户",
        ),
        "churn.survival_groups": (
            "After {time:.0f} months {high:.0f} % of {best} are still customers, {low:.0f} % of {worst}",
            "{time:.0f}个月后，{best}留存{high:.0f}%，{worst}留存{low:.0f}%",
        ),
        "churn.survival_words": (
            "Share still there by length of stay with its interval (Kaplan-Meier); after {time:.0f} months "
            "{list}.",
            "按停留时间的留存比例及区间（Kaplan-Meier）；{time:.0f}个月后：{list}。",
        ),
        "churn.gone": ("left, % of customers", "已流失客户，%"),
        "churn.stays": ("still customers", "仍为客户"),
        "churn.incidence_title": (
            "After {time:.0f} months {gone:.0f} % have left, {share:.0f} % through {cause}",
            "{time:.0f}个月后{gone:.0f}%已流失，其中{cause}{share:.0f}%",
        ),
        "churn.incidence_words": (
            "Share who have left of each cause by length of stay, stacked (Aalen-Johansen); after "
            "{time:.0f} months {list}.",
            "按停留时间和原因堆叠的流失比例（Aalen-Johansen）；{time:.0f}个月后：{list}。",
        ),
        "churn.hazard": ("chance of leaving a month, %", "每月流失概率，%"),
        "churn.hazard_moves": (
            "The chance of leaving goes from {first:.2f} % to {last:.2f} % a month",
            "每月流失概率从{first:.2f}%变为{last:.2f}%",
        ),
        "churn.hazard_stays": (
            "The chance of leaving stays near {mean:.2f} % a month",
            "每月流失概率保持在{mean:.2f}%左右",
        ),
        "churn.hazard_groups": (
            "{best} leave least, {low:.2f} % a month, {worst} most, {high:.2f} %",
            "{best}流失最少，每月{low:.2f}%；{worst}最多，{high:.2f}%",
        ),
        "churn.hazard_causes": (
            "Most who leave do so through {worst}: {high:.2f} % a month",
            "流失最多的是{worst}：每月{high:.2f}%",
        ),
        "churn.hazard_words": (
            "Chance of leaving in a month by length of stay, with intervals; over the whole time {list}.",
            "按停留时间的每月流失概率及区间；全期：{list}。",
        ),
        "churn.all": ("all", "全部"),
        "churn.true": ("true", "真实"),
        "churn.stated": ("stated", "所述"),
        "churn.share": ("share of departures, %", "占流失的比例，%"),
        "churn.stated_title": (
            "{over} is stated too often, {under} too seldom",
            "{over}被说得过多，{under}被说得过少",
        ),
        "churn.stated_right": ("What is stated is what is true", "所述与真实一致"),
        "churn.stated_words": (
            "Share of departures by cause, as stated and as it was: {list}.",
            "按原因的流失比例，所述与真实：{list}。",
        ),
        "churn.stated_each": (
            "{cause} stated {said:.0f} %, true {was:.0f} %",
            "{cause}所述{said:.0f}%，真实{was:.0f}%",
        ),
        "churn.ratio": ("hazard ratio, 1 is as the baseline", "风险比（1为基准）"),
        "churn.ratio_title": (
            "{worst} leave {high:.1f} times as often as the baseline{base}",
            "{worst}的流失风险为基准{base}的{high:.1f}倍",
        ),
        "churn.ratio_none": ("No difference in leaving is sure", "流失风险无确切差异"),
        "churn.ratio_base": (" ({name})", "（{name}）"),
        "churn.ratio_words": (
            "Hazard ratios with intervals, grey where the interval holds 1: {list}.",
            "风险比及区间，含1者为灰色：{list}。",
        ),
        "churn.loss": ("expected loss{unit}", "预期损失{unit}"),
        "churn.loss_title": (
            "{name}: {loss} of the expected loss, {value} of the value",
            "{name}占预期损失的{loss}、价值的{value}",
        ),
        "churn.loss_words": (
            "Value that departures are expected to take, by group: {list}.",
            "流失预期带走的价值，按组：{list}。",
        ),
        "churn.of_loss": ("share of the expected loss", "占预期损失"),
        "churn.of_value": ("share of the value", "占价值"),
        "churn.shares": ("share, %", "占比，%"),
        "churn.loss_one": (
            "{name} {loss} of the loss and {value} of the value",
            "{name}占损失{loss}、价值{value}",
        ),
        "churn.as_is": ("as it is", "现状"),
        "churn.without": ("without them", "若不存在"),
        "churn.prevent_title": (
            "At most {gained} of the customers more would stay {time:.0f} months",
            "{time:.0f}个月后最多可多留住{gained}的客户",
        ),
        "churn.prevent_words": (
            "Share still there by length of stay, as it is and without the causes removed; after {time:.0f} "
            "months {now:.1f} % and {then:.1f} %.",
            "按客户年限的留存比例，现状与去除这些原因后；{time:.0f}个月后为{now:.1f}%与{then:.1f}%。",
        ),
        "churn.gap": ("months of silence after which a customer counts as lost", "多少个月未购买即视为流失"),
        "churn.verdicts": ("share, %", "比例，%"),
        "churn.precision": ("of those said lost, really gone", "判为流失者中确已流失"),
        "churn.recall": ("of those gone, said lost", "已流失者中被判出"),
        "churn.alarm_rate": ("of those still there, said lost", "仍在者中被误判"),
        "churn.silence_title": (
            "A rule of {gap:.0f} months is right most often: {right:.0f} % of verdicts",
            "以{gap:.0f}个月为界判断最准：正确率{right:.0f}%",
        ),
        "churn.silence_words": (
            "The rule of silence against the truth, by its length in months: {list}.",
            "沉默判断与真实情况（按月数）：{list}。",
        ),
        "churn.silence_one": (
            "{gap:.0f}: {precision:.0f} % of the said gone, {recall:.0f} % of the gone said",
            "{gap:.0f}：判出者{precision:.0f}%确已流失，流失者{recall:.0f}%被判出",
        ),
    }
)


def _parts(frame: pd.DataFrame, known: set[str], who: str) -> dict[str, pd.DataFrame]:
    """The table of each group, in order; one, called "", where there are none."""
    others = [name for name in frame.columns if name not in known]
    if not others:
        return {"": frame}
    if len(others) > 1:
        raise ValueError(f"{who}: one column of groups is expected, not {', '.join(map(str, others))}")
    return {str(name): part for name, part in frame.groupby(others[0], sort=False, observed=True)}


def _colours(names: Sequence[str]) -> list[str]:
    return [POLICY_COLOURS[k % len(POLICY_COLOURS)] for k in range(len(names))]


def _cause(key: Any, page: Page) -> str:
    known = {c.key: c for c in ChurnCause}
    return known[key].label(page.language) if key in known else str(key)


def cohort_matrix(
    cohorts: pd.DataFrame,
    ax: Axes | None = None,
    note: str = "",
    *,
    kept: str = "",
    title: str = "",
    language: str = "en",
) -> Axes:
    """Retention of each group of joiners by months since joining, as a matrix: 同期群留存矩阵.

    cohorts: of `analysis.churn.cohorts` or `purchase_cohorts`: cohort, age, customers, retained, retention.
    Cells have their numbers in up to 13 rows and columns, else there is a scale of the colours. kept: words
    for who is counted, where it is not those still there. Raises ValueError for a table without these columns
    or rows, and where no cohort has an age above 0.
    """
    need(cohorts, ["cohort", "age", "customers", "retained", "retention"], "cohort_matrix", "churn.cohorts")
    shown = cohorts[cohorts["age"] > 0]
    if not len(shown):
        raise ValueError("cohort_matrix: no cohort is old enough to have an age above 0")
    matrix = 100 * shown.pivot(index="cohort", columns="age", values="retention")
    cells = matrix.to_numpy(dtype=float)
    size = cohorts.groupby("cohort")["customers"].first()
    with a_page(ax, language) as page:
        page.ax.grid(False)
        page.ax.spines[["left", "bottom"]].set_visible(False)
        low = min(90.0, 10.0 * math.floor(float(np.nanmin(cells)) / 10))
        picture = page.ax.imshow(cells, cmap="Blues", vmin=low - 0.25 * (100 - low), vmax=110, aspect="auto")
        rows, columns = matrix.shape
        small = max(rows, columns) <= MOST_CELLS
        if small:
            for i, j in zip(*np.nonzero(~np.isnan(cells)), strict=True):
                red, green, blue, _ = picture.to_rgba(cells[i, j])
                ink = "white" if 0.3 * red + 0.59 * green + 0.11 * blue < 0.55 else "black"
                page.ax.text(
                    j, i, f"{cells[i, j]:.0f}", ha="center", va="center", color=ink, fontsize=page.size
                )
        else:
            figure = page.ax.get_figure(root=True)
            assert figure is not None
            bar = figure.colorbar(picture, ax=page.ax, pad=0.02, boundaries=np.linspace(low, 100, 101))
            bar.set_ticks([float(v) for v in np.linspace(low, 100, 6)])
            bar.ax.tick_params(labelsize=0.9 * page.size)
            bar.outline.set_visible(False)
        step = max(1, math.ceil(columns / MOST_CELLS))
        page.ax.set_xticks(range(0, columns, step), [str(a) for a in matrix.columns[::step]])
        step = max(1, math.ceil(rows / MOST_CELLS))
        names = [f"{c} ({size[c]:,})" for c in matrix.index]
        page.ax.set_yticks(range(0, rows, step), names[::step])
        page.ax.tick_params(length=0)
        page.axes_words(page.say("churn.age"), page.say("churn.cohort"))
        sums = shown.groupby("age")[["retained", "customers"]].sum()
        whole = 100 * sums["retained"] / sums["customers"]
        ages = [a for a in whole.index if a in (1, 3, 6, 12, 24, 36)] or [whole.index[0], whole.index[-1]]
        # the age the title speaks of is one that at least half of all joiners have reached
        reached = [a for a in ages if sums.loc[a, "customers"] >= size.sum() / 2] or ages[:1]
        found = page.say("churn.cohort_title", share=whole[reached[-1]], age=reached[-1])
        told = [page.say("churn.after", share=whole[a], age=a) for a in dict.fromkeys(ages)]
        if small:
            note = "; ".join(filter(None, (note, kept or page.say("churn.kept"))))
        sentence = page.say("churn.cohort_words", list=page.listed(told))
        return page.finish(title or found, sentence, note)


def survival_curves(
    survival: pd.DataFrame,
    ax: Axes | None = None,
    note: str = "",
    *,
    still: str = "",
    title: str = "",
    language: str = "en",
) -> Axes:
    """Share still there by length of stay, a step line with its band for each group.

    survival: of `analysis.churn.survival`: time (months), survival, low, high, and perhaps a column of
    groups. still: words for the axis where being there is judged by something else than a contract.
    """
    need(survival, ["time", "survival", "low", "high"], "survival_curves", "churn.survival")
    with a_page(ax, language) as page:
        parts = _parts(survival, _SURVIVAL, "survival_curves")
        until = min(float(part["time"].max()) for part in parts.values())
        ends: dict[str, tuple[float, float, str]] = {}
        at_end: dict[str, float] = {}
        lowest = 100.0
        for (name, part), colour in zip(parts.items(), _colours(list(parts)), strict=True):
            part = part[part["time"] <= until]
            time = np.r_[part["time"].to_numpy(float), until]
            line, low, high = (
                100 * np.r_[part[c].to_numpy(float), part[c].iloc[-1]] for c in ("survival", "low", "high")
            )
            page.ax.step(time, line, where="post", color=colour, linewidth=2.8)
            page.ax.fill_between(time, low, high, step="post", color=colour, alpha=0.18, linewidth=0)
            label = name or page.say("churn.all")
            ends[label] = (until, float(line[-1]), colour)
            at_end[label] = float(line[-1])
            lowest = min(lowest, float(np.nanmin(np.r_[low, line])))
        page.ax.set_ylim(max(0.0, 10 * math.floor((lowest - 2) / 10)), 100.5)
        page.label_ends(ends, "{:.1f} %")
        page.axes_words(page.say("churn.stay"), still or page.say("churn.still"))
        if len(at_end) == 1:
            found = page.say("churn.survival_title", share=next(iter(at_end.values())), time=until)
        else:
            best, worst = max(at_end, key=at_end.__getitem__), min(at_end, key=at_end.__getitem__)
            found = page.say(
                "churn.survival_groups",
                time=until, best=best, high=at_end[best], worst=worst, low=at_end[worst],
            )  # fmt: skip
        told = page.listed(f"{name} {y:.1f} %" for name, y in at_end.items())
        return page.finish(title or found, page.say("churn.survival_words", time=until, list=told), note)


def incidence_by_cause(
    incidence: pd.DataFrame,
    ax: Axes | None = None,
    note: str = "",
    *,
    title: str = "",
    language: str = "en",
) -> Axes:
    """Share who have left by length of stay, stacked by cause, up to those who are still there.

    incidence: of `analysis.churn.incidence` for one group: cause, time (months), incidence. Raises ValueError
    for a table without these columns or rows, and for one of several groups.
    """
    need(incidence, ["cause", "time", "incidence"], "incidence_by_cause", "churn.incidence")
    known = {"cause", "time", "at_risk", "left", "incidence", "error", "low", "high"}
    if groups := [name for name in incidence.columns if name not in known]:
        raise ValueError(f"incidence_by_cause: draw one group of {groups[0]} at a time")
    wide = 100 * incidence.pivot(index="time", columns="cause", values="incidence")
    with a_page(ax, language) as page:
        until = float(wide.index[-1])
        base = np.zeros(len(wide))
        ends: dict[str, tuple[float, float, str]] = {}
        final = wide.iloc[-1].sort_values(ascending=False)
        spare = iter([OKABE_ITO["sky"], OKABE_ITO["blue"], OKABE_ITO["yellow"], GREY] * 5)
        told = []
        for cause, share in final.items():
            top = base + wide[cause].to_numpy(float)
            colour = CAUSE_COLOURS.get(str(cause)) or next(spare)
            page.ax.fill_between(wide.index, base, top, step="post", color=colour, linewidth=0)
            name = _cause(cause, page)
            label = f"{name} {share:.{0 if share >= 9.5 else 1}f} %"
            told.append(label)
            if share > 0:
                ends[label] = (until, float((base[-1] + top[-1]) / 2), colour)
            base = top
        gone = float(base[-1])
        page.ax.set_ylim(0, max(1.25 * gone, 1e-9))
        page.label_ends(ends)
        page.axes_words(page.say("churn.stay"), page.say("churn.gone"))
        found = page.say(
            "churn.incidence_title",
            time=until, gone=gone, cause=_cause(final.index[0], page), share=float(final.iloc[0]),
        )  # fmt: skip
        told.append(f"{page.say('churn.stays')} {100 - gone:.0f} %")
        sentence = page.say("churn.incidence_words", time=until, list=page.listed(told))
        return page.finish(title or found, sentence, note)


def hazard_by_tenure(
    hazards: pd.DataFrame,
    ax: Axes | None = None,
    note: str = "",
    *,
    title: str = "",
    language: str = "en",
) -> Axes:
    """Chance of leaving in a month by length of stay, with intervals, a line a group (or a cause).

    hazards: of `analysis.churn.hazards`: low_time, high_time (months), exposure, left, hazard, low, high.
    Raises ValueError for a table without these columns or rows, and where nobody was at risk.
    """
    need(hazards, sorted(_HAZARD), "hazard_by_tenure", "churn.hazards")
    with a_page(ax, language) as page:
        parts = _parts(hazards, _HAZARD, "hazard_by_tenure")
        ends: dict[str, tuple[float, float, str]] = {}
        means: dict[str, float] = {}
        steady = True
        first = last = math.nan
        width = float((hazards["high_time"] - hazards["low_time"]).min())
        causes = "cause" in hazards
        for k, ((name, part), colour) in enumerate(zip(parts.items(), _colours(list(parts)), strict=True)):
            if causes:
                colour = CAUSE_COLOURS.get(name, colour)
                name = _cause(name, page)
            part = part[part["exposure"] > 0]
            if not len(part):
                continue
            # groups stand a little beside one another, so that their intervals do not hide each other
            aside = 0.12 * width * (k - (len(parts) - 1) / 2)
            x = ((part["low_time"] + part["high_time"]) / 2 + aside).to_numpy(float)
            y, low, high = (100 * part[c].to_numpy(float) for c in ("hazard", "low", "high"))
            page.ax.vlines(x, low, high, color=colour, linewidth=2, alpha=0.6)
            page.ax.plot(x, y, color=colour, linewidth=1.6, marker="o", markersize=7 * page.scale)
            label = name or page.say("churn.all")
            ends[label] = (float(hazards["high_time"].max()), float(y[-1]), colour)
            means[label] = 100 * float(part["left"].sum() / part["exposure"].sum())
            steady = bool(low[0] <= high[-1] and low[-1] <= high[0])
            first, last = float(y[0]), float(y[-1])
        if not means:
            raise ValueError("hazard_by_tenure: nobody was at risk in any class")
        page.ax.set_ylim(0, 1.08 * 100 * float(np.nanmax(hazards["high"].where(hazards["exposure"] > 0))))
        page.label_ends(ends if len(ends) > 1 else {}, leaders=True)
        page.ax.set_xlim(float(hazards["low_time"].min()), float(hazards["high_time"].max()))
        page.axes_words(page.say("churn.stay"), page.say("churn.hazard"))
        if len(means) > 1:
            best, worst = min(means, key=means.__getitem__), max(means, key=means.__getitem__)
            key = "churn.hazard_causes" if causes else "churn.hazard_groups"
            found = page.say(key, best=best, low=means[best], worst=worst, high=means[worst])
        elif steady:
            found = page.say("churn.hazard_stays", mean=next(iter(means.values())))
        else:
            found = page.say("churn.hazard_moves", first=first, last=last)
        told = page.listed(f"{name} {y:.2f} %" for name, y in means.items())
        return page.finish(title or found, page.say("churn.hazard_words", list=told), note)


def stated_causes(
    table: pd.DataFrame,
    ax: Axes | None = None,
    note: str = "",
    *,
    title: str = "",
    language: str = "en",
) -> Axes:
    """Share of departures by cause, as stated (ring) and as true (dot): 所述原因与真实原因.

    table: `StatedAndTrue.table` of `analysis.churn.stated_and_true`: cause, stated, true. Raises ValueError
    for a table without these columns or rows, and where no cause has a share.
    """
    need(table, ["cause", "stated", "true"], "stated_causes", "churn.stated_and_true")
    rows = table[(table["stated"] > 0) | (table["true"] > 0)].sort_values("true", ignore_index=True)
    if not len(rows):
        raise ValueError("stated_causes: no cause has a share")
    with a_page(ax, language) as page:
        names = [_cause(c, page) for c in rows["cause"]]
        shares = 100 * rows[["stated", "true"]].to_numpy(dtype=float)
        for k, (cause, (said, was)) in enumerate(zip(rows["cause"], shares, strict=True)):
            colour = CAUSE_COLOURS.get(str(cause), OKABE_ITO["blue"])
            page.ax.plot([said, was], [k, k], color=colour, linewidth=3, alpha=0.45, zorder=1)
            page.ax.scatter([was], [k], s=190 * page.scale, color=colour, zorder=3)
            page.ax.scatter(
                [said], [k], s=190 * page.scale, facecolor="white", edgecolor=colour, linewidth=2.5, zorder=2
            )
            right = max(said, was)
            text = f"{page.say('churn.stated')} {said:.0f} %, {page.say('churn.true')} {was:.0f} %"
            page.ax.annotate(
                text, (right, k), (14, 0), textcoords="offset points", va="center", fontsize=0.9 * page.size,
                color=dark(colour),
            )  # fmt: skip
        page.ax.set_xlim(-0.02 * float(shares.max()), 1.45 * float(shares.max()))
        page.ax.set_xticks([t for t in page.ax.get_xticks() if 0 <= t <= 100])  # beyond is room for words
        page.ax.set_ylim(-0.6, len(rows) - 0.4)
        page.rows(range(len(rows)), names)
        page.axes_words(page.say("churn.share"), "")
        gap = rows["stated"] - rows["true"]
        if float(gap.max()) < 0.005:
            found = page.say("churn.stated_right")
        else:
            found = page.say(
                "churn.stated_title", over=names[int(gap.to_numpy().argmax())],
                under=names[int(gap.to_numpy().argmin())],
            )  # fmt: skip
        told = [
            page.say("churn.stated_each", cause=name, said=said, was=was)
            for name, (said, was) in zip(names[::-1], shares[::-1], strict=True)
        ]
        sentence = page.say("churn.stated_words", list=page.listed(told))
        return page.finish(title or found, sentence, note)


def hazard_ratios(
    found: Any,
    ax: Axes | None = None,
    note: str = "",
    *,
    names: Mapping[Any, str] | None = None,
    title: str = "",
    language: str = "en",
) -> Axes:
    """How many times as likely each group or term is to leave, with intervals, on a scale of ratios: 风险比.

    found: of `analysis.churn.hazard_ratios` or `cox`, or their table: group (or term), hazard_ratio, low,
    high. The row whose ratio is 1 without an interval is the baseline. names: words for groups or terms.
    Raises ValueError for a table without these columns or rows, and where there is only a baseline.
    """
    table = found if isinstance(found, pd.DataFrame) else found.table
    need(table, ["hazard_ratio", "low", "high"], "hazard_ratios", "churn.hazard_ratios")
    label = "term" if "term" in table else str(table.columns[0])
    base = table[(table["hazard_ratio"] == 1) & ~(table["low"] < table["high"])]
    rows = table.drop(base.index).sort_values("hazard_ratio", ignore_index=True)
    if not len(rows):
        raise ValueError("hazard_ratios: there is only a baseline")

    with a_page(ax, language, height=max(4.0, 2.0 + 0.55 * len(rows))) as page:
        ratio, low, high = (rows[c].to_numpy(float) for c in ("hazard_ratio", "low", "high"))
        place, sure = np.arange(len(rows)), (low > 1) | (high < 1)
        colours = [GREY if not s else OKABE_ITO["vermillion" if r > 1 else "blue"]
                   for s, r in zip(sure, ratio, strict=True)]  # fmt: skip
        page.ax.hlines(place, low, high, color=colours, linewidth=2.6, alpha=0.7)
        page.ax.scatter(ratio, place, s=130 * page.scale, color=colours, zorder=3)
        for y, x, end in zip(place, ratio, high, strict=True):
            page.ax.annotate(
                f"{x:.2f}", (end, y), (8, 0), textcoords="offset points", va="center", fontsize=page.size
            )
        page.ax.axvline(1, color="black", linewidth=1.4, linestyle=(0, (4, 3)))
        page.ax.set_xscale("log")
        left, right = min(float(low.min()), 0.9) / 1.15, max(float(high.max()), 1.1) * 1.3
        page.ax.set_xlim(left, right)
        ticks = [t for t in (0.05, 0.1, 0.2, 0.5, 0.7, 1, 1.5, 2, 3, 5, 10, 20) if left <= t <= right]
        page.ax.set_xticks(ticks, [f"{t:g}" for t in ticks])
        page.ax.set_xticks([], minor=True)
        page.ax.set_ylim(-0.6, len(rows) - 0.4)
        page.rows(place, [word_for(key, names) for key in rows[label]])
        page.axes_words(page.say("churn.ratio"), "")
        baseline = (
            page.say("churn.ratio_base", name=word_for(base[label].iloc[0], names)) if len(base) else ""
        )
        if sure.any():
            k = int(np.where(sure, np.abs(np.log(ratio)), -1).argmax())
            text = page.say(
                "churn.ratio_title", worst=word_for(rows[label][k], names), high=ratio[k], base=baseline
            )
        else:
            text = page.say("churn.ratio_none")
        told = [
            f"{word_for(key, names)} {x:.2f} [{a:.2f}, {b:.2f}]"
            for key, x, a, b in zip(rows[label], ratio, low, high, strict=True)
        ]
        return page.finish(title or text, page.say("churn.ratio_words", list=page.listed(told)), note)


def expected_loss(
    table: pd.DataFrame,
    ax: Axes | None = None,
    note: str = "",
    *,
    names: Mapping[Any, str] | None = None,
    title: str = "",
    language: str = "en",
) -> Axes:
    """Each group's share of the loss that departures are expected to bring, beside its share of the value.

    table: of `analysis.churn.expected_loss` by group: the group (first column), share_of_loss,
    share_of_value. names: words for the groups. 预期流失损失.
    """
    need(table, ["share_of_loss", "share_of_value"], "expected_loss", "churn.expected_loss")
    rows = table.sort_values("share_of_loss", ignore_index=True)
    keys = rows[rows.columns[0]]
    words = [word_for(key, names) for key in keys]
    with a_page(ax, language, height=max(4.0, 2.2 + 0.8 * len(rows))) as page:
        place = np.arange(len(rows))
        for column, shift, colour, key in (
            ("share_of_value", -0.2, "#B5B5B5", "churn.of_value"),
            ("share_of_loss", 0.2, OKABE_ITO["vermillion"], "churn.of_loss"),
        ):
            share = 100 * rows[column].to_numpy(float)
            page.ax.barh(place + shift, share, 0.38, color=colour, label=page.say(key))
            for y, x in zip(place + shift, share, strict=True):
                page.ax.annotate(
                    page.percent(x / 100), (max(x, 0.0), y), (5, 0), textcoords="offset points", va="center",
                    fontsize=0.85 * page.size,
                )  # fmt: skip
        page.legend(0.9)
        both = rows[["share_of_loss", "share_of_value"]].to_numpy(float)
        page.ax.set_xlim(min(0.0, 110 * float(both.min())), 114 * float(both.max()))
        page.rows(place, words)
        page.axes_words(page.say("churn.shares"), "")
        told = [
            {"name": name, "loss": page.percent(loss), "value": page.percent(worth)}
            for name, (loss, worth) in zip(words, both, strict=True)
        ][::-1]
        more = int((both[:, 0] - both[:, 1]).argmax())
        found = page.say("churn.loss_title", **told[len(rows) - 1 - more])
        listed = page.listed(page.say("churn.loss_one", **words_of) for words_of in told)
        return page.finish(title or found, page.say("churn.loss_words", list=listed), note)


def survival_without(
    table: pd.DataFrame,
    ax: Axes | None = None,
    note: str = "",
    *,
    removed: str = "",
    title: str = "",
    language: str = "en",
) -> Axes:
    """How much churn could be prevented at all: the curve as it is, and without some causes: 可避免的流失.

    table: of `analysis.churn.survival_without` for one group: time (months), survival, without. removed: a
    word for the causes that are taken away.
    """
    need(table, ["time", "survival", "without"], "survival_without", "churn.survival_without")
    with a_page(ax, language) as page:
        time = table["time"].to_numpy(float)
        now, then = (100 * table[c].to_numpy(float) for c in ("survival", "without"))
        page.ax.fill_between(time, now, then, step="post", color=OKABE_ITO["blue"], alpha=0.15, linewidth=0)
        page.ax.step(time, then, where="post", color=OKABE_ITO["blue"], linewidth=3)
        page.ax.step(time, now, where="post", color=OKABE_ITO["black"], linewidth=2)
        page.ax.set_ylim(max(0.0, 10 * math.floor((float(now.min()) - 2) / 10)), 100.5)
        ends = {
            removed or page.say("churn.without"): (time[-1], float(then[-1]), OKABE_ITO["blue"]),
            page.say("churn.as_is"): (time[-1], float(now[-1]), OKABE_ITO["black"]),
        }
        page.label_ends(ends, "{:.1f} %")
        page.axes_words(page.say("churn.stay"), page.say("churn.still"))
        gained = page.percent(float(then[-1] - now[-1]) / 100)
        found = page.say("churn.prevent_title", gained=gained, time=time[-1])
        sentence = page.say("churn.prevent_words", time=time[-1], now=float(now[-1]), then=float(then[-1]))
        return page.finish(title or found, sentence, note)


def silence_rule(
    table: pd.DataFrame,
    ax: Axes | None = None,
    note: str = "",
    *,
    title: str = "",
    language: str = "en",
) -> Axes:
    """How often the rule of silence is right, by the months of silence it waits for: 沉默判断的对错.

    table: of `analysis.churn.inactivity_errors`: gap, precision, recall, alarm_rate, accuracy.
    """
    lines = {
        "precision": OKABE_ITO["blue"],
        "recall": OKABE_ITO["green"],
        "alarm_rate": OKABE_ITO["vermillion"],
    }
    need(table, ["gap", *lines, "accuracy"], "silence_rule", "churn.inactivity_errors")
    with a_page(ax, language) as page:
        x = table["gap"].to_numpy(float)
        ends = {}
        for name, colour in lines.items():
            y = 100 * table[name].to_numpy(float)
            page.ax.plot(x, y, color=colour, linewidth=3, marker="o", markersize=7 * page.scale)
            ends[page.say(f"churn.{name}")] = (float(x[-1]), float(y[-1]), colour)
        best = int(np.nanargmax(table["accuracy"].to_numpy(float)))
        page.ax.axvline(x[best], color=GREY, linewidth=1.4, linestyle=(0, (4, 3)))
        page.ax.set_ylim(0, 101)
        page.label_ends(ends)
        page.ax.set_xlim(float(x.min()) - 0.3, float(x.max()) + 0.3)
        page.ax.set_xticks(x)
        page.axes_words(page.say("churn.gap"), page.say("churn.verdicts"))
        right = 100 * float(table["accuracy"].iloc[best])
        told = [
            page.say("churn.silence_one", gap=g, precision=100 * p, recall=100 * r)
            for g, p, r in zip(x, table["precision"], table["recall"], strict=True)
        ]
        return page.finish(
            title or page.say("churn.silence_title", gap=x[best], right=right),
            page.say("churn.silence_words", list=page.listed(told)), note,
        )  # fmt: skip
