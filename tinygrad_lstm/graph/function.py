"""Graphs: walks over them, ``Graph`` (symbols in, tensors out: the body of a loop, a traced function), and the check.

No walk is recursive, so that depth is bounded by memory alone. ``verify`` runs between passes; an error there is a bug
in the pass before.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, TypeVar

from tinygrad_lstm.errors import Error, GraphError
from tinygrad_lstm.graph.registry import OPS
from tinygrad_lstm.graph.tensor import Node, Tensor, make, name_of, rebuilt
from tinygrad_lstm.graph.types import TensorType

__all__ = [
    "Graph",
    "close",
    "fresh_symbol",
    "reaching",
    "read_by_body",
    "slot_of",
    "slot_value",
    "substitute",
    "topological",
    "verify",
]


def topological(outputs: Iterable[Node], stop: Callable[[Node], bool] | None = None) -> list[Node]:
    """Every ancestor of ``outputs`` and themselves, inputs before the nodes that read them.

    Args:
        stop: nodes for which it answers True are listed, but what lies before them is not.
    """
    order: list[Node] = []
    append = order.append
    done: set[Node] = set()
    # Two visits a node: the first pushes its inputs above it, the second lists it.
    opened: set[Node] = set()
    stack: list[Node] = list(outputs)[::-1]
    pop = stack.pop
    while stack:
        node = stack[-1]
        if node in done:
            pop()
        elif node in opened or not node.inputs or (stop is not None and stop(node)):
            pop()
            done.add(node)
            append(node)
        else:
            opened.add(node)
            stack.extend([x for x in node.inputs[::-1] if x not in done])
    return order


def reaching(order: Iterable[Node], sources: Iterable[Node]) -> set[Node]:
    """Those nodes of a topological ``order`` that depend on a source, the sources included."""
    found = set(sources)
    for node in order:
        if node not in found:
            for x in node.inputs:
                if x in found:
                    found.add(node)
                    break
    return found


def substitute(outputs: Iterable[Tensor], mapping: Mapping[Any, Tensor]) -> list[Tensor]:
    """``outputs`` rebuilt with the keys of ``mapping`` replaced by its values; what depends on no key is kept."""
    outputs = list(outputs)
    new: dict[Node, Node] = {}
    new.update(mapping)
    for node in topological(outputs, stop=new.__contains__):
        if node not in new:
            new[node] = rebuilt(node, new)
    return [new[y] for y in outputs]  # type: ignore[misc]  # an output's replacement is a tensor


@dataclass(frozen=True, eq=False, slots=True)
class Graph:
    """Inputs are symbols; every symbol that an output depends on is among them."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]

    def nodes(self) -> list[Node]:
        """All nodes in an order in which they can be computed, the inputs first."""
        return topological((*self.inputs, *self.outputs))


def fresh_symbol(name: str, type_: TensorType, owner: str = "") -> Tensor:
    """A symbol for a traced argument; ``owner`` says whose it is, for the error when it escapes."""
    result: Tensor = make("symbol", name=name, shape=type_.shape, dtype=type_.dtype, device=type_.device, owner=owner)
    return result


def close(
    inputs: Sequence[Tensor], outputs: Iterable[Tensor], owner: str, made: Set[Node] | None = None
) -> tuple[Graph, list[Tensor]]:
    """Make ``outputs`` a function of ``inputs`` alone.

    Whatever depends on none of the inputs becomes a further input: the largest such subgraphs are replaced by fresh
    symbols, and returned as the operands for them. Scalar constants stay inside.

    Args:
        made: nodes that stay inside although they depend on none of the inputs, unless they hold data.
    """
    outputs = list(outputs)
    own: set[Node] = set(inputs)
    if made is None:
        # Nothing before a node that is not symbolic can depend on a symbol, so the walk stops there.
        order = topological(outputs, stop=lambda n: not n.symbolic)
        inner = set(own)
    else:
        inner = {n for n in made if n.value is None and n.op not in ("symbol", "leaf")} | own
        order = topological(outputs, stop=lambda n: n not in inner and not n.symbolic)
    for node in order:
        if node not in inner and any(x in inner for x in node.inputs):
            inner.add(node)
    operands: list[Tensor] = []
    mapping: dict[Tensor, Tensor] = {}

    def lift(node: Any) -> None:
        if node in inner or node in mapping or node.op == "constant":
            return
        if node.type.__class__ is not TensorType:
            raise AssertionError("a tuple-typed node has only projections as readers, and those are lifted")
        label = node.attrs.get("label") if node.op == "leaf" else None
        name = name_of(node) or f"{label.kind if label is not None else 'operand'} {len(operands)}"
        mapping[node] = fresh_symbol(name, node.type, owner)
        operands.append(node)

    for node in order:
        if node in inner:
            for x in node.inputs:
                lift(x)
    for y in outputs:
        lift(y)
    body = substitute(outputs, mapping) if mapping else outputs
    return Graph((*inputs, *mapping.values()), tuple(body)), operands


def read_by_body(node: Node) -> tuple[Tensor, ...]:
    """What the inputs of a node's body stand for: inputs of the node, but for those in front that say if it runs."""
    return node.inputs[len(node.inputs) - len(node.attrs["body"].inputs) :]


def slot_of(projection: Node) -> Any:
    """Which result of a loop or call a projection reads: its number, or the node of the body whose values it stacks."""
    return projection.attrs["index"] if projection.op == "item" else projection.attrs["value"]


def slot_value(projection: Node) -> Tensor:
    """The node of the body whose value, or whose values over time, a projection reads."""
    slot = slot_of(projection)
    loop = projection.inputs[0]
    # The first output of a `while_loop`'s body is the condition of the next step.
    value: Tensor = loop.attrs["body"].outputs[slot + (loop.op == "while_loop")] if isinstance(slot, int) else slot
    return value


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
