"""Chapters 11 and 12: the hotline and its queue, agents by Erlang, complaints in time, recovery."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable

import numpy as np
import pandas as pd

from ...simulation.erlang import erlang_b, erlang_c
from ..answers import Data, Function, Number, Table
from ..exercise import Exercise, ExerciseSet
from ..student import Luck

DAYS = 5  # of the hotline's record
OPENS, CLOSES = 8, 18  # o'clock
OPEN = DAYS * (CLOSES - OPENS) * 3600  # seconds
PROFILE = (0.9, 1.3, 1.4, 1.1, 0.8, 0.8, 1.0, 1.1, 0.9, 0.7)  # calls of an hour over those of a mean hour
RECORD = 120  # days of complaints
KINDS = ("bill", "supply", "quality")
GROUPS = ("silent", "in time", "late")
Staffing = Callable[[float, float, float, float], int]


def data(seed: int) -> dict[str, pd.DataFrame]:
    luck = Luck(seed, "service")
    promise = int(luck.whole(1, 4, 8)[0]) * 5
    return {
        "calls": _calls(luck),
        "hotline": pd.DataFrame({"days": [DAYS], "opens": [OPENS], "closes": [CLOSES], "promise": [promise]}),
        **_complaints(luck),
        "customers": _customers(luck),
    }


def _calls(luck: Luck) -> pd.DataFrame:
    """A week of a hotline with three agents: first come, first served, callers hang up when patience ends."""
    hourly, handling, patience = luck.one(36, 42), luck.one(200, 225), luck.one(100, 160)
    day, hour = (g.ravel() for g in np.meshgrid(np.arange(DAYS), np.arange(CLOSES - OPENS), indexing="ij"))
    many = np.maximum(np.round(luck.normal(len(hour), 0, 6) + hourly * np.array(PROFILE)[hour]), 5).astype(
        int
    )
    day, hour = np.repeat(day, many), np.repeat(hour, many)
    n = len(day)
    order = np.argsort(come := (day * 24 + hour) * 3600 + luck.whole(n, 0, 3599), kind="stable")
    talk = np.maximum(np.round(-handling * np.log(luck.uniform(n))), 5).astype(int)
    stay = np.maximum(np.round(-patience * np.log(luck.uniform(n))), 1).astype(int)
    free = [0, 0, 0]
    rows = []
    for k, (call, caller) in enumerate(zip(order, come[order], strict=True)):
        offered = max(0, free[0] - int(caller))
        served = int(stay[k]) >= offered
        if served:
            heapq.heapreplace(free, int(caller) + offered + int(talk[k]))
        wait, handled = (offered, int(talk[k])) if served else (int(stay[k]), 0)
        rows.append((int(day[call]) + 1, int(hour[call]) + OPENS, wait, int(served), handled))
    found = pd.DataFrame(rows, columns=["day", "hour", "wait", "answered", "handled"])
    found.insert(0, "call", np.arange(1, n + 1))
    return found


def _complaints(luck: Luck) -> dict[str, pd.DataFrame]:
    n = 600
    days = dict(
        zip(KINDS, (luck.whole(1, 4, 8)[0], luck.whole(1, 10, 16)[0], luck.whole(1, 20, 30)[0]), strict=True)
    )
    kind = np.array(KINDS)[np.searchsorted([0.5, 0.75], luck.uniform(n))]
    received = np.sort(luck.whole(n, 1, RECORD))
    promised = np.array([int(days[each]) for each in kind])
    took = np.maximum(np.round(promised * np.exp(luck.normal(n, luck.one(-0.6, -0.3), 0.6))), 1)
    answered = np.where(luck.happens(np.full(n, 0.08)) == 1, np.inf, received + took)
    table = pd.DataFrame({"complaint": np.arange(1, n + 1), "kind": kind, "received": received})
    table["answered"] = np.where(answered <= RECORD, answered, np.nan)
    deadlines = pd.DataFrame({"kind": KINDS, "days": [int(days[each]) for each in KINDS]})
    return {"complaints": table, "deadlines": deadlines}


def _customers(luck: Luck) -> pd.DataFrame:
    """Who met a problem, complained, was answered and stayed; a fast answer mends most of the harm."""
    n = 6_000
    problem = luck.happens(np.full(n, 0.35))
    complained = problem * luck.happens(np.full(n, 0.5))
    days = np.round(np.exp(luck.normal(n, math.log(6), 0.7)) + 0.5)
    days = np.where((complained == 1) & (luck.uniform(n) > 0.12), days, np.nan)
    good, silent, fast, slow = (
        luck.one(0.88, 0.92),
        luck.one(0.10, 0.15),
        luck.one(0.02, 0.05),
        luck.one(0.18, 0.25),
    )
    harm = np.select([problem == 0, complained == 0, days <= 7], [0.0, silent, fast], slow)
    stayed = luck.happens(good - harm)
    return pd.DataFrame(
        {
            "customer": np.arange(1, n + 1),
            "problem": problem,
            "complained": complained,
            "days": days,
            "stayed": stayed,
        }
    )


# -- references and typical mistakes -------------------------------------------------------------------


def hours(tables: Data, of: str = "all", ended: bool = False, rest: str = "all") -> pd.DataFrame:
    """Service level and abandonment an hour. of, rest: whom they are shares of; ended: hung up counts too."""
    calls, promise = tables["calls"], int(tables["hotline"]["promise"].iloc[0])
    answered = calls["answered"] == 1
    fast = calls["wait"].le(promise) & (answered | ended)
    by = calls["hour"]
    all_calls, served = calls.groupby(by).size(), answered.groupby(by).sum()
    return pd.DataFrame(
        {
            "service_level": fast.groupby(by).sum() / (all_calls if of == "all" else served),
            "abandoned": (~answered).groupby(by).sum() / (all_calls if rest == "all" else served),
        }
    )


def line(tables: Data) -> float:
    """Mean number in line: calls a second x mean wait in seconds."""
    calls = tables["calls"]
    return float(len(calls) / OPEN * calls["wait"].mean())


def _line_of_answered(tables: Data) -> float:
    calls = tables["calls"]
    return float(calls.loc[calls["answered"] == 1, "wait"].sum() / OPEN)


def _with_served(tables: Data) -> float:
    return float((tables["calls"]["wait"] + tables["calls"]["handled"]).sum() / OPEN)


def _least(calls: float, handling: float, good: Callable[[int, float], bool]) -> int:
    """The fewest agents, above the load, with whom it is good."""
    load = calls * handling / 3600
    agents = math.floor(load) + 1
    while not good(agents, load):
        agents += 1
    return agents


def _agents(waits: Callable[[int, float], float] = erlang_c, patient: bool = True) -> Staffing:
    """waits: chance of waiting, by agents and load; patient: who waits within the limit is in time."""

    def agents(calls: float, handling: float, share: float, within: float) -> int:
        def good(n: int, load: float) -> bool:
            longer = math.exp(-(n - load) * within / handling) if patient else 1.0
            return 1 - waits(n, load) * longer >= share

        return _least(calls, handling, good)

    return agents


def _above_load(calls: float, handling: float, share: float, within: float) -> int:
    return _least(calls, handling, lambda n, load: True)


def _mean_wait(calls: float, handling: float, share: float, within: float) -> int:
    return _least(calls, handling, lambda n, load: erlang_c(n, load) * handling / (n - load) <= within)


def _hotlines(seed: int) -> list[tuple[float, float, float, float]]:
    luck = Luck(seed, "agents")
    loads = (3, 6, 10, 15, 22, 30, 40, 55)
    found: list[tuple[float, float, float, float]] = []
    for load in loads:
        handling = int(luck.whole(1, 180, 360)[0])
        calls = round(luck.one(0.9, 1.1) * load * 3600 / handling)
        share, within = 0.05 * int(luck.whole(1, 16, 19)[0]), 5 * int(luck.whole(1, 2, 6)[0])
        found.append((calls, handling, round(share, 2), within))
    return found


def _due(tables: Data) -> pd.DataFrame:
    """Complaints with their last day and whether they were answered by it."""
    found = tables["complaints"].merge(tables["deadlines"], on="kind")
    found["last"] = found["received"] + found["days"]
    return found.assign(good=found["answered"] <= found["last"])


def in_time(tables: Data) -> float:
    found = _due(tables)
    return float(found.loc[found["last"] <= RECORD, "good"].mean())


def _of_answered(tables: Data) -> float:
    found = _due(tables)
    return float(found.loc[(found["last"] <= RECORD) & found["answered"].notna(), "good"].mean())


def _longest(tables: Data) -> float:
    days = int(tables["deadlines"]["days"].max())
    return in_time({**tables, "deadlines": tables["deadlines"].assign(days=days)})


def _before_last(tables: Data) -> float:
    found = _due(tables)
    return float((found["answered"] < found["last"])[found["last"] <= RECORD].mean())


def recovery(tables: Data, base: str = "no problem", never: str = "late", of: str = "group") -> pd.DataFrame:
    """Stay rates of those with a problem, and their difference from those of `base`."""
    people = tables["customers"]
    kinds = [people["problem"] == 0, people["complained"] == 0, people["days"] <= 7, people["days"] > 7]
    group = pd.Series(
        np.select(kinds, ["no problem", "silent", "in time", "late"], never), index=people.index
    )
    rows = []
    for name in GROUPS:
        ours = people.loc[group == name, "stayed"]
        other = people.loc[group == base, "stayed"] if base else people.loc[group != name, "stayed"]
        rate, compared = ours.mean(), other.mean()
        error = math.sqrt(rate * (1 - rate) / len(ours) + compared * (1 - compared) / len(other))
        rate = rate if of == "group" else ours.sum() / people["stayed"].sum()
        rows.append((name, len(ours), rate, rate - compared, error))
    return pd.DataFrame(rows, columns=["group", "customers", "stay_rate", "difference", "error"]).set_index(
        "group"
    )


SET = ExerciseSet(
    name="service",
    title="Waiting, answering, recovering",
    chinese="客户服务：等待、答复与补救",
    chapter="12_service_in_the_value_chain",
    about=(
        f"A hotline 热线 with {CLOSES - OPENS} hours a day and the complaints of a firm. `calls`: a row a call, day, "
        "hour (8 is from 8 to 9 o'clock), wait (seconds until answered or hung up), answered (1, or 0 if the caller "
        "hung up 放弃), handled (seconds, 0 if not answered). `hotline`: days of the record, opens and closes "
        "(o'clock), promise (seconds within which a call is to be answered). "
        f"`complaints`: complaint, kind, the days on which it was received and answered, counted from 1 to {RECORD}, "
        "where the record ends; answered is missing while there is no answer. `deadlines`: days a kind. "
        "`customers`: problem (1 if one was met), complained, days until the answer (missing if there was none), "
        "stayed (1 if still a customer a year later)."
    ),
    data=data,
    exercises=(
        Exercise(
            id="service-1",
            title="Service level and abandonment",
            chinese="服务水平与放弃率",
            difficulty=1,
            minutes=15,
            points=2,
            goal="For each hour of the day, all days together: service_level 服务水平, the share of all calls that "
            "were answered within the promise (its last second included), and abandoned 放弃率, the share of all calls "
            "that hung up. Give a DataFrame with these columns and a row an hour.",
            hint="A caller who hangs up soon was not answered. Make two columns of yes and no, then `groupby` with "
            "`mean`.",
            rubric="Part marks by entries: none for half of them right, all for every one.",
            solve=hours,
            answer=Table(
                key="hour",
                columns=("service_level", "abandoned"),
                absolute=0.0006,
                wrong={
                    "the service level is of the answered calls, not of all 分母错误": lambda d: hours(
                        d, of="answered"
                    ),
                    "who hung up within the promise counts as answered in time": lambda d: hours(
                        d, ended=True
                    ),
                    "those who hung up are divided by the answered, not by all calls 分母错误": lambda d: (
                        hours(d, rest="answered")
                    ),
                    "per cent in place of shares 百分比与比例": lambda d: hours(d) * 100,
                },
            ),
        ),
        Exercise(
            id="service-2",
            title="How many wait in line",
            chinese="利特尔法则",
            difficulty=1,
            minutes=10,
            points=2,
            goal="How many callers are in line on average while the hotline is open, those who talk to an agent not "
            "counted? Give the mean number in line 平均排队人数.",
            hint="Little's law 利特尔法则: number in line = arrivals a unit of time x mean time in line. Keep one "
            "unit of time. Who hangs up stood in line as well.",
            rubric="All points for arrivals x mean wait of all calls, over all hours of the record.",
            solve=line,
            answer=Number(
                unit="callers",
                wrong={
                    "calls an hour are multiplied by seconds 单位不一致": lambda d: line(d) * 3600,
                    "calls a minute are multiplied by seconds 单位不一致": lambda d: line(d) * 60,
                    "who hung up is left out, but stood in line too": _line_of_answered,
                    "those who talk to an agent are counted as well": _with_served,
                    "the calls of all days are divided by the hours of one": lambda d: line(d) * DAYS,
                },
            ),
        ),
        Exercise(
            id="service-3",
            title="Agents by Erlang",
            chinese="坐席人数与爱尔朗公式",
            difficulty=2,
            minutes=25,
            points=4,
            goal="Write a function agents(calls, handling, share, within) that returns the fewest agents 坐席 with whom "
            "at least `share` (0 to 1) of the calls are answered within `within` seconds, by Erlang C: nobody hangs "
            "up. `calls` come in an hour, `handling` is the mean handling time in seconds. Hand in the function "
            "itself.",
            hint="Load 话务量 = arrivals a unit of time x handling time. `erlang_c(agents, load)` of "
            "`crmsim.simulation.erlang` is the chance of waiting; its docstring gives the chance of waiting longer "
            "than t. Begin above the load and add agents.",
            rubric="Tried on eight hotlines of 3 to 60 erlangs; half the points are lost at six of eight right, none "
            "are earned below half.",
            solve=lambda d: _agents(),
            answer=Function(
                inputs=_hotlines,
                takes="calls, handling, share and within",
                wrong={
                    "just more agents than the load: the line does not grow for ever, but few are in time": lambda d: (
                        _above_load
                    ),
                    "only who does not wait at all is counted as in time": lambda d: _agents(patient=False),
                    "Erlang B, where callers are turned away, in place of Erlang C": lambda d: _agents(
                        erlang_b
                    ),
                    "the mean wait is within the limit here, not the share of the calls": lambda d: (
                        _mean_wait
                    ),
                },
            ),
        ),
        Exercise(
            id="service-4",
            title="Complaints answered in time",
            chinese="投诉按时答复率",
            difficulty=2,
            minutes=20,
            points=3,
            goal="Which share of the complaints was answered in time, that is, not later than so many days after the "
            "day of receipt as `deadlines` gives for its kind? Count the complaints whose last day for an answer lies "
            f"in the record (day {RECORD} included), whether answered or not. Give a share, 0 to 1.",
            hint="Who has no answer and no time left is late. Of the newest complaints only the quick answers are "
            "known yet 截尾, so they are left out altogether.",
            rubric="All points for the share of those due; rounding to three digits.",
            solve=in_time,
            answer=Number(
                unit="share",
                wrong={
                    "complaints without an answer are left out of the denominator 分母错误": _of_answered,
                    "complaints whose time is not over are counted as well 截尾": lambda d: _due(d)[
                        "good"
                    ].mean(),
                    "the longest deadline is used for every kind": _longest,
                    "who is answered on the last day is in time as well": _before_last,
                },
            ),
        ),
        Exercise(
            id="service-5",
            title="Does a fast answer bring them back",
            chinese="投诉补救与留存",
            difficulty=3,
            minutes=30,
            points=5,
            goal="Customers who met a problem are in one of three groups: silent 沉默 (did not complain), in time "
            "(answered within 7 days), late (answered later or never). For each give customers (how many), stay_rate "
            "留存率 (share of them that stayed), difference (stay rate less that of the customers without a problem, "
            "in shares) and error 标准误 (standard error of the difference, from the variance p (1 - p) / n of either "
            'group). Give a DataFrame with these columns, rounded to four digits or not at all, and a row a group, named "silent", "in time" and "late".',
            hint="`np.select` makes the groups; a missing number of days is not within seven. A difference of less "
            "than two errors may be chance. Then say in a sentence: is the stay rate brought back, and could "
            "something else than the answer explain it?",
            rubric="Part marks by entries: none for half of them right, all for every one. The groups were not made "
            "by lot, so the sentence should name what may differ beside the answer, such as how bad the problem was.",
            solve=recovery,
            answer=Table(
                key="group",
                columns=("customers", "stay_rate", "difference", "error"),
                absolute=0.00006,
                wrong={
                    "divided by all who stayed, not by the customers of the group 分母错误": lambda d: (
                        recovery(d, of="stayed")
                    ),
                    "compared with all other customers, not with those without a problem": lambda d: recovery(
                        d, base=""
                    ),
                    "who never had an answer is left out of the late": lambda d: recovery(d, never="nobody"),
                },
            ),
        ),
    ),
)
