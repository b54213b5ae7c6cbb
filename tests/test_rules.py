"""The rules of one customer: bounds, directions and orders that must hold whatever the numbers are.

Rules are tried as plain Python with the parameters of the four presets, drawn by Hypothesis with the
arguments.
"""

import itertools
import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from crmsim.simulation import numeric
from crmsim.simulation import rules as r
from crmsim.simulation.compile import parameters_of
from crmsim.simulation.scenario import Scenario
from crmsim.vocabulary import ChurnCause, RelationshipStage

WORLDS = {name: parameters_of(Scenario.preset(name)) for name in Scenario.presets()}
DEFAULT = parameters_of(Scenario())
# A market that few know to be open, and fewer look at.
INERT = WORLDS["retail"]._replace(market_openness=0.8, market_awareness=0.5, market_attention=0.3)
P = st.sampled_from([*WORLDS.values(), DEFAULT, INERT])
POINTS = st.floats(0, 100)
GAPS = st.floats(-100, 100)
TRUTH = st.sampled_from([0.0, 1.0])
FRAILTY = st.floats(0, 50)
TINY = 1e-9


# -- experience ------------------------------------------------------------------------------------


@given(POINTS, POINTS, st.floats(0, 150), st.floats(0, 150), P)
def test_perception_is_bounded_follows_quality_and_falls_at_a_failure(previous, quality, drop, more, p):
    seen = r.perception(previous, quality, drop, p)
    assert 0 <= seen <= 100
    assert r.perception(previous, quality, drop + more, p) <= seen
    calm = r.perception(previous, quality, 0.0, p)
    assert min(previous, quality) - TINY <= calm <= max(previous, quality) + TINY
    assert abs(quality - calm) <= (1 - p.satisfaction_perception_rate) * abs(quality - previous) + TINY


@given(GAPS, st.floats(0, 5), st.floats(0, 5))
def test_kano_weights_gains_and_losses_apart(gap, gain, loss):
    assert r.kano(gap, gain, loss) == gap * (gain if gap > 0 else loss)
    assert r.kano(0.0, gain, loss) == 0


@given(st.floats(0.1, 100))
def test_must_be_loses_more_than_it_gains_and_attractive_the_other_way(gap):
    """The three kinds as `compile.KANO` weighs them."""
    from crmsim.simulation.compile import KANO

    change = {kind: (r.kano(gap, *weights), -r.kano(-gap, *weights)) for kind, weights in KANO.items()}
    assert change["must_be"][0] < change["must_be"][1]
    assert change["attractive"][0] > change["attractive"][1]
    assert change["one_dimensional"] == (gap, gap)


@given(POINTS, GAPS, GAPS, P)
def test_perceived_quality_is_bounded(expectation, gap, surprise, p):
    assert 0 <= r.perceived_quality(expectation, gap, surprise, p) <= 100


@given(POINTS, POINTS, st.floats(0, 50), P)
def test_episode_satisfaction_counts_quality_in_itself_and_losses_more(quality, expectation, more, p):
    episode = r.episode_satisfaction(quality, expectation, p)
    assert 0 <= episode <= 100
    assert r.episode_satisfaction(min(quality + more, 100), expectation, p) >= episode - TINY
    assert r.episode_satisfaction(quality, min(expectation + more, 100), p) <= episode + TINY
    assert r.episode_satisfaction(quality, quality, p) == pytest.approx(quality)


@given(st.floats(30, 70), st.floats(0.1, 10), P)
def test_a_missed_expectation_counts_more_than_an_exceeded_one(expectation, gap, p):
    up = r.episode_satisfaction(expectation + gap, expectation, p) - expectation
    down = expectation - r.episode_satisfaction(expectation - gap, expectation, p)
    assert down > up > gap - TINY
    assert (down - gap) / (up - gap) == pytest.approx(p.satisfaction_loss / p.satisfaction_gain, rel=1e-6)


@given(POINTS, POINTS, TRUTH, P)
def test_satisfaction_moves_towards_the_episode_only_when_something_was_met(previous, episode, met, p):
    new = r.satisfaction(previous, episode, met, p)
    assert min(previous, episode) - TINY <= new <= max(previous, episode) + TINY
    assert r.satisfaction(previous, episode, 0.0, p) == previous


