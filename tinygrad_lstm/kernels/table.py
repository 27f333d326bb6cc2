"""The op table of an array module, which is an argument."""

from collections.abc import Callable, Mapping
from typing import Any

from tinygrad_lstm.kernels import arrays, numbers, randomness
from tinygrad_lstm.kernels.custom import Table

__all__ = ["ArrayFunction", "kernels"]

ArrayFunction = Callable[..., Any]


def kernels(xp: Any, own: Mapping[str, ArrayFunction] | None = None) -> Mapping[str, ArrayFunction]:
    """``op name -> function(*arrays, **attributes) -> array`` for the array module ``xp``.

    Loops, projections and leaves have no row: the interpreter runs those itself. Ops that ``tl.define_op`` adds are
    found also where they are defined later; they do not count among the keys.

    Args:
        own: rows that take the place of the shared ones, where an array module cannot do what NumPy does.

    >>> import numpy
    >>> float(kernels(numpy)["add"](1.0, 2.0))
    3.0
    """
    return Table(xp, {**numbers.rows(xp), **arrays.rows(xp), **randomness.rows(xp), **(own or {})})
