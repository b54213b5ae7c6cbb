"""The loyalty matrix, without a browser."""

import re

import numpy as np
import pytest

pytest.importorskip("anywidget", reason="pages need the extra `course`")

import crmsim as cs
from crmsim.research.opening import opened
from crmsim.teaching.pages import loyalty_matrix as matrix
from crmsim.teaching.pages import show

CHINESE = re.compile("[\u4e00-\u9fff]")
# the fixture `page` makes it
PAGE = "loyalty-matrix", {"customers": 3_000}, {}


def asked(page, **values):
    page.set(**values)
    return page.wait()


def counts(found):
    return found.now.table.set_index("type")["customers"]


def test_in_a_monopoly_all_behaviour_is_loyal(page):
    for years in (0.0, 1.0, 6.0):
        found = asked(page, years=years)
        assert counts(found)["none"] == counts(found)["latent"] == 0
        assert counts(found)["spurious"] > 0
        assert all(part.mean == 1 for part in matrix.by_fifth(found.answers)["stayed"])
    assert "100 %" in page._cards.value
    assert "Nobody can go" in page.sentence


def test_an_opening_drains_the_spurious_corner_slowly(page):
    left = [asked(page, open=True, years=years).gone for years in (0.0, 1.0, 3.0, 6.0)]
    shares = [[gone / of for gone, of in (each["spurious"], each["true"])] for each in left]
    spurious, true = (np.array(each) for each in zip(*shares, strict=True))
    assert spurious[0] == true[0] == 0
    assert (np.diff(spurious) > 0).all()
    assert (spurious[1:] > true[1:]).all()
    # inertia: most are still there after a year
    assert spurious[1] < 0.5
    asked(page, years=1.0)
    assert "inertia" in page.sentence
    gone, of = left[1]["spurious"]
    assert f"{gone:,} of the {of:,} spuriously" in page.sentence


def test_counts_are_those_of_the_run(page):
    found = asked(page, open=True, years=2.0, cut=55.0)
    kept = {}

    def look(month, view):
        if month == matrix.OPENING:
            kept["attitude"] = view.column("affective")
            # who has joined since the survey was not asked
            kept["active"] = (view.column("active") > 0) & (view.column("joined") < month)

    town = cs.Scenario.preset("water_utility").replace(population__size=3_000, service__desk="none")
    world = opened(town, "england", month=matrix.OPENING, years=matrix.YEARS)
    people = cs.simulate(world, seed=1, watch=look, progress=False).customers
    here = people.iloc[: len(kept["active"])][kept["active"]]
    attitude = kept["attitude"][kept["active"]]
    gone = (here["left_month"] < matrix.OPENING + 24).fillna(False).to_numpy(dtype=bool)
    rival = here["cause"].isin(["competitive", "fault"]).to_numpy()
    strong = attitude >= 55
    wanted = {
        "true": (strong & ~gone).sum(), "spurious": (~strong & ~gone).sum(),
        "latent": (strong & gone & rival).sum(), "none": (~strong & gone & rival).sum(),
    }  # fmt: skip
    assert counts(found).to_dict() == wanted


def test_what_is_said_and_what_is_done(page):
    found = asked(page, open=True, years=6.0)
    r = {key: matrix._correlation(found.answers, key) for key in matrix.ITEMS}
    assert r["keep"] < 0.25 < r["cheaper"]
    yes, no = matrix.kept_promise(found.answers, "cheaper")
    known = found.answers.dropna(subset=["cheaper", "stayed"])
    assert yes.mean == pytest.approx(known.loc[known["cheaper"] > 85, "stayed"].mean())
    assert yes.mean > no.mean


def test_switching_costs_cut_and_answers_matter(page):
    usual = asked(page, open=True, years=3.0).gone["spurious"]
    lower = asked(page, market__switching_cost_shift=-30.0).gone["spurious"]
    assert lower[0] > usual[0]
    before = counts(asked(page))["spurious"]
    assert counts(asked(page, cut=70.0))["spurious"] > before
    fewer = asked(page, size=1_000)
    assert len(fewer.answers) < 300


def test_too_few_answers_are_told(page):
    page.set(size=500)
    page.wait()
    small = show("loyalty-matrix", customers=300)
    with pytest.raises(RuntimeError, match="ask more customers"):
        small.wait()
    small.close()


def test_both_languages_and_the_same_seed(page):
    assert not CHINESE.search(re.sub(r"\([^)]*\)", "", page.sentence))
    first = counts(page.found)
    page.guard(page._other_language)
    page.wait()
    assert "虚假忠诚" in page.sentence
    assert "虚假忠诚" in page.matrix.alt
    page.guard(page._other_language)
    page.wait()
    other = show("loyalty-matrix", customers=3_000)
    assert counts(other.wait()).equals(first)
    other.close()
