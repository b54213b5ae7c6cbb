"""Features without a look ahead, scores, uplift and its measures, and the report card on small worlds."""

import sys

import numpy as np
import pandas as pd
import pytest

import crmsim as cs
from crmsim import plots
from crmsim.analysis import targeting as tg
from crmsim.data.database import Database, tables_of, write_tables
from crmsim.plots import style

MONTHS = 24


def world(preset: str, customers: int, policies=(), **surveys) -> dict[str, pd.DataFrame]:
    scenario = cs.Scenario.preset(preset).replace(population__size=customers, population__months=MONTHS)
    run = cs.simulate(scenario, list(policies), seed=4)
    return tables_of(run, [cs.Survey(**surveys)] if surveys else [])


@pytest.fixture(scope="module")
def contract() -> dict[str, pd.DataFrame]:
    calls = cs.RetentionCall(target="random", share=0.1)
    return world("subscription", 2_500, [calls], months=(23,), size=2_500, response=0.5)


@pytest.fixture(scope="module")
def shop() -> dict[str, pd.DataFrame]:
    return world("retail", 2_500)


def hand_made() -> dict[str, pd.DataFrame]:
    """Customer 1 pays by debit and fails once; 2 leaves in month 2; 3 joins in month 2 by referral."""
    payments = pd.DataFrame(
        [(1, 0, "debit", 10.0, True, False), (2, 0, "card", 5.0, True, False),
         (1, 1, "card", 0.0, False, True), (2, 1, "card", 5.0, True, False),
         (1, 2, "debit", 12.0, True, True), (2, 2, "card", 5.0, True, False),
         (3, 2, "manual", 7.0, True, False), (1, 3, "debit", 12.0, True, False),
         (3, 3, "manual", 7.0, True, False), (1, 4, "debit", 12.0, True, False),
         (3, 4, "card", 0.0, False, True)],
        columns=["customer", "month", "channel", "amount", "paid", "failed"],
    )  # fmt: skip
    return {
        "customers": pd.DataFrame(
            {"customer": [1, 2, 3], "joined_month": [0, 0, 2], "source": ["initial", "won", "referred"]}
        ),
        "bills": payments[["customer", "month", "amount"]],
        "payments": payments,
        "complaints": pd.DataFrame(
            {"customer": [1, 1, 3], "month": [0, 2, 4], "resolved": [False, True, False], "fast": False}
        ),
        "offers": pd.DataFrame({"customer": [1, 1], "month": [1, 3]}),
        "survey": pd.DataFrame({"customer": [1, 1], "month": [0, 2], "satisfaction": [50.0, 70.0]}),
        "departures": pd.DataFrame({"customer": [2], "month": [2], "stated_cause": ["natural"]}),
    }


# What the firm knew


def test_features_by_hand():
    found = tg.monthly_features(hand_made(), [2], window=2).set_index("customer")
    assert list(found.index) == [1, 3]  # 2 has left
    one = found.loc[1]
    assert one[["tenure", "initial", "referred", "recency"]].tolist() == [2, 1, 0, 0]
    assert one[["frequency", "money", "money_recent"]].tolist() == [1, 12, 12]
    assert one[["complaints", "unresolved"]].tolist() == [1, 0]  # month 0 is outside the window
    assert one[["failed", "unpaid"]].tolist() == [2, 1]
    assert one[["card", "debit"]].tolist() == [0, 1]
    assert one[["offers", "since_offer", "satisfaction"]].tolist() == [1, 1, 70]
    three = found.loc[3]
    assert three[["tenure", "referred", "recency", "frequency", "since_offer"]].tolist() == [0, 1, 0, 1, 3]
    assert np.isnan(three["satisfaction"])


def test_recency_reaches_beyond_the_window():
    tables = hand_made()
    tables["payments"] = tables["payments"].assign(paid=tables["payments"]["month"] == 0)
    found = tg.monthly_features(tables, 4, window=2).set_index("customer")
    assert found.loc[1, "recency"] == 4
    assert found.loc[3, "recency"] == 3  # never paid: since joining, and one


