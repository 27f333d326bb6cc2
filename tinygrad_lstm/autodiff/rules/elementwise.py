"""Gradient rules of ``ops/elementwise.py``."""

from tinygrad_lstm.autodiff.table import rule
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.ops.elementwise import cos, log, sigmoid, sign, sin
from tinygrad_lstm.ops.logic import equal, where


def _power_by_base(g: Tensor, y: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """``b·a^(b−1)``; an exponent that stands in the graph gives the textbook's form at once."""
    if b.op == "constant":
        n = b.attrs["value"]
        return g * 0 if n == 0 else g if n == 1 else g * (n * a) if n == 2 else g * (n * a ** (n - 1))
    return g * (b * a ** where(equal(b, 0), 1, b - 1))


rule("add", lambda g, y, a, b: g, lambda g, y, a, b: g)
rule("subtract", lambda g, y, a, b: g, lambda g, y, a, b: -g)
rule("multiply", lambda g, y, a, b: g * b, lambda g, y, a, b: g * a)
rule("divide", lambda g, y, a, b: g / b, lambda g, y, a, b: -(g * y) / b)
rule("power", _power_by_base, lambda g, y, a, b: g * (y * log(where(equal(a, 0), 1, a))))
rule(
    "maximum",
    lambda g, y, a, b: where(equal(a, b), g / 2, where(a > b, g, 0)),
    lambda g, y, a, b: where(equal(a, b), g / 2, where(b > a, g, 0)),
)
rule(
    "minimum",
    lambda g, y, a, b: where(equal(a, b), g / 2, where(a < b, g, 0)),
    lambda g, y, a, b: where(equal(a, b), g / 2, where(b < a, g, 0)),
)
rule("negative", lambda g, y, x: -g)
rule("abs", lambda g, y, x: g * sign(x))
rule("exp", lambda g, y, x: g * y)
rule("log", lambda g, y, x: g / x)
rule("sqrt", lambda g, y, x: g / (2 * y))
rule("sin", lambda g, y, x: g * cos(x))
rule("cos", lambda g, y, x: -(g * sin(x)))
rule("tanh", lambda g, y, x: g * (1 - y * y))
rule("sigmoid", lambda g, y, x: g * (y * (1 - y)))
rule("softplus", lambda g, y, x: g * sigmoid(x))
rule("cast", lambda g, y, x, dtype: g.astype(x.dtype))
