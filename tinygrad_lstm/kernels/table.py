"""The op table of an array module, which is an argument."""

from collections.abc import Callable, Mapping
from typing import Any

from tinygrad_lstm.kernels import arrays, numbers, randomness

__all__ = ["Kernel", "kernels"]

Kernel = Callable[..., Any]


def kernels(xp: Any) -> Mapping[str, Kernel]:
    """``op name -> function(*arrays, **attributes) -> array`` for the array module ``xp``.

    Loops, projections and leaves have no row: the interpreter runs those itself.

    >>> import numpy
    >>> float(kernels(numpy)["add"](1.0, 2.0))
    3.0
    """
    return {**numbers.rows(xp), **arrays.rows(xp), **randomness.rows(xp)}
