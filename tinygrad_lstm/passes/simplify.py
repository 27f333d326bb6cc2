"""simplify: rules of algebra that change no value, not even nan.

``0·x → 0`` is not among the rules, since it would hide that ``x`` is nan or infinite.
"""

import math
from collections.abc import Callable, Iterable
from typing import Any

from tinygrad_lstm.graph.tensor import Node, Tensor, make_like
from tinygrad_lstm.ops.source import full_node
from tinygrad_lstm.passes.building import joined
from tinygrad_lstm.passes.rewriting import rewrite

__all__ = ["simplify"]


def simplify(outputs: Iterable[Tensor], where: Callable[[Node], bool] | None = None) -> list[Tensor]:
    """``1·x → x``, ``x − 0 → x``, ``x / 1 → x``, ``x¹ → x``, ``x⁰ → 1``, ``−(−x) → x``, ``where(True, x, y) → x``.

    Args:
        where: which nodes may be replaced; all by default.

    >>> x = tl.symbol("x")
    >>> print(tl.printed(*simplify([1.0 * x / 1.0])))
    %0: f32[] = symbol "x"
    return %0
    """
    return rewrite(outputs, _simplified, where)


def _value(node: Any) -> Any:
    """The number that all elements of a node are; None when it is no constant."""
    while node.op in ("broadcast_to", "reshape"):
        node = node.inputs[0]
    return node.attrs["value"] if node.op == "constant" else None


def _simplified(node: Any) -> Node | None:
    rule = _RULES.get(node.op)
    replacement = rule(node) if rule is not None else None
    # 1·x may broadcast x; its replacement must have its type.
    return replacement if replacement is not None and replacement.type == node.type else None


def _multiply(node: Any) -> Node | None:
    a, b = node.inputs
    return b if _value(a) == 1 else a if _value(b) == 1 else None


def _subtract(node: Any) -> Node | None:
    a, b = node.inputs
    zero = _value(b)
    # x − 0.0 is x, but −0.0 − (−0.0) is 0.0.
    return a if zero == 0 and math.copysign(1.0, zero) > 0 else None


def _divide(node: Any) -> Node | None:
    a, b = node.inputs
    return a if _value(b) == 1 else None


def _power(node: Any) -> Node | None:
    a, b = node.inputs
    if _value(b) == 0:
        # IEEE 754: pow(x, 0) is 1 for every x, a nan included.
        return full_node(node.shape, 1.0 if node.dtype.is_float else 1, node.dtype, node.device)
    return a if _value(b) == 1 else None


def _negative(node: Any) -> Node | None:
    (x,) = node.inputs
    return x.inputs[0] if x.op == "negative" else None


def _where(node: Any) -> Node | None:
    condition, a, b = node.inputs
    value = _value(condition)
    return None if value is None else a if value else b


def _sum(node: Any) -> Node | None:
    return node.inputs[0] if not node.attrs["axis"] else None


def _slice(node: Any) -> Node | None:
    x: Tensor = node.inputs[0]
    if node.shape == x.shape:
        return x
    if x.op != "slice":
        return None
    # Element i of the outer slice is element start + step·i of the inner one.
    a, b = x.attrs, node.attrs
    start = tuple(p + s * q for p, s, q in zip(a["start"], a["step"], b["start"], strict=True))
    step = tuple(s * t for s, t in zip(a["step"], b["step"], strict=True))
    stop = tuple(p + (n - 1) * s + 1 if n else p for p, s, n in zip(start, step, node.shape, strict=True))
    return make_like(node, "slice", x.inputs[0], start=start, stop=stop, step=step)


def _concatenate(node: Any) -> Node | None:
    parts = [x for x in node.inputs if x.shape[node.attrs["axis"]]] or list(node.inputs[:1])
    result = joined(node, parts, node.attrs["axis"])
    same = result.op == "concatenate" and len(result.inputs) == len(node.inputs)
    return None if same and all(a is b for a, b in zip(result.inputs, node.inputs, strict=True)) else result


def _reshape(node: Any) -> Node | None:
    (x,) = node.inputs
    if x.op == "reshape":
        x = x.inputs[0]
    elif node.shape != x.shape:
        return None
    return x if node.shape == x.shape else make_like(node, "reshape", x, shape=node.shape)


def _broadcast_to(node: Any) -> Node | None:
    x: Node = node.inputs[0]
    if node.type == x.type:
        return x
    return make_like(node, "broadcast_to", x.inputs[0], shape=node.shape) if x.op == "broadcast_to" else None


_RULES = {
    "reshape": _reshape,
    "broadcast_to": _broadcast_to,
    "slice": _slice,
    "concatenate": _concatenate,
    "multiply": _multiply,
    "subtract": _subtract,
    "divide": _divide,
    "power": _power,
    "negative": _negative,
    "where": _where,
    "sum": _sum,
}
