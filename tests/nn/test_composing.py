"""Dropout, LayerNorm, Sequential, Residual and the initialisers."""

from typing import Any

import numpy as np
import pytest

import tinygrad_lstm as tl
from tinygrad_lstm.errors import DTypeError, ShapeError, UsageError
from tinygrad_lstm.nn import initializers
from tinygrad_lstm.testing import check_gradients

KEY = tl.random.key(0)


def test_dropout_keeps_the_mean_and_uses_a_new_mask_at_each_call() -> None:
    dropout = tl.nn.Dropout(0.3, KEY)
    x = tl.ones(20_000, tl.float64)
    first, second = dropout(x).numpy(), dropout(x).numpy()
    assert set(first) == {0.0, 1 / 0.7}
    assert first.mean() == pytest.approx(1, abs=0.02)
    assert (first != second).any()
    again = tl.nn.Dropout(0.3, KEY)
    np.testing.assert_array_equal(again(x).numpy(), first)
    again.load_state_dict(dropout.state_dict())
    np.testing.assert_array_equal(again(x).numpy(), dropout(x).numpy())


def test_dropout_that_is_deterministic_or_without_probability_changes_nothing() -> None:
    x, still = tl.ones(3), tl.nn.deterministic(tl.nn.Dropout(0.9, KEY))
    assert still(x) is x
    assert still.keys(3) is None
    assert not still.state_dict()
    assert tl.nn.Dropout(0.0, KEY)(x) is x
    assert tl.nn.Dropout(0.0)(x) is x


def test_the_gradient_of_dropout_has_its_mask() -> None:
    dropout, x = tl.nn.Dropout(0.5, KEY), tl.ones(50)
    y = dropout(x)
    assert tl.gradients(y.sum(), x).tolist() == y.tolist()
    other = tl.nn.Dropout(0.5, KEY)
    check_gradients(lambda v: other(v * v, key=KEY), np.arange(5.0))


def test_dropout_in_a_loop() -> None:
    dropout = tl.nn.Dropout(0.5, KEY)
    before = dropout.key.detach().tolist()
    xs = tl.ones((4, 50))
    _, same = tl.scan(lambda c, x: (c, dropout(x)), tl.tensor(0.0), xs)
    rows = same.numpy()
    assert (rows == rows[0]).all()
    assert dropout.key.detach().tolist() != before
    keys = dropout.keys(4)
    _, own = tl.scan(lambda c, now: (c, dropout(now[0], now[1])), tl.tensor(0.0), (xs, keys))
    assert len({tuple(row) for row in own.tolist()}) == 4
    for t in range(4):
        assert own[t].tolist() == dropout(xs[t], keys[t]).tolist()


def test_dropout_can_drop_the_same_along_axes() -> None:
    y = tl.nn.Dropout(0.5, KEY, same_along=(0, -1))(tl.ones((3, 40, 2))).numpy()
    assert (y == y[:1, :, :1]).all()
    assert len(set(y.ravel())) == 2


def test_a_deterministic_twin_shares_what_is_trained() -> None:
    dropout = tl.nn.Dropout(0.5, KEY)
    model = tl.nn.Sequential(tl.nn.Linear(3, 3), dropout, tl.nn.Residual(dropout))
    still = tl.nn.deterministic(model)
    assert still.layers[1].key is None
    assert still.layers[1] is still.layers[2].module
    assert dropout.key is not None
    assert [p is q for p, q in zip(model.parameters(), still.parameters(), strict=True)] == [True, True]


def test_layer_norm() -> None:
    random = np.random.default_rng(0)
    x, g, b = random.normal(size=(4, 2, 6)) * 3 + 5, random.normal(size=6), random.normal(size=6)
    norm = tl.nn.LayerNorm(6, dtype=tl.float64)
    norm.weight.assign(g)
    norm.bias.assign(b)
    want = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5) * g + b
    np.testing.assert_allclose(norm(x).numpy(), want, rtol=1e-12, atol=1e-12)
    check_gradients(norm, x, rtol=1e-5)
    assert tl.nn.LayerNorm(6, bias=False).bias is None
    assert tl.nn.LayerNorm(2)(tl.ones(2)).tolist() == [0, 0]


def test_sequential_and_residual() -> None:
    layer = tl.nn.Linear(3, 3, key=KEY)
    model = tl.nn.Sequential(layer, tl.tanh, tl.nn.Residual(tl.relu))
    x = tl.ones((2, 3))
    want = np.tanh(layer(x).numpy())
    np.testing.assert_allclose(model(x).numpy(), want + np.maximum(want, 0), rtol=1e-6)
    assert tl.nn.Sequential()(x) is x
    assert tl.nn.Residual(tl.tanh)([1.0]).item() == pytest.approx(1 + np.tanh(1))


