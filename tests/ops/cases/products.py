"""Cases of products of matrices."""

from typing import Any

import numpy as np

import tinygrad_lstm as tl
from tests.ops.cases.table import case, rounded, smooth, values

__all__ = ["add"]


def add() -> None:
    pairs = [((2, 3), (3, 4)), ((3,), (3, 4)), ((2, 3), (3,)), ((3,), (3,)), ((5, 2, 3), (3, 4))]
    pairs += [((5, 2, 3), (5, 3, 4)), ((2, 3), (5, 3, 4)), ((4, 1, 2, 3), (5, 3, 2))]
    pairs += [((3,), (2, 3, 4)), ((2, 5, 3), (3,))]
    pairs += [((2, 0), (0, 3)), ((0, 2), (2, 3)), ((5, 2, 0), (0, 4)), ((0, 2, 3), (3, 4))]
    for left, right in pairs:
        a, b = values(*left, seed=9), values(*right, seed=10)
        smooth("matmul", tl.matmul, rounded(np.matmul), a, b, ulps=8, absolute=16.0)
    case("matmul", tl.matmul, np.matmul, np.arange(6, dtype=np.int32).reshape(2, 3), np.ones((3, 2), np.int32))
    contractions()
    decompositions()
    by_values(values(2, 3, 3, seed=51), values(2, 4, 3, seed=52))
    uneven = np.cos(np.arange(24.0)).reshape(2, 3, 4) / 8
    norms(values(3, 4, seed=53) + uneven[0], values(2, 3, 4, seed=54) + uneven)


def contractions() -> None:
    a, b, c = values(2, 3, seed=11), values(3, 4, seed=12), values(2, 3, 3, seed=13)
    exact = {"ulps": 16, "absolute": 32.0}
    for left, right in ((a, b), (a[0], b), (c, b), (c, c[0]), (a[0], a[1]), (a, np.array(2.0))):
        smooth("dot", tl.dot, rounded(np.dot), left, right, **exact)
    smooth("outer", tl.outer, rounded(np.outer), a, b[0], ulps=2)
    for left, right, axes in ((a, b, 1), (c, c, 3), (a, b, 0), (c, b, ([1], [0])), (c, c, ((0, 1), (0, 2)))):
        f = lambda x, y, m=tl, k=axes: m.tensordot(x, y, k)  # noqa: E731
        smooth("tensordot", f, rounded(lambda x, y, f=f: np.asarray(f(x, y, np))), left, right, **exact)
    sums: list[tuple[str, list[Any]]] = [
        ("ij,jk->ik", [a, b]), ("ij,jk", [a, b]), ("ij->ji", [a]), ("ij->", [a]), ("ij->j", [a]), ("ba", [a]),
        ("bij,bjk->bik", [c, c]), ("bij,jk->bik", [c, b]), ("bii->bi", [c]), ("bii", [c]), ("ij,ij->", [a, a]),
        ("i,j->ij", [a[0], b[0]]), ("ij,jk,kl->il", [a, b, b.T.copy()]), ("...ij,jk->...ik", [c, b]),
        ("...i->i...", [c]), ("...,...", [c, c[0]]), ("i,i->i", [a[0], a[1]]), ("ij,kl->", [a, b]),
        ("b i j , b j i -> b", [c, c]), (",ij->ij", [np.array(2.0), a]), ("iij,j->i", [values(3, 3, 2), a[:, 0]]),
    ]  # fmt: skip
    for subscripts, arrays in sums:
        f = lambda *xs, m=tl, s=subscripts: m.einsum(s, *xs)  # noqa: E731
        smooth("einsum", f, rounded(lambda *xs, f=f: np.asarray(f(*xs, m=np))), *arrays, **exact)
    case("einsum", lambda x, y: tl.einsum("ij,j", x, y), lambda x, y: x @ y, np.arange(6).reshape(2, 3), np.arange(3))
    case("einsum", lambda x: tl.einsum("ij,jk->ik", x, x.T), lambda x: x @ x.T, np.zeros((2, 0)))


