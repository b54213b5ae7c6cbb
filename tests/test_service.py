"""Service operations in a run: who waits, what comes of it, and whom it touches."""

import numpy as np
import pandas as pd
import pytest

from crmsim.simulation import engine
from crmsim.simulation.compile import RuleError
from crmsim.simulation.draws import make_key
from crmsim.simulation.engine import simulate
from crmsim.simulation.lives import WatchedWorld, counterfactual
from crmsim.simulation.policies import Change, PolicyError, Programme, policies_of
from crmsim.simulation.process import simulate_process
from crmsim.simulation.scenario import Scenario, ScenarioError
from crmsim.simulation.stations_report import performance, spill_over

WATER = Scenario.preset("water_utility")
# A line most of the day: one agent, some 450 callers a month, long calls.
BUSY = {
    "population__size": 3000, "population__months": 4, "service__agents": 1, "service__handling": 12,
    "service__patience": 8, "service__bill_questions": 0.1, "service__crews": 1, "service__repair": 8,
    "service__clerks": 0.25, "service__escalation": 0.5, "complaint__intercept": -3.0,
}  # fmt: skip


def busy(**changes):
    return WATER.replace(**BUSY | changes)


def shop(**changes):
    """The subscription with a hotline and crews for the network: people also leave and are won."""
    points = {"network": {"crew": 0.5, "common": 0.3, "planned": 0.2}}
    base = touchpoints(Scenario.preset("subscription"), **points)
    return base.replace(**BUSY | {"service__desk": "fast", "complaint__intercept": -1.5} | changes)


def touchpoints(scenario, every=None, **changes):
    """A scenario with other touchpoints: fields by name, `every` for all of them."""
    made = [t.model_copy(update=(every or {}) | changes.get(t.name, {})) for t in scenario.touchpoints]
    return scenario.replace(touchpoints=made)


WORLDS = {"water": busy, "shop": shop}


def same_customers(a, b):
    pd.testing.assert_frame_equal(a.customers, b.customers, check_exact=True)


def same(a, b):
    same_customers(a, b)
    pd.testing.assert_frame_equal(a.monthly, b.monthly, check_exact=True)
    pd.testing.assert_frame_equal(a.service, b.service, check_exact=True)


@pytest.fixture(scope="module")
def water():
    return simulate(busy(), seed=1, events=True)


# -- the same world, however it is computed ----------------------------------------------------------


@pytest.mark.parametrize("name", WORLDS)
def test_two_threads_give_the_bits_of_one(name):
    scenario = WORLDS[name](population__size=5000)
    same(simulate(scenario, seed=3, threads=1), simulate(scenario, seed=3, threads=2))


@pytest.mark.parametrize("record", [{"events": True}, {"follow": [0]}, {"watch": lambda month, world: None}])
def test_keeping_a_record_changes_nothing(record):
    """Without a record a thread's scratch serves all its blocks; with one each block has its own."""
    scenario = shop(service__counter_clerks=1, service__counter_share=0.5)
    plain = simulate(scenario, seed=3, threads=3)
    assert (plain.service[["visits", "jobs", "formal_complaints"]] > 0).all(axis=None)
    same(plain, simulate(scenario, seed=3, **record))


def test_moving_out_the_departed_changes_nobodys_turn(monkeypatch):
    """Some 20,000 calls a month: single-precision moments would tie a dozen times, and the line would
    follow the slots. Means may differ in their last digits, being added up in another order."""
    scenario = busy(
        population__size=20_000, population__months=6, service__bill_questions=0.9, service__agents=8,
        service__handling=4, churn__natural=0.05,
    )  # fmt: skip
    runs = []
    for every in (1, 100):
        monkeypatch.setattr(engine, "COMPACT_EVERY", every)
        runs.append(simulate(scenario, seed=1))
    assert 0.5 < runs[0].service["utilisation"].mean() < 1
    assert runs[0].customers["left_month"].notna().sum() > 2_000
    same_customers(*runs)
    pd.testing.assert_frame_equal(runs[0].service, runs[1].service, rtol=1e-10)


