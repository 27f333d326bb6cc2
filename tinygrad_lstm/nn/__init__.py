"""Modules, cells, layers and losses."""

from tinygrad_lstm.nn.cells import Gates, GRUCell, GRUGates, LSTMCell, LSTMState, RNNCell
from tinygrad_lstm.nn.layers import Embedding, Linear
from tinygrad_lstm.nn.losses import cross_entropy
from tinygrad_lstm.nn.module import Module
from tinygrad_lstm.nn.recurrent import GRU, LSTM, RNN

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Embedding",
    "GRUCell",
    "GRUGates",
    "Gates",
    "LSTMCell",
    "LSTMState",
    "Linear",
    "Module",
    "RNNCell",
    "cross_entropy",
]
