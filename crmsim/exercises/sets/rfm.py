"""Chapter 04: RFM, a test mailing, whom to write to."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pandas as pd

from ...analysis.rfm import break_even_index, break_even_rate
from ..answers import Data, Function, Names, Number, Targets
from ..exercise import Exercise, ExerciseSet
from ..student import Luck
from ..worlds import world

SIZE = 2_400  # names on the list of the test mailing
MONTHS = 24  # that the student sees of the shop
AHEAD = 6  # that the shop lives after them
LETTERS = 60


@lru_cache(maxsize=32)
def _shop(seed: int) -> tuple[pd.DataFrame, pd.Series]:
    """Purchases in the first two years of a small shop; what its buyers spend in the half year after."""
    every = world("retail", seed, 300, MONTHS + AHEAD)["purchases"]
    every = every.assign(amount=every["amount"].round(2))
    seen = every[every["month"] < MONTHS]
    after = every[every["month"] >= MONTHS].groupby("customer")["amount"].sum()
    buyers = np.sort(seen["customer"].unique())
    return seen[["customer", "date", "amount"]].reset_index(drop=True), after.reindex(buyers, fill_value=0.0)


def data(seed: int) -> dict[str, pd.DataFrame]:
    luck = Luck(seed, "rfm")
    r, f = luck.whole(SIZE, 1, 5), luck.whole(SIZE, 1, 5)
    mailed = luck.happens(np.full(SIZE, luck.one(0.45, 0.7)))
    base = luck.one(-4.2, -3.8)
    chance = 1 / (1 + np.exp(-(base + 0.40 * (r - 1) + 0.22 * (f - 1))))
    # some buy without a letter; they responded to nothing
    bought = luck.happens(np.where(mailed == 1, chance, 0.3 * chance))
    names = pd.DataFrame(
        {
            "customer": np.arange(1, SIZE + 1),
            "cell": [f"{a}{b}" for a, b in zip(r, f, strict=True)],
            "mailed": mailed,
            "bought": bought,
        }
    )
    sale, rate = luck.one(42, 68), luck.one(0.28, 0.42)
    cost = round(sale * rate * luck.one(0.045, 0.07, 4), 3)
    campaign = pd.DataFrame({"cost": [cost], "sale": [sale], "margin_rate": [rate]})
    return {"mailing": names, "campaign": campaign, "purchases": _shop(seed)[0]}


# -- references and typical mistakes -------------------------------------------------------------------


def response(tables: Data) -> float:
    names = tables["mailing"]
    return float(names.loc[names["mailed"] == 1, "bought"].mean())


def margin(tables: Data) -> float:
    campaign = tables["campaign"].iloc[0]
    return float(campaign["sale"] * campaign["margin_rate"])


def level(tables: Data, worth: float | None = None) -> float:
    return break_even_rate(float(tables["campaign"]["cost"].iloc[0]), worth or margin(tables))


def index(tables: Data) -> float:
    return float(break_even_index(response(tables), level(tables)))


def over_sale(tables: Data) -> float:
    return level(tables, float(tables["campaign"]["sale"].iloc[0]))


def _rates(tables: Data, among: str = "mailed") -> pd.Series:
    names = tables["mailing"]
    if among == "mailed":
        return names[names["mailed"] == 1].groupby("cell")["bought"].mean()
    return names["bought"].mul(names["mailed"]).groupby(names["cell"]).mean()


def paying(tables: Data) -> list[str]:
    rates = _rates(tables)
    return [str(cell) for cell in rates.index[rates > level(tables)]]


def fifths(values: list[float]) -> list[int]:
    ranks = np.argsort(np.argsort(values))
    return [int(rank * 5 // len(values)) + 1 for rank in ranks]


def _lists(seed: int) -> list[tuple[list[float]]]:
    luck = Luck(seed, "fifths")
    lists = []
    for n in (5, 10, 25, 40, 100):
        skewed = np.exp(luck.normal(n, 3.5, 1.1))
        # no two alike, so that every fifth is certain
        lists.append((luck.order([round(x, 2) for x in np.cumsum(np.sort(skewed)) / n + np.arange(n)]),))
    return lists


def _by_range(values: list[float]) -> list[int]:
    low, high = min(values), max(values)
    return [min(int(5 * (x - low) / (high - low)), 4) + 1 for x in values]


SET = ExerciseSet(
    name="rfm",
    title="RFM and the mailing",
    chinese="最近一次消费、消费频率、消费金额与邮寄",
    chapter="04_rfm",
    about=(
        "A test mailing 试寄 went to a part of a list of names, and a small shop has kept its purchases for two years. "
        "`mailing`: a row a name: cell (two digits, scores of recency and frequency, 55 the best), mailed (1 or 0), "
        "bought (1 or 0 in the weeks after, with or without a letter). `campaign`: cost of a letter, sale "
        "and margin_rate (share) of one order, in money. `purchases`: customer, date, amount."
    ),
    data=data,
    exercises=(
        Exercise(
            id="rfm-1",
            title="The rate of response",
            chinese="回应率",
            difficulty=1,
            minutes=5,
            points=1,
            goal="Which share of the names that got a letter bought? Give a share, 0 to 1.",
            hint="Who was not mailed cannot have responded, although some of them bought.",
            rubric="All points for buyers among the mailed / the mailed.",
            solve=response,
            answer=Number(
                unit="share",
                wrong={
                    "divided by all names, not by those mailed 分母错误": lambda d: (
                        d["mailing"]["bought"] * d["mailing"]["mailed"]
                    ).mean(),
                    "this counts buyers without a letter as well": lambda d: d["mailing"]["bought"].mean(),
                    "all buyers over the mailed: some bought without a letter": lambda d: (
                        d["mailing"]["bought"].sum() / d["mailing"]["mailed"].sum()
                    ),
                },
            ),
        ),
        Exercise(
            id="rfm-2",
            title="The break-even index of the test",
            chinese="盈亏平衡指数",
            difficulty=1,
            minutes=10,
            points=2,
            goal="By how many per cent does the response of the whole test lie above (or, negative, below) the "
            "break-even rate 盈亏平衡回应率? Give per cent: (rate - break-even) / break-even x 100.",
            hint="A response is worth its margin 毛利, not its sale. `break_even_index` of `crmsim.analysis.rfm` "
            "computes the index.",
            rubric="All points for the index from the rate of the mailed and cost / (sale x margin rate).",
            solve=index,
            answer=Number(
                unit="per cent",
                absolute=0.6,
                why="a rate rounded to three digits",
                wrong={
                    "break-even from the sale in place of the margin 毛利": lambda d: (
                        (response(d) / over_sale(d) - 1) * 100
                    ),
                    "the response counts all names, not those mailed 分母错误": lambda d: (
                        ((d["mailing"]["bought"] * d["mailing"]["mailed"]).mean() / level(d) - 1) * 100
                    ),
                    "the rate of response is in per cent here and the break-even rate a share 百分比与比例": lambda d: (
                        (100 * response(d) / level(d) - 1) * 100
                    ),
                    "this is the rate over break-even x 100; the index is 0 at break-even": lambda d: (
                        response(d) / level(d) * 100
                    ),
                },
            ),
        ),
        Exercise(
            id="rfm-3",
            title="Scores by fifths",
            chinese="五等分评分",
            difficulty=2,
            minutes=15,
            points=3,
            goal="Write a function fifths(values) that takes a list of amounts, no two alike and their number a "
            "multiple of five, and returns their scores in the same order: 5 for the largest fifth of the "
            "customers down to 1 for the smallest. Hand in the function itself.",
            hint="Fifths hold equally many customers 人数相等, not equally wide ranges of money. The rank of each "
            "value tells its fifth.",
            rubric="Tried on five lists; half the points are lost at three of four right, none below half.",
            solve=lambda d: fifths,
            answer=Function(
                inputs=_lists,
                takes="a list of amounts",
                wrong={
                    "sorted the other way 排序方向相反: 5 is for the largest": lambda d: (
                        lambda values: [6 - s for s in fifths(values)]
                    ),
                    "cut into equal ranges of money, not into equally many customers": lambda d: _by_range,
                    "scores begin at 0, not at 1": lambda d: lambda values: [s - 1 for s in fifths(values)],
                },
            ),
        ),
        Exercise(
            id="rfm-4",
            title="The cells to mail",
            chinese="值得邮寄的单元",
            difficulty=2,
            minutes=15,
            points=3,
            goal="Which of the 25 cells had a rate of response above break-even, so that the rest of them is worth "
            'mailing? Give the list of cells, such as ["55", "54"].',
            hint="Group the mailed names by cell, then compare each rate with cost / margin of one response.",
            rubric="All points for the right cells; part marks by the Jaccard index.",
            solve=paying,
            answer=Names(
                what="cells",
                wrong={
                    "these are the cells below break-even 方向相反": lambda d: sorted(
                        set(d["mailing"]["cell"]) - set(paying(d))
                    ),
                    "rates over all names of a cell, not over those mailed 分母错误": lambda d: _rates(
                        d, "all"
                    ).pipe(lambda x: list(x.index[x > level(d)])),
                    "break-even from the sale in place of the margin 毛利": lambda d: _rates(d).pipe(
                        lambda x: list(x.index[x > over_sale(d)])
                    ),
                },
            ),
        ),
        Exercise(
            id="rfm-5",
            title="Sixty letters",
            chinese="六十封信寄给谁",
            difficulty=3,
            minutes=30,
            points=4,
            goal=f"From `purchases`, choose {LETTERS} customers who will spend most in the {AHEAD} months after the "
            f"record ends. Give a list of their {LETTERS} ids.",
            hint="Score recency, frequency and money with `crmsim.analysis.rfm.rfm`. Who spent much long ago may be "
            "gone: try your choice on the past, the first 18 months against the 6 after.",
            rubric="Judged by what the chosen really spend: no points for chance, all for 65 % of the way from "
            "chance to the best possible choice. The worked solution came 69 to 92 % of the way in 60 worlds, "
            "money summed over both years 55 to 85 %.",
            answer=Targets(count=LETTERS, worth=lambda seed: _shop(seed)[1], enough=0.65),
        ),
    ),
)
