"""cse: equal expressions become one node."""

import struct
from collections.abc import Iterable
from typing import Any

from tinygrad_lstm.graph.dtypes import DType
from tinygrad_lstm.graph.function import Graph
from tinygrad_lstm.graph.tensor import Node, Tensor, rebuilt
from tinygrad_lstm.graph.walk import topological

__all__ = ["cse", "exact_form"]


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
