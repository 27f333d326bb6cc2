"""Reverse-mode autodiff: from a graph to the graph of its gradient."""

from tinygrad_lstm.autodiff import rules
from tinygrad_lstm.autodiff.reverse import gradients
from tinygrad_lstm.autodiff.transforms import grad, value_and_grad

__all__ = ["grad", "gradients", "rules", "value_and_grad"]
