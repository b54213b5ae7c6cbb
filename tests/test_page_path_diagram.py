"""The path model with its map, without a browser."""

import re

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("anywidget", reason="pages need the extra `course`")

from crmsim.analysis import pls
from crmsim.simulation import survey as surveys
from crmsim.teaching.pages import path_diagram, show

CHINESE = re.compile("[\u4e00-\u9fff]")
SIZE = 6_000
# the fixture `page` makes it
PAGE = "path-diagram", {"customers": SIZE}, {"THOROUGH": 200, "REFITS": 20}


def asked(page, **values):
    page.set(**values)
    return page.wait()


def answers_of(page, **changes):
    survey = surveys.Survey(months=(11,), size=SIZE, importance=False, **changes)
    items = pd.DataFrame(surveys.questionnaire(survey, page.scenario.touchpoints))
    return path_diagram.answered(path_diagram.ask(page._kept, survey)), items


def test_arrows_are_the_model_fitted_to_the_same_answers(page):
    frame, items = answers_of(page)
    fit = pls.pls(frame, pls.survey_model(items), bootstrap=200, seed=1, progress=False)
    found = {(a["from"], a["to"]): a for a in page.diagram.arrows}
    assert len(found) == len(fit.paths) == 11
    for path in fit.paths.to_dict("records"):
        arrow = found[path["source"], path["target"]]
        assert arrow["value"] == path["estimate"]
        ends = f"[{path['lower']:.2f}, {path['upper']:.2f}]".replace("-", "\N{MINUS SIGN}")
        assert arrow["range"] == ends
        assert (arrow["state"] == "unsure") == (path["lower"] <= 0 <= path["upper"])
    assert page.found.fit.n == len(frame) and f"{len(frame):,} answers" in page.sentence
    assert found["quality", "satisfaction"]["told"] in page.sentence
    assert "quality → satisfaction" in page.diagram.label


def test_a_path_is_the_regression_of_scores(page):
    frame, _ = answers_of(page)
    fit = page.found.fit
    frame = frame[list(fit.model.items)]
    scores = fit.scores(frame.fillna(frame.mean()))
    standard = (scores - scores.mean()) / scores.std()
    causes = ["image", "satisfaction"]
    beta = np.linalg.lstsq(standard[causes].to_numpy(), standard["loyalty"].to_numpy(), rcond=None)[0]
    assert beta == pytest.approx([fit.coefficient(c, "loyalty") for c in causes], abs=1e-6)


def test_the_map_shows_touchpoints_of_quality_or_what_acts(page):
    spots, fit = page.found.spots, page.found.fit
    frame, _ = answers_of(page)
    assert "image" not in spots.index and len(spots) == 7
    mean = 100 * (frame[["supply_1", "supply_2"]].mean().mean() - 1) / 9
    assert spots.loc["supply", "performance"] == pytest.approx(mean)
    weights = fit.measurement.set_index("item")["weight"]
    total = fit.effects.set_index(["source", "target"])["total"]
    wanted = (weights["supply_1"] + weights["supply_2"]) * total["quality", "satisfaction"]
    assert spots.loc["supply", "importance"] == pytest.approx(wanted)
    assert (spots["low_y"] < spots["importance"]).all() and (spots["importance"] < spots["high_y"]).all()
    found = asked(page, map="causes")
    assert list(found.spots.index) == ["image", "expectation", "quality", "value"]
    assert found.spots.loc["quality", "importance"] == total["quality", "satisfaction"]
    assert found.spots.loc["quality", "performance"] == fit.latents.loc["quality", "index"]
    assert "satisfaction" in asked(page, target="loyalty").spots.index
    assert page.diagram.target == "loyalty"


def test_the_cross_hair_decides_what_comes_first(page):
    spots, heaviest = page.found.spots, page.found.spots["importance"].idxmax()
    page.map.cross = [100.0, 0.0]
    assert page.map.first == heaviest and f"{len(spots)} of {len(spots)} are in" in page.sentence
    page.map.cross = [0.0, 0.0]
    assert page.map.first == "" and "nothing is in" in page.sentence
    # a finer answer to the same question leaves it where it is
    page.refresh(run=True)
    page.wait()
    assert page.map.cross == [0.0, 0.0]
    assert asked(page, cross="midpoint") and page.map.cross[0] == 50.0


def test_fewer_answers_are_less_sure_and_noise_weakens_paths(page):
    def width(found):
        return float((found.fit.paths["upper"] - found.fit.paths["lower"]).mean())

    usual = page.found
    few = asked(page, size=1_500)
    assert few.fit.n < usual.fit.n / 3 and width(few) > 1.5 * width(usual)
    noisy = asked(page, size=SIZE, error=45.0)
    assert noisy.fit.latents.loc["quality", "r2"] < usual.fit.latents.loc["quality", "r2"]
    halo = asked(page, error=16.0, halo=0.85)
    assert halo.fit.latents.loc["quality", "r2"] > usual.fit.latents.loc["quality", "r2"]


def test_an_arrow_that_holds_zero_is_unsure(page):
    found = asked(page, size=600, map="causes")
    states = {a["state"] for a in page.diagram.arrows}
    held = (found.fit.paths["lower"] <= 0) & (found.fit.paths["upper"] >= 0)
    assert held.any() and "unsure" in states
    assert f"{len(held) - held.sum()} of {len(held)} paths are sure" in page.sentence


def test_a_firm_without_image(page):
    found = asked(page, preset="retail")
    assert "image" not in found.fit.model.latents
    assert {box["key"] for box in page.diagram.boxes} == set(found.fit.model.latents)
    assert page.map.first in {"", *found.spots.index}


def test_too_few_answers_are_told():
    page = show("path-diagram", customers=300)
    with pytest.raises(RuntimeError, match="at least 40 are needed"):
        page.wait()


def test_both_languages_and_the_same_again(page):
    assert not CHINESE.search(re.sub(r"\([^)]*\)", "", page.sentence))
    first = page.diagram.arrows
    page.guard(page._other_language)
    page.wait()
    assert CHINESE.search(page.sentence) and "感知质量" in [b["name"] for b in page.diagram.boxes]
    assert page.map.quadrants["concentrate"] == "重点改进区" and "水质" in [
        p["name"] for p in page.map.points
    ]
    page.refresh()
    page.wait()
    assert page.diagram.arrows == first
