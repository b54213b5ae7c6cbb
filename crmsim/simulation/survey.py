"""What customers answer when they are asked: satisfaction as a firm can measure it.

A `Survey` says whom to ask, when, how and how answers go wrong; `take` gives the answers of one
wave as a pure function of the customers' state at the end of a month; `run_surveys` repeats a run
with the same luck and takes its surveys. The answers leave no trace of the hidden state but
themselves.

Everybody has permanent random numbers (Ohlsson 1995): the same person is asked, answers and errs
alike under every policy, but for what the policy changed. Two surveys of the same month and `stream`
meet the same people in the same mood, so that modes and questionnaires can be compared; another
`stream` is an independent survey.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import ValidationError, field_validator

from ..vocabulary import ChurnCause
from .draws import Key, uniform
from .records import stated_causes
from .scenario import ScenarioError, Section, Touchpoint, bounds, parameter, word
from .town import age

if TYPE_CHECKING:
    from .run import Run
    from .watch import WorldView

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

ELDERLY_FROM = 60
# Spread of a touchpoint's perception between customers that `Survey.halo` is a share of, points.
PERCEPTION_SD = 15.0
# Overall judgements are coloured by the halo by this part of what single touchpoints are.
HALO_OVERALL = 0.5
# A customer with no choice says "yes, of course" at this level, points; set so that nine in ten of a
# monopoly's customers tick one of the two highest answers.
CAPTIVE = 97.0


class Purpose(IntEnum):
    """What a number of a survey decides; 512 of them make a stream. Never reuse one (see `draws`)."""

    SAMPLE = 10_000
    RESPONDS = 10_001
    ATTENTION = 10_002
    STRAIGHT = 10_003
    SECONDS = 10_004
    WRONG_TICK = 10_006
    # The person's own, whatever the month and the stream: general attitude, who can be reached; 10,008
    # is the age (`town`).
    HALO = 10_009
    COVERED = 10_010
    # Item k errs with ERROR + k and stays empty with MISSING + k (see `Item.code`).
    ERROR = 10_064
    MISSING = 10_192


STREAM = 512


class Mode(NamedTuple):
    """A way to ask: factor of the chance to answer, share of customers it can reach (below and from
    60 years), and points by which answers are kinder than on the telephone."""

    response: float
    coverage: float
    coverage_elderly: float
    kindness: float


# Assumed; that answers to a person are kinder than those on a screen: Dillman et al. 2009; that online
# surveys miss the old and that visits are answered most: any handbook.
MODES = {
    "phone": Mode(1.0, 0.95, 0.95, 0.0),
    "online": Mode(0.6, 0.90, 0.50, -2.0),
    "visit": Mode(3.0, 0.98, 0.98, 3.0),
}
OUTCOMES = ("complete", "refused", "not_reached")


class Survey(Section):
    """One survey: whom it asks, in which months, and how far the answers are from the truth.

    Raises ScenarioError for a parameter that is unknown or out of bounds.
    """

    name: str = word("satisfaction", "name, to tell surveys of one run apart", pattern=r"^[a-z][a-z0-9_]*$")
    months: tuple[int, ...] = word((11,), "months at whose end it is taken, counted from 0: the waves")
    size: int = parameter(5_000, 1, 50_000_000, "customers", "customers asked in a wave, as far as there are")
    frame: Literal["random", "stratified", "contacts", "leavers"] = word(
        "random",
        "who may be asked: any customer; so many of each group; who contacted the firm in the month; "
        "who left in it",
    )
    by: str = word(
        "age",
        "column that makes the groups of a stratified sample: age, source, tenure, usage, channel, and where "
        "there are some district, segment, or both together as group",
    )
    floor: int = parameter(60, 0, 1_000_000, "customers", "asked at least in each group, as far as there are")
    panel: bool = word(False, "ask those who answered the first wave again in later ones", "yes/no")
    mode: Literal["phone", "online", "visit"] = word("phone", "how it is asked")
    response: float = parameter(
        0.10, 0, 1, "probability", "chance to answer of a customer neither very satisfied nor dissatisfied"
    )
    very_dissatisfied: float = parameter(0.06, -1, 1, "probability", "added when dissatisfied")
    very_satisfied: float = parameter(0.04, -1, 1, "probability", "added when very satisfied")
    dissatisfied_below: float = parameter(
        60,
        0,
        100,
        "points",
        "satisfaction below which one is dissatisfied",
        "this and the next set so that in the water preset respondents answer .1 of ten points too low",
    )
    satisfied_from: float = parameter(90, 0, 100, "points", "satisfaction from which one is very satisfied")
    elderly: float = parameter(0.05, -1, 1, "probability", "added from an age of 60")
    panel_response: float = parameter(
        0.75, 0, 1, "probability", "takes the place of `response` for members of a panel"
    )
    scale: int = parameter(10, 2, 100, "steps", "answers run from 1 to this; recommendation from 0 to 10")
    items: int = parameter(2, 1, 4, "questions", "questions on each touchpoint")
    importance: bool = word(True, "ask how important each touchpoint is", "yes/no")
    halo: float = parameter(
        0.35,
        0,
        0.95,
        "share",
        "share of a general attitude in what a customer reports of a touchpoint, of the variance between "
        "customers",
        "assumed; .5 comes near the first eigenvalue of public SERVAQUA answers, .54 of 18 items (Prevos)",
    )
    skew: float = parameter(
        1, 0.2, 5, "exponent", "above 1, answers crowd at the top: 1 - (1 - x) ^ skew; 1 is as felt"
    )
    kindness: float = parameter(0, -50, 50, "points", "how much kinder answers are than what is felt")
    error_sd: float = parameter(
        16,
        0,
        60,
        "points",
        "error of the answer to one question on a touchpoint",
        "set so that in the water preset the first eigenvalue lies from .42 to .54",
    )
    error_overall_sd: float = parameter(8, 0, 60, "points", "the same for overall judgements and intentions")
    error_hypothetical_sd: float = parameter(
        13,
        0,
        60,
        "points",
        "the same for a choice only imagined",
        "set so that in the water preset it correlates with satisfaction at .58",
    )
    missing: float = parameter(0.02, 0, 1, "probability", "chance that a question stays unanswered")
    straight: float = parameter(
        0.09, 0, 1, "share", "answer every question of a battery alike", "public SERVAQUA answers: 9 %"
    )
    inattentive: float = parameter(
        0.11, 0, 1, "share", "fail the attention check", "public SERVAQUA answers: 11 %"
    )
    inattentive_error: float = parameter(2.5, 1, 20, "factor", "on the errors of the inattentive")
    overstated: str = word("price", "touchpoint whose importance is overstated, where there is one")
    overstatement: float = parameter(6, -50, 50, "points", "by how much")
    weight_effect: float = parameter(
        7,
        0,
        100,
        "points",
        "stated importance of the weightiest touchpoint above that of one without weight",
        "with the two next to it, set so that in the water preset it ranks with the true weights at .25-.30",
    )
    pain_effect: float = parameter(
        0.33, 0, 2, "points per point", "stated importance gained by what is perceived as bad"
    )
    seconds: float = parameter(5, 0.1, 600, "seconds per question", "median time of a careful respondent")
    stream: int = parameter(0, 0, 1_000, "number", "surveys of different streams have different luck")

    def __init__(self, **given: Any) -> None:
        try:
            super().__init__(**given)
        except ValidationError as error:
            raise ScenarioError([_fault(item) for item in error.errors()], "survey") from None

    def replace(self, **changes: Any) -> Survey:
        """A changed copy, validated: `survey.replace(mode="online")`. Raises ScenarioError."""
        return Survey(**(self.model_dump() | changes))

    @classmethod
    def table(cls) -> pd.DataFrame:
        """Every parameter: name, default, unit, lowest, highest, meaning, source."""
        rows = []
        for name, info in cls.model_fields.items():
            extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
            low, high = bounds(info)
            more = {"unit": extra.get("unit", ""), "lowest": low, "highest": high}
            said = {"meaning": info.description or "", "source": extra.get("source", "")}
            rows.append({"name": name, "default": info.default, **more, **said})
        return pd.DataFrame(rows).set_index("name")

    @field_validator("months", mode="before")
    @classmethod
    def _waves(cls, value: Any) -> Any:
        value = (value,) if isinstance(value, int) else tuple(value)
        if not value or any(isinstance(m, bool) or not isinstance(m, int) or m < 0 for m in value):
            raise ValueError(f"months from 0 are needed, such as (11, 23), not {value!r}")
        if list(value) != sorted(set(value)):
            raise ValueError(f"the months must rise, each once: {value!r}")
        return value


def _fault(item: Any) -> tuple[str, str]:
    """An error of Pydantic in our words: where, what."""
    where = str(item["loc"][0]) if item["loc"] else "survey"
    info = Survey.model_fields.get(where)
    if info is None:
        return where, f"unknown; a survey has {', '.join(Survey.model_fields)}"
    low, high = bounds(info)
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    what = str(item.get("ctx", {}).get("error", "")) or f"{item['msg']} (found {item['input']!r})"
    if low is not None and high is not None:
        what += f"; {info.description}, from {low:,.12g} to {high:,.12g} {extra.get('unit')}"
    return where, what


# -- the questionnaire -----------------------------------------------------------------------------


class Item(NamedTuple):
    """One question: name, what it is meant to measure, touchpoint (or ""), lowest and highest answer,
    wording in English and Chinese, battery it is asked in (or ""), and the code of its luck."""

    item: str
    construct: str
    touchpoint: str
    low: int
    high: int
    english: str
    chinese: str
    battery: str
    code: int


# item, construct, English, Chinese. The first three constructs follow the ECSI questionnaire.
OVERALL = (
    ("satisfaction_1", "satisfaction", "Overall, how satisfied are you?", "总体而言，您有多满意？"),
    ("satisfaction_2", "satisfaction", "How well does it meet what you expected?", "与您的预期相比如何？"),
    ("satisfaction_3", "satisfaction", "How near is it to what would be ideal?", "与心中的理想相比如何？"),
    ("expectation_1", "expectation", "What quality did you expect overall?", "您原来预期的总体质量如何？"),
    ("expectation_2", "expectation", "How well did you expect it to serve you?", "您预期它合乎需要吗？"),
    ("expectation_3", "expectation", "How reliable did you expect it to be?", "您原来预期的可靠程度？"),
    ("value_1", "value", "Given the price, how good is the quality?", "就价格而言，质量如何？"),
    ("value_2", "value", "Given the quality, how good is the price?", "就质量而言，价格如何？"),
)  # fmt: skip
LOYALTY = (
    ("loyalty_cognitive", "cognitive", "It offers more than others would.", "它比别家提供得更多。"),
    ("loyalty_affective", "affective", "I like being its customer.", "我喜欢做它的客户。"),
    ("loyalty_conative", "conative", "I mean to stay its customer.", "我打算继续做它的客户。"),
    ("loyalty_action", "action", "I take trouble to stay with it.", "我愿意费事留在这里。"),
    ("keep_using", "behaviour", "I will keep using it.", "我会继续使用。"),
    ("stay_if_cheaper", "scenario", "I would stay if a rival were 5 % cheaper.", "别家便宜5%，我也留下。"),
)  # fmt: skip


def questionnaire(survey: Survey, touchpoints: Sequence[Touchpoint]) -> list[Item]:
    """The questions of a survey for the touchpoints of a scenario, in the order they are asked."""
    top = survey.scale
    found = [
        Item(
            f"{t.name}_{j + 1}", t.name, t.name, 1, top,
            f"How good is {t.name.replace('_', ' ')}? (question {j + 1})",
            f"您如何评价{t.chinese or t.name}？（第{j + 1}题）", "touchpoints", 4 * d + j,
        )
        for d, t in enumerate(touchpoints)
        for j in range(survey.items)
    ]  # fmt: skip
    found += [
        Item(name, construct, "", 1, top, english, chinese, "", 48 + k)
        for k, (name, construct, english, chinese) in enumerate(OVERALL)
    ]
    leaving = survey.frame == "leavers"
    if not leaving:
        found += [
            Item(name, construct, "", 1, top, english, chinese, "", 56 + k)
            for k, (name, construct, english, chinese) in enumerate(LOYALTY)
        ]
    found.append(
        Item(
            "recommend", "recommendation", "", 0, 10, "How likely are you to recommend it?",
            "您有多大可能推荐给他人？", "", 62,
        )
    )  # fmt: skip
    if survey.importance and not leaving:
        found += [
            Item(
                f"importance_{t.name}", "importance", t.name, 1, top,
                f"How important is {t.name.replace('_', ' ')} to you?",
                f"{t.chinese or t.name}对您有多重要？", "importance", 72 + d,
            )
            for d, t in enumerate(touchpoints)
        ]  # fmt: skip
    found.append(
        Item("attention", "check", "", 1, top, "For this line, please tick 1.", "本题请选择1。", "", 63)
    )
    if leaving:
        causes = ", ".join(f"{c.value} {c.english}" for c in ChurnCause)
        chinese = "，".join(f"{c.value} {c.chinese}" for c in ChurnCause)
        found.append(
            Item(
                "leaving_cause", "cause", "", min(ChurnCause), max(ChurnCause),
                f"Why did you leave? {causes}", f"您为何离开？{chinese}", "", 64,
            )
        )  # fmt: skip
    return found


# -- one wave --------------------------------------------------------------------------------------

# What `take` reads of each customer; strata and `contacted` are read where the survey needs them.
COLUMNS = (
    "id", "active", "satisfaction", "expectation", "value", "cognitive", "affective", "conative",
    "action", "scale_use", "perception",
)  # fmt: skip


class Wave(NamedTuple):
    """One wave as tables.

    - `wave`: one row: survey, month, frame, mode, panel, scale, population (customers who might have
      been asked), asked, reached, completed
    - `sample`: a row for everyone asked: customer, stratum, age (years), weight (customers each
      stands for, by the sampling alone), outcome (`OUTCOMES`), seconds (missing without an answer)
    - `answers`: a row for each respondent and question: customer, item, answer (missing if skipped)
    - `truth`: a row for everyone asked: customer, satisfaction (points), chance (to answer when reached),
      halo (points by which the general attitude colours what is said of a touchpoint), straight and
      inattentive (whether the customer answers so)
    """

    wave: pd.DataFrame
    sample: pd.DataFrame
    answers: pd.DataFrame
    truth: pd.DataFrame


def take(
    state: Mapping[str, Any],
    survey: Survey,
    key: Key,
    month: int,
    touchpoints: Sequence[Touchpoint],
    *,
    openness: float = 1.0,
    panel: Any = None,
) -> Wave:
    """One wave of a survey among customers in a given state.

    state: arrays with one entry a customer, by name (`COLUMNS`); `perception` has a column a
    touchpoint. A stratified survey also reads `survey.by` (age comes of itself), one of contacts
    `contacted` (bool), one of leavers `left` (month of leaving) and `cause` (code of `ChurnCause`).
    openness: of the market, 0 to 1. panel: customers to be asked again, in place of a new sample.

    Raises ValueError when a column is missing.
    """
    needed = {
        *COLUMNS,
        *(("contacted",) if survey.frame == "contacts" else ()),
        *(("left", "cause") if survey.frame == "leavers" else ()),
    }
    if lacking := sorted(needed - set(state)):
        raise ValueError(f"survey {survey.name!r}: the state lacks {', '.join(lacking)}")
    ids = np.asarray(state["id"], dtype=np.int64)
    if survey.frame == "leavers":
        within = np.asarray(state["left"]) == month
    else:
        within = np.asarray(state["active"]) > 0
        if survey.frame == "contacts":
            within &= np.asarray(state["contacted"]) > 0
    rows = np.flatnonzero(within)
    years = age(key, ids[rows])
    strata = _strata(state, survey, rows, years)
    luck = _Luck(key, survey.stream, month)
    if panel is None:
        chosen, weight = _sample(strata, survey, luck.of(Purpose.SAMPLE, ids[rows]))
    else:
        chosen = np.flatnonzero(np.isin(ids[rows], np.asarray(panel)))
        weight = np.full(chosen.size, rows.size / max(chosen.size, 1))
    asked, asked_age = rows[chosen], years[chosen]
    who = ids[asked]

    mode = MODES[survey.mode]
    old = asked_age >= ELDERLY_FROM
    covered = np.where(old, mode.coverage_elderly, mode.coverage)
    reached = luck.of(Purpose.COVERED, who) < covered
    chance = response_probability(np.asarray(state["satisfaction"])[asked], old, survey, panel is not None)
    complete = reached & (luck.of(Purpose.RESPONDS, who) < chance)
    outcome = np.where(complete, 0, np.where(reached, 1, 2))

    here = asked[complete]
    items = questionnaire(survey, touchpoints)
    table, hasty = _answers(state, survey, luck, here, items, touchpoints, openness)
    careful = np.where(hasty, 0.5, 1.0) * np.where(old[complete], 1.2, 1.0)
    seconds = np.full(who.size, np.nan)
    seconds[complete] = (
        survey.seconds * len(items) * careful * np.exp(0.4 * luck.normal(Purpose.SECONDS, who[complete]))
    )
    answers = pd.DataFrame(
        {
            "customer": np.repeat(who[complete], len(items)),
            "item": np.tile(np.array([i.item for i in items], dtype=object), here.size),
            "answer": pd.array(table.reshape(-1), dtype="Float64").astype("Int32"),
        }
    )
    sample = pd.DataFrame(
        {
            "customer": who,
            "stratum": strata[chosen],
            "age": asked_age.astype(np.int32),
            "weight": weight,
            "outcome": np.array(OUTCOMES, dtype=object)[outcome],
            "seconds": seconds,
        }
    )
    wave = pd.DataFrame(
        {
            "survey": survey.name,
            "month": np.int32(month),
            "frame": survey.frame,
            "mode": survey.mode,
            "panel": survey.panel,
            "scale": np.int32(survey.scale),
            "population": np.int32(rows.size),
            "asked": np.int32(who.size),
            "reached": np.int32(reached.sum()),
            "completed": np.int32(here.size),
        },
        index=[0],
    )
    inattentive, straight = _hasty(survey, luck, who)
    truth = pd.DataFrame(
        {
            "customer": who,
            "satisfaction": np.asarray(state["satisfaction"], dtype=float)[asked],
            "chance": chance,
            "halo": _halo(survey, luck, who),
            "straight": straight,
            "inattentive": inattentive,
        }
    )
    return Wave(wave, sample, answers, truth)


class _Luck(NamedTuple):
    """The random numbers of a wave."""

    key: Key
    stream: int
    month: int

    def of(self, purpose: int, ids: Any) -> Floats:
        own = purpose in (Purpose.HALO, Purpose.COVERED)
        which = int(purpose) + (0 if own else STREAM * self.stream)
        return np.asarray(uniform(self.key, which, ids, 0 if own else self.month))

    def normal(self, purpose: int, ids: Any) -> Floats:
        from scipy.special import ndtri

        return np.asarray(ndtri(self.of(purpose, ids)))


def response_probability(satisfaction: Any, elderly: Any, survey: Survey, member: bool = False) -> Floats:
    """Chance to answer, by true satisfaction (points) and age from 60 (bool); not how one is reached.

    The very dissatisfied and the very satisfied answer more than the rest.
    """
    s = np.asarray(satisfaction, dtype=float)
    chance = (
        (survey.panel_response if member else survey.response)
        + survey.very_dissatisfied * (s < survey.dissatisfied_below)
        + survey.very_satisfied * (s >= survey.satisfied_from)
        + survey.elderly * np.asarray(elderly)
    )
    return np.clip(chance * (1.0 if member else MODES[survey.mode].response), 0.0, 1.0)


def _strata(state: Mapping[str, Any], survey: Survey, rows: Any, years: Any) -> npt.NDArray[np.object_]:
    """The group of each customer who may be asked; one group unless the survey is stratified."""
    if survey.frame != "stratified":
        return np.full(rows.size, "all", dtype=object)
    if survey.by == "age":
        words = np.array(["18-39", "40-59", "60+"], dtype=object)
        return words[np.searchsorted([40, ELDERLY_FROM], years, side="right")]
    if survey.by not in state or np.ndim(state[survey.by]) != 1:
        known = [name for name in state if np.asarray(state[name]).dtype.kind in "OUT"]
        raise ValueError(
            f"survey {survey.name!r}: no groups by {survey.by!r}; known: {', '.join(['age', *known])}"
        )
    return np.asarray(state[survey.by])[rows].astype(str).astype(object)


def _sample(strata: Any, survey: Survey, number: Floats) -> tuple[npt.NDArray[np.int64], Floats]:
    """Places of those asked, in the order of the frame, and their weights.

    In each group those with the smallest permanent number; the same share of each group, but at
    least the floor.
    """
    words, group = np.unique(strata.astype(str), return_inverse=True)
    share = min(survey.size / max(strata.size, 1), 1.0)
    floor = survey.floor if survey.frame == "stratified" else 0
    places, weights = [], []
    for g in range(words.size):
        members = np.flatnonzero(group == g)
        wanted = min(max(round(share * members.size), floor), members.size)
        places.append(members[np.argsort(number[members], kind="stable")[:wanted]])
        weights.append(np.full(wanted, members.size / max(wanted, 1)))
    chosen = np.concatenate(places) if places else np.zeros(0, dtype=np.int64)
    weight = np.concatenate(weights) if weights else np.zeros(0)
    order = np.argsort(chosen)
    return chosen[order], weight[order]


def _answers(
    state: Mapping[str, Any],
    survey: Survey,
    luck: _Luck,
    rows: Any,
    items: list[Item],
    touchpoints: Sequence[Touchpoint],
    openness: float,
) -> tuple[Floats, Mask]:
    """Answers (a row a respondent, a column an item, NaN for none) and who answered in haste."""
    ids = np.asarray(state["id"], dtype=np.int64)[rows]

    def of(name: str) -> Floats:
        return np.asarray(state[name], dtype=float)[rows]

    inattentive, straight = _hasty(survey, luck, ids)
    spread = np.where(inattentive, survey.inattentive_error, 1.0)
    halo = _halo(survey, luck, ids)
    style = of("scale_use") + survey.kindness + MODES[survey.mode].kindness

    satisfaction, expectation = of("satisfaction"), of("expectation")
    feelings = {
        "satisfaction_1": satisfaction,
        "satisfaction_2": satisfaction + 0.25 * (satisfaction - expectation),
        "satisfaction_3": satisfaction - 5.0,  # the ideal is further off than the expected
        "keep_using": openness * of("conative") + (1 - openness) * CAPTIVE,
        "stay_if_cheaper": 0.5 * (of("cognitive") + of("conative")),
        "recommend": 0.5 * (satisfaction + of("affective")),
        **{f"expectation_{k}": expectation for k in (1, 2, 3)},
        **{f"value_{k}": of("value") for k in (1, 2)},
        **{f"loyalty_{layer}": of(layer) for layer in ("cognitive", "affective", "conative", "action")},
    }
    coloured = ("satisfaction", "value", "recommendation", "affective")
    perception = np.asarray(state["perception"], dtype=float)[rows]
    place = {t.name: d for d, t in enumerate(touchpoints)}
    heaviest = max((t.weight for t in touchpoints), default=1.0) or 1.0
    table = np.empty((ids.size, len(items)))
    for k, item in enumerate(items):
        if item.item == "attention":
            wrong = 2 + np.floor((item.high - 1) * luck.of(Purpose.WRONG_TICK, ids))
            table[:, k] = np.where(inattentive, wrong, 1)
            continue
        if item.item == "leaving_cause":
            table[:, k] = stated_causes(luck.key, ids, luck.month, of("cause").astype(int), openness > 0)
            continue
        sd = survey.error_overall_sd
        if item.battery == "touchpoints":
            felt, sd = perception[:, place[item.touchpoint]] + halo, survey.error_sd
        elif item.battery == "importance":
            d = place[item.touchpoint]
            felt = (
                78.0
                + survey.weight_effect * touchpoints[d].weight / heaviest
                + survey.pain_effect * (80.0 - perception[:, d])
                + survey.overstatement * (item.touchpoint == survey.overstated)
            )
        else:
            felt = feelings[item.item] + HALO_OVERALL * halo * (item.construct in coloured)
            if item.construct == "scenario":
                sd = survey.error_hypothetical_sd
        error = sd * spread * luck.normal(Purpose.ERROR + item.code, ids)
        table[:, k] = _on_scale(felt + style + error, survey.skew, item.low, item.high)
    for battery in ("touchpoints", "importance"):
        columns = [k for k, item in enumerate(items) if item.battery == battery]
        if columns:
            # The one number ticked all along is how the first question of the battery was answered.
            table[:, columns] = np.where(straight[:, None], table[:, columns[:1]], table[:, columns])
    for k, item in enumerate(items):
        if item.item != "attention":
            table[luck.of(Purpose.MISSING + item.code, ids) < survey.missing, k] = np.nan
    return table, inattentive | straight


def _hasty(survey: Survey, luck: _Luck, ids: Any) -> tuple[Mask, Mask]:
    """Who fails the attention check, and who ticks one column."""
    inattentive = luck.of(Purpose.ATTENTION, ids) < survey.inattentive
    return inattentive, luck.of(Purpose.STRAIGHT, ids) < survey.straight


def _halo(survey: Survey, luck: _Luck, ids: Any) -> Floats:
    """The general attitude of each, points."""
    spread = PERCEPTION_SD * math.sqrt(survey.halo / (1 - survey.halo))
    return spread * luck.normal(Purpose.HALO, ids)


def _on_scale(points: Floats, skew: float, low: int, high: int) -> Floats:
    """Points as a tick on a scale from `low` to `high`, each step as wide as any other."""
    share = np.clip(points / 100.0, 0.0, 1.0)
    share = 1.0 - (1.0 - share) ** skew
    return low + np.rint((high - low) * share)


# -- surveys of a run ------------------------------------------------------------------------------


class SurveyData(NamedTuple):
    """All waves of the surveys of a run, as the tables of the customer database.

    - `waves`: wave (number from 0, by month) and the columns of `Wave.wave`
    - `items`: survey, item, construct, touchpoint, low, high, english, chinese
    - `sample`: wave and the columns of `Wave.sample`
    - `answers`: wave, customer, item, answer
    - `truth`: wave and the columns of `Wave.truth`
    """

    waves: pd.DataFrame
    items: pd.DataFrame
    sample: pd.DataFrame
    answers: pd.DataFrame
    truth: pd.DataFrame

    def wide(self, wave: int | None = None) -> pd.DataFrame:
        """Answers with a row a respondent and a column an item, indexed by wave and customer; of one
        wave, by customer."""
        chosen = self.answers if wave is None else self.answers[self.answers["wave"] == wave]
        table = chosen.pivot(index=["wave", "customer"], columns="item", values="answer")
        order = [name for name in dict.fromkeys(self.items["item"]) if name in table]
        table = table[order].astype(float)
        table.columns.name = None
        return table if wave is None else table.droplevel("wave")


def run_surveys(run: Run, surveys: Survey | Iterable[Survey]) -> SurveyData:
    """Take surveys of a run's customers; the run is repeated with the same luck.

    Raises ScenarioError when a survey cannot be taken of this run: a month it does not have, two
    surveys of one name, leavers where a firm cannot see who left.
    """
    chosen = [surveys] if isinstance(surveys, Survey) else list(surveys)
    _check(run, chosen)
    waves: list[Wave] = []
    if chosen:
        from .engine import simulate

        taker = _Taker(run, chosen)
        (run._again or simulate)(
            run.scenario,
            run.policies,
            run.key.seed,
            replication=run.key.replication,
            rules=run.rules,
            progress=False,
            watch=taker,
        )
        waves = taker.waves
    return SurveyData(
        waves=_together([w.wave for w in waves], WAVE_COLUMNS),
        items=_items(run, chosen),
        sample=_together([w.sample for w in waves], SAMPLE_COLUMNS),
        answers=_together([w.answers for w in waves], ANSWER_COLUMNS),
        truth=_together([w.truth for w in waves], TRUTH_COLUMNS),
    )


WAVE_COLUMNS = (
    "survey", "month", "frame", "mode", "panel", "scale", "population", "asked", "reached", "completed",
)  # fmt: skip
SAMPLE_COLUMNS = ("customer", "stratum", "age", "weight", "outcome", "seconds")
ANSWER_COLUMNS = ("customer", "item", "answer")
TRUTH_COLUMNS = ("customer", "satisfaction", "chance", "halo", "straight", "inattentive")


def _together(frames: list[pd.DataFrame], columns: tuple[str, ...]) -> pd.DataFrame:
    if not frames:
        return pd.DataFrame(columns=pd.Index(["wave", *columns]))
    for number, frame in enumerate(frames):
        frame.insert(0, "wave", np.int32(number))
    return pd.concat(frames, ignore_index=True)


def _items(run: Run, surveys: list[Survey]) -> pd.DataFrame:
    columns = ["survey", *Item._fields]
    rows = [(s.name, *item) for s in surveys for item in questionnaire(s, run.scenario.touchpoints)]
    return pd.DataFrame(rows, columns=pd.Index(columns)).drop(columns=["battery", "code"])


def _check(run: Run, surveys: list[Survey]) -> None:
    errors = []
    last = run.scenario.population.months - 1
    if strange := [s for s in surveys if not isinstance(s, Survey)]:
        raise ScenarioError(
            [(repr(s), "is no Survey; make one with Survey(months=..., size=...)") for s in strange],
            "surveys",
        )
    names = [s.name for s in surveys]
    for s in surveys:
        if names.count(s.name) > 1:
            errors.append((s.name, f"{names.count(s.name)} surveys have this name; give each its own"))
        if s.months[-1] > last:
            errors.append((f"{s.name}.months", f"month {s.months[-1]} is beyond the run's last, {last}"))
        if s.frame == "leavers" and not run.scenario.purchase.contract:
            errors.append(
                (f"{s.name}.frame", "without contracts the firm cannot see who left; leavers cannot be asked")
            )
        if s.frame == "leavers" and s.panel:
            errors.append((f"{s.name}.panel", "leavers are asked once; they make no panel"))
    if errors:
        raise ScenarioError(list(dict.fromkeys(errors)), "surveys")


class _Taker:
    """An observer who takes the surveys of the month that has just ended."""

    def __init__(self, run: Run, surveys: list[Survey]) -> None:
        self.run, self.surveys = run, surveys
        self.waves: list[Wave] = []
        self.panels: dict[str, Any] = {}
        self.openness, self.manual, self.card = 1.0, 0.0, 0.0

    def __call__(self, month: int, world: WorldView) -> None:
        due = [s for s in self.surveys if month - 1 in s.months]
        if due:
            self.take(due, state_of(world, self.manual, self.card), month)
        # Of the month just begun, whose survey is taken when it has ended.
        self.openness = world.parameter("market.openness")
        self.manual = world.parameter("payment.manual_share")
        self.card = world.parameter("payment.card_share")

    def take(self, due: list[Survey], state: dict[str, Any], month: int) -> None:
        """The waves of the month before `month`."""
        for survey in due:
            panel = self.panels.get(survey.name)
            wave = take(
                state, survey, self.run.key, month - 1, self.run.scenario.touchpoints,
                openness=self.openness, panel=panel,
            )  # fmt: skip
            if survey.panel and panel is None:
                answered = wave.sample["outcome"] == "complete"
                self.panels[survey.name] = wave.sample.loc[answered, "customer"].to_numpy()
            self.waves.append(wave)


def state_of(world: WorldView, manual: float = 0.0, card: float = 0.0) -> dict[str, Any]:
    """The customers at the end of the month before `world.month` as `take` reads them; those who have
    joined since are left out.

    manual, card: shares of customers who paid by hand and by card in that month. With a service desk
    those who called the hotline in it have contacted the firm, else those who complained.
    """
    month, scenario = world.month - 1, world.scenario
    known = world.column("joined") <= month

    def of(name: str) -> np.ndarray:
        return world.column(name)[known]

    tenure = month - of("joined")
    draw = of("channel_draw")
    if scenario.service.desk == "none":
        contacted = of("last_complaint") == month
    else:
        contacted = world.happened("called")[known] > 0
    state: dict[str, Any] = {
        "id": world.ids[known],
        "perception": np.stack([world.perception(t.name)[known] for t in scenario.touchpoints], axis=1),
        "contacted": contacted,
        "source": _words(("initial", "won", "referred"), of("source")),
        "tenure": _words(("under 1 year", "1-2 years", "3 years or more"), np.digitize(tenure, [12, 36])),
        "usage": _words(("low", "middle", "high"), np.digitize(of("usage"), [0.8, 1.2])),
    }
    if scenario.purchase.contract:
        # as in `CustomerView.channel`
        code = (draw >= manual).astype(int) + (draw >= manual + card)
        state["channel"] = _words(("manual", "card", "debit"), code)
    if town := scenario.town:
        group = of("group").astype(int)
        parts = {"district": (town.districts, town.district), "segment": (town.segments, town.segment)}
        named = {name: _words(words, of_group[group]) for name, (words, of_group) in parts.items() if words}
        state |= named
        if len(named) == 2:
            state["group"] = named["district"] + "/" + named["segment"]
    plain = [name for name in COLUMNS if name not in ("id", "perception")]
    return state | {name: of(name) for name in (*plain, "left", "cause")}


def _words(words: tuple[str, ...], codes: Any) -> npt.NDArray[np.object_]:
    return np.array(words, dtype=object)[np.asarray(codes, dtype=int)]
