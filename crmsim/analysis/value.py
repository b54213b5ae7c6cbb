"""Customer value: what a customer was worth, is worth and may be worth (客户价值).

Models of buying, BG/NBD, Pareto/NBD, gamma-gamma and shifted beta-geometric, how well they forecast, and
the lifetime value they give (终生价值); the three parts of a customer's value, Markov-chain lifetime value,
referral value, customer equity (客户资产) and where a change of it came from.

Each ``fit_...`` function takes plain columns (what ``crmsim.data.transactions.repeat_summary`` returns, or
any array) and gives a frozen model with its parameters, standard errors and log-likelihood. A model can
also be written down with known parameters, ``BGNBD(r=0.24, alpha=4.4, a=0.8, b=2.4)``, and asked the same
questions.

Times are in whatever unit recency and T are in (weeks, say); ``alpha`` and every ``t`` are in that unit too.

Words shared by the functions here: ``frequency``, repeat purchases of a customer; ``recency``, time from the
first to the last purchase; ``T``, time from the first purchase to the end of the period; ``monetary_value``,
mean amount of the repeat purchases, in money; ``discount_rate``, of a period (a month where periods are
months), 0.01 for 1 %; ``source``, a ``Database`` or a mapping from names to tables. These columns have one
entry a customer and are not below 0; numbers give a number, arrays an array of their common shape. Chances
and shares are from 0 to 1. ValueError for columns that are missing, negative or do not go together, and for a
rate of -1 or less.

Sources, named again at each formula:

- FHL 2005: Fader, Hardie & Lee, "Counting your customers" the easy way, Marketing Science 24(2), 275-284;
- FHL 2008: Fader, Hardie & Lee, Computing P(alive) using the BG/NBD model, note;
- FH 2007: Fader & Hardie, How to project customer retention, Journal of Interactive Marketing 21(1), 76-90;
- FH 2013: Fader & Hardie, The gamma-gamma model of monetary value, note, brucehardie.com/notes/025;
- SMC 1987: Schmittlein, Morrison & Colombo, Counting your customers, Management Science 33(1), 1-24;
- FH 2005: Fader & Hardie, A note on deriving the Pareto/NBD model, note, brucehardie.com/notes/009.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "BGNBD", "SBG", "EquityChange", "GammaGamma", "ParetoNBD", "clv", "customer_equity", "customer_values",
    "equity_change", "fit_bgnbd", "fit_gamma_gamma", "fit_pareto_nbd", "fit_sbg", "historical_value",
    "holdout_errors", "holdout_likelihood", "holdout_means", "markov_clv", "recency_chain", "referral_value",
    "retention_value", "spend_distribution", "track_purchases", "tracking_errors", "transition_matrix",
    "under_contract", "value_parts",
]  # fmt: skip

Floats = npt.NDArray[np.float64]

MINIMUM_REPEATERS = 10
"""Fewer repeat buyers than this cannot carry the three or four parameters of a model."""


# --------------------------------------------------------------------------------------------------
# What the models share


def _column(values: npt.ArrayLike, name: str) -> Floats:
    """A float array without missing or negative values."""
    try:
        out = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must hold numbers only.") from None
    wrong = ~np.isfinite(out)
    if wrong.any():
        raise ValueError(
            f"{name} has {wrong.sum():,} missing or infinite values; drop those customers first."
        )
    if (out < 0).any():
        raise ValueError(f"{name} has {(out < 0).sum():,} negative values; it cannot be below 0.")
    return out


def _together(**columns: Floats) -> list[Floats]:
    try:
        return list(np.broadcast_arrays(*columns.values()))
    except ValueError:
        sizes = ", ".join(f"{name} {column.shape}" for name, column in columns.items())
        raise ValueError(f"The columns differ in length: {sizes}.") from None


def _whole(values: npt.ArrayLike, name: str) -> Floats:
    out = _column(values, name)
    if (out != np.floor(out)).any():
        raise ValueError(f"{name} must be whole numbers.")
    return out


def _history(frequency: npt.ArrayLike, recency: npt.ArrayLike, T: npt.ArrayLike) -> list[Floats]:
    x, last, age = _together(
        frequency=_whole(frequency, "frequency"), recency=_column(recency, "recency"), T=_column(T, "T")
    )
    late = last > age * (1 + 1e-9)
    if late.any():
        raise ValueError(
            f"recency exceeds T for {late.sum():,} customers: the last purchase lies beyond the end of the "
            "period. Are the two in one unit, and is recency counted from the first purchase?"
        )
    odd = (x == 0) & (last > 0)
    if odd.any():
        raise ValueError(
            f"recency is above 0 for {odd.sum():,} customers without a repeat purchase; it is the time from "
            "the first to the last purchase, so theirs is 0."
        )
    return [x, last, age]


def _answer(values: Floats) -> Floats:
    """A number for a number, an array for an array."""
    return values[()]


@dataclass(frozen=True, repr=False, kw_only=True)
class _Model:
    """Parameters that were fitted or given. ``standard_errors`` is empty for given ones.

    ``log_likelihood``: at the parameters, summed over customers, in natural logarithms. ``n``: number of
    customers the fit used. ``converged``: False when the search did not end in an inner maximum.
    """

    log_likelihood: float = math.nan
    standard_errors: dict[str, float] = field(default_factory=dict, hash=False)
    n: int | None = None
    converged: bool = True

    _names: ClassVar[tuple[str, ...]] = ()
    _title: ClassVar[str] = ""

    def __post_init__(self) -> None:
        for name, value in self.parameters.items():
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{type(self).__name__}: {name} must be a positive number, not {value!r}.")

    @property
    def parameters(self) -> dict[str, float]:
        """The parameters by name."""
        return {name: getattr(self, name) for name in self._names}

    def summary(self) -> pd.DataFrame:
        """One row a parameter: ``estimate``, ``standard_error``, ``lower`` and ``upper``.

        The standard error comes from the curvature of the log-likelihood in the logarithms of the parameters,
        by the delta method. The bounds hold 95 % and are taken on the logarithm, so they stay above 0.
        """
        import pandas as pd

        estimate = pd.Series(self.parameters, name="estimate")
        error = pd.Series(self.standard_errors, dtype=float).reindex(estimate.index)
        spread = np.exp(1.959964 * error / estimate)
        frame = pd.DataFrame(
            {
                "estimate": estimate,
                "standard_error": error,
                "lower": estimate / spread,
                "upper": estimate * spread,
            }
        )
        frame.index.name = "parameter"
        return frame

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={value:.4g}" for name, value in self.parameters.items())
        fit = "" if math.isnan(self.log_likelihood) else f"; log-likelihood {self.log_likelihood:.2f}"
        size = "" if self.n is None else f", n {self.n:,}"
        return f"{type(self).__name__}({values}{fit}{size}{'' if self.converged else ', NOT CONVERGED'})"

    def _repr_html_(self) -> str:
        fit = "" if math.isnan(self.log_likelihood) else f": log-likelihood {self.log_likelihood:,.2f}"
        size = "" if self.n is None else f", {self.n:,} customers"
        state = "" if self.converged else " (not converged)"
        table = self.summary().to_html(float_format=lambda value: f"{value:.4g}", na_rep="", border=0)
        return f"<p>{self._title}{fit}{size}{state}</p>{table}"


class Buying(Protocol):
    """A model of repeat purchases: :class:`BGNBD`, :class:`ParetoNBD`, or one's own with these methods."""

    def expected_purchases(self, t: npt.ArrayLike) -> Floats:
        """Repeat purchases of somebody new up to time ``t``."""

    def conditional_expected_purchases(
        self, t: npt.ArrayLike, frequency: npt.ArrayLike, recency: npt.ArrayLike, T: npt.ArrayLike
    ) -> Floats:
        """Purchases of each customer in the time ``t`` to come, given what she did up to ``T``."""

    def log_likelihoods(self, frequency: npt.ArrayLike, recency: npt.ArrayLike, T: npt.ArrayLike) -> Floats:
        """Log-likelihood of what each customer did, natural logarithm."""


_Likelihood = Callable[[Floats], tuple[float, Floats]]


@dataclass(frozen=True)
class _Maximum:
    parameters: Floats
    log_likelihood: float
    standard_errors: Floats
    converged: bool


def _maximise(
    likelihood: _Likelihood, starts: Sequence[Sequence[float]], names: Sequence[str], n: float
) -> _Maximum:
    """The largest of a likelihood of positive parameters.

    ``likelihood`` gives the sum over customers and its gradient at the parameters. The search runs in their
    logarithms, with ``n`` customers as the scale; it ends with Newton steps, whose matrix gives the errors.
    """
    from scipy.optimize import minimize

    def loss(u: Floats) -> tuple[float, Floats]:
        theta = np.exp(u)
        value, gradient = likelihood(theta)
        return -value / n, -gradient * theta / n

    def curvature(u: Floats) -> Floats:
        step = 1e-5
        rows = [(loss(u + step * e)[1] - loss(u - step * e)[1]) / (2 * step) for e in np.eye(len(u))]
        return (np.array(rows) + np.array(rows).T) / 2

    reach = math.log(1e5)
    best: tuple[float, Floats, Floats] | None = None  # loss, place, bounds
    for start in starts:
        u0 = np.log(start)
        bounds = np.column_stack((u0 - reach, u0 + reach))
        found = minimize(
            loss,
            u0,
            jac=True,
            method="L-BFGS-B",
            bounds=list(zip(*bounds.T.tolist(), strict=True)),
            options={"maxiter": 500, "ftol": 1e-13},
        )
        if math.isfinite(found.fun) and (best is None or found.fun < best[0] - 1e-9):
            best = (float(found.fun), np.asarray(found.x), bounds)
        if found.success and np.all(np.abs(found.jac) < 1e-4) and _inside(found.x, bounds).all():
            break
    if best is None:
        raise ValueError("The likelihood could not be evaluated on these data; look for extreme values.")
    value, u, bounds = best
    inside = _inside(u, bounds)
    errors = np.full(len(u), np.nan)
    converged = False
    if inside.all():
        for _ in range(6):
            matrix = curvature(u)
            try:
                np.linalg.cholesky(matrix)  # fails away from a maximum
            except np.linalg.LinAlgError:
                break
            gradient = loss(u)[1]
            converged = bool(np.max(np.abs(gradient)) < 1e-6)
            covariance = np.linalg.inv(matrix) / n
            errors = np.exp(u) * np.sqrt(np.diag(covariance))
            trial = u - np.linalg.solve(matrix, gradient)
            trial_value = loss(trial)[0]
            if np.max(np.abs(trial - u)) < 1e-10 or not trial_value <= value + 1e-15 * abs(value):
                break
            u, value = trial, trial_value
    if not converged:
        lost = ", ".join(name for name, ok in zip(names, inside, strict=True) if not ok)
        warnings.warn(
            "The fit found no inner maximum"
            + (f": {lost} ran to its limit" if lost else "")
            + ". The data do not pin the parameters down (customers too alike, or too few); read "
            "them with care.",
            RuntimeWarning,
            stacklevel=3,
        )
    return _Maximum(np.exp(u), -value * n, errors, converged)


