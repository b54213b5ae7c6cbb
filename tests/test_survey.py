"""Surveys: who is asked, who answers, and how far the answers are from the truth.

The bands are those of a prototype of the water utility and of public SERVAQUA answers (Prevos).
"""

import numpy as np
import pandas as pd
import pytest

import crmsim as cs
from crmsim.analysis import sampling
from crmsim.data import schema
from crmsim.data.database import Database
from crmsim.simulation import draws
from crmsim.simulation import survey as sv
from crmsim.simulation.scenario import bounds
from crmsim.simulation.survey import Survey, questionnaire, run_surveys, state_of, take

MONTH = 23


@pytest.fixture(scope="module")
def watched():
    """The monopoly after two years, some 4,900 customers, and the state at the end of its months."""
    world = cs.Scenario.preset("water_utility").replace(
        population__size=5000, population__months=MONTH + 1, policies=()
    )
    states = {}

    def keep(month, now):
        states[month - 1] = state_of(now, 0.5, 0.1)

    return cs.simulate(world, [], seed=1, watch=keep), states


@pytest.fixture(scope="module")
def water(watched):
    return watched[0]


@pytest.fixture(scope="module")
def state(watched):
    return watched[1][MONTH]


@pytest.fixture(scope="module")
def ask(water, state):
    """Take a survey of the monopoly's customers."""

    def asked(survey, month=MONTH, **more):
        touchpoints = water.scenario.touchpoints
        return take(state, survey, water.key, month, touchpoints, **{"openness": 0.0, **more})

    return asked


def wide(wave):
    return wave.answers.pivot(index="customer", columns="item", values="answer").astype(float)


def attentive(table):
    return table[table["attention"] == 1]


def battery(water, prefix=""):
    names = [t.name for t in water.scenario.touchpoints]
    return [f"{prefix}{n}" for n in names] if prefix else [f"{n}_{k}" for n in names for k in (1, 2)]


EVERYBODY = Survey(response=1.0)


@pytest.fixture(scope="module")
def everybody(ask):
    """Everybody whom the telephone reaches answers: some 4,600."""
    return wide(ask(EVERYBODY))


@pytest.fixture(scope="module")
def thirty(ask, state):
    """Thirty independent surveys of all customers, some 580 answers each: (wave, answers)."""
    return [(wave, wide(wave)) for wave in (ask(Survey(stream=k)) for k in range(30))]


# -- how answers go wrong --------------------------------------------------------------------------


def first_share(table):
    return np.linalg.eigvalsh(table.corr())[-1] / table.shape[1]


@pytest.mark.parametrize("halo", [0.35, 0.45])
def test_halo_lifts_the_first_eigenvalue_into_the_published_band(ask, water, halo):
    """Some 4,200 attentive respondents, the share's standard error below .01; published .42 to .54, which
    a halo of .5 exceeds (.557)."""
    answers = attentive(wide(ask(EVERYBODY.replace(halo=halo))))[battery(water)]
    assert 0.42 <= first_share(answers) <= 0.54


def test_halo_raises_the_first_eigenvalue(ask, water):
    shares = [
        first_share(attentive(wide(ask(EVERYBODY.replace(halo=h))))[battery(water)])
        for h in (0, 0.2, 0.35, 0.5)
    ]
    assert (np.diff(shares) > 0.03).all()


def test_questions_of_a_touchpoint_go_together_more_than_those_of_two(ask, water):
    """Public SERVAQUA answers: mean r .50 to .59 within a dimension, .41 across."""
    r = attentive(wide(ask(EVERYBODY)))[battery(water)].corr().to_numpy()
    same = np.kron(np.eye(8), np.ones((2, 2))) > 0
    within, across = r[same & (r < 1)].mean(), r[~same].mean()
    assert 0.5 < within < 0.7 and 0.36 < across < 0.48


