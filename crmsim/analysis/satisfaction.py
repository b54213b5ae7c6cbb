"""Satisfaction as customers tell it: index, satisfied share, recommendation, gaps, importance and Kano.

`wide` brings the long form of the database (`survey_answers`) to a row a respondent and a column a
question; every other function takes that or any frame of your own. The path models (ECSI, CCSI) are in
`pls`, the drivers of satisfaction in `drivers`.

Words shared by all functions here: `frame`, answers, a row a respondent and a column a question; `values`,
the answers to one question, NaN where missing; `weights`, of answers, customers each stands for, alike if not
given; `low`, `high`, ends of the scale; `confidence`, of the intervals, above 0 and below 1; `attentive`,
leave out who failed the question on attention. ValueError for values outside these limits, weights that are
negative or of another length, and fewer than two answers.

Sources: Fornell et al. 1996, The American Customer Satisfaction Index, Journal of Marketing 60(4); Reichheld
2003, The one number you need to grow, Harvard Business Review 81(12); Parasuraman, Zeithaml & Berry 1988,
SERVQUAL, Journal of Retailing 64(1); Martilla & James 1977, Importance-performance analysis, Journal of
Marketing 41(1); Kano et al. 1984, Attractive quality and must-be quality, Journal of the Japanese Society for
Quality Control 14(2); Berger et al. 1993, Kano's methods for understanding customer-defined quality, Center
for Quality of Management Journal 2(4).
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..data.transactions import DataError
from . import sampling
from .sampling import Estimate

__all__ = [
    "by_wave",
    "construct_scores",
    "csi",
    "gap_scores",
    "importance_performance",
    "kano",
    "mean_score",
    "nps",
    "stated_importance",
    "top_box",
    "wide",
]

Floats = npt.NDArray[np.float64]

QUADRANTS = {
    "keep_up": ("keep up the good work", "继续保持区"),
    "concentrate": ("concentrate here", "重点改进区"),
    "low_priority": ("low priority", "次要改进区"),
    "overkill": ("possible overkill", "过度投入区"),
}
"""Quadrants of importance and performance: key, English, Chinese."""

KANO = {
    "M": ("must-be", "必备型"),
    "O": ("one-dimensional", "期望型（一维）"),
    "A": ("attractive", "魅力型"),
    "I": ("indifferent", "无差异型"),
    "R": ("reverse", "反向型"),
    "Q": ("questionable", "可疑结果"),
}
"""Kano's categories: letter, English, Chinese."""

# Rows: answer when the feature is there; columns: when it is not. 1 like it, 2 it must be so, 3 neutral,
# 4 can live with it, 5 dislike it (Berger et al. 1993).
_KANO_TABLE = np.array([list("QAAAO"), list("RIIIM"), list("RIIIM"), list("RIIIM"), list("RRRRQ")])


# -- from the database to a frame ------------------------------------------------------------------------


def wide(
    answers: pd.DataFrame | Any,
    wave: int | None = None,
    *,
    survey: str | None = None,
    attentive: bool = False,
    waves: pd.DataFrame | None = None,
    respondent: str = "customer",
    item: str = "item",
    answer: str = "answer",
) -> pd.DataFrame:
    """Answers with a row a respondent and a column a question, as floating point; missing ones are NaN.

    answers: the table `survey_answers` (columns `wave`, `customer`, `item`, `answer`) or a `Database`. wave:
    of which; all if not given. survey: only waves of this survey, which needs `waves` (the table
    `survey_waves`) unless a `Database` is given. attentive: leave out who failed the attention check (the
    question `attention`, whose answer is 1). The index is wave and respondent, or the respondent alone for
    one wave or for answers without waves. Raises DataError for missing columns, a question answered twice
    by one respondent, and an unknown wave or survey.
    """
    if hasattr(answers, "table") and not isinstance(answers, pd.DataFrame):
        waves = answers.table("survey_waves") if waves is None else waves
        answers = answers.table("survey_answers")
    for column in (respondent, item, answer):
        if column not in answers:
            raise DataError(f"the answers have no column {column!r}; they have {', '.join(answers.columns)}")
    index = ["wave", respondent] if "wave" in answers else [respondent]
    if survey is not None:
        if waves is None:
            raise DataError("to choose a survey, give its waves too: waves=survey_waves")
        if survey not in set(waves["survey"]):
            raise DataError(f"no survey {survey!r}; there are {', '.join(waves['survey'].unique())}")
        answers = answers[answers["wave"].isin(waves.loc[waves["survey"] == survey, "wave"])]
    if wave is not None:
        if "wave" not in answers or wave not in set(answers["wave"]):
            known = sorted(answers["wave"].unique()) if "wave" in answers else []
            raise DataError(f"no answers of wave {wave}; there are {', '.join(map(str, known)) or 'none'}")
        answers, index = answers[answers["wave"] == wave], [respondent]
    twice = answers.duplicated([*index, item])
    if twice.any():
        row = answers.loc[twice, [*index, item]].iloc[0]
        told = ", ".join(f"{k} {v}" for k, v in row.items())
        raise DataError(f"{told} is answered twice (row {answers.index[twice][0]}); keep one of them")
    table = answers.pivot(index=index, columns=item, values=answer)
    table = table[list(dict.fromkeys(answers[item]))].astype(float)
    table.columns.name = None
    if attentive:
        if "attention" not in table:
            raise DataError("there is no question 'attention' to tell who was attentive")
        table = table[table["attention"] == 1]
    return table


