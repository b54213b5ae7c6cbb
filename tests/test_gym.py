"""The retention environment: gymnasium's own check, the same bits as `simulate`, what it shows, agents."""

import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from crmsim import gym
from crmsim.simulation.engine import simulate
from crmsim.simulation.policies import Dunning, PolicyError, RetentionCall, WinBack
from crmsim.simulation.scenario import Scenario

ACTIONS = {"split": [0.5, 0.0, 0.2], "target": 3}


def world(name="subscription", **changes):
    return Scenario.preset(name).replace(**{"population__size": 400, "population__months": 8} | changes)


@pytest.mark.parametrize("actions", ["split", "target"])
def test_passes_the_check_of_gymnasium(actions):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # what the check finds odd, it warns of
        env = gymnasium.make(
            "crmsim/Retention-v0", scenario=world(), customers=300, months=5, actions=actions
        )
        check_env(env.unwrapped)


@pytest.mark.parametrize("name", ["subscription", "retail"])
@pytest.mark.parametrize("actions", ["split", "target"])
@pytest.mark.parametrize("every", [1, 3])
def test_a_constant_action_is_a_fixed_policy_bit_for_bit(name, actions, every):
    env = gym.RetentionEnv(world(name), actions=actions, every=every, always=[Dunning()])
    action = ACTIONS[actions]
    total = gym.play(env, gym.fixed(action), seed=7, replication=3)
    run = simulate(world(name), env.policies(action), seed=7, replication=3)
    assert run.monthly["offers"].sum() > 20
    assert env.run.monthly.equals(run.monthly)
    assert env.run.customers.equals(run.customers)
    assert env.run.costs.equals(run.costs)
    assert total == pytest.approx(run.equity, rel=1e-12)
    if every == 1:
        assert total == run.equity


def test_rewards_are_what_the_months_earn():
    env = gym.RetentionEnv(world())
    env.reset(seed=2)
    rng = np.random.default_rng(0)
    rewards = [env.step(rng.random(3).astype(np.float32))[1] for _ in range(8)]
    months = env.run.monthly
    assert rewards == (months["profit"] * months["discount"]).tolist()
    assert sum(rewards) == env.run.equity


def test_an_episode_ends_with_the_last_month_and_not_before():
    env = gym.RetentionEnv(world(), every=3)
    env.reset(seed=1)
    over = [env.step([0, 0, 0])[2] for _ in range(3)]
    assert over == [False, False, True] and env.month == 8
    with pytest.raises(ValueError, match="call reset"):
        env.step([0, 0, 0])


def test_a_seed_is_luck():
    env = gym.RetentionEnv(world())

    def first(**how):
        env.reset(**how)
        return env.step([0.2, 0.2, 0.2])[1]

    assert first(seed=5) == first(seed=5) != first(seed=6)
    assert first(seed=5) != first(seed=5, options={"replication": 1})
    env.reset(seed=5)
    drawn = first(), first()
    env.reset(seed=5)
    assert drawn == (first(), first()) and drawn[0] != drawn[1]


def test_the_observation_is_what_the_view_and_the_books_say():
    env = gym.RetentionEnv(world(complaint__intercept=-1.0), budget=300.0)
    env.reset(seed=1)
    for _ in range(5):
        seen, *_ = env.step([1, 0, 0])
    found = dict(zip(gym.OBSERVED, seen.tolist(), strict=True))
    month, before = env.run.monthly.loc[4], env.run.monthly.loc[3]
    assert found["time"] == pytest.approx(5 / 8)
    # with a contract, all of last month's departures are known
    assert found["lost"] == pytest.approx(month["left"] / month["at_risk"], rel=1e-6)
    assert month["at_risk"] == before["customers"] + month["joined"]
    assert found["revenue"] == pytest.approx(month["revenue"] / 30 / 400, rel=1e-6)
    assert (
        found["spent"] == pytest.approx(env.run.costs.loc[4, "risk"] / 300, rel=1e-6) and found["spent"] > 0.9
    )
    assert 0 < found["complaints"] < 0.5 and 0 < found["offered"] < 1 and 0.5 < found["satisfaction"] < 1