def _inside(u: Floats, bounds: Floats) -> npt.NDArray[np.bool_]:
    return (u > bounds[:, 0] + 1e-3) & (u < bounds[:, 1] - 1e-3)


# --------------------------------------------------------------------------------------------------
# BG/NBD: how often, and whether still there


def _expected(t: Floats, r: Floats | float, alpha: Floats | float, a: float, b: Floats | float) -> Floats:
    """Expected purchases: (a+b-1)/(a-1) [1 - (alpha/(alpha+t))^r 2F1(r, b; a+b-1; z)], z = t/(alpha+t).

    This is the form common to FHL 2005, equations (9) and (10).

    Euler's transformation gives (alpha/(alpha+t))^(a-1) 2F1(a-1, a+b-1-r; a+b-1; z) for the product, which is
    exact to about 1e-11 where the printed form overflows (hundreds of purchases), and to 1e-6 for
    parameters in the thousands (customers nearly alike). At a = 1 and a + b = 1 it has holes, and for larger
    parameters yet SciPy's function gives up; there the expectation is integrated, which is slower.
    """
    from scipy.special import hyp2f1

    t, r, alpha, b = np.broadcast_arrays(t, r, alpha, b)
    z = t / (alpha + t)
    c = a + b - 1
    with np.errstate(all="ignore"):
        # a power of 1-z as exp of log1p keeps small t exact
        product = np.exp((a - 1) * np.log1p(-z)) * hyp2f1(a - 1, c - r, c, z)
        value = np.asarray(c / (np.float64(a) - 1) * (1 - product))
    holes = ~np.isfinite(value) | (abs(a - 1) < 1e-7)
    if holes.any():
        value[holes] = _integrated(t[holes], r[holes], alpha[holes], a, b[holes])
    return value


def _integrated(t: Floats, r: Floats, alpha: Floats, a: float, b: Floats) -> Floats:
    """The same expectation, the mean of (1 - (1 + p t/alpha)^-r) / p over p from the beta (a, b).

    Gauss-Legendre panels on the log odds of p, between bounds beyond which the integrand no longer changes or
    the beta has no mass. All arguments but ``a`` of one length.
    """
    from scipy.special import betainc, betaincinv, betaln

    node, weight = np.polynomial.legendre.leggauss(16)
    panels = 48
    # where on the way from 0 to 1 the nodes lie, and what each weighs
    place = ((np.arange(panels)[:, np.newaxis] + (node + 1) / 2) / panels).ravel()
    share = np.tile(weight / 2 / panels, panels)
    out = np.empty(len(t))
    for start in range(0, len(t), 2000):  # pieces that fit the cache, not a table of all
        part = slice(start, start + 2000)
        y, shape, right = t[part] / alpha[part], r[part], b[part]

        def mean_count(p: Floats, y: Floats = y, shape: Floats = shape) -> Floats:
            return -np.expm1(-shape[:, np.newaxis] * np.log1p(p * y[:, np.newaxis])) / p

        low = np.maximum(betaincinv(a, right, 1e-15), 1e-10 / (1 + shape * y + y))
        high_q = np.maximum(betaincinv(right, a, 1e-15), 1e-10)  # q = 1 - p keeps digits near p = 1
        from_, to = np.log(low) - np.log1p(-low), np.log1p(-high_q) - np.log(high_q)
        s = from_[:, np.newaxis] + (to - from_)[:, np.newaxis] * place
        log_p, log_q = -np.logaddexp(0, -s), -np.logaddexp(0, s)
        density = np.exp(a * log_p + right[:, np.newaxis] * log_q - betaln(a, right)[:, np.newaxis])
        middle = ((mean_count(np.exp(log_p)) * density) @ share) * (to - from_)
        ends = mean_count(np.column_stack((low, 1 - high_q)))
        mass = np.column_stack((betainc(a, right, low), betainc(right, a, high_q)))
        out[part] = middle + (ends * mass).sum(axis=1)
    return out


@dataclass(frozen=True, repr=False)
class BGNBD(_Model):
    """Beta-geometric / negative binomial model of repeat purchases (FHL 2005).

    While active a customer buys at a rate drawn from a gamma (shape ``r``, rate ``alpha`` in time units);
    after each purchase she leaves for good with a probability drawn from a beta (``a``, ``b``).
    """

    r: float
    alpha: float
    a: float
    b: float

    _names: ClassVar[tuple[str, ...]] = ("r", "alpha", "a", "b")
    _title: ClassVar[str] = "BG/NBD"

    def expected_purchases(self, t: npt.ArrayLike) -> Floats:
        """Expected repeat purchases of a new customer in the time ``t`` after her first; shape of ``t``.

        FHL 2005, equation (9). ``ValueError`` for a negative or missing ``t``.
        """
        return _answer(_expected(_column(t, "t"), self.r, self.alpha, self.a, self.b))

    def probability_alive(self, frequency: npt.ArrayLike, recency: npt.ArrayLike, T: npt.ArrayLike) -> Floats:
        """Probability that a customer with this history has not left, one for each.

        1 without a repeat purchase, because the model lets nobody leave before one. FHL 2008, in logarithms.
        ``ValueError`` as for :func:`fit_bgnbd`.
        """
        return _answer(self._alive(*_history(frequency, recency, T)))

    def log_likelihoods(self, frequency: npt.ArrayLike, recency: npt.ArrayLike, T: npt.ArrayLike) -> Floats:
        """Natural logarithm of the likelihood of each history; their sum is what :func:`fit_bgnbd` maximises.

        FHL 2005, equation (6). ``ValueError`` as for :func:`fit_bgnbd`.
        """
        from scipy.special import gammaln

        x, last, age = _history(frequency, recency, T)
        r, alpha, a, b = self.r, self.alpha, self.a, self.b
        stay = -(r + x) * np.log(alpha + age)
        left = np.log(a) - np.log(b + np.maximum(x, 1) - 1) - (r + x) * np.log(alpha + last)
        counts = gammaln(r + x) - gammaln(r) + gammaln(b + x) - gammaln(b) + gammaln(a + b)
        both = np.logaddexp(stay, np.where(x > 0, left, -np.inf))
        return _answer(np.asarray(r * np.log(alpha) + counts - gammaln(a + b + x) + both))

    def _alive(self, x: Floats, last: Floats, age: Floats) -> Floats:
        from scipy.special import expit

        more = np.maximum(x, 1)
        log_odds_gone = np.log(self.a / (self.b + more - 1)) + (self.r + more) * (
            np.log(self.alpha + age) - np.log(self.alpha + last)
        )
        return np.where(x > 0, expit(-log_odds_gone), 1.0)

    def conditional_expected_purchases(
        self, t: npt.ArrayLike, frequency: npt.ArrayLike, recency: npt.ArrayLike, T: npt.ArrayLike
    ) -> Floats:
        """Expected purchases in the time ``t`` after ``T``, given a customer's history; ``t`` broadcasts
        with it.

        FHL 2005, equation (10). ``ValueError`` as for :func:`fit_bgnbd`.
        """
        x, last, age = _history(frequency, recency, T)
        ahead, x, last, age = _together(t=_column(t, "t"), frequency=x, recency=last, T=age)
        if_alive = _expected(ahead, self.r + x, self.alpha + age, self.a, self.b + x)
        return _answer(if_alive * self._alive(x, last, age))

    def histogram(self, k_max: int, T: npt.ArrayLike) -> Floats:
        """Probability of 0, 1, ..., ``k_max`` repeat purchases of a new customer in the time ``T``.

        Shape ``(k_max + 1,)`` for one ``T``, ``(len(T), k_max + 1)`` for an array; what is missing to a sum
        of 1 is the probability of more. Summed over customers it is the expected histogram. FHL 2005,
        equation (8). ``ValueError`` for a ``k_max`` that is no whole number from 0.
        """
        from scipy.special import betainc, betaln, gammaln

        if k_max < 0 or int(k_max) != k_max:
            raise ValueError(f"k_max={k_max!r}: give a whole number from 0.")
        time = _column(T, "T")[..., np.newaxis]
        k = np.arange(int(k_max) + 1, dtype=np.float64)
        r, a, b = self.r, self.a, self.b
        z = time / (self.alpha + time)
        # T = 0: no purchase for sure, and 0 log 0 is 0
        log_z = np.log(np.where(z > 0, z, 1.0))
        log_nbd = gammaln(r + k) - gammaln(r) - gammaln(k + 1) + r * np.log1p(-z) + k * log_z
        still = np.exp(betaln(a, b + k) - betaln(a, b) + log_nbd) * ((z > 0) | (k == 0))
        first = np.maximum(k, 1)
        # the bracket of (8), one minus a negative binomial sum, is a regularised incomplete beta
        gone = np.exp(betaln(a + 1, b + first - 1) - betaln(a, b)) * betainc(first, r, z)
        return np.asarray(still + np.where(k > 0, gone, 0.0))


