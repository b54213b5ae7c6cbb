"""Why they leave, without a browser."""

import html
import re

import numpy as np
import pytest

pytest.importorskip("anywidget", reason="pages need the extra `course`")

from crmsim.analysis.churn import stated_and_true
from crmsim.simulation.engine import simulate
from crmsim.simulation.scenario import Scenario
from crmsim.teaching.pages import churn
from crmsim.vocabulary import ChurnCause

CHINESE = re.compile("[\u4e00-\u9fff]")
SIZE, MONTHS = 600, 36
# the fixture `page` makes it
PAGE = "churn", {"customers": SIZE, "months": MONTHS}, {"SOON": 2}


def causes(found):
    return dict(zip(ChurnCause.keys(), found["counts"].mean(axis=0), strict=True))


def test_numbers_are_those_of_the_runs(page):
    world = Scenario.from_name("subscription").replace(population__size=SIZE, population__months=MONTHS)
    runs = [simulate(world, [], 1, replication=k, progress=False) for k in range(2)]
    found = page.found
    assert found["left"].mean == pytest.approx(1000 * np.mean([1 - r.survival().iloc[-1] for r in runs]))
    first = [r.customers[r.customers["source"] == "initial"] for r in runs]
    fault = np.mean([1000 * (people["cause"] == "fault").mean() for people in first])
    assert causes(found)["fault"] == pytest.approx(fault)
    natural = np.mean([(p["cause"] == "natural").sum() / p["cause"].notna().sum() for p in first])
    assert found["controllable"].mean == pytest.approx(1 - natural)
    # what leavers state, by the firm's own records
    said = [r.records().departures for r in runs]
    right = sum((d["cause"] == d["stated_cause"]).sum() for d in said) / sum(map(len, said))
    assert found["survey"].accuracy == pytest.approx(right)
    one = stated_and_true(said[0]["stated_cause"], said[0]["cause"])
    assert one.n + len(said[1]) == found["survey"].n
    assert f"{found['left'].mean:.0f}" in page.sentence


def test_hazards_of_the_causes_add_up(page):
    found = page.found
    parts = np.sum([found["hazard"][c.key] for c in ChurnCause], axis=0)
    np.testing.assert_allclose(parts, found["all"]["hazard"], rtol=1e-12)
    # what is drawn is what was found
    drawn = np.sum([[bar.get_height() for bar in bars] for bars in page._bars], axis=0)
    np.testing.assert_allclose(drawn, 100 * parts, rtol=1e-9)


def test_who_leaves_even_so_leaves_by_nature(page):
    world = Scenario.from_name("subscription").replace(
        population__size=SIZE, population__months=MONTHS, **churn.PREVENTED
    )
    run = simulate(world, [], 1, progress=False)
    assert set(run.customers["cause"].dropna()) == {"natural"}
    assert page.found["still"].mean < page.found["left"].mean


def test_levers_move_their_causes(page, monkeypatch):
    monkeypatch.setattr(churn, "SOON", 1)
    before, picture, sentence = causes(page.found), page.over.widget.value, page.sentence
    page.set(churn__natural=0.0)
    page.wait()
    assert causes(page.found)["natural"] == 0
    assert page.found["controllable"].mean == 1
    assert page.over.widget.value != picture and page.sentence != sentence
    page.panel.reset()
    page.set(market__openness=0.0)
    page.wait()
    assert causes(page.found)["competitive"] == 0 and before["competitive"] > 0
    page.panel.reset()
    page.set(payment__cure=1.0)
    page.wait()
    assert causes(page.found)["payment_lapse"] == 0 and before["payment_lapse"] > 0
    page.panel.reset()
    page.set(faults=4.0)
    page.wait()
    assert causes(page.found)["fault"] > 2 * before["fault"]
    page.panel.reset()
    page.set(churn__frailty_shape=10.0)
    page.wait()
    assert (
        page.found["hazard"]["competitive"][-4:].mean() > 0.5 * page.found["hazard"]["competitive"][:4].mean()
    )


def test_the_root_of_it_is_more_often_a_fault(page):
    before = causes(page.found)
    page.set(ledger="attributed")
    page.wait()
    after = causes(page.found)
    assert after["fault"] > before["fault"] and after["competitive"] < before["competitive"]
    assert sum(after.values()) == pytest.approx(sum(before.values()))


def test_a_world_that_nobody_leaves(page):
    page.set(market__openness=0.0, churn__natural=0.0, payment__cure=1.0)
    page.wait()
    if page.found["left"].mean == 0:
        assert page.sentence == churn.TEXT["nobody"][0]
    assert not page.error


def test_both_languages(page):
    page.guard(page._other_language)
    page.wait()
    words = html.unescape(re.sub(r"<[^>]+>", " ", page._cards.value)) + page.sentence
    assert CHINESE.search(page.sentence) and "Of a thousand" not in words
    assert all(pair[0] and pair[1] for pair in churn.TEXT.values())


def test_errors_are_told_in_words(page, monkeypatch):
    with pytest.raises(ValueError, match=r"market\.openness must be from 0 to 1"):
        page.set(market__openness=5.0)
    monkeypatch.setattr(churn, "simulate", lambda *a, **k: (_ for _ in ()).throw(ValueError("no such luck")))
    page.refresh()
    with pytest.raises(RuntimeError, match="This cannot be shown: no such luck"):
        page.wait()
    assert "Traceback" not in page._message.value


def test_the_seed_decides(page, monkeypatch):
    monkeypatch.setattr(churn, "SOON", 1)
    found = []
    for seed in (5, 6, 5):
        monkeypatch.setattr(page, "seed", seed)
        page.refresh()
        found.append(page.wait()["counts"])
    np.testing.assert_array_equal(found[0], found[2])
    assert not np.array_equal(found[0], found[1])
