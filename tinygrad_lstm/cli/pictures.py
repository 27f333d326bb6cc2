"""The command ``draw``."""

import argparse
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from tinygrad_lstm import draw
from tinygrad_lstm.autodiff.reverse import gradients
from tinygrad_lstm.cli.own_files import from_file, made
from tinygrad_lstm.data.vocabulary import Vocabulary
from tinygrad_lstm.draw.cells.walkthrough import Walkthrough
from tinygrad_lstm.draw.drawing import Drawing
from tinygrad_lstm.draw.moving import MOVING, Animation
from tinygrad_lstm.draw.pages import Page
from tinygrad_lstm.draw.time.figures import Figure
from tinygrad_lstm.errors import UsageError, printable
from tinygrad_lstm.functions import random
from tinygrad_lstm.graph.convert import as_tensor
from tinygrad_lstm.graph.dtypes import int32
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.nn.cells import GRUCell, LSTMCell, LSTMState, RNNCell
from tinygrad_lstm.nn.losses import cross_entropy
from tinygrad_lstm.nn.recurrent import Recurrent
from tinygrad_lstm.ops.source import symbol
from tinygrad_lstm.train.checkpoint import load_model
from tinygrad_lstm.train.language_model import CELLS, LanguageModel, ModelConfig
from tinygrad_lstm_command.draw_parser import OF_A_CELL

__all__ = ["PICTURES", "PLAYED", "VARIANTS_OF", "show_drawing"]

Shown = Drawing | Figure | Walkthrough | Page | Animation

_KINDS: Final[dict[str, Any]] = {"lstm": LSTMCell, "gru": GRUCell, "rnn": RNNCell}
VARIANTS_OF: Final = {
    "lstm": ("peephole", "coupled", "layer_norm", "projection", "clip"),
    "gru": ("reset_after", "layer_norm"),
    "rnn": ("layer_norm", "relu"),
}
_MADE_WITH: Final[dict[str, dict[str, Any]]] = {
    "projection": {"proj_size": 2},
    "clip": {"cell_clip": 3.0},
    "relu": {"nonlinearity": "relu"},
}
"""The options of the variants that are more than True."""
_GATES: Final = ("checkpoint", "text", "unit")
_PIXELS: Final = (".png", ".zip", *MOVING)
_TEXT: Final = "the cat sat on the mat"


@dataclass(frozen=True)
class _Choices:
    """What the user chose: the cell and its variants, how it looks, and which gates to show."""

    cell: str = "lstm"
    variants: tuple[str, ...] = ()
    look: dict[str, Any] = field(default_factory=dict)
    units: list[int] | None = None
    text: str | None = None
    checkpoint: str | None = None

    def one(self) -> Any:
        """One cell."""
        return self._of(_KINDS, 4)

    def layer(self, units: int = 4) -> Any:
        """A layer of the cell."""
        found = self._of(CELLS, units)
        return found if isinstance(found, Recurrent) else Recurrent(found)

    def _of(self, kinds: Mapping[str, Any], units: int) -> Any:
        if self.cell not in kinds:
            return made(from_file(self.cell), self.cell)
        options: dict[str, Any] = {}
        for variant in self.variants:
            options |= _MADE_WITH.get(variant, {variant: True})
        return kinds[self.cell](3, units, **options, key=random.key(0))


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


def _gates(chosen: _Choices) -> Figure:
    """The gates of a trained model along a text, or of an untrained layer."""
    if chosen.checkpoint is not None:
        model, vocabulary = load_model(chosen.checkpoint)
        numbers = np.arange(len(vocabulary)) if chosen.text is None else vocabulary.encode(chosen.text)
        tokens = [vocabulary.tokens[int(k)] for k in numbers]
        return draw.gates(model, tokens, x=as_tensor(numbers)[:, None], units=chosen.units, **chosen.look)
    text = _TEXT if chosen.text is None else chosen.text
    letters = random.normal(random.key(1), (len(set(text)), 3))
    x = letters[as_tensor(Vocabulary.of(text).encode(text))][:, None]
    return draw.gates(chosen.layer(8), text, x=x, units=chosen.units, **chosen.look)


