"""Random numbers as pure functions: the published generator, no order, no dependence, no collision.

The statistical tests use fixed keys. With n = 2**18 pairs a chi-square test on 16 x 16 cells (255
degrees of freedom, sd 22.6) finds a departure of the cell probabilities of 2.5 % root mean square
(n x 0.025**2 = 164, seven sd); the correlation test finds 0.012 (six standard errors of 2**-9).
"""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from crmsim.simulation.columns import BLOCK, STRIDE
from crmsim.simulation.compile import PARAMETER_INDEX, PARAMETERS, callable_of
from crmsim.simulation.customers import COHORT, REFERRED
from crmsim.simulation.draws import WORLD, Key, Purpose, make_key, normal, philox, uniform, unit
from crmsim.simulation.scenario import MAX_TOUCHPOINTS

# Random123 (Salmon, Moraes, Dror & Shaw 2011), file kat_vectors, philox4x32 with 10 rounds.
PUBLISHED = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]

WORDS = st.integers(0, 2**32 - 1)


def words(text):
    return [np.uint64(int(word, 16)) for word in text.split()]


def reference(counter, key):
    """Philox4x32-10 written anew, with Python's unbounded whole numbers."""
    c, k = list(counter), list(key)
    for _ in range(10):
        a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(b >> 32) ^ c[1] ^ k[0], b & 0xFFFFFFFF, (a >> 32) ^ c[3] ^ k[1], a & 0xFFFFFFFF]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c


# -- the published generator -----------------------------------------------------------------------


@pytest.mark.parametrize(("counter", "key", "answer"), PUBLISHED)
def test_philox_gives_the_published_answers(counter, key, answer):
    assert reference(words(counter), words(key)) == words(answer)
    assert list(philox(*words(counter), *words(key))) == words(answer)
    assert list(callable_of("philox")(*words(counter), *words(key))) == words(answer)


@given(st.tuples(WORDS, WORDS, WORDS, WORDS), st.tuples(WORDS, WORDS))
def test_philox_is_the_published_function_everywhere(counter, key):
    given_words = [np.uint64(w) for w in (*counter, *key)]
    assert [int(w) for w in philox(*given_words)] == reference(counter, key)


def test_a_unit_is_never_0_or_1_and_exact():
    """A normal number at 0 or 1 would be infinite, a waiting time at 1 as well."""
    for word, number in ((0, 2**-24), (0xFFFFFFFF, 1 - 2**-24), (1 << 31, 0.5 + 2**-24)):
        assert float(unit(np.uint64(word))) == number
        assert float(callable_of("unit")(np.uint64(word))) == number


