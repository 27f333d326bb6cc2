"""Modules, cells, layers, losses and initialisers."""

from tinygrad_lstm.nn import initializers
from tinygrad_lstm.nn.cells import Gates, GRUCell, GRUGates, LSTMCell, LSTMState, RNNCell
from tinygrad_lstm.nn.composing import Identity, LayerNorm, Residual, Sequential
from tinygrad_lstm.nn.copying import functional_call
from tinygrad_lstm.nn.layers import Embedding, Linear
from tinygrad_lstm.nn.losses import bce_with_logits, cross_entropy, huber, kl_div, mae, mse, nll
from tinygrad_lstm.nn.module import Module
from tinygrad_lstm.nn.pytorch import from_pytorch, to_pytorch
from tinygrad_lstm.nn.recurrent import Recurrent
from tinygrad_lstm.nn.recurrent_layers import GRU, LSTM, RNN
from tinygrad_lstm.nn.stochastic import Dropout, deterministic
from tinygrad_lstm.reflexes import LAYERS, answer

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Dropout",
    "Embedding",
    "GRUCell",
    "GRUGates",
    "Gates",
    "Identity",
    "LSTMCell",
    "LSTMState",
    "LayerNorm",
    "Linear",
    "Module",
    "RNNCell",
    "Recurrent",
    "Residual",
    "Sequential",
    "bce_with_logits",
    "cross_entropy",
    "deterministic",
    "from_pytorch",
    "functional_call",
    "huber",
    "initializers",
    "kl_div",
    "mae",
    "mse",
    "nll",
    "to_pytorch",
]

answer(__name__, "tl.nn", LAYERS)
