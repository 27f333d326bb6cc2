"""``to_sympy`` and ``from_sympy``, which import SymPy at the first call."""

import importlib
from collections.abc import Mapping
from typing import Any

from tinygrad_lstm.errors import UsageError
from tinygrad_lstm.graph.tensor import Tensor

__all__ = ["from_sympy", "to_sympy"]


def to_sympy(tensor: Any, symbols: Mapping[Tensor, Any] | None = None) -> Any:
    """A tensor as an expression of SymPy's; one with axes as an ``Array`` of expressions, loops step by step.

    A symbol without axes is ``sympy.Symbol`` of its name; an element of one with axes is ``IndexedBase(name)[i, j]``.
    Data are numbers, and those of π and e are SymPy's.

    Args:
        symbols: for symbols of ``tl`` what stands for them, such as ``sympy.Symbol("x", real=True)``, without which
            SymPy takes ``x`` as complex; for one with axes an array of that shape.

    Raises:
        UsageError: for ops that have no formula, such as ``argmax`` or random numbers; and when SymPy is missing, which
            comes with ``pip install 'tinygrad-lstm[sympy]'``.

    >>> x = tl.symbol("x")
    >>> tl.to_sympy(tl.gradients(tl.sin(x**2), x))
    2*x*cos(x**2)
    """
    return _module("to_sympy", "sympy_expressions").sympy_expression(tensor, {} if symbols is None else symbols)


def from_sympy(expression: Any, symbols: Any = None) -> Tensor:
    """An expression of SymPy's as a tensor, which can be differentiated, drawn, compiled and evaluated.

    Args:
        expression: a number or formula, or a ``Matrix`` or ``Array`` of them.
        symbols: what stands for its symbols: symbols of ``tl``, one or a list, which are found by their names; or a
            mapping from symbols of SymPy or names to tensors and numbers. Of what is missing ``tl.symbol`` makes one.

    Raises:
        UsageError: for functions that have no counterpart here; and when SymPy is missing.

    >>> import sympy
    >>> t = tl.symbol("t")
    >>> y = tl.from_sympy(sympy.sympify("t * exp(-t)").diff("t"), t)
    >>> print(y, y.evaluate({t: 2.0}))
    exp(−t) − t·exp(−t) -0.13533528
    """
    return _module("from_sympy", "sympy_tensors").tensor_of(expression, symbols)  # type: ignore[no-any-return]


def _module(asked: str, own: str) -> Any:
    try:
        importlib.import_module("sympy")
    except ImportError as error:
        raise UsageError(
            f"{asked} needs SymPy, which cannot be imported ({error}): pip install 'tinygrad-lstm[sympy]'"
        ) from None
    return importlib.import_module(f"tinygrad_lstm.interchange.{own}")
