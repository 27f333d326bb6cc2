"""``functional_call``: a module with other values in the place of its Parameters."""

from typing import Any

import numpy as np
import pytest

import tinygrad_lstm as tl
from tinygrad_lstm.errors import ShapeError, StateDictError, UsageError
from tinygrad_lstm.graph.structure import flatten


def model(seed: int) -> Any:
    keys = tl.random.split(tl.random.key(seed), 3)
    return tl.nn.Sequential(
        tl.nn.Linear(3, 4, key=keys[0]), tl.nn.Residual(tl.nn.LayerNorm(4)), tl.tanh, tl.nn.Linear(4, 2, key=keys[1])
    )


MODULES = {
    "sequential": (model, (5, 3)),
    "lstm": (lambda seed: tl.nn.LSTM(3, 4, 2, bidirectional=True, key=tl.random.key(seed)), (5, 2, 3)),
    "learned": (lambda seed: tl.nn.GRU(3, 4, learn_initial=True, key=tl.random.key(seed)), (5, 2, 3)),
}


@pytest.mark.parametrize("kind", MODULES)
def test_it_is_the_module_that_has_these_values(kind: str) -> None:
    make, shape = MODULES[kind]
    mine, other = make(0), make(1)
    x = tl.random.normal(tl.random.key(2), shape)
    before = {path: p.leaf for path, p in mine.named_parameters()}
    got = flatten(tl.nn.functional_call(mine, other.state_dict(), x))[0]
    for y, w in zip(got, flatten(other(x))[0], strict=True):
        np.testing.assert_array_equal(y.numpy(), w.numpy())
    assert all(p.leaf is before[path] for path, p in mine.named_parameters())

    def loss(weights: Any) -> Any:
        return (flatten(tl.nn.functional_call(mine, weights, x))[0][0] ** 2).sum()

    slopes = tl.grad(loss)(other.state_dict())
    wanted = tl.gradients((flatten(other(x))[0][0] ** 2).sum(), dict(other.named_parameters()))
    for path, w in wanted.items():
        np.testing.assert_array_equal(slopes[path].numpy(), w.numpy())


@pytest.mark.parametrize("kind", MODULES)
def test_an_ensemble_is_each_of_its_models(kind: str) -> None:
    make, shape = MODULES[kind]
    models = [make(k) for k in range(3)]
    states = [m.state_dict() for m in models]
    weights = {path: tl.stack([s[path] for s in states]) for path in states[0]}
    x = tl.random.normal(tl.random.key(2), shape)
    together = tl.vmap(lambda w, x: tl.nn.functional_call(models[0], w, x), (0, None))(weights, x)
    for k, m in enumerate(models):
        for y, w in zip(flatten(together)[0], flatten(m(x))[0], strict=True):
            np.testing.assert_allclose(y[k].numpy(), w.numpy(), rtol=1e-5, atol=1e-6)


def test_what_is_not_given_stays_and_what_is_shared_is_shared() -> None:
    layer = tl.nn.Linear(2, 2, key=tl.random.key(0))
    twice = tl.nn.Sequential(layer, layer)
    x = tl.ones(2)
    got = tl.nn.functional_call(twice, {"layers.0.bias": tl.ones(2)}, x)
    w = layer.weight
    np.testing.assert_array_equal(got.numpy(), ((x @ w + 1) @ w + 1).numpy())


@pytest.mark.parametrize(
    ("error", "message", "call"),
    [
        (UsageError, "a module comes first", lambda m: tl.nn.functional_call({}, m)),
        (UsageError, "a dict of tensors by path, not Tensor", lambda m: tl.nn.functional_call(m, tl.ones(2))),
        (StateDictError, "has no Parameter 'w'; its Parameters are weight, bias", lambda m: tl.nn.functional_call(
            m, {"w": tl.ones(2)}, tl.ones(2))),
        (ShapeError, r"bias has the shape \[3, 2\], expected \[2\]; values with an axis of examples go through tl.vmap",
            lambda m: tl.nn.functional_call(m, {"bias": tl.ones((3, 2))}, tl.ones(2))),
    ],
)  # fmt: skip
def test_mistakes(error: type[Exception], message: str, call: Any) -> None:
    with pytest.raises(error, match=message):
        call(tl.nn.Linear(2, 2))
