"""Controls and worlds that several pages share: the industry, the policy, the firm's quality."""

from __future__ import annotations

from typing import Any

from ...simulation.policies import LIBRARY, PolicyError, policy
from ...simulation.scenario import Scenario
from ..controls import Choice, Number
from ..page import Page
from ..words import Pair, policy_name, scenario_words

# the measures a lecture begins with: those that need a contract, and those that need a service desk,
# are offered where there is one
POLICIES = (
    "dunning", "payment_channels", "complaint_handling", "encourage_complaints", "quality_control",
    "fault_reduction", "service_quality", "personalisation", "delight", "simplify", "staff_skill",
    "price_cut", "switching_contract", "loyalty_programme", "referral_reward",
    "retention_call:target=risk", "retention_call:target=value", "retention_call:target=uplift",
    "retention_call:target=random",
)  # fmt: skip
CONTRACT = ("dunning", "payment_channels")
DESK = (
    "four_problems", "notices_by_sms", "train_agents", "hire_agents", "self_service", "extend_hours",
    "raise_crews",
)  # fmt: skip
TARGET = {
    "risk": ("risk", "风险"),
    "value": ("value", "价值"),
    "uplift": ("uplift", "增益"),
    "random": ("chance", "随机"),
}

QUALITY: dict[str, Pair] = {
    "label": ("Quality of every touchpoint", "各接触点质量"),
    "help": ("moves the level of all touchpoints together", "同时移动所有接触点的质量水平"),
    "strength": ("Strength of the policy", "策略力度"),
    "strength_help": (
        "spending; effects have diminishing returns, a call reaches more people",
        "支出的倍数；效果递减，电话挽留则覆盖更多客户",
    ),
}


def preset_choice(page: Page, label: Pair = ("Industry", "行业")) -> Choice:
    """The industry: a preset, or the scenario the page was given."""
    names = list(Scenario.presets())
    if page.given.name not in names:
        names.insert(0, page.given.name)
    return Choice("preset", label, [(name, scenario_words(name)) for name in names], page.scenario.name)


def policy_choice(scenario: Scenario, chosen: str, label: Pair = ("Policy", "策略")) -> Choice:
    """The measures that can change something in this industry; where `chosen` cannot, another is chosen."""
    names = list(POLICIES)
    if not scenario.purchase.contract:
        names = [name for name in names if name not in CONTRACT]
    elif scenario.payment.cure >= policy("dunning").cure:
        # as many failed payments are cured already
        names.remove("dunning")
    if scenario.acquisition.imitation == 0:
        names.remove("referral_reward")
    if scenario.service.desk != "none" and _fits("four_problems", scenario):
        names = [*DESK, *names]
    if chosen not in names:
        chosen = "four_problems" if "four_problems" in names else "complaint_handling"
    return Choice("policy", label, [(n, policy_pair(n)) for n in names], chosen)


def _fits(name: str, scenario: Scenario) -> bool:
    """Whether the scenario has what the policy moves."""
    try:
        policy(name).check(scenario)
    except PolicyError:
        return False
    return True


def policy_pair(name: str) -> Pair:
    """The name of a measure in both languages, with whom it is aimed at."""
    kind, _, rest = name.partition(":target=")
    english, chinese = policy_name(kind)
    if rest:
        by = TARGET[rest]
        return f"{english} by {by[0]}", f"{chinese}（按{by[1]}）" if chinese else ""
    assert kind in LIBRARY
    return english, chinese


def strength() -> Number:
    return Number(
        "strength", QUALITY["strength"], 1.0, 0.0, 4.0, 0.1, ("x the usual", "倍"), QUALITY["strength_help"]
    )


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
