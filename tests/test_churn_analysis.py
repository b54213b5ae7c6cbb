"""Churn: published examples, statsmodels and sums by hand as oracles, simulated worlds as truth."""

import itertools
import sys

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats
from test_plots import assert_complete

import crmsim as cs
from crmsim import plots
from crmsim.analysis import churn
from crmsim.analysis.sampling import share
from crmsim.data.database import Database, tables_of, write_tables
from crmsim.data.transactions import DataError
from crmsim.vocabulary import ChurnCause

# Remission of leukaemia in weeks, Freireich et al. (1963): 6-MP (with its censoring) and placebo.
TREATED = [6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35]
TREATED_LEFT = [1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]
PLACEBO = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]


@pytest.fixture(scope="module")
def remission() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "duration": TREATED + PLACEBO,
            "left": [bool(e) for e in TREATED_LEFT] + [True] * 21,
            "drug": ["6-MP"] * 21 + ["placebo"] * 21,
        }
    )


def drawn(n: int, seed: int, late: bool = False) -> pd.DataFrame:
    """Spells in whole months with ties, three causes, and late entry where asked for."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    true = np.ceil(rng.exponential(14 * np.exp(-0.5 * x)))
    end = rng.integers(1, 30, n)
    frame = pd.DataFrame({"duration": np.minimum(true, end), "left": true <= end, "x": x})
    frame["cause"] = np.where(frame["left"], rng.choice(["natural", "fault", "other"], n), None)
    frame["group"] = rng.choice(["a", "b"], n)
    if late:
        frame["entry"] = np.minimum(rng.integers(0, 6, n), frame["duration"] - 1)
    return frame


@pytest.fixture(scope="module")
def run():
    world = cs.Scenario.preset("subscription").replace(population__size=3000, population__months=18)
    return cs.simulate(world, ["win_back"], seed=2)


@pytest.fixture(scope="module")
def tables(run):
    return tables_of(run)


@pytest.fixture(scope="module")
def shop():
    world = cs.Scenario.preset("retail").replace(population__size=2000, population__months=24)
    return tables_of(cs.simulate(world, [], seed=2))


# -- spells ---------------------------------------------------------------------------------------------


LEFT = pd.DataFrame({"customer": [7, 8], "month": [8, 2]})


def small(**changes):
    customers = pd.DataFrame({"customer": [7, 8, 9], "joined_month": [0, 2, 5], "source": list("abc")})
    departures = pd.DataFrame(
        {"customer": [7, 8, 7], "month": [3, 2, 8], "stated_cause": ["fault", "natural", "natural"]}
    )
    returns = pd.DataFrame({"customer": [7], "month": [6]})
    given = {"customers": customers, "departures": departures, "returns": returns, "months": 10} | changes
    return churn.spells(**given)


def test_spells_pair_joining_leaving_and_coming_back():
    found = small()
    assert found["customer"].tolist() == [7, 7, 8, 9]
    assert found["spell"].tolist() == [0, 1, 0, 0]
    assert found["start"].tolist() == [0, 6, 2, 5]
    assert found["duration"].tolist() == [4, 3, 1, 5]
    assert found["left"].tolist() == [True, True, True, False]
    assert found["cause"].tolist()[:3] == ["fault", "natural", "natural"]
    assert pd.isna(found["cause"].iloc[3])
    assert found["source"].tolist() == ["a", "a", "b", "c"]


def test_a_database_a_mapping_and_tables_give_the_same_spells(tables, tmp_path):
    with Database(write_tables(tables, tmp_path / "crm.duckdb")) as opened:
        stored = churn.spells(opened)
    mapped = churn.spells(tables)
    by_hand = churn.spells(tables["customers"], tables["departures"], tables["returns"], months=18)
    columns = ["customer", "spell", "start", "duration", "left"]
    pd.testing.assert_frame_equal(stored[columns], mapped[columns])
    pd.testing.assert_frame_equal(mapped, by_hand)
    assert mapped["left"].sum() == len(tables["departures"])
    assert len(mapped) == len(tables["customers"]) + len(tables["returns"])
    assert len(tables["returns"]) > 20


def test_those_without_a_contract_are_left_out_where_others_have_one():
    tables = {
        "customers": pd.DataFrame({"customer": [1, 2], "joined_month": [0, 0], "contract": [True, False]}),
        "departures": pd.DataFrame({"customer": [1], "month": [3], "stated_cause": ["fault"]}),
        "returns": pd.DataFrame({"customer": [2], "month": [2]}),
    }
    assert churn.spells(tables, months=6)["customer"].tolist() == [1]


def test_the_true_causes_are_read_when_asked_for(tables, shop):
    true = churn.spells(tables, truth=True)
    assert (
        true["cause"].value_counts().to_dict() == tables["truth.departures"]["cause"].value_counts().to_dict()
    )
    assert churn.spells(shop, truth=True)["left"].sum() == len(shop["truth.departures"]) > 500
    with pytest.raises(DataError, match=r"without contracts .*departures=inactive"):
        churn.spells(shop)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"departures": pd.DataFrame({"customer": [5], "month": [1]})}, "customer 5 is not among"),
        ({"departures": pd.DataFrame({"customer": [9], "month": [4]})}, "9 leaves in month 4, before"),
        ({"departures": pd.DataFrame({"customer": [9, 9], "month": [6, 7]})}, "customer 9 leaves more often"),
        ({"departures": pd.DataFrame({"customer": [9], "when": [6]})}, "'month' is missing"),
        ({"departures": pd.DataFrame({"customer": [9], "month": [6.5]})}, "whole months; row 0 is 6.5"),
        ({"returns": pd.DataFrame({"customer": [9], "month": [6]})}, "customer 9 comes back in month 6"),
        ({"months": 8}, "something happens in month 8"),
    ],
)  # fmt: skip
def test_spells_say_what_is_wrong(changes, message):
    with pytest.raises(DataError, match=message):
        small(**{"returns": None, "departures": LEFT} | changes)


# -- survival -------------------------------------------------------------------------------------------


def test_kaplan_meier_of_the_published_example(remission):
    curve = churn.survival(remission, by="drug").query("drug == '6-MP' and left > 0").set_index("time")
    known = {6: 0.8571, 7: 0.8067, 10: 0.7529, 13: 0.6902, 16: 0.6275, 22: 0.5378, 23: 0.4482}
    assert curve["survival"].round(4).to_dict() == known
    assert round(curve.loc[10, "error"], 4) == 0.0963
    assert churn.lifetimes(remission, by="drug")["median"].tolist() == [23, 8]


@pytest.mark.parametrize("late", [False, True])
def test_kaplan_meier_agrees_with_statsmodels(late):
    sm = pytest.importorskip("statsmodels.duration.survfunc")
    frame = drawn(700, 1, late)
    entry = frame["entry"].to_numpy() if late else None
    theirs = sm.SurvfuncRight(frame["duration"].to_numpy(), frame["left"].to_numpy(), entry=entry)
    ours = churn.survival(frame).query("left > 0")
    np.testing.assert_array_equal(ours["time"], theirs.surv_times)
    np.testing.assert_array_equal(ours["at_risk"], theirs.n_risk)
    np.testing.assert_allclose(ours["survival"], theirs.surv_prob, atol=1e-12, rtol=0)
    np.testing.assert_allclose(ours["error"], theirs.surv_prob_se, atol=1e-12, rtol=0)


def test_aalen_johansen_agrees_with_statsmodels():
    sm = pytest.importorskip("statsmodels.duration.survfunc")
    frame = drawn(700, 2)
    code = frame["cause"].map({"natural": 1, "fault": 2, "other": 3}).fillna(0).astype(int)
    theirs = sm.CumIncidenceRight(frame["duration"].to_numpy(), code.to_numpy())
    ours = churn.incidence(frame).query("time > 0")
    for k, cause in enumerate(("natural", "fault", "other")):
        mine = ours[ours["cause"] == cause]
        np.testing.assert_array_equal(mine["time"], theirs.times)
        np.testing.assert_allclose(mine["incidence"], theirs.cinc[k], atol=1e-12, rtol=0)
        known = np.isfinite(theirs.cinc_se[k])
        assert known.sum() > 20
        np.testing.assert_allclose(mine["error"][known], theirs.cinc_se[k][known], atol=1e-12, rtol=0)


@pytest.mark.parametrize("late", [False, True])
def test_causes_and_survival_sum_to_one(late):
    frame = drawn(400, 3, late)
    by_cause = churn.incidence(frame, by="group")
    alive = churn.survival(frame, by="group").set_index(["group", "time"])["survival"]
    total = by_cause.groupby(["group", "time"])["incidence"].sum() + alive
    np.testing.assert_allclose(total, 1, atol=1e-12)
    assert list(dict.fromkeys(by_cause["cause"])) == ["natural", "fault", "other"]


def test_late_entry_is_at_risk_from_then_on():
    frame = drawn(150, 4, late=True)
    level, share_ = 1.0, {"natural": 0.0, "fault": 0.0, "other": 0.0}
    for month in range(1, int(frame["duration"].max()) + 1):
        there = frame[(frame["entry"] < month) & (frame["duration"] >= month)]
        if there.empty:
            continue
        gone = there[(there["duration"] == month) & there["left"]]
        for cause, number in gone["cause"].value_counts().items():
            share_[cause] += level * number / len(there)
        level *= 1 - len(gone) / len(there)
    last = churn.incidence(frame).groupby("cause")["incidence"].last()
    assert {c: pytest.approx(v) for c, v in share_.items()} == last.to_dict()
    assert churn.survival(frame)["survival"].iloc[-1] == pytest.approx(level)


@pytest.mark.slow
def test_intervals_stay_within_bounds_and_cover():
    """160 curves of 60 spells: the share at 10 lies in 19 of 20; below .9 is 3 standard errors off."""
    rng = np.random.default_rng(5)
    inside, inside_cause = [], []
    for _ in range(160):
        a, b, end = rng.exponential(15, 60), rng.exponential(30, 60), rng.uniform(5, 40, 60)
        time = np.minimum(np.minimum(a, b), end)
        event = np.where(time == a, 1, np.where(time == b, 2, 0))
        curve = churn.survival((time, event))
        by_cause = churn.incidence((time, event)).query("cause == 1")
        for table in (curve, by_cause):
            assert table["low"].dropna().between(0, 1).all()
            assert table["high"].dropna().between(0, 1).all()
        at = curve[curve["time"] <= 10].iloc[-1]
        inside.append(at["low"] <= np.exp(-1) <= at["high"])
        at = by_cause[by_cause["time"] <= 10].iloc[-1]
        inside_cause.append(at["low"] <= 2 / 3 * (1 - np.exp(-1)) <= at["high"])
    assert 0.9 < np.mean(inside) < 0.995
    assert 0.9 < np.mean(inside_cause) < 0.995


def test_lifetimes_count_those_who_stay():
    rng = np.random.default_rng(6)
    stay, end = rng.exponential(20, 4000), rng.uniform(0, 60, 4000)
    found = churn.lifetimes((np.minimum(stay, end), stay <= end), horizon=40).iloc[0]
    exact = 20 * (1 - np.exp(-2))
    assert found["low"] < exact < found["high"]
    assert found["naive"] < 0.75 * exact
    assert found["median"] == pytest.approx(20 * np.log(2), rel=0.08)
    # the interval against the spread of the estimate itself over 120 samples of 200
    means, widths = [], []
    for _ in range(120):
        stay, end = rng.exponential(20, 200), rng.uniform(20, 60, 200)
        one = churn.lifetimes((np.minimum(stay, end), stay <= end), horizon=20).iloc[0]
        means.append(one["mean"])
        widths.append((one["high"] - one["low"]) / 2 / 1.959964)
    assert np.mean(widths) == pytest.approx(np.std(means), rel=0.2)


def test_without_a_cause_the_rest_goes_on():
    """Two independent causes of rates .05 and .02: without the first, exp(-.02 t) remain."""
    rng = np.random.default_rng(7)
    a, b = rng.exponential(20, 20_000), rng.exponential(50, 20_000)
    time = np.minimum(np.minimum(a, b), 30)
    cause = np.where(time == a, "competitive", np.where(time == b, "natural", ""))
    found = churn.survival_without((time, cause), "controllable").iloc[-1]
    assert found["survival"] == pytest.approx(np.exp(-0.07 * 30), abs=0.01)
    assert found["without"] == pytest.approx(np.exp(-0.02 * 30), abs=0.02)
    assert found["gained"] == pytest.approx(found["without"] - found["survival"])
    # the share who leave of natural causes although there are others is smaller than without these
    natural = churn.incidence((time, cause)).query("cause == 'natural'")["incidence"].iloc[-1]
    assert natural == pytest.approx(2 / 7 * (1 - np.exp(-2.1)), abs=0.01)
    assert natural < 1 - found["without"]
    with pytest.raises(ValueError, match="does not occur"):
        churn.survival_without((time, cause), "boredom")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (([1, 2], [1]), "one length"),
        (([1, 0], [1, 1]), "duration must be a number above 0; row 1"),
        (([1, np.nan], [1, 1]), "duration must be"),
        (([3, 2], [1, 1], [0, 2]), "entry must be from 0 and below the duration; row 1"),
        (([3, 2], [1, np.nan]), "write 0 for a spell that lasts"),
        (pd.DataFrame({"duration": [1]}), "'left' is missing"),
        (pd.DataFrame({"duration": [1], "left": [3]}), "left must be true or false"),
    ],
)
def test_survival_says_what_is_wrong(data, message):
    with pytest.raises((ValueError, DataError), match=message):
        churn.survival(data)


def test_groups_are_words_or_few():
    frame = drawn(200, 8)
    with pytest.raises(ValueError, match="make groups of it first"):
        churn.survival(frame, by="x")
    half = churn.survival(frame, by=frame["x"] > 0)
    alone = churn.survival(frame[frame["x"] > 0])
    pd.testing.assert_frame_equal(
        half[half["x"]].drop(columns="x").reset_index(drop=True), alone, check_dtype=False
    )


# -- hazards --------------------------------------------------------------------------------------------


def test_hazards_count_months_at_risk():
    frame = drawn(300, 9, late=True)
    months = [
        (m, m == row.duration and row.left)
        for row in frame.itertuples()
        for m in range(int(row.entry) + 1, int(row.duration) + 1)
    ]
    person = pd.DataFrame(months, columns=["month", "left"])
    person["band"] = pd.cut(person["month"], [0, 3, 12, 40], right=True)
    expected = person.groupby("band", observed=False)["left"].agg(["size", "sum"])
    found = churn.hazards(frame, bands=(0, 3, 12, 40))
    np.testing.assert_allclose(found["exposure"], expected["size"])
    np.testing.assert_array_equal(found["left"], expected["sum"])
    for row in found.itertuples():
        yes = np.repeat([1, 0], [row.left, int(row.exposure) - row.left])
        by_month = share(yes)
        assert (row.hazard, row.low, row.high) == pytest.approx(
            (by_month.value, by_month.low, by_month.high), rel=0.01
        )
    single = churn.hazards(frame)
    assert single["left"].sum() == frame["left"].sum()
    by_cause = churn.hazards(frame, by_cause=True).groupby("low_time")["hazard"].sum(min_count=1)
    np.testing.assert_allclose(by_cause, single["hazard"])


def test_hazards_of_other_times_are_rates():
    found = churn.hazards(([0.5, 1.5, 2.25], [1, 1, 0]), bands=(0, 1, 2, 3))
    assert found["exposure"].tolist() == [2.5, 1.5, 0.25]
    assert found["left"].tolist() == [1, 1, 0]
    # Garwood by the chi-square: (chi2(.025, 2k) / 2, chi2(.975, 2k + 2) / 2)
    low, high = stats.chi2.ppf(0.025, 2) / 2 / 2.5, stats.chi2.ppf(0.975, 4) / 2 / 2.5
    assert found[["low", "high"]].iloc[0].tolist() == pytest.approx([low, high])
    assert found["low"].iloc[2] == 0


def test_hazards_of_the_simulation(run, tables):
    found = churn.hazards(tables, bands=(0, 18))
    assert found["exposure"].iloc[0] == run.monthly["at_risk"].sum()
    assert found["left"].iloc[0] == run.monthly["left"].sum()


def test_hazard_ratios_of_the_published_example(remission):
    """Cox with Efron's ties 4.82 (log 1.572), Breslow's 4.52 (1.509); log-rank 16.79."""
    pytest.importorskip("statsmodels")
    found = churn.hazard_ratios(remission, "drug")
    assert found.table["hazard_ratio"].round(2).tolist() == [1, 4.82]
    assert round(found.log_rank, 2) == 16.79
    assert found.degrees == 1
    assert found.p < 1e-4
    other = churn.hazard_ratios(remission, "drug", baseline="placebo").table
    assert other["hazard_ratio"].iloc[0] == pytest.approx(1 / found.table["hazard_ratio"].iloc[1])
    fit = churn.cox(remission, ["drug"], ties="breslow")
    assert round(fit.table["coefficient"].iloc[0], 3) == 1.509
    assert round(churn.cox(remission, ["drug"]).table["error"].iloc[0], 3) == 0.412
    with pytest.raises(ValueError, match="baseline 'none' is no group of drug"):
        churn.hazard_ratios(remission, "drug", baseline="none")


# -- Cox ------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("late", [False, True])
def test_cox_maximises_the_partial_likelihood(late):
    pytest.importorskip("statsmodels")
    frame = drawn(60, 10, late)
    frame["b"] = frame["group"] == "b"
    x = frame[["x", "b"]].to_numpy(dtype=float)
    entry = frame["entry"].to_numpy() if late else np.zeros(len(frame))

    def minus(beta, stratum):
        total = 0.0
        for row in range(len(frame)):
            if frame["left"][row]:
                t = frame["duration"][row]
                risk = (frame["duration"] >= t) & (entry < t) & (stratum == stratum[row])
                total += x[row] @ beta - np.log(np.exp(x[risk] @ beta).sum())
        return -total

    alike = np.zeros(len(frame))
    best = optimize.minimize(minus, np.zeros(2), args=(alike,), tol=1e-9)
    fit = churn.cox(frame, ["x", "b"], ties="breslow")
    assert fit.log_likelihood == pytest.approx(-best.fun)
    assert fit.null_log_likelihood == pytest.approx(-minus(np.zeros(2), alike))
    np.testing.assert_allclose(fit.table["coefficient"], best.x, atol=1e-4)
    step = 1e-3 * np.eye(2)
    curvature = [
        [
            sum(a * b * minus(best.x + a * u + b * v, alike) for a in (1, -1) for b in (1, -1)) / 4e-6
            for u in step
        ]
        for v in step
    ]
    np.testing.assert_allclose(fit.table["error"], np.sqrt(np.diag(np.linalg.inv(curvature))), rtol=1e-3)
    if not late:
        halves = (np.arange(len(frame)) % 2).astype(float)
        best = optimize.minimize(minus, np.zeros(2), args=(halves,), tol=1e-9)
        fit = churn.cox(frame.assign(half=halves), ["x", "b"], ties="breslow", strata="half")
        np.testing.assert_allclose(fit.table["coefficient"], best.x, atol=1e-4)
        assert set(fit.baseline["stratum"]) == {0.0, 1.0}


@pytest.mark.slow
def test_cox_finds_the_true_effects_and_predicts():
    """4,000 spells with hazard .05 exp(.7 x - .4 [b]): standard errors are about .02 and .04."""
    pytest.importorskip("statsmodels")
    rng = np.random.default_rng(11)
    x, b = rng.normal(size=4000), rng.random(4000) < 0.5
    stay = rng.exponential(20 * np.exp(-0.7 * x + 0.4 * b))
    frame = pd.DataFrame({"duration": np.minimum(stay, 30), "left": stay <= 30, "x": x})
    frame["kind"] = np.where(b, "b", "a")
    fit = churn.cox(frame, ["x", "kind"])
    assert fit.table["term"].tolist() == ["x", "kind: b"]
    np.testing.assert_allclose(fit.table["coefficient"], [0.7, -0.4], atol=0.12)
    assert (fit.table["low"] < np.exp([0.7, -0.4])).all() and (np.exp([0.7, -0.4]) < fit.table["high"]).all()
    who = pd.DataFrame({"x": [0.0, 1.0, 1.0], "kind": ["a", "a", "b"]})
    truth = np.exp(-0.05 * np.exp([0, 0.7, 0.3])[:, None] * np.array([5, 20]))
    np.testing.assert_allclose(fit.survival(who, [5, 20]), truth, atol=0.03)
    np.testing.assert_allclose(fit.survival(who, [15], after=5)[15.0], truth[:, 0] ** 2, atol=0.03)
    assert (fit.proportional["p"] > 0.001).all()
    with pytest.raises(ValueError, match="'c' was not seen in fitting"):
        fit.relative_hazard(pd.DataFrame({"x": [0.0], "kind": ["c"]}))


def test_an_effect_that_fades_is_found_out():
    """Hazard 4 times as high in the first five months only: Grambsch and Therneau's p is tiny."""
    pytest.importorskip("statsmodels")
    rng = np.random.default_rng(12)
    x = (rng.random(2000) < 0.5).astype(float)
    early = rng.exponential(20 / np.where(x > 0, 4, 1))
    stay = np.where(early <= 5, early, 5 + rng.exponential(20, 2000))
    frame = pd.DataFrame({"duration": np.minimum(stay, 40), "left": stay <= 40, "x": x})
    found = churn.cox(frame, ["x"]).proportional.iloc[0]
    assert found["p"] < 1e-6
    assert found["correlation"] < -0.1


