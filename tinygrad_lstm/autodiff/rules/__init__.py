"""GRADIENT RULES: one file for each file of op definitions."""

from tinygrad_lstm.autodiff.rules import elementwise, index, linalg, logic, loop, reduce, shape, source

__all__ = ["elementwise", "index", "linalg", "logic", "loop", "reduce", "shape", "source"]
