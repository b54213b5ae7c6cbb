"""Customer value models: BG/NBD, gamma-gamma, shifted beta-geometric, and the lifetime value they give.

Each ``fit_...`` function takes plain columns (what ``crmsim.data.transactions.repeat_summary`` returns, or
any array) and gives a frozen model with its parameters, standard errors and log-likelihood. A model can
also be written down with known parameters, ``BGNBD(r=0.24, alpha=4.4, a=0.8, b=2.4)``, and asked the same
questions.

Times are in whatever unit recency and T are in (weeks, say); ``alpha`` and every ``t`` are in that unit too.

Sources, named again at each formula:

- FHL 2005: Fader, Hardie & Lee, "Counting your customers" the easy way, Marketing Science 24(2), 275-284;
- FHL 2008: Fader, Hardie & Lee, Computing P(alive) using the BG/NBD model, note;
- FH 2007: Fader & Hardie, How to project customer retention, Journal of Interactive Marketing 21(1), 76-90;
- FH 2013: Fader & Hardie, The gamma-gamma model of monetary value, note, brucehardie.com/notes/025.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BGNBD", "SBG", "GammaGamma", "clv", "fit_bgnbd", "fit_gamma_gamma", "fit_sbg"]

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
        equation (8).
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
        """
        x = _whole(frequency, "frequency")
        money = np.asarray(monetary_value, dtype=np.float64)
        x, money = _together(frequency=x, monetary_value=money)
        money = _column(np.where(x > 0, money, 0.0), "monetary_value")
        below = self.p * x + self.q - 1
        with np.errstate(divide="ignore"):
            value = self.p * (self.gamma + x * money) / np.maximum(below, 0.0)
        return _answer(value)


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
        """Share still there after ``t`` whole periods (1 at t = 0): B(a, b + t) / B(a, b), FH 2007."""
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
    bgnbd: BGNBD,
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

    The purchases expected in each month (``bgnbd``), discounted from the month's end at ``discount_rate`` a
    month, times the amount expected of one (``gamma_gamma``) and the contribution ``margin`` (share of the
    amount). One value a customer; what she spent before ``T`` is not in it. ``unit``: that of recency, T
    and the model, days, weeks or months. Combining the two models so follows Fader, Hardie & Lee (2005),
    RFM and CLV, Journal of Marketing Research 42(4), 415-430. ``ValueError`` for columns as in the models
    and for impossible settings.
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
