"""The subscription model once more as NumPy columns: what the compiled month is measured against.

Written as one would write it with care: float32 columns, the departed dropped every half year.
Numbers come from one generator, or with `keyed=True` from the same Philox function of customer and
month as crmsim's own; rare decisions are drawn and worked out only for those concerned, as there.
Contracts only, no arrivals, no contagion, no policies.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import ndtri

from crmsim.simulation.compile import parameters_of, touchpoint_values
from crmsim.simulation.draws import HALF, LOW, philox
from crmsim.simulation.scenario import Scenario


def keyed_draws(who: np.ndarray, month: int, number: int, seed: int, first: int = 0) -> np.ndarray:
    """`number` rows of uniforms, four from each Philox block from block `first` on."""
    rows = []
    for group in range(first, first - (-number // 4)):
        words = philox(
            who & LOW, who >> HALF, np.uint64(month), np.uint64(group), np.uint64(seed), np.uint64(0)
        )
        rows += [
            ((w >> np.uint64(9)).astype(np.float32) + np.float32(0.5)) * np.float32(2.0**-23) for w in words
        ]
    return np.stack(rows[:number])


def simulate(scenario: Scenario, seed: int, keyed: bool = False) -> np.ndarray:
    """Customers left at the end of each month."""
    p = parameters_of(scenario)
    touchpoints = touchpoint_values(scenario).astype(np.float32)
    n, months = scenario.population.size, scenario.population.months
    rng = np.random.default_rng(seed)

    def normal(mean: float, sd: float) -> np.ndarray:
        return (mean + sd * rng.standard_normal(n)).astype(np.float32)

    def gamma(shape: float) -> np.ndarray:
        return (rng.gamma(shape, size=n) / shape).astype(np.float32)

    quality = float((touchpoints[:, 5] * touchpoints[:, 0]).sum())
    loss = touchpoints[:, 1] * touchpoints[:, 2] * touchpoints[:, 3] / p.satisfaction_perception_rate
    fit = normal(0, p.population_fit_sd)
    fairness = np.clip(normal(p.population_fairness_mean, p.population_fairness_sd), 0, 120)
    anchor = np.clip(normal(quality + p.satisfaction_anchor_offset, p.satisfaction_anchor_sd), 0, 100)
    rival = normal(p.market_alternative_mean, p.market_alternative_sd)
    switching = np.clip(normal(p.market_switching_cost_mean, p.market_switching_cost_sd), 0, 100)
    frailty, mobility, payer = (
        gamma(p.churn_frailty_shape),
        gamma(p.churn_mobility_shape),
        gamma(p.payment_payer_shape),
    )
    usage = np.exp(normal(-0.5 * p.purchase_usage_sd**2, p.purchase_usage_sd))
    propensity = normal(0, p.population_complaint_sd)
    channel = rng.random(n, dtype=np.float32)
    manual, card = p.payment_manual_share, p.payment_manual_share + p.payment_card_share
    failing = np.where(
        channel < manual,
        p.payment_manual_failure,
        np.where(channel < card, p.payment_card_failure, p.payment_debit_failure),
    )
    failing = np.minimum(failing * payer, 1).astype(np.float32)
    first = np.clip(quality + fit - float((touchpoints[:, 5] * loss).sum()), 0, 100)
    expectation = np.clip(0.6 * anchor + 0.4 * first + p.satisfaction_promise, 0, 100)
    satisfied = first.copy()
    trust = first.copy()
    value = p.value_satisfaction_weight * first + (1 - p.value_satisfaction_weight) * fairness
    cognitive = np.clip(50 + 1.5 * (value - rival + 8), 0, 100)
    affective = 0.8 * np.clip(2 * first - 70, 0, 100) * np.minimum(1, cognitive / 60)
    conative = affective * (0.6 + 0.004 * switching)
    action = np.full(n, 30, np.float32)
    care = np.zeros(n, np.float32)
    last_failure = np.full(n, -999, np.float32)
    unresolved = np.full(n, -999, np.float32)
    faults, earned, paid, referrals = (np.zeros(n, np.float32) for _ in range(4))
    seen = [np.clip(t[0] + fit - lo, 0, 100) for t, lo in zip(touchpoints, loss, strict=True)]
    active = np.ones(n, np.float32)
    customers = np.zeros(months)
    who = np.arange(n, dtype=np.uint64)

    for month in range(months):
        n = active.size

        def draw(number: int, first: int, few: Any, who: np.ndarray = who, month: int = month) -> np.ndarray:
            """Uniforms for those at the places `few`."""
            if keyed:
                return keyed_draws(who[few], month, number, seed, first)
            return rng.random((number, who[few].size), dtype=np.float32)

        draws = draw(6, 0, ...)
        meetings = draw(len(touchpoints), 16, ...)
        met = np.zeros(n, np.float32)
        failed = np.zeros(n, np.float32)
        severity = np.zeros(n, np.float32)
        gap = np.zeros(n, np.float32)
        lost_points = np.zeros(n, np.float32)
        drops = []
        for d, t in enumerate(touchpoints):
            u = meetings[d]
            met = np.maximum(met, active * (u < t[1]))
            bad = active * (u < t[1] * t[2])
            failed += bad
            hit = np.flatnonzero(bad)
            drop = np.zeros(n, np.float32)
            drop[hit] = np.maximum(t[3] + t[4] * ndtri(draw(1, 20 + d, hit)[0]), 1)
            drops.append(drop)
            seen[d] = np.clip(
                seen[d] + p.satisfaction_perception_rate * (t[0] + fit - seen[d]) - drop, 0, 100
            )
            away = seen[d] - expectation
            gap += t[5] * away * np.where(away > 0, t[6], t[7])
            severity = np.maximum(severity, drop)
            lost_points += t[5] * t[7] * drop
        perceived = np.clip(expectation + gap + p.satisfaction_encounter_sd * ndtri(draws[0]), 0, 100)
        away = perceived - expectation
        episode = np.clip(
            perceived + away * np.where(away > 0, p.satisfaction_gain, p.satisfaction_loss), 0, 100
        )
        satisfied = satisfied + p.satisfaction_adjustment * met * (episode - satisfied)
        learned = (
            expectation
            + p.satisfaction_expectation_rate * away
            + p.satisfaction_anchor_rate * (anchor - expectation)
        )
        expectation = np.where(met > 0, np.clip(learned, 0, 100), expectation)
        lost = p.satisfaction_adjustment * (1 + p.satisfaction_loss) * lost_points * met
        hit = np.flatnonzero(failed)
        luck = draw(3, 3, hit)
        voice = p.complaint_intercept + propensity[hit] - p.complaint_effort
        voice = voice + p.complaint_severity_effect * severity[hit]
        voice = voice + p.complaint_trust_effect * (trust[hit] - 60)
        complained, resolved, fast = np.zeros((3, n), bool)
        complained[hit] = luck[0] < 1 / (1 + np.exp(-voice))
        resolved[hit] = complained[hit] & (luck[1] < p.complaint_resolved)
        fast[hit] = resolved[hit] & (luck[2] < p.complaint_fast)
        again = month - last_failure <= p.churn_fault_memory
        answered = np.where(
            again,
            p.complaint_recovery_repeat,
            np.where(fast, p.complaint_recovery_fast, p.complaint_recovery_resolved),
        )
        share = np.where(resolved, answered, -p.complaint_loss_unresolved) * complained
        stay = np.where(
            complained,
            np.where(
                resolved,
                np.where(fast, p.complaint_stay_fast, p.complaint_stay_resolved),
                p.complaint_stay_unresolved,
            ),
            1,
        )
        satisfied = np.clip(satisfied + share * lost, 0, 100)
        faults = faults * (1 - 1 / p.churn_fault_memory) + lost * (1 - share)
        last_failure = np.where(failed > 0, month, last_failure)
        unresolved = np.where(failed > 0, np.where(resolved, -999, month), unresolved)
        for d, drop in enumerate(drops):
            seen[d] = np.clip(seen[d] + np.minimum(share, 1) * drop, 0, 100)
        trust = trust + np.where(satisfied > trust, p.trust_gain, p.trust_loss) * (satisfied - trust)
        care = care * p.trust_care_retention
        value = p.value_satisfaction_weight * satisfied + (1 - p.value_satisfaction_weight) * fairness
        cognitive = cognitive + p.loyalty_cognitive_rate * (
            np.clip(50 + 1.5 * (value - rival + 8), 0, 100) - cognitive
        )
        feeling = np.clip(0.5 * satisfied + 0.5 * trust + satisfied - 70 + 0.1 * care, 0, 100)
        affective = affective + p.loyalty_affective_rate * (
            feeling * np.minimum(1, cognitive / 60) - affective
        )
        conative = conative + p.loyalty_conative_rate * (affective * (0.6 + 0.004 * switching) - conative)
        unpaid = active * (draws[4] < failing)
        cured, cut = np.zeros(n, np.float32), np.full(n, 2, np.float32)
        open_bills = np.flatnonzero(unpaid)
        luck = draw(2, 4, open_bills)
        cured[open_bills] = luck[0] < p.payment_cure
        cut[open_bills] = np.where(
            (luck[0] >= p.payment_cure) & (luck[1] < p.payment_cutoff), luck[1] / p.payment_cutoff, 2
        )
        bought = active - unpaid + cured
        earned += bought * p.purchase_fee * usage * p.purchase_margin
        paid += bought
        told = p.word_of_mouth_positive * np.maximum(0, satisfied - 70) / 30
        warned = p.word_of_mouth_negative * np.maximum(0, 60 - satisfied) / 40
        referrals += active * (draws[3] < 0.001 * np.maximum(told - warned, 0))
        obstacle = (draws[5] < p.loyalty_rival_offer_rate * p.market_openness) | (failed > 0)
        pace = np.where(obstacle, p.loyalty_action_obstacle_rate, p.loyalty_action_rate)
        action = action + pace * ((bought > 0) * (40 + 0.6 * conative) - action)
        layer = cognitive >= p.loyalty_threshold
        layers = [layer]
        for level in (affective, conative, action):
            layer = layer & (level >= p.loyalty_threshold)
            layers.append(layer)
        tenure = month + 1
        stage = np.where(paid >= 2, 2, 1)
        stage = np.where(tenure >= p.loyalty_long_term_months, 3, stage)
        stage = np.where((stage >= 2) & (earned / tenure >= 12), 4, stage)
        stage = np.where(
            (tenure >= p.loyalty_lifetime_months) & ((switching >= 60) | (conative >= 60)), 5, stage
        )
        stage = np.where((np.minimum(affective, conative) >= 70) & (referrals >= 1), 6, stage)
        pull = -0.1 * p.churn_value_effect * (value - rival) - 0.1 * p.churn_delight_effect * np.maximum(
            satisfied - 85, 0
        )
        pull = pull - 0.1 * p.churn_switching_effect * (switching - p.market_switching_cost_mean)
        pull = np.clip(
            pull - 0.04 * p.churn_affective_effect * (affective - 50),
            -p.churn_exponent_limit,
            p.churn_exponent_limit,
        )
        competitive = p.churn_competitive * p.market_openness * frailty * np.exp(pull)
        fault = np.minimum(
            0.95,
            np.where(severity >= p.churn_major_severity, p.churn_fault_major, p.churn_fault_minor)
            * stay
            * p.market_openness,
        )
        fault = fault * (severity > 0)
        angry = (
            p.churn_retaliatory
            * (satisfied < p.churn_retaliatory_satisfaction)
            * (month - unresolved <= p.churn_fault_memory)
        )
        natural = p.churn_natural * mobility
        # -log(1 - u) / h is never below u / h: only these may leave.
        at_risk = (draws[1] < natural) | (draws[2] < competitive) | (fault > 0) | (angry > 0) | (cut < 1)
        few = np.flatnonzero(at_risk & (active > 0))
        luck = [draws[1][few], draws[2][few], *draw(2, 7, few)]
        pulls = (natural[few], competitive[few], -np.log1p(-fault[few]), angry[few])
        times = [-np.log1p(-u) / np.maximum(h, 1e-30) for u, h in zip(luck, pulls, strict=True)]
        times.append(cut[few])
        cause = np.zeros(n, int)
        cause[few] = np.argmin(times, axis=0)
        gone = np.zeros(n, bool)
        gone[few] = np.min(times, axis=0) < 1
        _ = (
            np.bincount(cause[gone], minlength=5),
            [np.count_nonzero(x) for x in layers],
            np.bincount(stage, minlength=7),
        )
        active = active * ~gone
        customers[month] = active.sum()
        if month % 6 == 5:
            kept = np.flatnonzero(active)
            fit, fairness, anchor, rival, switching, frailty, mobility, usage = (
                c[kept] for c in (fit, fairness, anchor, rival, switching, frailty, mobility, usage)
            )
            propensity, failing, expectation, satisfied, trust, value = (
                c[kept] for c in (propensity, failing, expectation, satisfied, trust, value)
            )
            cognitive, affective, conative, action, care, last_failure = (
                c[kept] for c in (cognitive, affective, conative, action, care, last_failure)
            )
            unresolved, faults, earned, paid, referrals, active = (
                c[kept] for c in (unresolved, faults, earned, paid, referrals, active)
            )
            seen = [z[kept] for z in seen]
            who = who[kept]
    return customers