def test_outcomes_by_hand():
    tables = hand_made()
    panel = tg.monthly_features(tables, [1, 2])
    found = tg.outcomes(tables, panel, 2)
    assert list(zip(panel["customer"], panel["month"], strict=True)) == [(1, 1), (2, 1), (1, 2), (3, 2)]
    assert found["left"].tolist() == [0, 1, 0, 0]
    assert found["bought"].tolist() == [2, 1, 2, 1]
    assert found["spent"].tolist() == [24, 5, 24, 7]
    assert found["offered"].tolist() == [0, 0, 1, 0]  # in the first month after only
    with pytest.raises(ValueError, match="3 months after month 2 are not in the record"):
        tg.outcomes(tables, panel, 3)


@pytest.mark.parametrize("which", ["contract", "shop"])
def test_features_do_not_leak_the_future(which, request):
    """Cutting off all that came later changes nothing."""
    tables = request.getfixturevalue(which)
    at = 15
    cut = {}
    for name, table in tables.items():
        if not name.startswith("truth") and name != "about":
            month = "joined_month" if name == "customers" else "month"
            cut[name] = table[table[month] <= at] if month in table else table
    cut["customers"] = cut["customers"].assign(channel=None)  # the latest channel is of the end
    now = tg.monthly_features(tables, at)
    then = tg.monthly_features(cut, at)
    assert len(now) > 1_000
    pd.testing.assert_frame_equal(now, then)
    later = tg.monthly_features(tables, at + 3)
    assert not later.head(1_000)[["money", "complaints"]].equals(now.head(1_000)[["money", "complaints"]])


def test_features_of_a_database_file(shop, tmp_path):
    with Database(write_tables(shop, tmp_path / "shop.duckdb")) as firm:
        found = tg.monthly_features(firm, 12)
    pd.testing.assert_frame_equal(found, tg.monthly_features(shop, 12), check_dtype=False)


def test_everyone_under_contract_has_a_bill_next_month(contract):
    """The two ways to tell who is a customer agree."""
    features = tg.monthly_features(contract, 10)
    bills = contract["bills"]
    joined = contract["customers"].set_index("customer")["joined_month"]
    billed = bills.loc[bills["month"] == 11, "customer"]
    assert set(features["customer"]) == set(billed[joined.reindex(billed).to_numpy() <= 10])


def test_features_refuse():
    with pytest.raises(ValueError, match="month 9 is outside the record, which runs from 0 to 4"):
        tg.monthly_features(hand_made(), [9])
    with pytest.raises(ValueError, match="window"):
        tg.monthly_features(hand_made(), 1, window=0)
    with pytest.raises(ValueError, match="neither bills nor purchases"):
        tg.monthly_features({"customers": hand_made()["customers"]})


# Scores and their measures


def test_churn_scores_find_who_leaves():
    rng = np.random.default_rng(1)
    X = pd.DataFrame({"a": rng.normal(size=4_000), "b": rng.normal(size=4_000), "customer": np.arange(4_000)})
    chance = 1 / (1 + np.exp(2 - 1.2 * X["a"]))
    left = (rng.random(4_000) < chance).astype(float)
    X.loc[::50, "b"] = np.nan
    for method in ("logistic", "boosting"):
        model = tg.fit_churn(X[:3_000], left[:3_000], method)
        assert model.columns == ["a", "b"]
        # ceiling .79
        assert tg.auc(chance[3_000:], model.score(X[3_000:])) == pytest.approx(
            tg.auc(chance[3_000:], chance[3_000:]), abs=0.03
        )
        assert model.score(X).mean() == pytest.approx(left.mean(), abs=0.02)
    logistic = tg.fit_churn(X, left)
    assert logistic.table.loc["a", "coefficient"] == pytest.approx(1.2, abs=0.15)
    assert repr(logistic).startswith("ChurnScore(logistic, 2 features;")
    from sklearn.tree import DecisionTreeClassifier

    own = tg.fit_churn(X, left, DecisionTreeClassifier(max_depth=2))
    assert own.method == "DecisionTreeClassifier"
    with pytest.raises(ValueError, match="at least ten must leave"):
        tg.fit_churn(X, left * 0)
    with pytest.raises(ValueError, match="'magic' is not known"):
        tg.fit_churn(X, left, "magic")


