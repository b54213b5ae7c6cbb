"""How one customer changes in one month.

Every rule is a small function of plain numbers. `p` holds the scenario's parameters as
`p.<section>_<field>`; see `Scenario.table()` for their meaning, units and sources. The SimPy
process and the trace call these functions as they stand; the compiled engine turns the same
source into vector code (see `compile.py`), so a rule is written `x if c else y`, with `exp`,
`log`, `logistic`, `normal`, `clip`, `min` and `max` and no other calls.

Points are on 0 to 100; hazards are per month; a truth value is 1.0 or 0.0.
"""

from __future__ import annotations

from typing import Any

from .numeric import clip, exp, log, logistic

Parameters = Any

# -- experience ------------------------------------------------------------------------------


def perception(previous: float, quality: float, drop: float, p: Parameters) -> float:
    """Perception of a touchpoint, points: follows its quality, falls by `drop` at a failure."""
    return clip(previous + p.satisfaction_perception_rate * (quality - previous) - drop, 0.0, 100.0)


def kano(gap: float, gain: float, loss: float) -> float:
    """Weight gains and losses by the touchpoint's kind (Kano et al. 1984), points."""
    return gap * (gain if gap > 0.0 else loss)


def perceived_quality(expectation: float, gap: float, surprise: float, p: Parameters) -> float:
    """Perceived quality of the month, points: expectation, weighted gap, noise and delight."""
    return clip(expectation + gap + surprise, 0.0, 100.0)


def episode_satisfaction(quality: float, expectation: float, p: Parameters) -> float:
    """Satisfaction with this month, points (Oliver 1980; Anderson & Sullivan 1993).

    Quality counts in itself; missing an expectation counts more than exceeding it.
    """
    gap = quality - expectation
    return clip(quality + gap * (p.satisfaction_gain if gap > 0.0 else p.satisfaction_loss), 0.0, 100.0)


def satisfaction(previous: float, episode: float, met: float, p: Parameters) -> float:
    """Cumulative satisfaction, points: anchored and adjusted (Bolton 1998)."""
    return previous + p.satisfaction_adjustment * met * (episode - previous)


def expectation(previous: float, quality: float, anchor: float, p: Parameters) -> float:
    """Expectation, points: learns from quality, pulled to the person's anchor (Johnson et al. 1995)."""
    learned = previous + p.satisfaction_expectation_rate * (quality - previous)
    return clip(learned + p.satisfaction_anchor_rate * (anchor - previous), 0.0, 100.0)


def contact_experience(waited: float, gave_up: float, solved: float, courtesy: float, p: Parameters) -> float:
    """Drop in the perception of service after contacting the firm, points: waiting (minutes) beyond
    what nobody minds, giving up, no solution; less what kindness makes up for."""
    waiting = p.service_wait_points * max(waited - p.service_wait_free, 0.0)
    failure = p.service_abandon_points if gave_up > 0.0 else p.service_unresolved_points * (1.0 - solved)
    return waiting + failure - courtesy


# -- complaint and recovery --------------------------------------------------------------------


def satisfaction_lost(points: float, met: float, p: Parameters) -> float:
    """Satisfaction this month's failures cost at once, from the quality points they took."""
    return p.satisfaction_adjustment * (1.0 + p.satisfaction_loss) * points * met


def complaint_probability(severity: float, trust: float, propensity: float, p: Parameters) -> float:
    """Chance that a problem is voiced to the firm (Hirschman 1970; Fornell & Wernerfelt 1987)."""
    return logistic(
        p.complaint_intercept
        + propensity
        - p.complaint_effort
        + p.complaint_severity_effect * severity
        + p.complaint_trust_effect * (trust - 60.0)
    )


def recovery(complained: float, resolved: float, fast: float, repeated: float, p: Parameters) -> float:
    """Share of the loss regained; negative when an answer disappoints again.

    A fast answer may regain more than was lost (the paradox), only at a first failure
    (Maxham & Netemeyer 2002; de Matos et al. 2007; Knox & van Oest 2014).
    """
    first = p.complaint_recovery_fast if fast > 0.0 else p.complaint_recovery_resolved
    answered = p.complaint_recovery_repeat if repeated > 0.0 else first
    return (answered if resolved > 0.0 else -p.complaint_loss_unresolved) * complained


def stay_factor(complained: float, resolved: float, fast: float, p: Parameters) -> float:
    """Factor on leaving at a fault: silent, unresolved, resolved, fast (order: TARP)."""
    answered = p.complaint_stay_fast if fast > 0.0 else p.complaint_stay_resolved
    voiced = answered if resolved > 0.0 else p.complaint_stay_unresolved
    return voiced if complained > 0.0 else 1.0


