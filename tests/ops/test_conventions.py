"""Derivatives where there is more than one answer, and values at the ends of the range."""

import math

import numpy as np
import pytest

import tinygrad_lstm as tl


def slope(f, at: float, order: int = 1) -> float:
    x = tl.symbol("x", (), tl.float64)
    y = f(x)
    for _ in range(order):
        y = tl.gradients(y, x)
    return y.evaluate({x: at}).item()


@pytest.mark.parametrize(
    ("f", "at", "wanted"),
    [
        (tl.abs, 0.0, 0.0),
        (tl.relu, 0.0, 0.0),
        (tl.sign, 2.0, 0.0),
        (tl.sqrt, 0.0, math.inf),
        (tl.log, 0.0, math.inf),
        (lambda x: tl.maximum(x, 1), 1.0, 0.5),
        (lambda x: tl.minimum(1, x), 1.0, 0.5),
        (lambda x: tl.maximum(x, x), 1.0, 1.0),
        (lambda x: tl.max(tl.stack([x, x * 1, x - 1])), 1.0, 1.0),
        (lambda x: x**2, 0.0, 0.0),
        (lambda x: x**1, 0.0, 1.0),
        (lambda x: x**0, 0.0, 0.0),
        (lambda x: 2.0**x, 0.0, math.log(2)),
        (lambda x: 0.0**x, 2.0, 0.0),
        (lambda x: x**3, -2.0, 12.0),
        (tl.sigmoid, 800.0, 0.0),
        (tl.sigmoid, -800.0, 0.0),
        (tl.softplus, 800.0, 1.0),
        (tl.softplus, -800.0, 0.0),
        (tl.tanh, 30.0, 0.0),
        (lambda x: tl.logsumexp(tl.stack([x, x * 0 - math.inf])), 3.0, 1.0),
        (lambda x: tl.where(x > 0, x, tl.sqrt(tl.where(x > 0, 1, -x))), 4.0, 1.0),
        (lambda x: x.astype(tl.int32).astype(tl.float64) * x, 2.5, 2.0),
        (lambda x: x * tl.stop_gradient(x), 3.0, 3.0),
    ],
)
def test_slope(f, at: float, wanted: float) -> None:
    assert slope(f, at) == pytest.approx(wanted, abs=1e-300)


def test_powers_at_zero_have_all_their_derivatives() -> None:
    assert [slope(lambda x: x**3, 0.0, n) for n in (1, 2, 3, 4)] == [0, 0, 6, 0]
    assert [slope(lambda x: x**2, 0.0, n) for n in (1, 2, 3)] == [0, 2, 0]


def test_sigmoid_keeps_its_digits_in_the_lower_tail() -> None:
    assert tl.sigmoid(tl.tensor(-80.0)).item() == pytest.approx(math.exp(-80), rel=1e-6)
    assert slope(tl.sigmoid, -700.0) == pytest.approx(math.exp(-700), rel=1e-12)


def test_log_softmax_keeps_its_digits_far_from_zero() -> None:
    at = np.array([0.0, 0.5, -1.0], np.float32)
    near, far = tl.log_softmax(at).numpy(), tl.log_softmax(at + np.float32(65536)).numpy()
    np.testing.assert_allclose(far, near, rtol=1e-6)


def test_softmax_of_nothing_is_nothing() -> None:
    assert tl.softmax(tl.zeros((2, 0))).shape == (2, 0)
    assert tl.log_softmax(tl.zeros((0, 2))).shape == (0, 2)


def test_nan_reaches_the_result() -> None:
    nan = tl.tensor([1.0, math.nan])
    for y in (nan.sum(), nan.max(), nan.min(), tl.logsumexp(nan)):
        assert math.isnan(y.item())
    for y in (tl.maximum(nan, 0), tl.sign(nan), tl.relu(nan), tl.abs(nan)):
        assert math.isnan(y[1].item())


def test_a_nan_on_the_side_not_taken_does_no_harm() -> None:
    x = tl.symbol("x", (2,))
    y = tl.where([True, False], x, tl.log(x))
    assert y.evaluate({x: [-1.0, 1.0]}).tolist() == [-1.0, 0.0]
