"""From Python values to operands."""

import math
import numbers
from typing import Any

from tinygrad_lstm.errors import DTypeError
from tinygrad_lstm.graph.device import as_device
from tinygrad_lstm.graph.dtypes import DType, float32, promote, weak_dtype, whole_limits
from tinygrad_lstm.graph.number import Number, lone_dtype, number_kind
from tinygrad_lstm.graph.registry import apply, function
from tinygrad_lstm.graph.tensor import Tensor, make
from tinygrad_lstm.graph.variables import Variable
from tinygrad_lstm.graph.widths import check_widths

__all__ = [
    "as_number",
    "as_tensor",
    "constant",
    "float_operands",
    "holds_tensors",
    "is_scalar",
    "operands",
    "shared_device",
]


def constant(value: bool | int | float | Number, dtype: DType, device: str | None = None) -> Tensor:
    """A 0-d value that stands in the graph itself, such as the 2 in ``2·x``; for a traced number its symbol."""
    if isinstance(value, Number):
        return value.typed(dtype, as_device(device))
    kind = dtype.kind
    if kind == "f":
        try:
            value = float(value)
        except OverflowError:
            raise DTypeError(f"an integer of {int(value).bit_length()} bits does not fit into {dtype}") from None
    elif kind == "b":
        value = bool(value)
    else:
        low, high = whole_limits(dtype)
        if not math.isfinite(value) or not low <= (whole := int(value)) <= high:
            raise DTypeError(
                f"{value} does not fit into {dtype}, which holds {low} … {high}; give one that does, or a float"
            )
        value = whole
    result: Tensor = make("constant", value=value, dtype=dtype, device=as_device(device))
    return result


def is_scalar(value: Any) -> bool:
    """Whether ``value`` is a Python or NumPy scalar, whose element type gives way to that of a tensor beside it."""
    return isinstance(value, numbers.Real | Number)


def as_number(value: Any) -> bool | int | float | Number:
    """A scalar as a Python number; one that is traced as it is."""
    number: bool | int | float | Number = (
        value.item() if hasattr(value, "item") and not isinstance(value, Number) else value
    )
    return number


@function
def as_tensor(value: Any, like: Tensor | None = None, device: str | None = None) -> Tensor:
    """``value`` as a node: a tensor is itself, a variable its leaf, a scalar a constant, anything else ``tl.tensor``.

    A list that holds tensors is their stack, through which gradients flow.

    Args:
        like: a partner whose element type a scalar takes, and whose device all take that have none of their own.
        device: the device of what has none of its own, where there is no such partner.
    """
    if isinstance(value, Tensor):
        return value
    if isinstance(value, Variable):
        return value.leaf
    if is_scalar(value):
        if like is None:
            return constant(as_number(value), lone_dtype(value), device)
        return constant(as_number(value), weak_dtype(number_kind(value), like.dtype), like.device)
    if holds_tensors(value):
        return apply("stack", list(value))  # type: ignore[no-any-return]
    result: Tensor = apply("tensor", value, device=device if like is None else like.device)
    return result


def holds_tensors(value: Any) -> bool:
    """Whether a nested list holds a tensor, a variable or a traced number."""
    return isinstance(value, Tensor | Variable | Number) or (
        isinstance(value, list | tuple) and any(map(holds_tensors, value))
    )


def shared_device(*values: Any) -> str | None:
    """Where the first tensor or variable among ``values`` lives; None where all are numbers, lists and arrays."""
    return next((v.device for v in values if isinstance(v, Tensor | Variable)), None)


def operands(*values: Any, device: str | None = None) -> list[Tensor]:
    """Operands of one operation, converted to their common element type.

    Args:
        device: where numbers, lists and arrays go; to the first of the tensors by default.
    """
    nodes: list[Tensor | None] = []
    dtypes: list[DType] = []
    for value in values:
        if is_scalar(value):
            node = None
        elif isinstance(value, Tensor | Variable):
            node = as_tensor(value)
        else:
            node = as_tensor(value, device=device or shared_device(*values))
        nodes.append(node)
        if node is not None:
            dtypes.append(node.type.dtype)
    if len(dtypes) == len(values) and all(d is dtypes[0] for d in dtypes):
        return nodes  # type: ignore[return-value]  # no None is among them
    device = device or next((n.type.device for n in nodes if n is not None), None)
    bare = [as_number(v) if n is None else None for v, n in zip(values, nodes, strict=True)]
    if dtypes:
        check_widths(values, nodes)
        target = promote(*dtypes, *[weak_dtype(number_kind(p), *dtypes) for p in bare if p is not None])
    else:
        target = lone_dtype(*values)
    return [
        constant(p, target, device) if n is None and p is not None else cast_to(n, target)
        for n, p in zip(nodes, bare, strict=True)
    ]


def cast_to(node: Tensor | None, dtype: DType) -> Tensor:
    """``node`` with elements of type ``dtype``; the node itself when they are that already."""
    assert node is not None
    if node.type.dtype is dtype:
        return node
    result: Tensor = make("cast", node, dtype=dtype)
    return result


def float_operands(*values: Any) -> list[Tensor]:
    """Operands of a function of real numbers: integers and bools become float32."""
    nodes = operands(*values)
    return nodes if nodes[0].type.dtype.is_float else [cast_to(n, float32) for n in nodes]
