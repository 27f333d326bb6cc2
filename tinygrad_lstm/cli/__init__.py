"""What the command ``tinygrad-lstm`` does, a function for each of its subcommands.

Its arguments and its entry point are in the package ``tinygrad_lstm_command``, which imports this one to run a command.
"""

import argparse
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from tqdm import tqdm

from tinygrad_lstm.cli.caching import run_cache
from tinygrad_lstm.cli.looking import show_backends
from tinygrad_lstm.cli.pictures import show_drawing
from tinygrad_lstm.cli.training import run_evaluate, run_inspect, run_sample, run_train
from tinygrad_lstm.cli.trying import run_task
from tinygrad_lstm.errors import Error, printable

__all__ = ["COMMANDS", "plain_warnings", "sentence"]

COMMANDS: Final[Mapping[str, Callable[[argparse.Namespace], int]]] = {
    "train": run_train,
    "sample": run_sample,
    "evaluate": run_evaluate,
    "inspect": run_inspect,
    "task": run_task,
    "draw": show_drawing,
    "backends": show_backends,
    "cache": run_cache,
}
"""The commands by name; each returns the exit status."""
_SMALLER: Final = {
    "train": "; make --hidden, --batch or --window smaller",
    "sample": " for this model",
    "evaluate": "; make --batch or --window smaller",
}
"""What to do when memory runs out."""


@contextmanager
def plain_warnings() -> Iterator[None]:
    """Inside the block a warning is one line, without the place in the source that gave it, above a progress bar."""

    def show(message: Warning | str, *_: object, **__: object) -> None:
        tqdm.write(f"tinygrad-lstm: warning: {printable(str(message))}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def sentence(error: Exception, command: str) -> str | None:
    """What a user reads of an error of a command; None for one that is a fault of this package.

    >>> sentence(MemoryError(), "train")
    'there is not enough memory; make --hidden, --batch or --window smaller'
    """
    if isinstance(error, MemoryError) or (isinstance(error, Error) and isinstance(error.__cause__, MemoryError)):
        return f"there is not enough memory{_SMALLER.get(command, '')}"
    return str(error) if isinstance(error, Error) else None
