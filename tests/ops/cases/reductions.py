"""Cases of reductions."""

from typing import Any

import numpy as np

import tinygrad_lstm as tl
from tests.ops.cases.table import INTEGERS, case, rounded, smooth, values

__all__ = ["add"]


def add() -> None:
    x = values(2, 3, 4, seed=3)
    axes: list[Any] = [None, 0, -1, (0, 2), ()]
    for keep in (False, True):
        for axis in axes:
            options = {"axis": axis, "keepdims": keep}
            for name in ("sum", "mean"):
                f, referee = getattr(tl, name), rounded(lambda x, n=name, o=options: getattr(np, n)(x, **o))
                smooth(name, lambda x, f=f, o=options: f(x, **o), referee, x, ulps=4, absolute=24.0)
            for name in ("max", "min"):
                f, referee = getattr(tl, name), getattr(np, name)
                smooth(name, lambda x, f=f, o=options: f(x, **o), lambda x, r=referee, o=options: r(x, **o), x)
            smooth(
                "logsumexp",
                lambda x, o=options: tl.logsumexp(x, **o),
                rounded(lambda x, o=options: np.log(np.exp(x).sum(**o))),
                x,
                ulps=4,
                absolute=4.0,
            )
    for shape in ((0,), (2, 0), ()):
        smooth("sum", tl.sum, np.sum, values(*shape))
        case("logsumexp", tl.logsumexp, rounded(lambda x: np.log(np.sum(np.exp(x)))), values(*shape), ulps=4)
    case("sum", lambda x: tl.sum(x, 0), lambda x: x.sum(0), np.zeros((0, 2), np.float32))
    for name in ("sum", "prod", "cumsum", "cumprod"):
        f = getattr(tl, name)
        case(name, f, getattr(np, name), np.array([2**31 - 1, 2], np.int32))
        for dtype in INTEGERS:
            case(name, f, getattr(np, name), np.array([np.iinfo(dtype).max, 2], dtype))
        for dtype in (np.int32, np.float64):
            same = lambda x, m=np, n=name, d=dtype: getattr(m, n)(x, dtype=d)  # noqa: E731
            case(name, lambda x, f=same: f(x, tl), same, np.array([2**31 - 1, 2], np.int32))
    case("sum", tl.sum, np.sum, np.array([True, False, True]))
    case("sum", tl.sum, np.sum, np.array([np.inf, -np.inf, 1.0]))
    case("mean", tl.mean, lambda x: x.mean(dtype=np.float32), np.array([1, 2, 6]))
    case("mean", tl.mean, lambda x: np.float32(np.nan), np.zeros(0, np.float32))
    for name in ("max", "min"):
        for data in ([3, 1, 2], [1.0, np.nan, 3.0], [-np.inf, np.inf], [True, False]):
            case(name, getattr(tl, name), getattr(np, name), np.array(data))
        case(name, lambda x, n=name: getattr(tl, n)(x, 1), lambda x, n=name: getattr(np, n)(x, 1), np.zeros((0, 2)))
    big = np.array([[-np.inf, -np.inf], [np.inf, 1.0], [1000.0, 1000.0], [np.nan, 0.0], [-1e4, -1e4]], np.float32)
    case("logsumexp", lambda x: tl.logsumexp(x, 1), rounded(lambda x: np.logaddexp(x[:, 0], x[:, 1])), big, ulps=2)
    for axis in (None, 0, -1):
        f, referee = (lambda x, a=axis: tl.argmax(x, a)), (lambda x, a=axis: np.argmax(x, a))
        case("argmax", f, referee, x)
        case("argmax", f, referee, np.array([[1, 3, 3], [3, 0, 3]], np.int32))
        case("argmax", f, referee, np.array([[1.0, np.nan], [np.inf, 0.0]]))
    statistics(x)
    running()