def test_straight_liners_and_failed_checks_are_as_many_as_set(everybody, water):
    """4,600 respondents: standard errors .004 and .005. A battery may come out even by chance."""
    answers = everybody[battery(water)]
    even = (answers.min(axis=1) == answers.max(axis=1)) & (answers.notna().sum(axis=1) > 10)
    assert even.mean() == pytest.approx(0.09, abs=0.02)
    failed = everybody["attention"] != 1
    assert failed.mean() == pytest.approx(0.11, abs=0.015)
    assert everybody["attention"].notna().all()


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_no_straight_liners_and_many(ask, water, share):
    answers = wide(ask(EVERYBODY.replace(straight=share, missing=0)))[battery(water, "importance_")]
    even = (answers.nunique(axis=1) == 1).mean()
    assert even == pytest.approx(share, abs=0.03)


def test_skipped_questions_are_as_many_as_set(ask):
    for share in (0.0, 0.1):
        answers = wide(ask(EVERYBODY.replace(missing=share))).drop(columns="attention")
        assert answers.isna().to_numpy().mean() == pytest.approx(share, abs=0.003)


def test_answers_of_touchpoints_are_skewed_to_the_left(everybody, water):
    skew = everybody[battery(water)].skew()
    assert -2.1 < skew.min() < -1 and -0.8 < skew.max() < 0


def test_skew_crowds_answers_at_the_top(ask, water):
    plain, crowded = (wide(ask(EVERYBODY.replace(skew=k)))[battery(water)].stack() for k in (1.0, 2.0))
    assert (crowded >= 9).mean() > (plain >= 9).mean() + 0.15
    assert crowded.skew() < plain.skew() - 0.5


def test_answers_fit_the_scale(ask, water):
    wave = ask(EVERYBODY.replace(scale=5))
    limits = pd.DataFrame(questionnaire(Survey(scale=5), water.scenario.touchpoints)).set_index("item")
    found = wide(wave).agg(["min", "max"]).T.join(limits[["low", "high"]])
    assert (found["min"] >= found["low"]).all() and (found["max"] <= found["high"]).all()
    assert found.loc["recommend", "high"] == 10 and found.loc["satisfaction_1", "high"] == 5


def test_stated_importance_is_not_the_true_one(thirty, water):
    """Rank correlation with the true weights .25 to .30 in the mean of thirty surveys (standard error
    .02), and price, which weighs least, near the top."""
    weights = pd.Series([t.weight for t in water.scenario.touchpoints], index=battery(water, "importance_"))
    stated = [answers[weights.index].mean() for _, answers in thirty]
    rank = np.mean([s.corr(weights, method="spearman") for s in stated])
    assert 0.2 < rank < 0.35
    price = [s.rank(ascending=False)["importance_price"] for s in stated]
    assert 1.5 < np.mean(price) < 3.5


# -- loyalty in a monopoly ---------------------------------------------------------------------------


def test_nearly_everyone_will_keep_using_a_monopoly_satisfied_or_not(everybody):
    """r has a standard error of .015 in 4,600."""
    answers = attentive(everybody)
    assert (answers["keep_using"].dropna() >= 9).mean() == pytest.approx(0.90, abs=0.04)
    assert answers["satisfaction_1"].corr(answers["keep_using"]) == pytest.approx(0.10, abs=0.05)


def test_the_imagined_choice_shows_what_the_monopoly_hides(thirty):
    """Mean of thirty surveys of some 520 attentive respondents: standard error below .01."""
    r = [attentive(a)["satisfaction_1"].corr(attentive(a)["stay_if_cheaper"]) for _, a in thirty]
    assert np.mean(r) == pytest.approx(0.58, abs=0.04)


def test_in_an_open_market_intentions_follow_satisfaction(ask):
    answers = attentive(wide(ask(EVERYBODY, openness=1.0)))
    assert answers["satisfaction_1"].corr(answers["keep_using"]) > 0.5
    assert (answers["keep_using"].dropna() >= 9).mean() < 0.6


# -- who answers -------------------------------------------------------------------------------------


