"""Functions that a reader knows by name, found again in the operations that they are composed of."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from tinygrad_lstm.graph.tensor import Node

__all__ = ["composed"]

Found = tuple[str, Node, tuple[int, ...]]
"""The name of a function, its operand, and its axes."""


def composed(node: Node) -> Found | None:
    """The function whose value ``node`` is, where it is softmax or log_softmax."""
    find = _FUNCTIONS.get(node.op)
    return find(node) if find is not None else None


def _log_softmax(node: Node) -> Found | None:
    """``x − log Σ eˣ``; where the largest element was subtracted from ``x`` first, that is left out."""
    x, total = node.inputs
    if total.op != "logsumexp" or total.inputs[0] is not x or not total.attrs["keepdims"]:
        return None
    axis = total.attrs["axis"]
    return "log_softmax", _unshifted(x, axis), axis


def _softmax(node: Node) -> Found | None:
    x = node.inputs[0]
    if x.op == "subtract" and x.inputs[1].op == "where":
        # The gradient of log Σ eˣ, where −∞ in place of all elements has weights of 0.
        values = x.inputs[1].inputs[2]
        if values.op == "logsumexp" and values.inputs[0] is x.inputs[0] and values.attrs["keepdims"]:
            return "softmax", _unshifted(x.inputs[0], values.attrs["axis"]), values.attrs["axis"]
    inner = composed(x)
    return ("softmax", *inner[1:]) if inner is not None and inner[0] == "log_softmax" else None


def _unshifted(x: Any, axis: tuple[int, ...]) -> Node:
    if x.op == "subtract":
        whole, shift = x.inputs
        if shift.op == "stop_gradient":
            largest = shift.inputs[0]
            if largest.op == "max" and largest.inputs[0] is whole and largest.attrs["axis"] == axis:
                return _unshifted(whole, axis)
    return x  # type: ignore[no-any-return]  # a node


_FUNCTIONS: Final[Mapping[str, Callable[[Node], Found | None]]] = {"subtract": _log_softmax, "exp": _softmax}
