"""The month of a block of customers, stage by stage.

`b` is the block's state and `w` its scratch, both one run of float32 columns of 1,024 (see
`columns.py`). Each stage applies a rule or two to every lane: plain loops without branches, so
that the compiler turns them into vector code. Stages run in the order of `block_month`. Lanes of
departed customers and padding are computed and not kept.

The source is ordinary Python; `compile.py` compiles it together with the rules.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .columns import BLOCK, LANES, STRIDE, C, W
from .draws import HALF, LOW, philox, unit
from .rules import (
    action_loyalty,
    affective_loyalty,
    attributed_cause,
    cognitive_loyalty,
    competitive_hazard,
    complaint_probability,
    conative_loyalty,
    episode_satisfaction,
    expectation,
    fault_exit,
    hazard_modifiers,
    kano,
    loyalty_layer,
    margin,
    natural_hazard,
    payment_failure,
    perceived_quality,
    perceived_value,
    perception,
    praise,
    purchase_rate,
    recovery,
    referral_probability,
    relationship_stage,
    retaliatory_hazard,
    satisfaction,
    satisfaction_lost,
    stay_factor,
    trust,
    warning,
)
from .single import clip, exit_time, exp, log, normal, poisson

Array = Any

# Columns of a touchpoint's row (compile.TOUCHPOINT_FIELDS). In a world with groups, which are districts and
# segments together, the first four follow for each group: quality, exposure, failure, severity.
FIELDS = 11


def parameters(values: Array) -> Any:
    """The parameter vector as a record; the compiled module has its own (see compile.py)."""
    from .compile import Parameters

    return Parameters(*values)


def faded(x: Any) -> Any:
    """A fading memory, cut to zero before the numbers become slow denormals."""
    return x if max(x, -x) > 1e-9 else 0.0


def missing(x: Any) -> Any:
    """0, but not a number where x is none. A comparison with x would say no; this, added to what was
    decided, lets the month's totals tell."""
    return x - x


def draw(u: Array, ids: Array, number: int, group: Any, values: Array, key: Array) -> None:
    """Four uniforms for each of the first `number` of `ids`, into four columns of `u`: purposes
    4 x group to 4 x group + 3 of this month."""
    p = parameters(values)
    month = np.uint64(p.month)
    k0 = key[0]
    k1 = key[1]
    for i in range(number):
        x0, x1, x2, x3 = philox(ids[i] & LOW, ids[i] >> HALF, month, group, k0, k1)
        u[i] = unit(x0)
        u[STRIDE + i] = unit(x1)
        u[2 * STRIDE + i] = unit(x2)
        u[3 * STRIDE + i] = unit(x3)


def pick(flag: Array, ids: Array, lanes: Array, who: Array) -> int:
    """The lanes whose flag is above 0, and who they are: rare decisions are drawn for them alone."""
    number = 0
    for i in range(BLOCK):
        lanes[number] = i
        who[number] = ids[i]
        number += 1 if flag[i] > 0.0 else 0
    return number


def narrow(flag: Array, some: Array, some_who: Array, number: int, lanes: Array, who: Array) -> int:
    """Of `some` lanes those whose flag is above 0."""
    found = 0
    for k in range(number):
        lanes[found] = some[k]
        who[found] = some_who[k]
        found += 1 if flag[some[k]] > 0.0 else 0
    return found


def start(w: Array) -> None:
    for i in range(BLOCK):
        w[W.met + i] = 0.0
        w[W.failed + i] = 0.0


def meet(b: Array, w: Array, u: Array, drop: Array, t: Array) -> None:
    """Meet one touchpoint `t`, perhaps see it fail: one number decides among not met, met and failed."""
    exposure = t[1]
    failure = t[1] * t[2]
    for i in range(BLOCK):
        met = b[C.active + i] if u[i] < exposure else 0.0
        failed = b[C.active + i] if u[i] < failure else 0.0
        w[W.met + i] = max(w[W.met + i], met)
        w[W.failed + i] = w[W.failed + i] + failed
        drop[i] = failed


def differs(t: Array, field: int) -> bool:
    """Whether one of the first four fields of a touchpoint is another in some groups."""
    groups = (t.shape[0] - FIELDS) // 4
    found = False
    for g in range(groups):
        found = found or t[FIELDS + field * groups + g] != t[field]
    return found


def at_home(b: Array, t: Array, field: int, out: Array) -> None:
    """What each customer's group finds of such a field. A loop of its own: it cannot be vector code."""
    groups = (t.shape[0] - FIELDS) // 4
    own = t[FIELDS + field * groups :]
    for i in range(BLOCK):
        out[i] = own[int(b[C.group + i])]


def meet_at_home(b: Array, w: Array, u: Array, drop: Array, exposure: Array, failure: Array) -> None:
    """`meet` where it depends on the group how often a touchpoint is met and how often it fails."""
    for i in range(BLOCK):
        met = b[C.active + i] if u[i] < exposure[i] else 0.0
        failed = b[C.active + i] if u[i] < exposure[i] * failure[i] else 0.0
        w[W.met + i] = max(w[W.met + i], met)
        w[W.failed + i] = w[W.failed + i] + failed
        drop[i] = failed


def suffer(drop: Array, u: Array, lanes: Array, number: int, t: Array) -> None:
    """How bad the failures at one touchpoint are."""
    severity_mean = t[3]
    severity_sd = t[4]
    for k in range(number):
        u[k] = max(severity_mean + severity_sd * normal(u[k]), 1.0)
    for k in range(number):
        drop[lanes[k]] = u[k]


def suffer_at_home(b: Array, drop: Array, u: Array, lanes: Array, number: int, t: Array) -> None:
    """`suffer` where the severity depends on the group."""
    groups = (t.shape[0] - FIELDS) // 4
    severities = t[FIELDS + 3 * groups :]
    severity_sd = t[4]
    for k in range(number):
        u[k] = severity_sd * normal(u[k])
    for k in range(number):
        drop[lanes[k]] = max(severities[int(b[C.group + lanes[k]])] + u[k], 1.0)


def begin(b: Array, w: Array) -> None:
    for i in range(BLOCK):
        w[W.was_active + i] = b[C.active + i]
        w[W.severity + i] = 0.0
        w[W.gap + i] = 0.0
        w[W.lost_points + i] = 0.0