def test_cox_of_one_cause_leaves_the_others_censored():
    pytest.importorskip("statsmodels")
    frame = drawn(600, 13)
    by_hand = frame.assign(left=frame["left"] & (frame["cause"] == "fault")).drop(columns="cause")
    pd.testing.assert_frame_equal(
        churn.cox(frame, ["x"], cause="fault").table, churn.cox(by_hand, ["x"]).table
    )


@pytest.mark.parametrize(
    ("covariates", "changes", "message"),
    [
        (["x"], {"x": np.nan}, "'x' is missing in"),
        (["x"], {"x": 1.0}, "'x' is the same for all"),
        (["z"], {}, "column 'z' is missing"),
        (["x"], {"left": False, "cause": None}, "0 departures cannot carry 1 terms"),
    ],
)
def test_cox_says_what_is_wrong(covariates, changes, message):
    with pytest.raises((ValueError, DataError), match=message):
        churn.cox(drawn(100, 14).assign(**changes), covariates)


def test_a_covariate_that_tells_all_is_refused():
    pytest.importorskip("statsmodels")
    frame = drawn(200, 15).assign(cause=None)
    with pytest.raises(ValueError, match="parts those who left"):
        churn.cox(frame.assign(told=frame["left"].astype(float)), ["told"])


def test_statsmodels_is_named_when_it_lacks(monkeypatch):
    for name in ("statsmodels", "statsmodels.duration", "statsmodels.duration.hazard_regression"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r'pip install "crmsim\[analysis\]"'):
        churn.cox(drawn(100, 16), ["x"])


