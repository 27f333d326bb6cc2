"""Cases of what picks elements."""

from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_lstm as tl
from tests.ops.cases.table import INTEGERS, Array, case, smooth, values

__all__ = ["add"]


def add() -> None:
    for dtype in INTEGERS:
        places = np.array([2, 0, 1], dtype)
        # NumPy 2.0 takes no places of uint64.
        wide = places.astype(np.int64)
        smooth("take", lambda x, p=places: tl.take(x, p, 0), lambda x, p=wide: np.take(x, p, 0), values(3, 2, seed=61))
        case("take", tl.take, lambda x, p: np.take(x, p.astype(np.int64)), values(4, seed=62), places)
        case("slice", lambda x, i: x[i, 0], lambda x, i: x[i, 0], values(3, 2, seed=63), places)
    x = values(3, 4, seed=8)
    for indices in ([2, 0, 2], 1, [[0, -1], [1, 1]], np.zeros((0,), int), np.array([1, 2], np.uint32)):
        i = np.asarray(indices)
        for axis in (0, 1):
            smooth("take", lambda x, i, a=axis: tl.take(x, i, a), lambda x, i, a=axis: np.take(x, i, a), x, i)
    smooth("getitem", lambda x, i: x[1:, i, None], lambda x, i: x[1:, i, None], x, np.array([3, 0, -1]))
    case(
        "take",
        lambda x, i: tl.take(x, i, 0),
        lambda x, i: np.take(x, i, 0),
        np.zeros((0, 2)),
        np.zeros((0, 3), np.int32),
    )

    def scattered(axis: int) -> Callable[[Array, Array], Array]:
        def referee(updates: Array, indices: Array) -> Array:
            out = np.zeros((*updates.shape[:axis], 5, *updates.shape[axis + indices.ndim :]), updates.dtype)
            np.add.at(out, (*(slice(None),) * axis, indices), updates)
            return out

        return referee

    for axis, u, i in [
        (0, values(4, 2), np.array([1, 4, 1, 1])),
        (1, values(2, 3), np.array([0, -1, 4])),
        (0, values(2, 2), np.array([[0, 1], [1, 0]])),
        (0, values(), np.array(3)),
        (0, values(0, 2), np.zeros(0, int)),
    ]:
        if u.ndim:
            f = lambda u, i, a=axis: tl.scatter_add(u, i, a, size=5)  # noqa: E731
            smooth("scatter_add", f, scattered(axis), u, i, ulps=2, absolute=4.0)
    for i in (np.array([0, 2, 5, -1]), np.array(1), np.zeros((2, 0), np.int32)):
        case("one_hot", lambda i: tl.one_hot(i, 3), lambda i: (i[..., None] == np.arange(3)).astype(np.float32), i)
    arrays(values(3, 4, 2, seed=9))
    order()
    assignments(values(3, 4, seed=10))


def arrays(x: Any) -> None:
    """Keys of several arrays; hypothesis draws more of them elsewhere."""
    i, j = np.array([2, 0, -1]), np.array([1, 1, -4])
    for key in (lambda i, j: (i, j), lambda i, j: (i[:, None], j), lambda i, j: (j % 3, slice(None), i % 2)):
        smooth("getitem", lambda x, i, j, k=key: x[k(i, j)], lambda x, i, j, k=key: x[k(i, j)], x, i, j)
    smooth("getitem", lambda x, i: x[None, 1, i, ..., None], lambda x, i: x[None, 1, i, ..., None], x, j)
    for axis in (0, 1, -1, None):
        at = (
            np.zeros((2, 4, 2), int) if axis == 0 else np.array([[[0, 1, 1]]]) if axis == -1 else np.array([[[0], [1]]])
        )
        at = at[0, 0] if axis is None else at
        f = lambda x, i, m=tl, a=axis: m.take_along_axis(x, i, a)  # noqa: E731
        at = at.ravel() if axis is None else at
        smooth("take_along_axis", f, lambda x, i, f=f: f(x, i, np), x, at)
    smooth("take", tl.take, np.take, x, np.array([[5, -1], [0, 0]]))


def order() -> None:
    data = [np.array([[3.0, 1.0, 2.0], [1.0, 1.0, 0.0]]), np.array([2, 1, 3], np.uint32), np.array([True, False])]
    for x in [*data, np.array([np.nan, 1.0, -np.inf]), np.zeros((0, 2)), np.zeros((2, 0))]:
        for axis in (-1, 0, None):
            f = lambda x, m=tl, a=axis: m.argsort(x, a)  # noqa: E731
            case("argsort", f, lambda x, a=axis: np.argsort(x, a, kind="stable"), x)
            case("sort", lambda x, a=axis: tl.sort(x, a), lambda x, a=axis: np.sort(x, a), x)
    for axis in (-1, 0, None):
        smooth("sort", lambda x, a=axis: tl.sort(x, a), lambda x, a=axis: np.sort(x, a), values(3, 4, seed=11))
    referee = lambda x, k: (-np.sort(-x)[..., :k], np.argsort(-x, kind="stable")[..., :k])  # noqa: E731
    for k in (0, 1, 3):
        case("top_k", lambda x, k=k: tl.top_k(x, k), lambda x, k=k: referee(x, k), np.array([[1, 3, 3], [0, -1, 2]]))
        smooth("top_k", lambda x, k=k: tl.top_k(x, k)[0], lambda x, k=k: referee(x, k)[0], values(2, 3, seed=12))
    for side in ("left", "right"):
        for v in (np.array([[0.0, 2.0], [5.0, 1.0]]), np.array(2.0), np.zeros(0)):
            f = lambda a, v, m=tl, s=side: m.searchsorted(a, v, s)  # noqa: E731
            case("searchsorted", f, lambda a, v, f=f: np.asarray(f(a, v, np)), np.array([1.0, 2.0, 2.0, 4.0]), v)


def assigned(name: str, key: Any) -> Any:
    ufunc = {"add": np.add, "multiply": np.multiply, "max": np.maximum, "min": np.minimum}

    def referee(x: Any, v: Any) -> Any:
        out = x.copy()
        if name == "set":
            out[key] = v
        else:
            ufunc[name].at(out, key, v)
        return out

    return referee


def assignments(x: Any) -> None:
    once: list[Any] = [1, (slice(None), -1), (slice(None, None, -2), slice(1, 3)), ([2, 0], [1, 1]), ..., (0, slice(0))]
    for name in ("set", "add", "multiply", "max", "min"):
        for key in once:
            v = values(*np.zeros_like(x)[key].shape, seed=13)
            f = lambda x, v, n=name, k=key: getattr(x.at[k], n)(v)  # noqa: E731
            smooth("at", f, assigned(name, key), x, v)
            f = lambda x, n=name, k=key: getattr(x.at[k], n)(0.3)  # noqa: E731
            referee = assigned(name, key)
            smooth("at", f, lambda x, r=referee: r(x, x.dtype.type(0.3)), x)
        if name != "set":
            for key in ([1, 1, 0, 1], ([0, 0, 2], slice(1, 3))):
                v = values(*x[key].shape, seed=14)
                f = lambda x, v, n=name, k=key: getattr(x.at[k], n)(v)  # noqa: E731
                smooth("at", f, assigned(name, key), x, v, ulps=4, absolute=4.0)
    case("at", lambda x: x.at[[1, 1]].add(2), assigned_twice, np.arange(3, dtype=np.int32))
    case("at", lambda x: x.at[1].set(True), lambda x: np.array([False, True]), np.array([False, False]))


def assigned_twice(x: Any) -> Any:
    out = x.copy()
    out[1] += 4
    return out
