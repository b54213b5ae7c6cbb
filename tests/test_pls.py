"""Path models: figures of the ECSI data, an independent PLS, known truth, the guard of consistent PLS."""

import os

import numpy as np
import pandas as pd
import pytest

from crmsim.analysis import pls as module
from crmsim.analysis.pls import (
    ACSI,
    CCSI,
    ECSI,
    PathModel,
    cronbach_alpha,
    htmt,
    pls,
    reliability,
    survey_model,
)

# Tenenhaus et al. 2005, as SmartPLS gives it.
PUBLISHED = {
    ("image", "expectation"): 0.505,
    ("image", "satisfaction"): 0.179,
    ("image", "loyalty"): 0.196,
    ("expectation", "quality"): 0.557,
    ("expectation", "satisfaction"): 0.063,
    ("quality", "value"): 0.558,
    ("quality", "satisfaction"): 0.512,
    ("value", "satisfaction"): 0.195,
    ("satisfaction", "complaints"): 0.528,
    ("satisfaction", "loyalty"): 0.485,
    ("complaints", "loyalty"): 0.067,
}

# Coefficients and loadings of simulated data; complaints are measured by one question without error.
TRUTH = {
    ("image", "expectation"): 0.5,
    ("image", "satisfaction"): 0.2,
    ("image", "loyalty"): 0.2,
    ("expectation", "quality"): 0.5,
    ("expectation", "value"): 0.1,
    ("expectation", "satisfaction"): 0.1,
    ("quality", "value"): 0.5,
    ("quality", "satisfaction"): 0.4,
    ("value", "satisfaction"): 0.3,
    ("satisfaction", "complaints"): 0.5,
    ("satisfaction", "loyalty"): 0.5,
    ("complaints", "loyalty"): 0.1,
}
LOADINGS = (0.82, 0.78, 0.72, 0.8, 0.75, 0.7, 0.8)


def implied():
    """Correlations of the indicators that the truth implies: (items, items)."""
    names = list(ECSI.latents)
    place = {name: j for j, name in enumerate(names)}
    phi = np.eye(len(names))
    for j, target in enumerate(names):
        causes = [place[a] for a, b in TRUTH if b == target]
        beta = np.array([TRUTH[names[c], target] for c in causes])
        if causes:
            phi[j, :j] = phi[:j, j] = beta @ phi[np.ix_(causes, range(j))]
    owner = [place[k] for k, items in ECSI.blocks.items() for _ in items]
    loadings = np.concatenate(
        [np.ones(1) if len(items) == 1 else LOADINGS[: len(items)] for items in ECSI.blocks.values()]
    )
    r = loadings[:, None] * phi[np.ix_(owner, owner)] * loadings
    np.fill_diagonal(r, 1.0)
    return r


def sample(n, seed, exact=False):
    """Answers with the implied correlations; exact: of the sample itself, not only of its population."""
    x = np.random.default_rng(seed).standard_normal((n, len(ECSI.items)))
    if exact:
        x -= x.mean(axis=0)
        x = x @ np.linalg.inv(np.linalg.cholesky(x.T @ x / n)).T
    x = x @ np.linalg.cholesky(implied()).T
    return pd.DataFrame(5.5 + 1.5 * x, columns=ECSI.items)


def by_hand(frame, model, steps=100):
    """PLS by iterating on the respondents' scores, with least squares: path coefficients and scores."""
    z = (frame - frame.mean()) / frame.std(ddof=0)

    def standard(v):
        return (v - v.mean()) / v.std()

    scores = {k: standard(z[list(b)].sum(axis=1).to_numpy()) for k, b in model.blocks.items()}
    for _ in range(steps):
        fresh = {}
        for k, items in model.blocks.items():
            causes = [a for a, b in model.paths if b == k]
            effects = [b for a, b in model.paths if a == k]
            proxy = np.zeros(len(z))
            if causes:
                left = np.column_stack([scores[c] for c in causes])
                proxy += left @ np.linalg.lstsq(left, scores[k], rcond=None)[0]
            for effect in effects:
                proxy += np.corrcoef(scores[k], scores[effect])[0, 1] * scores[effect]
            weights = np.array([np.corrcoef(z[item], proxy)[0, 1] for item in items])
            fresh[k] = standard(z[list(items)].to_numpy() @ weights)
        scores = fresh
    paths = {}
    for target in model.latents:
        causes = [a for a, b in model.paths if b == target]
        if causes:
            left = np.column_stack([scores[c] for c in causes])
            beta = np.linalg.lstsq(left, scores[target], rcond=None)[0]
            paths.update({(c, target): value for c, value in zip(causes, beta, strict=True)})
    return paths, scores


