"""Questions about numbers, answered in bools, and logic on the answers."""

import math
from typing import Any

from tinygrad_lstm.errors import DTypeError
from tinygrad_lstm.graph.convert import as_tensor, float_operands, operands
from tinygrad_lstm.graph.dtypes import bool_
from tinygrad_lstm.graph.registry import function
from tinygrad_lstm.graph.tensor import Tensor, make
from tinygrad_lstm.ops.elementwise import abs
from tinygrad_lstm.ops.logic import bitwise_and, bitwise_or, equal, invert, less, less_equal

__all__ = [
    "bitwise_xor",
    "greater",
    "greater_equal",
    "isfinite",
    "isinf",
    "isnan",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "not_equal",
]


@function
def not_equal(x: Any, y: Any) -> Tensor:
    """``x != y`` element by element, as bools.

    >>> print(tl.not_equal([1.0, 2.0], 2))
    [ True False]
    """
    return invert(make("equal", *operands(x, y)))


@function
def greater(x: Any, y: Any) -> Tensor:
    """``x > y`` element by element, as bools.

    >>> print(tl.greater([1.0, 3.0], 2))
    [False  True]
    """
    return less(y, x)


@function
def greater_equal(x: Any, y: Any) -> Tensor:
    """``x ≥ y`` element by element, as bools.

    >>> print(tl.greater_equal([1.0, 2.0], 2))
    [False  True]
    """
    return less_equal(y, x)


@function
def bitwise_xor(x: Any, y: Any) -> Tensor:
    """``x ^ y``, one and not the other: of the bits of integers, of the truth of bools.

    Raises:
        DTypeError: for floats.

    >>> print(tl.bitwise_xor(tl.tensor([12, 7]), 10))
    [ 6 13]
    """
    a, b = operands(x, y)
    if a.dtype.is_float:
        raise DTypeError(f"{a.type} ^ {b.type} is 'one and not the other', of bools or integers; a power is x ** y")
    return bitwise_and(bitwise_or(a, b), invert(bitwise_and(a, b)))


def truth(x: Any) -> Tensor:
    """``x`` as bools: numbers are true when they are not 0."""
    node = as_tensor(x)
    return node if node.dtype is bool_ else not_equal(node, 0)


@function
def logical_and(x: Any, y: Any) -> Tensor:
    """Whether both are true; numbers are true when they are not 0.

    >>> print(tl.logical_and([True, True], [True, False]))
    [ True False]
    """
    return bitwise_and(truth(x), truth(y))


@function
def logical_or(x: Any, y: Any) -> Tensor:
    """Whether either is true; numbers are true when they are not 0.

    >>> print(tl.logical_or([True, False], [False, False]))
    [ True False]
    """
    return bitwise_or(truth(x), truth(y))


@function
def logical_xor(x: Any, y: Any) -> Tensor:
    """Whether one is true and the other is not; numbers are true when they are not 0.

    >>> print(tl.logical_xor([True, False], [True, True]))
    [False  True]
    """
    return not_equal(truth(x), truth(y))


@function
def logical_not(x: Any) -> Tensor:
    """Whether ``x`` is false; numbers are true when they are not 0.

    >>> print(tl.logical_not([True, False]))
    [False  True]
    """
    return invert(truth(x))


@function
def isnan(x: Any) -> Tensor:
    """Whether each element is nan, as bools.

    >>> print(tl.isnan([1.0, float("nan")]))
    [False  True]
    """
    node = as_tensor(x)
    return not_equal(node, node)


@function
def isinf(x: Any) -> Tensor:
    """Whether each element is ∞ or −∞, as bools.

    >>> print(tl.isinf([1.0, -float("inf")]))
    [False  True]
    """
    (node,) = float_operands(x)
    return equal(abs(node), math.inf)


@function
def isfinite(x: Any) -> Tensor:
    """Whether each element is neither infinite nor nan, as bools.

    >>> print(tl.isfinite([1.0, float("inf"), float("nan")]))
    [ True False False]
    """
    (node,) = float_operands(x)
    return less(abs(node), math.inf)