def perceive(b: Array, w: Array, z: Array, drop: Array, t: Array, values: Array) -> None:
    """Perceive one touchpoint `t`."""
    p = parameters(values)
    weight = t[5]
    gain = t[6]
    loss = t[7]
    for i in range(BLOCK):
        seen = perception(z[i], t[0] + b[C.fit + i], drop[i], p)
        z[i] = seen if w[W.was_active + i] > 0.0 else z[i]
        w[W.severity + i] = max(w[W.severity + i], drop[i])
        w[W.gap + i] = w[W.gap + i] + weight * kano(z[i] - b[C.expectation + i], gain, loss)
        w[W.lost_points + i] = w[W.lost_points + i] + weight * loss * drop[i]


def perceive_at_home(
    b: Array, w: Array, z: Array, drop: Array, t: Array, quality: Array, values: Array
) -> None:
    """`perceive` where the quality depends on the group."""
    p = parameters(values)
    weight = t[5]
    gain = t[6]
    loss = t[7]
    for i in range(BLOCK):
        seen = perception(z[i], quality[i] + b[C.fit + i], drop[i], p)
        z[i] = seen if w[W.was_active + i] > 0.0 else z[i]
        w[W.severity + i] = max(w[W.severity + i], drop[i])
        w[W.gap + i] = w[W.gap + i] + weight * kano(z[i] - b[C.expectation + i], gain, loss)
        w[W.lost_points + i] = w[W.lost_points + i] + weight * loss * drop[i]


def satisfy(b: Array, w: Array, values: Array) -> None:
    """Perceive the month, be satisfied or not, and learn what to expect."""
    p = parameters(values)
    for i in range(BLOCK):
        w[W.quality + i] = p.satisfaction_encounter_sd * normal(w[W.luck + i])
    for i in range(BLOCK):
        surprise = w[W.quality + i] + p.satisfaction_delight_points * w[W.delighted + i]
        quality = perceived_quality(b[C.expectation + i], w[W.gap + i], surprise, p)
        w[W.quality + i] = quality
        w[W.episode + i] = episode_satisfaction(quality, b[C.expectation + i], p)
        w[W.lost + i] = satisfaction_lost(w[W.lost_points + i], w[W.met + i], p)
    for i in range(BLOCK):
        b[C.satisfaction + i] = satisfaction(b[C.satisfaction + i], w[W.episode + i], w[W.met + i], p)
        learned = expectation(b[C.expectation + i], w[W.quality + i], b[C.anchor + i], p)
        b[C.expectation + i] = learned if w[W.met + i] > 0.0 else b[C.expectation + i]


def delight(w: Array, values: Array) -> None:
    p = parameters(values)
    for i in range(BLOCK):
        surprised = (
            w[W.was_active + i] if w[W.more_luck + 2 * STRIDE + i] < p.satisfaction_delight_share else 0.0
        )
        w[W.delighted + i] = surprised


def complain(b: Array, w: Array, lanes: Array, number: int, values: Array) -> None:
    """Those with a failure voice it or keep silent; they are answered or not. Draws: group 3."""
    p = parameters(values)
    for i in range(BLOCK):
        w[W.complained + i] = 0.0
        w[W.resolved + i] = 0.0
        w[W.fast + i] = 0.0
    for k in range(number):
        i = lanes[k]
        chance = complaint_probability(w[W.severity + i], b[C.trust + i], b[C.propensity + i], p)
        complained = (1.0 if w[W.draws + k] < chance else 0.0) + missing(chance)
        resolved = complained if w[W.draws + STRIDE + k] < p.complaint_resolved else 0.0
        w[W.complained + i] = complained
        w[W.resolved + i] = resolved
        w[W.fast + i] = resolved if w[W.draws + 2 * STRIDE + k] < p.complaint_fast else 0.0


def recover(b: Array, w: Array, values: Array) -> None:
    """What the answer gives back; remember failures that were not put right."""
    p = parameters(values)
    for i in range(BLOCK):
        repeated = 1.0 if p.month - b[C.last_failure + i] <= p.churn_fault_memory else 0.0
        share = recovery(w[W.complained + i], w[W.resolved + i], w[W.fast + i], repeated, p)
        w[W.stay + i] = stay_factor(w[W.complained + i], w[W.resolved + i], w[W.fast + i], p)
        w[W.restored + i] = min(share, 1.0)
        b[C.satisfaction + i] = clip(b[C.satisfaction + i] + share * w[W.lost + i], 0.0, 100.0)
        remembered = faded(b[C.fault_points + i] * (1.0 - 1.0 / p.churn_fault_memory))
        kept = remembered + w[W.lost + i] * (1.0 - share)
        b[C.fault_points + i] = kept if w[W.was_active + i] > 0.0 else b[C.fault_points + i]
    for i in range(BLOCK):
        failed = w[W.failed + i]
        b[C.last_failure + i] = p.month if failed > 0.0 else b[C.last_failure + i]
        answered = -999.0 if w[W.resolved + i] > 0.0 else p.month
        b[C.unresolved + i] = answered if failed > 0.0 else b[C.unresolved + i]
        b[C.failures + i] = b[C.failures + i] + failed
        b[C.complaints + i] = b[C.complaints + i] + w[W.complained + i]
        b[C.last_complaint + i] = p.month if w[W.complained + i] > 0.0 else b[C.last_complaint + i]


def restore(w: Array, z: Array, drop: Array, lanes: Array, number: int) -> None:
    """Recovery restores the perception of the touchpoint that failed."""
    for k in range(number):
        i = lanes[k]
        z[i] = clip(z[i] + w[W.restored + i] * drop[i], 0.0, 100.0)


def feel(b: Array, w: Array, values: Array) -> None:
    """Trust, care and value."""
    p = parameters(values)
    for i in range(BLOCK):
        kept = w[W.was_active + i] > 0.0
        trusted = trust(b[C.trust + i], b[C.satisfaction + i], p)
        b[C.trust + i] = trusted if kept else b[C.trust + i]
        cared = faded(b[C.care + i] * p.trust_care_retention)
        b[C.care + i] = cared if kept else b[C.care + i]
        value = perceived_value(b[C.satisfaction + i], b[C.fairness + i], p)
        b[C.value + i] = value if kept else b[C.value + i]


