"""The service desk: one day on the phone and the month's service level, or the field crews and their
deadline, and what either costs in points."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import ipywidgets
import numpy as np

from ...plots.style import OKABE_ITO, dark
from ...simulation.compile import KANO
from ...simulation.engine import simulate
from ...simulation.erlang import ErlangA
from ...simulation.scenario import Scenario
from ...simulation.stations import ServiceRecords
from ...simulation.stations_fast import CLOSED, NONE, RENEGE, SERVICE
from ..controls import Choice, Group, Number, Parameter
from ..desk import DayAtTheDesk
from ..page import Card, Page
from ..picture import Picture
from ..uncertainty import Interval, interval
from ..words import Pair
from ..worker import Task
from . import repairs

# months of luck put together at once after the first, and by Run
SOON, THOROUGH = 8, 40
# worlds of a year, lived with and without the points that waiting costs
YEARS = 4
# reasons from this code on are problems, before it questions
PROBLEM = 4
# to which view each group of controls belongs
GROUPS = ("both", "hotline", "hotline", "hotline", "crews", "crews")
# limits of the classes of waiting, minutes
CLASSES = (0.0, 1 / 3, 1.0, 2.0, 5.0, 10.0, math.inf)

TEXT: dict[str, Pair] = {
    "level": ("In {s:.0f} seconds (服务水平)", "{s:.0f}秒内接听（服务水平）"),
    "wait": ("Mean wait", "平均等待"),
    "lost": ("Hang up", "放弃等待"),
    "busy": ("Agents busy", "坐席忙碌"),
    "points": ("Waiting costs, points", "等待的代价，分"),
    "range": ("{low} … {high}", "{low} … {high}"),
    "one": ("one month only", "仅一个月"),
    "points_detail": ("of satisfaction, {low:.2f} … {high:.2f}", "全体满意度，{low:.2f} … {high:.2f}"),
    "counting": ("being counted", "正在计算"),
    "hour": ("hour of the day", "一天中的时刻"),
    "wait_value": ("{s:.0f} s", "{s:.0f}秒"),
    "quick": ("<20 s", "<20秒"),
    "seconds": ("mean wait, s", "平均等待，秒"),
    "simulated": ("the line", "实际排队"),
    "erlang": ("Erlang A", "Erlang A"),
    "short": ("Erlang A {e:.0f} s, the line {s:.0f} s", "Erlang A预计{e:.0f}秒，实际{s:.0f}秒"),
    "no_calls": ("Nobody calls", "无人来电"),
    "share": ("of callers, %", "占来电者，%"),
    "classes": ("minutes waited; points of service lost", "等待分钟；下方为服务感知失分"),
    "gave_up": ("quit", "放弃"),
    "cost": ("A caller's satisfaction at once: −{x:.2f}", "来电者的满意度立即下降{x:.2f}分"),
    "sentence": (
        "On this day {calls} calls reach {agents}: up to {queue} wait at once, {lost} hang up. In a month "
        "{level:.0f} % are answered within {s:.0f} seconds, and the mean wait is {wait:.0f} s; Erlang A, "
        "which knows no bad days and no burst mains, expects {erlang:.0f} s. {year}",
        "这一天有{calls}通电话打给{agents}：最多{queue}人同时等待，{lost}人挂断。全月{level:.0f}%在{s:.0f}秒内"
        "接听，平均等待{wait:.0f}秒；Erlang A不知道忙日与爆管，预计{erlang:.0f}秒。{year}",
    ),
    "quiet": ("Nobody calls on this day.", "这一天没有人来电。"),
    "year": (
        "After a year waiting and giving up have cost {x:.2f} points of the satisfaction of all customers.",
        "一年后，等待与放弃使全体客户的满意度降低{x:.2f}分。",
    ),
    "agents_one": ("one agent", "1名坐席"),
    "agents_many": ("{n} agents", "{n}名坐席"),
    "foot": (
        "{scenario}, seed {seed}, {customers:,} customers, {n} months of luck; every caller's patience and "
        "call length stay the same when agents change; band and ranges 95 %",
        "{scenario}，种子{seed}，{customers:,}名客户，{n}个月的运气；坐席变化时，来电者的耐心与通话时长不变；"
        "带与区间为95%",
    ),
    "refine": ("more months: {k} of {n}", "更多月份：{k}/{n}"),
    "year_run": ("a year with and without waiting", "有等待与无等待的一年"),
    "calls": ("Calls", "来电量"),
    "calls_help": ("questions to the hotline, against the usual", "热线咨询，相对通常"),
    "day": ("Day shown", "显示哪一天"),
    "day_help": ("by the number of calls", "按来电数"),
    "busiest": ("busiest", "最忙"),
    "typical": ("typical", "一般"),
    "quietest": ("quietest", "最闲"),
    "view": ("Whom to look at", "看谁"),
    "hotline": ("hotline (热线)", "热线"),
    "crews": ("field crews (抢修队)", "抢修队"),
    **repairs.TEXT,
}  # fmt: skip
# words on the canvas
CANVAS: dict[str, Pair] = {
    "waiting": ("waiting", "等待中"), "helped": ("answered", "已接听"), "lost": ("hung up", "已挂断"),
    "wait": ("mean wait", "平均等待"), "seconds": ("{n} s", "{n}秒"), "agents": ("agents", "坐席"),
    "line": ("the line: minutes waited; blue a question, red a problem",
             "队伍：等待分钟；蓝为咨询，红为问题"),
    "play": ("play", "播放"), "pause": ("pause", "暂停"), "clock": ("time of day", "时刻"),
    "faster": ("speed", "速度"), "speed": ("{n} min/s", "{n}分钟/秒"),
    "told": ("{time}: {came} calls so far, {waiting} waiting, {lost} hung up",
             "{time}：已有{came}通来电，{waiting}人等待，{lost}人挂断"),
}  # fmt: skip


class ServiceDesk(Page):
    """A day at the hotline on a canvas, and beside it what the waits of a month are and cost; or the jobs
    of the field crews (`view="crews"`), which of them are late, and what that costs."""

    name = "service-desk"
    texts = TEXT
    question = (
        "Who waits for an answer or a crew, and what does it cost?",
        "谁在等电话、等抢修，等待的代价是多少？",
    )
    about = (
        "one day at the hotline, a year of repairs; service level, deadlines, points lost",
        "热线的一天与一年的抢修；服务水平、时限与失分",
    )
    preset = "water_utility"
    # the preset's one agent belongs to a town of this size
    customers = 20_000
    months = 12
    css = "service_desk.css"

    def groups(self) -> Sequence[Group]:
        days = [(k, TEXT[k]) for k in ("busiest", "typical", "quietest")]
        views = [(k, TEXT[k]) for k in ("hotline", "crews")]
        most = max(4, math.ceil(self.scenario.service.crews))
        return [
            Group(TEXT["view"], [Choice("view", ("", ""), views, buttons=True)]),
            Group(("The line", "队伍"), [
                Parameter("service.agents", 1, max(6, math.ceil(self.scenario.service.agents)), 1),
                Parameter("service.patience", 0.5, 40, 0.5),
                Parameter("service.handling", 1, 12, 0.1),
                Number("calls", TEXT["calls"], 1.0, 0.2, 4.0, 0.1, ("x the usual", "倍"), TEXT["calls_help"]),
            ]),
            Group(("The day", "日期"), [
                Choice("day", TEXT["day"], days, help=TEXT["day_help"], buttons=True),
            ]),
            Group(("What waiting costs", "等待的代价"), [
                Parameter("service.wait_free", 0, 10, 0.5),
                Parameter("service.wait_points", 0, 10, 0.1),
            ]),
            Group(("The crews", "抢修队"), [
                Parameter("service.crews", 0, most, 0.25),
                Parameter("service.crew_from", 0, 23, 1),
                Parameter("service.crew_to", 1, 24, 1),
                Parameter("service.travel", 5, 180, 5),
                Parameter("service.repair", 0.5, 12, 0.5),
            ]),
            Group(("The promises", "服务承诺"), [
                Parameter("service.repair_deadline", 2, 96, 1),
                Parameter("service.notified", 0, 1, 0.05),
            ]),
        ]  # fmt: skip

    def build(self) -> Sequence[Any]:
        self.desk = DayAtTheDesk(words={key: self.pick(pair) for key, pair in CANVAS.items()})
        self.hours = Picture(4.0, 2.35, language=self.language, dpi=160)
        self.costs = Picture(4.0, 2.35, language=self.language, dpi=160)
        self.hours.margins(0.16, 0.97, 0.235, 0.88)
        self.costs.margins(0.16, 0.97, 0.325, 0.88)
        row = ipywidgets.HBox([self.desk, ipywidgets.VBox([self.hours.widget, self.costs.widget])])
        row.add_class("cs-desk-row")
        self.hotline, self.crews = row, repairs.CrewView(self)
        # one of the two, as the reader wants to see
        self.stage = ipywidgets.VBox([row])
        self._place("hotline")
        return [self.stage]

    def _place(self, view: str) -> None:
        """Show the hotline or the crews, and the controls that matter to them."""
        self.stage.children = [self.crews.box if view == "crews" else self.hotline]
        for box, whose in zip(self.panel.box.children, GROUPS, strict=True):
            box.layout.display = "" if whose in ("both", view) else "none"

    # -- the worlds --------------------------------------------------------------------------------

    def compute(self, values: dict[str, Any], task: Task) -> Iterator[Any]:
        year = self._world(values)
        if values["view"] == "crews":
            yield from self.crews.compute(year, task)
            return
        month = year.replace(population__months=1)
        wanted = THOROUGH if values["run"] else SOON
        found: dict[str, Any] = {"world": year, "year": None, "months": []}
        for k in range(wanted):
            run = simulate(month, [], self.seed, replication=k, stop=task.stop, progress=False, events=True)
            records = run.station("hotline")[0]
            found["months"].append({"row": run.service.iloc[0], **_by_hour(records, year), **_costs(records)})
            if k == 0:
                found["day"] = day_of(records, values["day"])
            if k in (0, wanted - 1):
                yield found
            else:
                task.progress(k + 1, wanted, self.text("refine", k=k + 1, n=wanted))
        task.progress(0, 1, self.text("year_run"))
        free = year.replace(service__wait_points=0.0, service__abandon_points=0.0)
        gaps = []
        for k in range(YEARS):
            with_wait, without = (
                simulate(world, [], self.seed, replication=k, stop=task.stop, progress=False)
                for world in (year, free)
            )
            gaps.append(
                float(without.monthly["satisfaction"].iloc[-1] - with_wait.monthly["satisfaction"].iloc[-1])
            )
        yield {**found, "year": interval(gaps)}

    def _world(self, values: dict[str, Any]) -> Scenario:
        service = self.scenario.service
        changes: dict[str, Any] = {
            f"service__{name}": min(1.0, values["calls"] * getattr(service, name))
            for name in ("bill_questions", "payment_questions", "other_questions")
        }
        if service.desk == "none":
            changes["service__desk"] = "fast"
        return self.world(values, **changes)

    # -- what is shown -----------------------------------------------------------------------------

    def show(self, found: dict[str, Any] | repairs.Repairs) -> None:
        if isinstance(found, repairs.Repairs):
            self._place("crews")
            self.crews.show(found)
            return
        self._place("hotline")
        world, months, day = found["world"], found["months"], found["day"]
        if day != self.desk.day:
            self.desk.day = day
        else:  # a front end that connected in between may have missed it
            self.desk.send_state("day")
        rows = [m["row"] for m in months]
        single = len(rows) == 1
        calls = sum(float(r["calls"] - r["turned_away"]) for r in rows)
        level, wait, busy = (
            interval([float(r[name]) for r in rows]) for name in ("service_level", "wait", "utilisation")
        )
        lost = interval([float(r["abandoned"] / max(r["calls"] - r["turned_away"], 1)) for r in rows])
        erlang = erlang_wait(months, world)
        self._draw_hours(found, erlang[0], wait, erlang[1])
        self._draw_costs(found)
        seconds = world.service.service_level
        year: Interval | None = found["year"]
        self.cards(
            self._card("level", level, "{:.0f} %", 100, single, s=seconds),
            self._card("wait", wait, "{:.0f}", 1, single)._replace(
                value=self.text("wait_value", s=wait.mean)),
            self._card("lost", lost, "{:.1f} %", 100, single),
            self._card("busy", busy, "{:.0f} %", 100, single),
            Card(self.text("points"), "…" if year is None else f"{year.mean:.2f}",
                 self.text("counting") if year is None
                 else self.text("points_detail", low=year.low, high=year.high)),
        )  # fmt: skip
        foot = self.text("foot", scenario=self.industry, seed=self.seed, customers=world.population.size,
                         n=len(rows))  # fmt: skip
        if not calls or not day["arrives"]:
            self.say(self.text("quiet"), foot)
            return
        n = int(day["agents"])
        self.say(
            self.text("sentence", calls=len(day["arrives"]), queue=longest_line(day),
                      agents=self.text("agents_one") if n == 1 else self.text("agents_many", n=n),
                      lost=sum(day["kind"]), level=100 * level.mean, s=seconds, wait=wait.mean,
                      erlang=erlang[1], year="" if year is None else self.text("year", x=year.mean)).strip(),
            foot,
        )  # fmt: skip

    def _card(self, key: str, x: Interval, form: str, times: float, single: bool, **more: Any) -> Card:
        low, high = (form.format(times * end).removesuffix(" %") for end in x[1:])
        detail = self.text("one") if single else self.text("range", low=low, high=high)
        return Card(self.text(key, **more), form.format(times * x.mean), detail)

    def _draw_hours(self, found: dict[str, Any], by_hour: np.ndarray, wait: Interval, erlang: float) -> None:
        months = found["months"]
        title = self.drawn("short", e=erlang, s=wait.mean) if erlang >= 0 else self.drawn("no_calls")
        with self.hours.drawing(title) as (ax,):
            ax.clear()
            ax.spines[["top", "right"]].set_visible(False)
            ax.set_title(title, fontsize=13, x=-0.17)
            hours = months[0]["hours"]
            waited, answered = (np.array([m[name] for m in months]) for name in ("waited", "answered"))
            with np.errstate(invalid="ignore"):
                mean = waited.sum(axis=0) / answered.sum(axis=0)
                each = waited / answered
            if len(months) > 1:
                bands = [interval(column[np.isfinite(column)]) if np.isfinite(column).any() else None
                         for column in each.T]  # fmt: skip
                low, high = (np.array([math.nan if b is None else b[k] for b in bands]) for k in (1, 2))
                ax.fill_between(hours, np.maximum(low, 0), high, color=OKABE_ITO["blue"], alpha=0.22, lw=0)
            ax.plot(hours, mean, color=OKABE_ITO["blue"], lw=3.2)
            ax.plot(hours, by_hour, "o--", color=OKABE_ITO["vermillion"], lw=1.8, ms=5)
            tall = max(10.0, 1.25 * float(np.nanmax([*mean, *by_hour, 0])))
            ax.set_ylim(0, tall)
            ax.set_xlim(hours[0] - 0.6, hours[-1] + 0.6)
            ax.set_xticks(hours[::2] - 0.5, [f"{h - 0.5:.0f}" for h in hours[::2]])
            ax.tick_params(labelsize=12)
            ax.set_xlabel(self.drawn("hour"), fontsize=12.5, labelpad=1)
            ax.set_ylabel(self.drawn("seconds"), fontsize=12.5)
            ax.text(0.98, 0.97, self.drawn("simulated"), transform=ax.transAxes, ha="right", va="top",
                    fontsize=13, color=dark(OKABE_ITO["blue"]))  # fmt: skip
            ax.text(0.98, 0.83, self.drawn("erlang"), transform=ax.transAxes, ha="right", va="top",
                    fontsize=13, color=dark(OKABE_ITO["vermillion"]))  # fmt: skip

    def _draw_costs(self, found: dict[str, Any]) -> None:
        """Callers by how long they waited, and what the scenario's rule takes from each class."""
        world, months = found["world"], found["months"]
        minutes = np.concatenate([m["minutes"] for m in months])
        gave_up = np.concatenate([m["gave_up"] for m in months])
        drop = points_lost(minutes, gave_up, world)
        cost = satisfaction_points(world) * float(drop.mean()) if drop.size else 0.0
        title = self.drawn("cost", x=cost)
        with self.costs.drawing(title) as (ax,):
            ax.clear()
            ax.spines[["top", "right"]].set_visible(False)
            ax.set_title(title, fontsize=13, x=-0.17)
            names = [self.drawn("quick"), "–1", "–2", "–5", "–10", ">10", self.drawn("gave_up")]
            place = np.where(gave_up, len(names) - 1, np.searchsorted(CLASSES, minutes, side="left") - 1)
            place = np.maximum(place, 0)
            n = max(minutes.size, 1)
            shares = np.bincount(place, minlength=len(names)) / n * 100
            colours = [*([OKABE_ITO["blue"]] * 6), OKABE_ITO["vermillion"]]
            ax.bar(range(len(names)), shares, 0.8, color=colours)
            tall = max(1.0, 1.22 * float(shares.max()))
            for k, x in enumerate(shares):
                ax.text(k, x + 0.02 * tall, f"{x:.0f}", ha="center", fontsize=12)
            ticks = []
            for k, name in enumerate(names):
                here = drop[place == k]
                lost = here.mean() if here.size else 0.0
                ticks.append(f"{name}\n−{lost:.{0 if lost >= 10 else 1}f}" if lost else f"{name}\n0")
            ax.set_ylim(0, tall)
            ax.set_xticks(range(len(names)), ticks, fontsize=11.5)
            ax.tick_params(axis="y", labelsize=12)
            ax.set_ylabel(self.drawn("share"), fontsize=12.5)
            ax.set_xlabel(self.drawn("classes"), fontsize=11.5, labelpad=2)