@pytest.mark.parametrize("name", WORLDS)
def test_the_simpy_desk_gives_the_fast_desks_world(name):
    """Hotline, crews, office and counter, contact by contact, with backlogs and jobs of the month's end."""
    scenario = WORLDS[name](service__counter_clerks=1, service__repair=24)
    fast = simulate(scenario, seed=2, events=True)
    simpy = simulate(scenario.replace(service__desk="simpy"), seed=2, events=True)
    same(fast, simpy)
    for station in ("hotline", "crews", "office", "counter"):
        a, b = fast.contacts(station), simpy.contacts(station)
        assert len(a) > 40, station
        pd.testing.assert_frame_equal(a, b, check_exact=True)
    # What tells them apart if anything does: lines, callers who try again, work left over.
    assert (fast.service["wait"] > 30).all()
    assert fast.service["repairs_late"].sum() > 5
    assert (fast.contacts()["attempt"] == 3).sum() > 50


def test_the_erlang_desk_comes_near_the_fast_one():
    """A town of 20,000 with four agents. Erlang A takes hours for themselves; benchmarks/desk.py says
    how near it comes. Six months of some 3,700 contacts: s.e. of a wait about 3 s."""
    scenario = busy(population__size=20_000, population__months=6, service__agents=6)
    exact = simulate(scenario, seed=1).service.mean()
    near = simulate(scenario.replace(service__desk="erlang"), seed=1).service.mean()
    assert near["contacts"] == pytest.approx(exact["contacts"], rel=0.02)
    assert near["wait"] == pytest.approx(exact["wait"], rel=0.35)
    assert near["abandoned"] / near["calls"] == pytest.approx(exact["abandoned"] / exact["calls"], abs=0.05)


@pytest.mark.parametrize("name", WORLDS)
def test_without_a_desk_its_numbers_do_not_matter(name):
    plain = WORLDS[name](service__desk="none")
    other = touchpoints(plain, every={"planned": 0.9, "common": 0.9, "crew": 0.9}).replace(
        service__agents=40, service__patience=1, service__bill_questions=0.9, service__notified=1,
        service__wait_points=50, service__counter_clerks=3, service__open_to=10, service__fast=1,
    )  # fmt: skip
    a, b = simulate(plain, seed=4), simulate(other, seed=4)
    same_customers(a, b)
    pd.testing.assert_frame_equal(a.monthly, b.monthly, check_exact=True)
    for run in (a, b):
        with pytest.raises(ValueError, match="no service desk"):
            _ = run.service


def test_the_tables_agree_with_one_another(water):
    """The month's row, every attempt and the stations' own records count the same things."""
    calls, months = water.contacts(), water.service
    kinds = calls.groupby(["month", "record_type"], observed=False).size().unstack()
    first = calls[calls["attempt"] == 1].groupby("month").size()
    assert (months["contacts"] == first).all()
    assert (months["calls"] == kinds.sum(axis=1)).all()
    assert (months["answered"] == kinds["service"]).all()
    assert (months["turned_away"] == kinds["closed"]).all()
    assert (months["abandoned"] == kinds["renege"] + kinds["unserved"]).all()
    served = calls[calls["record_type"] == "service"]
    assert months["wait"].to_numpy() == pytest.approx(3600 * served.groupby("month")["waiting_time"].mean())
    in_time = (served["waiting_time"] <= 20 / 3600).groupby(served["month"]).sum()
    in_time /= months["calls"] - months["turned_away"]
    assert months["service_level"].to_numpy() == pytest.approx(in_time)
    assert calls.groupby(["month", "customer"]).size().max() == 3
    assert (performance(water.station())["contacts"] == first).all()
    assert (months["jobs"] == water.contacts("crews").groupby("month").size()).all()
    letters = water.contacts("office").groupby("month").size()
    assert (months["formal_complaints"] == letters.reindex(months.index, fill_value=0)).all()


# -- whom a change of staff touches ------------------------------------------------------------------

# Nobody's life touches another's but in the line: no neighbours, crews and clerks without a queue, no
# common events.
APART = {"word_of_mouth__contagion": 0, "service__crews": 200, "service__clerks": 200}


def apart(**changes):
    return touchpoints(busy(**APART | changes), every={"common": 0.0})


@pytest.fixture(scope="module")
def hired():
    scenario = apart()
    return [simulate(scenario, policies, seed=5, events=True) for policies in ([], ["hire_agents:agents=1"])]


