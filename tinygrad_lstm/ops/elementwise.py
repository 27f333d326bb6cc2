"""Elementwise numbers. Primitives broadcast their inputs and want them of one element type."""

from typing import Any

from tinygrad_lstm.errors import DTypeError, TraceError
from tinygrad_lstm.graph.convert import as_tensor, cast_to, float_operands, operands
from tinygrad_lstm.graph.dtypes import as_dtype, bool_
from tinygrad_lstm.graph.number import Number, number_kind
from tinygrad_lstm.graph.registry import define, function
from tinygrad_lstm.graph.tensor import Tensor, make
from tinygrad_lstm.graph.types import TensorType, broadcast_shapes

__all__ = [
    "abs",
    "add",
    "cast",
    "cos",
    "divide",
    "exp",
    "log",
    "maximum",
    "minimum",
    "multiply",
    "negative",
    "positive",
    "power",
    "right_shift",
    "sigmoid",
    "sign",
    "sin",
    "softplus",
    "sqrt",
    "subtract",
    "tanh",
]


def same_dtype(*types: TensorType) -> None:
    if any(t.dtype is not types[0].dtype for t in types):
        raise DTypeError("operands of one element type are wanted; convert with .astype")


def numbers_alike(*types: TensorType) -> TensorType:
    same_dtype(*types)
    if types[0].dtype is bool_:
        raise DTypeError("bools are no numbers; use logical operations, or .astype(tl.int64)")
    return TensorType(broadcast_shapes(*[t.shape for t in types]), types[0].dtype, types[0].device)


def reals(*types: TensorType) -> TensorType:
    same_dtype(*types)
    if not types[0].dtype.is_float:
        raise DTypeError(f"floats are wanted, not {types[0].dtype}; convert with .astype(tl.float32)")
    return TensorType(broadcast_shapes(*[t.shape for t in types]), types[0].dtype, types[0].device)


def _integers(*types: TensorType) -> TensorType:
    same_dtype(*types)
    if types[0].dtype.kind not in "iu":
        raise DTypeError(f"integers are wanted, not {types[0].dtype}")
    return TensorType(broadcast_shapes(*[t.shape for t in types]), types[0].dtype, types[0].device)


for _name, _label, _latex in [("add", "+", "+"), ("subtract", "−", "-"), ("multiply", "×", r"\cdot")]:
    define(_name, numbers_alike, label=_label, latex=_latex, kind="elementwise")
for _name, _label in [("maximum", "max"), ("minimum", "min"), ("negative", "−"), ("abs", "|·|")]:
    define(
        _name, numbers_alike, label=_label, latex=rf"\{_label}" if _label in ("max", "min") else "-", kind="elementwise"
    )
define("divide", reals, label="÷", latex="/", kind="elementwise")
define("power", reals, label="xʸ", latex="^", kind="elementwise")
for _name in ("exp", "log", "sin", "cos", "tanh"):
    define(_name, reals, latex=rf"\{_name}", kind="elementwise")
define("sqrt", reals, label="√", latex=r"\sqrt", kind="elementwise")
define("sigmoid", reals, label="σ", latex=r"\sigma", kind="elementwise")
define("softplus", reals, label="softplus", kind="elementwise")
define("sign", numbers_alike, label="sign", kind="elementwise", differentiable=False)
define("right_shift", _integers, label="≫", latex=r"\gg", kind="elementwise", differentiable=False)
define(
    "cast",
    lambda x, *, dtype: TensorType(x.shape, dtype, x.device),
    label="cast",
    kind="elementwise",
)


@function
def add(x: Any, y: Any) -> Tensor:
    """``x + y``, broadcast to a common shape.

    >>> print(tl.add([1.0, 2.0], 0.5))
    [1.5 2.5]
    """
    return make("add", *operands(x, y))


@function
def subtract(x: Any, y: Any) -> Tensor:
    """``x − y``, broadcast to a common shape.

    >>> print(tl.subtract([1.0, 2.0], 0.5))
    [0.5 1.5]
    """
    return make("subtract", *operands(x, y))


@function
def multiply(x: Any, y: Any) -> Tensor:
    """``x · y`` element by element, broadcast to a common shape.

    >>> print(tl.multiply([1.0, 2.0], 3))
    [3. 6.]
    """
    return make("multiply", *operands(x, y))


@function
def divide(x: Any, y: Any) -> Tensor:
    """``x / y``; integers become float32 first. Division by 0 gives ±inf or nan, as in NumPy.

    >>> print(tl.divide([1.0, 3.0], 2))
    [0.5 1.5]
    """
    return make("divide", *float_operands(x, y))


@function
def power(x: Any, y: Any) -> Tensor:
    """``x ** y`` in floats; a negative ``x`` with a fractional ``y`` gives nan.

    Whole numbers to the power of a Python integer ≥ 0 stay whole.

    Derivatives: ``y·x^(y−1)`` by ``x`` (0 where ``y`` is 0, also at ``x`` = 0) and ``x^y·log x`` by ``y`` (0 where
    ``x`` is 0 and ``y`` ≥ 0).

    >>> print(tl.power([2.0, 3.0], 2))
    [4. 9.]
    """
    if number_kind(y) is int:
        base = as_tensor(x)
        if base.dtype.kind in "iu":
            if isinstance(y, Number):
                raise TraceError(
                    f"power({base.type}, {y!r}): whether whole numbers stay whole depends on the sign of the exponent; "
                    "name it in static_argnames, or give it as a float"
                )
            if y >= 0:
                return _multiplied(base, int(y))
    return make("power", *float_operands(x, y))