@given(POINTS, POINTS, POINTS, st.floats(0, 50), P)
def test_expectation_is_bounded_and_rises_with_quality_and_anchor(previous, quality, anchor, more, p):
    new = r.expectation(previous, quality, anchor, p)
    assert 0 <= new <= 100
    low, high = min(previous, quality, anchor), max(previous, quality, anchor)
    assert low - TINY <= new <= high + TINY
    assert r.expectation(previous, min(quality + more, 100), anchor, p) >= new - TINY
    assert r.expectation(previous, quality, min(anchor + more, 100), p) >= new - TINY


# -- complaint and recovery --------------------------------------------------------------------------


@given(st.floats(0, 150), st.floats(0, 50), POINTS, st.floats(-3, 3), P)
def test_complaints_rise_with_severity_trust_and_propensity_and_fall_with_effort(
    severity, more, trust, propensity, p
):
    chance = r.complaint_probability(severity, trust, propensity, p)
    assert 0 <= chance <= 1
    assert r.complaint_probability(severity + more, trust, propensity, p) >= chance
    assert r.complaint_probability(severity, min(trust + more, 100), propensity, p) >= chance
    assert r.complaint_probability(severity, trust, propensity + more, p) >= chance
    harder = p._replace(complaint_effort=p.complaint_effort + 1)
    assert r.complaint_probability(severity, trust, propensity, harder) < chance


@given(st.floats(0, 100), st.floats(0, 50), P)
def test_satisfaction_lost_rises_with_the_points_lost(points, more, p):
    assert r.satisfaction_lost(0.0, 1.0, p) == 0
    assert r.satisfaction_lost(points, 0.0, p) == 0
    assert r.satisfaction_lost(points + more, 1.0, p) >= r.satisfaction_lost(points, 1.0, p) >= 0


@given(P)
def test_recovery_regains_most_when_fast_and_never_when_unanswered(p):
    silent = r.recovery(0.0, 0.0, 0.0, 0.0, p)
    unresolved = r.recovery(1.0, 0.0, 0.0, 0.0, p)
    resolved = r.recovery(1.0, 1.0, 0.0, 0.0, p)
    fast = r.recovery(1.0, 1.0, 1.0, 0.0, p)
    again = [r.recovery(1.0, 1.0, f, 1.0, p) for f in (0.0, 1.0)]
    assert unresolved < silent == 0 < resolved < fast
    assert again[0] == again[1] < resolved  # no paradox at a second failure
    assert max(again) <= 1 < fast  # the paradox: more than was lost, at a first failure only


@given(P)
def test_those_who_keep_silent_leave_most_and_those_answered_fast_least(p):
    silent = r.stay_factor(0.0, 0.0, 0.0, p)
    unresolved = r.stay_factor(1.0, 0.0, 0.0, p)
    resolved = r.stay_factor(1.0, 1.0, 0.0, p)
    fast = r.stay_factor(1.0, 1.0, 1.0, p)
    assert silent >= unresolved > resolved > fast >= 0
    # Without a complaint there is no answer to speak of.
    assert r.stay_factor(0.0, 1.0, 1.0, p) == silent


# -- attitudes -----------------------------------------------------------------------------------------


@given(st.floats(20, 80), st.floats(0.1, 20), P)
def test_trust_is_slow_up_and_fast_down(previous, gap, p):
    up = r.trust(previous, previous + gap, p) - previous
    down = previous - r.trust(previous, previous - gap, p)
    assert 0 < up < down < gap


@given(POINTS, POINTS, P)
def test_trust_never_passes_satisfaction(previous, satisfaction, p):
    new = r.trust(previous, satisfaction, p)
    assert min(previous, satisfaction) - TINY <= new <= max(previous, satisfaction) + TINY


@given(POINTS, st.floats(0, 120), st.floats(0, 50), st.floats(0.5, 2), P)
def test_value_rises_with_satisfaction_and_fairness_and_falls_with_price(s, fair, more, price, p):
    p = p._replace(value_price=price)
    value = r.perceived_value(s, fair, p)
    assert r.perceived_value(min(s + more, 100), fair, p) >= value
    assert r.perceived_value(s, min(fair + more, 120), p) >= value
    assert r.perceived_value(s, fair, p._replace(value_price=price * 1.1)) < value
    # At the list price, value lies between satisfaction and fairness.
    plain = r.perceived_value(s, fair, p._replace(value_price=1.0, value_fairness_shift=0.0))
    assert min(s, fair) - TINY <= plain <= max(s, fair) + TINY