def fit_bgnbd(frequency: npt.ArrayLike, recency: npt.ArrayLike, T: npt.ArrayLike) -> BGNBD:
    """The BG/NBD model by maximum likelihood.

    ``frequency``: repeat purchases of each customer (whole numbers); ``recency``: time from the first to
    the last purchase; ``T``: time from the first purchase to the end of the period. One entry a customer,
    those without a repeat included (frequency and recency 0).

    The likelihood is that of FHL 2005 for a customer drawn at random, in logarithms and with its gradient.
    ``ValueError`` for missing or negative values, recency above T, or fewer than ten repeat buyers;
    ``RuntimeWarning`` when the data do not pin the parameters down.
    """
    from scipy.special import digamma, gammaln

    x, last, age = (column.ravel() for column in _history(frequency, recency, T))
    repeaters = int((x > 0).sum())
    if repeaters < MINIMUM_REPEATERS:
        raise ValueError(
            f"{repeaters} of {len(x):,} customers bought again; at least {MINIMUM_REPEATERS} are needed to "
            "fit a BG/NBD model. Observe longer, or take in more customers."
        )
    again = x > 0
    # terms in x alone are summed over its few distinct values
    k, weight = np.unique(x, return_counts=True)
    n = len(x)

    def likelihood(theta: Floats) -> tuple[float, Floats]:
        r, alpha, a, b = theta
        log_age, log_last = np.log(alpha + age), np.log(alpha + last)
        log_stay = -(r + x) * log_age
        log_left = np.full(n, -np.inf)
        log_left[again] = np.log(a) - np.log(b + x[again] - 1) - (r + x[again]) * log_last[again]
        log_both = np.logaddexp(log_stay, log_left)
        left = np.exp(log_left - log_both)
        stay = 1 - left
        by_k = gammaln(r + k) - gammaln(r) + gammaln(b + k) - gammaln(b) + gammaln(a + b) - gammaln(a + b + k)
        value = n * r * np.log(alpha) + weight @ by_k + log_both.sum()
        d_ab = digamma(a + b) - digamma(a + b + k)
        gradient = np.array(
            [
                n * np.log(alpha) + weight @ (digamma(r + k) - digamma(r)) - stay @ log_age - left @ log_last,
                n * r / alpha - (r + x) @ (stay / (alpha + age) + left / (alpha + last)),
                weight @ d_ab + left.sum() / a,
                weight @ (d_ab + digamma(b + k) - digamma(b)) - (left[again] / (b + x[again] - 1)).sum(),
            ]
        )
        return float(value), gradient

    unit = float(age.mean())
    starts = ((0.5, unit / 4, 1.0, 2.0), (2.0, unit, 0.3, 3.0), (0.2, unit / 20, 2.0, 2.0))
    top = _maximise(likelihood, starts, BGNBD._names, n)
    r, alpha, a, b = (float(value) for value in top.parameters)
    errors = dict(zip(BGNBD._names, map(float, top.standard_errors), strict=True))
    return BGNBD(
        r,
        alpha,
        a,
        b,
        log_likelihood=top.log_likelihood,
        standard_errors=errors,
        n=n,
        converged=top.converged,
    )


# --------------------------------------------------------------------------------------------------
# Pareto/NBD: the same, leaving at any moment


@dataclass(frozen=True, repr=False)
class ParetoNBD(_Model):
    """Pareto / negative binomial model of repeat purchases (SMC 1987).

    While active a customer buys at a rate drawn from a gamma (shape ``r``, rate ``alpha`` in time units) and
    leaves at a rate drawn from another (``s``, ``beta``), at any moment and not only after a purchase as in
    the BG/NBD model.
    """

    r: float
    alpha: float
    s: float
    beta: float

    _names: ClassVar[tuple[str, ...]] = ("r", "alpha", "s", "beta")
    _title: ClassVar[str] = "Pareto/NBD"

    def _active(self, t: Floats, beta: Floats | float) -> Floats:
        """Expected time active in the time t ahead, [1 - (beta/(beta+t))^(s-1)] beta / (s-1); at s = 1 the
        limit."""
        step = np.log1p(t / beta)
        power = (1 - self.s) * step
        flat = np.abs(power) < 1e-12
        return np.where(flat, step, np.expm1(power) * step / np.where(flat, 1.0, power)) * beta

    def expected_purchases(self, t: npt.ArrayLike) -> Floats:
        """Expected repeat purchases of a new customer in the time ``t`` after her first; shape of ``t``.

        SMC 1987; FH 2005. ``ValueError`` for a negative or missing ``t``.
        """
        return _answer(self.r / self.alpha * self._active(_column(t, "t"), self.beta))

    def probability_alive(self, frequency: npt.ArrayLike, recency: npt.ArrayLike, T: npt.ArrayLike) -> Floats:
        """Probability that a customer with this history has not left, one for each.

        SMC 1987. ``ValueError`` as for :func:`fit_pareto_nbd`.
        """
        return _answer(self._alive(*_history(frequency, recency, T)))

    def log_likelihoods(self, frequency: npt.ArrayLike, recency: npt.ArrayLike, T: npt.ArrayLike) -> Floats:
        """Natural logarithm of the likelihood of each history; their sum is what :func:`fit_pareto_nbd`
        maximises.

        SMC 1987 as written in FH 2005. ``ValueError`` as for :func:`fit_pareto_nbd`.
        """
        from scipy.special import gammaln

        x, last, age = _history(frequency, recency, T)
        stay, left = self._stay_and_left(x, last, age)
        counts = gammaln(self.r + x) - gammaln(self.r)
        known = self.r * np.log(self.alpha) + self.s * np.log(self.beta)
        return _answer(np.asarray(counts + known + np.logaddexp(stay, left)))

    def _stay_and_left(self, x: Floats, last: Floats, age: Floats) -> tuple[Floats, Floats]:
        """Logarithms of the parts of the likelihood of those still there and of those who have left."""
        flat = [column.ravel() for column in (x, last, age)]
        left = np.concatenate(
            [
                _left_before_end(self.r, self.alpha, self.s, self.beta, *(column[part] for column in flat))[0]
                for part in _pieces(x.size)
            ]
            or [np.empty(0)]
        ).reshape(x.shape)
        return -(self.r + x) * np.log(self.alpha + age) - self.s * np.log(self.beta + age), left

    def _alive(self, x: Floats, last: Floats, age: Floats) -> Floats:
        from scipy.special import expit

        stay, left = self._stay_and_left(x, last, age)
        return expit(stay - left)

    def conditional_expected_purchases(
        self, t: npt.ArrayLike, frequency: npt.ArrayLike, recency: npt.ArrayLike, T: npt.ArrayLike
    ) -> Floats:
        """Expected purchases in the time ``t`` after ``T``, given a customer's history; ``t`` broadcasts
        with it.

        SMC 1987; FH 2005. ``ValueError`` as for :func:`fit_pareto_nbd`.
        """
        x, last, age = _history(frequency, recency, T)
        rate = (self.r + x) / (self.alpha + age) * self._alive(x, last, age)
        try:
            return _answer(rate * self._active(_column(t, "t"), self.beta + age))
        except ValueError:
            raise ValueError(f"t {np.shape(t)} does not go with a history of {rate.shape}.") from None

    def histogram(self, k_max: int, T: npt.ArrayLike) -> Floats:
        """Probability of 0, 1, ..., ``k_max`` repeat purchases of a new customer in the time ``T``.

        Shape ``(k_max + 1,)`` for one ``T``, ``(len(T), k_max + 1)`` for an array; what is missing to a sum
        of 1 is the probability of more. The negative binomial of the time active, averaged over it (FH 2005).
        ``ValueError`` for a ``k_max`` that is no whole number from 0.
        """
        from scipy.special import gammaln

        if k_max < 0 or int(k_max) != k_max:
            raise ValueError(f"k_max={k_max!r}: give a whole number from 0.")
        time = _column(T, "T")[..., np.newaxis, np.newaxis]
        k = np.arange(int(k_max) + 1, dtype=np.float64)[:, np.newaxis]
        r, alpha, s, beta = self.r, self.alpha, self.s, self.beta
        constant = gammaln(r + k) - gammaln(r) - gammaln(k + 1)

        def chance(y: Floats) -> Floats:
            z = y / (alpha + y)
            return np.exp(constant + r * np.log1p(-z)) * np.where(k > 0, z, 1.0) ** k

        # in the logarithm of beta + y, the density of the time of leaving is an exponential
        node, weight = np.polynomial.legendre.leggauss(64)
        reach = np.log1p(time / beta)
        step = np.minimum(reach, 40 / s) * (node + 1) / 2
        density = s * np.exp(-s * step) * weight / 2 * np.minimum(reach, 40 / s)
        left = (chance(beta * np.expm1(step)) * density).sum(axis=-1)
        return np.asarray(left + chance(time)[..., 0] * np.exp(-s * reach[..., 0]))


def _pieces(n: int, size: int = 4000) -> list[slice]:
    """Rows in pieces that fit the cache."""
    return [slice(start, start + size) for start in range(0, n, size)]