# -- published figures -------------------------------------------------------------------------------


@pytest.mark.skipif("CRMSIM_ECSI" not in os.environ, reason="CRMSIM_ECSI does not name the data file")
def test_the_published_coefficients_of_the_ecsi_data():
    """CRMSIM_ECSI: a CSV with the columns IMAG1 ... CUSL3 and 250 rows, which is not ours to ship."""
    answers = pd.read_csv(os.environ["CRMSIM_ECSI"], sep=None, engine="python")
    answers.columns = [str(c).strip().upper() for c in answers.columns]
    fit = pls(answers, ECSI, bootstrap=0)
    assert fit.n == 250 and fit.converged
    for (source, target), value in PUBLISHED.items():
        assert fit.coefficient(source, target) == pytest.approx(value, abs=0.0011), (source, target)
    assert fit.latents.loc["satisfaction", "r2"] == pytest.approx(0.681, abs=0.001)
    assert fit.latents.loc["loyalty", "r2"] == pytest.approx(0.457, abs=0.001)
    assert fit.latents.loc["satisfaction", "index"] == pytest.approx(72.4, abs=0.06)
    assert "HTMT" in fit.why_not and fit.paths["consistent"].isna().all()


# -- the algorithm -----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 2])
def test_it_agrees_with_an_iteration_over_the_respondents(seed):
    answers = sample(250, seed)
    paths, scores = by_hand(answers, ECSI)
    fit = pls(answers, ECSI, bootstrap=0, tolerance=1e-10)
    assert fit.converged and fit.iterations < 100
    for (source, target), value in paths.items():
        assert fit.coefficient(source, target) == pytest.approx(value, abs=1e-7)
    own = fit.scores(answers)
    for latent, values in scores.items():
        assert np.corrcoef(own[latent], values)[0, 1] == pytest.approx(1, abs=1e-9)
    r = np.corrcoef(scores["satisfaction"], scores["complaints"])[0, 1]
    assert fit.latents.loc["complaints", "r2"] == pytest.approx(r**2, abs=1e-7)


def test_known_paths_come_back_too_weak_from_pls_and_whole_from_consistent_pls():
    """The sample has the correlations of the truth exactly, so nothing is left to chance."""
    fit = pls(sample(400, 1, exact=True), ECSI, bootstrap=0, tolerance=1e-12)
    assert fit.why_not == ""
    for (source, target), value in TRUTH.items():
        assert fit.coefficient(source, target, consistent=True) == pytest.approx(value, abs=1e-6)
    short = {k: 1 - fit.coefficient(*k) / value for k, value in TRUTH.items() if value >= 0.4}
    assert max(short.values()) == pytest.approx(0.23, abs=0.02)
    assert min(short.values()) > 0.05
    rho = fit.latents["rho_a"]
    assert rho["complaints"] == 1
    # the reliability of a score is the squared correlation with what it measures
    own = np.array(LOADINGS[:3])
    w = fit.measurement.loc[fit.measurement["latent"] == "satisfaction", "weight"].to_numpy()
    assert rho["satisfaction"] == pytest.approx((w @ own) ** 2, abs=1e-6)


@pytest.mark.slow
def test_in_samples_consistent_pls_has_no_bias_and_pls_has():
    """60 samples of 600; the standard error of a mean coefficient is about .006."""
    found = {True: [], False: []}
    for seed in range(60):
        fit = pls(sample(600, seed), ECSI, bootstrap=0, consistent="always")
        for kind in found:
            found[kind].append([fit.coefficient(*k, consistent=kind) for k in TRUTH])
    truth = np.array(list(TRUTH.values()))
    assert np.abs(np.mean(found[True], axis=0) - truth).max() < 0.03
    strong = truth >= 0.4
    assert (np.mean(found[False], axis=0)[strong] < 0.97 * truth[strong]).all()


@pytest.mark.slow
def test_bootstrap_intervals_hold_what_they_promise():
    """60 samples of 250 with 200 resamples: coverage of the population's value, over 12 paths; its standard
    error is below .02 even if the paths went together by half."""
    whole = pls(sample(400, 1, exact=True), ECSI, bootstrap=0).paths["estimate"]
    inside = []
    for seed in range(60):
        paths = pls(sample(250, 1000 + seed), ECSI, bootstrap=200, seed=seed, consistent="never").paths
        inside.append((paths["lower"] <= whole) & (whole <= paths["upper"]))
    assert 0.88 < np.mean(inside) < 0.98


