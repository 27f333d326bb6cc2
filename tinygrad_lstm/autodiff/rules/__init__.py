"""GRADIENT RULES that take a page: of the loop, and of the call. Those of all other ops stand in their records."""

from tinygrad_lstm.autodiff.rules import call, loop

__all__ = ["call", "loop"]
