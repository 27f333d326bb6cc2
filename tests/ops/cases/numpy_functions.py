"""Cases of NumPy's functions that are written once, for this package and for NumPy."""

from typing import Any

import numpy as np

from tests.ops.cases.options import alike, both
from tests.ops.cases.table import FLOATS, INTEGERS, SPECIAL, Array, values

__all__ = ["add", "unstacked"]


def add() -> None:
    elementwise(values(2, 3, seed=31), values(2, 3, seed=32))
    turned(values(2, 3, 4, seed=33))
    joined(values(2, 3, seed=34), values(2, 3, seed=35))
    chosen(values(3, 4, seed=36))
    on_grids(values(4, 3, seed=37), values(4, seed=38), values(3, seed=39))
    products(values(2, 3, seed=40), values(4, 3, seed=41))


def elementwise(a: Array, b: Array) -> None:
    positive = np.abs(a) + 0.2
    both("log10", lambda m, x: m.log10(x), positive, ulps=6, absolute=2.0)
    both("exp2", lambda m, x: m.exp2(x), a, ulps=4)
    both("reciprocal", lambda m, x: m.reciprocal(x), a, ulps=1)
    both("deg2rad", lambda m, x: m.deg2rad(x), a, ulps=2)
    both("rad2deg", lambda m, x: m.rad2deg(x), a, ulps=2)
    for at in (a, a / 8, np.array([0.0, 0.3, -0.1, 0.1591, 0.1592])):
        both("sinc", lambda m, x: m.sinc(x), at, ulps=8, absolute=4.0)
    for name in ("logaddexp", "logaddexp2"):
        both(name, lambda m, x, y, n=name: getattr(m, n)(x, y), a, b, ulps=6, absolute=4.0)
        both(name, lambda m, x, n=name: getattr(m, n)(x, x), a, ulps=6, absolute=4.0)
    for name in ("fmax", "fmin", "copysign"):
        both(name, lambda m, x, y, n=name: getattr(m, n)(x, y), a, b[0])
    both("nan_to_num", lambda m, x: m.nan_to_num(x), a)
    for dtype in FLOATS:
        x = np.array(SPECIAL).astype(dtype)
        alike("log10", lambda m, x: m.log10(x), x[1:6], ulps=4)
        alike(
            "exp2",
            lambda m, x: m.exp2(x),
            np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, 5.0]).astype(dtype),
            ulps=2,
        )
        alike("reciprocal", lambda m, x: m.reciprocal(x), x)
        for name, ulps in (("logaddexp", 4), ("logaddexp2", 4)):
            alike(name, lambda m, x, y, n=name: getattr(m, n)(x, y), x[:, None], x, ulps=ulps, absolute=2.0)
        for name in ("fmax", "fmin"):
            alike(name, lambda m, x, y, n=name: getattr(m, n)(x, y), x[:, None], x[5:])
            alike(name, lambda m, x, y, n=name: getattr(m, n)(x, y), x[:3, None], x[:3])
        alike("copysign", lambda m, x, y: m.copysign(x, y), x[1:, None], x[1:])
        alike("signbit", lambda m, x: m.signbit(x), x)
        alike("nan_to_num", lambda m, x: m.nan_to_num(x), x)
        alike("nan_to_num", lambda m, x: m.nan_to_num(x, nan=2.0, posinf=1.0, neginf=-1.0), x)
    for dtype in INTEGERS:
        x = np.array([0, 1, 7]).astype(dtype)
        alike("signbit", lambda m, x: m.signbit(x), x)
        alike("nan_to_num", lambda m, x: m.nan_to_num(x), x)
        alike("fmax", lambda m, x, y: m.fmax(x, y), x, x[::-1])
    alike("signbit", lambda m, x: m.signbit(x), np.array([-3, 0]))


def turned(x: Array) -> None:
    both("matrix_transpose", lambda m, x: m.matrix_transpose(x), x)
    both("matrix_transpose", lambda m, x: x.mT, x)
    both("flipud", lambda m, x: m.flipud(x), x)
    both("fliplr", lambda m, x: m.fliplr(x), x)
    for k in range(-1, 5):
        both("rot90", lambda m, x, k=k: m.rot90(x, k), x)
        both("rot90", lambda m, x, k=k: m.rot90(x, k, axes=(2, 1)), x)
    for axis in range(-3, 3):
        for start in range(-2, 4):
            both("rollaxis", lambda m, x, a=axis, s=start: m.rollaxis(x, a, s), x)
    alike("rot90", lambda m, x: m.rot90(x), np.arange(6).reshape(2, 3))


def unstacked(m: Any, x: Any, axis: int = 0) -> list[Any]:
    """NumPy 2.0 has no unstack."""
    return list(m.unstack(x, axis=axis) if hasattr(m, "unstack") else m.moveaxis(x, axis, 0))


