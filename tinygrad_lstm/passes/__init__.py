"""PASSES: from a graph to one with the same values and less work, one a file; ``compiling`` verifies each result."""

from tinygrad_lstm.passes.compiling import optimize, stages
from tinygrad_lstm.passes.pipeline import simplified

__all__ = ["optimize", "simplified", "stages"]
