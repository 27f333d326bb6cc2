"""Forward and reverse mode agree: ``⟨jvp(v), u⟩ = ⟨v, vjp(u)⟩`` for every operation, and on shapes that are drawn."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinygrad_lstm as tl
from tests.ops.cases import CASES, Case
from tinygrad_lstm.graph.structure import flatten

SMOOTH = [c for c in CASES if c.smooth]


def assert_dual(f: Any, points: list[np.ndarray], seed: int = 0) -> None:
    random = np.random.default_rng(seed)
    v = [random.normal(size=x.shape) for x in points]
    ys, slopes = tl.jvp(lambda *xs: flatten(f(*xs))[0], [tl.tensor(x) for x in points], [tl.tensor(d) for d in v])
    u = [random.normal(size=y.shape) for y in ys]
    _, pullback = tl.vjp(lambda *xs: flatten(f(*xs))[0], *[tl.tensor(x) for x in points])
    back = pullback([tl.tensor(w) for w in u])
    left = sum(float(np.vdot(s.numpy(), w)) for s, w in zip(slopes, u, strict=True))
    right = sum(float(np.vdot(d, b.numpy())) for d, b in zip(v, back, strict=True))
    assert left == pytest.approx(right, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("case", SMOOTH, ids=str)
def test_every_case(case: Case) -> None:
    places = [k for k, x in enumerate(case.inputs) if x.dtype.kind == "f"]

    def f(*floats: Any) -> Any:
        every = [tl.tensor(x) for x in case.inputs]
        for k, x in zip(places, floats, strict=True):
            every[k] = x
        return case.f(*every)

    assert_dual(f, [case.inputs[k] for k in places])


SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)
UNARY = {
    "exp": tl.exp, "log1p": lambda x: tl.log1p(x * x), "expm1": tl.expm1, "sqrt": lambda x: tl.sqrt(x * x + 1),
    "sin": tl.sin, "cos": tl.cos, "tan": lambda x: tl.tan(x * 0.3), "tanh": tl.tanh, "sinh": tl.sinh, "cosh": tl.cosh,
    "arctan": tl.arctan, "arcsinh": tl.arcsinh, "arcsin": lambda x: tl.arcsin(tl.sin(x) * 0.5), "erf": tl.erf,
    "gelu": tl.gelu, "silu": tl.silu, "softplus": tl.softplus, "sigmoid": tl.sigmoid, "cbrt": tl.cbrt,
    "sum": tl.sum, "mean": lambda x: tl.mean(x) if x.size else x, "prod": tl.prod,
    "var": lambda x: tl.var(x) if x.size else x, "norm": tl.norm, "logsumexp": tl.logsumexp,
    "cumsum": lambda x: tl.cumsum(x.reshape(-1)) if x.size else x, "ravel": tl.ravel, "flip": tl.flip,
    "cumprod": lambda x: tl.cumprod(x.reshape(-1)) if x.size else x, "transpose": tl.transpose,
    "sort": lambda x: tl.sort(x, None) if x.size else x, "softmax": lambda x: tl.softmax(x) if x.ndim else x,
    "tile": lambda x: tl.tile(x, (2, 1)), "roll": lambda x: tl.roll(x, 1), "stack": lambda x: tl.stack([x, x * 2]),
}  # fmt: skip
BINARY = {
    "add": tl.add, "subtract": tl.subtract, "multiply": tl.multiply, "divide": lambda x, y: x / (y * y + 1),
    "power": lambda x, y: (x * x + 1) ** y, "maximum": tl.maximum, "minimum": tl.minimum, "hypot": tl.hypot,
    "arctan2": lambda y, x: tl.arctan2(y, x * x + 0.1), "where": lambda x, y: tl.where(x > 0, x, y),
    "outer": tl.outer, "remainder": lambda x, y: x % (y * y + 1),
}  # fmt: skip


def points(draw: Any, shape: tuple[int, ...], seed: int) -> np.ndarray:
    return np.random.default_rng(seed + draw(st.integers(0, 99))).normal(size=shape)


@pytest.mark.parametrize("name", UNARY)
@given(data=st.data(), shape=SHAPES)
def test_functions_of_one(name: str, data: Any, shape: tuple[int, ...]) -> None:
    assert_dual(UNARY[name], [points(data.draw, shape, 0)])


@pytest.mark.parametrize("name", BINARY)
@given(data=st.data(), shapes=hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, min_side=0, max_side=3))
def test_functions_of_two(name: str, data: Any, shapes: Any) -> None:
    assert_dual(BINARY[name], [points(data.draw, s, k) for k, s in enumerate(shapes.input_shapes)])