def joined(a: Array, b: Array) -> None:
    for axis in (None, 0, 1):
        both("append", lambda m, x, y, k=axis: m.append(x, y, k), a, b)
    both("append", lambda m, x: m.append(x, 2.5), a)
    for name in ("atleast_1d", "atleast_2d", "atleast_3d"):
        for at in (a, a[0], a[0, 0], a[:0], values(1, 2, 3, seed=42)):
            both(name, lambda m, x, n=name: getattr(m, n)(x), at)
        alike(name, lambda m, x, y, n=name: list(getattr(m, n)(x, y)), a[0], np.array(3))
    for name in ("column_stack", "dstack"):
        for left, right in ((a, b), (a[0], b[0])):
            both(name, lambda m, x, y, n=name: getattr(m, n)([x, y]), left, right)
    cube = values(4, 4, 4, seed=43)
    for name in ("hsplit", "vsplit", "dsplit"):
        for cuts in (2, [1], [1, 3]):
            alike(name, lambda m, x, n=name, c=cuts: list(getattr(m, n)(x, c)), cube)
    alike("hsplit", lambda m, x: list(m.hsplit(x, 3)), a[0])
    for sections in (1, 2, 3, 5, [1, 2]):
        for axis in (0, 1):
            alike("array_split", lambda m, x, s=sections, k=axis: list(m.array_split(x, s, k)), values(4, 3, seed=44))
    for axis in (0, 1, -1):
        alike("unstack", lambda m, x, k=axis: unstacked(m, x, k), a)
    both("unstack", lambda m, x: unstacked(m, x)[0] * unstacked(m, x)[1], a)


def chosen(x: Array) -> None:
    both("select", lambda m, x: m.select([x < -1, x > 1], [x * x, x], 0.5), x, ulps=1)
    alike("select", lambda m, x: m.select([x < 2, x < 9], [x, 10 * x], default=-1), np.arange(12).reshape(3, 4))
    for axis in (None, 0, -1):
        data = np.where(np.abs(x) < 1, 0, x)
        for keep in (False, True):
            alike("count_nonzero", lambda m, x, a=axis, k=keep: m.count_nonzero(x, a, keepdims=k), data)
        alike("partition", lambda m, x, a=axis: m.sort(m.partition(x, 1, a), 0), x)
        both("partition", lambda m, x, a=axis: m.partition(x, 2, a).take([2], -1), x.ravel())
        alike("argpartition", lambda m, x, a=axis: m.sort(m.argpartition(x, (0, -1), a), 0), x)


def on_grids(x: Array, rows: Array, columns: Array) -> None:
    alike("broadcast_arrays", lambda m, *xs: list(m.broadcast_arrays(*xs)), x, columns, np.array(2))
    both("broadcast_arrays", lambda m, x, y: m.broadcast_arrays(x, y)[1] * x, x, columns, ulps=1)
    for indexing in ("xy", "ij"):
        for sparse in (False, True):
            options = {"indexing": indexing, "sparse": sparse}
            for given in ((rows, columns), (rows,), (rows, columns, values(2, seed=45)), (rows, np.array(3.0))):
                alike("meshgrid", lambda m, *xs, o=options: list(m.meshgrid(*xs, **o)), *given)
    both("meshgrid", lambda m, x, y: m.meshgrid(x, y)[0] * m.meshgrid(x, y)[1], rows, columns, ulps=1)
    exact = {"ulps": 16, "absolute": 64.0}
    places = np.cumsum(np.abs(rows) + 0.3)
    for order in (1, 2):
        for axis in (0, 1, -1):
            both("gradient", lambda m, x, a=axis, o=order: m.gradient(x, axis=a, edge_order=o), x, **exact)
            both("gradient", lambda m, x, a=axis, o=order: m.gradient(x, 0.5, axis=a, edge_order=o), x, **exact)
        both("gradient", lambda m, x, p, o=order: m.gradient(x, p, axis=0, edge_order=o), x, places, **exact)
        both("gradient", lambda m, x, o=order: m.gradient(x, edge_order=o), rows, **exact)
        alike("gradient", lambda m, x, p, o=order: list(m.gradient(x, p, 2.0, edge_order=o)), x, places, **exact)


def products(a: Array, b: Array) -> None:
    exact = {"ulps": 8, "absolute": 16.0}
    for left, right in ((a, b), (a[0], b), (a, b[0]), (a[0], b[0]), (a, np.array(2.0))):
        both("inner", lambda m, x, y: m.inner(x, y), left, right, **exact)
    both("vecdot", lambda m, x, y: m.vecdot(x, y), a, b[0], **exact)
    both("vecdot", lambda m, x, y: m.vecdot(x, y, axis=0), a, b[:2], **exact)
    alike(
        "vecdot",
        lambda m, x, y: m.vecdot(x, y),
        np.arange(6, dtype=np.int32).reshape(2, 3),
        np.arange(3, dtype=np.int32),
    )
    for left, right in ((a, b), (a[0], b), (a, b[0]), (a[0], b[0]), (a, np.array(2.0)), (values(2, 1, 3, seed=46), a)):
        both("kron", lambda m, x, y: m.kron(x, y), left, right, ulps=1)
    both("cross", lambda m, x, y: m.cross(x, y), a, b[:2], **exact)
    both("cross", lambda m, x, y: m.cross(x, y), a, b[0], **exact)
    both("cross", lambda m, x, y: m.cross(x.T, y.T, axis=0), a, b[:2], **exact)
    both("cross", lambda m, x, y: m.cross(x.T, y, axisa=0, axisc=0), a, b[:2], **exact)
    square = values(2, 3, 3, seed=47)
    for n in range(6):
        both("matrix_power", lambda m, x, n=n: power(m, x, n), square, ulps=32, absolute=64.0)
    both("matrix_power", lambda m, x: power(m, x, 2), square[0], ulps=32, absolute=64.0)
    alike("matrix_power", lambda m, x: power(m, x, 3), np.array([[1, 1], [1, 0]]))
    steady = square / 8 + np.eye(3)
    alike("matrix_power", lambda m, x: power(m, x, -2), steady, ulps=64, absolute=64.0)


def power(module: object, x: Array, n: int) -> Array:
    return np.linalg.matrix_power(x, n) if module is np else module.matrix_power(x, n)  # type: ignore[attr-defined]
