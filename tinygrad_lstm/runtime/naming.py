"""What the text of a function names outside it: its globals, and the variables of the functions around it."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import CellType, CodeType, FunctionType, MethodType
from typing import Any, Final

from tinygrad_lstm.graph.cells import Cell

__all__ = ["Named"]

_WRAPPED: Final = "__wrapped__"
"""Where ``functools.wraps``, and ``jit``, keep the function that they were given."""


class Named:
    """The cells, modules, optimisers and functions that ``f`` names at this moment.

    What the functions of the same file that it names do name counts too.
    """

    __slots__ = ("_enclosed", "_globals")

    def __init__(self, f: Callable[..., Any]) -> None:
        self._globals: list[tuple[Mapping[str, Any], str, Any]] = []
        self._enclosed: list[tuple[CellType, Any]] = []
        pending: list[Any] = [f]
        seen: set[int] = set()
        while pending:
            function = pending.pop()
            if id(function) in seen:
                continue
            seen.add(id(function))
            if isinstance(function, MethodType | partial):
                pending.append(function.__func__ if isinstance(function, MethodType) else function.func)
            if hasattr(function, _WRAPPED):
                pending.append(function.__wrapped__)
            if not isinstance(function, FunctionType):
                continue
            space = function.__globals__
            for name in _names(function.__code__):
                value = space.get(name)
                if _counts(value):
                    self._globals.append((space, name, value))
                    if getattr(value, "__globals__", None) is space or hasattr(value, _WRAPPED):
                        pending.append(value)
            for cell in function.__closure__ or ():
                value = _content(cell)
                if _counts(value):
                    self._enclosed.append((cell, value))
                    pending.append(value)

    def same(self) -> bool:
        """Whether the names still stand for the same objects."""
        for space, name, value in self._globals:
            if space.get(name) is not value:
                return False
        return all(_content(cell) is value for cell, value in self._enclosed)


def _names(code: CodeType) -> Iterator[str]:
    """The global names, and those of attributes, in a function and in those defined in it."""
    pending = [code]
    while pending:
        inner = pending.pop()
        yield from inner.co_names
        pending += [c for c in inner.co_consts if isinstance(c, CodeType)]


def _counts(value: Any) -> bool:
    """Whether the graph depends on which object it is; a module or an optimiser is told by what it offers."""
    return isinstance(value, Cell | FunctionType) or hasattr(type(value), "named_cells") or hasattr(value, _WRAPPED)


def _content(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # the variable has no value yet, or none any more
        return None