# -- rates and cohorts ----------------------------------------------------------------------------------


def test_monthly_rates_are_those_of_the_run(run, tables):
    found = churn.rates(tables)
    np.testing.assert_array_equal(found["at_risk"], run.monthly["at_risk"])
    np.testing.assert_array_equal(found["left"], run.monthly["left"])
    np.testing.assert_allclose(found["rate"], run.monthly["churn_rate"])
    whole = churn.rates(tables, every=None).iloc[0]
    assert whole["rate"] == pytest.approx(run.monthly["left"].sum() / run.monthly["at_risk"].sum())
    parts = churn.rates(tables, by="source", every=None)
    assert parts["left"].sum() == whole["left"]
    assert parts["customer_months"].sum() == whole["customer_months"]


def test_yearly_rates_follow_those_there_at_the_start(tables):
    spells = churn.spells(tables)
    found = churn.rates(spells, every=12)
    assert found["months"].tolist() == [12, 6]
    end = spells["start"] + spells["duration"] - 1
    for row in found.itertuples():
        there = (spells["start"] <= row.month) & (end >= row.month)
        gone = there & spells["left"] & (end < row.month + row.months)
        assert (row.at_risk, row.left) == (there.sum(), gone.sum())
        every = spells["left"] & end.between(row.month, row.month + row.months - 1)
        assert row.departures == every.sum() > row.left
    assert found["joined"].sum() == len(spells)


