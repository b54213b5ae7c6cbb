"""Figures: what they say, that nothing is clipped or overlaps, that the same figure gives the same bytes."""

import re
import subprocess
import sys
from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text

from crmsim import plots
from crmsim.plots import style, world
from crmsim.vocabulary import ChurnCause, LoyaltyLayer

NOTE = "subscription, seed 1, 10,000 customers"


def curve(rate: float, months: int = 24) -> pd.Series:
    return pd.Series((1 - rate) ** np.arange(months + 1), index=pd.RangeIndex(months + 1, name="month"))


def monthly(months: int = 24) -> pd.DataFrame:
    """As `Run.monthly`: of 1,000 customers at risk 6, 3, 2, 1 and 0 leave each month."""
    number = dict(zip(ChurnCause.keys(), (3, 6, 2, 1, 0), strict=True))
    return pd.DataFrame(
        {"at_risk": 1000.0, **{f"left_{cause}": float(n) for cause, n in number.items()}},
        index=pd.RangeIndex(months, name="month"),
    )


def many(policies: dict[str, float], replications: int = 20, scenario: str = "world") -> pd.DataFrame:
    """As `Experiment.monthly`: so many of 1,000 initial customers are kept at a rate a month."""
    frames = []
    for policy, rate in policies.items():
        mean = 1000 * (1 - rate) ** np.arange(1, 25)
        for measure, values in (("kept", mean), ("at_risk", np.r_[1000, mean[:-1]])):
            band = 10 if replications > 1 else np.nan
            frames.append(
                pd.DataFrame(
                    {"scenario": scenario, "policy": policy, "measure": measure, "month": range(24)}
                    | {"mean": values, "low": values - band, "high": values + band}
                    | {"replications": replications}
                )
            )
    return pd.concat(frames, ignore_index=True)


class Compared:
    """As `compare` gives it: effect, low, high by policy and measure, of 2,000 customers."""

    level, currency = 0.95, "EUR"

    def __init__(self, effects: dict[tuple[str, str], tuple[float, float, float]], scenario: str = "world"):
        self.table = pd.DataFrame(
            [
                {"scenario": scenario, "policy": policy, "baseline": "none", "measure": measure}
                | {"customers": 2000.0, "effect": e, "low": low, "high": high}
                for (policy, measure), (e, low, high) in effects.items()
            ]
        )

    def effect(self, measure, policy=None, scenario=None):
        rows = self.table[self.table["measure"] == measure]
        return rows[rows["policy"] == policy].iloc[0] if policy else rows.iloc[0]


@pytest.fixture
def compared() -> Compared:
    nan = np.nan
    return Compared(
        {
            ("dunning", "kept"): (40.0, 36.0, 44.0),
            ("retention_call:target=uplift,budget=2000", "kept"): (10.0, -2.0, 22.0),
            ("harm", "kept"): (-20.0, -24.0, -16.0),
            ("dunning", "equity"): (20_000.0, 18_000.0, 22_000.0),
            ("dunning", "gross_equity"): (70_000.0, nan, nan),
            ("dunning", "acquisition"): (-500.0, nan, nan),
            ("dunning", "cost"): (50_000.0, nan, nan),
            ("dunning", "return"): (0.4, 0.35, 0.45),
            ("harm", "return"): (-1.0, -1.0, -1.0),
            ("free", "return"): (nan, nan, nan),
            ("dunning", "left_fault"): (-3.0, -5.0, -1.0),
            ("hire", "wait"): (-113.6, -114.3, -112.8),
            ("notices", "wait"): (-2.6, -2.8, -2.4),
            ("hire", "solved_share"): (0.084, 0.083, 0.085),
            ("notices", "solved_share"): (0.003, 0.002, 0.004),
        }
    )


def life(
    months: int, leaves: int | None = None, cause: int = 2, offers: tuple[int, ...] = ()
) -> pd.DataFrame:
    """As one customer's rows of `Run.lives`, kept after leaving too."""
    month = np.arange(months)
    gone = month >= (months if leaves is None else leaves)
    table = pd.DataFrame(
        {
            "satisfaction": np.where(month < 10, 70.0, 60.0) + month % 3,
            "trust": 65.0,
            "layer": np.select([month < 8, month < 14], [0, 1], 3).astype(float),
            "active": (~gone).astype(float),
            "cause": np.where(gone, cause, 0).astype(float),
            "failed": (month == 9).astype(float),
            "complained": (month == 9).astype(float),
            "resolved": (month == 9).astype(float),
            "unpaid": (month == 4).astype(float),
            "cured": 1.0,
            "last_offer": -999.0,
        },
        index=pd.RangeIndex(months, name="month"),
    )
    for offer in offers:
        table.loc[offer:, "last_offer"] = float(offer)
    return table


