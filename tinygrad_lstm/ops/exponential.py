"""Logarithms, exponentials, hyperbolic functions, roots, and the error function.

Each composition holds its relative accuracy near 0 and for large arguments, where the textbook's formula would cancel
or overflow.
"""

import math
from typing import Any, Final

from tinygrad_lstm.graph.convert import as_tensor, float_operands, operands
from tinygrad_lstm.graph.dtypes import DType, float16, float32, float64
from tinygrad_lstm.graph.registry import define, function
from tinygrad_lstm.graph.tensor import Tensor, make
from tinygrad_lstm.ops.elementwise import exp, log, power, reals, sqrt
from tinygrad_lstm.ops.logic import equal, isfinite, where
from tinygrad_lstm.ops.source import stop_gradient

__all__ = [
    "arccosh",
    "arcsinh",
    "arctanh",
    "cbrt",
    "cosh",
    "erf",
    "expm1",
    "log1p",
    "log2",
    "rsqrt",
    "sinh",
    "square",
]

define("log1p", reals, latex=r"\operatorname{log1p}", kind="elementwise")
define("expm1", reals, latex=r"\operatorname{expm1}", kind="elementwise")
define("erf", reals, latex=r"\operatorname{erf}", kind="elementwise")

_LARGE: Final[dict[DType, float]] = {float16: 2.0**6, float32: 2.0**13, float64: 2.0**27}
"""From here on x² + 1 is x²."""


@function
def log1p(x: Any) -> Tensor:
    """``log(1 + x)``, accurate near 0.

    >>> print(f"{tl.log1p(1e-10):.4g}")
    1e-10
    """
    return make("log1p", *float_operands(x))


@function
def expm1(x: Any) -> Tensor:
    """``eˣ − 1``, accurate near 0.

    >>> print(f"{tl.expm1(1e-10):.4g}")
    1e-10
    """
    return make("expm1", *float_operands(x))


@function
def log2(x: Any) -> Tensor:
    """The logarithm to base 2: ``log x / log 2``.

    >>> print(f"{tl.log2(8.0):.4f}")
    3.0000
    """
    return log(x) / math.log(2)


@function
def square(x: Any) -> Tensor:
    """``x · x``.

    >>> print(tl.square([3.0, -2.0]))
    [9. 4.]
    """
    node = as_tensor(x)
    return node * node


@function
def rsqrt(x: Any) -> Tensor:
    """``1 / √x``; inf at 0.

    >>> print(tl.rsqrt([4.0, 0.25]))
    [0.5 2. ]
    """
    return 1 / sqrt(x)


@function
def cbrt(x: Any) -> Tensor:
    """``∛x``, also of negative numbers. The derivative is inf at 0.

    >>> print(f"{tl.cbrt(-8.0):.4f}")
    -2.0000
    """
    (node,) = float_operands(x)
    sign = _sign(node)
    size = node * sign
    root = power(size, 1 / 3)
    # The exponent is not quite a third; a step of Newton's method mends the last digits.
    held = stop_gradient(root)
    ordinary = (held > 0) & isfinite(held)
    safe = where(ordinary, held, 1)
    step = (safe - stop_gradient(size) / safe / safe) / 3
    return sign * (root - where(ordinary, step, 0))


def _sign(x: Tensor) -> Tensor:
    """1 or −1 by the sign, that of a zero too: the angle of −0.0 is −π."""
    angle: Tensor = make("arctan2", *operands(stop_gradient(x), -1.0))
    return where(angle < 0, -1.0, 1.0).astype(x.dtype)


@function
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
    t = exp(where(near, 1, size) * 0.5)  # e^(x/2): its square overflows no sooner than the result
    return sign * where(near, (u + u / (u + 1)) * 0.5, t * 0.5 * t - 0.5 / t / t)


@function
def cosh(x: Any) -> Tensor:
    """``(eˣ + e⁻ˣ) / 2``.

    >>> print(f"{tl.cosh(1.0):.4f}")
    1.5431
    """
    (node,) = float_operands(x)
    t = exp(node * where(node < 0, -0.5, 0.5).astype(node.dtype))
    return t * 0.5 * t + 0.5 / t / t


@function
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
def arctanh(x: Any) -> Tensor:
    """The inverse of tanh: ``log((1 + x) / (1 − x)) / 2``; ±inf at ±1, nan beyond.

    >>> print(f"{tl.arctanh(0.5):.4f}")
    0.5493
    """
    (node,) = float_operands(x)
    return (log1p(node) - log1p(-node)) * 0.5


@function
def erf(x: Any) -> Tensor:
    """The error function ``2/√π ∫₀ˣ e^(−t²) dt``, between −1 and 1; the derivative is ``2/√π·e^(−x²)``.

    >>> print(f"{tl.erf(1.0):.4f}")
    0.8427
    """
    return make("erf", *float_operands(x))


def root_of_squares(total: Any) -> Tensor:
    """The square root of a sum of squares; its derivative is 0 where the sum is 0."""
    node = as_tensor(total)
    zero = equal(node, 0)
    return where(zero, node * 0, sqrt(where(zero, 1, node)))
