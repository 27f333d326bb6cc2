"""Cases of what rearranges elements."""

from typing import Any

import numpy as np

import tinygrad_lstm as tl
from tests.ops.cases.table import case, rounded, smooth, values

__all__ = ["add"]


def add() -> None:
    x = values(2, 3, 4, seed=4)
    for shape in ((4, 6), (24,), (2, -1, 2), (1, 24, 1)):
        smooth("reshape", lambda x, s=shape: tl.reshape(x, s), lambda x, s=shape: np.reshape(x, s), x)
    smooth("reshape", lambda x: x.reshape(()), lambda x: x.reshape(()), values(1))
    case("reshape", lambda x: x.reshape(3, 0), lambda x: x.reshape(3, 0), np.zeros((0, 2)))
    smooth("ravel", tl.ravel, np.ravel, x)
    case("ravel", tl.ravel, np.ravel, np.zeros((0, 2), np.int32))
    for axes in (None, (1, 0, 2), (2, 0, 1), (-1, 1, 0)):
        smooth("transpose", lambda x, a=axes: tl.transpose(x, a), lambda x, a=axes: np.transpose(x, a), x)
    smooth("transpose", lambda x: x.T @ x, lambda x: x.T @ x, x[0], ulps=8, absolute=8.0)
    smooth("swapaxes", lambda x: tl.swapaxes(x, 0, -1), lambda x: np.swapaxes(x, 0, -1), x)
    for target in ((5, 2, 3), (2, 3)):
        f, referee = (lambda x, s=target: tl.broadcast_to(x, s)), (lambda x, s=target: np.broadcast_to(x, s))
        for start in (values(2, 1), values(3), values(1, 3), values()):
            smooth("broadcast_to", f, referee, start)
    case("broadcast_to", lambda x: tl.broadcast_to(x, (0, 3)), lambda x: np.broadcast_to(x, (0, 3)), np.arange(3))
    smooth("expand_dims", lambda x: tl.expand_dims(x, (0, -1)), lambda x: np.expand_dims(x, (0, -1)), x)
    smooth("squeeze", tl.squeeze, np.squeeze, values(1, 3, 1))
    smooth("squeeze", lambda x: tl.squeeze(x, 0), lambda x: np.squeeze(x, 0), values(1, 3, 1))
    for axis in (None, 0, (0, 2), -1):
        smooth("flip", lambda x, a=axis: tl.flip(x, a), lambda x, a=axis: np.flip(x, a), x)
    case("flip", tl.flip, np.flip, np.array([True, False]))
    for width in (1, [(0, 0), (1, 2), (0, 3)]):
        smooth("pad", lambda x, w=width: tl.pad(x, w), lambda x, w=width: np.pad(x, w), x)
    case("pad", lambda x: tl.pad(x, 2), lambda x: np.pad(x, 2), np.zeros(0, np.int64))
    for axis in (0, 1, -1):
        f, referee = (lambda *xs, a=axis: tl.concatenate(xs, a)), (lambda *xs, a=axis: np.concatenate(xs, a))
        pieces = np.split(values(4, 4, 4, seed=5), [1, 1, 3], axis)
        smooth("concatenate", f, referee, *pieces)
        f, referee = (lambda *xs, a=axis: tl.stack(xs, a)), (lambda *xs, a=axis: np.stack(xs, a))
        smooth("stack", f, referee, values(2, 3, seed=6), values(2, 3, seed=7))
    case("concatenate", lambda a, b: tl.concatenate([a, b]), lambda a, b: np.concatenate([a, b]), [1, 2], [3.5])
    keys: list[Any] = [0, -1, (slice(None), 1), (..., slice(None, None, -1)), (slice(1, None), None, slice(3, 0, -2))]
    for key in [*keys, (0, 0, 0), (slice(5, 9), ...), (1, slice(None, None, 2), slice(-3, -1))]:
        smooth("slice", lambda x, k=key: x[k], lambda x, k=key: x[k], x)
    arrangements(values(3, 4, seed=6), values(2, 3, 4, seed=7))


def arrangements(x: Any, cube: Any) -> None:
    for source, target in ((0, -1), (-1, 0), ((0, 1), (1, 2)), ((2, 0), (0, 1))):
        f = lambda x, m=tl, s=source, t=target: m.moveaxis(x, s, t)  # noqa: E731
        smooth("moveaxis", f, lambda x, f=f: f(x, np), cube)
    for sections, axis in ((2, 1), (3, 0), ([1, 2], 0), ([0, 3, 9], 1)):
        f = lambda x, m=tl, s=sections, a=axis: list(m.split(x, s, a))  # noqa: E731
        smooth("split", f, lambda x, f=f: f(x, np), x)
    shifts: list[Any] = [(1, None), (-2, 0), (7, 1), ((1, 2), (0, 1)), (0, 0), ((1, 2), None), (1, (0, 1))]
    for shift, axis in shifts:
        f = lambda x, m=tl, s=shift, a=axis: m.roll(x, s, a)  # noqa: E731
        smooth("roll", f, lambda x, f=f: f(x, np), x)
    for n, axis in ((1, -1), (2, 0), (0, 1), (3, 0), (5, -1)):
        f = lambda x, m=tl, n=n, a=axis: m.diff(x, n, a)  # noqa: E731
        smooth("diff", f, lambda x, f=f: f(x, np), x)
    case("diff", tl.diff, np.diff, np.array([1, 5, 2], np.int32))
    for name in ("vstack", "hstack"):
        f = lambda *xs, m=tl, n=name: getattr(m, n)(xs)  # noqa: E731
        referee = lambda *xs, f=f: f(*xs, m=np)  # noqa: E731
        smooth(name, f, referee, values(2, 3, seed=6), values(2, 3, seed=7))
        smooth(name, f, referee, values(3, seed=6), values(3, seed=7))
        smooth(name, f, referee, values(seed=6), values(seed=7))
        smooth(name, f, referee, cube, cube)
    for reps in (2, (2, 1), (2, 1, 3), (0, 1), ()):
        f = lambda x, m=tl, r=reps: m.tile(x, r)  # noqa: E731
        smooth("tile", f, lambda x, f=f: f(x, np), x)
        case("tile", f, lambda x, f=f: f(x, np), np.array(3))
    for repeats, axis in ((2, None), (3, 0), ([1, 0, 2], 0), (0, 1), ([2], 1)):
        f = lambda x, m=tl, r=repeats, a=axis: m.repeat(x, r, a)  # noqa: E731
        smooth("repeat", f, lambda x, f=f: f(x, np), x)
    for k in (-5, -1, 0, 1, 2, 5):
        for name in ("tril", "triu"):
            f = lambda x, m=tl, n=name, k=k: getattr(m, n)(x, k)  # noqa: E731
            smooth(name, f, lambda x, f=f: f(x, np), cube)
        for name in ("diagonal", "diag", "trace"):
            f = lambda x, m=tl, n=name, k=k: getattr(m, n)(x, k)  # noqa: E731
            smooth(name, f, rounded(lambda x, f=f: f(x, np)), x, ulps=4, absolute=4.0)
        smooth("diag", lambda x, k=k: tl.diag(x, k), lambda x, k=k: np.diag(x, k), x[0])
    smooth("diagonal", lambda x: tl.diagonal(x, 1, 2, 0), lambda x: np.diagonal(x, 1, 2, 0), cube)
    case("tril", tl.tril, np.tril, np.arange(6).reshape(2, 3))
