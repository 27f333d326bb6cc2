"""The printed form: stable text, one node a line."""

from collections.abc import Mapping
from typing import Any

from tinygrad_lstm.errors import UsageError, printable
from tinygrad_lstm.graph.dtypes import DType
from tinygrad_lstm.graph.function import Graph, slot_of, topological
from tinygrad_lstm.graph.tensor import Node, name_of
from tinygrad_lstm.graph.types import TensorType
from tinygrad_lstm.graph.variables import Variable

__all__ = ["printed", "printed_lines"]

_Row = tuple[str, Node | None]
"""A line of text, and the node that it tells of; None for the end of a body."""


def printed(*what: Node | Graph, scopes: bool = False) -> str:
    """The graph of some tensors, or of one traced function, as text.

    Args:
        scopes: whether each line ends in the scope that it was made in.

    Raises:
        UsageError: for anything else.

    >>> x = tl.symbol("x", (3,))
    >>> print(tl.printed(tl.tanh(x * 2.0)))
    %0: f32[3] = symbol "x"
    %1: f32[] = constant 2.0
    %2: f32[3] = multiply %0 %1
    %3: f32[3] = tanh %2
    return %3
    """
    return "\n".join([text for text, _ in printed_lines(*what, scopes=scopes)])


def printed_lines(*what: Node | Graph, scopes: bool = False) -> list[_Row]:
    """The lines of :func:`printed`, each with its node."""
    strange = next((w for w in what if not isinstance(w, Node | Graph | Variable)), None)
    if strange is not None or not what:
        given = "nothing" if strange is None else type(strange).__name__
        raise UsageError(f"printed writes the graph of tensors, or of one traced function, f.graph(x), not {given}")
    what = tuple(w.leaf if isinstance(w, Variable) else w for w in what)
    graph = what[0] if what and isinstance(what[0], Graph) else None
    inputs = graph.inputs if graph else ()
    outputs = graph.outputs if graph else tuple(n for n in what if isinstance(n, Node))
    return _lines(inputs, outputs, "", scopes)


def _lines(inputs: tuple[Node, ...], outputs: tuple[Node, ...], prefix: str, scopes: bool) -> list[_Row]:
    names: dict[Node, str] = {}
    lines: list[_Row] = []
    for index, node in enumerate(topological((*inputs, *outputs))):
        name = names[node] = f"%{prefix}{index}"
        text = [f"{name}: {_type(node.type)} = {node.op}", *[names[x] for x in node.inputs]]
        body = node.attrs.get("body")
        if isinstance(body, Graph):
            inner = _lines(body.inputs, body.outputs, f"{prefix}{index}.", scopes)
            text += [f"{k}={_value(v, names)}" for k, v in node.attrs.items() if k != "body"]
            lines += [(" ".join(text) + " {", node), *[("  " + line, n) for line, n in inner], ("}", None)]
            continue
        text += _attributes(node, names)
        if scopes and node.scope is not None:
            text.append("; " + printable(str(node.scope)).replace("\n", "\\n"))
        lines.append((" ".join(text), node))
    lines.append(("return " + " ".join(names[y] for y in outputs), None))
    return lines


def _attributes(node: Node, names: Mapping[Node, str]) -> list[str]:
    if node.op == "constant":
        return [repr(node.attrs["value"])]
    if node.op in ("symbol", "named"):
        return [_quoted(node.attrs["name"])]
    if node.op == "leaf":
        name = name_of(node)
        return [_quoted(name)] if name else []
    if node.op == "stacked":
        loop = node.inputs[0]
        length = node.attrs["length"]
        return [f"value={_in_body(loop, names[loop], node.attrs['value'])}", f"length={length}"]
    return [f"{k}={_value(v, names)}" for k, v in node.attrs.items()]


def _in_body(loop: Node, name: str, value: Node) -> str:
    """What a line outside a loop calls a value of its body, or a projection of a loop in its body."""
    places = {n: f"{name}.{i}" for i, n in enumerate(loop.attrs["body"].nodes())}
    if value in places:
        return places[value]
    inner = value.inputs[0]
    slot = slot_of(value)
    slot = slot if isinstance(slot, int) else _in_body(inner, places[inner], slot)
    return f"{value.op}({places[inner]},{slot})"


def _quoted(text: str) -> str:
    return '"' + printable(text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")) + '"'


def _type(type_: Any) -> str:
    return str(type_) if isinstance(type_, TensorType) else "(" + ", ".join(map(str, type_)) + ")"


def _value(value: Any, names: Mapping[Node, str]) -> str:
    if isinstance(value, Node):
        return names.get(value, "%?")
    if isinstance(value, DType):
        return value.short
    if isinstance(value, tuple | list):
        return "[" + ",".join(_value(v, names) for v in value) + "]"
    return str(value)
