"""Chapter 14: what customer equity is, where a change of it comes from, and where the next yuan goes."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from math import exp, log
from typing import Any

import numpy as np
import pandas as pd

from ...analysis import value
from ..answers import Data, Function, Number, Ranking, Table
from ..exercise import Exercise, ExerciseSet
from ..student import Luck

AHEAD = 60  # months for which customers keep joining
PARTS = ("current", "potential", "future", "total")
LEVERS = ("retention", "margin", "acquisition_cost")
MEASURES = ("advertising", "referral_reward", "quality_control", "loyalty_programme", "dunning")
EFFORTS = (0.5, 1.0, 1.5, 2.0, 3.0)


def data(seed: int) -> dict[str, pd.DataFrame]:
    luck = Luck(seed, "strategy")
    margin = luck.one(8, 25)
    cost = round(margin * luck.one(5, 18))
    firm = {
        "margin": margin,
        "discount": luck.one(0.006, 0.014, 4),
        "acquisition_cost": cost,
        "joining": int(luck.whole(1, 3, 12)[0]),
        "newcomer": round(cost * luck.one(1.3, 2.5)),
    }
    yearly = luck.one(60, 200, 0)
    years = {
        "margin": yearly,
        "retention": luck.one(0.7, 0.92),
        "discount": luck.one(0.08, 0.14),
        "acquisition_cost": round(yearly * luck.one(0.2, 0.8)),
    }
    trials, plan = _trials(luck)
    return {
        "firm": pd.DataFrame([firm]),
        "years": pd.DataFrame([years]),
        "customers": _customers(luck),
        "trials": trials,
        "plan": plan,
    }


def _customers(luck: Luck, n: int = 400) -> pd.DataFrame:
    table = pd.DataFrame({"customer": np.arange(1, n + 1)})
    table["past"] = np.exp(luck.normal(n, 5.5, 0.8))
    table["current"] = np.exp(luck.normal(n, 5.0, 0.7)) * (luck.uniform(n) < 0.9)
    table["potential"] = np.exp(luck.normal(n, 4.0, 0.8)) * (luck.uniform(n) < 0.4) * (table["current"] > 0)
    return table.round(2)


def _trials(luck: Luck) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What measures cost and brought at several efforts, and those of today."""
    while True:
        rows = []
        for measure in MEASURES:
            price, first, scale = luck.one(800, 4_000, 0), luck.one(0.8, 4), luck.one(0.8, 3)
            for effort in EFFORTS:
                brought = first * price * scale * (1 - exp(-effort / scale))
                rows.append((measure, effort, round(price * effort), round(brought)))
        trials = pd.DataFrame(rows, columns=["measure", "effort", "spent", "brought"])
        today = [EFFORTS[int(k)] for k in luck.whole(len(MEASURES), 0, len(EFFORTS) - 2)]
        plan = pd.DataFrame({"measure": MEASURES, "effort": today})
        steps = _steps({"trials": trials, "plan": plan})
        orders = {tuple(_order(steps[name])) for name in steps}
        apart = np.diff(np.sort(np.log(steps["marginal"])))
        if len(orders) == len(steps.columns) and apart.min() > 0.02:  # clear, and no mistake gives the same
            return trials, plan


# -- references and typical mistakes -------------------------------------------------------------------


def break_even(tables: Data, discounted: bool = True) -> float:
    """Where `value.retention_value` without end, m r / (1 + d - r), is the cost of winning a customer."""
    firm = tables["firm"].iloc[0]
    rate = float(firm["discount"]) if discounted else 0.0
    return float(firm["acquisition_cost"] * (1 + rate) / (firm["margin"] + firm["acquisition_cost"]))


def _paid_at_once(tables: Data) -> float:
    firm = tables["firm"].iloc[0]
    return float((1 + firm["discount"]) * (1 - firm["margin"] / firm["acquisition_cost"]))