def construct_scores(
    frame: pd.DataFrame, items: pd.DataFrame, constructs: Iterable[str] | None = None
) -> pd.DataFrame:
    """Mean answer of each respondent to the questions on one thing: a column a construct.

    items: the table `survey_items` (columns `item`, `construct`, `touchpoint`). constructs: which;
    "touchpoints" stands for those of all touchpoints, all constructs with a question in the frame if not
    given. Missing answers are left out of a mean. Raises DataError for an unknown construct.
    """
    table = _questions(items)
    table = table[table["item"].isin(frame.columns) & ~table["construct"].isin(["importance", "check"])]
    known = list(dict.fromkeys(table["construct"]))
    touchpoints = list(dict.fromkeys(table.loc[table["touchpoint"] != "", "construct"]))
    chosen = (
        [constructs] if isinstance(constructs, str) else list(known if constructs is None else constructs)
    )
    chosen = [c for name in chosen for c in (touchpoints if name == "touchpoints" else [name])]
    out = {}
    for name in chosen:
        if name not in known:
            raise DataError(f"no question measures {name!r}; there are {', '.join(known)}")
        out[name] = frame[list(table.loc[table["construct"] == name, "item"])].mean(axis=1)
    return pd.DataFrame(out, index=frame.index)


def stated_importance(frame: pd.DataFrame, items: pd.DataFrame) -> pd.DataFrame:
    """Stated importance (自述重要性) of the touchpoints, a row a respondent and a column a touchpoint.

    items: the table `survey_items`. Raises DataError when importance was not asked.
    """
    table = _questions(items)
    asked = table[(table["construct"] == "importance") & table["item"].isin(frame.columns)]
    if asked.empty:
        raise DataError("importance was not asked in this survey")
    return frame[list(asked["item"])].set_axis(list(asked["touchpoint"]), axis=1)


def _questions(items: pd.DataFrame) -> pd.DataFrame:
    for column in ("item", "construct", "touchpoint"):
        if column not in items:
            raise DataError(f"the table of questions has no column {column!r}")
    table = items.drop_duplicates("item")
    return table.assign(touchpoint=table["touchpoint"].fillna(""))


def _numbers(frame: pd.DataFrame, items: Iterable[str]) -> Floats:
    names = list(items)
    for name in names:
        if name not in frame:
            near = difflib.get_close_matches(str(name), [str(c) for c in frame.columns], n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"the answers have no column {name!r}{hint}")
    return np.asarray(frame[names].to_numpy(dtype=float, na_value=np.nan), dtype=np.float64)


# -- index, shares, recommendation ----------------------------------------------------------------------


def csi(
    frame: pd.DataFrame,
    weights: Mapping[str, float] | Iterable[str],
    *,
    low: float = 1,
    high: float = 10,
    respondent_weights: Any = None,
    population: float | None = None,
    confidence: float = 0.95,
) -> Estimate:
    """Customer satisfaction index (满意度指数, CSI), 0 to 100, with its interval.

    CSI = 100 (sum w x - sum w low) / ((high - low) sum w) with the mean answers x; on scales from 1 to 10
    100 (sum w x - sum w) / (9 sum w) (Fornell et al. 1996). weights: question -> weight, such as the
    unstandardised outer weights of `pls` or the weights of `drivers.ahp`; a plain list of questions weighs
    them alike. low, high: ends of the scale. respondent_weights: customers each respondent stands for.

    The mean runs over those who answered all the questions, so that the interval can be that of a mean
    (`sampling.mean`, with whose `population` and `confidence`). Raises ValueError for an unknown question, a
    weight below 0, and answers off the scale.

    >>> answers = pd.DataFrame({"a": [8, 6, 10], "b": [7, 7, 10]})
    >>> round(csi(answers, {"a": 3, "b": 1}).value, 2)
    77.78
    """
    w = (
        dict(weights)
        if isinstance(weights, Mapping)
        else dict.fromkeys([weights] if isinstance(weights, str) else weights, 1.0)
    )
    if not w:
        raise ValueError("csi: no question is given")
    x = _numbers(frame, w)
    share = np.array([float(v) for v in w.values()])
    if not (share >= 0).all() or not share.sum() > 0:
        raise ValueError("weights must be 0 or more, and not all 0")
    _on_scale(x, list(w), low, high)
    score = 100 * (x - low) @ share / ((high - low) * share.sum())
    return sampling.mean(score, respondent_weights, population=population, confidence=confidence)


