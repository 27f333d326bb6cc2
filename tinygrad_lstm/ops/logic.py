"""Elementwise comparisons, logic (of truth for bools, of bits for integers) and choice."""

from typing import Any

from tinygrad_lstm.errors import DTypeError
from tinygrad_lstm.graph.convert import as_tensor, operands, shared_device
from tinygrad_lstm.graph.dtypes import bool_
from tinygrad_lstm.graph.registry import define, function
from tinygrad_lstm.graph.tensor import Tensor, make
from tinygrad_lstm.graph.types import TensorType, bits, broadcast_shapes, comparison, same_dtype

__all__ = ["bitwise_and", "bitwise_or", "equal", "invert", "less", "less_equal", "where"]


define(
    "equal", comparison, "equal",
    c="{0} == {1}", label="=", latex="=", kind="elementwise", differentiable=False,
)  # fmt: skip


@function
def equal(x: Any, y: Any) -> Tensor:
    """``x == y`` element by element, as bools; nan equals nothing.

    >>> print(tl.equal([1.0, 2.0], 2))
    [False  True]
    """
    return make("equal", *operands(x, y))


define(
    "less", comparison, "less",
    c="{0} < {1}", label="<", latex="<", kind="elementwise", differentiable=False,
)  # fmt: skip


@function
def less(x: Any, y: Any) -> Tensor:
    """``x < y`` element by element, as bools.

    >>> print(tl.less([1.0, 2.0], 2))
    [ True False]
    """
    return make("less", *operands(x, y))


define(
    "less_equal", comparison, "less_equal",
    c="{0} <= {1}", label="≤", latex=r"\le", kind="elementwise", differentiable=False,
)  # fmt: skip


@function
def less_equal(x: Any, y: Any) -> Tensor:
    """``x ≤ y`` element by element, as bools.

    >>> print(tl.less_equal([1.0, 3.0], 2))
    [ True False]
    """
    return make("less_equal", *operands(x, y))


define(
    "bitwise_and", bits, "bitwise_and",
    c="{0} & {1}", label="∧", latex=r"\land", kind="elementwise", differentiable=False,
)  # fmt: skip


@function
def bitwise_and(x: Any, y: Any) -> Tensor:
    """``x & y``: of the bits of integers, of the truth of bools.

    Raises:
        DTypeError: for floats.

    >>> print(tl.bitwise_and(tl.tensor([12, 7]), 10))
    [8 2]
    """
    return make("bitwise_and", *operands(x, y))


define(
    "bitwise_or", bits, "bitwise_or",
    c="{0} | {1}", label="∨", latex=r"\lor", kind="elementwise", differentiable=False,
)  # fmt: skip


@function
def bitwise_or(x: Any, y: Any) -> Tensor:
    """``x | y``: of the bits of integers, of the truth of bools.

    Raises:
        DTypeError: for floats.

    >>> print(tl.bitwise_or(tl.tensor([12, 7]), 10))
    [14 15]
    """
    return make("bitwise_or", *operands(x, y))


define(
    "invert", bits, "invert",
    c="~{0}", label="¬", latex=r"\lnot", kind="elementwise", differentiable=False,
)  # fmt: skip


@function
def invert(x: Any) -> Tensor:
    """``~x``: every bit of an integer inverted, which is −x − 1; ``not`` for bools.

    Raises:
        DTypeError: for floats.

    >>> print(tl.invert(tl.tensor([0, 7])), tl.invert([True, False]))
    [-1 -8] [False  True]
    """
    return make("invert", as_tensor(x))


def _where(condition: TensorType, a: TensorType, b: TensorType) -> TensorType:
    if condition.dtype is not bool_:
        raise DTypeError(f"the condition is of bools, not {condition.dtype}; compare first, for example x != 0")
    same_dtype(a, b)
    return TensorType(broadcast_shapes(condition.shape, a.shape, b.shape), a.dtype, a.device)


define(
    "where", _where, lambda xp, c, a, b: xp.where(c, a, b),
    (None, lambda g, y, c, a, b: where(c, g, 0), lambda g, y, c, a, b: where(c, 0, g)),
    c="{0} ? {1} : {2}", kind="elementwise",
)  # fmt: skip


@function
def where(condition: Any, x: Any, y: Any) -> Tensor:
    """``x`` where the condition holds, ``y`` elsewhere; a nan on the side not taken does no harm to the value.

    The gradient of the side not taken is multiplied by 0, so guard its argument too where it could be inf or nan.

    >>> print(tl.where([True, False], [1.0, 2.0], 0))
    [1. 0.]
    """
    device = shared_device(condition, x, y)
    return make("where", as_tensor(condition, device=device), *operands(x, y, device=device))
