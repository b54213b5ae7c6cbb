"""Chapter 10: measures tried on twin worlds. What one keeps, what it earns, against which cause, and which to buy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ...vocabulary import ChurnCause
from ..answers import Data, Function, Number, Plan, Table
from ..exercise import Exercise, ExerciseSet
from ..student import Floats, Luck

if TYPE_CHECKING:
    from ...simulation.scenario import Scenario

CUSTOMERS, MONTHS = 800, 36
LUCKS = 8
CHINESE = {
    "quality_control": "控制质量",
    "fault_reduction": "减少故障",
    "complaint_handling": "处理投诉",
    "dunning": "提醒服务",
    "payment_channels": "付款途径",
}
DEAR = ("quality_control", "fault_reduction", "complaint_handling")
MEASURES = tuple(CHINESE)
CAUSES = tuple(cause.key for cause in ChurnCause)
PAIR = ("dunning", "payment_channels")  # both keep who would be lost over an unpaid bill
TRIED = "complaint_handling"  # the measure of the exercise on two lucks


def data(seed: int) -> dict[str, pd.DataFrame]:
    plans = [(), *((name,) for name in MEASURES), PAIR]
    runs = pd.DataFrame([row for luck in range(LUCKS) for row in _twins(seed, luck, plans)])
    runs = runs.drop(columns="equity").assign(
        measure=runs["plan"].map(lambda names: "+".join(names) or "none")
    )
    runs = runs[["luck", "measure", *runs.columns.drop(["luck", "plan", "measure"])]]
    pair = runs.loc[runs["measure"] == "+".join(PAIR), ["luck", "gross", "cost"]].reset_index(drop=True)
    runs = runs[runs["measure"] != "+".join(PAIR)].reset_index(drop=True)
    costs = runs.groupby("measure")["cost"].mean().reindex(MEASURES).round(-1)
    menu = pd.DataFrame(
        {
            "measure": MEASURES,
            "chinese": CHINESE.values(),
            "effort": _efforts(seed).values(),
            "cost": costs.to_numpy(),
        }
    )
    share = Luck(seed, "budget").one(0.35, 0.6)
    return {
        "runs": runs,
        "pair": pair,
        "menu": menu,
        "firm": pd.DataFrame({"customers": [CUSTOMERS], "budget": [round(share * costs.sum(), -2)]}),
    }


def _efforts(seed: int) -> dict[str, float]:
    """Of the usual: with a small one the first yuan earns much, with a large one the last earns little."""
    luck = Luck(seed, "efforts")
    return {name: luck.one(0.1, 0.7, 1) if name in DEAR else 1.0 for name in MEASURES}


@lru_cache(maxsize=8)
def _scenario(seed: int) -> tuple[Scenario, int]:
    """A telephone company of the student's own: rivals, failures, complaints, bills and margin differ."""
    from ...simulation.scenario import Scenario

    luck = Luck(seed, "measures")
    preset = Scenario.preset("subscription")
    rivals, faults, bills = luck.one(1, 4), luck.one(1, 3), luck.one(0.2, 1.2)
    churn, payment = preset.churn, preset.payment
    scenario = preset.replace(
        population__size=CUSTOMERS,
        population__months=MONTHS,
        churn__competitive=churn.competitive * rivals,
        churn__fault_minor=churn.fault_minor * faults,
        churn__fault_major=churn.fault_major * faults,
        complaint__intercept=preset.complaint.intercept + luck.one(0, 2),
        payment__manual_failure=payment.manual_failure * bills,
        payment__card_failure=payment.card_failure * bills,
        payment__debit_failure=payment.debit_failure * bills,
        acquisition__external=0.0,
        acquisition__imitation=0.0,
        word_of_mouth__contagion=0.0,
        purchase__margin=luck.one(0.55, 0.75),
    )
    return scenario, seed % 2**31


