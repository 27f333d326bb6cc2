"""Random programs: short sequences of operations that run on tensors and on NumPy arrays alike."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

import tinygrad_lstm as tl

__all__ = ["KINKED", "SMOOTH", "Program", "programs"]


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def _softmax(x: Any) -> Any:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def _tl_alternating(a: Any, b: Any) -> Any:
    """A loop that ends by what it computes, and a branch in each of its steps."""

    def step(value: Any) -> Any:
        count, x = value
        return count + 1, tl.cond(count % 2 == 0, lambda: tl.sin(x) * b, lambda: tl.cos(x) - b)

    return tl.while_loop(lambda value: value[0] < 3, step, (0, a), bound=5)[1]


def _alternating(a: Any, b: Any) -> Any:
    for count in range(3):
        a = np.sin(a) * b if count % 2 == 0 else np.cos(a) - b
    return a


def _dots(m: Any) -> Callable[..., Any]:
    """A sum of products that have no axes."""
    return lambda a, b: a * 0.5 + (m.sin(a) @ m.tanh(b) + m.sin(b) @ m.sin(b) + m.cos(a) @ m.tanh(b))


def _matrices(m: Any) -> Callable[..., Any]:
    """A sum of products of matrices and vectors."""

    def f(a: Any, b: Any) -> Any:
        w = m.sin(a).reshape(3, 1) * m.cos(b)
        return w @ m.tanh(b) + m.sin(a) @ w + (w @ w).sum(0) + m.tanh(a)

    return f


def _tl_step(carry: Any, x: Any) -> tuple[Any, Any]:
    new = tl.tanh(carry) * x
    return new, new.sum()


def _steps(xs: Any, carry: Any) -> Any:
    ys = []
    for x in xs:
        carry = np.tanh(carry) * x
        ys.append(carry.sum())
    return np.array(ys)


# Each grows its arguments at most linearly, so that no program overflows; names are those of `tl`.
SMOOTH: dict[str, tuple[int, Callable[..., Any], Callable[..., Any]]] = {
    "add": (2, lambda a, b: a + b, lambda a, b: a + b),
    "subtract": (2, lambda a, b: a - b, lambda a, b: a - b),
    "multiply": (2, lambda a, b: a * tl.tanh(b), lambda a, b: a * np.tanh(b)),
    "divide": (2, lambda a, b: a / (tl.tanh(b) + 2), lambda a, b: a / (np.tanh(b) + 2)),
    "power": (2, lambda a, b: (1 + tl.sigmoid(a)) ** tl.sin(b), lambda a, b: (1 + _sigmoid(a)) ** np.sin(b)),
    "sin": (1, tl.sin, np.sin),
    "cos": (1, tl.cos, np.cos),
    "tanh": (1, tl.tanh, np.tanh),
    "sigmoid": (1, tl.sigmoid, _sigmoid),
    "softplus": (1, tl.softplus, lambda x: np.logaddexp(x, 0)),
    "exp": (1, lambda x: tl.exp(tl.sin(x)), lambda x: np.exp(np.sin(x))),
    "log": (1, lambda x: tl.log(x * x + 1), lambda x: np.log(x * x + 1)),
    "sqrt": (1, lambda x: tl.sqrt(x * x + 1), lambda x: np.sqrt(x * x + 1)),
    "mean": (1, lambda x: x - tl.mean(x), lambda x: x - np.mean(x)),
    "softmax": (1, tl.softmax, _softmax),
    "flip": (1, tl.flip, np.flip),
    "logsumexp": (1, lambda x: x * 0.5 + tl.logsumexp(x), lambda x: x * 0.5 + np.log(np.exp(x).sum())),
    "slice": (1, lambda x: tl.concatenate([x[1:], x[:1]]), lambda x: np.concatenate([x[1:], x[:1]])),
    "where": (2, lambda a, b: tl.where([True, False, True], a, b), lambda a, b: np.where([True, False, True], a, b)),
    "constant": (1, lambda x: x + 0.5, lambda x: x + 0.5),
    "named": (1, lambda x: tl.named(x, "n"), lambda x: x),
    "checkpoint": (1, tl.checkpoint(lambda x: tl.sin(tl.tanh(x)) * x), lambda x: np.sin(np.tanh(x)) * x),
    "scan": (2, lambda a, b: tl.scan(_tl_step, b, a)[1], lambda a, b: _steps(a, b)),
    "cond": (
        2,
        lambda a, b: tl.cond(tl.sum(a * a) < 0, lambda a, b: tl.log(a), lambda a, b: tl.sin(a) * b, a, b),
        lambda a, b: np.sin(a) * b,
    ),
    "while_loop": (2, _tl_alternating, _alternating),
    "arctan": (1, tl.arctan, np.arctan),
    "arctan2": (2, lambda a, b: tl.arctan2(a, tl.tanh(b) + 2), lambda a, b: np.arctan2(a, np.tanh(b) + 2)),
    "arcsin": (1, lambda x: tl.arcsin(tl.sin(x) / 2), lambda x: np.arcsin(np.sin(x) / 2)),
    "arcsinh": (1, tl.arcsinh, np.arcsinh),
    "sinh": (1, lambda x: tl.sinh(tl.sin(x)), lambda x: np.sinh(np.sin(x))),
    "cosh": (1, lambda x: tl.cosh(tl.sin(x)), lambda x: np.cosh(np.sin(x))),
    "expm1": (1, lambda x: tl.expm1(tl.sin(x)), lambda x: np.expm1(np.sin(x))),
    "log1p": (1, lambda x: tl.log1p(x * x), lambda x: np.log1p(x * x)),
    "erf": (1, tl.erf, lambda x: np.vectorize(math.erf, otypes=[float])(x)),
    "silu": (1, tl.silu, lambda x: x * _sigmoid(x)),
    "rsqrt": (1, lambda x: tl.rsqrt(x * x + 1), lambda x: 1 / np.sqrt(x * x + 1)),
    "hypot": (2, lambda a, b: tl.hypot(a, tl.tanh(b) + 2), lambda a, b: np.hypot(a, np.tanh(b) + 2)),
    "log_softmax": (1, lambda x: tl.log_softmax(tl.tanh(x)), lambda x: np.log(_softmax(np.tanh(x)))),
    "cumsum": (1, lambda x: tl.cumsum(x) * 0.5, lambda x: np.cumsum(x) * 0.5),
    "cumprod": (1, lambda x: tl.cumprod(tl.tanh(x) + 2), lambda x: np.cumprod(np.tanh(x) + 2)),
    "roll": (1, lambda x: tl.roll(x, 1), lambda x: np.roll(x, 1)),
    "take": (1, lambda x: tl.take(x, [2, 0, 0]), lambda x: x[[2, 0, 0]]),
    "outer": (2, lambda a, b: tl.outer(a, tl.sin(b)).mean(1), lambda a, b: np.outer(a, np.sin(b)).mean(1)),
    "dots": (2, _dots(tl), _dots(np)),
    "matrices": (2, _matrices(tl), _matrices(np)),
    "einsum": (2, lambda a, b: tl.einsum("i,j->j", tl.sin(a), b), lambda a, b: np.einsum("i,j->j", np.sin(a), b)),
    "var": (1, lambda x: tl.var(tl.sin(x)) + x, lambda x: np.var(np.sin(x)) + x),
    "tile": (1, lambda x: tl.tile(x, 2)[1:4], lambda x: np.tile(x, 2)[1:4]),
    "repeat": (1, lambda x: tl.repeat(x, 2)[2:5], lambda x: np.repeat(x, 2)[2:5]),
}

# Continuous, but not differentiable everywhere: for values only.
KINKED: dict[str, tuple[int, Callable[..., Any], Callable[..., Any]]] = {
    "abs": (1, tl.abs, np.abs),
    "relu": (1, tl.relu, lambda x: np.maximum(x, 0)),
    "maximum": (2, tl.maximum, np.maximum),
    "minimum": (2, tl.minimum, np.minimum),
    "max": (1, lambda x: x - tl.max(x), lambda x: x - np.max(x)),
    "min": (1, lambda x: x - tl.min(x), lambda x: x - np.min(x)),
    "clip": (1, lambda x: tl.clip(x, -0.5, 0.5), lambda x: np.clip(x, -0.5, 0.5)),
    "sort": (1, tl.sort, np.sort),
    "top_k": (1, lambda x: tl.top_k(x, 3)[0], lambda x: np.sort(x)[::-1]),
    "cbrt": (1, tl.cbrt, np.cbrt),
    "square": (1, lambda x: tl.sqrt(tl.square(x)), np.abs),
}


@dataclass(frozen=True)
class Program:
    """Steps ``(operation, places of its operands)``; each result goes to the next place. Then what is given back."""

    steps: tuple[tuple[str, tuple[int, ...]], ...]
    outputs: tuple[int, ...]

    def run(self, values: Sequence[Any], symbolic: bool) -> list[Any]:
        registers = list(values)
        for name, places in self.steps:
            _, on_tensors, on_arrays = SMOOTH[name] if name in SMOOTH else KINKED[name]
            registers.append((on_tensors if symbolic else on_arrays)(*[registers[p] for p in places]))
        return [registers[p] for p in self.outputs]


@st.composite
def programs(draw: Any, inputs: int, outputs: int, most: int = 6, kinks: bool = False) -> Program:
    """Programs over ``inputs`` vectors of length 3 that give ``outputs`` of them."""
    table = {**SMOOTH, **KINKED} if kinks else SMOOTH
    steps = []
    for k in range(draw(st.integers(0, most))):
        name = draw(st.sampled_from(sorted(table)))
        places = tuple(draw(st.integers(0, inputs + k - 1)) for _ in range(table[name][0]))
        steps.append((name, places))
    last = inputs + len(steps) - 1
    return Program(tuple(steps), tuple(draw(st.integers(0, last)) for _ in range(outputs)))