def test_the_seed_settles_the_bootstrap():
    answers = sample(200, 3)
    one, same, other = (pls(answers, ECSI, bootstrap=50, seed=s).paths for s in (1, 1, 2))
    pd.testing.assert_frame_equal(one, same)
    assert (one["lower"] != other["lower"]).all() and (one["estimate"] == other["estimate"]).all()
    assert ((one["lower"] < one["estimate"]) & (one["estimate"] < one["upper"])).all()


def test_weights_count_as_copies():
    answers = sample(120, 4)
    copies = np.random.default_rng(1).integers(1, 4, len(answers))
    weighted = pls(answers, ECSI, weights=copies, bootstrap=0)
    copied = pls(answers.loc[answers.index.repeat(copies)], ECSI, bootstrap=0)
    pd.testing.assert_frame_equal(weighted.paths, copied.paths)
    pd.testing.assert_frame_equal(weighted.latents, copied.latents)


# -- signs -------------------------------------------------------------------------------------------


def test_a_reversed_question_does_not_turn_its_variable():
    answers = sample(400, 5, exact=True)
    fit = pls(answers, ECSI, bootstrap=100)
    turned = pls(answers.assign(CUSA2=11 - answers["CUSA2"]), ECSI, bootstrap=100)
    assert turned.paths["estimate"].to_numpy() == pytest.approx(fit.paths["estimate"].to_numpy(), abs=1e-6)
    assert turned.paths["lower"].to_numpy() == pytest.approx(fit.paths["lower"].to_numpy(), abs=1e-6)
    loading = turned.measurement.set_index("item")["loading"]
    assert loading["CUSA2"] < -0.5 < 0.5 < loading["CUSA1"]
    assert any("CUSA2 has a negative weight" in note for note in turned.notes)


def test_a_variable_measured_in_reverse_turns_its_paths_only():
    answers = sample(300, 6)
    turned = answers.assign(**{c: 11 - answers[c] for c in ECSI.blocks["value"]})
    before, after = (pls(a, ECSI, bootstrap=100).paths for a in (answers, turned))
    touched = (before["source"] == "value") | (before["target"] == "value")
    sign = np.where(touched, -1, 1)
    assert after["estimate"].to_numpy() == pytest.approx(sign * before["estimate"].to_numpy(), abs=1e-6)
    assert after["standard_error"].to_numpy() == pytest.approx(before["standard_error"].to_numpy(), abs=1e-6)


# -- what else is reported ------------------------------------------------------------------------------


def test_the_index_is_the_weighted_mean_on_100():
    answers = sample(300, 7).round().clip(1, 10)
    fit = pls(answers, ECSI, bootstrap=100)
    own = fit.measurement[fit.measurement["latent"] == "satisfaction"]
    w, mean = own["raw_weight"].to_numpy(), answers[own["item"]].mean().to_numpy()
    index = fit.latents.loc["satisfaction"]
    assert index["index"] == pytest.approx(100 * (w @ mean - w.sum()) / (9 * w.sum()))
    assert index["index"] == pytest.approx(fit.scores(answers)["satisfaction"].mean())
    error = fit.scores(answers)["satisfaction"].std() / np.sqrt(300)
    assert index["index_upper"] - index["index_lower"] == pytest.approx(2 * 1.96 * error, rel=0.4)


def test_scales_of_different_length():
    answers = sample(200, 8).round().clip(1, 10)
    wider = answers.assign(CUSL3=(answers["CUSL3"] - 1) * 10 / 9)
    low, high = dict.fromkeys(ECSI.items, 1), dict.fromkeys(ECSI.items, 10)
    fit = pls(wider, ECSI, low=low | {"CUSL3": 0}, high=high, bootstrap=0)
    plain = pls(answers, ECSI, bootstrap=0)
    # the same answers on 0 to 10; only the weight of the question in the index shrinks with its unit
    assert fit.paths["estimate"].to_numpy() == pytest.approx(plain.paths["estimate"].to_numpy())
    assert fit.latents["index"].drop("loyalty").to_numpy() == pytest.approx(
        plain.latents["index"].drop("loyalty").to_numpy()
    )
    with pytest.raises(ValueError, match="low says nothing of 'CUSL3'"):
        pls(wider, ECSI, low={k: 1 for k in ECSI.items if k != "CUSL3"}, bootstrap=0)


