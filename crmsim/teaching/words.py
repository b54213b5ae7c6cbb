"""Words of the pages in two languages.

A `Pair` is (English, Chinese). Names of parameters, policies and units are in `names.py`.
"""

from __future__ import annotations

from typing import Any

from ..simulation.scenario import Scenario
from ..vocabulary import Measure, Term
from .names import (
    DISTRICT,
    DISTURBANCE,
    PARAMETERS,
    POLICIES,
    PRESETS,
    SEGMENT,
    SETTINGS,
    TIER,
    TOUCHPOINT,
    UNITS,
    Name,
)

Pair = tuple[str, str]

LANGUAGES = ("en", "zh")

TEXT: dict[str, Pair] = {
    "run": ("Run", "运行"),
    "stop": ("Stop", "停止"),
    "reset": ("Reset", "复原"),
    "language": ("中文", "English"),
    "working": ("working …", "正在计算……"),
    "ready": ("ready", "就绪"),
    "stopped": ("stopped; the picture shows what was there before", "已停止；图中仍是之前的结果"),
    "same_luck": ("same luck", "相同的运气"),
    "same_luck_help": (
        "both worlds draw the same random numbers for every customer, so every difference is the policy's",
        "两个世界中每位客户抽到同样的随机数，差异全部来自策略",
    ),
    "play": ("play through the months", "逐月播放"),
    "error": ("This cannot be shown", "无法显示"),
    "unexpected": (
        "Something went wrong in the page itself; the last working picture stays",
        "页面自身出错；仍显示上一次的结果",
    ),
}


def pick(pair: Pair | str, language: str) -> str:
    """The words in the language wanted; English where there are no Chinese ones."""
    if isinstance(pair, str):
        return pair
    return (pair[1] or pair[0]) if language == "zh" else pair[0]


def say(key: str, language: str, **values: Any) -> str:
    """One of the words all pages share."""
    return pick(TEXT[key], language).format(**values)


def term(word: Term, language: str) -> str:
    """A term of the vocabulary: in English with the Chinese beside it, in Chinese alone."""
    return word.chinese if language == "zh" else word.label("both")


def both(word: Term) -> Pair:
    return word.label("both"), word.chinese


def parameter_words(name: str, meaning: str, scenario: Scenario) -> tuple[Pair, Pair]:
    """Label and help of a scenario's parameter."""
    section, _, rest = name.partition(".")
    place, _, number = rest.rpartition(".")
    if section in ("touchpoints", "disturbances", "districts", "segments") or place.startswith("tiers."):
        # one of several: which one comes before its number
        plain = Name(number.replace("_", " "), "", "")
        if section == "touchpoints":
            chinese = next((t.chinese for t in scenario.touchpoints if t.name == place), "") or place
            found = TOUCHPOINT.get(number, plain)
        elif section == "disturbances":
            chinese = next((d.chinese for d in scenario.disturbances if d.kind == place), "") or place
            found = DISTURBANCE.get(number, plain)
        elif section in ("districts", "segments"):
            part = next((p for p in getattr(scenario, section) if p.name == place), None)
            chinese, place = (part.chinese or place, part.words) if part else (place, place)
            found = (DISTRICT if section == "districts" else SEGMENT).get(number, plain)
        else:
            step = int(place.partition(".")[2]) + 1
            place, chinese, found = f"step {step}", f"第{step}阶梯", TIER.get(number, plain)
        english = f"{place.replace('_', ' ').capitalize()}: {found.english}"
        return (english, f"{chinese}：{found.chinese}" if found.chinese else ""), (meaning, found.help)
    found = PARAMETERS.get(name, Name(rest.replace("_", " ").capitalize(), "", ""))
    return (found.english, found.chinese), (meaning, found.help)


def policy_words(policy: str, number: str, meaning: str) -> tuple[Pair, Pair]:
    """Label and help of a policy's setting."""
    plain = Name(number.replace("_", " "), "", "")
    found = SETTINGS.get(f"{policy}.{number}", SETTINGS.get(number, plain))
    name = policy_name(policy)
    english = f"{name[0][:1].upper()}{name[0][1:]}: {found.english}"
    label = f"{name[1]}：{found.chinese}" if found.chinese and name[1] else found.chinese
    return (english, label), (meaning, found.help)


def policy_name(policy: str) -> Pair:
    """A policy's name in both languages."""
    return POLICIES.get(policy, (policy.replace("_", " "), ""))


def scenario_words(name: str) -> Pair:
    """A preset's name in both languages; a scenario of the reader's own has the name it was given."""
    return PRESETS.get(name, (name, ""))


def unit_words(unit: str, language: str, currency: str = "") -> str:
    """A unit as declared, or its Chinese; money in the scenario's currency."""
    if unit == "x population.size":
        unit = unit if language == "zh" else "x the customers"
    chinese = UNITS.get(unit, unit)
    if currency:
        unit, chinese = unit.replace("money", currency), chinese.replace("货币单位", currency)
    return chinese if language == "zh" else unit


def measure_name(measure: Measure) -> Pair:
    return both(measure)
