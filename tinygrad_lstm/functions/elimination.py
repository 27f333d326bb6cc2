"""Linear algebra by elimination, composed of loops."""

import math
from typing import Any

from tinygrad_lstm.errors import ShapeError
from tinygrad_lstm.functions.arrangement import expand_dims, swapaxes
from tinygrad_lstm.functions.filling import full
from tinygrad_lstm.functions.predicates import not_equal
from tinygrad_lstm.functions.statistics import any, prod
from tinygrad_lstm.graph.compositions import composition
from tinygrad_lstm.graph.convert import float_operands
from tinygrad_lstm.graph.dtypes import bool_, int64
from tinygrad_lstm.graph.registry import function
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.graph.types import broadcast_shapes
from tinygrad_lstm.ops.elementwise import abs, log, sign, sqrt
from tinygrad_lstm.ops.integers import floor_divide, remainder
from tinygrad_lstm.ops.logic import equal, less, where
from tinygrad_lstm.ops.loop import scan
from tinygrad_lstm.ops.reduce import argmax, sum
from tinygrad_lstm.ops.shape import broadcast_to, concatenate, reshape
from tinygrad_lstm.ops.source import arange_node, stop_gradient

__all__ = ["cholesky", "det", "inv", "slogdet", "solve"]


@function
@composition()
def solve(a: Any, b: Any) -> Tensor:
    """The ``x`` with ``a @ x = b``, by elimination with complete pivoting (Gauss, Jordan): a loop over the pivots.

    Shapes: ``a`` is ``(…, n, n)``; ``b`` is a vector ``(n,)``, or matrices ``(…, n, m)``; leading axes broadcast.

    Raises:
        ShapeError: when ``a`` is not square, or ``b`` does not fit. A singular ``a`` gives nan.

    >>> print(tl.solve([[2.0, 0.0], [0.0, 4.0]], [2.0, 2.0]))
    [1.  0.5]
    """
    left, right = float_operands(a, b)
    _square(left, "solve")
    n = left.shape[-1]
    column = right.ndim == 1
    if column:
        right = reshape(right, (right.size, 1))
    if right.ndim < 2 or right.shape[-2] != n:
        raise ShapeError(f"solve({left.type}, {right.type}): the right side is wanted as [{n}] or […, {n}, m]")
    batch = broadcast_shapes(left.shape[:-2], right.shape[:-2])
    m = right.shape[-1]
    both = concatenate([broadcast_to(left, (*batch, n, n)), broadcast_to(right, (*batch, n, m))], -1)
    if both.size == 0:
        empty = broadcast_to(right, (*batch, n, m))
        return reshape(empty, (*batch, n)) if column else empty
    pivots, _, reduced = _eliminated(reshape(both, (math.prod(batch), n, n + m)))
    # The matrix has become a permutation: row r holds the unknown of the column that its pivot is in.
    order = stop_gradient(swapaxes(reduced[:, :, :n], 1, 2))
    singular = any(equal(pivots, 0), axis=1)
    solution = where(expand_dims(singular, (1, 2)), math.nan, order @ reduced[:, :, n:])
    return reshape(solution, (*batch, n) if column else (*batch, n, m))


@function
@composition()
def inv(a: Any) -> Tensor:
    """The inverse of square matrices ``(…, n, n)``; nan where there is none.

    Raises:
        ShapeError: when ``a`` is not square.

    >>> print(tl.inv([[2.0, 0.0], [0.0, 4.0]]))
    [[0.5  0.  ]
     [0.   0.25]]
    """
    (node,) = float_operands(a)
    _square(node, "inv")
    places = arange_node(node.shape[-1], int64, node.device)
    return solve(node, equal(expand_dims(places, 1), places).astype(node.dtype))


@function
@composition()
def det(a: Any) -> Tensor:
    """The determinant of square matrices ``(…, n, n)``: the product of the pivots. Its gradient is the cofactors.

    The gradient holds for singular matrices too.

    Raises:
        ShapeError: when ``a`` is not square.

    >>> print(f"{tl.det([[1.0, 2.0], [3.0, 4.0]]):.4f}")
    -2.0000
    """
    parity, pivots = _pivots(a, "det")
    return parity * prod(pivots, axis=-1)


@function
@composition()
def slogdet(a: Any) -> tuple[Tensor, Tensor]:
    """The sign of the determinant of ``(…, n, n)``, and ``log |det|``, which neither overflows nor underflows.

    A singular matrix has the sign 0 and the logarithm −inf.

    Raises:
        ShapeError: when ``a`` is not square.

    >>> parity, size = tl.slogdet([[1.0, 2.0], [3.0, 4.0]])
    >>> print(parity, f"{size:.4f}")
    -1.0 0.6931
    """
    parity, pivots = _pivots(a, "slogdet")
    return parity * prod(sign(pivots), axis=-1), sum(log(abs(pivots)), axis=-1)


