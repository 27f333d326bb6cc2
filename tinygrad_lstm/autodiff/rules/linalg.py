"""Gradient rules of ``ops/linalg.py``."""

from tinygrad_lstm.autodiff.summing import sum_to
from tinygrad_lstm.autodiff.table import rule
from tinygrad_lstm.graph.tensor import make
from tinygrad_lstm.ops.shape import swapaxes

rule(
    "matmul",
    lambda g, y, a, b: sum_to(g @ swapaxes(b, -1, -2), a.shape),
    lambda g, y, a, b: sum_to(swapaxes(a, -1, -2) @ g, b.shape),
)
# Each letter of an operand is one of the other operand or of the result, so what is summed has always two of three.
rule(
    "contract",
    lambda g, y, a, b, left, right, out: make("contract", g, b, left=out, right=right, out=left),
    lambda g, y, a, b, left, right, out: make("contract", g, a, left=out, right=left, out=right),
)