@given(POINTS, GAPS, POINTS, st.floats(0, 50), P)
def test_cognitive_loyalty_rises_with_value_and_falls_with_the_alternative(previous, value, other, more, p):
    new = r.cognitive_loyalty(previous, value, other, p)
    assert 0 <= new <= 100
    assert r.cognitive_loyalty(previous, value + more, other, p) >= new
    assert r.cognitive_loyalty(previous, value, other + more, p) <= new


@given(POINTS, POINTS, POINTS, POINTS, POINTS, st.floats(0, 50), P)
def test_affective_loyalty_stands_on_the_layer_below(previous, s, trust, care, cognitive, more, p):
    new = r.affective_loyalty(previous, s, trust, care, cognitive, p)
    assert 0 <= new <= 100
    for better in (
        r.affective_loyalty(previous, min(s + more, 100), trust, care, cognitive, p),
        r.affective_loyalty(previous, s, min(trust + more, 100), care, cognitive, p),
        r.affective_loyalty(previous, s, trust, care + more, cognitive, p),
        r.affective_loyalty(previous, s, trust, care, min(cognitive + more, 100), p),
    ):
        assert better >= new - TINY
    # Without any cognitive loyalty liking only fades.
    assert r.affective_loyalty(previous, 100.0, 100.0, 100.0, 0.0, p) <= previous


@given(POINTS, POINTS, POINTS, st.floats(0, 50), P)
def test_conative_loyalty_rises_with_liking_and_with_what_switching_costs(previous, affective, cost, more, p):
    new = r.conative_loyalty(previous, affective, cost, p)
    assert 0 <= new <= 100
    assert r.conative_loyalty(previous, min(affective + more, 100), cost, p) >= new
    assert r.conative_loyalty(previous, affective, min(cost + more, 100), p) >= new


@given(POINTS, TRUTH, POINTS, TRUTH, P)
def test_action_loyalty_is_bounded_and_moves_most_where_an_obstacle_was_overcome(
    previous, acted, conative, obstacle, p
):
    new = r.action_loyalty(previous, acted, conative, obstacle, p)
    assert 0 <= new <= 100
    plain, proven = (r.action_loyalty(previous, acted, conative, o, p) - previous for o in (0.0, 1.0))
    assert abs(proven) >= abs(plain)
    assert proven * plain >= 0
    assert r.action_loyalty(previous, 0.0, conative, obstacle, p) <= previous


@given(POINTS, POINTS, POINTS, POINTS, P)
def test_a_layer_needs_all_below_it(cognitive, affective, conative, action, p):
    reached = [x >= p.loyalty_threshold for x in (cognitive, affective, conative, action)]
    layer = r.loyalty_layer(cognitive, affective, conative, action, p)
    assert layer == (reached.index(False) if False in reached else 4)


# -- buying and paying -----------------------------------------------------------------------------------


@given(st.floats(0, 20), POINTS, st.floats(0, 50), st.floats(0.2, 3), P)
def test_the_purchase_rate_rises_with_satisfaction_and_demand(rate, s, more, demand, p):
    p = p._replace(demand=demand)
    expected = r.purchase_rate(rate, s, p)
    assert expected >= 0
    assert r.purchase_rate(rate, min(s + more, 100), p) >= expected
    assert r.purchase_rate(rate, 70.0, p) == pytest.approx(rate * demand)
    boosted = p._replace(purchase_light_boost=0.2, purchase_heavy_boost=0.1)
    factor = 1.1 if rate > p.purchase_rate_mean else 1.2
    assert r.purchase_rate(rate, s, boosted) == pytest.approx(factor * expected)


