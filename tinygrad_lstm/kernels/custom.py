"""Kernels of the user's own ops: further rows of the op table, for every array module.

They may be defined after a backend has made its table, so a table looks here for a row that it lacks.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final

__all__ = ["CUSTOM", "Table"]

CUSTOM: Final[dict[str, Callable[..., Any]]] = {}
"""``op name -> function(xp, *arrays, **attributes) -> array``."""


class Table(dict[str, Callable[..., Any]]):
    """The op table of the array module ``xp``: a dict that finds the rows of ``CUSTOM`` too.

    >>> import numpy
    >>> Table(numpy, {"add": numpy.add})["add"](1, 2)
    np.int64(3)
    """

    def __init__(self, xp: Any, rows: Iterable[tuple[str, Callable[..., Any]]] | dict[str, Callable[..., Any]]) -> None:
        super().__init__(rows)
        self._xp = xp

    def __missing__(self, name: str) -> Callable[..., Any]:
        return partial(CUSTOM[name], self._xp)
