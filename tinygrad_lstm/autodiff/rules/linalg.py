"""Gradient rules of ``ops/linalg.py``."""

from tinygrad_lstm.autodiff.summing import sum_to
from tinygrad_lstm.autodiff.table import rule
from tinygrad_lstm.ops.shape import swapaxes

rule(
    "matmul",
    lambda g, y, a, b: sum_to(g @ swapaxes(b, -1, -2), a.shape),
    lambda g, y, a, b: sum_to(swapaxes(a, -1, -2) @ g, b.shape),
)