def _gradient_over_time(chosen: _Choices) -> Figure:
    layers = {kind.upper(): _Choices(kind).layer(16) for kind in ("rnn", "gru", "lstm")}
    return draw.gradient_over_time(layers, random.normal(random.key(1), (40, 1, 3)), **chosen.look)


def _graph_of_loss(chosen: _Choices) -> Drawing:
    given = [symbol(name, (5, 1), int32) for name in ("characters", "next characters")]
    return draw.graph(_loss(*given), **chosen.look)


def _graph_of_gradient(chosen: _Choices) -> Drawing:
    shapes = {"x_t": (1, 3), "h_{t-1}": (1, 4), "C_{t-1}": (1, 4)}
    return draw.graph(_gradient(*(symbol(name, shape) for name, shape in shapes.items())), **chosen.look)


def _gradient_page(theme: Any) -> Page:
    given = [random.normal(random.key(1 + k), (1, n)) for k, n in enumerate((3, 4, 4))]
    return draw.page(_gradient, *given, title="The gradient of an LSTM step, step by step", theme=theme)


def _loss_page(theme: Any) -> Page:
    given = [random.randint(random.key(1 + k), (5, 1), 0, 8) for k in range(2)]
    return draw.page(_loss, *given, title="The loss of a language model, step by step", theme=theme)


def _drawn_cell(chosen: _Choices) -> Shown:
    return draw.cell(chosen.one(), **chosen.look)


PICTURES: Final[dict[str, Callable[[_Choices], Shown]]] = {
    "lstm": _drawn_cell,
    "rnn": _drawn_cell,
    "gru": _drawn_cell,
    "chain": lambda chosen: draw.chain(chosen.layer(), **chosen.look),
    "rolled": lambda chosen: draw.rolled(chosen.layer(), **chosen.look),
    "unrolled": lambda chosen: draw.unrolled(chosen.layer(), beside_rolled=True, **chosen.look),
    "walkthrough": lambda chosen: draw.walkthrough(chosen.one(), **chosen.look),
    "gates": _gates,
    "gradient_over_time": _gradient_over_time,
    "loss": _graph_of_loss,
    "gradient": _graph_of_gradient,
}
PLAYED: Final[dict[str, Callable[[Any], Page]]] = {"loss": _loss_page, "gradient": _gradient_page}
"""Graphs whose pages are not those of a cell."""


def show_drawing(arguments: argparse.Namespace) -> int:
    """Draw one of ``PICTURES`` or something of the user's, or as HTML make a page of it."""
    options = vars(arguments)
    what = arguments.what
    suffix = _suffix(arguments)
    make, endings = _maker(what, options, suffix)
    if suffix not in endings:
        pages = ", or make a page of lstm, rnn, gru, loss, gradient or walkthrough" * (suffix == ".html")
        output = arguments.output if arguments.output != "-" else f"--format {suffix[1:]}"
        raise UsageError(f"{what} is drawn as {_listed(endings, 'or')}; end {output!r} in one of these{pages}")
    if "dpi" in options and suffix not in _PIXELS:
        raise UsageError(f"--dpi goes with {_listed(_PIXELS, 'and')}, which consist of pixels, not with {suffix}")
    if options["transparent"] and suffix == ".html":
        raise UsageError("--transparent goes with pictures, not with pages; leave it out")
    size = {"dpi": options["dpi"]} if "dpi" in options else {}
    if arguments.output == "-":
        _write(make(), suffix, size)
        return 0
    saved = make().save(arguments.output, **size)
    for path in saved if isinstance(saved, list) else [saved]:
        print(printable(str(path)))
    return 0


def _suffix(arguments: argparse.Namespace) -> str:
    if arguments.output == "-":
        return f".{vars(arguments).get('format', 'svg')}"
    if "format" in arguments:
        raise UsageError("--format goes with -o -, the standard output; the name of a file says its form")
    suffix = Path(arguments.output).suffix.lower()
    return ".html" if suffix == ".htm" else suffix


