"""The pages of the course by name. Each is a module with one `Page`; it is imported when shown."""

from __future__ import annotations

import difflib
import importlib
from typing import Any

# name -> module and class
PAGES: dict[str, tuple[str, str]] = {
    "policy-lab": ("policy_lab", "PolicyLab"),
    "two-lives": ("two_lives", "TwoLivesPage"),
    "population": ("population", "Population"),
    "layer-tower": ("layer_tower", "LayerTower"),
    "ladder": ("ladder", "Ladder"),
    "churn": ("churn", "WhyTheyLeave"),
    "market": ("market", "MarketOpens"),
    "complaints": ("complaints", "ComplaintTree"),
    "service-desk": ("service_desk", "ServiceDesk"),
    "rfm": ("rfm", "RfmCube"),
    "abc": ("abc", "AbcLorenz"),
    "ratios": ("ratios", "RatioTable"),
    "survey": ("survey", "SurveyDesk"),
    "ipa": ("ipa", "ImportancePerformance"),
    "path-diagram": ("path_diagram", "PathDiagram"),
    "targeting": ("targeting", "TargetingGame"),
    "equity": ("equity", "EquityBudget"),
    "pdca": ("pdca", "PdcaBoard"),
    "ahp": ("ahp", "IndicatorTree"),
    "loyalty-matrix": ("loyalty_matrix", "LoyaltyMatrix"),
    "water": ("water", "WaterCase"),
}


def page_class(name: str) -> Any:
    """The class of a page. Raises ValueError for an unknown name, ImportError without the extra."""
    key = name.strip().lower().replace("_", "-")
    if key not in PAGES:
        near = difflib.get_close_matches(key, PAGES, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(PAGES)}"
        raise ValueError(f"no page {name!r}; {hint}")
    module, kind = PAGES[key]
    try:
        return getattr(importlib.import_module(f".{module}", __name__), kind)
    except ModuleNotFoundError as error:
        if error.name and error.name.split(".")[0] in ("ipywidgets", "anywidget", "traitlets"):
            raise ImportError('pages need more packages: pip install "crmsim[course]"') from error
        raise


def show(name: str, scenario: Any = None, **settings: Any) -> Any:
    """A page of the course, to be shown as a cell's last value: `show("policy-lab")`.

    scenario: a preset's name, a file or a Scenario in place of the page's own. settings: `language`
    ("en" or "zh"), `seed`, `customers`, `months`, and controls by name with two underscores for the
    dot. Raises ValueError for an unknown page or control, ImportError without the extra `course`.
    """
    return page_class(name)(scenario, **settings)
