"""Chapter 13: lift, uplift from an experiment, whom to call, how large a test must be, a rule of one's own."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from ...analysis.sampling import change_sample_size
from ...analysis.targeting import lift_table, uplift_at
from ..answers import Data, Number, Policy, Table, Targets
from ..exercise import Exercise, ExerciseSet
from ..student import Luck

LISTED = 4_000  # names with a score of response
AT_HOME, AWAY = 0.75, 1.25  # chance of leaving over the risk: who takes a call leaves less often anyway
TRIED = 20_000  # customers of the experiment
CANDIDATES = 2_000
CALLS = 100
PLANS = ("basic", "family", "business")
USAGE = (1, 2, 3, 4, 5)
DECILE = ("rate", "lift", "captured")


def _people(luck: Luck, n: int) -> pd.DataFrame:
    plan = np.array(PLANS)[luck.whole(n, 0, len(PLANS) - 1)]
    return pd.DataFrame(
        {
            "customer": np.arange(1, n + 1),
            "plan": plan,
            "usage": luck.whole(n, USAGE[0], USAGE[-1]),
            "risk": (1 / (1 + np.exp(-luck.normal(n, -1.4, 0.8)))).round(3),
        }
    )


def _effect(seed: int, people: pd.DataFrame) -> np.ndarray:
    """By how much a call lowers the chance of leaving: a share of the risk, by plan and use of the service.

    One plan answers well, one a little, one badly; those who hardly use the service are reminded of it.
    """
    luck = Luck(seed, "response")
    answer = dict(
        zip(luck.order(PLANS), (luck.one(0.55, 0.65), luck.one(0.2, 0.3), luck.one(-0.25, -0.1)), strict=True)
    )
    part = people["plan"].map(answer) + 0.12 * (people["usage"] - 3)
    return np.asarray(people["risk"] * part, dtype=np.float64)


def _at_home(people: pd.DataFrame) -> np.ndarray:
    """The chance that a call is taken."""
    return np.asarray(0.85 - 0.6 * people["risk"], dtype=np.float64)


@lru_cache(maxsize=32)
def _candidates(seed: int) -> tuple[pd.DataFrame, pd.Series]:
    """Customers who can be called, and how many being listed keeps of each, expected."""
    people = _people(Luck(seed, "candidates"), CANDIDATES)
    people["customer"] += TRIED
    before = people["risk"] * AT_HOME
    kept = _at_home(people) * (before - np.clip(before - _effect(seed, people), 0, 1))
    return people, pd.Series(kept.to_numpy(), index=people["customer"])


def data(seed: int) -> dict[str, pd.DataFrame]:
    luck = Luck(seed, "targeting")
    score = np.array(luck.order(list(range(1, LISTED + 1)))) / LISTED  # no two alike
    chance = 1 / (1 + np.exp(-(luck.one(-4.4, -3.8) + luck.one(2.2, 3.0) * score)))
    names = pd.DataFrame(
        {"customer": np.arange(1, LISTED + 1), "score": score, "bought": luck.happens(chance)}
    )

    trial = _people(luck, TRIED)
    trial["listed"] = luck.happens(np.full(TRIED, luck.one(0.45, 0.6)))
    home = luck.happens(_at_home(trial))
    trial["reached"] = trial["listed"] * home
    leaves = trial["risk"] * np.where(home == 1, AT_HOME, AWAY) - trial["reached"] * _effect(seed, trial)
    trial["stayed"] = 1 - luck.happens(np.clip(leaves, 0, 1))

    test = pd.DataFrame(
        {
            "change": [luck.one(0.02, 0.04, 3)],
            "power": [(0.8, 0.9)[int(luck.whole(1, 0, 1)[0])]],
            "confidence": [0.95],
        }
    )
    return {"mailing": names, "experiment": trial, "test": test, "candidates": _candidates(seed)[0]}


# -- references and typical mistakes -------------------------------------------------------------------


def deciles(tables: Data, score: Any = None) -> pd.DataFrame:
    names = tables["mailing"]
    found = lift_table(names["bought"], names["score"] if score is None else score)
    return found.rename(columns={"group": "decile"}).set_index("decile")[list(DECILE)]


def _turned(tables: Data) -> pd.DataFrame:
    return deciles(tables, -tables["mailing"]["score"])


def _over_others(tables: Data) -> pd.DataFrame:
    """Lift over the mean rate of the other nine deciles."""
    found = deciles(tables)
    others = (found["rate"].sum() - found["rate"]) / (len(found) - 1)
    return found.assign(lift=found["rate"] / others)


def _not_added(tables: Data) -> pd.DataFrame:
    found = deciles(tables)
    return found.assign(captured=found["captured"].diff().fillna(found["captured"]))


def uplift(tables: Data) -> float:
    people = tables["experiment"]
    return uplift_at(people["stayed"], people["listed"], np.zeros(len(people)), 1.0).value


def _stayed(tables: Data, who: str) -> float:
    return float(tables["experiment"].query(who)["stayed"].mean())


def per_group(
    tables: Data, power: float | None = None, confidence: float | None = None, one: bool = False
) -> float:
    """Customers in either group. one: the variance of the control group is taken for both."""
    change, given, sure = tables["test"].iloc[0]
    before = _stayed(tables, "listed == 0")
    after = before + change
    variance = before * (1 - before)
    if not one:
        variance = (variance + after * (1 - after)) / 2
    return change_sample_size(
        change,
        math.sqrt(variance),
        power=power or given,
        confidence=sure if confidence is None else confidence,
    )


def _relative(tables: Data) -> float:
    change = tables["test"]["change"] * _stayed(tables, "listed == 0")
    return per_group({**tables, "test": tables["test"].assign(change=change)})


def town(seed: int) -> tuple[Any, int]:
    """A telephone company whose scores are good and whose customers take calls very differently."""
    from ...simulation.scenario import Scenario

    scenario = Scenario.preset("subscription").replace(
        population__size=8_000,
        population__months=24,
        population__response_mean=0.3,
        population__response_sd=0.5,
        firm__score_validity=0.9,
    )
    return scenario, seed % 2**31


SET = ExerciseSet(
    name="targeting",
    title="Whom to approach",
    chinese="目标客户与增益",
    chapter="13_one_to_one",
    about=(
        "A letter, an experiment with calls, and customers who can be called next. `mailing`: a row a name that got "
        "the letter, its score (from before, high is promising) and bought (1 or 0). `experiment`: customers put on "
        "a list of calls by lot (listed 1 or 0), reached (1 if the call was taken), stayed (1 if still a customer "
        "half a year later); known before were plan, usage (1 hardly used to 5 much used) and risk (estimated "
        "chance of leaving). `candidates`: other customers, of whom the same is known. `test`: change to be "
        "detected (a share, .03 is three points), power, confidence."
    ),
    data=data,
    exercises=(
        Exercise(
            id="targeting-1",
            title="Response by decile",
            chinese="十分位与提升度",
            difficulty=1,
            minutes=15,
            points=2,
            goal="Sort the names of `mailing` by score, the highest first, into ten equal groups. For each decile (1 is "
            "the best) give rate 回应率 (share that bought), lift 提升度 (rate over that of all names) and captured 累计捕获率 "
            "(share of all buyers found in this and the better deciles). Give a DataFrame with these columns "
            "and a row a decile.",
            hint="`lift_table` of `crmsim.analysis.targeting`, or `rank` and `groupby`. No two scores are alike.",
            rubric="Part marks by entries: none for half of them right, all for every one.",
            solve=deciles,
            answer=Table(
                key="decile",
                columns=DECILE,
                absolute=0.0006,
                wrong={
                    "sorted the other way 排序方向相反: 1 is for the highest scores": _turned,
                    "lift over the rate of the other deciles, not of all 分母错误": _over_others,
                    "captured is of each decile alone; add up from the best 累计": _not_added,
                    "per cent in place of shares 百分比与比例": lambda d: deciles(d) * 100,
                },
            ),
        ),
        Exercise(
            id="targeting-2",
            title="What the list of calls brought",
            chinese="随机实验与增益",
            difficulty=2,
            minutes=10,
            points=2,
            goal="By how much did being put on the list of calls raise the share of customers who stayed? Give the "
            "uplift 增益 in shares, .02 for two points.",
            hint="The lot decided who was listed; who takes a call decided who was reached. Compare what the "
            "lot made alike. `uplift_at` gives the interval as well.",
            rubric="All points for listed less not listed (intention to treat 意向处理), rounded to three digits.",
            solve=uplift,
            answer=Number(
                unit="share",
                absolute=0.0006,
                wrong={
                    "reached against not reached: who takes a call is no choice by lot 选择偏差": lambda d: (
                        _stayed(d, "reached == 1") - _stayed(d, "reached == 0")
                    ),
                    "reached against not listed: those listed in vain were left out 选择偏差": lambda d: (
                        _stayed(d, "reached == 1") - _stayed(d, "listed == 0")
                    ),
                    "this is the rate of those listed; nothing is taken off for who stays anyway": lambda d: (
                        _stayed(d, "listed == 1")
                    ),
                    "relative to the rate of the control group; the difference itself is asked for": lambda d: (
                        uplift(d) / _stayed(d, "listed == 0")
                    ),
                },
            ),
        ),
        Exercise(
            id="targeting-3",
            title="A hundred calls",
            chinese="一百个电话打给谁",
            difficulty=3,
            minutes=40,
            points=5,
            goal=f"Choose {CALLS} of the `candidates` to be put on the next list of calls, so that as many as "
            f"possible stay who would have left. Give a list of their {CALLS} ids.",
            hint="What counts is not who leaves but whom a call keeps; some it drives away. Look in `experiment` for "
            "which plan and which usage the listed stayed more often than the others, and take the risk into "
            "account: who does not leave cannot be kept. Beware of groups that are too small.",
            rubric="Judged by how many the calls keep, expected: no points for chance, all for 70 % of the way from "
            "chance to the best possible choice. In 150 sets of data the worked solution came 75 to 99 % of the way, "
            "the highest risk 6 to 45 %.",
            answer=Targets(
                count=CALLS, worth=lambda seed: _candidates(seed)[1], enough=0.7, what="candidates"
            ),
        ),
        Exercise(
            id="targeting-4",
            title="How large a test",
            chinese="A/B测试的样本量",
            difficulty=2,
            minutes=20,
            points=3,
            goal="The next script of the call is tried in an A/B test: two groups of equal size, one with it and one "
            "without a call. How many customers does each group need, so that a rise of the share who stay by "
            "`change` is found with the given power 检验功效, two-sided, at the given confidence? Without a call as many "
            "stay as of those not listed in `experiment`.",
            hint="n = (z_a + z_b)^2 (p1 (1 - p1) + p2 (1 - p2)) / d^2. `change_sample_size` of "
            "`crmsim.analysis.sampling` takes d and a standard deviation, the root of the mean of both variances.",
            rubric="All points within 1 %: rounding up, a pooled variance and z of two digits are within it.",
            solve=per_group,
            answer=Number(
                unit="customers a group",
                relative=0.01,
                why="z of two digits, pooled variance",
                wrong={
                    "both groups are counted together": lambda d: 2 * per_group(d),
                    "the power is left out, so a change that is there is found every other time": lambda d: (
                        per_group(d, power=0.5)
                    ),
                    "one-sided 单侧, not two-sided 双侧": lambda d: per_group(
                        d, confidence=2 * float(d["test"]["confidence"].iloc[0]) - 1
                    ),
                    "the change is taken as relative, not in points": _relative,
                    "the variance without a call is taken for both groups": lambda d: per_group(d, one=True),
                },
            ),
        ),
        Exercise(
            id="targeting-5",
            title="A rule of your own",
            chinese="自己的挽留策略",
            difficulty=3,
            minutes=45,
            points=5,
            goal="Each month for two years a telephone company of 8,000 customers calls 3 % of them. Write a function "
            "choose(view) that returns ids, the most wanted first, so that as many customers as possible are there at "
            "the end. `view` is a DataFrame of those who may be called this month, indexed by id; among its columns "
            "are risk_score and response_score (standard scores of the risk of leaving and of how well a call is "
            "taken, high is well), tenure and monthly_value (money). Hand in the function itself.",
            hint="`check` lets the rule live in your own town; that takes a second or two. Begin with "
            "one column and `sort_values`. By risk alone you call many whom a call drives away, by response "
            "alone many who stay anyway.",
            rubric="Judged by the customers at the end: no points for chance, all for half of the way from chance to "
            "calls by uplift without error of the scores. In 60 towns the worked solution came 58 % of the way or "
            "further (half of them 86 %), risk alone up to 55 % (half 23 %) and response alone up to 77 % (half 46 %): "
            "in about a third of the towns response alone is enough, so read the rule as well.",
            answer=Policy(world=town, share=0.03, enough=0.5, allowed=()),
        ),
    ),
)
