"""GRADIENT RULES that take a page: those of the loop and of the call. The other ops have theirs in their records."""

from tinygrad_lstm.autodiff.rules import call, loop

__all__ = ["call", "loop"]
