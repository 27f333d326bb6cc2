"""What the text of a function names outside it: variables of modules, and those of the functions around it."""

import os
import sysconfig
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any, Final
from weakref import ref

from tinygrad_lstm.graph.variables import Variable

__all__ = ["Named", "weakly"]

_WRAPPED: Final = "__wrapped__"
"""Where ``functools.wraps``, and ``jit``, keep the function that they were given."""
_FOLDERS: Final = (
    Path(__file__).parent.parent,
    *map(sysconfig.get_path, ("stdlib", "platstdlib", "purelib", "platlib")),
)
_INSTALLED: Final = ("<frozen ", *[f"{folder}{os.sep}" for folder in _FOLDERS])


class Named:
    """The cells, modules, optimisers and functions that a function names at this moment.

    Those are the variables that its text names, of its file, of a Python module (as in ``weights.w``) and of the
    functions around it; and, in turn, what is named by the functions and modules found so, in whatever file. Installed
    packages are taken as they are. Nothing is kept alive.

    Args:
        roots: a function, and what it is called with of modules and functions.
    """

    __slots__ = ("_enclosed", "_variables")

    def __init__(self, roots: Iterable[Any]) -> None:
        self._variables: list[tuple[Mapping[str, Any], str, Callable[[], Any]]] = []
        self._enclosed: list[tuple[CellType, Callable[[], Any]]] = []
        pending: list[Any] = list(roots)
        seen: dict[int, Any] = {}  # with the objects, so that no other gets the number of one of them
        while pending:
            item = pending.pop()
            if id(item) in seen:
                continue
            seen[id(item)] = item
            pending += _parts(item)
            if isinstance(item, FunctionType) and _is_own(item.__code__.co_filename):
                pending += self._noted(item)

    def same(self) -> bool:
        """Whether the names still stand for the same objects."""
        for space, name, held in self._variables:
            if space.get(name) is not held():
                return False
        return all(_content(cell) is held() for cell, held in self._enclosed)

    def _noted(self, function: FunctionType) -> list[Any]:
        """What the variables that a function names hold now; later changes of them are noticed."""
        found: list[Any] = []
        names = tuple(_names(function.__code__))
        spaces: list[Mapping[str, Any]] = [function.__globals__]
        entered = {id(function.__globals__)}
        while spaces:
            space = spaces.pop()
            for name in names:
                value = space.get(name)
                if _counts(value):
                    self._variables.append((space, name, weakly(value)))
                    found.append(value)
                elif isinstance(value, ModuleType) and id(vars(value)) not in entered and _is_own(_file(value)):
                    entered.add(id(vars(value)))
                    spaces.append(vars(value))
        for cell in function.__closure__ or ():
            value = _content(cell)
            if _counts(value):
                self._enclosed.append((cell, weakly(value)))
                found.append(value)
        return found


def weakly(value: Any) -> Callable[[], Any]:
    """What gives ``value`` as long as it exists, and None then; a value that can only be held is held."""
    return ref(value) if type(value).__weakrefoffset__ else lambda: value


def _parts(item: Any) -> list[Any]:
    """The functions that run when ``item`` is called, as far as its attributes hold them."""
    found: list[Any] = []
    if isinstance(item, MethodType):
        found += [item.__func__, item.__self__]
    if isinstance(item, partial):
        found += [item.func, *item.args, *item.keywords.values()]
    if _wraps(item):
        found.append(item.__wrapped__)
    if _has_variables(item) and hasattr(item, "__dict__"):
        found += [getattr(type(item), "forward", None), *vars(item).values()]
    if isinstance(item, list | tuple):
        found += item
    if isinstance(item, dict):
        found += item.values()
    return found


def _names(code: CodeType) -> Iterator[str]:
    """The global names, and those of attributes, in a function and in those defined in it."""
    pending = [code]
    while pending:
        inner = pending.pop()
        yield from inner.co_names
        pending += [c for c in inner.co_consts if isinstance(c, CodeType)]


def _file(module: ModuleType) -> str:
    """The file of a Python module; of a notebook or a package without ``__init__`` its name."""
    return getattr(module, "__file__", None) or module.__name__


def _is_own(path: str) -> bool:
    """Whether a file is the user's, and not one of an installed package."""
    return not path.startswith(_INSTALLED) and "site-packages" not in path


def _has_variables(value: Any) -> bool:
    """Whether it is a module or an optimiser, which is told by what it offers."""
    return hasattr(type(value), "named_variables")


def _wraps(value: Any) -> bool:
    """Whether it was made round another function. What answers for names that it lacks is not asked."""
    return not isinstance(value, Variable) and not _has_variables(value) and hasattr(value, _WRAPPED)


def _counts(value: Any) -> bool:
    """Whether the graph depends on which object it is."""
    return isinstance(value, Variable | FunctionType) or _has_variables(value) or _wraps(value)


def _content(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # the variable has no value yet, or none any more
        return None
