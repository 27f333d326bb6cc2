"""Logarithms and exponentials to the bases 2 and 10, and sums of numbers that are given by their logarithms."""

import math
from typing import Any

from tinygrad_lstm.functions.predicates import isinf
from tinygrad_lstm.graph.compositions import composition
from tinygrad_lstm.graph.convert import float_operands
from tinygrad_lstm.graph.registry import function
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.ops.elementwise import log, power, softplus
from tinygrad_lstm.ops.exponential import log1p
from tinygrad_lstm.ops.logic import equal, where

__all__ = ["exp2", "log2", "log10", "logaddexp", "logaddexp2"]


@function
@composition()
def log2(x: Any) -> Tensor:
    """The logarithm to base 2: ``log x / log 2``.

    >>> print(f"{tl.log2(8.0):.4f}")
    3.0000
    """
    return log(x) / math.log(2)


@function
@composition()
def log10(x: Any) -> Tensor:
    """The logarithm to base 10: ``log x / log 10``.

    >>> print(f"{tl.log10(1000.0):.4f}")
    3.0000
    """
    return log(x) / math.log(10)


@function
@composition()
def exp2(x: Any) -> Tensor:
    """``2ˣ``; inf beyond the range of the element type.

    >>> print(tl.exp2([3.0, -1.0]))
    [8.  0.5]
    """
    (node,) = float_operands(x)
    return power(2.0, node)


@function
@composition()
def logaddexp(x: Any, y: Any) -> Tensor:
    """``log(eˣ + eʸ)`` without overflow.

    >>> print(f"{tl.logaddexp(1000.0, 1000.0):.3f}")
    1000.693
    """
    a, b = float_operands(x, y)
    # The difference of two infinities of one sign is nan.
    apart = where(equal(a, b) & isinf(a), 0, a - b)
    return where(a >= b, a + softplus(-apart), b + softplus(apart))


@function
@composition()
def logaddexp2(x: Any, y: Any) -> Tensor:
    """``log₂(2ˣ + 2ʸ)`` without overflow.

    >>> print(tl.logaddexp2(1000.0, 1000.0))
    1001.0
    """
    a, b = float_operands(x, y)
    first = a >= b
    apart = where(equal(a, b) & isinf(a), 0, a - b)
    # The side that is not taken is kept from overflowing, which would make its gradient nan.
    left, right = (log1p(exp2(x)) / math.log(2) for x in (where(first, -apart, 0), where(first, 0, apart)))
    return where(first, a + left, b + right)