def _on_scale(x: Floats, names: list[str], low: float, high: float) -> None:
    if not high > low:
        raise ValueError(f"high ({high:g}) must be above low ({low:g})")
    off = (x < low) | (x > high)
    if off.any():
        row, column = (int(k) for k in np.argwhere(off)[0])
        raise ValueError(
            f"the column {names[column]!r} has {x[row, column]:g} in row {row}, off the scale from {low:g} "
            f"to {high:g}; set low and high"
        )


def mean_score(values: Any, weights: Any = None, *, confidence: float = 0.95) -> Estimate:
    """Mean answer with its interval, in points of the scale; see `sampling.mean`.

    Missing answers are left out. ValueError when fewer than two are left.
    """
    return sampling.mean(values, weights, confidence=confidence)


def top_box(
    values: Any, weights: Any = None, *, boxes: int = 2, high: float = 10, confidence: float = 0.95
) -> Estimate:
    """Share of answers in the highest `boxes` steps of the scale (满意率, top-box share), 0 to 1.

    With boxes=2 and high=5 it is what is usually reported as CSAT. It is no index: shares of 95 % and indices
    of 75 describe the same customers, and the share moves with the number of boxes. Missing answers are left
    out. The interval is Wilson's (`sampling.share`). Raises ValueError for answers above `high`.
    """
    x = np.asarray(values, dtype=float)
    if boxes < 1:
        raise ValueError(f"boxes must be 1 or more, not {boxes}")
    if (x > high).any():
        raise ValueError(f"an answer is {np.nanmax(x):g}, above the scale's end {high:g}; set high")
    yes = pd.array(x > high - boxes, dtype="boolean")
    yes[np.isnan(x)] = pd.NA
    return sampling.share(yes, weights, confidence=confidence)


def nps(values: Any, weights: Any = None, *, confidence: float = 0.95) -> Estimate:
    """Net promoter score (净推荐值, NPS), -100 to 100: share of 9 and 10 less share of 0 to 6, in %.

    values: answers from 0 to 10 to how likely one is to recommend. Source: Reichheld 2003. The interval is
    that of a mean of 100, 0 and -100. Raises ValueError for answers off the scale.
    """
    x = np.asarray(values, dtype=float)
    if ((x < 0) | (x > 10)).any():
        raise ValueError("answers to a recommendation question run from 0 to 10")
    score = np.where(np.isnan(x), np.nan, 100.0 * (x >= 9) - 100.0 * (x <= 6))
    return sampling.mean(score, weights, confidence=confidence)


