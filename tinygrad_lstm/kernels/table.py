"""The table of kernels for an array module: the kernel of every op in ``OPS``, bound to the module."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from tinygrad_lstm.graph.registry import OPS, OpDef

__all__ = ["ArrayFunction", "kernels", "ufunc"]

ArrayFunction = Callable[..., Any]


class _Table(dict[str, ArrayFunction]):
    """A dict that also finds ops that were defined after the dict was made."""

    def __init__(self, xp: Any, rows: Mapping[str, ArrayFunction]) -> None:
        super().__init__(rows)
        self._xp = xp

    def __missing__(self, name: str) -> ArrayFunction:
        op = OPS.get(name)
        if op is None or op.kernel is None:
            raise KeyError(name)
        return _bound(op, self._xp)


def _bound(op: OpDef, xp: Any) -> ArrayFunction:
    kernel: ArrayFunction = getattr(xp, op.kernel) if isinstance(op.kernel, str) else partial(op.kernel or _none, xp)
    return kernel


def _none(*_: Any) -> Any:
    raise AssertionError("an op without a kernel has no row")


def kernels(xp: Any, own: Mapping[str, ArrayFunction] | None = None) -> Mapping[str, ArrayFunction]:
    """``op name -> function(*arrays, **attributes) -> array`` for the array module ``xp``.

    Loops, projections and leaves have no row: the interpreter runs those itself. Ops that ``tl.define_op`` adds later
    are found too, though they are not among the keys.

    Args:
        own: rows to use instead of the shared ones, for ops that the array module does otherwise than NumPy.

    >>> float(kernels(np)["add"](1.0, 2.0))
    3.0
    """
    own = own or {}
    shared = {name: op for name, op in OPS.items() if op.kernel is not None and not op.user and name not in own}
    return _Table(xp, {**{name: _bound(op, xp) for name, op in shared.items()}, **own})


def ufunc(name: str) -> str | None:
    """The name of the NumPy ufunc that is the kernel of an op; None where it is a function of this package's own.

    >>> ufunc("abs"), ufunc("sigmoid")
    ('absolute', None)
    """
    kernel = OPS[name].kernel if name in OPS else None
    return kernel if isinstance(kernel, str) else None
