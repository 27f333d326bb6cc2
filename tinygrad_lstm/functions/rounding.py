"""Rounding, and shifts of bits."""

from typing import Any

from tinygrad_lstm.errors import DTypeError, UsageError
from tinygrad_lstm.functions.predicates import isfinite
from tinygrad_lstm.graph.compositions import composition
from tinygrad_lstm.graph.convert import as_tensor, operands
from tinygrad_lstm.graph.dtypes import bool_, float32
from tinygrad_lstm.graph.registry import function
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.graph.types import whole
from tinygrad_lstm.ops.integers import floor_divide, remainder
from tinygrad_lstm.ops.logic import equal, where
from tinygrad_lstm.ops.source import stop_gradient

__all__ = ["ceil", "floor", "left_shift", "round", "trunc"]


@function
@composition()
def floor(x: Any) -> Tensor:
    """The largest whole number ``≤ x``; integers are themselves. The derivative is 0.

    >>> print(tl.floor([1.5, -1.5]))
    [ 1. -2.]
    """
    node = _real(x, "floor")
    if not node.dtype.is_float:
        return node
    # ∞ // 1 is nan, as in NumPy.
    return stop_gradient(where(isfinite(node), floor_divide(node, 1), node))


@function
@composition()
def ceil(x: Any) -> Tensor:
    """The smallest whole number ``≥ x``; integers are themselves. The derivative is 0.

    >>> print(tl.ceil([1.5, -1.5]))
    [ 2. -1.]
    """
    node = _real(x, "ceil")
    return -floor(-node) if node.dtype.is_float else node


@function
@composition()
def trunc(x: Any) -> Tensor:
    """The whole part of ``x``, rounded towards 0; integers are themselves. The derivative is 0.

    >>> print(tl.trunc([1.5, -1.5]))
    [ 1. -1.]
    """
    node = _real(x, "trunc")
    return where(node < 0, ceil(node), floor(node)) if node.dtype.is_float else node


@function
@composition()
def round(x: Any, decimals: int = 0) -> Tensor:
    """The nearest whole number, halves to the even one as in NumPy. The derivative is 0.

    Args:
        decimals: how many digits after the point stay; with −1 the result is a multiple of 10, and so on.

    >>> print(tl.round([0.5, 1.5, -1.7]), tl.round([1.26], 1), tl.round(tl.tensor([15, 26]), -1))
    [ 0.  2. -2.] [1.3] [20 30]
    """
    node = _real(x, "round")
    places = whole(decimals)
    if places is None:
        raise UsageError(f"round: decimals is an integer, not {decimals!r}")
    if not node.dtype.is_float:
        return node if places >= 0 else _rounded_to_multiple(node, 10**-places)
    if not places:
        return _rounded(node)
    if node.dtype.is_half:
        return round(node.astype(float32), places).astype(node.dtype)
    scaled = node * 10.0**places if places > 0 else node / 10.0**-places
    nearest = _rounded(scaled)
    back = nearest / 10.0**places if places > 0 else nearest * 10.0**-places
    return stop_gradient(where(isfinite(scaled), back, node))


def _rounded_to_multiple(x: Tensor, step: int) -> Tensor:
    """Integers at the nearest multiple of ``step``, halves at the even one; 0 where ``step`` is beyond the type."""
    if step >= 2 ** (8 * x.dtype.itemsize - 1):
        return x * 0
    below = floor_divide(x, step)
    rest = x - below * step
    up = (rest > step - rest) | (equal(rest, step - rest) & equal(remainder(below, 2), 1))
    return (below + up) * step


def _rounded(node: Tensor) -> Tensor:
    size = where(node < 0, -node, node)
    below = floor(size)
    part = stop_gradient(size) - below
    up = (part > 0.5) | (equal(part, 0.5) & equal(remainder(below, 2), 1))
    nearest = where(up, below + 1, below)
    return where(node < 0, -nearest, nearest)


@function
def left_shift(x: Any, y: Any) -> Tensor:
    """``x << y`` of integers, ``x·2^y``; bits beyond the element type are lost, and with ``y < 0`` all are.

    Raises:
        DTypeError: when an operand holds no integers.

    >>> print(tl.left_shift(tl.tensor([3, -1]), 4))
    [ 48 -16]
    """
    node, places = operands(x, y)
    if node.dtype.kind not in "iu":
        raise DTypeError(f"left_shift({node.type}, {places.type}): integers are wanted")
    bits = 8 * node.dtype.itemsize
    shifted = node
    step = 1
    while step < bits:  # 2^y is the product of 2^step over the binary digits of y
        shifted = where(equal(places & step, 0), shifted, shifted * 2**step)
        step *= 2
    return where((places >= 0) & (places < bits), shifted, 0)


def _real(x: Any, name: str) -> Tensor:
    node = as_tensor(x)
    if node.dtype is bool_:
        raise DTypeError(f"{name}({node.type}): bools are no numbers; convert with .astype(tl.int64)")
    return node
