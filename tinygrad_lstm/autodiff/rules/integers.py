"""Gradient rules of ``ops/integers.py``."""

from tinygrad_lstm.autodiff.table import rule
from tinygrad_lstm.ops.integers import floor_divide

rule("remainder", lambda g, y, a, b: g, lambda g, y, a, b: -(g * floor_divide(a, b)))