def commit(b: Array, w: Array, values: Array) -> None:
    """The first three layers of loyalty."""
    p = parameters(values)
    for i in range(BLOCK):
        kept = w[W.was_active + i] > 0.0
        better = b[C.alternative + i] + p.market_alternative_shift
        first = cognitive_loyalty(b[C.cognitive + i], b[C.value + i], better, p)
        second = affective_loyalty(
            b[C.affective + i], b[C.satisfaction + i], b[C.trust + i], b[C.care + i], first, p
        )
        bound = clip(b[C.switching + i] + p.market_switching_cost_shift, 0.0, 100.0)
        third = conative_loyalty(b[C.conative + i], second, bound, p)
        b[C.cognitive + i] = first if kept else b[C.cognitive + i]
        b[C.affective + i] = second if kept else b[C.affective + i]
        b[C.conative + i] = third if kept else b[C.conative + i]


def buy(b: Array, w: Array, values: Array, spending: Array) -> None:
    """Purchases of a customer without a contract. Draws: group 2.

    `spending[n - 1]` is the quantile of what n purchases sum to, on a grid of normal scores from
    -6 to 6, for a spending rate of one; beyond its rows the Wilson-Hilferty approximation stands.
    """
    p = parameters(values)
    # The first counts of the Poisson quantile for all lanes at once; the rare rest one by one.
    for i in range(BLOCK):
        # Those who leave in the month buy until then.
        mean = purchase_rate(b[C.rate + i], b[C.satisfaction + i], p) * min(w[W.exit_time + i], 1.0)
        u = w[W.draws + i]
        w[W.spent + i] = mean
        probability = exp(-mean)
        cumulative = probability
        count = 1.0 if u > cumulative else 0.0
        probability = probability * mean
        cumulative = cumulative + probability
        count = 2.0 if u > cumulative else count
        probability = probability * (mean / 2.0)
        cumulative = cumulative + probability
        count = 3.0 if u > cumulative else count
        probability = probability * (mean / 3.0)
        cumulative = cumulative + probability
        count = 4.0 if u > cumulative else count
        w[W.bought + i] = count + missing(mean)
        w[W.dropped + i] = 0.0
    for i in range(BLOCK):
        if w[W.bought + i] > 3.0:
            w[W.bought + i] = poisson(w[W.draws + i], w[W.spent + i])
    for i in range(BLOCK):
        w[W.bought + i] = w[W.bought + i] if w[W.was_active + i] > 0.0 else 0.0
        w[W.spent + i] = clip(normal(w[W.draws + STRIDE + i]), -5.999, 5.999)
    if p.purchase_dropout_a > 0.0:
        drop_out(b, w)
    grid = np.float32(spending.shape[1] - 1)
    for i in range(BLOCK):
        count = w[W.bought + i]
        score = w[W.spent + i]
        total = 0.0
        if count > 0.0:
            row = int(count) - 1
            if row < spending.shape[0]:
                at = (score + 6.0) * grid * 0.083333336
                low = int(at)
                part = at - np.float32(low)
                total = spending[row, low] + part * (spending[row, low + 1] - spending[row, low])
            else:
                shape = count * p.purchase_spend_shape
                root = 1.0 - 1.0 / (9.0 * shape) + score / (3.0 * np.sqrt(shape))
                total = shape * root * root * root
        w[W.spent + i] = total
    for i in range(BLOCK):
        w[W.spent + i] = w[W.spent + i] / max(b[C.spend_rate + i], 1e-12) * p.value_price


def drop_out(b: Array, w: Array) -> None:
    """Drop-out at a purchase (BG/NBD): the purchases after it do not happen. Draws: group 2."""
    for i in range(BLOCK):
        chance = min(b[C.dropout + i], 0.9999999)
        if chance > 0.0 and w[W.bought + i] > 0.0:
            last = max(np.ceil(log(1.0 - w[W.draws + 2 * STRIDE + i]) / log(1.0 - chance)), 1.0)
            w[W.dropped + i] = 1.0 if last <= w[W.bought + i] else 0.0
            w[W.bought + i] = min(w[W.bought + i], last)
    for i in range(BLOCK):
        # The purchase came before any other departure.
        dropped = w[W.dropped + i] > 0.0
        w[W.exit_cause + i] = 2.0 if dropped else w[W.exit_cause + i]
        w[W.exit_time + i] = 0.5 * min(w[W.exit_time + i], 1.0) if dropped else w[W.exit_time + i]


def bill(b: Array, w: Array, values: Array) -> None:
    """The monthly bill of a contract customer, and whether it is paid at once. Draws: group 1."""
    p = parameters(values)
    for i in range(BLOCK):
        active = w[W.was_active + i]
        chance = payment_failure(b[C.channel_draw + i], b[C.payer + i], p)
        unpaid = active if w[W.more_luck + i] < chance else 0.0
        w[W.unpaid + i] = unpaid
        w[W.cured + i] = 0.0
        w[W.cut + i] = 2.0
        w[W.exit_payment + i] = chance * (1.0 - p.payment_cure) * p.payment_cutoff * active
        w[W.dropped + i] = 0.0
        b[C.payment_failures + i] = b[C.payment_failures + i] + unpaid
        failed = b[C.last_payment_failure + i]
        b[C.last_payment_failure + i] = p.month if unpaid > 0.0 else failed


def collect(w: Array, lanes: Array, number: int, values: Array) -> None:
    """A failed payment is cured, stays open, or ends the contract. Draws: group 4."""
    p = parameters(values)
    for k in range(number):
        i = lanes[k]
        cured = 1.0 if w[W.draws + k] < p.payment_cure else 0.0
        u = w[W.draws + STRIDE + k]
        w[W.cured + i] = cured
        w[W.cut + i] = u / p.payment_cutoff if cured < 1.0 and u < p.payment_cutoff else 2.0


def receive(b: Array, w: Array, values: Array) -> None:
    """What the bills brought in."""
    p = parameters(values)
    for i in range(BLOCK):
        paid = w[W.was_active + i] - w[W.unpaid + i] + w[W.cured + i]
        w[W.bought + i] = paid
        w[W.spent + i] = paid * p.purchase_fee * b[C.usage + i] * p.value_price * p.demand


def no_bill(w: Array) -> None:
    for i in range(BLOCK):
        w[W.unpaid + i] = 0.0
        w[W.cured + i] = 0.0
        w[W.cut + i] = 2.0
        w[W.exit_payment + i] = 0.0


