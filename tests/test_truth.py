"""The truth about each customer: the same person, the same luck, and nothing else different."""

import numpy as np
import pytest

import crmsim as cs
from crmsim.research.experiment import Experiment
from crmsim.research.truth import CHANNELS, EFFECTS, individual_effects, live_again, spill_over

# Static traits of `Run.customers`.
TRAITS = ["fit", "fairness", "anchor", "alternative", "switching", "frailty", "mobility", "payer", "rate",
          "usage", "propensity", "response", "channel_draw", "scale_use"]  # fmt: skip


@pytest.fixture(scope="module")
def world() -> cs.Scenario:
    return cs.Scenario.preset("subscription").replace(population__size=2_000, population__months=12)


@pytest.fixture(scope="module")
def apart(world) -> cs.Scenario:
    """Customers who do not act on each other."""
    return world.replace(word_of_mouth__contagion=0)


CALL = cs.RetentionCall(target="random", share=0.3, start=2, stop=3)


@pytest.mark.parametrize("preset", ["subscription", "water_utility"])
def test_own_people_with_own_luck_are_the_run_itself(preset):
    world = cs.Scenario.preset(preset).replace(population__size=1_500, population__months=8)
    one = cs.simulate(world, [cs.RetentionCall()], 3, replication=2)
    other = live_again(world, [cs.RetentionCall()], 3, replication=2, people=2)
    assert one.customers.equals(other.customers) and one.monthly.equals(other.monthly)


def test_other_luck_leaves_the_people_as_they_are(world):
    runs = [live_again(world, [], 3, replication=r, people=0).customers for r in (0, 1)]
    first, second = (run[run["source"] == "initial"] for run in runs)
    assert first[TRAITS].equals(second[TRAITS])
    assert not first["satisfaction"].equals(second["satisfaction"])
    anew = cs.simulate(world, [], 3, replication=1).customers
    assert not first[TRAITS].equals(anew[anew["source"] == "initial"][TRAITS])


def test_effects_add_up_to_those_of_an_experiment(world):
    effects = individual_effects(world, [CALL], 1)
    table = Experiment({"none": [], "call": [CALL]}, world, 1, cache=False).run(1, progress=False)
    row = table[table["policy"] == "call"].iloc[0]
    assert (effects["saved"] > 0).sum() == row["saved"]
    assert (effects["saved"] < 0).sum() == row["harmed"]
    for name in ("expected_saves", "months_gained", "value_gained"):
        assert effects[name].sum() == pytest.approx(row[name], rel=1e-4, abs=1e-3)
    offers = cs.simulate(world, [CALL], 1).customers["offers"].to_numpy()[: len(effects)]
    assert np.array_equal(effects["treated"], offers > 0)
    assert effects["saved_error"].isna().all()


def test_means_over_luck_and_their_errors(apart):
    several = individual_effects(apart, [CALL], 1, replications=3)
    lives = []
    for r in range(3):
        runs = [live_again(apart, plan, 1, replication=r, people=0) for plan in ([], [CALL])]
        values = [run.customers.loc[several.index, "expected_exit"] for run in runs]
        lives.append(values[0] - values[1])
    each = np.array(lives)
    assert several["expected_saves"].to_numpy() == pytest.approx(each.mean(axis=0), abs=1e-6)
    assert several["expected_saves_error"].to_numpy() == pytest.approx(
        each.std(axis=0, ddof=1) / np.sqrt(3), abs=1e-6
    )


def test_nobody_without_an_offer_is_changed_where_nobody_acts_on_another(apart, world):
    effects = individual_effects(apart, [CALL], 1, replications=4)
    never = effects["treated"] == 0
    assert 0 < never.sum() < len(effects)
    assert (effects.loc[never, list(EFFECTS)] == 0).all().all()
    assert (effects.loc[~never, "expected_saves"] != 0).any()
    linked = individual_effects(world, [CALL], 1, replications=4)
    assert (linked.loc[linked["treated"] == 0, "expected_saves"] != 0).any(), "neighbours feel it"


