"""Small expressions that several passes build."""

from typing import Any

from tinygrad_lstm.graph.registry import OPS
from tinygrad_lstm.graph.tensor import Node, Tensor, make_like

__all__ = ["carry_stack", "is_zero", "joined", "joins_freely", "slice_along"]


def slice_along(place: Node, x: Tensor, axis: int, start: int, stop: int) -> Tensor:
    """``x[..., start:stop, ...]``: ``x`` itself where that is all of it, and one slice where ``x`` is a slice."""
    if start == 0 and stop == x.shape[axis]:
        return x
    if x.op == "slice" and x.attrs["step"][axis] == 1:
        low, high = list(x.attrs["start"]), list(x.attrs["stop"])
        low[axis], high[axis] = low[axis] + start, x.attrs["start"][axis] + stop
        return make_like(place, "slice", x.inputs[0], start=tuple(low), stop=tuple(high), step=x.attrs["step"])
    low, high = [0] * len(x.shape), list(x.shape)
    low[axis], high[axis] = start, stop
    return make_like(place, "slice", x, start=tuple(low), stop=tuple(high), step=(1,) * len(x.shape))


def joined(place: Node, parts: list[Tensor], axis: int) -> Tensor:
    """The concatenation of ``parts``; adjacent slices of one array are one slice of it."""
    merged: list[Tensor] = []
    for part in parts:
        if merged and (both := _united(merged[-1], part, axis)) is not None:
            merged[-1] = both
        else:
            merged.append(part)
    return merged[0] if len(merged) == 1 else make_like(place, "concatenate", *merged, axis=axis)


def joins_freely(x: Node) -> bool:
    """Whether joining ``x`` with others copies nothing: a kernel writes its result into its part of the joint array."""
    parts = x.inputs if x.op == "concatenate" else (x,)
    return all(OPS[part.op].kind == "elementwise" or part.op == "slice" for part in parts)


def _united(a: Any, b: Any, axis: int) -> Tensor | None:
    """The one slice that ``a`` and ``b`` are together, where ``b`` begins at the end of ``a``; None otherwise."""
    if a.op != "slice" or b.op != "slice" or a.inputs[0] is not b.inputs[0] or a.attrs["step"] != b.attrs["step"]:
        return None
    if a.attrs["step"][axis] != 1 or a.attrs["stop"][axis] != b.attrs["start"][axis]:
        return None
    if any(a.attrs[k][i] != b.attrs[k][i] for k in ("start", "stop") for i in range(len(a.shape)) if i != axis):
        return None
    source = a.inputs[0]
    stop = b.attrs["stop"]
    if all(n == 0 for n in a.attrs["start"]) and stop == source.shape and all(n == 1 for n in a.attrs["step"]):
        return source  # type: ignore[no-any-return]  # the input of a slice
    return make_like(a, "slice", source, start=a.attrs["start"], stop=stop, step=a.attrs["step"])


def carry_stack(place: Node, init: Tensor, left: Tensor, length: int, reverse: bool) -> Tensor:
    """The stack of the values with which a carry enters the steps, from ``left``, those with which it leaves them.

    It starts with ``init``; the value that leaves the last step is not in it.
    """
    if length == 0:
        return left
    first = make_like(place, "reshape", init, shape=(1, *init.shape))
    if length == 1:
        return first
    others = slice_along(place, left, 0, 1, length) if reverse else slice_along(place, left, 0, 0, length - 1)
    parts = (others, first) if reverse else (first, others)
    return make_like(place, "concatenate", *parts, axis=0)


def is_zero(node: Any) -> bool:
    """Whether a node is the constant 0, repeated to any shape."""
    while node.op in ("broadcast_to", "reshape"):
        node = node.inputs[0]
    return bool(node.op == "constant" and node.attrs["value"] == 0)
