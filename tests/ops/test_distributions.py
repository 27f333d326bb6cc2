"""Random numbers of other distributions: exact where they are exact, moments where they are not, and mistakes."""

import math
from statistics import NormalDist

import numpy as np
import pytest

import tinygrad_lstm as tl
from tinygrad_lstm.errors import DTypeError, ShapeError, UsageError
from tinygrad_lstm.functions.quantile import normal_quantile

KEY = tl.random.key(99)
NORMAL = NormalDist()


def test_quantiles_of_the_normal_distribution() -> None:
    p = np.array([1e-300, 1e-20, 1e-12, 1e-5, 0.01, 0.0749, 0.0751, 0.3, 0.5, 0.7, 0.9249, 0.9251, 0.999, 1 - 1e-12])
    wanted = [NORMAL.inv_cdf(x) for x in p]
    np.testing.assert_allclose(normal_quantile(tl.tensor(p)).numpy(), wanted, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("dtype", [tl.float16, tl.float32, tl.float64])
@pytest.mark.parametrize(
    ("low", "high"), [(-2.0, 2.0), (-1.0, 3.0), (0.5, 0.6), (3.0, 9.0), (-math.inf, -5.0), (-1.0, math.inf)]
)
def test_truncated_normal(dtype, low: float, high: float) -> None:
    x = tl.random.truncated_normal(KEY, 20_000, low, high, dtype=dtype).numpy().astype(float)
    rounding = 2e-3 * max(abs(b) for b in (low, high) if math.isfinite(b)) if dtype is tl.float16 else 1e-6
    assert np.isfinite(x).all()
    assert low - rounding <= x.min()
    assert x.max() <= high + rounding

    def density(b: float) -> float:
        return NORMAL.pdf(b) if math.isfinite(b) else 0.0

    total = 0.5 * (math.erfc(low / math.sqrt(2)) - math.erfc(high / math.sqrt(2)))
    mean = (density(low) - density(high)) / total
    moments = [b * density(b) if math.isfinite(b) else 0.0 for b in (low, high)]
    variance = 1 + (moments[0] - moments[1]) / total - mean**2
    assert x.mean() == pytest.approx(mean, abs=5 * math.sqrt(variance / 20_000) + rounding)
    assert x.var() == pytest.approx(variance, rel=0.06, abs=rounding)


def test_truncated_normal_of_another_mean() -> None:
    x = tl.random.truncated_normal(KEY, (100, 100), mean=5.0, std=0.5).numpy()
    assert x.dtype == np.float32
    assert 4.0 <= x.min() < 4.01
    assert 5.99 < x.max() <= 6.0
    assert x.std() == pytest.approx(0.5 * 0.8796, rel=0.02)


def test_bernoulli() -> None:
    x = tl.random.bernoulli(KEY, 0.3, (100, 200))
    assert x.dtype is tl.bool_
    assert x.numpy().mean() == pytest.approx(0.3, abs=0.015)
    rows = tl.random.bernoulli(KEY, [[0.0], [0.5], [1.0]], (3, 4000)).numpy()
    assert not rows[0].any()
    assert rows[2].all()
    assert rows[1].mean() == pytest.approx(0.5, abs=0.04)
    assert tl.random.bernoulli(KEY, 1, 3).tolist() == [True] * 3
    assert tl.random.bernoulli(KEY, tl.tensor(np.full(3, 0.25))).shape == (3,)
    assert tl.random.bernoulli(KEY, 0.5, (0,)).shape == (0,)


@pytest.mark.parametrize("dtype", [tl.int32, tl.int64, tl.uint32])
def test_randint(dtype) -> None:
    x = tl.random.randint(KEY, (60, 1000), 3, 10, dtype)
    assert x.dtype is dtype
    counts = np.bincount(x.numpy().ravel())
    assert counts[:3].tolist() == [0] * 3
    assert len(counts) == 10
    expected = 60_000 / 7
    # χ² with 6 degrees of freedom exceeds 33 once in 100,000 draws.
    assert ((counts[3:] - expected) ** 2 / expected).sum() < 33


def test_randint_at_the_edges() -> None:
    assert tl.random.randint(KEY, 100, 5, 6).tolist() == [5] * 100
    x = tl.random.randint(KEY, 10_000, -(2**31), 2**31, tl.int32).numpy().astype(float)
    assert x.min() < -(2**31) * 0.999
    assert x.max() > 2**31 * 0.999
    assert abs(x.mean()) < 2**31 * 0.03
    assert tl.random.randint(KEY, 4, 2**62, 2**62 + 2).numpy().min() >= 2**62
    # The largest draw, 1 − 2⁻⁵³, stays below the upper bound for each width.
    widths = np.array([1, 2, 3, 5, 7, 2**31 - 1, 2**31, 2**32 - 1, 2**32], np.float64)
    assert ((1 - 2.0**-53) * widths < widths).all()


def test_permutation() -> None:
    order = tl.random.permutation(KEY, 100)
    assert order.dtype is tl.int64
    assert sorted(order.tolist()) == list(range(100))
    assert order.tolist() != list(range(100))
    counts = np.zeros((4, 4))
    for k in range(800):
        counts[np.arange(4), tl.random.permutation(tl.random.key(k), 4).numpy()] += 1
    assert (np.abs(counts - 200) < 5 * math.sqrt(200 * 0.75)).all()
    x = np.arange(12.0).reshape(3, 4)
    for axis in (0, 1, -1):
        y = tl.random.permutation(KEY, x, axis).numpy()
        order = tl.random.permutation(KEY, x.shape[axis]).numpy()
        np.testing.assert_array_equal(y, np.take(x, order, axis))
    assert tl.random.permutation(KEY, 0).shape == (0,)
    v = tl.symbol("v", 3)
    assert tl.gradients(tl.random.permutation(KEY, v), v).evaluate({v: [1.0, 2.0, 3.0]}).tolist() == [1.0] * 3


@pytest.mark.parametrize("dtype", [tl.float16, tl.float32, tl.float64])
def test_categorical(dtype) -> None:
    p = np.array([[0.1, 0.2, 0.7], [0.5, 0.0, 0.5]])
    with np.errstate(divide="ignore"):
        logits = tl.tensor(np.log(p).astype(dtype.name)) + 3.0
    x = tl.random.categorical(KEY, logits, 20_000)
    assert x.dtype is tl.int64
    assert x.shape == (20_000, 2)
    for row, wanted in zip(x.numpy().T, p, strict=True):
        np.testing.assert_allclose(np.bincount(row, minlength=3) / 20_000, wanted, atol=0.015)
    assert 1 not in x.numpy()[:, 1]
    assert tl.random.categorical(KEY, logits).shape == (2,)
    assert tl.random.categorical(KEY, logits, (4, 5)).shape == (4, 5, 2)
    assert tl.random.categorical(KEY, [0]).item() == 0


def test_one_key_gives_one_draw_and_loops_draw_new_ones() -> None:
    draws = {
        "truncated_normal": lambda key: tl.random.truncated_normal(key, 3),
        "bernoulli": lambda key: tl.random.bernoulli(key, 0.5, 64),
        "randint": lambda key: tl.random.randint(key, 3, 0, 1000),
        "permutation": lambda key: tl.random.permutation(key, 20),
        "categorical": lambda key: tl.random.categorical(key, tl.zeros(50), 5),
    }
    for name, f in draws.items():
        assert f(KEY).tolist() == f(tl.random.key(99)).tolist(), name
        assert f(KEY).tolist() != f(tl.random.key(98)).tolist(), name
        keys = tl.stack(tl.random.split(KEY, 3))
        _, rows = tl.scan(lambda c, k, f=f: (c, f(k)), 0.0, keys)
        assert rows.tolist() == [f(k).tolist() for k in tl.random.split(KEY, 3)], name


def test_mistakes() -> None:
    with pytest.raises(UsageError, match="low is less than high, got 1 and 1"):
        tl.random.truncated_normal(KEY, 3, 1, 1)
    with pytest.raises(UsageError, match="choose bounds nearer to 0"):
        tl.random.truncated_normal(KEY, 3, 50.0, 51.0)
    with pytest.raises(DTypeError, match="gives floats, not int32"):
        tl.random.truncated_normal(KEY, 3, dtype=tl.int32)
    with pytest.raises(ShapeError, match=r"shapes \[2\] and \[3\] do not broadcast"):
        tl.random.bernoulli(KEY, [0.5, 0.5], 3)
    with pytest.raises(DTypeError, match="gives integers, not float32"):
        tl.random.randint(KEY, 3, 0, 2, tl.float32)
    with pytest.raises(UsageError, match=r"the bounds are integers, not 0.5"):
        tl.random.randint(KEY, 3, 0.5, 2)
    with pytest.raises(UsageError, match=r"by 2\*\*32 at most; got 3 and 3"):
        tl.random.randint(KEY, 3, 3, 3)
    with pytest.raises(UsageError, match=r"got 0 and 4294967297"):
        tl.random.randint(KEY, 3, 0, 2**32 + 1)
    with pytest.raises(DTypeError, match="-1 does not fit into uint32"):
        tl.random.randint(KEY, 3, -1, 2, tl.uint32)
    with pytest.raises(UsageError, match="a count is an integer of at least 0, not -1"):
        tl.random.permutation(KEY, -1)
    with pytest.raises(ShapeError, match="has no axis to permute; for a range give a plain integer"):
        tl.random.permutation(KEY, tl.tensor(3))
    for wrong in (1.0, tl.zeros((2, 0))):
        with pytest.raises(ShapeError, match="the last axis holds the choices"):
            tl.random.categorical(KEY, wrong)