def test_nothing_hidden_is_observed():
    """Two worlds that differ in what no firm sees, and in nothing it saw, look alike."""
    env, other = (gym.RetentionEnv(world(population__response_mean=mean), always=[]) for mean in (-1.0, 1.0))
    assert np.array_equal(env.reset(seed=1)[0], other.reset(seed=1)[0])
    assert np.array_equal(env.step([0, 0, 0])[0], other.step([0, 0, 0])[0])


def test_money_given_is_money_spent_at_most():
    env = gym.RetentionEnv(world(), budget=100.0)
    assert env.shares([1, 1, 0]).tolist() == [0.5, 0.5, 0.0]
    assert env.shares([0.25, 0.25, 0]).tolist() == [0.25, 0.25, 0.0]
    gym.play(env, gym.fixed([1, 1, 1]))
    assert 0 < env.run.costs.sum(axis=1).max() <= 100 * (1 + 1e-9)
    gym.play(gym.RetentionEnv(world(), actions="target"), gym.fixed(0))


def test_options_of_ones_own():
    env = gym.RetentionEnv(world(), options={"call": RetentionCall(), "back": "win_back"}, actions="target")
    assert env.action_space.n == 3 and isinstance(env.options["back"], WinBack)
    gym.play(env, gym.fixed(2))
    assert list(env.run.costs) == ["call", "back"] and env.run.costs["back"].sum() > 0


@pytest.mark.parametrize(
    ("how", "error", "words"),
    [
        ({"actions": "all"}, ValueError, "split"),
        ({"every": 2}, ValueError, "1 or 3"),
        ({"budget": -1.0}, ValueError, "above 0"),
        ({"options": {}}, PolicyError, "at least one"),
        ({"options": {"a": Dunning()}}, PolicyError, "campaign is needed"),
        ({"render_mode": "human"}, ValueError, "nothing to render"),
    ],
)
def test_what_cannot_be(how, error, words):
    with pytest.raises(error, match=words):
        gym.RetentionEnv(world(), **how)


@pytest.mark.parametrize("action", [[0.5, 0.5], [2, 0, 0], [np.nan, 0, 0]])
def test_an_action_outside_the_space_is_told(action):
    env = gym.RetentionEnv(world())
    env.reset(seed=1)
    with pytest.raises(ValueError, match="3 shares from 0 to 1"):
        env.step(action)


def test_training_repeats_and_learns_what_pays():
    """Calls that keep everybody for nothing: the agent learns to make them; dear ones, to leave them."""
    kept = {}
    for price in (0.0, 3.0):
        options = {"call": RetentionCall(target="risk", share=1.0, contact=price + 0.01, accept=0.0, pause=3)}
        harsh = world(population__response_mean=2.0, population__response_sd=0.0, churn__competitive=0.08)
        env = gym.RetentionEnv(harsh, options=options, budget=30 * (price + 0.01) * 100)
        how = {"generations": 3, "population": 8, "replications": 1, "progress": False}
        agent, rounds = gym.cross_entropy(env, ["lost"], **how)
        again, _ = gym.cross_entropy(env, ["lost"], **how)
        assert np.array_equal(agent.weights, again.weights)
        assert list(rounds) == ["mean", "best"] and len(rounds) == 3
        seen, _ = env.reset(seed=1)
        kept[price] = float(agent(seen)[0])
    assert kept[0.0] > 0.5 > kept[3.0]


def test_evaluation_is_on_luck_that_nothing_trained_on():
    env = gym.RetentionEnv(world())
    table = gym.evaluate(env, {"none": gym.fixed([0, 0, 0])}, replications=2)
    assert table.index.tolist() == [gym.HOLDOUT, gym.HOLDOUT + 1]
    assert table["none"].iloc[0] == simulate(world(), [], seed=1, replication=gym.HOLDOUT).equity
    with pytest.raises(ValueError, match="unknown feature 'churn'"):
        gym.cross_entropy(env, ["churn"])
