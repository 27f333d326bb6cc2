"""The entry point: runs a command, and turns errors into one line and an exit status."""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import metadata
from io import TextIOWrapper

from tinygrad_lstm.cli.arguments import Parser, count, count_from_zero, not_negative, path, positive_number, seed_number
from tinygrad_lstm.cli.looking import DRAWINGS, OF_A_CELL, drawing, show_backends, show_drawing
from tinygrad_lstm.cli.signals import EndedError, ending
from tinygrad_lstm.cli.training import run_sample, run_train
from tinygrad_lstm.errors import Error
from tinygrad_lstm.train.config import TrainConfig
from tinygrad_lstm.train.language_model import CELLS, ModelConfig

__all__ = ["main"]

PROGRAM = "tinygrad-lstm"
_NO_MEMORY = "error: there is not enough memory; make --hidden, --batch or --window smaller"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns:
        The exit status: 0, or 2 for bad input, 130 for Ctrl-C, 143 for SIGTERM, 129 for SIGHUP, 141 when the reader of
        the output went away.

    >>> main(["draw", "lstm", "-o", "lstm.txt"])  # one line on stderr
    2
    """
    # Python sets a stream to None that was closed before the start. What is written to it is dropped.
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        sys.stdout, sys.stderr = sys.stdout or nowhere, sys.stderr or nowhere
        return _run(argv)


def _run(argv: Sequence[str] | None) -> int:
    """Parse the arguments and run the command; returns the exit status."""
    for stream in (sys.stdout, sys.stderr):
        # Characters that the terminal cannot show are written as escapes.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        parser = _parser()
        arguments = parser.parse_args(argv)
        if "run" not in arguments:
            parser.print_help(sys.stderr)
            return 2
        with ending():
            status: int = arguments.run(arguments)
        sys.stdout.flush()
        return status
    except EndedError as ended:
        return _end(ended.status, str(ended))
    except KeyboardInterrupt as interrupt:
        return _end(130, str(interrupt) or "interrupted")
    except BrokenPipeError:
        _discard_output()
        return 141
    except MemoryError:
        return _end(2, _NO_MEMORY)
    except Error as error:
        return _end(2, _NO_MEMORY if isinstance(error.__cause__, MemoryError) else f"error: {error}")
    except OSError as error:
        _discard_output()
        return _end(2, f"error: {error.strerror or error}{f': {error.filename}' if error.filename else ''}")


def _end(status: int, message: str) -> int:
    line = "".join(c if c.isprintable() else repr(c)[1:-1] for c in message)
    print(f"{PROGRAM}: {line}", file=sys.stderr)
    return status


def _discard_output() -> None:
    """Let the interpreter's last flush of stdout go nowhere instead of failing again."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        # A stdout without a file behind it, as in a notebook, has nothing to flush to.
        return


def _version() -> str:
    try:
        return metadata.version(PROGRAM)
    except metadata.PackageNotFoundError:
        return "of a checkout that was never installed; run `pip install -e .` in its folder"


def _parser() -> Parser:
    """The parser of all commands."""
    parser = Parser(prog=PROGRAM, description="Train the LSTM of the four equations on text, and draw its graphs.")
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {_version()}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    _add_train(commands.add_parser("train", help="train a character model on text"))
    _add_sample(commands.add_parser("sample", help="write text with a trained model"))

    draw = commands.add_parser("draw", help="draw a cell or a graph")
    draw.set_defaults(run=show_drawing)
    draw.description = (
        "Draw one step of a cell (lstm, rnn, gru), the chain of its steps, a recurrent layer rolled or unrolled, the "
        "step explained (walkthrough), how far back gradients reach (gradient_over_time), or the graph of the loss of "
        "a language model or of a gradient."
    )
    draw.add_argument("what", type=drawing, choices=list(DRAWINGS), help="what to draw")
    draw.add_argument("--cell", choices=list(CELLS), help=f"the cell of {', '.join(OF_A_CELL)} (lstm)")
    draw.add_argument(
        "-o",
        "--output",
        type=path,
        required=True,
        metavar="FILE",
        help="ends in .svg, .png, .pdf, .tex, .dot, or .html for a page that plays the computation; loss and gradient "
        "also in .json or .mmd; of a walkthrough .html is one page, and of other forms there is a file for each stage",
    )
    backends = commands.add_parser("backends", help="list the installed backends and what they run on")
    backends.set_defaults(run=show_backends)
    return parser


