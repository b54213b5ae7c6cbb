"""Words of the pages in two languages.

A `Pair` is (English, Chinese). Names of parameters and policies are in `chinese.py`.
"""

from __future__ import annotations

from typing import Any

from ..simulation.scenario import Scenario
from ..vocabulary import Measure, Term

Pair = tuple[str, str]

LANGUAGES = ("en", "zh")
# units of parameters and policies, as declared
UNITS: dict[str, str] = {}

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
    from .chinese import PARAMETERS, TOUCHPOINT

    section, _, rest = name.partition(".")
    if section == "touchpoints":
        place, _, number = rest.rpartition(".")
        chinese = next((t.chinese or t.name for t in scenario.touchpoints if t.name == place), place)
        label, help = TOUCHPOINT.get(number, ("", ""))
        english = f"{place.replace('_', ' ').capitalize()}: {number.replace('_', ' ')}"
        return (english, f"{chinese}：{label}" if label else ""), (meaning, help)
    label, help = PARAMETERS.get(name, ("", ""))
    english = rest.replace("_", " ").capitalize()
    return (english, label), (meaning, help)


def policy_words(policy: str, number: str, meaning: str) -> tuple[Pair, Pair]:
    """Label and help of a policy's number."""
    from .chinese import SETTINGS

    label, help = SETTINGS.get(f"{policy}.{number}", SETTINGS.get(number, ("", "")))
    name = policy_name(policy)
    english = f"{name[0].capitalize()}: {number.replace('_', ' ')}"
    return (english, f"{name[1]}：{label}" if label and name[1] else label), (meaning, help)


def policy_name(policy: str) -> Pair:
    """A policy's name in both languages."""
    from .chinese import POLICIES

    return policy.replace("_", " "), POLICIES.get(policy, "")


def measure_name(measure: Measure) -> Pair:
    return both(measure)