def equity(
    tables: Data,
    *,
    cost: bool = True,
    discounted: bool = True,
    months: int | None = AHEAD,
    past: bool = False,
) -> pd.DataFrame:
    firm, customers = tables["firm"].iloc[0], tables["customers"]
    if past:
        customers = customers.assign(current=customers["current"] + customers["past"])
    found = value.customer_equity(
        customers,
        joining=float(firm["joining"]),
        newcomer=float(firm["newcomer"]),
        acquisition_cost=float(firm["acquisition_cost"]) if cost else 0.0,
        discount_rate=float(firm["discount"]) if discounted else 0.0,
        months=months,
    )
    return found.loc[list(PARTS), ["amount"]]


def percentages(tables: Data, *, points: bool = False, net: bool = True) -> pd.DataFrame:
    """Per cent more value of a customer won, for one per cent better of each lever."""
    years = tables["years"].iloc[0]

    def worth(retention: float = 1.0, margin: float = 1.0, acquisition_cost: float = 1.0) -> float:
        stays = years["retention"] + 0.01 * (retention > 1) if points else years["retention"] * retention
        cost = years["acquisition_cost"] * acquisition_cost if net else 0.0
        each = value.retention_value(years["margin"] * margin, stays, discount_rate=years["discount"])
        return float(each - cost)

    better = {"retention": 1.01, "margin": 1.01, "acquisition_cost": 0.99}
    gain = [100 * (worth(**{lever: better[lever]}) / worth() - 1) for lever in LEVERS]
    return pd.DataFrame({"gain": gain}, index=pd.Index(LEVERS, name="lever"))


Parts = Callable[[list[float], list[float]], list[float]]


def parts(before: list[float], after: list[float]) -> list[float]:
    """Shapley values: each factor's step, mean of the six orders in which they may change."""
    orders = list(permutations(range(3)))
    steps = [_in_order(before, after, order) for order in orders]
    return [sum(step[k] for step in steps) / len(orders) for k in range(3)]


def _in_order(before: list[float], after: list[float], order: tuple[int, ...] = (0, 1, 2)) -> list[float]:
    now, found = list(before), [0.0, 0.0, 0.0]
    for k in order:
        was = now[0] * now[1] * now[2]
        now[k] = after[k]
        found[k] = now[0] * now[1] * now[2] - was
    return found


def _at_the_old(before: list[float], after: list[float]) -> list[float]:
    return [_in_order(before, after, (k, *({0, 1, 2} - {k})))[k] for k in range(3)]


def _stretched(before: list[float], after: list[float]) -> list[float]:
    """By the old values, then stretched to add up."""
    found = _at_the_old(before, after)
    change = after[0] * after[1] * after[2] - before[0] * before[1] * before[2]
    return [part * change / sum(found) for part in found]


def _two_orders(before: list[float], after: list[float]) -> list[float]:
    one, other = _in_order(before, after), _in_order(before, after, (2, 1, 0))
    return [(a + b) / 2 for a, b in zip(one, other, strict=True)]


def _segments(seed: int) -> list[tuple[list[float], list[float]]]:
    """Twelve segments a year ago and now; all factors may rise or fall."""
    luck = Luck(seed, "segments")
    found = []
    for n in luck.whole(12, 50, 900).tolist():
        before = [float(n), luck.one(5, 40), luck.one(8, 40, 1)]
        factors = luck.uniform(3, 0.7, 1.2) + np.array([0.25, 0.0, 0.0])
        after = [round(float(x * f), 2) for x, f in zip(before, factors, strict=True)]
        found.append((before, [round(after[0]) * 1.0, *after[1:]]))
    return found