def test_the_cohort_matrix_counts_who_is_there(run, tables):
    spells = churn.spells(tables)
    found = churn.cohorts(spells)
    assert (found.query("age == 0")["retention"] == 1).all()
    first = found.query("cohort == 0").set_index("age")["retained"]
    np.testing.assert_array_equal(first.index, range(19))
    # among the first cohort there are those who came back; by hand, customer by customer
    presence = {}
    for row in spells.itertuples():
        months = range(row.start, row.start + row.duration - row.left)
        presence.setdefault(row.customer, set()).update(months)
    joined = spells.groupby("customer")["start"].min()
    for cohort, age in itertools.product((0, 3, 9), (1, 4, 8)):
        here = joined[joined == cohort].index
        there = sum(cohort + age - 1 in presence[c] for c in here)
        row = found[(found["cohort"] == cohort) & (found["age"] == age)].iloc[0]
        assert (row["customers"], row["retained"]) == (len(here), there)
    row = found.query("cohort == 0 and age == 5").iloc[0]
    before = found.query("cohort == 0 and age == 4").iloc[0]
    assert row["rate"] == pytest.approx(row["retained"] / before["retained"])


def test_cohorts_of_quarters_leave_out_what_not_all_can_have_reached():
    spells = pd.DataFrame(
        {"customer": [1, 2, 3], "start": [0, 2, 3], "duration": [6, 2, 3], "left": [False, True, False]}
    )
    found = churn.cohorts(spells, every=3)
    matrix = found.pivot(index="cohort", columns="age", values="retained")
    assert matrix.loc[0].tolist() == [2, 1]  # 4 months are seen of customer 2, not 6
    assert matrix.loc[3].tolist() == [1, 1]


