"""Where customers live and what kind they are: shares, troubles, programmes of some districts."""

import numpy as np
import pandas as pd
import pytest

from crmsim.research.pdca import PdcaCycle, Project
from crmsim.simulation.catalogue import profiles
from crmsim.simulation.compile import GROUP_FIELDS, TOUCHPOINT_FIELDS, touchpoint_values
from crmsim.simulation.draws import make_key
from crmsim.simulation.engine import simulate
from crmsim.simulation.lives import trace
from crmsim.simulation.policies import (
    Change,
    Cost,
    FaultReduction,
    Levers,
    Offers,
    PolicyError,
    PriceCut,
    Programme,
    QualityControl,
    SatisfactionFeedback,
    policies_of,
    policy,
)
from crmsim.simulation.process import simulate_process
from crmsim.simulation.records import records
from crmsim.simulation.scenario import Scenario, ScenarioError
from crmsim.simulation.survey import Survey
from crmsim.simulation.town import age

SHOP = Scenario.preset("retail").replace(population__size=3000, population__months=12)
PARTS = [
    {"name": "hill", "share": 0.5, "problems": {"product": 3}},
    {"name": "valley", "share": 0.3, "problems": {"product": 1}},
    {"name": "coast", "share": 0.2, "problems": {"product": 1, "staff": 2}},
]
KINDS = [
    {"name": "old", "share": 1, "youngest": 60, "problems": {"staff": 4}, "leaving": 0.25},
    {"name": "young", "share": 1, "oldest": 59},
]


def town(scenario=SHOP, **changes):
    return scenario.replace(**{"districts": PARTS, "segments": KINDS} | changes)


def neutral(scenario):
    """The same districts and segments in which nothing differs."""
    plain = [{k: v for k, v in part.items() if k not in ("problems", "leaving")} for part in PARTS + KINDS]
    return scenario.replace(districts=plain[:3], segments=plain[3:])


class Failures:
    """Whom a touchpoint failed, of those who lived each month, with district and segment."""

    def __init__(self, touchpoint):
        self.touchpoint, self.rows = touchpoint, []

    def __call__(self, month, world):
        if month:
            failed = world.failure(self.touchpoint) > 0
            lived = world.happened("was_active") > 0
            view = world.firm
            self.rows.append(
                pd.DataFrame({"district": view.district, "segment": view.segment, "failed": failed})[lived]
            )

    def by(self, name):
        return pd.concat(self.rows).groupby(name)["failed"].agg(["mean", "size"])


# -- who lives where --------------------------------------------------------------------------------------


def test_shares_are_those_declared_and_the_same_on_file():
    run = simulate(town(population__size=20_000, population__months=1), seed=5)
    people, file = run.customers, profiles(run).set_index("customer")
    assert (people["district"].astype(str) == file["district"].astype(str)).all()
    assert (people["segment"].astype(str) == file["segment"].astype(str)).all()
    shares = people["district"].value_counts(normalize=True)
    for part in PARTS:
        error = np.sqrt(part["share"] * (1 - part["share"]) / len(people))
        assert shares[part["name"]] == pytest.approx(part["share"], abs=4 * error)
    assert ((file["age"] >= 60) == (file["segment"] == "old")).all()
    made = run.scenario.town
    assert made.share.sum() == pytest.approx(1)
    group = made.groups(run.key, people.index)
    assert np.bincount(group, minlength=6) / len(people) == pytest.approx(made.share, abs=0.015)


def test_factors_have_mean_one_and_a_group_has_both():
    made = town().town
    names = [t.name for t in SHOP.touchpoints]
    assert made.share @ made.factor == pytest.approx(np.ones(len(names)))
    assert made.share @ made.leaving == pytest.approx(1)
    hill, coast = made.among(["hill"]), made.among(["coast"])
    product, staff = names.index("product"), names.index("staff")
    assert made.factor[hill, product] == pytest.approx(3 / 2)  # mean .5 x 3 + .5 x 1
    old = made.among(segments=["old"])
    assert made.factor[coast & old, staff] == pytest.approx(made.factor[coast & ~old, staff] * 4)
    assert made.among(["hill"], ["old"]).sum() == 1


