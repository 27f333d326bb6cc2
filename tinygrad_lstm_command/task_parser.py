"""The options of the command ``task``. Like the whole parser it imports nothing of ``tinygrad_lstm``."""

import argparse
from typing import Final

from tinygrad_lstm_command.arguments import Parser, count, path, seed_number

__all__ = ["OBJECTIVES", "PROTOCOLS", "TASK_NAMES", "TRIED_CELLS", "add_task_options", "cells_named"]

TRIED_CELLS: Final = ("lstm", "gru", "rnn")
PROTOCOLS: Final = ("1997", "modern")
TASK_NAMES: Final = (
    "reber",
    "lag-a",
    "lag-c",
    "adding",
    "multiplication",
    "order-2",
    "order-3",
    "copy",
    "parity",
    "ab",
    "abc",
    "dyck",
    "digits",
    "agreement",
)
OBJECTIVES: Final = ("number", "language")


def cells_named(text: str) -> list[str]:
    """Names of cells, with commas between them.

    >>> cells_named("lstm,rnn")
    ['lstm', 'rnn']
    """
    names = text.split(",")
    if unknown := [name for name in names if name not in TRIED_CELLS]:
        raise argparse.ArgumentTypeError(
            f"cells are {', '.join(TRIED_CELLS)}, with commas between them, not {unknown[0]!r}"
        )
    return names


def add_task_options(parser: Parser) -> None:
    """The options of ``task`` besides those of all commands that compute."""
    parser.set_defaults(command="task")
    parser.description = (
        "Train many networks at a task of generated sequences, all trials of a cell in one program, and print how many "
        "succeed and how many sequences they need, beside the published numbers."
    )
    parser.add_argument("name", choices=TASK_NAMES, metavar="NAME", help=", ".join(TASK_NAMES))
    parser.add_argument(
        "--protocol",
        choices=PROTOCOLS,
        help="how it is tried: as Hochreiter and Schmidhuber did, where the task is theirs, or with mini-batches, Adam "
        "and today's LSTM (the first that the task has)",
    )
    parser.add_argument(
        "--cells", type=cells_named, default=list(TRIED_CELLS), metavar="NAMES", help=f"which ({','.join(TRIED_CELLS)})"
    )
    parser.add_argument("--trials", type=count, metavar="N", help="networks of each cell (10; of agreement 5)")
    parser.add_argument("--seed", type=seed_number, default=0, metavar="N", help="of sequences and first weights (0)")
    parser.add_argument("--limit", type=count, metavar="N", help="sequences after which a trial has failed")
    parser.add_argument("--length", type=count, metavar="N", help="of the sequences, where a task lets one choose")
    parser.add_argument("-o", "--output", type=path, metavar="FILE", help="a page in Markdown with the table")
    group = parser.add_argument_group("agreement", "which number has the verb, over nouns of the other one")
    group.add_argument(
        "--objective", choices=OBJECTIVES, help="predict the number of the verb, or each next word (number)"
    )
    group.add_argument("--steps", type=count, metavar="N", help="updates of each network (3000)")
    group.add_argument(
        "--corpus",
        type=path,
        metavar="FILE",
        help="tab-separated sentences of Linzen et al. 2016 instead of the grammar",
    )
    group.add_argument("--picture", type=path, metavar="FILE", help="of the unit of the LSTM that carries the number")
