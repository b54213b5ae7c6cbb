"""The indicator tree, without a browser."""

import numpy as np
import pytest

pytest.importorskip("anywidget", reason="pages need the extra `course`")

from crmsim.teaching.pages import ahp

# the fixture `page` makes it
PAGE = "ahp", {"customers": 3_000}, {}


def asked(page, **values):
    page.set(**values)
    return page.wait()


def test_weights_and_index_are_those_of_the_matrix(page):
    found = asked(page, expert="engineer")
    a = np.array([[1, 2, 3], [1 / 2, 1, 2], [1 / 3, 1 / 2, 1]])
    values, vectors = np.linalg.eig(a)
    w = np.abs(vectors[:, values.real.argmax()].real)
    assert found.nodes["goal"].weights.to_numpy() == pytest.approx(w / w.sum())
    assert found.weights.sum().to_numpy() == pytest.approx(np.ones(4))
    frame = page._asked[2][list(found.weights.index)]
    for method in found.weights:
        mean = float((frame.to_numpy() @ found.weights[method].to_numpy()).mean())
        assert found.indices[method].value == pytest.approx(mean)


def test_a_hurry_is_seen_and_mended(page):
    first = page.found
    assert max(one.cr for one in first.nodes.values()) > 0.1
    assert "cs-bad" in page.lights.value
    assert "Look again" in page.sentence
    assert not page.adopt.disabled
    page._adopt()
    mended = page.wait()
    assert sum(one.cr for one in mended.nodes.values()) < sum(one.cr for one in first.nodes.values())
    asked(page, expert="engineer")
    assert page.adopt.disabled
    assert "cs-bad" not in page.lights.value


def test_a_judgement_moves_its_weight(page):
    before = asked(page, expert="equal")
    assert before.weights["ahp"]["water_quality"] == pytest.approx(1 / 6)
    page.judge("water_quality", "supply", 8)
    assert page.wait().weights["ahp"]["water_quality"] == pytest.approx(0.3)


def test_what_would_it_change_truth_and_chinese(page):
    asked(page, expert="equal", by=10.0)
    assert "+1.67" in page._cards.value
    assert ", true " in page._cards.value
    asked(page, truth=False)
    assert ", true " not in page._cards.value
    page.guard(page._other_language)
    assert "水质" in page.sentence
    page.guard(page._other_language)


def test_scale():
    assert [ahp.told(k) for k in (-8, 0, 2)] == ["1/9", "1", "3"]
    assert [ahp.steps_of(ahp.ratio_of(k)) for k in range(-8, 9)] == list(range(-8, 9))