def test_use_decides_the_segment_and_the_seed_everything():
    """Segments stand in the order of use: correlation .3 of the scores, before rounding."""
    kinds = [{"name": "small", "share": 0.5}, {"name": "large", "share": 0.5}]
    world = Scenario.preset("subscription").replace(
        population__size=4000, population__months=1, segments=kinds, purchase__usage_sd=0.5
    )
    people = simulate(world, seed=2).customers
    usage = np.log(people["usage"]).groupby(people["segment"], observed=True).mean()
    # Halves of a normal score with correlation .3: .3 x 2 x .798 sd apart; s.e. .016.
    assert usage["large"] - usage["small"] == pytest.approx(0.3 * 2 * 0.798 * 0.5, abs=0.05)
    ids = np.arange(500)
    one, other = (world.town.groups(make_key(seed), ids) for seed in (1, 2))
    assert (one != other).any()
    assert (one == world.town.groups(make_key(1), ids)).all()
    assert age(make_key(1), ids).min() >= 18


# -- what differs -----------------------------------------------------------------------------------------


def test_failures_follow_the_factors_within_binomial_error():
    """Some 40,000 customer-months in the smallest district, standard error 2 %: a factor wrong by an eighth
    would be found with a probability of .99."""
    world = town(
        SHOP.replace(touchpoints__product__failure=0.1, touchpoints__product__exposure=1),
        population__size=20_000,
    )
    seen = Failures("product")
    simulate(world, seed=8, events=True, watch=seen)
    found = seen.by("district")
    assert found.loc["coast", "size"] > 35_000
    for name, chance in (("hill", 0.15), ("valley", 0.05), ("coast", 0.05)):
        error = np.sqrt(chance * (1 - chance) / found.loc[name, "size"])
        assert found.loc[name, "mean"] == pytest.approx(chance, abs=3.5 * error)
    # With the shares of the start the level is that of the touchpoint; later more of the valley are left.
    total = sum(part["share"] * found.loc[part["name"], "mean"] for part in PARTS)
    assert total == pytest.approx(0.1, rel=0.02)


def test_where_things_fail_people_are_less_satisfied():
    people = simulate(town(SHOP.replace(touchpoints__product__failure=0.08)), seed=4).customers
    means = people.groupby("district", observed=True)["satisfaction"].mean()
    assert means["hill"] < means["valley"] - 1  # s.e. about .5


def test_a_segment_that_is_readier_to_leave_does():
    people = simulate(town(SHOP, population__months=24), seed=6).customers
    kinds = people.groupby("segment", observed=True)
    assert kinds["frailty"].mean()["old"] / kinds["frailty"].mean()["young"] == pytest.approx(0.25, rel=0.15)
    rivals = (people["cause"] == "competitive").groupby(people["segment"], observed=True).mean()
    assert rivals["old"] < 0.6 * rivals["young"]


@pytest.mark.parametrize("preset", ["retail", "subscription", "water_utility"])
def test_districts_in_which_nothing_differs_leave_every_bit(preset):
    """The stages for groups do what those for everybody do."""
    world = Scenario.preset(preset).replace(
        population__size=2500, population__months=8, districts=[], segments=[], service__common_events=1
    )
    plain, parted = simulate(world, seed=3), simulate(neutral(world), seed=3)
    pd.testing.assert_frame_equal(
        parted.customers.drop(columns=["district", "segment"]), plain.customers, check_exact=True
    )
    pd.testing.assert_frame_equal(parted.monthly, plain.monthly, check_exact=True)


