"""Elementary functions: roots, logarithms, hyperbolic functions, and those of angles.

Each keeps its relative accuracy near 0 and for large arguments, where the textbook's formula would cancel or overflow.
"""

import math
from typing import Any, Final

from tinygrad_lstm.errors import DTypeError
from tinygrad_lstm.functions.predicates import isfinite, isinf
from tinygrad_lstm.graph.compositions import composition
from tinygrad_lstm.graph.convert import as_tensor, float_operands, operands
from tinygrad_lstm.graph.dtypes import DType, bfloat16, bool_, float16, float32, float64
from tinygrad_lstm.graph.registry import function
from tinygrad_lstm.graph.tensor import Tensor, make
from tinygrad_lstm.ops.elementwise import abs, cos, exp, log, maximum, minimum, power, sin, sqrt
from tinygrad_lstm.ops.exponential import expm1, log1p
from tinygrad_lstm.ops.logic import equal, where
from tinygrad_lstm.ops.source import stop_gradient
from tinygrad_lstm.ops.trigonometry import arctan2

__all__ = [
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctanh",
    "cbrt",
    "clip",
    "cosh",
    "deg2rad",
    "hypot",
    "positive",
    "rad2deg",
    "reciprocal",
    "rsqrt",
    "sinc",
    "sinh",
    "square",
    "tan",
]


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


_LARGE: Final[dict[DType, float]] = {bfloat16: 2.0**5, float16: 2.0**6, float32: 2.0**13, float64: 2.0**27}
"""From here on ``x² + 1`` rounds to ``x²``."""


@function
def reciprocal(x: Any) -> Tensor:
    """``1 / x`` in floats; ±inf at ±0. NumPy gives whole numbers for those, which are 0 but for ±1.

    >>> print(tl.reciprocal([2.0, -4.0]))
    [ 0.5  -0.25]
    """
    (node,) = float_operands(x)
    return 1 / node


@function
def square(x: Any) -> Tensor:
    """``x · x``.

    >>> print(tl.square([3.0, -2.0]))
    [9. 4.]
    """
    node = as_tensor(x)
    return node * node


@function
@composition()
def rsqrt(x: Any) -> Tensor:
    """``1 / √x``; inf at 0.

    >>> print(tl.rsqrt([4.0, 0.25]))
    [0.5 2. ]
    """
    return 1 / sqrt(x)


@function
@composition()
def cbrt(x: Any) -> Tensor:
    """``∛x``, also of negative numbers. The derivative is inf at 0.

    >>> print(f"{tl.cbrt(-8.0):.4f}")
    -2.0000
    """
    (node,) = float_operands(x)
    sign = _sign(node)
    size = node * sign
    root = power(size, 1 / 3)
    # The float 1/3 is not exactly a third; a step of Newton's method corrects the last digits.
    detached = stop_gradient(root)
    ordinary = (detached > 0) & isfinite(detached)
    safe = where(ordinary, detached, 1)
    step = (safe - stop_gradient(size) / safe / safe) / 3
    return sign * (root - where(ordinary, step, 0))


def _sign(x: Tensor) -> Tensor:
    """1 or −1 by the sign of ``x``, also of −0.0: the angle of the point (−1, −0.0) is −π."""
    angle: Tensor = make("arctan2", *operands(stop_gradient(x), -1.0))
    return where(angle < 0, -1.0, 1.0).astype(x.dtype)


@function
@composition()
def sinh(x: Any) -> Tensor:
    """``(eˣ − e⁻ˣ) / 2``.

    >>> print(f"{tl.sinh(1.0):.4f}")
    1.1752
    """
    (node,) = float_operands(x)
    sign = where(node < 0, -1.0, 1.0).astype(node.dtype)
    size = node * sign
    near = size < 1
    u = expm1(where(near, size, 0))
    t = exp(where(near, 1, size) * 0.5)  # e^(x/2), whose square overflows only where the result does
    return sign * where(near, (u + u / (u + 1)) * 0.5, t * 0.5 * t - 0.5 / t / t)


@function
@composition()
def cosh(x: Any) -> Tensor:
    """``(eˣ + e⁻ˣ) / 2``.

    >>> print(f"{tl.cosh(1.0):.4f}")
    1.5431
    """
    (node,) = float_operands(x)
    t = exp(node * where(node < 0, -0.5, 0.5).astype(node.dtype))
    return t * 0.5 * t + 0.5 / t / t


@function
@composition()
def arcsinh(x: Any) -> Tensor:
    """The inverse of sinh: ``log(x + √(x² + 1))``.

    >>> print(f"{tl.arcsinh(1.0):.4f}")
    0.8814
    """
    (node,) = float_operands(x)
    sign = where(node < 0, -1.0, 1.0).astype(node.dtype)
    size = node * sign
    large = size > _LARGE[node.dtype]
    a = where(large, 1, size)
    far = log(where(large, size, 1)) + math.log(2)
    # The sum of −0.0 and 0.0 is 0.0, but their product −0.0.
    return sign * where(large, far, log1p(a * (1 + a / (sqrt(a * a + 1) + 1))))


