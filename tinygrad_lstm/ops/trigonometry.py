"""The other functions of angles; sin and cos are elementwise primitives."""

from typing import Any

from tinygrad_lstm.graph.convert import float_operands
from tinygrad_lstm.graph.registry import define, function
from tinygrad_lstm.graph.tensor import Tensor, make
from tinygrad_lstm.ops.elementwise import abs, cos, maximum, reals, sin, sqrt
from tinygrad_lstm.ops.exponential import root_of_squares
from tinygrad_lstm.ops.logic import isfinite, isinf, where
from tinygrad_lstm.ops.source import stop_gradient

__all__ = ["arccos", "arcsin", "arctan", "arctan2", "hypot", "tan"]

define("arctan2", reals, latex=r"\operatorname{arctan2}", kind="elementwise")


@function
def tan(x: Any) -> Tensor:
    """``sin x / cos x``, ``x`` in radians.

    >>> print(f"{tl.tan(1.0):.4f}")
    1.5574
    """
    (node,) = float_operands(x)
    return sin(node) / cos(node)


@function
def arctan2(y: Any, x: Any) -> Tensor:
    """The angle of the point ``(x, y)``, in −π … π.

    The derivatives are ``x/(x² + y²)`` by ``y`` and ``−y/(x² + y²)`` by ``x``, nan at (0, 0).

    >>> print(f"{tl.arctan2(1.0, -1.0):.4f}")
    2.3562
    """
    return make("arctan2", *float_operands(y, x))


@function
def arctan(x: Any) -> Tensor:
    """The angle in −π/2 … π/2 whose tangent is ``x``.

    >>> print(f"{tl.arctan(1.0):.4f}")
    0.7854
    """
    return arctan2(x, 1.0)


@function
def arcsin(x: Any) -> Tensor:
    """The angle in −π/2 … π/2 whose sine is ``x``; nan beyond ±1. There is no derivative at ±1: it is nan.

    >>> print(f"{tl.arcsin(0.5):.4f}")
    0.5236
    """
    (node,) = float_operands(x)
    return arctan2(node, sqrt((1 - node) * (1 + node)))


@function
def arccos(x: Any) -> Tensor:
    """The angle in 0 … π whose cosine is ``x``; nan beyond ±1. There is no derivative at ±1: it is nan.

    >>> print(f"{tl.arccos(0.5):.4f}")
    1.0472
    """
    (node,) = float_operands(x)
    return arctan2(sqrt((1 - node) * (1 + node)), node)


@function
def hypot(x: Any, y: Any) -> Tensor:
    """``√(x² + y²)`` without overflow. The derivative at (0, 0) is taken as 0.

    It is infinite where either is, even beside nan, as in NumPy; the derivative by what is infinite is then ±1.

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
