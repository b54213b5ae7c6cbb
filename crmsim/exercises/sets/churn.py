"""Chapter 09: churn. How many leave, how long they stay, of what, what it costs, and who has gone unsaid."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ...analysis import churn
from ..answers import Data, Function, Number, Table
from ..exercise import Exercise, ExerciseSet
from ..student import Floats, Luck
from ..worlds import world

YEARS = 2
HORIZON = 12  # months of the curve of those who stay
QUARTER = 3
GAP, FACTOR = 3, 2  # the rule of the last exercise
CAUSES = ("natural", "competitive", "fault", "retaliatory", "payment_lapse")
SAY = (  # what leavers of each cause say: some name a rival where the firm had failed
    (0.86, 0.08, 0.02, 0.02, 0.02),
    (0.12, 0.80, 0.04, 0.02, 0.02),
    (0.06, 0.34, 0.50, 0.08, 0.02),
    (0.04, 0.26, 0.30, 0.38, 0.02),
    (0.10, 0.18, 0.04, 0.02, 0.66),
)


def data(seed: int) -> dict[str, pd.DataFrame]:
    tables = world("subscription", seed, 600, 12 * YEARS)
    bill = tables["bills"].groupby("customer")["amount"].mean().round(2)
    departures = tables["departures"].assign(bill=tables["departures"]["customer"].map(bill).fillna(0.0))
    luck = Luck(seed, "churn")
    return {
        "customers": tables["customers"][["customer", "joined_month"]].reset_index(drop=True),
        "departures": departures.reset_index(drop=True),
        "stays": _stays(luck),
        "interviews": _interviews(luck),
        "accounts": _accounts(luck),
    }


def _stays(luck: Luck, n: int = 900) -> pd.DataFrame:
    """Customers who joined in one of 24 months; each has a hazard of their own, so the curve flattens."""
    seen = luck.whole(n, 1, 24)
    hazard = 0.02 + luck.one(0.05, 0.09) * luck.uniform(n) ** 2
    length = np.ceil(np.log(luck.uniform(n)) / np.log1p(-hazard)).astype(np.int64)
    left = (length <= seen).astype(np.int64)
    return pd.DataFrame({"customer": np.arange(1, n + 1), "duration": np.minimum(length, seen), "left": left})


def _interviews(luck: Luck, n: int = 320) -> pd.DataFrame:
    weights = np.array([0.18, 0.36, 0.22, 0.08, 0.16]) + luck.uniform(5, 0, 0.05)
    true = _pick(luck.uniform(n), np.broadcast_to(weights / weights.sum(), (n, 5)))
    stated = _pick(luck.uniform(n), np.array(SAY)[true])
    return pd.DataFrame(
        {"stated": [CAUSES[k] for k in stated], "true": [CAUSES[k] for k in true]}
    ).rename_axis("interview")


def _pick(numbers: Floats, chances: Floats) -> npt.NDArray[np.int64]:
    """The column that each number falls into, by the chances of its row."""
    return np.asarray((numbers[:, None] > np.cumsum(chances, axis=1)[:, :-1]).sum(axis=1))


def _accounts(luck: Luck, n: int = 150) -> pd.DataFrame:
    z = luck.normal(n)
    # the large ones are courted by rivals
    hazard = 0.03 * np.exp(0.5 * z + luck.normal(n, 0, 0.4))
    value = np.exp(luck.one(6.3, 7.1) + 0.6 * z + luck.normal(n, 0, 0.5))
    return pd.DataFrame(
        {"account": np.arange(1, n + 1), "value": value.round(2), "hazard": hazard.clip(0, 0.6).round(4)}
    )


# -- references and typical mistakes -------------------------------------------------------------------


def _by_year(tables: Data) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rates by month with their year, and rates by year."""
    spells = churn.spells(tables["customers"], tables["departures"], months=12 * YEARS)
    monthly = churn.rates(spells, every=1)
    return monthly.assign(year=monthly["month"] // 12 + 1), churn.rates(spells, every=12)


def _rates(tables: Data, monthly: str = "", yearly: str = "") -> pd.DataFrame:
    by_month, by_year = _by_year(tables)
    sums = by_month.groupby("year")[["left", "at_risk"]].sum()
    there = by_year["at_risk"].set_axis(sums.index)
    found = pd.DataFrame({"monthly": sums["left"] / sums["at_risk"]})
    found["yearly"] = by_year["left"].set_axis(sums.index) / there
    if monthly == "all":
        found["monthly"] = sums["left"] / 12 / len(tables["customers"])
    if yearly == "times 12":
        found["yearly"] = 12 * found["monthly"]
    return found


def still_there(tables: Data, time: int = HORIZON) -> float:
    curve = churn.survival(tables["stays"][["duration", "left"]])
    return float(curve.loc[curve["time"] <= time, "survival"].iloc[-1])


def _of_leavers(tables: Data) -> float:
    stays = tables["stays"]
    return float((stays.loc[stays["left"] == 1, "duration"] > HORIZON).mean())


def _open_as_stayed(tables: Data) -> float:
    stays = tables["stays"]
    return float(1 - ((stays["left"] == 1) & (stays["duration"] <= HORIZON)).mean())


def _open_as_left(tables: Data) -> float:
    return float((tables["stays"]["duration"] > HORIZON).mean())


def losses(tables: Data) -> pd.DataFrame:
    departures = tables["departures"]
    found = churn.causes(departures["stated_cause"]).set_index("cause")[["left", "share"]]
    bills = departures.groupby("stated_cause")["bill"].sum()
    return found.assign(bills=bills.reindex(found.index).fillna(0.0))


def stated(tables: Data) -> pd.DataFrame:
    interviews = tables["interviews"]
    found = churn.stated_and_true(interviews["stated"], interviews["true"]).table
    return found.set_index("cause")[["recall", "precision"]]


def _of_all(tables: Data) -> pd.DataFrame:
    interviews = tables["interviews"]
    hits = interviews.loc[interviews["stated"] == interviews["true"], "true"].value_counts()
    share = (hits / len(interviews)).reindex(list(CAUSES)).fillna(0.0).rename_axis("cause")
    return pd.DataFrame({"recall": share, "precision": share})


def at_stake(tables: Data, months: float = QUARTER) -> float:
    return float(churn.expected_loss(tables["accounts"], months=months)["loss"].sum())


def _product(tables: Data) -> float:
    accounts = tables["accounts"]
    return float((accounts["value"] * accounts["hazard"]).sum() * QUARTER)


def _of_means(tables: Data) -> float:
    accounts = tables["accounts"]
    chance = 1 - (1 - accounts["hazard"]) ** QUARTER
    return float(accounts["value"].sum() * chance.mean())


Rule = Callable[[list[int], int], bool]


def lost(bought: list[int], now: int) -> bool:
    log = pd.DataFrame({"customer": 0, "month": bought})
    return bool(churn.inactive(log, gap=GAP, factor=FACTOR, months=now + 1)["lost"].iloc[0])


def _limit(bought: list[int]) -> float:
    own = FACTOR * (bought[-1] - bought[0]) / (len(bought) - 1) if len(bought) > 1 else 0.0
    return max(float(GAP), own)


def _longer(bought: list[int], now: int) -> bool:
    return now - bought[-1] > _limit(bought)


def _fixed(bought: list[int], now: int) -> bool:
    return now - bought[-1] >= GAP


def _no_floor(bought: list[int], now: int) -> bool:
    own = FACTOR * (bought[-1] - bought[0]) / (len(bought) - 1) if len(bought) > 1 else GAP
    return now - bought[-1] >= own


def _active(bought: list[int], now: int) -> bool:
    return not lost(bought, now)


def _histories(seed: int) -> list[tuple[list[int], int]]:
    """Forty customers, half of them lost: quick and slow buyers, some silent for exactly the limit."""
    luck = Luck(seed, "histories")
    found: dict[bool, list[tuple[list[int], int]]] = {True: [], False: []}
    for first in luck.whole(3, 0, 6).tolist():  # quick buyers, whom the floor alone protects
        found[False].append(([first, first + 1, first + 2], first + 4))
    while min(map(len, found.values())) < 20:
        gaps = luck.whole(int(luck.whole(1, 0, 6)[0]), 1, int(luck.whole(1, 1, 8)[0]))
        first = int(luck.whole(1, 0, 4)[0])
        bought = [int(month) for month in first + np.r_[0, np.cumsum(gaps)]]
        limit = _limit(bought)
        exact = luck.one(0, 1) < 0.3
        silent = int(np.ceil(limit)) if exact else int(luck.whole(1, 0, int(2 * limit))[0])
        found[silent >= limit].append((bought, bought[-1] + silent))
    return luck.order(found[True][:20] + found[False][:20])


def _wrong_rule(rule: Rule) -> Callable[[Any], Rule]:
    return lambda tables: rule


SET = ExerciseSet(
    name="churn",
    title="Who leaves, when, of what, and at what cost",
    chinese="客户流失分析",
    chapter="09_churn_and_its_causes",
    about=(
        "A firm with contracts over two years, months 0 to 23. `customers`: customer, joined_month (0 for those "
        "there at the start). `departures`: customer, month (the last as a customer), stated_cause, bill (mean "
        "monthly bill, money). `stays`: another service, a row a customer: duration (months so far), left (1 if "
        "it has ended, 0 if the customer is still there). `interviews`: a row a former customer: stated and true "
        "cause. `accounts`: value (money lost if the account leaves), hazard (chance to leave in a month)."
    ),
    data=data,
    exercises=(
        Exercise(
            id="churn-1",
            title="Churn rates by month and by year",
            chinese="月流失率与年流失率",
            difficulty=2,
            minutes=15,
            points=2,
            goal="For year 1 (months 0 to 11) and year 2: monthly, the departures of the year over its "
            "customer-months 客户月 (each month's customers added up), and yearly, the share of those there in the "
            "first month of the year who left within it. Give a DataFrame with year (1, 2), monthly and yearly, "
            "as shares.",
            hint="A customer is there from joined_month to the month of departure, both included. "
            "`crmsim.analysis.churn` has `spells` and `rates`; a year has every=12.",
            rubric="Two rows, two columns; part marks by entries from one half. The rates are counts over counts, "
            "so only rounding to three digits is allowed for.",
            solve=_rates,
            answer=Table(
                key="year",
                columns=("monthly", "yearly"),
                wrong={
                    "a year is not twelve months added up: who leaves in spring cannot leave again 年率不是月率的十二倍": lambda d: (
                        _rates(d, yearly="times 12")
                    ),
                    "the monthly rate divides by everybody who ever was a customer 分母错误": lambda d: (
                        _rates(d, monthly="all")
                    ),
                    "per cent in place of shares 百分比与比例": lambda d: _rates(d) * 100,
                },
            ),
        ),
        Exercise(
            id="churn-2",
            title="Still there after a year",
            chinese="留存曲线",
            difficulty=2,
            minutes=15,
            points=3,
            goal=f"Which share of the customers in `stays` is still there after {HORIZON} months, by the curve of "
            "Kaplan and Meier? Give a share, 0 to 1.",
            hint="Many have not been seen for a year: they count among those at risk for as long as they were seen "
            "删失. `survival` of `crmsim.analysis.churn` gives the curve.",
            rubric="All points within .001, the third digit; the curve itself leaves no choice.",
            solve=still_there,
            answer=Number(
                unit="share",
                relative=0.0,
                absolute=0.001,
                why="rounding to three digits",
                wrong={
                    "this looks at ended stays only: those still there are left out 遗漏删失": _of_leavers,
                    "those who are still there count as if they had stayed a whole year": _open_as_stayed,
                    "those seen for less than a year count as if they had left": _open_as_left,
                    "the departures of month 12 itself are missing": lambda d: still_there(d, HORIZON - 1),
                },
            ),
        ),
        Exercise(
            id="churn-3",
            title="Losses by the five causes",
            chinese="客户流失的五种原因",
            difficulty=1,
            minutes=10,
            points=2,
            goal="For each of the five causes natural 自然, competitive 竞争, fault 过失, retaliatory 报复性被动 and "
            "payment_lapse 非恶意性被动: left (departures that state it), share (of all departures) and bills (sum of "
            "their monthly bills, money). Give a DataFrame with cause and these columns, five rows; 0 for a cause that "
            "nobody stated.",
            hint="`causes` of `crmsim.analysis.churn` counts; groupby sums the bills; reindex brings the rows that "
            "do not occur.",
            rubric="Fifteen entries; part marks from one half of them. Exact but for rounding to three digits.",
            solve=losses,
            answer=Table(
                key="cause",
                columns=("left", "share", "bills"),
                wrong={
                    "per cent in place of shares 百分比与比例": lambda d: losses(d).assign(
                        share=100 * losses(d)["share"]
                    ),
                    "shares of all customers, not of those who left 分母错误": lambda d: losses(d).assign(
                        share=losses(d)["left"] / len(d["customers"])
                    ),
                    "mean bills in place of their sums": lambda d: losses(d).assign(
                        bills=(losses(d)["bills"] / losses(d)["left"].clip(lower=1)).fillna(0.0)
                    ),
                    "these are shares of the bills, not of the departures": lambda d: losses(d).assign(
                        share=losses(d)["bills"] / losses(d)["bills"].sum()
                    ),
                },
            ),
        ),
        Exercise(
            id="churn-4",
            title="What they said and what was true",
            chinese="客户所说的原因与真实原因",
            difficulty=2,
            minutes=20,
            points=3,
            goal="From `interviews`, for each cause: recall 查全率, the share of those who left of it who said so, and "
            "precision 查准率, the share of those who said it of whom it is true. Give a DataFrame with cause, recall "
            "and precision, five rows.",
            hint="Cross true against stated cause, then divide the diagonal by the sums of rows and of columns: "
            "which is which? `stated_and_true` of `crmsim.analysis.churn` does it as well.",
            rubric="Ten entries; part marks from one half of them. Counts over counts: rounding to three digits only.",
            solve=stated,
            answer=Table(
                key="cause",
                columns=("recall", "precision"),
                wrong={
                    "recall and precision are interchanged 查全率与查准率颠倒": lambda d: stated(d).rename(
                        columns={"recall": "precision", "precision": "recall"}
                    ),
                    "divided by all interviews 分母错误": _of_all,
                    "per cent in place of shares 百分比与比例": lambda d: stated(d) * 100,
                },
            ),
        ),
        Exercise(
            id="churn-5",
            title="Expected loss of the next quarter",
            chinese="预期流失损失",
            difficulty=2,
            minutes=10,
            points=2,
            goal="Which loss is to be expected from the accounts that leave in the next three months? Give money, the "
            "sum over `accounts` of the chance to leave x value.",
            hint="An account leaves only once: the chance to leave in a quarter is 1 less the chance to stay three "
            "months.",
            rubric="All points within .5 %; three times the chance of a month came to 5 to 16 % more in 36 sets of data.",
            solve=at_stake,
            answer=Number(
                unit="money",
                wrong={
                    "this is the loss of one month": lambda d: at_stake(d, 1),
                    "three times the chance of a month counts accounts that have left already": _product,
                    "mean chance x all value: here chance and value go together 相关": _of_means,
                    "this is the loss of a year": lambda d: at_stake(d, 12),
                },
            ),
        ),
        Exercise(
            id="churn-6",
            title="A rule for silent churn",
            chinese="沉默流失的判别规则",
            difficulty=3,
            minutes=30,
            points=4,
            goal="Without a contract nobody says that they leave. Write a function lost(bought, now): bought is the list "
            "of months in which a customer bought, in order and no month twice; now is the last month of the record. It "
            f"returns True if the customer counts as lost: no purchase for at least {GAP} months (now - last purchase), and "
            f"for at least {FACTOR} times the customer's own mean time between purchases; who bought once "
            f"has no such time, so the {GAP} months decide. Else False. Hand in the function itself.",
            hint="The mean time between purchases is (last - first) / (purchases - 1). Try quick and slow buyers, and "
            "one who bought once. `inactive` of `crmsim.analysis.churn` applies the same rule to a whole table.",
            rubric="Tried on forty customers drawn anew, half of them lost, some silent for exactly the limit; points "
            "from one half right upwards, so the same verdict for all earns nothing.",
            solve=lambda d: lost,
            answer=Function(
                inputs=_histories,
                takes="a list of months and a month",
                wrong={
                    "True and False are the other way round 方向相反": _wrong_rule(_active),
                    "a silence of exactly the limit counts as lost too (at least 至少)": _wrong_rule(_longer),
                    "the same months for everybody: slow buyers are called lost": _wrong_rule(_fixed),
                    f"quick buyers are called lost before {GAP} months": _wrong_rule(_no_floor),
                },
            ),
        ),
    ),
)
