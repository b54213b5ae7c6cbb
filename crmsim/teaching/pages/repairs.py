"""The field crews of the service desk: which jobs miss the deadline, and what that costs in points."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import ipywidgets
import numpy as np

from ...plots.style import OKABE_ITO, dark
from ...simulation.engine import simulate
from ...simulation.scenario import Scenario
from ...simulation.stations_fast import SERVICE
from ..page import Card
from ..picture import Picture
from ..uncertainty import Interval, interval, signed
from ..words import Pair
from ..worker import Task

if TYPE_CHECKING:
    from ...simulation.run import Run
    from .service_desk import ServiceDesk

# worlds of a year, each with the crews of `STEPS` as well
YEARS = 4
STEPS = (0.25, 0.5, 1.0, 2.0, 3.0)
# what is lost is counted against crews of this number, at work by day and night
ENOUGH = 40.0

TEXT: dict[str, Pair] = {
    "jobs": ("Jobs a month (工单)", "每月工单"),
    "late": ("Late (逾期率)", "逾期率"),
    "late_detail": ("{met:.1f} % within {hours:g} h", "{met:.1f}%在{hours:g}小时内"),
    "half": ("Half are done within", "半数完成于"),
    "half_detail": ("nine in ten: {hours}", "九成：{hours}"),
    "crews_busy": ("Crews busy", "抢修队忙碌"),
    "busy_detail": ("of their hours", "占工作时间"),
    "crews_points": ("Slow repairs, points", "维修慢失分"),
    "silence": ("Silence, points", "不通知失分"),
    "hours": ("{x:.1f} h", "{x:.1f}小时"),
    "never": ("never", "永不"),
    "none_done": ("no job done", "没有完成的工单"),
    "month_title": ("Month {month}: {late} of {jobs} jobs late", "第{month}个月：{jobs}件工单中{late}件逾期"),
    "month_x": ("hours since the report", "报修后的小时"),
    "month_y": ("day of the report", "报修日"),
    "waiting": ("waits for a crew", "等待抢修队"),
    "working": ("on the way, at work", "路上与施工"),
    "deadline": ("deadline", "时限"),
    "done_title": ("{met:.0f} % done within {hours:g} hours", "{hours:g}小时内完成{met:.0f}%"),
    "done_y": ("jobs done, %", "已完成，%"),
    "curve_title": ("{crews}: −{points:.2f} points", "{crews}：−{points:.2f}分"),
    "curve_x": ("field crews", "抢修队数"),
    "curve_y": ("points lost", "失分"),
    "repairs_sentence": (
        "{jobs:.0f} jobs a month for {crews}: {late:.1f} % are done later than {hours:g} hours "
        "after the report.{cost}",
        "每月{jobs:.0f}件工单由{crews}处理：{late:.1f}%在报修{hours:g}小时后才完成。{cost}",
    ),
    "repairs_cost": (
        " After a year slow repairs have cost {slow:.2f} points of the satisfaction of all customers, and "
        "planned stops that nobody announced {silent:.2f}: {more} the larger loss.",
        "一年后，维修慢使全体客户的满意度降低{slow:.2f}分，未通知的计划停水降低{silent:.2f}分：{more}损失更大。",
    ),
    "crew_one": ("one field crew", "1支抢修队"),
    "crew_many": ("{n:g} field crews", "{n:g}支抢修队"),
    "slow_more": ("late crews are", "抢修慢"),
    "silent_more": ("silence is", "不通知"),
    "equal": ("neither is clearly", "难分哪项"),
    "no_jobs": ("No crew is called in this year.", "这一年没有报修。"),
    "repairs_foot": (
        "{scenario}, seed {seed}, {customers:,} customers, {n} years of luck; failures and repair times stay "
        "the same when crews change; cost against crews at hand by day and night; ranges 95 %",
        "{scenario}，种子{seed}，{customers:,}名客户，{n}年的运气；抢修队变化时，故障与维修时长不变；"
        "代价以昼夜随时可用的抢修队为准；区间为95%",
    ),
    "repairs_run": ("crews of other sizes: {k} of {n}", "其他抢修队数：{k}/{n}"),
}  # fmt: skip


class Jobs(NamedTuple):
    """Jobs of the crews in a year; hours since the month began, NaN where never. A row a job."""

    month: np.ndarray
    reported: np.ndarray
    started: np.ndarray
    finished: np.ndarray
    work: np.ndarray

    @property
    def hours(self) -> np.ndarray:
        """From report to repair; infinite for jobs never done."""
        return np.where(np.isnan(self.finished), math.inf, self.finished - self.reported)


class Repairs(NamedTuple):
    """What was found. years: jobs of each year of luck; slow, silent: points of satisfaction lost after a
    year by slow repairs and by stops not announced, None while counted; curve: points lost by slow repairs
    with other numbers of crews."""

    world: Scenario
    years: list[Jobs]
    slow: Interval | None
    silent: Interval | None
    curve: list[tuple[float, Interval]]


class CrewView:
    """Pictures of the crews on the page of the service desk."""

    def __init__(self, page: ServiceDesk) -> None:
        self.page = page
        language = page.language
        self.month = Picture(4.9, 4.75, language=language, dpi=150)
        self.done = Picture(4.0, 2.35, language=language, dpi=160)
        self.curve = Picture(4.0, 2.35, language=language, dpi=160)
        self.month.margins(0.13, 0.97, 0.12, 0.92)
        self.done.margins(0.16, 0.97, 0.235, 0.88)
        self.curve.margins(0.18, 0.97, 0.235, 0.88)
        right = ipywidgets.VBox([self.done.widget, self.curve.widget])
        self.box = ipywidgets.HBox([self.month.widget, right])
        self.box.add_class("cs-desk-row")

    def compute(self, world: Scenario, task: Task) -> Iterator[Repairs]:
        """`world`: a year of it. The jobs of one year first, then more years and what they cost."""
        seed = self.page.seed

        def lives(k: int, events: bool = False, **changes: float) -> Run:
            changed = world.replace(**{f"service__{name}": value for name, value in changes.items()})
            return simulate(changed, [], seed, replication=k, stop=task.stop, progress=False, events=events)

        years: list[Jobs] = []
        kept = []
        for k in range(YEARS):
            run = lives(k, events=True)
            years.append(jobs_of(run))
            kept.append(_satisfaction(run))
            if k == 0:
                yield Repairs(world, years[:], None, None, [])
        best = [_satisfaction(lives(k, crews=ENOUGH, crew_from=0, crew_to=24)) for k in range(YEARS)]
        told = [_satisfaction(lives(k, notified=1.0)) for k in range(YEARS)]
        slow, silent = (interval(np.subtract(other, kept)) for other in (best, told))
        now = world.service.crews
        curve = [(now, slow)]
        found = Repairs(world, years, slow, silent, curve)
        yield found
        for step, crews in enumerate(STEPS):
            task.progress(step, len(STEPS), self.page.text("repairs_run", k=step + 1, n=len(STEPS)))
            if crews != now:
                with_them = [_satisfaction(lives(k, crews=crews)) for k in range(YEARS)]
                curve.append((crews, interval(np.subtract(best, with_them))))
        yield found._replace(curve=sorted(curve))

    def show(self, found: Repairs) -> None:
        page, service = self.page, found.world.service
        hours = np.concatenate([jobs.hours for jobs in found.years])
        months = 12 * len(found.years)
        foot = page.text("repairs_foot", scenario=page.industry, seed=page.seed, n=len(found.years),
                         customers=found.world.population.size)  # fmt: skip
        self._draw_month(found)
        self._draw_done(hours, service.repair_deadline)
        self._draw_curve(found)
        if not hours.size:
            page.cards()
            page.say(page.text("no_jobs"), foot)
            return
        late = 100 * float(np.mean(hours > service.repair_deadline))
        duty = service.crews * (service.crew_to - service.crew_from) * 30 * months
        work = sum(float(np.sum(j.work[~np.isnan(j.finished)])) for j in found.years)
        each = interval([j.hours.size / 12 for j in found.years])
        page.cards(
            Card(page.text("jobs"), f"{each.mean:.0f}",
                 page.text("range", low=f"{each.low:.0f}", high=f"{each.high:.0f}")
                 if len(found.years) > 1 else page.text("counting")),
            Card(page.text("late"), f"{late:.1f} %",
                 page.text("late_detail", met=100 - late, hours=service.repair_deadline)),
            Card(page.text("half"), self._hours(hours, 0.5),
                 page.text("half_detail", hours=self._hours(hours, 0.9))),
            Card(page.text("crews_busy"), f"{100 * min(work / duty, 1.0):.0f} %" if duty else "–",
                 page.text("busy_detail")),
            self._points("crews_points", found.slow),
            self._points("silence", found.silent),
        )  # fmt: skip
        cost = ""
        if found.slow is not None and found.silent is not None:
            apart = found.slow.low > found.silent.high, found.silent.low > found.slow.high
            more = "slow_more" if apart[0] else "silent_more" if apart[1] else "equal"
            cost = page.text("repairs_cost", slow=found.slow.mean, silent=found.silent.mean,
                             more=page.text(more))  # fmt: skip
        crews = self._crews(service.crews, page.text)
        page.say(page.text("repairs_sentence", jobs=each.mean, crews=crews, late=late,
                           hours=service.repair_deadline, cost=cost), foot)  # fmt: skip

    def _points(self, key: str, lost: Interval | None) -> Card:
        page = self.page
        if lost is None:
            return Card(page.text(key), "…", page.text("counting"))
        middle, low, high = (signed(x, 2).lstrip("+") for x in lost)
        return Card(page.text(key), middle, page.text("range", low=low, high=high))

    def _crews(self, n: float, words: Callable[..., str]) -> str:
        return words("crew_one") if n == 1 else words("crew_many", n=n)

    def _hours(self, hours: np.ndarray, share: float) -> str:
        """Hours within which this share of the jobs is done."""
        at = float(np.quantile(hours, share, method="higher"))
        return self.page.text("hours", x=at) if math.isfinite(at) else self.page.text("never")

    def _draw_month(self, found: Repairs) -> None:
        """The jobs of the last month of the first year, each from its report on."""
        page, jobs = self.page, found.years[0]
        deadline, last = found.world.service.repair_deadline, found.world.population.months
        here = jobs.month == last - 1
        hours = jobs.hours[here]
        late = hours > deadline
        title = page.drawn("month_title", month=last, late=int(late.sum()), jobs=int(here.sum()))
        order = np.argsort(jobs.reported[here], kind="stable")
        hours, late, reported = hours[order], late[order], jobs.reported[here][order]
        rows = np.arange(order.size)
        longest = float(np.max(hours[np.isfinite(hours)], initial=0.0))
        wide = 1.06 * max(1.25 * deadline, longest)
        begun = np.minimum(np.nan_to_num(jobs.started[here][order] - reported, nan=wide), wide)
        with self.month.drawing(title) as (ax,):
            ax.clear()
            ax.spines[["top", "right"]].set_visible(False)
            ax.set_title(title, fontsize=15, x=-0.12)
            thick = max(1.0, min(6.0, 200 / max(rows.size, 1)))
            solid = np.where(late, OKABE_ITO["vermillion"], OKABE_ITO["blue"])
            ax.hlines(rows, 0, begun, color=solid, alpha=0.3, lw=thick)
            ax.hlines(rows, begun, np.minimum(hours, wide), color=solid, lw=thick)
            ax.axvline(deadline, color="black", ls="--", lw=1.8)
            ax.set_xlim(0, wide)
            # room for the words above and below
            ax.set_ylim(1.14 * rows.size + 0.5, -0.06 * rows.size - 1)
            days = [1, 10, 20, 30]
            first = np.searchsorted(reported, 24.0 * (np.array(days) - 1))
            ax.set_yticks(np.minimum(first, max(rows.size - 1, 0)), [str(day) for day in days])
            ax.grid(visible=False)
            ax.tick_params(labelsize=12.5)
            ax.set_xlabel(page.drawn("month_x"), fontsize=13, labelpad=1)
            ax.set_ylabel(page.drawn("month_y"), fontsize=13)
            right = deadline < 0.6 * wide
            ax.annotate(
                page.drawn("deadline"), (deadline, 1), (5 if right else -5, -2), fontsize=12.5,
                xycoords=("data", "axes fraction"), textcoords="offset points", va="top",
                ha="left" if right else "right",
            )  # fmt: skip
            for at, key, strong in ((0.06, "waiting", 0.3), (0.5, "working", 1.0)):
                ax.plot([at, at + 0.05], [0.05, 0.05], color=OKABE_ITO["blue"], alpha=strong, lw=4,
                        transform=ax.transAxes)  # fmt: skip
                told = ax.text(at + 0.065, 0.05, page.drawn(key), transform=ax.transAxes, fontsize=12)
                told.set(va="center", backgroundcolor="white")

    def _draw_done(self, hours: np.ndarray, deadline: float) -> None:
        page = self.page
        met = 100 * float(np.mean(hours <= deadline)) if hours.size else 0.0
        title = page.drawn("done_title" if hours.size else "none_done", met=met, hours=deadline)
        with self.done.drawing(title) as (ax,):
            ax.clear()
            ax.spines[["top", "right"]].set_visible(False)
            ax.set_title(title, fontsize=13, x=-0.17)
            done = np.sort(hours[np.isfinite(hours)])
            share = 100 * np.arange(1, done.size + 1) / max(hours.size, 1)
            ax.step([0.5, *done, 1000], [0, *share, share[-1] if done.size else 0], where="post",
                    color=OKABE_ITO["blue"], lw=3.2)  # fmt: skip
            ax.axvline(deadline, color="black", ls="--", lw=1.8)
            ax.plot([deadline], [met], "o", color=OKABE_ITO["vermillion"], ms=8, zorder=4)
            ax.set_xscale("log")
            ax.set_xlim(0.7, 800)
            ax.set_ylim(0, 105)
            ax.set_xticks([1, 4, 12, 24, 72, 240, 720], ["1", "4", "12", "24", "72", "240", "720"])
            ax.minorticks_off()
            ax.tick_params(labelsize=12)
            ax.set_xlabel(page.drawn("month_x"), fontsize=12.5, labelpad=1)
            ax.set_ylabel(page.drawn("done_y"), fontsize=12.5)

    def _draw_curve(self, found: Repairs) -> None:
        """Points lost by slow repairs, over the number of crews."""
        page, now = self.page, found.world.service.crews
        title = page.text("counting") if found.slow is None else page.drawn(
            "curve_title", crews=self._crews(now, page.drawn), points=max(found.slow.mean, 0.0))  # fmt: skip
        with self.curve.drawing(title) as (ax,):
            ax.clear()
            ax.spines[["top", "right"]].set_visible(False)
            ax.set_title(title, fontsize=13, x=-0.2)
            blue = OKABE_ITO["blue"]
            if found.curve:
                crews = [n for n, _ in found.curve]
                low, high = ([getattr(lost, end) for _, lost in found.curve] for end in ("low", "high"))
                ax.fill_between(crews, low, high, color=blue, alpha=0.22, lw=0)
                ax.plot(crews, [lost.mean for _, lost in found.curve], "o-", color=blue, lw=3, ms=5)
            if found.slow is not None:
                ax.plot([now], [found.slow.mean], "o", color=OKABE_ITO["vermillion"], ms=11, zorder=4)
            ax.set_xlim(-0.1, max(max(STEPS), now) + 0.15)
            ax.set_ylim(0, max(0.1, 1.15 * max((lost.high for _, lost in found.curve), default=0.0)))
            ax.tick_params(labelsize=12)
            ax.set_xlabel(page.drawn("curve_x"), fontsize=12.5, labelpad=1)
            ax.set_ylabel(page.drawn("curve_y"), fontsize=12.5, color=dark(blue))


def jobs_of(run: Run) -> Jobs:
    """The jobs of a run kept with its events."""
    parts = []
    for kept, records in zip(run._kept("crews"), run.station("crews"), strict=True):
        done = records.kind[:, 0] == SERVICE
        parts.append(
            (
                np.full(len(records), kept["month"]),
                records.contacts.arrival,
                records.service_start_time[:, 0],
                np.where(done, records.settled, math.nan),
                records.contacts.service[:, 0],
            )
        )
    return Jobs(*(np.concatenate(column) for column in zip(*parts, strict=True))) if parts else _NONE


_NONE = Jobs(*(np.zeros(0) for _ in range(5)))


def _satisfaction(run: Run) -> float:
    return float(run.monthly["satisfaction"].iloc[-1])
