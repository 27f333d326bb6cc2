"""Decompositions of matrices, with gradients: eigenvalues, singular values, QR, and what is made of them."""

import math
from typing import Any, NamedTuple

from tinygrad_lstm.errors import ShapeError, UsageError
from tinygrad_lstm.functions.arrangement import expand_dims, swapaxes, triu
from tinygrad_lstm.functions.element_types import finfo
from tinygrad_lstm.functions.filling import eye
from tinygrad_lstm.functions.predicates import not_equal
from tinygrad_lstm.graph.compositions import composition
from tinygrad_lstm.graph.convert import as_tensor, float_operands
from tinygrad_lstm.graph.dtypes import float32, int64
from tinygrad_lstm.graph.registry import function
from tinygrad_lstm.graph.tensor import Tensor, make
from tinygrad_lstm.ops.elementwise import sqrt
from tinygrad_lstm.ops.logic import equal, less, where
from tinygrad_lstm.ops.loop import scan
from tinygrad_lstm.ops.reduce import max, sum
from tinygrad_lstm.ops.shape import broadcast_to, reshape
from tinygrad_lstm.ops.source import arange_node, stop_gradient

__all__ = ["eigh", "eigvalsh", "matrix_rank", "pinv", "qr", "svd", "svdvals"]


class Eigh(NamedTuple):
    """Eigenvalues in ascending order, and the eigenvectors as columns."""

    eigenvalues: Tensor
    eigenvectors: Tensor


class SVD(NamedTuple):
    """``U``, the singular values in descending order, and ``Vᵀ``: the matrix is ``U @ diag(S) @ Vh``."""

    U: Tensor
    S: Tensor
    Vh: Tensor


class QR(NamedTuple):
    """Orthonormal columns, and an upper triangle: the matrix is ``Q @ R``."""

    Q: Tensor
    R: Tensor


@function
@composition()
def eigh(a: Any, UPLO: str = "L") -> Eigh:
    """Eigenvalues, ascending, and eigenvectors of symmetric matrices: ``a @ v = v · w``.

    The sign of an eigenvector is the library's choice. Where two eigenvalues are equal their vectors have no
    derivative, and what comes through them is taken as 0.

    Shapes: ``(…, n, n) → (…, n), (…, n, n)``.

    Args:
        UPLO: which triangle is read: ``"L"``, the lower one, or ``"U"``.

    Raises:
        ShapeError: when ``a`` is not square. One that is not finite gives nan.

    >>> w, v = tl.eigh([[2.0, 1.0], [1.0, 2.0]])
    >>> print(w)
    [1. 3.]
    """
    if UPLO not in ("L", "U"):
        raise UsageError(f"eigh: UPLO is 'L' or 'U', the triangle that is read, not {UPLO!r}")
    (node,) = float_operands(a)
    if node.dtype.is_half:
        values, vectors = eigh(node.astype(float32), UPLO)
        return Eigh(values.astype(node.dtype), vectors.astype(node.dtype))
    joined = make("eigh", swapaxes(node, -1, -2) if UPLO == "U" else node)
    return Eigh(joined[..., 0], joined[..., 1:])


@function
@composition()
def eigvalsh(a: Any, UPLO: str = "L") -> Tensor:
    """The eigenvalues of symmetric matrices, ascending; see :func:`eigh`.

    >>> print(tl.eigvalsh([[2.0, 1.0], [1.0, 2.0]]))
    [1. 3.]
    """
    return eigh(a, UPLO).eigenvalues


@function
@composition()
def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    """The singular value decomposition ``a = U @ diag(S) @ Vh`` with orthonormal columns of ``U`` and rows of ``Vh``.

    The signs of a column of ``U`` and of its row of ``Vh`` are the library's choice. Where two singular values are
    equal, what comes through their vectors is taken as 0.

    Shapes: ``(…, m, n) → (…, m, k), (…, k), (…, k, n)`` with the smaller of m and n as k.

    Args:
        full_matrices: False for matrices that are not square: the further vectors of NumPy's default have no
            derivative, and are not computed here.
        compute_uv: whether the vectors are wanted; without them the result is ``S`` alone.

    Raises:
        UsageError: for the further vectors.
        ShapeError: when there are fewer than two axes. A matrix that is not finite gives nan.

    >>> print(tl.svd([[3.0, 0.0], [0.0, 4.0]]).S)
    [4. 3.]
    """
    (node,) = float_operands(a)
    if node.dtype.is_half:
        parts = svd(node.astype(float32), full_matrices, compute_uv)
        return SVD(*[p.astype(node.dtype) for p in parts]) if compute_uv else parts.astype(node.dtype)
    joined = make("svd", node)
    rows, columns = node.shape[-2:]
    if not compute_uv:
        return joined[..., rows]
    if full_matrices and rows != columns:
        raise UsageError(
            f"svd({node.type}): write full_matrices=False; vectors beyond those of singular values have no derivative"
        )
    return SVD(swapaxes(joined[..., :rows], -1, -2), joined[..., rows], joined[..., rows + 1 :])


@function
@composition()
def svdvals(a: Any) -> Tensor:
    """The singular values of matrices, descending; see :func:`svd`.

    >>> print(tl.svdvals([[3.0, 0.0], [0.0, 4.0]]))
    [4. 3.]
    """
    values: Tensor = svd(a, False, False)
    return values