@given(st.floats(0, 1000), st.floats(0, 100), P)
def test_margin_without_extras_is_the_share_of_revenue(spent, tenure, p):
    p = p._replace(value_price=1.0, purchase_cost_to_serve=0.0, purchase_contact_cost=0.0)
    assert r.margin(spent, tenure, 0.0, 0.0, p) == pytest.approx(p.purchase_margin * spent)
    # A price cut of 5 % leaves the costs as they were: the margin falls by all of it.
    cut = r.margin(0.95 * spent, tenure, 0.0, 0.0, p._replace(value_price=0.95))
    assert cut == pytest.approx((p.purchase_margin - 0.05) * spent)
    costly = p._replace(purchase_cost_to_serve=2.0, purchase_contact_cost=3.0)
    assert r.margin(spent, tenure, 0.0, 1.0, costly) == pytest.approx(p.purchase_margin * spent - 5)


@given(st.floats(1, 1000), P)
def test_a_referred_customer_brings_more_at_first(spent, p):
    extra = [r.margin(spent, t, 1.0, 0.0, p) - r.margin(spent, t, 0.0, 0.0, p) for t in range(0, 40, 4)]
    assert extra[0] == pytest.approx(
        p.acquisition_referred_margin * (r.margin(spent, 0.0, 0.0, 0.0, p) + p.purchase_cost_to_serve)
    )
    assert all(late <= early + 1e-6 for early, late in itertools.pairwise(extra))
    assert extra[-1] == pytest.approx(0, abs=1e-9)


@given(st.floats(0, 1, exclude_max=True), st.floats(0, 30), P)
def test_payment_fails_by_channel_and_by_the_persons_risk(draw, payer, p):
    chance = r.payment_failure(draw, payer, p)
    assert 0 <= chance <= 1
    if draw < p.payment_manual_share:
        by_channel = p.payment_manual_failure
    elif draw < p.payment_manual_share + p.payment_card_share:
        by_channel = p.payment_card_failure
    else:
        by_channel = p.payment_debit_failure
    assert chance == min(1.0, by_channel * payer)
    assert r.payment_failure(draw, 0.0, p) == 0


# -- leaving ---------------------------------------------------------------------------------------------


@given(st.floats(0, 50), P)
def test_the_natural_hazard_is_in_proportion_to_mobility(mobility, p):
    assert r.natural_hazard(mobility, p) == p.churn_natural * mobility


HAZARD = (GAPS, POINTS, POINTS, POINTS, POINTS, FRAILTY)


@given(*HAZARD, st.floats(0, 50), P)
def test_the_competitive_hazard_falls_with_what_binds_and_rises_with_the_alternative(
    value, alternative, s, switching, affective, frailty, more, p
):
    def hazard(**changed):
        given_values = dict(
            value=value, alternative=alternative, satisfaction=s, switching=switching,
            affective=affective, frailty=frailty,
        )  # fmt: skip
        return r.competitive_hazard(**(given_values | changed), p=p)

    base = hazard()
    assert base >= 0
    limit = math.exp(p.churn_exponent_limit)
    choice = p.market_openness * p.market_awareness * p.market_attention
    scale = p.churn_competitive * choice * frailty
    assert scale / limit - TINY <= base <= scale * limit + TINY
    assert hazard(value=value + more) <= base
    assert hazard(satisfaction=min(s + more, 100)) <= base
    assert hazard(switching=min(switching + more, 100)) <= base
    assert hazard(affective=min(affective + more, 100)) <= base
    assert hazard(alternative=alternative + more) >= base
    assert hazard(frailty=frailty + more) >= base
    assert hazard(frailty=0.0) == 0


@given(*HAZARD, P)
def test_a_monopoly_has_no_competitive_hazard_and_no_exit_at_a_fault(
    value, alternative, s, switching, affective, frailty, p
):
    for shut in (p._replace(market_openness=0.0), p._replace(market_awareness=0.0)):
        assert r.competitive_hazard(value, alternative, s, switching, affective, frailty, shut) == 0
        assert r.fault_exit(100.0, 1.0, shut) == 0


def test_a_failure_makes_everybody_look_who_knows():
    p = WORLDS["retail"]
    some = p._replace(market_awareness=0.5, market_attention=0.3)
    at_rest = [r.competitive_hazard(60.0, 66.0, 70.0, 30.0, 50.0, 1.0, q) for q in (some, p)]
    assert at_rest[0] / at_rest[1] == pytest.approx(0.15)
    assert r.fault_exit(100.0, 0.5, some) / r.fault_exit(100.0, 0.5, p) == pytest.approx(0.5)


