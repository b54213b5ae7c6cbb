"""The functions rules may use: in double precision against SciPy, in single against double.

`interpreted` holds the generated module run without numba; it must give the compiled one's bits.
"""

import math
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from crmsim.simulation import numeric
from crmsim.simulation.compile import callable_of, generate

UNITS = (np.unique(np.concatenate([
    np.arange(500), 2**23 - 1 - np.arange(500), np.random.default_rng(1).integers(0, 2**23, 6000),
])) + 0.5) * 2.0**-23  # fmt: skip


@pytest.fixture(scope="module")
def interpreted():
    """The generated module as a start without numba makes it."""
    saved = sys.modules.get("numba")
    sys.modules["numba"] = None  # an import of it fails
    names = {"__name__": "interpreted"}
    try:
        exec(compile(generate(), "interpreted", "exec"), names)
    finally:
        if saved is None:
            del sys.modules["numba"]
        else:
            sys.modules["numba"] = saved
    assert not hasattr(names["exp"], "py_func")
    return names


def both(interpreted, name, *columns):
    """The compiled results, after a check that the interpreted ones have the same bits."""
    rows = list(zip(*(np.asarray(c, dtype=np.float32) for c in columns), strict=True))
    compiled = np.array([callable_of(name)(*row) for row in rows])
    plain = np.array([interpreted[name](*row) for row in rows], dtype=np.float64)
    assert np.array_equal(compiled, plain)
    return compiled


def single(x):
    """x rounded to single precision, held in double."""
    return np.asarray(x, dtype=np.float32).astype(np.float64)


# -- single precision ------------------------------------------------------------------------------


def test_exp_errs_by_8e_8_of_its_value(interpreted):
    x = single(np.linspace(-86.9, 87.9, 8001))
    assert np.abs(both(interpreted, "exp", x) / np.exp(x) - 1).max() < 8e-8
    near = single(np.linspace(-1e-3, 1e-3, 501))
    assert np.abs(both(interpreted, "exp", near) - np.exp(near)).max() < 8e-8


def test_exp_holds_its_argument_within_single_precision(interpreted):
    far = both(interpreted, "exp", [-1e30, -88, -87, 88, 89, 1e30])
    assert np.all(np.isfinite(far))
    assert np.all(far > 0)
    assert far[0] == far[1] == far[2]
    assert far[3] == far[4] == far[5]


def test_log_errs_by_1e_7_of_the_larger_of_1_and_its_value(interpreted):
    x = single(np.concatenate([np.exp(np.linspace(-80, 80, 8001)), np.linspace(0.5, 2, 2001)]))
    true = np.log(x)
    assert (np.abs(both(interpreted, "log", x) - true) / np.maximum(1, np.abs(true))).max() < 1e-7


def test_log_of_nothing_is_finite(interpreted):
    assert np.all(both(interpreted, "log", [0.0, -1.0, 1e-40]) < -85)


def test_logistic_errs_by_1e_7(interpreted):
    x = single(np.linspace(-100, 100, 4001))
    assert np.abs(both(interpreted, "logistic", x) - special.expit(x)).max() < 1e-7


def test_normal_errs_by_3e_7_of_its_value(interpreted):
    """Over every kind of u a draw can give, the outermost included; largest absolute error 1e-6."""
    true = special.ndtri(UNITS)
    error = np.abs(both(interpreted, "normal", UNITS) - true)
    assert (error / np.maximum(np.abs(true), 0.01)).max() < 3e-7
    assert error.max() < 1e-6


def test_clip_is_numpys(interpreted):
    x = single(np.linspace(-20, 120, 141))
    assert np.array_equal(
        both(interpreted, "clip", x, np.zeros_like(x), np.full_like(x, 100)), np.clip(x, 0, 100)
    )


