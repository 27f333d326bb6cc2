"""Arrays filled with one value, and ranges."""

import math
import numbers
from typing import Any

from tinygrad_lstm.errors import UsageError
from tinygrad_lstm.graph.convert import as_tensor, constant
from tinygrad_lstm.graph.device import as_device
from tinygrad_lstm.graph.dtypes import as_dtype, float32, float64, int64
from tinygrad_lstm.graph.number import lone_dtype
from tinygrad_lstm.graph.registry import function
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.graph.types import as_shape, whole
from tinygrad_lstm.ops.elementwise import add, cast, multiply
from tinygrad_lstm.ops.logic import equal
from tinygrad_lstm.ops.shape import broadcast_to, reshape
from tinygrad_lstm.ops.source import arange_node

__all__ = [
    "arange",
    "empty",
    "empty_like",
    "eye",
    "full",
    "full_like",
    "linspace",
    "ones",
    "ones_like",
    "zeros",
    "zeros_like",
]


def full(shape: Any, fill_value: Any, dtype: Any = None, device: str | None = None) -> Tensor:
    """``fill_value`` at every place of ``shape``; it is stored once, however large the shape.

    >>> print(tl.full(2, 0.5))
    [0.5 0.5]
    """
    own = lone_dtype(fill_value) if dtype is None else as_dtype(dtype)
    scalar = constant(fill_value, own, device)
    return broadcast_to(scalar, as_shape(shape))


def zeros(shape: Any, dtype: Any = float32, device: str | None = None) -> Tensor:
    """0 at every place of ``shape``.

    >>> print(tl.zeros((1, 3)))
    [[0. 0. 0.]]
    """
    return full(shape, 0, float32 if dtype is None else dtype, device)


def ones(shape: Any, dtype: Any = float32, device: str | None = None) -> Tensor:
    """1 at every place of ``shape``.

    >>> print(tl.ones((1, 3)))
    [[1. 1. 1.]]
    """
    return full(shape, 1, float32 if dtype is None else dtype, device)


def empty(shape: Any, dtype: Any = float32, device: str | None = None) -> Tensor:
    """An array of ``shape`` for values to come: zeros, since an array never changes; see ``x.at[key].set``.

    >>> print(tl.empty(2).at[1].set(3.0))
    [0. 3.]
    """
    return zeros(shape, dtype, device)


@function
def empty_like(x: Any, dtype: Any = None, *, device: str | None = None) -> Tensor:
    """Zeros in the shape and, unless they are given, element type and device of ``x``, as :func:`empty` gives them.

    >>> print(tl.empty_like([1.0, 2.0]))
    [0. 0.]
    """
    return zeros_like(x, dtype, device=device)


@function
def zeros_like(x: Any, dtype: Any = None, *, device: str | None = None) -> Tensor:
    """Zeros of the shape and, unless they are given, element type and device of ``x``.

    >>> print(tl.zeros_like([1.0, 2.0]))
    [0. 0.]
    """
    return full_like(x, 0, dtype, device=device)


@function
def ones_like(x: Any, dtype: Any = None, *, device: str | None = None) -> Tensor:
    """Ones of the shape and, unless they are given, element type and device of ``x``.

    >>> print(tl.ones_like([1.0, 2.0]))
    [1. 1.]
    """
    return full_like(x, 1, dtype, device=device)


@function
def full_like(x: Any, fill_value: Any, dtype: Any = None, *, device: str | None = None) -> Tensor:
    """``fill_value`` everywhere, in the shape and, unless they are given, element type and device of ``x``.

    >>> print(tl.full_like([1.0, 2.0], 7))
    [7. 7.]
    """
    node = as_tensor(x)
    own = node.dtype if dtype is None else dtype
    return full(node.shape, fill_value, own, node.device if device is None else device)


def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None, device: str | None = None) -> Tensor:
    """``start, start + step, …``, as long as that is before ``stop``; with one number ``0, 1, …`` before that.

    Integers give int64, floats float32. Each number is computed from its index, so that roundings do not add up.

    Raises:
        UsageError: for what is no number, or a step of 0.

    >>> print(tl.arange(4), tl.arange(1, 10, 3), tl.arange(1, 0, -0.25))
    [0 1 2 3] [1 4 7] [1.   0.75 0.5  0.25]
    """
    first, last = (0, start) if stop is None else (start, stop)
    for v in (first, last, step):
        if isinstance(v, bool) or not isinstance(v, numbers.Real):
            given = f"an array of shape {list(v.shape)}" if hasattr(v, "shape") else repr(v)
            raise UsageError(f"arange takes numbers, not {given}: they decide a shape, known before any value")
    if step == 0 or not all(math.isfinite(v) for v in (first, last, step)):
        raise UsageError(f"arange({first}, {last}, {step}): the step is not 0, and all are finite")
    whole = all(isinstance(v, numbers.Integral) for v in (first, last, step))
    own = as_dtype(dtype) if dtype is not None else int64 if whole else float32
    count = max(0, -((first - last) // step) if whole else math.ceil((last - first) / step))
    if whole and first == 0 and step == 1:
        return arange_node(count, own, as_device(device))
    counted = arange_node(count, int64 if whole else float64, as_device(device))
    return cast(add(multiply(counted, step), first), own)


def linspace(
    start: float,
    stop: float,
    num: int = 50,
    dtype: Any = float32,
    device: str | None = None,
    *,
    endpoint: bool = True,
) -> Tensor:
    """``num`` numbers at equal distances from ``start`` to ``stop``, both among them.

    Args:
        endpoint: whether ``stop`` is among them.

    Raises:
        UsageError: when ``num`` is no integer ≥ 0.

    >>> print(tl.linspace(0, 1, 5), tl.linspace(0, 1, 4, endpoint=False))
    [0.   0.25 0.5  0.75 1.  ] [0.   0.25 0.5  0.75]
    """
    count = whole(num)
    if count is None or count < 0:
        raise UsageError(f"linspace: num is an integer ≥ 0, not {num!r}")
    own = float32 if dtype is None else as_dtype(dtype)
    counted = arange_node(count, float64, as_device(device))
    return cast(add(multiply(counted, (stop - start) / max(count - bool(endpoint), 1)), start), own)


def eye(n: int, m: int | None = None, dtype: Any = float32, device: str | None = None, *, k: int = 0) -> Tensor:
    """Ones on the ``k``-th diagonal of an ``(n, m)`` matrix, zeros elsewhere; a square one by default.

    >>> print(tl.eye(2), tl.eye(2, k=1))
    [[1. 0.]
     [0. 1.]] [[0. 1.]
     [0. 0.]]
    """
    rows, columns = as_shape((n, n if m is None else m))
    down = reshape(arange_node(rows, int64, as_device(device)), (rows, 1))
    return cast(
        equal(down + k, arange_node(columns, int64, as_device(device))), float32 if dtype is None else as_dtype(dtype)
    )