def _multiplied(x: Tensor, times: int) -> Tensor:
    """``x · x · … · x``, by squares."""
    if not times:
        return add(multiply(x, 0), 1)
    half = _multiplied(x, times // 2) if times > 1 else None
    squared = multiply(half, half) if half is not None else None
    return x if squared is None else multiply(squared, x) if times % 2 else squared


@function
def maximum(x: Any, y: Any) -> Tensor:
    """The larger of two, element by element; nan where either is. A tie shares the gradient in halves.

    >>> print(tl.maximum([1.0, -1.0], 0))
    [1. 0.]
    """
    return make("maximum", *operands(x, y))


@function
def minimum(x: Any, y: Any) -> Tensor:
    """The smaller of two, element by element; nan where either is. A tie shares the gradient in halves.

    >>> print(tl.minimum([1.0, -1.0], 0))
    [ 0. -1.]
    """
    return make("minimum", *operands(x, y))


@function
def negative(x: Any) -> Tensor:
    """``−x``.

    >>> print(tl.negative([1.0, -2.0]))
    [-1.  2.]
    """
    return make("negative", as_tensor(x))


@function
def positive(x: Any) -> Tensor:
    """``+x``: the number itself.

    Raises:
        DTypeError: for bools.

    >>> print(tl.positive([1.0, -2.0]))
    [ 1. -2.]
    """
    node = as_tensor(x)
    if node.dtype is bool_:
        raise DTypeError(f"positive({node.type}): bools are no numbers; use logical operations, or .astype(tl.int64)")
    return node


@function
def abs(x: Any) -> Tensor:
    """``|x|``; the derivative is ``sign(x)``, so 0 at 0.

    >>> print(tl.abs([1.0, -2.0]))
    [1. 2.]
    """
    return make("abs", as_tensor(x))


@function
def sign(x: Any) -> Tensor:
    """−1, 0 or 1 by the sign of ``x``, nan for nan; not differentiable.

    >>> print(tl.sign([3.0, -2.0, 0.0]))
    [ 1. -1.  0.]
    """
    return make("sign", as_tensor(x))


@function
def exp(x: Any) -> Tensor:
    """``eˣ``; inf beyond the range of the element type.

    >>> print(f"{tl.exp(1.0):.4f}")
    2.7183
    """
    return make("exp", *float_operands(x))


@function
def log(x: Any) -> Tensor:
    """The natural logarithm; −inf at 0, nan below.

    >>> print(f"{tl.log(2.0):.4f}")
    0.6931
    """
    return make("log", *float_operands(x))


@function
def sqrt(x: Any) -> Tensor:
    """``√x``; nan below 0. The derivative ``1/(2√x)`` is inf at 0.

    >>> print(tl.sqrt([4.0, 9.0]))
    [2. 3.]
    """
    return make("sqrt", *float_operands(x))


@function
def sin(x: Any) -> Tensor:
    """``sin x``, ``x`` in radians.

    >>> print(f"{tl.sin(1.0):.4f}")
    0.8415
    """
    return make("sin", *float_operands(x))


@function
def cos(x: Any) -> Tensor:
    """``cos x``, ``x`` in radians.

    >>> print(f"{tl.cos(1.0):.4f}")
    0.5403
    """
    return make("cos", *float_operands(x))


@function
def tanh(x: Any) -> Tensor:
    """``tanh x``, between −1 and 1; the derivative is ``1 − tanh² x``.

    >>> print(f"{tl.tanh(1.0):.4f}")
    0.7616
    """
    return make("tanh", *float_operands(x))


@function
def sigmoid(x: Any) -> Tensor:
    """``σ(x) = 1 / (1 + e⁻ˣ)``, between 0 and 1; the derivative is ``σ·(1 − σ)``.

    >>> print(f"{tl.sigmoid(2.0):.4f}")
    0.8808
    """
    return make("sigmoid", *float_operands(x))


@function
def softplus(x: Any) -> Tensor:
    """``log(1 + eˣ)`` without overflow; the derivative is ``σ(x)``.

    >>> print(f"{tl.softplus(0.0):.4f}", tl.softplus(100.0))
    0.6931 100.0
    """
    return make("softplus", *float_operands(x))


@function
def right_shift(x: Any, y: Any) -> Tensor:
    """``x >> y`` of integers; not differentiable.

    >>> print(tl.right_shift(tl.tensor([8, 9]), 1))
    [4 4]
    """
    return make("right_shift", *operands(x, y))


@function
def cast(x: Any, dtype: Any) -> Tensor:
    """``x`` with elements of another type; the gradient is cast back.

    Floats become integers by truncation. What is out of range becomes the nearest integer of the type and nan becomes
    0, on every backend; NumPy leaves both to the processor. Integers wrap round, and of bools what is not 0 is true.

    >>> print(tl.cast([1.7, -1.7, 1e20], tl.int32))
    [         1         -1 2147483647]
    """
    return cast_to(as_tensor(x), as_dtype(dtype))