def test_an_agent_more_leaves_every_contacts_luck_as_it_was(hired):
    calls = [run.contacts().set_index(["month", "customer", "attempt"]) for run in hired]
    both = calls[0].index.intersection(calls[1].index)
    a, b = calls[0].loc[both], calls[1].loc[both]
    first = both.get_level_values("attempt") == 1
    assert first.sum() > 1500
    assert a.loc[first, "arrival_time"].equals(b.loc[first, "arrival_time"])
    assert a.loc[first, "reason"].equals(b.loc[first, "reason"])
    served = (a["record_type"] == "service") & (b["record_type"] == "service")
    assert a.loc[served, "service_time"].equals(b.loc[served, "service_time"])
    # It is not the same line, though.
    waited = a.loc[first, "waiting_time"] - b.loc[first, "waiting_time"]
    assert 0.2 < (waited > 0).mean() < 0.9
    assert (waited >= 0).mean() > 0.95  # a second attempt may come at a worse moment than it would have


def test_an_agent_more_changes_only_those_whose_contacts_changed(hired):
    """Bit by bit, over all months."""
    made = []
    for run in hired:
        calls = run.contacts().set_index(["month", "customer", "attempt"])
        made.append(calls.drop(columns=["server", "group", "queue_length", "contact"]))
    months = made[0].index.union(made[1].index)
    a, b = (frame.astype({"record_type": str, "reason": str}).reindex(months) for frame in made)
    equal = (a == b) | (a.isna() & b.isna())
    changed = set(months[~equal.all(axis=1)].get_level_values("customer"))
    called = set(months.get_level_values("customer"))
    without, with_agent = (run.customers for run in hired)
    known = without.index.intersection(with_agent.index)
    untouched = known[~known.isin(list(changed))]
    assert len(changed) > 300
    assert len(called - changed) > 300
    pd.testing.assert_frame_equal(without.loc[untouched], with_agent.loc[untouched], check_exact=True)
    touched = known[known.isin(list(changed))]
    better = with_agent.loc[touched, "satisfaction"] - without.loc[touched, "satisfaction"]
    assert (better != 0).mean() > 0.5
    assert better.mean() > 0.1


@pytest.mark.parametrize("patience", [8, 1000])
def test_more_agents_never_lengthen_the_mean_wait(patience):
    """Twenty seeds with common luck, two months each: not one mean wait of the contacts is longer."""
    small = {"population__size": 1500, "population__months": 2, "service__patience": patience}
    for seed in range(20):
        waits = [
            simulate(apart(service__agents=n, **small), seed=seed).service["wait"].mean() for n in (1, 2, 3)
        ]
        assert waits[0] > waits[1] > waits[2] >= 0, seed


def test_those_who_would_have_called_anyway_pay_for_complaints_encouraged():
    """The spill-over: complaints that a policy adds lengthen the waits of people it did not touch.
    Some 1,700 callers in both runs; twelve seeds gave 10 to 40 s more, here at least 3 s."""
    scenario = apart(complaint__intercept=-4.0)
    without, more = (
        simulate(scenario, p, seed=6, events=True) for p in ([], ["encourage_complaints:ramp=0"])
    )
    table = spill_over(without.contacts(), more.contacts())
    assert (table["new"] > 0).all()
    assert (table["callers"] > 300).all()
    assert (table["wait_after"] - table["wait_before"]).mean() > 3
    assert table["waited_longer"].sum() > table["waited_less"].sum()
    # By hand for the first month, in which only those who complain anew differ.
    a, b = (r.contacts().query("month == 0 and attempt == 1").set_index("customer") for r in (without, more))
    mutual = a.index.intersection(b.index)
    assert len(mutual) == len(a)
    # A few questions give way to a complaint.
    mutual = mutual[a.loc[mutual, "reason"] == b.loc[mutual, "reason"]]
    assert len(a) - 10 < len(mutual) == table["callers"][0]
    assert 3600 * a.loc[mutual, "waiting_time"].mean() == pytest.approx(table["wait_before"][0])
    assert 3600 * b.loc[mutual, "waiting_time"].mean() == pytest.approx(table["wait_after"][0])


# -- one customer looked at closely -------------------------------------------------------------------


