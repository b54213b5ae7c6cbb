"""Figures of answers and of churn from tables worked out by hand: what they say, that they can be read."""

import re

import numpy as np
import pandas as pd
import pytest
from test_plots import assert_readable, texts

from crmsim import plots
from crmsim.analysis import churn, drivers, pls, satisfaction, value
from crmsim.plots import style


def gaps() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    expected = pd.DataFrame({name: rng.integers(6, 10, 200) for name in ("price", "staff", "shop")})
    got = expected.assign(price=expected["price"] - 2, shop=expected["shop"] + 1)
    return satisfaction.gap_scores(got, expected)


def waves() -> pd.DataFrame:
    answers = [
        pd.DataFrame({"wave": w, "customer": range(100), "item": "recommend", "answer": said})
        for w, said in enumerate(([9] * 50 + [7] * 30 + [2] * 20, [10] * 60 + [8] * 30 + [6] * 10))
    ]
    rated = [a.assign(item="satisfaction_1", answer=5 + np.arange(100) % 5) for a in answers]
    about = pd.DataFrame({"wave": [0, 1], "survey": "a", "month": [3, 9]})
    return satisfaction.by_wave(pd.concat(answers + rated), ["satisfaction_1"], waves=about)


def contrast() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "penalty": [-1.2, -0.3, -0.1], "reward": [0.1, 0.3, 0.8], "sure": [True, True, False],
            "kind": ["must_be", "one_dimensional", "attractive"],
        },
        index=["water", "bill", "app"],
    )  # fmt: skip


def spells() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    plan = np.repeat(["mini", "max"], 400)
    length = 1 + rng.geometric(np.where(plan == "mini", 0.06, 0.02))
    return pd.DataFrame(
        {"customer": range(800), "duration": np.minimum(length, 24), "left": length <= 24, "plan": plan}
        | {"cause": np.where(length <= 24, np.where(rng.random(800) < 0.6, "competitive", "natural"), None)}
    )


def loss() -> pd.DataFrame:
    people = pd.DataFrame({"value": [100.0, 50, 50], "hazard": [0.1, 0.2, 0.0], "plan": ["a", "b", "a"]})
    return churn.expected_loss(people, by="plan")


def silence() -> pd.DataFrame:
    gap = np.arange(1, 7)
    return pd.DataFrame(
        {"gap": gap, "precision": gap / 8, "recall": 1 - gap / 12, "alarm_rate": 0.6 / gap}
        | {"accuracy": [0.5, 0.6, 0.7, 0.9, 0.8, 0.7]}
    )


def chain() -> tuple[pd.DataFrame, np.ndarray]:
    """The example of Pfeifer & Carraway (2000)."""
    step, reward = value.recency_chain([0.3, 0.2, 0.15, 0.05], 40.0, 4.0)
    return step, value.markov_clv(step, reward, discount_rate=0.2)


def spend() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    frequency = rng.integers(1, 6, 900)
    amount = rng.gamma(6.25 * frequency) / rng.gamma(3.744, 1 / 15.44, 900) / frequency
    return value.spend_distribution(value.GammaGamma(6.25, 3.744, 15.44), frequency, amount)


BLOCKS = {"image": "abc", "quality": "def", "loyalty": "gh", "value": "i"}


def answers() -> pd.DataFrame:
    """Image and quality are one concept, loyalty is measured badly, value by one question."""
    rng = np.random.default_rng(5)
    one, two, three = rng.normal(size=(3, 500))
    true = {"image": one, "quality": one, "loyalty": 0.5 * two, "value": three}
    return pd.DataFrame({q: true[k] + 0.7 * rng.normal(size=500) for k, v in BLOCKS.items() for q in v})


FIGURES = {
    "chain": lambda **k: plots.markov_clv(*chain(), names={"former": "旧"}, **k),
    "spend": lambda **k: plots.spend_distribution(spend(), **k),
    "reliability": lambda **k: plots.reliability(pls.reliability(answers(), BLOCKS), **k),
    "htmt": lambda **k: plots.htmt(pls.htmt(answers(), BLOCKS), **k),
    "gaps": lambda **k: plots.gap_bars(gaps(), **k),
    "recommendation": lambda **k: plots.recommendation_by_wave(waves(), **k),
    "contrast": lambda **k: plots.penalty_reward_bars(contrast(), **k),
    "weights": lambda **k: plots.pairwise_weights(
        drivers.ahp([[1, 3, 5], [1 / 3, 1, 2], [1 / 5, 1 / 2, 1]], ["water", "bill", "app"]), **k
    ),
    "ratios": lambda **k: plots.hazard_ratios(churn.hazard_ratios(spells(), "plan", baseline="max"), **k),
    "loss": lambda **k: plots.expected_loss(loss(), **k),
    "prevent": lambda **k: plots.survival_without(churn.survival_without(spells(), "competitive"), **k),
    "silence": lambda **k: plots.silence_rule(silence(), **k),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FIGURES)
def test_figures_can_be_read(name, monkeypatch):
    ax = FIGURES[name](note="by hand")
    assert_readable(ax.get_figure())
    assert min(t.get_fontsize() * ax.get_figure().dpi / 72 for t in texts(ax.get_figure())) >= 14  # pixels
    assert any(t.get_text() == "by hand" for t in texts(ax.get_figure()))
    assert plots.words(ax).endswith(".") and "nan" not in plots.words(ax)
    assert FIGURES[name](title="Mine").get_title(loc="left") == "Mine"
    monkeypatch.setattr(style, "chinese_font", lambda: "DejaVu Sans")
    zh = FIGURES[name](language="zh")
    words = plots.words(zh) + zh.get_title(loc="left") + zh.get_xlabel() + zh.get_ylabel()
    known = {"gamma", "price", "staff", "shop", "water", "bill", "app", "mini", "max"}
    assert set(re.findall("[a-z]{3,}", words)) <= known


