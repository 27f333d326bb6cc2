"""Functions built of other operations; they have neither kernel nor gradient rule."""

from typing import Any

from tinygrad_lstm.errors import UsageError
from tinygrad_lstm.graph.convert import as_tensor, constant, float_operands
from tinygrad_lstm.graph.device import current_device
from tinygrad_lstm.graph.dtypes import as_dtype, bool_, float32, int64
from tinygrad_lstm.graph.registry import function
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.graph.types import as_shape, normalize_axes
from tinygrad_lstm.ops.logic import where
from tinygrad_lstm.ops.reduce import logsumexp, max, sum
from tinygrad_lstm.ops.shape import broadcast_to
from tinygrad_lstm.ops.source import arange_node, stop_gradient

__all__ = [
    "arange",
    "full",
    "log_softmax",
    "mean",
    "ones",
    "ones_like",
    "relu",
    "softmax",
    "square",
    "zeros",
    "zeros_like",
]


def full(shape: Any, value: bool | int | float, dtype: Any = None, device: str | None = None) -> Tensor:
    """``value`` at every place of ``shape``; it is stored once, however large the shape.

    >>> import tinygrad_lstm as tl
    >>> print(tl.full(2, 0.5))
    [0.5 0.5]
    """
    kinds = {bool: bool_, int: int64}
    scalar = constant(value, as_dtype(dtype) if dtype is not None else kinds.get(type(value), float32), device)
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
    return arange_node(int(length), as_dtype(dtype), device or current_device())


@function
def mean(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """``Σ x / n`` over ``axis``, all axes by default; integers become float32, nan over nothing.

    >>> import tinygrad_lstm as tl
    >>> print(tl.mean([1.0, 2.0, 6.0]))
    3.0
    """
    (node,) = float_operands(x)
    count = 1
    for a in normalize_axes(axis, node.ndim):
        count *= node.shape[a]
    return sum(node, axis, keepdims) / count


@function
def square(x: Any) -> Tensor:
    """``x · x``.

    >>> import tinygrad_lstm as tl
    >>> print(tl.square([3.0, -2.0]))
    [9. 4.]
    """
    node = as_tensor(x)
    return node * node


@function
def relu(x: Any) -> Tensor:
    """``max(x, 0)``; the derivative at 0 is 0, as in PyTorch.

    >>> import tinygrad_lstm as tl
    >>> print(tl.relu([3.0, -2.0]))
    [3. 0.]
    """
    node = as_tensor(x)
    return where(node <= 0, 0, node)


@function
def softmax(x: Any, axis: int = -1) -> Tensor:
    """``eˣ / Σ eˣ`` along ``axis``, without overflow: positive numbers that sum to 1.

    >>> import tinygrad_lstm as tl
    >>> print(tl.softmax([0.0, 0.0]))
    [0.5 0.5]
    """
    return log_softmax(x, axis).exp()


@function
def log_softmax(x: Any, axis: int = -1) -> Tensor:
    """``x − log Σ eˣ`` along ``axis``: the logarithm of softmax, without its rounding.

    >>> import tinygrad_lstm as tl
    >>> print(f"{tl.log_softmax([0.0, 0.0])[0]:.4f}")
    -0.6931
    """
    (node,) = float_operands(x)
    if node.size == 0:
        return node
    # From the largest on down: near 10,000 a float32 has no digits left for the logarithm.
    shifted = node - stop_gradient(max(node, axis, keepdims=True))
    return shifted - logsumexp(shifted, axis, keepdims=True)