@pytest.mark.slow
def test_who_answers_is_less_satisfied_and_age_groups_do_not_mend_it(ask, thirty):
    """Bias -.1 on ten points: a survey has a standard deviation of .08, their mean one of .015."""
    bias, mended, means = [], [], []
    for k, (wave, answers) in enumerate(thirty):
        all_of_them = wide(ask(EVERYBODY.replace(stream=k)))["satisfaction_1"].mean()
        sample = wave.sample.set_index("customer")
        groups = np.where(sample["age"] >= 60, "old", "young")
        known = pd.Series(groups, index=sample.index)
        weights = sampling.poststratify(known[answers.index], known.value_counts())
        means.append(answers["satisfaction_1"].mean())
        bias.append(means[-1] - all_of_them)
        mended.append(sampling.mean(answers["satisfaction_1"], weights).value - all_of_them)
    assert np.mean(bias) == pytest.approx(-0.1, abs=0.05)
    assert 0.05 < np.std(means, ddof=1) < 0.11
    assert np.mean(mended) < -0.05


def test_with_a_desk_all_who_called_have_contacted_the_firm(watched):
    """Questions included, answered or not, also those with complaints of the past."""
    run, states = watched
    calls = run.contacts("hotline")
    for month in (0, 11, MONTH):
        state = states[month]
        assert set(state["id"][state["contacted"]]) == set(calls.loc[calls["month"] == month, "customer"])
    assert run.service["questions"].sum() > 0.5 * run.service["contacts"].sum()
    here = state["active"] > 0
    wave = run.survey(Survey(frame="contacts", months=(11, MONTH))).waves
    assert wave["population"].tolist()[1] == (here & state["contacted"]).sum()


def test_without_a_desk_those_who_complained_have_contacted_the_firm(water):
    """Some 70 complaints a month of 5,000 customers: their true mean is 5 points lower, standard error 2."""
    world = water.scenario.replace(service__desk="none", population__months=12)
    states = {}

    def keep(month, now):
        states[month - 1] = state_of(now)

    run = cs.simulate(world, [], seed=1, watch=keep, events=True)
    log, state = run.events, states[11]
    complaints = log.loc[(log["event"] == "complaint") & (log["month"] == 11), "customer"]
    contacted, here = state["contacted"], state["active"] > 0
    assert set(state["id"][contacted]) == set(complaints)
    assert state["satisfaction"][here & contacted].mean() < state["satisfaction"][here].mean() - 1
    survey = Survey(frame="contacts")
    wave = take(state, survey, run.key, 11, world.touchpoints, openness=0.0)
    assert set(wave.sample["customer"]) == set(state["id"][here & contacted])


def test_response_rates_are_those_set(ask, state):
    """4,900 asked, .2 to .35 of them in a group of 300 at least: standard error .025 at most."""
    survey = Survey(response=0.2, very_dissatisfied=0.15, very_satisfied=0.1, elderly=0.0)
    sample = ask(survey).sample
    sample = sample[sample["outcome"] != "not_reached"]
    felt = pd.Series(state["satisfaction"], index=state["id"])[sample["customer"]].to_numpy()
    answered = (sample["outcome"] == "complete").to_numpy()
    for chosen, rate in ((felt < 60, 0.35), ((felt >= 60) & (felt < 90), 0.2), (felt >= 90, 0.3)):
        assert chosen.sum() > 300
        assert answered[chosen].mean() == pytest.approx(rate, abs=0.08)


def test_the_old_answer_more_and_are_missed_online(ask):
    outcome = {m: ask(Survey(mode=m)).sample for m in ("phone", "online", "visit")}

    def rate(mode, old, word):
        sample = outcome[mode]
        return (sample.loc[(sample["age"] >= 60) == old, "outcome"] == word).mean()

    assert rate("phone", True, "complete") > rate("phone", False, "complete") + 0.02
    assert rate("online", True, "not_reached") > 0.4 > 0.2 > rate("online", False, "not_reached")
    assert rate("visit", False, "complete") > 2 * rate("phone", False, "complete")
    assert (outcome["phone"]["age"] >= 60).mean() == pytest.approx(0.18, abs=0.025)