def wide(f: Any) -> Any:
    """``f`` of NumPy's linear algebra, which has float64 at most."""

    def referee(*arrays: Any) -> Any:
        found = f(*[x.astype(float) for x in arrays])
        return [np.asarray(y).astype(arrays[0].dtype) for y in (found if isinstance(found, tuple) else (found,))]

    return referee


def decompositions() -> None:
    m = values(2, 3, 3, seed=14) + 6 * np.eye(3)[[1, 0, 2]]
    exact = {"ulps": 64, "absolute": 64.0}
    spread = m @ np.swapaxes(m, 1, 2) / 8 + np.eye(3)
    lower = lambda x: tl.tril(x) + tl.swapaxes(tl.tril(x, -1), -1, -2)  # noqa: E731
    for at in (m, m[0], m[:, :1, :1], m[:0], np.zeros((2, 0, 0))):
        smooth("inv", tl.inv, wide(np.linalg.inv), at, **exact)
        smooth("det", tl.det, wide(np.linalg.det), at, **exact)
        smooth("slogdet", lambda x: list(tl.slogdet(x)), wide(lambda x: tuple(np.linalg.slogdet(x))), at, **exact)
    for at in (spread, spread[0], spread[:, :1, :1], m[:0], np.zeros((2, 0, 0))):
        smooth("cholesky", lambda x: tl.cholesky(lower(x)), wide(np.linalg.cholesky), at, **exact)
    for right in (values(3), values(3, 2), values(2, 3, 1), values(4, 1, 3, 2), values(3, 0)):
        smooth("solve", tl.solve, wide(np.linalg.solve), m, right, **exact)
    smooth("solve", tl.solve, wide(np.linalg.solve), m[0], values(2, 3, 2), **exact)
    case("det", tl.det, lambda x: np.zeros((), np.float32), np.array([[1, 2], [2, 4]]))
    case("inv", tl.inv, lambda x: np.full((2, 2), np.nan), np.array([[1.0, 2.0], [2.0, 4.0]]))
    for at in ([[0.0, 1.0], [0.0, 1.0]], [[0.0, 0.0], [0.0, 0.0]], np.diag([1.0, 0.0, 2.0])):
        case(
            "slogdet", lambda x: list(tl.slogdet(x)), lambda x: [np.array(0.0), np.array(-np.inf)], np.array(at), ulps=1
        )


def by_values(m: Any, tall: Any) -> None:
    """The signs of vectors are the library's choice, so that squares and products of them are compared."""
    exact = {"ulps": 256, "absolute": 256.0}
    lower = lambda x: tl.tril(x) + tl.swapaxes(tl.tril(x, -1), -1, -2)  # noqa: E731
    even = m + np.swapaxes(m, 1, 2)
    for at in (even, even[0], even[:, :1, :1], even[:0], np.zeros((2, 0, 0))):
        for triangle in ("L", "U"):
            f = lambda x, t=triangle: of_eigen(tl, tl.eigh(x, t))  # noqa: E731
            smooth("eigh", f, wide(lambda x, t=triangle: tuple(of_eigen(np, np.linalg.eigh(x, t)))), at, **exact)
        smooth("eigvalsh", tl.eigvalsh, wide(np.linalg.eigvalsh), at, **exact)
    smooth("eigh", lambda x: of_eigen(tl, tl.eigh(lower(x))), wide(lambda x: tuple(of_eigen(np, np.linalg.eigh(x)))), m,
           **exact)  # fmt: skip
    for at in (tall, np.swapaxes(tall, 1, 2).copy(), m, tall[0], tall[:0], tall[:, :, :1], np.zeros((2, 3, 0))):
        f = lambda x: of_singular(tl, tl.svd(x, full_matrices=False))  # noqa: E731
        smooth("svd", f, wide(lambda x: tuple(of_singular(np, np.linalg.svd(x, False)))), at, **exact)
        smooth("svdvals", tl.svdvals, wide(lambda x: np.linalg.svd(x, compute_uv=False)), at, **exact)
        smooth("pinv", tl.pinv, wide(np.linalg.pinv), at, **exact)
        # NumPy 2.0 knows no rank of a matrix without elements.
        rank = np.linalg.matrix_rank if at.size else lambda x: np.zeros(x.shape[:-2], np.int64)
        case("matrix_rank", tl.matrix_rank, rank, at)
        for mode in ("reduced", "complete", "r"):
            f = lambda x, o=mode: listed(tl.qr(x, o))  # noqa: E731
            smooth("qr", f, wide(lambda x, o=mode: tuple(listed(np.linalg.qr(x, o)))), at, **exact)
    deficient = np.array([[1.0, 2.0], [2.0, 4.0], [3.0, 6.0]])
    case("pinv", tl.pinv, np.linalg.pinv, deficient, **exact)
    case("pinv", lambda x: tl.pinv(x, 0.5), lambda x: np.linalg.pinv(x, 0.5), np.diag([1.0, 0.4, 2.0]), **exact)
    for at in (deficient, np.zeros((2, 2)), np.array([1.0, 0.0]), np.array([[1, 2], [2, 4]])):
        case("matrix_rank", tl.matrix_rank, lambda x: np.asarray(np.linalg.matrix_rank(x)), at)
    case("matrix_rank", lambda x: tl.matrix_rank(x, 1.5), lambda x: np.linalg.matrix_rank(x, 1.5), tall)
    case("matrix_rank", lambda x: tl.matrix_rank(x, rtol=0.5), lambda x: np.linalg.matrix_rank(x, rtol=0.5), tall)
    for name in ("eigh", "svd", "pinv"):
        f = lambda x, n=name: tl.sum(flat(getattr(tl, n)(x)))  # noqa: E731
        case(name, f, lambda x: np.array(np.nan), np.array([[np.nan, 0.0], [0.0, 1.0]]))


