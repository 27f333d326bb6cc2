"""GRADIENT RULES that take a page: those of the loop and of the call. The other ops have theirs in their records."""

from tinygrad_lstm.autodiff.rules import branch, call, loop, while_loop

__all__ = ["branch", "call", "loop", "while_loop"]
