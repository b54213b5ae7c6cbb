"""The importance-performance map, without a browser."""

import re

import numpy as np
import pytest

pytest.importorskip("anywidget", reason="pages need the extra `course`")

from crmsim.teaching.pages import ipa, show

CHINESE = re.compile("[\u4e00-\u9fff]")
SIZE = 6_000


@pytest.fixture(scope="module")
def page():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ipa, "RESAMPLES", 20)
        page = show("ipa", customers=SIZE)
        page.wait()
        yield page


@pytest.fixture(autouse=True)
def as_it_was(page):
    yield
    page.panel.reset()
    page.refresh()
    page.wait()


def asked(page, **values):
    page.set(**values)
    return page.wait()


def test_weights_are_those_of_a_regression(page):
    frame, _ = ipa.scores(page._kept, ipa.ask(page._kept, ipa.surveys.Survey(months=(11,), size=SIZE)))
    x = frame.drop(columns="satisfaction").to_numpy()
    left = np.column_stack([np.ones(len(x)), x])
    beta = np.linalg.lstsq(left, frame["satisfaction"].to_numpy(), rcond=None)[0][1:]
    wanted = np.maximum(beta, 0) / np.maximum(beta, 0).sum()
    found = page.found
    assert found.n == len(frame)
    assert found.table["importance"].to_numpy() == pytest.approx(100 * wanted)
    assert found.table["performance"].to_numpy() == pytest.approx(x.mean(axis=0))
    assert found.drawn_y.shape == (20, x.shape[1])
    true = {t.name: 100 * t.weight for t in page.scenario.touchpoints}
    assert found.table["true_importance"].to_dict() == pytest.approx(true)


def test_what_comes_first_changes_with_the_cross_hair(page):
    table, said = page.found.table, page.sentence
    heaviest = table["importance"].idxmax()
    # right of everything and below everything all are to be mended, the weightiest first
    page.map.cross = [100.0, 0.0]
    assert page.map.first == heaviest
    assert f"{len(table)} of {len(table)} touchpoints" in page.sentence != said
    # just left of the weightiest it is well kept, and another comes first
    page.map.cross = [float(table.loc[heaviest, "performance"]) - 0.01, 0.0]
    assert page.map.first != heaviest
    page.map.cross = [0.0, 0.0]
    assert page.map.first == ""
    assert "no touchpoint" in page.sentence
    assert "<li" in page.order.value


def test_a_look_at_the_truth_leaves_the_cross_hair(page):
    assert not page.map.truth
    page.map.cross = [80.0, 3.0]
    asked(page, truth=True)
    assert page.map.truth
    assert page.map.cross == [80.0, 3.0]
    assert "true weights" in page.sentence
    # another kind of importance has other units, so the cross-hair starts anew
    asked(page, method="stated")
    assert page.map.cross == pytest.approx([page.found.table["performance"].mean(), 12.5])


def test_stated_importance_hardly_differs_between_touchpoints(page):
    derived = page.found.table["importance"].std()
    assert asked(page, method="stated").table["importance"].std() < derived / 3
    off = [
        asked(page, method=m).table.eval("abs(importance - true_importance)").mean()
        for m in ("lmg", "stated")
    ]
    assert all(error > 0 for error in off)


def test_halo_makes_derived_weights_alike(page):
    usual = asked(page, method="correlation", halo=0.0).table["importance"].std()
    assert asked(page, method="correlation", halo=0.85).table["importance"].std() < usual


def test_the_middle_of_the_scale(page):
    found = asked(page, cross="midpoint")
    assert found.cross[0] == 50
    assert page.map.x_range[0] < 50
    # everything is better than the middle of the scale, so nothing is to be mended
    assert page.map.first == ""


def test_first_of_each_resample():
    x, y = np.array([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]]), np.array([[1.0, 5.0, 9.0], [6.0, 5.0, 1.0]])
    assert ipa.firsts(x, y, 2.5, 0.0, ["a", "b", "c"]) == ["b", "a"]
    assert ipa.firsts(x, y, 0.5, 0.0, ["a", "b", "c"]) == ["", ""]


def test_too_few_answers_are_told():
    page = show("ipa", customers=300)
    with pytest.raises(RuntimeError, match="at least 40 are needed"):
        page.wait()


def test_both_languages_and_the_same_again(page):
    assert not CHINESE.search(re.sub(r"\([^)]*\)", "", page.sentence))
    assert page.map.quadrants["concentrate"] == "Concentrate here"
    page.guard(page._other_language)
    page.wait()
    assert page.map.quadrants["concentrate"] == "重点改进区"
    assert "水质" in [spot["name"] for spot in page.map.points]
    assert CHINESE.search(page.sentence)
    page.guard(page._other_language)
    page.wait()
    again = show("ipa", customers=SIZE).wait()
    assert again.table.equals(page.found.table)