def statistics(x: Any) -> None:
    axes: list[Any] = [None, 0, -1, (0, 2)]
    for axis in axes:
        for keep in (False, True):
            options = {"axis": axis, "keepdims": keep}
            for name in ("var", "std", "prod"):
                f, referee = getattr(tl, name), rounded(lambda x, n=name, o=options: getattr(np, n)(x, **o))
                smooth(name, lambda x, f=f, o=options: f(x, **o), referee, x, ulps=64, absolute=24.0)
            for name in ("any", "all"):
                for data in (x > 0, x > -9, np.zeros((2, 3, 4)), np.zeros((2, 0, 3), bool)):
                    f, referee = getattr(tl, name), getattr(np, name)
                    case(name, lambda x, f=f, o=options: f(x, **o), lambda x, r=referee, o=options: r(x, **o), data)
    for axis in axes[:3]:
        options = {"axis": axis}
        referee = rounded(lambda x, o=options: np.sqrt((x * x).sum(**o)))
        smooth("norm", lambda x, o=options: tl.norm(x, **o), referee, x, ulps=8, absolute=8.0)
    for order in (1, 2, np.inf):
        referee = rounded(lambda x, o=order: np.linalg.norm(x.astype(float), o, 1))
        smooth("norm", lambda x, o=order: tl.norm(x, o, axis=1), referee, x[0], ulps=8, absolute=8.0)
    smooth("var", lambda x: tl.var(x, ddof=1), rounded(lambda x: np.var(x, ddof=1)), x, ulps=64, absolute=24.0)
    case("var", tl.var, lambda x: np.float32(2 / 3), np.array([1, 2, 3]), ulps=4)
    case("norm", tl.norm, lambda x: np.float32(0), np.zeros(3, np.float32))
    for axis in (None, 0, -1):
        f, referee = (lambda x, a=axis: tl.argmin(x, a)), (lambda x, a=axis: np.argmin(x, a))
        for data in (x, np.array([[1, 3, 1], [3, 0, 0]], np.uint32), np.array([[1.0, np.nan], [np.inf, 0.0]])):
            case("argmin", f, referee, data)
    case("argmin", tl.argmin, np.argmin, np.array([5, -(2**63), 2**63 - 1]))
    for data in ([2.0, 0.0, 3.0], [0.0, 0.0, 3.0]):
        smooth("prod", tl.prod, np.prod, np.array(data), ulps=2)
    case("prod", tl.prod, np.prod, np.array([3, 4, 5]))
    case("prod", tl.prod, np.prod, np.array([True, False]))
    case("prod", lambda x: tl.prod(x, 0), lambda x: np.prod(x, 0), np.zeros((0, 2)))


def running() -> None:
    for name in ("cumsum", "cumprod"):
        f, referee = getattr(tl, name), getattr(np, name)
        for axis in (None, 0, 1, -1):
            for data in (values(2, 5, seed=5), values(2, 0), values(1, 1)):
                exact = rounded(lambda x, r=referee, a=axis: r(x, axis=a))
                smooth(name, lambda x, f=f, a=axis: f(x, a), exact, data, ulps=8, absolute=8.0)
            whole = np.arange(1, 9).reshape(2, 4)
            case(name, lambda x, f=f, a=axis: f(x, a), lambda x, r=referee, a=axis: r(x, axis=a), whole)
        smooth(name, f, referee, np.array([2.0, 0.0, 3.0, 0.5]), ulps=2)
    # NumPy 2.0 has neither of these names.
    for name, referee, initial in (("cumulative_sum", np.cumsum, 0), ("cumulative_prod", np.cumprod, 1)):
        f = getattr(tl, name)
        exact = rounded(lambda x, r=referee, i=initial: np.insert(r(x, axis=1), 0, i, axis=1))
        smooth(name, lambda x, f=f: f(x, axis=1, include_initial=True), exact, values(2, 3), ulps=8, absolute=8.0)
    case("cumsum", tl.cumsum, np.cumsum, np.array([True, False, True]))
    case("cumsum", tl.cumsum, np.cumsum, np.array([1.0, np.inf, -np.inf, 2.0]))
