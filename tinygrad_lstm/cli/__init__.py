"""The command line: ``tinygrad-lstm train``, ``sample``, ``draw`` and ``backends``."""

from tinygrad_lstm.cli.program import main

__all__ = ["main"]
