"""The commands that show something: ``draw`` and ``backends``."""

import argparse
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from tinygrad_lstm import draw
from tinygrad_lstm.autodiff.reverse import gradients
from tinygrad_lstm.draw.cells.walkthrough import Walkthrough
from tinygrad_lstm.draw.drawing import Drawing
from tinygrad_lstm.draw.pages import Page
from tinygrad_lstm.draw.time.figures import Figure
from tinygrad_lstm.errors import UsageError, printable
from tinygrad_lstm.functions import random
from tinygrad_lstm.graph.dtypes import int32
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.nn.cells import GRUCell, LSTMCell, LSTMState, RNNCell
from tinygrad_lstm.nn.losses import cross_entropy
from tinygrad_lstm.ops.source import symbol
from tinygrad_lstm.runtime.backend import describe_backends
from tinygrad_lstm.train.language_model import CELLS, LanguageModel, ModelConfig
from tinygrad_lstm_command.parser import OF_A_CELL

__all__ = ["DRAWINGS", "PAGES", "show_backends", "show_drawing"]


def _loss(characters: Tensor, following: Tensor) -> Tensor:
    """The loss of a small language model."""
    model = LanguageModel(8, ModelConfig(hidden=4, embedding=3), key=random.key(0))
    logits, _ = model(characters, model.zeros(1))
    return cross_entropy(logits, following)


def _gradient(x: Tensor, h: Tensor, C: Tensor) -> Tensor:
    """The gradient of a sum over the hidden state of one step by the weights of the forget gate."""
    cell = LSTMCell(3, 4, key=random.key(0))
    h, _ = cell(x, LSTMState(h, C))
    slope: Tensor = gradients((h * h).sum(), cell.forget.weight)
    return slope


def _cell(kind: str) -> Any:
    return {"lstm": LSTMCell, "rnn": RNNCell, "gru": GRUCell}[kind](3, 4, key=random.key(0))


def _layer(kind: str, units: int = 4) -> Any:
    return CELLS[kind](3, units, key=random.key(0))


def _gradient_over_time() -> Figure:
    layers = {kind.upper(): _layer(kind, 16) for kind in ("rnn", "gru", "lstm")}
    return draw.gradient_over_time(layers, random.normal(random.key(1), (40, 1, 3)))


def _gradient_page() -> Page:
    given = [random.normal(random.key(1 + k), (1, n)) for k, n in enumerate((3, 4, 4))]
    return draw.page(_gradient, *given, title="The gradient of an LSTM step, step by step")


def _loss_page() -> Page:
    given = [random.randint(random.key(1 + k), (5, 1), 0, 8) for k in range(2)]
    return draw.page(_loss, *given, title="The loss of a language model, step by step")


DRAWINGS: Final[dict[str, Callable[[str], Drawing | Figure | Walkthrough]]] = {
    "lstm": lambda _: draw.cell(_cell("lstm")),
    "rnn": lambda _: draw.cell(_cell("rnn")),
    "gru": lambda _: draw.cell(_cell("gru")),
    "chain": lambda kind: draw.chain(_layer(kind)),
    "rolled": lambda kind: draw.rolled(_layer(kind)),
    "unrolled": lambda kind: draw.unrolled(_layer(kind), beside_rolled=True),
    "walkthrough": lambda kind: draw.walkthrough(_cell(kind)),
    "gradient_over_time": lambda _: _gradient_over_time(),
    "loss": lambda _: draw.graph(_loss(symbol("characters", (5, 1), int32), symbol("next characters", (5, 1), int32))),
    "gradient": lambda _: draw.graph(
        _gradient(symbol("x_t", (1, 3)), symbol("h_{t-1}", (1, 4)), symbol("C_{t-1}", (1, 4)))
    ),
}
PAGES: Final[dict[str, Callable[[], Page]]] = {
    "lstm": lambda: draw.page(_cell("lstm")),
    "rnn": lambda: draw.page(_cell("rnn")),
    "gru": lambda: draw.page(_cell("gru")),
    "loss": _loss_page,
    "gradient": _gradient_page,
}


_COLUMNS: Final = 100


def show_drawing(arguments: argparse.Namespace) -> int:
    """Draw one of ``DRAWINGS``, or as HTML one of ``PAGES``."""
    what = arguments.what
    if "cell" in arguments and what not in OF_A_CELL:
        raise UsageError(f"--cell goes with {_listed(OF_A_CELL, 'and')}, not with {what}; leave it out")
    suffix = Path(arguments.output).suffix.lower()
    suffix = ".html" if suffix == ".htm" else suffix
    endings = _endings(what)
    if suffix not in endings:
        pages = f", or make a page of {_listed((*PAGES, 'walkthrough'), 'or')}" * (suffix == ".html")
        raise UsageError(
            f"{what} is drawn as {_listed(endings, 'or')}; end {arguments.output!r} in one of these{pages}"
        )
    shown: Page | Drawing | Figure | Walkthrough
    if suffix == ".html" and what in PAGES:
        shown = PAGES[what]()
    else:
        shown = DRAWINGS[what](vars(arguments).get("cell", "lstm"))
    saved = shown.save(arguments.output)
    for path in saved if isinstance(saved, list) else [saved]:
        print(printable(str(path)))
    return 0


def _endings(what: str) -> tuple[str, ...]:
    """The endings of files in which a drawing can be saved."""
    endings = [".svg", ".png", ".pdf"]
    if what != "gradient_over_time":
        endings += [".tex", ".dot"]
    if what in ("loss", "gradient"):
        endings += [".json", ".mmd"]
    if what in PAGES or what == "walkthrough":
        endings.append(".html")
    return tuple(endings)


def _listed(names: tuple[str, ...], word: str) -> str:
    return f"{', '.join(names[:-1])} {word} {names[-1]}"


def _shortened(text: str, most: int) -> str:
    """Text from another package without control characters of terminals, shortened to the width of a column."""
    shown = "".join(c if c.isprintable() else " " for c in text)
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


def show_backends(arguments: argparse.Namespace) -> int:
    """Print a table of the backends."""
    rows = [("backend", "usable", "installed by", "what it runs on, or why it cannot")]
    statuses = [(b.name, "yes" if b.usable else "no", b.distribution, b.detail) for b in describe_backends()]
    rows += [(_shortened(a, 24), b, _shortened(c, 24), _shortened(detail, 1000)) for a, b, c, detail in statuses]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)][:-1]
    for *cells, detail in rows:
        before = "".join(f"{cell.ljust(width)}  " for cell, width in zip(cells, widths, strict=True))
        print(textwrap.fill(detail, _COLUMNS, initial_indent=before, subsequent_indent=" " * len(before)))
    return 0