def _steps(tables: Data) -> pd.DataFrame:
    """For each measure what the next step brings a yuan, and what is taken for it by mistake."""
    trials, plan = tables["trials"], tables["plan"]
    rows = {}
    for measure, effort in zip(plan["measure"], plan["effort"], strict=True):
        own = trials[trials["measure"] == measure].set_index("effort")[["spent", "brought"]]
        now = own.loc[effort]
        step = own.loc[EFFORTS[EFFORTS.index(effort) + 1]] - now
        first = own.loc[EFFORTS[0]]
        rows[measure] = {
            "marginal": step["brought"] / step["spent"],
            "average": now["brought"] / now["spent"],
            "amount": step["brought"],
            "first": first["brought"] / first["spent"],
        }
    return pd.DataFrame(rows).T


def _order(column: pd.Series) -> list[str]:
    return list(column.sort_values(ascending=False).index)


def _ordered(by: str) -> Callable[[Data], list[str]]:
    return lambda tables: _order(_steps(tables)[by])


Split = Callable[[list[float], list[float], float], list[float]]


def split(gain: list[float], scale: list[float], budget: float) -> list[float]:
    """The next yuan brings the same on every measure that gets one, and never less than itself."""
    if sum(_spent(gain, scale, 1.0)) <= budget:
        return _spent(gain, scale, 1.0)
    return _all_spent(gain, scale, budget)


def _spent(gain: list[float], scale: list[float], least: float) -> list[float]:
    """Spent on each where the last yuan brings `least`."""
    return [s * log(max(g / s / least, 1.0)) for g, s in zip(gain, scale, strict=True)]


def _all_spent(gain: list[float], scale: list[float], budget: float) -> list[float]:
    low, high = 1e-9, max(g / s for g, s in zip(gain, scale, strict=True))
    for _ in range(200):
        least = (low * high) ** 0.5
        low, high = (least, high) if sum(_spent(gain, scale, least)) > budget else (low, least)
    return _spent(gain, scale, high)


def _evenly(gain: list[float], scale: list[float], budget: float) -> list[float]:
    return [budget / len(gain)] * len(gain)


def _by_gain(gain: list[float], scale: list[float], budget: float) -> list[float]:
    return [budget * g / sum(gain) for g in gain]


def _best_only(gain: list[float], scale: list[float], budget: float) -> list[float]:
    first = [g / s for g, s in zip(gain, scale, strict=True)]
    return [budget if k == first.index(max(first)) else 0.0 for k in range(len(gain))]


def _no_budget(gain: list[float], scale: list[float], budget: float) -> list[float]:
    return _spent(gain, scale, 1.0)


def _budgets(seed: int) -> list[tuple[list[float], list[float], float]]:
    """Twelve firms: with little money for many measures, with enough for all, with more than is worth spending."""
    luck = Luck(seed, "budgets")
    found = []
    for k, n in enumerate(luck.whole(12, 3, 6).tolist()):
        scale = [luck.one(500, 3_000, 0) for _ in range(n)]
        gain = [round(s * luck.one(0.6, 5)) * 1.0 for s in scale]
        gain[0] = 6 * scale[0]  # at least one is worth its money
        wanted = sum(_spent(gain, scale, 1.0))
        part = (luck.one(0.1, 0.3), luck.one(0.5, 0.9), luck.one(1.2, 1.8))[k % 3]
        found.append((gain, scale, float(round(wanted * part))))
    return found


def _wrong(mistake: Callable[..., Any]) -> Callable[[Any], Any]:
    return lambda tables: mistake