def test_answers_to_a_visitor_are_kinder(ask):
    mean = {m: wide(ask(EVERYBODY.replace(mode=m)))["satisfaction_1"].mean() for m in sv.MODES}
    assert mean["online"] < mean["phone"] - 0.1 and mean["phone"] + 0.15 < mean["visit"]


# -- samples -----------------------------------------------------------------------------------------


def test_a_random_sample_is_one(ask, state):
    """1,000 of 4,900: the mean of the true satisfaction has a standard error of .4 points."""
    sample = ask(Survey(size=1000)).sample
    assert len(sample) == 1000 and sample["customer"].is_unique
    here = state["active"] > 0
    felt = pd.Series(state["satisfaction"], index=state["id"])
    assert felt[sample["customer"]].mean() == pytest.approx(felt[here].mean(), abs=1.4)
    assert sample["weight"].sum() == pytest.approx(here.sum())
    other = ask(Survey(size=1000, stream=1)).sample["customer"]
    shared = sample["customer"].isin(other).sum()
    assert shared == pytest.approx(1000 * 1000 / here.sum(), abs=45)  # 3.5 standard deviations


def test_a_larger_sample_holds_the_smaller(ask):
    small, large = (set(ask(Survey(size=n)).sample["customer"]) for n in (300, 600))
    assert small < large


def test_strata_get_their_share_and_the_floor(ask, state):
    wave = ask(Survey(frame="stratified", by="channel", size=500, floor=80))
    asked = wave.sample["stratum"].value_counts()
    here = state["active"] > 0
    there = pd.Series(state["channel"][here]).value_counts()
    assert asked["card"] == 80
    for channel in ("manual", "debit"):
        assert asked[channel] == round(500 / here.sum() * there[channel])
    weights = wave.sample.groupby("stratum")["weight"].sum()
    for channel in there.index:
        assert weights[channel] == pytest.approx(there[channel])


def test_strata_by_age_and_by_an_unknown_column(ask):
    asked = ask(Survey(frame="stratified", by="age", size=300, floor=100)).sample
    assert set(asked["stratum"]) == {"18-39", "40-59", "60+"}
    assert (asked.loc[asked["stratum"] == "60+", "age"] >= 60).all()
    with pytest.raises(
        ValueError, match="no groups by 'street'; known: age, source, tenure, usage, channel, district"
    ):
        ask(Survey(frame="stratified", by="street"))


def test_strata_by_district_and_by_district_and_segment(water, ask, state):
    """Few live in the industrial park: the floor brings enough of them into the sample."""
    sample = ask(Survey(frame="stratified", by="district", size=500, floor=60)).sample
    lives = water.customers["district"]
    assert (sample["stratum"].to_numpy() == lives.loc[sample["customer"]].astype(str).to_numpy()).all()
    here = state["active"] > 0
    there = pd.Series(state["district"][here]).value_counts()
    asked = sample["stratum"].value_counts()
    assert asked["industrial"] == 60 > round(500 / here.sum() * there["industrial"])
    assert asked["highrise"] == round(500 / here.sum() * there["highrise"])
    weights = sample.groupby("stratum")["weight"].sum()
    assert weights.to_dict() == pytest.approx(there.to_dict())
    both = ask(Survey(frame="stratified", by="group", size=500, floor=20)).sample
    kinds = water.customers.loc[both["customer"], ["district", "segment"]].astype(str)
    assert (both["stratum"].to_numpy() == (kinds["district"] + "/" + kinds["segment"]).to_numpy()).all()
    cells = pd.Series(state["group"][here]).value_counts()
    assert len(cells) == 24
    assert (both["stratum"].value_counts()[cells.index] >= np.minimum(20, cells)).all()


