"""Rewritings of the graph, one a file; each result is verified."""

from tinygrad_lstm.passes.compiling import optimize, stages
from tinygrad_lstm.passes.pipeline import simplified

__all__ = ["optimize", "simplified", "stages"]
