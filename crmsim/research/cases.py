"""Projects that a firm of a preset could choose from, for rounds of plan, do, check, act.

What they do and cost is assumed: no source gives it. Costs of the water utility are in 100,000 of its
currency and made so that half a year of each comes to those of the case (6, 5, 2, 1.5, 0.6, 3 and 12, against
a budget of 10 a round); its sizes are those the case names (turbid water less by 40 %, errors on bills
halved), one agent and one crew more, and ten points where a way of serving is rebuilt.
"""

from __future__ import annotations

from ..simulation.scenario import Scenario
from .pdca import Project

__all__ = ["PROJECTS", "projects"]

PROJECTS: dict[str, tuple[Project, ...]] = {
    "water_utility": (
        Project("mains", "fault_reduction:touchpoint=water_quality,factor=0.6", 4.8, 0.2, "water_quality",
                "冲洗管网", "Flush mains"),
        Project("meters", "fault_reduction:touchpoint=billing,factor=0.5", 4.4, 0.1, "billing",
                "水表与账单核查", "Meters, audit"),
        Project("hotline", ["hire_agents:agents=1", "train_agents"], 0.8, 0.2, "service",
                "热线扩容与培训", "Hotline"),
        Project("payment", ["payment_channels", "quality_control:touchpoint=payment,points=10"], 1.2, 0.05,
                "payment", "缴费渠道", "Ways to pay"),
        Project("notices", ["notices_by_sms", "quality_control:touchpoint=communication,points=10"], 0.3,
                0.05, "communication", "短信通知与公告", "Notices"),
        Project("crews", "raise_crews:crews=1", 0.0, 0.5, "supply", "抢修队伍", "Repair crew"),
        Project("price", "price_cut:share=0.05", 0.0, 2.0, "price", "降价5%", "Price cut 5 %"),
    ),
    "retail": (
        Project("goods", "quality_control:touchpoint=product,points=4", 3.0, 0.2, "product",
                "商品质量", "Better goods"),
        Project("staff", "quality_control:touchpoint=staff,points=4", 0.8, 0.1, "staff", "店员培训",
                "Train staff"),
        Project("checkout", "fault_reduction:touchpoint=checkout,factor=0.5", 1.5, 0.05, "checkout",
                "快速结账", "Faster checkout"),
        Project("returns", ["complaint_handling", "quality_control:touchpoint=returns,points=6"], 0.4, 0.1,
                "returns", "便捷退换", "Easy returns"),
        Project("brand", "quality_control:touchpoint=brand,points=6", 1.0, 0.1, "brand", "公益活动",
                "Good deeds"),
        Project("price", "price_cut:share=0.05", 0.0, 1.0, "price", "降价5%", "Price cut 5 %"),
    ),
}  # fmt: skip


def projects(scenario: Scenario | str) -> tuple[Project, ...]:
    """The projects of a preset; for a scenario of the reader's own, or one whose touchpoints are others, a
    better way of serving at each of its first eight touchpoints. Raises ScenarioError for an unknown name."""
    world = Scenario.from_name(scenario)
    known = PROJECTS.get(world.name, ())
    if known and {p.touchpoint for p in known} <= {t.name for t in world.touchpoints}:
        return known
    return tuple(
        Project(t.name, f"quality_control:touchpoint={t.name},points=5", 0.5 + 10 * t.weight, 0.1, t.name,
                f"改进{t.chinese or t.name}", f"Better {t.name.replace('_', ' ')}")
        for t in world.touchpoints[:8]
    )  # fmt: skip
