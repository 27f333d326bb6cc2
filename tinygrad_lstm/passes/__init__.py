"""Rewritings of the graph, one a file; each result is verified."""

from tinygrad_lstm.passes.pipeline import simplified

__all__ = ["simplified"]
