"""Nodes without inputs (data, symbols, constants), and nodes that return their input (``named``, ``stop_gradient``)."""

from typing import Any

from tinygrad_lstm.errors import GraphError, UsageError
from tinygrad_lstm.graph.convert import as_tensor
from tinygrad_lstm.graph.device import as_device
from tinygrad_lstm.graph.dtypes import DType, as_dtype, float32
from tinygrad_lstm.graph.registry import define, function
from tinygrad_lstm.graph.tensor import Tensor, make
from tinygrad_lstm.graph.types import Shape, TensorType, as_shape

__all__ = ["named", "stop_gradient", "symbol"]


def _no_rule() -> TensorType:
    raise GraphError("a leaf's type comes with its value")


define("leaf", _no_rule, label="leaf", kind="leaf", differentiable=False)
define(
    "constant",
    lambda *, value, dtype, device: TensorType((), dtype, device),
    label="constant",
    kind="leaf",
    differentiable=False,
)
define(
    "symbol",
    lambda *, name, shape, dtype, device, owner="": TensorType(shape, dtype, device),
    label="symbol",
    kind="leaf",
    differentiable=False,
)
define(
    "arange",
    lambda *, length, dtype, device: TensorType((length,), dtype, device),
    label="arange",
    kind="leaf",
    differentiable=False,
)


def symbol(name: str, shape: Any = (), dtype: Any = float32, device: str | None = None) -> Tensor:
    """A leaf without a value, to be bound when something that depends on it is evaluated.

    Args:
        name: shown in expressions, pictures and errors.
        shape: an integer or a tuple of integers.
        dtype: the element type.

    Raises:
        UsageError: when the name is no string, or an empty one.

    >>> x = tl.symbol("x", (2,))
    >>> print((x + 1).evaluate({x: [1.0, 2.0]}))
    [2. 3.]
    """
    if not isinstance(name, str) or not name:
        raise UsageError(f"a symbol's name is a non-empty string, not {name!r}")
    return make(
        "symbol",
        name=name,
        shape=as_shape(shape),
        dtype=as_dtype(dtype),
        device=as_device(device),
        owner="",
    )


define("named", lambda x, *, name: x, lambda xp, x, *, name: x, lambda g, y, x, name: g, label="name", kind="identity")


@function
def named(x: Any, name: str) -> Tensor:
    """``x`` under a name that pictures and expressions show; the value is unchanged.

    >>> print(tl.named(tl.tensor(2.0), "f_t"))
    2.0
    """
    if not isinstance(name, str) or not name:
        raise UsageError(f"a name is a non-empty string, not {name!r}")
    result: Tensor = make("named", as_tensor(x), name=name)
    return result


define("stop_gradient", lambda x: x, lambda xp, x: x, label="stop ∂", kind="identity", differentiable=False)


@function
def stop_gradient(x: Any) -> Tensor:
    """``x``, through which no gradient flows: ``d stop_gradient(x) / dx = 0``.

    >>> x = tl.symbol("x")
    >>> print(tl.gradients(x * tl.stop_gradient(x), x).evaluate({x: 3.0}))
    3.0
    """
    result: Tensor = make("stop_gradient", as_tensor(x))
    return result


def arange_node(length: int, dtype: DType, device: str) -> Tensor:
    """``0 … length − 1`` as a node."""
    result: Tensor = make("arange", length=length, dtype=dtype, device=device)
    return result


def full_node(shape: Shape, value: bool | int | float, dtype: DType, device: str) -> Tensor:
    """``value`` at every place of ``shape``, without storing it."""
    scalar: Tensor = make("constant", value=value, dtype=dtype, device=device)
    return scalar if shape == () else make("broadcast_to", scalar, shape=shape)
