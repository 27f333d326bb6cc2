"""Elementwise arithmetic and functions: the record of each primitive, and the function that users call.

Primitives broadcast their inputs, which have to be of one element type.
"""

from typing import Any

from tinygrad_lstm.errors import TraceError
from tinygrad_lstm.graph.convert import as_tensor, cast_to, float_operands, operands
from tinygrad_lstm.graph.dtypes import as_dtype, bool_, int64
from tinygrad_lstm.graph.number import Number, number_kind
from tinygrad_lstm.graph.registry import define, function
from tinygrad_lstm.graph.tensor import Tensor, make
from tinygrad_lstm.graph.types import TensorType, numbers_alike, reals
from tinygrad_lstm.kernels.casts import cast as cast_kernel
from tinygrad_lstm.kernels.elementwise import sigmoid as sigmoid_kernel
from tinygrad_lstm.kernels.elementwise import softplus as softplus_kernel
from tinygrad_lstm.ops.logic import bitwise_and, bitwise_or, equal, less, where

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
    "power",
    "sigmoid",
    "sign",
    "sin",
    "softplus",
    "sqrt",
    "subtract",
    "tanh",
]


define(
    "add", numbers_alike, "add", (lambda g, y, a, b: g, lambda g, y, a, b: g),
    c="{0} + {1}", label="+", latex="+", kind="elementwise",
)  # fmt: skip


@function
def add(x: Any, y: Any) -> Tensor:
    """``x + y``, broadcast to a common shape.

    >>> print(tl.add([1.0, 2.0], 0.5))
    [1.5 2.5]
    """
    return make("add", *operands(x, y))


define(
    "subtract", numbers_alike, "subtract", (lambda g, y, a, b: g, lambda g, y, a, b: -g),
    c="{0} - {1}", label="−", latex="-", kind="elementwise",
)  # fmt: skip


@function
def subtract(x: Any, y: Any) -> Tensor:
    """``x − y``, broadcast to a common shape.

    >>> print(tl.subtract([1.0, 2.0], 0.5))
    [0.5 1.5]
    """
    return make("subtract", *operands(x, y))


define(
    "multiply", numbers_alike, "multiply", (lambda g, y, a, b: g * b, lambda g, y, a, b: g * a),
    c="{0} * {1}", label="×", latex=r"\cdot", kind="elementwise",
)  # fmt: skip


@function
def multiply(x: Any, y: Any) -> Tensor:
    """``x · y`` element by element, broadcast to a common shape.

    >>> print(tl.multiply([1.0, 2.0], 3))
    [3. 6.]
    """
    return make("multiply", *operands(x, y))


define(
    "divide", reals, "divide", (lambda g, y, a, b: g / b, lambda g, y, a, b: -(g * y) / b),
    c="{0} / {1}", label="÷", latex="/", kind="elementwise",
)  # fmt: skip


@function
def divide(x: Any, y: Any) -> Tensor:
    """``x / y``; integers become float32 first. Division by 0 gives ±inf or nan, as in NumPy.

    >>> print(tl.divide([1.0, 3.0], 2))
    [0.5 1.5]
    """
    return make("divide", *float_operands(x, y))