def test_at_equal_value_and_mean_ties_the_hazard_is_the_base_rate():
    p = WORLDS["subscription"]
    assert r.competitive_hazard(
        66.0, 66.0, 80.0, p.market_switching_cost_mean, 50.0, 1.0, p
    ) == pytest.approx(p.churn_competitive)
    better = r.competitive_hazard(76.0, 66.0, 80.0, p.market_switching_cost_mean, 50.0, 1.0, p)
    assert better == pytest.approx(p.churn_competitive * math.exp(-p.churn_value_effect))


@given(st.floats(0, 8), st.floats(0, 2), st.floats(-2, 2), TRUTH, st.floats(0.5, 2), P)
def test_neighbours_raise_the_hazard_and_offers_act_by_the_persons_response(
    neighbours, offer, response, referred, second, p
):
    p = p._replace(word_of_mouth_contagion=0.8)
    factor = r.hazard_modifiers(neighbours, offer, response, referred, second, p)
    assert factor > 0
    assert r.hazard_modifiers(neighbours + 1, offer, response, referred, second, p) > factor
    without = r.hazard_modifiers(neighbours, 0.0, response, referred, second, p)
    assert (factor - without) * offer * response <= TINY  # a negative response is driven away
    assert r.hazard_modifiers(0.0, 0.0, response, 0.0, 1.0, p) == 1
    assert r.hazard_modifiers(0.0, 0.0, response, 1.0, 1.0, p) == p.acquisition_referred_hazard < 1


@given(st.floats(0, 150), st.floats(0, 1), P)
def test_fault_exit_needs_a_failure_and_is_larger_at_a_major_one(severity, stay, p):
    assert r.fault_exit(0.0, stay, p) == 0
    chance = r.fault_exit(severity, stay, p)
    assert 0 <= chance <= 0.95
    major, minor = r.fault_exit(p.churn_major_severity, stay, p), r.fault_exit(1.0, stay, p)
    assert major >= minor
    assert r.fault_exit(severity, 0.5 * stay, p) <= chance


@given(POINTS, st.floats(0, 2000), P)
def test_anger_needs_low_satisfaction_and_a_fault_not_forgotten(s, months, p):
    hazard = r.retaliatory_hazard(s, months, p)
    angry = s < p.churn_retaliatory_satisfaction and months <= p.churn_fault_memory
    assert hazard == (p.churn_retaliatory if angry else 0)


@given(st.sampled_from([c.value for c in ChurnCause]), st.floats(0, 60), st.floats(-20, 20), P)
def test_only_a_loss_to_a_rival_is_attributed_to_faults(cause, fault_points, shift, p):
    p = p._replace(market_alternative_shift=shift)
    root = r.attributed_cause(float(cause), fault_points, p)
    if cause == ChurnCause.COMPETITIVE and fault_points >= max(1, shift):
        assert root == ChurnCause.FAULT
    else:
        assert root == cause


@given(st.floats(2**-24, 1 - 2**-24), st.floats(0, 5))
def test_an_event_happens_within_the_month_with_the_chance_of_its_hazard(u, hazard):
    chance = -math.expm1(-hazard)
    assume(abs(u - chance) > 1e-9)
    assert (numeric.exit_time(u, hazard) < 1) == (u < chance)
    assert numeric.exit_time(u, hazard) > 0


# -- telling and growing ---------------------------------------------------------------------------------


@given(POINTS, st.floats(0, 30), P)
def test_praise_begins_at_70_and_warning_below_60(s, more, p):
    assert r.praise(s, p) >= 0
    assert r.warning(s, p) >= 0
    assert r.praise(s, p) * r.warning(s, p) == 0
    assert r.praise(min(s + more, 100), p) >= r.praise(s, p)
    assert r.warning(min(s + more, 100), p) <= r.warning(s, p)
    assert r.praise(100.0, p) == pytest.approx(p.word_of_mouth_positive, rel=1e-6)
    assert r.warning(20.0, p) == pytest.approx(p.word_of_mouth_negative, rel=1e-6)