@function
@composition()
def arccosh(x: Any) -> Tensor:
    """The inverse of cosh for ``x ≥ 1``: ``log(x + √(x² − 1))``; nan below 1.

    >>> print(f"{tl.arccosh(2.0):.4f}")
    1.3170
    """
    (node,) = float_operands(x)
    large = node > _LARGE[node.dtype]
    d = where(large, 2, node) - 1
    far = log(where(large, node, 1)) + math.log(2)
    return where(large, far, log1p(d + sqrt(d) * sqrt(d + 2)))


@function
@composition()
def arctanh(x: Any) -> Tensor:
    """The inverse of tanh: ``log((1 + x) / (1 − x)) / 2``; ±inf at ±1, nan beyond.

    >>> print(f"{tl.arctanh(0.5):.4f}")
    0.5493
    """
    (node,) = float_operands(x)
    return (log1p(node) - log1p(-node)) * 0.5


def root_of_squares(total: Any) -> Tensor:
    """The square root of a sum of squares; its derivative is 0 where the sum is 0."""
    node = as_tensor(total)
    zero = equal(node, 0)
    return where(zero, node * 0, sqrt(where(zero, 1, node)))


@function
@composition()
def tan(x: Any) -> Tensor:
    """``sin x / cos x``, ``x`` in radians.

    >>> print(f"{tl.tan(1.0):.4f}")
    1.5574
    """
    (node,) = float_operands(x)
    return sin(node) / cos(node)


@function
def deg2rad(x: Any) -> Tensor:
    """An angle in degrees as one in radians: ``x·π/180``.

    >>> print(f"{tl.deg2rad(180.0):.4f}")
    3.1416
    """
    (node,) = float_operands(x)
    return node * (math.pi / 180)


@function
def rad2deg(x: Any) -> Tensor:
    """An angle in radians as one in degrees: ``x·180/π``.

    >>> print(f"{tl.rad2deg(math.pi):.1f}")
    180.0
    """
    (node,) = float_operands(x)
    return node * (180 / math.pi)


@function
@composition()
def sinc(x: Any) -> Tensor:
    """``sin(πx) / (πx)``, and 1 at 0, where its derivatives are right too.

    >>> print(tl.sinc(0.0), f"{tl.sinc(0.5):.4f}")
    1.0 0.6366
    """
    (node,) = float_operands(x)
    angle = node * math.pi
    near = abs(angle) < 0.5
    square, far = where(near, angle, 0), where(near, 1, angle)
    square = square * square
    # Near 0 the series Σ (−1)ⁿ·t²ⁿ/(2n + 1)!, whose first term left out is below 1e-16 there.
    series = 1 + square * 0
    for n in range(6, 0, -1):
        series = 1 - square / (2 * n * (2 * n + 1)) * series
    return where(near, series, sin(far) / far)


@function
@composition()
def arctan(x: Any) -> Tensor:
    """The angle in −π/2 … π/2 whose tangent is ``x``.

    >>> print(f"{tl.arctan(1.0):.4f}")
    0.7854
    """
    return arctan2(x, 1.0)


@function
@composition()
def arcsin(x: Any) -> Tensor:
    """The angle in −π/2 … π/2 whose sine is ``x``; nan beyond ±1. There is no derivative at ±1: it is nan.

    >>> print(f"{tl.arcsin(0.5):.4f}")
    0.5236
    """
    (node,) = float_operands(x)
    return arctan2(node, sqrt((1 - node) * (1 + node)))


@function
@composition()
def arccos(x: Any) -> Tensor:
    """The angle in 0 … π whose cosine is ``x``; nan beyond ±1. There is no derivative at ±1: it is nan.

    >>> print(f"{tl.arccos(0.5):.4f}")
    1.0472
    """
    (node,) = float_operands(x)
    return arctan2(sqrt((1 - node) * (1 + node)), node)


@function
@composition()
def hypot(x: Any, y: Any) -> Tensor:
    """``√(x² + y²)`` without overflow. The derivative at (0, 0) is taken as 0.

    It is infinite where either is, even where the other is nan, as in NumPy; the derivative by what is infinite is
    then ±1.

    >>> print(tl.hypot(3e30, 4e30))
    5e+30
    """
    a, b = float_operands(x, y)
    endless, beside = isinf(a), isinf(b)
    far = endless | beside
    infinite = abs(where(endless, a, 0)) + abs(where(beside, b, 0))
    a, b = where(far, 0, a), where(far, 0, b)
    largest = stop_gradient(maximum(abs(a), abs(b)))
    scale = where(isfinite(largest) & (largest > 0), largest, 1)
    a, b = a / scale, b / scale
    return where(far, infinite, scale * root_of_squares(a * a + b * b))


@function
@composition()
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
