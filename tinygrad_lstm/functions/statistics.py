"""Reductions and running totals that are composed of other operations."""

import math
from collections.abc import Callable
from typing import Any

from tinygrad_lstm.errors import UsageError
from tinygrad_lstm.functions.arrangement import ravel
from tinygrad_lstm.functions.elementary import root_of_squares
from tinygrad_lstm.functions.filling import full
from tinygrad_lstm.functions.predicates import not_equal, truth
from tinygrad_lstm.graph.compositions import composition
from tinygrad_lstm.graph.convert import as_tensor, float_operands
from tinygrad_lstm.graph.dtypes import as_dtype, float32
from tinygrad_lstm.graph.registry import function
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.graph.types import normalize_axes, normalize_axis
from tinygrad_lstm.ops.elementwise import add, multiply
from tinygrad_lstm.ops.logic import equal, invert
from tinygrad_lstm.ops.reduce import argmax, as_type, reduced_shape, sum, summands
from tinygrad_lstm.ops.shape import concatenate, flip, reshape, transpose

__all__ = ["all", "any", "argmin", "cumprod", "cumsum", "mean", "prod", "std", "var"]


@function
@composition()
def mean(x: Any, axis: Any = None, keepdims: bool = False, *, dtype: Any = None) -> Tensor:
    """``Σ x / n`` over ``axis``, all axes by default; integers become float32; nan for an empty axis.

    Args:
        dtype: the element type of the result, to which ``x`` is converted first.

    >>> print(tl.mean([1.0, 2.0, 6.0]), tl.mean([1, 2], dtype="int64"))
    3.0 1
    """
    if dtype is not None and not as_dtype(dtype).is_float:
        return mean(as_type(x, dtype), axis, keepdims).astype(dtype)
    (node,) = float_operands(as_type(x, dtype))
    if node.dtype.is_half:
        return mean(node.astype(float32), axis, keepdims).astype(node.dtype)
    count = math.prod([node.shape[a] for a in normalize_axes(axis, node.ndim)])
    return sum(node, axis, keepdims) / count


@function
@composition()
def var(x: Any, axis: Any = None, ddof: float = 0, keepdims: bool = False, *, correction: Any = None) -> Tensor:
    """The variance ``Σ (x − mean)² / (n − ddof)`` over ``axis``.

    Args:
        correction: another name of ``ddof``, that of the array API standard.

    >>> print(tl.var([1.0, 2.0, 6.0, 7.0]))
    6.5
    """
    (node,) = float_operands(x)
    ddof = _correction(ddof, correction)
    if node.dtype.is_half:
        return var(node.astype(float32), axis, ddof, keepdims).astype(node.dtype)
    count = math.prod([node.shape[a] for a in normalize_axes(axis, node.ndim)])
    off = node - mean(node, axis, keepdims=True)
    return sum(off * off, axis, keepdims) / (count - ddof if count > ddof else 0)


@function
@composition()
def std(x: Any, axis: Any = None, ddof: float = 0, keepdims: bool = False, *, correction: Any = None) -> Tensor:
    """The standard deviation, the root of the variance; its derivative is taken as 0 where it is 0.

    Args:
        correction: another name of ``ddof``, that of the array API standard.

    >>> print(tl.std([1.0, 3.0]))
    1.0
    """
    (node,) = float_operands(x)
    ddof = _correction(ddof, correction)
    if node.dtype.is_half:
        return std(node.astype(float32), axis, ddof, keepdims).astype(node.dtype)
    return root_of_squares(var(node, axis, ddof, keepdims))


def _correction(ddof: Any, correction: Any) -> Any:
    if correction is None:
        return ddof
    if ddof:
        raise UsageError("var and std: ddof and correction are two names of one number; give one of them")
    return correction