@pytest.mark.parametrize("name", WORLDS)
def test_a_month_lived_again_ends_as_the_engine_ended_it(name):
    """Thirty callers, every month followed, with a policy that moves the line."""
    scenario, policies = (
        WORLDS[name](population__size=1200),
        policies_of(WORLDS[name](), "hire_agents:start=2"),
    )
    run = simulate(scenario, policies, seed=7, events=True)
    calls = run.contacts()
    callers = calls[calls["reason"].isin([t.name for t in scenario.touchpoints])]["customer"].unique()[:30]
    assert len(callers) == 30
    names = [
        "satisfaction", "trust", "expectation", "conative", "fault_points", "active", "complaints",
        "failures", "hazard", "historical_value", "unresolved",
    ]  # fmt: skip
    compared = 0
    for who in callers.tolist():
        world = WatchedWorld(scenario, policies, make_key(7), None, who).run(4)
        life = world.life()
        for month in life.index:
            seen = world.observe(int(month))
            found = np.array([getattr(seen, n) for n in names], float)
            engines = life.loc[month, names].to_numpy(float)
            np.testing.assert_allclose(found, engines, rtol=2e-5, atol=1e-2, err_msg=f"{who}, month {month}")
            felt = life.loc[month, [f"perception_{t.name}" for t in scenario.touchpoints]].to_numpy(float)
            np.testing.assert_allclose(np.array(seen.perception), felt, atol=1e-2)
            compared += 1
    assert compared > 90


def test_two_lives_part_where_the_line_parts_them():
    """With two agents more someone is answered who gave up: the lives differ from then on."""
    scenario = apart(population__size=1200)
    a, b = (simulate(scenario, p, seed=8, events=True) for p in ([], ["hire_agents"]))
    lost = a.contacts().query("record_type == 'renege' and month == 1 and attempt == 1")["customer"]
    one, other = (run.customers["satisfaction"] for run in (a, b))
    who = next(i for i in lost if one[i] != other[i])
    lives = counterfactual(scenario, ["hire_agents"], who, seed=8)
    assert lives.without["satisfaction"].iloc[-1] == pytest.approx(one[who])
    assert lives.with_policies["satisfaction"].iloc[-1] == pytest.approx(other[who])
    called = lives.without.index[(lives.without["called"] > 0) | (lives.without["complained"] > 0)]
    before = lives.without.loc[: called.min() - 1, "satisfaction"]
    assert before.equals(lives.with_policies.loc[: called.min() - 1, "satisfaction"])


# -- back to the customer -------------------------------------------------------------------------------


def lives_of(scenario, policies=(), seed=9):
    return simulate(scenario, list(policies), seed=seed, follow=range(scenario.population.size)).lives


def failing(**changes):
    """Failures often, calls about them often, answered at once, solved more often than not."""
    scenario = apart(
        population__months=3, service__agents=60, service__handling=3, complaint__resolved=0.8,
        complaint__intercept=-1.0, **changes,
    )  # fmt: skip
    return touchpoints(
        scenario, **{n: {"failure": 0.2, "crew": 0.0} for n in ("water_quality", "supply", "billing")}
    )


def test_a_fast_answer_delights_at_a_first_failure_and_lifts_satisfaction_alone():
    """Two worlds that differ in `complaint.recovery_fast` only (1 and 1.3), month by month.

    In month 0 all failures are first ones. Several hundred are recovered fast; their satisfaction alone
    is higher. Whoever fails for a second time in month 1, the first silently, gains nothing by it.
    """
    plain, paradox = (lives_of(failing(complaint__recovery_fast=x)) for x in (1.0, 1.3))
    a, b = (frame.xs(0, level="month") for frame in (plain, paradox))
    fast = (a["fast"] > 0) & (a["complained"] > 0)
    assert fast.sum() > 200
    gain = (b["satisfaction"] - a["satisfaction"])[fast]
    free = a["satisfaction"][fast] < 90  # it ends at 100
    expected = 0.3 * a["lost"][fast]
    assert gain[free].to_numpy() == pytest.approx(expected[free].to_numpy(), abs=1e-3)
    assert (gain[free] > 0).all()
    felt = [c for c in a if c.startswith("perception_")] + ["restored", "stay", "exit_fault", "unresolved"]
    pd.testing.assert_frame_equal(a[felt], b[felt], check_exact=True)
    assert (a.loc[fast, "restored"] == 1).all()
    pd.testing.assert_frame_equal(a[~fast], b[~fast], check_exact=True)

    first = a.index[(a["failed"] > 0) & (a["complained"] == 0)]
    c, d = (frame.xs(1, level="month").loc[lambda f: f.index.isin(first)] for frame in (plain, paradox))
    again = c["fast"] > 0
    assert again.sum() > 30
    pd.testing.assert_frame_equal(c, d, check_exact=True)
    # Less comes back than was lost.
    assert c.loc[again, "restored"].to_numpy() == pytest.approx(0.6)


