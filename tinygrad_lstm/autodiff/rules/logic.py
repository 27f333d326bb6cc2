"""Gradient rules of ``ops/logic.py``."""

from tinygrad_lstm.autodiff.table import rule
from tinygrad_lstm.ops.logic import where

rule("where", None, lambda g, y, c, a, b: where(c, g, 0), lambda g, y, c, a, b: where(c, 0, g))