def test_purchase_cohorts_count_who_buys_again():
    bought = pd.DataFrame({"customer": [1, 1, 1, 2, 2, 3], "month": [0, 0, 2, 0, 1, 1]})
    found = churn.purchase_cohorts(bought, months=3).set_index(["cohort", "age"])
    assert found["retained"].to_dict() == {(0, 0): 2, (0, 1): 1, (0, 2): 1, (1, 0): 1, (1, 1): 0}
    assert found.loc[(0, 1), "retention"] == 0.5


# -- causes ---------------------------------------------------------------------------------------------


def test_causes_and_their_two_cuts():
    left = pd.Series(["natural"] * 2 + ["competitive"] * 5 + ["payment_lapse"] * 3)
    found = churn.causes(left).set_index("cause")
    assert found.index.tolist() == list(ChurnCause.keys())
    assert found["left"].tolist() == [2, 5, 0, 3, 0]
    assert found.loc["natural", ["controllable", "voluntary"]].tolist() == [False, True]
    assert found.loc["payment_lapse", "chinese"] == "非恶意性被动流失"
    assert churn.causes(left, cut="controllable").set_index("controllable")["left"].to_dict() == {
        True: 8,
        False: 2,
    }
    assert churn.causes(left, cut="voluntary")["share"].tolist() == [0.7, 0.3]
    with pytest.raises(ValueError, match="did you mean 'natural'"):
        churn.causes(pd.Series(["naturall"]))