@given(st.floats(0, 5), st.floats(0, 5), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), P)
def test_referral_rises_with_praise_and_falls_with_warning(praise, warning, more, imitation, influence, p):
    p = p._replace(imitation=imitation, word_of_mouth_influence=influence)
    chance = r.referral_probability(praise, warning, p)
    assert 0 <= chance <= 1
    assert r.referral_probability(praise + more, warning, p) >= chance
    assert r.referral_probability(praise, warning + more, p) <= chance
    plain = p._replace(word_of_mouth_influence=0.0)
    assert r.referral_probability(praise, warning, plain) == imitation  # Bass
    whole = p._replace(word_of_mouth_influence=1.0)
    usual = r.praise(79.0, p)
    assert r.referral_probability(usual, 0.0, whole) == pytest.approx(imitation, rel=1e-6)
    assert r.referral_probability(0.5, 0.5, whole) == 0


@given(
    st.integers(0, 200), st.integers(0, 120), st.floats(0, 500), POINTS, POINTS, POINTS,
    st.integers(0, 5), st.integers(1, 30), P,
)  # fmt: skip
def test_the_ladder_is_climbed_with_time_purchases_and_liking(
    purchases, tenure, earned, switching, affective, conative, referrals, more, p
):
    p = p._replace(premium_margin=100.0)
    stage = r.relationship_stage(
        float(purchases), float(tenure), earned, switching, affective, conative, float(referrals), p
    )
    assert stage in {float(s.value) for s in RelationshipStage}
    later = r.relationship_stage(
        float(purchases + more), float(tenure + more), earned, switching, affective, conative,
        float(referrals + more), p,
    )  # fmt: skip
    assert later >= stage


def test_each_stage_of_the_ladder():
    p = DEFAULT._replace(premium_margin=100.0)
    plain = dict(switching=10.0, affective=50.0, conative=50.0, referrals=0.0, p=p)
    stage = {
        "new": r.relationship_stage(1.0, 1.0, 0.0, **plain),
        "repeat": r.relationship_stage(2.0, 3.0, 0.0, **plain),
        "long_term": r.relationship_stage(5.0, 24.0, 0.0, **plain),
        "premium": r.relationship_stage(5.0, 24.0, 100.0, **plain),
        "lifetime": r.relationship_stage(5.0, 60.0, 0.0, **(plain | {"conative": 60.0})),
        "advocate": r.relationship_stage(
            5.0, 10.0, 0.0, **(plain | {"affective": 70.0, "conative": 70.0, "referrals": 1.0})
        ),
    }
    assert {name: RelationshipStage(int(s)).key for name, s in stage.items()} == {s: s for s in stage}


@given(st.floats(0.01, 0.9), POINTS, st.integers(0, 5), st.integers(0, 8), P)
def test_returning_follows_the_cause_and_the_first_life(base, s, referrals, complaints, p):
    def chance(cause, **changed):
        life = dict(satisfaction=s, referrals=float(referrals), complaints=float(complaints)) | changed
        return r.win_back_probability(base, float(cause), **life, p=p)

    by_cause = {cause: chance(cause) for cause in ChurnCause}
    assert all(0 < c < 1 for c in by_cause.values())
    assert by_cause[ChurnCause.COMPETITIVE] == by_cause[ChurnCause.PAYMENT_LAPSE]
    assert (
        by_cause[ChurnCause.COMPETITIVE]
        > by_cause[ChurnCause.FAULT]
        > by_cause[ChurnCause.RETALIATORY]
        > by_cause[ChurnCause.NATURAL]
    )
    assert chance(2, satisfaction=min(s + 10, 100)) >= chance(2)
    assert chance(2, referrals=float(referrals + 1)) >= chance(2)
    assert chance(2, complaints=float(complaints + 1)) <= chance(2)
    assert r.win_back_probability(base, 2.0, 60.0, 0.0, 0.0, p) == pytest.approx(base)


def test_the_codes_in_the_rules_are_those_of_the_vocabulary():
    assert [c.key for c in sorted(ChurnCause)] == [
        "natural", "competitive", "fault", "payment_lapse", "retaliatory",
    ]  # fmt: skip
    assert [c.value for c in sorted(ChurnCause)] == [1, 2, 3, 4, 5]
