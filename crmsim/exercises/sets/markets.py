"""Chapter 08: satisfaction and loyalty. Four markets, the curve, the ceiling, what holds the spuriously loyal."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

from ...analysis.loyalty import REACHED, loyalty_types, necessity, satisfaction_loyalty
from ..answers import Data, Names, Number, Ranking, Table
from ..exercise import Exercise, ExerciseSet
from ..student import Floats, Luck

SIZE = 2_500  # customers of each market
OWN_WILL = ("rival", "fault")  # outcomes; moved and died are natural
FIELD = (0, 100, 0, 100)  # lowest and highest satisfaction, lowest and highest liking there can be
# The lowest answer, 1 to 10, that counts as loyal: few give as high a one, few a lower one. The curve of
# the share is then convex, or concave. 7 lies between.
HIGH, LOW = (10, 9, 8), (6, 5, 4)


class Market(NamedTuple):
    """mean: of satisfaction. slope: what a point of satisfaction takes off the chance to leave in a year; base:
    what is left of the chance at 95 points."""

    mean: float
    slope: float
    base: float


# Open, with contracts, opened a year ago, monopoly. The order of the slopes is that of no other figure: most leave
# where prices are fought over at the end of a contract, and this monopoly is well liked.
MARKETS = (Market(72, 0.0085, 0.01), Market(68, 0.0050, 0.16), Market(52, 0.0016, 0.01), Market(76, 0.0, 0.0))
# Size of a group of customers, and the chance to leave of those of weak and of strong attitude.
BONDS = {
    "none": (500, 0.34, 0.10),
    "contract": (520, 0.05, 0.03),
    "points": (640, 0.22, 0.07),
    "no_rival": (240, 0.01, 0.01),
    "habit": (400, 0.15, 0.06),
}


def data(seed: int) -> dict[str, pd.DataFrame]:
    luck = Luck(seed, "markets")
    letters = luck.order(list("ABCD"))
    parts = {letters[k]: _people(luck, market) for k, market in enumerate(MARKETS)}
    people: pd.DataFrame = pd.concat([parts[letter] for letter in sorted(parts)], ignore_index=True)
    people.insert(0, "market", np.repeat(sorted(parts), SIZE))
    people.insert(0, "customer", np.arange(1, len(people) + 1))
    return {
        "people": people,
        "answers": _answers(luck),
        "measures": _measures(luck),
        "survey": _survey(luck),
        "bonds": _bonds(luck),
    }


def _points(values: Floats) -> Floats:
    return np.clip(values, 0, 100).round(1)


def _outcome(luck: Luck, leaves: Floats) -> list[str]:
    """What became of each in a year, with the chance to leave of their own will."""
    n = len(leaves)
    natural, own, way = luck.uniform(n), luck.happens(leaves) == 1, luck.uniform(n)
    found = np.select(
        [natural < 0.01, natural < 0.05, own & (way < 0.7), own],
        ["died", "moved", "rival", "fault"],
        "stayed",
    )
    return [str(each) for each in found]


def _people(luck: Luck, market: Market) -> pd.DataFrame:
    satisfaction = _points(luck.normal(SIZE, market.mean + luck.one(-2, 2), 14))
    # liking grows out of satisfaction and stays below it for many
    liking = _points(0.8 * satisfaction + 6 - np.abs(luck.normal(SIZE, 0, luck.one(14, 20))))
    leaves = np.clip(market.slope * (95 - satisfaction) + market.base, 0, 0.8)
    return pd.DataFrame(
        {
            "satisfaction": satisfaction,
            "liking": liking,
            "outcome": _outcome(luck, leaves),
        }
    )


def _answers(luck: Luck, n: int = 3_000) -> pd.DataFrame:
    satisfaction = luck.normal(n, 58, 15)
    # somewhat above the middle of the scale, so that answers crowd at the top rather than at the bottom
    answer = 6.4 + 0.1 * (satisfaction - 58) + luck.normal(n, 0, luck.one(1.1, 1.4))
    return pd.DataFrame(
        {
            "respondent": np.arange(1, n + 1),
            "satisfaction": _points(satisfaction),
            "stay_if_cheaper": np.clip(np.floor(answer + 0.5), 1, 10).astype(int),
        }
    )


def _measures(luck: Luck) -> pd.DataFrame:
    high = int(luck.whole(1, 1, 3)[0])
    cuts = luck.order(luck.order(HIGH)[:high] + luck.order(LOW)[: 4 - high])
    return pd.DataFrame({"measure": ["M1", "M2", "M3", "M4"], "loyal_from": cuts})


def _survey(luck: Luck, n: int = 420) -> pd.DataFrame:
    satisfaction = _points(luck.normal(n, 62, 17))
    ceiling = np.clip(luck.one(8, 20) + luck.one(0.8, 1.0) * satisfaction, 0, 96)
    liking = _points(ceiling * luck.uniform(n) ** 0.5)
    attention = 1 - luck.happens(np.full(n, 0.06))
    attention[:6] = 0  # who ticks anything, six at least
    careless = attention == 0
    satisfaction[careless] = luck.uniform(int(careless.sum()), 3, 60).round(1)
    liking[careless] = luck.uniform(int(careless.sum()), 30, 99).round(1)
    order = luck.order(range(n))
    return pd.DataFrame(
        {
            "respondent": np.arange(1, n + 1),
            "satisfaction": satisfaction[order],
            "liking": liking[order],
            "attention": attention[order],
        }
    )


def _bonds(luck: Luck) -> pd.DataFrame:
    parts = []
    for bond, (size, weak, strong) in BONDS.items():
        n = int(size * luck.one(0.85, 1.15))
        liking = _points(luck.normal(n, luck.one(54, 64), 16))
        leaves = np.where(liking < REACHED, weak, strong)
        parts.append(pd.DataFrame({"bond": bond, "liking": liking, "outcome": _outcome(luck, leaves)}))
    customers = pd.concat(parts, ignore_index=True).loc[luck.order(range(sum(map(len, parts))))]
    return customers.reset_index(drop=True).rename_axis("customer").reset_index()


# -- references and typical mistakes -------------------------------------------------------------------


def _leavers(tables: Data, natural: bool = False) -> pd.Series:
    outcome = tables["people"]["outcome"]
    return outcome != "stayed" if natural else outcome.isin(OWN_WILL)


def satisfied_leavers(tables: Data, natural: bool = False) -> float:
    people = tables["people"]
    return float((people.loc[_leavers(tables, natural), "satisfaction"] >= REACHED).mean())


def _of_satisfied(tables: Data) -> float:
    return float(_leavers(tables)[tables["people"]["satisfaction"] >= REACHED].mean())


def _of_everybody(tables: Data) -> float:
    return float((_leavers(tables) & (tables["people"]["satisfaction"] >= REACHED)).mean())


def _of_stayers(tables: Data) -> float:
    people = tables["people"]
    return float((people.loc[people["outcome"] == "stayed", "satisfaction"] >= REACHED).mean())


def _choosers(tables: Data, natural: bool = False) -> pd.DataFrame:
    """Customers who could stay or go, with stayed as 1 or 0; natural: those who moved or died as well."""
    people = tables["people"]
    people = people if natural else people[~people["outcome"].isin(["moved", "died"])]
    return people.assign(stayed=(people["outcome"] == "stayed").astype(float))


def steepest(tables: Data) -> list[str]:
    people = _choosers(tables)
    shape = satisfaction_loyalty(people["satisfaction"], people["stayed"], by=people["market"]).shape
    return _sorted(shape.set_index("group")["rise"])


def _sorted(by_market: pd.Series) -> list[str]:
    return [str(market) for market in by_market.sort_values(ascending=False).index]


def _by(tables: Data, column: str, sign: int = 1) -> list[str]:
    return _sorted(sign * _choosers(tables).groupby("market")[column].mean())


def shapes(tables: Data) -> pd.DataFrame:
    """The curve of each measure: its rise, bend and shape."""
    answers = tables["answers"]
    told = answers["stay_if_cheaper"]
    loyal = {"points": (told - 1) / 9 * 100}
    for name, cut in tables["measures"].itertuples(index=False):
        loyal[name] = 100.0 * (told >= cut)
    rows = {
        name: satisfaction_loyalty(answers["satisfaction"], each).shape.iloc[0]
        for name, each in loyal.items()
    }
    return pd.DataFrame(rows).T


def _of_shape(tables: Data, *words: str) -> list[str]:
    found = shapes(tables)["shape"]
    return [str(name) for name in found.index[found.isin(words)]]


def correlations(tables: Data, natural: bool = False) -> pd.DataFrame:
    people = _choosers(tables, natural)
    rows = {
        market: {
            "r_liking": part["satisfaction"].corr(part["liking"]),
            "r_stayed": part["satisfaction"].corr(part["stayed"]) if part["stayed"].nunique() > 1 else np.nan,
        }
        for market, part in people.groupby("market")
    }
    return pd.DataFrame(rows).T.rename_axis("market")


def _pooled(tables: Data) -> pd.DataFrame:
    people = _choosers(tables)
    all_of_them = people[["liking", "stayed"]].corrwith(people["satisfaction"]).to_numpy()
    return pd.DataFrame(
        [all_of_them] * 4, index=pd.Index(list("ABCD"), name="market"), columns=["r_liking", "r_stayed"]
    )


def corner(tables: Data, line: str = "ce_fdh", careless: bool = False, turned: bool = False) -> float:
    """The effect size of a ceiling. turned: liking as the condition, satisfaction as the outcome."""
    survey = tables["survey"]
    survey = survey if careless else survey[survey["attention"] == 1]
    x, y = ("liking", "satisfaction") if turned else ("satisfaction", "liking")
    return _effect(survey[x], survey[y], line, FIELD)


def _effect(x: pd.Series, y: pd.Series, line: str, scope: tuple[float, float, float, float] | None) -> float:
    effects = necessity(x, y, scope=scope, permutations=0).table.set_index("ceiling")["effect"]
    return float(effects[line])


def _observed(tables: Data) -> float:
    survey = tables["survey"]
    survey = survey[survey["attention"] == 1]
    return _effect(survey["satisfaction"], survey["liking"], "ce_fdh", None)


def held(
    tables: Data, natural: bool = False, base: str = "weak", rates: bool = False, weak: bool = False
) -> pd.DataFrame:
    """By bond: the spuriously loyal, and how many of the weak it holds back.

    base: with whom without a bond one compares, "weak" or "all". rates: not multiplied by customers. weak: all of weak
    attitude count as spurious.
    """
    customers = tables["bonds"]
    if not natural:
        customers = customers[~customers["outcome"].isin(["moved", "died"])]
    stayed = (customers["outcome"] == "stayed").astype(float)
    kinds = loyalty_types(customers["liking"], stayed, attitude_cut=REACHED, behaviour_cut=0.5).customers
    customers = customers.assign(gone=1 - stayed, type=kinds.set_index("customer")["type"])
    feeble = customers[customers["liking"] < REACHED]
    chance = feeble.groupby("bond")["gone"].mean()
    free = customers if base == "all" else feeble
    without = free.loc[free["bond"] == "none", "gone"].mean()
    number = feeble.groupby("bond").size()
    found = pd.DataFrame(
        {
            "spurious": number if weak else (feeble["type"] == "spurious").groupby(feeble["bond"]).sum(),
            "held": (without - chance) * (1 if rates else number),
        }
    )
    return found.drop(index="none")


def _named(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[Data], pd.DataFrame]:
    return lambda tables: change(held(tables))


SET = ExerciseSet(
    name="markets",
    title="Satisfied, loyal, and free to leave",
    chinese="满意与忠诚：必要而非充分",
    chapter="08_satisfaction_and_loyalty",
    about=(
        f"`people`: {SIZE:,} customers in each of four markets, A to D: satisfaction and liking 好感 in points, 0 to 100, "
        "and the outcome of the year after: stayed, or left for a rival, for a fault of the firm (both of their own will), "
        "or because they moved or died. One market is open, in one contracts bind, one was a monopoly until last year and "
        "one still is; their letters do not tell. `answers`: satisfaction and stay_if_cheaper, 1 to 10, of a survey. "
        "`measures`: loyal_from, the lowest answer that counts as loyal. `survey`: satisfaction and liking in points, and attention, 1 for who read the questions and 0 for who ticked "
        "anything. `bonds`: customers of a telephone company, each with one bond 约束 or none: contract, points (of a "
        "programme), no_rival (at the address), habit; liking and outcome as above. Satisfied and of strong attitude "
        f"means {REACHED:g} points and more throughout."
    ),
    data=data,
    exercises=(
        Exercise(
            id="markets-1",
            title="Satisfied leavers",
            chinese="满意的流失客户",
            difficulty=1,
            minutes=5,
            points=1,
            goal="Of all who left of their own will, in the four markets together, which share had been satisfied? Give a "
            "share, 0 to 1.",
            hint="Own will is a rival or a fault of the firm. The question is about leavers: they are the denominator.",
            rubric="All points within half a per cent.",
            solve=satisfied_leavers,
            answer=Number(
                unit="share",
                wrong={
                    "of the satisfied, this share left; asked is which of the leavers were satisfied 分母错误": _of_satisfied,
                    "divided by all customers 分母错误": _of_everybody,
                    "those who moved or died are among the leavers; they did not choose 自然流失": lambda d: (
                        satisfied_leavers(d, natural=True)
                    ),
                    "this is the share of those who stayed": _of_stayers,
                },
            ),
        ),
        Exercise(
            id="markets-2",
            title="Where satisfaction tells",
            chinese="满意度与忠诚度曲线：四个市场",
            difficulty=2,
            minutes=15,
            points=3,
            goal="In which market does staying rise most with satisfaction, in which least? Give the four letters, the steepest "
            "curve first. Leave out who moved or died.",
            hint="`satisfaction_loyalty` of `crmsim.analysis.loyalty` takes the market as `by`; column rise of its shape. Neither "
            "many who stay nor many who are satisfied make a curve steep.",
            rubric="All points for the right order, part marks by Kendall's tau. The rise, the slope of a regression and the "
            "difference between the upper and the lower third gave the same order in 100 sets of data.",
            solve=steepest,
            answer=Ranking(
                what="markets",
                wrong={
                    "ordered by how many leave, not by what satisfaction changes in it": lambda d: _by(
                        d, "stayed", -1
                    ),
                    "ordered by how many stay, not by what satisfaction changes in it": lambda d: _by(
                        d, "stayed"
                    ),
                    "ordered by satisfaction itself": lambda d: _by(d, "satisfaction"),
                },
            ),
        ),
        Exercise(
            id="markets-3",
            title="A curve by the measure of loyalty",
            chinese="忠诚的量法与曲线的形状",
            difficulty=2,
            minutes=15,
            points=3,
            goal="Measure loyalty in `answers` in five ways: points, stay_if_cheaper brought to 0 to 100; and M1 to M4 of "
            "`measures`, 100 for an answer of loyal_from or more, else 0. With which is the curve over satisfaction convex "
            "凸? Give the list of their names.",
            hint="`satisfaction_loyalty` of `crmsim.analysis.loyalty` names the shape of a curve. The same people gave the same "
            "answers in all five; look at how many reach each measure.",
            rubric="All points for the right measures, one to three. In 100 sets of data those from 8 on were all convex, none "
            "from 6 and less was, nor points.",
            solve=lambda d: _of_shape(d, "convex"),
            answer=Names(
                what="measures",
                wrong={
                    "these are concave 凹: they rise most among the dissatisfied": lambda d: _of_shape(
                        d, "concave"
                    ),
                    "these rise with satisfaction; a convex curve 凸 also rises ever faster": lambda d: [
                        "points",
                        *d["measures"]["measure"],
                    ],
                },
            ),
        ),
        Exercise(
            id="markets-4",
            title="Correlation, market by market",
            chinese="相关系数与竞争状况",
            difficulty=2,
            minutes=15,
            points=3,
            goal="For each market the correlation (Pearson) of satisfaction with liking, r_liking, and with having stayed (1 or 0), "
            "r_stayed. Leave out who moved or died. Give a DataFrame with market and both columns; leave r_stayed missing "
            "(NaN) where it is not defined.",
            hint="Where nobody left, staying does not vary, and nothing can vary with it. groupby, then corr.",
            rubric="Part marks by entries, four markets by two columns: none for half of them right, all for every one.",
            solve=correlations,
            answer=Table(
                key="market",
                columns=("r_liking", "r_stayed"),
                absolute=0.001,  # rounding to three digits
                wrong={
                    "one correlation over all markets: what differs between them hides what holds within each": _pooled,
                    "no correlation is not a correlation of 0: it is not defined where nobody left": lambda d: (
                        correlations(d).fillna(0.0)
                    ),
                    "who moved or died counts as disloyal 自然流失": lambda d: correlations(d, natural=True),
                    "this is R², the square of the correlation": lambda d: correlations(d) ** 2,
                },
            ),
        ),
        Exercise(
            id="markets-5",
            title="The empty corner",
            chinese="必要条件分析：空白角",
            difficulty=2,
            minutes=20,
            points=3,
            goal="Satisfaction as a necessary condition 必要条件 of liking: of those in `survey` who read the questions, what is the "
            "effect size under the ceiling that no respondent exceeds (CE-FDH)? The field runs from 0 to 100 both ways. "
            "Give a share, 0 to 1.",
            hint="It is the area above the step line over the highest liking so far, as a share of the field. `necessity` of "
            "`crmsim.analysis.loyalty` takes the field as `scope`.",
            rubric="All points within .002. It was .40 to .56 in 100 sets of data; careless answers took .18 to .51 off it.",
            solve=corner,
            answer=Number(
                unit="share",
                relative=0,
                absolute=0.002,
                why="rounding to the third digit",
                wrong={
                    "those who ticked anything stand in the corner: leave them out": lambda d: corner(
                        d, careless=True
                    ),
                    "the field is what occurred, not 0 to 100": _observed,
                    "this is the straight ceiling (CR-FDH), which some exceed": lambda d: corner(d, "cr_fdh"),
                    "condition and outcome are exchanged: this asks whether liking is necessary for satisfaction": lambda d: (
                        corner(d, turned=True)
                    ),
                },
            ),
        ),
        Exercise(
            id="markets-6",
            title="What holds the spuriously loyal",
            chinese="虚假忠诚藏在哪里",
            difficulty=3,
            minutes=30,
            points=4,
            goal="For each of the four bonds in `bonds`: spurious, how many customers stayed with a weak attitude; held, how many "
            "of those with a weak attitude would have left as well, had they left as often as those with a weak attitude and no "
            "bond (their number times the difference of the two shares who left). Leave out who moved or died. Give a "
            "DataFrame with bond (contract, points, no_rival, habit), spurious and held, both numbers of customers, rounded or not.",
            hint="Many of the spuriously loyal would be there without the bond too; the group without one tells how many. "
            "Compare like with like.",
            rubric="Part marks by entries, four bonds by two columns: none for half of them right, all for every one.",
            solve=held,
            answer=Table(
                key="bond",
                columns=("spurious", "held"),
                absolute=0.5,  # rounding to whole customers
                wrong={
                    "compared with all who have no bond; those of strong attitude leave less anyway": lambda d: (
                        held(d, base="all")
                    ),
                    "differences of shares; multiply by the customers of weak attitude": lambda d: held(
                        d, rates=True
                    ),
                    "those who left are counted as spurious too: who is spuriously loyal stays": lambda d: (
                        held(d, weak=True)
                    ),
                    "who moved or died counts as having left 自然流失": lambda d: held(d, natural=True),
                    "all of the spuriously loyal are taken to be held; many would stay anyway 惰性": _named(
                        lambda found: found.assign(held=found["spurious"])
                    ),
                },
            ),
        ),
    ),
)
