"""Cases of functions of real numbers, of whole numbers and of bits."""

import math
from typing import Any

import numpy as np

import tinygrad_lstm as tl
from tests.ops.cases.table import FLOATS, INTEGERS, SPECIAL, Array, case, rounded, smooth, values

__all__ = ["add"]

FAR = [1e-12, -1e-12, 0.1, -0.1, 0.49, 0.51, 1.0, -1.0, 3.0, -3.0, 30.0, -30.0, 200.0, -200.0, 6e4, -6e4]
"""Near 0 and far from it, for functions that are composed differently there."""
LIMITS = [0.0, math.inf, -math.inf, math.nan]


def erf(x: Array) -> Array:
    return np.vectorize(math.erf, otypes=[float])(x.astype(float))


def clipped(name: str) -> tuple[float, float]:
    return {"arccosh": (1.0, math.inf), "arctanh": (-1.0, 1.0), "arcsin": (-1.0, 1.0), "arccos": (-1.0, 1.0)}.get(
        name, (0.0, math.inf) if name in ("log2", "rsqrt") else (-math.inf, math.inf)
    )


def reals() -> None:
    a = values(2, 3, seed=1)
    small, positive, above = a / 2.5, np.abs(a) + 0.2, np.abs(a) + 1.2
    table: dict[str, tuple[Any, Array, float]] = {
        "log1p": (np.log1p, positive - 0.9, 4),
        "expm1": (np.expm1, a, 4),
        "log2": (np.log2, positive, 6),
        "cbrt": (np.cbrt, a, 4),
        "rsqrt": (lambda x: 1 / np.sqrt(x), positive, 4),
        "square": (np.square, a, 0),
        "tan": (np.tan, small, 6),
        "sinh": (np.sinh, a, 10),
        "cosh": (np.cosh, a, 8),
        "arcsin": (np.arcsin, small, 6),
        "arccos": (np.arccos, small, 6),
        "arctan": (np.arctan, a, 4),
        "arcsinh": (np.arcsinh, a, 8),
        "arccosh": (np.arccosh, above, 8),
        "arctanh": (np.arctanh, small, 8),
        "erf": (erf, a, 4),
    }
    for name, (referee, x, ulps) in table.items():
        f = getattr(tl, name)
        low, high = clipped(name)
        absolute = 2.0 if name in ("log2", "tan", "arccos") else 0.0
        for at in (x, x[0, 0], x[:, :0]):
            smooth(name, f, rounded(referee), at, ulps=ulps, absolute=absolute)
        for dtype in FLOATS:
            with np.errstate(over="ignore"):
                points = np.array([v for v in FAR if low <= v <= high]).astype(dtype)
            if name != "tan":  # the value at 60,000 depends on the digits of π that a module knows
                case(name, f, rounded(referee), points[np.isfinite(points)], ulps=ulps)
            case(name, f, rounded(referee), np.array(LIMITS, dtype), ulps=ulps or 1)
        if name != "square":  # of integers it is an integer
            case(
                name,
                f,
                lambda x, r=referee: np.asarray(r(x.astype(np.float32))).astype(np.float32),
                np.array(1),
                ulps=8,
            )
    b = values(2, 3, seed=2)
    for name, ulps in (("arctan2", 4), ("hypot", 4)):
        f, referee = getattr(tl, name), rounded(getattr(np, name))
        smooth(name, f, referee, a, b[0], ulps=ulps)
        smooth(name, f, referee, a[:, :1], b[0], ulps=ulps)
        for dtype in FLOATS:
            x = np.array([0.0, -0.0, 1.0, -1.5, 3e4, -1e-4, np.inf, -np.inf]).astype(dtype)
            case(name, f, referee, x[:, None], x, ulps=ulps)
    case("hypot", tl.hypot, np.hypot, np.array([3e200, 3e-200, 0.0]), np.array([4e200, 4e-200, 0.0]), ulps=2)
    smooth("clip", lambda x: tl.clip(x, -1, 0.5), lambda x: np.clip(x, -1, 0.5), a)
    smooth("clip", lambda x: tl.clip(x, max=0.5), lambda x: np.minimum(x, 0.5), a)
    case("clip", lambda x: tl.clip(x, 0, 3), lambda x: np.clip(x, 0, 3), np.array([-5, 2, 9], np.int32))
    case("clip", tl.clip, lambda x: x, np.array(SPECIAL))