def _power_by_base(g: Tensor, y: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """``b·a^(b−1)``; where the exponent is a constant, ``b − 1`` is computed at once."""
    if b.op == "constant":
        n = b.attrs["value"]
        return g * 0 if n == 0 else g if n == 1 else g * (n * a) if n == 2 else g * (n * a ** (n - 1))
    return g * (b * a ** where(equal(b, 0), 1, b - 1))


define(
    "power", numbers_alike, "power", (_power_by_base, lambda g, y, a, b: g * (y * log(where(equal(a, 0), 1, a)))),
    c="power_{t}({0}, {1})", label="xʸ", latex="^", kind="elementwise", costly=True,
)  # fmt: skip


@function
def power(x: Any, y: Any) -> Tensor:
    """``x ** y``; a negative ``x`` with a fractional ``y`` gives nan.

    Whole numbers to the power of whole numbers stay whole and exact, and wrap like products of them. A Python integer
    below 0 as exponent makes floats of them; an array of exponents keeps the element type, and gives the whole part of
    the power where one is below 0: 0, or ±1 for ±1.

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
            return _multiplied(base, int(y)) if y >= 0 else make("power", *float_operands(x, y))
    a, b = operands(x, y)
    return make("power", a, b) if a.dtype.is_float else _whole_power(a, b)


def _whole_power(x: Tensor, exponent: Tensor) -> Tensor:
    if x.dtype is bool_:
        x, exponent = cast_to(x, int64), cast_to(exponent, int64)
    if x.dtype.kind == "u":
        return make("power", x, exponent)
    power: Tensor = make("power", x, maximum(exponent, 0))
    unit = bitwise_or(equal(x, 1), equal(x, -1))
    return where(less(exponent, 0), where(unit, where(equal(bitwise_and(exponent, 1), 0), 1, x), 0), power)


def _multiplied(x: Tensor, times: int) -> Tensor:
    """``x · x · … · x``, by squares."""
    if not times:
        return add(multiply(x, 0), 1)
    half = _multiplied(x, times // 2) if times > 1 else None
    squared = multiply(half, half) if half is not None else None
    return x if squared is None else multiply(squared, x) if times % 2 else squared


define(
    "maximum", numbers_alike, "maximum",
    (
        lambda g, y, a, b: where(equal(a, b), g / 2, where(a > b, g, 0)),
        lambda g, y, a, b: where(equal(a, b), g / 2, where(b > a, g, 0)),
    ),
    c="maximum_{t}({0}, {1})", label="max", latex=r"\max", kind="elementwise",
)  # fmt: skip


@function
def maximum(x: Any, y: Any) -> Tensor:
    """The larger of two, element by element; nan where either is. A tie shares the gradient in halves.

    >>> print(tl.maximum([1.0, -1.0], 0))
    [1. 0.]
    """
    return make("maximum", *operands(x, y))


define(
    "minimum", numbers_alike, "minimum",
    (
        lambda g, y, a, b: where(equal(a, b), g / 2, where(a < b, g, 0)),
        lambda g, y, a, b: where(equal(a, b), g / 2, where(b < a, g, 0)),
    ),
    c="minimum_{t}({0}, {1})", label="min", latex=r"\min", kind="elementwise",
)  # fmt: skip


@function
def minimum(x: Any, y: Any) -> Tensor:
    """The smaller of two, element by element; nan where either is. A tie shares the gradient in halves.

    >>> print(tl.minimum([1.0, -1.0], 0))
    [ 0. -1.]
    """
    return make("minimum", *operands(x, y))


define("negative", numbers_alike, "negative", lambda g, y, x: -g, c="-{0}", label="−", latex="-", kind="elementwise")


@function
def negative(x: Any) -> Tensor:
    """``−x``.

    >>> print(tl.negative([1.0, -2.0]))
    [-1.  2.]
    """
    return make("negative", as_tensor(x))


define(
    "abs", numbers_alike, "absolute", lambda g, y, x: g * sign(x),
    c="abs_{t}({0})", label="|·|", latex=r"\lvert\cdot\rvert", kind="elementwise",
)  # fmt: skip


@function
def abs(x: Any) -> Tensor:
    """``|x|``; the derivative is ``sign(x)``, so 0 at 0.

    >>> print(tl.abs([1.0, -2.0]))
    [1. 2.]
    """
    return make("abs", as_tensor(x))


define("sign", numbers_alike, "sign", c="sign_{t}({0})", kind="elementwise", differentiable=False)


@function
def sign(x: Any) -> Tensor:
    """−1, 0 or 1 by the sign of ``x``, nan for nan; not differentiable.

    >>> print(tl.sign([3.0, -2.0, 0.0]))
    [ 1. -1.  0.]
    """
    return make("sign", as_tensor(x))


define("exp", reals, "exp", lambda g, y, x: g * y, c="exp_{t}({0})", latex=r"\exp", kind="elementwise", costly=True)


@function
def exp(x: Any) -> Tensor:
    """``eˣ``; inf beyond the range of the element type.

    >>> print(f"{tl.exp(1.0):.4f}")
    2.7183
    """
    return make("exp", *float_operands(x))


define("log", reals, "log", lambda g, y, x: g / x, c="log_{t}({0})", latex=r"\log", kind="elementwise", costly=True)


@function
def log(x: Any) -> Tensor:
    """The natural logarithm; −inf at 0, nan below.

    >>> print(f"{tl.log(2.0):.4f}")
    0.6931
    """
    return make("log", *float_operands(x))


define(
    "sqrt", reals, "sqrt", lambda g, y, x: g / (2 * y),
    c="sqrt_{t}({0})", label="√", latex=r"\sqrt", kind="elementwise",
)  # fmt: skip


@function
def sqrt(x: Any) -> Tensor:
    """``√x``; nan below 0. The derivative ``1/(2√x)`` is inf at 0.

    >>> print(tl.sqrt([4.0, 9.0]))
    [2. 3.]
    """
    return make("sqrt", *float_operands(x))


define(
    "sin", reals, "sin", lambda g, y, x: g * cos(x),
    c="sin_{t}({0})", latex=r"\sin", kind="elementwise", costly=True,
)  # fmt: skip


@function
def sin(x: Any) -> Tensor:
    """``sin x``, ``x`` in radians.

    >>> print(f"{tl.sin(1.0):.4f}")
    0.8415
    """
    return make("sin", *float_operands(x))


define(
    "cos", reals, "cos", lambda g, y, x: -(g * sin(x)),
    c="cos_{t}({0})", latex=r"\cos", kind="elementwise", costly=True,
)  # fmt: skip


@function
def cos(x: Any) -> Tensor:
    """``cos x``, ``x`` in radians.

    >>> print(f"{tl.cos(1.0):.4f}")
    0.5403
    """
    return make("cos", *float_operands(x))


define(
    "tanh", reals, "tanh", lambda g, y, x: g * (1 - y * y),
    c="tanh_{t}({0})", latex=r"\tanh", kind="elementwise", costly=True,
)  # fmt: skip


@function
def tanh(x: Any) -> Tensor:
    """``tanh x``, between −1 and 1; the derivative is ``1 − tanh² x``.

    >>> print(f"{tl.tanh(1.0):.4f}")
    0.7616
    """
    return make("tanh", *float_operands(x))


define(
    "sigmoid", reals, sigmoid_kernel, lambda g, y, x: g * (y * (1 - y)),
    c="sigmoid_{t}({0})", label="σ", latex=r"\sigma", kind="elementwise", costly=True,
)  # fmt: skip


@function
def sigmoid(x: Any) -> Tensor:
    """``σ(x) = 1 / (1 + e⁻ˣ)``, between 0 and 1; the derivative is ``σ·(1 − σ)``.

    >>> print(f"{tl.sigmoid(2.0):.4f}")
    0.8808
    """
    return make("sigmoid", *float_operands(x))


define(
    "softplus", reals, softplus_kernel, lambda g, y, x: g * sigmoid(x),
    c="softplus_{t}({0})", kind="elementwise", costly=True,
)  # fmt: skip


@function
def softplus(x: Any) -> Tensor:
    """``log(1 + eˣ)`` without overflow; the derivative is ``σ(x)``.

    >>> print(f"{tl.softplus(0.0):.4f}", tl.softplus(100.0))
    0.6931 100.0
    """
    return make("softplus", *float_operands(x))


define(
    "cast", lambda x, *, dtype: TensorType(x.shape, dtype, x.device),
    lambda xp, x, *, dtype: cast_kernel(xp, x, dtype.name), lambda g, y, x, dtype: g.astype(x.dtype),
    c="cast", kind="elementwise",
)  # fmt: skip


@function
def cast(x: Any, dtype: Any) -> Tensor:
    """``x`` with elements of another type; the gradient is cast back.

    Floats become integers by truncation. What is out of range becomes the nearest integer of the type and nan becomes
    0, on every backend; NumPy leaves both to the processor. Integers wrap round, and of bools what is not 0 is true.

    >>> print(tl.cast([1.7, -1.7, 1e20], tl.int32))
    [         1         -1 2147483647]
    """
    return cast_to(as_tensor(x), as_dtype(dtype))