SET = ExerciseSet(
    name="strategy",
    title="Customer equity and the next yuan",
    chinese="客户资产与下一元投入",
    chapter="14_strategy_and_equity",
    about=(
        "`firm`, months: margin (money a customer and month), discount (a month), acquisition_cost 获客成本 (money for a "
        "customer won), joining (customers won a month), newcomer (what one will bring, expected, on joining). "
        "`years`, another firm, yearly: margin, retention, discount, and acquisition_cost. `customers` of the first "
        "firm: past (earned with the customer so far), current (value ahead, at what the customer buys now) and potential "
        "(what more could be sold), money, 0 for who has left. `trials`: for each of five measures what was spent and "
        "what it brought at several efforts, money. `plan`: the effort of each measure today."
    ),
    data=data,
    exercises=(
        Exercise(
            id="strategy-1",
            title="Break-even retention",
            chinese="盈亏平衡的保持率",
            difficulty=1,
            minutes=15,
            points=2,
            goal="From which monthly retention rate 保持率 on does a customer of `firm` bring more than winning the customer has "
            "cost? A customer is worth margin x (r / (1 + discount))^t, added up over t = 1, 2, ... without end. Give a share, "
            "0 to 1.",
            hint="The sum is margin x r / (1 + discount - r). Put it equal to acquisition_cost and solve for r.",
            rubric="All points within .0006, three decimals.",
            solve=break_even,
            answer=Number(
                unit="share",
                relative=0.0,
                absolute=0.0006,
                why="rounding to three decimals",
                wrong={
                    "later money counts as much as money of today: it is not discounted 未折现": lambda d: (
                        break_even(d, discounted=False)
                    ),
                    "the first margin comes after a month, if the customer has stayed; here it is paid at once": (
                        _paid_at_once
                    ),
                    "this is the rate of a year; asked is that of a month": lambda d: break_even(d) ** 12,
                },
            ),
        ),
        Exercise(
            id="strategy-2",
            title="Customer equity",
            chinese="客户资产",
            difficulty=2,
            minutes=20,
            points=3,
            goal="What is the customer equity 客户资产 of `firm`? current and potential are the sums of these columns of "
            f"`customers`; future is what those who join in the next {AHEAD} months will bring less what winning them costs: "
            "every month joining customers, those of month t discounted over t months (t = 1, 2, ...); total is all three. "
            "Give a DataFrame with part (current, potential, future, total) and amount (money).",
            hint="`customer_equity` of `crmsim.analysis.value` does it; or two sums and one of (1 + discount)^-t.",
            rubric="Four amounts, within .5 % for rounding; part marks from one half of them.",
            solve=equity,
            answer=Table(
                key="part",
                columns=("amount",),
                wrong={
                    "what was earned in the past is not equity 历史价值": lambda d: equity(d, past=True),
                    "what winning customers costs is not taken off 获客成本": lambda d: equity(d, cost=False),
                    "those who join later count as much as those of today: future is not discounted 未折现": lambda d: (
                        equity(d, discounted=False)
                    ),
                    f"customers go on joining without end here, not for {AHEAD} months": lambda d: equity(
                        d, months=None
                    ),
                },
            ),
        ),
        Exercise(
            id="strategy-3",
            title="Three percentages",
            chinese="三个弹性",
            difficulty=2,
            minutes=20,
            points=3,
            goal="By how many per cent does the net value of a customer of `years` rise if retention, or margin, rises by one "
            "per cent of itself, or acquisition_cost falls by one per cent? Net value is margin x r / (1 + discount - r) less "
            "acquisition_cost. Give a DataFrame with lever (retention, margin, acquisition_cost) and gain (per cent).",
            hint="Write the net value as a function of the three and call it four times. "
            "`retention_value` of `crmsim.analysis.value` gives the first part.",
            rubric="Three numbers, within .5 %; part marks from one half of them.",
            solve=percentages,
            answer=Table(
                key="lever",
                columns=("gain",),
                wrong={
                    "a point more retention is not one per cent of it 百分点与百分比": lambda d: percentages(
                        d, points=True
                    ),
                    "of the value before the cost of winning; asked is net value": lambda d: percentages(
                        d, net=False
                    ),
                    "shares in place of per cent 百分比与比例": lambda d: percentages(d) / 100,
                },
            ),
        ),
        Exercise(
            id="strategy-4",
            title="Where a change of equity came from",
            chinese="客户资产变化的分解",
            difficulty=3,
            minutes=35,
            points=4,
            goal="The equity of a segment is customers x margin a month x months to come. Write a function parts(before, "
            "after) of two lists of these three numbers, a year ago and now, that returns a list of three amounts of "
            "money: the change due to customers (acquisition 获取), to margin (expansion 扩展) and to months (retention 保持). "
            "Which factor moves first matters: take the mean of all six orders 沙普利值. Hand in the function itself.",
            hint="`itertools.permutations(range(3))`. In each order change one factor after the other and note by how much the "
            "product changes. The three parts add up to the whole change.",
            rubric="Judged on twelve segments, within .1 %; part marks above one half of them. One order alone gives the "
            "factor that moves last what it does together with the others.",
            solve=lambda tables: parts,
            answer=Function(
                inputs=_segments,
                takes="two lists of three numbers",
                relative=1e-3,
                absolute=0.01,
                wrong={
                    "one order only: customers first, months last; another order gives other parts": _wrong(
                        _in_order
                    ),
                    "each factor moves while the others are as before: the parts do not add up": _wrong(
                        _at_the_old
                    ),
                    "they add up only because they were stretched; take the mean of the orders": _wrong(
                        _stretched
                    ),
                    "two orders of six": _wrong(_two_orders),
                },
            ),
        ),
        Exercise(
            id="strategy-5",
            title="The next yuan",
            chinese="下一元的边际回报",
            difficulty=2,
            minutes=20,
            points=3,
            goal="Each measure runs at the effort of `plan`. Put the five measures in the order of what each yuan of the next step "
            "brings: from today's effort to the next higher one in `trials`. Give a list of their names, the best first.",
            hint="More brought over more spent, between two rows of `trials`. Diminishing returns 收益递减: a measure that has "
            "brought much need not bring much more.",
            rubric="All points for the order, in which two neighbours differ by 2 % at least; part marks by Kendall's tau.",
            solve=_ordered("marginal"),
            answer=Ranking(
                what="measures",
                wrong={
                    "by what all money so far has brought a yuan; ask what the next yuan brings 平均与边际": _ordered(
                        "average"
                    ),
                    "by what the next step brings, whatever it costs; divide by its cost": _ordered("amount"),
                    "by the first yuan: these measures are running already": _ordered("first"),
                },
            ),
        ),
        Exercise(
            id="strategy-6",
            title="A budget split",
            chinese="预算的最优分配",
            difficulty=3,
            minutes=45,
            points=5,
            goal="Spending x on a measure brings gain x (1 - e^(-x / scale)). Write a function split(gain, scale, budget) of two "
            "lists, an entry a measure, and of the money there is, that returns the list of what to spend on each so that "
            "what they bring less what is spent is largest. Nothing is negative, and money may be left over. Hand in the "
            "function itself.",
            hint="The next yuan brings gain / scale x e^(-x / scale). Where money is short it brings the same on every measure "
            "that gets some, and less on those that get none; find this common value by halving an interval. No yuan is "
            "spent that brings less than itself. Chapter 14 has such a search for a low-cost strategy.",
            rubric="Judged on twelve firms, some with more money than is worth spending; each amount within 1 % or 5 money; part "
            "marks above one half of the firms.",
            solve=lambda tables: split,
            answer=Function(
                inputs=_budgets,
                takes="two lists and a number",
                relative=0.01,
                absolute=5.0,
                wrong={
                    "the whole budget is spent, even where the last yuan brings less than itself": _wrong(
                        _all_spent
                    ),
                    "more is spent than the budget has": _wrong(_no_budget),
                    "the same for all; the first yuan brings more on one measure than on another": _wrong(
                        _evenly
                    ),
                    "in proportion to gain: it counts what the next yuan brings": _wrong(_by_gain),
                    "all on one measure: its returns diminish 收益递减": _wrong(_best_only),
                },
            ),
        ),
    ),
)
