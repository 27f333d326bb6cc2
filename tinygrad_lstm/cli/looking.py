"""The commands that show something: ``draw`` and ``backends``."""

import argparse
from collections.abc import Callable
from typing import Final

from tinygrad_lstm import draw
from tinygrad_lstm.autodiff.reverse import gradients
from tinygrad_lstm.draw.drawing import Drawing
from tinygrad_lstm.graph.dtypes import int32
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.nn.cells import GRUCell, LSTMCell, LSTMState, RNNCell
from tinygrad_lstm.nn.losses import cross_entropy
from tinygrad_lstm.ops import random
from tinygrad_lstm.ops.source import symbol
from tinygrad_lstm.runtime.backend import describe_backends
from tinygrad_lstm.train.language_model import LanguageModel, ModelConfig

__all__ = ["DRAWINGS", "show_backends", "show_drawing"]


def _loss() -> Tensor:
    """The loss of a small language model."""
    model = LanguageModel(8, ModelConfig(hidden=4, embedding=3), key=random.key(0))
    logits, _ = model(symbol("characters", (5, 1), int32), model.zeros(1))
    return cross_entropy(logits, symbol("next characters", (5, 1), int32))


def _gradient() -> Tensor:
    """How the hidden state of one step depends on the weights of the forget gate."""
    cell = LSTMCell(3, 4, key=random.key(0))
    state = LSTMState(symbol("h_{t-1}", (1, 4)), symbol("C_{t-1}", (1, 4)))
    h, _ = cell(symbol("x_t", (1, 3)), state)
    found: Tensor = gradients((h * h).sum(), cell.forget.weight)
    return found


DRAWINGS: Final[dict[str, Callable[[], Drawing]]] = {
    "lstm": lambda: draw.cell(LSTMCell(3, 4, key=random.key(0))),
    "rnn": lambda: draw.cell(RNNCell(3, 4, key=random.key(0))),
    "gru": lambda: draw.cell(GRUCell(3, 4, key=random.key(0))),
    "loss": lambda: draw.graph(_loss()),
    "gradient": lambda: draw.graph(_gradient()),
}


def show_drawing(arguments: argparse.Namespace) -> int:
    """Draw one of ``DRAWINGS``."""
    print(DRAWINGS[arguments.what]().save(arguments.output))
    return 0


def show_backends(arguments: argparse.Namespace) -> int:
    """Print a table of the backends."""
    rows = [("backend", "usable", "what it runs on, or why it can not", "installed by")]
    rows += [(b.name, "yes" if b.usable else "no", b.detail, b.distribution) for b in describe_backends()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return 0