def points_lost(minutes: np.ndarray, gave_up: np.ndarray, world: Scenario) -> np.ndarray:
    """Drop in the perception of service by waiting and giving up (rule `contact_experience`), points."""
    service = world.service
    return np.asarray(
        service.wait_points * np.maximum(minutes - service.wait_free, 0.0) + service.abandon_points * gave_up
    )


def satisfaction_points(world: Scenario) -> float:
    """Satisfaction lost at once for a point of perceived service (rule `satisfaction_lost`)."""
    touchpoint = next(t for t in world.touchpoints if t.name == world.service.touchpoint)
    loss = KANO[touchpoint.kind][1]
    return world.satisfaction.adjustment * (1 + world.satisfaction.loss) * touchpoint.weight * loss


def day_of(records: ServiceRecords, which: str) -> dict[str, Any]:
    """The calls of the busiest, a typical or the quietest open day of a month, for the canvas."""
    calendar = records.calendar
    openings = calendar.openings
    here = openings.open_begin < calendar.hours
    begins, closes = openings.open_begin[here], openings.open_finish[here]
    contact, attempt = np.nonzero((records.kind == SERVICE) | (records.kind == RENEGE))
    arrival = records.arrival_time[contact, attempt]
    of_day = np.searchsorted(begins, arrival, side="right") - 1
    inside = (of_day >= 0) & (arrival < calendar.hours)
    # days are ranked by first calls, which do not change with the staff
    number = np.bincount(of_day[inside & (attempt == 0)], minlength=len(begins))
    order = np.argsort(number, kind="stable")
    at = {"busiest": -1, "typical": len(order) // 2, "quietest": 0}[which]
    day = int(order[at]) if len(order) else 0
    rows = np.flatnonzero(inside & (of_day == day))
    rows = rows[np.argsort(arrival[rows], kind="stable")]
    zero = 24.0 * math.floor(begins[day] / 24) if len(begins) else 0.0
    place = contact[rows], attempt[rows]

    def clock(times: np.ndarray) -> list[float]:
        return [float(x) for x in np.round(times - zero, 5)]

    served = records.kind[place] == SERVICE
    return {
        "arrives": clock(arrival[rows]),
        "begins": [x if s else -1.0 for x, s in zip(clock(np.nan_to_num(records.service_start_time[place])),
                                                   served.tolist(), strict=True)],
        "leaves": clock(records.exit_time[place]),
        "kind": [int(not s) for s in served],
        "agent": records.server[place].tolist(),
        "problem": (records.contacts.reason[contact[rows]] >= PROBLEM).tolist(),
        "agents": calendar.rota.servers,
        "opens": float(begins[day] - zero), "closes": float(closes[day] - zero),
    }  # fmt: skip


def longest_line(day: dict[str, Any]) -> int:
    """How many waited at once, at most."""
    arrives = np.array(day["arrives"])
    leaves = np.where(np.array(day["kind"]) == 0, day["begins"], day["leaves"])
    waits = leaves > arrives
    times = np.concatenate([leaves[waits], arrives[waits]])
    steps = np.concatenate([-np.ones(waits.sum()), np.ones(waits.sum())])
    return int(np.max(np.cumsum(steps[np.lexsort((steps, times))]), initial=0))


def _by_hour(records: ServiceRecords, world: Scenario) -> dict[str, Any]:
    """Attempts, answers and seconds waited by hour of the day, and the hours the station was open."""
    begin, finish = math.floor(world.service.open_from), math.ceil(world.service.open_to)
    edges = np.arange(begin, finish + 1)
    came = (records.kind != NONE) & (records.kind != CLOSED) & (records.arrival_time < records.calendar.hours)
    served = came & (records.kind == SERVICE)

    def count(which: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        hour = records.arrival_time[which] % 24
        return np.histogram(hour, edges, weights=None if weights is None else weights[which])[0]

    month = records.calendar
    fine = np.arange(0.0, month.hours + 1e-9, 1.0)
    return {
        "hours": edges[:-1] + 0.5,
        "calls": count(came),
        "answered": count(served),
        "waited": 3600 * count(served, np.nan_to_num(records.waiting_time)),
        "open": np.array([month.open_hours(fine)[h::24].sum() for h in edges[:-1]]),
        "agents": month.rota.servers,
        "handling": float(np.mean(records.contacts.service[served])) if served.any() else 0.0,
    }


def _costs(records: ServiceRecords) -> dict[str, np.ndarray]:
    """Minutes waited by each contact in all, and whether nobody ever answered."""
    tried = ((records.kind == SERVICE) | (records.kind == RENEGE)).any(axis=1)
    return {"minutes": 60 * records.total_waiting[tried], "gave_up": ~records.answered[tried]}


def erlang_wait(months: Sequence[dict[str, Any]], world: Scenario) -> tuple[np.ndarray, float]:
    """Erlang A's mean wait of the answered, seconds: by hour of the day, and over the month (weighted by
    the answered; -1 without calls). It is given the mean load of each hour, redials included."""
    calls = np.sum([m["calls"] for m in months], axis=0)
    opened = np.sum([m["open"] for m in months], axis=0)
    handling = float(np.mean([m["handling"] for m in months if m["handling"] > 0] or [0.0]))
    by_hour = np.full(len(calls), math.nan)
    weights = np.zeros(len(calls))
    for h, (n, hours) in enumerate(zip(calls, opened, strict=True)):
        if n > 0 and hours > 0 and handling > 0:
            formula = ErlangA(months[0]["agents"], n / hours, handling, world.service.patience / 60)
            by_hour[h] = 3600 * formula.mean_wait_answered
            weights[h] = n * (1 - formula.p_abandon)
    if not weights.sum():
        return by_hour, -1.0
    return by_hour, float(np.nansum(weights * np.nan_to_num(by_hour)) / weights.sum())