def test_total_effects_are_the_sum_over_all_ways():
    fit = pls(sample(300, 9), ECSI, bootstrap=0)
    value = fit.coefficient
    total = fit.effects.set_index(["source", "target"])
    ways = value("quality", "satisfaction") + value("quality", "value") * value("value", "satisfaction")
    assert total.loc[("quality", "satisfaction"), "total"] == pytest.approx(ways)
    assert total.loc[("quality", "satisfaction"), "direct"] == value("quality", "satisfaction")
    assert ("satisfaction", "quality") not in total.index
    loyal = value("satisfaction", "loyalty") + value("satisfaction", "complaints") * value(
        "complaints", "loyalty"
    )
    assert total.loc[("quality", "loyalty"), "total"] == pytest.approx(ways * loyal)


def test_reliability_by_its_definitions():
    answers = sample(400, 10)
    fit = pls(answers, ECSI, bootstrap=0)
    own = answers[list(ECSI.blocks["satisfaction"])]
    k, z = 3, (own - own.mean()) / own.std()
    alpha = k / (k - 1) * (1 - own.var().sum() / own.sum(axis=1).var())
    assert cronbach_alpha(own) == pytest.approx(alpha)
    standard = k / (k - 1) * (1 - k / z.sum(axis=1).var())
    assert cronbach_alpha(own, standardised=True) == pytest.approx(standard)
    row = fit.latents.loc["satisfaction"]
    assert row["alpha"] == pytest.approx(standard)
    score = fit.scores(answers)["satisfaction"]
    loading = np.array([score.corr(own[c]) for c in own])
    assert row["ave"] == pytest.approx((loading**2).mean())
    cr = loading.sum() ** 2 / (loading.sum() ** 2 + (1 - loading**2).sum())
    assert row["cr"] == pytest.approx(cr)
    table = reliability(answers, ECSI)
    assert table.loc["satisfaction", "alpha"] == pytest.approx(standard)
    first = np.linalg.eigvalsh(own.corr())[-1] / 3
    assert table.loc["satisfaction", "ave"] == pytest.approx(first)
    assert np.isnan(table.loc["complaints", "alpha"]) and table.loc["complaints", "ave"] == 1


def test_htmt_finds_the_true_correlation_when_loadings_are_equal():
    phi, load = 0.6, 0.8
    r = np.full((5, 5), load**2)
    r[:3, 3:] = r[3:, :3] = phi * load**2
    np.fill_diagonal(r, 1)
    x = np.random.default_rng(1).standard_normal((50, 5))
    x -= x.mean(axis=0)
    x = x @ np.linalg.inv(np.linalg.cholesky(x.T @ x / 50)).T @ np.linalg.cholesky(r).T
    frame = pd.DataFrame(x, columns=list("abcde"))
    table = htmt(frame, {"first": "abc", "second": "de"})
    assert table.loc["first", "second"] == pytest.approx(phi)
    assert table.loc["second", "first"] == pytest.approx(phi) and table.loc["first", "first"] == 1


def test_consistent_pls_is_held_back_where_variables_cannot_be_told_apart():
    rng = np.random.default_rng(2)
    common = rng.standard_normal((300, 1))
    answers = sample(300, 11)
    both = [*ECSI.blocks["quality"], *ECSI.blocks["satisfaction"]]
    answers[both] = 5.5 + common + rng.standard_normal((300, len(both)))
    fit = pls(answers, ECSI, bootstrap=20)
    assert "quality and satisfaction (" in fit.why_not and "HTMT is not below 0.9" in fit.why_not
    assert fit.paths["consistent"].isna().all() and fit.paths["consistent_lower"].isna().all()
    assert fit.latents["r2_consistent"].isna().all() and "is not shown" in repr(fit)
    forced = pls(answers, ECSI, bootstrap=0, consistent="always")
    assert forced.paths["consistent"].notna().all()
    never = pls(sample(300, 11), ECSI, bootstrap=0, consistent="never")
    assert never.paths["consistent"].isna().all() and never.notes == ()


def test_missing_answers():
    answers = sample(300, 12)
    holes = answers.mask(np.random.default_rng(1).random(answers.shape) < 0.02)
    mended, dropped = (pls(holes, ECSI, missing=way, bootstrap=0) for way in ("mean", "drop"))
    assert mended.n == 300 and dropped.n == holes.notna().all(axis=1).sum()
    assert any("took the mean" in note for note in mended.notes)
    assert any(f"{300 - dropped.n} of 300 respondents left out" in note for note in dropped.notes)
    whole = pls(holes.dropna(), ECSI, bootstrap=0)
    pd.testing.assert_frame_equal(dropped.paths, whole.paths)
    filled = pls(holes.fillna(holes.mean()), ECSI, bootstrap=0)
    pd.testing.assert_frame_equal(mended.paths, filled.paths)


