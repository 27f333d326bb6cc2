"""The options of the command ``draw``. Like the whole parser it imports nothing of ``tinygrad_lstm``."""

import argparse
import re
from typing import Final

from tinygrad_lstm_command.arguments import Parser, count_from_zero, path, positive_number

__all__ = ["DRAWINGS", "DRAWN_CELLS", "FORMS", "OF_A_CELL", "VARIANTS", "add_draw_options", "drawing"]

DRAWN_CELLS: Final = ("lstm", "gru", "rnn")
DRAWINGS: Final = (
    "lstm",
    "rnn",
    "gru",
    "chain",
    "rolled",
    "unrolled",
    "walkthrough",
    "gates",
    "gradient_over_time",
    "loss",
    "gradient",
)
OF_A_CELL: Final = ("chain", "rolled", "unrolled", "walkthrough", "gates")
"""Drawings for which ``--cell`` chooses the cell."""
VARIANTS: Final = ("peephole", "coupled", "layer_norm", "projection", "clip", "reset_after", "relu")
FORMS: Final = ("svg", "png", "pdf", "tex", "dot", "json", "mmd", "html", "gif", "webp", "apng", "zip")
_ELSEWHERE: Final = {
    "cell": "a cell is drawn as lstm, rnn or gru, or as one of yours: my_cell.py:MyCell",
    "graph": "graphs to be drawn here are loss and gradient; tl.draw.graph draws any other in Python",
    "page": "a page is any of these with an output that ends in .html",
}
_OWN: Final = re.compile(r".+\.py:[^\W\d]\w*", re.DOTALL)


def drawing(text: str) -> str:
    """The name of a drawing, or of something in a file; for other functions of ``tl.draw`` the error says how.

    >>> drawing("lstm"), drawing("my_cell.py:MyCell")
    ('lstm', 'my_cell.py:MyCell')
    """
    if text in _ELSEWHERE:
        raise argparse.ArgumentTypeError(_ELSEWHERE[text])
    return _one_of(text, DRAWINGS)


def _cell(text: str) -> str:
    return _one_of(text, DRAWN_CELLS)


def _one_of(text: str, names: tuple[str, ...]) -> str:
    if text in names or _OWN.fullmatch(text):
        return text
    known = ", ".join(names)
    raise argparse.ArgumentTypeError(f"invalid choice: {text!r} (choose from {known}, or yours: my_cell.py:MyCell)")


def add_draw_options(parser: Parser) -> None:
    """Add what the command ``draw`` takes."""
    parser.set_defaults(command="draw")
    parser.description = (
        "Draw one step of a cell (lstm, rnn, gru), the chain of its steps, a recurrent layer rolled or unrolled, the "
        "step explained (walkthrough), its gates along a text, how far back gradients reach (gradient_over_time), the "
        "graph of the loss of a language model or of a gradient, or a cell of yours: my_cell.py:MyCell."
    )
    parser.add_argument("what", type=drawing, metavar="WHAT", help=f"{', '.join(DRAWINGS)}, or FILE.py:NAME")
    parser.add_argument(
        "-o",
        "--output",
        type=path,
        required=True,
        metavar="FILE",
        help="ends in .svg, .png, .pdf, .tex, .dot, or .html for a page that plays the computation; loss and gradient "
        "also in .json or .mmd; a walkthrough in .html, .pdf or .zip for all stages, in .gif, .webp or .apng for a "
        "moving picture, or else there is a file for each stage; - is the standard output",
    )
    parser.add_argument("--format", choices=FORMS, help="the form on the standard output (svg)")
    group = parser.add_argument_group("the cell")
    group.add_argument(
        "--cell", type=_cell, metavar="CELL", help=f"of {', '.join(OF_A_CELL)}: lstm, gru, rnn or FILE.py:NAME (lstm)"
    )
    group.add_argument(
        "--variant",
        action="append",
        choices=VARIANTS,
        help="of the cell: peephole, coupled, layer_norm, projection and clip of an LSTM, reset_after and layer_norm "
        "of a GRU, layer_norm and relu of an RNN; several may be given",
    )
    group = parser.add_argument_group("gates")
    group.add_argument("--checkpoint", type=path, metavar="PATH", help="of a model that train has trained")
    group.add_argument("--text", metavar="TEXT", help="along which the gates are shown")
    group.add_argument(
        "--unit", action="append", type=count_from_zero, metavar="N", help="a unit to show; several may be given (all)"
    )
    group = parser.add_argument_group("looks")
    group.add_argument("--theme", choices=("light", "dark"), help="the colours (light)")
    group.add_argument("--transparent", action="store_true", default=False, help="paint nothing behind the picture")
    group.add_argument("--dpi", type=positive_number, metavar="X", help="dots an inch, for what consists of pixels")