def test_learning_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ImportError, match=r'pip install "crmsim\[research\]"'):
        tg.fit_churn(np.zeros((20, 2)), np.arange(20) % 2)
    with pytest.raises(ImportError, match="scikit-learn"):
        tg.SLearner().fit(np.zeros((20, 2)), np.arange(20) % 2, np.arange(20) % 2)


def test_auc_agrees_with_scikit_learn_and_with_all_pairs():
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(2)
    score = rng.integers(0, 12, 400)  # with ties
    y = (rng.random(400) < score / 15).astype(float)
    assert tg.auc(y, score) == pytest.approx(roc_auc_score(y, score), abs=1e-12)
    p, s = rng.random(30), rng.integers(0, 6, 30)
    won = pairs = 0.0
    for i in range(30):
        for j in range(30):
            if i != j:
                weight = p[i] * (1 - p[j])
                pairs += weight
                won += weight * ((s[i] > s[j]) + 0.5 * (s[i] == s[j]))
    assert tg.auc(p, s) == pytest.approx(won / pairs, abs=1e-12)
    assert np.isnan(tg.auc([1, 1], [0, 1]))
    with pytest.raises(ValueError, match="differ in length: outcome 2, score 3"):
        tg.auc([0, 1], [1, 2, 3])


def test_lift_by_hand():
    y = np.array([1, 1, 0, 1, 0, 0, 0, 0, 0, 0])
    s = np.arange(10, 0, -1)
    table = tg.lift_table(y, s, groups=5)
    assert table["outcome"].tolist() == [2, 1, 0, 0, 0]
    assert table["lift"].round(6).tolist() == [3.333333, 1.666667, 0, 0, 0]
    assert table["captured"].round(6).tolist() == [0.666667, 1, 1, 1, 1]
    assert table["cumulative_lift"].iloc[-1] == 1
    assert tg.top_lift(y, s, 0.2) == pytest.approx(2 / 0.2 / 3)
    assert tg.top_lift(y, np.zeros(10), 0.2) == pytest.approx(1)  # all tied: chance
    assert len(tg.lift_table(y, np.zeros(10), 5)) == 1


def test_calibration():
    rng = np.random.default_rng(3)
    p = rng.random(20_000)
    y = (rng.random(20_000) < p).astype(float)
    table = tg.calibration_table(y, p)
    assert table["customers"].tolist() == [2_000] * 10
    assert table["predicted"].is_monotonic_decreasing
    assert ((table["low"] < table["predicted"]) & (table["predicted"] < table["high"])).sum() >= 8
    wrong = tg.calibration_table(y, p**2)
    assert ((wrong["low"] > wrong["predicted"]) | (wrong["predicted"] > wrong["high"])).sum() >= 7
    assert tg.brier([1, 0], [0.8, 0.4]) == pytest.approx((0.04 + 0.16) / 2)
    with pytest.raises(ValueError, match="probability must lie"):
        tg.calibration_table([1, 0], [1.2, 0])


# Uplift

OUTCOME = np.array([1, 0, 1, 1, 0, 0, 1, 0])
TREATED = np.array([1, 0, 1, 0, 1, 0, 0, 1])
SCORE = np.array([8, 7, 6, 5, 4, 3, 2, 1.0])


def test_uplift_curve_by_hand():
    curve = tg.uplift_curve(OUTCOME, TREATED, SCORE)
    assert curve["customers"].tolist() == list(range(9))
    at4 = curve.iloc[4]
    assert at4[["treated", "control", "uplift", "gain"]].tolist() == [2, 2, 0.5, 2]
    assert at4["qini"] == 2 - 1 * 2 / 2
    assert curve["gain"].iloc[-1] == 0
    assert curve["qini"].tolist() == pytest.approx([0, 0, 1, 2, 1, 0.5, 1, 2 - 2 * 3 / 4, 0])
    assert tg.qini(OUTCOME, TREATED, SCORE) == pytest.approx(
        np.trapezoid([0, 0, 1, 2, 1, 0.5, 1, 0.5, 0], dx=1 / 8) / 4
    )
    tied = tg.uplift_curve(OUTCOME, TREATED, np.zeros(8))
    assert len(tied) == 2
    found = tg.uplift_at(OUTCOME, TREATED, SCORE, 0.5)
    assert (found.value, found.treated, found.control) == (0.5, 2, 2)


