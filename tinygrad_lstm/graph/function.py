"""A closed piece of graph: symbols in, tensors out. The body of a loop is one, and so is a traced function."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tinygrad_lstm.graph.tensor import Node, Tensor, make, name_of
from tinygrad_lstm.graph.types import TensorType
from tinygrad_lstm.graph.walk import substitute, topological

__all__ = ["Graph", "close", "fresh_symbol", "slot_of", "slot_value"]


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


def close(inputs: Sequence[Tensor], outputs: Iterable[Tensor], owner: str) -> tuple[Graph, list[Tensor]]:
    """Make ``outputs`` a function of ``inputs`` alone.

    Whatever depends on none of the inputs becomes a further input: the largest such subgraphs are replaced by fresh
    symbols, and returned as the operands for them. Scalar constants stay inside.
    """
    outputs = list(outputs)
    own: set[Node] = set(inputs)
    # Nothing before a node that is not symbolic can depend on a symbol, so the walk stops there.
    order = topological(outputs, stop=lambda n: not n.symbolic)
    inner = set(own)
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


def slot_of(projection: Node) -> Any:
    """Which result of a loop or call a projection reads: its number, or the node of the body whose values it stacks."""
    return projection.attrs["index"] if projection.op == "item" else projection.attrs["value"]


def slot_value(projection: Node) -> Tensor:
    """The node of the body whose value, or whose values over time, a projection reads."""
    slot = slot_of(projection)
    value: Tensor = projection.inputs[0].attrs["body"].outputs[slot] if isinstance(slot, int) else slot
    return value
