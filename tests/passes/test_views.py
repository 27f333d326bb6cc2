"""Views of views, and joined views, against NumPy: after each pass alone and after all of them."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_lstm as tl
from tinygrad_lstm.graph.function import Graph, topological
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.passes import optimize
from tinygrad_lstm.passes.contraction import contractions
from tinygrad_lstm.passes.simplify import simplify
from tinygrad_lstm.runtime.evaluation import evaluated

Choose = Callable[[int], int]
X = tl.symbol("x", (12,))
REWRITINGS: tuple[Callable[[list[Tensor]], Iterable[Tensor]], ...] = (
    simplify,
    contractions,
    lambda ys: optimize(Graph(tuple(n for n in topological(ys) if n.op == "symbol"), tuple(ys))).outputs,
)


def pick(choose: Choose, size: int) -> slice:
    """Any slice of an axis, mostly of a few elements, with bounds before and after the axis too."""
    bounds = [choose(size + 5) - 2 if choose(3) else None for _ in range(2)]
    step = (1, 1, 2, 3, -1, -2, 5)[choose(7)]
    return slice(*(bounds[::-1] if step < 0 and choose(2) else bounds), step)


def view(choose: Choose, x: Any, y: Any) -> tuple[Any, Any]:
    """One more view of a tensor, and the same of an array."""
    kind = choose(9)
    if kind < 4 and y.ndim:
        key = tuple(pick(choose, n) for n in y.shape[: 1 + choose(y.ndim)])
        return x[key], y[key]
    if kind == 4:
        axes = sorted(range(y.ndim), key=lambda _: choose(8))
        return tl.transpose(x, axes), y.transpose(axes)
    if kind == 5:
        rest, shape = y.size, []
        for _ in range(choose(3)):
            divisors = [n for n in range(1, rest + 1) if rest % n == 0] or [0]
            shape.append(divisors[choose(len(divisors))])
            rest = rest // shape[-1] if shape[-1] else 0
        shape.append(rest)
        return tl.reshape(x, shape), y.reshape(shape)
    if kind == 6 and y.size <= 40 and y.ndim < 4:
        target = (*(1 + choose(2) for _ in range(choose(2))), *(n if n != 1 else choose(3) for n in y.shape))
        return tl.broadcast_to(x, target), np.broadcast_to(y, target)
    if kind == 7 and y.ndim:
        axis = choose(y.ndim)
        return tl.flip(x, axis), np.flip(y, axis)
    if kind == 8 and y.ndim and y.size <= 40:
        axis, at = choose(y.ndim), choose(y.shape[choose(y.ndim)] + 1)
        keys = [(slice(None),) * axis + (part,) for part in (slice(None, at), slice(at, None), pick(choose, 4))]
        chosen = sorted(keys[: 2 + choose(2)], key=lambda _: choose(2))
        return tl.concatenate([x[k] for k in chosen], axis), np.concatenate([y[k] for k in chosen], axis)
    return x, y


@given(st.data())
@settings(max_examples=300)
def test_random_views(data: st.DataObject) -> None:
    def choose(n: int) -> int:
        return data.draw(st.integers(0, n - 1)) if n > 1 else 0

    shape = ((12,), (3, 4), (2, 3, 2), (0, 3), (1, 5), ())[choose(6)]
    start = np.arange(float(np.prod(shape, dtype=int))).reshape(shape)
    x = tl.symbol("x", shape, tl.float64)
    seen: list[tuple[Any, Any]] = [(x, start)]
    for _ in range(1 + choose(6)):
        seen.append(view(choose, *seen[-1 - choose(min(2, len(seen)))]))
    tensors = [tensor for tensor, _ in seen]
    for rewriting in REWRITINGS:
        for got, (_, wanted) in zip(evaluated(tuple(rewriting(tensors)), {x: start}), seen, strict=True):
            np.testing.assert_array_equal(got.numpy(), wanted)


@pytest.mark.parametrize("step", [1, 2, 3])
def test_a_slice_of_slices_is_one_slice(step: int) -> None:
    y, wanted = X, np.arange(12.0)
    for key in (slice(1, None), slice(None, -1, step), slice(1, 3)):
        y, wanted = y[key], wanted[key]
    (short,) = simplify([y])
    assert [node.op for node in topological([short])] == ["symbol", "slice"]
    assert short.evaluate({X: np.arange(12.0)}).tolist() == wanted.tolist()


@pytest.mark.parametrize("step", [1, 2, 3])
@pytest.mark.parametrize("start", [0, 1, 4])
def test_nothing_of_a_slice_is_nothing(start: int, step: int) -> None:
    for first in (slice(None, None, step), slice(1, None, step)):
        (short,) = simplify([X[first][start:start]])
        assert [node.op for node in topological([short])] == ["symbol", "slice"]
        assert short.evaluate({X: np.arange(12.0)}).tolist() == []


def test_transposes_of_transposes() -> None:
    x = tl.symbol("x", (2, 3, 4))
    there, back, further = tl.transpose(x, (1, 2, 0)), tl.transpose(tl.transpose(x, (1, 2, 0)), (2, 0, 1)), (2, 1, 0)
    assert contractions([back]) == [x]
    (one,) = contractions([tl.transpose(there, further)])
    assert [node.op for node in topological([one])] == ["symbol", "transpose"]
    assert one.attrs["axes"] == (0, 2, 1)