def experiment(n: int = 6_000, seed: int = 5):
    """A third treated by chance; the treatment helps where x0 is large, harms where it is small."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    treated = (rng.random(n) < 1 / 3).astype(float)
    effect = np.clip(0.2 * X[:, 0], -0.3, 0.3)
    outcome = (rng.random(n) < 0.5 + 0.1 * np.tanh(X[:, 1]) + treated * effect).astype(float)
    return X, treated, effect, outcome


@pytest.mark.parametrize("kind", tg.LEARNERS)
def test_learners_find_the_effect(kind):
    X, treated, effect, outcome = experiment()
    learner = kind().fit(X[:4_000], outcome[:4_000], treated[:4_000])
    found = learner.predict(X[4_000:])
    assert np.corrcoef(found, effect[4_000:])[0, 1] > 0.75
    assert abs(found.mean() - effect[4_000:].mean()) < 0.05
    score = tg.qini(outcome[4_000:], treated[4_000:], found)
    assert score > 0.02  # chance is 0, its error .01
    assert tg.auuc(outcome[4_000:], treated[4_000:], found, normalisation="above_random") > 0.02
    with pytest.raises(ValueError, match="not fitted"):
        kind().predict(X)
    with pytest.raises(ValueError, match="at least 50 of each"):
        kind().fit(X, outcome, np.r_[1, np.zeros(5_999)])


def test_learners_take_amounts_and_linear_models():
    X, treated, _, _ = experiment(3_000)
    rng = np.random.default_rng(6)
    spent = 20 + X[:, 1] + treated * (3 + 2 * X[:, 0]) + rng.normal(size=3_000)
    for kind in (tg.TLearner, tg.XLearner):
        found = kind("logistic").fit(X, spent, treated).predict(X)
        assert found.mean() == pytest.approx(3, abs=0.2)
        np.testing.assert_allclose(found, 3 + 2 * X[:, 0], atol=0.5)
    frame = pd.DataFrame(X, columns=["a", "b", "c"]).assign(customer=1, month=2)
    again = tg.TLearner("logistic").fit(frame, spent, treated)
    np.testing.assert_allclose(
        again.predict(frame[["c", "b", "a"]]), tg.TLearner("logistic").fit(X, spent, treated).predict(X)
    )
    with pytest.raises(ValueError, match="lacks the column 'a'"):
        again.predict(frame.drop(columns="a"))


def test_qini_of_perfect_and_of_chance():
    _, treated, _, outcome = experiment()
    perfect = outcome * (2 * treated - 1)
    assert tg.qini(outcome, treated, perfect, normalisation="perfect") == pytest.approx(1)
    assert tg.qini(outcome, treated, -perfect, normalisation="perfect") < 0
    rng = np.random.default_rng(7)
    draws = [tg.qini(outcome, treated, rng.random(6_000)) for _ in range(60)]
    assert abs(np.mean(draws)) < 4 * np.std(draws) / 60**0.5
    # half the mean effect for a score without merit
    mean = outcome[treated == 1].mean() - outcome[treated == 0].mean()
    assert tg.auuc(outcome, treated, np.zeros(6_000)) == pytest.approx(mean / 2)
    with pytest.raises(ValueError, match="without a control group"):
        tg.qini(outcome, treated * 0, perfect)
    with pytest.raises(ValueError, match="normalisation='best'"):
        tg.qini(outcome, treated, perfect, normalisation="best")


def test_uplift_table_measures_what_was_predicted():
    _, treated, effect, outcome = experiment()
    table = tg.uplift_table(outcome, treated, effect, groups=5)
    assert table["customers"].sum() == 6_000
    assert ((table["low"] < table["predicted"]) & (table["predicted"] < table["high"])).sum() >= 4
    assert table["uplift"].iloc[0] > 0.15 > -0.15 > table["uplift"].iloc[-1]


def test_saves_and_profit_by_hand():
    saves = tg.expected_saves([3, 2, 2, 1], [0.1, 0.3, 0.1, -0.1], value=[10, 10, 10, 10])
    assert saves["gain"].tolist() == pytest.approx([0, 1, 3, 5, 4])  # tied customers count alike
    assert saves["best_gain"].tolist() == pytest.approx([0, 3, 4, 5, 4])
    assert saves["random_gain"].tolist() == pytest.approx([0, 1, 2, 3, 4])
    profit = tg.profit_curve(saves, contact=0.5, offer=2, accept=0.25, fixed=1)
    assert profit["profit"].tolist() == pytest.approx([0, 1 - 1 - 1, 3 - 2 - 1, 5 - 3 - 1, 4 - 4 - 1])
    assert tg.profit_curve(saves, contact=0.5, customers=400)["profit"].max() == pytest.approx(100 * 3.5)
    curve = tg.uplift_curve(OUTCOME, TREATED, SCORE)
    assert tg.profit_curve(curve, value=100, contact=10)["profit"].iloc[4] == pytest.approx(200 - 40)
    with pytest.raises(ValueError, match="curve lacks gain"):
        tg.profit_curve(saves.drop(columns="gain"))
    with pytest.raises(ValueError, match="contact must be 0 or more"):
        tg.profit_curve(saves, contact=-1)


# The report card


@pytest.fixture(scope="module")
def contract_card(contract) -> tg.ReportCard:
    weights = {point.name: point.weight for point in cs.Scenario.preset("subscription").touchpoints}
    return tg.report_card(contract, {"weights": weights}, rows=15_000)


def pick(card: tg.ReportCard, task: str, measure: str) -> pd.DataFrame:
    table = card.table
    return table[(table["task"] == task) & (table["measure"] == measure)].set_index("method")


@pytest.mark.slow
def test_report_card_of_a_contract_firm(contract_card, contract):
    card = contract_card
    assert set(card.table["task"]) == {"churn", "uplift", "drivers", "exit"}
    churn = pick(card, "churn", "AUC")
    ceiling = churn["best"].iloc[0]
    assert 0.65 < ceiling < 0.95
    assert (churn["score"] < ceiling).all()
    assert churn.loc["logistic", "score"] > 0.52
    # graded against the hazard of the last month, which only the truth tells
    today = tg.monthly_features(contract, MONTHS - 2)
    hazard = contract["truth.customers"].set_index("customer")["hazard"].reindex(today["customer"])
    assert churn.loc["tenure", "score"] == pytest.approx(tg.auc(hazard, -today["tenure"]))
    assert churn["n"].unique() == [len(today)]
    uplift = pick(card, "uplift", "saves of the best tenth")
    assert set(uplift.index) == {"risk (logistic)", "risk (boosting)", "S-learner", "T-learner", "X-learner"}
    assert uplift["score"].between(-0.3, 1).all()
    assert set(pick(card, "drivers", "rank correlation").index) >= {"lmg", "stated", "correlation"}
    both = contract["departures"].merge(contract["truth.departures"], on=["customer", "month"])
    right = (both["stated_cause"].astype(str) == both["cause"].astype(str)).mean()
    told = pick(card, "exit", "share right").iloc[0]
    assert told["score"] == pytest.approx(right)
    assert told["chance"] < told["score"] < 1
    graded = card.table.dropna(subset=["grade"])
    assert (graded["grade"] <= 1 + 1e-9).all()
    assert not any("not made by chance" in note for note in card.notes)
    assert repr(card).startswith("ReportCard\n")
    assert "<table" in card._repr_html_()


def test_report_card_of_a_shop(shop):
    card = tg.report_card(shop)
    assert set(card.table["task"]) == {"alive", "purchases", "value"}
    alive = pick(card, "alive", "AUC")
    # who is new has little to show: the BG/NBD model takes all without a repeat for alive
    assert alive.loc["Pareto/NBD", "score"] > 0.9 > alive.loc["own rate", "score"]
    assert alive.loc["Pareto/NBD", "score"] > alive.loc["RFM", "score"]
    share = pick(card, "alive", "share alive")
    truth = shop["truth.departures"]
    gone = set(truth.loc[truth["month"] <= MONTHS - 13, "customer"])
    bought = set(shop["purchases"].loc[shop["purchases"]["month"] <= MONTHS - 13, "customer"])
    assert share["best"].iloc[0] == pytest.approx(1 - len(bought & gone) / len(bought))
    level = pick(card, "purchases", "total error")["score"].abs()
    assert level["Pareto/NBD"] < level["own rate"]


@pytest.mark.slow
def test_report_card_without_the_truth(contract, shop):
    seen = {name: table for name, table in contract.items() if not name.startswith("truth")}
    card = tg.report_card(seen, rows=15_000)
    assert "There is no truth" in card.notes[0]
    assert set(card.table["task"]) == {"churn", "uplift"}
    assert pick(card, "churn", "AUC")["best"].isna().all()
    assert pick(card, "uplift", "Qini per treated")["score"].abs().max() < 0.05
    seen = {name: table for name, table in shop.items() if not name.startswith("truth")}
    assert set(tg.report_card(seen).table["task"]) == {"purchases", "value"}


@pytest.mark.slow
def test_report_card_notices_offers_that_were_not_made_by_chance():
    tables = world("subscription", 2_000, [cs.RetentionCall(target="risk", share=0.1)])
    notes = tg.report_card(tables, rows=6_000).notes
    assert any("not made by chance" in note for note in notes)


def test_past_offers_lay_who_got_one_beside_who_did_not(contract):
    found = tg.past_offers(contract, pause=4, rows=3_000)
    made = contract["offers"].assign(got=1.0)
    after = found[["customer", "month"]].assign(month=found["month"] + 1)
    got = after.merge(made, how="left", on=["customer", "month"])["got"].fillna(0.0)
    assert got.tolist() == found["offered"].tolist()
    assert found["since_offer"].min() > 4
    assert found["month"].max() == MONTHS - 1 - 3
    assert (found["offered"] == 0).sum() == 3_000
    again = found.groupby("month").size()
    late = contract["offers"]["month"] >= 15
    few = tg.past_offers({**contract, "offers": contract["offers"][late]}, rows=3_000)
    assert few["month"].min() == 14 > again.index.min()  # months without any offer tell nothing
    none = tg.past_offers({**contract, "offers": contract["offers"].head(0)})
    assert not len(none) and "offered" in none


def test_selection_is_found_in_customers_the_model_has_not_seen(contract):
    found = tg.past_offers(contract, rows=6_000)
    assert abs(tg.selection_auc(found) - 0.5) < 0.05
    chosen = found.assign(offered=(found["tenure"] > found["tenure"].median()).astype(float))
    assert tg.selection_auc(chosen) > 0.95
    few = found.groupby("offered").head(60)  # a model that remembers would reach far more
    assert tg.selection_auc(few) < 0.65


def test_the_interval_takes_customers_whole():
    rng = np.random.default_rng(0)
    y = rng.normal(size=400)
    low, high = tg.bootstrap_interval(lambda k: y[k].mean(), np.arange(400), resamples=2000)
    assert (high - low) / 2 == pytest.approx(1.96 * y.std() / 20, rel=0.1)
    four = np.repeat(y, 4)
    again = tg.bootstrap_interval(lambda k: four[k].mean(), np.repeat(np.arange(400), 4), resamples=2000)
    assert again == pytest.approx((low, high))  # four rows of a customer say no more than one
    assert np.isnan(tg.bootstrap_interval(lambda k: np.nan, [1, 2])).all()
    with pytest.raises(ValueError, match="resamples=0"):
        tg.bootstrap_interval(lambda k: 0.0, [1, 2], resamples=0)


def test_report_card_refuses_a_short_record(shop):
    with pytest.raises(ValueError, match="fewer than 6 to fit on"):
        tg.report_card(shop, horizon=20)


# Figures


@pytest.fixture
def chinese(monkeypatch):
    """Chinese words although the machine may have no font for them."""
    monkeypatch.setattr(style, "chinese_font", lambda: "DejaVu Sans")
    return "zh"


def test_figures_of_lift_uplift_and_profit(chinese):
    table = tg.lift_table(np.r_[np.ones(15), np.zeros(85)], -np.arange(100))
    ax = plots.lift_curve({"own": table, "none": tg.lift_table(np.arange(100) % 4 == 0, np.arange(100))})
    assert ax.get_title(loc="left").startswith("The best tenth by own holds 67 % of the outcome, 6.7 times")
    assert plots.lift_curve(table).get_title(loc="left").startswith("The best tenth holds 67 %")
    X, treated, effect, outcome = experiment()
    curve = tg.uplift_curve(outcome, treated, effect)
    ax = plots.uplift_curves({"true": curve})
    np.testing.assert_allclose(ax.lines[1].get_ydata(), curve["qini"])
    saves = tg.expected_saves(X[:, 0], effect)
    ax = plots.uplift_curves({"x": saves}, column="gain", language=chinese)
    assert len(ax.lines) == 4  # chance, the score, the best possible, zero
    with pytest.raises(ValueError, match="lacks qini"):
        plots.uplift_curves(saves)
    profit = tg.profit_curve(saves, value=100, contact=5)
    best = profit.loc[profit["profit"].idxmax()]
    ax = plots.profit_curves({"x": profit}, currency="EUR")
    assert f"with the best {100 * best['share']:.0f} % by x" in ax.get_title(loc="left").replace("\n", " ")
    none = tg.profit_curve(saves, value=100, contact=50)
    assert plots.profit_curves(none).get_title(loc="left").startswith("No campaign pays")
    assert "利润最高" in plots.profit_curves({"x": profit}, language=chinese).get_title(loc="left")


def test_figure_of_the_report_card(contract_card, chinese):
    ax = plots.report_card(contract_card.table)
    first = contract_card.table.dropna(subset=["grade"]).drop_duplicates("task")
    shown = contract_card.table.merge(first[["task", "measure"]])
    dots = [line.get_xdata()[0] for line in ax.lines if line.get_marker() == "o"]
    assert sorted(dots) == pytest.approx(sorted(shown["grade"]))
    assert ax.get_title(loc="left").startswith("Nearest to the truth: ")
    assert "最接近真相" in plots.report_card(contract_card.table, language=chinese).get_title(loc="left")
    with pytest.raises(ValueError, match="needs the truth"):
        plots.report_card(contract_card.table.assign(grade=np.nan))


def test_figure_of_responses(chinese):
    table = pd.DataFrame({"period": ["Q1", "Q2"], "offered": [0.3, 0.4], "others": [0.2, 0.2]})
    for kind, n in (("offered", [100, 300]), ("others", [400, 400])):
        table[f"{kind}_n"] = n
        table[f"{kind}_low"], table[f"{kind}_high"] = table[kind] - 0.05, table[kind] + 0.05
    ax = plots.offer_response(table)
    assert ax.get_title(loc="left") == "With an offer 37.5 % on average, without 20.0 %"
    assert plots.words(ax).endswith("Q1 30 % and 20 %, Q2 40 % and 20 %.")
    assert "有优惠平均" in plots.offer_response(table, language=chinese).get_title(loc="left")
    with pytest.raises(ValueError, match="column 'others_low' is missing"):
        plots.offer_response(table.drop(columns="others_low"))


def test_figure_of_calibration(chinese):
    rng = np.random.default_rng(3)
    chance = rng.random(4000)
    came = rng.random(4000) < chance
    tables = {"right": tg.calibration_table(came, chance), "bold": tg.calibration_table(came, chance**0.3)}
    ax = plots.calibration(tables)
    assert ax.get_title(loc="left").startswith("Right is off by")
    np.testing.assert_allclose(ax.lines[1].get_ydata(), 100 * tables["right"]["actual"])
    assert "平均偏差" in plots.calibration(tables["bold"], language=chinese).get_title(loc="left")
    with pytest.raises(ValueError, match="column 'predicted' is missing"):
        plots.calibration(tables["bold"].drop(columns="predicted"))