def by_wave(
    answers: pd.DataFrame | Any,
    weights: Mapping[str, float] | Iterable[str] = ("satisfaction_1", "satisfaction_2", "satisfaction_3"),
    *,
    waves: pd.DataFrame | None = None,
    satisfied: str | None = None,
    recommend: str | None = "recommend",
    boxes: int = 2,
    low: float = 1,
    high: float = 10,
    attentive: bool = False,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """The measures of every wave with their intervals, a row a wave.

    answers: the table `survey_answers` or a `Database`; waves: the table `survey_waves`, whose `survey` and
    `month` are added. weights: as in `csi`. satisfied: question whose top-box share is reported, the first
    of the index if not given. recommend: question of the NPS; None, or a question not asked, for none. boxes:
    as in `top_box`.

    Columns: `wave`, `survey`, `month`, `n`, and with `_lower` and `_upper` each: `index` (0 to 100),
    `top_box` (0 to 1), `nps` (-100 to 100); `index_error` is the standard error of the index, `promoters`,
    `passives` and `detractors` are the shares of answers of 9 and 10, 7 and 8, and 0 to 6. Waves without at
    least two full answers are left out. Raises DataError and ValueError as `wide` and `csi`.
    """
    if hasattr(answers, "table") and not isinstance(answers, pd.DataFrame):
        waves = answers.table("survey_waves") if waves is None else waves
        answers = answers.table("survey_answers")
    if "wave" not in answers:
        raise DataError("the answers have no column 'wave'")
    known = waves.set_index("wave") if waves is not None else pd.DataFrame()
    names = list(weights)
    first = names[0] if satisfied is None else satisfied
    rows = []
    for wave in sorted(answers["wave"].unique()):
        table = wide(answers, wave, attentive=attentive)
        if set(names) <= set(table.columns) and table[names].notna().all(axis=1).sum() < 2:
            continue
        index = csi(table, weights, low=low, high=high, confidence=confidence)
        box = top_box(_numbers(table, [first])[:, 0], boxes=boxes, high=high, confidence=confidence)
        net = Estimate(math.nan, math.nan, math.nan, math.nan, 0, math.nan)
        parts = (math.nan, math.nan, math.nan)
        if recommend is not None and recommend in table:
            net = nps(table[recommend], confidence=confidence)
            said = _numbers(table, [recommend])[:, 0]
            said = said[~np.isnan(said)]
            if len(said):
                parts = (
                    float((said >= 9).mean()),
                    float(((said > 6) & (said < 9)).mean()),
                    float((said <= 6).mean()),
                )
        rows.append(
            {
                "wave": wave,
                "survey": known["survey"].get(wave, "") if len(known) else "",
                "month": known["month"].get(wave, np.nan) if len(known) else np.nan,
                "n": index.n,
                "index": index.value,
                "index_lower": index.low,
                "index_upper": index.high,
                "index_error": index.error,
                "top_box": box.value,
                "top_box_lower": box.low,
                "top_box_upper": box.high,
                "nps": net.value,
                "nps_lower": net.low,
                "nps_upper": net.high,
                **dict(zip(("promoters", "passives", "detractors"), parts, strict=True)),
            }
        )
    if not rows:
        raise DataError("no wave has answers to these questions")
    return pd.DataFrame(rows)


# -- gaps ------------------------------------------------------------------------------------------------


def gap_scores(
    perceived: pd.DataFrame,
    expected: pd.DataFrame,
    *,
    weights: Any = None,
    low: float = 1,
    high: float = 10,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Perceived less expected (差距得分), a row a question, with the interval of the paired difference.

    perceived, expected: frames with the same columns and the same respondents as index; `expected` may hold
    importance instead, where what is expected was not asked. Columns: `perceived`, `expected` (means), `gap`,
    `lower`, `upper`, `n`, and `priority` = E (100 - P) / 100 with both on 0 to 100, the gap of importance and
    performance, which is largest where much is expected and little given. A negative gap is a promise
    broken. Source: Parasuraman et al. 1988. Raises ValueError for columns that differ.
    """
    names = [str(c) for c in perceived.columns]
    if missing := [name for name in names if name not in expected]:
        raise ValueError(f"expected has no column {missing[0]!r}")
    got, wanted = _numbers(perceived, names), _numbers(expected[names].reindex(perceived.index), names)
    _on_scale(got, names, low, high)
    _on_scale(wanted, names, low, high)
    rows = []
    for k in range(len(names)):
        both = ~np.isnan(got[:, k]) & ~np.isnan(wanted[:, k])
        w = None if weights is None else np.asarray(weights, dtype=float)[both]
        found = sampling.mean(got[both, k] - wanted[both, k], w, confidence=confidence)
        p, e = (sampling.mean(x[both, k], w).value for x in (got, wanted))
        share_p, share_e = (100 * (m - low) / (high - low) for m in (p, e))
        rows.append(
            {
                "perceived": p,
                "expected": e,
                "gap": found.value,
                "lower": found.low,
                "upper": found.high,
                "n": found.n,
                "priority": share_e * (100 - share_p) / 100,
            }
        )
    return pd.DataFrame(rows, index=pd.Index(names, name="item"))


# -- importance and performance ----------------------------------------------------------------------------


def importance_performance(
    importance: Mapping[str, float] | pd.Series,
    performance: Mapping[str, float] | pd.Series,
    *,
    crosshair: Literal["means", "midpoint"] | tuple[float, float] = "means",
    low: float = 1,
    high: float = 10,
) -> pd.DataFrame:
    """Importance-performance analysis (重要性-绩效分析, IPA; GB/T 19038 annex D): quadrants of the drivers.

    importance: driver -> weight in any unit, derived (`drivers`) or stated. performance: driver -> mean
    answer on a scale from low to high. crosshair: where the quadrants meet: "means" of both; "midpoint" of
    the scale, for importance its mean unless it lies on the same scale too; or your own (performance,
    importance). Half of the drivers may change quadrant with it, so show both.

    Columns: `importance`, `performance`, `quadrant` ("concentrate", "keep_up", "low_priority", "overkill"),
    `english`, `chinese` (重点改进区 ...), `cross_performance`, `cross_importance` (the cross-hair). On the
    line counts as above it. Source: Martilla & James 1977. Raises ValueError for drivers on one side only.
    """
    weight, answer = pd.Series(dict(importance), dtype=float), pd.Series(dict(performance), dtype=float)
    if missing := [k for k in answer.index if k not in weight.index]:
        raise ValueError(f"the importance of {missing[0]!r} is missing")
    if missing := [k for k in weight.index if k not in answer.index]:
        raise ValueError(f"the performance of {missing[0]!r} is missing")
    answer = answer[weight.index]
    if weight.isna().any() or answer.isna().any() or weight.empty:
        raise ValueError("importance and performance must be known of every driver, and there must be one")
    if crosshair == "means":
        x, y = float(answer.mean()), float(weight.mean())
    elif crosshair == "midpoint":
        on_scale = bool(weight.between(low, high).all())
        x, y = (low + high) / 2, (low + high) / 2 if on_scale else float(weight.mean())
    elif isinstance(crosshair, str):
        raise ValueError(
            f'crosshair must be "means", "midpoint" or (performance, importance), not {crosshair!r}'
        )
    else:
        x, y = (float(v) for v in crosshair)
    good, heavy = answer >= x, weight >= y
    quadrant = np.select(
        [heavy & ~good, heavy & good, ~heavy & ~good], ["concentrate", "keep_up", "low_priority"], "overkill"
    )
    return pd.DataFrame(
        {
            "importance": weight,
            "performance": answer,
            "quadrant": quadrant,
            "english": [QUADRANTS[q][0] for q in quadrant],
            "chinese": [QUADRANTS[q][1] for q in quadrant],
            "cross_performance": x,
            "cross_importance": y,
        },
        index=pd.Index(weight.index, name="driver"),
    )


# -- Kano -------------------------------------------------------------------------------------------------


def kano(frame: pd.DataFrame, pairs: Mapping[str, tuple[str, str]]) -> pd.DataFrame:
    """Kano's categories from pairs of questions (卡诺模型): a row a feature.

    pairs: feature -> (column of the functional question: how if it is there, column of the dysfunctional
    one: how if it is not). Answers: 1 like it, 2 it must be so, 3 neutral, 4 can live with it, 5 dislike it.
    Columns: counts `M`, `O`, `A`, `I`, `R`, `Q` of the respondents' categories (evaluation table of Berger et
    al. 1993), `n`, `category` (the most frequent; ties go to the first of M, O, A, I), `english`, `chinese`,
    `better` = (A + O) / (A + O + M + I), `worse` = -(O + M) / (A + O + M + I), `strength` (share of the most
    frequent category less that of the next; below .06 the category is not clear). Respondents with a missing
    answer to a pair are left out of it. Raises ValueError for answers other than 1 to 5.
    """
    rows = []
    for feature, columns in pairs.items():
        if isinstance(columns, str) or len(columns) != 2:
            raise ValueError(f"{feature}: give the two columns, (functional, dysfunctional)")
        x = _numbers(frame, columns)
        x = x[~np.isnan(x).any(axis=1)]
        if not np.isin(x, (1, 2, 3, 4, 5)).all():
            odd = x[~np.isin(x, (1, 2, 3, 4, 5))][0]
            raise ValueError(f"{feature}: answers run from 1 (like it) to 5 (dislike it), not {odd:g}")
        if not len(x):
            raise ValueError(f"{feature}: nobody answered both questions")
        letters = _KANO_TABLE[x[:, 0].astype(int) - 1, x[:, 1].astype(int) - 1]
        count = {letter: int((letters == letter).sum()) for letter in KANO}
        order = sorted(count, key=lambda k: -count[k])  # stable: M, O, A, I, R, Q
        known = sum(count[k] for k in "AOMI")
        rows.append(
            {
                **count,
                "n": len(x),
                "category": order[0],
                "english": KANO[order[0]][0],
                "chinese": KANO[order[0]][1],
                "better": (count["A"] + count["O"]) / known if known else math.nan,
                "worse": -(count["O"] + count["M"]) / known if known else math.nan,
                "strength": (count[order[0]] - count[order[1]]) / len(x),
            }
        )
    return pd.DataFrame(rows, index=pd.Index(list(pairs), name="feature"))