def test_notices_lower_the_severity_of_planned_failures_only():
    """Every planned stop announced against none: .3 of some 450 stops of the supply weigh .22 of what
    they did (s.e. of the share .022)."""
    scenario = failing(service__notice_factor=0.22)
    none, all_ = (lives_of(scenario.replace(service__notified=x, population__months=1)) for x in (0, 1))
    names = [t.name for t in scenario.touchpoints if t.name != "service"]  # there the calls add to it
    for name in names:
        ratio = (all_[f"drop_{name}"] / none[f"drop_{name}"])[none[f"drop_{name}"] > 0]
        if name == "supply":
            planned = ratio < 0.99
            assert ratio[planned].to_numpy() == pytest.approx(0.22, rel=1e-5)
            assert planned.mean() == pytest.approx(0.3, abs=0.08)
            assert (ratio[~planned] == 1).all()
        else:
            assert (ratio == 1).all(), name
    # Whose stop was announced is less likely to call about it.
    stopped = none.index[(all_["drop_supply"] < none["drop_supply"])]
    assert all_.loc[stopped, "complained"].mean() < none.loc[stopped, "complained"].mean() - 0.1


def test_a_call_is_felt_as_the_experience_of_service():
    """Waits, giving up, no solution and unkindness lower the perception of service; kindness and a quick
    answer do no harm."""
    lives = lives_of(apart(population__months=1, service__courtesy_sd=0))
    callers = lives[lives["called"] > 0]
    p = busy().service
    solved = ~((callers["failed"] > 0) & (callers["reason"] < 4))  # questions: a failure is no solution
    questions = callers[(callers["reason"] > 0) & (callers["reason"] < 4)]
    waits = p.wait_points * (questions["waited"] - p.wait_free).clip(lower=0)
    unsolved = (questions["failed"] > 0) & (questions["drop_service"] > 0)
    expected = waits + np.where(unsolved & (questions["failed"] > 0), p.unresolved_points, 0)
    own = questions[[f"drop_{t.name}" for t in WATER.touchpoints if t.name != "service"]].sum(axis=1) == 0
    assert own.sum() > 200
    assert questions.loc[own, "drop_service"].to_numpy() == pytest.approx(expected[own].to_numpy(), abs=1e-3)
    assert (questions.loc[own, "gave_up"] <= questions.loc[own, "failed"]).all()
    assert 0.05 < (~solved).mean() < 0.9
    silent = lives[(lives["called"] == 0) & (lives["failed"] == 0)]
    assert (silent[[c for c in silent if c.startswith("drop_")]] == 0).all(axis=None)


def test_a_wait_alone_is_no_fault_to_leave_over():
    """An unkind word or a minute in line lowers the perception of service; nobody leaves at once over it."""
    lives = lives_of(shop(population__months=1, churn__fault_minor=0.5))
    waited = lives[(lives["called"] > 0) & (lives["failed"] == 0)]
    assert (waited["drop_service"] > 0).sum() > 50
    assert (waited["exit_fault"] == 0).all()
    assert (lives.loc[lives["failed"] > 0, "exit_fault"] > 0).all()


def test_a_problem_is_solved_when_the_crew_has_been_there():
    """Every problem needs a crew of its own; the crews have days of work, so some repairs are fast."""
    scenario = busy(population__months=1, service__repair=12, service__crews=4, service__escalation=0)
    scenario = touchpoints(scenario, every={"common": 0.0, "crew": 1.0})
    run = simulate(scenario, seed=13, events=True, follow=range(3000))
    calls, jobs = run.contacts(), run.contacts("crews")
    problem = calls["reason"].isin([t.name for t in scenario.touchpoints])
    answered = calls[problem & (calls["record_type"] == "service")].sort_values("contact")
    assert answered["contact"].is_unique  # whoever has reported it need not call again
    assert len(jobs) == len(answered) > 50
    assert jobs["arrival_time"].to_numpy() == pytest.approx(answered["exit_time"].clip(upper=719.999))
    lives = run.lives.xs(0, level="month")
    assert (lives.loc[answered["customer"], "resolved"] == 1).all()
    assert (lives.loc[lives["resolved"] > 0].index.isin(answered["customer"])).all()
    began = calls[calls["attempt"] == 1].set_index("customer")["arrival_time"][answered["customer"]]
    fast = jobs["exit_time"].to_numpy() - began.to_numpy() <= scenario.service.fast
    assert 0.1 < fast.mean() < 0.9
    assert lives.loc[answered["customer"], "fast"].to_numpy() == pytest.approx(fast.astype(float))