def earn(b: Array, w: Array, values: Array) -> None:
    """Count purchases and money."""
    p = parameters(values)
    for i in range(BLOCK):
        tenure = p.month - b[C.joined + i]
        referred = 1.0 if b[C.source + i] == 2.0 else 0.0
        earned = w[W.was_active + i] * margin(w[W.spent + i], tenure, referred, w[W.complained + i], p)
        w[W.earned + i] = earned
        b[C.revenue + i] = b[C.revenue + i] + w[W.spent + i]
        b[C.historical_value + i] = b[C.historical_value + i] + earned
        b[C.discounted_value + i] = b[C.discounted_value + i] + earned * p.discount
    for i in range(BLOCK):
        b[C.purchases + i] = b[C.purchases + i] + w[W.bought + i]
        b[C.last_purchase + i] = p.month if w[W.bought + i] > 0.0 else b[C.last_purchase + i]


def act(b: Array, w: Array, values: Array) -> None:
    """Action loyalty: what was done, against which obstacle. Draws: group 1."""
    p = parameters(values)
    noticed = p.loyalty_rival_offer_rate * p.market_openness * p.market_awareness * p.market_attention
    for i in range(BLOCK):
        tempted = 1.0 if w[W.more_luck + STRIDE + i] < noticed else 0.0
        hurt = 1.0 if w[W.failed + i] > 0.0 else 0.0
        w[W.obstacle + i] = max(tempted, hurt)
        acted = 1.0 if w[W.bought + i] > 0.0 else 0.0
        level = action_loyalty(b[C.action + i], acted, b[C.conative + i], w[W.obstacle + i], p)
        b[C.action + i] = level if w[W.was_active + i] > 0.0 else b[C.action + i]
    for i in range(BLOCK):
        layer = loyalty_layer(b[C.cognitive + i], b[C.affective + i], b[C.conative + i], b[C.action + i], p)
        b[C.layer + i] = layer if w[W.was_active + i] > 0.0 else b[C.layer + i]


def hazards(b: Array, w: Array, values: Array) -> None:
    """The hazards of the month."""
    p = parameters(values)
    for i in range(BLOCK):
        bound = clip(b[C.switching + i] + p.market_switching_cost_shift, 0.0, 100.0)
        better = b[C.alternative + i] + p.market_alternative_shift
        w[W.exit_competitive + i] = competitive_hazard(
            b[C.value + i],
            better,
            b[C.satisfaction + i],
            bound,
            b[C.affective + i],
            b[C.frailty + i],
            p,
        )
    decay = exp(-1.0 / p.word_of_mouth_contagion_memory)
    for i in range(BLOCK):
        referred = 1.0 if b[C.source + i] == 2.0 else 0.0
        running = 1.0 if b[C.offer_months + i] > 0.0 else 0.0
        factor = hazard_modifiers(
            b[C.neighbours + i],
            b[C.offer_strength + i] * running,
            b[C.response + i],
            referred,
            b[C.second_life + i],
            p,
        )
        w[W.exit_competitive + i] = w[W.exit_competitive + i] * factor
        kept = w[W.was_active + i] > 0.0
        b[C.offer_months + i] = max(b[C.offer_months + i] - 1.0, 0.0) if kept else b[C.offer_months + i]
        b[C.neighbours + i] = faded(b[C.neighbours + i] * decay) if kept else b[C.neighbours + i]
    for i in range(BLOCK):
        w[W.exit_natural + i] = natural_hazard(b[C.mobility + i], p)
        # A wait or an unkind word lowers a perception; nobody leaves at once over it.
        fault = w[W.severity + i] if w[W.failed + i] > 0.0 else 0.0
        w[W.exit_fault + i] = fault_exit(fault, w[W.stay + i], p) + missing(w[W.stay + i])
        waited = p.month - b[C.unresolved + i]
        w[W.exit_retaliatory + i] = retaliatory_hazard(b[C.satisfaction + i], waited, p)
    for i in range(BLOCK):
        # Rare: a branch costs less than a logarithm for everyone.
        if w[W.exit_fault + i] > 0.0:
            w[W.exit_fault + i] = -log(1.0 - w[W.exit_fault + i])


def endanger(b: Array, w: Array) -> None:
    """Who may leave this month: everybody else is spared the times. Draws: groups 0 and 1.

    An exponential time -log(1 - u) / h is never below u / h, so u >= h cannot be within the month.
    """
    for i in range(BLOCK):
        natural = 1.0 if w[W.luck + STRIDE + i] < w[W.exit_natural + i] else 0.0
        competitive = 1.0 if w[W.luck + 2 * STRIDE + i] < w[W.exit_competitive + i] else 0.0
        constant = 1.0 if w[W.more_luck + 3 * STRIDE + i] < b[C.baseline + i] else 0.0
        rare = max(w[W.exit_fault + i], w[W.exit_retaliatory + i])
        cut = 1.0 if w[W.cut + i] < 1.0 else 0.0
        w[W.tally + i] = w[W.was_active + i] * max(max(natural, competitive), max(max(constant, cut), rare))
        w[W.exit_time + i] = 2.0
        w[W.exit_cause + i] = 0.0


def leave(b: Array, w: Array, lanes: Array, number: int) -> None:
    """The earliest event within the month decides the cause. Draws: groups 0, 1 and 7."""
    for k in range(number):
        i = lanes[k]
        first = min(w[W.cut + i], 1.0)
        cause = 4.0 if first < 1.0 else 0.0
        t = exit_time(w[W.luck + STRIDE + i], w[W.exit_natural + i])
        cause = 1.0 if t < first else cause
        first = min(first, t)
        t = exit_time(w[W.luck + 2 * STRIDE + i], w[W.exit_competitive + i])
        cause = 2.0 if t < first else cause
        first = min(first, t)
        t = exit_time(w[W.draws + k], w[W.exit_fault + i])
        cause = 3.0 if t < first else cause
        first = min(first, t)
        t = exit_time(w[W.draws + STRIDE + k], w[W.exit_retaliatory + i])
        cause = 5.0 if t < first else cause
        first = min(first, t)
        # The person's own constant chance of leaving.
        t = exit_time(w[W.more_luck + 3 * STRIDE + i], b[C.baseline + i])
        cause = 2.0 if t < first else cause
        first = min(first, t)
        w[W.exit_time + i] = first if cause > 0.0 else 2.0
        w[W.exit_cause + i] = cause


