"""Whether arrays are equal, exactly or nearly."""

from typing import Any

from tinygrad_lstm.functions.filling import full
from tinygrad_lstm.functions.predicates import isfinite, isnan
from tinygrad_lstm.functions.statistics import all
from tinygrad_lstm.graph.convert import as_tensor
from tinygrad_lstm.graph.dtypes import bool_, float64
from tinygrad_lstm.graph.registry import function
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.ops.elementwise import abs
from tinygrad_lstm.ops.logic import equal, less_equal, where

__all__ = ["allclose", "array_equal", "isclose"]


@function
def isclose(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Tensor:
    """``|a − b| ≤ atol + rtol·|b|`` element by element, in float64; an infinity is close only to itself.

    Args:
        equal_nan: whether nan is close to nan.

    >>> print(tl.isclose([1.0, 2.0], [1.000001, 2.1]))
    [ True False]
    """
    x, y = as_tensor(a).astype(float64), as_tensor(b).astype(float64)
    near = where(isfinite(x) & isfinite(y), less_equal(abs(x - y), atol + rtol * abs(y)), equal(x, y))
    return near | (isnan(x) & isnan(y)) if equal_nan else near


@function
def allclose(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Tensor:
    """Whether all elements are close, as :func:`isclose` says; a bool tensor, which ``assert`` and ``if`` take.

    >>> bool(tl.allclose(tl.sin(1.0) ** 2 + tl.cos(1.0) ** 2, 1.0))
    True
    """
    return all(isclose(a, b, rtol, atol, equal_nan))


@function
def array_equal(a: Any, b: Any, equal_nan: bool = False) -> Tensor:
    """Whether two arrays have the same shape and the same elements, as a bool tensor; False where shapes differ.

    >>> print(tl.array_equal([1, 2], [1.0, 2.0]), tl.array_equal([1, 2], [1, 2, 3]))
    True False
    """
    x, y = as_tensor(a), as_tensor(b)
    if x.shape != y.shape:
        return full((), False, bool_, x.device)
    if x.dtype.is_float and y.dtype.is_float:
        x, y = x.astype(float64), y.astype(float64)
    same = equal(x, y)
    return all(same | (isnan(x) & isnan(y)) if equal_nan else same)
