"""The entry point of the command: parses the arguments, and imports the package only to run what they ask for.

It is a package of its own, since whatever lies in ``tinygrad_lstm`` imports all of it, with NumPy, first.
"""

from tinygrad_lstm_command.entry import begin, main, script

__all__ = ["begin", "main", "script"]