def test_the_office_solves_what_the_hotline_did_not():
    """Whoever is left without a solution complains formally: clerks solve .4 of some 80, nobody none."""
    scenario = busy(
        population__months=1, complaint__intercept=-1.5, complaint__resolved=0.4, service__repeat=0
    )
    silent, unanswered, answered = (
        lives_of(scenario.replace(service__escalation=e, service__clerks=n))
        for e, n in ((0, 200), (1, 0), (1, 200))
    )
    pd.testing.assert_frame_equal(silent, unanswered, check_exact=True)
    left = (silent["complained"] > 0) & (silent["resolved"] == 0)
    assert left.sum() > 60
    assert (answered.loc[silent["resolved"] > 0, "resolved"] == 1).all()
    share = answered.loc[left, "resolved"].mean()
    assert share == pytest.approx(scenario.complaint.resolved, abs=0.17)  # s.e. .054
    assert (answered.loc[~left, "resolved"] == silent.loc[~left, "resolved"]).all()


@pytest.mark.slow
def test_a_missing_number_of_an_own_rule_about_calls_is_found():
    def contact_experience(waited, gave_up, solved, courtesy, p):
        return waited + (np.sqrt(-1.0) if p.population_fairness_sd == 3.0 else 0.0)

    own = {"contact_experience": contact_experience}
    scenario = busy(population__size=800, population__months=2)
    felt = simulate(scenario, seed=1, rules=own).monthly["satisfaction"]
    assert (felt != simulate(scenario, seed=1).monthly["satisfaction"]).all()
    with pytest.raises(RuleError, match="look at your own rule contact_experience"):
        simulate(scenario.replace(population__fairness_sd=3), seed=1, rules=own)


def test_a_long_line_at_the_counter_spoils_paying_for_those_in_it():
    quiet, crowded = (
        lives_of(busy(population__months=1, service__counter_clerks=n, service__counter_share=0.8,
                      service__visit=8))
        for n in (40, 1)
    )  # fmt: skip
    went = quiet["visited"] > 0
    assert went.mean() == pytest.approx(0.5 * 0.8, abs=0.04)  # manual_share x counter_share, s.e. .009
    change = crowded["perception_payment"] - quiet["perception_payment"]
    assert (change[~went] == 0).all()
    assert (change[went] < 0).mean() > 0.3
    # At a failure that is made good as well, a larger drop may even be made good by more.
    assert (change[quiet["drop_payment"] == 0] <= 0).all()


# -- events, crews, backlog ------------------------------------------------------------------------------


def dispersion(counts):
    return counts.var(ddof=1) / counts.mean()


def test_common_events_bring_many_callers_at_once_and_one_job():
    made = {}
    for share in (0.0, 1.0):
        scenario = touchpoints(busy(service__dispersion=1), every={"common": share, "crew": 1.0})
        run = simulate(scenario, seed=10, events=True)
        calls = run.contacts().query("attempt == 1")
        problems = calls[calls["reason"].isin([t.name for t in scenario.touchpoints])]
        hours = np.bincount(
            (problems["month"] * 720 + problems["arrival_time"]).astype(int), minlength=4 * 720
        )
        made[share] = dispersion(hours), run.service["jobs"].sum(), len(problems)
    assert made[0.0][2] == pytest.approx(made[1.0][2], rel=0.1)  # who calls is another matter
    assert made[0.0][0] < 2  # calls by the hour of the day
    assert made[1.0][0] > 4
    assert made[0.0][1] > 0.8 * made[0.0][2] / 2
    assert made[1.0][1] < made[0.0][1] / 2
    # At most one for each of 4 events, 8 touchpoints and 4 months.
    assert made[1.0][1] <= 4 * 8 * 4


def test_work_the_crews_did_not_finish_is_still_to_be_done_next_month():
    """One crew, jobs of two days: the first job of each month starts when the last of the month before
    is done. The hotline begins each month anew."""
    scenario = busy(service__repair=48, service__crew_from=0, service__crew_to=24)
    run = simulate(scenario, seed=11, events=True)
    jobs = run.contacts("crews")
    for month in range(3):
        done = jobs[jobs["month"] == month]["exit_time"].max() - 720
        begins = jobs[(jobs["month"] == month + 1)]["service_start_time"].min()
        assert done > 24
        assert begins >= done
    assert run.service["repairs_late"].is_monotonic_increasing or run.service["repairs_late"].iloc[-1] > 10
    calls = run.contacts()
    assert (calls.groupby("month")["service_start_time"].min() < 36).all()  # month 3 begins on a Sunday


