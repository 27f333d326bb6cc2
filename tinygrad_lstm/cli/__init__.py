"""What the command does: ``tinygrad-lstm train``, ``sample``, ``draw`` and ``backends``.

Its arguments and its entry point are in the package ``tinygrad_lstm_command``, which imports this one to run a command.
"""

import argparse
from collections.abc import Callable, Mapping
from typing import Final

from tinygrad_lstm.cli.looking import show_backends, show_drawing
from tinygrad_lstm.cli.training import run_sample, run_train
from tinygrad_lstm.errors import Error

__all__ = ["COMMANDS", "sentence"]

COMMANDS: Final[Mapping[str, Callable[[argparse.Namespace], int]]] = {
    "train": run_train,
    "sample": run_sample,
    "draw": show_drawing,
    "backends": show_backends,
}
"""The commands by name; each returns the exit status."""
_NO_MEMORY: Final = "there is not enough memory; make --hidden, --batch or --window smaller"


def sentence(error: Exception) -> str | None:
    """What a user reads of an error; None for one that is a fault of this package.

    >>> sentence(MemoryError())
    'there is not enough memory; make --hidden, --batch or --window smaller'
    """
    if isinstance(error, MemoryError) or (isinstance(error, Error) and isinstance(error.__cause__, MemoryError)):
        return _NO_MEMORY
    return str(error) if isinstance(error, Error) else None
