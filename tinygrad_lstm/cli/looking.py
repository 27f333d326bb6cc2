"""The commands that show something: ``draw`` and ``backends``."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from tinygrad_lstm import draw
from tinygrad_lstm.autodiff.reverse import gradients
from tinygrad_lstm.draw.drawing import Drawing
from tinygrad_lstm.draw.pages import Page
from tinygrad_lstm.graph.dtypes import int32
from tinygrad_lstm.graph.structure import flatten, unflatten
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.nn.cells import GRUCell, LSTMCell, LSTMState, RNNCell
from tinygrad_lstm.nn.losses import cross_entropy
from tinygrad_lstm.ops import random
from tinygrad_lstm.ops.source import symbol
from tinygrad_lstm.runtime.backend import describe_backends
from tinygrad_lstm.train.language_model import LanguageModel, ModelConfig

__all__ = ["DRAWINGS", "PAGES", "show_backends", "show_drawing"]


def _loss(characters: Tensor, following: Tensor) -> Tensor:
    """The loss of a small language model."""
    model = LanguageModel(8, ModelConfig(hidden=4, embedding=3), key=random.key(0))
    logits, _ = model(characters, model.zeros(1))
    return cross_entropy(logits, following)


def _gradient(x: Tensor, h: Tensor, C: Tensor) -> Tensor:
    """How the hidden state of one step depends on the weights of the forget gate."""
    cell = LSTMCell(3, 4, key=random.key(0))
    h, _ = cell(x, LSTMState(h, C))
    found: Tensor = gradients((h * h).sum(), cell.forget.weight)
    return found


def _cell(kind: str) -> Any:
    return {"lstm": LSTMCell, "rnn": RNNCell, "gru": GRUCell}[kind](3, 4, key=random.key(0))


def _cell_page(kind: str) -> Page:
    """A cell at work in the middle of a sequence: on a state that is not zero."""
    cell = _cell(kind)
    leaves, structure = flatten(cell.zeros(1))
    state = [random.normal(random.key(2 + k), leaf.shape) * 0.5 for k, leaf in enumerate(leaves)]
    return draw.page(cell, random.normal(random.key(1), (1, 3)), unflatten(structure, state))


def _gradient_page() -> Page:
    given = [random.normal(random.key(1 + k), (1, n)) for k, n in enumerate((3, 4, 4))]
    return draw.page(_gradient, *given, title="The gradient of an LSTM step, step by step")


def _loss_page() -> Page:
    given = [random.randint(random.key(1 + k), (5, 1), 0, 8) for k in range(2)]
    return draw.page(_loss, *given, title="The loss of a language model, step by step")


DRAWINGS: Final[dict[str, Callable[[], Drawing]]] = {
    "lstm": lambda: draw.cell(_cell("lstm")),
    "rnn": lambda: draw.cell(_cell("rnn")),
    "gru": lambda: draw.cell(_cell("gru")),
    "loss": lambda: draw.graph(_loss(symbol("characters", (5, 1), int32), symbol("next characters", (5, 1), int32))),
    "gradient": lambda: draw.graph(
        _gradient(symbol("x_t", (1, 3)), symbol("h_{t-1}", (1, 4)), symbol("C_{t-1}", (1, 4)))
    ),
}
PAGES: Final[dict[str, Callable[[], Page]]] = {
    "lstm": lambda: _cell_page("lstm"),
    "rnn": lambda: _cell_page("rnn"),
    "gru": lambda: _cell_page("gru"),
    "loss": _loss_page,
    "gradient": _gradient_page,
}


def show_drawing(arguments: argparse.Namespace) -> int:
    """Draw one of ``DRAWINGS``, or as HTML one of ``PAGES``."""
    interactive = Path(arguments.output).suffix.lower() in (".html", ".htm")
    shown = PAGES[arguments.what]() if interactive else DRAWINGS[arguments.what]()
    print(shown.save(arguments.output))
    return 0


def show_backends(arguments: argparse.Namespace) -> int:
    """Print a table of the backends."""
    rows = [("backend", "usable", "what it runs on, or why it can not", "installed by")]
    rows += [(b.name, "yes" if b.usable else "no", b.detail, b.distribution) for b in describe_backends()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return 0
