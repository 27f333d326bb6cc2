"""Whether a graph is what it claims to be. Runs between passes; an error here is a bug in the pass before."""

from collections.abc import Iterable
from typing import TypeVar

from tinygrad_lstm.errors import Error, GraphError
from tinygrad_lstm.graph.function import Graph
from tinygrad_lstm.graph.registry import OPS
from tinygrad_lstm.graph.tensor import Node
from tinygrad_lstm.graph.walk import topological

__all__ = ["verify"]

G = TypeVar("G", Graph, Node)


def verify(graph: G, known: set[Node] | None = None) -> G:
    """Return ``graph`` unchanged if it is well formed.

    Every op is in the table, every type is what the op's rule infers, tuple-typed results are read by projections
    only, bodies are closed over their inputs, and a stacked value belongs to the body that it is read from.

    Args:
        known: nodes that were found well formed before, which are not looked at again; those of this graph are added.

    Raises:
        GraphError: naming the first node that is not.
    """
    known = set() if known is None else known
    pending: list[tuple[Iterable[Node], frozenset[Node] | None]]
    if isinstance(graph, Graph):
        pending = [(graph.outputs, frozenset(graph.inputs))]
        _verify_inputs(graph)
    else:
        pending = [((graph,), None)]
    while pending:
        outputs, symbols = pending.pop()
        for node in topological(outputs):
            # Whether a symbol is an input depends on where it is read.
            if node in known and node.op != "symbol":
                continue
            _verify_node(node, symbols)
            known.add(node)
            body = node.attrs.get("body")
            if isinstance(body, Graph):
                _verify_inputs(body)
                pending.append((body.outputs, frozenset(body.inputs)))
    return graph


def _verify_inputs(graph: Graph) -> None:
    for x in graph.inputs:
        if x.op != "symbol":
            raise GraphError(f"the input {x!r} of a body is a {x.op}, not a symbol")
    if len(set(graph.inputs)) != len(graph.inputs):
        raise GraphError("a body lists an input twice")


def _verify_node(node: Node, symbols: frozenset[Node] | None) -> None:
    definition = OPS.get(node.op)
    if definition is None:
        raise GraphError(f"op {node.op!r} is not in the table; define it with tl.define_op")
    if node.op == "symbol" and symbols is not None and node not in symbols:
        raise GraphError(f"symbol {node.attrs['name']!r} is not an input of the body that reads it")
    for x in node.inputs:
        if isinstance(x.type, tuple) and definition.kind != "projection":
            raise GraphError(f"{node.op} reads the tuple-typed {x.op} directly; it needs an item of it")
    if definition.kind == "leaf":
        if node.inputs:
            raise GraphError(f"the leaf {node.op} has inputs")
        return
    try:
        inferred = definition.infer(*[x.type for x in node.inputs], **node.attrs)
    except Error as error:
        raise GraphError(f"{node.op} does not fit its inputs: {error}") from error
    if inferred != node.type:
        raise GraphError(f"{node.op} claims the type {node.type}, its rule infers {inferred}")
    if node.op == "stacked":
        loop = node.inputs[0]
        value, inner = node.attrs["value"], set(loop.attrs["body"].nodes())
        # A gradient may want more of a loop inside the body than the body itself reads of it.
        projects = value.op in OPS and OPS[value.op].kind == "projection"
        if value not in inner and not (projects and value.inputs[0] in inner):
            raise GraphError("a stacked value is no node of the loop's body")