def test_stated_causes_against_true_ones(tables):
    found = churn.stated_and_true(tables)
    assert found.n == len(tables["departures"]) == found.confusion.to_numpy().sum()
    assert found.accuracy == pytest.approx(np.trace(found.confusion.to_numpy()) / found.n)
    assert 0.65 < found.accuracy < 0.85  # a quarter is stated wrongly in this world
    table = found.table.set_index("cause")
    assert table.loc["competitive", "difference"] > 0 > table.loc["fault", "difference"]
    assert table["stated"].sum() == pytest.approx(1)
    root = churn.stated_and_true(tables, true_cause="attributed_cause")
    assert root.n == tables["truth.departures"]["attributed_cause"].notna().sum() < found.n


def test_kappa_of_a_known_table():
    """Cohen's textbook case: of 50, 35 alike, 20 and 15 agreed; kappa .40."""
    said = pd.Series(["a"] * 20 + ["b"] * 5 + ["a"] * 10 + ["b"] * 15)
    was = pd.Series(["a"] * 25 + ["b"] * 25)
    found = churn.stated_and_true(said, was)
    assert (found.accuracy, found.kappa) == (pytest.approx(0.7), pytest.approx(0.4))
    table = found.table.set_index("cause")
    assert table.loc["a", ["recall", "precision"]].tolist() == pytest.approx([0.8, 2 / 3])


