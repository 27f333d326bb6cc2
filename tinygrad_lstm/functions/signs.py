"""Signs, also of zeros, and numbers in place of nan and infinity."""

import math
from typing import Any

from tinygrad_lstm.functions.predicates import isnan, not_equal
from tinygrad_lstm.graph.compositions import composition
from tinygrad_lstm.graph.convert import as_tensor, float_operands, operands
from tinygrad_lstm.graph.dtypes import limits
from tinygrad_lstm.graph.registry import function
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.ops.elementwise import maximum, minimum
from tinygrad_lstm.ops.logic import equal, where
from tinygrad_lstm.ops.source import stop_gradient
from tinygrad_lstm.ops.trigonometry import arctan2

__all__ = ["copysign", "fmax", "fmin", "nan_to_num", "signbit"]


@function
def signbit(x: Any) -> Tensor:
    """Whether ``x`` is below 0 or −0.0, as bools; False for nan.

    >>> print(tl.signbit([1.0, -1.0, 0.0, -0.0]))
    [False  True False  True]
    """
    node = as_tensor(x)
    # The angle of the point (−1, −0.0) is −π.
    return arctan2(stop_gradient(node), -1.0) < 0 if node.dtype.is_float else node < 0


@function
@composition()
def copysign(x: Any, y: Any) -> Tensor:
    """``|x|`` with the sign of ``y``, also of −0.0. The derivative by ``x`` is ±1, that by ``y`` 0.

    >>> print(tl.copysign([1.0, -2.0], -0.0))
    [-1. -2.]
    """
    a, b = float_operands(x, y)
    return where(not_equal(signbit(a), signbit(b)), -a, a)


@function
@composition()
def fmax(x: Any, y: Any) -> Tensor:
    """The larger of two, element by element, or the other one where one is nan. A tie shares the gradient in halves.

    >>> print(tl.fmax([1.0, float("nan")], 0))
    [1. 0.]
    """
    return maximum(*_numbers_of(x, y))


@function
@composition()
def fmin(x: Any, y: Any) -> Tensor:
    """The smaller of two, element by element, or the other one where one is nan. A tie shares the gradient in halves.

    >>> print(tl.fmin([1.0, float("nan")], 0))
    [0. 0.]
    """
    return minimum(*_numbers_of(x, y))


def _numbers_of(x: Any, y: Any) -> tuple[Tensor, Tensor]:
    """Both, with the other in the place of nan."""
    a, b = operands(x, y)
    return (where(isnan(a), b, a), where(isnan(b), a, b)) if a.dtype.is_float else (a, b)


@function
@composition()
def nan_to_num(x: Any, copy: bool = True, nan: float = 0.0, posinf: Any = None, neginf: Any = None) -> Tensor:
    """``x`` with numbers in place of nan and the infinities; the derivative there is 0.

    Args:
        copy: as in NumPy; the result is a new array either way.
        nan: what takes the place of nan.
        posinf: of ∞; the largest number of the element type by default.
        neginf: of −∞; the least one by default.

    >>> print(tl.nan_to_num([1.0, float("nan"), float("inf")], posinf=9.0))
    [1. 0. 9.]
    """
    node = as_tensor(x)
    if not node.dtype.is_float:
        return node
    least, largest = limits(node.dtype)
    high = largest if posinf is None else posinf
    low = least if neginf is None else neginf
    finite = where(equal(node, math.inf), high, where(equal(node, -math.inf), low, node))
    return where(isnan(node), nan, finite)
