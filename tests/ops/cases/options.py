"""Cases of options, and of the forms that arguments have in NumPy."""

from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_lstm as tl
from tests.ops.cases.table import SPECIAL, Array, case, rounded, smooth, values

__all__ = ["add", "alike", "both"]


def both(name: str, f: Callable[..., Any], *inputs: Any, **options: Any) -> None:
    """A smooth case that is written once: ``f(module, *arrays)``, for this package and for NumPy."""
    smooth(name, lambda *xs: f(tl, *xs), rounded(lambda *xs: f(np, *xs)), *inputs, **options)


def alike(name: str, f: Callable[..., Any], *inputs: Any, **options: Any) -> None:
    """A case of any element types that is written once."""
    case(name, lambda *xs: f(tl, *xs), lambda *xs: f(np, *xs), *inputs, **options)


def add() -> None:
    reductions(values(3, 4, seed=21))
    order(values(3, 4, seed=22))
    padding(values(2, 3, seed=23))
    forms(values(2, 3, seed=24), values(3, 4, seed=25))


def reductions(x: Array) -> None:
    for name in ("argmax", "argmin"):
        for axis in (None, 0, -1):
            alike(name, lambda m, x, n=name, a=axis: getattr(m, n)(x, axis=a, keepdims=True), x)
        for axis in (0, -1):
            alike(name, lambda m, x, n=name, a=axis: getattr(m, n)(x, axis=a), np.array(3.0))
    for name in ("sum", "prod", "max", "min", "any", "all", "cumsum", "cumprod"):
        for axis in (0, -1):
            alike(name, lambda m, x, n=name, a=axis: getattr(m, n)(x, axis=a), np.array(3.0))
    for name in ("var", "std"):
        for axis in (None, 1):
            both(name, lambda m, x, n=name, a=axis: getattr(m, n)(x, a, correction=1), x, ulps=64, absolute=16.0)
    weights = np.abs(values(3, 4, seed=26)) + 0.1
    referee = rounded(lambda x, b: np.log((b * np.exp(x)).sum(1)))
    smooth("logsumexp", lambda x, b: tl.logsumexp(x, 1, b=b), referee, x, weights, ulps=8, absolute=8.0)
    b = np.array([0.0, 2.0, 0.0, 1.0])
    shared = rounded(lambda x: np.log((b * np.exp(x)).sum(1)))
    smooth("logsumexp", lambda x: tl.logsumexp(x, 1, b=b.tolist()), shared, x, ulps=8, absolute=8.0)
    for name, start in (("cumsum", 0.0), ("cumprod", 1.0)):
        for axis in (None, 0, 1):
            for reverse in (False, True):
                for exclusive in (False, True):
                    options = {"reverse": reverse, "exclusive": exclusive}
                    f = lambda x, n=name, a=axis, o=options: getattr(tl, n)(x, a, **o)  # noqa: E731
                    referee = rounded(lambda x, n=name, a=axis, s=start, o=options: running(x, n, a, s, **o))
                    smooth(name, f, referee, x, ulps=16, absolute=16.0)
                    case(name, f, lambda x, n=name, a=axis, s=start, o=options: running(x, n, a, int(s), **o),
                         np.arange(6).reshape(2, 3))  # fmt: skip


def running(x: Array, name: str, axis: int | None, start: float, reverse: bool, exclusive: bool) -> Array:
    x = x.ravel() if axis is None else x
    axis = axis or 0
    x = np.flip(x, axis) if reverse else x
    if exclusive:
        first = np.full_like(np.take(x, [0], axis), start)
        x = np.concatenate([first, np.delete(x, -1, axis)], axis)
    y = getattr(np, name)(x, axis)
    return np.flip(y, axis) if reverse else y


def order(x: Array) -> None:
    repeated = np.array([[1.0, np.nan, 3.0, 1.0], [3.0, 1.0, 3.0, -np.inf]])
    for axis in (0, -1, None):
        for data in (x, repeated, repeated[:, ::-1], np.array([[3, 1, 3], [2, 2, 1]])):
            down = lambda x, a=axis: descending(x, a)  # noqa: E731
            case("argsort", lambda x, a=axis: tl.argsort(x, a, descending=True), down, data)
            alike("argsort", lambda m, x, a=axis: m.argsort(x, a, stable=True), data)
            alike("sort", lambda m, x, a=axis: m.sort(x, a, stable=True), data)
        sorted_down = lambda x, a=axis: -np.sort(-x, a)  # noqa: E731
        smooth("sort", lambda x, a=axis: tl.sort(x, a, descending=True), sorted_down, x)
    alike("argsort", lambda m, x: m.argsort(x), np.array(3.0))
    for axis in (0, 1):
        for smallest in (False, True):
            sign = 1 if smallest else -1
            f = lambda x, a=axis, s=smallest: tl.top_k(x, 2, a, smallest=s)[0]  # noqa: E731
            smooth("top_k", f, lambda x, a=axis, s=sign: s * np.take(np.sort(s * x, a), [0, 1], a), x)
    table, wanted = values(5, seed=27), values(2, 3, seed=28)
    places = lambda m, a, v: m.searchsorted(a, v, sorter=m.argsort(a))  # noqa: E731
    alike("searchsorted", places, table, wanted)


