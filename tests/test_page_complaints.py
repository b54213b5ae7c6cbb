"""The complaint tree, without a browser."""

import math
import re

import numpy as np
import pytest

pytest.importorskip("anywidget", reason="pages need the extra `course`")

from crmsim.simulation.engine import simulate
from crmsim.simulation.scenario import Scenario
from crmsim.teaching.pages import complaints

CHINESE = re.compile("[\u4e00-\u9fff]")
SIZE, MONTHS = 1000, 30
# the fixture `page` makes it
PAGE = "complaints", {"customers": SIZE, "months": MONTHS}, {"SOON": 2}


def both(page):
    """The world of voice and recovery, as the page's controls make it."""
    values = page.values
    intercept = page._intercept(values["voice"] / 100, None)
    return Scenario.from_name("subscription").replace(
        population__size=SIZE, population__months=MONTHS, complaint__intercept=intercept,
        complaint__resolved=values["solved"], complaint__fast=values["quick"],
    )  # fmt: skip


def test_the_tree_is_that_of_the_log(page):
    counts, stays = np.zeros(4, int), np.zeros(4)
    for k in range(2):
        run = simulate(both(page), [], 1, replication=k, progress=False, events=True)
        log, left = run.events, run.customers["left_month"].astype(float).fillna(math.inf)
        known = {
            event: set(zip(rows["month"], rows["customer"], strict=True))
            for event, rows in log.groupby("event", observed=True)
        }
        for month, who in known["failure"]:
            if complaints.SETTLING <= month <= MONTHS - 3:
                case = (month, who)
                leaf = (
                    3 if case in known["complaint_answered_fast"]
                    else 2 if case in known["complaint_resolved"]
                    else 1 if case in known["complaint"] else 0
                )  # fmt: skip
                counts[leaf] += 1
                stays[leaf] += left[who] >= month + 3
    tree = page.found["tree"]
    np.testing.assert_array_equal(tree["count"], counts)
    np.testing.assert_allclose([x.mean for x in tree["stay"]], stays / counts)
    assert all(x.low < x.mean < x.high for x in tree["stay"])


def test_gains_are_those_of_the_runs(page):
    today = Scenario.from_name("subscription").replace(population__size=SIZE, population__months=MONTHS)
    kept = [
        [1000 * simulate(world, [], 1, replication=k, progress=False).survival().iloc[-1]
         for world in (today, both(page))]
        for k in range(2)
    ]  # fmt: skip
    np.testing.assert_allclose(page.found["kept"][:, [0, 3]], kept)
    d = page.found["kept"].mean(axis=0)
    assert d[3] - d[1] - d[2] + d[0] > 0
    assert f"both together {complaints.signed(d[3] - d[0])}" in page.sentence


@pytest.mark.parametrize("wanted", [10, 60, 90])
def test_as_many_problems_are_voiced_as_aimed_at(page, monkeypatch, wanted):
    monkeypatch.setattr(complaints, "SOON", 1)
    page.set(voice=wanted)
    count = page.wait()["tree"]["count"]
    assert 100 * count[1:].sum() / count.sum() == pytest.approx(wanted, abs=3)


def test_the_paradox_is_one_of_satisfaction_and_of_first_failures(page):
    tree = page.found["tree"]
    assert tree["paradox"].low > 0 > tree["change"][0].high
    assert tree["change"][3].mean < tree["paradox"].mean  # repeated ones lower it
    # staying after a fast answer is no better than without a problem
    assert tree["stay_first"].low <= tree["quiet"].mean and "no more than" in page.sentence
    assert tree["stay"][3].mean > tree["stay"][0].mean
    page.set(which="major")
    major = page.wait()["tree"]
    assert major["count"].sum() < tree["count"].sum() and major["change"][0].mean < tree["change"][0].mean


def test_recovery_as_it_is_today_gains_nothing(page, monkeypatch):
    monkeypatch.setattr(complaints, "SOON", 1)
    page.set(solved=0.5, quick=0.5)
    kept = page.wait()["kept"]
    assert kept[0, 2] == kept[0, 0] and kept[0, 3] == kept[0, 1]
    assert "recovery alone 0," in page.sentence


def test_voice_without_answers_costs_customers_their_satisfaction(page, monkeypatch):
    monkeypatch.setattr(complaints, "SOON", 1)
    picture = page.tree.widget.value
    page.set(solved=0.0)
    tree = page.wait()["tree"]
    assert tree["count"][2:].sum() == 0 and tree["paradox"] is None
    assert page.tree.widget.value != picture and complaints.TEXT["nothing"][0] in page.sentence
    assert tree["change"][1].mean < tree["change"][0].mean


def test_both_languages(page):
    page.guard(page._other_language)
    page.wait()
    assert CHINESE.search(page.sentence) and "Voice" not in page.sentence
    assert all(pair[0] and pair[1] for pair in complaints.TEXT.values())


def test_another_horizon_and_other_problems_simulate_nothing(page, monkeypatch):
    before = page.found
    monkeypatch.setattr(complaints, "simulate", lambda *a, **k: pytest.fail("simulated again"))
    page.set(horizon=9, which="major")
    after = page.wait()
    assert (after["kept"] == before["kept"]).all()
    assert after["tree"]["count"].sum() < before["tree"]["count"].sum()


def test_errors_are_told_in_words(page, monkeypatch):
    with pytest.raises(ValueError, match="voice must be from 2 to 98"):
        page.set(voice=100)
    monkeypatch.setattr(complaints, "simulate", lambda *a, **k: (_ for _ in ()).throw(ValueError("no ears")))
    page.set(quick=0.4)
    with pytest.raises(RuntimeError, match="This cannot be shown: no ears"):
        page.wait()


def test_the_seed_decides(page, monkeypatch):
    monkeypatch.setattr(complaints, "SOON", 1)
    found = []
    for seed in (5, 6, 5):
        monkeypatch.setattr(page, "seed", seed)
        page.refresh()
        found.append(page.wait()["kept"])
    np.testing.assert_array_equal(found[0], found[2])
    assert not np.array_equal(found[0], found[1])