def parts(table):
    wide = table.pivot_table(index=["measure", "group"], columns="channel", values="effect", sort=False)
    return wide.assign(sum=wide[["direct", *CHANNELS, "rest"]].sum(axis=1))


def test_channels_add_up_and_are_zero_where_there_are_none(apart, world):
    wide = parts(spill_over(apart.replace(acquisition__imitation=0), CALL, replications=2))
    assert (wide[[*CHANNELS, "rest"]] == 0).all().all()
    assert (wide.xs("untreated", level="group") == 0).all().all()
    linked = parts(spill_over(world, CALL, replications=3))
    assert linked["sum"].to_numpy() == pytest.approx(linked["total"].to_numpy())
    untreated = linked.loc[("expected_saves", "untreated")]
    assert untreated["direct"] == 0 and untreated["word_of_mouth"] != 0
    assert untreated["queue"] == untreated["budget"] == 0
    total = linked.xs("all", level="group")["total"]
    effects = sum(
        individual_effects(world, [CALL], 1, people=r, replications=1)["expected_saves"].sum() for r in (0,)
    )
    alone = parts(spill_over(world, CALL, replications=1)).loc[("expected_saves", "all"), "total"]
    assert alone == pytest.approx(effects, abs=1e-3) and total["expected_saves"] != 0


def test_a_queue_carries_an_effect_to_those_who_got_no_offer(apart):
    """A letter that makes a third of the customers satisfied; those who stay wait on the line with others."""
    letter = cs.Action("letter", satisfaction=20, strength=3, months=12)

    class Letter:
        name = "letter"

        def runs_in(self, month: int) -> bool:
            return month == 1

        def offers(self, view):
            return cs.Offers(view.id[view.id % 3 == 0], letter, 0.0)

    busy = apart.replace(
        service__desk="fast", service__agents=0.03, acquisition__imitation=0, churn__competitive=0.03
    )
    wide = parts(spill_over(busy, Letter(), replications=2))
    untreated = wide.xs("untreated", level="group").loc["expected_saves"]
    assert untreated["direct"] == 0 and untreated["word_of_mouth"] == 0
    assert untreated["queue"] != 0 and untreated["queue"] == pytest.approx(untreated["total"])


def test_the_reference_desk_has_a_queue_to_switch_off_as_well(apart):
    shift = {"name": "late", "agents": 1, "from_hour": 17, "to_hour": 20, "skills": ("bill_question",)}
    town = apart.replace(
        population__size=300, population__months=4, churn__competitive=0.03, service__desk="simpy",
        service__agents=0.02, service__shifts=(shift,), service__priorities=True, acquisition__imitation=0,
    )  # fmt: skip
    wide = parts(
        spill_over(town, cs.RetentionCall(target="random", share=0.5, start=1, stop=2), replications=1)
    )
    untreated = wide.loc[("expected_saves", "untreated")]
    assert untreated["direct"] == untreated["word_of_mouth"] == untreated["rest"] == 0
    assert wide.loc[("expected_saves", "treated"), "direct"] != 0


def test_a_budget_crowds_out(apart):
    call = cs.RetentionCall(target="uplift", share=0.3, start=2, stop=3)
    price = (call.contact + call.accept * call.offer) * apart.bill
    wide = parts(spill_over(apart, cs.Budget(call, 100 * price), replications=3))
    row = wide.loc[("expected_saves", "untreated")]
    assert row["total"] == 0
    assert row["direct"] > 0 and row["budget"] == pytest.approx(-row["direct"])
    own = parts(spill_over(apart, cs.RetentionCall(target="uplift", share=0.3, start=2, stop=3,
                                                   budget=100 * price), replications=3))  # fmt: skip
    assert own.loc[("expected_saves", "untreated")].to_numpy() == pytest.approx(row.to_numpy())


def test_wrong_policies_are_refused(world):
    with pytest.raises(cs.PolicyError, match="nobody is untreated"):
        spill_over(world, [cs.Dunning()])
    with pytest.raises(cs.PolicyError, match="makes no offers"):
        spill_over(world, [cs.Dunning()], baseline=[cs.Dunning()])
    with pytest.raises(ValueError, match="whole number of at least 1"):
        individual_effects(world, [CALL], replications=0)