def title(ax) -> str:
    return ax.get_title(loc="left").replace("\n", " ")


def test_gaps_are_those_of_the_table():
    table = gaps()
    ax = plots.gap_bars(table)
    assert title(ax) == "Price falls furthest short: by 2.0 points"
    assert [t.get_text() for t in ax.get_yticklabels()] == ["price", "staff", "shop"]
    assert title(plots.gap_bars(table.drop(index="price"))) == "Nothing surely falls short"
    with pytest.raises(ValueError, match="column 'gap' is missing"):
        plots.gap_bars(table.drop(columns="gap"))


def test_the_score_is_promoters_less_detractors():
    table = waves()
    assert table["promoters"].tolist() == [0.5, 0.6] and table["detractors"].tolist() == [0.2, 0.1]
    assert table["nps"].tolist() == pytest.approx([30, 50])
    ax = plots.recommendation_by_wave(table)
    assert title(ax) == "60 % would recommend, 10 % would not: net promoter score +50"
    assert [bar.get_width() for bar in ax.patches] == pytest.approx([20, 10, 30, 30, 50, 60])
    with pytest.raises(ValueError, match="no wave asked"):
        plots.recommendation_by_wave(table.assign(nps=np.nan))


def test_penalty_and_reward_have_the_colour_of_what_is_sure():
    ax = plots.penalty_reward_bars(contrast())
    assert title(ax) == "Water costs most when bad (\N{MINUS SIGN}1.20), app wins most when good (+0.80)"
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["must-be", "not sure", "one-dimensional"]


def test_weights_say_whether_judgements_agree():
    odd = drivers.ahp([[1, 9, 1 / 9], [1 / 9, 1, 9], [9, 1 / 9, 1]], list("abc"))
    assert "judgements contradict one another" in title(plots.pairwise_weights(odd))
    assert "judgements are consistent" in title(FIGURES["weights"]())


def test_ratios_are_drawn_against_the_baseline():
    found = churn.hazard_ratios(spells(), "plan", baseline="max")
    ratio = found.table.set_index("plan").loc["mini", "hazard_ratio"]
    ax = plots.hazard_ratios(found)
    assert title(ax) == f"Mini leave {ratio:.1f} times as often as the baseline (max)"
    assert ax.collections[1].get_offsets()[0][0] == pytest.approx(ratio)
    with pytest.raises(ValueError, match="only a baseline"):
        plots.hazard_ratios(found.table[found.table["plan"] == "max"])


def test_loss_and_value_by_group():
    ax = plots.expected_loss(loss())
    assert title(ax) == "B: 50 % of the expected loss, 25 % of the value"
    table = churn.survival_without(spells(), "competitive")
    gained = 100 * table["gained"].iloc[-1]
    assert title(plots.survival_without(table)).startswith(f"At most {gained:.0f} % of the customers more")
    assert title(plots.silence_rule(silence())) == "A rule of 4 months is right most often: 90 % of verdicts"


def test_the_chain_shows_where_contacts_no_longer_pay():
    step, worth = chain()
    ax = plots.markov_clv(step, worth, currency="USD")
    # the lifetime values that Pfeifer & Carraway print
    assert worth == pytest.approx([52.320, 5.554, 1.251, -1.820, 0], abs=0.001)
    assert title(ax) == "Lifetime value runs from \N{MINUS SIGN}1.8 USD in state 4 to 52.3 USD in state 1"
    assert [t.get_text() for t in ax.texts[:8]] == ["30", "70", "20", "80", "15", "85", "5", "95"]
    wide = np.array([bar.get_width() for bar in ax.patches])
    assert wide / wide[0] == pytest.approx(worth / worth[0])
    with pytest.raises(ValueError, match="4 values for 5 states"):
        plots.markov_clv(step, worth[:4])
    with pytest.raises(ValueError, match="square table"):
        plots.markov_clv(step.iloc[:2], worth[:2])


def test_spend_of_the_model_beside_the_observed():
    table = spend()
    ax = plots.spend_distribution(table)
    heights = np.array([bar.get_height() for bar in ax.patches])
    assert heights == pytest.approx(100 * table["observed"] / 900)
    assert heights.sum() == pytest.approx(100)
    line = ax.get_lines()[0].get_ydata()
    assert line == pytest.approx(100 * table["fitted"] / 900)
    off = np.abs(heights - line).sum() / 2
    assert f"{off:.1f} %" in title(ax) and off < 8  # the truth fits its own sample


def test_what_is_measured_badly_and_not_told_apart_is_named():
    ax = plots.reliability(pls.reliability(answers(), BLOCKS))
    assert title(ax) == "Below the usual limits (alpha and CR .7, AVE .5): loyalty (alpha)"
    assert [t.get_text() for t in ax.get_yticklabels()] == ["image", "quality", "loyalty"]
    ratios = pls.htmt(answers(), BLOCKS)
    assert title(plots.htmt(ratios)) == "Hardly told apart, ratio at or above 0.9: image and quality"
    lower = ratios.drop(index="quality", columns="quality")
    assert title(plots.htmt(lower)).startswith("All concepts are told apart: the highest ratio is ")
    with pytest.raises(ValueError, match="at least two concepts"):
        plots.htmt(ratios.iloc[:1])
    with pytest.raises(ValueError, match="no concept has more than one question"):
        plots.reliability(pls.reliability(answers(), {"a": "a", "b": "b"}))
