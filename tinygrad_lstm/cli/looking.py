"""The command ``backends``."""

import argparse
import textwrap
from typing import Final

from tinygrad_lstm.runtime.backend import describe_backends

__all__ = ["show_backends"]

_COLUMNS: Final = 100


def _shortened(text: str, most: int) -> str:
    """Text from another package without control characters of terminals, shortened to the width of a column."""
    shown = "".join(c if c.isprintable() else " " for c in text)
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


def show_backends(arguments: argparse.Namespace) -> int:
    """Print a table of the backends."""
    rows = [("backend", "usable", "installed by", "what it runs on, or why it cannot")]
    statuses = [(b.name, "yes" if b.usable else "no", b.distribution, b.detail) for b in describe_backends()]
    rows += [(_shortened(a, 24), b, _shortened(c, 24), _shortened(detail, 1000)) for a, b, c, detail in statuses]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)][:-1]
    for *cells, detail in rows:
        before = "".join(f"{cell.ljust(width)}  " for cell, width in zip(cells, widths, strict=True))
        print(textwrap.fill(detail, _COLUMNS, initial_indent=before, subsequent_indent=" " * len(before)))
    return 0