def _add_train(parser: Parser) -> None:
    """Add the command ``train`` and its options."""
    model, training = ModelConfig(), TrainConfig()
    parser.set_defaults(run=run_train)
    parser.description = (
        "Train a character model on text, the last tenth of which is held out. Without FILE the text is the Python "
        "language reference that comes with Python."
    )
    parser.add_argument(
        "files", nargs="*", type=path, default=[], metavar="FILE", help="text in UTF-8; several are joined"
    )
    # Options that the user leaves out are absent, since a resumed run takes them from its checkpoint.
    group = parser.add_argument_group("the model")
    group.add_argument("--cell", choices=list(CELLS), help=f"the recurrent cell ({model.cell})")
    group.add_argument("--hidden", type=count, metavar="N", help=f"units in a layer ({model.hidden})")
    group.add_argument("--embedding", type=count, metavar="N", help=f"numbers for a character ({model.embedding})")
    group.add_argument("--layers", type=count, metavar="N", help=f"recurrent layers ({model.layers})")
    group = parser.add_argument_group("the training")
    group.add_argument("--steps", type=count, metavar="N", help=f"updates in all ({training.steps:,})")
    group.add_argument(
        "--window", type=count, metavar="N", help=f"characters an update looks back over ({training.window})"
    )
    group.add_argument("--batch", type=count, metavar="N", help=f"streams read side by side ({training.batch})")
    group.add_argument(
        "--lr", type=positive_number, metavar="X", help=f"Adam's learning rate at the start ({training.lr})"
    )
    group.add_argument("--decay", type=count, metavar="N", help=f"steps after which it has halved ({training.decay:,})")
    group.add_argument(
        "--clip", type=positive_number, metavar="X", help=f"bound on the gradient's norm ({training.clip})"
    )
    group.add_argument("--seed", type=seed_number, metavar="N", help=f"seed of the first weights ({training.seed})")
    group.add_argument(
        "--validate-every",
        type=count,
        metavar="N",
        help="steps between two looks at the held-out text (250, or 25 rounds of a short text)",
    )
    group = parser.add_argument_group("files and devices")
    group.add_argument(
        "--checkpoint", type=path, metavar="PATH", help="saved here at each such look (model.safetensors)"
    )
    group.add_argument(
        "--save-every", type=positive_number, metavar="SECONDS", help="save besides, whenever so many seconds are over"
    )
    group.add_argument(
        "--resume",
        type=path,
        nargs="?",
        const=True,
        metavar="PATH",
        help="go on from this checkpoint, bit for bit; without PATH from that of --checkpoint",
    )
    group.add_argument(
        "--overwrite", action="store_true", default=False, help="start anew where the checkpoint holds a model"
    )
    _add_execution(group)


def _add_sample(parser: Parser) -> None:
    parser.set_defaults(run=run_sample)
    parser.add_argument("checkpoint", type=path, metavar="CHECKPOINT", help="written by train")
    parser.add_argument("--prompt", default="", metavar="TEXT", help="what the text begins with")
    parser.add_argument("--length", type=count_from_zero, default=500, metavar="N", help="characters to write (500)")
    parser.add_argument(
        "--temperature", type=not_negative, default=0.8, metavar="X", help="0 takes the likeliest each time (0.8)"
    )
    parser.add_argument("--seed", type=seed_number, default=0, metavar="N", help="another seed, another text (0)")
    _add_execution(parser)


def _add_execution(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--backend",
        default=None,
        metavar="NAME",
        help="what computes: c is the fastest on a CPU, with a C compiler; see `tinygrad-lstm backends` "
        "(that of TINYGRAD_LSTM_BACKEND, else numpy)",
    )
    parser.add_argument(
        "--threads",
        type=count,
        default=1,
        metavar="N",
        help="for matrix products; those of small models are too small to share (1)",
    )
