"""``arctan2``, the angle of a point; sin and cos stand in ``elementwise.py``."""

from typing import Any

from tinygrad_lstm.graph.convert import float_operands
from tinygrad_lstm.graph.registry import define, function
from tinygrad_lstm.graph.tensor import Tensor, make
from tinygrad_lstm.graph.types import reals

__all__ = ["arctan2"]


define(
    "arctan2", reals, "arctan2",
    (lambda g, z, y, x: g * (x / (x * x + y * y)), lambda g, z, y, x: -(g * (y / (x * x + y * y)))),
    c="arctan2_{t}({0}, {1})", kind="elementwise", costly=True,
)  # fmt: skip


@function
def arctan2(y: Any, x: Any) -> Tensor:
    """The angle of the point ``(x, y)``, in −π … π.

    The derivatives are ``x/(x² + y²)`` by ``y`` and ``−y/(x² + y²)`` by ``x``, nan at (0, 0).

    >>> print(f"{tl.arctan2(1.0, -1.0):.4f}")
    2.3562
    """
    return make("arctan2", *float_operands(y, x))