# -- attitudes ---------------------------------------------------------------------------------


def trust(previous: float, satisfaction: float, p: Parameters) -> float:
    """Trust, points: slow up, fast down."""
    rate = p.trust_gain if satisfaction > previous else p.trust_loss
    return previous + rate * (satisfaction - previous)


def perceived_value(satisfaction: float, fairness: float, p: Parameters) -> float:
    """Perceived value, points: satisfaction and price fairness, and the price paid."""
    fair = clip(fairness + p.value_fairness_shift, 0.0, 120.0)
    return (
        p.value_satisfaction_weight * satisfaction
        + (1.0 - p.value_satisfaction_weight) * fair
        + p.value_price_effect * (1.0 - p.value_price)
    )


def cognitive_loyalty(previous: float, value: float, alternative: float, p: Parameters) -> float:
    """Layer 1, points: the offer is judged better than the alternative (Oliver 1999)."""
    target = clip(50.0 + 1.5 * (value - alternative + 8.0), 0.0, 100.0)
    return previous + p.loyalty_cognitive_rate * (target - previous)


def affective_loyalty(
    previous: float, satisfaction: float, trust: float, care: float, cognitive: float, p: Parameters
) -> float:
    """Layer 2, points: liking that grew from satisfaction, trust and care, on layer 1."""
    feeling = clip(0.5 * satisfaction + 0.5 * trust + satisfaction - 70.0 + 0.1 * care, 0.0, 100.0)
    target = feeling * min(1.0, cognitive * 0.016666668)
    return previous + p.loyalty_affective_rate * (target - previous)


def conative_loyalty(previous: float, affective: float, switching: float, p: Parameters) -> float:
    """Layer 3, points: the intention to stay, held up by what switching costs."""
    return previous + p.loyalty_conative_rate * (affective * (0.6 + 0.004 * switching) - previous)


def action_loyalty(previous: float, acted: float, conative: float, obstacle: float, p: Parameters) -> float:
    """Layer 4, points: own repeat behaviour, proven most where an obstacle was overcome."""
    rate = p.loyalty_action_obstacle_rate if obstacle > 0.0 else p.loyalty_action_rate
    return previous + rate * (acted * (40.0 + 0.6 * conative) - previous)


def loyalty_layer(cognitive: float, affective: float, conative: float, action: float, p: Parameters) -> float:
    """Highest layer reached, 0 to 4: each layer needs all below it."""
    first = 1.0 if cognitive >= p.loyalty_threshold else 0.0
    second = first if affective >= p.loyalty_threshold else 0.0
    third = second if conative >= p.loyalty_threshold else 0.0
    fourth = third if action >= p.loyalty_threshold else 0.0
    return first + second + third + fourth


# -- buying and paying -------------------------------------------------------------------------


def purchase_rate(rate: float, satisfaction: float, p: Parameters) -> float:
    """Expected purchases this month: own rate, satisfaction, shared demand, the firm's boosts."""
    boost = p.purchase_heavy_boost if rate > p.purchase_rate_mean else p.purchase_light_boost
    lift = exp(p.purchase_satisfaction_effect * (satisfaction - 70.0))
    return rate * lift * p.demand * (1.0 + boost)


def margin(spent: float, tenure: float, referred: float, complained: float, p: Parameters) -> float:
    """Margin of the month, money: a price cut costs margin, a referred customer brings more at first."""
    gross = spent - spent / p.value_price * (1.0 - p.purchase_margin)
    extra = p.acquisition_referred_margin * max(0.0, 1.0 - tenure / p.acquisition_referred_months)
    return gross * (1.0 + referred * extra) - p.purchase_cost_to_serve - p.purchase_contact_cost * complained


def payment_failure(channel_draw: float, payer: float, p: Parameters) -> float:
    """Chance that this month's payment fails: by channel, times the person's own risk."""
    not_manual = (
        p.payment_card_failure
        if channel_draw < p.payment_manual_share + p.payment_card_share
        else p.payment_debit_failure
    )
    by_channel = p.payment_manual_failure if channel_draw < p.payment_manual_share else not_manual
    return min(1.0, by_channel * payer)


# -- leaving -----------------------------------------------------------------------------------


def natural_hazard(mobility: float, p: Parameters) -> float:
    """Hazard of moving away or dying, per month."""
    return p.churn_natural * mobility