def descending(x: Array, axis: int | None) -> Array:
    """Stable, and nan first: by the rank of each element."""
    x = x.ravel() if axis is None else x
    return np.argsort(-np.where(np.isnan(x), np.inf, x), axis or 0 if axis is None else axis, kind="stable")


def padding(x: Array) -> None:
    widths: list[Any] = [2, (2,), (1, 2), ((1, 2),), ((1,), (2,)), ((1, 0), (2, 3)), [[0, 1], [1, 0]]]
    for width in [*widths, np.array([[1, 2], [0, 3]]), np.array([1, 2]), np.int64(1)]:
        both("pad", lambda m, x, w=width: m.pad(x, w), x)
    smooth("pad", lambda x: tl.pad(x, {-1: (1, 2)}), lambda x: np.pad(x, ((0, 0), (1, 2))), x)
    for mode in ("edge", "reflect", "symmetric", "wrap"):
        for width in (1, ((0, 0), (5, 4)), ((4, 0), (0, 7))):
            both("pad", lambda m, x, w=width, o=mode: m.pad(x, w, mode=o), x)
        alike("pad", lambda m, x, o=mode: m.pad(x, 3, mode=o), np.arange(4, dtype=np.int32))
    fills: list[Any] = [1.5, (1, 2.5), ((1, 2), (3, 4.5)), ((0, 0), (0, 7))]
    for fill in fills:
        for width in (1, ((1, 0), (0, 2))):
            both("pad", lambda m, x, v=fill, w=width: m.pad(x, w, constant_values=v), x)
    alike("pad", lambda m, x: m.pad(x, 1, constant_values=True), np.array([True, False]))


def forms(a: Array, b: Array) -> None:
    exact = {"ulps": 16, "absolute": 32.0}
    one = values(1, 3, seed=29)
    both("einsum", lambda m, x, y: m.einsum("ij,ij->j", x, y), a, one, **exact)
    both("einsum", lambda m, x, y: m.einsum("ij,ij", x, y), one, a, **exact)
    both("einsum", lambda m, x, y: m.einsum(x, [0, 1], y, [1, 2], [0, 2]), a, b, **exact)
    both("einsum", lambda m, x, y: m.einsum(x, [0, 1], y, [1, 2]), a, b, **exact)
    both("einsum", lambda m, x: m.einsum(x, [..., 5], [5, ...]), a, **exact)
    both("concatenate", lambda m, x, y: m.concatenate([x, y], axis=None), a, b)
    both("roll", lambda m, x: m.roll(x, np.array([1, 2]), np.array([0, 1])), a)
    both("repeat", lambda m, x: m.repeat(x, np.array([1, 2]), 0), a)
    both("moveaxis", lambda m, x: m.moveaxis(x, np.array([0]), np.array([1])), a)
    both("expand_dims", lambda m, x: m.expand_dims(x, tuple(np.array([0, 2]))), a)
    both("tensordot", lambda m, x, y: m.tensordot(x, y, np.array([[1], [0]])), a, b, **exact)
    for name in ("mean", "std", "max"):
        both(name, lambda m, x, n=name: getattr(m, n)([x[0], x[1]]), a, ulps=16, absolute=8.0)
    smooth("norm", lambda x: tl.norm([x[0, 0], 2.0, x[1, 1]]),
           rounded(lambda x: np.sqrt(x[0, 0] ** 2 + 4 + x[1, 1] ** 2)), a, ulps=8)  # fmt: skip
    smooth("at", lambda x, v: x.at[0].set(v), lambda x, v: np.concatenate([v, x[1:]]), a, one)
    both("diff", lambda m, x: m.diff(x, prepend=0.5, append=2), a)
    both("diff", lambda m, x: m.diff(x, 2, append=x[:, :2]), a, ulps=4, absolute=8.0)
    both("diff", lambda m, x: m.diff(x, axis=0, prepend=x[1:], append=1), a)
    for k in (-2, -1, 1, 4):
        case("eye", lambda k=k: tl.eye(3, 4, k=k), lambda k=k: np.eye(3, 4, k=k, dtype=np.float32))
    for endpoint in (True, False):
        for count in (0, 1, 5):
            line = lambda m, c=count, e=endpoint: m.linspace(-1.0, 2.0, c, dtype=np.float64, endpoint=e)  # noqa: E731
            alike("linspace", line, ulps=1)
    tanh = lambda x: x * (1 + np.tanh(np.sqrt(2 / np.longdouble(np.pi)) * (x + x**3 * 0.044715))) / 2  # noqa: E731
    smooth("gelu", lambda x: tl.gelu(x, approximate="tanh"), rounded(tanh), a, ulps=16, absolute=2.0)
    case("isnan", lambda x: tl.isnan([x, 1.0]), lambda x: np.array([True, False]), np.array(SPECIAL[0]))