def test_a_few_true_causes_correct_the_stated_ones():
    error = pd.DataFrame(
        [[0.7, 0.3, 0.0], [0.1, 0.85, 0.05], [0.1, 0.4, 0.5]], index=list("nfc"), columns=list("nfc")
    )
    true = np.array([0.2, 0.3, 0.5])
    found = churn.corrected_causes(pd.Series(true @ error * 1000), error).set_index("cause")
    np.testing.assert_allclose(found["corrected"], true, atol=1e-5)
    np.testing.assert_allclose(found["stated"], true @ error)
    # beyond what the matrix can give, a share ends at 0 and does not fall below
    odd = churn.corrected_causes(pd.Series({"n": 0.05, "f": 0.9, "c": 0.05}), error)["corrected"]
    assert (odd >= 0).all() and odd.sum() == pytest.approx(1)
    with pytest.raises(ValueError, match="'x' is no column"):
        churn.corrected_causes(pd.Series(["x"]), error)


def test_a_cause_that_nobody_followed_up_states_is_taken_at_its_word():
    few = pd.DataFrame(
        [[7.0, 3.0, 0.0], [1.0, 9.0, 0.0], [0.0, 0.0, 0.0]], index=list("nfr"), columns=list("nfr")
    )
    true = np.array([0.3, 0.6])
    told = true @ few.iloc[:2, :2].to_numpy() / 10
    stated = pd.Series({"n": told[0], "f": told[1], "r": 0.1})
    found = churn.corrected_causes(stated, few).set_index("cause")["corrected"]
    np.testing.assert_allclose(found[list("nfr")], [0.3, 0.6, 0.1], atol=1e-5)
    with pytest.raises(ValueError, match="nothing that was stated"):
        churn.corrected_causes(pd.Series(["r", "r"]), few)


# -- value and silence ----------------------------------------------------------------------------------


def test_expected_loss():
    people = pd.DataFrame({"value": [100.0, 1000.0, 50.0], "hazard": [0.5, 0.1, 0.0], "tier": list("aba")})
    one = churn.expected_loss(people)
    assert one["loss"].tolist() == pytest.approx([50, 100, 0])
    assert one["share_of_loss"].tolist() == pytest.approx([1 / 3, 2 / 3, 0])
    two = churn.expected_loss(people, months=2)
    assert two["chance"].tolist() == pytest.approx([0.75, 0.19, 0])
    grouped = churn.expected_loss(people, by="tier").set_index("tier")
    assert grouped.loc["a", ["customers", "value", "loss"]].tolist() == [2, 150, 50]
    assert grouped["share_of_value"].tolist() == pytest.approx([150 / 1150, 1000 / 1150])
    with pytest.raises(ValueError, match=r"row 1 has 1.5 \(1 such"):
        churn.expected_loss(people.assign(hazard=[0.1, 1.5, 0.2]))


