"""Optimisers, clipping, loss scaling, schedules and averages of parameters."""

from tinygrad_lstm.optim import schedules
from tinygrad_lstm.optim.adam import Adam, AdamW
from tinygrad_lstm.optim.adaptive import Adadelta, Adagrad, RMSprop
from tinygrad_lstm.optim.averaging import Average
from tinygrad_lstm.optim.clipping import clip_grad_norm, clip_grad_value
from tinygrad_lstm.optim.lion import Lion
from tinygrad_lstm.optim.optimizer import Optimizer
from tinygrad_lstm.optim.scaling import GradScaler
from tinygrad_lstm.optim.sgd import SGD
from tinygrad_lstm.reflexes import OPTIM, answer

__all__ = [
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Average",
    "GradScaler",
    "Lion",
    "Optimizer",
    "RMSprop",
    "clip_grad_norm",
    "clip_grad_value",
    "schedules",
]

answer(__name__, "tl.optim", OPTIM)
