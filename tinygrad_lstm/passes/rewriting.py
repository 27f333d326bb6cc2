"""What passes are made of: ``rewrite``, the walk of most; small expressions; and ``LoopParts``, a loop taken apart."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tinygrad_lstm.graph.function import Graph, substitute, topological
from tinygrad_lstm.graph.registry import OPS
from tinygrad_lstm.graph.tensor import Node, Tensor, make_like, rebuilt, remake
from tinygrad_lstm.graph.types import TensorType

__all__ = [
    "LoopParts",
    "Pass",
    "Rewrite",
    "carry_stack",
    "each_loop",
    "everywhere",
    "inner_symbol",
    "is_zero",
    "joined",
    "joins_freely",
    "rewrite",
    "slice_along",
    "while_found",
]

Pass = Callable[[Iterable[Tensor]], list[Tensor]]
"""A pass: from the outputs of a graph to those of another graph with the same values."""
Rewrite = Callable[[Any], Node | None]
"""From a node whose inputs are rewritten already to its replacement, or None to keep it."""


def rewrite(outputs: Iterable[Tensor], rule: Rewrite, where: Callable[[Node], bool] | None = None) -> list[Tensor]:
    """``outputs`` with ``rule`` applied to every node once, inputs before readers.

    Args:
        where: which nodes may be replaced; all by default.
    """
    outputs = list(outputs)
    new: dict[Node, Any] = {}
    for node in topological(outputs):
        candidate = rebuilt(node, new)
        replacement = rule(candidate) if where is None or where(candidate) else None
        new[node] = candidate if replacement is None else replacement
    return [new[y] for y in outputs]


def slice_along(place: Node, x: Tensor, axis: int, start: int, stop: int) -> Tensor:
    """``x[..., start:stop, ...]``: ``x`` itself where that is all of it, and one slice where ``x`` is a slice."""
    if start == 0 and stop == x.shape[axis]:
        return x
    if x.op == "slice" and x.attrs["step"][axis] == 1:
        low, high = list(x.attrs["start"]), list(x.attrs["stop"])
        low[axis], high[axis] = low[axis] + start, x.attrs["start"][axis] + stop
        return make_like(place, "slice", x.inputs[0], start=tuple(low), stop=tuple(high), step=x.attrs["step"])
    low, high = [0] * len(x.shape), list(x.shape)
    low[axis], high[axis] = start, stop
    return make_like(place, "slice", x, start=tuple(low), stop=tuple(high), step=(1,) * len(x.shape))


def joined(place: Node, parts: list[Tensor], axis: int) -> Tensor:
    """The concatenation of ``parts``; adjacent slices of one array are one slice of it."""
    merged: list[Tensor] = []
    for part in parts:
        if merged and (both := _united(merged[-1], part, axis)) is not None:
            merged[-1] = both
        else:
            merged.append(part)
    return merged[0] if len(merged) == 1 else make_like(place, "concatenate", *merged, axis=axis)


def joins_freely(x: Node) -> bool:
    """Whether joining ``x`` with others copies nothing: a kernel writes its result into its part of the joint array."""
    parts = x.inputs if x.op == "concatenate" else (x,)
    return all(OPS[part.op].kind == "elementwise" or part.op == "slice" for part in parts)


def _united(a: Any, b: Any, axis: int) -> Tensor | None:
    """The one slice that ``a`` and ``b`` are together, where ``b`` begins at the end of ``a``; None otherwise."""
    if a.op != "slice" or b.op != "slice" or a.inputs[0] is not b.inputs[0] or a.attrs["step"] != b.attrs["step"]:
        return None
    if a.attrs["step"][axis] != 1 or a.attrs["stop"][axis] != b.attrs["start"][axis]:
        return None
    if any(a.attrs[k][i] != b.attrs[k][i] for k in ("start", "stop") for i in range(len(a.shape)) if i != axis):
        return None
    source = a.inputs[0]
    stop = b.attrs["stop"]
    if all(n == 0 for n in a.attrs["start"]) and stop == source.shape and all(n == 1 for n in a.attrs["step"]):
        return source  # type: ignore[no-any-return]  # the input of a slice
    return make_like(a, "slice", source, start=a.attrs["start"], stop=stop, step=a.attrs["step"])


def carry_stack(place: Node, init: Tensor, left: Tensor, length: int, reverse: bool) -> Tensor:
    """The stack of the values with which a carry enters the steps, from ``left``, those with which it leaves them.

    It starts with ``init``; the value that leaves the last step is not in it.
    """
    if length == 0:
        return left
    first = make_like(place, "reshape", init, shape=(1, *init.shape))
    if length == 1:
        return first
    others = slice_along(place, left, 0, 1, length) if reverse else slice_along(place, left, 0, 0, length - 1)
    parts = (others, first) if reverse else (first, others)
    return make_like(place, "concatenate", *parts, axis=0)


def is_zero(node: Any) -> bool:
    """Whether a node is the constant 0, repeated to any shape."""
    while node.op in ("broadcast_to", "reshape"):
        node = node.inputs[0]
    return bool(node.op == "constant" and node.attrs["value"] == 0)


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
