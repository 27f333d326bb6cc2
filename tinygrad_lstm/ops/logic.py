"""Elementwise comparisons, logic (on bools of truth, on integers of bits) and choice. Primitives broadcast."""

import math
from typing import Any

from tinygrad_lstm.errors import DTypeError
from tinygrad_lstm.graph.convert import as_tensor, float_operands, operands, shared_device
from tinygrad_lstm.graph.dtypes import bool_
from tinygrad_lstm.graph.registry import define, function
from tinygrad_lstm.graph.tensor import Tensor, make
from tinygrad_lstm.graph.types import TensorType, broadcast_shapes
from tinygrad_lstm.ops.elementwise import abs, maximum, minimum, same_dtype

__all__ = [
    "bitwise_and",
    "bitwise_or",
    "bitwise_xor",
    "clip",
    "equal",
    "greater",
    "greater_equal",
    "invert",
    "isfinite",
    "isinf",
    "isnan",
    "less",
    "less_equal",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "not_equal",
    "where",
]


def _comparison(a: TensorType, b: TensorType) -> TensorType:
    same_dtype(a, b)
    return TensorType(broadcast_shapes(a.shape, b.shape), bool_, a.device)


def _bits(*types: TensorType) -> TensorType:
    same_dtype(*types)
    if types[0].dtype.is_float:
        raise DTypeError(f"bools or integers are wanted, not {types[0].dtype}; compare first, for example x != 0")
    return TensorType(broadcast_shapes(*[t.shape for t in types]), types[0].dtype, types[0].device)


def _where(condition: TensorType, a: TensorType, b: TensorType) -> TensorType:
    if condition.dtype is not bool_:
        raise DTypeError(f"the condition is of bools, not {condition.dtype}; compare first, for example x != 0")
    same_dtype(a, b)
    return TensorType(broadcast_shapes(condition.shape, a.shape, b.shape), a.dtype, a.device)


for _name, _label, _latex in [("equal", "=", "="), ("less", "<", "<"), ("less_equal", "≤", r"\le")]:
    define(_name, _comparison, label=_label, latex=_latex, kind="elementwise", differentiable=False)
for _name, _label, _latex in [("bitwise_and", "∧", r"\land"), ("bitwise_or", "∨", r"\lor"), ("invert", "¬", r"\lnot")]:
    define(_name, _bits, label=_label, latex=_latex, kind="elementwise", differentiable=False)
define("where", _where, label="where", kind="elementwise")


@function
def equal(x: Any, y: Any) -> Tensor:
    """``x == y`` element by element, as bools; nan equals nothing.

    >>> print(tl.equal([1.0, 2.0], 2))
    [False  True]
    """
    return make("equal", *operands(x, y))


@function
def not_equal(x: Any, y: Any) -> Tensor:
    """``x != y`` element by element, as bools.

    >>> print(tl.not_equal([1.0, 2.0], 2))
    [ True False]
    """
    return invert(make("equal", *operands(x, y)))


@function
def less(x: Any, y: Any) -> Tensor:
    """``x < y`` element by element, as bools.

    >>> print(tl.less([1.0, 2.0], 2))
    [ True False]
    """
    return make("less", *operands(x, y))


@function
def less_equal(x: Any, y: Any) -> Tensor:
    """``x ≤ y`` element by element, as bools.

    >>> print(tl.less_equal([1.0, 3.0], 2))
    [ True False]
    """
    return make("less_equal", *operands(x, y))


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
def bitwise_and(x: Any, y: Any) -> Tensor:
    """``x & y``: of the bits of integers, of the truth of bools.

    Raises:
        DTypeError: for floats.

    >>> print(tl.bitwise_and(tl.tensor([12, 7]), 10))
    [8 2]
    """
    return make("bitwise_and", *operands(x, y))


@function
def bitwise_or(x: Any, y: Any) -> Tensor:
    """``x | y``: of the bits of integers, of the truth of bools.

    Raises:
        DTypeError: for floats.

    >>> print(tl.bitwise_or(tl.tensor([12, 7]), 10))
    [14 15]
    """
    return make("bitwise_or", *operands(x, y))


@function
def bitwise_xor(x: Any, y: Any) -> Tensor:
    """``x ^ y``, either and not both: of the bits of integers, of the truth of bools.

    Raises:
        DTypeError: for floats.

    >>> print(tl.bitwise_xor(tl.tensor([12, 7]), 10))
    [ 6 13]
    """
    a, b = operands(x, y)
    return bitwise_and(bitwise_or(a, b), invert(bitwise_and(a, b)))


@function
def invert(x: Any) -> Tensor:
    """``~x``: every bit of an integer turned over, so −x − 1; ``not`` of bools.

    Raises:
        DTypeError: for floats.

    >>> print(tl.invert(tl.tensor([0, 7])), tl.invert([True, False]))
    [-1 -8] [False  True]
    """
    return make("invert", as_tensor(x))


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
    """Whether it is false; numbers are true when they are not 0.

    >>> print(tl.logical_not([True, False]))
    [False  True]
    """
    return invert(truth(x))


@function
def isnan(x: Any) -> Tensor:
    """Whether it is not a number, as bools.

    >>> print(tl.isnan([1.0, float("nan")]))
    [False  True]
    """
    node = as_tensor(x)
    return not_equal(node, node)


@function
def isinf(x: Any) -> Tensor:
    """Whether it is ∞ or −∞, as bools.

    >>> print(tl.isinf([1.0, -float("inf")]))
    [False  True]
    """
    (node,) = float_operands(x)
    return equal(abs(node), math.inf)


@function
def isfinite(x: Any) -> Tensor:
    """Whether it is neither infinite nor nan, as bools.

    >>> print(tl.isfinite([1.0, float("inf"), float("nan")]))
    [ True False False]
    """
    (node,) = float_operands(x)
    return less(abs(node), math.inf)


@function
def where(condition: Any, x: Any, y: Any) -> Tensor:
    """``x`` where the condition holds, ``y`` elsewhere; a nan on the side not taken does no harm to the value.

    The gradient of the side not taken is multiplied by 0, so guard its argument too where it could be inf or nan.

    >>> print(tl.where([True, False], [1.0, 2.0], 0))
    [1. 0.]
    """
    device = shared_device(condition, x, y)
    return make("where", as_tensor(condition, device=device), *operands(x, y, device=device))


@function
def clip(x: Any, min: Any = None, max: Any = None) -> Tensor:
    """``x``, but not below ``min`` and not above ``max``; None sets no bound.

    The derivative is 1 inside, 0 outside, and a half on a bound.

    >>> print(tl.clip([-2.0, 0.5, 3.0], 0, 1))
    [0.  0.5 1. ]
    """
    node = as_tensor(x)
    if min is not None:
        node = maximum(node, min)
    return node if max is None else minimum(node, max)