@function
@composition()
def any(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Whether some element over ``axis`` is not 0; False for an empty axis.

    >>> print(tl.any([[True, False], [False, False]], axis=1))
    [ True False]
    """
    return not_equal(sum(truth(x), axis, keepdims), 0)


@function
@composition()
def all(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Whether every element over ``axis`` is not 0; True for an empty axis.

    >>> print(tl.all([[True, False], [True, True]], axis=1))
    [False  True]
    """
    return equal(sum(invert(truth(x)), axis, keepdims), 0)


@function
@composition()
def argmin(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The index (int64) of the first smallest element along ``axis``, of the flattened array by default.

    >>> print(tl.argmin([[1.0, 2.0], [3.0, 0.0]], axis=1))
    [0 1]
    """
    node = as_tensor(x)
    # ~n is −n − 1, which reverses the order and overflows for no integer.
    return argmax(-node if node.dtype.is_float else invert(node), axis, keepdims)


@function
@composition()
def prod(x: Any, axis: Any = None, keepdims: bool = False, *, dtype: Any = None) -> Tensor:
    """``∏ x`` over ``axis``, 1 for an empty axis, of integers and bools in 64 bits. Derivatives are right at zeros too.

    The factors are multiplied in pairs, so the graph grows with the logarithm of their number.

    Args:
        dtype: the element type of the result, to which ``x`` is converted first.

    >>> print(tl.prod([[1.0, 2.0], [3.0, 4.0]], axis=0))
    [3. 8.]
    """
    node = summands(x, dtype)
    if node.dtype.is_half:
        return prod(node.astype(float32), axis, keepdims).astype(node.dtype)
    axes = normalize_axes(axis, node.ndim)
    kept = [a for a in range(node.ndim) if a not in axes]
    count = math.prod([node.shape[a] for a in axes])
    rest = tuple(node.shape[a] for a in kept)
    shape = reduced_shape(node.shape, axes, bool(keepdims))
    if count == 0:
        return full(shape, 1, node.dtype, node.device)
    rows = reshape(transpose(node, (*axes, *kept)), (count, *rest))
    while count > 1:
        half = count // 2
        pairs = rows[:half] * rows[half : 2 * half]
        rows = pairs if count % 2 == 0 else concatenate([pairs, rows[2 * half :]])
        count = half + count % 2
    return reshape(rows, shape)


@function
@composition()
def cumsum(
    x: Any, axis: int | None = None, *, dtype: Any = None, reverse: bool = False, exclusive: bool = False
) -> Tensor:
    """The sums of the first 1, 2, … elements along ``axis``, of the flattened array by default.

    Integers and bools are summed in 64 bits. Each round doubles how many elements a sum covers, so the graph grows with
    the logarithm of the axis.

    Args:
        dtype: the element type of the result, to which ``x`` is converted first.
        reverse: whether to start from the end.
        exclusive: whether each place has the sum of what stands before it, without its own element.

    >>> print(tl.cumsum([1.0, 2.0, 3.0]), tl.cumsum([1.0, 2.0, 3.0], reverse=True, exclusive=True))
    [1. 3. 6.] [5. 3. 0.]
    """
    return _running(add, summands(x, dtype), axis, -0.0, reverse, exclusive)


@function
@composition()
def cumprod(
    x: Any, axis: int | None = None, *, dtype: Any = None, reverse: bool = False, exclusive: bool = False
) -> Tensor:
    """The products of the first 1, 2, … elements along ``axis``, of the flattened array by default.

    Those of integers and bools have 64 bits. Derivatives are right at zeros too.

    Args:
        dtype: the element type of the result, to which ``x`` is converted first.
        reverse: whether to start from the end.
        exclusive: whether each place has the product of what stands before it, without its own element.

    >>> print(tl.cumprod([1.0, 2.0, 3.0]), tl.cumprod([1.0, 2.0, 3.0], exclusive=True))
    [1. 2. 6.] [1. 1. 2.]
    """
    return _running(multiply, summands(x, dtype), axis, 1, reverse, exclusive)


def _running(
    combine: Callable[[Any, Any], Tensor],
    node: Tensor,
    axis: int | None,
    neutral: float,
    reverse: bool = False,
    exclusive: bool = False,
) -> Tensor:
    """Running totals: each round combines twice as many elements that end at each place (Hillis, Steele, 1986).

    Args:
        neutral: the neutral element of ``combine``; for a sum −0.0, since −0.0 + 0.0 is 0.0.
    """
    if node.dtype.is_half:
        return _running(combine, node.astype(float32), axis, neutral, reverse, exclusive).astype(node.dtype)
    node = ravel(node) if axis is None or not node.shape else node
    place = normalize_axis(0 if axis is None else axis, node.ndim)
    if reverse:
        return flip(_running(combine, flip(node, place), place, neutral, exclusive=exclusive), place)
    before = (slice(None),) * place
    reach, size = 1, node.shape[place]
    if exclusive and size:
        # −0.0 is neutral in a sum of elements, but the sum of none is 0.0.
        first = full((*node.shape[:place], 1, *node.shape[place + 1 :]), neutral + 0, node.dtype, node.device)
        node = concatenate([first, node[(*before, slice(None, -1))]], place)
    while reach < size:
        start = full((*node.shape[:place], reach, *node.shape[place + 1 :]), neutral, node.dtype, node.device)
        node = combine(node, concatenate([start, node[(*before, slice(None, size - reach))]], place))
        reach *= 2
    return node
