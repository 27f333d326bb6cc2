"""Optimisers and clipping."""

from tinygrad_lstm.optim.adam import Adam
from tinygrad_lstm.optim.clipping import clip_grad_norm
from tinygrad_lstm.optim.optimizer import Optimizer
from tinygrad_lstm.optim.sgd import SGD

__all__ = ["SGD", "Adam", "Optimizer", "clip_grad_norm"]