def test_a_town_without_districts_has_no_strata_by_district():
    world = cs.Scenario.preset("retail").replace(population__size=300, population__months=2)
    run = cs.simulate(world, [], seed=1)
    with pytest.raises(ValueError, match="no groups by 'district'; known: age, source, tenure, usage"):
        run.survey(Survey(months=(1,), frame="stratified", by="district"))


def test_a_missing_column_is_named(water, state):
    part = {name: column for name, column in state.items() if name != "scale_use"}
    with pytest.raises(ValueError, match="the state lacks scale_use"):
        take(part, Survey(), water.key, MONTH, water.scenario.touchpoints)


# -- the same person, the same answer ------------------------------------------------------------------


def test_an_answer_depends_on_the_person_alone(water, state, ask):
    """Others may come and go, in any order."""
    survey = Survey(response=1.0, missing=0.1)
    full = wide(ask(survey))
    some = np.random.default_rng(1).permutation(len(state["id"]))[:1500]
    part = {name: np.asarray(column)[some] for name, column in state.items()}
    again = wide(take(part, survey, water.key, MONTH, water.scenario.touchpoints, openness=0.0))
    assert len(again) > 1000
    pd.testing.assert_frame_equal(again, full.loc[again.index])


def test_a_question_keeps_its_answer_in_another_questionnaire(ask):
    short, long = (wide(ask(EVERYBODY.replace(items=k, importance=k == 3))) for k in (1, 3))
    pd.testing.assert_frame_equal(short, long[short.columns])
    assert len(long.columns) == len(short.columns) + 2 * 8 + 8


def test_a_policy_changes_only_the_answers_it_touches(water):
    """Who is in the same state under both policies gives the same answers; better service shows."""
    survey = Survey(response=1.0, months=(10,))
    world = water.scenario.replace(population__months=11)
    plain, early = (cs.simulate(world, p, seed=1) for p in ([], ["fault_reduction:start=2"]))
    columns = [name for name in sv.COLUMNS if name not in ("id", "active", "perception")]
    columns += [f"perception_{t.name}" for t in world.touchpoints]
    felt = [run.customers[columns] for run in (plain, early)]
    said = [run.survey(survey).wide(0) for run in (plain, early)]
    both = said[0].index.intersection(said[1].index)
    untouched = (felt[0].loc[both] == felt[1].loc[both]).all(axis=1)
    assert 500 < untouched.sum() < len(both) - 500
    unmoved = both[untouched.to_numpy()]
    pd.testing.assert_frame_equal(said[0].loc[unmoved], said[1].loc[unmoved])
    before, after = (answers.loc[both, battery(water)].mean().mean() for answers in said)
    assert after > before + 0.02

    longer = water.scenario.replace(population__months=12)
    late = cs.simulate(longer, ["fault_reduction:start=11"], seed=1).survey(survey).wide(0)
    pd.testing.assert_frame_equal(said[0], late)  # it begins after the survey


# -- surveys of a run ----------------------------------------------------------------------------------


def test_the_waves_of_a_run_see_the_state_of_their_month(water, ask):
    data = run_surveys(water, [Survey(months=(11, MONTH), size=2000)])
    assert data.waves["month"].tolist() == [11, MONTH] and data.waves["wave"].tolist() == [0, 1]
    last = wide(ask(Survey(size=2000)))
    pd.testing.assert_frame_equal(data.wide(1), last, check_like=True, check_names=False)
    sample = data.sample[data.sample["wave"] == 0]
    customers = water.customers.loc[sample["customer"]]
    assert (customers["joined_month"] <= 11).all()
    assert (customers["left_month"].isna() | (customers["left_month"] > 11)).all()
    counted = data.sample.groupby("wave")["outcome"].apply(lambda o: (o == "complete").sum())
    assert counted.tolist() == data.waves["completed"].tolist()
    assert data.answers.groupby("wave")["customer"].nunique().tolist() == data.waves["completed"].tolist()