def test_crews_cut_leave_their_work_to_those_who_stay():
    """Two crews round the clock with more jobs than they can do; from month 2 on there is one."""
    scenario = busy(service__repair=15, service__crew_from=0, service__crew_to=24, service__crews=2)
    scenario = touchpoints(scenario, every={"common": 0.0, "crew": 1.0})
    cut = Programme(label="cut", start=2, ramp=0, moves=[Change("service.crews", add=-1)])
    jobs = simulate(scenario, [cut], seed=11, events=True).contacts("crews")
    left = jobs[(jobs["month"] == 1) & (jobs["server"] >= 0)].groupby("server")["exit_time"].max() - 720
    assert len(left) == 2
    assert (left > 12).all()
    after = jobs[jobs["month"] == 2]
    assert (after["server"].dropna() <= 0).all()
    assert after["service_start_time"].min() == pytest.approx(left.sum())


@pytest.mark.slow
def test_daily_contacts_are_spread_as_the_scenario_says():
    """Weekdays alike, no common events: 72 months of 21 or 22 days, so the index of dispersion 3.6 has a
    s.e. of .13; Poisson days would give 1. Around it, the preset as it is: 24 months, s.e. .25."""
    flat = touchpoints(WATER, every={"common": 0.0}).replace(
        population__months=24, service__weekdays=[1, 1, 1, 1, 1, 0, 0], service__dispersion=3.6
    )
    counts = [daily(simulate(flat, seed=seed, events=True)) for seed in (1, 2, 3)]
    # More contacts than the questions the spread is set for: problems add to the mean, not to the index.
    assert dispersion(np.concatenate(counts)) == pytest.approx(3.6, abs=0.9)
    preset = [daily(simulate(WATER.replace(population__months=24), seed=s, events=True)) for s in (1, 2, 3)]
    assert dispersion(np.concatenate(preset)) == pytest.approx(3.6, abs=0.9)


def daily(run):
    """First contacts of each day open."""
    calls = run.contacts().query("attempt == 1")
    day = (30 * calls["month"] + calls["arrival_time"] // 24).astype(int)
    counts = np.bincount(day, minlength=30 * run.scenario.population.months)
    return counts[np.arange(len(counts)) % 7 < 5]


# -- what only the SimPy desk can do -----------------------------------------------------------------------


def simpy_calls(**changes):
    run = simulate(busy(service__desk="simpy", population__size=2000, population__months=2, **changes),
                   seed=12, events=True)  # fmt: skip
    return run, run.contacts()


def test_priorities_let_problems_go_first():
    """Some 750 problems and 1,800 questions waiting for one agent, with the same luck."""
    waits = {}
    for first in (False, True):
        scenario = busy(
            service__desk="simpy", population__size=2000, population__months=2, service__priorities=first,
            service__patience=120, service__handling=20,
        )  # fmt: skip
        runs = [simulate(scenario, seed=seed, events=True) for seed in (12, 13, 14, 15)]
        calls = pd.concat([run.contacts() for run in runs], ignore_index=True)
        question = calls["reason"].isin(calls["reason"].cat.categories[:3])
        served = calls["record_type"] == "service"
        waits[first] = [calls.loc[served & q, "waiting_time"].mean() for q in (~question, question)]
    assert waits[True][0] < 0.8 * waits[False][0]
    assert waits[True][1] > waits[False][1]


def test_agents_with_a_skill_take_nothing_else():
    shift = {"name": "billing_team", "agents": 1, "from_hour": 8, "to_hour": 17, "skills": ["bill_question"]}
    run, calls = simpy_calls(service__shifts=[shift])
    taken = calls[calls["group"] == "billing_team"]
    assert len(taken) > 100
    assert set(taken["reason"]) == {"bill question"}
    others = calls[(calls["group"] == "agents")]
    assert (others["reason"] != "bill question").sum() > 100
    # The general agent's line gets shorter by it.
    assert run.service["wait"].mean() < 0.7 * simpy_calls()[0].service["wait"].mean()


def test_call_backs_save_callers_from_giving_up():
    without, with_them = simpy_calls(), simpy_calls(service__callback_after=2)
    assert not without[1]["called_back"].any()
    called = with_them[1][with_them[1]["called_back"]]
    assert len(called) > 50
    assert (called["record_type"] == "service").all()
    assert (called["waiting_time"] == 0).all()
    assert with_them[0].service["abandoned"].sum() < 0.5 * without[0].service["abandoned"].sum()


# -- what cannot be -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"service__touchpoint": "hotline"},
            "a desk needs the touchpoint 'hotline'; the scenario has water_q",
        ),
        ({"service__open_from": 18}, "open_from must come before open_to"),
        ({"service__crew_from": 20}, "crew_from must come before crew_to"),
        ({"service__desk": "slow"}, "'none', 'fast', 'simpy' or 'erlang'"),
        ({"service__priorities": True}, 'priorities need desk = "simpy"'),
        ({"service__callback_after": 3}, 'call-backs need desk = "simpy"'),
        ({"service__shifts": [{"name": "a", "skills": ["bill_question"]}]}, 'skills need desk = "simpy"'),
        ({"service__shifts": [{"name": "a", "skills": ["bills"]}]}, "unknown skill 'bills'; there are bill"),
        ({"service__weekdays": [0, 0, 0, 0, 0, 1, 1]}, "some of the weights must be above 0"),
        ({"service__agents": -1}, "from 0 to 10,000 agents"),
    ],
)
def test_a_desk_that_cannot_be(changes, message):
    with pytest.raises(ScenarioError) as error:
        WATER.replace(**changes)
    assert message in str(error.value)