def depart(b: Array, w: Array, values: Array) -> None:
    """Write departures; keep the expected number beside the realised one."""
    p = parameters(values)
    for i in range(BLOCK):
        total = (
            w[W.exit_natural + i]
            + w[W.exit_competitive + i]
            + w[W.exit_fault + i]
            + w[W.exit_retaliatory + i]
            + b[C.baseline + i]
        )
        # 1 - exp(-total) by its series where single precision would lose the digits.
        series = total * (1.0 - total * (0.5 - total * (0.16666667 - total * 0.041666668)))
        leaves = series if total < 0.05 else 1.0 - exp(-total)
        cut = w[W.exit_payment + i]
        w[W.exit_chance + i] = (leaves + cut * (1.0 - leaves)) * w[W.was_active + i]
    for i in range(BLOCK):
        b[C.expected_exit + i] = b[C.expected_exit + i] + w[W.exit_chance + i]
        b[C.hazard + i] = w[W.exit_chance + i] if w[W.was_active + i] > 0.0 else b[C.hazard + i]
        cause = w[W.exit_cause + i] * w[W.was_active + i]
        w[W.exit_cause + i] = cause
        gone = cause > 0.0
        b[C.active + i] = 0.0 if gone else b[C.active + i]
        b[C.left + i] = p.month if gone else b[C.left + i]
        b[C.cause + i] = cause if gone else b[C.cause + i]
        rooted = attributed_cause(cause, b[C.fault_points + i], p)
        b[C.attributed + i] = rooted if gone else b[C.attributed + i]


def talk(b: Array, w: Array, values: Array) -> None:
    """Word of mouth, referral, and the stage of the relationship. Draws: group 0."""
    p = parameters(values)
    for i in range(BLOCK):
        w[W.praise + i] = praise(b[C.satisfaction + i], p) * w[W.was_active + i]
        w[W.warning + i] = warning(b[C.satisfaction + i], p) * w[W.was_active + i]
        chance = referral_probability(w[W.praise + i], w[W.warning + i], p)
        referred = (1.0 if w[W.luck + 3 * STRIDE + i] < chance else 0.0) + missing(chance)
        w[W.referred + i] = referred if w[W.was_active + i] > 0.0 else 0.0
        b[C.referrals + i] = b[C.referrals + i] + w[W.referred + i]
    for i in range(BLOCK):
        tenure = p.month - b[C.joined + i] + 1.0
        bound = clip(b[C.switching + i] + p.market_switching_cost_shift, 0.0, 100.0)
        stage = relationship_stage(
            b[C.purchases + i],
            tenure,
            b[C.historical_value + i] / tenure,
            bound,
            b[C.affective + i],
            b[C.conative + i],
            b[C.referrals + i],
            p,
        )
        b[C.stage + i] = stage if w[W.was_active + i] > 0.0 else b[C.stage + i]