SHAPE = (40, 90)


@pytest.mark.parametrize(
    ("init", "deviation", "bound"),
    [
        (initializers.uniform(-2, 2), 4 / np.sqrt(12), 2),
        (initializers.normal(0.0, 3.0), 3, np.inf),
        (initializers.xavier_uniform(), np.sqrt(2 / 130), np.sqrt(6 / 130)),
        (initializers.xavier_normal(2.0), 2 * np.sqrt(2 / 130), np.inf),
        (initializers.he_uniform(), np.sqrt(2 / 40), np.sqrt(6 / 40)),
        (initializers.he_normal(), np.sqrt(2 / 40), np.inf),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_initialisers(init: Any, deviation: float, bound: float, dtype: str) -> None:
    w = init(KEY, SHAPE, dtype).numpy()
    assert (w.shape, w.dtype) == (SHAPE, dtype)
    assert w.std() == pytest.approx(deviation, rel=0.05)
    assert abs(w.mean()) < 0.05 * deviation
    assert np.abs(w).max() <= bound * (1 + 1e-6)
    assert (init(KEY, SHAPE, dtype).numpy() == w).all()


@pytest.mark.parametrize("shape", [(6, 6), (3, 8), (8, 3), (2, 3, 4), (1, 1)])
def test_orthogonal(shape: tuple[int, ...]) -> None:
    w = initializers.orthogonal(2.0)(KEY, shape, tl.float64).numpy().reshape(-1, shape[-1])
    small = w if w.shape[0] <= w.shape[1] else w.T
    np.testing.assert_allclose(small @ small.T, 4 * np.eye(len(small)), atol=1e-12)
    assert initializers.orthogonal()(KEY, shape).dtype == "float32"


def test_a_layer_takes_an_initialiser() -> None:
    w = tl.nn.Linear(4, 4, key=KEY, init=initializers.orthogonal()).weight.numpy()
    np.testing.assert_allclose(w @ w.T, np.eye(4), atol=1e-6)


@pytest.mark.parametrize(
    ("error", "message", "call"),
    [
        (UsageError, r"p is a probability in \[0, 1\), not -0.1", lambda: tl.nn.Dropout(-0.1)),
        (DTypeError, "a key is u32.*make one with tl.random.key", lambda: tl.nn.Dropout(0.5, 7)),
        (DTypeError, r"a key is u32\[2\], not f32\[2\]", lambda: tl.nn.Dropout(0.5, tl.ones(2))),
        (DTypeError, "Dropout: x is i64", lambda: tl.nn.Dropout(0.5, KEY)(tl.arange(3))),
        (UsageError, "LayerNorm: features is an integer of at least 1, not 0", lambda: tl.nn.LayerNorm(0)),
        (UsageError, "LayerNorm: eps is", lambda: tl.nn.LayerNorm(2, eps=-1.0)),
        (ShapeError, r"LayerNorm: x has the shape \[3\], its last size must", lambda: tl.nn.LayerNorm(2)([1.0] * 3)),
        (UsageError, r"Sequential: layer 0 is \[\]; give modules and functions", lambda: tl.nn.Sequential([])),
        (UsageError, "Residual: a module or a function is wanted, not 3", lambda: tl.nn.Residual(3)),
        (ShapeError, r"Residual: x has the shape \[2\], f\(x\) \[\]", lambda: tl.nn.Residual(tl.sum)([1.0, 2.0])),
        (ShapeError, "at least two axes", lambda: initializers.he_normal()(KEY, 3)),
        (ShapeError, "at least two axes", lambda: initializers.orthogonal()(KEY, 3)),
        (UsageError, "low ≤ high", lambda: initializers.uniform(1, 0)),
        (UsageError, "the deviation is", lambda: initializers.normal(std=-1)),
    ],
)  # fmt: skip
def test_mistakes(error: type[Exception], message: str, call: Any) -> None:
    with pytest.raises(error, match=message):
        call()


def test_dropout_without_a_key_takes_one_of_the_seed() -> None:
    def dropped() -> list[float]:
        tl.seed(5)
        return tl.nn.Dropout(0.5)(tl.ones(50)).tolist()

    assert dropped() == dropped()
    assert set(dropped()) == {0.0, 2.0}
