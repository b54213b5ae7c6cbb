"""Figures: tables in, axes out.

Every function draws on `ax` if one is given, else on a figure of its own, 1280 pixels wide, which
pyplot does not know of; a notebook shows it when the axes are a cell's last value. `language` is
"en" or "zh"; where no Chinese font is installed the words are English, and the foot says so.
`words(ax)` is a sentence that says what the figure shows; `save_figure` writes it along.

Words shared by all functions here: `ax` or `axes`, where to draw; `note`, a text for the foot, such as
scenario, seed and customers; `title`, in place of the one that says what is found; `currency`, the unit
written at money, none by default; `names`, key -> word to show in its place; `language`, see above. Each
returns its axes, or an array of them where it draws several. ValueError for a table that is empty or lacks
a column, another language, or another number of axes than are drawn.

Colours, fonts and the page are in `style.py`, figures in one module for each topic; all public
names are reachable here, and imported when first used.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    "answers": ("gap_bars", "pairwise_weights", "penalty_reward_bars", "recommendation_by_wave"),
    "benchmark": ("method_intervals", "training_and_holdout"),
    "churn": (
        "cohort_matrix", "expected_loss", "hazard_by_tenure", "hazard_ratios", "incidence_by_cause",
        "silence_rule", "stated_causes", "survival_curves", "survival_without",
    ),
    "control": ("control_chart", "project_effects"),
    "loyalty": (
        "ceiling", "loyalty_layers", "loyalty_types", "satisfaction_loyalty", "standards_and_churn",
    ),
    "measurement": ("htmt", "reliability"),
    "methods": ("method_grades",),
    "moments": ("estimates_in_bounds", "predicted_moments"),
    "opening": ("market_opening",),
    "portfolio": (
        "abc_curve", "margin_turnover", "response_by_cell", "rfm_cube", "sales_mix_bars", "tier_flows",
    ),
    "sales": (
        "composition_bars", "contribution_ranks", "response_by_score", "sales_over_time", "target_bars",
    ),
    "satisfaction": (
        "driver_importance", "importance_performance", "index_by_wave", "kano", "path_diagram",
    ),
    "sensitivity": ("elementary_effects", "influence_bars", "interaction_matrix", "tornado_bars"),
    "style": (
        "CAUSE_COLOURS", "GREY", "LAYER_COLOURS", "LIGHT", "OKABE_ITO", "POLICY_COLOURS", "chinese_font",
        "save_figure", "words",
    ),
    "truth": ("estimators", "individual_effects", "power_curve", "spill_over"),
    "targeting": (
        "calibration", "lift_curve", "offer_response", "profit_curves", "report_card", "uplift_curves",
    ),
    "value": (
        "equity_waterfall", "forecast_by_group", "markov_clv", "purchase_tracking", "purchases_by_period",
        "spend_distribution", "value_parts",
    ),
    "world": (
        "churn_by_cause", "customers_kept", "facts", "money", "policy_effects", "service_month",
        "service_years", "survival", "two_lives", "waits",
    ),
}  # fmt: skip
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'crmsim.plots' has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