def report() -> pd.DataFrame:
    inf = np.inf
    rows = [
        ("level of satisfaction", "water", 72.0, 70.0, 77.0, True, False),
        ("spread of satisfaction", "water", 19.0, 11.0, 18.0, False, True),
        ("far away", "retail", 900.0, 1.0, 2.0, False, False),
        ("at least", "retail", 0.3, 0.0, inf, True, False),
        ("at most", "retail", 0.3, -inf, 0.0, False, False),
        ("not measurable", "retail", np.nan, 0.0, 1.0, None, False),
    ]
    columns = ["name", "preset", "figure", "low", "high", "met", "fitted"]
    return pd.DataFrame(rows, columns=columns).assign(standard_error=0.1)


def contacts() -> pd.DataFrame:
    """As `Run.contacts()`: every day at 8:30, 9:15 and 9:45 a call that waits 0, 60 and 180 s, and on
    every tenth day one at 10:00 that gives up after 6 minutes and one at 20:00, when all have left."""
    rows = []
    for month in (0, 1):
        for day in range(30):
            for hour, kind, seconds in (
                (8.5, "service", 0.0),
                (9.25, "service", 60.0),
                (9.75, "service", 180.0),
                (10.0, "renege", 360.0),
                (20.0, "closed", 0.0),
            ):
                if kind == "service" or day % 10 == 0:
                    rows.append((month, kind, 24.0 * day + hour, seconds / 3600, False))
    columns = ["month", "record_type", "arrival_time", "waiting_time", "called_back"]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(record_type=table["record_type"].astype("category"))


def years(wait: float = 60.0, months: int = 24) -> pd.DataFrame:
    """As `Run.service` with satisfaction: 100 calls a month, 10 when closed, 9 abandoned."""
    row = {"calls": 100.0, "answered": 81.0, "turned_away": 10.0, "abandoned": 9.0, "utilisation": 0.5}
    index = pd.RangeIndex(months, name="month")
    table = pd.DataFrame({**row, "wait": wait, "satisfaction": 70.0}, index=index)
    table.loc[0, ["wait", "answered", "abandoned"]] = [wait + 23 * 10, 40.5, 49.5]
    return table


def figures(compared: Compared) -> dict:
    """One of each, by name."""
    kept = {
        "none": 0.020,
        "dunning": 0.018,
        "retention_call:target=uplift,budget=2000": 0.0181,
        "call": 0.0199,
    }
    return {
        "survival": lambda **k: plots.survival({"none": curve(0.02), "dunning": curve(0.018)}, **k),
        "survival of one": lambda **k: plots.survival({"none": curve(0.02)}, **k),
        "churn": lambda **k: plots.churn_by_cause(monthly(), **k),
        "kept": lambda **k: plots.customers_kept(many(kept), **k),
        "kept once": lambda **k: plots.customers_kept(many(kept, 1), **k),
        "effects": lambda **k: plots.policy_effects(compared, "kept", **k),
        "effects in money": lambda **k: plots.policy_effects(compared, "equity", **k),
        "effects in shares": lambda **k: plots.policy_effects(compared, "return", **k),
        "effects in seconds": lambda **k: plots.policy_effects(compared, "wait", **k),
        "effects in points": lambda **k: plots.policy_effects(compared, "solved_share", **k),
        "money": lambda **k: plots.money(compared, "dunning", **k),
        "facts": lambda **k: plots.facts(report(), **k),
        "waits": lambda **k: plots.waits(contacts(), **k),
    }


NAMES = list(figures(None))


def several(**options) -> dict:
    """The figures of more than one pair of axes, by name."""
    return {
        "lives": lambda **k: plots.two_lives(life(20), life(20, 15), **k),
        "month": lambda **k: plots.service_month(contacts(), **k),
        "years": lambda **k: plots.service_years(years(), **k),
        "years of two": lambda **k: plots.service_years({"none": years(), "hire": years(9.0)}, **k),
    }


