"""Chapters 07 and 08: loyalty. Layers, a standard, attitude and behaviour, satisfaction, the captive."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pandas as pd

from ...analysis.loyalty import REACHED, exceptions, layers, loyalty_types, scores, standards
from ..answers import Data, Names, Number, Table, Targets
from ..exercise import Exercise, ExerciseSet
from ..student import Luck

SIZE = 4_000  # customers of the utility; about one in ten answers
BEFORE = 6  # months the utility lives before its market opens
CUSTOMERS = 301  # of the shop; odd, so that the median is a customer's own figure
MONTHS = 24  # of the shop's record
YEAR = 12
CAPTIVE = 60  # customers to be named
LAYERS = ("cognitive", "affective", "conative", "action")
CLAIMS = ("keep_using", "stay_if_cheaper")


@lru_cache(maxsize=32)
def _utility(seed: int) -> tuple[pd.DataFrame, pd.Series]:
    """The survey of a monopoly in its last month, in points; how little the same
    customers like it in truth, 0 to 100."""
    from ...research.worlds import World
    from ...simulation.scenario import Scenario
    from ...simulation.survey import Survey, run_surveys

    scenario = Scenario.preset("water_utility").replace(population__size=SIZE, population__months=BEFORE)
    world = World(scenario, (), seed % 2**31, monthly=("affective",))
    told = run_surveys(world.run, Survey(name="before", months=(BEFORE - 1,), size=SIZE))
    by_item = scores(
        {"survey_waves": told.waves, "survey_items": told.items, "survey_answers": told.answers}
    ).set_index("customer")
    survey = pd.DataFrame(
        {"satisfaction": by_item[["satisfaction_1", "satisfaction_2", "satisfaction_3"]].mean(axis=1)}
        | {layer: by_item[f"loyalty_{layer}"] for layer in LAYERS}
        | {name: by_item[name] for name in (*CLAIMS, "recommend")}
    )
    attentive = told.wide(0)["attention"] == 1
    liking = pd.Series(world.column("affective")[BEFORE].astype(float))
    known = attentive.reindex(survey.index).to_numpy() & survey.notna().all(axis=1).to_numpy()
    survey = survey[known & survey.index.isin(liking.index)].round(1)
    return survey.reset_index(), 100 - liking[survey["satisfaction"].index]


def data(seed: int) -> dict[str, pd.DataFrame]:
    luck = Luck(seed, "loyalty")
    n = CUSTOMERS
    joined = np.maximum(luck.whole(n, -14, 20), 0)
    attitude = np.clip(np.round(luck.normal(n, 60, 18), 1), 0, 100)
    # habit and want of a shop nearby bring as many back as liking does
    eager = 0.7 * (attitude - 60) / 18 + luck.normal(n)
    chance = 1 / (1 + np.exp(-(luck.one(-0.5, 0.1) + 0.9 * eager)))
    months = np.arange(MONTHS)
    bought = luck.happens(np.repeat(chance, MONTHS)).reshape(n, MONTHS) * (months >= joined[:, None])
    bought[np.arange(n), joined] = 1  # a customer begins with a purchase
    times = bought * (1 + luck.happens(np.full((n, MONTHS), 0.3)))
    who, month = np.nonzero(times)
    repeat = times[who, month]
    who, month = np.repeat(who, repeat), np.repeat(month, repeat)
    purchases = pd.DataFrame({"customer": who + 1, "month": month})
    purchases["amount"] = np.round(np.exp(luck.normal(len(purchases), 3.6, 0.5)), 2)
    customers = pd.DataFrame({"customer": np.arange(1, n + 1), "joined_month": joined, "attitude": attitude})
    return {
        "survey": _utility(seed)[0],
        "customers": customers,
        "purchases": purchases.sort_values(["month", "customer"], kind="stable").reset_index(drop=True),
    }


# -- references and typical mistakes -------------------------------------------------------------------


def _points(tables: Data) -> pd.DataFrame:
    return tables["survey"][["customer", *LAYERS]]


def reached(tables: Data, view: int = 4) -> pd.DataFrame:
    """The layer of each respondent, by key."""
    found = layers(_points(tables), items={layer: layer for layer in LAYERS}, view=3 if view == 3 else 4)
    return found.assign(layer=found["layer"].astype(str)).set_index("customer")[["layer"]]


def _coded(tables: Data, code: pd.Series) -> pd.DataFrame:
    names = np.array(["none", *LAYERS])
    return pd.DataFrame({"layer": names[code.to_numpy()]}, index=tables["survey"]["customer"])


def _deepest(tables: Data) -> pd.DataFrame:
    """The deepest layer with the points, whatever those below have."""
    there = tables["survey"][list(LAYERS)] >= REACHED
    return _coded(tables, (there * np.arange(1, 5)).max(axis=1))


def _counted(tables: Data) -> pd.DataFrame:
    return _coded(tables, (tables["survey"][list(LAYERS)] >= REACHED).sum(axis=1))


def _strongest(tables: Data) -> pd.DataFrame:
    best = tables["survey"][list(LAYERS)].to_numpy().argmax(axis=1) + 1
    return _coded(tables, pd.Series(best))


def repeat(tables: Data) -> pd.Series:
    """The repeat purchase rate of each customer in the last year, indexed by customer."""
    source = {
        "customers": tables["customers"].assign(contract=False),
        "purchases": tables["purchases"],
    }
    found = standards(source, until=MONTHS - 1, months=YEAR).customers
    return found.set_index("customer")["repeat_purchase"]


def _last_year(tables: Data) -> pd.DataFrame:
    purchases = tables["purchases"]
    return purchases[purchases["month"] >= MONTHS - YEAR]


def _length(tables: Data, first: int = MONTHS - YEAR) -> pd.Series:
    return MONTHS - tables["customers"].set_index("customer")["joined_month"].clip(lower=first)


def _active(tables: Data, first: int = MONTHS - YEAR) -> pd.Series:
    """Months with a purchase, from the first on."""
    purchases = tables["purchases"]
    there = purchases[purchases["month"] >= first].drop_duplicates(["customer", "month"])
    everyone = tables["customers"]["customer"]
    return there.groupby("customer").size().reindex(everyone, fill_value=0)


def _by_purchases(tables: Data) -> float:
    count = _last_year(tables).groupby("customer").size()
    return float((count.reindex(_length(tables).index, fill_value=0) / _length(tables)).mean())


def _only_buyers(tables: Data) -> float:
    rate = repeat(tables)
    return float(rate[rate > 0].mean())


def corner(tables: Data, kind: str = "spurious") -> list[int]:
    """Customers of one corner of attitude and behaviour."""
    liking = tables["customers"].set_index("customer")["attitude"]
    found = loyalty_types(liking, repeat(tables)).customers
    return [int(c) for c in found.loc[found["type"] == kind, "customer"]]


def _weak(tables: Data) -> list[int]:
    customers = tables["customers"]
    return [int(c) for c in customers.loc[customers["attitude"] < REACHED, "customer"]]


def broken(tables: Data) -> pd.DataFrame:
    """Shares of exceptions to both claims, by the answer that stands for loyalty."""
    survey = tables["survey"]
    rows = {
        claim: exceptions(survey["satisfaction"], survey[claim]).set_index("claim")["share"]
        for claim in CLAIMS
    }
    return pd.DataFrame(rows).T.rename_axis("answer")[["necessary", "sufficient"]]


def _broken(tables: Data, over: str) -> pd.DataFrame:
    survey = tables["survey"]
    pleased = survey["satisfaction"] >= REACHED
    rows = {}
    for claim in CLAIMS:
        loyal = survey[claim] >= REACHED
        first, second = (loyal & ~pleased).sum(), (pleased & ~loyal).sum()
        below = {
            "all": (len(survey), len(survey)),
            "swapped": (pleased.sum(), loyal.sum()),
            "others": ((~pleased).sum(), (~loyal).sum()),
        }[over]
        rows[claim] = {"necessary": first / max(below[0], 1), "sufficient": second / max(below[1], 1)}
    return pd.DataFrame(rows).T.rename_axis("answer")


SET = ExerciseSet(
    name="loyalty",
    title="Who is loyal, and who only stays",
    chinese="忠诚层次、忠诚标准与虚假忠诚",
    chapter="07_loyalty_in_layers",
    about=(
        "`survey`: attentive customers of a water utility that has no rival yet, a row a respondent, all in points "
        "from 0 to 100: satisfaction; cognitive 认知, affective 情感, conative 意向 and action 行为, the four layers of "
        "loyalty; keep_using (I will keep using it), stay_if_cheaper (I would stay if a rival were 5 % cheaper), "
        f"recommend. `customers` and `purchases` are those of a shop over {MONTHS} months, 0 to {MONTHS - 1}: "
        "joined_month; attitude in points; month and amount of each purchase."
    ),
    data=data,
    exercises=(
        Exercise(
            id="loyalty-1",
            title="The repeat purchase rate",
            chinese="重复购买率",
            difficulty=1,
            minutes=10,
            points=2,
            goal="The repeat purchase rate of a customer of the shop is the share of months with a purchase, of the "
            f"months as a customer, in the last {YEAR} months ({MONTHS - YEAR} to {MONTHS - 1}). Who joined in month "
            f"20 has been there for four months. Give its mean over all {CUSTOMERS} customers, 0 to 1.",
            hint="Two purchases in a month are one month. Who bought nothing in the year has the rate 0 and counts.",
            rubric="All points within half a per cent.",
            solve=lambda d: float(repeat(d).mean()),
            answer=Number(
                unit="share",
                wrong={
                    "purchases are counted, not months with a purchase": _by_purchases,
                    "everybody's months are taken for twelve; some joined later 分母错误": lambda d: (
                        _active(d) / YEAR
                    ).mean(),
                    "those who bought nothing in the year are left out 分母错误": _only_buyers,
                    "the whole record is counted, not the last year": lambda d: (
                        _active(d, 0) / _length(d, 0)
                    ).mean(),
                },
            ),
        ),
        Exercise(
            id="loyalty-2",
            title="The layer reached",
            chinese="忠诚层次",
            difficulty=2,
            minutes=15,
            points=3,
            goal="Which layer of loyalty has each respondent of `survey` reached? A layer is reached with 60 points or "
            "more in it and in all layers below; the order is cognitive, affective, conative, action. Give a "
            'DataFrame with the columns customer and layer: "none", "cognitive", "affective", "conative" or '
            '"action".',
            hint="Who means to stay without liking it has not reached the intention 意向 by this rule. `layers` of "
            "`crmsim.analysis.loyalty` takes the columns as `items`.",
            rubric="Part marks by respondents: none for half of them right, all for every one.",
            solve=reached,
            answer=Table(
                key="customer",
                columns=("layer",),
                wrong={
                    "the deepest layer with the points is given, though one below lacks them 层次递进": _deepest,
                    "layers with the points are counted, though one between lacks them 层次递进": _counted,
                    "this is the layer with most points, not the deepest that is reached": _strongest,
                    "this is the view of three layers 三层次, without the intention 意向": lambda d: reached(
                        d, 3
                    ),
                },
            ),
        ),
        Exercise(
            id="loyalty-3",
            title="Attitude and behaviour",
            chinese="态度与行为：虚假忠诚",
            difficulty=2,
            minutes=15,
            points=3,
            goal="Which customers of the shop are spuriously loyal 虚假忠诚, in what they do only? Attitude 态度 is strong "
            "from 60 points on; behaviour 行为 is strong from the median of the repeat purchase rate (as in the first "
            "exercise) on. Give their ids.",
            hint="Exactly at the median is strong. `loyalty_types` of `crmsim.analysis.loyalty` crosses two series by "
            "customer.",
            rubric="All points for the right customers; part marks by the Jaccard index.",
            solve=corner,
            answer=Names(
                what="customers",
                wrong={
                    "these like the shop and buy seldom: latent loyalty 潜在忠诚": lambda d: corner(
                        d, "latent"
                    ),
                    "these are strong in both: true loyalty 真正忠诚": lambda d: corner(d, "true"),
                    "these are weak in both: no loyalty 无忠诚": lambda d: corner(d, "none"),
                    "all whose attitude is weak are named, whatever they do": _weak,
                },
            ),
        ),
        Exercise(
            id="loyalty-4",
            title="Necessary, not sufficient",
            chinese="满意是忠诚的必要条件，不是充分条件",
            difficulty=2,
            minutes=20,
            points=4,
            goal="In `survey`, satisfied and loyal mean 60 points or more. Take first keep_using for loyalty, then "
            "stay_if_cheaper. Which share of the loyal are not satisfied (necessary 必要条件: exceptions to 'no loyalty "
            "without satisfaction'), and which share of the satisfied are not loyal (sufficient 充分条件: exceptions "
            "to 'who is satisfied is loyal')? Give a DataFrame with the columns answer (keep_using, "
            "stay_if_cheaper), necessary and sufficient, as shares.",
            hint="Each claim speaks of some customers only: they are the denominator. `exceptions` of "
            "`crmsim.analysis.loyalty` counts for one answer.",
            rubric="Part marks by entries, two answers by two claims: none for half of them right, all for every one.",
            solve=broken,
            answer=Table(
                key="answer",
                columns=("necessary", "sufficient"),
                wrong={
                    "divided by all respondents 分母错误": lambda d: _broken(d, "all"),
                    "of the loyal and of the satisfied: the denominators are exchanged 分母错误": lambda d: (
                        _broken(d, "swapped")
                    ),
                    "of the dissatisfied, and of those not loyal: a claim speaks of the loyal or of the "
                    "satisfied 分母错误": lambda d: _broken(d, "others"),
                    "necessary and sufficient are exchanged 必要与充分": lambda d: broken(d).set_axis(
                        ["sufficient", "necessary"], axis=1
                    ),
                },
            ),
        ),
        Exercise(
            id="loyalty-5",
            title="Before the market opens",
            chinese="市场开放前的虚假忠诚",
            difficulty=3,
            minutes=30,
            points=4,
            goal=f"The utility's market will open. From `survey`, name the {CAPTIVE} respondents who stay for want of a "
            f"choice: those who in truth like the utility least. Give a list of their {CAPTIVE} ids.",
            hint="Which answers can tell a customer who likes the utility from one who has no choice? See how "
            "each varies and goes with the others. An answer has an error of its own, so one may be too few.",
            rubric="Judged by what the simulation knows of their liking: no points for chance, all for 85 % of the way from "
            "chance to the best possible choice. The mean of five answers in the worked solution came 88 to 98 % of "
            "the way in 200 worlds, the answer on liking (affective) alone 84 to 96 %, satisfaction 65 to 87 %, "
            "keep_using -18 to 18 %. Who leaves later is not the measure, as chance has too large a part in it.",
            answer=Targets(count=CAPTIVE, worth=lambda seed: _utility(seed)[1], enough=0.85),
        ),
    ),
)
