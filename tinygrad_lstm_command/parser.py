"""The parser of the command line: its commands, options and help. It imports nothing of ``tinygrad_lstm``."""

import argparse
from importlib import import_module
from typing import Any, Final

from tinygrad_lstm_command.arguments import (
    ArgumentsError,
    Parser,
    count,
    count_from_zero,
    not_negative,
    path,
    positive_number,
    seed_number,
)
from tinygrad_lstm_command.draw_parser import add_draw_options
from tinygrad_lstm_command.task_parser import add_task_options

__all__ = ["CELLS", "DEFAULTS", "ArgumentsError", "command_parser"]

CELLS: Final = ("lstm", "gru", "rnn")
DEFAULTS: Final[dict[str, Any]] = {
    "cell": "lstm",
    "hidden": 128,
    "embedding": 64,
    "layers": 1,
    "steps": 1500,
    "window": 64,
    "batch": 32,
    "lr": 0.01,
    "decay": 500,
    "clip": 1.0,
    "seed": 0,
}
"""What the help says of options that are left out: the values of ModelConfig and TrainConfig."""


class _Version(argparse.Action):
    """Looks the version up when it is asked for, since that takes longer than all the rest of the parser."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        metadata = import_module("importlib.metadata")
        try:
            version = metadata.version(parser.prog)
        except metadata.PackageNotFoundError:
            version = "of a checkout that was never installed; run `pip install -e .` in its folder"
        print(f"{parser.prog} {version}")
        parser.exit()


def command_parser() -> Parser:
    """The parser of all commands."""
    parser = Parser(
        prog="tinygrad-lstm", description="Train the LSTM of the four equations on text, and draw its graphs."
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    _add_train(commands.add_parser("train", help="train a character model on text"))
    _add_sample(commands.add_parser("sample", help="write text with a trained model"))
    task = commands.add_parser("task", help="try LSTM, GRU and RNN at a task, beside the published numbers")
    add_task_options(task)
    _add_execution(task)

    draw = commands.add_parser("draw", help="draw a cell or a graph")
    add_draw_options(draw)
    backends = commands.add_parser("backends", help="list the installed backends and what they run on")
    backends.set_defaults(command="backends")
    cache = commands.add_parser("cache", help="show or delete what was compiled before")
    cache.set_defaults(command="cache")
    cache.description = (
        "Programs that a backend has compiled are kept in the folder TINYGRAD_LSTM_CACHE, or in tinygrad_lstm in the "
        "cache folder of the user."
    )
    group = cache.add_mutually_exclusive_group()
    group.add_argument("--info", dest="clear", action="store_false", default=False, help="show folder and size")
    group.add_argument("--clear", action="store_true", default=False, help="delete all of them")
    return parser


def _add_train(parser: Parser) -> None:
    """Add the command ``train`` and its options."""
    parser.set_defaults(command="train")
    parser.description = (
        "Train a character model on text, the last tenth of which is held out. Without FILE the text is the Python "
        "language reference that comes with Python."
    )
    parser.add_argument(
        "files", nargs="*", type=path, default=[], metavar="FILE", help="text in UTF-8; several are joined"
    )
    # Options that the user leaves out are absent, since a resumed run takes them from its checkpoint.
    group = parser.add_argument_group("the model")
    group.add_argument("--cell", choices=CELLS, help=f"the recurrent cell ({DEFAULTS['cell']})")
    group.add_argument("--hidden", type=count, metavar="N", help=f"units in a layer ({DEFAULTS['hidden']})")
    group.add_argument(
        "--embedding", type=count, metavar="N", help=f"numbers for a character ({DEFAULTS['embedding']})"
    )
    group.add_argument("--layers", type=count, metavar="N", help=f"recurrent layers ({DEFAULTS['layers']})")
    group = parser.add_argument_group("the training")
    group.add_argument("--steps", type=count, metavar="N", help=f"updates in all ({DEFAULTS['steps']:,})")
    group.add_argument(
        "--window", type=count, metavar="N", help=f"characters an update looks back over ({DEFAULTS['window']})"
    )
    group.add_argument("--batch", type=count, metavar="N", help=f"streams read side by side ({DEFAULTS['batch']})")
    group.add_argument(
        "--lr", type=positive_number, metavar="X", help=f"Adam's learning rate at the start ({DEFAULTS['lr']})"
    )
    group.add_argument(
        "--decay", type=count, metavar="N", help=f"steps after which it has halved ({DEFAULTS['decay']:,})"
    )
    group.add_argument(
        "--clip", type=positive_number, metavar="X", help=f"bound on the gradient's norm ({DEFAULTS['clip']})"
    )
    group.add_argument("--seed", type=seed_number, metavar="N", help=f"seed of the first weights ({DEFAULTS['seed']})")
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
    parser.set_defaults(command="sample")
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