def flat(y: Any) -> Any:
    return y[0] if isinstance(y, tuple) else y


def listed(y: Any) -> list[Any]:
    return list(y) if isinstance(y, tuple) else [y]


def of_eigen(module: Any, found: Any) -> list[Any]:
    return [found[0], found[1] ** 2, found[1] @ module.swapaxes(found[1], -1, -2) * 2]


def of_singular(module: Any, found: Any) -> list[Any]:
    u, s, vh = found
    return [u**2, s, vh**2, u @ vh]


def norms(x: Any, cube: Any) -> None:
    exact = {"ulps": 64, "absolute": 64.0}
    for keep in (False, True):
        for order in (None, "fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf):
            smooth("norm", lambda x, o=order, k=keep: tl.norm(x, o, keepdims=k),
                   wide(lambda x, o=order, k=keep: np.linalg.norm(x, o, keepdims=k)), x, **exact)  # fmt: skip
            smooth("norm", lambda x, o=order, k=keep: tl.norm(x, o, (2, 0), k),
                   wide(lambda x, o=order, k=keep: np.linalg.norm(x, o, (2, 0), k)), cube, **exact)  # fmt: skip
            if order is not None:
                smooth("matrix_norm", lambda x, o=order, k=keep: tl.matrix_norm(x, ord=o, keepdims=k),
                       wide(lambda x, o=order, k=keep: np.linalg.matrix_norm(x, ord=o, keepdims=k)), cube,
                       **exact)  # fmt: skip
        for order in (None, 0, 1, 2, 3, 2.5, 0.5, -1, -2.5, np.inf, -np.inf):
            smooth("norm", lambda x, o=order, k=keep: tl.norm(x, o, 1, k),
                   wide(lambda x, o=order, k=keep: np.linalg.norm(x, o, 1, k)), cube, **exact)  # fmt: skip
            if order is not None:
                smooth("vector_norm", lambda x, o=order, k=keep: tl.vector_norm(x, axis=(0, 2), ord=o, keepdims=k),
                       wide(lambda x, o=order, k=keep: np.linalg.vector_norm(x, axis=(0, 2), ord=o, keepdims=k)), cube,
                       **exact)  # fmt: skip
    for order in (0, 1, 2, 3, 2.5, np.inf):
        zeros = np.array([0.0, -2.0, 0.0])
        case("norm", lambda x, o=order: tl.norm(x, o), lambda x, o=order: np.asarray(np.linalg.norm(x, o)), zeros)
    for order in (None, 2, 3, 2.5):
        slope = lambda x, o=order: tl.gradients(tl.norm(x, o), x)  # noqa: E731
        case("norm", slope, lambda x: np.zeros(2), np.zeros(2))