def _twins(seed: int, luck: int, plans: Sequence[Sequence[str]]) -> Iterator[dict[str, Any]]:
    """The same customers with the same luck once for each plan, the first of which is the baseline."""
    from ...research.experiment import OUTCOMES, initial_lives, outcomes
    from ...simulation.engine import simulate
    from ...simulation.policies import policy

    (scenario, number), effort = _scenario(seed), _efforts(seed)
    without = None
    for plan in plans:
        bought = [policy(f"{name}:effort={effort[name]}") for name in plan]
        run = simulate(scenario, bought, number, replication=luck, threads=1, progress=False)
        lives = initial_lives(run)
        without = without or lives
        found = dict(zip(OUTCOMES, outcomes(run, lives, without), strict=True))
        row = {"luck": luck + 1, "plan": tuple(plan), "kept": int(found["kept"])}
        row |= {"gross": round(found["gross_equity"]), "cost": round(found["policy_cost_discounted"])}
        row |= {cause: round(found[f"expected_{cause}"], 2) for cause in CAUSES}
        yield row | {"equity": found["equity"]}


# -- references and typical mistakes -------------------------------------------------------------------


def gains(tables: Data, column: str) -> pd.DataFrame:
    """The column with each measure less that without, in the same luck: a row a luck, a column a measure."""
    wide = tables["runs"].pivot(index="luck", columns="measure", values=column)
    return wide[list(MEASURES)].sub(wide["none"], axis=0)


