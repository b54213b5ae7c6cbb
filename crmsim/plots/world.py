"""Figures of simulated worlds: survival, churn, policies and what they bring, two lives, service."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from ..vocabulary import ChurnCause, LoyaltyLayer
from .style import (
    CAUSE_COLOURS,
    GREY,
    LAYER_COLOURS,
    LIGHT,
    OKABE_ITO,
    POLICY_COLOURS,
    Page,
    a_page,
    add_words,
    broken,
    dark,
    line_styles,
    money_size,
    some_pages,
    writer,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# What became of a call.
OUTCOME_COLOURS = {"answered": OKABE_ITO["blue"], "abandoned": OKABE_ITO["orange"], "turned_away": "#B5B5B5"}
SERVICE_DAYS = 30  # of every month of service
_TEXT: dict[str, tuple[str, str]] = {
    "month": ("month", "月"),
    "still": ("still customers, %", "仍为客户的比例，%"),
    "survival_one": (
        "{n} of 1,000 are still customers after {months} months",
        "{months}个月后每千名客户中仍有{n}名",
    ),
    "survival_more": (
        "{name} keeps {n} customers in a thousand more than {base} over {months} months",
        "{months}个月中，{name}比{base}每千名客户多留住{n}名",
    ),
    "survival_none": (
        "No policy keeps more customers than {base} over {months} months",
        "{months}个月中，没有策略比{base}留住更多客户",
    ),
    "survival_words": (
        "Share of the initial customers still there, by month; at the end {list}.",
        "初始客户留存比例（按月）；期末：{list}。",
    ),
    "left_axis": ("departures a month in 1,000 customers", "每月每千名客户中的流失数"),
    "churn_title": (
        "{share:.0f} % of departures are {cause}",
        "{cause}占流失的{share:.0f}%",
    ),
    "churn_none": ("Nobody leaves", "没有客户流失"),
    "churn_words": (
        "Monthly departures by cause, stacked; over the whole time {list}.",
        "按原因堆叠的每月流失；全期：{list}。",
    ),
    "kept_axis": ("initial customers still there, %", "初始客户留存，%"),
    "kept_counts": ("initial customers still there", "初始客户留存数"),
    "kept_words": (
        "Initial customers still there by month, mean of {n} replications and the range of {level} % of "
        "them; at the end {list}.",
        "初始客户留存（按月），{n}次重复的均值与{level}%范围；期末：{list}。",
    ),
    "band": (
        "bands: {level} % of {n} replications, the same luck for every policy",
        "色带：{n}次重复的{level}%，各策略运气相同",
    ),
    "effect_none": ("No policy surely raises {measure}", "没有策略确能提高{measure}"),
    "return_none": ("No policy surely pays for itself", "没有策略确能收回成本"),
    "effect_best": ("Best for {measure}: {policy}, {text}", "{measure}最佳：{policy}，{text}"),
    "effect_words": (
        "Difference from {base} in {measure}, with {level} % intervals: {list}.",
        "与{base}相比的{measure}之差，{level}%区间：{list}。",
    ),
    "effect_axis": ("difference from {base}: {measure}", "与{base}之差：{measure}"),
    "money_gain": ("{policy} adds {net} to customer equity", "{policy}使客户权益增加{net}"),
    "money_loss": ("{policy} takes {net} from customer equity", "{policy}使客户权益减少{net}"),
    "money_open": (
        "Whether {policy} pays cannot be told: {net}, from {low} to {high}",
        "{policy}是否划算尚难判断：{net}（{low} 至 {high}）",
    ),
    "money_axis": ("difference from {base}, discounted, {unit}", "与{base}之差（折现），{unit}"),
    "money_words": (
        "{policy} against {base}: margin {margin}, acquisition {acquisition}, policy {cost}, together {net}.",
        "{policy}与{base}相比：毛利{margin}，获客{acquisition}，策略成本{cost}，合计{net}。",
    ),
    "margin": ("margin", "毛利"),
    "acquisition": ("acquisition", "获客"),
    "policy_cost": ("policy", "策略成本"),
    "net": ("equity", "客户权益"),
    "without": ("without", "无策略"),
    "with": ("with policies", "有策略"),
    "points": ("points", "分"),
    "seconds": ("s", "秒"),
    "percent": ("percentage points", "个百分点"),
    "satisfaction": ("satisfaction", "满意度"),
    "trust": ("trust", "信任"),
    "layer": ("layer", "层次"),
    "failure": ("failure", "服务失误"),
    "complaint": ("complaint", "投诉"),
    "answer": ("resolved", "已解决"),
    "offer": ("offer", "挽留优惠"),
    "missed": ("missed payment", "未付款"),
    "part": ("the lives part", "两种人生分开"),
    "leaves": ("leaves: {cause}", "离开：{cause}"),
    "stays": ("stays", "留下"),
    "lives_part": ("{who}: the two lives part in month {month}", "{who}：两种人生在第{month}月分开"),
    "lives_felt": (
        "{who}: the same happens in both lives, and is felt otherwise",
        "{who}：两种人生经历相同，感受不同",
    ),
    "lives_same": ("{who}: the policies change nothing", "{who}：策略没有带来变化"),
    "lives_saved": (
        "{who} leaves in month {month} without the policies, and stays with them",
        "{who}：无策略时第{month}月离开，有策略时留下",
    ),
    "lives_harmed": (
        "{who} stays without the policies, and leaves in month {month} with them",
        "{who}：无策略时留下，有策略时第{month}月离开",
    ),
    "lives_words": (
        "{who}: without the policies {without}, with them {with_}.",
        "{who}：无策略时{without}，有策略时{with_}。",
    ),
    "leaves_in": ("leaves in month {month} ({cause})", "第{month}月离开（{cause}）"),
    "customer": ("customer {id}", "客户{id}"),
    "calls": ("calls a day", "每日来电"),
    "answered": ("answered", "已接听"),
    "abandoned": ("abandoned", "已放弃"),
    "turned_away": ("when closed", "非服务时间"),
    "day_axis": ("day of month {month}, Mondays marked", "第{month}月的日期（标出星期一）"),
    "hour_axis": ("hour of the day", "一天中的小时"),
    "wait_axis": ("mean wait, s", "平均等待，秒"),
    "month_title": (
        "Month {month}: {calls} calls while open, {share:.0f} % abandoned, a mean wait of {wait:.0f} s",
        "第{month}月服务时间内来电{calls}次，放弃{share:.0f}%，平均等待{wait:.0f}秒",
    ),
    "month_words": (
        "Above, the calls of month {month} by day: {answered} answered, {abandoned} abandoned, {closed} "
        "outside opening hours. Below, the mean wait of the answered by hour of the day: longest from "
        "{hour} to {next}, with {most:.0f} s.",
        "上图：第{month}月每日来电，接听{answered}次，放弃{abandoned}次，非服务时间{closed}次。"
        "下图：按小时的平均等待，{hour}至{next}时最长，为{most:.0f}秒。",
    ),
    "wait": ("mean wait, s", "平均等待，秒"),
    "abandoned_share": ("calls abandoned, %", "放弃的来电，%"),
    "utilisation": ("agents busy, %", "坐席忙碌，%"),
    "satisfaction_points": ("satisfaction, points", "满意度，分"),
    "years_title": (
        "Callers wait {wait:.0f} s, {share:.0f} % of calls are abandoned",
        "来电平均等待{wait:.0f}秒，{share:.0f}%放弃",
    ),
    "years_more": (
        "With {name} callers wait {wait:.0f} s instead of {before:.0f} s",
        "{name}使平均等待从{before:.0f}秒变为{wait:.0f}秒",
    ),
    "years_words": (
        "Mean wait of the answered, share of calls abandoned, agents' time on the phone and mean "
        "satisfaction by month; over the whole time {list}.",
        "按月的平均等待、放弃比例、坐席忙碌与满意度；全期：{list}。",
    ),
    "years_one": ("wait {wait:.0f} s, {share:.1f} % abandoned", "等待{wait:.0f}秒，放弃{share:.1f}%"),
    "years_each": (
        "{name}: wait {wait:.0f} s, {share:.1f} % abandoned",
        "{name}：等待{wait:.0f}秒，放弃{share:.1f}%",
    ),
    "waits_title": (
        "{none:.0f} % of calls are answered at once, {share:.0f} % are abandoned",
        "{none:.0f}%的来电立即接听，{share:.0f}%放弃",
    ),
    "waits_axis": (
        "wait of those who wait, minutes (last bar: {last:g} and more)",
        "等待者的等待时间，分钟（最后一条：{last:g}以上）",
    ),
    "waits_count": ("calls that wait, %", "等待的来电，%"),
    "waits_words": (
        "Waits of the {waited} calls of {calls} that were not answered at once: half of the answered of "
        "them waited more than {median:.1f} minutes. {share:.1f} % of all calls were abandoned.",
        "{calls}次来电中有{waited}次未立即接听，其中接听者半数等待超过{median:.1f}分钟。"
        "全部来电的{share:.1f}%放弃。",
    ),
    "waits_none": (
        "All {calls} calls were answered at once.",
        "全部{calls}次来电立即接听。",
    ),
    "facts_title": ("{met} of {known} published facts are met", "{known}项已发表事实中符合{met}项"),
    "facts_axis": ("published band", "已发表区间"),
    "facts_words": (
        "Each row is a published quantity: the bar is its band, the dot the simulated figure. "
        "Not met: {list}.",
        "每行为一项已发表数量：条为区间，点为模拟值。不符：{list}。",
    ),
    "nothing": ("none", "无"),
    "thousand": ("in a thousand customers", "每千名客户"),
    "and": (", ", "，"),
    "fitted": ("fitted", "拟合"),
}  # fmt: skip
# What the measures of a comparison are called: English, Chinese, how they are scaled, and whether
# more is better (+), worse (-) or neither.
_MEASURES: dict[str, tuple[str, str, str, str]] = {
    "kept": ("customers kept", "留住的客户", "thousand", "+"),
    "customers_at_end": ("customers at the end", "期末客户", "thousand", "+"),
    "equity": ("customer equity", "客户权益", "money", "+"),
    "gross_equity": ("customer equity before policy cost", "扣除策略成本前的客户权益", "money", "+"),
    "cost": ("cost of the policy", "策略成本", "money", "-"),
    "acquisition": ("cost of acquisition", "获客成本", "money", "-"),
    "return": ("return", "回报率", "share", "+"),
    "cost_per_saved": ("cost per customer saved", "每挽留一名客户的成本", "money", "-"),
    "satisfaction": ("satisfaction", "满意度", "points", "+"),
    "left": ("departures", "流失", "thousand", "-"),
    "attributed_fault": ("departures rooted in a fault", "源于过失的流失", "thousand", "-"),
    "expected_saves": ("expected saves", "期望挽留", "thousand", "+"),
    "saved": ("customers saved", "挽留的客户", "thousand", "+"),
    "harmed": ("customers harmed", "受损的客户", "thousand", "-"),
    "months_gained": ("months gained", "增加的月数", "thousand", "+"),
    "value_gained": ("value gained", "增加的价值", "money", "+"),
    "complaints": ("complaints", "投诉", "thousand", " "),
    "joined": ("customers joined", "新增客户", "thousand", "+"),
    "revenue": ("revenue", "收入", "money", "+"),
    "margin": ("margin", "毛利", "money", "+"),
    **{f"left_{c.key}": (c.english, c.chinese, "thousand", "-") for c in ChurnCause},
    "contacts": ("contacts in 1,000 customers a month", "每月每千名客户的来电", "", " "),
    "wait": ("mean wait of callers", "来电平均等待", "seconds", "-"),
    "abandoned_share": ("calls abandoned", "放弃的来电", "percent", "-"),
    "service_level": ("calls answered in time", "及时接听的来电", "percent", "+"),
    "utilisation": ("agents busy", "坐席忙碌", "percent", " "),
    "solved_share": ("contacts solved", "已解决的来电", "percent", "+"),
    "repairs_late_share": ("repairs late", "逾期的抢修", "percent", "-"),
    "formal_complaints": ("formal complaints", "正式投诉", "thousand", "-"),
}
add_words(_TEXT)


def survival(
    series: Mapping[str, pd.Series],
    ax: Axes | None = None,
    note: str = "",
    *,
    title: str = "",
    language: str = "en",
) -> Axes:
    """Share of a cohort still there, by months since the start.

    series: name -> share (0 to 1) indexed by month, as `Run.survival` gives it. The first one is
    drawn thin and black, as the world the others are compared with. Raises ValueError without a series.
    """
    if not series:
        raise ValueError("survival: no series is given")
    with a_page(ax, language) as page:
        ends = {}
        names = list(series)
        for name, colour, width in line_styles(names):
            curve = 100 * series[name]
            page.ax.step(curve.index, curve, where="post", color=colour, linewidth=width)
            ends[name] = (float(curve.index[-1]), float(curve.iloc[-1]), colour)
        lowest = min(float(100 * s.min()) for s in series.values())
        page.ax.set_ylim(max(0.0, 10 * math.floor((lowest - 3) / 10)), 100.5)
        page.label_ends(ends, "{:.1f} %")
        page.axes_words(page.say("month"), page.say("still"))
        months = int(max(s.index[-1] for s in series.values()))
        final = {name: float(s.iloc[-1]) for name, s in series.items()}
        found = _kept_title(page, final, months)
        shown = page.say("and").join(f"{name} {100 * x:.1f} %" for name, x in final.items())
        return page.finish(title or found, page.say("survival_words", list=shown), note)


def churn_by_cause(
    monthly: pd.DataFrame,
    ax: Axes | None = None,
    note: str = "",
    *,
    title: str = "",
    language: str = "en",
) -> Axes:
    """Departures a month in 1,000 customers, stacked by cause.

    monthly: `Run.monthly`, or `Experiment.monthly` of one scenario and policy. Raises ValueError for a table
    without these columns.
    """
    table = _wide(monthly)
    causes = [c for c in ChurnCause if f"left_{c.key}" in table]
    if not causes or "at_risk" not in table:
        raise ValueError("churn_by_cause: a table with at_risk and left_<cause> is needed, as Run.monthly")
    with a_page(ax, language) as page:
        at_risk = table["at_risk"].where(table["at_risk"] > 0)
        base = np.zeros(len(table))
        ends: dict[str, tuple[float, float, str]] = {}
        totals = {c: float(table[f"left_{c.key}"].sum()) for c in causes}
        all_left = sum(totals.values())
        months = table.index.to_numpy(float)
        # The largest cause stands at the bottom, where its course is read best.
        for cause in sorted(causes, key=lambda c: -totals[c]):
            if totals[cause] == 0:
                continue
            rate = (1000 * table[f"left_{cause.key}"] / at_risk).fillna(0.0).to_numpy()
            colour = CAUSE_COLOURS[cause.key]
            edge = [*months, months[-1] + 1]
            low, high = [*base, base[-1]], [*(base + rate), base[-1] + rate[-1]]
            page.ax.fill_between(edge, low, high, step="post", color=colour, linewidth=0)
            share = 100 * totals[cause] / all_left
            label = f"{cause.label(page.language)} {share:.{0 if share >= 1 else 1}f} %"
            ends[label] = (months[-1] + 1, float(base[-1] + rate[-1] / 2), colour)
            base = base + rate
        page.ax.set_ylim(0, max(1.05 * float(base.max(initial=0)), 1e-9))
        page.label_ends(ends)
        page.axes_words(page.say("month"), page.say("left_axis"))
        if all_left:
            first = max(totals, key=lambda c: totals[c])
            found = page.say(
                "churn_title", share=100 * totals[first] / all_left, cause=first.label(page.language)
            )
        else:
            found = page.say("churn_none")
        shown = page.say("and").join(ends) or page.say("nothing")
        return page.finish(title or found, page.say("churn_words", list=shown), note)


def customers_kept(
    monthly: pd.DataFrame,
    ax: Axes | None = None,
    note: str = "",
    *,
    scenario: str | None = None,
    baseline: str | None = None,
    level: float = 0.95,
    title: str = "",
    language: str = "en",
) -> Axes:
    """Initial customers still there by month, a line with a band for each policy.

    monthly: `Experiment.monthly` with the measure `kept` (and `at_risk`, to make shares of it).
    scenario: needed where there are several. baseline: the policy drawn thin and black (default: the first).
    level: that of the bands, 0 to 1. Raises ValueError for a table without the measure `kept`.
    """
    rows = _one_scenario(monthly, scenario, "customers_kept")
    kept = rows[rows["measure"] == "kept"]
    if kept.empty:
        raise ValueError("customers_kept: the table has no measure 'kept'; see Experiment.monthly")
    policies = list(dict.fromkeys(kept["policy"]))
    names = _baseline_first(policies, baseline, "customers_kept")
    start = rows[(rows["measure"] == "at_risk") & (rows["month"] == rows["month"].min())]["mean"]
    whole = float(start.iloc[0]) if len(start) else math.nan
    scale = 100 / whole if whole > 0 else 1.0
    replications = int(kept["replications"].iloc[0])
    with a_page(ax, language) as page:
        ends = {}
        for name, colour, width in line_styles(names):
            part = kept[kept["policy"] == name].sort_values("month")
            # A number at the end of month m stands at m + 1; all are there at 0.
            first = [whole * scale] if whole > 0 else []
            x = [*([0] if first else []), *(part["month"] + 1)]
            mean = [*first, *(part["mean"] * scale)]
            page.ax.plot(x, mean, color=colour, linewidth=width, zorder=3 if name == names[0] else 2)
            if part["low"].notna().all():
                low, high = [*first, *(part["low"] * scale)], [*first, *(part["high"] * scale)]
                page.ax.fill_between(x, low, high, color=colour, alpha=0.10, linewidth=0)
            ends[name] = (float(x[-1]), float(mean[-1]), colour)
        page.label_ends(ends, "{:.1f} %" if whole > 0 else "{:,.0f}")
        page.axes_words(page.say("month"), page.say("kept_axis" if whole > 0 else "kept_counts"))
        months = int(kept["month"].max()) + 1
        final = {name: end[1] / 100 for name, end in ends.items()}
        found = _kept_title(page, final, months) if whole > 0 else page.say("kept_counts")
        shown = page.say("and").join(
            f"{name} {y:,.1f} %" if whole > 0 else f"{name} {y:,.0f}" for name, (_, y, _) in ends.items()
        )
        sentence = page.say("kept_words", n=replications, level=f"{100 * level:g}", list=shown)
        if replications > 1:
            bands = page.say("band", level=f"{100 * level:g}", n=replications)
            note = f"{note}; {bands}" if note else bands
        return page.finish(title or found, sentence, note)


def policy_effects(
    comparison: Any,
    measure: str = "kept",
    ax: Axes | None = None,
    note: str = "",
    *,
    title: str = "",
    language: str = "en",
) -> Axes:
    """What each policy changes: a dot with its interval, and a line at no difference.

    comparison: what `compare` gives, or its `table`. measure: one that was compared. Several scenarios stand
    in groups. Counts are shown in a thousand initial customers, the return in per cent, differences of shares
    in percentage points. Raises ValueError for a measure that was not compared.
    """
    table = getattr(comparison, "table", comparison)
    rows = table[table["measure"] == measure].reset_index(drop=True)
    if rows.empty:
        known = ", ".join(dict.fromkeys(table["measure"]))
        raise ValueError(f"policy_effects: no measure {measure!r} in the comparison; it has {known}")
    baseline, level = str(rows["baseline"].iloc[0]), getattr(comparison, "level", 0.95)
    english, chinese, kind, sense = _MEASURES.get(measure, (measure.replace("_", " "), measure, "", " "))
    numbers = rows[["effect", "low", "high"]].astype(float)
    unit, size = "%" if kind == "share" else "", 1.0
    if kind == "thousand":
        numbers = numbers.mul(1000 / rows["customers"], axis=0)
    elif kind in ("share", "percent"):
        numbers = 100 * numbers
    elif kind == "money":
        size = money_size(float(np.nanmax(np.abs(numbers["effect"]), initial=0.0)))
        numbers = numbers / size
    write = writer(numbers["effect"], kind == "share")
    scenarios, policies = list(dict.fromkeys(rows["scenario"])), list(dict.fromkeys(rows["policy"]))
    lines = len(rows) + len(scenarios) * (len(scenarios) > 1)
    with a_page(ax, language, height=max(4.0, 2.2 + 0.62 * lines)) as page:
        if kind in ("thousand", "points", "seconds", "percent"):
            unit = page.say(kind)
        elif kind == "money":
            unit = page.money_unit(size, getattr(comparison, "currency", ""))
        word = chinese if page.language == "zh" else english
        finite = numbers.to_numpy()[np.isfinite(numbers.to_numpy())]
        left, right = min(0.0, *finite, 0.0), max(0.0, *finite, 0.0)
        span = (right - left) or 1.0
        page.ax.set_xlim(left - 0.06 * span, right + 0.30 * span)
        page.ax.axvline(0, color=OKABE_ITO["black"], linewidth=1.2)
        y, ticks, shown = 0.0, [], []
        best: tuple[float, str, str] | None = None
        for scenario in scenarios:
            if len(scenarios) > 1:
                ticks.append((y, f"{scenario}:"))
                y += 1
            for k in rows.index[rows["scenario"] == scenario]:
                policy = str(rows.at[k, "policy"])
                effect, low, high = numbers.loc[k]
                ticks.append((y, policy))
                text, reach = "–", 0.0
                if math.isfinite(effect):
                    colour = POLICY_COLOURS[policies.index(policy) % len(POLICY_COLOURS)]
                    bounded = math.isfinite(low) and math.isfinite(high)
                    if bounded:
                        page.ax.plot([low, high], [y, y], color=colour, linewidth=5 * page.scale, alpha=0.45)
                    page.ax.plot([effect], [y], "o", color=colour, markersize=11 * page.scale)
                    text, reach = write(effect), max(effect, high) if bounded else effect
                    if bounded and write(low) != write(high):
                        text += f" [{write(low, '')}, {write(high, '')}]"
                    shown.append(
                        f"{policy} {text}" if len(scenarios) == 1 else f"{scenario}, {policy} {text}"
                    )
                    surely = low > 0 if bounded else effect > 0
                    if surely and (best is None or effect > best[0]):
                        aside = page.language == "zh" and kind == "thousand"
                        said = f"{write(effect)}（{unit}）" if aside else f"{write(effect)} {unit}"
                        best = (effect, policy, said.rstrip())
                # A negative effect's number stands beyond the zero line, which would cross it.
                page.ax.text(max(reach, 0.0) + 0.02 * span, y, text, va="center", fontsize=0.85 * page.size)
                y += 1
        page.ax.set_yticks([t for t, _ in ticks], [broken(name) for _, name in ticks])
        page.ax.set_ylim(y - 0.4, -0.6)
        page.ax.tick_params(axis="y", length=0)
        page.ax.spines["left"].set_visible(False)
        page.ax.grid(axis="x", color=LIGHT, linewidth=0.8)
        page.ax.grid(axis="y", visible=False)
        full = page.say("and").join(filter(None, (word, unit)))
        axis = full if kind == "share" else page.say("effect_axis", base=baseline, measure=full)
        page.axes_words(axis, "")
        if sense != "+" or len(scenarios) > 1:
            found = axis
        elif best is None:
            found = page.say("return_none" if kind == "share" else "effect_none", measure=word)
        else:
            found = page.say("effect_best", measure=word, policy=best[1], text=best[2])
        sentence = page.say(
            "effect_words",
            base=baseline,
            measure=full,
            level=f"{100 * level:g}",
            list=page.say("and").join(shown),
        )
        return page.finish(title or found, sentence, note)


def money(
    comparison: Any,
    policy: str | None = None,
    ax: Axes | None = None,
    note: str = "",
    *,
    scenario: str | None = None,
    title: str = "",
    language: str = "en",
) -> Axes:
    """Where a policy's money comes from and goes: margin, acquisition, policy cost, and the net.

    comparison: what `compare` gives. policy, scenario: needed where several are compared. All are
    differences from the baseline, discounted; the net has its interval.
    """
    net = comparison.effect("equity", policy, scenario)
    name, where, baseline = str(net["policy"]), str(net["scenario"]), str(net["baseline"])
    part = {m: comparison.effect(m, name, where)["effect"] for m in ("gross_equity", "acquisition", "cost")}
    steps = {
        "margin": part["gross_equity"] + part["acquisition"],
        "acquisition": -part["acquisition"],
        "policy_cost": -part["cost"],
    }
    size = money_size(max(abs(x) for x in [*steps.values(), net["effect"]]))
    write = writer(pd.Series([*steps.values(), net["effect"]]) / size, False)
    with a_page(ax, language) as page:
        unit = page.money_unit(size, comparison.currency)

        def shown(x: float, sign: str = "+") -> str:
            return f"{write(x / size, sign)} {unit}".rstrip()

        good, bad = OKABE_ITO["blue"], OKABE_ITO["orange"]
        edges = [0.0, *np.cumsum(list(steps.values())), net["low"], net["high"], net["effect"]]
        edges = [x / size for x in edges if math.isfinite(x)]
        room = 0.12 * ((max(edges) - min(edges)) or 1.0)
        page.ax.set_ylim(min(edges) - room * (min(edges) < 0), max(edges) + room)
        level = 0.0
        for k, step in enumerate(steps.values()):
            page.ax.bar(k, step / size, bottom=level / size, width=0.62, color=good if step >= 0 else bad)
            after = level + step
            page.ax.plot([k + 0.31, k + 0.69], [after / size] * 2, color=GREY, linewidth=1)
            page.value(k, max(level, after) / size, write(step / size))
            level = after
        colour = good if net["effect"] >= 0 else bad
        page.ax.bar(3, net["effect"] / size, width=0.62, color=colour, edgecolor="black", linewidth=2)
        top, text = max(0.0, net["effect"]), write(net["effect"] / size)
        if math.isfinite(net["low"]):
            page.ax.plot([3, 3], [net["low"] / size, net["high"] / size], color="black", linewidth=3)
            top = max(top, net["high"])
            text += f" [{write(net['low'] / size, '')}, {write(net['high'] / size, '')}]"
        page.value(3, top / size, text)
        page.ax.axhline(0, color="black", linewidth=1.2)
        page.ax.set_xticks(range(4), [page.say(k) for k in (*steps, "net")])
        page.ax.tick_params(axis="x", length=0)
        page.axes_words("", page.say("money_axis", base=baseline, unit=unit))
        if math.isfinite(net["low"]) and net["low"] < 0 < net["high"]:
            low, high = shown(net["low"]), shown(net["high"])
            found = page.say("money_open", policy=name, net=shown(net["effect"]), low=low, high=high)
        else:
            key = "money_gain" if net["effect"] >= 0 else "money_loss"
            found = page.say(key, policy=name, net=shown(abs(net["effect"]), ""))
        sentence = page.say(
            "money_words", policy=name, base=baseline, margin=shown(steps["margin"]),
            acquisition=shown(steps["acquisition"]), cost=shown(steps["policy_cost"]),
            net=shown(net["effect"]),
        )  # fmt: skip
        return page.finish(title or found, sentence, note)


def two_lives(
    without: pd.DataFrame,
    with_policies: pd.DataFrame,
    axes: Sequence[Axes] | None = None,
    note: str = "",
    *,
    customer: int | None = None,
    parted: int | Literal["felt"] | None = "felt",
    title: str = "",
    language: str = "en",
) -> np.ndarray:
    """One customer's life without the policies (above) and with them (below).

    without, with_policies: that customer's rows of `Run.lives`, indexed by month: satisfaction and trust as
    lines, the layer of loyalty as a ribbon, and marks for failures, complaints and their solution,
    offers, missed payments and leaving. `parted` is the month in which the lives part, None for never;
    "felt" takes the first in which anything differs, attitudes too. `customer` is the number to name in the
    title, by default that of the rows. Returns the two axes.
    """
    lives = [_life(without), _life(with_policies)]
    if customer is None:
        customer = next((life.attrs["customer"] for life in lives if "customer" in life.attrs), None)
    months = 1 + max(int(life.index.max()) for life in lives)
    with some_pages(axes, language) as pages:
        ends = []
        for page, life, key in zip(pages, lives, ("without", "with"), strict=True):
            ends.append(_draw_life(page, life, months, page.say(key)))
        first = pages[0]
        who = first.say("customer", id=customer) if customer is not None else first.say("customer", id="")
        who = who.strip()
        gone = [end is not None for end in ends]
        month = _parting(*lives) if parted == "felt" else parted
        if gone[0] and not gone[1]:
            found = first.say("lives_saved", who=who, month=ends[0][0])  # type: ignore[index]
        elif gone[1] and not gone[0]:
            found = first.say("lives_harmed", who=who, month=ends[1][0])  # type: ignore[index]
        elif month is None:
            same = _parting(*lives) is None
            found = first.say("lives_same" if same else "lives_felt", who=who)
        else:
            found = first.say("lives_part", who=who, month=month)
        if month is not None:
            for page in pages:
                page.ax.axvline(month, color=GREY, linewidth=1.5, linestyle=(0, (2, 2)))
            right = month < months / 2
            # In the life that goes on, or below the word that says why both ended.
            page, y = (pages[1], 111) if ends[1] is None else (first, 111 if ends[0] is None else 92)
            page.ax.annotate(
                first.say("part"), (month, y), (8 if right else -8, 0), textcoords="offset points",
                ha="left" if right else "right", va="center", fontsize=first.size, color=GREY,
            )  # fmt: skip
        said = [
            first.say("stays") if end is None else first.say("leaves_in", month=end[0], cause=end[1])
            for end in ends
        ]
        sentence = first.say("lives_words", who=who, without=said[0], with_=said[1])
        pages[1].axes_words(first.say("month"), first.say("points"))
        first.axes_words("", first.say("points"))
        first.finish(title or found, sentence, "", pad=14 + 1.3 * first.size)
        pages[1].finish("", sentence, note)
        return np.array([page.ax for page in pages])


def facts(
    report: Any,
    ax: Axes | None = None,
    note: str = "",
    *,
    title: str = "",
    language: str = "en",
) -> Axes:
    """Published bands and the simulated figures, a row a fact.

    report: what `facts()` gives, or its `table` with the columns name, preset, figure, low, high, met
    (None where it could not be measured; such rows are left out) and, if known, fitted and
    standard_error. Each band is drawn from 0 to 1; figures far outside stand at the edge.
    """
    table = getattr(report, "table", report)
    table = table[table["met"].notna() & table["figure"].notna()]
    if table.empty:
        raise ValueError("facts: the report has no measured fact")
    with a_page(ax, language, height=1.9 + 0.34 * len(table)) as page:
        missed = []
        page.ax.axvspan(0, 1, color="#EDEDED", linewidth=0)
        for k, row in enumerate(table.itertuples()):
            low, high, figure = float(row.low), float(row.high), float(row.figure)
            place, start, end, unit = _in_band(figure, low, high)
            colour = OKABE_ITO["blue"] if row.met else OKABE_ITO["vermillion"]
            page.ax.plot(
                [start, end], [k, k], color="#9A9A9A", linewidth=6 * page.scale, solid_capstyle="butt"
            )
            error = float(getattr(row, "standard_error", math.nan))
            if math.isfinite(error):
                reach = 1.96 * error / unit
                bar = np.clip([place - reach, place + reach], -1.15, 2.15)
                page.ax.plot(bar, [k, k], color=colour, linewidth=2)
            shown = float(np.clip(place, -1.15, 2.15))
            marker = "o" if shown == place else "<" if place < 0 else ">"
            fill = colour if row.met else "white"
            page.ax.plot(
                [shown], [k], marker, color=fill, markeredgecolor=colour, markeredgewidth=2.2,
                markersize=9 * page.scale,
            )  # fmt: skip
            text = f"{figure:.3g}  ({_band(low, high)})".replace("-", "\N{MINUS SIGN}")
            page.ax.text(2.28, k, text, va="center", fontsize=0.72 * page.size)
            if not row.met:
                missed.append(f"{row.name} ({row.preset})")
        several = table["preset"].nunique() > 1
        labels = []
        for row in table.itertuples():
            name = textwrap.shorten(str(row.name), 44, placeholder=" ...")
            fitted = page.say("fitted") if getattr(row, "fitted", False) else ""
            labels.append(" · ".join(filter(None, (name, str(row.preset) if several else "", fitted))))
        page.ax.set_yticks(range(len(table)), labels)
        page.ax.tick_params(axis="y", labelsize=0.72 * page.size, length=0)
        page.ax.set_xticks([0, 1], ["", ""])
        page.ax.set_xlim(-1.25, 3.4)
        page.ax.set_ylim(len(table) - 0.4, -0.6)
        page.ax.grid(visible=False)
        for spine in page.ax.spines.values():
            spine.set_visible(False)
        page.ax.text(
            0.5,
            len(table) - 0.3,
            page.say("facts_axis"),
            ha="center",
            va="top",
            fontsize=0.8 * page.size,
            color=GREY,
        )
        found = page.say("facts_title", met=int(table["met"].astype(bool).sum()), known=len(table))
        sentence = page.say("facts_words", list=page.say("and").join(missed) or page.say("nothing"))
        return page.finish(title or found, sentence, note)


def service_month(
    contacts: pd.DataFrame,
    axes: Sequence[Axes] | None = None,
    note: str = "",
    *,
    month: int | None = None,
    title: str = "",
    language: str = "en",
) -> np.ndarray:
    """One month of a hotline: calls by day (above), mean wait by hour of the day (below).

    contacts: `Run.contacts()`, a row an attempt. month: from 0, the last one by default. Days count
    from 1, month 0 begins on a Monday, and a month has 30 days; what calls come after its end, for a
    second time, are left out. A wait, in seconds, is that of the answered, by the hour they called.
    Returns the two axes. Raises ValueError for a month without calls.
    """
    rows = _calls(contacts, "service_month")
    months = rows["month"]
    if rows.empty or (month is not None and not (months == month).any()):
        known = f"; there are {months.min()} to {months.max()}" if len(rows) else ""
        raise ValueError(f"service_month: no calls in month {0 if month is None else month}{known}")
    month = int(months.max()) if month is None else month
    rows = rows[(months == month) & (rows["arrival_time"] < 24 * SERVICE_DAYS)]
    days = np.arange(1, SERVICE_DAYS + 1)
    day = (rows["arrival_time"] // 24).astype(int) + 1
    number = {
        outcome: day[rows["outcome"] == outcome].value_counts().reindex(days, fill_value=0).to_numpy()
        for outcome in OUTCOME_COLOURS
    }
    served = rows[rows["outcome"] == "answered"]
    hour = (served["arrival_time"] % 24).astype(int)
    wait = (3600 * served["waiting_time"]).groupby(hour).mean()
    with some_pages(axes, language, sharex=False) as pages:
        upper, lower = pages
        base = np.zeros(SERVICE_DAYS)
        for outcome, counts in number.items():
            if not counts.sum():
                continue
            upper.ax.bar(
                days, counts, bottom=base, width=0.8, color=OUTCOME_COLOURS[outcome],
                label=upper.say(outcome),
            )  # fmt: skip
            base += counts
        upper.ax.set_xlim(0.3, SERVICE_DAYS + 0.7)
        upper.ax.set_xticks([int(d) for d in days if (SERVICE_DAYS * month + d - 1) % 7 == 0])
        upper.ax.grid(axis="x", visible=False)
        upper.legend()
        upper.axes_words(upper.say("day_axis", month=month), upper.say("calls"))
        lower.ax.bar(wait.index + 0.5, wait, width=0.8, color=OUTCOME_COLOURS["answered"])
        for at, seconds in wait.items():
            lower.value(float(str(at)) + 0.5, float(seconds), f"{seconds:.0f}")
        edges = [int(wait.index.min()), int(wait.index.max()) + 1] if len(wait) else [8, 17]
        lower.ax.set_xlim(edges[0] - 0.2, edges[1] + 0.2)
        lower.ax.set_xticks(range(edges[0], edges[1] + 1))
        lower.ax.set_ylim(0, 1.18 * max(float(wait.max()) if len(wait) else 0.0, 1.0))
        lower.axes_words(lower.say("hour_axis"), lower.say("wait_axis"))
        totals = {outcome: int(each.sum()) for outcome, each in number.items()}
        offered = totals["answered"] + totals["abandoned"]
        mean = 3600 * float(served["waiting_time"].mean()) if len(served) else 0.0
        found = upper.say(
            "month_title", month=month, calls=f"{offered:,}", wait=mean,
            share=100 * totals["abandoned"] / max(offered, 1),
        )  # fmt: skip
        longest = int(str(wait.idxmax())) if len(wait) else edges[0]
        sentence = upper.say(
            "month_words", month=month, answered=f"{totals['answered']:,}",
            abandoned=f"{totals['abandoned']:,}", closed=f"{totals['turned_away']:,}", hour=longest,
            next=longest + 1, most=float(wait.max()) if len(wait) else 0.0,
        )  # fmt: skip
        upper.finish(title or found, sentence, "", pad=14 + 1.6 * upper.size)
        lower.finish("", sentence, note)
        return np.array([page.ax for page in pages])


def service_years(
    years: pd.DataFrame | Mapping[str, pd.DataFrame],
    axes: Sequence[Axes] | None = None,
    note: str = "",
    *,
    title: str = "",
    language: str = "en",
) -> np.ndarray:
    """A hotline through the months: mean wait, abandoned calls, utilisation, and satisfaction beside.

    years: `run.service.join(run.monthly["satisfaction"])`, or several of these by name; the first is
    drawn thin and black, as what the others are compared with. Returns the four axes. Raises ValueError
    without a table and for one without a column.
    """
    frames = {"": years} if isinstance(years, pd.DataFrame) else dict(years)
    if not frames:
        raise ValueError("service_years: no table is given")
    needed = ("calls", "answered", "turned_away", "abandoned", "wait", "utilisation", "satisfaction")
    for frame in frames.values():
        if missing := [name for name in needed if name not in frame]:
            raise ValueError(
                f"service_years: column {missing[0]!r} is missing; "
                'run.service.join(run.monthly["satisfaction"]) is needed'
            )
    means = {name: _service_means(frame) for name, frame in frames.items()}
    with some_pages(axes, language, rows=2, columns=2) as pages:
        panels = ("wait", "abandoned_share", "utilisation", "satisfaction_points")
        for page, panel in zip(pages, panels, strict=True):
            ends = {}
            top = 0.0
            for name, colour, width in line_styles(list(frames)):
                line = _service_panel(frames[name], panel)
                months = line.index.to_numpy(float) + 0.5
                page.ax.plot(months, line, color=colour, linewidth=width)
                known = line.dropna()
                if len(known):
                    ends[name] = (float(line.index[-1]) + 1, float(known.iloc[-1]), colour)
                    top = max(top, float(known.max()))
            if panel != "satisfaction_points":
                page.ax.set_ylim(0, 1.1 * top or 1.0)
            last = max(frame.index[-1] for frame in frames.values())
            page.ax.set_xlim(0, float(last) + 1)
            if len(frames) > 1 and page.ax in (pages[1].ax, pages[3].ax):
                page.label_ends(ends)
            page.ax.text(
                0.0, 1.03, page.say(panel), transform=page.ax.transAxes, fontsize=page.size, color=GREY,
            )  # fmt: skip
            page.axes_words(page.say("month") if page in pages[2:] else "", "")
        first, names = pages[0], list(frames)
        shown = {"wait": means[names[0]][0], "share": means[names[0]][1]}
        if len(names) == 1:
            found, said = first.say("years_title", **shown), first.say("years_one", **shown)
        else:
            least = min(names[1:], key=lambda name: means[name][0])
            found = first.say("years_more", name=least, wait=means[least][0], before=shown["wait"])
            said = first.say("and").join(
                first.say("years_each", name=name, wait=means[name][0], share=means[name][1])
                for name in names
            )
        sentence = first.say("years_words", list=said)
        first.finish(title or found, sentence, "", pad=14 + 1.6 * first.size)
        pages[1].finish("", sentence, "")
        pages[3].finish("", sentence, "")
        pages[2].finish("", sentence, note)
        return np.array([page.ax for page in pages])


def waits(
    contacts: pd.DataFrame,
    ax: Axes | None = None,
    note: str = "",
    *,
    title: str = "",
    language: str = "en",
) -> Axes:
    """How long callers wait, answered and abandoned: a histogram of those who were not served at once.

    contacts: `Run.contacts()`, or rows of it. Calls outside the opening hours are left out, and those
    called back, who do not wait on the line. The last bar holds the longest 1 %. Raises ValueError without a
    call within the opening hours.
    """
    rows = _calls(contacts, "waits")
    rows = rows[rows["outcome"] != "turned_away"]
    if "called_back" in rows:
        rows = rows[~rows["called_back"].astype(bool)]
    if rows.empty:
        raise ValueError("waits: the table has no call within the opening hours")
    waiting = rows[rows["waiting_time"] > 0]
    minutes = 60 * waiting["waiting_time"]
    abandoned = 100 * float((rows["outcome"] == "abandoned").mean())
    with a_page(ax, language) as page:
        longest = float(minutes.quantile(0.99)) if len(minutes) else 1.0
        step = next(s for s in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 1e9) if 25 * s >= longest)
        edges = step * np.arange(max(math.ceil(longest / step), 1) + 1)
        base = np.zeros(len(edges) - 1)
        for outcome in ("answered", "abandoned"):
            these = minutes[waiting["outcome"] == outcome].clip(upper=edges[-1])
            counts = 100 * np.histogram(these, edges)[0] / max(len(minutes), 1)
            page.ax.bar(
                edges[:-1], counts, step, bottom=base, align="edge", color=OUTCOME_COLOURS[outcome],
                edgecolor="white", linewidth=0.8, label=page.say(outcome),
            )  # fmt: skip
            base += counts
        page.ax.set_xlim(0, edges[-1])
        page.ax.grid(axis="x", visible=False)
        page.legend()
        page.axes_words(page.say("waits_axis", last=edges[-2]), page.say("waits_count"))
        at_once = 100 * float((rows["waiting_time"] <= 0).mean())
        found = page.say("waits_title", none=at_once, share=abandoned)
        median = float(minutes[waiting["outcome"] == "answered"].median())
        if len(minutes):
            sentence = page.say(
                "waits_words", waited=f"{len(minutes):,}", calls=f"{len(rows):,}", share=abandoned,
                median=median if median == median else 0.0,
            )  # fmt: skip
        else:
            sentence = page.say("waits_none", calls=f"{len(rows):,}")
        return page.finish(title or found, sentence, note, pad=14 + 1.6 * page.size)


def _kept_title(page: Page, final: Mapping[str, float], months: int) -> str:
    """What the last shares say: the policy that keeps most against the first one."""
    names = list(final)
    if len(names) == 1:
        return page.say("survival_one", n=f"{1000 * final[names[0]]:.0f}", months=months)
    best = max(names[1:], key=lambda name: final[name])
    more = 1000 * (final[best] - final[names[0]])
    if more < 0.05:
        return page.say("survival_none", base=names[0], months=months)
    return page.say(
        "survival_more", name=best, base=names[0], n=f"{more:.{0 if more >= 1 else 1}f}", months=months
    )


def _wide(monthly: pd.DataFrame) -> pd.DataFrame:
    """Monthly means as columns, from either kind of monthly table."""
    if "measure" not in monthly:
        return monthly
    pairs = monthly[["scenario", "policy"]].drop_duplicates()
    if len(pairs) > 1:
        names = ", ".join(f"{p} in {s}" for s, p in pairs.itertuples(index=False))
        raise ValueError(f"choose the rows of one scenario and policy; there are {names}")
    return monthly.pivot(index="month", columns="measure", values="mean")


def _one_scenario(table: pd.DataFrame, scenario: str | None, who: str) -> pd.DataFrame:
    names = list(dict.fromkeys(table["scenario"]))
    if scenario is None and len(names) > 1:
        raise ValueError(f"{who}: name one of the scenarios {', '.join(names)}")
    if scenario is not None and scenario not in names:
        raise ValueError(f"{who}: unknown scenario {scenario!r}; the table has {', '.join(names)}")
    return table if scenario is None else table[table["scenario"] == scenario]


def _baseline_first(policies: list[str], baseline: str | None, who: str) -> list[str]:
    if baseline is None:
        return policies
    if baseline not in policies:
        raise ValueError(f"{who}: unknown policy {baseline!r}; the table has {', '.join(policies)}")
    return [baseline, *(p for p in policies if p != baseline)]


def _in_band(figure: float, low: float, high: float) -> tuple[float, float, float, float]:
    """Place of a figure where its band is 0 to 1, where the band begins and ends, and its width."""
    if math.isfinite(low) and math.isfinite(high):
        width = (high - low) or max(abs(low), 1e-9)
        return (figure - low) / width, 0.0, 1.0 if high > low else 0.02, width
    # One bound: the figure stands no further from it than the middle, unless the bound is far from 0.
    if math.isfinite(low):
        width = max(abs(low), 2 * abs(figure - low), 1e-9)
        return (figure - low) / width, 0.0, 2.2, width
    if math.isfinite(high):
        width = max(abs(high), 2 * abs(figure - high), 1e-9)
        return 1 + (figure - high) / width, -1.2, 1.0, width
    return 0.5, -1.2, 2.2, 1.0


def _band(low: float, high: float) -> str:
    if math.isfinite(low) and math.isfinite(high):
        return f"{low:.3g} to {high:.3g}"
    return f"at least {low:.3g}" if math.isfinite(low) else f"at most {high:.3g}"


def _calls(contacts: pd.DataFrame, who: str) -> pd.DataFrame:
    """Rows of a contacts table with `outcome`: answered, abandoned, or turned away when closed."""
    needed = ("month", "record_type", "arrival_time", "waiting_time")
    if missing := [name for name in needed if name not in contacts]:
        raise ValueError(f"{who}: column {missing[0]!r} is missing; a table as Run.contacts() is needed")
    kinds = contacts["record_type"].astype(str)
    # who still waits when the line closes for good has not been answered either
    outcome = kinds.map(
        {"service": "answered", "renege": "abandoned", "unserved": "abandoned", "closed": "turned_away"}
    )
    return contacts.assign(outcome=outcome)


def _service_panel(frame: pd.DataFrame, panel: str) -> pd.Series:
    """One of the lines of `service_years`."""
    if panel == "abandoned_share":
        offered = frame["calls"] - frame["turned_away"]
        return 100 * frame["abandoned"] / offered.where(offered > 0)
    if panel == "utilisation":
        return 100 * frame["utilisation"]
    return frame["satisfaction"] if panel == "satisfaction_points" else frame["wait"]


def _service_means(frame: pd.DataFrame) -> tuple[float, float]:
    """Mean wait of all answered calls, seconds, and per cent of the calls abandoned."""
    answered = float(frame["answered"].sum())
    offered = float((frame["calls"] - frame["turned_away"]).sum())
    waited = float((frame["wait"] * frame["answered"]).sum())
    return waited / max(answered, 1.0), 100 * float(frame["abandoned"].sum()) / max(offered, 1.0)


def _life(table: pd.DataFrame) -> pd.DataFrame:
    """One customer's months as a customer, indexed by month."""
    needed = ("satisfaction", "trust", "layer", "active")
    if missing := [name for name in needed if name not in table]:
        raise ValueError(f"two_lives: column {missing[0]!r} is missing; rows of Run.lives are needed")
    customer = None
    if isinstance(table.index, pd.MultiIndex):
        ids = table.index.get_level_values(0).unique()
        if len(ids) != 1:
            raise ValueError(f"two_lives: rows of one customer are needed, not of {len(ids)}")
        customer, table = int(ids[0]), table.droplevel(0)
    if table.empty:
        raise ValueError("two_lives: the table has no month")
    active = table["active"].to_numpy() > 0
    here = active.copy()
    here[1:] |= active[:-1]  # the month of leaving belongs to the life
    here[0] = True
    life = table[here].copy()
    if customer is not None:
        life.attrs["customer"] = customer
    return life


