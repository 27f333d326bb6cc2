"""Cases of the elementwise primitives, comparisons and logic."""

import numpy as np

import tinygrad_lstm as tl
from tests.ops.cases.table import FLOATS, INTEGERS, SPECIAL, case, rounded, smooth, values

__all__ = ["add"]

SHAPE_PAIRS = [((3,), (3,)), ((), ()), ((2, 1), (3,)), ((), (2, 2)), ((0,), (1,)), ((2, 0, 1), (4,)), ((1, 1), ())]


def add() -> None:
    a, b = values(2, 3, seed=1), values(2, 3, seed=2)
    for name in ("add", "subtract", "multiply", "maximum", "minimum"):
        f, referee = getattr(tl, name), getattr(np, name)
        for left, right in SHAPE_PAIRS:
            smooth(name, f, referee, values(*left, seed=1), values(*right, seed=2))
        for dtype in FLOATS:
            x = np.array(SPECIAL).astype(dtype)
            case(name, f, referee, x[:, None], x)
        for dtype in INTEGERS:
            x = np.array([0, 1, 7, 2**31 - 1]).astype(dtype)
            case(name, f, referee, x[:, None], x)
    for left, right in SHAPE_PAIRS:
        smooth("divide", tl.divide, np.divide, values(*left, seed=1), values(*right, seed=2))
        smooth("power", tl.power, rounded(np.power), values(*left, low=0.5, seed=1), values(*right, seed=2), ulps=4)
    for dtype in FLOATS:
        x = np.array(SPECIAL).astype(dtype)
        case("divide", tl.divide, np.divide, x[:, None], x)
        case("power", tl.power, rounded(np.power), x[:, None], x[:7], ulps=4)
    smooth("power", lambda x: x**3 + x**2 + x**1 + x**0 - x**-2, lambda x: x**3 + x**2 + x + 1 - 1 / x**2, a, ulps=64)

    for dtype in INTEGERS:
        base = np.array([0, 1, 2, 3, 10, 4097, 2**31 - 1]).astype(dtype)
        exponent = np.array([0, 1, 2, 5, 31, 40, 64]).astype(dtype)
        case("power", tl.power, np.power, base[:, None], exponent)
        if np.dtype(dtype).kind == "i":
            case("power", tl.power, np.power, -base[:, None], exponent)
            case(
                "power",
                tl.power,
                lambda x, y: np.trunc(np.where(x == 0, 0.0, 1.0 * x) ** np.where(x == 0, 2.0, y)).astype(x.dtype),
                np.arange(-3, 4).astype(dtype)[:, None],
                np.array([-1, -2, -5], dtype),
            )
    case("power", tl.power, lambda x, y: np.power(x, y, dtype=np.int64), np.array([[True], [False]]), [True, False])

    for name in ("negative", "positive", "abs"):
        smooth(name, getattr(tl, name), getattr(np, name), a)
        smooth(name, getattr(tl, name), getattr(np, name), values())
        for dtype in INTEGERS:
            case(name, getattr(tl, name), getattr(np, name), np.array([0, 1, 5]).astype(dtype))
        case(name, getattr(tl, name), getattr(np, name), np.array(SPECIAL, np.float32))
    reals = {
        "exp": (np.exp, a, 0.0),
        "log": (np.log, np.abs(b) + 0.2, 2.0),
        "sqrt": (np.sqrt, np.abs(b) + 0.2, 0.0),
        "sin": (np.sin, a, 0.0),
        "cos": (np.cos, a, 1.0),
        "tanh": (np.tanh, a, 0.0),
        "sigmoid": (lambda x: 1 / (1 + np.exp(-x)), a, 0.0),
        "softplus": (lambda x: np.logaddexp(x, 0), a, 1.0),
    }
    for name, (referee, x, absolute) in reals.items():
        f = getattr(tl, name)
        for at in (x, x[0, 0], x[:, :0]):
            smooth(name, f, rounded(referee), at, ulps=6, absolute=absolute)
        for dtype in FLOATS:
            case(name, f, rounded(referee), np.array(SPECIAL[:9]).astype(dtype), ulps=6, absolute=4.0)
        case(name, f, lambda x, r=referee: r(x.astype(np.float32)), np.array([1, 2, 3]), ulps=6)

    case("sign", tl.sign, np.sign, np.array([*SPECIAL], np.float64))
    case("sign", tl.sign, np.sign, np.array([-3, 0, 4], np.int32))
    words = np.array([8, 9, 2**32 - 1], np.uint32)
    case("right_shift", tl.right_shift, np.right_shift, words, words[:1] // 8)
    case("right_shift", tl.right_shift, np.right_shift, np.array([8, -9, 0]), np.array(2))
    for name in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal"):
        x = np.array([*SPECIAL])
        case(name, getattr(tl, name), getattr(np, name), x[:, None], x)
        case(name, getattr(tl, name), getattr(np, name), np.array([1, 2, 3]), np.array(2))
        case(name, getattr(tl, name), getattr(np, name), np.array([True, False]), np.array([[True], [False]]))
    for name in ("logical_and", "logical_or", "logical_not"):
        bools = [np.array([True, False, True]), np.array([[True], [False]])]
        numbers = [np.array([0.0, -0.0, np.nan, 2.0]), np.array([0, 1, 2, 3])]
        for xs in (bools, numbers):
            case(name, getattr(tl, name), getattr(np, name), *(xs[:1] if name == "logical_not" else xs))

    condition = np.array([[True, False, True], [False, True, False]])
    smooth("where", tl.where, np.where, condition, a, b)
    smooth("where", tl.where, np.where, condition[:, :1], a[0], b[0, 0])
    case("where", tl.where, np.where, condition[0], np.array(SPECIAL[:3]), np.array([-0.0, 1.0, 2.0]))
    case("where", tl.where, np.where, condition[0], np.array([1, 2, 3], np.int32), np.array([4, 5, 6], np.int32))
    smooth("cast", lambda x: x.astype(tl.float64) * 2.0, lambda x: x.astype(np.float64) * 2, a)
    for start in (np.array([0.0, 1.7, -1.7, 3e4]), np.array([0, 3, -2]), np.array([True, False])):
        for target in (np.bool_, np.int16, np.int32, np.int64, np.float16, np.float32, np.float64):
            case("cast", lambda x, t=target: tl.cast(x, t), lambda x, t=target: x.astype(t), start)
    for dtype in INTEGERS:
        name = np.dtype(dtype).name
        case("cast", lambda x, d=name: x.astype(d), lambda x, d=name: x.astype(d), np.array([0, 7, 2**32 - 1]))
        info = np.iinfo(dtype)
        ends = np.array([info.min, info.max, 3], dtype)
        for other in (*INTEGERS, *FLOATS, np.bool_):
            case("cast", lambda x, o=other: tl.cast(x, o), lambda x, o=other: x.astype(o), ends)
        for name in ("equal", "less", "less_equal"):
            case(name, getattr(tl, name), getattr(np, name), ends[:, None], ends)