def _by_measure(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame(columns, index=pd.Index(MEASURES, name="measure"))


def returns(tables: Data) -> pd.DataFrame:
    return _by_measure(**{"return": gains(tables, "gross").mean() / gains(tables, "cost").mean() - 1})


def _of_gross(tables: Data) -> pd.DataFrame:
    runs = tables["runs"]
    before = runs.loc[runs["measure"] == "none", "gross"].mean()
    return _by_measure(**{"return": gains(tables, "gross").mean() / before})


def _at_all(tables: Data) -> pd.DataFrame:
    means = tables["runs"].groupby("measure")[["gross", "cost"]].mean().reindex(MEASURES)
    return _by_measure(**{"return": means["gross"] / means["cost"] - 1})


def effects(tables: Data, how: str = "") -> pd.DataFrame:
    from scipy import stats

    kept = gains(tables, "kept") * 1000 / CUSTOMERS
    n = len(kept)
    error = kept.std() / n**0.5
    t = stats.t.ppf(0.975, n - 1)
    if how == "normal":
        t = stats.norm.ppf(0.975)
    if how == "spread":
        error = kept.std()
    if how == "unpaired":
        one = tables["runs"].pivot(index="luck", columns="measure", values="kept") * 1000 / CUSTOMERS
        error = ((one.var()[list(MEASURES)] + one["none"].var()) / n) ** 0.5
        t = stats.t.ppf(0.975, 2 * n - 2)
    effect = kept.mean()
    return _by_measure(effect=effect, low=effect - t * error, high=effect + t * error)


def _pairs(tables: Data) -> Floats:
    """Kept with the measure less kept without, the luck of the one a row, of the other a column."""
    wide = tables["runs"].pivot(index="luck", columns="measure", values="kept")
    return np.asarray(wide[TRIED].to_numpy(float)[:, None] - wide["none"].to_numpy(float)[None, :])


def misled(tables: Data) -> float:
    pairs = _pairs(tables)
    return float((pairs < 0).sum() / (pairs.size - len(pairs)))


def works_on(tables: Data) -> pd.DataFrame:
    avoided = _avoided(tables)
    return _by_measure(cause=avoided.idxmax(axis=1), avoided=avoided.max(axis=1))


def _avoided(tables: Data) -> pd.DataFrame:
    """Departures fewer, of a thousand customers, a row a measure and a column a cause."""
    return pd.DataFrame({cause: -gains(tables, cause).mean() for cause in CAUSES}) * 1000 / CUSTOMERS


def _in_part(tables: Data) -> pd.DataFrame:
    runs = tables["runs"]
    before = runs.loc[runs["measure"] == "none", list(CAUSES)].mean() * 1000 / CUSTOMERS
    part = (_avoided(tables) / before).fillna(0.0)
    return _by_measure(cause=part.idxmax(axis=1), avoided=part.max(axis=1))


def _commonest(tables: Data) -> pd.DataFrame:
    cause = tables["runs"].groupby("measure")[list(CAUSES)].mean().idxmax(axis=1).reindex(MEASURES)
    return _by_measure(cause=cause, avoided=[_avoided(tables).loc[m, c] for m, c in cause.items()])


def _added_up(tables: Data) -> pd.DataFrame:
    found = works_on(tables)
    return found.assign(avoided=found["avoided"] * LUCKS * CUSTOMERS / 1000)


Saves = Callable[[list[float], list[float]], list[float]]


def saves(without: list[float], with_it: list[float]) -> list[float]:
    """Expected saves and their standard deviation with the same luck and with two."""
    before, after = np.array(without), np.array(with_it)
    gain = before - after
    same = np.abs(gain) * (1 - np.abs(gain))
    return [float(gain.sum()), float(same.sum() ** 0.5), float(_two(before, after).sum() ** 0.5)]


def _two(before: Floats, after: Floats) -> Floats:
    return np.asarray(before * (1 - before) + after * (1 - after))


def _both_independent(without: list[float], with_it: list[float]) -> list[float]:
    expected, _, two = saves(without, with_it)
    return [expected, two, two]


def _no_harm(without: list[float], with_it: list[float]) -> list[float]:
    gain = np.array(without) - np.array(with_it)
    return [float(gain.clip(0).sum()), *saves(without, with_it)[1:]]


def _squared(without: list[float], with_it: list[float]) -> list[float]:
    expected, same, two = saves(without, with_it)
    return [expected, same**2, two**2]


def _deviations_added(without: list[float], with_it: list[float]) -> list[float]:
    before, after = np.array(without), np.array(with_it)
    gain = np.abs(before - after)
    same, two = gain * (1 - gain), _two(before, after)
    return [saves(without, with_it)[0], float((same**0.5).sum()), float((two**0.5).sum())]


def _a_customer(without: list[float], with_it: list[float]) -> list[float]:
    return [value / len(without) for value in saves(without, with_it)]


def _chances(seed: int) -> list[tuple[list[float], list[float]]]:
    """Ten groups of customers; the measure helps most of them and harms some."""
    luck = Luck(seed, "chances")
    found = []
    for n in luck.whole(10, 4, 30).tolist():
        before = luck.uniform(n, 0.02, 0.4)
        factor = luck.uniform(n, 0.3, 1.0)
        factor[0] = luck.one(1.2, 1.6)
        found.append((before.round(4).tolist(), (before * factor).round(4).tolist()))
    return found


def _wrong(mistake: Saves) -> Callable[[Any], Saves]:
    return lambda tables: mistake


# -- a plan within the budget ----------------------------------------------------------------------------


def costs(tables: Data) -> dict[str, float]:
    return dict(zip(tables["menu"]["measure"], tables["menu"]["cost"], strict=True))


def budget(tables: Data) -> float:
    return float(tables["firm"]["budget"].iloc[0])


def choices(tables: Data) -> list[tuple[str, ...]]:
    """All that the budget pays for, of one measure or more."""
    price = costs(tables)
    every = (plan for k in range(1, len(MEASURES) + 1) for plan in combinations(MEASURES, k))
    return [plan for plan in every if sum(price[name] for name in plan) <= budget(tables)]


@lru_cache(maxsize=64)
def worth(seed: int) -> dict[frozenset[str], float]:
    """Mean equity with each choice less that without, in the student's own lucks: singles are as in `runs`."""
    from ..student import tables_of

    plans = [(), *choices(tables_of(SET, seed))]
    total = np.zeros(len(plans))
    for luck in range(LUCKS):
        total += [row["equity"] for row in _twins(seed, luck, plans)]
    return {
        frozenset(plan): float(x - total[0]) / LUCKS for plan, x in zip(plans[1:], total[1:], strict=True)
    }


SET = ExerciseSet(
    name="measures",
    title="Measures tried on twin worlds",
    chinese="提高客户忠诚的措施",
    chapter="10_the_measures",
    about=(
        f"A telephone company with {CUSTOMERS} customers, three years. `runs`: each of {LUCKS} lucks was lived once "
        "without a measure (measure = none) and once with each of five, always by the same customers; nobody new "
        "joins. luck, measure, "
        "kept (of the customers at the start, those there at the end), gross (margins of the three years before the "
        "measure's cost, money), cost (of the measure, money), and for each cause of churn the departures to be expected of it "
        "(the chances of all months added up). `menu`: the measures, with how many times the usual effort "
        "they are run, and what each costs. `pair`: dunning and payment_channels together, both of which keep customers "
        "who would be lost over an unpaid bill: gross and cost in each luck. `firm`: customers and budget (money). All money is discounted."
    ),
    data=data,
    exercises=(
        Exercise(
            id="measures-1",
            title="What a yuan brings back",
            chinese="措施的回报",
            difficulty=1,
            minutes=10,
            points=2,
            goal="For each of the five measures give its return 回报: the mean of what gross gains against none in the same "
            "luck, over the mean of cost, less 1. Give a DataFrame with measure and return (.5: one yuan came back as "
            "one and a half).",
            hint='`runs.groupby("measure")[["gross", "cost"]].mean()` and a subtraction. none costs nothing.',
            rubric="Five numbers, within .002 or .5 % for rounding; part marks from one half of them.",
            solve=returns,
            answer=Table(
                key="measure",
                columns=("return",),
                absolute=0.002,
                wrong={
                    "this is what a yuan brings; take off the yuan itself": lambda d: returns(d) + 1,
                    "the cost is taken off twice: gross is before the cost of the measure": lambda d: (
                        returns(d) - 1
                    ),
                    "per cent in place of shares 百分比与比例": lambda d: returns(d) * 100,
                    "over the gross of none; ask what each yuan of cost brings 分母错误": _of_gross,
                    "all that the customers bring is counted; without the measure most of it comes as well": _at_all,
                },
            ),
        ),
        Exercise(
            id="measures-2",
            title="The paired difference and its interval",
            chinese="配对差异与置信区间",
            difficulty=2,
            minutes=20,
            points=3,
            goal="For each measure: effect, by how many more of 1,000 customers it keeps (mean of the differences against none "
            f"in the same luck), and its interval of 95 %, low and high, from the spread of the {LUCKS} differences by "
            "Student's t. Give a DataFrame with measure, effect, low and high.",
            hint="`pivot` with a row a luck and a column a measure; subtract none from each; mean ± t(n-1) s / √n, "
            "`scipy.stats.t.ppf(0.975, n - 1)`. There are 800 customers, not 1,000.",
            rubric="Fifteen numbers, within .05 or .5 %, one decimal; part marks from one half of them. In 40 worlds intervals "
            "of two independent samples were 2 to 11 times as wide.",
            solve=effects,
            answer=Table(
                key="measure",
                columns=("low", "high", "effect"),
                absolute=0.05,
                wrong={
                    "these intervals treat the worlds as two independent samples; they share their luck 配对": lambda d: (
                        effects(d, "unpaired")
                    ),
                    "z of the normal distribution; with so few differences t is larger": lambda d: effects(
                        d, "normal"
                    ),
                    "standard deviations, not standard errors 标准误": lambda d: effects(d, "spread"),
                    "these are of the firm's customers, not of 1,000": lambda d: (
                        effects(d) * CUSTOMERS / 1000
                    ),
                    "none less the measure: the sign is the other way round 符号相反": lambda d: -effects(d),
                },
            ),
        ),
        Exercise(
            id="measures-3",
            title="Two lucks compared",
            chinese="不配对比较的误导",
            difficulty=2,
            minutes=20,
            points=3,
            goal=f"A firm has one luck with a measure and another without. Take {TRIED}: among all pairs of a world with it "
            "and a world without of another luck (luck i with, luck j without, i and j different), in which share "
            "does the measure seem to lose customers (fewer kept with it than without)? Give a share, 0 to 1.",
            hint="Eight times seven pairs. Two columns of kept, subtracted as `a[:, None] - b[None, :]`; the diagonal "
            "holds the same lucks. Then look at the diagonal alone: how often is it below 0?",
            rubric="All points for the count over 56, rounded to three digits. In 40 worlds it was .27 to .50, while "
            "of the pairs with the same luck none was below 0.",
            solve=misled,
            answer=Number(
                unit="share",
                relative=0.0,
                absolute=0.0006,
                why="rounding to three digits",
                wrong={
                    "worlds of the same luck are counted among the pairs 配对的也算在内": lambda d: float(
                        (_pairs(d) < 0).mean()
                    ),
                    "this is of worlds with the same luck; asked is what two lucks show": lambda d: float(
                        (np.diag(_pairs(d)) < 0).mean()
                    ),
                    "this is where it seems to keep customers 方向相反": lambda d: float(
                        (_pairs(d)[~np.eye(LUCKS, dtype=bool)] > 0).mean()
                    ),
                },
            ),
        ),
        Exercise(
            id="measures-4",
            title="Which measure for which cause",
            chinese="措施与流失原因",
            difficulty=2,
            minutes=20,
            points=3,
            goal="For each measure: cause, the one of the five causes of churn of which it avoids most departures, and avoided, "
            "how many of 1,000 customers (mean over the lucks of the expected departures of none less those with the "
            "measure). Give a DataFrame with measure, cause (natural 自然, competitive 竞争, fault 过失, retaliatory "
            "报复性被动 or payment_lapse 非恶意性被动, the names of the columns) and avoided.",
            hint="Means of the five columns by measure; subtract; `idxmax(axis=1)` and `max(axis=1)`. Some causes even "
            "grow: who was not lost of one cause can still go of another.",
            rubric="Ten entries; part marks from one half of them. Means of given numbers: rounding to one decimal only. "
            "That fewer failures mostly keep customers from rivals is no error: who met no failure values the firm more.",
            solve=works_on,
            answer=Table(
                key="measure",
                columns=("avoided", "cause"),
                absolute=0.05,
                wrong={
                    "as a part of the cause's departures; asked are customers of 1,000": _in_part,
                    "the cause of which most leave; ask which one the measure changes": _commonest,
                    "added up over the lucks, not their mean of 1,000 customers": _added_up,
                    "these are of the firm's customers, not of 1,000": lambda d: works_on(d).assign(
                        avoided=works_on(d)["avoided"] * CUSTOMERS / 1000
                    ),
                },
            ),
        ),
        Exercise(
            id="measures-5",
            title="Expected and realised saves",
            chinese="期望与实现的挽留",
            difficulty=3,
            minutes=35,
            points=4,
            goal="A customer leaves if a number drawn from 0 to 1 lies below the chance to leave. Write a function "
            "saves(without, with_it) of two lists, the chances of the same customers without a measure and with it, "
            "that returns a list of three numbers: the expected saves (departures fewer, on average), the standard "
            "deviation of the realised saves if each customer draws the same number in both worlds 同一运气, and that if "
            "each draws twice 两次运气. Customers draw independently. Hand in the function itself.",
            hint="With the same number a customer's two lives differ only if it falls between the two chances: that happens "
            "with the chance |a - b|, and the difference is then 1 or -1. With two numbers the variances p (1 - p) "
            "add up. Add variances, then take the root.",
            rubric="Judged on ten groups of customers, some of whom the measure harms; part marks above one half of the "
            "groups. Within .1 %.",
            solve=lambda tables: saves,
            answer=Function(
                inputs=_chances,
                takes="two lists of chances",
                relative=1e-3,
                wrong={
                    "with the same luck a customer's two lives are not independent": _wrong(
                        _both_independent
                    ),
                    "who is harmed counts as well, as a save less": _wrong(_no_harm),
                    "these are variances; take the root 方差与标准差": _wrong(_squared),
                    "standard deviations do not add up, variances do": _wrong(_deviations_added),
                    "these are of one customer; asked is the sum over all": _wrong(_a_customer),
                },
            ),
        ),
        Exercise(
            id="measures-6",
            title="Measures under a budget",
            chinese="预算约束下的措施组合",
            difficulty=3,
            minutes=40,
            points=5,
            goal="Which measures of `menu` raise customer equity most, if together they may not cost more than the `budget` of "
            "`firm`? Give the list of their names, one at least. Equity is gross less cost here. The plan is tried in your own "
            "world, with the lucks of `runs`.",
            hint="Five measures have 31 combinations: list those the budget pays for. From `runs` take what each measure "
            "gains less its cost; money that is not spent is not lost. What two bring together need not be the sum: "
            "compare `pair` with dunning and payment_channels apart.",
            rubric="Judged by equity, mean of the eight lucks: no points for the mean of all choices within the budget, all "
            "for 90 % of the way from it to the best. In 40 worlds the worked solution came 99 % of the way or further; the "
            "sum of what measures bring apart was enough in 34 of them, to keep as many customers as possible in 16, to spend "
            "as much as possible in 1.",
            answer=Plan(costs=costs, budget=budget, worth=worth, enough=0.9),
        ),
    ),
)