def test_the_rule_of_silence():
    bought = pd.DataFrame({"customer": [1, 1, 1, 2, 2, 3], "month": [0, 1, 2, 0, 5, 9]})
    people = pd.DataFrame({"customer": [1, 2, 3, 4], "joined_month": [0, 0, 9, 6]})
    found = churn.inactive(bought, people, gap=4, months=10).set_index("customer")
    assert found["silent"].tolist() == [7, 4, 0, 4]
    assert found["lost"].tolist() == [True, True, False, True]
    assert found["month"].tolist()[:2] == [3, 6]
    assert found.loc[4, "month"] == 6
    assert pd.isna(found.loc[3, "month"]) and pd.isna(found.loc[4, "last"])
    own = churn.inactive(bought, people, gap=4, factor=1.0, months=10).set_index("customer")
    assert own["limit"].tolist() == [4, 5, 4, 4]  # customer 2 buys every five months
    assert not own.loc[2, "lost"]
    lost = found[found["lost"]].reset_index()
    assert churn.spells(people, lost, months=10)["duration"].tolist() == [4, 7, 1, 1]
    with pytest.raises(DataError, match="purchases in month 9"):
        churn.inactive(bought, months=5)


def test_a_longer_silence_is_surer_and_later(shop):
    found = churn.inactivity_errors(
        shop["purchases"], shop["truth.customers"], shop["customers"], gaps=(1, 3, 6, 12), months=24
    )
    assert (found["hits"] + found["missed"] == found["gone"]).all()
    assert (found["hits"] + found["false_alarms"] == found["said"]).all()
    assert found["precision"].is_monotonic_increasing
    assert found["recall"].is_monotonic_decreasing
    assert found["churn_true"].nunique() == 1
    assert found.loc[found["gap"] == 1, "alarm_rate"].iloc[0] > 0.4  # half of those there did not buy lately
    assert found["gone"].iloc[0] == shop["truth.customers"]["left_month"].notna().sum()


# -- figures --------------------------------------------------------------------------------------------


def figures(tables) -> dict:
    """One of each, by name."""
    spells = churn.spells(tables)
    bands = (0, 3, 6, 9, 12, 18)
    return {
        "cohorts": lambda **k: plots.cohort_matrix(churn.cohorts(spells, every=3), **k),
        "cohorts by month": lambda **k: plots.cohort_matrix(churn.cohorts(spells), **k),
        "survival": lambda **k: plots.survival_curves(churn.survival(spells), **k),
        "survival of groups": lambda **k: plots.survival_curves(churn.survival(spells, "channel"), **k),
        "causes": lambda **k: plots.incidence_by_cause(churn.incidence(spells), **k),
        "hazard": lambda **k: plots.hazard_by_tenure(churn.hazards(spells, bands=bands), **k),
        "hazard of groups": lambda **k: plots.hazard_by_tenure(
            churn.hazards(spells, "channel", bands=bands), **k
        ),
        "hazard of causes": lambda **k: plots.hazard_by_tenure(
            churn.hazards(spells, bands=bands, by_cause=True), **k
        ),
        "stated": lambda **k: plots.stated_causes(churn.stated_and_true(tables).table, **k),
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["cohorts", "cohorts by month", "survival", "survival of groups", "causes", "hazard", "hazard of groups",
     "hazard of causes", "stated"],
)  # fmt: skip
def test_figures_can_be_read(tables, name, monkeypatch):
    known = {"manual", "card", "debit", "aplan", "eier", "alen", "ohansen"}  # Kaplan-Meier, Aalen-Johansen
    assert_complete(figures(tables)[name], "subscription, seed 2", known, monkeypatch)


def test_figures_say_what_they_show(tables):
    spells = churn.spells(tables)
    curve = churn.survival(spells)
    at_end = 100 * curve["survival"].iloc[-1]
    assert (
        plots.survival_curves(curve).get_title(loc="left").startswith(f"{at_end:.0f} % are still customers")
    )
    ax = plots.incidence_by_cause(churn.incidence(spells))
    # the top of the stack is all who have left
    top = max(path.vertices[:, 1].max() for c in ax.collections for path in c.get_paths())
    assert top == pytest.approx(100 - at_end)
    ax = plots.stated_causes(churn.stated_and_true(tables).table)
    assert ax.get_title(loc="left").startswith("Competitive churn is stated too often")
    matrix = plots.cohort_matrix(churn.cohorts(spells, every=3))
    numbers = [t.get_text() for t in matrix.texts if t.get_text().isdigit()]
    cells = churn.cohorts(spells, every=3).query("age > 0")["retention"]
    assert sorted(numbers) == sorted(f"{100 * v:.0f}" for v in cells)


def test_figures_say_what_is_missing(tables):
    spells = churn.spells(tables)
    with pytest.raises(ValueError, match=r"'time' is missing; give the table of churn.survival"):
        plots.survival_curves(churn.hazards(spells))
    with pytest.raises(ValueError, match="one group of channel at a time"):
        plots.incidence_by_cause(churn.incidence(spells, by="channel"))
    with pytest.raises(ValueError, match="the table is empty"):
        plots.stated_causes(churn.stated_and_true(tables).table.iloc[:0])
