"""The parser of the command line: its commands, options and help. It imports nothing of ``tinygrad_lstm``."""

import argparse
from importlib import import_module

from tinygrad_lstm_command.arguments import (
    ArgumentsError,
    Parser,
    count,
    count_from_zero,
    not_negative,
    path,
    seed_number,
    share,
)
from tinygrad_lstm_command.draw_parser import add_draw_options
from tinygrad_lstm_command.task_parser import add_task_options
from tinygrad_lstm_command.train_parser import CELLS, DEFAULTS, add_train_options

__all__ = ["CELLS", "DEFAULTS", "ArgumentsError", "command_parser"]


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
    train = commands.add_parser("train", help="train a language model on text")
    add_train_options(train)
    _add_execution(train)
    _add_sample(commands.add_parser("sample", help="write text with a trained model"))
    _add_evaluate(commands.add_parser("evaluate", help="tell how well a trained model predicts a text"))
    _add_inspect(commands.add_parser("inspect", help="draw the gates of a trained model along a text"))
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


def _add_sample(parser: Parser) -> None:
    parser.set_defaults(command="sample")
    parser.add_argument("checkpoint", type=path, metavar="CHECKPOINT", help="written by train")
    parser.add_argument("--prompt", default="", metavar="TEXT", help="what the text begins with")
    parser.add_argument("--length", type=count_from_zero, default=500, metavar="N", help="tokens to write (500)")
    parser.add_argument(
        "--temperature", type=not_negative, default=0.8, metavar="X", help="0 takes the likeliest each time (0.8)"
    )
    parser.add_argument("--top-k", type=count, metavar="N", help="draw among the N likeliest alone")
    parser.add_argument(
        "--top-p", type=share, default=1.0, metavar="P", help="draw among the likeliest that have this share (1)"
    )
    parser.add_argument(
        "--beam", type=count, metavar="N", help="write the likeliest text that a beam of this width finds; draw nothing"
    )
    parser.add_argument("--seed", type=seed_number, default=0, metavar="N", help="another seed, another text (0)")
    _add_execution(parser)


def _add_evaluate(parser: Parser) -> None:
    parser.set_defaults(command="evaluate")
    parser.description = "Tell how well a trained model predicts a text: nats, bits, perplexity, and nats a word."
    parser.add_argument("checkpoint", type=path, metavar="CHECKPOINT", help="written by train")
    parser.add_argument("file", type=path, metavar="FILE", help="text in UTF-8")
    parser.add_argument("--window", type=count, default=256, metavar="N", help="tokens that are read at once (256)")
    parser.add_argument(
        "--batch",
        type=count,
        default=1,
        metavar="N",
        help="streams side by side: faster, but each begins without knowing what came before it (1)",
    )
    _add_execution(parser)


def _add_inspect(parser: Parser) -> None:
    parser.set_defaults(command="inspect")
    parser.description = "Draw the gates of a trained model along a text."
    parser.add_argument("checkpoint", type=path, metavar="CHECKPOINT", help="written by train")
    parser.add_argument("text", metavar="TEXT", help="what the model reads")
    parser.add_argument("--layer", type=count, default=1, metavar="N", help="the layer, 1 being the lowest (1)")
    parser.add_argument("-o", "--output", type=path, required=True, metavar="FILE", help="ends in .svg, .png or .pdf")
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