@pytest.mark.parametrize("desk", ["none", "fast"])
def test_the_same_bits_on_any_number_of_threads(desk):
    world = Scenario.preset("water_utility").replace(
        population__size=4000, population__months=6, service__desk=desk
    )
    one, two = (simulate(world, seed=3, threads=n) for n in (1, 2))
    pd.testing.assert_frame_equal(one.customers, two.customers, check_exact=True)


@pytest.mark.parametrize("preset", ["retail", "subscription"])
def test_the_process_lives_the_same_lives(preset):
    part = PARTS if preset == "retail" else [{"name": "all", "share": 1.0, "problems": {"network": 2}}]
    kinds = [{k: v for k, v in kind.items() if k != "problems"} for kind in KINDS]
    world = Scenario.preset(preset).replace(
        population__size=250, population__months=10, districts=part, segments=kinds
    )
    there = {"districts": (part[0]["name"],)}
    policies = [QualityControl(points=8, **there), FaultReduction(factor=0.2, start=3, segments=("old",))]
    a, b = (f(world, policies, seed=7) for f in (simulate, simulate_process))
    for name in ("failures", "complaints", "purchases", "district", "segment", "left_month", "cause"):
        pd.testing.assert_series_equal(a.customers[name], b.customers[name])
    np.testing.assert_allclose(a.customers["satisfaction"], b.customers["satisfaction"], atol=1e-3)


def test_the_trace_says_the_factor():
    world = town()
    run = simulate(world.replace(population__months=1), seed=1)
    for name, factor in (("hill", 1.5), ("valley", 0.5)):
        who = int(run.customers.index[run.customers["district"] == name][0])
        steps = {step.what: step for step in trace(world, [], who, 0, seed=1)}
        assert steps["product fails"].inputs["factor"] == pytest.approx(factor)
        assert "factor" not in steps["meets product"].inputs
        t = next(t for t in world.touchpoints if t.name == "product")
        assert steps["product fails"].threshold == pytest.approx(t.exposure * t.failure * factor, rel=1e-5)
    plain = trace(SHOP, [], 0, 0, seed=1)
    assert not any("factor" in step.inputs for step in plain)


def test_an_event_strikes_neighbours():
    world = Scenario.preset("water_utility").replace(population__size=8000, population__months=3)
    run = simulate(world, seed=4)
    affected = records(run).network.affected.merge(
        run.customers["district"].rename("home"), left_on="customer", right_index=True
    )
    homes = affected.groupby("event")["home"].nunique()
    large = affected.groupby("event").size() >= 10
    assert large.sum() > 10
    # Four stretches over six districts: each reaches into at most three.
    assert homes[large].max() <= 3
    town_shares = run.customers["district"].value_counts(normalize=True)
    assert town_shares.min() > 0.02  # so that without stretches a large event would be everywhere


def test_what_an_event_is_depends_on_the_district():
    """Mains burst where they are old, pressure is low where water is pumped up again."""
    world = Scenario.preset("water_utility").replace(population__size=3000, population__months=48)
    run = simulate(world, seed=4)
    events = records(run).network.events
    sudden = events[(events["touchpoint"] == "supply") & ~events["planned"].astype(bool)]
    kinds = pd.crosstab(sudden["district"], sudden["kind"])
    share = kinds.div(kinds.sum(axis=1), axis=0)
    assert kinds.loc[["old_town", "highrise"]].sum(axis=1).min() > 30
    assert share.loc["old_town", "burst"] > share.loc["highrise", "burst"] + 0.2
    assert share.loc["highrise", "low_pressure"] > share.loc["old_town", "low_pressure"] + 0.2
    # without the traits the same events are of the same kinds everywhere, and nobody lives otherwise
    plain = [d.model_dump() | {"aging": 0.0, "pumped": 1.0} for d in world.disturbances]
    other = simulate(world.replace(disturbances=plain), seed=4)
    pd.testing.assert_frame_equal(other.monthly, run.monthly)
    before = records(other).network.events
    pd.testing.assert_frame_equal(before.drop(columns="kind"), events.drop(columns="kind"))
    assert (before["kind"] != events["kind"]).any()