def test_a_panel_asks_the_same_again_and_remembers(water):
    """439 pairs: r has a standard error of .03."""
    data = run_surveys(water, Survey(months=(11, MONTH), panel=True))
    first, second = data.wide(0), data.wide(1)
    asked = data.sample[data.sample["wave"] == 1]["customer"]
    assert set(asked) <= set(first.index) and len(asked) > 0.9 * len(first)
    assert 0.65 < len(second) / len(asked) < 0.9
    index = [f"satisfaction_{k}" for k in (1, 2, 3)]
    r = first.loc[second.index, index].mean(axis=1).corr(second[index].mean(axis=1))
    assert 0.5 < r < 0.8
    fresh = run_surveys(water, Survey(months=(11, MONTH)))
    both = fresh.wide(0).index.intersection(fresh.wide(1).index)
    assert len(both) < 0.3 * len(fresh.wide(1))


def test_leavers_state_the_cause_that_stands_in_the_file():
    world = cs.Scenario.preset("subscription").replace(
        population__size=4000, population__months=10, policies=()
    )
    run = cs.simulate(world, [], seed=2)
    survey = Survey(name="exit", frame="leavers", months=tuple(range(10)), response=0.5, missing=0.0)
    data = run.survey(survey)
    departures = run.records().departures
    assert data.waves["population"].sum() == len(departures) > 200
    assert 0.35 < data.waves["completed"].sum() / len(departures) < 0.65
    months = data.waves.set_index("wave")["month"]
    said = data.wide()["leaving_cause"].reset_index()
    said["month"] = said["wave"].map(months)
    filed = said.merge(departures, on=["customer", "month"], validate="one_to_one")
    codes = filed["stated_cause"].map({c.key: int(c) for c in cs.vocabulary.ChurnCause}).astype(int)
    assert len(filed) == len(said) and (codes == filed["leaving_cause"]).all()
    assert "keep_using" not in set(data.items["item"])


@pytest.mark.slow
def test_the_database_holds_the_surveys_and_nothing_hidden(water, tmp_path):
    surveys = [Survey(months=(11,), size=800), Survey(name="contacts", frame="contacts", months=(11,))]
    path = water.to_database(tmp_path / "crm.duckdb", surveys)
    data = run_surveys(water, surveys)
    with Database(path) as firm:
        assert firm.faults() == []
        assert len(firm.table("truth.survey_sample")) == len(data.truth) == len(data.sample)
        for name in ("waves", "items", "sample", "answers"):
            stored = firm.table(f"survey_{name}")
            columns = [c.name for c in schema.BY_NAME[f"survey_{name}"].columns]
            assert list(stored) == columns and len(stored) == len(getattr(data, name))
            assert set(columns) == set(getattr(data, name))
        means = firm.sql(
            "SELECT survey, avg(answer) AS mean FROM survey_answers JOIN survey_waves USING (wave) "
            "WHERE item = 'satisfaction_1' GROUP BY survey"
        ).set_index("survey")["mean"]
        expected = data.wide(0 if data.waves["survey"][0] == "satisfaction" else 1)["satisfaction_1"].mean()
        assert means["satisfaction"] == pytest.approx(expected)


def test_the_truth_of_a_survey_tells_who_answers_and_how(water, state, ask):
    """Some 5,000 asked: the share who answer within four standard errors."""
    survey = Survey(response=0.3, missing=0, kindness=0)
    wave = ask(survey)
    truth, sample = wave.truth.set_index("customer"), wave.sample.set_index("customer")
    assert truth.index.equals(sample.index)
    met = sample["outcome"] != "not_reached"
    answered, chance = sample.loc[met, "outcome"] == "complete", truth.loc[met, "chance"]
    assert abs(answered.mean() - chance.mean()) < 4 * np.sqrt((chance * (1 - chance)).sum()) / len(chance)
    assert chance.groupby(truth.loc[met, "satisfaction"] < 60).mean().diff().iloc[-1] > 0.03
    told = wide(wave)
    inner = truth.loc[told.index]
    assert ((told["attention"] != 1) == inner["inattentive"]).all() and inner["inattentive"].sum() > 40
    battery = told[[name for name in told if name.startswith("importance_")]]
    assert (battery.loc[inner["straight"]].nunique(axis=1) == 1).all() and inner["straight"].sum() > 30
    careful = ~(inner["straight"] | inner["inattentive"])
    assert told.loc[careful, "image_1"].corr(inner.loc[careful, "halo"]) > 0.3
    where = pd.Series(state["satisfaction"], index=state["id"])
    assert (truth["satisfaction"] == where[truth.index]).all()


