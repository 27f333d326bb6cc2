"""The command line: ``tinygrad-lstm train``, ``sample``, ``draw`` and ``backends``."""

from tinygrad_lstm.cli.command import main

__all__ = ["main"]
