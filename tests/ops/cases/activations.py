"""Cases of activations, and of arrays of one value."""

import math
from typing import Any

import numpy as np

import tinygrad_lstm as tl
from tests.ops.cases.table import FLOATS, SPECIAL, Array, case, rounded, smooth, values

__all__ = ["add"]


def softened(x: Array) -> Array:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def add() -> None:
    x = values(3, 4, seed=11)
    smooth("relu", tl.relu, lambda x: np.where(x > 0, x, x.dtype.type(0)), x)
    case("relu", tl.relu, lambda x: np.where(x <= 0, np.float32(0), x), np.array(SPECIAL, np.float32))
    smooth("softmax", tl.softmax, rounded(softened), x, ulps=16, absolute=2.0)
    smooth("softmax", lambda x: tl.softmax(x, 0), rounded(lambda x: softened(x.T).T), x, ulps=16, absolute=2.0)
    smooth("log_softmax", tl.log_softmax, rounded(lambda x: np.log(softened(x))), x, ulps=4, absolute=4.0)
    case("softmax", tl.softmax, lambda x: np.array([0.5, 0.5, 0], np.float32), np.array([1e4, 1e4, -1e4], np.float32))
    for shape in ((), (2, 0), (2, 3), 4):
        case("zeros", lambda s=shape: tl.zeros(s), lambda s=shape: np.zeros(s, np.float32))
        case("ones", lambda s=shape: tl.ones(s, tl.int32), lambda s=shape: np.ones(s, np.int32))
        case("empty", lambda s=shape: tl.empty(s, tl.int32), lambda s=shape: np.zeros(s, np.int32))
        case("full", lambda s=shape: tl.full(s, -0.0), lambda s=shape: np.full(s, -0.0, np.float32))
    smooth("zeros_like", tl.zeros_like, np.zeros_like, x)
    smooth("empty_like", tl.empty_like, np.zeros_like, x)
    smooth("ones_like", lambda x: tl.ones_like(x) * x, np.copy, x)
    others(values(3, 4, seed=15))


def others(x: Array) -> None:
    table: dict[str, tuple[Any, float]] = {
        "leaky_relu": (lambda x: np.where(x > 0, x, x * x.dtype.type(0.01)), 2),
        "elu": (lambda x: np.where(x > 0, x, np.expm1(x)), 4),
        "gelu": (lambda x: x * 0.5 * (1 + np.vectorize(math.erf)(x.astype(float) * math.sqrt(0.5))), 16),
        "silu": (lambda x: x / (1 + np.exp(-x)), 6),
        "hard_sigmoid": (lambda x: np.clip(x + 3, 0, 6) / 6, 4),
        "log_sigmoid": (lambda x: -np.logaddexp(-x, 0), 6),
    }
    for name, (referee, ulps) in table.items():
        f = getattr(tl, name)
        smooth(name, f, rounded(referee), x, ulps=ulps, absolute=2.0)
        for dtype in FLOATS:
            case(name, f, rounded(referee), np.array([0.0, 7.0, -7.0, 700.0]).astype(dtype), ulps=ulps, absolute=2.0)
        whole = np.array([1, 2])
        case(name, f, lambda x, r=referee: r(x.astype(np.float32)).astype(np.float32), whole, ulps=8)
    case("elu", lambda x: tl.elu(x, 2.0), lambda x: np.where(x > 0, x, 2 * np.expm1(x)), x, ulps=4)
    case("relu", tl.relu, lambda x: np.maximum(x, 0), np.array([-1, 2]))
