"""Lengths of vectors and sizes of matrices."""

import math
from collections.abc import Sequence
from typing import Any

from tinygrad_lstm.errors import UsageError
from tinygrad_lstm.functions.arrangement import moveaxis
from tinygrad_lstm.functions.choosing import count_nonzero
from tinygrad_lstm.functions.decomposition import svdvals
from tinygrad_lstm.functions.elementary import root_of_squares
from tinygrad_lstm.graph.compositions import composition
from tinygrad_lstm.graph.convert import float_operands
from tinygrad_lstm.graph.dtypes import float32
from tinygrad_lstm.graph.registry import function
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.graph.types import listed, normalize_axis
from tinygrad_lstm.ops.elementwise import abs, power
from tinygrad_lstm.ops.logic import equal, where
from tinygrad_lstm.ops.reduce import max, min, reduced_shape, sum
from tinygrad_lstm.ops.shape import reshape

__all__ = ["matrix_norm", "norm", "vector_norm"]


@function
@composition()
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The length ``√Σ x²`` of all elements, or of the vectors along ``axis``; or another norm.

    Its derivative ``x / norm`` is taken as 0 at 0.

    Args:
        ord: of vectors: a number p for ``(Σ |x|ᵖ)^(1/p)``, 0 for how many are not 0, ∞ and −∞ for the largest and the
            smallest ``|x|``. Of matrices: ``"fro"`` as by default, ``"nuc"`` for the sum of the singular values, 2 and
            −2 for the largest and smallest of them, 1 and −1 for the largest and smallest sum of a column of ``|x|``,
            ∞ and −∞ of a row.
        axis: one axis for vectors, two for matrices; by default ``ord`` says of what a vector or a matrix is.

    Raises:
        UsageError: for another ``ord``, or one with more axes than two.

    >>> print(tl.norm([3.0, 4.0]), tl.norm([3.0, -4.0], 1), tl.norm([[3.0, 0.0], [0.0, 4.0]], 2))
    5.0 7.0 4.0
    """
    (node,) = float_operands(x)
    if node.dtype.is_half:
        return norm(node.astype(float32), ord, axis, keepdims).astype(node.dtype)
    given = listed(axis)
    wanted = range(node.ndim) if axis is None else given if isinstance(given, Sequence) else (given,)
    axes = [normalize_axis(a, node.ndim) for a in wanted]
    if ord is None and (axis is None or len(axes) == 1 or len(axes) == 2):
        return root_of_squares(sum(node * node, tuple(axes), keepdims))
    if len(axes) not in (1, 2) or len(set(axes)) != len(axes):
        raise UsageError(
            f"norm({node.type}): ord={ord!r} is of a vector or of a matrix, and {len(axes)} axes are neither; name one "
            "axis or two"
        )
    result = _of_vectors(node, ord, axes[0]) if len(axes) == 1 else _of_matrices(node, ord, axes[0], axes[1])
    return reshape(result, reduced_shape(node.shape, tuple(axes), bool(keepdims)))


@function
@composition()
def vector_norm(x: Any, *, axis: Any = None, keepdims: bool = False, ord: float = 2) -> Tensor:
    """The norm of the elements along ``axis``, of all together by default, taken as one vector; see :func:`norm`.

    >>> print(tl.vector_norm([[3.0, 0.0], [0.0, 4.0]], ord=1))
    7.0
    """
    (node,) = float_operands(x)
    given = listed(axis)
    wanted = range(node.ndim) if axis is None else given if isinstance(given, Sequence) else (given,)
    axes = [normalize_axis(a, node.ndim) for a in wanted]
    kept = [a for a in range(node.ndim) if a not in axes]
    flat = reshape(
        moveaxis(node, tuple(kept), tuple(range(len(kept)))), (*[node.shape[a] for a in kept], -1 if node.size else 0)
    )
    return reshape(norm(flat, ord, -1), reduced_shape(node.shape, tuple(axes), bool(keepdims)))


@function
@composition()
def matrix_norm(x: Any, *, keepdims: bool = False, ord: Any = "fro") -> Tensor:
    """The norm of each matrix in the last two axes; see :func:`norm`.

    >>> print(tl.matrix_norm([[1.0, -2.0], [3.0, 4.0]], ord=1))
    6.0
    """
    return norm(x, ord, (-2, -1), keepdims)


def _of_vectors(node: Tensor, order: Any, axis: int) -> Tensor:
    size = abs(node)
    if order in (2, None):
        return root_of_squares(sum(node * node, axis))
    if order == math.inf:
        return max(size, axis)
    if order == -math.inf:
        return min(size, axis)
    if order == 0:
        return count_nonzero(node, axis).astype(node.dtype)
    if isinstance(order, bool) or not isinstance(order, int | float) or math.isnan(order):
        raise UsageError(f"norm({node.type}): ord={order!r} is no order of vectors; give a number, or infinity")
    if order == 1:
        return sum(size, axis)
    if order < 0:
        return power(sum(power(size, order), axis), 1 / order)
    # At 0 the powers have no derivative, or an infinite one: it is taken as 0, as for all others there.
    none = equal(size, 0)
    total = sum(where(none, 0, power(where(none, 1, size), order)), axis)
    zero = equal(total, 0)
    return where(zero, 0, power(where(zero, 1, total), 1 / order))


def _of_matrices(node: Tensor, order: Any, rows: int, columns: int) -> Tensor:
    if order in ("fro", None):
        return root_of_squares(sum(node * node, (rows, columns)))
    matrices = moveaxis(node, (rows, columns), (-2, -1))
    if order == "nuc":
        return sum(svdvals(matrices), -1)
    if order not in (1, -1, 2, -2, math.inf, -math.inf):
        raise UsageError(f"norm({node.type}): ord={order!r} is no order of matrices; 'fro', 'nuc', ±1, ±2 and ±inf are")
    along = -2 if order in (1, -1) else -1
    sizes = svdvals(matrices) if order in (2, -2) else sum(abs(matrices), along)
    return max(sizes, -1) if order > 0 else min(sizes, -1)
