"""Logarithm and exponential near 0, and the error function."""

import math
from typing import Any

from tinygrad_lstm.graph.convert import float_operands
from tinygrad_lstm.graph.registry import define, function
from tinygrad_lstm.graph.tensor import Tensor, make
from tinygrad_lstm.graph.types import reals
from tinygrad_lstm.kernels.error_function import error_function
from tinygrad_lstm.ops.elementwise import exp

__all__ = ["erf", "expm1", "log1p"]


define("log1p", reals, "log1p", lambda g, y, x: g / (1 + x), c="log1p_{t}({0})", kind="elementwise", costly=True)


@function
def log1p(x: Any) -> Tensor:
    """``log(1 + x)``, accurate near 0.

    >>> print(f"{tl.log1p(1e-10):.4g}")
    1e-10
    """
    return make("log1p", *float_operands(x))


define("expm1", reals, "expm1", lambda g, y, x: g * (y + 1), c="expm1_{t}({0})", kind="elementwise", costly=True)


@function
def expm1(x: Any) -> Tensor:
    """``eˣ − 1``, accurate near 0.

    >>> print(f"{tl.expm1(1e-10):.4g}")
    1e-10
    """
    return make("expm1", *float_operands(x))


define(
    "erf", reals, error_function, lambda g, y, x: g * (exp(-x * x) * (2 / math.sqrt(math.pi))),
    c="erf_{t}({0})", kind="elementwise", costly=True,
)  # fmt: skip


@function
def erf(x: Any) -> Tensor:
    """The error function ``2/√π ∫₀ˣ e^(−t²) dt``, between −1 and 1; the derivative is ``2/√π·e^(−x²)``.

    >>> print(f"{tl.erf(1.0):.4f}")
    0.8427
    """
    return make("erf", *float_operands(x))
