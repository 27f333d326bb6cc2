"""GRADIENT RULES: one file for each file of op definitions that has primitives."""

from tinygrad_lstm.autodiff.rules import (
    call,
    elementwise,
    exponential,
    index,
    integers,
    linalg,
    logic,
    loop,
    reduce,
    shape,
    source,
    trigonometry,
)

__all__ = [
    "call",
    "elementwise",
    "exponential",
    "index",
    "integers",
    "linalg",
    "logic",
    "loop",
    "reduce",
    "shape",
    "source",
    "trigonometry",
]