def test_it_says_when_it_has_not_converged():
    with pytest.warns(RuntimeWarning, match="after 2 iterations; do not trust"):
        fit = pls(sample(100, 13), ECSI, iterations=2, bootstrap=0)
    assert not fit.converged and "NOT CONVERGED" in repr(fit)


# -- models --------------------------------------------------------------------------------------------


def test_the_given_models():
    assert len(CCSI.paths) == 11 and len(CCSI.latents) == 6
    assert [CCSI.chinese[k] for k in CCSI.latents] == [
        "品牌形象", "预期质量", "感知质量", "感知价值", "顾客满意度", "顾客忠诚",
    ]  # fmt: skip
    assert len(ECSI.paths) == 12 and len(ECSI.items) == 24
    assert "image" not in ACSI.latents and ("satisfaction", "complaints") in ACSI.paths
    small = ECSI.without("complaints", "loyalty")
    assert len(small.paths) == 8 and "CUSL1" not in small.items
    assert small.with_indicators(value=["a", "b"]).blocks["value"] == ("a", "b")


@pytest.mark.parametrize(
    ("blocks", "paths", "what"),
    [
        ({"a": ["x"], "b": ["y"]}, [("a", "c")], "names 'c', which is none of a, b"),
        ({"a": ["x"], "b": ["y"]}, [("a", "a")], "a has a path to itself"),
        ({"a": ["x"], "b": ["y"]}, [("a", "b"), ("a", "b")], "a -> b is there twice"),
        ({"a": ["x"], "b": ["x"]}, [("a", "b")], "'x' measures more than one"),
        ({"a": ["x"], "b": ["y"], "c": ["z"]}, [("a", "b")], "c has no path"),
        ({"a": "xy", "b": ["y"]}, [("a", "b")], "a: give a list of columns"),
        (
            {"d": ["w"], "a": ["x"], "b": ["y"], "c": ["z"]},
            [("d", "a"), ("a", "b"), ("b", "c"), ("c", "a")],
            "in a circle through a, b, c",
        ),
    ],
)
def test_models_that_cannot_be(blocks, paths, what):
    with pytest.raises(ValueError, match=what):
        PathModel(blocks, paths)


def test_answers_that_cannot_be():
    answers = sample(50, 14)
    for frame, what in (
        (answers.rename(columns={"CUSA1": "CUSA_1"}), "no column 'CUSA1'; did you mean 'CUSA_1'"),
        (answers.assign(IMAG2=3), "answers 'IMAG2' alike"),
        (answers.assign(IMAG2="good"), "'IMAG2' must hold numbers"),
        (answers.assign(IMAG2=np.inf), "'IMAG2' has an infinite"),
        (answers.assign(IMAG2=np.nan), "'IMAG2' has no answers"),
        (answers[:3], "3 respondents with answers are too few"),
    ):
        with pytest.raises(ValueError, match=what):
            pls(frame, ECSI, bootstrap=0)
    with pytest.raises(ValueError, match=r"image has no indicators; give them with model.with_indicators"):
        pls(answers, CCSI)
    with pytest.raises(ValueError, match="weights has 3 entries for 50"):
        pls(answers, ECSI, weights=[1, 2, 3])
    with pytest.raises(ValueError, match="no path loyalty -> image"):
        pls(answers, ECSI, bootstrap=0).coefficient("loyalty", "image")


def test_the_model_of_a_questionnaire():
    items = pd.DataFrame(
        [("image_1", "image", "image"), ("water_1", "water", "water"),
         ("importance_water", "importance", "water"), ("satisfaction_1", "satisfaction", ""),
         ("value_1", "value", ""),
         ("loyalty_affective", "affective", ""), ("attention", "check", "")],
        columns=["item", "construct", "touchpoint"],
    )  # fmt: skip
    model = survey_model(items)
    assert model.blocks == {
        "image": ("image_1",),
        "quality": ("water_1",),
        "value": ("value_1",),
        "satisfaction": ("satisfaction_1",),
        "loyalty": ("loyalty_affective",),
    }
    assert ("image", "quality") in model.paths
    with pytest.raises(ValueError, match="measure no quality"):
        survey_model(items[items["touchpoint"] == ""])


def test_cost_does_not_follow_the_respondents():
    """The iteration sees correlations only: the arrays it works on have no axis of respondents."""
    r = implied()
    found = module._iterate(r[None], module._structure(ECSI), 1e-10, 100)
    assert found.weights.shape == (1, 24, 7) and found.converged.all()
