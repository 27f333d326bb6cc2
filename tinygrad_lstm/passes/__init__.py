"""PASSES: each turns a graph into one with the same values and less work. ``compiling`` verifies what has changed."""

from tinygrad_lstm.passes.compiling import optimize, stages
from tinygrad_lstm.passes.pipeline import simplified

__all__ = ["optimize", "simplified", "stages"]