def whole() -> None:
    a, b = values(2, 3, seed=3) * 5, values(2, 3, seed=4)
    smooth("remainder", tl.remainder, np.remainder, a, b)
    smooth("remainder", lambda x: x % 1.5, lambda x: x % 1.5, a)
    for name in ("floor_divide", "remainder"):
        f, referee = getattr(tl, name), getattr(np, name)
        for dtype in FLOATS:
            x = np.array([0.0, -0.0, 1.0, -1.5, 7.25, -700.0, np.inf, -np.inf, np.nan]).astype(dtype)
            case(name, f, referee, x[:, None], x)
        for dtype in INTEGERS:
            x = np.array([0, 1, 2, 3, 7, 2**31 - 1]).astype(dtype)
            case(name, f, referee, x[:, None], x)
            if np.dtype(dtype).kind == "i":
                case(name, f, referee, x[:, None], -x)
                case(name, f, referee, -x[:, None], x)
        case(name, f, referee, np.zeros((0, 2)), np.zeros(2))
    for name in ("floor", "ceil", "trunc", "round"):
        f, referee = getattr(tl, name), getattr(np, name)
        for dtype in FLOATS:
            case(name, f, referee, np.array([*SPECIAL, 0.5, 1.5, 2.5, -0.5, -1.5, -2.5, -0.2, 0.7, -0.7]).astype(dtype))
        case(name, f, lambda x: x, np.array([-3, 0, 5], np.int32))
        smooth(name, f, referee, a)


def bits() -> None:
    for dtype in INTEGERS:
        x = np.array([0, 1, 5, 12, 2**31 - 1]).astype(dtype)
        for name in ("bitwise_and", "bitwise_or", "bitwise_xor"):
            case(name, getattr(tl, name), getattr(np, name), x[:, None], x)
        case("invert", tl.invert, np.invert, x)
        width = 8 * x.itemsize
        for by in (0, 1, 5, width - 1, width):
            case("left_shift", tl.left_shift, np.left_shift, x, np.array(by).astype(dtype))
        case("left_shift", tl.left_shift, np.left_shift, x[:, None], np.arange(width).astype(dtype))
    case("invert", lambda x: ~x, np.invert, np.array([-3, 4]))
    truth = np.array([[True], [False]])
    for name in ("bitwise_and", "bitwise_or", "bitwise_xor", "logical_xor"):
        case(name, getattr(tl, name), getattr(np, name), truth, truth[:, 0])
    case("invert", tl.invert, np.invert, truth)
    case("logical_xor", tl.logical_xor, np.logical_xor, np.array([0.0, 2.0, np.nan]), np.array([0, 0, 1]))
    case("bitwise_and", lambda x: (x & 6) | (x ^ 3), lambda x: (x & 6) | (x ^ 3), np.array([1, 2, 12], np.int32))
    case("left_shift", lambda x: x << 2, lambda x: x << 2, np.array([1, -3]))
    case("right_shift", lambda x: x >> 1, lambda x: x >> 1, np.array([5, -3]))
    for name in ("isnan", "isinf", "isfinite"):
        for dtype in FLOATS:
            case(name, getattr(tl, name), getattr(np, name), np.array(SPECIAL).astype(dtype))
        case(name, getattr(tl, name), getattr(np, name), np.array([1, 2]))


def comparisons() -> None:
    x = np.array(SPECIAL)
    for name in ("isclose", "allclose"):
        for options in ({}, {"rtol": 0.0, "atol": 0.5}, {"equal_nan": True}):
            f = lambda a, b, m=tl, n=name, o=options: getattr(m, n)(a, b, **o)  # noqa: E731
            referee = lambda a, b, f=f: np.asarray(f(a, b, np))  # noqa: E731
            case(name, f, referee, x[:, None], x)
            case(name, f, referee, x.astype(np.float32), x)
            case(name, f, referee, np.array([1, 2, 5]), np.array([1.0, 2.000001, 5.4]))
            case(name, f, referee, np.array([True, False]), np.array([True, True]))
    for a, b in [(x, x), (x[3:], x[3:].copy()), (x, x[1:]), (np.array([1, 2]), np.array([1.0, 2.0])), (x[:0], x[:0])]:
        for equal_nan in (False, True):
            f = lambda a, b, m=tl, e=equal_nan: m.array_equal(a, b, equal_nan=e)  # noqa: E731
            case("array_equal", f, lambda a, b, f=f: np.asarray(f(a, b, np)), a, b)


def add() -> None:
    reals()
    whole()
    bits()
    comparisons()