def test_poisson_is_the_exact_quantile_up_to_a_mean_of_60(interpreted):
    """It may differ only where u lies within 2e-6 of a step of the distribution."""
    rng = np.random.default_rng(2)
    u = single(rng.choice(UNITS, 6000))
    mean = single(np.concatenate([rng.uniform(0, 3, 3000), rng.uniform(0, 60, 3000)]))
    count, exact = both(interpreted, "poisson", u, mean), stats.poisson.ppf(u, mean)
    different = count != exact
    below = np.minimum(count, exact)[different]
    above = np.maximum(count, exact)[different] - 1
    for step in (below, above):
        assert np.all(np.abs(stats.poisson.cdf(step, mean[different]) - u[different]) < 2e-6)
    inner = (u > 1e-4) & (u < 1 - 1e-4)
    assert np.count_nonzero(different & inner) <= 2


def test_poisson_ends_at_the_last_u(interpreted):
    """Rounded probabilities may sum to less than the largest u; the count must stay sensible."""
    mean = single(np.linspace(0.01, 60, 700))
    for u in UNITS[-3:]:
        count = both(interpreted, "poisson", np.full_like(mean, u), mean)
        assert np.all(count <= stats.poisson.ppf(1 - 1e-9, mean) + 1)
        assert np.all(count >= stats.poisson.ppf(1 - 2e-6, mean))


def test_poisson_above_60_is_the_rounded_normal(interpreted):
    """Mean and variance within 1 %, and never below zero."""
    u = (np.arange(4000) + 0.5) / 4000
    for mean in (61.0, 200.0, 3000.0):
        count = both(interpreted, "poisson", u, np.full_like(u, mean))
        assert abs(count.mean() / mean - 1) < 0.01
        assert abs(count.var() / mean - 1) < 0.01
        assert count.min() >= 0


def test_poisson_of_mean_zero_is_zero(interpreted):
    assert not both(interpreted, "poisson", UNITS[-5:], np.zeros(5)).any()


# -- double precision, as the trace and the SimPy process use it -------------------------------------


@pytest.mark.parametrize(
    ("name", "exact", "low", "high"),
    [
        ("exp", np.exp, -87, 88),
        ("log", np.log, 1e-30, 1e6),
        ("logistic", special.expit, -80, 80),
        ("normal", special.ndtri, 2**-24, 1 - 2**-24),
    ],
)
def test_double_precision_agrees_with_scipy(name, exact, low, high):
    for x in np.linspace(low, high, 301):
        assert getattr(numeric, name)(float(x)) == pytest.approx(exact(x), rel=1e-9, abs=1e-12)


@given(st.floats(-1e6, 1e6), st.floats(-1e3, 1e3), st.floats(0, 1e3))
def test_clip_holds_within_its_bounds(x, low, width):
    held = numeric.clip(x, low, low + width)
    assert low <= held <= low + width
    assert held == x or not low < x < low + width


@given(st.floats(2**-24, 1 - 2**-24), st.floats(0, 60))
def test_double_poisson_is_scipys(u, mean):
    count = numeric.poisson(u, mean)
    assert stats.poisson.cdf(count, mean) >= u - 1e-8
    assert count == 0 or stats.poisson.cdf(count - 1, mean) <= u + 1e-12


@pytest.fixture(scope="module")
def poisson():
    """The single-precision count, compiled before anything is timed."""
    count = callable_of("poisson")
    count(np.float32(0.5), np.float32(1))
    return count


@given(u=st.floats(1e-6, 1 - 1e-6), mean=st.floats(60.1, 5000))
def test_double_and_single_count_alike_above_60(poisson, u, mean):
    u, mean = float(np.float32(u)), float(np.float32(mean))
    assert abs(numeric.poisson(u, mean) - poisson(np.float32(u), np.float32(mean))) <= 1


@pytest.mark.parametrize("x", [-math.inf, -1e300, 1e300, math.inf])
def test_double_exp_and_log_never_overflow(x):
    assert math.isfinite(numeric.exp(x))
    assert math.isfinite(numeric.log(max(x, 0.0)) if x < math.inf else 0.0)