def test_how_often_a_kind_is_met_in_a_district():
    world = Scenario.preset("water_utility")
    burst, low = (next(d for d in world.disturbances if d.kind == k) for k in ("burst", "low_pressure"))
    old, pumped = world.districts[0], world.districts[1]
    assert (old.pipe_age, old.secondary_supply, pumped.secondary_supply) == (45, False, True)
    assert burst.share_in(old, 22.5) == pytest.approx(2 * burst.share)
    assert low.share_in(pumped, 22.5) == pytest.approx(3 * low.share)
    assert low.share_in(old, 22.5) == low.share
    # a district without mains, and a town without districts, have the share as it is given
    bare = old.model_copy(update={"pipe_age": 0})
    assert burst.share_in(bare, 22.5) == burst.share_in(None, 22.5) == burst.share_in(old, 0.0) == burst.share


# -- what a firm sees and does ----------------------------------------------------------------------------


class Ear:
    """A campaign that notes what it sees and speaks to those on the hill."""

    name = "ear"

    def __init__(self):
        self.heard = []

    def offers(self, view):
        self.heard.append((view.district.copy(), view.segment.copy()))
        return Offers(view.id[view.district == "hill"], "contact", 0.0)


def test_a_campaign_sees_district_and_segment():
    ear = Ear()
    run = simulate(town(population__months=1), [ear], seed=3)
    districts, segments = ear.heard[0]
    assert (districts == run.customers["district"].astype(str)).all()
    assert (segments == run.customers["segment"].astype(str)).all()
    assert (run.customers["offers"] > 0).equals(run.customers["district"] == "hill")


def test_a_world_without_districts_says_so():
    with pytest.raises(AttributeError, match=r"retail has no districts; declare them as \[\[districts\]\]"):
        simulate(SHOP.replace(population__months=1), [Ear()], seed=3)


@pytest.mark.parametrize(
    "programme",
    [
        QualityControl(points=10, districts=("hill",)),
        FaultReduction(factor=0, districts=("hill",)),
        SatisfactionFeedback(factor=0.3, districts=("hill",)),
        Programme(
            label="own", moves=(Change("touchpoints.staff.severity", multiply=0.2, districts=("hill",)),)
        ),
    ],
    ids=lambda p: p.name,
)
def test_a_programme_in_one_district_changes_only_those_who_live_there(programme):
    world = town(SHOP.replace(touchpoints__staff__failure=0.2), word_of_mouth__contagion=0)
    without, with_it = (simulate(world, chosen, seed=3).customers for chosen in ([], [programme]))
    first = without.index[without["joined_month"] == 0]
    a, b = without.loc[first], with_it.loc[first]
    there = a["district"] == "hill"
    pd.testing.assert_frame_equal(a[~there], b[~there], check_exact=True)
    changed = (a["satisfaction"] != b["satisfaction"])[there]
    assert changed.mean() > 0.1
    assert b.loc[there, "satisfaction"].mean() > a.loc[there, "satisfaction"].mean()


def test_a_programme_in_all_districts_is_one_for_everybody():
    world = town()
    everywhere = FaultReduction(factor=0.4, districts=tuple(p["name"] for p in PARTS))
    for month in (0, 2, 5):
        found = []
        for programme in (everywhere, FaultReduction(factor=0.4)):
            levers = Levers(world, np.zeros(0), touchpoint_values(world))
            programme.adjust(levers, month)
            found.append(levers.touchpoints)
        np.testing.assert_allclose(*found)


