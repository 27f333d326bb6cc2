"""Reverse-mode autodiff: from a graph to the graph of its gradient."""

from tinygrad_lstm.autodiff import rules
from tinygrad_lstm.autodiff.forward import jvp, linearize
from tinygrad_lstm.autodiff.reverse import gradients
from tinygrad_lstm.autodiff.transforms import grad, hessian, hvp, jacobian, value_and_grad, vjp

__all__ = ["grad", "gradients", "hessian", "hvp", "jacobian", "jvp", "linearize", "rules", "value_and_grad", "vjp"]
