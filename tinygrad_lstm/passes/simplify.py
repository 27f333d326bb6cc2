"""drop_names, fold_constants, cse and simplify: less of a graph, and no other value, not even for nan.

``0·x → 0`` is not among the rules, since it would hide that ``x`` is nan or infinite.
"""

import math
import struct
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from tinygrad_lstm.graph.convert import constant
from tinygrad_lstm.graph.dtypes import DType
from tinygrad_lstm.graph.function import Graph, topological
from tinygrad_lstm.graph.registry import OPS
from tinygrad_lstm.graph.tensor import Node, Tensor, make_like, rebuilt
from tinygrad_lstm.kernels.table import kernels
from tinygrad_lstm.ops.source import full_node
from tinygrad_lstm.passes.rewriting import joined, rewrite

__all__ = ["cse", "drop_names", "exact_form", "fold_constants", "simplify"]


def cse(outputs: Iterable[Tensor]) -> list[Tensor]:
    """Nodes of the same operation on the same inputs become one; leaves and symbols stay what they are.

    Attributes are compared by type and bits: −0.0 is not 0.0, True is not 1, and a nan equals itself. Names and
    lines of the user's code do not count.

    >>> x = tl.symbol("x")
    >>> print(tl.printed(*cse([tl.sin(x) + tl.sin(x)])))
    %0: f32[] = symbol "x"
    %1: f32[] = sin %0
    %2: f32[] = add %1 %1
    return %2
    """
    outputs = list(outputs)
    seen: dict[Any, Node] = {}
    new: dict[Node, Any] = {}
    for node in topological(outputs):
        candidate = rebuilt(node, new)
        if node.op in ("leaf", "symbol"):
            new[node] = candidate
            continue
        key = (node.op, candidate.inputs, exact_form(node.attrs), node.type if not node.inputs else None)
        new[node] = seen.setdefault(key, candidate)
    return [new[y] for y in outputs]


def exact_form(value: Any) -> Any:
    """A hashable form of an attribute; two forms are equal only when type and bits are equal."""
    if isinstance(value, float):
        return ("float", struct.pack("<d", value))
    if isinstance(value, bool | int | str | DType | None):
        return (type(value), value)
    if isinstance(value, Graph):
        return _form(value)
    if isinstance(value, tuple | list):
        return (type(value), tuple([exact_form(v) for v in value]))
    if hasattr(value, "items"):
        return tuple([(k, exact_form(v)) for k, v in sorted(value.items())])
    return value if value.__hash__ is not None else id(value)


def _form(graph: Graph) -> Any:
    """A hashable form of a body, equal for two bodies that compute the same, whatever the names of their symbols."""
    number: dict[Node, int] = {}
    rows: list[Any] = []
    for node in (*graph.inputs, *topological(graph.outputs)):
        if node in number:
            continue
        number[node] = len(number)
        if node.op == "symbol":
            rows.append(("symbol", node.type))
        elif node.op == "leaf":
            rows.append(("leaf", id(node)))
        else:
            attrs = exact_form({k: v for k, v in node.attrs.items() if not isinstance(v, Node)})
            values = tuple([number.get(v, id(v)) for v in node.attrs.values() if isinstance(v, Node)])
            rows.append((node.op, tuple([number[x] for x in node.inputs]), attrs, values, node.type))
    return (len(graph.inputs), tuple(rows), tuple([number[y] for y in graph.outputs]))


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


def drop_names(outputs: Iterable[Tensor]) -> list[Tensor]:
    """``named(x, …) → x``.

    >>> x = tl.symbol("x")
    >>> print(tl.printed(*drop_names([tl.tanh(x).named("y")])))
    %0: f32[] = symbol "x"
    %1: f32[] = tanh %0
    return %1
    """
    return rewrite(outputs, _without_name)


def _without_name(node: Node) -> Node | None:
    return node.inputs[0] if node.op == "named" else None


def fold_constants(outputs: Iterable[Tensor], where: Callable[[Node], bool] | None = None) -> list[Tensor]:
    """``2 − 1 → 1``, in the element type of the graph and with the kernels of the interpreter.

    Args:
        where: which nodes may be replaced; all by default.

    >>> two = tl.full((), 2.0)
    >>> print(tl.printed(*fold_constants([two - 1])))
    %0: f32[] = constant 1.0
    return %0
    """
    table = kernels(np)

    def folded(node: Any) -> Node | None:
        if not node.inputs or OPS[node.op].kind != "elementwise":
            return None
        if any(x.op != "constant" for x in node.inputs):
            return None
        arrays = [np.asarray(x.attrs["value"], dtype=x.dtype.name) for x in node.inputs]
        with np.errstate(all="ignore"):
            value = table[node.op](*arrays, **node.attrs)
        return constant(np.asarray(value).item(), node.dtype, node.device)

    return rewrite(outputs, folded, where)