def test_the_average_of_the_town_follows_a_change_in_part():
    world = town()
    levers = Levers(world, np.zeros(0), touchpoint_values(world))
    before = levers.touchpoints.copy()
    QualityControl(points=10, ramp=0, districts=("coast",), touchpoint="product").adjust(levers, 0)
    d = [t.name for t in world.touchpoints].index("product")
    k = TOUCHPOINT_FIELDS.index("quality")
    assert levers.touchpoints[d, k] - before[d, k] == pytest.approx(0.2 * 10)
    moved = (levers.touchpoints - before)[d, len(TOUCHPOINT_FIELDS) :].reshape(len(GROUP_FIELDS), -1)
    assert moved[0].tolist() == pytest.approx(10.0 * world.town.among(["coast"]))
    assert not moved[1:].any()


def test_calls_that_fewer_make_in_one_district_help_the_others():
    """The desk is shared: that is the only way in which others notice."""
    world = Scenario.preset("water_utility").replace(
        population__size=6000, population__months=6, complaint__intercept=-1.0, service__agents=0.5
    )
    mended = FaultReduction(factor=0.0, ramp=0, districts=("old_town", "highrise"))
    without, with_it = (simulate(world, chosen, seed=3) for chosen in ([], [mended]))
    there = without.customers["district"].isin(["old_town", "highrise"])
    change = with_it.customers["satisfaction"] - without.customers["satisfaction"]
    change = change[without.customers["joined_month"] == 0]
    there = there[change.index]
    assert (change[~there] != 0).mean() > 0.01
    assert change[there].mean() > change[~there].mean() > 0
    assert with_it.service["wait"].mean() < without.service["wait"].mean()


def test_a_programme_in_one_district_costs_what_its_customers_do():
    world = town()
    cost = Cost(per_customer=0.1, fixed=3.0)
    run = {
        where: simulate(world, Programme(label="p", costs=cost, districts=where), seed=3)
        for where in ((), ("hill",))
    }
    all_of_it, part = (run[where].costs["p"] - 3.0 * world.bill for where in ((), ("hill",)))
    here = run["hill",].customers
    stayed = here[here["left_month"].isna()]
    share = (stayed["district"] == "hill").mean()
    assert part.iloc[-1] / all_of_it.iloc[-1] == pytest.approx(share, rel=1e-6)


def test_policies_are_limited_by_name_on_a_command_line_and_in_a_file():
    assert policy("fault_reduction:factor=0.2,districts=hill+coast").districts == ("hill", "coast")
    world = town(policies=[{"name": "quality_control", "districts": ["hill"], "segments": ["old"]}])
    assert policies_of(world, world.policies)[0].where == {"districts": ("hill",), "segments": ("old",)}


@pytest.mark.parametrize(
    ("what", "world", "words"),
    [
        (
            FaultReduction(districts=("hil",)),
            town(),
            "no district 'hil'; the scenario has hill, valley, coast",
        ),
        (FaultReduction(segments=("rich",)), town(), "no segment 'rich'; the scenario has old, young"),
        (SatisfactionFeedback(districts=("hil",)), town(), "no district 'hil'"),
        (FaultReduction(districts=("hill",)), SHOP, r"no districts; declare them as \[\[districts\]\]"),
        (
            PriceCut(districts=("hill",)),
            town(),
            "value.price is the same for everyone; in some districts only",
        ),
        (
            Programme(moves=(Change("touchpoints.*.weight", multiply=0.5, segments=("old",)),)),
            town(),
            "touchpoints.*.weight is the same for everyone; in some segments only the quality, exposure,",
        ),
    ],
)
def test_what_cannot_be_limited_is_refused(what, world, words):
    with pytest.raises(PolicyError, match=words):
        policies_of(world, [what])


def test_names_of_districts_are_words():
    with pytest.raises(PolicyError, match="districts must be a list of names, not 3"):
        FaultReduction(districts=3)


# -- bad input --------------------------------------------------------------------------------------------


