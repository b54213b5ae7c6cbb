"""Chapter 06: satisfaction. Index, satisfied share, recommendation, how many to ask, what drives it."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from ...analysis.drivers import lmg
from ...analysis.sampling import sample_size
from ...analysis.satisfaction import csi, nps, top_box
from ..answers import Data, Names, Number, Table
from ..exercise import Exercise, ExerciseSet
from ..student import Floats, Luck

RESPONDENTS = 420
TOUCHPOINTS = ("water", "supply", "bills", "payment", "counter", "notices")
QUESTIONS = ("satisfaction_1", "satisfaction_2", "satisfaction_3")
BOXES = (1, 2, 3, 4, 5)
DRIVERS = 3  # that are asked for
# Weights of the touchpoints in satisfaction, from the first driver on. The gap after the third is so wide
# that regression, correlation and LMG name the same three.
WEIGHTS = (0.62, 0.52, 0.44, 0.08, 0.05, 0.02)


def _steps(values: Floats, low: int, high: int) -> Floats:
    """Answers in whole steps of a scale."""
    return np.clip(np.floor(values + 0.5), low, high)


def data(seed: int) -> dict[str, pd.DataFrame]:
    luck = Luck(seed, "satisfaction")
    n, k = RESPONDENTS, len(TOUCHPOINTS)
    order = luck.order(range(k))
    weight = np.zeros(k)
    weight[order] = WEIGHTS
    mood = luck.normal(n)  # a friendly respondent answers everything higher
    felt = 0.35 * mood[:, None] + 0.94 * luck.normal(n * k).reshape(n, k)
    # One driver does badly, two do well; of the others one does worst and one is said to matter most.
    level, stated = np.zeros(k), np.zeros(k)
    level[order] = (7.4, 6.2, 7.3, 5.4, 6.6, 5.7)
    stated[order] = (7.6, 8.3, 6.9, 7.2, 9.1, 8.8)
    level += luck.uniform(k, -0.2, 0.2)
    stated += luck.uniform(k, -0.2, 0.2)
    satisfied = felt @ weight + 0.55 * luck.normal(n)
    mean = luck.one(6.7, 7.3)
    answers = pd.DataFrame({"respondent": np.arange(1, n + 1)})
    for j, name in enumerate(TOUCHPOINTS):
        answers[name] = _steps(level[j] + 1.5 * felt[:, j], 1, 10).astype(int)
    for name, shift in zip(QUESTIONS, luck.order([0.0, -0.9, -1.8]), strict=True):
        answers[name] = _steps(mean + shift + 1.4 * satisfied + 0.7 * luck.normal(n), 1, 10)
    recommend = luck.one(8.2, 8.7) + 1.6 * satisfied + 0.8 * luck.normal(n)
    answers["recommend"] = _steps(recommend, 0, 10).astype(int)
    answers["overall"] = _steps(3.9 + 0.7 * satisfied + 0.4 * luck.normal(n), 1, 5)
    answers.loc[luck.happens(np.full(n, 0.08)) == 1, "overall"] = np.nan
    questions = pd.DataFrame(
        {
            "question": QUESTIONS,
            "weight": luck.order([luck.one(0.66, 0.74), luck.one(0.38, 0.46), luck.one(0.16, 0.24)]),
            "mean": [round(float(answers[name].mean()), 3) for name in QUESTIONS],
        }
    )
    plan = pd.DataFrame(
        {
            "customers": [int(luck.whole(1, 50, 120)[0]) * 100],
            "margin": [luck.one(0.032, 0.04, 3)],
            "design_effect": [luck.one(1.3, 1.8)],
            "response": [luck.one(0.45, 0.7)],
        }
    )
    touchpoints = pd.DataFrame({"touchpoint": TOUCHPOINTS, "stated": stated.round(2)})
    return {"answers": answers, "questions": questions, "plan": plan, "touchpoints": touchpoints}


# -- references and typical mistakes -------------------------------------------------------------------


def index(tables: Data) -> float:
    questions = tables["questions"]
    weights = dict(zip(questions["question"], questions["weight"], strict=True))
    return csi(tables["answers"], weights).value


def _index(tables: Data, low: float = 1, span: float = 9, weighted: bool = True, over: float = 0) -> float:
    questions = tables["questions"]
    weight = questions["weight"] if weighted else questions["weight"] * 0 + 1
    return float(100 * (weight * (questions["mean"] - low)).sum() / (span * (over or weight.sum())))


def boxes(tables: Data) -> pd.DataFrame:
    share = [top_box(tables["answers"]["overall"], boxes=k, high=5).value for k in BOXES]
    return pd.DataFrame({"share": share}, index=pd.Index(BOXES, name="boxes"))


def _boxes(tables: Data, lowest: bool = False, one: bool = False) -> pd.DataFrame:
    told = tables["answers"]["overall"].dropna()
    if lowest:
        share = [(told <= k).mean() for k in BOXES]
    elif one:
        share = [(told == 6 - k).mean() for k in BOXES]
    else:
        share = [(told > 5 - k).sum() / len(tables["answers"]) for k in BOXES]
    return pd.DataFrame({"share": share}, index=pd.Index(BOXES, name="boxes"))


def _net(tables: Data, promoters: int = 9, detractors: int = 6) -> float:
    told = tables["answers"]["recommend"]
    return float(100 * ((told >= promoters).mean() - (told <= detractors).mean()))


def _without_passives(tables: Data) -> float:
    told = tables["answers"]["recommend"]
    high, low = (told >= 9).sum(), (told <= 6).sum()
    return float(100 * (high - low) / (high + low))


def asked(tables: Data, **changes: float) -> float:
    """Customers to be asked. changes: of the plan, such as design_effect=1."""
    plan = tables["plan"].iloc[0].to_dict() | changes
    interviews = sample_size(plan["margin"], plan["customers"], design_effect=plan["design_effect"])
    return math.ceil(interviews / plan["response"])


def _corrected_last(tables: Data) -> float:
    plan = tables["plan"].iloc[0]
    n = sample_size(plan["margin"], design_effect=plan["design_effect"])
    return float(n / (1 + (n - 1) / plan["customers"]) / plan["response"])


def _top(values: pd.Series) -> list[str]:
    return [str(name) for name in values.sort_values(ascending=False).index[:DRIVERS]]


def _outcome(tables: Data) -> pd.DataFrame:
    answers = tables["answers"]
    return answers[list(TOUCHPOINTS)].assign(satisfaction=answers[list(QUESTIONS)].mean(axis=1))


def main_drivers(tables: Data) -> list[str]:
    return _top(lmg(_outcome(tables), "satisfaction"))


def _means(tables: Data) -> pd.Series:
    return tables["answers"][list(TOUCHPOINTS)].mean()


SET = ExerciseSet(
    name="satisfaction",
    title="How satisfied customers are, and why",
    chinese="满意度测评与驱动因素",
    chapter="06_satisfaction",
    about=(
        f"A survey of a water utility 供水企业, {RESPONDENTS} respondents. `answers`: a row a respondent: six "
        f"touchpoints 接触点 ({', '.join(TOUCHPOINTS)}) and satisfaction_1 to _3 from 1 to 10, recommend from 0 to "
        "10, overall from 1 to 5 (some did not answer it). `questions`: weight and mean answer of satisfaction_1 "
        "to _3. `touchpoints`: stated, the mean importance 自述重要性 that respondents gave, 1 to 10. `plan`: the next "
        "survey: customers there are, margin of error (share, 0 to 1), design_effect, response (share)."
    ),
    data=data,
    exercises=(
        Exercise(
            id="satisfaction-1",
            title="The satisfaction index",
            chinese="满意度指数",
            difficulty=1,
            minutes=5,
            points=1,
            goal="What is the customer satisfaction index CSI of the three questions in `questions`, 0 to 100? Their "
            "answers run from 1 to 10.",
            hint="The index is 0 when everybody answers 1 and 100 when everybody answers 10. The weights need not "
            "sum to 1.",
            rubric="All points within .05 index points.",
            solve=index,
            answer=Number(
                unit="index points",
                relative=0,
                absolute=0.05,
                why="means rounded to two digits",
                wrong={
                    "the scale begins at 1, not at 0: who answers 1 to all would not get 0 here": lambda d: (
                        _index(d, low=0, span=10)
                    ),
                    "1 is taken off, but the scale has nine steps, not ten": lambda d: _index(d, span=10),
                    "the weights 权重 are left out": lambda d: _index(d, weighted=False),
                    "the weights do not sum to 1, and nothing was divided by their sum": lambda d: _index(
                        d, over=1
                    ),
                },
            ),
        ),
        Exercise(
            id="satisfaction-2",
            title="The satisfied, by the number of boxes",
            chinese="满意率与选项数",
            difficulty=1,
            minutes=10,
            points=2,
            goal="Which share of those who answered `overall` chose one of the best k steps of its scale, for k of 1 "
            "to 5? Give a DataFrame with the columns boxes (1 to 5) and share (0 to 1), a row a k.",
            hint="With two boxes of a scale from 1 to 5 these are the answers 4 and 5. Who did not answer is "
            "neither satisfied nor dissatisfied. `top_box` of `crmsim.analysis.satisfaction` counts.",
            rubric="Part marks by entries: none for half of them right, all for every one. The last is 1 by "
            "definition.",
            solve=boxes,
            answer=Table(
                key="boxes",
                columns=("share",),
                wrong={
                    "those who did not answer are in the denominator 分母错误": _boxes,
                    "counted from the worst answer on 方向相反": lambda d: _boxes(d, lowest=True),
                    "a single step each; the best k are to be taken together 累计": lambda d: _boxes(
                        d, one=True
                    ),
                    "per cent in place of shares 百分比与比例": lambda d: boxes(d) * 100,
                },
            ),
        ),
        Exercise(
            id="satisfaction-3",
            title="Net promoter score",
            chinese="净推荐值",
            difficulty=1,
            minutes=5,
            points=1,
            goal="What is the net promoter score NPS of `recommend`, from -100 to 100?",
            hint="Promoters 推荐者 answer 9 or 10, detractors 贬损者 0 to 6. Those between count in the "
            "denominator only.",
            rubric="All points within .5, as the score is told in whole numbers.",
            solve=lambda d: nps(d["answers"]["recommend"]).value,
            answer=Number(
                unit="points",
                relative=0,
                absolute=0.5,
                why="the score is told in whole numbers",
                wrong={
                    "8 is no promoter 推荐者": lambda d: _net(d, promoters=8),
                    "6 is a detractor 贬损者 as well": lambda d: _net(d, detractors=5),
                    "passives 中立者 are left out of the denominator 分母错误": _without_passives,
                    "these are the promoters; nothing was taken off for detractors": lambda d: _net(
                        d, detractors=-1
                    ),
                },
            ),
        ),
        Exercise(
            id="satisfaction-4",
            title="How many to ask",
            chinese="样本量",
            difficulty=2,
            minutes=15,
            points=3,
            goal="How many customers must be asked in the survey of `plan`, so that a share is known within the margin "
            "with 95 % confidence 置信度? Expect a share of one half. Correct for the finite population 有限总体校正 "
            "first, then multiply by the design effect 设计效应, then allow for the response 应答率.",
            hint="n0 = 1.96² p (1 - p) / e²; n0 / (1 + (n0 - 1) / N). `sample_size` of `crmsim.analysis.sampling` takes "
            "both corrections and gives completed interviews.",
            rubric="All points within half a per cent, whichever steps are rounded, up or to the nearest.",
            solve=asked,
            answer=Number(
                unit="customers",
                absolute=5,
                why="steps rounded up, to the nearest or not at all",
                wrong={
                    "these are the interviews; not everybody who is asked responds 应答率": lambda d: asked(
                        d, response=1
                    ),
                    "the population is finite 有限总体: the correction is missing": lambda d: asked(
                        d, customers=1e12
                    ),
                    "the design effect 设计效应 is missing": lambda d: asked(d, design_effect=1),
                    "the correction for the finite population comes before the design effect": _corrected_last,
                    "the root of the design effect was taken; that is for intervals, not for numbers": lambda d: (
                        asked(d, design_effect=float(d["plan"]["design_effect"].iloc[0]) ** 0.5)
                    ),
                },
            ),
        ),
        Exercise(
            id="satisfaction-5",
            title="What drives satisfaction",
            chinese="满意度的驱动因素",
            difficulty=3,
            minutes=25,
            points=4,
            goal="Which three of the six touchpoints explain most of satisfaction (of a respondent, the mean of "
            "satisfaction_1 to _3)? Give their names.",
            hint="Neither what customers say matters nor where the answers are low tells it. `lmg` of "
            "`crmsim.analysis.drivers` divides R² among the touchpoints; a regression 回归 would do as well here.",
            rubric="All points for the right three; two of three are at a Jaccard index of one half and earn nothing. "
            "LMG, correlation, coefficients and the weights behind the data named the same three in 60 surveys.",
            solve=main_drivers,
            answer=Names(
                what="touchpoints",
                wrong={
                    "these are said to matter most 自述重要性, which is not what moves satisfaction": lambda d: (
                        _top(d["touchpoints"].set_index("touchpoint")["stated"])
                    ),
                    "these have the lowest answers: performance 绩效, not importance 重要性": lambda d: _top(
                        -_means(d)
                    ),
                    "these have the highest answers: performance 绩效, not importance 重要性": lambda d: _top(
                        _means(d)
                    ),
                    "these explain least 方向相反": lambda d: sorted(set(TOUCHPOINTS) - set(main_drivers(d))),
                },
            ),
        ),
    ),
)