def competitive_hazard(
    value: float,
    alternative: float,
    satisfaction: float,
    switching: float,
    affective: float,
    frailty: float,
    p: Parameters,
) -> float:
    """Hazard of leaving for a rival, per month, before offers and neighbours.

    Those who may, know and look have the choice: openness x awareness x attention.
    """
    pull = (
        -0.1 * p.churn_value_effect * (value - alternative)
        - 0.1 * p.churn_delight_effect * max(satisfaction - 85.0, 0.0)
        - 0.1 * p.churn_switching_effect * (switching - p.market_switching_cost_mean)
        - 0.04 * p.churn_affective_effect * (affective - 50.0)
    )
    pull = clip(pull, -p.churn_exponent_limit, p.churn_exponent_limit)
    choice = p.market_openness * p.market_awareness * p.market_attention
    return p.churn_competitive * choice * frailty * exp(pull)


def hazard_modifiers(
    neighbours: float, offer: float, response: float, referred: float, second_life: float, p: Parameters
) -> float:
    """Factor on the competitive hazard: neighbours who left, a running offer, referral, a second life."""
    factor = p.acquisition_referred_hazard if referred > 0.0 else 1.0
    return (1.0 + p.word_of_mouth_contagion * neighbours) * exp(-offer * response) * factor * second_life


def fault_exit(severity: float, stay: float, p: Parameters) -> float:
    """Chance of leaving at once after this month's failure (0 without one).

    It takes a choice one knows of; attention is not needed, since the failure draws it.
    """
    chance = p.churn_fault_major if severity >= p.churn_major_severity else p.churn_fault_minor
    choice = p.market_openness * p.market_awareness
    return min(0.95, chance * stay * choice) * (1.0 if severity > 0.0 else 0.0)


def retaliatory_hazard(satisfaction: float, months_unresolved: float, p: Parameters) -> float:
    """Hazard of withholding payment in anger after an unresolved fault, per month."""
    angry = 1.0 if satisfaction < p.churn_retaliatory_satisfaction else 0.0
    return p.churn_retaliatory * angry * (1.0 if months_unresolved <= p.churn_fault_memory else 0.0)


def attributed_cause(cause: float, fault_points: float, p: Parameters) -> float:
    """Root cause: a loss to a rival counts as fault when failures moved satisfaction most.

    Failures of the last months are compared with what rivals added to the alternative. Codes
    are those of `vocabulary.ChurnCause`.
    """
    moved = 1.0 if fault_points >= max(1.0, p.market_alternative_shift) else 0.0
    return 3.0 if cause == 2.0 and moved > 0.0 else cause


# -- telling and growing -----------------------------------------------------------------------


def praise(satisfaction: float, p: Parameters) -> float:
    """Recommendations told this month."""
    return p.word_of_mouth_positive * max(0.0, satisfaction - 70.0) * 0.033333335


def warning(satisfaction: float, p: Parameters) -> float:
    """Warnings told this month."""
    return p.word_of_mouth_negative * max(0.0, 60.0 - satisfaction) * 0.025


def referral_probability(praise: float, warning: float, p: Parameters) -> float:
    """Chance of bringing a new customer this month (Bass imitation, weighted by what is told).

    One unit of talk is that of a customer with satisfaction 79.
    """
    talk = max(0.0, praise - warning) / max(1e-6, 0.3 * p.word_of_mouth_positive)
    weight = 1.0 - p.word_of_mouth_influence + p.word_of_mouth_influence * talk
    return min(1.0, p.imitation * weight)


def relationship_stage(
    purchases: float,
    tenure: float,
    monthly_margin: float,
    switching: float,
    affective: float,
    conative: float,
    referrals: float,
    p: Parameters,
) -> float:
    """Stage of the relationship, codes of `vocabulary.RelationshipStage` (1 new to 6 advocate)."""
    stage = 2.0 if purchases >= 2.0 else 1.0
    stage = 3.0 if tenure >= p.loyalty_long_term_months else stage
    stage = 4.0 if stage >= 2.0 and monthly_margin >= p.premium_margin else stage
    bound = 1.0 if switching >= 60.0 or conative >= 60.0 else 0.0
    stage = 5.0 if tenure >= p.loyalty_lifetime_months and bound > 0.0 else stage
    liking = min(affective, conative)
    return 6.0 if liking >= 70.0 and referrals >= 1.0 else stage


def win_back_probability(
    base: float, cause: float, satisfaction: float, referrals: float, complaints: float, p: Parameters
) -> float:
    """Chance that a customer who left accepts an offer to return (order: Kumar et al. 2015).

    Those who left for a rival's offer return more than those who left over a fault; those who
    moved away hardly; a good first life and referrals help, complaints hinder.
    """
    start = log(base / (1.0 - base))
    by_cause = -3.0 if cause == 1.0 else (-0.7 if cause == 3.0 else (-1.0 if cause == 5.0 else 0.0))
    life = 0.02 * (satisfaction - 60.0) + 0.3 * min(referrals, 3.0) - 0.2 * min(complaints, 5.0)
    return logistic(start + by_cause + life)