def texts(figure) -> list[Text]:
    """What is written on a figure. Ticks outside the limits exist and are not drawn."""
    figure.draw_without_rendering()
    shown, ticks = set(), set()
    for ax in figure.axes:
        for axis in (ax.xaxis, ax.yaxis):
            ticks |= {label for tick in axis.get_major_ticks() for label in (tick.label1, tick.label2)}
            shown |= {tick.label1 for tick in axis._update_ticks()}
    found = figure.findobj(lambda a: isinstance(a, Text) and a.get_visible() and a.get_text().strip())
    return [text for text in found if text not in ticks or text in shown]


def assert_readable(figure) -> None:
    """No text leaves the picture, none lies on another."""
    found = texts(figure)
    boxes = [(t.get_text(), t.get_window_extent()) for t in found]
    for text, box in boxes:
        assert box.x0 >= -1 and box.y0 >= -1, text
        assert box.x1 <= figure.bbox.x1 + 1 and box.y1 <= figure.bbox.y1 + 1, text
    for (text, a), (other, b) in combinations(boxes, 2):
        over_x, over_y = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
        assert not (over_x > 2 and over_y > 4), (text, other)


def assert_complete(draw, note: str, known: set[str], monkeypatch) -> None:
    """A figure with its foot, words and title, on axes of its own or given, and in Chinese, where no Latin
    words but the known ones are left."""
    ax = draw(note=note)
    assert_readable(ax.get_figure())
    assert any(t.get_text().startswith(note) for t in texts(ax.get_figure()))
    title = ax.get_title(loc="left")
    assert title[0].isupper() or title[0].isdigit()
    assert plots.words(ax).endswith(".") and "nan" not in plots.words(ax)
    first, second = Figure(figsize=(12.8, 7.2), layout="constrained").subplots(1, 2)
    assert draw(ax=first, title="Mine").get_title(loc="left") == "Mine"
    assert not second.has_data()
    monkeypatch.setattr(style, "chinese_font", lambda: "DejaVu Sans")
    zh = draw(language="zh")
    words = plots.words(zh) + zh.get_title(loc="left") + zh.get_xlabel() + zh.get_ylabel()
    assert set(re.findall("[a-z]{3,}", words)) <= known


# --- all figures --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_clipped_or_overlaps(compared, name):
    ax = figures(compared)[name](note=NOTE)
    figure = ax.get_figure()
    assert figure.get_size_inches()[0] * figure.dpi == 1280
    assert_readable(figure)
    assert min(t.get_fontsize() * figure.dpi / 72 for t in texts(figure)) >= 14  # pixels


@pytest.mark.parametrize("name", NAMES)
def test_title_units_foot_and_words(compared, name):
    ax = figures(compared)[name](note=NOTE)
    title = ax.get_title(loc="left")
    assert title and title[0] == title[0].upper()
    assert any(t.get_text().startswith(NOTE) for t in texts(ax.get_figure()))
    sentence = plots.words(ax)
    assert sentence.endswith(".") and "nan" not in sentence and len(sentence) > 30
    mine = figures(compared)[name](title="My own title")
    assert mine.get_title(loc="left") == "My own title"


@pytest.mark.parametrize("name", NAMES)
def test_axes_of_ones_own_are_drawn_on(compared, name):
    figure = Figure(figsize=(12.8, 7.2), layout="constrained")
    first, second = figure.subplots(1, 2)
    ax = figures(compared)[name](ax=first, note="small")
    assert ax is first and not second.has_data()
    assert max(t.get_fontsize() for t in texts(figure) if t.axes is first) < 15  # fits the smaller axes


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_same_figure_gives_the_same_bytes(compared, name, tmp_path):
    written = []
    for folder in ("a", "b"):
        paths = plots.save_figure(figures(compared)[name](note=NOTE), tmp_path / folder / "figure")
        written.append([path.read_bytes() for path in paths])
    assert written[0] == written[1]
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["figure.png", "figure.svg"]
    assert not re.search(rb"\d{4}-\d\d-\d\dT|<dc:date>", written[0][1])
    sentence = plots.words(figures(compared)[name]())
    assert sentence.split(";")[0][:40].encode() in written[0][1]