def _draw_life(page: Page, life: pd.DataFrame, months: int, name: str) -> tuple[int, str] | None:
    """One life on one page; returns month and cause of leaving, None for who stays."""
    ax = page.ax
    x = life.index.to_numpy(float) + 0.5
    lines = {"satisfaction": (OKABE_ITO["blue"], "-"), "trust": (GREY, "--")}
    ends = {}
    for column, (colour, dash) in lines.items():
        ax.plot(x, life[column], color=colour, linestyle=dash, linewidth=3)
        ends[page.say(column)] = (float(months), float(life[column].iloc[-1]), colour)
    ax.set_ylim(-14, 122)
    ax.set_yticks([0, 25, 50, 75, 100])
    stays = bool(life["active"].iloc[-1] > 0)
    page.label_ends(ends, leaders=stays)
    layers = life["layer"].astype(int)
    for _, run in layers.groupby((layers != layers.shift()).cumsum()):
        layer, start, long = LoyaltyLayer(int(run.iloc[0])), int(run.index[0]), len(run)
        ax.bar(start, 9, bottom=-12, width=long, align="edge", color=LAYER_COLOURS[layer.key], linewidth=0)
        word = layer.label(page.language)
        if long / months > 0.013 * len(word) * (2 if page.language == "zh" else 1):
            ax.text(
                start + long / 2, -7.5, word, ha="center", va="center", fontsize=0.75 * page.size,
                color="white" if layer >= LoyaltyLayer.CONATIVE else "black",
            )  # fmt: skip
    ax.text(
        1.012, -7.5, page.say("layer"), transform=ax.get_yaxis_transform(), va="center",
        fontsize=page.size, color=dark(LAYER_COLOURS["conative"]),
    )  # fmt: skip
    marks = {
        "failure": (life.get("failed"), "X", OKABE_ITO["purple"], 27),
        "complaint": (life.get("complained"), "v", OKABE_ITO["vermillion"], 21),
        "answer": (life.get("resolved"), "^", OKABE_ITO["green"], 15),
        "missed": (life.get("unpaid"), "s", OKABE_ITO["orange"], 9),
        "offer": (_offered(life), "D", OKABE_ITO["sky"], 3),
    }
    for mark, (happened, marker, colour, height) in marks.items():
        if happened is None:
            continue
        at = life.index[happened.to_numpy() > 0].to_numpy(float) + 0.5
        if at.size:
            ax.plot(
                at, np.full(at.size, height), marker, color=colour, markersize=10 * page.scale,
                label=page.say(mark), linestyle="none", markeredgecolor="white",
            )  # fmt: skip
    if ax.get_legend_handles_labels()[0]:
        page.legend()
    ax.text(
        0.0, 1.02, name, transform=ax.transAxes, fontsize=1.1 * page.size, color=GREY, va="bottom",
    )  # fmt: skip
    if stays:
        return None
    month, code = int(life.index[-1]), int(life["cause"].iloc[-1]) if "cause" in life else 0
    cause = ChurnCause(code) if code else None
    word = cause.label(page.language) if cause else ""
    colour = CAUSE_COLOURS[cause.key] if cause else "black"
    ax.axvline(month + 1, color=colour, linewidth=4)
    left = month > months / 2
    ax.annotate(
        page.say("leaves", cause=word), (month + 1, 111), (-10 if left else 10, 0),
        textcoords="offset points", ha="right" if left else "left", va="center",
        fontsize=page.size, color=dark(colour),
        bbox={"boxstyle": "round", "facecolor": "white", "edgecolor": colour},
    )  # fmt: skip
    return month, word


def _offered(life: pd.DataFrame) -> pd.Series | None:
    """1 in the months in which an offer was made."""
    if "last_offer" not in life:
        return None
    return (life["last_offer"] == life.index.to_numpy()).astype(int)


def _parting(without: pd.DataFrame, with_policies: pd.DataFrame) -> int | None:
    """The first month in which the two lives differ, None if they never do."""
    columns = [c for c in ("active", "satisfaction", "trust", "layer", "unpaid", "cured") if c in without]
    columns = [c for c in columns if c in with_policies]
    both = without.index.intersection(with_policies.index)
    gap = np.abs(
        without.loc[both, columns].to_numpy(float) - with_policies.loc[both, columns].to_numpy(float)
    )
    different = np.flatnonzero((gap > 1e-3).any(axis=1))
    if different.size:
        return int(both[different[0]])
    if len(without) != len(with_policies):
        return int(both[-1]) + 1
    return None
