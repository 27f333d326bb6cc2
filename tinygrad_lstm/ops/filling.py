"""Arrays of one value, and of counted values."""

from typing import Any

from tinygrad_lstm.errors import UsageError
from tinygrad_lstm.graph.convert import as_tensor, constant
from tinygrad_lstm.graph.device import as_device
from tinygrad_lstm.graph.dtypes import as_dtype, float32, int64, weak_dtype
from tinygrad_lstm.graph.number import number_kind
from tinygrad_lstm.graph.registry import function
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.graph.types import as_shape
from tinygrad_lstm.ops.shape import broadcast_to
from tinygrad_lstm.ops.source import arange_node

__all__ = ["arange", "full", "ones", "ones_like", "zeros", "zeros_like"]


def full(shape: Any, value: Any, dtype: Any = None, device: str | None = None) -> Tensor:
    """``value`` at every place of ``shape``; it is stored once, however large the shape.

    >>> import tinygrad_lstm as tl
    >>> print(tl.full(2, 0.5))
    [0.5 0.5]
    """
    own = weak_dtype(number_kind(value)) if dtype is None else as_dtype(dtype)
    scalar = constant(value, own, device)
    return broadcast_to(scalar, as_shape(shape))


def zeros(shape: Any, dtype: Any = float32, device: str | None = None) -> Tensor:
    """0 at every place of ``shape``.

    >>> import tinygrad_lstm as tl
    >>> print(tl.zeros((1, 3)))
    [[0. 0. 0.]]
    """
    return full(shape, 0, dtype, device)


def ones(shape: Any, dtype: Any = float32, device: str | None = None) -> Tensor:
    """1 at every place of ``shape``.

    >>> import tinygrad_lstm as tl
    >>> print(tl.ones((1, 3)))
    [[1. 1. 1.]]
    """
    return full(shape, 1, dtype, device)


@function
def zeros_like(x: Any) -> Tensor:
    """Zeros of the shape, element type and device of ``x``.

    >>> import tinygrad_lstm as tl
    >>> print(tl.zeros_like([1.0, 2.0]))
    [0. 0.]
    """
    node = as_tensor(x)
    return full(node.shape, 0, node.dtype, node.device)


@function
def ones_like(x: Any) -> Tensor:
    """Ones of the shape, element type and device of ``x``.

    >>> import tinygrad_lstm as tl
    >>> print(tl.ones_like([1.0, 2.0]))
    [1. 1.]
    """
    node = as_tensor(x)
    return full(node.shape, 1, node.dtype, node.device)


def arange(length: int, dtype: Any = int64, device: str | None = None) -> Tensor:
    """The integers ``0 … length − 1``.

    Raises:
        UsageError: when ``length`` is no integer ≥ 0.

    >>> import tinygrad_lstm as tl
    >>> print(tl.arange(4))
    [0 1 2 3]
    """
    if isinstance(length, bool) or not hasattr(length, "__index__") or length < 0:
        raise UsageError(f"arange takes a length ≥ 0, not {length!r}")
    return arange_node(int(length), as_dtype(dtype), as_device(device))
