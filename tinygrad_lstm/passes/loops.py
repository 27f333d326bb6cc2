"""``LoopParts``, the parts of a loop, to change and to put together again; and walks over all loops of a graph."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tinygrad_lstm.graph.function import Graph
from tinygrad_lstm.graph.tensor import Node, Tensor, make_like, rebuilt, remake
from tinygrad_lstm.graph.types import TensorType
from tinygrad_lstm.graph.walk import substitute, topological
from tinygrad_lstm.passes.rewriting import Pass

__all__ = ["LoopParts", "each_loop", "everywhere", "inner_symbol", "while_found"]


@dataclass(slots=True)
class LoopParts:
    """The parts of a loop in normal form: symbols of the body, and beside them what they stand for outside.

    Attributes:
        carries, init, new: the symbol of each carry, what it starts from, and what it becomes in a step.
        xs, sequences: the symbol of each slice, and the array that it is a slice of.
        operands, operand_values: the symbol of each operand, which all steps read, and its value.
        ys: the values that are stacked.
        used: which of the results, last carries first, then stacks, are read outside.
    """

    place: Node
    carries: list[Tensor]
    init: list[Tensor]
    new: list[Tensor]
    xs: list[Tensor]
    sequences: list[Tensor]
    operands: list[Tensor]
    operand_values: list[Tensor]
    ys: list[Tensor]
    length: int
    reverse: bool
    used: set[int]

    @classmethod
    def of(cls, node: Any, used: set[int]) -> "LoopParts":
        """The parts of a ``scan`` node."""
        body, n, m = node.attrs["body"], node.attrs["carries"], node.attrs["xs"]
        ins, outs, given = list(body.inputs), list(body.outputs), list(node.inputs)
        return cls(
            node, ins[:n], given[:n], outs[:n], ins[n : n + m], given[n : n + m], ins[n + m :], given[n + m :],
            outs[n:], node.attrs["length"], node.attrs["reverse"], used,
        )  # fmt: skip

    @property
    def symbols(self) -> list[Tensor]:
        """The inputs of the body."""
        return [*self.carries, *self.xs, *self.operands]

    @property
    def results(self) -> list[Tensor]:
        """The outputs of the body."""
        return [*self.new, *self.ys]

    def order(self) -> list[Node]:
        """The nodes of the body, inputs first."""
        return topological((*self.symbols, *self.results))

    def replace_results(self, results: Sequence[Tensor]) -> None:
        """Replace the outputs of the body by as many new ones."""
        n = len(self.new)
        self.new, self.ys = list(results[:n]), list(results[n:])

    def operand(self, value: Tensor) -> Tensor:
        """The symbol of the operand with this value; a new one where the loop has none."""
        for symbol, given in zip(self.operands, self.operand_values, strict=True):
            if given is value:
                return symbol
        self.operands.append(inner_symbol(value, value.type))
        self.operand_values.append(value)
        return self.operands[-1]

    def sliced(self, sequence: Tensor) -> Tensor:
        """The symbol of the slices of ``sequence``; a new one where the loop has none."""
        for symbol, known in zip(self.xs, self.sequences, strict=True):
            if known is sequence:
                return symbol
        type_ = sequence.type
        self.xs.append(inner_symbol(sequence, TensorType(type_.shape[1:], type_.dtype, type_.device)))
        self.sequences.append(sequence)
        return self.xs[-1]

    def node(self) -> Any:
        """The ``scan`` node of these parts."""
        body = Graph(tuple(self.symbols), tuple(self.results))
        return make_like(
            self.place,
            "scan",
            *self.init,
            *self.sequences,
            *self.operand_values,
            body=body,
            carries=len(self.carries),
            xs=len(self.xs),
            length=self.length,
            reverse=self.reverse,
        )

    def items(self) -> list[Tensor]:
        """All results of the loop as nodes: the last carries, then the stacks."""
        node = self.node()
        return [make_like(self.place, "item", node, index=k) for k in range(len(node.type))]


def inner_symbol(like: Node, type_: TensorType) -> Tensor:
    """A fresh symbol for the body of a loop, named after what it stands for."""
    name = like.attrs.get("name") or like.op
    return make_like(
        like, "symbol", name=name, shape=type_.shape, dtype=type_.dtype, device=type_.device, owner="a compiled loop"
    )


def each_loop(outputs: Iterable[Tensor], f: Callable[[LoopParts], Mapping[int, Tensor] | None]) -> list[Tensor]:
    """``outputs`` with ``f`` applied to every loop, inner loops first.

    ``f`` takes the parts of the loop and returns a replacement for each of its ``used`` results, or None to keep it.
    """
    outputs = list(outputs)
    order = topological(outputs)
    if not any(node.op == "scan" or "body" in node.attrs for node in order):
        return outputs
    used: dict[Node, set[int]] = {}
    for node in order:
        if node.op == "item":
            used.setdefault(node.inputs[0], set()).add(node.attrs["index"])
    new: dict[Node, Any] = {}
    results: dict[Node, Mapping[int, Tensor]] = {}
    for node in order:
        if node.op == "item" and node.inputs[0] in results:
            new[node] = results[node.inputs[0]][node.attrs["index"]]
            continue
        now = _updated(node, new, lambda inside: each_loop(inside, f))
        if now is not node:
            new[node] = now
        if node.op == "scan":
            replacements = f(LoopParts.of(now, used.get(node, set())))
            if replacements is not None:
                results[node] = replacements
    return [new.get(y, y) for y in outputs]


def while_found(loop: LoopParts, search: Callable[[LoopParts], Mapping[Tensor, Tensor]]) -> dict[int, Tensor] | None:
    """For :func:`each_loop`: repeat ``search``, which returns replacements in a body, until it finds none."""
    changed = False
    while mapping := search(loop):
        loop.replace_results(substitute(loop.results, mapping))
        changed = True
    if not changed:
        return None
    items = loop.items()
    return {k: items[k] for k in loop.used}


def everywhere(outputs: Iterable[Tensor], rewriting: Pass) -> list[Tensor]:
    """``outputs`` with ``rewriting`` applied to the bodies of all loops, inner ones first, and at last to the graph."""
    outputs = list(outputs)
    new: dict[Node, Any] = {}
    for node in topological(outputs):
        now = _updated(node, new, lambda inside: everywhere(inside, rewriting))
        if now is not node:
            new[node] = now
    return rewriting([new.get(y, y) for y in outputs])


def _updated(node: Node, new: Mapping[Node, Any], rewriting: Pass) -> Any:
    """A node with its inputs replaced by their ``new`` nodes and its body rewritten; itself where neither changes."""
    body = node.attrs.get("body")
    if isinstance(body, Graph):
        inside = rewriting(body.outputs)
        if any(a is not b for a, b in zip(inside, body.outputs, strict=True)):
            inputs = tuple([new.get(x, x) for x in node.inputs])
            return remake(node, inputs, {**node.attrs, "body": Graph(body.inputs, tuple(inside))})
    return rebuilt(node, new)