@pytest.mark.parametrize("name", [*NAMES, *several()])
def test_chinese_words_where_there_is_a_font(compared, name, monkeypatch):
    """The words only: what is drawn would need such a font here."""
    monkeypatch.setattr(style, "chinese_font", lambda: "DejaVu Sans")
    if name in several():
        axes = several()[name](language="zh")
        figure, sentence = axes[0].get_figure(), plots.words(axes)
    else:
        ax = figures(compared)[name](language="zh")
        figure, sentence = ax.get_figure(), plots.words(ax)
    found = [t.get_text() for t in figure.findobj(Text)]
    assert re.search("[\u4e00-\u9fff]", sentence)
    latin = {
        "none",
        "dunning",
        "call",
        "harm",
        "hire",
        "notices",
        "free",
        "water",
        "retail",
        "EUR",
        "far",
        "away",
        "of",
    }
    latin |= {
        "retention",
        "call:target=uplift,budget",
        "level",
        "spread",
        "satisfaction",
        "at",
        "least",
        "most",
        "to",
    }
    for text in [*found, sentence]:
        if name != "facts":
            strange = set(re.findall("[a-z]{3,}", text)) - {w for x in latin for w in re.findall("[a-z]+", x)}
            assert not strange, text


@pytest.mark.slow
@pytest.mark.parametrize("name", several())
def test_figures_of_several_axes(name, tmp_path):
    axes = several()[name](note=NOTE)
    figure = axes[0].get_figure()
    assert figure.get_size_inches()[0] * figure.dpi == 1280
    assert_readable(figure)
    assert min(t.get_fontsize() * figure.dpi / 72 for t in texts(figure)) >= 14  # pixels
    assert [t.get_text() for t in texts(figure)].count(NOTE) == 1
    sentence = plots.words(axes)
    assert sentence.endswith(".") and "nan" not in sentence and len(sentence) > 30
    written = [plots.save_figure(several()[name](), tmp_path / k)[1].read_bytes() for k in "ab"]
    assert written[0] == written[1]
    own = Figure(figsize=(12.8, 12.8), layout="constrained")
    given = own.subplots(len(axes))
    assert (several()[name](axes=given, title="My own title") == given).all()
    assert given[0].get_title(loc="left") == "My own title"
    with pytest.raises(ValueError, match="axes are needed, not 1"):
        several()[name](axes=[own.axes[0]])


def test_without_a_chinese_font_the_words_are_english_and_the_foot_says_so(monkeypatch):
    monkeypatch.setattr(style, "chinese_font", lambda: None)
    ax = plots.survival({"none": curve(0.02)}, language="zh", note="mine")
    assert ax.get_xlabel() == "month"
    assert any("mine; no Chinese font is installed" in t.get_text() for t in texts(ax.get_figure()))


def test_the_best_installed_chinese_font_is_taken():
    assert style.find_font(["DejaVu Sans", "SimHei", "Noto Sans CJK JP", "Noto Sans CJK SC"]) == (
        "Noto Sans CJK SC"
    )
    assert style.find_font(["SimHei", "WenQuanYi Micro Hei"]) == "WenQuanYi Micro Hei"
    assert style.find_font(["DejaVu Sans"]) is None


@pytest.mark.skipif(style.chinese_font() is None, reason="no Chinese font is installed")
def test_chinese_names_are_drawn_in_an_english_figure(tmp_path, recwarn):
    """matplotlib warns of each letter that no font has."""
    ax = plots.survival({"基准": curve(0.02), "挽留电话": curve(0.018)}, note="某订阅服务")
    plots.save_figure(ax, tmp_path / "named")
    assert not [w for w in recwarn if "missing from" in str(w.message)]
    assert style.families("en")[0] == "DejaVu Sans"  # Latin letters look as they do without


def test_an_unknown_language_is_told():
    with pytest.raises(ValueError, match="language 'fr' is not known"):
        plots.survival({"none": curve(0.02)}, language="fr")


