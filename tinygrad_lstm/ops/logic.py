"""Elementwise comparisons, logic and choice. Primitives broadcast their inputs."""

from typing import Any

from tinygrad_lstm.errors import DTypeError
from tinygrad_lstm.graph.convert import as_tensor, operands
from tinygrad_lstm.graph.dtypes import bool_
from tinygrad_lstm.graph.registry import define, function
from tinygrad_lstm.graph.tensor import Tensor, make
from tinygrad_lstm.graph.types import TensorType, broadcast_shapes
from tinygrad_lstm.ops.elementwise import same_dtype

__all__ = [
    "equal",
    "greater",
    "greater_equal",
    "less",
    "less_equal",
    "logical_and",
    "logical_not",
    "logical_or",
    "not_equal",
    "where",
]


def _comparison(a: TensorType, b: TensorType) -> TensorType:
    same_dtype(a, b)
    return TensorType(broadcast_shapes(a.shape, b.shape), bool_, a.device)


def _logical(*types: TensorType) -> TensorType:
    if any(t.dtype is not bool_ for t in types):
        raise DTypeError(f"bools are wanted, not {types[0].dtype}; compare first, for example x != 0")
    return TensorType(broadcast_shapes(*[t.shape for t in types]), bool_, types[0].device)


def _where(condition: TensorType, a: TensorType, b: TensorType) -> TensorType:
    if condition.dtype is not bool_:
        raise DTypeError(f"the condition is of bools, not {condition.dtype}; compare first, for example x != 0")
    same_dtype(a, b)
    return TensorType(broadcast_shapes(condition.shape, a.shape, b.shape), a.dtype, a.device)


for _name, _label, _latex in [("equal", "=", "="), ("less", "<", "<"), ("less_equal", "≤", r"\le")]:
    define(_name, _comparison, label=_label, latex=_latex, kind="elementwise", differentiable=False)
for _name, _label, _latex in [("and", "∧", r"\land"), ("or", "∨", r"\lor"), ("not", "¬", r"\lnot")]:
    define(f"logical_{_name}", _logical, label=_label, latex=_latex, kind="elementwise", differentiable=False)
define("where", _where, label="where", kind="elementwise")


@function
def equal(x: Any, y: Any) -> Tensor:
    """``x == y`` element by element, as bools; nan equals nothing.

    >>> import tinygrad_lstm as tl
    >>> print(tl.equal([1.0, 2.0], 2))
    [False  True]
    """
    return make("equal", *operands(x, y))


@function
def not_equal(x: Any, y: Any) -> Tensor:
    """``x != y`` element by element, as bools.

    >>> import tinygrad_lstm as tl
    >>> print(tl.not_equal([1.0, 2.0], 2))
    [ True False]
    """
    return make("logical_not", make("equal", *operands(x, y)))


@function
def less(x: Any, y: Any) -> Tensor:
    """``x < y`` element by element, as bools.

    >>> import tinygrad_lstm as tl
    >>> print(tl.less([1.0, 2.0], 2))
    [ True False]
    """
    return make("less", *operands(x, y))


@function
def less_equal(x: Any, y: Any) -> Tensor:
    """``x ≤ y`` element by element, as bools.

    >>> import tinygrad_lstm as tl
    >>> print(tl.less_equal([1.0, 3.0], 2))
    [ True False]
    """
    return make("less_equal", *operands(x, y))


@function
def greater(x: Any, y: Any) -> Tensor:
    """``x > y`` element by element, as bools.

    >>> import tinygrad_lstm as tl
    >>> print(tl.greater([1.0, 3.0], 2))
    [False  True]
    """
    return less(y, x)


@function
def greater_equal(x: Any, y: Any) -> Tensor:
    """``x ≥ y`` element by element, as bools.

    >>> import tinygrad_lstm as tl
    >>> print(tl.greater_equal([1.0, 2.0], 2))
    [False  True]
    """
    return less_equal(y, x)


def _truth(x: Any) -> Tensor:
    node = as_tensor(x)
    return node if node.dtype is bool_ else not_equal(node, 0)


@function
def logical_and(x: Any, y: Any) -> Tensor:
    """Whether both are true; numbers are true when they are not 0.

    >>> import tinygrad_lstm as tl
    >>> print(tl.logical_and([True, True], [True, False]))
    [ True False]
    """
    return make("logical_and", _truth(x), _truth(y))


@function
def logical_or(x: Any, y: Any) -> Tensor:
    """Whether either is true; numbers are true when they are not 0.

    >>> import tinygrad_lstm as tl
    >>> print(tl.logical_or([True, False], [False, False]))
    [ True False]
    """
    return make("logical_or", _truth(x), _truth(y))


@function
def logical_not(x: Any) -> Tensor:
    """Whether it is false; numbers are true when they are not 0.

    >>> import tinygrad_lstm as tl
    >>> print(tl.logical_not([True, False]))
    [False  True]
    """
    return make("logical_not", _truth(x))


@function
def where(condition: Any, x: Any, y: Any) -> Tensor:
    """``x`` where the condition holds, ``y`` elsewhere; a nan on the side not taken does no harm to the value.

    The gradient of the side not taken is multiplied by 0, so guard its argument too where it could be inf or nan.

    >>> import tinygrad_lstm as tl
    >>> print(tl.where([True, False], [1.0, 2.0], 0))
    [1. 0.]
    """
    return make("where", as_tensor(condition), *operands(x, y))
