"""Null modes: worlds with most rules switched off, whose answers are known in closed form.

The full model is a superset of models with exact answers. Each function here gives a `Null`: a
scenario that leaves one of them standing, and the exact answer to compare a run with.

>>> null = geometric(hazard=0.03, size=5000, months=12)
>>> run = simulate(null.scenario)                          # doctest: +SKIP
>>> run.survival() - null.exact(np.arange(13))             # doctest: +SKIP

A hazard's heterogeneity is switched off by a gamma shape of 1000 (a spread of 3 %).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .scenario import Scenario, Touchpoint

MONTH_IN_WEEKS = 365.25 / 12 / 7


class Null(NamedTuple):
    """A world with a known answer: `exact(t)` is what the run's quantity must be near.

    What is compared with what, and the source of the formula, stands in the function that made it.
    """

    scenario: Scenario
    exact: Callable[..., Any]


def quiet(size: int, months: int, **changes: Any) -> Scenario:
    """A world in which nobody leaves, joins, fails to pay or is moved by satisfaction.

    `changes` switch parts on again, as in `Scenario.replace`.
    """
    silent = {
        "name": "null",
        "population__size": size,
        "population__months": months,
        "population__complaint_sd": 0,
        "churn__natural": 0,
        "churn__mobility_shape": 1000,
        "churn__competitive": 0,
        "churn__frailty_shape": 1000,
        "churn__exponent_limit": 0,
        "churn__fault_minor": 0,
        "churn__fault_major": 0,
        "churn__retaliatory": 0,
        "complaint__intercept": -20,
        "complaint__severity_effect": 0,
        "complaint__trust_effect": 0,
        "purchase__satisfaction_effect": 0,
        "payment__payer_shape": 1000,
        "word_of_mouth__influence": 0,
        "acquisition__external": 0,
        "acquisition__imitation": 0,
        "acquisition__referred_margin": 0,
    }
    return Scenario().replace(**(silent | changes))


def geometric(hazard: float = 0.03, *, size: int = 20_000, months: int = 24) -> Null:
    """One constant hazard for all: the share still there after t months is exp(-hazard t)."""
    return Null(quiet(size, months, churn__natural=hazard), lambda t: np.exp(-hazard * np.asarray(t)))


def shifted_beta_geometric(
    a: float = 0.668, b: float = 3.806, *, size: int = 20_000, months: int = 24
) -> Null:
    """A constant chance of leaving a month for each person, beta-distributed between persons: the share
    still there after t months is B(a, b + t) / B(a, b) (Fader & Hardie 2007)."""
    from scipy.special import betaln

    world = quiet(size, months, churn__baseline_a=a, churn__baseline_b=b)
    return Null(world, lambda t: np.exp(betaln(a, b + np.asarray(t)) - betaln(a, b)))


def negative_binomial(r: float = 0.8, mean: float = 0.6, *, size: int = 20_000, months: int = 12) -> Null:
    """Poisson purchases at a gamma rate of shape r and `mean` a month: `exact(x)` is the chance of x
    purchases in all months together; variance / mean is 1 + months x mean / r (Ehrenberg 1959)."""
    from scipy.stats import nbinom

    world = quiet(size, months, purchase__rate_shape=r, purchase__rate_mean=mean)
    return Null(world, lambda x: nbinom.pmf(x, r, 1 / (1 + months * mean / r)))


def bg_nbd(
    r: float = 0.2426,
    alpha: float = 4.4136,
    a: float = 0.7929,
    b: float = 2.4259,
    *,
    size: int = 20_000,
    months: int = 9,
) -> Null:
    """Poisson purchases until one of them is the last: `exact(t)` is the expected number of repeat
    purchases of a customer by month t (Fader, Hardie & Lee 2005, equation 9).

    alpha is in weeks, as usual; the defaults are those of the CDNOW data. `Run.transactions` with
    joining=True gives the log such a model is fitted to.
    """
    from scipy.special import hyp2f1

    rate = r / alpha * MONTH_IN_WEEKS
    world = quiet(
        size,
        months,
        purchase__rate_shape=r,
        purchase__rate_mean=rate,
        purchase__dropout_a=a,
        purchase__dropout_b=b,
    )

    def expected(t: Any) -> Any:
        weeks = np.asarray(t) * MONTH_IN_WEEKS
        tail = (alpha / (alpha + weeks)) ** r * hyp2f1(r, b, a + b - 1, weeks / (alpha + weeks))
        return (a + b - 1) / (a - 1) * (1 - tail)

    return Null(world, expected)


def gamma_gamma(
    p: float = 6.25,
    q: float = 3.74,
    gamma: float = 15.45,
    *,
    rate: float = 1.0,
    size: int = 20_000,
    months: int = 1,
) -> Null:
    """Spending that is gamma-distributed within and between persons: `exact(x, n)` is the chance that n
    purchases of a person sum to at most x; a purchase has mean p gamma / (q - 1) (Fader & Hardie 2013)."""
    from scipy.stats import betaprime

    world = quiet(
        size,
        months,
        purchase__rate_shape=1000,
        purchase__rate_mean=rate,
        purchase__spend_shape=p,
        purchase__spend_heterogeneity=q,
        purchase__spend_scale=gamma,
    )
    return Null(world, lambda x, n=1: betaprime.cdf(np.asarray(x) / gamma, np.asarray(n) * p, q))


def bass(p: float = 0.03, q: float = 0.38, *, size: int = 50_000, months: int = 180) -> Null:
    """An empty market that fills by the firm's own effort (p a year) and by imitation (q a year): the
    share who are customers by month t (Bass 1969). New customers peak at 12 ln(q/p) / (p + q) months.

    The run counts months: who is won by imitation joins the month after, so it lags by about a month.
    """
    world = quiet(
        size, months, population__initial_share=0, market__size=1, acquisition__external=p,
        acquisition__imitation=q,
    )  # fmt: skip

    def share(t: Any) -> Any:
        fade = np.exp(-(p + q) * np.asarray(t) / 12)
        return (1 - fade) / (1 + q / p * fade)

    return Null(world, share)


def competing(
    natural: float = 0.01,
    competitive: float = 0.02,
    fault: float = 0.005,
    payment_lapse: float = 0.01,
    retaliatory: float = 0.004,
    *,
    size: int = 20_000,
    months: int = 24,
) -> Null:
    """Five constant causes of leaving: `exact()` is each one's chance in a month, by name.

    Four are hazards h; a month's payment is cut off with a chance, at any moment of it alike. Without
    cut-offs the shares are h / sum of h. A failure a month keeps fault and anger going.
    """
    everyday = Touchpoint(name="product", failure=1, exposure=1, severity=80, severity_sd=0, quality=80)
    world = quiet(
        size,
        months,
        touchpoints=[everyday],
        churn__natural=natural,
        churn__competitive=competitive,
        churn__fault_major=-math.expm1(-fault),
        churn__retaliatory=retaliatory,
        churn__retaliatory_satisfaction=100,
        purchase__contract=True,
        payment__manual_share=0,
        payment__card_share=1,
        payment__debit_share=0,
        payment__card_failure=0.5,
        payment__cure=0,
        payment__cutoff=2 * payment_lapse,
    )
    hazards = {
        "natural": natural,
        "competitive": competitive,
        "fault": fault,
        "retaliatory": retaliatory,
    }

    def chances() -> dict[str, float]:
        total = sum(hazards.values())
        if not total:
            return dict.fromkeys(hazards, 0.0) | {"payment_lapse": payment_lapse}
        before = -math.expm1(-total) / total  # mean share of the month lived, without cut-offs
        late = (1 - math.exp(-total) * (1 + total)) / total**2
        found = {cause: h * (before - payment_lapse * late) for cause, h in hazards.items()}
        return found | {"payment_lapse": payment_lapse * before}

    return Null(world, chances)


NULLS: dict[str, Callable[..., Null]] = {
    made.__name__: made
    for made in (
        geometric, shifted_beta_geometric, negative_binomial, bg_nbd, gamma_gamma, bass, competing,
    )
}  # fmt: skip
