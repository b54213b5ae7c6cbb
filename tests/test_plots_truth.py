"""Figures of power, individual effects, estimators and spill-over: what they say is what the table holds."""

import numpy as np
import pandas as pd
import pytest

from crmsim import plots
from crmsim.research.trials import ESTIMATORS

LANGUAGES = pytest.mark.parametrize("language", ["en", "zh"])


def powers() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "customers": [100, 200, 400] * 2,
            "effect": [-0.1] * 3 + [-0.02] * 3,
            "power": [0.6, 0.8, 0.9, 0.1, 0.2, 0.3],
        }
    )


def report() -> pd.DataFrame:
    bias = np.array([0.001, 0.03, 0.06, -0.002])
    return pd.DataFrame(
        {"bias": bias, "bias_low": bias - 0.01, "bias_high": bias + 0.01, "spread": 0.02, "coverage": 0.9,
         "replications": 40},
        index=pd.Index(ESTIMATORS, name="estimator"),
    )  # fmt: skip


def spill() -> pd.DataFrame:
    channels = ["direct", "queue", "word_of_mouth", "budget", "rest", "total"]
    sums = {"treated": [5, 1, 0, 0, 0, 6], "untreated": [2, -1, 0, -3, 0, -2]}
    rows = [
        {"measure": "saved", "group": g, "channel": c, "effect": v, "low": v - 1, "high": v + 1}
        for g, values in sums.items()
        for c, v in zip(channels, values, strict=True)
    ]
    return pd.DataFrame(rows)


def test_power_is_read_off_where_the_curve_crosses():
    ax = plots.power_curve(powers())
    assert ax.get_title(loc="left").replace("\n", " ") == (
        "An effect of −0.1 takes 200 customers for a power of 80 %"
    )
    assert "effect −0.02: 10 % with 100 customers, 30 % with 400" in plots.words(ax)
    weak = powers().query("effect == -0.02")
    assert "No effect reaches" in plots.power_curve(weak).get_title(loc="left")


def test_individual_effects_are_counted():
    table = pd.DataFrame({"expected_saves": [0.02, -0.01, 0.0, 0.03], "months_gained": [1.0, 1, 1, -1]})
    ax = plots.individual_effects(table)
    assert ax.get_title(loc="left").replace("\n", " ") == (
        "50 % of the customers gain, 25 % lose, the mean is +1.00"
    )
    assert "from −1.00 to +3.00" in plots.words(ax)
    months = plots.individual_effects(table, effect="months_gained")
    assert "75 % of the customers gain" in months.get_title(loc="left")


def test_the_worst_and_the_best_estimator_are_named():
    ax = plots.estimators(report())
    title = ax.get_title(loc="left").replace("\n", " ")
    assert title == "As treated is off by +6.0 percentage points, intention to treat by +0.10"
    assert "per protocol +3.0 [+2.0, +4.0]" in plots.words(ax)


def test_channels_without_effect_are_left_out():
    ax = plots.spill_over(spill(), measure="saved")
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == ["direct", "through the queue", "through the budget", "total"]
    title = ax.get_title(loc="left").replace("\n", " ")
    assert title == "Those without an offer: −2.0 in all; largest part −3.0, through the budget"


@LANGUAGES
def test_each_is_drawn_in_both_languages(language, tmp_path):
    effects = pd.DataFrame({"expected_saves": [0.02, -0.01]})
    for k, ax in enumerate(
        [
            plots.power_curve(powers(), language=language),
            plots.individual_effects(effects, language=language),
            plots.estimators(report(), language=language),
            plots.spill_over(spill(), measure="saved", language=language),
        ]
    ):
        picture, _ = plots.save_figure(ax.figure, tmp_path / f"{k}")
        assert picture.stat().st_size > 10_000


def test_wrong_tables_are_refused():
    with pytest.raises(ValueError, match="power_curve: column 'power' is missing"):
        plots.power_curve(powers().drop(columns="power"))
    with pytest.raises(ValueError, match="no measure 'kept'; there are saved"):
        plots.spill_over(spill(), measure="kept")