@function
@composition()
def pinv(a: Any, rcond: float | None = None, *, rtol: float | None = None) -> Tensor:
    """The pseudoinverse of matrices, by singular values. Its gradient holds while the rank stays as it is.

    Shapes: ``(…, m, n) → (…, n, m)``.

    Args:
        rcond: singular values that are not above this share of the largest count as 0; by default the larger of m and
            n times the distance of 1 from the next number.
        rtol: the same, as the array API standard calls it.

    Raises:
        UsageError: when both are given.

    >>> print(tl.pinv([[2.0, 0.0], [0.0, 0.0]]))
    [[0.5 0. ]
     [0.  0. ]]
    """
    if rcond is not None and rtol is not None:
        raise UsageError("pinv: rcond and rtol are two names of one number; give one of them")
    (node,) = float_operands(a)
    if node.dtype.is_half:
        return pinv(node.astype(float32), rcond, rtol=rtol).astype(node.dtype)
    share = rcond if rcond is not None else rtol
    return make("pinv", node, rtol=_share(node) if share is None else float(share))


@function
def matrix_rank(a: Any, tol: Any = None, *, rtol: float | None = None) -> Tensor:
    """How many singular values of each matrix are not 0, as int64.

    Args:
        tol: a singular value counts where it is above this.
        rtol: or above this share of the largest; by default the larger of m and n times the distance of 1 from the
            next number.

    >>> print(tl.matrix_rank([[1.0, 2.0], [2.0, 4.0]]))
    1
    """
    if tol is not None and rtol is not None:
        raise UsageError("matrix_rank: tol and rtol are two bounds; give one of them")
    (node,) = float_operands(a)
    if node.ndim < 2:
        return not_equal(node, 0).any().astype(int64)
    values = svdvals(stop_gradient(node))
    if values.shape[-1] == 0:
        return sum(values > 0, -1)
    share = _share(node) if rtol is None else rtol
    bound = max(values, -1, keepdims=True) * share if tol is None else expand_dims(as_tensor(tol, like=values), -1)
    return sum(values > bound, -1)


def _share(node: Tensor) -> float:
    """The share of the largest singular value of ``node`` below which rounding alone can put another one."""
    rows, columns = node.shape[-2:]
    return float(finfo(node.dtype).eps) * (rows if rows > columns else columns)


@function
@composition()
def qr(a: Any, mode: str = "reduced") -> Any:
    """``a = Q @ R`` with orthonormal columns of ``Q`` and an upper triangle ``R``, by reflections: a loop over columns.

    Shapes: ``(…, m, n) → (…, m, k), (…, k, n)`` with the smaller of m and n as k.

    Args:
        mode: ``"complete"`` has all m columns in ``Q`` and all m rows in ``R``; ``"r"`` gives ``R`` alone.

    Raises:
        UsageError: for another mode.
        ShapeError: when there are fewer than two axes.

    Source: A. Householder, "Unitary triangularization of a nonsymmetric matrix", 1958; signs as LAPACK chooses them.

    >>> q, r = tl.qr([[3.0, 1.0], [4.0, 2.0]])
    >>> print(f"{r[0, 0]:.1f}", tl.allclose(q @ r, [[3.0, 1.0], [4.0, 2.0]]))
    -5.0 True
    """
    if mode not in ("reduced", "complete", "r"):
        raise UsageError(f"qr: the mode is 'reduced', 'complete' or 'r', not {mode!r}")
    (node,) = float_operands(a)
    if node.ndim < 2:
        raise ShapeError(f"qr({node.type}): matrices are expected, at least two axes")
    if node.dtype.is_half:
        parts = qr(node.astype(float32), mode)
        return parts.astype(node.dtype) if mode == "r" else QR(*[p.astype(node.dtype) for p in parts])
    rows, columns = node.shape[-2:]
    least = rows if rows < columns else columns
    flat = reshape(node, (math.prod(node.shape[:-2]), rows, columns))
    square = broadcast_to(eye(rows, dtype=node.dtype, device=node.device), (flat.shape[0], rows, rows))
    reflected, turned = _reflected(flat, square, least) if flat.size else (flat, square)
    kept = rows if mode == "complete" else least
    r = reshape(triu(reflected)[:, :kept], (*node.shape[:-2], kept, columns))
    if mode == "r":
        return r
    return QR(reshape(swapaxes(turned, 1, 2)[:, :, :kept], (*node.shape[:-1], kept)), r)


def _reflected(matrices: Tensor, turned: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Both after ``count`` reflections, each of which clears a column of ``matrices`` below the diagonal."""
    places = arange_node(matrices.shape[1], int64, matrices.device)
    across = arange_node(matrices.shape[2], int64, matrices.device)

    def step(carry: tuple[Tensor, Tensor], k: Tensor) -> tuple[tuple[Tensor, Tensor], None]:
        now, so_far = carry
        at = equal(places, k)
        column = where(less(places, k), 0, sum(where(equal(across, k), now, 0), axis=2))
        first = sum(where(at, column, 0), axis=1, keepdims=True)
        rest = where(at, 0, column)
        size = sum(rest * rest, axis=1, keepdims=True)
        done = equal(size, 0)
        length = sqrt(where(done, 1, first * first + size))
        # The sign with which nothing cancels.
        mirror = expand_dims(where(at, first + where(first < 0, -length, length), rest), 2)
        square = sum(mirror * mirror, axis=1, keepdims=True)
        share = where(expand_dims(done, 2), 0, 2 / where(equal(square, 0), 1, square))
        across_mirror = swapaxes(mirror, 1, 2) * share
        return (now - mirror @ (across_mirror @ now), so_far - mirror @ (across_mirror @ so_far)), None

    (reflected, turned), _ = scan(step, (matrices, turned), arange_node(count, int64, matrices.device))
    return reflected, turned
