"""Gradient rules of ``ops/index.py``."""

from tinygrad_lstm.autodiff.table import rule
from tinygrad_lstm.ops.index import scatter_add, take

rule("take", lambda g, y, x, i, axis: scatter_add(g, i, axis, size=x.shape[axis]), None)
rule("scatter_add", lambda g, y, x, i, axis, size: take(g, i, axis), None)