@function
@composition()
def cholesky(a: Any, *, upper: bool = False) -> Tensor:
    """The lower triangular ``l`` with ``l @ lᵀ = a``, one column after another: a loop.

    Only the lower triangle of ``a``, which is symmetric and positive definite, is read. Elsewhere the result is nan.

    Shapes: ``(…, n, n) → (…, n, n)``.

    Args:
        upper: whether the upper triangle is read and the upper triangular ``u`` with ``uᵀ @ u = a`` given.

    Raises:
        ShapeError: when ``a`` is not square.

    >>> print(tl.cholesky([[4.0, 2.0], [2.0, 10.0]]))
    [[2. 0.]
     [1. 3.]]
    """
    (node,) = float_operands(a)
    _square(node, "cholesky")
    if upper:
        return swapaxes(cholesky(swapaxes(node, -1, -2)), -1, -2)
    n = node.shape[-1]
    if node.size == 0:
        return node
    places = arange_node(n, int64, node.device)
    flat = reshape(node, (math.prod(node.shape[:-2]), n, n))

    def column(rest: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        own = equal(places, k)
        below = sum(where(own, rest, 0), axis=-1)
        pivot = sum(where(own, below, 0), axis=-1, keepdims=True)
        # Rows above the pivot are finished; where() gives 0 there even if the quotient is inf or nan.
        scaled = where(less(places, k), 0, below / sqrt(pivot))
        return rest - expand_dims(scaled, 2) * expand_dims(scaled, 1), scaled

    _, columns = scan(column, flat, places)
    return reshape(swapaxes(swapaxes(columns, 0, 1), 1, 2), node.shape)


def _square(node: Tensor, name: str) -> None:
    if node.ndim < 2 or node.shape[-1] != node.shape[-2]:
        raise ShapeError(f"{name}({node.type}): square matrices are wanted, the last two axes of one size")


def _pivots(a: Any, name: str) -> tuple[Tensor, Tensor]:
    """The sign of the permutation of the pivots, ``(…,)``, and the pivots, ``(…, n)``."""
    (node,) = float_operands(a)
    _square(node, name)
    batch, n = node.shape[:-2], node.shape[-1]
    if node.size == 0:
        return full(batch, 1, node.dtype, node.device), full((*batch, n), 1, node.dtype, node.device)
    pivots, places, _ = _eliminated(reshape(node, (math.prod(batch), n, n)))
    rows, columns = floor_divide(places, n), remainder(places, n)
    # Inversions: pairs of pivots whose order by rows is not that by columns. Each pair is counted twice.
    crossed = not_equal(
        less(expand_dims(rows, 2), expand_dims(rows, 1)), less(expand_dims(columns, 2), expand_dims(columns, 1))
    )
    parity = (1 - remainder(sum(crossed, axis=(1, 2)), 4)).astype(node.dtype)
    return reshape(parity, batch), reshape(pivots, (*batch, n))


def _eliminated(both: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Gauss-Jordan elimination of ``(batch, n, n + m)``. A step takes the largest element left and clears its column.

    Returns:
        The pivots ``(batch, n)``; their places, counted row by row in the first n columns; and what is left.
    """
    batch, n, width = both.shape
    rows_at = arange_node(n, int64, both.device)
    columns_at = arange_node(width, int64, both.device)

    def step(carry: tuple[Tensor, Tensor], _: Any) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        now, free = carry
        best = argmax(reshape(where(free, abs(now[:, :, :n]), -1), (batch, n * n)), 1)
        in_row = expand_dims(equal(rows_at, expand_dims(floor_divide(best, n), 1)), 2)
        in_column = expand_dims(equal(columns_at, expand_dims(remainder(best, n), 1)), 1)
        row = sum(where(in_row, now, 0), axis=1, keepdims=True)
        column = sum(where(in_column, now, 0), axis=2, keepdims=True)
        pivot = sum(where(in_column, row, 0), axis=2, keepdims=True)
        scaled = row / where(equal(pivot, 0), 1, pivot)
        cleared = where(in_row, scaled, now - column * scaled)
        return (cleared, free & ~in_row & ~in_column[:, :, :n]), (pivot[:, 0, 0], best)

    free = full((batch, n, n), True, bool_, both.device)
    (left, _), (pivots, places) = scan(step, (both, free), length=n)
    return swapaxes(pivots, 0, 1), swapaxes(places, 0, 1), left