def _maker(what: str, options: dict[str, Any], suffix: str) -> tuple[Callable[[], Any], tuple[str, ...]]:
    """What makes the picture, and the endings of files in which it can be saved."""
    theme = options.get("theme")
    chosen = _chosen(what, options)
    if what in PICTURES:
        endings = _endings(what)
        if suffix == ".html" and what in PLAYED:
            return partial(PLAYED[what], theme), endings
        if suffix == ".html" and what in _KINDS:
            return lambda: draw.page(chosen.one(), theme=theme), endings
        return partial(PICTURES[what], chosen), endings
    found = made(from_file(what), what)
    if isinstance(found, Shown):
        return lambda: found, _endings_of(found)
    if isinstance(found, Tensor):
        return lambda: draw.graph(found, **chosen.look), (*_endings("loss")[:-1],)
    if suffix == ".html":
        return lambda: draw.page(found, theme=theme), _endings("lstm")
    picture = draw.chain if isinstance(found, Recurrent) else draw.cell
    return lambda: picture(found, **chosen.look), _endings("lstm")


def _chosen(what: str, options: dict[str, Any]) -> _Choices:
    """The options that concern what is drawn.

    Raises:
        UsageError: an option goes with something else.
    """
    if "cell" in options and what not in OF_A_CELL:
        raise UsageError(f"--cell goes with {_listed(OF_A_CELL, 'and')}, not with {what}; leave it out")
    if what != "gates" and (extra := [name for name in _GATES if name in options]):
        raise UsageError(f"--{extra[0]} goes with gates, not with {what}; leave it out")
    kind = options.get("cell", "lstm") if what in OF_A_CELL else what
    variants = tuple(dict.fromkeys(options.get("variant", ())))
    known = VARIANTS_OF.get(kind, ())
    if wrong := [name for name in variants if name not in known]:
        said = (
            f"the variants of {kind} are {_listed(known, 'and')}"
            if known
            else (f"--variant goes with {_listed(tuple(_KINDS), 'and')}, not with {kind}")
        )
        raise UsageError(f"{said}; leave out --variant {wrong[0]}")
    told = [name for name in ("cell", "variant") if name in options]
    if "checkpoint" in options and told:
        raise UsageError(f"the checkpoint says which cell it is; leave out --{told[0]}")
    look = {"theme": options.get("theme", "light"), "transparent": options["transparent"]}
    given = (options.get("unit"), options.get("text"), options.get("checkpoint"))
    return _Choices(kind, variants, look, *given)


def _write(shown: Any, suffix: str, size: dict[str, float]) -> None:
    """Write a picture to the standard output.

    Raises:
        UsageError: it is several files, or the standard output takes no bytes.
    """
    stream = getattr(sys.stdout, "buffer", None)
    if stream is None:
        raise UsageError("the standard output takes no bytes here; name a file instead of -")
    with tempfile.TemporaryDirectory(prefix="tinygrad-lstm-") as folder:
        saved = shown.save(Path(folder, f"picture{suffix}"), **size)
        files = saved if isinstance(saved, list) else [saved]
        if len(files) > 1:
            raise UsageError(
                f"as {suffix} each stage is a file of its own; on the standard output a walkthrough is html, pdf, zip, "
                "gif, webp or apng: --format html"
            )
        content = files[0].read_bytes()
    sys.stdout.flush()
    stream.write(content)
    stream.flush()


def _endings(what: str) -> tuple[str, ...]:
    """The endings of files in which a drawing can be saved."""
    endings = [".svg", ".png", ".pdf"]
    if what not in ("gradient_over_time", "gates"):
        endings += [".tex", ".dot"]
    if what in ("loss", "gradient"):
        endings += [".json", ".mmd"]
    if what == "walkthrough":
        endings += [".zip", *MOVING]
    if what in PLAYED or what in _KINDS or what == "walkthrough":
        endings.append(".html")
    return tuple(endings)


def _endings_of(shown: Shown) -> tuple[str, ...]:
    if isinstance(shown, Page):
        return (".html",)
    if isinstance(shown, Animation):
        return tuple(MOVING)
    if isinstance(shown, Walkthrough):
        return _endings("walkthrough")
    return _endings("gates" if isinstance(shown, Figure) else "chain")


def _listed(names: tuple[str, ...], word: str) -> str:
    return f"{', '.join(names[:-1])} {word} {names[-1]}".removeprefix(f" {word} ")