def test_a_desk_where_there_is_no_service_touchpoint():
    shop = Scenario.preset("retail")
    names = [t.name for t in shop.touchpoints]
    wanted = "service" if "service" not in names else "hotline"
    with pytest.raises(ScenarioError, match=f"needs the touchpoint '{wanted}'"):
        shop.replace(service__desk="fast", service__touchpoint=wanted)


def test_errors_that_only_a_run_can_show(water):
    plain = WATER.replace(service__desk="none", population__size=50, population__months=1)
    with pytest.raises(PolicyError, match="hire_agents: the scenario 'water_utility' has no service desk"):
        simulate(plain, ["hire_agents"])
    with pytest.raises(ScenarioError, match=r'no stations: set desk = "none", or use simulate'):
        simulate_process(WATER.replace(population__size=50, population__months=1))
    with pytest.raises(ValueError, match="no station 'hot'; there are hotline, crews, office, counter"):
        water.station("hot")
    with pytest.raises(ValueError, match="no service desk"):
        simulate(plain).contacts()
    assert water.contacts("counter").empty


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ("extend_hours:hours=-9", "9 hours fewer leave none; 'water_utility' is open from 8 to 17"),
        ("extend_hours:hours=-6,effort=3", "6 hours fewer leave none"),
        ("notices_by_sms", "no touchpoint of 'water_utility' has planned failures"),
    ],
)
def test_a_service_policy_that_cannot_be(policy, message):
    scenario = touchpoints(busy(population__months=1), every={"planned": 0.0})
    with pytest.raises(PolicyError, match=message):
        simulate(scenario, [policy])


def test_own_programmes_cannot_leave_no_hours():
    late = Programme(label="late", start=1, ramp=0, moves=[Change("service.crew_from", add=15)])
    with pytest.raises(PolicyError, match="month 1: the policies leave no crew hours, from 22 to 19"):
        simulate(busy(), [late])


def test_a_counter_may_open_on_the_way():
    opens = Programme(label="counter", start=2, ramp=0, moves=[Change("service.counter_clerks", add=1)])
    months = simulate(busy(), [opens], seed=1).service
    assert (months["visits"][:2] == 0).all()
    assert (months["visits"][2:] > 100).all()
    assert months["counter_wait"].notna().tolist() == [False, False, True, True]


def test_nobody_on_the_phone_and_nobody_calling():
    """The limits: no agents at all, and no contacts at all."""
    nobody = simulate(busy(service__agents=0), seed=1).service
    assert (nobody["answered"] == 0).all()
    assert (nobody["gave_up"] == nobody["contacts"]).all()
    silence = busy(
        service__bill_questions=0, service__payment_questions=0, service__other_questions=0,
        complaint__intercept=-20,
    )  # fmt: skip
    quiet = simulate(silence, seed=1, events=True)
    assert (quiet.service[["contacts", "calls", "jobs", "formal_complaints"]] == 0).all(axis=None)
    assert quiet.service["wait"].isna().all()
    assert quiet.contacts().empty
