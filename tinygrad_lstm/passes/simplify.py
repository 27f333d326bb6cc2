"""simplify: algebra that changes no value, not even a nan.

``0·x → 0`` is not among the rules, since it would hide that ``x`` is nan or infinite.
"""

from collections.abc import Iterable
from typing import Any

from tinygrad_lstm.graph.tensor import Node, Tensor
from tinygrad_lstm.ops.source import full_node
from tinygrad_lstm.passes.rewriting import rewrite

__all__ = ["simplify"]


def simplify(outputs: Iterable[Tensor]) -> list[Tensor]:
    """``1·x → x``, ``x − 0 → x``, ``x / 1 → x``, ``x¹ → x``, ``x⁰ → 1``, ``−(−x) → x``, ``where(True, x, y) → x``.

    >>> import tinygrad_lstm as tl
    >>> x = tl.symbol("x")
    >>> print(tl.printed(*simplify([1.0 * x / 1.0])))
    %0: f32[] = symbol "x"
    return %0
    """
    return rewrite(outputs, _simplified)


def _value(node: Any) -> Any:
    """The number that a node stands for at all its places; None when it is no constant."""
    if node.op == "broadcast_to":
        node = node.inputs[0]
    return node.attrs["value"] if node.op == "constant" else None


def _simplified(node: Any) -> Node | None:
    rule = _RULES.get(node.op)
    replacement = rule(node) if rule is not None else None
    # A broadcast is more than its input: what replaces a node must have its type.
    return replacement if replacement is not None and replacement.type == node.type else None


def _multiply(node: Any) -> Node | None:
    a, b = node.inputs
    return b if _value(a) == 1 else a if _value(b) == 1 else None


def _subtract(node: Any) -> Node | None:
    a, b = node.inputs
    return a if _value(b) == 0 else None


def _divide(node: Any) -> Node | None:
    a, b = node.inputs
    return a if _value(b) == 1 else None


def _power(node: Any) -> Node | None:
    a, b = node.inputs
    if _value(b) == 0:
        # IEEE 754: pow(x, 0) is 1 for every x, a nan included.
        return full_node(node.shape, 1.0, node.dtype, node.device)
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


_RULES = {
    "multiply": _multiply,
    "subtract": _subtract,
    "divide": _divide,
    "power": _power,
    "negative": _negative,
    "where": _where,
    "sum": _sum,
}