def test_uniform_is_what_the_compiled_month_draws():
    """Every lane, four purposes of a group, for ids beyond 32 bits."""
    key = Key(20_240_607, 3)
    ids = np.concatenate([np.arange(1000), 57 * COHORT + REFERRED + np.arange(24)]).astype(np.uint64)
    values = np.zeros(len(PARAMETERS), dtype=np.float32)
    values[PARAMETER_INDEX["month"]] = 57
    u = np.zeros(4 * STRIDE, dtype=np.float32)
    for group in (0, 4, Purpose.TOUCHPOINT // 4 + 5):
        callable_of("draw")(u, ids, BLOCK, np.uint64(group), values, np.array(key, dtype=np.uint64))
        for j in range(4):
            drawn = u[j * STRIDE : j * STRIDE + BLOCK].astype(float)
            assert np.array_equal(drawn, uniform(key, 4 * group + j, ids, 57))


# -- no order, no neighbours -----------------------------------------------------------------------


def test_a_number_does_not_depend_on_what_else_is_asked():
    key = make_key(11, 2)
    ids = np.arange(500) * 7919
    whole = uniform(key, Purpose.SPEND, ids, 31)
    backwards = uniform(key, Purpose.SPEND, ids[::-1], 31)[::-1]
    chunks = np.concatenate([uniform(key, Purpose.SPEND, part, 31) for part in np.array_split(ids, 7)])
    some = uniform(key, Purpose.SPEND, ids[17::29], 31)
    alone = [uniform(key, Purpose.SPEND, int(i), 31) for i in ids]
    assert np.array_equal(whole, backwards)
    assert np.array_equal(whole, chunks)
    assert np.array_equal(whole[17::29], some)
    assert whole.tolist() == alone
    assert all(isinstance(number, float) for number in alone)


def test_customers_months_and_purposes_broadcast():
    key = make_key(5)
    ids, months, purposes = np.arange(4), np.arange(3), np.arange(6)
    cube = uniform(key, purposes[:, None, None], ids[:, None], months)
    assert cube.shape == (6, 4, 3)
    for p, i, m in itertools.product(range(6), range(4), range(3)):
        assert cube[p, i, m] == uniform(key, p, i, m)
    assert len(np.unique(cube)) == cube.size


def test_a_scalar_normal_is_a_float_and_fits_its_uniform():
    key = make_key(5)
    assert normal(key, Purpose.DEMAND_SHOCK, WORLD, 3) == stats.norm.ppf(
        uniform(key, Purpose.DEMAND_SHOCK, WORLD, 3)
    )
    assert normal(key, 0, np.arange(3), 3).shape == (3,)


# -- independence ----------------------------------------------------------------------------------

N = 1 << 18
IDS = np.arange(N)
BASE = make_key(1)
A = (BASE, Purpose.ENCOUNTER, IDS, 0)
PAIRS = {
    "next customer": (A, (BASE, Purpose.ENCOUNTER, IDS + 1, 0)),
    "same number in the next cohort": (A, (BASE, Purpose.ENCOUNTER, IDS + COHORT, 0)),
    "next month": (A, (BASE, Purpose.ENCOUNTER, IDS, 1)),
    "a year later": (A, (BASE, Purpose.ENCOUNTER, IDS, 12)),
    "next purpose, same block": (A, (BASE, Purpose.LEAVE_NATURAL, IDS, 0)),
    "third purpose, same block": (A, (BASE, Purpose.LEAVE_COMPETITIVE, IDS, 0)),
    "same place in the next block": (A, (BASE, Purpose.PAYMENT_FAILS, IDS, 0)),
    "next seed": (A, (make_key(2), Purpose.ENCOUNTER, IDS, 0)),
    "a distant seed": (A, (make_key(1 << 31), Purpose.ENCOUNTER, IDS, 0)),
    "next replication": (A, (make_key(1, 1), Purpose.ENCOUNTER, IDS, 0)),
    "seed and replication swapped": (
        (make_key(7, 3), Purpose.ENCOUNTER, IDS, 0),
        (make_key(3, 7), Purpose.ENCOUNTER, IDS, 0),
    ),
    "customer and month swapped": (
        (BASE, Purpose.ENCOUNTER, IDS // 512, IDS % 512 + 600),
        (BASE, Purpose.ENCOUNTER, IDS % 512 + 600, IDS // 512),
    ),
    "one customer's months": (
        (BASE, Purpose.ENCOUNTER, 7, IDS),
        (BASE, Purpose.ENCOUNTER, 7, IDS + 1),
    ),
    "touchpoints of a month": (
        (BASE, Purpose.TOUCHPOINT, IDS, 4),
        (BASE, Purpose.TOUCHPOINT + 1, IDS, 4),
    ),
}


@pytest.mark.parametrize("pair", PAIRS)
def test_two_different_draws_are_independent(pair):
    first, second = (uniform(*draw) for draw in PAIRS[pair])
    cells = np.histogram2d(first, second, bins=16, range=((0, 1), (0, 1)))[0]
    assert stats.chisquare(cells, axis=None).pvalue > 1e-5
    assert abs(np.corrcoef(first, second)[0, 1]) < 6 / np.sqrt(N)
    # Large and small together: what matters to rare events such as leaving.
    expected = N * 0.01**2
    for tail in ((first < 0.01) & (second < 0.01), (first > 0.99) & (second < 0.01)):
        assert abs(np.count_nonzero(tail) - expected) < 5 * np.sqrt(expected)


@pytest.mark.parametrize("pair", ["next customer", "one customer's months", "customer and month swapped"])
def test_draws_are_uniform(pair):
    numbers = uniform(*PAIRS[pair][0])
    assert stats.kstest(numbers, "uniform").pvalue > 1e-4
    counts = np.bincount((numbers * 1024).astype(int), minlength=1024)
    assert stats.chisquare(counts).pvalue > 1e-4
    # The lowest bits as well: the 8,388,608 cells are used evenly.
    low = np.bincount((numbers * 2**23).astype(int) % 256, minlength=256)
    assert stats.chisquare(low).pvalue > 1e-4


def test_sums_over_months_spread_as_independent_numbers_do():
    """Variance of a customer's mean over 256 months: ratio to 1/12/256 within 6 standard errors."""
    numbers = uniform(BASE, Purpose.ENCOUNTER, np.arange(2048)[:, None], np.arange(256))
    for axis in (0, 1):
        means = numbers.mean(axis=axis)
        ratio = means.var() * 12 * numbers.shape[axis]
        assert abs(ratio - 1) < 6 * np.sqrt(2 / means.size)


# -- purposes --------------------------------------------------------------------------------------


def test_no_two_decisions_share_a_number():
    """Single purposes, twelve touchpoints and as many purchases as a month can hold."""
    ranges = {
        Purpose.TOUCHPOINT: MAX_TOUCHPOINTS,
        Purpose.SEVERITY: MAX_TOUCHPOINTS,
        Purpose.PURCHASE_DAY: 100_000,
        Purpose.PURCHASE_PART: 100_000,
    }
    taken = [range(p, p + ranges.get(p, 1)) for p in Purpose]
    assert len(Purpose) == len(Purpose.__members__)  # an alias is a number used twice
    for one, other in itertools.pairwise(sorted(taken, key=lambda r: r.start)):
        assert one.stop <= other.start, (Purpose(one.start), Purpose(other.start))


def test_purposes_a_customer_is_born_with_differ_from_the_monthly_ones():
    """Births draw with month 0, so a birth and a first month must not share a block of four."""
    born = {p // 4 for p in Purpose if Purpose.FIT <= p <= Purpose.DROPOUT_RATE}
    monthly = {p // 4 for p in Purpose if not Purpose.FIT <= p <= Purpose.DROPOUT_RATE}
    assert not born & monthly


def test_the_world_is_no_customer():
    last = 600 * COHORT + REFERRED + REFERRED - 1
    assert last < WORLD
    assert uniform(BASE, Purpose.ARRIVALS, WORLD, 3) != uniform(BASE, Purpose.ARRIVALS, 0, 3)


# -- bad keys --------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [-1, 1 << 32, 1.0, "1", True, None, np.float64(3)])
def test_a_bad_seed_is_refused_by_name(bad):
    with pytest.raises(ValueError, match=r"^seed must be"):
        make_key(bad)
    with pytest.raises(ValueError, match=r"^replication must be"):
        make_key(1, bad)


def test_seeds_at_the_edges_and_of_numpy_are_taken():
    assert make_key(0, (1 << 32) - 1) == Key(0, (1 << 32) - 1)
    assert type(make_key(np.int64(5)).seed) is int