def test_no_figure_leaks_into_pyplot_and_importing_loads_no_matplotlib():
    code = """
import sys
import crmsim.plots as plots
assert "matplotlib" not in sys.modules and "seaborn" not in sys.modules
import matplotlib, pandas as pd
before = dict(matplotlib.rcParams)
plots.survival({"none": pd.Series([1.0, 0.9])})
assert "matplotlib.pyplot" not in sys.modules
assert dict(matplotlib.rcParams) == before
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_notebook_is_shown_the_picture():
    assert plots.survival({"none": curve(0.02)})._repr_png_().startswith(b"\x89PNG")


# --- one visual language --------------------------------------------------------------------------------


def luminance(colour: str) -> float:
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_colours_mean_one_thing():
    assert tuple(plots.CAUSE_COLOURS) == ChurnCause.keys()
    assert tuple(plots.LAYER_COLOURS) == LoyaltyLayer.keys()
    assert len({*plots.CAUSE_COLOURS.values(), *plots.LAYER_COLOURS.values()}) == 10
    ramp = [luminance(c) for c in plots.LAYER_COLOURS.values()]
    assert ramp == sorted(ramp, reverse=True)
    for colour in {*plots.CAUSE_COLOURS.values(), *plots.POLICY_COLOURS, plots.GREY}:
        assert 1.05 / (luminance(style.dark(colour)) + 0.05) >= 4.5, colour  # contrast on white


def test_labels_are_moved_apart_no_further_than_needed():
    assert style.apart([1, 5], [1, 1], 0, 10) == [1, 5]
    assert style.apart([5, 5], [1, 1], 0, 10) == [4.5, 5.5]
    assert style.apart([5, 5.2, 9], [1, 3, 1], 0, 10) == pytest.approx([3.6, 5.6, 9], abs=0.51)
    assert style.apart([0, 0], [1, 1], 0, 10) == [0.5, 1.5]  # not below the edge
    rng = np.random.default_rng(2)
    for _ in range(200):
        places, heights = np.sort(rng.uniform(0, 10, 6)), rng.uniform(0.2, 1.5, 6)
        moved = np.array(style.apart(list(places), list(heights), 0, 10))
        assert (np.diff(moved) >= (heights[1:] + heights[:-1]) / 2 - 1e-9).all()
        assert moved[0] - heights[0] / 2 >= -1e-9 and moved[-1] + heights[-1] / 2 <= 10 + 1e-9


# --- what each says ---------------------------------------------------------------------------------------


def test_survival_says_who_keeps_more():
    none, better = curve(0.02), curve(0.018)
    ax = plots.survival({"none": none, "dunning": better})
    more = round(1000 * (better.iloc[-1] - none.iloc[-1]))
    assert (
        ax.get_title(loc="left")
        == f"Dunning keeps {more} customers in a thousand more than none over 24 months"
    )
    thin, solid = (line for line in ax.get_lines() if len(line.get_xdata()) > 2)
    assert to_hex(thin.get_color()) == "#000000" and thin.get_linewidth() < solid.get_linewidth()
    assert np.allclose(solid.get_ydata(), 100 * better)
    worse = plots.survival({"none": none, "bad": curve(0.03)})
    assert worse.get_title(loc="left") == "No policy keeps more customers than none over 24 months"
    with pytest.raises(ValueError, match="no series"):
        plots.survival({})


def test_churn_stacks_the_causes_in_their_colours():
    ax = plots.churn_by_cause(monthly())
    assert ax.get_title(loc="left") == "50 % of departures are competitive churn"
    tops = {}
    for area in ax.collections:
        tops[to_hex(area.get_facecolor()[0]).upper()] = area.get_paths()[0].vertices[:, 1].max()
    expected = {"competitive": 6, "natural": 9, "fault": 11, "payment_lapse": 12}  # largest first
    assert tops == {plots.CAUSE_COLOURS[cause]: top for cause, top in expected.items()}
    nobody = monthly()
    nobody[[c for c in nobody if c.startswith("left_")]] = 0.0
    assert plots.churn_by_cause(nobody).get_title(loc="left") == "Nobody leaves"
    with pytest.raises(ValueError, match="a table with at_risk and left_<cause>"):
        plots.churn_by_cause(monthly().drop(columns="at_risk"))


def test_churn_takes_the_means_of_an_experiment():
    table = monthly().reset_index().melt("month", var_name="measure", value_name="mean")
    one = table.assign(scenario="world", policy="none")
    assert plots.churn_by_cause(one).get_title(loc="left") == "50 % of departures are competitive churn"
    with pytest.raises(ValueError, match="one scenario and policy; there are none in world, more in world"):
        plots.churn_by_cause(pd.concat([one, one.assign(policy="more")]))


def test_kept_starts_with_all_and_has_bands():
    ax = plots.customers_kept(many({"dunning": 0.018, "none": 0.02}), baseline="none")
    lines = [line for line in ax.get_lines() if len(line.get_xdata()) > 2]
    assert to_hex(lines[0].get_color()) == "#000000"
    assert all(line.get_ydata()[0] == 100 and line.get_xdata()[-1] == 24 for line in lines)
    assert lines[0].get_ydata()[-1] == pytest.approx(100 * 0.98**24)
    assert len(ax.collections) == 2
    assert "keeps 31 customers in a thousand more than none" in ax.get_title(loc="left")
    assert not plots.customers_kept(many({"none": 0.02}, 1)).collections  # one replication, no band
    two = pd.concat([many({"none": 0.02}), many({"none": 0.03}, scenario="rival")])
    assert plots.customers_kept(two, scenario="rival")
    with pytest.raises(ValueError, match="name one of the scenarios world, rival"):
        plots.customers_kept(two)
    with pytest.raises(ValueError, match="unknown policy 'non'"):
        plots.customers_kept(two, scenario="rival", baseline="non")


def test_effects_name_the_best_and_what_cannot_be_told(compared):
    ax = plots.policy_effects(compared, "kept")
    assert ax.get_title(loc="left") == "Best for customers kept: dunning, +20.0 in a thousand customers"
    assert "retention_call:target=uplift,budget=2000 +5.0 [\N{MINUS SIGN}1.0, 11.0]" in plots.words(ax)
    dots = [line for line in ax.get_lines() if line.get_marker() == "o"]
    assert [line.get_xdata()[0] for line in dots] == [20, 5, -10]
    assert plots.policy_effects(compared, "equity").get_title(loc="left") == (
        "Best for customer equity: dunning, +20.0 thousand EUR"
    )
    assert plots.policy_effects(compared, "return").get_title(loc="left") == "Best for return: dunning, +40 %"
    fault = plots.policy_effects(compared, "left_fault")
    assert fault.get_title(loc="left").startswith("Difference from none: fault churn")
    none = plots.policy_effects(Compared({("a", "kept"): (1.0, -1.0, 3.0)}))
    assert none.get_title(loc="left") == "No policy surely raises customers kept"
    loss = plots.policy_effects(Compared({("a", "return"): (0.1, -0.1, 0.3)}), "return")
    assert loss.get_title(loc="left") == "No policy surely pays for itself"
    with pytest.raises(ValueError, match="no measure 'keept' in the comparison; it has kept, equity"):
        plots.policy_effects(compared, "keept")


def test_effects_of_several_scenarios_stand_in_groups():
    one, two = Compared({("a", "kept"): (1.0, 0.5, 1.5)}), Compared({("a", "kept"): (2.0, 1.5, 2.5)}, "rival")
    table = pd.concat([one.table, two.table])
    ax = plots.policy_effects(table, "kept")
    assert [t.get_text() for t in ax.get_yticklabels()] == ["world:", "a", "rival:", "a"]
    assert_readable(ax.get_figure())


def test_money_adds_up(compared):
    ax = plots.money(compared, "dunning")
    assert ax.get_title(loc="left") == "Dunning adds 20.0 thousand EUR to customer equity"
    margin, acquisition, cost, net = (bar.get_height() for bar in ax.patches)
    assert (margin, acquisition, cost, net) == pytest.approx((69.5, 0.5, -50, 20))
    assert margin + acquisition + cost == pytest.approx(net)
    bottoms = [bar.get_y() for bar in ax.patches]
    assert bottoms == pytest.approx([0, 69.5, 70, 0])
    compared.table.loc[compared.table["measure"] == "equity", ["low", "high"]] = [-1_000.0, 41_000.0]
    assert (
        plots.money(compared, "dunning")
        .get_title(loc="left")
        .startswith("Whether dunning pays cannot be told")
    )


def test_two_lives_mark_what_happened_and_where_they_part():
    axes = plots.two_lives(life(24, leaves=15), life(24, offers=(3, 12)), customer=7, note=NOTE)
    assert_readable(axes[0].get_figure())
    assert (
        axes[0].get_title(loc="left")
        == "Customer 7 leaves in month 15 without the policies, and stays with them"
    )
    assert "leaves in month 15 (competitive churn), with them stays" in plots.words(axes)
    without, with_policies = axes
    marks = [
        {
            line.get_label(): list(line.get_xdata())
            for line in ax.get_lines()
            if line.get_marker() not in ("None", "")
        }
        for ax in axes
    ]
    assert marks[0] == {"failure": [9.5], "complaint": [9.5], "resolved": [9.5], "missed payment": [4.5]}
    assert marks[1]["offer"] == [3.5, 12.5]
    layers = [(bar.get_x(), bar.get_width(), to_hex(bar.get_facecolor()).upper()) for bar in without.patches]
    colour = plots.LAYER_COLOURS
    assert layers == [(0, 8, colour["none"]), (8, 6, colour["cognitive"]), (14, 2, colour["conative"])]
    assert sum(bar.get_width() for bar in with_policies.patches) == 24
    assert [15, 15] in [list(line.get_xdata()) for line in with_policies.get_lines()]


@pytest.mark.parametrize(
    ("first", "second", "title"),
    [
        (life(20), life(20), "Customer 3: the policies change nothing"),
        (life(20), life(20, 8, 4), "Customer 3 stays without the policies, and leaves in month 8 with them"),
        (life(20, 6), life(20, 9), "Customer 3: the two lives part in month 6"),
    ],
)
def test_the_title_of_two_lives(first, second, title):
    axes = plots.two_lives(first, second, customer=3)
    assert axes[0].get_title(loc="left") == title
    assert_readable(axes[0].get_figure())


def test_two_lives_take_rows_of_a_run_and_say_what_is_missing(tmp_path):
    rows = pd.concat({12: life(10)}, names=["customer"])
    axes = plots.two_lives(rows, rows)
    assert axes[0].get_title(loc="left") == "Customer 12: the policies change nothing"
    assert all(path.exists() for path in plots.save_figure(axes, tmp_path / "lives"))
    with pytest.raises(ValueError, match="column 'trust' is missing"):
        plots.two_lives(life(10).drop(columns="trust"), life(10))
    with pytest.raises(ValueError, match="rows of one customer are needed, not of 2"):
        both = pd.concat({1: life(5), 2: life(5)})
        plots.two_lives(both, both)
    with pytest.raises(ValueError, match="two axes are needed"):
        plots.two_lives(life(5), life(5), [Figure().subplots()])


def test_facts_count_what_is_met_and_show_how_far_off():
    ax = plots.facts(SimpleNamespace(table=report()))
    assert ax.get_title(loc="left") == "2 of 5 published facts are met"
    assert "Not met: spread of satisfaction (water), far away (retail), at most (retail)." in plots.words(ax)
    labels = [t.get_text() for t in ax.get_yticklabels()]
    assert labels[0] == "level of satisfaction · water" and labels[1].endswith("· fitted")
    dots = [line for line in ax.get_lines() if line.get_marker() in ("o", "<", ">")]
    places = [float(line.get_xdata()[0]) for line in dots]
    assert places[0] == pytest.approx(2 / 7) and places[1] == pytest.approx(8 / 7)
    assert dots[2].get_marker() == ">"  # beyond the edge
    assert 0 < places[3] <= 1 < places[4]
    with pytest.raises(ValueError, match="no measured fact"):
        plots.facts(report()[5:])


def test_a_month_of_service_counts_calls_by_day_and_waits_by_hour():
    table = contacts()
    late = table.iloc[[0]].assign(month=1, arrival_time=730.0)  # a second try after the month
    upper, lower = plots.service_month(pd.concat([table, late]))
    title = upper.get_title(loc="left")
    assert title == "Month 1: 93 calls while open, 3 % abandoned, a mean wait of 80 s"
    heights = {}
    for bars in upper.containers:
        heights[bars.get_label()] = [bar.get_height() for bar in bars]
    assert heights["answered"] == [3] * 30
    assert heights["abandoned"] == heights["when closed"] == [1 if day % 10 == 0 else 0 for day in range(30)]
    # month 1 begins on a Wednesday
    assert list(upper.get_xticks()) == [6, 13, 20, 27]
    bars = [(bar.get_x() + bar.get_width() / 2, bar.get_height()) for bar in lower.patches]
    assert np.array(bars) == pytest.approx(np.array([(8.5, 0), (9.5, 120)]))
    assert "longest from 9 to 10, with 120 s" in plots.words(upper)
    first = plots.service_month(table, month=0)
    assert first[0].get_xticks()[0] == 1 and first[0].get_title(loc="left").startswith("Month 0")
    for wrong in (7, -1):
        with pytest.raises(ValueError, match=f"no calls in month {wrong}; there are 0 to 1"):
            plots.service_month(table, month=wrong)
    with pytest.raises(ValueError, match="column 'record_type' is missing"):
        plots.service_month(table.drop(columns="record_type"))


def test_a_month_in_which_nobody_is_answered():
    lost = contacts().query("record_type != 'service'")
    axes = plots.service_month(lost)
    assert "100 % abandoned" in axes[0].get_title(loc="left") and "nan" not in plots.words(axes)
    assert_readable(axes[0].get_figure())


def test_years_of_service_weigh_waits_by_calls():
    # one month with half as many answered and 290 s, 23 with 81 answered and 60 s
    mean = (40.5 * 290 + 23 * 81 * 60) / (23.5 * 81)
    axes = plots.service_years(years())
    assert f"wait {mean:.0f} s, 11.9 % abandoned" in plots.words(axes)
    assert axes[0].get_title(loc="left") == f"Callers wait {mean:.0f} s, 12 % of calls are abandoned"
    lines = [ax.get_lines()[0].get_ydata() for ax in axes]
    assert lines[0][0] == 290 and lines[1][:2] == pytest.approx([55, 10])
    assert lines[2][0] == 50 and lines[3][0] == 70
    two = plots.service_years({"none": years(), "slow": years(90.0), "hire": years(9.0)})
    assert two[0].get_title(loc="left").startswith("With hire callers wait 14 s instead of")
    with pytest.raises(ValueError, match="column 'satisfaction' is missing"):
        plots.service_years(years().drop(columns="satisfaction"))
    with pytest.raises(ValueError, match="no table"):
        plots.service_years({})


def test_waits_are_those_of_who_waits():
    ax = plots.waits(contacts())
    assert ax.get_title(loc="left") == "32 % of calls are answered at once, 3 % are abandoned"
    assert "Waits of the 126 calls of 186" in plots.words(ax) and "more than 2.0 minutes" in plots.words(ax)
    shares = {bars.get_label(): np.array([bar.get_height() for bar in bars]) for bars in ax.containers}
    assert shares["answered"].sum() == pytest.approx(100 * 120 / 126)
    assert shares["abandoned"].sum() == pytest.approx(100 * 6 / 126)
    # whoever is called back does not wait on the line
    called = contacts().assign(called_back=lambda t: t["waiting_time"] > 0.04)
    assert "Waits of the 60 calls of 120" in plots.words(plots.waits(called))
    at_once = contacts().query("waiting_time == 0")
    assert plots.words(plots.waits(at_once)) == "All 60 calls were answered at once."
    with pytest.raises(ValueError, match="no call within the opening hours"):
        plots.waits(contacts().query("record_type == 'closed'"))


def test_effects_on_service_have_their_units(compared):
    ax = plots.policy_effects(compared, "wait")
    assert ax.get_xlabel() == "difference from none: mean wait of callers, s"
    assert "hire -114 [-114, -113]" in plots.words(ax).replace("\N{MINUS SIGN}", "-")
    ax = plots.policy_effects(compared, "solved_share")
    assert ax.get_xlabel() == "difference from none: contacts solved, percentage points"
    assert ax.get_title(loc="left") == "Best for contacts solved: hire, +8.4 percentage points"
    from crmsim.research.experiment import SERVICE_OUTCOMES

    assert set(SERVICE_OUTCOMES) <= set(world._MEASURES)


def test_a_title_stays_in_the_picture_beside_long_names_of_rows():
    """Retail's report card has the longest names; its title begins right of them."""
    table = pd.DataFrame(
        {
            "task": ["alive", "value", "drivers"],
            "method": ["Pareto/NBD", "Pareto/NBD + gamma-gamma", "coefficient"],
            "measure": ["auc", "caught", "error"],
            "grade": [0.954, 0.8761, -0.004],
        }
    )
    ax = plots.report_card(table)
    assert_readable(ax.get_figure())
    assert "farthest: what satisfies" in ax.get_title(loc="left").replace("\n", " ")
    assert [t.get_text() for t in ax.texts][-1] == "0.00"  # no minus before a zero


def test_a_number_keeps_its_sign_at_the_end_of_a_line():
    assert style.broken("break-even 5 %", 12) == "break-even\n5 %"
    assert style._even_lines("the share of all of them is 87.5 % today", 33) == [
        "the share of all of",
        "them is 87.5 % today",
    ]
    assert style._even_lines("as it is", 33) == ["as it is"]