def test_the_description_knows_the_words_of_a_survey():
    assert set(schema.MODES) == set(sv.MODES) and schema.OUTCOMES == sv.OUTCOMES
    assert Survey.model_fields["frame"].annotation.__args__ == schema.FRAMES


def test_without_surveys_the_tables_are_empty(water):
    data = run_surveys(water, [])
    assert all(frame.empty for frame in data)
    for name, frame in zip(data._fields, data, strict=True):
        table = "truth.survey_sample" if name == "truth" else f"survey_{name}"
        assert set(frame) == {c.name for c in schema.BY_NAME[table].columns}


def test_nobody_to_ask_gives_a_wave_without_answers(water):
    world = water.scenario.replace(population__months=3, population__initial_share=0, acquisition__external=0)
    run = cs.simulate(world, [], seed=1)
    data = run.survey([Survey(months=(2,)), Survey(name="who_left", frame="leavers", months=(2,))])
    assert data.waves["asked"].tolist() == [0, 0] and data.answers.empty


# -- mistakes ------------------------------------------------------------------------------------------


def test_every_fault_of_a_survey_is_told_at_once():
    with pytest.raises(cs.ScenarioError) as told:
        Survey(size=-3, modee="x", mode="fax", months=(3, 2), panel=1)
    assert [where for where, _ in told.value.errors] == ["months", "size", "panel", "mode", "modee"]
    assert "customers asked in a wave" in str(told.value) and "must rise" in str(told.value)


def test_a_survey_that_a_run_cannot_take(water):
    for surveys, what in (
        ([Survey(months=(99,))], "month 99 is beyond the run's last, 23"),
        ([Survey(), Survey()], "2 surveys have this name"),
        ([Survey(frame="leavers", panel=True)], "make no panel"),
        ([3], "is no Survey"),
    ):
        with pytest.raises(cs.ScenarioError, match=what):
            water.survey(surveys)
    shop = cs.simulate(cs.Scenario.preset("retail").replace(population__size=100, population__months=2), [])
    with pytest.raises(cs.ScenarioError, match="cannot see who left"):
        shop.survey(Survey(frame="leavers", months=(1,)))


def test_every_parameter_is_declared_in_full():
    table = Survey.table()
    numbers = table[table["lowest"].notna()]
    assert len(numbers) > 20 and (table["meaning"] != "").all() and (numbers["unit"] != "").all()
    assert ((numbers["default"] >= numbers["lowest"]) & (numbers["default"] <= numbers["highest"])).all()


def test_purposes_do_not_meet():
    touchpoints = cs.Scenario.preset("water_utility").touchpoints
    codes = [item.code for item in questionnaire(Survey(items=4), touchpoints)]
    assert len(set(codes)) == len(codes) and max(codes) + 1 < sv.Purpose.MISSING - sv.Purpose.ERROR
    assert sv.Purpose.MISSING + 12 + 72 - sv.Purpose.SAMPLE < sv.STREAM
    # those of the simulation count up to the purchases of a month, and begin again at 2**20
    assert sv.Purpose.SAMPLE > draws.Purpose.PURCHASE_DAY + 5_000
    top = sv.Purpose.SAMPLE + sv.STREAM * (bounds(Survey.model_fields["stream"])[1] + 1)
    assert top < draws.Purpose.PURCHASE_PART