def test_faults_of_districts_and_segments_are_told_together():
    with pytest.raises(ScenarioError) as found:
        SHOP.replace(
            districts=[
                {"name": "hill", "share": 0.5, "problems": {"prodct": 2}},
                {"name": "hill", "share": 0.4, "problems": {"product": -1}},
            ],
            segments=[
                {"name": "old", "youngest": 70, "oldest": 60, "leaving": -2},
                {"name": "young", "oldest": 59, "problems": {"product": True}},
            ],
        )
    text = str(found.value)
    for words in (
        "districts.hill.problems: unknown touchpoint 'prodct'; the scenario has",
        "districts: the shares sum to 0.9, they must sum to 1",
        "districts: the name 'hill' is used 2 times",
        "the factor of product must be a number from 0 to 100, not -1",
        "the factor of product must be a number from 0 to 100, not True",
        "segments.old: youngest must not be above oldest",
        "no segment is open to those of 60 years; from 18 to 89 all need one",
        "how many times as great as others' is the hazard of leaving for a rival, from 0 to 100 factor",
    ):
        assert words in text


def test_a_touchpoint_must_be_able_to_fail_somewhere():
    parts = [{"name": n, "share": 0.5, "problems": {"product": 0}} for n in ("a", "b")]
    with pytest.raises(ScenarioError, match="the factors of product are 0 everywhere; one must be above"):
        SHOP.replace(districts=parts)


def test_faults_in_a_file_come_with_their_lines(tmp_path):
    path = tmp_path / "world.toml"
    path.write_text('[[districts]]\nname = "hill"\nshare = 1.0\n\n[districts.problems]\nroof = 2.0\n')
    with pytest.raises(ScenarioError, match=r"line 5, districts.hill.problems: unknown touchpoint 'roof'"):
        Scenario.load(path)


def test_a_scenario_with_districts_survives_writing(tmp_path):
    world = town()
    again = Scenario.load(world.save(tmp_path / "town.toml"))
    assert again == world
    assert again.hash == world.hash != SHOP.hash
    assert SHOP.replace(districts=[], segments=[]).hash == SHOP.hash
    assert world.replace(districts__hill__share=0.4, districts__coast__share=0.3).districts[0].share == 0.4


# -- a round of improvement in some districts -------------------------------------------------------------


def test_a_project_is_rolled_out_in_some_districts():
    world = Scenario.preset("water_utility").replace(population__size=3000, service__desk="none")
    mains = Project("mains", FaultReduction(factor=0.0, ramp=0, touchpoint="supply"), one_off=1.0)
    cycle = PdcaCycle(world, [mains], start=3, months=4, survey=Survey(size=1500), money=1e6)
    cycle.plan("mains")
    with pytest.raises(ValueError, match=r"no district 'oldtown'; water_utility has old_town, highrise"):
        cycle.do(districts=["oldtown"])
    with pytest.raises(ValueError, match="give either to or districts"):
        cycle.do(to="half", districts=["old_town"])
    this = cycle.do(districts=["old_town", "urban_village"])
    assert this.to == "districts old_town, urban_village"
    row = cycle.check().iloc[0]
    assert row["comparison"] == "difference of differences"
    assert row["true"] > 0.5
    treated, idle = cycle._made(this.placed, this.end).run, cycle._made((), this.end).run
    people = idle.customers
    there = people["district"].isin(["old_town", "urban_village"])
    same = people["satisfaction"] == treated.customers["satisfaction"].reindex(people.index)
    assert same[~there].all()
    assert not same[there].all()
    # Kept, it goes on for everybody.
    cycle.act({"mains": "keep"})
    assert [p.to for p in cycle._kept] == [this.to, "all"]


def test_a_project_that_moves_everybody_has_no_districts():
    world = Scenario.preset("water_utility").replace(population__size=1000)
    cycle = PdcaCycle(world, [Project("price", PriceCut())], start=2, months=2)
    cycle.plan("price")
    with pytest.raises(PolicyError, match=r"value.price is the same for everyone"):
        cycle.do(districts=["old_town"])