def sum_of(column: Array, out: Array) -> None:
    """Add a column up into a few lanes: the same bits in every order of blocks and threads."""
    for j in range(LANES):
        total = column[j]
        for r in range(1, BLOCK // LANES):
            total = total + column[r * LANES + j]
        out[j] = total


def sum_where(column: Array, mask: Array, out: Array) -> None:
    for j in range(LANES):
        total = column[j] * mask[j]
        for r in range(1, BLOCK // LANES):
            total = total + column[r * LANES + j] * mask[r * LANES + j]
        out[j] = total


def sum_equal(column: Array, code: Any, mask: Array, out: Array) -> None:
    for j in range(LANES):
        total = mask[j] if column[j] == code else 0.0
        for r in range(1, BLOCK // LANES):
            total = total + (mask[r * LANES + j] if column[r * LANES + j] == code else 0.0)
        out[j] = total


def sum_at_least(column: Array, level: Any, mask: Array, out: Array) -> None:
    for j in range(LANES):
        total = mask[j] if column[j] >= level else 0.0
        for r in range(1, BLOCK // LANES):
            total = total + (mask[r * LANES + j] if column[r * LANES + j] >= level else 0.0)
        out[j] = total


def state_column(b: Array, at: int) -> Array:
    return b[at : at + BLOCK]


def tally(b: Array, w: Array, totals: Array) -> None:
    """Sums over the block, in the order of `columns.TOTALS`. Columns that are 0 for those who were
    not there need no mask."""
    active = state_column(b, C.active)
    was = state_column(w, W.was_active)
    sum_of(active, totals[0])
    sum_of(was, totals[1])
    sum_where(state_column(b, C.satisfaction), was, totals[2])
    sum_where(state_column(b, C.expectation), was, totals[3])
    sum_where(state_column(w, W.quality), was, totals[4])
    sum_where(state_column(b, C.value), was, totals[5])
    sum_where(state_column(b, C.trust), was, totals[6])
    layer = state_column(b, C.layer)
    for k in range(4):
        sum_at_least(layer, np.float32(k + 1), active, totals[7 + k])
    stage = state_column(b, C.stage)
    for k in range(6):
        sum_equal(stage, np.float32(k + 1), active, totals[11 + k])
    t = state_column(w, W.tally)
    for i in range(BLOCK):
        t[i] = b[C.active + i] if w[W.bought + i] > 0.0 and b[C.affective + i] < 50.0 else 0.0
    sum_of(t, totals[17])
    sum_of(state_column(w, W.failed), totals[18])
    sum_of(state_column(w, W.complained), totals[19])
    sum_of(state_column(w, W.resolved), totals[20])
    sum_of(state_column(w, W.delighted), totals[21])
    sum_of(state_column(w, W.bought), totals[22])
    sum_of(state_column(w, W.spent), totals[23])
    sum_of(state_column(w, W.earned), totals[24])
    sum_of(state_column(w, W.unpaid), totals[25])
    sum_of(state_column(w, W.cured), totals[26])
    cause = state_column(w, W.exit_cause)
    for k in range(5):
        sum_equal(cause, np.float32(k + 1), was, totals[27 + k])
    for i in range(BLOCK):
        rooted = w[W.was_active + i] if b[C.attributed + i] == 3.0 else 0.0
        t[i] = rooted if w[W.exit_cause + i] > 0.0 else 0.0
    sum_of(t, totals[32])
    # Expected departures by cause: the chance of leaving shared out by hazard.
    for i in range(BLOCK):
        total = (
            w[W.exit_natural + i]
            + w[W.exit_competitive + i]
            + w[W.exit_fault + i]
            + w[W.exit_retaliatory + i]
            + b[C.baseline + i]
            + w[W.exit_payment + i]
        )
        t[i] = w[W.exit_chance + i] / max(total, 1e-30)
    sum_where(state_column(w, W.exit_natural), t, totals[33])
    sum_where(state_column(w, W.exit_fault), t, totals[35])
    sum_where(state_column(w, W.exit_payment), t, totals[36])
    sum_where(state_column(w, W.exit_retaliatory), t, totals[37])
    for i in range(BLOCK):
        t[i] = t[i] * (w[W.exit_competitive + i] + b[C.baseline + i])
    sum_of(t, totals[34])
    sum_of(state_column(w, W.praise), totals[38])
    sum_of(state_column(w, W.warning), totals[39])
    sum_of(state_column(w, W.referred), totals[40])


def first_part(
    b: Array,
    w: Array,
    ids: Array,
    touchpoints: Array,
    values: Array,
    key: Array,
    failing: Array,
    failing_who: Array,
) -> int:
    """Meet the firm. Returns the number of those who met a failure, their lanes and identities in
    `failing` and `failing_who`."""
    lanes = np.empty(BLOCK, dtype=np.int64)
    who = np.empty(BLOCK, dtype=np.uint64)
    u = w[W.draws : W.draws + 4 * STRIDE]
    # Columns that are written later in the month.
    exposure = w[W.luck : W.luck + BLOCK]
    failure = w[W.more_luck : W.more_luck + BLOCK]
    start(w)
    for d in range(touchpoints.shape[0]):
        drop = w[W.drop + d * STRIDE : W.drop + d * STRIDE + BLOCK]
        place = d % 4
        if place == 0:
            draw(u, ids, BLOCK, np.uint64(16 + d // 4), values, key)
        some = u[place * STRIDE : place * STRIDE + BLOCK]
        if differs(touchpoints[d], 1) or differs(touchpoints[d], 2):
            at_home(b, touchpoints[d], 1, exposure)
            at_home(b, touchpoints[d], 2, failure)
            meet_at_home(b, w, some, drop, exposure, failure)
        else:
            meet(b, w, some, drop, touchpoints[d])
    failures = pick(w[W.failed : W.failed + BLOCK], ids, failing, failing_who)
    for d in range(touchpoints.shape[0]):
        drop = w[W.drop + d * STRIDE : W.drop + d * STRIDE + BLOCK]
        number = narrow(drop, failing, failing_who, failures, lanes, who)
        draw(u, who, number, np.uint64(20 + d // 4), values, key)
        place = d % 4
        some = u[place * STRIDE : place * STRIDE + BLOCK]
        if differs(touchpoints[d], 3):
            suffer_at_home(b, drop, some, lanes, number, touchpoints[d])
        else:
            suffer(drop, some, lanes, number, touchpoints[d])
    return failures


def draw_luck(luck: Array, ids: Array, values: Array, key: Array) -> None:
    """What everybody needs in the second part: columns `luck` and `more_luck` of the scratch."""
    draw(luck, ids, BLOCK, np.uint64(0), values, key)
    draw(luck[4 * STRIDE :], ids, BLOCK, np.uint64(1), values, key)


def second_part(
    b: Array,
    w: Array,
    ids: Array,
    touchpoints: Array,
    values: Array,
    spending: Array,
    key: Array,
    totals: Array,
    served: bool,
) -> None:
    """Perceive what was met, feel, buy, pay, perhaps leave. `served`: a service desk has answered
    complaints already. Of the scratch it finds what was met, what failed and the drops (with a desk
    also complaints, their answers, and the luck of `draw_luck`); all else it writes."""
    p = parameters(values)
    lanes = np.empty(BLOCK, dtype=np.int64)
    who = np.empty(BLOCK, dtype=np.uint64)
    failing = np.empty(BLOCK, dtype=np.int64)
    failing_who = np.empty(BLOCK, dtype=np.uint64)
    u = w[W.draws : W.draws + 4 * STRIDE]
    quality = w[W.draws : W.draws + BLOCK]
    begin(b, w)
    if not served:
        draw_luck(w[W.luck : W.luck + 8 * STRIDE], ids, values, key)
    for d in range(touchpoints.shape[0]):
        z = b[C.perception + d * STRIDE : C.perception + d * STRIDE + BLOCK]
        drop = w[W.drop + d * STRIDE : W.drop + d * STRIDE + BLOCK]
        if differs(touchpoints[d], 0):
            at_home(b, touchpoints[d], 0, quality)
            perceive_at_home(b, w, z, drop, touchpoints[d], quality, values)
        else:
            perceive(b, w, z, drop, touchpoints[d], values)
    delight(w, values)
    if p.purchase_contract > 0.0:
        bill(b, w, values)
        number = pick(w[W.unpaid : W.unpaid + BLOCK], ids, lanes, who)
        draw(u, who, number, np.uint64(4), values, key)
        collect(w, lanes, number, values)
        receive(b, w, values)
    else:
        no_bill(w)
    satisfy(b, w, values)
    failures = pick(w[W.failed : W.failed + BLOCK], ids, failing, failing_who)
    if not served:
        draw(u, failing_who, failures, np.uint64(3), values, key)
        complain(b, w, failing, failures, values)
    recover(b, w, values)
    for d in range(touchpoints.shape[0]):
        z = b[C.perception + d * STRIDE : C.perception + d * STRIDE + BLOCK]
        drop = w[W.drop + d * STRIDE : W.drop + d * STRIDE + BLOCK]
        restore(w, z, drop, failing, failures)
    feel(b, w, values)
    commit(b, w, values)
    hazards(b, w, values)
    endanger(b, w)
    number = pick(w[W.tally : W.tally + BLOCK], ids, lanes, who)
    draw(u, who, number, np.uint64(7), values, key)
    leave(b, w, lanes, number)
    if p.purchase_contract <= 0.0:
        draw(u, ids, BLOCK, np.uint64(2), values, key)
        buy(b, w, values, spending)
    earn(b, w, values)
    talk(b, w, values)
    act(b, w, values)
    depart(b, w, values)
    tally(b, w, totals)


def block_month(
    b: Array,
    w: Array,
    ids: Array,
    touchpoints: Array,
    values: Array,
    spending: Array,
    key: Array,
    totals: Array,
) -> None:
    """One month of one block. This is the order of the month."""
    failing = np.empty(BLOCK, dtype=np.int64)
    failing_who = np.empty(BLOCK, dtype=np.uint64)
    first_part(b, w, ids, touchpoints, values, key, failing, failing_who)
    second_part(b, w, ids, touchpoints, values, spending, key, totals, False)


def run_month(
    state: Array,
    scratch: Array,
    keep: bool,
    ids: Array,
    touchpoints: Array,
    values: Array,
    spending: Array,
    key: Array,
    totals: Array,
    low: int,
    high: int,
) -> None:
    """One month of the blocks from `low` to `high`.

    `scratch` has a row for each block when it is kept for the record, else one row in all.
    """
    p = parameters(values)
    backwards = int(p.month) % 2
    for n in range(high - low):
        # There and back again: the blocks lived last are still in the processor's cache.
        k = high - 1 - n if backwards > 0 else low + n
        b = state[k]
        w = scratch[k] if keep else scratch[0]
        block_month(b, w, ids[k], touchpoints, values, spending, key, totals[k])


def take_out(state: Array, slots: Array, out: Array, low: int, high: int) -> None:
    """Copy the customers in `slots`, columns `low` to `high`, to the rows of `out`."""
    for c in range(low, high):
        for k in range(slots.shape[0]):
            out[c, k] = state[slots[k] // BLOCK, c * STRIDE + slots[k] % BLOCK]


def move_in(state: Array, holes: Array, movers: Array, first: int, last: int, low: int, high: int) -> None:
    """Move the customers in slots `movers` to slots `holes`, columns `low` to `high`, and zero the slots
    `first` to `last`."""
    for c in range(low, high):
        for k in range(holes.shape[0]):
            value = state[movers[k] // BLOCK, c * STRIDE + movers[k] % BLOCK]
            state[holes[k] // BLOCK, c * STRIDE + holes[k] % BLOCK] = value
        for k in range(first, last):
            state[k // BLOCK, c * STRIDE + k % BLOCK] = 0.0


def miss(
    state: Array, rows: Array, slots: Array, starts: Array, ends: Array, month: Any, live: int, near: int
) -> None:
    """Those who left this month are missed by their neighbours: of the `near` who joined together.

    rows: row by slot; slots: slot by row, -1 for those moved out; starts, ends: rows of each cohort.
    """
    for block in range((live + BLOCK - 1) // BLOCK):
        b = state[block]
        for lane in range(BLOCK):
            # Those who left are no longer active, so nobody is a neighbour of himself.
            if b[C.left + lane] == month and b[C.active + lane] == 0.0 and block * BLOCK + lane < live:
                row = rows[block * BLOCK + lane]
                low = 0
                high = starts.shape[0] - 1
                while low < high:
                    middle = (low + high + 1) // 2
                    if starts[middle] <= row:
                        low = middle
                    else:
                        high = middle - 1
                first = starts[low] + (row - starts[low]) // near * near
                for r in range(first, min(first + near, ends[low])):
                    s = slots[r]
                    if s >= 0 and state[s // BLOCK, C.active + s % BLOCK] > 0.0:
                        at = C.neighbours + s % BLOCK
                        state[s // BLOCK, at] = state[s // BLOCK, at] + 1.0


def add_up(totals: Array, out: Array) -> None:
    """The sums of all blocks and lanes, in double precision."""
    lanes = np.empty(LANES, dtype=np.float64)
    for t in range(totals.shape[1]):
        for j in range(LANES):
            lanes[j] = 0.0
        for k in range(totals.shape[0]):
            for j in range(LANES):
                lanes[j] += totals[k, t, j]
        total = np.float64(0)
        for j in range(LANES):
            total += lanes[j]
        out[t] = total


def uniforms(ids: Array, month: Any, group: Any, word: int, key: Array, out: Array) -> None:
    """One purpose's numbers for many customers: word `word` of Philox block `group`."""
    for i in range(ids.shape[0]):
        x0, x1, x2, x3 = philox(ids[i] & LOW, ids[i] >> HALF, month, group, key[0], key[1])
        low = x0 if word == 0 else x1
        high = x2 if word == 2 else x3
        out[i] = unit(low if word < 2 else high)


def normals(ids: Array, month: Any, group: Any, word: int, key: Array, out: Array) -> None:
    """The same as standard normal numbers."""
    uniforms(ids, month, group, word, key, out)
    for i in range(ids.shape[0]):
        out[i] = normal(out[i])


def quantile(tables: Array, row: int, score: Any) -> Any:
    """Look up a distribution's quantile at a normal score: log values on a grid from -6 to 6."""
    at = (clip(score, -5.999, 5.999) + 6.0) * np.float32(tables.shape[1] - 1) * 0.083333336
    low = int(at)
    part = at - np.float32(low)
    return exp(tables[row, low] + part * (tables[row, low + 1] - tables[row, low]))


def four_scores(ids: Array, group: int, key: Array, s0: Array, s1: Array, s2: Array, s3: Array) -> None:
    """Normal scores of the four birth draws of a Philox block (month 0)."""
    month = np.uint64(0)
    block = np.uint64(group)
    for i in range(ids.shape[0]):
        x0, x1, x2, x3 = philox(ids[i] & LOW, ids[i] >> HALF, month, block, key[0], key[1])
        s0[i] = unit(x0)
        s1[i] = unit(x1)
        s2[i] = unit(x2)
        s3[i] = unit(x3)


def to_score(s: Array) -> None:
    for i in range(s.shape[0]):
        s[i] = normal(s[i])


def born(
    state: Array,
    ids: Array,
    touchpoints: Array,
    values: Array,
    tables: Array,
    key: Array,
    source: Any,
    low: int,
    high: int,
) -> None:
    """Make the customers of slots `low` to `high`: everything they bring with them.

    Their draws have month 0 and purposes of their own, so a person is the same whenever he joins.
    """
    s = np.empty(20 * BLOCK, dtype=np.float32)
    for k in range(low // BLOCK, (high + BLOCK - 1) // BLOCK):
        first = max(low - k * BLOCK, 0)
        last = min(high - k * BLOCK, BLOCK)
        n = last - first
        who = ids[k, first:last]
        for g in range(5):
            at = 4 * g * BLOCK
            four_scores(
                who,
                8 + g,
                key,
                s[at : at + n],
                s[at + BLOCK : at + BLOCK + n],
                s[at + 2 * BLOCK : at + 2 * BLOCK + n],
                s[at + 3 * BLOCK : at + 3 * BLOCK + n],
            )
        for j in range(20):
            # The channel is placed by the uniform number itself: purpose 45, row 13.
            if j != 13:
                to_score(s[j * BLOCK : j * BLOCK + n])
        bring(state[k], s, touchpoints, values, tables, source, first, last)


def bring(
    b: Array, s: Array, touchpoints: Array, values: Array, tables: Array, source: Any, first: int, last: int
) -> None:
    """What the customers in lanes `first` to `last` bring; s[j * BLOCK + k] is birth purpose 32 + j. Their
    groups are written already; `tables` then has a further row, logarithms of the groups' factors on the
    competitive hazard."""
    p = parameters(values)
    groups = (touchpoints.shape[1] - FIELDS) // 4
    # What a group meets, or everybody: quality less what failures take away in the long run.
    step = max(groups, 1)
    first_column = FIELDS if groups > 0 else 0
    number = touchpoints.shape[0]
    offered = np.empty((step, number), dtype=np.float32)
    taken = np.empty((step, number), dtype=np.float32)
    qualities = np.empty(step, dtype=np.float32)
    losses = np.empty(step, dtype=np.float32)
    for g in range(step):
        qualities[g] = 0.0
        losses[g] = 0.0
        for d in range(number):
            t = touchpoints[d]
            at = first_column + g
            offered[g, d] = t[at]
            taken[g, d] = t[at + step] * t[at + 2 * step] * t[at + 3 * step] / p.satisfaction_perception_rate
            qualities[g] += t[5] * t[at]
            losses[g] += (
                t[5] * t[at + step] * t[at + 2 * step] * t[at + 3 * step] / p.satisfaction_perception_rate
            )
    referred = 1.0 if source == 2.0 else 0.0
    shared = p.population_response_risk_correlation
    unshared = np.sqrt(max(1.0 - shared * shared, 0.0))
    for k in range(last - first):
        i = first + k
        g = int(b[C.group + i])
        quality = qualities[g]
        # Unused slots hold zeros; only what differs is written.
        b[C.active + i] = 1.0
        b[C.joined + i] = p.month
        b[C.left + i] = -1.0
        b[C.returned + i] = -1.0
        b[C.source + i] = source
        fit = p.population_fit_sd * s[k] + referred * p.acquisition_referred_fit
        b[C.fit + i] = fit
        fairness = clip(p.population_fairness_mean + p.population_fairness_sd * s[BLOCK + k], 0.0, 120.0)
        b[C.fairness + i] = fairness
        anchor = quality + p.satisfaction_anchor_offset + p.satisfaction_anchor_sd * s[2 * BLOCK + k]
        b[C.anchor + i] = clip(anchor, 0.0, 100.0)
        switching = clip(
            p.market_switching_cost_mean + p.market_switching_cost_sd * s[3 * BLOCK + k], 0.0, 100.0
        )
        b[C.switching + i] = switching
        alternative = p.market_alternative_mean + p.market_alternative_sd * s[4 * BLOCK + k]
        b[C.alternative + i] = alternative
        b[C.mobility + i] = quantile(tables, 1, s[6 * BLOCK + k])
        b[C.payer + i] = quantile(tables, 2, s[7 * BLOCK + k])
        often = quantile(tables, 3, s[8 * BLOCK + k])
        b[C.rate + i] = p.purchase_rate_mean * often
        occasions = exp(p.churn_occasion_effect * log(often))
        b[C.frailty + i] = quantile(tables, 0, s[5 * BLOCK + k]) * occasions
        if groups > 0:
            b[C.frailty + i] = b[C.frailty + i] * exp(tables[7, g])
        b[C.spend_rate + i] = quantile(tables, 4, s[9 * BLOCK + k]) / p.purchase_spend_scale
        b[C.usage + i] = exp(
            p.purchase_usage_sd * s[10 * BLOCK + k] - 0.5 * p.purchase_usage_sd * p.purchase_usage_sd
        )
        b[C.propensity + i] = p.population_complaint_sd * s[11 * BLOCK + k]
        b[C.response + i] = p.population_response_mean + p.population_response_sd * (
            shared * s[5 * BLOCK + k] + unshared * s[12 * BLOCK + k]
        )
        b[C.channel_draw + i] = s[13 * BLOCK + k]
        b[C.scale_use + i] = p.population_scale_use_sd * s[14 * BLOCK + k]
        if p.churn_baseline_a > 0.0:
            b[C.baseline + i] = -log(1.0 - min(quantile(tables, 5, s[15 * BLOCK + k]), 0.9999999))
        if p.purchase_dropout_a > 0.0:
            b[C.dropout + i] = quantile(tables, 6, s[16 * BLOCK + k])

        start = clip(quality + fit - losses[g], 0.0, 100.0)
        b[C.expectation + i] = clip(0.6 * b[C.anchor + i] + 0.4 * start + p.satisfaction_promise, 0.0, 100.0)
        b[C.satisfaction + i] = start
        b[C.trust + i] = start
        value = perceived_value(start, fairness, p)
        b[C.value + i] = value
        cognitive = clip(50.0 + 1.5 * (value - alternative + 8.0), 0.0, 100.0)
        b[C.cognitive + i] = cognitive
        affective = clip(2.0 * start - 70.0, 0.0, 100.0) * min(1.0, cognitive * 0.016666668)
        b[C.affective + i] = 0.8 * affective
        b[C.conative + i] = 0.8 * affective * (0.6 + 0.004 * switching)
        b[C.action + i] = 30.0
        b[C.stage + i] = 1.0
        b[C.last_failure + i] = -999.0
        b[C.unresolved + i] = -999.0
        b[C.last_complaint + i] = -999.0
        b[C.last_purchase + i] = p.month
        b[C.last_payment_failure + i] = -999.0
        b[C.last_offer + i] = -999.0
        b[C.second_life + i] = 1.0
        b[C.hazard + i] = p.churn_natural + competitive_hazard(
            value, alternative, start, switching, 0.8 * affective, b[C.frailty + i], p
        )
        for d in range(number):
            b[C.perception + d * STRIDE + i] = clip(offered[g, d] + fit - taken[g, d], 0.0, 100.0)