def _left_before_end(
    r: float, alpha: float, s: float, beta: float, x: Floats, last: Floats, age: Floats
) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Logarithm of s times the integral of (alpha+y)^-(r+x) (beta+y)^-(s+1) from recency to T, and its
    derivatives by r, alpha, s and beta.

    It is the part of the likelihood of those who left in between. The closed form, a difference of two
    hypergeometric functions (FH 2005), loses its digits where the two are close and overflows
    after hundreds of purchases; this integrates the positive function itself, in the logarithm of y plus the
    smaller of alpha and beta, to about 1e-12, and no further than where e^-40 of it is left.
    """
    node, weight = _GAUSS_32
    least = min(alpha, beta)
    start, end = np.log(least + last), np.log(least + age)
    # how fast the integrand falls at first; later it falls faster
    fall = (r + x) * (least + last) / (alpha + last) + (s + 1) * (least + last) / (beta + last) - 1
    wide = np.minimum(end - start, 40 / np.maximum(fall, 1e-9))
    y = np.exp(start[:, np.newaxis] + wide[:, np.newaxis] * node)  # least + time
    by_rate, by_stay = y + (alpha - least), y + (beta - least)
    log_rate, log_stay = np.log(by_rate), np.log(by_stay)
    log_g = np.log(y) - (r + x)[:, np.newaxis] * log_rate - (s + 1) * log_stay
    top = log_g.max(axis=1)
    part = np.exp(log_g - top[:, np.newaxis]) * weight
    total = part.sum(axis=1)
    part /= total[:, np.newaxis]
    with np.errstate(divide="ignore"):
        value = np.log(s) + top + np.log(total) + np.log(wide)
    return (
        value,
        -(part * log_rate).sum(axis=1),
        -(r + x) * (part / by_rate).sum(axis=1),
        1 / s - (part * log_stay).sum(axis=1),
        -(s + 1) * (part / by_stay).sum(axis=1),
    )


def _gauss(n: int) -> tuple[Floats, Floats]:
    node, weight = np.polynomial.legendre.leggauss(n)
    return (node + 1) / 2, weight / 2


_GAUSS_32 = _gauss(32)


def fit_pareto_nbd(frequency: npt.ArrayLike, recency: npt.ArrayLike, T: npt.ArrayLike) -> ParetoNBD:
    """The Pareto/NBD model by maximum likelihood.

    ``frequency``, ``recency``, ``T``, errors and warnings as in :func:`fit_bgnbd`. The likelihood is that of
    SMC 1987 as written in FH 2005, in logarithms and with its gradient. ``s`` and ``beta`` are loosely held
    by most data: look at their standard errors.
    """
    from scipy.special import digamma, gammaln

    x, last, age = (column.ravel() for column in _history(frequency, recency, T))
    repeaters = int((x > 0).sum())
    if repeaters < MINIMUM_REPEATERS:
        raise ValueError(
            f"{repeaters} of {len(x):,} customers bought again; at least {MINIMUM_REPEATERS} are needed to "
            "fit a Pareto/NBD model. Observe longer, or take in more customers."
        )
    n = len(x)
    # customers with one and the same history count once
    history, weight = np.unique(np.column_stack((x, last, age)), axis=0, return_counts=True)
    parts = [(history[part].T, weight[part].astype(np.float64)) for part in _pieces(len(history))]

    def likelihood(theta: Floats) -> tuple[float, Floats]:
        r, alpha, s, beta = theta
        value, gradient = n * s * np.log(beta), np.array([0.0, 0.0, n * np.log(beta), n * s / beta])
        for (k, t, end), w in parts:
            log_left, *d_left = _left_before_end(r, alpha, s, beta, k, t, end)
            log_stay = -(r + k) * np.log(alpha + end) - s * np.log(beta + end)
            d_stay = (-np.log(alpha + end), -(r + k) / (alpha + end), -np.log(beta + end), -s / (beta + end))
            both = np.logaddexp(log_stay, log_left)
            left = np.exp(log_left - both)
            value += w @ (gammaln(r + k) - gammaln(r) + r * np.log(alpha) + both)
            gradient += [w @ (left * a + (1 - left) * b) for a, b in zip(d_left, d_stay, strict=True)]
            gradient[0] += w @ (digamma(r + k) - digamma(r) + np.log(alpha))
            gradient[1] += w.sum() * r / alpha
        return float(value), gradient

    unit = float(age.mean())
    starts = ((0.5, unit / 3, 0.6, unit / 3), (2.0, unit, 1.0, unit), (0.2, unit / 20, 0.3, unit / 10))
    top = _maximise(likelihood, starts, ParetoNBD._names, n)
    r, alpha, s, beta = (float(value) for value in top.parameters)
    errors = dict(zip(ParetoNBD._names, map(float, top.standard_errors), strict=True))
    return ParetoNBD(
        r,
        alpha,
        s,
        beta,
        log_likelihood=top.log_likelihood,
        standard_errors=errors,
        n=n,
        converged=top.converged,
    )


# --------------------------------------------------------------------------------------------------
# Gamma-gamma: how much


@dataclass(frozen=True, repr=False)
class GammaGamma(_Model):
    """Gamma-gamma model of the amount of a purchase (FH 2013).

    A customer's purchases are gamma with shape ``p`` around her own mean; the rate of that gamma differs
    between customers as a gamma with shape ``q`` and rate ``gamma`` (in money). How much is taken to be
    independent of how often: look at the correlation of the two before you rely on it.
    """

    p: float
    q: float
    gamma: float

    _names: ClassVar[tuple[str, ...]] = ("p", "q", "gamma")
    _title: ClassVar[str] = "Gamma-gamma"

    @property
    def mean(self) -> float:
        """Mean amount over all customers, p gamma / (q - 1); infinite when q is 1 or less. FH 2013."""
        return self.p * self.gamma / (self.q - 1) if self.q > 1 else math.inf

    def conditional_expected_value(self, frequency: npt.ArrayLike, monetary_value: npt.ArrayLike) -> Floats:
        """Expected amount of a customer's next purchase, in money, given her repeat purchases and their
        mean.

        p (gamma + x z) / (p x + q - 1): her own mean drawn towards that of all (FH 2013, equation (5)).
        Without a repeat purchase it is :attr:`mean`, and ``monetary_value`` may be missing there.
        ``ValueError`` for missing or negative values.
        """
        x = _whole(frequency, "frequency")
        money = np.asarray(monetary_value, dtype=np.float64)
        x, money = _together(frequency=x, monetary_value=money)
        money = _column(np.where(x > 0, money, 0.0), "monetary_value")
        below = self.p * x + self.q - 1
        with np.errstate(divide="ignore"):
            value = self.p * (self.gamma + x * money) / np.maximum(below, 0.0)
        return _answer(value)

    def distribution(self, monetary_value: npt.ArrayLike, frequency: npt.ArrayLike) -> Floats:
        """Chance that the mean amount of a customer's ``frequency`` purchases is at most ``monetary_value``.

        I(x z / (gamma + x z); p x, q), the regularised incomplete beta function: the integral of the density
        FH 2013, equation (1a). Amounts in money, frequency at least 1; arrays broadcast. ``ValueError`` for
        missing or negative amounts and for a frequency that is not a whole number of at least 1.
        """
        from scipy.special import betainc

        x, z = _whole(frequency, "frequency"), _column(monetary_value, "monetary_value")
        if (x < 1).any():
            raise ValueError("frequency must be at least 1: without a purchase there is no mean amount.")
        return _answer(
            np.asarray(betainc(self.p * x, self.q, x * z / (self.gamma + x * z)), dtype=np.float64)
        )


def fit_gamma_gamma(frequency: npt.ArrayLike, monetary_value: npt.ArrayLike) -> GammaGamma:
    """The gamma-gamma model by maximum likelihood, on the customers with a repeat purchase.

    ``frequency``: repeat purchases of each customer; ``monetary_value``: their mean amount, ignored (and
    possibly missing) where frequency is 0. Likelihood: FH 2013, equation (1a), per customer, with its own
    gradient. ``ValueError`` for missing or negative values, for a mean amount of 0 and for fewer than ten
    repeat buyers; ``RuntimeWarning`` when the data do not pin the parameters down.
    """
    from scipy.special import digamma, gammaln

    x, money = _together(
        frequency=_whole(frequency, "frequency"), monetary_value=np.asarray(monetary_value, dtype=np.float64)
    )
    x, money = x[x > 0], money[x > 0]
    if len(x) < MINIMUM_REPEATERS:
        raise ValueError(
            f"{len(x)} customers bought again; at least {MINIMUM_REPEATERS} are needed to fit a "
            "gamma-gamma model."
        )
    z = _column(money, "monetary_value")
    if (z == 0).any():
        raise ValueError(
            f"monetary_value is 0 for {(z == 0).sum():,} repeat buyers; amounts of a gamma are above 0, so "
            "leave these customers out."
        )
    n, unit = len(x), float(z.mean())
    total, log_z, log_x = x * z, np.log(z), np.log(x)

    def likelihood(theta: Floats) -> tuple[float, Floats]:
        p, q, g = theta
        px, log_sum = p * x, np.log(g + total)
        value = (
            gammaln(px + q) - gammaln(px) - gammaln(q) + q * np.log(g)
            + (px - 1) * log_z + px * log_x - (px + q) * log_sum
        )  # fmt: skip
        psi = digamma(px + q)
        gradient = np.array(
            [
                x @ (psi - digamma(px) + log_z + log_x - log_sum),
                (psi - log_sum).sum() + n * (np.log(g) - digamma(q)),
                n * q / g - ((px + q) / (g + total)).sum(),
            ]
        )
        return float(value.sum()), gradient

    starts = ((4.0, 4.0, 0.75 * unit), (1.0, 2.0, unit), (20.0, 10.0, 0.5 * unit))
    top = _maximise(likelihood, starts, GammaGamma._names, n)
    p, q, gamma = (float(value) for value in top.parameters)
    errors = dict(zip(GammaGamma._names, map(float, top.standard_errors), strict=True))
    return GammaGamma(
        p, q, gamma, log_likelihood=top.log_likelihood, standard_errors=errors, n=n, converged=top.converged
    )


def spend_distribution(
    model: GammaGamma, frequency: npt.ArrayLike, monetary_value: npt.ArrayLike, *, bins: int = 20
) -> pd.DataFrame:
    """Repeat buyers by their mean amount, as observed and as a gamma-gamma model expects them.

    ``frequency``, ``monetary_value``: of each customer as for :func:`fit_gamma_gamma`; who has no repeat
    purchase is left out. ``bins``: classes of equal width up to the amount that 98 of 100 stay below; the
    last class takes all above. A row a class: ``low``, ``high`` (money; ``high`` of the last is infinite),
    ``observed`` and ``fitted`` (customers), where fitted is the sum over customers of the chance that the
    mean of so many purchases falls there (:meth:`GammaGamma.distribution`). The check of Fader, Hardie & Lee
    (2005), RFM and CLV, Journal of Marketing Research 42(4), 415-430. ``ValueError`` without repeat buyers.
    """
    import pandas as pd

    x, z = _together(
        frequency=_whole(frequency, "frequency"), monetary_value=np.asarray(monetary_value, dtype=np.float64)
    )
    x, z = x[x > 0], _column(z[x > 0], "monetary_value")
    if not len(x) or bins < 2:
        raise ValueError(f"{len(x)} customers bought again and bins={bins}: give repeat buyers and 2 bins.")
    edges = np.linspace(0.0, float(np.quantile(z, 0.98)), bins)
    each, customers = np.unique(x, return_counts=True)
    below = customers @ model.distribution(edges[None, :], each[:, None])
    observed = np.searchsorted(np.sort(z), edges, side="left")
    return pd.DataFrame(
        {
            "low": edges,
            "high": np.append(edges[1:], math.inf),
            "observed": np.diff(observed, append=len(z)),
            "fitted": np.diff(below, append=float(len(z))),
        }
    )


# --------------------------------------------------------------------------------------------------
# Shifted beta-geometric: how long under contract


@dataclass(frozen=True, repr=False)
class SBG(_Model):
    """Shifted beta-geometric model of contract renewal (FH 2007).

    At the end of each period a customer leaves with her own probability, which differs between customers as
    a beta (``a``, ``b``). Retention rises with tenure because those likely to leave go first.
    """

    a: float
    b: float

    _names: ClassVar[tuple[str, ...]] = ("a", "b")
    _title: ClassVar[str] = "Shifted beta-geometric"

    def survival(self, t: npt.ArrayLike) -> Floats:
        """Share still there after ``t`` whole periods (1 at t = 0): B(a, b + t) / B(a, b), FH 2007.

        ``ValueError`` for a ``t`` below 0 or not whole.
        """
        from scipy.special import betaln

        return _answer(np.exp(betaln(self.a, self.b + _whole(t, "t")) - betaln(self.a, self.b)))

    def retention(self, t: npt.ArrayLike) -> Floats:
        """Share of those there after ``t - 1`` periods who are there after ``t``.

        (b + t - 1) / (a + b + t - 1), FH 2007. ``ValueError`` for a ``t`` below 1 or not whole.
        """
        period = _whole(t, "t")
        if (period < 1).any():
            raise ValueError("t must be 1 or more: the first renewal ends period 1.")
        return _answer((self.b + period - 1) / (self.a + self.b + period - 1))

    def expected_residual(
        self, t: npt.ArrayLike, *, discount_rate: float = 0.0, periods: int | None = None
    ) -> Floats:
        """Discounted expected number of further periods of a customer who is there after ``t`` of them.

        The sum of S(t + k) / S(t) / (1 + discount_rate)^k over k = 1, 2, ... up to ``periods``, or without
        end; times the margin of a period it is the residual lifetime value (Fader & Hardie 2010,
        Customer-base valuation in a contractual setting, Marketing Science 29(1), 85-93). The first payment
        ahead is one period away. ``ValueError`` for a rate of 0 without end when ``a`` is 1 or less, where
        the sum has no limit.
        """
        from scipy.special import hyp2f1

        _check_rate(discount_rate)
        tenure = _whole(t, "t")
        if periods is not None:
            k = np.arange(1, periods + 1, dtype=np.float64)
            there = self.survival(tenure[..., np.newaxis] + k) / self.survival(tenure)[..., np.newaxis]
            return _answer(np.asarray(there @ (1 + discount_rate) ** -k))
        if discount_rate <= 0 and self.a <= 1:
            raise ValueError("The expected lifetime is infinite: give a discount_rate above 0, or periods.")
        there = (self.b + tenure) / (self.a + self.b + tenure)
        after = hyp2f1(1.0, self.b + tenure + 1, self.a + self.b + tenure + 1, 1 / (1 + discount_rate))
        return _answer(np.asarray(there * after / (1 + discount_rate)))


def fit_sbg(survivors: npt.ArrayLike, n: int | None = None) -> SBG:
    """The shifted beta-geometric model by maximum likelihood, from one cohort's survivors.

    ``survivors``: customers still there after 0, 1, 2, ... periods, the whole cohort first; counts, or
    shares of any base (1 or 100). ``n``: size of the cohort when shares are given. Shares without ``n``
    give the same parameters, but no standard errors, and a log-likelihood for a cohort as large as the
    first figure.

    The likelihood is that of FH 2007: losses by period, and those who stayed to the end.
    ``ValueError`` for fewer than two periods, missing, negative or rising values, or when nobody left;
    ``RuntimeWarning`` when the data do not pin the parameters down.
    """
    from scipy.special import betaln, digamma

    left = _column(survivors, "survivors")
    if left.ndim != 1 or len(left) < 3:
        raise ValueError(
            "survivors needs the start and at least two periods, for instance (100, 86.9, 74.3)."
        )
    if (np.diff(left) > 0).any():
        at = int(np.argmax(np.diff(left) > 0)) + 1
        raise ValueError(
            f"survivors rise from {left[at - 1]:g} to {left[at]:g} in period {at}; nobody comes back here."
        )
    if left[0] == left[-1]:
        raise ValueError("survivors never fall: with nobody lost there is nothing to estimate.")
    if n is not None:
        if n < 1:
            raise ValueError(f"n={n!r}: the cohort needs at least one customer.")
        left = left * (n / left[0])
    counted = n is not None or (left[0] > 1 and bool((left == np.floor(left)).all()))
    lost, stayed = -np.diff(left), left[-1]
    period = np.arange(1, len(left), dtype=np.float64)
    end = period[-1]

    def likelihood(theta: Floats) -> tuple[float, Floats]:
        a, b = theta
        base = betaln(a, b)
        value = lost @ betaln(a + 1, b + period - 1) + stayed * betaln(a, b + end) - left[0] * base
        common = left[0] * digamma(a + b) - lost @ digamma(a + b + period) - stayed * digamma(a + b + end)
        d_a = lost.sum() * digamma(a + 1) + stayed * digamma(a) - left[0] * digamma(a) + common
        d_b = lost @ digamma(b + period - 1) + stayed * digamma(b + end) - left[0] * digamma(b) + common
        return float(value), np.array([d_a, d_b])

    top = _maximise(likelihood, ((1.0, 2.0), (0.3, 0.3), (5.0, 50.0)), SBG._names, float(left[0]))
    a, b = (float(value) for value in top.parameters)
    errors = dict(zip(SBG._names, map(float, top.standard_errors), strict=True)) if counted else {}
    size = n if n is not None else int(left[0]) if counted else None
    return SBG(
        a, b, log_likelihood=top.log_likelihood, standard_errors=errors, n=size, converged=top.converged
    )


# --------------------------------------------------------------------------------------------------
# Lifetime value

_PER_MONTH = {"D": 365.25 / 12, "W": 365.25 / 84, "M": 1.0}


def clv(
    bgnbd: Buying,
    gamma_gamma: GammaGamma,
    frequency: npt.ArrayLike,
    recency: npt.ArrayLike,
    T: npt.ArrayLike,
    monetary_value: npt.ArrayLike,
    *,
    months: int = 12,
    discount_rate: float = 0.01,
    margin: float = 1.0,
    unit: Literal["D", "W", "M"] = "W",
) -> Floats:
    """Expected discounted value of each customer's purchases in the months after ``T``, in money.

    The purchases expected in each month (``bgnbd``, or a Pareto/NBD model), discounted from the month's end
    at ``discount_rate`` a month, times the amount expected of one (``gamma_gamma``) and the contribution
    ``margin`` (share of the amount). One value a customer; what she spent before ``T`` is not in it.
    ``unit``: that of recency, T and the model, days, weeks or months. Combining the two models so follows
    Fader, Hardie & Lee (2005), RFM and CLV, Journal of Marketing Research 42(4), 415-430. ``ValueError`` for
    columns as in the models and for impossible settings.
    """
    if unit not in _PER_MONTH:
        raise ValueError(f"unit={unit!r}: give 'D' (days), 'W' (weeks) or 'M' (months).")
    if int(months) != months or months < 1:
        raise ValueError(f"months={months!r}: give a whole number from 1.")
    if not discount_rate > -1 or not math.isfinite(discount_rate):
        raise ValueError(f"discount_rate={discount_rate!r}: give the rate of a month, 0.01 for 1 %.")
    if not math.isfinite(margin):
        raise ValueError(f"margin={margin!r}: give a share of the amount, 0.3 for 30 %.")
    x, last, age = _history(frequency, recency, T)
    worth = gamma_gamma.conditional_expected_value(x, monetary_value)
    month = np.arange(1, int(months) + 1)
    ends = month * _PER_MONTH[unit]
    bought = bgnbd.conditional_expected_purchases(
        ends, x[..., np.newaxis], last[..., np.newaxis], age[..., np.newaxis]
    )
    each = np.diff(bought, axis=-1, prepend=0.0)
    return _answer(np.asarray(margin * worth * (each @ (1 + discount_rate) ** -month.astype(np.float64))))


def _check_rate(rate: float, name: str = "discount_rate") -> None:
    if not (rate > -1 and math.isfinite(rate)):
        raise ValueError(f"{name}={rate!r}: give the rate of a period, 0.01 for 1 %.")


def retention_value(
    margin: npt.ArrayLike,
    retention: npt.ArrayLike,
    *,
    discount_rate: float = 0.01,
    periods: int | None = None,
) -> Floats:
    """Expected discounted margin of a customer under contract who stays with probability ``retention`` a
    period.

    ``margin``: money a period; ``retention``: 0 to 1; both broadcast. The sum of margin (r / (1 + d))^t over
    t = 1, 2, ... up to ``periods``, or without end, margin r / (1 + d - r) (Gupta & Lehmann 2003, Customers
    as assets, Journal of Interactive Marketing 17(1), 9-24). ``ValueError`` for a retention outside 0 to 1,
    or where the sum has no limit.
    """
    _check_rate(discount_rate)
    stay = _column(retention, "retention")
    if (stay > 1).any():
        raise ValueError(f"retention is above 1 for {(stay > 1).sum():,} customers; it is a probability.")
    each = np.asarray(margin, dtype=np.float64)
    q = stay / (1 + discount_rate)
    if periods is None:
        if (q >= 1).any():
            raise ValueError("Without an end nobody may stay for sure undiscounted: give periods.")
        return _answer(np.asarray(each * q / (1 - q)))
    flat = np.abs(1 - q) < 1e-12
    rest = np.where(flat, 0.5, q)
    return _answer(np.asarray(each * np.where(flat, periods, rest * (1 - rest**periods) / (1 - rest))))


# --------------------------------------------------------------------------------------------------
# How well a model forecasts

_DAYS = {"D": 1.0, "W": 7.0, "M": 365.25 / 12}


def track_purchases(
    log: Any,
    models: Mapping[str, Buying],
    *,
    calibration_end: Any,
    until: Any = None,
    unit: Literal["D", "W", "M"] = "W",
) -> pd.DataFrame:
    """Cumulative repeat purchases of a cohort, period by period, as they were and as models expect them.

    ``log``: a table with ``customer``, ``date``, ``amount``, or what ``read_transactions`` gives; the cohort
    is who first bought by ``calibration_end`` (last day included). ``models``: by name, in ``unit`` (days,
    weeks or months of 365.25 / 12 days), fitted on the time up to ``calibration_end``. ``until``: last day
    observed, the last in the log when left out. Purchases on one day count as one.

    One row a whole period from the first day of the log: ``period`` (from 1), ``end`` (its last day),
    ``held_out`` (it ends after ``calibration_end``), ``actual``, and a column a model. The tracking plot of
    FHL 2005, figure 3. ``DataError`` as for ``repeat_summary``; ``ValueError`` for a model's name that is
    taken.
    """
    import pandas as pd

    from ..data.transactions import Transactions, repeat_summary

    taken = {"period", "end", "held_out", "actual"} & set(models)
    if taken:
        raise ValueError(f"A model cannot be called {sorted(taken)[0]!r}: a column has that name.")
    table = log.log if isinstance(log, Transactions) else log
    cohort = repeat_summary(table, unit, until, calibration_end)
    day = table["date"].dt.tz_localize(None).dt.normalize()
    start, last = day.min(), day.max() if until is None else pd.Timestamp(until)
    split = pd.Timestamp(calibration_end)
    visits = pd.DataFrame({"customer": table["customer"], "day": (day - start).dt.days}).drop_duplicates()
    visits = visits[visits["customer"].isin(cohort.index)].sort_values(["customer", "day"])
    repeat = np.sort(visits.loc[visits["customer"].duplicated(), "day"].to_numpy())
    length = _DAYS[unit]
    number = int(((last - start).days + 1) / length + 1e-9)
    # a period ends with its last day, so that day is the last observed
    ends = np.ceil(length * np.arange(1, number + 1) - 1e-9).astype(int) - 1
    joined, size = np.unique((cohort["first"] - start).dt.days.to_numpy(), return_counts=True)
    age = np.maximum(ends[:, np.newaxis] - joined, 0) / length
    frame = pd.DataFrame({"period": np.arange(1, number + 1), "end": start + pd.to_timedelta(ends, unit="D")})
    frame["held_out"] = frame["end"] > split
    frame["actual"] = np.searchsorted(repeat, ends, side="right")
    for name, model in models.items():
        frame[name] = model.expected_purchases(age) @ size
    return frame


def tracking_errors(track: pd.DataFrame) -> pd.DataFrame:
    """How far models are from what :func:`track_purchases` found, in the periods held out.

    ``track``: what it gives. One row a model: ``mape`` (mean absolute error of the cumulative curve, as a
    share of it) and ``total_error`` (expected over actual purchases in the periods held out, less 1).
    ``ValueError`` when nothing is held out.
    """
    import pandas as pd

    lacking = [name for name in ("held_out", "actual") if name not in track]
    if lacking:
        raise ValueError(f"track lacks {', '.join(lacking)}; give what track_purchases returns.")
    out = track["held_out"].to_numpy(dtype=bool)
    if not out.any() or out.all():
        raise ValueError("track needs periods before and after the end of the calibration.")
    split = int(np.argmax(out)) - 1
    actual = track["actual"].to_numpy(dtype=float)
    rows = {}
    for name in track.columns.drop(["period", "end", "held_out", "actual"], errors="ignore"):
        curve = track[name].to_numpy(dtype=float)
        grown = actual[-1] - actual[split]
        rows[name] = {
            "mape": float(np.mean(np.abs(curve / np.maximum(actual, 1) - 1)[out])),
            "total_error": float((curve[-1] - curve[split]) / grown - 1) if grown else math.nan,
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("model")


def holdout_errors(
    summary: pd.DataFrame, models: Mapping[str, Buying], *, share: float = 0.2
) -> pd.DataFrame:
    """How well models tell each customer's purchases in the time held out, beside her own past rate.

    ``summary``: what ``repeat_summary`` gives with ``calibration_end``; ``models``: by name, in its unit.
    One row a model and one for ``own rate`` (frequency / T times the time held out): ``predicted`` and
    ``actual`` purchases in all, ``total_error`` (their ratio less 1), ``mae`` and ``rmse`` a customer,
    ``caught``: share of all purchases held out that the customers with the highest forecasts make, taking
    the ``share`` of them (customers tied at the border count in part). ``ValueError`` for missing columns.
    """
    import pandas as pd

    lacking = [c for c in ("frequency", "recency", "T", "holdout_frequency", "holdout_T") if c not in summary]
    if lacking:
        raise ValueError(
            f"summary lacks {', '.join(lacking)}; repeat_summary(..., calibration_end=...) gives them."
        )
    if not 0 < share < 1:
        raise ValueError(f"share={share!r}: give a share of the customers, 0.2 for the best fifth.")
    x, last, age = (summary[name].to_numpy(dtype=float) for name in ("frequency", "recency", "T"))
    actual = summary["holdout_frequency"].to_numpy(dtype=float)
    ahead = summary["holdout_T"].to_numpy(dtype=float)
    forecasts = {
        name: model.conditional_expected_purchases(ahead, x, last, age) for name, model in models.items()
    }
    forecasts["own rate"] = np.divide(x, age, out=np.zeros_like(x), where=age > 0) * ahead
    total = actual.sum()
    rows = {
        name: {
            "predicted": forecast.sum(),
            "actual": total,
            "total_error": forecast.sum() / total - 1 if total else math.nan,
            "mae": np.abs(forecast - actual).mean(),
            "rmse": math.sqrt(np.mean((forecast - actual) ** 2)),
            "caught": caught(actual, forecast, share) / total if total else math.nan,
        }
        for name, forecast in forecasts.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("model")


def holdout_likelihood(
    log: Any,
    models: Mapping[str, Buying],
    *,
    calibration_end: Any,
    until: Any = None,
    unit: Literal["D", "W", "M"] = "W",
) -> pd.DataFrame:
    """How likely models found what the customers did in the time held out; the higher, the better.

    ``log``, ``models``, ``calibration_end``, ``until``, ``unit``: as in :func:`track_purchases`. The density
    of a customer's purchases after ``calibration_end``, given those before, is the likelihood of the whole
    history over that of the part fitted on, both at the parameters fitted: ln L(all) - ln L(fitted part),
    summed over the customers. Unlike the error of a total it cannot be good by luck of two errors that
    cancel, and it counts who buys as well as how much.

    One row a model, the best first: ``log_likelihood`` (natural logarithms), ``behind`` (how much less than
    the best), ``behind_error`` (its standard error, from the differences customer by customer, as in the
    test of Vuong (1989), Econometrica 57(2), 307-333) and ``n`` customers. ``DataError`` as for
    ``repeat_summary``; ``ValueError`` without a model.
    """
    import pandas as pd

    from ..data.transactions import Transactions, repeat_summary

    if not models:
        raise ValueError("models: give one model at least, by name.")
    table = log.log if isinstance(log, Transactions) else log
    fitted = repeat_summary(table, unit, until, calibration_end)
    whole = repeat_summary(table, unit, until).reindex(fitted.index)
    each = {}
    for name, model in models.items():
        after, before = (
            model.log_likelihoods(*(part[c].to_numpy(dtype=float) for c in ("frequency", "recency", "T")))
            for part in (whole, fitted)
        )
        each[name] = after - before
    best = max(each, key=lambda name: each[name].sum())
    rows = {}
    for name, values in each.items():
        less = each[best] - values
        rows[name] = {
            "log_likelihood": values.sum(),
            "behind": less.sum(),
            "behind_error": less.std(ddof=1) * math.sqrt(len(less)) if len(less) > 1 else math.nan,
            "n": len(values),
        }
    frame = pd.DataFrame.from_dict(rows, orient="index").rename_axis("model")
    return frame.astype({"n": int}).sort_values("log_likelihood", ascending=False)


def holdout_means(
    summary: pd.DataFrame,
    models: Mapping[str, Buying],
    *,
    by: Literal["frequency", "recency"] = "frequency",
    groups: int = 8,
) -> pd.DataFrame:
    """Mean purchases in the time held out by what customers did before, as they were and as models expect.

    ``summary`` and ``models`` as in :func:`holdout_errors`. ``by``: customers by their repeat purchases in
    the time fitted on (0, 1, 2, ... with those of ``groups`` - 1 and more together), or by ``recency`` in
    ``groups`` equal groups. The conditional expectations of FHL 2005, figure 4.

    One row a group: ``group`` (words), ``customers``, ``actual``, and a column a model (purchases a
    customer). ``ValueError`` for missing columns.
    """
    import pandas as pd

    lacking = [c for c in ("frequency", "recency", "T", "holdout_frequency", "holdout_T") if c not in summary]
    if lacking:
        raise ValueError(
            f"summary lacks {', '.join(lacking)}; repeat_summary(..., calibration_end=...) gives them."
        )
    if groups < 2:
        raise ValueError(f"groups={groups!r}: give 2 at least.")
    if by not in ("frequency", "recency"):
        raise ValueError(f"by={by!r}: give 'frequency' or 'recency'.")
    x, last, age = (summary[name].to_numpy(dtype=float) for name in ("frequency", "recency", "T"))
    if by == "frequency":
        place = np.minimum(x, groups - 1).astype(int)
        top = int(x.max(initial=0)) > groups - 1
        names = [f"{k}+" if top and k == groups - 1 else f"{k}" for k in range(groups)]
    else:
        cut = pd.qcut(last, groups, duplicates="drop", precision=0)
        place = np.asarray(cut.codes)
        names = [f"{max(c.left, 0):.0f}–{c.right:.0f}" for c in cut.categories]
    ahead = summary["holdout_T"].to_numpy(dtype=float)
    columns = {"actual": summary["holdout_frequency"].to_numpy(dtype=float)}
    columns |= {n: model.conditional_expected_purchases(ahead, x, last, age) for n, model in models.items()}
    grouped = pd.DataFrame(columns).groupby(place)
    frame = grouped.mean()
    frame.insert(0, "customers", grouped.size())
    frame.insert(0, "group", [names[int(k)] for k in frame.index])
    return frame.reset_index(drop=True)


def caught(amount: Floats, score: Floats, share: float) -> float:
    """Sum of ``amount`` over the ``share`` of customers with the highest ``score``; ties in part."""
    wanted = share * len(score)
    border = np.sort(score)[::-1][min(max(math.ceil(wanted), 1), len(score)) - 1]
    above, tied = score > border, score == border
    part = (wanted - above.sum()) / tied.sum()
    return float(amount[above].sum() + part * amount[tied].sum())


# --------------------------------------------------------------------------------------------------
# Customer value in three parts


def historical_value(
    log: pd.DataFrame,
    *,
    at: int | None = None,
    margin: float = 1.0,
    discount_rate: float = 0.0,
    customer: str = "customer",
    month: str = "month",
    amount: str = "amount",
) -> pd.Series:
    """Sum of each customer's past margin, in money (历史价值), indexed by customer.

    ``log``: one row a purchase or bill. ``at``: last month that counts, the last in the log when left out.
    ``margin``: share of the amount that is kept. ``discount_rate``: a month; above 0, past money is carried
    forward to ``at`` with it. ``ValueError`` for missing columns.
    """
    _needs(log, (customer, month, amount), "log")
    _check_rate(discount_rate)
    when = log[month].to_numpy(dtype=float)
    end = float(at) if at is not None else float(when.max()) if len(when) else 0.0
    past = when <= end
    worth = margin * log[amount].to_numpy(dtype=float)[past] * (1 + discount_rate) ** (end - when[past])
    value = log.loc[past, [customer]].assign(value=worth).groupby(customer)["value"].sum()
    return value.rename("historical").rename_axis("customer")


def referral_value(
    referrals: npt.ArrayLike,
    value: npt.ArrayLike,
    acquisition_cost: npt.ArrayLike = 0.0,
    *,
    otherwise: float = 0.5,
) -> Floats:
    """What the customers someone brings are worth to the firm, in money (推荐价值).

    ``referrals``: customers brought, or the discounted number expected; ``value``: lifetime value of one of
    them; ``acquisition_cost``: what winning one by other means costs, which a referral saves; ``otherwise``:
    share who would have come anyway, of whom only the saved cost counts. Referrals x ((1 - otherwise) value +
    cost), after Kumar, Petersen & Leone (2010), Driving profitability by encouraging customer referrals,
    Journal of Marketing 74(5), 1-17. ``ValueError`` for negative referrals or a share outside 0 to 1.
    """
    brought = _column(referrals, "referrals")
    if not 0 <= otherwise <= 1:
        raise ValueError(f"otherwise={otherwise!r}: give a share from 0 to 1.")
    worth = np.asarray(value, dtype=np.float64) * (1 - otherwise) + np.asarray(acquisition_cost, dtype=float)
    return _answer(np.asarray(brought * worth))


def value_parts(
    historical: pd.Series, current: pd.Series, cross_sell: Any = 0.0, referral: Any = 0.0
) -> pd.DataFrame:
    """Customer value = historical + current + potential (客户价值 = 历史价值 + 当前价值 + 潜在价值).

    Series indexed by customer, in money; a customer missing in one has 0 there. ``cross_sell`` (cross- and
    up-selling 交叉与提升销售) and ``referral`` may be one number for all. One row a customer: ``historical``,
    ``current``, ``cross_sell``, ``referral``, ``potential`` (the two before), ``total``. ``ValueError`` for
    a customer who occurs twice.
    """
    import pandas as pd

    parts = {"historical": historical, "current": current, "cross_sell": cross_sell, "referral": referral}
    index = pd.Index([], name="customer")
    for part in parts.values():
        if isinstance(part, pd.Series):
            if part.index.duplicated().any():
                raise ValueError(f"customer {part.index[part.index.duplicated()][0]} occurs twice.")
            index = index.union(part.index) if len(index) else part.index
    frame = pd.DataFrame(index=index.rename("customer"))
    for name, part in parts.items():
        frame[name] = (
            part.reindex(index).fillna(0.0).astype(float) if isinstance(part, pd.Series) else float(part)
        )
    frame["potential"] = frame["cross_sell"] + frame["referral"]
    frame["total"] = frame["historical"] + frame["current"] + frame["potential"]
    return frame


def _needs(frame: pd.DataFrame, columns: Sequence[str], name: str) -> None:
    lacking = [column for column in columns if column not in frame]
    if lacking:
        raise ValueError(f"{name} lacks {', '.join(lacking)}; it has {', '.join(map(str, frame.columns))}.")


def read_table(source: Any, name: str) -> pd.DataFrame:
    """The table ``name`` of a ``Database`` or a mapping from names to tables; an empty frame without one.

    ``ValueError`` for anything else.
    """
    import pandas as pd

    if hasattr(source, "table") and hasattr(source, "tables"):
        return source.table(name) if name in source.tables else pd.DataFrame()
    if not isinstance(source, Mapping):
        raise ValueError(f"Give a Database or a mapping from names to tables, not {type(source).__name__}.")
    found = source.get(name)
    return pd.DataFrame() if found is None else found


def last_month(source: Any) -> int:
    """The last month of the record, counted from 0: by ``about``, else the last with a bill or purchase.

    ``ValueError`` when there is neither.
    """
    about = read_table(source, "about")
    if len(about):
        said = about.loc[about["name"] == "months", "value"]
        if len(said):
            return int(said.iloc[0]) - 1
    ends = [
        int(log["month"].max()) for name in ("bills", "purchases") if len(log := read_table(source, name))
    ]
    if not ends:
        raise ValueError("The database has neither bills nor purchases.")
    return max(ends)


def under_contract(source: Any, month: int, *, departures: pd.DataFrame | None = None) -> pd.Series:
    """Whether each customer who had joined by a month is still one at its end, by customer.

    By the departures and returns up to then; ``departures``: those to use in place of the firm's table,
    such as the true ones. A boolean Series. ``ValueError`` for a source that is neither a database nor its
    tables.
    """
    people = read_table(source, "customers").set_index("customer")
    people = people[people["joined_month"] <= month]
    left = read_table(source, "departures") if departures is None else departures
    back = read_table(source, "returns")

    def latest(log: pd.DataFrame) -> pd.Series:
        if not len(log):
            return people["joined_month"] * 0.0 - 1
        last = log.loc[log["month"] <= month].groupby("customer")["month"].max()
        return last.reindex(people.index).astype(float).fillna(-1.0)

    gone, returned = latest(left), latest(back)
    return (gone < 0) | (returned > gone)


def customer_values(
    source: Any,
    *,
    at: int | None = None,
    margin: float = 0.4,
    discount_rate: float = 0.01,
    months: int = 36,
    model: Literal["bgnbd", "pareto_nbd"] = "bgnbd",
    hazard: pd.Series | None = None,
    cross_sell: pd.Series | float = 0.0,
    acquisition_cost: float = 0.0,
    otherwise: float = 0.5,
) -> pd.DataFrame:
    """The three parts of every customer's value at the end of a month, from the customer database.

    ``source``: a ``Database``, or its tables by name. ``at``: the month, the last of the record when left
    out; nothing later is looked at. ``margin``: share of revenue kept; ``discount_rate``: a month;
    ``months``: how far ahead.

    - historical: the sum of ``margin`` x payments (under contract) or purchases so far;
    - current: what is expected if behaviour does not change. Under contract the mean bill of the last 12
      months, kept up with the retention of all customers in those months, or with each one's own chance of
      leaving in a month (``hazard``, by customer); without, :func:`clv` by ``model`` and gamma-gamma;
    - potential: ``cross_sell`` (by customer or one number, the firm's own estimate: nothing in the tables
      tells what has not been offered yet) and referrals: those of the last 12 months per bill or purchase,
      times the discounted bills or purchases expected, at the mean current value of those who joined in these
      months (:func:`referral_value`, ``acquisition_cost``, ``otherwise``).

    One row a customer who had joined: the columns of :func:`value_parts`, ``margin`` (money a month while a
    customer: the mean bill, or purchase rate times amount by the models), ``active`` (under contract or not;
    else the probability of being alive). ``ValueError`` when the database has neither bills
    nor purchases by then.
    """
    import pandas as pd

    _check_rate(discount_rate)
    at = last_month(source) if at is None else int(at)
    people = read_table(source, "customers")
    _needs(people, ("customer", "joined_month", "source"), "customers")
    people = people[people["joined_month"] <= at].set_index("customer")
    bills, purchases = read_table(source, "bills"), read_table(source, "purchases")
    contract = len(bills) > 0
    log = bills if contract else purchases
    if not len(log) or not (log["month"] <= at).any():
        raise ValueError(f"The database has neither bills nor purchases by month {at}.")
    log = log[log["month"] <= at]
    recent = log[log["month"] > at - 12]
    each = recent.groupby("customer")["amount"].agg(["sum", "size"]).reindex(people.index).fillna(0.0)
    if contract:
        active = under_contract(source, at)
        gone = read_table(source, "departures")
        lost = int(((gone["month"] > at - 12) & (gone["month"] <= at)).sum()) if len(gone) else 0
        chance: Any = lost / max(len(recent), 1)
        if hazard is not None:
            chance = hazard.reindex(people.index).fillna(chance).to_numpy(dtype=float)
        kept = pd.Series(
            retention_value(np.ones(len(people)), 1 - chance, discount_rate=discount_rate, periods=months),
            index=people.index,
        ).where(active, 0.0)
        a_month: pd.Series = margin * each["sum"] / each["size"].where(each["size"] > 0, 1.0)
        current, expected = a_month * kept, kept
        paid = read_table(source, "payments")
        money = paid[paid["month"] <= at] if len(paid) else log
    else:
        seen, worth, price, rate, alive = _expected_spending(log, model, months, discount_rate, margin)
        by_customer = {"worth": worth, "expected": worth / (margin * price), "alive": alive}
        by_customer["a_month"] = margin * price * rate
        found = pd.DataFrame(by_customer, index=seen.index).reindex(people.index).fillna(0.0)
        current, expected, active = found["worth"], found["expected"], found["alive"]
        a_month, money = found["a_month"], _net(log, read_table(source, "return_lines"), at)
    young = people["joined_month"] > at - 12
    brought = int((young & (people["source"] == "referred")).sum())
    newcomer = float(current[young].mean()) if young.any() else 0.0
    bring = brought / max(len(recent), 1) * expected.to_numpy(dtype=float)
    referral = pd.Series(
        referral_value(bring, newcomer, acquisition_cost, otherwise=otherwise), index=people.index
    )
    past = historical_value(money, at=at, margin=margin).reindex(people.index).fillna(0.0)
    if isinstance(cross_sell, pd.Series):
        cross_sell = cross_sell.reindex(people.index).fillna(0.0)
    frame = value_parts(past, current, cross_sell, referral)
    return frame.assign(margin=a_month, active=active)


def _net(purchases: pd.DataFrame, back: pd.DataFrame, at: int) -> pd.DataFrame:
    """Purchases, and as amounts below 0 what came back and is not yet taken off them, up to a month."""
    import pandas as pd

    columns = ["customer", "month", "amount"]
    if len(back):
        back = back[(back["month"] <= at) & ~back["taken_off"].astype(bool)]
    if not len(back):
        return purchases
    return pd.concat([purchases[columns], back[columns].assign(amount=-back["amount"].astype(float))])


def _expected_spending(
    log: pd.DataFrame, model: str, months: int, discount_rate: float, margin: float
) -> tuple[pd.DataFrame, Floats, Floats, Floats, Floats]:
    """Summary, lifetime value, amount of a purchase, purchases a month and chance to be active of buyers."""
    from ..data.transactions import repeat_summary

    if model not in ("bgnbd", "pareto_nbd"):
        raise ValueError(f"model={model!r}: give 'bgnbd' or 'pareto_nbd'.")
    until = log["date"].max()
    log = log[log["amount"] >= 0]  # a return is no purchase
    seen = repeat_summary(log[["customer", "date", "amount"]], "M", until)
    x, last, age, money = (
        seen[name].to_numpy(dtype=float) for name in ("frequency", "recency", "T", "monetary_value")
    )
    buying = fit_bgnbd(x, last, age) if model == "bgnbd" else fit_pareto_nbd(x, last, age)
    priced = (x > 0) & (money > 0)
    amounts = fit_gamma_gamma(x[priced], money[priced])
    known = np.where(priced, money, amounts.mean)
    worth = clv(
        buying, amounts, x, last, age, known, months=months, discount_rate=discount_rate, margin=margin,
        unit="M",
    )  # fmt: skip
    price = amounts.conditional_expected_value(x, known)
    return seen, worth, price, (buying.r + x) / (buying.alpha + age), buying.probability_alive(x, last, age)


# --------------------------------------------------------------------------------------------------
# Markov chains


def transition_matrix(
    panel: pd.DataFrame,
    *,
    customer: str = "customer",
    period: str = "month",
    state: str = "state",
    states: Sequence[Hashable] | None = None,
) -> pd.DataFrame:
    """Share of customers who go from each state (row) to each (column) in one period; rows sum to 1.

    ``panel``: one row a customer and period; a customer's step counts where she is there in two periods that
    follow each other. ``states``: their order; those that occur, sorted, when left out. A state nobody was
    seen to leave keeps its customers. ``ValueError`` for missing columns, a customer twice in one period, or
    a state that is not in ``states``.
    """
    import pandas as pd

    _needs(panel, (customer, period, state), "panel")
    rows = panel[[customer, period, state]].sort_values([customer, period])
    twice = rows.duplicated([customer, period])
    if twice.any():
        who = rows.loc[twice].iloc[0]
        raise ValueError(f"customer {who[customer]} occurs twice in {period} {who[period]}.")
    order = list(states) if states is not None else sorted(rows[state].unique())
    code = pd.Index(order).get_indexer(pd.Index(rows[state]))
    if (code < 0).any():
        raise ValueError(f"the state {rows[state].iloc[int(np.argmax(code < 0))]!r} is not in states.")
    who_, when = rows[customer].to_numpy(), rows[period].to_numpy()
    step = (who_[1:] == who_[:-1]) & (when[1:] - when[:-1] == 1)
    counts = np.zeros((len(order), len(order)))
    np.add.at(counts, (code[:-1][step], code[1:][step]), 1)
    counts[counts.sum(axis=1) == 0] = np.eye(len(order))[counts.sum(axis=1) == 0]
    table = counts / counts.sum(axis=1, keepdims=True)
    return pd.DataFrame(table, index=pd.Index(order, name="from"), columns=pd.Index(order, name="to"))


def markov_clv(
    transition: Any, reward: npt.ArrayLike, *, discount_rate: float = 0.01, periods: int | None = None
) -> Floats:
    """Lifetime value of a customer in each state of a Markov chain, in money, shape ``(states,)``.

    ``transition``: square, rows sum to 1; ``reward``: money earned in a period spent in each state, costs
    deducted; the first counts in full, at the start. The sum of (P / (1 + d))^t R over t = 0, ...,
    ``periods``, or without end the inverse (I - P / (1 + d))^-1 R: Pfeifer & Carraway (2000), Modeling
    customer relationships as Markov chains, Journal of Interactive Marketing 14(2), 43-55. ``ValueError`` for
    a matrix that is not one of probabilities, or a rate of 0 without end.
    """
    step = np.asarray(transition, dtype=np.float64)
    money = np.asarray(reward, dtype=np.float64)
    if step.ndim != 2 or step.shape[0] != step.shape[1] or money.shape != step.shape[:1]:
        raise ValueError(f"transition {step.shape} must be square and reward {money.shape} one a state.")
    wrong = (step < 0).any(axis=1) | (np.abs(step.sum(axis=1) - 1) > 1e-8)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ValueError(f"row {row} of transition must hold probabilities that sum to 1.")
    _check_rate(discount_rate)
    step = step / (1 + discount_rate)
    if periods is None:
        if discount_rate <= 0:
            raise ValueError("Without an end the value needs a discount_rate above 0; or give periods.")
        return np.asarray(np.linalg.solve(np.eye(len(step)) - step, money), dtype=np.float64)
    value = money.copy()
    for _ in range(periods):
        value = money + step @ value
    return value


def recency_chain(
    purchase: Sequence[float], margin: float, contact_cost: float
) -> tuple[pd.DataFrame, pd.Series]:
    """The chain of Pfeifer & Carraway (2000) whose states are the periods since the last purchase.

    ``purchase``: chance to buy in the next period of a customer who last bought 1, 2, ... periods ago; after
    the last of them, without a purchase, she is a former customer for good. ``margin``: of a purchase;
    ``contact_cost``: of keeping in touch for a period, except with former customers. Gives the transition
    matrix and the reward of each state, for :func:`markov_clv`. ``ValueError`` for what is no probability.
    """
    import pandas as pd

    p = _column(purchase, "purchase")
    if p.ndim != 1 or not len(p) or (p > 1).any():
        raise ValueError("purchase needs a probability from 0 to 1 for each recency, such as (0.3, 0.2).")
    n = len(p)
    step = np.zeros((n + 1, n + 1))
    step[:n, 0] = p
    step[np.arange(n), np.arange(1, n + 1)] = 1 - p
    step[n, n] = 1
    names = pd.Index([*map(str, range(1, n + 1)), "former"], name="recency")
    reward = np.full(n + 1, -float(contact_cost))
    reward[0], reward[n] = margin - contact_cost, 0.0
    return pd.DataFrame(step, index=names, columns=names), pd.Series(reward, index=names, name="reward")


# --------------------------------------------------------------------------------------------------
# Customer equity


def customer_equity(
    values: pd.DataFrame,
    *,
    joining: float = 0.0,
    newcomer: float = 0.0,
    acquisition_cost: float = 0.0,
    discount_rate: float = 0.01,
    months: int | None = None,
) -> pd.DataFrame:
    """Customer equity (客户资产): what all present customers, and those to come, are still worth.

    ``values``: columns ``current`` and ``potential``, as :func:`customer_values` gives. ``joining``:
    customers won a month; ``newcomer``: expected value of one on joining; ``acquisition_cost``: of one;
    ``months``: how long customers keep joining, without end when left out. What was earned in the past is
    not equity. Rows ``current``, ``potential``, ``future``, ``total`` with ``amount`` (money), ``share``
    and ``customers``. Sums as in Blattberg, Getz & Thomas (2001), Customer Equity; Gupta, Lehmann & Stuart
    (2004), Valuing customers, Journal of Marketing Research 41(1), 7-18. ``ValueError`` for missing
    columns, an impossible rate, and joining without end undiscounted.
    """
    import pandas as pd

    _needs(values, ("current", "potential"), "values")
    _check_rate(discount_rate)
    if months is None and joining and discount_rate <= 0:
        raise ValueError("Customers who join without end need a discount_rate above 0; or give months.")
    q = 1 / (1 + discount_rate)
    times = q / (1 - q) if months is None and joining else float(np.sum(q ** np.arange(1, (months or 0) + 1)))
    current, potential = float(values["current"].sum()), float(values["potential"].sum())
    future = joining * (newcomer - acquisition_cost) * times
    amount = np.array([current, potential, future])
    n = int((values["current"] > 0).sum())
    return pd.DataFrame(
        {
            "amount": [*amount, amount.sum()],
            "share": [*(amount / amount.sum()), 1.0] if amount.sum() else math.nan,
            "customers": [
                n,
                int((values["potential"] > 0).sum()),
                joining * months if months else math.nan,
                n,
            ],
        },
        index=pd.Index(["current", "potential", "future", "total"], name="part"),
    )


ROADS = {"acquisition": "开发新客户", "expansion": "交叉与提升销售", "retention": "延长客户生命周期"}


@dataclass(frozen=True, repr=False)
class EquityChange:
    """A change of customer equity by the three roads to profit (赢利三条路).

    ``table``: one row a part, columns ``road`` (acquisition, expansion, retention), ``chinese``, ``part``
    (won, cost, margin, lost, lifetime), ``customers``, ``amount``. ``before`` + the amounts = ``after``, but
    for the acquisition cost, which is spent and not in ``after``.
    """

    before: float
    after: float
    table: pd.DataFrame

    @property
    def roads(self) -> pd.Series:
        """Amount by road, in money."""
        return self.table.groupby("road", sort=False)["amount"].sum()

    def __repr__(self) -> str:
        roads = ", ".join(f"{road} {amount:+,.0f}" for road, amount in self.roads.items())
        return f"EquityChange({self.before:,.0f} to {self.after:,.0f}: {roads})"


def equity_change(
    before: pd.DataFrame | pd.Series,
    after: pd.DataFrame | pd.Series,
    *,
    value: str = "current",
    margin: str = "margin",
    acquisition_cost: float = 0.0,
) -> EquityChange:
    """Where a change of customer equity came from: customers won, margins, and staying (赢利三条路).

    ``before`` and ``after``: values ahead by customer at two times, as :func:`customer_values` gives, or one
    series each; a customer with a value of 0, or missing, is not there. A customer there only after was won
    (acquisition), one there only before was lost (retention). For those there both times the value is margin
    a month times how many such months are expected; its change is parted into that of the margin (expansion)
    and that of the months (retention), each at the mean of the other before and after, so that nothing is
    left over (Shapley value of two factors). Without a column ``margin``, or with a margin of 0 at one of the
    times, it is all expansion. ``acquisition_cost``: money for one customer won, deducted from acquisition.

    ``ValueError`` for missing columns, negative values, or a customer twice.
    """
    import pandas as pd

    sides = []
    for name, side in (("before", before), ("after", after)):
        frame = side.to_frame(value) if isinstance(side, pd.Series) else side
        _needs(frame, (value,), name)
        if frame.index.duplicated().any():
            raise ValueError(f"{name}: customer {frame.index[frame.index.duplicated()][0]} occurs twice.")
        if (frame[value] < 0).any() or frame[value].isna().any():
            raise ValueError(f"{name}: {value} must be 0 or more for every customer.")
        sides.append(frame)
    everyone = sides[0].index.union(sides[1].index)
    v0, v1 = (side[value].reindex(everyone).fillna(0.0).to_numpy(dtype=float) for side in sides)
    m0, m1 = (
        side[margin].reindex(everyone).fillna(0.0).to_numpy(dtype=float)
        if margin in side
        else np.zeros(len(everyone))
        for side in sides
    )
    won, lost, stayed = (v0 == 0) & (v1 > 0), (v0 > 0) & (v1 == 0), (v0 > 0) & (v1 > 0)
    both = stayed & (m0 > 0) & (m1 > 0)
    k0, k1 = (np.divide(v, m, out=np.zeros_like(v), where=both) for v, m in ((v0, m0), (v1, m1)))
    by_margin = np.where(both, (m1 - m0) * (k0 + k1) / 2, np.where(stayed, v1 - v0, 0.0))
    by_life = np.where(both, (k1 - k0) * (m0 + m1) / 2, 0.0)
    rows = [
        ("acquisition", "won", won.sum(), v1[won].sum()),
        ("acquisition", "cost", won.sum(), -acquisition_cost * won.sum()),
        ("expansion", "margin", stayed.sum(), by_margin.sum()),
        ("retention", "lost", lost.sum(), -v0[lost].sum()),
        ("retention", "lifetime", both.sum(), by_life.sum()),
    ]
    table = pd.DataFrame(
        [(road, ROADS[road], part, int(n), float(x)) for road, part, n, x in rows if part != "cost" or x],
        columns=["road", "chinese", "part", "customers", "amount"],
    )
    return EquityChange(float(v0.sum()), float(v1.sum()), table)
