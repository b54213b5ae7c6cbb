"""Controls and worlds that several pages share: the industry, the policy, the firm's quality."""

from __future__ import annotations

from typing import Any

from ...plots.style import Language
from ...simulation.policies import policy
from ...simulation.scenario import Scenario
from ..controls import Choice, Number
from ..words import Pair
from .policy_lab import CONTRACT, POLICIES, PRESETS, policy_pair

QUALITY: dict[str, Pair] = {
    "label": ("Quality of every touchpoint", "各接触点质量"),
    "help": ("moves the level of all touchpoints together", "同时移动所有接触点的质量水平"),
    "strength": ("Strength of the policy", "策略力度"),
    "strength_help": (
        "spending against the usual; effects have diminishing returns; a call reaches more people",
        "相对通常支出；效果递减；电话挽留则覆盖更多客户",
    ),
}


def preset_choice(scenario: Scenario) -> Choice:
    """The industry: a preset, or the scenario a page was given."""
    options = [(name, (name.replace("_", " "), PRESETS.get(name, ""))) for name in Scenario.presets()]
    if scenario.name not in Scenario.presets():
        options.insert(0, (scenario.name, (scenario.name, "")))
    return Choice("preset", ("Industry", "行业"), options, scenario.name)


def policy_choice(scenario: Scenario, chosen: str) -> Choice:
    """The measures that can change something in this industry; where `chosen` cannot, another is first."""
    names = list(POLICIES)
    if not scenario.purchase.contract:
        names = [name for name in names if name not in CONTRACT]
    elif scenario.payment.cure >= policy("dunning").cure:
        # as many failed payments are cured already
        names.remove("dunning")
    if scenario.acquisition.imitation == 0:
        names.remove("referral_reward")
    if scenario.name == "water_utility":
        names.insert(0, "four_problems")
    if chosen not in names:
        chosen = "four_problems" if "four_problems" in names else "complaint_handling"
    return Choice("policy", ("Policy", "策略"), [(n, policy_pair(n)) for n in names], chosen)


def strength() -> Number:
    return Number(
        "strength", QUALITY["strength"], 1.0, 0.0, 4.0, 0.1, ("x the usual", "倍"), QUALITY["strength_help"]
    )


def policy_name_of(name: str) -> Pair:
    return policy_pair(name)


def make_policy(name: str, strength: float = 1.0) -> Any:
    """The policy with so much more or less spent on it than usual."""
    if name.startswith("retention_call"):
        return policy(f"{name},share={min(1.0, 0.05 * strength):.4f}")
    return policy(f"{name}:effort={strength:g}")


def quality() -> Number:
    """The level of all touchpoints, to be applied by `with_quality`."""
    return Number("quality", QUALITY["label"], 0, -10, 10, 0.5, ("points", "分"), QUALITY["help"])


def with_quality(world: Scenario, points: float) -> Scenario:
    """The world with every touchpoint's quality moved by so many points, within 0 to 100."""
    if not points:
        return world
    moved = {f"touchpoints__{t.name}__quality": min(100.0, max(0.0, t.quality + points))
             for t in world.touchpoints}  # fmt: skip
    return world.replace(**moved)


def scenario_name(scenario: Scenario, language: Language | str) -> str:
    """The industry's name in the reader's language, for a foot."""
    return PRESETS.get(scenario.name, scenario.name) if language == "zh" else scenario.name.replace("_", " ")
